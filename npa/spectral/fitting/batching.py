"""Iterations over many small problems at once: batches of rows, and their linear algebra."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from npa.typing import AnyArray, BoolArray, FloatArray, IntArray


class Batch(SimpleNamespace):
    """Arrays with one row per problem."""

    def select(self, index: AnyArray, n_params: int | None = None) -> "Batch":
        """Return some problems, and of each the first parameters.

        Parameters
        ----------
        index : array
            Indices or mask of the problems.
        n_params : int | None
            Number of parameters; None for all.

        Returns
        -------
        batch : Batch
            A copy of the rows.
        """
        rows = {name: values[index] for name, values in vars(self).items()}
        if n_params is not None:
            rows |= {name: v[:, :n_params] for name, v in rows.items() if v.ndim > 1}
        return Batch(**rows)

    def store(self, index: IntArray, batch: "Batch") -> None:
        """Set the arrays of some problems.

        Parameters
        ----------
        index : array of int
            Indices of the problems.
        batch : Batch
            Their rows, perhaps with fewer parameters and with additional arrays.
        """
        for name, values in vars(self).items():
            new = getattr(batch, name)
            if new.ndim > 1:
                values[index, : new.shape[1]] = new
            else:
                values[index] = new

    def update(self, mask: BoolArray, **arrays: AnyArray) -> None:
        """Replace arrays where a mask is true.

        Parameters
        ----------
        mask : array of bool, shape (n_problems,)
            Which problems.
        **arrays
            New values by name, for all problems.
        """
        for name, new in arrays.items():
            shape = (-1,) + (1,) * (new.ndim - 1)
            setattr(self, name, np.where(mask.reshape(shape), new, getattr(self, name)))


def solve_in_batches(
    state: Batch,
    prepare: Callable[[Batch, IntArray], None],
    iterate: Callable[[Batch, IntArray], BoolArray],
    *,
    n_params: IntArray,
    max_nfev: int,
    batch_size: int,
    min_batch_size: int = 0,
    solve_rest: Callable[[IntArray], tuple[FloatArray, BoolArray]] | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Iterate over problems in batches until all have converged or are given up.

    Parameters
    ----------
    state : Batch
        What is kept of each problem between batches: parameters ``x``, number of evaluations
        ``nfev``, and more.
    prepare : callable
        ``prepare(batch, problems)`` sets up a batch.
    iterate : callable
        ``iterate(batch, problems) -> converged`` takes one step of each problem in the batch.
    n_params : array of int, shape (n_problems,)
        Number of parameters of each problem. Those with few are solved first; a batch has as many
        columns as its largest problem.
    max_nfev : int
        Number of evaluations after which a problem is given up.
    batch_size : int
        Number of problems in a batch. When half of them are solved, the others return to the
        queue, so that batches stay large.
    min_batch_size : int, default 0
        Number of problems, at the end of the queue, from which on they are not solved together.
    solve_rest : callable | None
        ``solve_rest(problems) -> x, converged`` solves these last problems.

    Returns
    -------
    x : array, shape (n_problems, n_params)
        The parameters.
    converged : array of bool, shape (n_problems,)
        Whether each problem converged before it was given up.

    Examples
    --------
    >>> import numpy as np
    >>> state = Batch(x=np.array([[3.0], [50.0]]), nfev=np.zeros(2))
    >>> def count_down(batch, problems):
    ...     batch.x, batch.nfev = batch.x - 1, batch.nfev + 1
    ...     return batch.x[:, 0] == 0
    >>> options = {"n_params": np.array([1, 1]), "max_nfev": 10, "batch_size": 2}
    >>> x, converged = solve_in_batches(state, lambda *args: None, count_down, **options)
    >>> x.ravel(), converged
    (array([ 0., 40.]), array([ True, False]))
    """
    converged = np.zeros(len(state.x), dtype=bool)
    problems, queue = np.empty(0, dtype=np.intp), np.argsort(n_params, kind="stable")
    with np.errstate(all="ignore"):
        while len(queue):
            problems, queue = queue[:batch_size], queue[batch_size:]
            min_left = len(problems) // 2 if len(queue) else min_batch_size
            size = n_params[problems].max()
            batch = state.select(problems, size)
            prepare(batch, problems)
            while len(problems) > min_left:
                done = iterate(batch, problems)
                stopped = done | (batch.nfev >= max_nfev)
                if stopped.any():
                    state.x[problems[stopped], :size] = batch.x[stopped]
                    converged[problems[done]] = True
                    problems, batch = problems[~stopped], batch.select(~stopped)
            if not len(queue):
                break
            state.store(problems, batch)
            queue = np.concatenate([queue, problems])
        if len(problems) and solve_rest is not None:
            state.x[problems], converged[problems] = solve_rest(problems)
    x: FloatArray = state.x
    return x, converged


def row_norms(vectors: FloatArray) -> FloatArray:
    """Compute the Euclidean norm of every row.

    Parameters
    ----------
    vectors : array, shape (..., n)
        The rows.

    Returns
    -------
    norms : array, shape (...)
        Their norms.

    Examples
    --------
    >>> row_norms(np.array([[3.0, 4.0]]))
    array([5.])
    """
    norms: FloatArray = np.sqrt(np.vecdot(vectors, vectors))
    return norms


def diagonal_view(matrices: FloatArray) -> FloatArray:
    """Return a writable view of the diagonals of matrices.

    Parameters
    ----------
    matrices : array, shape (..., n, n)
        The matrices.

    Returns
    -------
    diagonals : array, shape (..., n)
        A view.

    Examples
    --------
    >>> matrix = np.zeros((1, 2, 2))
    >>> diagonal_view(matrix)[:] += [1, 2]
    >>> matrix
    array([[[1., 0.],
            [0., 2.]]])
    """
    diagonals: FloatArray = np.einsum("...ii->...i", matrices)
    return diagonals
