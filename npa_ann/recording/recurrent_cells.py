"""Recurrent layers computed from their weights, one step at a time.

Everything that a step reads or writes lies in one array with a row for each number and a column
for each sequence: one matrix product serves input, bias and recurrence, and all the rest runs
over memory without gaps.
"""

from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from npa.checks import check_option


def lstm_cell(
    weights, x, initial_state=None, mask=None, activation="tanh", recurrent_activation="sigmoid"
):
    """Prepare an LSTM to be read step by step, so that nobody has to keep all of it.

    Parameters
    ----------
    weights, x, initial_state, mask, activation, recurrent_activation
        As in `npa_ann.recording.gates.lstm_gates`.

    Returns
    -------
    step : callable
        ``step(t)`` computes step ``t``; to be called for one after the other.
    signals : dict of array, shape (units, n)
        The signals at the last step; each step writes over them.

    Raises
    ------
    ValueError
        If shapes do not fit each other.

    Examples
    --------
    >>> weights = np.zeros((1, 4)), np.zeros((1, 4)), np.array([0.0, 0.0, 1.0, 0.0])
    >>> step, signals = lstm_cell(weights, np.zeros((1, 2, 1)))
    >>> step(0)
    >>> step(1)
    >>> signals["c"].round(4)
    array([[0.5712]])
    """
    kernel, recurrent, bias = _check_weights(weights, n_blocks=4)
    squash, gate = _activation(activation), _activation(recurrent_activation)
    features, units = len(kernel), len(recurrent)
    steps = _steps(x, kernel)
    block, (given, _, h, c, c_out, gates, product) = _rows(
        steps, features, 1, units, units, units, 4 * units, units
    )
    entering = block[: features + 1 + units]
    f, i, o, cc = gates.reshape(4, units, -1)
    keras_order = np.arange(4 * units).reshape(4, units)  # i, f, c, o
    matrix = _stacked(kernel, bias, recurrent)[keras_order[[1, 0, 3, 2]].ravel()]
    _start([h, c], initial_state)

    def step(t):
        given[...] = steps[t]
        np.matmul(matrix, entering, out=gates)
        gate(gates[: 3 * units])
        squash(cc)
        np.multiply(c, f, out=c)
        np.add(c, np.multiply(i, cc, out=product), out=c)
        c_out[...] = c
        squash(c_out)
        np.multiply(o, c_out, out=h)

    signals = {"f": f, "i": i, "cc": cc, "o": o, "c": c, "c_out": c_out, "h": h}
    return _skipping(step, mask, steps, block), signals


def gru_cell(
    weights,
    x,
    initial_state=None,
    mask=None,
    reset_after=True,
    activation="tanh",
    recurrent_activation="sigmoid",
):
    """Prepare a GRU to be read step by step.

    Parameters
    ----------
    weights, x, initial_state, mask, reset_after, activation, recurrent_activation
        As in `npa_ann.recording.gates.gru_gates`.

    Returns
    -------
    step : callable
        ``step(t)`` computes step ``t``; to be called for one after the other.
    signals : dict of array, shape (units, n)
        The signals at the last step; each step writes over them.

    Raises
    ------
    ValueError
        If shapes do not fit each other.

    Examples
    --------
    >>> weights = np.zeros((1, 3)), np.zeros((1, 3)), np.array([0.0, 0.0, 1.0])
    >>> step, signals = gru_cell(weights, np.zeros((1, 2, 1)), reset_after=False)
    >>> step(0)
    >>> signals["h"].round(4)
    array([[0.3808]])
    """
    reset_after = check_option("reset_after", reset_after, (True, False))
    kernel, recurrent, bias = _check_weights(weights, n_blocks=3, two_biases=reset_after)
    bias, recurrent_bias = bias if reset_after else (bias, np.zeros_like(bias))
    squash, gate = _activation(activation), _activation(recurrent_activation)
    features, units = len(kernel), len(recurrent)
    steps = _steps(x, kernel)
    block, (given, _, h, gates, hh, back) = _rows(
        steps, features, 1, units, 2 * units, units, units
    )
    from_input, from_before = block[: features + 1], block[features : features + 1 + units]
    entering = block[: features + 1 + units]
    z, r = gates.reshape(2, units, -1)
    matrix = _stacked(kernel, bias + recurrent_bias, recurrent)[: 2 * units]
    inward = _stacked(kernel, bias)[2 * units :]
    around = _stacked(recurrent_bias, recurrent)[2 * units :]
    _start([h], initial_state)

    def step(t):
        given[...] = steps[t]
        np.matmul(matrix, entering, out=gates)
        gate(gates)
        np.matmul(inward, from_input, out=hh)
        if reset_after:
            np.multiply(r, np.matmul(around, from_before, out=back), out=back)
        else:
            np.matmul(around[:, 1:], r * h, out=back)
        np.add(hh, back, out=hh)
        squash(hh)
        h[...] = z * h + (1 - z) * hh

    return _skipping(step, mask, steps, block), {"z": z, "r": r, "hh": hh, "h": h}


def simple_rnn_cell(weights, x, initial_state=None, mask=None, activation="tanh"):
    """Prepare a simple recurrent layer to be read step by step.

    Parameters
    ----------
    weights, x, initial_state, mask, activation
        As in `npa_ann.recording.gates.rnn_gates`.

    Returns
    -------
    step : callable
        ``step(t)`` computes step ``t``; to be called for one after the other.
    signals : dict of array, shape (units, n)
        The signal at the last step; each step writes over it.

    Raises
    ------
    ValueError
        If shapes do not fit each other.

    Examples
    --------
    >>> step, signals = simple_rnn_cell([np.ones((1, 1)), np.ones((1, 1))], np.full((1, 1, 1), 0.5))
    >>> step(0)
    >>> signals["h"].round(4)
    array([[0.4621]])
    """
    kernel, recurrent, bias = _check_weights(weights, n_blocks=1)
    squash = _activation(activation)
    features, units = len(kernel), len(recurrent)
    steps = _steps(x, kernel)
    block, (given, _, h, next_h) = _rows(steps, features, 1, units, units)
    entering = block[: features + 1 + units]
    matrix = _stacked(kernel, bias, recurrent)
    _start([h], initial_state)

    def step(t):
        given[...] = steps[t]
        np.matmul(matrix, entering, out=next_h)
        squash(next_h)
        h[...] = next_h

    return _skipping(step, mask, steps, block), {"h": h}


def single_blas_thread():
    """Keep the many small products of a recurrence on one thread: waking others costs more.

    Returns
    -------
    context : context manager
        Within it, NumPy's matrix products use one thread.

    Examples
    --------
    >>> with single_blas_thread():
    ...     product = np.ones((2, 2)) @ np.ones((2, 2))
    """
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas():
    """Find the BLAS libraries in this process once."""
    return ThreadpoolController()


def _check_weights(weights, n_blocks, two_biases=False):
    """Return kernel, recurrent kernel and bias (zeros where there is none) that fit each other."""
    weights = [np.asarray(weight) for weight in weights]
    if len(weights) not in (2, 3):
        raise ValueError(f"weights must be kernel, recurrent kernel[, bias], got {len(weights)}.")
    kernel, recurrent = weights[:2]
    units = recurrent.shape[0]
    width = n_blocks * units
    bias_shape = (2, width) if two_biases else (width,)
    shapes = [weight.shape for weight in weights]
    if shapes != [(kernel.shape[0], width), (units, width), bias_shape][: len(shapes)]:
        raise ValueError(
            f"weights must have shapes (features, {n_blocks} units), (units, {n_blocks} units) "
            f"and, for the bias, {'(2, ' if two_biases else '('}{n_blocks} units), got {shapes}."
        )
    dtype = np.result_type(kernel.dtype, np.float32)
    bias = weights[2] if len(weights) == 3 else np.zeros(bias_shape)
    return [weight.astype(dtype, copy=False) for weight in (kernel, recurrent, bias)]


def _steps(x, kernel):
    """Return what enters, step by step: (time, features, n)."""
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[2] != len(kernel):
        raise ValueError(f"x must have shape (n, time, {len(kernel)}), got {x.shape}.")
    return np.ascontiguousarray(x.transpose(1, 2, 0), dtype=kernel.dtype)


def _rows(steps, *sizes):
    """Reserve rows for everything that a step needs; the second part is 1, for the bias."""
    block = np.zeros((sum(sizes), steps.shape[2]), steps.dtype)
    parts = np.split(block, np.cumsum(sizes)[:-1])
    parts[1][...] = 1
    return block, parts


def _stacked(*weights):
    """Join weights and biases to a matrix that stands before what it multiplies."""
    return np.ascontiguousarray(np.vstack(weights).T)


def _start(states, initial):
    """Set the states before the first step."""
    if initial is None:
        return
    if len(states) == 1 and np.ndim(initial) == 2:
        initial = [initial]
    shapes = [np.shape(state) for state in initial]
    wanted = [state.T.shape for state in states]
    if shapes != wanted:
        raise ValueError(
            f"initial_state must be {len(states)} array(s) of shape {wanted[0]}, got {shapes}."
        )
    for state, values in zip(states, initial, strict=True):
        state[...] = np.asarray(values).T


def _skipping(step, mask, steps, block):
    """Let sequences whose step does not count keep everything as it was before."""
    if mask is None:
        return step
    mask = np.asarray(mask, bool)
    shape = steps.shape[2], steps.shape[0]
    if mask.shape != shape:
        raise ValueError(f"mask must have shape (n, time) = {shape}, got {mask.shape}.")

    def careful_step(t):
        skipped = ~mask[:, t]
        before = block[:, skipped]
        step(t)
        block[:, skipped] = before

    return step if mask.all() else careful_step


def _activation(function):
    """Return an activation that works in place on rows of units."""
    if callable(function):

        def apply(z):
            z[...] = np.asarray(function(z.T)).T

        return apply
    return ACTIVATIONS[check_option("activation", function, ACTIVATIONS)]


def _sigmoid(z):
    """Compute the logistic function in place; overflow to infinity gives the right zero."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    np.add(z, 1, out=z)
    np.reciprocal(z, out=z)


ACTIVATIONS = {
    "tanh": lambda z: np.tanh(z, out=z),
    "sigmoid": _sigmoid,
    "relu": lambda z: np.maximum(z, 0, out=z),
    "linear": lambda z: z,
}
