"""Small neural networks in NumPy: perceptron, Hopfield, feed-forward and recurrent networks."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import mne
import numpy as np
import numpy.typing as npt

from npa.checks import check_number, check_option, check_random_state
from npa.typing import AnyArray, FloatArray

Activation: TypeAlias = Callable[[FloatArray], FloatArray]

ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda h: h,
    "step": lambda h: (h > 0).astype(float),
    "relu": lambda h: np.maximum(h, 0.0),
    "sigmoid": lambda h: 0.5 * (1.0 + np.tanh(0.5 * h)),
    "tanh": np.tanh,
}


def perceptron(
    inputs: npt.ArrayLike, weights: npt.ArrayLike, bias: float = 0.0, *, sfreq: float | None = None
) -> AnyArray | mne.io.RawArray:
    """Compute the output of a perceptron: 1 where the weighted sum of its inputs is positive.

    Parameters
    ----------
    inputs : array-like, shape (n_times, n_inputs)
        Inputs, one row per time step.
    weights : array-like, shape (n_inputs,)
        Synaptic weights w.
    bias : float
        Bias b; the threshold is -b. Default 0.
    sfreq : float | None
        Sampling rate in Hz of a Raw, returned instead of an array. Default None: an array.

    Returns
    -------
    output : array of int, shape (n_times,) | mne.io.RawArray
        1 where w . I + b > 0, else 0.

    Raises
    ------
    ValueError
        If the shapes do not match or a value is not finite.

    Notes
    -----
    O = 1 if w . I + b > 0, else 0 [1]_. `sklearn.linear_model.Perceptron` learns the weights.

    References
    ----------
    .. [1] Rosenblatt (1958), Psychological Review 65, 386-408, https://doi.org/10.1037/h0042519

    Examples
    --------
    Logical AND of two inputs:

    >>> perceptron([[0, 0], [0, 1], [1, 0], [1, 1]], weights=[1, 1], bias=-1.5)
    array([0, 0, 0, 1])
    """
    weights = _numbers("weights", weights, 1)
    inputs = _numbers("inputs", inputs, 2, width=len(weights))
    output = (inputs @ weights + check_number("bias", bias) > 0).astype(int)
    return output if sfreq is None else _to_raw({"perceptron/o": output[:, None]}, sfreq)


def hopfield_weights(patterns: npt.ArrayLike) -> FloatArray:
    """Compute the weights of a Hopfield network by Hebb's rule.

    Parameters
    ----------
    patterns : array-like of {-1, 1}, shape (n_patterns, n_units)
        Patterns to store.

    Returns
    -------
    weights : array, shape (n_units, n_units)
        Symmetric weights without self-connections.

    Raises
    ------
    ValueError
        If a pattern contains values other than -1 and 1.

    Notes
    -----
    W = sum_p s_p s_p^T / N with a zero diagonal [1]_.

    References
    ----------
    .. [1] Hopfield (1982), PNAS 79, 2554-2558, https://doi.org/10.1073/pnas.79.8.2554

    Examples
    --------
    >>> print(hopfield_weights([[1, 1, 1, 1]])[0])
    [0.   0.25 0.25 0.25]
    """
    patterns = _signs("patterns", patterns, 2)
    return patterns.T @ patterns / patterns.shape[1] * (1 - np.eye(patterns.shape[1]))


def hopfield_energy(weights: npt.ArrayLike, states: npt.ArrayLike) -> AnyArray:
    """Compute the energy of states of a Hopfield network; updates never increase it.

    Parameters
    ----------
    weights : array-like, shape (n_units, n_units)
        Symmetric weights with a zero diagonal, e.g. from `hopfield_weights`.
    states : array-like of {-1, 1}, shape (..., n_units)
        One or more states.

    Returns
    -------
    energy : array, shape (...)
        E = -s^T W s / 2 of each state.

    Raises
    ------
    ValueError
        If the weights are not symmetric, their diagonal is not zero, or shapes do not match.

    Examples
    --------
    >>> pattern = [1, -1, 1, -1]
    >>> float(hopfield_energy(hopfield_weights([pattern]), pattern))
    -1.5
    """
    weights = _symmetric(weights)
    states = _signs("states", states, 1, 2, width=len(weights))
    energy: AnyArray = -0.5 * np.einsum("...i,ij,...j->...", states, weights, states)
    return energy


def hopfield_recall(
    weights: npt.ArrayLike,
    state: npt.ArrayLike,
    *,
    max_sweeps: int = 100,
    random_state: int | np.random.Generator = 0,
    sfreq: float | None = None,
) -> AnyArray | mne.io.RawArray:
    """Update a Hopfield network asynchronously until it reaches a stable state.

    Parameters
    ----------
    weights : array-like, shape (n_units, n_units)
        Symmetric weights with a zero diagonal, e.g. from `hopfield_weights`.
    state : array-like of {-1, 1}, shape (n_units,)
        Initial state, e.g. a corrupted pattern.
    max_sweeps : int
        Maximum number of updates of each unit. Default 100.
    random_state : int | numpy.random.Generator
        Seed of the order of updates. Default 0.
    sfreq : float | None
        Sampling rate in Hz of a Raw, returned instead of an array. Default None: an array.

    Returns
    -------
    states : array, shape (n_updates + 1, n_units) | mne.io.RawArray
        The initial state and the state after each update of one unit.

    Raises
    ------
    ValueError
        If the weights are not symmetric, their diagonal is not zero, or shapes do not match.

    Notes
    -----
    One unit at a time, in random order: s_i = sign(sum_j W_ij s_j), unchanged where the sum is 0.
    As W is symmetric with a zero diagonal, each update changes the energy by
    -(s_i' - s_i) sum_j W_ij s_j <= 0, so that the network converges [1]_.

    References
    ----------
    .. [1] Hopfield (1982), PNAS 79, 2554-2558, https://doi.org/10.1073/pnas.79.8.2554

    Examples
    --------
    >>> weights = hopfield_weights([[1, 1, 1, -1, -1, -1]])
    >>> hopfield_recall(weights, [1, 1, -1, -1, -1, -1])[-1].astype(int)
    array([ 1,  1,  1, -1, -1, -1])
    """
    weights = _symmetric(weights)
    state = _signs("state", state, 1, width=len(weights)).copy()
    max_sweeps = check_number("max_sweeps", max_sweeps, low=1, integer=True)
    rng = check_random_state("random_state", random_state)
    path = [state.copy()]
    for _ in range(max_sweeps):
        before = state.copy()
        for unit in rng.permutation(len(state)):
            field = weights[unit] @ state
            state[unit] = np.sign(field) or state[unit]
            path.append(state.copy())
        if np.array_equal(state, before):
            break
    states = np.array(path)
    return states if sfreq is None else _to_raw({"hopfield/s": states}, sfreq)


def scalar_rnn(
    w: float, h0: float, n: int, *, sfreq: float | None = None
) -> AnyArray | mne.io.RawArray:
    """Iterate h_t = w h_{t-1}, a linear recurrent network of one unit.

    Parameters
    ----------
    w : float
        Recurrent weight.
    h0 : float
        Initial state.
    n : int
        Number of steps.
    sfreq : float | None
        Sampling rate in Hz of a Raw, returned instead of an array. Default None: an array.

    Returns
    -------
    h : array, shape (n + 1,) | mne.io.RawArray
        h_0 .. h_n.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a finite number, or ``n`` is negative.

    Notes
    -----
    h_t = w^t h_0: it grows for abs(w) > 1, is constant for w = 1, decays for abs(w) < 1, and
    changes its sign at every step for w < 0. An oscillation at any other frequency also needs
    h_{t-2} (`rhythmic`).

    Examples
    --------
    >>> scalar_rnn(w=2, h0=0.1, n=10)[-1].item()
    102.4
    """
    w, h0 = check_number("w", w), check_number("h0", h0)
    h = h0 * w ** np.arange(check_number("n", n, low=0, integer=True) + 1.0)
    return h if sfreq is None else _to_raw({"scalar/h": h[:, None]}, sfreq)


def feed_forward(
    inputs: npt.ArrayLike,
    weights: Sequence[npt.ArrayLike],
    biases: Sequence[npt.ArrayLike | None] | None = None,
    activation: str | Activation = "identity",
    *,
    sfreq: float | None = None,
) -> list[FloatArray] | mne.io.RawArray:
    """Compute the activity of all layers of a feed-forward network.

    Parameters
    ----------
    inputs : array-like, shape (n_times, n_inputs) | (n_inputs,)
        Inputs I.
    weights : sequence of array-like, each of shape (n_out, n_in)
        One matrix per layer, e.g. ``[W_ih, W_ho]``.
    biases : sequence of array-like, each of shape (n_out,) | None
        One vector per layer. Default None: zeros.
    activation : str | callable
        ``"identity"`` (default), ``"step"``, ``"relu"``, ``"sigmoid"``, ``"tanh"``, or any function
        of an array, used in every layer.
    sfreq : float | None
        Sampling rate in Hz of a Raw, returned instead of arrays. Default None: arrays.

    Returns
    -------
    layers : list of array, each of shape (n_times, n_out) | (n_out,) | mne.io.RawArray
        Activity of every layer; the last is the output.

    Raises
    ------
    ValueError
        If the shapes do not match or the activation is unknown.

    Notes
    -----
    H = phi(W_ih I + b_h), O = phi(W_ho H + b_o), and so on.

    Examples
    --------
    >>> W_ih = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    >>> W_ho = [[1, 1, 1], [-2, -2, -2], [3, 3, 3]]
    >>> hidden, output = feed_forward([1, 3, -3], [W_ih, W_ho])
    >>> hidden, output
    (array([-2.,  1.,  4.]), array([ 3., -6.,  9.]))
    """
    phi = _activation(activation)
    biases = [None] * len(weights) if biases is None else list(biases)
    if len(biases) != len(weights):
        raise ValueError(f"biases must be one per layer ({len(weights)}), got {len(biases)}.")
    signal = _numbers("inputs", inputs, 1, 2)
    layers = []
    for k, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
        matrix = _numbers(f"weights[{k}]", matrix, 2, width=signal.shape[-1])
        signal = phi(signal @ matrix.T + _bias(f"biases[{k}]", bias, len(matrix)))
        layers.append(signal)
    if sfreq is None:
        return layers
    return _to_raw({f"layer{k + 1}/h": np.atleast_2d(h) for k, h in enumerate(layers)}, sfreq)


def simulate_rnn(
    W_ih: npt.ArrayLike,
    W_hh: npt.ArrayLike,
    W_ho: npt.ArrayLike,
    b_h: npt.ArrayLike | None = None,
    b_o: npt.ArrayLike | None = None,
    inputs: npt.ArrayLike | None = None,
    activation: str | Activation = "tanh",
    *,
    h0: npt.ArrayLike | None = None,
    sfreq: float | None = None,
) -> tuple[FloatArray, FloatArray] | mne.io.RawArray:
    """Run a recurrent network on a time series of inputs.

    Parameters
    ----------
    W_ih : array-like, shape (n_hidden, n_inputs)
        Weights from the inputs to the hidden units.
    W_hh : array-like, shape (n_hidden, n_hidden)
        Weights among the hidden units.
    W_ho : array-like, shape (n_outputs, n_hidden)
        Weights from the hidden units to the outputs.
    b_h : array-like, shape (n_hidden,) | None
        Biases of the hidden units. Default None: zeros.
    b_o : array-like, shape (n_outputs,) | None
        Biases of the outputs. Default None: zeros.
    inputs : array-like, shape (n_times, n_inputs)
        Inputs.
    activation : str | callable
        phi, as in `feed_forward`. Default ``"tanh"``.
    h0 : array-like, shape (n_hidden,) | None
        Hidden state before the first input, H_{-1}. Default None: zeros.
    sfreq : float | None
        Sampling rate in Hz of a Raw, returned instead of arrays. Default None: arrays.

    Returns
    -------
    hidden : array, shape (n_times, n_hidden)
        H_t.
    output : array, shape (n_times, n_outputs)
        O_t. With ``sfreq``, one `mne.io.RawArray` of both instead.

    Raises
    ------
    ValueError
        If the shapes do not match or the activation is unknown.

    Notes
    -----
    h_t = W_ih I_t + W_hh H_{t-1} + b_h, H_t = phi(h_t), O_t = W_ho H_t + b_o [1]_.

    References
    ----------
    .. [1] Elman (1990), Cognitive Science 14, 179-211, https://doi.org/10.1207/s15516709cog1402_1

    Examples
    --------
    A unit that sums its inputs:

    >>> hidden, output = simulate_rnn(
    ...     [[1]], [[1]], [[2]], inputs=[[1], [2], [3]], activation="identity"
    ... )
    >>> hidden.ravel(), output.ravel()
    (array([1., 3., 6.]), array([ 2.,  6., 12.]))
    """
    phi = _activation(activation)
    W_ih = _numbers("W_ih", W_ih, 2)
    n_hidden = len(W_ih)
    W_hh = _numbers("W_hh", W_hh, 2, width=n_hidden)
    if len(W_hh) != n_hidden:
        raise ValueError(f"W_hh must have shape ({n_hidden}, {n_hidden}), got {W_hh.shape}.")
    W_ho = _numbers("W_ho", W_ho, 2, width=n_hidden)
    inputs = _numbers("inputs", inputs, 2, width=W_ih.shape[1])
    drive = inputs @ W_ih.T + _bias("b_h", b_h, n_hidden)
    state = _bias("h0", h0, n_hidden)
    hidden = np.empty((len(inputs), n_hidden))
    for t, input_current in enumerate(drive):
        state = phi(input_current + W_hh @ state)
        hidden[t] = state
    output = hidden @ W_ho.T + _bias("b_o", b_o, len(W_ho))
    return (hidden, output) if sfreq is None else _to_raw({"rnn/h": hidden, "rnn/o": output}, sfreq)


def rhythmic(
    w1: npt.ArrayLike, w2: npt.ArrayLike, h0: npt.ArrayLike, n: int, *, sfreq: float | None = None
) -> AnyArray | mne.io.RawArray:
    """Iterate h_t = w1 h_{t-1} + w2 h_{t-2}, a linear unit that oscillates.

    Parameters
    ----------
    w1, w2 : float | array-like, shape (n_units,)
        Weights of the last two states, e.g. from `npa_ann.networks.oscillators.resonance_weights`.
    h0 : float | array-like, shape (n_units,)
        Initial state; h_{-1} = 0.
    n : int
        Number of steps.
    sfreq : float | None
        Sampling rate in Hz of a Raw, returned instead of an array. Default None: an array.

    Returns
    -------
    h : array, shape (n + 1,) | (n + 1, n_units) | mne.io.RawArray
        h_0 .. h_n.

    Raises
    ------
    TypeError, ValueError
        If the arguments are not finite, do not broadcast, or ``n`` is negative.

    Notes
    -----
    With w1 = 2 r cos(theta) and w2 = -r^2, h_t = h_0 r^t sin((t + 1) theta) / sin(theta): an
    oscillation of theta / (2 pi) cycles per step, which decays for r < 1.

    Examples
    --------
    An oscillation with a period of six steps:

    >>> print(rhythmic(w1=1, w2=-1, h0=1, n=8))
    [ 1.  1.  0. -1. -1.  0.  1.  1.  0.]
    """
    w1, w2, h0 = (_numbers(name, v, 0, 1) for name, v in (("w1", w1), ("w2", w2), ("h0", h0)))
    w1, w2, last = np.broadcast_arrays(w1, w2, h0)
    h = np.empty((check_number("n", n, low=0, integer=True) + 1, *last.shape))
    h[0] = last
    before = np.zeros_like(last)
    for t in range(1, len(h)):
        last, before = w1 * last + w2 * before, last
        h[t] = last
    return h if sfreq is None else _to_raw({"rhythmic/h": h.reshape(len(h), -1)}, sfreq)


def _numbers(
    name: str, value: npt.ArrayLike | None, *ndims: int, width: int | None = None
) -> FloatArray:
    """Return ``value`` as finite floats with one of ``ndims`` dimensions and ``width`` columns."""
    array = np.asarray(value, dtype=float)
    if array.ndim not in ndims:
        raise ValueError(f"{name} must have one of {ndims} dimensions, got shape {array.shape}.")
    if width is not None and array.shape[-1] != width:
        raise ValueError(f"{name} must have {width} columns, got shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or inf.")
    return array


def _bias(name: str, value: npt.ArrayLike | None, size: int) -> FloatArray:
    """Return a vector of ``size`` numbers; zeros for None."""
    return np.zeros(size) if value is None else _numbers(name, value, 1, width=size)


def _signs(name: str, value: npt.ArrayLike, *ndims: int, width: int | None = None) -> FloatArray:
    """Return ``value`` as floats that are all -1 or 1."""
    signs = _numbers(name, value, *ndims, width=width)
    if not np.isin(signs, (-1, 1)).all():
        raise ValueError(f"{name} must contain only -1 and 1, got {np.unique(signs)}.")
    return signs


def _symmetric(weights: npt.ArrayLike) -> FloatArray:
    """Return Hopfield weights after checking that updates cannot increase the energy."""
    weights = _numbers("weights", weights, 2)
    if weights.shape[0] != weights.shape[1] or not np.array_equal(weights, weights.T):
        raise ValueError(f"weights must be square and symmetric, got shape {weights.shape}.")
    if np.diag(weights).any():
        raise ValueError("weights must have a zero diagonal: units have no self-connections.")
    return weights


def _activation(activation: str | Activation) -> Activation:
    """Return an activation function from its name."""
    if callable(activation):
        return activation
    return ACTIVATIONS[check_option("activation", activation, ACTIVATIONS)]


def _to_raw(signals: dict[str, FloatArray], sfreq: float) -> mne.io.RawArray:
    """Return time series (n_times, n_units) as one Raw with channels ``label/unit``, in volts."""
    names = [f"{label}/{k:03d}" for label, h in signals.items() for k in range(h.shape[1])]
    info = mne.create_info(names, check_number("sfreq", sfreq, above=0), "eeg")
    data = np.concatenate([h.T for h in signals.values()]).astype(float)
    return mne.io.RawArray(data, info, verbose="warning")
