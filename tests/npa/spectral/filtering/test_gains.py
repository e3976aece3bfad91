import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npa.spectral import aperiodic, gaussian_response, logarithmic_response, whitening_response

FREQS = np.linspace(0, 128, 1025)  # Hz
EXPONENTS = [0.3, 1.0, 3.0]


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("knee", [0.0, 0.5, 10.0, 1000.0])
def test_logarithmic_mirrors_the_log_background(exponent, knee):
    gain = logarithmic_response(FREQS, exponent, knee, 128.0)
    background = aperiodic(FREQS[8:], 0.0, exponent, knee)  # from 1 Hz: no clipping
    assert_allclose(gain[8:], background / background[-1], rtol=1e-12, atol=1e-15)
    assert gain[0] == 0
    assert gain[-1] == 1
    assert (np.diff(gain) >= 0).all()


def test_logarithmic_without_knee_ignores_the_exponent_and_clips_below_1_hz():
    flat, steep = (logarithmic_response(FREQS, chi, 0.0, 128.0) for chi in (0.5, 2.0))
    assert_allclose(flat, steep, rtol=1e-12, atol=1e-15)
    assert_array_equal(steep[FREQS <= 1], 0)
    assert_allclose(logarithmic_response(np.array([500.0]), 1.0, 0.0, 128.0), 1.0)


@pytest.mark.parametrize("nyquist", [0.5, 1.0])
def test_logarithmic_needs_a_nyquist_above_1_hz(nyquist):
    with pytest.raises(ValueError, match=r"nyquist must be above 1 Hz.*whitening"):
        logarithmic_response(FREQS, 1.0, 0.0, nyquist)


def test_gaussian_is_half_at_the_pass_edges():
    edge = 3.0 * np.sqrt(2 * np.log(2))
    gain = gaussian_response(np.array([20.0, 20 - edge, 20 + edge]), cf=20.0, sd=3.0)
    assert_allclose(gain, [1.0, 0.5, 0.5], rtol=1e-12)


@pytest.mark.parametrize("exponent", [0.0, *EXPONENTS])
@pytest.mark.parametrize("knee", [0.0, 10.0])
def test_whitening_flattens_the_background(exponent, knee):
    gain = whitening_response(FREQS, exponent, knee, 128.0)
    power = 10 ** aperiodic(FREQS[1:], 0.0, exponent, knee)
    white = gain[1:] ** 2 * power
    assert_allclose(white, white[-1], rtol=1e-12)
    assert gain[-1] == 1


@pytest.mark.parametrize("response", [logarithmic_response, whitening_response])
@pytest.mark.parametrize(
    ("argument", "value"), [("exponent", -0.1), ("knee", -1.0), ("nyquist", 0.0)]
)
def test_bad_arguments_are_named(response, argument, value):
    arguments = {"exponent": 1.0, "knee": 0.0, "nyquist": 128.0, argument: value}
    with pytest.raises(ValueError, match=argument):
        response(FREQS, **arguments)


def test_bad_frequencies_are_named():
    for freqs in (-FREQS, np.array([1.0, np.nan])):
        with pytest.raises(ValueError, match="freqs must be finite and >= 0"):
            whitening_response(freqs, 1.0, 0.0, 128.0)
    with pytest.raises(ValueError, match="sd must be"):
        gaussian_response(FREQS, 10.0, 0.0)
