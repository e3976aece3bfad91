import numpy as np
import pytest
from filter_gains import TONES, assert_gain

from npa.spectral import (
    design_filter,
    gaussian_response,
    logarithmic_response,
    whitening_response,
)
from npa.spectral.filtering.power_filter import check_design

SFREQ = 256.0  # Hz
PEAKS = [(10.0, 0.8, 1.0), (25.0, 0.5, 2.0)]


@pytest.mark.parametrize("design", ["exact", "paper"])
def test_output_depends_on_samples_within_reach(design):
    power_filter = design_filter(1.5, 1.0, PEAKS, SFREQ, design=design)
    reach = power_filter.reach
    impulse = np.zeros(2 * reach + 2000)
    impulse[reach + 1000] = 1.0
    response = np.abs(power_filter.apply(impulse))
    assert response[: 1000 - 1].max() < 1e-11
    assert response[2 * reach + 1001 :].max() < 1e-11
    assert response.max() > 0.1


@pytest.mark.parametrize("design", ["exact", "paper"])
def test_weighted_parts_add_up_to_gain_and_output(design):
    power_filter = design_filter(1.5, 1.0, PEAKS, SFREQ, design=design)
    x = np.random.default_rng(0).standard_normal((2, 3000))
    freqs = np.linspace(1, 45, 45)
    gain = sum(weight * part.gain(freqs) for weight, part in power_filter.parts)
    np.testing.assert_allclose(power_filter.gain(freqs), gain, rtol=1e-12)
    output = sum(weight * part.apply(x) for weight, part in power_filter.parts)
    np.testing.assert_allclose(power_filter.apply(x), output, rtol=0, atol=1e-12)
    background = power_filter.without_peaks()
    np.testing.assert_array_equal(background.ideal(freqs), power_filter.ideal_background(freqs))


def test_gains_of_peaks():
    freqs = np.array([10.0, 25.0])
    bumps = [design_filter(1.5, 1.0, PEAKS, SFREQ, peak_gain=gain) for gain in (2.0, [0.0, 3.0])]
    rise = [made.ideal(freqs) - made.ideal_background(freqs) for made in bumps]
    np.testing.assert_allclose(rise, [[2.0, 2.0], [0.0, 3.0]], rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="one for each of the 2 fitted peaks, got 3"):
        design_filter(1.5, 1.0, PEAKS, SFREQ, peak_gain=[1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("linear", "exact"), "response must be one of"),
        (("logarithmic", "fast"), "design must be one of"),
        (("whitening", "paper"), 'design="paper" does not exist for response="whitening"'),
    ],
)
def test_designs_that_do_not_exist_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        check_design(*options)


@pytest.mark.parametrize("knee", [0, 1, 10, 100, 1000])
@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.0, 3.0])
def test_exact_design_is_exact(exponent, knee):
    made = design_filter(exponent, knee, [], SFREQ)
    assert_gain(made.apply, logarithmic_response(TONES, exponent, knee, SFREQ / 2), SFREQ)


@pytest.mark.parametrize("exponent", [0.3, 3.0])
def test_exact_whitening_is_exact(exponent):
    made = design_filter(exponent, 0, [], SFREQ, response="whitening")
    assert_gain(made.apply, whitening_response(TONES, exponent, 0, SFREQ / 2), SFREQ)


@pytest.mark.parametrize("sd", [0.5, 6.0])
@pytest.mark.parametrize("exponent", [0.3, 3.0])
def test_peaks_add_to_the_ideal(exponent, sd):
    made = design_filter(exponent, 1.0, [[10.0, 0.8, sd], [20.0, 0.5, 1.5]], SFREQ)
    ideal = logarithmic_response(TONES, exponent, 1.0, SFREQ / 2)
    ideal += 0.8 * gaussian_response(TONES, 10.0, sd) + 0.5 * gaussian_response(TONES, 20.0, 1.5)
    np.testing.assert_allclose(made.ideal(TONES), ideal, rtol=1e-12)
    assert_gain(made.apply, ideal, SFREQ)
