"""Objects that NumPy would make an array of are refused by type, with what to give instead."""

import importlib
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
from noise_recording import SFREQ, make_raw

from npa import (
    BlinkICARemover,
    FOOOFFitter,
    FrequencyTagger,
    LineNoiseRemover,
    NeuralPowerAmplifier,
    PSDExponent,
    transform_to,
)
from npa.recordings.containers import read_signals
from npa.trials import collect_trials
from npa.workflows.blocks import fit_in_blocks
from npa.workflows.recording_report import analyze_recording


@pytest.fixture(scope="module")
def lookalikes():
    """Each object, with the error, the name of its type, and the way to go."""
    raw = make_raw()
    epochs = mne.make_fixed_length_epochs(raw, 1.0, preload=True)
    times = np.random.default_rng(0).normal(size=(4, 200))
    stc = mne.SourceEstimate(times, [np.arange(2), np.arange(2)], 0.0, 0.01)
    spectra = r"signals: give the Raw or Epochs .* npa.spectral.fit_spectra"
    return {
        "spectrum": (raw.compute_psd(verbose=False), TypeError, "Spectrum", spectra),
        "epochs spectrum": (
            epochs.compute_psd(verbose=False),
            TypeError,
            "EpochsSpectrum",
            spectra,
        ),
        "tfr": (
            epochs.compute_tfr("morlet", np.arange(20.0, 30.0), picks="eeg", verbose=False),
            TypeError,
            "EpochsTFR",
            "power over time",
        ),
        "evoked": (epochs.average(), TypeError, "EvokedArray", "mne.EpochsArray"),
        "sources": (stc, TypeError, "SourceEstimate", r"\.data\[np.newaxis\]"),
        "raws": ([raw, raw], TypeError, "list of RawArray", "mne.concatenate_raws"),
        "epochs": ((epochs, epochs), TypeError, "list of Epochs", "mne.concatenate_epochs"),
        "text": ("a_raw.fif", TypeError, "str", "mne.io.read_raw"),
        "path": (Path("a_raw.fif"), TypeError, "Path", "mne.io.read_raw"),
        "paths": (["a_raw.fif"], TypeError, "list of str", "one recording after the other"),
        "array of text": (np.array([["a_raw.fif"]]), TypeError, "array of str", "one recording"),
        "samples": (raw.to_data_frame(), TypeError, "DataFrame", "to_numpy"),
        "electrodes": (
            pd.DataFrame(raw.get_data(picks="eeg").T, columns=["Fz", "Cz", "Oz"]),
            TypeError,
            "DataFrame of samples by channels",
            r"\.T\[np.newaxis\]",
        ),
        "complex": (np.ones((2, 2, 100), complex), ValueError, "complex128", "real part"),
        "1-D": (np.ones(100), ValueError, r"\(100,\)", "Reshape your data"),
        "dict": ({"a": raw}, TypeError, "dict", "one recording after the other"),
    }


KINDS = [
    "spectrum",
    "epochs spectrum",
    "tfr",
    "evoked",
    "sources",
    "raws",
    "epochs",
    "text",
    "path",
    "paths",
    "array of text",
    "samples",
    "electrodes",
    "complex",
    "1-D",
    "dict",
]


@pytest.mark.parametrize("kind", KINDS)
def test_estimators_refuse_lookalikes(lookalikes, kind):
    lookalike, error, type_name, way = lookalikes[kind]
    estimators = [FOOOFFitter, PSDExponent, NeuralPowerAmplifier, LineNoiseRemover]
    for sfreq in (None, SFREQ):
        for estimator in [*estimators, lambda sfreq: FrequencyTagger(10.0, sfreq=sfreq)]:
            with pytest.raises(error, match=rf"(?s){type_name}.*{way}"):
                estimator(sfreq=sfreq).fit(lookalike)
    with pytest.raises(error, match=rf"(?s){type_name}.*{way}"):
        BlinkICARemover().fit(lookalike)
    fitted = LineNoiseRemover(30.0).fit(make_raw())
    with pytest.raises(error, match=rf"(?s){type_name}.*{way}"):
        fitted.transform(lookalike)


@pytest.mark.parametrize("kind", ["epochs spectrum", "evoked", "raws", "path", "dict", "samples"])
def test_other_entrances_refuse_lookalikes(lookalikes, kind, tmp_path):
    lookalike, error, type_name, way = lookalikes[kind]
    fitted = LineNoiseRemover(30.0).fit(make_raw())
    calls = [
        lambda: read_signals(lookalike, sfreq=SFREQ),
        lambda: transform_to(fitted, lookalike, tmp_path / "a_raw.fif"),
        lambda: fit_in_blocks(fitted, lookalike),
        lambda: analyze_recording(lookalike),
    ]
    if kind != "raws":  # the runs of a subject
        calls.append(lambda: collect_trials({"ann": lookalike}, {"face": 1}))
    for call in calls:
        with pytest.raises(error, match=rf"(?s){type_name}.*{way}"):
            call()


@pytest.mark.parametrize("kind", ["epochs spectrum", "evoked", "raws", "path", "samples"])
def test_entrances_for_arrays_refuse_lookalikes(lookalikes, kind):
    decoder = pytest.importorskip("npa_ann.decoding").LSTMDecoder()
    flicker = importlib.import_module("npa_ann").ContrastFlicker(6.0)
    lookalike, error, type_name, way = lookalikes[kind]
    for call in (lambda: decoder.fit(lookalike, [0, 1]), lambda: flicker.fit(lookalike)):
        with pytest.raises(error, match=rf"(?s){type_name}.*{way}"):
            call()
    with pytest.raises(TypeError, match=r"RawArray, which is a recording: .*X.get_data\(\)"):
        decoder.fit(make_raw(), [0])


def test_arrays_of_numbers_in_any_dress_are_taken():
    x = np.random.default_rng(0).normal(size=(6, 300))
    expected = PSDExponent(sfreq=SFREQ).fit_transform(x)
    for same in (x.tolist(), x.astype(object), pd.DataFrame(x), x[:, np.newaxis]):
        np.testing.assert_allclose(PSDExponent(sfreq=SFREQ).fit_transform(same), expected)
