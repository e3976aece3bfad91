import pickle

import numpy as np
import pytest
from filter_gains import TONES, amplitudes
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal

from npa.spectral import (
    chebyshev_bank,
    logarithmic_response,
    remez_gaussian,
)

SFREQS = [128.0, 160.0, 256.0, 512.0]


# The paper's bank


def r2_of_bank(exponent, n_stages):
    freqs = np.linspace(0, 256, 10_000)
    ideal = logarithmic_response(freqs, exponent, 0, 256.0)
    gain = chebyshev_bank(exponent, 0, 512.0, n_stages).gain(freqs)
    return 1 - np.sum((gain - ideal) ** 2) / np.sum((ideal - ideal.mean()) ** 2)


def test_bank_has_the_papers_frequencies():
    bank = chebyshev_bank(1.0, 0.0, 512.0)
    frequencies = [stage.frequency for stage in bank.stages]
    assert_allclose(frequencies, [16, 64, 128, 181.0, 215.3], atol=0.05)  # Hz
    assert [stage.weight for stage in bank.stages] == [0.5, 0.25, 0.125, 0.0625, 0.03125]


@pytest.mark.parametrize(
    ("exponent", "paper"), [(0.7, 0.978), (1.0, 0.958), (1.5, 0.921), (2.0, 0.883)]
)
def test_bank_fits_as_well_as_the_paper_says(exponent, paper):
    five = r2_of_bank(exponent, 5)
    assert_allclose(five, paper, atol=0.002)
    for n_stages in (6, 7, 10):
        assert 0 <= r2_of_bank(exponent, n_stages) - five < 0.005


def test_bank_stage_attenuates_by_its_ripple_at_its_frequency():
    for stage in chebyshev_bank(1.5, 0.5, 256.0).stages:
        gain = np.abs(signal.freqz(stage.b, stage.a, [stage.frequency], fs=256.0)[1])
        assert_allclose(20 * np.log10(gain), -stage.ripple, rtol=1e-6)


def test_bank_filters_with_the_gain_it_states():
    bank = chebyshev_bank(1.0, 0.0, 256.0)
    times = np.arange(20 * 256) / 256
    sines = np.sin(2 * np.pi * TONES[:, np.newaxis] * times)
    sine, cosine = amplitudes(bank.apply(sines), TONES, 256.0, skip=5).T
    assert_allclose(sine, bank.gain(TONES), atol=1e-6)
    assert_allclose(cosine, 0, atol=1e-6)  # no shift in time


def test_bank_filters_any_shape_and_length(monkeypatch):
    bank = chebyshev_bank(1.0, 0.0, 256.0)
    x = np.random.default_rng(0).standard_normal((2, 3, 500))
    alone = bank.apply(x[1, 2])
    monkeypatch.setattr("npa.spectral.filtering.filter_bank.BLOCK_SAMPLES", 1000)
    filtered = bank.apply(x)
    assert filtered.shape == x.shape
    assert_array_equal(filtered[1, 2], alone)
    for n_times in (1, 2, 5):
        assert np.isfinite(bank.apply(x[..., :n_times])).all()


@pytest.mark.parametrize(
    ("exponent", "knee", "sfreq", "n_stages"),
    [(1.0, 1000.0, 256.0, 5), (2.0, 100.0, 160.0, 5), (1.0, 0.0, 2.0, 5), (1.0, 0.0, 512.0, 60)],
)
def test_bank_without_a_frequency_names_the_exact_design(exponent, knee, sfreq, n_stages):
    with pytest.raises(ValueError, match=r'is undefined.*ripple.*design="exact"'):
        chebyshev_bank(exponent, knee, sfreq, n_stages)


# The paper's Gaussians


@pytest.mark.parametrize("sfreq", SFREQS)
@pytest.mark.parametrize(("cf", "sd"), [(10, 1), (10, 2), (20, 2), (6, 1.5), (40, 5)])
def test_remez_passes_the_peak_and_stops_beyond(cf, sd, sfreq):
    peak = remez_gaussian(cf, sd, sfreq)
    edge = sd * np.sqrt(2 * np.log(2))
    assert_allclose(peak.pass_edges, (cf - edge, cf + edge), rtol=1e-12)
    low, high = peak.stop_edges
    assert_allclose((high - cf - edge) / (3 * sd - edge), peak.transition, rtol=1e-10)
    freqs = np.linspace(0, sfreq / 2, 5000)
    gain = peak.gain(freqs)
    assert gain[(freqs <= low) | (freqs >= high)].max() <= 0.01 + 1e-6
    passed = gain[(freqs >= cf - edge) & (freqs <= cf + edge)]
    assert passed.min() >= 0.81 - 1e-6
    assert gain.max() <= 1.21 + 1e-3


@pytest.mark.parametrize("n_times", [1000, 8, 4, 2])
def test_bank_filters_like_filtfilt_up_to_the_last_sample(n_times):
    bank = chebyshev_bank(1.2, 0, 128.0)
    x = 3 + np.random.default_rng(0).standard_normal((2, n_times)).cumsum(axis=-1)
    padding = min(6, n_times - 1)  # 3 times the coefficients, as SciPy's default
    mirrored = np.pad(x, [(0, 0), (padding, padding)], mode="reflect", reflect_type="odd")
    expected = np.zeros(x.shape)
    for stage in bank.stages:
        state = signal.lfilter_zi(stage.b, stage.a)
        once, _ = signal.lfilter(stage.b, stage.a, mirrored, zi=state * mirrored[:, :1])
        back = once[:, ::-1]
        twice, _ = signal.lfilter(stage.b, stage.a, back, zi=state * back[:, :1])
        expected += stage.weight * twice[:, ::-1][:, padding : padding + n_times]
    assert_allclose(bank.apply(x), expected, atol=1e-12)


def test_remez_changes_transition_only_where_needed():
    assert remez_gaussian(10, 2, 256.0).transition == 1
    assert remez_gaussian(10, 2, 256.0).stop_edges == (4.0, 16.0)
    assert remez_gaussian(10, 0.5, 512.0).transition > 1  # 256 taps leave ripple
    assert remez_gaussian(40, 5, 128.0).transition < 1  # the exchange fails


def test_remez_is_wider_than_its_gaussian():
    freqs = np.linspace(0, 128, 20_001)
    gain = remez_gaussian(10, 2, 256.0).gain(freqs)
    width = np.ptp(freqs[gain >= 0.5])
    assert_allclose(width / (2 * 2 * np.sqrt(2 * np.log(2))), 1.6, atol=0.05)


def test_remez_leaves_out_a_stop_band_outside_the_spectrum():
    low, high = remez_gaussian(6, 3, 256.0).stop_edges
    assert low is None
    assert high == 15.0


def test_remez_filters_with_the_gain_it_states():
    peak = remez_gaussian(10, 2, 256.0)
    times = np.arange(20 * 256) / 256
    sines = np.sin(2 * np.pi * TONES[:, np.newaxis] * times)
    sine, cosine = amplitudes(peak.apply(sines), TONES, 256.0, skip=5).T
    assert_allclose(sine, peak.gain(TONES), atol=1e-9)
    assert_allclose(cosine, 0, atol=1e-9)
    x = np.random.default_rng(0).standard_normal(4000)
    twice = signal.filtfilt(peak.taps, 1.0, x)
    assert_allclose(peak.apply(x)[600:-600], twice[600:-600], atol=1e-10)


@pytest.mark.parametrize(("cf", "sd", "sfreq"), [(10, 0.2, 1000.0), (63.5, 3, 128.0)])
def test_remez_that_fails_names_the_exact_design(cf, sd, sfreq):
    with pytest.raises(ValueError, match=r'Remez does not converge.*design="exact"'):
        remez_gaussian(cf, sd, sfreq)


def test_remez_names_a_centre_outside_the_spectrum():
    with pytest.raises(ValueError, match="cf must be a number > 0 and < 64, got 70"):
        remez_gaussian(70, 2, 128.0)


def test_filters_can_be_pickled():
    for filters in (chebyshev_bank(1.0, 0.0, 256.0), remez_gaussian(10, 2, 256.0)):
        again = pickle.loads(pickle.dumps(filters))
        assert_array_equal(again.gain(TONES), filters.gain(TONES))


def test_complex_signals_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        chebyshev_bank(1.0, 0.0, 256.0).apply(np.zeros(100) + 1j)
