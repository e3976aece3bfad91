"""Averages leave out what is missing."""

import numpy as np
import pytest

from npa.spectral.averages import (
    combine_channels,
    excessive_channels,
    geometric_mean,
    mean_of_known,
)

RNG = np.random.default_rng(0)


def test_mean_of_known_equals_nanmean():
    values = RNG.normal(size=(5, 3, 4))
    values[1, 2], values[3, 0, 1] = np.nan, np.nan
    np.testing.assert_allclose(mean_of_known(values, 0), np.nanmean(values, axis=0), rtol=1e-14)
    both = mean_of_known(values, (0, 2))
    np.testing.assert_allclose(both, np.nanmean(values, axis=(0, 2)), rtol=1e-14)
    assert np.isnan(mean_of_known(np.full((2, 3), np.nan), 0)).all()


def test_geometric_mean_leaves_out_spectra_with_zeros():
    power = RNG.uniform(1, 10, size=(4, 2, 6))
    expected = np.exp(np.log(power[1:]).mean(axis=0))
    power[0, :, 3] = 0.0
    np.testing.assert_allclose(geometric_mean(power), expected, rtol=1e-13)
    assert np.isnan(geometric_mean(np.zeros((2, 3)))).all()


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
def test_channels_that_are_nan_are_left_out_epoch_by_epoch(aggregate):
    power = RNG.uniform(size=(2, 4, 5))
    power[0, 1] = power[:, 3] = np.nan
    combined = combine_channels(power, [[0, 1], [1, 2, 3], [3]], aggregate)
    function = getattr(np, f"nan{aggregate}")
    np.testing.assert_allclose(combined[:, 0], function(power[:, [0, 1]], axis=1), rtol=1e-14)
    np.testing.assert_allclose(combined[:, 1], function(power[:, 1:], axis=1), rtol=1e-14)
    assert np.isnan(combined[:, 2]).all()


@pytest.mark.parametrize(("decades", "found"), [(1.4, False), (1.6, True), (6.0, True)])
@pytest.mark.parametrize("n_wild", [1, 2])
def test_channels_of_excessive_power_are_found(decades, found, n_wild):
    freqs = np.arange(1.0, 46.0)
    power = np.tile(1 / freqs, (7, 1))
    power[-1] = np.nan
    power[:n_wild] *= 10**decades
    expected = [found] * n_wild + [False] * (7 - n_wild)
    assert excessive_channels(power).tolist() == expected
    # Of the total or, where that is small, of a tenth of the frequencies.
    power[:n_wild] = 1 / freqs
    power[:n_wild, 38:] *= 10**decades
    assert excessive_channels(power).tolist() == expected


def test_two_channels_have_no_median_to_exceed():
    assert not excessive_channels(np.array([[1.0], [1e9]])).any()
