"""The pass band of a recording, from its header and its spectrum."""

from collections.abc import Sequence

import numpy as np

from npa.recordings.signals import Signals, split_range
from npa.spectral.averages import mean_of_known
from npa.spectral.density import psd_of_spans
from npa.spectral.pass_band import PassBand, usable_range
from npa.spectral.rolloff import detect_rolloff
from npa.typing import FloatArray, Span

# The longest windows of which there are enough; short ones do not resolve a high-pass.
WINDOW_SECONDS = (8.0, 4.0, 2.0)
ENOUGH_WINDOWS, MIN_WINDOWS = 16, 8  # overlapping by half
PIECE_SECONDS = 24.0
MAX_SECONDS = 120.0  # that are read, spread over the recording
# A low-pass in the spectrum replaces the header's only if it clearly takes more: the -3 dB of
# filters in two directions lies up to 20 % inside of the frequency that was asked for.
MAX_RATIO_HIGH = 0.8
FIRST_FREQ_RATIO = 1.5  # of a high-pass, above which a low-pass is looked for


def find_pass_band(signals: Signals) -> PassBand:
    """Find the frequencies that the filters of a recording passed.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        The recording.

    Returns
    -------
    band : PassBand
        From ``info["highpass"]`` to ``info["lowpass"]``, or to the low-pass that the spectrum shows
        if it clearly takes more. Without a header, and without a roll-off in the spectrum, from 0
        to Nyquist.

    See Also
    --------
    npa.spectral.detect_rolloff : Finds filters in a spectrum.

    Notes
    -----
    The spectrum is the median over channels, in windows of 2 to 8 s of at most 2 minutes of clean
    data, spread over the recording. Spectra of fewer than 8 windows are not judged. A roll-off in
    the spectrum replaces the edge of the header if it takes 3 dB below 0.8 times that.

    Of a high-pass only the header tells: power that falls towards 0 Hz may as well be that of
    blinks, or of the output of `npa.NeuralPowerAmplifier`.

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
    info, nyquist = signals.info, signals.sfreq / 2
    highpass, lowpass = (None, None) if info is None else (info["highpass"], info["lowpass"])
    low, high = usable_range(signals.sfreq, highpass, lowpass)
    flat_high = high
    low_source, high_source = 'info["highpass"]' * (low > 0), 'info["lowpass"]' * (high < nyquist)
    freqs, power, n_windows = _average_spectrum(signals)
    if n_windows:
        bend = detect_rolloff(freqs, power, "low", n_windows=n_windows)
        if bend is not None:
            above = freqs > FIRST_FREQ_RATIO * bend.cutoff
            freqs, power = freqs[above], power[above]
        rolloff = detect_rolloff(freqs, power, "high", n_windows=n_windows)
        limit = MAX_RATIO_HIGH * high if high < nyquist else nyquist
        if rolloff is not None and low < rolloff.edge and rolloff.cutoff < limit:
            high, flat_high = round(rolloff.cutoff, 1), round(rolloff.edge, 1)
            high_source = "a roll-off in the spectrum"
    source = ", ".join(filter(None, (low_source, high_source))) or "no filter known"
    return PassBand(low, high, source, None if flat_high == high else (low, flat_high))


def _average_spectrum(signals: Signals) -> tuple[FloatArray, FloatArray, int]:
    """Return frequencies, the median power of channels, and of how many windows; 0 if too few."""
    none = np.zeros(0), np.zeros(0), 0
    n_epochs = signals.data.shape[0]
    longest = max((stop - start for start, stop in signals.clean_spans), default=0)
    if longest < signals.sfreq / 2 or not signals.usable.any():  # resolves 2 Hz or less
        return none
    epochs = np.arange(n_epochs)
    for seconds in WINDOW_SECONDS:
        window = min(round(seconds * signals.sfreq), longest)
        pieces = _pieces(signals, window)
        n_windows = sum(max(2 * (stop - start) // window - 1, 0) for start, stop in pieces)
        if n_windows * n_epochs >= ENOUGH_WINDOWS:
            break
    n_used = sum(stop - start for start, stop in pieces) / signals.sfreq
    if n_epochs > 1:
        epochs = epochs[:: max(int(n_epochs * n_used // MAX_SECONDS), 1)]
    n_windows *= len(epochs)
    if n_windows < MIN_WINDOWS:
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
    return freqs[1:], 10 ** np.median(log_power, axis=0), n_windows


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
