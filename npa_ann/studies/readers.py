"""The networks of the 1/f study: trained now, or taken from those that were shipped."""

from dataclasses import dataclass, field
from pathlib import Path

import keras
from mne.utils import warn

from npa_ann.networks import load_weights
from npa_ann.studies.checkpoints import weights_after
from npa_ann.studies.reviews import load_reviews
from npa_ann.studies.sentiment_training import build_network, train
from npa_ann.studies.shipped import open_network, read_card


@dataclass(frozen=True)
class ReadingNetwork:
    """A network at the epochs that count.

    Parameters
    ----------
    cell : str
        Kind of its recurrent layer.
    seed : int
        Its seed.
    model : keras.Model
        The network, for its judgement; its weights are those of ``trained``.
    states : dict
        ``untrained``, ``trained`` (the epoch chosen by validation) and, where it is at hand,
        ``by_test_loss`` (the paper's choice): lists of weights.
    scores : dict
        ``by_validation`` and ``by_test_loss``: what the training's record says of those epochs.
    epochs : list of path-like
        Files of the weights after every epoch, where they are at hand.
    accuracies : list of float
        Test accuracy after every epoch.
    """

    cell: str
    seed: int
    model: keras.Model
    states: dict
    scores: dict
    epochs: list = field(default_factory=list)
    accuracies: list = field(default_factory=list)

    def weights_after(self, epoch):
        """Read the weights after one epoch.

        Parameters
        ----------
        epoch : int
            Which epoch.

        Returns
        -------
        weights : list of array
            The weights.
        """
        return _weights(keras.models.clone_model(self.model), self.epochs[epoch])


def train_network(out, reviews, seed, cell="lstm", **training):
    """Train a network, or take up its training, and open it at the epochs that count.

    Parameters
    ----------
    out : path-like
        Folder of all networks.
    reviews : Reviews
        The corpus.
    seed : int
        Its seed.
    cell : {"lstm", "gru", "simple_rnn"}
        Kind of the recurrent layer.
    **training
        Further arguments of `npa_ann.studies.sentiment_training.train`.

    Returns
    -------
    network : ReadingNetwork
        The network.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> reviews = made_up_reviews()
    >>> with TemporaryDirectory() as out:
    ...     network = train_network(out, reviews, 1, epochs=1, embedding=2, units=2)
    >>> sorted(network.states)
    ['by_test_loss', 'trained', 'untrained']
    """
    folder = Path(out) / (f"network_{seed}" if cell == "lstm" else f"peer_{cell}")
    record = train(seed, reviews, folder, cell=cell, **training)
    sizes = record["settings"]["embedding"], record["settings"]["units"]
    model = build_network(reviews, cell, *sizes)
    entries, chosen = record["epochs"], record["chosen"]
    files = [weights_after(entry["epoch"], folder) for entry in entries]
    states = {
        "untrained": _weights(model, files[0]),
        "by_test_loss": _weights(model, files[chosen["test"]]),
        "trained": _weights(model, files[chosen["validation"]]),
    }
    scores = {f"by_{part}": entries[chosen[name]] for part, name in _CHOICES.items()}
    accuracies = [entry["test"]["accuracy"] for entry in entries]
    return ReadingNetwork(cell, seed, model, states, scores, files, accuracies)


def open_shipped(folder, number, reviews):
    """Open a shipped network; its untrained self follows from its seed.

    Parameters
    ----------
    folder : path-like
        Where the weights lie.
    number : int
        Which of the card's networks.
    reviews : Reviews
        The corpus.

    Returns
    -------
    network : ReadingNetwork
        The network, without its epochs.

    Examples
    --------
    >>> open_shipped("nowhere", 0, None)
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card, _ = read_card(folder)
    entry, settings = card["networks"][number], card["settings"]
    model = open_network(folder, number)
    keras.utils.set_random_seed(entry["seed"])
    fresh = build_network(reviews, "lstm", settings["embedding"], settings["units"])
    return ReadingNetwork(
        cell="lstm",
        seed=entry["seed"],
        model=model,
        states={"untrained": fresh.get_weights(), "trained": model.get_weights()},
        scores={f"by_{part}": entry[f"chosen_by_{part}"] for part in _CHOICES},
    )


def load_shipped_reviews(data, folder, **corpus):
    """Read the reviews as the shipped networks know them.

    Parameters
    ----------
    data : path-like | None
        As in `npa_ann.studies.reviews.load_reviews`.
    folder : path-like
        Where the weights lie.
    **corpus
        Further arguments of `npa_ann.studies.reviews.load_reviews`.

    Returns
    -------
    reviews : Reviews
        The corpus; a warning is given where it is not the one that the networks learnt from.

    Examples
    --------
    >>> load_shipped_reviews(None, "nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card, words = read_card(folder)
    settings = {"length": card["corpus"]["length"], "width_step": card["settings"]["width_step"]}
    reviews = load_reviews(data, **settings | corpus | {"words": words})
    if reviews.fingerprint != card["settings"]["reviews"]:
        warn(
            "The reviews are not those of the shipped networks' card, or in another order: some "
            "test reviews may have been trained on."
        )
    return reviews


_CHOICES = {"validation": "validation", "test_loss": "test"}


def _weights(model, file):
    """Load a file into the model, and return its weights."""
    return load_weights(model, file).get_weights()
