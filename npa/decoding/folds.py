"""Checks of cross-validation folds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mne.utils import warn

from npa.typing import AnyArray


def check_folds(
    folds: Sequence[tuple[int, Any, Any]], y: AnyArray, units: AnyArray, what: str = "groups"
) -> None:
    """Raise if folds leak from training to test trials, or lack a class.

    Parameters
    ----------
    folds : list of tuple
        ``(number, train, test)``, where train and test are rows of trials.
    y : array, shape (n_trials,)
        Label of each trial.
    units : array, shape (n_trials,)
        What may not be in both parts of a fold, such as subjects.
    what : str
        Name of the units.

    Raises
    ------
    ValueError
        If a fold trains and tests on the same unit, its training trials lack a class, or a trial
        is tested twice.

    Examples
    --------
    >>> y, units = np.array(["face", "noise"] * 2), np.array(["ann", "ann", "bob", "bob"])
    >>> check_folds([(0, [0, 1], [2, 3]), (1, [2, 3], [0, 1])], y, units)
    >>> check_folds([(0, [0, 1, 2], [3])], y, units)
    Traceback (most recent call last):
    ValueError: Fold 0 trains and tests on 'bob'; cv must keep groups apart, as GroupKFold does.
    """
    y, units = np.asarray(y), np.asarray(units)
    incomplete = []
    for number, train, test in folds:
        shared = np.intersect1d(units[train], units[test])
        if shared.size:
            raise ValueError(
                f"Fold {number} trains and tests on {shared.tolist()[0]!r}; cv must keep {what} "
                "apart, as GroupKFold does."
            )
        missing = np.setdiff1d(y, y[train])
        if missing.size:
            raise ValueError(f"Fold {number}: its training trials lack class {missing[0]}.")
        if np.setdiff1d(y, y[test]).size:
            incomplete.append(str(number))
    tested, counts = np.unique(np.concatenate([test for _, _, test in folds]), return_counts=True)
    if counts.max() > 1:
        raise ValueError(
            f"cv must test no trial twice, but trial {tested[counts > 1][0]} is tested "
            f"{counts.max()} times."
        )
    if incomplete:
        warn(f"Fold(s) {', '.join(incomplete)} test trials that lack a class; their AUC is NaN.")
