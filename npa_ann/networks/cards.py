"""Model cards: JSON files that describe trained weights and state the SHA-256 of their files."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from npa.recordings.staging import write_json
from npa.typing import PathLike


def write_card(
    folder: PathLike,
    name: str,
    networks: Iterable[tuple[str, PathLike, Mapping[str, Any]]],
    **facts: Any,
) -> dict[str, Any]:
    """Copy weights into a folder, and write their model card.

    Parameters
    ----------
    folder : path-like
        An existing folder.
    name : str
        Name of the card, ``NAME.json``.
    networks : iterable of (str, path-like, mapping)
        For each network the name of its copy without ``.npz``, the file of its weights written by
        `npa_ann.networks.save_weights`, and its own entries of the card.
    **facts
        Entries that apply to all networks, such as ``licence``.

    Returns
    -------
    card : dict
        ``facts`` and ``networks``: for each network ``file``, ``sha256`` and its own entries.

    Examples
    --------
    >>> _ = Path("epoch_20.npz").write_bytes(b"numbers")
    >>> card = write_card(".", "rnn_digits", [("rnn_digits_1", "epoch_20.npz", {"seed": 1})])
    >>> card["networks"][0]["file"], card["networks"][0]["sha256"][:8]
    ('rnn_digits_1.npz', 'f3c7807d')
    """
    folder, entries = Path(folder), []
    for copy, weights, own in networks:
        content = Path(weights).read_bytes()
        (folder / f"{copy}.npz").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append({"file": f"{copy}.npz", "sha256": digest, **own})
    card = {**facts, "networks": entries}
    write_json(folder / f"{name}.json", card)
    return card


def read_card(folder: PathLike, name: str) -> dict[str, Any]:
    """Read a model card.

    Parameters
    ----------
    folder : path-like
        Folder of the card.
    name : str
        Name of the card, without ``.json``.

    Returns
    -------
    card : dict
        As `write_card` returns it.

    Raises
    ------
    FileNotFoundError
        If there is no such card.

    Examples
    --------
    >>> read_card("nowhere", "rnn_digits")
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'rnn_digits' in 'nowhere'.
    """
    path = Path(folder) / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"There are no trained networks {name!r} in {str(folder)!r}.")
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


def find_weights(folder: PathLike, entry: Mapping[str, Any]) -> Path:
    """Find the weights of one network of a card, and check their SHA-256.

    Parameters
    ----------
    folder : path-like
        Folder of weights and card.
    entry : mapping
        One of the card's ``networks``.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If its SHA-256 is not that of the card.

    Examples
    --------
    >>> _ = Path("epoch_20.npz").write_bytes(b"numbers")
    >>> card = write_card(".", "rnn_digits", [("rnn_digits_1", "epoch_20.npz", {})])
    >>> find_weights(".", card["networks"][0]).name
    'rnn_digits_1.npz'
    >>> _ = Path("rnn_digits_1.npz").write_bytes(b"others")
    >>> find_weights(".", card["networks"][0])
    Traceback (most recent call last):
    ValueError: 'rnn_digits_1.npz' is not the file that its card describes.
    """
    path = Path(folder) / entry["file"]
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        raise ValueError(f"{path.name!r} is not the file that its card describes.")
    return path


def list_networks(folder: PathLike) -> dict[str, tuple[str, dict[str, Any]]]:
    """List the networks that the cards of a folder describe.

    Parameters
    ----------
    folder : path-like
        Folder of the cards.

    Returns
    -------
    networks : dict
        Name of each weight file without its suffix to the name of its card and its entry there.

    Examples
    --------
    >>> list_networks("nowhere")
    {}
    """
    return {
        Path(entry["file"]).stem: (path.stem, entry)
        for path in sorted(Path(folder).glob("*.json"))
        for entry in read_card(folder, path.stem)["networks"]
    }
