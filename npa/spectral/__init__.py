"""Spectra, their model, and the filters made from it: arrays in, arrays out."""

from npa.spectral.density import psd, psd_of_runs
from npa.spectral.filters import (
    ChebyshevBank,
    RemezGaussian,
    apply_zero_phase,
    chebyshev_bank,
    fir_gain,
    remez_gaussian,
    zero_phase_fir,
)
from npa.spectral.model import aperiodic, gaussians
from npa.spectral.responses import gaussian_response, logarithmic_response, whitening_response

__all__ = [
    "ChebyshevBank",
    "RemezGaussian",
    "aperiodic",
    "apply_zero_phase",
    "chebyshev_bank",
    "fir_gain",
    "gaussian_response",
    "gaussians",
    "logarithmic_response",
    "psd",
    "psd_of_runs",
    "remez_gaussian",
    "whitening_response",
    "zero_phase_fir",
]
