"""Reading signals out of MNE containers, and writing them back."""

from itertools import compress, pairwise
from typing import Any, TypeGuard

import mne
import numpy as np

from npa.checks import check_array_like, check_finite, check_number
from npa.recordings.channels import picked_names
from npa.recordings.signals import RawSamples, Signals
from npa.typing import FloatArray, IntArray, Picks, Span

# How descriptions of annotations begin, in lower case, at which samples do not follow on each
# other: MNE's own, EEGLAB's and BrainVision's.
DISCONTINUITIES = (
    "edge",
    "bad_acq_skip",
    "bad boundary",
    "bad_boundary",
    "boundary",
    "new segment",
)


def is_mne(X: object) -> TypeGuard[mne.io.BaseRaw | mne.BaseEpochs]:
    """Return whether ``X`` is an MNE Raw or Epochs.

    Parameters
    ----------
    X : object
        Any object.

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


def read_signals(
    X: Any, *, picks: Picks = None, sfreq: float | None = None, lazy: bool = False
) -> Signals:
    """Read the picked channels of a recording.

    Parameters
    ----------
    X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
        The recording. A 2-D array is ``(n_epochs, n_times)`` of one channel.
    picks : str | array-like | slice | None
        Channels by name, type or index, as in MNE; None for all data channels. Bad channels are
        included and marked as such in the result. Arrays take indices only.
    sfreq : float | None
        Sampling rate in Hz of an array. For MNE objects None, or their own.
    lazy : bool
        Whether samples are only to be read: those of a Raw are read from disk (and checked for
        NaN) on access, block by block; those of Epochs and arrays are not copied where MNE and
        NumPy allow it, and are read-only.

    Returns
    -------
    signals : Signals
        The samples, copied or to be read, with what fits and filters need besides them.

    Raises
    ------
    TypeError
        If ``X`` is none of these.
    ValueError
        If no channel is picked or no clean sample is left, samples of good channels outside of
        ``BAD_`` annotations are not finite, or ``sfreq`` is missing or contradicts ``X``.

    Examples
    --------
    >>> read_signals(np.ones((2, 3, 100)), sfreq=100.0).ch_names
    ('ch0', 'ch1', 'ch2')
    """
    signals = _read_mne(X, picks, sfreq, lazy) if is_mne(X) else _read_array(X, picks, sfreq, lazy)
    if 0 in signals.data.shape:
        raise ValueError(
            "X holds no data: (n_epochs, n_channels, n_times) of the picked channels is "
            f"{signals.data.shape}."
        )
    if isinstance(signals.data, RawSamples):
        return signals
    good = ~signals.bad
    for start, stop in signals.clean_spans:
        data = signals.data[..., start:stop]
        # Indexing would copy the data where no channel is bad.
        data = data if good.all() else data[:, good]
        check_finite("X", data, list(compress(signals.ch_names, good)))
    return signals


def write_signals(X: Any, signals: Signals, data: FloatArray) -> Any:
    """Write samples back into a copy of the container they came from.

    Parameters
    ----------
    X : mne.io.BaseRaw | mne.BaseEpochs | array
        The input of `read_signals`; it is not changed.
    signals : Signals
        The output of `read_signals`.
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


def _read_mne(
    X: mne.io.BaseRaw | mne.BaseEpochs, picks: Picks, sfreq: float | None, lazy: bool
) -> Signals:
    """Read a Raw as one epoch, or Epochs."""
    if sfreq is not None and not np.isclose(check_number("sfreq", sfreq), X.info["sfreq"]):
        raise ValueError(
            f"sfreq must be None or the recording's own {X.info['sfreq']:g} Hz, got {sfreq!r}."
        )
    names = picked_names(X.info, picks)
    # By index: MNE rejects names that are also types, such as "eog".
    index = [X.ch_names.index(name) for name in names]
    bad = np.isin(names, X.info["bads"])
    tmin, conditions = 0.0, None
    if isinstance(X, mne.io.BaseRaw):
        segments = _spans_outside(X, ("edge", "bad_acq_skip"))
        clean_spans = _spans_outside(X, ("edge", "bad"))
        samples = RawSamples(X, index, bad, clean_spans)
        data = samples if lazy else X.get_data(picks=index, verbose=False)[np.newaxis]
    else:
        whole = lazy and index == list(range(len(X.ch_names)))
        data = X.get_data(None if whole else index, copy=not whole, verbose=False)
        data = _read_only(data) if lazy else data
        segments = clean_spans = ((0, data.shape[-1]),)
        event_names = {code: name for name, code in X.event_id.items()}
        conditions = tuple(event_names.get(code, str(code)) for code in X.events[:, 2])
        tmin = float(X.tmin)
    if not clean_spans:
        raise ValueError("X has no samples outside its BAD_ annotations.")
    info = mne.pick_info(X.info, index)
    return Signals(
        data, X.info["sfreq"], tuple(names), bad, segments, clean_spans, info, tmin, conditions
    )


def _read_array(X: object, picks: Picks, sfreq: float | None, lazy: bool) -> Signals:
    """Read an array, whose channels are named by their index."""
    check_array_like("X", X)
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
    selection: Any = slice(None) if picks is None else picks
    try:
        if isinstance(picks, (bool, np.bool_)):
            raise IndexError
        index = np.atleast_1d(np.arange(data.shape[1])[selection])
        if index.ndim != 1 or (not index.size and data.shape[1]):
            raise IndexError
    except IndexError:
        raise ValueError(
            f"picks must be None or channel indices below {data.shape[1]} for an array, "
            f"got {picks!r}."
        ) from None
    if len(set(index)) < len(index):
        raise ValueError(f"picks must not repeat a channel, got {picks!r}.")
    whole = ((0, data.shape[-1]),)
    names = tuple(f"ch{number}" for number in index)
    data = data if picks is None else data[:, index]
    # Indices have copied already, and so has another dtype.
    data = np.array(data, float, copy=None if lazy or picks is not None else True)
    data = _read_only(data) if lazy else data
    return Signals(data, sfreq, names, np.zeros(len(index), bool), whole, whole)


def _read_only(data: FloatArray) -> FloatArray:
    """Return a view that cannot be written to, because it may be of the user's samples."""
    view = data.view()
    view.flags.writeable = False
    return view


def discontinuities(raw: mne.io.BaseRaw) -> list[int]:
    """List the samples of a Raw that do not follow on the sample before them.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording.

    Returns
    -------
    samples : list of int
        Sorted sample numbers, counted from the first; the beginning and the end are not listed.

    Notes
    -----
    Annotations that begin with ``EDGE``, ``BAD boundary`` and ``BAD_ACQ_SKIP`` (MNE), ``boundary``
    (EEGLAB) and ``New Segment`` (BrainVision) say so.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.zeros((1, 100)), mne.create_info(1, 10.0), verbose=False)
    >>> _ = raw.set_annotations(mne.Annotations([2, 4], 0, ["boundary", "face"]))
    >>> discontinuities(raw)
    [20]
    """
    found: set[int] = set()
    for note in raw.annotations:
        description = note["description"].lower()
        if not description.startswith(DISCONTINUITIES):
            continue
        start, stop = _ends(raw, note)
        # Others than MNE's have the duration of what was cut out.
        if start < stop and description.startswith(("bad", "edge")):
            found |= {start, stop}
        else:  # EEGLAB's lie half-way between two samples
            found.add(int((note["onset"] - raw.first_time) * raw.info["sfreq"] + 0.501))
    return sorted(each for each in found if 0 < each < len(raw.times))


def across_discontinuity(epochs: mne.BaseEpochs, raw: mne.io.BaseRaw) -> IntArray:
    """Find epochs within which the recording is not continuous.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        Epochs of ``raw``.
    raw : mne.io.BaseRaw
        The recording.

    Returns
    -------
    index : array of int
        Their indices.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.zeros((1, 100)), mne.create_info(1, 10.0), verbose=False)
    >>> _ = raw.set_annotations(mne.Annotations([2.5], 0, ["boundary"]))
    >>> epochs = mne.make_fixed_length_epochs(raw, 2.0, verbose=False)
    >>> across_discontinuity(epochs, raw).tolist()
    [1]
    """
    first = epochs.events[:, 0] - raw.first_samp + round(epochs.tmin * raw.info["sfreq"])
    last = first + len(epochs.times) - 1
    cuts = np.array(discontinuities(raw), int)
    n_before = [np.searchsorted(cuts, samples, side="right") for samples in (first, last)]
    return np.flatnonzero(n_before[0] != n_before[1])


def _ends(raw: mne.io.BaseRaw, note: Any) -> Span:
    """Return the first sample of an annotation, and one past its last."""
    ends = note["onset"] + np.array([0.0, note["duration"]]) - raw.first_time
    start, stop = np.clip(raw.time_as_index(ends, use_rounding=True), 0, len(raw.times))
    return int(start), int(stop)


def _spans_outside(raw: mne.io.BaseRaw, prefixes: tuple[str, ...]) -> tuple[Span, ...]:
    """Split a Raw at discontinuities, and leave out annotations with these prefixes."""
    n_times = len(raw.times)
    excluded = np.zeros(n_times, bool)
    edges = {0, n_times, *discontinuities(raw)}
    for note in raw.annotations:
        description, (start, stop) = note["description"].lower(), _ends(raw, note)
        if not description.startswith(prefixes):
            continue
        if start == stop and description.startswith(DISCONTINUITIES):
            continue
        excluded[start:stop] = True
        edges |= {start, stop}
    return tuple((start, stop) for start, stop in pairwise(sorted(edges)) if not excluded[start])
