"""Which channels are EEG, by their names and amplitudes."""

import re
from collections.abc import Mapping

import mne
import numpy as np
from mne.utils import warn
from scipy.signal import detrend

from npa.recordings.channels import PREFIX, electrode_name
from npa.typing import FloatArray

# Words that tell a type; digits and punctuation separate words.
WORDS = {
    "ecg": r"[a-z]?e[ck]g[a-z]{0,2}",
    "eog": r"[a-z]{0,2}eog[a-z]{0,2}",
    "emg": r"[a-z]?emg[a-z]*|chin|submental|[lr]?leg",
    "resp": r"resp[a-z]*|(air)?flow|nasal|thor(ax|acic)?|abd(omen|ominal)?|chest|effort|cpap",
    "stim": r"status|stim[a-z]*|sti|trig[a-z]*|ttl|din|mark(er)?s?|events?|annotations?",
    "misc": r"osat|pleth?[a-z]*|ppg|pulse|gsr|eda|temp(erature)?|erg|aux|exg|snore|mic|light"
    r"|phot[a-z]*|position|acc|accel[a-z]*|gyro[a-z]*|battery|counter|packet|timestamp",
}
# Names that tell a type as a whole, without "EEG" or "POL"; depth electrodes share their letters.
NAMES = {
    "eog": r"[lr]oc([ _-].*)?",
    "misc": r"\$.*|(x[ _-]*)?dc[ _-]*\d*|s[ap]?o2|(et)?co2|sat|hr|time[ _]stamp.*|interpolated",
}
NIHON_KOHDEN = r"pol (e|bn\d+|mark\d+)"  # pseudo-channels of the amplifier
# Of the median. Electrodes of the public recordings lie within 0.3 to 3.6 of it, a loose one at 9.
MAX_AMPLITUDE_RATIO = 10.0
MIN_AMPLITUDE_RATIO = 0.03
MIN_CHANNELS = 4  # for a median that two others do not determine
BLOCK_SECONDS, N_BLOCKS = 2.0, 20  # spread over the recording


def type_by_name(ch_name: str) -> str:
    """Return the type that a channel's name tells.

    Parameters
    ----------
    ch_name : str
        Name of a channel.

    Returns
    -------
    ch_type : str
        Type as in MNE; ``"eeg"`` for electrodes of the 10-05 system and names that tell nothing.

    Examples
    --------
    >>> [type_by_name(name) for name in ("EEG Fp1-REF", "ECG EKG", "SpO2", "POL $A1", "X7")]
    ['eeg', 'ecg', 'misc', 'misc', 'eeg']
    """
    if electrode_name(ch_name):
        return "eeg"
    if re.fullmatch(NIHON_KOHDEN, ch_name.strip().lower()):
        return "misc"
    name = PREFIX.sub("", ch_name.strip()).lower()
    for ch_type, pattern in NAMES.items():
        if re.fullmatch(pattern, name):
            return ch_type
    for ch_type, pattern in WORDS.items():
        if any(re.fullmatch(pattern, word) for word in re.split("[^a-z]+", name)):
            return ch_type
    return "eeg"


def amplitudes(raw: mne.io.BaseRaw, names: list[str]) -> FloatArray:
    """Measure the typical amplitude of channels on parts of a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording, in memory or not.
    names : list of str
        Channels.

    Returns
    -------
    amplitudes : array, shape (n_channels,)
        Standard deviation around a straight line within 2 s, median of 20 places; NaN where a
        channel holds NaN throughout.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(1000) / 10)
    >>> raw = mne.io.RawArray([wave, 3 * wave], mne.create_info(2, 100.0, "eeg"), verbose=False)
    >>> amplitudes(raw, ["0", "1"]).round(1)
    array([0.7, 2.1])
    """
    index = [raw.ch_names.index(name) for name in names]
    n_times = len(raw.times)
    length = min(max(round(BLOCK_SECONDS * raw.info["sfreq"]), 2), n_times)
    starts = np.unique(np.linspace(0, n_times - length, N_BLOCKS).astype(int))
    levels = np.full((len(starts), len(index)), np.nan)
    for level, start in zip(levels, starts, strict=True):
        block = raw.get_data(picks=index, start=start, stop=start + length, verbose=False)
        finite = np.isfinite(block).all(axis=1)
        level[finite] = detrend(block[finite]).std(axis=1)
    known = np.isfinite(levels).any(axis=0)
    result = np.full(len(index), np.nan)
    result[known] = np.nanmedian(levels[:, known], axis=0)
    return result


def extreme_channels(raw: mne.io.BaseRaw) -> dict[str, float]:
    """Find EEG channels whose amplitude is far off that of the others.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording.

    Returns
    -------
    ratios : dict of str to float
        Name to amplitude relative to the median EEG channel, where it is above 10 or below 0.03.
        Channels that are marked bad are neither counted nor found; of fewer than 4, none is.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(5, 1000)) * [[1], [1], [1], [1], [50]]
    >>> raw = mne.io.RawArray(noise, mne.create_info(5, 100.0, "eeg"), verbose=False)
    >>> list(extreme_channels(raw))
    ['4']
    """
    pairs = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    names = [name for name, kind in pairs if kind == "eeg" and name not in raw.info["bads"]]
    if len(names) < MIN_CHANNELS:
        return {}
    levels = amplitudes(raw, names)
    positive = levels[levels > 0]
    if not positive.size:
        return {}
    ratios = levels / np.median(positive)
    far = (ratios > MAX_AMPLITUDE_RATIO) | (ratios < MIN_AMPLITUDE_RATIO)
    return {name: float(ratio) for name, ratio, off in zip(names, ratios, far, strict=True) if off}


def set_types(
    raw: mne.io.BaseRaw, types: Mapping[str, str] | None = None, *, by_name: bool = True
) -> mne.io.BaseRaw:
    """Set the types of channels whose names say that they are not EEG, with one warning.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording; it is changed in place.
    types : dict of str to str | None
        Channel name to type, which overrules the names.
    by_name : bool, default True
        Whether EEG channels get the type that their name tells. If False, they are only named in
        the warning.

    Returns
    -------
    raw : mne.io.Raw
        The same recording. The warning also names channels whose amplitude is far off that of the
        others; they stay EEG.

    Raises
    ------
    ValueError
        If ``types`` names a channel or a type that does not exist.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.ones((2, 300)), mne.create_info(["Oz", "ECG"], 100.0, "eeg"))
    >>> with mne.use_log_level("ERROR"):
    ...     set_types(raw).get_channel_types()
    ['eeg', 'ecg']
    """
    wanted = dict(types or {})
    missing = [name for name in wanted if name not in raw.ch_names]
    if missing:
        raise ValueError(f"types must name channels of the recording, got {', '.join(missing)}.")
    _set(raw, wanted)
    pairs = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    told = {
        name: type_by_name(name) for name, kind in pairs if kind == "eeg" and name not in wanted
    }
    guessed = {name: kind for name, kind in told.items() if kind != "eeg"}
    for name in [name for name, kind in guessed.items() if kind == "stim"]:
        if not _holds_codes(raw, name):
            guessed[name] = "misc"
    parts = []
    if guessed and by_name:
        _set(raw, guessed)
        parts.append(f"by their names, these channels are not EEG, but now {_by_type(guessed)}")
    elif guessed:
        parts.append(f"these channels are EEG, though their names tell {_by_type(guessed)}")
    extreme = extreme_channels(raw)
    if extreme:
        listed = ", ".join(f"{name} ({ratio:.2g} x)" for name, ratio in extreme.items())
        parts.append(f"of extreme amplitude relative to the median, and still EEG: {listed}")
    if parts:
        warn(f"{_capitalized('; '.join(parts))}. Set types or bad channels if this is wrong.")
    return raw


def _set(raw: mne.io.BaseRaw, types: Mapping[str, str]) -> None:
    """Set types in place."""
    try:
        raw.set_channel_types(dict(types), on_unit_change="ignore", verbose=False)
    except (KeyError, ValueError) as error:
        raise ValueError(f"types must give types that MNE knows, got {dict(types)!r}.") from error


def _holds_codes(raw: mne.io.BaseRaw, name: str) -> bool:
    """Return whether a channel holds whole numbers, as trigger channels do."""
    data = raw.get_data(picks=[raw.ch_names.index(name)], verbose=False)
    return bool(np.isfinite(data).all() and (data == np.round(data)).all())


def _by_type(types: Mapping[str, str]) -> str:
    """Return channels by type as text."""
    kinds = dict.fromkeys(types.values())
    return "; ".join(
        f"{kind}: {', '.join(name for name, each in types.items() if each == kind)}"
        for kind in kinds
    )


def _capitalized(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
