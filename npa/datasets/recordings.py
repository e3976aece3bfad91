"""Readers of published recordings of people who look at pictures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mne
import numpy as np
from mne.utils import warn

from npa.datasets.bids import bids_recordings, import_mne_bids
from npa.recordings.events import check_event_id, check_labels
from npa.typing import PathLike

_FT10 = re.compile(r"ft10_p(\d+)s(\d+)\.bdf")
_FT10_MONTAGE = "Glasgow_BioSemi_132.ced"
_FT10_CODES = {
    label: [10 * block + last for block in range(1, 12)]
    for label, last in (("face", 1), ("noise", 2))
}
_HEAD_RADIUS = 0.095  # m, for electrode positions without a unit
_MUSE = re.compile(r"(subject\d+)_session\d+_.*\.fif")
_MUSE_EVENTS = {"face": "N170/2", "house": "N170/1"}
_MUSE_AUXILIARY = "Right AUX"  # not connected in the studies of faces


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings of several subjects, and the names of their events.

    Parameters
    ----------
    recordings : dict
        Subject to list of `mne.io.BaseRaw` or `mne.BaseEpochs`, one per run.
    event_id : dict
        Label to the descriptions or codes of its events.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> from npa.recordings.trials import collect_trials
    >>> found, _ = simulate_faces(n_subjects=2, n_trials=10, ch_names=["P8", "Fp1"])
    >>> len(collect_trials(found.recordings, found.event_id))
    20
    """

    recordings: dict[str, list[Any]]
    event_id: dict[str, Any]


def read_face_noise(
    folder: PathLike,
    participants: Sequence[int] | None = None,
    sessions: Sequence[int] | None = None,
) -> Recordings:
    """Read recordings of people who saw faces and noise, in the layout of the NPA study.

    Parameters
    ----------
    folder : path-like
        It holds ``ft10_pN/ft10_pNsM.bdf`` for participant N and session M, and the electrode
        positions ``Glasgow_BioSemi_132.ced``.
    participants, sessions : sequence of int | None
        Which to read; None for all, with a warning if a participant lacks a session that others
        have.

    Returns
    -------
    found : Recordings
        Subjects ``"p1"``, ...; 128 EEG channels, EXG1 to EXG4 of type EOG, not loaded.

    Raises
    ------
    FileNotFoundError
        If there are no such files, or a requested one is missing.
    ValueError
        If a file is shorter than its header says, or a session lacks faces or noise.

    Notes
    -----
    Codes on the trigger channel are 11, 21, ..., 111 for faces and 12, 22, ..., 112 for noise.

    References
    ----------
    .. [1] Doyle, J. A., Toussaint, P.-J., & Evans, A. C. (2019). Amplifying the Neural Power
       Spectrum. bioRxiv 659268. https://doi.org/10.1101/659268

    Examples
    --------
    >>> read_face_noise(".")
    Traceback (most recent call last):
    FileNotFoundError: '.' holds no file like ft10_p1/ft10_p1s1.bdf.
    >>> read_face_noise("ft10").recordings["p1"]  # doctest: +SKIP
    """
    files = _find_sessions(Path(folder), participants, sessions)
    montage = _read_ced(Path(folder) / _FT10_MONTAGE)
    recordings: dict[str, list[Any]] = {}
    for (participant, _), path in files.items():
        _check_complete(path)
        raw = mne.io.read_raw_bdf(path, verbose="ERROR")
        extra = {name: "misc" for name in raw.ch_names if not re.fullmatch(r"[A-D]\d+", name)}
        extra |= {f"EXG{number}": "eog" for number in range(1, 5)} | {"Status": "stim"}
        kinds = {name: kind for name, kind in extra.items() if name in raw.ch_names}
        raw.set_channel_types(kinds, on_unit_change="ignore")
        if montage is not None:
            raw.set_montage(montage)
        check_labels(path, raw, check_event_id(_FT10_CODES))
        recordings.setdefault(f"p{participant}", []).append(raw)
    return Recordings(recordings, _FT10_CODES)


def read_n170_muse(folder: PathLike) -> Recordings:
    """Read recordings of people who saw faces and houses, from a four-channel headband.

    Parameters
    ----------
    folder : path-like
        It holds ``subjectN_sessionM_*.fif``, as converted from the set ``visual-N170`` of
        eeg-notebooks [1]_ (Muse 2016, 256 Hz).

    Returns
    -------
    found : Recordings
        Subjects ``"subject1"``, ...; channels TP9, AF7, AF8, TP10, not loaded. The auxiliary
        channel, which is not connected, is of type misc.

    Raises
    ------
    FileNotFoundError
        If there are no such files.
    ValueError
        If a run lacks faces or houses.

    Notes
    -----
    The delay between marker and picture differs between set-ups: compare latencies, and decode,
    within subjects only.

    References
    ----------
    .. [1] Barachant, A., et al. muse-lsl and eeg-notebooks. https://github.com/NeuroTechX

    Examples
    --------
    >>> read_n170_muse(".")
    Traceback (most recent call last):
    FileNotFoundError: '.' holds no file like subject1_session1_*.fif.
    """
    recordings: dict[str, list[Any]] = {}
    for path in sorted(Path(folder).glob("*.fif")):
        match = _MUSE.fullmatch(path.name)
        if match is None:
            continue
        raw = mne.io.read_raw_fif(path, verbose="ERROR")
        if _MUSE_AUXILIARY in raw.ch_names:
            raw.set_channel_types({_MUSE_AUXILIARY: "misc"}, on_unit_change="ignore")
        check_labels(path, raw, check_event_id(_MUSE_EVENTS))
        recordings.setdefault(match[1], []).append(raw)
    if not recordings:
        raise FileNotFoundError(f"{str(folder)!r} holds no file like subject1_session1_*.fif.")
    return Recordings(recordings, _MUSE_EVENTS)


def read_bids(
    root: PathLike,
    event_id: Mapping[str, str | list[str]],
    task: str | None = None,
    subjects: Sequence[str] | None = None,
) -> Recordings:
    """Read the EEG recordings of a BIDS data set by MNE-BIDS.

    Parameters
    ----------
    root : path-like
        Folder of the data set.
    event_id : dict of str to str or list of str
        Label to the ``trial_type`` of its events, such as ``{"face": ["famous", "unfamiliar"],
        "noise": "scrambled"}``.
    task : str | None
        Task to read; None for all.
    subjects : sequence of str | None
        Subjects to read, without ``sub-``; None for all.

    Returns
    -------
    found : Recordings
        Sessions and runs of a subject in the order of their names, not loaded.

    Raises
    ------
    ImportError
        If MNE-BIDS is not installed (``pip install "npa[bids]"``).
    FileNotFoundError
        If there is no such folder, or no EEG recording of these subjects and this task.
    ValueError
        If a recording lacks one of the labels.

    Examples
    --------
    >>> read_bids("my_study", {"face": "face", "noise": "noise"})  # doctest: +SKIP
    """
    mne_bids = import_mne_bids()
    recordings: dict[str, list[Any]] = {}
    wanted = check_event_id(event_id)
    for path in bids_recordings(root, task, subjects):
        raw = mne_bids.read_raw_bids(path, verbose="ERROR")
        check_labels(path.fpath, raw, wanted)
        recordings.setdefault(path.subject, []).append(raw)
    return Recordings(recordings, dict(event_id))


def _find_sessions(
    folder: Path, participants: Sequence[int] | None, sessions: Sequence[int] | None
) -> dict[tuple[int, int], Path]:
    """Return (participant, session) to file, sorted by number."""
    files = {}
    for path in folder.glob("ft10_p*/ft10_p*s*.bdf"):
        match = _FT10.fullmatch(path.name)
        if match and path.parent.name == f"ft10_p{match[1]}":
            files[int(match[1]), int(match[2])] = path
    if not files:
        raise FileNotFoundError(f"{str(folder)!r} holds no file like ft10_p1/ft10_p1s1.bdf.")
    people = sorted({person for person, _ in files} if participants is None else participants)
    numbers = sorted({number for _, number in files} if sessions is None else sessions)
    wanted = [(person, number) for person in people for number in numbers]
    missing = [f"ft10_p{p}/ft10_p{p}s{s}.bdf" for p, s in wanted if (p, s) not in files]
    if missing and (participants is not None or sessions is not None):
        raise FileNotFoundError(f"{str(folder)!r} lacks {', '.join(missing)}.")
    if missing:
        warn(f"Session(s) {', '.join(missing)} are missing and are left out.")
    return {key: files[key] for key in wanted if key in files}


def _check_complete(path: Path) -> None:
    """Raise if a BDF file is shorter than its header says."""
    with open(path, "rb") as file:
        head = file.read(256)
        try:
            if len(head) < 256 or head[1:8] != b"BIOSEMI":
                raise ValueError
            n_header, n_records, n_signals = (
                int(head[start:stop]) for start, stop in ((184, 192), (236, 244), (252, 256))
            )
            file.seek(256 + 216 * n_signals)
            samples = [int(file.read(8)) for _ in range(n_signals)]
        except ValueError:
            raise ValueError(f"{path}: the header is not a BDF header.") from None
    expected = n_header + 3 * n_records * sum(samples)  # 24 bits per sample
    size = path.stat().st_size
    # A header of an interrupted recording says -1 records; MNE then counts them.
    if n_records >= 0 and size < expected:
        raise ValueError(
            f"{path} is truncated: its header says {n_records} records ({expected} bytes), "
            f"but the file has {size} bytes."
        )


def _read_ced(path: Path) -> mne.channels.DigMontage | None:
    """Read electrode positions in EEGLAB's format; None, with a warning, without the file."""
    if not path.exists():
        warn(f"There is no {path.name} beside the recordings; electrodes have no positions.")
        return None
    lines = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
    columns = {name.strip().lower(): number for number, name in enumerate(lines[0])}
    names, places = [], []
    for cells in lines[1:]:
        try:
            # EEGLAB's x axis points to the nose, y to the left ear.
            x, y, z = (float(cells[columns[axis]]) for axis in "xyz")
            names.append(cells[columns["labels"]].strip())
        except (KeyError, IndexError, ValueError):
            raise ValueError(f"{path}: no labels, X, Y and Z in the line {cells}.") from None
        places.append(np.array([-y, x, z]))
    # Some files give positions on the unit sphere, others in millimetres.
    scale = _HEAD_RADIUS / np.median(np.linalg.norm(places, axis=1))
    positions = {name: scale * place for name, place in zip(names, places, strict=True)}
    return mne.channels.make_dig_montage(
        {name: place for name, place in positions.items() if not name.startswith("EXG")},
        coord_frame="head",
    )
