"""Scores of decoders, bootstrap, permutations and Holm's correction."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from npa.typing import AnyArray, FloatArray, IntArray

MAX_DRAWS = 10**7  # of permutations and bootstraps, held in memory
METRICS = ("accuracy", "balanced_accuracy", "auc")


def score_rows(
    scores: FloatArray, predicted: IntArray, codes: IntArray, rows: IntArray
) -> FloatArray:
    """Score predictions on drawn trials.

    Parameters
    ----------
    scores : array, shape (n_trials, n_classes)
        Score of each class.
    predicted : array of int, shape (n_trials,)
        Predicted class.
    codes : array of int, shape (n_trials,)
        True class, 0 to n_classes - 1.
    rows : array of int, shape (n_draws, n_drawn)
        Trials of each draw; a trial may occur several times.

    Returns
    -------
    values : array, shape (3, n_draws)
        Accuracy, balanced accuracy (mean over the classes that occur), and area under the ROC
        curve, the mean of each class against the rest; NaN if a class does not occur.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.1, 0.9]])
    >>> score_rows(scores, scores.argmax(axis=1), np.array([0, 0, 1, 1]), np.arange(4)[None])[:, 0]
    array([0.5 , 0.5 , 0.75])
    """
    n_classes = scores.shape[1]
    true = codes[rows]
    is_correct = predicted[rows] == true
    is_class = true == np.arange(n_classes)[:, np.newaxis, np.newaxis]
    counts = is_class.sum(axis=2)
    recall = (is_class & is_correct).sum(axis=2) / np.maximum(counts, 1)
    occurs = counts > 0
    areas = auc(np.moveaxis(scores[rows], -1, 0), is_class)
    return np.stack(
        [
            is_correct.mean(axis=1),
            (recall * occurs).sum(axis=0) / occurs.sum(axis=0),
            areas.mean(axis=0),
        ]
    )


def auc(scores: AnyArray, positive: AnyArray) -> FloatArray:
    """Return the area under the ROC curve, computed from ranks.

    Parameters
    ----------
    scores : array, shape (..., n_trials)
        Score of the class.
    positive : array of bool, shape (..., n_trials)
        Whether a trial is of the class.

    Returns
    -------
    area : array, shape (...)
        Probability that a trial of the class has a higher score than another trial, where ties
        count half; NaN if there are no such trials.

    Examples
    --------
    >>> float(auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])))
    0.75
    """
    scores, positive = np.broadcast_arrays(scores, positive)
    n_positive = positive.sum(axis=-1)
    n_negative = positive.shape[-1] - n_positive
    above = (rankdata(scores, axis=-1) * positive).sum(axis=-1) - n_positive * (n_positive + 1) / 2
    pairs = n_positive * n_negative
    return np.asarray(np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan))


def permute_within(
    codes: IntArray, strata: IntArray, n_permutations: int, rng: np.random.Generator
) -> IntArray:
    """Permute labels among the trials of each stratum.

    Parameters
    ----------
    codes : array, shape (n_trials,)
        Labels.
    strata : array of int, shape (n_trials,)
        Stratum of each trial.
    n_permutations : int
        Number of permutations.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    permuted : array, shape (n_permutations, n_trials)
        Labels, permuted independently.

    Examples
    --------
    >>> codes, strata = np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1])
    >>> permute_within(codes, strata, 100, np.random.default_rng(0)).max(axis=0)
    array([1, 1, 3, 3])
    """
    permuted = np.tile(codes, (n_permutations, 1))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        permuted[:, rows] = rng.permuted(permuted[:, rows], axis=1)
    return permuted


def draw_within(strata: IntArray, n_draws: int, rng: np.random.Generator) -> IntArray:
    """Draw bootstrap samples of trials: from each stratum as many as it has, with replacement.

    Parameters
    ----------
    strata : array of int, shape (n_trials,)
        Stratum of each trial.
    n_draws : int
        Number of draws.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    rows : array of int, shape (n_draws, n_trials)
        Trials drawn.

    Examples
    --------
    >>> strata = np.array([0, 0, 0, 1])
    >>> strata[draw_within(strata, 2, np.random.default_rng(0))]
    array([[0, 0, 0, 1],
           [0, 0, 0, 1]])
    """
    parts = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    drawn = [rows[rng.integers(len(rows), size=(n_draws, len(rows)))] for rows in parts]
    return np.concatenate(drawn, axis=1)


def holm(p: npt.ArrayLike) -> FloatArray:
    """Correct p-values for multiple comparisons by Holm's method.

    Parameters
    ----------
    p : array, shape (n,)
        P-values; NaN are left out.

    Returns
    -------
    corrected : array, shape (n,)
        Corrected p-values. If those below 0.05 are rejected, the probability of any false rejection
        is at most 5 %.

    Examples
    --------
    >>> holm([0.01, 0.04, np.nan, 0.03])
    array([0.03, 0.06,  nan, 0.06])
    """
    values = np.asarray(p, dtype=float)
    corrected = np.full(len(values), np.nan)
    tests = np.flatnonzero(~np.isnan(values))
    order = tests[np.argsort(values[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return corrected
