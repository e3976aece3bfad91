"""Compiled fits of power spectra in FOOOF's steps, one spectrum after the other."""

import math
from collections.abc import Callable

import numpy as np

from npa.spectral.fitting.compiled import functions, levenberg_marquardt, objective, trust_region
from npa.spectral.fitting.compiled.decorators import (
    compiled,
    compiled_entry,
    inlined,
    sources_stamp,
)
from npa.spectral.fitting.compiled.functions import exp, log
from npa.spectral.fitting.compiled.levenberg_marquardt import fit_background
from npa.spectral.fitting.compiled.trust_region import fit_model
from npa.spectral.fitting.peaks import MAX_CENTER_SHIFT_SDS, OVERLAP_SDS, SD_PER_FWHM
from npa.spectral.fitting.result import (
    BACKGROUND_NOT_CONVERGED,
    BACKGROUND_PERCENTILE,
    MAX_NFEV_LINEAR_KNEE,
    NOT_POSITIVE,
    PEAKS_NOT_CONVERGED,
    TOO_FEW_BACKGROUND_POINTS,
)
from npa.typing import BoolArray, FloatArray, IntArray

# Reasons of failed fits, whose indices the compiled functions return.
REASONS = (
    "",
    NOT_POSITIVE,
    BACKGROUND_NOT_CONVERGED,
    TOO_FEW_BACKGROUND_POINTS,
    PEAKS_NOT_CONVERGED,
)
_FITTED, _NOT_POSITIVE, _BACKGROUND, _TOO_FEW, _PEAKS = range(5)
MAX_NFEV = 5000
LN10 = math.log(10)


def _make_fit_rows(stamp: int) -> Callable[..., None]:
    @compiled_entry
    def fit_rows(
        freqs: FloatArray,
        power: FloatArray,
        knee: bool,
        min_width: float,
        max_width: float,
        min_height: float,
        threshold: float,
        background: FloatArray,
        gaussians: FloatArray,
        peaks: FloatArray,
        scores: FloatArray,
        reason: IntArray,
    ) -> None:
        _ = stamp
        log_freqs = np.log(freqs)
        for row in range(len(power)):
            reason[row] = _fit_spectrum(
                freqs,
                log_freqs,
                power[row],
                knee,
                min_width,
                max_width,
                min_height,
                threshold,
                background[row],
                gaussians[row],
                peaks[row],
                scores[row],
            )

    return fit_rows


@compiled
def _fit_spectrum(
    freqs: FloatArray,
    log_freqs: FloatArray,
    power: FloatArray,
    knee: bool,
    min_width: float,
    max_width: float,
    min_height: float,
    threshold: float,
    background: FloatArray,
    gaussians: FloatArray,
    peaks: FloatArray,
    scores: FloatArray,
) -> int:
    """Fit one spectrum, and return the index of the reason; the outputs begin as NaN."""
    n_freqs = freqs.size
    log_power, flat = np.empty(n_freqs), np.empty(n_freqs)
    for i in range(n_freqs):
        if not 0 < power[i] < np.inf:
            return _NOT_POSITIVE
        log_power[i] = np.log10(power[i])
    fall = log_power[-1] - log_power[0]
    exponent = abs(fall) * LN10 / (log_freqs[-1] - log_freqs[0])
    own = np.empty(3)
    own[0], own[1], own[2] = log_power[0], 0.0, exponent
    curve, bumps = np.empty(n_freqs), np.zeros(n_freqs)
    found = gaussians[:0]
    for stage in range(3):  # all points, those on the background, all without the peaks
        if stage == 1:
            x, y = _background_points(log_freqs, log_power, curve)
            if x.size < (3 if knee else 2):
                return _TOO_FEW
        else:
            for i in range(n_freqs):
                flat[i] = log_power[i] - bumps[i]
            x, y = log_freqs, flat
        if stage == 2:
            own[0], own[1], own[2] = flat[0], 0.0, exponent
        if not _fit_background(x, y, knee, own):
            return _BACKGROUND
        for i in range(n_freqs):
            curve[i] = own[0] - log(own[1] + exp(own[2] * log_freqs[i])) / LN10
        if stage == 1:
            for i in range(n_freqs):
                flat[i] = log_power[i] - curve[i]
            n_peaks = _find_peaks(
                freqs, flat, min_width, max_width, min_height, threshold, gaussians
            )
            found = gaussians[:n_peaks]
            if not _fit_peaks(freqs, log_freqs, flat, min_width, max_width, found):
                found[:] = np.nan
                return _PEAKS
            for k in range(n_peaks):
                _add_gaussian(freqs, found[k, 0], found[k, 1], found[k, 2], bumps)
    bin_width = (freqs[-1] - freqs[0]) / (n_freqs - 1)
    for k in range(len(found)):
        nearest = int(math.ceil((found[k, 0] - freqs[0]) / bin_width - 0.5))
        peaks[k, 0] = found[k, 0]
        peaks[k, 1] = bumps[min(max(nearest, 0), n_freqs - 1)]
        peaks[k, 2] = 2 * found[k, 2]
    for k in range(3):
        background[k] = own[k]
    for i in range(n_freqs):
        curve[i] += bumps[i]
    _score(log_power, curve, scores)
    return _FITTED


@compiled
def _fit_background(
    log_freqs: FloatArray, log_power: FloatArray, knee: bool, background: FloatArray
) -> bool:
    """Fit offset, knee and exponent, which hold the start, on the path of the batch engine."""
    if not knee:
        n_points = log_freqs.size
        x_mean, y_mean, xx, xy = 0.0, 0.0, 0.0, 0.0
        for i in range(n_points):
            x_mean += log_freqs[i] / n_points
            y_mean += log_power[i] / n_points
        for i in range(n_points):
            xx += (log_freqs[i] - x_mean) ** 2
            xy += (log_freqs[i] - x_mean) * (log_power[i] - y_mean)
        background[0], background[2] = y_mean - xy / xx * x_mean, -xy / xx * LN10
        return True
    start = background.copy()
    for attempt in range(3):
        in_log_knee = attempt == 1
        if in_log_knee:
            if not background[1] > 0:
                continue
            background[1] = math.log(background[1])
        elif attempt == 2:
            for k in range(3):
                background[k] = start[k]
        max_nfev = MAX_NFEV_LINEAR_KNEE if attempt == 0 else MAX_NFEV
        converged = fit_background(background, log_freqs, log_power, in_log_knee, max_nfev)
        if in_log_knee:
            background[1] = math.exp(background[1])
        if converged and math.isfinite(background[0] + background[1] + background[2]):
            return True
    return False


@inlined
def _background_points(
    log_freqs: FloatArray, log_power: FloatArray, curve: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the points that do not lie above the background, by a percentile as of NumPy."""
    n_freqs = curve.size
    index = BACKGROUND_PERCENTILE / 100 * (n_freqs - 1)
    n_lowest = min(int(index) + 2, n_freqs)
    lowest = np.full(n_lowest, np.inf)  # sorted
    flat = np.empty(n_freqs)
    for i in range(n_freqs):
        value = max(log_power[i] - curve[i], 0.0)
        flat[i] = value
        if value < lowest[-1]:
            k = n_lowest - 1
            while k > 0 and lowest[k - 1] > value:
                lowest[k] = lowest[k - 1]
                k -= 1
            lowest[k] = value
    below = lowest[n_lowest - 2]
    level = below + (index - int(index)) * (lowest[n_lowest - 1] - below)
    x, y = np.empty(n_freqs), np.empty(n_freqs)
    n_used = 0
    for i in range(n_freqs):
        if flat[i] <= level:
            x[n_used], y[n_used] = log_freqs[i], log_power[i]
            n_used += 1
    return x[:n_used], y[:n_used]


@inlined
def _find_peaks(
    freqs: FloatArray,
    flat: FloatArray,
    min_width: float,
    max_width: float,
    min_height: float,
    threshold: float,
    peaks: FloatArray,
) -> int:
    """Set the peaks as `npa.spectral.fitting.peaks.find_peaks`, and return their number."""
    n_freqs = freqs.size
    bin_width = freqs[1] - freqs[0]
    residual = flat.copy()
    n_peaks = 0
    for _ in range(len(peaks)):
        top, mean, variance = 0, 0.0, 0.0
        for i in range(n_freqs):
            mean += residual[i] / n_freqs
            if residual[i] > residual[top]:
                top = i
        for i in range(n_freqs):
            variance += (residual[i] - mean) ** 2 / n_freqs
        height = residual[top]
        if not (height > threshold * math.sqrt(variance) and height > min_height):
            break
        sd = 2 * _bins_to_half_height(residual, top) * bin_width * SD_PER_FWHM
        if sd == 0:
            sd = 0.5 * (min_width + max_width)
        sd = min(max(sd, 0.5 * min_width), 0.5 * max_width)
        peaks[n_peaks, 0], peaks[n_peaks, 1], peaks[n_peaks, 2] = freqs[top], height, sd
        n_peaks += 1
        _add_gaussian(freqs, freqs[top], -height, sd, residual)
    return _drop_edge_and_overlapping(peaks, n_peaks, freqs[0], freqs[-1])


@inlined
def _bins_to_half_height(flat: FloatArray, top: int) -> int:
    """Count the bins from a peak to the nearer bin at half height; 0 without one.

    As in FOOOF, the first bin is ignored.
    """
    found = 0
    for distance in range(1, flat.size):
        left, right = top - distance, top + distance
        if (left > 0 and flat[left] <= 0.5 * flat[top]) or (
            right < flat.size and flat[right] <= 0.5 * flat[top]
        ):
            found = distance
            break
    return found


@compiled
def _add_gaussian(
    freqs: FloatArray, centre: float, height: float, sd: float, total: FloatArray
) -> None:
    """Add a Gaussian to a curve."""
    for i in range(freqs.size):
        distance = (freqs[i] - centre) / sd
        total[i] += height * exp(-0.5 * distance * distance)


@inlined
def _drop_edge_and_overlapping(peaks: FloatArray, n_peaks: int, first: float, last: float) -> int:
    """Drop peaks at the ends and the lower of two that overlap, sort, and return their number."""
    keep = np.ones(n_peaks, np.bool_)
    for k in range(n_peaks):
        keep[k] = min(peaks[k, 0] - first, last - peaks[k, 0]) > peaks[k, 2]
    n_inside = _keep(peaks, keep, n_peaks)
    _sort_by_frequency(peaks, n_inside)
    for k in range(n_inside):
        keep[k] = True
    for k in range(n_inside - 1):
        right = peaks[k, 0] + OVERLAP_SDS * peaks[k, 2]
        left = peaks[k + 1, 0] - OVERLAP_SDS * peaks[k + 1, 2]
        if right > left:
            keep[k if peaks[k, 1] <= peaks[k + 1, 1] else k + 1] = False
    return _keep(peaks, keep, n_inside)


@compiled
def _keep(peaks: FloatArray, keep: BoolArray, n_peaks: int) -> int:
    """Move the peaks that are kept to the front, set the others to NaN, and return their number."""
    n_kept = 0
    for k in range(n_peaks):
        if keep[k]:
            for i in range(3):
                peaks[n_kept, i] = peaks[k, i]
            n_kept += 1
    for k in range(n_kept, n_peaks):
        for i in range(3):
            peaks[k, i] = np.nan
    return n_kept


@compiled
def _sort_by_frequency(peaks: FloatArray, n_peaks: int) -> None:
    """Sort peaks in place, by insertion."""
    for last in range(1, n_peaks):
        k = last
        while k > 0 and peaks[k - 1, 0] > peaks[k, 0]:
            for i in range(3):
                peaks[k - 1, i], peaks[k, i] = peaks[k, i], peaks[k - 1, i]
            k -= 1


@inlined
def _fit_peaks(
    freqs: FloatArray,
    log_freqs: FloatArray,
    flat: FloatArray,
    min_width: float,
    max_width: float,
    peaks: FloatArray,
) -> bool:
    """Fit all peaks together, which hold the start, within FOOOF's bounds."""
    n_peaks = len(peaks)
    x, lower, upper = np.empty(3 * n_peaks), np.zeros(3 * n_peaks), np.full(3 * n_peaks, np.inf)
    for k in range(n_peaks):
        for i in range(3):
            x[3 * k + i] = peaks[k, i]
        shift = MAX_CENTER_SHIFT_SDS * peaks[k, 2]
        lower[3 * k] = max(peaks[k, 0] - shift, freqs[0])
        upper[3 * k] = min(peaks[k, 0] + shift, freqs[-1])
        lower[3 * k + 2], upper[3 * k + 2] = 0.5 * min_width, 0.5 * max_width
    converged = True
    if n_peaks > 0:
        no_weight = np.empty(0)
        converged, _ = fit_model(
            x, lower, upper, freqs, log_freqs, flat, no_weight, 0, False, MAX_NFEV
        )
    for k in range(n_peaks):
        for i in range(3):
            peaks[k, i] = x[3 * k + i]
    _sort_by_frequency(peaks, n_peaks)
    return converged


@compiled
def _score(log_power: FloatArray, model: FloatArray, scores: FloatArray) -> None:
    """Set the squared correlation (NaN where one is constant) and the mean absolute error."""
    n_freqs = model.size
    x_mean, y_mean, xx, xy, yy, error = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n_freqs):
        x_mean += log_power[i] / n_freqs
        y_mean += model[i] / n_freqs
        error += abs(log_power[i] - model[i]) / n_freqs
    for i in range(n_freqs):
        x, y = log_power[i] - x_mean, model[i] - y_mean
        xx += x * x
        xy += x * y
        yy += y * y
    scores[0], scores[1] = xy * xy / (xx * yy), error


fit_rows = _make_fit_rows(
    sources_stamp(
        __file__,
        functions.__file__,
        levenberg_marquardt.__file__,
        objective.__file__,
        trust_region.__file__,
    )
)
