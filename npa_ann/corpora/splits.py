"""Rows of a labelled set, split in two."""

import numpy as np
from sklearn.model_selection import train_test_split


def split_indices(labels, test_size, random_state=0):
    """Split the rows of a labelled set in two, each with the same share of every label.

    Parameters
    ----------
    labels : array, shape (n,)
        Label of each row.
    test_size : int | float
        Number of rows of the second part (int), or its share (float).
    random_state : int
        Seed of the shuffle.

    Returns
    -------
    train, test : array of int
        Row numbers of the two parts, each in rising order.

    Raises
    ------
    ValueError
        If ``test_size`` does not leave a row of each label on both sides.

    Examples
    --------
    >>> train, test = split_indices(np.array([0, 0, 0, 1, 1, 1]), test_size=2)
    >>> len(train), len(test)
    (4, 2)
    """
    train, test = train_test_split(
        np.arange(len(labels)), test_size=test_size, stratify=labels, random_state=random_state
    )
    return np.sort(train), np.sort(test)
