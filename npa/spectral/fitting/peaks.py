"""Gaussian peaks of many flattened spectra: found one after the other, then fitted together."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from npa.spectral.fitting.trust_region_reflective import least_squares_trf
from npa.typing import BoolArray, FloatArray, IntArray

SD_PER_FWHM = 1 / (2 * np.sqrt(2 * np.log(2)))  # of a Gaussian
OVERLAP_SDS = 0.75  # two peaks overlap if they are nearer than this to each other, each in its SD
MAX_CENTER_SHIFT_SDS = 3.0  # by which the fit may move a centre
MIN_SD = 1e-9  # Hz; unused parameters are 0, and divided by
CACHE_BYTES = 2**18  # of the Jacobians that are evaluated together
MIN_EXPONENT = -300.0  # of exp: smaller values are negligible, and subnormal numbers are slow


def find_peaks(
    freqs: FloatArray,
    flat: FloatArray,
    *,
    width_limits: tuple[float, float],
    max_n_peaks: int,
    min_height: float,
    threshold: float,
) -> FloatArray:
    """Find the peaks of flattened spectra: repeatedly the highest, which is then subtracted.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz.
    flat : array, shape (n_spectra, n_freqs)
        log10 power over the background. A spectrum with NaN has no peaks.
    width_limits : tuple of float
        Smallest and largest two-sided bandwidth in Hz.
    max_n_peaks : int
        Largest number of peaks.
    min_height : float
        Smallest height in log10 units.
    threshold : float
        Smallest height in standard deviations of the flattened spectrum without the peaks found
        before.

    Returns
    -------
    peaks : array, shape (n_spectra, max_n_peaks, 3)
        Centre (Hz), height (log10 units) and standard deviation (Hz), by increasing frequency;
        NaN where there are fewer. Peaks within one standard deviation of the ends of the
        spectrum, and the lower of two that overlap, are dropped.

    Examples
    --------
    >>> import numpy as np
    >>> freqs = np.arange(1, 40.5, 0.5)
    >>> flat = np.exp(-((freqs - 10) ** 2) / 2)[np.newaxis]
    >>> limits = {"width_limits": (1, 12), "max_n_peaks": 2, "min_height": 0.1, "threshold": 2}
    >>> find_peaks(freqs, flat, **limits).round(2)
    array([[[10.  ,  1.  ,  1.27],
            [  nan,   nan,   nan]]])
    """
    min_sd, max_sd = width_limits[0] / 2, width_limits[1] / 2
    residual = flat.copy()
    rows = np.arange(len(flat))
    found = np.full((len(flat), max_n_peaks, 3), np.nan)
    for number in range(max_n_peaks):
        current = residual[rows]
        top = current.argmax(axis=1)
        height = current[np.arange(len(rows)), top]
        high = (height > threshold * current.std(axis=1)) & (height > min_height)
        rows, current, top, height = rows[high], current[high], top[high], height[high]
        if not len(rows):
            break
        bins = _bins_to_half_height(current, top, height)
        sd = 2 * bins * (freqs[1] - freqs[0]) * SD_PER_FWHM
        sd = np.clip(np.where(np.isinf(sd), sum(width_limits) / 2, sd), min_sd, max_sd)
        found[rows, number] = np.stack([freqs[top], height, sd], axis=1)
        distance = (freqs - freqs[top, np.newaxis]) / sd[:, np.newaxis]
        residual[rows] = current - height[:, np.newaxis] * unit_gaussian(distance)
    return _drop_edge_and_overlapping(found, freqs[0], freqs[-1])


def fit_peaks(
    freqs: FloatArray,
    flat: FloatArray,
    guess: npt.ArrayLike,
    *,
    width_limits: tuple[float, float],
) -> tuple[FloatArray, BoolArray]:
    """Fit all Gaussians of every spectrum together.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    flat : array, shape (n_spectra, n_freqs)
        log10 power over the background.
    guess : array, shape (n_spectra, max_n_peaks, 3)
        Initial values, from `find_peaks`. Centres stay within three standard deviations of them.
    width_limits : tuple of float
        Smallest and largest two-sided bandwidth in Hz.

    Returns
    -------
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre (Hz), height (log10 units) and standard deviation (Hz), by increasing frequency;
        NaN where there are fewer, or the fit failed.
    converged : array of bool, shape (n_spectra,)
        Whether the fit converged; true for spectra without peaks.

    Examples
    --------
    >>> import numpy as np
    >>> freqs = np.arange(1, 40.5, 0.5)
    >>> flat = np.exp(-((freqs - 10.2) ** 2) / 2)[np.newaxis]
    >>> gaussians, converged = fit_peaks(freqs, flat, [[[10, 0.9, 1.5]]], width_limits=(1, 12))
    >>> gaussians.round(3), converged
    (array([[[10.2,  1. ,  1. ]]]), array([ True]))
    """
    guess = np.asarray(guess, dtype=np.float64)
    exists = np.isfinite(guess[..., :1])
    rows = np.flatnonzero(exists.any(axis=(1, 2)))
    gaussians = np.full_like(guess, np.nan)
    converged = np.ones(len(guess), dtype=bool)
    if len(rows):
        lower, upper = _bounds(guess[rows], freqs, width_limits)
        exists = exists[rows]
        start = np.where(exists, guess[rows], 0.0)
        n_params = 3 * exists.sum(axis=(1, 2))
        evaluate = _make_evaluate(freqs, flat[rows])
        flat_start, lower, upper = (v.reshape(len(rows), -1) for v in (start, lower, upper))
        x, converged[rows] = least_squares_trf(evaluate, flat_start, lower, upper, n_params)
        gaussians[rows] = _by_frequency(np.where(exists, x.reshape(start.shape), np.nan))
    gaussians[~converged] = np.nan
    return gaussians, converged


def peak_sum(freqs: FloatArray, gaussians: FloatArray) -> FloatArray:
    """Compute the sum of the Gaussians of every spectrum.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre, height and standard deviation; NaN where there are fewer.

    Returns
    -------
    log_power : array, shape (n_spectra, n_freqs)
        The sum; 0 without peaks.

    Examples
    --------
    >>> import numpy as np
    >>> peak_sum(np.array([10.0, 20.0]), np.array([[[10.0, 0.8, 1.0]]]))
    array([[8.00000000e-01, 1.54299988e-22]])
    """
    total = np.zeros((len(gaussians), len(freqs)))
    for peak in range(gaussians.shape[1]):
        rows = np.flatnonzero(np.isfinite(gaussians[:, peak, 0]))
        centre, height, sd = gaussians[rows, peak].T[..., np.newaxis]
        total[rows] += height * unit_gaussian((freqs - centre) / sd)
    return total


def unit_gaussian(distance: FloatArray) -> FloatArray:
    """Return a Gaussian of height 1.

    Parameters
    ----------
    distance : array
        Distances from the centre in standard deviations.

    Returns
    -------
    values : array
        The Gaussian at these.

    Examples
    --------
    >>> unit_gaussian(np.array([0.0, 1.0])).round(3)
    array([1.   , 0.607])
    """
    exponent = distance * distance
    exponent *= -0.5
    np.maximum(exponent, MIN_EXPONENT, out=exponent)
    return np.exp(exponent, out=exponent)


def _bins_to_half_height(flat: FloatArray, top: IntArray, height: FloatArray) -> FloatArray:
    """Count the bins from each peak to the nearer bin at half height; infinite without one.

    As in FOOOF, the first bin is ignored.
    """
    n_freqs = flat.shape[1]
    bins = np.arange(n_freqs)
    low = flat <= 0.5 * height[:, np.newaxis]
    low[:, 0] = False
    distance = np.abs(bins - top[:, np.newaxis])
    nearest = np.where(low, distance, n_freqs).min(axis=1)
    return np.where(nearest == n_freqs, np.inf, nearest)


def _drop_edge_and_overlapping(peaks: FloatArray, first: float, last: float) -> FloatArray:
    """Drop peaks at the ends and the lower of two that overlap; sort by frequency."""
    centre, _, sd = np.moveaxis(peaks, 2, 0)
    peaks[~((centre - first > sd) & (last - centre > sd))] = np.nan
    peaks = _by_frequency(peaks)
    centre, height, sd = np.moveaxis(peaks, 2, 0)
    left, right = centre - OVERLAP_SDS * sd, centre + OVERLAP_SDS * sd
    overlap = right[:, :-1] > left[:, 1:]
    left_is_lower = height[:, :-1] <= height[:, 1:]
    drop = np.zeros(centre.shape, dtype=bool)
    drop[:, :-1] |= overlap & left_is_lower
    drop[:, 1:] |= overlap & ~left_is_lower
    peaks[drop] = np.nan
    return _by_frequency(peaks)


def _by_frequency(peaks: FloatArray) -> FloatArray:
    """Sort the peaks of each spectrum by frequency, NaN last."""
    order = peaks[..., 0].argsort(axis=1, kind="stable")[..., np.newaxis]
    return np.take_along_axis(peaks, order, axis=1)


def _bounds(
    start: FloatArray, freqs: FloatArray, width_limits: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of the parameters, shape as ``start``; infinite where there is no peak."""
    centre, _, sd = np.moveaxis(start, 2, 0)
    lower, upper = np.zeros_like(start), np.full_like(start, np.inf)
    lower[..., 0] = np.maximum(centre - MAX_CENTER_SHIFT_SDS * sd, freqs[0])
    upper[..., 0] = np.minimum(centre + MAX_CENTER_SHIFT_SDS * sd, freqs[-1])
    lower[..., 2], upper[..., 2] = width_limits[0] / 2, width_limits[1] / 2
    lower[np.isnan(start)], upper[np.isnan(start)] = -np.inf, np.inf
    return lower, upper


def _make_evaluate(
    freqs: FloatArray, flat: FloatArray
) -> Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray, FloatArray]]:
    """Return the objective of `least_squares_trf`, over centre, height and SD of every peak."""

    def evaluate(x: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        n_rows, n_params = x.shape
        cost, gradient = np.empty(n_rows), np.empty_like(x)
        normal = np.empty((n_rows, n_params, n_params))
        step = max(CACHE_BYTES // (8 * n_params * len(freqs)), 1)
        for first in range(0, n_rows, step):
            part = slice(first, first + step)
            residual, jacobian = _residual_and_jacobian(freqs, flat[rows[part]], x[part])
            cost[part] = 0.5 * np.vecdot(residual, residual)
            np.matvec(jacobian, residual, out=gradient[part])
            np.matmul(jacobian, jacobian.mT, out=normal[part])
        return cost, gradient, normal

    return evaluate


def _residual_and_jacobian(
    freqs: FloatArray, flat: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return residuals (n_rows, n_freqs) and their derivatives (n_rows, n_params, n_freqs)."""
    n_rows, n_params = x.shape
    centre, height, sd = np.moveaxis(x.reshape(n_rows, -1, 3, 1), 2, 0)
    sd = np.maximum(sd, MIN_SD)
    jacobian = np.empty((n_rows, n_params // 3, 3, len(freqs)))
    by_centre, by_height, by_sd = np.moveaxis(jacobian, 2, 0)
    distance = np.subtract(freqs, centre)
    distance /= sd
    by_height[:] = unit_gaussian(distance)
    residual = (height.mT @ by_height)[:, 0] - flat
    np.multiply(distance, by_height, out=by_centre)
    by_centre *= height / sd
    np.multiply(by_centre, distance, out=by_sd)
    return residual, jacobian.reshape(n_rows, n_params, -1)
