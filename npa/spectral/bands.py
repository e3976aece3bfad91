"""Bands of the EEG, golden-ratio rhythms, and whether spectral peaks follow them."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from npa.checks import check_number, check_option, check_range

# Lower and upper end, Hz; the upper end belongs to the next band.
CANONICAL_BANDS = MappingProxyType(
    {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
)
GOLDEN_RATIO = (1 + 5**0.5) / 2
SIDEREAL_DAY = 86_160.0
_CANDIDATES = MappingProxyType({"phi": GOLDEN_RATIO, "2": 2.0, "e": float(np.e)})


@dataclass(frozen=True)
class BandRatios:
    """Where the ratios of neighbouring peaks lie, and how often chance does as well.

    Parameters
    ----------
    ratios : array, shape (n_ratios,)
        Each peak's frequency over the one below it.
    subjects : array of int, shape (n_ratios,)
        Whose ratio each is: an index into ``peaks``.
    distance : dict of str to float
        For each candidate c, the mean of abs(ln(ratio / c)).
    p_distance : dict of str to float
        Share of simulated data sets that come as near to the candidate.
    nearest : dict of str to float
        For each candidate, the share of ratios that lie nearer to it than to the others.
    p_nearest : dict of str to float
        Share of simulated data sets with as large a share.
    """

    ratios: np.ndarray
    subjects: np.ndarray
    distance: dict
    p_distance: dict
    nearest: dict
    p_nearest: dict


def golden_bands(period=SIDEREAL_DAY, n_bands=36):
    """List rhythms from the day's to the brain's fastest, each phi times the one before.

    Parameters
    ----------
    period : float
        Longest period, s. Default 86,160 (the Earth's rotation: 23 h 56 min).
    n_bands : int
        Number of rows. Default 36, which ends at 239 Hz.

    Returns
    -------
    bands : structured array, shape (n_bands,)
        Fields ``period`` (s) and ``frequency`` (Hz); ``pandas.DataFrame(bands)`` reads it.

    Raises
    ------
    TypeError, ValueError
        If an argument is not positive.

    Notes
    -----
    period_k = period / phi^k with phi = (1 + sqrt(5)) / 2, frequency_k = 1 / period_k. Phi is the
    ratio of neighbours that keeps rhythms from ever meeting in phase again [1]_.

    References
    ----------
    .. [1] Pletzer, Kerschbaum & Klimesch (2010). When frequencies never synchronize: the golden
       mean and the resting EEG. Brain Research 1335, 91-102.
       https://doi.org/10.1016/j.brainres.2010.03.074

    Examples
    --------
    >>> bands = golden_bands()
    >>> print(bands["frequency"][-5:].round(1))
    [ 34.9  56.5  91.5 148.  239.5]
    """
    period = check_number("period", period, above=0)
    steps = np.arange(check_number("n_bands", n_bands, low=1, integer=True))
    bands = np.empty(len(steps), dtype=[("period", float), ("frequency", float)])
    bands["period"] = period / GOLDEN_RATIO**steps
    bands["frequency"] = 1 / bands["period"]
    return bands


def band_ratios(
    peaks, freq_range, null="log-uniform", *, min_ratio=None, n_simulations=10_000, seed=0
):
    """Ask whether neighbouring spectral peaks stand in the golden ratio, rather than in 2 or e.

    Parameters
    ----------
    peaks : sequence of array-like
        Each subject's peak frequencies, Hz, in any order; NaN are left out. Subjects with fewer
        than two peaks have no ratio.
    freq_range : (float, float)
        Range in which peaks were sought, Hz.
    null : "log-uniform"
        How chance places the peaks: as many a subject, uniformly on the logarithmic axis of
        ``freq_range``, no nearer to each other than the subject's.
    min_ratio : float | None
        Smallest ratio of neighbours that the search could have told apart, the same for all.
        Default None: each subject's own smallest ratio, which then occurs in each of that
        subject's simulations, so that a subject with two peaks says nothing.
    n_simulations : int
        Number of simulated data sets. Default 10,000.
    seed : int | numpy.random.Generator
        Seed of the simulation. Default 0.

    Returns
    -------
    result : BandRatios
        Ratios, their distance from phi, 2 and e, and p-values by simulation.

    Raises
    ------
    ValueError
        If no subject has two peaks, a peak lies outside ``freq_range``, two peaks are equal or
        nearer than ``min_ratio``, or there is no room for so many.

    Notes
    -----
    p = (1 + number of simulations at least as extreme) / (1 + n_simulations), one-sided, not
    corrected for the number of candidates. Ratios of any ordered peaks in a bounded range cluster
    somewhere: only against such a null does nearness to phi mean anything. The simulations have
    the subject's smallest ratio, not at least it: the latter finds phi in two of five data sets
    of log-uniform peaks, at a level of 0.05.

    Examples
    --------
    >>> subjects = [[4.0, 6.5, 10.5, 17.0], [5.0, 8.1, 13.1, 21.2, 34.3]]
    >>> result = band_ratios(subjects, freq_range=(2, 45), min_ratio=1.1, n_simulations=999)
    >>> result.nearest["phi"], result.p_nearest["phi"] < 0.05
    (1.0, True)
    """
    check_option("null", null, ("log-uniform",))
    low, high = np.log(check_range("freq_range", freq_range, low=np.finfo(float).tiny))
    n_simulations = check_number("n_simulations", n_simulations, low=1, integer=True)
    rng = np.random.default_rng(seed)
    gaps, simulated, subjects = [], [], []
    for subject, found in enumerate(peaks):
        logs = _log_peaks(f"peaks[{subject}]", found, low, high)
        if len(logs) < 2:
            continue
        gaps.append(np.diff(logs))
        smallest = _smallest_gap(subject, gaps[-1], min_ratio)
        room = (high - low, len(logs), smallest, n_simulations)
        draw = _gaps_at_least if min_ratio is not None else _gaps_with_smallest
        simulated.append(draw(rng, *room))
        subjects.append(np.full(len(logs) - 1, subject))
    if not gaps:
        raise ValueError("peaks must hold at least one subject with two peaks.")
    observed = np.concatenate(gaps)
    return BandRatios(
        np.exp(observed),
        np.concatenate(subjects),
        *_compare(observed, np.concatenate(simulated, axis=1)),
    )


def _log_peaks(name, found, low, high):
    """Return the sorted logarithms of one subject's peaks."""
    found = np.asarray(found, dtype=float).ravel()
    found = np.sort(found[~np.isnan(found)])
    ends = np.exp([low, high])
    if found.size and not (found[0] >= ends[0] * (1 - 1e-9) and found[-1] <= ends[1] * (1 + 1e-9)):
        raise ValueError(
            f"{name} must lie within freq_range {ends[0]:g} to {ends[1]:g} Hz, got {found}."
        )
    if (np.diff(found) == 0).any():
        raise ValueError(f"{name} must hold no peak twice, got {found}.")
    return np.log(found)


def _smallest_gap(subject, gaps, min_ratio):
    """Return the smallest log ratio that chance may place."""
    if min_ratio is None:
        return gaps.min()
    smallest = np.log(check_number("min_ratio", min_ratio, low=1))
    if gaps.min() < smallest - 1e-9:
        raise ValueError(
            f"peaks[{subject}] has neighbours in the ratio {np.exp(gaps.min()):.4g}, which is "
            f"below min_ratio={min_ratio:g}."
        )
    return smallest


def _gaps_at_least(rng, width, n_peaks, smallest, n):
    """Draw gaps, shape (n, n_peaks - 1), of uniform points that keep their distance.

    Uniform points in what the gaps leave over, moved apart again, have exactly that law.
    """
    free = width - (n_peaks - 1) * smallest
    if free < 0:
        raise ValueError(
            f"freq_range has no room for {n_peaks} peaks in ratios of {np.exp(smallest):.4g}."
        )
    return np.diff(np.sort(rng.uniform(0, free, (n, n_peaks)), axis=1), axis=1) + smallest


def _gaps_with_smallest(rng, width, n_peaks, smallest, n):
    """Draw gaps of uniform points given that the smallest gap has this very size."""
    if n_peaks == 2:
        return np.full((n, 1), smallest)
    others = _gaps_at_least(rng, width - smallest, n_peaks - 1, smallest, n)
    gaps = np.concatenate([np.full((n, 1), smallest), others], axis=1)
    return rng.permuted(gaps, axis=1)


def _compare(observed, simulated):
    """Return distance, p_distance, nearest, p_nearest: one dict by candidate each."""
    logs = np.log(list(_CANDIDATES.values()))[:, None, None]

    def measure(gaps):
        away = np.abs(gaps - logs)
        chosen = away.argmin(axis=0) == np.arange(len(logs))[:, None, None]
        return away.mean(axis=-1), chosen.mean(axis=-1)

    distance, nearest = measure(observed[None])
    chance_distance, chance_nearest = measure(simulated)
    p_distance = (1 + (chance_distance <= distance).sum(axis=1)) / (1 + len(simulated))
    p_nearest = (1 + (chance_nearest >= nearest).sum(axis=1)) / (1 + len(simulated))
    columns = (distance[:, 0], p_distance, nearest[:, 0], p_nearest)
    return [dict(zip(_CANDIDATES, map(float, column), strict=True)) for column in columns]
