"""Layers and signals of a Keras model, and a copy of it that returns intermediate tensors."""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np

from npa.typing import AnyArray
from npa_ann.recording.gates import GRU_SIGNALS, LSTM_SIGNALS, RNN_SIGNALS

# Called as hook(path, layer, args, kwargs, outputs); returns symbolic tensors by name.
Hook: TypeAlias = Callable[
    [str, keras.layers.Layer, tuple[Any, ...], dict[str, Any], Any], dict[str, Any]
]

MAX_COPY_ERROR = 0.02  # of the largest output; bfloat16 has 8 bits

# Their configurations leave out the vocabulary; they have no weights, and are used as they are.
_LOOKUPS = (
    keras.layers.IntegerLookup,
    keras.layers.StringLookup,
    keras.layers.TextVectorization,
)
_GATED_CELLS = (
    (keras.layers.LSTMCell, LSTM_SIGNALS),
    (keras.layers.GRUCell, GRU_SIGNALS),
    (keras.layers.SimpleRNNCell, RNN_SIGNALS),
)
_CONVOLUTIONAL_RNNS = (
    keras.layers.ConvLSTM1D,
    keras.layers.ConvLSTM2D,
    keras.layers.ConvLSTM3D,
)


def list_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """List the layers of a model that can be recorded.

    Parameters
    ----------
    model : keras.Model
        A built sequential or functional model, which may contain other such models.

    Returns
    -------
    layers : dict of str to keras.layers.Layer
        By path: the layer's name, or ``"encoder.lstm"`` for a layer of the nested model
        ``encoder``.

    Raises
    ------
    TypeError
        If the model is neither sequential nor functional.
    ValueError
        If the model is not built.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((5, 2)), keras.layers.LSTM(3, name="lstm")])
    >>> list(list_layers(model))
    ['lstm']
    """
    check_model(model)
    layers = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        layers[layer.name] = layer
        if is_model(layer):
            inner = list_layers(layer).items()
            layers.update({f"{layer.name}.{path}": member for path, member in inner})
    return layers


def count_uses(model: keras.Model) -> Counter[str]:
    """Count how often a model calls each of its layers; a shared layer cannot be recorded.

    Parameters
    ----------
    model : keras.Model
        A built sequential or functional model.

    Returns
    -------
    uses : collections.Counter
        Path, as in `list_layers`, to the number of its calls.

    Examples
    --------
    >>> inputs, dense = keras.Input((3,)), keras.layers.Dense(3, name="dense")
    >>> count_uses(keras.Model(inputs, dense(dense(inputs))))["dense"]
    2
    """
    uses: Counter[str] = Counter()

    def count(path: str, *_: Any) -> dict[str, Any]:
        uses[path] += 1
        return {}

    check_model(model)
    _copy(model, count, prefix="")
    return uses


def layer_signals(layer: keras.layers.Layer) -> tuple[str, ...]:
    """List the signals of a layer that can be recorded.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    signals : tuple of str
        ``"output"`` and ``"input"``, the gates of a recurrent layer, and the ``trace_signals`` of
        a layer with a ``trace`` method.

    Examples
    --------
    >>> layer_signals(keras.layers.GRU(3))
    ('z', 'r', 'hh', 'h', 'output', 'input')
    """
    parts = directions(layer)
    gates = layer_gates(next(iter(parts.values()))) if parts else ()
    return (*gates, *getattr(layer, "trace_signals", ()), "output", "input")


def layer_gates(layer: keras.layers.Layer) -> tuple[str, ...]:
    """Return the gates of an LSTM, GRU or simple recurrent layer; none for any other layer.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    gates : tuple of str
        Their names. Empty for a cell that overrides the ``call`` of Keras's: its equations are
        unknown.

    Examples
    --------
    >>> layer_gates(keras.layers.SimpleRNN(3))
    ('h',)
    """
    if is_recurrent(layer):
        for cell, signals in _GATED_CELLS:
            if isinstance(layer.cell, cell) and type(layer.cell).call is cell.call:
                return signals
    return ()


def directions(layer: keras.layers.Layer) -> dict[str, keras.layers.Layer]:
    """Split a layer with gates into its forward and backward layer.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    layers : dict of str to keras.layers.Layer
        ``{"forward.": ..., "backward.": ...}`` for a bidirectional layer, ``{"": layer}`` for any
        other with gates, and empty for a layer without gates.

    Examples
    --------
    >>> list(directions(keras.layers.Bidirectional(keras.layers.LSTM(3))))
    ['forward.', 'backward.']
    """
    if isinstance(layer, keras.layers.Bidirectional):
        parts = {"forward.": layer.forward_layer, "backward.": layer.backward_layer}
        gates = {layer_gates(part) for part in parts.values()}
        return parts if len(gates) == 1 and gates != {()} else {}
    return {"": layer} if layer_gates(layer) else {}


def is_recurrent(layer: keras.layers.Layer) -> bool:
    """Tell whether a layer runs a cell over time; convolutional LSTMs do not count.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    recurrent : bool
        True for `keras.layers.RNN` and its subclasses.

    Examples
    --------
    >>> is_recurrent(keras.layers.LSTM(3))
    True
    """
    return isinstance(layer, keras.layers.RNN) and not isinstance(layer, _CONVOLUTIONAL_RNNS)


def is_model(layer: object) -> bool:
    """Tell whether an object is a sequential or functional model.

    Parameters
    ----------
    layer : object
        Any object.

    Returns
    -------
    model : bool
        True for models whose layers are accessible.

    Examples
    --------
    >>> is_model(keras.layers.Dense(3))
    False
    """
    return isinstance(layer, (keras.Sequential, keras.Function)) and hasattr(layer, "layers")


def check_model(model: object) -> None:
    """Raise unless the layers of a model can be recorded.

    Parameters
    ----------
    model : object
        The model.

    Raises
    ------
    TypeError
        If it is not a Keras model, or neither sequential nor functional.
    ValueError
        If it is not built.

    Examples
    --------
    >>> check_model(keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]))
    >>> check_model("lstm.keras")
    Traceback (most recent call last):
    TypeError: model must be a keras.Model, got str.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model, got {type(model).__name__}.")
    if not is_model(model):
        raise TypeError(
            f"model {model.name!r} ({type(model).__name__}) is a subclassed model: Keras runs its "
            "`call` as a whole, so its layers cannot be recorded. Build it as keras.Sequential "
            "or keras.Model(inputs, outputs)."
        )
    if not model.built:
        raise ValueError(f"model {model.name!r} is not built: give it an input shape first.")


def feature_extractor(model: keras.Model, hook: Hook) -> keras.Model:
    """Copy a model such that it returns the tensors that a hook selects at its layers.

    Parameters
    ----------
    model : keras.Model
        A built sequential or functional model. It is not changed.
    hook : callable
        Called as ``hook(path, layer, args, kwargs, outputs)`` with each layer of the copy, the
        symbolic arguments that it is called with, and its symbolic outputs. Returns a dict of
        tensors.

    Returns
    -------
    extractor : keras.Model
        From the model's input to the dict of all tensors that the hook returned.

    Raises
    ------
    ValueError
        If the hook returned no tensors.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, name="dense")])
    >>> extractor = feature_extractor(model, lambda path, layer, *call: {path: call[-1]})
    >>> extractor.output["dense"].shape
    (None, 3)
    """
    return copy_model(model, hook)[0]


def copy_model(model: keras.Model, hook: Hook) -> tuple[keras.Model, keras.Model]:
    """Copy a model as `feature_extractor` does, and also to a model with the same outputs.

    Parameters
    ----------
    model, hook
        As for `feature_extractor`.

    Returns
    -------
    extractor, copy : keras.Model
        Both have the same layers; the copy returns what the model does.

    Raises
    ------
    ValueError
        If the hook returned no tensors.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, name="dense")])
    >>> _, copy = copy_model(model, lambda path, layer, *call: {path: call[-1]})
    >>> copy.output.shape
    (None, 3)
    """
    check_model(model)
    inputs, outputs, tensors = _copy(model, hook, prefix="")
    if not tensors:
        raise ValueError(f"no tensors of model {model.name!r} are selected.")
    return keras.Model(inputs, tensors, name=f"{model.name}_features"), keras.Model(inputs, outputs)


def check_copy(model: keras.Model, copy: keras.Model, x: AnyArray) -> None:
    """Raise an error if the copy of a model does not return what the model does.

    Parameters
    ----------
    model, copy : keras.Model
        The model, and its copy by `copy_model`.
    x : array, shape (n, ...)
        Inputs.

    Raises
    ------
    ValueError
        If the outputs differ. Models with a state, which running would change, and models that
        return something else each time are not compared.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    >>> check_copy(model, keras.models.clone_model(model), np.ones((1, 5)))
    Traceback (most recent call last):
    ValueError: the copy of model ... from which signals are read returns something else ...
    """
    layers = list_layers(model).values()
    if any(getattr(layer, "stateful", False) for layer in layers):
        return
    first, again, copied = (
        keras.tree.flatten(each.predict_on_batch(x)) for each in (model, model, copy)
    )
    for expected, repeated, found in zip(first, again, copied, strict=True):
        expected, repeated, found = (np.asarray(v, float) for v in (expected, repeated, found))
        size = np.nanmax(np.abs(expected), initial=0.0)
        tolerance = MAX_COPY_ERROR * size + np.finfo(np.float32).tiny
        if not np.allclose(expected, repeated, rtol=0, atol=tolerance, equal_nan=True):
            continue
        if not np.allclose(expected, found, rtol=0, atol=tolerance, equal_nan=True):
            own = [each.name for each in layers if not type(each).__module__.startswith("keras.")]
            raise ValueError(
                f"the copy of model {model.name!r} from which signals are read returns something "
                f"else than the model (by {np.nanmax(np.abs(found - expected)):.3g} of "
                f"{size:.3g}). The get_config of a layer may leave out an argument of its "
                f"__init__; layers that are not Keras's: {', '.join(own) or 'none'}."
            )


def _copy(model: keras.Model, hook: Hook, prefix: str) -> tuple[Any, Any, dict[str, Any]]:
    """Copy one model; return its inputs, its outputs and the tensors that the hook selects."""
    originals: dict[int, keras.layers.Layer] = {}
    tensors: dict[str, Any] = {}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if is_model(layer):
            return layer
        copy = layer if isinstance(layer, _LOOKUPS) else _clone_layer(layer)
        originals[id(copy)] = layer
        return copy

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        # A configuration may lose the name.
        path = prefix + originals.get(id(layer), layer).name
        if is_model(layer):
            inputs, outputs, inner = _copy(layer, hook, f"{path}.")
            if inner:
                nested = keras.Model(inputs, {"end": outputs, "inner": inner}, name=layer.name)
                result = nested(*args, **kwargs)
                outputs = result["end"]
                tensors.update(result["inner"])
            else:
                outputs = keras.Model(inputs, outputs, name=layer.name)(*args, **kwargs)
        else:
            outputs = layer(*args, **kwargs)
            if isinstance(layer, keras.layers.Layer):
                layer.set_weights(originals[id(layer)].get_weights())
                if isinstance(layer, keras.layers.Normalization):  # it works with copies of them
                    layer.finalize_state()
        if isinstance(layer, keras.layers.Layer):
            tensors.update(hook(path, layer, args, kwargs, outputs))
        return outputs

    if isinstance(model, keras.Sequential):
        (given,) = model.inputs
        inputs = outputs = keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name)
        for layer in model.layers:
            outputs = call(clone(layer), outputs)
        return inputs, outputs, tensors
    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    return copy.input, copy.output, tensors


def _clone_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Create a layer from another's configuration, without its weights."""
    if isinstance(layer, keras.layers.Lambda):  # Keras refuses to run its code from a config
        return keras.layers.Lambda(
            layer.function,
            mask=getattr(layer, "mask", None),
            arguments=layer.arguments,
            name=layer.name,
        )
    try:
        return layer.__class__.from_config(layer.get_config())
    except Exception as error:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied: {error} Give it a "
            "get_config that returns the arguments of its __init__."
        ) from error
