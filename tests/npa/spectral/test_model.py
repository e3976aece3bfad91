import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npa.spectral import aperiodic, gaussians

FREQS = np.linspace(1, 45, 89)  # Hz


def test_background_without_knee_is_a_line_in_log_log():
    line = aperiodic(FREQS, -10.5, 1.7)
    assert_allclose(np.polyfit(np.log10(FREQS), line, 1), [-1.7, -10.5], rtol=1e-10)


def test_knee_halves_the_power_at_the_knee_frequency():
    knee = 10.0**1.5  # bends at 10 Hz
    log_power = aperiodic(np.array([0.0, 10.0]), 2.0, 1.5, knee)
    assert_allclose(log_power[0], 2 - np.log10(knee), rtol=1e-12)
    assert_allclose(log_power[0] - log_power[1], np.log10(2), rtol=1e-12)


def test_background_broadcasts_over_spectra():
    offsets, exponents = np.array([[1.0], [2.0]]), np.array([[0.5], [3.0]])
    both = aperiodic(FREQS, offsets, exponents)
    assert_array_equal(both[1], aperiodic(FREQS, 2.0, 3.0))


def test_background_where_the_logarithm_ends():
    assert aperiodic(0.0, 1.0, 1.0) == np.inf
    assert np.isnan(aperiodic(1.0, 1.0, 1.0, knee=-2.0))


def test_peaks_add_up():
    peaks = np.array([[10.0, 0.8, 1.0], [20.0, 0.3, 2.5]])
    total = gaussians(FREQS, peaks)
    assert_allclose(total, gaussians(FREQS, peaks[:1]) + gaussians(FREQS, peaks[1:]), rtol=1e-12)
    fine = np.linspace(0, 20, 20001)
    shape = gaussians(fine, peaks[:1])
    assert_allclose(fine[shape.argmax()], 10.0, atol=0.001)  # Hz
    assert_allclose(shape.max(), 0.8, rtol=1e-12)
    assert_allclose(np.ptp(fine[shape >= 0.4]), 2 * np.sqrt(2 * np.log(2)), atol=0.002)  # Hz


@pytest.mark.parametrize("none", [[], np.empty((0, 3))])
def test_no_peaks_are_zero(none):
    assert_array_equal(gaussians(FREQS, none), np.zeros(len(FREQS)))


def test_bad_peaks_are_named():
    with pytest.raises(ValueError, match=r"peaks must have shape \(n_peaks, 3\), got \(3,\)"):
        gaussians(FREQS, [10.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="standard deviations > 0"):
        gaussians(FREQS, [[10.0, 1.0, 0.0]])


def test_floor_is_added_to_power():
    freqs = np.array([1.0, 10.0, 100.0])
    expected = np.log10(10**-10.0 / freqs**1.5 + 10**-12.0)
    np.testing.assert_allclose(aperiodic(freqs, -10.0, 1.5, 0.0, -12.0), expected)
