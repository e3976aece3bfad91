"""Recorded activations are those that Keras computes, and the model is never changed."""

import copy
import pickle

import keras
import mne
import numpy as np
import pytest
from keras import layers
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from small_networks import RECURRENT, recorded, sequence_network, tokens, with_random_weights

from npa_ann import ActivationRecorder, ContrastFlicker
from npa_ann.networks import plain_cnn, resnet, sentiment_lstm
from npa_ann.recording.gates import LSTM_SIGNALS, lstm_gates

SAME = 1e-5  # absolute tolerance between our activations and Keras's


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", RECURRENT)
def test_h_is_that_of_keras(kind, masked, rng):
    last = with_random_weights(sequence_network(RECURRENT[kind], masked))
    every = sequence_network(RECURRENT[kind], masked, return_sequences=True)
    every.set_weights(last.get_weights())
    x = tokens(rng, masked)
    expected = keras.Model(every.inputs, every.get_layer("rec").output).predict(x, verbose=0)
    signal = "output" if kind == "stacked_cells" else "h"
    h = recorded(last, x, "rec", signal)
    np.testing.assert_allclose(h, expected.transpose(0, 2, 1), atol=SAME)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_bidirectional_is_that_of_keras(cell, masked, rng):
    def both(**kw):
        return layers.Bidirectional(cell(4, **kw), name="rec")

    every = with_random_weights(sequence_network(both, masked, return_sequences=True))
    x = tokens(rng, masked)
    expected = keras.Model(every.inputs, every.get_layer("rec").output).predict(x, verbose=0)
    epochs = ActivationRecorder(every, "rec", "h").fit_transform(x)
    assert epochs.ch_names[3:5] == ["forward.rec/h/003", "backward.rec/h/000"]
    np.testing.assert_allclose(epochs.get_data(), expected.transpose(0, 2, 1), atol=SAME)

    last = sequence_network(both, masked)
    last.set_weights(every.get_weights())
    end = keras.Model(last.inputs, last.get_layer("rec").output).predict(x, verbose=0)
    h = recorded(last, x, "rec", "output")
    np.testing.assert_allclose(np.c_[h[:, :4, -1], h[:, 4:, 0]], end, atol=SAME)


def test_stacked_layers_at_once(rng):
    model = with_random_weights(
        keras.Sequential(
            [
                keras.Input((10, 3)),
                layers.LSTM(4, return_sequences=True, name="low"),
                layers.GRU(5, return_sequences=True, name="high"),
                layers.Dense(2, name="out"),
            ]
        )
    )
    x = rng.normal(size=(3, 10, 3))
    epochs = ActivationRecorder(model, ["low", "high"], "h").fit_transform(x)
    for name, units in (("low", 4), ("high", 5)):
        own = [f"{name}/h/{unit:03d}" for unit in range(units)]
        expected = keras.Model(model.inputs, model.get_layer(name).output).predict(x, verbose=0)
        np.testing.assert_allclose(
            epochs.get_data(picks=own), expected.transpose(0, 2, 1), atol=SAME
        )
    np.testing.assert_allclose(
        recorded(model, x, "high", "input"), recorded(model, x, "low", "h"), atol=SAME
    )


def test_initial_state_of_a_decoder(rng):
    given = keras.Input((6, 2))
    _, h, c = layers.LSTM(3, return_state=True, name="encoder")(given)
    out = layers.LSTM(3, return_sequences=True, name="decoder")(given, initial_state=[h, c])
    model = with_random_weights(keras.Model(given, out))
    x = rng.normal(size=(2, 6, 2))
    h = recorded(model, x, "decoder", "h")
    np.testing.assert_allclose(h, model.predict(x, verbose=0).transpose(0, 2, 1), atol=SAME)


def test_masked_steps_keep_the_last_value(rng):
    model = with_random_weights(sequence_network(RECURRENT["lstm"], True))
    x = tokens(rng, True)
    data = recorded(model, x, "rec", LSTM_SIGNALS)
    np.testing.assert_array_equal(data[0, :, 7:], np.repeat(data[0, :, 6:7], 5, axis=1))
    assert not data[1, :, :3].any()
    assert np.ptp(data[3], axis=-1).min() > 0


def test_custom_cell_and_trace(rng):
    class Leaky(layers.Layer):
        state_size = output_size = 3

        def call(self, inputs, states):
            state = 0.5 * states[0] + inputs
            return 2 * state, [state]

    class Traced(layers.RNN):
        def trace(self, inputs, mask=None):
            return {"twice": 2 * inputs}

        def get_config(self):
            return {"name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(Leaky(), **config)

    given = keras.Input((4, 3))
    model = keras.Model(given, Traced(Leaky(), name="leaky")(given))
    epochs = ActivationRecorder(model, "leaky", ["output", "twice"]).fit_transform(
        np.ones((1, 4, 3))
    )
    np.testing.assert_allclose(epochs.get_data(picks="leaky/output/001"), [[[2, 3, 3.5, 3.75]]])
    np.testing.assert_allclose(epochs.get_data(picks="leaky/twice/001"), [[[2, 2, 2, 2]]])


def test_channels_are_eeg_over_tokens(rng):
    model = sentiment_lstm(vocabulary=20, units=4)
    epochs = ActivationRecorder(model, "lstm", ("f", "h")).fit_transform(
        rng.integers(0, 20, (3, 9))
    )
    assert isinstance(epochs, mne.EpochsArray)
    assert epochs.ch_names == [f"lstm/{gate}/00{unit}" for gate in "fh" for unit in range(4)]
    assert set(epochs.get_channel_types()) == {"eeg"}
    assert (epochs.info["sfreq"], epochs.tmin, len(epochs.times)) == (1.0, 0.0, 9)


def test_long_names_survive_a_file(tmp_path, rng):
    model = keras.Sequential(
        [keras.Input((6, 2)), layers.Bidirectional(layers.LSTM(60), name="bidirectional")]
    )
    epochs = ActivationRecorder(model, "bidirectional", "c_out").fit_transform(
        rng.normal(size=(1, 6, 2))
    )
    assert epochs.ch_names[59] == "forward.bidirectional/c_out/059"
    epochs.save(tmp_path / "network-epo.fif")
    assert mne.read_epochs(tmp_path / "network-epo.fif").ch_names == epochs.ch_names


def test_input_of_an_embedding_is_one_channel(rng):
    x = rng.integers(0, 20, (3, 9))
    data = recorded(sentiment_lstm(vocabulary=20), x, "embedding", "input")
    np.testing.assert_array_equal(data[:, 0], x)


def test_filters_of_images_and_frames(rng):
    model = plain_cnn()
    x = rng.uniform(size=(3, 32, 32, 3)).astype("float32")
    maps = keras.Model(model.inputs, model.get_layer("relu_2").output).predict(x, verbose=0)
    for reduce, expected in (("mean", maps.mean(axis=(1, 2))), ("max", maps.max(axis=(1, 2)))):
        epochs = ActivationRecorder(model, "relu_2", reduce=reduce).fit_transform(x)
        assert epochs.ch_names[12] == "relu_2/filter/012"
        np.testing.assert_allclose(epochs.get_data()[..., 0], expected, rtol=1e-5, atol=1e-6)

    still = np.repeat(x[:, np.newaxis], 4, axis=1)
    frames = ActivationRecorder(model, ["relu_2", "output"], batch_size=5).fit_transform(still)
    assert frames.get_data().shape == (3, 32 + 10, 4)
    np.testing.assert_allclose(
        frames.get_data()[:, :32],
        np.repeat(maps.mean(axis=(1, 2))[..., np.newaxis], 4, -1),
        atol=SAME,
    )


def test_every_pixel_of_a_map(rng):
    model = keras.Sequential(
        [keras.Input((4, 5, 1)), layers.Conv2D(2, 3, padding="same", name="conv")]
    )
    x = rng.uniform(size=(2, 4, 5, 1))
    maps = model.predict(x, verbose=0)
    epochs = ActivationRecorder(model, "conv", reduce=None).fit_transform(x)
    pixel = epochs.get_data(picks="conv/filter/001-03-04")[:, 0, 0]
    np.testing.assert_allclose(pixel, maps[:, 3, 4, 1], atol=SAME)
    assert len(epochs.ch_names) == 4 * 5 * 2


def test_time_distributed_maps(rng):
    model = keras.Sequential(
        [
            keras.Input((6, 4, 4, 1)),
            layers.TimeDistributed(layers.Conv2D(2, 3), name="maps"),
            layers.TimeDistributed(layers.Flatten(), name="flat"),
            layers.LSTM(3, name="lstm"),
        ]
    )
    x = rng.uniform(size=(2, 6, 4, 4, 1))
    epochs = ActivationRecorder(model, ["maps", "flat"]).fit_transform(x)
    maps = keras.Model(model.inputs, model.get_layer("maps").output).predict(x, verbose=0)
    np.testing.assert_allclose(
        epochs.get_data()[:, :2], maps.mean(axis=(2, 3)).transpose(0, 2, 1), atol=SAME
    )


def nested(rng):
    """A functional model in a sequential one in a functional one."""
    inner_in = keras.Input((7, 3))
    inner = keras.Model(
        inner_in, layers.LSTM(4, return_sequences=True, name="lstm")(inner_in), name="inner"
    )
    middle = keras.Sequential([keras.Input((7, 3)), inner, layers.Dense(2)], name="middle")
    outer_in = keras.Input((7,), dtype="int32")
    embedded = layers.Embedding(9, 3)(outer_in)
    outer = keras.Model(outer_in, layers.Dense(1, name="head")(middle(embedded) * 2.0))
    return with_random_weights(outer), rng.integers(0, 9, (3, 7))


def test_nested_models_open(rng):
    model, x = nested(rng)
    embedded = model.layers[1](x)
    expected = model.get_layer("middle").get_layer("inner")(embedded)
    h = recorded(model, x, "middle.inner.lstm", "h")
    np.testing.assert_allclose(h, np.asarray(expected).transpose(0, 2, 1), atol=SAME)
    head = recorded(model, x, "head", "output")
    np.testing.assert_allclose(head[:, 0], model.predict(x, verbose=0)[..., 0], atol=SAME)


def test_patterns_choose_in_the_order_of_the_model(rng):
    x = rng.uniform(size=(1, 32, 32, 3))
    recorder = ActivationRecorder(resnet(8), "relu_*").fit(x)
    assert list(dict.fromkeys(name.split("/")[0] for name in recorder.ch_names_)) == [
        f"relu_{number}" for number in range(1, 8)
    ]
    assert ActivationRecorder(resnet(8), ["relu_4", "conv_1"]).fit(x).ch_names_[0] == (
        "relu_4/filter/000"
    )


def test_residual_network_is_that_of_keras(rng):
    model = resnet(14)
    x = rng.uniform(size=(2, 32, 32, 3)).astype("float32")
    data = recorded(model, x, ["relu_13", "average", "output"], "output")
    maps = keras.Model(model.inputs, model.get_layer("relu_13").output).predict(x, verbose=0)
    np.testing.assert_allclose(data[:, :64, 0], maps.mean(axis=(1, 2)), atol=SAME)
    np.testing.assert_allclose(data[:, 64:128], data[:, :64], atol=SAME)
    np.testing.assert_allclose(data[:, 128:, 0], model.predict(x, verbose=0), atol=SAME)


def test_lambda_layers_are_copied(rng):
    model = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: 2 * x, name="twice")])
    x = rng.normal(size=(2, 3))
    np.testing.assert_allclose(recorded(model, x, "twice", "output")[..., 0], 2 * x, atol=SAME)


def test_the_model_is_never_changed(rng):
    model, x = nested(rng)
    weights = copy.deepcopy(model.get_weights())
    config = copy.deepcopy(model.get_config())
    output = model.get_layer("head").output
    ActivationRecorder(model, ["middle.inner.lstm", "head"]).fit_transform(x)
    assert model.get_config() == config
    assert model.get_layer("head").output is output
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_clone_shares_and_pickle_embeds_the_model(rng):
    model = with_random_weights(sequence_network(RECURRENT["lstm"], False))
    x = tokens(rng, False)
    recorder = ActivationRecorder(model, "rec", ("f", "h"), batch_size=2)
    assert clone(recorder).model is model
    assert clone(make_pipeline(recorder)).steps[0][1].model is model
    unfitted = pickle.loads(pickle.dumps(recorder))
    fitted = pickle.loads(pickle.dumps(recorder.fit(x)))
    assert fitted.model is not model
    expected = recorder.transform(x).get_data()
    np.testing.assert_array_equal(fitted.transform(x).get_data(), expected)
    np.testing.assert_array_equal(unfitted.fit_transform(x).get_data(), expected)


def test_batches_are_those_of_transform(rng):
    model = with_random_weights(sequence_network(RECURRENT["gru"], True))
    x = rng.integers(0, 9, (7, 12))
    recorder = ActivationRecorder(model, "rec", ("z", "hh"), batch_size=3).fit(x)
    batches = list(recorder.iter_record(x))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert {batch.dtype for batch in batches} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.concatenate(batches), recorder.transform(x).get_data(), atol=1e-7)


def test_dtype_is_the_precision_of_the_gates(rng):
    model = with_random_weights(sequence_network(RECURRENT["lstm"], False))
    x = tokens(rng, False)
    embedding, *weights = [weight.astype(np.float64) for weight in model.get_weights()[:4]]
    expected = lstm_gates(weights, embedding[x])["h"].transpose(0, 2, 1)
    recorder = ActivationRecorder(model, "rec", "h", dtype="float64").fit(x)
    (batch,) = recorder.iter_record(x)
    assert batch.dtype == np.float64
    np.testing.assert_allclose(batch, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(recorder.transform(x).get_data(), batch)
    single = recorded(model, x, "rec", "h")
    assert np.abs(single - expected).max() > 1e-9  # single precision, the default, differs
    np.testing.assert_allclose(single, expected, rtol=0, atol=SAME)


def test_dtype_of_what_keras_computes(rng):
    x = rng.normal(size=(3, 4))
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="out")])
    double = ActivationRecorder(model, "out", dtype="float64").fit(x)
    (batch,) = double.iter_record(x)
    assert batch.dtype == np.float64
    np.testing.assert_array_equal(batch, recorded(model, x, "out", "output"))


def test_frames_carry_their_rate_and_names_pass(rng):
    images = rng.uniform(size=(2, 32, 32, 3))
    pipeline = make_pipeline(
        ContrastFlicker(fps=60, duration=2.0), ActivationRecorder(plain_cnn(), "relu_1")
    ).set_output(transform="pandas")
    epochs = pipeline.fit_transform(images)
    assert epochs.info["sfreq"] == 60
    assert len(epochs.times) == 120
    assert pipeline.get_feature_names_out().tolist() == epochs.ch_names


def halves_spectrum(activation, layer):
    """Amplitude spectrum (n_filters, n_bins) at 0.5 Hz of one image whose halves flicker."""
    model = resnet(8, activation=activation, normalization=False)
    images = np.random.default_rng(1).uniform(0.2, 1, (1, 32, 32, 3))
    frames = ContrastFlicker((6.0, 7.5), fps=120, duration=2.0).fit_transform(images)
    epochs = ActivationRecorder(model, layer).fit_transform(frames)
    return np.abs(np.fft.rfft(epochs.get_data()[0], axis=-1))


INTERMODULATION = [3, 12 + 15, 2 * 12 - 15, 2 * 15 - 12]  # bins of f2-f1, f1+f2, 2f1-f2, 2f2-f1


@pytest.mark.parametrize(
    ("activation", "layer"), [("relu", "conv_1"), ("linear", "conv_5"), ("linear", "linear_7")]
)
def test_linear_layers_do_not_mix_tags(activation, layer):
    spectrum = halves_spectrum(activation, layer)
    fundamental = spectrum[:, [12, 15]].max()
    assert spectrum[:, INTERMODULATION].max() < 1e-6 * fundamental


@pytest.mark.parametrize(("activation", "layer"), [("relu", "relu_1"), ("tanh", "tanh_1")])
def test_nonlinear_layers_mix_tags(activation, layer):
    spectrum = halves_spectrum(activation, layer)
    fundamental = spectrum[:, [12, 15]].max()
    assert spectrum[:, INTERMODULATION].max() > 1e-3 * fundamental


def test_adapted_layers_keep_their_state(rng):
    x = rng.normal(5, 3, (20, 4)).astype("float32")
    for adapted in (
        layers.Normalization(name="scale"),
        layers.Discretization(num_bins=4, name="scale"),
    ):
        adapted.adapt(x)
        model = keras.Sequential([keras.Input((4,)), adapted])
        np.testing.assert_allclose(
            recorded(model, x, "scale", "output")[..., 0], model.predict(x, verbose=0), atol=SAME
        )


@keras.saving.register_keras_serializable("tests")
class TripledCell(layers.LSTMCell):
    """An LSTM cell that overrides the equations."""

    def call(self, inputs, states, training=False):
        h, states = super().call(inputs, states, training=training)
        return 3 * h, [3 * h, states[1]]


def test_a_cell_with_other_equations_has_no_gates(rng):
    model = keras.Sequential([keras.Input((6, 2)), layers.RNN(TripledCell(4), name="rec")])
    x = rng.normal(size=(3, 6, 2))
    np.testing.assert_allclose(
        recorded(model, x, "rec", "output")[..., -1], model.predict(x, verbose=0), atol=SAME
    )
    with pytest.raises(ValueError, match=r"\['f'\] are not in layer 'rec' \(RNN\)"):
        ActivationRecorder(model, "rec", "f").fit(x)


@keras.saving.register_keras_serializable("tests")
def relu(x):
    """A custom activation with the name of Keras's."""
    return keras.ops.leaky_relu(x, 0.3)


@pytest.mark.parametrize("activation", [relu, layers.LeakyReLU(0.2)])
def test_custom_activations(activation, rng):
    model = keras.Sequential(
        [keras.Input((6, 2)), layers.SimpleRNN(4, activation=activation, name="rec")]
    )
    x = rng.normal(size=(3, 6, 2))
    np.testing.assert_allclose(
        recorded(model, x, "rec", "h")[..., -1], model.predict(x, verbose=0), atol=SAME
    )


def test_other_recurrent_layers_use_masks_and_refuse_states(rng):
    given = keras.Input((6, 2))
    mask = layers.Lambda(lambda x: x[..., 0] > 0)(given)
    rec = layers.RNN(TripledCell(4), return_sequences=True, return_state=True, name="rec")
    h, *states = rec(given, mask=mask)
    model, x = keras.Model(given, h), rng.normal(size=(3, 6, 2))
    expected = model.predict(x, verbose=0).transpose(0, 2, 1)
    np.testing.assert_allclose(recorded(model, x, "rec", "output"), expected, atol=SAME)

    again = layers.RNN(TripledCell(4), name="again")(given, initial_state=states)
    with pytest.raises(ValueError, match="'again' is given an initial state"):
        ActivationRecorder(keras.Model(given, again), "again").fit(x)
    fixed = keras.Input(batch_shape=(3, 6, 2))
    stateful = keras.Model(fixed, layers.RNN(TripledCell(4), stateful=True, name="rec")(fixed))
    with pytest.raises(ValueError, match="is stateful"):
        ActivationRecorder(stateful, "rec").fit(x)


def test_layers_called_with_keyword_arguments(rng):
    given, x = keras.Input((6, 2)), rng.normal(size=(3, 6, 2))
    model = keras.Model(given, layers.Dense(2, name="out")(inputs=layers.GRU(3)(sequences=given)))
    for layer in ("out", "gru*"):
        data = recorded(model, x, layer, "output")
        assert np.isfinite(data).all()
    np.testing.assert_allclose(
        recorded(model, x, "out", "output")[..., 0], model.predict(x, verbose=0), atol=SAME
    )


def test_a_pickle_ignores_custom_losses():
    def loss(wanted, got):
        return keras.ops.mean(wanted - got)

    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="out")])
    model.compile("sgd", loss)
    recorder = ActivationRecorder(model, "out").fit(np.ones((1, 4)))
    copied = pickle.loads(pickle.dumps(recorder))
    np.testing.assert_array_equal(
        copied.transform(np.ones((1, 4))).get_data(), recorder.transform(np.ones((1, 4))).get_data()
    )
