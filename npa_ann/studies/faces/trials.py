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

from npa import datasets
from npa.checks import check_option
from npa.decoding import minmax_per_class
from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.estimators.blinks import BlinkICARemover
from npa.recordings.trials import Trials, collect_trials
from npa.typing import PathLike
from npa_ann.studies.cache import Cache

Signals: TypeAlias = mne.io.BaseRaw | mne.BaseEpochs
Results: TypeAlias = dict[str, Any]
Part: TypeAlias = dict[str, Any]  # trials of one recording under all conditions, see `_cut`

DATASETS = ("simulated", "n170", "visual", "ft10", "bids")
EFFECTS = (0.0, 0.5, 1.0)
REJECT = {"eeg": 800e-6, "eog": 6e-3}  # V, peak to peak
MAIN = ("NPA", "band-pass", "high-pass", "raw")
CONDITIONS = (*MAIN, "NPA whitening", "NPA per channel")
PASS_BAND = (1.0, 40.0)  # Hz
WINDOWS = {"N170": (0.14, 0.20), "P300": (0.30, 0.46)}  # s
# Further trials, made as the code published with the paper made them.
UNREJECTED, UNCLEANED = "NPA, nothing rejected", "band-pass before the ICA"
# The published recipe, step by step: the conditions that each step changes, and of which trials
# they consist then. Some steps also scale each class of each recording to 0..1 separately.
_SAME = {condition: condition for condition in MAIN}
SWITCHES = {
    "honest": _SAME,  # the reference
    "scaled by class": _SAME,
    "NPA unrejected": {"NPA": UNREJECTED},
    "band-pass before ICA": {"band-pass": UNCLEANED},
    "together": _SAME | {"NPA": UNREJECTED, "band-pass": UNCLEANED},
}

_SCALED = ("scaled by class", "together")
_PUBLISHED_CUT = {"tmin": -0.3, "tmax": 1.0, "detrend": 1}
_VISUAL_CUT = {"tmin": 0.0, "tmax": 255 / 256}
_VISUAL_LIMIT = (
    "Epochs of 1 s from the picture on: there is no time before it, filters of 1 Hz are longer "
    "than the epoch, and the spectrum that the amplifier is made from is that of the responses "
    "themselves. The pictures are objects: first (S1) against second (S2), 10 and 20 per subject."
)
_N170_LIMIT = (
    "Three subjects, four channels without EOG; the delay of the marker differs between set-ups, "
    "so that runs are left out within subjects. No claim about other people can be made."
)


def _filter(recording: Signals, l_freq: float | None, h_freq: float | None) -> Signals:
    """Return a copy filtered as MNE does by default."""
    return recording.copy().load_data().filter(l_freq, h_freq, verbose="ERROR")


# What follows the removal of blinks, beside the published amplifier; "raw" has neither.
STEPS = {
    "band-pass": FunctionTransformer(
        _filter, kw_args={"l_freq": PASS_BAND[0], "h_freq": PASS_BAND[1]}
    ),
    "high-pass": FunctionTransformer(_filter, kw_args={"l_freq": PASS_BAND[0], "h_freq": None}),
    "NPA whitening": NeuralPowerAmplifier(response="whitening"),
    "NPA per channel": NeuralPowerAmplifier(per_channel=True),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Recordings of the study, and how trials are cut from them."""

    name: str
    found: datasets.Recordings
    cut: dict[str, Any] = field(default_factory=lambda: dict(_PUBLISHED_CUT))  # tmin, tmax in s
    split_by: str = "groups"  # subjects are held out in turn; "runs": runs of each subject
    limits: tuple[str, ...] = ()  # what has to be said about any result


def open_dataset(
    dataset: str,
    data: PathLike | None = None,
    *,
    effects: Iterable[float] = EFFECTS,
    simulation: Results | None = None,
    events: Results | None = None,
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
        found = datasets.read_n170_muse(_find(data, "n170_muse"))
        return [Dataset("n170", found, split_by="runs", limits=(_N170_LIMIT,))]
    if dataset == "visual":
        found = datasets.read_uci_visual(_find(data, "uci_visual"))
        return [
            Dataset(name, found, _VISUAL_CUT | {"detrend": detrend}, limits=(_VISUAL_LIMIT,))
            for name, detrend in (("visual", 0), ("visual, detrended", 1))
        ]
    if dataset == "ft10":
        return [Dataset("ft10", datasets.read_face_noise(_find(data, "ft10")))]
    events = events or {"face": "face", "noise": "noise"}
    return [Dataset("bids", datasets.read_bids(_find(data, "bids"), events))]


def _simulate(effect: float, simulation: Results) -> Dataset:
    """Simulate one effect size."""
    cap = mne.channels.make_standard_montage("biosemi32").ch_names
    names = [*cap, "P9", "P10", "PO7", "PO8"]
    settings = {"n_subjects": 4, "n_trials": 160, "ch_names": names, **simulation}
    limit = (
        f"{settings['n_subjects']} simulated subjects: the results show how the tools behave where "
        "the truth is known, not how large the effect is in people."
    )
    found, _ = datasets.simulate_faces(effect=effect, **settings)
    return Dataset(f"simulated, effect {effect:g}", found, limits=(limit,))


def _find(data: PathLike | None, name: str) -> Path:
    """Find a dataset by its name, in a folder or as the folder itself."""
    if data is None:
        found = datasets.find_copies([name])
        if found is None:
            raise FileNotFoundError(
                f"there is no dataset {name!r}: name its folder by --data, or the folder that "
                "contains it by NPA_DATA."
            )
        return found / name
    data = Path(data)
    if not data.is_dir():
        raise FileNotFoundError(f"data must be a folder, got {str(data)!r}.")
    return data / name if (data / name).is_dir() else data


def cut_dataset(dataset: Dataset, sfreq: float, cache: Cache) -> dict[str, Part]:
    """Cut all recordings of a dataset into trials of ``sfreq`` Hz, by ``"subject/number"``.

    Examples
    --------
    >>> small = {"n_subjects": 1, "n_trials": 60, "ch_names": ["Fp1", "P8", "Pz"]}
    >>> (dataset,) = open_dataset("simulated", effects=(1,), simulation=small)
    >>> parts = cut_dataset(dataset, 64.0, Cache("cached"))
    >>> [part["trials"]["raw"]["X"].shape[1:] for part in parts.values()]
    [(3, 84), (3, 84)]
    """
    cut, parts = cache.cache(_cut, ignore=["recording"]), {}
    for subject, recordings in dataset.found.recordings.items():
        for number, recording in enumerate(recordings):
            run = f"{subject}/{number}"
            settings = dict(dataset.found.event_id), dataset.cut, sfreq, _hash_of(recording)
            try:
                parts[run] = cut(subject, recording, *settings)
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


def _cut(
    subject: str, recording: Signals, event_id: Results, cut: Results, sfreq: float, key: str
) -> Part:
    """Cut one recording into trials under every condition.

    ``trials``: condition to ``X`` (float32), ``y`` and ``drop_log``; ``times``, ``ch_names``,
    ``sfreq`` and ``positions`` (m) of all; ``r2`` of the amplifier (``"FOOOF"``: the fit of the
    spectrum, ``"filters"``: the realised gain against the ideal); ``n_dropped`` events; ``blinks``:
    what became of them; ``failed``: condition to reason; ``notes``: warnings. Which trials are
    rejected is decided once, on the raw recording, except for ``UNREJECTED``. ``key`` is a hash of
    the recording that stands for it in a cache.
    """

    def collect(signals: Signals, **decision: Any) -> Trials:
        return resample_trials(
            collect_trials({subject: signals}, event_id, **cut, **decision), sfreq
        )

    with warnings.catch_warnings(record=True) as caught, mne.use_log_level("ERROR"):
        warnings.simplefilter("always")
        raw = collect(recording, reject={k: limit for k, limit in REJECT.items() if k in recording})
        remover, amplifier = BlinkICARemover(), NeuralPowerAmplifier()
        clean = remover.fit_transform(recording)
        made = {"NPA": amplifier.fit_transform(clean)}
        made |= {name: clone(step).fit_transform(clean) for name, step in STEPS.items()}
        made[UNREJECTED] = made["NPA"]
        made[UNCLEANED] = clone(STEPS["band-pass"]).fit_transform(recording)
        trials, failed = {"raw": raw}, {}
        for name, signals in made.items():
            decision = {} if name == UNREJECTED else {"drop_log": raw.drop_log}
            try:
                trials[name] = collect(signals, **decision)
            except ValueError as error:
                # Such as an amplifier without a model of a channel, which returns NaN.
                failed[name] = str(error)
    logs = {name: next(iter(own.drop_log.values())) for name, own in trials.items()}
    blinks = remover.blinks_
    return {
        # Forty hours of 128 channels are kept under eight conditions.
        "trials": {
            name: {"X": own.X.astype(np.float32), "y": own.y, "drop_log": logs[name]}
            for name, own in trials.items()
        },
        "subject": subject,
        "times": raw.times,
        "ch_names": raw.ch_names,
        "sfreq": float(raw.info["sfreq"]),
        "positions": channel_positions(raw.info),
        "r2": {
            "FOOOF": float(amplifier.spectrum_.r_squared),
            "filters": float(getattr(amplifier.filters_, "r_squared", np.nan)),
        },
        "n_dropped": sum(map(bool, logs["raw"])),
        "blinks": "removed" if blinks.found else f"not removed: {blinks.reason}",
        "failed": failed,
        "notes": list(dict.fromkeys(str(each.message) for each in caught)),
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
    """Resample trials to ``sfreq`` Hz, if their rate is higher, with an anti-aliasing filter.

    Examples
    --------
    >>> found, _ = datasets.simulate_faces(n_subjects=1, n_trials=8, ch_names=["P8"])
    >>> resample_trials(collect_trials(found.recordings, found.event_id), 64.0).X.shape
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


def _join(parts: Mapping[str, Part], condition: str) -> Trials:
    """Concatenate the trials of all recordings, on the channels that all have."""
    first, *others = parts.values()
    own = {run: part["trials"][condition] for run, part in parts.items()}
    names = [n for n in first["ch_names"] if all(n in part["ch_names"] for part in others)]
    rows = {run: [part["ch_names"].index(n) for n in names] for run, part in parts.items()}
    counts = [len(trials["y"]) for trials in own.values()]
    info = mne.create_info(names, first["sfreq"], "eeg")
    if positions := {n: xyz for n, xyz in first["positions"].items() if n in names}:
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
    >>> list(join_conditions(parts, MAIN))  # doctest: +SKIP
    ['NPA', 'band-pass', 'high-pass', 'raw']
    """
    there = [name for name in names if all(name in part["trials"] for part in parts.values())]
    return {name: _join(parts, name) for name in there}


def apply_switch(parts: Mapping[str, Part], switch: str, condition: str) -> Trials:
    """Return the trials of a condition as the published code would have made them.

    Examples
    --------
    >>> apply_switch(parts, "scaled by class", "raw").X.max()  # doctest: +SKIP
    1.0
    """
    trials = _join(parts, SWITCHES[switch].get(condition, condition))
    if switch not in _SCALED:
        return trials
    return replace(trials, X=minmax_per_class(trials.X, trials.y, trials.runs))
