"""The LSTM decoder learns, is a scikit-learn classifier, and is reproducible."""

import pickle
import tracemalloc

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline

from npa.decoding.batches import channel_scale, stratified_batches
from npa_ann.decoding import LSTMDecoder

QUICK = {"units": 4, "optimizer": "adam", "learning_rate": 0.05, "epochs": 4}
SAME = 1e-12  # of probabilities that must be identical


def simulate(n_subjects=4, n_trials=30, n_channels=4, n_times=12, effect=1.5, seed=0):
    """Noise of 10 uV; the second half of every other trial is raised in half the channels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_subjects * n_trials, n_channels, n_times))
    y = np.tile(["face", "noise"], len(X) // 2)
    groups = np.repeat(np.arange(n_subjects), n_trials)
    bump = np.zeros((n_channels, n_times))
    bump[: n_channels // 2, n_times // 2 :] = effect
    gain = rng.uniform(0.7, 1.3, n_subjects)[groups]
    X += gain[:, None, None] * bump * (y == "face")[:, None, None]
    return 1e-5 * X, y, groups


def test_positive_control_across_subjects():
    X, y, groups = simulate()
    decoder = LSTMDecoder(**QUICK | {"epochs": 10})
    scores = cross_val_score(decoder, X, y, groups=groups, cv=LeaveOneGroupOut())
    assert scores.shape == (4,)
    assert scores.mean() > 0.9  # accuracy
    assert scores.min() > 0.8


def test_the_defaults_are_the_published_recipe():
    X, y, _ = simulate(n_subjects=2)
    decoder = LSTMDecoder().fit(X, y)
    history = decoder.history_
    assert len(history["loss"]) == 20
    # 60 steps of 0.0002 go downhill, but hardly anywhere.
    assert history["loss"][0] > history["loss"][-1] > 0.9 * history["loss"][0]
    kernel = decoder.model_.get_layer("lstm").cell.recurrent_kernel.numpy()
    assert np.linalg.norm(kernel, axis=0).max() <= 2 + 1e-5


def test_predictions_depend_on_random_state_only():
    X, y, _ = simulate(n_subjects=2)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = LSTMDecoder(**QUICK, random_state=3).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.random.seed(99)  # noqa: NPY002
    again = LSTMDecoder(**QUICK, random_state=3).fit(X, y).predict_proba(X)
    other = LSTMDecoder(**QUICK, random_state=4).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    np.testing.assert_allclose(first.sum(axis=1), 1, atol=SAME)


@pytest.mark.parametrize("labels", [[0, 1], [True, False], ["b", "a"], [2.0, 1.0], [3, 1, 2]])
def test_labels_of_any_type(labels):
    X, _, _ = simulate(n_subjects=1)
    y = np.resize(labels, len(X))
    decoder = LSTMDecoder(**QUICK | {"epochs": 1}).fit(X, y)
    assert decoder.classes_.tolist() == sorted(labels)
    assert decoder.predict_proba(X).shape == (len(X), len(labels))
    assert decoder.predict(X).dtype == y.dtype
    assert 0 <= decoder.score(X, y) <= 1


def test_clone_params_pickle_and_refit():
    X, y, _ = simulate(n_subjects=2)
    decoder = LSTMDecoder(**QUICK)
    assert decoder.get_params()["units"] == 4
    assert decoder.set_params(units=3) is decoder
    copied = clone(decoder.fit(X, y))
    assert copied.get_params() == decoder.get_params()
    assert not hasattr(copied, "model_")
    thawed = pickle.loads(pickle.dumps(decoder))
    np.testing.assert_array_equal(thawed.predict_proba(X), decoder.predict_proba(X))
    assert thawed.history_ == decoder.history_
    before = decoder.predict_proba(X)
    refitted = decoder.fit(X[:, :2], y)
    assert refitted.n_features_in_ == 2
    refitted.fit(X, y)
    np.testing.assert_array_equal(refitted.predict_proba(X), before)
    pickle.loads(pickle.dumps(LSTMDecoder()))


def test_grid_search_and_pipeline():
    X, y, groups = simulate(n_subjects=2)
    search = GridSearchCV(
        make_pipeline(LSTMDecoder(**QUICK)),
        {"lstmdecoder__learning_rate": [1e-7, 0.05]},
        cv=LeaveOneGroupOut(),
    )
    search.fit(X, y, groups=groups)
    assert search.best_params_ == {"lstmdecoder__learning_rate": 0.05}
    assert search.best_score_ > 0.9  # accuracy


class SplitRecorder(LSTMDecoder):
    """Record the groups that `fit` was given, and its split."""

    seen = ()

    def _split(self, codes, groups, seed):
        train, validation = super()._split(codes, groups, seed)
        SplitRecorder.seen += ((groups, train, validation),)
        return train, validation


STOPPING = QUICK | {"early_stopping": True, "validation_fraction": 0.34, "epochs": 2}


def test_groups_reach_only_the_splitter_without_routing():
    X, y, groups = simulate(n_subjects=2, n_trials=12)
    SplitRecorder.seen = ()
    cross_val_score(SplitRecorder(**STOPPING), X, y, groups=groups, cv=LeaveOneGroupOut())
    assert [given for given, _, _ in SplitRecorder.seen] == [None] * 2


def test_groups_reach_fit_with_routing():
    X, y, groups = simulate(n_subjects=3, n_trials=12)
    SplitRecorder.seen = ()
    with sklearn.config_context(enable_metadata_routing=True):
        decoder = SplitRecorder(**STOPPING).set_fit_request(groups=True)
        cross_val_score(decoder, X, y, params={"groups": groups}, cv=LeaveOneGroupOut())
    assert len(SplitRecorder.seen) == 3
    for given, train, validation in SplitRecorder.seen:
        assert len(np.unique(given)) == 2
        assert len(np.unique(given[validation])) == 1
        assert not set(given[train]) & set(given[validation])


def test_early_stopping_keeps_the_best_epoch():
    X, y, _ = simulate(n_subjects=2, effect=0)
    settings = QUICK | {"epochs": 40, "early_stopping": True, "patience": 3, "batch_size": 16}
    decoder = LSTMDecoder(**settings, validation_fraction=0.25).fit(X, y)
    losses = decoder.history_["val_loss"]
    assert len(losses) < 40
    assert decoder.best_epoch_ == int(np.argmin(losses)) == len(losses) - 4
    shorter = LSTMDecoder(**settings | {"epochs": decoder.best_epoch_ + 1})
    shorter.set_params(validation_fraction=0.25).fit(X, y)
    np.testing.assert_array_equal(shorter.predict_proba(X), decoder.predict_proba(X))


def test_scale_is_learned_from_training_trials_only():
    X, y, groups = simulate(n_subjects=2)
    train = groups == 0
    decoder = LSTMDecoder(**QUICK | {"epochs": 1}).fit(X[train], y[train])
    np.testing.assert_allclose(decoder.mean_, X[train].mean(axis=(0, 2)), rtol=1e-9)
    np.testing.assert_allclose(decoder.sd_, X[train].std(axis=(0, 2)), rtol=1e-9)
    before = decoder.predict_proba(X[~train][:3])
    np.testing.assert_allclose(before, decoder.predict_proba(X[~train])[:3], atol=1e-6)
    SplitRecorder.seen = ()
    stopping = SplitRecorder(**STOPPING).fit(X, y)
    _, rows, _ = SplitRecorder.seen[0]
    np.testing.assert_allclose(stopping.mean_, X[rows].mean(axis=(0, 2)), rtol=1e-9)
    raw = LSTMDecoder(**QUICK | {"epochs": 1}, scale=None).fit(X, y)
    assert (raw.mean_.tolist(), raw.sd_.tolist()) == ([0.0] * 4, [1.0] * 4)
    mean, sd = channel_scale(np.full((3, 1, 5), 0.1), np.arange(3))
    assert (mean[0], sd[0]) == (pytest.approx(0.1), 1.0)


def test_batches_are_stratified_and_shuffled():
    codes = np.repeat([0, 1, 2], [50, 30, 7])
    batches = stratified_batches(codes, 10, np.random.default_rng(0))
    drawn = [next(batches) for _ in range(87)]  # ten times all trials
    shares = np.array([np.bincount(codes[rows], minlength=3) for rows in drawn])
    assert np.abs(shares - 10 * np.bincount(codes) / 87).max() < 1 + 1e-9
    assert np.bincount(np.concatenate(drawn)).tolist() == [10] * 87
    assert any(not np.array_equal(a, b) for a, b in zip(drawn[:9], drawn[9:], strict=False))
    whole = stratified_batches(codes, 87, np.random.default_rng(0))
    assert next(whole).tolist() == list(range(87))


def test_class_weight_balances_the_batches():
    X, _, _ = simulate(n_subjects=2, effect=0)
    y = (np.arange(len(X)) % 10 == 0).astype(int)
    settings = QUICK | {"units": 2, "epochs": 15, "learning_rate": 0.02, "scale": None}
    X = X * 0  # nothing to see but how often each class comes
    plain = LSTMDecoder(**settings).fit(X, y).predict_proba(X[:1])[0, 1]
    balanced = LSTMDecoder(**settings, class_weight="balanced").fit(X, y)
    weighted = LSTMDecoder(**settings, class_weight={0: 1, 1: 9}).fit(X, y)
    assert plain < 0.3
    assert balanced.predict_proba(X[:1])[0, 1] == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(
        balanced.predict_proba(X[:1]), weighted.predict_proba(X[:1]), atol=SAME
    )


def test_memory_mapped_trials_are_read_in_blocks(tmp_path):
    shape = (3000, 16, 500)  # 96 MB of float32
    y = (np.arange(shape[0]) % 30 == 0).astype(int)
    stored = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", "float32", shape)
    rng = np.random.default_rng(0)
    for start in range(0, shape[0], 500):
        stored[start : start + 500] = rng.standard_normal((500, *shape[1:]), dtype="float32")
    stored[y == 1] += 0.5
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    decoder = LSTMDecoder(
        units=2,
        optimizer="adam",
        learning_rate=0.05,
        batch_size=32,
        steps_per_epoch=2,
        epochs=1,
        class_weight="balanced",
    )
    decoder.fit(X[:64], np.arange(64) % 2)  # so that what Keras itself keeps is there already
    tracemalloc.start()
    decoder.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # bytes
    np.testing.assert_allclose(decoder.mean_, X.mean(axis=(0, 2), dtype=float), atol=1e-9)
    np.testing.assert_allclose(decoder.sd_, X.std(axis=(0, 2), dtype=float), rtol=1e-9)


X, Y, _ = simulate(n_subjects=1, n_trials=10)
HOLE = X.copy()
HOLE[[2, 7], 0, 0] = np.nan


@pytest.mark.parametrize(
    ("parameters", "X", "y", "groups", "message"),
    [
        ({}, HOLE, Y, None, r"NaN or inf in 2 trial\(s\): 2, 7"),
        ({}, X, ["face"] * 10, None, r"two classes or more, got \['face'\]"),
        ({}, X[:, 0], Y, None, r"shape \(n_trials, n_channels, n_times\)"),
        ({}, X.astype(str), Y, None, "X must be numbers"),
        ({}, X, Y[:5], None, "inconsistent numbers of samples"),
        ({}, X, np.linspace(0, 1, 10), None, "continuous"),
        (
            {"early_stopping": True},
            X,
            Y,
            np.zeros(10),
            "No validation set can be held out.*more gr",
        ),
        ({"early_stopping": True}, X, Y, np.zeros(9), "inconsistent numbers of samples"),
        ({"early_stopping": True}, X, Y, Y == "face", "has no trials of class"),
        (
            {"early_stopping": True},
            X[:3],
            Y[:3],
            None,
            "No validation set can be held.*more trials",
        ),
        ({"optimizer": "sdg"}, X, Y, None, "optimizer must be the name.*'sdg'"),
        ({"units": 0}, X, Y, None, "units must be"),
        ({"learning_rate": 0}, X, Y, None, "learning_rate must be"),
        ({"batch_size": 0}, X, Y, None, "batch_size must be"),
        ({"steps_per_epoch": 0}, X, Y, None, "steps_per_epoch must be"),
        ({"epochs": 0}, X, Y, None, "epochs must be"),
        ({"validation_fraction": 1.0}, X, Y, None, "validation_fraction must be"),
        ({"patience": 0}, X, Y, None, "patience must be"),
        ({"scale": "trial"}, X, Y, None, "scale must be one of"),
        ({"class_weight": {"face": 0, "noise": 0}}, X, Y, None, "class_weight must.*'noise': 0}"),
        ({"class_weight": {"face": -1, "noise": 1}}, X, Y, None, "class_weight must.*-1"),
        ({"class_weight": {"face": np.nan, "noise": 1}}, X, Y, None, "class_weight must.*nan"),
        ({"early_stopping": "yes"}, X, Y, None, "early_stopping must be one of"),
    ],
)
def test_bad_input_is_named(parameters, X, y, groups, message):
    with pytest.raises(ValueError, match=message):
        LSTMDecoder(**parameters).fit(X, y, groups)


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("epochs", [1, 5])
def test_divergence_is_an_error(early_stopping, epochs):
    X, y, _ = simulate(n_subjects=2)
    decoder = LSTMDecoder(units=2, learning_rate=1e39, epochs=epochs, steps_per_epoch=1)
    decoder.set_params(early_stopping=early_stopping)
    with pytest.raises(ValueError, match=r"diverged.*lower learning_rate=1e\+39"):
        decoder.fit(X, y)


def test_the_best_epoch_is_the_last_without_early_stopping():
    assert LSTMDecoder(**QUICK).fit(X, Y).best_epoch_ == 3


def test_other_shapes_at_predict_are_named():
    decoder = LSTMDecoder(**QUICK | {"epochs": 1}).fit(X, Y)
    with pytest.raises(ValueError, match="X has 3 features, but LSTMDecoder is expecting 4"):
        decoder.predict(X[:, :3])
    with pytest.raises(ValueError, match="X has 11 samples per trial, but had 12 at fit"):
        decoder.predict(X[..., :-1])
    with pytest.raises(ValueError, match="NaN or inf"):
        decoder.predict(HOLE)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        LSTMDecoder().predict(X)
