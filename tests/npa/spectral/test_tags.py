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
    np.testing.assert_allclose(spectra.amplitude, 2 / n_times * np.abs(np.fft.rfft(x)), rtol=1e-12)
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
