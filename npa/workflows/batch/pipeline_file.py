"""A pipeline as a small YAML file."""

from difflib import get_close_matches
from inspect import signature
from pathlib import Path

import yaml
from sklearn.pipeline import make_pipeline

import npa


def read_pipeline(fname):
    """Read a pipeline from a YAML file.

    Parameters
    ----------
    fname : path-like
        The file: ``steps`` is a list of estimators of this package by name, each alone or with
        its parameters. A parameter that is an estimator is written the same way.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        Not yet fitted.

    Raises
    ------
    ValueError
        If it is no YAML, or names what is not known; the message names the nearest known one.

    Notes
    -----
    Read by YAML's safe loader, which makes plain values only. YAML takes ``1e-6`` for a word:
    write ``1.0e-6``.

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
        content = yaml.safe_load(Path(fname).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{fname} is no YAML that can be read safely: {error}") from error
    try:
        return _pipeline(content)
    except ValueError as error:
        raise ValueError(f"{fname}: {error}") from None


def _pipeline(content):
    """Make a pipeline of what the file holds."""
    if not isinstance(content, dict):
        raise ValueError("a pipeline is a mapping with the key 'steps', a list of estimators.")
    for key in content:
        _check_known("a pipeline has no key", key, ["steps"])
    steps = content.get("steps")
    if not isinstance(steps, list) or not steps:
        raise ValueError(f"'steps' must be a list of at least one estimator, got {steps!r}.")
    return make_pipeline(*map(_estimator, steps))


def _estimator(step):
    """Make an estimator of its name, or of a mapping of its name to its parameters."""
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


def _value(value):
    """Return a parameter, made into an estimator where it names one."""
    names_one = isinstance(value, dict) and len(value) == 1 and set(value) <= set(npa.__all__)
    return _estimator(value) if names_one or value in npa.__all__ else value


def _check_known(problem, key, known):
    """Raise where a key is not known, and name the nearest that is."""
    if key in known:
        return
    by_lower = {each.lower(): each for each in known}
    nearest = by_lower[get_close_matches(str(key).lower(), by_lower, n=1, cutoff=0.0)[0]]
    raise ValueError(f"{problem} {key!r}; the nearest is {nearest!r} (of {', '.join(known)}).")
