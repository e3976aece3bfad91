"""Chosen models have the right peaks and backgrounds, and the criteria their formulas."""

import mne
import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import gamma

from npa.spectral import aperiodic, degrees_of_freedom, fit_spectra, gaussians, knee_frequency
from npa.spectral.fitting.joint import LN10, JointModel
from npa.spectral.fitting.selection import MODEL_ERROR, Criterion

FREQS = np.arange(1, 45.25, 0.5)
ALPHA, BETA = (10.0, 0.8, 1.2), (21.0, 0.4, 2.0)
DOF = 40.0
KNOWN = {"selection": "bic", "dof": DOF, "correlated_bins": 1.0}


def spectra(n_spectra, exponent=1.5, knee=0.0, peaks=(), dof=DOF, seed=0):
    """Power of averaged periodograms around a known model."""
    log_power = aperiodic(FREQS, -11.0, exponent, knee) + gaussians(FREQS, list(peaks))
    shape = (n_spectra, len(FREQS))
    return 10**log_power * np.random.default_rng(seed).gamma(dof / 2, 2 / dof, shape)


@pytest.mark.parametrize("mode", ["fixed", "auto"])
@pytest.mark.parametrize("peaks", [(), (ALPHA,), (ALPHA, BETA)])
def test_number_of_peaks_and_their_values(mode, peaks):
    fit = fit_spectra(FREQS, spectra(100, peaks=peaks), aperiodic_mode=mode, **KNOWN)
    right = fit.n_peaks == len(peaks)
    assert right.mean() >= 0.95
    assert (fit.knee == 0).mean() >= 0.95
    np.testing.assert_allclose(np.median(fit.exponent), 1.5, atol=0.02)
    for number, peak in enumerate(peaks):
        found = np.median(fit.gaussians[right, number], axis=0)
        np.testing.assert_allclose(found, peak, rtol=0.05, atol=0.03)


def test_bends_are_found_and_have_a_frequency():
    fit = fit_spectra(
        FREQS, spectra(100, 2.0, 8.0**2, [BETA]), aperiodic_mode="auto", max_n_peaks=3, **KNOWN
    )
    assert (fit.knee > 0).mean() >= 0.95
    np.testing.assert_allclose(np.nanmedian(fit.knee_freq), 8.0, rtol=0.06)  # Hz
    np.testing.assert_allclose(fit.timescale, 1 / (2 * np.pi * fit.knee_freq))
    np.testing.assert_allclose(np.median(fit.exponent), 2.0, atol=0.06)


def test_exact_spectra_give_exact_parameters():
    """Unlike FOOOF's steps, in which peaks raise the background."""
    log_power = aperiodic(FREQS, -11.0, 1.5, 6**1.5) + gaussians(FREQS, [ALPHA, BETA])
    fit = fit_spectra(FREQS, 10 ** log_power[np.newaxis], aperiodic_mode="knee", selection="bic")
    assert fit.n_peaks.tolist() == [2]
    np.testing.assert_allclose(fit.gaussians[0, :2], [ALPHA, BETA], rtol=1e-3)
    np.testing.assert_allclose([fit.offset[0], fit.exponent[0]], [-11.0, 1.5], rtol=1e-3)
    np.testing.assert_allclose(fit.knee_freq, 6.0, rtol=1e-3)


@pytest.mark.parametrize("knee_freq", [0.0, 8.0])
def test_noise_floor_is_recovered(knee_freq):
    """Over 1-200 Hz; without the floor in the model the exponent is far too small."""
    freqs = np.arange(1.0, 200.5, 1.0)
    log_power = aperiodic(freqs, -11.0, 2.0, knee_freq**2, -11 - 2 * np.log10(80.0))
    log_power = log_power + gaussians(freqs, [ALPHA])
    noise = np.random.default_rng(0).gamma(30, 1 / 30, (100, len(freqs)))
    settings = KNOWN | {"dof": 60.0, "engine": "batch"}
    fit = fit_spectra(freqs, 10**log_power * noise, aperiodic_mode="knee_floor", **settings)
    np.testing.assert_allclose(np.median(fit.exponent), 2.0, atol=0.05)
    np.testing.assert_allclose(np.median(fit.floor), -11 - 2 * np.log10(80.0), atol=0.02)
    if knee_freq:
        np.testing.assert_allclose(np.nanmedian(fit.knee_freq), knee_freq, rtol=0.05)
    assert (fit.n_peaks == 1).mean() >= 0.9
    np.testing.assert_allclose(np.median(fit.model - log_power, axis=0), 0, atol=0.03)
    without = fit_spectra(freqs, 10**log_power * noise, aperiodic_mode="knee", **settings)
    assert np.median(without.exponent) < 1.7
    assert np.isnan(without.floor).all()


def test_no_floor_where_there_is_none():
    fit = fit_spectra(FREQS, spectra(50), aperiodic_mode="knee_floor", **KNOWN)
    assert np.isnan(fit.floor).mean() > 0.3
    np.testing.assert_allclose(np.median(fit.exponent), 1.5, atol=0.08)


def test_z_is_the_height_over_its_spread():
    fit = fit_spectra(FREQS, spectra(300, peaks=[ALPHA]), **KNOWN)
    one = fit.n_peaks == 1
    spread = fit.gaussians[one, 0, 1].std()
    np.testing.assert_allclose(0.8 / np.median(fit.peak_z[one, 0]), spread, rtol=0.15)
    assert np.isnan(fit.peak_z[:, 1:][fit.n_peaks <= 1]).all()


@pytest.mark.parametrize("dof", [6.0, 400.0])
def test_noise_has_no_peaks_where_the_rule_finds_several(dof):
    power = spectra(100, dof=dof)
    chosen = fit_spectra(FREQS, power, **{**KNOWN, "dof": dof})
    assert chosen.n_peaks.mean() <= 0.1
    if dof < 100:
        assert fit_spectra(FREQS, power).n_peaks.mean() > 3


def test_dof_may_differ_and_be_unknown():
    """Noise in a few windows is a peak in many; unknown variance is estimated, and said."""
    power = spectra(30, dof=10.0)
    dof = np.where(np.arange(30) < 15, 10.0, 400.0)
    fit = fit_spectra(FREQS, power, **{**KNOWN, "dof": dof})
    assert fit.n_peaks[:15].mean() < 0.3 < 3 < fit.n_peaks[15:].mean()
    with mne.utils.catch_logging(verbose="info") as log:
        fit = fit_spectra(FREQS, power, selection="bic", correlated_bins=1)
    assert "dof is not given" in log.getvalue()
    assert fit.n_peaks.mean() < 0.3


def test_bic_is_minus_twice_the_log_likelihood_with_a_penalty():
    """The deviance of two models differs as the gamma distribution says."""
    power = spectra(1)
    log_power = np.log10(power)
    criterion = Criterion("bic", len(FREQS), np.array([DOF]), 1.0)
    shape = 0.5 / (1 / DOF + 0.5 * (LN10 * MODEL_ERROR) ** 2)
    model = JointModel(FREQS, False, (1, 12), True)
    values, likelihoods = [], []
    for background in ([-12.0, 1.5], [-12.1, 1.4]):
        curve = model.curve(np.array([background]))
        loss = model.loss(log_power - curve)[0].sum(axis=1)
        values.append(criterion(loss, np.array([2]))[0])
        likelihoods.append(gamma.logpdf(power, shape, scale=10**curve / shape).sum())
    np.testing.assert_allclose(np.diff(values), -2 * np.diff(likelihoods))
    more = criterion(loss, np.array([5]))[0]
    np.testing.assert_allclose(more - values[1], 3 * np.log(len(FREQS)))


def test_closed_forms_for_unknown_variance():
    """Residuals of 1, -1, 1, ... have variance 1 in log10 units; 20 bins, two in one."""
    n, p = 10.0, np.array([4])
    loss = np.array([0.5 * 20 * LN10**2])
    deviance = n * np.log(LN10**2 * (1 + MODEL_ERROR**2))
    bic, aicc = (Criterion(name, 20, None, 2.0)(loss, p)[0] for name in ("bic", "aicc"))
    np.testing.assert_allclose(bic, deviance + 5 * np.log(n))
    np.testing.assert_allclose(aicc, deviance + 2 * 5 + 2 * 5 * 6 / (n - 5 - 1))
    assert Criterion("aicc", 20, None, 2.0)(loss, np.array([9])) == np.inf


@pytest.mark.parametrize(("knee", "floor"), [(False, False), (True, False), (True, True)])
def test_derivatives(knee, floor):
    model = JointModel(FREQS, knee, (1, 12), True, floor)
    x = np.array([-12.0, 1.5, *[np.log(6.0)] * knee, *[-12.5] * floor, *ALPHA, *BETA])
    _, jacobian = model.linearize(x[np.newaxis])
    numeric = approx_fprime(x, lambda p: model.curve(p[np.newaxis])[0], 1e-7)
    np.testing.assert_allclose(jacobian[0].T, numeric, atol=1e-5)
    background = model.background(x[np.newaxis])[0]
    level = background[3] if floor else -np.inf
    expected = aperiodic(FREQS, background[0], background[2], background[1], level)
    curve = model.curve(x[np.newaxis])[0] - gaussians(FREQS, [ALPHA, BETA])
    np.testing.assert_allclose(curve, expected)


def test_bins_are_those_of_hann_windows_unless_given():
    hann = degrees_of_freedom([(0, 10_000)], 100.0).correlated_bins
    power = spectra(40, peaks=[ALPHA, BETA], dof=12.0)
    default = fit_spectra(FREQS, power, selection="bic", dof=12.0)
    given = fit_spectra(FREQS, power, selection="bic", dof=12.0, correlated_bins=hann)
    np.testing.assert_allclose(default.peak_z, given.peak_z, rtol=2e-3)


def test_auto_takes_no_bend_at_the_ends_of_the_range():
    power = spectra(40, 2.0, 1.2**2, dof=400.0)
    settings = KNOWN | {"dof": 400.0}
    fit = fit_spectra(FREQS, power, aperiodic_mode="auto", **settings)
    knee_freq = fit_spectra(FREQS, power, aperiodic_mode="knee", **settings).knee_freq
    assert (knee_freq < 1.5).mean() > 0.8  # Hz
    assert (fit.knee == 0).mean() > 0.8


def test_knee_frequency():
    found = knee_frequency([25.0, 25.0, 0.0, -3.0, 9.0], [2.0, 0.0, 2.0, 2.0, 2.0], (4.0, 45.0))
    np.testing.assert_array_equal(found, [5.0, np.nan, np.nan, np.nan, np.nan])


def test_few_frequencies_and_bad_power():
    power = spectra(3)[:, :8]
    power[1, 2] = 0
    fit = fit_spectra(FREQS[:8], power, aperiodic_mode="auto", **KNOWN)
    assert fit.reason.tolist() == ["", "power is zero or not finite", ""]
    assert np.isnan(fit.exponent).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (ValueError, {"selection": "aic"}, "selection"),
        (ValueError, {"aperiodic_mode": "auto"}, "aperiodic_mode"),
        (ValueError, {"aperiodic_mode": "knee_floor"}, "needs selection"),
        (ValueError, {"aperiodic_mode": "bent"}, "aperiodic_mode must be"),
        (ValueError, {"selection": "bic", "dof": 0.5}, "dof must be"),
        (ValueError, {"selection": "bic", "dof": [1.0, 2.0, 3.0]}, "each of the 2 spectra"),
        (TypeError, {"selection": "bic", "dof": "many"}, "dof must be"),
        (ValueError, {"selection": "bic", "correlated_bins": 0.5}, "correlated_bins"),
    ],
)
def test_arguments_are_checked(error, arguments, message):
    with pytest.raises(error, match=message):
        fit_spectra(FREQS, spectra(2), **arguments)
