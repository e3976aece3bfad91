import numpy as np
import pytest
from scipy.stats import theilslopes

from npa.spectral.slopes import power_law


@pytest.mark.parametrize("n_freqs", [3, 4, 40, 41])
def test_theil_sen_equals_scipy(n_freqs):
    rng = np.random.default_rng(n_freqs)
    freqs = np.arange(1.0, n_freqs + 1)
    power = 10 ** rng.normal(size=(5, n_freqs)) / freqs
    fit = power_law(freqs, power, "theilsen")
    for row in range(5):
        slope, intercept, low, high = theilslopes(
            np.log10(power[row]), np.log10(freqs), alpha=0.682689492137
        )
        np.testing.assert_allclose(fit.slope[row], slope, rtol=1e-12)
        np.testing.assert_allclose(fit.intercept[row], intercept, rtol=1e-12)
        np.testing.assert_allclose(fit.stderr[row], (high - low) / 2, rtol=1e-12)


def test_standard_error_is_the_spread_of_slopes():
    rng = np.random.default_rng(0)
    freqs = np.arange(1.0, 41.0)
    power = 10 ** (0.2 * rng.normal(size=(4000, 40))) / freqs
    for regression in ("ols", "theilsen"):
        fit = power_law(freqs, power, regression)
        np.testing.assert_allclose(np.median(fit.stderr), fit.slope.std(), rtol=0.1)


def test_theil_sen_is_less_biased_by_a_peak():
    freqs = np.arange(2.0, 40.25, 0.25)
    power = freqs**-1.0 * 10 ** np.exp(-((freqs - 10) ** 2) / 2)
    bias = {kind: power_law(freqs, power, kind).slope + 1 for kind in ("ols", "theilsen")}
    np.testing.assert_allclose(bias["ols"], -0.16, atol=0.005)
    np.testing.assert_allclose(bias["theilsen"], 0, atol=0.005)


@pytest.mark.parametrize(
    ("freqs", "power", "message"),
    [
        ([0.0, 1.0, 2.0], np.ones(3), "freqs must be above 0"),
        ([1.0, 2.0], np.ones((2, 3)), "freqs must have shape"),
    ],
)
def test_bad_spectra_are_named(freqs, power, message):
    with pytest.raises(ValueError, match=message):
        power_law(freqs, power)


def test_theil_sen_refuses_too_many_frequencies():
    freqs = np.arange(1.0, 5001.0)
    with pytest.raises(ValueError, match="at most 4096 frequencies, got 5000"):
        power_law(freqs, 1 / freqs, "theilsen")
