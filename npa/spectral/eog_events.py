"""Events in an EOG trace, and the windows around them."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from npa.typing import BoolArray, FloatArray, IntArray

WINDOW = 0.5  # s on either side of an event


@dataclass(frozen=True)
class EOGEvents:
    """Events of an EOG trace that may be blinks or saccades.

    Parameters
    ----------
    peaks : array of int, shape (n_peaks,)
        Sample numbers of the tall events that have the right shape; where there are too few of
        these, of all tall events.
    signs : array, shape (n_peaks,)
        By which to multiply signals around the events so that these look alike: 1.0 for blinks;
        -1.0 for saccades where the trace falls.
    n_events : int
        Number of tall events that have the right shape.
    height : float
        Height of the tall events, in the unit of the trace.
    shape : float
        Median cosine of the tall events with the right shape, 0 to 1.
    contrast : float
        How far they stand out, 0 to 1: one minus the height that a background reaches, relative to
        theirs.

    Examples
    --------
    >>> events = EOGEvents(np.array([10, 20, 30]), np.ones(3), 3, 1e-4, 0.9, 0.8)
    >>> events.half(0).peaks
    array([10, 30])
    """

    peaks: IntArray
    signs: FloatArray
    n_events: int
    height: float
    shape: float
    contrast: float

    def half(self, number: int) -> Self:
        """Return every second event, from number 0 or 1."""
        return replace(self, peaks=self.peaks[number::2], signs=self.signs[number::2])


def window_lags(sfreq: float) -> IntArray:
    """Return the lags of the window around an event.

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
    """Index the windows around events.

    Parameters
    ----------
    peaks : array of int, shape (n_peaks,)
        Sample numbers of the events.
    lags : array of int, shape (n_lags,)
        Samples relative to an event.
    span : array of int, shape (n_samples,)
        Number of the uninterrupted span that each sample belongs to.

    Returns
    -------
    index : array of int, shape (n_peaks, n_lags)
        Sample numbers, clipped to the samples there are.
    inside : array of bool, shape (n_peaks, n_lags)
        Which of them lie in the span of their event.

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
    """Cut out the windows around events.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        A signal.
    peaks, lags, span : array of int
        As in `windows`.

    Returns
    -------
    pieces : array, shape (n_peaks, n_lags)
        The signal around each event; NaN outside its span.

    Examples
    --------
    >>> cut_windows(np.arange(3.0), np.array([2]), np.array([-1, 0, 1]), np.zeros(3, int))
    array([[ 1.,  2., nan]])
    """
    index, inside = windows(peaks, lags, span)
    return np.where(inside, trace[index], np.nan)


def median_window(
    trace: FloatArray,
    peaks: IntArray,
    lags: IntArray,
    span: IntArray,
    signs: FloatArray | float = 1.0,
) -> FloatArray:
    """Return the median of a trace over the windows around events.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        A signal.
    peaks, lags, span : array of int
        As in `windows`.
    signs : array, shape (n_peaks,) | float, default 1
        By which each window is multiplied.

    Returns
    -------
    median : array, shape (n_lags,)
        NaN at lags that lie outside the span of every event.

    Examples
    --------
    >>> trace = np.array([0.0, 1.0, 0.0, 3.0, 2.0])
    >>> median_window(trace, np.array([1, 3]), np.arange(-1, 2), np.zeros(5, int))
    array([0., 2., 1.])
    """
    values = np.reshape(signs, (-1, 1)) * cut_windows(trace, peaks, lags, span)
    out = np.full(len(lags), np.nan)
    some = np.isfinite(values).any(axis=0)
    out[some] = np.nanmedian(values[:, some], axis=0)
    return out
