"""Faces against noise under several preprocessings and decoders: Doyle et al. (2019), run again."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_validate

from npa.checks import check_number, check_option
from npa.decoding import audit_scaling, compare, minmax_per_class
from npa.decoding.resampling import auc, draw_within, holm
from npa.recordings.trials import Trials
from npa.typing import AnyArray, FloatArray, PathLike
from npa_ann.studies.cache import Cache
from npa_ann.studies.faces import report
from npa_ann.studies.faces.decoders import LINEAR, LSTMS, make_decoders
from npa_ann.studies.faces.trials import (
    CONDITIONS,
    DATASETS,
    EFFECTS,
    MAIN,
    SWITCHES,
    WINDOWS,
    Dataset,
    Part,
    Results,
    apply_switch,
    channel_positions,
    cut_dataset,
    join_conditions,
    open_dataset,
)
from npa_ann.studies.frame import Option, Stage, Study
from npa_ann.studies.pages import Source, flatten_keys, versions, write_results

DECODERS = {name.lower().replace(", ", "-"): name for name in (*LINEAR, *LSTMS)}
RESULT_PARTS = ("accuracy", "differences", "audit", "noise", "datasets")

_PACKAGES = ("mne", "scikit-learn", "fooof", "pyriemann")
_METRICS = ("auc", "accuracy", "balanced_accuracy")
_MAX_EXACT_SUBJECTS = 16  # up to which all sign patterns are enumerated
_N_SIGN_FLIPS = 2**16
_N_FOLDS = 5
_N_NOISE_PERMUTATIONS = 99
_MIN_MAP_CHANNELS = 8
# Names in the 10-05 system, in BioSemi's cap of 128, and on a headband.
_SITES = {
    "N170": (("P9", "P10", "PO7", "PO8"), ("D32", "B10", "A10", "B7"), ("TP9", "TP10")),
    "P300": (("Pz", "CPz", "P1", "P2"), ("A19",)),
}


def _sources(
    datasets: Sequence[str],
    data: PathLike | None,
    effects: Sequence[float],
    simulation: Results,
    events: Results,
) -> dict[str, Dataset]:
    """Open the datasets."""
    settings: Results = {"effects": effects, "simulation": simulation, "events": events}
    opened = [each for name in datasets for each in open_dataset(name, data, **settings)]
    return {dataset.name: dataset for dataset in opened}


def _classifiers(
    decoders: Sequence[str] | Mapping[str, BaseEstimator], sfreq: float
) -> Mapping[str, BaseEstimator]:
    """Make the decoders; "all" stands for all that can be made: xDAWN needs pyriemann."""
    if isinstance(decoders, Mapping):
        return decoders
    if "all" in decoders:
        there = find_spec("pyriemann") is not None
        decoders = [name for name in DECODERS.values() if there or name != "xDAWN"]
    return make_decoders(decoders, sfreq)


def _parts(source: str, sources: dict[str, Dataset], sfreq: float, cache: Cache) -> dict[str, Part]:
    """Cut the trials of one dataset."""
    return cut_dataset(sources[source], sfreq, cache)


def _described(source: str, sources: dict[str, Dataset], parts: dict[str, Part]) -> Results:
    """Describe a dataset: facts, and what its figures show."""
    dataset, conditions = sources[source], join_conditions(parts, CONDITIONS)
    raw = conditions["raw"]
    labels, counts = np.unique(raw.y, return_counts=True)
    failures = [part["failed"].items() for part in reversed(parts.values())]  # the first one stays
    facts = {
        "identity": joblib.hash([trials.X for trials in conditions.values()]),
        "classes": dict(zip(labels.tolist(), counts.tolist(), strict=True)),
        "subjects": len(set(raw.groups.tolist())),
        "recordings": len(parts),
        "channels": len(raw.ch_names),
        "sfreq": float(raw.info["sfreq"]),
        "cut": dataset.cut,
        "split_by": dataset.split_by,
        "dropped": sum(part["n_dropped"] for part in parts.values()),
        "blinks_removed": sum(part["blinks"] == "removed" for part in parts.values()),
        "limits": list(dataset.limits),
        "failed": {name: why for own in failures for name, why in own if name in CONDITIONS},
        "notes": sorted({note for part in parts.values() for note in part["notes"]}),
    }
    r2 = {name: [part["r2"][name] for part in parts.values()] for name in ("FOOOF", "filters")}
    return {
        "facts": facts,
        "material": _mean_responses(conditions) | {"r2": {"run": list(parts), **r2}},
    }


def _mean_responses(conditions: Mapping[str, Trials]) -> Results:
    """Average the difference of responses, first class minus second, over subjects.

    Returns ``times`` (s), ``labels``, ``sites`` (channels of N170 and P300), ``erp``: condition to
    site to volts, ``maps``: condition to window to volts of every channel, and ``positions`` (m);
    maps and positions are empty where there are few channels.
    """
    first = next(iter(conditions.values()))
    names, times, labels = list(first.ch_names), first.times, np.unique(first.y)
    sites = {}
    for name, caps in _SITES.items():
        found = [[site for site in cap if site in names] for cap in caps]
        if any(found):
            sites[name] = next(filter(None, found))
    rows = {name: [names.index(site) for site in own] for name, own in sites.items()}
    within = {name: (times >= start) & (times <= stop) for name, (start, stop) in WINDOWS.items()}
    volts = {condition: _difference(trials, labels) for condition, trials in conditions.items()}
    positions = channel_positions(first.info)
    mapped = volts if len(positions) >= _MIN_MAP_CHANNELS else {}
    return {
        "times": times.tolist(),
        "labels": labels.tolist(),
        "sites": sites,
        "erp": {
            condition: {name: own[each].mean(axis=0).tolist() for name, each in rows.items()}
            for condition, own in volts.items()
        },
        "maps": {
            condition: {name: own[:, each].mean(axis=1).tolist() for name, each in within.items()}
            for condition, own in mapped.items()
        },
        "ch_names": names,
        "positions": positions if mapped else {},
    }


def _difference(trials: Trials, labels: AnyArray) -> FloatArray:
    """Mean of the first label minus that of the second, with equal weight for each subject."""
    differences = []
    for subject in np.unique(trials.groups):
        own = trials.groups == subject
        if len(np.unique(trials.y[own])) > 1:
            one, other = (trials.X[own & (trials.y == label)].mean(axis=0) for label in labels[:2])
            differences.append(one - other)
    return np.asarray(np.mean(differences, axis=0, dtype=float))


def _decoded(
    source: str,
    sources: dict[str, Dataset],
    parts: dict[str, Part],
    classifiers: Mapping[str, BaseEstimator],
    conditions: str | Sequence[str],
    n_permutations: int,
    n_bootstraps: int,
    cache: Cache,
) -> Results:
    """Decode one dataset by each decoder."""
    trials = join_conditions(parts, CONDITIONS if conditions == "all" else conditions)
    settings = sources[source].split_by, n_permutations, n_bootstraps, cache
    return {name: _decode(trials, each, *settings) for name, each in classifiers.items()}


def _decode(
    conditions: Mapping[str, Trials],
    decoder: BaseEstimator,
    split_by: str,
    n_permutations: int,
    n_bootstraps: int,
    cache: Cache,
) -> Results:
    """Decode all conditions of a dataset by one decoder.

    Returns ``cells``: condition to scores with intervals, ``p_uncorrected`` and ``folds``;
    ``differences``: ``"NPA - raw"`` and so on to difference of AUC, interval and sign-flip test;
    ``curves``: condition to fold to training curves. Only linear decoders under the four conditions
    of the paper are permuted, so that the correction for the number of tests stays small.
    """
    run = partial(
        compare, decoders={"": decoder}, cv=LeaveOneGroupOut(), split_by=split_by, memory=cache
    )
    made = run(conditions, n_permutations=0, n_bootstraps=n_bootstraps)
    cells = {
        row["condition"]: _cell(row, made, split_by, n_bootstraps)
        for row in made.cells.to_dict("records")
    }
    main = {condition: conditions[condition] for condition in MAIN if condition in conditions}
    if n_permutations and main:
        tested = run(main, n_permutations=n_permutations, n_bootstraps=1).cells
        for condition, p in zip(tested["condition"], tested["p"], strict=True):
            cells[condition] |= {"p_uncorrected": p, "permutations": n_permutations}
    subjects = dict(zip(made.predictions["fold"], made.predictions["subject"], strict=True))
    folds = made.folds.assign(subject=made.folds["fold"].map(subjects))
    by_subject = folds.pivot_table("auc", "subject", "condition")
    differences = {
        f"{row['condition']} - {row['minus']}": {
            "auc": row["auc"],
            "interval": [row["auc_low"], row["auc_high"]],
            **_sign_flip(by_subject[row["condition"]] - by_subject[row["minus"]]),
        }
        for row in made.differences.to_dict("records")
    }
    curves: Results = {}
    for (condition, _, fold), history in made.histories.items():
        curves.setdefault(condition, {})[fold] = history
    return {"cells": cells, "differences": differences, "curves": curves}


def _cell(row: Results, made: Any, split_by: str, n_bootstraps: int) -> Results:
    """Summarize one condition; ``pooled_auc`` only where subjects are held out."""
    cell: Results = {}
    for metric in _METRICS:
        cell[metric] = row[metric]
        interval = "interval" if metric == "auc" else f"{metric}_interval"
        cell[interval] = [row[f"{metric}_low"], row[f"{metric}_high"]]
    if split_by == "groups":
        own = made.predictions[made.predictions["condition"] == row["condition"]]
        cell |= _pooled_auc(own, n_bootstraps)
    folds = made.folds[made.folds["condition"] == row["condition"]]
    return cell | {"folds": folds[["fold", "n_trials", *_METRICS]].to_dict("records")}


def _pooled_auc(predictions: Any, n_bootstraps: int) -> Results:
    """AUC over all tested trials, with an interval that resamples within subject and class."""
    last = sorted(predictions["label"].unique())[-1]
    positive = (predictions["label"] == last).to_numpy()
    scores = predictions[f"score_{last}"].to_numpy()
    strata = np.unique(predictions["subject"] + "/" + predictions["label"], return_inverse=True)[1]
    rows = draw_within(strata, n_bootstraps, np.random.default_rng(0))
    interval = np.percentile(auc(scores[rows], positive[rows]), [2.5, 97.5])
    return {"pooled_auc": float(auc(scores, positive)), "pooled_interval": interval.tolist()}


def _sign_flip(differences: FloatArray) -> dict[str, float | int]:
    """Test by sign flips whether differences between paired subjects have mean zero.

    ``lowest_p`` is the lowest possible p-value of so few subjects, 2 / 2^n.
    """
    n = len(differences)
    if n <= _MAX_EXACT_SUBJECTS:
        signs = np.array(list(product((1, -1), repeat=n)))
    else:
        draws = np.random.default_rng(0).choice((1, -1), (_N_SIGN_FLIPS - 1, n))
        signs = np.vstack([np.ones(n), draws])
    means = np.abs(signs @ np.asarray(differences))
    p = float(np.mean(means >= means[0] - 1e-12))
    return {"n_subjects": n, "sign_flip_p": p, "lowest_p": float(max(2 / 2**n, 1 / len(signs)))}


def _audited(
    parts: dict[str, Part],
    classifiers: Mapping[str, BaseEstimator],
    audit: Sequence[str],
    cache: Cache,
) -> Results:
    """Audit the published recipe on one dataset by the named decoders, and on pure noise.

    ``audits``: decoder to switch to condition to scores; ``noise``: None without audits.
    """
    score = cache.cache(_score_subjects, ignore=["X"])
    audits: Results = {name: {} for name in audit if name in classifiers}
    made = join_conditions(parts, MAIN)
    for name, switch, condition in product(audits, SWITCHES, made):
        if condition in SWITCHES[switch]:
            trials = apply_switch(parts, switch, condition)
            given = classifiers[name], joblib.hash(trials.X), trials.y, trials.groups
            scores = {how: score(*given, how, trials.X) for how in ("within", "across")}
            audits[name].setdefault(switch, {})[condition] = scores
    return {"audits": audits, "noise": _audit_noise(made["raw"]) if audits else None}


def _audit_noise(trials: Trials) -> Results:
    """Test on noise like the trials whether scaling each class of each recording leaks labels."""
    given = trials.X, trials.y, trials.runs, minmax_per_class
    try:
        found = audit_scaling(*given, n_permutations=_N_NOISE_PERMUTATIONS)
    except ValueError as error:  # too few trials of a class
        return {"verdict": f"Not tested: {error}"}
    leaks = {"leaks_within": bool(found.leaks_within), "leaks_across": bool(found.leaks_across)}
    return leaks | {"verdict": found.verdict}


def _score_subjects(
    decoder: BaseEstimator, key: str, y: AnyArray, groups: AnyArray, how: str, X: FloatArray
) -> dict[str, float] | None:
    """Score a decoder on each subject; ``key``, a hash, stands for ``X`` in a cache.

    Returns means over subjects, and the lowest and highest AUC; None across a single one.
    """
    scorer = make_scorer(_binary_auc, response_method=("decision_function", "predict_proba"))
    scoring = {"accuracy": "accuracy", "auc": scorer}
    run = partial(cross_validate, decoder, scoring=scoring, error_score="raise")
    subjects = np.unique(groups)
    if how == "across":
        if len(subjects) < 2:
            return None
        found = run(X, y, groups=groups, cv=LeaveOneGroupOut())
        scores = [found[f"test_{name}"] for name in scoring]
    else:
        means = []
        for own in (groups == subject for subject in subjects):
            n_folds = min(_N_FOLDS, np.unique(y[own], return_counts=True)[1].min())
            folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
            found = run(X[own], y[own], cv=folds)
            means.append([found[f"test_{name}"].mean() for name in scoring])
        scores = list(np.transpose(means))
    accuracies, areas = scores
    return {
        "accuracy": float(accuracies.mean()),
        "auc": float(areas.mean()),
        "lowest": float(areas.min()),
        "highest": float(areas.max()),
    }


def _binary_auc(y: AnyArray, scores: FloatArray) -> float:
    """AUC of the scores of the last class; NaN if there is only one."""
    return float(auc(scores, y == np.unique(y)[-1]))


def _record(
    out: Path, described: Results, decoded: Results, audited: Results, command: str
) -> Results:
    """Add what was found to what earlier runs left in the folder.

    Returns ``results``, and ``material``: what the figures show.
    """
    results: Results = {part: {} for part in RESULT_PARTS} | _read(out, "results")
    material = _read(out, "material")
    for name, found in described.items():
        _start(results, material, name, found["facts"])
        material[name] |= found["material"]
        accuracy = results["accuracy"][name]
        for decoder, own in decoded[name].items():
            for condition, cell in own["cells"].items():
                accuracy.setdefault(condition, {})[decoder] = cell
            results["differences"][name][decoder] = own["differences"]
            if own["curves"]:
                material[name]["curves"][decoder] = own["curves"]
        cells = list(flatten_keys(accuracy, 2).values())
        uncorrected = np.array([cell.get("p_uncorrected") for cell in cells], dtype=float)
        for cell, p in zip(cells, holm(uncorrected), strict=True):
            cell["p"] = float(p)
        audits = flatten_keys(audited[name]["audits"], 3)
        for (decoder, switch, condition), scores in audits.items():
            own = results["audit"].setdefault(switch, {}).setdefault(name, {})
            own.setdefault(condition, {})[decoder] = scores
        if audited[name]["noise"]:
            results["noise"].setdefault(name, audited[name]["noise"])
    known = results.get("command", "").split("; ")
    results["command"] = "; ".join(dict.fromkeys(each for each in [*known, command] if each))
    results["versions"] = versions(_PACKAGES)
    return {"results": results, "material": write_results(material, out / "material.json")}


def _start(results: Results, material: Results, dataset: str, facts: Results) -> None:
    """Enter a dataset, and forget what was found on other trials of this name."""
    if results["datasets"].get(dataset, {}).get("identity") != facts["identity"]:
        known = [results[part] for part in ("accuracy", "differences", "noise")]
        for part in [*known, *results["audit"].values(), material]:
            part.pop(dataset, None)
    results["datasets"][dataset] = facts
    for part in ("accuracy", "differences"):
        results[part].setdefault(dataset, {})
    material.setdefault(dataset, {}).setdefault("curves", {})


def _read(folder: Path, name: str) -> Results:
    """Read a JSON file, if it is there."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _material(record: Results) -> Results:
    """Return what the figures show."""
    return record["material"]


def _results(record: Results) -> Results:
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
