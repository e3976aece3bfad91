"""Steps are found, and told from pulses, rhythms and noise."""

import numpy as np
import pytest
import scipy

from npa.spectral.saccade_peaks import SACCADE_BAND, find_saccade_peaks, step_heights

SFREQ = 200.0
ONE_SPAN = np.zeros(12000, int)
TIMES = np.arange(12000) / SFREQ


def filtered(trace):
    sos = scipy.signal.butter(4, SACCADE_BAND, "bandpass", fs=SFREQ, output="sos")
    return scipy.signal.sosfiltfilt(sos, trace)


def find(trace, **kwargs):
    return find_saccade_peaks(trace, ONE_SPAN, SFREQ, **{"min_saccades": 3} | kwargs)


def pulses(width, every=6):
    """Rise and fall, some ms later, in turn up and down."""
    trace = np.zeros(12000)
    for number, at in enumerate(np.arange(3, 58, every)):
        trace[(at <= TIMES) & (at + width > TIMES)] = (-1.0) ** number
    return filtered(trace)


def test_height_of_a_step_and_of_what_is_none():
    ramp = np.clip((TIMES - 30) / 0.04, 0, 1)
    longer = np.clip((TIMES - 30) / 0.07, 0, 1)
    pulse = ((TIMES >= 30) & (TIMES < 30.15)).astype(float)
    height = {
        name: step_heights(trace, ONE_SPAN, SFREQ).max()
        for name, trace in {"ramp": ramp, "longer": longer, "pulse": pulse}.items()
    }
    # A saccade of 0.07 s is longer than the gap; the mean over 0.2 s sees the pulse return.
    assert height["ramp"] == pytest.approx(1, abs=1e-6)
    assert height["longer"] == pytest.approx(0.99919, abs=3e-4)
    assert height["pulse"] == pytest.approx(0.970, abs=0.02)


def test_rhythms_make_no_steps():
    alpha = np.sin(2 * np.pi * 10 * TIMES)
    assert np.abs(step_heights(alpha, ONE_SPAN, SFREQ)).max() < 0.1


def test_steps_end_with_their_span():
    trace = np.where(TIMES < 30, 0.0, 1.0)
    heights = step_heights(trace, (TIMES >= 30).astype(int), SFREQ)
    np.testing.assert_allclose(heights, 0, atol=1e-12)


def test_steps_up_and_down_are_found():
    found = find(pulses(2.5) + 0.01 * np.random.default_rng(0).standard_normal(12000))
    assert found.n_events == 20
    expected = np.sort(np.concatenate([np.arange(3, 58, 6), np.arange(5.5, 60, 6)]))
    np.testing.assert_allclose(found.peaks / SFREQ, expected, atol=0.03)  # s
    np.testing.assert_array_equal(found.signs, np.tile([1, -1, -1, 1], 5))
    assert found.shape > 0.95
    assert found.contrast > 0.6


def test_none_are_found_where_excluded():
    trace = pulses(2.5) + 0.01 * np.random.default_rng(0).standard_normal(12000)
    found = find(trace, excluded=TIMES < 30)
    assert found.n_events == 10
    assert found.peaks.min() / SFREQ > 30


def test_short_pulses_are_not_steps():
    # The rise and the fall have a cosine of 0.78 with a step, and the ringing on one side of 0.8.
    found = find(pulses(0.15))
    assert found.n_events == 20
    assert found.shape == pytest.approx(0.779, abs=0.01)
    # Closer than 0.2 s, the smaller of two steps does not count; here all four sides do.
    assert find(pulses(0.17)).n_events == 40


@pytest.mark.parametrize("minutes", [1, 20])
@pytest.mark.parametrize("exponent", [0, 2])
def test_noise_has_no_contrast_whatever_its_length(exponent, minutes):
    rng = np.random.default_rng(0)
    n = minutes * 12000
    freqs = np.maximum(np.fft.rfftfreq(n, 1 / SFREQ), 0.3)
    trace = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * freqs ** (-exponent / 2), n)
    found = find_saccade_peaks(filtered(trace), np.zeros(n, int), SFREQ, min_saccades=3)
    assert found.contrast < 0.1
