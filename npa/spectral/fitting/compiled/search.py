"""Compiled search for the number of peaks, one spectrum after the other."""

import math
from collections.abc import Callable

import numpy as np

from npa.spectral.fitting.compiled import functions, objective, trust_region
from npa.spectral.fitting.compiled.decorators import compiled, compiled_entry, sources_stamp
from npa.spectral.fitting.compiled.functions import dot
from npa.spectral.fitting.compiled.objective import evaluate
from npa.spectral.fitting.compiled.trust_region import fit_model
from npa.spectral.fitting.joint import MAX_NFEV
from npa.spectral.fitting.selection import MIN_START_HEIGHT, PATIENCE
from npa.typing import BoolArray, FloatArray, IntArray

LN10 = math.log(10)

Templates = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
Penalty = tuple[bool, bool, float, float]


def _make_search_rows(stamp: int) -> Callable[..., None]:
    @compiled_entry
    def search_rows(
        freqs: FloatArray,
        log_power: FloatArray,
        starts: FloatArray,
        likelihood: bool,
        bounds: FloatArray,
        templates: Templates,
        penalty: Penalty,
        scale: FloatArray,
        max_n_peaks: int,
        min_height: float,
        x: FloatArray,
        n_peaks: IntArray,
        scores: FloatArray,
        converged: BoolArray,
    ) -> None:
        """Set parameters, number of peaks, loss and criterion, and convergence of every row.

        ``starts`` are backgrounds (n_starts, n_rows, n_background); ``bounds`` those of the
        background and of a peak, (2, n_background + 3); ``templates`` centres, widths, norms and
        curves of peaks to try; ``penalty`` whether the criterion is Bayesian, whether degrees of
        freedom are known, the number of independent frequencies, and the variance added where they
        are not; ``scale`` the factor of the loss in the deviance of every row.
        """
        _ = stamp
        log_freqs = np.log(freqs) - 0.5 * (math.log(freqs[0]) + math.log(freqs[-1]))
        for row in range(len(log_power)):
            _search(
                freqs,
                log_freqs,
                log_power[row],
                starts[:, row],
                likelihood,
                bounds,
                templates,
                penalty,
                scale[row],
                max_n_peaks,
                min_height,
                x[row],
                n_peaks[row : row + 1],
                scores[row],
                converged[row : row + 1],
            )

    return search_rows


@compiled
def _search(
    freqs: FloatArray,
    log_freqs: FloatArray,
    target: FloatArray,
    starts: FloatArray,
    likelihood: bool,
    bounds: FloatArray,
    templates: Templates,
    penalty: Penalty,
    scale: float,
    max_n_peaks: int,
    min_height: float,
    best: FloatArray,
    n_peaks: IntArray,
    scores: FloatArray,
    converged: BoolArray,
) -> None:
    """Add one peak after the other to a spectrum; keep the best model."""
    n_background = starts.shape[1]
    size = n_background + 3 * max_n_peaks
    x, trial = np.zeros(size), np.zeros(n_background)
    lower, upper = np.empty(size), np.empty(size)
    for k in range(size):
        j = k if k < n_background else n_background + (k - n_background) % 3
        lower[k], upper[k] = bounds[0, j], bounds[1, j]
    no_weight = np.empty(0)
    unit = 1.0 if likelihood else LN10 * LN10  # of the loss
    scores[:] = np.inf
    best[:] = 0.0
    for start in starts:
        trial[:] = start
        done, loss = fit_model(
            trial,
            lower[:n_background],
            upper[:n_background],
            freqs,
            log_freqs,
            target,
            no_weight,
            n_background,
            likelihood,
            MAX_NFEV,
        )
        if unit * loss < scores[0]:
            x[:n_background] = trial
            scores[0], converged[0] = unit * loss, done
    scores[1] = _penalize(scores[0], n_background, penalty, scale, target.size)
    best[:n_background] = x[:n_background]
    n_peaks[0] = 0
    lowest, waiting = scores[1], 0  # also of models that are not allowed
    for number in range(1, max_n_peaks + 1):
        last = n_background + 3 * number
        _propose(x[: last - 3], freqs, log_freqs, target, n_background, templates, x[last - 3 :])
        done, loss = fit_model(
            x[:last],
            lower[:last],
            upper[:last],
            freqs,
            log_freqs,
            target,
            no_weight,
            n_background,
            likelihood,
            MAX_NFEV,
        )
        value = _penalize(unit * loss, last, penalty, scale, target.size)
        allowed = value < scores[1]
        for k in range(n_background, last, 3):
            inside = min(x[k] - freqs[0], freqs[-1] - x[k]) >= x[k + 2]
            allowed = allowed and inside and x[k + 1] >= min_height
        waiting = 0 if allowed or value < lowest else waiting + 1
        lowest = min(lowest, value)
        if allowed:
            best[:last] = x[:last]
            n_peaks[0], converged[0] = number, done
            scores[0], scores[1] = unit * loss, value
        if waiting == PATIENCE:
            break


@compiled
def _penalize(loss: float, n_params: int, penalty: Penalty, scale: float, n_freqs: int) -> float:
    """Return the criterion, as `npa.spectral.fitting.selection.Criterion`."""
    bayesian, known, n_independent, added_variance = penalty
    deviance = scale * loss
    if not known:
        n_params += 1
        deviance = scale * math.log(2 * loss / n_freqs + added_variance)
    if bayesian:
        return deviance + n_params * math.log(n_independent)
    rest = n_independent - n_params - 1
    return deviance + 2 * n_params * (1 + (n_params + 1) / rest) if rest > 0 else math.inf


@compiled
def _propose(
    x: FloatArray,
    freqs: FloatArray,
    log_freqs: FloatArray,
    target: FloatArray,
    n_background: int,
    templates: Templates,
    peak: FloatArray,
) -> None:
    """Set centre, height and width of the peak that reduces squared residuals most."""
    centre, sd, length, curves = templates
    residual, jacobian = np.empty(freqs.size), np.empty((x.size, freqs.size))
    support = np.empty((x.size, 2), np.int64)
    data = freqs, log_freqs, target, np.empty(0), n_background, False
    evaluate(x, data, residual, jacobian, support)
    best, highest = 0, -math.inf
    for k in range(centre.size):
        gain = -dot(curves[k], residual)
        if gain > highest:
            best, highest = k, gain
    peak[0], peak[2] = centre[best], sd[best]
    peak[1] = max(highest / length[best], MIN_START_HEIGHT)


search_rows = _make_search_rows(
    sources_stamp(__file__, functions.__file__, objective.__file__, trust_region.__file__)
)
