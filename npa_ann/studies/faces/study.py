"""Faces against noise under four preprocessings, by four decoders, with the audit of the 98 %."""

import platform
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import joblib
import keras

from npa import __version__
from npa.checks import check_number, check_option
from npa_ann.studies.faces.cells import correct, decode
from npa_ann.studies.faces.command import EFFECTS
from npa_ann.studies.faces.conditions import CONDITIONS, cut_source, join_condition
from npa_ann.studies.faces.decoders import LINEAR, LSTMS, has_xdawn, make_decoders
from npa_ann.studies.faces.material import fits, mean_responses
from npa_ann.studies.faces.recipe import audit_noise, audit_source
from npa_ann.studies.faces.record import Record
from npa_ann.studies.faces.report import write_report
from npa_ann.studies.faces.sources import open_sources

_PACKAGES = ("mne", "numpy", "scikit-learn", "fooof", "keras", "pyriemann")


def run(
    data=None,
    datasets=("simulated",),
    out="faces",
    *,
    decoders=None,
    audit=("LDA",),
    n_permutations=180,
    n_bootstraps=1000,
    sfreq=64.0,
    effects=EFFECTS,
    simulation=None,
    events=None,
    conditions=CONDITIONS,
    progress=None,
    command=None,
):
    """Rerun the study: conditions, decoders, audit, figures, tables and report.

    Parameters
    ----------
    data : path-like | None
        Where the recordings lie, as for `npa_ann.studies.faces.sources.open_sources`.
    datasets : sequence of {"simulated", "n170", "visual", "ft10", "bids"}
        What to decode.
    out : path-like
        Where to write. What an earlier, even interrupted, run left there is taken up, and stays
        in the tables.
    decoders : sequence of str | dict of str to estimator | None
        Names as for `npa_ann.studies.faces.decoders.make_decoders`, or classifiers; None for all
        that can be made, an empty one for a report on what is known. They run in this order, each
        on all data sets.
    audit : sequence of str
        Those of the decoders that audit the published recipe; empty for no audit.
    n_permutations, n_bootstraps : int
        As for `npa.decoding.compare`.
    sfreq : float
        Sampling rate in Hz that trials are resampled to.
    effects : sequence of float
        Effect sizes to simulate.
    simulation : dict | None
        Further arguments of `npa.datasets.simulate_faces`.
    events : dict | None
        Label to descriptions of events, for ``"bids"``.
    conditions : sequence of str
        Which preprocessings to decode; all of them are cut and drawn.
    progress : callable | None
        Wraps lists of jobs, as tqdm does.
    command : str | None
        How the study was called, for the record.

    Returns
    -------
    results : dict
        What ``results.json`` holds.

    Raises
    ------
    FileNotFoundError
        If a data set is not there.
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Written are ``results.json``, ``results.md``, ``report.html``, PNG figures, ``material.json``
    (what the figures show) and ``kept``, from which an interrupted run resumes: recording by
    recording, fold by fold, and by 20 permutations.

    References
    ----------
    .. [1] Doyle, J. A., Toussaint, P.-J., & Evans, A. C. (2019). Amplifying the Neural Power
       Spectrum. bioRxiv 659268. https://doi.org/10.1101/659268

    Examples
    --------
    >>> run(datasets=["houses"])
    Traceback (most recent call last):
    ValueError: dataset must be one of ['simulated', ..., 'bids'], got 'houses'.
    """
    sfreq = check_number("sfreq", sfreq, low=32)
    for name in conditions:
        check_option("conditions", name, CONDITIONS)
    if not isinstance(decoders, Mapping):
        decoders = make_decoders(_available() if decoders is None else decoders, sfreq)
    settings = {"effects": effects, "simulation": simulation, "events": events}
    sources = [source for name in datasets for source in open_sources(name, data, **settings)]
    record, memory = Record(out), joblib.Memory(Path(out) / "kept", verbose=0)
    record.results["versions"] = _versions()
    record.add_command(command or f"npa_ann.studies.faces.run(datasets={list(datasets)})")
    cut = {}
    for source in sources:
        cut[source.name] = cut_source(source, sfreq, memory, progress)
        _describe(record, source, cut[source.name])
    record.save()
    counts = {"n_permutations": n_permutations, "n_bootstraps": n_bootstraps, "memory": memory}
    chosen = {
        name: {key: each for key, each in _join(parts).items() if key in conditions}
        for name, parts in cut.items()
    }
    jobs = [
        partial(_decode, record, source, chosen[source.name], name, decoder, **counts)
        for name, decoder in decoders.items()
        for source in sources
    ]
    jobs += [
        partial(_audit, record, source, cut[source.name], name, decoders[name], memory)
        for name in audit
        if name in decoders
        for source in sources
    ]
    for job in jobs if progress is None else progress(jobs):
        job()
        record.save()
    write_report(record.results, record.material, record.folder)
    return record.results


def _available():
    """Name the decoders that can be made here."""
    return [name for name in (*LINEAR, *LSTMS) if name != "xDAWN" or has_xdawn()]


def _join(parts):
    """Return the trials under every condition that could be made of all recordings."""
    return {
        name: join_condition(parts, name)
        for name in CONDITIONS
        if all(name in part.trials for part in parts.values())
    }


def _describe(record, source, parts):
    """Put down what a data set is, and what its figures show."""
    conditions = _join(parts)
    raw = conditions["raw"]
    labels = sorted(set(raw.y.tolist()))
    failed = {}
    for part in parts.values():
        for name, reason in part.failed.items():
            if name in CONDITIONS:
                failed.setdefault(name, reason)
    facts = {
        "classes": {str(label): int((raw.y == label).sum()) for label in labels},
        "subjects": len(set(raw.groups.tolist())),
        "recordings": len(parts),
        "channels": len(raw.ch_names),
        "sfreq": float(raw.info["sfreq"]),
        "cut": source.cut,
        "split_by": source.split_by,
        "dropped": sum(part.n_dropped for part in parts.values()),
        "blinks_removed": sum(part.blinks == "removed" for part in parts.values()),
        "limits": list(source.limits),
        "failed": failed,
        "notes": sorted({note for part in parts.values() for note in part.notes}),
    }
    identity = joblib.hash([trials.X for trials in conditions.values()])
    record.begin(source.name, identity, facts)
    record.material[source.name] |= {**mean_responses(conditions), "r2": fits(parts)}


def _decode(record, source, conditions, name, decoder, **settings):
    """Decode one data set by one decoder, and put down what was found."""
    cells, differences, curves = decode(conditions, name, decoder, source.split_by, **settings)
    accuracy = record.results["accuracy"][source.name]
    for condition, cell in cells.items():
        accuracy.setdefault(condition, {})[name] = cell
    correct(accuracy)
    record.results["differences"][source.name][name] = differences
    if curves:
        record.material[source.name]["curves"][name] = curves


def _audit(record, source, parts, name, decoder, memory):
    """Try the published recipe on one data set, and put down what was found."""
    conditions = _join(parts)
    for switch, found in audit_source(parts, conditions, decoder, memory).items():
        cells = record.results["audit"].setdefault(switch, {}).setdefault(source.name, {})
        for condition, scores in found.items():
            cells.setdefault(condition, {})[name] = scores
    if source.name not in record.results["noise"]:
        record.results["noise"][source.name] = audit_noise(conditions["raw"])


def _versions():
    """Name the software."""
    found = {"python": platform.python_version(), "npa": __version__}
    for name in (*_PACKAGES, keras.backend.backend()):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
