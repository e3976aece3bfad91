"""Fits of the 1/f-and-peaks model to many power spectra at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from mne.utils import logger

from npa.checks import check_bytes, check_number, check_option, check_range
from npa.spectral.correlation import squared_correlation
from npa.spectral.fitting.levenberg_marquardt import least_squares_lm
from npa.spectral.fitting.peaks import find_peaks, fit_peaks, peak_sum
from npa.spectral.fitting.selection import (
    CRITERIA,
    HANN_CORRELATED_BINS,
    N_TEMPLATE_WIDTHS,
    Criterion,
    select_models,
)
from npa.spectral.model import aperiodic, knee_frequency
from npa.typing import AnyArray, BoolArray, FloatArray, IntArray

# A background with a knee and one peak have six parameters, for which a fit needs more points.
MIN_FREQS = 8
NOT_POSITIVE = "power is zero or not finite"
BACKGROUND_NOT_CONVERGED = "the background's fit did not converge"
TOO_FEW_BACKGROUND_POINTS = "too few points lie on the background"
PEAKS_NOT_CONVERGED = "the peaks' fit did not converge"
JOINT_FIT_NOT_CONVERGED = "the fit of background and peaks did not converge"

DEFAULT_WIDTH_LIMITS = (1.0, 12.0)  # Hz
MIN_WIDTH_BINS = 1.5  # narrower limits let single bins pass for peaks; FOOOF warns of them
DEFAULT_WIDTH_BINS = 2  # FOOOF's recommendation
BACKGROUND_PERCENTILE = 0.025  # of the flattened spectrum: points up to it are background
MAX_NFEV_LINEAR_KNEE = 80  # an accepted step takes four evaluations
ARRAYS_IN_MEMORY = 16  # of the size of the spectra, at the same time

Evaluate = Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, eq=False)
class SpectralFit:
    """Backgrounds and peaks of many power spectra.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the fit in Hz.
    offset : array, shape (n_spectra,)
        Offset b of the background in log10 of power.
    knee : array, shape (n_spectra,)
        Knee k of the background; 0 in fixed mode.
    exponent : array, shape (n_spectra,)
        Exponent chi of the background.
    peaks : array, shape (n_spectra, max_n_peaks, 3)
        Centre frequency (Hz), height of the model over the background (log10 units) and two-sided
        bandwidth (Hz) of every peak, by increasing frequency; NaN where there are fewer.
    gaussians : array, shape (n_spectra, max_n_peaks, 3)
        Centre frequency (Hz), height (log10 units) and standard deviation (Hz) of the Gaussians
        whose sum is the model's peaks; NaN where there are fewer.
    r_squared : array, shape (n_spectra,)
        Squared correlation of the model with log10 power.
    error : array, shape (n_spectra,)
        Mean absolute error of the model in log10 units.
    reason : array of str, shape (n_spectra,)
        Why a fit failed; empty where it succeeded. All values of a failed fit are NaN.
    peak_z : array, shape (n_spectra, max_n_peaks)
        Height of the Gaussian of every peak over its standard error; NaN without ``selection``.
    """

    freqs: FloatArray
    offset: FloatArray
    knee: FloatArray
    exponent: FloatArray
    peaks: FloatArray
    gaussians: FloatArray
    r_squared: FloatArray
    error: FloatArray
    reason: AnyArray
    peak_z: FloatArray

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
        peak_z = np.full((n_spectra, max_n_peaks), np.nan)
        return cls(
            freqs, offset, knee, exponent, peaks, gaussians, r_squared, error, reasons, peak_z
        )

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

    def select(self, rows: IntArray) -> "SpectralFit":
        """Return the fits of some spectra.

        Parameters
        ----------
        rows : array of int, shape (n_rows,)
            Which spectra.

        Returns
        -------
        fit : SpectralFit
            Their fit.
        """
        names = [field.name for field in fields(self) if field.name != "freqs"]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @property
    def n_peaks(self) -> IntArray:
        """Number of peaks of every spectrum, shape (n_spectra,); 0 where the fit failed."""
        n_peaks: IntArray = np.isfinite(self.peaks[..., 0]).sum(axis=1)
        return n_peaks

    @property
    def knee_freq(self) -> FloatArray:
        """Frequencies in Hz at which backgrounds bend, shape (n_spectra,).

        They are ``knee**(1 / exponent)``; NaN without a knee, and where the bend does not lie
        within the frequencies of the fit.
        """
        if not len(self.freqs):
            return np.full(len(self.knee), np.nan)
        return knee_frequency(self.knee, self.exponent, (self.freqs[0], self.freqs[-1]))

    @property
    def timescale(self) -> FloatArray:
        """Time constants of the bends in s, ``1 / (2 pi knee_freq)``, shape (n_spectra,)."""
        timescale: FloatArray = 1 / (2 * np.pi * self.knee_freq)
        return timescale

    @property
    def aperiodic(self) -> FloatArray:
        """Backgrounds in log10 of power, shape (n_spectra, n_freqs)."""
        columns = (self.offset, self.exponent, self.knee)
        return aperiodic(self.freqs, *(column[:, np.newaxis] for column in columns))

    @property
    def model(self) -> FloatArray:
        """Backgrounds and peaks in log10 of power, shape (n_spectra, n_freqs)."""
        return self.aperiodic + peak_sum(self.freqs, self.gaussians)


def fit_spectra(
    freqs: npt.ArrayLike,
    power: npt.ArrayLike,
    *,
    freq_range: tuple[float, float] | None = None,
    aperiodic_mode: str = "fixed",
    peak_width_limits: tuple[float, float] | None = None,
    max_n_peaks: int = 6,
    min_peak_height: float = 0.1,
    peak_threshold: float = 2.0,
    selection: str | None = None,
    dof: npt.ArrayLike | None = None,
    correlated_bins: float | None = None,
    max_memory: str | float = "512MB",
) -> SpectralFit:
    r"""Fit a 1/f background and Gaussian peaks to many power spectra at once.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz. 0 Hz is left out.
    power : array, shape (n_spectra, n_freqs)
        Power, not its logarithm. A spectrum with a value that is zero, negative or not finite
        fails; the others are not affected.
    freq_range : tuple of float | None, default None
        Lowest and highest frequency of the fit in Hz; None for all.
    aperiodic_mode : {"fixed", "knee", "auto"}, default "fixed"
        Whether the background is a straight line in double-logarithmic axes, or may bend; with
        ``selection``, "auto" for the one with the lower criterion.
    peak_width_limits : tuple of float | None, default None
        Smallest and largest two-sided bandwidth of a peak in Hz; None for those of
        `default_width_limits`.
    max_n_peaks : int, default 6
        Largest number of peaks.
    min_peak_height : float, default 0.1
        Smallest height of a peak over the background, in log10 units of power.
    peak_threshold : float, default 2.0
        Smallest height of a peak in standard deviations of the flattened spectrum; not used with
        ``selection``.
    selection : {None, "bic", "aicc"}, default None
        How the number of peaks is chosen: by FOOOF's rule, or by the Bayesian or Akaike's corrected
        information criterion among joint fits of background and peaks.
    dof : float | array, shape (n_spectra,) | None, default None
        For ``selection``, degrees of freedom of power, as `npa.spectral.degrees_of_freedom` gives
        them: twice the number of independent windows or tapers averaged. None if they are not
        known: residuals of log power are then taken to be normal, with the same unknown variance
        at all frequencies of a spectrum.
    correlated_bins : float | None, default None
        For ``selection``, number of neighbouring bins that hold one independent value, from
        `npa.spectral.degrees_of_freedom`; None for the 1.94 of Hann windows without padding.
    max_memory : str | float, default "512MB"
        Memory that the fit may use in addition to its arguments and result, in bytes or as a
        string such as ``"2GB"``. Spectra are fitted in as few chunks as that allows.

    Returns
    -------
    fit : SpectralFit
        One value per spectrum; NaN, and a reason in ``fit.reason``, where the fit failed.

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

    fitted in the steps of the FOOOF package: the background is fitted to all points, and again to
    those that do not lie above it, and subtracted; the highest point is taken for a peak, whose
    width follows from the nearer point at half height, and subtracted, until none is high enough;
    all peaks are fitted together, within bounds; the background is fitted again to the spectrum
    without the peaks. Every least-squares problem has the initial values, the algorithm
    (Levenberg-Marquardt, Trust Region Reflective) and the tolerances that it has in FOOOF, so that
    both reach the same of several optima. The exception are knees that FOOOF would increase in
    hundreds of steps, for which the logarithm of the knee is fitted.

    With ``selection``, models of 0, 1, 2, ... peaks are fitted, in each of which all parameters of
    background and peaks are estimated together by maximum likelihood: power around the model has a
    gamma distribution with shape ``dof / 2``. A new peak starts where it reduces the residuals
    most. The search ends when two peaks more do not lower the criterion, whose formula
    `npa.spectral.fitting.selection.Criterion` states; the model with the lowest is returned. Peaks
    lower than ``min_peak_height`` are not accepted, nor are knees outside the frequencies of the
    fit in mode "auto".

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
    settings: dict[str, Any] = {
        "max_n_peaks": check_number("max_n_peaks", max_n_peaks, low=0, integer=True),
        "min_height": check_number("min_peak_height", min_peak_height, low=0),
        "threshold": check_number("peak_threshold", peak_threshold, low=0),
    }
    check_option("selection", selection, (None, *CRITERIA))
    modes = ("fixed", "knee") if selection is None else ("fixed", "knee", "auto")
    settings["aperiodic_mode"] = check_option("aperiodic_mode", aperiodic_mode, modes)
    memory = check_bytes("max_memory", max_memory)
    if peak_width_limits is not None:
        check_range("peak_width_limits", peak_width_limits)
    freqs, power = _check_spectra(freqs, power, freq_range)
    settings["width_limits"] = resolve_width_limits(freqs, peak_width_limits)
    fit = SpectralFit.empty(freqs, len(power), settings["max_n_peaks"])
    good = (np.isfinite(power) & (power > 0)).all(axis=1)
    fit.reason[~good] = NOT_POSITIVE
    rows = np.flatnonzero(good)
    fit_chunk: Callable[..., None] = _fit_chunk
    n_params, n_arrays = 3 * settings["max_n_peaks"], ARRAYS_IN_MEMORY
    if selection is not None:
        criterion = _criterion(selection, power.shape, dof, correlated_bins)
        fit_chunk = _select_chunk
        n_params, n_arrays = n_params + 3, n_arrays + N_TEMPLATE_WIDTHS
    spectrum_bytes = 8 * (n_arrays * len(freqs) + 6 * n_params * (n_params + 1))
    step = int(np.clip(memory // spectrum_bytes, 1, max(len(rows), 1)))
    for first in range(0, len(rows), step):
        chunk = rows[first : first + step]
        if selection is not None:
            settings["criterion"] = criterion.of(chunk)
        fit_chunk(fit, chunk, np.log10(power[chunk]), **settings)
    return fit


def default_width_limits(bin_width: float) -> tuple[float, float]:
    """Return the limits of the width of a peak for a frequency resolution.

    Parameters
    ----------
    bin_width : float
        Distance of neighbouring frequencies in Hz.

    Returns
    -------
    low, high : float
        Smallest and largest two-sided bandwidth in Hz: 1 Hz, or two bins if that is more, as the
        authors of FOOOF recommend; and 12 Hz, or twice the smallest.

    Examples
    --------
    >>> default_width_limits(0.25), default_width_limits(1.0)
    ((1.0, 12.0), (2.0, 12.0))
    """
    low = max(DEFAULT_WIDTH_LIMITS[0], DEFAULT_WIDTH_BINS * round(float(bin_width), 9))
    return low, max(DEFAULT_WIDTH_LIMITS[1], 2 * low)


def resolve_width_limits(
    freqs: FloatArray, limits: tuple[float, float] | None
) -> tuple[float, float]:
    """Check limits of the width of a peak, or return the default of a frequency grid.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Evenly spaced frequencies in Hz.
    limits : tuple of float | None
        Smallest and largest two-sided bandwidth in Hz; None for the default.

    Returns
    -------
    low, high : float
        The limits in Hz.

    Examples
    --------
    >>> resolve_width_limits(np.arange(1.0, 46.0), None)
    (2.0, 12.0)
    """
    if limits is not None:
        return check_range("peak_width_limits", limits)
    return default_width_limits((freqs[-1] - freqs[0]) / (len(freqs) - 1) if len(freqs) > 1 else 0)


def _check_spectra(
    freqs: npt.ArrayLike, power: npt.ArrayLike, freq_range: tuple[float, float] | None
) -> tuple[FloatArray, FloatArray]:
    """Return frequencies and power within the range, as floats, or raise."""
    freqs, power = np.asarray(freqs), np.asarray(power)
    for name, values, n_dims in (("freqs", freqs, 1), ("power", power, 2)):
        if values.dtype.kind not in "iuf":
            raise TypeError(f"{name} must hold real numbers, got dtype {values.dtype}.")
        if values.ndim != n_dims:
            raise ValueError(f"{name} must have {n_dims} dimension(s), got shape {values.shape}.")
    if power.shape[1] != len(freqs):
        raise ValueError(
            f"power must have shape (n_spectra, {len(freqs)}), one value per frequency, got "
            f"{power.shape}."
        )
    freqs = freqs.astype(np.float64)
    steps = np.diff(freqs)
    if not (np.isfinite(freqs).all() and (steps > 0).all() and np.allclose(steps, steps[:1])):
        raise ValueError("freqs must be finite, increasing and evenly spaced.")
    low, high = (0.0, np.inf) if freq_range is None else check_range("freq_range", freq_range)
    keep = (freqs >= low) & (freqs <= high) & (freqs > 0)
    if keep.sum() < MIN_FREQS:
        raise ValueError(
            f"freqs must hold at least {MIN_FREQS} frequencies above 0 Hz within "
            f"freq_range={freq_range!r}, got {keep.sum()}."
        )
    return freqs[keep], power[:, keep].astype(np.float64, copy=False)


def _fit_chunk(
    fit: SpectralFit,
    rows: IntArray,
    log_power: FloatArray,
    *,
    aperiodic_mode: str,
    width_limits: tuple[float, float],
    **settings: Any,
) -> None:
    """Fit some spectra in the steps of FOOOF, and set their rows of ``fit``."""
    freqs, knee = fit.freqs, aperiodic_mode == "knee"
    reason = np.full(len(rows), "", dtype=object)
    decades = np.log10(freqs[-1] / freqs[0])
    exponent = np.abs(log_power[:, -1] - log_power[:, 0]) / decades
    start = _initial_background(log_power, exponent)
    background = _fit_background(freqs, log_power, start, knee, reason)
    background = _refit_background(freqs, log_power, background, knee, reason)
    flat = log_power - _background_curve(freqs, background)
    guess = find_peaks(freqs, flat, width_limits=width_limits, **settings)
    gaussians, converged = fit_peaks(freqs, flat, guess, width_limits=width_limits)
    reason[~converged & (reason == "")] = PEAKS_NOT_CONVERGED
    peaks_curve = peak_sum(freqs, gaussians)
    start = _initial_background(log_power - peaks_curve, exponent)
    start[reason != ""] = np.nan
    background = _fit_background(freqs, log_power - peaks_curve, start, knee, reason)
    _store(fit, rows, log_power, background, gaussians, reason)


def _select_chunk(
    fit: SpectralFit,
    rows: IntArray,
    log_power: FloatArray,
    *,
    threshold: float,
    **settings: Any,
) -> None:
    """Choose the models of some spectra, and set their rows of ``fit``."""
    chosen = select_models(fit.freqs, log_power, **settings)
    reason = np.where(chosen.converged, "", JOINT_FIT_NOT_CONVERGED).astype(object)
    chosen.background[~chosen.converged] = np.nan
    _store(fit, rows, log_power, chosen.background, chosen.gaussians, reason)
    fit.peak_z[rows] = np.where(chosen.converged[:, np.newaxis], chosen.peak_z, np.nan)


def _store(
    fit: SpectralFit,
    rows: IntArray,
    log_power: FloatArray,
    background: FloatArray,
    gaussians: FloatArray,
    reason: AnyArray,
) -> None:
    """Set the rows of ``fit``; NaN where there is a reason."""
    peaks_curve = peak_sum(fit.freqs, gaussians)
    gaussians[reason != ""] = np.nan
    model = peaks_curve + _background_curve(fit.freqs, background)
    fit.offset[rows], fit.knee[rows], fit.exponent[rows] = background.T
    fit.gaussians[rows] = gaussians
    fit.peaks[rows] = _peak_params(fit.freqs, gaussians, peaks_curve)
    fit.r_squared[rows] = squared_correlation(log_power, model)
    fit.error[rows] = np.abs(log_power - model).mean(axis=1)
    fit.reason[rows] = reason


def _criterion(
    name: str,
    shape: tuple[int, ...],
    dof: npt.ArrayLike | None,
    correlated_bins: float | None,
) -> Criterion:
    """Check what is known of the noise, and return the criterion."""
    n_spectra, n_freqs = shape
    if correlated_bins is None:
        correlated_bins = HANN_CORRELATED_BINS
    correlated_bins = check_number("correlated_bins", correlated_bins, low=1, high=n_freqs)
    if dof is None:
        logger.info(
            "dof is not given, so the number of peaks is chosen on the assumption that residuals "
            "of log power have the same, unknown variance at all frequencies; "
            "npa.spectral.degrees_of_freedom computes it."
        )
        return Criterion(name, n_freqs, None, correlated_bins)
    values = np.asarray(dof)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"dof must be a number or an array of numbers, got {dof!r}.")
    if values.shape not in ((), (n_spectra,)) or not (values >= 1).all():
        raise ValueError(
            f"dof must be one number >= 1, or one for each of the {n_spectra} spectra, got {dof!r}."
        )
    return Criterion(name, n_freqs, np.broadcast_to(values * 1.0, n_spectra), correlated_bins)


def _initial_background(log_power: FloatArray, exponent: FloatArray) -> FloatArray:
    """Return initial values of the background: the first point, no knee, and the exponent."""
    return np.stack([log_power[:, 0], 0 * exponent, exponent], axis=1)


def _background_curve(freqs: FloatArray, background: FloatArray) -> FloatArray:
    """Return the background of every spectrum in log10 power; NaN where it has none."""
    offset, knee, exponent = background.T[..., np.newaxis]
    return aperiodic(freqs, offset, exponent, knee)


def _refit_background(
    freqs: FloatArray, log_power: FloatArray, background: FloatArray, knee: bool, reason: AnyArray
) -> FloatArray:
    """Fit the background again to the points that do not lie above it."""
    flat = np.maximum(log_power - _background_curve(freqs, background), 0)
    used = flat <= np.percentile(flat, BACKGROUND_PERCENTILE, axis=1, keepdims=True)
    too_few = (used.sum(axis=1) < (3 if knee else 2)) & (reason == "")
    reason[too_few] = TOO_FEW_BACKGROUND_POINTS
    start = np.where(too_few[:, np.newaxis], np.nan, background)
    return _fit_background(freqs, log_power, start, knee, reason, used)


def _fit_background(
    freqs: FloatArray,
    log_power: FloatArray,
    start: FloatArray,
    knee: bool,
    reason: AnyArray,
    used: BoolArray | None = None,
) -> FloatArray:
    """Fit offset, knee and exponent to all points or those in ``used``; NaN where start is NaN."""
    background = np.full_like(start, np.nan)
    rows = np.flatnonzero(np.isfinite(start).all(axis=1))
    log_power, used = log_power[rows], None if used is None else used[rows]
    if knee:
        evaluate = _make_evaluate(freqs, log_power, used)
        values, converged = _fit_knee(evaluate, start[rows])
        reason[rows[~converged]] = BACKGROUND_NOT_CONVERGED
        background[rows[converged]] = values[converged]
    else:
        background[rows] = _fit_line(freqs, log_power, used)
    return background


def _fit_knee(evaluate: Evaluate, start: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Fit backgrounds with a knee.

    Knee and exponent may have to increase together for hundreds of steps, along a valley that is
    straight in the logarithm of the knee. Problems that do not converge soon are therefore
    continued in the logarithm; what fails there is solved in the linear knee, from the start.
    """
    x, converged = least_squares_lm(evaluate, start, max_nfev=MAX_NFEV_LINEAR_KNEE)
    slow = np.flatnonzero(~converged & (x[:, 1] > 0))

    def evaluate_log_knee(log_x: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        offset, log_knee, exponent = log_x.T
        knee = np.exp(log_knee)
        residual, jacobian = evaluate(np.stack([offset, knee, exponent], axis=1), slow[rows])
        jacobian[:, 1] *= knee[:, np.newaxis]
        return residual, jacobian

    log_x = x[slow]
    log_x[:, 1] = np.log(log_x[:, 1])
    log_x, success = least_squares_lm(evaluate_log_knee, log_x)
    log_x[:, 1] = np.exp(log_x[:, 1])
    success &= np.isfinite(log_x).all(axis=1)
    x[slow[success]], converged[slow[success]] = log_x[success], True
    left = np.flatnonzero(~converged)
    x[left], converged[left] = least_squares_lm(
        lambda p, rows: evaluate(p, left[rows]), start[left]
    )
    return x, converged


def _fit_line(freqs: FloatArray, log_power: FloatArray, used: BoolArray | None) -> FloatArray:
    """Fit backgrounds without a knee, which are straight lines in double-logarithmic axes."""
    x = np.log10(freqs)
    weight = np.ones_like(log_power) if used is None else used.astype(np.float64)
    count = weight.sum(axis=1, keepdims=True)
    x = x - (weight @ x)[:, np.newaxis] / count
    level = np.vecdot(weight, log_power)[:, np.newaxis] / count
    weighted = weight * x
    slope = np.vecdot(weighted, log_power - level) / np.vecdot(weighted, x)
    offset = level[:, 0] - slope * (np.log10(freqs[0]) - x[:, 0])
    return np.stack([offset, np.zeros_like(slope), -slope], axis=1)


def _make_evaluate(freqs: FloatArray, log_power: FloatArray, used: BoolArray | None) -> Evaluate:
    """Return the objective of `least_squares_lm`, over offset, knee and exponent."""
    log_freqs = np.log(freqs)

    def evaluate(x: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        offset, knee, exponent = x.T[..., np.newaxis]
        power_of_freq = np.exp(exponent * log_freqs)
        total = knee + power_of_freq
        residual = offset - np.log(total) / np.log(10) - log_power[rows]
        jacobian = np.empty((len(x), 3, len(freqs)))
        jacobian[:, 0] = 1
        np.divide(-1 / np.log(10), total, out=jacobian[:, 1])
        np.multiply(jacobian[:, 1], power_of_freq * log_freqs, out=jacobian[:, 2])
        if used is not None:
            residual[~used[rows]] = 0
            jacobian *= used[rows, np.newaxis]
        return residual, jacobian

    return evaluate


def _peak_params(freqs: FloatArray, gaussians: FloatArray, peaks_curve: FloatArray) -> FloatArray:
    """Return centre, height of the model at the nearest frequency, and two-sided bandwidth."""
    peaks = gaussians * [1, 1, 2]
    centre = np.nan_to_num(gaussians[..., 0], nan=freqs[0])
    after = np.clip(np.searchsorted(freqs, centre), 1, len(freqs) - 1)
    nearest = after - (centre - freqs[after - 1] <= freqs[after] - centre)
    height = np.take_along_axis(peaks_curve, nearest, axis=1)
    peaks[..., 1] = np.where(np.isnan(gaussians[..., 0]), np.nan, height)
    return peaks
