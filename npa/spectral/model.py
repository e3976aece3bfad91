"""The model of a power spectrum: an aperiodic background and Gaussian peaks, in log10 power."""

import numpy as np
import numpy.typing as npt

from npa.checks import check_values
from npa.typing import FloatArray


def aperiodic(
    freqs: npt.ArrayLike,
    offset: float | FloatArray,
    exponent: float | FloatArray,
    knee: float | FloatArray = 0.0,
    floor: float | FloatArray = -np.inf,
) -> FloatArray:
    """Compute the aperiodic background of a spectrum.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz, >= 0.
    offset : float | array
        Offset of the background in log10(V^2/Hz); at ``knee=0``, its value at 1 Hz.
    exponent : float | array
        Exponent chi: power falls as ``1 / f**exponent`` far above the knee.
    knee : float | array
        Knee parameter k in Hz**exponent; 0 is a straight line in log-log.
    floor : float | array
        Power of white noise that is added, in log10(V^2/Hz); ``-inf`` (default) for none.

    Returns
    -------
    log_power : array
        ``offset - log10(knee + freqs**exponent)``, or with a floor
        ``log10(10**offset / (knee + freqs**exponent) + 10**floor)``, with NumPy's broadcasting;
        infinite at 0 Hz without a knee, NaN where the logarithm does not exist (with a negative
        knee).

    Raises
    ------
    TypeError
        If an argument is not numbers.
    ValueError
        If their shapes do not go together.

    Notes
    -----
    The background bends at the `knee_frequency`.

    References
    ----------
    Donoghue, T. et al. (2020). Parameterizing neural power spectra into periodic and aperiodic
    components. Nature Neuroscience, 23, 1655-1665. https://doi.org/10.1038/s41593-020-00744-x

    Examples
    --------
    >>> import numpy as np
    >>> np.round(aperiodic(np.array([1.0, 10.0, 100.0]), offset=-10, exponent=1.5), 6)
    array([-10. , -11.5, -13. ])
    """
    freqs, offset = check_values("freqs", freqs), check_values("offset", offset)
    exponent, knee = check_values("exponent", exponent), check_values("knee", knee)
    floor = check_values("floor", floor)
    try:
        np.broadcast(freqs, offset, exponent, knee, floor)
    except ValueError:
        raise ValueError(
            "freqs, offset, exponent, knee and floor must have shapes that go together, got "
            f"{freqs.shape}, {offset.shape}, {exponent.shape}, {knee.shape} and {floor.shape}."
        ) from None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_power: FloatArray = offset - np.log10(knee + freqs**exponent)
        if np.any(floor > -np.inf):
            both = np.logaddexp(np.log(10) * log_power, np.log(10) * floor)
            log_power = np.asarray(both / np.log(10))
    return log_power


def knee_frequency(
    knee: npt.ArrayLike,
    exponent: npt.ArrayLike,
    freq_range: tuple[float, float] = (0.0, np.inf),
) -> FloatArray:
    """Compute the frequency at which backgrounds bend.

    Parameters
    ----------
    knee : float | array
        Knee parameter k in Hz**exponent.
    exponent : float | array
        Exponent chi.
    freq_range : tuple of float, default (0, inf)
        Lowest and highest plausible frequency in Hz.

    Returns
    -------
    knee_freq : array
        ``knee**(1 / exponent)`` in Hz; NaN where the knee or the exponent is not positive, or
        the frequency is not plausible. A process with the time constant
        ``1 / (2 pi knee_freq)`` in s has this background if the exponent is 2.

    References
    ----------
    Gao, R., et al. (2020). Neuronal timescales are functionally dynamic and shaped by cortical
    microarchitecture. eLife, 9, e61277. https://doi.org/10.7554/eLife.61277

    Examples
    --------
    >>> knee_frequency([25.0, 0.0, -1.0], 2.0)
    array([ 5., nan, nan])
    """
    knee, exponent = np.broadcast_arrays(
        np.asarray(knee, np.float64), np.asarray(exponent, np.float64)
    )
    bends = (knee > 0) & (exponent > 0)
    with np.errstate(over="ignore", under="ignore"):
        freq = np.where(bends, knee, 1.0) ** (1 / np.where(bends, exponent, 1.0))
    low, high = freq_range
    return np.where(bends & (freq >= low) & (freq <= high) & (freq > 0), freq, np.nan)


def gaussians(freqs: npt.ArrayLike, peaks: npt.ArrayLike) -> FloatArray:
    """Compute the sum of Gaussian peaks above the background.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    peaks : array, shape (n_peaks, 3)
        Centre frequency (Hz), height (log10 power above the background) and standard deviation
        (Hz) of each peak. May be empty.

    Returns
    -------
    log_power : array, shape (n_freqs,)
        Sum of ``height * exp(-(f - cf)**2 / (2 sd**2))`` over the peaks.

    Raises
    ------
    ValueError
        If ``peaks`` has another shape, or a standard deviation is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> gaussians(np.array([10.0, 20.0]), [[10.0, 0.8, 1.0], [20.0, 0.3, 2.0]]).round(3)
    array([0.8, 0.3])
    """
    freqs, peaks = check_values("freqs", freqs), check_values("peaks", peaks)
    if peaks.size == 0:
        return np.zeros_like(freqs)
    if peaks.ndim != 2 or peaks.shape[1] != 3:
        raise ValueError(f"peaks must have shape (n_peaks, 3), got {peaks.shape}.")
    if not (peaks[:, 2] > 0).all():
        raise ValueError(f"peaks must have standard deviations > 0, got {peaks[:, 2].tolist()}.")
    cf, height, sd = peaks.T
    bumps: FloatArray = np.exp(-0.5 * ((freqs[..., np.newaxis] - cf) / sd) ** 2) @ height
    return bumps
