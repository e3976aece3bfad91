import numpy as np
import pytest
from mne.time_frequency import psd_array_multitaper
from numpy.testing import assert_allclose
from scipy.signal.windows import dpss

from npa.spectral import psd
from npa.spectral.multitaper import slepian_tapers, tapered_power


def noise(exponent, *shape, seed=0):
    """Noise whose power falls as f^-exponent, cut out of a longer period."""
    *rows, n_times = shape
    freqs = np.fft.rfftfreq(2 * n_times)
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((2, *rows, len(freqs)))
    parts[..., 1:] *= freqs[1:] ** (-exponent / 2)
    return np.fft.irfft(parts[0] + 1j * parts[1])[..., :n_times]


def mne_multitaper(x, sfreq, **kwargs):
    return psd_array_multitaper(x, sfreq, normalization="full", verbose="error", **kwargs)[0]


@pytest.mark.parametrize("half_bandwidth", [2.0, 4.0, 6.5])
def test_long_tapers_equal_scipy(half_bandwidth):
    n_times, n_tapers = 20_000, int(2 * half_bandwidth)
    expected, shares = dpss(n_times, half_bandwidth, n_tapers, sym=False, return_ratios=True)
    tapers, concentration = slepian_tapers(n_times, half_bandwidth, low_bias=False)
    assert_allclose(tapers, expected, atol=1e-6 * expected.max())
    assert_allclose(concentration, shares, atol=1e-6)
    kept, _ = slepian_tapers(n_times, half_bandwidth)
    assert len(kept) == (shares > 0.9).sum()


def test_tapers_at_fewer_points():
    every_tenth = slepian_tapers(20_000)[0][:, ::10]
    assert_allclose(slepian_tapers(20_000, n_points=2_000)[0], every_tenth, rtol=1e-9, atol=1e-12)


def test_bandwidth_too_narrow_for_any_taper_warns():
    with pytest.warns(RuntimeWarning, match=r"best taper has 0.78 .* 1 frequency bins"):
        tapers, _ = slepian_tapers(900, half_bandwidth=0.5)
    assert tapers.shape == (1, 900)


@pytest.mark.parametrize("n_times", [601, 30_000, 30_001])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_whole_recording_equals_mne(n_times, exponent):
    x = noise(exponent, 2, n_times) + 3.0
    expected = mne_multitaper(x, 100.0)
    power = psd(x, 100.0, method="multitaper")[1]
    assert_allclose(power[:, 1:], expected[:, 1:], rtol=1e-4)


@pytest.mark.parametrize(("exponent", "typical", "worst"), [(0, 1e-3, 0.01), (1.5, 2e-3, 0.02)])
def test_long_recording_up_to_a_frequency_equals_mne(exponent, typical, worst):
    x = noise(exponent, 4, 200_000)
    expected = mne_multitaper(x, 512.0, fmax=25.0)[:, 1:]
    freqs, power = psd(x, 512.0, method="multitaper", freq_range=(0, 25))
    assert freqs[-1] <= 25.0 < freqs[-1] + freqs[1]
    ratio = power[:, 1:] / expected
    assert np.median(np.abs(ratio - 1)) < typical
    slope = np.polyfit(np.log10(freqs[300:]), np.log10(ratio[:, 299:].mean(axis=0)), 1)[0]
    assert abs(slope) < 1e-3
    smooth = ratio[:, :9500].reshape(4, -1, 100).mean(axis=(0, 2))  # 0.25 Hz
    assert_allclose(smooth, 1, atol=worst)


def test_segments_of_many_rows_are_averaged():
    x = noise(1.0, 300, 2_000)
    power = tapered_power(x, 100.0, 500, max_freq=20.0)
    expected = mne_multitaper(x.reshape(-1, 500), 100.0, fmax=20.0)
    assert_allclose(power[:, 1:], expected.reshape(300, 4, -1).mean(axis=1)[:, 1:], rtol=1e-9)


@pytest.mark.parametrize("n_times", [600, 601])
def test_zero_hertz_and_nyquist_have_no_negative_counterpart(n_times):
    """White noise without detrending has half the density of its neighbours there."""
    x = np.random.default_rng(0).normal(size=(800, n_times))
    power = psd(x, 100.0, method="multitaper", detrend=False, bandwidth=0.5)[1].mean(axis=0)
    level = power[5:-5].mean()
    assert_allclose(power[0] / level, 0.5, rtol=0.1)
    assert_allclose(power[-1] / level, 0.5 if n_times % 2 == 0 else 1.0, rtol=0.1)


@pytest.mark.parametrize(("max_freq", "typical", "at_end"), [(20.0, 3e-3, 0.02), (2.0, 1e-3, 4e-3)])
def test_little_leakage_is_dropped_by_resampling(max_freq, typical, at_end):
    """Of a random walk, at the highest frequencies above all; 512 bins above 2 Hz drop thrice."""
    walk = np.random.default_rng(0).normal(size=(2, 400_000)).cumsum(axis=1)
    limited = tapered_power(walk, 512.0, 400_000, max_freq=max_freq)
    whole = tapered_power(walk, 512.0, 400_000)[:, : limited.shape[1]]
    error = np.abs(limited / whole - 1)[:, 1:]
    assert np.median(error) < typical
    assert np.median(error[:, -200:]) < at_end
