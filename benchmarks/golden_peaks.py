"""Ask whether neighbouring spectral peaks of real EEG stand in the golden ratio.

Reads the recordings in the folder ``NPA_DATA``: one spectrum a person (mean of channels and of
recordings), its FOOOF peaks, and the ratios of neighbouring peaks against log-uniform chance.
"""

import os
import warnings
from pathlib import Path

import mne
import numpy as np

from npa import FOOOFFitter
from npa.recordings.reading import load_recording
from npa.spectral import band_ratios

RANGE = (2.0, 40.0)  # Hz
MIN_RATIO = 1.1  # of neighbouring peaks
PEOPLE = {
    "eegbci 1": "eegbci/S001R0?.edf",
    "eeglab": "eeglab/eeglab_data.set",
    "n170 1": "n170_muse/subject1_*.fif",
    "n170 2": "n170_muse/subject2_*.fif",
    "n170 3": "n170_muse/subject3_*.fif",
}


def peaks_of(recordings):
    """Return the peak frequencies of the mean spectrum of recordings, in Hz."""
    report = FOOOFFitter(freq_range=RANGE, aggregate="mean").fit(recordings).spectrum_
    return report.peaks[:, 0]


def apart(peaks):
    """Leave out the peaks that crowd their lower neighbour."""
    kept = []
    for peak in sorted(peaks):
        if RANGE[0] <= peak <= RANGE[1] and (not kept or peak / kept[-1] >= MIN_RATIO):
            kept.append(float(peak))
    return kept


def recorded(folder, pattern):
    """Read recordings as epochs of 10 s."""
    raws = [load_recording(path) for path in sorted(folder.glob(pattern))]
    epochs = [mne.make_fixed_length_epochs(raw, 10.0, preload=True) for raw in raws]
    return mne.concatenate_epochs(epochs) if len(epochs) > 1 else epochs[0]


def visual(folder):
    """Yield the one-second epochs of each of the UCI data's people."""
    with np.load(folder / "uci_visual" / "smni_cmi_train.npz", allow_pickle=False) as data:
        for person in np.unique(data["subject"]):
            yield f"uci {person}", data["X_uV"][data["subject"] == person].astype(float)


def main():
    """Print every person's peaks, and what chance says of their ratios."""
    folder = Path(os.environ["NPA_DATA"])
    mne.set_log_level("ERROR")
    warnings.simplefilter("ignore")
    found = {name: apart(peaks_of(recorded(folder, where))) for name, where in PEOPLE.items()}
    for name, epochs in visual(folder):
        fitter = FOOOFFitter(
            freq_range=RANGE, aggregate="mean", peak_width_limits=(2, 12), sfreq=256.0
        )
        found[name] = apart(fitter.fit(epochs).spectrum_.peaks[:, 0])
    for name, peaks in found.items():
        print(f"{name:20s}", "  ".join(f"{peak:5.1f}" for peak in peaks))
    for label, peaks in [
        ("long recordings", [found[name] for name in PEOPLE]),
        ("all", list(found.values())),
    ]:
        result = band_ratios(peaks, RANGE, min_ratio=MIN_RATIO)
        print(f"\n{label}: {len(result.ratios)} ratios, median {np.median(result.ratios):.2f}")
        for name in result.distance:
            print(
                f"  {name:4s} mean |ln(ratio/c)| {result.distance[name]:.3f} "
                f"(p {result.p_distance[name]:.3f}); nearest {result.nearest[name]:.0%} "
                f"(p {result.p_nearest[name]:.3f})"
            )


if __name__ == "__main__":
    main()
