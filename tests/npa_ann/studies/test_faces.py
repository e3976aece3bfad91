"""The faces study: readers to report, and every piece that its numbers rest on."""

import argparse
import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import joblib
import mne
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from npa.datasets import read_uci_visual, simulate_faces
from npa.decoding import compare
from npa.decoding.resampling import holm
from npa.recordings.trials import Trials, collect_trials
from npa_ann.decoding import LSTMDecoder
from npa_ann.studies.cache import Cache
from npa_ann.studies.command_line import add_parsers
from npa_ann.studies.faces import STUDY, report, study
from npa_ann.studies.faces import trials as cutting
from npa_ann.studies.faces.decoders import LINEAR, LSTMS, ShrinkageLDA, make_decoders
from npa_ann.studies.faces.trials import CONDITIONS, MAIN, SWITCHES, UNCLEANED, UNREJECTED
from npa_ann.studies.frame import run_study
from npa_ann.studies.pages import fill_prose

CHANNELS = ["Fp1", "Fp2", "Fz", "Cz", "Pz", "P9", "P10", "PO7", "PO8", "Oz"]
SMALL = {"n_subjects": 3, "n_trials": 50, "n_runs": 1, "ch_names": CHANNELS, "pops": 0.1}
CUT = {"tmin": -0.3, "tmax": 1.0, "detrend": 1}
LSTM = {"LSTM, published": make_pipeline(LSTMDecoder(units=2, epochs=2, batch_size=32))}
ARGUMENTS = {
    "effects": (0.0, 3.0),
    "simulation": SMALL,
    "n_permutations": 20,
    "n_bootstraps": 50,
    "sfreq": 32.0,
}


RESULTS = Path(__file__).parents[3] / "docs" / "results" / "faces.json"


def run(out, **settings):
    """Run the study."""
    return run_study(STUDY, out, **settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder and results of a whole study."""
    out = tmp_path_factory.mktemp("faces")
    run(out, decoders=make_decoders(["LDA"], 32.0), **ARGUMENTS)
    # Tracing a network takes seconds, however small it is.
    few = ARGUMENTS | {"effects": (3.0,), "conditions": ("NPA", "raw"), "audit": ()}
    return out, run(out, decoders=LSTM, **few)


@pytest.fixture(scope="module")
def parts(finished):
    """The trials of that study, from its cache."""
    out, _ = finished
    cache = Cache(out / "cached")
    return {
        dataset.name: cutting.cut_dataset(dataset, 32.0, cache)
        for dataset in cutting.open_dataset("simulated", effects=(0.0, 3.0), simulation=SMALL)
    }


def test_results_are_complete(finished):
    out, results = finished
    assert results == json.loads((out / "results.json").read_text())
    assert {"accuracy", "audit", "versions", "command"} <= set(results)
    for dataset in ("simulated, effect 0", "simulated, effect 3"):
        found = results["accuracy"][dataset]
        assert list(found) == list(CONDITIONS)
        for condition in CONDITIONS:
            for cell in found[condition].values():
                assert {"folds", "auc", "interval", "p"} <= set(cell)
                assert [fold["fold"] for fold in cell["folds"]] == ["s0", "s1", "s2"]
                assert cell["interval"][0] <= cell["auc"] <= cell["interval"][1]
                mean = np.mean([fold["auc"] for fold in cell["folds"]])
                assert cell["auc"] == pytest.approx(mean)
        assert all((found[name]["LDA"]["p"] is not None) == (name in MAIN) for name in CONDITIONS)
    found = results["accuracy"]["simulated, effect 3"]
    assert [name for name in found if "LSTM, published" in found[name]] == ["NPA", "raw"]
    assert found["NPA"]["LSTM, published"]["p"] is None
    assert found["raw"]["LDA"]["auc"] > 0.65


def test_p_values_are_corrected_within_a_data_set(finished):
    _, results = finished
    found = results["accuracy"]["simulated, effect 3"]
    uncorrected = [found[name]["LDA"]["p_uncorrected"] for name in MAIN]
    np.testing.assert_allclose([found[name]["LDA"]["p"] for name in MAIN], holm(uncorrected))
    assert min(uncorrected) == pytest.approx(1 / 21)  # 20 permutations cannot give less


def test_differences_state_the_limit_of_few_subjects(finished):
    _, results = finished
    found = results["differences"]["simulated, effect 3"]["LDA"]
    assert len(found) == 15
    pair = found["NPA - raw"]
    cell = results["accuracy"]["simulated, effect 3"]
    assert pair["auc"] == pytest.approx(cell["NPA"]["LDA"]["auc"] - cell["raw"]["LDA"]["auc"])
    assert pair["lowest_p"] == 0.25
    assert pair["sign_flip_p"] >= pair["lowest_p"]
    assert any("cannot go below p = 0.25" in line for line in report.summarize_tests(results))


@pytest.mark.parametrize(("p", "floor"), [(1 / 81, True), (2 / 81, False)])
def test_summary_names_what_the_permutations_allow_and_what_the_amplifier_adds(p, floor):
    pair = {"auc": -0.01, "interval": [-0.03, 0.01], "lowest_p": 0.01, "n_subjects": 14}
    (line,) = report.summarize_tests(
        {
            "accuracy": {"made up": {"raw": {"LDA": {"p": p, "permutations": 80}}}},
            "differences": {"made up": {"LDA": {"NPA - raw": pair}}},
        }
    )
    assert "1 of the 1 linear cells that were tested" in line
    assert ("the least that 80 permutations allow" in line) == floor
    assert line.endswith("NPA less raw, in AUC: LDA -0.010 [-0.030, +0.010].")


@pytest.mark.parametrize(("recipe_accuracy", "named"), [(0.99, True), (0.7, False)])
def test_what_the_recipe_alone_reaches_is_no_evidence(recipe_accuracy, named):
    def cells(accuracy):
        scores = {how: {"accuracy": accuracy} for how in ("within", "across")}
        return {"simulated, effect 0": {"raw": {"LDA": scores}}, "n": {"raw": {"LDA": scores}}}

    audit = {switch: cells(0.5) for switch in SWITCHES} | {"together": cells(recipe_accuracy)}
    facts = {"simulated, effect 0": {"split_by": "groups"}, "n": {"split_by": "runs"}}
    text = report.summarize_recipe({"audit": audit, "datasets": facts})
    assert ("n (within subjects): such a score is no evidence" in text) == named
    assert "On 'n', across" not in text  # its runs are left out, not its subjects
    assert "scaled by class changes nothing" in text
    assert ("neither reproduced nor explained" in text) == (not named)


def test_what_was_not_run_says_so(finished):
    out, _ = finished
    text = (out / "results.md").read_text()
    assert "| LSTM, converged | NPA | not run |" in text
    assert "| LSTM, published | band-pass | not run |" in text
    assert text.count("| LSTM, published | NPA | not run |") == 1  # without an effect


def test_report_shows_every_table_and_figure(finished):
    out, results = finished
    text, page = ((out / name).read_text() for name in ("results.md", "report.html"))
    made = [table for make in STUDY.tables for table in np.ravel(make(results))]
    assert len(made) >= 7
    for table in made:
        assert table.title in text
        assert table.title.partition(":")[0] in page
    pictures = {path.stem for path in out.glob("*.png")}
    assert {"fits", "accuracy_simulated__effect_3", "erp_simulated__effect_3"} <= pictures
    assert "training_simulated__effect_3__LSTM__published" in pictures
    assert "maps_simulated__effect_3" in pictures


def test_a_second_run_adds_to_the_first(finished, monkeypatch):
    out, before = finished
    monkeypatch.setattr(cutting.BlinkICARemover, "fit_transform", None)  # nothing is cut again
    other = {"LDA again": make_decoders(["LDA"], 32.0)["LDA"]}
    after = run(out, decoders=other, audit=(), command="a second run", **ARGUMENTS)
    found = after["accuracy"]["simulated, effect 3"]["raw"]
    assert set(found) == {"LDA", "LSTM, published", "LDA again"}
    assert found["LDA again"]["auc"] == found["LDA"]["auc"]
    assert found["LDA"]["folds"] == before["accuracy"]["simulated, effect 3"]["raw"]["LDA"]["folds"]
    assert after["audit"] == before["audit"]
    assert after["command"].endswith("; a second run")


def test_all_conditions_hold_the_same_trials(parts):
    for own in parts.values():
        joined = cutting.join_conditions(own, CONDITIONS)
        first = joined["raw"]
        dropped = sum(bool(why) for log in first.drop_log.values() for why in log)
        assert dropped > 0
        assert len(first) == 150 - dropped
        for trials in joined.values():
            assert trials.drop_log == first.drop_log
            np.testing.assert_array_equal(trials.y, first.y)
            np.testing.assert_array_equal(trials.runs, first.runs)
            assert trials.X.shape == first.X.shape
        assert len({joblib.hash(trials.X) for trials in joined.values()}) == len(CONDITIONS)


def test_the_recipe_rejects_nothing_from_npa_and_leaves_blinks(parts):
    own = parts["simulated, effect 0"]
    names = ("NPA", UNREJECTED, "band-pass", UNCLEANED)
    kept, every, clean, blinking = cutting.join_conditions(own, names).values()
    assert len(every) == 150 > len(kept)
    front = clean.ch_names.index("Fp1")
    assert blinking.X[:, front].std() > 1.5 * clean.X[:, front].std()
    np.testing.assert_array_equal(blinking.y, clean.y)


def test_scaling_by_class_is_found_to_leak(parts, finished):
    _, results = finished
    audit = {name: found["simulated, effect 0"] for name, found in results["audit"].items()}
    assert list(audit) == list(SWITCHES)
    assert list(audit["NPA unrejected"]) == ["NPA"]
    assert list(audit["band-pass before ICA"]) == ["band-pass"]
    assert list(audit["together"]) == list(MAIN)
    honest, scaled = (audit[name]["NPA"]["LDA"]["within"] for name in ("honest", "together"))
    assert honest["auc"] < 0.65
    assert scaled["auc"] > honest["auc"] + 0.15
    assert results["noise"]["simulated, effect 0"]["leaks_within"]
    text = report.summarize_recipe(results)
    assert "without any effect" in text
    assert f"{100 * audit['honest']['raw']['LDA']['across']['accuracy']:.0f}" in text


def test_only_a_switch_that_is_on_changes_the_trials(parts):
    own = parts["simulated, effect 0"]
    honest = cutting.join_conditions(own, ["raw"])["raw"].X
    for switch in ("honest", "NPA unrejected", "band-pass before ICA"):
        np.testing.assert_array_equal(cutting.apply_switch(own, switch, "raw").X, honest)
    scaled = cutting.apply_switch(own, "scaled by class", "raw")
    for run_name in np.unique(scaled.runs):
        for label in ("face", "noise"):
            own_trials = scaled.X[(scaled.runs == run_name) & (scaled.y == label)]
            assert (own_trials.min(), own_trials.max()) == (0.0, 1.0)


def test_a_condition_that_fails_is_left_out_and_named(monkeypatch, tmp_path):
    class Refusing:
        def fit_transform(self, recording):
            out = recording.copy().load_data()
            out._data[:] = np.nan
            return out

        def __sklearn_clone__(self):
            return self

    steps = {**cutting.STEPS, "NPA per channel": Refusing()}
    monkeypatch.setattr(cutting, "STEPS", steps)
    small = SMALL | {"n_subjects": 2, "n_trials": 24}
    arguments = ARGUMENTS | {"simulation": small, "effects": (0.0,), "n_permutations": 0}
    lda = make_decoders(["LDA"], 32.0)
    results = run(tmp_path, decoders=lda, audit=(), **arguments)
    found = results["accuracy"]["simulated, effect 0"]
    assert "NPA per channel" not in found
    assert set(found) == set(CONDITIONS) - {"NPA per channel"}
    assert "NaN" in results["datasets"]["simulated, effect 0"]["failed"]["NPA per channel"]
    assert "| LDA | NPA per channel | failed |" in (tmp_path / "results.md").read_text()


def test_resampling_keeps_slow_and_drops_fast_waves():
    found, _ = simulate_faces(n_subjects=1, n_trials=4, n_runs=1, ch_names=["Cz", "Pz"])
    raw = found.recordings["s0"][0]
    waves = np.array([np.sin(2 * np.pi * freq * raw.times) for freq in (5.0, 60.0)])
    raw.apply_function(lambda data: waves, picks="eeg", channel_wise=False)
    trials = collect_trials(found.recordings, found.event_id, **CUT)
    slow = cutting.resample_trials(trials, 64.0)
    assert slow.X.shape == (4, 2, 84)
    assert slow.times[0] == trials.times[0]
    middle = slice(10, -10)  # away from the edges of the filter
    np.testing.assert_allclose(
        slow.X[:, 0, middle], trials.X[:, 0, ::4][..., middle], atol=0.02
    )  # of an amplitude of 1
    assert np.abs(slow.X[:, 1, middle]).max() < 0.02
    assert cutting.resample_trials(trials, 256.0) is trials


def test_lda_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = np.array(["a", "b", "b"] * 30)
    X = rng.normal(size=(90, 40)) @ rng.normal(size=(40, 40)) + 0.5 * (y == "a")[:, None]
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X, y)
    ours = ShrinkageLDA().fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-8)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_lda_is_an_estimator():
    check_estimator(ShrinkageLDA(), on_skip=None)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_decoders_find_an_effect_and_none_where_there_is_none(name):
    if name == "xDAWN":
        pytest.importorskip("pyriemann")
    decoder = make_decoders([name], 256.0)
    settings = {"n_subjects": 3, "n_trials": 60, "n_runs": 1, "ch_names": CHANNELS[4:]}
    scores = {}
    for effect in (0, 3):
        found, _ = simulate_faces(effect=effect, pops=0, **settings)
        trials = {"raw": collect_trials(found.recordings, found.event_id, **CUT)}
        result = compare(trials, decoder, LeaveOneGroupOut(), n_permutations=0)
        scores[effect] = result.cells["auc"][0]
        assert not result.histories
    assert scores[3] > 0.8
    assert 0.35 < scores[0] < 0.65


def test_lstms_leave_their_training_curves():
    found, _ = simulate_faces(2, 16, 1, ch_names=["P8", "Pz"], pops=0)
    trials = {"raw": collect_trials(found.recordings, found.event_id, **CUT)}
    result = compare(trials, LSTM, LeaveOneGroupOut(), n_permutations=0, n_bootstraps=2)
    assert set(result.histories) == {("raw", "LSTM, published", who) for who in ("s0", "s1")}
    assert all(len(curves["loss"]) == 2 for curves in result.histories.values())


def test_decoders_are_known_by_name():
    assert list(make_decoders(LSTMS, 64.0)) == list(LSTMS)
    with pytest.raises(ValueError, match="decoders must be one of"):
        make_decoders(["SVM"], 64.0)


@pytest.mark.parametrize("n", [2, 4, 10])
def test_sign_flips_have_a_floor(n):
    assert study._sign_flip(np.arange(1, n + 1))["sign_flip_p"] == 2 / 2**n
    assert study._sign_flip(np.tile([1, -1], n))["sign_flip_p"] == 1


def test_sign_flips_of_many_subjects_are_drawn():
    rng = np.random.default_rng(0)
    assert study._sign_flip(rng.normal(size=40))["sign_flip_p"] > 0.05
    assert study._sign_flip(rng.normal(2.0, size=40))["sign_flip_p"] < 1e-3


def test_pooled_auc_is_over_all_subjects(tmp_path):
    found, _ = simulate_faces(3, 30, 1, effect=2, ch_names=["P8", "Pz"], pops=0)
    trials = {"raw": collect_trials(found.recordings, found.event_id, **CUT)}
    lda = make_decoders(["LDA"], 256.0)["LDA"]
    found = study._decode(trials, lda, "groups", 0, 100, Cache(tmp_path))["cells"]
    result = compare(trials, {"LDA": lda}, LeaveOneGroupOut(), n_permutations=0)
    expected = roc_auc_score(
        result.predictions["label"] == "noise", result.predictions["score_noise"]
    )
    cell = found["raw"]
    assert cell["pooled_auc"] == pytest.approx(expected)
    assert cell["pooled_interval"][0] < expected < cell["pooled_interval"][1]


def test_responses_are_drawn_where_an_n170_is():
    found, truth = simulate_faces(2, 100, 1, effect=3, ch_names=CHANNELS, pops=0)
    trials = {"raw": collect_trials(found.recordings, found.event_id, **CUT)}
    own = study._mean_responses(trials)
    assert own["sites"] == {"N170": ["P9", "P10", "PO7", "PO8"], "P300": ["Pz"]}
    times = np.array(own["times"])
    n170, p300 = (np.array(own["erp"]["raw"][name]) for name in ("N170", "P300"))
    assert times[n170.argmin()] == pytest.approx(truth.latencies["N170"], abs=0.03)  # s
    assert times[p300.argmax()] == pytest.approx(truth.latencies["P300"], abs=0.08)  # s
    maps = np.array(own["maps"]["raw"]["P300"])
    assert own["ch_names"][maps.argmax()] == "Pz"
    assert list(own["positions"]) == CHANNELS


@pytest.mark.parametrize(
    ("names", "sites"),
    [
        (["A10", "B7", "A19", "C3"], {"N170": ["A10", "B7"], "P300": ["A19"]}),
        (["TP9", "AF7", "AF8", "TP10"], {"N170": ["TP9", "TP10"]}),
        (["Cz"], {}),
    ],
)
def test_sites_are_known_by_the_names_of_other_caps(names, sites):
    info = mne.create_info(names, 64.0, "eeg")
    y, groups = np.array(["face", "noise"]), np.array(["a", "a"])
    X = np.zeros((2, len(names), 10))
    trials = Trials(X, y, groups, groups, np.arange(10) / 64, tuple(names), {}, info)
    own = study._mean_responses({"raw": trials})
    assert own["sites"] == sites
    assert own["maps"] == {}


def test_a_record_forgets_what_was_found_on_other_trials():
    results = {part: {} for part in study.RESULT_PARTS}
    material = {}
    study._start(results, material, "set", {"identity": "one"})
    results["accuracy"]["set"]["raw"] = {"LDA": {"auc": 0.6}}
    results["audit"]["honest"] = {"set": {}}
    study._start(results, material, "set", {"identity": "one"})
    assert results["accuracy"]["set"]
    study._start(results, material, "set", {"identity": "two"})
    assert results["accuracy"]["set"] == {}
    assert results["audit"]["honest"] == {}


def test_missing_datasets_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NPA_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="NPA_DATA"):
        cutting.open_dataset("visual")
    for name in ("visual", "n170", "ft10", "bids"):
        with pytest.raises(FileNotFoundError):
            cutting.open_dataset(name, tmp_path)
    with pytest.raises(ValueError, match="dataset must be one of"):
        cutting.open_dataset("houses")


def test_command_line(tmp_path):
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(), "faces")
    args = parser.parse_args(["faces", "--dataset", "bids", "--events", "face=a,b", "noise=c"])
    assert (args.datasets, args.decoders, args.audit) == (["bids"], ("all",), ("LDA",))
    assert study._parse_events(args.events) == {"face": ["a", "b"], "noise": ["c"]}
    args = parser.parse_args(["faces", "--events", "face"])
    with pytest.raises(ValueError, match="--events must be two of"):
        args.job(args)
    with pytest.raises(ValueError, match="conditions must be one of"):
        run(tmp_path, conditions=["low-pass"])


def test_prose_has_every_paragraph_for_the_stored_results():
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    template = files("npa_ann.studies").joinpath(STUDY.prose).read_text(encoding="utf-8")
    prose = fill_prose(template, {"r": stored, **STUDY.facts(stored)})
    assert prose.count("\n- ") == template.count("\n- ")
    assert "Of 12 comparisons of NPA with raw by linear decoders, 0 have" in prose


@pytest.mark.parametrize("change", ["signs and order", "last bits"])
def test_xdawn_does_not_depend_on_signs_order_or_last_bits(change, monkeypatch):
    spatialfilters = pytest.importorskip("pyriemann.spatialfilters")
    found, _ = simulate_faces(3, 40, 1, effect=1, ch_names=CHANNELS[4:], pops=0)
    made = collect_trials(found.recordings, found.event_id, **CUT)
    train, test = made.groups != "s0", made.groups == "s0"
    X, calls = made.X, []

    def scores(X):
        decoder = make_decoders(["xDAWN"], 256.0)["xDAWN"]
        return decoder.fit(X[train], made.y[train]).decision_function(X[test])

    before = scores(X)
    if change == "last bits":
        X = X * (1 + 1e-12 * np.random.default_rng(0).normal(size=X.shape))
    else:
        fit = spatialfilters.Xdawn.fit

        def turned(self, X, y):
            calls.append(fit(self, X, y))
            order = np.concatenate([block[::-1] for block in np.split(np.arange(8), 2)])
            self.filters_ = self.filters_[order] * np.tile([1, -1], 4)[:, np.newaxis]
            return self

        monkeypatch.setattr(spatialfilters.Xdawn, "fit", turned)
    np.testing.assert_allclose(scores(X), before, atol=1e-3 * before.std())
    assert bool(calls) == (change == "signs and order")


def test_real_visual_data_across_subjects(data_dir, tmp_path):
    found = read_uci_visual(data_dir / "uci_visual")
    trials = collect_trials(found.recordings, found.event_id, tmin=0, tmax=255 / 256, detrend=0)
    trials = {"raw": cutting.resample_trials(trials, 64.0)}
    assert (trials["raw"].y == "S1").sum() == 140
    lda = make_decoders(["LDA"], 64.0)["LDA"]
    found = study._decode(trials, lda, "groups", 0, 50, Cache(tmp_path))["cells"]
    assert found["raw"]["pooled_auc"] >= 0.78


def test_real_recordings_that_come_as_epochs_are_cut(data_dir, tmp_path):
    dataset, *_ = cutting.open_dataset("visual", data_dir)
    subject, runs = next(iter(dataset.found.recordings.items()))
    one = dataclasses.replace(dataset.found, recordings={subject: runs})
    dataset = dataclasses.replace(dataset, found=one)
    parts = cutting.cut_dataset(dataset, 64.0, Cache(tmp_path))
    assert {len(part["trials"]["raw"]["y"]) for part in parts.values()} == {30}
