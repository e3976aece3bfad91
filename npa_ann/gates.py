"""Every gate of a recurrent layer at every step, from its weights."""

from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from npa.checks import check_option

LSTM_SIGNALS = ("f", "i", "cc", "o", "c", "c_out", "h")
GRU_SIGNALS = ("z", "r", "hh", "h")
RNN_SIGNALS = ("h",)


def lstm_gates(
    weights, x, initial_state=None, *, mask=None, activation="tanh", recurrent_activation="sigmoid"
):
    r"""Compute every gate of an LSTM at every step.

    Parameters
    ----------
    weights : sequence of array
        Kernel ``(features, 4 * units)``, recurrent kernel ``(units, 4 * units)`` and, where the
        layer has one, bias ``(4 * units,)``, in Keras's order i, f, c, o.
    x : array, shape (n, time, features)
        What enters the layer.
    initial_state : sequence of two arrays, shape (n, units) | None
        h and c before the first step; None for zeros.
    mask : array of bool, shape (n, time) | None
        False where a step is skipped: there every signal keeps its last value (before the first
        step that counts: the initial state, and zero gates).
    activation, recurrent_activation : str | callable
        Of the candidate and of the gates: ``"tanh"``, ``"sigmoid"``, ``"relu"``, ``"linear"``, or
        a function of an array.

    Returns
    -------
    signals : dict of array, shape (n, time, units)
        Forget gate ``f``, input gate ``i``, candidate ``cc``, output gate ``o``, cell ``c``, its
        squashed copy ``c_out`` and the output ``h``, in the precision of the weights.

    Raises
    ------
    ValueError
        If shapes do not fit each other.

    Notes
    -----
    .. math::

        c_t &= f_t c_{t-1} + i_t \, cc_t, \qquad c\_out_t = \tanh c_t, \qquad h_t = o_t c\_out_t,

    where f, i and o are :math:`\sigma(x_t W + h_{t-1} U + b)` with their own columns of W, U, b,
    and cc is the same under tanh [1]_.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997). Long short-term memory. Neural Computation 9(8).
       https://doi.org/10.1162/neco.1997.9.8.1735

    Examples
    --------
    >>> weights = np.zeros((1, 4)), np.zeros((1, 4)), np.array([0.0, 0.0, 1.0, 0.0])
    >>> lstm_gates(weights, np.zeros((1, 2, 1)))["c"].ravel().round(4)
    array([0.3808, 0.5712])
    """
    z, recurrent = _project(weights, x, n_blocks=4)
    time, n, width = z.shape
    units = width // 4
    squash, gate = _activation(activation), _activation(recurrent_activation)
    h, c = _initial(initial_state, 2, (n, units), z.dtype)
    i, f, cc, o = (z[..., block * units : (block + 1) * units] for block in range(4))
    cells, squashed, hidden = (np.empty((time, n, units), z.dtype) for _ in range(3))
    holder = _Holder(mask, (n, time), [z, squashed], [(hidden, h), (cells, c)])
    from_before, write = np.empty((n, width), z.dtype), np.empty((n, units), z.dtype)
    with one_blas_thread(), np.errstate(over="ignore"):
        for t in range(time):
            z[t] += np.matmul(h, recurrent, out=from_before)
            gate(z[t, :, : 2 * units])
            squash(cc[t])
            gate(o[t])
            h, keep, c = hidden[t], c, cells[t]
            np.multiply(f[t], keep, out=c)
            c += np.multiply(i[t], cc[t], out=write)
            squashed[t] = c
            squash(squashed[t])
            np.multiply(o[t], squashed[t], out=h)
            holder.hold(t)
    return _batch_first(f=f, i=i, cc=cc, o=o, c=cells, c_out=squashed, h=hidden)


def gru_gates(
    weights,
    x,
    initial_state=None,
    *,
    mask=None,
    reset_after=True,
    activation="tanh",
    recurrent_activation="sigmoid",
):
    r"""Compute every gate of a GRU at every step.

    Parameters
    ----------
    weights : sequence of array
        Kernel ``(features, 3 * units)``, recurrent kernel ``(units, 3 * units)`` and, where the
        layer has one, bias ``(3 * units,)``, or ``(2, 3 * units)`` with ``reset_after``, in
        Keras's order z, r, h.
    x : array, shape (n, time, features)
        What enters the layer.
    initial_state : array, shape (n, units) | None
        h before the first step; None for zeros.
    mask : array of bool, shape (n, time) | None
        False where a step is skipped: there every signal keeps its last value.
    reset_after : bool
        Whether the reset gate acts after the recurrent product (Keras's default), or before.
    activation, recurrent_activation : str | callable
        Of the candidate and of the gates, as in `lstm_gates`.

    Returns
    -------
    signals : dict of array, shape (n, time, units)
        Update gate ``z``, reset gate ``r``, candidate ``hh`` and the output ``h``.

    Raises
    ------
    ValueError
        If shapes do not fit each other.

    Notes
    -----
    :math:`h_t = z_t h_{t-1} + (1 - z_t) \, hh_t` [1]_.

    References
    ----------
    .. [1] Cho et al. (2014). Learning phrase representations using RNN encoder-decoder for
       statistical machine translation. EMNLP. https://doi.org/10.3115/v1/D14-1179

    Examples
    --------
    >>> weights = np.zeros((1, 3)), np.zeros((1, 3)), np.array([0.0, 0.0, 1.0])
    >>> gru_gates(weights, np.zeros((1, 2, 1)), reset_after=False)["h"].ravel().round(4)
    array([0.3808, 0.5712])
    """
    reset_after = check_option("reset_after", reset_after, (True, False))
    z, recurrent = _project(weights, x, n_blocks=3, two_biases=reset_after)
    has_bias = reset_after and len(weights) == 3
    recurrent_bias = np.asarray(weights[2])[1] if has_bias else z.dtype.type(0)
    time, n, width = z.shape
    units = width // 3
    squash, gate = _activation(activation), _activation(recurrent_activation)
    (h,) = _initial(initial_state, 1, (n, units), z.dtype)
    gates, candidate = z[..., : 2 * units], z[..., 2 * units :]
    update, reset = gates[..., :units], gates[..., units:]
    hidden = np.empty((time, n, units), z.dtype)
    holder = _Holder(mask, (n, time), [z], [(hidden, h)])
    with one_blas_thread(), np.errstate(over="ignore"):
        for t in range(time):
            if reset_after:
                from_before = h @ recurrent + recurrent_bias
                gates[t] += from_before[:, : 2 * units]
                gate(gates[t])
                candidate[t] += reset[t] * from_before[:, 2 * units :]
            else:
                gates[t] += h @ recurrent[:, : 2 * units]
                gate(gates[t])
                candidate[t] += (reset[t] * h) @ recurrent[:, 2 * units :]
            squash(candidate[t])
            hidden[t] = update[t] * h + (1 - update[t]) * candidate[t]
            holder.hold(t)
            h = hidden[t]
    return _batch_first(z=update, r=reset, hh=candidate, h=hidden)


def rnn_gates(weights, x, initial_state=None, *, mask=None, activation="tanh"):
    r"""Compute the state of a simple recurrent layer at every step.

    Parameters
    ----------
    weights : sequence of array
        Kernel ``(features, units)``, recurrent kernel ``(units, units)`` and, where the layer has
        one, bias ``(units,)``.
    x : array, shape (n, time, features)
        What enters the layer.
    initial_state : array, shape (n, units) | None
        h before the first step; None for zeros.
    mask : array of bool, shape (n, time) | None
        False where a step is skipped: there the state keeps its last value.
    activation : str | callable
        As in `lstm_gates`.

    Returns
    -------
    signals : dict of array, shape (n, time, units)
        The state ``h``: :math:`h_t = \tanh(x_t W + h_{t-1} U + b)`.

    Raises
    ------
    ValueError
        If shapes do not fit each other.

    Examples
    --------
    >>> weights = np.ones((1, 1)), np.full((1, 1), 2.0)
    >>> rnn_gates(weights, np.array([[[0.1], [0], [0]]]), activation="linear")["h"].ravel()
    array([0.1, 0.2, 0.4])
    """
    z, recurrent = _project(weights, x, n_blocks=1)
    time, n, units = z.shape
    squash = _activation(activation)
    (h,) = _initial(initial_state, 1, (n, units), z.dtype)
    holder = _Holder(mask, (n, time), [], [(z, h)])
    with one_blas_thread(), np.errstate(over="ignore"):
        for t in range(time):
            z[t] += h @ recurrent
            squash(z[t])
            holder.hold(t)
            h = z[t]
    return _batch_first(h=z)


class _Holder:
    """Let skipped steps keep what was there before them."""

    def __init__(self, mask, shape, gates, states):
        self.skipped = None
        if mask is not None:
            mask = np.asarray(mask, bool)
            if mask.shape != shape:
                raise ValueError(f"mask must have shape (n, time) = {shape}, got {mask.shape}.")
            if not mask.all():
                self.skipped = ~mask.T
        self.series = [(gate, np.zeros_like(gate[0])) for gate in gates] + states

    def hold(self, t):
        """Undo step ``t`` where it is skipped."""
        if self.skipped is None or not self.skipped[t].any():
            return
        which = self.skipped[t]
        for values, start in self.series:
            values[t, which] = (values[t - 1] if t else start)[which]


def _project(weights, x, n_blocks, two_biases=False):
    """Multiply the input of all steps by the kernel; return (time, n, width), and recurrence."""
    weights = [np.asarray(weight) for weight in weights]
    x = np.asarray(x)
    if len(weights) not in (2, 3):
        raise ValueError(f"weights must be kernel, recurrent kernel[, bias], got {len(weights)}.")
    kernel, recurrent, *bias = weights
    units = recurrent.shape[0]
    width = n_blocks * units
    bias_shape = (2, width) if two_biases else (width,)
    shapes = [weight.shape for weight in weights]
    if shapes != [(kernel.shape[0], width), (units, width), bias_shape][: len(shapes)]:
        raise ValueError(
            f"weights must have shapes (features, {n_blocks} units), (units, {n_blocks} units) "
            f"and, for the bias, {'(2, ' if two_biases else '('}{n_blocks} units), got {shapes}."
        )
    if x.ndim != 3 or x.shape[2] != kernel.shape[0]:
        raise ValueError(f"x must have shape (n, time, {kernel.shape[0]}), got {x.shape}.")
    n, time, features = x.shape
    dtype = np.result_type(kernel.dtype, np.float32)
    steps = np.ones((time, n, features + 1), dtype)  # the last feature is there for the bias
    steps[..., :-1] = x.transpose(1, 0, 2)
    bias = bias[0].reshape(-1, width)[0] if bias else np.zeros(width)
    with one_blas_thread():
        z = steps.reshape(-1, features + 1) @ np.vstack([kernel, bias]).astype(dtype, copy=False)
    return z.reshape(time, n, width), recurrent.astype(dtype, copy=False)


def _initial(states, count, shape, dtype):
    """Return the states before the first step."""
    if states is None:
        return [np.zeros(shape, dtype) for _ in range(count)]
    if count == 1 and np.ndim(states) == 2:
        states = [states]
    states = [np.asarray(state, dtype) for state in states]
    if [state.shape for state in states] != [shape] * count:
        raise ValueError(
            f"initial_state must be {count} array(s) of shape {shape}, "
            f"got {[state.shape for state in states]}."
        )
    return states


def _activation(function):
    """Return an activation that works in place."""
    if callable(function):

        def apply(z):
            z[...] = function(z)

        return apply
    return ACTIVATIONS[check_option("activation", function, ACTIVATIONS)]


def _sigmoid(z):
    """Compute the logistic function in place; overflow to infinity gives the right zero."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)


ACTIVATIONS = {
    "tanh": lambda z: np.tanh(z, out=z),
    "sigmoid": _sigmoid,
    "relu": lambda z: np.maximum(z, 0, out=z),
    "linear": lambda z: z,
}


def one_blas_thread():
    """Keep the many small products of a recurrence on one thread: waking others costs more.

    Returns
    -------
    context : context manager
        Within it, NumPy's matrix products use one thread.

    Examples
    --------
    >>> with one_blas_thread():
    ...     product = np.ones((2, 2)) @ np.ones((2, 2))
    """
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas():
    """Find the BLAS libraries in this process once."""
    return ThreadpoolController()


def _batch_first(**signals):
    """Return views of shape (n, time, units)."""
    return {name: values.transpose(1, 0, 2) for name, values in signals.items()}
