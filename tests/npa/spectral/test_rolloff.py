"""Filters are found in a spectrum; peaks, knees, noise floors and notches are none."""

import mne
import numpy as np
import pytest
from scipy import signal

from npa.spectral import detect_rolloff

N_WINDOWS = 20
FREQS = np.arange(0.5, 128.5, 0.5)


def natural(rng, freqs):
    """Return a spectrum without a filter, of Gaussian noise."""
    knee = rng.choice([0, 0, 3, 20])
    power = 1 / (knee**2 + freqs ** rng.uniform(0, 3))
    for center, width, height in ((10, 2, 1.5), (rng.uniform(14, 32), 6, 1.2)):
        shape = np.exp(-(((freqs - center) / rng.uniform(0.7, width)) ** 2) / 2)
        power *= 10 ** (rng.uniform(0, height) * shape)
    power += rng.choice([0, 0.1, 1]) * np.interp(40, freqs, power)  # muscles or the amplifier
    return power


def averaged(rng, power):
    """Return an average of periodograms."""
    return power * rng.gamma(N_WINDOWS, 1 / N_WINDOWS, size=power.shape)


def simulate(seed, gain=None, sfreq=None, spacing=0.5):
    """Return frequencies and power, of any sampling rate, filtered or not."""
    rng = np.random.default_rng(seed)
    sfreq = sfreq or float(rng.choice([128, 160, 256, 500]))
    freqs = np.arange(spacing, sfreq / 2 + spacing / 2, spacing)
    power = natural(rng, freqs)
    if gain is not None:
        power *= gain(freqs, sfreq)
    power += 1e-7 * power[freqs >= 5][0]  # rounding
    return freqs, averaged(rng, power)


def mne_fir(low, high):
    def gain(freqs, sfreq):
        taps = mne.filter.create_filter(None, sfreq, low, high, verbose=False)
        return np.abs(signal.freqz(taps, worN=freqs, fs=sfreq)[1]) ** 2

    return gain


def butterworth(order, cutoff, btype="low", n_passes=1):
    def gain(freqs, sfreq):
        sos = signal.butter(order, cutoff, btype, fs=sfreq, output="sos")
        return np.abs(signal.sosfreqz(sos, worN=freqs, fs=sfreq)[1]) ** (2 * n_passes)

    return gain


def half_power(gain, sfreq=256.0):
    """Return the frequency of -3 dB of a low-pass filter."""
    freqs = np.arange(1, 100, 0.01)
    return freqs[gain(freqs, sfreq) > 0.5][-1]


@pytest.mark.parametrize("side", ["high", "low"])
def test_unfiltered_spectra_have_none(side):
    found = [detect_rolloff(*simulate(seed), side, n_windows=N_WINDOWS) for seed in range(30)]
    assert found == [None] * 30


@pytest.mark.parametrize("cutoff", [30.0, 40.0])
@pytest.mark.parametrize(
    ("design", "rtol"),
    [
        (lambda cutoff: mne_fir(None, cutoff), 0.06),
        (lambda cutoff: butterworth(8, cutoff), 0.1),
        (lambda cutoff: butterworth(4, cutoff, n_passes=2), 0.15),
        (lambda cutoff: butterworth(4, cutoff), 0.15),
    ],
    ids=["mne", "8", "4 twice", "4"],
)
def test_low_pass_is_found(cutoff, design, rtol):
    gain = design(cutoff)
    found = [detect_rolloff(*simulate(seed, gain), n_windows=N_WINDOWS) for seed in range(4)]
    assert None not in found
    ratios = np.array([each.cutoff for each in found]) / half_power(gain)
    np.testing.assert_allclose(np.median(ratios), 1.0, atol=rtol)
    np.testing.assert_allclose(ratios, 1.0, atol=2.5 * rtol)
    assert all(each.edge < each.cutoff for each in found)


@pytest.mark.parametrize(
    ("gain", "cutoff"),
    [
        (mne_fir(5.0, None), (3.5, 5.5)),
        (butterworth(4, 2.0, "high"), (1.6, 2.5)),
        (butterworth(4, 1.0, "high"), (0.8, 1.3)),
    ],
    ids=["mne", "2 Hz", "1 Hz"],
)
def test_high_pass_is_found(gain, cutoff):
    for seed in range(4):
        spectrum = simulate(seed, gain, spacing=0.125)
        found = detect_rolloff(*spectrum, "low", n_windows=N_WINDOWS)
        assert cutoff[0] < found.cutoff < cutoff[1]
        assert found.edge > found.cutoff


@pytest.mark.parametrize("line", [50, 60])
@pytest.mark.parametrize("width", [1, 4])
def test_notch_is_no_low_pass(line, width):
    """Order 4 in two directions."""
    notch = butterworth(4, [line - width, line + width], "bandstop", n_passes=2)
    found = [detect_rolloff(*simulate(seed, notch), n_windows=N_WINDOWS) for seed in range(8)]
    assert found == [None] * 8


@pytest.mark.parametrize("side", ["high", "low"])
@pytest.mark.parametrize("knee", [0.0, 10.0, 300.0])
@pytest.mark.parametrize("exponent", [0.0, 2.5, 4.0])
def test_exact_backgrounds_have_none(exponent, knee, side):
    assert detect_rolloff(FREQS, 1 / (knee + FREQS**exponent), side) is None


def test_peaks_at_the_ends_have_none():
    delta = 10 ** np.exp(-((FREQS - 3) ** 2) / 2)
    assert detect_rolloff(FREQS, delta / FREQS**0.1, "low") is None
    beta = 10 ** (1.2 * np.exp(-((FREQS - 28) ** 2) / 2 / 25))
    assert detect_rolloff(FREQS, beta / FREQS**2 + 1e-4) is None


def test_order_sets_the_distance_of_the_edges():
    """1 dB is lost at 0.26^(1 / 2n) of the cut-off."""
    for order in (4, 8):
        power = 1 / FREQS / (1 + (FREQS / 35) ** (2 * order)) + 1e-9
        found = detect_rolloff(FREQS, power, n_windows=1000)
        np.testing.assert_allclose(found.cutoff, 35, rtol=0.08)
        np.testing.assert_allclose(found.order, order, rtol=0.3)
        np.testing.assert_allclose(found.edge / found.cutoff, 0.259 ** (1 / 2 / order), rtol=0.03)


def test_first_order_looks_like_a_knee():
    assert detect_rolloff(FREQS, 1 / FREQS / (1 + (FREQS / 30) ** 2)) is None


def test_few_windows_show_less():
    power = 1 / FREQS / (1 + (FREQS / 35) ** 8)
    evidence = [detect_rolloff(FREQS, power, n_windows=n).evidence for n in (5, 50)]
    assert evidence[0] < evidence[1]


def test_too_little_to_judge():
    assert detect_rolloff([0.0, 64.0], [0.0, 0.0]) is None
    assert detect_rolloff([], []) is None
    assert detect_rolloff(FREQS, np.full(len(FREQS), np.nan)) is None
    low = FREQS[FREQS < 12]
    assert detect_rolloff(low, 1 / low**8) is None


def test_arguments():
    with pytest.raises(ValueError, match="side"):
        detect_rolloff(FREQS, FREQS, "top")
    with pytest.raises(ValueError, match="n_windows"):
        detect_rolloff(FREQS, FREQS, n_windows=0)
