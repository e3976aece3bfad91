"""The 50,000 IMDb movie reviews, and their encoding as tokens."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from npa.checks import check_number, check_option
from npa.typing import IntArray, PathLike
from npa_ann.corpora.archives import find_corpus, iter_members

PAD, UNKNOWN = "", "[UNK]"

_LINE_BREAK = re.compile(r"<br\s*/?>")
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_REVIEW = re.compile(r"(?:train|test)/(?P<folder>[^/]+)/(?P<file>[^/]+)")
_REVIEW_FILE = re.compile(r"\d+_(?P<rating>\d+)\.txt")
# In the published archive, negative reviews have up to 4 of 10 stars and positive ones 7 or more.
_RATINGS = {"neg": range(1, 5), "pos": range(7, 11)}


def read_imdb(path: PathLike | None = None) -> tuple[list[str], IntArray]:
    """Read the labelled IMDb movie reviews in their published layout.

    Parameters
    ----------
    path : path-like | None
        ``aclImdb_v1.tar.gz``, the folder ``aclImdb``, or a folder that contains one of them (also
        under ``text/``). Default None: the folder named by ``NPA_DATA``.

    Returns
    -------
    texts : list of str
        The reviews, sorted by path, independent of the order within the archive.
    labels : array of int, shape (n_reviews,)
        1 for a positive review, 0 for a negative one.

    Raises
    ------
    ValueError
        If a review is empty, not UTF-8, duplicate, misnamed, or has a rating that contradicts its
        folder; if a member would escape the folder; if the archive is damaged; if positive or
        negative reviews are missing. The message names the member.
    FileNotFoundError
        If the path does not exist.

    Notes
    -----
    Reviews are at ``aclImdb/{train,test}/{pos,neg}/ID_RATING.txt``. Everything else in the
    archive (unlabelled reviews, URLs, bags of words) is ignored.

    References
    ----------
    .. [1] Maas, A. L., Daly, R. E., Pham, P. T., Huang, D., Ng, A. Y. & Potts, C. (2011).
       Learning word vectors for sentiment analysis. Proc. ACL-HLT 2011, 142-150.
       https://aclanthology.org/P11-1015

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name, text in {"pos/0_9.txt": "Lovely.", "neg/0_2.txt": "Dull."}.items():
    ...         file = Path(folder, "aclImdb", "train", name)
    ...         file.parent.mkdir(parents=True)
    ...         _ = file.write_text(text)
    ...     texts, labels = read_imdb(folder)
    >>> texts, labels.tolist()
    (['Dull.', 'Lovely.'], [0, 1])
    """
    found = find_corpus(
        path, ["aclImdb_v1.tar.gz", "text/aclImdb_v1.tar.gz", "aclImdb", "text/aclImdb"]
    )
    reviews: dict[str, tuple[str, int]] = {}
    for name, content in iter_members(found):
        path = name.removeprefix("aclImdb/")
        label = _review_label(name, path)
        if label is None:
            continue
        if path in reviews:
            raise ValueError(f"Review {name!r} is in {found.name!r} twice.")
        reviews[path] = _review_text(name, content), label
    if len({label for _, label in reviews.values()}) < 2:
        raise ValueError(
            f"{str(found)!r} must contain positive and negative reviews as "
            f"'aclImdb/{{train,test}}/{{pos,neg}}/ID_RATING.txt', got {len(reviews)} review(s)."
        )
    texts, labels = zip(*(reviews[path] for path in sorted(reviews)), strict=True)
    return list(texts), np.array(labels)


def tokenize(text: str) -> list[str]:
    """Split a text into lower-case words without punctuation.

    Parameters
    ----------
    text : str
        The text. HTML line breaks separate words; other punctuation is deleted ("don't" becomes
        "dont").

    Returns
    -------
    words : list of str
        The words.

    Examples
    --------
    >>> tokenize("Don't miss it!<br />It's GREAT")
    ['dont', 'miss', 'it', 'its', 'great']
    """
    return _PUNCTUATION.sub("", _LINE_BREAK.sub(" ", text.lower())).split()


def build_vocabulary(texts: Iterable[str], size: int = 4000) -> list[str]:
    """List the most frequent words, after padding (0) and the unknown word (1).

    Parameters
    ----------
    texts : iterable of str
        Texts of the training set.
    size : int
        Maximum number of words. Equally frequent words are sorted alphabetically. Default 4000.

    Returns
    -------
    words : list of str, length at most size + 2
        ``""`` (padding), ``"[UNK]"``, then the words, most frequent first.

    Raises
    ------
    ValueError
        If ``size`` is below 1.

    Examples
    --------
    >>> build_vocabulary(["a film a plot", "a plot"], size=2)
    ['', '[UNK]', 'a', 'plot']
    """
    check_number("size", size, low=1, integer=True)
    counts = Counter(word for text in texts for word in tokenize(text))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [PAD, UNKNOWN, *ranked[:size]]


def encode(
    texts: Sequence[str], vocabulary: Sequence[str], length: int = 500, padding: str = "pre"
) -> tuple[npt.NDArray[np.int32], IntArray]:
    """Encode texts as token sequences of one length.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    vocabulary : list of str
        As returned by `build_vocabulary`; a word's token is its index.
    length : int
        Number of tokens; longer texts are truncated at the end. Default 500.
    padding : {"pre", "post"}
        Where a shorter text is padded with 0. Default ``"pre"``.

    Returns
    -------
    tokens : array of int32, shape (n_texts, length)
        Tokens.
    n_words : array of int, shape (n_texts,)
        Number of words of each text before truncation.

    Raises
    ------
    ValueError
        If ``length`` or ``padding`` is not allowed, or the vocabulary does not start with padding
        and unknown word.

    Examples
    --------
    >>> tokens, n_words = encode(["A fine film."], ["", "[UNK]", "a", "film"], length=5)
    >>> tokens
    array([[0, 0, 2, 1, 3]], dtype=int32)
    """
    check_number("length", length, low=1, integer=True)
    check_option("padding", padding, ("pre", "post"))
    if list(vocabulary[:2]) != [PAD, UNKNOWN]:
        raise ValueError(f"vocabulary must start with {[PAD, UNKNOWN]}, got {vocabulary[:2]!r}.")
    token_of = {word: token for token, word in enumerate(vocabulary)}
    tokens = np.zeros((len(texts), length), dtype=np.int32)
    n_words = np.zeros(len(texts), dtype=int)
    for row, text in enumerate(texts):
        words = tokenize(text)
        encoded = [token_of.get(word, 1) for word in words[:length]]
        start = length - len(encoded) if padding == "pre" else 0
        tokens[row, start : start + len(encoded)] = encoded
        n_words[row] = len(words)
    return tokens, n_words


def _review_label(name: str, path: str) -> int | None:
    """Label of a review from its path: 0 or 1, or None if it is not a labelled review."""
    match = _REVIEW.fullmatch(path)
    if match is None or match["folder"] == "unsup":
        return None
    if match["folder"] not in _RATINGS:
        raise ValueError(f"Review {name!r} has an unknown label: allowed are 'pos' and 'neg'.")
    file = _REVIEW_FILE.fullmatch(match["file"])
    if file is None:
        raise ValueError(f"Review {name!r} must be named 'ID_RATING.txt'.")
    ratings = _RATINGS[match["folder"]]
    if int(file["rating"]) not in ratings:
        raise ValueError(
            f"Review {name!r} has rating {file['rating']}; {match['folder']!r} allows "
            f"{ratings[0]} to {ratings[-1]}."
        )
    return int(match["folder"] == "pos")


def _review_text(name: str, content: bytes) -> str:
    """Decode a review; raise if it is empty or not UTF-8."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"Review {name!r} is not UTF-8 text: {error}.") from error
    if not tokenize(text):
        raise ValueError(f"Review {name!r} is empty.")
    return text
