"""Spectra of frequency tags, against values by hand."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from npa.spectral.tags import corrected_p_values, tag_spectra, whole_period_length

SFREQ = 120.0


@pytest.mark.parametrize("n_times", [240, 241])
def test_amplitude_and_excluded_bins(n_times):
    x = np.random.default_rng(0).normal(size=(2, 1, n_times))
    spectra = tag_spectra(x, SFREQ, SFREQ * 12 / n_times, n_harmonics=2, max_order=1)
    expected = 2 / n_times * np.abs(np.fft.rfft(x))
    expected[..., [0, 120] if n_times == 240 else 0] /= 2
    np.testing.assert_allclose(spectra.amplitude, expected, rtol=1e-12)
    assert spectra.bins.tolist() == [12, 24]
    assert spectra.excluded == [0, 12, 24] + [120] * (n_times == 240)
    np.testing.assert_allclose(spectra.freqs[12], SFREQ * 12 / n_times, rtol=1e-12)


def test_channels_without_power_are_nan():
    x = np.stack([np.ones(240), np.sin(2 * np.pi * 6 * np.arange(240) / SFREQ)])[np.newaxis]
    amplitude = tag_spectra(x, SFREQ, 6.0).measure("amplitude")
    assert np.isnan(amplitude[0, 0]).all()
    np.testing.assert_allclose(amplitude[0, 1, 0], 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("n_times", "tags", "order", "expected"),
    [(257, [6.0, 7.5], 1, 240), (240, [6.0], 1, 240), (12, [6.0], 1, 20), (59, [6.0], 4, 40)],
)
def test_cropped_length_holds_whole_periods(n_times, tags, order, expected):
    assert whole_period_length(n_times, tags, SFREQ, order, crop=True) == expected
    for tag in tags:
        assert (expected * tag / SFREQ) % 1 == 0


def test_p_values_are_corrected_over_channels_and_bins():
    p = np.random.default_rng(1).uniform(size=(3, 4))
    p[:, 2] = p[:, 0]  # two terms of one bin
    p[1, 3] = np.nan
    corrected = corrected_p_values(p, np.array([7, 9, 7, 11]))
    once = p[:, [0, 1, 3]]
    known = ~np.isnan(once)
    expected = false_discovery_control(once[known])
    np.testing.assert_allclose(corrected[:, [0, 1, 3]][known], expected, rtol=1e-14)
    np.testing.assert_array_equal(corrected[:, 2], corrected[:, 0])
    assert np.isnan(corrected[1, 3])


def test_amplitude_is_that_of_a_constant_and_of_the_nyquist_frequency():
    times = np.arange(240) / SFREQ
    x = 3.0 + 2.0 * np.cos(2 * np.pi * 60 * times) + np.sin(2 * np.pi * 6 * times)
    amplitude = tag_spectra(x[np.newaxis, np.newaxis], SFREQ, 6.0).amplitude[0, 0]
    np.testing.assert_allclose(amplitude[[0, 12, 120]], [3.0, 1.0, 2.0], rtol=1e-12)


def test_noise_is_at_least_the_rounding_error():
    """In a sine alone, SNR is the amplitude over 2.2e-16 of the RMS, not a ratio of rounding."""
    eps = np.finfo(float).eps
    for scale in (1.0, 1e-6):
        x = scale * np.sin(2 * np.pi * 6 * np.arange(240) / SFREQ)
        spectra = tag_spectra(x[np.newaxis, np.newaxis], SFREQ, 6.0)
        np.testing.assert_allclose(spectra.floor, eps * scale / np.sqrt(2), rtol=1e-9)
        for power in (False, True):
            largest = (np.sqrt(2) / eps) ** (1 + power)
            snr = spectra.measure("snr", power=power)[0, 0]
            assert 0.01 * largest < snr[0] <= largest * (1 + 1e-9)
            assert spectra.measure("zscore", power=power)[0, 0, 0] <= largest * (1 + 1e-9)
    silent = np.zeros((1, 1, 240))
    silent[..., 0] = 1.0  # flat spectrum: no floor applies
    np.testing.assert_allclose(tag_spectra(silent, SFREQ, 6.0).measure("snr"), 1.0, rtol=1e-9)


@pytest.mark.parametrize(("changing", "known"), [(10, True), (7, False)])
def test_changes_of_rounding_alone_have_no_amplitude(changing, known):
    """On an offset of 1, changes of less than 8 times 2.2e-16 are rounding."""
    times = np.arange(240) / 120
    wave = changing * np.finfo(float).eps * np.sin(2 * np.pi * 6 * times)
    spectra = tag_spectra((1 + wave)[np.newaxis, np.newaxis], 120.0, 6.0, n_harmonics=1)
    assert np.isfinite(spectra.amplitude).all() == known


@pytest.mark.parametrize(("miss", "fits"), [(0.0095, True), (0.0105, False)])
def test_tags_lie_within_a_hundredth_of_a_bin(miss, fits):
    frequency = (12 + miss) / 2.0
    found = whole_period_length(240, [frequency], 120.0) if fits else None
    assert found in (240, None)
    if not fits:
        with pytest.raises(ValueError, match="must lie on bins"):
            whole_period_length(240, [frequency], 120.0)
