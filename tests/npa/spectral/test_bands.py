"""Golden bands, and peak ratios against chance."""

import numpy as np
import pytest

from npa.spectral.bands import CANONICAL_BANDS, GOLDEN_RATIO, band_ratios, golden_bands

RANGE = (2.0, 45.0)  # Hz


def log_uniform_subjects(rng, n_subjects=15, min_ratio=1.15):
    """Peaks of many subjects that follow the null."""
    subjects = []
    while len(subjects) < n_subjects:
        peaks = np.sort(np.exp(rng.uniform(*np.log(RANGE), rng.integers(2, 6))))
        if (peaks[1:] / peaks[:-1] >= min_ratio).all():
            subjects.append(peaks)
    return subjects


def spaced_subjects(rng, ratio, n_subjects=10, jitter=0.03):
    """Peaks in one ratio, each moved a little on the logarithmic axis."""
    starts = rng.uniform(4, 6, n_subjects)
    return [s * ratio ** (np.arange(3) + rng.normal(0, jitter, 3)) for s in starts]


def test_canonical_bands_leave_no_gap():
    ends = list(CANONICAL_BANDS.values())
    assert list(CANONICAL_BANDS) == ["delta", "theta", "alpha", "beta", "gamma"]
    assert all(low[1] == high[0] for low, high in zip(ends, ends[1:], strict=False))


def test_golden_bands_are_the_lectures_36_rows():
    bands = golden_bands()
    assert bands.shape == (36,)
    assert bands["period"][0] == 86_160.0
    assert f"{bands['frequency'][0]:.2e}" == "1.16e-05"
    assert int(bands["frequency"][-1]) == 239
    # phi^2 = phi + 1: each period is the sum of the next two
    np.testing.assert_allclose(
        bands["period"][:-2], bands["period"][1:-1] + bands["period"][2:], rtol=1e-12
    )
    np.testing.assert_allclose(bands["period"] * bands["frequency"], 1, rtol=1e-15)


@pytest.mark.parametrize(("period", "n_bands"), [(0, 36), (-1.0, 36), (86_160.0, 0)])
def test_golden_bands_refuse_what_is_not_positive(period, n_bands):
    with pytest.raises(ValueError, match=r"(period|n_bands) must be"):
        golden_bands(period, n_bands)


@pytest.mark.parametrize(
    ("name", "ratio", "min_ratio"),
    # three peaks in ratios of e leave no choice: given their smallest ratio, they fill the range
    [("phi", GOLDEN_RATIO, None), ("phi", GOLDEN_RATIO, 1.15), ("2", 2, 1.15), ("e", np.e, 1.15)],
)
def test_band_ratios_find_the_ratio_that_is_there(name, ratio, min_ratio):
    peaks = spaced_subjects(np.random.default_rng(3), ratio)
    result = band_ratios(peaks, (2, 60), min_ratio=min_ratio, n_simulations=999)
    assert max(result.nearest, key=result.nearest.get) == name
    assert min(result.distance, key=result.distance.get) == name
    assert result.p_nearest[name] < 0.01
    assert result.p_distance[name] < 0.01
    assert all(result.p_nearest[other] > 0.2 for other in result.p_nearest if other != name)


@pytest.mark.parametrize("min_ratio", [None, 1.15])
def test_band_ratios_keep_their_level_under_the_null(min_ratio):
    rng = np.random.default_rng(0)
    p = [
        band_ratios(
            log_uniform_subjects(rng),
            RANGE,
            min_ratio=min_ratio,
            n_simulations=199,
            random_state=run,
        ).p_distance["phi"]
        for run in range(200)
    ]
    assert np.mean(np.array(p) <= 0.05) < 0.10  # expected 0.05 +- 0.015
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)  # expected SE 0.02


def test_band_ratios_by_hand():
    result = band_ratios([[8.0, 4.0, np.nan], [10.0], [5.0, 5.0 * np.e]], RANGE, n_simulations=9)
    np.testing.assert_allclose(result.ratios, [2, np.e], rtol=1e-12)
    np.testing.assert_array_equal(result.subjects, [0, 2])
    assert result.nearest == {"phi": 0.0, "2": 0.5, "e": 0.5}
    assert result.distance["2"] == pytest.approx((1 - np.log(2)) / 2)
    # two peaks and their own smallest ratio leave chance nothing to choose
    assert set(result.p_distance.values()) == {1.0}


def test_band_ratios_are_reproducible():
    peaks = log_uniform_subjects(np.random.default_rng(1))
    first, again = (band_ratios(peaks, RANGE, n_simulations=99, random_state=4) for _ in range(2))
    assert first.p_distance == again.p_distance


@pytest.mark.parametrize(
    ("peaks", "options", "message"),
    [
        ([[10.0], []], {}, "at least one subject with two peaks"),
        ([[10.0, 50.0]], {}, r"peaks\[0\] must lie within freq_range 2 to 45"),
        ([[4.0, 8.0], [10.0, 10.0]], {}, r"peaks\[1\] must hold no peak twice"),
        ([[10.0, 11.0]], {"min_ratio": 1.5}, "below min_ratio=1.5"),
        ([[10.0, 20.0]], {"min_ratio": 0.5}, "min_ratio must be"),
        ([[10.0, 20.0]], {"null": "uniform"}, "null must be one of"),
        ([[10.0, 20.0]], {"n_simulations": 0}, "n_simulations must be"),
        ([[10.0, 20.0]], {"freq_range": (0, 45)}, r"freq_range\[0\] must be"),
    ],
)
def test_band_ratios_refuse(peaks, options, message):
    options = {"freq_range": RANGE, **options}
    with pytest.raises(ValueError, match=message):
        band_ratios(peaks, **options)
