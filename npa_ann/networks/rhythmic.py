"""Recurrent Keras layers whose units are damped oscillators."""

from collections.abc import Callable
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from npa.checks import check_number
from npa.typing import FloatArray
from npa_ann.networks.oscillators import (
    backward_weights,
    check_numbers,
    golden_frequencies,
    oscillator_parameters,
    resonance,
    resonance_weights,
)

__all__ = [
    "HarmonicOscillatorCell",
    "HarmonicOscillatorRNN",
    "ResonantCell",
    "ResonantRNN",
    "SquaredAmplitude",
    "backward_weights",
    "golden_frequencies",
    "oscillator_parameters",
    "resonance",
    "resonance_weights",
]


@keras.saving.register_keras_serializable("npa_ann")
class ResonantCell(keras.layers.Layer):
    """One step of a `ResonantRNN`, for `keras.layers.RNN`.

    Parameters
    ----------
    frequencies, sfreq, r, coupling, seed
        See `ResonantRNN`.
    **kwargs
        Passed to `keras.layers.Layer`.

    Notes
    -----
    The states are x and its last increment d: d += u - (1 - w1 - w2) x - (1 + w2) d + W tanh(x u),
    x += d. This equals the published recurrence, but its rounding error in single precision is
    about twenty times smaller, as nearly equal states are never subtracted.

    Examples
    --------
    >>> tuple(keras.layers.RNN(ResonantCell([10.0, 20.0]))(np.ones((1, 5, 1), "float32")).shape)
    (1, 2)
    """

    def __init__(
        self,
        frequencies: npt.ArrayLike | None = None,
        sfreq: float = 1000.0,
        r: float = 0.99999,
        coupling: npt.ArrayLike = 0.3,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        frequencies = golden_frequencies(sfreq=sfreq) if frequencies is None else frequencies
        self.w1, self.w2 = resonance_weights(np.atleast_1d(frequencies), r, sfreq)
        if self.w1.ndim != 1 or not self.w1.size or np.ndim(r) > 0:
            raise ValueError("frequencies must be one-dimensional and not empty, and r a number.")
        units = len(self.w1)
        self.step = 1.0 / sfreq
        self.omega, self.beta = oscillator_parameters(self.w1, self.w2, self.step)
        self.state_size, self.output_size = [units, units], units
        self._initializer = _coupling_initializer(coupling, units, seed)
        self._settings = {
            "frequencies": np.atleast_1d(frequencies).tolist(),
            "sfreq": float(sfreq),
            "r": float(r),
            "coupling": np.asarray(coupling).tolist(),
            "seed": seed,
        }

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Create the off-diagonal weights; the diagonal is not stored, so that it stays zero."""
        units = self.output_size
        if input_shape[-1] not in (1, units):
            raise ValueError(
                f"inputs must have 1 feature, which drives all nodes, or {units}, one per node; "
                f"got {input_shape[-1]}."
            )
        self.off_diagonal = self.add_weight(
            shape=(units - 1, units), initializer=self._initializer, name="coupling"
        )
        self.built = True

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        """Advance x and its increment by one step."""
        x, increment = states
        stiffness, momentum = self.w1 + self.w2 - 1, -self.w2
        increment = (
            inputs
            + x * ops.cast(stiffness, x.dtype)
            + increment * ops.cast(momentum, x.dtype)
            + ops.matmul(ops.tanh(x * inputs), ops.transpose(_fill_diagonal(self.off_diagonal)))
        )
        x = x + increment
        return x, [x, increment]

    def coupling_matrix(self) -> npt.NDArray[np.floating[Any]]:
        """Return W, shape (units, units): W[i, j] is the weight from node j to node i."""
        return ops.convert_to_numpy(_fill_diagonal(self.off_diagonal))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of ``__init__``."""
        return {**super().get_config(), **self._settings}


@keras.saving.register_keras_serializable("npa_ann")
class HarmonicOscillatorCell(keras.layers.Layer):
    """One step of a `HarmonicOscillatorRNN`, for `keras.layers.RNN`.

    Parameters
    ----------
    units, step, gain, omega, gamma, seed
        See `HarmonicOscillatorRNN`.
    **kwargs
        Passed to `keras.layers.Layer`.

    Examples
    --------
    >>> tuple(keras.layers.RNN(HarmonicOscillatorCell(4))(np.ones((1, 5, 1), "float32")).shape)
    (1, 4)
    """

    def __init__(
        self,
        units: int = 32,
        step: float = 1.0,
        gain: float = 0.04,
        omega: npt.ArrayLike = 2 * np.pi / 28,
        gamma: npt.ArrayLike = 0.01,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        units = check_number("units", units, low=1, integer=True)
        self.step = check_number("step", step, above=0)
        self.gain = check_number("gain", gain, above=0)
        self.omega = _per_unit("omega", omega, units, above=0, below=np.pi / self.step)
        self.beta = _per_unit("gamma", gamma, units, low=0)
        self.state_size, self.output_size = [units, units], units
        self._settings = {
            "units": units,
            "step": self.step,
            "gain": self.gain,
            "omega": np.asarray(omega).tolist(),
            "gamma": np.asarray(gamma).tolist(),
            "seed": seed,
        }

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Create weights and biases, uniform within 1 / sqrt(number of inputs) as published."""
        units, seeds = self.output_size, keras.random.SeedGenerator(self._settings["seed"])
        for name, inputs in (("input", input_shape[-1]), ("recurrent", units)):
            for kind, shape in (("kernel", (inputs, units)), ("bias", (units,))):
                uniform = keras.initializers.RandomUniform(-(inputs**-0.5), inputs**-0.5, seeds)
                weight = self.add_weight(shape=shape, initializer=uniform, name=f"{name}_{kind}")
                setattr(self, f"{name}_{kind}", weight)
        self.built = True

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        """Advance velocity y, then position x with the new velocity."""
        x, y = states
        feedback = ops.matmul(y, self.recurrent_kernel) + self.recurrent_bias
        force = ops.matmul(inputs, self.input_kernel) + self.input_bias
        drive = self.gain * ops.tanh(force + feedback / self.output_size**0.5)
        stiffness = ops.cast(np.square(self.omega), x.dtype)
        y = y + self.step * (drive - stiffness * x - ops.cast(2 * self.beta, x.dtype) * y)
        x = x + self.step * y
        return x, [x, y]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of ``__init__``."""
        return {**super().get_config(), **self._settings}


class _OscillatorRNN(keras.layers.RNN):
    """A recurrent layer whose cell has ``omega``, ``beta`` and ``step``."""

    trace_signals = ("x", "y", "amplitude")

    def trace(self, inputs: Any, mask: Any = None) -> dict[str, Any]:
        """Return position, velocity and amplitude of the nodes at every step.

        Parameters
        ----------
        inputs : tensor, shape (n, time, features)
            Input of the layer, symbolic or numeric.
        mask : tensor of bool, shape (n, time) | None
            False where a step is skipped. Default None: no step is skipped.

        Returns
        -------
        signals : dict of str to tensor, each of shape (n, time, units)
            ``"x"`` (position), ``"y"`` (velocity) and ``"amplitude"``.
        """
        every_step = keras.layers.RNN(
            self.cell,
            return_sequences=True,
            go_backwards=self.go_backwards,
            dtype=self.dtype_policy,
        )
        x = every_step(inputs, mask=mask)
        squared = SquaredAmplitude.of(self.cell, dtype=self.dtype_policy)(x)
        return {"x": x, "y": _velocity(x, self.cell.step), "amplitude": ops.sqrt(squared)}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of ``__init__``."""
        config = {**self.cell.get_config(), **super().get_config()}
        return {key: value for key, value in config.items() if key != "cell"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Create the layer from its configuration."""
        return cls(**config)


@keras.saving.register_keras_serializable("npa_ann")
class ResonantRNN(_OscillatorRNN):
    """Recurrent layer of coupled nodes that resonate at fixed frequencies.

    Parameters
    ----------
    frequencies : array-like of float, shape (units,) | None
        Frequency of each node in Hz. Default None: `golden_frequencies`, 11 nodes from 2 to
        246 Hz.
    sfreq : float
        Steps per second. Default 1000.
    r : float
        Factor of the amplitude per step, 0 < r <= 1. Default 0.99999.
    coupling : float | array-like, shape (units, units)
        Initial W: uniform within +-coupling (default 0.3), or a matrix with a zero diagonal, of
        which W[i, j] is the weight from node j to node i.
    seed : int | None
        Seed of the initial W. Default None.
    **kwargs
        Passed to `keras.layers.RNN`: ``return_sequences``, ``name``, ``dtype``, ...

    Notes
    -----
    x_t = u_t + w1 x_{t-1} + w2 x_{t-2} + W tanh(x_{t-1} u_t) [1]_ with w1 and w2 fixed by
    frequency and r (`resonance_weights`). Only W is trained; its diagonal is zero. The input has
    one feature, which drives all nodes, or one per node.

    References
    ----------
    .. [1] Kramer (2025). arXiv:2506.17083. https://doi.org/10.48550/arXiv.2506.17083

    Examples
    --------
    >>> layer = ResonantRNN(return_sequences=True)
    >>> tuple(layer(np.ones((2, 28, 1), "float32")).shape), layer.count_params()
    ((2, 28, 11), 110)
    """

    def __init__(
        self,
        frequencies: npt.ArrayLike | None = None,
        sfreq: float = 1000.0,
        r: float = 0.99999,
        coupling: npt.ArrayLike = 0.3,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        shared = _cell_options("resonant_cell", kwargs)
        super().__init__(ResonantCell(frequencies, sfreq, r, coupling, seed, **shared), **kwargs)


@keras.saving.register_keras_serializable("npa_ann")
class HarmonicOscillatorRNN(_OscillatorRNN):
    """Recurrent layer of damped harmonic oscillators, coupled by their velocities.

    Parameters
    ----------
    units : int
        Number of oscillators n. Default 32.
    step : float
        Time step h. Default 1.
    gain : float
        Maximum force a. Default 0.04.
    omega : float | array-like, shape (units,)
        Angular frequency in rad per unit of time, one for all or one per oscillator. Default
        2 pi / 28.
    gamma : float | array-like, shape (units,)
        Damping per unit of time, one for all or one per oscillator. Default 0.01.
    seed : int | None
        Seed of the initial weights and biases. Default None.
    **kwargs
        Passed to `keras.layers.RNN`: ``return_sequences``, ``name``, ``dtype``, ...

    Notes
    -----
    y += h (a tanh(W_i s + b_i + (W_h y + b_h) / sqrt(n)) - omega^2 x - 2 gamma y), then
    x += h y with the new y [1]_. All W and b are trained; omega and gamma are fixed.

    References
    ----------
    .. [1] Effenberger, Carvalho, Dubinin & Singer (2025). The functional role of oscillatory
       dynamics in neocortical circuits: A computational perspective. PNAS 122, e2412830122.
       https://doi.org/10.1073/pnas.2412830122

    Examples
    --------
    >>> layer = HarmonicOscillatorRNN()
    >>> tuple(layer(np.ones((2, 28, 1), "float32")).shape), layer.count_params()
    ((2, 32), 1120)
    """

    def __init__(
        self,
        units: int = 32,
        step: float = 1.0,
        gain: float = 0.04,
        omega: npt.ArrayLike = 2 * np.pi / 28,
        gamma: npt.ArrayLike = 0.01,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        shared = _cell_options("harmonic_oscillator_cell", kwargs)
        cell = HarmonicOscillatorCell(units, step, gain, omega, gamma, seed, **shared)
        super().__init__(cell, **kwargs)


@keras.saving.register_keras_serializable("npa_ann")
class SquaredAmplitude(keras.layers.Layer):
    """Compute the squared amplitude of oscillators from their positions.

    Parameters
    ----------
    omega, beta : array-like, shape (units,)
        Angular frequency in rad/s and damping in 1/s of each node.
    step : float
        Time step in s.
    **kwargs
        Passed to `keras.layers.Layer`.

    Notes
    -----
    A^2 = x^2 + ((v + beta x) / omega)^2 with the velocity v_t = (x_t - x_{t-1}) / step. It is
    constant for the free oscillation of a weakly damped node whose period is many steps long.

    Examples
    --------
    >>> layer = ResonantRNN([10.0], return_sequences=True)
    >>> impulse = np.eye(1, 100, dtype="float32")[..., None]
    >>> squared = SquaredAmplitude.of(layer.cell)(layer(impulse))
    >>> print(ops.convert_to_numpy(squared)[0, [0, 50, 99], 0].round())
    [253. 253. 253.]
    """

    def __init__(
        self, omega: npt.ArrayLike, beta: npt.ArrayLike, step: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.omega = check_numbers("omega", omega, above=0)
        self.beta = check_numbers("beta", beta)
        self.step = check_number("step", step, above=0)

    @classmethod
    def of(cls, cell: ResonantCell | HarmonicOscillatorCell, **kwargs: Any) -> Self:
        """Create the layer for a `ResonantCell` or `HarmonicOscillatorCell`."""
        return cls(cell.omega, cell.beta, cell.step, **kwargs)

    def call(self, x: Any) -> Any:
        """Return A^2 of positions, shape (n, time, units)."""
        beta, omega = ops.cast(self.beta, x.dtype), ops.cast(self.omega, x.dtype)
        return ops.square(x) + ops.square((_velocity(x, self.step) + beta * x) / omega)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of ``__init__``."""
        own = {"omega": self.omega.tolist(), "beta": self.beta.tolist(), "step": self.step}
        return {**super().get_config(), **own}


def _cell_options(name: str, layer_options: dict[str, Any]) -> dict[str, Any]:
    """Options of a cell: those it shares with its layer, and its name.

    The name is fixed, like the names of Keras's own cells, because saved weights are named by it.
    """
    shared = {key: value for key, value in layer_options.items() if key in ("dtype", "trainable")}
    return {**shared, "name": name}


def _velocity(x: Any, step: float) -> Any:
    """Backward difference over time; before the first step the nodes are at rest."""
    return ops.concatenate([x[:, :1], x[:, 1:] - x[:, :-1]], axis=1) / step


def _fill_diagonal(off_diagonal: Any) -> Any:
    """Square matrix with zero diagonal from its other values (units - 1, units), row by row."""
    units = off_diagonal.shape[1]
    flat = ops.reshape(ops.pad(off_diagonal, ((0, 0), (0, 1))), (-1,))
    return ops.reshape(ops.pad(flat, ((1, 0),)), (units, units))


def _coupling_initializer(
    coupling: npt.ArrayLike, units: int, seed: int | None
) -> Callable[..., Any]:
    """Return an initializer of the off-diagonal values: uniform, or those of a given matrix."""
    if np.ndim(coupling) == 0:
        limit = check_number("coupling", coupling, low=0)
        return keras.initializers.RandomUniform(-limit, limit, seed)
    matrix = check_numbers("coupling", coupling)
    if matrix.shape != (units, units):
        raise ValueError(f"coupling must have shape ({units}, {units}), got {matrix.shape}.")
    if np.diag(matrix).any():
        raise ValueError("coupling must have a zero diagonal: nodes have no self-coupling.")
    values = matrix.ravel()[1:].reshape(units - 1, units + 1)[:, :-1]
    return lambda shape, dtype: ops.convert_to_tensor(values, dtype)


def _per_unit(name: str, value: npt.ArrayLike, units: int, **bounds: Any) -> FloatArray:
    """Return one number per unit."""
    value = check_numbers(name, value, **bounds)
    if value.shape not in ((), (units,)):
        raise ValueError(f"{name} must be a number or {units} of them, got shape {value.shape}.")
    return np.broadcast_to(value, (units,))
