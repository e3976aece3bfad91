"""Gaussian peaks of many flattened spectra at once: found one by one, then fitted together."""

import numpy as np

from npa.spectral.fitting.trust_region import solve_bounded

_SD_OF_WIDTH = 1 / (2 * np.sqrt(2 * np.log(2)))  # of a Gaussian's full width at half height
_OVERLAP = 0.75  # standard deviations to either side that a neighbour must not reach
_WANDER = 3.0  # standard deviations that a centre may move in the fit
_NARROWEST = 1e-9  # Hz: a peak that is not there has no width, and must not divide by it
_CACHE = 2**18  # bytes of derivatives worked on together
_DEEPEST = -300.0  # smaller exponents add nothing, and numbers too small to normalize are slow


def find_peaks(freqs, flat, *, width_limits, max_n_peaks, min_height, threshold):
    """Find the peaks of flattened spectra, the tallest first, each in what the last ones left.

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
        Smallest height in standard deviations of what is left of the spectrum.

    Returns
    -------
    peaks : array, shape (n_spectra, max_n_peaks, 3)
        Centre (Hz), height (log10 units) and standard deviation (Hz), by rising frequency; NaN
        where there are fewer. Peaks within one standard deviation of the ends of the spectrum,
        and the lower of two that overlap, are left out.

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
    narrowest, widest = width_limits[0] / 2, width_limits[1] / 2
    left = flat.copy()
    rows = np.arange(len(flat))
    found = np.full((len(flat), max_n_peaks, 3), np.nan)
    for number in range(max_n_peaks):
        rest = left[rows]
        top = rest.argmax(axis=1)
        height = rest[np.arange(len(rows)), top]
        high = (height > threshold * rest.std(axis=1)) & (height > min_height)
        rows, rest, top, height = rows[high], rest[high], top[high], height[high]
        if not len(rows):
            break
        bins = _bins_to_half_height(rest, top, height)
        sd = 2 * bins * (freqs[1] - freqs[0]) * _SD_OF_WIDTH
        sd = np.clip(np.where(np.isinf(sd), sum(width_limits) / 2, sd), narrowest, widest)
        found[rows, number] = np.stack([freqs[top], height, sd], axis=1)
        distance = (freqs - freqs[top, np.newaxis]) / sd[:, np.newaxis]
        left[rows] = rest - height[:, np.newaxis] * _bell(distance)
    return _leave_out(found, freqs[0], freqs[-1])


def fit_peaks(freqs, flat, guess, *, width_limits):
    """Fit the Gaussians of every spectrum together.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    flat : array, shape (n_spectra, n_freqs)
        log10 power over the background.
    guess : array, shape (n_spectra, max_n_peaks, 3)
        What `find_peaks` returns. Centres stay within three standard deviations of it.
    width_limits : tuple of float
        Smallest and largest two-sided bandwidth in Hz.

    Returns
    -------
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre (Hz), height (log10 units) and standard deviation (Hz), by rising frequency; NaN
        where there are fewer, or the fit failed.
    solved : array of bool, shape (n_spectra,)
        Whether the fit succeeded; spectra without peaks have nothing to fail.

    Examples
    --------
    >>> import numpy as np
    >>> freqs = np.arange(1, 40.5, 0.5)
    >>> flat = np.exp(-((freqs - 10.2) ** 2) / 2)[np.newaxis]
    >>> gaussians, solved = fit_peaks(freqs, flat, [[[10, 0.9, 1.5]]], width_limits=(1, 12))
    >>> gaussians.round(3), solved
    (array([[[10.2,  1. ,  1. ]]]), array([ True]))
    """
    guess = np.asarray(guess, dtype=float)
    there = np.isfinite(guess[..., :1])
    rows = np.flatnonzero(there.any(axis=(1, 2)))
    gaussians = np.full_like(guess, np.nan)
    solved = np.ones(len(guess), dtype=bool)
    if len(rows):
        low, high = _bounds(guess[rows], freqs, width_limits)
        there = there[rows]
        start = np.where(there, guess[rows], 0.0)
        flattened = [values.reshape(len(rows), -1) for values in (start, low, high)]
        sizes = 3 * there.sum(axis=(1, 2))
        x, solved[rows] = solve_bounded(_misfit(freqs, flat[rows]), *flattened, sizes)
        gaussians[rows] = _by_frequency(np.where(there, x.reshape(start.shape), np.nan))
    gaussians[~solved] = np.nan
    return gaussians, solved


def peak_sum(freqs, gaussians):
    """Compute the sum of the Gaussians of every spectrum.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre, height and standard deviation, NaN where there are fewer.

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
        total[rows] += height * _bell((freqs - centre) / sd)
    return total


def _bell(distance):
    """Gaussian of a distance in standard deviations."""
    exponent = distance * distance
    exponent *= -0.5
    np.maximum(exponent, _DEEPEST, out=exponent)
    return np.exp(exponent, out=exponent)


def _bins_to_half_height(rest, top, height):
    """Count the bins from each peak to the nearer side's half height; infinite without one.

    The first bin is never one: FOOOF does not look at it.
    """
    n_freqs = rest.shape[1]
    bins = np.arange(n_freqs)
    low = rest <= 0.5 * height[:, np.newaxis]
    low[:, 0] = False
    distance = np.abs(bins - top[:, np.newaxis])
    nearest = np.where(low, distance, n_freqs).min(axis=1)
    return np.where(nearest == n_freqs, np.inf, nearest)


def _leave_out(peaks, first, last):
    """Drop peaks at the ends and the lower of two that overlap; sort by frequency."""
    centre, _, sd = np.moveaxis(peaks, 2, 0)
    peaks[~((centre - first > sd) & (last - centre > sd))] = np.nan
    peaks = _by_frequency(peaks)
    centre, height, sd = np.moveaxis(peaks, 2, 0)
    low, high = centre - _OVERLAP * sd, centre + _OVERLAP * sd
    touch = high[:, :-1] > low[:, 1:]
    left_is_lower = height[:, :-1] <= height[:, 1:]
    drop = np.zeros(centre.shape, dtype=bool)
    drop[:, :-1] |= touch & left_is_lower
    drop[:, 1:] |= touch & ~left_is_lower
    peaks[drop] = np.nan
    return _by_frequency(peaks)


def _by_frequency(peaks):
    """Sort each spectrum's peaks, those that are not there last."""
    order = peaks[..., 0].argsort(axis=1, kind="stable")[..., np.newaxis]
    return np.take_along_axis(peaks, order, axis=1)


def _bounds(start, freqs, width_limits):
    """Return what the parameters may become, shape as ``start``; no bounds without a peak."""
    centre, _, sd = np.moveaxis(start, 2, 0)
    low, high = np.zeros_like(start), np.full_like(start, np.inf)
    low[..., 0] = np.maximum(centre - _WANDER * sd, freqs[0])
    high[..., 0] = np.minimum(centre + _WANDER * sd, freqs[-1])
    low[..., 2], high[..., 2] = width_limits[0] / 2, width_limits[1] / 2
    low[np.isnan(start)], high[np.isnan(start)] = -np.inf, np.inf
    return low, high


def _misfit(freqs, flat):
    """Make the function that evaluates centre, height and width of each peak in turn."""

    def evaluate(x, rows):
        n_rows, n_params = x.shape
        cost, gradient = np.empty(n_rows), np.empty_like(x)
        normal = np.empty((n_rows, n_params, n_params))
        step = max(_CACHE // (8 * n_params * len(freqs)), 1)
        for first in range(0, n_rows, step):
            part = slice(first, first + step)
            residual, jacobian = _residual(freqs, flat[rows[part]], x[part])
            cost[part] = 0.5 * np.vecdot(residual, residual)
            np.matvec(jacobian, residual, out=gradient[part])
            np.matmul(jacobian, jacobian.mT, out=normal[part])
        return cost, gradient, normal

    return evaluate


def _residual(freqs, flat, x):
    """Return what the Gaussians miss, and the derivatives (n_rows, n_params, n_freqs)."""
    n_rows, n_params = x.shape
    centre, height, sd = np.moveaxis(x.reshape(n_rows, -1, 3, 1), 2, 0)
    sd = np.maximum(sd, _NARROWEST)
    jacobian = np.empty((n_rows, n_params // 3, 3, len(freqs)))
    by_centre, by_height, by_sd = np.moveaxis(jacobian, 2, 0)
    distance = np.subtract(freqs, centre)
    distance /= sd
    by_height[:] = _bell(distance)
    residual = (height.mT @ by_height)[:, 0] - flat
    np.multiply(distance, by_height, out=by_centre)
    by_centre *= height / sd
    np.multiply(by_centre, distance, out=by_sd)
    return residual, jacobian.reshape(n_rows, n_params, -1)
