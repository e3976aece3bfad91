"""Fits of the 1/f-and-peaks model to many power spectra at once."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from mne.utils import logger

from npa.checks import check_bytes, check_number, check_option, check_range, resolve_n_jobs
from npa.spectral.fitting.batch import fit_batch
from npa.spectral.fitting.compiled.engine import fit_compiled, load_kernels
from npa.spectral.fitting.compiled.selection import add_peaks_compiled, load_search
from npa.spectral.fitting.result import MIN_FREQS, SpectralFit
from npa.spectral.fitting.selection import (
    APERIODIC_MODES,
    CRITERIA,
    HANN_CORRELATED_BINS,
    Criterion,
)
from npa.typing import FloatArray

DEFAULT_WIDTH_LIMITS = (1.0, 12.0)  # Hz
MAX_PEAKS = 1000  # rows of the result for each spectrum
MIN_WIDTH_BINS = 1.5  # narrower limits let single bins pass for peaks; FOOOF warns of them
DEFAULT_WIDTH_BINS = 2  # FOOOF's recommendation
# Numba is imported and its functions are loaded in the time in which NumPy fits about as many.
MIN_SPECTRA_COMPILED = 500


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
    engine: str = "auto",
    n_jobs: int | None = None,
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
    aperiodic_mode : {"fixed", "knee", "knee_floor", "auto"}, default "fixed"
        Whether the background is a straight line in double-logarithmic axes, or may bend. With
        ``selection`` also "knee_floor", for a background that bends and becomes flat where it
        reaches a noise floor, and "auto", for "fixed" or "knee", that with the lower criterion.
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
    engine : {"auto", "compiled", "batch"}, default "auto"
        ``"compiled"`` fits one spectrum after the other in loops that numba compiles (``pip install
        'npa[fast]'``), the first time on a machine in about 20 s; ``"batch"`` fits all together in
        NumPy, which takes 4 to 8 times as long. Their answers are the same to about 1e-5.
        ``"auto"`` is ``"compiled"`` for 500 spectra or more, where numba works.
    n_jobs : int | None, default None
        Number of threads of the compiled engine, as in joblib: -1 for one per processor.
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
    ImportError
        If the engine is ``"compiled"``, and numba is not installed.

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

    The floor of mode "knee_floor" is power ``10**floor`` that is added to the background's. Over
    1-200 Hz, with a floor that crosses the background at 40 to 120 Hz, 30 windows give a median
    error of the exponent of 0.02, and with a knee 0.05; without the floor in the model it is 0.46
    and 0.90. Ranges that end below the crossing need no floor, and cannot tell it from a knee.

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
        "max_n_peaks": check_number(
            "max_n_peaks", max_n_peaks, low=0, high=MAX_PEAKS, integer=True
        ),
        "min_height": check_number("min_peak_height", min_peak_height, low=0),
        "threshold": check_number("peak_threshold", peak_threshold, low=0),
        "max_memory": check_bytes("max_memory", max_memory),
        "n_jobs": resolve_n_jobs("n_jobs", n_jobs),
    }
    check_option("selection", selection, (None, *CRITERIA))
    check_option("engine", engine, ("auto", "compiled", "batch"))
    check_option("aperiodic_mode", aperiodic_mode, APERIODIC_MODES)
    if selection is None and aperiodic_mode not in ("fixed", "knee"):
        raise ValueError(
            f"aperiodic_mode={aperiodic_mode!r} needs selection='bic' or 'aicc', got None."
        )
    settings["aperiodic_mode"] = aperiodic_mode
    if peak_width_limits is not None:
        check_range("peak_width_limits", peak_width_limits)
    freqs, power = _check_spectra(freqs, power, freq_range)
    settings["width_limits"] = resolve_width_limits(freqs, peak_width_limits)
    settings["criterion"] = None
    if selection is not None:
        settings["criterion"] = _criterion(selection, power.shape, dof, correlated_bins)
    engine = choose_engine(engine, len(power), selection)
    if engine == "batch":
        return fit_batch(freqs, power, **settings)
    if selection is None:
        return fit_compiled(freqs, power, **settings)
    search = partial(add_peaks_compiled, n_jobs=settings["n_jobs"])
    return fit_batch(freqs, power, search=search, **settings)


def choose_engine(engine: str, n_spectra: int, selection: str | None = None) -> str:
    """Return the engine that ``"auto"`` stands for.

    Parameters
    ----------
    engine : str
        Name of an engine, or ``"auto"``.
    n_spectra : int
        Number of spectra to fit. Besides whether numba works, only it decides, so that results do
        not depend on what was fitted before.
    selection : str | None
        How the number of peaks is chosen.

    Returns
    -------
    engine : str
        Name of an engine.

    Examples
    --------
    >>> choose_engine("auto", 3)
    'batch'
    """
    if engine != "auto":
        return engine
    if n_spectra < MIN_SPECTRA_COMPILED:
        return "batch"
    try:
        load_kernels() if selection is None else load_search()
    except ImportError as error:
        logger.debug(str(error))
        return "batch"
    return "compiled"


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
    bin_width = check_number("bin_width", bin_width, low=0)
    low = max(DEFAULT_WIDTH_LIMITS[0], DEFAULT_WIDTH_BINS * round(bin_width, 9))
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
    return freqs[keep], power if keep.all() else power[:, keep]


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
