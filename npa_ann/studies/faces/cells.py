"""One decoder on one data set: cells of the table, differences, and what can be claimed."""

from itertools import product

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut

from npa.decoding import compare
from npa.decoding.resampling import auc, draw_within, holm
from npa_ann.studies.faces.conditions import MAIN

_METRICS = ("auc", "accuracy", "balanced_accuracy")
_MOST_FLIPS = 16  # subjects up to which all sign patterns are tried
_N_FLIPS = 2**16


def decode(conditions, name, decoder, split_by, n_permutations, n_bootstraps, memory):
    """Decode all conditions of a data set by one decoder.

    Parameters
    ----------
    conditions : dict of str to Trials
        The trials.
    name : str
        What the decoder is called.
    decoder : estimator
        The classifier.
    split_by : {"groups", "runs"}
        As for `npa.decoding.compare`.
    n_permutations : int
        For linear decoders, under the four conditions of the paper; others get no p-value, so
        that the correction for the number of tests stays small.
    n_bootstraps : int
        Draws for the intervals.
    memory : joblib.Memory
        Where folds and permutations are kept.

    Returns
    -------
    cells : dict of str to dict
        Condition to ``auc``, ``accuracy``, ``balanced_accuracy``, each with its interval,
        ``pooled_auc`` over all trials where subjects are left out, ``p_uncorrected``, ``folds``.
    differences : dict of str to dict
        ``"NPA - raw"`` and so on: difference of AUC, interval, and the sign-flip test.
    curves : dict of str to dict
        Condition to fold to training curves.

    Examples
    --------
    >>> import joblib
    >>> from npa.datasets import simulate_faces
    >>> from npa.recordings.trials import collect_trials
    >>> from npa_ann.studies.faces.decoders import make_decoders
    >>> found, _ = simulate_faces(3, 40, effect=3, ch_names=["P8", "Pz"])
    >>> conditions = {"raw": collect_trials(found.recordings, found.event_id)}
    >>> lda = make_decoders(["LDA"], 256.0)["LDA"]
    >>> cells, *_ = decode(conditions, "LDA", lda, "groups", 0, 100, joblib.Memory(None))
    >>> cells["raw"]["auc"] > 0.7
    True
    """
    settings = {"cv": LeaveOneGroupOut(), "split_by": split_by, "memory": memory}
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
    curves = {}
    for (condition, _, fold), history in made.histories.items():
        curves.setdefault(condition, {})[fold] = history
    return cells, differences, curves


def sign_flip(differences):
    """Test whether paired differences between subjects are of mean zero, by flipping signs.

    Parameters
    ----------
    differences : array, shape (n_subjects,)
        One number a subject.

    Returns
    -------
    test : dict
        ``n_subjects``, two-sided ``sign_flip_p``, and ``lowest_p``, which no data of so few
        subjects can go below: 2 / 2^n.

    Examples
    --------
    >>> sign_flip(np.array([0.1, 0.2, 0.1, 0.3]))
    {'n_subjects': 4, 'sign_flip_p': 0.125, 'lowest_p': 0.125}
    """
    differences = np.asarray(differences, dtype=float)
    n = len(differences)
    if n <= _MOST_FLIPS:
        signs = np.array(list(product((1, -1), repeat=n)))
    else:
        draws = np.random.default_rng(0).choice((1, -1), (_N_FLIPS - 1, n))
        signs = np.vstack([np.ones(n), draws])
    means = np.abs(signs @ differences)
    p = float(np.mean(means >= means[0] - 1e-12))
    return {"n_subjects": n, "sign_flip_p": p, "lowest_p": float(max(2 / 2**n, 1 / len(signs)))}


def correct(cells):
    """Correct the p-values of a data set for their number by Holm's method, in place.

    Parameters
    ----------
    cells : dict of str to dict of str to dict
        Condition to decoder to cell; ``p`` is set where there is ``p_uncorrected``.

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


def pooled_auc(predictions, n_bootstraps, seed=0):
    """Compute the AUC over all tested trials at once, subjects compared with each other.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of ``Comparison.predictions`` of one condition and decoder.
    n_bootstraps : int
        Draws of trials within subject and class, for the interval.
    seed : int
        Seed of the draws.

    Returns
    -------
    area : float
        The AUC.
    interval : list of float
        Its 95 % interval.

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
    rows = draw_within(strata, n_bootstraps, np.random.default_rng(seed))
    low, high = np.percentile(auc(scores[rows], positive[rows]), [2.5, 97.5])
    return float(auc(scores, positive)), [float(low), float(high)]


def _cell(row, made, split_by, n_bootstraps):
    """Condense one condition."""
    condition = row["condition"]
    cell = {}
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


def _by_subject(made):
    """Average the AUC of every subject's folds, by condition."""
    whose = dict(zip(made.predictions["fold"], made.predictions["subject"], strict=True))
    folds = made.folds.assign(subject=made.folds["fold"].map(whose))
    means = folds.groupby(["condition", "subject"])["auc"].mean()
    return {condition: means[condition].to_numpy() for condition in folds["condition"].unique()}


def _number(value):
    """Turn NaN into None."""
    return None if value is None or np.isnan(value) else float(value)
