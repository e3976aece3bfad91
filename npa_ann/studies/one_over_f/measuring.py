"""Everything the 1/f study measures, stored as it goes, so that a run can resume."""

import mne
import numpy as np

from npa_ann.studies import listening
from npa_ann.studies.brain import RUNS, brain_slopes, find_recordings
from npa_ann.studies.sentiment_training import evaluate, predict
from npa_ann.studies.slopes import MEASURES

_SEED = 20230120  # of the controls, and of the reviews looked at more closely


def choose_rows(reviews, n_closer):
    """Choose the test reviews that fill the whole length, and some to look at more closely.

    Parameters
    ----------
    reviews : Reviews
        The corpus.
    n_closer : int
        How many to look at more closely.

    Returns
    -------
    rows : dict of array of int
        ``long`` and ``closer``: row numbers.

    Raises
    ------
    ValueError
        If fewer than two reviews are long enough.

    Examples
    --------
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> [len(some) for some in choose_rows(made_up_reviews(16), 3).values()]
    [4, 3]
    """
    long = reviews.long_rows()
    if len(long) < 2:
        raise ValueError(
            f"reviews must hold at least 2 test reviews of {reviews.tokens.shape[1]} words or "
            f"more, got {len(long)}."
        )
    rng = np.random.default_rng(_SEED)
    return {"long": long, "closer": np.sort(rng.permutation(long)[:n_closer])}


def measure_network(network, reviews, rows, store):
    """Measure all of one LSTM.

    Parameters
    ----------
    network : npa_ann.studies.readers.ReadingNetwork
        The network.
    reviews : Reviews
        The corpus.
    rows : dict
        As `choose_rows` gives it.
    store : Store
        Where measurements are kept.

    Returns
    -------
    measured : dict
        ``slopes``: state to signal to slopes of all long reviews; ``rest``; ``experiments``:
        state to measure to signal to slopes; ``controls``; ``epochs``: signal to mean slope after
        every epoch; ``accuracies``; ``scores``; ``judgement``; ``spectra`` of one review; and
        ``seed``.

    Examples
    --------
    >>> from npa_ann.studies.readers import ReadingNetwork
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> from npa_ann.studies.sentiment_training import build_network
    >>> reviews = made_up_reviews(24, length=64)
    >>> model = build_network(reviews, "lstm", 2, 3)
    >>> states = {"untrained": model.get_weights(), "trained": model.get_weights()}
    >>> network = ReadingNetwork("lstm", 1, model, states, scores={})
    >>> keep_nothing = lambda name, inputs, compute: compute()
    >>> measured = measure_network(network, reviews, choose_rows(reviews, 2), keep_nothing)
    >>> measured["slopes"]["trained"]["h"].shape
    (6,)
    """
    tokens = {name: reviews.tokens[some] for name, some in rows.items()}
    states, trained = network.states, network.states["trained"]
    labels = reviews.labels[rows["long"]]

    def slopes(weights):
        return listening.while_reading(weights, tokens["long"])["as the paper"]

    def judge():
        return {
            "praise": predict(network.model, reviews, rows["long"]),
            **evaluate(network.model, reviews, reviews.test),
        }

    measured = {
        "cell": "lstm",
        "seed": network.seed,
        "scores": network.scores,
        "accuracies": network.accuracies,
        "slopes": {
            state: store("slopes", [*weights, tokens["long"]], lambda w=weights: slopes(w))
            for state, weights in states.items()
        },
        "rest": store("rest", trained, lambda: listening.at_rest(trained, reviews.tokens.shape[1])),
        "experiments": {
            state: store(
                "experiments",
                [*states[state], tokens["closer"]],
                lambda w=states[state]: listening.while_reading(w, tokens["closer"], MEASURES),
            )
            for state in ("untrained", "trained")
        },
        "controls": store(
            "controls",
            [*trained, tokens["closer"]],
            lambda: listening.on_controls(
                trained, reviews, rows["closer"], np.random.default_rng(_SEED)
            ),
        ),
        "judgement": store("judgement", [*trained, reviews.tokens, labels], judge),
        "spectra": listening.spectra_of_review(trained, tokens["closer"][0]),
        "epochs": _measure_epochs(network, tokens["closer"], store),
    }
    measured["judgement"]["labels"] = labels
    return measured


def measure_peer(network, reviews, rows, store):
    """Measure the state of a network with another recurrent layer, untrained and trained.

    Parameters
    ----------
    network : npa_ann.studies.readers.ReadingNetwork
        The network.
    reviews : Reviews
        The corpus.
    rows : dict
        As `choose_rows` gives it.
    store : Store
        Where measurements are kept.

    Returns
    -------
    measured : dict
        ``cell``, ``scores`` and ``slopes``: state to slopes of h.

    Examples
    --------
    >>> from npa_ann.studies.readers import ReadingNetwork
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> from npa_ann.studies.sentiment_training import build_network
    >>> reviews = made_up_reviews(24, length=64)
    >>> model = build_network(reviews, "gru", 2, 3)
    >>> states = {"untrained": model.get_weights(), "trained": model.get_weights()}
    >>> network = ReadingNetwork("gru", 1, model, states, scores={})
    >>> keep_nothing = lambda name, inputs, compute: compute()
    >>> measured = measure_peer(network, reviews, choose_rows(reviews, 2), keep_nothing)
    >>> measured["slopes"]["trained"].shape
    (2,)
    """
    tokens = reviews.tokens[rows["closer"]]

    def slopes(weights):
        return {"h": listening.of_peer(network.cell, weights, tokens)}

    measured = {
        state: store(f"peer {network.cell}", [*weights, tokens], lambda w=weights: slopes(w))["h"]
        for state, weights in network.states.items()
        if state != "by_test_loss"
    }
    return {"cell": network.cell, "scores": network.scores, "slopes": measured}


def measure_brain(folder, store, length):
    """Measure the slope of EEG with eyes open, with eyes closed, and during a task.

    Parameters
    ----------
    folder : path-like | None
        Where the recordings lie; None for the folder named by ``NPA_DATA``.
    store : Store
        Where measurements are kept.
    length : int
        Samples an epoch.

    Returns
    -------
    measured : dict of array
        Condition to slope of every epoch; empty where there are no recordings.

    Examples
    --------
    >>> measure_brain(".", None, 500)
    {}
    """
    found = find_recordings(folder)
    if found is None:
        return {}

    def slopes():
        # Annotations may reach beyond the data; the slopes need none.
        raws = {
            name: mne.io.read_raw(found / file, preload=True, verbose="ERROR")
            for name, file in RUNS.items()
        }
        return {name: brain_slopes(raw, length) for name, raw in raws.items()}

    content = [np.frombuffer((found / file).read_bytes(), np.uint8) for file in RUNS.values()]
    return store("brain", [*content, np.array(length)], slopes)


def _measure_epochs(network, tokens, store):
    """Mean slope of every signal after every epoch."""
    means = {}
    for epoch in range(len(network.epochs)):
        weights = network.weights_after(epoch)
        slopes = store(
            "epoch",
            [*weights, tokens],
            lambda w=weights: listening.while_reading(w, tokens)["as the paper"],
        )
        for signal, values in slopes.items():
            means.setdefault(signal, []).append(float(np.nanmean(values)))
    return means
