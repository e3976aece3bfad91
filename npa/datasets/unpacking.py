"""Unpacking of downloaded archives: completely or not at all, never outside their folder."""

import hashlib
import shutil
import tarfile
import tempfile
from functools import partial
from pathlib import Path, PureWindowsPath

from mne.utils import logger

_STAMP = ".npa-unpacked"


def unpack(archive: Path, sha256: str) -> Path:
    """Unpack a tar archive into a folder beside it, unless that has been done.

    Parameters
    ----------
    archive : pathlib.Path
        The archive, plain or compressed; its hash was checked.
    sha256 : str
        That hash. It is stored in the folder, so that another version of the archive is unpacked
        again.

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
    The files are written into a temporary folder, which is renamed when it is complete. It also
    holds a hash of the names and contents of all files; a folder whose files do not match is
    unpacked again.

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
    if _is_complete(folder, sha256):
        return folder
    check_writable(archive.parent)
    logger.info(f"Unpacking {archive}")
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=archive.parent) as temporary:
        unpacked = Path(temporary, archive.name)
        unpacked.mkdir()
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter=partial(_plain_file, archive.name))
        (unpacked / _STAMP).write_text(f"{sha256} {_digest(unpacked)}", encoding="ascii")
        if folder.exists():
            shutil.rmtree(folder)
        unpacked.rename(folder)
    return folder


def check_writable(folder: Path) -> None:
    """Create a folder of the cache; if it cannot be written, the error names ``NPA_CACHE``.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; it is created, with its parents, if it does not exist.

    Raises
    ------
    OSError
        If the folder cannot be created or written.

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


def _is_complete(folder: Path, sha256: str) -> bool:
    """Whether a folder holds, byte for byte, the content of the archive of this hash."""
    try:
        stamp = (folder / _STAMP).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False
    return stamp == f"{sha256} {_digest(folder)}"


def _digest(folder: Path) -> str:
    """Return the SHA-256 of the names, sizes and contents of all files but the stamp."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / _STAMP:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _plain_file(archive: str, member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Refuse links, and names that leave the folder on any system; then apply tarfile's filter."""
    path = PureWindowsPath(member.name)  # splits at both slashes, and knows drives
    if path.anchor or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise ValueError(f"{archive} must hold files within its folder only, got {member.name!r}.")
    return tarfile.data_filter(member, folder)
