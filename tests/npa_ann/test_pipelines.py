"""Pipelines: the same estimators measure EEG and recorded networks."""

import keras
import mne
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from npa import (
    BlinkICARemover,
    FOOOFFitter,
    FrequencyTagger,
    NeuralPowerAmplifier,
    PSDExponent,
)
from npa.datasets import simulate_recording
from npa_ann import ActivationRecorder, ContrastFlicker
from npa_ann.networks import resnet, sentiment_lstm

GATES = ("f", "i", "cc", "o", "c_out", "h")


@pytest.fixture(scope="module")
def reviews():
    """Ten reviews of 200 random words."""
    return np.random.default_rng(0).integers(2, 50, size=(10, 200))


@pytest.fixture(scope="module")
def lstm():
    """An untrained LSTM."""
    keras.utils.set_random_seed(0)
    return sentiment_lstm(vocabulary=50, units=6)


def test_raw_to_raw():
    raw, _ = simulate_recording(duration=30.0, ch_names=["Fp1", "Fp2", "Cz", "O1", "O2"])
    amplified = make_pipeline(BlinkICARemover(), NeuralPowerAmplifier()).fit_transform(raw)
    assert isinstance(amplified, mne.io.BaseRaw)


def test_epochs_to_table():
    raw, _ = simulate_recording(duration=40.0, ch_names=["Fp1", "Fp2", "Cz", "O1", "O2"])
    epochs = mne.make_fixed_length_epochs(raw, 10.0, preload=True)
    pipeline = make_pipeline(BlinkICARemover(), FOOOFFitter()).set_output(transform="pandas")
    assert "O1_exponent" in pipeline.fit_transform(epochs)


def test_recurrent_network_to_slopes(lstm, reviews):
    """Untrained cells integrate: the spectra of h are steeper than those of the candidates."""
    pipeline = make_pipeline(
        ActivationRecorder(lstm, layer="lstm", signals=GATES),
        PSDExponent(aggregate="sum", by="/"),
    ).set_output(transform="pandas")
    table = pipeline.fit_transform(reviews)
    assert isinstance(table, pd.DataFrame)
    assert list(table) == [f"lstm/{gate}_slope" for gate in GATES]
    assert len(table) == len(reviews)
    assert np.isfinite(table.to_numpy()).all()
    means = table.mean()
    assert means["lstm/h_slope"] < means["lstm/cc_slope"] - 0.3  # slope, cycles per token


def test_convolutional_network_to_tags():
    """The frequencies of both halves and their combinations appear in an untrained network."""
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(0.2, 1.0, size=(2, 32, 32, 3))
    pipeline = make_pipeline(
        ContrastFlicker(frequencies=(6.0, 7.5), regions="halves", fps=120, duration=2.0),
        ActivationRecorder(resnet(8), layer=["relu_1", "relu_4"]),
        FrequencyTagger(frequencies=(6.0, 7.5)),
    ).set_output(transform="pandas")
    table = pipeline.fit_transform(images)
    assert isinstance(table, pd.DataFrame)
    assert len(table) == len(images)
    assert "relu_1/filter/003_snr_f1" in table
    assert "relu_4/filter/012_snr_2f1" in table
    assert "relu_4/filter/012_snr_2f1-f2" in table
    assert np.nanmax(table.filter(like="_snr_f1")) > 100


def test_estimators_take_cycles_per_token(lstm, reviews):
    """Every estimator works on a recording with one sample per token."""
    epochs = ActivationRecorder(lstm, layer="lstm", signals="h").fit_transform(reviews)
    assert epochs.info["sfreq"] == 1.0
    fitter = FOOOFFitter(freq_range=(0.02, 0.45), peak_width_limits=(0.02, 0.2), aggregate="mean")
    exponent = fitter.set_output(transform="pandas").fit_transform(epochs)["all_exponent"]
    slope = PSDExponent((0.02, 0.45), aggregate="mean").fit(epochs).slopes_.slope[:, 0]
    np.testing.assert_allclose(exponent, -slope, atol=0.7)  # the same exponent, by two models
    tagger = FrequencyTagger(0.1, n_harmonics=1)
    assert tagger.fit_transform(epochs).shape == (10, 6)
    whitener = NeuralPowerAmplifier(
        FOOOFFitter(freq_range=(0.02, 0.45), peak_width_limits=(0.02, 0.2), max_n_peaks=0),
        response="whitening",
    )
    flat = PSDExponent((0.05, 0.4), aggregate="mean").fit(whitener.fit_transform(epochs))
    steep = PSDExponent((0.05, 0.4), aggregate="mean").fit(epochs)
    assert abs(flat.slopes_.slope.mean()) < abs(steep.slopes_.slope.mean()) / 2
