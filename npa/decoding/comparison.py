"""Which condition decodes better? Folds, intervals, permutations and paired differences."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from numbers import Integral

import joblib
import numpy as np
from mne.decoding import LinearModel
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_memory, has_fit_parameter

from npa.checks import check_number, check_option
from npa.decoding.folds import check_folds
from npa.decoding.resampling import METRICS, draw_within, holm, permute_within, score_rows
from npa.recordings.trials import Trials

_LEVEL = 95  # per cent
_BLOCK = 20  # permutations that are kept, or lost, together


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of decoders under several conditions.

    Parameters
    ----------
    folds : pandas.DataFrame
        One row a condition, decoder and fold: ``n_trials``, and ``accuracy``,
        ``balanced_accuracy`` and ``auc``, each with ``_low`` and ``_high``, its 95 % interval.
    cells : pandas.DataFrame
        One row a condition and decoder: the means over the folds with their intervals, and for
        linear decoders ``p`` and ``p_holm`` of the mean AUC.
    differences : pandas.DataFrame
        One row a decoder and pair of conditions: ``condition`` minus ``minus``, on the same
        trials, with intervals.
    predictions : pandas.DataFrame
        One row a tested trial: ``trial`` (row in ``X``), ``subject``, ``run``, ``label``,
        ``predicted``, and how much speaks for each class, ``score_<label>``.
    histories : dict
        ``(condition, decoder, fold)`` to the training curves of decoders that keep ``history_``.

    See Also
    --------
    compare : Makes it.
    """

    folds: object
    cells: object
    differences: object
    predictions: object
    histories: dict

    scope = (
        f"Intervals ({_LEVEL} %) redraw trials within subjects: they generalise to further trials "
        "of these subjects only, not to other subjects."
    )

    def to_frame(self):
        """Return the table of folds.

        Returns
        -------
        table : pandas.DataFrame
            A copy of ``folds``.
        """
        return self.folds.copy()


def compare(
    conditions,
    decoders,
    cv,
    split_by="groups",
    n_permutations=1000,
    random_state=0,
    *,
    n_bootstraps=1000,
    memory=None,
    n_jobs=None,
):
    """Decode the same trials under several conditions, by several decoders.

    Parameters
    ----------
    conditions : dict of str to Trials
        Ways of preprocessing; all hold the same trials in the same order.
    decoders : dict of str to estimator
        Classifiers of arrays ``(n_trials, n_channels, n_times)``, with ``decision_function`` or
        ``predict_proba``.
    cv : int | splitter
        The folds, such as ``LeaveOneGroupOut()``; a number stands for ``GroupKFold``. No subject
        (or run, by ``split_by``) may be trained and tested on, and no trial tested twice.
    split_by : {"groups", "runs"}
        Whether ``cv`` splits all trials, by subject, or those of each subject, by run.
    n_permutations : int
        Permutations of the labels within each subject, for linear decoders; 0 for none.
    random_state : int
        Seed of draws and permutations.
    n_bootstraps : int
        Draws of trials for the intervals.
    memory : None | str | joblib.Memory
        Folder where every finished fold and every 20 permutations are kept: a comparison that was
        interrupted is resumed by calling it again. None to keep nothing.
    n_jobs : int | None
        Processes, as in scikit-learn.

    Returns
    -------
    comparison : Comparison
        Tables of folds, cells, differences and predictions.

    Raises
    ------
    TypeError
        If conditions, decoders or ``cv`` are of another kind.
    ValueError
        If conditions hold other trials, there are fewer than two classes, the trials cannot be
        split, a fold's training trials lack a class or share a subject (run) with those it tests,
        or a trial is tested twice.

    Notes
    -----
    Intervals are percentiles of a bootstrap of the tested trials, stratified by subject, fold and
    class, with the decoders left as they are. They generalise to these subjects only.

    P-values are (1 + number of permutations with a mean AUC at least as high) / (1 + number of
    permutations). Decoders are trained anew on every permutation: folds share training trials, so
    that permuting the tested labels alone would find too much. They are given for linear decoders
    (those whose last step has ``coef_`` once fitted, or is MNE's ``LinearModel``), and corrected
    by Holm's method over all cells that have one. Others, such as an LSTM, take too long to train.

    A decoder whose ``fit`` takes ``groups`` is given what ``split_by`` names.

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
    n_permutations = check_number("n_permutations", n_permutations, low=0, integer=True)
    n_bootstraps = check_number("n_bootstraps", n_bootstraps, low=1, integer=True)
    plan = _Plan.of(trials, cv, split_by)
    folds = plan.folds(plan.codes)
    check_folds(folds, trials.y, getattr(trials, split_by), split_by)
    memory, run = check_memory(memory), _runner(n_jobs)
    rng = np.random.default_rng(random_state)
    strata = plan.codes + len(plan.classes) * plan.subjects
    draws = [draw_within(strata[test], n_bootstraps, rng) for _, _, test in folds]
    permuted = permute_within(plan.codes, plan.subjects, n_permutations, rng)

    keys = {name: joblib.hash(each.X) for name, each in conditions.items()}
    cells = [(condition, decoder) for condition in conditions for decoder in decoders]
    fit_fold = memory.cache(_fit_fold, ignore=["X"])
    fitted = run(
        "folds",
        [
            (fit_fold, decoders[d], keys[c], plan, plan.codes, train, test, conditions[c].X)
            for c, d in cells
            for _, train, test in folds
        ],
    )
    fitted = dict(zip(cells, _chunks(fitted, len(folds)), strict=True))
    linear = [cell for cell in cells if all(is_linear for _, _, is_linear, _ in fitted[cell])]
    null_scores = memory.cache(_null_scores, ignore=["X"])
    blocks = [permuted[at : at + _BLOCK] for at in range(0, n_permutations, _BLOCK)]
    null = run(
        "permutations",
        [
            (null_scores, decoders[d], keys[c], plan, block, conditions[c].X)
            for c, d in linear
            for block in blocks
        ],
    )
    null = dict(zip(linear, _chunks(null, len(blocks)), strict=True)) if blocks else {}
    return _tabulate(trials, plan, folds, fitted, null, draws)


@dataclass(frozen=True)
class _Plan:
    """What to split, and how."""

    codes: np.ndarray
    classes: np.ndarray
    subjects: np.ndarray
    runs: np.ndarray
    cv: object
    split_by: str

    @classmethod
    def of(cls, trials, cv, split_by):
        classes, codes = np.unique(trials.y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y must hold two classes or more, got {classes.tolist()}.")
        _, subjects = np.unique(trials.groups, return_inverse=True)
        return cls(codes, classes, subjects, np.asarray(trials.runs), cv, split_by)

    @property
    def units(self):
        """What a decoder may not find on both sides of a fold."""
        return self.subjects if self.split_by == "groups" else self.runs

    def folds(self, codes):
        """Split trials that bear these labels into (number, train, test)."""
        if self.split_by == "groups":
            spans = [np.arange(len(codes))]
        else:
            spans = [np.flatnonzero(self.subjects == one) for one in np.unique(self.subjects)]
        folds = []
        for rows in spans:
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


def _check_conditions(conditions):
    """Return the trials of the first condition, once all are known to hold the same."""
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
        for what in ("y", "groups", "runs"):
            if not np.array_equal(getattr(trials, what), getattr(first, what)):
                raise ValueError(
                    f"conditions must hold the same trials, but {what} of {name!r} and "
                    f"{first_name!r} differ; hand one drop_log to all."
                )
        bad = np.flatnonzero(~np.isfinite(trials.X).all(axis=(1, 2)))
        if bad.size:
            raise ValueError(
                f"conditions[{name!r}] contains NaN or inf in {bad.size} trial(s), the first of "
                f"them {bad[0]}."
            )
    return first


def _runner(n_jobs):
    """Return a function that calls (function, *arguments) in parallel, with a progress bar."""
    from tqdm import tqdm

    def run(name, calls):
        jobs = (joblib.delayed(call)(*arguments) for call, *arguments in calls)
        results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
        # disable=None: no bar where nobody watches.
        return list(tqdm(results, desc=name, total=len(calls), disable=None))

    return run


def _chunks(values, size):
    """Cut a list into lists of one size."""
    return [values[at : at + size] for at in range(0, len(values), size)] if size else []


def _fit_fold(decoder, key, plan, codes, train, test, X):
    """Train on some trials; return scores and classes of the others, linearity and curves.

    ``key`` stands for ``X`` where results are kept.
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


def _last_step(fitted):
    """Return what decides in the end: the last step of a pipeline, the best of a search."""
    fitted = getattr(fitted, "best_estimator_", fitted)
    steps = getattr(fitted, "steps", None)
    return steps[-1][1] if steps else fitted


def _null_scores(decoder, key, plan, permuted, X):
    """Return the mean AUC over the folds for each permutation of the labels."""
    means = []
    for codes in permuted:
        areas = []
        for _, train, test in plan.folds(codes):
            # Labels that fall badly leave a fold without a class: it then has no AUC.
            if len(np.unique(codes[train])) == len(np.unique(codes[test])) == len(plan.classes):
                # With the true labels, the same trials have passed scikit-learn's checks.
                with config_context(assume_finite=True, skip_parameter_validation=True):
                    scores, predicted, *_ = _fit_fold(decoder, key, plan, codes, train, test, X)
                areas.append(_score(scores, predicted, codes[test])[2])
        means.append(np.mean(areas) if areas else np.nan)
    return np.array(means)


def _score(scores, predicted, codes, draws=None):
    """Score a fold's trials, or draws of them."""
    if draws is None:
        return score_rows(scores, predicted, codes, np.arange(len(codes))[np.newaxis])[:, 0]
    return score_rows(scores, predicted, codes, draws)


def _tabulate(trials, plan, folds, fitted, null, draws):
    """Turn predictions into tables."""
    import pandas as pd

    by_fold, by_cell, tested, means, drawn_means, histories = [], [], [], {}, {}, {}
    for (condition, decoder), results in fitted.items():
        cell = {"condition": condition, "decoder": decoder}
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
            row | {"p": _p(means[condition, decoder][2], null.get((condition, decoder)))}
        )
    cells = pd.DataFrame(by_cell)
    cells["p_holm"] = holm(cells["p"])
    differences = [
        {"decoder": decoder, "condition": one, "minus": other}
        | _with_interval(
            means[one, decoder] - means[other, decoder],
            drawn_means[one, decoder] - drawn_means[other, decoder],
        )
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


def _fold_name(number, plan, trials, test):
    """Call a fold by the subject or run that it tests, or else by its number."""
    names = np.unique(trials.groups[test] if plan.split_by == "groups" else trials.runs[test])
    return str(names[0]) if len(names) == 1 else str(number)


def _predicted(trials, plan, row, test, scores, predicted):
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
    columns |= {f"score_{name}": own for name, own in zip(plan.classes, scores.T, strict=True)}
    return pd.DataFrame(columns)


def _mean(values):
    """Average the folds, each metric over those where it is defined."""
    values = np.asarray(values)
    defined = ~np.isnan(values)
    n_defined = defined.sum(axis=0)
    total = np.where(defined, values, 0).sum(axis=0)
    return np.where(n_defined > 0, total / np.maximum(n_defined, 1), np.nan)


def _with_interval(values, drawn):
    """Name the metrics and their intervals."""
    low, high = np.percentile(drawn, [50 - _LEVEL / 2, 50 + _LEVEL / 2], axis=1)
    columns = {}
    for name, *entry in zip(METRICS, values, low, high, strict=True):
        columns |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, entry), strict=True))
    return columns


def _p(observed, null):
    """Rank the observed mean among those of the permutations; NaN where there are none."""
    if null is None or np.isnan(observed):
        return np.nan
    null = np.concatenate(null)
    # Written so that a permutation without any score counts against the finding.
    return (1 + np.sum(~(null < observed - 1e-9))) / (1 + len(null))
