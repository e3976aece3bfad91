"""Spectra of moving windows equal those of the same samples alone."""

import numpy as np
import pytest

import npa.spectral.windows
from npa.spectral import psd, psd_of_windows
from npa.spectral.windows import plan_windows

SFREQ = 100.0
NOISE = np.random.default_rng(0).standard_normal((2, 3, 1000))
WHOLE = [(0, 1000)]


@pytest.mark.parametrize(
    ("method", "kwargs", "n_per_seg"),
    [
        ("welch", {}, 100),
        ("welch", {"n_per_seg": 150, "n_overlap": 40, "detrend": "linear"}, 150),
        ("welch", {"n_per_seg": 100, "average": "median"}, 100),
        ("multitaper", {"bandwidth": 2.0}, None),
        ("periodogram", {}, None),
    ],
)
def test_a_window_has_the_spectrum_of_its_samples(method, kwargs, n_per_seg, monkeypatch):
    monkeypatch.setattr(npa.spectral.windows, "CACHE_SAMPLES", 3000)
    freqs, power = psd_of_windows(
        NOISE, WHOLE, SFREQ, window=4.0, step=1.5, method=method, freq_range=(1, 40), **kwargs
    )
    assert power.shape[:3] == (2, 5, 3)
    options = {"method": method, "freq_range": (1, 40), **kwargs}
    if n_per_seg:
        options["n_per_seg"] = n_per_seg
    for window, start in enumerate(range(0, 601, 150)):
        alone = psd(NOISE[..., start : start + 400], SFREQ, **options)
        np.testing.assert_array_equal(freqs, alone[0])
        np.testing.assert_allclose(power[:, window], alone[1], rtol=1e-10)


def test_only_clean_segments_count():
    x = NOISE.copy()
    x[..., 500:600] = np.nan
    spans = [(0, 500), (600, 1000)]
    _, power = psd_of_windows(x, spans, SFREQ, window=3.0, step=1.0)
    known = np.isfinite(power).all(axis=(0, 2, 3))
    clean = plan_windows(spans, 1000, SFREQ, window=3.0, step=1.0).clean.sum(axis=1)
    assert clean.tolist() == [5, 5, 5, 3, 2, 3, 5, 5]
    assert known.tolist() == [True, True, True, True, False, True, True, True]
    # Three of the five segments from 3 s on lie before 5 s.
    alone = psd(x[..., 300:500], SFREQ, n_per_seg=100)[1]
    np.testing.assert_allclose(power[:, 3], alone, rtol=1e-10)
    whole = psd_of_windows(x, spans, SFREQ, window=3.0, step=1.0, method="periodogram")[1]
    assert np.isfinite(whole).all(axis=(0, 2, 3)).tolist() == [True] * 3 + [False] * 3 + [True] * 2


def test_steps_longer_than_the_window_leave_samples_out():
    plan = plan_windows(WHOLE, 1000, SFREQ, window=2.0, step=4.0)
    assert plan.starts.tolist() == [0, 400, 800]
    assert plan.n_used == 600
    assert plan_windows(WHOLE, 1000, SFREQ, window=2.0, step=1.0).n_used == 1000
    assert plan_windows([(0, 150)], 1000, SFREQ, window=2.0, step=4.0).n_used == 150


@pytest.mark.parametrize(
    ("window", "segment"), [(0.5, 50), (4.0, 100), (8.0, 100), (16.0, 200), (40.0, 400)]
)
def test_segments_grow_with_the_window(window, segment):
    assert plan_windows([(0, 4000)], 4000, SFREQ, window=window).segment == segment


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 11.0}, r"window must be at most as long as the signals of 10 s, got 11\.0"),
        ({"window": 0.0}, r"window must be a number > 0, got 0\.0"),
        (
            {"window": 4.0, "step": 0.001},
            r"step must be at least one sample of 0\.01 s, got 0\.001",
        ),
        (
            {"window": 4.0, "n_per_seg": 100, "n_overlap": 100},
            "n_overlap must be .* < 100, got 100",
        ),
    ],
)
def test_bad_windows_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        psd_of_windows(NOISE, WHOLE, SFREQ, **options)
