"""The exact filter in one pass, beside the paper's passes and beside a Fourier transform.

64 channels of 10 min at 512 Hz. The peer is ``scipy.signal.filtfilt`` once for each of 5 Chebyshev
high-passes and 3 Remez band-passes. Run ``python -m benchmarks.amplifier_speed [--quick]``.
"""

import mne
import numpy as np
from scipy import fft, signal

from benchmarks.timing import (
    clock,
    grow,
    in_fresh_process,
    in_turn,
    medians,
    peak_mb,
    print_run,
    ratio_of,
)
from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.spectral import apply_zero_phase, design_filter, zero_phase_fir

SFREQ, SECONDS, CHANNELS = 512.0, 600, 64
PEAKS = np.array([[6.0, 0.3, 1.5], [10.0, 0.8, 1.0], [20.0, 0.4, 2.0]])  # Hz, log10 units, Hz
EXPONENT = 1.2


def background(n_channels, seconds=SECONDS, seed=0):
    """Make noise of the exponent, one channel after the other."""
    rng = np.random.default_rng(seed)
    x = np.empty((n_channels, int(seconds * SFREQ)))
    scale = np.arange(1, x.shape[1] // 2 + 2) ** (-EXPONENT / 2)
    for row in x:
        row[:] = 1e-5 * fft.irfft(fft.rfft(rng.standard_normal(x.shape[1])) * scale, x.shape[1])
    return x


def in_passes(filters, x):
    """Run every filter of the paper forwards and backwards, and add the outputs."""
    (_, bank), *peaks = filters.parts
    total = sum(stage.weight * signal.filtfilt(stage.b, stage.a, x) for stage in bank.stages)
    for weight, peak in peaks:
        total += weight * signal.filtfilt(peak.taps, 1.0, x)
    return total


def there_and_back(x):
    """Transform every row, and back."""
    out = np.empty_like(x)
    for row, copy in zip(x, out, strict=True):
        copy[:] = fft.irfft(fft.rfft(row), len(row))
    return out


def growth(work):
    """Filter as many channels."""
    exact = design_filter(EXPONENT, 0.0, PEAKS, SFREQ)
    before = peak_mb()
    x = background(work)
    seconds, _ = clock(exact.apply, x)
    data = x.nbytes / 2**20
    return {
        "seconds": seconds,
        "data_mb": data,
        "memory over data, in and out": (peak_mb() - before) / data,
    }


def through_transformer(n_channels, seconds):
    """Return seconds, and memory over data (input included), of the transformer on a Raw."""
    info = mne.create_info(n_channels, SFREQ, "eeg")
    short = mne.io.RawArray(background(n_channels, 30), info, verbose="error")
    amplifier = NeuralPowerAmplifier().fit(short)
    before = peak_mb()
    raw = mne.io.RawArray(background(n_channels, seconds), info, copy=None, verbose="error")
    took, _ = clock(amplifier.transform, raw)
    return took, (peak_mb() - before) / (n_channels * seconds * SFREQ * 8 / 2**20)


def same_filter(x, paper):
    """Return how far one pass with the gain of the paper's filters is from their passes (RMS)."""
    taps = zero_phase_fir(paper.gain, SFREQ)
    passes = in_passes(paper, x)
    inner = slice(len(taps) // 2, -len(taps) // 2)
    difference = (apply_zero_phase(x, taps) - passes)[:, inner]
    return float(np.sqrt(np.mean(difference**2) / np.mean(passes[:, inner] ** 2)))


def decibels_off(filters):
    """Return the largest error in dB of the gain within 1-45 Hz, where it is above 0.02."""
    freqs = np.linspace(1, 45, 1761)
    ideal = filters.ideal(freqs)
    large = ideal > 0.02
    return float(np.abs(20 * np.log10(filters.gain(freqs) / ideal)[large]).max())


def run(quick=False):
    """Measure all of it."""
    seconds = SECONDS // 10 if quick else SECONDS
    works = (1, 10) if quick else (1, 10, 100)
    grown = grow(growth, works)
    took, memory = in_fresh_process(through_transformer, CHANNELS, seconds)
    exact = design_filter(EXPONENT, 0.0, PEAKS, SFREQ)
    paper = design_filter(EXPONENT, 0.0, PEAKS, SFREQ, design="paper")
    x = background(CHANNELS, seconds)
    jobs = {
        "ours": lambda: exact.apply(x),
        "fft": lambda: there_and_back(x),
        "peer": lambda: in_passes(paper, x),
    }
    times, processor, _ = in_turn(jobs, rounds=3)
    over_fft = ratio_of(times["ours"], times["fft"])
    return {
        "claim": "exact design in one pass, beside 5 + 3 scipy.signal.filtfilt passes "
        f"({CHANNELS} channels x {seconds} s x {SFREQ:g} Hz): at least 10 times as fast",
        "ratio": ratio_of(times["peer"], times["ours"]),
        "answers": {
            "median seconds": medians(times),
            "median seconds of processor": medians(processor),
            "ratio of processor seconds": ratio_of(processor["peer"], processor["ours"]),
            "ours over a forward and inverse real FFT (at most 3)": over_fft,
            "one pass with the gain of the paper's passes: RMS difference over RMS": same_filter(
                x[:4], paper
            ),
            "largest error against the ideal gain within 1-45 Hz, dB": {
                "exact": decibels_off(exact),
                "paper": decibels_off(paper),
            },
            "NeuralPowerAmplifier.transform of a Raw": {
                "seconds": took,
                "memory over data, in and out": memory,
            },
        },
        "growth": grown,
    }


if __name__ == "__main__":
    print_run(run)
