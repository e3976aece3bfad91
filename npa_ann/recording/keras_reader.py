"""From a batch of inputs to the signals of chosen layers."""

import inspect
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import keras
import numpy as np
from keras import ops

from npa_ann.recording.keras_models import (
    directions,
    feature_extractor,
    gates_of,
    is_recurrent,
    layer_signals,
)
from npa_ann.recording.recurrent_cells import (
    ACTIVATIONS,
    gru_cell,
    lstm_cell,
    simple_rnn_cell,
    single_blas_thread,
)

_ROWS_A_THREAD = 128  # with fewer sequences, threads wait for the interpreter instead


class KerasReader:
    """Read signals of chosen layers off a network.

    Parameters
    ----------
    model : keras.Model
        The model, which is copied.
    paths : list of str
        Layers, as `npa_ann.recording.keras_models.list_layers` calls them.
    signals : list of str
        What to read at each.
    reduce : "mean" | "max" | None
        How a map becomes one number.
    by_frame : bool
        Whether inputs are sequences of what the network takes.
    dtype : "float32" | "float64"
        Precision of the values; gates are computed in it.

    Raises
    ------
    ValueError
        If a layer does not have a signal, or what is read cannot be told apart.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((5, 2)), keras.layers.LSTM(3, name="lstm")])
    >>> names, values = KerasReader(model, ["lstm"], ["f", "h"]).read(np.ones((4, 5, 2)))
    >>> values.shape, names[:2]
    ((4, 6, 5), ['lstm/f/000', 'lstm/f/001'])
    """

    def __init__(self, model, paths, signals, reduce="mean", by_frame=False, dtype="float32"):
        self.signals, self.reduce, self.by_frame = signals, reduce, by_frame
        self.dtype = np.dtype(dtype)
        self._probes = dict.fromkeys(paths)
        self._network = feature_extractor(model, self._tap)

    def read(self, X, batch_size=128):
        """Run a batch, and name what was read.

        Parameters
        ----------
        X : array
            A few inputs.
        batch_size : int
            Frames run at once, where inputs are sequences of frames.

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
        with _no_retracing_notes():
            parts = [
                self._network.predict_on_batch(frames[start : start + step])
                for start in range(0, len(frames), step)
            ]
        taken = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        read = [probe.read(taken, n) for probe in self._probes.values()]
        lengths = {
            name.rpartition("/")[0]: values.shape[2] for names, values in read for name in names
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"layer must choose layers of as many samples, got {lengths}: record them apart."
            )
        names = [name for names, _ in read for name in names]
        if len(read) == 1:
            return names, read[0][1]
        return names, np.concatenate([values for _, values in read], axis=1)

    def _check_tokens(self, X):
        """Raise where what enters an embedding does not number one of its rows."""
        for layer in self._network.layers:
            enters = isinstance(layer, keras.layers.Embedding) and any(
                layer.input is given for given in self._network.inputs
            )
            if enters:
                size = layer.input_dim
                wrong = X[~((X >= 0) & (size > X) & (np.floor(X) == X))]
                if wrong.size:
                    raise ValueError(
                        f"X must hold whole numbers from 0 to {size - 1}, as it enters "
                        f"the embedding {layer.name!r}, got {wrong.flat[0]}."
                    )

    def _tap(self, path, layer, args, kwargs, outputs):
        """Take what the signals of a layer need; remember how to read it."""
        if path not in self._probes:
            return {}
        if self._probes[path] is not None:
            raise ValueError(
                f"layer {path!r} is used more than once, so its uses mix: not recorded."
            )
        if self.by_frame and is_recurrent(layer):
            raise ValueError(f"layer {path!r} is recurrent: it cannot run frame by frame.")
        _check_stateless(path, layer)
        if directions(layer):
            probe = _GateProbe(path, layer, self.signals, args, kwargs, self.dtype)
        else:
            offered = self._tensors(path, layer, args, kwargs, outputs)
            probe = _TensorProbe(path, self.signals, offered, self.dtype)
        _check_signals(path, layer, self.signals, probe.available)
        self._probes[path] = probe
        return probe.tensors

    def _tensors(self, path, layer, args, kwargs, outputs):
        """Return what a layer without gates offers: name to (label, tensor, has time)."""
        given = _argument(0, layer, args, kwargs)
        tensors = {"input": given, "output": outputs}
        if is_recurrent(layer):
            if _argument(1, layer, args, kwargs) is not None:
                raise ValueError(
                    f"layer {path!r} starts from a state it is given: only LSTM, GRU and SimpleRNN "
                    "can be recorded then."
                )
            mask = _argument(2, layer, args, kwargs)
            unfolded = keras.layers.RNN(
                layer.cell,
                return_sequences=True,
                go_backwards=layer.go_backwards,
                zero_output_for_mask=layer.zero_output_for_mask,
            )
            tensors["output"] = unfolded(given, mask=mask)
            if hasattr(layer, "trace"):
                tensors |= layer.trace(given, mask=mask)
        if isinstance(layer, keras.layers.Embedding):
            tensors["input"] = ops.expand_dims(given, -1)
        offered = {
            name: (name, *self._reduced(tensor, layer))
            for name, tensor in tensors.items()
            if isinstance(tensor, keras.KerasTensor) and len(tensor.shape) >= 2
        }
        if "output" in offered and self._map_axes(tensors["output"]):
            offered["output"] = offered["filter"] = ("filter", *offered["output"][1:])
        return offered

    def _reduced(self, tensor, layer):
        """Reduce maps to a number; return the tensor and whether its second axis is time."""
        axes = self._map_axes(tensor)
        has_time = not self.by_frame and len(tensor.shape) in (3, 5)
        if axes and self.reduce is not None:
            orders = keras.config.image_data_format(), getattr(layer, "data_format", None)
            if "channels_first" in orders:
                raise ValueError("maps must have their channels last to be reduced.")
            tensor = {"mean": ops.mean, "max": ops.max}[self.reduce](tensor, axis=axes)
        return tensor, has_time

    def _map_axes(self, tensor):
        """Return the axes of a map: neither inputs, time nor units."""
        rank = len(tensor.shape)
        first = 2 if not self.by_frame and rank in (3, 5) else 1
        return tuple(range(first, rank - 1))


class _TensorProbe:
    """Signals that Keras computes itself."""

    def __init__(self, path, signals, offered, dtype):
        self._path, self._dtype = path, dtype
        self.available = tuple(offered)
        self._taken = {
            label: (f"{path}|{label}", tensor, has_time)
            for label, tensor, has_time in (offered[name] for name in signals if name in offered)
        }
        self.tensors = {key: tensor for key, tensor, _ in self._taken.values()}

    def read(self, taken, n):
        """Return names and values (n, channels, time)."""
        names, parts = [], []
        for label, (key, _, has_time) in self._taken.items():
            values = taken[key] if has_time else taken[key].reshape(n, -1, *taken[key].shape[1:])
            names += [f"{self._path}/{label}/{unit}" for unit in _units(values.shape[2:])]
            parts.append(values.reshape(*values.shape[:2], -1).transpose(0, 2, 1))
        return names, np.concatenate(parts, axis=1, dtype=self._dtype)


class _GateProbe:
    """Signals that follow from what enters a recurrent layer, and from its weights."""

    def __init__(self, path, layer, signals, args, kwargs, dtype):
        self._path, self._dtype = path, dtype
        self.available = layer_signals(layer)
        self._wanted = signals
        self._halves = directions(layer)
        given, states, mask = (_argument(number, layer, args, kwargs) for number in range(3))
        inputs, mask = _Entrance()(given, mask=mask)
        tensors = {"x": inputs, "mask": mask}
        tensors |= {f"state{number}": state for number, state in enumerate(_as_list(states))}
        self._keys = {name: f"{path}|{name}" for name in tensors}
        self.tensors = {self._keys[name]: tensor for name, tensor in tensors.items()}

    def read(self, taken, n):
        """Return names and values (n, channels, time)."""
        x, mask, *states = (taken[key] for key in self._keys.values())
        names, places = [], {prefix: {} for prefix in self._halves}
        for prefix, half in self._halves.items():
            for name in self._wanted:
                size = x.shape[2] if name == "input" else half.cell.units
                places[prefix][name] = slice(len(names), len(names) + size)
                names += [f"{prefix}{self._path}/{name}/{unit}" for unit in _units([size])]
        # A step is written as it comes, so in memory time is the slowest axis.
        out = np.empty((x.shape[1], len(names), n), self._dtype)
        share = len(states) // len(self._halves)

        def fill(rows):
            for number, (prefix, half) in enumerate(self._halves.items()):
                own = [state[rows] for state in states[number * share : (number + 1) * share]]
                in_order = out[::-1] if prefix == "backward." else out
                series = {name: in_order[:, place, rows] for name, place in places[prefix].items()}
                if "input" in series:
                    del series["input"]
                    out[:, places[prefix]["input"], rows] = x[rows].transpose(1, 2, 0)
                _follow(half, x[rows], mask[rows], own or None, series, self._dtype)

        _in_threads(fill, n)
        return names, out.transpose(2, 1, 0)


class _Entrance(keras.layers.Layer):
    """Hand out what enters a layer, and which steps count."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], "bool")
        return inputs, mask

    def compute_mask(self, inputs, previous_mask):
        return None, None


def runs_by_frame(model, X):
    """Tell whether inputs run through a network frame by frame.

    Parameters
    ----------
    model : keras.Model
        A built model with one input.
    X : array
        Inputs, or sequences of frames for a network that takes images.

    Returns
    -------
    answer : bool
        True for sequences of frames.

    Raises
    ------
    ValueError
        If the shape fits neither way.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    >>> runs_by_frame(model, np.ones((2, 8, 8, 1))), runs_by_frame(model, np.ones((2, 9, 8, 8, 1)))
    (False, True)
    """
    if len(model.inputs) != 1:
        raise ValueError(f"model must have one input to be recorded, got {len(model.inputs)}.")
    _, *wanted = model.inputs[0].shape
    shape = tuple(X.shape) if hasattr(X, "shape") else np.shape(X)
    takes_images = len(wanted) >= 3
    as_frames = takes_images and len(shape) == len(wanted) + 2
    expected = [None, *wanted] if as_frames else wanted
    fits = len(shape) == len(expected) + 1 and all(
        size in (None, got) for size, got in zip(expected, shape[1:], strict=True)
    )
    if not fits or 0 in shape[1:]:
        axes = ", ".join("any" if size is None else str(size) for size in wanted)
        frames = f" or, frame by frame, (n, time, {axes})" if takes_images else ""
        raise ValueError(f"X must have shape (n, {axes}){frames}, got {shape}.")
    return as_frames


def copy_channels(batch, channels, out):
    """Copy a batch, whose slowest axis in memory may be time, channel by channel.

    One channel of all sequences fits into a processor's cache; a whole batch turned at once is
    five times as slow.

    Parameters
    ----------
    batch : array, shape (n, n_channels, n_times)
        Activations.
    channels : sequence of int
        Which to copy.
    out : array, shape (n, len(channels), n_times)
        Where they go.

    Examples
    --------
    >>> out = np.empty((2, 3, 4))
    >>> copy_channels(np.ones((4, 3, 2)).T, range(3), out)
    >>> int(out.sum())
    24
    """
    for place, channel in enumerate(channels):
        out[:, place] = np.ascontiguousarray(batch[:, channel].T).T


def _argument(number, layer, args, kwargs):
    """Return what a layer was given as its argument of this number, by place or by name."""
    if len(args) > number:
        return args[number]
    names = [*inspect.signature(layer.call).parameters][number : number + 1]
    return kwargs.get(*names) if names else None


def _check_stateless(path, layer):
    """Raise where a layer remembers one batch in the next."""
    if getattr(layer, "stateful", False):
        raise ValueError(
            f"layer {path!r} is stateful: what it does depends on what it read before. "
            "Build it with stateful=False."
        )


def _check_signals(path, layer, wanted, available):
    """Raise where a layer does not have what is wanted."""
    missing = [name for name in wanted if name not in available]
    if missing:
        raise ValueError(
            f"signals {missing} are not in layer {path!r} ({type(layer).__name__}); it has "
            f"{', '.join(dict.fromkeys(available))}."
        )


def _follow(layer, x, mask, states, series, dtype):
    """Write the signals of a layer, (time, units, n) each, in the order in which it reads."""
    if layer.go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    step, signals = _open_gates(layer, x, mask, states, dtype)
    signals["output"] = signals["h"]
    with np.errstate(over="ignore"):
        for t in range(x.shape[1]):
            step(t)
            for name, values in series.items():
                values[t] = signals[name]
    if layer.zero_output_for_mask:
        for name in series.keys() & {"h", "output"}:
            np.copyto(series[name], 0, where=~mask.T[:, np.newaxis])


def _open_gates(layer, x, mask, states, dtype):
    """Prepare the gates of a layer to be computed step by step."""
    cell, gates = layer.cell, gates_of(layer)
    settings = {"mask": mask, "activation": _in_numpy(cell.activation)}
    if hasattr(cell, "recurrent_activation"):
        settings["recurrent_activation"] = _in_numpy(cell.recurrent_activation)
    if "cc" in gates:
        stepper = lstm_cell
    elif "hh" in gates:
        stepper, settings["reset_after"] = gru_cell, cell.reset_after
    else:
        stepper = simple_rnn_cell
    weights = [weight.astype(np.result_type(weight, dtype)) for weight in cell.get_weights()]
    return stepper(weights, x, states, **settings)


def _in_numpy(activation):
    """Name an activation that NumPy has; wrap any other."""
    for name in ACTIVATIONS:
        if activation is keras.activations.get(name):
            return name
    return lambda z: ops.convert_to_numpy(activation(ops.convert_to_tensor(z)))


def _as_list(states):
    """Return the states a layer starts from as a list."""
    if states is None:
        return []
    return list(states) if isinstance(states, (list, tuple)) else [states]


@contextmanager
def _no_retracing_notes():
    """Hush the note that a network was compiled for one input, and then for any number."""
    tensorflow = logging.getLogger("tensorflow")

    def is_other(record):
        return "triggered tf.function retracing" not in record.getMessage()

    tensorflow.addFilter(is_other)
    try:
        yield
    finally:
        tensorflow.removeFilter(is_other)


def _in_threads(fill, n):
    """Fill rows in as many threads as there are processors: NumPy lets go of the interpreter."""
    n_threads = max(1, min(os.cpu_count() or 1, n // _ROWS_A_THREAD))
    edges = np.linspace(0, n, n_threads + 1).astype(int)
    with single_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(fill, [slice(*pair) for pair in pairwise(edges)]))


def _units(shape):
    """Name units, or the pixels of each unit's map."""
    *pixels, units = shape
    digits = [max(3, len(str(units - 1))), *(max(2, len(str(size - 1))) for size in pixels)]
    for *where, unit in np.ndindex(*pixels, units):
        numbers = zip((unit, *where), digits, strict=True)
        yield "-".join(f"{number:0{width}d}" for number, width in numbers)
