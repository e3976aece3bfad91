"""Spectra, their model, and the filters made from it: arrays in, arrays out."""

from npa.spectral.bands import (
    CANONICAL_BANDS,
    GOLDEN_RATIO,
    BandRatios,
    band_ratios,
    golden_bands,
)
from npa.spectral.covariances import JointDecorrelation, joint_decorrelation
from npa.spectral.density import psd, psd_of_spans
from npa.spectral.filtering.filter_bank import (
    ChebyshevBank,
    RemezGaussian,
    chebyshev_bank,
    remez_gaussian,
)
from npa.spectral.filtering.gains import gaussian_response, logarithmic_response, whitening_response
from npa.spectral.filtering.power_filter import PowerFilter, design_filter
from npa.spectral.filtering.zero_phase import apply_zero_phase, fir_gain, zero_phase_fir
from npa.spectral.fitting.result import SpectralFit
from npa.spectral.fitting.spectra import default_width_limits, fit_spectra
from npa.spectral.model import aperiodic, gaussians, knee_frequency
from npa.spectral.pass_band import PassBand, usable_range
from npa.spectral.precision import SpectrumPrecision, degrees_of_freedom
from npa.spectral.rolloff import Rolloff, detect_rolloff
from npa.spectral.slopes import PowerLaw, power_law
from npa.spectral.snr import (
    TagTerm,
    baseline_corrected_amplitude,
    snr_spectrum,
    tag_terms,
    term_test,
    zscore_spectrum,
)
from npa.spectral.windows import psd_of_windows

__all__ = [
    "CANONICAL_BANDS",
    "GOLDEN_RATIO",
    "BandRatios",
    "ChebyshevBank",
    "JointDecorrelation",
    "PassBand",
    "PowerFilter",
    "PowerLaw",
    "RemezGaussian",
    "Rolloff",
    "SpectralFit",
    "SpectrumPrecision",
    "TagTerm",
    "aperiodic",
    "apply_zero_phase",
    "band_ratios",
    "baseline_corrected_amplitude",
    "chebyshev_bank",
    "default_width_limits",
    "degrees_of_freedom",
    "design_filter",
    "detect_rolloff",
    "fir_gain",
    "fit_spectra",
    "gaussian_response",
    "gaussians",
    "golden_bands",
    "knee_frequency",
    "joint_decorrelation",
    "logarithmic_response",
    "power_law",
    "psd",
    "psd_of_spans",
    "psd_of_windows",
    "remez_gaussian",
    "snr_spectrum",
    "tag_terms",
    "term_test",
    "usable_range",
    "whitening_response",
    "zero_phase_fir",
    "zscore_spectrum",
]
