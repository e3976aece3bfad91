"""Stratified split of a labelled corpus."""

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from npa.typing import IntArray


def split_indices(
    labels: npt.ArrayLike, test_size: int | float, random_state: int = 0
) -> tuple[IntArray, IntArray]:
    """Split indices into training and test set, stratified by label.

    Parameters
    ----------
    labels : array, shape (n,)
        Labels.
    test_size : int | float
        Size of the test set: a number of samples (int) or a proportion (float).
    random_state : int
        Seed of the shuffle. Default 0.

    Returns
    -------
    train, test : array of int
        Indices of the two sets, in increasing order.

    Raises
    ------
    ValueError
        If ``test_size`` does not leave a sample of each label in both sets.

    Examples
    --------
    >>> train, test = split_indices(np.array([0, 0, 0, 1, 1, 1]), test_size=2)
    >>> len(train), len(test)
    (4, 2)
    """
    labels = np.asarray(labels)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=random_state
    )
    return np.sort(train), np.sort(test)
