"""An event's response is taken out exactly, and little else."""

import numpy as np
import pytest

from npa.spectral.spatial import (
    dominant_pattern,
    minimum_variance_filters,
    power_kept,
    preserving_filters,
)

rng = np.random.default_rng(0)
COV = np.cov(rng.standard_normal((5, 5)) @ rng.standard_normal((5, 400)))


@pytest.mark.parametrize("n_patterns", [1, 2])
def test_patterns_are_removed(n_patterns):
    patterns = rng.standard_normal((5, n_patterns))
    filters = minimum_variance_filters(patterns, COV)
    np.testing.assert_allclose(filters @ patterns, np.eye(n_patterns), atol=1e-12)
    response = patterns @ rng.standard_normal((n_patterns, 40))
    np.testing.assert_allclose(response - patterns @ filters @ response, 0, atol=1e-12)


def test_filter_minimizes_the_noise_that_passes():
    # With a tenth of the variances added: C = [[1.1, 0.5], [0.5, 2.2]].
    filters = minimum_variance_filters(np.array([[3.0], [1.0]]), np.array([[1.0, 0.5], [0.5, 2.0]]))
    expected = np.linalg.solve([[1.1, 0.5], [0.5, 2.2]], [3.0, 1.0])
    np.testing.assert_allclose(filters[0] / filters[0, 0], expected / expected[0], rtol=1e-12)


def test_noise_may_be_singular():
    centred = np.eye(5) - 1 / 5
    patterns = centred @ np.array([[4.0], [1.0], [0.0], [0.0], [0.0]])
    filters = minimum_variance_filters(patterns, centred @ COV @ centred)
    np.testing.assert_allclose(filters @ patterns, 1, atol=1e-12)
    assert np.abs(filters).max() < 10


def test_scale_of_a_channel_does_not_matter():
    patterns = np.array([[3.0], [1.0], [0.5], [0.2], [0.1]])
    scale = np.diag([1.0, 1.0, 1.0, 1.0, 1e3])
    filters = minimum_variance_filters(patterns, COV)
    scaled = minimum_variance_filters(scale @ patterns, scale @ COV @ scale)
    np.testing.assert_allclose(scaled @ scale, filters)


def test_dominant_pattern_has_a_positive_sum():
    pattern = np.array([[0.8], [0.6], [0.0]])
    course = np.array([[0.0, 1.0, 3.0, 1.0]])
    noise = 0.01 * rng.standard_normal((3, 4))
    for sign in (1, -1):
        found = dominant_pattern(sign * pattern @ course + noise)
        np.testing.assert_allclose(found, pattern, atol=0.02)


def mixed(n_channels, n_sources, seed):
    """Return the covariance of channels that mix sources at random."""
    mixing = np.random.default_rng(seed).standard_normal((n_channels, n_sources))
    return mixing @ mixing.T / n_sources


@pytest.mark.parametrize("n_patterns", [1, 2])
@pytest.mark.parametrize("min_kept", [0.99, 1.0])
def test_power_of_a_signal_is_preserved(min_kept, n_patterns):
    noise, signal = mixed(12, 30, 1), mixed(12, 15, 2)
    patterns = np.random.default_rng(3).standard_normal((12, n_patterns))
    channels = np.arange(3)
    plain = minimum_variance_filters(patterns, noise)
    assert power_kept(plain, patterns, signal)[channels].min() < 0.96
    filters = preserving_filters(patterns, noise, signal, channels, min_kept=min_kept)
    np.testing.assert_allclose(filters @ patterns, np.eye(n_patterns), atol=1e-9)
    assert power_kept(filters, patterns, signal)[channels].min() == pytest.approx(
        min_kept, abs=1e-6
    )
    # No less noise passes with a smaller penalty that preserves as much.
    passed = [np.trace(each @ noise @ each.T) for each in (plain, filters)]
    assert passed[0] < passed[1] < 2 * passed[0]


def test_filters_are_those_of_least_noise_where_nothing_is_lost():
    noise, signal = mixed(12, 30, 1), mixed(12, 15, 2)
    patterns = np.random.default_rng(3).standard_normal((12, 1))
    plain = minimum_variance_filters(patterns, noise)
    none = np.array([], int)
    np.testing.assert_array_equal(preserving_filters(patterns, noise, signal, none), plain)
    patterns[0] = 0.0
    plain = minimum_variance_filters(patterns, noise)
    kept = preserving_filters(patterns, noise, signal, np.array([0]))
    np.testing.assert_array_equal(kept, plain)


def test_further_signals_are_penalized_at_the_same_limit():
    noise, signal, other = mixed(12, 30, 1), mixed(12, 15, 2), mixed(12, 15, 4)
    patterns = np.random.default_rng(3).standard_normal((12, 1))
    channels = np.arange(3)
    passed = []
    for covs in ((), (other,), (1e6 * other,)):
        filters = preserving_filters(
            patterns, noise, signal, channels, other_covs=covs, min_kept=0.985
        )
        kept = power_kept(filters, patterns, signal)[channels].min()
        assert kept == pytest.approx(0.985, abs=1e-6)
        change = power_kept(filters, patterns, other)[channels] - 1
        passed.append(np.abs(change).max())
    assert passed[1] < 0.9 * passed[0]
    assert passed[2] == pytest.approx(passed[1])  # whatever their scale


def test_the_largest_penalty_is_taken_where_none_preserves_enough():
    cov = np.array([[2.0, 1.0], [1.0, 1.0]])
    pattern = np.array([[1.0], [0.7]])
    filters = preserving_filters(pattern, cov, cov, np.array([1]), min_kept=100.0)
    predicted = np.outer(cov[1], cov[1]) / 1.1
    mixed_cov = 1e-4 * np.array([[2.2, 1.0], [1.0, 1.1]]) + 0.9999 * predicted
    expected = np.linalg.solve(mixed_cov, pattern)
    np.testing.assert_allclose(filters[0] / filters[0, 0], expected[:, 0] / expected[0, 0])
