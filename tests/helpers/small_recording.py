"""A simulated recording that is quick to work on."""

from npa.datasets import simulate_recording

CHANNELS = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]
SFREQ = 128.0


def recording(**kwargs):
    """Forty simulated seconds of eight electrodes."""
    return simulate_recording(
        duration=40.0, ch_names=CHANNELS, sfreq=SFREQ, random_state=0, **kwargs
    )[0]
