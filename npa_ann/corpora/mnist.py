"""MNIST, read from its four published idx files, compressed or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from npa.typing import IntArray, PathLike
from npa_ann.corpora.archives import find_corpus
from npa_ann.corpora.cifar10 import Images

CLASSES = tuple("0123456789")

_FILES = {
    split: (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
    for split, stem in (("train", "train"), ("test", "t10k"))
}
_FOLDERS = ("", "mnist/", "MNIST/raw/", "images/")
UNSIGNED_BYTE_CODE = 0x08  # third byte of an idx file; the fourth is the number of dimensions


def read_mnist(path: PathLike | None = None) -> Images:
    """Read the 70,000 handwritten digits of MNIST.

    Parameters
    ----------
    path : path-like | None
        The folder of the four published files ``train-images-idx3-ubyte``,
        ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``,
        each with or without ``.gz``, or a folder that contains it as ``mnist``, ``MNIST/raw`` or
        ``images``. Default None: the folder named by ``NPA_DATA``.

    Returns
    -------
    images : Images
        Training and test digits, uint8 of shape (n, 28, 28) from 0 (background) to 255, in the
        published order, with their labels.

    Raises
    ------
    ValueError
        If a file is truncated, too long, damaged or not an idx file of bytes, if the numbers of
        images and labels differ, or a label is not 0 to 9. The message names the file.
    FileNotFoundError
        If the path or one of the files does not exist.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio & Haffner (1998). Gradient-based learning applied to document
       recognition. Proc. IEEE 86, 2278-2324. https://doi.org/10.1109/5.726791

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for stem in ("train", "t10k"):
    ...         digit = struct.pack(">4I", 0x0803, 1, 28, 28) + bytes(784)
    ...         _ = Path(folder, f"{stem}-images-idx3-ubyte").write_bytes(digit)
    ...         label = struct.pack(">2I", 0x0801, 1) + bytes([7])
    ...         _ = Path(folder, f"{stem}-labels-idx1-ubyte").write_bytes(label)
    ...     images = read_mnist(folder)
    >>> images.train.shape, images.train_labels
    ((1, 28, 28), array([7]))
    """
    first = _FILES["train"][0]
    names = [folder + first + suffix for folder in _FOLDERS for suffix in ("", ".gz")]
    found = find_corpus(path, names)
    folder = found if found.is_dir() else found.parent
    parts = {split: _read_part(folder, *names) for split, names in _FILES.items()}
    return Images(*parts["train"], *parts["test"], classes=CLASSES)


def _read_part(
    folder: Path, image_name: str, label_name: str
) -> tuple[npt.NDArray[np.uint8], IntArray]:
    """Read images and their labels."""
    pixels, labels = _read_idx(folder, image_name, 3), _read_idx(folder, label_name, 1)
    if len(pixels) != len(labels):
        raise ValueError(
            f"{image_name!r} and {label_name!r} must contain the same number of items, got "
            f"{len(pixels)} images and {len(labels)} labels."
        )
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if wrong.size:
        raise ValueError(
            f"{label_name!r} must contain labels from 0 to 9, got {labels[wrong[0]]} for image "
            f"{wrong[0]}."
        )
    return pixels, labels.astype(int)


def _read_idx(folder: Path, name: str, n_dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an idx file of bytes: magic number, sizes of the dimensions, values."""
    content = _read_bytes(folder, name)
    header = 4 + 4 * n_dimensions
    magic = UNSIGNED_BYTE_CODE << 8 | n_dimensions
    if len(content) < header:
        raise ValueError(
            f"{name!r} is truncated: {len(content)} bytes, fewer than its header of {header}."
        )
    got, *shape = struct.unpack(f">{1 + n_dimensions}I", content[:header])
    if got != magic:
        raise ValueError(
            f"{name!r} must begin with the magic number {magic:#010x} (idx, bytes, "
            f"{n_dimensions} dimension(s)), got {got:#010x}."
        )
    if len(content) != header + math.prod(shape):
        raise ValueError(
            f"{name!r} must contain {' x '.join(map(str, shape))} bytes after its header, got "
            f"{len(content) - header}: it is truncated or damaged."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read_bytes(folder: Path, name: str) -> bytes:
    """Read a file that may be compressed."""
    plain, compressed = folder / name, folder / f"{name}.gz"
    if plain.exists():
        return plain.read_bytes()
    if not compressed.exists():
        raise FileNotFoundError(
            f"{str(folder)!r} contains neither {name!r} nor {compressed.name!r}."
        )
    try:
        return gzip.decompress(compressed.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{compressed.name!r} is truncated or damaged: {error}.") from error
