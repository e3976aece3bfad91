"""The compiled engine: what Python sees of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from types import ModuleType
from typing import Any, cast

import numpy as np
from mne.utils import logger

from npa.spectral.fitting.result import SpectralFit
from npa.typing import FloatArray

CHUNK = 256  # spectra that one thread fits in one call, at most

INSTALL = "engine='compiled' needs numba: pip install 'npa[fast]'"


def fit_compiled(
    freqs: FloatArray,
    power: FloatArray,
    *,
    aperiodic_mode: str,
    width_limits: tuple[float, float],
    max_n_peaks: int,
    min_height: float,
    threshold: float,
    n_jobs: int = 1,
    **_: Any,
) -> SpectralFit:
    """Fit power spectra by compiled loops, one spectrum after the other.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, above 0.
    power : array, shape (n_spectra, n_freqs)
        Power, not its logarithm.
    aperiodic_mode, width_limits, max_n_peaks, min_height, threshold
        As for `npa.spectral.fit_spectra`, and checked.
    n_jobs : int, default 1
        Number of threads. They are Python's own, because the compiled loops do not hold the
        interpreter's lock. Numba's thread layers are not used: one ends the process when two
        threads call it, another when the process was forked.
    **_
        Settings of other engines.

    Returns
    -------
    fit : SpectralFit
        One value per spectrum; NaN, and a reason in ``fit.reason``, where the fit failed.

    Raises
    ------
    ImportError
        If numba is not installed, or does not work with the installed NumPy.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> settings = {"aperiodic_mode": "fixed", "width_limits": (1.0, 12.0), "max_n_peaks": 1}
    >>> settings |= {"min_height": 0.1, "threshold": 2.0}
    >>> fit_compiled(freqs, 1 / freqs[np.newaxis] ** 1.5, **settings).exponent.round(3)
    array([1.5])
    """
    kernels = load_kernels()
    fit = SpectralFit.empty(freqs, len(power), max_n_peaks)
    background = np.full((len(power), 3), np.nan)
    scores = np.full((len(power), 2), np.nan)
    reason = np.zeros(len(power), dtype=np.int8)
    low, high = (float(width) for width in width_limits)
    settings = aperiodic_mode == "knee", low, high, float(min_height), float(threshold)
    freqs = np.ascontiguousarray(freqs, dtype=np.float64)

    # Several for each thread, because some spectra take longer than others.
    n_rows = int(np.clip(len(power) // (4 * n_jobs), 1, CHUNK))

    def fit_chunk(start: int) -> None:
        rows = slice(start, start + n_rows)
        chunk = np.ascontiguousarray(power[rows], dtype=np.float64)
        outputs = [a[rows] for a in (background, fit.gaussians, fit.peaks, scores, reason)]
        kernels.fit_rows(freqs, chunk, *settings, *outputs)

    call_in_threads(fit_chunk, range(0, len(power), n_rows), n_jobs)
    fit.offset[:], fit.knee[:], fit.exponent[:] = background.T
    fit.r_squared[:], fit.error[:] = scores.T
    fit.reason[:] = np.array(kernels.REASONS, dtype=object)[reason]
    return fit


def call_in_threads(function: Callable[[int], None], starts: range, n_jobs: int) -> None:
    """Call a function with each number, in threads if there are several.

    Parameters
    ----------
    function : callable
        What to call; it should not hold the interpreter's lock.
    starts : range
        The numbers.
    n_jobs : int
        Number of threads.

    Examples
    --------
    >>> squares = {}
    >>> call_in_threads(lambda n: squares.update({n: n**2}), range(3), n_jobs=2)
    >>> sorted(squares.items())
    [(0, 0), (1, 1), (2, 4)]
    """
    if n_jobs == 1 or len(starts) < 2:
        for start in starts:
            function(start)
    else:
        with ThreadPoolExecutor(min(n_jobs, len(starts))) as pool:
            list(pool.map(function, starts))


@cache
def load_kernels() -> ModuleType:
    """Import the compiled functions, and load or compile them.

    Returns
    -------
    kernels : module
        `npa.spectral.fitting.compiled.spectra`.

    Raises
    ------
    ImportError
        If numba is not installed, or does not work with the installed NumPy.
    """
    try:
        from npa.spectral.fitting.compiled import spectra
    except ImportError as error:
        raise ImportError(f"{INSTALL} ({error}).") from error

    empty = [np.empty((0, *shape)) for shape in [(3,), (1, 3), (1, 3), (2,)]]
    with announce_compilation():
        reason = np.empty(0, dtype=np.int8)
        freqs, settings = np.arange(1.0, 9.0), (True, 1.0, 12.0, 0.1, 2.0)
        spectra.fit_rows(freqs, np.empty((0, 8)), *settings, *empty, reason)
    return spectra


def announce_compilation() -> AbstractContextManager[Any]:
    """Say that numba compiles, if it does.

    Returns
    -------
    context : context manager
        What is compiled within it is announced, once.

    Examples
    --------
    >>> with announce_compilation():
    ...     pass
    """
    from numba.core import event

    class Announce(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                self.said = True
                logger.info("Compiling the fit of spectra with numba, once (about 20 s) ...")

        def on_end(self, event: Any) -> None:
            pass

    return cast(AbstractContextManager[Any], event.install_listener("numba:compile", Announce()))
