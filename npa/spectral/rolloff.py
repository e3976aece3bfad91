"""Low-pass and high-pass filters are detected by how a power spectrum falls."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from npa.checks import check_number, check_option
from npa.typing import FloatArray

Side = Literal["high", "low"]

# Gained by a filter in the cost of a fit. Of 850 simulated spectra without a low-pass, two exceed
# 12 and one 20; without a high-pass, none of 250 exceeds 5, but these have no blinks, whose power
# at 1 to 4 Hz falls towards 0 Hz. FIR filters at 30 to 40 Hz: above 45.
MIN_EVIDENCE = 20.0
MODEL_ERROR = 0.05  # decades of power by which a natural spectrum differs from its model
MEDIAN_VARIANCE = 0.3  # of log10 power of one window, in decades^2: 0.43^2 pi / 2
ROBUST_RESIDUAL = 2.0  # standard deviations above which a residual counts linearly
CELL = 0.03  # decades of frequency
MIN_CELLS = 10
RANGES: dict[Side, tuple[float, float]] = {"high": (1.0, 150.0), "low": (0.2, 25.0)}  # Hz
MIN_BIN = 2  # detrending takes power from the first
MAX_NYQUIST_SHARE = 0.96
LINE_FREQS, LINE_WIDTH = (50.0, 60.0), 2.5  # Hz: neither line noise nor its removal is a filter
# A background with an exponent of 4 falls as steeply as any; what lies far below is a stop band,
# whose shape says little.
MAX_EXPONENT, STOP_DEPTH, STOP_ERROR = 4.0, 1.5, 0.3
TRANSITION_DEPTH = 0.7  # decades of power
USUAL_EXPONENT, EXPONENT_DEVIATION = 1.5, 0.75
# Lowest and highest centre frequency, smallest and largest deviation in Hz; usual height in decades
# Without the last, a tall beta peak and a lower cut-off are as good as the true one.
PEAKS = np.array([
    [2.0, 7.0, 0.5, 2.0, 1.0],
    [7.0, 14.0, 0.5, 3.0, 1.5],
    [13.0, 24.0, 1.0, 6.0, 0.7],
    [18.0, 38.0, 1.0, 8.0, 0.4],
    [38.0, 90.0, 3.0, 15.0, 0.4],
    [60.0, 200.0, 15.0, 60.0, 0.7],
])  # fmt: skip
MAX_PEAK_HEIGHT, FIRST_PEAK_HEIGHT = 2.0, 0.1  # decades
# Orders of Butterworth filters; below 1.5, a low-pass cannot be told from a second knee.
ORDERS: dict[Side, tuple[float, float]] = {"high": (1.5, 40.0), "low": (0.5, 20.0)}
CUTOFFS: dict[Side, tuple[float, float]] = {"high": (12.0, 150.0), "low": (0.2, 12.6)}  # Hz
FIRST_ORDERS: dict[Side, float] = {"high": 6.0, "low": 2.0}
MIN_DISTANCE = 0.12  # decades between the cut-offs from which fits start
HALF_POWER, EDGE_LOSS = 10 * np.log10(2), 1.0  # dB
MAX_NFEV = 60


@dataclass(frozen=True)
class Rolloff:
    """A filter that was found in a spectrum.

    Parameters
    ----------
    cutoff : float
        Frequency in Hz at which half of the power passes (-3 dB).
    edge : float
        Frequency in Hz at which the filter takes 1 dB; fits beyond it are biased.
    order : float
        Order of the Butterworth filter that falls as steeply: 6 dB per octave and order.
    evidence : float
        By how much a model with a filter fits the spectrum better, in units of a chi-squared
        statistic; at least 20.

    Examples
    --------
    >>> print(Rolloff(cutoff=33.0, edge=31.5, order=14.0, evidence=800.0))
    -3 dB at 33 Hz
    """

    cutoff: float
    edge: float
    order: float
    evidence: float

    def __str__(self) -> str:
        return f"-3 dB at {self.cutoff:.3g} Hz"


def detect_rolloff(
    freqs: npt.ArrayLike, power: npt.ArrayLike, side: Side = "high", *, n_windows: float = 30
) -> Rolloff | None:
    """Find where a filter starts to reduce a power spectrum.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz, up to the Nyquist frequency, at most 1 Hz apart.
    power : array, shape (n_freqs,)
        Power of an average spectrum, such as V^2/Hz.
    side : "high" | "low", default "high"
        Whether to look for a low-pass filter, which takes high frequencies, or for a high-pass
        filter, which takes low ones.
    n_windows : float, default 30
        Number of windows or tapers in the average, which sets the noise of the spectrum.

    Returns
    -------
    rolloff : Rolloff | None
        The filter; None if a spectrum without one is as likely.

    Raises
    ------
    ValueError
        If ``side`` is unknown, or ``n_windows`` is not positive.

    Notes
    -----
    Two models are fitted to the medians of log10 power in cells of 0.03 decades of frequency: a
    background with an exponent of 0 to 4 and a knee, times up to six peaks, plus white noise; and
    the same with the background and the peaks times a filter,
    :math:`1 / (1 + (f / f_c)^{2n})`. The filter is found if that reduces the cost, which is the
    likelihood's for few windows and limited by the misfit of natural spectra for many, by 20.
    Multiples of 50 and 60 Hz are left out, and cut-offs above 150 Hz are not looked for.

    In ``docs/results/pass_band.md``, of 280 simulated recordings none was taken for filtered, and
    of low-passes at 30 to 40 Hz, in 10 s to 2 minutes of 1 to 16 channels, the share found and the
    cut-off found over the true one (5 to 95 %) were

    ==================================== ===== ============
    Low-pass                             Found Cut-off
    ==================================== ===== ============
    FIR, default of MNE                  100 % 0.99 to 1.04
    Butterworth, order 8                 100 % 0.96 to 1.06
    Butterworth, order 4, two directions 100 % 0.98 to 1.18
    Butterworth, order 4                  98 % 0.90 to 1.16
    Butterworth, order 3                  86 % 0.90 to 1.26
    Butterworth, order 2, two directions 100 % 0.87 to 1.36
    Butterworth, order 2                  69 % 0.91 to 1.61
    moving average, first order           17 %
    ==================================== ===== ============

    A high-pass is found only where the stop band holds several frequencies, as in windows of 8 s,
    and where it falls more than the background rises. The power of blinks at 1 to 4 Hz falls
    towards 0 Hz too: in recordings of few frontal channels it may be taken for a high-pass at 1 to
    2 Hz.

    Examples
    --------
    >>> import numpy as np
    >>> freqs = np.arange(0.5, 128.5, 0.5)
    >>> detect_rolloff(freqs, 1 / freqs)
    >>> round(detect_rolloff(freqs, 1 / freqs / (1 + (freqs / 40) ** 16)).cutoff)
    40
    """
    check_option("side", side, ("high", "low"))
    check_number("n_windows", n_windows, above=0)
    f, p = np.asarray(freqs, dtype=np.float64), np.asarray(power, dtype=np.float64)
    x, y, sd = _cells(f, p, side, n_windows)
    if len(x) < MIN_CELLS or not CUTOFFS[side][0] < 10 ** x[-1]:
        return None
    deep = np.zeros(len(x), bool)
    if side == "high":
        depth = np.median(y[(x >= 0.7) & (x <= 1.3)]) - MAX_EXPONENT * (x - 1) - STOP_DEPTH - y
        deep = depth > 0
        sd = np.hypot(sd, STOP_ERROR * np.where(deep, depth, 0))
    without, with_filter = _Model(x, y, sd, None), _Model(x, y, sd, side)
    null = (np.array([]), np.inf)
    lowest = y.min()
    for exponent, knee, noise in ((1.0, -1.0, 1.0), (2.0, 0.8, 0.05), (3.5, 1.4, 0.5)):
        null = without.fit(without.start(exponent, min(knee, x[-1] - 0.1), lowest - noise), null)
        if null[1] < MIN_EVIDENCE:  # a filter cannot gain more
            return None
    found = (np.array([]), np.inf)
    for cutoff in _first_cutoffs(x, y, deep, side):
        shape = [cutoff, np.log10(FIRST_ORDERS[side])]
        start = with_filter.start(1.0, -1.0, lowest - 0.2, x < cutoff, shape)
        found = with_filter.fit(start, found)
    found = with_filter.fit(np.r_[null[0], found[0][-2:]], found)
    null = without.fit(found[0][:-2], null)
    evidence = null[1] - found[1]
    if evidence < MIN_EVIDENCE:
        return None
    cutoff, edge, order = _edges(x, y, sd, side, found[0], f[-1])
    return Rolloff(cutoff, edge, order, float(evidence))


def _edges(
    x: FloatArray,
    y: FloatArray,
    error: FloatArray,
    side: Side,
    start: FloatArray,
    nyquist: float,
) -> tuple[float, float, float]:
    """Return where the filter that fits best takes 3 and 1 dB, in Hz, and its order."""
    # The stop band of a FIR filter is not that of the model, and would shift the edge.
    loss = _Model(x, y, error, None).curve(start[:-2])[0] - y
    error = np.hypot(error, STOP_ERROR * np.maximum(loss - TRANSITION_DEPTH, 0))
    # Digital filters fall faster towards the Nyquist frequency than analog ones.
    variants = [(np.inf, 1), (nyquist, 1), (nyquist, 2), (np.inf, 2)]
    fits = []
    for limit, n_passes in variants:
        model = _Model(x, y, error, side, nyquist=limit, n_passes=n_passes)
        fits.append(model.fit(start, (start, np.inf)))
    best = int(np.argmin([cost for _, cost in fits]))
    limit, n_passes = variants[best]
    cutoff, order = 10 ** fits[best][0][-2:]
    filter_loss = 10 ** (np.array([HALF_POWER, EDGE_LOSS]) / 10 / n_passes) - 1
    shift = filter_loss ** (1 / (2 * order))
    edges = _unwarped(cutoff * shift if side == "high" else cutoff / shift, limit)
    return float(edges[0]), float(edges[1]), float(n_passes * order)


def _cells(
    freqs: FloatArray, power: FloatArray, side: Side, n_windows: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean log10 frequency, median log10 power and its error, of cells of a grid."""
    none = np.zeros((3, 0))
    if len(freqs) < MIN_BIN + 1:
        return none[0], none[1], none[2]
    spacing = freqs[1] - freqs[0]
    low, high = max(RANGES[side][0], MIN_BIN * spacing), RANGES[side][1]
    used = (freqs >= low - 1e-9) & (freqs <= min(high, MAX_NYQUIST_SHARE * freqs[-1]))
    used &= np.isfinite(power) & (power > 0)
    for line in LINE_FREQS:
        multiple = np.maximum(np.round(freqs / line), 1) * line
        used &= np.abs(freqs - multiple) > max(LINE_WIDTH, 2 * spacing)
    if not used.any():
        return none[0], none[1], none[2]
    x, y = np.log10(freqs[used]), np.log10(power[used])
    numbers = np.floor((x - np.log10(low)) / CELL + 1e-9).astype(int)
    cells = [numbers == number for number in np.unique(numbers)]
    center = np.array([x[cell].mean() for cell in cells])
    median = np.array([np.median(y[cell]) for cell in cells])
    count = np.array([cell.sum() for cell in cells])
    error = np.sqrt(MODEL_ERROR**2 + MEDIAN_VARIANCE / (n_windows * count))
    return center, median - np.median(median), error


def _first_cutoffs(
    x: FloatArray, y: FloatArray, deep: npt.NDArray[np.bool_], side: Side
) -> list[float]:
    """Return log10 frequencies at which a filter may start."""
    low, high = np.log10(CUTOFFS[side])
    if side == "low":
        return [float(each) for each in np.log10([0.7, 1.5, 4.0]) if each > x[0]]
    candidates = x[(x > low) & (x < high)]
    falls = np.interp(candidates, x, y) - np.interp(candidates + 0.1, x, y)
    chosen: list[float] = []
    for candidate in candidates[np.argsort(-falls, kind="stable")]:
        if all(abs(candidate - other) > MIN_DISTANCE for other in chosen):
            chosen.append(float(candidate))
    stop_band = np.flatnonzero(deep & (x > low))
    if len(stop_band):
        before = float(x[max(stop_band[0] - 2, 0)])
        chosen = [before] + [each for each in chosen if abs(each - before) > MIN_DISTANCE / 3]
    return chosen[:3]


def _warped(freqs: FloatArray, nyquist: float) -> FloatArray:
    """Return the analog frequencies that the bilinear transform of digital filters maps."""
    if not np.isfinite(nyquist):
        return freqs
    warped: FloatArray = 2 * nyquist / np.pi * np.tan(np.pi * freqs / 2 / nyquist)
    return warped


def _unwarped(freqs: FloatArray, nyquist: float) -> FloatArray:
    """Return the digital frequencies to which the bilinear transform maps analog ones."""
    if not np.isfinite(nyquist):
        return freqs
    digital: FloatArray = 2 * nyquist / np.pi * np.arctan(np.pi * freqs / 2 / nyquist)
    return digital


class _Model:
    """Background, peaks, white noise and perhaps a filter, in log10 of power.

    Parameters are offset, exponent, log10 of the knee's frequency, log10 of the noise; heights,
    centres and deviations of the peaks; log10 of the cut-off, log10 of the order.
    """

    def __init__(
        self,
        x: FloatArray,
        y: FloatArray,
        error: FloatArray,
        side: Side | None,
        *,
        nyquist: float = np.inf,
        n_passes: int = 1,
    ) -> None:
        self.x, self.y, self.error, self.side, self.freqs = x, y, error, side, 10**x
        self.n_passes = n_passes
        self.filter_x = np.log10(_warped(self.freqs, nyquist))
        self.peaks = PEAKS[(PEAKS[:, 0] < 0.8 * self.freqs[-1]) & (PEAKS[:, 1] > self.freqs[0])]
        none, tall = np.zeros(len(self.peaks)), np.full(len(self.peaks), MAX_PEAK_HEIGHT)
        low = [-30.0, 0.0, -2.0, y.min() - 4, *none, *self.peaks[:, 0], *self.peaks[:, 2]]
        high = [30.0, MAX_EXPONENT, x[-1], y.max() + 1, *tall, *self.peaks[:, 1], *self.peaks[:, 3]]
        if side is not None:
            limits = np.log10([CUTOFFS[side], ORDERS[side]])
            low += [max(limits[0, 0], x[0]), limits[1, 0]]
            high += [min(limits[0, 1], self.filter_x[-1]), limits[1, 1]]
        self.low, self.high = np.array(low), np.array(high)

    def start(
        self,
        exponent: float,
        knee: float,
        noise: float,
        passed: npt.NDArray[np.bool_] | None = None,
        shape: list[float] | None = None,
    ) -> FloatArray:
        """Return the parameters from which a fit starts; the offset is of the ``passed`` cells."""
        background = np.log10(10 ** (exponent * knee) + self.freqs**exponent)
        if self.side == "low" and passed is not None:
            passed = ~passed
        cells = slice(None) if passed is None or not passed.any() else passed
        centers = self.peaks[:, :2].mean(axis=1)
        deviations = np.sqrt(self.peaks[:, 2] * self.peaks[:, 3])
        offset = np.median((self.y + background)[cells])
        heights = np.full(len(centers), FIRST_PEAK_HEIGHT)
        values = [[offset, exponent, knee, noise], heights, centers, deviations, shape or []]
        return np.concatenate([np.asarray(each, dtype=np.float64) for each in values])

    def curve(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log10 power, and its derivatives, shape (n_cells, n_parameters)."""
        x, n_peaks, ln10 = self.x, len(self.peaks), np.log(10)
        offset, exponent, knee, noise = parameters[:4]
        height, center, deviation = parameters[4 : 4 + 3 * n_peaks].reshape(3, n_peaks)
        bend, fall = 10 ** (exponent * knee), 10 ** (exponent * x)
        distance = (self.freqs[:, np.newaxis] - center) / deviation
        peaks = np.exp(-(distance**2) / 2)
        slopes = height * peaks * distance / deviation
        log_power = offset - np.log10(bend + fall) + peaks @ height
        by = np.column_stack([
            np.ones(len(x)),
            -(bend * knee + fall * x) / (bend + fall),
            -bend * exponent / (bend + fall),
            np.zeros(len(x)),
            peaks,
            slopes,
            slopes * distance,
        ])  # fmt: skip
        if self.side is not None:
            sign = 1 if self.side == "high" else -1
            order = 10 ** parameters[-1]
            beyond = sign * (self.filter_x - parameters[-2])
            loss = 10.0 ** np.clip(2 * order * beyond, -300, 300)
            log_power = log_power - self.n_passes * np.log1p(loss) / ln10
            share = 2 * order * self.n_passes * loss / (1 + loss)
            by = np.column_stack([by, sign * share, -share * beyond * ln10])
        signal, floor = 10**log_power, 10**noise
        by *= (signal / (signal + floor))[:, np.newaxis]
        by[:, 3] = floor / (signal + floor)
        return np.log10(signal + floor), by

    def fit(self, start: FloatArray, best: tuple[FloatArray, float]) -> tuple[FloatArray, float]:
        """Return parameters and cost of a fit, or the best so far if that is better."""
        n_peaks = len(self.peaks)
        heights = slice(4, 4 + n_peaks)
        penalty = np.zeros((n_peaks + 1, len(start)))
        penalty[:-1, heights] = np.diag(1 / self.peaks[:, 4])
        penalty[-1, 1] = 1 / EXPONENT_DEVIATION
        cache: dict[bytes, tuple[FloatArray, FloatArray]] = {}

        def evaluate(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
            key = parameters.tobytes()
            if key not in cache:
                cache.clear()
                cache[key] = self.curve(parameters)
            return cache[key]

        def residuals(parameters: FloatArray) -> FloatArray:
            difference = (evaluate(parameters)[0] - self.y) / self.error
            unusual = (parameters[1] - USUAL_EXPONENT) / EXPONENT_DEVIATION
            return np.concatenate([difference, parameters[heights] / self.peaks[:, 4], [unusual]])

        def jacobian(parameters: FloatArray) -> FloatArray:
            by = evaluate(parameters)[1] / self.error[:, np.newaxis]
            return np.concatenate([by, penalty])

        margin = 1e-6 * (1 + np.abs(self.high - self.low))
        result = least_squares(
            residuals,
            np.clip(start, self.low + margin, self.high - margin),
            jacobian,
            bounds=(self.low, self.high),
            loss="soft_l1",
            f_scale=ROBUST_RESIDUAL,
            max_nfev=MAX_NFEV,
            ftol=1e-4,
            xtol=1e-5,
            gtol=1e-5,
        )
        cost = 2 * float(result.cost)
        return (result.x, cost) if cost < best[1] else best
