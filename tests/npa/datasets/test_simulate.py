"""Simulated recordings have the stated parameters."""

import mne
import numpy as np
import pytest

from npa.datasets import simulate_recording
from npa.spectral import psd

UV = 1e-6


@pytest.mark.parametrize("knee", [0.0, 50.0])
@pytest.mark.parametrize("exponent", [0.5, 1.5, 2.5])
def test_every_channel_has_the_stated_background(exponent, knee):
    _, truth = simulate_recording(duration=300, exponent=exponent, knee=knee, random_state=1)
    freqs, power = psd(truth.background.get_data("eeg"), 256.0, freq_range=(1, 45))
    model = -np.log10(knee + freqs**exponent)
    rest = np.log10(power) - model
    rest -= rest.mean(axis=1, keepdims=True)
    lows, highs = rest[:, freqs < 6].mean(axis=1), rest[:, freqs > 30].mean(axis=1)
    np.testing.assert_allclose(lows, highs, atol=0.06)  # log10 units, over 300 s
    steps = np.array_split(rest.mean(axis=0), 8)
    np.testing.assert_allclose([np.mean(step) for step in steps], 0, atol=0.02)  # log10 units


def test_background_amplitude_holds_in_the_median_channel():
    _, truth = simulate_recording(background_amplitude=12 * UV, exponent=1.5, random_state=2)
    freqs, power = psd(truth.background.get_data("eeg"), 256.0, freq_range=(1, 45))
    rms = np.sqrt(power.sum(axis=1) * (freqs[1] - freqs[0]))
    assert np.median(rms) == pytest.approx(12 * UV, abs=1.5 * UV)


def test_rhythms_are_where_and_as_strong_as_stated():
    settings = {"alpha_freq": 9.3, "alpha_amplitude": 20 * UV, "beta_freq": 22.0}
    raw, truth = simulate_recording(**settings, beta_amplitude=10 * UV, random_state=3)
    rhythms = truth.clean.get_data("eeg") - truth.background.get_data("eeg")
    freqs, power = psd(rhythms, 256.0, freq_range=(1, 45))
    at = {name: power[raw.ch_names.index(name)] for name in ("Oz", "O1", "C3")}
    alpha, beta = freqs < 15, freqs > 16
    centre = np.average(freqs[alpha], weights=at["O1"][alpha])
    assert centre == pytest.approx(9.3, abs=0.15)  # Hz
    assert freqs[beta][at["C3"][beta].argmax()] == pytest.approx(22.0, abs=1.0)  # Hz
    rms = np.sqrt(power[:, alpha].sum(axis=1) * (freqs[1] - freqs[0]))
    assert rms.max() == pytest.approx(20 * UV, rel=0.25)
    assert rms.argmax() in [raw.ch_names.index(name) for name in ("O1", "Oz", "O2", "PO3", "PO4")]


def test_rhythms_vary_in_amplitude():
    _, truth = simulate_recording(alpha_amplitude=20 * UV, beta_amplitude=0, random_state=4)
    rhythm = (truth.clean.get_data("O1") - truth.background.get_data("O1"))[0]
    rms = np.sqrt((rhythm[: 256 * 119].reshape(-1, 64) ** 2).mean(axis=1))  # V per quarter s
    assert rms.min() < 0.1 * rms.max()


def test_blinks_peak_at_the_frontal_pole_and_at_their_times():
    names = mne.channels.make_standard_montage("biosemi64").ch_names
    raw, truth = simulate_recording(
        ch_names=names, blink_rate=15, blink_amplitude=200 * UV, random_state=5
    )
    blinks = raw.get_data("eeg") - truth.clean.get_data("eeg")
    assert len(truth.blink_times) == 30
    assert np.diff(truth.blink_times).min() > 0.4 * 4.0
    at_peaks = blinks[:, raw.time_as_index(truth.blink_times, use_rounding=True)]
    np.testing.assert_allclose(at_peaks.mean(axis=1), truth.blink_topography, rtol=0.15)
    order = np.argsort(-truth.blink_topography)
    assert {names[index] for index in order[:3]} == {"Fp1", "Fpz", "Fp2"}
    assert truth.blink_topography.max() == pytest.approx(200 * UV)
    fall = dict(zip(names, truth.blink_topography / truth.blink_topography.max(), strict=True))
    assert fall["AF7"] < 0.8
    assert fall["Fz"] < 0.4
    assert fall["Oz"] < 0.2


def test_other_montages_have_their_electrodes():
    raw, truth = simulate_recording(duration=10, montage="biosemi128", eog=False, random_state=5)
    montage = mne.channels.make_standard_montage("biosemi128")
    assert raw.ch_names == montage.ch_names
    places = montage.get_positions()["ch_pos"]
    assert max(places, key=lambda name: places[name][1]) == "C17"  # above the nose
    assert raw.ch_names[truth.blink_topography.argmax()] in ("C16", "C17", "C29")
    with pytest.raises(ValueError, match="montage must be one of .*, got 'biosemi129'"):
        simulate_recording(montage="biosemi129")


def test_blinks_are_large_in_veog_and_small_in_heog():
    raw, truth = simulate_recording(random_state=6)
    assert raw.get_channel_types()[-2:] == ["eog", "eog"]
    blinks = raw.get_data("eog") - truth.clean.get_data("eog")
    assert blinks[0].max() > 200 * UV
    assert blinks[1].max() < 40 * UV
    bare, _ = simulate_recording(random_state=6, eog=False)
    assert "eog" not in bare


def test_line_noise():
    raw, truth = simulate_recording(line_freq=50, line_amplitude=10 * UV, random_state=7)
    freqs, power = psd(raw.get_data("eeg"), 256.0)
    amplitude = np.sqrt(power[:, np.abs(freqs - 50) < 1].sum(axis=1) * (freqs[1] - freqs[0]))
    assert np.median(amplitude) == pytest.approx(10 * UV, rel=0.25)
    assert raw.info["line_freq"] == 50
    _, quiet = simulate_recording(random_state=7)
    np.testing.assert_array_equal(truth.background.get_data(), quiet.background.get_data())


def test_same_seed_same_recording():
    first, _ = simulate_recording(duration=10, random_state=8)
    again, _ = simulate_recording(duration=10, random_state=np.random.default_rng(8))
    other, _ = simulate_recording(duration=10, random_state=9)
    np.testing.assert_array_equal(first.get_data(), again.get_data())
    assert not np.allclose(first.get_data(), other.get_data())


def test_no_blinks():
    raw, truth = simulate_recording(duration=20, blink_rate=0, random_state=10)
    assert truth.blink_times.size == 0
    np.testing.assert_array_equal(raw.get_data(), truth.clean.get_data())


def test_channels_are_full_rank_and_have_positions():
    raw, truth = simulate_recording(duration=20, random_state=11)
    data = truth.clean.get_data("eeg")
    assert np.linalg.matrix_rank(data) == len(data) == 32
    places = raw.get_montage().get_positions()["ch_pos"]
    assert places["Fp1"][1] > places["Cz"][1] > places["Oz"][1]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"duration": 0.0}, ValueError, "duration must be a number >= 1 and"),
        ({"sfreq": "fast"}, TypeError, "sfreq must be a number, got 'fast'"),
        ({"knee": -1.0}, ValueError, "knee must be a number >= 0"),
        ({"alpha_freq": 200.0}, ValueError, "alpha_freq must be a number > 0 and < 128"),
        ({"line_freq": 128.0}, ValueError, "line_freq must be"),
        ({"blink_rate": 100}, ValueError, "blink_rate must be a number >= 0 and <= 60, got 100"),
        ({"ch_names": ["Fp1", "Nose"]}, ValueError, r"ch_names must be .* got \['Nose'\]"),
        ({"ch_names": ["Fp1", "Fp1"]}, ValueError, "ch_names must be different electrodes"),
        ({"ch_names": []}, ValueError, "ch_names must be"),
    ],
)
def test_bad_arguments_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        simulate_recording(**settings)
