"""The pass band of a recording: what its header says, and what its spectrum shows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from npa.spectral.fitting.result import MIN_FREQS
from npa.spectral.fitting.spectra import fit_spectra
from npa.typing import FloatArray

# Within 5 % of a cut-off, a fifth of the transition of MNE's default filter, the gain is above
# -1 dB.
EDGE_TOLERANCE = 0.05
# A detected roll-off is known to the width of a cell of the logarithmic grid, 7 %.
CELL = 0.03  # decades
MIN_ROLLOFF_FREQ = 14.0  # Hz; below it the skirts of alpha look like a filter
MIN_FIT_FREQ = 1.0  # Hz
MAX_NYQUIST_SHARE = 0.97
SLOPE_SPAN = 0.09  # decades over which the local slope is measured
# The constants below are from 800 spectra without and 270 with a low-pass at 30, 35 or 40 Hz:
# 128-1000 Hz, 30-300 s, 1-8 channels, exponents 0.5-2.5, knees, alpha, beta (sd to 5 Hz), muscle,
# noise floor, line noise, notch, quantisation. False alarms 0.5 %, found 98 %. Neighbouring values
# (steepness 3 to 3.5, drop 1.0 to 1.2, late drop 0.6 to 0.9) give 0.4 to 1.1 % and 98 %.
MIN_STEEPNESS = 3.5  # decades of power per decade of frequency
DROP_SPAN = (0.13, 0.405)  # decades above the candidate, where the spectrum must stay low
DROP_QUANTILE = 0.2  # tolerates a peak of line noise within the span
MIN_DROP = 1.2  # decades of power below the extrapolated background: a steep filter,
MIN_LATE_DROP, MIN_GROWTH = 0.8, 2.5  # or a drop that grows (decades, decades per decade)
# Single channels fall like a gentle filter by themselves: occipital ones of EEGBCI by f^-6.8 above
# 30 Hz, with a drop of up to 1.1 that grows by 5.8, while the median of all 64 does not.
MIN_STEEP_DROP, MIN_STEEP_GROWTH = 1.4, 6.5  # found: 91 %, all FIR, 73 % of causal order 2
EDGE_DROP = 0.1  # decades of power: where the roll-off starts
MAX_FIT_ERROR_RATIO, MAX_EXPONENT = 1.5, 6.0  # of a background that is worth extrapolating


@dataclass(frozen=True)
class PassBand:
    """Frequencies that the filters of a recording passed.

    Parameters
    ----------
    low, high : float
        Lowest and highest frequency in Hz.
    source : str
        How they are known, for messages.

    Examples
    --------
    >>> band = PassBand(0.1, 40.0, "header")
    >>> band.holds((1, 40)), band.holds((1, 45)), band.limit((1, 45))
    (True, False, (1, 40.0))
    """

    low: float
    high: float
    source: str

    def __str__(self) -> str:
        return f"{self.low:.4g}-{self.high:.4g} Hz ({self.source})"

    def holds(self, freq_range: tuple[float, float]) -> bool:
        """Whether a range lies within the pass band, to within 5 % of its edges.

        Parameters
        ----------
        freq_range : tuple of float
            Lowest and highest frequency in Hz.

        Returns
        -------
        inside : bool
            Whether it does.
        """
        low, high = freq_range
        return low >= self.low * (1 - EDGE_TOLERANCE) and high <= self.high * (1 + EDGE_TOLERANCE)

    def limit(self, freq_range: tuple[float, float]) -> tuple[float, float] | None:
        """Return the part of a range that lies within the pass band.

        Parameters
        ----------
        freq_range : tuple of float
            Lowest and highest frequency in Hz.

        Returns
        -------
        inside : tuple of float | None
            The range itself if the pass band holds it; None if no part of it is inside.
        """
        if self.holds(freq_range):
            return freq_range
        low, high = max(freq_range[0], self.low), min(freq_range[1], self.high)
        return (low, high) if low < high else None


def usable_range(
    sfreq: float, highpass: float | None = None, lowpass: float | None = None
) -> tuple[float, float]:
    """Return the frequencies between the cut-offs of a recording's header.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    highpass, lowpass : float | None
        Cut-off frequencies in Hz; None, or values that cannot be true, if they are not known.

    Returns
    -------
    low, high : float
        The range in Hz: from 0 or ``highpass`` to ``lowpass`` or the Nyquist frequency.

    Notes
    -----
    MNE's ``info["highpass"]`` and ``info["lowpass"]`` are edges of the pass band: its default
    filter (FIR) keeps what lies between them, and falls within a transition outside, from
    ``lowpass`` to ``lowpass + min(max(lowpass / 4, 2), nyquist - lowpass)`` and from ``highpass``
    down by ``min(max(highpass / 4, 2), highpass)``; the gain is -6 dB in the middle of the
    transition. Of amplifiers and IIR filters, these are the frequencies of -3 or -6 dB, and the
    fall starts before them: `detect_rolloff` finds where.

    Examples
    --------
    >>> usable_range(256.0, 0.1, 40.0), usable_range(256.0, 0.0, 0.0)
    ((0.1, 40.0), (0.0, 128.0))
    """
    nyquist = sfreq / 2
    low = highpass if highpass and 0 < highpass < nyquist else 0.0
    high = lowpass if lowpass and low < lowpass < nyquist else nyquist
    return float(low), float(high)


def detect_rolloff(
    freqs: npt.ArrayLike, power: npt.ArrayLike, *, gentle: bool = True
) -> float | None:
    """Find where a low-pass filter starts to reduce a power spectrum.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, up to the Nyquist frequency, at most 1 Hz apart.
    power : array, shape (n_freqs,)
        Power of an average spectrum, such as V^2/Hz.
    gentle : bool, default True
        Whether a fall as gentle as that of a Butterworth filter of order 2 counts. With False,
        for averages of few channels, which may fall as steeply by themselves, only steeper ones do.

    Returns
    -------
    freq : float | None
        Frequency in Hz above which the spectrum lies below its background; None if there is no
        roll-off between 14 Hz and two thirds of the Nyquist frequency.

    Notes
    -----
    The spectrum is reduced to its medians in cells of 0.03 decades. Wherever it falls steeper than
    f^-3.5, a background (with and without a knee) and peaks are fitted below, and extrapolated. A
    filter keeps the spectrum at least 1.2 decades of power below the extrapolation over the next
    0.13 to 0.4 decades of frequency, or 0.8 with a growing distance; after the skirt of a peak it
    returns to the background. Simulations without a filter gave 0.5 % false alarms; of low-passes
    at 30 to 40 Hz (FIR, Butterworth of order 2 to 4, causal or not), 98 % were found.

    Examples
    --------
    >>> import numpy as np
    >>> freqs = np.arange(0.5, 128.5, 0.5)
    >>> detect_rolloff(freqs, 1 / freqs)
    >>> 28 < detect_rolloff(freqs, 1 / freqs / (1 + (freqs / 40) ** 16)) < 40
    True
    """
    f, p = np.asarray(freqs, dtype=np.float64), np.asarray(power, dtype=np.float64)
    used = (f >= MIN_FIT_FREQ) & (f <= MAX_NYQUIST_SHARE * f[-1]) & np.isfinite(p) & (p > 0)
    f, p = f[used], p[used]
    if len(f) < MIN_FREQS or f[-1] < MIN_ROLLOFF_FREQ:
        return None
    x, y = _log_medians(f, p)
    for start in np.flatnonzero(x >= np.log10(MIN_ROLLOFF_FREQ)):
        stop = np.searchsorted(x, x[start] + SLOPE_SPAN - 1e-9)
        distance = x[start:] - x[start]
        after = (distance >= DROP_SPAN[0]) & (distance <= DROP_SPAN[1])
        if stop >= len(x) or after.sum() < 3:  # fewer have no trend
            break
        if y[start] - y[stop] < MIN_STEEPNESS * (x[stop] - x[start]):
            continue
        below = f <= 10 ** x[start]
        drops = [line - y for line in _backgrounds(f[below], p[below], x)]
        if drops and all(
            _is_filter(distance[after], drop[start:][after], gentle) for drop in drops
        ):
            passed = np.flatnonzero(drops[0][: start + after.sum()] <= EDGE_DROP)
            return float(10 ** x[passed[-1] if len(passed) else start])
    return None


def _log_medians(freqs: FloatArray, power: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean log10 frequency and median log10 power of the cells of a logarithmic grid."""
    x, y = np.log10(freqs), np.log10(power)
    cell = np.floor((x - np.log10(MIN_FIT_FREQ)) / CELL + 1e-9).astype(int)
    cells = [cell == number for number in np.unique(cell)]
    return np.array([x[each].mean() for each in cells]), np.array([np.median(y[c]) for c in cells])


def _backgrounds(freqs: FloatArray, power: FloatArray, x: FloatArray) -> list[FloatArray]:
    """Return log10 power of the backgrounds that fit a spectrum, best first, at 10**x Hz."""
    found: list[tuple[float, FloatArray]] = []
    if len(freqs) < MIN_FREQS:
        return []
    for mode in ("fixed", "knee"):
        fit = fit_spectra(freqs, power[np.newaxis], aperiodic_mode=mode, max_n_peaks=4)
        exponent, knee = float(fit.exponent[0]), max(float(fit.knee[0]), 0.0)
        if fit.reason[0] or not exponent < MAX_EXPONENT:
            continue
        curve = np.maximum(knee + 10 ** (x * exponent), np.finfo(float).tiny)
        found.append((float(fit.error[0]), fit.offset[0] - np.log10(curve)))
    found.sort(key=lambda each: each[0])
    return [curve for error, curve in found if error <= MAX_FIT_ERROR_RATIO * found[0][0]]


def _is_filter(x: FloatArray, drop: FloatArray, gentle: bool) -> bool:
    """Whether a distance from the background at log10 frequencies ``x`` is that of a filter."""
    first, second = np.triu_indices(len(x), 1)
    growth = np.median((drop[second] - drop[first]) / (x[second] - x[first]))
    min_drop, min_growth = (MIN_DROP, MIN_GROWTH) if gentle else (MIN_STEEP_DROP, MIN_STEEP_GROWTH)
    return bool(
        np.quantile(drop, DROP_QUANTILE) > min_drop
        or (np.median(drop[-3:]) > MIN_LATE_DROP and growth > min_growth)
    )
