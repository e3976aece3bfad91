"""Measurements kept under what they were measured on, so that an interrupted study can go on."""

import hashlib

import numpy as np

from npa import __version__
from npa.recordings.staging import staged_file


class Store:
    """Keep what was measured under what it was measured on.

    Parameters
    ----------
    folder : pathlib.Path
        Where to keep it; made where it is not there.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = Store(Path(folder))
    ...     _ = store("sum", [np.arange(3)], lambda: {"all": np.arange(3).sum()})
    ...     store("sum", [np.arange(3)], lambda: 1 / 0)
    {'all': array(3)}
    """

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, name, inputs, compute):
        """Return the stored measurement of these arrays, or compute and store it."""
        digest = hashlib.sha256(f"{__version__} {name}".encode())
        for array in inputs:
            digest.update(np.ascontiguousarray(array).tobytes())
        path = self.folder / f"{name.replace(' ', '_')}-{digest.hexdigest()[:16]}.npz"
        if not path.exists():
            flat = {}
            _flatten(compute(), (), flat)
            with staged_file(path) as aside:
                np.savez(aside, **flat)
        with np.load(path, allow_pickle=False) as stored:
            return _unflatten({key: stored[key] for key in stored.files})


def _flatten(values, place, flat):
    """Turn nested dicts into one, whose keys are paths."""
    for key, value in values.items():
        if isinstance(value, dict):
            _flatten(value, (*place, key), flat)
        else:
            flat["/".join((*place, key))] = value


def _unflatten(flat):
    """Turn paths into nested dicts."""
    nested = {}
    for path, value in flat.items():
        *place, key = path.split("/")
        inner = nested
        for step in place:
            inner = inner.setdefault(step, {})
        inner[key] = value
    return nested
