"""The one place where data leave MNE containers, and go back into them."""

from dataclasses import dataclass
from functools import cached_property
from itertools import compress, pairwise

import mne
import numpy as np

from npa.checks import check_finite, check_number
from npa.spectral.density import BLOCK

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
    runs : tuple of (int, int)
        Sample ranges that are also free of ``BAD_`` annotations; fits read only these.
    info : mne.Info | None
        Measurement info of the picked channels; None for arrays.
    """

    data: np.ndarray
    sfreq: float
    ch_names: tuple
    bad: np.ndarray
    segments: tuple
    runs: tuple
    info: mne.Info | None = None

    @cached_property
    def types(self):
        """Channel types, shape (n_channels,); arrays have one."""
        names = ["eeg"] * len(self.ch_names) if self.info is None else self.info.get_channel_types()
        return np.array(names)

    @cached_property
    def flat(self):
        """Channels that do not change over the clean runs, shape (n_epochs, n_channels)."""
        height = np.max([self._span(start, stop) for start, stop in self.runs], axis=0)
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
        for first, last in cut(start, stop, max(BLOCK // n_rows, 1)):
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


def is_mne(X):
    """Tell whether ``X`` is an MNE Raw or Epochs.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    answer : bool
        True for `mne.io.BaseRaw` and `mne.BaseEpochs`.

    Examples
    --------
    >>> is_mne(np.zeros((2, 3)))
    False
    """
    return isinstance(X, (mne.io.BaseRaw, mne.BaseEpochs))


def read_signals(X, *, picks=None, sfreq=None, lazy=False):
    """Take the picked channels out of their container.

    Parameters
    ----------
    X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
        The recording. A 2-D array is ``(n_epochs, n_times)`` of one channel.
    picks : str | array-like | slice | None
        Channels by name, type or index, as in MNE; None for all data channels. Bad channels
        stay in and are marked as such in the result. Arrays take indices only.
    sfreq : float | None
        Sampling rate in Hz of an array. For MNE objects None, or their own.
    lazy : bool
        Whether the samples of a Raw are to be read (and checked for NaN) only when they are asked
        for, block by block.

    Returns
    -------
    signals : Signals
        The samples, copied or to be read, with what fits and filters need to know about them.

    Raises
    ------
    TypeError
        If ``X`` is none of these.
    ValueError
        If nothing is picked or left, samples of good channels are not finite, or ``sfreq`` is
        missing or contradicts ``X``.

    Examples
    --------
    >>> read_signals(np.ones((2, 3, 100)), sfreq=100.0).ch_names
    ('ch0', 'ch1', 'ch2')
    """
    signals = _read_mne(X, picks, sfreq, lazy) if is_mne(X) else _read_array(X, picks, sfreq)
    if 0 in signals.data.shape:
        raise ValueError(
            "X holds no data: (n_epochs, n_channels, n_times) of the picked channels is "
            f"{signals.data.shape}."
        )
    if isinstance(signals.data, RawSamples):
        return signals
    good = ~signals.bad
    # Indexing copies, so that all data are passed as they are where no channel is bad.
    data = signals.data if good.all() else signals.data[:, good]
    check_finite("X", data, list(compress(signals.ch_names, good)))
    return signals


def write_signals(X, signals, data):
    """Put samples back into a copy of the container that they came from.

    Parameters
    ----------
    X : mne.io.BaseRaw | mne.BaseEpochs | array
        What `read_signals` was given; it is left unchanged.
    signals : Signals
        What `read_signals` returned.
    data : array, shape (n_epochs, n_channels, n_times)
        The new samples of the picked channels.

    Returns
    -------
    out : mne.io.BaseRaw | mne.BaseEpochs | array
        The same kind as ``X``, with all its channels.

    Examples
    --------
    >>> x = np.ones((2, 3, 100))
    >>> signals = read_signals(x, picks=[1], sfreq=100.0)
    >>> write_signals(x, signals, 2 * signals.data).sum(axis=(0, 2))
    array([200., 400., 200.])
    """
    if not is_mne(X):
        out = np.array(X, dtype=float)
        picked = out[:, np.newaxis] if out.ndim == 2 else out
        picked[:, [int(name.removeprefix("ch")) for name in signals.ch_names]] = data
        return out
    out = X.copy().load_data()
    index = [out.ch_names.index(name) for name in signals.ch_names]
    if isinstance(out, mne.io.BaseRaw):
        out[index, :] = data[0]
    else:
        out.get_data(copy=False)[:, index] = data
    return out


def picked_names(info, picks=None):
    """Return the names of the picked channels, bad ones included.

    Parameters
    ----------
    info : mne.Info
        Measurement info.
    picks : str | array-like | slice | None
        Channels by name, type or index; None for all data channels (never EOG, stim, misc).

    Returns
    -------
    names : list of str
        Channel names in the order of ``info`` (or of ``picks``, where names are given).

    Raises
    ------
    ValueError
        If ``picks`` names a channel or type that is not there.

    Examples
    --------
    >>> info = mne.create_info(["Oz", "VEOG"], 100.0, ["eeg", "eog"])
    >>> picked_names(info)
    ['Oz']
    """
    # Only containers interpret picks in MNE's public interface; this one is as small as can be.
    evoked = mne.EvokedArray(np.zeros((len(info["ch_names"]), 1)), info, verbose=False)
    try:
        return evoked.pick("data" if picks is None else picks, exclude=(), verbose=False).ch_names
    except (ValueError, IndexError) as error:
        have = ", ".join(info["ch_names"][:8]) + (", ..." if len(info["ch_names"]) > 8 else "")
        wanted = "None (data channels)" if picks is None else repr(picks)
        raise ValueError(f"picks={wanted} finds no channel among {have}.") from error


def channel_groups(ch_names, by=None):
    """Group channels by name.

    Parameters
    ----------
    ch_names : sequence of str
        Channel names.
    by : None | str | dict
        None for one group called ``"all"``; a separator, to group names by what stands before
        its last occurrence; or a dict of group name to channel names.

    Returns
    -------
    groups : dict
        Group name to list of channel indices.

    Raises
    ------
    TypeError
        If ``by`` is none of these.
    ValueError
        If a separator or group is empty, or a channel named is not there.

    Examples
    --------
    >>> channel_groups(["lstm/f/0", "lstm/f/1", "lstm/h/0"], by="/")
    {'lstm/f': [0, 1], 'lstm/h': [2]}
    """
    ch_names = list(ch_names)
    if by is None:
        return {"all": list(range(len(ch_names)))}
    if isinstance(by, str):
        if not by:
            raise ValueError("by must be a separator of at least one character, got ''.")
        groups = {}
        for index, name in enumerate(ch_names):
            groups.setdefault(name.rpartition(by)[0] or name, []).append(index)
        return groups
    if not isinstance(by, dict):
        raise TypeError(f"by must be None, a separator or a dict of groups, got {by!r}.")
    for group, names in by.items():
        missing = [name for name in names if name not in ch_names]
        if missing or not len(names):
            raise ValueError(
                f"by[{group!r}] must name channels that are picked, got {missing or names!r}."
            )
    return {group: [ch_names.index(name) for name in names] for group, names in by.items()}


def _read_mne(X, picks, sfreq, lazy):
    """Read a Raw as one epoch, or Epochs."""
    if sfreq is not None and not np.isclose(sfreq, X.info["sfreq"]):
        raise ValueError(
            f"sfreq must be None or the recording's own {X.info['sfreq']:g} Hz, got {sfreq!r}."
        )
    names = picked_names(X.info, picks)
    # By index: MNE refuses names that are types too, such as "eog".
    index = [X.ch_names.index(name) for name in names]
    bad = np.isin(names, X.info["bads"])
    if isinstance(X, mne.io.BaseRaw):
        samples = RawSamples(X, index, bad)
        data = samples if lazy else X.get_data(picks=index, verbose=False)[np.newaxis]
        segments = _stretches(X, ("edge", "bad_acq_skip"))
        runs = _stretches(X, ("edge", "bad"))
    else:
        data = X.get_data(picks=index, verbose=False)
        segments = runs = ((0, data.shape[-1]),)
    if not runs:
        raise ValueError("X has no samples outside its BAD_ annotations.")
    info = mne.pick_info(X.info, index)
    return Signals(data, X.info["sfreq"], tuple(names), bad, segments, runs, info)


def _read_array(X, picks, sfreq):
    """Read an array, whose channels are called by their index."""
    if not isinstance(X, np.ndarray):
        raise TypeError(
            "X must be an mne.io.BaseRaw, an mne.BaseEpochs or an array "
            f"(n_epochs, n_channels, n_times), got {type(X).__name__}."
        )
    if sfreq is None:
        raise ValueError("sfreq must be given (in Hz) when X is an array, got None.")
    sfreq = check_number("sfreq", sfreq, above=0)
    if X.ndim not in (2, 3):
        raise ValueError(
            "X must have shape (n_epochs, n_channels, n_times), or (n_epochs, n_times) of one "
            f"channel, got {X.shape}."
        )
    data = X[:, np.newaxis] if X.ndim == 2 else X
    try:
        index = np.arange(data.shape[1])[slice(None) if picks is None else picks]
    except IndexError:
        raise ValueError(
            f"picks must be None or channel indices below {data.shape[1]} for an array, "
            f"got {picks!r}."
        ) from None
    index = np.atleast_1d(index)
    whole = ((0, data.shape[-1]),)
    names = tuple(f"ch{number}" for number in index)
    return Signals(
        data[:, index].astype(float), sfreq, names, np.zeros(len(index), bool), whole, whole
    )


def _stretches(raw, prefixes):
    """Cut a Raw where annotations of these prefixes start or stop, and leave those spans out."""
    n_times = len(raw.times)
    left_out = np.zeros(n_times, bool)
    cuts = {0, n_times}
    notes = raw.annotations
    for onset, duration, name in zip(notes.onset, notes.duration, notes.description, strict=True):
        if not name.lower().startswith(prefixes):
            continue
        ends = np.array([onset, onset + duration]) - raw.first_time
        start, stop = np.clip(raw.time_as_index(ends, use_rounding=True), 0, n_times)
        left_out[start:stop] = True
        cuts.update((int(start), int(stop)))
    return tuple((start, stop) for start, stop in pairwise(sorted(cuts)) if not left_out[start])
