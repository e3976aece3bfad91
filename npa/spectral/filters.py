"""Filters that realise the ideal responses: the paper's bank and Gaussians, and the exact FIR."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from npa.checks import check_number
from npa.spectral.density import BLOCK, check_signals

_EXACT_SECONDS, _EXACT_TAPS = 24.0, 4096  # at 16 s the kink at 1 Hz is off by more than 0.002
_MAX_ATTENUATION = 300.0  # dB; float64 holds no more
_MAX_RIPPLE = 0.1  # one pass; 0.01 in the stop bands after two
_USE_EXACT = 'Use design="exact", which has no such limit.'


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
        Factor on the output of its two passes.
    """

    b: np.ndarray
    a: np.ndarray
    frequency: float
    ripple: float
    weight: float


@dataclass(frozen=True, eq=False)
class ChebyshevBank:
    """High-passes whose weighted outputs add up to a roughly logarithmic response.

    Attributes
    ----------
    stages : tuple of Stage
        The filters, from the lowest frequency to the highest.
    sfreq : float
        Sampling frequency in Hz.
    """

    stages: tuple
    sfreq: float

    def gain(self, freqs):
        """Compute the zero-phase gain of the bank, two passes of every stage added up.

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
        return sum(
            stage.weight * np.abs(signal.freqz(stage.b, stage.a, freqs, fs=self.sfreq)[1]) ** 2
            for stage in self.stages
        )

    def apply(self, x):
        """Filter along the last axis, every stage forwards and backwards, and add the outputs.

        Parameters
        ----------
        x : array, shape (..., n_times)
            Real signals.

        Returns
        -------
        filtered : array, shape (..., n_times)
            The sum, in float64.
        """
        rows, out = _rows(x)
        padding = min(6, rows.shape[-1] - 1)  # SciPy's own, and what a short record has
        step = max(BLOCK // rows.shape[-1], 1)
        for start in range(0, len(rows), step):
            block = rows[start : start + step].astype(np.float64, copy=False)
            for stage in self.stages:
                passed = signal.filtfilt(stage.b, stage.a, block, padlen=padding)
                out[start : start + step] += stage.weight * passed
        return out.reshape(np.shape(x))


@dataclass(frozen=True, eq=False)
class RemezGaussian:
    """An equiripple band-pass that stands for a Gaussian peak after two passes.

    Attributes
    ----------
    taps : array, shape (n_taps,)
        Symmetric taps of one pass.
    cf, sd : float
        Centre and standard deviation of the Gaussian in Hz.
    pass_edges : tuple of float
        Ends of the pass band in Hz.
    stop_edges : tuple of (float | None)
        End of the lower and start of the upper stop band in Hz; None where there is none.
    transition : float
        Width of the transition bands over that asked for; 1 unless the edges had to be moved.
    sfreq : float
        Sampling frequency in Hz.
    """

    taps: np.ndarray
    cf: float
    sd: float
    pass_edges: tuple
    stop_edges: tuple
    transition: float
    sfreq: float

    def gain(self, freqs):
        """Compute the zero-phase gain of two passes, as `fir_gain`.

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

    def apply(self, x):
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

    def _two_passes(self):
        return np.convolve(self.taps, self.taps[::-1])


def chebyshev_bank(exponent, knee, sfreq, n_stages=5):
    """Design the bank of first-order Chebyshev high-passes that mirrors a 1/f background.

    Parameters
    ----------
    exponent : float
        Exponent chi > 0 of the background.
    knee : float
        Knee k >= 0 of the background, in Hz**exponent.
    sfreq : float
        Sampling frequency in Hz.
    n_stages : int
        Number of filters M.

    Returns
    -------
    bank : ChebyshevBank
        The filters; see its ``gain`` and ``apply``.

    Raises
    ------
    ValueError
        If an argument is out of its range, or a filter's frequency is not between 0 Hz and
        Nyquist (large knees), or its ripple above 300 dB (many stages).

    Notes
    -----
    With f_N the Nyquist frequency and i = 0..M-1, stage i is a type I high-pass of order 1 with
    ripple ``0.4 sqrt(2**i 4 chi)`` dB at ``((k + f_N**chi)**L - k)**(1 / chi)``, where
    ``L = 1 - 2**-(i + 1)`` is the height of the logarithmic response there; its weight is
    ``2**-(i + 1)``. The paper's r2 is ``1 - SS_residual / SS_total`` of sum against ideal (the
    squared correlation is above 0.99 for every chi).

    Examples
    --------
    >>> bank = chebyshev_bank(exponent=1.0, knee=0.0, sfreq=512.0)
    >>> [round(stage.frequency, 1) for stage in bank.stages]
    [16.0, 64.0, 128.0, 181.0, 215.3]
    """
    exponent = check_number("exponent", exponent, above=0)
    knee = check_number("knee", knee, low=0)
    sfreq = check_number("sfreq", sfreq, above=0)
    n_stages = check_number("n_stages", n_stages, low=1, integer=True)
    nyquist = sfreq / 2
    stages = []
    for i in range(n_stages):
        level = 1 - 2.0 ** -(i + 1)
        frequency = max((knee + nyquist**exponent) ** level - knee, 0.0) ** (1 / exponent)
        ripple = 0.4 * math.sqrt(2.0**i * 4 * exponent)
        if not 0 < frequency < nyquist or ripple > _MAX_ATTENUATION:
            raise ValueError(
                f"Chebyshev stage {i} of {n_stages} is undefined for exponent={exponent:g}, "
                f"knee={knee:g}: {frequency:g} Hz of {nyquist:g}, ripple {ripple:.3g} dB. "
                + _USE_EXACT
            )
        b, a = signal.cheby1(1, ripple, frequency, "highpass", fs=sfreq)
        stages.append(Stage(b, a, frequency, ripple, 2.0 ** -(i + 1)))
    return ChebyshevBank(tuple(stages), sfreq)


def remez_gaussian(cf, sd, sfreq, n_taps=256):
    """Design the equiripple band-pass that stands for one Gaussian peak.

    Parameters
    ----------
    cf : float
        Centre frequency in Hz, between 0 and Nyquist.
    sd : float
        Standard deviation in Hz.
    sfreq : float
        Sampling frequency in Hz.
    n_taps : int
        Number of taps.

    Returns
    -------
    peak : RemezGaussian
        The filter; see its ``gain``, ``apply`` and ``transition``.

    Raises
    ------
    ValueError
        If an argument is out of its range, or no edges give a usable filter.

    Notes
    -----
    The pass band ends where the Gaussian is 0.5, at ``cf +- sd sqrt(2 ln 2)``, and the stop
    bands begin at ``cf +- 3 sd``; a stop band outside 0 Hz..Nyquist is left out. Remez has
    converged when one pass is within 0.1 of what is wanted in every band, and nowhere above
    1.1. Too few taps leave ripple, cured by wider transition bands; too many overshoot between
    the bands or fail, cured by narrower ones. The factor on their width nearest to 1 (steps of
    1.25, between 1/4 and 4) that converges is taken. An equiripple pass band is flat: at the
    pass edges two passes have a gain near 1, not 0.5, so the peak comes out wider than the
    Gaussian (about 1.6 times at half its height for 256 taps at 256 Hz).

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
    n_taps = check_number("n_taps", n_taps, low=8, integer=True)
    for transition in sorted(1.25 ** np.arange(-6.0, 7.0), key=lambda t: abs(np.log(t))):
        peak = _try_remez(cf, sd, sfreq, n_taps, float(transition))
        if peak is not None:
            return peak
    raise ValueError(
        f"Remez does not converge for cf={cf:g} Hz, sd={sd:g} Hz at sfreq={sfreq:g} Hz with "
        f"{n_taps} taps. {_USE_EXACT}"
    )


def zero_phase_fir(gain, sfreq, n_taps=None):
    """Design the symmetric FIR filter whose gain is a given function of frequency.

    Parameters
    ----------
    gain : callable | (array, array)
        Real gain as a function of frequencies in Hz, or frequencies (rising) and the gain at
        them, interpolated linearly and held beyond their ends.
    sfreq : float
        Sampling frequency in Hz.
    n_taps : int | None
        Number of taps; an even number is raised by one. The longer of 24 s and 4,096 samples
        by default.

    Returns
    -------
    taps : array, shape (n_taps,)
        Symmetric taps around the middle one, for `apply_zero_phase`.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the gain is not finite everywhere.

    Notes
    -----
    The gain is sampled 16 times finer than the filter resolves, so that the slowly decaying
    impulse response does not fold over, and that is cut to the taps by a Tukey window: a Hann
    window would round off the logarithm's kink at 1 Hz, none would let the cusp of a small
    exponent at 0 Hz ring. At 0 Hz, where recordings have their offset, a correction the shape
    of a Blackman window (3 / 24 s = 0.125 Hz wide) restores the gain.

    Examples
    --------
    >>> import numpy as np
    >>> taps = zero_phase_fir(lambda freqs: np.exp(-0.5 * (freqs - 10) ** 2), sfreq=128.0)
    >>> len(taps), fir_gain(taps, np.array([0.0, 10.0, 11.0]), sfreq=128.0).round(4) + 0.0
    (4097, array([0.    , 1.    , 0.6065]))
    """
    sfreq = check_number("sfreq", sfreq, above=0)
    if n_taps is None:
        n_taps = max(int(np.ceil(_EXACT_SECONDS * sfreq)), _EXACT_TAPS)
    half = check_number("n_taps", n_taps, low=3, integer=True) // 2
    n_fft = 2 * fft.next_fast_len(16 * half, real=True)
    freqs = fft.rfftfreq(n_fft, 1 / sfreq)
    wanted = np.asarray(gain(freqs) if callable(gain) else np.interp(freqs, *gain), dtype=float)
    if wanted.shape != freqs.shape or not np.isfinite(wanted).all():
        raise ValueError(
            f"gain must be finite at all of the {len(freqs)} frequencies from 0 to "
            f"{sfreq / 2:g} Hz, got {np.isfinite(wanted).sum()} finite values."
        )
    taps = np.roll(fft.irfft(wanted, n_fft), half)[: 2 * half + 1]
    taps *= signal.windows.tukey(len(taps), 0.75)
    correction = signal.windows.blackman(len(taps))
    return taps + (wanted[0] - taps.sum()) / correction.sum() * correction


def apply_zero_phase(x, taps):
    """Filter along the last axis with symmetric taps, without a shift in time.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Real signals, of any length.
    taps : array, shape (n_taps,)
        Symmetric taps, an odd number.

    Returns
    -------
    filtered : array, shape (..., n_times)
        The filtered signals, in float64. NaN spreads over its own row.

    Raises
    ------
    ValueError
        If the taps are not symmetric, or even in number.

    Notes
    -----
    Beyond its ends a record is its own mirror image, as often as the taps reach, so the filter
    is the same one for every length. (Point reflection hinges on the very last sample: in 1/f
    noise of exponent 0.7 to 1.5 its edge errors were mostly 2 to 5 times larger.) Every row
    has its own FFT: a channel comes out the same, to the last bit, alone and among others.

    Examples
    --------
    >>> import numpy as np
    >>> apply_zero_phase(np.array([1.0, 2.0, 4.0]), np.array([0.25, 0.5, 0.25])).round(6)
    array([1.5 , 2.25, 3.  ])
    """
    taps = _check_taps(taps)
    rows, out = _rows(x)
    half, n_times = len(taps) // 2, rows.shape[-1]
    period = max(2 * (n_times - 1), 1)
    mirrored = (n_times - 1) - np.abs(np.arange(-half, n_times + half) % period - (n_times - 1))
    n_fft = fft.next_fast_len(len(mirrored), real=True)
    gain = fft.rfft(np.roll(np.pad(taps, (0, n_fft - len(taps))), -half)).real
    for row, filtered in zip(rows, out, strict=True):
        padded = row.astype(np.float64, copy=False)[mirrored]
        filtered[:] = fft.irfft(fft.rfft(padded, n_fft) * gain, n_fft)[half : half + n_times]
    return out.reshape(np.shape(x))


def fir_gain(taps, freqs, sfreq):
    """Compute the zero-phase gain of symmetric taps.

    Parameters
    ----------
    taps : array, shape (n_taps,)
        Symmetric taps, an odd number.
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    sfreq : float
        Sampling frequency in Hz.

    Returns
    -------
    gain : array, shape (n_freqs,)
        Real gain; negative where the filter inverts.

    Examples
    --------
    >>> import numpy as np
    >>> fir_gain(np.array([0.25, 0.5, 0.25]), np.array([0.0, 25.0, 50.0]), sfreq=100.0)
    array([1. , 0.5, 0. ])
    """
    taps = _check_taps(taps)
    # A cosine series is a Chebyshev series in the cosine: no (n_freqs, n_taps) table is needed.
    series = taps[len(taps) // 2 :] * np.r_[1.0, np.full(len(taps) // 2, 2.0)]
    return np.polynomial.chebyshev.chebval(np.cos(2 * np.pi * np.asarray(freqs) / sfreq), series)


def _try_remez(cf, sd, sfreq, n_taps, transition):
    nyquist = sfreq / 2
    half_pass = sd * math.sqrt(2 * math.log(2))
    half_stop = half_pass + transition * (3 * sd - half_pass)
    pass_edges = max(cf - half_pass, 0.0), min(cf + half_pass, nyquist)
    low = cf - half_stop if cf - half_stop > 0 else None
    high = cf + half_stop if cf + half_stop < nyquist else None
    bands = [band for band in ((0.0, low), pass_edges, (high, nyquist)) if None not in band]
    wanted = [float(band is pass_edges) for band in bands]
    try:
        taps = signal.remez(n_taps, np.ravel(bands), wanted, fs=sfreq)
    except ValueError:  # SciPy's word for "no convergence"
        return None
    freqs = np.linspace(0, nyquist, 16 * n_taps + 1)
    gain = np.abs(signal.freqz(taps, 1, freqs, fs=sfreq)[1])
    errors = [
        np.abs(gain[(freqs >= start) & (freqs <= stop)] - level).max()
        for (start, stop), level in zip(bands, wanted, strict=True)
    ]
    if max(errors) > _MAX_RIPPLE or gain.max() > 1 + _MAX_RIPPLE:
        return None
    return RemezGaussian(taps, cf, sd, pass_edges, (low, high), transition, sfreq)


def _check_taps(taps):
    taps = np.asarray(taps, dtype=np.float64)
    if taps.ndim != 1 or len(taps) % 2 == 0 or not np.allclose(taps, taps[::-1]):
        raise ValueError(f"taps must be symmetric and odd in number, got shape {taps.shape}.")
    return taps


def _rows(x):
    x = check_signals(x, min_times=1)
    rows = x.reshape(-1, x.shape[-1])
    return rows, np.zeros(rows.shape)
