"""The ICA says where its mixing matrix is unstable."""

import warnings

import numpy as np
import pytest

from npa.estimators.ica import fit_ica


@pytest.mark.parametrize(("ratio", "unstable"), [(0.8e-6, True), (1.2e-6, False)])
def test_next_to_no_variance_is_warned_of(ratio, unstable):
    values = np.random.default_rng(0).laplace(size=(3, 5000))
    values -= values.mean(axis=1, keepdims=True)
    sources = np.linalg.qr(values.T)[0].T
    # Principal components of variances 1, 0.5 and this ratio.
    data = np.linalg.qr(values[:, :3])[0] @ (np.sqrt([[1.0], [0.5], [ratio]]) * sources)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = fit_ica(data, 100.0, n_components=3, method="picard", random_state=0)
    assert filters.shape == (3, 3)
    messages = [str(each.message) for each in caught]
    assert any("Give n_components of at most 2" in message for message in messages) == unstable
