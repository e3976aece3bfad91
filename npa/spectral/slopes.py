"""Straight lines through power spectra in double-logarithmic axes."""

from typing import NamedTuple

import numpy as np

from npa.checks import check_option

REGRESSIONS = ("ols", "theilsen")
MIN_FREQS = 3  # through two points every line is perfect
_MAX_THEILSEN = 4096  # frequencies whose 8 million pairs are held at once
_BLOCK = 2**22  # numbers held at once


class PowerLaw(NamedTuple):
    """Lines ``log10 S = intercept + slope log10 f``, one a spectrum.

    Parameters
    ----------
    slope : array, shape (...)
        The power beta of ``S ~ f^beta``; negative for 1/f noise.
    intercept : array, shape (...)
        log10 of the power at 1 Hz.
    stderr : array, shape (...)
        Standard error of the slope.
    r_squared : array, shape (...)
        Share of the variance of log10 power that the line explains.
    """

    slope: np.ndarray
    intercept: np.ndarray
    stderr: np.ndarray
    r_squared: np.ndarray


def power_law(freqs, power, regression="ols"):
    """Fit ``S ~ f^beta`` to many power spectra at once.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies above 0, in Hz.
    power : array, shape (..., n_freqs)
        Power spectra, such as V^2/Hz.
    regression : {"ols", "theilsen"}, default "ols"
        Least squares, or the median of the slopes between all pairs of frequencies, which a
        peak over a few of them hardly moves.

    Returns
    -------
    fit : PowerLaw
        Slope, intercept, standard error and r_squared of every spectrum, NaN where power is not
        positive and finite everywhere, or where there are fewer than 3 frequencies.

    Raises
    ------
    ValueError
        If frequencies are not positive, do not match ``power``, or are too many for
        ``"theilsen"``, whose memory grows with their square.

    Notes
    -----
    With x = log10 f and y = log10 S over n frequencies, least squares has the slope
    S_xy / S_xx and the standard error sqrt(SSR / (n - 2) / S_xx). The standard error of
    Theil-Sen is half the width of its 68.3 % confidence interval, taken from the ranks of the
    pairwise slopes [1]_. Frequencies count alike on their linear grid, so that high ones weigh
    most.

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
    freqs, power = np.asarray(freqs, float), np.asarray(power)
    _check_shapes(freqs, power, regression)
    n_freqs = len(freqs)
    rows = power.reshape(int(np.prod(power.shape[:-1])), n_freqs)
    fits = np.full((4, len(rows)), np.nan)
    if n_freqs >= MIN_FREQS:
        x = np.log10(freqs)
        line = _least_squares if regression == "ols" else _theil_sen
        cost = n_freqs if regression == "ols" else n_freqs * (n_freqs - 1) // 2
        step = max(_BLOCK // cost, 1)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            good = (np.isfinite(rows[block]) & (rows[block] > 0)).all(axis=-1)
            y = np.log10(rows[block][good], dtype=float)
            fits[:, start + np.flatnonzero(good)] = _with_r_squared(x, y, *line(x, y))
    return PowerLaw(*fits.reshape(4, *power.shape[:-1]))


def _check_shapes(freqs, power, regression):
    """Raise where frequencies are not those of a spectrum."""
    if freqs.ndim != 1 or power.ndim == 0 or power.shape[-1] != len(freqs):
        raise ValueError(
            "freqs must have shape (n_freqs,) and power (..., n_freqs), got "
            f"{freqs.shape} and {power.shape}."
        )
    if not (np.isfinite(freqs) & (freqs > 0)).all():
        raise ValueError(f"freqs must be above 0 and finite, got {freqs.min():g} as the lowest.")
    if regression == "theilsen" and len(freqs) > _MAX_THEILSEN:
        raise ValueError(
            f"regression='theilsen' compares all pairs of at most {_MAX_THEILSEN} frequencies, "
            f"got {len(freqs)}; narrow freq_range, or choose psd='welch'."
        )


def _least_squares(x, y):
    """Return slopes, intercepts and standard errors of least squares."""
    xc = x - x.mean()
    sxx = xc @ xc
    slope = y @ xc / sxx
    intercept = y.mean(axis=-1) - slope * x.mean()
    rest = _squares(y - intercept[:, np.newaxis] - slope[:, np.newaxis] * x)
    return slope, intercept, np.sqrt(rest / (len(x) - 2) / sxx)


def _theil_sen(x, y):
    """Return slopes, intercepts and standard errors of Theil and Sen."""
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


def _with_r_squared(x, y, slope, intercept, stderr):
    """Add the share of variance explained, NaN for a spectrum that is one number."""
    rest = _squares(y - intercept[:, np.newaxis] - slope[:, np.newaxis] * x)
    total = _squares(y - y.mean(axis=-1, keepdims=True))
    r_squared = 1 - np.divide(rest, total, out=np.full_like(rest, np.nan), where=total > 0)
    return slope, intercept, stderr, r_squared


def _squares(values):
    """Sum squares over the last axis."""
    return np.einsum("...f,...f->...", values, values)
