"""Peaks are taken for blinks by their shape, and stand out against the other polarity."""

import numpy as np
import pytest
import scipy

from npa.spectral.blink_peaks import blink_templates, find_blink_peaks
from npa.spectral.eog_events import cut_windows, median_window, window_lags

SFREQ = 100.0
SHAPE = blink_templates(SFREQ, window_lags(SFREQ))[1]
SHAPE = SHAPE / SHAPE.max()


def trace_with(peaks, n_samples=20000, noise=0.1):
    """Return a trace with peaks {sample: height}, on noise of this robust standard deviation."""
    # Evenly distributed within +-b, noise has a median absolute deviation of b / 2.
    even = 2 * (np.arange(n_samples) * 0.618034 % 1) - 1
    trace = noise * 2 / 1.4826 * even
    for at, height in peaks.items():
        trace[at - 50 : at + 51] = height * SHAPE
    return trace


def find(trace, min_blinks=3, signs=(1.0,), span=None):
    span = np.zeros(len(trace), int) if span is None else span
    return find_blink_peaks(trace, span, SFREQ, min_blinks=min_blinks, signs=signs)


AT = np.arange(200, 4000, 400)


def test_templates_are_gaussians_as_the_trace_is_filtered():
    lags = window_lags(SFREQ)
    np.testing.assert_array_equal(lags, np.arange(-50, 51))
    times = np.arange(-1000, 1001) / SFREQ
    sos = scipy.signal.butter(4, (1.0, 10.0), "bandpass", fs=SFREQ, output="sos")
    for template, sd in zip(blink_templates(SFREQ, lags), (0.05, 0.08, 0.12), strict=True):
        expected = scipy.signal.sosfiltfilt(sos, np.exp(-0.5 * (times / sd) ** 2))[950:1051]
        assert template @ expected / np.linalg.norm(expected) == pytest.approx(1, abs=1e-6)


def test_blinks_are_found_with_their_evidence():
    found = find(trace_with(dict.fromkeys(AT, 10.0)))
    np.testing.assert_array_equal(found.peaks, AT)
    assert found.n_events == 10
    np.testing.assert_array_equal(found.signs, 1)
    assert found.height == pytest.approx(10)
    assert found.shape == pytest.approx(1, abs=1e-9)
    assert found.contrast == pytest.approx(1 - 3 * 0.1 / 10, abs=0.01)


def test_contrast_compares_both_polarities():
    down = {at + 200: -4.0 for at in AT[:-1]}
    found = find(trace_with(dict.fromkeys(AT, 10.0) | down))
    assert found.contrast == pytest.approx(0.6, abs=1e-6)
    upside_down = -trace_with(dict.fromkeys(AT, 10.0) | down)
    assert find(upside_down).contrast == 0
    np.testing.assert_array_equal(find(upside_down, signs=(1.0, -1.0)).peaks, AT)


@pytest.mark.parametrize(("sds", "n_blinks"), [(2.5, 0), (3.5, 10)])
def test_peaks_are_three_robust_standard_deviations_high(sds, n_blinks):
    assert find(trace_with(dict.fromkeys(AT, sds * 0.1))).n_events == n_blinks


@pytest.mark.parametrize(("share", "n_blinks"), [(0.35, 5), (0.45, 10)])
def test_tall_peaks_reach_four_tenths_of_the_height(share, n_blinks):
    heights = {at: 10.0 if row % 2 else 10 * share for row, at in enumerate(AT)}
    assert find(trace_with(heights)).n_events == n_blinks


def test_height_is_that_of_the_last_blink_asked_for():
    heights = dict.fromkeys(AT, 1.0) | {AT[0]: 50.0, AT[5]: 40.0}
    assert find(trace_with(heights)).height == pytest.approx(1)
    assert find(trace_with(heights), min_blinks=2).height == pytest.approx(40)
    assert find(trace_with(heights), min_blinks=11).n_events < 11


@pytest.mark.parametrize(("cosine", "n_blinks"), [(0.6, 0), (0.8, 10)])
def test_blinks_have_a_cosine_of_at_least_seven_tenths_with_their_shape(cosine, n_blinks):
    # A bump far from the peak is orthogonal to the narrow shapes, nearly so to the wide one.
    templates = blink_templates(SFREQ, window_lags(SFREQ))
    bump = np.zeros(101)
    bump[2:8], bump[93:99] = 1.0, -1.0
    bump -= np.linalg.pinv(templates) @ (templates @ bump)
    piece = templates[1] + np.tan(np.arccos(cosine)) * bump / np.linalg.norm(bump)
    trace = trace_with({})
    for at in AT:
        trace[at - 50 : at + 51] = 10 * piece / piece.max()
    assert find(trace, min_blinks=10).n_events == n_blinks


@pytest.mark.parametrize(("gap", "n_peaks"), [(0.25, 10), (0.35, 20)])
def test_blinks_are_three_tenths_of_a_second_apart(gap, n_peaks):
    trace = np.zeros(4000)
    narrow = np.exp(-0.5 * (np.arange(-50, 51) / 4.0) ** 2)
    for at in AT:
        trace[at - 50 : at + 51] += 10 * narrow
        second = at + round(gap * SFREQ)
        trace[second - 50 : second + 51] += 9.9 * narrow
    found = find(trace, min_blinks=1000)
    assert len(found.peaks) == n_peaks


def test_rhythms_have_no_contrast():
    rng = np.random.default_rng(0)
    times = np.arange(6000) / SFREQ
    alpha = np.sin(2 * np.pi * 10 * times) * (1 + np.sin(2 * np.pi * 0.1 * times))
    sos = scipy.signal.butter(4, (1.0, 10.0), "bandpass", fs=SFREQ, output="sos")
    for noise in (alpha, np.cumsum(rng.standard_normal(6000)), rng.standard_normal(6000)):
        found = find(scipy.signal.sosfiltfilt(sos, noise))
        assert found.n_events < 3 or found.contrast < 0.15


def test_windows_end_with_their_span():
    span = np.repeat([0, 1], [5, 5])
    pieces = cut_windows(np.arange(10.0), np.array([4, 5]), np.array([-1, 0, 1]), span)
    np.testing.assert_array_equal(pieces, [[3, 4, np.nan], [np.nan, 5, 6]])
    median = median_window(np.arange(10.0), np.array([4]), np.array([-1, 0, 1]), span)
    np.testing.assert_array_equal(median, [3, 4, np.nan])
    trace = trace_with(dict.fromkeys(AT, 10.0))
    halves = np.repeat([0, 1], [AT[5] + 60, 20000 - AT[5] - 60])
    np.testing.assert_array_equal(find(trace, span=halves).peaks, AT)
