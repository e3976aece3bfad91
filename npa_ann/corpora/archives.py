"""Find the files of a corpus, and read them from folders or archives without unpacking."""

import gzip
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from npa.typing import PathLike


def find_corpus(path: PathLike | None, names: Sequence[str]) -> Path:
    """Find a corpus at a path, or in the folder named by ``NPA_DATA``.

    Parameters
    ----------
    path : path-like | None
        An archive, the folder of the corpus, or a folder that contains one of ``names``. None for
        the folder named by the environment variable ``NPA_DATA``.
    names : sequence of str
        Relative paths within a folder at which the corpus is looked for, in this order.

    Returns
    -------
    found : pathlib.Path
        The archive or folder. A folder that contains none of ``names`` is returned itself: it may
        be the folder of the corpus.

    Raises
    ------
    ValueError
        If ``path`` is None and ``NPA_DATA`` is not set.
    FileNotFoundError
        If the path does not exist.

    Examples
    --------
    >>> find_corpus(".", ["no_such_corpus.tar.gz"])
    PosixPath('.')
    """
    if path is None:
        path = os.environ.get("NPA_DATA")
        if not path:
            raise ValueError(f"No corpus: give a path to {names[0]!r}, or set NPA_DATA.")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    candidates = (path / name for name in names) if path.is_dir() else ()
    return next((candidate for candidate in candidates if candidate.exists()), path)


def iter_members(path: PathLike) -> Iterator[tuple[str, bytes]]:
    """Yield every file of a folder or tar archive, without unpacking.

    Parameters
    ----------
    path : path-like
        A folder, or a tar archive (plain, gzip, bzip2 or xz).

    Yields
    ------
    name : str
        Path within the folder or archive, with forward slashes.
    content : bytes
        Content of the file.

    Raises
    ------
    ValueError
        If the file is not a tar archive or damaged, or a member is a link or would escape the
        folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("film")
    ...     list(iter_members(folder))
    [('a.txt', b'film')]
    """
    path = Path(path)
    if path.is_dir():
        yield from _folder_members(path)
        return
    try:
        with tarfile.open(path, "r:*") as archive:
            end = 0
            for member in archive:
                _check_member(path, member)
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if (file := archive.extractfile(member)) is not None:
                    yield member.name.removeprefix("./"), file.read()
            _check_end(archive.fileobj, end)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path.name!r} is damaged or not a tar archive: {error}.") from error


def _folder_members(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a folder; refuse links to outside it."""
    root = folder.resolve()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if not file.resolve().is_relative_to(root):
            raise ValueError(f"{name!r} in {folder.name!r} is a link to outside the folder.")
        if file.is_file():
            yield name, file.read_bytes()


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    """Refuse members that are links, or whose path leads outside the archive."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"Member {member.name!r} of {path.name!r} would escape the folder.")
    if not (member.isfile() or member.isdir()):
        raise ValueError(f"Member {member.name!r} of {path.name!r} is a link or device.")


def _check_end(file: Any, end: int) -> None:
    """Refuse archives that do not end in zeros: tarfile silently stops at a damaged header."""
    file.seek(end)
    rest = file.read()
    if not rest or rest.strip(b"\0"):
        raise tarfile.ReadError(f"it ends unexpectedly after {end} bytes")
