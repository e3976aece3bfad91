"""Signals are those of the model: what a copy or a formula gets wrong is right, or refused."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from npa_ann import ActivationRecorder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 9, 2)).astype("float32")


@keras.saving.register_keras_serializable()
class Forgetful(layers.Layer):
    """Its configuration leaves out the factor."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        """Multiply."""
        return x * self.factor

    def get_config(self):
        """Return the configuration of the base class alone."""
        return super().get_config()


@keras.saving.register_keras_serializable()
class Nameless(layers.Layer):
    """Keras records the keywords, and the name is among them."""

    def __init__(self, factor=2.0, **k):
        super().__init__(**k)
        self.factor = factor

    def call(self, x):
        """Multiply."""
        return x * self.factor


def recorded(model, layer, x):
    return ActivationRecorder(model, layer).fit_transform(x).get_data().transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("kind", "activation"),
    [(layers.LSTM, "softmax"), (layers.LSTM, "log_softmax"), (layers.GRU, "softmax")],
)
def test_gates_that_are_not_elementwise(kind, activation):
    inputs = keras.Input((9, 2))
    rnn = kind(3, return_sequences=True, recurrent_activation=activation, name="rnn", seed=0)
    model = keras.Model(inputs, rnn(inputs))
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(
        recorded(model, "rnn", X), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )


def test_masks_of_lambda_layers_are_copied():
    mask = layers.Lambda(lambda x: x, mask=lambda x, m: ops.any(x > 0, axis=-1), name="mask")
    rnn = layers.LSTM(3, return_sequences=True, name="rnn", seed=0)
    model = keras.Sequential([keras.Input((9, 2)), mask, rnn])
    np.testing.assert_allclose(recorded(model, "rnn", X), model.predict(X, verbose=0), atol=1e-5)


def test_arguments_that_a_configuration_leaves_out_are_noticed():
    inputs = keras.Input((9, 2))
    for factor in (2.0, 7.0):
        model = keras.Model(inputs, layers.Dense(3)(Forgetful(factor, name="mine")(inputs)))
        if factor == 2.0:  # the default
            np.testing.assert_allclose(recorded(model, "mine", X), factor * X, rtol=1e-6)
            continue
        with pytest.raises(ValueError, match=r"(?s)copy of model.*something else.*Keras's: mine"):
            recorded(model, "mine", X)


def test_random_layers_are_not_compared():
    inputs = keras.Input((9, 2))
    noise = layers.Lambda(lambda x: x + keras.random.normal(ops.shape(x)), name="noise")
    model = keras.Model(inputs, noise(layers.Dense(3, name="dense")(inputs)))
    assert recorded(model, "dense", X).shape == (6, 9, 3)


def test_names_that_a_configuration_leaves_out_are_kept():
    inputs = keras.Input((9, 2))
    model = keras.Model(inputs, layers.Dense(3, name="dense")(Nameless(3.0, name="mine")(inputs)))
    np.testing.assert_allclose(recorded(model, "mine", X), 3 * X, rtol=1e-6)
    assert ActivationRecorder(model, "*").fit(X).ch_names_[0] == "mine/output/000"


def test_vocabularies_are_those_of_the_model():
    lookup = layers.IntegerLookup()
    lookup.adapt(np.arange(100, 120))
    inputs = keras.Input((9,), dtype="int64")
    outputs = layers.Embedding(22, 4, name="embedding")(lookup(inputs))
    model = keras.Model(inputs, outputs)
    tokens = RNG.integers(100, 120, (6, 9))
    expected = model.predict(tokens, verbose=0)
    np.testing.assert_allclose(recorded(model, "embedding", tokens), expected, rtol=1e-6)


def test_stateful_layers_with_a_fixed_batch_are_named():
    inputs = keras.Input(batch_shape=(6, 9, 2))
    first = layers.LSTM(3, return_sequences=True, stateful=True, name="first")(inputs)
    model = keras.Model(inputs, layers.LSTM(3, return_sequences=True, name="second")(first))
    with pytest.raises(ValueError, match=r"layer\(s\) first are stateful, with a fixed batch"):
        recorded(model, "second", X)
