"""The engines that fit the 1/f-and-peaks model: a registry, and one function to call them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npa.checks import check_option
from npa.spectral.fitting.fooof_engine import fit_with_fooof
from npa.spectral.fitting.spectra import MIN_FREQS, NOT_POSITIVE, SpectralFit, fit_spectra
from npa.typing import FloatArray

TOO_FEW_FREQS = f"freq_range holds fewer than the {MIN_FREQS} frequencies that a fit needs"


class Engine(NamedTuple):
    """A function that fits spectra, and how to divide its work.

    Parameters
    ----------
    fit : callable
        ``fit(freqs, power, **settings)`` returns a `SpectralFit`.
    chunks_per_worker : int
        Number of chunks into which spectra are divided for every parallel process.
    """

    fit: Callable[..., SpectralFit]
    chunks_per_worker: int


ENGINES = {"batch": Engine(fit_spectra, 1), "fooof": Engine(fit_with_fooof, 8)}


def fit_with_engine(
    freqs: FloatArray, power: FloatArray, engine: str = "batch", **settings: Any
) -> SpectralFit:
    """Fit power spectra with one of the engines.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, above 0.
    power : array, shape (n_spectra, n_freqs)
        Power, not its logarithm.
    engine : {"batch", "fooof"}, default "batch"
        `npa.spectral.fit_spectra`, which fits all spectra together, or the FOOOF package.
    **settings
        ``aperiodic_mode``, ``peak_width_limits``, ``max_n_peaks``, ``min_peak_height``,
        ``peak_threshold``, and, not for FOOOF, ``selection``, ``dof`` (of all spectra) and
        ``correlated_bins``, as for `npa.spectral.fit_spectra`.

    Returns
    -------
    fit : SpectralFit
        One value per spectrum; NaN, and a reason in ``fit.reason``, where the fit failed. Too few
        frequencies, and power that is not positive and finite, are reasons too.

    Raises
    ------
    ValueError
        If there is no such engine, or it does not accept a setting.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> fit = fit_with_engine(freqs, np.stack([1 / freqs, 0 * freqs]))
    >>> fit.exponent.round(3), fit.reason.tolist()
    (array([ 1., nan]), ['', 'power is zero or not finite'])
    """
    fit_engine, _ = ENGINES[check_option("engine", engine, tuple(ENGINES))]
    max_n_peaks = settings.get("max_n_peaks", 6)
    if len(freqs) < MIN_FREQS:
        return SpectralFit.empty(freqs, len(power), max_n_peaks, TOO_FEW_FREQS)
    fit = SpectralFit.empty(freqs, len(power), max_n_peaks, NOT_POSITIVE)
    rows = np.flatnonzero((np.isfinite(power) & (power > 0)).all(axis=1))
    dof = settings.get("dof")
    if dof is not None and np.ndim(dof) == 1:
        settings["dof"] = np.asarray(dof)[rows]
    fit.put(rows, fit_engine(freqs, power[rows], **settings))
    return fit
