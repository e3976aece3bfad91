"""Windows of the line's fit, and what their context must hold."""

import numpy as np
import pytest

from npa.spectral.line_noise import subtract_sinusoids, whole_period_window, window_context

SFREQ = 250.0


@pytest.mark.parametrize("window", [100, 125])
@pytest.mark.parametrize(("start", "stop"), [(0, 130), (700, 900), (1200, 1333), (1000, 1001)])
def test_a_block_with_its_context_equals_the_whole(window, start, stop):
    x = np.random.default_rng(0).normal(size=(2, 1333))
    x += 3 * np.sin(2 * np.pi * 50 * np.arange(1333) / SFREQ)
    freqs = np.array([50.0])
    whole = subtract_sinusoids(x, SFREQ, freqs, window)
    first, last = window_context(start, stop, 1333, window)
    assert max(start - first, last - stop) <= 3 * window
    part = subtract_sinusoids(x[:, first:last], SFREQ, freqs, window)
    np.testing.assert_allclose(
        part[:, start - first : stop - first], whole[:, start:stop], atol=1e-12
    )


def test_windows_hold_whole_periods():
    assert whole_period_window(2503, np.array([50.0, 100.0]), SFREQ) == 2500
    assert whole_period_window(512, np.array([60.0]), 256.0) == 512


@pytest.mark.parametrize("n_times", [1000, 1001, 1049, 1099, 1333])
@pytest.mark.parametrize("window", [100, 125, 500])
def test_the_line_is_gone_up_to_the_first_and_the_last_sample(n_times, window):
    """Whatever remains beyond the last regular window."""
    rng = np.random.default_rng(n_times)
    noise = 0.01 * rng.normal(size=(3, n_times))
    phases = np.array([[0.0], [1.0], [2.5]])
    hum = np.sin(2 * np.pi * 50 * np.arange(n_times) / SFREQ + phases)
    left = subtract_sinusoids(hum + noise, SFREQ, np.array([50.0]), window) - noise
    for edge in (left[:, :25], left[:, -25:], left):
        assert np.abs(edge).max() < 0.01  # of an amplitude of 1


def test_the_context_of_a_block_is_two_windows_where_it_can_be():
    # Windows of 100 start every 50 samples; those around the block, and one more on each side.
    assert window_context(1000, 1100, 5000, 100) == (900, 1200)
    assert window_context(0, 100, 5000, 100)[0] == 0
    assert window_context(4950, 5000, 5000, 100)[1] == 5000
