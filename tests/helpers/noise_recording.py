"""A small recording of noise with channels of several types."""

import mne
import numpy as np

SFREQ = 100.0


def make_raw(n_times=1000, bads=()):
    """Make three EEG channels, one EOG channel and one stimulus channel of seeded noise."""
    info = mne.create_info(
        ["Fz", "Cz", "Oz", "VEOG", "STI"], SFREQ, ["eeg", "eeg", "eeg", "eog", "stim"]
    )
    info["bads"] = list(bads)
    data = np.random.default_rng(0).normal(scale=1e-5, size=(5, n_times))
    return mne.io.RawArray(data, info)
