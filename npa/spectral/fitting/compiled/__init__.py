"""The compiled engine; only `npa.spectral.fitting.compiled.engine` is importable without numba."""
