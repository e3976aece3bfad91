"""Channels: picking, grouping by name, electrode names and positions."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeGuard

import mne
import numpy as np

from npa.recordings.signals import Signals
from npa.typing import FloatArray, Picks

FRONTAL_TIERS = (("fp1", "fpz", "fp2"), ("af7", "af3", "afz", "af4", "af8"))
FRONTAL_ANGLE = 0.6  # how far ahead a frontal electrode lies, of its distance from the centre
FRONTAL_TOLERANCE = 0.94  # of the frontal-most position; Fp1 counts beside Fpz, AF3 does not
EYES = ((-0.03, 0.09, -0.01), (0.03, 0.09, -0.01))  # m, head coordinates
BLINK_DECAY = 1.5  # potential ~ distance^-1.5 from the eyes: between a monopole and a dipole
LATERAL_PAIRS = (("f7", "f8"), ("af7", "af8"))  # left and right
LATERAL_DECAY = 2.0  # potential ~ distance^-2 from the eyes: that of a dipole
PREFIX = re.compile(r"^(eeg|pol)[ _-]+", re.IGNORECASE)
REFERENCE = re.compile(
    r"[ _-]+(ref|le|re|ler|a1|a2|a1a2|m1|m2|avg?|ar|car|vref|org|gnd)$", re.IGNORECASE
)


def picked_names(info: mne.Info, picks: Picks = None) -> list[str]:
    """Return the names of the picked channels, including bad ones.

    Parameters
    ----------
    info : mne.Info
        Measurement info.
    picks : str | array-like | slice | None
        Channels by name, type or index; None for all data channels (never EOG, stim, misc).

    Returns
    -------
    names : list of str
        Channel names in the order of ``info`` (or of ``picks``, where names are given).

    Raises
    ------
    ValueError
        If ``picks`` names a channel or type that does not exist.
    TypeError
        If it is a truth value, or an array without dimensions.

    Examples
    --------
    >>> info = mne.create_info(["Oz", "VEOG"], 100.0, ["eeg", "eog"])
    >>> picked_names(info)
    ['Oz']
    """
    # MNE's public interface resolves picks only on a container: use a minimal one.
    # Its own info: picking changes projectors in place, which could then not be applied any more.
    own = mne.create_info(info["ch_names"], info["sfreq"], info.get_channel_types(), verbose=False)
    evoked = mne.EvokedArray(np.zeros((len(info["ch_names"]), 1)), own, verbose=False)
    all_names = list(info["ch_names"])
    wanted = "None (data channels)" if picks is None else repr(picks)
    if isinstance(picks, (bool, np.bool_)) or (isinstance(picks, np.ndarray) and not picks.ndim):
        raise TypeError(f"picks must name channels, types or indices, got {wanted}.")
    if picks is None:
        # MNE refuses types where a channel is called like one.
        evoked.rename_channels({name: f"#{index}" for index, name in enumerate(all_names)})
    elif _is_names(picks, all_names):
        if len(set(picks)) < len(picks):
            raise ValueError(f"picks must not repeat a channel, got {wanted}.")
        picks = [all_names.index(name) for name in picks]
    try:
        evoked.pick("data" if picks is None else picks, exclude=(), verbose=False)
    except (ValueError, IndexError, RuntimeError) as error:
        have = ", ".join(info["ch_names"][:8]) + (", ..." if len(info["ch_names"]) > 8 else "")
        if isinstance(picks, str) and picks in all_names:
            raise ValueError(
                f"picks={wanted} is a channel and a type; give [{wanted}] for the channel."
            ) from error
        raise ValueError(f"picks={wanted} finds no channel among {have}.") from error
    if picks is None:
        return [all_names[int(name.removeprefix("#"))] for name in evoked.ch_names]
    return list(evoked.ch_names)


def _is_names(picks: Picks, ch_names: Sequence[str]) -> TypeGuard[Sequence[str]]:
    """Whether ``picks`` is a list of channel names."""
    if isinstance(picks, (str, slice)) or not isinstance(picks, (Sequence, np.ndarray)):
        return False
    return len(picks) > 0 and all(isinstance(each, str) and each in ch_names for each in picks)


def channel_groups(
    ch_names: Sequence[str], by: str | Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[int]]:
    """Group channels by name.

    Parameters
    ----------
    ch_names : sequence of str
        Channel names.
    by : None | str | dict
        None for one group called ``"all"``; a separator, to group names by the part before its
        last occurrence; or a dict of group name to channel names.

    Returns
    -------
    groups : dict
        Group name to list of channel indices.

    Raises
    ------
    TypeError
        If ``by`` is none of these.
    ValueError
        If the separator or a group is empty, or a group names an unknown channel.

    Examples
    --------
    >>> channel_groups(["lstm/f/0", "lstm/f/1", "lstm/h/0"], by="/")
    {'lstm/f': [0, 1], 'lstm/h': [2]}
    """
    ch_names = list(ch_names)
    if by is None:
        return {"all": list(range(len(ch_names)))}
    if isinstance(by, str):
        if not by:
            raise ValueError("by must be a separator of at least one character, got ''.")
        groups: dict[str, list[int]] = {}
        for index, name in enumerate(ch_names):
            groups.setdefault(name.rpartition(by)[0] or name, []).append(index)
        return groups
    if not isinstance(by, Mapping):
        raise TypeError(f"by must be None, a separator or a dict of groups, got {by!r}.")
    if not by:
        raise ValueError("by must hold at least one group, got {}.")
    for group, names in by.items():
        if isinstance(names, str) or not isinstance(names, (Sequence, np.ndarray)):
            raise TypeError(f"by[{group!r}] must be a list of channel names, got {names!r}.")
        missing = [name for name in names if name not in ch_names]
        if missing or not len(names):
            raise ValueError(f"by[{group!r}] must name picked channels, got {missing or names!r}.")
    return {group: [ch_names.index(name) for name in names] for group, names in by.items()}


def electrode_name(ch_name: str) -> str:
    """Return the name that an electrode has in the 10-05 system.

    Parameters
    ----------
    ch_name : str
        Name of a channel, which may carry a prefix (``EEG``, ``POL``), a common reference
        (``-REF``, ``-LE``, ``-A2``), dots or another case.

    Returns
    -------
    name : str
        Its standard name; empty where it is not an electrode of the 10-05 system. A bipolar
        derivation, such as ``Fp1-F7``, is not.

    Examples
    --------
    >>> [electrode_name(name) for name in ("EEG Fp1-REF", "POL FP1", "Fp1-A2", "Fp1.", "Fp1-F7")]
    ['Fp1', 'Fp1', 'Fp1', 'Fp1', '']
    """
    name = REFERENCE.sub("", PREFIX.sub("", ch_name.strip())).strip(". ").lower()
    return _standard_names().get(name, "")


def is_electrode(info: mne.Info, ch_name: str) -> bool:
    """Tell whether a channel is an electrode on the scalp, by its name or position.

    Parameters
    ----------
    info : mne.Info
        Measurement info.
    ch_name : str
        Name of one of its channels.

    Returns
    -------
    answer : bool
        True for electrodes of the 10-05 system, and for channels that have a position and no
        ``EOG`` in their name.

    Examples
    --------
    >>> info = mne.create_info(["VEOG", "fp1"], 100.0, "eeg")
    >>> is_electrode(info, "VEOG"), is_electrode(info, "fp1")
    (False, True)
    """
    if electrode_name(ch_name):
        return True
    position = info["chs"][info["ch_names"].index(ch_name)]["loc"][:3]
    return "eog" not in ch_name.lower() and bool(np.isfinite(position).all() and position.any())


def electrode_positions(info: mne.Info) -> FloatArray:
    """Return where the electrodes are: standard positions by name, else measured ones.

    Parameters
    ----------
    info : mne.Info
        Measurement info.

    Returns
    -------
    positions : array, shape (n_channels, 3)
        Head coordinates in m; NaN for channels that are not electrodes. Electrodes of the 10-05
        system are at their standard positions whether or not the recording holds positions, so
        that what depends on these does not depend on whether they were set.

    Examples
    --------
    >>> info = mne.create_info(["VEOG", "fp1"], 100.0, "eeg")
    >>> electrode_positions(info).round(2)
    array([[  nan,   nan,   nan],
           [-0.03,  0.11,  0.03]])
    """
    standard = _standard_positions()
    positions = np.full((len(info["chs"]), 3), np.nan)
    for row, channel in zip(positions, info["chs"], strict=True):
        name = electrode_name(channel["ch_name"])
        if name:
            row[:] = standard[name]
        elif is_electrode(info, channel["ch_name"]):
            row[:] = channel["loc"][:3]
    return positions


def blink_potential(positions: FloatArray) -> FloatArray:
    """Return the potential of a blink, as it falls off with the distance from the eyes.

    Parameters
    ----------
    positions : array, shape (n_channels, 3)
        Head coordinates in m.

    Returns
    -------
    potential : array, shape (n_channels,)
        In arbitrary units, against a distant reference.

    Examples
    --------
    >>> info = mne.create_info(["Fp1", "Cz", "Oz"], 100.0, "eeg")
    >>> potential = blink_potential(electrode_positions(info))
    >>> (potential / potential[0]).round(2)
    array([1.  , 0.2 , 0.16])
    """
    distance = np.linalg.norm(positions[:, np.newaxis] - np.array(EYES), axis=-1)
    return np.asarray((distance**-BLINK_DECAY).sum(axis=1))


def saccade_potential(positions: FloatArray) -> FloatArray:
    """Return the potential of eyes that turn right: of a dipole in each that points right.

    Parameters
    ----------
    positions : array, shape (n_channels, 3)
        Head coordinates in m.

    Returns
    -------
    potential : array, shape (n_channels,)
        In arbitrary units, against a distant reference.

    Examples
    --------
    >>> info = mne.create_info(["F7", "F8", "Oz"], 100.0, "eeg")
    >>> potential = saccade_potential(electrode_positions(info))
    >>> (potential / potential[1]).round(1) + 0
    array([-1.,  1.,  0.])
    """
    offset = positions[:, np.newaxis] - np.array(EYES)
    distance = np.linalg.norm(offset, axis=-1)
    return np.asarray((offset[..., 0] / distance ** (LATERAL_DECAY + 1)).sum(axis=1))


def lateral_channels(signals: Signals) -> list[int]:
    """Find the usable electrodes to the left and to the right of the eyes.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        EEG channels.

    Returns
    -------
    channels : list of int
        Indices of F7 and F8, or of AF7 and AF8; empty where neither pair is there.

    Examples
    --------
    >>> from npa.recordings.containers import read_signals
    >>> info = mne.create_info(["F8.", "EEG F7-REF", "Oz"], 100.0, "eeg")
    >>> noise = np.random.default_rng(0).normal(size=(3, 200))
    >>> lateral_channels(read_signals(mne.io.RawArray(noise, info, verbose=False)))
    [1, 0]
    """
    usable = signals.usable
    names = [electrode_name(name).lower() for name in signals.ch_names]
    known = {name: index for index, name in enumerate(names) if usable[index]}
    for pair in LATERAL_PAIRS:
        if all(name in known for name in pair):
            return [known[name] for name in pair]
    return []


def frontal_channels(signals: Signals) -> list[int]:
    """Find the usable frontal-most electrodes, by name, else by position.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        EEG channels, with their measurement info.

    Returns
    -------
    channels : list of int
        Their indices; empty where no electrode is frontal.

    Examples
    --------
    >>> from npa.recordings.containers import read_signals
    >>> info = mne.create_info(["Oz..", "FP2.", "EEG Fp1-REF"], 100.0, "eeg")
    >>> noise = np.random.default_rng(0).normal(size=(3, 200))
    >>> frontal_channels(read_signals(mne.io.RawArray(noise, info, verbose=False)))
    [1, 2]
    """
    if signals.info is None:
        return []
    usable = signals.usable
    names = [electrode_name(name).lower() for name in signals.ch_names]
    for tier in FRONTAL_TIERS:
        found = [index for index, name in enumerate(names) if name in tier and usable[index]]
        if found:
            return found
    positions = electrode_positions(signals.info)
    distance = np.linalg.norm(positions, axis=1)
    located = usable & np.isfinite(distance)
    ahead = np.where(located, positions[:, 1], -np.inf)
    frontal = located & (ahead >= FRONTAL_TOLERANCE * ahead.max())
    frontal &= ahead >= FRONTAL_ANGLE * np.where(located, distance, np.inf)
    return [int(index) for index in np.flatnonzero(frontal)]


@cache
def _standard_positions() -> dict[str, FloatArray]:
    """Return the head coordinates of the electrodes of the 10-05 system."""
    montage = mne.channels.make_standard_montage("colin27_1005")
    info = mne.create_info(montage.ch_names, 100.0, "eeg", verbose=False)
    info.set_montage(montage, verbose=False)
    return {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}


@cache
def _standard_names() -> dict[str, str]:
    """Map the lower-case names of the 10-05 system to its names."""
    return {name.lower(): name for name in _standard_positions()}
