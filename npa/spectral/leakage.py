"""What estimators of power make of a steep spectrum: it leaks from strong to weak frequencies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from npa.spectral.density import DEFAULT_BANDWIDTH_BINS
from npa.spectral.multitaper import slepian_tapers
from npa.typing import FloatArray

POINTS_PER_BIN = 8
# Below this bin power is taken to be constant: segments are detrended, which halves what leaks.
LOWEST_BIN = 0.7
MAX_WINDOW_SAMPLES = 1024  # the response in frequency bins hardly depends on the length


@dataclass(frozen=True, eq=False)
class SpectralWindow:
    """Response of a spectral estimator to the frequencies around a bin.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the spectrum in Hz.
    offset : array, shape (n_offsets,)
        Distances to a frequency in Hz, symmetric around 0.
    weights : array, shape (n_offsets,)
        Share of the power at each distance that appears at the frequency; their sum is 1.
    half_width : float
        Half of the width of the main lobe in Hz.
    low_power : array, shape (n_spectra, n_low) | None
        Estimated power at the frequency bins from the first above 0 Hz up to the first of
        ``freqs``, which limits the power that leaks from there; None if it is not known.
    """

    freqs: FloatArray
    offset: FloatArray
    weights: FloatArray
    half_width: float
    low_power: FloatArray | None = None

    def leakage(self, log_power: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Return the ratio of the expected spectrum to the true one.

        Parameters
        ----------
        log_power : callable
            ``log_power(freqs)``: log10 of the true power (n_spectra, n_freqs), also at frequencies
            below the spectrum.

        Returns
        -------
        ratio : array, shape (n_spectra, n_freqs)
            The ratio; 1 where the power is not known.
        """
        step = self.offset[1] - self.offset[0]
        half = len(self.offset) // 2
        first, last = (round(float(freq / step)) for freq in (self.freqs[0], self.freqs[-1]))
        grid = np.arange(first - half, last + half + 1) * step
        lowest = LOWEST_BIN * (self.freqs[1] - self.freqs[0])
        power = 10 ** log_power(np.maximum(np.abs(grid), lowest))
        below = np.abs(grid) < self.freqs[0] - self.half_width  # nearer, bins are not resolved
        if self.low_power is not None and self.low_power.shape[1] > 1:
            limit = self._low_power_at(np.maximum(np.abs(grid[below]), 1e-9))
            power[:, below] = np.fmin(power[:, below], limit)
        smooth = scipy.signal.oaconvolve(power, self.weights[np.newaxis], "valid", axes=-1)
        stride = round(float((self.freqs[1] - self.freqs[0]) / step))
        ratio = smooth[:, ::stride] / power[:, half : len(grid) - half : stride]
        return np.asarray(np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0), np.float64)

    def _low_power_at(self, freqs: FloatArray) -> FloatArray:
        """Interpolate the low power, shape (n_spectra, n_freqs); constant below the first bin."""
        low = np.empty((0, 1)) if self.low_power is None else self.low_power
        last = low.shape[1] - 1
        bins = self.freqs[0] + (self.freqs[1] - self.freqs[0]) * np.arange(-last, 1)
        index = np.clip(np.searchsorted(bins, freqs) - 1, 0, last - 1)
        part = np.log(freqs / bins[index]) / np.log(bins[index + 1] / bins[index])
        part = np.clip(part, 0, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(low)
        return np.asarray(np.exp(logs[:, index] * (1 - part) + logs[:, index + 1] * part))


def spectral_window(
    freqs: FloatArray, length: int, sfreq: float, *, method: str = "welch", **kwargs: Any
) -> SpectralWindow:
    r"""Compute the response of an estimator of power.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        At least two frequencies of the spectrum in Hz, evenly spaced.
    length : int
        Length of its windows or segments in samples.
    sfreq : float
        Sampling frequency in Hz.
    method : {"welch", "multitaper", "periodogram"}
        The estimator.
    **kwargs
        As for `npa.spectral.psd`.

    Returns
    -------
    window : SpectralWindow
        The response.

    Notes
    -----
    The expectation of an estimate is the true spectrum, smoothed by the squared magnitude of the
    Fourier transform of the window, or by its weighted mean over the tapers. A Hann window of 4 s
    raises a spectrum :math:`1 / f^{2.5}` by 10 % at 1 Hz, and by 0.1 % at 10 Hz.

    Examples
    --------
    >>> freqs = np.arange(4, 181) / 4
    >>> window = spectral_window(freqs, 400, 100.0)
    >>> ratio = window.leakage(lambda freqs: -2.5 * np.log10(freqs[np.newaxis]))
    >>> ratio[0, [0, 36]].round(3)
    array([1.106, 1.001])
    """
    if method == "multitaper":
        bandwidth = kwargs.get("bandwidth") or DEFAULT_BANDWIDTH_BINS * sfreq / length
        n_points = min(length, MAX_WINDOW_SAMPLES)
        low_bias = bool(kwargs.get("low_bias", True))
        tapers, shares = slepian_tapers(n_points, bandwidth * length / sfreq / 2, low_bias)
        half_width = bandwidth / 2
    else:
        given = kwargs.get("window", "hann" if method == "welch" else "boxcar")
        named = isinstance(given, str | tuple | float)
        n_points = min(length, MAX_WINDOW_SAMPLES) if named else length
        tapers = scipy.signal.get_window(given, n_points) if named else np.asarray(given, float)
        tapers, shares = tapers[np.newaxis], np.ones(1)
        half_width = 2 * sfreq / length
    bins = float((freqs[1] - freqs[0]) * length / sfreq)  # less than 1 with zero padding
    n_fft = round(POINTS_PER_BIN * n_points / bins)
    response = shares @ np.abs(np.fft.rfft(tapers, n_fft)) ** 2
    step = (freqs[1] - freqs[0]) / POINTS_PER_BIN
    half = int(min(len(response) - 1, round(float(freqs[-1] / step))))
    weights = np.concatenate([response[half:0:-1], response[: half + 1]])
    offset = np.arange(-half, half + 1) * step
    return SpectralWindow(freqs, offset, weights / weights.sum(), half_width)
