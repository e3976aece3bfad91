"""Networks that judge movie reviews: built, trained, resumed and scored."""

import time

import keras
import numpy as np
from keras import layers
from mne.utils import logger

from npa.checks import check_number, check_option
from npa_ann.corpora import split_indices
from npa_ann.networks import sentiment_lstm
from npa_ann.studies.checkpoints import Checkpoints

CELLS = ("lstm", "gru", "simple_rnn")

_CHOICES = {
    "validation": lambda entry: -entry["validation"]["accuracy"],
    "test": lambda entry: entry["test"]["loss"],
}


def build_network(reviews, cell="lstm", embedding=32, units=60):
    """Build the network that judges reviews, or its peer with another recurrent cell.

    Parameters
    ----------
    reviews : Reviews
        The corpus, which sets the number of words.
    cell : {"lstm", "gru", "simple_rnn"}
        Kind of the recurrent layer, and its name.
    embedding, units : int
        Size of the network.

    Returns
    -------
    model : keras.Sequential
        As `npa_ann.networks.sentiment_lstm`.

    Examples
    --------
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> [layer.name for layer in build_network(made_up_reviews(), "gru").layers]
    ['embedding', 'gru', 'output']
    """
    check_option("cell", cell, CELLS)
    words = len(reviews.vocabulary) - 2
    if cell == "lstm":
        return sentiment_lstm(words, embedding, units)
    kind = {"gru": layers.GRU, "simple_rnn": layers.SimpleRNN}[cell]
    penalty = keras.regularizers.L2(0.001)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32", name="tokens"),
            layers.Embedding(words + 2, embedding, name="embedding"),
            kind(units, dropout=0.1, kernel_regularizer=penalty, name=cell),
            layers.Dense(1, activation="sigmoid", name="output"),
        ],
        name=f"sentiment_{cell}",
    )


def train(
    seed,
    reviews,
    out,
    *,
    epochs=15,
    target=0.88,
    cell="lstm",
    batch_size=128,
    learning_rate=0.005,
    embedding=32,
    units=60,
):
    """Train one network; take up an interrupted training after its last whole epoch.

    Parameters
    ----------
    seed : int
        Seed of the initial weights, of the order of the batches, and of the tenth of the training
        reviews on which the epoch is chosen.
    reviews : Reviews
        The corpus.
    out : path-like
        Folder of this network: ``training.json``, the weights after each epoch
        (``epoch_00.npz`` are the untrained ones), and the state to resume from.
    epochs : int
        Passes over the training reviews at most. A finished training is resumed by asking for
        more.
    target : float | None
        Training ends after the first epoch whose accuracy on the held-out tenth is at least this;
        None trains for all epochs.
    cell : {"lstm", "gru", "simple_rnn"}
        Kind of the recurrent layer.
    batch_size : int
        Reviews in a batch; all of one width.
    learning_rate : float
        Step size of Adam.
    embedding, units : int
        Size of the network.

    Returns
    -------
    record : dict
        What ``training.json`` holds: settings, versions, loss and accuracy of every epoch, and
        the epochs chosen, see Notes.

    Raises
    ------
    ValueError
        If ``out`` holds a training with another seed, other settings, or other reviews.

    Notes
    -----
    ``chosen["validation"]`` is the epoch of highest accuracy on the held-out tenth of the training
    reviews; ``chosen["test"]`` is the paper's choice, lowest loss on the test reviews. Losses are
    binary cross-entropies in nats; ``penalty`` is the L2 cost of the weights, which the ``train``
    loss includes. Training figures are averages over the epoch, with dropout.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> reviews = made_up_reviews()
    >>> with TemporaryDirectory() as out:
    ...     small = {"batch_size": 4, "embedding": 2, "units": 2}
    ...     record = train(0, reviews, out, epochs=2, target=None, **small)
    >>> [entry["epoch"] for entry in record["epochs"]]
    [0, 1, 2]
    """
    settings = {
        "seed": check_number("seed", seed, low=0, integer=True),
        "cell": cell,
        "batch_size": check_number("batch_size", batch_size, low=1, integer=True),
        "learning_rate": check_number("learning_rate", learning_rate, above=0),
        "embedding": embedding,
        "units": units,
        "target": target,
        "width_step": reviews.width_step,
        "reviews": reviews.fingerprint,
    }
    epochs = check_number("epochs", epochs, low=1, integer=True)
    if target is not None:
        check_number("target", target, above=0, high=1)
    checkpoints = Checkpoints(out, settings, _CHOICES)
    record = checkpoints.record
    if _is_done(record, epochs, target):
        return record
    fitted, held_out = split_indices(reviews.labels[reviews.train], 0.1, seed)
    fitted, held_out = reviews.train[fitted], reviews.train[held_out]
    keras.utils.set_random_seed(seed)
    model = build_network(reviews, cell, embedding, units)
    optimizer = keras.optimizers.Adam(learning_rate)
    # Compiling to XLA was measured to be slower here: 192 against 129 ms a batch.
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], jit_compile=False)
    checkpoints.resume(model)
    while not _is_done(record, epochs, target):
        entry = {"epoch": len(record["epochs"])}
        if entry["epoch"] > 0:
            entry |= _train_epoch(model, reviews, fitted, batch_size, [seed, entry["epoch"]])
        entry["validation"] = evaluate(model, reviews, held_out)
        entry["test"] = evaluate(model, reviews, reviews.test)
        entry["penalty"] = float(sum(float(keras.ops.convert_to_numpy(x)) for x in model.losses))
        checkpoints.save(model, entry)
        logger.info(
            "Network %d, epoch %d: validation accuracy %.2f %%, test accuracy %.2f %%.",
            seed,
            entry["epoch"],
            100 * entry["validation"]["accuracy"],
            100 * entry["test"]["accuracy"],
        )
    return record


def evaluate(model, reviews, rows, batch_size=256):
    """Measure how well a network judges reviews.

    Parameters
    ----------
    model : keras.Model
        The network.
    reviews : Reviews
        The corpus.
    rows : array of int
        Which reviews.
    batch_size : int
        Reviews in a batch; it does not change the result.

    Returns
    -------
    scores : dict
        ``loss`` (mean binary cross-entropy, nats) and ``accuracy`` (share of reviews).

    Examples
    --------
    A network whose weights are zero is undecided, at log 2 nats:

    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> reviews = made_up_reviews()
    >>> model = sentiment_lstm(vocabulary=2, embedding=2, units=2)
    >>> model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    >>> scores = evaluate(model, reviews, reviews.test)
    >>> round(scores["loss"], 4), scores["accuracy"]
    (0.6931, 0.5)
    """
    praise = predict(model, reviews, rows, batch_size)
    labels = reviews.labels[rows]
    likelihood = np.where(labels == 1, praise, 1 - praise).clip(1e-7)
    return {
        "loss": float(-np.log(likelihood).mean()),
        "accuracy": float(((praise > 0.5) == labels).mean()),
    }


def predict(model, reviews, rows, batch_size=256):
    """Let a network judge reviews.

    Parameters
    ----------
    model : keras.Model
        The network.
    reviews : Reviews
        The corpus.
    rows : array of int, shape (n,)
        Which reviews.
    batch_size : int
        Reviews in a batch; it does not change the result.

    Returns
    -------
    praise : array, shape (n,)
        Probability that each review praises.

    Examples
    --------
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> reviews = made_up_reviews()
    >>> model = sentiment_lstm(vocabulary=2, embedding=2, units=2)
    >>> model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    >>> predict(model, reviews, [31, 30])
    array([0.5, 0.5])
    """
    judged = np.full(len(reviews.labels), np.nan)
    for batch in _batches(reviews, rows, batch_size):
        judged[batch] = model.predict_on_batch(_inputs(reviews, batch))[:, 0]
    return judged[rows]


def _is_done(record, epochs, target):
    """Whether a training has reached its aim, or its last epoch."""
    last = record["epochs"][-1] if record["epochs"] else {"epoch": -1}
    if target is None or last["epoch"] < 1:
        return last["epoch"] >= epochs
    return last["epoch"] >= epochs or last["validation"]["accuracy"] >= target


def _batches(reviews, rows, batch_size, rng=None):
    """Rows in batches of one width each; reviews and batches in random order where rng is given."""
    rows = np.asarray(rows) if rng is None else rng.permutation(rows)
    widths = reviews.widths[rows]
    batches = []
    for width in np.unique(widths):
        alike = rows[widths == width]
        batches += np.split(alike, range(batch_size, len(alike), batch_size))
    return batches if rng is None else [batches[k] for k in rng.permutation(len(batches))]


def _inputs(reviews, batch):
    """Tokens of a batch, without the padding that all its reviews share."""
    return reviews.tokens[batch, -int(reviews.widths[batch].max()) :]


def _seed_dropout(model, rng):
    """Start dropout afresh: Keras does not save its state, which resuming needs."""
    for variable in model.non_trainable_variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(rng.integers(2**31, size=variable.shape))


def _train_epoch(model, reviews, rows, batch_size, seed):
    """Train on every review once; return the epoch's mean loss, accuracy and time."""
    start = time.perf_counter()
    rng = np.random.default_rng(seed)
    _seed_dropout(model, rng)
    batches, scores = _batches(reviews, rows, batch_size, rng), []
    for batch in batches:
        model.reset_metrics()
        scores.append(model.train_on_batch(_inputs(reviews, batch), reviews.labels[batch]))
    sizes = [len(batch) for batch in batches]
    loss, accuracy = np.average(np.array(scores, dtype=float), axis=0, weights=sizes)
    return {
        "train": {"loss": float(loss), "accuracy": float(accuracy)},
        "seconds": round(time.perf_counter() - start, 1),
    }
