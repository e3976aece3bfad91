"""Digit networks measured like brains: where their nodes peak, and how steeply power falls."""

from typing import Any

import keras
import numpy as np

from npa.estimators.exponent import PSDExponent
from npa.spectral import psd
from npa.typing import AnyArray, FloatArray
from npa_ann.recording.recorder import ActivationRecorder

SFREQ = 1000.0  # steps per second, for which the resonant nodes were designed
MIN_DIGIT_FREQ = 10.0  # Hz; slower nodes ring too few times in the 784 steps of a digit

_SIGNALS = {
    "resonant_rnn": ("rhythm", "x"),
    "horn": ("rhythm", "x"),
    "rnn": ("rnn", "h"),
    "lstm": ("lstm", "h"),
}
_RING_STEPS = 10_000
# Points of the zero-padded spectra of digits and of the ringing: 0.06 and 0.008 Hz apart.
_N_FFT_DIGITS, _N_FFT_RING = 2**14, 2**17


def while_reading(model: keras.Model, name: str, pixels: AnyArray) -> dict[str, FloatArray]:
    """Record a network's units while it reads digits, as if it took 1000 steps per second.

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
    reading : dict of array
        ``freqs`` in Hz; ``power``, shape (n_units, n_freqs), mean over digits; ``peaks``, shape
        (n_units,), where it is highest, in Hz; ``slopes`` and ``input_slopes``, shape
        (n_digits,), of the power summed over units, and of the pixels.

    Examples
    --------
    >>> from npa_ann.networks import resonant_digits
    >>> pixels = np.random.default_rng(0).random((2, 784, 1))
    >>> reading = while_reading(resonant_digits(), "resonant_rnn", pixels)
    >>> print(reading["peaks"][-3:].round())
    [ 94. 152. 246.]
    """
    layer, signal = _SIGNALS[name]
    recorder = ActivationRecorder(model, layer, ("input", signal), sfreq=SFREQ)
    epochs = recorder.fit_transform(pixels)
    measure = PSDExponent(
        psd="periodogram", psd_kwargs={"window": "hann"}, aggregate="sum", by="/"
    ).set_output(transform="pandas")
    slopes: Any = measure.fit_transform(epochs)
    units = [unit for unit in epochs.ch_names if f"/{signal}/" in unit]
    freqs, power = _spectra(epochs.get_data(picks=units), _N_FFT_DIGITS)
    return {
        "freqs": freqs,
        "power": power,
        "peaks": freqs[power.argmax(axis=1)],
        "slopes": slopes[f"{layer}/{signal}_slope"].to_numpy(),
        "input_slopes": slopes[f"{layer}/input_slope"].to_numpy(),
    }


def ring_down(model: keras.Model) -> FloatArray:
    """Give a rhythmic network one impulse, and find the frequencies at which its nodes ring.

    Parameters
    ----------
    model : keras.Model
        A `resonant_digits` network.

    Returns
    -------
    peaks : array, shape (n_nodes,)
        Frequencies in Hz, of the 10 s after the impulse.

    Examples
    --------
    >>> from npa_ann.networks import resonant_digits
    >>> print(ring_down(resonant_digits()).round(2)[:4])
    [2.   3.23 5.23 8.47]
    """
    impulse = np.eye(1, _RING_STEPS)[..., np.newaxis]
    recorder = ActivationRecorder(model, "rhythm", "x", sfreq=SFREQ).fit(impulse[:, :2])
    freqs, power = _spectra(recorder.transform(impulse).get_data(), _N_FFT_RING)
    peaks: FloatArray = freqs[power.argmax(axis=1)]
    return peaks


def _spectra(data: FloatArray, n_fft: int) -> tuple[FloatArray, FloatArray]:
    """Mean power of each unit over epochs, on a fine grid above 0 Hz."""
    total: Any = 0.0
    for epoch in data:
        freqs, power = psd(epoch, SFREQ, method="periodogram", window="hann", n_fft=n_fft)
        total = total + power[:, 1:]
    return freqs[1:], total / len(data)
