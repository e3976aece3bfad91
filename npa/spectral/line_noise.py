"""Line noise: where it is in a spectrum, and its frequency."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npa.spectral.sinusoids import MIN_PERIODS, STEPS_PER_WINDOW, amplitudes, window_step
from npa.typing import BoolArray, ComplexArray, FloatArray

MAINS = (50.0, 60.0)  # Hz
LINE_HZ, LINE_BINS = 0.4, 1.5  # a line reaches at least so far to either side
# The background beside it: near, so that a rhythm there is background too.
REFERENCE_HZ, REFERENCE_BINS = (1.0, 4.0), (3.0, 8.0)
FAR_HZ, FAR_BINS = (4.0, 10.0), (8.0, 16.0)  # and beyond what a line that bursts reaches
NARROW_HZ, NARROW_BINS = 0.75, 2.0  # a line has half of its power or less at this distance
# Ratio of power to the background at a line, and its distance from the median in robust standard
# deviations of the log ratio. In 400 simulated recordings without hum (1 to 32 channels, 4 to 120
# s, levels that change over time) none of 800 searches finds a line; half of those whose power is
# 3 times that of the background in a bin of 0.1 Hz, for 60 s, are found.
MIN_RATIO, MIN_DEVIATIONS = 1.3, 6.0
ROUNDING = 1e-26  # of the power of a spectrum
LAGS = (0.5, 2.0, 8.0, 30.0)  # s, between the phases that refine a frequency
MIN_COHERENCE = 0.5
N_REFINED = 2
WANDER_SECONDS = 2.0


@dataclass(frozen=True)
class Line:
    """A line in a spectrum.

    Parameters
    ----------
    freq : float
        Its frequency in Hz.
    ratio : float
        Its power over that of the background, mean of the channels.
    found : bool
        Whether it stands out from the background and is narrow.
    """

    freq: float
    ratio: float
    found: bool


def refine_frequency(
    pieces: Sequence[FloatArray], sfreq: float, freq: float
) -> tuple[float, float]:
    """Estimate the frequency of a line from its phase.

    Parameters
    ----------
    pieces : sequence of array, shape (n_pieces, n_times)
        Samples, recorded without interruption, by length.
    sfreq : float
        Sampling rate in Hz.
    freq : float
        Its frequency in Hz, to less than 0.5 Hz.

    Returns
    -------
    freq : float
        The mean frequency in Hz.
    wander : float
        Standard deviation of the frequency over time (in windows of 2 s) in Hz; NaN if the pieces
        are too short for it.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * 50.123 * np.arange(20_000) / 1000)
    >>> freq, wander = refine_frequency([x[np.newaxis]], 1000.0, 50.0)
    >>> round(freq, 4), round(wander, 4)
    (50.123, 0.0)
    """
    for _ in range(N_REFINED):
        courses, step = _courses(pieces, sfreq, freq)
        change = 0.0
        for lag in LAGS:
            n_lags = max(round(lag / step), 1)
            product, power = 0j, 0.0
            for times, amplitude in courses:
                turned = amplitude * np.exp(-2j * np.pi * change * times)
                later, earlier = turned[:, n_lags:], turned[:, :-n_lags]
                product += (later * earlier.conj()).sum()
                power += (np.abs(later) * np.abs(earlier)).sum()
            if power <= 0 or np.abs(product) < MIN_COHERENCE * power:
                break
            change += float(np.angle(product)) / (2 * np.pi * n_lags * step)
        wander = _wander(courses, change, max(round(WANDER_SECONDS / step), 1), step)
        freq += change
    return freq, wander


def line_weights(
    freqs: FloatArray, line: float, others: FloatArray | Sequence[float] = ()
) -> FloatArray:
    """Return the weights of the bins of a line and of the background beside it.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the bins in Hz, equidistant from 0.
    line : float
        Frequency of the line in Hz.
    others : sequence of float
        Frequencies of further lines, which are no background.

    Returns
    -------
    weights : array, shape (3, n_freqs)
        Line, background beside it, and further away; each has sum 1, or 0 if it has no bins.

    Examples
    --------
    >>> line_weights(np.arange(0.0, 100.0), 50.0).argmax(axis=1)
    array([49, 42, 34])
    """
    bin_width = freqs[1] - freqs[0]
    reach = max(LINE_HZ, LINE_BINS * bin_width)
    distance = np.abs(freqs - line)
    allowed = (freqs > 0.5 * bin_width) & (freqs < freqs[-1])
    for other in (line, *others):
        allowed &= np.abs(freqs - other) > reach

    def within(hz: tuple[float, float], bins: tuple[float, float]) -> BoolArray:
        low, high = (max(a, b * bin_width) for a, b in zip(hz, bins, strict=True))
        found: BoolArray = allowed & (distance >= low) & (distance <= high)
        return found if found.any() else allowed & (distance <= high)

    beside = within(REFERENCE_HZ, REFERENCE_BINS)
    bins = np.array([distance <= reach, beside, within(FAR_HZ, FAR_BINS)], dtype=float)
    weights: FloatArray = bins / np.maximum(bins.sum(axis=1, keepdims=True), 1)
    return weights


def find_line(
    freqs: FloatArray, power: FloatArray, nominal: float, width: float, others: Sequence[float] = ()
) -> Line:
    """Look for a line in spectra.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the bins in Hz, equidistant from 0.
    power : array, shape (n_channels, n_freqs)
        Power of each channel.
    nominal : float
        Frequency in Hz around which to look.
    width : float
        How far from it, in Hz.
    others : sequence of float
        Frequencies of further lines, which are no background.

    Returns
    -------
    line : Line
        The strongest peak there is; at the nominal frequency if there is none.

    Examples
    --------
    >>> freqs = np.arange(0.0, 100.0, 0.1)
    >>> power = np.ones((1, 1000))
    >>> power[0, 497:500] = [50.0, 100.0, 50.0]
    >>> find_line(freqs, power, 50.0, 0.5)
    Line(freq=49.8, ratio=100.0, found=True)
    """
    bin_width = freqs[1] - freqs[0]
    _, reference, _ = line_weights(freqs, nominal, others)
    beside = reference > 0
    if not beside.any():
        return Line(nominal, 1.0, False)
    # Below the rounding error of a strong line there is no background.
    floor = np.maximum(np.median(power[:, beside], axis=1), ROUNDING * power.sum(axis=1))
    known = floor > 0
    if not known.any():
        return Line(nominal, 1.0, False)
    ratio = (power[known] / floor[known, np.newaxis]).mean(axis=0)
    near = np.flatnonzero(np.abs(freqs - nominal) <= width + bin_width / 2)
    near = near[(near > 0) & (near < len(freqs) - 1)]
    if not near.size:
        return Line(nominal, 1.0, False)
    peak = int(near[np.argmax(ratio[near])])
    around = np.log(np.maximum(ratio[beside], 1e-300))
    spread = 1.4826 * np.median(np.abs(around - np.median(around)))
    deviations = (np.log(max(ratio[peak], 1e-300)) - np.median(around)) / max(spread, 1e-3)
    distance = np.abs(freqs - freqs[peak])
    reach = max(NARROW_HZ, NARROW_BINS * bin_width)
    flanks = ratio[(distance >= reach) & (distance <= 2 * reach)]
    narrow = not flanks.size or np.median(flanks) < ratio[peak] / 2
    found = ratio[peak] >= MIN_RATIO and deviations >= MIN_DEVIATIONS and narrow
    # A parabola through the logarithms at three bins: exact for a Gaussian peak.
    low, mid, high = np.log(np.maximum(ratio[peak - 1 : peak + 2], 1e-300))
    curvature = low - 2 * mid + high
    offset = 0.5 * (low - high) / curvature if curvature < 0 else 0.0
    freq = freqs[peak] + float(np.clip(offset, -0.5, 0.5)) * bin_width
    return Line(round(float(freq), 6), float(ratio[peak]), bool(found))


def _courses(
    pieces: Sequence[FloatArray], sfreq: float, freq: float
) -> tuple[list[tuple[FloatArray, ComplexArray]], float]:
    """Return times and amplitudes of a line, and the distance of the times in s."""
    window = round(max(2 * LAGS[0], 2 * MIN_PERIODS / freq) * sfreq)
    step = window_step(window, max(x.shape[-1] for x in pieces))
    courses = []
    for x in pieces:
        amplitude = amplitudes(x, freq / sfreq, window, step * STEPS_PER_WINDOW)
        n_steps = amplitude.shape[-1]
        amplitude *= np.exp(-2j * np.pi * freq / sfreq * step * np.arange(n_steps))
        # Windows that are cut off at the ends are not centred.
        edge = max(min(window // (2 * step), (n_steps - 2) // 2), 0)
        amplitude = amplitude[:, edge : n_steps - edge]
        courses.append((np.arange(amplitude.shape[-1]) * step / sfreq, amplitude))
    return courses, step / sfreq


def _wander(
    courses: list[tuple[FloatArray, ComplexArray]], change: float, n_lags: int, step: float
) -> float:
    """Return the standard deviation of the frequency, weighted by power."""
    freqs, weights = [], []
    for _, amplitude in courses:
        product = amplitude[:, n_lags::n_lags] * amplitude[:, :-n_lags:n_lags].conj()
        product = product.ravel()
        turned = product * np.exp(-2j * np.pi * change * n_lags * step)
        freqs.append(np.angle(turned) / (2 * np.pi * n_lags * step))
        weights.append(np.abs(product))
    values, power = np.concatenate(freqs), np.concatenate(weights)
    if len(values) < 2 or power.sum() <= 0:
        return np.nan
    mean = np.average(values, weights=power)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=power)))
