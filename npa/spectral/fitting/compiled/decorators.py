"""Compilation by numba, kept on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast
from zlib import crc32

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be vectorized, but NaN and infinities keep their meaning.
FAST = {"reassoc", "contract", "nsz"}
EXACT = {"contract", "nsz"}


def compiled(function: F) -> F:
    """Compile a function that other compiled functions call.

    Parameters
    ----------
    function : callable
        What numba can compile.

    Returns
    -------
    function : callable
        The compiled function.

    Examples
    --------
    >>> compiled(lambda x: x + 1)(1)
    2
    """
    return _compile(function, fastmath=FAST)


def inlined(function: F) -> F:
    """Compile a function as a part of each that calls it, which takes less time for few calls.

    Parameters
    ----------
    function : callable
        What numba can compile.

    Returns
    -------
    function : callable
        The function.

    Examples
    --------
    >>> inlined(lambda x: x + 1)(1)
    2
    """
    return _compile(function, inline="always", fastmath=FAST)


def compiled_exactly(function: F) -> F:
    """Compile a function whose sums keep their order.

    Parameters
    ----------
    function : callable
        What numba can compile.

    Returns
    -------
    function : callable
        The compiled function.

    Examples
    --------
    >>> compiled_exactly(lambda x: x + 1)(1)
    2
    """
    return _compile(function, fastmath=EXACT)


def compiled_entry(function: F) -> F:
    """Compile a function that Python calls, and keep the result on disk.

    Parameters
    ----------
    function : callable
        What numba can compile. It should have `sources_stamp` of its sources as a free variable:
        numba itself only notices changes of the file of the function, not of those it calls.

    Returns
    -------
    function : callable
        The compiled function.

    Examples
    --------
    >>> compiled_entry(lambda x: x + 1)(1)
    2
    """
    try:
        return _compile(function, fastmath=FAST, cache=True)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return _compile(function, fastmath=FAST)


def sources_stamp(*paths: str) -> int:
    """Return a checksum of this module and others.

    Parameters
    ----------
    *paths : str
        The files, ``__file__`` of each.

    Returns
    -------
    stamp : int
        The checksum.

    Examples
    --------
    >>> sources_stamp() == sources_stamp(__file__)
    False
    """
    stamp = 0
    for path in (__file__, *paths):
        stamp = crc32(Path(path).read_bytes(), stamp)
    return stamp


def _compile(function: F, **options: Any) -> F:
    """Compile a function; other threads run meanwhile, and division by zero is as in NumPy."""
    compile_function: Any = numba.njit(nogil=True, error_model="numpy", **options)
    return cast(F, compile_function(function))
