"""Nonlinear least squares within bounds: many small problems at once, each as if it were alone."""

import numpy as np

from npa.spectral.fitting.problem_batches import Rows, diagonals, lengths, work_off

_OFF = 0.03  # a damped step may miss the radius of trust by so much before it is stretched to it
_N_DAMPINGS = 10  # trials of a damping at most

_EPS = np.finfo(float).eps


def solve_bounded(evaluate, start, low, high, sizes, *, tol=1e-8, max_evals=5000, block=512):
    """Minimize sums of squares within bounds, by a trust region with reflections.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(x, rows) -> cost, gradient, normal``: of the problems ``rows`` at parameters
        ``x`` (n_rows, n_params) half the sum of squared residuals r (n_rows,), the gradient
        J'r (n_rows, n_params), and J'J (n_rows, n_params, n_params).
    start : array, shape (n_problems, n_params)
        Where to begin, within the bounds.
    low, high : array, shape (n_problems, n_params)
        Bounds; infinite for none.
    sizes : array of int, shape (n_problems,)
        How many parameters each problem has. Those behind must start at 0, have no bounds, and
        neither matter to the residuals; ``evaluate`` gets as many columns as the largest problem
        in a block has.
    tol : float, default 1e-8
        Relative change of cost or parameters, or scaled gradient, at which a problem is solved.
    max_evals : int, default 5000
        Number of evaluations after which a problem is given up.
    block : int, default 128
        Number of problems worked on together: enough to make up for the calls, few enough for
        the cache. As problems are solved, others take their place.

    Returns
    -------
    x : array, shape (n_problems, n_params)
        The parameters.
    solved : array of bool, shape (n_problems,)
        Whether the tolerance was reached.

    Notes
    -----
    Each problem takes the path of `scipy.optimize.least_squares` with ``method="trf"``: in
    variables scaled by the distance to the bounds that the gradient points to, a Gauss-Newton step,
    shortened to the radius of trust; where it would leave the bounds, the best of that step cut
    short, its reflection, and the steepest descent.

    References
    ----------
    Branch, M. A., Coleman, T. F. & Li, Y. (1999). A subspace, interior, and conjugate gradient
    method for large-scale bound-constrained minimization problems. SIAM Journal on Scientific
    Computing, 21(1), 1-23. https://doi.org/10.1137/S1064827595289108

    Examples
    --------
    The square nearest to 2 and to 5, of a number of at most 2:

    >>> import numpy as np
    >>> goal = np.array([[2.0], [5.0]])
    >>> def evaluate(x, rows):
    ...     residual, slope = x**2 - goal[rows], 2 * x
    ...     return 0.5 * residual[:, 0] ** 2, slope * residual, (slope**2)[:, :, np.newaxis]
    >>> start = np.ones((2, 1))
    >>> x, solved = solve_bounded(evaluate, start, 0 * start, 2 * start, np.array([1, 1]))
    >>> x.round(4).ravel(), solved
    (array([1.4142, 2.    ]), array([ True,  True]))
    """
    x = _inside(start, low, high, 1e-10)
    unset = np.full(len(x), np.nan)
    memory = Rows(x=x, low=low, high=high, radius=unset, damping=0 * x[:, 0], evals=0 * x[:, 0])

    def begin(rows, problems):
        rows.cost, rows.grad, rows.normal = evaluate(rows.x, problems)
        room, _ = _room(rows)
        first = lengths(rows.x / np.sqrt(room))
        rows.update(np.isnan(rows.radius), radius=np.where(first == 0, 1.0, first))

    def advance(rows, problems):
        return _advance_bounded(rows, problems, evaluate, tol)

    return work_off(memory, begin, advance, max_evals, block, sizes)


def _advance_bounded(rows, problems, evaluate, tol):
    """Try one step of each problem, and say which are solved."""
    room, slope = _room(rows)
    steepest = np.abs(rows.grad * room).max(axis=1)
    unit = np.sqrt(room)
    grad = unit * rows.grad
    normal = rows.normal * unit[:, :, np.newaxis] * unit[:, np.newaxis]
    diagonals(normal)[:] += rows.grad * slope
    scaled = _scaled_step(normal, grad, rows)
    step = unit * scaled
    x = rows.x + step
    out = ((x < rows.low) | (x > rows.high)).any(axis=1)
    if out.any():
        part = [rows.x[out], rows.low[out], rows.high[out], rows.radius[out], unit[out]]
        inner = np.maximum(0.995, 1 - steepest[out])
        scaled[out] = _reflect(scaled[out], normal[out], grad[out], inner, *part)
        step[out] = unit[out] * scaled[out]
    promised = -_quadratic(normal, grad, scaled)
    x = _inside(rows.x + step, rows.low, rows.high, 0.0)
    cost, new_grad, new_normal = evaluate(x, problems)
    rows.evals += 1

    gain = rows.cost - cost
    ratio = np.where(promised > 0, gain / promised, np.where(promised == gain, 1.0, 0.0))
    length = lengths(scaled)
    old_radius = rows.radius
    rows.radius = np.where(ratio < 0.25, 0.25 * length, old_radius)
    rows.radius[(ratio > 0.75) & (length > 0.95 * old_radius)] *= 2
    rows.damping *= old_radius / rows.radius
    size = lengths(rows.x)
    done = (gain < tol * rows.cost) & (ratio > 0.25)
    done |= lengths(step) < tol * (tol + size)
    done |= steepest < tol
    better = (gain > 0) & (steepest >= tol)
    rows.update(better, x=x, cost=cost, grad=new_grad, normal=new_normal)
    return done


def _room(rows):
    """Distance to the bound that the descent leads to, and its derivative; 1 and 0 without one."""
    falls, rises = rows.grad < 0, rows.grad > 0
    falls &= np.isfinite(rows.high)
    rises &= np.isfinite(rows.low)
    room = np.where(falls, rows.high - rows.x, np.where(rises, rows.x - rows.low, 1.0))
    return room, rises.astype(float) - falls


def _scaled_step(normal, grad, rows):
    """Return the Gauss-Newton step, or where it is longer than the radius, a damped one.

    The damping is sought by Newton's method on the inverse length, from that of the last step,
    until the length is nearly right; a problem that needs none ends at 0.
    """
    n_params = grad.shape[1]
    # Where a Gaussian has shrunk to nothing the matrix is singular; this ridge is below rounding.
    ridge = _EPS * n_params * diagonals(normal).max(axis=1, keepdims=True)
    diagonals(normal)[:] += np.where(ridge > 0, ridge, 1.0)
    damping = rows.damping
    step = _solve(normal, damping, -grad)
    ratio = lengths(step) / rows.radius
    off = np.flatnonzero(_off_radius(ratio, damping))
    if len(off):
        part = normal[off], grad[off], rows.radius[off], step[off], ratio[off], damping[off]
        step[off], ratio[off], damping[off] = _damped_step(*part)
    return step / np.where(damping > 0, ratio, 1.0)[:, np.newaxis]


def _damped_step(normal, grad, radius, step, ratio, damping):
    """Change the damping until the steps are as long as the radius."""
    found = step.copy(), ratio.copy(), damping.copy()
    upper, lower = lengths(grad) / radius, np.zeros_like(radius)
    todo = np.arange(len(grad))
    for _ in range(_N_DAMPINGS):
        slope = _solve(normal, damping, step)
        lower = np.where(ratio > 1, np.maximum(lower, damping), lower)
        upper = np.where(ratio < 1, np.minimum(upper, damping), upper)
        new = damping + (ratio - 1) * (ratio * radius) ** 2 / np.vecdot(step, slope)
        new = np.where(new >= upper, 0.5 * (lower + upper), new)
        damping = np.where(new > lower, new, lower)
        step = _solve(normal, damping, -grad)
        ratio = lengths(step) / radius
        off = _off_radius(ratio, damping)
        for values, new in zip(found, (step, ratio, damping), strict=True):
            values[todo] = new
        if not off.any():
            break
        todo, step, ratio, damping = todo[off], step[off], ratio[off], damping[off]
        normal, grad, radius = normal[off], grad[off], radius[off]
        lower, upper = lower[off], upper[off]
    return found


def _off_radius(ratio, damping):
    """Whether a step is too long, or shorter than the radius although it is damped."""
    return np.where(damping > 0, np.abs(ratio - 1) > _OFF, ratio > 1)


def _solve(normal, damping, right):
    """Solve (normal + damping) x = right."""
    matrix = normal.copy()
    diagonals(matrix)[:] += damping[:, np.newaxis]
    return np.linalg.solve(matrix, right[..., np.newaxis])[..., 0]


def _reflect(scaled, normal, grad, inner, x, low, high, radius, unit):
    """Choose the best step for problems whose step would leave the bounds."""
    steps = _to_bounds(x, unit * scaled, low, high)
    stride = steps.min(axis=1)
    bounced = np.where(steps == stride[:, np.newaxis], -scaled, scaled)
    edge = scaled * stride[:, np.newaxis]
    on_bound = x + unit * edge

    to_bound = _to_bounds(on_bound, unit * bounced, low, high).min(axis=1)
    to_radius = _to_sphere(edge, bounced, radius)
    reach = np.minimum(to_bound, to_radius)
    least = np.where(reach > 0, (1 - inner) * stride / reach, 0.0)
    most = np.where(reach > 0, np.where(reach == to_bound, inner * to_bound, to_radius), -1.0)
    bounce, bounce_value = _best_along(normal, grad, bounced, edge, least, most)
    bounce_value[~(least <= most)] = np.inf

    cut = edge * inner[:, np.newaxis]
    cut_value = _quadratic(normal, grad, cut)

    to_bound = _to_bounds(x, -unit * grad, low, high).min(axis=1)
    to_radius = radius / lengths(grad)
    most = np.where(to_bound < to_radius, inner * to_bound, to_radius)
    fall, fall_value = _best_along(normal, grad, -grad, 0 * grad, 0 * most, most)

    best = np.where((cut_value < bounce_value) & (cut_value < fall_value), 0, 2)
    best[(bounce_value < cut_value) & (bounce_value < fall_value)] = 1
    return np.choose(best[:, np.newaxis], [cut, bounce, fall])


def _to_bounds(x, step, low, high):
    """How often each step fits between each parameter and its bound."""
    times = np.maximum((low - x) / step, (high - x) / step)
    return np.where(step == 0, np.inf, times)


def _to_sphere(inside, step, radius):
    """How often the step fits between a point in the sphere and its surface."""
    a = (step**2).sum(axis=1)
    b = (inside * step).sum(axis=1)
    c = np.minimum((inside**2).sum(axis=1) - radius**2, 0)
    return (np.sqrt(b**2 - a * c) - b) / a


def _best_along(normal, grad, direction, base, least, most):
    """Minimize the quadratic model over ``base + t * direction``, t from least to most."""
    curved = np.matvec(normal, direction)
    a = 0.5 * (curved * direction).sum(axis=1)
    b = ((grad * direction) + curved * base).sum(axis=1)
    c = _quadratic(normal, grad, base)
    turn = -0.5 * b / a
    turn = np.where((turn > least) & (turn < most), turn, least)
    times = np.stack([least, most, turn])
    values = times * (a * times + b) + c
    best = values.argmin(axis=0)[np.newaxis]
    time = np.take_along_axis(times, best, axis=0)[0]
    value = np.take_along_axis(values, best, axis=0)[0]
    return base + time[:, np.newaxis] * direction, value


def _quadratic(normal, grad, step):
    """Change of cost that the quadratic model promises."""
    return (step * (0.5 * np.matvec(normal, step) + grad)).sum(axis=1)


def _inside(x, low, high, margin):
    """Move parameters at a bound inside it, by the smallest number where there is no margin."""
    if margin == 0:
        return np.clip(x, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
    finite_low, finite_high = np.nan_to_num(low, neginf=0.0), np.nan_to_num(high, posinf=0.0)
    lowest = low + margin * np.maximum(1, np.abs(finite_low))
    highest = high - margin * np.maximum(1, np.abs(finite_high))
    return np.clip(x, lowest, highest)
