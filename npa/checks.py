"""Validation of user input; each message names the argument, its value and what is allowed."""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Integral, Number, Real
from pathlib import Path
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
    "dict": "has several parts: give one recording after the other",
}
_CONTAINERS = {"BaseRaw", "BaseEpochs"}
_SIGNALS = "a Raw, Epochs or an array of signals"
# Columns of MNE's to_data_frame, and electrodes of the midline: rows are samples, not epochs.
_SAMPLE_COLUMNS = {"time", "epoch", "condition", "fp1", "fp2", "fz", "cz", "pz", "oz"}

MAX_JOBS = 2**15
MAX_WHOLE = 2**53  # larger integers are not exact in float64
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
    try:
        finite = math.isfinite(value)  # NumPy's does not take integers of more than 64 bits
    except OverflowError:
        finite = False
    bounds = ((">=", low), (">", above), ("<=", high), ("<", below))
    allowed = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
    inside = (
        (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
        and (below is None or value < below)
    )
    if not (finite and inside):
        expected = f"a {noun} {allowed}" if allowed else f"a finite {noun}"
        raise ValueError(f"{name} must be {expected}, got {value!r}.")
    return int(value) if integer else float(value)


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
    is_list = isinstance(value, (list, tuple))
    if containers and not (is_list or hasattr(value, "__array__")):
        raise TypeError(f"{name} must be {_SIGNALS}, got {value!r} ({type(value).__name__}).")
    items: Any = value if is_list else ()
    if isinstance(value, np.ndarray):
        if np.ma.is_masked(value):
            raise ValueError(
                f"{name} is an array with masked samples, which would be used as if they were "
                f"not: give {name}.filled(np.nan), or a Raw with BAD_ annotations there."
            )
        if containers and value.dtype.kind in "VMmb":
            raise TypeError(f"{name} must be {_SIGNALS}, got an array of {value.dtype}.")
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
    shapes = {item.shape for item in value if isinstance(item, np.ndarray)} if is_list else set()
    if len(shapes) > 1:
        raise ValueError(
            f"{name} is a list of arrays of different shapes, {sorted(shapes)[0]} and "
            f"{sorted(shapes)[-1]}: give arrays of one shape, or one after the other."
        )
    numbers = is_list and all(isinstance(item, Number) for item in value)
    shape = (len(value),) if is_list else np.asarray(value).shape
    if containers and (numbers or not is_list) and len(shape) < 2:
        raise ValueError(
            f"{name} must have shape (n_epochs, n_channels, n_times), or (n_epochs, n_times) of "
            f"one channel, got {shape}. Reshape your data: {name}[np.newaxis] is one epoch."
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


def check_bool(name: str, value: Any) -> bool:
    """Return ``value`` as True or False.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : bool
        The value to check.

    Returns
    -------
    value : bool
        The value as a built-in.

    Raises
    ------
    TypeError
        If ``value`` is not True or False, of Python or NumPy, nor 1 or 0.

    Examples
    --------
    >>> check_bool("power", np.True_)
    True
    """
    if not isinstance(value, (bool, np.bool_, Integral)) or value not in (0, 1):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__}).")
    return bool(value)


def check_values(
    name: str, value: Any, *, ndim: int | None = None, integer: bool = False
) -> AnyArray:
    """Return ``value`` as an array of numbers.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : array-like
        The values to check.
    ndim : int | None
        Smallest number of dimensions.
    integer : bool, default False
        Whether they must be whole numbers.

    Returns
    -------
    values : array of float or int
        The values.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If there are fewer dimensions, or they are not whole numbers where these are required.

    Examples
    --------
    >>> check_values("bins", [3, 5.0], integer=True)
    array([3, 5])
    >>> check_values("power", "high")
    Traceback (most recent call last):
    TypeError: power must be an array of numbers, got 'high' (str).
    """
    message = f"{name} must be an array of numbers, got {value!r:.100} ({type(value).__name__})."
    try:
        values = np.asarray(value)
        if value is None or values.dtype.kind not in "biufO" or np.ma.is_masked(value):
            raise TypeError(message)
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(message) from None
    if ndim is not None and values.ndim < ndim:
        raise ValueError(f"{name} must have at least {ndim} dimension(s), got {value!r:.100}.")
    if not integer or not values.size:
        return numbers.astype(int) if integer else numbers
    whole = (np.abs(numbers) < MAX_WHOLE) & (numbers == np.rint(numbers))
    if values.dtype.kind == "b" or not whole.all():
        raise ValueError(f"{name} must be whole numbers, got {value!r:.100}.")
    return values.astype(int) if values.dtype.kind in "iu" else numbers.astype(int)


def check_n_jobs(name: str, value: Any) -> int | None:
    """Return a number of workers.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int | None
        A number above 0; -1 for one per core, -2 for one fewer, and so on; None for joblib's
        default.

    Returns
    -------
    value : int | None
        The value as a built-in.

    Raises
    ------
    TypeError, ValueError
        If it is none of these.

    Examples
    --------
    >>> check_n_jobs("n_jobs", -1)
    -1
    """
    if value is None:
        return None
    n_jobs = check_number(name, value, integer=True, low=-MAX_JOBS, high=MAX_JOBS)
    if n_jobs == 0:
        raise ValueError(f"{name} must be above 0, or -1 for one per core, got 0.")
    return n_jobs


def resolve_n_jobs(name: str, value: Any) -> int:
    """Return the number of workers that a number of jobs stands for.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int | None
        As for `check_n_jobs`; None for 1.

    Returns
    -------
    n_workers : int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If it is not allowed.

    Examples
    --------
    >>> resolve_n_jobs("n_jobs", None), resolve_n_jobs("n_jobs", 3)
    (1, 3)
    """
    n_jobs = check_n_jobs(name, value)
    if n_jobs is None:
        return 1
    return n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)


def check_seed(name: str, value: Any) -> None:
    """Raise an error if ``value`` is not a random state as of scikit-learn.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int | numpy.random.RandomState | None
        A seed below 2**32, or the generator itself; None for other numbers each time.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is a number out of range.

    Examples
    --------
    >>> check_seed("random_state", -1)
    Traceback (most recent call last):
    ValueError: random_state must be a whole number >= 0 and <= 4.29497e+09, got -1.
    """
    if value is not None and not isinstance(value, np.random.RandomState):
        check_number(name, value, low=0, high=2**32 - 1, integer=True)


def check_random_state(name: str, value: Any) -> np.random.Generator:
    """Return a generator of random numbers.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int | numpy.random.Generator | None
        A seed, or the generator itself; None for other numbers each time.

    Returns
    -------
    generator : numpy.random.Generator
        The generator.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is a negative number.

    Examples
    --------
    >>> check_random_state("random_state", 0).integers(10)
    np.int64(8)
    """
    allowed = (np.random.Generator, np.random.RandomState, np.random.SeedSequence)
    if value is None or isinstance(value, allowed):
        return np.random.default_rng(value)
    return np.random.default_rng(check_number(name, value, low=0, integer=True))


def check_path(name: str, value: Any) -> Path:
    """Return a path, with ``~`` as the home folder.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : path-like
        The path.

    Returns
    -------
    path : pathlib.Path
        The path; it may not exist.

    Raises
    ------
    TypeError
        If it is not a path.
    ValueError
        If it is empty or holds a NUL character.

    Examples
    --------
    >>> check_path("fname", "a.edf").name
    'a.edf'
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a path, got {value!r} ({type(value).__name__}).")
    if not text or "\0" in text:
        raise ValueError(f"{name} must be a path, got {text!r}.")
    return Path(text).expanduser()


def check_names(name: str, value: Any) -> list[str]:
    """Return a list of names.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : str | sequence of str
        One name, or several.

    Returns
    -------
    names : list of str
        The names.

    Raises
    ------
    TypeError
        If it is not a string or a sequence of strings.

    Examples
    --------
    >>> check_names("eog", "VEOG"), check_names("eog", ("VEOG", "HEOG"))
    (['VEOG'], ['VEOG', 'HEOG'])
    """
    if isinstance(value, str):
        return [str(value)]
    is_list = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (bytes, str))
    if not is_list or not np.ndim(value) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"{name} must be a list of names, got {value!r} ({type(value).__name__}).")
    return [str(each) for each in value]


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
        if isinstance(value, (str, bytes, Set, Mapping)):  # which have no order, or no numbers
            raise TypeError
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
