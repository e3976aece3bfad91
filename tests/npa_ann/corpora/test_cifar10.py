"""The CIFAR-10 reader on simulated files in both layouts; damaged files are refused by name."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image
from written_tar import write_tar

from npa_ann.corpora.cifar10 import CLASSES, read_cifar10

BATCHES = [f"data_batch_{number}.bin" for number in range(1, 6)]
JPEG = 12  # grey levels by which a smooth image may change in JPEG


def record(label, pixels):
    return bytes([label]) + pixels.transpose(2, 0, 1).tobytes()


def smooth(rng):
    """An image that JPEG hardly changes."""
    corner = rng.integers(0, 200, size=3)
    ramp = np.linspace(0, 50, 32)[:, np.newaxis, np.newaxis]
    return (corner + ramp + np.zeros((32, 32, 3))).astype(np.uint8)


@pytest.fixture
def binary(tmp_path):
    """Write the published layout, two images per file."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    truth = {}
    for name in [*BATCHES, "test_batch.bin"]:
        pixels = rng.integers(256, size=(2, 32, 32, 3)).astype(np.uint8)
        labels = rng.integers(10, size=2)
        content = b"".join(record(*each) for each in zip(labels, pixels, strict=True))
        (folder / name).write_bytes(content)
        truth[name] = pixels, labels
    return folder, truth


def test_published_layout(binary):
    folder, truth = binary
    for place in (folder, folder.parent):
        images = read_cifar10(place)
        pixels, labels = zip(*(truth[name] for name in BATCHES), strict=True)
        np.testing.assert_array_equal(images.train, np.concatenate(pixels))
        np.testing.assert_array_equal(images.train_labels, np.concatenate(labels))
        np.testing.assert_array_equal(images.test, truth["test_batch.bin"][0])
    assert images.classes == CLASSES


def test_published_archive(binary):
    folder, truth = binary
    archive = folder.parent / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    np.testing.assert_array_equal(read_cifar10(archive).test, truth["test_batch.bin"][0])


def test_archive_of_jpeg_images(tmp_path):
    rng = np.random.default_rng(0)
    truth = {}
    members = []
    for split in ("train", "test"):
        for label in ("truck", "airplane"):
            name = f"{split}/{label}/0000.jpg"
            truth[name] = smooth(rng)
            file = io.BytesIO()
            Image.fromarray(truth[name]).save(file, "JPEG", quality=95)
            members.append((name, file.getvalue()))
    write_tar(tmp_path / "cifar10_jpeg.tar.gz", members)
    images = read_cifar10(tmp_path)
    assert images.train_labels.tolist() == images.test_labels.tolist() == [0, 9]
    found = images.test.astype(int)
    wanted = np.stack([truth["test/airplane/0000.jpg"], truth["test/truck/0000.jpg"]])
    np.testing.assert_allclose(found, wanted, atol=JPEG)


def test_refuses_damaged_binary_files(binary):
    folder, _ = binary
    whole = (folder / "data_batch_2.bin").read_bytes()
    for content, message in (
        (whole[:-5], "'data_batch_2.bin' must contain records of 3073 bytes, got 6141"),
        (b"", "'data_batch_2.bin' must contain records"),
        (bytes([10]) + whole[1:], "'data_batch_2.bin', record 0, has label 10"),
    ):
        (folder / "data_batch_2.bin").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_cifar10(folder)
    (folder / "data_batch_2.bin").write_bytes(whole)
    (folder / "data_batch_3.bin").rename(folder.parent / "aside.bin")
    with pytest.raises(ValueError, match="must contain each of data_batch_1.bin, .* got 5 files"):
        read_cifar10(folder)
    (folder.parent / "aside.bin").rename(folder / "data_batch_3.bin")
    (folder / "test_batch.bin").unlink()
    with pytest.raises(ValueError, match="contains no test images"):
        read_cifar10(folder)


@pytest.mark.parametrize(
    ("name", "size", "cut", "message"),
    [
        ("train/frog/0.jpg", 32, -200, "'train/frog/0.jpg' is not an image, or is truncated"),
        ("train/frog/0.jpg", 31, None, "'train/frog/0.jpg' must be 32 x 32 pixels"),
        ("train/toad/0.jpg", 32, None, "'train/toad/0.jpg' is not in a class"),
    ],
)
def test_refuses_damaged_images(tmp_path, name, size, cut, message):
    pixels = np.random.default_rng(0).integers(256, size=(size, size, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    target = tmp_path / name
    target.parent.mkdir(parents=True)
    target.write_bytes(file.getvalue()[:cut])
    with pytest.raises(ValueError, match=message):
        read_cifar10(tmp_path)


def test_shared_images(data_dir):
    images = read_cifar10(data_dir)
    assert images.train.shape == (50_000, 32, 32, 3)
    assert np.bincount(images.test_labels).tolist() == [1000] * 10
