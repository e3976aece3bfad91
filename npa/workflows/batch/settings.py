"""The settings of a pipeline as plain values, so that two runs can be compared."""

import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator

_PACKAGES = ("mne", "numpy", "scipy", "scikit-learn", "fooof", "pandas")


def describe(value: Any) -> Any:
    """Return a setting as JSON values, equal for equal settings.

    Parameters
    ----------
    value : object
        An estimator, a pipeline of them, or any parameter.

    Returns
    -------
    plain : dict | list | str | float | int | bool | None
        An estimator is a mapping of its class to its parameters; an object that JSON does not
        know is its type and a hash of its contents.

    Examples
    --------
    >>> from npa import LineNoiseRemover
    >>> describe(LineNoiseRemover((50.0,)))["npa.estimators.line_noise.LineNoiseRemover"]["freqs"]
    [50.0]
    """
    if isinstance(value, BaseEstimator):
        params = value.get_params(deep=False)
        return {_name(type(value)): {key: describe(params[key]) for key in sorted(params)}}
    if isinstance(value, dict):
        return {str(key): describe(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(each) for each in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, np.generic):
        return describe(value.item())
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{_name(value)} {_contents(value)}".strip()
    return f"{_name(type(value))} {joblib.hash(value)}"


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield a sentence for every setting that differs between two descriptions.

    Parameters
    ----------
    before, now : object
        Descriptions, as returned by `describe`.
    path : str
        Their position in the settings.

    Yields
    ------
    sentence : str
        Such as ``"Tagger.power was False, is True"``.

    Examples
    --------
    >>> list(differences({"a.Tagger": {"power": False}}, {"a.Tagger": {"power": True}}))
    ['Tagger.power was False, is True']
    >>> list(differences([2, 40.0], [2.0, 40]))
    []
    """
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        for key in now:
            yield from differences(before[key], now[key], f"{path}.{key.rpartition('.')[-1]}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for old, new in zip(before, now, strict=True):
            yield from differences(old, new, path)
    elif repr(before) != repr(now) and not _equal_numbers(before, now):  # NaN equals NaN
        yield f"{path.lstrip('.') or 'it'} was {_short(before)}, is {_short(now)}"


def versions() -> dict[str, str]:
    """Return the versions of the packages that compute.

    Returns
    -------
    found : dict
        Package name (and ``"python"``) to version.

    Examples
    --------
    >>> sorted(versions())[:3]
    ['fooof', 'mne', 'npa']
    """
    import npa

    found = {name: version(name) for name in _PACKAGES}
    return {"npa": npa.__version__, "python": platform.python_version(), **found}


def _contents(function: Any) -> str:
    """Return a hash of the code, defaults and closure of a function; empty if it is compiled."""
    if not hasattr(function, "__code__"):
        return ""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    values = [function.__defaults__, function.__kwdefaults__]
    values += [each for each in cells if not callable(each)]  # it may be the function itself
    return str(joblib.hash([_body(function.__code__), describe(values)]))


def _body(code: Any) -> list[Any]:
    """Return the bytecode, names and constants of a function, without line numbers."""
    inner = [_body(each) if hasattr(each, "co_code") else repr(each) for each in code.co_consts]
    return [code.co_code, code.co_names, inner]


def _name(item: Any) -> str:
    """Return the dotted name of a class or function."""
    return f"{item.__module__}.{item.__qualname__}"


def _equal_numbers(before: Any, now: Any) -> bool:
    """Whether both are numbers, and equal: 2 is 2.0, but 1 is not True."""
    numbers = all(
        isinstance(each, (int, float)) and not isinstance(each, bool) for each in (before, now)
    )
    return numbers and before == now


def _short(value: Any) -> str:
    """Format a setting, an estimator by its name alone."""
    if isinstance(value, dict):
        return " and ".join(key.rpartition(".")[-1] for key in value)
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return repr(value)
