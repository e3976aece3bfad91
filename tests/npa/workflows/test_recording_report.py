"""The analysis of one recording: order of the steps, and what they return."""

import mne
import numpy as np
import pandas as pd
import pytest
from small_recording import CHANNELS, SFREQ, looking_around, recording

from npa.estimators.blinks import BlinkICARemover
from npa.estimators.parameterize import FOOOFFitter
from npa.spectral import psd
from npa.workflows.recording_report import (
    analyze_recording,
    mean_spectra,
    save_recording_report,
    spectra_by_step,
)

pytestmark = pytest.mark.filterwarnings("ignore:NeuralPowerAmplifier clips the negative knee")


@pytest.fixture(scope="module")
def with_blinks():
    return recording()


@pytest.fixture(scope="module")
def report(with_blinks):
    return analyze_recording(with_blinks)


@pytest.fixture(scope="module")
def hum():
    """A recording without blinks, under mains hum of 20 uV at 50 Hz."""
    raw = recording(blink_rate=0)
    wave = 20e-6 * np.sin(2 * np.pi * 50 * raw.times)
    return raw.apply_function(lambda x: x + wave, picks="eeg")


def test_steps_are_in_order(report):
    assert list(report.steps) == ["blinks", "amplify", "measure"]
    assert report.blinks is report.steps["blinks"].blinks_
    assert report.filters is report.steps["amplify"].filters_
    assert report.spectrum is report.steps["measure"].spectrum_


def test_steps_work_on_what_came_before(report, with_blinks):
    clean = BlinkICARemover().fit_transform(with_blinks)
    np.testing.assert_array_equal(report.clean.get_data(), clean.get_data())
    amplified = report.steps["amplify"].transform(clean)
    np.testing.assert_array_equal(report.amplified.get_data(), amplified.get_data())
    table = FOOOFFitter().fit_transform(clean)[0]
    np.testing.assert_array_equal(report.table.to_numpy().ravel(), table)


def test_table_has_one_row_per_channel(report):
    assert list(report.table.index) == CHANNELS
    assert list(report.table.columns[:2]) == ["offset", "exponent"]
    np.testing.assert_allclose(report.table["exponent"], 1.0, atol=0.3)  # 1/f^1 was simulated


def test_recording_is_not_changed(with_blinks):
    raw = with_blinks.copy().set_channel_types({"VEOG": "eeg"})
    before, types = raw.get_data().tobytes(), raw.get_channel_types()
    report = analyze_recording(raw, eog="VEOG")
    assert raw.get_data().tobytes() == before
    assert raw.get_channel_types() == types
    assert report.blinks.channel == "VEOG"
    assert "VEOG" not in report.table.index


@pytest.mark.parametrize("line", [50.0, "auto"])
def test_line_noise_goes_first(hum, line):
    report = analyze_recording(hum, line=line)
    assert next(iter(report.steps)) == "line"
    assert not report.blinks.found
    freqs, power = spectra_by_step(report)
    assert list(power) == ["as recorded", "without line noise", "amplified"]
    clean, beside = power["without line noise"], (np.abs(freqs - 50) > 1) & (freqs > 45)
    assert power["as recorded"][freqs == 50] > 100 * clean[beside].max()
    assert clean[freqs == 50] < clean[beside].max()


def test_progress_wraps_the_steps(with_blinks):
    seen = []

    def progress(steps):
        for step in steps:
            yield step
            seen.append(step)

    analyze_recording(with_blinks, progress=progress)
    assert seen == ["blinks", "amplify", "measure"]


@pytest.mark.parametrize("eog", ["EOG9", ["VEOG", "EOG9"]])
def test_missing_eog_is_named(eog, with_blinks):
    with pytest.raises(ValueError, match="eog must name channels of the recording, got EOG9"):
        analyze_recording(with_blinks, eog=eog)


def test_spectra_are_of_the_usable_channels(with_blinks):
    raw = with_blinks.copy()
    raw.info["bads"] = ["O2"]
    freqs, power = spectra_by_step(analyze_recording(raw), fmax=30.0)
    assert list(power) == ["as recorded", "without blinks", "amplified"]
    expected_freqs, each = psd(raw.get_data(CHANNELS[:-1]), SFREQ, freq_range=(0, 30.0))
    np.testing.assert_allclose(freqs, expected_freqs, rtol=1e-12)
    np.testing.assert_allclose(power["as recorded"], each.mean(axis=0), rtol=1e-9)


def test_spectra_name_only_what_was_removed(hum):
    _, power = spectra_by_step(analyze_recording(hum))
    assert list(power) == ["as recorded", "amplified"]


def test_saved_results_are_those_of_the_report(report, tmp_path):
    save_recording_report(report, tmp_path)
    raw = mne.io.read_raw(tmp_path / "clean_raw.fif")
    saved, expected = raw.get_data(), report.amplified.get_data()
    np.testing.assert_allclose(saved, expected, rtol=1e-6, atol=1e-12)  # V, as single floats
    table = pd.read_csv(tmp_path / "spectrum.csv", index_col="channel")
    pd.testing.assert_frame_equal(table, report.table, rtol=1e-5, check_dtype=False)
    figures = {path.name for path in tmp_path.glob("*.png")}
    assert figures == {"blinks.png", "spectrum.png", "filters.png", "psd.png"}


def test_wild_channels_and_other_types_are_not_drawn():
    """Two channels of a thousand times the amplitude, and one of another unit."""
    noise = np.random.default_rng(0).normal(size=(8, 2000))
    raw = mne.io.RawArray(1e-5 * noise, mne.create_info(8, 100.0, "eeg"), verbose=False)
    _, expected = mean_spectra({"all": raw.copy().pick(["0", "1", "2", "3", "4"])})
    raw.set_channel_types({"7": "mag"}, on_unit_change="ignore")
    raw[5:7] = 1e-2 * noise[5:7]
    _, drawn = mean_spectra({"all": raw, "again": raw})
    np.testing.assert_allclose(drawn["all"], expected["all"], rtol=1e-12)
    np.testing.assert_allclose(drawn["again"], expected["all"], rtol=1e-12)
    _, drawn = mean_spectra({"mag": raw.copy().pick(["7"])})
    assert np.isfinite(drawn["mag"]).all()


def test_saccades_are_removed_on_request():
    raw = looking_around()
    report = analyze_recording(raw, artifacts=["blink", "saccade"])
    assert (report.blinks.channel, report.saccades.channel) == ("VEOG", "HEOG")
    assert list(report.figures) == ["blinks", "saccades", "spectrum", "filters", "psd"]
    assert list(spectra_by_step(report)[1])[1] == "without blinks and saccades"
    assert not analyze_recording(raw).saccades.sought
