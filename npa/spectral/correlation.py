"""Correlations of many pairs of signals."""

import numpy as np
import numpy.typing as npt

from npa.typing import FloatArray


def squared_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """Compute the squared correlation along the last axis.

    Parameters
    ----------
    x, y : array, shape (..., n_times)
        Signals, broadcast against each other.

    Returns
    -------
    r_squared : array, shape (...)
        Between 0 and 1; NaN where a signal is constant.

    Examples
    --------
    >>> squared_correlation([[1.0, 2.0, 3.0], [3.0, 2.0, 2.0]], [2.0, 4.0, 6.0])
    array([1.  , 0.75])
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        r_squared: FloatArray = np.vecdot(x, y) ** 2 / (np.vecdot(x, x) * np.vecdot(y, y))
    return r_squared
