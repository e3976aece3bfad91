"""Straight lines through power spectra in double-logarithmic axes."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npa.checks import check_option, check_values
from npa.typing import AnyArray, FloatArray

REGRESSIONS = ("ols", "theilsen")
MIN_FREQS = 3  # a line through two points has no residual
MAX_THEILSEN_FREQS = 4096  # which have 8 million pairs, held in memory at once
BLOCK_VALUES = 2**22  # held in memory at once


class PowerLaw(NamedTuple):
    """Lines ``log10 S = intercept + slope log10 f``, one per spectrum.

    Parameters
    ----------
    slope : array, shape (...)
        Exponent beta of ``S ~ f^beta``; negative for 1/f noise.
    intercept : array, shape (...)
        log10 of the line's power at 1 Hz.
    stderr : array, shape (...)
        Standard error of the slope.
    r_squared : array, shape (...)
        Share of the variance of log10 power that the line explains.
    """

    slope: FloatArray
    intercept: FloatArray
    stderr: FloatArray
    r_squared: FloatArray


def power_law(freqs: npt.ArrayLike, power: npt.ArrayLike, regression: str = "ols") -> PowerLaw:
    """Fit ``S ~ f^beta`` to many power spectra at once.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies above 0, in Hz.
    power : array, shape (..., n_freqs)
        Power spectra, such as V^2/Hz.
    regression : {"ols", "theilsen"}, default "ols"
        Ordinary least squares, or Theil-Sen: the median of the slopes between all pairs of
        frequencies, which is robust against peaks.

    Returns
    -------
    fit : PowerLaw
        Slope, intercept, standard error and r_squared of every spectrum; NaN where power is not
        positive and finite at every frequency, or where there are fewer than 3 frequencies.

    Raises
    ------
    ValueError
        If frequencies are not positive, do not match ``power``, or are more than 4,096 for
        ``"theilsen"``, whose memory grows with the square of their number.

    Notes
    -----
    With x = log10 f and y = log10 S over n frequencies, least squares has the slope
    S_xy / S_xx and the standard error sqrt(SSR / (n - 2) / S_xx). The standard error of
    Theil-Sen is half the width of its 68.3 % confidence interval, from the ranks of the pairwise
    slopes [1]_. Frequencies are evenly spaced on a linear axis and have equal weights, so that
    high frequencies dominate on the logarithmic axis.

    References
    ----------
    .. [1] Sen, P. K. (1968). Estimates of the regression coefficient based on Kendall's tau.
       J. Am. Stat. Assoc., 63, 1379-1389. https://doi.org/10.1080/01621459.1968.10480934

    Examples
    --------
    >>> freqs = np.arange(1.0, 41.0)
    >>> fit = power_law(freqs, 10 * freqs ** -1.5)
    >>> round(float(fit.slope), 6), round(float(fit.intercept), 6)
    (-1.5, 1.0)
    """
    check_option("regression", regression, REGRESSIONS)
    freqs, power = check_values("freqs", freqs), check_values("power", power)
    _check_spectra(freqs, power, regression)
    n_freqs = len(freqs)
    rows = power.reshape(int(np.prod(power.shape[:-1])), n_freqs)
    fits = np.full((4, len(rows)), np.nan)
    if n_freqs >= MIN_FREQS:
        x = np.log10(freqs)
        fit_line = _least_squares if regression == "ols" else _theil_sen
        n_values = n_freqs if regression == "ols" else n_freqs * (n_freqs - 1) // 2
        step = max(BLOCK_VALUES // n_values, 1)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            good = (np.isfinite(rows[block]) & (rows[block] > 0)).all(axis=-1)
            y = np.log10(rows[block][good], dtype=np.float64)
            slope, intercept, stderr = fit_line(x, y)
            r_squared = _explained_variance(x, y, slope, intercept)
            fits[:, start + np.flatnonzero(good)] = slope, intercept, stderr, r_squared
    return PowerLaw(*fits.reshape(4, *power.shape[:-1]))


def _check_spectra(freqs: FloatArray, power: AnyArray, regression: str) -> None:
    """Raise if frequencies are not those of the spectra, or not positive, or too many."""
    if freqs.ndim != 1 or power.ndim == 0 or power.shape[-1] != len(freqs):
        raise ValueError(
            "freqs must have shape (n_freqs,) and power (..., n_freqs), got "
            f"{freqs.shape} and {power.shape}."
        )
    if not (np.isfinite(freqs) & (freqs > 0)).all():
        raise ValueError(f"freqs must be above 0 and finite, got {freqs.min():g} as the lowest.")
    if regression == "theilsen" and len(freqs) > MAX_THEILSEN_FREQS:
        raise ValueError(
            f"regression='theilsen' compares all pairs of at most {MAX_THEILSEN_FREQS} "
            f"frequencies, got {len(freqs)}; narrow freq_range, or choose psd='welch'."
        )


def _least_squares(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return slopes, intercepts and standard errors of ordinary least squares."""
    xc = x - x.mean()
    sxx = xc @ xc
    slope = y @ xc / sxx
    intercept = y.mean(axis=-1) - slope * x.mean()
    residual = _sum_of_squares(y - intercept[:, np.newaxis] - slope[:, np.newaxis] * x)
    return slope, intercept, np.sqrt(residual / (len(x) - 2) / sxx)


def _theil_sen(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return slopes, intercepts and standard errors of the Theil-Sen estimator."""
    n = len(x)
    first, second = np.triu_indices(n, 1)
    pairs = (y[:, second] - y[:, first]) / (x[second] - x[first])
    n_pairs = pairs.shape[-1]
    spread = np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    upper = min(round((n_pairs + spread) / 2), n_pairs - 1)
    lower = max(round((n_pairs - spread) / 2) - 1, 0)
    middle = [(n_pairs - 1) // 2, n_pairs // 2]
    pairs.partition(sorted({lower, upper, *middle}), axis=-1)
    slope = pairs[:, middle].mean(axis=-1)
    intercept = np.median(y, axis=-1) - slope * np.median(x)
    return slope, intercept, (pairs[:, upper] - pairs[:, lower]) / 2


def _explained_variance(
    x: FloatArray, y: FloatArray, slope: FloatArray, intercept: FloatArray
) -> FloatArray:
    """Return the share of variance explained; NaN for a constant spectrum."""
    residual = _sum_of_squares(y - intercept[:, np.newaxis] - slope[:, np.newaxis] * x)
    total = _sum_of_squares(y - y.mean(axis=-1, keepdims=True))
    share = np.divide(residual, total, out=np.full_like(residual, np.nan), where=total > 0)
    return np.subtract(1.0, share)


def _sum_of_squares(values: FloatArray) -> FloatArray:
    """Sum squares over the last axis."""
    squares: FloatArray = np.einsum("...f,...f->...", values, values)
    return squares
