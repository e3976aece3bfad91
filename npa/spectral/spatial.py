"""Spatial filters from covariances."""

import numpy as np

from npa.typing import FloatArray

# Share of every channel's own variance added to the noise covariance. Less keeps more of the
# brain and leaves more of an event whose topography varies; more does the reverse.
SHRINKAGE = 0.1


def event_projection(
    response: FloatArray, noise_cov: FloatArray, n_components: int = 1
) -> tuple[FloatArray, FloatArray]:
    r"""Find the filters and patterns that take an event's response out of a signal.

    Parameters
    ----------
    response : array, shape (n_channels, n_lags)
        Average response to the event.
    noise_cov : array, shape (n_channels, n_channels)
        Covariance of the channels away from the event. It may be singular, as that of
        average-referenced channels is; no channel's variance may be 0.
    n_components : int
        Dimensions to take out.

    Returns
    -------
    filters : array, shape (n_components, n_channels)
        Spatial filters W.
    patterns : array, shape (n_channels, n_components)
        Patterns A, the dominant dimensions of the response, with ``W A = I``; every pattern is
        positive in sum.

    Notes
    -----
    :math:`A` holds the first left singular vectors of the response, and

    .. math:: W = (A^T C^{-1} A)^{-1} A^T C^{-1}

    is the linearly constrained minimum-variance beamformer [1]_ with unit gain for each of them:
    :math:`x - A W x` is free of everything in the span of :math:`A`, and loses as little of the
    noise :math:`C` as any such projection. :math:`C` is the noise covariance plus a tenth of its
    diagonal, so that its inverse exists and does not hang on the last bits. The result follows
    from the response alone; no iteration or random start is involved.

    References
    ----------
    .. [1] Van Veen, B. D., et al. (1997). Localization of brain electrical activity via linearly
       constrained minimum variance spatial filtering. IEEE Transactions on Biomedical Engineering,
       44(9), 867-880. https://doi.org/10.1109/10.623056

    Examples
    --------
    >>> filters, patterns = event_projection(np.array([[2.0], [0.0]]), np.eye(2))
    >>> filters, patterns.T
    (array([[1., 0.]]), array([[1., 0.]]))
    """
    patterns = np.linalg.svd(response, full_matrices=False)[0][:, :n_components]
    patterns = patterns * np.where(patterns.sum(axis=0) < 0, -1.0, 1.0)
    regularized = noise_cov + SHRINKAGE * np.diag(np.diag(noise_cov))
    weighted = np.linalg.solve(regularized, patterns)
    return np.linalg.solve(patterns.T @ weighted, weighted.T), patterns
