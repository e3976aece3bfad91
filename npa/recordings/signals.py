"""Channels over time, independent of their container."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, pairwise
from typing import Any

import mne
import numpy as np

from npa.checks import check_finite
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
        Sample ranges recorded without interruption; filters stay within them.
    clean_spans : tuple of (int, int)
        Sample ranges that are also free of ``BAD_`` annotations; fits read only these.
    info : mne.Info | None
        Measurement info of the picked channels; None for arrays.
    """

    data: "FloatArray | RawSamples"
    sfreq: float
    ch_names: tuple[str, ...]
    bad: BoolArray
    segments: tuple[Span, ...]
    clean_spans: tuple[Span, ...]
    info: mne.Info | None = None

    @cached_property
    def types(self) -> AnyArray:
        """Channel types, shape (n_channels,); channels of arrays are EEG."""
        names = ["eeg"] * len(self.ch_names) if self.info is None else self.info.get_channel_types()
        return np.array(names)

    @cached_property
    def flat(self) -> BoolArray:
        """Channels that are constant over the clean spans, shape (n_epochs, n_channels)."""
        ranges = [self._peak_to_peak(start, stop) for start, stop in self.clean_spans]
        peak_to_peak = np.max(ranges, axis=0)
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

    def _peak_to_peak(self, start: int, stop: int) -> FloatArray:
        """Return the range of every channel within a span, read in blocks."""
        low: FloatArray = np.array(np.inf)
        high: FloatArray = np.array(-np.inf)
        n_rows = self.data.shape[0] * self.data.shape[1]
        for first, last in split_range(start, stop, max(BLOCK_SAMPLES // n_rows, 1)):
            block = self.data[..., first:last]
            low, high = np.minimum(low, block.min(axis=-1)), np.maximum(high, block.max(axis=-1))
        return np.subtract(high, low)


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

    Examples
    --------
    >>> raw = mne.io.RawArray(np.ones((2, 50)), mne.create_info(2, 10.0), verbose=False)
    >>> samples = RawSamples(raw, [1], np.array([False]))
    >>> samples.shape, samples[..., 10:30].shape
    ((1, 1, 50), (1, 1, 20))
    """

    dtype, ndim = np.dtype(float), 3

    def __init__(self, raw: mne.io.BaseRaw, index: Sequence[int], bad: BoolArray) -> None:
        self.raw, self.index, self.good = raw, list(index), ~bad
        self.shape = (1, len(index), len(raw.times))

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
        names = [self.raw.ch_names[number] for number in self.index]
        check_finite("X", good, list(compress(names, self.good)))
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
