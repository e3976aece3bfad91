"""The movie reviews as a network reads them, and control inputs without their word order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npa.typing import AnyArray, FloatArray, IntArray, PathLike
from npa_ann.corpora import PAD, UNKNOWN, build_vocabulary, encode, read_imdb, split_indices


@dataclass(frozen=True)
class Reviews:
    """Tokenized reviews with their labels and split.

    Parameters
    ----------
    tokens : array of int32, shape (n_reviews, length)
        Word indices, padded with 0 in front.
    n_words : array of int, shape (n_reviews,)
        Number of words of each whole review.
    labels : array of int, shape (n_reviews,)
        1 for a positive review, 0 for a negative one.
    train, test : array of int
        Rows of the two parts.
    vocabulary : tuple of str
        Words by index.
    width_step : int, default 50
        A network reads a review padded to the next multiple of this many words, so that short
        reviews cost less and are not mostly padding. The width depends on the review alone, never
        on its batch.
    """

    tokens: AnyArray
    n_words: IntArray
    labels: IntArray
    train: IntArray
    test: IntArray
    vocabulary: tuple[str, ...]
    width_step: int = 50

    @property
    def length(self) -> int:
        """Maximum number of words read of a review."""
        return int(self.tokens.shape[1])

    @property
    def widths(self) -> IntArray:
        """Number of words that the network reads of each review, padding included."""
        return np.minimum(-(-self.n_words // self.width_step) * self.width_step, self.length)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of vocabulary, tokens, labels and split."""
        digest = hashlib.sha256("\n".join(self.vocabulary).encode())
        for array in (self.tokens, self.labels, self.train, self.test):
            digest.update(np.ascontiguousarray(array, dtype=np.int32).tobytes())
        return digest.hexdigest()

    def long_rows(self) -> IntArray:
        """Rows of the test reviews that fill the whole length without padding."""
        return self.test[self.n_words[self.test] >= self.length]


def load_reviews(
    path: PathLike | None = None,
    *,
    vocabulary: int = 4000,
    length: int = 500,
    width_step: int = 50,
    test_size: int | float = 0.3,
    random_state: int = 0,
    words: Sequence[str] | None = None,
) -> Reviews:
    """Read (`read_imdb`), split (`split_indices`) and tokenize the movie reviews.

    Known are the ``vocabulary`` most frequent words of the training reviews, or the given
    ``words``, those from index 2 on; ``length`` words are read of each review.

    >>> load_reviews().tokens.shape  # doctest: +SKIP
    (50000, 500)
    """
    texts, labels = read_imdb(path)
    train, test = split_indices(labels, test_size, random_state)
    if words is None:
        words = build_vocabulary((texts[row] for row in train), vocabulary)
    else:
        words = [PAD, UNKNOWN, *words]
    tokens, n_words = encode(texts, words, length)
    return Reviews(tokens, n_words, labels, train, test, tuple(words), width_step)


def control_tokens(
    reviews: Reviews, rows: IntArray, rng: np.random.Generator
) -> dict[str, AnyArray]:
    """Shuffle the words of each review, and draw random words by their frequency in training.

    >>> tokens, row = np.array([[2, 3, 4], [2, 2, 2]]), np.array([0])
    >>> reviews = Reviews(tokens, np.array([3, 3]), np.array([0, 1]), row + 1, row, tuple("_?abc"))
    >>> controls = control_tokens(reviews, row, np.random.default_rng(0))
    >>> sorted(controls["shuffled"][0].tolist()), controls["random"].tolist()
    ([2, 3, 4], [[2, 2, 2]])
    """
    tokens, seen = reviews.tokens[rows], reviews.tokens[reviews.train]
    counts = np.bincount(seen[seen > 0], minlength=len(reviews.vocabulary))
    drawn = rng.choice(len(counts), size=tokens.shape, p=counts / counts.sum())
    return {"shuffled": rng.permuted(tokens, axis=1), "random": drawn.astype(np.int32)}


def randomize_phases(vectors: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Randomize the Fourier phases of embedded reviews ``(n, time, features)``.

    Power spectra, means and correlations between features stay the same: the same random phases are
    added to all features of a review.

    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(2, 50, 3))
    >>> surrogates = randomize_phases(vectors, rng)
    >>> power = [np.abs(np.fft.rfft(x, axis=1)) for x in (vectors, surrogates)]
    >>> np.allclose(*power), np.allclose(vectors, surrogates)
    (True, False)
    """
    n, time, _ = vectors.shape
    spectra = np.fft.rfft(vectors, axis=1)
    rotation = np.exp(2j * np.pi * rng.random((n, spectra.shape[1], 1)))
    rotation[:, 0] = 1
    if time % 2 == 0:
        rotation[:, -1] = 1
    return np.fft.irfft(spectra * rotation, n=time, axis=1).astype(vectors.dtype)
