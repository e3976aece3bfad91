"""Many small problems worked on together: a queue, blocks of rows, and their linear algebra."""

from types import SimpleNamespace

import numpy as np


class Rows(SimpleNamespace):
    """Arrays with one row a problem."""

    def take(self, index, size=None):
        """Return some rows, and of each so many parameters."""
        some = {name: values[index] for name, values in vars(self).items()}
        if size is not None:
            some |= {name: v[:, :size] for name, v in some.items() if v.ndim > 1}
        return Rows(**some)

    def put(self, index, rows):
        """Set what ``rows`` has of these arrays."""
        for name, values in vars(self).items():
            new = getattr(rows, name)
            if new.ndim > 1:
                values[index, : new.shape[1]] = new
            else:
                values[index] = new

    def update(self, mask, **values):
        """Set the rows in ``mask``."""
        for name, new in values.items():
            shape = (-1,) + (1,) * (new.ndim - 1)
            setattr(self, name, np.where(mask.reshape(shape), new, getattr(self, name)))


def work_off(memory, begin, advance, max_evals, block, sizes, *, few=0, finish=None):
    """Work off a queue of problems in blocks; of a block half done, the rest queues again.

    Parameters
    ----------
    memory : Rows
        What is kept of each problem while it waits: parameters ``x``, counter ``evals``, and more.
    begin : callable
        ``begin(rows, problems)`` prepares a block.
    advance : callable
        ``advance(rows, problems) -> done`` takes one step of each problem in the block.
    max_evals : int
        Count of ``rows.evals`` after which a problem is given up.
    block : int
        Number of problems worked on together.
    sizes : array of int, shape (n_problems,)
        Number of parameters of each. The small are first; where problems of several sizes meet at
        the end of the queue, those of the largest are seen.
    few : int, default 0
        How many are too few for a block.
    finish : callable | None
        ``finish(problems) -> x, solved`` does the last few.

    Returns
    -------
    x : array, shape (n_problems, n_params)
        The parameters.
    solved : array of bool, shape (n_problems,)
        Whether each was done before it was given up.

    Examples
    --------
    >>> import numpy as np
    >>> memory = Rows(x=np.array([[3.0], [50.0]]), evals=np.zeros(2))
    >>> def advance(rows, problems):
    ...     rows.x, rows.evals = rows.x - 1, rows.evals + 1
    ...     return rows.x[:, 0] == 0
    >>> x, solved = work_off(memory, lambda rows, problems: None, advance, 10, 2, np.array([1, 1]))
    >>> x.ravel(), solved
    (array([ 0., 40.]), array([ True, False]))
    """
    solved = np.zeros(len(memory.x), dtype=bool)
    problems = np.empty(0, dtype=int)
    queue = np.argsort(sizes, kind="stable")
    with np.errstate(all="ignore"):
        while len(queue):
            problems, queue = queue[:block], queue[block:]
            enough = len(problems) // 2 if len(queue) else few
            size = sizes[problems].max()
            rows = memory.take(problems, size)
            begin(rows, problems)
            while len(problems) > enough:
                done = advance(rows, problems)
                over = done | (rows.evals >= max_evals)
                if over.any():
                    memory.x[problems[over], :size] = rows.x[over]
                    solved[problems[done]] = True
                    problems = problems[~over]
                    rows = rows.take(~over)
            if not len(queue):
                break
            memory.put(problems, rows)
            queue = np.concatenate([queue, problems])
        if few:
            memory.x[problems], solved[problems] = finish(problems)
    return memory.x, solved


def lengths(vectors):
    """Measure the Euclidean length of every row.

    Parameters
    ----------
    vectors : array, shape (..., n)
        The rows.

    Returns
    -------
    lengths : array, shape (...)
        Their lengths.

    Examples
    --------
    >>> lengths(np.array([[3.0, 4.0]]))
    array([5.])
    """
    return np.sqrt(np.vecdot(vectors, vectors))


def diagonals(matrices):
    """Show the diagonals of matrices, to be read or written.

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
    >>> diagonals(matrix)[:] += [1, 2]
    >>> matrix
    array([[[1., 0.],
            [0., 2.]]])
    """
    return np.einsum("...ii->...i", matrices)
