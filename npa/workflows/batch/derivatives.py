"""Recordings out of a BIDS data set, and their results as a derivative of it."""

import json
import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path

from npa.recordings.reading import add_positions
from npa.recordings.staging import staged
from npa.workflows.batch.recordings import Recording, check_names, stem

# What the EEG part of BIDS allows; the header where a format has several files.
_ENDINGS = [".bdf", ".edf", ".set", ".vhdr"]
_SPLIT = "2GB"  # a FIF file holds no more
# MNE puts the number of a part behind the description, BIDS before it.
_PART, _PART_IN_BIDS = re.compile(rb"_desc-npa(_split-\d\d)_eeg\.fif"), rb"\1_desc-npa_eeg.fif"
_TYPES = {"stim": "TRIG", "eeg": "EEG", "eog": "EOG", "ecg": "ECG", "emg": "EMG"}


def bids_recordings(root, task=None):
    """List the EEG recordings of a BIDS data set.

    Parameters
    ----------
    root : path-like
        Folder of the data set.
    task : str | None
        Which task; None for all.

    Returns
    -------
    recordings : list of mne_bids.BIDSPath
        For `npa.batch.run`; those under ``derivatives`` are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds no such recording.

    Examples
    --------
    >>> bids_recordings("nowhere", task="rest")
    Traceback (most recent call last):
    FileNotFoundError: nowhere is not a folder that holds a BIDS data set.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder that holds a BIDS data set.")
    mne_bids = _mne_bids()
    found = mne_bids.find_matching_paths(
        root, tasks=task, datatypes="eeg", suffixes="eeg", extensions=_ENDINGS
    )
    # Data sets may hold others: derivatives, and what they were made from.
    nested = {"derivatives", "sourcedata"}
    found = [path for path in found if not nested & {*path.fpath.relative_to(root).parts}]
    if not found:
        tasks = ", ".join(mne_bids.get_entity_vals(root, "task")) or "none"
        wanted = "" if task is None else f" of task {task!r}"
        raise ValueError(f"{root} holds no EEG recording{wanted}; its tasks are: {tasks}.")
    return sorted(found, key=lambda path: path.fpath)


@dataclass(frozen=True)
class BIDSRecording(Recording):
    """A recording of a BIDS data set, and the place of its results in a derivative.

    Parameters
    ----------
    name : str
        Its entities: ``sub-01_task-rest``.
    source : mne_bids.BIDSPath
        Where the data set holds it.
    folder : pathlib.Path
        Where its results go.
    """

    @property
    def path(self):
        """Where it lies on disk."""
        return Path(self.source.fpath)

    @property
    def files(self):
        """Names of the results; the record is the sidecar of the signal."""
        start = f"{self.name}_desc-npa"
        return {
            "signal": f"{start}_eeg.fif",
            "channels": f"{start}_channels.tsv",
            "table": f"{start}_features.tsv",
            "report": f"{start}_report.html",
            "record": f"{start}_eeg.json",
        }

    @property
    def parts(self):
        """Pattern of the names of the files of a signal that does not fit into one."""
        return f"{self.name}_split-*_desc-npa_eeg.fif"

    def load(self):
        """Return the recording with the bad channels, types and events that BIDS says."""
        try:
            raw = _mne_bids().read_raw_bids(self.source, verbose="ERROR")
            raw.load_data(verbose="ERROR")
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(
                f"{self.path} is not a recording that mne-bids can read: {error}"
            ) from error
        return add_positions(raw)

    def save_signal(self, raw, aside):
        """Write the signal, and the table of its channels, into the folder ``aside``."""
        fname = aside / self.files["signal"]
        raw.save(fname, split_naming="bids", split_size=_SPLIT, verbose=False)
        for part in aside.glob("*_split-*.fif"):
            _rename_part(part)
        bad = set(raw.info["bads"])
        rows = [
            f"{name}\t{_TYPES.get(kind, 'MISC')}\tV\t{'bad' if name in bad else 'good'}"
            for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True)
        ]
        lines = ["name\ttype\tunits\tstatus", *rows]
        (aside / self.files["channels"]).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def save_table(self, table, aside):
        """Write the table into the folder ``aside``."""
        table.to_csv(aside / self.files["table"], sep="\t", na_rep="n/a", index=False)

    def load_table(self):
        """Return the table, None where there is none."""
        import pandas as pd

        fname = self.folder / self.files["table"]
        if not fname.exists():
            return None
        return pd.read_csv(fname, sep="\t", na_values="n/a")

    def details(self):
        """Return the sidecar of the recording, and where it lies."""
        sidecar = self.path.with_suffix(".json")
        known = json.loads(sidecar.read_text("utf-8-sig")) if sidecar.exists() else {}
        inside = self.path.relative_to(self.source.root).as_posix()
        return {"TaskName": self.source.task, **known, "Sources": [f"bids:raw:{inside}"]}

    def _belongs(self, path):
        """Tell whether a file is part of it; its sidecars and tables are."""
        beside = path.suffix in {".json", ".tsv"} and _entities(path) == self.name
        return beside or super()._belongs(path)


def as_derivatives(sources, out_dir):
    """Give recordings of a BIDS data set their places in a derivative of it.

    Parameters
    ----------
    sources : sequence of mne_bids.BIDSPath
        Recordings of one data set.
    out_dir : path-like
        Folder of the derivative.

    Returns
    -------
    recordings : list of BIDSRecording
        In the same order.

    Raises
    ------
    TypeError, ValueError
        If some are no ``BIDSPath``, of different data sets, or there is none.

    Examples
    --------
    >>> as_derivatives(["recording.edf"], "derivatives/npa")
    Traceback (most recent call last):
    TypeError: recordings must all be paths, or all BIDSPath, got both.
    """
    if not all(hasattr(source, "entities") for source in sources):
        raise TypeError("recordings must all be paths, or all BIDSPath, got both.")
    roots = sorted({str(source.root) for source in sources})
    if len(roots) > 1 or roots == ["None"]:
        raise ValueError(f"recordings must have one root of a BIDS data set, got {roots}.")
    recordings = []
    for source in sources:
        place = Path(source.directory).relative_to(source.root)
        name = _entities(Path(source.fpath))
        recordings.append(BIDSRecording(name, source, Path(out_dir) / place))
    check_names(recordings)
    return recordings


def describe_derivative(root, out_dir, others):
    """Write what makes a folder a derivative: its description, and what BIDS shall not read.

    Parameters
    ----------
    root : path-like
        Folder of the data set.
    out_dir : pathlib.Path
        Folder of the derivative.
    others : sequence of str
        Files in it that BIDS knows nothing of.

    Examples
    --------
    >>> import inspect
    >>> list(inspect.signature(describe_derivative).parameters)
    ['root', 'out_dir', 'others']
    """
    from npa import __version__

    source = Path(os.path.relpath(root, out_dir)).as_posix()
    with staged(out_dir, overwrite=True) as aside:
        _mne_bids().make_dataset_description(
            path=aside,
            name="npa: recordings read by their spectrum",
            dataset_type="derivative",
            generated_by=[{"Name": "npa", "Version": __version__}],
            source_datasets=[{"URL": source}],
            verbose=False,
        )
        fname = aside / "dataset_description.json"
        content = json.loads(fname.read_text("utf-8"))
        del content["Authors"]  # those of mne-bids's template are nobody
        content["DatasetLinks"] = {"raw": source}
        fname.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
        lines = [*others, "*_features.tsv", "*_report.html"]
        (aside / ".bidsignore").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _entities(path):
    """Return what the names of all files of one recording begin with."""
    return stem(path).rpartition("_")[0]


def _rename_part(part):
    """Give a part of a signal its name in BIDS, and the next one in it: as many other bytes."""
    with part.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        for named in list(_PART.finditer(content)):
            content[slice(*named.span())] = named.expand(_PART_IN_BIDS)
    part.rename(part.with_name(_PART.sub(_PART_IN_BIDS, part.name.encode()).decode()))


def _mne_bids():
    """Return mne-bids, or say how to get it."""
    try:
        import mne_bids
    except ImportError as error:
        raise ImportError("BIDS needs mne-bids: pip install 'npa[bids]'.") from error
    return mne_bids
