"""Networks that name what an image shows: trained, resumed and scored."""

import json
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np
from mne.utils import logger

from npa.checks import check_number, check_option
from npa_ann.networks import plain_cnn, resnet
from npa_ann.networks.weights import load_weights
from npa_ann.studies.cards import copy_weights, save_card
from npa_ann.studies.checkpoints import Checkpoints, weights_after

NETWORKS = {
    "resnet_32": partial(resnet, 32),
    "resnet_20": partial(resnet, 20),
    "plain_cnn": plain_cnn,
}

_PAD = 4  # pixels of black around an image, out of which a crop is cut
_WARM_UP = 0.2  # share of the steps during which the learning rate rises


def train(
    name,
    images,
    out,
    *,
    seed=1,
    epochs=20,
    small_epochs=None,
    batch_size=128,
    learning_rate=0.2,
    weight_decay=3e-3,
    parts=1,
    start=None,
):
    """Train a network on all training images; take up an interrupted training.

    Parameters
    ----------
    name : {"resnet_32", "resnet_20", "plain_cnn"}
        Which network.
    images : npa_ann.corpora.Images
        The images.
    out : path-like
        Folder of this training, as `npa_ann.studies.checkpoints.Checkpoints` keeps it.
    seed : int
        Seed of the initial weights, of the order of the images, and of flips and crops.
    epochs : int
        Passes over the training images.
    small_epochs : int | None
        How many of them, the first, see the images at half their height and width, at a quarter
        of the cost. None for 9 of 20 and the like of other numbers.
    batch_size : int
        Images in a batch.
    learning_rate : float
        Peak step size. It rises over a fifth of the steps and falls along a cosine to zero.
    weight_decay : float
        Share of a kernel that each step takes off, times the step size. The momentum does not
        multiply it: the 0.0001 of [1]_, added to the gradient, is 0.001 here.
    parts : int
        Pieces that each batch is cut into, every one normalised by its own statistics, their
        gradients averaged. TensorFlow computes them side by side where it is given a thread for
        each (``TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=2`` for two): in three quarters
        of the time that two threads need for the batch as one.
    start : path-like | None
        Folder of a finished training of the same network, to go on from its last weights: a warm
        restart [2]_. None for random weights. Take another ``seed``, or each epoch sees the same
        crops as its namesake in that training.

    Returns
    -------
    record : dict
        What ``training.json`` holds; ``settings["start"]`` are the settings of the training that
        this one went on from. The last epoch's entry has ``test``: loss and accuracy on the test
        images, which nothing was chosen by.

    Raises
    ------
    ValueError
        If ``out`` holds a training with other settings, ``name`` is unknown, ``start`` is of
        another network or not finished, or ``parts`` are more than a batch's images.
    FileNotFoundError
        If ``start`` holds no training.

    Notes
    -----
    Stochastic gradient descent with Nesterov momentum 0.9. Each image is cut out of its black
    surround of 4 pixels at random and mirrored half of the time, as in [1]_.

    References
    ----------
    .. [1] He, Zhang, Ren & Sun (2016). Deep residual learning for image recognition. CVPR.
       https://doi.org/10.1109/CVPR.2016.90
    .. [2] Loshchilov & Hutter (2017). SGDR: stochastic gradient descent with warm restarts. ICLR.
       https://doi.org/10.48550/arXiv.1608.03983

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from npa_ann.corpora import Images
    >>> pixels, labels = np.zeros((4, 32, 32, 3), np.uint8), np.arange(4)
    >>> images = Images(pixels, labels, pixels, labels)
    >>> with TemporaryDirectory() as out:  # doctest: +SKIP
    ...     record = train("plain_cnn", images, out, epochs=1, small_epochs=0)
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
        beginning, record = _finished("start", start)
        settings["start"] = record["settings"]
        if settings["start"]["network"] != name:
            raise ValueError(
                f"start must be a training of {name!r}, got one of "
                f"{settings['start']['network']!r}: {str(start)!r}."
            )
    checkpoints = Checkpoints(out, settings)
    done = len(checkpoints.record["epochs"])
    side = images.train.shape[1]
    network = None
    for epoch in range(done, epochs + 1):
        shrink = 2 if epoch <= small_epochs else 1
        if network is None or network.input_shape[1] != side // shrink:
            network, model = _build(settings, side // shrink)
            checkpoints.resume(model)
        if epoch == 0:
            if start is not None:
                load_weights(model, beginning)
            checkpoints.save(model, {"epoch": 0})
            continue
        began = time.perf_counter()
        rng = np.random.default_rng([seed, epoch])
        order = np.array_split(rng.permutation(len(images.train)), steps)
        rates = learning_rate * _one_cycle((np.arange(steps) + (epoch - 1) * steps) / steps, epochs)
        scores = []
        for rows, rate in zip(order, rates, strict=True):
            model.optimizer.learning_rate.assign(rate)
            model.reset_metrics()
            pixels = augment(images.train[rows], rng, shrink)
            pieces = np.array_split(pixels, parts)
            scores.append(model.train_on_batch(pieces, images.train_labels[rows]))
        loss, accuracy = np.mean(scores, axis=0)
        entry = {"epoch": epoch, "train": {"loss": float(loss), "accuracy": float(accuracy)}}
        entry["seconds"] = round(time.perf_counter() - began, 1)
        if epoch == epochs:
            entry["test"] = evaluate(network, images.test, images.test_labels)
        checkpoints.save(model, entry)
        logger.info("%s, epoch %d: training accuracy %.2f %%.", name, epoch, 100 * accuracy)
    return checkpoints.record


def augment(pixels, rng, shrink=1):
    """Shift and mirror images at random.

    Parameters
    ----------
    pixels : array of uint8, shape (n, height, width, 3)
        Images.
    rng : numpy.random.Generator
        Decides on shifts of up to 4 pixels each way, and on mirroring.
    shrink : int
        Average squares of this many pixels a side.

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
    framed = np.pad(pixels, ((0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0)))
    shift = rng.integers(2 * _PAD + 1, size=(2, n, 1))
    rows = shift[0] + np.arange(height)
    columns = shift[1] + np.arange(width)
    mirrored = rng.random(n) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    cut = framed[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    squares = (n, height // shrink, shrink, width // shrink, shrink, colours)
    return cut.reshape(squares).mean(axis=(2, 4), dtype=np.float32) / 255


def evaluate(model, pixels, labels, batch_size=250):
    """Measure how well a network names images.

    Parameters
    ----------
    model : keras.Model
        The network.
    pixels : array of uint8, shape (n, height, width, 3)
        Images.
    labels : array of int, shape (n,)
        Their classes.
    batch_size : int
        Images in a batch; it does not change the result.

    Returns
    -------
    scores : dict
        ``loss`` (mean cross-entropy, nats) and ``accuracy`` (share of images).

    Examples
    --------
    A network whose weights are zero is undecided, at log 10 nats:

    >>> model = plain_cnn()
    >>> model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    >>> scores = evaluate(model, np.zeros((3, 32, 32, 3), np.uint8), np.arange(3))
    >>> round(scores["loss"], 4)
    2.3026
    """
    likelihoods = predict(model, pixels, batch_size)
    chosen = likelihoods[np.arange(len(labels)), labels]
    return {
        "loss": float(-np.log(chosen.clip(1e-7)).mean()),
        "accuracy": float((likelihoods.argmax(axis=1) == labels).mean()),
    }


def predict(model, pixels, batch_size=250):
    """Let a network name images.

    Parameters
    ----------
    model : keras.Model
        The network.
    pixels : array of uint8, shape (n, height, width, 3)
        Images.
    batch_size : int
        Images in a batch; it does not change the result.

    Returns
    -------
    likelihoods : array, shape (n, n_classes)
        Probability of each class.

    Examples
    --------
    >>> predict(plain_cnn(), np.zeros((3, 32, 32, 3), np.uint8)).shape
    (3, 10)
    """
    batches = np.split(pixels, range(batch_size, len(pixels), batch_size))
    return np.concatenate(
        [model.predict_on_batch(batch.astype(np.float32) / 255) for batch in batches]
    )


def ship(training, folder, corpus="CIFAR-10 (Krizhevsky 2009)"):
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
        Licence, corpus, settings, versions, SHA-256 of the weights, and ``test``: loss and
        accuracy on the test images.

    Raises
    ------
    ValueError
        If the training has not come to its last epoch.
    FileNotFoundError
        If there is none.

    Examples
    --------
    >>> card = ship("ssvep/resnet_32", "datasets/weights")  # doctest: +SKIP
    """
    weights, record = _finished("training", training)
    settings, last = record["settings"], record["epochs"][-1]
    name = settings["network"]
    card = {
        "licence": "BSD-3-Clause for the weights; the images belong to their makers",
        "network": f"npa_ann.networks, {name}: from pixels in [0, 1] to ten classes",
        "corpus": f"{corpus}, {settings['images']:,} training images, flipped and shifted",
        **copy_weights(weights, folder, name),
        "settings": settings,
        "versions": record["versions"],
        "train": last["train"],
        "test": last["test"],
    }
    return save_card(folder, name, card)


def _finished(argument, folder):
    """Last weights and record of a training, which must be finished."""
    folder = Path(folder)
    record = json.loads((folder / "training.json").read_text())
    last = record["epochs"][-1]
    if "test" not in last:
        raise ValueError(
            f"{argument} must have come to epoch {record['settings']['epochs']}, got "
            f"{str(folder)!r} at epoch {last['epoch']}."
        )
    return weights_after(last["epoch"], folder), record


def _build(settings, side):
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


def _one_cycle(passed, epochs):
    """Relative step size after so many epochs: up along a line, down along a cosine."""
    share = np.asarray(passed) / epochs
    fall = np.clip((share - _WARM_UP) / (1 - _WARM_UP), 0, 1)
    return np.where(share < _WARM_UP, share / _WARM_UP, (1 + np.cos(np.pi * fall)) / 2)
