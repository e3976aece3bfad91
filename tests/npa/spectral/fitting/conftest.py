"""Small least-squares problems for the solvers."""

import numpy as np
import pytest


@pytest.fixture
def decay():
    """Return a function: exponential decays (n_rows, n_points) and their derivatives."""

    def evaluate(x, points):
        fall = np.exp(-x[:, 1:] * points)
        return x[:, :1] * fall, np.stack([fall, -x[:, :1] * points * fall], axis=1)

    return evaluate


@pytest.fixture
def decays(decay):
    """Return the points, 30 noisy decays, and initial parameters."""
    rng = np.random.default_rng(5)
    points = np.linspace(0, 3, 20)
    truth = np.stack([rng.uniform(1, 5, 30), rng.uniform(0.3, 3, 30)], axis=1)
    target = decay(truth, points)[0] + rng.normal(scale=0.05, size=(30, 20))
    return points, target, np.ones((30, 2))
