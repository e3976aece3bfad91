"""Amplitudes of filtered sines, for tests of filters."""

import numpy as np

TONES = np.r_[1.0, 1.5, np.arange(2, 46)]  # Hz


def amplitudes(filtered, freqs, sfreq, skip):
    """Amplitude of a sine per row, by least squares, ``skip`` s left out at either end."""
    times = np.arange(filtered.shape[-1]) / sfreq
    inner = (times >= skip) & (times <= times[-1] - skip)
    found = []
    for row, freq in zip(filtered[:, inner], freqs, strict=True):
        phase = 2 * np.pi * freq * times[inner]
        basis = np.column_stack([np.sin(phase), np.cos(phase)])
        found.append(np.linalg.lstsq(basis, row, rcond=None)[0])
    return np.array(found)
