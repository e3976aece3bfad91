import numpy as np
import pytest
from filter_gains import TONES, amplitudes, assert_realised
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

BETWEEN = np.sort(np.random.default_rng(0).uniform(1, 45, 200))  # Hz, off every grid
KNEES = [0, 1, 10, 100, 1000]
EXPONENTS = [0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.5, 3.0]
SFREQS = [128.0, 160.0, 256.0, 512.0]


def logarithm(exponent, knee, sfreq):
    return lambda freqs: logarithmic_response(freqs, exponent, knee, sfreq / 2)


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
        apply_zero_phase(x + 1j, [1.0])


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
