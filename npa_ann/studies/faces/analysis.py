"""What the faces study computes from trials: decoding, differences, audit and mean responses."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold

from npa.decoding import audit_scaling, compare, minmax_per_class
from npa.decoding.resampling import auc, draw_within, holm
from npa.recordings.trials import Trials
from npa.typing import AnyArray, BoolArray, FloatArray, IntArray
from npa_ann.studies.cache import Cache
from npa_ann.studies.faces.trials import (
    MAIN,
    SWITCHES,
    Part,
    apply_switch,
    changes,
    channel_positions,
    join_conditions,
)

WINDOWS = {"N170": (0.14, 0.20), "P300": (0.30, 0.46)}  # s

_METRICS = ("auc", "accuracy", "balanced_accuracy")
_MAX_EXACT_SUBJECTS = 16  # up to which all sign patterns are enumerated
_N_SIGN_FLIPS = 2**16
_N_FOLDS = 5
_MIN_MAP_CHANNELS = 8
# Names in the 10-05 system, in BioSemi's cap of 128, and on a headband.
_SITES = {
    "N170": (("P9", "P10", "PO7", "PO8"), ("D32", "B10", "A10", "B7"), ("TP9", "TP10")),
    "P300": (("Pz", "CPz", "P1", "P2"), ("A19",)),
}


def decode(
    conditions: Mapping[str, Trials],
    name: str,
    decoder: BaseEstimator,
    split_by: str,
    n_permutations: int,
    n_bootstraps: int,
    cache: Cache,
) -> dict[str, Any]:
    """Decode all conditions of a dataset by one decoder.

    Returns ``cells``: condition to ``auc``, ``accuracy``, ``balanced_accuracy`` with intervals,
    ``pooled_auc`` over all trials where subjects are held out, ``p_uncorrected`` and ``folds``;
    ``differences``: ``"NPA - raw"`` and so on to difference of AUC, interval and sign-flip test;
    ``curves``: condition to fold to training curves. Only linear decoders under the four conditions
    of the paper are permuted, so that the correction for the number of tests stays small. ``cache``
    keeps folds and permutations.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> from npa.recordings.trials import collect_trials
    >>> from npa_ann.studies.faces.decoders import make_decoders
    >>> found, _ = simulate_faces(3, 40, effect=3, ch_names=["P8", "Pz"])
    >>> conditions = {"raw": collect_trials(found.recordings, found.event_id)}
    >>> lda = make_decoders(["LDA"], 256.0)["LDA"]
    >>> found = decode(conditions, "LDA", lda, "groups", 0, 100, Cache("cached"))
    >>> found["cells"]["raw"]["auc"] > 0.7
    True
    """
    settings: dict[str, Any] = {"cv": LeaveOneGroupOut(), "split_by": split_by, "memory": cache}
    made = compare(
        conditions, {name: decoder}, n_permutations=0, n_bootstraps=n_bootstraps, **settings
    )
    cells = {
        row["condition"]: _cell(row, made, split_by, n_bootstraps)
        for row in made.cells.to_dict("records")
    }
    main = {condition: conditions[condition] for condition in MAIN if condition in conditions}
    if n_permutations and main:
        tested = compare(
            main, {name: decoder}, n_permutations=n_permutations, n_bootstraps=1, **settings
        )
        for row in tested.cells.to_dict("records"):
            cells[row["condition"]]["p_uncorrected"] = _number(row["p"])
            cells[row["condition"]]["permutations"] = n_permutations
    by_subject = _by_subject(made)
    differences = {
        f"{row['condition']} - {row['minus']}": {
            "auc": row["auc"],
            "interval": [row["auc_low"], row["auc_high"]],
            **sign_flip(by_subject[row["condition"]] - by_subject[row["minus"]]),
        }
        for row in made.differences.to_dict("records")
    }
    curves: dict[str, Any] = {}
    for (condition, _, fold), history in made.histories.items():
        curves.setdefault(condition, {})[fold] = history
    return {"cells": cells, "differences": differences, "curves": curves}


def sign_flip(differences: FloatArray) -> dict[str, float | int]:
    """Test by sign flips whether differences between paired subjects have mean zero.

    ``lowest_p`` is the lowest possible p-value of so few subjects, 2 / 2^n.

    Examples
    --------
    >>> sign_flip(np.array([0.1, 0.2, 0.1, 0.3]))
    {'n_subjects': 4, 'sign_flip_p': 0.125, 'lowest_p': 0.125}
    """
    differences = np.asarray(differences, dtype=float)
    n = len(differences)
    if n <= _MAX_EXACT_SUBJECTS:
        signs = np.array(list(product((1, -1), repeat=n)))
    else:
        draws = np.random.default_rng(0).choice((1, -1), (_N_SIGN_FLIPS - 1, n))
        signs = np.vstack([np.ones(n), draws])
    means = np.abs(signs @ differences)
    p = float(np.mean(means >= means[0] - 1e-12))
    return {"n_subjects": n, "sign_flip_p": p, "lowest_p": float(max(2 / 2**n, 1 / len(signs)))}


def correct(cells: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    """Set ``p`` of all cells: ``p_uncorrected``, corrected for their number by Holm's method.

    Examples
    --------
    >>> cells = {"raw": {"LDA": {"p_uncorrected": 0.01}, "xDAWN": {"p_uncorrected": 0.02}}}
    >>> correct(cells)
    >>> cells["raw"]["LDA"]["p"], cells["raw"]["xDAWN"]["p"]
    (0.02, 0.02)
    """
    every = [cell for decoders in cells.values() for cell in decoders.values()]
    raw = [np.nan if cell.get("p_uncorrected") is None else cell["p_uncorrected"] for cell in every]
    for cell, p in zip(every, holm(raw), strict=True):
        cell["p"] = _number(p)


def pooled_auc(
    predictions: Any, n_bootstraps: int, random_state: int = 0
) -> tuple[float, list[float]]:
    """Compute AUC and 95 % interval over all tested trials, comparing subjects with each other.

    ``predictions`` are rows of ``Comparison.predictions`` of one condition and decoder; trials are
    resampled within subject and class.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"subject": ["a"] * 4, "label": ["face", "noise"] * 2})
    >>> pooled_auc(table.assign(score_noise=[0.0, 2.0, 1.0, 3.0]), 10)
    (1.0, [1.0, 1.0])
    """
    last = sorted(predictions["label"].unique())[-1]
    positive = (predictions["label"] == last).to_numpy()
    scores = predictions[f"score_{last}"].to_numpy()
    strata = np.unique(predictions["subject"] + "/" + predictions["label"], return_inverse=True)[1]
    rows = draw_within(strata, n_bootstraps, np.random.default_rng(random_state))
    low, high = np.percentile(auc(scores[rows], positive[rows]), [2.5, 97.5])
    return float(auc(scores, positive)), [float(low), float(high)]


def _cell(row: Mapping[str, Any], made: Any, split_by: str, n_bootstraps: int) -> dict[str, Any]:
    """Summarize one condition."""
    condition = row["condition"]
    cell: dict[str, Any] = {}
    for metric in _METRICS:
        cell[metric] = row[metric]
        name = "interval" if metric == "auc" else f"{metric}_interval"
        cell[name] = [row[f"{metric}_low"], row[f"{metric}_high"]]
    if split_by == "groups":
        own = made.predictions[made.predictions["condition"] == condition]
        cell["pooled_auc"], cell["pooled_interval"] = pooled_auc(own, n_bootstraps)
    folds = made.folds[made.folds["condition"] == condition]
    cell["folds"] = folds[["fold", "n_trials", *_METRICS]].to_dict("records")
    return cell


def _by_subject(made: Any) -> dict[str, FloatArray]:
    """Mean AUC of each subject's folds, by condition."""
    subjects = dict(zip(made.predictions["fold"], made.predictions["subject"], strict=True))
    folds = made.folds.assign(subject=made.folds["fold"].map(subjects))
    means = folds.groupby(["condition", "subject"])["auc"].mean()
    return {condition: means[condition].to_numpy() for condition in folds["condition"].unique()}


def _number(value: float | None) -> float | None:
    """Turn NaN into None."""
    return None if value is None or np.isnan(value) else float(value)


def audit_dataset(
    parts: Mapping[str, Part], decoder: BaseEstimator, cache: Cache
) -> dict[str, dict[str, Any]]:
    """Decode a dataset under every switch of the published recipe: switch to condition to scores.

    ``"within"``: five random folds of each subject's trials, whatever run they are from;
    ``"across"``: held-out subjects; see `score_subjects`.

    Examples
    --------
    >>> audit_dataset(parts, decoder, cache)["together"]["raw"]  # doctest: +SKIP
    """
    score = cache.cache(score_subjects, ignore=["X"])
    made = join_conditions(parts, MAIN)
    audit: dict[str, dict[str, Any]] = {}
    for switch, condition in product(SWITCHES, made):
        if changes(switch, condition):
            trials = apply_switch(parts, switch, condition)
            given = decoder, joblib.hash(trials.X), trials.y, trials.groups
            audit.setdefault(switch, {})[condition] = {
                how: score(*given, how, trials.X) for how in ("within", "across")
            }
    return audit


def score_subjects(
    decoder: BaseEstimator, key: str, y: AnyArray, groups: AnyArray, how: str, X: FloatArray
) -> dict[str, float] | None:
    """Score a decoder on every subject, trained within the subject or across the others.

    Returns means over subjects of ``accuracy`` and ``auc``, and the ``lowest`` and ``highest`` AUC;
    None across subjects where there is only one. ``key`` is a hash of ``X`` that stands for it in a
    cache.

    Examples
    --------
    >>> from npa_ann.studies.faces.decoders import make_decoders
    >>> rng, y = np.random.default_rng(0), np.tile(["face", "noise"], 20)
    >>> groups = np.repeat(["a", "b"], 20)
    >>> X = rng.normal(size=(40, 2, 12)) + (y == "face")[:, None, None]
    >>> lda = make_decoders(["LDA"], 64.0)["LDA"]
    >>> score_subjects(lda, "", y, groups, "within", X)["auc"] > 0.8
    True
    """
    subjects = np.unique(groups)
    if how == "across" and len(subjects) < 2:
        return None
    areas: dict[str, list[float]] = {}
    accuracies: dict[str, list[float]] = {}
    last = np.unique(y)[-1]
    for subject in subjects:
        for train, test in _splits(y, groups, subject, how):
            fitted = clone(decoder).fit(X[train], y[train])
            if hasattr(fitted, "decision_function"):
                scores = fitted.decision_function(X[test])
            else:
                scores = fitted.predict_proba(X[test])[:, -1]
            accuracy = float(np.mean(fitted.predict(X[test]) == y[test]))
            areas.setdefault(subject, []).append(float(auc(scores, y[test] == last)))
            accuracies.setdefault(subject, []).append(accuracy)
    by_subject = [float(np.mean(each)) for each in areas.values()]
    return {
        "accuracy": float(np.mean([np.mean(each) for each in accuracies.values()])),
        "auc": float(np.mean(by_subject)),
        "lowest": min(by_subject),
        "highest": max(by_subject),
    }


def _splits(
    y: AnyArray, groups: AnyArray, subject: str, how: str
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield (train, test) of one subject."""
    own = np.flatnonzero(groups == subject)
    if how == "across":
        yield np.flatnonzero(groups != subject), own
        return
    _, counts = np.unique(y[own], return_counts=True)
    folds = StratifiedKFold(min(_N_FOLDS, int(counts.min())), shuffle=True, random_state=0)
    for train, test in folds.split(own, y[own]):
        yield own[train], own[test]


def audit_noise(trials: Trials, n_permutations: int = 99) -> dict[str, Any]:
    """Test on pure noise whether scaling each class of each recording leaks the labels.

    The noise has the shape, labels and recordings of the trials. Where a recording has too few
    trials of a class, there is only a ``verdict``.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> from npa.recordings.trials import collect_trials
    >>> found, _ = simulate_faces(2, 40, n_runs=1, ch_names=["P8", "Pz"])
    >>> audit_noise(collect_trials(found.recordings, found.event_id))["leaks_within"]
    True
    """
    given = trials.X, trials.y, trials.runs, minmax_per_class
    try:
        found = audit_scaling(*given, n_permutations=n_permutations)
    except ValueError as error:
        return {"verdict": f"Not tested: {error}"}
    return {
        "leaks_within": bool(found.leaks_within),
        "leaks_across": bool(found.leaks_across),
        "verdict": found.verdict,
    }


def mean_responses(conditions: Mapping[str, Trials]) -> dict[str, Any]:
    """Average the difference of responses, first class minus second, over subjects.

    Returns ``times`` (s), ``labels``, ``sites`` (channels of N170 and P300), ``erp``: condition to
    site to volts, ``maps``: condition to window to volts of every channel, and ``positions`` (m);
    maps and positions are empty where there are few channels.

    Examples
    --------
    >>> from npa.datasets import simulate_faces
    >>> from npa.recordings.trials import collect_trials
    >>> found, _ = simulate_faces(2, 40, effect=3, ch_names=["P9", "P10", "Pz"])
    >>> mean_responses({"raw": collect_trials(found.recordings, found.event_id)})["sites"]
    {'N170': ['P9', 'P10'], 'P300': ['Pz']}
    """
    first = next(iter(conditions.values()))
    labels = np.unique(first.y)
    sites = {}
    for name, caps in _SITES.items():
        found = [[site for site in cap if site in first.ch_names] for cap in caps]
        if any(found):
            sites[name] = next(filter(None, found))
    positions = channel_positions(first.info)
    erp, maps = {}, {}
    for condition, trials in conditions.items():
        difference = _difference(trials, labels)
        erp[condition] = {
            name: difference[[trials.ch_names.index(site) for site in found]].mean(axis=0).tolist()
            for name, found in sites.items()
        }
        if len(positions) >= _MIN_MAP_CHANNELS:
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


def _difference(trials: Trials, labels: AnyArray) -> FloatArray:
    """Mean of the first label minus that of the second, with equal weight for each subject."""
    differences = []
    for subject in np.unique(trials.groups):
        own = trials.groups == subject
        if len(np.unique(trials.y[own])) > 1:
            one, other = (trials.X[own & (trials.y == label)].mean(axis=0) for label in labels[:2])
            differences.append(one - other)
    return np.asarray(np.mean(differences, axis=0, dtype=float))


def _within(times: FloatArray, start: float, stop: float) -> BoolArray:
    """Select the times of a window."""
    return (times >= start) & (times <= stop)
