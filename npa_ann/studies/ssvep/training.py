"""Training of networks that classify images."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from npa.checks import check_number, check_option
from npa.typing import AnyArray, PathLike
from npa_ann.corpora import Images
from npa_ann.networks import load_weights, plain_cnn, resnet
from npa_ann.networks.cards import write_card
from npa_ann.studies.training import Checkpoint, fit, predict, read_training, weights_after

NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "resnet_32": partial(resnet, 32),
    "resnet_20": partial(resnet, 20),
    "plain_cnn": plain_cnn,
}
PADDING = 4  # black pixels around an image, out of which a crop is cut
WARM_UP = 0.2  # share of the steps during which the learning rate rises


def train(
    name: str,
    images: Images,
    out: PathLike,
    *,
    seed: int = 1,
    epochs: int = 20,
    small_epochs: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 0.2,
    weight_decay: float = 3e-3,
    parts: int = 1,
    start: PathLike | None = None,
) -> dict[str, Any]:
    """Train a network on all training images, or resume its training.

    Parameters
    ----------
    name : {"resnet_32", "resnet_20", "plain_cnn"}
        Which network.
    images : npa_ann.corpora.Images
        The images.
    out : path-like
        Folder of the training, see `npa_ann.studies.training.Checkpoint`.
    seed : int
        Seed of the initial weights, of the order of the images, and of flips and crops.
    epochs : int
        Passes over the training images.
    small_epochs : int | None
        How many of them, the first, use images of half the height and width, at a quarter of the
        cost. None for 9 of 20, and the same share of other numbers.
    batch_size : int
        Images per batch.
    learning_rate : float
        Peak of the learning rate, which rises over a fifth of the steps and falls along a cosine
        to zero.
    weight_decay : float
        Share of a kernel that is subtracted in each step, times the learning rate. Momentum does
        not multiply it: the 0.0001 of [1]_, added to the gradient, is 0.001 here.
    parts : int
        Parts that each batch is cut into, each normalised by its own statistics, their gradients
        averaged. TensorFlow computes them in parallel where it has a thread for each
        (``TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=2`` for two): in three quarters of the
        time that two threads need for the batch as one.
    start : path-like | None
        Folder of a finished training of the same network, from whose last weights to start: a
        warm restart [2]_. None for random weights. Choose another ``seed``, or each epoch has the
        same crops as that of the same number in that training.

    Returns
    -------
    record : dict
        What ``training.json`` holds; ``settings["start"]`` are the settings of the training that
        this one started from. The last epoch's entry has ``test``: loss and accuracy on the test
        images, which nothing was chosen by.

    Raises
    ------
    ValueError
        If ``out`` holds a training with other settings, ``name`` is unknown, ``start`` is of
        another network or not finished, or there are more ``parts`` than images in a batch.
    FileNotFoundError
        If ``start`` holds no training.

    Notes
    -----
    Stochastic gradient descent with Nesterov momentum 0.9. Each image is cut at random out of a
    black border of 4 pixels and mirrored half of the time, as in [1]_.

    References
    ----------
    .. [1] He, Zhang, Ren & Sun (2016). Deep residual learning for image recognition. CVPR.
       https://doi.org/10.1109/CVPR.2016.90
    .. [2] Loshchilov & Hutter (2017). SGDR: stochastic gradient descent with warm restarts. ICLR.
       https://doi.org/10.48550/arXiv.1608.03983

    Examples
    --------
    >>> train("alexnet", None, "alexnet")
    Traceback (most recent call last):
    ValueError: name must be one of ['resnet_32', 'resnet_20', 'plain_cnn'], got 'alexnet'.
    """
    check_option("name", name, NETWORKS)
    small_epochs = epochs * 9 // 20 if small_epochs is None else small_epochs
    settings = {
        "network": name,
        "seed": check_number("seed", seed, low=0, integer=True),
        "epochs": check_number("epochs", epochs, low=1, integer=True),
        "small_epochs": check_number(
            "small_epochs", small_epochs, low=0, high=epochs - 1, integer=True
        ),
        "batch_size": check_number("batch_size", batch_size, low=1, integer=True),
        "learning_rate": check_number("learning_rate", learning_rate, above=0),
        "weight_decay": check_number("weight_decay", weight_decay, low=0),
        "images": len(images.train),
        "start": None,
    }
    steps = -(-len(images.train) // batch_size)
    smallest = len(images.train) // steps
    settings["parts"] = check_number("parts", parts, low=1, high=smallest, integer=True)
    if start is not None:
        start_weights, started = _finished("start", start)
        settings["start"] = started["settings"]
        if started["settings"]["network"] != name:
            raise ValueError(
                f"start must be a training of {name!r}, got one of "
                f"{started['settings']['network']!r}: {str(start)!r}."
            )
    checkpoint = Checkpoint(out, settings)
    side = images.train.shape[1]
    for shrink, last in ((2, small_epochs), (1, epochs)):
        if last <= 0 or checkpoint.epoch >= last:
            continue
        network, model = _build(settings, side // shrink)
        if start is not None and checkpoint.epoch < 0:
            load_weights(model, start_weights)
        fit(
            model,
            partial(_batches, images, steps, parts, shrink),
            checkpoint,
            epochs=last,
            evaluate=partial(_evaluate_last, network, images, epochs),
            learning_rate=partial(_one_cycle, learning_rate, epochs, steps),
        )
    return checkpoint.record


def augment(pixels: AnyArray, rng: np.random.Generator, shrink: int = 1) -> AnyArray:
    """Shift and mirror images at random.

    Parameters
    ----------
    pixels : array of uint8, shape (n, height, width, 3)
        Images.
    rng : numpy.random.Generator
        Draws shifts of up to 4 pixels each way, and mirroring.
    shrink : int
        Average squares of this many pixels on each side.

    Returns
    -------
    changed : array of float32, shape (n, height / shrink, width / shrink, 3)
        Pixels in [0, 1]; what is shifted in is black.

    Examples
    --------
    >>> white = np.full((2, 32, 32, 3), 255, np.uint8)
    >>> augment(white, np.random.default_rng(0), shrink=2).shape
    (2, 16, 16, 3)
    """
    n, height, width, colours = pixels.shape
    border = ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0))
    padded = np.pad(pixels, border)
    shift = rng.integers(2 * PADDING + 1, size=(2, n, 1))
    rows = shift[0] + np.arange(height)
    columns = shift[1] + np.arange(width)
    mirrored = rng.random(n) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    cut = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    squares = (n, height // shrink, shrink, width // shrink, shrink, colours)
    changed: AnyArray = cut.reshape(squares).mean(axis=(2, 4), dtype=np.float32) / 255
    return changed


def evaluate(
    model: keras.Model, pixels: AnyArray, labels: AnyArray, batch_size: int = 250
) -> dict[str, float]:
    """Measure how well a network classifies images.

    Parameters
    ----------
    model : keras.Model
        The network.
    pixels : array of uint8, shape (n, height, width, 3)
        Images.
    labels : array of int, shape (n,)
        Their classes.
    batch_size : int
        Images per batch; it does not change the result.

    Returns
    -------
    scores : dict
        ``loss`` (mean cross-entropy in nats) and ``accuracy`` (share of images).

    Examples
    --------
    A network whose weights are zero is undecided, at log 10 nats:

    >>> model = plain_cnn()
    >>> model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    >>> scores = evaluate(model, np.zeros((3, 32, 32, 3), np.uint8), np.arange(3))
    >>> round(scores["loss"], 4)
    2.3026
    """
    probabilities = predict(model, pixels, batch_size)
    of_label = probabilities[np.arange(len(labels)), labels]
    return {
        "loss": float(-np.log(of_label.clip(1e-7)).mean()),
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
    }


def ship(
    training: PathLike, folder: PathLike, corpus: str = "CIFAR-10 (Krizhevsky 2009)"
) -> dict[str, Any]:
    """Copy the weights of a finished training into a folder, with their card.

    Parameters
    ----------
    training : path-like
        Folder that `train` wrote.
    folder : path-like
        Where to write ``NAME.npz`` and the card ``NAME.json``.
    corpus : str
        What the card calls the images.

    Returns
    -------
    card : dict
        As `npa_ann.networks.cards.write_card` returns it.

    Raises
    ------
    ValueError
        If the training is not at its last epoch.
    FileNotFoundError
        If there is none.

    Examples
    --------
    >>> ship("nowhere", ".")
    Traceback (most recent call last):
    FileNotFoundError: There is no training in 'nowhere'.
    """
    weights, record = _finished("training", training)
    settings, last = record["settings"], record["epochs"][-1]
    name = settings["network"]
    return write_card(
        folder,
        name,
        [(name, weights, {"train": last["train"], "test": last["test"]})],
        licence="BSD-3-Clause for the weights; the images belong to their makers",
        network=f"npa_ann.networks, {name}: from pixels in [0, 1] to ten classes",
        corpus=f"{corpus}, {settings['images']:,} training images, flipped and shifted",
        settings=settings,
        versions=record["versions"],
    )


def _finished(argument: str, folder: PathLike) -> tuple[Path, dict[str, Any]]:
    """Return last weights and record of a training, which must be finished."""
    record = read_training(folder)
    if record is None:
        raise FileNotFoundError(f"There is no training in {str(folder)!r}.")
    last = record["epochs"][-1]
    if "test" not in last:
        raise ValueError(
            f"{argument} must have come to epoch {record['settings']['epochs']}, got "
            f"{str(folder)!r} at epoch {last['epoch']}."
        )
    return weights_after(last["epoch"], folder), record


def _build(settings: dict[str, Any], side: int) -> tuple[keras.Model, keras.Model]:
    """Build the network for images of this side, and the model that trains it part by part."""
    keras.utils.set_random_seed(settings["seed"])
    network = NETWORKS[settings["network"]](side=side)
    inputs = [keras.Input(network.input_shape[1:]) for _ in range(settings["parts"])]
    outputs = [network(part) for part in inputs]
    model = keras.Model(inputs, keras.ops.concatenate(outputs))
    optimizer = keras.optimizers.SGD(
        settings["learning_rate"],
        momentum=0.9,
        nesterov=True,
        weight_decay=settings["weight_decay"],
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    return network, model


def _batches(
    images: Images, steps: int, parts: int, shrink: int, rng: np.random.Generator
) -> Iterator[tuple[list[AnyArray], AnyArray]]:
    """Yield all training images once, in random order, shifted and mirrored."""
    for rows in np.array_split(rng.permutation(len(images.train)), steps):
        pixels = augment(images.train[rows], rng, shrink)
        yield np.array_split(pixels, parts), images.train_labels[rows]


def _evaluate_last(
    network: keras.Model, images: Images, epochs: int, epoch: int
) -> dict[str, dict[str, float]]:
    """Measure loss and accuracy on the test images after the last epoch alone."""
    if epoch < epochs:
        return {}
    return {"test": evaluate(network, images.test, images.test_labels)}


def _one_cycle(peak: float, epochs: int, steps: int, epoch: int, step: int) -> float:
    """Learning rate: up along a line, down along a cosine."""
    share = (step / steps + epoch - 1) / epochs
    if share < WARM_UP:
        return peak * share / WARM_UP
    return peak * float(1 + np.cos(np.pi * (share - WARM_UP) / (1 - WARM_UP))) / 2
