"""The MNIST reader on small files in the published layout, intact and damaged, and on MNIST."""

import gzip
import struct

import numpy as np
import pytest
from written_mnist import idx_of

from npa_ann.corpora import read_mnist

TRAIN = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
TEST = 255 - TRAIN[:2]
FILES = {
    "train-images-idx3-ubyte": TRAIN,
    "train-labels-idx1-ubyte": np.array([5, 0, 9], np.uint8),
    "t10k-images-idx3-ubyte": TEST,
    "t10k-labels-idx1-ubyte": np.array([7, 2], np.uint8),
}


def write_corpus(folder, compressed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in FILES.items():
        content = idx_of(values)
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw", "images"])
def test_reads_pixels_and_labels_in_the_published_order(tmp_path, compressed, place):
    write_corpus(tmp_path / place, compressed)
    images = read_mnist(tmp_path)
    np.testing.assert_array_equal(images.train, TRAIN)
    np.testing.assert_array_equal(images.test, TEST)
    assert images.train_labels.tolist() == [5, 0, 9]
    assert images.test_labels.tolist() == [7, 2]
    assert images.classes == tuple("0123456789")


def test_finds_the_folder_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("NPA_DATA", str(write_corpus(tmp_path)))
    assert len(read_mnist().train) == 3


def test_truncated_files_are_named(tmp_path):
    whole = idx_of(FILES["train-images-idx3-ubyte"])
    write_corpus(tmp_path)
    for end in (0, 3, 15, 16, len(whole) - 1):
        (tmp_path / "train-images-idx3-ubyte").write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"'train-images-idx3-ubyte'.* truncated"):
            read_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match=r"'train-images-idx3-ubyte' must contain 3 x 28 x 28"):
        read_mnist(tmp_path)


def test_truncated_gzip_is_named(tmp_path):
    write_corpus(tmp_path, compressed=True)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    for content in (file.read_bytes()[:-20], b"no gzip"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"'t10k-images-idx3-ubyte.gz' is truncated or damag"):
            read_mnist(tmp_path)


@pytest.mark.parametrize("magic", [0x0801, 0x0D03, 0x03080000])
def test_wrong_magic_number_is_named(tmp_path, magic):
    write_corpus(tmp_path)
    file = tmp_path / "t10k-images-idx3-ubyte"
    file.write_bytes(struct.pack(">I", magic) + file.read_bytes()[4:])
    with pytest.raises(ValueError, match=rf"'t10k-images-idx3-ubyte'.*0x00000803.*{magic:#010x}"):
        read_mnist(tmp_path)


def test_count_mismatch_is_named(tmp_path):
    write_corpus(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_of(np.zeros(3, np.uint8)))
    with pytest.raises(ValueError, match=r"t10k-images.*t10k-labels.*2 images and 3 labels"):
        read_mnist(tmp_path)


def test_impossible_labels_are_named(tmp_path):
    write_corpus(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_of(np.array([1, 10], np.uint8)))
    with pytest.raises(ValueError, match=r"t10k-labels.*0 to 9, got 10 for image 1"):
        read_mnist(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        read_mnist(tmp_path)
    write_corpus(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        read_mnist(tmp_path)


def test_real_digits(data_dir):
    images = read_mnist(data_dir)
    assert images.train.shape == (60000, 28, 28)
    assert images.test.shape == (10000, 28, 28)
    # The published order and classes: the first labels, and how often each digit was written.
    assert images.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(images.train_labels).tolist() == [
        *(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    ]
    assert np.bincount(images.test_labels).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
