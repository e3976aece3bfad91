"""Standard errors and intervals of fits, from fits of resampled or simulated spectra."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy

from npa.spectral.fitting.matching import match_peaks
from npa.spectral.fitting.result import SpectralFit, background_columns
from npa.spectral.leakage import SpectralWindow
from npa.spectral.resampling import Noise
from npa.typing import BoolArray, FloatArray, IntArray

MIN_SHARE_FOUND = 0.5  # of the resamples; a value that most of them lack has no interval
SPECTRA_AT_ONCE = 2**14
# Measures whose errors are closer to normal on a logarithmic scale.
LOGARITHMIC = ("knee", "knee_freq", "timescale", "bw")
PEAK_MEASURES = ("cf", "pw", "bw")
MIN_BOOT = 20  # below, standard errors are off by more than 16 %


class Intervals(NamedTuple):
    """Standard errors and 95 % intervals.

    Parameters
    ----------
    se : array, shape (..., n_values)
        Standard errors.
    low, high : array, shape (..., n_values)
        Ends of the intervals.
    """

    se: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> "Intervals":
        """Return intervals that are all NaN, to be filled.

        Parameters
        ----------
        shape : tuple of int
            Their shape.

        Returns
        -------
        intervals : Intervals
            The intervals.
        """
        return cls(*np.full((3, *shape), np.nan))


class NoiseOfSpectra(NamedTuple):
    """Which spectra have which noise.

    Parameters
    ----------
    noise : Noise
        The noise of one row.
    spectra : array of int, shape (n_spectra,)
        Indices of the spectra; those of the groups of the noise, if it has groups.
    """

    noise: Noise
    spectra: IntArray


def bootstrap_intervals(
    noise: Sequence[NoiseOfSpectra],
    model: FloatArray,
    estimate: FloatArray,
    reference: FloatArray,
    measure: Callable[[FloatArray, IntArray], FloatArray],
    positive: BoolArray,
) -> Intervals:
    r"""Estimate intervals of measures of spectra from noisy spectra around a model.

    Parameters
    ----------
    noise : sequence of NoiseOfSpectra
        Noise of the spectra; those that are not listed have no intervals.
    model : array, shape (n_spectra, n_freqs)
        Power without noise; NaN for no intervals.
    estimate : array, shape (n_spectra, n_values)
        The measures of the spectra.
    reference : array, shape (n_spectra, n_values)
        The measures of the model.
    measure : callable
        ``measure(power, spectra) -> values``: measures (n_resampled, n_values) of resampled power
        (n_resampled, n_freqs), each of the spectrum with that index.
    positive : array of bool, shape (n_values,)
        Values whose logarithm has the intervals, where it exists.

    Returns
    -------
    intervals : Intervals
        Of shape (n_spectra, n_values).

    Notes
    -----
    Each spectrum of the model times relative noise is measured as the recorded one was. With the
    mean :math:`m` and the standard deviation :math:`s` of these measures, and the measure
    :math:`\theta_0` of the model itself, the interval is

    .. math:: \theta - (m - \theta_0) \pm q s,

    which is corrected for bias. The quantile q is that of Student's t, with the inverse of the
    degrees of freedom the sum of those of the noise and of the resamples, ``n_boot - 1``.

    Examples
    --------
    The mean of the logarithm of power that is the average over 50 windows:

    >>> noise = Noise(np.random.default_rng(0).gamma(50, 1 / 50, size=(400, 30)))
    >>> flat, zero = np.ones((1, 30)), np.zeros((1, 1))
    >>> found = bootstrap_intervals(
    ...     [NoiseOfSpectra(noise, np.array([0]))], flat, zero, zero,
    ...     lambda power, _: np.log(power).mean(axis=1, keepdims=True), np.array([False]))
    >>> round(float(found.se[0, 0] * np.sqrt(50 * 30)), 1)
    1.0
    """
    intervals = Intervals.empty(estimate.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        usable = positive & (estimate > 0) & (reference > 0)
        log_estimate = np.where(usable, np.log(estimate), estimate)
        log_reference = np.where(usable, np.log(reference), reference)
    for one in noise:
        n_boot = len(one.noise.draws)
        dof = 1 / (1 / one.noise.dof + 1 / (n_boot - 1))
        quantile = scipy.stats.t.ppf(0.975, dof)
        at_once = max(SPECTRA_AT_ONCE // n_boot, 1)
        for first in range(0, len(one.spectra), at_once):
            rows = one.spectra[first : first + at_once]
            ratios = one.noise.ratios(slice(first, first + len(rows)))
            power = (ratios * model[rows]).reshape(n_boot * len(rows), -1)
            values = measure(power, np.tile(rows, n_boot)).reshape(n_boot, len(rows), -1)
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.where(usable[rows], np.log(values), values)
            values[~np.isfinite(values)] = np.nan
            sd, mean = _spread(values)
            middle = log_estimate[rows] - (mean - log_reference[rows])
            half = quantile * sd
            scale = usable[rows]
            intervals.se[rows] = np.where(scale, sd * estimate[rows], sd)
            with np.errstate(over="ignore"):
                for ends, end in ((intervals.low, middle - half), (intervals.high, middle + half)):
                    ends[rows] = np.exp(end, where=scale, out=end)
    return intervals


def measure_names(aperiodic_mode: str, n_peaks: int) -> list[str]:
    """Return the names of the measures of a fit that have intervals.

    Parameters
    ----------
    aperiodic_mode : {"fixed", "knee", "knee_floor", "auto"}
        Kind of background.
    n_peaks : int
        Number of peaks.

    Returns
    -------
    names : list of str
        The names.

    Examples
    --------
    >>> measure_names("fixed", 1)
    ['offset', 'exponent', 'peak1_cf', 'peak1_pw', 'peak1_bw']
    """
    knee = background_columns(aperiodic_mode)
    peaks = [f"peak{n + 1}_{value}" for n in range(n_peaks) for value in PEAK_MEASURES]
    return ["offset", *knee, "exponent", *peaks]


def measures(fit: SpectralFit, peaks: FloatArray, aperiodic_mode: str) -> FloatArray:
    """Return the measures of fits in the order of `measure_names`.

    Parameters
    ----------
    fit : SpectralFit
        The fits.
    peaks : array, shape (n_spectra, n_peaks, 3)
        Their peaks, perhaps in another order.
    aperiodic_mode : {"fixed", "knee", "knee_floor", "auto"}
        Kind of background.

    Returns
    -------
    values : array, shape (n_spectra, n_measures)
        The measures.

    Examples
    --------
    >>> fit = SpectralFit.empty(np.arange(1.0, 46.0), 4, 6)
    >>> measures(fit, fit.peaks, "knee").shape
    (4, 23)
    """
    knee = [getattr(fit, name) for name in background_columns(aperiodic_mode)]
    return np.column_stack([fit.offset, *knee, fit.exponent, peaks.reshape(len(peaks), -1)])


def bootstrap_fits(
    fit: SpectralFit,
    model: SpectralFit,
    noise: Sequence[NoiseOfSpectra],
    refit: Callable[[FloatArray, IntArray], SpectralFit],
    aperiodic_mode: str,
    *,
    peaks: FloatArray | None = None,
    background: bool = False,
    window: SpectralWindow | None = None,
) -> Intervals:
    """Estimate intervals of backgrounds and peaks; see `bootstrap_intervals`.

    Parameters
    ----------
    fit : SpectralFit
        The fits.
    model : SpectralFit
        Models of the same spectra, around which noise is added: the fits, if each of their peaks is
        significant. With peaks of noise in the model, the bias that these cause would be missed.
    noise : sequence of NoiseOfSpectra
        Noise of the spectra.
    refit : callable
        ``refit(power, spectra)`` fits resampled power (n_resampled, n_freqs), each of the spectrum
        with that index.
    aperiodic_mode : {"fixed", "knee", "knee_floor", "auto"}
        Kind of background.
    peaks : array, shape (n_spectra, n_peaks, 3) | None
        The peaks that have intervals; None for those of the fits. Those that the model lacks have
        none.
    background : bool
        Whether log10 power of the background has intervals as well, after the rest.
    window : SpectralWindow | None
        The response of the estimator of power, of which leakage is added to the model, so that
        intervals are corrected for it; None for none.

    Returns
    -------
    intervals : Intervals
        Of shape (n_spectra, n_values): the values of `measure_names`, and perhaps n_freqs of the
        background.

    Examples
    --------
    >>> from npa.spectral.fitting.spectra import fit_spectra
    >>> rng, freqs = np.random.default_rng(0), np.arange(1.0, 46.0)
    >>> fit = fit_spectra(freqs, 1 / freqs[np.newaxis], max_n_peaks=0)
    >>> noise = Noise(rng.gamma(20, 1 / 20, size=(50, 45)))
    >>> noises = [NoiseOfSpectra(noise, np.array([0]))]
    >>> found = bootstrap_fits(
    ...     fit, fit, noises, lambda power, _: fit_spectra(freqs, power, max_n_peaks=0), "fixed")
    >>> found.low.round(1), found.high.round(1)
    (array([[-0.1,  0.9]]), array([[0.1, 1.1]]))
    """
    peaks = fit.peaks if peaks is None else peaks
    expected = match_peaks(model.peaks, peaks)

    def values(fit: SpectralFit, peaks: FloatArray) -> FloatArray:
        own = measures(fit, peaks, aperiodic_mode)
        return np.hstack([own, fit.aperiodic]) if background else own

    def measure(power: FloatArray, spectra: IntArray) -> FloatArray:
        resampled = refit(power, spectra)
        return values(resampled, match_peaks(resampled.peaks, expected[spectra]))

    estimate, reference = values(fit, peaks), values(model, expected)
    names = measure_names(aperiodic_mode, peaks.shape[1])
    positive = np.zeros(estimate.shape[1], bool)
    positive[: len(names)] = [name.split("_", 1)[-1] in LOGARITHMIC for name in names]
    positive[: len(names)] |= [name in LOGARITHMIC for name in names]
    power = np.asarray(10.0**model.model)
    if window is not None:
        power *= window.leakage(lambda freqs: replace(model, freqs=freqs).model)
    return bootstrap_intervals(noise, power, estimate, reference, measure, positive)


def _spread(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return standard deviation and mean over resamples; NaN if most of them have no value."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    enough = (count >= MIN_SHARE_FOUND * len(values)) & (count > 1)
    count = np.maximum(count, 2)
    mean = np.where(known, values, 0).sum(axis=0) / count
    squares = np.where(known, (values - mean) ** 2, 0).sum(axis=0)
    sd = np.sqrt(squares / (count - 1))
    return np.where(enough, sd, np.nan), np.where(enough, mean, np.nan)
