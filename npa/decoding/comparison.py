"""Comparison of conditions by decoding: folds, intervals, permutations, paired differences."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import joblib
import numpy as np
from mne.decoding import LinearModel
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_memory, has_fit_parameter

from npa.checks import check_n_jobs, check_number, check_option, check_random_state
from npa.decoding.folds import check_folds
from npa.decoding.resampling import (
    MAX_DRAWS,
    METRICS,
    draw_within,
    holm,
    permute_within,
    score_rows,
)
from npa.recordings.trials import Trials
from npa.typing import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

_CONFIDENCE = 95  # percent
_PERMUTATIONS_PER_TASK = 20  # cached together
_Fold = tuple[int, IntArray, IntArray]  # number, training rows, test rows
# Of a fold: scores, predicted classes, whether the decoder is linear, training curves.
_Fitted = tuple[FloatArray, IntArray, bool, Any]
_Cell = tuple[str, str]  # condition, decoder


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of decoders under several conditions.

    Parameters
    ----------
    folds : pandas.DataFrame
        One row per condition, decoder and fold: ``n_trials``, and ``accuracy``,
        ``balanced_accuracy`` and ``auc``, each with ``_low`` and ``_high``, its 95 % interval.
    cells : pandas.DataFrame
        One row per condition and decoder: the means over the folds with their intervals, and for
        linear decoders ``p`` and ``p_holm`` of the mean AUC.
    differences : pandas.DataFrame
        One row per decoder and pair of conditions: ``condition`` minus ``minus``, on the same
        trials, with intervals.
    predictions : pandas.DataFrame
        One row per tested trial: ``trial`` (row in ``X``), ``subject``, ``run``, ``label``,
        ``predicted``, and the score of each class, ``score_<label>``.
    histories : dict
        ``(condition, decoder, fold)`` to the training curves of decoders with ``history_``.

    See Also
    --------
    compare : Returns it.
    """

    folds: "pd.DataFrame"
    cells: "pd.DataFrame"
    differences: "pd.DataFrame"
    predictions: "pd.DataFrame"
    histories: dict[tuple[str, str, str], Any]

    scope = (
        f"Intervals ({_CONFIDENCE} %) resample trials within subjects: they generalize to other "
        "trials of these subjects only, not to other subjects."
    )

    def to_frame(self) -> "pd.DataFrame":
        """Return the table of folds.

        Returns
        -------
        table : pandas.DataFrame
            A copy of ``folds``.
        """
        return self.folds.copy()


def compare(
    conditions: Mapping[str, Trials],
    decoders: Mapping[str, Any],
    cv: Any,
    split_by: str = "groups",
    n_permutations: int = 1000,
    random_state: int = 0,
    *,
    n_bootstraps: int = 1000,
    memory: Any = None,
    n_jobs: int | None = None,
) -> Comparison:
    """Decode the same trials under several conditions, by several decoders.

    Parameters
    ----------
    conditions : dict of str to Trials
        The trials after each preprocessing; all hold the same trials in the same order.
    decoders : dict of str to estimator
        Classifiers of arrays ``(n_trials, n_channels, n_times)``, with ``decision_function`` or
        ``predict_proba``.
    cv : int | splitter
        The folds, such as ``LeaveOneGroupOut()``; a number of folds is ``GroupKFold``. No subject
        (or run, by ``split_by``) may be in both parts of a fold, and no trial be tested twice.
    split_by : {"groups", "runs"}
        Whether ``cv`` splits all trials, by subject, or those of each subject, by run.
    n_permutations : int
        Permutations of the labels within each subject, for linear decoders; 0 for none.
    random_state : int
        Seed of the bootstrap and the permutations.
    n_bootstraps : int
        Bootstrap samples for the intervals.
    memory : None | str | joblib.Memory
        Folder in which every fold and every 20 permutations are cached: an interrupted comparison
        is resumed by the same call. None for no cache.
    n_jobs : int | None
        Number of processes, as in scikit-learn.

    Returns
    -------
    comparison : Comparison
        Tables of folds, cells, differences and predictions.

    Raises
    ------
    TypeError
        If conditions, decoders or ``cv`` have another type.
    ValueError
        If conditions hold different trials, there are fewer than two classes, the trials cannot be
        split, the training trials of a fold lack a class or share a subject (run) with its test
        trials, or a trial is tested twice.

    Notes
    -----
    Intervals are percentiles of a bootstrap of the tested trials, stratified by subject, fold and
    class, without refitting the decoders. They generalize to these subjects only.

    P-values are (1 + number of permutations with a mean AUC at least as high) / (1 + number of
    permutations). Decoders are refitted to every permutation: as folds share training trials,
    permuting the tested labels only would be anticonservative. P-values are given for linear
    decoders (those whose fitted last step has ``coef_``, or is MNE's ``LinearModel``), and are
    corrected by Holm's method over these cells. Others, such as an LSTM, take too long to train.

    A decoder whose ``fit`` takes ``groups`` gets what ``split_by`` names.

    Examples
    --------
    >>> import mne
    >>> from mne.decoding import Vectorizer
    >>> from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    >>> from sklearn.model_selection import LeaveOneGroupOut
    >>> from sklearn.pipeline import make_pipeline
    >>> rng, info = np.random.default_rng(0), mne.create_info(["Oz"], 10.0, "eeg")
    >>> y, groups = np.tile([0, 1], 30), np.repeat(["a", "b", "c"], 20)
    >>> X = rng.normal(size=(60, 1, 2)) + y[:, None, None]
    >>> trials = Trials(X, y, groups, groups, np.arange(2) / 10, ("Oz",), {}, info)
    >>> lda = make_pipeline(Vectorizer(), LinearDiscriminantAnalysis())
    >>> comparison = compare({"raw": trials}, {"lda": lda}, LeaveOneGroupOut(), n_permutations=99)
    >>> comparison.cells[["condition", "decoder", "auc", "p_holm"]].round(2)
      condition decoder   auc  p_holm
    0       raw     lda  0.88    0.01
    """
    trials = _check_conditions(conditions)
    if not isinstance(decoders, Mapping) or not decoders:
        raise TypeError(f"decoders must map names to estimators, got {decoders!r}.")
    if not isinstance(cv, Integral) and not hasattr(cv, "get_n_splits"):
        raise TypeError(f"cv must be a number of folds or a splitter, got {cv!r}.")
    check_option("split_by", split_by, ("groups", "runs"))
    n_permutations = check_number(
        "n_permutations", n_permutations, low=0, high=MAX_DRAWS, integer=True
    )
    n_bootstraps = check_number("n_bootstraps", n_bootstraps, low=1, high=MAX_DRAWS, integer=True)
    plan = _Plan.of(trials, cv, split_by)
    folds = plan.folds(plan.codes)
    check_folds(folds, trials.y, getattr(trials, split_by), split_by)
    memory, run = check_memory(memory), _parallel(check_n_jobs("n_jobs", n_jobs))
    rng = check_random_state("random_state", random_state)
    strata = plan.codes + len(plan.classes) * plan.subjects
    draws = [draw_within(strata[test], n_bootstraps, rng) for _, _, test in folds]
    permuted = permute_within(plan.codes, plan.subjects, n_permutations, rng)

    keys = {name: joblib.hash(each.X) for name, each in conditions.items()}
    cells = [(condition, decoder) for condition in conditions for decoder in decoders]
    fit_fold = memory.cache(_fit_fold, ignore=["X"])
    results = run(
        "folds",
        [
            (fit_fold, decoders[d], keys[c], plan, plan.codes, train, test, conditions[c].X)
            for c, d in cells
            for _, train, test in folds
        ],
    )
    fitted = dict(zip(cells, _chunks(results, len(folds)), strict=True))
    linear = [cell for cell in cells if all(is_linear for _, _, is_linear, _ in fitted[cell])]
    null_scores = memory.cache(_null_scores, ignore=["X"])
    blocks = [
        permuted[at : at + _PERMUTATIONS_PER_TASK]
        for at in range(0, n_permutations, _PERMUTATIONS_PER_TASK)
    ]
    results = run(
        "permutations",
        [
            (null_scores, decoders[d], keys[c], plan, block, conditions[c].X)
            for c, d in linear
            for block in blocks
        ],
    )
    null = dict(zip(linear, _chunks(results, len(blocks)), strict=True)) if blocks else {}
    return _tabulate(trials, plan, folds, fitted, null, draws)


@dataclass(frozen=True)
class _Plan:
    """The trials to split, and how."""

    codes: IntArray
    classes: AnyArray
    subjects: IntArray
    runs: AnyArray
    cv: Any
    split_by: str

    @classmethod
    def of(cls, trials: Trials, cv: Any, split_by: str) -> Self:
        classes, codes = np.unique(trials.y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y must hold two classes or more, got {classes.tolist()}.")
        _, subjects = np.unique(trials.groups, return_inverse=True)
        return cls(codes, classes, subjects, np.asarray(trials.runs), cv, split_by)

    @property
    def units(self) -> AnyArray:
        """What may not be in both parts of a fold."""
        return self.subjects if self.split_by == "groups" else self.runs

    def folds(self, codes: IntArray) -> list[_Fold]:
        """Split trials with these labels into (number, train, test)."""
        if self.split_by == "groups":
            parts = [np.arange(len(codes))]
        else:
            parts = [np.flatnonzero(self.subjects == one) for one in np.unique(self.subjects)]
        folds = []
        for rows in parts:
            try:
                splitter = GroupKFold(self.cv) if isinstance(self.cv, Integral) else self.cv
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "The groups parameter is ignored")
                    splits = list(splitter.split(rows, codes[rows], self.units[rows]))
            except ValueError as error:
                raise ValueError(
                    f"cv={self.cv!r} cannot split the {len(rows)} trials of "
                    f"{len(np.unique(self.units[rows]))} {self.split_by}: {error}"
                ) from error
            folds += [(rows[train], rows[test]) for train, test in splits]
        return [(number, train, test) for number, (train, test) in enumerate(folds)]


def _check_conditions(conditions: Mapping[str, Trials]) -> Trials:
    """Return the trials of the first condition, after checking that all hold the same."""
    if not isinstance(conditions, Mapping) or not conditions:
        raise TypeError(f"conditions must map names to Trials, got {conditions!r}.")
    for name, trials in conditions.items():
        if not isinstance(trials, Trials):
            raise TypeError(f"conditions[{name!r}] must be Trials, got {type(trials).__name__}.")
        lengths = {what: len(getattr(trials, what)) for what in ("X", "y", "groups", "runs")}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{length} in {what}" for what, length in lengths.items())
            raise ValueError(f"conditions[{name!r}] must hold as many of all, got {shown}.")
    first_name, first = next(iter(conditions.items()))
    for name, trials in conditions.items():
        for attribute in ("y", "groups", "runs"):
            if not np.array_equal(getattr(trials, attribute), getattr(first, attribute)):
                raise ValueError(
                    f"conditions must hold the same trials, but {attribute} of {name!r} and "
                    f"{first_name!r} differ; pass the same drop_log for all."
                )
        bad = np.flatnonzero(~np.isfinite(trials.X).all(axis=(1, 2)))
        if bad.size:
            raise ValueError(
                f"conditions[{name!r}] contains NaN or inf in {bad.size} trial(s), the first of "
                f"them {bad[0]}."
            )
    return first


def _parallel(n_jobs: int | None) -> Callable[[str, Sequence[tuple[Any, ...]]], list[Any]]:
    """Return a function that calls (function, *arguments) in parallel, with a progress bar."""
    from tqdm import tqdm

    def run(name: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        jobs = (joblib.delayed(call)(*arguments) for call, *arguments in calls)
        results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
        # disable=None: no bar unless in a terminal.
        return list(tqdm(results, desc=name, total=len(calls), disable=None))

    return run


def _chunks(values: list[Any], size: int) -> list[list[Any]]:
    """Split a list into lists of equal size."""
    return [values[at : at + size] for at in range(0, len(values), size)] if size else []


def _fit_fold(
    decoder: Any,
    key: str,
    plan: _Plan,
    codes: IntArray,
    train: IntArray,
    test: IntArray,
    X: FloatArray,
) -> _Fitted:
    """Fit a decoder to the training trials, and apply it to the test trials.

    ``key`` represents ``X`` in the cache.
    """
    extra = {}
    if has_fit_parameter(decoder, "groups"):
        extra["groups"] = plan.units[train]
    fitted = clone(decoder).fit(X[train], plan.classes[codes[train]], **extra)
    if hasattr(fitted, "decision_function"):
        scores = fitted.decision_function(X[test])
    elif hasattr(fitted, "predict_proba"):
        scores = fitted.predict_proba(X[test])
    else:
        raise TypeError(f"{decoder!r} has neither decision_function nor predict_proba.")
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    predicted = np.searchsorted(plan.classes, fitted.predict(X[test]))
    last = _last_step(fitted)
    is_linear = hasattr(last, "coef_") or isinstance(last, LinearModel)
    return scores, predicted, is_linear, getattr(last, "history_", None)


def _last_step(fitted: Any) -> Any:
    """Return the last step of a pipeline, also of the best one of a search."""
    fitted = getattr(fitted, "best_estimator_", fitted)
    steps = getattr(fitted, "steps", None)
    return steps[-1][1] if steps else fitted


def _null_scores(
    decoder: Any, key: str, plan: _Plan, permuted: IntArray, X: FloatArray
) -> FloatArray:
    """Return the mean AUC over the folds for each permutation of the labels."""
    means = []
    for codes in permuted:
        areas = []
        for _, train, test in plan.folds(codes):
            # A fold without a class after the permutation has no AUC.
            if len(np.unique(codes[train])) == len(np.unique(codes[test])) == len(plan.classes):
                # The same trials have passed scikit-learn's checks with the true labels.
                with config_context(assume_finite=True, skip_parameter_validation=True):
                    scores, predicted, *_ = _fit_fold(decoder, key, plan, codes, train, test, X)
                areas.append(_score(scores, predicted, codes[test])[2])
        means.append(np.mean(areas) if areas else np.nan)
    return np.array(means)


def _score(
    scores: FloatArray, predicted: IntArray, codes: IntArray, draws: IntArray | None = None
) -> FloatArray:
    """Score the trials of a fold, or bootstrap samples of them."""
    if draws is None:
        return score_rows(scores, predicted, codes, np.arange(len(codes))[np.newaxis])[:, 0]
    return score_rows(scores, predicted, codes, draws)


def _tabulate(
    trials: Trials,
    plan: _Plan,
    folds: Sequence[_Fold],
    fitted: Mapping[_Cell, Sequence[_Fitted]],
    null: Mapping[_Cell, Sequence[FloatArray]],
    draws: Sequence[IntArray],
) -> Comparison:
    """Score the predictions and tabulate them."""
    import pandas as pd

    by_fold, by_cell, tested, means, drawn_means, histories = [], [], [], {}, {}, {}
    for (condition, decoder), results in fitted.items():
        cell: dict[str, Any] = {"condition": condition, "decoder": decoder}
        values, drawn = [], []
        for (number, _, test), (scores, predicted, _, curves), draw in zip(
            folds, results, draws, strict=True
        ):
            codes = plan.codes[test]
            values.append(_score(scores, predicted, codes))
            drawn.append(_score(scores, predicted, codes, draw))
            name = _fold_name(number, plan, trials, test)
            row = {**cell, "fold": name, "n_trials": len(test)}
            by_fold.append(row | _with_interval(values[-1], drawn[-1]))
            tested.append(_predicted(trials, plan, row, test, scores, predicted))
            if curves is not None:
                histories[condition, decoder, name] = curves
        means[condition, decoder] = _mean(values)
        drawn_means[condition, decoder] = _mean(drawn)
        row = cell | _with_interval(means[condition, decoder], drawn_means[condition, decoder])
        by_cell.append(
            row | {"p": _p_value(means[condition, decoder][2], null.get((condition, decoder)))}
        )
    cells = pd.DataFrame(by_cell)
    cells["p_holm"] = holm(cells["p"])
    differences = [
        {
            **{"decoder": decoder, "condition": one, "minus": other},
            **_with_interval(
                means[one, decoder] - means[other, decoder],
                drawn_means[one, decoder] - drawn_means[other, decoder],
            ),
        }
        for decoder in dict.fromkeys(name for _, name in fitted)
        for one, other in combinations(dict.fromkeys(name for name, _ in fitted), 2)
    ]
    return Comparison(
        pd.DataFrame(by_fold),
        cells,
        pd.DataFrame(differences),
        pd.concat(tested, ignore_index=True),
        histories,
    )


def _fold_name(number: int, plan: _Plan, trials: Trials, test: IntArray) -> str:
    """Name a fold by the subject or run that it tests, or else by its number."""
    names = np.unique(trials.groups[test] if plan.split_by == "groups" else trials.runs[test])
    return str(names[0]) if len(names) == 1 else str(number)


def _predicted(
    trials: Trials,
    plan: _Plan,
    row: Mapping[str, Any],
    test: IntArray,
    scores: FloatArray,
    predicted: IntArray,
) -> "pd.DataFrame":
    """Tabulate the tested trials of one fold."""
    import pandas as pd

    columns = {
        **{key: row[key] for key in ("condition", "decoder", "fold")},
        "trial": test,
        "subject": trials.groups[test],
        "run": trials.runs[test],
        "label": trials.y[test],
        "predicted": plan.classes[predicted],
    }
    columns |= {f"score_{name}": score for name, score in zip(plan.classes, scores.T, strict=True)}
    return pd.DataFrame(columns)


def _mean(folds: Sequence[FloatArray]) -> FloatArray:
    """Average the folds, each metric over those in which it is defined."""
    values = np.asarray(folds)
    defined = ~np.isnan(values)
    n_defined = defined.sum(axis=0)
    total = np.where(defined, values, 0).sum(axis=0)
    return np.asarray(np.where(n_defined > 0, total / np.maximum(n_defined, 1), np.nan))


def _with_interval(values: FloatArray, drawn: FloatArray) -> dict[str, float]:
    """Return the metrics and their intervals by name."""
    low, high = np.percentile(drawn, [50 - _CONFIDENCE / 2, 50 + _CONFIDENCE / 2], axis=1)
    columns: dict[str, float] = {}
    for name, *entry in zip(METRICS, values, low, high, strict=True):
        columns |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, entry), strict=True))
    return columns


def _p_value(observed: float, null: Sequence[FloatArray] | None) -> float:
    """Return the p-value of a mean AUC; NaN without permutations."""
    if null is None or np.isnan(observed):
        return np.nan
    means = np.concatenate(null)
    # NaN, a permutation without any score, counts as at least as high.
    return float((1 + np.sum(~(means < observed - 1e-9))) / (1 + len(means)))
