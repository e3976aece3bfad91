"""Trained digit networks: out of their training folders, handed on, and back."""

import json
from dataclasses import dataclass
from pathlib import Path

from npa_ann.networks import load_weights
from npa_ann.studies.cards import copy_weights, find_weights, load_card, save_card
from npa_ann.studies.checkpoints import weights_after
from npa_ann.studies.rhythms.jobs import NETWORKS
from npa_ann.studies.rhythms.training import build_network

SHIPPED = {
    "resonant_rnn": "resonant_digits",
    "lstm": "lstm_digits",
    "rnn": "rnn_digits",
    "horn": "horn_digits",
}


@dataclass(frozen=True)
class DigitNetwork:
    """A network that was trained to read digits.

    Parameters
    ----------
    name : str
        Which of the study's networks.
    seed : int
        Seed of its training.
    settings : dict
        What the training was told.
    chosen : dict
        The record of the epoch chosen by validation: ``epoch``, ``validation``, ``test``.
    weights : dict
        ``"trained"`` and, where it is known, ``"untrained"``: a file each.
    """

    name: str
    seed: int
    settings: dict
    chosen: dict
    weights: dict

    def model(self, state="trained"):
        """Build the network as it was before or after its training.

        Parameters
        ----------
        state : {"trained", "untrained"}
            Which of the two. Where no untrained weights were kept, they are drawn anew.

        Returns
        -------
        model : keras.Sequential
            The network, not compiled.
        """
        model = build_network(self.settings)
        if state == "untrained" and state not in self.weights:
            return model
        return load_weights(model, self.weights[state])


def read_training(folder):
    """Read the record of a training, if it ran to its end.

    Parameters
    ----------
    folder : path-like
        Where `npa_ann.studies.rhythms.training.train` wrote.

    Returns
    -------
    record : dict | None
        What ``training.json`` holds; None where there is none, or epochs are missing.

    Examples
    --------
    >>> print(read_training("nowhere"))
    None
    """
    path = Path(folder) / "training.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    return record if len(record["epochs"]) > record["settings"]["epochs"] else None


def open_training(folder, name):
    """Open the network of a finished training.

    Parameters
    ----------
    folder : path-like
        Where `npa_ann.studies.rhythms.training.train` wrote.
    name : str
        Which of the study's networks it is.

    Returns
    -------
    network : DigitNetwork
        The network, untrained and at its best validation epoch.

    Examples
    --------
    >>> open_training("rhythms/trainings/rnn_1", "rnn").chosen["epoch"]  # doctest: +SKIP
    20
    """
    folder, record = Path(folder), read_training(folder)
    chosen = record["epochs"][record["chosen"]["validation"]]
    weights = {
        "untrained": weights_after(0, folder),
        "trained": weights_after(chosen["epoch"], folder),
    }
    return DigitNetwork(name, record["settings"]["seed"], record["settings"], chosen, weights)


def ship(trainings, folder):
    """Copy the trained networks into one folder, with a card for each kind.

    Parameters
    ----------
    trainings : path-like
        Folder of trainings called ``NAME_SEED``; those that did not end are passed over.
    folder : path-like
        Where to write ``resonant_digits_1.npz``, ..., ``resonant_digits.json`` and so on.

    Returns
    -------
    cards : dict
        Kind of network to its card: licence, corpus, settings, versions, and per network its
        seed, file, SHA-256 and scores.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from npa_ann.studies.rhythms.training import Digits, train
    >>> some = np.zeros((4, 28, 1), np.uint8), np.arange(4)
    >>> with TemporaryDirectory() as out:
    ...     place = Path(out, "rnn_1")
    ...     _ = train("rnn", Digits(some, some, some), place, epochs=1, batch_size=4)
    ...     list(ship(out, out)), Path(out, "rnn_digits_1.npz").exists()
    (['rnn_digits'], True)
    """
    trainings, folder = Path(trainings), Path(folder)
    cards = {}
    for name in NETWORKS:
        places = sorted(trainings.glob(f"{name}_[0-9]*"))
        records = {place: record for place in places if (record := read_training(place))}
        if records:
            kind = SHIPPED[name]
            cards[kind] = _write_card(kind, name, records, folder)
    return cards


def open_shipped(name, seed, folder):
    """Open one of the networks that `ship` handed on.

    Parameters
    ----------
    name : str
        Which of the study's networks.
    seed : int
        Seed of its training.
    folder : path-like
        Where weights and cards lie.

    Returns
    -------
    network : DigitNetwork | None
        The network; None where no such network is shipped.

    Raises
    ------
    ValueError
        If the file does not have the SHA-256 that the card states.

    Examples
    --------
    >>> print(open_shipped("rnn", 1, "nowhere"))
    None
    """
    card = load_card(folder, SHIPPED[name]) or {"networks": []}
    for entry in card["networks"]:
        if entry["seed"] == seed:
            weights = {"trained": find_weights(folder, entry)}
            settings = card["settings"] | {"seed": seed}
            return DigitNetwork(name, seed, settings, entry["chosen"], weights)
    return None


def _write_card(kind, name, records, folder):
    """Copy one kind of network, and write its card."""
    networks = []
    for place in records:
        network = open_training(place, name)
        entry = copy_weights(network.weights["trained"], folder, f"{kind}_{network.seed}")
        networks.append({**entry, "seed": network.seed, "chosen": network.chosen})
    settings, versions = (records[place][key] for key in ("settings", "versions"))
    card = {
        "licence": "BSD-3-Clause",
        "network": f"npa_ann.networks.{kind}: a digit of 28 x 28 pixels, one pixel a step",
        "corpus": "MNIST (LeCun, Cortes & Burges), pixels / 255; epoch chosen by validation",
        "settings": {key: value for key, value in settings.items() if key != "seed"},
        "versions": versions,
        "networks": sorted(networks, key=lambda network: network["seed"]),
    }
    return save_card(folder, kind, card)
