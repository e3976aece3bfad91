"""Subtraction of the sinusoids of the power line, in overlapping windows."""

from collections.abc import Sequence

import numpy as np
from mne.filter import notch_filter

from npa.spectral.snr import bin_misses
from npa.typing import FloatArray


def subtract_sinusoids(
    x: FloatArray,
    sfreq: float,
    freqs: FloatArray,
    window: int,
    *,
    notch_widths: float | Sequence[float] | FloatArray | None = None,
) -> FloatArray:
    """Estimate sinusoids by multitaper regression in overlapping windows, and subtract them.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Samples.
    sfreq : float
        Sampling rate in Hz.
    freqs : array, shape (n_freqs,)
        Frequencies of the sinusoids in Hz.
    window : int
        Length of the windows in samples, at most ``n_times``.
    notch_widths : float | sequence of float | None
        Widths around the frequencies in Hz within which sinusoids are fitted; None for a 200th of
        each frequency.

    Returns
    -------
    clean : array, shape (..., n_times)
        The samples without the sinusoids.

    Examples
    --------
    >>> hum = np.sin(2 * np.pi * 50 * np.arange(2000) / 200)
    >>> clean = subtract_sinusoids(hum[np.newaxis], 200.0, np.array([50.0]), 800)
    >>> bool(np.abs(clean).max() < 0.1)
    True
    """

    def fit(part: FloatArray) -> FloatArray:
        clean: FloatArray = notch_filter(
            part,
            sfreq,
            freqs,
            filter_length=window,
            method="spectrum_fit",
            notch_widths=notch_widths,
            verbose="warning",
        )
        return clean

    n_times = x.shape[-1]
    hop = window_hop(window)
    n_regular = window + (n_times - window) // hop * hop
    clean = fit(x[..., :n_regular])
    n_rest = n_times - n_regular
    if n_rest:
        # MNE would make the last window longer and miss the line there: fit it separately.
        clean = np.concatenate([clean, fit(x[..., -window:])[..., -n_rest:]], axis=-1)
    return clean


def window_hop(window: int) -> int:
    """Return the distance between the starts of MNE's overlapping windows.

    Parameters
    ----------
    window : int
        Length of the windows in samples.

    Returns
    -------
    hop : int
        Number of samples.

    Examples
    --------
    >>> window_hop(5)
    2
    """
    return window - (window + 1) // 2


def window_context(start: int, stop: int, n_times: int, window: int) -> tuple[int, int]:
    """Return the part of a segment whose windows around some samples are those of the segment.

    Parameters
    ----------
    start, stop : int
        First sample, and one past the last.
    n_times : int
        Length of the segment in samples.
    window : int
        Length of the windows in samples.

    Returns
    -------
    first, last : int
        First sample of the part, and one past its last.

    Examples
    --------
    >>> window_context(1000, 1100, 5000, 200)
    (800, 1300)
    """
    hop = window_hop(window)
    # One window more on each side: the outermost ones have no other to be blended with.
    first = max(start // hop - 2, 0) * hop
    last = first + window - (first - stop) // hop * hop
    return first, min(last, n_times)


def whole_period_window(longest: int, freqs: FloatArray, sfreq: float) -> int:
    """Return the window length that is closest to whole periods of all frequencies.

    Parameters
    ----------
    longest : int
        Largest length in samples.
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    window : int
        Length in samples, more than half of ``longest``; the longest of those equally close.

    Examples
    --------
    >>> whole_period_window(103, np.array([50.0]), 500.0)
    100
    """
    lengths = np.arange(longest, longest // 2, -1)
    return int(lengths[np.argmin(np.round(bin_misses(lengths, freqs, sfreq), 2))])
