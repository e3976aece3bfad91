"""Simulated recordings of people who look at faces and at noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mne
import numpy as np

from npa.checks import check_number
from npa.datasets.recordings import Recordings
from npa.datasets.simulate import simulate_recording
from npa.typing import FloatArray, IntArray

MAX_SUBJECTS, MAX_TRIALS = 1000, 10_000  # each has recordings of minutes, held in memory
_INTERVALS = (1.4, 1.8)  # s between pictures
_MARGIN = 2.0  # s before the first picture and after the last
_RESPONSE_DURATION = 0.9  # s, at most
# Peak (s), width (s, SD), height (V) and centres of the components of a response.
_COMPONENTS = {
    "N170": (0.170, 0.015, -8e-6, ("P9", "PO7", "P10", "PO8")),
    "P300": (0.380, 0.060, 10e-6, ("Pz",)),
}
_SPREAD = 35.0  # degrees over the scalp (SD of a Gaussian)
_LATENCY_SD, _HEIGHT_SD = 0.010, 0.3  # s and share of the height, over trials
_POP_HEIGHT = 1.2e-3  # V, step of an electrode that pops
_POP_SPAN = (0.1, 0.3)  # s after the picture
# Ranges of what differs between subjects.
_SUBJECT_RANGES = {
    "alpha_freq": (8.5, 11.5),
    "exponent": (0.8, 1.6),
    "background_amplitude": (5e-6, 9e-6),
    "alpha_amplitude": (3e-6, 9e-6),
    "blink_rate": (8.0, 20.0),
    "blink_amplitude": (100e-6, 250e-6),
    "response_height": (0.7, 1.3),
    "response_delay": (-0.010, 0.010),
}


@dataclass(frozen=True)
class FacesTruth:
    """The parameters of simulated recordings of people who look at faces.

    Parameters
    ----------
    effect : float
        Size of the response to faces.
    subjects : dict of str to dict of float
        Parameters of each subject: ``alpha_freq`` (Hz), ``exponent``, ``background_amplitude``,
        ``alpha_amplitude``, ``blink_amplitude`` (V), ``blink_rate`` (per minute),
        ``response_height`` (relative) and ``response_delay`` (s).
    topographies : dict of str to array, shape (n_eeg,)
        ``"N170"`` and ``"P300"`` at their peak in V, for effect 1.
    latencies : dict of str to float
        Times of their peaks in s after the picture.
    popped : dict of str to tuple of array
        For each subject and run, the pictures during which an electrode popped.
    """

    effect: float
    subjects: dict[str, dict[str, float]]
    topographies: dict[str, FloatArray]
    latencies: dict[str, float]
    popped: dict[str, tuple[IntArray, ...]]


def simulate_faces(
    n_subjects: int = 4,
    n_trials: int = 400,
    n_runs: int = 2,
    *,
    effect: float = 1.0,
    pops: float = 0.02,
    sfreq: float = 256.0,
    ch_names: Sequence[str] | None = None,
    random_state: int = 0,
) -> tuple[Recordings, FacesTruth]:
    """Simulate EEG of people who look at faces and at noise.

    Parameters
    ----------
    n_subjects : int
        Number of subjects, ``"s0"``, ``"s1"``, ...
    n_trials : int
        Pictures per subject, half of them faces, in random order.
    n_runs : int
        Recordings per subject.
    effect : float
        Size of the response to a face, 0 for none; noise evokes none.
    pops : float
        Share of the pictures during which one electrode pops: a step of 1.2 mV for 0.2 s, which is
        above a rejection threshold of 800 uV.
    sfreq : float
        Sampling rate in Hz.
    ch_names : sequence of str | None
        EEG channels, as for `simulate_recording`; None for the 64 of ``biosemi64``.
    random_state : int
        Seed. With the same seed, recordings of different ``effect`` differ in nothing else.

    Returns
    -------
    found : Recordings
        Recordings in V with electrode positions, ``VEOG``, ``HEOG``, blinks, and the annotations
        ``"face"`` and ``"noise"``.
    truth : FacesTruth
        The parameters of the recordings.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, out of range, or an unknown channel.

    See Also
    --------
    simulate_recording : Simulates everything but the responses.

    Notes
    -----
    A response consists of an N170 (-8 uV at 170 ms, around P9, PO7, P10 and PO8) and a P300 (10 uV
    at 380 ms, around Pz), each Gaussian in time and over the scalp. Latencies vary over trials with
    a standard deviation of 10 ms, and heights with 30 %. Subjects differ in alpha frequency and
    amplitude, exponent and amplitude of the background, rate and height of blinks, and height and
    latency of the response.

    Examples
    --------
    >>> found, truth = simulate_faces(n_subjects=2, n_trials=20, ch_names=["P8", "PO8", "Fp1"])
    >>> list(found.recordings), len(found.recordings["s0"]), found.event_id
    (['s0', 's1'], 2, {'face': 'face', 'noise': 'noise'})
    >>> truth.subjects["s0"]["alpha_freq"] != truth.subjects["s1"]["alpha_freq"]
    True
    """
    n_subjects = check_number("n_subjects", n_subjects, low=1, high=MAX_SUBJECTS, integer=True)
    n_runs = check_number("n_runs", n_runs, low=1, high=MAX_TRIALS, integer=True)
    n_trials = check_number("n_trials", n_trials, low=2 * n_runs, high=MAX_TRIALS, integer=True)
    effect = check_number("effect", effect, low=0)
    pops = check_number("pops", pops, low=0, high=1)
    random_state = check_number("random_state", random_state, low=0, integer=True)
    if ch_names is None:
        ch_names = mne.channels.make_standard_montage("biosemi64").ch_names
    recordings, subjects, popped = {}, {}, {}
    for number in range(n_subjects):
        rng = np.random.default_rng([random_state, number])
        params = {name: float(rng.uniform(*ends)) for name, ends in _SUBJECT_RANGES.items()}
        sizes = [len(part) for part in np.array_split(np.arange(n_trials), n_runs)]
        runs = [_simulate_run(params, size, effect, pops, sfreq, ch_names, rng) for size in sizes]
        name = f"s{number}"
        recordings[name], subjects[name] = [raw for raw, _ in runs], params
        popped[name] = tuple(which for _, which in runs)
    info = mne.pick_info(runs[0][0].info, mne.pick_types(runs[0][0].info, eeg=True))
    truth = FacesTruth(
        effect,
        subjects,
        {name: _topography(info, name) for name in _COMPONENTS},
        {name: component[0] for name, component in _COMPONENTS.items()},
        popped,
    )
    return Recordings(recordings, {"face": "face", "noise": "noise"}), truth


def _simulate_run(
    params: Mapping[str, float],
    n_trials: int,
    effect: float,
    pops: float,
    sfreq: float,
    ch_names: Sequence[str],
    rng: np.random.Generator,
) -> tuple[mne.io.RawArray, IntArray]:
    """Simulate one recording; also return the pictures during which an electrode popped."""
    onsets = _MARGIN + np.cumsum(rng.uniform(*_INTERVALS, n_trials))
    labels = rng.permutation(np.arange(n_trials) % 2)  # 0: face
    heights = params["response_height"] * (1 + _HEIGHT_SD * rng.standard_normal(n_trials))
    delays = params["response_delay"] + _LATENCY_SD * rng.standard_normal(n_trials)
    popping = rng.random(n_trials) < pops
    background: dict[str, Any] = {
        name: value for name, value in params.items() if not name.startswith("response")
    }
    raw, _ = simulate_recording(
        duration=onsets[-1] + _MARGIN,
        sfreq=sfreq,
        ch_names=ch_names,
        random_state=rng,
        **background,
    )
    picks = mne.pick_types(raw.info, eeg=True)
    info = mne.pick_info(raw.info, picks)
    added = np.zeros((len(picks), len(raw.times)))
    for name in _COMPONENTS:
        course = np.zeros(len(raw.times))
        for onset, height, delay in zip(
            onsets[labels == 0], heights[labels == 0], delays[labels == 0], strict=True
        ):
            _add_component(course, name, onset, delay, height, sfreq)
        added += effect * np.outer(_topography(info, name), course)
    for onset in onsets[popping]:
        start, stop = raw.time_as_index(onset + np.array(_POP_SPAN), use_rounding=True)
        added[rng.integers(len(picks)), start:stop] += _POP_HEIGHT
    raw.apply_function(lambda data: data + added, picks=picks, channel_wise=False)
    names = np.array(["face", "noise"])[labels]
    raw.set_annotations(mne.Annotations(onsets, 0.0, names), verbose=False)
    return raw, np.flatnonzero(popping)


def _add_component(
    course: FloatArray, name: str, onset: float, delay: float, height: float, sfreq: float
) -> None:
    """Add one component of a response to a time course, in place."""
    peak, width, *_ = _COMPONENTS[name]
    start, stop = round(onset * sfreq), round((onset + _RESPONSE_DURATION) * sfreq)
    lags = np.arange(start, stop) / sfreq - onset - delay - peak
    course[start:stop] += height * np.exp(-0.5 * (lags / width) ** 2)


def _topography(info: mne.Info, name: str) -> FloatArray:
    """Return the peak of a component in V, shape (n_eeg,)."""
    *_, height, names = _COMPONENTS[name]
    cap = mne.channels.make_standard_montage("easycap-M1").get_positions()["ch_pos"]
    origin = np.mean([cap["T7"], cap["T8"]], axis=0)
    where = _unit(np.array([cap[channel] for channel in info["ch_names"]]) - origin)
    centres = np.array([cap[centre] for centre in names])
    # One source per hemisphere, or one on the midline.
    sides = np.sign(np.round(centres[:, 0], 3))
    sources = [_unit(centres[sides == side].mean(axis=0) - origin) for side in np.unique(sides)]
    angles = np.degrees(np.arccos(np.clip(where @ np.array(sources).T, -1, 1)))
    return np.asarray(height * np.exp(-0.5 * (angles / _SPREAD) ** 2).max(axis=1))


def _unit(vectors: FloatArray) -> FloatArray:
    """Scale vectors to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
