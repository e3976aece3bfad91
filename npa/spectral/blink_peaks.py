"""Blink-like peaks in an EOG trace, and the evidence that they are blinks."""

from dataclasses import dataclass

import numpy as np
import scipy

from npa.typing import BoolArray, FloatArray, IntArray

BLINK_BAND = (1.0, 10.0)  # Hz
WINDOW = 0.5  # s on either side of a blink
MIN_DISTANCE = 0.3  # s between two blinks
MIN_PEAK_SDS = 3.0  # robust standard deviations of the trace
MIN_TALL_SHARE = 0.4  # of the height of the tall peaks
MIN_SIMILARITY = 0.7  # cosine with a blink's shape; half a period of alpha reaches 0.4
TEMPLATE_SDS = (0.05, 0.08, 0.12)  # s, of Gaussians: from quick to slow blinks


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


@dataclass(frozen=True)
class BlinkPeaks:
    """Peaks of an EOG trace that may be blinks.

    Parameters
    ----------
    peaks : array of int, shape (n_peaks,)
        Sample numbers of the tall peaks that are shaped like blinks; where there are too few of
        these, of all tall peaks.
    n_blinks : int
        Number of tall peaks that are shaped like blinks.
    sign : float
        1.0 where they are positive, -1.0 where they are negative.
    height : float
        Height of the tall peaks, in the unit of the trace.
    shape : float
        Median cosine of the tall peaks with the shape of a blink, 0 to 1.
    contrast : float
        How far they stand out, 0 to 1: one minus the height of such peaks of the other polarity
        relative to theirs.
    """

    peaks: IntArray
    n_blinks: int
    sign: float
    height: float
    shape: float
    contrast: float


def blink_templates(sfreq: float, lags: IntArray) -> FloatArray:
    """Return the shapes of blinks within the blink band.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    lags : array of int, shape (n_lags,)
        Samples relative to the peak.

    Returns
    -------
    templates : array, shape (n_templates, n_lags)
        Gaussians of standard deviation 0.05, 0.08 and 0.12 s, filtered as the trace is, of unit
        length.

    Examples
    --------
    >>> templates = blink_templates(100.0, window_lags(100.0))
    >>> templates.shape, templates.argmax(axis=1)
    ((3, 101), array([50, 50, 50]))
    """
    margin = round(4 * WINDOW * sfreq)
    times = np.arange(lags[0] - margin, lags[-1] + margin + 1) / sfreq
    gaussians = np.exp(-0.5 * (times / np.array(TEMPLATE_SDS)[:, np.newaxis]) ** 2)
    sos = scipy.signal.butter(4, BLINK_BAND, "bandpass", fs=sfreq, output="sos")
    templates = scipy.signal.sosfiltfilt(sos, gaussians)[:, margin:-margin]
    return np.asarray(templates / np.linalg.norm(templates, axis=1, keepdims=True))


def find_blink_peaks(
    trace: FloatArray, span: IntArray, sfreq: float, *, min_blinks: int, signs: tuple[float, ...]
) -> BlinkPeaks:
    """Find the peaks of an EOG trace that may be blinks.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        The EOG within 1-10 Hz.
    span : array of int, shape (n_samples,)
        Number of the uninterrupted span that each sample belongs to.
    sfreq : float
        Sampling rate in Hz.
    min_blinks : int
        Fewest blinks.
    signs : tuple of float
        Polarities that blinks may have: 1.0, -1.0 or both. Of both, the one with taller peaks.

    Returns
    -------
    found : BlinkPeaks
        The peaks, with the evidence.

    Notes
    -----
    Blink-like peaks are at least 3 robust standard deviations high (1.4826 median absolute
    deviations), and have a cosine of at least 0.7 with the shape of a blink within 0.5 s. The
    height ``h`` is that of the ``min_blinks``-th tallest of them, so that as many artifacts less
    one do not matter; peaks of at least 0.4 of it are the tall ones. The same is done with the
    trace turned upside down. Whatever background has no preferred polarity, rhythms and noise of
    any spectrum, strength and duration, reaches the same height ``h'`` there: the contrast
    ``1 - h' / h`` is about 0 without blinks, and needs no threshold in volts.

    Examples
    --------
    >>> times = np.arange(3000) / 100.0
    >>> trace = 1e-4 * sum(np.exp(-0.5 * ((times - at) / 0.1) ** 2) for at in range(5, 30, 5))
    >>> found = find_blink_peaks(trace, np.zeros(3000, int), 100.0, min_blinks=3, signs=(1.0,))
    >>> found.peaks
    array([ 500, 1000, 1500, 2000, 2500])
    """
    noise = float(1.4826 * np.median(np.abs(trace - np.median(trace))))
    floor = MIN_PEAK_SDS * max(noise, np.finfo(float).tiny)
    lags = window_lags(sfreq)
    templates = blink_templates(sfreq, lags)
    peaks, similarity, height = {}, {}, {}
    for sign in (1.0, -1.0):
        peaks[sign] = _peaks(sign * trace, span, floor, max(1, round(MIN_DISTANCE * sfreq)))
        pieces = np.nan_to_num(cut_windows(sign * trace, peaks[sign], lags, span))
        norms = np.maximum(np.linalg.norm(pieces, axis=1), np.finfo(float).tiny)
        similarity[sign] = (pieces @ templates.T).max(axis=1, initial=0.0) / norms
        like = peaks[sign][similarity[sign] >= MIN_SIMILARITY]
        tallest = np.sort(sign * trace[like])[::-1]
        height[sign] = float(tallest[min_blinks - 1]) if len(tallest) >= min_blinks else floor
    sign = max(signs, key=lambda each: height[each])
    tall = sign * trace[peaks[sign]] >= MIN_TALL_SHARE * height[sign]
    like = tall & (similarity[sign] >= MIN_SIMILARITY)
    enough = like.sum() >= min_blinks
    return BlinkPeaks(
        peaks=peaks[sign][like if enough else tall],
        n_blinks=int(like.sum()),
        sign=sign,
        height=height[sign],
        shape=float(np.median(similarity[sign][tall])) if tall.any() else 0.0,
        contrast=max(0.0, 1.0 - height[-sign] / height[sign]),
    )


def _peaks(trace: FloatArray, span: IntArray, height: float, distance: int) -> IntArray:
    """Return the peaks within each span."""
    found = []
    for piece in np.split(np.arange(trace.size), np.flatnonzero(np.diff(span)) + 1):
        inside, _ = scipy.signal.find_peaks(trace[piece], height=height, distance=distance)
        found.append(piece[inside])
    return np.concatenate(found)
