"""`npa.spectral.fit_spectra` against specparam 2 and FOOOF: how much faster, with what answers.

10,000 simulated and 10,000 real spectra (4 s epochs x channels of the EEG in the folder named by
``NPA_DATA``; 2 s windows, 1-45 Hz), with and without a knee, with our settings and, simulated, with
specparam's defaults (any number of peaks of any height). All in one process and thread, in turns,
the peers on a part of the spectra; seconds of processor time, so that other work on the machine
counts less.

Run ``python -m benchmarks.fit_spectra [--quick] [--spectra N] [--oracle N] [--rounds N]``; the
peers are in the extra ``bench``.
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

CLAIM = (
    "fit_spectra (compiled) against specparam's SpectralGroupModel at the same settings: at least "
    "30 times as fast (knee: 25; its defaults: 10), and 150 times FOOOFGroup (knee: 100), with "
    "their answers"
)
SETTINGS = {
    "peak_width_limits": (1, 12),
    "max_n_peaks": 6,
    "min_peak_height": 0.1,
    "peak_threshold": 2.0,
}
# Those of specparam; no spectrum of these has 40 peaks.
DEFAULTS = {"peak_width_limits": (0.5, 12), "max_n_peaks": 40, "min_peak_height": 0.0}
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


def fooof(freqs, power, mode, settings):
    """Return exponent, r2 and number of peaks of every spectrum as FOOOF has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fooof import FOOOFGroup

        group = FOOOFGroup(**settings, aperiodic_mode=mode, verbose=False)
        group.fit(freqs, power, n_jobs=1)
    rows = [(fit.aperiodic_params[-1], fit.r_squared, len(fit.peak_params)) for fit in group]
    return np.array(rows).T


def specparam(freqs, power, mode, settings):
    """Return exponent, r2 and number of peaks of every spectrum as specparam has them."""
    from specparam import SpectralGroupModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SpectralGroupModel(**settings, aperiodic_mode=mode, verbose=False)
        model.fit(freqs, power, n_jobs=1)
        exponent = model.results.get_params("aperiodic", "exponent")
        peaks = model.results.get_params("peak")
        r2 = model.results.get_metrics("gof", "rsquared")
    number = np.bincount(peaks[np.isfinite(peaks[:, 0]), -1].astype(int), minlength=len(power))
    return np.array([exponent, r2, number])


PEERS = {"specparam": specparam, "fooof": fooof}


def agreement(fit, part, theirs):
    """Return how far our fit of some spectra agrees with a peer's."""
    exponent, r2, n_peaks = theirs
    ours = fit.exponent[part]
    alike = (np.abs(ours - exponent) < 0.01) | (np.isnan(ours) & np.isnan(exponent))
    return {
        "n_compared": len(ours),
        "same_number_of_peaks": float((fit.n_peaks[part] == n_peaks).mean()),
        "exponent_within_0.01": float(alike.mean()),
        "failed_ours": int(np.isnan(ours).sum()),
        "failed_theirs": int(np.isnan(exponent).sum()),
        "differ_ours_fits_better": int((fit.r_squared[part] > r2)[~alike].sum()),
        "differ": int((~alike).sum()),
    }


def compare(freqs, power, mode, settings, n_oracle, n_rounds, peers=tuple(PEERS)):
    """Return the ratios to specparam, and a row of speed and agreement for each peer."""
    theirs = DEFAULTS if settings is None else settings
    peer_settings = settings or {}
    ratios, spent = {name: [] for name in (*peers, "batch")}, []
    answers = {name: [] for name in peers}
    for part in np.array_split(np.arange(n_oracle), n_rounds):
        options = {"aperiodic_mode": mode, **theirs}
        fit, took = seconds(fit_spectra, freqs, power, engine="compiled", **options)
        spent.append(took / len(power))
        for name in peers:
            answer, own = seconds(PEERS[name], freqs, power[part], mode, peer_settings)
            ratios[name].append(own / len(part) / spent[-1])
            answers[name].append(answer)
        some = power[: 10 * len(part)]
        _, own = seconds(fit_spectra, freqs, some, engine="batch", **options)
        ratios["batch"].append(own / len(some) / spent[-1])
    row = {
        "ms_ours": 1e3 * min(spent),
        **{f"ratio to {n}": ratio_of(r, 1) for n, r in ratios.items()},
    }
    for name in peers:
        row[name] = agreement(fit, slice(n_oracle), np.concatenate(answers[name], axis=1))
    return ratios[peers[0]], row


def threads(freqs, power, mode, n_rounds):
    """Return by how much two threads are faster than one (elapsed, best of the rounds)."""
    best = {1: np.inf, 2: np.inf}
    for _ in range(n_rounds):
        for n_jobs in best:
            start = time.perf_counter()
            options = {"aperiodic_mode": mode, "engine": "compiled", "n_jobs": n_jobs}
            fit_spectra(freqs, power, **options, **SETTINGS)
            best[n_jobs] = min(best[n_jobs], time.perf_counter() - start)
    return {"seconds, one thread": best[1], "two": best[2], "ratio": best[1] / best[2]}


def fit_work(work):
    """Fit 100 spectra a unit of work."""
    freqs, power, _ = simulated(100 * work, "fixed")
    return {"seconds": seconds(fit_spectra, freqs, power, **SETTINGS)[1]}


def run(quick=False, n_spectra=10_000, n_oracle=600, n_rounds=3):
    """Run everything; ``quick`` for a fiftieth of it.

    Returns the ``claim``, the ``ratio`` to specparam at our settings over all sets and rounds, the
    ``answers`` of every set, and the ``growth`` of time and memory.
    """
    if quick:
        n_spectra, n_oracle, n_rounds = n_spectra // 50, 30, 2
    n_oracle = min(n_oracle, n_spectra)
    folder = os.environ.get("NPA_DATA")
    everything, answers = [], {}
    with threadpool_limits(1):
        fit_spectra(*simulated(20, "knee")[:2], engine="compiled")  # load
        for mode in ("fixed", "knee"):
            freqs, power, truth = simulated(n_spectra, mode)
            ratios, row = compare(freqs, power, mode, SETTINGS, n_oracle, n_rounds)
            everything += ratios
            answers[f"simulated, {mode}"] = row
            _, row = compare(freqs, power, mode, None, n_oracle, n_rounds, ("specparam",))
            answers[f"simulated, {mode}, specparam's defaults"] = row
            answers[f"two threads, {mode}"] = threads(freqs, power, mode, 3 * n_rounds)
            if folder:
                freqs, power = real(n_spectra, folder)
                n_compared = min(n_oracle, len(power))
                ratios, row = compare(freqs, power, mode, SETTINGS, n_compared, n_rounds)
                everything += ratios
                answers[f"real, {mode}"] = row
        grown = grow(fit_work, WORK[:2] if quick else WORK)
    if not folder:
        answers["real"] = "not run: NPA_DATA names no folder"
    return {"claim": CLAIM, "ratio": ratio_of(everything, 1), "answers": answers, "growth": grown}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the work")
    parser.add_argument("--spectra", type=int, default=10_000)
    parser.add_argument("--oracle", type=int, default=600, help="spectra that the peers fit too")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found = run(asked.quick, asked.spectra, asked.oracle, asked.rounds)
    print(json.dumps(found, indent=2))
