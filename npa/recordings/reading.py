"""Reading recordings from files."""

from collections.abc import Mapping

import mne

from npa.checks import check_bool, check_path
from npa.recordings.channel_types import set_types
from npa.recordings.channels import electrode_name
from npa.typing import PathLike


def load_recording(
    fname: PathLike, *, preload: bool = True, types: Mapping[str, str] | None = None
) -> mne.io.BaseRaw:
    """Read a continuous recording in any format that MNE supports.

    Parameters
    ----------
    fname : path-like
        The recording. If it has no electrode positions, channels named as in the standard 10-05
        system (see `npa.recordings.channels.electrode_name`) get its positions. ``~`` is the home
        folder.
    preload : bool, default True
        Whether the samples are loaded into memory, or read from the file when they are used.
    types : dict of str to str | None
        Channel name to type, as in MNE. Other channels that the file calls EEG get the type that
        their name tells, such as ``"ECG"`` or ``"SpO2"``; one warning says which, and names
        channels whose amplitude is far off that of the others.

    Returns
    -------
    raw : mne.io.Raw
        The recording.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If MNE cannot read it as a continuous recording, it holds no samples, or ``types`` names a
        channel or type that does not exist.

    Examples
    --------
    >>> load_recording("missing.edf")
    Traceback (most recent call last):
    FileNotFoundError: missing.edf does not exist.
    """
    fname, preload = check_path("fname", fname), check_bool("preload", preload)
    if types is not None and not isinstance(types, Mapping):
        raise TypeError(f"types must map names of channels to types, got {types!r}.")
    if not fname.exists():
        raise FileNotFoundError(f"{fname} does not exist.")
    try:
        raw = mne.io.read_raw(fname, preload=preload, verbose="WARNING")
    except MemoryError:
        raise
    except Exception as error:  # each of MNE's readers raises its own types
        raise ValueError(
            f"{fname} is not a continuous recording that MNE can read: {error}"
        ) from error
    if not len(raw.times):
        raise ValueError(f"{fname} holds no samples.")
    return add_positions(set_types(raw, types))


def add_positions(raw: mne.io.BaseRaw) -> mne.io.BaseRaw:
    """Set standard electrode positions in a recording that has none.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording; it is changed in place, but keeps its channel names.

    Returns
    -------
    raw : mne.io.Raw
        The same recording.

    Examples
    --------
    >>> import numpy as np
    >>> raw = mne.io.RawArray(np.zeros((1, 10)), mne.create_info(["Oz.."], 100.0, "eeg"))
    >>> add_positions(raw).get_montage().ch_names
    ['Oz..']
    """
    if raw.get_montage() is not None or "eeg" not in raw:
        return raw
    standard = mne.channels.make_standard_montage("colin27_1005").get_positions()
    known = standard["ch_pos"]
    names = {name: electrode_name(name) for name in raw.ch_names}
    found = {name: known[electrode] for name, electrode in names.items() if electrode}
    if found:
        montage = mne.channels.make_dig_montage(
            found, **{key: standard[key] for key in ("nasion", "lpa", "rpa", "coord_frame")}
        )
        raw.set_montage(montage, on_missing="ignore", verbose=False)
    return raw
