"""The clean spans of a recording, band-passed and decimated."""

from typing import Any

import numpy as np
import scipy

from npa.recordings.signals import Signals, finite_spans, split_range
from npa.spectral.density import BLOCK_SAMPLES
from npa.spectral.eog_events import cut_windows, median_window, window_lags, windows
from npa.typing import BoolArray, FloatArray, IntArray

FILTER_DECAY = 1e-12  # to which a filter's start-up transient has decayed after the overlap
MIN_BLOCK_OVERLAPS = 8  # length of a block, in overlaps


class CleanSpans:
    """The clean spans of a recording, band-passed, decimated and concatenated.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        The recording.
    min_sfreq : float
        Lowest sampling rate in Hz to decimate to, by a whole factor.

    Attributes
    ----------
    original_sfreq, sfreq : float
        Sampling rate in Hz, before and after.
    epoch, sample : array of int, shape (n_samples,)
        Epoch and sample of the recording that each kept sample comes from.
    span : array of int, shape (n_samples,)
        Number of the uninterrupted span that it belongs to.
    lags : array of int, shape (n_lags,)
        Samples of the window around a blink, from -0.5 to 0.5 s.

    Examples
    --------
    >>> from npa.recordings.containers import read_signals
    >>> signals = read_signals(np.ones((2, 3, 100)), sfreq=100.0)
    >>> spans = CleanSpans(signals, 50.0)
    >>> spans.sfreq, spans.sample.size
    (50.0, 100)
    """

    def __init__(self, signals: Signals, min_sfreq: float) -> None:
        self.original_sfreq, self.segments = signals.sfreq, signals.segments
        decim = max(1, int(signals.sfreq / min_sfreq + 1e-6))
        self.sfreq = signals.sfreq / decim
        n_epochs = len(signals.data)
        kept = [np.arange(start, stop, decim) for start, stop in signals.clean_spans]
        self.sample = np.concatenate([np.tile(each, n_epochs) for each in kept])
        self.epoch = np.concatenate([np.repeat(np.arange(n_epochs), len(each)) for each in kept])
        number = np.repeat(np.arange(len(kept)), [len(each) * n_epochs for each in kept])
        self.span = number * n_epochs + self.epoch
        self.lags = window_lags(self.sfreq)

    def filter(
        self,
        data: Any,
        low: float,
        high: float,
        *,
        channels: slice | list[int] | IntArray = slice(None),
        weights: FloatArray | None = None,
        samples: slice | IntArray = slice(None),
    ) -> FloatArray:
        """Band-pass within segments, not across NaN, and keep samples of the clean spans.

        Parameters
        ----------
        data : array-like, shape (n_epochs, n_channels, n_times)
            Signals, sampled as the recording; read in blocks ``data[..., start:stop]``.
        low, high : float
            Pass band in Hz; it must lie below the Nyquist frequency after decimation.
        channels : slice | array of int
            Which channels to take; all by default.
        weights : array, shape (n_signals, n_channels) | None
            Weighted sums of these channels to return instead of the channels.
        samples : slice | array of int
            Which of the kept samples to return; all by default.

        Returns
        -------
        filtered : array, shape (n_signals, n_samples)
            Zero-phase filtered signals at ``sfreq``.
        """
        sos = scipy.signal.butter(4, (low, high), "bandpass", fs=self.original_sfreq, output="sos")
        slowest = np.abs(scipy.signal.sos2zpk(sos)[1]).max()
        overlap = int(np.log(FILTER_DECAY) / np.log(slowest))
        length = max(BLOCK_SAMPLES // (data.shape[0] * data.shape[1]), MIN_BLOCK_OVERLAPS * overlap)
        epoch, sample = self.epoch[samples], self.sample[samples]
        n_channels = len(np.arange(data.shape[1])[channels])
        out = np.empty((n_channels if weights is None else len(weights), sample.size))
        for start, stop in self.segments:
            for first, last in split_range(start, stop, length):
                begin, end = max(first - overlap, start), min(last + overlap, stop)
                block = data[..., begin:end][:, channels]
                block = block if weights is None else weights @ block
                for left, right in finite_spans(block):
                    pad = min(round(3 / low * self.original_sfreq), right - left - 1)
                    inside = max(first, begin + left), min(last, begin + right)
                    where = np.flatnonzero((sample >= inside[0]) & (sample < inside[1]))
                    for signal, row in enumerate(out):
                        part = block[:, signal, left:right]
                        filtered = scipy.signal.sosfiltfilt(sos, part, padlen=pad)
                        row[where] = filtered[epoch[where], sample[where] - begin - left]
        return out

    def near(self, peaks: IntArray) -> BoolArray:
        """Mark the samples within 0.5 s of any peak, and in its span.

        Parameters
        ----------
        peaks : array of int, shape (n_peaks,)
            Sample numbers.

        Returns
        -------
        mask : array of bool, shape (n_samples,)
            The samples.
        """
        index, inside = windows(peaks, self.lags, self.span)
        mask = np.zeros(self.span.size, bool)
        mask[index[inside]] = True
        return mask

    def around(self, trace: FloatArray, peaks: IntArray) -> FloatArray:
        """Cut out the windows around the peaks.

        Parameters
        ----------
        trace : array, shape (n_samples,)
            A filtered signal.
        peaks : array of int, shape (n_peaks,)
            Sample numbers.

        Returns
        -------
        pieces : array, shape (n_peaks, n_lags)
            The signal within 0.5 s of each peak; NaN outside its span.
        """
        return cut_windows(trace, peaks, self.lags, self.span)

    def median_around(
        self, trace: FloatArray, peaks: IntArray, signs: FloatArray | float = 1.0
    ) -> FloatArray:
        """Return the median of a trace over the windows around the peaks.

        Parameters
        ----------
        trace : array, shape (n_samples,)
            A filtered signal.
        peaks : array of int, shape (n_peaks,)
            Sample numbers.
        signs : array, shape (n_peaks,) | float, default 1
            By which each window is multiplied.

        Returns
        -------
        median : array, shape (n_lags,)
            NaN at lags that lie outside the span of every peak.
        """
        return median_window(trace, peaks, self.lags, self.span, signs)
