"""The recordings of a batch: names, places of results, and whether they are done."""

import glob
import json
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from npa.batch.settings import differences
from npa.files import load_recording, staged


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
            key, parent = self._key(self.path), self.path.parent
            return {
                str(path.relative_to(parent)): [path.stat().st_size, path.stat().st_mtime_ns]
                for kin in sorted(parent.glob(f"{glob.escape(key)}*"))
                if kin == self.path or (self._key(kin) == key and kin.is_file())
                for path in ([kin] if kin.is_file() else sorted(kin.rglob("*")))
                if path.is_file()
            }
        return {}

    @staticmethod
    def _key(path):
        """Return what the files of one recording share: their stem, in formats of several."""
        return stem(path)

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
            and (self.fingerprint() or record["Input"]) == record["Input"]
        )

    def marks(self):
        """Return the marks of attempts at it that have not ended: of the living and the dead."""
        start, end = self._mark
        return list(self.folder.glob(f"{glob.escape(start)}{8 * '?'}{end}"))

    @contextmanager
    def marked(self):
        """Leave a mark while it is in work; a killed worker leaves it for good."""
        start, end = self._mark
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = tempfile.mkdtemp(prefix=start, suffix=end, dir=self.folder)
        try:
            yield
        finally:
            shutil.rmtree(mark, ignore_errors=True)

    @property
    def _mark(self):
        """How the name of a mark begins and ends; `sweep` knows it too."""
        return f".{self.folder.name}-{self.name}-", ".partial"

    def forget(self):
        """Remove its results, the record first, so that a kill leaves nothing that looks done."""
        record = self.record() or {"Files": {}}
        (self.folder / self.files["record"]).unlink(missing_ok=True)
        for name in {*record["Files"], *self.files.values()}:
            (self.folder / name).unlink(missing_ok=True)

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
    """Remove what `npa.files.staged` left behind where it was killed.

    Parameters
    ----------
    folder : pathlib.Path
        The folder that was to be written.

    Examples
    --------
    >>> sweep(Path("out"))
    """
    for left in folder.glob(f".{glob.escape(folder.name)}-*.partial"):
        shutil.rmtree(left, ignore_errors=True)


def write_json(path, content):
    """Write a JSON file that is whole or not there.

    Parameters
    ----------
    path : pathlib.Path
        The file; an older one is replaced.
    content : dict
        What it shall hold.

    Examples
    --------
    >>> write_json(Path("answer.json"), {"answer": 42})
    >>> json.loads(Path("answer.json").read_text("utf-8"))
    {'answer': 42}
    """
    with staged(path.parent, overwrite=True) as aside:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (aside / path.name).write_text(text + "\n", encoding="utf-8")


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
