"""An event's response is taken out exactly, and little else."""

import numpy as np
import pytest

from npa.spectral.spatial import event_projection

rng = np.random.default_rng(0)
COV = np.cov(rng.standard_normal((5, 5)) @ rng.standard_normal((5, 400)))


@pytest.mark.parametrize("n_components", [1, 2])
def test_response_of_that_rank_is_removed(n_components):
    response = rng.standard_normal((5, n_components)) @ rng.standard_normal((n_components, 40))
    filters, patterns = event_projection(response, COV, n_components)
    assert filters.shape == (n_components, 5)
    assert patterns.shape == (5, n_components)
    np.testing.assert_allclose(filters @ patterns, np.eye(n_components), atol=1e-12)
    np.testing.assert_allclose(response - patterns @ filters @ response, 0, atol=1e-12)


def test_filter_minimizes_the_noise_that_passes():
    response = np.array([[3.0], [1.0]])
    # With a tenth of the variances added: C = [[1.1, 0.5], [0.5, 2.2]].
    filters, _ = event_projection(response, np.array([[1.0, 0.5], [0.5, 2.0]]))
    expected = np.linalg.solve([[1.1, 0.5], [0.5, 2.2]], [3.0, 1.0])
    np.testing.assert_allclose(filters[0] / filters[0, 0], expected / expected[0], rtol=1e-12)


def test_singular_noise_and_signs():
    centred = np.eye(5) - 1 / 5
    response = centred @ np.array([[-4.0], [-1.0], [0.0], [0.0], [0.0]])
    filters, patterns = event_projection(response, centred @ COV @ centred)
    np.testing.assert_allclose(filters @ patterns, 1, atol=1e-12)
    opposite, flipped = event_projection(-response, centred @ COV @ centred)
    np.testing.assert_allclose(np.abs(flipped), np.abs(patterns), atol=1e-12)
    np.testing.assert_allclose(flipped @ opposite, patterns @ filters, atol=1e-12)


def test_scale_of_a_channel_does_not_matter():
    response = np.array([[3.0], [1.0], [0.5], [0.2], [0.1]])
    scale = np.diag([1.0, 1.0, 1.0, 1.0, 1e3])
    filters, patterns = event_projection(response, COV)
    other, scaled = event_projection(scale @ response, scale @ COV @ scale)
    np.testing.assert_allclose(np.linalg.solve(scale, scaled @ other @ scale), patterns @ filters)
