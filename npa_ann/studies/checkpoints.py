"""The folder of one training: its record, the weights after every epoch, and how to resume."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from npa.recordings.staging import write_json
from npa_ann.networks.weights import load_weights, save_weights


class Checkpoints:
    """Keep a training in a folder, epoch by epoch, so that an interrupted one can go on.

    Parameters
    ----------
    folder : path-like
        Where to write; made where it is not there. ``training.json`` is the record,
        ``epoch_KK.npz`` holds the weights after epoch KK (0: untrained).
    settings : dict
        What the training depends on, as JSON can hold it.
    choices : dict | None
        Name to a function of an epoch's entry: ``record["chosen"]`` names, for each, the epoch
        where the function is lowest.

    Attributes
    ----------
    record : dict
        ``settings``, ``versions``, ``epochs`` (one entry each) and ``chosen``.

    Raises
    ------
    ValueError
        If the folder holds a training with other settings.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Checkpoints(folder, {"seed": 1}).record["epochs"]
    []
    """

    def __init__(self, folder, settings, choices=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._choices = choices or {}
        path = self.folder / "training.json"
        if path.exists():
            self.record = json.loads(path.read_text())
            self._check(settings)
        else:
            self.record = {"settings": settings, "versions": versions(), "epochs": []}

    def resume(self, model):
        """Bring a compiled model to where the training stands.

        Parameters
        ----------
        model : keras.Model
            The network, freshly built and compiled.
        """
        if not self.record["epochs"]:
            return
        epoch = self.record["epochs"][-1]["epoch"]
        load_weights(model, weights_after(epoch, self.folder))
        model.optimizer.build(model.trainable_variables)
        with np.load(self._state(epoch), allow_pickle=False) as state:
            for variable, name in zip(model.optimizer.variables, state.files, strict=True):
                variable.assign(state[name])

    def save(self, model, entry):
        """Write down an epoch, the record last: it names only what is there.

        Parameters
        ----------
        model : keras.Model
            The network after this epoch.
        entry : dict
            Its number, ``epoch``, and whatever was measured.
        """
        epoch = entry["epoch"]
        epochs = [*self.record["epochs"], entry]
        chosen = {name: min(epochs, key=key)["epoch"] for name, key in self._choices.items()}
        self.record |= {"epochs": epochs, "chosen": chosen}
        save_weights(model, weights_after(epoch, self.folder))
        model.optimizer.build(model.trainable_variables)
        remembered = [
            keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables
        ]
        np.savez(self._state(epoch), *remembered)
        write_json(self.folder / "training.json", self.record)
        for old in set(self.folder.glob("optimizer_*.npz")) - {self._state(epoch)}:
            old.unlink()

    def _state(self, epoch):
        """Name the file of what the optimizer remembers after an epoch."""
        return self.folder / f"optimizer_{epoch:02d}.npz"

    def _check(self, settings):
        """Refuse to go on with a training of other settings."""
        known = self.record["settings"]
        changed = [name for name, value in settings.items() if known.get(name) != value]
        if changed:
            raise ValueError(
                f"{str(self.folder)!r} holds a training with other settings: "
                + ", ".join(f"{name}={known.get(name)!r}" for name in changed)
                + ". Choose another folder, or the same settings."
            )


def weights_after(epoch, folder):
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


def versions():
    """Name the software that made a result.

    Returns
    -------
    versions : dict
        Python, Keras with its backend, and NumPy.

    Examples
    --------
    >>> sorted(versions())[:2]
    ['keras', 'numpy']
    """
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("keras", backend, "numpy")},
    }
