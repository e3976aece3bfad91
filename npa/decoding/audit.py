"""An audit of ways to scale trials for leaks of their labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils import column_or_1d

from npa.checks import check_finite, check_number, check_random_state, check_values
from npa.decoding.resampling import MAX_DRAWS, auc, holm, permute_within
from npa.typing import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

_ALPHA = 0.05
_MAX_FOLDS = 5
_SPLITS = ("within groups", "across groups")
_Fold = tuple[Any, IntArray, IntArray]  # group, training rows, test rows


@dataclass(frozen=True, eq=False)
class ScalingAudit:
    """Whether a scaling leaks labels.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per test: ``data`` (``"given"`` or ``"noise"``), ``scaled``, ``decoder``
        (``"mean and scale"`` of each trial alone, or its ``"samples"``), ``split`` (``"within
        groups"``, ``"across groups"``), ``auc`` (mean over the groups), ``lowest`` and
        ``highest`` group, ``n_trials``, ``n_groups``, ``p`` (two-sided) and, for noise,
        ``p_holm`` over the noise rows.

    See Also
    --------
    audit_scaling : Returns it.
    """

    table: "pd.DataFrame"

    @property
    def leaks_within(self) -> bool:
        """Whether a decoder trained in the same groups finds the labels of noise."""
        return self._leak("within groups") is not None

    @property
    def leaks_across(self) -> bool:
        """Whether a decoder trained in other groups finds the labels of noise."""
        return self._leak("across groups") is not None

    @property
    def leaks(self) -> bool:
        """Whether labels leak within or across groups."""
        return self.leaks_within or self.leaks_across

    @property
    def verdict(self) -> str:
        """The result in words."""
        return " ".join([*map(self._sentence, _SPLITS), self._summary_sentence()])

    def to_frame(self) -> "pd.DataFrame":
        """Return the table.

        Returns
        -------
        table : pandas.DataFrame
            A copy of ``table``.
        """
        return self.table.copy()

    def __str__(self) -> str:
        return self.verdict

    def _rows(self, data: str, split: str) -> "pd.DataFrame":
        """Select rows of the table."""
        return self.table[(self.table["data"] == data) & (self.table["split"] == split)]

    def _leak(self, split: str) -> Any:
        """Return the row of the clearest leak; None if there is none."""
        rows = self._rows("noise", split)
        rows = rows[rows["p_holm"] < _ALPHA]
        if rows.empty:
            return None
        from_chance = (rows["highest"] - 0.5).combine(0.5 - rows["lowest"], max)
        return rows.loc[from_chance.round(9).idxmax()]  # ties up to rounding: the first

    def _sentence(self, split: str) -> str:
        """Describe the result for noise."""
        row = self._leak(split)
        if row is None:
            rows = self._rows("noise", split)
            best = rows.loc[rows["p_holm"].round(9).idxmin()]
            return (
                f"{split.capitalize()}: no sign of a leak in {best['n_trials']} trials of "
                f"{best['n_groups']} groups (AUC of noise {best['auc']:.2f}, Holm-corrected "
                f"p = {best['p_holm']:.3f}), which is no proof that there is none."
            )
        both_ways = row["lowest"] < 0.5 < row["highest"]
        caution = " The direction differs between groups: a mean near chance is not informative."
        return (
            f"{split.capitalize()} LABELS LEAK: the {row['decoder']} of trials of pure noise "
            f"separate the classes after this scaling (AUC {row['auc']:.2f}, by group "
            f"{row['lowest']:.2f} to {row['highest']:.2f}, where 0.50 is chance; Holm-corrected "
            f"p = {row['p_holm']:.3f}), so that no score under it is evidence."
            f"{caution if both_ways else ''}"
        )

    def _summary_sentence(self) -> str:
        """Describe the result for the mean and scale of the given trials."""
        parts = []
        for split in _SPLITS:
            rows = self._rows("given", split).set_index("scaled")["auc"]
            parts.append(f"{rows[True]:.2f} {split} ({rows[False]:.2f} before scaling)")
        return f"The given trials' mean and scale alone reach an AUC of {' and '.join(parts)}."


def audit_scaling(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    groups: npt.ArrayLike,
    scaler: Any,
    cv: Any = None,
    n_permutations: int = 200,
    random_state: int = 0,
) -> ScalingAudit:
    """Test whether a scaling of trials leaks their labels.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Trials.
    y : array-like, shape (n_trials,)
        Their labels.
    groups : array-like, shape (n_trials,)
        Subjects or runs: what is scaled, and split, together.
    scaler : callable | estimator
        A function ``scaler(X, y, groups) -> X``, applied to all trials before they are split; or
        a transformer, of which a clone is fitted to the training trials of each fold.
    cv : int | splitter | None
        Folds within each group, which test every trial once; None for five, shuffled and
        stratified. Across groups, each is tested by a decoder trained on all others.
    n_permutations : int
        Permutations of the labels; at least 80, as no leak could be significant with fewer.
    random_state : int
        Seed of the noise, folds and permutations.

    Returns
    -------
    audit : ScalingAudit
        ``leaks``, ``leaks_within``, ``leaks_across``, the ``verdict`` in words, and the table.

    Raises
    ------
    TypeError
        If ``scaler`` is neither a function nor a transformer.
    ValueError
        If samples are not finite, there are fewer than two classes or groups, or a group has
        fewer than two trials of a class.

    Notes
    -----
    The decoder is ridge regression on the labels with a penalty of the mean eigenvalue of the
    training trials' Gram matrix, so that one system of equations is solved for all permutations.
    The noise is white and Gaussian, with the mean and standard deviation of each channel. Labels
    are permuted after scaling, within each test fold, so that the effect of the true labels on the
    scaling remains in the trials. The test statistic is the mean absolute deviation of the groups'
    AUC from those of permuted labels, as a leak may move scores below chance, and in different
    directions in different groups. Across groups such a leak leaves the mean near 0.5, and is seen
    in ``lowest`` and ``highest``. Labels leak if the classes of noise are separated at a
    Holm-corrected p < 0.05 over both decoders and both splits.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y, groups = rng.normal(size=(60, 4, 50)), np.tile([0, 1], 30), np.repeat([1, 2, 3], 20)
    >>> audit_scaling(X, y, groups, minmax_per_class).leaks_within
    True
    >>> from mne.decoding import Scaler
    >>> audit_scaling(X, y, groups, Scaler(scalings="mean")).leaks
    False
    """
    import pandas as pd

    X, codes, groups = _check(X, y, groups)
    y = np.asarray(y)
    n_permutations = check_number(
        "n_permutations", n_permutations, low=80, high=MAX_DRAWS, integer=True
    )
    rng = check_random_state("random_state", random_state)
    in_fold = _is_transformer(scaler)
    centre, spread = X.mean(axis=(0, 2))[:, np.newaxis], X.std(axis=(0, 2))[:, np.newaxis]
    noise = centre + spread * rng.standard_normal(X.shape)
    scaled = {
        "given": X if in_fold else _apply(scaler, X, y, groups),
        "noise": noise if in_fold else _apply(scaler, noise, y, groups),
    }
    rows: list[dict[str, Any]] = []
    for split, folds in (
        ("within groups", _folds_within(codes, groups, cv, rng)),
        ("across groups", _folds_across(groups)),
    ):
        strata = np.empty(len(codes), dtype=int)
        for number, (_, _, tested) in enumerate(folds):
            strata[tested] = number
        labels = np.vstack([codes, permute_within(codes, strata, n_permutations, rng)])
        for data, is_scaled, features in (
            ("given", False, "mean and scale"),
            ("given", True, "mean and scale"),
            ("noise", True, "mean and scale"),
            ("noise", True, "samples"),
        ):
            trials = scaled[data] if is_scaled else X
            fitted = scaler if in_fold and is_scaled else None
            areas = _decode(trials, y, labels, folds, fitted, features)
            test = {"data": data, "scaled": is_scaled, "decoder": features, "split": split}
            rows.append(test | _summarize(areas))
    table = pd.DataFrame(rows).assign(n_trials=len(X), n_groups=len(np.unique(groups)))
    table["p_holm"] = holm(table["p"].where(table["data"] == "noise"))
    return ScalingAudit(table)


def minmax_per_class(X: npt.ArrayLike, y: npt.ArrayLike, groups: npt.ArrayLike) -> FloatArray:
    """Scale each class of each group to 0..1 separately: an example of a leak.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Trials.
    y : array-like, shape (n_trials,)
        Their labels.
    groups : array-like, shape (n_trials,)
        Their groups, such as runs.

    Returns
    -------
    scaled : array, shape (n_trials, n_channels, n_times)
        Trials whose offset and scale depend on their label: the extremes of a class are those of a
        few samples, and affect all its trials in the same way.

    Examples
    --------
    >>> X = np.arange(8.0).reshape(4, 1, 2)
    >>> minmax_per_class(X, [0, 0, 1, 1], [1, 1, 1, 1])[:, 0].round(2)
    array([[0.  , 0.33],
           [0.67, 1.  ],
           [0.  , 0.33],
           [0.67, 1.  ]])
    """
    scaled = np.array(check_values("X", X, ndim=1))
    y, groups = _labels("y", y, len(scaled)), _labels("groups", groups, len(scaled))
    for group in np.unique(groups):
        for label in np.unique(y[groups == group]):
            rows = (groups == group) & (y == label)
            low, span = scaled[rows].min(), np.ptp(scaled[rows])
            scaled[rows] = (scaled[rows] - low) / (span or 1.0)
    return scaled


def _labels(name: str, values: npt.ArrayLike, n_trials: int) -> AnyArray:
    """Return one label per trial."""
    try:
        labels: AnyArray = np.asarray(column_or_1d(np.asarray(values)))
    except ValueError:
        raise ValueError(f"{name} must have one value per trial, got {values!r:.100}.") from None
    if len(labels) != n_trials:
        raise ValueError(f"{name} must have one value per trial, {n_trials}, got {len(labels)}.")
    return labels


def _check(
    X: npt.ArrayLike, y: npt.ArrayLike, groups: npt.ArrayLike
) -> tuple[FloatArray, IntArray, AnyArray]:
    """Validate trials and return them with class numbers and groups."""
    X = check_values("X", X)
    if X.ndim != 3:
        raise ValueError(f"X must have shape (n_trials, n_channels, n_times), got {X.shape}.")
    check_finite("X", X)
    y, groups = _labels("y", y, len(X)), _labels("groups", groups, len(X))
    classes, codes = np.unique(y, return_inverse=True)
    names, numbers = np.unique(groups, return_inverse=True)
    for name, values in (("y", classes), ("groups", names)):
        if len(values) < 2:
            raise ValueError(f"{name} must hold two values or more, got {values.tolist()}.")
    counts = np.zeros((len(names), len(classes)), dtype=int)
    np.add.at(counts, (numbers, codes), 1)
    for group, label in np.argwhere(counts < 2):
        raise ValueError(
            f"groups: {names.tolist()[group]!r} has {counts[group, label]} trial(s) of class "
            f"{classes.tolist()[label]!r}, but needs two; leave that group out."
        )
    return X, codes, groups


def _is_transformer(scaler: Any) -> bool:
    """Whether a scaler is a transformer or a function; anything else raises."""
    if not isinstance(scaler, type):
        if hasattr(scaler, "fit") and hasattr(scaler, "transform"):
            return True
        if callable(scaler):
            return False
    raise TypeError(
        f"scaler must be a function f(X, y, groups) or a transformer instance, got {scaler!r}."
    )


def _apply(scaler: Callable[..., Any], X: FloatArray, y: AnyArray, groups: AnyArray) -> FloatArray:
    """Scale all trials."""
    scaled = np.asarray(scaler(X.copy(), y.copy(), groups.copy()), dtype=float)
    if scaled.shape != X.shape:
        raise ValueError(f"scaler must keep the shape {X.shape}, but returned {scaled.shape}.")
    check_finite("What scaler returned", scaled)
    return scaled


def _folds_within(
    codes: IntArray, groups: AnyArray, cv: Any, rng: np.random.Generator
) -> list[_Fold]:
    """Split every group separately into (group, train, test)."""
    folds: list[_Fold] = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        splitter = cv
        if cv is None:
            n_folds = min(_MAX_FOLDS, np.bincount(codes[rows])[np.unique(codes[rows])].min())
            seed = int(rng.integers(2**31))
            splitter = StratifiedKFold(int(n_folds), shuffle=True, random_state=seed)
        splits = check_cv(splitter, codes[rows], classifier=True).split(rows, codes[rows])
        parts = [(group, rows[train], rows[test]) for train, test in splits]
        tested = np.sort(np.concatenate([test for _, _, test in parts]))
        if not np.array_equal(tested, rows):
            raise ValueError(f"cv must test every trial once, got {cv!r}.")
        halves = [half for _, train, test in parts for half in (train, test)]
        if any(len(np.unique(codes[half])) < len(np.unique(codes)) for half in halves):
            raise ValueError(
                f"cv={cv!r} leaves a fold of group {group!s} without a class; stratify the folds."
            )
        folds += parts
    return folds


def _folds_across(groups: AnyArray) -> list[_Fold]:
    """Leave one group out at a time."""
    return [
        (group, np.flatnonzero(groups != group), np.flatnonzero(groups == group))
        for group in np.unique(groups)
    ]


def _decode(
    X: FloatArray,
    y: AnyArray,
    labels: IntArray,
    folds: Sequence[_Fold],
    scaler: Any,
    features: str,
) -> FloatArray:
    """Return the AUC of each group, shape (n_groups, n_labelings)."""
    by_group: dict[Any, list[FloatArray]] = {}
    n_classes = labels.max() + 1
    # The score of one of two classes is that of the other, negated.
    scored = np.arange(n_classes)[-1 if n_classes == 2 else 0 :, np.newaxis, np.newaxis]
    for group, train, test in folds:
        x_train, x_test = X[train], X[test]
        if scaler is not None:
            fitted = clone(scaler).fit(x_train, y[train])
            x_train, x_test = fitted.transform(x_train), fitted.transform(x_test)
        if features == "mean and scale":
            x_train, x_test = _standardize(_mean_and_scale(x_train), _mean_and_scale(x_test))
        x_train, x_test = x_train.reshape(len(train), -1), x_test.reshape(len(test), -1)
        targets = (labels[:, train] == scored).astype(float)
        scores = _ridge(x_train, targets.reshape(-1, len(train)).T, x_test)
        scores = scores.T.reshape(*targets.shape[:2], len(test))
        areas = auc(scores, labels[:, test] == scored)
        by_group.setdefault(group, []).append(areas.mean(axis=0))
    return np.array([np.mean(areas, axis=0) for areas in by_group.values()])


def _mean_and_scale(X: FloatArray) -> FloatArray:
    """Return the mean and the standard deviation of each trial."""
    return np.column_stack([X.mean(axis=(1, 2)), X.std(axis=(1, 2))])


def _standardize(x_train: FloatArray, x_test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scale features to zero mean and unit variance of the training trials."""
    mean, sd = x_train.mean(axis=0), x_train.std(axis=0)
    sd = np.where(sd > 1e-12 * np.abs(mean), sd, np.inf)
    return (x_train - mean) / sd, (x_test - mean) / sd


def _ridge(x_train: FloatArray, targets: FloatArray, x_test: FloatArray) -> FloatArray:
    """Predict targets by ridge regression in its dual form."""
    mean, power = x_train.mean(axis=0), np.mean(x_train**2)
    x_train, x_test = x_train - mean, x_test - mean
    gram = x_train @ x_train.T
    penalty = np.trace(gram) / len(gram)
    if penalty <= 1e-24 * power * x_train.shape[1]:  # constant up to rounding
        return np.zeros((len(x_test), targets.shape[1]))
    gram[np.diag_indices_from(gram)] += penalty
    dual = np.linalg.solve(gram, targets - targets.mean(axis=0))
    return np.asarray(x_test @ (x_train.T @ dual))


def _summarize(areas: FloatArray) -> dict[str, float]:
    """Compare the deviation from chance between true and permuted labels."""
    # The mean includes the true labels, so that all labelings are treated in the same way.
    deviation = np.abs(areas - areas.mean(axis=1, keepdims=True)).mean(axis=0)
    # Labelings with the same score up to rounding are as extreme as the true one.
    p = (1 + np.sum(deviation[1:] >= deviation[0] - 1e-9)) / len(deviation)
    true = areas[:, 0]
    return {"auc": true.mean(), "lowest": true.min(), "highest": true.max(), "p": p}
