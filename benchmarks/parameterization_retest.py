"""Test-retest: two halves of real recordings should have the same peaks and backgrounds.

Every channel of the EEG in the folder named by ``NPA_DATA`` is divided into blocks of 6 s. The
spectrum of the odd ones and that of the even ones are fitted by FOOOF's rule and with selection.

Run ``python -m benchmarks.parameterization_retest [DATA]``.
"""

import argparse
import os
import warnings
from pathlib import Path

import mne
import numpy as np

from benchmarks.fit_spectra import RECORDINGS
from npa.spectral import degrees_of_freedom, fit_spectra, psd_of_spans

BLOCK, WINDOW = 6.0, 2.0  # s
FREQ_RANGE = (2.0, 40.0)
MAX_SHIFT = 1.5  # Hz, between the same peak of two halves
METHODS = {
    "rule, fixed": {"aperiodic_mode": "fixed"},
    "bic, fixed": {"aperiodic_mode": "fixed", "selection": "bic"},
    "aicc, fixed": {"aperiodic_mode": "fixed", "selection": "aicc"},
    "rule, knee": {"aperiodic_mode": "knee"},
    "bic, knee": {"aperiodic_mode": "knee", "selection": "bic"},
    "bic, auto": {"aperiodic_mode": "auto", "selection": "bic"},
}


def halves(folder, patterns=RECORDINGS):
    """Yield name, frequencies, power (2, n_channels, n_freqs) and precision of recordings."""
    for pattern in patterns:
        for path in sorted(Path(folder).glob(pattern)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                raw = mne.io.read_raw(path, preload=True, verbose="ERROR")
            data, sfreq = raw.get_data("eeg")[np.newaxis], raw.info["sfreq"]
            length = round(BLOCK * sfreq)
            starts = range(0, data.shape[-1] - length + 1, length)
            options = {"n_per_seg": round(WINDOW * sfreq)}
            power, precision = [], None
            for first in (0, 1):
                spans = [(start, start + length) for start in starts[first::2][: len(starts) // 2]]
                freqs, one = psd_of_spans(data, spans, sfreq, freq_range=FREQ_RANGE, **options)
                precision = degrees_of_freedom(spans, sfreq, **options)
                power.append(one[0])
            power = np.array(power)
            yield str(path.name), freqs, power[:, (power > 0).all(axis=(0, 2))], precision


def intraclass_correlation(pairs):
    """Return the one-way intraclass correlation of pairs (n, 2), without NaN."""
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    between = 2 * pairs.mean(axis=1).var(ddof=1)
    within = 0.5 * (np.diff(pairs, axis=1) ** 2).mean()
    return float((between - within) / (between + within))


def agreement(first, second):
    """Return how far two fits of the same channels agree.

    Returns
    -------
    scores : dict
        Mean number of peaks; share of channels with as many peaks in both; share of peaks that
        the other half has within 1.5 Hz (Dice coefficient); difference of their frequencies
        (median, Hz); and the numbers needed for intraclass correlations.
    """
    n_same = n_matched = 0
    shifts = []
    for one, other in zip(first.peaks[..., 0], second.peaks[..., 0], strict=True):
        one, other = one[np.isfinite(one)], other[np.isfinite(other)]
        n_same += len(one) == len(other)
        distance = np.abs(np.subtract.outer(one, other))
        while distance.size and distance.min() <= MAX_SHIFT:
            row, column = np.unravel_index(distance.argmin(), distance.shape)
            shifts.append(distance[row, column])
            distance[row], distance[:, column] = np.inf, np.inf
            n_matched += 1
    return {
        "n_channels": len(first.n_peaks),
        "n_same": n_same,
        "n_matched": n_matched,
        "n_peaks": int(first.n_peaks.sum() + second.n_peaks.sum()),
        "shifts": shifts,
        "exponents": np.stack([first.exponent, second.exponent], axis=1),
        "counts": np.stack([first.n_peaks, second.n_peaks], axis=1).astype(float),
        "bent": np.stack([first.knee > 0, second.knee > 0], axis=1),
    }


def compare(folder, methods=METHODS, patterns=RECORDINGS):
    """Return one row per method: peaks per spectrum, and agreement over all recordings."""
    scores = {name: [] for name in methods}
    for _, freqs, power, precision in halves(folder, patterns):
        for name, settings in methods.items():
            known = precision._asdict() if "selection" in settings else {}
            fits = [fit_spectra(freqs, half, **settings, **known) for half in power]
            scores[name].append(agreement(*fits))
    rows = []
    for name, parts in scores.items():
        total = {key: sum(part[key] for part in parts) for key in parts[0] if key[0] == "n"}
        exponents, counts, bent = (
            np.concatenate([part[key] for part in parts]) for key in ("exponents", "counts", "bent")
        )
        row = {
            "method": name,
            "n_channels": total["n_channels"],
            "peaks": total["n_peaks"] / total["n_channels"] / 2,
            "same_number": total["n_same"] / total["n_channels"],
            "peaks_found_again": 2 * total["n_matched"] / max(total["n_peaks"], 1),
            "frequency_shift": float(np.median(np.concatenate([p["shifts"] for p in parts]))),
            "icc_number": intraclass_correlation(counts),
            "icc_exponent": intraclass_correlation(exponents),
            "exponent_difference": float(np.nanmedian(np.abs(np.diff(exponents, axis=1)))),
            "same_background": float((bent[:, 0] == bent[:, 1]).mean()),
        }
        rows.append(row)
    return rows


def main(folder):
    """Print the table."""
    rows = compare(folder)
    for row in rows:
        values = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
        print(*(f"{key} {value}" for key, value in values.items()), sep="  ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=os.environ.get("NPA_DATA"))
    main(parser.parse_args().data)
