"""LSTM, GRU and simple recurrent cells in NumPy, one step at a time.

All operands of a step are rows of one array with a column per sequence: a single matrix product
applies kernel, bias and recurrent kernel, and every operation runs over contiguous memory.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from npa.checks import check_option
from npa.typing import AnyArray

Activation: TypeAlias = str | Callable[[AnyArray], npt.ArrayLike]
InitialState: TypeAlias = AnyArray | Sequence[AnyArray] | None
# Compute step t, to be called for t = 0, 1, ...; the signals (units, n) are overwritten each time.
Cell: TypeAlias = tuple[Callable[[int], None], dict[str, AnyArray]]


def lstm_cell(
    weights: Sequence[npt.ArrayLike],
    x: npt.ArrayLike,
    initial_state: InitialState = None,
    mask: npt.ArrayLike | None = None,
    activation: Activation = "tanh",
    recurrent_activation: Activation = "sigmoid",
) -> Cell:
    """Prepare an LSTM to be computed step by step, without storing its signals at all steps.

    Parameters
    ----------
    weights, x, initial_state, mask, activation, recurrent_activation
        As in `npa_ann.recording.gates.lstm_gates`.

    Returns
    -------
    step : callable
        ``step(t)`` computes step ``t``; call it for t = 0, 1, ... in order.
    signals : dict of array, shape (units, n)
        The signals at the last step computed; each step overwrites them.

    Raises
    ------
    ValueError
        If the shapes do not match.

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
    activate, activate_gates = (
        _in_place(activation),
        _in_place(recurrent_activation, len(recurrent)),
    )
    features, units = len(kernel), len(recurrent)
    inputs = _time_first(x, kernel)
    rows, (x_t, _, h, c, c_out, gates, product) = _operand_rows(
        inputs, features, 1, units, units, units, 4 * units, units
    )
    operands = rows[: features + 1 + units]  # input, 1, h
    f, i, o, cc = gates.reshape(4, units, -1)
    keras_order = np.arange(4 * units).reshape(4, units)  # i, f, c, o
    matrix = _transposed_stack(kernel, bias, recurrent)[keras_order[[1, 0, 3, 2]].ravel()]
    _set_initial([h, c], initial_state)

    def step(t: int) -> None:
        x_t[...] = inputs[t]
        np.matmul(matrix, operands, out=gates)
        activate_gates(gates[: 3 * units])
        activate(cc)
        np.multiply(c, f, out=c)
        np.add(c, np.multiply(i, cc, out=product), out=c)
        c_out[...] = c
        activate(c_out)
        np.multiply(o, c_out, out=h)

    signals = {"f": f, "i": i, "cc": cc, "o": o, "c": c, "c_out": c_out, "h": h}
    return _masked(step, mask, inputs, rows), signals


def gru_cell(
    weights: Sequence[npt.ArrayLike],
    x: npt.ArrayLike,
    initial_state: InitialState = None,
    mask: npt.ArrayLike | None = None,
    reset_after: bool = True,
    activation: Activation = "tanh",
    recurrent_activation: Activation = "sigmoid",
) -> Cell:
    """Prepare a GRU to be computed step by step.

    Parameters
    ----------
    weights, x, initial_state, mask, reset_after, activation, recurrent_activation
        As in `npa_ann.recording.gates.gru_gates`.

    Returns
    -------
    step : callable
        ``step(t)`` computes step ``t``; call it for t = 0, 1, ... in order.
    signals : dict of array, shape (units, n)
        The signals at the last step computed; each step overwrites them.

    Raises
    ------
    ValueError
        If the shapes do not match.

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
    activate, activate_gates = (
        _in_place(activation),
        _in_place(recurrent_activation, len(recurrent)),
    )
    features, units = len(kernel), len(recurrent)
    inputs = _time_first(x, kernel)
    rows, (x_t, _, h, gates, hh, feedback) = _operand_rows(
        inputs, features, 1, units, 2 * units, units, units
    )
    operands = rows[: features + 1 + units]  # input, 1, h
    input_operands, state_operands = rows[: features + 1], rows[features : features + 1 + units]
    z, r = gates.reshape(2, units, -1)
    gate_matrix = _transposed_stack(kernel, bias + recurrent_bias, recurrent)[: 2 * units]
    input_matrix = _transposed_stack(kernel, bias)[2 * units :]
    state_matrix = _transposed_stack(recurrent_bias, recurrent)[2 * units :]
    _set_initial([h], initial_state)

    def step(t: int) -> None:
        x_t[...] = inputs[t]
        np.matmul(gate_matrix, operands, out=gates)
        activate_gates(gates)
        np.matmul(input_matrix, input_operands, out=hh)
        if reset_after:
            np.multiply(r, np.matmul(state_matrix, state_operands, out=feedback), out=feedback)
        else:
            np.matmul(state_matrix[:, 1:], r * h, out=feedback)
        np.add(hh, feedback, out=hh)
        activate(hh)
        h[...] = z * h + (1 - z) * hh

    return _masked(step, mask, inputs, rows), {"z": z, "r": r, "hh": hh, "h": h}


def simple_rnn_cell(
    weights: Sequence[npt.ArrayLike],
    x: npt.ArrayLike,
    initial_state: InitialState = None,
    mask: npt.ArrayLike | None = None,
    activation: Activation = "tanh",
) -> Cell:
    """Prepare a simple recurrent layer to be computed step by step.

    Parameters
    ----------
    weights, x, initial_state, mask, activation
        As in `npa_ann.recording.gates.rnn_gates`.

    Returns
    -------
    step : callable
        ``step(t)`` computes step ``t``; call it for t = 0, 1, ... in order.
    signals : dict of array, shape (units, n)
        The signal at the last step computed; each step overwrites it.

    Raises
    ------
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> weights = [np.ones((1, 1)), np.ones((1, 1))]
    >>> step, signals = simple_rnn_cell(weights, np.full((1, 1, 1), 0.5))
    >>> step(0)
    >>> signals["h"].round(4)
    array([[0.4621]])
    """
    kernel, recurrent, bias = _check_weights(weights, n_blocks=1)
    activate = _in_place(activation)
    features, units = len(kernel), len(recurrent)
    inputs = _time_first(x, kernel)
    rows, (x_t, _, h, next_h) = _operand_rows(inputs, features, 1, units, units)
    operands = rows[: features + 1 + units]  # input, 1, h
    matrix = _transposed_stack(kernel, bias, recurrent)
    _set_initial([h], initial_state)

    def step(t: int) -> None:
        x_t[...] = inputs[t]
        np.matmul(matrix, operands, out=next_h)
        activate(next_h)
        h[...] = next_h

    return _masked(step, mask, inputs, rows), {"h": h}


def single_blas_thread() -> Any:
    """Limit BLAS to one thread: for many small products, more threads only wait.

    Returns
    -------
    context : context manager
        Within it, NumPy's matrix products use one thread.

    Examples
    --------
    >>> with single_blas_thread():
    ...     print(np.ones((1, 2)) @ np.ones((2, 1)))
    [[2.]]
    """
    return _blas_libraries().limit(limits=1, user_api="blas")


@cache
def _blas_libraries() -> ThreadpoolController:
    """Search this process for BLAS libraries, once."""
    return ThreadpoolController()


def _check_weights(
    weights: Sequence[npt.ArrayLike], n_blocks: int, two_biases: bool = False
) -> list[AnyArray]:
    """Return kernel, recurrent kernel and bias (zeros if absent) after checking their shapes."""
    arrays = [np.asarray(weight) for weight in weights]
    if len(arrays) not in (2, 3):
        raise ValueError(f"weights must be kernel, recurrent kernel[, bias], got {len(arrays)}.")
    kernel, recurrent = arrays[:2]
    units = recurrent.shape[0]
    width = n_blocks * units
    bias_shape = (2, width) if two_biases else (width,)
    shapes = [array.shape for array in arrays]
    if shapes != [(kernel.shape[0], width), (units, width), bias_shape][: len(shapes)]:
        raise ValueError(
            f"weights must have shapes (features, {n_blocks} units), (units, {n_blocks} units) "
            f"and, for the bias, {'(2, ' if two_biases else '('}{n_blocks} units), got {shapes}."
        )
    dtype = np.result_type(kernel.dtype, np.float32)
    bias = arrays[2] if len(arrays) == 3 else np.zeros(bias_shape)
    return [array.astype(dtype, copy=False) for array in (kernel, recurrent, bias)]


def _time_first(x: npt.ArrayLike, kernel: AnyArray) -> AnyArray:
    """Return the inputs as (time, features, n)."""
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[2] != len(kernel):
        raise ValueError(f"x must have shape (n, time, {len(kernel)}), got {x.shape}.")
    return np.ascontiguousarray(x.transpose(1, 2, 0), dtype=kernel.dtype)


def _operand_rows(inputs: AnyArray, *sizes: int) -> tuple[AnyArray, list[AnyArray]]:
    """Allocate the rows of all operands; the second operand is 1, the factor of the bias."""
    rows = np.zeros((sum(sizes), inputs.shape[2]), inputs.dtype)
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    parts[1][...] = 1
    return rows, parts


def _transposed_stack(*weights: AnyArray) -> AnyArray:
    """Stack weights and biases to one matrix, to be multiplied with the operands."""
    return np.ascontiguousarray(np.vstack(weights).T)


def _set_initial(states: list[AnyArray], initial: InitialState) -> None:
    """Set the states before the first step."""
    if initial is None:
        return
    if len(states) == 1 and np.ndim(initial) == 2:
        initial = [np.asarray(initial)]
    shapes = [np.shape(state) for state in initial]
    expected = [state.T.shape for state in states]
    if shapes != expected:
        raise ValueError(
            f"initial_state must be {len(states)} array(s) of shape {expected[0]}, got {shapes}."
        )
    for state, values in zip(states, initial, strict=True):
        state[...] = np.asarray(values).T


def _masked(
    step: Callable[[int], None], mask: npt.ArrayLike | None, inputs: AnyArray, rows: AnyArray
) -> Callable[[int], None]:
    """Let sequences keep all their values at masked steps."""
    if mask is None:
        return step
    mask = np.asarray(mask, bool)
    shape = inputs.shape[2], inputs.shape[0]
    if mask.shape != shape:
        raise ValueError(f"mask must have shape (n, time) = {shape}, got {mask.shape}.")

    def masked_step(t: int) -> None:
        skipped = ~mask[:, t]
        before = rows[:, skipped]
        step(t)
        rows[:, skipped] = before

    return step if mask.all() else masked_step


def _in_place(activation: Activation, units: int | None = None) -> Callable[[AnyArray], object]:
    """Return an activation that works in place on rows of units, of which a gate has ``units``.

    One that is not elementwise, such as softmax, works on each gate by itself.
    """
    if callable(activation):

        def apply(z: AnyArray) -> None:
            for gate in z.reshape(-1, units or len(z), *z.shape[1:]):
                gate[...] = np.asarray(activation(gate.T)).T

        return apply
    return ACTIVATIONS[check_option("activation", activation, ACTIVATIONS)]


def _sigmoid(z: AnyArray) -> None:
    """Compute the logistic function in place; overflow to infinity correctly gives zero."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    np.add(z, 1, out=z)
    np.reciprocal(z, out=z)


# In place, by Keras's names.
ACTIVATIONS: dict[str, Callable[[AnyArray], object]] = {
    "tanh": lambda z: np.tanh(z, out=z),
    "sigmoid": _sigmoid,
    "relu": lambda z: np.maximum(z, 0, out=z),
    "linear": lambda z: z,
}
