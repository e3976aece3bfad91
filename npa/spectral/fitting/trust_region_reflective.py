"""Trust Region Reflective least squares within bounds, for many small problems at once."""

from collections.abc import Callable

import numpy as np

from npa.spectral.fitting.batching import Batch, diagonal_view, row_norms, solve_in_batches
from npa.typing import BoolArray, FloatArray, IntArray

RADIUS_TOLERANCE = 0.03  # of a damped step's length, before it is rescaled to the radius
MAX_DAMPING_ITERATIONS = 10

EPS = np.finfo(np.float64).eps

Evaluate = Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray, FloatArray]]


def least_squares_trf(
    evaluate: Evaluate,
    start: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    n_params: IntArray,
    *,
    tol: float = 1e-8,
    max_nfev: int = 5000,
    batch_size: int = 512,
) -> tuple[FloatArray, BoolArray]:
    """Minimize sums of squares within bounds by the Trust Region Reflective algorithm.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(x, problems) -> cost, gradient, normal``: for the problems with these indices,
        at parameters ``x`` (n_rows, n_params), half the sum of squared residuals r (n_rows,), the
        gradient J'r (n_rows, n_params), and J'J (n_rows, n_params, n_params).
    start : array, shape (n_problems, n_params)
        Initial parameters, within the bounds.
    lower, upper : array, shape (n_problems, n_params)
        Bounds; infinite for none.
    n_params : array of int, shape (n_problems,)
        Number of parameters of each problem. Further columns must be 0 in ``start``, have no
        bounds and no effect on the residuals; ``evaluate`` gets as many columns as the largest
        problem of a batch has.
    tol : float, default 1e-8
        Tolerance for the relative change of cost and parameters, and for the scaled gradient.
    max_nfev : int, default 5000
        Number of evaluations after which a problem is given up.
    batch_size : int, default 512
        Number of problems solved together.

    Returns
    -------
    x : array, shape (n_problems, n_params)
        The parameters.
    converged : array of bool, shape (n_problems,)
        Whether a tolerance was reached.

    Notes
    -----
    Each problem takes the steps of `scipy.optimize.least_squares` with ``method="trf"`` [1]_: a
    Gauss-Newton step in variables scaled by the distance to the bounds in the direction of descent
    (Coleman and Li), shortened to the trust region; if it would leave the bounds, the best of the
    truncated step, its reflection, and steepest descent.

    References
    ----------
    .. [1] Branch, M. A., Coleman, T. F. & Li, Y. (1999). A subspace, interior, and conjugate
       gradient method for large-scale bound-constrained minimization problems. SIAM Journal on
       Scientific Computing, 21(1), 1-23. https://doi.org/10.1137/S1064827595289108

    Examples
    --------
    The numbers, at most 2, whose squares are nearest to 2 and 5:

    >>> import numpy as np
    >>> target = np.array([[2.0], [5.0]])
    >>> def evaluate(x, problems):
    ...     residual, slope = x**2 - target[problems], 2 * x
    ...     return 0.5 * residual[:, 0] ** 2, slope * residual, (slope**2)[:, :, np.newaxis]
    >>> start = np.ones((2, 1))
    >>> x, converged = least_squares_trf(evaluate, start, 0 * start, 2 * start, np.array([1, 1]))
    >>> x.round(4).ravel(), converged
    (array([1.4142, 2.    ]), array([ True,  True]))
    """
    x = _make_strictly_feasible(start, lower, upper, 1e-10)
    zero = np.zeros(len(x))
    bounds = {"lower": lower, "upper": upper}
    state = Batch(x=x, **bounds, radius=zero + np.nan, damping=zero.copy(), nfev=zero.copy())

    def prepare(batch: Batch, problems: IntArray) -> None:
        batch.cost, batch.grad, batch.normal = evaluate(batch.x, problems)
        distance, _ = _coleman_li(batch)
        norm = row_norms(batch.x / np.sqrt(distance))
        batch.update(np.isnan(batch.radius), radius=np.where(norm == 0, 1.0, norm))

    def iterate(batch: Batch, problems: IntArray) -> BoolArray:
        return _iterate(batch, problems, evaluate, tol)

    return solve_in_batches(
        state, prepare, iterate, n_params=n_params, max_nfev=max_nfev, batch_size=batch_size
    )


def _iterate(batch: Batch, problems: IntArray, evaluate: Evaluate, tol: float) -> BoolArray:
    """Try one step of each problem, and return which have converged."""
    distance, derivative = _coleman_li(batch)
    optimality = np.abs(batch.grad * distance).max(axis=1)
    unit = np.sqrt(distance)
    grad = unit * batch.grad
    normal = batch.normal * unit[:, :, np.newaxis] * unit[:, np.newaxis]
    diagonal_view(normal)[:] += batch.grad * derivative
    scaled = _trust_region_step(normal, grad, batch)
    step = unit * scaled
    x = batch.x + step
    out = ((x < batch.lower) | (x > batch.upper)).any(axis=1)
    if out.any():
        part = [batch.x[out], batch.lower[out], batch.upper[out], batch.radius[out], unit[out]]
        theta = np.maximum(0.995, 1 - optimality[out])
        scaled[out] = _select_step(scaled[out], normal[out], grad[out], theta, *part)
        step[out] = unit[out] * scaled[out]
    predicted = -_quadratic(normal, grad, scaled)
    x = _make_strictly_feasible(batch.x + step, batch.lower, batch.upper, 0.0)
    cost, new_grad, new_normal = evaluate(x, problems)
    batch.nfev += 1

    reduction = batch.cost - cost
    exact = np.where(predicted == reduction, 1.0, 0.0)
    ratio = np.where(predicted > 0, reduction / predicted, exact)
    norm = row_norms(scaled)
    old_radius = batch.radius
    batch.radius = np.where(ratio < 0.25, 0.25 * norm, old_radius)
    batch.radius[(ratio > 0.75) & (norm > 0.95 * old_radius)] *= 2
    batch.damping *= old_radius / batch.radius
    converged: BoolArray = (reduction < tol * batch.cost) & (ratio > 0.25)
    converged |= row_norms(step) < tol * (tol + row_norms(batch.x))
    converged |= optimality < tol
    better = (reduction > 0) & (optimality >= tol)
    batch.update(better, x=x, cost=cost, grad=new_grad, normal=new_normal)
    return converged


def _coleman_li(batch: Batch) -> tuple[FloatArray, FloatArray]:
    """Return the distance to the bound in the direction of descent, and its derivative.

    They are 1 and 0 where there is no such bound.
    """
    to_upper = (batch.grad < 0) & np.isfinite(batch.upper)
    to_lower = (batch.grad > 0) & np.isfinite(batch.lower)
    distance = np.where(to_lower, batch.x - batch.lower, 1.0)
    distance = np.where(to_upper, batch.upper - batch.x, distance)
    return distance, to_lower.astype(np.float64) - to_upper


def _trust_region_step(normal: FloatArray, grad: FloatArray, batch: Batch) -> FloatArray:
    """Return the Gauss-Newton step, damped where it is longer than the radius.

    The damping of the last step is the first guess; it becomes 0 where none is needed.
    """
    n_params = grad.shape[1]
    # The matrix is singular where a Gaussian has vanished; this ridge is below rounding.
    ridge = EPS * n_params * diagonal_view(normal).max(axis=1, keepdims=True)
    diagonal_view(normal)[:] += np.where(ridge > 0, ridge, 1.0)
    damping = batch.damping
    step = _solve_damped(normal, damping, -grad)
    ratio = row_norms(step) / batch.radius
    off = np.flatnonzero(_misses_radius(ratio, damping))
    if len(off):
        part = normal[off], grad[off], batch.radius[off], step[off], ratio[off], damping[off]
        step[off], ratio[off], damping[off] = _find_damping(*part)
    return np.divide(step, np.where(damping > 0, ratio, 1.0)[:, np.newaxis])


def _find_damping(
    normal: FloatArray,
    grad: FloatArray,
    radius: FloatArray,
    step: FloatArray,
    ratio: FloatArray,
    damping: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Find the damping for which steps have the length of the radius, by Newton's method.

    The root is sought of the inverse length (Moré's iteration), within bounds for the damping.
    """
    found = step.copy(), ratio.copy(), damping.copy()
    highest, lowest = row_norms(grad) / radius, np.zeros_like(radius)
    active = np.arange(len(grad))
    for _ in range(MAX_DAMPING_ITERATIONS):
        slope = _solve_damped(normal, damping, step)
        lowest = np.where(ratio > 1, np.maximum(lowest, damping), lowest)
        highest = np.where(ratio < 1, np.minimum(highest, damping), highest)
        new = damping + (ratio - 1) * (ratio * radius) ** 2 / np.vecdot(step, slope)
        new = np.where(new >= highest, 0.5 * (lowest + highest), new)
        damping = np.where(new > lowest, new, lowest)
        step = _solve_damped(normal, damping, -grad)
        ratio = row_norms(step) / radius
        for values, new in zip(found, (step, ratio, damping), strict=True):
            values[active] = new
        off = _misses_radius(ratio, damping)
        if not off.any():
            break
        active, step, ratio, damping = active[off], step[off], ratio[off], damping[off]
        normal, grad, radius = normal[off], grad[off], radius[off]
        lowest, highest = lowest[off], highest[off]
    return found


def _misses_radius(ratio: FloatArray, damping: FloatArray) -> BoolArray:
    """Return where a step is longer than the radius, or shorter although it is damped."""
    return np.where(damping > 0, np.abs(ratio - 1) > RADIUS_TOLERANCE, ratio > 1)


def _solve_damped(normal: FloatArray, damping: FloatArray, right: FloatArray) -> FloatArray:
    """Solve (normal + damping) x = right."""
    matrix = normal.copy()
    diagonal_view(matrix)[:] += damping[:, np.newaxis]
    return np.asarray(np.linalg.solve(matrix, right[..., np.newaxis])[..., 0], np.float64)


def _select_step(
    scaled: FloatArray,
    normal: FloatArray,
    grad: FloatArray,
    theta: FloatArray,
    x: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    radius: FloatArray,
    unit: FloatArray,
) -> FloatArray:
    """Choose the best of the truncated step, its reflection, and steepest descent.

    Steps end at a share ``theta`` of the way to a bound.
    """
    strides = _strides_to_bounds(x, unit * scaled, lower, upper)
    stride = strides.min(axis=1)
    reflected = np.where(strides == stride[:, np.newaxis], -scaled, scaled)
    edge = scaled * stride[:, np.newaxis]
    on_bound = x + unit * edge

    to_bound = _strides_to_bounds(on_bound, unit * reflected, lower, upper).min(axis=1)
    to_radius = _stride_to_sphere(edge, reflected, radius)
    limit = np.minimum(to_bound, to_radius)
    least = np.where(limit > 0, (1 - theta) * stride / limit, 0.0)
    most = np.where(limit > 0, np.where(limit == to_bound, theta * to_bound, to_radius), -1.0)
    reflection, reflection_cost = _minimize_along(normal, grad, reflected, edge, least, most)
    reflection_cost[~(least <= most)] = np.inf

    truncated = edge * theta[:, np.newaxis]
    truncated_cost = _quadratic(normal, grad, truncated)

    to_bound = _strides_to_bounds(x, -unit * grad, lower, upper).min(axis=1)
    to_radius = radius / row_norms(grad)
    most = np.where(to_bound < to_radius, theta * to_bound, to_radius)
    descent, descent_cost = _minimize_along(normal, grad, -grad, 0 * grad, 0 * most, most)

    best = np.where((truncated_cost < reflection_cost) & (truncated_cost < descent_cost), 0, 2)
    best[(reflection_cost < truncated_cost) & (reflection_cost < descent_cost)] = 1
    return np.choose(best[:, np.newaxis], [truncated, reflection, descent])


def _strides_to_bounds(
    x: FloatArray, step: FloatArray, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Return by what each step must be multiplied to reach the bound of each parameter."""
    strides = np.maximum((lower - x) / step, (upper - x) / step)
    return np.where(step == 0, np.inf, strides)


def _stride_to_sphere(x: FloatArray, step: FloatArray, radius: FloatArray) -> FloatArray:
    """Return by what each step must be multiplied to reach the sphere from a point within."""
    a = (step**2).sum(axis=1)
    b = (x * step).sum(axis=1)
    c = np.minimum((x**2).sum(axis=1) - radius**2, 0)
    stride: FloatArray = (np.sqrt(b**2 - a * c) - b) / a
    return stride


def _minimize_along(
    normal: FloatArray,
    grad: FloatArray,
    direction: FloatArray,
    origin: FloatArray,
    least: FloatArray,
    most: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Minimize the quadratic model over ``origin + t * direction``, with t from least to most."""
    curvature = np.matvec(normal, direction)
    a = 0.5 * (curvature * direction).sum(axis=1)
    b = ((grad * direction) + curvature * origin).sum(axis=1)
    c = _quadratic(normal, grad, origin)
    vertex = -0.5 * b / a
    vertex = np.where((vertex > least) & (vertex < most), vertex, least)
    times = np.stack([least, most, vertex])
    costs = times * (a * times + b) + c
    best = costs.argmin(axis=0)[np.newaxis]
    time = np.take_along_axis(times, best, axis=0)[0]
    cost = np.take_along_axis(costs, best, axis=0)[0]
    return origin + time[:, np.newaxis] * direction, cost


def _quadratic(normal: FloatArray, grad: FloatArray, step: FloatArray) -> FloatArray:
    """Return the change of cost that the quadratic model predicts."""
    change: FloatArray = (step * (0.5 * np.matvec(normal, step) + grad)).sum(axis=1)
    return change


def _make_strictly_feasible(
    x: FloatArray, lower: FloatArray, upper: FloatArray, margin: float
) -> FloatArray:
    """Move parameters off their bounds, by a relative margin or to the next number."""
    if margin == 0:
        return np.clip(x, np.nextafter(lower, np.inf), np.nextafter(upper, -np.inf))
    finite_lower, finite_upper = np.nan_to_num(lower, neginf=0.0), np.nan_to_num(upper, posinf=0.0)
    lowest = lower + margin * np.maximum(1, np.abs(finite_lower))
    highest = upper - margin * np.maximum(1, np.abs(finite_upper))
    return np.clip(x, lowest, highest)
