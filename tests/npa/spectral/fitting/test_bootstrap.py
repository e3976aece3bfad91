"""Intervals hold the truth as often as they say, and are corrected for bias."""

import numpy as np

from npa.spectral.fitting.bootstrap import NoiseOfSpectra, bootstrap_intervals
from npa.spectral.resampling import Noise


def test_intervals_cover_the_truth_and_are_corrected_for_bias():
    """The mean logarithm of the mean of 4 exponential values is 0.13 too low."""
    rng = np.random.default_rng(0)
    n_spectra, n_freqs = 2000, 25
    power = rng.gamma(4, 1 / 4, size=(n_spectra, n_freqs))

    def measure(power, _):
        return np.log(power).mean(axis=-1, keepdims=True)

    noise = Noise(rng.gamma(4, 1 / 4, size=(400, n_freqs)))
    spectra = NoiseOfSpectra(noise, np.arange(n_spectra))
    model = np.exp(measure(power, None)) * np.ones(n_freqs)
    estimate = measure(power, None)
    found = bootstrap_intervals([spectra], model, estimate, estimate, measure, np.array([False]))
    covered = (found.low <= 0) & (found.high >= 0)
    np.testing.assert_allclose(covered.mean(), 0.95, rtol=0, atol=0.02)
    np.testing.assert_allclose(np.median(found.se), estimate.std(), rtol=0.08)
    middle = (found.low + found.high) / 2
    np.testing.assert_allclose((middle - estimate).mean(), 0.13, rtol=0, atol=0.015)


def test_values_that_most_resamples_lack_have_no_interval():
    noise = Noise(np.linspace(0.5, 1.5, 40)[:, np.newaxis])

    def measure(power, _):
        return np.hstack([np.where(power > limit, power, np.nan) for limit in (0.9, 1.1)])

    flat = np.ones((1, 1))
    values = np.array([[1.0, 1.0]])
    spectra = NoiseOfSpectra(noise, np.array([0]))
    found = bootstrap_intervals([spectra], flat, values, values, measure, np.array([False, True]))
    assert np.isfinite(found.se[0]).tolist() == [True, False]
    assert np.isnan(found.low[0, 1])


def test_intervals_of_positive_values_are_positive():
    rng = np.random.default_rng(1)
    noise = Noise(np.exp(rng.normal(size=(2000, 1))))
    spectra = NoiseOfSpectra(noise, np.array([0]))
    values, flat = np.array([[2.0]]), np.array([[2.0]])
    found = bootstrap_intervals([spectra], flat, values, values, lambda p, _: p, np.array([True]))
    np.testing.assert_allclose(found.low, 2 * np.exp(-1.96), rtol=0.1)
    np.testing.assert_allclose(found.high, 2 * np.exp(1.96), rtol=0.1)
    np.testing.assert_allclose(found.se, 2.0, rtol=0.05)
