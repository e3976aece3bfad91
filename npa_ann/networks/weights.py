"""Weights of networks as plain arrays on disk, and networks with the weights that npa ships."""

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from npa.checks import check_option
from npa.datasets.bundled import bundled_data
from npa.recordings.staging import staged_file
from npa.typing import PathLike
from npa_ann.networks.cards import find_weights, list_networks
from npa_ann.networks.convolutional import plain_cnn, resnet
from npa_ann.networks.digits import horn_digits, lstm_digits, resonant_digits, rnn_digits
from npa_ann.networks.recurrent import sentiment_lstm

# By the name of the model card.
_BUILDERS: dict[str, Callable[[], keras.Model]] = {
    "sentiment_lstm": sentiment_lstm,
    "resnet_20": partial(resnet, 20),
    "resnet_32": partial(resnet, 32),
    "plain_cnn": plain_cnn,
    "resonant_digits": resonant_digits,
    "horn_digits": horn_digits,
    "rnn_digits": rnn_digits,
    "lstm_digits": lstm_digits,
}


def pretrained(name: str) -> keras.Model:
    """Build a network of the studies with the weights that npa ships.

    Parameters
    ----------
    name : str
        Name of a weight file without its suffix: the network and, where there are several of its
        kind, their number, such as ``"resnet_32"`` or ``"sentiment_lstm_2"``.

    Returns
    -------
    model : keras.Model
        The trained network, not compiled.

    Raises
    ------
    ValueError
        If no weights of that name are shipped, if their SHA-256 is not that of their model card,
        or if they do not fit the network.

    Examples
    --------
    >>> pretrained("resnet_32").name
    'resnet_32'
    """
    folder = bundled_data() / "weights"
    networks = list_networks(folder)
    check_option("name", name, networks)
    card, entry = networks[name]
    return load_weights(_BUILDERS[card](), find_weights(folder, entry))


def save_weights(model: keras.Model, path: PathLike) -> Path:
    """Save a model's weights to a ``.npz`` file, readable by NumPy alone.

    Parameters
    ----------
    model : keras.Model
        A built model.
    path : path-like
        File to write, ending in ``.npz``. It is replaced only once it is written completely.

    Returns
    -------
    path : pathlib.Path
        The file written: one float32 array per weight, named by its path in the model
        (``lstm/lstm_cell/kernel``).

    Raises
    ------
    ValueError
        If the model is not built, two weights share a name, or ``path`` has another suffix.

    Examples
    --------
    >>> import tempfile
    >>> from npa_ann.networks import plain_cnn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_weights(plain_cnn(), Path(folder) / "plain_cnn.npz")
    ...     load_weights(plain_cnn(), path).name
    'plain_cnn'
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path must end in .npz, got {str(path)!r}.")
    arrays: dict[str, Any] = {
        name: np.asarray(keras.ops.convert_to_numpy(weight), np.float32)
        for name, weight in _named_weights(model).items()
    }
    with staged_file(path) as temporary:
        np.savez_compressed(temporary, **arrays)
    return path


def load_weights(model: keras.Model, path: PathLike) -> keras.Model:
    """Load weights that `save_weights` wrote.

    Parameters
    ----------
    model : keras.Model
        A built model of the same architecture. It is changed only if every array fits.
    path : path-like
        The ``.npz`` file. Pickled objects in it are refused.

    Returns
    -------
    model : keras.Model
        The same model.

    Raises
    ------
    ValueError
        If arrays are missing or unknown, have the wrong shape, or contain NaN or inf.

    Examples
    --------
    >>> import tempfile
    >>> from npa_ann.networks import eeg_lstm
    >>> trained, untrained = eeg_lstm(3, 10), eeg_lstm(3, 10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_weights(trained, Path(folder) / "eeg_lstm.npz")
    ...     loaded = load_weights(untrained, path)
    >>> np.array_equal(loaded.get_weights()[0], trained.get_weights()[0])
    True
    """
    weights = _named_weights(model)
    with _open_archive(path) as archive:
        missing = sorted(weights.keys() - set(archive.files))
        unknown = sorted(set(archive.files) - weights.keys())
        if missing or unknown:
            raise ValueError(
                f"{path} does not fit the model {model.name!r}: missing arrays {missing}, "
                f"unknown arrays {unknown}."
            )
        arrays = {name: archive[name] for name in weights}
    for name, weight in weights.items():
        shape = tuple(weight.shape)
        if arrays[name].shape != shape:
            raise ValueError(
                f"Array {name!r} in {path} must have shape {shape}, got {arrays[name].shape}."
            )
        if arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
            raise ValueError(f"Array {name!r} in {path} must contain finite numbers only.")
    for name, weight in weights.items():
        weight.assign(arrays[name])
    return model


def _open_archive(path: PathLike) -> np.lib.npyio.NpzFile:
    """Open an ``.npz`` file, or raise."""
    # np.load opens a single array or a pickle as well, and leaks files that it cannot read.
    if Path(path).exists() and not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a complete .npz file.")
    archive: np.lib.npyio.NpzFile = np.load(path, allow_pickle=False)
    return archive


def _named_weights(model: keras.Model) -> dict[str, Any]:
    """Weights by path, without the model's own name in front (Keras adds it to some models)."""
    if not model.built:
        raise ValueError(f"model {model.name!r} must be built: give it an input shape first.")
    weights = {weight.path.removeprefix(f"{model.name}/"): weight for weight in model.weights}
    if len(weights) != len(model.weights):
        raise ValueError(
            f"model {model.name!r} has several weights of one name: rename its layers."
        )
    return weights
