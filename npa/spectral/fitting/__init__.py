"""Fits of the 1/f-and-peaks model to many spectra, and the solvers they use."""
