"""Blink removal: what is found, what is left, and what else goes, beside MNE and ICLabel.

1. Recordings: those of the data folder (``NPA_DATA``: EEGBCI, EEGLAB's sample, headbands, the
   recordings in ``blinks``), cleaned by `BlinkICARemover`, by MNE's ICA with ``find_bads_eog`` (z
   score, correlation), by ICLabel (where ``mne_icalabel`` is installed; "eye blink" components of
   at least 0.8), and by ``EOGRegression`` on the frontal electrodes.
2. Simulations with known truth: reference, montage, blink rate and height, background and
   frontal and occipital alpha drawn at random, with and without blinks. The number of independent
   components is 2 there: it does not matter for what ``components="auto"`` decides.

Run ``python -m benchmarks.blink_removal [--seeds N] [--no-recordings]``; writes
``docs/results/blinks.json`` and ``blinks.md``.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import scipy

from npa.datasets import simulate_recording
from npa.estimators.blinks import BlinkICARemover
from npa.recordings.channels import electrode_name
from npa.recordings.reading import load_recording

RESULTS = Path(__file__).parent.parent / "docs" / "results"
PATTERNS = (
    "eegbci/*.edf",
    "blinks/*.edf",
    "blinks/*.fif",
    "eeglab/eeglab_data.set",
    "*_muse/*.fif",
)
FRONTAL, OCCIPITAL = {"Fp1", "Fpz", "FPz", "Fp2"}, {"O1", "Oz", "O2"}
MONTAGES = {
    "headband, 4": ["TP9", "AF7", "AF8", "TP10"],
    "8": ["Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2"],
    "headset, 14": [
        "AF3",
        "F7",
        "F3",
        "FC5",
        "T7",
        "P7",
        "O1",
        "O2",
        "P8",
        "T8",
        "FC6",
        "F4",
        "F8",
        "AF4",
    ],
    "10-20, 19": [
        "Fp1",
        "Fp2",
        "F7",
        "F3",
        "Fz",
        "F4",
        "F8",
        "T7",
        "C3",
        "Cz",
        "C4",
        "T8",
        "P7",
        "P3",
        "Pz",
        "P4",
        "P8",
        "O1",
        "O2",
    ],
    "32": mne.channels.make_standard_montage("biosemi32").ch_names,
    "64": mne.channels.make_standard_montage("biosemi64").ch_names,
    "74": mne.channels.make_standard_montage("easycap-M1").ch_names,
}
REFERENCES = {
    "average": None,
    "linked mastoids": ["TP9", "TP10"],
    "Cz": ["Cz"],
    "forehead": ["AFz"],
}


# ---- methods ----


def ours(raw):
    """Return the cleaned recording; None where nothing was found."""
    remover = BlinkICARemover().fit(raw)
    return remover.transform(raw) if remover.blinks_.found else None


def fit_ica(raw):
    """Fit MNE's ICA as its tutorials do, and name the frontal electrode that stands in for EOG."""
    ica = mne.preprocessing.ICA(
        0.99, method="picard", fit_params={"ortho": False, "extended": True}, random_state=97
    )
    ica.fit(raw.copy().filter(1, min(100.0, raw.info["sfreq"] / 2.5)))
    names = [name for name in raw.ch_names if electrode_name(name) in FRONTAL]
    return ica, names or [name for name in raw.ch_names if electrode_name(name) == "AF7"]


def by_score(measure):
    """Return MNE's ``find_bads_eog`` as a method."""

    def clean(raw):
        ica, proxies = fit_ica(raw)
        bad, _ = ica.find_bads_eog(raw, proxies[0], measure=measure)
        return ica.apply(raw.copy(), exclude=bad) if bad else None

    return clean


def by_label(raw):
    """Use ICLabel."""
    from mne_icalabel import label_components

    ica, _ = fit_ica(raw.copy().set_eeg_reference("average"))
    labels = label_components(raw, ica, "iclabel")
    bad = [
        index
        for index, (label, p) in enumerate(
            zip(labels["labels"], labels["y_pred_proba"], strict=True)
        )
        if label == "eye blink" and p >= 0.8
    ]
    return ica.apply(raw.copy(), exclude=bad) if bad else None


def by_regression(raw):
    """Regress the frontal electrodes out; they themselves are left as they are."""
    proxies = [name for name in raw.ch_names if electrode_name(name) in FRONTAL]
    if not proxies:
        return None
    averaged = raw.copy().set_eeg_reference("average")
    model = mne.preprocessing.EOGRegression(picks="eeg", picks_artifact=proxies)
    return model.fit(averaged.copy().filter(0.3, None)).apply(averaged)


METHODS = {
    "npa": ours,
    "ICA, z score": by_score("zscore"),
    "ICA, correlation": by_score("correlation"),
    "ICLabel": by_label,
    "EOGRegression": by_regression,
}


# ---- measures ----


def band_power(data, sfreq, low, high, keep):
    """Return the mean square within a band at some samples, by channel."""
    sos = scipy.signal.butter(4, (low, high), "bandpass", fs=sfreq, output="sos")
    return (scipy.signal.sosfiltfilt(sos, data)[:, keep] ** 2).mean(axis=1)


def measure(raw, clean, times):
    """Measure what is left of the blinks, and what is kept of the rest."""
    sfreq, n_times = raw.info["sfreq"], len(raw.times)
    half = round(0.5 * sfreq)
    at = np.round(times * sfreq).astype(int)
    at = at[(at >= half) & (at < n_times - half)]
    near = np.zeros(n_times, bool)
    for sample in at:
        near[sample - half : sample + half] = True
    sos = scipy.signal.butter(4, (1, 40), "bandpass", fs=sfreq, output="sos")
    before, after = medians(raw, clean, sos, at, half)
    names = raw.copy().pick("eeg").ch_names
    size = np.ptp(before, axis=1)
    front = [i for i, name in enumerate(names) if electrode_name(name) in FRONTAL]
    if not front or size[front].max() < 0.5 * size.max():
        front = np.flatnonzero(size >= 0.5 * size.max()).tolist()
    back = [i for i, name in enumerate(names) if electrode_name(name) in OCCIPITAL]
    x, y = raw.get_data("eeg"), clean.get_data("eeg")

    def tail(data):
        filtered = np.abs(scipy.signal.sosfiltfilt(sos, data[front]))
        return np.median(np.percentile(filtered, 99.5, axis=1))

    def kept(low, high, rows):
        power = [band_power(each[rows], sfreq, low, high, ~near) for each in (y, x)]
        return float(np.median(power[0] / power[1]))

    out = {
        "left": float(np.median(np.ptp(after[front], axis=1) / size[front])),
        "left at peak": float(np.median(np.abs(after[front, half] / before[front, half]))),
        "99.5th percentile": float(tail(y) / tail(x)),
        "13-30 Hz": kept(13, 30, front),
    }
    if back:
        out["alpha at O"] = kept(8, 12, back)
    return out


def medians(raw, clean, sos, at, half):
    """Return the median blink of every channel before and after."""
    for each in (raw, clean):
        filtered = scipy.signal.sosfiltfilt(sos, each.get_data("eeg"))
        yield np.median([filtered[:, i - half : i + half + 1] for i in at], axis=0)


# ---- runs ----


def run_recordings(folder):
    """Clean every recording by every method."""
    rows = []
    for pattern in PATTERNS:
        for path in sorted(Path(folder).glob(pattern)):
            raw = load_recording(path).pick("eeg")
            raw.drop_channels([n for n in raw.ch_names if "AUX" in n or "EOG" in n])
            report = BlinkICARemover().fit(raw).blinks_
            times = report.blink_times
            for name, method in METHODS.items():
                started = time.perf_counter()
                try:
                    clean = method(raw)
                except (ImportError, RuntimeError, ValueError, IndexError) as error:
                    rows.append({"recording": path.name, "method": name, "error": str(error)[:80]})
                    continue
                row = {"recording": path.name, "method": name, "found": clean is not None}
                row["seconds"] = time.perf_counter() - started
                if clean is not None and len(times):
                    reference = raw
                    if name == "EOGRegression":
                        reference = raw.copy().set_eeg_reference("average")
                    row |= measure(reference, clean, times)
                rows.append(row)
            print(pd.DataFrame(rows[-len(METHODS) :]).round(3).to_string(index=False))
    return rows


def draw(seed, reference, *, blinks):
    """Simulate one recording against a reference."""
    rng = np.random.default_rng([seed, sorted(REFERENCES).index(reference), blinks])
    montage = str(rng.choice(sorted(MONTAGES)))
    names, against = MONTAGES[montage], REFERENCES[reference]
    raw, truth = simulate_recording(
        ch_names=list(dict.fromkeys([*names, *(against or [])])),
        duration=60.0,
        sfreq=128.0,
        eog=False,
        exponent=rng.uniform(0.5, 2.5),
        background_amplitude=rng.uniform(6e-6, 15e-6),
        alpha_amplitude=rng.uniform(2e-6, 30e-6),
        blink_rate=rng.uniform(8, 30) if blinks else 0.0,
        blink_amplitude=rng.uniform(150e-6, 350e-6),
        random_state=int(rng.integers(2**31)),
    )
    if not blinks and seed % 2:
        # Eyes closed: alpha of the strength and the topography of blinks.
        _, pattern = simulate_recording(
            ch_names=raw.ch_names, duration=10.0, eog=False, blink_amplitude=1.0, random_state=0
        )
        slow = np.convolve(rng.standard_normal(raw.n_times) ** 2, np.hanning(200), "same")
        wave = np.sin(2 * np.pi * rng.uniform(8, 12) * raw.times) * slow / slow.mean()
        added = rng.uniform(20e-6, 80e-6) * np.outer(pattern.blink_topography, wave)
        raw = mne.io.RawArray(raw.get_data() + added, raw.info)
    for each in (raw, truth.clean):
        each.set_eeg_reference(against or "average")
        if against:
            each.drop_channels(against)
        each.pick([name for name in each.ch_names if name in names])
    return raw, truth, montage


def run_simulations(n_seeds, references=tuple(REFERENCES)):
    """Count what is found with and without blinks under each reference."""
    rows = []
    for reference in references:
        for blinks in (True, False):
            for seed in range(n_seeds):
                raw, truth, montage = draw(seed, reference, blinks=blinks)
                remover = BlinkICARemover(n_components=2).fit(raw)
                report = remover.blinks_
                row = {
                    "reference": reference,
                    "montage": montage,
                    "blinks": blinks,
                    "seed": seed,
                    "found": bool(report.found),
                    "score": float(np.nan_to_num(report.score).max(initial=0)),
                }
                if report.found and blinks:
                    row |= measure(raw, remover.transform(raw), truth.blink_times)
                rows.append(row)
            part = [row["found"] for row in rows[-n_seeds:]]
            print(f"{reference}, blinks {blinks}: found in {sum(part)} of {n_seeds}", flush=True)
    return rows


def markdown(table):
    """Return a table as Markdown."""
    rows = [[str(value) for value in row] for row in table.astype(object).fillna("").to_numpy()]
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def as_markdown(results):
    """Return the page of results."""
    lines = ["# Blink removal", "", (__doc__ or "").split("Run ``")[0].strip(), ""]
    if results["recordings"]:
        table = pd.DataFrame(results["recordings"]).drop(columns="error", errors="ignore")
        lines += ["## Recordings", ""]
        lines += [
            "`left`: peak-to-peak height of the median blink after / before, 1-40 Hz, frontal "
            "electrodes (or those that carry the blink); `left at peak`: at its peak only. `99.5th "
            "percentile` of the frontal amplitude, and power away from blinks, after / before. "
            "EOGRegression sets the electrodes that it regresses out to 0: what it leaves there "
            "says nothing. Empty rows of ICLabel: ``mne_icalabel`` was not installed.",
            "",
            markdown(table.round(3)),
            "",
        ]
        summary = table.groupby("method", sort=False)[
            ["found", "left", "left at peak", "alpha at O", "13-30 Hz", "seconds"]
        ].median(numeric_only=True)
        lines += ["Medians over the recordings:", "", markdown(summary.round(3).reset_index()), ""]
    if results["simulations"]:
        table = pd.DataFrame(results["simulations"])
        found = table.groupby(["reference", "blinks"])["found"].agg(["sum", "size"])
        kept = table[table["found"] & table["blinks"]].groupby("reference")
        columns = [c for c in ("left", "left at peak", "alpha at O") if c in table]
        lines += ["## Simulations", "", "Found, of all:", "", markdown(found.reset_index()), ""]
        lines += [
            "Medians where found:",
            "",
            markdown(kept[columns].median().round(3).reset_index()),
            "",
        ]
        blinking = table[table["blinks"]].groupby("montage")
        by_montage = blinking["found"].agg(["sum", "size"])
        by_montage[columns] = blinking[columns].median().round(3)
        by_montage["alpha at O, 10th percentile"] = blinking["alpha at O"].quantile(0.1).round(3)
        lines += ["Blinks found, and medians, by montage:", ""]
        lines += [markdown(by_montage.reset_index()), ""]
    return "\n".join(lines) + "\n"


def main():
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--no-recordings", action="store_true")
    args = parser.parse_args()
    mne.set_log_level("ERROR")
    warnings.simplefilter("ignore")
    results = {"recordings": [], "simulations": []}
    path = RESULTS / "blinks.json"
    if path.exists():
        results |= json.loads(path.read_text())
    if not args.no_recordings:
        results["recordings"] = run_recordings(os.environ["NPA_DATA"])
    if args.seeds:
        results["simulations"] = run_simulations(args.seeds)
    path.write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "blinks.md").write_text(as_markdown(results))


if __name__ == "__main__":
    main()
