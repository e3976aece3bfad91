"""Trials by the handful: stratified batches, and sums over arrays larger than memory."""

from itertools import islice

import numpy as np

from npa.checks import check_number

_BLOCK = 2**23  # bytes of float64 that are read at once


def stratified_batches(codes, size, rng, shares=None):
    """Yield endless batches in which every class has its share.

    Parameters
    ----------
    codes : array of int, shape (n_trials,)
        Class of each trial, 0 to n_classes - 1; every class occurs.
    size : int
        Trials in a batch.
    rng : numpy.random.Generator
        Source of the order.
    shares : array, shape (n_classes,) | None
        Share of each class in a batch, summing to 1; None for its share of the trials.

    Yields
    ------
    rows : array of int, shape (size,)
        Rising row numbers. Within a class all trials come once before any comes again; what a
        share lacks in one batch by rounding, it gets in the next.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> batches = stratified_batches(np.array([0, 0, 0, 0, 1, 1]), 3, rng)
    >>> sorted(np.concatenate([next(batches), next(batches)]).tolist())
    [0, 1, 2, 3, 4, 5]
    """
    codes = np.asarray(codes)
    size = check_number("size", size, low=1, integer=True)
    counts = np.bincount(codes)
    shares = counts / len(codes) if shares is None else np.asarray(shares, dtype=float)
    decks = [_deal(np.flatnonzero(codes == code), rng) for code in range(len(counts))]
    owed = np.zeros(len(counts))
    while True:
        owed += shares * size
        take = np.floor(owed + 1e-9).astype(int).clip(0)
        short = size - take.sum()
        take[np.argsort(take - owed, kind="stable")[:short]] += 1
        owed -= take
        hands = [list(islice(deck, n)) for deck, n in zip(decks, take, strict=True)]
        yield np.sort(np.concatenate(hands).astype(int))


def _deal(rows, rng):
    """Yield shuffled rows one by one, and shuffle anew when all have been dealt."""
    while True:
        yield from rng.permutation(rows)


def blocks(X, rows):
    """Yield trials as float64, few enough at a time for memory.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Trials; may be memory-mapped.
    rows : array of int
        Which of them, in this order.

    Yields
    ------
    rows : array of int
        Some of the rows.
    block : array, shape (n_rows, n_channels, n_times)
        Their samples.

    Examples
    --------
    >>> [(rows.tolist(), block.shape) for rows, block in blocks(np.zeros((5, 2, 3)), [1, 4])]
    [([1, 4], (2, 2, 3))]
    """
    rows = np.asarray(rows)
    step = max(1, _BLOCK // (8 * int(np.prod(X.shape[1:]))))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        yield part, np.asarray(X[part], dtype=float)


def channel_scale(X, rows):
    """Measure mean and standard deviation of every channel over trials and times.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Trials; may be memory-mapped.
    rows : array of int
        Trials to look at.

    Returns
    -------
    mean, sd : array, shape (n_channels,)
        ``sd`` is 1 for a channel that never changes.

    Examples
    --------
    >>> mean, sd = channel_scale(np.array([[[1.0, 3.0], [5.0, 5.0]]]), [0])
    >>> mean, sd
    (array([2., 5.]), array([1., 1.]))
    """
    n_samples = len(rows) * X.shape[2]
    mean = sum(block.sum(axis=(0, 2)) for _, block in blocks(X, rows)) / n_samples
    centred = (block - mean[:, np.newaxis] for _, block in blocks(X, rows))
    variance = sum((block**2).sum(axis=(0, 2)) for block in centred) / n_samples
    sd = np.sqrt(variance)
    # What rounding leaves of a constant channel is no change.
    return mean, np.where(sd > 1e-9 * np.abs(mean), sd, 1.0)
