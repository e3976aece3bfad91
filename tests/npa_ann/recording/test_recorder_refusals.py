"""The recorder refuses bad parameters, inputs and models by name."""

import keras
import numpy as np
import pytest
from keras import layers
from small_networks import RECURRENT, sequence_network, tokens, with_random_weights

from npa_ann import ActivationRecorder, ContrastFlicker
from npa_ann.networks import plain_cnn, sentiment_lstm


@pytest.fixture
def rng():
    return np.random.default_rng(4)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"layer": "lsmt"}, ValueError, "layer 'lsmt' is not in the model; it has embedding, rec"),
        ({"layer": []}, TypeError, "layer must be a string or a sequence"),
        ({"layer": "out", "signals": "f"}, ValueError, r"\['f'\] are not in layer 'out' \(Dense\)"),
        ({"signals": "z"}, ValueError, "it has f, i, cc, o, c, c_out, h, output, input"),
        ({"signals": 3}, TypeError, "signals must be"),
        ({"layer": ["rec", "out"]}, ValueError, "layers with the same number of samples"),
        ({"reduce": "median"}, ValueError, "reduce must be one of"),
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"sfreq": -1.0}, ValueError, "sfreq must be"),
        ({"max_memory": "plenty"}, ValueError, "max_memory must be like '500MB'"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of"),
        ({"model": "net.keras"}, TypeError, "model must be a keras.Model, got str"),
        ({"model": Subclassed()}, TypeError, "is a subclassed model"),
    ],
)
def test_bad_parameters(change, error, message, rng):
    model = sequence_network(RECURRENT["lstm"], False)
    recorder = ActivationRecorder(**{"model": model, "layer": "rec", **change})
    with pytest.raises(error, match=message):
        recorder.fit(tokens(rng, False))


def test_bad_inputs(rng):
    cnn = ActivationRecorder(plain_cnn(), "conv_1")
    message = r"X must have shape \(n, 32, 32, 3\) or, frame by frame, \(n, time, 32, 32, 3\)"
    with pytest.raises(ValueError, match=message):
        cnn.fit(np.ones((2, 28, 28, 1)))
    with pytest.raises(ValueError, match="at least one input"):
        cnn.fit(np.ones((0, 32, 32, 3)))
    cnn.fit(np.ones((2, 32, 32, 3)))
    with pytest.raises(
        ValueError, match="X must be single images as at fit, got sequences of frames"
    ):
        cnn.transform(np.ones((2, 4, 32, 32, 3)))
    frames = ContrastFlicker(fps=60).fit_transform(np.ones((1, 32, 32, 3)))
    with pytest.raises(ValueError, match="sfreq must be None or the frames' own 60"):
        ActivationRecorder(plain_cnn(), "conv_1", sfreq=50.0).fit(frames)
    with pytest.raises(ValueError, match="activations are NaN or infinite"):
        ActivationRecorder(plain_cnn(), "conv_1").fit(np.full((1, 32, 32, 3), np.nan))
    sequence = np.ones((3, 32, 32, 3))
    sequence[2, 5, 5] = np.nan
    with pytest.raises(ValueError, match="in 32 of 32 channels"):
        cnn.transform(sequence)


@pytest.mark.parametrize("token", [22, -1, 1.5, np.nan])
def test_invalid_tokens_are_refused(token):
    recorder = ActivationRecorder(sentiment_lstm(vocabulary=20), "embedding")
    with pytest.raises(ValueError, match=f"whole numbers from 0 to 21, .* got {token}"):
        recorder.fit(np.full((1, 5), token))


def test_errors_of_the_backend_become_value_errors():
    tokens_later = [keras.Input((4,)), layers.Reshape((2, 2)), layers.Embedding(9, 3, name="late")]
    recorder = ActivationRecorder(keras.Sequential(tokens_later), "late")
    with pytest.raises(ValueError, match="X cannot be run through the model: .*indices"):
        recorder.fit(np.full((1, 4), 1000))


def test_a_changed_activation_is_noticed(rng):
    model = plain_cnn(activation="relu")
    images = rng.uniform(size=(1, 32, 32, 3))
    recorder = ActivationRecorder(model, "relu_1").fit(images)
    model.get_layer("relu_1").activation = keras.activations.tanh
    with pytest.raises(ValueError, match="changed since fit"):
        recorder.transform(images)


def test_a_changed_model_is_noticed(rng):
    model = sequence_network(RECURRENT["lstm"], False)
    x = tokens(rng, False)
    recorder = ActivationRecorder(model, "rec").fit(x)
    with_random_weights(model)
    with pytest.raises(ValueError, match="changed since fit"):
        recorder.transform(x)
    with pytest.raises(ValueError, match="changed since fit"):
        recorder.iter_record(x)


def test_recordings_above_max_memory_are_refused_with_their_size(rng):
    model = sequence_network(RECURRENT["lstm"], False)
    x = rng.integers(1, 9, (100, 50))
    recorder = ActivationRecorder(model, "rec", max_memory="150 kB").fit(x)
    with pytest.raises(ValueError, match=r"0.0002 GB .* = 100 x 5 x 50"):
        recorder.transform(x)
    assert sum(len(batch) for batch in recorder.iter_record(x)) == 100
    assert len(recorder.set_params(max_memory=2e5).transform(x)) == 100


def test_shared_and_stateful_layers_are_refused(rng):
    given = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    twice = keras.Model(given, shared(shared(given)))
    with pytest.raises(ValueError, match="used more than once"):
        ActivationRecorder(twice, "shared").fit(np.ones((1, 4)))
    given = keras.Input(batch_shape=(2, 4, 3))
    stateful = keras.Model(given, layers.LSTM(3, stateful=True, name="lstm")(given))
    with pytest.raises(ValueError, match="is stateful"):
        ActivationRecorder(stateful, "lstm").fit(np.ones((2, 4, 3)))


def test_a_layer_with_channels_first_is_refused():
    model = keras.Sequential(
        [
            keras.Input((2, 6, 6)),
            layers.AveragePooling2D(2, data_format="channels_first", name="pool"),
        ]
    )
    with pytest.raises(ValueError, match="channels last"):
        ActivationRecorder(model, "pool").fit(np.ones((1, 2, 6, 6)))
