"""Training of networks, epoch by epoch, so that an interrupted training can go on."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from mne.utils import logger

from npa.recordings.staging import write_json
from npa.typing import AnyArray, PathLike
from npa_ann.networks.weights import load_weights, save_weights
from npa_ann.studies.pages import versions

Entry = dict[str, Any]


class Checkpoint:
    """Keep a training in a folder: its record, and the weights after each epoch.

    Parameters
    ----------
    folder : path-like
        Where to write; created if it is not there. ``training.json`` is the record,
        ``epoch_KK.npz`` holds the weights after epoch KK (0: untrained).
    settings : dict
        What the training depends on, as JSON can hold it; ``seed`` among them.
    choices : dict | None
        Name to a function of an epoch's entry: ``record["chosen"]`` names, for each, the first
        epoch where the function is lowest.

    Attributes
    ----------
    record : dict
        ``settings``, ``versions``, ``epochs`` (an entry each) and ``chosen``.

    Raises
    ------
    ValueError
        If the folder holds a training with other settings.

    Examples
    --------
    >>> Checkpoint("resnet_20", {"seed": 1}).record["epochs"]
    []
    """

    def __init__(
        self,
        folder: PathLike,
        settings: dict[str, Any],
        choices: dict[str, Callable[[Entry], float]] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._choices = choices or {}
        self.record: dict[str, Any] = {"settings": settings, "versions": versions(), "epochs": []}
        if known := read_training(folder):
            self.record = known
            changed = {
                name: known["settings"].get(name)
                for name, value in settings.items()
                if known["settings"].get(name) != value
            }
            if changed:
                raise ValueError(
                    f"{str(self.folder)!r} holds a training with other settings: "
                    + ", ".join(f"{name}={value!r}" for name, value in changed.items())
                    + ". Choose another folder, or the same settings."
                )

    @property
    def epoch(self) -> int:
        """Last epoch that was saved; -1 before the first."""
        return len(self.record["epochs"]) - 1

    def resume(self, model: keras.Model) -> None:
        """Set weights and optimizer of a compiled model to those of the last epoch.

        Parameters
        ----------
        model : keras.Model
            The network; unchanged where no epoch was saved.
        """
        if self.epoch < 0:
            return
        load_weights(model, weights_after(self.epoch, self.folder))
        model.optimizer.build(model.trainable_variables)
        with np.load(self._optimizer(self.epoch), allow_pickle=False) as state:
            for variable, name in zip(model.optimizer.variables, state.files, strict=True):
                variable.assign(state[name])

    def save(self, model: keras.Model, entry: Entry) -> None:
        """Write an epoch; the record, which names the other files, last.

        Parameters
        ----------
        model : keras.Model
            The network after this epoch.
        entry : dict
            Its number, ``epoch``, and what was measured.
        """
        epoch = entry["epoch"]
        epochs = [*self.record["epochs"], entry]
        chosen = {name: min(epochs, key=key)["epoch"] for name, key in self._choices.items()}
        self.record |= {"epochs": epochs, "chosen": chosen}
        self.folder.mkdir(parents=True, exist_ok=True)
        save_weights(model, weights_after(epoch, self.folder))
        model.optimizer.build(model.trainable_variables)
        state = [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables]
        np.savez(self._optimizer(epoch), *state)
        write_json(self.folder / "training.json", self.record)
        for old in set(self.folder.glob("optimizer_*.npz")) - {self._optimizer(epoch)}:
            old.unlink()

    def _optimizer(self, epoch: int) -> Path:
        """Name the file of the optimizer's state after an epoch."""
        return self.folder / f"optimizer_{epoch:02d}.npz"


def fit(
    model: keras.Model,
    batches: Callable[[np.random.Generator], Iterable[tuple[Any, Any]]],
    checkpoint: Checkpoint,
    *,
    epochs: int,
    evaluate: Callable[[int], Entry] | None = None,
    learning_rate: Callable[[int, int], float] | None = None,
    stop: Callable[[Entry], bool] | None = None,
) -> dict[str, Any]:
    """Train a network up to an epoch, from the last one that was saved.

    Parameters
    ----------
    model : keras.Model
        A network compiled with the metric ``"accuracy"``.
    batches : callable
        Takes a random generator, seeded by ``settings["seed"]`` of the checkpoint and the number
        of the epoch; returns the epoch's batches: inputs and targets.
    checkpoint : Checkpoint
        Where the training is kept. Before the first epoch it saves the untrained network.
    epochs : int
        The last epoch.
    evaluate : callable | None
        Takes the number of an epoch (0: untrained), returns what to add to its entry.
    learning_rate : callable | None
        Takes the numbers of the epoch (from 1) and of the step within it (from 0), returns the
        learning rate. None for that of the optimizer.
    stop : callable | None
        Takes the entry of an epoch above 0, returns whether training ends with it.

    Returns
    -------
    record : dict
        That of the checkpoint. The entry of an epoch holds ``train``, mean ``loss`` and
        ``accuracy`` over its samples, and ``seconds``.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    >>> model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> batches = lambda rng: [(rng.normal(size=(8, 3)), np.arange(8) % 2)]
    >>> record = fit(model, batches, Checkpoint("dense", {"seed": 1}), epochs=2)
    >>> [entry["epoch"] for entry in record["epochs"]]
    [0, 1, 2]
    """
    record = checkpoint.record
    checkpoint.resume(model)
    while checkpoint.epoch < epochs:
        if stop is not None and checkpoint.epoch > 0 and stop(record["epochs"][-1]):
            break
        epoch, start = checkpoint.epoch + 1, time.perf_counter()
        entry: Entry = {"epoch": epoch}
        if epoch:
            rng = np.random.default_rng([record["settings"]["seed"], epoch])
            entry["train"] = _run_epoch(model, batches, rng, epoch, learning_rate)
        entry |= evaluate(epoch) if evaluate else {}
        checkpoint.save(model, entry | {"seconds": round(time.perf_counter() - start, 1)})
        scores = [
            f", {name} accuracy {part['accuracy']:.3f}"
            for name, part in entry.items()
            if isinstance(part, dict)
        ]
        logger.info("%s, epoch %d%s.", checkpoint.folder.name, epoch, "".join(scores))
    return record


def predict(model: keras.Model, pixels: AnyArray, batch_size: int = 250) -> AnyArray:
    """Classify images or digits.

    Parameters
    ----------
    model : keras.Model
        The network, which takes pixels in [0, 1].
    pixels : array, shape (n, ...)
        Images of uint8, or of floats in [0, 1].
    batch_size : int
        Images per batch; it does not change the result.

    Returns
    -------
    probabilities : array, shape (n, n_classes)
        Probability of each class.

    Examples
    --------
    >>> from npa_ann.networks import plain_cnn
    >>> predict(plain_cnn(), np.zeros((3, 32, 32, 3), np.uint8)).shape
    (3, 10)
    """
    batches = np.split(pixels, range(batch_size, len(pixels), batch_size))
    return np.concatenate([model.predict_on_batch(scale_pixels(batch)) for batch in batches])


def scale_pixels(pixels: AnyArray) -> AnyArray:
    """Return pixels as floats in [0, 1].

    Parameters
    ----------
    pixels : array
        Of uint8, or of floats in [0, 1].

    Returns
    -------
    scaled : array
        float32 for uint8; floats as they are.

    Examples
    --------
    >>> scale_pixels(np.array([0, 255], np.uint8))
    array([0., 1.], dtype=float32)
    """
    return pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels


def read_training(folder: PathLike) -> dict[str, Any] | None:
    """Read the record of a training.

    Parameters
    ----------
    folder : path-like
        The folder of a `Checkpoint`.

    Returns
    -------
    record : dict | None
        What ``training.json`` holds; None if there is none.

    Examples
    --------
    >>> print(read_training("nowhere"))
    None
    """
    path = Path(folder) / "training.json"
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def weights_after(epoch: int, folder: PathLike) -> Path:
    """Name the file of a training's weights after an epoch.

    Parameters
    ----------
    epoch : int
        Number of the epoch, 0 for the untrained network.
    folder : path-like
        Folder of the training.

    Returns
    -------
    path : pathlib.Path
        The file.

    Examples
    --------
    >>> weights_after(3, "trainings").name
    'epoch_03.npz'
    """
    return Path(folder) / f"epoch_{epoch:02d}.npz"


def _run_epoch(
    model: keras.Model,
    batches: Callable[[np.random.Generator], Iterable[tuple[Any, Any]]],
    rng: np.random.Generator,
    epoch: int,
    learning_rate: Callable[[int, int], float] | None,
) -> dict[str, float]:
    """Train on each batch once; return mean loss and accuracy."""
    for variable in model.non_trainable_variables:
        # Keras does not save the state of dropout, without which a resumed epoch differs.
        if variable.path.endswith("seed_generator_state"):
            variable.assign(rng.integers(2**31, size=variable.shape))
    scores, sizes = [], []
    for step, (inputs, targets) in enumerate(batches(rng)):
        if learning_rate is not None:
            model.optimizer.learning_rate.assign(learning_rate(epoch, step))
        model.reset_metrics()
        scores.append(model.train_on_batch(inputs, targets))
        sizes.append(len(targets))
    loss, accuracy = np.average(np.array(scores, dtype=float), axis=0, weights=sizes)
    return {"loss": float(loss), "accuracy": float(accuracy)}
