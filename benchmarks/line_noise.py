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
import os
import time
import warnings
from pathlib import Path

import mne
import numpy as np
import pandas as pd
from mne.filter import notch_filter

from npa import LineNoiseRemover
from npa.spectral import power_law, psd

SFREQ, DURATION = 500.0, 30.0
CASES = {
    "steady": {},
    "steady, independent background": {"dipolar": False},
    "steady, harmonics of other patterns": {"same": False},
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
    "10 s": {"duration": 10.0},
}


TEXT = {
    "head": [
        "# Line noise",
        """How much line noise `LineNoiseRemover` leaves, what else goes, and how long it takes,
beside MNE, mne-denoise 0.0.3 and meegkit 0.2.0.""",
        "\n".join((__doc__ or "").split("\n\n")[1].splitlines()),
        "## Verdict",
        """The best peer at equal damage leaves the least among those whose damage is at most 1.05
times that of npa, plus 0.001. Times are processor time of fit and transform.""",
    ],
    "reading": """Where npa is alone ("none"), every peer does more damage. It is weakest where line
noise bursts: methods that take the whole component above 25 Hz leave less of it, with more damage.
The peers are not used as engines: ZapLine removes components at all frequencies above the line's
period, needs one pattern for all harmonics, and takes no channel by itself; `spectrum_fit` fills
the bins beside a line, and misses one that is 0.2 Hz off.""",
    "simulations": [
        "## Simulations",
        f"""{DURATION:g} s at {SFREQ:g} Hz, 32 channels, the line as strong as the background unless
named otherwise. `damage`: RMS of what happens to the background, over its RMS. `error`: the same of
the whole result. `45-55 Hz`: change of the background's power there, which holds a rhythm at 50 Hz.
`exponent`: of the result minus that of the background, 2 to 90 Hz. `true rank`: told how many
components the line has.""",
    ],
    "recordings": [
        "## Recordings",
        """Power within 0.4 Hz of the line over that 1 to 3 Hz beside it. `beside`: change of the
power 0.6 to 3 Hz beside the line, which should stay.""",
    ],
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
    same=True,
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
        new = {
            "all": rng.normal(size=(n_channels, n_waves)) + 1,
            "one": np.eye(n_channels)[:, :n_waves] * 3,
            "each": np.eye(n_channels),
        }[where]
        if harmonic == 1 or not same:
            weights = new
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
    """Run without output; return the result and the processor seconds it takes."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        y = np.asarray(method(x.copy(), freq))
        return y, time.process_time() - start


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


def recordings(folder):
    """Yield names, samples and sampling rates of recordings with line noise, and its frequency."""
    for name in ("S001R01", "S001R02", "S001R03", "S001R04"):
        raw = mne.io.read_raw_edf(folder / "eegbci" / f"{name}.edf", preload=True)
        yield f"EEGBCI {name}", raw.get_data(), raw.info["sfreq"], 60.0
    for path in sorted((folder / "ssvep_muse").glob("*.fif"))[:2]:
        raw = mne.io.read_raw_fif(path, preload=True)
        yield f"SSVEP {path.stem[-12:]}", raw.get_data("eeg"), raw.info["sfreq"], 60.0


def measure_recording(name, method, x, sfreq, freq):
    """Return how far the line stands above its background, and what else changes."""
    global SFREQ
    before, SFREQ = SFREQ, sfreq
    try:
        y, seconds = quiet(
            METHODS[method] or {"mne": zapline, "mee": meegkit}[method[:3]](1), x, freq
        )
    finally:
        SFREQ = before
    row = {"recording": name, "method": method}
    for label, signal in (("before", x), ("after", y)):
        freqs, power = psd(signal, sfreq, n_per_seg=round(8 * sfreq))
        inside = power[:, np.abs(freqs - freq) <= 0.4].mean(axis=1)
        beside = power[:, (np.abs(freqs - freq) >= 1) & (np.abs(freqs - freq) <= 3)]
        level = 10 * np.log10(inside / np.median(beside, axis=1))
        row[f"{label}, median (dB)"], row[f"{label}, worst (dB)"] = np.median(level), level.max()
        row[label] = power[:, (np.abs(freqs - freq) >= 0.6) & (np.abs(freqs - freq) <= 3)].sum()
    row["beside (dB)"] = 10 * np.log10(row.pop("after") / row.pop("before"))
    row["changed (RMS)"] = (y - x).std() / x.std()
    row["seconds"] = seconds
    return row


def verdicts(table):
    """Compare npa with the best peer that does no more damage, case by case."""
    rows = []
    for case, group in table.groupby("case", sort=False):
        means = group.set_index("method")
        ours = means.loc["npa"]
        peers = means[~means.index.str.startswith("npa")]
        equal = peers[peers["damage"] <= 1.05 * ours["damage"] + 0.001]
        best = equal["left (dB)"].min() if len(equal) else np.nan
        rows.append(
            {
                "case": case,
                "npa left (dB)": ours["left (dB)"],
                "damage": ours["damage"],
                "error": ours["error"],
                "best peer at equal damage (dB)": best,
                "by": equal["left (dB)"].idxmin() if len(equal) else "none",
                "least error of peers": peers["error"].min(),
                "time over spectrum_fit": ours["seconds"]
                / means.loc["MNE spectrum_fit", "seconds"],
            }
        )
    return pd.DataFrame(rows)


def markdown(table, digits=3):
    """Return a table in Markdown."""
    text = table.round(digits).astype(str).replace("nan", "")
    lines = [list(text.columns), ["---"] * len(text.columns), *text.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main():
    """Measure all, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    mne.set_log_level("ERROR")
    rows, real = [], []
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
    folder = os.environ.get("NPA_DATA")
    for name, x, sfreq, freq in recordings(Path(folder)) if folder else ():
        for method in args.methods:
            try:
                real.append(measure_recording(name, method, x, sfreq, freq))
            except Exception as error:
                print(name, method, type(error).__name__, error)
        print(pd.DataFrame(real[-len(args.methods) :]).round(3).to_string(), flush=True)
    if args.out:
        means = pd.DataFrame(rows).groupby(["case", "method"], sort=False).mean().reset_index()
        parts = [
            *TEXT["head"],
            markdown(verdicts(means)),
            TEXT["reading"],
            *TEXT["simulations"],
            f"Means of {args.seeds} seeds.",
            markdown(means),
        ]
        if real:
            parts += [*TEXT["recordings"], markdown(pd.DataFrame(real))]
        parts.append("Made by `python -m benchmarks.line_noise --out docs/results/line_noise.md`.")
        args.out.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
