"""Archives are unpacked completely or not at all, and nowhere else."""

import re
import tarfile

import pytest
from written_tar import write_tar

from npa.datasets import unpacking
from npa.datasets.unpacking import unpack

REVIEWS = {"corpus/pos/0_9.txt": b"Lovely.", "corpus/neg/0_2.txt": b"Dull."}


def texts(folder):
    """Return the contents of the texts in a folder by name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.txt")}


@pytest.fixture
def archive(tmp_path):
    """A small archive, alone in its folder."""
    path = tmp_path / "cache" / "reviews.tar.gz"
    path.parent.mkdir()
    write_tar(path, REVIEWS.items())
    return path


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_unpacks(archive, compression):
    write_tar(archive, [("./empty.txt", b""), *REVIEWS.items()], f"w:{compression}")
    folder = unpack(archive, "a")
    assert texts(folder) == {"empty.txt": b"", **REVIEWS}
    assert sorted(path.name for path in archive.parent.iterdir()) == [archive.name, folder.name]


def test_unpacks_once(archive, monkeypatch):
    folder = unpack(archive, "a")
    monkeypatch.setattr(tarfile, "open", lambda *args: pytest.fail("unpacked again"))
    assert unpack(archive, "a") == folder


@pytest.mark.parametrize("damage", ["shorter", "other", "gone", "more", "unstamped"])
def test_damaged_folder_is_unpacked_again(archive, damage):
    folder = unpack(archive, "a")
    file = folder / "corpus" / "pos" / "0_9.txt"
    {
        "shorter": lambda: file.write_bytes(b"Love"),
        "other": lambda: file.write_bytes(b"Lovelx."),
        "gone": file.unlink,
        "more": lambda: file.with_name("1_9.txt").write_bytes(b"Mine."),
        "unstamped": (folder / ".npa-unpacked").unlink,
    }[damage]()
    assert texts(unpack(archive, "a")) == REVIEWS


def test_new_version_is_unpacked_again(archive):
    unpack(archive, "a")
    write_tar(archive, [("corpus/pos/2_9.txt", b"New.")])
    assert texts(unpack(archive, "b")) == {"corpus/pos/2_9.txt": b"New."}


def test_interruption_leaves_nothing(archive, monkeypatch):
    def interrupt(source, target, *args):
        target.write(source.read(3))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "copyfileobj", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unpack(archive, "a")
    assert list(archive.parent.iterdir()) == [archive]
    assert texts(unpack(archive, "a")) == REVIEWS


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "C:\\evil", "a\\..\\..\\evil"]
)
def test_member_outside_its_folder_is_refused(archive, tmp_path, name):
    write_tar(archive, [("fine.txt", b""), (name, b"evil")])
    with pytest.raises(ValueError, match=re.escape(repr(name))):
        unpack(archive, "a")
    assert list(archive.parent.iterdir()) == [archive]
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(archive, kind):
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("door")
        info.type, info.linkname = kind, ".."
        tar.addfile(info)
    with pytest.raises(ValueError, match="'door'"):
        unpack(archive, "a")
    assert list(archive.parent.iterdir()) == [archive]


def test_complete_folder_is_never_written(archive, monkeypatch):
    folder = unpack(archive, "a")

    def refuse(*args, **kwargs):
        raise OSError("read-only file system")

    monkeypatch.setattr(unpacking.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(unpacking.tempfile, "TemporaryDirectory", refuse)
    assert unpack(archive, "a") == folder
    (folder / "corpus" / "pos" / "0_9.txt").unlink()
    with pytest.raises(OSError, match=r"cannot be written.*read-only.*NPA_CACHE"):
        unpack(archive, "a")
