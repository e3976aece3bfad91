"""Reading recordings from files, with standard electrode positions."""

from pathlib import Path

import mne


def load_recording(fname):
    """Read a continuous recording of any format that MNE knows.

    Parameters
    ----------
    fname : path-like
        The recording. Where it has no electrode positions, those of the standard 10-05 system are
        taken for the channels whose names (case and dots aside) belong to it.

    Returns
    -------
    raw : mne.io.Raw
        The recording, loaded into memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If MNE cannot read it as a continuous recording, or it holds no samples.

    Examples
    --------
    >>> load_recording("missing.edf")
    Traceback (most recent call last):
    FileNotFoundError: missing.edf does not exist.
    """
    fname = Path(fname)
    if not fname.exists():
        raise FileNotFoundError(f"{fname} does not exist.")
    try:
        raw = mne.io.read_raw(fname, preload=True, verbose="WARNING")
    # Each of MNE's readers fails in its own way on what it cannot read.
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{fname} is not a continuous recording that MNE can read: {error}"
        ) from error
    if not len(raw.times):
        raise ValueError(f"{fname} holds no samples.")
    return add_positions(raw)


def add_positions(raw):
    """Give standard electrode positions to a recording that has none.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording; changed in place, its channel names are not.

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
    places = {name.lower(): place for name, place in standard["ch_pos"].items()}
    found = {
        name: places[name.strip(". ").lower()]
        for name in raw.ch_names
        if name.strip(". ").lower() in places
    }
    if found:
        montage = mne.channels.make_dig_montage(
            found, **{key: standard[key] for key in ("nasion", "lpa", "rpa", "coord_frame")}
        )
        raw.set_montage(montage, on_missing="ignore", verbose=False)
    return raw
