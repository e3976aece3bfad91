"""Steps in a horizontal EOG, and the evidence that they are saccades."""

import numpy as np
import scipy

from npa.spectral.eog_events import EOGEvents, cut_windows
from npa.typing import BoolArray, FloatArray, IntArray

SACCADE_BAND = (0.5, 10.0)  # Hz
SIDE = 0.2  # s, over which the level before and after a step is averaged
GAP = 0.04  # s between these two, about the duration of a saccade
SHAPE_WINDOW = 0.25  # s on either side of a step, where its shape is compared
MIN_DISTANCE = 0.2  # s between two saccades
MIN_SIMILARITY = 0.8  # cosine with a step


def step_heights(trace: FloatArray, span: IntArray, sfreq: float) -> FloatArray:
    """Return the height of the step at each sample.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        A signal.
    span : array of int, shape (n_samples,)
        Number of the uninterrupted span that each sample belongs to.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    heights : array, shape (n_samples,)
        Hann-weighted mean over 0.2 s after a gap of 0.04 s, minus that before it, in the unit of
        the trace; 0 less than 0.22 s from either end of a span. A 10 Hz rhythm makes no steps.

    Examples
    --------
    >>> trace = np.repeat([0.0, 3.0], 100)
    >>> heights = step_heights(trace, np.zeros(200, int), 100.0)
    >>> int(heights.argmax()), float(heights.max().round(3))
    (99, 3.0)
    """
    half, side = max(1, round(GAP / 2 * sfreq)), max(2, round(SIDE * sfreq))
    level = np.hanning(side + 2)[1:-1]
    level /= level.sum()
    kernel = np.concatenate([level, np.zeros(2 * half - 1), -level])
    edge = kernel.size // 2
    heights = np.zeros(trace.size)
    for piece in _pieces(span):
        if piece.size >= kernel.size:
            heights[piece[edge:-edge]] = scipy.signal.fftconvolve(trace[piece], kernel, "valid")
    return heights


def step_template(sfreq: float, lags: IntArray) -> FloatArray:
    """Return the shape of a saccade within the saccade band.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    lags : array of int, shape (n_lags,)
        Samples relative to the step.

    Returns
    -------
    template : array, shape (n_lags,)
        A smooth step of about 0.04 s, filtered as the trace is, of unit length.

    Examples
    --------
    >>> step_template(100.0, np.arange(-1, 2)).round(3) + 0
    array([-0.707,  0.   ,  0.707])
    """
    margin = round(4 / SACCADE_BAND[0] * sfreq)
    times = np.arange(lags[0] - margin, lags[-1] + margin + 1) / sfreq
    sos = scipy.signal.butter(4, SACCADE_BAND, "bandpass", fs=sfreq, output="sos")
    step = scipy.signal.sosfiltfilt(sos, scipy.special.erf(times / (GAP / 2)))[margin:-margin]
    return np.asarray(step / np.linalg.norm(step))


def find_saccade_peaks(
    trace: FloatArray,
    span: IntArray,
    sfreq: float,
    *,
    min_saccades: int,
    excluded: BoolArray | None = None,
) -> EOGEvents:
    """Find the steps of an EOG trace that may be saccades.

    Parameters
    ----------
    trace : array, shape (n_samples,)
        The EOG within 0.5-10 Hz.
    span : array of int, shape (n_samples,)
        Number of the uninterrupted span that each sample belongs to.
    sfreq : float
        Sampling rate in Hz.
    min_saccades : int
        Fewest saccades.
    excluded : array of bool, shape (n_samples,) | None
        Samples where none are sought, such as blinks; None for no samples.

    Returns
    -------
    found : EOGEvents
        The steps, with the evidence.

    Notes
    -----
    High steps, up or down, reach a height ``h'`` that Gaussian noise of the same spectrum and
    duration reaches ``min_saccades`` times. By Rice's formula [1]_ it is
    ``sd * sqrt(2 log(n / min_saccades))``, where ``n`` is the number of zero crossings of the step
    heights, and ``sd`` their robust standard deviation (1.4826 median absolute deviations). Those
    shaped like saccades have a cosine of at least 0.8 with a step within 0.25 s. With ``h`` the
    height of the ``min_saccades``-th highest of these, the contrast is ``1 - h' / h``: about 0
    without saccades, whatever the noise and the duration.

    References
    ----------
    .. [1] Rice, S. O. (1945). Mathematical analysis of random noise. Bell System Technical Journal,
       24(1), 46-156. https://doi.org/10.1002/j.1538-7305.1945.tb00453.x

    Examples
    --------
    >>> sos = scipy.signal.butter(4, SACCADE_BAND, "bandpass", fs=100.0, output="sos")
    >>> gaze = np.repeat([0.0, 1.0, 0.0, -1.0, 0.0], 300)
    >>> trace = scipy.signal.sosfiltfilt(sos, gaze)
    >>> found = find_saccade_peaks(trace, np.zeros(1500, int), 100.0, min_saccades=3)
    >>> found.n_events, found.signs
    (4, array([ 1., -1., -1.,  1.]))
    """
    heights = step_heights(trace, span, sfreq)
    crossings = np.count_nonzero(np.diff(np.signbit(heights)))
    level = np.sqrt(2 * np.log(max(crossings / min_saccades, np.e)))
    level *= max(float(1.4826 * np.median(np.abs(heights))), np.finfo(float).tiny)
    distance = max(1, round(MIN_DISTANCE * sfreq))
    peaks = np.concatenate(
        [
            piece[scipy.signal.find_peaks(np.abs(heights[piece]), level, distance=distance)[0]]
            for piece in _pieces(span)
        ]
    )
    if excluded is not None:
        peaks = peaks[~excluded[peaks]]
    signs = np.sign(heights[peaks])
    half = round(SHAPE_WINDOW * sfreq)
    lags = np.arange(-half, half + 1)
    pieces = np.nan_to_num(signs[:, np.newaxis] * cut_windows(trace, peaks, lags, span))
    pieces -= pieces.mean(axis=1, keepdims=True)
    norms = np.maximum(np.linalg.norm(pieces, axis=1), np.finfo(float).tiny)
    similarity = pieces @ step_template(sfreq, lags) / norms
    like = similarity >= MIN_SIMILARITY
    highest = np.sort(np.abs(heights[peaks[like]]))[::-1]
    enough = len(highest) >= min_saccades
    return EOGEvents(
        peaks=peaks[like] if enough else peaks,
        signs=signs[like] if enough else signs,
        n_events=len(highest),
        height=float(highest[min_saccades - 1]) if enough else float(level),
        shape=max(0.0, float(np.median(similarity))) if len(peaks) else 0.0,
        contrast=float(1.0 - level / highest[min_saccades - 1]) if enough else 0.0,
    )


def step_size(medians: FloatArray, sfreq: float) -> FloatArray:
    """Return the height of the step in the middle of each row.

    Parameters
    ----------
    medians : array, shape (n_channels, n_lags)
        Median signals around saccades; NaN where unknown.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    size : array, shape (n_channels,)
        Step from before to after, in the unit of the signals.

    Examples
    --------
    >>> step_size(np.repeat([[0.0, 3.0]], 50, axis=1), 100.0).round(3)
    array([3.])
    """
    rows = np.nan_to_num(medians)
    span = np.zeros(rows.shape[1], int)
    return np.array([step_heights(row, span, sfreq)[rows.shape[1] // 2] for row in rows])


def _pieces(span: IntArray) -> list[IntArray]:
    """Return the sample numbers of each span."""
    return np.split(np.arange(span.size), np.flatnonzero(np.diff(span)) + 1)
