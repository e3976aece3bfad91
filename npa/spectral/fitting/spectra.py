"""The model of `npa.spectral.model`, fitted to many power spectra at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from npa.checks import check_bytes, check_number, check_option, check_range
from npa.spectral.fitting.levenberg_marquardt import solve_free
from npa.spectral.fitting.peaks import find_peaks, fit_peaks, peak_sum
from npa.spectral.model import aperiodic
from npa.typing import FloatArray, IntArray

# A background with a knee and one peak have six parameters: fewer points say nothing about them.
MIN_FREQS = 8
NOT_POSITIVE = "power is zero or not finite"
_BENT = "the background's fit did not converge"
_SPARSE = "too few points lie on the background"
_ASTRAY = "the peaks' fit did not converge"

_PERCENTILE = 0.025  # of the flattened spectrum: what lies no higher is background
_SOON = 80  # evaluations, of which an accepted step takes four
_COPIES = 16  # of the spectra that are held at the same time


@dataclass(frozen=True, eq=False)
class SpectralFit:
    """Hold the backgrounds and peaks of many power spectra.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the fit in Hz.
    offset : array, shape (n_spectra,)
        Offset b of the background, log10 of power.
    knee : array, shape (n_spectra,)
        Knee k of the background; 0 in fixed mode.
    exponent : array, shape (n_spectra,)
        Exponent chi of the background.
    peaks : array, shape (n_spectra, max_n_peaks, 3)
        Centre frequency (Hz), height of the model over the background (log10 units) and two-sided
        bandwidth (Hz) of every peak, by rising frequency; NaN where there are fewer.
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre frequency (Hz), height (log10 units) and standard deviation (Hz) of the Gaussians
        whose sum is the model's peaks; NaN where there are fewer.
    r_squared : array, shape (n_spectra,)
        Squared correlation of the model with log10 power.
    error : array, shape (n_spectra,)
        Mean absolute error of the model in log10 units.
    reason : array of str, shape (n_spectra,)
        Why a fit failed, and all its values are NaN; empty where it did not.
    """

    freqs: np.ndarray
    offset: np.ndarray
    knee: np.ndarray
    exponent: np.ndarray
    peaks: np.ndarray
    gaussians: np.ndarray
    r_squared: np.ndarray
    error: np.ndarray
    reason: np.ndarray

    @classmethod
    def empty(
        cls, freqs: FloatArray, n_spectra: int, max_n_peaks: int, reason: str = ""
    ) -> "SpectralFit":
        """Return a fit whose values are all NaN, to be filled.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies of the fit in Hz.
        n_spectra, max_n_peaks : int
            Number of spectra, and of peaks for which there is room.
        reason : str
            Why there is no fit.

        Returns
        -------
        fit : SpectralFit
            The fit.
        """
        scalars = [np.full(n_spectra, np.nan) for _ in range(5)]
        peaks, gaussians = np.full((2, n_spectra, max_n_peaks, 3), np.nan)
        offset, knee, exponent, r_squared, error = scalars
        reasons = np.full(n_spectra, reason, dtype=object)
        return cls(freqs, offset, knee, exponent, peaks, gaussians, r_squared, error, reasons)

    @classmethod
    def concatenate(cls, fits: Sequence["SpectralFit"]) -> "SpectralFit":
        """Join fits over the same frequencies.

        Parameters
        ----------
        fits : sequence of SpectralFit
            At least one fit, all with room for as many peaks.

        Returns
        -------
        fit : SpectralFit
            The spectra of all fits, in their order.
        """
        names = [field.name for field in fields(cls) if field.name != "freqs"]
        joined = {name: np.concatenate([getattr(fit, name) for fit in fits]) for name in names}
        return cls(fits[0].freqs, **joined)

    def put(self, rows: IntArray, fit: "SpectralFit") -> None:
        """Set the values of some spectra.

        Parameters
        ----------
        rows : array of int, shape (n_rows,)
            Which spectra.
        fit : SpectralFit
            Their fit.
        """
        for field in fields(self):
            if field.name != "freqs":
                getattr(self, field.name)[rows] = getattr(fit, field.name)

    @property
    def n_peaks(self) -> IntArray:
        """Number of peaks of every spectrum, shape (n_spectra,); 0 where the fit failed."""
        return np.isfinite(self.peaks[..., 0]).sum(axis=1)

    @property
    def aperiodic(self):
        """Backgrounds in log10 of power, shape (n_spectra, n_freqs)."""
        columns = (self.offset, self.exponent, self.knee)
        return aperiodic(self.freqs, *(column[:, np.newaxis] for column in columns))

    @property
    def model(self):
        """Backgrounds and peaks in log10 of power, shape (n_spectra, n_freqs)."""
        return self.aperiodic + peak_sum(self.freqs, self.gaussians)


def fit_spectra(
    freqs,
    power,
    *,
    freq_range=None,
    aperiodic_mode="fixed",
    peak_width_limits=(1, 12),
    max_n_peaks=6,
    min_peak_height=0.1,
    peak_threshold=2.0,
    max_memory="512MB",
):
    r"""Fit a 1/f background and Gaussian peaks to many power spectra at once.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz. 0 Hz is left out.
    power : array, shape (n_spectra, n_freqs)
        Power, not its logarithm. A spectrum with a value that is zero, negative or not finite
        fails; the others do not notice.
    freq_range : tuple of float | None, default None
        Lowest and highest frequency of the fit in Hz; None for all.
    aperiodic_mode : {"fixed", "knee"}, default "fixed"
        Whether the background is a straight line in double-logarithmic axes, or may bend.
    peak_width_limits : tuple of float, default (1, 12)
        Smallest and largest two-sided bandwidth of a peak in Hz.
    max_n_peaks : int, default 6
        Largest number of peaks.
    min_peak_height : float, default 0.1
        Smallest height of a peak over the background, in log10 units of power.
    peak_threshold : float, default 2.0
        Smallest height of a peak in standard deviations of the flattened spectrum.
    max_memory : str | float, default "512MB"
        What the fit may use besides its arguments and result, as a number of bytes or a text such
        as ``"2GB"``. Spectra are fitted in as few chunks as that allows; more are slower.

    Returns
    -------
    fit : SpectralFit
        One value a spectrum; NaN, and a reason in ``fit.reason``, where the fit failed.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of its range, the frequencies are not evenly spaced, or fewer than
        8 remain.

    See Also
    --------
    npa.FOOOFFitter : The same for recordings.

    Notes
    -----
    The model of log10 power [1]_ is

    .. math::

        L(f) = b - \log_{10}(k + f^\chi) + \sum_i h_i \exp(-(f - c_i)^2 / 2 s_i^2),

    fitted in the steps of the FOOOF package: a background through all points, and again
    through those that do not rise above it; the tallest point of the rest taken for a peak, as
    wide as its nearer half height tells, and removed, until none is tall enough; all peaks fitted
    together, within bounds; the background fitted again to what is left. Every least-squares
    problem starts where FOOOF's does, takes the path of its solver and stops by its tolerances, so
    that where there are several optima both end in the same. Only a knee that FOOOF would raise
    in hundreds of steps is raised in few, by its logarithm.

    References
    ----------
    .. [1] Donoghue, T., et al. (2020). Parameterizing neural power spectra into periodic and
       aperiodic components. Nature Neuroscience, 23, 1655-1665.
       https://doi.org/10.1038/s41593-020-00744-x

    Examples
    --------
    >>> import numpy as np
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> exponents = np.array([[1.0], [2.0]])
    >>> alpha = 10 ** (0.8 * np.exp(-((freqs - 10) ** 2) / 2))
    >>> fit = fit_spectra(freqs, alpha / freqs**exponents, max_n_peaks=1)
    >>> fit.exponent.round(1), fit.peaks[:, 0, 0].round(1)
    (array([1., 2.]), array([10., 10.]))
    """
    settings = {
        "width_limits": check_range("peak_width_limits", peak_width_limits),
        "max_n_peaks": check_number("max_n_peaks", max_n_peaks, low=0, integer=True),
        "min_height": check_number("min_peak_height", min_peak_height, low=0),
        "threshold": check_number("peak_threshold", peak_threshold, low=0),
    }
    knee = check_option("aperiodic_mode", aperiodic_mode, ("fixed", "knee")) == "knee"
    memory = check_bytes("max_memory", max_memory)
    freqs, power = _checked(freqs, power, freq_range)
    fit = SpectralFit.empty(freqs, len(power), settings["max_n_peaks"])
    good = (np.isfinite(power) & (power > 0)).all(axis=1)
    fit.reason[~good] = NOT_POSITIVE
    rows = np.flatnonzero(good)
    n_params = 3 * settings["max_n_peaks"]
    size = 8 * (_COPIES * len(freqs) + 6 * n_params * (n_params + 1))
    step = int(np.clip(memory // size, 1, max(len(rows), 1)))
    for first in range(0, len(rows), step):
        chunk = rows[first : first + step]
        _fit_chunk(fit, chunk, np.log10(power[chunk]), knee, settings)
    return fit


def _checked(freqs, power, freq_range):
    """Return frequencies and power within the range, as floats, or say what is wrong."""
    freqs, power = np.asarray(freqs), np.asarray(power)
    for name, values, n_dims in (("freqs", freqs, 1), ("power", power, 2)):
        if values.dtype.kind not in "iuf":
            raise TypeError(f"{name} must hold real numbers, got dtype {values.dtype}.")
        if values.ndim != n_dims:
            raise ValueError(f"{name} must have {n_dims} dimension(s), got shape {values.shape}.")
    if power.shape[1] != len(freqs):
        raise ValueError(
            f"power must have shape (n_spectra, {len(freqs)}), one value a frequency, got "
            f"{power.shape}."
        )
    freqs = freqs.astype(float)
    steps = np.diff(freqs)
    if not (np.isfinite(freqs).all() and (steps > 0).all() and np.allclose(steps, steps[:1])):
        raise ValueError("freqs must be finite, rise, and be evenly spaced.")
    low, high = (0, np.inf) if freq_range is None else check_range("freq_range", freq_range)
    keep = (freqs >= low) & (freqs <= high) & (freqs > 0)
    if keep.sum() < MIN_FREQS:
        raise ValueError(
            f"freqs must hold at least {MIN_FREQS} frequencies above 0 Hz within "
            f"freq_range={freq_range!r}, got {keep.sum()}."
        )
    return freqs[keep], power[:, keep].astype(float, copy=False)


def _fit_chunk(fit, rows, log_power, knee, settings):
    """Fit some spectra, and set their rows of ``fit``."""
    freqs, limits = fit.freqs, settings["width_limits"]
    status = np.full(len(rows), "", dtype=object)
    rise = np.log10(freqs[-1] / freqs[0])
    steepness = np.abs(log_power[:, -1] - log_power[:, 0]) / rise
    start = _start(log_power, steepness)
    background = _fit_background(freqs, log_power, start, knee, status)
    background = _fit_low_points(freqs, log_power, background, knee, status)
    flat = log_power - _curve(freqs, background)
    guess = find_peaks(freqs, flat, **settings)
    gaussians, solved = fit_peaks(freqs, flat, guess, width_limits=limits)
    status[~solved & (status == "")] = _ASTRAY
    bumps = peak_sum(freqs, gaussians)
    start = _start(log_power - bumps, steepness)
    start[status != ""] = np.nan
    background = _fit_background(freqs, log_power - bumps, start, knee, status)

    gaussians[status != ""] = np.nan
    model = bumps + _curve(freqs, background)
    fit.offset[rows], fit.knee[rows], fit.exponent[rows] = background.T
    fit.gaussians[rows], fit.peaks[rows] = gaussians, _peaks(freqs, gaussians, bumps)
    fit.r_squared[rows] = _squared_correlation(log_power, model)
    fit.error[rows] = np.abs(log_power - model).mean(axis=1)
    fit.reason[rows] = status


def _start(log_power, steepness):
    """Guess background: the first point, no knee, the slope between the ends."""
    return np.stack([log_power[:, 0], 0 * steepness, steepness], axis=1)


def _curve(freqs, background):
    """Background of every spectrum in log10 power; NaN where it has none."""
    offset, knee, exponent = background.T[..., np.newaxis]
    return aperiodic(freqs, offset, exponent, knee)


def _fit_low_points(freqs, log_power, background, knee, status):
    """Fit the background again to the points that do not rise above it."""
    flat = np.maximum(log_power - _curve(freqs, background), 0)
    low = flat <= np.percentile(flat, _PERCENTILE, axis=1, keepdims=True)
    sparse = (low.sum(axis=1) < (3 if knee else 2)) & (status == "")
    status[sparse] = _SPARSE
    return _fit_background(
        freqs, log_power, np.where(sparse[:, np.newaxis], np.nan, background), knee, status, low
    )


def _fit_background(freqs, log_power, start, knee, status, low=None):
    """Fit offset, knee and exponent to all or the ``low`` points; NaN where it has no start."""
    background = np.full_like(start, np.nan)
    rows = np.flatnonzero(np.isfinite(start).all(axis=1))
    log_power, low = log_power[rows], None if low is None else low[rows]
    if knee:
        values, solved = _solve_bent(_misfit(freqs, log_power, low), start[rows])
        status[rows[~solved]] = _BENT
        background[rows[solved]] = values[solved]
    else:
        background[rows] = _line(freqs, log_power, low)
    return background


def _solve_bent(evaluate, start):
    """Fit backgrounds with a knee.

    Knee and exponent may have to grow together for hundreds of steps, along a valley that is
    straight in the logarithm of the knee: those that have not arrived soon go on in that. What
    does not arrive there either goes its own way from the start.
    """
    x, solved = solve_free(evaluate, start, max_evals=_SOON)
    late = np.flatnonzero(~solved & (x[:, 1] > 0))

    def evaluate_log(log_x, rows):
        offset, log_knee, exponent = log_x.T
        knee = np.exp(log_knee)
        residual, jacobian = evaluate(np.stack([offset, knee, exponent], axis=1), late[rows])
        jacobian[:, 1] *= knee[:, np.newaxis]
        return residual, jacobian

    log_x = x[late]
    log_x[:, 1] = np.log(log_x[:, 1])
    log_x, arrived = solve_free(evaluate_log, log_x)
    log_x[:, 1] = np.exp(log_x[:, 1])
    arrived &= np.isfinite(log_x).all(axis=1)
    x[late[arrived]], solved[late[arrived]] = log_x[arrived], True
    rest = np.flatnonzero(~solved)
    x[rest], solved[rest] = solve_free(lambda p, rows: evaluate(p, rest[rows]), start[rest])
    return x, solved


def _line(freqs, log_power, low):
    """Fit straight lines: the optimum that iterations would approach."""
    x = np.log10(freqs)
    weight = np.ones_like(log_power) if low is None else low.astype(float)
    count = weight.sum(axis=1, keepdims=True)
    x = x - (weight @ x)[:, np.newaxis] / count
    level = np.vecdot(weight, log_power)[:, np.newaxis] / count
    weighted = weight * x
    slope = np.vecdot(weighted, log_power - level) / np.vecdot(weighted, x)
    offset = level[:, 0] - slope * (np.log10(freqs[0]) - x[:, 0])
    return np.stack([offset, np.zeros_like(slope), -slope], axis=1)


def _misfit(freqs, log_power, low):
    """Make the function that evaluates offset, knee and exponent."""
    log_freqs = np.log(freqs)

    def evaluate(x, rows):
        offset, knee, exponent = x.T[..., np.newaxis]
        rise = np.exp(exponent * log_freqs)
        total = knee + rise
        residual = offset - np.log(total) / np.log(10) - log_power[rows]
        jacobian = np.empty((len(x), 3, len(freqs)))
        jacobian[:, 0] = 1
        np.divide(-1 / np.log(10), total, out=jacobian[:, 1])
        np.multiply(jacobian[:, 1], rise * log_freqs, out=jacobian[:, 2])
        if low is not None:
            residual[~low[rows]] = 0
            jacobian *= low[rows, np.newaxis]
        return residual, jacobian

    return evaluate


def _peaks(freqs, gaussians, bumps):
    """Describe Gaussians by the model's height at the nearest frequency, and by their width."""
    peaks = gaussians * [1, 1, 2]
    centre = np.nan_to_num(gaussians[..., 0], nan=freqs[0])
    after = np.clip(np.searchsorted(freqs, centre), 1, len(freqs) - 1)
    nearest = after - (centre - freqs[after - 1] <= freqs[after] - centre)
    height = np.take_along_axis(bumps, nearest, axis=1)
    peaks[..., 1] = np.where(np.isnan(gaussians[..., 0]), np.nan, height)
    return peaks


def _squared_correlation(x, y):
    """Squared correlation of every pair of rows; NaN where one does not vary."""
    x, y = (values - values.mean(axis=1, keepdims=True) for values in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.vecdot(x, y) ** 2 / (np.vecdot(x, x) * np.vecdot(y, y))
