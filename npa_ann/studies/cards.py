"""Weights handed on beside a card in JSON, which says what they are and how to know them again."""

import hashlib
import json
from pathlib import Path

from npa.recordings.staging import write_json


def copy_weights(source, folder, name):
    """Copy a file of weights into a folder, and say what the card needs to know it again.

    Parameters
    ----------
    source : path-like
        The file.
    folder : path-like
        An existing folder.
    name : str
        What the copy is called, without ``.npz``.

    Returns
    -------
    entry : dict
        ``file``, its name, and ``sha256``, in hexadecimal digits.

    Examples
    --------
    >>> _ = Path("epoch_20.npz").write_bytes(b"numbers")
    >>> entry = copy_weights("epoch_20.npz", ".", "rnn_digits_1")
    >>> entry["file"], entry["sha256"][:8]
    ('rnn_digits_1.npz', 'f3c7807d')
    """
    content = Path(source).read_bytes()
    file = Path(folder) / f"{name}.npz"
    file.write_bytes(content)
    return {"file": file.name, "sha256": hashlib.sha256(content).hexdigest()}


def find_weights(folder, entry):
    """Find the file of weights that a card describes, and no other.

    Parameters
    ----------
    folder : path-like
        Where weights and card lie.
    entry : dict
        What `copy_weights` returned.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it does not have the SHA-256 that the card states.

    Examples
    --------
    >>> _ = Path("epoch_20.npz").write_bytes(b"numbers")
    >>> entry = copy_weights("epoch_20.npz", ".", "rnn_digits_1")
    >>> find_weights(".", entry).name
    'rnn_digits_1.npz'
    >>> _ = Path("rnn_digits_1.npz").write_bytes(b"others")
    >>> find_weights(".", entry)
    Traceback (most recent call last):
    ValueError: 'rnn_digits_1.npz' is not the file that its card describes.
    """
    path = Path(folder) / entry["file"]
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        raise ValueError(f"{path.name!r} is not the file that its card describes.")
    return path


def load_card(folder, name):
    """Read a card.

    Parameters
    ----------
    folder : path-like
        Where it lies.
    name : str
        Name of the network, or of the set of them.

    Returns
    -------
    card : dict | None
        What it says; None where there is none.

    Examples
    --------
    >>> print(load_card("nowhere", "rnn_digits"))
    None
    """
    path = Path(folder) / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def save_card(folder, name, card):
    """Write a card.

    Parameters
    ----------
    folder : path-like
        An existing folder.
    name : str
        Name of the network, or of the set of them.
    card : dict
        What it says.

    Returns
    -------
    card : dict
        The same.

    Examples
    --------
    >>> _ = save_card(".", "rnn_digits", {"licence": "BSD-3-Clause"})
    >>> load_card(".", "rnn_digits")
    {'licence': 'BSD-3-Clause'}
    """
    write_json(Path(folder) / f"{name}.json", card)
    return card
