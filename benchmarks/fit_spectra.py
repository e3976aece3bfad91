"""`npa.spectral.fit_spectra` against FOOOFGroup: how much faster, and whether with its answers.

10,000 simulated and 10,000 real spectra (4 s epochs x channels of the EEG in the folder named by
``NPA_DATA``; 2 s windows, 1-45 Hz), with and without a knee. Both in one process and thread, in
turns; seconds of processor time, so that other work on the machine counts less.

Run ``python -m benchmarks.fit_spectra [--quick] [--spectra N] [--oracle N] [--rounds N]``.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import mne
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.timing import WORK, grow, ratio_of
from npa.spectral import fit_spectra, psd

CLAIM = "fit_spectra against FOOOFGroup (at least 50 times faster was asked), with its answers"
SETTINGS = {
    "peak_width_limits": (1, 12),
    "max_n_peaks": 6,
    "min_peak_height": 0.1,
    "peak_threshold": 2.0,
}
FREQS = np.arange(1, 45.25, 0.5)
N_AVERAGED = 20  # periodograms whose mean is as rough as the simulated spectra
RECORDINGS = ("eegbci/*.edf", "eeglab/eeglab_data.set", "n170_muse/*.fif", "ssvep_muse/*.fif")


def simulated(n_spectra, mode, seed=0):
    """Return frequencies, power, and the true exponents: up to four peaks, chi-squared noise."""
    rng = np.random.default_rng(seed)
    exponent, offset = rng.uniform(0.5, 2.5, n_spectra), rng.uniform(-12, -10, n_spectra)
    bend = rng.uniform(2, 15, n_spectra) ** exponent if mode == "knee" else np.zeros(n_spectra)
    log_power = offset[:, np.newaxis] - np.log10(bend[:, np.newaxis] + FREQS ** exponent[:, None])
    for spectrum, n_peaks in zip(log_power, rng.integers(0, 5, n_spectra), strict=True):
        for _ in range(n_peaks):
            centre, height, sd = rng.uniform(3, 40), rng.uniform(0.2, 1.2), rng.uniform(0.6, 3)
            spectrum += height * np.exp(-((FREQS - centre) ** 2) / (2 * sd**2))
    noise = rng.gamma(N_AVERAGED, 1 / N_AVERAGED, log_power.shape)
    return FREQS, 10**log_power * noise, exponent


def real(n_spectra, folder, seed=0):
    """Return frequencies and power of epochs of real recordings, in random order."""
    spectra = []
    for pattern in RECORDINGS:
        for path in sorted(Path(folder).glob(pattern)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                raw = mne.io.read_raw(path, preload=True, verbose="ERROR")
            data, sfreq = raw.get_data("eeg"), raw.info["sfreq"]
            length = round(4 * sfreq)
            starts = range(0, data.shape[1] - length + 1, length // 2)
            epochs = np.stack([data[:, start : start + length] for start in starts])
            freqs, power = psd(epochs, sfreq, freq_range=(1, 45), n_per_seg=round(2 * sfreq))
            power = power.reshape(-1, len(freqs))
            spectra.append(power[(power > 0).all(axis=1)])
    spectra = np.concatenate(spectra)
    order = np.random.default_rng(seed).permutation(len(spectra))
    return freqs, spectra[order[:n_spectra]]


def seconds(function, *args, **kwargs):
    """Return what a call returns, and its processor time in s."""
    start = time.process_time()
    result = function(*args, **kwargs)
    return result, time.process_time() - start


def fooof(freqs, power, mode):
    """Return exponent, r2 and number of peaks of every spectrum as FOOOF has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fooof import FOOOFGroup

        group = FOOOFGroup(**SETTINGS, aperiodic_mode=mode, verbose=False)
        group.fit(freqs, power, n_jobs=1)
    rows = [(fit.aperiodic_params[-1], fit.r_squared, len(fit.peak_params)) for fit in group]
    return np.array(rows).T


def compare(freqs, power, mode, n_oracle, n_rounds, truth=None):
    """Return the ratios of the rounds, and how far the answers agree."""
    ratios, answers = [], []
    for part in np.array_split(np.arange(n_oracle), n_rounds):
        fit, spent = seconds(fit_spectra, freqs, power, aperiodic_mode=mode, **SETTINGS)
        answer, theirs = seconds(fooof, freqs, power[part], mode)
        ratios.append((theirs / len(part)) / (spent / len(power)))
        answers.append(answer)
    exponent, r2, n_peaks = np.concatenate(answers, axis=1)
    ours = fit.exponent[:n_oracle]
    alike = (np.abs(ours - exponent) < 0.01) | (np.isnan(ours) & np.isnan(exponent))
    result = {
        "n_spectra": len(power),
        "n_compared": n_oracle,
        "ratio": ratio_of(ratios, 1),
        "ms_ours": 1e3 * spent / len(power),
        "ms_fooof": 1e3 * theirs / len(part),
        "same_number_of_peaks": float((fit.n_peaks[:n_oracle] == n_peaks).mean()),
        "exponent_within_0.01": float(alike.mean()),
        "failed_ours": int(np.isnan(ours).sum()),
        "failed_fooof": int(np.isnan(exponent).sum()),
        "differ": int((~alike).sum()),
        "differ_ours_fits_better": int((fit.r_squared[:n_oracle] > r2)[~alike].sum()),
    }
    if truth is not None:
        far = np.abs(np.stack([ours, exponent]) - truth[:n_oracle])[:, ~alike]
        far = np.nan_to_num(far, nan=np.inf)
        result["differ_ours_nearer_truth"] = int((far[0] < far[1]).sum())
        result["median_error_ours"] = float(np.nanmedian(np.abs(ours - truth[:n_oracle])))
        result["median_error_fooof"] = float(np.nanmedian(np.abs(exponent - truth[:n_oracle])))
    return ratios, result


def fit_work(work):
    """Fit 100 spectra a unit of work."""
    freqs, power, _ = simulated(100 * work, "fixed")
    return {"seconds": seconds(fit_spectra, freqs, power, **SETTINGS)[1]}


def run(quick=False, n_spectra=10_000, n_oracle=None, n_rounds=3):
    """Run everything; ``quick`` for a fiftieth of it.

    Returns the ``claim``, the ``ratio`` over all sets and rounds, the ``answers`` of every set, and
    the ``growth`` of time and memory.
    """
    if quick:
        n_spectra, n_oracle, n_rounds = n_spectra // 50, 30, 2
    n_oracle = min(n_oracle or n_spectra, n_spectra)
    folder = os.environ.get("NPA_DATA")
    everything, answers = [], {}
    with threadpool_limits(1):
        fit_spectra(*simulated(20, "knee")[:2])  # warm
        for mode in ("fixed", "knee"):
            sets = {"simulated": simulated(n_spectra, mode)}
            if folder:
                sets["real"] = (*real(n_spectra, folder), None)
            for name, (freqs, power, truth) in sets.items():
                n_compared = min(n_oracle, len(power))
                some = compare(freqs, power, mode, n_compared, n_rounds, truth)
                everything += some[0]
                answers[f"{name}, {mode}"] = some[1]
        grown = grow(fit_work, WORK[:2] if quick else WORK)
    if not folder:
        answers["real"] = "not run: NPA_DATA names no folder"
    return {"claim": CLAIM, "ratio": ratio_of(everything, 1), "answers": answers, "growth": grown}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the work")
    parser.add_argument("--spectra", type=int, default=10_000)
    parser.add_argument("--oracle", type=int, help="spectra that FOOOF fits too; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found = run(asked.quick, asked.spectra, asked.oracle, asked.rounds)
    print(json.dumps(found, indent=2))
