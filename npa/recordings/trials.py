"""Recordings of many subjects, cut into trials for decoding."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mne
import numpy as np
from mne.utils import warn
from scipy.signal import detrend as remove_trend
from sklearn.base import clone

from npa.checks import check_array_like, check_finite, check_number, check_option, check_range
from npa.recordings.channels import picked_names
from npa.recordings.containers import across_discontinuity, is_mne
from npa.recordings.events import Event, check_event_id, label_events
from npa.typing import AnyArray, FloatArray, IntArray, Picks

DropLog = tuple[tuple[str, ...], ...]


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
        Time relative to the event in s.
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

    X: FloatArray
    y: AnyArray
    groups: AnyArray
    runs: AnyArray
    times: FloatArray
    ch_names: tuple[str, ...]
    drop_log: dict[str, DropLog]
    info: mne.Info

    def __len__(self) -> int:
        return len(self.X)

    def to_epochs(self) -> mne.EpochsArray:
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
    recordings: Mapping[Any, Any],
    event_id: Mapping[Any, Event | Sequence[Event]],
    tmin: float = -0.3,
    tmax: float = 1.0,
    preprocess: Any = None,
    picks: Picks = None,
    baseline: tuple[float | None, float | None] | None = None,
    detrend: int | None = 1,
    reject: Mapping[str, float] | None = None,
    drop_log: Mapping[str, Sequence[Sequence[str]]] | None = None,
) -> Trials:
    """Cut the recordings of many subjects into labelled trials.

    Parameters
    ----------
    recordings : dict
        Subject to recording, or to a list of recordings (runs): `mne.io.BaseRaw` or
        `mne.BaseEpochs`.
    event_id : dict
        Label to its events: one or several descriptions of annotations (names of events, for
        Epochs), or one or several codes on the trigger channel. A description matches all that
        contain its parts, as in MNE: ``"face"`` also means ``"face/up"``.
    tmin, tmax : float
        Start and end of a trial, in s relative to its event.
    preprocess : estimator | None
        A transformer of recordings, such as a pipeline. A clone is fitted to each recording,
        without labels.
    picks : str | array-like | slice | None
        Channels by name, type or index, as in MNE; None for all good data channels. If recordings
        differ, the channels that all of them have are used, with a warning.
    baseline : None | tuple of float
        Span in s whose mean is removed from each trial, as in `mne.Epochs`; None for none.
    detrend : {None, 0, 1}, default 1
        Whether to remove the mean (0) or the linear trend (1) of each trial.
    reject : dict | None
        Maximum peak-to-peak amplitude by channel type, as in `mne.Epochs`, such as
        ``dict(eeg=800e-6, eog=6e-3)``, after detrending (of data channels only, as in MNE). All
        good channels of these types count, picked or not.
    drop_log : dict | None
        The ``drop_log`` of other trials of the same recordings, to drop the same events and no
        others. None to decide by ``reject``, ``BAD_`` annotations and discontinuities.

    Returns
    -------
    trials : Trials
        Samples, labels, subjects and runs.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If a label never occurs, recordings share no channel or differ in times, samples are not
        finite, both ``reject`` and ``drop_log`` are given, or ``drop_log`` does not match.

    Notes
    -----
    Decide once which trials to reject, and reuse the decision in every other condition, so that
    all of them compare the same trials::

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
    all_recordings = _check_recordings(recordings)
    wanted = check_event_id(event_id)
    tmin, tmax = check_range("(tmin, tmax)", (tmin, tmax), low=None)
    if detrend is not None and not isinstance(detrend, (int, np.integer)):
        raise TypeError(f"detrend must be None, 0 or 1, got {detrend!r}.")
    check_option("detrend", detrend, (None, 0, 1))
    for name, value in (("reject", reject), ("drop_log", drop_log)):
        if value is not None and not isinstance(value, Mapping):
            raise TypeError(f"{name} must be None or a dict, got {value!r}.")
    if baseline is not None:
        _check_baseline(baseline)
    if preprocess is not None and not hasattr(preprocess, "fit_transform"):
        raise TypeError(f"preprocess must be None or a transformer, got {preprocess!r}.")
    _check_drop_log(drop_log, reject, [run for _, run, _ in all_recordings])
    cutter = _Cutter(wanted, tmin, tmax, picks, baseline, detrend, reject)
    parts = []
    for subject, run, recording in all_recordings:
        try:
            if preprocess is not None:
                recording = clone(preprocess).fit_transform(recording)
                if not is_mne(recording):
                    name = type(recording).__name__
                    raise TypeError(f"preprocess must return Raw or Epochs, got {name}.")
            known = None if drop_log is None else tuple(map(tuple, drop_log[run]))
            parts.append(cutter.cut(subject, run, recording, known))
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"recording {run!r}: {error}") from error
    _check_parts(list(wanted), parts)
    return _join(list(wanted), parts)


@dataclass(frozen=True)
class _Part:
    """Trials of one recording, their labels as numbers."""

    subject: Any
    run: str
    data: FloatArray
    labels: IntArray
    times: FloatArray
    info: mne.Info
    drop_log: DropLog


@dataclass(frozen=True)
class _Cutter:
    """Settings of trials, to cut recordings one by one."""

    wanted: Mapping[Any, tuple[Event, ...]]
    tmin: float
    tmax: float
    picks: Picks
    baseline: tuple[float | None, float | None] | None
    detrend: int | None
    reject: Mapping[str, float] | None

    def cut(self, subject: Any, run: str, recording: Any, drop_log: DropLog | None) -> _Part:
        """Cut one recording; ``drop_log`` is a decision taken before, or None."""
        if isinstance(recording, mne.BaseEpochs):
            recording = recording.copy().load_data()
        if not all(projection["active"] for projection in recording.info["projs"]):
            # Before channels are picked: an average reference is that of all channels.
            recording = recording.copy().load_data().apply_proj(verbose=False)
        duration = len(recording.times) / recording.info["sfreq"]
        if isinstance(recording, mne.io.BaseRaw) and self.tmax - self.tmin > duration:
            raise ValueError(
                f"(tmin, tmax) must not be longer than the recording of {duration:g} s, got "
                f"({self.tmin:g}, {self.tmax:g})."
            )
        rows, events = label_events(recording, self.wanted)
        if drop_log is not None and len(drop_log) != len(events):
            raise ValueError(
                f"drop_log must have one entry for each of the {len(events)} events, "
                f"got {len(drop_log)}: it belongs to other recordings or events."
            )
        names = self._picked(recording)
        to_check = _good_channels(recording, self.reject or ())
        channels = [name for name in recording.ch_names if name in {*names, *to_check}]
        epochs = self._epochs(recording, rows, events, channels, decide=drop_log is None)
        if drop_log is not None:
            epochs = _drop_as_logged(epochs, drop_log)
        data = np.empty((0, len(names), len(epochs.times)))
        if len(epochs):
            self._preprocess(epochs, channels)
            data = epochs.get_data(picks=names, verbose=False)
        info = mne.pick_info(epochs.info, [epochs.ch_names.index(name) for name in names])
        log = epochs.drop_log if drop_log is None else drop_log
        return _Part(subject, run, data, epochs.events[:, 2], epochs.times, info, log)

    def _picked(self, recording: Any) -> list[str]:
        """Return the picked channels: by default the good data channels."""
        names = picked_names(recording.info, self.picks)
        if self.picks is not None:
            return names
        good = [name for name in names if name not in recording.info["bads"]]
        if not good:
            raise ValueError(f"all of its {len(names)} data channels are marked bad.")
        return good

    def _epochs(
        self, recording: Any, rows: IntArray, events: IntArray, channels: list[str], decide: bool
    ) -> mne.BaseEpochs:
        """Cut epochs without changing their samples."""
        as_is: dict[str, Any] = {"baseline": None, "proj": False, "verbose": False}
        if not isinstance(recording, mne.BaseEpochs):
            epochs = mne.Epochs(
                recording,
                events,
                tmin=self.tmin,
                tmax=self.tmax,
                picks="all",  # MNE applies projections again: no change if to all channels
                reject_by_annotation=decide,
                preload=True,
                **as_is,
            )
            if decide:
                crossing = across_discontinuity(epochs, recording)
                epochs.drop(crossing, reason="BAD boundary", verbose=False)
            return epochs.pick(channels, exclude=(), verbose=False) if len(epochs) else epochs
        half_step = 0.5 / recording.info["sfreq"]
        if self.tmin < recording.tmin - half_step or self.tmax > recording.tmax + half_step:
            raise ValueError(
                f"(tmin, tmax) must be within the epochs' {recording.tmin:g} to "
                f"{recording.tmax:g} s, got ({self.tmin:g}, {self.tmax:g})."
            )
        part = recording[rows].pick(channels, exclude=(), verbose=False).crop(self.tmin, self.tmax)
        return mne.EpochsArray(part.get_data(verbose=False), part.info, events, part.tmin, **as_is)

    def _preprocess(self, epochs: mne.BaseEpochs, channels: list[str]) -> None:
        """Detrend epochs in place, apply their baseline, and drop those that are bad."""
        check_finite("its data", epochs.get_data(verbose=False), channels)
        if self.detrend is not None:
            # MNE's own detrending does not name the channels that hold NaN.
            epochs.apply_function(
                remove_trend,
                picks=picked_names(epochs.info),
                channel_wise=False,
                type=("constant", "linear")[self.detrend],
                verbose=False,
            )
        epochs.apply_baseline(self.baseline, verbose=False)
        epochs.drop_bad(self.reject, verbose=False)


def _good_channels(recording: Any, types: Collection[str]) -> list[str]:
    """Return the names of the good channels of some types."""
    pairs = zip(recording.ch_names, recording.get_channel_types(), strict=True)
    return [name for name, kind in pairs if kind in types and name not in recording.info["bads"]]


def _drop_as_logged(epochs: mne.BaseEpochs, drop_log: DropLog) -> mne.BaseEpochs:
    """Drop the events that the log drops; raise an error if others are missing."""
    lost = [index for index, why in enumerate(epochs.drop_log) if why and not drop_log[index]]
    if lost:
        reasons = ", ".join(epochs.drop_log[lost[0]])
        raise ValueError(f"drop_log keeps event {lost[0]}, but it gives no trial here: {reasons}.")
    return epochs[[row for row, event in enumerate(epochs.selection) if not drop_log[event]]]


def _check_recordings(recordings: Any) -> list[tuple[Any, str, Any]]:
    """Return (subject, run, recording) of every recording."""
    if not isinstance(recordings, Mapping) or not recordings:
        raise TypeError(f"recordings must map subjects to recordings, got {recordings!r}.")
    found = []
    for subject, runs in recordings.items():
        runs = [runs] if is_mne(runs) else runs
        for run in runs if isinstance(runs, (list, tuple)) else [runs]:
            if not isinstance(run, np.ndarray):
                check_array_like(f"recordings[{subject!r}]", run)
        if not isinstance(runs, Sequence) or not runs or not all(map(is_mne, runs)):
            raise TypeError(
                f"recordings[{subject!r}] must be a Raw, an Epochs or a list of them, got {runs!r}."
            )
        found += [(subject, f"{subject}/{number}", run) for number, run in enumerate(runs)]
    names = [str(subject) for subject in recordings]
    if len(set(names)) < len(names):
        raise ValueError(f"recordings must have subjects of different names, got {names}.")
    return found


def _check_baseline(baseline: Any) -> None:
    """Raise an error if ``baseline`` is not a pair of times."""
    pair = isinstance(baseline, (tuple, list, np.ndarray)) and np.shape(baseline) == (2,)
    if not pair:
        raise TypeError(f"baseline must be None or a pair (start, stop) in s, got {baseline!r}.")
    for index, end in enumerate(baseline):
        if end is not None:
            check_number(f"baseline[{index}]", end)


def _check_drop_log(drop_log: Any, reject: Any, runs: Sequence[str]) -> None:
    """Raise an error if ``drop_log`` is of other recordings, or given with ``reject``."""
    if drop_log is None:
        return
    if reject is not None:
        raise ValueError(
            f"reject={reject!r} and drop_log must not both be given: drop_log already decides "
            "which trials are dropped."
        )
    if not isinstance(drop_log, Mapping) or set(drop_log) != set(runs):
        raise ValueError(
            f"drop_log must be that of trials of the same recordings {sorted(runs)}, "
            f"got {sorted(drop_log) if isinstance(drop_log, Mapping) else drop_log!r}."
        )


def _check_parts(labels: list[Any], parts: list[_Part]) -> None:
    """Check that labels occur and that recordings have the same times."""
    for number, label in enumerate(labels):
        lacking = [part.run for part in parts if not (part.labels == number).any()]
        if len(lacking) == len(parts):
            raise ValueError(
                f"event_id[{label!r}] gives no trial in recording(s) {', '.join(lacking)}: its "
                "events never occur, or all are dropped."
            )
        if lacking:
            warn(f"No trial of {label!r} in recording(s) {', '.join(lacking)}.")
    first = parts[0]
    for part in parts:
        if len(part.times) != len(first.times) or not np.allclose(part.times, first.times):
            raise ValueError(
                f"recording {part.run!r} has {len(part.times)} samples per trial at "
                f"{part.info['sfreq']:g} Hz, but {first.run!r} has {len(first.times)} at "
                f"{first.info['sfreq']:g} Hz; resample them to the same rate."
            )


def _join(labels: list[Any], parts: list[_Part]) -> Trials:
    """Join the trials of all recordings, with the channels that all have."""
    names = [part.info["ch_names"] for part in parts]
    shared = [name for name in names[0] if all(name in own for own in names)]
    if not shared:
        raise ValueError("recordings have no good channel in common.")
    others = sorted(set().union(*names) - set(shared))
    if others:
        warn(f"Channel(s) {', '.join(others)} are not good in all recordings, and are omitted.")
    index = [[own.index(name) for name in shared] for own in names]
    sizes = [len(part.data) for part in parts]
    return Trials(
        X=np.concatenate([part.data[:, own] for part, own in zip(parts, index, strict=True)]),
        y=np.asarray(labels)[np.concatenate([part.labels for part in parts])],
        groups=np.repeat(np.asarray([part.subject for part in parts]), sizes),
        runs=np.repeat([part.run for part in parts], sizes),
        times=parts[0].times,
        ch_names=tuple(shared),
        drop_log={part.run: part.drop_log for part in parts},
        info=mne.pick_info(parts[0].info, index[0]),
    )
