"""What the figures are drawn from: mean responses, maps, and how well the filters fit."""

import numpy as np

WINDOWS = {"N170": (0.14, 0.20), "P300": (0.30, 0.46)}  # s
# By their names in the 10-05 system, in BioSemi's cap of 128, and on a headband.
_SITES = {
    "N170": (("P9", "P10", "PO7", "PO8"), ("D32", "B10", "A10", "B7"), ("TP9", "TP10")),
    "P300": (("Pz", "CPz", "P1", "P2"), ("A19",)),
}
_FEWEST_FOR_MAPS = 8


def mean_responses(conditions):
    """Average responses, first class minus second, over subjects.

    Parameters
    ----------
    conditions : dict of str to Trials
        Condition to trials.

    Returns
    -------
    material : dict
        ``times`` (s), ``labels``, ``sites`` (channels of N170 and P300), ``erp``: condition to
        site to volts, ``maps``: condition to window to volts of every channel, ``positions``:
        channel to x, y, z in m; maps and positions are empty where there are few.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> from npa.recordings.trials import collect_trials
    >>> found, _ = simulate_faces(2, 40, effect=3, ch_names=["P9", "P10", "Pz"])
    >>> material = mean_responses({"raw": collect_trials(found.recordings, found.event_id)})
    >>> material["sites"]
    {'N170': ['P9', 'P10'], 'P300': ['Pz']}
    """
    first = next(iter(conditions.values()))
    labels = np.unique(first.y)
    sites = {}
    for name, caps in _SITES.items():
        found = [[site for site in cap if site in first.ch_names] for cap in caps]
        if any(found):
            sites[name] = next(filter(None, found))
    positions = _positions(first.info)
    erp, maps = {}, {}
    for condition, trials in conditions.items():
        difference = _difference(trials, labels)
        erp[condition] = {
            name: difference[[trials.ch_names.index(site) for site in found]].mean(axis=0).tolist()
            for name, found in sites.items()
        }
        if len(positions) >= _FEWEST_FOR_MAPS:
            maps[condition] = {
                name: difference[:, _within(trials.times, *window)].mean(axis=1).tolist()
                for name, window in WINDOWS.items()
            }
    return {
        "times": first.times.tolist(),
        "labels": [str(label) for label in labels],
        "sites": sites,
        "erp": erp,
        "maps": maps,
        "ch_names": list(first.ch_names),
        "positions": positions if maps else {},
    }


def fits(parts):
    """List how well spectra and filters fit, recording by recording.

    Parameters
    ----------
    parts : dict of str to CutRecording
        Recording to its trials.

    Returns
    -------
    r2 : dict of str to list
        ``run``, ``FOOOF`` and ``filters``.

    Examples
    --------
    >>> fits({})
    {'run': [], 'FOOOF': [], 'filters': []}
    """
    return {
        "run": list(parts),
        **{
            name: [part.r2[name] if np.isfinite(part.r2[name]) else None for part in parts.values()]
            for name in ("FOOOF", "filters")
        },
    }


def _difference(trials, labels):
    """Mean of the first label minus that of the second, each subject counting the same."""
    means = [
        [
            trials.X[(trials.groups == subject) & (trials.y == label)].mean(axis=0)
            for label in labels[:2]
        ]
        for subject in np.unique(trials.groups)
        if len(np.unique(trials.y[trials.groups == subject])) > 1
    ]
    return np.mean([one - other for one, other in means], axis=0, dtype=float)


def _within(times, start, stop):
    """Select the times of a window."""
    return (times >= start) & (times <= stop)


def _positions(info):
    """Return the positions of the channels that have one."""
    places = {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}
    return {
        name: place.tolist()
        for name, place in places.items()
        if np.isfinite(place).all() and np.any(place)
    }
