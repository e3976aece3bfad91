"""A pipeline as a small YAML file."""

from collections.abc import Sequence
from difflib import get_close_matches
from inspect import signature
from typing import Any

import yaml
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline

import npa
from npa.checks import check_path, check_range
from npa.recordings.preparing import check_channel_options
from npa.typing import PathLike


def read_pipeline(fname: PathLike) -> Pipeline:
    """Read a pipeline from a YAML file.

    Parameters
    ----------
    fname : path-like
        The file: ``steps`` is a list of names of this package's estimators, each alone or with
        its parameters. A parameter that is an estimator is written the same way. ``channels``,
        which is optional, is read by `read_channels`.

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
    >>> from pathlib import Path
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
        return _pipeline(_content(fname))
    except ValueError as error:
        raise ValueError(f"{fname}: {error}") from None


def read_channels(fname: PathLike) -> dict[str, Any]:
    """Read the choice of channels from the YAML file of a pipeline.

    Parameters
    ----------
    fname : path-like
        The file: ``channels`` is a mapping of any of ``picks, exclude, types, bads, montage,
        reference`` to what `npa.recordings.preparing.prepare_recording` takes.

    Returns
    -------
    channels : dict
        The options that choose something.

    Raises
    ------
    TypeError, ValueError
        If the file is not YAML, or an option is unknown or of another type.

    Examples
    --------
    >>> from pathlib import Path
    >>> text = "{channels: {exclude: [Cz], bads: auto}, steps: [PSDExponent]}"
    >>> _ = Path("slopes.yaml").write_text(text)
    >>> read_channels("slopes.yaml")
    {'exclude': ['Cz'], 'bads': ['auto']}
    """
    try:
        content = _content(fname)
        channels = content.get("channels") if isinstance(content, dict) else None
        return check_channel_options("channels", channels)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{fname}: {error}") from None


def with_freq_range(pipeline: Pipeline, freq_range: tuple[float, float]) -> Pipeline:
    """Set the frequency range of every step that fits a spectrum.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        The pipeline; it is changed.
    freq_range : tuple of float
        Lowest and highest frequency in Hz.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        The same pipeline.

    Raises
    ------
    ValueError
        If no step fits a spectrum.

    Examples
    --------
    >>> with_freq_range(make_pipeline(npa.PSDExponent()), (2, 30)).steps
    [('psdexponent', PSDExponent(freq_range=(2.0, 30.0)))]
    """
    freq_range = check_range("freq_range", freq_range)
    found = False
    for _, step in pipeline.steps:
        if isinstance(step, npa.NeuralPowerAmplifier):
            step.set_params(fooof__freq_range=freq_range)
        elif "freq_range" in step.get_params(deep=False):
            step.set_params(freq_range=freq_range)
        else:
            continue
        found = True
    if not found:
        raise ValueError(f"freq_range={freq_range} needs a step that fits a spectrum.")
    return pipeline


def _content(fname: PathLike) -> Any:
    """Read a YAML file."""
    path = check_path("fname", fname)
    if not path.is_file():
        raise FileNotFoundError(f"{fname} is not a file.")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not YAML that can be read safely: {error}") from error


def _pipeline(content: Any) -> Pipeline:
    """Create the pipeline from the content of the file."""
    if not isinstance(content, dict):
        raise ValueError("a pipeline is a mapping with the key 'steps', a list of estimators.")
    for key in content:
        _check_known("a pipeline has no key", key, ["steps", "channels"])
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
