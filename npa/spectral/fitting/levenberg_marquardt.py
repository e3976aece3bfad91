"""Nonlinear least squares without bounds: many small problems at once, each as if it were alone."""

from functools import lru_cache

import numpy as np
from scipy.optimize import leastsq

from npa.spectral.fitting.problem_batches import Rows, diagonals, lengths, work_off

_OFF = 0.1  # a damped step may miss the radius of trust by so much, as in MINPACK
_N_DAMPINGS = 10  # trials of a damping at most
_PIECE = 64  # problems whose residuals and derivatives stay in the cache
_FEW = 24  # problems that MINPACK solves sooner, one by one


def solve_free(evaluate, start, *, tol=1.49012e-8, max_evals=5000, block=512):
    """Minimize sums of squares, by the Levenberg-Marquardt method.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(x, rows) -> residual, jacobian``: of the problems ``rows`` at parameters ``x``
        (n_rows, n_params) the residuals (n_rows, n_points) and their derivatives
        (n_rows, n_params, n_points). What is not finite is stepped back from.
    start : array, shape (n_problems, n_params)
        Where to begin.
    tol : float, default 1.49012e-8
        Relative change of cost or parameters at which a problem is solved.
    max_evals : int, default 5000
        Number of evaluations after which a problem is given up; a Jacobian counts as one for each
        parameter, as if it were made of differences.
    block : int, default 512
        Number of problems worked on together, as in `solve_bounded`.

    Returns
    -------
    x : array, shape (n_problems, n_params)
        The parameters.
    solved : array of bool, shape (n_problems,)
        Whether the tolerance was reached.

    Notes
    -----
    Each problem takes the path of MINPACK's ``lmdif`` but for the derivatives, which are exact: a
    trust region in parameters scaled by the largest norm that their columns had. MINPACK itself
    does the last few, which take hundreds of steps that no other problem shares.

    References
    ----------
    Moré, J. J. (1978). The Levenberg-Marquardt algorithm: implementation and theory. In Numerical
    Analysis, Lecture Notes in Mathematics 630, 105-116. https://doi.org/10.1007/BFb0067700

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([1.0, 2.0, 3.0])
    >>> goal = np.exp(np.array([[0.5], [-1.0]]) * points)
    >>> def evaluate(x, rows):
    ...     model = np.exp(x * points)
    ...     return model - goal[rows], (model * points)[:, np.newaxis]
    >>> x, solved = solve_free(evaluate, np.zeros((2, 1)))
    >>> x.round(4).ravel(), solved
    (array([ 0.5, -1. ]), array([ True,  True]))
    """
    x = np.array(start, dtype=float)
    unset = np.full(len(x), np.nan)
    memory = Rows(x=x, scale=0 * x, radius=unset, damping=0 * x[:, 0], evals=0 * x[:, 0])

    def begin(rows, problems):
        rows.norm, rows.triangle, rows.target = _measure(evaluate, rows.x, problems)
        rows.fresh = np.isnan(rows.radius)
        columns = np.linalg.norm(rows.triangle, axis=1)
        rows.update(rows.fresh, scale=np.where(columns == 0, 1.0, columns))
        length = 100 * lengths(rows.scale * rows.x)
        rows.update(rows.fresh, radius=np.where(length == 0, 100.0, length))

    def advance(rows, problems):
        return _advance_free(rows, problems, evaluate, tol)

    def finish(problems):
        return _one_by_one(evaluate, np.asarray(start)[problems], problems, tol, max_evals)

    sizes = np.full(len(x), x.shape[1])
    return work_off(memory, begin, advance, max_evals, block, sizes, few=_FEW, finish=finish)


def _one_by_one(evaluate, start, problems, tol, max_evals):
    """Solve problems by MINPACK, from the start."""
    x, solved = np.empty_like(start), np.empty(len(start), dtype=bool)
    limit = max(max_evals // (1 + x.shape[1]), 1)
    for row, first in enumerate(start):
        # MINPACK asks for residuals, then for derivatives at the same point.
        known = lru_cache(maxsize=1)(
            lambda point, row=row: evaluate(np.frombuffer(point)[np.newaxis], problems[[row]])
        )
        x[row], _, _, _, status = leastsq(
            lambda p, known=known: known(p.tobytes())[0][0],
            first,
            Dfun=lambda p, known=known: known(p.tobytes())[1][0],
            col_deriv=True,
            full_output=True,
            ftol=tol,
            xtol=tol,
            maxfev=limit,
        )
        solved[row] = status in (1, 2, 3, 4)
    return x, solved


def _advance_free(rows, problems, evaluate, tol):
    """Try one step of each problem, and say which are solved."""
    step = _free_step(rows)
    x = rows.x - step
    length = lengths(rows.scale * step)
    rows.radius = np.where(rows.fresh, np.minimum(rows.radius, length), rows.radius)
    norm, triangle, target = _measure(evaluate, x, problems)

    actual = np.where(0.1 * norm < rows.norm, 1 - (norm / rows.norm) ** 2, -1.0)
    linear = (lengths(np.matvec(rows.triangle, step)) / rows.norm) ** 2
    damped = rows.damping * (length / rows.norm) ** 2
    promised, descent = linear + 2 * damped, -(linear + damped)
    ratio = np.where(promised == 0, 0.0, actual / promised)
    _adapt_radius(rows, ratio, actual, descent, length, norm)
    better = ratio >= 1e-4
    rows.evals += np.where(better, 1 + x.shape[1], 1)
    rows.fresh &= ~better
    rows.update(better, x=x, norm=norm, triangle=triangle, target=target)
    rows.scale = np.maximum(rows.scale, np.linalg.norm(rows.triangle, axis=1))
    done = (np.abs(actual) <= tol) & (promised <= tol) & (ratio <= 2)
    done |= rows.radius <= tol * lengths(rows.scale * rows.x)
    return done | (rows.norm == 0)


def _measure(evaluate, x, problems):
    """Return the length of each residual and its factors, a few rows at a time."""
    found = []
    for first in range(0, len(x), _PIECE):
        part = slice(first, first + _PIECE)
        residual, jacobian = evaluate(x[part], problems[part])
        found.append((lengths(residual), *_triangle(residual, jacobian)))
    return [np.concatenate(values) for values in zip(*found, strict=True)]


def _adapt_radius(rows, ratio, actual, descent, length, norm):
    """Shrink or widen the radius of trust by how much of the promise was kept."""
    shrink = np.where(actual >= 0, 0.5, 0.5 * descent / (descent + 0.5 * actual))
    shrink = np.where((0.1 * norm >= rows.norm) | (shrink < 0.1), 0.1, shrink)
    poor = ratio <= 0.25
    good = ~poor & ((rows.damping == 0) | (ratio >= 0.75))
    smaller = shrink * np.minimum(rows.radius, 10 * length)
    rows.radius = np.where(poor, smaller, np.where(good, 2 * length, rows.radius))
    rows.damping = np.where(poor, rows.damping / shrink, np.where(good, 0.5, 1.0) * rows.damping)


def _free_step(rows):
    """Return the Gauss-Newton step, or where it is longer than the radius, a damped one."""
    step = _backward(rows.triangle, rows.target)
    long = np.flatnonzero(lengths(rows.scale * step) > (1 + _OFF) * rows.radius)
    guess, rows.damping = rows.damping, np.zeros_like(rows.damping)
    if len(long):
        part = [rows.triangle, rows.target, rows.scale, rows.radius, step, guess]
        step[long], rows.damping[long] = _damped_free_step(*(values[long] for values in part))
    return step


def _damped_free_step(triangle, target, scale, radius, step, guess):
    """Find the damping by which the steps get as long as the radius."""
    length, lower = _length_and_change(triangle, scale, radius, step)
    steepest = np.matvec(triangle.mT, target) / scale
    upper = lengths(steepest) / radius
    damping = np.clip(guess, lower, upper)
    damping = np.where(damping > 0, damping, lengths(steepest) / length)
    below = np.zeros_like(triangle)
    still = np.concatenate([target, np.zeros_like(target)], axis=1)
    for _ in range(_N_DAMPINGS):
        diagonals(below)[:] = np.sqrt(damping)[:, np.newaxis] * scale
        stacked = np.concatenate([triangle, below], axis=1).mT
        damped, right = _triangle(still, stacked)
        step = _backward(damped, right)
        length, change = _length_and_change(damped, scale, radius, step)
        off = np.abs(length - radius) > _OFF * radius
        if not off.any():
            break
        lower = np.where(length > radius, np.maximum(lower, damping), lower)
        upper = np.where(length < radius, np.minimum(upper, damping), upper)
        damping = np.where(off, np.maximum(lower, damping + change), damping)
    return step, damping


def _length_and_change(triangle, scale, radius, step):
    """Return how long a step is, and by what the damping must change to fit the radius."""
    length = lengths(scale * step)
    slope = _forward(triangle, scale**2 * step / length[:, np.newaxis])
    change = (length / radius - 1) / np.vecdot(slope, slope)
    return length, np.where(np.isfinite(change), change, 0.0)


def _triangle(residual, jacobian):
    """Factor Jacobians (n_rows, n_params, n_points) and turn the residuals along.

    Gram-Schmidt, the residual as a last column; no column's scale matters to the others.
    """
    columns = np.concatenate([jacobian, residual[:, np.newaxis]], axis=1)
    n_params = jacobian.shape[1]
    triangle = np.zeros((len(columns), n_params, n_params + 1))
    for k in range(n_params):
        length = lengths(columns[:, k])
        direction = columns[:, k] / np.where(length == 0, 1.0, length)[:, np.newaxis]
        triangle[:, k, k] = length
        along = np.matvec(columns[:, k + 1 :], direction)
        triangle[:, k, k + 1 :] = along
        columns[:, k + 1 :] -= along[..., np.newaxis] * direction[:, np.newaxis]
    return triangle[:, :, :-1], triangle[:, :, -1]


def _backward(triangle, right):
    """Solve upper triangles; 0 for a parameter that nothing depends on."""
    x = np.zeros_like(right)
    for k in reversed(range(right.shape[1])):
        rest = right[:, k] - np.vecdot(triangle[:, k, k + 1 :], x[:, k + 1 :])
        x[:, k] = np.where(triangle[:, k, k] == 0, 0.0, rest / triangle[:, k, k])
    return x


def _forward(triangle, right):
    """Solve the transposes of upper triangles."""
    x = np.zeros_like(right)
    for k in range(right.shape[1]):
        rest = right[:, k] - np.vecdot(triangle[:, :k, k], x[:, :k])
        x[:, k] = np.where(triangle[:, k, k] == 0, 0.0, rest / triangle[:, k, k])
    return x
