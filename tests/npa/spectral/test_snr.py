"""Terms of tags, and measures of spectra, against values by hand."""

import numpy as np
import pytest
from scipy.stats import f, kstest

from npa.spectral.snr import (
    baseline_corrected_amplitude,
    neighbor_bins,
    snr_spectrum,
    tag_terms,
    term_test,
    zscore_spectrum,
)


def names(*args, **kwargs):
    return [term.name for term in tag_terms(*args, **kwargs)]


def test_terms_of_one_tag():
    terms = tag_terms(10.0, n_harmonics=3)
    assert [(t.name, t.frequency, t.order) for t in terms] == [
        ("f1", 10.0, 1),
        ("2f1", 20.0, 2),
        ("3f1", 30.0, 3),
    ]


def test_terms_of_two_tags():
    found = {t.name: t.frequency for t in tag_terms((6, 7.5), n_harmonics=2, max_order=3)}
    assert found == {
        "f1": 6.0,
        "2f1": 12.0,
        "f2": 7.5,
        "2f2": 15.0,
        "f1+f2": 13.5,
        "f2-f1": 1.5,
        "2f1+f2": 19.5,
        "2f1-f2": 4.5,
        "f1+2f2": 21.0,
        "2f2-f1": 9.0,
    }


@pytest.mark.parametrize("tags", [(6, 7.5), (5.0, 7.0, 11.5), (3, 4, 5, 7), (1, 2, 3, 5, 8)])
def test_terms_are_every_combination(tags):
    orders = range(-4, 5)
    grid = np.stack(np.meshgrid(*[orders] * len(tags)), axis=-1).reshape(-1, len(tags))
    mixed = (np.abs(grid).sum(1) <= 4) & ((grid != 0).sum(1) > 1) & (grid @ tags > 1e-9)
    terms = tag_terms(tags)
    assert len({t.name for t in terms}) == len(terms) == 4 * len(tags) + mixed.sum()
    for term in terms:
        np.testing.assert_allclose(term.frequency, np.dot(term.coefficients, tags), rtol=1e-12)


def test_terms_end_below_nyquist():
    assert names(20, nyquist=60) == ["f1", "2f1"]


def test_many_tags_are_quick():
    assert len(tag_terms(np.arange(10, 22) + np.sqrt(np.arange(12)), max_order=4)) > 5000


def test_terms_that_cancel_are_left_out():
    assert "f1+f2-f3" not in names((0.1, 0.2, 0.3))


def test_collisions_name_each_other():
    terms = {t.name: t for t in tag_terms((10, 20), n_harmonics=2, max_order=3)}
    assert terms["2f1"].collides == ("f2",)
    assert terms["f1"].collides == ("f2-f1",)
    assert terms["2f2"].collides == ("2f1+f2",)


def test_resolution_finds_collisions_and_offsets():
    terms = {t.name: t for t in tag_terms((6.002, 7.5), n_harmonics=4, resolution=0.5)}
    assert not terms["f1"].off_bin
    assert terms["4f1"].off_bin
    np.testing.assert_allclose(terms["4f1"].offset, 4 * 0.002 / 0.5, rtol=1e-6)
    near = {t.name: t for t in tag_terms((6.0, 12.1), max_order=1, resolution=0.5)}
    assert near["2f1"].collides == ("f2",)


@pytest.mark.parametrize(
    ("tags", "kwargs", "message"),
    [
        ((6, 6), {}, "must differ"),
        ((6.0, 6.1), {"resolution": 0.5}, "must differ"),
        ((), {}, "at least one tag"),
        ((6, -1), {}, r"frequencies\[1\] must be a number > 0"),
        ((6, np.nan), {}, r"frequencies\[1\] must be"),
        ((6, 64), {"nyquist": 64}, "below the Nyquist frequency of 64 Hz, got 64"),
        ((6,), {"n_harmonics": 0}, "n_harmonics must be a whole number >= 1"),
        ((6,), {"max_order": 0}, "max_order must be a whole number >= 1"),
    ],
)
def test_bad_tags_are_named(tags, kwargs, message):
    with pytest.raises(ValueError, match=message):
        tag_terms(tags, **kwargs)


def test_neighbors_pass_over_excluded_bins():
    found = neighbor_bins([12], 61, n_neighbors=3, n_skip=1, exclude=np.arange(0, 61, 3))
    np.testing.assert_array_equal(found, [[7, 8, 10, 14, 16, 17]])


def test_neighbors_end_with_the_spectrum():
    found = neighbor_bins([2, 8, 0], 10, n_neighbors=2, n_skip=0, exclude=[0])
    np.testing.assert_array_equal(found, [[-1, 1, 3, 4], [6, 7, 9, -1], [-1, -1, 1, 2]])


@pytest.fixture
def spectra():
    return np.random.default_rng(0).exponential(size=(3, 2, 40))


def test_measures_equal_loops(spectra):
    exclude = [0, 10, 20]
    where = {"n_neighbors": 3, "n_skip": 1, "exclude": exclude}
    measured = [
        snr_spectrum(spectra, **where),
        zscore_spectrum(spectra, **where),
        baseline_corrected_amplitude(spectra, **where),
    ]
    for center in range(6, 34):
        below = [b for b in range(center - 2, -1, -1) if b not in exclude][:3]
        above = [b for b in range(center + 2, 40) if b not in exclude][:3]
        beside = spectra[..., below + above]
        mean, signal = beside.mean(-1), spectra[..., center]
        by_hand = [signal / mean, (signal - mean) / beside.std(-1, ddof=1), signal - mean]
        for ours, truth in zip(measured, by_hand, strict=True):
            np.testing.assert_allclose(ours[..., center], truth, rtol=1e-12)


@pytest.mark.parametrize("measure", [snr_spectrum, zscore_spectrum, baseline_corrected_amplitude])
def test_some_bins_are_those_of_all(measure, spectra):
    whole = measure(spectra)
    np.testing.assert_array_equal(measure(spectra, bins=[7, 30]), whole[..., [7, 30]])
    assert np.isnan(whole[..., [0, 1, -2, -1]]).all()
    assert np.isfinite(whole[..., 2:-2]).all()


def test_floor_bounds_the_noise():
    spectrum = np.zeros((2, 9))
    spectrum[:, 4] = 6.0
    floor = np.array([2.0, 3.0])
    np.testing.assert_array_equal(snr_spectrum(spectrum, bins=[4], floor=floor), [[3.0], [2.0]])
    np.testing.assert_array_equal(zscore_spectrum(spectrum, bins=[4], floor=floor), [[3], [2]])


@pytest.mark.parametrize("n_epochs", [1, 5])
def test_p_values_are_uniform_in_noise(n_epochs):
    power = np.random.default_rng(1).exponential(size=(n_epochs, 4000, 9))
    _, p = term_test(power, [4])
    assert kstest(p[:, 0], "uniform").pvalue > 0.01
    np.testing.assert_allclose((p < 0.05).mean(), 0.05, atol=0.015)


def test_p_values_leave_out_missing_epochs():
    power = np.random.default_rng(2).exponential(size=(6, 2, 20))
    power[3:, 0] = np.nan
    power[:, 1] = np.nan
    ratio, p = term_test(power, [8])
    np.testing.assert_allclose(p[0], term_test(power[:3, 0], [8])[1], rtol=1e-12)
    assert np.isnan(p[1]).all()
    assert np.isnan(ratio[1]).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_neighbors": 0}, "n_neighbors must be a whole number >= 1, got 0"),
        ({"n_skip": -1}, "n_skip must be a whole number >= 0, got -1"),
    ],
)
def test_bad_neighbors_are_named(kwargs, message, spectra):
    with pytest.raises(ValueError, match=message):
        snr_spectrum(spectra, **kwargs)


@pytest.mark.parametrize(("power", "expected"), [(1, 1 + 0.273 / 6), (2, 6 / 5)])
def test_mean_snr_of_noise_is_as_documented(power, expected):
    x = np.random.default_rng(0).normal(size=(40_000, 64))
    spectrum = np.abs(np.fft.rfft(x)) ** power
    snr = snr_spectrum(spectrum, bins=[16])
    np.testing.assert_allclose(snr.mean(), expected, atol=0.02)
    mean_spectrum = spectrum.reshape(400, 100, -1).mean(axis=1)
    np.testing.assert_allclose(snr_spectrum(mean_spectrum, bins=[16]).mean(), 1.0, atol=0.01)


@pytest.mark.parametrize("n_epochs", [1, 4])
def test_p_values_follow_the_f_distribution_by_hand(n_epochs):
    """Twice the epochs in the numerator, twice epochs times neighbours in the denominator."""
    power = np.ones((n_epochs, 1, 21))
    power[..., 10] = 3.0
    ratio, p = term_test(power, [10])
    np.testing.assert_allclose(ratio, [[3.0]])
    np.testing.assert_allclose(p, [[f.sf(3.0, 2 * n_epochs, 2 * n_epochs * 6)]], rtol=1e-12)
    if n_epochs == 1:  # F(2, 12) in closed form
        np.testing.assert_allclose(p, [[(1 + 3.0 / 6) ** -6]], rtol=1e-12)


def test_equal_frequencies_differ_by_rounding_only():
    assert len(tag_terms([6.0, 6.0 * (1 + 1e-8)], n_harmonics=1, max_order=1)) == 2
    with pytest.raises(ValueError, match="frequencies must differ"):
        tag_terms([6.0, 6.0 * (1 + 1e-10)])
