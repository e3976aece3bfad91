"""Gains of filters, measured on sines."""

import numpy as np
from numpy.testing import assert_allclose

TONES = np.r_[1.0, 1.5, np.arange(2, 46)]  # Hz


def amplitudes(filtered, freqs, sfreq, skip):
    """Return sine and cosine amplitude per row, by least squares without the outer ``skip`` s."""
    times = np.arange(filtered.shape[-1]) / sfreq
    inner = (times >= skip) & (times <= times[-1] - skip)
    found = []
    for row, freq in zip(filtered[:, inner], freqs, strict=True):
        phase = 2 * np.pi * freq * times[inner]
        basis = np.column_stack([np.sin(phase), np.cos(phase)])
        found.append(np.linalg.lstsq(basis, row, rcond=None)[0])
    return np.array(found)


def assert_realised(realised, ideal):
    """Check a gain to 0.002, and to 0.05 dB where it is at least 0.02."""
    assert_allclose(realised, ideal, rtol=0, atol=0.002)
    large = ideal >= 0.02
    assert_allclose(20 * np.log10(realised[large] / ideal[large]), 0, rtol=0, atol=0.05)


def assert_gain(apply, ideal, sfreq):
    """Check the gain of every tone on sines of 60 s."""
    times = np.arange(round(60 * sfreq)) / sfreq
    sines = np.sin(2 * np.pi * TONES[:, np.newaxis] * times)
    realised, quadrature = amplitudes(apply(sines), TONES, sfreq, skip=5).T
    assert_realised(realised, ideal)
    assert_allclose(quadrature, 0, atol=0.002)  # no shift in time
