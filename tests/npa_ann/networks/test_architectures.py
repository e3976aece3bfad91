"""The networks have the published sizes; weights are saved, loaded and checked."""

import keras
import numpy as np
import pytest

from npa_ann.networks import (
    eeg_lstm,
    load_weights,
    plain_cnn,
    pretrained,
    resnet,
    save_weights,
    sentiment_lstm,
)
from npa_ann.networks.cards import write_card


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66)])
def test_residual_networks_have_the_published_size(depth, millions):
    model = resnet(depth)
    assert trainable(model) / 1e6 == pytest.approx(millions, abs=0.01)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) + 1 == depth
    assert [layer.name for layer in convolutions] == [f"conv_{k}" for k in range(1, depth)]


def test_shortcuts_keep_every_other_pixel():
    # With zero weights in all branches, the output is the first convolution, subsampled.
    model = resnet(8, normalization=False)
    for layer in model.layers:
        if layer.name in [f"conv_{k}" for k in range(2, 8)]:
            layer.set_weights([0 * weight for weight in layer.get_weights()])
    x = np.random.default_rng(0).uniform(size=(2, 32, 32, 3))
    first, last = keras.Model(
        model.inputs, [model.get_layer("relu_1").output, model.get_layer("relu_7").output]
    ).predict(x, verbose=0)
    np.testing.assert_array_equal(last[..., 24:40], first[:, ::4, ::4])
    assert not last[..., :24].any()
    assert not last[..., 40:].any()


def test_input_normalisation_is_inside():
    x = np.full((1, 32, 32, 3), [0.4914, 0.4822, 0.4465])
    for model in (resnet(8), plain_cnn()):
        inside = keras.Model(model.inputs, model.get_layer("standardize").output)
        np.testing.assert_allclose(inside.predict(x, verbose=0), 0, atol=1e-6)
        white = inside.predict(np.ones((1, 32, 32, 3)), verbose=0)[0, 0, 0]
        np.testing.assert_allclose(white, (1 - x[0, 0, 0]) / [0.2470, 0.2435, 0.2616], rtol=1e-5)


@pytest.mark.parametrize("normalization", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh", "linear"])
def test_activations_are_named_and_signals_stay_in_range(activation, normalization):
    x = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
    model = resnet(32, activation=activation, normalization=normalization)
    deep = keras.Model(model.input, model.get_layer(f"{activation}_31").output)
    spread = np.asarray(deep(x, training=True)).std()
    assert 1e-3 < spread < 1e3
    has_norm = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    assert has_norm == normalization


def test_sentiment_lstm_has_the_settings_of_the_study():
    model = sentiment_lstm()
    assert [layer.name for layer in model.layers] == ["embedding", "lstm", "output"]
    lstm = model.get_layer("lstm")
    assert (lstm.units, lstm.dropout) == (60, 0.1)
    assert float(lstm.kernel_regularizer.l2) == pytest.approx(0.001)
    tokens = np.random.default_rng(0).integers(0, 4002, (3, 17))
    out = model.predict(tokens, verbose=0)
    assert out.shape == (3, 1)
    assert ((out > 0) & (out < 1)).all()


def test_eeg_lstm_limits_the_norm_of_its_recurrent_kernel():
    model = eeg_lstm(n_channels=5, n_times=20, units=4, classes=3, recurrent_max_norm=0.5)
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 20, 5)), rng.integers(0, 3, 8), verbose=0)
    kernel = model.get_layer("lstm").cell.recurrent_kernel.numpy()
    assert np.linalg.norm(kernel, axis=0).max() <= 0.5 + 1e-5
    assert model.predict(rng.normal(size=(2, 20, 5)), verbose=0).sum(axis=1) == pytest.approx(1)
    assert eeg_lstm(5, 20, recurrent_max_norm=None).get_layer("lstm").recurrent_constraint is None


def test_saved_weights_load(tmp_path):
    x = np.random.default_rng(0).uniform(size=(2, 32, 32, 3))
    model = resnet(8)
    path = save_weights(model, tmp_path / "resnet.npz")
    with np.load(path, allow_pickle=False) as archive:
        assert {archive[name].dtype for name in archive.files} == {np.dtype("float32")}
        assert "norm_3/moving_variance" in archive.files
    again = load_weights(resnet(8), path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert [file.name for file in tmp_path.iterdir()] == ["resnet.npz"]


def test_weights_do_not_depend_on_the_name_of_the_model(tmp_path):
    def build(name):
        stack = [keras.Input((3,)), keras.layers.Dense(2, name="out")]
        return keras.Sequential(stack, name=name)

    path = save_weights(build("first"), tmp_path / "net.npz")
    load_weights(build("second"), path)


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """A folder of weights with one trained network and its card."""
    folder = tmp_path / "weights"
    folder.mkdir()
    trained = resnet(20)
    path = save_weights(trained, folder / "resnet_20_tanh.npz")
    write_card(folder, "resnet_20", [("resnet_20_tanh", path, {})])
    monkeypatch.setattr("npa_ann.networks.weights.bundled_data", lambda: tmp_path)
    return trained, path


def test_pretrained_finds_weights_by_name(bundled):
    trained, path = bundled
    (path.parent / "unknown.npz").touch()
    again = pretrained("resnet_20_tanh")
    for old, new in zip(trained.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    for name in ("unknown", "../weights/resnet_20_tanh", "resnet_20"):
        with pytest.raises(ValueError, match=r"name must be one of \['resnet_20_tanh'\]"):
            pretrained(name)


def test_pretrained_refuses_weights_that_differ_from_their_card(bundled):
    _, path = bundled
    save_weights(resnet(20), path)
    with pytest.raises(ValueError, match=r"'resnet_20_tanh\.npz' is not the file that its card"):
        pretrained("resnet_20_tanh")
    (path.parent / "resnet_20.json").unlink()
    with pytest.raises(ValueError, match="name must be one of"):
        pretrained("resnet_20_tanh")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = save_weights(eeg_lstm(2, 5), tmp_path / "net.npz")
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write_bytes(b"half") if hasattr(file, "write_bytes") else None
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights(eeg_lstm(2, 5), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["net.npz"]


def corrupted(path, **changes):
    """Rewrite a weight file with arrays changed, or left out where None."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays.update(changes)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output/bias": None}, r"missing arrays \['output/bias'\]"),
        ({"extra": np.ones(3)}, r"unknown arrays \['extra'\]"),
        ({"output/bias": np.ones(3)}, r"'output/bias' in .* must have shape \(2,\), got \(3,\)"),
        ({"output/bias": np.array([1, np.nan])}, "must contain finite numbers"),
        ({"output/bias": np.array(["a", "b"])}, "must contain finite numbers"),
        ({"output/bias": np.array([None, {}])}, "allow_pickle=False"),
    ],
)
def test_bad_weight_files_change_nothing(changes, message, tmp_path):
    model = eeg_lstm(2, 5)
    path = corrupted(save_weights(eeg_lstm(2, 5), tmp_path / "net.npz"), **changes)
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(ValueError, match=message):
        load_weights(model, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: resnet(33), ValueError, r"depth must be 6 n \+ 2"),
        (lambda: resnet(2), ValueError, "depth must be a whole number >= 8"),
        (lambda: resnet(8, classes=1), ValueError, "classes must be"),
        (lambda: resnet(8, activation=np.tanh), TypeError, "activation must be the name"),
        (lambda: resnet(8, normalization="batch"), ValueError, "normalization must be one of"),
        (lambda: sentiment_lstm(vocabulary=0), ValueError, "vocabulary must be"),
        (lambda: eeg_lstm(3, 10, recurrent_max_norm=0), ValueError, "recurrent_max_norm must be"),
        (lambda: eeg_lstm(3.0, 10), TypeError, "n_channels must be a whole number"),
        (lambda: save_weights(resnet(8), "net.h5"), ValueError, "path must end in .npz"),
    ],
)
def test_bad_arguments(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive at all"])
def test_a_broken_weight_file_is_named(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.npz is not a complete \.npz file"):
        load_weights(plain_cnn(), path)
