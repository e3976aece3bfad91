"""EEG recordings of BIDS data sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npa.typing import PathLike

# Of formats with several files, the one that is read.
_EXTENSIONS = [".bdf", ".edf", ".fif", ".set", ".vhdr"]
_NOT_RAW = {"derivatives", "sourcedata"}


def bids_recordings(
    root: PathLike, task: str | None = None, subjects: Sequence[str] | None = None
) -> list[Any]:
    """List the EEG recordings of a BIDS data set.

    Parameters
    ----------
    root : path-like
        Folder of the data set.
    task : str | None
        Task to list; None for all.
    subjects : sequence of str | None
        Subjects to list, without ``sub-``; None for all.

    Returns
    -------
    recordings : list of mne_bids.BIDSPath
        Sorted by path; those under ``derivatives`` and ``sourcedata`` are left out.

    Raises
    ------
    ImportError
        If MNE-BIDS is not installed (``pip install "npa[bids]"``).
    FileNotFoundError
        If there is no such folder, or it holds no such recording.

    Examples
    --------
    >>> bids_recordings("nowhere", task="rest")
    Traceback (most recent call last):
    FileNotFoundError: root must be a folder that holds a BIDS data set, got 'nowhere'.
    """
    mne_bids = import_mne_bids()
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"root must be a folder that holds a BIDS data set, got {str(root)!r}."
        )
    paths = mne_bids.find_matching_paths(
        folder,
        subjects=subjects,
        tasks=task,
        datatypes="eeg",
        suffixes="eeg",
        extensions=_EXTENSIONS,
    )
    found = [
        path
        for path in paths
        # Before version 0.20 MNE-BIDS lists derivatives as if they lay among the raw data.
        if path.fpath.exists()
        and not _NOT_RAW & {*path.fpath.relative_to(folder).parts}
        and path.split in (None, "01")
    ]
    if not found:
        wanted = "" if task is None else f" of task {task!r}"
        wanted += "" if subjects is None else f" of subjects {list(subjects)}"
        tasks = ", ".join(mne_bids.get_entity_vals(folder, "task")) or "none"
        raise FileNotFoundError(f"{root} holds no EEG recording{wanted}; its tasks are: {tasks}.")
    return sorted(found, key=lambda path: path.fpath)


def import_mne_bids() -> Any:
    """Import MNE-BIDS, or say how to install it.

    Returns
    -------
    mne_bids : module
        The package.

    Raises
    ------
    ImportError
        If it is not installed.

    Examples
    --------
    >>> import_mne_bids().__name__
    'mne_bids'
    """
    try:
        import mne_bids
    except ImportError as error:
        raise ImportError("BIDS data sets need MNE-BIDS: pip install 'npa[bids]'.") from error
    return mne_bids
