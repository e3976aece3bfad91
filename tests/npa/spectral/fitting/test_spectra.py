"""`fit_spectra` equals FOOOF, recovers known parameters, and gives reasons for failures."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from npa.spectral import aperiodic, fit_spectra, gaussians

FREQS = np.arange(1, 45.25, 0.5)
PARTIAL = {"rtol": 0, "atol": 1e-3}


@pytest.fixture(scope="module")
def reference():
    """Return 200 spectra and FOOOF's fits of them: see reference/make_fooof_fits.py."""
    with np.load(Path(__file__).parent / "reference" / "fooof_fits.npz") as stored:
        return {name: stored[name] for name in stored}


@pytest.fixture(scope="module", params=["batch", "compiled"])
def fits(request, reference):
    """Return our fits of the same spectra, by mode, of each engine."""
    freqs, power, modes = reference["freqs"], reference["power"], ("fixed", "knee")
    return {
        mode: fit_spectra(freqs, power, aperiodic_mode=mode, engine=request.param) for mode in modes
    }


def model(exponent=1.5, knee=0.0, peaks=(), offset=-11.0):
    """Return the power of the model itself, one spectrum."""
    log_power = aperiodic(FREQS, offset, exponent, knee) + gaussians(FREQS, list(peaks))
    return 10 ** log_power[np.newaxis]


def noisy(n_spectra, seed=0):
    """Return spectra with an alpha peak and chi-squared noise."""
    noise = np.random.default_rng(seed).gamma(30, 1 / 30, (n_spectra, len(FREQS)))
    return model(peaks=[(10.0, 0.8, 1.5)]) * noise


KINDS = ["plain", "knee", "no peak", "overlap", "edge", "flat"]


@pytest.mark.parametrize(
    ("mode", "kind"), [("fixed", kind) for kind in KINDS] + [("knee", kind) for kind in KINDS[:-1]]
)
def test_equals_fooof(reference, fits, mode, kind):
    rows, fit = reference["kind"] == kind, fits[mode]
    theirs = {name: reference[f"{mode}_{name}"][rows] for name in ("background", "r_squared")}
    failed = np.isnan(theirs["r_squared"])
    np.testing.assert_array_equal(fit.reason[rows] != "", failed)
    n_peaks = np.isfinite(reference[f"{mode}_peaks"][rows][..., 0]).sum(axis=1)
    np.testing.assert_array_equal(fit.n_peaks[rows], n_peaks)
    offset, *knee, exponent = theirs["background"].T[..., np.newaxis]
    np.testing.assert_allclose(fit.exponent[rows], exponent[:, 0], rtol=0, atol=0.01)
    curve = aperiodic(FREQS, offset, exponent, *knee)
    np.testing.assert_allclose(fit.aperiodic[rows], curve, rtol=0, atol=0.02)  # log10 units
    np.testing.assert_allclose(fit.r_squared[rows], theirs["r_squared"], rtol=0, atol=0.003)
    error = reference[f"{mode}_error"][rows]
    np.testing.assert_allclose(fit.error[rows], error, rtol=0, atol=2e-3)  # log10 units


@pytest.mark.parametrize("mode", ["fixed", "knee"])
def test_nearly_all_peaks_equal_fooof(reference, fits, mode):
    """A few spectra have two optima of equal cost a rounding apart."""
    rows = (reference["kind"] != "flat") | (mode == "fixed")
    for name in ("peaks", "gaussians"):
        theirs = reference[f"{mode}_{name}"][rows]
        apart = np.abs(getattr(fits[mode], name)[rows] - theirs)
        np.testing.assert_array_equal(np.isnan(apart), np.isnan(theirs))
        worst = np.nan_to_num(apart).max(axis=(1, 2))
        assert (worst < 0.01).mean() >= 0.97  # Hz and log10 units
        assert np.median(worst) < 1e-5


def test_a_flat_spectrum_has_no_knee_to_agree_on(reference, fits):
    """Many knees fit it alike, and FOOOF gives up on some: ours must fit no worse."""
    rows = reference["kind"] == "flat"
    theirs = np.nan_to_num(reference["knee_error"][rows], nan=np.inf)
    assert (fits["knee"].error[rows] < theirs + 1e-3).all()  # log10 units


def test_knee_equals_fooof(reference, fits):
    """Flat spectra leave it open: there offset and knee make up for each other."""
    knee, steep = reference["knee_background"][:, 1], reference["kind"] != "flat"
    close = np.isclose(fits["knee"].knee[steep], knee[steep], rtol=0.01, atol=1e-3)
    assert close.mean() >= 0.99
    assert (fits["fixed"].knee == 0).all()


@pytest.mark.parametrize(("exponent", "knee"), [(0.5, 0.0), (2.5, 0.0), (2.0, 50.0), (1.5, -0.5)])
def test_exact_background_gives_exact_parameters(exponent, knee):
    fit = fit_spectra(FREQS, model(exponent, knee), aperiodic_mode="knee")
    np.testing.assert_allclose(fit.exponent, exponent, rtol=1e-5)
    np.testing.assert_allclose(fit.knee, knee, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fit.offset, -11, rtol=1e-5)
    assert fit.r_squared[0] > 1 - 1e-9
    assert fit.n_peaks[0] == 0


def test_exact_peaks_are_found():
    peaks = [(10.0, 0.8, 1.0), (25.0, 0.5, 2.0)]
    fit = fit_spectra(FREQS, model(peaks=peaks), max_n_peaks=2)
    np.testing.assert_allclose(fit.gaussians[0], peaks, rtol=0, atol=0.15)
    np.testing.assert_allclose(fit.peaks[..., 2], 2 * fit.gaussians[..., 2], rtol=1e-12)
    np.testing.assert_allclose(fit.exponent, 1.5, rtol=0, atol=0.05)
    missed = np.abs(np.log10(model(peaks=peaks)) - fit.model).mean(axis=1)
    np.testing.assert_allclose(missed, fit.error, rtol=1e-9)


def test_height_is_that_of_the_model_over_the_background():
    """Where peaks overlap, that is more than the Gaussian's own."""
    fit = fit_spectra(FREQS, model(peaks=[(15.0, 0.8, 2.0), (20.0, 0.7, 2.0)]), max_n_peaks=2)
    nearest = np.abs(FREQS - fit.peaks[0, :, :1]).argmin(axis=1)
    expected = (fit.model - fit.aperiodic)[0, nearest]
    np.testing.assert_allclose(fit.peaks[0, :, 1], expected, rtol=1e-9)


def test_flat_spectrum():
    for mode in ("fixed", "knee"):
        fit = fit_spectra(FREQS, np.ones((1, len(FREQS))), aperiodic_mode=mode)
        assert fit.reason.tolist() == [""]
        np.testing.assert_allclose(fit.model, 0, rtol=0, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_bad_spectrum_fails_alone(value):
    power = noisy(5)
    power[2, 7] = value
    fit, alone = fit_spectra(FREQS, power), fit_spectra(FREQS, noisy(5)[[0, 1, 3, 4]])
    assert fit.reason.tolist() == ["", "", "power is zero or not finite", "", ""]
    for name in ("offset", "knee", "exponent", "peaks", "gaussians", "r_squared", "error"):
        values = getattr(fit, name)
        assert np.isnan(values[2]).all()
        np.testing.assert_allclose(np.delete(values, 2, axis=0), getattr(alone, name), **PARTIAL)


@pytest.mark.parametrize("mode", ["fixed", "knee"])
def test_too_few_points_on_the_background(mode):
    """With one deep notch all other points lie above the line, also in FOOOF."""
    power = model()
    power[0, 30] = 1e-16
    fit = fit_spectra(FREQS, power, aperiodic_mode=mode)
    assert fit.reason.tolist() == ["too few points lie on the background"]
    assert np.isnan([fit.offset, fit.exponent, fit.knee, fit.r_squared, fit.error]).all()


def test_no_spectra_and_no_peaks():
    assert fit_spectra(FREQS, np.empty((0, len(FREQS)))).peaks.shape == (0, 6, 3)
    fit = fit_spectra(FREQS, noisy(3), max_n_peaks=0)
    assert fit.peaks.shape == (3, 0, 3)
    assert np.isfinite(fit.exponent).all()
    peakless = fit_spectra(FREQS, noisy(3), min_peak_height=50.0)
    np.testing.assert_array_equal(peakless.n_peaks, 0)
    np.testing.assert_allclose(peakless.exponent, fit.exponent, rtol=1e-12)


def test_range_leaves_out_what_is_outside():
    power = noisy(2)
    inner = (FREQS >= 3) & (FREQS <= 30)
    wide = fit_spectra(np.r_[0.5, FREQS], np.c_[[0.0, 0.0], power], freq_range=(3, 30))
    narrow = fit_spectra(FREQS[inner], power[:, inner])
    np.testing.assert_array_equal(wide.freqs, FREQS[inner])
    np.testing.assert_array_equal(wide.peaks, narrow.peaks)
    with_zero = fit_spectra(np.r_[0.0, 0.5, FREQS], np.c_[[np.nan] * 2, power[:, :1], power])
    assert with_zero.freqs[0] == 0.5
    assert (with_zero.reason == "").all()


def test_limits_are_kept():
    fit = fit_spectra(FREQS, noisy(50), peak_width_limits=(2, 4), max_n_peaks=3)
    width, height = fit.peaks[..., 2], fit.gaussians[..., 1]
    exists = np.isfinite(width)
    assert (width[exists] >= 2).all()
    assert (width[exists] <= 4).all()
    assert (height[exists] >= 0).all()
    assert fit.n_peaks.max() == 3
    centre = np.nan_to_num(fit.peaks[..., 0], nan=np.inf)
    np.testing.assert_array_equal(centre, np.sort(centre, axis=1))


def test_memory_is_bounded_and_answers_stay():
    power = noisy(600)
    whole = fit_spectra(FREQS, power, engine="batch")
    limit = 8e6  # bytes
    tracemalloc.start()
    parts = fit_spectra(FREQS, power, max_memory="8MB", engine="batch")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit + 8 * parts.peaks.size * 2 + 50 * len(power)
    close = np.isclose(parts.exponent, whole.exponent, rtol=0, atol=1e-4)
    assert close.mean() > 0.99
    np.testing.assert_array_equal(parts.n_peaks, whole.n_peaks)


def test_input_stays_and_order_does_not_matter():
    power = noisy(40).astype(np.float32)
    before = power.tobytes()
    fit, turned = fit_spectra(FREQS, power), fit_spectra(FREQS, power[::-1])
    assert power.tobytes() == before
    np.testing.assert_allclose(turned.exponent[::-1], fit.exponent, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(turned.n_peaks[::-1], fit.n_peaks)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"freqs": FREQS**2}, ValueError, "freqs must be finite, increasing and evenly spaced"),
        ({"freqs": FREQS[::-1]}, ValueError, "freqs must be finite, increasing"),
        ({"freqs": FREQS[1:]}, ValueError, r"power must have shape \(n_spectra, 88\)"),
        (
            {"power": np.ones(89)},
            ValueError,
            r"power must have 2 dimension\(s\), got shape \(89,\)",
        ),
        ({"power": 1j * np.ones((1, 89))}, TypeError, "power must hold real numbers"),
        ({"freq_range": (1, 3)}, ValueError, r"at least 8 frequencies .*=\(1, 3\), got 5"),
        ({"freq_range": (45, 1)}, ValueError, "freq_range must be a pair .* low < high"),
        ({"aperiodic_mode": "bent"}, ValueError, "aperiodic_mode must be one of"),
        (
            {"peak_width_limits": (3, 2)},
            ValueError,
            "peak_width_limits must be a pair",
        ),
        ({"max_n_peaks": 1.5}, TypeError, "max_n_peaks must be a whole number"),
        ({"min_peak_height": -1}, ValueError, "min_peak_height must be a number >= 0"),
        ({"peak_threshold": np.nan}, ValueError, "peak_threshold must be a number >= 0"),
        ({"engine": "fooof"}, ValueError, r"engine must be one of \['auto', 'compiled', 'batch'\]"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be above 0, or -1 for one per core, got 0"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be a whole number"),
        ({"max_memory": "much"}, ValueError, "max_memory must be like '500MB' or '2GB'"),
        ({"max_memory": 0}, ValueError, "max_memory must be a number > 0"),
    ],
)
def test_arguments_are_checked(change, error, message):
    arguments = {"freqs": FREQS, "power": noisy(1), **change}
    with pytest.raises(error, match=message):
        fit_spectra(arguments.pop("freqs"), arguments.pop("power"), **arguments)
