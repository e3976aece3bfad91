"""The data sets of the faces study, and what each allows."""

from dataclasses import dataclass, field
from pathlib import Path

import mne

from npa.checks import check_option
from npa.datasets import (
    Recordings,
    find_copies,
    read_bids,
    read_face_noise,
    read_n170_muse,
    read_uci_visual,
    simulate_faces,
)
from npa_ann.studies.faces.command import DATASETS, EFFECTS

_PUBLISHED = {"tmin": -0.3, "tmax": 1.0, "detrend": 1}
_VISUAL = {"tmin": 0.0, "tmax": 255 / 256}
_EXTRA = ("P9", "P10", "PO7", "PO8")  # where an N170 is, beside a 32-channel cap


@dataclass(frozen=True, eq=False)
class Source:
    """A data set of the study.

    Parameters
    ----------
    name : str
        What it is called in the results.
    found : Recordings
        Its recordings.
    cut : dict
        ``tmin``, ``tmax`` (s) and ``detrend`` of `npa.recordings.trials.collect_trials`.
    split_by : {"groups", "runs"}
        Whether decoders are tested on subjects left out, or on runs left out of each subject.
    limits : tuple of str
        What has to be said of any result.
    """

    name: str
    found: Recordings
    cut: dict = field(default_factory=lambda: dict(_PUBLISHED))
    split_by: str = "groups"
    limits: tuple = ()


def open_sources(dataset, data=None, *, effects=EFFECTS, simulation=None, events=None):
    """Open a data set.

    Parameters
    ----------
    dataset : {"simulated", "n170", "visual", "ft10", "bids"}
        Which one.
    data : path-like | None
        Its folder, or one that holds it under its own name; None for that named by ``NPA_DATA``.
    effects : sequence of float
        Effect sizes to simulate.
    simulation : dict | None
        Further arguments of `npa.datasets.simulate_faces`.
    events : dict | None
        Label to descriptions, for ``"bids"``; None for ``face`` and ``noise``.

    Returns
    -------
    sources : list of Source
        One for each effect size, and for each way of cutting the epochs.

    Raises
    ------
    ValueError
        If there is no such data set.
    FileNotFoundError
        If it is not there.

    Examples
    --------
    >>> small = {"n_subjects": 2, "n_trials": 8, "ch_names": ["P8", "Pz"]}
    >>> [source.name for source in open_sources("simulated", effects=(0, 1), simulation=small)]
    ['simulated, effect 0', 'simulated, effect 1']
    """
    check_option("dataset", dataset, DATASETS)
    if dataset == "simulated":
        return [_simulated(effect, simulation or {}) for effect in effects]
    if dataset == "n170":
        limit = (
            "Three subjects, four channels without EOG; the delay of the marker differs by set-up, "
            "so that runs are left out within subjects. No claim about other people can be made."
        )
        return [Source("n170", read_n170_muse(_n170(data)), split_by="runs", limits=(limit,))]
    if dataset == "visual":
        return _visual(data)
    if dataset == "ft10":
        return [Source("ft10", read_face_noise(_folder(data, "ft10")))]
    folder = _folder(data, "bids")
    return [Source("bids", read_bids(folder, events or {"face": "face", "noise": "noise"}))]


def _simulated(effect, simulation):
    """Simulate one effect size."""
    cap = mne.channels.make_standard_montage("biosemi32").ch_names
    settings = {"n_subjects": 4, "n_trials": 160, "ch_names": [*cap, *_EXTRA]} | simulation
    limit = (
        f"{settings['n_subjects']} simulated subjects: what holds is how the tools behave where "
        "the truth is known, not how large the effect is in people."
    )
    found, _ = simulate_faces(effect=effect, **settings)
    return Source(f"simulated, effect {effect:g}", found, limits=(limit,))


def _visual(data):
    """Cut the UCI epochs in both ways."""
    found = read_uci_visual(_folder(data, "uci_visual"))
    limit = (
        "Epochs of 1 s from the picture on: there is no time before it, filters of 1 Hz are longer "
        "than the epoch, and the spectrum that the amplifier is made from is that of the responses "
        "themselves. The pictures are objects: first (S1) against second (S2), 10 and 20 a subject."
    )
    return [
        Source("visual", found, _VISUAL | {"detrend": 0}, limits=(limit,)),
        Source("visual, detrended", found, _VISUAL | {"detrend": 1}, limits=(limit,)),
    ]


def _n170(data):
    """Find the folder of the headband's recordings."""
    return _folder(data, "n170_muse")


def _folder(data, name):
    """Find a data set by its name, in a folder or as the folder itself."""
    if data is None:
        found = find_copies([name])
        if found is None:
            raise FileNotFoundError(
                f"there is no data set {name!r}: name its folder by --data, or the folder that "
                "holds it by NPA_DATA."
            )
        return found / name
    data = Path(data)
    if not data.is_dir():
        raise FileNotFoundError(f"data must be a folder, got {str(data)!r}.")
    return data / name if (data / name).is_dir() else data
