"""Does a way of scaling trials give their labels away? Ask trials of pure noise."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils import check_consistent_length, column_or_1d

from npa.checks import check_finite, check_number
from npa.decoding.resampling import auc, holm, permute_within

_ALPHA = 0.05
_FOLDS = 5
_SPLITS = ("within groups", "across groups")


@dataclass(frozen=True, eq=False)
class ScalingAudit:
    """Say whether a way of scaling gives labels away.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a question: ``data`` (``"given"`` or ``"noise"``), ``scaled``, ``decoder``
        (``"mean and scale"`` of each trial alone, or its ``"samples"``), ``split`` (``"within
        groups"``, ``"across groups"``), ``auc`` (mean over the groups), ``lowest`` and
        ``highest`` group, ``n_trials``, ``n_groups``, ``p`` (two-sided) and, for noise,
        ``p_holm`` over the noise rows.

    See Also
    --------
    audit_scaling : Makes it.
    """

    table: object

    @property
    def leaks_within(self):
        """Whether noise gives labels away to a decoder trained in the same groups."""
        return self._leak("within groups") is not None

    @property
    def leaks_across(self):
        """Whether noise gives labels away to a decoder trained in other groups."""
        return self._leak("across groups") is not None

    @property
    def leaks(self):
        """Whether labels leak at all."""
        return self.leaks_within or self.leaks_across

    @property
    def verdict(self):
        """What was found, in words."""
        return " ".join([*map(self._sentence, _SPLITS), self._summary_sentence()])

    def to_frame(self):
        """Return the table.

        Returns
        -------
        table : pandas.DataFrame
            A copy of ``table``.
        """
        return self.table.copy()

    def __str__(self):
        return self.verdict

    def _rows(self, data, split):
        """Select rows of the table."""
        return self.table[(self.table["data"] == data) & (self.table["split"] == split)]

    def _leak(self, split):
        """Return the row that tells of a leak most surely; None where none does."""
        rows = self._rows("noise", split)
        rows = rows[rows["p_holm"] < _ALPHA]
        if rows.empty:
            return None
        return rows.loc[(rows["highest"] - 0.5).combine(0.5 - rows["lowest"], max).idxmax()]

    def _sentence(self, split):
        """Say what noise gives away."""
        row = self._leak(split)
        if row is None:
            rows = self._rows("noise", split)
            best = rows.loc[rows["p_holm"].idxmin()]
            return (
                f"{split.capitalize()}: no sign of a leak in {best['n_trials']} trials of "
                f"{best['n_groups']} groups (AUC of noise {best['auc']:.2f}, Holm-corrected "
                f"p = {best['p_holm']:.3f}), which is no proof that there is none."
            )
        both_ways = row["lowest"] < 0.5 < row["highest"]
        caution = " The direction differs between groups: a mean near chance means little."
        return (
            f"{split.capitalize()} LABELS LEAK: the {row['decoder']} of trials of pure noise tell "
            f"the classes apart after this scaling (AUC {row['auc']:.2f}, by group "
            f"{row['lowest']:.2f} to {row['highest']:.2f}, where 0.50 is chance; Holm-corrected "
            f"p = {row['p_holm']:.3f}), so that no score under it is evidence."
            f"{caution if both_ways else ''}"
        )

    def _summary_sentence(self):
        """Say what the given trials' mean and scale are worth."""
        parts = []
        for split in _SPLITS:
            rows = self._rows("given", split).set_index("scaled")["auc"]
            parts.append(f"{rows[True]:.2f} {split} ({rows[False]:.2f} before scaling)")
        return f"The given trials' mean and scale alone reach an AUC of {' and '.join(parts)}."


def audit_scaling(X, y, groups, scaler, cv=None, n_permutations=200, random_state=0):
    """Test whether a way of scaling trials gives their labels away.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Trials.
    y : array-like, shape (n_trials,)
        Their labels.
    groups : array-like, shape (n_trials,)
        What is scaled, or held together, as one: subjects or runs.
    scaler : callable | estimator
        A function ``scaler(X, y, groups) -> X``, applied to all trials before they are split; or
        a transformer, a clone of which is fitted to the training trials of each fold.
    cv : int | splitter | None
        Folds within each group, which test every trial once; None for five, shuffled and
        stratified. Across groups, each is tested by a decoder trained on all others.
    n_permutations : int
        Permutations of the labels; at least 80, or no leak could reach significance.
    random_state : int
        Seed of noise, folds and permutations.

    Returns
    -------
    audit : ScalingAudit
        ``leaks``, ``leaks_within``, ``leaks_across``, the ``verdict`` in words, and the table.

    Raises
    ------
    TypeError
        If ``scaler`` is neither function nor transformer.
    ValueError
        If samples are not finite, there are fewer than two classes or groups, or a group has
        fewer than two trials of a class.

    Notes
    -----
    The decoder is ridge regression on the labels with a penalty of the mean eigenvalue of the
    training trials' Gram matrix, so that all permutations cost one solution. The noise is white
    and Gaussian, with each channel's mean and standard deviation. Labels are permuted after
    scaling, within each test fold: whatever the scaling did with the true labels stays in the
    trials. A p-value asks how far the groups' AUC are from those of permuted labels, up or down,
    on average: a leak may push scores below chance, and up in one group while down in the next.
    Across groups such a leak leaves the mean near 0.5 and shows in ``lowest`` and ``highest``.
    Labels leak where noise is told apart at a Holm-corrected p < 0.05 over both decoders and both
    splits.

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
    n_permutations = check_number("n_permutations", n_permutations, low=80, integer=True)
    rng = np.random.default_rng(random_state)
    in_fold = _is_transformer(scaler)
    centre, spread = X.mean(axis=(0, 2))[:, np.newaxis], X.std(axis=(0, 2))[:, np.newaxis]
    noise = centre + spread * rng.standard_normal(X.shape)
    scaled = {
        "given": X if in_fold else _apply(scaler, X, y, groups),
        "noise": noise if in_fold else _apply(scaler, noise, y, groups),
    }
    table = []
    for split, folds in (
        ("within groups", _folds_within(codes, groups, cv, rng)),
        ("across groups", _folds_across(groups)),
    ):
        strata = np.empty(len(codes), dtype=int)
        for number, (_, _, test) in enumerate(folds):
            strata[test] = number
        labels = np.vstack([codes, permute_within(codes, strata, n_permutations, rng)])
        for data, is_scaled, view in (
            ("given", False, "mean and scale"),
            ("given", True, "mean and scale"),
            ("noise", True, "mean and scale"),
            ("noise", True, "samples"),
        ):
            trials = scaled[data] if is_scaled else X
            fitted = scaler if in_fold and is_scaled else None
            areas = _decode(trials, y, labels, folds, fitted, view)
            question = {"data": data, "scaled": is_scaled, "decoder": view, "split": split}
            table.append(question | _summarize(areas))
    table = pd.DataFrame(table).assign(n_trials=len(X), n_groups=len(np.unique(groups)))
    table["p_holm"] = holm(table["p"].where(table["data"] == "noise"))
    return ScalingAudit(table)


def minmax_per_class(X, y, groups):
    """Scale each class of each group to 0..1 on its own: how not to do it.

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
        Trials whose label can be read from their offset and scale: the extremes of a class are
        those of a few samples, and shift and stretch all its trials alike.

    Examples
    --------
    >>> X = np.arange(8.0).reshape(4, 1, 2)
    >>> minmax_per_class(X, [0, 0, 1, 1], [1, 1, 1, 1])[:, 0].round(2)
    array([[0.  , 0.33],
           [0.67, 1.  ],
           [0.  , 0.33],
           [0.67, 1.  ]])
    """
    y, groups = np.asarray(y), np.asarray(groups)
    scaled = np.array(X, dtype=float)
    for group in np.unique(groups):
        for label in np.unique(y[groups == group]):
            rows = (groups == group) & (y == label)
            low, span = scaled[rows].min(), np.ptp(scaled[rows])
            scaled[rows] = (scaled[rows] - low) / (span or 1.0)
    return scaled


def _check(X, y, groups):
    """Return trials, class numbers and groups, or say what is wrong with them."""
    X = np.asarray(X, dtype=float)
    if X.ndim != 3:
        raise ValueError(f"X must have shape (n_trials, n_channels, n_times), got {X.shape}.")
    check_finite("X", X)
    y, groups = column_or_1d(y), column_or_1d(groups)
    check_consistent_length(X, y, groups)
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


def _is_transformer(scaler):
    """Tell transformers from functions, and refuse what is neither."""
    if not isinstance(scaler, type):
        if hasattr(scaler, "fit") and hasattr(scaler, "transform"):
            return True
        if callable(scaler):
            return False
    raise TypeError(
        f"scaler must be a function f(X, y, groups) or a transformer instance, got {scaler!r}."
    )


def _apply(scaler, X, y, groups):
    """Scale all trials at once."""
    scaled = np.asarray(scaler(X.copy(), y.copy(), groups.copy()), dtype=float)
    if scaled.shape != X.shape:
        raise ValueError(f"scaler must keep the shape {X.shape}, but returned {scaled.shape}.")
    check_finite("What scaler returned", scaled)
    return scaled


def _folds_within(codes, groups, cv, rng):
    """Split every group on its own into (group, train, test)."""
    folds = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        splitter = cv
        if cv is None:
            n_folds = min(_FOLDS, np.bincount(codes[rows])[np.unique(codes[rows])].min())
            seed = int(rng.integers(2**31))
            splitter = StratifiedKFold(int(n_folds), shuffle=True, random_state=seed)
        splits = check_cv(splitter, codes[rows], classifier=True).split(rows, codes[rows])
        parts = [(group, rows[train], rows[test]) for train, test in splits]
        tested = np.sort(np.concatenate([test for _, _, test in parts]))
        if not np.array_equal(tested, rows):
            raise ValueError(f"cv must test every trial once, got {cv!r}.")
        sides = [side for _, *both in parts for side in both]
        if any(len(np.unique(codes[side])) < len(np.unique(codes)) for side in sides):
            raise ValueError(
                f"cv={cv!r} leaves a fold of group {group!s} without a class; stratify the folds."
            )
        folds += parts
    return folds


def _folds_across(groups):
    """Hold out each group in turn."""
    return [
        (group, np.flatnonzero(groups != group), np.flatnonzero(groups == group))
        for group in np.unique(groups)
    ]


def _decode(X, y, labels, folds, scaler, view):
    """Return the AUC of each group, shape (n_groups, n_labelings)."""
    by_group = {}
    n_classes = labels.max() + 1
    # Of two classes, one tells all.
    shown = np.arange(n_classes)[-1 if n_classes == 2 else 0 :, np.newaxis, np.newaxis]
    for group, train, test in folds:
        known, asked = X[train], X[test]
        if scaler is not None:
            fitted = clone(scaler).fit(known, y[train])
            known, asked = fitted.transform(known), fitted.transform(asked)
        if view == "mean and scale":
            known, asked = _standardize(*map(_mean_and_scale, (known, asked)))
        known, asked = known.reshape(len(train), -1), asked.reshape(len(test), -1)
        targets = (labels[:, train] == shown).astype(float)
        scores = _ridge(known, targets.reshape(-1, len(train)).T, asked)
        scores = scores.T.reshape(*targets.shape[:2], len(test))
        areas = auc(scores, labels[:, test] == shown)
        by_group.setdefault(group, []).append(areas.mean(axis=0))
    return np.array([np.mean(areas, axis=0) for areas in by_group.values()])


def _mean_and_scale(X):
    """Boil each trial down to two numbers."""
    return np.column_stack([X.mean(axis=(1, 2)), X.std(axis=(1, 2))])


def _standardize(known, asked):
    """Bring features to zero mean and unit variance, as measured on the training trials."""
    mean, sd = known.mean(axis=0), known.std(axis=0)
    sd = np.where(sd > 1e-12 * np.abs(mean), sd, np.inf)
    return (known - mean) / sd, (asked - mean) / sd


def _ridge(known, targets, asked):
    """Predict targets by ridge regression, solved over trials rather than features."""
    mean = known.mean(axis=0)
    known, asked = known - mean, asked - mean
    gram = known @ known.T
    penalty = np.trace(gram) / len(gram)
    if penalty == 0:
        return np.zeros((len(asked), targets.shape[1]))
    gram[np.diag_indices_from(gram)] += penalty
    return asked @ (known.T @ np.linalg.solve(gram, targets - targets.mean(axis=0)))


def _summarize(areas):
    """Compare how far the groups are from chance with true and with permuted labels."""
    # The centre counts the true labels too: all labelings are then treated alike.
    away = np.abs(areas - areas.mean(axis=1, keepdims=True)).mean(axis=0)
    # Labelings that score the same to within rounding are as extreme as the true one.
    p = (1 + np.sum(away[1:] >= away[0] - 1e-9)) / len(away)
    true = areas[:, 0]
    return {"auc": true.mean(), "lowest": true.min(), "highest": true.max(), "p": p}
