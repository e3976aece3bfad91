"""Spectral slopes of a layer's signals against the formula, and what the 1/f study relates."""

import tracemalloc
from functools import partial

import keras
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from small_networks import random_weights

from npa.datasets import simulate_recording
from npa.estimators.exponent import PSDExponent
from npa.spectral.slopes import power_law
from npa_ann.networks import sentiment_lstm
from npa_ann.recording.gates import gru_gates, lstm_gates
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.studies.one_over_f.measures import (
    MEASURES,
    PERIODOGRAM,
    REST,
    SETTLED,
    SIGNALS,
    SPECTRUM,
    eeg_slopes,
    layer_alone,
    record_slopes,
    slope_and_error,
    summarize_slopes,
    summed_slope,
    summed_spectrum,
)

COHERENT, SINGLE = (list(MEASURES)[number] for number in (1, 2))


def line_by_hand(cells):
    """Slope of the summed |FFT|^2 of one sequence's cells, (time, cells), without 0 Hz."""
    power = (np.abs(np.fft.rfft(cells, axis=0)) ** 2).sum(axis=1)[1:]
    freqs = np.fft.rfftfreq(len(cells))[1:]
    return np.polyfit(np.log10(freqs), np.log10(power), 1)[0]


def one_layer(weights, kind=keras.layers.LSTM, **options):
    """Network of one recurrent layer, and its weights in double precision."""
    layer = kind(len(weights[1]), name="lstm", **options)
    model = keras.Sequential([keras.Input((None, len(weights[0]))), layer])
    model.set_weights(weights)
    return model, [weight.astype(float) for weight in model.get_weights()]


@pytest.fixture(scope="module")
def network():
    """Small network that reads reviews."""
    rng = np.random.default_rng(1)
    model = sentiment_lstm(vocabulary=13, embedding=3, units=5)
    model.set_weights([rng.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def test_slopes_equal_the_formula_by_hand():
    rng = np.random.default_rng(0)
    model, weights = one_layer(random_weights(rng))
    vectors = rng.normal(size=(5, 100, 3)).astype(np.float32)
    measures = {
        "plain": summed_slope,
        "late": partial(summed_slope, skip=30),
        "added": MEASURES[COHERENT],
        "single": MEASURES[SINGLE],
    }
    slopes = record_slopes(model, vectors, measures, dtype="float64", batch_size=2)
    signals = lstm_gates(weights, vectors.astype(float)) | {"x": vectors.astype(float)}
    assert set(slopes["plain"]) == {*SIGNALS, "x"}
    for name, values in slopes["plain"].items():
        expected = [line_by_hand(cells) for cells in signals[name]]
        np.testing.assert_allclose(values, expected, rtol=1e-8)
    by_hand = {
        "late": lambda cells: line_by_hand(cells[30:]),
        "added": lambda cells: line_by_hand(cells.sum(axis=1, keepdims=True)),
        "single": lambda cells: np.mean([line_by_hand(cell[:, np.newaxis]) for cell in cells.T]),
    }
    for name, measure in by_hand.items():
        expected = [measure(cells) for cells in signals["h"]]
        np.testing.assert_allclose(slopes[name]["h"], expected, rtol=1e-8)
    with pytest.raises(ValueError, match="skip"):
        record_slopes(model, vectors, {"late": partial(summed_slope, skip=95)})


def test_the_public_pipeline_gives_the_same_slopes():
    keras.utils.set_random_seed(0)
    model = sentiment_lstm(vocabulary=20, embedding=4, units=5)
    tokens = np.random.default_rng(0).integers(2, 22, size=(3, 64))
    pipeline = make_pipeline(
        ActivationRecorder(model, "lstm", signals=SIGNALS),
        PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM, aggregate="sum", by="/"),
    ).set_output(transform="pandas")
    table = pipeline.fit_transform(tokens)
    slopes = record_slopes(model, tokens)["as the paper"]
    for name in SIGNALS:
        np.testing.assert_allclose(table[f"lstm/{name}_slope"], slopes[name], rtol=1e-5)


def test_zero_padding_steepens_only_signals_with_a_mean():
    rng = np.random.default_rng(1)
    weights = random_weights(rng, units=20)
    model, _ = one_layer([0.1 * weights[0], 0.02 * weights[1], np.zeros(80)])
    slopes = record_slopes(model, rng.normal(size=(20, 200, 3)), MEASURES)
    plain, padded = (slopes[name] for name in list(MEASURES)[:4:3])
    for gate in ("f", "i", "o"):
        assert abs(plain[gate].mean()) < 0.1
        assert padded[gate].mean() < -0.4
    for signal in ("cc", "x"):
        np.testing.assert_allclose(plain[signal].mean(), padded[signal].mean(), atol=0.1)


def test_every_measure_tells_white_from_brown():
    noise = np.random.default_rng(2).normal(size=(10, 30, 400))
    for name, measure in MEASURES.items():
        np.testing.assert_allclose(measure(noise).mean(), 0, atol=0.1, err_msg=name)
        steep = measure(noise.cumsum(axis=-1)).mean()
        # The jump from last to first sample leaks into high frequencies where nothing tapers it.
        np.testing.assert_allclose(steep, -2, atol=0.45, err_msg=name)


def test_the_slope_of_a_cell_without_power_is_left_out():
    noise = np.random.default_rng(2).normal(size=(1, 1, 5000))
    pair = np.concatenate([noise, noise.cumsum(axis=2), np.ones_like(noise)], axis=1)
    assert MEASURES[SINGLE](pair).round() == -1
    opposite = np.concatenate([noise, -noise.cumsum(axis=2)], axis=1)
    assert MEASURES[COHERENT](opposite).round() == -2


def test_a_decay_is_steep_only_until_it_has_settled():
    decay = np.exp(-np.arange(500) / 5)[np.newaxis, np.newaxis]
    noise = 1e-3 * np.random.default_rng(3).normal(size=(1, 1, 500))
    assert summed_slope(decay + noise)[0] < -0.8
    assert abs(SETTLED["settled"](decay + noise)[0]) < 0.2


def test_a_smooth_drift_has_the_slope_of_the_window():
    drift = np.exp(-np.arange(500) / np.array([30.0, 100.0, 900.0])[:, np.newaxis, np.newaxis])
    # The report names these numbers beside the slopes of networks at rest.
    np.testing.assert_allclose(summed_slope(drift), [-1.71, -1.78, -1.79], atol=0.005)
    np.testing.assert_allclose(SETTLED["settled"](drift), [-6.22, -6.47, -6.62], atol=0.005)


def test_other_recurrent_layers_are_measured_too():
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(2, 50, 3)).astype(np.float32)
    model, weights = one_layer(random_weights(rng, blocks=3), keras.layers.GRU, reset_after=False)
    slopes = record_slopes(model, vectors, signals=("z", "h"), dtype="float64")["as the paper"]
    signals = gru_gates(weights, vectors.astype(float), reset_after=False)
    for name, values in slopes.items():
        expected = [line_by_hand(cells) for cells in signals[name]]
        np.testing.assert_allclose(values, expected, rtol=1e-8)


def test_a_leaky_integrator_has_a_steep_slope():
    rng = np.random.default_rng(2)
    weights = [1e-3 * np.eye(3), 0.99 * np.eye(3), np.zeros(3)]
    model, _ = one_layer(weights, keras.layers.SimpleRNN)
    vectors = rng.normal(size=(15, 3))[rng.integers(0, 15, size=(3, 60))]
    assert (record_slopes(model, vectors, signals=("h",))["as the paper"]["h"] < -1).all()


def test_slopes_of_reviews_are_those_of_the_layer(reviews, network):
    tokens = reviews.tokens[reviews.long_rows()]
    slopes = record_slopes(network, tokens)["as the paper"]
    embedding, *weights = network.get_weights()[:4]
    vectors = embedding[tokens]
    h = lstm_gates(weights, vectors)["h"]
    np.testing.assert_allclose(slopes["h"], summed_slope(np.moveaxis(h, -1, 1)), rtol=1e-6)
    np.testing.assert_allclose(slopes["x"], summed_slope(np.moveaxis(vectors, -1, 1)), rtol=1e-6)
    alone = record_slopes(layer_alone(network), vectors)["as the paper"]
    np.testing.assert_allclose(alone["h"], slopes["h"], rtol=1e-6)


def test_a_network_at_rest_settles(network):
    zeros = np.zeros((1, 500, 3))
    rest = record_slopes(layer_alone(network), zeros, REST, signals=SIGNALS, dtype="float64")
    assert rest["movement"]["h"] < 1e-6
    assert rest["as the paper"]["h"] < -0.5
    assert np.isfinite(rest["settled"]["h"]).all()


def test_figure_3_shows_the_fitted_line(reviews, network):
    cells = np.random.default_rng(5).normal(size=(6, 100)).cumsum(axis=1)
    freqs, power = summed_spectrum(cells[np.newaxis])
    np.testing.assert_allclose(freqs, np.arange(1, 51) / 100)
    assert power.shape == (1, 50)
    np.testing.assert_allclose(summed_slope(cells[np.newaxis]), line_by_hand(cells.T), rtol=1e-8)
    tokens = reviews.tokens[reviews.long_rows()[0]]
    spectra = record_slopes(network, tokens[np.newaxis], SPECTRUM)["spectrum"]
    slopes = record_slopes(network, tokens[np.newaxis])["as the paper"]
    for name in ("h", "x"):
        assert spectra[name].shape == (1, 30)
        line = power_law(np.arange(1, 31) / 60, spectra[name])
        np.testing.assert_allclose(line.slope, slopes[name], rtol=1e-5)


def test_spreads_between_networks_and_reviews_are_kept_apart():
    rng = np.random.default_rng(0)
    networks = rng.normal(-0.8, 0.3, size=(400, 1))
    summary = summarize_slopes(networks + rng.normal(0, 0.05, size=(400, 300)))
    np.testing.assert_allclose(summary["mean"], -0.8, atol=0.05)
    np.testing.assert_allclose(summary["sd_networks"], 0.3, rtol=0.1)
    np.testing.assert_allclose(summary["sd_reviews"], 0.05, rtol=0.02)
    assert summarize_slopes([[-1.0, np.nan, -0.5]])["mean"] == -0.75
    assert summarize_slopes([[-1.0, -0.5]])["sd_networks"] is None
    with pytest.raises(ValueError, match="n_networks, n_reviews"):
        summarize_slopes([-1.0])


def test_reviews_stream_through_in_batches():
    rng = np.random.default_rng(6)
    model = sentiment_lstm(vocabulary=48, embedding=3, units=20)
    tokens = rng.integers(0, 50, size=(3000, 100))
    tracemalloc.start()
    record_slopes(model, tokens, signals=SIGNALS, batch_size=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    everything = tokens.size * len(SIGNALS) * 20 * 4  # bytes of all signals at once
    assert peak < everything / 10


def test_a_slope_that_predicts_the_error_is_found():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 500)
    confidence = rng.uniform(0.01, 0.99, 500)
    probability = np.where(labels == 1, confidence, 1 - confidence)
    relation = slope_and_error(-confidence, probability, labels)
    np.testing.assert_allclose([relation["rho"], relation["auc"]], 1.0)
    assert relation["errors"] == (confidence < 0.5).sum()
    chance = slope_and_error(rng.normal(size=500), probability, labels)
    assert abs(chance["rho"]) < 0.15
    assert abs(chance["auc"] - 0.5) < 0.1
    all_right = np.where(labels == 1, 0.5 + confidence / 2, 0.5 - confidence / 2)
    assert slope_and_error(-confidence, all_right, labels)["auc"] is None


def test_eeg_is_cut_into_epochs_of_equal_length():
    raw, _ = simulate_recording(duration=20.0, exponent=1.0, random_state=0)
    assert len(eeg_slopes(raw)) == len(raw.times) // 500
