import numpy as np

from npa.spectral.correlation import squared_correlation


def test_equals_numpy():
    x, y = np.random.default_rng(0).standard_normal((2, 5, 30))
    expected = [np.corrcoef(row, y[0])[0, 1] ** 2 for row in x]
    np.testing.assert_allclose(squared_correlation(x, y[0]), expected, rtol=1e-12)
    expected = [np.corrcoef(*pair)[0, 1] ** 2 for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(squared_correlation(x, y), expected, rtol=1e-12)


def test_constant_signals_have_none():
    assert np.isnan(squared_correlation(np.ones(9), np.arange(9.0)))
