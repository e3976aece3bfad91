"""The recordings of a batch: names, places of results, and whether they are done."""

import glob
import json
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from npa.recordings.reading import load_recording
from npa.workflows.batch.settings import differences

# Endings of the files that are one recording, where a format has several of one stem.
_TOGETHER = (
    {".vhdr", ".vmrk", ".eeg", ".dat"},  # BrainVision
    {".ahdr", ".amrk", ".eeg"},
    {".set", ".fdt"},  # EEGLAB
    {".dat", ".dap", ".rs3", ".cef", ".cdt", ".cdt.dpa", ".cdt.dpo", ".cdt.cef"},  # Curry
    {".eeg", ".pnt", ".log", ".21e"},  # Nihon Kohden
    {".data", ".head"},  # Nicolet
    {".lay", ".dat"},  # Persyst
    {".cnt", ".evt", ".trg"},  # ANT
)


@dataclass(frozen=True)
class Recording:
    """A recording, and the place of its results.

    Parameters
    ----------
    name : str
        What it is called: its file name without endings.
    source : pathlib.Path
        The file (or folder) that holds it.
    folder : pathlib.Path
        Where its results go.
    """

    name: str
    source: Path
    folder: Path

    @property
    def path(self):
        """Where it lies on disk."""
        return self.source

    @property
    def files(self):
        """Names of the results: ``"signal"``, ``"table"``, ``"report"`` and ``"record"``."""
        return {
            "signal": "signal_raw.fif",
            "table": "table.csv",
            "report": "report.html",
            "record": "record.json",
        }

    @property
    def parts(self):
        """Pattern of the names of further files of a signal that does not fit into one."""
        return "signal_raw-*.fif"

    def load(self):
        """Return the recording, an `mne.io.Raw` in memory."""
        return load_recording(self.path)

    def save_signal(self, raw, aside):
        """Write the signal into the folder ``aside``."""
        raw.save(aside / self.files["signal"], verbose=False)

    def save_table(self, table, aside):
        """Write the table into the folder ``aside``."""
        table.to_csv(aside / self.files["table"], index=False)

    def load_table(self):
        """Return the table, None where there is none."""
        import pandas as pd

        fname = self.folder / self.files["table"]
        return pd.read_csv(fname) if fname.exists() else None

    def details(self):
        """Return what its record says beyond that of others, a dict."""
        return {}

    def fingerprint(self):
        """Return size and time of change of its file, and of those that belong to it.

        Returns
        -------
        files : dict
            Name to ``[bytes, nanoseconds since 1970]``; empty where it cannot be read.
        """
        with suppress(OSError):
            parent = self.path.parent
            return {
                path.relative_to(parent).as_posix(): [path.stat().st_size, path.stat().st_mtime_ns]
                for kin in sorted(parent.glob(f"{glob.escape(self.name)}*"))
                if self._belongs(kin)
                for path in ([kin] if kin.is_file() else sorted(kin.rglob("*")))
                if path.is_file()
            }
        return {}

    def _belongs(self, path):
        """Tell whether a file is part of it, in formats of several: a backup of it is none."""
        start = stem(self.path)
        endings = {each.name.removeprefix(start).lower() for each in (self.path, path)}
        return path == self.path or any(endings <= together for together in _TOGETHER)

    def record(self):
        """Return what was written last when it was done, a dict; None where it was not."""
        try:
            record = json.loads((self.folder / self.files["record"]).read_text("utf-8"))
            whole = all(
                (self.folder / name).stat().st_size == size
                for name, size in record["Files"].items()
            )
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            return None
        return record if whole else None

    def is_done(self, settings):
        """Tell whether its results are there, whole, and of these settings and this input."""
        record = self.record()
        return (
            record is not None
            and not any(differences(record["Settings"], settings))
            and not self.changes(record)
        )

    def changes(self, record):
        """Return how its files differ from those that a record was made of, a list of words."""
        before, now = record["Input"], self.fingerprint() or record["Input"]
        became = {name: "has changed" for name in before.keys() & now.keys()}
        became |= {name: "is new" for name in now.keys() - before.keys()}
        became |= {name: "is gone" for name in before.keys() - now.keys()}
        parent = self.path.parent
        return [
            f"{parent / name} {what} since"
            for name, what in sorted(became.items())
            if before.get(name) != now.get(name)
        ]

    def marks(self):
        """Return the marks of attempts at it that have not ended: of the living and the dead."""
        start, end = self._mark
        return list(self.folder.glob(f"{glob.escape(start)}{8 * '?'}{end}"))

    @contextmanager
    def marked(self):
        """Yield a folder to write results to; a killed worker leaves it, the mark of its attempt.

        A worker that outlives its run finds that the next run has swept it: it can write no more.
        """
        start, end = self._mark
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = Path(tempfile.mkdtemp(prefix=start, suffix=end, dir=self.folder))
        try:
            yield mark
        finally:
            shutil.rmtree(mark, ignore_errors=True)

    def accept(self, mark):
        """Move the results out of a mark to their place, the record last."""
        if not mark.is_dir():
            raise FileNotFoundError(f"{mark} was swept: another run works on {self.name}.")
        self.forget()
        record = self.files["record"]
        others = sorted(path.name for path in mark.iterdir() if path.name != record)
        for name in (*others, record):
            (mark / name).replace(self.folder / name)

    @property
    def _mark(self):
        """How the name of a mark begins and ends; `sweep` knows it too."""
        return f".{self.folder.name}-{self.name}-", ".partial"

    def forget(self):
        """Remove its results, the record first, so that a kill leaves nothing that looks done."""
        (self.folder / self.files["record"]).unlink(missing_ok=True)
        for name in self.files.values():
            (self.folder / name).unlink(missing_ok=True)
        for part in self.folder.glob(self.parts):
            part.unlink()

    def tidy(self):
        """Remove what a killed worker left half-written, and a folder that holds nothing."""
        sweep(self.folder)
        with suppress(OSError):
            for empty in (self.folder, *self.folder.parents):
                empty.rmdir()


def as_recordings(sources, out_dir):
    """Name recordings, and give each a folder of its own.

    Parameters
    ----------
    sources : sequence of path-like
        The files.
    out_dir : path-like
        Folder of all results.

    Returns
    -------
    recordings : list of Recording
        In the same order.

    Raises
    ------
    TypeError
        If a source is no path.
    ValueError
        If there is none, or two would have the same name.

    Examples
    --------
    >>> [each.name for each in as_recordings(["a/one_raw.fif.gz", "b/two.rest.edf"], "out")]
    ['one_raw', 'two.rest']
    >>> as_recordings(["a/one.edf", "b/one.bdf"], "out")
    Traceback (most recent call last):
    ValueError: recordings must differ in name, for so do their results: a/one.edf and b/one.bdf...
    """
    recordings = []
    for index, source in enumerate(sources):
        try:
            path = Path(source)
        except TypeError:
            raise TypeError(
                f"recordings[{index}] must be a path, got {type(source).__name__}; save it first."
            ) from None
        recordings.append(Recording(stem(path), path, Path(out_dir) / stem(path)))
    check_names(recordings)
    return recordings


def check_names(recordings):
    """Raise where the results of two recordings would have the same name.

    Parameters
    ----------
    recordings : list of Recording
        The recordings of a batch.

    Raises
    ------
    ValueError
        If there is none, or two share a name (on some disks, case does not count).

    Examples
    --------
    >>> check_names([Recording("one", Path("one.edf"), Path("out/one"))])
    """
    if not recordings:
        raise ValueError("recordings must hold at least one recording, got none.")
    seen = {}
    for recording in recordings:
        twin = seen.setdefault(recording.name.casefold(), recording)
        if twin is not recording:
            raise ValueError(
                "recordings must differ in name, for so do their results: "
                f"{twin.path} and {recording.path} are both {recording.name!r}."
            )


def sweep(folder):
    """Remove what `staged` and `Recording.marked` left behind where they were killed.

    Parameters
    ----------
    folder : pathlib.Path
        The folder that was to be written.

    Notes
    -----
    Each is renamed first, which is one step: a worker that is still alive, and writes there, then
    fails as a whole.

    Examples
    --------
    >>> sweep(Path("out"))
    """
    for left in folder.glob(f".{glob.escape(folder.name)}-*.partial"):
        swept = left.with_suffix(".swept.partial")
        with suppress(OSError):
            left.rename(swept)
        for each in (left, swept):
            shutil.rmtree(each, ignore_errors=True)


def stem(path):
    """Return a file's name without its ending, and without ``.gz``.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    stem : str
        What a recording is called.

    Examples
    --------
    >>> stem(Path("one_raw.fif.gz"))
    'one_raw'
    """
    return Path(path.name.removesuffix(".gz")).stem
