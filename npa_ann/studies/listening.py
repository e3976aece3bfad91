"""What the 1/f study measures on one network: while it reads, at rest, and on broken reviews."""

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from npa_ann.recording.gates import gru_gates, lstm_gates, rnn_gates
from npa_ann.studies.reviews import draw_controls, randomize_phases
from npa_ann.studies.slopes import (
    PAPERS_MEASURE,
    SETTLED,
    SIGNALS,
    activation_slopes,
    review_spectrum,
)

HEARD = (*SIGNALS, "x")
GATES = {"lstm": lstm_gates, "gru": gru_gates, "simple_rnn": rnn_gates}


def while_reading(weights, tokens, measures=None):
    """Measure the slopes of an LSTM, and of its input, while it reads.

    Parameters
    ----------
    weights : list of array
        Weights of the network: embedding, kernel, recurrent kernel, bias, and its output layer.
    tokens : array of int, shape (n, time)
        Reviews.
    measures : dict | None
        As in `npa_ann.studies.slopes.activation_slopes`.

    Returns
    -------
    slopes : dict of dict of array, shape (n,)
        Measure to signal to slopes.

    Examples
    --------
    >>> from npa_ann.networks import sentiment_lstm
    >>> weights = sentiment_lstm(9, 2, 3).get_weights()
    >>> slopes = while_reading(weights, np.random.default_rng(0).integers(2, 11, (4, 40)))
    >>> sorted(slopes["as the paper"])
    ['c_out', 'cc', 'f', 'h', 'i', 'o', 'x']
    """
    embedding, *layer = weights[:4]
    return activation_slopes(layer, tokens, measures, embedding=embedding, signals=HEARD)


def at_rest(weights, length):
    """Measure the slopes of an LSTM that is given zeros, and how much still moves.

    Parameters
    ----------
    weights : list of array
        Weights of the network, as in `while_reading`.
    length : int
        Number of zero vectors.

    Returns
    -------
    slopes : dict of dict of array, shape (1,)
        ``"as the paper"``, ``"settled"`` (first 50 steps dropped, Hann window), and
        ``"movement"``: the standard deviation of the liveliest cell after 50 steps. All in double
        precision, so that a settling network does not end in rounding.

    Examples
    --------
    >>> from npa_ann.networks import sentiment_lstm
    >>> rest = at_rest(sentiment_lstm(9, 2, 3).get_weights(), length=500)
    >>> bool(rest["movement"]["h"] < 1e-6)
    True
    """
    embedding, *layer = (np.asarray(weight, float) for weight in weights[:4])
    zeros = np.zeros((1, length, embedding.shape[1]))
    measures = {**PAPERS_MEASURE, **SETTLED, "movement": _movement}
    return activation_slopes(layer, zeros, measures, signals=SIGNALS)


def on_controls(weights, reviews, rows, rng):
    """Measure the slopes of an LSTM on reviews whose order of words is broken.

    Parameters
    ----------
    weights : list of array
        Weights of the network, as in `while_reading`.
    reviews : Reviews
        The corpus.
    rows : array of int
        Which reviews.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    slopes : dict of dict of array, shape (n,)
        Control to signal to slopes: ``reviews`` as they are; ``shuffled`` words; ``random`` words
        by their frequency; ``phases`` of the embedded words at random.

    Examples
    --------
    >>> from npa_ann.networks import sentiment_lstm
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> reviews = made_up_reviews(8, length=40)
    >>> weights = sentiment_lstm(2, 2, 3).get_weights()
    >>> list(on_controls(weights, reviews, reviews.test, np.random.default_rng(0)))
    ['reviews', 'shuffled', 'random', 'phases']
    """
    embedding, *layer = weights[:4]
    controls = {"reviews": reviews.tokens[rows], **draw_controls(reviews, rows, rng)}
    slopes = {
        name: while_reading(weights, tokens)["as the paper"] for name, tokens in controls.items()
    }
    vectors = randomize_phases(embedding[reviews.tokens[rows]], rng)
    surrogate = activation_slopes(layer, vectors, signals=HEARD)
    return slopes | {"phases": surrogate["as the paper"]}


def of_peer(cell, weights, tokens):
    """Measure the slope of the state of a network with another recurrent layer.

    Parameters
    ----------
    cell : {"lstm", "gru", "simple_rnn"}
        Kind of the layer.
    weights : list of array
        Weights of the network: embedding, those of the layer, and its output layer.
    tokens : array of int, shape (n, time)
        Reviews.

    Returns
    -------
    slopes : array, shape (n,)
        Slope of h.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shapes = (9, 2), (2, 3), (3, 3), (3,), (3, 1), (1,)
    >>> weights = [rng.normal(0, 0.3, shape) for shape in shapes]
    >>> of_peer("simple_rnn", weights, rng.integers(0, 9, (5, 40))).shape
    (5,)
    """
    embedding, *layer = weights[:-2]
    slopes = activation_slopes(
        layer, tokens, embedding=embedding, gates=GATES[cell], signals=("h",)
    )
    return slopes["as the paper"]["h"]


def relate_to_error(slopes, praise, labels):
    """Ask whether a review's slope tells how well the network judges it.

    Parameters
    ----------
    slopes : array, shape (n,)
        Slope of each review.
    praise : array, shape (n,)
        Probability of praise that the network gave.
    labels : array of int, shape (n,)
        1 for praise.

    Returns
    -------
    relation : dict
        ``rho`` and ``p``, Spearman's correlation of slope and loss; ``auc``, the probability that
        a misjudged review has a less negative slope than one judged well (None where all were
        judged alike); ``errors``, how many were misjudged.

    Examples
    --------
    >>> praise = np.array([0.9, 0.8, 0.6, 0.3])
    >>> relation = relate_to_error(np.array([-1.3, -1.2, -1.0, -0.9]), praise, np.ones(4, int))
    >>> round(float(relation["rho"]), 3), float(relation["auc"]), int(relation["errors"])
    (1.0, 1.0, 1)
    """
    wrong = (praise > 0.5) != labels
    loss = -np.log(np.where(labels == 1, praise, 1 - praise).clip(1e-7))
    test = spearmanr(slopes, loss)
    both = 0 < wrong.sum() < len(wrong)
    return {
        "rho": float(test.statistic),
        "p": float(test.pvalue),
        "auc": float(roc_auc_score(wrong, slopes)) if both else None,
        "errors": int(wrong.sum()),
    }


def spectra_of_review(weights, tokens):
    """Compute the spectra of one review and of what it stirs in h.

    Parameters
    ----------
    weights : list of array
        Weights of the network, as in `while_reading`.
    tokens : array of int, shape (time,)
        The review.

    Returns
    -------
    spectra : dict
        ``freqs`` in cycles per word; for ``h`` and ``x`` power summed over cells, and
        ``h_line``, ``x_line``: slope and intercept.

    Examples
    --------
    >>> from npa_ann.networks import sentiment_lstm
    >>> weights = sentiment_lstm(9, 2, 3).get_weights()
    >>> spectra_of_review(weights, np.arange(40) % 10)["h"].shape
    (20,)
    """
    embedding, *layer = weights[:4]
    vectors = embedding[tokens[np.newaxis]]
    spectra = {}
    for name, values in {"h": lstm_gates(layer, vectors)["h"], "x": vectors}.items():
        freqs, spectra[name], line = review_spectrum(values[0].T)
        spectra[f"{name}_line"] = np.array([line.slope, line.intercept])
    return spectra | {"freqs": freqs}


def _movement(cells):
    """Return the standard deviation of the liveliest cell after 50 steps."""
    return cells[..., 50:].std(axis=-1).max(axis=-1)
