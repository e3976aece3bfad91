"""Movie reviews as a network reads them, and controls that break the order of their words."""

import hashlib
from dataclasses import dataclass

import numpy as np

from npa_ann.corpora import PAD, UNKNOWN, build_vocabulary, encode, read_imdb, split_indices


@dataclass(frozen=True)
class Reviews:
    """The corpus as a network reads it.

    Parameters
    ----------
    tokens : array of int32, shape (n_reviews, length)
        Word numbers, padded with 0 in front.
    n_words : array of int, shape (n_reviews,)
        Words of each whole review.
    labels : array of int, shape (n_reviews,)
        1 for praise, 0 for blame.
    train, test : array of int
        Row numbers of the two parts.
    vocabulary : tuple of str
        Words by number.
    width_step : int
        A network sees a review padded in front to the next multiple of this many words: short
        ones cost less time, and none is drowned in padding. The review's own length decides, so
        that its batch makes no difference.

    Examples
    --------
    >>> reviews = Reviews(
    ...     tokens=np.tile([[2, 2, 2], [3, 3, 3]], (20, 1)),
    ...     n_words=np.full(40, 3),
    ...     labels=np.tile([0, 1], 20),
    ...     train=np.arange(30),
    ...     test=np.arange(30, 40),
    ...     vocabulary=("", "[UNK]", "dull", "fine"),
    ... )
    >>> reviews.long_rows().tolist()
    [30, 31, 32, 33, 34, 35, 36, 37, 38, 39]
    """

    tokens: np.ndarray
    n_words: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray
    vocabulary: tuple
    width_step: int = 50

    @property
    def widths(self):
        """Words that the network sees of each review, padding included."""
        length = self.tokens.shape[1]
        return np.minimum(-(-self.n_words // self.width_step) * self.width_step, length)

    @property
    def fingerprint(self):
        """SHA-256 of words, numbers, labels and split."""
        digest = hashlib.sha256("\n".join(self.vocabulary).encode())
        for array in (self.tokens, self.labels, self.train, self.test):
            digest.update(np.ascontiguousarray(array, dtype=np.int32).tobytes())
        return digest.hexdigest()

    def long_rows(self):
        """Test reviews that fill the whole length without padding.

        Returns
        -------
        rows : array of int
            Their row numbers.
        """
        return self.test[self.n_words[self.test] >= self.tokens.shape[1]]


def load_reviews(
    path=None,
    *,
    vocabulary=4000,
    length=500,
    width_step=50,
    test_size=0.3,
    random_state=0,
    words=None,
):
    """Read the movie reviews, split them, and number the words of the training part.

    Parameters
    ----------
    path : path-like | None
        As in `npa_ann.corpora.read_imdb`.
    vocabulary : int
        Number of words known.
    length : int
        Number of words read of each review.
    width_step : int
        As in `Reviews`.
    test_size : int | float
        Number or share of test reviews; the default gives 15,000 of the 50,000.
    random_state : int
        Seed of the split.
    words : sequence of str | None
        The words known, from number 2 on, where a trained network prescribes them; then
        ``vocabulary`` is not used. None for the most frequent words of the training part.

    Returns
    -------
    reviews : Reviews
        The corpus.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for number in range(20):
    ...         name = f"neg/{number}_2.txt" if number % 2 else f"pos/{number}_9.txt"
    ...         file = Path(folder, "aclImdb", "train", name)
    ...         file.parent.mkdir(parents=True, exist_ok=True)
    ...         _ = file.write_text("Dull film." if number % 2 else "Fine film.")
    ...     reviews = load_reviews(folder, length=3)
    >>> reviews.vocabulary
    ('', '[UNK]', 'film', 'dull', 'fine')
    >>> len(reviews.train), len(reviews.test)
    (14, 6)
    """
    texts, labels = read_imdb(path)
    train, test = split_indices(labels, test_size, random_state)
    if words is None:
        words = build_vocabulary((texts[row] for row in train), vocabulary)
    else:
        words = [PAD, UNKNOWN, *words]
    tokens, n_words = encode(texts, words, length)
    return Reviews(tokens, n_words, labels, train, test, tuple(words), width_step)


def made_up_reviews(n_reviews=40, length=3):
    """Make reviews up, for examples that need some.

    Parameters
    ----------
    n_reviews : int
        How many; the last quarter are test reviews.
    length : int
        Words of each, drawn from a vocabulary of two.

    Returns
    -------
    reviews : Reviews
        Every other review praises, whatever its words.

    Examples
    --------
    >>> reviews = made_up_reviews(8)
    >>> reviews.tokens.shape, reviews.test.tolist(), reviews.vocabulary
    ((8, 3), [6, 7], ('', '[UNK]', 'dull', 'fine'))
    """
    tokens = np.random.default_rng(0).integers(2, 4, (n_reviews, length))
    train, test = np.split(np.arange(n_reviews), [3 * n_reviews // 4])
    words = (PAD, UNKNOWN, "dull", "fine")
    return Reviews(tokens, np.full(n_reviews, length), np.arange(n_reviews) % 2, train, test, words)


def draw_controls(reviews, rows, rng):
    """Make the inputs that share a review's words but not their order, or neither.

    Parameters
    ----------
    reviews : Reviews
        The corpus.
    rows : array of int, shape (n,)
        Which reviews.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    controls : dict of array, shape (n, length)
        ``shuffled``, each review's words in random order; ``random``, words drawn independently
        by their frequency in the training reviews.

    Examples
    --------
    >>> reviews = Reviews(
    ...     tokens=np.array([[2, 3, 4, 5], [2, 2, 2, 2]]),
    ...     n_words=np.array([4, 4]),
    ...     labels=np.array([0, 1]),
    ...     train=np.array([1]),
    ...     test=np.array([0]),
    ...     vocabulary=("", "[UNK]", "a", "b", "c", "d"),
    ... )
    >>> controls = draw_controls(reviews, reviews.test, np.random.default_rng(0))
    >>> sorted(controls["shuffled"][0].tolist()), controls["random"].tolist()
    ([2, 3, 4, 5], [[2, 2, 2, 2]])
    """
    tokens = reviews.tokens[rows]
    seen = reviews.tokens[reviews.train]
    counts = np.bincount(seen[seen > 0], minlength=len(reviews.vocabulary))
    drawn = rng.choice(len(counts), size=tokens.shape, p=counts / counts.sum())
    return {"shuffled": rng.permuted(tokens, axis=1), "random": drawn.astype(np.int32)}


def randomize_phases(vectors, rng):
    """Keep the spectrum of every feature, but nothing else of the order of the words.

    Parameters
    ----------
    vectors : array, shape (n, time, features)
        Embedded reviews.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    surrogates : array, shape (n, time, features)
        Same power at every frequency, same mean, same correlation between features: all features
        of a review have their phases turned by the same random angles.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(2, 50, 3))
    >>> surrogates = randomize_phases(vectors, rng)
    >>> power = [np.abs(np.fft.rfft(each, axis=1)) for each in (vectors, surrogates)]
    >>> np.allclose(*power), np.allclose(vectors, surrogates)
    (True, False)
    """
    n, time, _ = vectors.shape
    spectra = np.fft.rfft(vectors, axis=1)
    turns = np.exp(2j * np.pi * rng.random((n, spectra.shape[1], 1)))
    turns[:, 0] = 1
    if time % 2 == 0:
        turns[:, -1] = 1
    return np.fft.irfft(spectra * turns, n=time, axis=1).astype(vectors.dtype)
