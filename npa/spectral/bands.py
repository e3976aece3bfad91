"""Bands of the EEG, golden-ratio rhythms, and whether spectral peaks follow them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from npa.checks import (
    check_number,
    check_option,
    check_random_state,
    check_range,
    check_values,
)
from npa.typing import AnyArray, FloatArray, IntArray

# Lower (inclusive) and upper end (exclusive) in Hz.
CANONICAL_BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
)
GOLDEN_RATIO = (1 + 5**0.5) / 2
SIDEREAL_DAY = 86_160.0  # s
MAX_SIMULATIONS = 10**7  # held in memory
MAX_BANDS = 1000  # 1e209 times the lowest frequency
CANDIDATE_RATIOS = MappingProxyType({"phi": GOLDEN_RATIO, "2": 2.0, "e": float(np.e)})


@dataclass(frozen=True)
class BandRatios:
    """Ratios of neighbouring peaks, their distance from candidate ratios, and p-values.

    Parameters
    ----------
    ratios : array, shape (n_ratios,)
        Frequency of each peak divided by that of the next lower one.
    subjects : array of int, shape (n_ratios,)
        Index of the subject of each ratio.
    distance : dict of str to float
        For each candidate c, the mean of abs(ln(ratio / c)).
    p_distance : dict of str to float
        Share of simulated data sets that are at least as near to the candidate.
    nearest : dict of str to float
        For each candidate, the share of ratios that are nearer to it than to the others.
    p_nearest : dict of str to float
        Share of simulated data sets with at least as large a share.
    """

    ratios: FloatArray
    subjects: IntArray
    distance: dict[str, float]
    p_distance: dict[str, float]
    nearest: dict[str, float]
    p_nearest: dict[str, float]


def golden_bands(period: float = SIDEREAL_DAY, n_bands: int = 36) -> AnyArray:
    """List rhythms from one cycle per day to the gamma band, each phi times the one before.

    Parameters
    ----------
    period : float
        Longest period in s. Default 86,160 (the Earth's rotation, 23 h 56 min).
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
    period_k = period / phi^k with phi = (1 + sqrt(5)) / 2, frequency_k = 1 / period_k. Rhythms
    with the ratio phi never synchronize [1]_.

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
    steps = np.arange(check_number("n_bands", n_bands, low=1, high=MAX_BANDS, integer=True))
    bands = np.empty(len(steps), dtype=[("period", float), ("frequency", float)])
    bands["period"] = period / GOLDEN_RATIO**steps
    bands["frequency"] = 1 / bands["period"]
    return bands


def band_ratios(
    peaks: Sequence[npt.ArrayLike],
    freq_range: tuple[float, float],
    null: str = "log-uniform",
    *,
    min_ratio: float | None = None,
    n_simulations: int = 10_000,
    random_state: int | np.random.Generator = 0,
) -> BandRatios:
    """Test whether neighbouring spectral peaks have the golden ratio, rather than 2 or e.

    Parameters
    ----------
    peaks : sequence of array-like
        Peak frequencies of each subject in Hz, in any order; NaN are left out. Subjects with
        fewer than two peaks have no ratio.
    freq_range : tuple of float
        Range in which peaks were searched, in Hz.
    null : "log-uniform"
        Null hypothesis: each subject's peaks, in the same number, are uniformly distributed on
        the logarithmic axis of ``freq_range``, no nearer to each other than the observed ones.
    min_ratio : float | None
        Smallest ratio of neighbours that the search could resolve, the same for all subjects.
        Default None: the smallest ratio of each subject, which then occurs in each of that
        subject's simulations, so that subjects with two peaks carry no information.
    n_simulations : int, default 10,000
        Number of simulated data sets.
    random_state : int | numpy.random.Generator, default 0
        Seed of the simulation.

    Returns
    -------
    result : BandRatios
        Ratios, their distance from phi, 2 and e, and p-values by simulation.

    Raises
    ------
    ValueError
        If no subject has two peaks, a peak lies outside ``freq_range``, two peaks are equal or
        nearer than ``min_ratio``, or ``freq_range`` is too narrow for the number of peaks.

    Notes
    -----
    p = (1 + number of simulations at least as extreme) / (1 + n_simulations), one-sided, not
    corrected for the number of candidates. Ratios of ordered peaks in a bounded range cluster
    by themselves, so that nearness to phi can only be judged against a null distribution. With
    ``min_ratio=None``, the smallest ratio of a simulation equals the subject's, and is not merely
    at least as large: the latter finds phi in two of five data sets of log-uniform peaks, at a
    level of 0.05.

    Examples
    --------
    >>> subjects = [[4.0, 6.5, 10.5, 17.0], [5.0, 8.1, 13.1, 21.2, 34.3]]
    >>> result = band_ratios(subjects, freq_range=(2, 45), min_ratio=1.1, n_simulations=999)
    >>> result.nearest["phi"], result.p_nearest["phi"] < 0.05
    (1.0, True)
    """
    check_option("null", null, ("log-uniform",))
    low, high = np.log(check_range("freq_range", freq_range, low=np.finfo(float).tiny))
    n_simulations = check_number(
        "n_simulations", n_simulations, low=1, high=MAX_SIMULATIONS, integer=True
    )
    rng = check_random_state("random_state", random_state)
    if isinstance(peaks, (str, bytes)) or np.ndim(np.asarray(peaks, dtype=object)) == 0:
        raise TypeError(f"peaks must be a list of one array per subject, got {peaks!r:.100}.")
    gaps, simulated, subjects = [], [], []
    for subject, found in enumerate(peaks):
        logs = _log_peaks(f"peaks[{subject}]", found, low, high)
        if len(logs) < 2:
            continue
        gaps.append(np.diff(logs))
        smallest = _smallest_gap(subject, gaps[-1], min_ratio)
        draw = _gaps_at_least if min_ratio is not None else _gaps_with_smallest
        simulated.append(draw(rng, high - low, len(logs), smallest, n_simulations))
        subjects.append(np.full(len(logs) - 1, subject))
    if not gaps:
        raise ValueError("peaks must hold at least one subject with two peaks.")
    observed = np.concatenate(gaps)
    return BandRatios(
        np.exp(observed),
        np.concatenate(subjects),
        *_compare(observed, np.concatenate(simulated, axis=1)),
    )


def _log_peaks(name: str, found: npt.ArrayLike, low: float, high: float) -> FloatArray:
    """Return the sorted logarithms of one subject's peaks."""
    found = check_values(name, found).ravel()
    found = np.sort(found[~np.isnan(found)])
    ends = np.exp([low, high])
    if found.size and not (found[0] >= ends[0] * (1 - 1e-9) and found[-1] <= ends[1] * (1 + 1e-9)):
        raise ValueError(
            f"{name} must lie within freq_range {ends[0]:g} to {ends[1]:g} Hz, got {found}."
        )
    if (np.diff(found) == 0).any():
        raise ValueError(f"{name} must hold no peak twice, got {found}.")
    logs: FloatArray = np.log(found)
    return logs


def _smallest_gap(subject: int, gaps: FloatArray, min_ratio: float | None) -> float:
    """Return the smallest log ratio of simulated peaks."""
    if min_ratio is None:
        return float(gaps.min())
    smallest = float(np.log(check_number("min_ratio", min_ratio, low=1)))
    if gaps.min() < smallest - 1e-9:
        raise ValueError(
            f"peaks[{subject}] has neighbours in the ratio {np.exp(gaps.min()):.4g}, which is "
            f"below min_ratio={min_ratio:g}."
        )
    return smallest


def _gaps_at_least(
    rng: np.random.Generator, width: float, n_peaks: int, smallest: float, n: int
) -> FloatArray:
    """Draw gaps, shape (n, n_peaks - 1), of uniform points with a smallest distance.

    They are the gaps of uniform points on the remaining width, plus the smallest distance.
    """
    free = width - (n_peaks - 1) * smallest
    if free < 0:
        raise ValueError(
            f"freq_range has no room for {n_peaks} peaks in ratios of {np.exp(smallest):.4g}."
        )
    points = np.sort(rng.uniform(0, free, (n, n_peaks)), axis=1)
    return np.diff(points, axis=1) + smallest


def _gaps_with_smallest(
    rng: np.random.Generator, width: float, n_peaks: int, smallest: float, n: int
) -> FloatArray:
    """Draw gaps of uniform points, conditioned on the size of the smallest gap."""
    if n_peaks == 2:
        return np.full((n, 1), smallest)
    others = _gaps_at_least(rng, width - smallest, n_peaks - 1, smallest, n)
    gaps = np.concatenate([np.full((n, 1), smallest), others], axis=1)
    return rng.permuted(gaps, axis=1)


def _compare(observed: FloatArray, simulated: FloatArray) -> list[dict[str, float]]:
    """Return distance, p_distance, nearest and p_nearest, each by candidate."""
    logs = np.log(list(CANDIDATE_RATIOS.values()))[:, None, None]

    def measure(gaps: FloatArray) -> tuple[FloatArray, FloatArray]:
        distance = np.abs(gaps - logs)
        nearest = distance.argmin(axis=0) == np.arange(len(logs))[:, None, None]
        return distance.mean(axis=-1), nearest.mean(axis=-1)

    distance, nearest = measure(observed[None])
    null_distance, null_nearest = measure(simulated)
    p_distance = (1 + (null_distance <= distance).sum(axis=1)) / (1 + len(simulated))
    p_nearest = (1 + (null_nearest >= nearest).sum(axis=1)) / (1 + len(simulated))
    columns = (distance[:, 0], p_distance, nearest[:, 0], p_nearest)
    return [dict(zip(CANDIDATE_RATIOS, map(float, column), strict=True)) for column in columns]
