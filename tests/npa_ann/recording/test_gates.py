"""Gates equal the equations, worked out step by step."""

import numpy as np
import pytest
from small_networks import random_weights

from npa_ann.recording.gates import (
    GRU_SIGNALS,
    LSTM_SIGNALS,
    RNN_SIGNALS,
    gru_gates,
    lstm_gates,
    rnn_gates,
)

DOUBLE = 1e-12  # absolute tolerance of numbers worked out in double precision


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_two_units_by_hand():
    # Unit 0 receives the input only, unit 1 unit 0 only; Keras's order is i, f, c, o.
    kernel = np.array([[1.0, 0, 0.5, 0, 2.0, 0, -1.0, 0]])
    recurrent = np.zeros((2, 8))
    recurrent[0] = [0, 1.0, 0, -2.0, 0, 3.0, 0, 0.5]
    bias = np.array([0.0, 0.1, 1.0, 1.0, 0, 0, 0.2, -0.3])
    x = np.array([1.0, -0.5, 2.0])
    signals = lstm_gates([kernel, recurrent, bias], x.reshape(1, 3, 1))

    h0 = c0 = c1 = 0.0
    for t, value in enumerate(x):
        from_before = h0
        i0, f0 = sigmoid(value), sigmoid(0.5 * value + 1)
        cc0, o0 = np.tanh(2 * value), sigmoid(0.2 - value)
        c0 = f0 * c0 + i0 * cc0
        h0 = o0 * np.tanh(c0)
        i1, f1 = sigmoid(from_before + 0.1), sigmoid(-2 * from_before + 1)
        cc1, o1 = np.tanh(3 * from_before), sigmoid(0.5 * from_before - 0.3)
        c1 = f1 * c1 + i1 * cc1
        by_hand = {
            "f": [f0, f1],
            "i": [i0, i1],
            "cc": [cc0, cc1],
            "o": [o0, o1],
            "c": [c0, c1],
            "c_out": [np.tanh(c0), np.tanh(c1)],
            "h": [h0, o1 * np.tanh(c1)],
        }
        for name, values in by_hand.items():
            np.testing.assert_allclose(signals[name][0, t], values, atol=DOUBLE, err_msg=name)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_step_by_step(reset_after):
    rng = np.random.default_rng(0)
    kernel, recurrent, bias = random_weights(rng, 2, 3, 3)
    bias = np.stack([bias, rng.normal(size=9)]) if reset_after else bias
    x = rng.normal(size=(1, 4, 2))
    signals = gru_gates([kernel, recurrent, bias], x, reset_after=reset_after)
    h = np.zeros(3)
    (kz, kr, kh), (uz, ur, uh) = np.split(kernel, 3, axis=1), np.split(recurrent, 3, axis=1)
    own = bias[0] if reset_after else bias
    extra = bias[1] if reset_after else np.zeros(9)
    for t in range(4):
        z = sigmoid(x[0, t] @ kz + own[:3] + h @ uz + extra[:3])
        r = sigmoid(x[0, t] @ kr + own[3:6] + h @ ur + extra[3:6])
        before = r * (h @ uh + extra[6:]) if reset_after else (r * h) @ uh
        hh = np.tanh(x[0, t] @ kh + own[6:] + before)
        h = z * h + (1 - z) * hh
        for name, values in {"z": z, "r": r, "hh": hh, "h": h}.items():
            np.testing.assert_allclose(signals[name][0, t], values, atol=DOUBLE, err_msg=name)


LAYERS = [
    (lstm_gates, 4, LSTM_SIGNALS, 2),
    (gru_gates, 3, GRU_SIGNALS, 1),
    (rnn_gates, 1, RNN_SIGNALS, 1),
]


def settings(gates):
    return {"reset_after": False} if gates is gru_gates else {}


@pytest.mark.parametrize(("gates", "blocks", "names", "n_states"), LAYERS)
def test_batches_equal_single_sequences(gates, blocks, names, n_states):
    rng = np.random.default_rng(1)
    weights = random_weights(rng, 3, 4, blocks)
    x = rng.normal(size=(5, 7, 3))
    together = gates(weights, x, **settings(gates))
    assert set(together) == set(names)
    for index in range(5):
        alone = gates(weights, x[index : index + 1], **settings(gates))
        for name in names:
            np.testing.assert_allclose(together[name][index], alone[name][0], atol=DOUBLE)


@pytest.mark.parametrize(("gates", "blocks", "names", "n_states"), LAYERS)
def test_states_carry_over_between_halves(gates, blocks, names, n_states):
    rng = np.random.default_rng(2)
    weights = random_weights(rng, 3, 4, blocks)
    x = rng.normal(size=(2, 8, 3))
    whole = gates(weights, x, **settings(gates))
    first = gates(weights, x[:, :5], **settings(gates))
    states = [first["h"][:, -1], first["c"][:, -1]] if n_states == 2 else first["h"][:, -1]
    second = gates(weights, x[:, 5:], states, **settings(gates))
    for name in names:
        halves = np.concatenate([first[name], second[name]], axis=1)
        np.testing.assert_allclose(halves, whole[name], atol=DOUBLE, err_msg=name)


@pytest.mark.parametrize(("gates", "blocks", "names", "n_states"), LAYERS)
def test_masked_steps_are_skipped(gates, blocks, names, n_states):
    rng = np.random.default_rng(3)
    weights = random_weights(rng, 3, 4, blocks)
    x = rng.normal(size=(2, 6, 3))
    mask = np.array([[0, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]], bool)
    masked = gates(weights, x, mask=mask, **settings(gates))
    short = gates(weights, x[:1, mask[0]], **settings(gates))
    full = gates(weights, x[1:], **settings(gates))
    for name in names:
        np.testing.assert_allclose(masked[name][0, mask[0]], short[name][0], atol=DOUBLE)
        np.testing.assert_array_equal(masked[name][0, 2:4], masked[name][0, [1, 1]])
        assert not masked[name][0, 0].any()
        np.testing.assert_allclose(masked[name][1], full[name][0], atol=DOUBLE)


def test_single_precision_is_kept_without_overflow():
    rng = np.random.default_rng(4)
    weights = random_weights(rng, 3, 4, 4, np.float32)
    signals = lstm_gates(weights, 1e6 * rng.normal(size=(2, 3, 3)))
    for name, values in signals.items():
        assert values.dtype == np.float32
        assert np.isfinite(values).all(), name


def test_inputs_are_not_changed():
    rng = np.random.default_rng(5)
    weights = random_weights(rng, 3, 4, 4)
    x = rng.normal(size=(2, 6, 3))
    before = [array.tobytes() for array in (x, *weights)]
    lstm_gates(weights, x, activation=np.sin, recurrent_activation="relu")
    assert before == [array.tobytes() for array in (x, *weights)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.ones((2, 6, 5))}, r"x must have shape \(n, time, 3\), got \(2, 6, 5\)"),
        ({"x": np.ones((6, 3))}, r"x must have shape"),
        ({"weights": [np.ones((3, 16))]}, r"weights must be kernel, recurrent kernel\[, bias\]"),
        (
            {"weights": [np.ones((3, 16)), np.ones((4, 12)), np.ones(16)]},
            r"weights must have shapes",
        ),
        ({"initial_state": [np.ones((2, 4))]}, r"initial_state must be 2 array\(s\)"),
        ({"mask": np.ones((6, 2), bool)}, r"mask must have shape \(n, time\) = \(2, 6\)"),
        ({"activation": "swish"}, r"activation must be one of"),
    ],
)
def test_bad_input(change, message):
    weights = random_weights(np.random.default_rng(6), 3, 4, 4)
    with pytest.raises(ValueError, match=message):
        lstm_gates(**{"weights": weights, "x": np.ones((2, 6, 3)), **change})
