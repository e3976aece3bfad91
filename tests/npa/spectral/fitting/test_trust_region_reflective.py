import numpy as np
from scipy.optimize import least_squares

from npa.spectral.fitting.trust_region_reflective import least_squares_trf


def test_trust_region_reflective_equals_scipy(decay, decays):
    points, target, start = decays
    lower, upper = np.full((30, 2), 0.5), np.full((30, 2), 2.0)

    def evaluate(x, rows):
        value, slopes = decay(x, points)
        residual = value - target[rows]
        cost = 0.5 * np.vecdot(residual, residual)
        return cost, np.matvec(slopes, residual), slopes @ slopes.mT

    n_params = np.full(30, 2)
    x, converged = least_squares_trf(evaluate, start, lower, upper, n_params, batch_size=8)
    assert converged.all()
    assert ((x > lower) & (x < upper)).all()
    for ours, row, first in zip(x, target, start, strict=True):
        theirs = least_squares(
            lambda p, row=row: decay(p[np.newaxis], points)[0][0] - row, first, bounds=(0.5, 2)
        ).x
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    assert not least_squares_trf(evaluate, start, lower, upper, n_params, max_nfev=2)[1].any()
