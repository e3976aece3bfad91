"""Files of a corpus, found, and read out of folders and archives without unpacking them."""

import gzip
import lzma
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath


def find_corpus(path, names):
    """Find a corpus from an explicit path, or from the folder in ``NPA_DATA``.

    Parameters
    ----------
    path : path-like | None
        An archive, the corpus folder itself, or a folder that holds one of ``names``. None takes
        the folder named by the environment variable ``NPA_DATA``.
    names : sequence of str
        Where the corpus may lie within a folder, best first, as relative paths.

    Returns
    -------
    found : pathlib.Path
        The archive or folder. A folder that holds none of ``names`` is returned as it is: it may
        be the corpus itself.

    Raises
    ------
    ValueError
        If there is neither a path nor ``NPA_DATA``.
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


def iter_members(path):
    """Yield every file of a folder or tar archive, without unpacking anything.

    Parameters
    ----------
    path : path-like
        A folder, or a tar archive (plain, gzip, bzip2 or xz).

    Yields
    ------
    name : str
        Path within the folder or archive, with forward slashes.
    content : bytes
        What the file holds.

    Raises
    ------
    ValueError
        If the archive is damaged or is none, or a member is a link or would escape the folder.

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
                if member.isfile():
                    yield member.name.removeprefix("./"), archive.extractfile(member).read()
            _check_end(archive.fileobj, end)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path.name!r} is damaged, or no tar archive: {error}.") from error


def _folder_members(folder):
    """Yield the files of a folder; refuse links that lead out of it."""
    root = folder.resolve()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if not file.resolve().is_relative_to(root):
            raise ValueError(f"{name!r} in {folder.name!r} is a link that leads out of the folder.")
        if file.is_file():
            yield name, file.read_bytes()


def _check_member(path, member):
    """Refuse archive members that name, or point to, a place outside the archive."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"Member {member.name!r} of {path.name!r} would escape the folder.")
    if not (member.isfile() or member.isdir()):
        raise ValueError(f"Member {member.name!r} of {path.name!r} is a link or device.")


def _check_end(file, end):
    """Refuse archives that do not end in zeros: tarfile stops silently at a damaged header."""
    file.seek(end)
    rest = file.read()
    if not rest or rest.strip(b"\0"):
        raise tarfile.ReadError(f"it breaks off after {end} bytes")
