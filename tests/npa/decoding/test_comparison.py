"""Comparisons of conditions: scores, intervals, permutations, and resuming."""

import mne
import numpy as np
import pytest
from mne.decoding import LinearModel, Vectorizer
from scipy.stats import kstest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    ShuffleSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import label_binarize

from npa.decoding import compare
from npa.decoding.resampling import auc, draw_within, holm, score_rows
from npa.recordings.trials import Trials
from npa_ann.decoding import LSTMDecoder

LOGO = LeaveOneGroupOut()
LDA = make_pipeline(Vectorizer(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
BAYES = make_pipeline(Vectorizer(), GaussianNB())
QUICK = {"n_permutations": 19, "n_bootstraps": 200}


class MeanDifference(ClassifierMixin, BaseEstimator):
    """A fast linear decoder."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        one, other = (X[y == label].mean(axis=0).ravel() for label in self.classes_)
        self.coef_ = other - one
        self.middle_ = (other + one) / 2
        return self

    def decision_function(self, X):
        return (X.reshape(len(X), -1) - self.middle_) @ self.coef_

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


def trials(effect=1.0, seed=0, n_subjects=3, n_runs=2, n_trials=12, classes=("face", "noise")):
    """Noise, with an effect on one channel in every second trial."""
    rng = np.random.default_rng(seed)
    n = n_subjects * n_runs * n_trials
    y = np.resize(classes, n)
    X = rng.standard_normal((n, 2, 3))
    for number, label in enumerate(classes):
        X[y == label, number % 2] += effect * (number > 0)
    groups = np.repeat([f"s{one}" for one in range(n_subjects)], n_runs * n_trials)
    runs = np.repeat([f"s{i // n_runs}/{i % n_runs}" for i in range(n_subjects * n_runs)], n_trials)
    info = mne.create_info(["Cz", "Oz"], 10.0, "eeg")
    return Trials(X, y, groups, runs, np.arange(3) / 10, ("Cz", "Oz"), {}, info)


@pytest.mark.parametrize("classes", [("face", "noise"), ("a", "b", "c")])
def test_scores_agree_with_scikit_learn(classes):
    data = trials(classes=classes)
    result = compare({"raw": data}, {"lda": LDA}, LOGO, **QUICK)
    for fold, (train, test) in enumerate(LOGO.split(data.X, data.y, data.groups)):
        fitted = LDA.fit(data.X[train], data.y[train])
        row = result.folds.iloc[fold]
        true, predicted = data.y[test], fitted.predict(data.X[test])
        assert row["fold"] == f"s{fold}"
        assert row["n_trials"] == len(test)
        assert row["accuracy"] == pytest.approx(accuracy_score(true, predicted))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(true, predicted))
        scores = fitted.decision_function(data.X[test])
        onehot = label_binarize(true, classes=classes)
        area = roc_auc_score(onehot, scores if scores.ndim > 1 else scores[:, None])
        assert row["auc"] == pytest.approx(area)
        ours = result.predictions[result.predictions["fold"] == f"s{fold}"]
        assert ours["trial"].tolist() == test.tolist()
        assert ours["predicted"].tolist() == predicted.tolist()
        assert ours["label"].tolist() == true.tolist()
        np.testing.assert_allclose(
            ours[f"score_{classes[-1]}"], scores.reshape(len(test), -1)[:, -1]
        )
    cell = result.cells.iloc[0]
    for metric in ("accuracy", "balanced_accuracy", "auc"):
        assert cell[metric] == pytest.approx(result.folds[metric].mean())
        assert cell[f"{metric}_low"] < cell[metric] < cell[f"{metric}_high"]
    assert result.to_frame().equals(result.folds)
    assert "these subjects only" in result.scope


def test_an_effect_is_found_and_noise_is_not():
    conditions = {"effect": trials(1.5), "noise": trials(0.0)}
    result = compare(conditions, {"lda": LDA, "mean": MeanDifference()}, LOGO, n_permutations=49)
    cells = result.cells.set_index(["condition", "decoder"])
    assert cells.loc["effect", "p"].tolist() == [0.02, 0.02]
    assert cells.loc["effect", "p_holm"].tolist() == [0.08, 0.08]
    assert cells.loc["effect", "auc_low"].min() > 0.8
    assert cells.loc["noise", "p_holm"].min() > 0.05
    assert (cells.loc["noise", "auc_low"] < 0.5).all()
    differences = result.differences.set_index("decoder")
    assert differences["condition"].tolist() == ["effect"] * 2
    assert differences["minus"].tolist() == ["noise"] * 2
    row = differences.loc["lda"]
    expected = cells.loc[("effect", "lda"), "auc"] - cells.loc[("noise", "lda"), "auc"]
    assert row["auc"] == pytest.approx(expected)
    assert 0 < row["auc_low"] < row["auc"] < row["auc_high"]


def test_a_condition_does_not_differ_from_itself():
    result = compare({"a": trials(), "b": trials()}, {"lda": LDA}, LOGO, **QUICK)
    row = result.differences.iloc[0]
    assert row[["auc", "auc_low", "auc_high"]].tolist() == [0.0, 0.0, 0.0]


def test_intervals_cover_the_score_of_more_trials():
    """A fixed decoder's interval holds its true AUC in about 95 % of samples."""
    rng = np.random.default_rng(0)
    truth, hits = 0.7602, 0  # of two unit Gaussians 1 apart: Phi(1 / sqrt(2))
    for _ in range(200):
        codes = np.repeat([0, 1], 50)
        scores = rng.standard_normal(100) + codes
        both = np.column_stack([-scores, scores])
        rows = draw_within(codes, 300, rng)
        low, high = np.percentile(score_rows(both, scores > 0.5, codes, rows)[2], [2.5, 97.5])
        hits += low < truth < high
    assert 0.90 <= hits / 200 <= 0.99  # coverage


def test_null_gives_uniform_p():
    """A short version of the 200 simulations of benchmarks/decoding_controls.py."""
    settings = {"n_permutations": 39, "n_bootstraps": 1}
    p = [
        compare(
            {"null": trials(0.0, seed, n_runs=1)},
            {"mean": MeanDifference()},
            LOGO,
            random_state=seed,
            **settings,
        ).cells["p"][0]
        for seed in range(40)
    ]
    assert kstest(p, "uniform").pvalue > 0.01
    assert len(set(p)) > 15


def test_runs_are_split_within_subjects():
    data = trials()
    result = compare({"raw": data}, {"lda": LDA}, LOGO, "runs", **QUICK)
    assert result.folds["fold"].tolist() == ["s0/0", "s0/1", "s1/0", "s1/1", "s2/0", "s2/1"]
    tested = result.predictions
    assert tested["trial"].tolist() == list(range(len(data)))
    train = (data.groups == "s1") & (data.runs == "s1/1")
    fitted = LDA.fit(data.X[train], data.y[train])
    test = data.runs == "s1/0"
    expected = fitted.decision_function(data.X[test])
    np.testing.assert_allclose(tested["score_noise"][test], expected)


def test_only_linear_decoders_are_permuted():
    lstm = LSTMDecoder(units=2, optimizer="adam", learning_rate=0.05, epochs=1)
    decoders = {"lda": LDA, "bayes": BAYES, "lstm": lstm}
    result = compare({"raw": trials(n_subjects=2)}, decoders, LOGO, **QUICK)
    cells = result.cells.set_index("decoder")
    assert cells["p"].notna().tolist() == [True, False, False]
    assert cells["p_holm"]["lda"] == cells["p"]["lda"]
    assert cells[["auc", "auc_low", "auc_high"]].notna().all(axis=None)


class GroupDecoder(LinearDiscriminantAnalysis):
    """A decoder whose fit takes groups."""

    seen = ()

    def fit(self, X, y, groups=None):
        GroupDecoder.seen += (np.unique(groups).tolist(),)
        return super().fit(X.reshape(len(X), -1), y)

    def decision_function(self, X):
        return super().decision_function(X.reshape(len(X), -1))

    def predict(self, X):
        return super().predict(X.reshape(len(X), -1))


def test_groups_are_passed_to_decoders_that_take_them():
    GroupDecoder.seen = ()
    compare({"raw": trials()}, {"own": GroupDecoder()}, LOGO, n_permutations=0)
    assert GroupDecoder.seen == ([1, 2], [0, 2], [0, 1])


class Counter(GroupDecoder):
    """A decoder that counts its fits, and stops after some."""

    left = 10**6

    def fit(self, X, y):
        if not Counter.left:
            raise KeyboardInterrupt
        Counter.left -= 1
        return super().fit(X, y)


def test_an_interrupted_comparison_is_resumed(tmp_path):
    data = {"a": trials(), "b": trials(0.5)}
    arguments = (data, {"own": Counter()}, LOGO)
    settings = {"n_permutations": 50, "n_bootstraps": 50}
    Counter.left = 10**6
    whole = compare(*arguments, **settings)
    n_fits = 10**6 - Counter.left
    assert n_fits == 2 * 3 * 51
    Counter.left = 200
    with pytest.raises(KeyboardInterrupt):
        compare(*arguments, **settings, memory=str(tmp_path))
    Counter.left = 10**6
    resumed = compare(*arguments, **settings, memory=str(tmp_path))
    again = 10**6 - Counter.left
    assert n_fits - 200 <= again <= n_fits - 200 + 3 * 20  # a block of 20 is begun anew
    Counter.left = 0
    kept = compare(*arguments, **settings, memory=str(tmp_path))
    for name in ("folds", "cells", "differences", "predictions"):
        assert getattr(resumed, name).equals(getattr(whole, name))
        assert getattr(kept, name).equals(getattr(whole, name))
    Counter.left = 1
    with pytest.raises(KeyboardInterrupt):  # other data are not taken for the same
        compare({"a": trials(seed=5)}, {"own": Counter()}, LOGO, memory=str(tmp_path))


def test_progress_is_shown_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    compare({"raw": trials()}, {"lda": LDA}, LOGO, **QUICK)
    shown = capsys.readouterr().err
    assert "folds" in shown
    assert "permutations" in shown


def test_a_test_fold_without_a_class_has_no_auc():
    data = trials(n_runs=3)
    lacking = data.runs == "s2/2"
    data.y[lacking] = "noise"
    with pytest.warns(RuntimeWarning, match=r"Fold\(s\) 8 test trials that lack a class"):
        result = compare({"raw": data}, {"lda": LDA}, LOGO, "runs", **QUICK)
    folds = result.folds.set_index("fold")
    assert np.isnan(folds.loc["s2/2", "auc"])
    assert folds["accuracy"].notna().all()
    assert result.cells["auc"][0] == pytest.approx(folds["auc"].mean())


def change(**attributes):
    """Trials with other attributes."""
    data = trials()
    names = ("X", "y", "groups", "runs", "times", "ch_names", "drop_log", "info")
    return Trials(**{name: attributes.get(name, getattr(data, name)) for name in names})


HOLE = trials().X.copy()
HOLE[7, 0, 0] = np.nan
BY_SUBJECT = np.where(trials().groups == "s0", "face", "noise")
ONE_GROUP = change(groups=np.repeat("s0", len(trials())))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"conditions": trials()}, TypeError, "conditions must map names to Trials"),
        ({"conditions": {"a": HOLE}}, TypeError, r"conditions\['a'\] must be Trials, got ndarray"),
        ({"conditions": {"a": change(X=HOLE)}}, ValueError, "NaN or inf in 1 trial.*them 7"),
        (
            {"conditions": {"a": change(y=["x"] * 72)}},
            ValueError,
            r"two classes or more, got \['x'\]",
        ),
        (
            {"conditions": {"a": trials(), "b": change(runs=trials().runs[1:])}},
            ValueError,
            r"conditions\['b'\].*72 in X, 72 in y, 72 in groups, 71 in runs",
        ),
        ({"conditions": {"a": change(y=BY_SUBJECT)}}, ValueError, "Fold 0: its training.*face"),
        ({"conditions": {"a": ONE_GROUP}}, ValueError, "cannot split the 72 trials of 1 groups"),
        (
            {"conditions": {"a": trials(), "b": trials(n_trials=10)}},
            ValueError,
            "same trials, but y of 'b' and 'a' differ; pass the same drop_log",
        ),
        ({"decoders": [LDA]}, TypeError, "decoders must map names to estimators"),
        ({"decoders": {"v": Vectorizer()}}, TypeError, "neither decision_function nor predict"),
        ({"cv": "logo"}, TypeError, "cv must be a number of folds or a splitter"),
        ({"split_by": "run"}, ValueError, "split_by must be one of"),
        ({"n_permutations": -1}, ValueError, "n_permutations must be"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    settings = {"conditions": {"a": trials()}, "decoders": {"lda": LDA}, "cv": LOGO} | arguments
    with pytest.raises(error, match=message):
        compare(**settings)


def test_area_under_the_curve_and_holm():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (20, 30)) / 4  # with ties
    positive = rng.random((20, 30)) < 0.4
    expected = [roc_auc_score(p, s) for p, s in zip(positive, scores, strict=True)]
    np.testing.assert_allclose(auc(scores, positive), expected, atol=1e-12)
    assert np.isnan(auc(scores[0], np.ones(30, bool)))
    np.testing.assert_allclose(
        holm([0.01, 0.02, 0.03, np.nan]), [0.03, 0.04, 0.04, np.nan], atol=1e-12
    )


def test_bootstrap_is_stratified_by_subject_of_a_fold(monkeypatch):
    data, seen = trials(n_subjects=4), []

    def watch(strata, n_draws, rng):
        rows = draw_within(strata, n_draws, rng)
        seen.append(rows)
        return rows

    monkeypatch.setattr("npa.decoding.comparison.draw_within", watch)
    compare({"raw": data}, {"lda": LDA}, 2, n_permutations=0, n_bootstraps=20)
    assert len(seen) == 2
    who = np.char.add(data.groups, data.y)
    for (_, test), rows in zip(GroupKFold(2).split(data.X, None, data.groups), seen, strict=True):
        for draw in rows:
            assert sorted(who[test][draw]) == sorted(who[test])


@pytest.mark.parametrize("split_by", ["groups", "runs"])
def test_a_number_of_folds_does_not_split_units(split_by):
    data = trials(n_subjects=4, n_runs=4)
    result = compare({"raw": data}, {"lda": LDA}, 2, split_by, **QUICK)
    n_folds = 2 if split_by == "groups" else 8
    assert result.folds["fold"].tolist() == [str(number) for number in range(n_folds)]
    assert sorted(result.predictions["trial"]) == list(range(len(data)))
    unit = "subject" if split_by == "groups" else "run"
    assert (result.predictions.groupby(unit)["fold"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("cv", "split_by", "message"),
    [
        (KFold(5), "groups", "Fold 0 trains and tests on 's0'; cv must keep groups apart"),
        (KFold(3), "runs", "Fold 0 trains and tests on 's0/0'; cv must keep runs apart"),
        (ShuffleSplit(2, random_state=0), "groups", "Fold 0 trains and tests on 's0'"),
        (RepeatedKFold(n_splits=2), "runs", "Fold 0 trains and tests on 's0/0'"),
        (GroupShuffleSplit(5, random_state=0), "groups", r"no trial twice, but trial \d+ is"),
        (1, "groups", "cv=1 cannot split"),
        (4, "groups", "cv=4 cannot split the 72 trials of 3 groups"),
    ],
)
def test_unfair_folds_are_refused(cv, split_by, message):
    with pytest.raises(ValueError, match=message):
        compare({"raw": trials()}, {"lda": LDA}, cv, split_by, **QUICK)


def test_a_repeated_split_of_single_trials_is_refused():
    data = change(groups=np.arange(72))
    cv = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    with pytest.raises(ValueError, match="no trial twice, but trial 0 is tested 2 times"):
        compare({"raw": data}, {"lda": LDA}, cv, **QUICK)


def test_linear_models_of_mne_are_permuted():
    model = make_pipeline(Vectorizer(), LinearModel(LogisticRegression()))
    result = compare({"raw": trials()}, {"mne": model}, LOGO, **QUICK)
    assert result.cells["p"].tolist() == [0.05]
