"""The recordings of a batch: their names, their input files and the place of their results."""

import glob
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import mne

from npa.recordings.reading import load_recording
from npa.typing import PathLike
from npa.workflows.batch.settings import differences

if TYPE_CHECKING:
    import pandas as pd

# Suffixes of files with one stem that together are one recording.
_COMPANIONS = (
    {".vhdr", ".vmrk", ".eeg", ".dat"},  # BrainVision
    {".ahdr", ".amrk", ".eeg"},
    {".set", ".fdt"},  # EEGLAB
    {".dat", ".dap", ".rs3", ".cef", ".cdt", ".cdt.dpa", ".cdt.dpo", ".cdt.cef"},  # Curry
    {".eeg", ".pnt", ".log", ".21e"},  # Nihon Kohden
    {".data", ".head"},  # Nicolet
    {".lay", ".dat"},  # Persyst
    {".cnt", ".evt", ".trg"},  # ANT
)
_STAGING_SUFFIX = ".partial"


@dataclass(frozen=True)
class Recording:
    """A recording and the place of its results.

    Parameters
    ----------
    name : str
        Its file name without suffix.
    source : pathlib.Path
        The file (or folder) that holds it.
    folder : pathlib.Path
        Where its results are written.
    """

    name: str
    source: Any
    folder: Path
    separator: ClassVar[str] = ","  # of tables
    missing_value: ClassVar[str] = ""

    @classmethod
    def from_source(cls, source: Any, out_dir: PathLike) -> Self:
        """Name a recording after its file, and assign it a folder of its own."""
        name = _stem(Path(source))
        return cls(name, Path(source), Path(out_dir) / name)

    @property
    def path(self) -> Path:
        """The file (or folder) that holds the recording."""
        return Path(self.source)

    @property
    def files(self) -> dict[str, str]:
        """File names of the ``"signal"``, ``"table"``, ``"report"`` and ``"record"``."""
        return {
            "signal": "signal_raw.fif",
            "table": "table.csv",
            "report": "report.html",
            "record": "record.json",
        }

    @property
    def split_pattern(self) -> str:
        """Glob pattern of the further files of a signal that is split."""
        return "signal_raw-*.fif"

    def load(
        self, *, preload: bool = True, types: Mapping[str, str] | None = None
    ) -> mne.io.BaseRaw:
        """Read the recording, into memory or only its header, with types of some channels."""
        return load_recording(self.path, preload=preload, types=types)

    def save_signal(self, raw: mne.io.BaseRaw, staging: Path) -> None:
        """Write the signal into a staging folder."""
        raw.save(staging / self.files["signal"], verbose=False)

    def save_table(self, table: "pd.DataFrame", staging: Path) -> None:
        """Write the table into a staging folder."""
        fname = staging / self.files["table"]
        table.to_csv(fname, sep=self.separator, na_rep=self.missing_value, index=False)

    def load_table(self) -> "pd.DataFrame | None":
        """Read the table; None if there is none."""
        import pandas as pd

        fname = self.folder / self.files["table"]
        return pd.read_csv(fname, sep=self.separator) if fname.exists() else None

    def sidecar(self) -> dict[str, Any]:
        """Return further entries of the record."""
        return {}

    def fingerprint(self) -> dict[str, list[int]]:
        """Return bytes and modification time in ns of each file; empty if they are unreadable."""
        with suppress(OSError):
            parent = self.path.parent
            return {
                path.relative_to(parent).as_posix(): [path.stat().st_size, path.stat().st_mtime_ns]
                for found in sorted(parent.glob(f"{glob.escape(self.name)}*"))
                if self._is_part(found)
                for path in ([found] if found.is_file() else sorted(found.rglob("*")))
                if path.is_file()
            }
        return {}

    def _is_part(self, path: Path) -> bool:
        """Whether a file is part of the recording; its backups are not."""
        start = _stem(self.path)
        suffixes = {each.name.removeprefix(start).lower() for each in (self.path, path)}
        return path == self.path or any(suffixes <= companions for companions in _COMPANIONS)

    def record(self) -> dict[str, Any] | None:
        """Read the record of complete results; None if there is none."""
        try:
            record: dict[str, Any] = json.loads(
                (self.folder / self.files["record"]).read_text("utf-8")
            )
            complete = all(
                (self.folder / name).stat().st_size == size
                for name, size in record["Files"].items()
            )
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            return None
        return record if complete else None

    def is_done(self, settings: Mapping[str, Any]) -> bool:
        """Whether there are complete results of these settings and of the present input."""
        record = self.record()
        return (
            record is not None
            and not any(differences(record["Settings"], settings))
            and not self.input_changes(record)
        )

    def input_changes(self, record: Mapping[str, Any]) -> list[str]:
        """Describe how the input files differ from those of a record."""
        before = record["Input"]
        now = self.fingerprint() or before
        changes = []
        for name in sorted(before.keys() | now.keys()):
            if name not in before:
                change = "is new"
            elif name not in now:
                change = "is gone"
            elif before[name] != now[name]:
                change = "has changed"
            else:
                continue
            changes.append(f"{self.path.parent / name} {change} since")
        return changes

    def attempts(self) -> list[Path]:
        """List the staging folders of attempts that are running or were killed."""
        return list(
            self.folder.glob(f"{glob.escape(self._staging_prefix)}????????{_STAGING_SUFFIX}")
        )

    @contextmanager
    def attempt(self) -> Iterator[Path]:
        """Yield a staging folder for results, which remains only if the process is killed.

        A worker that outlives its run can write no more once the next run has removed the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        staging = Path(
            tempfile.mkdtemp(prefix=self._staging_prefix, suffix=_STAGING_SUFFIX, dir=self.folder)
        )
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @property
    def _staging_prefix(self) -> str:
        """Start of the names of staging folders, as `remove_staging` expects it."""
        return f".{self.folder.name}-{self.name}-"

    def publish(self, staging: Path) -> None:
        """Move the results from a staging folder to their place, the record last."""
        if not staging.is_dir():
            raise FileNotFoundError(f"{staging} was removed: another run processes {self.name}.")
        self.remove_results()
        record = self.files["record"]
        others = sorted(path.name for path in staging.iterdir() if path.name != record)
        for name in (*others, record):
            (staging / name).replace(self.folder / name)

    def remove_results(self) -> None:
        """Remove the results, the record first, so that an interruption leaves no record."""
        for name in (self.files["record"], *self.files.values()):
            (self.folder / name).unlink(missing_ok=True)
        for part in self.folder.glob(self.split_pattern):
            part.unlink()

    def clean_up(self) -> None:
        """Remove what killed workers left, and the folder if it is empty."""
        remove_staging(self.folder)
        with suppress(OSError):
            for folder in (self.folder, *self.folder.parents):
                folder.rmdir()


def remove_staging(folder: Path) -> None:
    """Remove the staging folders that `staged` and `Recording.attempt` left when killed.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of results.

    Notes
    -----
    Each is renamed first, which is atomic: a worker that still writes there then fails.

    Examples
    --------
    >>> Path("out/.out-1.partial").mkdir(parents=True)
    >>> remove_staging(Path("out"))
    >>> list(Path("out").iterdir())
    []
    """
    for left in folder.glob(f".{glob.escape(folder.name)}-*{_STAGING_SUFFIX}"):
        renamed = left.with_suffix(f".removed{_STAGING_SUFFIX}")
        with suppress(OSError):
            left.rename(renamed)
        for each in (left, renamed):
            shutil.rmtree(each, ignore_errors=True)


def _stem(path: Path) -> str:
    """Return a file name without its suffix, and without ``.gz``."""
    return Path(path.name.removesuffix(".gz")).stem
