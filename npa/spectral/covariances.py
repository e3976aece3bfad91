"""Covariances of frequency bands, and their joint decorrelation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.fft import rfft

from npa.checks import check_number
from npa.spectral.density import BLOCK_SAMPLES
from npa.typing import FloatArray, IntArray, Span

# Share of the mean variance added to the reference, in the space of the data. In 5 kinds of
# simulated line noise (16 to 64 channels, 10 to 30 s) shares of 0.0001 to 0.03 do the same damage
# and leave -45 to -77 dB, within 6 dB of each other; 0.1 and more leave up to 8 dB more.
SHRINKAGE = 0.01
MIN_EIGENVALUE = 1e-9  # of the largest; below it a direction holds only rounding errors
TIE_DIGITS = 6  # entries of a pattern that agree to so many digits are equal


@dataclass(frozen=True, eq=False)
class JointDecorrelation:
    """Components of channels, ordered by their ratio of signal to reference power.

    Parameters
    ----------
    filters : array, shape (n_components, n_channels)
        Filters W: components are W x, of unit variance in the reference.
    patterns : array, shape (n_channels, n_components)
        Patterns A, in the unit of the channels, with ``W A = I``.
    scores : array, shape (n_components,)
        Variance of each component in the signal over that in the reference, decreasing.
    """

    filters: FloatArray
    patterns: FloatArray
    scores: FloatArray

    @property
    def rank(self) -> int:
        """Number of components: the rank of the data."""
        return len(self.scores)


def joint_decorrelation(
    signal_cov: FloatArray, reference_cov: FloatArray, *, shrinkage: float = SHRINKAGE
) -> JointDecorrelation:
    r"""Diagonalize two covariances jointly.

    Parameters
    ----------
    signal_cov : array, shape (n_channels, n_channels)
        Covariance of the channels where the wanted signal is strong, such as at a frequency.
    reference_cov : array, shape (n_channels, n_channels)
        Covariance where it is absent, such as at the neighbouring frequencies.
    shrinkage : float, default 0.01
        Share of the mean variance added to all directions of the reference.

    Returns
    -------
    components : JointDecorrelation
        As many components as the data have dimensions.

    Raises
    ------
    TypeError, ValueError
        If the covariances are not finite, or not square and of equal shape, or the shrinkage is
        not within 0 and 1.

    Notes
    -----
    The rows :math:`w` of :math:`W` solve :math:`C_s w = \lambda C_r w` [1]_. Channels are scaled to
    unit variance first, so that units do not matter; directions without variance, as those of an
    average reference or of interpolated channels, are left out, and flat channels have weights of
    0. :math:`x - A W x`, with some of the components, removes these from the channels. Each pattern
    has a positive largest entry (the first one of equals).

    References
    ----------
    .. [1] de Cheveigné, A., & Parra, L. C. (2014). Joint decorrelation, a versatile tool for
       multichannel data analysis. NeuroImage, 98, 487-505.
       https://doi.org/10.1016/j.neuroimage.2014.05.068

    Examples
    --------
    >>> found = joint_decorrelation(np.diag([4.0, 1.0]), np.eye(2), shrinkage=0.0)
    >>> found.scores, found.patterns[:, 0]
    (array([4., 1.]), array([1., 0.]))
    """
    check_number("shrinkage", shrinkage, low=0, high=1)
    signal = _check_covariance("signal_cov", signal_cov)
    reference = _check_covariance("reference_cov", reference_cov)
    if signal.shape != reference.shape:
        raise ValueError(
            f"signal_cov and reference_cov must have one shape, got {signal.shape} and "
            f"{reference.shape}."
        )
    scale = np.sqrt(np.diag(reference))
    # A channel that is silent in the reference is scaled by what it has in the signal.
    scale = np.where(scale > 0, scale, np.sqrt(np.diag(signal)))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    signal = inverse[:, np.newaxis] * signal * inverse
    reference = inverse[:, np.newaxis] * reference * inverse
    # Both together span the data; scaled, so that strong hum does not hide the background.
    joint = reference / max(np.trace(reference), 1e-300) + signal / max(np.trace(signal), 1e-300)
    variances, basis = np.linalg.eigh(joint)
    basis = basis[:, variances > MIN_EIGENVALUE * variances[-1]]
    if not basis.shape[1] or variances[-1] <= 0:
        n_channels = len(scale)
        return JointDecorrelation(np.zeros((0, n_channels)), np.zeros((n_channels, 0)), np.zeros(0))
    within = basis.T @ reference @ basis
    floor = max(shrinkage, MIN_EIGENVALUE) * np.trace(within) / len(within)
    variances, rotation = np.linalg.eigh(within + floor * np.eye(len(within)))
    whitener = (basis @ rotation) / np.sqrt(variances)
    scores, rotation = np.linalg.eigh(whitener.T @ signal @ whitener)
    order = np.argsort(scores)[::-1]
    filters = (whitener @ rotation[:, order]).T
    # Equal to the regularized reference times the filters, as the filters diagonalize it.
    patterns = (basis @ (within + floor * np.eye(len(within)))) @ (basis.T @ filters.T)
    filters, patterns = filters * inverse, scale[:, np.newaxis] * patterns
    signs = pattern_signs(patterns)
    return JointDecorrelation(
        signs[:, np.newaxis] * filters, signs * patterns, np.maximum(scores[order], 0.0)
    )


def pattern_signs(patterns: FloatArray) -> FloatArray:
    """Return the signs that make the largest entry of every pattern positive.

    Parameters
    ----------
    patterns : array, shape (n_channels, n_patterns)
        The patterns.

    Returns
    -------
    signs : array, shape (n_patterns,)
        1 or -1; the first of equal entries decides.

    Examples
    --------
    >>> pattern_signs(np.array([[1.0, -2.0], [-3.0, 2.0]]))
    array([-1., -1.])
    """
    sizes = np.abs(patterns)
    relative = np.round(sizes / np.maximum(sizes.max(axis=0), 1e-300), TIE_DIGITS)
    largest = patterns[relative.argmax(axis=0), np.arange(patterns.shape[1])]
    return np.where(largest < 0, -1.0, 1.0)


def band_covariances(
    x: Any,
    spans: Sequence[Span],
    window: int,
    bands: Sequence[FloatArray],
    *,
    channels: IntArray | None = None,
    taper: FloatArray | None = None,
    step: int | None = None,
    max_windows: int | None = None,
) -> FloatArray:
    """Compute covariances of signals within frequency bands, block by block.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Samples; of an object with a ``shape`` only blocks ``x[..., start:stop]`` are read.
    spans : sequence of (int, int)
        Continuous, clean spans; windows stay within them.
    window : int
        Length of a window in samples.
    bands : sequence of array, shape (window // 2 + 1,)
        Weight of every frequency of a window's spectrum in each band.
    channels : array of int | None
        Channels to use; None for all.
    taper : array, shape (window,) | None
        Taper of the windows; None for none.
    step : int | None
        Distance of windows in samples; None for the length of a window.
    max_windows : int | None
        Windows to use, spread evenly; None for all.

    Returns
    -------
    covariances : array, shape (n_bands, n_channels, n_channels)
        Real part of the cross-spectra, summed over frequencies with their weights, and averaged
        over windows, whose mean is subtracted; 0 if no span holds a window.

    Examples
    --------
    >>> x = np.array([[[1.0, -1.0] * 4, [2.0, -2.0] * 4]])
    >>> band_covariances(x, [(0, 8)], 8, np.eye(5)[-1:]).round(6)
    array([[[ 64., 128.],
            [128., 256.]]])
    """
    selected = np.arange(x.shape[1]) if channels is None else channels
    n_channels = len(selected)
    covariances = np.zeros((len(bands), n_channels, n_channels))
    used = [np.flatnonzero(weights) for weights in bands]
    roots = [np.sqrt(weights[index]) for weights, index in zip(bands, used, strict=True)]
    count = 0
    for part in windows_of(x, spans, window, step=step, max_windows=max_windows):
        data = part[:, selected]
        data = data - data.mean(axis=-1, keepdims=True)
        spectra = rfft(data if taper is None else data * taper).transpose(1, 0, 2)
        count += len(part)
        for covariance, index, root in zip(covariances, used, roots, strict=True):
            values = spectra[..., index] * root
            rows = np.concatenate([values.real, values.imag], axis=-1).reshape(n_channels, -1)
            covariance += rows @ rows.T
    return covariances / max(count, 1)


def windows_of(
    x: Any,
    spans: Sequence[Span],
    window: int,
    *,
    step: int | None = None,
    max_windows: int | None = None,
) -> Iterator[FloatArray]:
    """Yield windows of signals, some at a time.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Samples, read as blocks ``x[..., start:stop]``.
    spans : sequence of (int, int)
        Spans that windows stay within.
    window : int
        Length in samples.
    step : int | None
        Distance in samples; None for the length of a window.
    max_windows : int | None
        Largest number, spread evenly over spans and epochs; None for all.

    Yields
    ------
    windows : array, shape (n_windows, n_channels, window)
        Some of the windows.

    Examples
    --------
    >>> x = np.arange(10.0)[np.newaxis, np.newaxis]
    >>> [part[0, 0] for part in windows_of(x, [(0, 3), (4, 9)], 2, step=3)]
    [array([0., 1.]), array([4., 5.]), array([7., 8.])]
    """
    n_epochs, n_channels, _ = x.shape
    starts = [
        start for first, last in spans for start in range(first, last - window + 1, step or window)
    ]
    if max_windows is not None and len(starts) > max_windows:
        starts = [starts[index] for index in spread(len(starts), max_windows)]
    epochs = np.arange(n_epochs)
    if max_windows is not None and n_epochs * len(starts) > max_windows:
        epochs = np.asarray(spread(n_epochs, max(max_windows // max(len(starts), 1), 1)))
    at_once = max(BLOCK_SAMPLES // (n_channels * window), 1)
    for start in starts:
        block = x[..., start : start + window]
        for first in range(0, len(epochs), at_once):
            yield np.asarray(block[epochs[first : first + at_once]], dtype=float)


def spread(n: int, size: int) -> list[int]:
    """Choose indices that are spread evenly.

    Parameters
    ----------
    n : int
        Number of indices.
    size : int
        How many to choose, at most ``n``.

    Returns
    -------
    index : list of int
        Sorted indices.

    Examples
    --------
    >>> spread(10, 3)
    [0, 4, 9]
    """
    return [int(index) for index in np.linspace(0, n - 1, min(size, n)).round()]


def _check_covariance(name: str, value: FloatArray) -> FloatArray:
    """Return a symmetric finite matrix, or raise."""
    matrix = np.asarray(value, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be a square matrix of finite numbers, got {value!r}.")
    symmetric: FloatArray = (matrix + matrix.T) / 2
    return symmetric
