"""What a pipeline is set to, as plain values that two runs can be held against."""

import platform
from importlib.metadata import version
from itertools import zip_longest

import joblib
import numpy as np
from sklearn.base import BaseEstimator

_PACKAGES = ("mne", "numpy", "scipy", "scikit-learn", "fooof", "pandas")


def describe(value):
    """Return a setting as JSON would hold it: the same one for the same setting.

    Parameters
    ----------
    value : object
        An estimator, a pipeline of them, or any parameter.

    Returns
    -------
    plain : dict | list | str | float | int | bool | None
        An estimator is a mapping of its class to its parameters. What JSON does not know is its
        type, and a hash of its contents.

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


def differences(before, now, path=""):
    """Yield a sentence for every setting that differs between two descriptions.

    Parameters
    ----------
    before, now : object
        What `describe` returned.
    path : str
        Where in the settings they stand.

    Yields
    ------
    sentence : str
        Such as ``"Tagger.power was False, is True"``.

    Examples
    --------
    >>> list(differences({"a.Tagger": {"power": False}}, {"a.Tagger": {"power": True}}))
    ['Tagger.power was False, is True']
    """
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        for key in now:
            yield from differences(before[key], now[key], f"{path}.{key.rpartition('.')[-1]}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for each in zip_longest(before, now):
            yield from differences(*each, path)
    elif repr(before) != repr(now):  # NaN is itself
        yield f"{path.lstrip('.') or 'it'} was {_short(before)}, is {_short(now)}"


def versions():
    """Return the versions of what computes.

    Returns
    -------
    found : dict
        Name of a package (and ``"python"``) to its version.

    Examples
    --------
    >>> sorted(versions())[:3]
    ['fooof', 'mne', 'npa']
    """
    import npa

    found = {name: version(name) for name in _PACKAGES}
    return {"npa": npa.__version__, "python": platform.python_version(), **found}


def _contents(function):
    """Return a hash of what a Python function does and keeps; nothing for what is compiled."""
    if not hasattr(function, "__code__"):
        return ""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    kept = [function.__defaults__, function.__kwdefaults__]
    kept += [each for each in cells if not callable(each)]  # it may be the function itself
    return joblib.hash([_body(function.__code__), describe(kept)])


def _body(code):
    """Return what a function does, without where its source stands."""
    inner = [_body(each) if hasattr(each, "co_code") else repr(each) for each in code.co_consts]
    return [code.co_code, code.co_names, inner]


def _name(thing):
    """Return the dotted name of a class or function."""
    return f"{thing.__module__}.{thing.__qualname__}"


def _short(value):
    """Say a setting in few words: an estimator by its name alone."""
    if isinstance(value, dict):
        return " and ".join(key.rpartition(".")[-1] for key in value)
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return repr(value)
