"""The FOOOF package as an engine: one spectrum after the other, for parity with its results."""

import warnings
from typing import Any

import numpy as np

from npa.spectral.fitting.result import NOT_POSITIVE, SpectralFit
from npa.typing import FloatArray


def fit_with_fooof(
    freqs: FloatArray, power: FloatArray, *, max_n_peaks: int = 6, **settings: Any
) -> SpectralFit:
    """Fit a 1/f background and Gaussian peaks to power spectra with the FOOOF package.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, above 0.
    power : array, shape (n_spectra, n_freqs)
        Power, not its logarithm.
    max_n_peaks : int, default 6
        Largest number of peaks.
    **settings
        ``aperiodic_mode``, ``peak_width_limits``, ``min_peak_height`` and ``peak_threshold``, as
        for `npa.spectral.fit_spectra`.

    Returns
    -------
    fit : SpectralFit
        One value per spectrum; NaN, and the message of FOOOF in ``fit.reason``, where it failed.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> fit_with_fooof(freqs, 1 / freqs ** np.array([[1.0], [2.0]])).exponent.round(3)
    array([1., 2.])
    """
    FOOOF, FitError = _import_fooof()
    model = FOOOF(**settings, max_n_peaks=max_n_peaks, verbose=False)
    model.set_debug_mode(True)  # raises, with the reason, where a fit fails
    fit = SpectralFit.empty(freqs, len(power), max_n_peaks)
    good = (np.isfinite(power) & (power > 0)).all(axis=1)
    fit.reason[~good] = NOT_POSITIVE
    for row in np.flatnonzero(good):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(freqs, power[row])
        except (FitError, ValueError) as error:
            fit.reason[row] = str(error).rstrip(".")
            continue
        fit.offset[row], *knee, fit.exponent[row] = model.aperiodic_params_
        fit.knee[row] = knee[0] if knee else 0.0
        fit.peaks[row, : len(model.peak_params_)] = model.peak_params_
        fit.gaussians[row, : len(model.gaussian_params_)] = model.gaussian_params_
        fit.r_squared[row], fit.error[row] = model.r_squared_, model.error_
    return fit


def _import_fooof() -> tuple[Any, type[Exception]]:
    """Import FOOOF without its deprecation warning; other warnings of the import are kept."""
    with warnings.catch_warnings(record=True) as caught:  # FOOOF changes the filters itself
        from fooof import FOOOF
        from fooof.core.errors import FitError
    for other in caught:
        if "`fooof` package is being deprecated" not in str(other.message):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return FOOOF, FitError
