"""A pipeline as a small YAML file."""

from collections.abc import Sequence
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any

import yaml
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline

import npa
from npa.typing import PathLike


def read_pipeline(fname: PathLike) -> Pipeline:
    """Read a pipeline from a YAML file.

    Parameters
    ----------
    fname : path-like
        The file: ``steps`` is a list of names of this package's estimators, each alone or with
        its parameters. A parameter that is an estimator is written the same way.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        The pipeline, not fitted.

    Raises
    ------
    ValueError
        If the file is not YAML, or holds an unknown name; the message gives the nearest known
        one.

    Notes
    -----
    The file is read by YAML's safe loader, which creates plain values only. YAML reads ``1e-6``
    as a string: write ``1.0e-6``.

    Examples
    --------
    >>> text = "steps: [{LineNoiseRemover: {freqs: 60}}, {PSDExponent: {psd: welch}}]"
    >>> _ = Path("slopes.yaml").write_text(text)
    >>> read_pipeline("slopes.yaml").steps
    [('linenoiseremover', LineNoiseRemover(freqs=60)), ('psdexponent', PSDExponent())]
    >>> _ = Path("slopes.yaml").write_text("steps: [{PSDExponent: {range: [2, 40]}}]")
    >>> read_pipeline("slopes.yaml")
    Traceback (most recent call last):
    ValueError: slopes.yaml: PSDExponent has no parameter 'range'; the nearest is 'freq_range' ...
    """
    try:
        content = yaml.safe_load(Path(fname).expanduser().read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{fname} is not YAML that can be read safely: {error}") from error
    try:
        return _pipeline(content)
    except ValueError as error:
        raise ValueError(f"{fname}: {error}") from None


def _pipeline(content: Any) -> Pipeline:
    """Create the pipeline from the content of the file."""
    if not isinstance(content, dict):
        raise ValueError("a pipeline is a mapping with the key 'steps', a list of estimators.")
    for key in content:
        _check_known("a pipeline has no key", key, ["steps"])
    steps = content.get("steps")
    if not isinstance(steps, list) or not steps:
        raise ValueError(f"'steps' must be a list of at least one estimator, got {steps!r}.")
    return make_pipeline(*map(_estimator, steps))


def _estimator(step: Any) -> BaseEstimator:
    """Create an estimator from its name, or from a mapping of its name to its parameters."""
    name, params = step, None
    if isinstance(step, dict) and len(step) == 1:
        ((name, params),) = step.items()
    if not isinstance(name, str):
        raise ValueError(
            f"a step is the name of an estimator, or 'Name: {{parameter: value}}', got {step!r}."
        )
    _check_known("there is no estimator", name, npa.__all__)
    kind = getattr(npa, name)
    params = {} if params is None else params
    if not isinstance(params, dict):
        raise ValueError(f"{name} needs a mapping of parameters to values, got {params!r}.")
    for key in params:
        _check_known(f"{name} has no parameter", key, list(signature(kind).parameters))
    return kind(**{key: _value(value) for key, value in params.items()})


def _value(value: Any) -> Any:
    """Return a parameter, as an estimator if it names one."""
    is_estimator = isinstance(value, dict) and len(value) == 1 and set(value) <= set(npa.__all__)
    return _estimator(value) if is_estimator or value in npa.__all__ else value


def _check_known(message: str, key: Any, known: Sequence[str]) -> None:
    """Raise if a key is unknown, and name the nearest known one."""
    if key in known:
        return
    by_lower = {each.lower(): each for each in known}
    nearest = by_lower[get_close_matches(str(key).lower(), by_lower, n=1, cutoff=0.0)[0]]
    raise ValueError(f"{message} {key!r}; the nearest is {nearest!r} (of {', '.join(known)}).")
