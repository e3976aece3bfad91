"""Scores of blink removal, on arrays: what is left of the blinks, and what else is lost.

Nothing here knows a method, so that all are scored alike.
"""

import numpy as np
import scipy

from npa.typing import BoolArray, FloatArray, IntArray

MIN_HEIGHT = 80e-6  # V, of a blink in the frontal mean minus the mean of all others, 1-10 Hz
MIN_RELATIVE_HEIGHT = 0.4  # of the 75th percentile of all such peaks
WIDTHS = (0.05, 0.35)  # s, of a blink at half of its height
MIN_DISTANCE = 0.3  # s between two blinks
ALIGNMENT = 0.1  # s by which a peak moves to fit the average blink
HALF_WINDOW = 0.5  # s around a peak that belong to the blink
AT_PEAK = 0.05  # s around the marked time, in which the median blink has its peak
CARRIES_BLINK = 0.5  # of the largest median blink, from which an electrode carries it
BLINK_BAND, ALPHA, BETA = (1.0, 40.0), (8.0, 12.0), (13.0, 30.0)  # Hz


def bandpass(x: FloatArray, sfreq: float, band: tuple[float, float]) -> FloatArray:
    """Filter without phase shift (Butterworth, order 4, forwards and backwards)."""
    high = min(band[1], 0.45 * sfreq)
    sos = scipy.signal.butter(4, (band[0], high), "bandpass", fs=sfreq, output="sos")
    return np.asarray(scipy.signal.sosfiltfilt(sos, x))


def mark_blinks(eog: FloatArray, sfreq: float) -> IntArray:
    """Mark the blinks of a recording whose truth is not known.

    Parameters
    ----------
    eog : array, shape (n_times,)
        Frontal mean minus the mean of all other electrodes, in V.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    peaks : array of int, shape (n_blinks,)
        Samples of the blinks' peaks. Each is moved to where it fits the average blink best, since
        the highest sample lies where the brain's own signal is positive too.
    """
    x = bandpass(eog, sfreq, (1.0, 10.0))
    peaks, _ = scipy.signal.find_peaks(
        x,
        height=MIN_HEIGHT,
        prominence=MIN_HEIGHT,
        distance=round(MIN_DISTANCE * sfreq),
        width=[width * sfreq for width in WIDTHS],
        rel_height=0.5,
    )
    if len(peaks):
        peaks = peaks[x[peaks] >= MIN_RELATIVE_HEIGHT * np.percentile(x[peaks], 75)]
    half, shift = round(HALF_WINDOW * sfreq), round(ALIGNMENT * sfreq)
    peaks = peaks[(peaks >= half + shift) & (peaks < len(x) - half - shift)]
    if not len(peaks):
        return peaks
    average = np.mean([x[peak - half : peak + half] for peak in peaks], axis=0)
    moved = []
    for peak in peaks:
        fit = np.correlate(x[peak - half - shift : peak + half + shift], average, "valid")
        moved.append(peak + int(fit.argmax()) - shift)
    return np.unique(moved)


def score_removal(
    before: FloatArray,
    after: FloatArray,
    sfreq: float,
    peaks: IntArray,
    *,
    carrying: IntArray,
    occipital: IntArray,
    truth: FloatArray | None = None,
) -> dict[str, float]:
    """Score what a method made of a recording.

    Parameters
    ----------
    before, after : array, shape (n_channels, n_times)
        The recording, and what the method made of it, against the same reference, in V.
    sfreq : float
        Sampling rate in Hz.
    peaks : array of int, shape (n_blinks,)
        Samples of the blinks' peaks; those too near to either end are left out.
    carrying, occipital : array of int
        Channels that carry the blinks (see `carrying_channels`), and those at the back.
    truth : array, shape (n_channels, n_times), optional
        The recording without blinks, where it is known. What is left is measured against it.

    Returns
    -------
    scores : dict of str to float
        ``left``: median blink at its peak, after / before, median over the carrying channels.
        ``left_peak_to_peak``: the same of its peak-to-peak height, which holds what the brain does
        after a blink. ``frontal_tail``: 99.5th percentile of the amplitude at the carrying
        channels in 1-40 Hz, after / before. ``frontal_beta``, ``alpha``, ``beta``: power away from
        blinks, after / before, of 13-30 Hz at the carrying channels, and of 8-12 and 13-30 Hz at
        the occipital ones. ``error``: root mean square of after - truth in 1-40 Hz over all
        channels, relative to that of the truth. NaN where it cannot be measured.
    """
    half = round(HALF_WINDOW * sfreq)
    peaks = whole_windows(peaks, half, before.shape[1])
    raw, clean = bandpass(before, sfreq, BLINK_BAND), bandpass(after, sfreq, BLINK_BAND)
    brain = np.zeros_like(raw) if truth is None else bandpass(truth, sfreq, BLINK_BAND)
    blink = median_blink((raw - brain)[carrying], peaks, half)
    rest = median_blink((clean - brain)[carrying], peaks, half)
    at, rows = peak_of(blink, sfreq), np.arange(len(carrying))
    tails = [np.percentile(np.abs(x[carrying]), 99.5, axis=1) for x in (clean, raw)]
    away = away_from(peaks, half, before.shape[1])
    scores = {
        "left": np.median(np.abs(rest[rows, at] / blink[rows, at])),
        "left_peak_to_peak": np.median(np.ptp(rest, axis=1) / np.ptp(blink, axis=1)),
        "frontal_tail": np.median(tails[0] / tails[1]),
        "frontal_beta": power_kept(before, after, sfreq, BETA, carrying, away),
        "alpha": power_kept(before, after, sfreq, ALPHA, occipital, away),
        "beta": power_kept(before, after, sfreq, BETA, occipital, away),
        "error": np.nan if truth is None else np.linalg.norm(clean - brain) / np.linalg.norm(brain),
    }
    return {name: float(value) for name, value in scores.items()}


def carrying_channels(x: FloatArray, sfreq: float, peaks: IntArray, frontal: IntArray) -> IntArray:
    """Return the channels at which blinks are measured.

    Those of the frontal ones whose median blink is at least half of the largest; where none is, as
    against a frontal reference, any channels that are.
    """
    half = round(HALF_WINDOW * sfreq)
    peaks = whole_windows(peaks, half, x.shape[1])
    blink = median_blink(bandpass(x, sfreq, BLINK_BAND), peaks, half)
    height = np.abs(blink[np.arange(len(blink)), peak_of(blink, sfreq)])
    carrying = np.flatnonzero(height >= CARRIES_BLINK * height.max())
    among = np.intersect1d(carrying, frontal)
    return among if len(among) else carrying


def whole_windows(peaks: IntArray, half: int, n_times: int) -> IntArray:
    """Leave out the peaks whose windows reach beyond the recording."""
    return peaks[(peaks >= half) & (peaks < n_times - half)]


def peak_of(blink: FloatArray, sfreq: float) -> IntArray:
    """Return the sample of each channel's peak, near the middle of the window."""
    middle, near = blink.shape[1] // 2, round(AT_PEAK * sfreq)
    return np.asarray(
        middle - near + np.abs(blink[:, middle - near : middle + near + 1]).argmax(axis=1)
    )


def median_blink(x: FloatArray, peaks: IntArray, half: int) -> FloatArray:
    """Return the median around the peaks, shape (n_channels, 2 half + 1)."""
    return np.asarray(np.median([x[:, at - half : at + half + 1] for at in peaks], axis=0))


def away_from(peaks: IntArray, half: int, n_times: int) -> BoolArray:
    """Return which samples are farther from every peak than half a window."""
    away = np.ones(n_times, bool)
    for peak in peaks:
        away[max(peak - half, 0) : peak + half + 1] = False
    return away


def power_kept(
    before: FloatArray,
    after: FloatArray,
    sfreq: float,
    band: tuple[float, float],
    channels: IntArray,
    away: BoolArray,
) -> float:
    """Return power within a band away from blinks, after / before; NaN without channels."""
    if not len(channels) or not away.any():
        return np.nan
    power = [
        (bandpass(x[channels], sfreq, band)[:, away] ** 2).mean(axis=1) for x in (after, before)
    ]
    return float(np.median(power[0] / power[1]))
