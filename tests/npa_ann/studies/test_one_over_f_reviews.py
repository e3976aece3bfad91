"""Tokenized reviews and the control inputs drawn from them."""

import numpy as np
import pytest
from made_up_reviews import NEGATIVE, NEUTRAL, POSITIVE, write_reviews

from npa_ann.studies.one_over_f.reviews import (
    Reviews,
    control_tokens,
    load_reviews,
    randomize_phases,
)


def test_corpus_is_split_and_tokenized(reviews):
    assert reviews.tokens.shape == (200, 60)
    assert (len(reviews.train), len(reviews.test)) == (140, 60)
    assert set(reviews.vocabulary) < {"", "[UNK]", *POSITIVE, *NEGATIVE, *NEUTRAL}
    assert len(reviews.vocabulary) == 15
    assert (reviews.tokens == 1).any()
    assert set(reviews.widths) == {30, 60}
    assert (reviews.widths >= np.minimum(reviews.n_words, 60)).all()
    rows = reviews.long_rows()
    assert 0 < len(rows) < 60
    assert (reviews.tokens[rows] > 0).all()
    assert set(rows) <= set(reviews.test)


def test_fingerprint_changes_with_content(reviews):
    def changed(**fields):
        return Reviews(**{**vars(reviews), **fields}).fingerprint

    assert changed() == reviews.fingerprint
    others = {
        changed(labels=1 - reviews.labels),
        changed(tokens=reviews.tokens[:, ::-1]),
        changed(test=reviews.test[1:]),
        changed(vocabulary=(*reviews.vocabulary[:-1], "other")),
    }
    assert len(others | {reviews.fingerprint}) == 5


def test_controls_keep_words_or_their_frequencies(reviews):
    rows = reviews.long_rows()
    controls = control_tokens(reviews, rows, np.random.default_rng(1))
    tokens = reviews.tokens[rows]
    assert (controls["shuffled"] != tokens).any()
    np.testing.assert_array_equal(np.sort(controls["shuffled"], axis=1), np.sort(tokens, axis=1))
    drawn = controls["random"]
    assert drawn.shape == tokens.shape
    assert (drawn > 0).all()
    share = np.bincount(drawn.ravel(), minlength=15)[2] / drawn.size
    seen = reviews.tokens[reviews.train]
    np.testing.assert_allclose(share, (seen == 2).sum() / (seen > 0).sum(), atol=0.05)


def test_given_words_index_the_reviews(reviews, tmp_path):
    folder = write_reviews(tmp_path)
    again = load_reviews(folder, words=reviews.vocabulary[2:], length=60, width_step=30)
    assert again.fingerprint == reviews.fingerprint
    fewer = load_reviews(folder, words=["film"], length=60, width_step=30)
    assert fewer.vocabulary == ("", "[UNK]", "film")
    assert fewer.tokens.max() == 2


@pytest.mark.parametrize("time", [50, 51])
def test_surrogates_keep_spectra_means_and_correlations(time):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4, time, 3)) + [1, 2, 3]
    surrogates = randomize_phases(vectors, rng)
    assert np.abs(surrogates - vectors).mean() > 0.5
    np.testing.assert_allclose(surrogates.mean(axis=1), vectors.mean(axis=1), rtol=1e-9)
    for one, other in zip(vectors, surrogates, strict=True):
        np.testing.assert_allclose(np.cov(one.T), np.cov(other.T), rtol=1e-9)
