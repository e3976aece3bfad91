"""Validation of user input; each message names the argument, its value and what is allowed."""

import re
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, overload

import numpy as np

from npa.typing import AnyArray, BoolArray

T = TypeVar("T")

_UNITS = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


@overload
def check_number(
    name: str,
    value: object,
    *,
    low: float | None = ...,
    high: float | None = ...,
    above: float | None = ...,
    below: float | None = ...,
    integer: Literal[True],
) -> int: ...


@overload
def check_number(
    name: str,
    value: object,
    *,
    low: float | None = ...,
    high: float | None = ...,
    above: float | None = ...,
    below: float | None = ...,
    integer: Literal[False] = ...,
) -> float: ...


def check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    integer: bool = False,
) -> float:
    """Return ``value`` as a built-in float or int.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : float | int
        The value to check. Booleans, NaN and infinities are refused.
    low, high : float | None
        Smallest and largest value allowed (inclusive).
    above, below : float | None
        Exclusive bounds.
    integer : bool
        Whether ``value`` must be an integer.

    Returns
    -------
    value : float | int
        The value as a built-in number.

    Raises
    ------
    TypeError
        If ``value`` is not a number, or not an integer where one is required.
    ValueError
        If ``value`` is not finite or outside the bounds.

    Examples
    --------
    >>> check_number("depth", 0.5, above=0, high=1)
    0.5
    """
    kind: Any = Integral if integer else Real
    noun = "whole number" if integer else "number"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        raise TypeError(f"{name} must be a {noun}, got {value!r} ({type(value).__name__}).")
    bounds = ((">=", low), (">", above), ("<=", high), ("<", below))
    allowed = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
    inside = (
        (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
        and (below is None or value < below)
    )
    if not (np.isfinite(value) and inside):
        expected = f"a {noun} {allowed}" if allowed else f"a finite {noun}"
        raise ValueError(f"{name} must be {expected}, got {value!r}.")
    return int(value) if integer else float(value)


def check_option(name: str, value: T, allowed: Iterable[object]) -> T:
    """Return ``value`` if it is one of the allowed values.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : object
        The value to check.
    allowed : iterable
        The allowed values.

    Returns
    -------
    value : object
        The value itself.

    Raises
    ------
    ValueError
        If ``value`` is not among ``allowed``; the message lists them.

    Examples
    --------
    >>> check_option("psd", "welch", ("welch", "multitaper"))
    'welch'
    """
    allowed = list(allowed)
    if not any(value is option or (value == option) is True for option in allowed):
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}.")
    return value


def check_range(
    name: str, value: Any, *, low: float | None = 0.0, high: float | None = None
) -> tuple[float, float]:
    """Return ``value`` as two floats, the first below the second.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : sequence of float, length 2
        Lower and upper end.
    low, high : float | None
        Smallest and largest value allowed for both ends (inclusive).

    Returns
    -------
    start, stop : float
        The two ends.

    Raises
    ------
    TypeError
        If ``value`` is not a pair of numbers.
    ValueError
        If the first end is not below the second, or an end is outside the bounds.

    Examples
    --------
    >>> check_range("freq_range", (1, 45), high=128.0)
    (1.0, 45.0)
    """
    try:
        start, stop = value
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a pair (low, high), got {value!r}.") from None
    start = check_number(f"{name}[0]", start, low=low, high=high)
    stop = check_number(f"{name}[1]", stop, low=low, high=high)
    if start >= stop:
        raise ValueError(f"{name} must be a pair (low, high) with low < high, got {value!r}.")
    return start, stop


def check_finite(name: str, data: AnyArray, ch_names: Sequence[str] | None = None) -> None:
    """Raise an error that names the channels where ``data`` holds NaN or inf.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    data : array, shape (..., n_channels, n_times)
        The values to check.
    ch_names : sequence of str | None
        Names of the channels; None to name them by index.

    Raises
    ------
    ValueError
        If any value is NaN or infinite.

    Examples
    --------
    >>> check_finite("X", np.array([[0.0, 1.0], [0.0, np.nan]]), ["Fz", "Oz"])
    Traceback (most recent call last):
    ValueError: X contains NaN or inf in channel(s) Oz; mark the channels as bad, or replace the
    samples.
    """
    bad = ~finite_rows(data)
    if not bad.any():
        return
    where = np.flatnonzero(bad.reshape(-1, bad.shape[-1]).any(axis=0)).tolist()
    labels = [str(index) if ch_names is None else ch_names[index] for index in where]
    shown = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
    advice = (
        "an earlier step may have failed."
        if len(where) == bad.shape[-1] > 1
        else "mark the channels as bad, or replace the samples."
    )
    raise ValueError(f"{name} contains NaN or inf in channel(s) {shown}; {advice}")


def finite_rows(data: AnyArray) -> BoolArray:
    """Return which rows hold neither NaN nor inf.

    Parameters
    ----------
    data : array, shape (..., n_times)
        The values.

    Returns
    -------
    finite : array of bool, shape (...,)
        Whether all values along the last axis are finite.

    Examples
    --------
    >>> finite_rows(np.array([[0.0, 1.0], [0.0, np.nan]]))
    array([ True, False])
    """
    # A finite sum means finite samples; any other sum may have overflowed, so check each sample.
    with np.errstate(over="ignore", invalid="ignore"):
        finite: BoolArray = np.isfinite(data.sum(axis=-1))
    if not finite.all():
        finite[~finite] = np.isfinite(data[~finite]).all(axis=-1)
    return finite


def check_bytes(name: str, size: str | float | None) -> float:
    """Return a size such as ``"2GB"`` in bytes.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    size : str | float | None
        A number of bytes; a string of a number and kB, MB, GB or TB (powers of 1000); or None for
        no limit.

    Returns
    -------
    n_bytes : float
        The size; infinite for None.

    Raises
    ------
    TypeError, ValueError
        If ``size`` is none of these, or not above 0.

    Examples
    --------
    >>> check_bytes("max_memory", "1.5 GB")
    1500000000.0
    """
    if size is None:
        return np.inf
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([KMGT]?B|)\s*", size.upper())
        if not match:
            raise ValueError(f"{name} must be like '500MB' or '2GB', got {size!r}.")
        size = float(match[1]) * _UNITS[match[2]]
    return check_number(name, size, above=0)
