"""What FOOOF makes of 200 made-up spectra: run to write ``fooof_fits.npz`` anew.

Takes a minute; needs fooof 1.1.
"""

import warnings
from pathlib import Path

import numpy as np

FREQS = np.arange(1, 45.25, 0.5)
KINDS = {"plain": 40, "knee": 40, "no peak": 30, "overlap": 40, "edge": 30, "flat": 20}
SETTINGS = {
    "peak_width_limits": (1, 12),
    "max_n_peaks": 6,
    "min_peak_height": 0.1,
    "peak_threshold": 2.0,
}


def spectrum(kind, rng):
    """Return one spectrum: background, peaks and chi-squared noise."""
    exponent = 0.0 if kind == "flat" else rng.uniform(0.5, 2.5)
    knee = rng.uniform(2, 12) ** exponent if kind == "knee" else 0.0
    centres = {
        "plain": rng.uniform(5, 40, rng.integers(1, 4)),
        "knee": rng.uniform(5, 40, rng.integers(1, 3)),
        "no peak": [],
        "overlap": rng.uniform(8, 30) + np.array([0, rng.uniform(2, 5)]),
        "edge": [rng.choice([1.5, 44.0]), 20.0],
        "flat": [],
    }[kind]
    log_power = rng.uniform(-12, -10) - np.log10(knee + FREQS**exponent)
    for centre in centres:
        sd = rng.uniform(0.6, 2.5)
        log_power += rng.uniform(0.3, 1.2) * np.exp(-((FREQS - centre) ** 2) / (2 * sd**2))
    n_averaged = rng.choice([20, 100])
    return 10**log_power * rng.gamma(n_averaged, 1 / n_averaged, len(FREQS))


def main():
    """Write the spectra and their fits."""
    warnings.simplefilter("ignore")
    from fooof import FOOOFGroup

    rng = np.random.default_rng(11)
    kinds = np.repeat(list(KINDS), list(KINDS.values()))
    power = np.array([spectrum(kind, rng) for kind in kinds], dtype=np.float32)
    found = {"freqs": FREQS, "power": power, "kind": kinds}
    for mode in ("fixed", "knee"):
        group = FOOOFGroup(**SETTINGS, aperiodic_mode=mode, verbose=False)
        group.fit(FREQS, power.astype(float))
        peaks = np.full((2, len(power), 6, 3), np.nan)
        for row, fit in enumerate(group):
            peaks[0, row, : len(fit.peak_params)] = fit.peak_params
            peaks[1, row, : len(fit.peak_params)] = fit.gaussian_params
        found[f"{mode}_background"] = np.array([fit.aperiodic_params for fit in group])
        found[f"{mode}_peaks"], found[f"{mode}_gaussians"] = peaks
        found[f"{mode}_r_squared"] = np.array([fit.r_squared for fit in group])
        found[f"{mode}_error"] = np.array([fit.error for fit in group])
    np.savez_compressed(Path(__file__).with_name("fooof_fits.npz"), **found)


if __name__ == "__main__":
    main()
