"""A simulated recording that is quick to work on."""

import numpy as np

from npa.datasets import simulate_recording

CHANNELS = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]
SFREQ = 128.0


def recording(**kwargs):
    """Forty simulated seconds of eight electrodes."""
    return simulate_recording(
        duration=40.0, ch_names=CHANNELS, sfreq=SFREQ, random_state=0, **kwargs
    )[0]


def looking_around():
    """Return the same with blinks, and a saccade of 60 uV at F7 and F8 every 1.3 s."""
    raw = simulate_recording(
        duration=40.0,
        ch_names=["Fp1", "Fp2", "F7", "F8", "C3", "C4", "O1", "O2"],
        sfreq=SFREQ,
        random_state=0,
    )[0]
    position = np.random.default_rng(0).permuted(np.tile([-1.0, 0.0, 1.0], (11, 1)), axis=1)
    gaze = np.resize(np.repeat(position.ravel(), round(1.3 * SFREQ)), raw.n_times)
    for name, gain in {"F7": -60e-6, "F8": 60e-6, "HEOG": 120e-6}.items():
        raw[name, :] = raw.get_data(name) + gain * gaze
    return raw
