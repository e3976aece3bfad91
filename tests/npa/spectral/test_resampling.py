"""Resampled and simulated noise has the spread that spectra of new recordings have."""

import numpy as np
import pytest

from npa.spectral import psd_of_spans
from npa.spectral.resampling import resampled_noise, simulated_noise, spectrum_units

SFREQ = 64.0


def spread(power):
    """Return the standard deviation of the mean log power, of which neighbours are correlated."""
    return np.log(power).mean(axis=-1).std(axis=0, ddof=1)


@pytest.mark.parametrize(
    ("n_times", "kwargs"),
    [
        (64 * 40, {}),
        (64 * 40, {"n_per_seg": 128, "n_overlap": 96}),
        (64 * 200, {}),  # 99 windows in blocks of two
        (64 * 40, {"method": "multitaper", "n_per_seg": 256}),
    ],
)
def test_spread_is_that_of_new_recordings(n_times, kwargs):
    """Windows that overlap, and blocks of windows, with a tolerance of 8 % of the spread."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 250, n_times))
    spans, options = [(0, n_times)], {"freq_range": (2, 30), **kwargs}
    units = spectrum_units(x, spans, SFREQ, **options)
    freqs, power = psd_of_spans(x, spans, SFREQ, **options)
    np.testing.assert_allclose(np.tensordot(units.weights, units.power, 1), power, rtol=1e-9)
    assert len(units.weights) <= 64
    expected = spread(power[0])
    rng = np.random.RandomState(0)
    noise = resampled_noise(units.power[:, 0], units.weights, units.covariance, 100, rng)
    found = np.sqrt((spread(noise.ratios()) ** 2).mean())
    np.testing.assert_allclose(found, expected, rtol=0.08)
    simulated = simulated_noise(spans, SFREQ, 400, rng, **options).ratios()
    assert simulated.shape == (400, 1, len(freqs))
    np.testing.assert_allclose(spread(simulated)[0], expected, rtol=0.1)


def test_weights_of_the_usual_bootstrap_would_be_too_alike():
    """Of 10 windows, they would give 18 % less variance, and those of Rubin's bootstrap 26 %."""
    rng = np.random.RandomState(0)
    power = rng.exponential(size=(10, 2000, 1))
    weights = np.full(10, 0.1)
    noise = resampled_noise(power, weights, np.eye(10), 400, rng)
    variance = noise.ratios().var(axis=0, ddof=1).mean()
    np.testing.assert_allclose(variance, 0.1, rtol=0.04)
    assert noise.dof == pytest.approx(9)


def test_few_units_are_not_resampled():
    power = np.ones((7, 1, 4))
    rng = np.random.RandomState(0)
    assert resampled_noise(power, np.full(7, 1 / 7), np.eye(7), 20, rng) is None


def test_epochs_without_a_channel_are_left_out():
    rng = np.random.RandomState(0)
    power = rng.exponential(size=(30, 2, 5))
    power[20:, 1] = np.nan
    noise = resampled_noise(power, np.full(30, 1 / 30), np.eye(30), 50, rng)
    np.testing.assert_allclose(noise.mean[1], power[:20, 1].mean(axis=0))
    assert np.isfinite(noise.ratios()).all()


@pytest.mark.parametrize("kwargs", [{}, {"one_sided": False}, {"method": "periodogram"}])
def test_simulated_noise_is_around_one_at_every_frequency(kwargs):
    """Also at 0 Hz and the Nyquist frequency, whose one-sided density is not doubled."""
    rng = np.random.RandomState(0)
    noise = simulated_noise([(0, 400)], SFREQ, 1000, rng, detrend=False, **kwargs)
    np.testing.assert_allclose(noise.ratios().mean(axis=0)[0], 1, rtol=0, atol=0.2)
