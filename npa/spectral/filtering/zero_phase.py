"""Any gain as one symmetric FIR filter, applied without a shift in time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from scipy import fft

from npa.checks import check_number, check_values
from npa.spectral.density import check_signals
from npa.typing import AnyArray, FloatArray

# With 16 s the gain at the kink at 1 Hz is off by more than 0.002.
MIN_SECONDS, MIN_TAPS = 24.0, 4096
MAX_TAPS = 2**20  # of 24 s at 43 kHz; more would fill the memory

# Blocks of 4 times the taps, 4 at once, take a third of the time of whole rows of 10 min.
BLOCK_LENGTH_IN_TAPS, MIN_BLOCK_SAMPLES, BLOCKS_AT_ONCE = 4, 2**15, 4


@dataclass(frozen=True, eq=False)
class ZeroPhaseFIR:
    """A symmetric FIR filter, applied without a shift in time.

    Parameters
    ----------
    taps : array, shape (n_taps,)
        Symmetric taps, odd in number.
    sfreq : float
        Sampling frequency in Hz.
    """

    taps: FloatArray
    sfreq: float

    @property
    def reach(self) -> int:
        """Number of samples on either side on which a sample of the output depends."""
        return len(self.taps) // 2

    def gain(self, freqs: npt.ArrayLike) -> FloatArray:
        """Compute the gain, see `fir_gain`.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies in Hz.

        Returns
        -------
        gain : array, shape (n_freqs,)
            Real gain.
        """
        return fir_gain(self.taps, freqs, self.sfreq)

    def apply(self, x: npt.ArrayLike) -> FloatArray:
        """Filter along the last axis, see `apply_zero_phase`.

        Parameters
        ----------
        x : array, shape (..., n_times)
            Real signals.

        Returns
        -------
        filtered : array, shape (..., n_times)
            The filtered signals, in float64.
        """
        return apply_zero_phase(x, self.taps)


def zero_phase_fir(
    gain: Callable[[FloatArray], npt.ArrayLike] | tuple[FloatArray, FloatArray],
    sfreq: float,
    n_taps: int | None = None,
) -> FloatArray:
    """Design the symmetric FIR filter whose gain is a given function of frequency.

    Parameters
    ----------
    gain : callable | (array, array)
        Real gain as a function of frequencies in Hz, or frequencies (increasing) and the gain at
        them, which is interpolated linearly and constant beyond their ends.
    sfreq : float
        Sampling frequency in Hz.
    n_taps : int | None
        Number of taps; an even number is increased by one. None for the longer of 24 s and 4,096
        samples.

    Returns
    -------
    taps : array, shape (n_taps,)
        Symmetric taps, for `apply_zero_phase`.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the gain is not finite everywhere.

    Notes
    -----
    This is the frequency sampling method with a window. The gain is sampled 16 times finer than
    the filter resolves, so that the slowly decaying impulse response does not alias in time, and
    the impulse response is truncated by a Tukey window: a Hann window would round off the kink
    of the logarithm at 1 Hz, and a boxcar would ring at the cusp of a small exponent at 0 Hz. At
    0 Hz, where recordings have their offset, a correction with the shape of a Blackman window
    (3 / 24 s = 0.125 Hz wide) restores the gain.

    Examples
    --------
    >>> import numpy as np
    >>> taps = zero_phase_fir(lambda freqs: np.exp(-0.5 * (freqs - 10) ** 2), sfreq=128.0)
    >>> len(taps), fir_gain(taps, np.array([0.0, 10.0, 11.0]), sfreq=128.0).round(4) + 0.0
    (4097, array([0.    , 1.    , 0.6065]))
    """
    sfreq = check_number("sfreq", sfreq, above=0)
    if n_taps is None and sfreq > MAX_TAPS / MIN_SECONDS:
        raise ValueError(
            f"sfreq must be at most {MAX_TAPS / MIN_SECONDS:.0f} Hz, got {sfreq:g}: the filter is "
            f"{MIN_SECONDS:g} s long. Resample the recording, or give n_taps."
        )
    if n_taps is None:
        n_taps = max(int(np.ceil(MIN_SECONDS * sfreq)), MIN_TAPS)
    half = check_number("n_taps", n_taps, low=3, high=MAX_TAPS, integer=True) // 2
    n_fft = 2 * fft.next_fast_len(16 * half, real=True)
    freqs = fft.rfftfreq(n_fft, 1 / sfreq)
    values = gain(freqs) if callable(gain) else np.interp(freqs, *_check_curve(gain))
    wanted = np.asarray(values, dtype=np.float64)
    if wanted.shape != freqs.shape or not np.isfinite(wanted).all():
        raise ValueError(
            f"gain must be finite at all of the {len(freqs)} frequencies from 0 to "
            f"{sfreq / 2:g} Hz, got {np.isfinite(wanted).sum()} finite values."
        )
    taps: FloatArray = np.roll(fft.irfft(wanted, n_fft), half)[: 2 * half + 1]
    taps *= scipy.signal.windows.tukey(len(taps), 0.75)
    correction = scipy.signal.windows.blackman(len(taps))
    taps += (wanted[0] - taps.sum()) / correction.sum() * correction
    return taps


def apply_zero_phase(
    x: npt.ArrayLike, taps: npt.ArrayLike, out: FloatArray | None = None
) -> FloatArray:
    """Filter along the last axis with symmetric taps, without a shift in time.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Real signals, of any length.
    taps : array, shape (n_taps,)
        Symmetric taps, odd in number.
    out : array of float64, shape (..., n_times) | None
        Where to store the result, which may be ``x`` itself; None for a new array.

    Returns
    -------
    filtered : array, shape (..., n_times)
        The filtered signals, in float64. A row with NaN or infinity is NaN throughout.

    Raises
    ------
    ValueError
        If the taps are not symmetric and odd in number, or ``out`` has another shape or dtype.

    Notes
    -----
    Signals are extended by reflection at both ends (``np.pad(..., mode="reflect")``), repeatedly
    if they are shorter than the filter, so that the filter is the same for every length. (Odd
    reflection depends on the very last sample: in 1/f noise of exponent 0.7 to 1.5 its edge
    errors were mostly 2 to 5 times larger.) Long rows are filtered by the overlap-save method, in
    blocks that fit into the processor's cache. Every row is transformed separately, so that a
    channel gives the same result, to the last bit, alone and among others.

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
    n_padded, n_block = n_times + 2 * half, max(BLOCK_LENGTH_IN_TAPS * len(taps), MIN_BLOCK_SAMPLES)
    n_fft = fft.next_fast_len(min(n_padded, n_block), real=True)
    gain = fft.rfft(np.roll(np.pad(taps, (0, n_fft - len(taps))), -half)).real
    kept = n_fft - 2 * half
    n_blocks = -(-n_times // kept)
    padded, filtered = np.zeros(n_blocks * kept + 2 * half), np.empty((n_blocks, kept))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::kept]
    for index in np.ndindex(x.shape[:-1]):
        if not np.isfinite(x[index]).all():
            out[index] = np.nan
            continue
        padded[:n_padded] = np.pad(x[index], half, mode="reflect")
        for first in range(0, n_blocks, BLOCKS_AT_ONCE):
            batch = slice(first, first + BLOCKS_AT_ONCE)
            spectrum = fft.rfft(blocks[batch])
            spectrum *= gain
            inverse = fft.irfft(spectrum, n_fft, overwrite_x=True)
            filtered[batch] = inverse[:, half : half + kept]
        out[index] = filtered.reshape(-1)[:n_times]
    return out


def fir_gain(taps: npt.ArrayLike, freqs: npt.ArrayLike, sfreq: float) -> FloatArray:
    """Compute the zero-phase gain of symmetric taps.

    Parameters
    ----------
    taps : array, shape (n_taps,)
        Symmetric taps, odd in number.
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    sfreq : float
        Sampling frequency in Hz.

    Returns
    -------
    gain : array, shape (n_freqs,)
        Real gain; negative where the filter inverts the sign.

    Examples
    --------
    >>> import numpy as np
    >>> fir_gain(np.array([0.25, 0.5, 0.25]), np.array([0.0, 25.0, 50.0]), sfreq=100.0)
    array([1. , 0.5, 0. ])
    """
    taps = _check_taps(taps)
    # A cosine series is a Chebyshev series in the cosine, which needs no (n_freqs, n_taps) matrix.
    series = taps[len(taps) // 2 :] * np.r_[1.0, np.full(len(taps) // 2, 2.0)]
    freqs, sfreq = check_values("freqs", freqs), check_number("sfreq", sfreq, above=0)
    cosines = np.cos(2 * np.pi * freqs / sfreq)
    return np.asarray(np.polynomial.chebyshev.chebval(cosines, series))


def _check_curve(gain: Any) -> tuple[AnyArray, AnyArray]:
    """Return the frequencies and values of a gain curve."""
    try:
        freqs, values = (check_values("gain", each, ndim=1) for each in gain)
    except (TypeError, ValueError):
        raise TypeError(
            f"gain must be a function, or a pair of frequencies and values, got {gain!r:.100}."
        ) from None
    if freqs.shape != values.shape or freqs.ndim != 1 or not freqs.size:
        raise ValueError(
            f"gain must have as many values as frequencies, got {freqs.shape} and {values.shape}."
        )
    return freqs, values


def _check_taps(taps: npt.ArrayLike) -> FloatArray:
    taps = check_values("taps", taps)
    if taps.ndim != 1 or len(taps) % 2 == 0 or not np.allclose(taps, taps[::-1]):
        raise ValueError(f"taps must be symmetric and odd in number, got shape {taps.shape}.")
    return taps


def _check_out(out: FloatArray | None, shape: tuple[int, ...]) -> FloatArray:
    if out is None:
        return np.empty(shape)
    found = getattr(out, "shape", None), getattr(out, "dtype", type(out).__name__)
    if found != (shape, np.float64):
        raise ValueError(f"out must have shape {shape} and dtype float64, got {found}.")
    return out
