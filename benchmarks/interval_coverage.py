"""How often 95 % intervals of `npa.FOOOFFitter` hold the truth, and how large the errors are.

Signals are Gaussian noise with a known spectrum, 128 Hz, flat below 0.3 Hz, in Welch windows of
4 s (1-45 Hz). A channel is a recording. Cells that are in the file already are not run again.

Run ``python -m benchmarks.interval_coverage [--recordings N] [--cells N]``; it writes
``docs/results/intervals.json`` and the table of ``intervals.md``.
"""

import argparse
import json
import warnings
from itertools import product
from pathlib import Path

import mne
import numpy as np

from npa import FOOOFFitter
from npa.spectral import aperiodic, gaussians

RESULTS = Path(__file__).parent.parent / "docs" / "results"
SFREQ = 128.0
DURATIONS = (30, 600, 120)  # s
SELECTIONS = ("bic", None)
ALPHA, BETA = (10.0, 0.8, 1.0), (21.0, 0.4, 2.0)  # Hz, log10 units, Hz (SD)
SPECTRA = {  # exponent, knee, peaks
    "chi 0.5": (0.5, 0.0, []),
    "chi 1.5, alpha": (1.5, 0.0, [ALPHA]),
    "chi 2.5, alpha, beta": (2.5, 0.0, [ALPHA, BETA]),
    "chi 2, knee at 10 Hz": (2.0, 100.0, []),
    "chi 2, knee at 10 Hz, beta": (2.0, 100.0, [BETA]),
}
MIN_RECORDINGS = 20


def simulate(rng, n_recordings, duration, exponent, knee, peaks):
    """Return stationary Gaussian signals (n_recordings, n_times)."""
    n_times = round(duration * SFREQ)
    freqs = np.maximum(np.fft.rfftfreq(2 * n_times, 1 / SFREQ), 0.3)
    power = 10 ** (aperiodic(freqs, 0.0, exponent, knee) + gaussians(freqs, peaks))
    noise = rng.standard_normal((n_recordings, len(freqs), 2)) @ [1, 1j]
    signals = np.fft.irfft(noise * np.sqrt(power * SFREQ * n_times / 2), 2 * n_times)
    return signals[:, :n_times]


def measure(duration, spectrum, selection, n_recordings, n_boot):
    """Return coverage and errors of every measure."""
    exponent, knee, peaks = SPECTRA[spectrum]
    seed = [duration, list(SPECTRA).index(spectrum)]
    x = simulate(np.random.default_rng(seed), n_recordings, duration, exponent, knee, peaks)
    fitter = FOOOFFitter(
        aperiodic_mode="knee" if knee else "fixed",
        selection=selection,
        uncertainty="bootstrap",
        n_boot=n_boot,
        random_state=0,
        sfreq=SFREQ,
    )
    table = fitter.fit_transform(x[np.newaxis]).reshape(n_recordings, -1)
    names = [name.removeprefix("ch0_") for name in fitter.feature_names_[: table.shape[1]]]
    columns = dict(zip(names, table.T, strict=True))
    truth = {"offset": 0.0, "exponent": exponent}
    if knee:
        truth |= {"knee": knee, "knee_freq": knee ** (1 / exponent)}
    found = {name: score(columns, name, value) for name, value in truth.items()}
    for label, (centre, height, sd) in zip(("alpha", "beta"), (ALPHA, BETA), strict=True):
        if (centre, height, sd) in peaks:
            own = nearest(columns, centre, 2 * sd)
            for name, value in {"cf": centre, "pw": height, "bw": 2 * sd}.items():
                found[f"{label} {name}"] = score(own, name, value)
    return found


def nearest(columns, centre, tolerance):
    """Return the columns of the peak that is nearest to a frequency, in every recording."""
    cf = np.stack([value for name, value in columns.items() if name.endswith("_cf")])
    distance = np.where(np.isnan(cf), np.inf, np.abs(cf - centre))
    number, missing = distance.argmin(axis=0), distance.min(axis=0) > tolerance
    own = {}
    for name in [key.removeprefix("peak1_") for key in columns if key.startswith("peak1_")]:
        each = np.stack([columns[f"peak{n + 1}_{name}"] for n in range(len(cf))])
        own[name] = np.where(missing, np.nan, each[number, np.arange(each.shape[1])])
    return own


def score(columns, name, truth):
    """Return share of intervals that hold the truth, and error, of one measure."""
    estimate, se, low, high = (columns[name + end] for end in ("", "_se", "_low", "_high"))
    known = np.isfinite(se)
    if known.sum() < MIN_RECORDINGS:
        return {"n": int(known.sum())}
    covered = ((low <= truth) & (truth <= high))[known]
    return {
        "n": int(known.sum()),
        "covered": float(covered.mean()),
        "se": float(np.median(se[known])),
        "sd": float(estimate[known].std(ddof=1)),
        "bias": float(estimate[known].mean() - truth),
    }


def write(results):
    """Write the results, and the table."""
    (RESULTS / "intervals.json").write_text(json.dumps(results, indent=1) + "\n")
    lines = [
        "| peaks by | duration | spectrum | measure | n | covered | SE | SD | bias |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key, cell in sorted(results["cells"].items(), key=order):
        for name, each in cell.items():
            values = [f"{each['n']}"]
            if "covered" in each:
                values.append(f"{each['covered']:.1%}")
                values += [f"{each['se']:.3g}", f"{each['sd']:.3g}", f"{each['bias']:+.2g}"]
            else:
                values += ["-"] * 4
            lines.append(f"| {' | '.join([*key.split('; '), name, *values])} |")
    path = RESULTS / "intervals.md"
    text = path.read_text() if path.exists() else "# Intervals\n\n<!-- table -->\n"
    head = text.split("<!-- table -->")[0]
    path.write_text(head + "<!-- table -->\n\n" + "\n".join(lines) + "\n")


def order(item):
    """Return what cells are sorted by: selection, spectrum, duration."""
    selection, duration, spectrum = item[0].split("; ")
    return selection, list(SPECTRA).index(spectrum), int(duration.split()[0])


def main(n_recordings, n_boot, n_cells):
    """Run cells that are missing, at most so many."""
    path = RESULTS / "intervals.json"
    results = {"recordings": n_recordings, "resamples": n_boot, "cells": {}}
    if path.exists():
        stored = json.loads(path.read_text())
        if (stored["recordings"], stored["resamples"]) == (n_recordings, n_boot):
            results = stored
    for duration, selection, spectrum in product(DURATIONS, SELECTIONS, SPECTRA):
        key = f"{selection or 'FOOOF'}; {duration} s; {spectrum}"
        if key not in results["cells"] and n_cells > 0:
            n_cells -= 1
            cell = measure(duration, spectrum, selection, n_recordings, n_boot)
            results["cells"][key] = cell
            write(results)
            print(key, {name: each.get("covered") for name, each in cell.items()}, flush=True)
    write(results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=300)
    parser.add_argument("--resamples", type=int, default=60)
    parser.add_argument("--cells", type=int, default=1000, help="at most so many in this run")
    arguments = parser.parse_args()
    mne.set_log_level("ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(arguments.recordings, arguments.resamples, arguments.cells)
