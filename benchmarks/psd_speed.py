"""The multitaper spectrum for the fit beside MNE's, and which spectrum the fit needs.

64 simulated channels of 10 min at 512 Hz: ours against ``mne.time_frequency.psd_array_multitaper``,
then the paper's open question, on that recording and on every one in the folder ``NPA_DATA``:
what whole-recording multitaper, segment-averaged multitaper and Welch spectra cost, and how they
change the fit and the filter. Run ``python -m benchmarks.psd_speed [--quick]``.
"""

import os
import warnings
from pathlib import Path

import mne
import numpy as np
from mne.time_frequency import psd_array_multitaper

from benchmarks.amplifier_speed import CHANNELS, SECONDS, SFREQ, background
from benchmarks.timing import clock, grow, in_turn, medians, print_run, ratio_of
from npa.datasets import simulate_recording
from npa.spectral import design_filter, psd

RANGE = (0.5, 45.0)  # Hz
SIMULATED = {"1.2, no knee": (1.2, 0.0), "1.5, knee 10": (1.5, 10.0)}
MIN_GAIN = 0.02  # decibels of smaller gains mean little


def whole(x, sfreq):
    """Return the multitaper spectrum of the whole recording."""
    return psd(x, sfreq, method="multitaper", freq_range=RANGE)


def segments(x, sfreq):
    """Return the multitaper spectrum averaged over segments of 8 s, 0.5 Hz wide."""
    options = {"n_per_seg": round(8 * sfreq), "bandwidth": 0.5}
    return psd(x, sfreq, method="multitaper", freq_range=RANGE, **options)


def welch(x, sfreq):
    """Return Welch's spectrum of windows of 4 s."""
    return psd(x, sfreq, freq_range=RANGE)


def peer(x, sfreq):
    """Return MNE's multitaper spectrum of the whole recording."""
    centred = x - x.mean(axis=-1, keepdims=True)
    options = {"fmin": RANGE[0], "fmax": RANGE[1], "normalization": "full", "remove_dc": False}
    power, freqs = psd_array_multitaper(centred, sfreq, **options, verbose="error")
    return freqs, power


METHODS = {"whole": whole, "segments of 8 s": segments, "Welch, 4 s": welch}


def fit(freqs, power):
    """Fit the mean spectrum with FOOOF, in the amplifier's settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fooof import FOOOF

        model = FOOOF(
            aperiodic_mode="knee", peak_width_limits=(3, 15), min_peak_height=0.05, verbose=False
        )
        model.set_debug_mode(True)
        model.fit(freqs, power.mean(axis=0))
    _, knee, exponent = model.aperiodic_params_
    return float(exponent), float(knee), model.gaussian_params_


def gain_of(fitted, sfreq):
    """Return the realised gain of the filter of a fit, from 1 Hz to 45."""
    exponent, knee, gaussians = fitted
    made = design_filter(exponent, max(knee, 0.0), gaussians, sfreq)
    return made.gain(np.linspace(1, 45, 881))


def compare(one, other, sfreq):
    """Return how far two fits and their filters are apart."""
    first, second = gain_of(one, sfreq), gain_of(other, sfreq)
    large = np.minimum(first, second) > MIN_GAIN
    decibels = np.abs(20 * np.log10(first[large] / second[large]))
    centres = [fitted[2][:, 0] for fitted in (one, other)]
    same = len(centres[0]) == len(centres[1])
    shift = np.abs(centres[0] - centres[1]).max(initial=0) if same else np.nan
    return {
        "exponent off": one[0] - other[0],
        "peaks off, Hz": float(shift) if same else "another number",
        "filter off, dB, median": float(np.median(decibels)),
        "filter off, dB, most": float(decibels.max()),
    }


def rows_of(name, x, sfreq):
    """Return a row for every method: time, fit, and difference from the whole recording's."""
    rows, reference = [], None
    for method, estimate in METHODS.items():
        seconds, (freqs, power) = clock(estimate, x, sfreq)
        try:
            fitted = fit(freqs, power)
        except Exception as error:  # FOOOF's errors have no common base but this
            rows.append({"recording": name, "method": method, "chi": f"no fit: {error}"})
            continue
        reference = reference or fitted
        rows.append(
            {
                "recording": name,
                "method": method,
                "seconds": round(seconds, 3),
                "chi": fitted[0],
                "k": fitted[1],
                "peaks, Hz": " ".join(f"{cf:.1f}" for cf in fitted[2][:, 0]) or "none",
                **compare(fitted, reference, sfreq),
            }
        )
    return rows


def simulated(exponent, knee, seconds):
    """Return the samples of a recording with known background."""
    names = mne.channels.make_standard_montage("biosemi64").ch_names
    options = {"exponent": exponent, "knee": knee, "duration": seconds, "sfreq": SFREQ}
    raw, _ = simulate_recording(**options, ch_names=names, blink_rate=0, eog=False, random_state=1)
    return raw.get_data()


def recordings():
    """Yield name, samples and sampling rate of every recording in the folder ``NPA_DATA``."""
    folder = Path(os.environ.get("NPA_DATA", "nowhere"))
    for path in sorted([*folder.glob("*/*.edf"), *folder.glob("*/*.set"), *folder.glob("*/*.fif")]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = mne.io.read_raw(path, preload=True, verbose="error").pick("eeg")
        raw.drop_channels([name for name in raw.ch_names if name.startswith("EOG")])
        name = f"{path.parent.name}/{path.stem.removesuffix('_raw').replace('_data', '')}"
        yield name, raw.get_data(), raw.info["sfreq"]


def growth(work):
    """Estimate the spectra of as many channels."""
    x = background(work)
    seconds, _ = clock(whole, x, SFREQ)
    return {"seconds": seconds, "data_mb": x.nbytes / 2**20}


def summarize(rows):
    """Return the medians over real recordings, method by method."""
    summary = []
    for method in METHODS:
        own = [row for row in rows if row["method"] == method and "k" in row]
        offs = [key for key in own[0] if "off" in key and "peaks" not in key] if own else []
        medians = {f"|{key}|, median": float(np.median([abs(r[key]) for r in own])) for key in offs}
        moved = sum(isinstance(row["peaks off, Hz"], str) for row in own)
        summary.append(
            {"method": method, "recordings": len(own), **medians, "another number of peaks": moved}
        )
    return summary


def run(quick=False):
    """Measure all of it."""
    seconds = SECONDS // 10 if quick else SECONDS
    grown = grow(growth, (1, 10) if quick else (1, 10, 100))
    table, truth = [], []
    for name, (exponent, knee) in SIMULATED.items():
        x = simulated(exponent, knee, seconds)
        own = rows_of(f"simulated: {name}", x, SFREQ)
        truth += [
            {"truth": name, "method": row["method"], "chi off": row["chi"] - exponent}
            | {"k off": row["k"] - knee, "peaks (10 and 20 Hz)": row["peaks, Hz"]}
            for row in own
        ]
        table += own
    jobs = {"ours": lambda: whole(x, SFREQ), "peer": lambda: peer(x, SFREQ)}
    jobs |= {name: lambda own=METHODS[name]: own(x, SFREQ) for name in list(METHODS)[1:]}
    times, processor, spectra = in_turn(jobs, rounds=3)
    fits = {name: fit(*spectra[name]) for name in ("ours", "peer")}
    relative = np.abs(spectra["ours"][1] / spectra["peer"][1] - 1)
    real = [row for each in recordings() for row in rows_of(*each)] if not quick else []
    return {
        "claim": "multitaper spectrum of a whole recording up to 45 Hz, beside MNE's "
        f"psd_array_multitaper ({CHANNELS} channels x {seconds} s x {SFREQ:g} Hz): at least 5 "
        "times as fast, with its exponent (0.02), peaks (0.1 Hz) and filter (0.1 dB)",
        "ratio": ratio_of(times["peer"], times["ours"]),
        "answers": {
            "median seconds": medians(times),
            "median seconds of processor": medians(processor),
            "ratio of processor seconds": ratio_of(processor["peer"], processor["ours"]),
            "resolution, Hz": float(np.diff(spectra["ours"][0][:2])[0]),
            "density off, relative": {
                "median": float(np.median(relative)),
                "99 %": float(np.quantile(relative, 0.99)),
            },
            "fit off MNE's": compare(fits["ours"], fits["peer"], SFREQ),
            "fit against simulated truth": truth,
            "real recordings, against the whole recording's multitaper": summarize(real),
            "all recordings (off: from the whole recording's multitaper)": table + real,
        },
        "growth": grown,
    }


if __name__ == "__main__":
    print_run(run)
