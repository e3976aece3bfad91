"""Spatial filters from covariances."""

import numpy as np

from npa.typing import FloatArray

# Share of every channel's own variance added to the noise covariance. Less keeps more of the
# brain and leaves more of an event whose topography varies; more does the reverse.
SHRINKAGE = 0.1


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


def minimum_variance_filters(
    patterns: FloatArray, noise_cov: FloatArray, protected_cov: FloatArray | float = 0.0
) -> FloatArray:
    r"""Return the filters that extract patterns with the least noise.

    Parameters
    ----------
    patterns : array, shape (n_channels, n_patterns)
        Linearly independent patterns A.
    noise_cov : array, shape (n_channels, n_channels)
        Covariance of the channels without the patterns. It may be singular, as that of
        average-referenced channels is; no channel's variance may be 0.
    protected_cov : array, shape (n_channels, n_channels) | float, default 0
        Covariance to add as it is: of signals that the filters should not pass.

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
    last bits, plus the protected covariance. No iteration or random start is involved.

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
    regularized = noise_cov + SHRINKAGE * np.diag(np.diag(noise_cov)) + protected_cov
    weighted = np.linalg.solve(regularized, patterns)
    return np.asarray(np.linalg.solve(patterns.T @ weighted, weighted.T))
