"""Weights of networks as plain arrays on disk."""

import zipfile
from pathlib import Path

import keras
import numpy as np

from npa.recordings.staging import staged_file


def save_weights(model, path):
    """Write a model's weights to a ``.npz`` file that any NumPy reads.

    Parameters
    ----------
    model : keras.Model
        A built model.
    path : path-like
        File to write, ending in ``.npz``. It appears whole or not at all.

    Returns
    -------
    path : pathlib.Path
        The file written: one float32 array a weight, named by its path in the model
        (``lstm/lstm_cell/kernel``).

    Raises
    ------
    ValueError
        If the model is not built, two weights share a name, or ``path`` has another ending.

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
    weights = _named_weights(model)
    arrays = {
        name: np.asarray(keras.ops.convert_to_numpy(weight), np.float32)
        for name, weight in weights.items()
    }
    with staged_file(path) as aside:
        np.savez_compressed(aside, **arrays)
    return path


def load_weights(model, path):
    """Set a model's weights from a file that `save_weights` wrote.

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
        If arrays are missing, left over, misshaped, or hold NaN or inf.

    Examples
    --------
    >>> import tempfile
    >>> from npa_ann.networks import eeg_lstm
    >>> trained, fresh = eeg_lstm(3, 10), eeg_lstm(3, 10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_weights(trained, Path(folder) / "eeg_lstm.npz")
    ...     same = load_weights(fresh, path)
    >>> np.array_equal(same.get_weights()[0], trained.get_weights()[0])
    True
    """
    weights = _named_weights(model)
    with _open_archive(path) as archive:
        missing = sorted(weights.keys() - set(archive.files))
        unknown = sorted(set(archive.files) - weights.keys())
        if missing or unknown:
            raise ValueError(
                f"{path} does not fit the model {model.name!r}: missing arrays {missing}, "
                f"arrays the model has no place for {unknown}."
            )
        arrays = {name: archive[name] for name in weights}
    for name, weight in weights.items():
        shape = tuple(weight.shape)
        if arrays[name].shape != shape:
            raise ValueError(
                f"Array {name!r} in {path} must have shape {shape}, got {arrays[name].shape}."
            )
        if arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
            raise ValueError(f"Array {name!r} in {path} must hold finite numbers only.")
    for name, weight in weights.items():
        weight.assign(arrays[name])
    return model


def _open_archive(path):
    """Open an ``.npz`` file, or say that it is none."""
    # NumPy opens a single array or a pickle as well, and leaks what it cannot read.
    if Path(path).exists() and not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no whole .npz file.")
    return np.load(path, allow_pickle=False)


def _named_weights(model):
    """Weights by path, without the model's own name in front (Keras adds it to some models)."""
    if not model.built:
        raise ValueError(f"model {model.name!r} must be built: give it an input shape first.")
    weights = {weight.path.removeprefix(f"{model.name}/"): weight for weight in model.weights}
    if len(weights) != len(model.weights):
        raise ValueError(
            f"model {model.name!r} has several weights of one name: rename its layers."
        )
    return weights
