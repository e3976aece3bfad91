import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal

from npa.spectral import (
    apply_zero_phase,
    chebyshev_bank,
    fir_gain,
    gaussian_response,
    logarithmic_response,
    remez_gaussian,
    whitening_response,
    zero_phase_fir,
)

TONES = np.r_[1.0, 1.5, np.arange(2, 46)]  # Hz
BETWEEN = np.sort(np.random.default_rng(0).uniform(1, 45, 200))  # Hz, off every grid
KNEES = [0, 1, 10, 100, 1000]
EXPONENTS = [0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.5, 3.0]
SFREQS = [128.0, 160.0, 256.0, 512.0]


def logarithm(exponent, knee, sfreq):
    return lambda freqs: logarithmic_response(freqs, exponent, knee, sfreq / 2)


def assert_realised(realised, ideal):
    assert_allclose(realised, ideal, rtol=0, atol=0.002)  # of full scale
    large = ideal >= 0.02  # decibels of smaller gains mean little
    decibel = 20 * np.log10(realised[large] / ideal[large])
    assert_allclose(decibel, 0, rtol=0, atol=0.05)


def amplitudes(filtered, freqs, sfreq, skip):
    """Amplitude of a sine per row, by least squares, ``skip`` s left out at either end."""
    times = np.arange(filtered.shape[-1]) / sfreq
    inner = (times >= skip) & (times <= times[-1] - skip)
    found = []
    for row, freq in zip(filtered[:, inner], freqs, strict=True):
        phase = 2 * np.pi * freq * times[inner]
        basis = np.column_stack([np.sin(phase), np.cos(phase)])
        found.append(np.linalg.lstsq(basis, row, rcond=None)[0])
    return np.array(found)


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


# The exact design


@pytest.mark.parametrize("sfreq", SFREQS)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_exact_gain_is_the_ideal_between_1_and_45_hz(exponent, sfreq):
    freqs = np.r_[TONES, BETWEEN]
    for knee in KNEES:
        for response in (logarithmic_response, whitening_response):
            ideal = response(freqs, exponent, knee, sfreq / 2)
            taps = zero_phase_fir(lambda f: response(f, exponent, knee, sfreq / 2), sfreq)  # noqa: B023
            assert_realised(fir_gain(taps, freqs, sfreq), ideal)


@pytest.mark.parametrize("sfreq", SFREQS)
def test_exact_filter_of_sinusoids(sfreq):
    times = np.arange(int(60 * sfreq)) / sfreq
    sines = np.sin(2 * np.pi * TONES[:, np.newaxis] * times)
    for exponent in (0.3, 1.0, 3.0):
        for knee in KNEES:
            ideal = logarithm(exponent, knee, sfreq)
            filtered = apply_zero_phase(sines, zero_phase_fir(ideal, sfreq))
            found = amplitudes(filtered, TONES, sfreq, skip=5)
            assert_realised(np.hypot(*found.T), ideal(TONES))


@pytest.mark.parametrize("sd", [0.1, 0.5, 6.0])
def test_exact_adds_peaks_of_any_width(sd):
    def ideal(freqs):
        peak = gaussian_response(freqs, 10.3, sd)
        return logarithmic_response(freqs, 1.0, 10.0, 128.0) + 0.8 * peak

    freqs = np.linspace(1, 45, 2000)
    assert_realised(fir_gain(zero_phase_fir(ideal, 256.0), freqs, 256.0), ideal(freqs))


@pytest.mark.parametrize("knee", [0, 1000])
def test_exact_removes_the_offset_of_a_recording(knee):
    taps = zero_phase_fir(logarithm(0.3, knee, 256.0), 256.0)
    assert_allclose(apply_zero_phase(np.ones(1000), taps), 0, atol=1e-12)
    # ... and nothing but: the correction ends before 0.15 Hz.
    freqs = np.array([0.15, 0.2, 0.5])
    assert_allclose(fir_gain(taps, freqs, 256.0), logarithm(0.3, knee, 256.0)(freqs), atol=0.002)


def test_exact_design_is_long_symmetric_and_reads_tables():
    for sfreq in (1.0, 160.0, 512.0):
        taps = zero_phase_fir(np.ones_like, sfreq)
        assert len(taps) >= max(4096, 16 * sfreq)
        assert len(taps) % 2 == 1
    assert_allclose(taps, np.eye(1, len(taps), len(taps) // 2)[0], atol=1e-12)  # does nothing
    freqs = np.linspace(0, 80, 4001)
    table = (freqs, logarithm(1.0, 10.0, 160.0)(freqs))
    ours = fir_gain(zero_phase_fir(table, 160.0), BETWEEN, 160.0)
    assert_realised(ours, logarithm(1.0, 10.0, 160.0)(BETWEEN))
    assert len(zero_phase_fir(np.ones_like, 160.0, n_taps=100)) == 101


def test_exact_filter_is_the_same_for_every_record_length():
    taps = zero_phase_fir(logarithm(1.0, 10.0, 128.0), 128.0)
    x = np.random.default_rng(0).standard_normal(500)
    half, n_times = len(taps) // 2, len(x)
    mirrored = np.pad(x, half, mode="reflect")  # the taps reach over several mirror images
    assert_allclose(apply_zero_phase(x, taps), np.convolve(mirrored, taps, "valid"), atol=1e-12)
    longer = np.random.default_rng(1).standard_normal(20_000)
    inner = slice(half, -half)
    valid = np.convolve(longer, taps, "valid")
    assert_allclose(apply_zero_phase(longer, taps)[inner], valid, atol=1e-12)
    for n_times in (1, 2, 3):
        assert np.isfinite(apply_zero_phase(x[:n_times], taps)).all()


def test_exact_filter_is_the_same_alone_and_among_others():
    taps = zero_phase_fir(logarithm(1.5, 0.0, 128.0), 128.0)
    x = np.random.default_rng(0).standard_normal((2, 5, 1000)).astype(np.float32)
    filtered = apply_zero_phase(x, taps)
    assert filtered.shape == x.shape
    assert filtered.dtype == np.float64
    assert_array_equal(filtered[1, 3], apply_zero_phase(x[1, 3], taps))
    x[0, 0, 0] = np.nan
    assert_array_equal(apply_zero_phase(x, taps)[1, 3], filtered[1, 3])


def test_exact_filter_writes_to_out():
    taps = zero_phase_fir(logarithm(1.0, 0.0, 128.0), 128.0)
    x = np.random.default_rng(0).standard_normal((2, 3, 700))
    expected = apply_zero_phase(x, taps)
    room = np.full((2, 3, 900), np.nan)
    assert_array_equal(apply_zero_phase(x, taps, out=room[..., 100:800]), expected)
    assert_array_equal(room[..., 100:800], expected)
    assert np.isnan(room[..., :100]).all()
    assert apply_zero_phase(x, taps, out=x) is x  # in place
    assert_array_equal(x, expected)
    for out in (np.zeros((2, 3, 699)), np.zeros(x.shape, np.float32), [0.0]):
        with pytest.raises(
            ValueError, match=r"out must have shape \(2, 3, 700\) and dtype float64"
        ):
            apply_zero_phase(x, taps, out=out)


def test_one_pass_does_what_the_passes_of_the_bank_and_the_peaks_do():
    """On the gain of the paper's own filters, one exact FIR gives what filtfilt gives."""
    sfreq, times = 512.0, 120 * 512
    bank, peak = chebyshev_bank(1.2, 0.0, sfreq), remez_gaussian(10.0, 2.0, sfreq)
    x = np.random.default_rng(0).standard_normal((2, times))
    passes = 0.8 * signal.filtfilt(peak.taps, 1.0, x)
    for stage in bank.stages:
        passes += stage.weight * signal.filtfilt(stage.b, stage.a, x)
    taps = zero_phase_fir(lambda f: bank.gain(f) + 0.8 * peak.gain(f), sfreq)
    inner = slice(12 * 512, -12 * 512)  # half the taps
    difference = (apply_zero_phase(x, taps) - passes)[:, inner]
    assert np.sqrt(np.mean(difference**2) / np.mean(passes[:, inner] ** 2)) < 1e-4


def test_gain_of_taps_is_their_cosine_series():
    taps = np.array([0.1, -0.2, 0.5, -0.2, 0.1])
    freqs = np.linspace(0, 50, 11)
    phase = 2 * np.pi * freqs / 100
    expected = 0.5 - 0.4 * np.cos(phase) + 0.2 * np.cos(2 * phase)
    assert_allclose(fir_gain(taps, freqs, 100.0), expected, atol=1e-14)
    long = zero_phase_fir(logarithm(0.3, 1.0, 512.0), 512.0)
    steps = np.arange(len(long)) - len(long) // 2
    direct = np.cos(2 * np.pi * np.outer(TONES, steps) / 512) @ long
    assert_allclose(fir_gain(long, TONES, 512.0), direct, atol=1e-9)


def test_filters_can_be_pickled():
    for filters in (chebyshev_bank(1.0, 0.0, 256.0), remez_gaussian(10, 2, 256.0)):
        again = pickle.loads(pickle.dumps(filters))
        assert_array_equal(again.gain(TONES), filters.gain(TONES))


def test_bad_filters_are_named():
    x = np.zeros(100)
    for taps in ([1.0, 2.0], [1.0, 2.0, 3.0], [[1.0]]):
        with pytest.raises(ValueError, match="taps must be symmetric and odd"):
            apply_zero_phase(x, taps)
    with pytest.raises(ValueError, match="gain must be finite at all"):
        zero_phase_fir(lambda f: 1 / np.maximum(f, np.nan), 128.0)
    with pytest.raises(ValueError, match="at least 1 samples"):
        apply_zero_phase(np.empty((3, 0)), [1.0])
    with pytest.raises(TypeError, match="real numbers"):
        chebyshev_bank(1.0, 0.0, 256.0).apply(x + 1j)


def test_blocks_of_a_long_row_equal_the_whole_row():
    rng = np.random.default_rng(0)
    taps = np.hanning(2049)
    x = rng.standard_normal((2, 150_000))
    mirrored = np.pad(x, [(0, 0), (1024, 1024)], mode="reflect")
    whole = signal.oaconvolve(mirrored, taps[np.newaxis], mode="valid", axes=-1)
    assert_allclose(apply_zero_phase(x, taps), whole, atol=1e-10)  # RMS is 28
    x[1, 7] = np.inf
    filtered = apply_zero_phase(x, taps)
    assert_allclose(filtered[0], whole[0], atol=1e-10)
    assert np.isnan(filtered[1]).all()
