"""Blinks in EOG: the clean runs of a recording, the peaks in them, and what a blink looks like."""

import numpy as np
import scipy

from npa.recordings.signals import split_range
from npa.spectral.density import BLOCK_SAMPLES

BLINK_BAND = (1.0, 10.0)  # Hz
_MIN_HEIGHT = 60e-6  # V
_MIN_MADS = 5.0
_FORGOTTEN = 1e-12  # what a block's filter keeps of its wrong start at the end of the overlap
_OVERHEAD = 8  # a block is at least as many times longer than its overlap
_REACH = 0.5  # s on either side of a blink
_APART = 0.3  # s between two blinks, at least
_WIDTH = (0.04, 0.4)  # s at half height; blinks within 1-10 Hz are 0.08-0.13 s wide
_MAX_UNDERSHOOT = 0.75  # of the peak; blinks within 1-10 Hz reach 0.4-0.55, steps and rhythms 1
_TYPICAL_MADS = 7.0  # the median blink stands out more clearly than the smallest one counted
_FRONTAL_TIERS = (("fp1", "fpz", "fp2"), ("af7", "af3", "afz", "af4", "af8"))
_FRONTAL_ANGLE = 0.6  # how far ahead a frontal electrode lies, of its distance from the centre
_FRONTAL_TOLERANCE = 0.94  # of the frontal-most position; Fp1 counts beside Fpz, AF3 does not


class CleanRuns:
    """The clean runs of a recording, band-passed, decimated and put one after the other.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        The recording.
    min_sfreq : float
        Lowest sampling rate in Hz to decimate to, by a whole factor.

    Attributes
    ----------
    sfreq, rate : float
        Sampling rate in Hz, before and after.
    epoch, sample : array of int, shape (n_samples,)
        Epoch and sample of the recording that each kept sample comes from.
    run : array of int, shape (n_samples,)
        Number of the uninterrupted run that it belongs to.
    lags : array of int, shape (n_lags,)
        Samples from -0.5 to 0.5 s.

    Examples
    --------
    >>> from npa.recordings.containers import read_signals
    >>> signals = read_signals(np.ones((2, 3, 100)), sfreq=100.0)
    >>> runs = CleanRuns(signals, 50.0)
    >>> runs.rate, runs.sample.size
    (50.0, 100)
    """

    def __init__(self, signals, min_sfreq):
        self.sfreq, self.segments = signals.sfreq, signals.segments
        decim = max(1, int(signals.sfreq / min_sfreq + 1e-6))
        self.rate = signals.sfreq / decim
        n_epochs = len(signals.data)
        kept = [np.arange(start, stop, decim) for start, stop in signals.clean_spans]
        self.sample = np.concatenate([np.tile(run, n_epochs) for run in kept])
        self.epoch = np.concatenate([np.repeat(np.arange(n_epochs), len(run)) for run in kept])
        number = np.repeat(np.arange(len(kept)), [len(run) * n_epochs for run in kept])
        self.run = number * n_epochs + self.epoch
        half = round(_REACH * self.rate)
        self.lags = np.arange(-half, half + 1)

    def reduce(self, data, low, high, *, channels=slice(None), weights=None, samples=slice(None)):
        """Band-pass within segments, and keep samples of the clean runs.

        Parameters
        ----------
        data : array-like, shape (n_epochs, n_channels, n_times)
            Signals, sampled as the recording; read in blocks ``data[..., start:stop]``.
        low, high : float
            Pass band in Hz; the caller sees to it that decimation does not alias.
        channels : slice | array of int
            Which channels to take; all by default.
        weights : array, shape (n_signals, n_channels) | None
            Sums of these channels to take in their place.
        samples : slice | array of int
            Which of the kept samples to return; all by default.

        Returns
        -------
        reduced : array, shape (n_signals, n_samples)
            Zero-phase filtered signals at ``rate``.
        """
        sos = scipy.signal.butter(4, (low, high), "bandpass", fs=self.sfreq, output="sos")
        overlap = int(np.log(_FORGOTTEN) / np.log(np.abs(scipy.signal.sos2zpk(sos)[1]).max()))
        length = max(BLOCK_SAMPLES // (data.shape[0] * data.shape[1]), _OVERHEAD * overlap)
        epoch, sample = self.epoch[samples], self.sample[samples]
        out = None
        for start, stop in self.segments:
            for first, last in split_range(start, stop, length):
                begin, end = max(first - overlap, start), min(last + overlap, stop)
                block = data[..., begin:end][:, channels]
                block = block if weights is None else weights @ block
                out = np.empty((block.shape[1], sample.size)) if out is None else out
                pad = min(round(3 / low * self.sfreq), end - begin - 1)
                where = np.flatnonzero((sample >= first) & (sample < last))
                for signal, row in enumerate(out):
                    filtered = scipy.signal.sosfiltfilt(sos, block[:, signal], padlen=pad)
                    row[where] = filtered[epoch[where], sample[where] - begin]
        return out

    def near(self, peaks):
        """Mark the samples within 0.5 s of any peak, and in its run.

        Parameters
        ----------
        peaks : array of int, shape (n_peaks,)
            Sample numbers.

        Returns
        -------
        mask : array of bool, shape (n_samples,)
            The samples.
        """
        index, inside = self._around(peaks)
        mask = np.zeros(self.run.size, bool)
        mask[index[inside]] = True
        return mask

    def median_around(self, trace, peaks):
        """Return the median of a trace over the surroundings of the peaks.

        Parameters
        ----------
        trace : array, shape (n_samples,)
            A reduced signal.
        peaks : array of int, shape (n_peaks,)
            Sample numbers.

        Returns
        -------
        median : array, shape (n_lags,)
            NaN at lags that lie outside the run of every peak.
        """
        values = self.around(trace, peaks)
        out = np.full(len(self.lags), np.nan)
        some = np.isfinite(values).any(axis=0)
        out[some] = np.nanmedian(values[:, some], axis=0)
        return out

    def around(self, trace, peaks):
        """Cut out the surroundings of the peaks.

        Parameters
        ----------
        trace : array, shape (n_samples,)
            A reduced signal.
        peaks : array of int, shape (n_peaks,)
            Sample numbers.

        Returns
        -------
        pieces : array, shape (n_peaks, n_lags)
            The signal within 0.5 s of each peak; NaN outside its run.
        """
        index, inside = self._around(peaks)
        return np.where(inside, trace[index], np.nan)

    def _around(self, peaks):
        """Return the samples around each peak (n_peaks, n_lags), and which are of its run."""
        index = peaks[:, np.newaxis] + self.lags
        inside = (index >= 0) & (index < self.run.size)
        index = np.clip(index, 0, self.run.size - 1)
        return index, inside & (self.run[index] == self.run[peaks][:, np.newaxis])


def find_blinks(trace, runs, *, min_blinks, upright):
    """Find the blinks of an EOG channel.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        The channel within 1-10 Hz in V, as `CleanRuns.reduce` returns it.
    runs : CleanRuns
        Where its samples come from.
    min_blinks : int
        Blinks that there must be.
    upright : bool
        Whether blinks must be positive; else they take the sign of the trace's third moment.

    Returns
    -------
    peaks : array of int, shape (n_peaks,)
        Sample numbers of peaks of at least 60 uV and 5 median absolute deviations.
    reason : str
        Why they are not blinks; empty where they are.

    Examples
    --------
    >>> from npa.recordings.containers import read_signals
    >>> eog = np.zeros((1, 1, 3000))
    >>> eog[..., 500::500] = 3e-3  # a sample high is narrower than any blink, until it is filtered
    >>> runs = CleanRuns(read_signals(eog, sfreq=100.0), 100.0)
    >>> find_blinks(runs.reduce(eog, 1, 10)[0], runs, min_blinks=5, upright=True)
    (array([ 500, 1000, 1500, 2000, 2500]), '')
    """
    sign = 1.0 if upright or np.sum(trace**3) >= 0 else -1.0
    mad = np.median(np.abs(trace - np.median(trace)))
    height = max(_MIN_HEIGHT, _MIN_MADS * mad)
    distance = max(1, round(_APART * runs.rate))
    peaks = []
    for piece in np.split(np.arange(trace.size), np.flatnonzero(np.diff(runs.run)) + 1):
        found, _ = scipy.signal.find_peaks(sign * trace[piece], height=height, distance=distance)
        peaks.append(piece[found])
    peaks = np.concatenate(peaks)
    if len(peaks) < min_blinks:
        return peaks, f"{len(peaks)} blink(s), fewer than min_blinks = {min_blinks}"
    return peaks, _unlike_blinks(runs.around(sign * trace, peaks), runs.lags / runs.rate, mad)


def frontal_channels(signals):
    """Find the usable frontal-most electrodes, by position, else by name.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        EEG channels, with their measurement info.

    Returns
    -------
    channels : list of int
        Their indices; none where no electrode is frontal.

    Examples
    --------
    >>> import mne
    >>> from npa.recordings.containers import read_signals
    >>> info = mne.create_info(["Oz..", "FP2.", "Fp1."], 100.0, "eeg")
    >>> noise = np.random.default_rng(0).normal(size=(3, 200))
    >>> frontal_channels(read_signals(mne.io.RawArray(noise, info, verbose=False)))
    [1, 2]
    """
    usable = signals.usable
    places = np.array([channel["loc"][:3] for channel in signals.info["chs"]])
    distance = np.linalg.norm(places, axis=1)
    placed = usable & np.isfinite(distance) & (distance > 0)
    ahead = np.where(placed, places[:, 1], -np.inf)
    frontal = placed & (ahead >= _FRONTAL_TOLERANCE * ahead.max())
    frontal &= ahead >= _FRONTAL_ANGLE * distance
    if frontal.any():
        return np.flatnonzero(frontal).tolist()
    names = [name.replace(".", "").lower() for name in signals.ch_names]
    for tier in _FRONTAL_TIERS:
        found = [index for index, name in enumerate(names) if name in tier and usable[index]]
        if found:
            return found
    return []


def _unlike_blinks(pieces, lags, mad):
    """Say what distinguishes peaks (n_peaks, n_lags) from blinks; nothing if they are like them."""
    height = pieces[:, lags == 0][:, 0]
    # Medians over peaks come last: up and down steps would cancel in a median waveform.
    undershoot = np.median(-np.nanmin(pieces, axis=1) / height)
    width = np.median([_width(piece, lags) for piece in pieces])
    deviations = np.median(height) / max(mad, np.finfo(float).tiny)
    if deviations < _TYPICAL_MADS:
        return f"peaks of {deviations:.1f} median absolute deviations do not stand out like blinks"
    if not _WIDTH[0] <= width <= _WIDTH[1]:
        return f"peaks of {width:.2f} s at half height are not shaped like blinks"
    if undershoot > _MAX_UNDERSHOOT:
        return f"peaks with an undershoot of {undershoot:.2f} are not shaped like blinks"
    return ""


def _width(piece, lags):
    """Return how long a peak stays above half its height, in s."""
    low = ~(piece >= piece[lags == 0] / 2)  # also where there is no sample
    right = np.min(lags[low & (lags > 0)], initial=_REACH)
    return right - np.max(lags[low & (lags < 0)], initial=-_REACH)
