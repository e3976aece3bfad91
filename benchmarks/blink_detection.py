"""How often BlinkICARemover finds blinks where there are some, and where there are none.

Simulates recordings with and without blinks, half of them with EOG channels, with the exponent of
the background, the amplitudes of background and alpha, the blinks' rate and height and the number
of electrodes drawn at random. Run with ``python benchmarks/blink_detection.py [--seeds N]``.
"""

import argparse
import warnings

import mne
import numpy as np

from npa.datasets import simulate_recording
from npa.estimators.blinks import BlinkICARemover


def draw(seed, *, blinks):
    """Simulate one recording of 60 s at 256 Hz, and say what is in it."""
    rng = np.random.default_rng([seed, blinks])
    n_channels = int(rng.choice([19, 32, 64]))
    montage = {19: None, 32: "biosemi32", 64: "biosemi64"}[n_channels]
    ten_twenty = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2"
    names = mne.channels.make_standard_montage(montage).ch_names if montage else ten_twenty.split()
    setting = {
        "ch_names": names,
        "eog": bool(seed % 2),
        "exponent": rng.uniform(0.5, 2.5),
        "background_amplitude": rng.uniform(8e-6, 20e-6),
        "alpha_amplitude": rng.uniform(2e-6, 30e-6),
        "blink_rate": rng.uniform(8, 30) if blinks else 0.0,
        "blink_amplitude": rng.uniform(110e-6, 250e-6),
    }
    raw, truth = simulate_recording(duration=60.0, random_state=rng, **setting)
    return raw, truth, setting


def score(seed, *, blinks):
    """Return the report of one recording, and how much of the true blinks is gone."""
    raw, truth, setting = draw(seed, blinks=blinks)
    remover = BlinkICARemover()
    out = remover.fit_transform(raw)
    if not blinks:
        return remover.blinks_, np.nan, setting
    front = [name for name in ("Fp1", "Fpz", "Fp2") if name in raw.ch_names]
    left, there = (
        np.median(
            [
                (each.get_data(front) - truth.clean.get_data(front)).mean(axis=0)[sample]
                for sample in raw.time_as_index(truth.blink_times)
            ]
        )
        for each in (out, raw)
    )
    return remover.blinks_, 1 - abs(left / there), setting


def main():
    """Print the counts, and the recordings that were judged wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    n_seeds = parser.parse_args().seeds
    mne.set_log_level("WARNING")
    warnings.simplefilter("error")
    for blinks in (False, True):
        results = [score(seed, blinks=blinks) for seed in range(n_seeds)]
        right = sum(report.found == blinks for report, _, _ in results)
        print(f"blinks: {blinks}; right in {right} of {n_seeds}")
        tempting = sum(max(report.n_blinks) >= 5 for report, _, _ in results)
        print(f"  at least 5 peaks high enough for blinks in {tempting}")
        falls = [fall for report, fall, _ in results if report.found and blinks]
        if falls:
            print(
                f"  median blink at Fp falls by {np.median(falls):.1%} (median over seeds), "
                f"{np.quantile(falls, 0.05):.1%} (5 % of seeds are below)"
            )
        for seed, (report, _, setting) in enumerate(results):
            if report.found != blinks:
                known = {name: setting[name] for name in setting if name != "ch_names"}
                print(f"  seed {seed}, {len(report.ch_names)} channels, {known}: {report.reason}")


if __name__ == "__main__":
    main()
