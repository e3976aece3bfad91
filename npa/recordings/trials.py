"""Recordings of many subjects, cut into trials for decoding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

import mne
import numpy as np
from mne.utils import warn
from scipy.signal import detrend as remove_trend
from sklearn.base import clone

from npa.checks import check_finite, check_option, check_range
from npa.recordings.channels import picked_names
from npa.recordings.containers import is_mne


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials of many subjects, ready for a decoder.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Samples in volts.
    y : array, shape (n_trials,)
        Label of each trial.
    groups : array, shape (n_trials,)
        Subject of each trial.
    runs : array of str, shape (n_trials,)
        Recording of each trial, ``"subject/number"``.
    times : array, shape (n_times,)
        Time from the event in s.
    ch_names : tuple of str
        Names of the channels.
    drop_log : dict of str to tuple of tuple of str
        For each recording, why each of its events gave no trial; empty tuples for those that did.
    info : mne.Info
        Measurement info of the channels, from the first recording.

    Examples
    --------
    >>> info = mne.create_info(["Oz", "Pz"], 100.0, "eeg")
    >>> noise = np.random.default_rng(0).normal(size=(4, 2, 50))
    >>> epochs = mne.EpochsArray(noise, info, event_id={"face": 1}, verbose=False)
    >>> trials = collect_trials({"ann": epochs}, {"face": "face"}, tmin=0, tmax=0.2)
    >>> trials.to_epochs()["subject == 'ann'"].get_data().shape
    (4, 2, 21)
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    runs: np.ndarray
    times: np.ndarray
    ch_names: tuple
    drop_log: dict
    info: mne.Info

    def __len__(self):
        return len(self.X)

    def to_epochs(self):
        """Return the trials as MNE epochs.

        Returns
        -------
        epochs : mne.EpochsArray
            With the labels as event names, and the metadata ``subject`` and ``run``.
        """
        import pandas as pd

        labels, codes = np.unique(self.y, return_inverse=True)
        order = np.arange(len(self))
        return mne.EpochsArray(
            self.X,
            self.info,
            events=np.column_stack([order, np.zeros_like(order), codes + 1]),
            tmin=self.times[0],
            event_id={str(label): code + 1 for code, label in enumerate(labels)},
            metadata=pd.DataFrame({"subject": self.groups, "run": self.runs}),
            proj=False,
            verbose=False,
        )


def collect_trials(
    recordings,
    event_id,
    tmin=-0.3,
    tmax=1.0,
    preprocess=None,
    picks=None,
    baseline=None,
    detrend=1,
    reject=None,
    drop_log=None,
):
    """Cut the recordings of many subjects into labelled trials.

    Parameters
    ----------
    recordings : dict
        Subject to recording, or to a list of recordings (runs): `mne.io.BaseRaw` or
        `mne.BaseEpochs`.
    event_id : dict
        Label to the events that bear it: one or a list of annotation descriptions (of names of
        events, for Epochs), or one or a list of codes on the trigger channel. A description
        stands for all that share its parts, as in MNE: ``"face"`` means ``"face/up"`` too.
    tmin, tmax : float
        Start and end of a trial, in s from its event.
    preprocess : estimator | None
        A transformer of recordings, such as a pipeline. Each recording gets a clone of its own,
        which never sees a label.
    picks : str | array-like | slice | None
        Channels by name, type or index, as in MNE; None for all good data channels. Where
        recordings differ, the channels that all of them have are taken, with a warning.
    baseline : None | tuple of float
        Span in s whose mean is removed from each trial, as in `mne.Epochs`; None for none.
    detrend : {None, 0, 1}, default 1
        Whether the mean (0) or the straight line (1) of each trial is removed.
    reject : dict | None
        Largest peak-to-peak by channel type, as in `mne.Epochs`, such as
        ``dict(eeg=800e-6, eog=6e-3)``, after detrending (of data channels only, as there). It
        looks at every good channel of these types, picked or not.
    drop_log : dict | None
        The ``drop_log`` of other trials of the same recordings: the same events are dropped, and
        no others. None to decide anew, by ``reject`` and by ``BAD_`` annotations.

    Returns
    -------
    trials : Trials
        Samples, labels, subjects and runs.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If a label never occurs, channels or times have nothing in common, samples are not
        finite, both ``reject`` and ``drop_log`` are given, or ``drop_log`` does not fit.

    Notes
    -----
    Decide once which trials to reject, and hand the decision to every other condition, so that
    all compare the same trials::

        raw = collect_trials(recordings, event_id, reject=dict(eeg=800e-6))
        amplified = collect_trials(
            recordings, event_id, preprocess=NeuralPowerAmplifier(), drop_log=raw.drop_log
        )

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=20, random_state=0)
    >>> notes = mne.Annotations(np.arange(1, 19), 0, ["face", "noise"] * 9)
    >>> _ = raw.set_annotations(notes)
    >>> trials = collect_trials({"ann": raw}, {"face": "face", "noise": "noise"}, picks=["P7"])
    >>> trials.X.shape, trials.y[:2].tolist(), str(trials.runs[0])
    ((18, 1, 334), ['face', 'noise'], 'ann/0')
    """
    recordings = _check_recordings(recordings)
    wanted = _check_event_id(event_id)
    tmin, tmax = check_range("(tmin, tmax)", (tmin, tmax), low=None)
    check_option("detrend", detrend, (None, 0, 1))
    if preprocess is not None and not hasattr(preprocess, "fit_transform"):
        raise TypeError(f"preprocess must be None or a transformer, got {preprocess!r}.")
    _check_drop_log(drop_log, reject, [run for _, run, _ in recordings])
    cut = {"tmin": tmin, "tmax": tmax, "baseline": baseline, "detrend": detrend, "reject": reject}

    parts, log = [], {}
    for subject, run, recording in recordings:
        try:
            if preprocess is not None:
                recording = clone(preprocess).fit_transform(recording)
                if not is_mne(recording):
                    kind = type(recording).__name__
                    raise TypeError(f"preprocess must return Raw or Epochs, got {kind}.")
            given = None if drop_log is None else drop_log[run]
            data, codes, times, info, log[run] = _cut(recording, wanted, picks, cut, given)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"recording {run!r}: {error}") from error
        parts.append(_Part(subject, run, data, codes, times, info))
    _check_parts(list(wanted), parts)
    return _join(list(wanted), parts, log)


@dataclass(frozen=True)
class _Part:
    """Trials of one recording, their labels by number."""

    subject: object
    run: str
    data: np.ndarray
    codes: np.ndarray
    times: np.ndarray
    info: mne.Info


def _cut(recording, wanted, picks, cut, given):
    """Cut one recording into data, label numbers, times, info and drop log."""
    if isinstance(recording, mne.BaseEpochs):
        recording = recording.copy().load_data()
    if not all(projection["active"] for projection in recording.info["projs"]):
        # Before channels are picked: a reference to the mean is that of all of them.
        recording = recording.copy().load_data().apply_proj(verbose=False)
    names = picked_names(recording.info, picks)
    if picks is None:
        names = [name for name in names if name not in recording.info["bads"]]
    rows, events = _find_events(recording, wanted)
    if not len(events):
        raise ValueError(f"none of the events of event_id occur{_what_occurs(recording)}.")
    if given is not None and len(given) != len(events):
        raise ValueError(
            f"drop_log must hold one entry for each of the {len(events)} events, "
            f"got {len(given)}: it stems from other recordings or events."
        )
    reject = cut["reject"] if given is None else None
    looked_at = _names_of_types(recording, reject or ())
    kept = [name for name in recording.ch_names if name in {*names, *looked_at}]
    epochs = _cut_epochs(recording, rows, events, kept, cut, given is None)
    if given is not None:
        epochs = _drop_as_before(epochs, given)
    if len(epochs):
        _straighten(epochs, kept, cut, reject)
    info = mne.pick_info(epochs.info, [epochs.ch_names.index(name) for name in names])
    log = epochs.drop_log if given is None else tuple(map(tuple, given))
    data = np.empty((0, len(names), len(epochs.times)))
    if len(epochs):
        data = epochs.get_data(picks=names, verbose=False)
    return data, epochs.events[:, 2], epochs.times, info, log


def _straighten(epochs, names, cut, reject):
    """Detrend epochs in place, set them to their baseline, and drop those that are bad."""
    check_finite("its data", epochs.get_data(verbose=False), names)
    if cut["detrend"] is not None:
        # As in MNE, whose own detrending does not say where a sample is NaN.
        epochs.apply_function(
            remove_trend,
            picks=picked_names(epochs.info),
            channel_wise=False,
            type=("constant", "linear")[cut["detrend"]],
            verbose=False,
        )
    epochs.apply_baseline(cut["baseline"], verbose=False)
    epochs.drop_bad(reject, verbose=False)


def _names_of_types(recording, types):
    """Name the good channels of some types."""
    pairs = zip(recording.ch_names, recording.get_channel_types(), strict=True)
    return [name for name, kind in pairs if kind in types and name not in recording.info["bads"]]


def _drop_as_before(epochs, given):
    """Drop the events that were dropped elsewhere, and make sure that no others are."""
    lost = [index for index, reasons in enumerate(epochs.drop_log) if reasons and not given[index]]
    if lost:
        reasons = ", ".join(epochs.drop_log[lost[0]])
        raise ValueError(f"drop_log keeps event {lost[0]}, but it gives no trial here: {reasons}.")
    return epochs[[number for number, kept in enumerate(epochs.selection) if not given[kept]]]


def _find_events(recording, wanted):
    """Find the events of every label, numbered by label; also their rows in Epochs."""
    by_name = isinstance(next(iter(wanted.values()))[0], str)
    if isinstance(recording, mne.BaseEpochs):
        events, names = recording.events, recording.event_id
    elif by_name:
        events, names = mne.events_from_annotations(
            recording, _codes_of_annotations(recording), regexp=None, verbose=False
        )
    elif "stim" in recording:
        events, names = mne.find_events(recording, shortest_event=1, verbose=False), {}
    else:
        raise ValueError(
            "event_id gives codes, but there is no trigger channel: give descriptions of "
            f"annotations instead{_what_occurs(recording)}."
        )
    numbers = np.full(len(events), -1)
    for number, aliases in enumerate(wanted.values()):
        codes = aliases
        if by_name:
            codes = [code for name, code in names.items() if _matches(name, aliases)]
        here = np.isin(events[:, 2], codes)
        if (numbers[here] >= 0).any():
            raise ValueError("event_id gives one event to two labels.")
        numbers[here] = number
    rows = np.flatnonzero(numbers >= 0)
    return rows, np.column_stack([events[rows, 0], np.zeros_like(rows), numbers[rows]])


def _codes_of_annotations(raw):
    """Give every description of the annotations a code."""
    return {name: code for code, name in enumerate(sorted(set(raw.annotations.description)), 1)}


def _matches(name, aliases):
    """Tell whether a name holds all parts of one of the aliases."""
    return any(set(alias.split("/")) <= set(name.split("/")) for alias in aliases)


def _what_occurs(recording):
    """Say which events a recording holds."""
    if isinstance(recording, mne.BaseEpochs):
        names = [f"{name!r} ({code})" for name, code in recording.event_id.items()]
    else:
        names = [repr(name) for name in _codes_of_annotations(recording)]
        if "stim" in recording:
            events = mne.find_events(recording, shortest_event=1, verbose=False)
            names += [str(code) for code in np.unique(events[:, 2])]
    return f"; there are {', '.join(names)}" if names else "; there are no events at all"


def _cut_epochs(recording, rows, events, names, cut, decide):
    """Cut epochs of some channels, as they are."""
    tmin, tmax = cut["tmin"], cut["tmax"]
    settings = {"baseline": None, "proj": False, "verbose": False}
    if not isinstance(recording, mne.BaseEpochs):
        span = {"tmin": tmin, "tmax": tmax, "reject_by_annotation": decide, "preload": True}
        # MNE applies what has been applied once more: to all channels, so that nothing changes.
        epochs = mne.Epochs(recording, events, picks="all", **span, **settings)
        return epochs.pick(names, exclude=(), verbose=False) if len(epochs) else epochs
    step = 1 / recording.info["sfreq"]
    if tmin < recording.tmin - step / 2 or tmax > recording.tmax + step / 2:
        raise ValueError(
            f"(tmin, tmax) must lie within the epochs' {recording.tmin:g} to "
            f"{recording.tmax:g} s, got ({tmin:g}, {tmax:g})."
        )
    part = recording[rows].pick(names, exclude=(), verbose=False).crop(tmin, tmax)
    return mne.EpochsArray(part.get_data(verbose=False), part.info, events, part.tmin, **settings)


def _check_recordings(recordings):
    """Return (subject, run, recording) of every recording."""
    if not isinstance(recordings, Mapping) or not recordings:
        raise TypeError(f"recordings must map subjects to recordings, got {recordings!r}.")
    found = []
    for subject, runs in recordings.items():
        runs = [runs] if is_mne(runs) else runs
        if not isinstance(runs, Sequence) or not runs or not all(map(is_mne, runs)):
            raise TypeError(
                f"recordings[{subject!r}] must be a Raw, an Epochs or a list of them, got {runs!r}."
            )
        found += [(subject, f"{subject}/{number}", run) for number, run in enumerate(runs)]
    names = [str(subject) for subject in recordings]
    if len(set(names)) < len(names):
        raise ValueError(f"recordings must have subjects of different names, got {names}.")
    return found


def _check_event_id(event_id):
    """Return label to tuple of descriptions, or of codes."""
    if not isinstance(event_id, Mapping) or not event_id:
        raise TypeError(f"event_id must map labels to events, got {event_id!r}.")
    wanted = {
        label: (value,) if isinstance(value, (str, Integral)) else tuple(value)
        for label, value in event_id.items()
    }
    every = [alias for aliases in wanted.values() for alias in aliases]
    same = all(isinstance(a, str) for a in every) or all(isinstance(a, Integral) for a in every)
    if not all(wanted.values()) or not same:
        raise TypeError(
            "event_id must give each label descriptions (str), or give each label codes (int), "
            f"got {event_id!r}."
        )
    return wanted


def _check_drop_log(drop_log, reject, runs):
    """Raise where a decision is asked for twice, or is one on other recordings."""
    if drop_log is None:
        return
    if reject is not None:
        raise ValueError(
            f"reject={reject!r} would decide anew what drop_log has decided; give one of them."
        )
    if not isinstance(drop_log, Mapping) or set(drop_log) != set(runs):
        raise ValueError(
            f"drop_log must be that of trials of the same recordings {sorted(runs)}, "
            f"got {sorted(drop_log) if isinstance(drop_log, Mapping) else drop_log!r}."
        )


def _check_parts(labels, parts):
    """Raise where a label has no trial at all, warn where a recording lacks it."""
    for number, label in enumerate(labels):
        lacking = [part.run for part in parts if not (part.codes == number).any()]
        if len(lacking) == len(parts):
            raise ValueError(
                f"event_id[{label!r}] gives no trial in recording(s) {', '.join(lacking)}: its "
                "events never occur, or all are dropped."
            )
        if lacking:
            warn(f"No trial of {label!r} in recording(s) {', '.join(lacking)}.")
    first = parts[0].times
    for part in parts:
        if len(part.times) != len(first) or not np.allclose(part.times, first):
            raise ValueError(
                f"recording {part.run!r} has {len(part.times)} samples a trial at "
                f"{part.info['sfreq']:g} Hz, but {parts[0].run!r} has {len(first)} at "
                f"{parts[0].info['sfreq']:g} Hz; resample them to one rate."
            )


def _join(labels, parts, log):
    """Put the trials of all recordings together, with the channels that all have."""
    names = parts[0].info["ch_names"]
    shared = [name for name in names if all(name in part.info["ch_names"] for part in parts)]
    every = {name for part in parts for name in part.info["ch_names"]}
    if not shared:
        raise ValueError("recordings have no good channel in common.")
    if len(shared) < len(every):
        left_out = ", ".join(sorted(every - set(shared)))
        warn(f"Channel(s) {left_out} are not good in all recordings, and are left out.")
    index = [[part.info["ch_names"].index(name) for name in shared] for part in parts]
    sizes = [len(part.data) for part in parts]
    subjects = np.asarray([part.subject for part in parts])
    return Trials(
        X=np.concatenate([part.data[:, own] for part, own in zip(parts, index, strict=True)]),
        y=np.asarray(labels)[np.concatenate([part.codes for part in parts])],
        groups=np.repeat(subjects, sizes),
        runs=np.repeat([part.run for part in parts], sizes),
        times=parts[0].times,
        ch_names=tuple(shared),
        drop_log=log,
        info=mne.pick_info(parts[0].info, index[0]),
    )
