"""Methods of blink removal: ours and the peers, each as its own documentation says.

Every function takes a recording of EEG channels with positions, and EOG channels where it has
some, and the time in s up to which it may be used to find and fit; None for all of it. It returns
one `Removal` per method, of the whole recording.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import mne
import numpy as np

from npa.estimators.blinks import BlinkICARemover
from npa.recordings.channels import electrode_name

FRONTAL = ("Fp1", "Fp2")  # which users of MNE name where there is no EOG
HEADBAND = ("AF7", "AF8")
ICLABEL_PASS = (1.0, 100.0)  # Hz, of the recordings that ICLabel was trained with
PICARD = {"method": "picard", "fit_params": {"ortho": False, "extended": True}}
ICLABEL_EYE = 2  # its class "eye blink"
MAX_COMPONENTS, ICA_SEED = 20, 97  # as in MNE's tutorials


@dataclass(frozen=True)
class Removal:
    """What a method made of a recording.

    Parameters
    ----------
    before, after : mne.io.BaseRaw | None
        The recording against the reference that the method works in, and without blinks. None
        where nothing was found.
    seconds : float
        CPU time of fit and removal.
    n_removed : int
        Number of components that are removed.
    evidence : float
        What decides: npa's score, the largest correlation of a component with an EOG (MNE), the
        largest probability of "eye blink" (ICLabel); NaN for regression.
    detail : str
        What the method says of its decision, or which channels were regressed out.
    """

    before: mne.io.BaseRaw | None
    after: mne.io.BaseRaw | None
    seconds: float
    n_removed: int = 0
    evidence: float = np.nan
    detail: str = ""


def eog_proxies(raw: mne.io.BaseRaw) -> list[str]:
    """Return EOG channels, else Fp1 and Fp2, else AF7 and AF8, else the two frontal-most."""
    eog = mne.pick_types(raw.info, eog=True)
    if len(eog):
        return [raw.ch_names[index] for index in eog]
    names = {electrode_name(name): name for name in raw.ch_names}
    for group in (FRONTAL, ("Fpz",), HEADBAND):
        if found := [names[name] for name in group if name in names]:
            return found
    ahead = np.array([channel["loc"][1] for channel in raw.info["chs"]])
    return [raw.ch_names[index] for index in np.argsort(-ahead)[:2]]


def fit_ica(raw: mne.io.BaseRaw) -> mne.preprocessing.ICA:
    """Fit extended Infomax (Picard) to EEG, as many components as there are, up to 20."""
    n_components = min(MAX_COMPONENTS, mne.compute_rank(raw)["eeg"])
    return mne.preprocessing.ICA(n_components, random_state=ICA_SEED, **PICARD).fit(raw)


def by_npa(raw: mne.io.BaseRaw, until: float | None = None) -> dict[str, Removal]:
    """Use `BlinkICARemover` as it comes."""
    started = time.process_time()
    remover = BlinkICARemover().fit(raw.copy().crop(tmax=until))
    report = remover.blinks_
    after = remover.transform(raw) if report.found else None
    seconds = time.process_time() - started
    score = float(np.nan_to_num(report.score).max(initial=0.0))
    return {"npa": Removal(raw, after, seconds, report.n_removed, score, report.reason)}


def by_find_bads_eog(raw: mne.io.BaseRaw, until: float | None = None) -> dict[str, Removal]:
    """Use MNE's ICA and ``find_bads_eog``, by z score and by correlation.

    The ICA is fitted to a copy above 1 Hz, as in MNE's tutorials. Thresholds are
    ``threshold="auto"``: a z score of 3, a correlation of 0.9.
    """
    started = time.process_time()
    part = raw.copy().crop(tmax=until)
    ica = fit_ica(part.copy().pick("eeg").filter(1.0, None))
    fit_seconds = time.process_time() - started
    proxies = eog_proxies(raw)
    removals = {}
    for name, measure in (("MNE z", "zscore"), ("MNE corr", "correlation")):
        started = time.process_time()
        bad, scores = ica.find_bads_eog(part, proxies, threshold="auto", measure=measure)
        after = ica.apply(raw.copy(), exclude=bad) if bad else None
        seconds = fit_seconds + time.process_time() - started
        evidence = float(np.max(np.abs(scores)))
        detail = f"{ica.n_components_} components"
        removals[name] = Removal(raw, after, seconds, len(bad), evidence, detail)
    return removals


def by_iclabel(raw: mne.io.BaseRaw, until: float | None = None) -> dict[str, Removal]:
    """Use ICLabel: components whose most probable label is "eye blink" are removed.

    As it was trained: common average, 1-100 Hz where the sampling rate allows it (else above 1 Hz),
    extended infomax (here Picard's). The components are removed from the unfiltered recording
    against the common average.
    """
    from mne_icalabel.iclabel import iclabel_label_components

    started = time.process_time()
    averaged = raw.copy().pick("eeg").set_eeg_reference("average")
    high = ICLABEL_PASS[1] if averaged.info["sfreq"] > 2.2 * ICLABEL_PASS[1] else None
    filtered = averaged.copy().crop(tmax=until).filter(ICLABEL_PASS[0], high)
    ica = fit_ica(filtered)
    probabilities = iclabel_label_components(filtered, ica)
    bad = np.flatnonzero(probabilities.argmax(axis=1) == ICLABEL_EYE).tolist()
    after = ica.apply(averaged.copy(), exclude=bad) if bad else None
    seconds = time.process_time() - started
    evidence = float(probabilities[:, ICLABEL_EYE].max())
    detail = f"{ica.n_components_} components"
    return {"ICLabel": Removal(averaged, after, seconds, len(bad), evidence, detail)}


def by_regression(raw: mne.io.BaseRaw, until: float | None = None) -> dict[str, Removal]:
    """Use `mne.preprocessing.EOGRegression`, fitted above 0.3 Hz against the common average.

    It has no decision: something is taken out of every recording.
    """
    started = time.process_time()
    proxies = eog_proxies(raw)
    averaged = raw.copy().set_eeg_reference("average")
    model = mne.preprocessing.EOGRegression(picks="eeg", picks_artifact=proxies)
    part = averaged.copy().crop(tmax=until).filter(0.3, None, picks=["eeg", "eog"])
    after = model.fit(part).apply(averaged)
    seconds = time.process_time() - started
    removal = Removal(averaged, after, seconds, len(proxies), detail=", ".join(proxies))
    return {"regression": removal}


METHODS: dict[str, Callable[[mne.io.BaseRaw, float | None], dict[str, Removal]]] = {
    "npa": by_npa,
    "find_bads_eog": by_find_bads_eog,
    "iclabel": by_iclabel,
    "regression": by_regression,
}
NAMES = {
    "npa": ("npa",),
    "find_bads_eog": ("MNE z", "MNE corr"),
    "iclabel": ("ICLabel",),
    "regression": ("regression",),
}
