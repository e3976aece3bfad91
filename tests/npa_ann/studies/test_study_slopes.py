"""How steep a layer's signals are: the formula by hand, and MNE-style estimators beside it."""

import tracemalloc
from functools import partial

import keras
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from small_networks import random_weights

from npa.estimators.exponent import PSDExponent
from npa_ann.networks import sentiment_lstm
from npa_ann.recording.gates import gru_gates, lstm_gates
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.studies.slopes import (
    MEASURES,
    PERIODOGRAM,
    SETTLED,
    SIGNALS,
    activation_slopes,
    coherent_slope,
    mean_cell_slope,
    review_spectrum,
    summarize_slopes,
    summed_slope,
)


def line_by_hand(cells):
    """Slope of the summed |FFT|^2 of one sequence's cells, (time, cells), without 0 Hz."""
    power = (np.abs(np.fft.rfft(cells, axis=0)) ** 2).sum(axis=1)[1:]
    freqs = np.fft.rfftfreq(len(cells))[1:]
    return np.polyfit(np.log10(freqs), np.log10(power), 1)[0]


def test_slopes_equal_the_formula_by_hand():
    rng = np.random.default_rng(0)
    weights, vectors = random_weights(rng), rng.normal(size=(5, 100, 3))
    measures = {
        "plain": summed_slope,
        "late": partial(summed_slope, skip=30),
        "added": coherent_slope,
        "single": mean_cell_slope,
    }
    slopes = activation_slopes(weights, vectors, measures, signals=(*SIGNALS, "x"), batch_size=2)
    signals = lstm_gates(weights, vectors) | {"x": vectors}
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
        activation_slopes(weights, vectors, {"late": partial(summed_slope, skip=95)})


def test_the_public_pipeline_gives_the_same_slopes():
    keras.utils.set_random_seed(0)
    model = sentiment_lstm(vocabulary=20, embedding=4, units=5)
    tokens = np.random.default_rng(0).integers(2, 22, size=(3, 64))
    pipeline = make_pipeline(
        ActivationRecorder(model, "lstm", signals=SIGNALS),
        PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM, aggregate="sum", by="/"),
    ).set_output(transform="pandas")
    table = pipeline.fit_transform(tokens)
    embedding, *weights = model.get_weights()[:4]
    slopes = activation_slopes(weights, tokens, embedding=embedding)["as the paper"]
    for name in SIGNALS:
        np.testing.assert_allclose(table[f"lstm/{name}_slope"], slopes[name], rtol=1e-5)


def test_zero_padding_steepens_only_signals_with_a_mean():
    rng = np.random.default_rng(1)
    weights = random_weights(rng, units=20)
    weights = [0.1 * weights[0], 0.02 * weights[1], np.zeros(80)]
    vectors = rng.normal(size=(20, 200, 3))
    slopes = activation_slopes(weights, vectors, MEASURES)
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


def test_other_gates_are_read_too():
    rng = np.random.default_rng(4)
    weights, vectors = random_weights(rng, blocks=3), rng.normal(size=(2, 50, 3))
    gates = partial(gru_gates, reset_after=False)
    slopes = activation_slopes(weights, vectors, gates=gates)["as the paper"]
    expected = [line_by_hand(cells) for cells in gates(weights, vectors)["h"]]
    np.testing.assert_allclose(slopes["h"], expected, rtol=1e-8)


def test_figure_3_shows_the_line_that_is_counted():
    cells = np.random.default_rng(5).normal(size=(6, 100)).cumsum(axis=1)
    freqs, power, line = review_spectrum(cells)
    np.testing.assert_allclose(line.slope, line_by_hand(cells.T), rtol=1e-8)
    np.testing.assert_allclose(freqs, np.arange(1, 51) / 100)
    assert power.shape == (50,)


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
    weights = [weight.astype(np.float32) for weight in random_weights(rng, units=20)]
    embedding = rng.normal(size=(50, 3)).astype(np.float32)
    tokens = rng.integers(0, 50, size=(3000, 100))
    tracemalloc.start()
    activation_slopes(weights, tokens, embedding=embedding, signals=SIGNALS, batch_size=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    everything = tokens.size * len(SIGNALS) * 20 * 4  # bytes of all signals at once
    assert peak < everything / 10
