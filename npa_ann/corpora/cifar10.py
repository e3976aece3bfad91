"""CIFAR-10, from its published binary files or from an archive of JPEG images."""

import io
import re
from dataclasses import dataclass

import numpy as np

from npa_ann.corpora.archives import find_corpus, iter_members

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_SIDE = 32
_RECORD = 1 + 3 * _SIDE**2  # one byte of label, then red, green and blue planes
_BINARY = re.compile(r"(?:.*/)?(?P<split>data_batch_[1-5]|test_batch)\.bin")
_BATCHES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
_JPEG = re.compile(r"(?:.*/)?(?P<split>train|test)/(?P<label>[^/]+)/[^/]+\.jpe?g")
_PLACES = (
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
    "cifar10_jpeg.tar.gz",
    "cifar10",
)


@dataclass(frozen=True)
class Images:
    """Labelled images in two parts.

    Parameters
    ----------
    train, test : array of uint8, shape (n, height, width, 3)
        Pixels.
    train_labels, test_labels : array of int, shape (n,)
        Class numbers.
    classes : tuple of str
        Names of the classes by number.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    classes: tuple = CLASSES


def read_cifar10(path=None):
    """Read the 60,000 images of CIFAR-10.

    Parameters
    ----------
    path : path-like | None
        ``cifar-10-binary.tar.gz`` or the folder ``cifar-10-batches-bin`` that it holds (the
        published binary layout), an archive or folder of JPEG images
        ``{train,test}/CLASS/NAME.jpg``, or a folder that holds one of these (also under
        ``images/``). None takes the folder named by ``NPA_DATA``.

    Returns
    -------
    images : Images
        Training and test images with their classes. The order is that of the published files, or
        of the names of the JPEG images; it does not depend on the archive.

    Raises
    ------
    ValueError
        If a file is truncated or has another size, a label is not 0 to 9 or no class, an image is
        not 32 x 32 or cannot be decoded, a part is missing, or the archive is damaged. The
        message names the file.
    FileNotFoundError
        If the path does not exist.

    References
    ----------
    .. [1] Krizhevsky, A. (2009). Learning multiple layers of features from tiny images. Technical
       report, University of Toronto. https://www.cs.toronto.edu/~kriz/cifar.html

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> names = [f"data_batch_{number}.bin" for number in range(1, 6)]
    >>> with TemporaryDirectory() as folder:
    ...     for name in (*names, "test_batch.bin"):
    ...         _ = Path(folder, name).write_bytes(bytes([3] + [255] * 3072))
    ...     images = read_cifar10(folder)
    >>> images.train.shape, images.classes[images.test_labels[0]]
    ((5, 32, 32, 3), 'cat')
    """
    names = [place for name in _PLACES for place in (name, f"images/{name}")]
    found = find_corpus(path, names)
    parts = {"train": [], "test": []}
    for name, content in iter_members(found):
        if match := _BINARY.fullmatch(name):
            split = "test" if match["split"] == "test_batch" else "train"
            parts[split].append((name, *_read_records(name, content)))
        elif match := _JPEG.fullmatch(name):
            parts[match["split"]].append((name, *_read_jpeg(name, content, match["label"])))
    for split, files in parts.items():
        if not files:
            raise ValueError(
                f"{str(found)!r} holds no {split} images: CIFAR-10 is expected as "
                "'data_batch_1.bin' to 'data_batch_5.bin' and 'test_batch.bin', or as "
                "'{train,test}/CLASS/NAME.jpg'."
            )
    _check_whole(found, [name for files in parts.values() for name, *_ in files])
    return Images(*_join(parts["train"]), *_join(parts["test"]))


def _check_whole(found, names):
    """Refuse binary files that are missing or come twice, and both layouts at once."""
    binary = [name.rpartition("/")[2] for name in names if _BINARY.fullmatch(name)]
    if binary and (sorted(binary) != _BATCHES or len(binary) != len(names)):
        raise ValueError(
            f"{str(found)!r} must hold each of {', '.join(_BATCHES)} once and no other images, got "
            f"{len(names)} files: {', '.join(sorted(names)[:8])}."
        )


def _read_records(name, content):
    """Take labels and pixels out of one published file."""
    if not content or len(content) % _RECORD:
        raise ValueError(
            f"{name!r} must hold records of {_RECORD} bytes, got {len(content)} bytes: it is "
            "truncated, or no CIFAR-10."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(int)
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if wrong.size:
        raise ValueError(
            f"{name!r}, record {wrong[0]}, has label {labels[wrong[0]]}; allowed are 0 to "
            f"{len(CLASSES) - 1}."
        )
    return records[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1), labels


def _read_jpeg(name, content, label):
    """Decode one image, whose folder is its class."""
    from PIL import Image

    if label not in CLASSES:
        raise ValueError(f"{name!r} is of no class of CIFAR-10; allowed are {', '.join(CLASSES)}.")
    try:
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except OSError as error:
        raise ValueError(f"{name!r} is no image, or is truncated: {error}.") from error
    if pixels.shape[:2] != (_SIDE, _SIDE):
        raise ValueError(f"{name!r} must be {_SIDE} x {_SIDE} pixels, got {pixels.shape[:2]}.")
    return pixels[np.newaxis], np.array([CLASSES.index(label)])


def _join(files):
    """Put the files of one part together, by name."""
    _, pixels, labels = zip(*sorted(files, key=lambda file: file[0]), strict=True)
    return np.ascontiguousarray(np.concatenate(pixels)), np.concatenate(labels)
