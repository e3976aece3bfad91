"""Networks that read a digit pixel by pixel: trained, opened, and shipped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from npa.checks import check_number, check_option
from npa.typing import AnyArray, PathLike
from npa_ann.corpora import Images, split_indices
from npa_ann.networks import (
    horn_digits,
    load_weights,
    lstm_digits,
    resonant_digits,
    rnn_digits,
)
from npa_ann.networks.cards import find_weights, read_card, write_card
from npa_ann.studies.training import (
    Checkpoint,
    fit,
    predict,
    read_training,
    scale_pixels,
    weights_after,
)

NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "resonant_rnn": resonant_digits,
    "lstm": lstm_digits,
    "rnn": rnn_digits,
    "horn": horn_digits,
}
SHIPPED = {
    "resonant_rnn": "resonant_digits",
    "lstm": "lstm_digits",
    "rnn": "rnn_digits",
    "horn": "horn_digits",
}
WARM_UP = 0.3  # share of the steps during which the learning rate rises
N_CLASSES = 10
BATCH_SIZE = 500  # of predictions


@dataclass(frozen=True)
class Digits:
    """Digits as sequences of pixels, in three parts.

    Parameters
    ----------
    train, validation, test : tuple of array
        Pixels of uint8, shape (n, time, 1), and labels of int, shape (n,).
    """

    train: tuple[AnyArray, AnyArray]
    validation: tuple[AnyArray, AnyArray]
    test: tuple[AnyArray, AnyArray]


@dataclass(frozen=True)
class DigitNetwork:
    """A network that was trained to read digits.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``.
    seed : int
        Seed of its training.
    settings : dict
        Settings of its training.
    chosen : dict
        The record of the epoch chosen by validation: ``epoch``, ``validation``, ``test``.
    weights : dict
        ``"trained"`` and, if it is known, ``"untrained"``: a file each.
    """

    name: str
    seed: int
    settings: dict[str, Any]
    chosen: dict[str, Any]
    weights: dict[str, Path]

    def model(self, state: str = "trained") -> keras.Model:
        """Build the network as it was before or after its training.

        Parameters
        ----------
        state : {"trained", "untrained"}
            Which of the two. Untrained weights that were not kept are drawn again.

        Returns
        -------
        model : keras.Sequential
            The network, not compiled.
        """
        model = build_network(self.settings)
        if state == "untrained" and state not in self.weights:
            return model
        return load_weights(model, self.weights[state])


def split_digits(images: Images, validation: int = 5000) -> Digits:
    """Unroll images into sequences, and set some of the training digits aside.

    Parameters
    ----------
    images : npa_ann.corpora.Images
        The digits.
    validation : int
        How many training digits to choose epochs by; the same ones at each call.

    Returns
    -------
    digits : Digits
        The three parts.

    Examples
    --------
    >>> labels = np.tile([0, 1], 10)
    >>> images = Images(np.zeros((20, 28, 28), np.uint8), labels, np.zeros((4, 28, 28)), labels[:4])
    >>> [part[0].shape for part in vars(split_digits(images, validation=4)).values()]
    [(16, 784, 1), (4, 784, 1), (4, 784, 1)]
    """
    kept, aside = split_indices(images.train_labels, validation)
    train, test = (pixels.reshape(len(pixels), -1, 1) for pixels in (images.train, images.test))
    labels = images.train_labels
    return Digits(
        (train[kept], labels[kept]), (train[aside], labels[aside]), (test, images.test_labels)
    )


def train(
    name: str,
    digits: Digits,
    out: PathLike,
    *,
    seed: int = 1,
    epochs: int = 8,
    batch_size: int = 128,
    learning_rate: float = 0.01,
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.0,
    rhythm: dict[str, Any] | None = None,
    frozen: bool = False,
) -> dict[str, Any]:
    """Train a network to read digits, or resume its training.

    Parameters
    ----------
    name : {"resonant_rnn", "lstm", "rnn", "horn"}
        Which network.
    digits : Digits
        What it reads.
    out : path-like
        Folder of the training, see `npa_ann.studies.training.Checkpoint`.
    seed : int
        Seed of the initial weights, of dropout and of the order of the digits.
    epochs : int
        Passes over the training digits.
    batch_size : int
        Digits per batch; those of an epoch that fill no whole batch are left out of it.
    learning_rate : float
        Peak of the learning rate, which rises over three tenths of the steps from a 25th, and
        falls along a cosine to zero.
    weight_decay : float
        Share of a weight that is subtracted in each step, times the learning rate.
    label_smoothing : float
        Probability taken from the true class and spread over all.
    rhythm : dict | None
        Further arguments of the network's function, such as ``frequencies`` or ``coupling``.
    frozen : bool
        Whether to train only what follows the recurrent layer and its averages.

    Returns
    -------
    record : dict
        What ``training.json`` holds: each epoch's entry has the ``accuracy`` on ``validation``
        and ``test`` digits, and ``chosen["validation"]`` names the epoch where the former is
        highest.

    Raises
    ------
    ValueError
        If ``out`` holds a training with other settings, an argument is out of its range, or
        there are fewer digits than a batch.

    Notes
    -----
    AdamW; the gradient is clipped to a length of 1 over all weights.

    Examples
    --------
    >>> some = np.zeros((4, 28, 1), np.uint8), np.arange(4)
    >>> record = train("rnn", Digits(some, some, some), "rnn_1", epochs=1, batch_size=4)
    >>> [entry["epoch"] for entry in record["epochs"]]
    [0, 1]
    """
    check_option("name", name, NETWORKS)
    settings = {
        "network": name,
        "seed": check_number("seed", seed, low=0, integer=True),
        "epochs": check_number("epochs", epochs, low=1, integer=True),
        "batch_size": check_number("batch_size", batch_size, low=1, integer=True),
        "learning_rate": check_number("learning_rate", learning_rate, above=0),
        "weight_decay": check_number("weight_decay", weight_decay, low=0),
        "label_smoothing": check_number("label_smoothing", label_smoothing, low=0, below=1),
        "rhythm": rhythm or {},
        "frozen": frozen,
        "digits": [len(part[1]) for part in vars(digits).values()],
    }
    if len(digits.train[1]) < batch_size:
        raise ValueError(
            f"batch_size must be at most the number of training digits, {len(digits.train[1])}, "
            f"got {batch_size}."
        )
    checkpoint = Checkpoint(out, settings, {"validation": _error})
    if checkpoint.epoch >= epochs:
        return checkpoint.record
    model = build_network(settings)
    inputs = {part: scale_pixels(pixels) for part, (pixels, _) in vars(digits).items()}
    if frozen:
        model, inputs = _read_once(model, inputs)
    _compile(model, settings)
    targets = np.eye(N_CLASSES, dtype=np.float32)[digits.train[1]]

    def batches(rng: np.random.Generator) -> Iterator[tuple[AnyArray, AnyArray]]:
        n_whole = len(targets) // batch_size * batch_size
        for rows in rng.permutation(len(targets))[:n_whole].reshape(-1, batch_size):
            yield inputs["train"][rows], targets[rows]

    def evaluate(epoch: int) -> dict[str, Any]:
        return {
            part: {"accuracy": accuracy(model, inputs[part], getattr(digits, part)[1])}
            for part in ("validation", "test")
        }

    return fit(model, batches, checkpoint, epochs=epochs, evaluate=evaluate)


def build_network(settings: dict[str, Any]) -> keras.Model:
    """Build the untrained network of a training.

    Parameters
    ----------
    settings : dict
        Settings of the training: ``network``, ``seed`` and ``rhythm`` are used.

    Returns
    -------
    model : keras.Sequential
        The network with the weights it started from, not compiled.

    Examples
    --------
    >>> build_network({"network": "lstm", "seed": 1, "rhythm": {}}).count_params()
    274
    """
    keras.utils.set_random_seed(settings["seed"])
    return NETWORKS[settings["network"]](**settings["rhythm"])


def accuracy(model: keras.Model, pixels: AnyArray, labels: AnyArray) -> float:
    """Measure the share of digits that are classified correctly.

    Parameters
    ----------
    model : keras.Model
        The network.
    pixels : array, shape (n, time, 1)
        Digits: uint8, or floats in [0, 1].
    labels : array of int, shape (n,)
        Their classes.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    Examples
    --------
    >>> accuracy(rnn_digits(), np.zeros((2, 28, 1), np.uint8), np.array([10, 10]))
    0.0
    """
    return float((predict(model, pixels, BATCH_SIZE).argmax(axis=1) == labels).mean())


def finished_training(folder: PathLike) -> dict[str, Any] | None:
    """Read the record of a training, if it is at its last epoch.

    Parameters
    ----------
    folder : path-like
        Where `train` wrote.

    Returns
    -------
    record : dict | None
        What ``training.json`` holds; None if there is none, or epochs are missing.

    Examples
    --------
    >>> print(finished_training("nowhere"))
    None
    """
    record = read_training(folder)
    if record is None or len(record["epochs"]) <= record["settings"]["epochs"]:
        return None
    return record


def open_training(folder: PathLike, name: str) -> DigitNetwork:
    """Open the network of a finished training.

    Parameters
    ----------
    folder : path-like
        Where `train` wrote.
    name : str
        One of ``NETWORKS``.

    Returns
    -------
    network : DigitNetwork
        The network, untrained and at its best validation epoch.

    Examples
    --------
    >>> open_training("nowhere", "rnn")
    Traceback (most recent call last):
    FileNotFoundError: There is no finished training in 'nowhere'.
    """
    record = finished_training(folder)
    if record is None:
        raise FileNotFoundError(f"There is no finished training in {str(folder)!r}.")
    chosen = record["epochs"][record["chosen"]["validation"]]
    weights = {
        "untrained": weights_after(0, folder),
        "trained": weights_after(chosen["epoch"], folder),
    }
    return DigitNetwork(name, record["settings"]["seed"], record["settings"], chosen, weights)


def open_shipped(name: str, seed: int, folder: PathLike) -> DigitNetwork | None:
    """Open one of the networks that `ship` wrote.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``.
    seed : int
        Seed of its training.
    folder : path-like
        Where weights and cards are.

    Returns
    -------
    network : DigitNetwork | None
        The network; None if it is not shipped.

    Raises
    ------
    ValueError
        If the file does not have the SHA-256 that the card states.

    Examples
    --------
    >>> print(open_shipped("rnn", 1, "nowhere"))
    None
    """
    try:
        card = read_card(folder, SHIPPED[name])
    except FileNotFoundError:
        return None
    for entry in card["networks"]:
        if entry["seed"] == seed:
            weights = {"trained": find_weights(folder, entry)}
            settings = card["settings"] | {"seed": seed}
            return DigitNetwork(name, seed, settings, entry["chosen"], weights)
    return None


def ship(trainings: PathLike, folder: PathLike) -> dict[str, Any]:
    """Copy trained networks into one folder, with a card for each kind.

    Parameters
    ----------
    trainings : path-like
        Folder of trainings called ``NAME_SEED``; those that are not finished are left out.
    folder : path-like
        Where to write ``resonant_digits_1.npz``, ..., ``resonant_digits.json`` and so on.

    Returns
    -------
    cards : dict
        Kind of network to its card, see `npa_ann.networks.cards.write_card`.

    Examples
    --------
    >>> some = np.zeros((4, 28, 1), np.uint8), np.arange(4)
    >>> _ = train("rnn", Digits(some, some, some), "trained/rnn_1", epochs=1, batch_size=4)
    >>> list(ship("trained", ".")), Path("rnn_digits_1.npz").exists()
    (['rnn_digits'], True)
    """
    cards = {}
    for name, kind in SHIPPED.items():
        folders = sorted(Path(trainings).glob(f"{name}_[0-9]*"))
        networks = [open_training(each, name) for each in folders if finished_training(each)]
        if not networks:
            continue
        networks.sort(key=lambda network: network.seed)
        settings = {key: value for key, value in networks[-1].settings.items() if key != "seed"}
        record = finished_training(networks[-1].weights["trained"].parent) or {}
        cards[kind] = write_card(
            folder,
            kind,
            [
                (
                    f"{kind}_{network.seed}",
                    network.weights["trained"],
                    {"seed": network.seed, "chosen": network.chosen},
                )
                for network in networks
            ],
            licence="BSD-3-Clause",
            network=f"npa_ann.networks.{kind}: a digit of 28 x 28 pixels, one pixel per step",
            corpus="MNIST (LeCun, Cortes & Burges), pixels / 255; epoch chosen by validation",
            settings=settings,
            versions=record["versions"],
        )
    return cards


def _error(entry: dict[str, Any]) -> float:
    """Rank an epoch: the lowest is best."""
    return -float(entry["validation"]["accuracy"])


def _compile(model: keras.Model, settings: dict[str, Any]) -> None:
    """Prepare a network for training."""
    steps = settings["digits"][0] // settings["batch_size"] * settings["epochs"]
    warm_up = round(WARM_UP * steps)
    peak = settings["learning_rate"]
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 25, steps - warm_up, warmup_target=peak, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=settings["weight_decay"], global_clipnorm=1.0
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings["label_smoothing"])
    # XLA needs minutes for 784 steps under TensorFlow, and JAX has nothing else.
    jit = keras.backend.backend() == "jax"
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)


def _read_once(
    model: keras.Model, inputs: dict[str, AnyArray]
) -> tuple[keras.Model, dict[str, AnyArray]]:
    """Run all digits through the fixed layers; return what is left to train, and its inputs."""
    names = [layer.name for layer in model.layers]
    behind = names.index("average") + 1
    fixed = keras.Sequential([model.inputs[0], *model.layers[:behind]])
    features = {part: predict(fixed, pixels, BATCH_SIZE) for part, pixels in inputs.items()}
    head = keras.Sequential(
        [keras.Input(features["train"].shape[1:]), *model.layers[behind:]], name=model.name
    )
    return head, features
