"""Digit networks read like brains: where their nodes peak, and how steeply their power falls."""

from typing import NamedTuple

import numpy as np

from npa.estimators.exponent import PSDExponent
from npa.spectral import psd
from npa_ann.recording.recorder import ActivationRecorder

SFREQ = 1000.0  # steps per second, as the resonant nodes were designed
READ_FROM = 10.0  # Hz; slower nodes ring too few times in a digit's 784 steps

_SIGNALS = {"resonant_rnn": ("rhythm", "x"), "horn": ("rhythm", "x"), "rnn": ("rnn", "h")}
_SIGNALS["lstm"] = ("lstm", "h")
_RING_STEPS = 10_000
# Points of the zero-padded spectra of digits and of the ringing: 0.06 and 0.008 Hz apart.
_DIGIT_GRID, _RING_GRID = 2**14, 2**17


class Reading(NamedTuple):
    """What a network did while it read digits.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies, Hz.
    power : array, shape (n_units, n_freqs)
        Mean power of every unit over digits.
    peaks : array, shape (n_units,)
        Where each is highest, Hz.
    slopes : array, shape (n_digits,)
        Slope of the power summed over units, of every digit.
    input_slopes : array, shape (n_digits,)
        That of the pixels.
    """

    freqs: np.ndarray
    power: np.ndarray
    peaks: np.ndarray
    slopes: np.ndarray
    input_slopes: np.ndarray


def while_reading(model, name, pixels):
    """Record a network's units while it reads digits.

    Parameters
    ----------
    model : keras.Model
        The network.
    name : {"resonant_rnn", "lstm", "rnn", "horn"}
        Which it is.
    pixels : array, shape (n_digits, time, 1)
        Digits in [0, 1].

    Returns
    -------
    reading : Reading
        Peaks and slopes, as if every network took 1000 steps a second.

    Examples
    --------
    >>> from npa_ann.networks import resonant_digits
    >>> pixels = np.random.default_rng(0).random((2, 784, 1))
    >>> reading = while_reading(resonant_digits(), "resonant_rnn", pixels)
    >>> print(reading.peaks[-3:].round())
    [ 94. 152. 246.]
    """
    layer, signal = _SIGNALS[name]
    recorder = ActivationRecorder(model, layer, ("input", signal), sfreq=SFREQ)
    epochs = recorder.fit_transform(pixels)
    measure = PSDExponent(
        psd="periodogram", psd_kwargs={"window": "hann"}, aggregate="sum", by="/"
    ).set_output(transform="pandas")
    slopes = measure.fit_transform(epochs)
    units = [unit for unit in epochs.ch_names if f"/{signal}/" in unit]
    freqs, power = _spectra(epochs.get_data(picks=units), _DIGIT_GRID)
    return Reading(
        freqs,
        power,
        _peaks(freqs, power),
        slopes[f"{layer}/{signal}_slope"].to_numpy(),
        slopes[f"{layer}/input_slope"].to_numpy(),
    )


def ring_down(model):
    """Strike the nodes of a rhythmic network once, and find where each rings in the 10 s after.

    Parameters
    ----------
    model : keras.Model
        A `resonant_digits` network.

    Returns
    -------
    peaks : array, shape (n_nodes,)
        Frequencies, Hz.

    Examples
    --------
    >>> from npa_ann.networks import resonant_digits
    >>> print(ring_down(resonant_digits()).round(2)[:4])
    [2.   3.23 5.23 8.47]
    """
    strike = np.eye(1, _RING_STEPS)[..., np.newaxis]
    recorder = ActivationRecorder(model, "rhythm", "x", sfreq=SFREQ).fit(strike[:, :2])
    return _peaks(*_spectra(recorder.transform(strike).get_data(), _RING_GRID))


def _spectra(data, n_fft):
    """Mean power of every unit over epochs, on a fine grid from above 0 Hz on."""
    total = 0.0
    for epoch in data:
        freqs, power = psd(epoch, SFREQ, method="periodogram", window="hann", n_fft=n_fft)
        total = total + power[:, 1:]
    return freqs[1:], total / len(data)


def _peaks(freqs, power):
    """Frequency at which each unit has most power."""
    return freqs[power.argmax(axis=1)]
