"""A low-pass filter is found in a spectrum; peaks, knees, noise floors and notches are none."""

import mne
import numpy as np
import pytest
from scipy.signal import butter, firwin, sosfilt, sosfiltfilt, welch

from npa.spectral import PassBand, detect_rolloff, usable_range

FREQS = np.arange(0.5, 128.5, 0.5)


def simulate(seed, low_pass=None):
    """Return frequencies and the average spectrum of eight channels, filtered or not."""
    rng = np.random.default_rng(seed)
    sfreq = float(rng.choice([160, 250, 512]))
    n_times = round(60 * sfreq)
    f = np.fft.rfftfreq(n_times, 1 / sfreq)[1:]
    power = 1 / (rng.choice([0, 10, 100]) + f ** rng.uniform(0.5, 2.2))
    power *= 10 ** (rng.uniform(0, 1.5) * np.exp(-((f - 10) ** 2) / 2))
    beta, width = rng.uniform(15, 28), rng.uniform(1, 5)
    power *= 10 ** (rng.uniform(0, 1) * np.exp(-((f - beta) ** 2) / 2 / width**2))
    spectrum = rng.normal(size=(8, len(f))) + 1j * rng.normal(size=(8, len(f)))
    x = np.fft.irfft(np.pad(spectrum * np.sqrt(power), ((0, 0), (1, 0))), n_times)
    x /= x.std()
    x += rng.choice([0, 0.02]) * rng.normal(size=x.shape)
    x += rng.choice([0, 0.5]) * np.sin(2 * np.pi * 50 * np.arange(n_times) / sfreq)
    if seed % 2:
        x = mne.filter.notch_filter(x, sfreq, [50.0], verbose=False)
    if low_pass is not None:
        x = low_pass(x, sfreq)
    freqs, each = welch(x, sfreq, nperseg=round(2 * sfreq))
    return freqs, np.exp(np.log(np.maximum(each, 1e-300)).mean(axis=0))


def mne_fir(cutoff):
    return lambda x, sfreq: mne.filter.filter_data(x, sfreq, None, cutoff, verbose=False)


def fir(cutoff):
    def apply(x, sfreq):
        taps = firwin(round(sfreq / 2) | 1, cutoff, fs=sfreq)
        return np.apply_along_axis(np.convolve, -1, x, taps, "same")

    return apply


def butterworth(order, cutoff, run):
    return lambda x, sfreq: run(butter(order, cutoff, fs=sfreq, output="sos"), x)


@pytest.mark.parametrize("cutoff", [30.0, 35.0, 40.0])
@pytest.mark.parametrize(
    ("low_pass", "rtol"),
    [
        (mne_fir, 0.2),
        (fir, 0.2),
        (lambda cutoff: butterworth(4, cutoff, sosfiltfilt), 0.45),
        (lambda cutoff: butterworth(3, cutoff, sosfilt), 0.45),
        (lambda cutoff: butterworth(2, cutoff, sosfiltfilt), 0.5),
    ],
    ids=["mne", "fir", "4 twice", "3 once", "2 twice"],
)
def test_low_pass_is_found(cutoff, low_pass, rtol):
    """A sample of the simulations from which the constants come: all but one of five."""
    found = [detect_rolloff(*simulate(seed, low_pass(cutoff))) for seed in range(5)]
    found = [freq for freq in found if freq is not None]
    assert len(found) >= 4
    np.testing.assert_allclose(np.median(found), cutoff, rtol=rtol)


def test_unfiltered_spectra_have_none():
    assert [detect_rolloff(*simulate(seed)) for seed in range(40)] == [None] * 40


@pytest.mark.parametrize("knee", [0.0, 10.0, 300.0])
@pytest.mark.parametrize("exponent", [0.5, 2.5, 3.5])
def test_exact_backgrounds_have_none(exponent, knee):
    assert detect_rolloff(FREQS, 1 / (knee + FREQS**exponent)) is None


def test_gentle_falls_count_only_in_the_median_of_many_channels():
    order = {2: 1 / (1 + (FREQS / 35) ** 4), 4: 1 / (1 + (FREQS / 35) ** 16)}
    assert detect_rolloff(FREQS, order[2] / FREQS) is not None
    assert detect_rolloff(FREQS, order[2] / FREQS, gentle=False) is None
    assert detect_rolloff(FREQS, order[4] / FREQS, gentle=False) is not None


def test_too_little_to_judge():
    assert detect_rolloff([0.0, 64.0], [0.0, 0.0]) is None
    low = FREQS[FREQS < 12]
    assert detect_rolloff(low, 1 / low**8) is None


@pytest.mark.parametrize(
    ("highpass", "lowpass", "expected"),
    [
        (0.0, 128.0, (0, 128)),
        (None, None, (0, 128)),
        (1.0, 40.0, (1, 40)),
        (0.1, 0.0, (0.1, 128)),  # EDF headers hold a 0
        (50.0, 30.0, (50, 128)),
        (0.0, 200.0, (0, 128)),
        (np.nan, np.nan, (0, 128)),
    ],
)
def test_range_of_the_header(highpass, lowpass, expected):
    assert usable_range(256.0, highpass, lowpass) == expected


def test_pass_band_holds_and_limits():
    band = PassBand(1.0, 40.0, "header")
    assert band.holds((0.96, 41.9))
    assert not band.holds((0.94, 40))
    assert not band.holds((1, 42.1))
    assert band.limit((0.5, 45)) == (1.0, 40.0)
    assert band.limit((2, 41)) == (2, 41)
    assert band.limit((45, 50)) is None
    assert str(band) == "1-40 Hz (header)"
