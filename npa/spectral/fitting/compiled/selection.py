"""The search for the number of peaks by compiled loops: what Python sees of it."""

from functools import cache
from types import ModuleType

import numpy as np

from npa.spectral.fitting.compiled.engine import INSTALL, announce_compilation, call_in_threads
from npa.spectral.fitting.joint import LN10, JointModel
from npa.spectral.fitting.selection import MODEL_ERROR, Candidates, Criterion, Templates
from npa.typing import FloatArray

CHUNK = 64  # spectra that one thread searches in one call


def add_peaks_compiled(
    model: JointModel,
    log_power: FloatArray,
    criterion: Criterion,
    max_n_peaks: int,
    min_height: float,
    n_jobs: int = 1,
) -> Candidates:
    """Add one peak after the other where it raises the likelihood most; keep the best model.

    Parameters
    ----------
    model : JointModel
        The model.
    log_power : array, shape (n_spectra, n_freqs)
        log10 power, finite.
    criterion : Criterion
        The criterion.
    max_n_peaks : int
        Largest number of peaks.
    min_height : float
        Smallest height of a peak in log10 units.
    n_jobs : int, default 1
        Number of threads.

    Returns
    -------
    best : Candidates
        The best model of every spectrum, as by `npa.spectral.fitting.selection.add_peaks`.

    Raises
    ------
    ImportError
        If numba is not installed, or does not work with the installed NumPy.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> log_power = np.exp(-((freqs - 10) ** 2) / 2) - np.log10(freqs)
    >>> model = JointModel(freqs, False, (1, 12), False)
    >>> add_peaks_compiled(
    ...     model, log_power[np.newaxis], Criterion("bic", len(freqs)), 3, 0.1
    ... ).x.round(3)[:, :5]
    array([[-0.827,  1.   , 10.   ,  1.   ,  1.   ]])
    """
    kernels = load_search()
    n_spectra, n_bg = len(log_power), model.n_background
    x = np.zeros((n_spectra, n_bg + 3 * max_n_peaks))
    none = np.zeros(n_spectra, dtype=np.intp)
    loss, value = np.zeros((2, n_spectra))
    best = Candidates(x, none, loss, value, np.zeros(n_spectra, dtype=bool))
    scores = np.empty((n_spectra, 2))
    # The kernel takes frequencies relative to the middle.
    shift = np.array([0.0, 0.0, model.log_middle, 0.0])[:n_bg]
    starts = np.stack(model.start(log_power)) - shift
    bounds = np.stack([low[0] for low in model.bounds(np.zeros((1, n_bg + 3)), np.array([1]))])
    bounds[:, :n_bg] -= shift
    known, n_independent = criterion.dof is not None, criterion.n_freqs / criterion.correlated_bins
    scale = criterion.scale(n_spectra)
    penalty = criterion.name == "bic", known, n_independent, (LN10 * MODEL_ERROR) ** 2
    bank = Templates(model)
    templates = bank.centre, bank.sd, bank.norm, bank.unit
    most = criterion.most_peaks(n_bg, max_n_peaks)

    def search(first: int) -> None:
        rows = slice(first, first + CHUNK)
        kernels.search_rows(
            model.freqs,
            np.ascontiguousarray(log_power[rows]),
            np.ascontiguousarray(starts[:, rows]),
            model.likelihood,
            bounds,
            templates,
            penalty,
            scale[rows],
            most,
            float(min_height),
            x[rows],
            best.n_peaks[rows],
            scores[rows],
            best.converged[rows],
        )

    call_in_threads(search, range(0, n_spectra, CHUNK), n_jobs)
    x[:, :n_bg] += shift
    best.loss[:], best.criterion[:] = scores.T
    return best


@cache
def load_search() -> ModuleType:
    """Import the compiled search, and load or compile it.

    Returns
    -------
    kernels : module
        `npa.spectral.fitting.compiled.search`.

    Raises
    ------
    ImportError
        If numba is not installed, or does not work with the installed NumPy.
    """
    try:
        from npa.spectral.fitting.compiled import search
    except ImportError as error:
        raise ImportError(f"{INSTALL} ({error}).") from error

    vector, rows = np.empty(0), np.empty((0, 8))
    with announce_compilation():
        search.search_rows(
            np.arange(1.0, 9.0),
            rows,
            np.empty((1, 0, 2)),
            True,
            np.empty((2, 5)),
            (vector, vector, vector, rows),
            (True, True, 1.0, 1.0),
            vector,
            0,
            0.1,
            np.empty((0, 2)),
            np.empty(0, dtype=np.intp),
            np.empty((0, 2)),
            np.empty(0, dtype=bool),
        )
    return search
