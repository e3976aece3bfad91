"""Recordings for the comparison of blink removal: real ones, and simulations with known truth."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mne
import numpy as np

from benchmarks.blink_scores import mark_blinks
from npa.datasets import simulate_recording
from npa.recordings.channels import electrode_name
from npa.recordings.reading import load_recording

PATTERNS = (
    "eegbci/*.edf",
    "blinks/*.edf",
    "blinks/*.fif",
    "eeglab/eeglab_data.set",
    "*_muse/*.fif",
)
NAMED = {"Fp1", "Fpz", "Fp2"}, {"O1", "Oz", "O2"}
NEAR = np.cos(np.radians(12))  # of one of these, where electrodes have other names
BLINKING = 3  # fewest blinks of a recording that is expected to be cleaned


@dataclass(frozen=True)
class Recording:
    """A recording, with what is known of its blinks.

    Parameters
    ----------
    name : str
        Its name.
    raw : mne.io.BaseRaw
        EEG channels, and EOG channels where they shall be used.
    peaks : array of int, shape (n_blinks,)
        Samples of the blinks.
    truth : mne.io.BaseRaw | None
        The recording without blinks; None where it is not known.
    about : dict
        How it was made.
    """

    name: str
    raw: mne.io.BaseRaw
    peaks: np.ndarray
    truth: mne.io.BaseRaw | None
    about: dict


def channels_near(raw: mne.io.BaseRaw, names: set[str]) -> np.ndarray:
    """Return the EEG channels of these names, else those whose positions are near theirs."""
    eeg = raw.copy().pick("eeg")
    found = [i for i, name in enumerate(eeg.ch_names) if electrode_name(name) in names]
    if found:
        return np.array(found)
    places = direction(np.array([channel["loc"][:3] for channel in eeg.info["chs"]]))
    return np.flatnonzero((places @ standard_directions(sorted(names)).T).max(axis=1) > NEAR)


def standard_directions(names: list[str]) -> np.ndarray:
    """Return where electrodes of the 10-05 system are, shape (n_names, 3), of length 1."""
    info = mne.create_info(names, 100.0, "eeg")
    info.set_montage("easycap-M1")
    return direction(np.array([channel["loc"][:3] for channel in info["chs"]]))


def direction(places: np.ndarray) -> np.ndarray:
    """Scale to length 1."""
    return places / np.linalg.norm(places, axis=1, keepdims=True)


# ---- real ----


def real_recordings(folder: str | os.PathLike) -> Iterator[Recording]:
    """Read the recordings below a folder; one with EOG channels comes with and without them."""
    for pattern in PATTERNS:
        for path in sorted(Path(folder).glob(pattern)):
            raw = load_recording(path)
            name = short_name(path)
            peaks = mark_blinks(frontal_mean(raw), raw.info["sfreq"])
            if "eog" in raw:
                with_eog = raw.copy().pick(["eeg", "eog"])
                yield Recording(f"{name}, with its EOG", with_eog, peaks, None, {})
            yield Recording(name, raw.pick("eeg"), peaks, None, {})


def short_name(path: Path) -> str:
    """Return a name that fits into a table: data set, and what tells its recordings apart."""
    stem = re.sub(r"_raw$|_data|_recording|_session", "", path.stem)
    stem = re.sub(r"subject(\d)(\d)", r"\1-\2", stem)
    return f"{path.parent.name.removesuffix('_muse')} {stem}"


def frontal_mean(raw: mne.io.BaseRaw) -> np.ndarray:
    """Return the mean of the frontal-most electrodes minus that of all others."""
    eeg = raw.copy().pick("eeg")
    frontal = channels_near(eeg, NAMED[0])
    if not len(frontal):
        frontal = channels_near(eeg, {"AF7", "AF8"})
    data = eeg.get_data()
    return data[frontal].mean(axis=0) - np.delete(data, frontal, axis=0).mean(axis=0)


# ---- simulated ----

HEADBAND = ["TP9", "AF7", "AF8", "TP10"]
HEADSET = ["AF3", "AF4", "F7", "F3", "F4", "F8", "FC5", "FC6", "T7", "T8", "P7", "P8", "O1", "O2"]
FRONT, BACK = ["Fp1", "Fp2"], ["O1", "O2"]
TEN_TWENTY = [
    *FRONT,
    "F7",
    "F3",
    "Fz",
    "F4",
    "F8",
    "T7",
    "C3",
    "Cz",
    "C4",
    "T8",
    "P7",
    "P3",
    "Pz",
    "P4",
    "P8",
    *BACK,
]
MONTAGES = {
    4: HEADBAND,
    8: [*FRONT, "C3", "C4", "P7", "P8", *BACK],
    14: HEADSET,
    19: TEN_TWENTY,
    32: mne.channels.make_standard_montage("biosemi32").ch_names,
    64: mne.channels.make_standard_montage("biosemi64").ch_names,
    128: mne.channels.make_standard_montage("biosemi128").ch_names,
}
REFERENCES: dict[str, list[str]] = {
    "average": [],
    "mastoids": ["TP9", "TP10"],
    "Cz": ["Cz"],
    "forehead": ["AFz"],
    "average, EOG": [],
}
DURATION, SFREQ = 60.0, 256.0
HEIGHTS, RATES = (80e-6, 400e-6), (5.0, 40.0)  # V, blinks per minute


def simulate(n_electrodes: int, reference: str, *, blinks: bool, seed: int) -> Recording:
    """Simulate one recording; the same arguments give the same one.

    Without blinks, every second one has its eyes closed: alpha of the topography of blinks and of
    20-80 uV beside that at the back of the head.
    """
    key = [seed, n_electrodes, sorted(REFERENCES).index(reference), int(blinks)]
    rng = np.random.default_rng(key)
    dense = n_electrodes == 128
    montage = "biosemi128" if dense else "easycap-M1"
    names, against = MONTAGES[n_electrodes], REFERENCES[reference]
    if dense:
        against = nearest(montage, against)
    about = {
        "electrodes": n_electrodes,
        "reference": reference,
        "blinks": blinks,
        "seed": seed,
        "eyes closed": not blinks and bool(seed % 2),
        "height": float(np.exp(rng.uniform(*np.log(HEIGHTS)))),
        "rate": float(rng.uniform(*RATES)),
        "alpha_amplitude": float(rng.uniform(2e-6, 30e-6)),
        "background_amplitude": float(rng.uniform(6e-6, 15e-6)),
        "exponent": float(rng.uniform(0.5, 2.5)),
    }
    raw, truth = simulate_recording(
        ch_names=list(dict.fromkeys([*names, *against])),
        montage=montage,
        duration=DURATION,
        sfreq=SFREQ,
        eog=reference.endswith("EOG"),
        exponent=about["exponent"],
        background_amplitude=about["background_amplitude"],
        alpha_amplitude=about["alpha_amplitude"],
        blink_rate=about["rate"] if blinks else 0.0,
        blink_amplitude=about["height"],
        random_state=int(rng.integers(2**31)),
    )
    clean = truth.clean
    if about["eyes closed"]:
        raw = clean = close_eyes(raw, truth.blink_topography / about["height"], rng)
    raw, clean = (refer(each, against, names) for each in (raw, clean))
    peaks = np.round(truth.blink_times * SFREQ).astype(int)
    name = f"{n_electrodes} {reference} {'blinks' if blinks else 'none'} {seed}"
    return Recording(name, raw, peaks, clean, about)


def close_eyes(raw: mne.io.BaseRaw, pattern: np.ndarray, rng: np.random.Generator) -> mne.io.Raw:
    """Add alpha of a given topography, which waxes and wanes."""
    eeg = mne.pick_types(raw.info, eeg=True)
    window = np.hanning(round(1.6 * SFREQ))
    slow = np.convolve(rng.standard_normal(len(raw.times)) ** 2, window, "same")
    wave = np.sin(2 * np.pi * rng.uniform(8, 12) * raw.times) * slow / slow.mean()
    data = raw.get_data()
    data[eeg] += rng.uniform(20e-6, 80e-6) * np.outer(pattern, wave)
    return mne.io.RawArray(data, raw.info)


def nearest(montage: str, names: list[str]) -> list[str]:
    """Return the electrodes of a montage that are nearest to those of the 10-05 system."""
    if not names:
        return []
    info = mne.create_info(mne.channels.make_standard_montage(montage).ch_names, 100.0, "eeg")
    info.set_montage(montage)
    places = direction(np.array([channel["loc"][:3] for channel in info["chs"]]))
    return [info.ch_names[i] for i in (places @ standard_directions(names).T).argmax(axis=0)]


def refer(raw: mne.io.BaseRaw, against: list[str], names: list[str]) -> mne.io.BaseRaw:
    """Refer to some electrodes, and drop these; the headband keeps its own."""
    raw = raw.copy().set_eeg_reference(against or "average")
    if against and not (len(names) == len(HEADBAND) and set(against) <= set(names)):
        raw.drop_channels(against)
    return raw.pick([name for name in raw.ch_names if name in names or "EOG" in name])
