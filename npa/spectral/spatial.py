"""Spatial filters from covariances."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from npa.typing import FloatArray, IntArray

# Share of every channel's own variance added to the noise covariance. Less keeps more of the
# brain and leaves more of an event whose topography varies; more does the reverse.
SHRINKAGE = 0.1
MAX_PENALTY = 0.9999  # its share; the rest, the noise, keeps their sum invertible


def dominant_pattern(response: FloatArray) -> FloatArray:
    """Return the dominant pattern of the average response to an event.

    Parameters
    ----------
    response : array, shape (n_channels, n_lags)
        The average response.

    Returns
    -------
    pattern : array, shape (n_channels, 1)
        The first left singular vector, with a positive sum.

    Examples
    --------
    >>> dominant_pattern(np.array([[-2.0, -2.0], [0.0, 0.0]])).T.round(3) + 0
    array([[1., 0.]])
    """
    pattern = np.linalg.svd(response, full_matrices=False)[0][:, :1]
    return np.asarray(-pattern if pattern.sum() < 0 else pattern)


def minimum_variance_filters(patterns: FloatArray, noise_cov: FloatArray) -> FloatArray:
    r"""Return the filters that extract patterns with the least noise.

    Parameters
    ----------
    patterns : array, shape (n_channels, n_patterns)
        Linearly independent patterns A.
    noise_cov : array, shape (n_channels, n_channels)
        Covariance of the channels without the patterns. It may be singular, as that of
        average-referenced channels is; no channel's variance may be 0.

    Returns
    -------
    filters : array, shape (n_patterns, n_channels)
        Filters W, with ``W A = I``.

    Notes
    -----
    The linearly constrained minimum-variance beamformer [1]_,

    .. math:: W = (A^T C^{-1} A)^{-1} A^T C^{-1}

    :math:`x - A W x` is free of everything in the span of :math:`A`, and of all such oblique
    projections it changes :math:`x` the least where its covariance is :math:`C`: the noise
    covariance plus a tenth of its diagonal, so that the inverse exists and does not hang on the
    last bits. No iteration or random start is involved.

    References
    ----------
    .. [1] Van Veen, B. D., et al. (1997). Localization of brain electrical activity via linearly
       constrained minimum variance spatial filtering. IEEE Transactions on Biomedical Engineering,
       44(9), 867-880. https://doi.org/10.1109/10.623056

    Examples
    --------
    >>> minimum_variance_filters(np.array([[2.0], [0.0]]), np.eye(2))
    array([[0.5, 0. ]])
    """
    return _filters(patterns, _regularized(noise_cov))


def power_kept(filters: FloatArray, patterns: FloatArray, cov: FloatArray) -> FloatArray:
    """Return the share of each channel's power that is kept where patterns are subtracted.

    Parameters
    ----------
    filters : array, shape (n_patterns, n_channels)
        Filters W.
    patterns : array, shape (n_channels, n_patterns)
        Patterns A.
    cov : array, shape (n_channels, n_channels)
        Covariance of x.

    Returns
    -------
    kept : array, shape (n_channels,)
        Variance of each channel of ``x - A W x``, relative to that of x.

    Examples
    --------
    >>> power_kept(np.array([[1.0, 0.0]]), np.array([[1.0], [0.5]]), np.eye(2))
    array([0.  , 1.25])
    """
    projection = np.eye(len(patterns)) - patterns @ filters
    kept = np.einsum("ij,jk,ik->i", projection, cov, projection)
    return np.asarray(kept / np.diag(cov))


def preserving_filters(
    patterns: FloatArray,
    noise_cov: FloatArray,
    signal_cov: FloatArray,
    channels: IntArray,
    *,
    other_covs: Sequence[FloatArray] = (),
    min_kept: float = 1.0,
) -> FloatArray:
    r"""Return minimum-variance filters whose subtraction preserves a signal in some channels.

    Parameters
    ----------
    patterns : array, shape (n_channels, n_patterns)
        Linearly independent patterns A.
    noise_cov, signal_cov : array, shape (n_channels, n_channels)
        Covariances of the noise, and of the signal to preserve.
    channels : array of int
        Where to preserve it.
    other_covs : sequence of array, shape (n_channels, n_channels)
        Covariances of further signals, such as another rhythm of these channels. They count in
        the penalty as much as the signal, but what is kept of them is not bounded.
    min_kept : float, default 1
        Share of its power to keep in each of them.

    Returns
    -------
    filters : array, shape (n_patterns, n_channels)
        Filters W, with ``W A = I``.

    Notes
    -----
    The covariance of the noise is mixed with that of what the channels predict of the signal,
    :math:`C_{:,c} C_{c,c}^{-1} C_{c,:}`, and of the further signals, each scaled to the power of
    the noise. The larger its share, the less what is subtracted correlates with these channels.
    Without such a penalty they lose power, with a large one they gain it (that of independent noise
    which is subtracted); the share is the smallest that keeps ``min_kept``, or 0.9999 where none
    does.

    Examples
    --------
    >>> cov = np.array([[2.0, 1.0, 0.5], [1.0, 2.0, 1.0], [0.5, 1.0, 1.0]])
    >>> pattern = np.array([[1.0], [0.5], [0.4]])
    >>> filters = minimum_variance_filters(pattern, cov)
    >>> float(power_kept(filters, pattern, cov)[2].round(2))
    0.68
    >>> filters = preserving_filters(pattern, cov, cov, np.array([2]))
    >>> float(power_kept(filters, pattern, cov)[2].round(2))
    1.0
    """
    noise = _regularized(noise_cov)
    predicted = np.zeros_like(noise)
    for cov in (signal_cov, *other_covs):
        inner = _regularized(cov[np.ix_(channels, channels)])
        scale = np.trace(noise_cov) / np.trace(cov)
        predicted += scale * cov[:, channels] @ np.linalg.solve(inner, cov[channels])

    def filters(penalty: float) -> FloatArray:
        return _filters(patterns, (1 - penalty) * noise + penalty * predicted)

    def surplus(penalty: float) -> float:
        kept = power_kept(filters(penalty), patterns, signal_cov)[channels]
        return float(kept.min() - min_kept)

    if not len(channels) or surplus(0.0) >= 0:
        return filters(0.0)
    return filters(brentq(surplus, 0.0, MAX_PENALTY) if surplus(MAX_PENALTY) > 0 else MAX_PENALTY)


def _regularized(cov: FloatArray) -> FloatArray:
    """Add a share of the variances to a covariance."""
    return np.asarray(cov + SHRINKAGE * np.diag(np.diag(cov)))


def _filters(patterns: FloatArray, cov: FloatArray) -> FloatArray:
    """Return the filters with the least variance that extract patterns."""
    weighted = np.linalg.solve(cov, patterns)
    return np.asarray(np.linalg.solve(patterns.T @ weighted, weighted.T))
