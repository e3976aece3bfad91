"""From a batch of inputs to the signals of selected layers of a Keras model."""

import inspect
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from npa.typing import AnyArray, BoolArray
from npa_ann.recording.keras_models import (
    check_copy,
    copy_model,
    directions,
    is_recurrent,
    layer_gates,
    layer_signals,
)
from npa_ann.recording.recurrent_cells import (
    ACTIVATIONS,
    Activation,
    Cell,
    gru_cell,
    lstm_cell,
    simple_rnn_cell,
    single_blas_thread,
)

# With fewer sequences per thread, the threads wait for the interpreter lock.
MIN_SEQUENCES_PER_THREAD = 128
N_CHECKED = 4  # inputs for which the copy of the model is compared with it


class KerasReader:
    """Read signals of selected layers from a Keras model.

    Parameters
    ----------
    model : keras.Model
        The model, which is copied.
    paths : list of str
        Layers, as named by `npa_ann.recording.keras_models.list_layers`.
    signals : list of str
        Signals to read at each layer.
    reduce : "mean" | "max" | None
        How a map is reduced to one number. Default ``"mean"``.
    by_frame : bool
        Whether inputs are sequences of frames, each of which is an input of the model. Default
        False.
    dtype : "float32" | "float64"
        Precision of the signals, in which gates are computed. Default ``"float32"``.

    Raises
    ------
    ValueError
        If a layer does not have a signal, is stateful, or is used more than once.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((5, 2)), keras.layers.LSTM(3, name="lstm")])
    >>> names, values = KerasReader(model, ["lstm"], ["f", "h"]).read(np.ones((4, 5, 2)))
    >>> values.shape, names[:2]
    ((4, 6, 5), ['lstm/f/000', 'lstm/f/001'])
    """

    def __init__(
        self,
        model: keras.Model,
        paths: Sequence[str],
        signals: Sequence[str],
        reduce: str | None = "mean",
        by_frame: bool = False,
        dtype: str = "float32",
    ) -> None:
        self.signals, self.reduce, self.by_frame = signals, reduce, by_frame
        self.dtype = np.dtype(dtype)
        self._paths = list(paths)
        self._probes: dict[str, _Probe] = {}
        self._extractor, copy = copy_model(model, self._add_probe)
        self._unchecked: tuple[keras.Model, keras.Model] | None = (model, copy)

    def read(self, X: npt.ArrayLike, batch_size: int = 128) -> tuple[list[str], AnyArray]:
        """Run the model on one batch of inputs.

        Parameters
        ----------
        X : array
            The inputs.
        batch_size : int
            Frames per batch where inputs are sequences of frames. Default 128.

        Returns
        -------
        names : list of str
            ``layer/signal/unit``.
        values : array of ``dtype``, shape (n, n_channels, n_times)
            The signals.
        """
        X = np.asarray(X)
        self._check_tokens(X)
        n = len(X)
        frames = X.reshape(-1, *X.shape[2:]) if self.by_frame else X
        step = batch_size if self.by_frame else n
        if self._unchecked is not None:
            n_checked = self._extractor.inputs[0].shape[0] or N_CHECKED
            with _no_retracing_warnings():
                check_copy(*self._unchecked, frames[:n_checked])
            self._unchecked = None
        with _no_retracing_warnings():
            parts = [
                self._extractor.predict_on_batch(frames[start : start + step])
                for start in range(0, len(frames), step)
            ]
        tensors = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        read = [self._probes[path].read(tensors, n) for path in self._paths]
        lengths = {
            name.rpartition("/")[0]: values.shape[2] for names, values in read for name in names
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(
                "layer must select layers with the same number of samples, got "
                f"{lengths}: record them separately."
            )
        names = [name for names, _ in read for name in names]
        if len(read) == 1:
            return names, read[0][1]
        return names, np.concatenate([values for _, values in read], axis=1)

    def _check_tokens(self, X: AnyArray) -> None:
        """Raise where an input of an embedding layer is not the index of one of its rows."""
        for layer in self._extractor.layers:
            is_first = isinstance(layer, keras.layers.Embedding) and any(
                layer.input is given for given in self._extractor.inputs
            )
            if is_first:
                size = layer.input_dim
                wrong = X[~((X >= 0) & (size > X) & (np.floor(X) == X))]
                if wrong.size:
                    raise ValueError(
                        f"X must contain whole numbers from 0 to {size - 1}, the tokens of "
                        f"the embedding layer {layer.name!r}, got {wrong.flat[0]}."
                    )

    def _add_probe(
        self,
        path: str,
        layer: keras.layers.Layer,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        outputs: Any,
    ) -> dict[str, Any]:
        """Return the tensors that the signals of a layer need; store how to read them."""
        if path not in self._paths:
            return {}
        if path in self._probes:
            raise ValueError(
                f"layer {path!r} is used more than once: its outputs cannot be told apart."
            )
        if self.by_frame and is_recurrent(layer):
            raise ValueError(f"layer {path!r} is recurrent: it cannot run frame by frame.")
        _check_stateless(path, layer)
        probe: _Probe
        if directions(layer):
            probe = _GateProbe(path, layer, self.signals, args, kwargs, self.dtype)
        else:
            available = self._available_tensors(path, layer, args, kwargs, outputs)
            probe = _TensorProbe(path, self.signals, available, self.dtype)
        _check_signals(path, layer, self.signals, probe.available)
        self._probes[path] = probe
        return probe.tensors

    def _available_tensors(
        self,
        path: str,
        layer: keras.layers.Layer,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        outputs: Any,
    ) -> dict[str, tuple[str, Any, bool]]:
        """Map the signals of a layer without gates to (label, tensor, has time axis)."""
        given = _argument(0, layer, args, kwargs)
        tensors = {"input": given, "output": outputs}
        if is_recurrent(layer):
            if _argument(1, layer, args, kwargs) is not None:
                raise ValueError(
                    f"layer {path!r} is given an initial state: only LSTM, GRU and SimpleRNN "
                    "can be recorded then."
                )
            mask = _argument(2, layer, args, kwargs)
            every_step = keras.layers.RNN(
                layer.cell,
                return_sequences=True,
                go_backwards=layer.go_backwards,
                zero_output_for_mask=layer.zero_output_for_mask,
            )
            tensors["output"] = every_step(given, mask=mask)
            if hasattr(layer, "trace"):
                tensors |= layer.trace(given, mask=mask)
        if isinstance(layer, keras.layers.Embedding):
            tensors["input"] = ops.expand_dims(given, -1)
        available = {
            name: (name, *self._reduced(tensor, layer))
            for name, tensor in tensors.items()
            if isinstance(tensor, keras.KerasTensor) and len(tensor.shape) >= 2
        }
        if "output" in available and self._map_axes(tensors["output"]):
            available["output"] = available["filter"] = ("filter", *available["output"][1:])
        return available

    def _reduced(self, tensor: Any, layer: keras.layers.Layer) -> tuple[Any, bool]:
        """Reduce maps to a number; return the tensor and whether its second axis is time."""
        axes = self._map_axes(tensor)
        has_time = not self.by_frame and len(tensor.shape) in (3, 5)
        if axes and self.reduce is not None:
            orders = keras.config.image_data_format(), getattr(layer, "data_format", None)
            if "channels_first" in orders:
                raise ValueError("maps must have their channels last to be reduced.")
            tensor = {"mean": ops.mean, "max": ops.max}[self.reduce](tensor, axis=axes)
        return tensor, has_time

    def _map_axes(self, tensor: Any) -> tuple[int, ...]:
        """Return the spatial axes: neither inputs, time nor units."""
        rank = len(tensor.shape)
        first = 2 if not self.by_frame and rank in (3, 5) else 1
        return tuple(range(first, rank - 1))


class _Probe(Protocol):
    """How the signals of one layer are read."""

    available: tuple[str, ...]
    tensors: dict[str, Any]

    def read(self, tensors: dict[str, AnyArray], n: int) -> tuple[list[str], AnyArray]:
        """Return names and values (n, channels, time)."""


class _TensorProbe:
    """Signals that Keras computes."""

    def __init__(
        self,
        path: str,
        signals: Sequence[str],
        available: dict[str, tuple[str, Any, bool]],
        dtype: np.dtype[Any],
    ) -> None:
        self._path, self._dtype = path, dtype
        self.available = tuple(available)
        selected = [available[name] for name in signals if name in available]
        self._keys = {label: (f"{path}|{label}", has_time) for label, _, has_time in selected}
        self.tensors = {f"{path}|{label}": tensor for label, tensor, _ in selected}

    def read(self, tensors: dict[str, AnyArray], n: int) -> tuple[list[str], AnyArray]:
        """Return names and values (n, channels, time)."""
        names, parts = [], []
        for label, (key, has_time) in self._keys.items():
            values = tensors[key]
            if not has_time:
                values = values.reshape(n, -1, *values.shape[1:])
            names += [f"{self._path}/{label}/{unit}" for unit in _unit_names(values.shape[2:])]
            parts.append(values.reshape(*values.shape[:2], -1).transpose(0, 2, 1))
        return names, np.concatenate(parts, axis=1, dtype=self._dtype)


class _GateProbe:
    """Signals of a recurrent layer, computed from its input and its weights."""

    def __init__(
        self,
        path: str,
        layer: keras.layers.Layer,
        signals: Sequence[str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        dtype: np.dtype[Any],
    ) -> None:
        self._path, self._dtype = path, dtype
        self.available = layer_signals(layer)
        self._signals = signals
        self._directions = directions(layer)
        given, states, mask = (_argument(number, layer, args, kwargs) for number in range(3))
        inputs, mask = _InputAndMask()(given, mask=mask)
        tensors = {"x": inputs, "mask": mask}
        tensors |= {f"state{number}": state for number, state in enumerate(_as_list(states))}
        self._keys = {name: f"{path}|{name}" for name in tensors}
        self.tensors = {self._keys[name]: tensor for name, tensor in tensors.items()}

    def read(self, tensors: dict[str, AnyArray], n: int) -> tuple[list[str], AnyArray]:
        """Return names and values (n, channels, time)."""
        x, mask, *states = (tensors[key] for key in self._keys.values())
        names: list[str] = []
        places: dict[str, dict[str, slice]] = {prefix: {} for prefix in self._directions}
        for prefix, layer in self._directions.items():
            for name in self._signals:
                size = x.shape[2] if name == "input" else layer.cell.units
                places[prefix][name] = slice(len(names), len(names) + size)
                names += [f"{prefix}{self._path}/{name}/{unit}" for unit in _unit_names([size])]
        # Steps are written one by one, so that time is the slowest axis in memory.
        out = np.empty((x.shape[1], len(names), n), self._dtype)
        n_states = len(states) // len(self._directions)

        def fill(rows: slice) -> None:
            for number, (prefix, layer) in enumerate(self._directions.items()):
                own = states[number * n_states : (number + 1) * n_states]
                initial = [state[rows] for state in own] or None
                in_order = out[::-1] if prefix == "backward." else out
                series = {name: in_order[:, place, rows] for name, place in places[prefix].items()}
                if "input" in series:
                    del series["input"]
                    out[:, places[prefix]["input"], rows] = x[rows].transpose(1, 2, 0)
                _write_gates(layer, x[rows], mask[rows], initial, series, self._dtype)

        _run_in_threads(fill, n)
        return names, out.transpose(2, 1, 0)


class _InputAndMask(keras.layers.Layer):
    """Return the input of a layer and its mask as tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> tuple[Any, Any]:
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], "bool")
        return inputs, mask

    def compute_mask(self, inputs: Any, previous_mask: Any) -> tuple[None, None]:
        return None, None


def runs_by_frame(model: keras.Model, X: Any) -> bool:
    """Tell whether inputs are sequences of frames for a model that takes single images.

    Parameters
    ----------
    model : keras.Model
        A built model with one input.
    X : array
        Inputs of the model, or sequences of frames.

    Returns
    -------
    by_frame : bool
        True for sequences of frames.

    Raises
    ------
    ValueError
        If the shape is neither.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    >>> runs_by_frame(model, np.ones((2, 8, 8, 1))), runs_by_frame(model, np.ones((2, 9, 8, 8, 1)))
    (False, True)
    """
    if len(model.inputs) != 1:
        raise ValueError(f"model must have one input to be recorded, got {len(model.inputs)}.")
    _, *sizes = model.inputs[0].shape
    shape = tuple(X.shape) if hasattr(X, "shape") else np.shape(X)
    takes_images = len(sizes) >= 3
    by_frame = takes_images and len(shape) == len(sizes) + 2
    expected = [None, *sizes] if by_frame else sizes
    fits = len(shape) == len(expected) + 1 and all(
        size in (None, got) for size, got in zip(expected, shape[1:], strict=True)
    )
    if not fits or 0 in shape[1:]:
        axes = ", ".join("any" if size is None else str(size) for size in sizes)
        frames = f" or, frame by frame, (n, time, {axes})" if takes_images else ""
        raise ValueError(f"X must have shape (n, {axes}){frames}, got {shape}.")
    return by_frame


def copy_channels(batch: AnyArray, channels: Sequence[int], out: AnyArray) -> None:
    """Copy a batch, in which time may be the slowest axis in memory, channel by channel.

    One channel of all sequences fits into the processor's cache: transposing a whole batch at once
    takes five times as long.

    Parameters
    ----------
    batch : array, shape (n, n_channels, n_times)
        Activations.
    channels : sequence of int
        Channels to copy.
    out : array, shape (n, len(channels), n_times)
        Filled with the copies.

    Examples
    --------
    >>> out = np.empty((2, 1, 4))
    >>> copy_channels(np.arange(24.0).reshape(4, 3, 2).T, [1], out)
    >>> out[0]
    array([[ 2.,  8., 14., 20.]])
    """
    for place, channel in enumerate(channels):
        out[:, place] = np.ascontiguousarray(batch[:, channel].T).T


def _argument(
    number: int, layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return an argument that a layer was called with, positional or by keyword."""
    if len(args) > number:
        return args[number]
    names = [*inspect.signature(layer.call).parameters][number : number + 1]
    return kwargs.get(*names) if names else None


def _check_stateless(path: str, layer: keras.layers.Layer) -> None:
    """Raise where a layer keeps its state between batches."""
    if getattr(layer, "stateful", False):
        raise ValueError(
            f"layer {path!r} is stateful: its output depends on earlier batches. "
            "Build it with stateful=False."
        )


def _check_signals(
    path: str, layer: keras.layers.Layer, signals: Sequence[str], available: Sequence[str]
) -> None:
    """Raise where a layer does not have a signal."""
    missing = [name for name in signals if name not in available]
    if missing:
        raise ValueError(
            f"signals {missing} are not in layer {path!r} ({type(layer).__name__}); it has "
            f"{', '.join(dict.fromkeys(available))}."
        )


def _write_gates(
    layer: keras.layers.Layer,
    x: AnyArray,
    mask: BoolArray,
    states: Sequence[AnyArray] | None,
    series: dict[str, AnyArray],
    dtype: np.dtype[Any],
) -> None:
    """Compute the signals of a layer into series (time, units, n), in the layer's reading order."""
    if layer.go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    step, signals = _numpy_cell(layer, x, mask, states, dtype)
    signals["output"] = signals["h"]
    with np.errstate(over="ignore"):
        for t in range(x.shape[1]):
            step(t)
            for name, values in series.items():
                values[t] = signals[name]
    if layer.zero_output_for_mask:
        for name in series.keys() & {"h", "output"}:
            np.copyto(series[name], 0, where=~mask.T[:, np.newaxis])


def _numpy_cell(
    layer: keras.layers.Layer,
    x: AnyArray,
    mask: BoolArray,
    states: Sequence[AnyArray] | None,
    dtype: np.dtype[Any],
) -> Cell:
    """Prepare the cell of a layer to be computed step by step."""
    cell, gates = layer.cell, layer_gates(layer)
    weights = [weight.astype(np.result_type(weight, dtype)) for weight in cell.get_weights()]
    activation = _numpy_activation(cell.activation)
    if "cc" not in gates and "hh" not in gates:
        return simple_rnn_cell(weights, x, states, mask, activation)
    recurrent_activation = _numpy_activation(cell.recurrent_activation)
    if "cc" in gates:
        return lstm_cell(weights, x, states, mask, activation, recurrent_activation)
    return gru_cell(weights, x, states, mask, cell.reset_after, activation, recurrent_activation)


def _numpy_activation(activation: Callable[[Any], Any]) -> Activation:
    """Return the name of an activation that NumPy has; wrap any other."""
    for name in ACTIVATIONS:
        if activation is keras.activations.get(name):
            return name
    return lambda z: ops.convert_to_numpy(activation(ops.convert_to_tensor(z)))


def _as_list(states: Any) -> list[Any]:
    """Return the initial states of a layer as a list."""
    if states is None:
        return []
    return list(states) if isinstance(states, (list, tuple)) else [states]


@contextmanager
def _no_retracing_warnings() -> Iterator[None]:
    """Silence the warning that a model was compiled for one input, and again for any number."""
    tensorflow = logging.getLogger("tensorflow")

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    tensorflow.addFilter(is_other)
    try:
        yield
    finally:
        tensorflow.removeFilter(is_other)


def _run_in_threads(fill: Callable[[slice], None], n: int) -> None:
    """Fill rows in as many threads as processors: NumPy releases the interpreter lock."""
    n_threads = max(1, min(os.cpu_count() or 1, n // MIN_SEQUENCES_PER_THREAD))
    edges = np.linspace(0, n, n_threads + 1).astype(int)
    with single_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(fill, [slice(*pair) for pair in pairwise(edges)]))


def _unit_names(shape: Sequence[int]) -> Iterator[str]:
    """Name units, or the pixels of each unit's map."""
    *pixels, units = shape
    digits = [max(3, len(str(units - 1))), *(max(2, len(str(size - 1))) for size in pixels)]
    for *where, unit in np.ndindex(*pixels, units):
        numbers = zip((unit, *where), digits, strict=True)
        yield "-".join(f"{number:0{width}d}" for number, width in numbers)
