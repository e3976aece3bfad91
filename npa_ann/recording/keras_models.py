"""A look inside a Keras model: what its layers are called, and a copy that hands out tensors."""

from collections import Counter

import keras

from npa_ann.recording.gates import GRU_SIGNALS, LSTM_SIGNALS, RNN_SIGNALS

_GATED = (
    (keras.layers.LSTMCell, LSTM_SIGNALS),
    (keras.layers.GRUCell, GRU_SIGNALS),
    (keras.layers.SimpleRNNCell, RNN_SIGNALS),
)
_MAP_RECURRENT = (
    keras.layers.ConvLSTM1D,
    keras.layers.ConvLSTM2D,
    keras.layers.ConvLSTM3D,
)


def list_layers(model):
    """List the layers of a model that can be recorded.

    Parameters
    ----------
    model : keras.Model
        A built sequential or functional model. Nested models are opened.

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


def count_uses(model):
    """Count how often a model uses each of its layers; the uses of a shared layer would mix.

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
    >>> start, dense = keras.Input((3,)), keras.layers.Dense(3, name="dense")
    >>> count_uses(keras.Model(start, dense(dense(start))))["dense"]
    2
    """
    uses = Counter()

    def count(path, *_):
        uses[path] += 1
        return {}

    check_model(model)
    _copy(model, count, prefix="")
    return uses


def layer_signals(layer):
    """List what can be recorded at a layer.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    signals : tuple of str
        ``"output"`` and ``"input"``, the gates of a recurrent layer, and what a layer with a
        ``trace`` method names in ``trace_signals``.

    Examples
    --------
    >>> layer_signals(keras.layers.GRU(3))
    ('z', 'r', 'hh', 'h', 'output', 'input')
    """
    halves = directions(layer)
    gates = gates_of(next(iter(halves.values()))) if halves else ()
    return (*gates, *getattr(layer, "trace_signals", ()), "output", "input")


def gates_of(layer):
    """Return the gates of an LSTM, GRU or simple recurrent layer; none for any other.

    A cell that derives from Keras's but has a ``call`` of its own follows other equations.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    gates : tuple of str
        Their names.

    Examples
    --------
    >>> gates_of(keras.layers.SimpleRNN(3))
    ('h',)
    """
    if is_recurrent(layer):
        for cell, signals in _GATED:
            if isinstance(layer.cell, cell) and type(layer.cell).call is cell.call:
                return signals
    return ()


def directions(layer):
    """Split a layer with gates into the layers that read forward and backward.

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    layers : dict of str to keras.layers.Layer
        ``{"": layer}``; ``{"forward.": ..., "backward.": ...}`` for a bidirectional one; empty
        where there are no gates.

    Examples
    --------
    >>> list(directions(keras.layers.Bidirectional(keras.layers.LSTM(3))))
    ['forward.', 'backward.']
    """
    if isinstance(layer, keras.layers.Bidirectional):
        halves = {"forward.": layer.forward_layer, "backward.": layer.backward_layer}
        kinds = {gates_of(half) for half in halves.values()}
        return halves if len(kinds) == 1 and kinds != {()} else {}
    return {"": layer} if gates_of(layer) else {}


def is_recurrent(layer):
    """Tell whether a layer runs a cell over time (maps that run over time do not count).

    Parameters
    ----------
    layer : keras.layers.Layer
        Any layer.

    Returns
    -------
    answer : bool
        True for `keras.layers.RNN` and what derives from it.

    Examples
    --------
    >>> is_recurrent(keras.layers.LSTM(3))
    True
    """
    return isinstance(layer, keras.layers.RNN) and not isinstance(layer, _MAP_RECURRENT)


def is_model(layer):
    """Tell whether a layer is a sequential or functional model.

    Parameters
    ----------
    layer : object
        Anything.

    Returns
    -------
    answer : bool
        True for models whose layers can be seen.

    Examples
    --------
    >>> is_model(keras.layers.Dense(3))
    False
    """
    return isinstance(layer, (keras.Sequential, keras.Function)) and hasattr(layer, "layers")


def check_model(model):
    """Raise unless a model's layers can be seen.

    Parameters
    ----------
    model : keras.Model
        The model.

    Raises
    ------
    TypeError
        If it is no Keras model, or neither sequential nor functional.
    ValueError
        If it is not built yet.

    Examples
    --------
    >>> check_model(keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]))
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model, got {type(model).__name__}.")
    if not is_model(model):
        raise TypeError(
            f"model {model.name!r} ({type(model).__name__}) is a subclassed model: Keras runs its "
            "`call` as a whole, so its layers cannot be told apart. Build it as keras.Sequential "
            "or keras.Model(inputs, outputs)."
        )
    if not model.built:
        raise ValueError(f"model {model.name!r} is not built: give it an input shape first.")


def feature_extractor(model, tap):
    """Copy a model so that it returns what ``tap`` takes at its layers.

    Parameters
    ----------
    model : keras.Model
        A built sequential or functional model. It is not changed.
    tap : callable
        Called as ``tap(path, layer, inputs, kwargs, outputs)`` with each layer of the copy and
        the symbolic tensors in front of and behind it; returns a dict of tensors to hand out.

    Returns
    -------
    network : keras.Model
        From the model's input to the dict of all tensors that were taken.

    Raises
    ------
    ValueError
        If nothing was taken.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, name="dense")])
    >>> network = feature_extractor(model, lambda path, layer, *call: {path: call[-1]})
    >>> network.output["dense"].shape
    (None, 3)
    """
    check_model(model)
    start, _, taken = _copy(model, tap, prefix="")
    if not taken:
        raise ValueError(f"nothing is recorded of model {model.name!r}.")
    return keras.Model(start, taken, name=f"opened_{model.name}")


def _copy(model, tap, prefix):
    """Copy one model; return its input, its output and what was taken on the way."""
    originals, taken = {}, {}

    def clone(layer):
        if is_model(layer):
            return layer
        copy = _clone_layer(layer)
        originals[id(copy)] = layer
        return copy

    def call(layer, *args, **kwargs):
        path = prefix + layer.name
        if is_model(layer):
            start, end, inner = _copy(layer, tap, f"{path}.")
            if inner:
                opened = keras.Model(start, {"end": end, "taken": inner}, name=layer.name)
                result = opened(*args, **kwargs)
                outputs = result["end"]
                taken.update(result["taken"])
            else:
                outputs = keras.Model(start, end, name=layer.name)(*args, **kwargs)
        else:
            outputs = layer(*args, **kwargs)
            if isinstance(layer, keras.layers.Layer):
                layer.set_weights(originals[id(layer)].get_weights())
                if isinstance(layer, keras.layers.Normalization):  # it works with copies of them
                    layer.finalize_state()
        if isinstance(layer, keras.layers.Layer):
            taken.update(tap(path, layer, args, kwargs, outputs))
        return outputs

    if isinstance(model, keras.Sequential):
        (given,) = model.inputs
        start = end = keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name)
        for layer in model.layers:
            end = call(clone(layer), end)
        return start, end, taken
    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    return copy.input, copy.output, taken


def _clone_layer(layer):
    """Make a layer anew from its settings, without its weights."""
    if isinstance(layer, keras.layers.Lambda):  # Keras would not run its code from a config
        return keras.layers.Lambda(layer.function, arguments=layer.arguments, name=layer.name)
    try:
        return layer.__class__.from_config(layer.get_config())
    except Exception as error:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied: {error} Give it a "
            "get_config that returns the arguments of its __init__."
        ) from error
