"""Degrees of freedom are those of the spectra of white noise."""

import numpy as np
import pytest

from npa.spectral import degrees_of_freedom, psd_of_spans, psd_of_windows
from npa.spectral.precision import precision_of_windows
from npa.spectral.windows import plan_windows

ONE, THREE = [(0, 2000)], [(0, 500), (520, 1000), (1100, 2000)]


@pytest.mark.parametrize(
    ("method", "spans", "options"),
    [
        ("welch", ONE, {}),
        ("welch", THREE, {}),
        ("welch", ONE, {"n_per_seg": 200, "n_overlap": 150}),
        ("welch", ONE, {"window": "hamming", "n_fft": 1024}),
        ("welch", ONE, {"average": "median", "window": "boxcar", "n_overlap": 0}),
        ("multitaper", ONE, {}),
        ("multitaper", THREE, {}),
        ("multitaper", ONE, {"n_per_seg": 400, "bandwidth": 1.0, "low_bias": False}),
        ("periodogram", ONE, {}),
        ("periodogram", THREE, {"window": "hann"}),
    ],
)
def test_white_noise(method, spans, options):
    precision = degrees_of_freedom(spans, 100.0, method=method, **options)
    noise = np.random.default_rng(0).standard_normal((1500, 1, 2000))
    freqs, power = psd_of_spans(noise, spans, 100.0, method=method, **options)
    power = power[:, 0, (freqs > 5) & (freqs < 45)][:, :300]
    power /= power.mean(axis=0)
    np.testing.assert_allclose(precision.dof, 2 / power.var(axis=0).mean(), rtol=0.03)
    correlation = np.corrcoef(power.T)
    neighbours = [np.diagonal(correlation, lag).mean() for lag in range(1, 40)]
    # Windows that overlap by more than half, and medians, correlate their bins a little otherwise.
    rtol = 0.15 if {"n_overlap", "average"} & set(options) else 0.08
    np.testing.assert_allclose(precision.correlated_bins, 1 + 2 * sum(neighbours), rtol=rtol)


def test_epochs_add_and_their_number_is_checked():
    one, ten = (degrees_of_freedom(ONE, 100.0, n_epochs=n) for n in (1, 10))
    assert ten.dof == pytest.approx(10 * one.dof)
    with pytest.raises(ValueError, match="n_epochs"):
        degrees_of_freedom(ONE, 100.0, n_epochs=0)


def test_long_segments_have_their_tapers():
    precision = degrees_of_freedom([(0, 900_000)], 1000.0, method="multitaper")
    assert precision.dof == pytest.approx(3 * 14, abs=0.1)  # three segments of 300 s


def test_windows():
    """Windows of which a part is not clean have fewer segments."""
    spans, options = [(0, 700), (750, 2000)], {"window": 4.0, "step": 2.0}
    plan = plan_windows(spans, 2000, 100.0, **options)
    precision = precision_of_windows(plan, 100.0)
    noise = np.random.default_rng(1).standard_normal((2000, 1, 2000))
    freqs, power = psd_of_windows(noise, spans, 100.0, **options)
    power = power[:, :, 0, (freqs > 5) & (freqs < 45)]
    power /= power.mean(axis=0)
    np.testing.assert_allclose(precision.dof, 2 / power.var(axis=0).mean(axis=-1), rtol=0.05)
    assert len(set(precision.dof.round(3))) > 1
    whole = plan_windows(spans, 2000, 100.0, method="multitaper", **options)
    dof = precision_of_windows(whole, 100.0, method="multitaper").dof
    assert dof[0] == pytest.approx(14, abs=0.1)
