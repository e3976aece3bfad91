"""Detrended fluctuation analysis: how fluctuations grow with the length of the window."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npa.checks import check_finite, check_number, check_values
from npa.spectral.density import BLOCK_SAMPLES, check_signals
from npa.spectral.slopes import power_law
from npa.typing import AnyArray, FloatArray, IntArray

SCALES_PER_DECADE = 10
MAX_SAMPLES = 2**53  # larger numbers are not exact in float64
MAX_ORDER = 20  # a polynomial of more is not resolved in float64
MIN_WINDOWS = 4  # in a signal, at the longest default scale


class Scaling(NamedTuple):
    """Lines ``log10 F = constant + alpha log10 n``, one per signal.

    Parameters
    ----------
    alpha : array, shape (...)
        The scaling exponent: 0.5 for white noise, 1 for 1/f noise, 1.5 for its running sum.
    stderr : array, shape (...)
        Standard error of alpha from the residuals of the line. It is too small, because scales
        share their samples.
    r_squared : array, shape (...)
        Share of the variance of log10 F that the line explains.
    """

    alpha: FloatArray
    stderr: FloatArray
    r_squared: FloatArray

    @property
    def slope(self) -> FloatArray:
        """Slope beta = 1 - 2 alpha of the power spectrum S ~ f^beta."""
        return 1 - 2 * self.alpha


def log_scales(n_times: int, smallest: int = 8, largest: int | None = None) -> IntArray:
    """List window lengths evenly spaced on a logarithmic axis.

    Parameters
    ----------
    n_times : int
        Length of the signal in samples.
    smallest : int, default 8
        Shortest window in samples.
    largest : int | None
        Longest window in samples; None for a quarter of the signal.

    Returns
    -------
    scales : array of int
        At most ten window lengths per decade, increasing.

    Raises
    ------
    ValueError
        If the signal is too short for ``smallest``, or ``largest`` is not between ``smallest``
        and the length of the signal.

    Examples
    --------
    >>> log_scales(500)
    array([  8,  10,  13,  16,  20,  25,  32,  40,  50,  63,  79,  99, 125])
    """
    n_times = check_number("n_times", n_times, low=4 * MIN_WINDOWS, high=MAX_SAMPLES, integer=True)
    top = n_times // MIN_WINDOWS
    smallest = check_number("smallest", smallest, low=3, below=top, integer=True)
    if largest is not None:
        top = check_number("largest", largest, above=smallest, high=n_times, integer=True)
    count = max(round(SCALES_PER_DECADE * np.log10(top / smallest)) + 1, 2)
    return np.unique(np.geomspace(smallest, top, count).round().astype(np.intp))


def fluctuations(
    x: npt.ArrayLike, scales: Sequence[int] | IntArray | None = None, order: int = 1
) -> tuple[IntArray, FloatArray]:
    """Compute the fluctuation of cumulative sums about their trend, in windows of many lengths.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Real signals.
    scales : sequence of int | None
        Window lengths n in samples; None for `log_scales`.
    order : int, default 1
        Degree of the polynomial that is removed from each window.

    Returns
    -------
    scales : array of int, shape (n_scales,)
        Window lengths.
    squared : array, shape (..., n_scales)
        F(n)^2, in squared units of the signal. It may be summed over signals.

    Raises
    ------
    TypeError
        If ``x`` does not hold real numbers.
    ValueError
        If ``x`` holds NaN or inf, or a window is longer than the signal or too short for
        ``order``.

    Notes
    -----
    The cumulative sum of the centred signal is divided into windows of n samples, once from its
    start and once from its end; F(n)^2 is the mean square of the residual of the polynomial [1]_.

    References
    ----------
    .. [1] Peng, C.-K., et al. (1994). Mosaic organization of DNA nucleotides. Phys. Rev. E, 49,
       1685-1689. https://doi.org/10.1103/PhysRevE.49.1685

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(100_000)
    >>> scales, squared = fluctuations(noise, scales=[10, 1000])
    >>> round(float(np.log10(squared[1] / squared[0]) / 2 / 2), 2)  # two decades
    0.51
    """
    x = check_signals(x, min_times=4 * MIN_WINDOWS if scales is None else 2)
    n_times = x.shape[-1]
    order = check_number("order", order, low=0, high=MAX_ORDER, integer=True)
    scales = log_scales(n_times) if scales is None else _check_scales(scales, n_times, order)
    rows = x.reshape(-1, n_times)
    check_finite("x", rows)
    squared = np.empty((len(rows), len(scales)))
    step = max(BLOCK_SAMPLES // n_times, 1)
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64)
        profile = np.cumsum(block - block.mean(axis=-1, keepdims=True), axis=-1)
        for column, scale in enumerate(scales):
            squared[start : start + step, column] = _mean_square_residual(profile, scale, order)
    return scales, squared.reshape(*x.shape[:-1], len(scales))


def scaling_exponent(scales: npt.ArrayLike, squared: npt.ArrayLike) -> Scaling:
    """Fit ``F(n) ~ n^alpha``.

    Parameters
    ----------
    scales : array, shape (n_scales,)
        Window lengths.
    squared : array, shape (..., n_scales)
        F(n)^2 from `fluctuations`, or its sum over signals.

    Returns
    -------
    fit : Scaling
        Exponent alpha, its standard error and r_squared; NaN where F is not positive and finite.
        ``fit.slope`` is the slope beta of the power spectrum.

    Raises
    ------
    ValueError
        If there are fewer than 3 scales, or shapes do not match.

    Notes
    -----
    For noise with the power spectrum S ~ f^beta, beta = 1 - 2 alpha [1]_.

    References
    ----------
    .. [1] Heneghan, C., & McDarby, G. (2000). Establishing the relation between detrended
       fluctuation analysis and power spectral density analysis for stochastic processes. Phys.
       Rev. E, 62, 6103-6110. https://doi.org/10.1103/PhysRevE.62.6103

    Examples
    --------
    >>> walk = np.random.default_rng(0).standard_normal(10_000).cumsum()
    >>> fit = scaling_exponent(*fluctuations(walk))
    >>> round(float(fit.alpha), 1), round(float(fit.slope))
    (1.5, -2)
    """
    scales, squared = check_values("scales", scales), check_values("squared", squared, ndim=1)
    if scales.ndim != 1 or len(scales) < 3:
        raise ValueError(f"scales must be at least 3 window lengths, got shape {scales.shape}.")
    if squared.shape[-1] != len(scales):
        raise ValueError(
            f"squared must have shape (..., {len(scales)}), one value per scale, got "
            f"{squared.shape}."
        )
    # F(n) is a power law of n, as a power spectrum of the frequency.
    line = power_law(scales, squared)
    return Scaling(line.slope / 2, line.stderr / 2, line.r_squared)


def _check_scales(scales: Sequence[int] | AnyArray, n_times: int, order: int) -> IntArray:
    """Return the scales as an array, or raise where they do not fit the signal or the order."""
    scales = check_values("scales", scales, ndim=1, integer=True)
    if scales.ndim != 1 or not len(scales):
        raise ValueError(f"scales must be window lengths in samples, got {scales!r}.")
    if scales.min() < order + 2 or scales.max() > n_times:
        raise ValueError(
            f"scales must lie between {order + 2} (for order={order}) and the {n_times} samples "
            f"of the signal, got {scales.min()} to {scales.max()}."
        )
    return scales.astype(np.intp)


def _mean_square_residual(profile: FloatArray, scale: int, order: int) -> FloatArray:
    """Return the mean square residual of a polynomial in windows of one length."""
    count = profile.shape[-1] // scale
    used = count * scale
    basis, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, scale), order + 1))
    total: FloatArray = np.zeros(len(profile))
    for part in (profile[:, :used], profile[:, -used:]):
        windows = part.reshape(len(profile), count, scale)
        windows = windows - (windows @ basis) @ basis.T
        total += np.einsum("nws,nws->n", windows, windows)
    mean: FloatArray = total / (2 * used)
    return mean
