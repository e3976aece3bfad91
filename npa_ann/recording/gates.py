"""Every gate of a recurrent layer at every step, from its weights."""

import numpy as np

from npa_ann.recording.recurrent_cells import (
    gru_cell,
    lstm_cell,
    simple_rnn_cell,
    single_blas_thread,
)

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
    stepper = lstm_cell(weights, x, initial_state, mask, activation, recurrent_activation)
    return _collect(*stepper, x)


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
    stepper = gru_cell(
        weights, x, initial_state, mask, reset_after, activation, recurrent_activation
    )
    return _collect(*stepper, x)


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
    return _collect(*simple_rnn_cell(weights, x, initial_state, mask, activation), x)


def _collect(step, signals, x):
    """Keep every signal at every step: (n, time, units)."""
    n, time, _ = np.shape(x)
    kept = {
        name: np.empty((n, time, len(values)), values.dtype) for name, values in signals.items()
    }
    with single_blas_thread(), np.errstate(over="ignore"):
        for t in range(time):
            step(t)
            for name, values in signals.items():
                kept[name][:, t] = values.T
    return kept
