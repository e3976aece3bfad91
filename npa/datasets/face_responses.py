"""Recordings of people who look at faces and at noise, with known truth."""

from dataclasses import dataclass

import mne
import numpy as np

from npa.checks import check_number
from npa.datasets.recordings import Recordings
from npa.datasets.simulate import simulate_recording

_SPACING = (1.4, 1.8)  # s from one picture to the next
_MARGIN = 2.0  # s before the first picture and after the last
_SPAN = 0.9  # s that a response lasts at most
# Peak (s), width (s, SD), height (V) and centres of the two parts of a response.
_PARTS = {
    "N170": (0.170, 0.015, -8e-6, ("P9", "PO7", "P10", "PO8")),
    "P300": (0.380, 0.060, 10e-6, ("Pz",)),
}
_REACH = 35.0  # degrees over the scalp to which a part spreads (SD of a Gaussian)
_JITTER, _VARIATION = 0.010, 0.3  # s and share of the height, SD from trial to trial
_POP = 1.2e-3  # V, height of the step of an electrode that pops
_POP_SPAN = (0.1, 0.3)  # s from the picture
# What subjects differ in, from ... to ...
_DIFFERENCES = {
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
    """What went into simulated recordings of people who look at faces.

    Parameters
    ----------
    effect : float
        Size of the response to faces.
    subjects : dict of str to dict of float
        What subjects differ in: ``alpha_freq`` (Hz), ``exponent``, ``background_amplitude``,
        ``alpha_amplitude``, ``blink_amplitude`` (V), ``blink_rate`` (per minute),
        ``response_height`` (relative) and ``response_delay`` (s).
    topographies : dict of str to array, shape (n_eeg,)
        Volts of ``"N170"`` and ``"P300"`` at their peak, for effect 1.
    latencies : dict of str to float
        Their peaks in s from the picture.
    popped : dict of str to tuple of array
        For each subject and run, during which pictures an electrode popped.
    """

    effect: float
    subjects: dict
    topographies: dict
    latencies: dict
    popped: dict


def simulate_faces(
    n_subjects=4,
    n_trials=400,
    n_runs=2,
    *,
    effect=1.0,
    pops=0.02,
    sfreq=256.0,
    ch_names=None,
    random_state=0,
):
    """Simulate EEG of people who look at faces and at noise.

    Parameters
    ----------
    n_subjects : int
        Number of subjects, ``"s0"``, ``"s1"``, ...
    n_trials : int
        Pictures each of them sees, half of them faces, in random order.
    n_runs : int
        Recordings that they are spread over.
    effect : float
        Size of the response to a face; noise gives none. 0: faces give none either.
    pops : float
        Share of the pictures during which one electrode pops: a step of 1.2 mV for 0.2 s, which a
        rejection at 800 uV finds.
    sfreq : float
        Sampling rate in Hz.
    ch_names : sequence of str | None
        EEG channels, as for `simulate_recording`; None for the 64 of ``biosemi64``.
    random_state : int
        Seed; the same one gives the same recordings. Those of two effects differ in nothing else.

    Returns
    -------
    found : Recordings
        Recordings in V with electrode positions, ``VEOG``, ``HEOG``, blinks, and the annotations
        ``"face"`` and ``"noise"``.
    truth : FacesTruth
        What went into them.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, out of bounds, or names an unknown channel.

    See Also
    --------
    simulate_recording : Makes everything but the responses.

    Notes
    -----
    A response has an N170 (-8 uV at 170 ms, between P9, PO7, P10 and PO8) and a P300 (10 uV at
    380 ms, around Pz), each Gaussian in time and over the scalp. From trial to trial the latency
    varies by 10 ms (SD) and the height by 30 %. Subjects differ in alpha frequency and amplitude,
    exponent, amplitude of the background, rate and height of blinks, and in height and latency of
    the response.

    Examples
    --------
    >>> found, truth = simulate_faces(n_subjects=2, n_trials=20, ch_names=["P8", "PO8", "Fp1"])
    >>> list(found.recordings), len(found.recordings["s0"]), found.event_id
    (['s0', 's1'], 2, {'face': 'face', 'noise': 'noise'})
    >>> truth.subjects["s0"]["alpha_freq"] != truth.subjects["s1"]["alpha_freq"]
    True
    """
    n_subjects = check_number("n_subjects", n_subjects, low=1, integer=True)
    n_runs = check_number("n_runs", n_runs, low=1, integer=True)
    n_trials = check_number("n_trials", n_trials, low=2 * n_runs, integer=True)
    effect = check_number("effect", effect, low=0)
    pops = check_number("pops", pops, low=0, high=1)
    if ch_names is None:
        ch_names = mne.channels.make_standard_montage("biosemi64").ch_names
    recordings, subjects, popped = {}, {}, {}
    for number in range(n_subjects):
        rng = np.random.default_rng([random_state, number])
        own = {name: float(rng.uniform(*ends)) for name, ends in _DIFFERENCES.items()}
        sizes = [len(part) for part in np.array_split(np.arange(n_trials), n_runs)]
        runs = [_simulate_run(own, size, effect, pops, sfreq, ch_names, rng) for size in sizes]
        name = f"s{number}"
        recordings[name], subjects[name] = [raw for raw, _ in runs], own
        popped[name] = tuple(which for _, which in runs)
    info = mne.pick_info(runs[0][0].info, mne.pick_types(runs[0][0].info, eeg=True))
    truth = FacesTruth(
        effect,
        subjects,
        {name: _topography(info, name) for name in _PARTS},
        {name: part[0] for name, part in _PARTS.items()},
        popped,
    )
    return Recordings(recordings, {"face": "face", "noise": "noise"}), truth


def _simulate_run(own, n_trials, effect, pops, sfreq, ch_names, rng):
    """Simulate one recording; also return during which pictures an electrode popped."""
    onsets = _MARGIN + np.cumsum(rng.uniform(*_SPACING, n_trials))
    labels = rng.permutation(np.arange(n_trials) % 2)  # 0: face
    heights = own["response_height"] * (1 + _VARIATION * rng.standard_normal(n_trials))
    delays = own["response_delay"] + _JITTER * rng.standard_normal(n_trials)
    popping = rng.random(n_trials) < pops
    background = {name: value for name, value in own.items() if not name.startswith("response")}
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
    for name in _PARTS:
        course = np.zeros(len(raw.times))
        for onset, height, delay in zip(
            onsets[labels == 0], heights[labels == 0], delays[labels == 0], strict=True
        ):
            _add_response(course, name, onset, delay, height, sfreq)
        added += effect * np.outer(_topography(info, name), course)
    for onset in onsets[popping]:
        start, stop = raw.time_as_index(onset + np.array(_POP_SPAN), use_rounding=True)
        added[rng.integers(len(picks)), start:stop] += _POP
    raw.apply_function(lambda data: data + added, picks=picks, channel_wise=False)
    names = np.array(["face", "noise"])[labels]
    raw.set_annotations(mne.Annotations(onsets, 0.0, names), verbose=False)
    return raw, np.flatnonzero(popping)


def _add_response(course, name, onset, delay, height, sfreq):
    """Add one part of a response to a time course, in place."""
    peak, width, *_ = _PARTS[name]
    start, stop = round(onset * sfreq), round((onset + _SPAN) * sfreq)
    lags = np.arange(start, stop) / sfreq - onset - delay - peak
    course[start:stop] += height * np.exp(-0.5 * (lags / width) ** 2)


def _topography(info, name):
    """Return volts at the peak of a part of a response, shape (n_eeg,)."""
    *_, height, centres = _PARTS[name]
    cap = mne.channels.make_standard_montage("easycap-M1").get_positions()["ch_pos"]
    origin = np.mean([cap["T7"], cap["T8"]], axis=0)
    where = _unit(np.array([cap[channel] for channel in info["ch_names"]]) - origin)
    centres = np.array([cap[centre] for centre in centres])
    # One source a side, or one in the middle.
    sides = np.sign(np.round(centres[:, 0], 3))
    sources = [_unit(centres[sides == side].mean(axis=0) - origin) for side in np.unique(sides)]
    angles = np.degrees(np.arccos(np.clip(where @ np.array(sources).T, -1, 1)))
    return height * np.exp(-0.5 * (angles / _REACH) ** 2).max(axis=1)


def _unit(vectors):
    """Scale vectors to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
