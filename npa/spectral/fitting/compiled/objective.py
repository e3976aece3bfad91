"""Compiled model of one spectrum, its objective, and their derivatives.

The parameters are those of the background, ``n_background`` of them (0: none; 2: level and exponent
chi; 3: level, exponent, and the natural logarithm of the knee's frequency g; 4: these, and log10 of
a flat noise floor that is added), then centre c, height h and standard deviation s of each peak.
The model of log10 power is the background plus ``sum(h exp(-(f-c)^2/2s^2))``. With all frequencies
relative to one, the background is ``level - chi log10(f)``; with a knee,
``level - log10((g**chi + f**chi) / (g**chi + 1))``.

The objective is half the weighted sum of squared residuals of log10 power; or, with
``likelihood``, the negative log-likelihood of averages of w independent periodograms with respect
to that of a perfect fit: the sum of ``w (d - 1 - ln d)``, with d the ratio of measured to modelled
power and w the weight.
"""

import math

import numpy as np

from npa.spectral.fitting.compiled.decorators import compiled, inlined
from npa.spectral.fitting.compiled.functions import dot, exp, log
from npa.typing import FloatArray, IntArray

Data = tuple[FloatArray, FloatArray, FloatArray, FloatArray, int, bool]

MAX_SDS = 8.0  # a Gaussian is taken for 0 beyond, where it is 1e-14 of its height
MIN_SD = 1e-9  # Hz
MAX_LOG_RATIO = 50.0  # of power to model, so that its exponential is finite
LN10 = math.log(10)


@compiled
def evaluate(
    x: FloatArray, data: Data, residual: FloatArray, jacobian: FloatArray, support: IntArray
) -> float:
    """Evaluate the objective, its residuals, and their derivatives.

    Parameters
    ----------
    x : array, shape (n_params,)
        The parameters.
    data : tuple
        ``freqs, log_freqs, target, weight, n_background, likelihood``, as for `fit_model`.
    residual : array, shape (n_freqs,)
        Is set such that the gradient of the objective is the Jacobian times it.
    jacobian : array, shape (n_params, n_freqs)
        Is set such that the Gauss-Newton matrix (with the likelihood, the Fisher information) is
        the Jacobian times its transpose.
    support : array of int, shape (n_params, 2)
        Is set to the first bin of each parameter's derivative that is not 0, and one past the last.

    Returns
    -------
    cost : float
        The objective.
    """
    freqs, log_freqs, target, weight, n_background, likelihood = data
    n_freqs = freqs.size
    for i in range(n_freqs):
        residual[i] = -target[i]
    support[:n_background, 0], support[:n_background, 1] = 0, n_freqs
    if n_background > 0:
        for i in range(n_freqs):
            residual[i] += x[0] - x[1] / LN10 * log_freqs[i]
            jacobian[0, i] = 1.0
            jacobian[1, i] = -log_freqs[i] / LN10
    if n_background >= 3:
        _bend(x[1], x[2], log_freqs, residual, jacobian)
    if n_background == 4:
        _add_floor(x[3], target, residual, jacobian)
    bin_width = (freqs[-1] - freqs[0]) / (n_freqs - 1)
    for k in range(n_background, x.size, 3):
        centre, height, sd = x[k], x[k + 1], max(x[k + 2], MIN_SD)
        low = (centre - MAX_SDS * sd - freqs[0]) / bin_width
        high = (centre + MAX_SDS * sd - freqs[0]) / bin_width
        first = int(min(max(low, 0.0), n_freqs))
        last = int(min(max(high + 2, 0.0), n_freqs))
        support[k : k + 3, 0], support[k : k + 3, 1] = first, last
        # Slices from 0 are what loops can vectorize.
        near, own = freqs[first:last], residual[first:last]
        by_centre, by_height = jacobian[k, first:last], jacobian[k + 1, first:last]
        by_sd = jacobian[k + 2, first:last]
        inverse = 1 / sd
        for i in range(near.size):
            distance = (near[i] - centre) * inverse
            by_height[i] = exp(-0.5 * distance * distance)
        slope = height * inverse
        for i in range(near.size):
            by_centre[i] = slope * (near[i] - centre) * inverse * by_height[i]
        for i in range(near.size):
            by_sd[i] = by_centre[i] * (near[i] - centre) * inverse
        for i in range(near.size):
            own[i] += height * by_height[i]
    if weight.size == 0 and not likelihood:
        cost = 0.0
        for i in range(n_freqs):
            cost += residual[i] * residual[i]
        return 0.5 * cost
    return _weigh(x, data, residual, jacobian, support)


@compiled
def _bend(
    exponent: float,
    log_knee: float,
    log_freqs: FloatArray,
    residual: FloatArray,
    jacobian: FloatArray,
) -> None:
    """Add what a knee changes of a straight background."""
    at_level = exp(-exponent * log_knee)
    share_at_level = at_level / (1 + at_level)  # of f**chi in the sum with the knee
    for i in range(log_freqs.size):
        above = log_freqs[i] - log_knee
        knee_ratio = exp(-exponent * above)
        share = 1 / (1 + knee_ratio)
        # log(1 + exp(a)) - a = log(1 + exp(-a))
        fall = log(1 + knee_ratio) - log(1 + at_level) - exponent * log_knee
        residual[i] -= fall / LN10
        slope = share * above + share_at_level * log_knee
        jacobian[1, i] = -slope / LN10
        jacobian[2, i] = exponent / LN10 * (share - share_at_level)


@compiled
def _add_floor(
    floor: float, target: FloatArray, residual: FloatArray, jacobian: FloatArray
) -> None:
    """Add a flat noise floor to a background."""
    for i in range(target.size):
        ratio = exp(min(LN10 * (floor - residual[i] - target[i]), MAX_LOG_RATIO))
        share = 1 / (1 + ratio)  # of the background in the sum with the floor
        residual[i] += log(1 + ratio) / LN10
        jacobian[0, i] *= share
        jacobian[1, i] *= share
        jacobian[2, i] *= share
        jacobian[3, i] = 1 - share


@inlined
def _weigh(
    x: FloatArray, data: Data, residual: FloatArray, jacobian: FloatArray, support: IntArray
) -> float:
    """Make residuals and Jacobian those of the weighted objective, and return it."""
    _, _, _, weight, _, likelihood = data
    scale = LN10 if likelihood else 1.0
    root = np.full(residual.size, 1.0) if weight.size == 0 else np.sqrt(weight)
    cost = 0.0
    for i in range(residual.size):
        if likelihood:
            log_ratio = -LN10 * residual[i]  # of measured to modelled power
            excess = exp(min(log_ratio, MAX_LOG_RATIO)) - 1
            cost += root[i] * root[i] * (excess - log_ratio)
            residual[i] = -root[i] * excess
        else:
            residual[i] *= root[i]
            cost += 0.5 * residual[i] * residual[i]
    for k in range(x.size):
        for i in range(support[k, 0], support[k, 1]):
            jacobian[k, i] *= scale * root[i]
    return cost


@compiled
def linearize(
    residual: FloatArray,
    jacobian: FloatArray,
    support: IntArray,
    n_background: int,
    gradient: FloatArray,
    normal: FloatArray,
) -> None:
    """Set the gradient of the objective, and its Gauss-Newton matrix.

    Parameters
    ----------
    residual, jacobian, support : array
        As `evaluate` sets them.
    n_background : int
        Number of parameters of the background.
    gradient : array, shape (n_params,)
        Is set to the gradient.
    normal : array, shape (n_params, n_params)
        Is set to the matrix.
    """
    n_params = gradient.size
    for j in range(n_background):
        gradient[j] = dot(jacobian[j], residual)
        for k in range(j, n_params):
            first, last = support[k]
            normal[j, k] = dot(jacobian[j, first:last], jacobian[k, first:last])
            normal[k, j] = normal[j, k]
    for j in range(n_background, n_params, 3):
        for k in range(j, n_params, 3):
            _multiply_peaks(jacobian, support, j, k, normal)
        _multiply_residual(jacobian, residual, support, j, gradient)


@compiled
def _multiply_peaks(
    jacobian: FloatArray, support: IntArray, j: int, k: int, normal: FloatArray
) -> None:
    """Set the elements of the Gauss-Newton matrix for two peaks, each number read once."""
    cc, ch, cs, hc, hh, hs, sc, sh, ss = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    first, last = max(support[j, 0], support[k, 0]), min(support[j, 1], support[k, 1])
    one, other = jacobian[j : j + 3, first:last], jacobian[k : k + 3, first:last]
    for i in range(last - first):
        by_c, by_h, by_s = one[0, i], one[1, i], one[2, i]
        other_c, other_h, other_s = other[0, i], other[1, i], other[2, i]
        cc += by_c * other_c
        ch += by_c * other_h
        cs += by_c * other_s
        hc += by_h * other_c
        hh += by_h * other_h
        hs += by_h * other_s
        sc += by_s * other_c
        sh += by_s * other_h
        ss += by_s * other_s
    rows = ((cc, ch, cs), (hc, hh, hs), (sc, sh, ss))
    for a in range(3):
        for b in range(3):
            normal[j + a, k + b] = rows[a][b]
            normal[k + b, j + a] = rows[a][b]


@compiled
def _multiply_residual(
    jacobian: FloatArray, residual: FloatArray, support: IntArray, k: int, gradient: FloatArray
) -> None:
    """Set the elements of the gradient for one peak."""
    first, last = support[k, 0], support[k, 1]
    own, rest = jacobian[k : k + 3, first:last], residual[first:last]
    by_c, by_h, by_s = 0.0, 0.0, 0.0
    for i in range(last - first):
        by_c += own[0, i] * rest[i]
        by_h += own[1, i] * rest[i]
        by_s += own[2, i] * rest[i]
    gradient[k], gradient[k + 1], gradient[k + 2] = by_c, by_h, by_s
