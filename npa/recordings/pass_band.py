"""The pass band of a recording, from its header and its spectrum."""

from collections.abc import Sequence

import numpy as np

from npa.recordings.signals import Signals, split_range
from npa.spectral.averages import mean_of_known
from npa.spectral.density import psd_of_spans
from npa.spectral.pass_band import EDGE_TOLERANCE, PassBand, detect_rolloff, usable_range
from npa.typing import FloatArray, Span

WINDOW_SECONDS = 2.0
MIN_WINDOWS = 20  # of half a window's overlap or epochs; from fewer, a spectrum is too noisy
PIECE_SECONDS = 8.0
MIN_CHANNELS = 8  # in whose median a gentle fall is a filter, not a property of single channels
MAX_SECONDS = 120.0  # that are read, spread over the recording


def find_pass_band(signals: Signals) -> PassBand:
    """Find the frequencies that the filters of a recording passed.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        The recording.

    Returns
    -------
    band : PassBand
        From ``info["highpass"]`` to ``info["lowpass"]``, or to the roll-off that the spectrum
        shows if that is lower. Without a header, and without a roll-off, from 0 to Nyquist.

    See Also
    --------
    npa.spectral.pass_band.detect_rolloff : Finds the roll-off.

    Notes
    -----
    The spectrum is the median over channels, in windows of 2 s of at most 2 minutes of clean data,
    spread over the recording. Spectra of less than 20 windows are not judged, and of less than 8
    channels only a roll-off steeper than that of a Butterworth filter of order 2 counts.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> from npa.recordings.containers import read_signals
    >>> raw, _ = simulate_recording(duration=30.0, ch_names=["Cz"], eog=False, random_state=0)
    >>> print(find_pass_band(read_signals(raw)))
    0-128 Hz (no filter known)
    >>> print(find_pass_band(read_signals(raw.filter(1.0, 40.0, verbose=False))))
    1-40 Hz (info["highpass"], info["lowpass"])
    """
    info = signals.info
    highpass, lowpass = (None, None) if info is None else (info["highpass"], info["lowpass"])
    low, high = usable_range(signals.sfreq, highpass, lowpass)
    sources = ['info["highpass"]'] * (low > 0) + ['info["lowpass"]'] * (high < signals.sfreq / 2)
    gentle = bool(signals.usable.sum() >= MIN_CHANNELS)
    rolloff = detect_rolloff(*_average_spectrum(signals), gentle=gentle)
    if rolloff is not None and rolloff < high * (1 - 2 * EDGE_TOLERANCE):
        high = rolloff
        sources = [*sources[: int(low > 0)], "a roll-off in the spectrum"]
    return PassBand(low, high, ", ".join(sources) or "no filter known")


def _average_spectrum(signals: Signals) -> tuple[FloatArray, FloatArray]:
    """Return frequencies and the median power of channels; no power if data are too few."""
    none = np.array([0.0, signals.sfreq / 2]), np.zeros(2)
    n_epochs, n_channels, _ = signals.data.shape
    longest = max((stop - start for start, stop in signals.clean_spans), default=0)
    window = min(round(WINDOW_SECONDS * signals.sfreq), longest)
    if window < signals.sfreq / 2 or not signals.usable.any():  # resolves 2 Hz or less
        return none
    pieces = _pieces(signals, window)
    n_windows = sum(max(2 * (stop - start) // window - 1, 0) for start, stop in pieces)
    epochs = np.arange(n_epochs)
    seconds = sum(stop - start for start, stop in pieces) / signals.sfreq
    if n_epochs > 1:
        epochs = epochs[:: max(int(n_epochs * seconds // MAX_SECONDS), 1)]
    if n_windows * len(epochs) < MIN_WINDOWS:
        return none
    # Samples on disk cannot be indexed by epoch, but they have only one.
    data = signals.data[epochs] if isinstance(signals.data, np.ndarray) else signals.data
    freqs, power = psd_of_spans(data, pieces, signals.sfreq, n_per_seg=window)
    power[signals.bad | signals.flat[epochs]] = np.nan
    power = mean_of_known(power, axis=0)
    power = power[np.isfinite(power).all(axis=-1) & (power[:, 1:] > 0).all(axis=-1), 1:]
    if not len(power):
        return none
    # Channels of any type or amplitude count alike.
    log_power = np.log10(power)
    log_power -= log_power.mean(axis=-1, keepdims=True)
    return freqs[1:], 10 ** np.median(log_power, axis=0)


def _pieces(signals: Signals, window: int) -> Sequence[Span]:
    """Return at most 120 s of the clean spans, evenly spread, in pieces of at least a window."""
    length = max(round(PIECE_SECONDS * signals.sfreq), window)
    pieces = [
        (start, stop)
        for span in signals.clean_spans
        for start, stop in split_range(*span, length)
        if stop - start >= window
    ]
    total = sum(stop - start for start, stop in pieces) / signals.sfreq
    return pieces[:: max(round(total / MAX_SECONDS), 1)]
