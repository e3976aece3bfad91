"""Channels over time, free of their container."""

from dataclasses import dataclass
from functools import cached_property
from itertools import compress, pairwise

import mne
import numpy as np

from npa.checks import check_finite
from npa.spectral.density import BLOCK_SAMPLES

# Below this share of the typical peak-to-peak a channel holds nothing but rounding.
_FLAT = 1e-9


@dataclass(frozen=True)
class Signals:
    """Channels over time, free of their container.

    Parameters
    ----------
    data : array | RawSamples, shape (n_epochs, n_channels, n_times)
        Samples in volts (or the unit of the array that they came from); a Raw is one epoch.
        Blocks ``data[..., start:stop]`` are all that may be asked of a recording on disk.
    sfreq : float
        Sampling rate in Hz.
    ch_names : tuple of str
        Names of the picked channels, bad ones included.
    bad : array of bool, shape (n_channels,)
        Channels that are marked bad.
    segments : tuple of (int, int)
        Sample ranges recorded without interruption; filters stay within them.
    clean_spans : tuple of (int, int)
        Sample ranges that are also free of ``BAD_`` annotations; fits read only these.
    info : mne.Info | None
        Measurement info of the picked channels; None for arrays.
    """

    data: np.ndarray
    sfreq: float
    ch_names: tuple
    bad: np.ndarray
    segments: tuple
    clean_spans: tuple
    info: mne.Info | None = None

    @cached_property
    def types(self):
        """Channel types, shape (n_channels,); arrays have one."""
        names = ["eeg"] * len(self.ch_names) if self.info is None else self.info.get_channel_types()
        return np.array(names)

    @cached_property
    def flat(self):
        """Channels that do not change over the clean spans, shape (n_epochs, n_channels)."""
        height = np.max([self._span(start, stop) for start, stop in self.clean_spans], axis=0)
        flat = np.empty(height.shape, bool)
        for kind in set(self.types):
            same = self.types == kind
            changing = height[:, same & ~self.bad]
            changing = changing[changing > 0]
            floor = _FLAT * np.median(changing) if changing.size else 0.0
            flat[:, same] = height[:, same] <= floor
        return flat

    @cached_property
    def usable(self):
        """Channels to fit: neither bad nor flat in every epoch, shape (n_channels,)."""
        return ~self.bad & ~self.flat.all(axis=0)

    def _span(self, start, stop):
        """Return highest minus lowest sample of every channel, read in blocks."""
        low, high = np.inf, -np.inf
        n_rows = self.data.shape[0] * self.data.shape[1]
        for first, last in cut(start, stop, max(BLOCK_SAMPLES // n_rows, 1)):
            block = self.data[..., first:last]
            low, high = np.minimum(low, block.min(axis=-1)), np.maximum(high, block.max(axis=-1))
        return high - low


class RawSamples:
    """Samples of a Raw that are read when they are asked for.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording, in memory or not.
    index : list of int
        Channels.
    bad : array of bool, shape (n_channels,)
        Which of them may hold NaN.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.ones((2, 50)), mne.create_info(2, 10.0), verbose=False)
    >>> samples = RawSamples(raw, [1], np.array([False]))
    >>> samples.shape, samples[..., 10:30].shape
    ((1, 1, 50), (1, 1, 20))
    """

    dtype, ndim = np.dtype(float), 3

    def __init__(self, raw, index, bad):
        self.raw, self.index, self.good = raw, list(index), ~bad
        self.shape = (1, len(index), len(raw.times))

    def __len__(self):
        return 1

    def __getitem__(self, key):
        """Read a block; nothing but ``[..., start:stop]`` is understood."""
        rows, times = key if isinstance(key, tuple) and len(key) == 2 else (None, None)
        if rows is not Ellipsis or not isinstance(times, slice) or times.step not in (None, 1):
            raise IndexError(f"samples on disk are read as [..., start:stop], got {key!r}.")
        start, stop, _ = times.indices(self.shape[-1])
        data = self.raw.get_data(picks=self.index, start=start, stop=stop, verbose=False)
        good = data if self.good.all() else data[self.good]
        names = [self.raw.ch_names[number] for number in self.index]
        check_finite("X", good, list(compress(names, self.good)))
        return data[np.newaxis]

    def __array__(self, dtype=None, copy=None):
        """Read everything."""
        return np.asarray(self[..., :], dtype)


def cut(start, stop, length):
    """Cut a range into consecutive ranges.

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
    >>> cut(2, 9, 3)
    [(2, 5), (5, 8), (8, 9)]
    """
    return list(pairwise([*range(start, stop, length), stop]))
