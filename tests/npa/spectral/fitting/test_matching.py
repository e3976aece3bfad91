"""Peaks are matched by frequency, one to one."""

import numpy as np
import pytest

from npa.spectral.fitting.matching import match_peaks

NONE = [np.nan] * 3


@pytest.mark.parametrize(
    ("peaks", "found"),
    [
        ([[9.0, 0.5, 2.0], [21.0, 0.3, 1.0]], [9.0, 21.0]),
        ([[13.0, 0.5, 2.0], NONE], [np.nan, np.nan]),  # beyond the bandwidth of 2 Hz
        ([[20.5, 0.5, 2.0], [21.5, 0.4, 2.0]], [np.nan, 21.5]),
        ([[20.5, 0.5, 2.0], [9.5, 0.4, 2.0]], [9.5, 20.5]),
        ([NONE, NONE], [np.nan, np.nan]),
    ],
)
def test_nearest_within_the_bandwidth(peaks, found):
    reference = np.array([[10.0, 0.6, 2.0], [21.4, 0.2, 0.5]])
    matched = match_peaks(np.array([peaks]), reference)
    np.testing.assert_array_equal(matched[0, :, 0], found)


def test_a_peak_is_matched_once():
    """Two references share a peak; the nearer one has it."""
    reference = np.array([[10.0, 0.6, 3.0], [11.0, 0.6, 3.0], NONE])
    matched = match_peaks(np.array([[[10.8, 0.5, 2.0]]]), reference)
    np.testing.assert_array_equal(matched[0, :, 0], [np.nan, 10.8, np.nan])
    assert match_peaks(np.empty((4, 0, 3)), reference).shape == (4, 3, 3)
    assert match_peaks(np.full((4, 2, 3), 1.0), np.empty((0, 3))).shape == (4, 0, 3)
