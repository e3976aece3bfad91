"""Results of slow steps, kept on disk until their code or their inputs change."""

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from npa.recordings.staging import staged_file
from npa.typing import PathLike

_PROJECT = ("npa", "npa_ann")
_PLAIN = (str, int, float, bool, type(None))


class Cache:
    """Call functions, and keep their results in a folder.

    Parameters
    ----------
    folder : path-like
        Where to keep them; created when the first result is written.

    Notes
    -----
    A result is found again by the name and source code of the function, by the source code of the
    project's functions, classes and plain constants that it uses by name, and by its arguments:
    numbers, strings, arrays (shape, dtype and bytes), containers and dataclasses of these,
    functions, estimators (parameters, and source code if they are the project's) and Keras models
    (configuration and weights). If any of these changes, the result is computed again.

    Results are dicts, lists, tuples, strings, numbers, None and arrays, nested at will. They are
    written as ``.npz`` files and read without ``pickle``.

    Examples
    --------
    >>> def total(values):
    ...     return {"sum": values.sum()}
    >>> cache = Cache("cached")
    >>> cache(total, np.arange(3))
    {'sum': 3}
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)

    def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return the stored result of a call, or compute and store it.

        Parameters
        ----------
        function : callable
            A function of a module, or a `functools.partial` of one.
        *args, **kwargs
            Its arguments. An argument ``progress`` takes no part in the key.

        Returns
        -------
        result : object
            What the function returns, as it is read from the file.
        """
        return self._call(function, {"progress"}, *args, **kwargs)

    def cache(self, function: Callable[..., Any], ignore: Iterable[str] = ()) -> Callable[..., Any]:
        """Wrap a function, as `joblib.Memory.cache` does.

        Parameters
        ----------
        function : callable
            A function of a module.
        ignore : iterable of str
            Names of arguments that take no part in the key.

        Returns
        -------
        wrapped : callable
            Takes the same arguments; returns the stored result, or computes and stores it.
        """
        return partial(self._call, function, set(ignore))

    def _call(
        self, function: Callable[..., Any], ignored: set[str], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the stored result of a call, or compute and store it."""
        digest = hashlib.blake2b(digest_size=16)
        given = inspect.signature(function).bind(*args, **kwargs).arguments
        _update(digest, [function, {k: value for k, value in given.items() if k not in ignored}])
        path = self.folder / f"{_name(function)}-{digest.hexdigest()}.npz"
        if not path.exists():
            arrays: dict[str, np.ndarray] = {}
            tree = json.dumps(_pack(function(*args, **kwargs), arrays))
            self.folder.mkdir(parents=True, exist_ok=True)
            with staged_file(path) as aside:
                np.savez(aside, tree=np.array(tree), **arrays)  # type: ignore[arg-type]
        with np.load(path, allow_pickle=False) as stored:
            return _unpack(json.loads(str(stored["tree"])), stored)


def _name(function: Callable[..., Any]) -> str:
    """Return the name of a function or of a partial function."""
    return _name(function.func) if isinstance(function, partial) else function.__name__


def _update(digest: Any, value: Any) -> None:
    """Add a value, with its type and shape, to a digest."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (*_PLAIN, slice, range, complex, Path)):
        digest.update(f"{type(value).__name__} {value!r};".encode())
    elif isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("arrays of Python objects cannot be arguments of a cached function.")
        digest.update(f"array {value.dtype.str} {value.shape};".encode())
        digest.update(np.ascontiguousarray(value).view(np.uint8).data if value.size else b"")
    elif isinstance(value, dict):
        digest.update(f"dict {len(value)};".encode())
        for key, inner in value.items():
            _update(digest, key)
            _update(digest, inner)
    elif isinstance(value, (list, tuple)):
        digest.update(f"{type(value).__name__} {len(value)};".encode())
        for inner in value:
            _update(digest, inner)
    elif isinstance(value, partial):
        _update(digest, [value.func, value.args, value.keywords])
    elif isinstance(value, FunctionType):
        for source in _sources(value, set()):
            digest.update(f"source {len(source)};{source}".encode())
    elif is_dataclass(value) and not isinstance(value, type):
        _update(digest, [type(value).__qualname__])
        for field in fields(value):
            _update(digest, [field.name, getattr(value, field.name)])
    elif hasattr(value, "get_weights") and hasattr(value, "get_config"):
        _update(digest, [type(value).__qualname__, _configuration(value), value.get_weights()])
    elif hasattr(value, "get_params") or _package(type(value)) == "sklearn":
        settings = value.get_params(deep=False) if hasattr(value, "get_params") else vars(value)
        source = inspect.getsource(type(value)) if _package(type(value)) in _PROJECT else ""
        _update(digest, [type(value).__qualname__, settings, source])
    else:
        raise TypeError(
            "arguments of a cached function must be numbers, strings, arrays, dataclasses, "
            "functions, estimators, Keras models, or containers of these, got "
            f"{type(value).__name__}."
        )


def _package(kind: type) -> str:
    """Return the package that defines a class."""
    return kind.__module__.partition(".")[0]


def _configuration(model: Any) -> str:
    """Write a model's configuration without what differs each time it is built."""
    text = repr(_without_draws(model.get_config()))
    parts = [model, *getattr(model, "operations", getattr(model, "layers", []))]
    for number, part in enumerate(parts):
        given = part.name.rstrip("0123456789").replace("_", "")
        if given == type(part).__name__.lower():  # Keras's own name, numbered within the process
            text = text.replace(repr(part.name), f"'{given} {number}'")
    return text


def _without_draws(config: Any) -> Any:
    """Leave out of a configuration how weights were drawn: the weights themselves are known."""
    if isinstance(config, dict):
        return {
            key: _without_draws(value)
            for key, value in config.items()
            if key != "seed" and not key.endswith("_initializer")
        }
    if isinstance(config, (list, tuple)):
        return [_without_draws(value) for value in config]
    return config


def _sources(function: FunctionType, seen: set[Any]) -> Iterator[str]:
    """Yield the source of a function and of all of the project's code that it uses by name."""
    if function.__closure__:
        raise TypeError(f"{function.__qualname__} must not use variables of another function.")
    seen.add(function)
    yield inspect.getsource(function)
    names = sorted(set(_names(function.__code__)))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType) and value.__name__.partition(".")[0] in _PROJECT:
            used = [getattr(value, other, None) for other in names]
        else:
            used = [value]
        for part in used:
            yield from _used(name, part, seen)


def _used(name: str, value: Any, seen: set[Any]) -> Iterator[str]:
    """Yield the source of a function or class of the project, or the value of a constant."""
    if isinstance(value, (tuple, dict)):
        yield f"{name} of {len(value)}"
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _used(f"{name}[{key!r}]", part, seen)
    elif isinstance(value, partial):
        yield from _used(name, (value.func, value.args, value.keywords), seen)
    elif isinstance(value, (*_PLAIN, np.ndarray, BaseEstimator)) and value is not None:
        constant = hashlib.blake2b(digest_size=16)
        _update(constant, value)
        yield f"{name} = {constant.hexdigest()}"
    elif isinstance(value, (FunctionType, type)) and value not in seen:
        if value.__module__.partition(".")[0] not in _PROJECT:
            return
        seen.add(value)
        if isinstance(value, FunctionType):
            yield from _sources(value, seen)
        else:
            yield inspect.getsource(value)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the global names that a function, and the functions inside it, use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Turn a result into JSON that refers to arrays by number."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, dict):
        items = [[_pack(key, arrays), _pack(inner, arrays)] for key, inner in value.items()]
        return {"dict": items}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_pack(inner, arrays) for inner in value]}
    raise TypeError(f"a cached function must not return a {type(value).__name__}.")


def _unpack(tree: Any, arrays: Any) -> Any:
    """Undo `_pack`."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {_unpack(key, arrays): _unpack(inner, arrays) for key, inner in content}
    values = [_unpack(inner, arrays) for inner in content]
    return tuple(values) if kind == "tuple" else values
