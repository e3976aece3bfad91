"""Networks that read a digit pixel by pixel: trained, resumed and scored."""

import time
from dataclasses import dataclass

import keras
import numpy as np
from mne.utils import logger

from npa.checks import check_number, check_option
from npa_ann.corpora import split_indices
from npa_ann.networks import horn_digits, lstm_digits, resonant_digits, rnn_digits
from npa_ann.studies.checkpoints import Checkpoints

NETWORKS = {
    "resonant_rnn": resonant_digits,
    "rnn": rnn_digits,
    "lstm": lstm_digits,
    "horn": horn_digits,
}
_WARM_UP = 0.3  # share of the steps during which the learning rate rises
_CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Digits as sequences of pixels, in three parts.

    Parameters
    ----------
    train, validation, test : tuple of array
        Pixels of uint8, shape (n, time, 1), and labels of int, shape (n,).
    """

    train: tuple
    validation: tuple
    test: tuple


def split_digits(images, validation=5000):
    """Unroll images into sequences, and set some of the training digits aside.

    Parameters
    ----------
    images : npa_ann.corpora.Images
        The digits, row by row.
    validation : int
        How many training digits to choose epochs by; the same ones at every call.

    Returns
    -------
    digits : Digits
        The three parts.

    Examples
    --------
    >>> from npa_ann.corpora import Images
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
    name,
    digits,
    out,
    *,
    seed=1,
    epochs=8,
    batch_size=128,
    learning_rate=0.01,
    weight_decay=1e-4,
    label_smoothing=0.0,
    rhythm=None,
    frozen=False,
):
    """Train a network to read digits; take up an interrupted training.

    Parameters
    ----------
    name : {"resonant_rnn", "rnn", "lstm", "horn"}
        Which network.
    digits : Digits
        What it reads.
    out : path-like
        Folder of this training, as `npa_ann.studies.checkpoints.Checkpoints` keeps it.
    seed : int
        Seed of the initial weights, of dropout and of the order of the digits.
    epochs : int
        Passes over the training digits.
    batch_size : int
        Digits in a batch; those of an epoch that fill no whole batch are left out of it.
    learning_rate : float
        Peak step size: it rises over three tenths of the steps from a 25th, and falls along a
        cosine to zero.
    weight_decay : float
        Share of a weight that each step takes off, times the step size.
    label_smoothing : float
        Likelihood taken from the right class and spread over all. Default 0.
    rhythm : dict | None
        Further arguments of the network's function, such as ``frequencies`` or ``coupling``.
    frozen : bool
        Whether to train only what comes behind the recurrent layer and its averages.

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
    >>> from tempfile import TemporaryDirectory
    >>> some = np.zeros((4, 28, 1), np.uint8), np.arange(4)
    >>> with TemporaryDirectory() as out:
    ...     record = train("rnn", Digits(some, some, some), out, epochs=1, batch_size=4)
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
    checkpoints = Checkpoints(out, settings, {"validation": _error})
    done = len(checkpoints.record["epochs"])
    if done > epochs:
        return checkpoints.record
    model = build_network(settings)
    parts = {part: _pixels(pixels) for part, (pixels, _) in vars(digits).items()}
    if frozen:
        model, parts = _read_once(model, parts)
    _compile(model, settings)
    checkpoints.resume(model)
    for epoch in range(done, epochs + 1):
        start = time.perf_counter()
        entry = {"epoch": epoch}
        if epoch:
            entry["train"] = _run_epoch(model, parts["train"], digits.train[1], settings, epoch)
        for part in ("validation", "test"):
            likelihoods = predict(model, parts[part])
            hits = likelihoods.argmax(axis=1) == getattr(digits, part)[1]
            entry[part] = {"accuracy": float(hits.mean())}
        checkpoints.save(model, entry | {"seconds": round(time.perf_counter() - start, 1)})
        logger.info(
            "%s, seed %d, epoch %d: validation accuracy %.3f.",
            *(name, seed, epoch, entry["validation"]["accuracy"]),
        )
    return checkpoints.record


def build_network(settings):
    """Build the untrained network of a training.

    Parameters
    ----------
    settings : dict
        What `train` wrote under ``settings``: ``network``, ``seed`` and ``rhythm`` are used.

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


def predict(model, pixels, batch_size=500):
    """Let a network name digits.

    Parameters
    ----------
    model : keras.Model
        The network.
    pixels : array, shape (n, time, 1)
        Digits: uint8, or floats in [0, 1].
    batch_size : int
        Digits in a batch; it does not change the result.

    Returns
    -------
    likelihoods : array, shape (n, 10)
        Probability of each class.

    Examples
    --------
    >>> predict(rnn_digits(), np.zeros((3, 28, 1), np.uint8)).shape
    (3, 10)
    """
    batches = np.split(_pixels(pixels), range(batch_size, len(pixels), batch_size))
    return np.concatenate([model.predict_on_batch(batch) for batch in batches])


def _pixels(pixels):
    """Return pixels as floats in [0, 1]."""
    return pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels


def _error(entry):
    """Rank an epoch: the lowest is best."""
    return -entry["validation"]["accuracy"]


def _compile(model, settings):
    """Prepare a network for training."""
    steps = settings["digits"][0] // settings["batch_size"] * settings["epochs"]
    warm_up = round(_WARM_UP * steps)
    peak = settings["learning_rate"]
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 25, steps - warm_up, warmup_target=peak, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=settings["weight_decay"], global_clipnorm=1.0
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings["label_smoothing"])
    # XLA needs minutes for 784 steps under TensorFlow, and is no choice under JAX.
    jit = keras.backend.backend() == "jax"
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)


def _run_epoch(model, pixels, labels, settings, epoch):
    """Show a network all training digits once, in an order of seed and epoch."""
    rng = np.random.default_rng([settings["seed"], epoch])
    for variable in model.non_trainable_variables:
        if variable.path.endswith("seed_generator_state"):  # so that a resumed epoch is the same
            variable.assign(rng.integers(2**31, size=2))
    size = settings["batch_size"]
    order = rng.permutation(len(labels))[: len(labels) // size * size].reshape(-1, size)
    targets = np.eye(_CLASSES, dtype=np.float32)[labels]
    scores = []
    for rows in order:
        model.reset_metrics()
        scores.append(model.train_on_batch(pixels[rows], targets[rows]))
    loss, accuracy = np.mean(scores, axis=0)
    return {"loss": float(loss), "accuracy": float(accuracy)}


def _read_once(model, parts):
    """Run all digits through the fixed layers; return what is left to train, and what it reads."""
    names = [layer.name for layer in model.layers]
    behind = names.index("average") + 1
    fixed = keras.Sequential([model.inputs[0], *model.layers[:behind]])
    features = {part: predict(fixed, pixels) for part, pixels in parts.items()}
    head = keras.Sequential(
        [keras.Input(features["train"].shape[1:]), *model.layers[behind:]], name=model.name
    )
    return head, features
