"""Spectra in which line noise is looked for, and the parts of a recording they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from npa.spectral.covariances import spread, windows_of
from npa.spectral.line_noise import MAINS, Line, find_line
from npa.spectral.sinusoids import MIN_PERIODS
from npa.typing import FloatArray, IntArray, Span

SPECTRUM_SECONDS = (10.0, 4.0, 2.0, 1.0)  # windows of spectra, the first that half of the data hold
MIN_SHARE_READ = 0.5
MAX_FIT_SECONDS = 1200.0  # of windows that spectra and covariances are estimated from
PIECE_SECONDS, TOTAL_SECONDS = 60.0, 240.0  # of the recording, on which windows are chosen
AUTO_WIDTH = 2.0  # Hz around 50 and 60 Hz


@dataclass(frozen=True, eq=False)
class LineSpectra:
    """Power spectra in which lines are looked for.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_channels, n_freqs)
        Mean of the squared spectra of tapered windows.
    window : int
        Their length in samples; 0 if no span holds one.
    count : int
        Number of windows.
    """

    freqs: FloatArray
    power: FloatArray
    window: int
    count: int

    @property
    def taper(self) -> FloatArray:
        """Taper of the windows."""
        return np.asarray(hann(self.window, sym=False))

    @property
    def energy(self) -> float:
        """Power of white noise of variance 1: sum of the squared taper."""
        return float((self.taper**2).sum())

    def measure(self, x: Any, spans: Sequence[Span]) -> FloatArray:
        """Return the mean power of all channels of other data in the same windows.

        Parameters
        ----------
        x : array-like, shape (n_epochs, n_channels, n_times)
            Samples.
        spans : sequence of (int, int)
            Spans of them.

        Returns
        -------
        power : array, shape (n_channels, n_freqs)
            As ``power``.
        """
        return _mean_power(x, spans, np.arange(x.shape[1]), self.window, {})[0]


def line_spectra(
    x: Any, spans: Sequence[Span], sfreq: float, channels: IntArray, lowest: float
) -> LineSpectra:
    """Compute power spectra in which lines are looked for.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Samples, read as blocks ``x[..., start:stop]``.
    spans : sequence of (int, int)
        Continuous, clean spans.
    sfreq : float
        Sampling rate in Hz.
    channels : array of int
        Channels to use.
    lowest : float
        Lowest frequency of a line in Hz, of which a window holds at least 8 periods.

    Returns
    -------
    spectra : LineSpectra
        The spectra, of windows of at most 10 s.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1, 1, 1000))
    >>> line_spectra(x, [(0, 1000)], 100.0, np.array([0]), 10.0).power.shape
    (1, 501)
    """
    lengths = np.array([stop - start for start, stop in spans])
    window = int(lengths.max())
    for seconds in SPECTRUM_SECONDS:
        length = round(seconds * sfreq)
        if lengths[lengths >= length].sum() >= MIN_SHARE_READ * lengths.sum():
            window = length
            break
    window = min(max(window, int(np.ceil(MIN_PERIODS * sfreq / lowest))), int(lengths.max()))
    if window < max(MIN_PERIODS * sfreq / lowest, 4) or not len(channels):
        return LineSpectra(np.zeros(0), np.zeros((len(channels), 0)), 0, 0)
    power, count = _mean_power(x, spans, channels, window, reading(window, sfreq))
    freqs = np.arange(window // 2 + 1, dtype=np.float64) * (sfreq / window)
    return LineSpectra(freqs, power, window, count)


def find_mains(spectra: LineSpectra) -> Line | None:
    """Return the stronger of the lines at 50 and 60 Hz, under its nominal frequency.

    Parameters
    ----------
    spectra : LineSpectra
        The spectra.

    Returns
    -------
    line : Line | None
        The line at 50 or 60 Hz; None if neither stands out, nor its first two harmonics.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1, 1, 8000))
    >>> x += np.sin(2 * np.pi * 59.9 * np.arange(8000) / 200)
    >>> find_mains(line_spectra(x, [(0, 8000)], 200.0, np.array([0]), 50.0)).freq
    60.0
    """
    found: dict[float, float] = {}
    for mains in MAINS:
        for multiple in (1, 2, 3):
            nominal = mains * multiple
            if not spectra.window or nominal >= spectra.freqs[-2]:
                break
            line = find_line(spectra.freqs, spectra.power, nominal, AUTO_WIDTH / 2)
            if line.found:
                found[mains] = max(found.get(mains, 0.0), line.ratio)
    if not found:
        return None
    best = max(found, key=lambda mains: found[mains])
    return Line(best, found[best], True)


def choose_pieces(
    spans: Sequence[Span],
    n_epochs: int,
    sfreq: float,
    longest: float = PIECE_SECONDS,
    total: float = TOTAL_SECONDS,
    *,
    shortest: int = 1,
) -> list[tuple[int, Span]]:
    """Choose pieces of a recording, spread evenly.

    Parameters
    ----------
    spans : sequence of (int, int)
        Continuous, clean spans.
    n_epochs : int
        Number of epochs.
    sfreq : float
        Sampling rate in Hz.
    longest, total : float
        Duration of a piece, and of all, in s, at most.
    shortest : int, default 1
        Length of a piece in samples, at least, if a span holds so many.

    Returns
    -------
    pieces : list of (int, (int, int))
        Epoch, and start and stop of each piece.

    Examples
    --------
    >>> choose_pieces([(0, 1000)], 1, 1.0, 100.0, 200.0)
    [(0, (0, 100)), (0, (900, 1000))]
    """
    limit = max(round(longest * sfreq), shortest)
    parts = [
        (start, min(start + limit, stop))
        for first, stop in spans
        for start in range(first, stop, limit)
    ]
    length = max(stop - start for start, stop in parts)
    least = max(length / 2, min(shortest, length))
    parts = [(start, stop) for start, stop in parts if stop - start >= least]
    pieces = [(epoch, part) for epoch in range(n_epochs) for part in parts]
    return [pieces[index] for index in spread(len(pieces), max(int(total * sfreq / length), 1))]


def reading(window: int, sfreq: float) -> dict[str, int]:
    """Return how windows are read: overlapping by half, and not too many.

    Parameters
    ----------
    window : int
        Length of a window in samples.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    options : dict
        ``step`` and ``max_windows`` of `npa.spectral.covariances.windows_of`.

    Examples
    --------
    >>> reading(1000, 100.0)
    {'step': 500, 'max_windows': 240}
    """
    return {
        "step": max(window // 2, 1),
        "max_windows": max(int(2 * MAX_FIT_SECONDS * sfreq / window), 1),
    }


def _mean_power(
    x: Any, spans: Sequence[Span], channels: IntArray, window: int, reading: dict[str, int]
) -> tuple[FloatArray, int]:
    """Return the mean squared spectrum of tapered windows, and their number."""
    taper, count = hann(window, sym=False), 0
    power = np.zeros((len(channels), window // 2 + 1))
    for part in windows_of(x, spans, window, **reading):
        data = part[:, channels]
        data = (data - data.mean(axis=-1, keepdims=True)) * taper
        power += (np.abs(rfft(data)) ** 2).sum(axis=0)
        count += len(part)
    return power / max(count, 1), count
