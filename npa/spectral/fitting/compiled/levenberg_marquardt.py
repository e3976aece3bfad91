"""Compiled Levenberg-Marquardt fit of one background with a knee.

The steps are those of MINPACK's ``lmder`` (Moré, 1978), and of
`npa.spectral.fitting.levenberg_marquardt`: a trust region in parameters scaled by the largest norm
that their columns of the Jacobian have had.
"""

import math

import numpy as np

from npa.spectral.fitting.compiled.decorators import compiled, inlined
from npa.spectral.fitting.compiled.functions import dot, exp, log, norm
from npa.typing import FloatArray

TOLERANCE = 1.49012e-8  # for the relative change of cost and parameters; MINPACK's default
RADIUS_TOLERANCE = 0.1  # of a damped step's length, as in MINPACK
MAX_DAMPING_ITERATIONS = 10
LN10 = math.log(10)


@compiled
def fit_background(
    x: FloatArray, log_freqs: FloatArray, target: FloatArray, in_log_knee: bool, max_nfev: int
) -> bool:
    """Fit a background with a knee to log10 power by the Levenberg-Marquardt algorithm.

    Parameters
    ----------
    x : array, shape (3,)
        Offset, knee (or its natural logarithm) and exponent: the start, which becomes the solution.
    log_freqs : array, shape (n_points,)
        Natural logarithms of the frequencies.
    target : array, shape (n_points,)
        log10 power.
    in_log_knee : bool
        Whether the logarithm of the knee is fitted, which keeps it positive.
    max_nfev : int
        Number of evaluations after which the fit is given up. A Jacobian counts as one per
        parameter, as if it were computed by finite differences.

    Returns
    -------
    converged : bool
        Whether a tolerance was reached.
    """
    n_params = x.size
    columns = np.empty((n_params + 1, target.size))  # Jacobian, residual
    triangle, rotated = np.zeros((n_params, n_params)), np.empty(n_params)
    new_triangle, new_rotated = np.zeros((n_params, n_params)), np.empty(n_params)
    step, new_x = np.empty(n_params), np.empty(n_params)
    cost = _linearize(x, log_freqs, target, in_log_knee, columns, triangle, rotated)
    scale = np.ones(n_params)
    for k in range(n_params):
        length = norm(triangle[: k + 1, k])
        if length > 0:
            scale[k] = length
    radius = 100 * norm(scale * x)
    if radius == 0:
        radius = 100.0
    damping, nfev, first = 0.0, 0, True
    while nfev < max_nfev:
        damping = _lm_step(triangle, rotated, scale, radius, damping, step)
        new_x[:] = x - step
        step_norm = norm(scale * step)
        if first:
            radius = min(radius, step_norm)
        new_cost = _linearize(
            new_x, log_freqs, target, in_log_knee, columns, new_triangle, new_rotated
        )
        # Comparisons with NaN are false: such steps are rejected.
        actual = 1 - (new_cost / cost) ** 2 if 0.1 * new_cost < cost else -1.0
        linear = 0.0
        for k in range(n_params):
            linear += dot(triangle[k, k:], step[k:]) ** 2
        linear /= cost * cost
        damped = damping * (step_norm / cost) ** 2
        predicted, slope = linear + 2 * damped, -(linear + damped)
        ratio = actual / predicted if predicted != 0 else 0.0
        if ratio <= 0.25:
            shrink = 0.5 if actual >= 0 else 0.5 * slope / (slope + 0.5 * actual)
            if 0.1 * new_cost >= cost or shrink < 0.1:
                shrink = 0.1
            radius = shrink * min(radius, 10 * step_norm)
            damping /= shrink
        elif damping == 0 or ratio >= 0.75:
            radius = 2 * step_norm
            damping *= 0.5
        nfev += 1
        if ratio >= 1e-4:
            first = False
            nfev += n_params
            x[:] = new_x
            cost = new_cost
            triangle, new_triangle = new_triangle, triangle
            rotated, new_rotated = new_rotated, rotated
            for k in range(n_params):
                scale[k] = max(scale[k], norm(triangle[: k + 1, k]))
        if abs(actual) <= TOLERANCE and predicted <= TOLERANCE and ratio <= 2:
            return True
        if radius <= TOLERANCE * norm(scale * x) or cost == 0:
            return True
    return False


@compiled
def _linearize(
    x: FloatArray,
    log_freqs: FloatArray,
    target: FloatArray,
    in_log_knee: bool,
    columns: FloatArray,
    triangle: FloatArray,
    rotated: FloatArray,
) -> float:
    """Set R and Q'r of the QR decomposition of the Jacobian, and return the residual's norm."""
    knee = math.exp(x[1]) if in_log_knee else x[1]
    for i in range(target.size):
        power = exp(x[2] * log_freqs[i])
        total = knee + power
        by_knee = -1 / (LN10 * total)
        columns[0, i] = 1.0
        columns[1, i] = by_knee * knee if in_log_knee else by_knee
        columns[2, i] = by_knee * power * log_freqs[i]
        columns[3, i] = x[0] - log(total) / LN10 - target[i]
    cost = norm(columns[-1])
    _gram_schmidt(columns, triangle, rotated)
    return cost


@compiled
def _gram_schmidt(columns: FloatArray, triangle: FloatArray, rotated: FloatArray) -> None:
    """Set R and Q'r of a QR decomposition whose last column is r, by modified Gram-Schmidt."""
    n_params = rotated.size
    for k in range(n_params):
        length = norm(columns[k])
        triangle[k, k] = length
        inverse = 1 / length if length != 0 else 1.0
        for j in range(k + 1, n_params + 1):
            projection = dot(columns[k], columns[j]) * inverse
            if j < n_params:
                triangle[k, j] = projection
            else:
                rotated[k] = projection
            factor = projection * inverse
            for i in range(columns.shape[1]):
                columns[j, i] -= factor * columns[k, i]


@inlined
def _lm_step(
    triangle: FloatArray,
    rotated: FloatArray,
    scale: FloatArray,
    radius: float,
    guess: float,
    step: FloatArray,
) -> float:
    """Set the step, damped to the length of the radius if it is longer; return the damping."""
    n_params = rotated.size
    _solve_upper(triangle, rotated, step)
    length = norm(scale * step)
    if not length > (1 + RADIUS_TOLERANCE) * radius:
        return 0.0
    lower = _damping_correction(triangle, scale, radius, step, length)
    gradient = np.empty(n_params)
    for k in range(n_params):
        gradient[k] = dot(triangle[: k + 1, k], rotated[: k + 1]) / scale[k]
    upper = norm(gradient) / radius
    damping = min(max(guess, lower), upper)
    if not damping > 0:
        damping = norm(gradient) / length
    columns = np.empty((n_params + 1, 2 * n_params))
    damped, right = np.zeros((n_params, n_params)), np.empty(n_params)
    for _ in range(MAX_DAMPING_ITERATIONS):
        columns[:] = 0.0
        for k in range(n_params):
            columns[k, :n_params] = triangle[:, k]
            columns[k, n_params + k] = math.sqrt(damping) * scale[k]
            columns[n_params, k] = rotated[k]
        _gram_schmidt(columns, damped, right)
        _solve_upper(damped, right, step)
        length = norm(scale * step)
        if not abs(length - radius) > RADIUS_TOLERANCE * radius:
            break
        if length > radius:
            lower = max(lower, damping)
        if length < radius:
            upper = min(upper, damping)
        correction = _damping_correction(damped, scale, radius, step, length)
        damping = max(lower, damping + correction)
    return damping


@compiled
def _damping_correction(
    triangle: FloatArray, scale: FloatArray, radius: float, step: FloatArray, length: float
) -> float:
    """Return the Newton correction of the damping towards a step as long as the radius."""
    squared = 0.0
    solution = np.empty(step.size)
    for k in range(step.size):  # solve R' x = scale^2 step / length
        rest = scale[k] ** 2 * step[k] / length - dot(triangle[:k, k], solution[:k])
        solution[k] = rest / triangle[k, k] if triangle[k, k] != 0 else 0.0
        squared += solution[k] ** 2
    correction = (length / radius - 1) / squared
    return correction if math.isfinite(correction) else 0.0


@compiled
def _solve_upper(triangle: FloatArray, right: FloatArray, x: FloatArray) -> None:
    """Solve R x = right by back substitution; 0 for a parameter without effect."""
    for k in range(right.size - 1, -1, -1):
        rest = right[k] - dot(triangle[k, k + 1 :], x[k + 1 :])
        x[k] = rest / triangle[k, k] if triangle[k, k] != 0 else 0.0
