"""What the 1/f study measures on one network."""

import numpy as np
import pytest

from npa_ann.recording.gates import lstm_gates
from npa_ann.studies.listening import (
    at_rest,
    of_peer,
    on_controls,
    relate_to_error,
    spectra_of_review,
    while_reading,
)
from npa_ann.studies.slopes import summed_slope


@pytest.fixture(scope="module")
def weights():
    """Weights of a small LSTM network."""
    rng = np.random.default_rng(1)
    shapes = (15, 3), (3, 20), (5, 20), (20,), (5, 1), (1,)
    return [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]


def test_reading_measures_what_the_layer_does(reviews, weights):
    tokens = reviews.tokens[reviews.long_rows()]
    slopes = while_reading(weights, tokens)["as the paper"]
    vectors = weights[0][tokens]
    h = lstm_gates(weights[1:4], vectors)["h"]
    np.testing.assert_allclose(slopes["h"], summed_slope(np.moveaxis(h, -1, 1)), rtol=1e-6)
    np.testing.assert_allclose(slopes["x"], summed_slope(np.moveaxis(vectors, -1, 1)), rtol=1e-6)


def test_a_network_at_rest_settles(weights):
    rest = at_rest(weights, 500)
    assert rest["movement"]["h"] < 1e-6
    assert rest["as the paper"]["h"] < -0.5
    assert np.isfinite(rest["settled"]["h"]).all()


def test_controls_are_measured_on_the_same_reviews(reviews, weights):
    rows = reviews.long_rows()
    slopes = on_controls(weights, reviews, rows, np.random.default_rng(0))
    plain = while_reading(weights, reviews.tokens[rows])["as the paper"]
    np.testing.assert_array_equal(slopes["reviews"]["h"], plain["h"])
    np.testing.assert_allclose(slopes["phases"]["x"], plain["x"], atol=1e-3)
    for name in ("shuffled", "random"):
        assert slopes[name]["h"].shape == plain["h"].shape
        assert abs(slopes[name]["x"].mean()) < 0.15
        assert (slopes[name]["h"] != plain["h"]).all()


def test_a_peer_is_read_by_its_own_gates(reviews):
    rng = np.random.default_rng(2)
    tokens = reviews.tokens[reviews.long_rows()[:3]]
    adding = [rng.normal(size=(15, 3)), np.eye(3), 0.99 * np.eye(3), np.zeros(3)]
    adding[1] = 1e-3 * adding[1]
    ends = [np.zeros((3, 1)), np.zeros(1)]
    assert (of_peer("simple_rnn", [*adding, *ends], tokens) < -1).all()


def test_the_slope_that_knows_the_error_is_found():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 500)
    confidence = rng.uniform(0.01, 0.99, 500)
    praise = np.where(labels == 1, confidence, 1 - confidence)
    relation = relate_to_error(-confidence, praise, labels)
    np.testing.assert_allclose([relation["rho"], relation["auc"]], 1.0)
    assert relation["errors"] == (confidence < 0.5).sum()
    chance = relate_to_error(rng.normal(size=500), praise, labels)
    assert abs(chance["rho"]) < 0.15
    assert abs(chance["auc"] - 0.5) < 0.1
    all_right = np.where(labels == 1, 0.5 + confidence / 2, 0.5 - confidence / 2)
    assert relate_to_error(-confidence, all_right, labels)["auc"] is None


def test_figure_3_has_both_spectra(reviews, weights):
    tokens = reviews.tokens[reviews.long_rows()[0]]
    spectra = spectra_of_review(weights, tokens)
    slopes = while_reading(weights, tokens[np.newaxis])["as the paper"]
    for name in ("h", "x"):
        assert spectra[name].shape == spectra["freqs"].shape == (30,)
        np.testing.assert_allclose(spectra[f"{name}_line"][0], slopes[name][0], rtol=1e-5)
