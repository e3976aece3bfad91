"""Choice of channels, bad channels, positions and reference of a recording that was read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mne
import numpy as np
from mne.utils import warn

from npa.checks import check_names, check_option, check_path
from npa.recordings.channel_types import extreme_channels
from npa.recordings.channels import electrode_name, picked_names

CHANNEL_OPTIONS = ("picks", "exclude", "types", "bads", "montage", "reference")


def check_channel_options(name: str, options: Any) -> dict[str, Any]:
    """Return the choice of channels of a recording that is to be read.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    options : dict | None
        Any of ``picks, exclude, bads, montage, reference``, as for `prepare_recording`, and
        ``types``, as for `npa.recordings.reading.load_recording`.

    Returns
    -------
    options : dict
        Those that choose something, as plain values.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, or of another type.

    Examples
    --------
    >>> check_channel_options("channels", {"exclude": "Cz", "bads": []})
    {'exclude': ['Cz']}
    """
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"{name} must be None or a dict of options, got {options!r}.")
    plain: dict[str, Any] = {}
    for key, value in (options or {}).items():
        check_option(f"a key of {name}", key, CHANNEL_OPTIONS)
        label = f"{name}[{key!r}]"
        if value is None:
            continue
        if key == "types":
            if not isinstance(value, Mapping):
                raise TypeError(f"{label} must map names of channels to types, got {value!r}.")
            plain[key] = dict(zip(value, check_names(label, list(value.values())), strict=True))
        else:
            plain[key] = str(value) if key == "montage" else check_names(label, value)
    return {key: value for key, value in plain.items() if value}


def prepare_recording(
    raw: mne.io.BaseRaw,
    *,
    picks: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    bads: Sequence[str] = (),
    montage: str | None = None,
    reference: Sequence[str] | None = None,
) -> mne.io.BaseRaw:
    """Choose the channels of a recording, and set bad channels, positions and reference.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording; it is changed in place.
    picks : sequence of str | None
        Data channels to keep, by name or type; others are dropped, except those that are not data,
        such as EOG and triggers. None for all data channels; where these are EEG and others, only
        the EEG channels are kept, with a warning.
    exclude : sequence of str
        Names of channels to drop.
    bads : sequence of str
        Names of channels to mark bad, besides those of the file; ``"auto"`` also marks flat
        channels and those whose amplitude is far off that of the others.
    montage : str | None
        Electrode positions: the name of a montage of MNE, or a file that MNE reads.
    reference : sequence of str | None
        EEG channels whose mean is the new reference, or ``["average"]`` for all good ones. None to
        keep the reference.

    Returns
    -------
    raw : mne.io.Raw
        The same recording.

    Raises
    ------
    ValueError
        If a channel, type or montage does not exist, or no data channel is left.

    Examples
    --------
    >>> info = mne.create_info(["Oz", "Pz", "VEOG"], 100.0, ["eeg", "eeg", "eog"])
    >>> raw = mne.io.RawArray(np.random.default_rng(0).normal(size=(3, 300)), info, verbose=False)
    >>> prepare_recording(raw, picks=["Pz"], montage="standard_1020").ch_names
    ['Pz', 'VEOG']
    """
    if not isinstance(raw, mne.io.BaseRaw):
        raise TypeError(f"raw must be an mne.io.BaseRaw, got {type(raw).__name__}.")
    exclude, bads = check_names("exclude", exclude), check_names("bads", bads)
    picks = None if picks is None else check_names("picks", picks)
    reference = None if reference is None else check_names("reference", reference)
    montage = None if montage is None else str(check_path("montage", montage))
    _check_names("exclude", exclude, raw)
    _check_names("bads", [name for name in bads if name != "auto"], raw)
    kept = [name for name in raw.ch_names if name not in set(exclude)]
    if not kept:
        raise ValueError("exclude must leave a channel, got all.")
    _keep(raw, kept)
    marked = [name for name in bads if name != "auto" and name in raw.ch_names]
    raw.info["bads"] = list(dict.fromkeys([*raw.info["bads"], *marked]))
    if "auto" in bads:
        found = extreme_channels(raw)
        raw.info["bads"] = [*raw.info["bads"], *found]
        listed = ", ".join(f"{name} ({ratio:.2g} x)" for name, ratio in found.items()) or "none"
        warn(f"Channels marked bad by their amplitude, relative to the median: {listed}.")
    if montage is not None:
        _set_positions(raw, montage)
    if reference == []:
        raise ValueError("reference must name a channel, or be 'average', got none.")
    if reference is not None:
        _set_reference(raw, reference)
    data = _data_channels(raw)
    wanted = _default_picks(raw, data) if picks is None else _resolve(raw, picks, data)
    _keep(raw, [name for name in raw.ch_names if name in wanted or name not in data])
    return raw


def _keep(raw: mne.io.BaseRaw, names: Sequence[str]) -> None:
    """Drop other channels, in place."""
    dropped = [name for name in raw.ch_names if name not in set(names)]
    if dropped:
        raw.drop_channels(dropped)


def _data_channels(raw: mne.io.BaseRaw) -> list[str]:
    """Return the data channels, including bad ones; none where there is none."""
    try:
        return picked_names(raw.info)
    except ValueError:
        return []


def _check_names(argument: str, names: Sequence[str], raw: mne.io.BaseRaw) -> None:
    """Raise an error if a channel does not exist."""
    missing = [name for name in names if name not in raw.ch_names]
    if missing:
        raise ValueError(
            f"{argument} must name channels of the recording ({', '.join(raw.ch_names)}), "
            f"got {', '.join(missing)}."
        )


def _default_picks(raw: mne.io.BaseRaw, data: list[str]) -> list[str]:
    """Return the EEG channels where there are some, with a warning if there are other data."""
    types = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    counts = Counter(types[name] for name in data)
    if len(counts) < 2 or "eeg" not in counts:
        return data
    others = ", ".join(f"{count} {kind}" for kind, count in counts.items() if kind != "eeg")
    warn(
        f"Only the {counts['eeg']} EEG channels are used; {others} channels are dropped. "
        "Pick other types to use them."
    )
    return [name for name in data if types[name] == "eeg"]


def _resolve(raw: mne.io.BaseRaw, picks: Sequence[str], data: list[str]) -> set[str]:
    """Return the data channels of some names and types."""
    types = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    wanted: set[str] = set()
    for pick in picks:
        found = {pick} if pick in types else {name for name, kind in types.items() if kind == pick}
        if pick == "data":
            found = set(data)
        if not found & set(data):
            raise ValueError(
                f"picks must name data channels ({', '.join(data)}) or their types, got {pick!r}."
            )
        wanted |= found
    return wanted


def _set_positions(raw: mne.io.BaseRaw, montage: str) -> None:
    """Set positions by electrode names, in place; warn about EEG channels without."""
    renamed = montage.replace("standard_", "colin27_")  # MNE's former names
    if renamed in mne.channels.get_builtin_montages():
        montage = renamed
    if montage in mne.channels.get_builtin_montages():
        positions = mne.channels.make_standard_montage(montage).get_positions()
    else:
        if not Path(montage).exists():
            names = ", ".join(mne.channels.get_builtin_montages())
            raise ValueError(f"montage must be a file or one of {names}, got {montage!r}.")
        try:
            positions = mne.channels.read_custom_montage(montage).get_positions()
        except Exception as error:  # each of MNE's readers raises its own types
            raise ValueError(
                f"montage must be electrode positions that MNE reads, got {montage!r}: {error}"
            ) from error
    known = {name.lower(): place for name, place in positions["ch_pos"].items()}
    pairs = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    eeg = [name for name, kind in pairs if kind == "eeg"]
    found = {}
    for name in eeg:
        place = known.get(name.lower(), known.get(electrode_name(name).lower()))
        if place is not None:
            found[name] = place
    if not found:
        raise ValueError(f"montage {montage!r} has none of the electrodes {', '.join(eeg)}.")
    missing = [name for name in eeg if name not in found]
    if missing:
        warn(f"Montage {montage!r} has no position of {', '.join(missing)}.")
    fiducials = {key: positions[key] for key in ("nasion", "lpa", "rpa", "coord_frame")}
    raw.set_montage(
        mne.channels.make_dig_montage(found, **fiducials), on_missing="ignore", verbose=False
    )


def _set_reference(raw: mne.io.BaseRaw, reference: Sequence[str]) -> None:
    """Set the reference of the EEG channels, in place."""
    average = list(reference) == ["average"]
    if not average:
        _check_names("reference", reference, raw)
    if "eeg" not in raw.get_channel_types():
        raise ValueError("reference needs EEG channels, and there are none.")
    raw.load_data(verbose=False)
    raw.set_eeg_reference("average" if average else list(reference), verbose=False)
    if (
        not average
        and len(reference) == 1
        and not np.ptp(raw.get_data([raw.ch_names.index(reference[0])]))
    ):
        raw.info["bads"] = list(dict.fromkeys([*raw.info["bads"], reference[0]]))
