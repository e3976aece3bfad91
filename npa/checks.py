"""Checks of what users pass in; each message names the argument, its value and what is allowed."""

import re
from numbers import Integral, Real

import numpy as np

_BYTES = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


def check_number(name, value, *, low=None, high=None, above=None, below=None, integer=False):
    """Return ``value`` as a float (or int), or say which numbers are allowed.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : float | int
        The value to check. Booleans, NaN and infinities are refused.
    low, high : float | None
        Smallest and largest value allowed (inclusive).
    above, below : float | None
        Bounds that the value must not reach (exclusive).
    integer : bool
        Whether only whole numbers are allowed.

    Returns
    -------
    value : float | int
        The value as a built-in number.

    Raises
    ------
    TypeError
        If ``value`` is no (whole) number.
    ValueError
        If ``value`` is not finite or outside the bounds.

    Examples
    --------
    >>> check_number("depth", 0.5, above=0, high=1)
    0.5
    """
    kind, noun = (Integral, "a whole number") if integer else (Real, "a number")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        raise TypeError(f"{name} must be {noun}, got {value!r} ({type(value).__name__}).")
    limits = [
        (low, ">=", lambda bound: value >= bound),
        (above, ">", lambda bound: value > bound),
        (high, "<=", lambda bound: value <= bound),
        (below, "<", lambda bound: value < bound),
    ]
    limits = [limit for limit in limits if limit[0] is not None]
    if not np.isfinite(value) or not all(holds(bound) for bound, _, holds in limits):
        allowed = " and ".join(f"{sign} {bound:g}" for bound, sign, _ in limits) or "finite"
        raise ValueError(f"{name} must be {noun} {allowed}, got {value!r}.")
    return int(value) if integer else float(value)


def check_option(name, value, allowed):
    """Return ``value`` if it is one of ``allowed``, or raise a `ValueError` that lists them.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : object
        The value to check.
    allowed : iterable
        The values allowed.

    Returns
    -------
    value : object
        The value itself.

    Raises
    ------
    ValueError
        If ``value`` is not among ``allowed``.

    Examples
    --------
    >>> check_option("psd", "welch", ("welch", "multitaper"))
    'welch'
    """
    allowed = list(allowed)
    if not any(value is option or (value == option) is True for option in allowed):
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}.")
    return value


def check_range(name, value, *, low=0.0, high=None):
    """Return ``value`` as two rising floats, or say what a range must be.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : sequence of float, length 2
        Lower and upper end.
    low, high : float | None
        Bounds (inclusive) within which the range must lie.

    Returns
    -------
    ends : tuple of float
        The two ends.

    Raises
    ------
    TypeError
        If ``value`` is not a pair of numbers.
    ValueError
        If the ends do not rise, or leave the bounds.

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
        raise ValueError(f"{name} must rise, got {value!r}.")
    return start, stop


def check_finite(name, data, ch_names=None):
    """Raise a `ValueError` that names the channels where ``data`` holds NaN or inf.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    data : array, shape (..., n_channels, n_times)
        The values to check.
    ch_names : list of str | None
        Names of the channels; indices where None.

    Raises
    ------
    ValueError
        If any value is NaN or infinite.

    Examples
    --------
    >>> check_finite("X", np.zeros((2, 3, 4)))
    """
    bad = ~finite_rows(data)
    if not bad.any():
        return
    where = np.flatnonzero(bad.reshape(-1, bad.shape[-1]).any(axis=0))
    labels = [str(index) if ch_names is None else ch_names[index] for index in where]
    shown = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
    advice = (
        "an earlier step may have failed."
        if len(where) == bad.shape[-1] > 1
        else "mark the channels as bad, or replace the samples."
    )
    raise ValueError(f"{name} contains NaN or inf in channel(s) {shown}; {advice}")


def finite_rows(data):
    """Tell which rows hold neither NaN nor inf.

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
    # One sum a row is finite unless a sample is not, or the sum overflows: look closer then.
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(data.sum(axis=-1))
    if not finite.all():
        finite[~finite] = np.isfinite(data[~finite]).all(axis=-1)
    return finite


def check_bytes(name, size):
    """Return a size such as ``"2GB"`` in bytes.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    size : str | float | None
        A number with kB, MB, GB or TB (powers of 1000), bytes, or None for no limit.

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
        match = re.fullmatch(r"\s*([0-9.]+)\s*([A-Z]*)\s*", size.upper())
        if not match or match[2] not in _BYTES or match[1].count(".") > 1 or match[1] == ".":
            raise ValueError(f"{name} must be like '500MB' or '2GB', got {size!r}.")
        size = float(match[1]) * _BYTES[match[2]]
    return check_number(name, size, above=0)
