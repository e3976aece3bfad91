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
