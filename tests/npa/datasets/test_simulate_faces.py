"""Simulated faces evoke the stated responses, and differ in nothing else."""

import numpy as np
import pytest

from npa.datasets import simulate_faces
from npa.estimators.blinks import BlinkICARemover
from npa.recordings.trials import collect_trials

UV = 1e-6
NAMES = ["P9", "P10", "PO7", "PO8", "Pz", "Fz", "Fp1", "Fp2"]
SMALL = {"n_subjects": 2, "n_trials": 24, "ch_names": NAMES, "pops": 0.0}


def difference(effect, **settings):
    """Return faces minus noise in V, (n_channels, n_times), of the effect only."""
    found, truth = simulate_faces(effect=effect, **{**SMALL, **settings})
    bare, _ = simulate_faces(effect=0, **{**SMALL, **settings})
    one, other = (
        collect_trials(each.recordings, each.event_id, tmin=0, tmax=0.8, detrend=None)
        for each in (found, bare)
    )
    added = one.X - other.X
    return one, added, truth


def test_faces_evoke_a_response_and_noise_does_not():
    trials, added, truth = difference(2.0, n_trials=60)
    faces = trials.y == "face"
    assert np.abs(added[~faces]).max() < 1e-12  # V
    mean = added[faces].mean(axis=0) / UV
    heights = np.mean([own["response_height"] for own in truth.subjects.values()])
    for name, channels in {"N170": ["P9", "P10", "PO7", "PO8"], "P300": ["Pz"]}.items():
        expected = 2 * heights * truth.topographies[name] / UV
        window = np.abs(trials.times - truth.latencies[name]) < 0.03
        for channel in channels:
            row = trials.ch_names.index(channel)
            course = mean[row]
            peak = course[window][np.abs(course[window]).argmax()]
            # Trials and subjects differ in latency by 10 ms, which flattens the N170 of 15 ms (SD).
            low, high = sorted([0.6 * expected[row], 1.1 * expected[row]])
            assert low < peak < high, (channel, peak, expected[row])
    frontal = np.abs(mean[trials.ch_names.index("Fp1")]).max()
    assert frontal < 0.1 * np.abs(mean).max()


def test_n170_is_negative_within_its_window():
    trials, added, _ = difference(1.0)
    mean = added[trials.y == "face"].mean(axis=(0,))[trials.ch_names.index("PO8")]
    peak = trials.times[mean.argmin()]
    assert 0.14 < peak < 0.20  # s
    assert mean.min() < -2 * UV


def test_without_effect_faces_do_not_differ_from_noise():
    found, truth = simulate_faces(effect=0, **SMALL)
    again, _ = simulate_faces(effect=1, **SMALL)
    one, other = found.recordings["s1"][1], again.recordings["s1"][1]
    assert truth.effect == 0
    np.testing.assert_array_equal(one.annotations.description, other.annotations.description)
    np.testing.assert_array_equal(one.get_data("eog"), other.get_data("eog"))
    assert not np.array_equal(one.get_data("Pz"), other.get_data("Pz"))


def test_subjects_differ_as_stated():
    found, truth = simulate_faces(n_subjects=3, n_trials=50, n_runs=1, ch_names=NAMES)
    for own, (raw,) in zip(truth.subjects.values(), found.recordings.values(), strict=True):
        assert 8.5 <= own["alpha_freq"] <= 11.5
        assert 0.8 <= own["exponent"] <= 1.6
        blinks = BlinkICARemover().fit(raw).blinks_
        assert blinks.found
        expected = own["blink_rate"] * raw.times[-1] / 60
        assert len(blinks.blink_times) == pytest.approx(expected, rel=0.15)
    frequencies = [own["alpha_freq"] for own in truth.subjects.values()]
    assert len(set(frequencies)) == 3


def test_classes_runs_and_annotations():
    found, _ = simulate_faces(n_subjects=1, n_trials=22, n_runs=3, ch_names=NAMES)
    runs = found.recordings["s0"]
    assert [len(raw.annotations) for raw in runs] == [8, 7, 7]
    assert set(runs[0].annotations.description) == {"face", "noise"}
    assert np.diff(runs[0].annotations.onset).min() >= 1.4  # s: epochs do not overlap
    assert runs[0].get_channel_types()[-2:] == ["eog", "eog"]


def test_pops_occur_in_the_stated_pictures():
    found, truth = simulate_faces(
        n_subjects=1, n_trials=60, n_runs=1, pops=0.2, ch_names=NAMES, random_state=3
    )
    trials = collect_trials(found.recordings, found.event_id, reject={"eeg": 800 * UV})
    dropped = [number for number, why in enumerate(trials.drop_log["s0/0"]) if why]
    assert len(dropped) >= 5
    assert dropped == truth.popped["s0"][0].tolist()


def test_same_seed_same_recordings():
    one, other = (simulate_faces(**SMALL, random_state=5)[0].recordings["s1"][1] for _ in range(2))
    np.testing.assert_array_equal(one.get_data(), other.get_data())
    fresh = simulate_faces(**SMALL, random_state=6)[0].recordings["s1"][1]
    assert not np.array_equal(one.get_data()[:, :500], fresh.get_data()[:, :500])


@pytest.mark.parametrize(
    ("argument", "value"),
    [("n_subjects", 0), ("effect", -1), ("n_trials", 1), ("pops", 2), ("n_runs", 0)],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=argument):
        simulate_faces(**{argument: value})
