"""Validation of user input; each message names the argument, its value and what is allowed."""

import re
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, overload

import numpy as np
from joblib import cpu_count

from npa.typing import AnyArray, BoolArray

T = TypeVar("T")

# What to do with objects that NumPy would make an array of, by the name of a class they descend
# from (so that no package is imported for it).
_INSTEAD = {
    "BaseSpectrum": "holds power, not signals: give the Raw or Epochs it was computed from, or "
    "its power as npa.spectral.fit_spectra({name}.freqs, {name}.get_data())",
    "BaseTFR": "holds power over time, not signals: give the Raw or Epochs it was computed from",
    "Evoked": "is an average: give the Epochs, or, for the average itself, "
    "mne.EpochsArray({name}.data[np.newaxis], {name}.info, tmin={name}.tmin)",
    "_BaseSourceEstimate": "has no sensors: give its time courses {name}.data[np.newaxis] as an "
    "array, with sfreq={name}.sfreq",
    "BaseRaw": "is a recording: give an array, {name}.get_data()",
    "BaseEpochs": "is a recording: give an array, {name}.get_data()",
    "str": "is text: read a file first, with npa.recordings.reading.load_recording or "
    "mne.io.read_raw",
    "PurePath": "is the name of a file: read it first, with "
    "npa.recordings.reading.load_recording or mne.io.read_raw",
    "dict": "is a dict: give one recording after the other",
}
_CONTAINERS = {"BaseRaw", "BaseEpochs"}
# Columns of MNE's to_data_frame, and electrodes of the midline: rows are samples, not epochs.
_SAMPLE_COLUMNS = {"time", "epoch", "condition", "fp1", "fp2", "fz", "cz", "pz", "oz"}

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


def check_jobs(name: str, value: object) -> int:
    """Return a number of jobs as joblib counts them.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int | None
        A positive number; None for 1; -1 for as many as there are processors, -2 for one less, ...

    Returns
    -------
    n_jobs : int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If it is not a whole number, or 0.

    Examples
    --------
    >>> check_jobs("n_jobs", None), check_jobs("n_jobs", 3)
    (1, 3)
    """
    if value is None:
        return 1
    n_jobs = check_number(name, value, integer=True)
    if n_jobs == 0:
        raise ValueError(f"{name} must be None, positive or negative, got 0.")
    return n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)


def check_array_like(name: str, value: Any, *, containers: bool = True) -> None:
    """Raise an error if ``value`` looks like an array of signals, but is none.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : object
        The value to check.
    containers : bool, default True
        Whether it may be a Raw or Epochs. If not, the dtype and shape of arrays are left to others.

    Raises
    ------
    TypeError
        If it is a Spectrum, Evoked, source estimate, list of recordings, path, data frame of
        samples by channels, or an array of text or other objects; the message says what to give.
    ValueError
        If it is an array of complex numbers, or of one dimension.

    Examples
    --------
    >>> check_array_like("X", "recording.fif")
    Traceback (most recent call last):
    TypeError: X is a str, which is text: read a file first, with
    npa.recordings.reading.load_recording or mne.io.read_raw.
    """
    kinds = {each.__name__ for each in type(value).__mro__}
    # scikit-learn refuses sparse matrices, of which one is a dict.
    if (containers and kinds & _CONTAINERS) or hasattr(value, "tocsr"):
        return
    refused = next((way for kind, way in _INSTEAD.items() if kind in kinds), None)
    if refused is not None:
        what = type(value).__name__
        article = "an" if what[0] in "AEIOU" else "a"
        raise TypeError(f"{name} is {article} {what}, which {refused.format(name=name)}.")
    if "DataFrame" in kinds:
        columns = {str(column).lower() for column in value.columns}
        if columns & _SAMPLE_COLUMNS:
            raise TypeError(
                f"{name} is a DataFrame of samples by channels; give an array (n_epochs, "
                f"n_channels, n_times), such as {name}[names].to_numpy().T[np.newaxis], with sfreq="
            )
        return
    items: Any = value if isinstance(value, (list, tuple)) else ()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "c":
            raise ValueError(
                f"Complex data not supported: {name} must hold real numbers, got {value.dtype}; "
                f"give its real part or np.abs({name})."
            )
        items = value.ravel()[:1] if containers and value.dtype.kind in "OUS" else ()
    for item in items:
        parents = {each.__name__ for each in type(item).__mro__}
        if parents & (set(_INSTEAD) - {"dict"}):
            raise TypeError(
                f"{name} is {'an array' if isinstance(value, np.ndarray) else 'a list'} of "
                f"{type(item).__name__}: give one recording after the other, or join them with "
                "mne.concatenate_raws or mne.concatenate_epochs."
            )
    if containers and isinstance(value, np.ndarray) and value.ndim == 1:
        raise ValueError(
            f"{name} must have shape (n_epochs, n_channels, n_times), or (n_epochs, n_times) of "
            f"one channel, got {value.shape}. Reshape your data: {name}[np.newaxis] is one epoch."
        )


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
    if not any(value is option or _equal(value, option) for option in allowed):
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}.")
    return value


def _equal(value: object, option: object) -> bool:
    """Compare with an option; arrays equal none."""
    equal: Any = value == option
    return isinstance(equal, (bool, np.bool_)) and bool(equal)


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
