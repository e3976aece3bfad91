"""Picking channels, and grouping them by name."""

from collections.abc import Mapping, Sequence

import mne
import numpy as np

from npa.recordings.signals import Signals
from npa.typing import Picks

FRONTAL_TIERS = (("fp1", "fpz", "fp2"), ("af7", "af3", "afz", "af4", "af8"))
FRONTAL_ANGLE = 0.6  # how far ahead a frontal electrode lies, of its distance from the centre
FRONTAL_TOLERANCE = 0.94  # of the frontal-most position; Fp1 counts beside Fpz, AF3 does not


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

    Examples
    --------
    >>> info = mne.create_info(["Oz", "VEOG"], 100.0, ["eeg", "eog"])
    >>> picked_names(info)
    ['Oz']
    """
    # MNE's public interface resolves picks only on a container: use a minimal one.
    evoked = mne.EvokedArray(np.zeros((len(info["ch_names"]), 1)), info, verbose=False)
    try:
        evoked.pick("data" if picks is None else picks, exclude=(), verbose=False)
    except (ValueError, IndexError) as error:
        have = ", ".join(info["ch_names"][:8]) + (", ..." if len(info["ch_names"]) > 8 else "")
        wanted = "None (data channels)" if picks is None else repr(picks)
        raise ValueError(f"picks={wanted} finds no channel among {have}.") from error
    return list(evoked.ch_names)


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
    for group, names in by.items():
        missing = [name for name in names if name not in ch_names]
        if missing or not len(names):
            raise ValueError(f"by[{group!r}] must name picked channels, got {missing or names!r}.")
    return {group: [ch_names.index(name) for name in names] for group, names in by.items()}


def frontal_channels(signals: Signals) -> list[int]:
    """Find the usable frontal-most electrodes, by position, else by name.

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
    >>> import mne
    >>> from npa.recordings.containers import read_signals
    >>> info = mne.create_info(["Oz..", "FP2.", "Fp1."], 100.0, "eeg")
    >>> noise = np.random.default_rng(0).normal(size=(3, 200))
    >>> frontal_channels(read_signals(mne.io.RawArray(noise, info, verbose=False)))
    [1, 2]
    """
    if signals.info is None:
        return []
    usable = signals.usable
    positions = np.array([channel["loc"][:3] for channel in signals.info["chs"]])
    distance = np.linalg.norm(positions, axis=1)
    located = usable & np.isfinite(distance) & (distance > 0)
    ahead = np.where(located, positions[:, 1], -np.inf)
    frontal = located & (ahead >= FRONTAL_TOLERANCE * ahead.max())
    frontal &= ahead >= FRONTAL_ANGLE * distance
    if frontal.any():
        return np.flatnonzero(frontal).tolist()
    names = [name.replace(".", "").lower() for name in signals.ch_names]
    for tier in FRONTAL_TIERS:
        found = [index for index, name in enumerate(names) if name in tier and usable[index]]
        if found:
            return found
    return []
