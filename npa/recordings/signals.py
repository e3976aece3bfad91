"""Channels over time, independent of their container."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, pairwise
from typing import Any

import mne
import numpy as np

from npa.checks import check_finite, finite_rows
from npa.spectral.density import BLOCK_SAMPLES
from npa.typing import AnyArray, BoolArray, FloatArray, Span

# Of the median peak-to-peak of its type; below it a channel holds only rounding errors.
MIN_PEAK_TO_PEAK_RATIO = 1e-9


@dataclass(frozen=True)
class Signals:
    """Channels over time, independent of their container.

    Parameters
    ----------
    data : array | RawSamples, shape (n_epochs, n_channels, n_times)
        Samples in volts (or the unit of the array they came from); a Raw is one epoch. Samples on
        disk can only be read as blocks ``data[..., start:stop]``.
    sfreq : float
        Sampling rate in Hz.
    ch_names : tuple of str
        Names of the picked channels, including bad ones.
    bad : array of bool, shape (n_channels,)
        Channels that are marked bad.
    segments : tuple of (int, int)
        Sample ranges recorded without interruption.
    clean_spans : tuple of (int, int)
        Sample ranges that are also free of ``BAD_`` annotations; fits read only these.
    info : mne.Info | None
        Measurement info of the picked channels; None for arrays.
    tmin : float
        Time of the first sample in s: 0 at the start of a Raw or array, and at the event of Epochs.
    conditions : tuple of str, length n_epochs | None
        Name of the event of each epoch; None for a Raw or an array.
    """

    data: "FloatArray | RawSamples"
    sfreq: float
    ch_names: tuple[str, ...]
    bad: BoolArray
    segments: tuple[Span, ...]
    clean_spans: tuple[Span, ...]
    info: mne.Info | None = None
    tmin: float = 0.0
    conditions: tuple[str, ...] | None = None

    @cached_property
    def types(self) -> AnyArray:
        """Channel types, shape (n_channels,); channels of arrays are EEG."""
        names = ["eeg"] * len(self.ch_names) if self.info is None else self.info.get_channel_types()
        return np.array(names)

    @cached_property
    def peak_to_peak(self) -> FloatArray:
        """Largest range within a clean span, shape (n_epochs, n_channels)."""
        ranges = [self._peak_to_peak(start, stop) for start, stop in self.clean_spans]
        largest: FloatArray = np.max(ranges, axis=0)
        return largest

    @cached_property
    def flat(self) -> BoolArray:
        """Channels that are constant over the clean spans, shape (n_epochs, n_channels)."""
        peak_to_peak = self.peak_to_peak
        flat = np.empty(peak_to_peak.shape, bool)
        for ch_type in set(self.types):
            of_type = self.types == ch_type
            positive = peak_to_peak[:, of_type & ~self.bad]
            positive = positive[positive > 0]
            threshold = MIN_PEAK_TO_PEAK_RATIO * np.median(positive) if positive.size else 0.0
            flat[:, of_type] = peak_to_peak[:, of_type] <= threshold
        return flat

    @cached_property
    def usable(self) -> BoolArray:
        """Channels to fit: neither bad nor flat in every epoch, shape (n_channels,)."""
        return ~self.bad & ~self.flat.all(axis=0)

    @cached_property
    def finite_segments(self) -> tuple[Span, ...]:
        """Segments without what good channels lack under ``BAD_``; filters stay within them."""
        gaps = self.gaps
        return tuple(part for segment in self.segments for part in outside(segment, gaps))

    @cached_property
    def gaps(self) -> tuple[Span, ...]:
        """Sample ranges within segments in which any good channel is NaN, all under ``BAD_``."""
        return self._find_gaps[0]

    @cached_property
    def gap_channels(self) -> tuple[str, ...]:
        """Names of the good channels that are NaN in gaps."""
        names = compress(self.ch_names, ~self.bad)
        return tuple(compress(names, self._find_gaps[1]))

    @cached_property
    def _find_gaps(self) -> tuple[tuple[Span, ...], BoolArray]:
        """Look for NaN outside of the clean spans."""
        good = ~self.bad
        gaps, missing = [], np.zeros(good.sum(), bool)
        length = max(BLOCK_SAMPLES // (self.data.shape[0] * self.data.shape[1]), 1)
        for segment in self.segments:
            for part in outside(segment, self.clean_spans):
                for start, stop in split_range(*part, length):
                    data = self.data[..., start:stop][:, good]
                    if finite_rows(data).all():
                        continue
                    missing |= ~finite_rows(data).all(axis=0)
                    gaps += [
                        (start + first, start + last)
                        for first, last in outside((0, stop - start), finite_spans(data))
                    ]
        return tuple(gaps), missing

    def _peak_to_peak(self, start: int, stop: int) -> FloatArray:
        """Return the range of every channel within a span, read in blocks."""
        low: FloatArray = np.array(np.inf)
        high: FloatArray = np.array(-np.inf)
        n_rows = self.data.shape[0] * self.data.shape[1]
        if self.data.shape[0] > 1:
            return self._peak_to_peak_of_epochs(start, stop)
        for first, last in split_range(start, stop, max(BLOCK_SAMPLES // n_rows, 1)):
            block = self.data[..., first:last]
            low, high = np.minimum(low, block.min(axis=-1)), np.maximum(high, block.max(axis=-1))
        return np.subtract(high, low)

    def _peak_to_peak_of_epochs(self, start: int, stop: int) -> FloatArray:
        """Return the range of every channel and epoch within a span."""
        out = np.empty(self.data.shape[:2])
        for epoch, samples in enumerate(np.asarray(self.data)):
            np.ptp(samples[:, start:stop], axis=-1, out=out[epoch])
        return out


class RawSamples:
    """Samples of a Raw that are read from disk block by block.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording, preloaded or not.
    index : sequence of int
        Channels.
    bad : array of bool, shape (n_channels,)
        Which of them are bad and may hold NaN.
    clean_spans : sequence of (int, int) | None
        Sample ranges in which the others may not; None for all samples.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.ones((2, 50)), mne.create_info(2, 10.0), verbose=False)
    >>> samples = RawSamples(raw, [1], np.array([False]))
    >>> samples.shape, samples[..., 10:30].shape
    ((1, 1, 50), (1, 1, 20))
    """

    dtype, ndim = np.dtype(float), 3

    def __init__(
        self,
        raw: mne.io.BaseRaw,
        index: Sequence[int],
        bad: BoolArray,
        clean_spans: Sequence[Span] | None = None,
    ) -> None:
        self.raw, self.index, self.good = raw, list(index), ~bad
        self.shape = (1, len(index), len(raw.times))
        self.clean_spans = [(0, len(raw.times))] if clean_spans is None else clean_spans

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: Any) -> FloatArray:
        """Read the block ``[..., start:stop]``; no other index is supported."""
        rows, times = key if isinstance(key, tuple) and len(key) == 2 else (None, None)
        if rows is not Ellipsis or not isinstance(times, slice) or times.step not in (None, 1):
            raise IndexError(f"samples on disk are read as [..., start:stop], got {key!r}.")
        start, stop, _ = times.indices(self.shape[-1])
        data: FloatArray = self.raw.get_data(
            picks=self.index, start=start, stop=stop, verbose=False
        )
        good = data if self.good.all() else data[self.good]
        if not finite_rows(good).all():
            names = [self.raw.ch_names[number] for number in self.index]
            for first, last in self.clean_spans:
                if first < stop and last > start:
                    clean = good[:, max(first - start, 0) : last - start]
                    check_finite("X", clean, list(compress(names, self.good)))
        return data[np.newaxis]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Read all samples."""
        return np.asarray(self[..., :], dtype)


def split_range(start: int, stop: int, length: int) -> list[Span]:
    """Split a range into consecutive ranges.

    Parameters
    ----------
    start, stop : int
        First sample, and one past the last.
    length : int
        Samples in each range; the last one may have fewer.

    Returns
    -------
    ranges : list of (int, int)
        Starts and stops.

    Examples
    --------
    >>> split_range(2, 9, 3)
    [(2, 5), (5, 8), (8, 9)]
    """
    return list(pairwise([*range(start, stop, length), stop]))


def finite_spans(x: FloatArray) -> list[Span]:
    """List the ranges of samples in which all rows are finite.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Samples.

    Returns
    -------
    spans : list of (int, int)
        Starts and stops.

    Examples
    --------
    >>> finite_spans(np.array([[1.0, np.nan, 1.0, 1.0], [1.0, 1.0, 1.0, np.nan]]))
    [(0, 1), (2, 3)]
    """
    n_times = x.shape[-1]
    if finite_rows(x).all():
        return [(0, n_times)] if n_times else []
    finite = np.isfinite(x).reshape(-1, n_times).all(axis=0)
    edges = np.flatnonzero(np.diff(finite, prepend=False, append=False)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def outside(span: Span, spans: Sequence[Span]) -> list[Span]:
    """List the parts of a span that lie outside of others.

    Parameters
    ----------
    span : (int, int)
        Start and stop.
    spans : sequence of (int, int)
        Starts and stops of the others, sorted and without overlaps.

    Returns
    -------
    parts : list of (int, int)
        Starts and stops.

    Examples
    --------
    >>> outside((0, 10), [(2, 4), (8, 12)])
    [(0, 2), (4, 8)]
    """
    start, stop = span
    parts = []
    for first, last in spans:
        if last > start and first < stop:
            parts.append((start, first))
            start = last
    return [(first, last) for first, last in [*parts, (start, stop)] if first < last]
