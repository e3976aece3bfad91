import numpy as np
import pytest

from npa.spectral import SpectralFit
from npa.spectral.fitting.engines import ENGINES, fit_with_engine

FREQS = np.arange(1, 45.25, 0.5)


def spectra(n_spectra=3):
    """Return spectra with an alpha peak and chi-squared noise."""
    noise = np.random.default_rng(0).gamma(30, 1 / 30, (n_spectra, len(FREQS)))
    return 10 ** (0.8 * np.exp(-((FREQS - 10) ** 2) / 4)) / FREQS**1.5 * noise


@pytest.mark.parametrize("mode", ["fixed", "knee"])
def test_engines_return_the_same_fit(mode):
    power, settings = spectra(), {"aperiodic_mode": mode, "max_n_peaks": 1}
    theirs = fit_with_engine(FREQS, power, "fooof", **settings)
    for engine in ("compiled", "batch"):
        ours = fit_with_engine(FREQS, power, engine, **settings)
        for name in ("offset", "exponent", "peaks", "gaussians", "r_squared", "error"):
            expected = getattr(theirs, name)
            np.testing.assert_allclose(getattr(ours, name), expected, rtol=0, atol=1e-3)
        np.testing.assert_allclose(ours.knee, theirs.knee, rtol=1e-3, atol=1e-3)
        assert ours.reason.tolist() == theirs.reason.tolist() == ["", "", ""]


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_failures_have_a_reason(engine):
    power = spectra()
    power[1, 4] = 0
    fit = fit_with_engine(FREQS, power, engine)
    assert fit.reason.tolist() == ["", "power is zero or not finite", ""]
    np.testing.assert_array_equal(np.isnan(fit.exponent), [False, True, False])
    short = fit_with_engine(FREQS[:7], power[:, :7], engine, max_n_peaks=2)
    assert all("fewer than the 8 frequencies" in reason for reason in short.reason)
    assert short.peaks.shape == (3, 2, 3)
    assert np.isnan(short.offset).all()


def test_concatenated_fits_are_the_fit_of_all():
    power = spectra(4)
    whole = fit_with_engine(FREQS, power)
    parts = SpectralFit.concatenate([fit_with_engine(FREQS, p) for p in (power[:1], power[1:])])
    np.testing.assert_allclose(parts.exponent, whole.exponent, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(parts.n_peaks, whole.n_peaks)


def test_unknown_engine_is_named():
    with pytest.raises(ValueError, match=r"one of \['auto', 'compiled', 'batch', 'fooof'\]"):
        fit_with_engine(FREQS, spectra(), "magic")
