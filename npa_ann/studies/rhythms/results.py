"""What the study of rhythms found, condensed into plain numbers, and what the lecture found."""

import numpy as np
from scipy.stats import t

from npa_ann.networks.oscillators import golden_frequencies
from npa_ann.studies.rhythms.bridge import READ_FROM, SFREQ, ring_down, while_reading
from npa_ann.studies.rhythms.jobs import ABLATIONS, NETWORKS, SPACINGS

# Mean, standard error and number of networks.
LECTURE = {
    "resonant_rnn": (0.759, 0.007, 11),
    "lstm": (0.715, 0.019, 6),
    "rnn": (0.617, 0.018, 11),
}
AIMS = {"resonant_rnn": 0.74, "lstm": 0.68, "rnn": 0.58}
HORN_FREQUENCY = SFREQ / 28  # omega = 2 pi / 28 a step
STATES = ("untrained", "trained")


def measure(network, pixels):
    """Read one network like a brain, before and after its training.

    Parameters
    ----------
    network : npa_ann.studies.rhythms.trained.DigitNetwork
        The network.
    pixels : array, shape (n_digits, time, 1)
        Digits in [0, 1] for it to read.

    Returns
    -------
    measured : dict
        ``network``, ``reading`` (state to `npa_ann.studies.rhythms.bridge.Reading`), and of
        resonant networks ``ring_down`` (state to peaks) and ``coupling`` (state to the root mean
        square of W off its diagonal).

    Examples
    --------
    >>> measure(network, pixels)["reading"]["trained"].peaks  # doctest: +SKIP
    """
    measured = {"network": network, "reading": {}, "ring_down": {}, "coupling": {}}
    for state in STATES:
        model = network.model(state)
        measured["reading"][state] = while_reading(model, network.name, pixels)
        if network.name == "resonant_rnn":
            measured["ring_down"][state] = ring_down(model)
            weights = model.get_layer("rhythm").get_weights()[0]
            measured["coupling"][state] = float(np.sqrt(np.mean(np.square(weights))))
    return measured


def summarize(jobs, measured, records):
    """Condense everything that was trained and measured.

    Parameters
    ----------
    jobs : list of npa_ann.studies.rhythms.jobs.Job
        What the study is made of.
    measured : list of dict
        What `measure` gave for each of the four networks and seeds.
    records : dict
        Folder of a finished training to its record.

    Returns
    -------
    results : dict
        Numbers, strings, lists and dicts only. ``not_run`` lists the jobs without a result.

    Examples
    --------
    >>> summarize([], measured=[], records={})["test_accuracy"]
    {'resonant_rnn': [], 'lstm': [], 'rnn': [], 'horn': []}
    """
    by_name = {
        name: [found for found in measured if found["network"].name == name] for name in NETWORKS
    }
    by_name = {name: found for name, found in by_name.items() if found}
    chosen = {name: [m["network"].chosen for m in found] for name, found in by_name.items()}
    accuracy = {name: _accuracies(chosen.get(name, [])) for name in NETWORKS}
    done = {f"{m['network'].name}_{m['network'].seed}" for m in measured} | set(records)
    spacing = {"golden": accuracy["resonant_rnn"]}
    spacing |= {name: [] for name in (*SPACINGS, *ABLATIONS)}
    seeds = {name: [m["network"].seed for m in found] for name, found in by_name.items()}
    for job in jobs:
        if job.name in (*SPACINGS, *ABLATIONS) and job.folder in records:
            record = records[job.folder]
            best = record["epochs"][record["chosen"]["validation"]]
            spacing[job.name].append(best["test"]["accuracy"])
            seeds.setdefault(job.name, []).append(job.seed)
    return {
        "test_accuracy": accuracy,
        "validation_accuracy": {name: _accuracies(e, "validation") for name, e in chosen.items()},
        "chosen_epoch": {name: [entry["epoch"] for entry in e] for name, e in chosen.items()},
        "seeds": seeds,
        "spacing": spacing,
        "frequencies": _frequencies(by_name.get("resonant_rnn", [])),
        "horn_peak": _horn_peaks(by_name.get("horn", [])),
        "slope": {name: _slopes(found) for name, found in by_name.items()},
        "input_slope": _mean([m["reading"]["trained"].input_slopes for m in measured]),
        "coupling": {
            state: [m["coupling"][state] for m in by_name.get("resonant_rnn", [])]
            for state in STATES
        },
        "recipe": {name: found[0]["network"].settings for name, found in by_name.items()},
        "learning": {
            name: _accuracies(records[name]["epochs"], "validation")
            for name in sorted(done & set(records))
        },
        "trained_with": _trained_with(records),
        "not_run": [job.folder for job in jobs if job.folder not in done],
    }


def spread(values):
    """Describe accuracies of several networks.

    Parameters
    ----------
    values : sequence of float
        One number a network.

    Returns
    -------
    spread : dict
        ``mean``, ``n``, and, of two networks on, ``sem`` and the 95 % interval ``low``, ``high``
        of the mean by Student's t; else None.

    Examples
    --------
    >>> spread([0.5])["sem"]
    >>> {name: round(value, 3) for name, value in spread([0.7, 0.8]).items()}
    {'mean': 0.75, 'n': 2, 'sem': 0.05, 'low': 0.115, 'high': 1.385}
    """
    values = np.asarray(values, dtype=float)
    found = {"mean": float(values.mean()), "n": len(values), "sem": None, "low": None, "high": None}
    if len(values) > 1:
        sem = float(values.std(ddof=1) / np.sqrt(len(values)))
        half = float(t.ppf(0.975, len(values) - 1)) * sem
        found |= {"sem": sem, "low": found["mean"] - half, "high": found["mean"] + half}
    return found


def _accuracies(entries, part="test"):
    """Accuracy on one part of the digits, epoch by epoch or network by network."""
    return [entry[part]["accuracy"] for entry in entries]


def _frequencies(found):
    """Designed and recorded frequencies of the nodes; slow ones from the ring-down."""
    designed = golden_frequencies(sfreq=SFREQ)
    from_digits = designed >= READ_FROM
    results = {
        "designed": designed.tolist(),
        "read_from": ["digits" if each else "ring-down" for each in from_digits],
        "recorded": None,
    }
    for state in STATES:
        peaks = [
            np.where(from_digits, m["reading"][state].peaks, m["ring_down"][state]).tolist()
            for m in found
        ]
        rings = [m["ring_down"][state].tolist() for m in found]
        results[state] = {"recorded": peaks, "ring_down": rings}
    if found:
        results["recorded"] = np.mean(results["trained"]["recorded"], axis=0).tolist()
    return results


def _horn_peaks(found):
    """Where the harmonic oscillators peak, Hz at 1000 steps a second, network by network."""
    results = {"designed": HORN_FREQUENCY}
    for state in STATES:
        results[state] = [float(np.median(m["reading"][state].peaks)) for m in found]
    return results


def _slopes(found):
    """Mean slope over digits, network by network, before and after training."""
    return {state: [_mean([m["reading"][state].slopes]) for m in found] for state in STATES}


def _mean(arrays):
    """Mean of all values; None where there are none."""
    values = np.concatenate(arrays) if arrays else np.array([])
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _trained_with(records):
    """Name the versions that the trainings ran with, each once."""
    versions = {
        ", ".join(f"{name} {number}" for name, number in record["versions"].items())
        for record in records.values()
    }
    return sorted(versions)
