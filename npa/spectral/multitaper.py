"""Multitaper spectra of long recordings: interpolated Slepian tapers, few Fourier transforms."""

from functools import lru_cache
from typing import Any

import numpy as np
import scipy
from mne.utils import warn
from scipy import fft
from scipy.interpolate import make_interp_spline

from npa.typing import AnyArray, FloatArray

MIN_CONCENTRATION = 0.9  # share of a taper's power within its band; MNE's limit
KNOTS_PER_BIN = 2048  # of half bandwidth: the spline is then exact to 1e-6
# Bins kept above the highest frequency, so that leakage from those dropped is small.
MIN_GUARD_BINS = 4096
CACHE_SAMPLES = 2**18  # samples transformed at once, which fit into the cache


def tapered_power(
    x: AnyArray,
    sfreq: float,
    n_per_seg: int,
    *,
    half_bandwidth: float = 4.0,
    low_bias: bool = True,
    detrend: str | bool = "constant",
    max_freq: float = np.inf,
    n_fft: int | None = None,
) -> FloatArray:
    """Average the power of tapered segments of signals.

    Parameters
    ----------
    x : array, shape (n_rows, n_times)
        Real signals, in volts.
    sfreq : float
        Sampling frequency in Hz.
    n_per_seg : int
        Length of the segments in samples, at most ``n_times``. They do not overlap; samples left
        over at the end are not used.
    half_bandwidth : float, default 4.0
        Half of the bandwidth over which the tapers smooth, in frequency bins.
    low_bias : bool, default True
        Whether to leave out tapers with less than 0.9 of their power within the bandwidth.
    detrend : {"constant", "linear", False}, default "constant"
        Trend to remove from every segment.
    max_freq : float
        Highest frequency returned, in Hz. Default: the Nyquist frequency.
    n_fft : int | None
        Length to which segments are padded with zeros, for more frequencies; None for
        ``n_per_seg``.

    Returns
    -------
    power : array, shape (n_rows, n_freqs)
        One-sided density in V^2/Hz at multiples of ``sfreq / n_fft`` up to ``max_freq``.

    Notes
    -----
    For one segment this is MNE's ``psd_array_multitaper(..., adaptive=False)``. Where
    ``max_freq`` is a small part of the spectrum of a long recording, the recording is resampled
    by its Fourier transform before it is tapered, which drops frequencies above 1.5 ``max_freq``
    (at least 4,096 bins above it). The leakage that is thereby lost is 3e-4 of the density of
    white noise (median over frequencies), and 1e-2 of that of a random walk, which is mostly
    leakage near ``max_freq``.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1, 20_000))
    >>> power = tapered_power(noise, 100.0, 2000)  # 10 segments, 7 tapers
    >>> power.shape, bool(abs(power.mean() - 0.02) < 0.001)
    ((1, 1001), True)
    """
    n_segments = x.shape[1] // n_per_seg
    n_fft = n_per_seg if n_fft is None else n_fft
    max_bin = min(max_freq * n_fft / sfreq + 1e-6, n_fft // 2)  # allow for rounding
    n_freqs = int(max_bin) + 1
    n_points = fft.next_fast_len(2 * (n_freqs + max(n_freqs // 2, MIN_GUARD_BINS)), real=True)
    n_points = n_per_seg if n_points > n_per_seg // 2 or n_fft > n_per_seg else n_points
    n_transformed = n_points if n_fft == n_per_seg else n_fft
    tapers, weights = slepian_tapers(n_per_seg, half_bandwidth, low_bias, n_points)
    tapers = np.sqrt(weights)[:, np.newaxis] * tapers
    scale: FloatArray = np.full(n_freqs, 2 / (sfreq * n_segments * weights.sum()))
    scale[0] /= 2
    if 2 * (n_freqs - 1) == n_fft:  # 0 Hz and Nyquist have no negative counterpart
        scale[-1] /= 2
    power = np.zeros((len(x), n_freqs))
    n_rows = max(CACHE_SAMPLES // (len(tapers) * x.shape[1]), 1)
    n_at_once = max(CACHE_SAMPLES // (len(tapers) * n_transformed * n_rows), 1)
    for start in range(0, len(x), n_rows):
        rows = slice(start, start + n_rows)
        block = x[rows, : n_segments * n_per_seg].astype(np.float64, copy=False)
        segments: Any = block.reshape(len(block), n_segments, 1, n_per_seg)
        if detrend:
            segments = scipy.signal.detrend(segments, type=detrend)
        if n_points < n_per_seg:
            segments = fft.irfft(fft.rfft(segments)[..., : n_points // 2 + 1], n_points)
        for first in range(0, n_segments, n_at_once):
            tapered = segments[:, first : first + n_at_once] * tapers
            parts = fft.rfft(tapered, n_transformed)[..., :n_freqs]
            parts = parts.view(np.float64)
            squares = np.einsum("rstf,rstf->rf", parts, parts)
            power[rows] += squares[:, ::2] + squares[:, 1::2]
    return power * scale


@lru_cache(maxsize=1)
def slepian_tapers(
    n_times: int,
    half_bandwidth: float = 4.0,
    low_bias: bool = True,
    n_points: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Compute the tapers whose power is most concentrated around 0 Hz (DPSS).

    Parameters
    ----------
    n_times : int
        Length of the recording in samples.
    half_bandwidth : float, default 4.0
        Half of the width of the band, in frequency bins; there are twice as many tapers.
    low_bias : bool, default True
        Whether to leave out tapers with less than 0.9 of their power within the band. The best
        taper is always kept, with a warning if it has less.
    n_points : int | None
        Number of evenly spaced points, from the first sample on, at which the tapers are
        evaluated; None for every sample.

    Returns
    -------
    tapers : array, shape (n_tapers, n_points)
        Periodic tapers; the sum of squares over all samples is 1.
    concentration : array, shape (n_tapers,)
        Share of the power of each within the band.

    Notes
    -----
    The shape of a taper hardly depends on its length. Long tapers are therefore interpolated by a
    spline through 2,048 points per bin of half bandwidth, which agrees to 1e-6 of their height
    with SciPy's ``dpss`` for every sample, whose run time grows with the length.

    References
    ----------
    Slepian, D. (1978). Prolate spheroidal wave functions, Fourier analysis, and uncertainty V.
    Bell Syst. Tech. J., 57(5), 1371-1430. https://doi.org/10.1002/j.1538-7305.1978.tb02104.x

    Examples
    --------
    >>> tapers, concentration = slepian_tapers(100_000)
    >>> tapers.shape, concentration.round(3).tolist()
    ((7, 100000), [1.0, 1.0, 1.0, 1.0, 0.999, 0.993, 0.937])
    """
    n_knots = KNOTS_PER_BIN * int(np.ceil(half_bandwidth))
    n_points = n_times if n_points is None else n_points
    exact = n_points == n_times <= n_knots
    tapers, concentration = scipy.signal.windows.dpss(
        n_times if exact else n_knots,
        half_bandwidth,
        int(2 * half_bandwidth),
        sym=not exact,
        return_ratios=True,
    )
    keep = concentration > (MIN_CONCENTRATION if low_bias else -np.inf)
    if not keep.any():
        keep[0] = True
        warn(
            f"The best taper has {concentration[0]:.2f} of its power within the bandwidth of "
            f"{2 * half_bandwidth:g} frequency bins; it is used nevertheless."
        )
    tapers, concentration = tapers[keep], concentration[keep]
    if not exact:
        knots = (2 * np.arange(n_knots) + 1) / n_knots - 1
        # A periodic taper is the symmetric taper with one more sample, without its last sample.
        places = n_times * (2 * np.arange(n_points) / n_points - 1) / (n_times + 1)
        spline = make_interp_spline(knots, tapers, k=5, axis=1)
        tapers = spline(places) * np.sqrt(n_knots / (n_times + 1))
    return tapers, concentration
