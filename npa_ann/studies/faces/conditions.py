"""The same trials under every preprocessing, cut one recording at a time."""

import warnings
from dataclasses import dataclass, replace
from fractions import Fraction

import joblib
import mne
import numpy as np
from scipy.signal import resample_poly
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer

from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.estimators.blinks import BlinkICARemover
from npa.recordings.trials import Trials, collect_trials

REJECT = {"eeg": 800e-6, "eog": 6e-3}  # V, peak to peak
MAIN = ("NPA", "band-pass", "high-pass", "raw")
BAND = (1.0, 40.0)  # Hz, of the band-pass; the high-pass has its lower edge
# As the code published with the paper made them; see `npa_ann.studies.faces.recipe`.
UNREJECTED, UNCLEANED = "NPA, nothing rejected", "band-pass before the ICA"


def filter_signals(recording, l_freq, h_freq):
    """Band-pass a recording, as MNE does by default.

    Parameters
    ----------
    recording : mne.io.BaseRaw | mne.BaseEpochs
        The recording.
    l_freq, h_freq : float | None
        Pass band in Hz.

    Returns
    -------
    filtered : mne.io.BaseRaw | mne.BaseEpochs
        A filtered copy; channels other than EEG are as they were.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=10)
    >>> filter_signals(raw, 1.0, 40.0).info["lowpass"]
    40.0
    """
    return recording.copy().load_data().filter(l_freq, h_freq, verbose="ERROR")


def _filter(l_freq, h_freq):
    """Make a filter a step of a pipeline."""
    return FunctionTransformer(filter_signals, kw_args={"l_freq": l_freq, "h_freq": h_freq})


_BAND_PASS = _filter(*BAND)
# What follows blink removal, beside the amplifier as published; the raw condition has neither.
STEPS = {
    "band-pass": _BAND_PASS,
    "high-pass": _filter(BAND[0], None),
    "NPA whitening": NeuralPowerAmplifier(response="whitening"),
    "NPA per channel": NeuralPowerAmplifier(per_channel=True),
}
CONDITIONS = (*MAIN, "NPA whitening", "NPA per channel")


@dataclass(frozen=True, eq=False)
class CutRecording:
    """The trials of one recording under every condition.

    Parameters
    ----------
    trials : dict of str to Trials
        Condition to trials, resampled.
    r2 : dict of str to float
        Of the amplifier: ``"FOOOF"``, the fit of the spectrum, and ``"filters"``, the realised
        gain against the ideal.
    n_dropped : int
        Events that gave no trial.
    blinks : str
        What became of the blinks.
    failed : dict of str to str
        Condition to why it could not be made.
    notes : tuple of str
        Warnings on the way.
    """

    trials: dict
    r2: dict
    n_dropped: int
    blinks: str
    failed: dict
    notes: tuple


def cut_recording(subject, recording, event_id, cut, sfreq, key=None):
    """Cut one recording into trials under every condition.

    Parameters
    ----------
    subject : str
        Whose it is.
    recording : mne.io.BaseRaw | mne.BaseEpochs
        The recording.
    event_id : dict
        Label to events.
    cut : dict
        ``tmin``, ``tmax`` and ``detrend``.
    sfreq : float
        Sampling rate in Hz of the trials.
    key : str | None
        What stands for the recording where results are kept.

    Returns
    -------
    made : CutRecording
        Trials under every condition. Which are rejected is decided once, on the raw recording;
        only what `npa_ann.studies.faces.recipe` is about has others.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> small = {"n_subjects": 1, "n_trials": 30, "n_runs": 1, "pops": 0}
    >>> found, _ = simulate_faces(**small, ch_names=["Fp1", "P8", "Pz"])
    >>> raw = found.recordings["s0"][0]
    >>> cut = {"tmin": -0.3, "tmax": 1.0, "detrend": 1}
    >>> made = cut_recording("s0", raw, found.event_id, cut, sfreq=64.0)
    >>> [trials.X.shape for trials in made.trials.values()] == [(30, 3, 84)] * 8
    True
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with mne.use_log_level("ERROR"):
            return _cut(subject, recording, event_id, cut, sfreq, caught)


def _cut(subject, recording, event_id, cut, sfreq, caught):
    """Cut a recording while warnings are caught."""

    def collect(signals, **decision):
        made = collect_trials({subject: signals}, event_id, **cut, **decision)
        made = resample_trials(made, sfreq)
        # Forty hours of 128 channels are kept under eight conditions.
        return replace(made, X=made.X.astype("float32"))

    there = {kind: limit for kind, limit in REJECT.items() if kind in recording}
    raw = collect(recording, reject=there)
    remover = BlinkICARemover()
    clean = remover.fit_transform(recording)
    amplified = NeuralPowerAmplifier()
    made = {"NPA": amplified.fit_transform(clean)}
    made |= {name: clone(step).fit_transform(clean) for name, step in STEPS.items()}
    wanted = {name: (signals, {"drop_log": raw.drop_log}) for name, signals in made.items()}
    wanted[UNREJECTED] = made["NPA"], {}
    wanted[UNCLEANED] = clone(_BAND_PASS).fit_transform(recording), {"drop_log": raw.drop_log}
    trials, failed = {"raw": raw}, {}
    for name, (signals, decision) in wanted.items():
        try:
            trials[name] = collect(signals, **decision)
        except ValueError as error:
            # Such as an amplifier without a model of a channel, which returns NaN.
            failed[name] = str(error)
    filters = amplified.filters_
    dropped = [reasons for log in raw.drop_log.values() for reasons in log if reasons]
    return CutRecording(
        trials=trials,
        failed=failed,
        r2={
            "FOOOF": float(amplified.spectrum_.r_squared),
            "filters": float("nan") if filters is None else float(filters.r_squared),
        },
        n_dropped=len(dropped),
        blinks="removed" if remover.blinks_.found else f"not removed: {remover.blinks_.reason}",
        notes=tuple(dict.fromkeys(str(warning.message) for warning in caught)),
    )


def resample_trials(trials, sfreq):
    """Resample trials, with a filter against aliases.

    Parameters
    ----------
    trials : Trials
        The trials.
    sfreq : float
        New sampling rate in Hz; where it is not below the old one, nothing changes.

    Returns
    -------
    resampled : Trials
        Their first sample is at the same time as before.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> found, _ = simulate_faces(n_subjects=1, n_trials=8, ch_names=["P8"])
    >>> trials = collect_trials(found.recordings, found.event_id)
    >>> resample_trials(trials, 64.0).X.shape
    (8, 1, 84)
    """
    old = trials.info["sfreq"]
    if sfreq >= old:
        return trials
    ratio = Fraction(sfreq / old).limit_denominator(1000)
    # MNE's would stretch the trials to a whole number of samples, and so shift their end.
    X = resample_poly(trials.X, ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    info = mne.create_info(list(trials.ch_names), old * float(ratio), "eeg")
    info.set_montage(trials.info.get_montage(), on_missing="ignore")
    times = trials.times[0] + np.arange(X.shape[-1]) / info["sfreq"]
    return replace(trials, X=X, times=times, info=info)


def cut_source(source, sfreq, memory, progress=None):
    """Cut all recordings of a data set.

    Parameters
    ----------
    source : npa_ann.studies.faces.sources.Source
        The data set.
    sfreq : float
        Sampling rate in Hz of the trials.
    memory : joblib.Memory
        Where finished recordings are kept.
    progress : callable | None
        Wraps the list of recordings, as tqdm does.

    Returns
    -------
    parts : dict of str to CutRecording
        Recording, ``"subject/number"``, to its trials.

    Examples
    --------
    >>> from npa_ann.studies.faces.sources import open_sources
    >>> small = {"n_subjects": 1, "n_trials": 60, "ch_names": ["Fp1", "P8", "Pz"]}
    >>> source, = open_sources("simulated", effects=(1,), simulation=small)
    >>> list(cut_source(source, 64.0, joblib.Memory(None)))
    ['s0/0', 's0/1']
    """
    kept = memory.cache(cut_recording, ignore=["recording"])
    jobs = [
        (f"{subject}/{number}", subject, recording)
        for subject, runs in source.found.recordings.items()
        for number, recording in enumerate(runs)
    ]
    parts = {}
    for run, subject, recording in jobs if progress is None else progress(jobs):
        fixed = subject, recording, source.found.event_id, source.cut, sfreq
        try:
            parts[run] = kept(*fixed, _fingerprint(recording))
        except ValueError as error:
            raise ValueError(f"{source.name}, recording {run!r}: {error}") from error
    return parts


def _fingerprint(recording):
    """Identify a recording by what it holds."""
    with mne.use_log_level("ERROR"):
        loaded = recording.copy().load_data()
    marks = (
        loaded.events
        if isinstance(loaded, mne.BaseEpochs)
        else (
            loaded.annotations.onset,
            list(map(str, loaded.annotations.description)),
        )
    )
    kinds = loaded.get_channel_types()
    return joblib.hash((loaded.get_data(verbose="ERROR"), loaded.ch_names, kinds, marks))


def join_condition(parts, condition):
    """Put the trials of all recordings under one condition together.

    Parameters
    ----------
    parts : dict of str to CutRecording
        Recording to its trials.
    condition : str
        Which trials.

    Returns
    -------
    trials : Trials
        Their runs are the keys of ``parts``; channels are those that all recordings have.

    Examples
    --------
    >>> from npa_ann.studies.faces.sources import open_sources
    >>> small = {"n_subjects": 1, "n_trials": 60, "ch_names": ["Fp1", "P8", "Pz"]}
    >>> source, = open_sources("simulated", effects=(1,), simulation=small)
    >>> parts = cut_source(source, 64.0, joblib.Memory(None))
    >>> np.unique(join_condition(parts, "raw").runs).tolist()
    ['s0/0', 's0/1']
    """
    every = {run: part.trials[condition] for run, part in parts.items()}
    first = next(iter(every.values()))
    names = [name for name in first.ch_names if all(name in t.ch_names for t in every.values())]
    rows = [[t.ch_names.index(name) for name in names] for t in every.values()]
    return Trials(
        X=np.concatenate([t.X[:, own] for t, own in zip(every.values(), rows, strict=True)]),
        y=np.concatenate([t.y for t in every.values()]),
        groups=np.concatenate([t.groups for t in every.values()]),
        runs=np.repeat(list(every), [len(t) for t in every.values()]),
        times=first.times,
        ch_names=tuple(names),
        drop_log={run: next(iter(t.drop_log.values())) for run, t in every.items()},
        info=mne.pick_info(first.info, rows[0]),
    )
