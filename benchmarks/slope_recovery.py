"""How well `PSDExponent` recovers the slope of 1/f noise: 100 seeds of 120 s at 256 Hz, 2-40 Hz.

Run ``python benchmarks/slope_recovery.py [--seeds N]``.
"""

import argparse
import time

import numpy as np

from npa.datasets import simulate_recording
from npa.estimators.exponent import PSDExponent

SFREQ, DURATION = 256.0, 120.0
EXPONENTS = (0.5, 1.0, 1.5, 2.0, 2.5)
STUDY = {
    "psd": "periodogram",
    "psd_kwargs": {"window": "boxcar", "detrend": False, "one_sided": False},
    "aggregate": "sum",
    "by": "/",
}


def colored_noise(exponent, seed):
    """Noise of power f^-exponent, cut out of a record four times as long."""
    rng = np.random.default_rng(seed)
    n_times = int(SFREQ * DURATION)
    freqs = np.fft.rfftfreq(4 * n_times, 1 / SFREQ)
    spectrum = rng.normal(size=(2, len(freqs)))
    gain = np.zeros(len(freqs))
    gain[1:] = freqs[1:] ** (-exponent / 2)
    return np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * gain)[np.newaxis, :n_times]


def recovery(n_seeds):
    """Print the median error of the slope, by exponent and regression."""
    print(f"peak-free, {n_seeds} seeds: median of (slope + exponent), and 95 % of seeds within")
    for exponent in EXPONENTS:
        noise = np.concatenate([colored_noise(exponent, seed) for seed in range(n_seeds)])
        for regression in ("ols", "theilsen"):
            start = time.perf_counter()
            measure = PSDExponent((2, 40), regression=regression, sfreq=SFREQ)
            error = measure.fit_transform(noise)[:, 0] + exponent
            seconds = time.perf_counter() - start
            within = np.quantile(np.abs(error), 0.95)
            print(f"  chi {exponent}: {regression:8s} {np.median(error):+.4f}   {within:.3f}"
                  f"   ({seconds:.2f} s)")  # fmt: skip


def alpha_bias(n_seeds):
    """Print what an alpha rhythm does to the slope of an occipital channel."""
    print(f"alpha of 8 uV in a background of 10 uV, Oz, {n_seeds} seeds: median of slope with alpha"
          " - slope without")  # fmt: skip
    quiet = {"blink_rate": 0, "beta_amplitude": 0, "eog": False}
    for regression in ("ols", "theilsen"):
        measure = PSDExponent((2, 40), regression=regression, picks=["Oz"])
        bias = []
        for seed in range(n_seeds):
            _, truth = simulate_recording(random_state=seed, **quiet)
            with_alpha = measure.fit_transform(truth.clean)[0, 0]
            bias.append(with_alpha - measure.fit_transform(truth.background)[0, 0])
        print(f"  {regression:8s} {np.median(bias):+.3f}")


def speed():
    """Print how long the estimator of the LSTM study takes, beside the FFT alone."""
    activations = np.random.default_rng(0).normal(size=(200, 360, 500))
    gates = ("f", "i", "cc", "o", "c_out", "h")
    by = {gate: [f"ch{60 * i + unit}" for unit in range(60)] for i, gate in enumerate(gates)}
    start = time.perf_counter()
    np.abs(np.fft.rfft(activations)) ** 2
    fft = time.perf_counter() - start
    start = time.perf_counter()
    PSDExponent(**{**STUDY, "by": by}, sfreq=1.0).fit_transform(activations)
    ours = time.perf_counter() - start
    print(f"200 reviews x 360 cells x 500 words: {ours:.2f} s, |FFT|^2 alone {fft:.2f} s "
          f"(ratio {ours / fft:.1f}); 15,000 reviews: {75 * ours:.0f} s")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    n_seeds = parser.parse_args().seeds
    speed()
    recovery(n_seeds)
    alpha_bias(max(n_seeds // 5, 1))
