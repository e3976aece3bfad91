"""Blink-like peaks in an EOG trace."""

import numpy as np
import scipy

from npa.typing import AnyArray, BoolArray, FloatArray, IntArray

BLINK_BAND = (1.0, 10.0)  # Hz
MIN_PEAK_HEIGHT = 60e-6  # V
MIN_PEAK_MADS = 5.0
MIN_MEDIAN_MADS = 7.0  # the median blink stands out more clearly than the smallest one counted
MIN_DISTANCE = 0.3  # s between two blinks
WIDTH_RANGE = (0.04, 0.4)  # s at half height; blinks within 1-10 Hz are 0.08-0.13 s wide
MAX_UNDERSHOOT = 0.75  # of the peak; blinks within 1-10 Hz reach 0.4-0.55, steps and rhythms 1
WINDOW = 0.5  # s on either side of a blink


def window_lags(sfreq: float) -> IntArray:
    """Return the lags of the window around a blink.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    lags : array of int, shape (n_lags,)
        Samples from -0.5 to 0.5 s.

    Examples
    --------
    >>> window_lags(4.0)
    array([-2, -1,  0,  1,  2])
    """
    half = round(WINDOW * sfreq)
    return np.arange(-half, half + 1)


def windows(peaks: IntArray, lags: IntArray, span: IntArray) -> tuple[IntArray, BoolArray]:
    """Index the windows around peaks.

    Parameters
    ----------
    peaks : array of int, shape (n_peaks,)
        Sample numbers.
    lags : array of int, shape (n_lags,)
        Samples relative to a peak.
    span : array of int, shape (n_samples,)
        Number of the uninterrupted span that each sample belongs to.

    Returns
    -------
    index : array of int, shape (n_peaks, n_lags)
        Sample numbers, clipped to the samples there are.
    inside : array of bool, shape (n_peaks, n_lags)
        Which of them lie in the span of their peak.

    Examples
    --------
    >>> index, inside = windows(np.array([1]), np.arange(-1, 3), np.array([0, 0, 0, 1]))
    >>> index[inside]
    array([0, 1, 2])
    """
    index = peaks[:, np.newaxis] + lags
    inside = (index >= 0) & (index < span.size)
    index = np.clip(index, 0, span.size - 1)
    return index, inside & (span[index] == span[peaks][:, np.newaxis])


def cut_windows(trace: FloatArray, peaks: IntArray, lags: IntArray, span: IntArray) -> FloatArray:
    """Cut out the windows around peaks.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        A signal.
    peaks, lags, span : array of int
        As in `windows`.

    Returns
    -------
    pieces : array, shape (n_peaks, n_lags)
        The signal around each peak; NaN outside its span.

    Examples
    --------
    >>> cut_windows(np.arange(3.0), np.array([2]), np.array([-1, 0, 1]), np.zeros(3, int))
    array([[ 1.,  2., nan]])
    """
    index, inside = windows(peaks, lags, span)
    return np.where(inside, trace[index], np.nan)


def median_window(trace: FloatArray, peaks: IntArray, lags: IntArray, span: IntArray) -> FloatArray:
    """Return the median of a trace over the windows around peaks.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        A signal.
    peaks, lags, span : array of int
        As in `windows`.

    Returns
    -------
    median : array, shape (n_lags,)
        NaN at lags that lie outside the span of every peak.

    Examples
    --------
    >>> trace = np.array([0.0, 1.0, 0.0, 3.0, 2.0])
    >>> median_window(trace, np.array([1, 3]), np.arange(-1, 2), np.zeros(5, int))
    array([0., 2., 1.])
    """
    values = cut_windows(trace, peaks, lags, span)
    out = np.full(len(lags), np.nan)
    some = np.isfinite(values).any(axis=0)
    out[some] = np.nanmedian(values[:, some], axis=0)
    return out


def find_blinks(
    trace: FloatArray, span: IntArray, sfreq: float, *, min_blinks: int, upright: bool
) -> tuple[IntArray, str]:
    """Find the blinks of an EOG channel.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        The channel within 1-10 Hz in V.
    span : array of int, shape (n_samples,)
        Number of the uninterrupted span that each sample belongs to.
    sfreq : float
        Sampling rate in Hz.
    min_blinks : int
        Fewest blinks.
    upright : bool
        Whether blinks must be positive; else they take the sign of the trace's third moment.

    Returns
    -------
    peaks : array of int, shape (n_peaks,)
        Sample numbers of peaks of at least 60 uV and 5 median absolute deviations.
    reason : str
        Why they are not blinks; empty where they are.

    Examples
    --------
    >>> times = np.arange(3000) / 100.0
    >>> trace = 1e-4 * sum(np.exp(-0.5 * ((times - at) / 0.1) ** 2) for at in range(5, 30, 5))
    >>> find_blinks(trace, np.zeros(3000, int), 100.0, min_blinks=5, upright=True)
    (array([ 500, 1000, 1500, 2000, 2500]), '')
    """
    sign = 1.0 if upright or np.sum(trace**3) >= 0 else -1.0
    mad = float(np.median(np.abs(trace - np.median(trace))))
    height = max(MIN_PEAK_HEIGHT, MIN_PEAK_MADS * mad)
    distance = max(1, round(MIN_DISTANCE * sfreq))
    found = []
    for piece in np.split(np.arange(trace.size), np.flatnonzero(np.diff(span)) + 1):
        inside, _ = scipy.signal.find_peaks(sign * trace[piece], height=height, distance=distance)
        found.append(piece[inside])
    peaks = np.concatenate(found)
    if len(peaks) < min_blinks:
        return peaks, f"{len(peaks)} blink(s), fewer than min_blinks = {min_blinks}"
    lags = window_lags(sfreq)
    return peaks, _unlike_blinks(cut_windows(sign * trace, peaks, lags, span), lags / sfreq, mad)


def _unlike_blinks(pieces: FloatArray, lags: FloatArray, mad: float) -> str:
    """Say what distinguishes peaks (n_peaks, n_lags) from blinks; empty where nothing does."""
    height = pieces[:, lags == 0][:, 0]
    # Medians over peaks come last: up and down steps would cancel in a median waveform.
    undershoot = np.median(-np.nanmin(pieces, axis=1) / height)
    width = np.median([_width(piece, lags) for piece in pieces])
    deviations = np.median(height) / max(mad, np.finfo(float).tiny)
    if deviations < MIN_MEDIAN_MADS:
        return f"peaks of {deviations:.1f} median absolute deviations do not stand out like blinks"
    if not WIDTH_RANGE[0] <= width <= WIDTH_RANGE[1]:
        return f"peaks of {width:.2f} s at half height are not shaped like blinks"
    if undershoot > MAX_UNDERSHOOT:
        return f"peaks with an undershoot of {undershoot:.2f} are not shaped like blinks"
    return ""


def _width(piece: FloatArray, lags: FloatArray) -> AnyArray:
    """Return how long a peak stays above half its height, in s."""
    low = ~(piece >= piece[lags == 0] / 2)  # also where there is no sample
    right = np.min(lags[low & (lags > 0)], initial=WINDOW)
    return np.asarray(right - np.max(lags[low & (lags < 0)], initial=-WINDOW))
