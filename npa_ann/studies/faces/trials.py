"""The datasets of the faces study, and the same trials of them under every preprocessing."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import joblib
import mne
import numpy as np
from scipy.signal import resample_poly
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer

from npa.checks import check_option
from npa.datasets import (
    Recordings,
    find_copies,
    read_bids,
    read_face_noise,
    read_n170_muse,
    read_uci_visual,
    simulate_faces,
)
from npa.decoding import minmax_per_class
from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.estimators.blinks import BlinkICARemover
from npa.recordings.trials import Trials, collect_trials
from npa.typing import PathLike
from npa_ann.studies.cache import Cache

Signals: TypeAlias = mne.io.BaseRaw | mne.BaseEpochs
Part: TypeAlias = dict[
    str, Any
]  # the trials of one recording under all conditions, see `cut_recording`

DATASETS = ("simulated", "n170", "visual", "ft10", "bids")
EFFECTS = (0.0, 0.5, 1.0)
REJECT = {"eeg": 800e-6, "eog": 6e-3}  # V, peak to peak
MAIN = ("NPA", "band-pass", "high-pass", "raw")
CONDITIONS = (*MAIN, "NPA whitening", "NPA per channel")
PASS_BAND = (1.0, 40.0)  # Hz
# Further trials, made as the code published with the paper made them.
UNREJECTED, UNCLEANED = "NPA, nothing rejected", "band-pass before the ICA"
# The published recipe, step by step; "honest" is the reference.
SWITCHES = ("honest", "scaled by class", "NPA unrejected", "band-pass before ICA", "together")

_SCALED = ("scaled by class", "together")
_REPLACED = {
    ("NPA unrejected", "NPA"): UNREJECTED,
    ("together", "NPA"): UNREJECTED,
    ("band-pass before ICA", "band-pass"): UNCLEANED,
    ("together", "band-pass"): UNCLEANED,
}
_PUBLISHED_CUT = {"tmin": -0.3, "tmax": 1.0, "detrend": 1}
_VISUAL_CUT = {"tmin": 0.0, "tmax": 255 / 256}
_N170_SITES = ("P9", "P10", "PO7", "PO8")  # beside a cap of 32 channels
_VISUAL_LIMIT = (
    "Epochs of 1 s from the picture on: there is no time before it, filters of 1 Hz are longer "
    "than the epoch, and the spectrum that the amplifier is made from is that of the responses "
    "themselves. The pictures are objects: first (S1) against second (S2), 10 and 20 per subject."
)
_N170_LIMIT = (
    "Three subjects, four channels without EOG; the delay of the marker differs between set-ups, "
    "so that runs are left out within subjects. No claim about other people can be made."
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Recordings of the study.

    Parameters
    ----------
    name : str
        Name in the results.
    found : Recordings
        The recordings.
    cut : dict
        ``tmin``, ``tmax`` (s) and ``detrend`` of `npa.recordings.trials.collect_trials`.
    split_by : {"groups", "runs"}
        Whether decoders are tested on held-out subjects, or on held-out runs of each subject.
    limits : tuple of str
        What has to be said about any result.
    """

    name: str
    found: Recordings
    cut: dict[str, Any] = field(default_factory=lambda: dict(_PUBLISHED_CUT))
    split_by: str = "groups"
    limits: tuple[str, ...] = ()


def open_dataset(
    dataset: str,
    data: PathLike | None = None,
    *,
    effects: Iterable[float] = EFFECTS,
    simulation: Mapping[str, Any] | None = None,
    events: Mapping[str, Any] | None = None,
) -> list[Dataset]:
    """Open a dataset: one result for each effect size, and for each way of cutting the epochs.

    ``data`` is its folder, or the folder that contains it under its own name; None for that named
    by ``NPA_DATA``. ``simulation`` goes to `npa.datasets.simulate_faces`; ``events`` maps labels to
    descriptions, for ``"bids"``.

    Examples
    --------
    >>> small = {"n_subjects": 2, "n_trials": 8, "ch_names": ["P8", "Pz"]}
    >>> [each.name for each in open_dataset("simulated", effects=(0, 1), simulation=small)]
    ['simulated, effect 0', 'simulated, effect 1']
    """
    check_option("dataset", dataset, DATASETS)
    if dataset == "simulated":
        return [_simulate(effect, simulation or {}) for effect in effects]
    if dataset == "n170":
        found = read_n170_muse(_find(data, "n170_muse"))
        return [Dataset("n170", found, split_by="runs", limits=(_N170_LIMIT,))]
    if dataset == "visual":
        found = read_uci_visual(_find(data, "uci_visual"))
        return [
            Dataset(name, found, _VISUAL_CUT | {"detrend": detrend}, limits=(_VISUAL_LIMIT,))
            for name, detrend in (("visual", 0), ("visual, detrended", 1))
        ]
    if dataset == "ft10":
        return [Dataset("ft10", read_face_noise(_find(data, "ft10")))]
    found = read_bids(_find(data, "bids"), events or {"face": "face", "noise": "noise"})
    return [Dataset("bids", found)]


def _simulate(effect: float, simulation: Mapping[str, Any]) -> Dataset:
    """Simulate one effect size."""
    cap = mne.channels.make_standard_montage("biosemi32").ch_names
    settings = {"n_subjects": 4, "n_trials": 160, "ch_names": [*cap, *_N170_SITES], **simulation}
    limit = (
        f"{settings['n_subjects']} simulated subjects: the results show how the tools behave where "
        "the truth is known, not how large the effect is in people."
    )
    found, _ = simulate_faces(effect=effect, **settings)
    return Dataset(f"simulated, effect {effect:g}", found, limits=(limit,))


def _find(data: PathLike | None, name: str) -> Path:
    """Find a dataset by its name, in a folder or as the folder itself."""
    if data is None:
        found = find_copies([name])
        if found is None:
            raise FileNotFoundError(
                f"there is no dataset {name!r}: name its folder by --data, or the folder that "
                "contains it by NPA_DATA."
            )
        return Path(found) / name
    data = Path(data)
    if not data.is_dir():
        raise FileNotFoundError(f"data must be a folder, got {str(data)!r}.")
    return data / name if (data / name).is_dir() else data


def _filtered(recording: Signals, l_freq: float | None, h_freq: float | None) -> Signals:
    """Return a copy filtered as MNE does by default."""
    return recording.copy().load_data().filter(l_freq, h_freq, verbose="ERROR")


def _filter(l_freq: float | None, h_freq: float | None) -> FunctionTransformer:
    """Filter as a step of a pipeline."""
    return FunctionTransformer(_filtered, kw_args={"l_freq": l_freq, "h_freq": h_freq})


# What follows the removal of blinks, beside the published amplifier; "raw" has neither.
STEPS = {
    "band-pass": _filter(*PASS_BAND),
    "high-pass": _filter(PASS_BAND[0], None),
    "NPA whitening": NeuralPowerAmplifier(response="whitening"),
    "NPA per channel": NeuralPowerAmplifier(per_channel=True),
}


def cut_recording(
    subject: str,
    recording: Signals,
    event_id: Mapping[str, Any],
    cut: Mapping[str, Any],
    sfreq: float,
    key: str = "",
) -> Part:
    """Cut one recording into trials under every condition.

    ``trials``: condition to ``X`` (float32), ``y`` and ``drop_log``; ``times``, ``ch_names``,
    ``sfreq`` and ``positions`` (m) of all; ``r2`` of the amplifier (``"FOOOF"``: the fit of the
    spectrum, ``"filters"``: the realised gain against the ideal); ``n_dropped`` events; ``blinks``:
    what became of them; ``failed``: condition to reason; ``notes``: warnings. Which trials are
    rejected is decided once, on the raw recording, except for ``UNREJECTED``. ``key`` is a hash of
    the recording that stands for it in a cache.

    Examples
    --------
    >>> small = {"n_subjects": 1, "n_trials": 30, "n_runs": 1, "pops": 0}
    >>> found, _ = simulate_faces(**small, ch_names=["Fp1", "P8", "Pz"])
    >>> cut = {"tmin": -0.3, "tmax": 1.0, "detrend": 1}
    >>> part = cut_recording("s0", found.recordings["s0"][0], found.event_id, cut, sfreq=64.0)
    >>> [own["X"].shape for own in part["trials"].values()] == [(30, 3, 84)] * 8
    True
    """
    with warnings.catch_warnings(record=True) as caught, mne.use_log_level("ERROR"):
        warnings.simplefilter("always")
        part = _cut(subject, recording, event_id, cut, sfreq)
    return part | {"notes": list(dict.fromkeys(str(each.message) for each in caught))}


def _cut(
    subject: str,
    recording: Signals,
    event_id: Mapping[str, Any],
    cut: Mapping[str, Any],
    sfreq: float,
) -> Part:
    """Cut a recording."""

    def collect(signals: Signals, **decision: Any) -> Trials:
        made = collect_trials({subject: signals}, event_id, **cut, **decision)
        return resample_trials(made, sfreq)

    raw = collect(recording, reject={k: limit for k, limit in REJECT.items() if k in recording})
    remover, amplifier = BlinkICARemover(), NeuralPowerAmplifier()
    clean = remover.fit_transform(recording)
    amplified = amplifier.fit_transform(clean)
    decided = {"drop_log": raw.drop_log}
    wanted: dict[str, tuple[Signals, dict[str, Any]]] = {"NPA": (amplified, decided)}
    for name, step in STEPS.items():
        wanted[name] = clone(step).fit_transform(clean), decided
    wanted[UNREJECTED] = amplified, {}
    wanted[UNCLEANED] = clone(STEPS["band-pass"]).fit_transform(recording), decided
    trials, failed = {"raw": raw}, {}
    for name, (signals, decision) in wanted.items():
        try:
            trials[name] = collect(signals, **decision)
        except ValueError as error:
            # Such as an amplifier without a model of a channel, which returns NaN.
            failed[name] = str(error)
    filters, blinks = amplifier.filters_, remover.blinks_
    (log,) = raw.drop_log.values()
    return {
        "trials": {
            name: {
                # Forty hours of 128 channels are kept under eight conditions.
                "X": own.X.astype(np.float32),
                "y": own.y,
                "drop_log": next(iter(own.drop_log.values())),
            }
            for name, own in trials.items()
        },
        "subject": subject,
        "times": raw.times,
        "ch_names": raw.ch_names,
        "sfreq": float(raw.info["sfreq"]),
        "positions": channel_positions(raw.info),
        "r2": {
            "FOOOF": float(amplifier.spectrum_.r_squared),
            "filters": float(getattr(filters, "r_squared", np.nan)),
        },
        "n_dropped": sum(bool(reasons) for reasons in log),
        "blinks": "removed" if blinks.found else f"not removed: {blinks.reason}",
        "failed": failed,
    }


def channel_positions(info: mne.Info) -> dict[str, list[float]]:
    """Return the positions in m of the channels that have one.

    Examples
    --------
    >>> channel_positions(mne.create_info(["Cz"], 100.0, "eeg"))
    {}
    """
    positions = {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}
    return {
        name: position.tolist()
        for name, position in positions.items()
        if np.isfinite(position).all() and np.any(position)
    }


def resample_trials(trials: Trials, sfreq: float) -> Trials:
    """Resample trials, with an anti-aliasing filter.

    Parameters
    ----------
    trials : Trials
        The trials.
    sfreq : float
        New sampling rate in Hz; at or above the old one, nothing changes.

    Returns
    -------
    resampled : Trials
        Trials whose first sample is at the same time as before.

    Examples
    --------
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


def cut_dataset(dataset: Dataset, sfreq: float, cache: Cache) -> dict[str, Part]:
    """Cut all recordings of a dataset: ``"subject/number"`` to what `cut_recording` returns.

    Examples
    --------
    >>> small = {"n_subjects": 1, "n_trials": 60, "ch_names": ["Fp1", "P8", "Pz"]}
    >>> (dataset,) = open_dataset("simulated", effects=(1,), simulation=small)
    >>> list(cut_dataset(dataset, 64.0, Cache("cached")))
    ['s0/0', 's0/1']
    """
    cut, parts = cache.cache(cut_recording, ignore=["recording"]), {}
    for subject, recordings in dataset.found.recordings.items():
        for number, recording in enumerate(recordings):
            run = f"{subject}/{number}"
            fixed = dict(dataset.found.event_id), dataset.cut, sfreq, _hash_of(recording)
            try:
                parts[run] = cut(subject, recording, *fixed)
            except ValueError as error:
                raise ValueError(f"{dataset.name}, recording {run!r}: {error}") from error
    return parts


def _hash_of(recording: Signals) -> str:
    """Hash the data, channels and events of a recording."""
    with mne.use_log_level("ERROR"):
        loaded = recording.copy().load_data()
        data = loaded.get_data(verbose="ERROR")
    if isinstance(loaded, mne.BaseEpochs):
        events = loaded.events
    else:
        events = loaded.annotations.onset, list(map(str, loaded.annotations.description))
    return str(joblib.hash((data, loaded.ch_names, loaded.get_channel_types(), events)))


def join_condition(parts: Mapping[str, Part], condition: str) -> Trials:
    """Concatenate the trials of all recordings under one condition.

    They have the channels of all recordings; their runs are the keys of ``parts``.

    Examples
    --------
    >>> small = {"n_subjects": 1, "n_trials": 60, "ch_names": ["Fp1", "P8", "Pz"]}
    >>> (dataset,) = open_dataset("simulated", effects=(1,), simulation=small)
    >>> parts = cut_dataset(dataset, 64.0, Cache("cached"))
    >>> np.unique(join_condition(parts, "raw").runs).tolist()
    ['s0/0', 's0/1']
    """
    first = next(iter(parts.values()))
    own = {run: part["trials"][condition] for run, part in parts.items()}
    names = [n for n in first["ch_names"] if all(n in part["ch_names"] for part in parts.values())]
    rows = {run: [part["ch_names"].index(n) for n in names] for run, part in parts.items()}
    counts = [len(trials["y"]) for trials in own.values()]
    info = mne.create_info(names, first["sfreq"], "eeg")
    positions = {name: first["positions"][name] for name in names if name in first["positions"]}
    if positions:
        montage = mne.channels.make_dig_montage(positions, coord_frame="head")
        info.set_montage(montage, on_missing="ignore")
    return Trials(
        X=np.concatenate([trials["X"][:, rows[run]] for run, trials in own.items()]),
        y=np.concatenate([trials["y"] for trials in own.values()]),
        groups=np.repeat([part["subject"] for part in parts.values()], counts),
        runs=np.repeat(list(own), counts),
        times=first["times"],
        ch_names=tuple(names),
        drop_log={run: trials["drop_log"] for run, trials in own.items()},
        info=info,
    )


def join_conditions(parts: Mapping[str, Part], names: Sequence[str]) -> dict[str, Trials]:
    """Concatenate the trials under each condition that no recording failed in.

    Examples
    --------
    >>> join_conditions(parts, CONDITIONS)["raw"].X.shape  # doctest: +SKIP
    (623, 36, 84)
    """
    return {
        name: join_condition(parts, name)
        for name in names
        if all(name in part["trials"] for part in parts.values())
    }


def changes(switch: str, condition: str) -> bool:
    """Tell whether a switch changes a condition of the paper; ``"honest"`` is the reference.

    Examples
    --------
    >>> changes("NPA unrejected", "NPA"), changes("NPA unrejected", "raw")
    (True, False)
    """
    return switch in ("honest", *_SCALED) or (switch, condition) in _REPLACED


def apply_switch(parts: Mapping[str, Part], switch: str, condition: str) -> Trials:
    """Return the trials of a condition as the published code would have made them.

    ``"scaled by class"``: each class of each recording is scaled to 0..1 separately;
    ``"NPA unrejected"``: no trial of NPA is rejected; ``"band-pass before ICA"``: blinks stay in
    the band-passed trials; ``"together"``: all three.

    Examples
    --------
    >>> apply_switch(parts, "scaled by class", "raw").X.max()  # doctest: +SKIP
    1.0
    """
    trials = join_condition(parts, _REPLACED.get((switch, condition), condition))
    if switch not in _SCALED:
        return trials
    return replace(trials, X=minmax_per_class(trials.X, trials.y, trials.runs))
