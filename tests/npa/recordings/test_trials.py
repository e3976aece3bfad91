"""Trials out of recordings: which events, which channels, and rejection decided once."""

import mne
import numpy as np
import pytest
from scipy.signal import detrend
from sklearn.base import BaseEstimator, TransformerMixin

from npa.datasets import simulate_recording
from npa.recordings.trials import collect_trials

SFREQ = 100.0
ONSETS = np.arange(1.0, 21.0)  # s
CODES = np.tile([11, 12, 21, 22], 5)
EVENTS = {"face": [11, 21], "noise": [12, 22]}
EXACT = 1e-12  # V, rounding


def recording(seed=0, *, eeg=("Cz", "Pz", "Oz"), sfreq=SFREQ, stim=True):
    """Noise of 10 uV with events each second, on a trigger channel or as annotations."""
    rng = np.random.default_rng(seed)
    n_times = int(22 * sfreq)
    data = 10e-6 * rng.standard_normal((len(eeg) + 1, n_times))
    data[: len(eeg)] += np.linspace(0, 50e-6, n_times)
    names, types = [*eeg, "VEOG"], ["eeg"] * len(eeg) + ["eog"]
    if stim:
        trigger = np.zeros((1, n_times))
        trigger[0, (ONSETS * sfreq).astype(int)] = CODES
        data, names, types = np.vstack([data, trigger]), [*names, "STI"], [*types, "stim"]
    raw = mne.io.RawArray(data, mne.create_info(names, sfreq, types), verbose=False)
    if not stim:
        names = {11: "face/up", 12: "noise/up", 21: "face/down", 22: "noise/down"}
        raw.set_annotations(mne.Annotations(ONSETS, 0, [names[code] for code in CODES]))
    return raw


def expected(raw, tmin=-0.3, tmax=1.0):
    """Straight-line-free samples around the events."""
    sfreq = raw.info["sfreq"]
    data = raw.get_data(picks="eeg")
    spans = [(round((t + tmin) * sfreq), round((t + tmax) * sfreq) + 1) for t in ONSETS]
    return np.array([detrend(data[:, start:stop]) for start, stop in spans])


class Doubler(TransformerMixin, BaseEstimator):
    """Double the samples; remember every fit."""

    log = ()

    def fit(self, X, y=None):
        Doubler.log += ((id(self), y),)
        return self

    def transform(self, X):
        out = X.copy().load_data()
        return out.apply_function(lambda x: 2 * x, picks="eeg", verbose=False)


@pytest.mark.parametrize("stim", [True, False])
def test_samples_labels_subjects_and_runs(stim):
    recordings = {"ann": [recording(0, stim=stim), recording(1, stim=stim)], 7: recording(2)}
    if not stim:
        recordings[7] = recording(2, stim=False)
    events = EVENTS if stim else {"face": "face", "noise": ["noise/up", "noise/down"]}
    trials = collect_trials(recordings, events)
    assert len(trials) == 60
    raws = [*recordings["ann"], recordings[7]]
    np.testing.assert_allclose(trials.X, np.vstack([*map(expected, raws)]), atol=EXACT)
    assert trials.y.tolist() == ["face", "noise"] * 30
    assert trials.groups.tolist() == ["ann"] * 40 + ["7"] * 20
    assert np.unique(trials.runs).tolist() == ["7/0", "ann/0", "ann/1"]
    assert trials.ch_names == ("Cz", "Pz", "Oz")
    np.testing.assert_allclose(trials.times[[0, -1]], [-0.3, 1.0])
    assert {run: len(log) for run, log in trials.drop_log.items()} == {
        "ann/0": 20,
        "ann/1": 20,
        "7/0": 20,
    }


@pytest.mark.parametrize("events", [EVENTS, {"face": "face", "noise": "noise"}])
def test_epochs_give_the_same_trials_as_their_raw(events):
    raw = recording()
    names = {"face/up": 11, "noise/up": 12, "face/down": 21, "noise/down": 22}
    epochs = mne.Epochs(
        raw, mne.find_events(raw), names, -0.5, 1.2, baseline=None, picks=["eeg", "eog"]
    )
    settings = {"tmin": -0.3, "tmax": 0.9, "baseline": (None, 0), "picks": ["Oz", "Cz"]}
    ours = collect_trials({"ann": epochs}, events, **settings)
    theirs = collect_trials({"ann": raw}, EVENTS, **settings)
    np.testing.assert_allclose(ours.X, theirs.X, atol=EXACT)
    assert ours.y.tolist() == theirs.y.tolist()
    assert ours.ch_names == theirs.ch_names == ("Oz", "Cz")
    with pytest.raises(ValueError, match=r"be within the epochs' -0.5 to 1.2 s"):
        collect_trials({"ann": epochs}, events, tmax=2.0)


def test_detrending_and_baseline_are_optional():
    raw = recording()
    plain = collect_trials({"ann": raw}, EVENTS, detrend=None).X
    start = int((ONSETS[0] - 0.3) * SFREQ)
    np.testing.assert_allclose(plain[0], raw.get_data("eeg")[:, start : start + 131], atol=EXACT)
    level = collect_trials({"ann": raw}, EVENTS, detrend=0).X
    np.testing.assert_allclose(level, plain - plain.mean(-1, keepdims=True), atol=EXACT)
    based = collect_trials({"ann": raw}, EVENTS, baseline=(-0.3, 0)).X
    np.testing.assert_allclose(based[..., :31].mean(-1), 0, atol=EXACT)


def test_only_data_channels_are_detrended():
    raw = recording()
    raw[-2] = np.linspace(0, 2.2e-2, len(raw.times))  # VEOG drifts by 1 mV per s
    kept = collect_trials({"ann": raw}, EVENTS, picks=["Oz", "VEOG"])
    np.testing.assert_allclose(np.ptp(kept.X[:, 1], axis=-1), 1.3e-3, rtol=1e-3)
    np.testing.assert_allclose(kept.X[:, 0], expected(raw)[:, 2], atol=EXACT)
    raw[-2, : round((ONSETS[9] + 1) * SFREQ) + 1] = 0  # the end of the tenth trial
    calm = collect_trials({"ann": raw}, EVENTS, reject={"eog": 1e-3})
    assert len(calm) == 10


def test_held_codes_give_a_trial_each():
    raw = recording()
    raw[-1] = np.repeat(np.r_[0, np.tile([1, 2], 10), 0], SFREQ)
    trials = collect_trials({"ann": raw}, {"one": 1, "two": 2})
    assert trials.y.tolist() == ["one", "two"] * 10


def test_each_recording_gets_a_clone_that_sees_no_label():
    Doubler.log = ()
    doubler = Doubler()
    recordings = {"ann": [recording(0), recording(1)], "bob": recording(2)}
    before = [raw.get_data().tobytes() for raw in [*recordings["ann"], recordings["bob"]]]
    doubled = collect_trials(recordings, EVENTS, preprocess=doubler)
    np.testing.assert_allclose(doubled.X, 2 * collect_trials(recordings, EVENTS).X, atol=EXACT)
    assert len(Doubler.log) == 3
    assert id(doubler) not in {who for who, _ in Doubler.log}
    assert {y for _, y in Doubler.log} == {None}
    after = [raw.get_data().tobytes() for raw in [*recordings["ann"], recordings["bob"]]]
    assert before == after


def test_rejection_is_decided_once_and_handed_on():
    raw = recording()
    at = (ONSETS * SFREQ).astype(int)
    raw.load_data()
    at += 20  # where no other trial reaches
    raw._data[0, at[3]] += 1e-3  # an EEG artefact in trial 3
    raw._data[3, at[5]] += 8e-3  # a blink in trial 5
    raw.set_annotations(mne.Annotations(ONSETS[7] + 0.2, 0.1, "BAD_jump"))
    decided = collect_trials({"ann": raw}, EVENTS, reject={"eeg": 800e-6, "eog": 6e-3})
    log = decided.drop_log["ann/0"]
    assert [i for i, reasons in enumerate(log) if reasons] == [3, 5, 7]
    assert [log[i] for i in (3, 5, 7)] == [("Cz",), ("VEOG",), ("BAD_jump",)]
    kept = np.delete(np.arange(20), [3, 5, 7])
    np.testing.assert_allclose(decided.X, expected(raw)[kept], atol=EXACT)

    # Doubled samples would drop other trials; the decision is not taken anew.
    doubled = collect_trials(
        {"ann": raw}, EVENTS, preprocess=Doubler(), drop_log=decided.drop_log, picks=["Oz"]
    )
    np.testing.assert_allclose(doubled.X, 2 * decided.X[:, [2]], atol=EXACT)
    assert doubled.y.tolist() == decided.y.tolist()
    assert doubled.drop_log == decided.drop_log


def test_a_trial_at_the_edge_is_dropped_and_logged():
    trials = collect_trials({"ann": recording()}, EVENTS, tmin=-1.5)
    assert trials.drop_log["ann/0"][0] == ("NO_DATA",)
    assert len(trials) == 19
    whole = collect_trials({"ann": recording()}, EVENTS)
    with pytest.raises(ValueError, match="keeps event 0, but it gives no trial here: NO_DATA"):
        collect_trials({"ann": recording()}, EVENTS, tmin=-1.5, drop_log=whole.drop_log)


def test_unequal_channels_are_intersected_by_name():
    first, second = recording(0), recording(1, eeg=("Oz", "Fz", "Cz", "Pz"))
    second.info["bads"] = ["Pz"]
    with pytest.warns(RuntimeWarning, match="Fz, Pz are not good in all recordings"):
        trials = collect_trials({"ann": first, "bob": second}, EVENTS)
    assert trials.ch_names == ("Cz", "Oz")
    np.testing.assert_allclose(trials.X[20:], expected(second)[:, [2, 0]], atol=EXACT)
    assert trials.info["ch_names"] == ["Cz", "Oz"]
    with pytest.raises(ValueError, match="no good channel in common"):
        collect_trials({"ann": first, "bob": recording(eeg=("Fz",))}, EVENTS)
    with pytest.raises(ValueError, match=r"recording 'bob/0': picks=\['Pz'\] finds no channel"):
        collect_trials({"ann": first, "bob": recording(eeg=("Fz",))}, EVENTS, picks=["Pz"])


@pytest.mark.parametrize("kind", ["raw", "epochs", "delayed"])
def test_projections_are_those_of_all_channels(kind):
    raw = recording().set_eeg_reference(projection=True, verbose=False)
    data = raw.copy().apply_proj(verbose=False).get_data(["Oz", "Cz"])
    start = round((ONSETS[0] - 0.3) * SFREQ)
    given = raw
    if kind != "raw":
        proj = "delayed" if kind == "delayed" else False
        span = {"tmin": -0.5, "tmax": 1.2, "baseline": None, "picks": ["eeg", "eog"]}
        given = mne.Epochs(raw, mne.find_events(raw), **span, proj=proj)
    settings = {"event_id": EVENTS, "picks": ["Oz", "Cz"], "detrend": None}
    decided = collect_trials({"ann": given}, reject={"eeg": 1.0}, **settings)
    handed_on = collect_trials({"ann": given}, drop_log=decided.drop_log, **settings)
    np.testing.assert_allclose(decided.X[0], data[:, start : start + 131], atol=EXACT)
    np.testing.assert_array_equal(handed_on.X, decided.X)
    active = collect_trials({"ann": given.copy().load_data().apply_proj()}, **settings)
    np.testing.assert_array_equal(active.X, decided.X)
    assert not any(projection["active"] for projection in given.info["projs"])


def test_to_epochs_and_back():
    raw, _ = simulate_recording(duration=25, random_state=0)
    raw.set_annotations(mne.Annotations(ONSETS, 0, ["face", "noise"] * 10))
    trials = collect_trials({"ann": raw, "bob": raw}, {"noise": "noise", "face": "face"})
    epochs = trials.to_epochs()
    np.testing.assert_array_equal(epochs.get_data(), trials.X)
    np.testing.assert_allclose(epochs.times, trials.times)
    assert epochs.metadata["subject"].tolist() == trials.groups.tolist()
    assert epochs.get_montage() is not None
    again = collect_trials({"all": epochs}, {"face": "face", "noise": "noise"}, detrend=None)
    assert again.y.tolist() == trials.y.tolist()
    np.testing.assert_array_equal(again.X, trials.X)


def test_an_event_that_never_occurs_is_named():
    with pytest.raises(ValueError, match=r"event_id\['house'\] gives no trial"):
        collect_trials({"ann": recording()}, {"face": 11, "house": 31})
    with pytest.raises(ValueError, match=r"none of the events.*there are 11, 12, 21, 22"):
        collect_trials({"ann": recording()}, {"house": 31})
    with pytest.raises(ValueError, match=r"none of the events.*'face/down', 'face/up'"):
        collect_trials({"ann": recording(stim=False)}, {"house": "house"})
    with pytest.raises(ValueError, match="no trigger channel: give descriptions"):
        collect_trials({"ann": recording(stim=False)}, EVENTS)
    lacking = recording(1)
    lacking._data[-1, lacking._data[-1] == 12] = 0
    with pytest.warns(RuntimeWarning, match=r"No trial of 'noise' in recording\(s\) bob/0"):
        collect_trials({"ann": recording(), "bob": lacking}, {"face": 11, "noise": 12})


@pytest.mark.filterwarnings("ignore:.*epochs were dropped")
def test_rejecting_everything_is_an_error():
    message = r"event_id\['face'\] gives no trial in recording\(s\) ann/0.*all are dropped"
    with pytest.raises(ValueError, match=message):
        collect_trials({"ann": recording()}, EVENTS, reject={"eeg": 1e-9})
    lost = recording().set_annotations(mne.Annotations(0, 22, "BAD_all"))
    with pytest.raises(ValueError, match=message):
        collect_trials({"ann": lost}, EVENTS)


@pytest.mark.filterwarnings("ignore:.*epochs were dropped")
def test_a_recording_without_a_trial_left_is_warned_of():
    lost = recording(1).set_annotations(mne.Annotations(0, 22, "BAD_all"))
    recordings = {"ann": recording(), "bob": lost}
    with pytest.warns(RuntimeWarning, match="No trial of") as seen:
        trials = collect_trials(recordings, EVENTS)
    ours = [str(one.message) for one in seen if "No trial" in str(one.message)]
    assert ours == [f"No trial of '{name}' in recording(s) bob/0." for name in ("face", "noise")]
    np.testing.assert_allclose(trials.X, expected(recordings["ann"]), atol=EXACT)
    assert set(trials.drop_log["bob/0"]) == {("BAD_all",)}
    with pytest.warns(RuntimeWarning, match="No trial of"):
        again = collect_trials(recordings, EVENTS, drop_log=trials.drop_log)
    np.testing.assert_array_equal(again.X, trials.X)
    assert again.drop_log == trials.drop_log


def test_missing_samples_pass_only_where_their_trial_is_dropped():
    raw = nan(recording())
    raw.set_annotations(mne.Annotations(4.9, 0.2, "BAD_lost"))
    trials = collect_trials({"ann": raw}, EVENTS)
    assert len(trials) == 18
    again = collect_trials({"ann": raw}, EVENTS, drop_log=trials.drop_log)
    np.testing.assert_array_equal(again.X, trials.X)


def nan(raw):
    raw._data[1, 500] = np.nan
    return raw


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"recordings": [recording()]}, TypeError, "recordings must map subjects"),
        ({"recordings": {"ann": []}}, TypeError, r"recordings\['ann'\] must be a Raw"),
        ({"recordings": {"ann": np.zeros(3)}}, TypeError, r"recordings\['ann'\] must be a Raw"),
        (
            {"recordings": {1: recording(), "1": recording(1)}},
            ValueError,
            "recordings must have subjects of different names",
        ),
        ({"event_id": ["face"]}, TypeError, "event_id must map labels"),
        ({"event_id": {"face": 11, "noise": "12"}}, TypeError, "event_id must give each label"),
        ({"event_id": {"face": 11, "noise": [11, 12]}}, ValueError, "one event to two labels"),
        ({"tmin": 1.0, "tmax": 0.0}, ValueError, r"\(tmin, tmax\) must be a pair .* low < high"),
        ({"detrend": 2}, ValueError, "detrend must be one of"),
        ({"preprocess": "npa"}, TypeError, "preprocess must be None or a transformer"),
        ({"drop_log": {}}, ValueError, "drop_log must be that of trials of the same recordings"),
        ({"drop_log": {"ann/0": ((),)}}, ValueError, "one entry for each of the 20 events, got 1"),
        ({"drop_log": {"ann/0": ()}, "reject": {"eeg": 1}}, ValueError, "must not both be given"),
        ({"recordings": {"ann": nan(recording())}}, ValueError, "NaN or inf in channel.* Pz"),
        (
            {"recordings": {"ann": recording(), "bob": recording(sfreq=50.0)}},
            ValueError,
            "recording 'bob/0' has 66 samples per trial at 50 Hz.*resample",
        ),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {"recordings": {"ann": recording()}, "event_id": EVENTS} | change
    with pytest.raises(error, match=message):
        collect_trials(**arguments)


def test_a_transformer_that_returns_no_recording_is_refused():
    class Table(Doubler):
        def transform(self, X):
            return np.zeros((1, 3))

    with pytest.raises(TypeError, match="preprocess must return Raw or Epochs, got ndarray"):
        collect_trials({"ann": recording()}, EVENTS, preprocess=Table())


def test_faces_and_houses_of_a_real_recording(data_dir):
    files = sorted((data_dir / "n170_muse").glob("subject1_*.fif"))[:2]
    runs = [mne.io.read_raw(file, verbose="ERROR") for file in files]
    for run in runs:
        run.info["bads"] = ["Right AUX"]
    events = {"house": "N170/1", "face": "N170/2"}
    trials = collect_trials({"1": runs}, events, -0.1, 0.8, reject={"eeg": 75e-6})
    n_events = sum(len(log) for log in trials.drop_log.values())
    assert 100 < len(trials) < n_events
    assert set(trials.y) == {"face", "house"}
    assert np.ptp(trials.X, axis=-1).max() <= 75e-6


@pytest.mark.parametrize("description", ["boundary", "New Segment/", "EDGE boundary"])
def test_trials_across_a_discontinuity_are_dropped(description):
    raw = recording(stim=False)
    notes = mne.Annotations(ONSETS[[4, 9]] + [0.2, -0.4], 0, description)
    raw.set_annotations(raw.annotations + notes)
    trials = collect_trials({"ann": raw}, {"face": "face", "noise": "noise"})
    log = trials.drop_log["ann/0"]
    assert [index for index, why in enumerate(log) if why] == [4, 8]
    assert log[4] == log[8] == ("BAD boundary",)


def test_recordings_without_a_good_channel_are_named():
    raw = recording()
    raw.info["bads"] = raw.copy().pick("eeg").ch_names
    with pytest.raises(ValueError, match=r"recording 'ann/0': all of its \d data channels are"):
        collect_trials({"ann": raw}, {"face": 11}, tmin=0.0, tmax=0.5)
    with pytest.raises(ValueError, match=r"\(tmin, tmax\) must not be longer than the recording"):
        collect_trials({"ann": recording()}, {"face": 11}, tmax=1e6)
