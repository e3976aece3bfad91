"""The expected spectrum of steep noise is predicted, with windows and with tapers."""

from dataclasses import replace

import numpy as np
import pytest

from npa.spectral import psd
from npa.spectral.leakage import spectral_window

SFREQ, EXPONENT = 64.0, 2.5


def log_power(freqs):
    """Return log10 of the true power, which is constant below 0.3 Hz."""
    return -EXPONENT * np.log10(np.maximum(freqs, 0.3))[np.newaxis]


def steep_noise(n_signals, n_times):
    """Simulate stationary noise with this spectrum."""
    rng = np.random.default_rng(0)
    freqs = np.fft.rfftfreq(4 * n_times, 1 / SFREQ)
    white = rng.standard_normal((n_signals, len(freqs), 2)) @ [1, 1j]
    amplitude = np.sqrt(10 ** log_power(freqs)[0] * SFREQ * n_times)
    return np.fft.irfft(white * amplitude)[:, :n_times]


@pytest.mark.parametrize(
    ("options", "rtol"),
    [
        ({"n_per_seg": 256}, 0.05),
        ({"n_per_seg": 256, "n_fft": 512}, 0.05),
        ({"method": "multitaper", "n_per_seg": 256}, 0.15),
        ({"method": "periodogram"}, 0.15),
    ],
)
def test_ratio_of_the_expected_spectrum_to_the_true_one(options, rtol):
    """Power at 1 Hz is 1.1 times the truth in Hann windows of 4 s, and 4 times with 7 tapers."""
    n_times = 640 if options.get("method") == "periodogram" else 6400
    x = steep_noise(600, n_times)
    all_freqs, power = psd(x, SFREQ, freq_range=(0.05, 28), **options)
    fitted = all_freqs >= 1
    length = options.get("n_per_seg", n_times)
    window = spectral_window(all_freqs[fitted], length, SFREQ, **options)
    n_low = np.flatnonzero(fitted)[0] + 1
    mean = power.mean(axis=0)
    window = replace(window, low_power=mean[np.newaxis, :n_low])
    found = window.leakage(log_power)[0]
    expected = mean[fitted] / 10 ** log_power(all_freqs[fitted])[0]
    np.testing.assert_allclose(found[:4], expected[:4], rtol=rtol)
    np.testing.assert_allclose(found[-40:].mean(), expected[-40:].mean(), rtol=rtol)


def test_flat_and_unknown_spectra_do_not_leak():
    freqs = np.arange(4, 100) / 4
    window = spectral_window(freqs, 256, SFREQ)
    np.testing.assert_allclose(window.weights.sum(), 1)
    flat = np.array([0.0, np.nan])[:, np.newaxis]
    ratio = window.leakage(lambda f: flat + 0 * f)
    np.testing.assert_allclose(ratio, 1, rtol=1e-9)
