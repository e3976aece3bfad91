"""Results written to a temporary name and moved into place when complete."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def staged(folder, *, overwrite=False, only=None):
    """Write a folder of results aside, and move it into place when it is whole.

    Parameters
    ----------
    folder : path-like
        Where the results shall lie in the end.
    overwrite : bool
        Whether files of the same name may be replaced. Other files are left alone.
    only : sequence of str | None
        Names of the files that will be written, where the folder may hold others; None for a
        folder of one's own.

    Yields
    ------
    aside : pathlib.Path
        The folder to write to. If the block raises or is interrupted it is removed again, and
        ``folder`` is as it was; so are the folders above it.

    Raises
    ------
    FileExistsError
        If ``folder`` is a file, or holds anything (or one of ``only``) while ``overwrite`` is
        False.
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> with staged("results") as aside:
    ...     _ = (aside / "answer.txt").write_text("42")
    >>> Path("results/answer.txt").read_text()
    '42'
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file, not a folder to write to.")
    if not overwrite:
        refuse_existing(folder, only)
    made = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system as the results, so that moving them is one step.
    beside = folder if folder.exists() else folder.parent
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".partial", dir=beside))
    try:
        aside.chmod(0o755)
        yield aside
        if not folder.exists():
            aside.rename(folder)
            return
        # What continues a split recording sorts before its first file: that one comes last.
        names = sorted(written.name for written in aside.iterdir())
        if not overwrite:
            refuse_existing(folder, names)
        for name in names:
            (aside / name).replace(folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # it holds the results
                parent.rmdir()


@contextmanager
def staged_file(path):
    """Write one file aside, and move it into place when it is whole.

    Parameters
    ----------
    path : path-like
        Where the file shall lie in the end; an older one is replaced.

    Yields
    ------
    aside : pathlib.Path
        The file to write, beside ``path`` and of the same ending. If the block raises or is
        interrupted it is removed again, and ``path`` is as it was.

    Examples
    --------
    >>> with staged_file("answer.txt") as aside:
    ...     _ = aside.write_text("42")
    >>> Path("answer.txt").read_text()
    '42'
    """
    path = Path(path)
    aside = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path, content):
    """Write a JSON file that is whole or not there.

    Parameters
    ----------
    path : path-like
        The file; an older one is replaced.
    content : dict
        What it shall hold.

    Examples
    --------
    >>> write_json("answer.json", {"answer": 42})
    >>> json.loads(Path("answer.json").read_text("utf-8"))
    {'answer': 42}
    """
    with staged_file(path) as aside:
        aside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def refuse_existing(folder, names=None):
    """Raise where a folder holds results already.

    Parameters
    ----------
    folder : path-like
        The folder; it need not exist.
    names : sequence of str | None
        Files that must not be there; None for any.

    Raises
    ------
    FileExistsError
        If one is there.

    Examples
    --------
    >>> refuse_existing("results", ["answer.txt"])
    """
    folder = Path(folder)
    if not folder.is_dir():
        return
    there = sorted(path for path in folder.iterdir() if names is None or path.name in names)
    if there and names is None:
        raise FileExistsError(f"{folder} is not empty; choose another folder, or overwrite.")
    if there:
        raise FileExistsError(f"{there[0]} is there; choose another folder, or overwrite.")
