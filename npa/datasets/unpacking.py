"""Archives unpacked into the cache: whole or not at all, and never outside their folder."""

import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path, PureWindowsPath

from mne.utils import logger

_STAMP = ".npa-unpacked"


def unpack(archive, sha256):
    """Unpack a tar archive into a folder beside it, unless it lies there whole.

    Parameters
    ----------
    archive : pathlib.Path
        The archive, plain or compressed, whose hash was checked.
    sha256 : str
        That hash. The folder remembers it, so that another edition of the archive is unpacked
        afresh.

    Returns
    -------
    folder : pathlib.Path
        ``<archive>.unpacked``.

    Raises
    ------
    ValueError
        If a member is a link or a device, or would be written outside the folder.
    OSError
        If the folder cannot be written.

    Notes
    -----
    The files are written into a scratch folder, which takes its name only when it is whole; with
    it goes a hash over the names and contents of all files. A folder whose files do not agree with
    it is unpacked again.

    Examples
    --------
    >>> import tarfile, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, archive = Path(folder, "a.txt"), Path(folder, "films.tar")
    ...     _ = file.write_text("film")
    ...     with tarfile.open(archive, "w") as tar:
    ...         tar.add(file, "films/a.txt")
    ...     (unpack(archive, sha256="") / "films" / "a.txt").read_text()
    'film'
    """
    folder = archive.with_name(archive.name + ".unpacked")
    if _is_whole(folder, sha256):
        return folder
    check_writable(archive.parent)
    logger.info(f"Unpacking {archive}")
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=archive.parent) as scratch:
        fresh = Path(scratch, archive.name)
        fresh.mkdir()
        _extract(archive, fresh)
        (fresh / _STAMP).write_text(f"{sha256} {_digest(fresh)}", encoding="ascii")
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    return folder


def check_writable(folder):
    """Make a folder of the cache, or name ``NPA_CACHE`` where it cannot be written.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; made, with its parents, if it is not there.

    Raises
    ------
    OSError
        If the folder cannot be made, or nothing can be written into it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_writable(Path(folder, "new"))
    ...     Path(folder, "new").is_dir()
    True
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"The cache cannot be written ({error}): set NPA_CACHE to a folder that can be."
        ) from error


def _is_whole(folder, sha256):
    """Whether a folder holds, byte for byte, what was unpacked from the archive of this hash."""
    try:
        stamp = (folder / _STAMP).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False
    return stamp == f"{sha256} {_digest(folder)}"


def _digest(folder):
    """sha256 over the names, sizes and contents of all files of a folder but the stamp."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / _STAMP:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _extract(archive, folder):
    """Write the files of a tar archive, refusing links and whatever would leave the folder."""
    with tarfile.open(archive) as tar:
        for member in tar:
            # Windows' rules know every way out: both slashes, drives, roots and parents.
            place = PureWindowsPath(member.name)
            if place.anchor or ".." in place.parts or not (member.isfile() or member.isdir()):
                raise ValueError(
                    f"{archive.name} must hold files within its folder only, got {member.name!r}."
                )
            target = folder.joinpath(*place.parts)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
