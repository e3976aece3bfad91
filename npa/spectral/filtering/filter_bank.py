"""The paper's filters: a bank of Chebyshev high-passes, and a Remez band-pass per peak."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from npa.checks import check_number
from npa.spectral.density import BLOCK_SAMPLES, check_signals
from npa.spectral.filtering.gains import MAX_EXPONENT
from npa.spectral.filtering.zero_phase import apply_zero_phase, fir_gain
from npa.typing import FloatArray

MAX_RIPPLE_DB = 300.0  # the limit of float64
MIN_BANK_EXPONENT = 0.01  # its inverse is the power of a large number
MAX_STAGES = 64  # of which the last has a weight of 2**-64; ripple allows fewer
MAX_REMEZ_TAPS = 2**14  # with more, the exchange takes minutes and does not converge
MAX_REMEZ_ERROR = 0.1  # of the gain of one pass; 0.01 in the stop bands after two
MIN_TAIL = 1e-12  # a recursive filter is said to reach until its impulse response is as small
USE_EXACT = 'Use design="exact", which has no such limit.'


@dataclass(frozen=True, eq=False)
class Stage:
    """One high-pass of a bank: transfer function ``b / a``, and its weight in the sum.

    Attributes
    ----------
    b, a : array, shape (2,)
        Numerator and denominator of the transfer function.
    frequency : float
        Frequency in Hz at which one pass falls to ``-ripple`` dB.
    ripple : float
        Attenuation in dB at ``frequency``.
    weight : float
        Weight of the output of its two passes.
    """

    b: FloatArray
    a: FloatArray
    frequency: float
    ripple: float
    weight: float


@dataclass(frozen=True, eq=False)
class ChebyshevBank:
    """High-passes whose weighted sum has a roughly logarithmic response.

    Attributes
    ----------
    stages : tuple of Stage
        The filters, by increasing frequency.
    sfreq : float
        Sampling frequency in Hz.
    """

    stages: tuple[Stage, ...]
    sfreq: float

    @property
    def reach(self) -> int:
        """Number of samples until the slowest pole of all stages has decayed to 1e-12."""
        slowest = max(float(np.abs(np.roots(stage.a)).max()) for stage in self.stages)
        return math.ceil(math.log(MIN_TAIL) / math.log(slowest))

    def gain(self, freqs: npt.ArrayLike) -> FloatArray:
        """Compute the zero-phase gain, the weighted sum over the stages.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies in Hz.

        Returns
        -------
        gain : array, shape (n_freqs,)
            ``sum(weight * |H|**2)``, to be compared with `logarithmic_response`.
        """
        freqs = np.asarray(freqs, dtype=np.float64)
        gain = np.zeros(freqs.shape)
        for stage in self.stages:
            _, response = scipy.signal.freqz(stage.b, stage.a, freqs, fs=self.sfreq)
            gain += stage.weight * np.abs(response) ** 2
        return gain

    def apply(self, x: npt.ArrayLike) -> FloatArray:
        """Filter along the last axis by every stage, forwards and backwards, and sum the outputs.

        Parameters
        ----------
        x : array, shape (..., n_times)
            Real signals.

        Returns
        -------
        filtered : array, shape (..., n_times)
            The weighted sum, in float64.
        """
        x = check_signals(x, min_times=1)
        rows = x.reshape(-1, x.shape[-1])
        out = np.zeros(rows.shape)
        padding = min(6, rows.shape[-1] - 1)  # SciPy's default, less for short signals
        step = max(BLOCK_SAMPLES // rows.shape[-1], 1)
        for start in range(0, len(rows), step):
            block = rows[start : start + step].astype(np.float64, copy=False)
            for stage in self.stages:
                passed = scipy.signal.filtfilt(stage.b, stage.a, block, padlen=padding)
                out[start : start + step] += stage.weight * passed
        return out.reshape(x.shape)


@dataclass(frozen=True, eq=False)
class RemezGaussian:
    """An equiripple band-pass whose two passes approximate a Gaussian peak.

    Attributes
    ----------
    taps : array, shape (n_taps,)
        Symmetric taps of one pass.
    cf, sd : float
        Centre and standard deviation of the Gaussian in Hz.
    pass_edges : tuple of float
        Edges of the pass band in Hz.
    stop_edges : tuple of (float | None)
        Edges of the lower and the upper stop band in Hz; None for a stop band that is left out.
    transition : float
        Width of the transition bands relative to the nominal one; 1 unless it had to be changed.
    sfreq : float
        Sampling frequency in Hz.
    """

    taps: FloatArray
    cf: float
    sd: float
    pass_edges: tuple[float, float]
    stop_edges: tuple[float | None, float | None]
    transition: float
    sfreq: float

    @property
    def reach(self) -> int:
        """Number of samples on either side on which a sample of the output depends."""
        return len(self.taps)

    def gain(self, freqs: npt.ArrayLike) -> FloatArray:
        """Compute the zero-phase gain of two passes.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies in Hz.

        Returns
        -------
        gain : array, shape (n_freqs,)
            ``|H|**2``, to be compared with `gaussian_response`.
        """
        return fir_gain(self._two_passes(), freqs, self.sfreq)

    def apply(self, x: npt.ArrayLike) -> FloatArray:
        """Filter along the last axis, forwards and backwards.

        Parameters
        ----------
        x : array, shape (..., n_times)
            Real signals.

        Returns
        -------
        filtered : array, shape (..., n_times)
            The filtered signals, in float64.
        """
        return apply_zero_phase(x, self._two_passes())

    def _two_passes(self) -> FloatArray:
        return np.convolve(self.taps, self.taps[::-1])


def chebyshev_bank(exponent: float, knee: float, sfreq: float, n_stages: int = 5) -> ChebyshevBank:
    """Design the bank of first-order Chebyshev high-passes that mirrors a 1/f background.

    Parameters
    ----------
    exponent : float
        Exponent chi > 0 of the background.
    knee : float
        Knee k >= 0 of the background, in Hz**exponent.
    sfreq : float
        Sampling frequency in Hz.
    n_stages : int, default 5
        Number of filters M.

    Returns
    -------
    bank : ChebyshevBank
        The filters.

    Raises
    ------
    ValueError
        If an argument is out of its range, the frequency of a stage is not between 0 Hz and
        Nyquist (large knees), or its ripple is above 300 dB (many stages).

    Notes
    -----
    With f_N the Nyquist frequency and i = 0..M-1, stage i is a type I high-pass of order 1 with
    ripple ``0.4 sqrt(2**i 4 chi)`` dB at ``((k + f_N**chi)**L - k)**(1 / chi)``, where
    ``L = 1 - 2**-(i + 1)`` is the height of the logarithmic response there; its weight is
    ``2**-(i + 1)``. The paper's r2 is the coefficient of determination
    ``1 - SS_residual / SS_total`` of the realised gain (the squared correlation of realised and
    ideal gain is above 0.99 for every chi).

    Examples
    --------
    >>> bank = chebyshev_bank(exponent=1.0, knee=0.0, sfreq=512.0)
    >>> [round(stage.frequency, 1) for stage in bank.stages]
    [16.0, 64.0, 128.0, 181.0, 215.3]
    """
    exponent = check_number("exponent", exponent, low=MIN_BANK_EXPONENT, high=MAX_EXPONENT)
    knee = check_number("knee", knee, low=0)
    sfreq = check_number("sfreq", sfreq, above=0)
    n_stages = check_number("n_stages", n_stages, low=1, high=MAX_STAGES, integer=True)
    nyquist = sfreq / 2
    stages = []
    for i in range(n_stages):
        level = 1 - 2.0 ** -(i + 1)
        frequency = max((knee + nyquist**exponent) ** level - knee, 0.0) ** (1 / exponent)
        ripple = 0.4 * math.sqrt(2.0**i * 4 * exponent)
        if not 0 < frequency < nyquist or ripple > MAX_RIPPLE_DB:
            raise ValueError(
                f"Chebyshev stage {i} of {n_stages} is undefined for exponent={exponent:g}, "
                f"knee={knee:g}: {frequency:g} Hz of {nyquist:g}, ripple {ripple:.3g} dB. "
                + USE_EXACT
            )
        b, a = scipy.signal.cheby1(1, ripple, frequency, "highpass", fs=sfreq)
        stages.append(Stage(b, a, frequency, ripple, 2.0 ** -(i + 1)))
    return ChebyshevBank(tuple(stages), sfreq)


def remez_gaussian(cf: float, sd: float, sfreq: float, n_taps: int = 256) -> RemezGaussian:
    """Design the equiripple band-pass that approximates a Gaussian peak.

    Parameters
    ----------
    cf : float
        Centre frequency in Hz, between 0 and Nyquist.
    sd : float
        Standard deviation in Hz.
    sfreq : float
        Sampling frequency in Hz.
    n_taps : int, default 256
        Number of taps.

    Returns
    -------
    peak : RemezGaussian
        The filter.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the design does not converge.

    Notes
    -----
    The pass band ends where the Gaussian is 0.5, at ``cf +- sd sqrt(2 ln 2)``, and the stop
    bands begin at ``cf +- 3 sd``; a stop band outside 0 Hz..Nyquist is left out. The design
    counts as converged when the gain of one pass is within 0.1 of the desired gain in every
    band, and nowhere above 1.1. With too few taps the ripple is too large, and the transition
    bands are widened; with too many the gain overshoots between the bands or the algorithm
    fails, and they are narrowed. The factor nearest to 1 (steps of 1.25, between 1/4 and 4)
    that converges is used. An equiripple pass band is flat: at its edges two passes have a gain
    near 1, not 0.5, so the peak is wider than the Gaussian (about 1.6 times at half height for
    256 taps at 256 Hz).

    References
    ----------
    Parks, T. & McClellan, J. (1972). Chebyshev approximation for nonrecursive digital filters
    with linear phase. IEEE Trans. Circuit Theory, 19(2), 189-194.
    https://doi.org/10.1109/TCT.1972.1083419

    Examples
    --------
    >>> peak = remez_gaussian(cf=10.0, sd=2.0, sfreq=256.0)
    >>> peak.stop_edges, peak.transition
    ((4.0, 16.0), 1.0)
    """
    sfreq = check_number("sfreq", sfreq, above=0)
    cf = check_number("cf", cf, above=0, below=sfreq / 2)
    sd = check_number("sd", sd, above=0)
    n_taps = check_number("n_taps", n_taps, low=8, high=MAX_REMEZ_TAPS, integer=True)
    for transition in sorted(1.25 ** np.arange(-6.0, 7.0), key=lambda t: abs(np.log(t))):
        peak = _try_remez(cf, sd, sfreq, n_taps, float(transition))
        if peak is not None:
            return peak
    raise ValueError(
        f"Remez does not converge for cf={cf:g} Hz, sd={sd:g} Hz at sfreq={sfreq:g} Hz with "
        f"{n_taps} taps. {USE_EXACT}"
    )


def _try_remez(
    cf: float, sd: float, sfreq: float, n_taps: int, transition: float
) -> RemezGaussian | None:
    """Design one band-pass; None if it does not converge."""
    nyquist = sfreq / 2
    half_pass = sd * math.sqrt(2 * math.log(2))
    half_stop = half_pass + transition * (3 * sd - half_pass)
    pass_edges = max(cf - half_pass, 0.0), min(cf + half_pass, nyquist)
    low = cf - half_stop if cf - half_stop > 0 else None
    high = cf + half_stop if cf + half_stop < nyquist else None
    bands, desired = [pass_edges], [1.0]
    if low is not None:
        bands, desired = [(0.0, low), *bands], [0.0, *desired]
    if high is not None:
        bands, desired = [*bands, (high, nyquist)], [*desired, 0.0]
    try:
        taps = scipy.signal.remez(n_taps, np.ravel(bands), desired, fs=sfreq)
    except ValueError:  # raised by SciPy where the algorithm does not converge
        return None
    freqs = np.linspace(0, nyquist, 16 * n_taps + 1)
    gain = np.abs(scipy.signal.freqz(taps, 1, freqs, fs=sfreq)[1])
    errors = [
        np.abs(gain[(freqs >= start) & (freqs <= stop)] - level).max()
        for (start, stop), level in zip(bands, desired, strict=True)
    ]
    if max(errors) > MAX_REMEZ_ERROR or gain.max() > 1 + MAX_REMEZ_ERROR:
        return None
    return RemezGaussian(taps, cf, sd, pass_edges, (low, high), transition, sfreq)
