"""Ideal gains: the magnitude responses that filters are designed to have."""

import numpy as np
import numpy.typing as npt

from npa.checks import check_number, check_values
from npa.typing import FloatArray

# Outside, powers of frequencies overflow, or cannot be told from 1.
MIN_EXPONENT, MAX_EXPONENT = 1e-6, 50.0


def logarithmic_response(
    freqs: npt.ArrayLike, exponent: float, knee: float, nyquist: float
) -> FloatArray:
    """Compute the logarithmic response that mirrors a 1/f background.

    Parameters
    ----------
    freqs : array
        Frequencies in Hz, not negative.
    exponent : float
        Exponent chi > 0 of the background.
    knee : float
        Knee k >= 0 of the background, in Hz**exponent.
    nyquist : float
        Frequency in Hz at which the response reaches 1; above 1.

    Returns
    -------
    gain : array
        Gain between 0 and 1, shape as ``freqs``.

    Raises
    ------
    ValueError
        If an argument is out of its range. At ``nyquist <= 1`` the response would be 1
        everywhere; use `whitening_response` there.

    Notes
    -----
    ``clip(log10(k + f**chi) / log10(k + nyquist**chi), 0, 1)``, and 0 at 0 Hz. Without a knee
    chi cancels: the response is ``log(f) / log(nyquist)``, and zero below 1 Hz.

    Examples
    --------
    >>> import numpy as np
    >>> logarithmic_response(np.array([0.0, 1.0, 16.0, 256.0]), 1.5, 0.0, 256.0)
    array([0. , 0. , 0.5, 1. ])
    """
    freqs = _check_freqs(freqs)
    exponent = check_number("exponent", exponent, low=MIN_EXPONENT, high=MAX_EXPONENT)
    knee = check_number("knee", knee, low=0)
    nyquist = check_number("nyquist", nyquist, above=0)
    if nyquist <= 1:
        raise ValueError(
            f"nyquist must be above 1 Hz for the logarithmic response, got {nyquist:g}: it would "
            'be 1 everywhere. Use the whitening response (response="whitening") instead.'
        )
    with np.errstate(divide="ignore"):
        gain = np.log10(knee + freqs**exponent) / np.log10(knee + nyquist**exponent)
    return np.where(freqs > 0, np.clip(gain, 0.0, 1.0), 0.0)


def gaussian_response(freqs: npt.ArrayLike, cf: float, sd: float) -> FloatArray:
    """Compute the Gaussian response of one spectral peak.

    Parameters
    ----------
    freqs : array
        Frequencies in Hz, not negative.
    cf : float
        Centre frequency in Hz.
    sd : float
        Standard deviation in Hz, above 0.

    Returns
    -------
    gain : array
        ``exp(-(f - cf)**2 / (2 sd**2))``, shape as ``freqs``.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> gaussian_response(np.array([10.0, 12.0]), cf=10.0, sd=2.0).round(4)
    array([1.    , 0.6065])
    """
    cf = check_number("cf", cf, low=0)
    sd = check_number("sd", sd, above=0)
    return np.asarray(np.exp(-0.5 * ((_check_freqs(freqs) - cf) / sd) ** 2))


def whitening_response(
    freqs: npt.ArrayLike, exponent: float, knee: float, nyquist: float
) -> FloatArray:
    """Compute the response that flattens a 1/f background.

    Parameters
    ----------
    freqs : array
        Frequencies in Hz, not negative.
    exponent : float
        Exponent chi >= 0 of the background.
    knee : float
        Knee k >= 0 of the background, in Hz**exponent.
    nyquist : float
        Frequency in Hz, above 0, at which the response is 1.

    Returns
    -------
    gain : array
        Gain, shape as ``freqs``; between 0 and 1 up to ``nyquist``.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    ``sqrt((k + f**chi) / (k + nyquist**chi))``: its square is the inverse of the background
    ``1 / (k + f**chi)``, up to a constant.

    Examples
    --------
    >>> import numpy as np
    >>> whitening_response(np.array([0.0, 1.0, 4.0, 64.0]), 1.0, 0.0, 64.0)
    array([0.   , 0.125, 0.25 , 1.   ])
    """
    freqs = _check_freqs(freqs)
    exponent = check_number("exponent", exponent, low=0, high=MAX_EXPONENT)
    knee = check_number("knee", knee, low=0)
    nyquist = check_number("nyquist", nyquist, above=0)
    return np.asarray(np.sqrt((knee + freqs**exponent) / (knee + nyquist**exponent)))


def _check_freqs(freqs: npt.ArrayLike) -> FloatArray:
    freqs = check_values("freqs", freqs)
    if not (freqs >= 0).all() or not np.isfinite(freqs).all():
        raise ValueError(f"freqs must be finite and >= 0 Hz, got {freqs.min():g}..{freqs.max():g}.")
    return freqs
