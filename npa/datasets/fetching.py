"""Public data sets from the user's own copies, the cache, or a verified download."""

import logging
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from mne.utils import logger

from npa.checks import check_number, check_option
from npa.datasets.bundled import bundled_data
from npa.datasets.unpacking import check_writable, unpack

_RETRIES = 1


@dataclass(frozen=True)
class Dataset:
    """A public data set; printing it gives a short description.

    Parameters
    ----------
    name : str
        Its name in `fetch`.
    title : str
        Its title.
    size : str
        Size of the download.
    page : str
        Its home page.
    licence : str
        Its licence.
    citation : str
        The publication to cite.
    instead : str
        What to use if nothing can be downloaded.

    Examples
    --------
    >>> from npa.datasets import list_datasets
    >>> print(list_datasets()[0].title)
    EEG Motor Movement/Imagery Dataset 1.0.0 (64 channels, 109 subjects, 14 runs each)
    """

    name: str
    title: str
    size: str
    page: str
    licence: str
    citation: str
    instead: str

    def __str__(self) -> str:
        """Return the fields, one per line."""
        return (
            f"{self.name}: {self.title}\n  size: {self.size}\n  page: {self.page}\n"
            f"  licence: {self.licence}\n  cite: {self.citation}"
        )


@dataclass(frozen=True)
class _File:
    """A published file; its size in bytes is None if it was not published."""

    url: str
    sha256: str
    size: int | None = None

    @property
    def name(self) -> str:
        """Last part of the address."""
        return self.url.rpartition("/")[2]


def list_datasets() -> list[Dataset]:
    """List the public data sets that `fetch` knows.

    Returns
    -------
    datasets : list of Dataset
        The data sets of the registry.

    Examples
    --------
    >>> from npa.datasets import list_datasets
    >>> [dataset.name for dataset in list_datasets()]
    ['eegbci', 'mnist', 'cifar10', 'imdb']
    """
    fields = ("title", "page", "licence", "citation", "instead")
    return [
        Dataset(name=name, size=_total_size(entry), **{field: entry[field] for field in fields})
        for name, entry in _load_registry().items()
    ]


def find_copies(names: Sequence[str]) -> Path | None:
    """Find the folder with the user's own copies of some files.

    The environment variable ``NPA_DATA`` names a folder that is only read. It is searched first,
    then each of its subfolders in alphabetical order.

    Parameters
    ----------
    names : sequence of str
        Names of files or folders that must be in the same folder.

    Returns
    -------
    folder : pathlib.Path | None
        The first folder that holds all of them; None if there is none, or no ``NPA_DATA``.

    Raises
    ------
    FileNotFoundError
        If ``NPA_DATA`` is not a folder.

    Examples
    --------
    >>> from npa.datasets import find_copies
    >>> find_copies(["no_such_file.edf"]) is None
    True
    """
    if not os.environ.get("NPA_DATA"):
        return None
    root = Path(os.environ["NPA_DATA"]).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"NPA_DATA must name a folder, got {str(root)!r}.")
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    # os.path.exists, unlike Path.exists, returns False for a folder without permission to read.
    return next(
        (path for path in folders if all(os.path.exists(path / name) for name in names)), None
    )


def fetch(
    name: str,
    *,
    subject: int | None = None,
    runs: int | Sequence[int] | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch a public data set and return its folder.

    Parameters
    ----------
    name : {"eegbci", "mnist", "cifar10", "imdb"}
        The data set; `list_datasets` describes them.
    subject : int | None
        Subject 1 to 109 of ``"eegbci"``; None for subject 1. Only for ``"eegbci"``.
    runs : int | sequence of int | None
        Runs 1 to 14 of that subject; None for 1 and 2, one minute of rest with eyes open and one
        with eyes closed. Only for ``"eegbci"``.
    timeout : float
        Seconds to wait for a connection, and for the next bytes.

    Returns
    -------
    folder : pathlib.Path
        The folder of the files, with archives unpacked. The user's own copies are left as they
        are: their folder may hold the archive.

    Raises
    ------
    ValueError
        If the data set, subject or run does not exist, or an archive holds a link or a file
        outside its folder.
    FileNotFoundError
        If ``NPA_DATA`` is not a folder.
    OSError
        If a file is missing and cannot be downloaded or written, or the download is not the
        published file. The message names file, size, address and an alternative.

    Notes
    -----
    The first place that holds **all** requested files is used:

    1. ``NPA_DATA``, a folder with the user's own copies (see `find_copies`). They are neither
       hashed nor written, as they need not be the published bytes.
    2. ``NPA_CACHE``, or else the user's cache folder. Files are hashed on every call, and used
       without a request. Unpacked archives are hashed too, and unpacked again if they changed.
    3. The published address. A download is moved into the cache only if its SHA-256 is the
       published one, so that a damaged file is never used.

    Examples
    --------
    >>> from npa.datasets import fetch
    >>> folder = fetch("eegbci", subject=1, runs=(1, 2))  # doctest: +SKIP
    >>> sorted(path.name for path in folder.glob("S001*.edf"))  # doctest: +SKIP
    ['S001R01.edf', 'S001R02.edf']
    """
    registry = _load_registry()
    entry = registry[check_option("name", name, registry)]
    check_number("timeout", timeout, above=0)
    if name == "eegbci":
        wanted = _eegbci_files(entry, subject, runs)
    elif subject is None and runs is None:
        wanted = [_File(**file) for file in entry["files"]]
    else:
        raise ValueError(
            f"subject and runs must be None for {name!r}, got subject={subject!r}, runs={runs!r}: "
            "only 'eegbci' has subjects."
        )
    for names in ([file.name for file in wanted], *entry.get("copies", ())):
        if (copies := find_copies(names)) is not None:
            logger.info(f"Using your own copy of {name} in {copies}; it is not verified.")
            return copies
    folder = _cache_folder() / name
    for file in wanted:
        _download(file, folder, timeout, entry["instead"])
    archives = [file for file in wanted if file.name.endswith(".tar.gz")]
    return unpack(folder / archives[0].name, archives[0].sha256) if archives else folder


def _load_registry() -> dict[str, Any]:
    """Read the registry of public files."""
    return tomllib.loads((bundled_data() / "registry.toml").read_text(encoding="utf-8"))


def _cache_folder() -> Path:
    """Return the folder for downloads: ``NPA_CACHE``, or the user's cache."""
    import pooch

    return Path(os.environ.get("NPA_CACHE") or pooch.os_cache("npa")).expanduser().resolve()


def _total_size(entry: Mapping[str, Any]) -> str:
    """Format the size of all files of a registry entry."""
    return entry.get("size") or _megabytes(sum(file["size"] for file in entry["files"]))


def _megabytes(size: int) -> str:
    """Format a number of bytes."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _eegbci_files(
    entry: Mapping[str, Any], subject: int | None, runs: int | Sequence[int] | None
) -> list[_File]:
    """List the files of one subject of EEGBCI."""
    subject = 1 if subject is None else subject
    check_number("subject", subject, low=1, high=109, integer=True)
    numbers = np.ravel((1, 2) if runs is None else runs).tolist()
    if not numbers:
        raise ValueError("runs must name at least one run from 1 to 14, got none.")
    checksums = _eegbci_checksums()
    wanted = []
    for run in numbers:
        check_number("runs", run, low=1, high=14, integer=True)
        name = f"S{subject:03d}R{run:02d}.edf"
        path = f"S{subject:03d}/{name}"
        size = entry["sizes"].get(name)
        wanted.append(_File(url=entry["url"] + path, sha256=checksums[path], size=size))
    return wanted


def _eegbci_checksums() -> dict[str, str]:
    """Return the SHA-256 of every file of EEGBCI, from the list that MNE ships."""
    text = (files("mne") / "data" / "eegbci_checksums.txt").read_text(encoding="utf-8")
    pairs = (line.split() for line in text.splitlines())
    return {name: sha256 for name, sha256 in pairs}


def _download(file: _File, folder: Path, timeout: float, instead: str) -> None:
    """Download a published file, unless the folder holds it."""
    import pooch

    target = folder / file.name
    try:
        if target.is_file() and pooch.file_hash(target) == file.sha256:
            return
        check_writable(folder)
        cache = pooch.create(
            path=folder,
            base_url="",
            registry={file.name: f"sha256:{file.sha256}"},
            urls={file.name: file.url},
            retry_if_failed=_RETRIES,
        )
        logger.info(f"Downloading {file.url} to {folder}")
        bar = logger.level <= logging.INFO
        with _quiet(pooch.get_logger()):
            cache.fetch(
                file.name, downloader=pooch.HTTPDownloader(progressbar=bar, timeout=timeout)
            )
    # pooch raises ValueError if the hash differs; network failures are OSErrors.
    except (OSError, ValueError) as error:
        size = "size not published" if file.size is None else f"{file.size:,} bytes"
        raise OSError(
            f"{file.name} ({size}) is missing or damaged in {folder} and could not be fetched "
            f"from {file.url}: {str(error).rstrip('.')}. Set NPA_DATA to a folder with a copy of "
            f"your own, or use something else: {instead}."
        ) from error


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    """Silence another library's log, as MNE's reports at the level the user chose."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
