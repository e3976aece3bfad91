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
    triangle = np.zeros((n_params, n_params + 1))  # R and Q'r of the QR decomposition
    step, new_x, scale = np.empty(n_params), np.empty(n_params), np.ones(n_params)
    cost = _evaluate(x, log_freqs, target, in_log_knee, columns)
    _linearize(x, log_freqs, in_log_knee, columns, triangle)
    for k in range(n_params):
        length = norm(triangle[: k + 1, k])
        if length > 0:
            scale[k] = length
    radius = 100 * _scaled_norm(scale, x)
    if radius == 0:
        radius = 100.0
    damping, nfev, first = 0.0, 0, True
    while nfev < max_nfev:
        damping = _damped_step(triangle, scale, radius, damping, step)
        step_norm = _scaled_norm(scale, step)
        if first:
            radius = min(radius, step_norm)
        linear = 0.0
        for k in range(n_params):
            new_x[k] = x[k] - step[k]
            linear += dot(triangle[k, k:n_params], step[k:]) ** 2
        new_cost = _evaluate(new_x, log_freqs, target, in_log_knee, columns)
        # Comparisons with NaN are false: such steps are rejected.
        actual = 1 - (new_cost / cost) ** 2 if 0.1 * new_cost < cost else -1.0
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
            cost = new_cost
            _linearize(new_x, log_freqs, in_log_knee, columns, triangle)
            for k in range(n_params):
                x[k] = new_x[k]
                scale[k] = max(scale[k], norm(triangle[: k + 1, k]))
        if abs(actual) <= TOLERANCE and predicted <= TOLERANCE and ratio <= 2:
            return True
        if radius <= TOLERANCE * _scaled_norm(scale, x) or cost == 0:
            return True
    return False


@compiled
def _scaled_norm(scale: FloatArray, x: FloatArray) -> float:
    """Return the Euclidean norm of scale * x."""
    total = 0.0
    for k in range(x.size):
        total += (scale[k] * x[k]) ** 2
    return math.sqrt(total)


@compiled
def _evaluate(
    x: FloatArray,
    log_freqs: FloatArray,
    target: FloatArray,
    in_log_knee: bool,
    columns: FloatArray,
) -> float:
    """Set the powers of the frequencies and the residual in their columns; return its norm."""
    offset, knee, exponent = x[0], math.exp(x[1]) if in_log_knee else x[1], x[2]
    power, residual = columns[2], columns[3]
    # Loops that write to one array, from 0, are what the compiler can vectorize.
    for i in range(target.size):
        power[i] = exp(exponent * log_freqs[i])
    for i in range(target.size):
        residual[i] = offset - log(knee + power[i]) / LN10 - target[i]
    return norm(residual)


@compiled
def _linearize(
    x: FloatArray,
    log_freqs: FloatArray,
    in_log_knee: bool,
    columns: FloatArray,
    triangle: FloatArray,
) -> None:
    """Set R and Q'r, after `_evaluate` at the same parameters."""
    knee = math.exp(x[1]) if in_log_knee else x[1]
    factor = -knee / LN10 if in_log_knee else -1 / LN10
    by_offset, by_knee, by_exponent = columns[0], columns[1], columns[2]
    for i in range(log_freqs.size):
        by_offset[i] = 1.0
    for i in range(log_freqs.size):
        by_knee[i] = factor / (knee + by_exponent[i])
    for i in range(log_freqs.size):
        by_exponent[i] *= -log_freqs[i] / (LN10 * (knee + by_exponent[i]))
    _factorize(columns, triangle)


@compiled
def _factorize(columns: FloatArray, triangle: FloatArray) -> None:
    """Set R and Q'r for columns of the Jacobian and r, by modified Gram-Schmidt.

    In that order of sums the result does not depend on the scale of the columns.
    """
    last = len(columns) - 1
    for k in range(last):
        column = columns[k]
        length = norm(column)
        inverse = 1 / length if length != 0 else 1.0
        triangle[k, k] = length
        # The three columns that may follow are read at once.
        a, b, c = columns[k + 1], columns[min(k + 2, last)], columns[last]
        to_a, to_b, to_c = 0.0, 0.0, 0.0
        for i in range(column.size):
            to_a += column[i] * a[i]
            to_b += column[i] * b[i]
            to_c += column[i] * c[i]
        triangle[k, k + 1] = to_a * inverse
        triangle[k, min(k + 2, last)] = to_b * inverse
        triangle[k, last] = to_c * inverse
        for j in range(k + 1, last + 1):
            if k == last - 1:  # nothing follows that needs the residual
                break
            other, factor = columns[j], triangle[k, j] * inverse
            for i in range(column.size):
                other[i] -= factor * column[i]


@inlined
def _damped_step(
    triangle: FloatArray, scale: FloatArray, radius: float, guess: float, step: FloatArray
) -> float:
    """Set the step, damped to the length of the radius if it is longer; return the damping."""
    n_params = step.size
    _solve_upper(triangle, step)
    length = _scaled_norm(scale, step)
    if not length > (1 + RADIUS_TOLERANCE) * radius:
        return 0.0
    lower = _damping_correction(triangle, scale, radius, step, length)
    squared = 0.0
    for k in range(n_params):
        squared += (dot(triangle[: k + 1, k], triangle[: k + 1, n_params]) / scale[k]) ** 2
    gradient_norm = math.sqrt(squared)
    upper = gradient_norm / radius
    damping = min(max(guess, lower), upper)
    if not damping > 0:
        damping = gradient_norm / length
    columns, damped = np.empty((n_params + 1, 2 * n_params)), np.zeros((n_params, n_params + 1))
    for _ in range(MAX_DAMPING_ITERATIONS):
        for k in range(n_params + 1):
            for i in range(n_params):
                columns[k, i] = triangle[i, k]
                columns[k, n_params + i] = 0.0
            if k < n_params:
                columns[k, n_params + k] = math.sqrt(damping) * scale[k]
        _factorize(columns, damped)
        _solve_upper(damped, step)
        length = _scaled_norm(scale, step)
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
        rest = scale[k] ** 2 * step[k] / length
        for j in range(k):
            rest -= triangle[j, k] * solution[j]
        solution[k] = rest / triangle[k, k] if triangle[k, k] != 0 else 0.0
        squared += solution[k] ** 2
    correction = (length / radius - 1) / squared
    return correction if math.isfinite(correction) else 0.0


@compiled
def _solve_upper(triangle: FloatArray, x: FloatArray) -> None:
    """Solve R x = Q'r by back substitution; 0 for a parameter without effect."""
    n_params = x.size
    for k in range(n_params - 1, -1, -1):
        rest = triangle[k, n_params]
        for j in range(k + 1, n_params):
            rest -= triangle[k, j] * x[j]
        x[k] = rest / triangle[k, k] if triangle[k, k] != 0 else 0.0
