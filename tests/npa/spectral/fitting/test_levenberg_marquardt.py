import numpy as np
import pytest
from scipy.optimize import leastsq

from npa.spectral.fitting.levenberg_marquardt import least_squares_lm


@pytest.mark.parametrize("min_batch_size", [0, 24])
def test_levenberg_marquardt_equals_minpack(decay, decays, min_batch_size):
    points, target, start = decays

    def evaluate(x, rows):
        value, slopes = decay(x, points)
        return value - target[rows], slopes

    options = {"batch_size": 8, "min_batch_size": min_batch_size}
    x, converged = least_squares_lm(evaluate, start, **options)
    assert converged.all()
    for ours, row, first in zip(x, target, start, strict=True):
        theirs, _ = leastsq(lambda p, row=row: decay(p[np.newaxis], points)[0][0] - row, first)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert not least_squares_lm(evaluate, start, max_nfev=3, **options)[1].any()
