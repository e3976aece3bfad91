"""Results written under a temporary name and moved into place when complete."""

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from npa.typing import PathLike


@contextmanager
def staged(
    folder: PathLike, *, overwrite: bool = False, only: Collection[str] | None = None
) -> Iterator[Path]:
    """Write results to a temporary folder, and move them into place when complete.

    Parameters
    ----------
    folder : path-like
        The final folder of the results.
    overwrite : bool
        Whether to replace files of the same name. Other files are kept.
    only : sequence of str | None
        Names of the files that will be written, if the folder may hold others; None if it must
        be empty.

    Yields
    ------
    staging : pathlib.Path
        The temporary folder to write to. If the block raises or is interrupted, it is removed,
        and ``folder`` and the folders above it are as before.

    Raises
    ------
    FileExistsError
        If ``folder`` is a file, or holds any file (or one of ``only``) and ``overwrite`` is
        False.
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> with staged("results") as staging:
    ...     _ = (staging / "answer.txt").write_text("42")
    >>> Path("results/answer.txt").read_text()
    '42'
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file, not a folder to write to.")
    if not overwrite:
        refuse_existing(folder, only)
    new_parents = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system as the results, so that a move is atomic.
    beside = folder if folder.exists() else folder.parent
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".partial", dir=beside))
    try:
        staging.chmod(0o755)
        yield staging
        if not folder.exists():
            staging.rename(folder)
            return
        # The parts of a split recording sort before its first file, which is moved last.
        names = sorted(written.name for written in staging.iterdir())
        if not overwrite:
            refuse_existing(folder, names)
        for name in names:
            (staging / name).replace(folder / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for parent in new_parents:
            with suppress(OSError):  # not empty: it holds the results
                parent.rmdir()


@contextmanager
def staged_file(path: PathLike) -> Iterator[Path]:
    """Write a file under a temporary name, and move it into place when complete.

    Parameters
    ----------
    path : path-like
        The final file; an existing one is replaced.

    Yields
    ------
    staging : pathlib.Path
        The temporary file to write, in the folder of ``path`` and with its extension. If the
        block raises or is interrupted, it is removed, and ``path`` is as before.

    Examples
    --------
    >>> with staged_file("answer.txt") as staging:
    ...     _ = staging.write_text("42")
    >>> Path("answer.txt").read_text()
    '42'
    """
    path = Path(path).expanduser()
    staging = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        yield staging
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


def write_json(path: PathLike, content: Any) -> None:
    """Write a JSON file completely or not at all.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced.
    content : dict
        Its content.

    Examples
    --------
    >>> write_json("answer.json", {"answer": 42})
    >>> json.loads(Path("answer.json").read_text("utf-8"))
    {'answer': 42}
    """
    with staged_file(path) as staging:
        staging.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def refuse_existing(folder: PathLike, names: Collection[str] | None = None) -> None:
    """Raise an error if a folder already holds results.

    Parameters
    ----------
    folder : path-like
        The folder; it may not exist.
    names : sequence of str | None
        Names of files it must not hold; None for any file.

    Raises
    ------
    FileExistsError
        If there is such a file.

    Examples
    --------
    >>> _ = Path("answer.txt").write_text("42")
    >>> refuse_existing(".", ["answer.txt"])
    Traceback (most recent call last):
    FileExistsError: answer.txt exists; choose another folder, or overwrite.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        return
    existing = sorted(path for path in folder.iterdir() if names is None or path.name in names)
    if existing and names is None:
        raise FileExistsError(f"{folder} is not empty; choose another folder, or overwrite.")
    if existing:
        raise FileExistsError(f"{existing[0]} exists; choose another folder, or overwrite.")
