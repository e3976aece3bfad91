"""Reader of the UCI EEG database: epochs of one second of people who compare pictures."""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mne
import numpy as np

from npa.datasets.recordings import Recordings
from npa.typing import PathLike

_PACKED = "smni_cmi_train.npz"
_CONDITIONS = {"S1 obj": "S1/obj", "S2 match": "S2/match", "S2 nomatch": "S2/nomatch"}
_TRIAL = re.compile(r"# (S[12] \w+)\s*,(?: err)?\s*trial\s+(\d+)")
_TYPES = {"X": "eog", "Y": "eog", "nd": "misc"}
_N_TIMES, _SFREQ = 256, 256.0


def read_uci_visual(folder: PathLike) -> Recordings:
    """Read the epochs of the UCI EEG database: first pictures (S1) and second pictures (S2).

    Parameters
    ----------
    folder : path-like
        It holds the published text files ``*.rd.NNN`` (or ``.gz``), also in subfolders, or the
        file ``smni_cmi_train.npz`` with all of them.

    Returns
    -------
    found : Recordings
        One `mne.EpochsArray` per subject: 61 EEG channels with positions, X and Y of type EOG, the
        reference nd of type misc, 0 to 1 s at 256 Hz. Labels ``"S1"`` and ``"S2"``.

    Raises
    ------
    FileNotFoundError
        If there are no such files.
    ValueError
        If a file has another format or is truncated, or a subject lacks S1 or S2.

    Notes
    -----
    The npz file holds ``X_uV`` (n_epochs, 64, 256) in microvolts, ``subject``, ``condition``,
    ``trial`` and ``ch_names``.

    References
    ----------
    .. [1] Begleiter, H. (1999). EEG Database. UCI Machine Learning Repository.
       https://doi.org/10.24432/C5TS3D

    Examples
    --------
    >>> read_uci_visual(".")
    Traceback (most recent call last):
    FileNotFoundError: '.' holds neither smni_cmi_train.npz nor files like co2a0000364.rd.000.
    """
    folder = Path(folder)
    texts = sorted(path for path in folder.rglob("*.rd.*") if path.is_file())
    if (folder / _PACKED).exists():
        epochs = _read_packed(folder / _PACKED)
    elif texts:
        epochs = [_read_text(path) for path in texts]
    else:
        raise FileNotFoundError(
            f"{str(folder)!r} holds neither {_PACKED} nor files like co2a0000364.rd.000."
        )
    recordings = {}
    for subject in sorted({epoch["subject"] for epoch in epochs}):
        own = sorted((e for e in epochs if e["subject"] == subject), key=lambda e: e["trial"])
        recordings[subject] = [_to_epochs(subject, own)]
    return Recordings(recordings, {"S1": "S1", "S2": "S2"})


def _read_packed(path: Path) -> list[dict[str, Any]]:
    """Return all epochs of the npz file."""
    with np.load(path, allow_pickle=False) as packed:
        names = packed["ch_names"].tolist()
        data = packed["X_uV"]
        labels = [packed[name].tolist() for name in ("subject", "condition", "trial")]
    return [
        {"subject": subject, "condition": kind, "trial": trial, "names": names, "data": samples}
        for samples, subject, kind, trial in zip(data, *labels, strict=True)
    ]


def _read_text(path: Path) -> dict[str, Any]:
    """Return the epoch of one published text file."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt") as file:
        lines = file.read().splitlines()
    heads = [match for line in lines[:6] if (match := _TRIAL.match(line))]
    samples = [line.split() for line in lines if line and not line.startswith("#")]
    names = list(dict.fromkeys(cells[1] for cells in samples if len(cells) == 4))
    if not heads or not names or {len(cells) for cells in samples} != {4}:
        raise ValueError(f"{path} is not a text file of the UCI EEG database, or is truncated.")
    if len(samples) != _N_TIMES * len(names):
        raise ValueError(
            f"{path} is truncated: it has {len(samples)} samples of {len(names)} channels, "
            f"instead of {_N_TIMES} per channel."
        )
    values = np.array([float(cells[3]) for cells in samples]).reshape(len(names), _N_TIMES)
    return {
        "subject": path.name.partition(".")[0],
        "condition": heads[0][1],
        "trial": int(heads[0][2]),
        "names": names,
        "data": values,
    }


def _to_epochs(subject: str, trials: Sequence[dict[str, Any]]) -> mne.EpochsArray:
    """Create epochs in volts from the trials of one subject."""
    unknown = {epoch["condition"] for epoch in trials} - set(_CONDITIONS)
    if unknown:
        raise ValueError(f"{subject}: conditions must be {list(_CONDITIONS)}, got {unknown}.")
    names = trials[0]["names"]
    if any(epoch["names"] != names for epoch in trials):
        raise ValueError(f"{subject}: not all epochs have the same channels.")
    seen = {_CONDITIONS[epoch["condition"]].partition("/")[0] for epoch in trials}
    if seen != {"S1", "S2"}:
        raise ValueError(f"{subject}: there must be S1 and S2, got {sorted(seen)} only.")
    standard = [_standard_name(name) for name in names]
    info = mne.create_info(standard, _SFREQ, [_TYPES.get(name, "eeg") for name in names])
    info.set_montage("colin27_1005", match_case=True, on_missing="ignore")
    codes = {name: code for code, name in enumerate(_CONDITIONS.values(), start=1)}
    kinds = np.array([codes[_CONDITIONS[epoch["condition"]]] for epoch in trials])
    events = np.column_stack([np.arange(len(trials)), np.zeros_like(kinds), kinds])
    return mne.EpochsArray(
        1e-6 * np.array([epoch["data"] for epoch in trials], dtype=float),
        info,
        events,
        event_id={name: code for name, code in codes.items() if code in kinds},
        verbose=False,
    )


def _standard_name(name: str) -> str:
    """Spell an electrode as in the 10-05 system: Fp1, AFz."""
    if name in _TYPES:
        return name
    return name.replace("FP", "Fp", 1).removesuffix("Z") + ("z" if name.endswith("Z") else "")
