"""Detrended fluctuation analysis: the formula by hand, and noises of known exponent."""

import numpy as np
import pytest

from npa.spectral.dfa import fluctuations, log_scales, scaling_exponent


def by_hand(x, scale, order):
    """F(n)^2 by a loop over windows, each with its own polynomial."""
    profile, errors = np.cumsum(x - x.mean()), []
    count = len(x) // scale
    for offset in (0, len(x) - count * scale):
        for window in range(count):
            piece = profile[offset + window * scale :][:scale]
            time = np.arange(scale)
            errors.append(np.mean((piece - np.polyval(np.polyfit(time, piece, order), time)) ** 2))
    return np.mean(errors)


def coloured(rng, n_signals, n_times, slope):
    """Gaussian noise with power exactly ~ f^slope in expectation, without period."""
    spectrum = rng.standard_normal((2, n_signals, 2 * n_times + 1))
    freqs = np.maximum(np.arange(2 * n_times + 1), 1)
    noise = np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * freqs ** (slope / 2), axis=-1)
    return noise[:, :n_times]


@pytest.mark.parametrize("order", [0, 1, 2])
def test_fluctuations_equal_the_loop_by_hand(order):
    x = np.random.default_rng(0).normal(size=(2, 3, 103))
    scales, squared = fluctuations(x, scales=[5, 8, 20, 103], order=order)
    assert squared.shape == (2, 3, 4)
    for where in np.ndindex(2, 3):
        expected = [by_hand(x[where], scale, order) for scale in scales]
        np.testing.assert_allclose(squared[where], expected, rtol=1e-9)


@pytest.mark.parametrize("slope", [0.0, -0.5, -1.0, -1.5, -2.0])
def test_known_slopes_are_recovered(slope):
    x = coloured(np.random.default_rng(1), 40, 4096, slope)
    fit = scaling_exponent(*fluctuations(x, log_scales(4096, smallest=16)))
    np.testing.assert_allclose(fit.slope.mean(), slope, atol=0.08)  # beta
    np.testing.assert_allclose(fit.alpha, (1 - fit.slope) / 2, rtol=1e-12)
    assert fit.r_squared.min() > 0.95


def test_an_offset_changes_nothing_and_scale_only_the_height():
    x = np.random.default_rng(2).normal(size=300)
    _, squared = fluctuations(x)
    np.testing.assert_allclose(fluctuations(x + 100.0)[1], squared, rtol=1e-8)
    np.testing.assert_allclose(fluctuations(10 * x)[1], 100 * squared, rtol=1e-9)


def test_a_trend_is_taken_out_by_the_next_higher_order():
    rng, time = np.random.default_rng(3), np.linspace(-1, 1, 2000)
    noise = rng.normal(size=2000)
    plain = scaling_exponent(*fluctuations(noise, order=2)).alpha
    trend = noise + 5 * time
    assert scaling_exponent(*fluctuations(trend, order=1)).alpha > plain + 0.3
    np.testing.assert_allclose(
        scaling_exponent(*fluctuations(trend, order=2)).alpha, plain, atol=0.02
    )


def test_a_constant_signal_has_no_exponent():
    fit = scaling_exponent(*fluctuations(np.zeros((2, 100))))
    assert np.isnan(fit.alpha).all()
    assert np.isnan(fit.slope).all()


def test_scales_rise_within_the_signal():
    for n_times in (40, 500, 100_000):
        scales = log_scales(n_times)
        assert (np.diff(scales) > 0).all()
        assert (scales[0], scales[-1]) == (8, n_times // 4)
    assert log_scales(500, smallest=4, largest=250)[[0, -1]].tolist() == [4, 250]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fluctuations(np.ones(100), scales=[2, 10]), "scales must lie between 3"),
        (lambda: fluctuations(np.ones(100), scales=[10, 101]), "100 samples"),
        (lambda: fluctuations(np.ones(100), scales=[5.5, 10]), "scales must be whole numbers"),
        (lambda: fluctuations(np.ones(100), order=-1), "order"),
        (lambda: fluctuations(np.full(100, np.nan)), "NaN or inf"),
        (lambda: log_scales(20), "smallest"),
        (lambda: log_scales(500, largest=501), "largest"),
        (lambda: scaling_exponent([4, 8], [1.0, 2.0]), "at least 3"),
        (lambda: scaling_exponent([4, 8, 16], [1.0, 2.0]), "shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_complex_signals_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        fluctuations(np.ones(100, complex))
