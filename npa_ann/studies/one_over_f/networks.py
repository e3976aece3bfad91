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
from npa_ann.studies.training import Checkpoint, Entry, fit, read_training, weights_after

CELLS = {"lstm": None, "gru": layers.GRU, "simple_rnn": layers.SimpleRNN}
NAME = "sentiment_lstm"

_CHOICES = {
    "validation": lambda entry: -entry["validation"]["accuracy"],
    "test": lambda entry: entry["test"]["loss"],
}


@dataclass(frozen=True)
class Network:
    """A network at the epochs that count.

    Parameters
    ----------
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

    states: dict[str, keras.Model]
    scores: dict[str, Entry]
    epochs: Sequence[Path] = ()
    accuracies: Sequence[float] = ()


def build_network(
    reviews: Reviews, cell: str = "lstm", embedding: int = 32, units: int = 60
) -> keras.Sequential:
    """Build the network of the paper, or the same with another recurrent layer.

    >>> reviews = Reviews(*(np.zeros((1, 3), int),) * 5, vocabulary=("", "[UNK]", "film"))
    >>> [layer.name for layer in build_network(reviews, "gru").layers]
    ['embedding', 'gru', 'output']
    """
    kind = CELLS[check_option("cell", cell, tuple(CELLS))]
    words = len(reviews.vocabulary)
    if kind is None:
        return sentiment_lstm(words - 2, embedding, units)
    penalty = keras.regularizers.L2(0.001)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32", name="tokens"),
            layers.Embedding(words, embedding, name="embedding"),
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

    ``seed`` determines the initial weights, the order of the batches, and the tenth of the training
    reviews that is held out for validation. Training stops at a validation accuracy of ``target``
    (None: never), at the latest after ``epochs``.

    The returned record is that of the `Checkpoint` in ``out``: ``loss`` (binary cross-entropy,
    nats) and ``accuracy`` of every epoch, and ``penalty``, the L2 cost that the ``train`` loss
    includes. ``chosen["validation"]`` is the epoch of highest validation accuracy,
    ``chosen["test"]`` the paper's choice: lowest loss on the test reviews.

    >>> record = train(1, load_reviews(), "network_1")  # doctest: +SKIP
    """
    settings = {
        "seed": check_number("seed", seed, low=0, integer=True),
        "cell": cell,
        "batch_size": check_number("batch_size", batch_size, low=1, integer=True),
        "learning_rate": check_number("learning_rate", learning_rate, above=0),
        "embedding": embedding,
        "units": units,
        "target": None if target is None else check_number("target", target, above=0, high=1),
        "width_step": reviews.width_step,
        "reviews": reviews.fingerprint,
    }
    epochs = check_number("epochs", epochs, low=1, integer=True)
    checkpoint = Checkpoint(out, settings, _CHOICES)
    fitted, held_out = (
        reviews.train[rows] for rows in split_indices(reviews.labels[reviews.train], 0.1, seed)
    )
    keras.utils.set_random_seed(seed)
    model = build_network(reviews, cell, embedding, units)
    optimizer = keras.optimizers.Adam(learning_rate)
    # Compiling to XLA was measured to be slower here: 192 against 129 ms per batch.
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], jit_compile=False)

    def batches(rng: np.random.Generator) -> Iterator[tuple[AnyArray, AnyArray]]:
        for rows, tokens in _batches(reviews, fitted, batch_size, rng):
            yield tokens, reviews.labels[rows]

    def scores(epoch: int) -> Entry:
        return {
            "validation": evaluate(model, reviews, held_out),
            "test": evaluate(model, reviews, reviews.test),
            "penalty": float(sum(float(keras.ops.convert_to_numpy(x)) for x in model.losses)),
        }

    def reached(entry: Entry) -> bool:
        return target is not None and entry["validation"]["accuracy"] >= target

    return fit(model, batches, checkpoint, epochs=epochs, evaluate=scores, stop=reached)


def evaluate(model: keras.Model, reviews: Reviews, rows: IntArray) -> dict[str, float]:
    """Measure ``loss`` (mean binary cross-entropy, nats) and ``accuracy`` on rows of reviews.

    >>> evaluate(model, reviews, reviews.test)["accuracy"]  # doctest: +SKIP
    0.894
    """
    probability, labels = predict(model, reviews, rows), reviews.labels[rows]
    likelihood = np.where(labels == 1, probability, 1 - probability).clip(1e-7)
    return {
        "loss": float(-np.log(likelihood).mean()),
        "accuracy": float(((probability > 0.5) == labels).mean()),
    }


def predict(
    model: keras.Model, reviews: Reviews, rows: IntArray, batch_size: int = 256
) -> FloatArray:
    """Predict the probability that rows of reviews are positive.

    >>> predict(model, reviews, reviews.test[:2])  # doctest: +SKIP
    array([0.98, 0.03])
    """
    predicted = np.full(len(reviews.labels), np.nan)
    for batch, tokens in _batches(reviews, rows, batch_size):
        predicted[batch] = model.predict_on_batch(tokens)[:, 0]
    return predicted[rows]


def train_network(
    out: PathLike, reviews: Reviews, seed: int, cell: str = "lstm", **training: Any
) -> Network:
    """Train a network by `train` in its folder of a study, or open it there.

    >>> network = train_network("one-over-f", load_reviews(), 1)  # doctest: +SKIP
    """
    folder = Path(out) / (f"network_{seed}" if cell == "lstm" else f"peer_{cell}")
    record = train(seed, reviews, folder, cell=cell, **training)
    entries, by_validation, by_test_loss = _chosen(record)
    files = [weights_after(entry["epoch"], folder) for entry in entries]
    chosen = {"untrained": entries[0], "by_test_loss": by_test_loss, "trained": by_validation}
    return Network(
        states={
            state: load_weights(
                build_network(reviews, cell, *_sizes(record)), files[entry["epoch"]]
            )
            for state, entry in chosen.items()
        },
        scores={"by_validation": by_validation, "by_test_loss": by_test_loss},
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

    >>> export_networks(["one-over-f/network_1"], load_reviews(), "weights")  # doctest: +SKIP
    """
    networks, record = [], {}
    for training in map(Path, trainings):
        record = read_training(training) or {"settings": {"reviews": None}}
        if record["settings"]["reviews"] != reviews.fingerprint:
            raise ValueError(f"The training in {str(training)!r} belongs to other reviews.")
        entries, by_validation, by_test_loss = _chosen(record)
        seed = record["settings"]["seed"]
        about = {
            "seed": seed,
            "epochs_trained": entries[-1]["epoch"],
            "chosen_by_validation": by_validation,
            "chosen_by_test_loss": by_test_loss,
        }
        networks.append((f"{NAME}_{seed}", weights_after(by_validation["epoch"], training), about))
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


def open_pretrained(folder: PathLike, number: int = 0) -> Network:
    """Open a pretrained network, trained and untrained (which its seed determines).

    >>> from npa.datasets import bundled_data
    >>> list(open_pretrained(bundled_data() / "weights").states)
    ['untrained', 'trained']
    """
    card = read_card(folder, NAME)
    entry, words = card["networks"][number], card["corpus"]["words"]
    keras.utils.set_random_seed(entry["seed"])
    untrained, trained = (sentiment_lstm(words, *_sizes(card)) for _ in range(2))
    load_weights(trained, find_weights(folder, entry))
    scores = {name: entry[f"chosen_{name}"] for name in ("by_validation", "by_test_loss")}
    return Network({"untrained": untrained, "trained": trained}, scores)


def load_pretrained_reviews(data: PathLike | None, folder: PathLike, **corpus: Any) -> Reviews:
    """Load the reviews with the words of the pretrained networks; warn if they are others.

    >>> load_pretrained_reviews(None, "nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card = read_card(folder, NAME)
    settings = {"length": card["corpus"]["length"], "width_step": card["settings"]["width_step"]}
    words = Path(folder, f"{NAME}_words.txt").read_text(encoding="utf-8").splitlines()
    reviews = load_reviews(data, **settings | corpus | {"words": words})
    if reviews.fingerprint != card["settings"]["reviews"]:
        warn(
            "The reviews are not those of the pretrained networks' card, or in another order: some "
            "test reviews may have been trained on."
        )
    return reviews


def _batches(
    reviews: Reviews, rows: AnyArray, batch_size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[AnyArray, AnyArray]]:
    """Yield rows of one width, and their tokens; in random order where ``rng`` is given."""
    rows = np.asarray(rows) if rng is None else rng.permutation(rows)
    widths = reviews.widths[rows]
    batches: list[AnyArray] = []
    for width in np.unique(widths):
        alike = rows[widths == width]
        batches += np.split(alike, range(batch_size, len(alike), batch_size))
    for number in range(len(batches)) if rng is None else rng.permutation(len(batches)):
        batch = batches[number]
        yield batch, reviews.tokens[batch, -int(reviews.widths[batch[0]]) :]


def _chosen(record: dict[str, Any]) -> tuple[list[Entry], Entry, Entry]:
    """All epochs of a training, that chosen by validation, and that by test loss."""
    entries, chosen = record["epochs"], record["chosen"]
    return entries, entries[chosen["validation"]], entries[chosen["test"]]


def _sizes(record: dict[str, Any]) -> tuple[int, int]:
    """Sizes of embedding and recurrent layer, from a training's record or a card."""
    return record["settings"]["embedding"], record["settings"]["units"]
