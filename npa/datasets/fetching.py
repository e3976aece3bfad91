"""Public data sets: found among the user's own copies, in the cache, or downloaded and hashed."""

import logging
import os
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from mne.utils import logger

from npa.checks import check_number, check_option
from npa.datasets.bundled import bundled_data
from npa.datasets.unpacking import check_writable, unpack

_RETRIES = 1


@dataclass(frozen=True)
class Dataset:
    """Describe a public data set; printing it gives a few lines to read.

    Parameters
    ----------
    name : str
        What `fetch` calls it.
    title : str
        What it is.
    size : str
        How much is downloaded.
    page : str
        Address of its home page.
    licence : str
        Under which terms it is published.
    citation : str
        What to cite when it is used.
    instead : str
        What to use where nothing can be downloaded.

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

    def __str__(self):
        """Lay the fields out, one a line."""
        return (
            f"{self.name}: {self.title}\n  size: {self.size}\n  page: {self.page}\n"
            f"  licence: {self.licence}\n  cite: {self.citation}"
        )


@dataclass(frozen=True)
class _File:
    """One published file; size in bytes, None where nobody published it."""

    url: str
    sha256: str
    size: int | None = None

    @property
    def name(self):
        """Last part of the address."""
        return self.url.rpartition("/")[2]


def list_datasets():
    """List the public data sets that `fetch` knows.

    Returns
    -------
    datasets : list of Dataset
        Name, title, size, home page, licence and citation of each, as in the registry.

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


def find_copies(names):
    """Find the folder of the user's own copies that holds all of these files.

    The environment variable ``NPA_DATA`` names a folder that is only ever read. It is searched
    itself, then each folder directly in it, in alphabetical order.

    Parameters
    ----------
    names : sequence of str
        Names of files or folders that must lie beside each other.

    Returns
    -------
    folder : pathlib.Path | None
        The first folder that holds all of them. None where there is none, or no ``NPA_DATA``.

    Raises
    ------
    FileNotFoundError
        If ``NPA_DATA`` names no folder.

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
    # os.path.exists, unlike Path.exists, passes over a folder that may not be read.
    return next(
        (path for path in folders if all(os.path.exists(path / name) for name in names)), None
    )


def fetch(name, *, subject=None, runs=None, timeout=30.0):
    """Fetch a public data set and return the folder that its reader takes.

    Parameters
    ----------
    name : {"eegbci", "mnist", "cifar10", "imdb"}
        The data set; `list_datasets` describes them.
    subject : int | None
        Subject 1 to 109 of ``"eegbci"``; None takes subject 1. Only for ``"eegbci"``.
    runs : int | sequence of int | None
        Runs 1 to 14 of that subject; None takes 1 and 2, a minute of rest with open and one with
        closed eyes. Only for ``"eegbci"``.
    timeout : float
        Seconds to wait for a connection, and then for the next bytes, before giving up.

    Returns
    -------
    folder : pathlib.Path
        Where the files lie, archives unpacked. A copy of the user's own is left as it is: its
        folder may hold the archive.

    Raises
    ------
    ValueError
        If the data set, subject or run does not exist, or an archive's member would leave its
        folder.
    FileNotFoundError
        If ``NPA_DATA`` names no folder.
    OSError
        If a file is missing and cannot be downloaded or written, or what came is not the
        published file. The message names file, size, address and what to use instead.

    Notes
    -----
    The first place that holds **all** of the files asked for wins:

    1. ``NPA_DATA``, a folder of one's own copies (see `find_copies`): never hashed, never
       written, since they need not be the published bytes.
    2. ``NPA_CACHE``, or else the user's cache folder: hashed on every call, used without any
       request. Unpacked archives are hashed as well, and unpacked again if anything changed.
    3. The published address: what is downloaded takes its place in the cache only once its
       sha256 is the published one, so that a broken or truncated file is never used.

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
            logger.info(f"Taking your own copy of {name} in {copies}, unchecked.")
            return copies
    folder = _cache_folder() / name
    for file in wanted:
        _download(file, folder, timeout, entry["instead"])
    archives = [file for file in wanted if file.name.endswith(".tar.gz")]
    return unpack(folder / archives[0].name, archives[0].sha256) if archives else folder


def _load_registry():
    """Read the registry of public files."""
    return tomllib.loads((bundled_data() / "registry.toml").read_text(encoding="utf-8"))


def _cache_folder():
    """Folder for downloads: ``NPA_CACHE``, or the user's cache."""
    import pooch

    return Path(os.environ.get("NPA_CACHE") or pooch.os_cache("npa")).expanduser().resolve()


def _total_size(entry):
    """Size of all files of a registry entry, in words."""
    return entry.get("size") or _megabytes(sum(file["size"] for file in entry["files"]))


def _megabytes(size):
    """Write a number of bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _eegbci_files(entry, subject, runs):
    """Files of one subject of EEGBCI."""
    subject = 1 if subject is None else subject
    check_number("subject", subject, low=1, high=109, integer=True)
    runs = np.ravel((1, 2) if runs is None else runs).tolist()
    if not runs:
        raise ValueError("runs must name at least one run from 1 to 14, got none.")
    checksums = _eegbci_checksums()
    wanted = []
    for run in runs:
        check_number("runs", run, low=1, high=14, integer=True)
        name = f"S{subject:03d}R{run:02d}.edf"
        path = f"S{subject:03d}/{name}"
        size = entry["sizes"].get(name)
        wanted.append(_File(url=entry["url"] + path, sha256=checksums[path], size=size))
    return wanted


def _eegbci_checksums():
    """sha256 of every file of EEGBCI, from the list that MNE ships."""
    text = (files("mne") / "data" / "eegbci_checksums.txt").read_text(encoding="utf-8")
    return dict(line.split() for line in text.splitlines())


def _download(file, folder, timeout, instead):
    """Make sure that the published file lies in the folder, or say what is missing."""
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
    # pooch says ValueError where the hash differs; every failure of the network is an OSError.
    except (OSError, ValueError) as error:
        size = "size not published" if file.size is None else f"{file.size:,} bytes"
        raise OSError(
            f"{file.name} ({size}) is missing or damaged in {folder} and could not be fetched "
            f"from {file.url}: {str(error).rstrip('.')}. Put a copy of your own into a folder and "
            f"name that folder in NPA_DATA, or do without: {instead}."
        ) from error


@contextmanager
def _quiet(other):
    """Silence another library's log: MNE's tells what happens, at the level the user chose."""
    level = other.level
    other.setLevel(logging.ERROR)
    try:
        yield
    finally:
        other.setLevel(level)
