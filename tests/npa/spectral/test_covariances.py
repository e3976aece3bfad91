"""Joint diagonalization of two covariances, and covariances of bands."""

import numpy as np
import pytest

from npa.spectral.covariances import (
    band_covariances,
    joint_decorrelation,
    windows_of,
)


def covariances(rng, n_channels=6, rank=6):
    """A background of some rank, and the same with a strong source."""
    mixing = rng.normal(size=(n_channels, rank))
    pattern = mixing @ rng.normal(size=rank)
    reference = mixing @ mixing.T
    return reference + 50 * np.outer(pattern, pattern), reference, pattern


@pytest.mark.parametrize("rank", [3, 6])
def test_components_are_uncorrelated_in_both(rank):
    signal, reference, pattern = covariances(np.random.default_rng(0), rank=rank)
    found = joint_decorrelation(signal, reference, shrinkage=0.0)
    assert found.rank == rank
    np.testing.assert_allclose(found.filters @ found.patterns, np.eye(rank), atol=1e-6)
    np.testing.assert_allclose(found.filters @ reference @ found.filters.T, np.eye(rank), atol=1e-5)
    np.testing.assert_allclose(
        found.filters @ signal @ found.filters.T, np.diag(found.scores), atol=1e-4 * found.scores[0]
    )
    assert (np.diff(found.scores) <= 1e-9).all()
    assert abs(np.corrcoef(found.patterns[:, 0], pattern)[0, 1]) > 1 - 1e-6


def test_the_projection_is_free_of_the_source():
    signal, reference, pattern = covariances(np.random.default_rng(1))
    found = joint_decorrelation(signal, reference)
    rest = pattern - found.patterns[:, :1] @ (found.filters[:1] @ pattern)
    assert np.linalg.norm(rest) < 0.01 * np.linalg.norm(pattern)


def test_units_order_and_signs_of_channels_do_not_matter():
    rng = np.random.default_rng(2)
    signal, reference, _ = covariances(rng)
    found = joint_decorrelation(signal, reference)
    order = rng.permutation(6)
    scale = np.array([1e-6, 1.0, 1e3, -1.0, 2.0, -1e-3])
    change = np.eye(6)[order] * scale
    other = joint_decorrelation(change @ signal @ change.T, change @ reference @ change.T)
    np.testing.assert_allclose(other.scores, found.scores, rtol=1e-6)
    for index in range(6):
        ours = np.outer(found.patterns[:, index], found.filters[index])
        theirs = np.outer(other.patterns[:, index], other.filters[index])
        np.testing.assert_allclose(theirs @ change, change @ ours, rtol=1e-5, atol=1e-9)


def test_signs_are_fixed():
    signal, reference, _ = covariances(np.random.default_rng(3))
    found = joint_decorrelation(signal, reference)
    largest = np.abs(found.patterns).argmax(axis=0)
    assert (found.patterns[largest, range(6)] > 0).all()
    # Two channels against their average: entries of equal size, of which the first is positive.
    pair = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert joint_decorrelation(2 * pair, pair).patterns[0, 0] > 0


def test_flat_channels_have_no_weight():
    signal, reference, _ = covariances(np.random.default_rng(4))
    for matrix in (signal, reference):
        matrix[2] = matrix[:, 2] = 0
    found = joint_decorrelation(signal, reference)
    assert found.rank == 5
    assert not found.filters[:, 2].any()
    assert not found.patterns[2].any()
    assert joint_decorrelation(np.zeros((3, 3)), np.zeros((3, 3))).rank == 0


@pytest.mark.parametrize(
    ("signal", "reference", "options", "message"),
    [
        (np.ones((2, 3)), np.eye(2), {}, "signal_cov must be a square matrix"),
        (np.eye(2), np.full((2, 2), np.nan), {}, "reference_cov must be a square matrix of finite"),
        (np.eye(2), np.eye(3), {}, "must have one shape"),
        (np.eye(2), np.eye(2), {"shrinkage": -1}, "shrinkage must be"),
    ],
)
def test_bad_covariances_are_named(signal, reference, options, message):
    with pytest.raises(ValueError, match=message):
        joint_decorrelation(signal, reference, **options)


def test_covariances_of_bands_are_those_of_filtered_signals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 400))
    x[:, 0] += 2 * np.sin(2 * np.pi * 0.1 * np.arange(400))
    weights = np.zeros((2, 51))
    weights[0, 10], weights[1, 20:25] = 1.0, 0.2
    found = band_covariances(x, [(0, 400)], 100, weights)
    spectra = np.fft.rfft(x.reshape(2, 3, 4, 100))[..., 10]
    expected = np.einsum("eiw,ejw->ij", spectra, spectra.conj()).real / 8
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    assert found[0, 0, 0] > 50 * found[1, 0, 0]


def test_windows_stay_within_spans_and_are_spread():
    x = np.arange(100.0).reshape(1, 1, 100)
    starts = [part[0, 0, 0] for part in windows_of(x, [(0, 25), (30, 100)], 10, max_windows=4)]
    assert starts[0] == 0
    assert starts[-1] == 90
    assert len(starts) == 4
    assert all(part.shape == (1, 1, 10) for part in windows_of(x, [(0, 25), (30, 100)], 10))
    assert not list(windows_of(x, [(0, 5)], 10))
