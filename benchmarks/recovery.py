"""How well the estimators recover what was simulated, over many seeds.

``FOOOFFitter``: 120 s at 256 Hz, fixed background, 1-45 Hz, with alpha; 100 seeds an exponent.
``NeuralPowerAmplifier``: whitening filter fitted to 300 s, slope of the filtered peak-free
background over 2-40 Hz; 20 seeds an exponent, with and without alpha.

Run ``python benchmarks/recovery.py [--fits N] [--filters N]``.
"""

import argparse

import numpy as np

from npa.datasets import simulate_recording
from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.estimators.parameterize import FOOOFFitter
from npa.spectral import psd

SIMULATED = {"ch_names": ["Oz"], "blink_rate": 0, "beta_amplitude": 0, "eog": False}


def fitted(exponent, seed):
    """Return exponent and centre of the tallest peak, as fitted."""
    raw, _ = simulate_recording(exponent=exponent, random_state=seed, **SIMULATED)
    fit = FOOOFFitter().fit(raw).spectrum_
    tallest = fit.peaks[fit.peaks[:, 1].argmax()] if len(fit.peaks) else [np.nan]
    return fit.exponent, tallest[0]


def residual_slope(exponent, alpha, seed):
    """Return the slope that is left of the background after the filter."""
    raw, truth = simulate_recording(
        exponent=exponent, duration=300.0, alpha_amplitude=alpha, random_state=seed, **SIMULATED
    )
    amplifier = NeuralPowerAmplifier(response="whitening").fit(raw)
    flat = amplifier.transform(truth.background)
    freqs, power = psd(flat.get_data()[0], raw.info["sfreq"], freq_range=(2, 40))
    return np.polyfit(np.log10(freqs), np.log10(power), 1)[0]


def main(n_fits, n_filters):
    """Print both tables."""
    print(f"FOOOFFitter, {n_fits} seeds: exponent and alpha peak, median and 5..95 %")
    for exponent in (0.5, 1.0, 1.5, 2.0, 2.5):
        found, alpha = np.transpose([fitted(exponent, seed) for seed in range(n_fits)])
        print(
            f"  chi {exponent}: error {np.median(found) - exponent:+.4f} "
            f"({_range(found - exponent)}), |error| {np.median(np.abs(found - exponent)):.4f}; "
            f"alpha {np.nanmedian(alpha):.2f} Hz ({_range(alpha)}), none {np.isnan(alpha).sum()}",
            flush=True,
        )
    print(f"NeuralPowerAmplifier(whitening), {n_filters} seeds: slope left, 2-40 Hz")
    for exponent in (0.7, 1.5, 2.2):
        for alpha in (0.0, 8e-6):
            slopes = [residual_slope(exponent, alpha, seed) for seed in range(n_filters)]
            print(
                f"  chi {exponent}, alpha {1e6 * alpha:g} uV: median |slope| "
                f"{np.median(np.abs(slopes)):.4f}, slope ({_range(slopes)})",
                flush=True,
            )


def _range(values):
    low, high = np.nanquantile(values, [0.05, 0.95])
    return f"{low:+.3f}..{high:+.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=100, help="seeds an exponent")
    parser.add_argument("--filters", type=int, default=20, help="seeds a filter")
    arguments = parser.parse_args()
    main(arguments.fits, arguments.filters)
