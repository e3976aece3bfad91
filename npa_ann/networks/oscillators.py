"""Damped oscillators as second-order recurrences h_t = w1 h_{t-1} + w2 h_{t-2}, and back."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from npa.checks import check_number
from npa.spectral.bands import GOLDEN_RATIO
from npa.typing import BoolArray, FloatArray


class Resonance(NamedTuple):
    """Free oscillation of the recurrence h_t = w1 h_{t-1} + w2 h_{t-2}.

    Parameters
    ----------
    frequency : array
        Frequency in Hz; 0 for a recurrence that does not oscillate, the Nyquist frequency for one
        that changes its sign at every step.
    r : array
        Factor of the amplitude per step: the modulus of the larger pole.
    decay : array
        Decay rate of the amplitude in 1/s; negative if it grows.
    stable : array of bool
        Whether the oscillation decays (r < 1).
    """

    frequency: FloatArray
    r: FloatArray
    decay: FloatArray
    stable: BoolArray


def resonance_weights(
    frequency: npt.ArrayLike, r: npt.ArrayLike = 0.99999, sfreq: float = 1000.0
) -> tuple[FloatArray, FloatArray]:
    """Return the weights of the recurrence with a given frequency and decay.

    Parameters
    ----------
    frequency : float | array-like
        Frequency f in Hz, above 0 and below the Nyquist frequency.
    r : float | array-like
        Factor of the amplitude per step, 0 < r <= 1; r = exp(-beta / sfreq) decays at the rate
        beta. Default 0.99999.
    sfreq : float
        Sampling rate in Hz. Default 1000.

    Returns
    -------
    w1, w2 : array
        Weights of the last two states.

    Raises
    ------
    ValueError
        If an argument is out of bounds.

    Notes
    -----
    w1 = 2 r cos(2 pi f / sfreq), w2 = -r^2. The samples of x'' + 2 beta x' + omega^2 x = 0 obey it
    with 2 pi f = sqrt(omega^2 - beta^2) exactly.

    Examples
    --------
    An undamped oscillation with a period of six steps:

    >>> w1, w2 = resonance_weights(frequency=1, r=1, sfreq=6)
    >>> round(float(w1), 6), float(w2)
    (1.0, -1.0)
    """
    sfreq = check_number("sfreq", sfreq, above=0)
    frequency = check_numbers("frequency", frequency, above=0, below=sfreq / 2)
    r = check_numbers("r", r, above=0, high=1)
    return 2 * r * np.cos(2 * np.pi * frequency / sfreq), -np.square(r)


def backward_weights(
    omega: npt.ArrayLike, beta: npt.ArrayLike, dt: float
) -> tuple[FloatArray, FloatArray]:
    """Return the weights of a damped oscillator discretized by backward differences.

    Parameters
    ----------
    omega : float | array-like
        Undamped angular frequency in rad/s, above 0.
    beta : float | array-like
        Damping in 1/s, at least 0.
    dt : float
        Time step in s.

    Returns
    -------
    w1, w2 : array
        Weights of the last two states.

    Raises
    ------
    ValueError
        If an argument is out of bounds.

    Notes
    -----
    x'' + 2 beta x' + omega^2 x = 0 with x' = (x_t - x_{t-1}) / dt, and x'' likewise, becomes
    w1 = 2 (1 + beta dt) / q, w2 = -1 / q, q = 1 + 2 beta dt + omega^2 dt^2. The recurrence decays
    faster and oscillates slower than the continuous oscillator; the error is of first order in dt.

    Examples
    --------
    >>> w1, w2 = backward_weights(omega=1, beta=0, dt=1)
    >>> float(w1), float(w2)
    (1.0, -0.5)
    """
    dt = check_number("dt", dt, above=0)
    omega, beta = check_numbers("omega", omega, above=0), check_numbers("beta", beta, low=0)
    q = 1 + 2 * beta * dt + np.square(omega * dt)
    return 2 * (1 + beta * dt) / q, -1 / q


def oscillator_parameters(
    w1: npt.ArrayLike, w2: npt.ArrayLike, dt: float
) -> tuple[FloatArray, FloatArray]:
    """Return the damped oscillator whose discretization by backward differences has these weights.

    Parameters
    ----------
    w1, w2 : float | array-like
        Weights of the last two states.
    dt : float
        Time step in s.

    Returns
    -------
    omega : array
        Undamped angular frequency in rad/s.
    beta : array
        Damping in 1/s. Negative for weights that decay more slowly than any discretization by
        backward differences, such as those of `resonance_weights` with r near 1.

    Raises
    ------
    ValueError
        If no oscillator has these weights (w2 >= 0 or w1 + w2 >= 1).

    Notes
    -----
    omega = sqrt((w1 + w2 - 1) / (w2 dt^2)), beta = -(w1 + 2 w2) / (2 w2 dt): the inverse of
    `backward_weights`.

    Examples
    --------
    >>> omega, beta = oscillator_parameters(w1=1, w2=-0.5, dt=1)
    >>> float(omega), float(beta)
    (1.0, 0.0)
    """
    dt = check_number("dt", dt, above=0)
    w1, w2 = check_numbers("w1", w1), check_numbers("w2", w2, below=0)
    check_numbers("w1 + w2", w1 + w2, below=1)
    return np.sqrt((w1 + w2 - 1) / w2) / dt, -(w1 + 2 * w2) / (2 * w2 * dt)


def resonance(w1: npt.ArrayLike, w2: npt.ArrayLike, sfreq: float = 1000.0) -> Resonance:
    """Return frequency, decay and stability of h_t = w1 h_{t-1} + w2 h_{t-2}.

    Parameters
    ----------
    w1, w2 : float | array-like
        Weights of the last two states.
    sfreq : float
        Sampling rate in Hz. Default 1000.

    Returns
    -------
    resonance : Resonance
        ``frequency`` (Hz), ``r``, ``decay`` (1/s) and ``stable``.

    Raises
    ------
    ValueError
        If a weight is not finite or the sampling rate not positive.

    Notes
    -----
    The poles are the roots of z^2 - w1 z - w2. A complex pair r exp(+-i theta) oscillates at
    sfreq theta / (2 pi); of two real poles, the one with the larger modulus dominates.

    Examples
    --------
    >>> free = resonance(*resonance_weights(frequency=10, r=0.99), sfreq=1000)
    >>> round(float(free.frequency), 6), round(float(free.decay), 2), bool(free.stable)
    (10.0, 10.05, True)
    """
    sfreq = check_number("sfreq", sfreq, above=0)
    w1, w2 = np.broadcast_arrays(check_numbers("w1", w1), check_numbers("w2", w2))
    discriminant = np.square(w1) + 4 * w2
    imaginary = np.sqrt(np.maximum(-discriminant, 0))
    real = np.sqrt(np.maximum(discriminant, 0))
    r = np.where(discriminant < 0, np.sqrt(np.maximum(-w2, 0)), (np.abs(w1) + real) / 2)
    with np.errstate(divide="ignore"):
        decay = -np.log(r) * sfreq
    return Resonance(np.arctan2(imaginary, w1) / (2 * np.pi) * sfreq, r, decay, r < 1)


def golden_frequencies(low: float = 2.0, sfreq: float = 1000.0) -> FloatArray:
    """Return the frequencies low phi^k for which the recurrence has a positive w1.

    Parameters
    ----------
    low : float
        Lowest frequency in Hz. Default 2.
    sfreq : float
        Sampling rate in Hz; w1 is positive below ``sfreq / 4``. Default 1000.

    Returns
    -------
    frequencies : array
        Increasing frequencies in Hz, each phi = 1.618 times the previous one.

    Raises
    ------
    ValueError
        If ``low`` is not between 0 and ``sfreq / 4``.

    Examples
    --------
    >>> print(golden_frequencies().round(1))
    [  2.    3.2   5.2   8.5  13.7  22.2  35.9  58.1  94.  152.  246. ]
    """
    highest = check_number("sfreq", sfreq, above=0) / 4
    low = check_number("low", low, above=0, below=highest)
    return low * GOLDEN_RATIO ** np.arange(np.ceil(np.log(highest / low) / np.log(GOLDEN_RATIO)))


def check_numbers(name: str, value: npt.ArrayLike, **bounds: Any) -> FloatArray:
    """Return ``value`` as an array of floats after checking each of them.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : float | array-like
        The numbers.
    **bounds
        Passed to `npa.checks.check_number`.

    Returns
    -------
    array : array
        The numbers as floats.

    Raises
    ------
    ValueError
        If a number is not finite or outside the bounds.

    Examples
    --------
    >>> check_numbers("beta", [0, 1], low=0)
    array([0., 1.])
    """
    array = np.asarray(value, dtype=float)
    for number in array.ravel():
        check_number(name, float(number), **bounds)
    return array
