"""Spectra in batches equal those of the whole recording, in bounded memory."""

import tracemalloc

import keras
import numpy as np
import pytest

from npa.spectral import power_law, psd
from npa_ann.networks import sentiment_lstm
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.recording.spectra import psd_in_batches
from npa_ann.studies.one_over_f.measures import PERIODOGRAM, SIGNALS, record_slopes


@pytest.fixture(scope="module")
def recorded():
    keras.utils.set_random_seed(0)
    model = sentiment_lstm(vocabulary=20, embedding=4, units=5)
    tokens = np.random.default_rng(0).integers(2, 22, size=(23, 64))
    return ActivationRecorder(model, "lstm", SIGNALS, batch_size=10).fit(tokens), tokens


def test_spectra_in_batches_are_those_of_the_recording(recorded):
    recorder, tokens = recorded
    freqs, summed = psd_in_batches(recorder, tokens)
    data = recorder.transform(tokens).get_data()
    expected_freqs, power = psd(data, 1.0, method="periodogram")
    np.testing.assert_array_equal(freqs, expected_freqs)
    assert list(summed) == [f"lstm/{name}" for name in SIGNALS]
    for number, values in enumerate(summed.values()):
        own = power[:, 5 * number : 5 * number + 5].sum(axis=1)
        np.testing.assert_allclose(values, own, rtol=1e-5, atol=1e-12)


def test_reduced_spectra_give_the_slopes_of_the_study(recorded):
    recorder, tokens = recorded

    def slopes(freqs, power):
        return power_law(freqs, power.sum(axis=1)).slope

    _, found = psd_in_batches(recorder, tokens, slopes, freq_range=(1 / 64, 0.5), **PERIODOGRAM)
    # Batches of the same size: in single precision others round otherwise.
    expected = record_slopes(recorder.model, tokens, batch_size=10)["as the paper"]
    for name in SIGNALS:
        np.testing.assert_allclose(found[f"lstm/{name}"], expected[name], rtol=1e-5)


def test_spectra_can_be_reduced_per_channel(recorded):
    recorder, tokens = recorded
    _, found = psd_in_batches(recorder, tokens, lambda freqs, power: power.argmax(axis=-1))
    assert {values.shape for values in found.values()} == {(23, 5)}
    _, single = psd_in_batches(recorder, tokens[:3], by={"two": ["lstm/f/000", "lstm/h/004"]})
    assert single["two"].shape == (3, 33)


def test_memory_does_not_grow_with_the_inputs(recorded):
    recorder, tokens = recorded
    many = np.tile(tokens, (12, 1))
    recording = len(many) * len(recorder.ch_names_) * many.shape[1] * 8
    tracemalloc.start()
    psd_in_batches(recorder, many, lambda freqs, power: power.sum(axis=(1, 2)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < recording / 5


def test_no_inputs_are_refused(recorded):
    recorder, tokens = recorded
    with pytest.raises(ValueError, match="at least one"):
        psd_in_batches(recorder, tokens[:0])
