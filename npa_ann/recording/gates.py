"""Every gate of a recurrent layer at every step, computed from its weights."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from npa.typing import AnyArray
from npa_ann.recording.recurrent_cells import (
    Activation,
    InitialState,
    gru_cell,
    lstm_cell,
    simple_rnn_cell,
    single_blas_thread,
)

LSTM_SIGNALS = ("f", "i", "cc", "o", "c", "c_out", "h")
GRU_SIGNALS = ("z", "r", "hh", "h")
RNN_SIGNALS = ("h",)


def lstm_gates(
    weights: Sequence[npt.ArrayLike],
    x: npt.ArrayLike,
    initial_state: InitialState = None,
    *,
    mask: npt.ArrayLike | None = None,
    activation: Activation = "tanh",
    recurrent_activation: Activation = "sigmoid",
) -> dict[str, AnyArray]:
    r"""Compute every gate of an LSTM at every step.

    Parameters
    ----------
    weights : sequence of array
        Kernel ``(features, 4 * units)``, recurrent kernel ``(units, 4 * units)`` and, where the
        layer has one, bias ``(4 * units,)``, in Keras's order i, f, c, o.
    x : array, shape (n, time, features)
        Input of the layer.
    initial_state : sequence of two arrays, shape (n, units) | None
        h and c before the first step. Default None: zeros.
    mask : array of bool, shape (n, time) | None
        False where a step is skipped: every signal keeps its last value there (before the first
        unmasked step: the initial state, and zero gates). Default None: no step is skipped.
    activation, recurrent_activation : str | callable
        Activation of candidate and output (default ``"tanh"``) and of the gates (default
        ``"sigmoid"``): ``"tanh"``, ``"sigmoid"``, ``"relu"``, ``"linear"``, or a function of an
        array.

    Returns
    -------
    signals : dict of array, shape (n, time, units)
        Forget gate ``f``, input gate ``i``, candidate ``cc``, output gate ``o``, cell state ``c``,
        its activation ``c_out`` and the output ``h``, in the precision of the weights.

    Raises
    ------
    ValueError
        If the shapes do not match.

    Notes
    -----
    .. math::

        c_t &= f_t c_{t-1} + i_t \, cc_t, \qquad c\_out_t = \tanh c_t, \qquad h_t = o_t c\_out_t,

    where f, i and o are :math:`\sigma(x_t W + h_{t-1} U + b)` with their own columns of W, U, b,
    and cc is the same with tanh [1]_.

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
    cell = lstm_cell(weights, x, initial_state, mask, activation, recurrent_activation)
    return _all_steps(*cell, x)


def gru_gates(
    weights: Sequence[npt.ArrayLike],
    x: npt.ArrayLike,
    initial_state: InitialState = None,
    *,
    mask: npt.ArrayLike | None = None,
    reset_after: bool = True,
    activation: Activation = "tanh",
    recurrent_activation: Activation = "sigmoid",
) -> dict[str, AnyArray]:
    r"""Compute every gate of a GRU at every step.

    Parameters
    ----------
    weights : sequence of array
        Kernel ``(features, 3 * units)``, recurrent kernel ``(units, 3 * units)`` and, where the
        layer has one, bias ``(3 * units,)``, or ``(2, 3 * units)`` with ``reset_after``, in
        Keras's order z, r, h.
    x : array, shape (n, time, features)
        Input of the layer.
    initial_state : array, shape (n, units) | None
        h before the first step. Default None: zeros.
    mask : array of bool, shape (n, time) | None
        False where a step is skipped: every signal keeps its last value there. Default None: no
        step is skipped.
    reset_after : bool
        Whether the reset gate is applied after the recurrent product (default, as in Keras), or
        before it.
    activation, recurrent_activation : str | callable
        Activation of the candidate and of the gates, as in `lstm_gates`.

    Returns
    -------
    signals : dict of array, shape (n, time, units)
        Update gate ``z``, reset gate ``r``, candidate ``hh`` and the output ``h``.

    Raises
    ------
    ValueError
        If the shapes do not match.

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
    cell = gru_cell(weights, x, initial_state, mask, reset_after, activation, recurrent_activation)
    return _all_steps(*cell, x)


def rnn_gates(
    weights: Sequence[npt.ArrayLike],
    x: npt.ArrayLike,
    initial_state: InitialState = None,
    *,
    mask: npt.ArrayLike | None = None,
    activation: Activation = "tanh",
) -> dict[str, AnyArray]:
    r"""Compute the state of a simple recurrent layer at every step.

    Parameters
    ----------
    weights : sequence of array
        Kernel ``(features, units)``, recurrent kernel ``(units, units)`` and, where the layer has
        one, bias ``(units,)``.
    x : array, shape (n, time, features)
        Input of the layer.
    initial_state : array, shape (n, units) | None
        h before the first step. Default None: zeros.
    mask : array of bool, shape (n, time) | None
        False where a step is skipped: the state keeps its last value there. Default None: no step
        is skipped.
    activation : str | callable
        Activation of the state, as in `lstm_gates`.

    Returns
    -------
    signals : dict of array, shape (n, time, units)
        The state ``h``: :math:`h_t = \tanh(x_t W + h_{t-1} U + b)`.

    Raises
    ------
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> weights = np.ones((1, 1)), np.full((1, 1), 2.0)
    >>> rnn_gates(weights, np.array([[[0.1], [0], [0]]]), activation="linear")["h"].ravel()
    array([0.1, 0.2, 0.4])
    """
    return _all_steps(*simple_rnn_cell(weights, x, initial_state, mask, activation), x)


def _all_steps(
    step: Callable[[int], None], signals: dict[str, AnyArray], x: npt.ArrayLike
) -> dict[str, AnyArray]:
    """Run a cell over time; return its signals, each (n, time, units)."""
    n, time, _ = np.shape(x)
    out = {name: np.empty((n, time, len(values)), values.dtype) for name, values in signals.items()}
    with single_blas_thread(), np.errstate(over="ignore"):
        for t in range(time):
            step(t)
            for name, values in signals.items():
                out[name][:, t] = values.T
    return out
