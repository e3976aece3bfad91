"""Recurrent networks that classify movie reviews: built, trained, scored, exported and opened."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from mne.utils import warn

from npa.checks import check_number, check_option
from npa.typing import AnyArray, FloatArray, IntArray, PathLike
from npa_ann.corpora import split_indices
from npa_ann.networks import load_weights, sentiment_lstm
from npa_ann.networks.cards import find_weights, read_card, write_card
from npa_ann.studies.one_over_f.reviews import Reviews, load_reviews
from npa_ann.studies.training import Checkpoint, fit, read_training, weights_after

CELLS = {"lstm": None, "gru": layers.GRU, "simple_rnn": layers.SimpleRNN}
NAME = "sentiment_lstm"

_CHOICES = {
    "validation": lambda entry: -entry["validation"]["accuracy"],
    "test": lambda entry: entry["test"]["loss"],
}


def build_network(
    reviews: Reviews, cell: str = "lstm", embedding: int = 32, units: int = 60
) -> keras.Sequential:
    """Build the network of the paper, or the same with another recurrent layer.

    Examples
    --------
    >>> reviews = Reviews(*(np.zeros((1, 3), int),) * 5, vocabulary=("", "[UNK]", "film"))
    >>> [layer.name for layer in build_network(reviews, "gru").layers]
    ['embedding', 'gru', 'output']
    """
    kind = CELLS[check_option("cell", cell, tuple(CELLS))]
    words = len(reviews.vocabulary) - 2
    if kind is None:
        return sentiment_lstm(words, embedding, units)
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
    seed: int,
    reviews: Reviews,
    out: PathLike,
    *,
    epochs: int = 15,
    target: float | None = 0.88,
    cell: str = "lstm",
    batch_size: int = 128,
    learning_rate: float = 0.005,
    embedding: int = 32,
    units: int = 60,
) -> dict[str, Any]:
    """Train one network, or resume its training after the last complete epoch.

    Parameters
    ----------
    seed : int
        Seed of the initial weights, of the order of the batches, and of the tenth of the training
        reviews that is held out for validation.
    reviews : Reviews
        The corpus.
    out : path-like
        Folder of this network, see `npa_ann.studies.training.Checkpoint`.
    epochs : int, default 15
        Maximum number of epochs; a finished training is continued by asking for more.
    target : float | None, default 0.88
        Training stops after the first epoch with at least this validation accuracy.
    cell : {"lstm", "gru", "simple_rnn"}
        Kind of the recurrent layer.
    batch_size : int, default 128
        Reviews per batch, all of one width.
    learning_rate : float, default 0.005
        Learning rate of Adam.
    embedding, units : int
        Size of the network.

    Returns
    -------
    record : dict
        Settings, versions, losses (binary cross-entropy, nats) and accuracies of every epoch.
        ``chosen["validation"]`` is the epoch of highest validation accuracy, ``chosen["test"]``
        the paper's choice: lowest loss on the test reviews. ``penalty`` is the L2 cost of the
        weights, which the ``train`` loss includes.

    Examples
    --------
    >>> record = train(1, load_reviews(), "network_1")  # doctest: +SKIP
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
    checkpoint = Checkpoint(out, settings, _CHOICES)
    fitted, held_out = split_indices(reviews.labels[reviews.train], 0.1, seed)
    fitted, held_out = reviews.train[fitted], reviews.train[held_out]
    keras.utils.set_random_seed(seed)
    model = build_network(reviews, cell, embedding, units)
    optimizer = keras.optimizers.Adam(learning_rate)
    # Compiling to XLA was measured to be slower here: 192 against 129 ms per batch.
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], jit_compile=False)

    def batches(rng: np.random.Generator) -> Iterator[tuple[AnyArray, AnyArray]]:
        for batch in _batches(reviews, fitted, batch_size, rng):
            yield _inputs(reviews, batch), reviews.labels[batch]

    def scores(epoch: int) -> dict[str, Any]:
        return {
            "validation": evaluate(model, reviews, held_out),
            "test": evaluate(model, reviews, reviews.test),
            "penalty": float(sum(float(keras.ops.convert_to_numpy(x)) for x in model.losses)),
        }

    def reached(entry: dict[str, Any]) -> bool:
        return target is not None and entry["validation"]["accuracy"] >= target

    return fit(model, batches, checkpoint, epochs=epochs, evaluate=scores, stop=reached)


def evaluate(
    model: keras.Model, reviews: Reviews, rows: IntArray, batch_size: int = 256
) -> dict[str, float]:
    """Measure ``loss`` (mean binary cross-entropy, nats) and ``accuracy`` on some rows of reviews.

    Examples
    --------
    >>> evaluate(model, reviews, reviews.test)["accuracy"]  # doctest: +SKIP
    0.894
    """
    probability = predict(model, reviews, rows, batch_size)
    labels = reviews.labels[rows]
    likelihood = np.where(labels == 1, probability, 1 - probability).clip(1e-7)
    return {
        "loss": float(-np.log(likelihood).mean()),
        "accuracy": float(((probability > 0.5) == labels).mean()),
    }


def predict(
    model: keras.Model, reviews: Reviews, rows: IntArray, batch_size: int = 256
) -> FloatArray:
    """Predict the probability that some rows of reviews are positive.

    Examples
    --------
    >>> predict(model, reviews, reviews.test[:2])  # doctest: +SKIP
    array([0.98, 0.03])
    """
    predicted = np.full(len(reviews.labels), np.nan)
    for batch in _batches(reviews, rows, batch_size):
        predicted[batch] = model.predict_on_batch(_inputs(reviews, batch))[:, 0]
    return predicted[rows]


def _batches(
    reviews: Reviews, rows: AnyArray, batch_size: int, rng: np.random.Generator | None = None
) -> list[AnyArray]:
    """Rows in batches of one width each; in random order where ``rng`` is given."""
    rows = np.asarray(rows) if rng is None else rng.permutation(rows)
    widths = reviews.widths[rows]
    batches: list[AnyArray] = []
    for width in np.unique(widths):
        alike = rows[widths == width]
        batches += np.split(alike, range(batch_size, len(alike), batch_size))
    return batches if rng is None else [batches[k] for k in rng.permutation(len(batches))]


def _inputs(reviews: Reviews, batch: AnyArray) -> AnyArray:
    """Tokens of a batch, without the padding that all its reviews share."""
    return reviews.tokens[batch, -int(reviews.widths[batch].max()) :]


@dataclass(frozen=True)
class Network:
    """A network at the epochs that count.

    Parameters
    ----------
    cell : str
        Kind of its recurrent layer.
    states : dict of str to keras.Model
        ``untrained``, ``trained`` (the epoch chosen by validation) and, where it is known,
        ``by_test_loss`` (the paper's choice).
    scores : dict
        ``by_validation`` and ``by_test_loss``: the entries of these epochs.
    epochs : list of pathlib.Path
        Weights after every epoch, where they are known.
    accuracies : list of float
        Test accuracy after every epoch.
    """

    cell: str
    states: dict[str, keras.Model]
    scores: dict[str, Any]
    epochs: Sequence[Path] = ()
    accuracies: Sequence[float] = ()

    def after(self, epoch: int) -> keras.Model:
        """Return the network after an epoch."""
        return load_weights(keras.models.clone_model(self.states["trained"]), self.epochs[epoch])


def train_network(
    out: PathLike, reviews: Reviews, seed: int, cell: str = "lstm", **training: Any
) -> Network:
    """Train a network in its folder of a study, by `train`, or open it there.

    Examples
    --------
    >>> network = train_network("one-over-f", load_reviews(), 1)  # doctest: +SKIP
    """
    folder = Path(out) / (f"network_{seed}" if cell == "lstm" else f"peer_{cell}")
    record = train(seed, reviews, folder, cell=cell, **training)
    entries, chosen = record["epochs"], record["chosen"]
    files = [weights_after(entry["epoch"], folder) for entry in entries]
    sizes = record["settings"]["embedding"], record["settings"]["units"]
    epochs = {"untrained": 0, "by_test_loss": chosen["test"], "trained": chosen["validation"]}
    return Network(
        cell=cell,
        states={
            state: load_weights(build_network(reviews, cell, *sizes), files[epoch])
            for state, epoch in epochs.items()
        },
        scores={
            "by_validation": entries[chosen["validation"]],
            "by_test_loss": entries[chosen["test"]],
        },
        epochs=files,
        accuracies=[entry["test"]["accuracy"] for entry in entries],
    )


def export_networks(
    trainings: Iterable[PathLike], reviews: Reviews, folder: PathLike
) -> dict[str, Any]:
    """Copy the networks at their validated epoch into a folder, with word list and card.

    Written are ``sentiment_lstm_SEED.npz``, ``sentiment_lstm_words.txt`` (one word per line, from
    index 2 on) and the card ``sentiment_lstm.json``, as `npa_ann.networks.cards.write_card` returns
    it, with the scores of both chosen epochs.

    Examples
    --------
    >>> export_networks(["one-over-f/network_1"], load_reviews(), "weights")  # doctest: +SKIP
    """
    networks, record = [], {}
    for training in map(Path, trainings):
        record = read_training(training) or {"settings": {"reviews": None}}
        if record["settings"]["reviews"] != reviews.fingerprint:
            raise ValueError(f"The training in {str(training)!r} belongs to other reviews.")
        epochs, chosen = record["epochs"], record["chosen"]
        seed, epoch = record["settings"]["seed"], chosen["validation"]
        about = {
            "seed": seed,
            "epochs_trained": epochs[-1]["epoch"],
            "chosen_by_validation": epochs[epoch],
            "chosen_by_test_loss": epochs[chosen["test"]],
        }
        networks.append((f"{NAME}_{seed}", weights_after(epoch, training), about))
    words = reviews.vocabulary[2:]
    Path(folder, f"{NAME}_words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return write_card(
        folder,
        NAME,
        networks,
        licence="BSD-3-Clause for the weights; the reviews belong to their writers",
        network="embedding, LSTM (input dropout 0.1, kernel L2 0.001), sigmoid; see settings",
        corpus={
            "source": "aclImdb (Maas et al. 2011)",
            "reviews": len(reviews.labels),
            "train": len(reviews.train),
            "test": len(reviews.test),
            "words": len(words),
            "length": reviews.length,
            "padding": f"zeros in front, to the next multiple of {reviews.width_step} words",
        },
        settings={key: value for key, value in record["settings"].items() if key != "seed"},
        versions=record["versions"],
    )


def read_words(folder: PathLike) -> list[str]:
    """Read the words that the pretrained networks know, from index 2 on.

    Examples
    --------
    >>> from npa.datasets import bundled_data
    >>> read_words(bundled_data() / "weights")[:3]
    ['the', 'and', 'a']
    """
    return Path(folder, f"{NAME}_words.txt").read_text(encoding="utf-8").splitlines()


def open_network(folder: PathLike, number: int = 0) -> keras.Sequential:
    """Build one of the pretrained networks of a folder, by its position in their card.

    Examples
    --------
    >>> open_network("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card = read_card(folder, NAME)
    sizes = card["settings"]["embedding"], card["settings"]["units"]
    model = sentiment_lstm(card["corpus"]["words"], *sizes)
    return load_weights(model, find_weights(folder, card["networks"][number]))


def open_pretrained(folder: PathLike, number: int, reviews: Reviews) -> Network:
    """Open a pretrained network, trained and untrained (which its seed determines).

    Examples
    --------
    >>> open_pretrained("nowhere", 0, None)
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card = read_card(folder, NAME)
    entry, settings = card["networks"][number], card["settings"]
    keras.utils.set_random_seed(entry["seed"])
    untrained = build_network(reviews, "lstm", settings["embedding"], settings["units"])
    scores = {name: entry[f"chosen_{name}"] for name in ("by_validation", "by_test_loss")}
    return Network(
        "lstm", {"untrained": untrained, "trained": open_network(folder, number)}, scores
    )


def load_pretrained_reviews(data: PathLike | None, folder: PathLike, **corpus: Any) -> Reviews:
    """Load the reviews with the words of the pretrained networks of a folder.

    A warning is given if they are not the reviews that the networks were trained on.

    Examples
    --------
    >>> load_pretrained_reviews(None, "nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card = read_card(folder, NAME)
    settings = {"length": card["corpus"]["length"], "width_step": card["settings"]["width_step"]}
    reviews = load_reviews(data, **settings | corpus | {"words": read_words(folder)})
    if reviews.fingerprint != card["settings"]["reviews"]:
        warn(
            "The reviews are not those of the pretrained networks' card, or in another order: some "
            "test reviews may have been trained on."
        )
    return reviews
