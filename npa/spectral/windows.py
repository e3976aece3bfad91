"""Power spectra of windows that move over a recording."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npa.checks import check_number
from npa.spectral.density import (
    CACHE_SAMPLES,
    MIN_WELCH_SAMPLES,
    MIN_WELCH_SECONDS,
    psd,
)
from npa.typing import BoolArray, FloatArray, IntArray, Span

# Welch segments are an eighth of the window, but a quarter to the whole of those of a recording:
# in simulations of windows of 2 to 8 s (exponents 1 and 2, alpha), segments of 1 s give the
# smallest error of exponent and of alpha's frequency together. In windows of 4 s the exponent's
# error is 0.14 with them, 0.20 with segments of 2 s, and 0.36 with one segment of 4 s.
SEGMENTS_PER_WINDOW, MIN_SEGMENT_SHARE = 8, 0.25
MIN_CLEAN_SHARE = 0.5  # of the segments of a window; with fewer it has no spectrum


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """Windows that move over a recording, and the segments that they consist of.

    Parameters
    ----------
    starts : array of int, shape (n_windows,)
        First sample of each window.
    length : int
        Length of the windows in samples.
    segment : int
        Length of their segments in samples.
    offsets : array of int, shape (n_segments,)
        First sample of each segment, counted from the start of its window.
    clean : array of bool, shape (n_windows, n_segments)
        Which segments lie within a clean span.
    """

    starts: IntArray
    length: int
    segment: int
    offsets: IntArray
    clean: BoolArray

    @property
    def centers(self) -> FloatArray:
        """Middle of each window in samples, shape (n_windows,)."""
        return np.asarray(self.starts + self.length / 2, np.float64)

    @property
    def used(self) -> BoolArray:
        """Windows with enough clean segments for a spectrum, shape (n_windows,)."""
        return np.asarray(self.clean.mean(axis=1) >= MIN_CLEAN_SHARE)

    @property
    def n_used(self) -> int:
        """Number of samples in segments that are used."""
        starts = np.unique((self.starts[:, np.newaxis] + self.offsets)[self.used_segments])
        if not len(starts):
            return 0
        return int(np.minimum(np.diff(starts), self.segment).sum() + self.segment)

    @property
    def used_segments(self) -> BoolArray:
        """Clean segments of windows that have a spectrum, shape (n_windows, n_segments)."""
        return self.clean & self.used[:, np.newaxis]


def plan_windows(
    spans: Iterable[Span],
    n_times: int,
    sfreq: float,
    *,
    window: float,
    step: float | None = None,
    method: str = "welch",
    **kwargs: Any,
) -> WindowPlan:
    """Choose the segments from which `psd_of_windows` estimates power.

    Parameters
    ----------
    spans : sequence of (int, int)
        Start and stop (exclusive) of each continuous, clean span, in samples.
    n_times : int
        Samples of the recording.
    sfreq : float
        Sampling frequency in Hz.
    window : float
        Length of the windows in s.
    step : float | None
        Time from one window to the next in s; None for that of the window. If it is longer than
        the window, what lies between two windows is not used.
    method : {"welch", "multitaper", "periodogram"}
        The estimator of power.
    **kwargs
        As for `npa.spectral.psd`.

    Returns
    -------
    plan : WindowPlan
        The windows, from the first sample on.

    Raises
    ------
    ValueError
        If the window is longer than the recording, or shorter than the segments asked for.

    Examples
    --------
    >>> plan = plan_windows([(0, 1000)], 1000, 100.0, window=4.0, step=2.0)
    >>> plan.starts, plan.segment, plan.offsets
    (array([  0, 200, 400, 600]), 100, array([  0,  50, 100, 150, 200, 250, 300]))
    """
    seconds = check_number("window", window, above=0)
    length = max(round(seconds * sfreq), 2)
    shift = length
    if step is not None:
        shift = round(check_number("step", step, above=0) * sfreq)
        if not shift:
            raise ValueError(
                f"step must be at least one sample of {1 / sfreq:.3g} s, got {step!r}."
            )
    if length > n_times:
        raise ValueError(
            f"window must be at most as long as the signals of {n_times / sfreq:.4g} s, got "
            f"{window!r}."
        )
    segment, hop = length, length
    if method == "welch" and kwargs.get("average", "mean") == "mean":
        segment = _segment_length(kwargs.get("n_per_seg"), length, sfreq)
        overlap = kwargs.get("n_overlap")
        if overlap is not None:
            overlap = int(check_number("n_overlap", overlap, low=0, below=segment, integer=True))
        hop = segment - (segment // 2 if overlap is None else overlap)
    starts = np.arange(0, n_times - length + 1, shift)
    offsets = np.arange(0, length - segment + 1, hop)
    first = starts[:, np.newaxis] + offsets
    clean = np.zeros(first.shape, bool)
    for start, stop in spans:
        clean |= (first >= start) & (first + segment <= stop)
    return WindowPlan(starts, length, segment, offsets, clean)


def psd_of_windows(
    x: Any,
    spans: Sequence[Span],
    sfreq: float,
    *,
    window: float,
    step: float | None = None,
    method: str = "welch",
    freq_range: tuple[float, float] | None = None,
    **kwargs: Any,
) -> tuple[FloatArray, FloatArray]:
    """Estimate the power spectral density of windows that move over a recording.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Real signals, in volts. Of an object with a ``shape`` only blocks ``x[..., start:stop]``
        are read, so the samples may be on disk.
    spans : sequence of (int, int)
        Start and stop (exclusive) of each continuous, clean span, in samples.
    sfreq : float
        Sampling frequency in Hz.
    window : float
        Length of the windows in s.
    step : float | None
        Time from one window to the next in s; None for that of the window.
    method : {"welch", "multitaper", "periodogram"}
        The estimator.
    freq_range : tuple of float | None
        Lowest and highest frequency returned, in Hz (inclusive); None for all.
    **kwargs
        As for `npa.spectral.psd`. Without ``n_per_seg``, Welch segments are an eighth of the
        window, within the longer of 1 s and 64 samples, and the longer of 4 s and 256 samples.

    Returns
    -------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_epochs, n_windows, n_channels, n_freqs)
        Density in V^2/Hz. That of a window is the mean over its Welch segments that lie in clean
        spans, and NaN where these are fewer than half. The other methods (and the median) take a
        window as a whole, so that it has to be clean as a whole.

    Raises
    ------
    TypeError, ValueError
        As `npa.spectral.psd` and `plan_windows`.

    Notes
    -----
    A segment that belongs to several windows is transformed once. Samples are read in blocks; at
    any time a block, its segments and the result are in memory.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1, 2, 1000))
    >>> freqs, power = psd_of_windows(x, [(0, 350), (450, 1000)], 100.0, window=4.0, step=2.0)
    >>> power.shape
    (1, 4, 2, 51)
    """
    plan = plan_windows(
        spans, x.shape[-1], sfreq, window=window, step=step, method=method, **kwargs
    )
    options = dict(kwargs)
    if method == "welch" and plan.segment < plan.length:
        options |= {"n_per_seg": plan.segment, "n_overlap": 0}
    options |= {"method": method, "freq_range": freq_range}
    freqs, _ = psd(np.zeros(plan.segment), sfreq, **options)
    n_epochs, n_channels, _ = x.shape
    power = np.full((n_epochs, len(plan.starts), n_channels, len(freqs)), np.nan)
    power[:, plan.used] = 0.0
    used = plan.used_segments
    starts, segment_of = np.unique(
        (plan.starts[:, np.newaxis] + plan.offsets)[used], return_inverse=True
    )
    window_of = np.nonzero(used)[0]
    order = np.argsort(segment_of, kind="stable")
    segment_of, window_of = segment_of[order], window_of[order]
    share = 1.0 / np.maximum(used.sum(axis=1), 1)
    n_samples = max(CACHE_SAMPLES // (n_epochs * n_channels), plan.segment)
    first = 0
    while first < len(starts):
        # Neither the samples read nor the segments, which are copies, may be too many.
        last = int(np.searchsorted(starts, starts[first] + n_samples - plan.segment, side="right"))
        last = max(min(last, first + n_samples // plan.segment), first + 1)
        block = x[..., starts[first] : starts[last - 1] + plan.segment]
        index = (starts[first:last] - starts[first])[:, np.newaxis] + np.arange(plan.segment)
        each = psd(np.take(block, index, axis=-1), sfreq, **options)[1].swapaxes(1, 2)
        own = slice(*np.searchsorted(segment_of, [first, last]))
        rows = slice(window_of[own].min(), window_of[own].max() + 1)
        weights = np.zeros((rows.stop - rows.start, last - first))
        weights[window_of[own] - rows.start, segment_of[own] - first] = share[window_of[own]]
        part = weights @ each.reshape(n_epochs, last - first, -1)
        power[:, rows] += part.reshape(n_epochs, -1, n_channels, len(freqs))
        first = last
    return freqs, power


def _segment_length(n_per_seg: int | None, length: int, sfreq: float) -> int:
    """Return the length of the Welch segments of a window, in samples."""
    if n_per_seg is not None:
        return min(int(check_number("n_per_seg", n_per_seg, low=2, integer=True)), length)
    longest = max(round(MIN_WELCH_SECONDS * sfreq), MIN_WELCH_SAMPLES)
    shortest = round(MIN_SEGMENT_SHARE * longest)
    return min(int(np.clip(length // SEGMENTS_PER_WINDOW, shortest, longest)), length)
