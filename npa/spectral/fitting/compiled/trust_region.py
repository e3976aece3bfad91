"""Compiled trust-region fit of one spectrum within bounds: peaks, or background and peaks jointly.

Other compiled functions call `fit_model`. The steps are those of SciPy's Trust Region Reflective
algorithm (Branch, Coleman & Li, 1999), and of `npa.spectral.fitting.trust_region_reflective`: a
Gauss-Newton step in variables scaled by the distance to the bounds in the direction of descent,
shortened to the trust region; if it would leave the bounds, the best of the truncated step, its
reflection, and steepest descent.
"""

import math

import numpy as np

from npa.spectral.fitting.compiled.decorators import compiled, inlined
from npa.spectral.fitting.compiled.functions import dot, norm
from npa.spectral.fitting.compiled.objective import evaluate, linearize
from npa.typing import FloatArray

TOLERANCE = 1e-8  # for the change of cost and parameters, and the gradient; SciPy's default
RADIUS_TOLERANCE = 0.03  # of a damped step's length, before it is rescaled to the radius
MAX_DAMPING_ITERATIONS = 10
EPS = float(np.finfo(np.float64).eps)


@compiled
def fit_model(
    x: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    freqs: FloatArray,
    log_freqs: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    n_background: int,
    likelihood: bool,
    max_nfev: int,
) -> tuple[bool, float]:
    """Fit the model within bounds.

    Parameters
    ----------
    x : array, shape (n_params,)
        The parameters, in the order that `objective` explains: the start, which becomes the
        solution. It may lie on the bounds.
    lower, upper : array, shape (n_params,)
        Bounds; infinite for none.
    freqs, log_freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, above 0, and their natural logarithms.
    target : array, shape (n_freqs,)
        log10 power.
    weight : array, shape (n_freqs,) or (0,)
        Weights >= 0: with the likelihood, the number of independent periodograms averaged. An empty
        array stands for 1.
    n_background : {0, 2, 3}
        Parameters of the background: none; offset and exponent; offset, knee and exponent.
    likelihood : bool
        Whether the likelihood of averaged periodograms is maximized, or squares are minimized.
    max_nfev : int
        Number of evaluations after which the fit is given up.

    Returns
    -------
    converged : bool
        Whether a tolerance was reached.
    cost : float
        The objective at the solution.
    """
    n_params = x.size
    residual, jacobian = np.empty(freqs.size), np.zeros((n_params, freqs.size))
    new_residual, new_jacobian = np.empty(freqs.size), np.zeros((n_params, freqs.size))
    support, new_support = np.empty((n_params, 2), np.int64), np.empty((n_params, 2), np.int64)
    gradient, normal = np.empty(n_params), np.empty((n_params, n_params))
    scaled_gradient, hessian = np.empty(n_params), np.empty((n_params, n_params))
    triangle = np.empty((n_params, n_params))
    unit, scaled = np.empty(n_params), np.empty(n_params)
    step, new_x = np.empty(n_params), np.empty(n_params)
    data = freqs, log_freqs, target, weight, n_background, likelihood
    for k in range(n_params):
        x[k] = _move_inside(x[k], lower[k], upper[k])
    cost = evaluate(x, data, residual, jacobian, support)
    if not math.isfinite(cost):
        return False, cost
    linearize(residual, jacobian, support, n_background, gradient, normal)
    radius, damping = 0.0, 0.0
    for iteration in range(max_nfev):
        optimality = 0.0
        for k in range(n_params):
            distance, derivative = 1.0, 0.0
            if gradient[k] < 0 and upper[k] < np.inf:
                distance, derivative = upper[k] - x[k], -1.0
            elif gradient[k] > 0 and lower[k] > -np.inf:
                distance, derivative = x[k] - lower[k], 1.0
            optimality = max(optimality, abs(gradient[k] * distance))
            unit[k] = math.sqrt(distance)
            scaled_gradient[k] = unit[k] * gradient[k]
            hessian[k, k] = gradient[k] * derivative
        if optimality < TOLERANCE:
            return True, cost
        if iteration == 0:
            radius = norm(x / unit)
            if radius == 0:
                radius = 1.0
        largest = 0.0
        for k in range(n_params):
            for j in range(k):
                hessian[k, j] = normal[k, j] * unit[k] * unit[j]
                hessian[j, k] = hessian[k, j]
            hessian[k, k] += normal[k, k] * unit[k] * unit[k]
            largest = max(largest, hessian[k, k])
        # The matrix is singular where a Gaussian has vanished; this ridge is below rounding.
        ridge = EPS * n_params * largest if largest > 0 else 1.0
        for k in range(n_params):
            hessian[k, k] += ridge
        damping = _damped_step(hessian, scaled_gradient, radius, damping, triangle, scaled)
        leaves = False
        for k in range(n_params):
            step[k] = unit[k] * scaled[k]
            leaves |= not lower[k] <= x[k] + step[k] <= upper[k]
        if leaves:
            theta = max(0.995, 1 - optimality)
            _select_step(scaled, hessian, scaled_gradient, theta, x, lower, upper, radius, unit)
            step[:] = unit * scaled
        predicted = -_quadratic(hessian, scaled_gradient, scaled)
        for k in range(n_params):
            new_x[k] = _strictly_within(x[k] + step[k], lower[k], upper[k])
        new_cost = evaluate(new_x, data, new_residual, new_jacobian, new_support)

        reduction = cost - new_cost
        ratio = 1.0 if predicted == reduction else 0.0
        if predicted > 0:
            ratio = reduction / predicted
        length, old_radius = norm(scaled), radius
        if not ratio >= 0.25:  # also if the new cost is NaN
            radius = 0.25 * length
        elif ratio > 0.75 and length > 0.95 * radius:
            radius *= 2
        damping *= old_radius / radius
        converged = reduction < TOLERANCE * cost and ratio > 0.25
        converged |= norm(step) < TOLERANCE * (TOLERANCE + norm(x))
        if reduction > 0:
            x[:] = new_x
            cost = new_cost
            residual, new_residual = new_residual, residual
            jacobian, new_jacobian = new_jacobian, jacobian
            support, new_support = new_support, support
        if converged:
            return True, cost
        if reduction > 0:
            linearize(residual, jacobian, support, n_background, gradient, normal)
    return False, cost


@inlined
def _move_inside(value: float, lower: float, upper: float) -> float:
    """Move a parameter off its bounds, by a relative margin."""
    margin = 1e-10
    lowest = lower + margin * max(1.0, abs(lower)) if lower > -np.inf else lower
    highest = upper - margin * max(1.0, abs(upper)) if upper < np.inf else upper
    return min(max(value, lowest), highest)


@inlined
def _strictly_within(value: float, lower: float, upper: float) -> float:
    """Move a parameter off its bounds, to the next number."""
    return min(max(value, float(np.nextafter(lower, np.inf))), float(np.nextafter(upper, -np.inf)))


@inlined
def _damped_step(
    hessian: FloatArray,
    gradient: FloatArray,
    radius: float,
    damping: float,
    triangle: FloatArray,
    step: FloatArray,
) -> float:
    """Set the Gauss-Newton step, damped to the length of the radius if it is longer.

    The damping of the last step is the first guess; the new one is returned. It is found by
    Newton's method on the inverse length (Moré), within bounds.
    """
    n_params = gradient.size
    slope = np.empty(n_params)
    lowest, highest = 0.0, norm(gradient) / radius
    ratio = 0.0
    for iteration in range(MAX_DAMPING_ITERATIONS + 1):
        _factorize(hessian, damping, triangle)
        for k in range(n_params):
            step[k] = -gradient[k]
        _solve(triangle, step)
        ratio = norm(step) / radius
        misses = abs(ratio - 1) > RADIUS_TOLERANCE if damping > 0 else ratio > 1
        if not misses or iteration == MAX_DAMPING_ITERATIONS:
            break
        slope[:] = step
        _solve(triangle, slope)
        if ratio > 1:
            lowest = max(lowest, damping)
        if ratio < 1:
            highest = min(highest, damping)
        damping += (ratio - 1) * (ratio * radius) ** 2 / dot(step, slope)
        if damping >= highest:
            damping = 0.5 * (lowest + highest)
        if not damping > lowest:
            damping = lowest
    if damping > 0:
        for k in range(n_params):
            step[k] /= ratio
    return damping


@compiled
def _factorize(matrix: FloatArray, damping: float, triangle: FloatArray) -> None:
    """Set L of the Cholesky decomposition LL' of matrix + damping, three columns at a time."""
    n_params = len(matrix)
    for k in range(n_params):
        for j in range(k):
            triangle[k, j] = matrix[k, j]
        triangle[k, k] = matrix[k, k] + damping
    columns = np.empty((3, n_params))
    for first in range(0, n_params, 3):
        last = min(first + 3, n_params)
        for k in range(first, last):
            pivot = triangle[k, k]
            for m in range(first, k):
                pivot -= triangle[k, m] ** 2
            # Rounding may make a singular matrix indefinite.
            triangle[k, k] = math.sqrt(max(pivot, EPS * matrix[k, k], EPS * EPS))
            inverse = 1 / triangle[k, k]
            for i in range(k + 1, n_params):
                value = triangle[i, k]
                for m in range(first, k):
                    value -= triangle[i, m] * triangle[k, m]
                triangle[i, k] = value * inverse
                columns[k - first, i] = triangle[i, k]
        one, two, three = columns[0, last:], columns[1, last:], columns[2, last:]
        for i in range(n_params - last):
            row, a, b, c = triangle[last + i, last:], one[i], two[i], three[i]
            for j in range(i + 1):
                row[j] -= a * one[j] + b * two[j] + c * three[j]


@compiled
def _solve(triangle: FloatArray, x: FloatArray) -> None:
    """Solve LL' x = x in place."""
    n_params = x.size
    for k in range(n_params):
        rest = x[k]
        for j in range(k):
            rest -= triangle[k, j] * x[j]
        x[k] = rest / triangle[k, k]
    for k in range(n_params - 1, -1, -1):
        x[k] /= triangle[k, k]
        for j in range(k):
            x[j] -= triangle[k, j] * x[k]


@compiled
def _quadratic(hessian: FloatArray, gradient: FloatArray, step: FloatArray) -> float:
    """Return the change of cost that the quadratic model predicts."""
    change = 0.0
    for k in range(step.size):
        change += step[k] * (0.5 * dot(hessian[k], step) + gradient[k])
    return change


@inlined
def _select_step(
    scaled: FloatArray,
    hessian: FloatArray,
    gradient: FloatArray,
    theta: float,
    x: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    radius: float,
    unit: FloatArray,
) -> None:
    """Replace a step that leaves the bounds by the best of three that do not.

    They are the truncated step, its reflection, and steepest descent, each up to a share ``theta``
    of the way to a bound.
    """
    stride = _stride_to_bounds(x, unit * scaled, lower, upper)
    edge = stride * scaled
    on_bound = x + unit * edge
    reflected = scaled.copy()
    for k in range(x.size):
        if _stride_to_bound(x[k], unit[k] * scaled[k], lower[k], upper[k]) == stride:
            reflected[k] = -scaled[k]

    to_bound = _stride_to_bounds(on_bound, unit * reflected, lower, upper)
    to_radius = _stride_to_sphere(edge, reflected, radius)
    limit = min(to_bound, to_radius)
    least, most = 0.0, -1.0
    if limit > 0:
        least = (1 - theta) * stride / limit
        most = theta * to_bound if limit == to_bound else to_radius
    reflection_cost, time = np.inf, 0.0
    if least <= most:
        time, reflection_cost = _minimize_along(hessian, gradient, reflected, edge, least, most)
    reflection = edge + time * reflected

    truncated = theta * edge
    truncated_cost = _quadratic(hessian, gradient, truncated)

    to_bound = _stride_to_bounds(x, -unit * gradient, lower, upper)
    to_radius = radius / norm(gradient)
    most = theta * to_bound if to_bound < to_radius else to_radius
    time, descent_cost = _minimize_along(hessian, gradient, -gradient, 0 * gradient, 0.0, most)

    if truncated_cost < reflection_cost and truncated_cost < descent_cost:
        scaled[:] = truncated
    elif reflection_cost < truncated_cost and reflection_cost < descent_cost:
        scaled[:] = reflection
    else:
        scaled[:] = -time * gradient


@compiled
def _stride_to_bound(x: float, step: float, lower: float, upper: float) -> float:
    """Return by what a step must be multiplied to reach the bound."""
    if step == 0:
        return np.inf
    return max((lower - x) / step, (upper - x) / step)


@compiled
def _stride_to_bounds(
    x: FloatArray, step: FloatArray, lower: FloatArray, upper: FloatArray
) -> float:
    """Return by what a step must be multiplied to reach the nearest bound."""
    stride = np.inf
    for k in range(x.size):
        stride = min(stride, _stride_to_bound(x[k], step[k], lower[k], upper[k]))
    return stride


@inlined
def _stride_to_sphere(x: FloatArray, step: FloatArray, radius: float) -> float:
    """Return by what a step must be multiplied to reach the sphere from a point within."""
    a, b = dot(step, step), dot(x, step)
    c = min(dot(x, x) - radius * radius, 0.0)
    return (math.sqrt(b * b - a * c) - b) / a


@compiled
def _minimize_along(
    hessian: FloatArray,
    gradient: FloatArray,
    direction: FloatArray,
    origin: FloatArray,
    least: float,
    most: float,
) -> tuple[float, float]:
    """Minimize the quadratic model over ``origin + t * direction``; return t and the change."""
    a, b = 0.0, 0.0
    for k in range(direction.size):
        curvature = dot(hessian[k], direction)
        a += 0.5 * curvature * direction[k]
        b += gradient[k] * direction[k] + curvature * origin[k]
    c = _quadratic(hessian, gradient, origin)
    time, cost = least, least * (a * least + b) + c
    other = most * (a * most + b) + c
    if other < cost:
        time, cost = most, other
    vertex = -0.5 * b / a
    if least < vertex < most:
        other = vertex * (a * vertex + b) + c
        if other < cost:
            time, cost = vertex, other
    return time, cost
