"""The 50,000 IMDb movie reviews, and words as numbers."""

import re
from collections import Counter

import numpy as np

from npa.checks import check_number, check_option
from npa_ann.corpora.archives import find_corpus, iter_members

PAD, UNKNOWN = "", "[UNK]"

_LINE_BREAK = re.compile(r"<br\s*/?>")
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_REVIEW = re.compile(r"(?:train|test)/(?P<folder>[^/]+)/(?P<file>[^/]+)")
_REVIEW_FILE = re.compile(r"\d+_(?P<rating>\d+)\.txt")
# The published archive calls a review negative up to 4 stars of 10 and positive from 7 on.
_RATINGS = {"neg": range(1, 5), "pos": range(7, 11)}


def read_imdb(path=None):
    """Read the labelled IMDb movie reviews in their published layout.

    Parameters
    ----------
    path : path-like | None
        ``aclImdb_v1.tar.gz``, the folder ``aclImdb``, or a folder that holds one of them (also
        under ``text/``). None takes the folder named by ``NPA_DATA``.

    Returns
    -------
    texts : list of str
        The reviews, ordered by their place in the layout: the order does not depend on the archive.
    labels : array of int, shape (n_reviews,)
        1 for a positive review, 0 for a negative one.

    Raises
    ------
    ValueError
        If a review is empty, is no UTF-8 text, comes twice, is misnamed, or bears a rating that
        contradicts its folder; if a member would escape the folder; if the archive is damaged; if
        positive or negative reviews are missing. The message names the member.
    FileNotFoundError
        If the path does not exist.

    Notes
    -----
    Reviews lie at ``aclImdb/{train,test}/{pos,neg}/ID_RATING.txt``. Everything else in the
    archive (unlabelled reviews, URLs, bags of words) is passed over.

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
    reviews = {}
    for name, content in iter_members(found):
        place = name.removeprefix("aclImdb/")
        label = _review_label(name, place)
        if label is None:
            continue
        if place in reviews:
            raise ValueError(f"Review {name!r} comes twice in {found.name!r}.")
        reviews[place] = _review_text(name, content), label
    if len({label for _, label in reviews.values()}) < 2:
        raise ValueError(
            f"{str(found)!r} must hold positive and negative reviews as "
            f"'aclImdb/{{train,test}}/{{pos,neg}}/ID_RATING.txt', got {len(reviews)} review(s)."
        )
    texts, labels = zip(*(reviews[place] for place in sorted(reviews)), strict=True)
    return list(texts), np.array(labels)


def tokenize(text):
    """Split a text into lower-case words without punctuation.

    Parameters
    ----------
    text : str
        The text. HTML line breaks separate words; other punctuation is deleted ("don't" becomes
        "dont").

    Returns
    -------
    words : list of str
        Its words.

    Examples
    --------
    >>> tokenize("Don't miss it!<br />It's GREAT")
    ['dont', 'miss', 'it', 'its', 'great']
    """
    return _PUNCTUATION.sub("", _LINE_BREAK.sub(" ", text.lower())).split()


def build_vocabulary(texts, size=4000):
    """List the most frequent words, after padding (0) and the unknown word (1).

    Parameters
    ----------
    texts : iterable of str
        The texts to count, of the training set only.
    size : int
        Number of words to keep. Among equally frequent words the alphabet decides.

    Returns
    -------
    words : list of str, length at most size + 2
        The padding "", "[UNK]", then the words, most frequent first.

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


def encode(texts, vocabulary, length=500, padding="pre"):
    """Turn texts into word numbers of one common length.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    vocabulary : list of str
        As `build_vocabulary` gives it: a word's number is its place in the list.
    length : int
        Number of words to keep of each text, from its beginning.
    padding : {"pre", "post"}
        Where a shorter text is filled up with 0.

    Returns
    -------
    tokens : array of int32, shape (n_texts, length)
        Word numbers.
    n_words : array of int, shape (n_texts,)
        Number of words of each whole text, of which ``tokens`` holds the first ``length``.

    Raises
    ------
    ValueError
        If ``length`` or ``padding`` is not allowed, or the vocabulary starts otherwise.

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
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokens = np.zeros((len(texts), length), dtype=np.int32)
    n_words = np.zeros(len(texts), dtype=int)
    for row, text in enumerate(texts):
        words = tokenize(text)
        kept = [numbers.get(word, 1) for word in words[:length]]
        start = length - len(kept) if padding == "pre" else 0
        tokens[row, start : start + len(kept)] = kept
        n_words[row] = len(words)
    return tokens, n_words


def _review_label(name, place):
    """Label of the review at this place: 0, 1, or None where no labelled review lies."""
    match = _REVIEW.fullmatch(place)
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


def _review_text(name, content):
    """Text of a review; refused where it is empty or not UTF-8."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"Review {name!r} is not UTF-8 text: {error}.") from error
    if not tokenize(text):
        raise ValueError(f"Review {name!r} is empty.")
    return text
