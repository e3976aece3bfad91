"""Small recurrent networks, and their recorded activations."""

import keras
import numpy as np
from keras import layers

from npa_ann import ActivationRecorder


def recorded(model, x, layer, signals):
    """Return recorded activations (n, channels, time)."""
    return ActivationRecorder(model, layer, signals).fit_transform(x).get_data()


def with_random_weights(model, seed=0):
    """Set all weights and biases to random values."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.4, w.shape).astype("float32") for w in model.get_weights()])
    return model


RECURRENT = {
    "lstm": lambda **kw: layers.LSTM(5, name="rec", **kw),
    "lstm_no_bias": lambda **kw: layers.LSTM(5, use_bias=False, name="rec", **kw),
    "lstm_odd_activations": lambda **kw: layers.LSTM(
        5, activation="elu", recurrent_activation="hard_sigmoid", name="rec", **kw
    ),
    "lstm_backwards": lambda **kw: layers.LSTM(5, go_backwards=True, name="rec", **kw),
    "gru": lambda **kw: layers.GRU(5, name="rec", **kw),
    "gru_reset_before": lambda **kw: layers.GRU(5, reset_after=False, name="rec", **kw),
    "gru_no_bias": lambda **kw: layers.GRU(5, use_bias=False, name="rec", **kw),
    "rnn": lambda **kw: layers.SimpleRNN(5, name="rec", **kw),
    "cell": lambda **kw: layers.RNN(layers.LSTMCell(5), name="rec", **kw),
    "stacked_cells": lambda **kw: layers.RNN(
        [layers.GRUCell(4), layers.GRUCell(5)], name="rec", **kw
    ),
}


def sequence_network(recurrent, masked, **kw):
    """An embedding, a recurrent and a dense layer."""
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(9, 3, mask_zero=masked, name="embedding"),
            recurrent(**kw),
            layers.Dense(2, name="out"),
        ]
    )


def tokens(rng, masked):
    x = rng.integers(1, 9, (4, 12))
    if masked:
        x[0, 7:] = x[1, :3] = x[2, 4:6] = 0
    return x


def random_weights(rng, features=3, units=4, blocks=4, dtype=np.float64):
    """Kernel, recurrent kernel and bias of a recurrent layer; an LSTM's cells have four blocks."""
    shapes = (features, blocks * units), (units, blocks * units), (blocks * units,)
    return [rng.normal(0, 0.5, shape).astype(dtype) for shape in shapes]
