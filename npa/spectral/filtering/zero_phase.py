"""Any gain as one symmetric FIR filter, applied without a shift in time."""

import numpy as np
import scipy
from scipy import fft

from npa.checks import check_number
from npa.spectral.density import check_signals

_EXACT_SECONDS, _EXACT_TAPS = 24.0, 4096  # at 16 s the kink at 1 Hz is off by more than 0.002

# Blocks of four times the taps, four at once, took a third of the time of whole rows of 10 min.
_BLOCK_TAPS, _MIN_BLOCK, _BLOCKS_AT_ONCE = 4, 2**15, 4


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
    taps *= scipy.signal.windows.tukey(len(taps), 0.75)
    correction = scipy.signal.windows.blackman(len(taps))
    return taps + (wanted[0] - taps.sum()) / correction.sum() * correction


def apply_zero_phase(x, taps, out=None):
    """Filter along the last axis with symmetric taps, without a shift in time.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Real signals, of any length.
    taps : array, shape (n_taps,)
        Symmetric taps, an odd number.
    out : array of float64, shape (..., n_times) | None
        Where to put the result, which may be ``x`` itself; None for a new array.

    Returns
    -------
    filtered : array, shape (..., n_times)
        The filtered signals, in float64. NaN or infinity makes its own row NaN.

    Raises
    ------
    ValueError
        If the taps are not symmetric, or even in number, or ``out`` cannot hold the result.

    Notes
    -----
    Beyond its ends a record is its own mirror image, as often as the taps reach, so the filter
    is the same one for every length. (Point reflection hinges on the very last sample: in 1/f
    noise of exponent 0.7 to 1.5 its edge errors were mostly 2 to 5 times larger.) A long row is
    filtered in overlapping blocks that fit into a processor's cache; what each block keeps is
    the same as if the row were transformed whole. No row shares a transform with another: a
    channel comes out the same, to the last bit, alone and among others.

    Examples
    --------
    >>> import numpy as np
    >>> apply_zero_phase(np.array([1.0, 2.0, 4.0]), np.array([0.25, 0.5, 0.25])).round(6)
    array([1.5 , 2.25, 3.  ])
    """
    taps = _check_taps(taps)
    x = check_signals(x, min_times=1)
    out = _check_out(out, x.shape)
    half, n_times = len(taps) // 2, x.shape[-1]
    whole, short = n_times + 2 * half, max(_BLOCK_TAPS * len(taps), _MIN_BLOCK)
    n_fft = fft.next_fast_len(min(whole, short), real=True)
    gain = fft.rfft(np.roll(np.pad(taps, (0, n_fft - len(taps))), -half)).real
    kept = n_fft - 2 * half
    n_blocks = -(-n_times // kept)
    padded, filtered = np.zeros(n_blocks * kept + 2 * half), np.empty((n_blocks, kept))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::kept]
    for index in np.ndindex(x.shape[:-1]):
        if not np.isfinite(x[index]).all():
            out[index] = np.nan
            continue
        padded[:whole] = np.pad(x[index], half, mode="reflect")
        for first in range(0, n_blocks, _BLOCKS_AT_ONCE):
            some = slice(first, first + _BLOCKS_AT_ONCE)
            spectrum = fft.rfft(blocks[some])
            spectrum *= gain
            inverse = fft.irfft(spectrum, n_fft, overwrite_x=True)
            filtered[some] = inverse[:, half : half + kept]
        out[index] = filtered.reshape(-1)[:n_times]
    return out


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


def _check_taps(taps):
    taps = np.asarray(taps, dtype=np.float64)
    if taps.ndim != 1 or len(taps) % 2 == 0 or not np.allclose(taps, taps[::-1]):
        raise ValueError(f"taps must be symmetric and odd in number, got shape {taps.shape}.")
    return taps


def _check_out(out, shape):
    if out is None:
        return np.empty(shape)
    got = getattr(out, "shape", None), getattr(out, "dtype", type(out).__name__)
    if got != (shape, np.float64):
        raise ValueError(f"out must have shape {shape} and dtype float64, got {got}.")
    return out
