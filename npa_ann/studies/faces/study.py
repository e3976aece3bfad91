"""Faces against noise under several preprocessings and decoders: Doyle et al. (2019), run again."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from npa.checks import check_number, check_option
from npa.typing import PathLike
from npa_ann.studies.cache import Cache
from npa_ann.studies.faces import report
from npa_ann.studies.faces.analysis import (
    audit_dataset,
    audit_noise,
    correct,
    decode,
    mean_responses,
)
from npa_ann.studies.faces.decoders import available_decoders, make_decoders
from npa_ann.studies.faces.trials import (
    CONDITIONS,
    DATASETS,
    EFFECTS,
    MAIN,
    Dataset,
    Part,
    cut_dataset,
    join_conditions,
    open_dataset,
)
from npa_ann.studies.frame import Option, Stage, Study
from npa_ann.studies.pages import Source, versions, write_results

DECODERS = {
    "lda": "LDA",
    "xdawn": "xDAWN",
    "lstm-published": "LSTM, published",
    "lstm-converged": "LSTM, converged",
}
RESULT_PARTS = ("accuracy", "differences", "audit", "noise", "datasets")

_PACKAGES = ("mne", "scikit-learn", "fooof", "pyriemann")

Record = dict[str, dict[str, Any]]  # ``results`` and ``material``: what the figures show


def _sources(
    datasets: Sequence[str],
    data: PathLike | None,
    effects: Sequence[float],
    simulation: Mapping[str, Any],
    events: Mapping[str, Any],
) -> dict[str, Dataset]:
    """Open the datasets."""
    settings: dict[str, Any] = {"effects": effects, "simulation": simulation, "events": events}
    return {
        dataset.name: dataset
        for name in datasets
        for dataset in open_dataset(name, data, **settings)
    }


def _classifiers(
    decoders: Sequence[str] | Mapping[str, BaseEstimator], sfreq: float
) -> Mapping[str, BaseEstimator]:
    """Make the decoders; "all" stands for all that can be made."""
    if isinstance(decoders, Mapping):
        return decoders
    return make_decoders(available_decoders() if "all" in decoders else decoders, sfreq)


def _parts(source: str, sources: dict[str, Dataset], sfreq: float, cache: Cache) -> dict[str, Part]:
    """Cut the trials of one dataset."""
    return cut_dataset(sources[source], sfreq, cache)


def _described(
    source: str, sources: dict[str, Dataset], parts: dict[str, Part]
) -> dict[str, dict[str, Any]]:
    """Describe a dataset: facts, and what its figures show."""
    dataset, conditions = sources[source], join_conditions(parts, CONDITIONS)
    raw = conditions["raw"]
    labels, counts = np.unique(raw.y, return_counts=True)
    failed: dict[str, str] = {}
    for part in parts.values():
        failed = {name: why for name, why in part["failed"].items() if name in CONDITIONS} | failed
    r2 = {name: [part["r2"][name] for part in parts.values()] for name in ("FOOOF", "filters")}
    facts = {
        "identity": joblib.hash([trials.X for trials in conditions.values()]),
        "classes": {str(label): int(n) for label, n in zip(labels, counts, strict=True)},
        "subjects": len(set(raw.groups.tolist())),
        "recordings": len(parts),
        "channels": len(raw.ch_names),
        "sfreq": float(raw.info["sfreq"]),
        "cut": dataset.cut,
        "split_by": dataset.split_by,
        "dropped": sum(part["n_dropped"] for part in parts.values()),
        "blinks_removed": sum(part["blinks"] == "removed" for part in parts.values()),
        "limits": list(dataset.limits),
        "failed": failed,
        "notes": sorted({note for part in parts.values() for note in part["notes"]}),
    }
    return {
        "facts": facts,
        "material": mean_responses(conditions) | {"r2": {"run": list(parts), **r2}},
    }


def _decoded(
    source: str,
    sources: dict[str, Dataset],
    parts: dict[str, Part],
    classifiers: Mapping[str, BaseEstimator],
    conditions: str | Sequence[str],
    n_permutations: int,
    n_bootstraps: int,
    cache: Cache,
) -> dict[str, dict[str, Any]]:
    """Decode one dataset by each decoder."""
    trials = join_conditions(parts, CONDITIONS if conditions == "all" else conditions)
    settings = sources[source].split_by, n_permutations, n_bootstraps, cache
    return {name: decode(trials, name, decoder, *settings) for name, decoder in classifiers.items()}


def _audited(
    parts: dict[str, Part],
    classifiers: Mapping[str, BaseEstimator],
    audit: Sequence[str],
    cache: Cache,
) -> dict[str, Any]:
    """Audit the published recipe on one dataset by the named decoders, and on pure noise."""
    audits = {
        name: audit_dataset(parts, classifiers[name], cache)
        for name in audit
        if name in classifiers
    }
    (raw,) = join_conditions(parts, ["raw"]).values()
    return {"audits": audits, "noise": audit_noise(raw) if audits else None}


def start(record: Record, dataset: str, facts: Mapping[str, Any]) -> None:
    """Put a dataset into the record, without what was found on other trials of this name.

    Its ``facts`` have an ``identity``, a hash of the trials.

    Examples
    --------
    >>> record = {"results": {part: {} for part in RESULT_PARTS}, "material": {}}
    >>> start(record, "made up", {"identity": "a1b2"})
    >>> record["results"]["datasets"]
    {'made up': {'identity': 'a1b2'}}
    """
    results, material = record["results"], record["material"]
    if results["datasets"].get(dataset, {}).get("identity") != facts["identity"]:
        for part in ("accuracy", "differences", "noise"):
            results[part].pop(dataset, None)
        for switch in results["audit"].values():
            switch.pop(dataset, None)
        material.pop(dataset, None)
    results["datasets"][dataset] = dict(facts)
    for part in ("accuracy", "differences"):
        results[part].setdefault(dataset, {})
    material.setdefault(dataset, {}).setdefault("curves", {})


def _record(
    out: Path,
    described: dict[str, Any],
    decoded: dict[str, Any],
    audited: dict[str, Any],
    command: str,
) -> Record:
    """Add what was found to what earlier runs left in the folder."""
    record: Record = {"results": {part: {} for part in RESULT_PARTS} | _read(out, "results")}
    record["material"] = _read(out, "material")
    results, material = record["results"], record["material"]
    for name, found in described.items():
        start(record, name, found["facts"])
        material[name] |= found["material"]
        accuracy = results["accuracy"][name]
        for decoder, own in decoded[name].items():
            for condition, cell in own["cells"].items():
                accuracy.setdefault(condition, {})[decoder] = cell
            results["differences"][name][decoder] = own["differences"]
            if own["curves"]:
                material[name]["curves"][decoder] = own["curves"]
        correct(accuracy)
        for decoder, audit in audited[name]["audits"].items():
            for switch, cells in audit.items():
                scores = results["audit"].setdefault(switch, {}).setdefault(name, {})
                for condition, score in cells.items():
                    scores.setdefault(condition, {})[decoder] = score
        if audited[name]["noise"]:
            results["noise"].setdefault(name, audited[name]["noise"])
    known = results.get("command", "").split("; ")
    results["command"] = "; ".join(dict.fromkeys(each for each in [*known, command] if each))
    results["versions"] = versions(_PACKAGES)
    record["material"] = write_results(material, out / "material.json")
    return record


def _read(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON file, if it is there."""
    path = folder / f"{name}.json"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return read


def _material(record: Record) -> dict[str, Any]:
    """Return what the figures show."""
    return record["material"]


def _results(record: Record) -> dict[str, Any]:
    """Return the results alone."""
    return record["results"]


def _check_conditions(name: str, value: str | Sequence[str]) -> str | Sequence[str]:
    """Check the names of conditions."""
    for each in () if value == "all" else value:
        check_option(name, each, CONDITIONS)
    return value


def _parse_events(words: Sequence[str]) -> dict[str, list[str]]:
    """Turn LABEL=NAME,NAME into a dict."""
    events = dict(word.partition("=")[::2] for word in words)
    if len(events) != 2 or not all(events) or not all(events.values()):
        raise ValueError(f"--events must be two of LABEL=NAME,NAME, got {' '.join(words)!r}.")
    return {label: names.split(",") for label, names in events.items()}


def _names(words: Sequence[str]) -> tuple[str, ...]:
    """Turn the command line's names of decoders into those of the results."""
    return tuple(DECODERS.get(word, word) for word in words)


STUDY = Study(
    name="faces",
    title="Does the Neural Power Amplifier help decoding?",
    sources=(
        Source(
            "Doyle, Toussaint & Evans (2019), Amplifying the Neural Power Spectrum",
            "10.1101/659268",
            "https://github.com/crocodoyle/npa",
        ),
    ),
    options=(
        Option(
            "datasets",
            ("simulated",),
            "one or several",
            choices=DATASETS,
            flag="dataset",
            nargs="+",
        ),
        Option("effects", EFFECTS, "effect sizes to simulate", nargs="+"),
        Option(
            "decoders",
            ("all",),
            "default: all that can be made; none: a report on what is known",
            choices=("all", *DECODERS),
            convert=_names,
        ),
        Option(
            "audit",
            ("LDA",),
            "those of the decoders that audit the published recipe (default: lda)",
            choices=DECODERS,
            convert=_names,
        ),
        Option(
            "conditions",
            "all",
            "main: without whitening and per-channel amplifiers (default: all)",
            choices=("all", "main"),
            convert={"all": "all", "main": MAIN}.__getitem__,
            check=_check_conditions,
        ),
        Option("n_permutations", 180, "for linear decoders", flag="permutations"),
        Option("n_bootstraps", 1000, "for the intervals", flag="bootstraps"),
        Option(
            "events",
            (),
            "for bids: which trial types make each of the two labels, LABEL=NAME,NAME",
            kind=str,
            nargs="+",
            convert=_parse_events,
        ),
        Option("sfreq", 64.0, check=partial(check_number, low=32)),
        Option("simulation", {}),
    ),
    stages=(
        Stage(_sources, cached=False),
        Stage(_classifiers, cached=False),
        Stage(_parts, over="source", cached=False),
        Stage(_described, over="source", cached=False),
        Stage(_decoded, over="source", cached=False),
        Stage(_audited, over="source", cached=False),
        Stage(_record, cached=False),
        Stage(_material, cached=False),
        Stage(_results, cached=False),
    ),
    prose="faces/prose.md",
    facts=report.facts,
    rows=report.compare,
    tables=report.TABLES,
    plots=report.PLOTS,
)
