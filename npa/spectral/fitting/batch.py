"""The batch engine: NumPy on many spectra at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from npa.spectral.correlation import squared_correlation
from npa.spectral.fitting.levenberg_marquardt import least_squares_lm
from npa.spectral.fitting.peaks import find_peaks, fit_peaks, peak_sum
from npa.spectral.fitting.result import (
    BACKGROUND_NOT_CONVERGED,
    BACKGROUND_PERCENTILE,
    JOINT_FIT_NOT_CONVERGED,
    MAX_NFEV_LINEAR_KNEE,
    NOT_POSITIVE,
    PEAKS_NOT_CONVERGED,
    TOO_FEW_BACKGROUND_POINTS,
    SpectralFit,
)
from npa.spectral.fitting.selection import (
    N_TEMPLATE_WIDTHS,
    Criterion,
    Search,
    add_peaks,
    select_models,
)
from npa.spectral.model import aperiodic
from npa.typing import AnyArray, BoolArray, FloatArray, IntArray

ARRAYS_IN_MEMORY = 16  # of the size of the spectra, at the same time

Evaluate = Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray]]


def fit_batch(
    freqs: FloatArray,
    power: FloatArray,
    *,
    criterion: Criterion | None,
    max_memory: float,
    n_jobs: int = 1,
    search: Search = add_peaks,
    **settings: Any,
) -> SpectralFit:
    """Fit power spectra by NumPy, all together.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, above 0.
    power : array, shape (n_spectra, n_freqs)
        Power, not its logarithm.
    criterion : Criterion | None
        How the number of peaks is chosen; None for the rule of FOOOF.
    max_memory : float
        Memory in bytes; spectra are fitted in as few chunks as that allows.
    n_jobs : int
        Not used: NumPy's loops over small arrays are not faster in several threads.
    search : callable
        With a criterion, finds the best number of peaks; `npa.spectral.fitting.selection.add_peaks`
        or a faster one.
    **settings
        ``aperiodic_mode``, ``width_limits`` (Hz), ``max_n_peaks``, ``min_height`` and
        ``threshold``, as for `npa.spectral.fit_spectra`, and checked.

    Returns
    -------
    fit : SpectralFit
        One value per spectrum; NaN, and a reason in ``fit.reason``, where the fit failed.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> settings = {"aperiodic_mode": "fixed", "width_limits": (1.0, 12.0), "max_n_peaks": 1}
    >>> settings |= {"min_height": 0.1, "threshold": 2.0, "criterion": None, "max_memory": 1e8}
    >>> fit_batch(freqs, 1 / freqs[np.newaxis] ** 1.5, **settings).exponent.round(3)
    array([1.5])
    """
    max_n_peaks = settings["max_n_peaks"]
    fit = SpectralFit.empty(freqs, len(power), max_n_peaks)
    good = (np.isfinite(power) & (power > 0)).all(axis=1)
    fit.reason[~good] = NOT_POSITIVE
    rows = np.flatnonzero(good)
    fit_chunk: Callable[..., None] = _fit_chunk
    n_params, n_arrays = 3 * max_n_peaks, ARRAYS_IN_MEMORY
    if criterion is not None:
        fit_chunk = _select_chunk
        n_params, n_arrays = n_params + 3, n_arrays + N_TEMPLATE_WIDTHS
    spectrum_bytes = 8 * (n_arrays * len(freqs) + 6 * n_params * (n_params + 1))
    step = int(np.clip(max_memory / spectrum_bytes, 1, max(len(rows), 1)))
    for first in range(0, len(rows), step):
        chunk = rows[first : first + step]
        if criterion is not None:
            settings |= {"criterion": criterion.of(chunk), "search": search}
        log_power = np.log10(power[chunk].astype(np.float64, copy=False))
        fit_chunk(fit, chunk, log_power, **settings)
    return fit


def _fit_chunk(
    fit: SpectralFit,
    rows: IntArray,
    log_power: FloatArray,
    *,
    aperiodic_mode: str,
    width_limits: tuple[float, float],
    **settings: Any,
) -> None:
    """Fit some spectra in the steps of FOOOF, and set their rows of ``fit``."""
    freqs, knee = fit.freqs, aperiodic_mode == "knee"
    reason = np.full(len(rows), "", dtype=object)
    decades = np.log10(freqs[-1] / freqs[0])
    exponent = np.abs(log_power[:, -1] - log_power[:, 0]) / decades
    start = _initial_background(log_power, exponent)
    background = _fit_background(freqs, log_power, start, knee, reason)
    background = _refit_background(freqs, log_power, background, knee, reason)
    flat = log_power - _background_curve(freqs, background)
    guess = find_peaks(freqs, flat, width_limits=width_limits, **settings)
    gaussians, converged = fit_peaks(freqs, flat, guess, width_limits=width_limits)
    reason[~converged & (reason == "")] = PEAKS_NOT_CONVERGED
    peaks_curve = peak_sum(freqs, gaussians)
    start = _initial_background(log_power - peaks_curve, exponent)
    start[reason != ""] = np.nan
    background = _fit_background(freqs, log_power - peaks_curve, start, knee, reason)
    _store(fit, rows, log_power, background, gaussians, reason)


def _select_chunk(
    fit: SpectralFit,
    rows: IntArray,
    log_power: FloatArray,
    *,
    threshold: float,
    **settings: Any,
) -> None:
    """Choose the models of some spectra, and set their rows of ``fit``."""
    chosen = select_models(fit.freqs, log_power, **settings)
    reason = np.where(chosen.converged, "", JOINT_FIT_NOT_CONVERGED).astype(object)
    chosen.background[~chosen.converged] = np.nan
    fit.floor[rows] = chosen.background[:, 3]
    _store(fit, rows, log_power, chosen.background, chosen.gaussians, reason)
    fit.peak_z[rows] = np.where(chosen.converged[:, np.newaxis], chosen.peak_z, np.nan)


def _store(
    fit: SpectralFit,
    rows: IntArray,
    log_power: FloatArray,
    background: FloatArray,
    gaussians: FloatArray,
    reason: AnyArray,
) -> None:
    """Set the rows of ``fit``; NaN where there is a reason."""
    peaks_curve = peak_sum(fit.freqs, gaussians)
    gaussians[reason != ""] = np.nan
    model = peaks_curve + _background_curve(fit.freqs, background)
    fit.offset[rows], fit.knee[rows], fit.exponent[rows] = background.T[:3]
    fit.gaussians[rows] = gaussians
    fit.peaks[rows] = _peak_params(fit.freqs, gaussians, peaks_curve)
    fit.r_squared[rows] = squared_correlation(log_power, model)
    fit.error[rows] = np.abs(log_power - model).mean(axis=1)
    fit.reason[rows] = reason


def _initial_background(log_power: FloatArray, exponent: FloatArray) -> FloatArray:
    """Return initial values of the background: the first point, no knee, and the exponent."""
    return np.stack([log_power[:, 0], 0 * exponent, exponent], axis=1)


def _background_curve(freqs: FloatArray, background: FloatArray) -> FloatArray:
    """Return the background of every spectrum in log10 power; NaN where it has none."""
    offset, knee, exponent, *floor = background.T[..., np.newaxis]
    return aperiodic(freqs, offset, exponent, knee, *np.nan_to_num(floor, nan=-np.inf))


def _refit_background(
    freqs: FloatArray, log_power: FloatArray, background: FloatArray, knee: bool, reason: AnyArray
) -> FloatArray:
    """Fit the background again to the points that do not lie above it."""
    flat = np.maximum(log_power - _background_curve(freqs, background), 0)
    used = flat <= np.percentile(flat, BACKGROUND_PERCENTILE, axis=1, keepdims=True)
    too_few = (used.sum(axis=1) < (3 if knee else 2)) & (reason == "")
    reason[too_few] = TOO_FEW_BACKGROUND_POINTS
    start = np.where(too_few[:, np.newaxis], np.nan, background)
    return _fit_background(freqs, log_power, start, knee, reason, used)


def _fit_background(
    freqs: FloatArray,
    log_power: FloatArray,
    start: FloatArray,
    knee: bool,
    reason: AnyArray,
    used: BoolArray | None = None,
) -> FloatArray:
    """Fit offset, knee and exponent to all points or those in ``used``; NaN where start is NaN."""
    background = np.full_like(start, np.nan)
    rows = np.flatnonzero(np.isfinite(start).all(axis=1))
    log_power, used = log_power[rows], None if used is None else used[rows]
    if knee:
        evaluate = _make_evaluate(freqs, log_power, used)
        values, converged = _fit_knee(evaluate, start[rows])
        reason[rows[~converged]] = BACKGROUND_NOT_CONVERGED
        background[rows[converged]] = values[converged]
    else:
        background[rows] = _fit_line(freqs, log_power, used)
    return background


def _fit_knee(evaluate: Evaluate, start: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Fit backgrounds with a knee.

    Knee and exponent may have to increase together for hundreds of steps, along a valley that is
    straight in the logarithm of the knee. Problems that do not converge soon are therefore
    continued in the logarithm; what fails there is solved in the linear knee, from the start.
    """
    x, converged = least_squares_lm(evaluate, start, max_nfev=MAX_NFEV_LINEAR_KNEE)
    slow = np.flatnonzero(~converged & (x[:, 1] > 0))

    def evaluate_log_knee(log_x: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        offset, log_knee, exponent = log_x.T
        knee = np.exp(log_knee)
        residual, jacobian = evaluate(np.stack([offset, knee, exponent], axis=1), slow[rows])
        jacobian[:, 1] *= knee[:, np.newaxis]
        return residual, jacobian

    log_x = x[slow]
    log_x[:, 1] = np.log(log_x[:, 1])
    log_x, success = least_squares_lm(evaluate_log_knee, log_x)
    log_x[:, 1] = np.exp(log_x[:, 1])
    success &= np.isfinite(log_x).all(axis=1)
    x[slow[success]], converged[slow[success]] = log_x[success], True
    left = np.flatnonzero(~converged)
    x[left], converged[left] = least_squares_lm(
        lambda p, rows: evaluate(p, left[rows]), start[left]
    )
    return x, converged


def _fit_line(freqs: FloatArray, log_power: FloatArray, used: BoolArray | None) -> FloatArray:
    """Fit backgrounds without a knee, which are straight lines in double-logarithmic axes."""
    x = np.log10(freqs)
    weight = np.ones_like(log_power) if used is None else used.astype(np.float64)
    count = weight.sum(axis=1, keepdims=True)
    x = x - (weight @ x)[:, np.newaxis] / count
    level = np.vecdot(weight, log_power)[:, np.newaxis] / count
    weighted = weight * x
    slope = np.vecdot(weighted, log_power - level) / np.vecdot(weighted, x)
    offset = level[:, 0] - slope * (np.log10(freqs[0]) - x[:, 0])
    return np.stack([offset, np.zeros_like(slope), -slope], axis=1)


def _make_evaluate(freqs: FloatArray, log_power: FloatArray, used: BoolArray | None) -> Evaluate:
    """Return the objective of `least_squares_lm`, over offset, knee and exponent."""
    log_freqs = np.log(freqs)

    def evaluate(x: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        offset, knee, exponent = x.T[..., np.newaxis]
        power_of_freq = np.exp(exponent * log_freqs)
        total = knee + power_of_freq
        residual = offset - np.log(total) / np.log(10) - log_power[rows]
        jacobian = np.empty((len(x), 3, len(freqs)))
        jacobian[:, 0] = 1
        np.divide(-1 / np.log(10), total, out=jacobian[:, 1])
        np.multiply(jacobian[:, 1], power_of_freq * log_freqs, out=jacobian[:, 2])
        if used is not None:
            residual[~used[rows]] = 0
            jacobian *= used[rows, np.newaxis]
        return residual, jacobian

    return evaluate


def _peak_params(freqs: FloatArray, gaussians: FloatArray, peaks_curve: FloatArray) -> FloatArray:
    """Return centre, height of the model at the nearest frequency, and two-sided bandwidth."""
    peaks = gaussians * [1, 1, 2]
    centre = np.nan_to_num(gaussians[..., 0], nan=freqs[0])
    after = np.clip(np.searchsorted(freqs, centre), 1, len(freqs) - 1)
    nearest = after - (centre - freqs[after - 1] <= freqs[after] - centre)
    height = np.take_along_axis(peaks_curve, nearest, axis=1)
    peaks[..., 1] = np.where(np.isnan(gaussians[..., 0]), np.nan, height)
    return peaks
