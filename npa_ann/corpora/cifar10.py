"""CIFAR-10, read from its published binary files or from JPEG images."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from npa.typing import AnyArray, IntArray, PathLike
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

SIDE_PIXELS = 32
RECORD_BYTES = 1 + 3 * SIDE_PIXELS**2  # label, then red, green and blue planes
_BINARY = re.compile(r"(?:.*/)?(?P<split>data_batch_[1-5]|test_batch)\.bin")
_BINARY_NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
_JPEG = re.compile(r"(?:.*/)?(?P<split>train|test)/(?P<label>[^/]+)/[^/]+\.jpe?g")
_PATHS = (
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
    "cifar10_jpeg.tar.gz",
    "cifar10",
)


# Name, pixels and labels of one file.
_File: TypeAlias = tuple[str, npt.NDArray[np.uint8], IntArray]


@dataclass(frozen=True)
class Images:
    """Labelled images, split into training and test set.

    Parameters
    ----------
    train, test : array of uint8, shape (n, height, width[, 3])
        Pixels.
    train_labels, test_labels : array of int, shape (n,)
        Labels, as indices into ``classes``.
    classes : tuple of str
        Names of the classes. Default those of CIFAR-10.
    """

    train: AnyArray
    train_labels: AnyArray
    test: AnyArray
    test_labels: AnyArray
    classes: tuple[str, ...] = CLASSES


def read_cifar10(path: PathLike | None = None) -> Images:
    """Read the 60,000 images of CIFAR-10.

    Parameters
    ----------
    path : path-like | None
        ``cifar-10-binary.tar.gz`` or its folder ``cifar-10-batches-bin`` (the published binary
        layout), an archive or folder of JPEG images ``{train,test}/CLASS/NAME.jpg``, or a folder
        that contains one of these (also under ``images/``). Default None: the folder named by
        ``NPA_DATA``.

    Returns
    -------
    images : Images
        Training and test images with their labels, in the order of the published files, or of the
        names of the JPEG images, independent of the order within the archive.

    Raises
    ------
    ValueError
        If a file is truncated, a label is unknown, an image is not 32 x 32 pixels or cannot be
        decoded, the training or test set is missing, or the archive is damaged. The message names
        the file.
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
    paths = [path for name in _PATHS for path in (name, f"images/{name}")]
    found = find_corpus(path, paths)
    parts: dict[str, list[_File]] = {"train": [], "test": []}
    for name, content in iter_members(found):
        if match := _BINARY.fullmatch(name):
            split = "test" if match["split"] == "test_batch" else "train"
            parts[split].append((name, *_read_records(name, content)))
        elif match := _JPEG.fullmatch(name):
            parts[match["split"]].append((name, *_read_jpeg(name, content, match["label"])))
    for split, files in parts.items():
        if not files:
            raise ValueError(
                f"{str(found)!r} contains no {split} images: CIFAR-10 is expected as "
                "'data_batch_1.bin' to 'data_batch_5.bin' and 'test_batch.bin', or as "
                "'{train,test}/CLASS/NAME.jpg'."
            )
    _check_complete(found, [name for files in parts.values() for name, *_ in files])
    return Images(*_join(parts["train"]), *_join(parts["test"]))


def _check_complete(found: Path, names: Sequence[str]) -> None:
    """Refuse missing or duplicate binary files, and a mixture of both layouts."""
    binary = [name.rpartition("/")[2] for name in names if _BINARY.fullmatch(name)]
    if binary and (sorted(binary) != _BINARY_NAMES or len(binary) != len(names)):
        raise ValueError(
            f"{str(found)!r} must contain each of {', '.join(_BINARY_NAMES)} once and no other "
            f"images, got {len(names)} files: {', '.join(sorted(names)[:8])}."
        )


def _read_records(name: str, content: bytes) -> tuple[npt.NDArray[np.uint8], IntArray]:
    """Read pixels and labels of one published file."""
    if not content or len(content) % RECORD_BYTES:
        raise ValueError(
            f"{name!r} must contain records of {RECORD_BYTES} bytes, got {len(content)} bytes: "
            "it is truncated, or not of CIFAR-10."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    labels = records[:, 0].astype(int)
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if wrong.size:
        raise ValueError(
            f"{name!r}, record {wrong[0]}, has label {labels[wrong[0]]}; allowed are 0 to "
            f"{len(CLASSES) - 1}."
        )
    return records[:, 1:].reshape(-1, 3, SIDE_PIXELS, SIDE_PIXELS).transpose(0, 2, 3, 1), labels


def _read_jpeg(name: str, content: bytes, label: str) -> tuple[npt.NDArray[np.uint8], IntArray]:
    """Decode one image, whose label is the name of its folder."""
    from PIL import Image

    if label not in CLASSES:
        raise ValueError(
            f"{name!r} is not in a class of CIFAR-10; allowed are {', '.join(CLASSES)}."
        )
    try:
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except OSError as error:
        raise ValueError(f"{name!r} is not an image, or is truncated: {error}.") from error
    if pixels.shape[:2] != (SIDE_PIXELS, SIDE_PIXELS):
        raise ValueError(
            f"{name!r} must be {SIDE_PIXELS} x {SIDE_PIXELS} pixels, got {pixels.shape[:2]}."
        )
    return pixels[np.newaxis], np.array([CLASSES.index(label)])


def _join(files: Sequence[_File]) -> tuple[npt.NDArray[np.uint8], IntArray]:
    """Concatenate pixels and labels of files, sorted by name."""
    _, pixels, labels = zip(*sorted(files, key=lambda file: file[0]), strict=True)
    return np.ascontiguousarray(np.concatenate(pixels)), np.concatenate(labels)
