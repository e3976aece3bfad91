"""Levenberg-Marquardt least squares without bounds, for many small problems at once."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.optimize import leastsq

from npa.spectral.fitting.batching import Batch, diagonal_view, row_norms, solve_in_batches
from npa.typing import BoolArray, FloatArray, IntArray

RADIUS_TOLERANCE = 0.1  # of a damped step's length, as in MINPACK
MAX_DAMPING_ITERATIONS = 10
MIN_BATCH_SIZE = 24  # fewer problems are solved faster one by one, by MINPACK itself
CACHE_PROBLEMS = 64  # problems whose residuals and Jacobians fit into the cache

Evaluate = Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray]]


def least_squares_lm(
    evaluate: Evaluate,
    start: FloatArray,
    *,
    tol: float = 1.49012e-8,
    max_nfev: int = 5000,
    batch_size: int = 512,
    min_batch_size: int = MIN_BATCH_SIZE,
) -> tuple[FloatArray, BoolArray]:
    """Minimize sums of squares by the Levenberg-Marquardt algorithm.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(x, problems) -> residual, jacobian``: for the problems with these indices, at
        parameters ``x`` (n_rows, n_params), the residuals (n_rows, n_points) and their derivatives
        (n_rows, n_params, n_points). Steps to where they are not finite are rejected.
    start : array, shape (n_problems, n_params)
        Initial parameters.
    tol : float, default 1.49012e-8
        Tolerance for the relative change of cost and parameters.
    max_nfev : int, default 5000
        Number of evaluations after which a problem is given up. A Jacobian counts as one per
        parameter, as if it were computed by finite differences.
    batch_size : int, default 512
        Number of problems solved together.
    min_batch_size : int, default 24
        Number of problems from which on the last are solved one by one, by MINPACK.

    Returns
    -------
    x : array, shape (n_problems, n_params)
        The parameters.
    converged : array of bool, shape (n_problems,)
        Whether a tolerance was reached.

    Notes
    -----
    Each problem takes the steps of MINPACK's ``lmder`` [1]_: a trust region in parameters scaled
    by the largest norm that their columns of the Jacobian have had. The last problems, which may
    need hundreds of steps, are solved by MINPACK, from the start: 1 to 100 spectra with a knee
    take a third to a half of the time.

    References
    ----------
    .. [1] Moré, J. J. (1978). The Levenberg-Marquardt algorithm: implementation and theory. In
       Numerical Analysis, Lecture Notes in Mathematics 630, 105-116.
       https://doi.org/10.1007/BFb0067700

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([1.0, 2.0, 3.0])
    >>> target = np.exp(np.array([[0.5], [-1.0]]) * points)
    >>> def evaluate(x, problems):
    ...     model = np.exp(x * points)
    ...     return model - target[problems], (model * points)[:, np.newaxis]
    >>> x, converged = least_squares_lm(evaluate, np.zeros((2, 1)))
    >>> x.round(4).ravel(), converged
    (array([ 0.5, -1. ]), array([ True,  True]))
    """
    start = np.asarray(start, dtype=np.float64)
    x = start.copy()
    zero = np.zeros(len(x))
    state = Batch(
        x=x,
        scale=np.zeros_like(x),
        radius=zero + np.nan,
        damping=zero.copy(),
        nfev=zero.copy(),
    )

    def prepare(batch: Batch, problems: IntArray) -> None:
        batch.norm, batch.triangle, batch.target = _linearize(evaluate, batch.x, problems)
        batch.is_new = np.isnan(batch.radius)
        columns = np.linalg.norm(batch.triangle, axis=1)
        batch.update(batch.is_new, scale=np.where(columns == 0, 1.0, columns))
        norm = 100 * row_norms(batch.scale * batch.x)
        batch.update(batch.is_new, radius=np.where(norm == 0, 100.0, norm))

    def iterate(batch: Batch, problems: IntArray) -> BoolArray:
        return _iterate(batch, problems, evaluate, tol)

    def solve_rest(problems: IntArray) -> tuple[FloatArray, BoolArray]:
        return _solve_with_minpack(evaluate, start[problems], problems, tol, max_nfev)

    return solve_in_batches(
        state,
        prepare,
        iterate,
        n_params=np.full(len(x), x.shape[1]),
        max_nfev=max_nfev,
        batch_size=batch_size,
        min_batch_size=min_batch_size,
        solve_rest=solve_rest,
    )


def _solve_with_minpack(
    evaluate: Evaluate, start: FloatArray, problems: IntArray, tol: float, max_nfev: int
) -> tuple[FloatArray, BoolArray]:
    """Solve problems one by one with MINPACK."""
    x, converged = np.empty_like(start), np.empty(len(start), dtype=bool)
    max_steps = max(max_nfev // (1 + x.shape[1]), 1)
    for row, first in enumerate(start):
        problem = problems[[row]]

        @lru_cache(maxsize=1)  # MINPACK asks for residuals, then for derivatives at the same point
        def at(point: bytes, problem: IntArray = problem) -> tuple[FloatArray, FloatArray]:
            residual, jacobian = evaluate(np.frombuffer(point)[np.newaxis], problem)
            return residual[0], jacobian[0]

        x[row], _, _, _, status = leastsq(
            lambda p, at=at: at(p.tobytes())[0],
            first,
            Dfun=lambda p, at=at: at(p.tobytes())[1],
            col_deriv=True,
            full_output=True,
            ftol=tol,
            xtol=tol,
            maxfev=max_steps,
        )
        converged[row] = status in (1, 2, 3, 4)
    return x, converged


def _iterate(batch: Batch, problems: IntArray, evaluate: Evaluate, tol: float) -> BoolArray:
    """Try one step of each problem, and return which have converged."""
    step = _trust_region_step(batch)
    x = batch.x - step
    step_norm = row_norms(batch.scale * step)
    batch.radius = np.where(batch.is_new, np.minimum(batch.radius, step_norm), batch.radius)
    norm, triangle, target = _linearize(evaluate, x, problems)

    actual = np.where(0.1 * norm < batch.norm, 1 - (norm / batch.norm) ** 2, -1.0)
    linear = (row_norms(np.matvec(batch.triangle, step)) / batch.norm) ** 2
    damped = batch.damping * (step_norm / batch.norm) ** 2
    predicted, slope = linear + 2 * damped, -(linear + damped)
    ratio = np.where(predicted == 0, 0.0, actual / predicted)
    _update_radius(batch, ratio, actual, slope, step_norm, norm)
    better = ratio >= 1e-4
    batch.nfev += np.where(better, 1 + x.shape[1], 1)
    batch.is_new &= ~better
    batch.update(better, x=x, norm=norm, triangle=triangle, target=target)
    batch.scale = np.maximum(batch.scale, np.linalg.norm(batch.triangle, axis=1))
    converged: BoolArray = (np.abs(actual) <= tol) & (predicted <= tol) & (ratio <= 2)
    converged |= batch.radius <= tol * row_norms(batch.scale * batch.x)
    converged |= batch.norm == 0
    return converged


def _linearize(
    evaluate: Evaluate, x: FloatArray, problems: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return norms of the residuals, and R and Q'r of the Jacobians' QR decompositions."""
    norms, triangles, targets = [], [], []
    for first in range(0, len(x), CACHE_PROBLEMS):
        part = slice(first, first + CACHE_PROBLEMS)
        residual, jacobian = evaluate(x[part], problems[part])
        triangle, target = _qr(residual, jacobian)
        norms.append(row_norms(residual))
        triangles.append(triangle)
        targets.append(target)
    return np.concatenate(norms), np.concatenate(triangles), np.concatenate(targets)


def _update_radius(
    batch: Batch,
    ratio: FloatArray,
    actual: FloatArray,
    slope: FloatArray,
    step_norm: FloatArray,
    norm: FloatArray,
) -> None:
    """Shrink or extend the trust region by the ratio of actual to predicted reduction."""
    shrink = np.where(actual >= 0, 0.5, 0.5 * slope / (slope + 0.5 * actual))
    shrink = np.where((0.1 * norm >= batch.norm) | (shrink < 0.1), 0.1, shrink)
    poor = ratio <= 0.25
    good = ~poor & ((batch.damping == 0) | (ratio >= 0.75))
    smaller = shrink * np.minimum(batch.radius, 10 * step_norm)
    batch.radius = np.where(poor, smaller, np.where(good, 2 * step_norm, batch.radius))
    factor = np.where(good, 0.5, 1.0)
    batch.damping = np.where(poor, batch.damping / shrink, factor * batch.damping)


def _trust_region_step(batch: Batch) -> FloatArray:
    """Return the Gauss-Newton step, damped where it is longer than the radius."""
    step = _solve_upper(batch.triangle, batch.target)
    too_long = row_norms(batch.scale * step) > (1 + RADIUS_TOLERANCE) * batch.radius
    long = np.flatnonzero(too_long)
    guess, batch.damping = batch.damping, np.zeros_like(batch.damping)
    if len(long):
        part = [batch.triangle, batch.target, batch.scale, batch.radius, step, guess]
        step[long], batch.damping[long] = _find_damping(*(values[long] for values in part))
    return step


def _find_damping(
    triangle: FloatArray,
    target: FloatArray,
    scale: FloatArray,
    radius: FloatArray,
    step: FloatArray,
    guess: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Find the damping for which steps have the length of the radius (MINPACK's ``lmpar``)."""
    norm, lower = _norm_and_correction(triangle, scale, radius, step)
    gradient_norm = row_norms(np.matvec(triangle.mT, target) / scale)
    upper = gradient_norm / radius
    damping = np.clip(guess, lower, upper)
    damping = np.where(damping > 0, damping, gradient_norm / norm)
    below = np.zeros_like(triangle)
    extended = np.concatenate([target, np.zeros_like(target)], axis=1)
    for _ in range(MAX_DAMPING_ITERATIONS):
        diagonal_view(below)[:] = np.sqrt(damping)[:, np.newaxis] * scale
        stacked = np.concatenate([triangle, below], axis=1).mT
        damped, right = _qr(extended, stacked)
        step = _solve_upper(damped, right)
        norm, correction = _norm_and_correction(damped, scale, radius, step)
        off = np.abs(norm - radius) > RADIUS_TOLERANCE * radius
        if not off.any():
            break
        lower = np.where(norm > radius, np.maximum(lower, damping), lower)
        upper = np.where(norm < radius, np.minimum(upper, damping), upper)
        damping = np.where(off, np.maximum(lower, damping + correction), damping)
    return step, damping


def _norm_and_correction(
    triangle: FloatArray, scale: FloatArray, radius: FloatArray, step: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the norm of a step, and the Newton correction of the damping towards the radius."""
    norm = row_norms(scale * step)
    slope = _solve_upper_transposed(triangle, scale**2 * step / norm[:, np.newaxis])
    correction = (norm / radius - 1) / np.vecdot(slope, slope)
    return norm, np.where(np.isfinite(correction), correction, 0.0)


def _qr(residual: FloatArray, jacobian: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return R and Q'r of the QR decompositions of Jacobians (n_rows, n_params, n_points).

    By modified Gram-Schmidt with the residual as the last column, which does not depend on the
    scale of the columns.
    """
    columns = np.concatenate([jacobian, residual[:, np.newaxis]], axis=1)
    n_params = jacobian.shape[1]
    triangle = np.zeros((len(columns), n_params, n_params + 1))
    for k in range(n_params):
        norm = row_norms(columns[:, k])
        direction = columns[:, k] / np.where(norm == 0, 1.0, norm)[:, np.newaxis]
        triangle[:, k, k] = norm
        projection = np.matvec(columns[:, k + 1 :], direction)
        triangle[:, k, k + 1 :] = projection
        columns[:, k + 1 :] -= projection[..., np.newaxis] * direction[:, np.newaxis]
    return triangle[:, :, :-1], triangle[:, :, -1]


def _solve_upper(triangle: FloatArray, right: FloatArray) -> FloatArray:
    """Solve R x = right by back substitution; 0 for a parameter without effect."""
    x = np.zeros_like(right)
    for k in reversed(range(right.shape[1])):
        rest = right[:, k] - np.vecdot(triangle[:, k, k + 1 :], x[:, k + 1 :])
        x[:, k] = np.where(triangle[:, k, k] == 0, 0.0, rest / triangle[:, k, k])
    return x


def _solve_upper_transposed(triangle: FloatArray, right: FloatArray) -> FloatArray:
    """Solve R' x = right by forward substitution; 0 for a parameter without effect."""
    x = np.zeros_like(right)
    for k in range(right.shape[1]):
        rest = right[:, k] - np.vecdot(triangle[:, :k, k], x[:, :k])
        x[:, k] = np.where(triangle[:, k, k] == 0, 0.0, rest / triangle[:, k, k])
    return x
