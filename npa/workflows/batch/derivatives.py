"""Results of the recordings of a BIDS data set as a BIDS derivative."""

import json
import mmap
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import mne

from npa.datasets.bids import import_mne_bids
from npa.recordings.channel_types import set_types
from npa.recordings.reading import add_positions
from npa.recordings.staging import staged
from npa.typing import PathLike
from npa.workflows.batch.recordings import Recording

_SPLIT_SIZE = "2GB"  # the maximum of a FIF file
# MNE writes the split entity after the description, BIDS before it.
_MNE_SPLIT, _BIDS_SPLIT = re.compile(rb"_desc-npa(_split-\d\d)_eeg\.fif"), rb"\1_desc-npa_eeg.fif"
_BIDS_TYPES = {"stim": "TRIG", "eeg": "EEG", "eog": "EOG", "ecg": "ECG", "emg": "EMG"}


@dataclass(frozen=True)
class BIDSRecording(Recording):
    """A recording of a BIDS data set and the place of its results in a derivative.

    Parameters
    ----------
    name : str
        Its entities: ``sub-01_task-rest``.
    source : mne_bids.BIDSPath
        Where the data set holds it.
    folder : pathlib.Path
        Where its results are written.
    """

    separator: ClassVar[str] = "\t"
    missing_value: ClassVar[str] = "n/a"

    @classmethod
    def from_source(cls, source: Any, out_dir: PathLike) -> Self:
        """Name a recording by its entities, and assign it a folder of the derivative."""
        place = Path(source.directory).relative_to(source.root)
        return cls(_entities(Path(source.fpath)), source, Path(out_dir) / place)

    @property
    def path(self) -> Path:
        """The file that holds the recording."""
        return Path(self.source.fpath)

    @property
    def files(self) -> dict[str, str]:
        """File names of the results; the record is the sidecar of the signal."""
        start = f"{self.name}_desc-npa"
        return {
            "signal": f"{start}_eeg.fif",
            "channels": f"{start}_channels.tsv",
            "table": f"{start}_features.tsv",
            "report": f"{start}_report.html",
            "record": f"{start}_eeg.json",
        }

    @property
    def split_pattern(self) -> str:
        """Glob pattern of the files of a signal that is split."""
        return f"{self.name}_split-*_desc-npa_eeg.fif"

    def load(
        self, *, preload: bool = True, types: Mapping[str, str] | None = None
    ) -> mne.io.BaseRaw:
        """Read the recording with the bad channels, types and events of its sidecar files."""
        try:
            raw = import_mne_bids().read_raw_bids(self.source, verbose="ERROR")
            if preload:
                raw.load_data(verbose="ERROR")
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(
                f"{self.path} is not a recording that MNE-BIDS can read: {error}"
            ) from error
        # What the data set says of its channels stays; contradictions are named.
        return add_positions(set_types(raw, types, by_name=False))

    def save_signal(self, raw: mne.io.BaseRaw, staging: Path) -> None:
        """Write the signal, and the table of its channels, into a staging folder."""
        fname = staging / self.files["signal"]
        raw.save(fname, split_naming="bids", split_size=_SPLIT_SIZE, verbose=False)
        for part in staging.glob("*_split-*.fif"):
            _rename_split(part)
        lines = ["name\ttype\tunits\tstatus"]
        for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True):
            status = "bad" if name in raw.info["bads"] else "good"
            lines.append(f"{name}\t{_BIDS_TYPES.get(kind, 'MISC')}\tV\t{status}")
        (staging / self.files["channels"]).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def sidecar(self) -> dict[str, Any]:
        """Return the sidecar of the recording, and its source."""
        sidecar = self.path.with_suffix(".json")
        content = json.loads(sidecar.read_text("utf-8-sig")) if sidecar.exists() else {}
        inside = self.path.relative_to(self.source.root).as_posix()
        return {"TaskName": self.source.task, **content, "Sources": [f"bids:raw:{inside}"]}

    def _is_part(self, path: Path) -> bool:
        """Whether a file is part of the recording, as its sidecars and tables are."""
        is_sidecar = path.suffix in {".json", ".tsv"} and _entities(path) == self.name
        return is_sidecar or super()._is_part(path)


def describe_derivative(root: PathLike, out_dir: Path, others: Sequence[str]) -> None:
    """Write the description of a derivative, and the list of its files that are not BIDS.

    Parameters
    ----------
    root : path-like
        Folder of the data set.
    out_dir : pathlib.Path
        Folder of the derivative.
    others : sequence of str
        Its files that are not part of BIDS.

    Examples
    --------
    >>> describe_derivative("study", Path("study/derivatives/npa"), ["batch.json"])
    >>> "derivative" in Path("study/derivatives/npa/dataset_description.json").read_text("utf-8")
    True
    """
    from npa import __version__

    source = Path(os.path.relpath(root, out_dir)).as_posix()
    with staged(out_dir, overwrite=True) as staging:
        import_mne_bids().make_dataset_description(
            path=staging,
            name="npa: recordings read by their spectrum",
            dataset_type="derivative",
            generated_by=[{"Name": "npa", "Version": __version__}],
            source_datasets=[{"URL": source}],
            verbose=False,
        )
        fname = staging / "dataset_description.json"
        content = json.loads(fname.read_text("utf-8"))
        del content["Authors"]  # placeholders of MNE-BIDS
        content["DatasetLinks"] = {"raw": source}
        fname.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
        lines = [*others, "*_features.tsv", "*_report.html"]
        (staging / ".bidsignore").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _entities(path: Path) -> str:
    """Return the common start of the file names of one recording."""
    return path.stem.rpartition("_")[0]


def _rename_split(part: Path) -> None:
    """Give a file of a split signal its BIDS name, also where it names the next; same length."""
    with part.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        for found in list(_MNE_SPLIT.finditer(content)):
            content[slice(*found.span())] = found.expand(_BIDS_SPLIT)
    part.rename(part.with_name(_MNE_SPLIT.sub(_BIDS_SPLIT, part.name.encode()).decode()))
