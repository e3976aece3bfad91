"""Sinusoids fitted in sliding windows, and the length of these."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import convolve1d

from npa.typing import ComplexArray, FloatArray

MAX_WINDOW_SECONDS = 30.0
WINDOW_RATIO = 3**0.5  # of successive window lengths that are tried
MIN_PERIODS = 8  # of the lowest frequency in a window: with fewer, drifts look like a line
STEPS_PER_WINDOW = 16  # at least
MAX_CHUNK = 2**20  # samples fitted at once
N_BACKFITS = 3


def subtract_sinusoids(
    x: FloatArray,
    sfreq: float,
    freqs: FloatArray,
    windows: Sequence[int],
    *,
    n_times: int | None = None,
) -> None:
    """Fit sinusoids in sliding windows, and subtract them, in place.

    Parameters
    ----------
    x : array, shape (n_rows, n_times)
        Samples, recorded without interruption; they are changed.
    sfreq : float
        Sampling rate in Hz.
    freqs : array, shape (n_freqs,)
        Frequencies of the sinusoids in Hz.
    windows : sequence of int, length n_freqs
        Lengths of the windows in samples; 0 to leave a frequency as it is.
    n_times : int | None
        Length of the whole segment if ``x`` is a part of it; see `window_context`.

    Examples
    --------
    >>> hum = np.sin(2 * np.pi * 49.8 * np.arange(2000) / 200)[np.newaxis]
    >>> subtract_sinusoids(hum, 200.0, np.array([49.8]), [800])
    >>> bool(np.abs(hum).max() < 1e-12)
    True
    """
    terms = [(freq / sfreq, window) for freq, window in zip(freqs, windows, strict=True) if window]
    if not terms:
        return
    cycles, lengths = zip(*terms, strict=True)
    coupling = np.ones((len(terms), len(terms)))
    n_rows = max(MAX_CHUNK // (x.shape[-1] * len(terms)), 1)
    for first in range(0, len(x), n_rows):
        part = x[first : first + n_rows]
        same = np.broadcast_to(part[:, np.newaxis], (len(part), len(terms), part.shape[-1]))
        part -= fit_sinusoids(same, cycles, lengths, coupling, n_times=n_times).sum(axis=1)


def fit_sinusoids(
    x: FloatArray,
    cycles: Sequence[float],
    windows: Sequence[int],
    coupling: FloatArray,
    *,
    n_times: int | None = None,
) -> FloatArray:
    """Fit a sinusoid in sliding windows to each of several signals that share their sinusoids.

    Parameters
    ----------
    x : array, shape (n_epochs, n_signals, n_block)
        Samples.
    cycles : sequence of float, length n_signals
        Frequency of the sinusoid of each signal in cycles per sample.
    windows : sequence of int, length n_signals
        Length of each signal's windows in samples.
    coupling : array, shape (n_signals, n_signals)
        How much of the sinusoid of each signal (column) is in each signal (row); 1 on the diagonal.
    n_times : int | None
        Length of the whole segment if ``x`` is a part of it; see `window_context`.

    Returns
    -------
    sinusoids : array, shape (n_epochs, n_signals, n_block)
        The values of the sinusoids.

    Notes
    -----
    Where a window is cut off at an end of the data, sinusoids of other frequencies leak into a
    fit. There, each signal is fitted again without the other sinusoids, some times (backfitting).

    Examples
    --------
    >>> x = np.cos(2 * np.pi * 0.1 * np.arange(100)) + np.cos(2 * np.pi * 0.2 * np.arange(100))
    >>> both = np.broadcast_to(x, (1, 2, 100))
    >>> left = x - fit_sinusoids(both, [0.1, 0.2], [80, 80], np.ones((2, 2))).sum(axis=1)
    >>> bool(np.abs(left).max() < 1e-3)
    True
    """
    n_block = x.shape[-1]
    whole = n_times or n_block
    sinusoids = np.empty(x.shape)
    for index, (freq, window) in enumerate(zip(cycles, windows, strict=True)):
        sinusoids[:, index] = sliding_sinusoid(x[:, index], freq, window, n_times=whole)
    coupling = coupling - np.diag(np.diag(coupling))
    if not coupling.any():
        return sinusoids
    reach, step = _reach(windows, whole)
    parts = [(slice(0, n_block), slice(0, n_block))]
    if whole > 4 * reach:
        start = max(n_block - 2 * reach, 0) // step * step
        parts = [
            (slice(0, min(2 * reach, n_block)), slice(0, min(reach, n_block))),
            (slice(start, n_block), slice(max(n_block - reach, 0), n_block)),
        ]
    for read, write in parts:
        inner = slice(write.start - read.start, write.stop - read.start)
        for _ in range(N_BACKFITS):
            rest = x[..., read] - coupling @ sinusoids[..., read]
            for index, (freq, window) in enumerate(zip(cycles, windows, strict=True)):
                again = sliding_sinusoid(rest[:, index], freq, window, n_times=whole)
                sinusoids[:, index, write] = again[:, inner]
    return sinusoids


def sliding_sinusoid(
    x: FloatArray, cycles: float, window: int, *, n_times: int | None = None
) -> FloatArray:
    r"""Fit a sinusoid in sliding windows by weighted least squares.

    Parameters
    ----------
    x : array, shape (n_rows, n_block)
        Samples.
    cycles : float
        Frequency of the sinusoid in cycles per sample.
    window : int
        Length of the weights, a Hann window, in samples.
    n_times : int | None
        Length of the whole segment if ``x`` is a part of it; see `window_context`.

    Returns
    -------
    sinusoid : array, shape (n_rows, n_block)
        The value of the sinusoid at every sample.

    Notes
    -----
    Windows are centred on short steps (a 16th to a 32nd of their length), cut off at the ends of
    the data. In each, :math:`a \cos + b \sin` minimizes the squared error weighted by a Hann
    window that is constant over each step; a and b are interpolated linearly in between. A
    sinusoid of constant amplitude is returned exactly, up to the first and the last sample, and
    whatever part of a period the windows hold. Samples enter as sums over steps, so that the time
    hardly depends on the windows.

    Examples
    --------
    >>> x = np.cos(2 * np.pi * 0.1 * np.arange(50))[np.newaxis]
    >>> bool(np.allclose(sliding_sinusoid(x, 0.1, 21), x))
    True
    """
    n_rows, n_block = x.shape
    amplitude = amplitudes(x, cycles, window, n_times or n_block)
    step = window_step(window, n_times or n_block)
    turn = np.exp(2j * np.pi * cycles * step)
    ahead, behind = np.zeros_like(amplitude), np.zeros_like(amplitude)
    ahead[:, :-1] = amplitude[:, 1:] / turn - amplitude[:, :-1]
    behind[:, 1:] = amplitude[:, 1:] - amplitude[:, :-1] * turn
    # Within a step: the wave, and its products with the distance from the centre of the step.
    wave = np.exp(2j * np.pi * cycles * np.arange(step))
    distance = (np.arange(step) - (step - 1) / 2) / step
    waves = np.array([wave, np.maximum(distance, 0) * wave, np.minimum(distance, 0) * wave])
    terms = np.stack([amplitude, ahead, behind], axis=-1)
    values = terms.real.reshape(-1, 3) @ waves.real - terms.imag.reshape(-1, 3) @ waves.imag
    sinusoid: FloatArray = values.reshape(n_rows, -1)[:, :n_block]
    return sinusoid


def amplitudes(x: FloatArray, cycles: float, window: int, n_times: int) -> ComplexArray:
    """Fit a sinusoid in sliding windows, and return its complex amplitude in each.

    Parameters
    ----------
    x : array, shape (n_rows, n_block)
        Samples.
    cycles : float
        Frequency of the sinusoid in cycles per sample.
    window : int
        Length of the windows in samples.
    n_times : int
        Length of the segment that ``x`` is a part of.

    Returns
    -------
    amplitude : array, shape (n_rows, n_steps)
        Amplitude and phase at the start of every step of `window_step` samples. Phases are
        relative, so that rounding does not depend on where a block begins.

    Examples
    --------
    >>> x = 3 * np.cos(2 * np.pi * 0.1 * np.arange(100))[np.newaxis]
    >>> np.abs(amplitudes(x, 0.1, 50, 100)).round(6)[0, :3]
    array([3., 3., 3.])
    """
    step = window_step(window, n_times)
    weights, counts = _hann(window, step), _counts(step, x.shape[-1])
    n_steps = len(counts)
    wave = np.exp(-2j * np.pi * cycles * np.arange(step))
    n_missing = n_steps * step - x.shape[-1]
    parts = np.pad(x, ((0, 0), (0, n_missing))) if n_missing else x
    parts = parts.reshape(-1, step)
    sums = (parts @ wave.real + 1j * (parts @ wave.imag)).reshape(len(x), n_steps)
    squares = np.full(n_steps, (wave**2).sum())
    squares[-1] = (wave[: step - n_missing] ** 2).sum()
    # A convolution turns its weights round.
    turn = np.exp(2j * np.pi * cycles * step * (np.arange(len(weights)) - len(weights) // 2))
    total = _weighted_sums(counts, weights)
    doubled = _weighted_sums(squares, weights * turn**2)
    projected = _weighted_sums(sums, weights * turn)
    amplitude: ComplexArray = total * projected - doubled * projected.conj()
    amplitude *= 2 / (total**2 - np.abs(doubled) ** 2)
    return amplitude


def window_step(window: int, n_times: int) -> int:
    """Return the distance of successive windows.

    Parameters
    ----------
    window : int
        Length of the windows in samples.
    n_times : int
        Length of the segment in samples.

    Returns
    -------
    step : int
        Number of samples, a power of 2, so that those of several windows agree.

    Examples
    --------
    >>> window_step(5000, 100_000)
    256
    """
    return int(2 ** (max(min(window, n_times) // STEPS_PER_WINDOW, 1).bit_length() - 1))


def window_context(start: int, stop: int, n_times: int, windows: Sequence[int]) -> tuple[int, int]:
    """Return the part of a segment whose windows around some samples are those of the segment.

    Parameters
    ----------
    start, stop : int
        First sample, and one past the last.
    n_times : int
        Length of the segment in samples.
    windows : sequence of int
        Lengths of the windows in samples.

    Returns
    -------
    first, last : int
        First sample of the part, and one past its last.

    Examples
    --------
    >>> window_context(1000, 1100, 5000, [200])
    (752, 1348)
    """
    if not any(windows):
        return start, stop
    reach, step = _reach(windows, n_times)
    if n_times <= 4 * reach:
        return 0, n_times
    # The fits at the ends of a part differ, and reach as far again.
    first = max(start - 2 * reach, 0) // step * step
    return first, min(stop + 2 * reach, n_times)


def leverage(window: int, n_times: int) -> float:
    """Return the mean weight of a sample in its own fitted value.

    Parameters
    ----------
    window : int
        Length of the windows in samples.
    n_times : int
        Length of the data in samples.

    Returns
    -------
    weight : float
        The degrees of freedom per sample that `sliding_sinusoid` takes.

    Examples
    --------
    >>> round(leverage(101, 10_000), 3)
    0.038
    """
    step = window_step(window, n_times)
    weights = _hann(window, step)
    centre = len(weights) // 2
    own = 0.75 * weights[centre] + 0.25 * weights[min(centre + 1, len(weights) - 1)]
    total = _weighted_sums(_counts(step, n_times), weights)
    return float((2 * own / total).mean())


def candidate_windows(sfreq: float, lowest: float) -> list[int]:
    """Return the window lengths among which `choose_window` chooses, from the longest.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    lowest : float
        Lowest frequency of a line in Hz, of which a window holds at least 8 periods.

    Returns
    -------
    windows : list of int
        Lengths in samples.

    Examples
    --------
    >>> candidate_windows(100.0, 10.0)
    [3000, 1732, 1000, 577, 333, 192, 111]
    """
    shortest = MIN_PERIODS / lowest
    count = int(np.log(MAX_WINDOW_SECONDS / shortest) / np.log(WINDOW_RATIO))
    seconds = MAX_WINDOW_SECONDS / WINDOW_RATIO ** np.arange(max(count, 0) + 1)
    return [round(each * sfreq) for each in seconds]


def choose_window(
    pieces: Sequence[FloatArray], cycles: float, background: FloatArray, windows: Sequence[int]
) -> tuple[int, float]:
    r"""Choose the window with the least expected error.

    Parameters
    ----------
    pieces : sequence of array, shape (n_pieces, n_rows, n_times)
        Samples of the same rows, recorded without interruption, by length.
    cycles : float
        Frequency of the line in cycles per sample.
    background : array, shape (n_rows,)
        Variance per sample of white noise with the density of the background at the line.
    windows : sequence of int
        Lengths in samples to choose from.

    Returns
    -------
    window : int
        The best; 0 if it is better to subtract nothing.
    gain : float
        By how much it reduces the expected error, in background variances per sample.

    Notes
    -----
    Mallows's :math:`C_p` [1]_: the expected squared error of the rest is, but for a constant, the
    power of the rest plus :math:`2 \sigma^2` per degree of freedom, where :math:`\sigma^2` is the
    density of the background at the line. Long windows take little of the background; short ones
    follow a line that changes in amplitude or frequency. Rows count by their background.

    References
    ----------
    .. [1] Mallows, C. L. (1973). Some comments on Cp. Technometrics, 15(4), 661-675.
       https://doi.org/10.1080/00401706.1973.10489103

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1, 1, 5000))
    >>> choose_window([x], 0.1, np.ones(1), [1000, 100])[0]
    0
    >>> x += np.cos(2 * np.pi * 0.1 * np.arange(5000))
    >>> choose_window([x], 0.1, np.ones(1), [1000, 100])[0]
    1000
    """
    scale = np.maximum(background, np.finfo(float).tiny)
    n_total = sum(len(each) * each.shape[-1] for each in pieces)
    gains = []
    for window in windows:
        gain = 0.0
        for x in pieces:
            hum = sliding_sinusoid(x.reshape(-1, x.shape[-1]), cycles, window).reshape(x.shape)
            # (x - hum)^2 differs from x^2 by this, without the rounding of the large sums.
            explained = ((2 * x - hum) * hum).sum(axis=(0, 2)) / scale
            gain += explained.sum() - 2 * x.size * leverage(window, x.shape[-1])
        gains.append(gain / n_total)
    best = int(np.argmax(gains)) if gains else 0
    if not gains or not gains[best] > 0:
        return 0, 0.0
    return windows[best], float(gains[best])


def _hann(window: int, step: int) -> FloatArray:
    """Return the weights of the steps around that in the centre of a window."""
    half = max(window // (2 * step), 1)
    return np.asarray(np.hanning(2 * half + 3)[1:-1])


def _counts(step: int, n_times: int) -> FloatArray:
    """Return the number of samples in each step."""
    counts = np.full(-(-n_times // step), float(step))
    counts[-1] -= len(counts) * step - n_times
    return counts


def _weighted_sums(values: Any, weights: FloatArray) -> Any:
    """Return weighted sums around every step."""
    return convolve1d(values, weights, axis=-1, mode="constant")


def _reach(windows: Sequence[int], n_times: int) -> tuple[int, int]:
    """Return how far fits reach, and the distance of the longest windows, in samples."""
    longest = max(windows)
    step = window_step(longest, n_times)
    # Three steps more: that of the samples, its neighbours, and what rounding leaves.
    return longest // 2 + 3 * step, step
