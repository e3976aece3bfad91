"""Signals whose spectrum is known, not only expected."""

import numpy as np


def exact_noise(exponent, knee=0.0, *, peaks=(), sfreq=256.0, duration=20.0, seed=0):
    """Return samples (1, n_times) whose periodogram is the model's, to the last digit.

    ``peaks`` are (centre in Hz, height in log10 units, standard deviation in Hz).
    """
    n_times = round(duration * sfreq)
    freqs = np.fft.rfftfreq(n_times, 1 / sfreq)[1:]
    log_power = -np.log10(np.maximum(knee + freqs**exponent, 1e-12))
    for cf, height, sd in peaks:
        log_power = log_power + height * np.exp(-((freqs - cf) ** 2) / (2 * sd**2))
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(freqs))
    spectrum = 10 ** (log_power / 2) * np.exp(1j * phases)
    return np.fft.irfft(np.r_[0, spectrum], n_times)[np.newaxis] * np.sqrt(n_times)


# A fitter that reads such a spectrum without loss.
LOSSLESS = {"psd": "periodogram", "psd_kwargs": {"detrend": False}}
