"""Stratified batches of trials, and channel statistics of arrays larger than memory."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from npa.checks import check_number
from npa.typing import AnyArray, FloatArray, IntArray

_BLOCK_BYTES = 2**23  # of float64 that are read at once


def stratified_batches(
    codes: AnyArray, size: int, rng: np.random.Generator, shares: AnyArray | None = None
) -> Iterator[IntArray]:
    """Yield batches, without end, in which every class has its share.

    Parameters
    ----------
    codes : array of int, shape (n_trials,)
        Class of each trial, 0 to n_classes - 1; every class occurs.
    size : int
        Trials per batch.
    rng : numpy.random.Generator
        Random number generator of the order.
    shares : array, shape (n_classes,) | None
        Share of each class in a batch, summing to 1; None for its share of the trials.

    Yields
    ------
    rows : array of int, shape (size,)
        Sorted row numbers. Within a class all trials occur once before any occurs again; what a
        class lacks in one batch by rounding is added in the next.

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
    shuffled = [
        _endlessly_shuffled(np.flatnonzero(codes == code), rng) for code in range(len(counts))
    ]
    due = np.zeros(len(counts))
    while True:
        due += shares * size
        n_rows = np.floor(due + 1e-9).astype(int).clip(0)
        n_missing = size - n_rows.sum()
        n_rows[np.argsort(n_rows - due, kind="stable")[:n_missing]] += 1
        due -= n_rows
        parts = [list(islice(rows, n)) for rows, n in zip(shuffled, n_rows, strict=True)]
        yield np.sort(np.concatenate(parts).astype(int))


def _endlessly_shuffled(rows: IntArray, rng: np.random.Generator) -> Iterator[int]:
    """Yield shuffled rows one by one; they are shuffled again when all have been yielded."""
    while True:
        yield from rng.permutation(rows)


def blocks(X: AnyArray, rows: Sequence[int] | IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield trials as float64 in blocks of limited memory.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Trials; they may be memory-mapped.
    rows : array of int
        Rows to read, in this order.

    Yields
    ------
    rows : array of int
        Rows of the block.
    block : array, shape (n_rows, n_channels, n_times)
        Their samples.

    Examples
    --------
    >>> [(rows.tolist(), block.shape) for rows, block in blocks(np.zeros((5, 2, 3)), [1, 4])]
    [([1, 4], (2, 2, 3))]
    """
    rows = np.asarray(rows)
    step = max(1, _BLOCK_BYTES // (8 * int(np.prod(X.shape[1:]))))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        yield part, np.asarray(X[part], dtype=float)


def channel_scale(X: AnyArray, rows: Sequence[int] | IntArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of every channel over trials and times.

    Parameters
    ----------
    X : array, shape (n_trials, n_channels, n_times)
        Trials; they may be memory-mapped.
    rows : array of int
        Trials to use.

    Returns
    -------
    mean, sd : array, shape (n_channels,)
        ``sd`` is 1 for a constant channel.

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
    # The standard deviation of a constant channel may be a rounding error instead of 0.
    return mean, np.where(sd > 1e-9 * np.abs(mean), sd, 1.0)
