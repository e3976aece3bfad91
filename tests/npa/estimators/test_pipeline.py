"""The analysis of a recording as one scikit-learn pipeline, over recordings and epochs."""

import hashlib

import mne
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from npa import BlinkICARemover, FOOOFFitter, NeuralPowerAmplifier
from npa.datasets import simulate_recording

RECORDINGS = [
    "eegbci/S001R01.edf",
    "eegbci/S001R02.edf",
    "eegbci/S001R03.edf",
    "eegbci/S001R04.edf",
    "eeglab/eeglab_data.set",
]

pytestmark = pytest.mark.filterwarnings(
    "ignore:NeuralPowerAmplifier clips the negative knee",
    "ignore:Limited 1 annotation:RuntimeWarning",
)


def analysis_pipeline(**kwargs):
    """Make the analysis pipeline; the table is of eight channels, for time's sake."""
    steps = BlinkICARemover(**kwargs), NeuralPowerAmplifier(), FOOOFFitter(picks=slice(0, 8))
    return make_pipeline(*steps).set_output(transform="pandas")


def digest(recording):
    """Hash the samples of a Raw or Epochs."""
    return hashlib.sha256(recording.get_data().tobytes()).hexdigest()


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_real_recording(name, data_dir):
    raw = mne.io.read_raw(data_dir / name, preload=True)
    before = digest(raw)
    eog = ["EOG1", "EOG2"] if "EOG1" in raw.ch_names else None
    table = analysis_pipeline(eog=eog).fit_transform(raw)
    assert isinstance(table, pd.DataFrame)
    exponents = table.filter(regex="_exponent$")
    assert exponents.shape == (1, 8)
    assert list(exponents) == [f"{name}_exponent" for name in raw.ch_names[:8]]
    assert np.isfinite(exponents).all(axis=None)
    assert digest(raw) == before


def test_every_channel_of_simulated_epochs():
    names = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]
    raw, _ = simulate_recording(duration=40.0, ch_names=names, random_state=0)
    epochs = mne.make_fixed_length_epochs(raw, 8.0, preload=True, verbose=False)
    before = digest(epochs)
    pipeline = analysis_pipeline()
    table = pipeline.fit_transform(epochs)
    assert table.shape[0] == 5
    assert [f"{name}_exponent" in table for name in ("Fp1", "C3", "O2")] == [True] * 3
    assert list(pipeline.get_feature_names_out()) == list(table)
    assert digest(epochs) == before


def test_all_channels_bad_is_refused():
    raw, _ = simulate_recording(duration=20.0, ch_names=["Fp1", "Fp2", "O1"], eog=False)
    raw.info["bads"] = list(raw.ch_names)
    for step in analysis_pipeline():
        with pytest.raises(ValueError, match="bad"):
            clone(step).fit(raw)
