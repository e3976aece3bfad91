"""Worked examples of the lecture, and properties of its networks."""

import mne
import numpy as np
import pytest

from npa_ann.dynamics import (
    feed_forward,
    hopfield_energy,
    hopfield_recall,
    hopfield_weights,
    perceptron,
    rhythmic,
    scalar_rnn,
    simulate_rnn,
)

W_IH = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
W_HO = [[1, 1, 1], [-2, -2, -2], [3, 3, 3]]
INPUT = [1, 3, -3]


def random_patterns(seed=0, n_patterns=3, n_units=100):
    return np.random.default_rng(seed).choice([-1, 1], (n_patterns, n_units))


@pytest.mark.parametrize(("bias", "fires"), [(-1.5, [0, 0, 0, 1]), (-0.5, [0, 1, 1, 1])])
def test_perceptron_is_and_and_or(bias, fires):
    np.testing.assert_array_equal(perceptron([[0, 0], [0, 1], [1, 0], [1, 1]], [1, 1], bias), fires)


def test_hopfield_has_no_self_connections_and_hebbian_weights():
    patterns = random_patterns()
    weights = hopfield_weights(patterns)
    assert not np.diag(weights).any()
    assert weights[2, 7] == pytest.approx(np.mean(patterns[:, 2] * patterns[:, 7]) * 3 / 100)


@pytest.mark.parametrize("seed", range(5))
def test_hopfield_recalls_corrupted_patterns(seed):
    patterns = random_patterns(seed)
    weights = hopfield_weights(patterns)
    corrupted = patterns[1].copy()
    corrupted[np.random.default_rng(seed).permutation(100)[:15]] *= -1
    states = hopfield_recall(weights, corrupted, random_state=seed)
    np.testing.assert_array_equal(states[0], corrupted)
    np.testing.assert_array_equal(states[-1], patterns[1])


def test_hopfield_updates_one_unit_at_a_time_and_never_raises_the_energy():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(60, 60))
    weights = (weights + weights.T) * (1 - np.eye(60))
    states = hopfield_recall(weights, rng.choice([-1, 1], 60))
    assert np.abs(np.diff(states, axis=0)).sum(axis=1).max() == 2  # a flip from -1 to 1
    energy = hopfield_energy(weights, states)
    assert np.diff(energy).max() <= 1e-9 * np.abs(energy).max()
    assert energy[-1] < energy[0]
    assert (states[-1] * (weights @ states[-1]) >= 0).all()  # stable


def test_hopfield_unit_without_input_keeps_its_state():
    assert hopfield_recall(np.zeros((2, 2)), [1, -1])[-1].tolist() == [1, -1]


def test_scalar_rnn_gives_the_lectures_number():
    h = scalar_rnn(w=2, h0=0.1, n=10)
    assert len(h) == 11
    assert h[10] == pytest.approx(102.4)


def test_scalar_rnn_grows_stays_decays_or_alternates():
    assert scalar_rnn(1.1, 1, 100)[-1] == pytest.approx(1.1**100)
    np.testing.assert_array_equal(scalar_rnn(1, 0.1, 5), 0.1)
    assert (np.diff(scalar_rnn(0.9, 1, 50)) < 0).all()
    np.testing.assert_array_equal(scalar_rnn(-1, 0.1, 3), [0.1, -0.1, 0.1, -0.1])
    np.testing.assert_array_equal(scalar_rnn(0, 0.1, 2), [0.1, 0, 0])


def test_feed_forward_gives_the_lectures_numbers():
    hidden, output = feed_forward(INPUT, [W_IH, W_HO])
    np.testing.assert_array_equal(hidden, [-2, 1, 4])
    np.testing.assert_array_equal(output, [3, -6, 9])


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", [0, 1, 4]),
        ("step", [0, 1, 1]),
        ("tanh", np.tanh([-2, 1, 4])),
        ("sigmoid", 1 / (1 + np.exp([2.0, -1, -4]))),
        (np.square, [4, 1, 16]),
    ],
)
def test_feed_forward_takes_any_activation(activation, expected):
    (hidden,) = feed_forward(INPUT, [W_IH], activation=activation)
    np.testing.assert_allclose(hidden, expected, rtol=1e-12)


def test_feed_forward_adds_biases_and_takes_series():
    (hidden,) = feed_forward([INPUT, INPUT], [W_IH], biases=[[1, 0, -1]])
    np.testing.assert_array_equal(hidden, [[-1, 1, 3]] * 2)


def test_simulate_rnn_without_recurrence_is_feed_forward():
    hidden, output = simulate_rnn(
        W_IH, np.zeros((3, 3)), W_HO, inputs=[INPUT] * 2, activation="identity"
    )
    np.testing.assert_array_equal(hidden, [[-2, 1, 4]] * 2)
    np.testing.assert_array_equal(output, [[3, -6, 9]] * 2)


def test_simulate_rnn_follows_its_equation():
    rng = np.random.default_rng(0)
    W_ih, W_hh, W_ho = rng.normal(size=(4, 2)), rng.normal(size=(4, 4)), rng.normal(size=(3, 4))
    b_h, b_o, h0, inputs = (rng.normal(size=s) for s in (4, 3, 4, (20, 2)))
    hidden, output = simulate_rnn(W_ih, W_hh, W_ho, b_h, b_o, inputs, h0=h0)
    before = np.vstack([h0, hidden[:-1]])
    np.testing.assert_allclose(
        np.arctanh(hidden), inputs @ W_ih.T + before @ W_hh.T + b_h, atol=1e-9
    )
    np.testing.assert_allclose(output, hidden @ W_ho.T + b_o, rtol=1e-12)


def test_simulate_rnn_of_one_unit_is_scalar_rnn():
    hidden, _ = simulate_rnn(
        [[1]], [[2]], [[1]], inputs=np.zeros((10, 1)), activation="identity", h0=[0.1]
    )
    np.testing.assert_allclose(hidden[:, 0], scalar_rnn(2, 0.1, 10)[1:], rtol=1e-12)


def test_rhythmic_follows_its_closed_form():
    r, theta, t = 0.98, np.array([0.1, 1.0, 3.0]), np.arange(200)
    h = rhythmic(2 * r * np.cos(theta), -(r**2), 0.5, 199)
    expected = 0.5 * r ** t[:, None] * np.sin((t[:, None] + 1) * theta) / np.sin(theta)
    np.testing.assert_allclose(h, expected, atol=1e-11)


def test_rhythmic_without_memory_of_two_steps_is_scalar_rnn():
    np.testing.assert_allclose(rhythmic(2, 0, 0.1, 10), scalar_rnn(2, 0.1, 10), rtol=1e-12)


@pytest.mark.parametrize(
    ("series", "names"),
    [
        (lambda **k: scalar_rnn(0.9, 1, 20, **k), ["scalar/h/000"]),
        (lambda **k: rhythmic([1, 1], -1, 1, 20, **k), ["rhythmic/h/000", "rhythmic/h/001"]),
        (lambda **k: perceptron(np.eye(2), [1, 0], **k), ["perceptron/o/000"]),
        (lambda **k: feed_forward([[2]] * 4, [[[1]]] * 2, **k), ["layer1/h/000", "layer2/h/000"]),
        (
            lambda **k: simulate_rnn([[1]], [[0]], [[1]], inputs=[[1], [2]], **k),
            ["rnn/h/000", "rnn/o/000"],
        ),
        (lambda **k: hopfield_recall(np.zeros((1, 1)), [1], **k), ["hopfield/s/000"]),
    ],
)
def test_each_network_can_be_returned_as_raw(series, names):
    raw = series(sfreq=10.0)
    assert isinstance(raw, mne.io.BaseRaw)
    assert raw.ch_names == names
    assert raw.get_channel_types(unique=True) == ["eeg"]
    assert raw.info["sfreq"] == 10.0
    plain = series()
    values = plain if isinstance(plain, (list, tuple)) else [plain]
    rows = np.vstack([np.reshape(v, (raw.n_times, -1)).T for v in values])
    np.testing.assert_array_equal(raw.get_data(), rows)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: perceptron([[1, 2]], [1]), "inputs must have 1 columns"),
        (lambda: hopfield_weights([[0, 1]]), "patterns must contain only -1 and 1"),
        (lambda: hopfield_recall([[0, 1], [2, 0]], [1, 1]), "symmetric"),
        (lambda: hopfield_energy(np.eye(2), [1, 1]), "zero diagonal"),
        (lambda: scalar_rnn(np.nan, 1, 3), "w must be a finite number, got nan"),
        (lambda: scalar_rnn(1, 1, -1), "n must be a whole number >= 0"),
        (lambda: scalar_rnn(1, 1, 3, sfreq=0), "sfreq must be a number > 0"),
        (lambda: feed_forward([1, 2], [W_IH]), r"weights\[0\] must have 2 columns"),
        (lambda: feed_forward(INPUT, [W_IH], activation="swish"), "activation must be"),
        (lambda: feed_forward(INPUT, [W_IH], biases=[]), "biases must be one per layer"),
        (lambda: simulate_rnn([[1]], [[1, 2]], [[1]], inputs=[[1]]), "W_hh must have 1 columns"),
        (lambda: simulate_rnn([[1]], [[1]], [[1]], inputs=[[np.inf]]), "inputs must be finite"),
        (
            lambda: rhythmic(1, [[1]], 1, 3),
            r"w2 must have one of \(0, 1\) dimensions, got shape \(1, 1\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
