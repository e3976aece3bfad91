"""Oscillators and their recurrences; the layers compared with NumPy; the digit networks."""

import keras
import numpy as np
import pytest
from scipy.signal import hilbert
from sklearn.datasets import load_digits

from npa_ann import networks
from npa_ann.dynamics import rhythmic
from npa_ann.networks.rhythmic import (
    HarmonicOscillatorCell,
    HarmonicOscillatorRNN,
    ResonantCell,
    ResonantRNN,
    SquaredAmplitude,
    backward_weights,
    golden_frequencies,
    oscillator_parameters,
    resonance,
    resonance_weights,
)
from npa_ann.recording.keras_models import layer_signals
from npa_ann.recording.recorder import ActivationRecorder

LAYERS = {
    "resonant": lambda **options: ResonantRNN(seed=1, **options),
    "harmonic": lambda **options: HarmonicOscillatorRNN(units=11, seed=1, **options),
}

both_layers = pytest.mark.parametrize("kind", list(LAYERS))


def pixels(n, n_times, seed=0):
    """Inputs of n / 255 of which a fifth is not zero, as in images of digits."""
    rng = np.random.default_rng(seed)
    values = rng.integers(256, size=(n, n_times, 1)) * (rng.uniform(size=(n, n_times, 1)) < 0.2)
    # predict() converts its inputs to single precision
    return (values / 255).astype("float32").astype(float)


def resonant_recurrence(layer, inputs):
    """The published equation in double precision."""
    W, w1, w2 = layer.cell.coupling_matrix().astype(float), layer.cell.w1, layer.cell.w2
    last = before = np.zeros((len(inputs), len(W)))
    series = []
    for u in np.moveaxis(inputs, 1, 0):
        x = u + w1 * last + w2 * before + np.tanh(last * u) @ W.T
        last, before = x, last
        series.append(x)
    return np.stack(series, axis=1)


def harmonic_recurrence(layer, inputs):
    """The published equations of 1 step, 0.04 gain, 2 pi / 28 and 0.01, in double precision."""
    W_i, b_i, W_h, b_h = (np.asarray(w, dtype=float) for w in layer.get_weights())
    x = y = np.zeros((len(inputs), len(b_h)))
    series = []
    for s in np.moveaxis(inputs, 1, 0):
        force = np.tanh(s @ W_i + b_i + (y @ W_h + b_h) / np.sqrt(len(b_h)))
        y = y + 0.04 * force - (2 * np.pi / 28) ** 2 * x - 0.02 * y
        x = x + y
        series.append(x)
    return np.stack(series, axis=1)


RECURRENCES = {"resonant": resonant_recurrence, "harmonic": harmonic_recurrence}


def run(kind, n_times, dtype):
    """A model of one layer, its inputs and its outputs."""
    pixel = keras.Input((n_times, 1), dtype=dtype)
    layer = LAYERS[kind](return_sequences=True, dtype=dtype)
    model = keras.Model(pixel, layer(pixel))
    inputs = pixels(4, n_times).astype(dtype)
    return model, inputs, model.predict(inputs, verbose=0)


def test_exact_weights_round_trip():
    frequency, r = np.array([0.5, 2.0, 10.0, 246.0, 499.0]), np.array([0.99999, 1, 0.9, 0.5, 0.99])
    free = resonance(*resonance_weights(frequency, r, sfreq=1000), sfreq=1000)
    np.testing.assert_allclose(free.frequency, frequency, rtol=1e-10)
    np.testing.assert_allclose(free.r, r, rtol=1e-10)
    np.testing.assert_allclose(np.exp(-free.decay / 1000), r, rtol=1e-10)
    np.testing.assert_array_equal(free.stable, r < 1)


def test_backward_weights_round_trip():
    omega, beta = 2 * np.pi * np.array([2.0, 10.0, 246.0]), np.array([0.0, 3.0, 500.0])
    back_omega, back_beta = oscillator_parameters(*backward_weights(omega, beta, dt=1e-3), dt=1e-3)
    np.testing.assert_allclose(back_omega, omega, rtol=1e-10)
    np.testing.assert_allclose(back_beta, beta, rtol=1e-10, atol=1e-10)


def test_backward_weights_by_hand():
    # omega dt = 2, beta dt = 0.5: q = 1 + 1 + 4
    np.testing.assert_allclose(backward_weights(2, 0.5, 1), [0.5, -1 / 6], rtol=1e-12)


@pytest.mark.parametrize(("frequency", "r"), [(2, 0.9999), (10, 0.999), (94, 0.9995)])
def test_simulated_recurrence_has_the_designed_frequency_and_decay(frequency, r):
    analytic = hilbert(rhythmic(*resonance_weights(frequency, r), 1.0, 8000))[2000:4000]
    t = np.arange(len(analytic)) / 1000
    measured = np.polyfit(t, np.unwrap(np.angle(analytic)), 1)[0] / (2 * np.pi)
    assert measured == pytest.approx(frequency, rel=2e-3)
    decay = -np.polyfit(t, np.log(np.abs(analytic)), 1)[0]
    assert decay == pytest.approx(-np.log(r) * 1000, rel=0.02)


def test_exact_recurrence_holds_for_samples_of_the_oscillator():
    omega, beta, sfreq = 2 * np.pi * 10, 3.0, 200.0
    damped = np.sqrt(omega**2 - beta**2)
    t = np.arange(400) / sfreq
    x = np.exp(-beta * t) * np.cos(damped * t + 0.3)
    w1, w2 = resonance_weights(damped / (2 * np.pi), np.exp(-beta / sfreq), sfreq)
    np.testing.assert_allclose(x[2:], w1 * x[1:-1] + w2 * x[:-2], atol=1e-13)


def test_backward_recurrence_approaches_the_oscillator_as_steps_shrink():
    omega, beta = 2 * np.pi * 10, 3.0
    damped = np.sqrt(omega**2 - beta**2) / (2 * np.pi)
    errors = []
    for dt in (1e-4, 1e-5, 1e-6):
        free = resonance(*backward_weights(omega, beta, dt), sfreq=1 / dt)
        errors.append((abs(free.frequency - damped), abs(free.decay - beta)))
    errors = np.array(errors)
    np.testing.assert_allclose(errors[:-1] / errors[1:], 10, rtol=0.05)  # first order


def test_resonance_of_real_poles():
    # decays, alternates and decays, grows, decays at once
    free = resonance([0.5, -0.5, 2.0, 0.0], 0.0, sfreq=100)
    np.testing.assert_array_equal(free.frequency, [0, 50, 0, 0])
    np.testing.assert_allclose(free.r, [0.5, 0.5, 2, 0])
    np.testing.assert_array_equal(free.stable, [True, True, False, True])
    np.testing.assert_allclose(free.decay[:3], 100 * np.log(2) * np.array([1, 1, -1]))
    assert free.decay[3] == np.inf


def test_golden_frequencies_are_eleven_with_positive_w1():
    frequencies = golden_frequencies()
    assert len(frequencies) == 11
    assert frequencies[0] == 2
    np.testing.assert_allclose(frequencies[2:], frequencies[1:-1] + frequencies[:-2], rtol=1e-12)
    assert (resonance_weights(frequencies)[0] > 0).all()
    assert resonance_weights(frequencies[-1] * 1.618)[0] < 0


@both_layers
@pytest.mark.parametrize(("dtype", "n_times"), [("float64", 784), ("float32", 20)])
def test_layers_equal_the_recurrence_through_save_and_load(kind, dtype, n_times, tmp_path):
    model, inputs, x = run(kind, n_times, dtype)
    expected = RECURRENCES[kind](model.layers[-1], inputs.astype(float))
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.predict(inputs, verbose=0)
    assert again.dtype == dtype
    np.testing.assert_allclose(again, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("cell", [ResonantCell([2.0, 5.0]), HarmonicOscillatorCell(2)])
def test_cells_work_in_keras_rnn_and_survive_serialisation(cell):
    layer = keras.layers.RNN(cell, return_state=True)
    inputs = pixels(3, 10).astype("float32")
    last, x, _ = layer(inputs)
    np.testing.assert_array_equal(last, x)
    copy = keras.layers.RNN.from_config(layer.get_config())
    copy.build(inputs.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(inputs)[0], last)


def test_single_precision_stays_close_over_784_steps():
    model, inputs, x = run("resonant", 784, "float32")
    model.layers[-1].cell.off_diagonal.assign(np.zeros((10, 11)))
    linear = model.predict(inputs, verbose=0)
    expected = resonant_recurrence(model.layers[-1], inputs.astype(float))
    np.testing.assert_allclose(linear, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert np.abs(x - linear).max() > 0.01 * np.abs(expected).max()  # the coupling has an effect


def test_impulse_response_of_the_resonant_layer():
    layer = ResonantRNN(coupling=0, return_sequences=True, dtype="float64")
    impulse = np.eye(1, 150)[..., None]
    w1, w2 = resonance_weights(golden_frequencies())
    expected = rhythmic(w1, w2, 1.0, 149)
    np.testing.assert_allclose(layer(impulse)[0], expected, rtol=0, atol=1e-9 * expected.max())


def test_given_coupling_is_used_and_its_diagonal_stays_zero():
    W = np.random.default_rng(0).normal(size=(3, 3)) * (1 - np.eye(3))
    layer = ResonantRNN([5.0, 10.0, 20.0], coupling=W)
    layer.build((None, None, 1))
    np.testing.assert_allclose(layer.cell.coupling_matrix(), W, rtol=1e-6)
    layer.set_weights([w + 1 for w in layer.get_weights()])
    np.testing.assert_array_equal(np.diag(layer.cell.coupling_matrix()), 0)


def test_initial_coupling_is_uniform_and_seeded():
    first, again, other = (ResonantRNN(seed=seed) for seed in (0, 0, 1))
    for layer in (first, again, other):
        layer.build((None, None, 1))
    W = first.cell.coupling_matrix()
    assert 0.27 < np.abs(W).max() <= 0.3
    assert np.std(W[~np.eye(11, dtype=bool)]) == pytest.approx(0.3 / np.sqrt(3), rel=0.15)
    np.testing.assert_array_equal(again.cell.coupling_matrix(), W)
    assert not np.array_equal(other.cell.coupling_matrix(), W)


def test_one_node_has_no_weights():
    layer = ResonantRNN([10.0])
    assert tuple(layer(pixels(2, 5).astype("float32")).shape) == (2, 1)
    assert layer.count_params() == 0


def test_oscillators_with_different_frequencies():
    omega, gamma = np.linspace(0.1, 0.4, 4), np.linspace(0.01, 0.02, 4)
    layer = HarmonicOscillatorRNN(
        4, omega=omega, gamma=gamma, gain=1e-9, return_sequences=True, dtype="float64"
    )
    start = [np.ones((1, 4)), np.zeros((1, 4))]
    x = keras.ops.convert_to_numpy(layer(np.zeros((1, 200, 1)), initial_state=start))[0]
    # one step of the rule, written as a recurrence: w1 + w2 = 1 - omega^2, w2 = -(1 - 2 gamma)
    free = resonance(2 - 2 * gamma - omega**2, 2 * gamma - 1, sfreq=1)
    phase = np.unwrap(np.angle(hilbert(x, axis=0)), axis=0)[50:150]
    measured = (phase[-1] - phase[0]) / (2 * np.pi * 99)
    np.testing.assert_allclose(measured, free.frequency, rtol=0.03)
    np.testing.assert_allclose(free.frequency, omega / (2 * np.pi), rtol=0.02)


def test_squared_amplitude_of_a_free_oscillation():
    r, frequency = 1.0, golden_frequencies()
    cell = ResonantCell(frequency, r=r)
    theta = 2 * np.pi * frequency / 1000
    x = np.cos(theta * np.arange(500)[:, None])
    squared = SquaredAmplitude.of(cell, dtype="float64")(x[None])[0, 1:]
    # expected: cos^2 + cos(theta / 2)^2 sin^2, constant for slow nodes
    sine = np.cos(theta / 2) * np.sin(theta * np.arange(1, 500)[:, None])
    np.testing.assert_allclose(squared, x[1:] ** 2 + sine**2, rtol=1e-8)
    np.testing.assert_allclose(squared[:, :4], 1, rtol=1e-3)


@both_layers
def test_trace_returns_position_velocity_and_amplitude(kind):
    model, inputs, x = run(kind, 30, "float64")
    layer = model.layers[-1]
    signals = layer.trace(inputs)
    assert list(signals) == ["x", "y", "amplitude"]
    signals = {name: keras.ops.convert_to_numpy(values) for name, values in signals.items()}
    np.testing.assert_allclose(signals["x"], x, rtol=1e-12, atol=1e-12)
    steps = np.diff(x, axis=1, prepend=0) / layer.cell.step
    np.testing.assert_allclose(signals["y"], steps, rtol=1e-9, atol=1e-9)
    cell = layer.cell
    squared = x**2 + ((signals["y"] + cell.beta * x) / cell.omega) ** 2
    np.testing.assert_allclose(signals["amplitude"] ** 2, squared, rtol=1e-9, atol=1e-12)


def test_trace_y_is_the_oscillators_velocity():
    layer = HarmonicOscillatorRNN(5, step=0.5, seed=0, return_state=True, dtype="float64")
    inputs = pixels(2, 30)
    last, x, y = layer(inputs)
    signals = layer.trace(inputs)
    np.testing.assert_allclose(signals["x"][:, -1], x, rtol=1e-12)
    np.testing.assert_allclose(signals["y"][:, -1], y, rtol=1e-9)


def test_trace_of_a_symbolic_input_is_a_model():
    model = networks.horn_digits(units=5)
    layer = model.get_layer("rhythm")
    probe = keras.Model(model.inputs, layer.trace(model.inputs[0]))
    signals = probe.predict(pixels(3, 12).astype("float32"), verbose=0)
    assert {name: values.shape for name, values in signals.items()} == dict.fromkeys(
        ("x", "y", "amplitude"), (3, 12, 5)
    )


@both_layers
def test_recorder_records_the_traces(kind):
    model, inputs, x = run(kind, 20, "float32")
    recorder = ActivationRecorder(model, model.layers[-1].name, ("x", "y", "amplitude"))
    epochs = recorder.fit_transform(inputs)
    data = epochs.get_data().reshape(4, 3, 11, 20)
    assert [name.split("/")[1] for name in epochs.ch_names[::11]] == ["x", "y", "amplitude"]
    np.testing.assert_allclose(data[:, 0], x.swapaxes(1, 2), rtol=1e-5, atol=1e-5)
    assert (data[:, 2] >= np.abs(data[:, 0]) * (1 - 1e-6)).all()


@pytest.mark.parametrize(
    ("build", "trainable"),
    [
        (networks.resonant_digits, 252),
        (networks.rnn_digits, 285),
        (networks.lstm_digits, 274),
        (networks.horn_digits, 32 + 32 + 32 * 32 + 32 + 330),
    ],
)
def test_number_of_trainable_weights_of_the_digit_networks(build, trainable):
    model = build()
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == trainable
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("build", [networks.resonant_digits, networks.horn_digits])
def test_gradients_are_finite_over_784_steps(build):
    keras.utils.set_random_seed(0)
    model = build()
    # after one step of gradient descent, the change of each weight is its gradient
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy", jit_compile=False)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    model.train_on_batch(pixels(8, 784).astype("float32"), np.arange(8))
    for weight, start in zip(model.trainable_weights, before, strict=True):
        gradient = start - keras.ops.convert_to_numpy(weight)
        assert np.isfinite(gradient).all(), weight.path
        assert gradient.any(), weight.path


@pytest.mark.parametrize(
    ("build", "rate", "epochs"),
    [(networks.resonant_digits, 0.03, 6), (networks.horn_digits, 0.05, 12)],
)
def test_layers_learn_digits(build, rate, epochs):
    images, digits = load_digits(return_X_y=True)
    series = (images / 16).astype("float32")[..., None]
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(
        keras.optimizers.Adam(rate, clipnorm=1.0),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # compiling takes longer than these few steps
    )
    model.fit(series[:1297], digits[:1297], epochs=epochs, batch_size=64, verbose=0)
    _, accuracy = model.evaluate(series[1297:], digits[1297:], verbose=0)
    assert accuracy > 0.6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resonance_weights(10, r=1.01), "r must be a number > 0 and <= 1, got 1.01"),
        (lambda: resonance_weights(10, r=0), "r must be"),
        (lambda: resonance_weights([10, 500]), "frequency must be a number > 0 and < 500"),
        (lambda: resonance_weights(0), "frequency must be"),
        (lambda: resonance_weights(10, sfreq=0), "sfreq must be a number > 0, got 0"),
        (lambda: backward_weights(1, 0, dt=-1e-3), "dt must be a number > 0, got -0.001"),
        (lambda: backward_weights(0, 0, 1), "omega must be"),
        (lambda: backward_weights(1, -1, 1), "beta must be"),
        (lambda: oscillator_parameters(0.5, 0.1, 1), "w2 must be a number < 0"),
        (lambda: oscillator_parameters(3, -1, 1), r"w1 \+ w2 must be a number < 1"),
        (lambda: oscillator_parameters(1, -0.5, 0), "dt must be"),
        (lambda: resonance(np.nan, -1), "w1 must be"),
        (lambda: golden_frequencies(250), "low must be a number > 0 and < 250"),
        (lambda: ResonantRNN(r=1.001), "r must be"),
        (lambda: ResonantRNN([10, 600]), "frequency must be a number > 0 and < 500, got 600"),
        (lambda: ResonantRNN([[10, 20]]), "frequencies must be one-dimensional"),
        (lambda: ResonantRNN([]), "frequencies must be one-dimensional"),
        (lambda: ResonantRNN(sfreq=-1), "sfreq must be"),
        (lambda: ResonantRNN(coupling=-0.1), "coupling must be"),
        (lambda: ResonantRNN(coupling=np.zeros((3, 3))), r"coupling must have shape \(11, 11\)"),
        (lambda: ResonantRNN([1, 2], coupling=np.eye(2)), "coupling must have a zero diagonal"),
        (lambda: ResonantRNN()(np.zeros((1, 5, 3), "float32")), "inputs must have 1 feature"),
        (lambda: HarmonicOscillatorRNN(0), "units must be"),
        (lambda: HarmonicOscillatorRNN(step=0), "step must be a number > 0, got 0"),
        (lambda: HarmonicOscillatorRNN(omega=3.2), "omega must be a number > 0 and < 3.14159"),
        (lambda: HarmonicOscillatorRNN(gamma=-0.1), "gamma must be"),
        (lambda: HarmonicOscillatorRNN(4, omega=[0.1, 0.2]), "omega must be a number or 4"),
        (lambda: networks.rnn_digits(0), "units must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@both_layers
def test_traced_signals_are_listed(kind):
    layer = LAYERS[kind]()
    layer(keras.KerasTensor((1, 5, 1)))
    assert set(layer.trace_signals) == set(layer.trace(keras.KerasTensor((1, 5, 1))))
    assert set(layer.trace_signals) < set(layer_signals(layer))
