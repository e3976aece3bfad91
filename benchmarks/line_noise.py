"""Removal of line noise: what is left, what else goes, and how long it takes, beside the peers.

Simulations with known truth: backgrounds of independent or of dipolar sources with alpha and a
gamma rhythm at 50 Hz; line noise with harmonics, steady or not, in all channels or one, of rank 1
to 4. A method is run on background plus line and on background minus line. Half of the difference
of the results is what it leaves of the line; half of their sum minus the background is its damage.
Recordings with line noise: how far the line stands above its background before and after.

Run ``NPA_DATA=... python -m benchmarks.line_noise [--seeds N] [--out FILE]``; the peers are those
of the extra ``bench`` (MNE always).
"""

import argparse
import contextlib
import io
import time
import warnings
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from mne.filter import notch_filter

from npa import LineNoiseRemover
from npa.spectral import power_law, psd

SFREQ, DURATION = 500.0, 120.0
CASES = {
    "steady": {},
    "steady, independent background": {"dipolar": False},
    "49.8 Hz": {"freq": 49.8},
    "50.03 Hz": {"freq": 50.03},
    "drifting 49.9 to 50.1 Hz": {"course": "drift"},
    "amplitude modulated": {"course": "modulated"},
    "bursts": {"course": "bursts"},
    "one channel": {"where": "one"},
    "every channel for itself": {"where": "each", "course": "modulated"},
    "rank 2": {"rank": 2, "course": "modulated"},
    "rank 4": {"rank": 4, "course": "modulated"},
    "strong (500 uV)": {"amplitude": 50.0},
    "weak (1 uV)": {"amplitude": 0.1},
    "4 channels": {"n_channels": 4},
    "4 channels, drifting": {"n_channels": 4, "course": "drift"},
    "8 channels": {"n_channels": 8},
    "128 channels": {"n_channels": 128},
    "128 channels, 20 s": {"n_channels": 128, "duration": 20.0},
    "10 s": {"duration": 10.0},
}


def pink(n_rows, n_times, exponent, rng):
    """Return noise of unit variance and power f^-exponent, flat below 0.5 Hz."""
    freqs = np.fft.rfftfreq(n_times, 1 / SFREQ)
    gain = np.maximum(freqs, 0.5) ** (-exponent / 2)
    spectrum = gain * (
        rng.normal(size=(n_rows, len(freqs))) + 1j * rng.normal(size=(n_rows, len(freqs)))
    )
    x = np.fft.irfft(spectrum, n_times)
    return x / x.std(axis=-1, keepdims=True)


def rhythm(freq, width, n_times, rng):
    """Return a narrow-band signal of unit variance."""
    freqs = np.fft.rfftfreq(n_times, 1 / SFREQ)
    gain = np.exp(-0.5 * ((freqs - freq) / width) ** 2)
    x = np.fft.irfft(
        gain * (rng.normal(size=len(freqs)) + 1j * rng.normal(size=len(freqs))), n_times
    )
    return x / x.std()


def patterns(n_channels, n_sources, rng):
    """Smooth patterns of sources under electrodes on a half sphere."""

    def places(n, radius):
        xyz = rng.normal(size=(n, 3))
        xyz[:, 2] = np.abs(xyz[:, 2])
        return radius * xyz / np.linalg.norm(xyz, axis=1, keepdims=True)

    distance = places(n_channels, 1.0)[:, np.newaxis] - places(n_sources, 0.75)
    moments = rng.normal(size=(n_sources, 3))
    return (distance * moments).sum(axis=-1) / np.linalg.norm(distance, axis=-1) ** 3


def simulate(
    n_channels=32,
    duration=DURATION,
    dipolar=True,
    freq=50.0,
    course="steady",
    where="all",
    rank=1,
    amplitude=1.0,
    seed=0,
):
    """Return background and line, in units of 10 uV."""
    rng = np.random.default_rng(seed)
    n_times = round(duration * SFREQ)
    times = np.arange(n_times) / SFREQ
    if dipolar:
        mixing = patterns(n_channels, 100, rng)
        brain = mixing @ pink(100, n_times, rng.uniform(0.8, 1.5), rng)
        rhythms = patterns(n_channels, 2, rng)
    else:
        brain = pink(n_channels, n_times, rng.uniform(0.8, 1.5), rng)
        rhythms = rng.normal(size=(n_channels, 2))
    brain /= brain.std()
    rhythms *= np.array([0.5, 0.05]) / np.abs(rhythms).mean(axis=0)
    brain += rhythms @ [rhythm(10.0, 1.0, n_times, rng), rhythm(50.0, 3.0, n_times, rng)]
    if dipolar:
        brain += 0.05 * rng.normal(size=brain.shape)
    line = np.zeros_like(brain)
    n_waves = n_channels if where == "each" else rank
    for harmonic, size in ((1, 1.0), (2, 0.3), (3, 0.15)):
        weights = {
            "all": rng.normal(size=(n_channels, n_waves)) + 1,
            "one": np.eye(n_channels)[:, :n_waves] * 3,
            "each": np.eye(n_channels),
        }[where]
        for index in range(n_waves):
            phase = 2 * np.pi * freq * times
            if course == "drift":
                phase = 2 * np.pi * (49.9 * times + 0.1 / duration * times**2)
            gain = np.ones(n_times)
            if course == "modulated":
                gain = 1 + rhythm(0.0, 0.2, n_times, rng) / 2
            elif course == "bursts":
                gain = (np.cumsum(rng.random(n_times) < 0.5 / SFREQ) % 2).astype(float)
            wave = gain * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
            line += size * np.outer(weights[:, index], wave)
    return brain, amplitude * line / line.std()


def npa(**kwargs):
    """`LineNoiseRemover`."""
    return lambda x, freq: LineNoiseRemover(freq, sfreq=SFREQ, **kwargs).fit_transform(
        x[np.newaxis]
    )[0]


def fir(x, freq):
    """MNE's notch filter."""
    return notch_filter(x, SFREQ, np.arange(freq, SFREQ / 2 - 1, freq))


def spectrum_fit(x, freq):
    """MNE's ``spectrum_fit``."""
    n = min(x.shape[1], round(10 * SFREQ))
    return notch_filter(
        x, SFREQ, np.arange(freq, SFREQ / 2 - 1, freq), filter_length=n, method="spectrum_fit"
    )


def zapline(n_select="auto"):
    """mne-denoise's ZapLine."""

    def run(x, freq):
        from mne_denoise.zapline import ZapLine

        return ZapLine(SFREQ, freq, n_select=n_select).fit_transform(x)

    return run


def meegkit(n_remove):
    """Meegkit's ZapLine."""

    def run(x, freq):
        from meegkit.dss import dss_line

        return dss_line(x.T[:, :, np.newaxis].copy(), freq, SFREQ, nremove=n_remove)[0][..., 0].T

    return run


METHODS = {
    "npa": npa(),
    "npa, spatial": npa(method="spatial"),
    "npa, spectrum fit": npa(method="spectrum_fit"),
    "MNE FIR notch": fir,
    "MNE spectrum_fit": spectrum_fit,
    "mne-denoise": zapline(),
    "mne-denoise, true rank": None,
    "meegkit, true rank": None,
}


def exponent(x):
    """Mean exponent of the channels, 2 to 90 Hz, without the neighbourhood of 50 Hz."""
    freqs, power = psd(x, SFREQ, freq_range=(2, 90))
    keep = np.abs(freqs - 10) > 3
    return -np.mean([power_law(freqs[keep], each[keep]).slope for each in power])


def band(x):
    """Power within 45 to 55 Hz."""
    freqs, power = psd(x, SFREQ, freq_range=(45, 55))
    return power.sum()


def quiet(method, x, freq):
    """Run without output; return the result and the seconds it takes."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        y = np.asarray(method(x.copy(), freq))
        return y, time.perf_counter() - start


def measure(case, name, seed):
    """Return what a method leaves, its damage, and its time."""
    options = CASES[case]
    rank = options.get("rank", 1)
    method = METHODS[name]
    if name == "mne-denoise, true rank":
        method = zapline(rank)
    elif name == "meegkit, true rank":
        method = meegkit(rank)
    brain, line = simulate(**options, seed=seed)
    plus, seconds = quiet(method, brain + line, 50.0)
    minus, _ = quiet(method, brain - line, 50.0)
    left, rest = (plus - minus) / 2, (plus + minus) / 2
    return {
        "case": case,
        "method": name,
        "left (dB)": 20 * np.log10(left.std() / line.std()),
        "damage": (rest - brain).std() / brain.std(),
        "error": (plus - brain).std() / brain.std(),
        "45-55 Hz (dB)": 10 * np.log10(band(rest) / band(brain)),
        "exponent": exponent(plus) - exponent(brain),
        "seconds": seconds,
    }


def main():
    """Measure all, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    mne.set_log_level("ERROR")
    rows = []
    for case in args.cases:
        for name in args.methods:
            for seed in range(args.seeds):
                try:
                    rows.append(measure(case, name, seed))
                except Exception as error:
                    print(case, name, type(error).__name__, error)
                    break
        table = pd.DataFrame([row for row in rows if row["case"] == case])
        print(table.groupby(["case", "method"], sort=False).mean().round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
