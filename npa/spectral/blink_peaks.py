"""Blink-like peaks in an EOG trace, and the evidence that they are blinks."""

import numpy as np
import scipy

from npa.spectral.eog_events import WINDOW, EOGEvents, cut_windows, window_lags
from npa.typing import FloatArray, IntArray

BLINK_BAND = (1.0, 10.0)  # Hz
MIN_DISTANCE = 0.3  # s between two blinks
MIN_PEAK_SDS = 3.0  # robust standard deviations of the trace
MIN_TALL_SHARE = 0.4  # of the height of the tall peaks
MIN_SIMILARITY = 0.7  # cosine with a blink's shape; half a period of alpha reaches 0.4
TEMPLATE_SDS = (0.05, 0.08, 0.12)  # s, of Gaussians: from quick to slow blinks


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
) -> EOGEvents:
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
    found : EOGEvents
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
    chosen = peaks[sign][like if enough else tall]
    return EOGEvents(
        peaks=chosen,
        signs=np.ones(len(chosen)),
        n_events=int(like.sum()),
        height=height[sign],
        shape=float(np.median(similarity[sign][tall])) if tall.any() else 0.0,
        contrast=max(0.0, 1.0 - height[-sign] / height[sign]),
    )


def peak_size(medians: FloatArray, sfreq: float) -> FloatArray:
    """Return the height in the middle of each row.

    Parameters
    ----------
    medians : array, shape (n_channels, n_lags)
        Median signals around blinks.
    sfreq : float
        Sampling rate in Hz, which does not matter.

    Returns
    -------
    size : array, shape (n_channels,)
        Signals at the peak.

    Examples
    --------
    >>> peak_size(np.array([[0.0, 3.0, -1.0]]), 100.0)
    array([3.])
    """
    return medians[:, medians.shape[1] // 2].copy()


def peak_height(medians: FloatArray, sfreq: float) -> FloatArray:
    """Return the peak-to-peak height of each row.

    Parameters
    ----------
    medians : array, shape (n_channels, n_lags)
        Median signals around blinks; NaN where unknown.
    sfreq : float
        Sampling rate in Hz, which does not matter.

    Returns
    -------
    height : array, shape (n_channels,)
        Largest minus smallest value.

    Examples
    --------
    >>> peak_height(np.array([[0.0, 3.0, -1.0]]), 100.0)
    array([4.])
    """
    return np.asarray(np.nanmax(medians, axis=1) - np.nanmin(medians, axis=1))


def _peaks(trace: FloatArray, span: IntArray, height: float, distance: int) -> IntArray:
    """Return the peaks within each span."""
    found = []
    for piece in np.split(np.arange(trace.size), np.flatnonzero(np.diff(span)) + 1):
        inside, _ = scipy.signal.find_peaks(trace[piece], height=height, distance=distance)
        found.append(piece[inside])
    return np.concatenate(found)
