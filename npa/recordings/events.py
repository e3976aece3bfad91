"""Events of a recording: which occur, and which label each of them has."""

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any, TypeAlias

import mne
import numpy as np
from mne.utils import warn

from npa.typing import BoolArray, IntArray

Event: TypeAlias = str | int

TRIGGER_BITS = 16


def check_event_id(event_id: Any) -> dict[Any, tuple[Event, ...]]:
    """Return the events of each label as a tuple.

    Parameters
    ----------
    event_id : dict
        Label to one or several descriptions, or to one or several codes.

    Returns
    -------
    wanted : dict
        Label to a tuple of descriptions (for all labels) or of codes (for all labels).

    Raises
    ------
    TypeError
        If ``event_id`` is not such a dict.

    Examples
    --------
    >>> check_event_id({"face": [11, 21], "noise": 12})
    {'face': (11, 21), 'noise': (12,)}
    """
    if not isinstance(event_id, Mapping) or not event_id:
        raise TypeError(f"event_id must map labels to events, got {event_id!r}.")
    wanted = {
        label: (value,) if isinstance(value, (str, Integral)) else tuple(value)
        for label, value in event_id.items()
    }
    events = [event for of_label in wanted.values() for event in of_label]
    same_kind = any(all(isinstance(event, kind) for event in events) for kind in (str, Integral))
    if not all(wanted.values()) or not same_kind:
        raise TypeError(
            "event_id must give each label descriptions (str), or give each label codes (int), "
            f"got {event_id!r}."
        )
    return wanted


def available_events(recording: mne.io.BaseRaw | mne.BaseEpochs) -> list[Event]:
    """Return the events that occur in a recording.

    Parameters
    ----------
    recording : mne.io.BaseRaw | mne.BaseEpochs
        The recording.

    Returns
    -------
    events : list
        Descriptions (of annotations, or of events of Epochs), then codes (on the trigger channel,
        or of events of Epochs), each in order.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.zeros((1, 50)), mne.create_info(1, 10.0), verbose=False)
    >>> available_events(raw.set_annotations(mne.Annotations([1, 2], 0, ["noise", "face"])))
    ['face', 'noise']
    """
    codes = np.unique(_trigger_events(recording)[:, 2]).tolist()
    return [*sorted(_codes_of_descriptions(recording)), *codes]


def check_labels(
    source: object,
    recording: mne.io.BaseRaw | mne.BaseEpochs,
    wanted: Mapping[Any, Iterable[Event]],
) -> None:
    """Raise an error if a recording lacks the events of a label.

    Parameters
    ----------
    source : object
        What to call the recording in the message, such as its path.
    recording : mne.io.BaseRaw | mne.BaseEpochs
        The recording.
    wanted : dict
        Label to its events, as `check_event_id` returns it.

    Raises
    ------
    ValueError
        If a label has no event.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.zeros((1, 50)), mne.create_info(1, 10.0), verbose=False)
    >>> _ = raw.set_annotations(mne.Annotations([1, 2], 0, "face"))
    >>> check_labels("a.fif", raw, {"house": ("house",)})
    Traceback (most recent call last):
    ValueError: a.fif holds no house (events 'house'); there are 'face'.
    """
    available = available_events(recording)
    for label, events in wanted.items():
        if not any(_matches(event, one) for event in available for one in events):
            names = ", ".join(map(repr, events))
            raise ValueError(f"{source} holds no {label} (events {names}){_there_are(recording)}.")


def label_events(
    recording: mne.io.BaseRaw | mne.BaseEpochs, wanted: Mapping[Any, tuple[Event, ...]]
) -> tuple[IntArray, IntArray]:
    """Find the events of each label.

    Parameters
    ----------
    recording : mne.io.BaseRaw | mne.BaseEpochs
        The recording.
    wanted : dict
        Label to its events, as `check_event_id` returns it.

    Returns
    -------
    rows : array of int, shape (n_events,)
        Where the events are among all events of the recording (for Epochs: the epochs).
    events : array of int, shape (n_events, 3)
        Sample, 0, and number of the label, as in MNE.

    Raises
    ------
    ValueError
        If no event has a label, one event has two, two events of different labels are at one
        sample, or codes are wanted of a Raw without a trigger channel.

    Notes
    -----
    Codes are read as by ``mne.find_events(consecutive=True, initial_event=True)``: every change of
    the trigger channel to a code is an event, also from another code, and so is a code at the first
    sample. Bits that are high all the time do not count where some of them lie above the 16 bits
    of triggers, as on BioSemi's status channel. A warning names codes that may be the rest of
    overlapping triggers. Several events of one label at one sample are one event.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.zeros((1, 50)), mne.create_info(1, 10.0), verbose=False)
    >>> _ = raw.set_annotations(mne.Annotations([1, 2], 0, ["noise", "face"]))
    >>> label_events(raw, {"face": ("face",)})[1]
    array([[20,  0,  0]])
    """
    by_description = isinstance(next(iter(wanted.values()))[0], str)
    codes = _codes_of_descriptions(recording)
    if not by_description and isinstance(recording, mne.io.BaseRaw) and "stim" not in recording:
        raise ValueError(
            "event_id gives codes, but there is no trigger channel: give descriptions of "
            f"annotations instead{_there_are(recording)}."
        )
    if isinstance(recording, mne.io.BaseRaw) and by_description:
        found, _ = mne.events_from_annotations(recording, codes, regexp=None, verbose=False)
    else:
        found = _trigger_events(recording)
    labels = np.full(len(found), -1)
    for number, of_label in enumerate(wanted.values()):
        if by_description:
            names = [name for name in codes if any(_matches(name, one) for one in of_label)]
            is_label = np.isin(found[:, 2], [codes[name] for name in names])
        else:
            is_label = np.isin(found[:, 2], of_label)
        if (labels[is_label] >= 0).any():
            raise ValueError("event_id gives one event to two labels.")
        labels[is_label] = number
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise ValueError(f"none of the events of event_id occur{_there_are(recording)}.")
    if isinstance(recording, mne.io.BaseRaw):
        if not by_description:
            _warn_overlapping(found, labels >= 0, recording.first_samp)
        rows = _one_per_sample(rows, found, labels, list(wanted), recording)
    return rows, np.column_stack([found[rows, 0], np.zeros_like(rows), labels[rows]])


def _codes_of_descriptions(recording: mne.io.BaseRaw | mne.BaseEpochs) -> dict[str, int]:
    """Return a code for each description."""
    if isinstance(recording, mne.BaseEpochs):
        return dict(recording.event_id)
    descriptions = sorted(map(str, set(recording.annotations.description)))
    return {name: code for code, name in enumerate(descriptions, 1)}


def _trigger_events(recording: mne.io.BaseRaw | mne.BaseEpochs) -> IntArray:
    """Return the events of Epochs, or those on the trigger channel of a Raw, shape (n, 3)."""
    if isinstance(recording, mne.BaseEpochs):
        return np.asarray(recording.events)
    if "stim" not in recording:
        return np.empty((0, 3), np.intp)
    events = mne.find_events(
        recording, shortest_event=1, consecutive=True, initial_event=True, verbose=False
    )
    return _without_status(np.asarray(events), recording.first_samp)


def _without_status(events: IntArray, first_samp: int) -> IntArray:
    """Leave out bits that are high all the time, if there are some above the 16 of triggers.

    The status channel of BioSemi holds such bits; levels of other systems have 16 bits at most.
    """
    if not len(events) or events[0, 0] != first_samp:
        return events
    levels = np.append(events[1:, 1:].ravel(), events[0, 2])
    constant = int(np.bitwise_and.reduce(levels))
    if constant < 2**TRIGGER_BITS:
        return events
    events = events.copy()
    events[:, 1:] &= ~constant
    return events[events[:, 2] != 0]


def _one_per_sample(
    rows: IntArray,
    found: IntArray,
    labels: IntArray,
    names: list[Any],
    raw: mne.io.BaseRaw,
) -> IntArray:
    """Keep one event of each sample; raise an error where two labels share one."""
    rows = rows[np.argsort(found[rows, 0], kind="stable")]
    samples, first, inverse = np.unique(found[rows, 0], return_index=True, return_inverse=True)
    differs = labels[rows] != labels[rows[first]][inverse]
    if differs.any():
        row = int(np.flatnonzero(differs)[0])
        time = (samples[inverse[row]] - raw.first_samp) / raw.info["sfreq"]
        both = [
            names[label] for label in sorted((labels[rows[first[inverse[row]]]], labels[rows[row]]))
        ]
        raise ValueError(
            f"events of {both[0]!r} and {both[1]!r} are at the same sample, first at {time:.3f} s "
            f"({differs.sum()} in all), so that the label is not clear: leave one of the two out, "
            "or give both events one label."
        )
    return np.asarray(rows[first])


def _warn_overlapping(found: IntArray, wanted: BoolArray, first_samp: int) -> None:
    """Warn about codes that may come from triggers that overlap.

    While trigger 1 is high, trigger 2 makes the code 3. What follows a fall of some bits may be the
    rest of an earlier trigger, and a rise to more bits may be a trigger of its own. A code at the
    first sample may be the resting level.
    """
    before, code = found[:, 1], found[:, 2]
    resting = code[0] if found[0, 0] == first_samp else 0
    follows = (before != 0) & (before != resting)
    rest = wanted & follows & ((before & code) == code)
    added = follows & ((before & code) == before) & ~wanted & np.isin(code ^ before, code[wanted])
    parts = []
    if rest.any():
        parts.append(
            f"{rest.sum()} event(s) of code(s) {_list(code[rest])} directly follow code(s) "
            f"{_list(before[rest])}, which hold the same bits; they are counted as new events"
        )
    if added.any():
        parts.append(
            f"{added.sum()} event(s) of code(s) {_list(code[added])} directly follow code(s) "
            f"{_list(before[added])}, and are not counted as {_list((code ^ before)[added])}"
        )
    if parts:
        warn(
            f"Triggers may overlap: {'; '.join(parts)}. If so, give annotations made from "
            "mne.find_events(mask=...) instead of codes."
        )


def _list(codes: IntArray) -> str:
    """Return different codes as text."""
    return ", ".join(map(str, np.unique(codes)))


def _there_are(recording: mne.io.BaseRaw | mne.BaseEpochs) -> str:
    """Return which events occur, as the end of a message."""
    events = ", ".join(map(repr, available_events(recording)))
    return f"; there are {events}" if events else "; there are no events at all"


def _matches(event: Event, wanted: Event) -> bool:
    """Return whether an event has the wanted code, or all parts of the wanted description."""
    if isinstance(event, str) and isinstance(wanted, str):
        return set(wanted.split("/")) <= set(event.split("/"))
    return event == wanted
