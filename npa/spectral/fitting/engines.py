"""The engines that fit the 1/f-and-peaks model: a registry, and one function to call them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from npa.checks import check_option
from npa.spectral.fitting.fooof_engine import fit_with_fooof
from npa.spectral.fitting.result import MIN_FREQS, SpectralFit
from npa.spectral.fitting.spectra import fit_spectra
from npa.typing import FloatArray

TOO_FEW_FREQS = f"freq_range holds fewer than the {MIN_FREQS} frequencies that a fit needs"


class Engine(NamedTuple):
    """A function that fits spectra, and how to divide its work.

    Parameters
    ----------
    fit : callable
        ``fit(freqs, power, **settings)`` returns a `SpectralFit`.
    chunks_per_worker : int
        Number of chunks into which spectra are divided for every parallel process; 0 for an engine
        with threads of its own.
    """

    fit: Callable[..., SpectralFit]
    chunks_per_worker: int


ENGINES = {
    "compiled": Engine(partial(fit_spectra, engine="compiled"), 0),
    "batch": Engine(partial(fit_spectra, engine="batch"), 1),
    "fooof": Engine(fit_with_fooof, 8),
}


def fit_with_engine(
    freqs: FloatArray, power: FloatArray, engine: str = "auto", **settings: Any
) -> SpectralFit:
    """Fit power spectra with one of the engines.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, above 0.
    power : array, shape (n_spectra, n_freqs)
        Power, not its logarithm.
    engine : {"auto", "compiled", "batch", "fooof"}, default "auto"
        One of the engines of `npa.spectral.fit_spectra`, or the FOOOF package.
    **settings
        ``aperiodic_mode``, ``peak_width_limits``, ``max_n_peaks``, ``min_peak_height``,
        ``peak_threshold``, and, not for FOOOF, ``selection``, ``dof``, ``correlated_bins`` and
        ``n_jobs``, as for `npa.spectral.fit_spectra`.

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
    >>> import numpy as np
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> fit = fit_with_engine(freqs, np.stack([1 / freqs, 0 * freqs]))
    >>> fit.exponent.round(3), fit.reason.tolist()
    (array([ 1., nan]), ['', 'power is zero or not finite'])
    """
    check_option("engine", engine, ("auto", *ENGINES))
    if len(freqs) < MIN_FREQS:
        max_n_peaks = settings.get("max_n_peaks", 6)
        return SpectralFit.empty(freqs, len(power), max_n_peaks, TOO_FEW_FREQS)
    fit = fit_spectra if engine == "auto" else ENGINES[engine].fit
    return fit(freqs, power, **settings)
