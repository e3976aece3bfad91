"""The audit finds leaking labels, and nothing else."""

import numpy as np
import pytest
from mne.decoding import Scaler
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold

from npa.decoding import audit_scaling, minmax_per_class
from npa.decoding.audit import _ridge

N_PERMUTATIONS = 99


def trials(seed=0, n_groups=4, n_trials=40, share=0.5):
    """Return trials of noise, labels of which a share is "face", and groups."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_groups * n_trials, 6, 40))
    y = np.where(np.arange(len(X)) % 20 < 20 * share, "face", "noise")
    return X, y, np.repeat(np.arange(n_groups), n_trials)


def test_minmax_per_class_scales_each_class_of_each_group():
    X, y, groups = trials()
    scaled = minmax_per_class(X, y, groups)
    for group in np.unique(groups):
        for label in np.unique(y):
            rows = (groups == group) & (y == label)
            np.testing.assert_allclose([scaled[rows].min(), scaled[rows].max()], [0, 1])
            low, span = X[rows].min(), np.ptp(X[rows])
            np.testing.assert_allclose(scaled[rows] * span + low, X[rows], atol=1e-12)
    assert minmax_per_class(np.ones((2, 1, 3)), [0, 1], [0, 0]).tolist() == [[[0.0] * 3]] * 2


@pytest.mark.parametrize("seed", range(3))
def test_minmax_per_class_leaks_within_groups(seed):
    X, y, groups = trials(seed)
    audit = audit_scaling(X, y, groups, minmax_per_class, None, N_PERMUTATIONS, seed)
    assert audit.leaks
    assert audit.leaks_within
    assert "Within groups LABELS LEAK" in audit.verdict
    rows = audit.to_frame().set_index(["data", "scaled", "decoder", "split"])
    assert rows.loc[("noise", True, "mean and scale", "within groups"), "auc"] > 0.9
    # The given trials are noise as well, so that nothing but the scaling can tell them apart.
    assert rows.loc[("given", True, "mean and scale", "within groups"), "auc"] > 0.9
    assert 0.3 < rows.loc[("given", False, "mean and scale", "within groups"), "auc"] < 0.7


def test_a_leak_across_groups_may_differ_in_direction():
    def three_up_one_down(X, y, groups):
        sign = np.where(groups == 3, -1, 1) * np.where(y == "face", 1, -1)
        return X + 0.3 * sign[:, None, None]

    X, y, groups = trials()
    audit = audit_scaling(X, y, groups, three_up_one_down, None, N_PERMUTATIONS)
    rows = audit.to_frame().query("scaled").set_index(["data", "decoder", "split"])
    row = rows.loc[("noise", "mean and scale", "across groups")]
    assert [row["auc"], row["lowest"], row["highest"]] == pytest.approx([0.75, 0, 1], abs=0.01)
    assert audit.leaks_across
    assert "The direction differs between groups" in str(audit)


def test_unequal_classes_leak_across_groups():
    X, y, groups = trials(share=0.1)
    audit = audit_scaling(X, y, groups, minmax_per_class, None, N_PERMUTATIONS)
    rows = audit.to_frame().query("scaled").set_index(["data", "decoder", "split"])
    assert rows.loc[("noise", "mean and scale", "across groups"), "auc"] > 0.8
    assert audit.leaks_across


def audit_of_noise(seed, scaler):
    X, y, groups = trials(seed)
    X = X + np.arange(4)[groups][:, None, None]  # groups differ, which is no leak
    return audit_scaling(X, y, groups, scaler, None, N_PERMUTATIONS, seed)


@pytest.mark.parametrize("seed", range(3))
def test_scaling_in_fold_does_not_leak(seed):
    audit = audit_of_noise(seed, Scaler(scalings="mean"))
    assert not audit.leaks
    assert audit.verdict.count("no sign of a leak in 160 trials of 4 groups") == 2
    assert audit.verdict.count("no proof that there is none") == 2
    assert "LEAK:" not in audit.verdict


def test_scaling_without_labels_does_not_leak():
    def by_group(X, y, groups):
        for group in np.unique(groups):
            X[groups == group] -= X[groups == group].mean()
        return X

    assert not audit_of_noise(0, by_group).leaks


def test_a_leak_below_chance_is_found():
    def centre_each_class(X, y, groups):
        for group in np.unique(groups):
            for label in np.unique(y):
                rows = (groups == group) & (y == label)
                X[rows] -= X[rows].mean(axis=0)
        return X

    audit = audit_of_noise(0, centre_each_class)
    assert audit.leaks_within
    rows = audit.to_frame().query("scaled").set_index(["data", "decoder", "split"])
    assert rows.loc[("noise", "samples", "within groups"), "auc"] < 0.3


def test_a_transformer_is_fitted_to_training_trials_only():
    class CountingTransformer(TransformerMixin, BaseEstimator):
        fits = ()

        def fit(self, X, y):
            CountingTransformer.fits += (len(y),)
            return self

        def transform(self, X):
            return X

    X, y, groups = trials()
    audit_scaling(X, y, groups, CountingTransformer(), StratifiedKFold(4), N_PERMUTATIONS)
    # Three tests of scaled trials: 16 folds of 30 training trials, 4 of 120.
    assert sorted(CountingTransformer.fits) == [30] * 48 + [120] * 12


def test_more_than_two_classes():
    X, _, groups = trials(n_trials=60)
    y = np.arange(len(X)) % 3
    assert audit_scaling(X, y, groups, minmax_per_class, None, N_PERMUTATIONS).leaks_within
    assert not audit_scaling(X, y, groups, Scaler(scalings="mean"), None, N_PERMUTATIONS).leaks


def test_ridge_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    known, asked, targets = (rng.standard_normal(s) for s in ((20, 50), (7, 50), (20, 2)))
    centred = known - known.mean(axis=0)
    ridge = Ridge(alpha=(centred**2).sum() / 20).fit(known, targets)
    ours = _ridge(known, targets, asked)
    np.testing.assert_allclose(ours + targets.mean(axis=0), ridge.predict(asked), atol=1e-10)


@pytest.mark.parametrize(
    "value", [0.0, 1.0, 0.1]
)  # the mean of 0.1 differs from it in the last bit
def test_ridge_of_constant_trials_is_zero(value):
    targets = np.random.default_rng(0).standard_normal((7, 2))
    assert not _ridge(np.full((7, 3), value), targets, np.full((2, 3), value)).any()


def test_same_seed_same_table():
    X, y, groups = trials()
    once, again = (
        audit_scaling(X, y, groups, minmax_per_class, None, N_PERMUTATIONS).to_frame()
        for _ in range(2)
    )
    assert once.equals(again)


ONE = trials()[2].copy()
ONE[0] = 9
HOLE = trials()[0].copy()
HOLE[5, 2, 3] = np.nan


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": HOLE}, ValueError, r"NaN or inf in channel\(s\) 2"),
        ({"X": HOLE[:, 0]}, ValueError, "X must have shape"),
        ({"y": ["face"] * 160}, ValueError, r"y must hold two values or more, got \['face'\]"),
        ({"y": [1, 0]}, ValueError, "y must have one value per trial"),
        ({"groups": [1] * 160}, ValueError, r"groups must hold two values or more, got \[1\]"),
        ({"groups": ONE}, ValueError, "groups: 9 has 1 trial.* of class 'face', but needs two"),
        ({"scaler": Scaler}, TypeError, "scaler must be a function"),
        ({"scaler": "minmax"}, TypeError, "scaler must be a function"),
        ({"scaler": lambda X, y, groups: X[:5]}, ValueError, "scaler must keep the shape"),
        ({"scaler": lambda X, y, groups: X / 0}, ValueError, "What scaler returned contains NaN"),
        ({"cv": KFold(4)}, ValueError, "leaves a fold of group 0 without a class"),
        ({"cv": ShuffleSplit(3)}, ValueError, "cv must test every trial once"),
        ({"n_permutations": 19}, ValueError, "n_permutations must be a whole number >= 80"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_arguments_are_named(change, error, message):
    X, y, groups = trials()
    arguments = {"X": X, "y": y, "groups": groups, "scaler": minmax_per_class} | change
    with pytest.raises(error, match=message):
        audit_scaling(**arguments)
