"""Multitaper spectra of long records: Slepian tapers by interpolation, and few transforms."""

from functools import lru_cache

import numpy as np
import scipy
from mne.utils import warn
from scipy import fft
from scipy.interpolate import make_interp_spline

_MIN_CONCENTRATION = 0.9  # share of a taper's power within its band; MNE's limit
_KNOTS = 2048  # per unit of half bandwidth: the spline is then exact to 1e-6
_GUARD = 4096  # bins beyond the highest frequency, so that what is dropped does not leak back
_NEAR = 2**18  # samples transformed at once, which stay near the processor


def tapered_power(
    x, sfreq, n_per_seg, *, half_bandwidth=4.0, low_bias=True, detrend="constant", fmax=np.inf
):
    """Average the power of tapered segments of signals.

    Parameters
    ----------
    x : array, shape (n_rows, n_times)
        Real signals, in volts.
    sfreq : float
        Sampling frequency in Hz.
    n_per_seg : int
        Length of the segments in samples, at most ``n_times``. They follow each other without
        overlap; a rest shorter than one is left out.
    half_bandwidth : float
        Half of the width over which the tapers smooth, in frequency bins.
    low_bias : bool
        Whether to leave out tapers with less than 0.9 of their power within the bandwidth.
    detrend : "constant" | "linear" | False
        What is taken out of every segment.
    fmax : float
        Frequency in Hz above which nothing is needed.

    Returns
    -------
    power : array, shape (n_rows, n_freqs)
        One-sided density in V^2/Hz at multiples of ``sfreq / n_per_seg`` up to ``fmax``.

    Notes
    -----
    For one segment this is MNE's ``psd_array_multitaper(..., adaptive=False)``. A record so
    long that ``fmax`` is a small part of its spectrum is resampled by its Fourier transform
    before it is tapered, which leaves out frequencies above 1.5 ``fmax`` (and 4,096 bins above it,
    at least). What they would leak into lower ones is 1e-4 of the density of white noise (median
    over frequencies), and 1e-2 of that of a random walk, which is all leakage near ``fmax``.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1, 20_000))
    >>> power = tapered_power(noise, 100.0, 2000)  # 10 segments, 7 tapers
    >>> power.shape, bool(abs(power.mean() - 0.02) < 0.001)
    ((1, 1001), True)
    """
    n_segments = x.shape[1] // n_per_seg
    n_freqs = int(min(fmax * n_per_seg / sfreq + 1e-6, n_per_seg // 2)) + 1  # rounding aside
    n_points = fft.next_fast_len(2 * (n_freqs + max(n_freqs // 2, _GUARD)), real=True)
    n_points = n_per_seg if n_points > n_per_seg // 2 else n_points
    tapers, weights = slepian_tapers(n_per_seg, half_bandwidth, low_bias, n_points)
    tapers = np.sqrt(weights)[:, np.newaxis] * tapers
    scale = np.full(n_freqs, 2 / (sfreq * n_segments * weights.sum()))
    scale[0] /= 2
    if 2 * (n_freqs - 1) == n_per_seg:  # 0 Hz and Nyquist have no mirror image
        scale[-1] /= 2
    power = np.zeros((len(x), n_freqs))
    n_rows = max(_NEAR // (len(tapers) * x.shape[1]), 1)
    n_at_once = max(_NEAR // (len(tapers) * n_points * n_rows), 1)
    for start in range(0, len(x), n_rows):
        rows = slice(start, start + n_rows)
        block = x[rows, : n_segments * n_per_seg].astype(np.float64, copy=False)
        segments = block.reshape(len(block), n_segments, 1, n_per_seg)
        if detrend:
            segments = scipy.signal.detrend(segments, type=detrend)
        if n_points < n_per_seg:
            segments = fft.irfft(fft.rfft(segments)[..., : n_points // 2 + 1], n_points)
        for first in range(0, n_segments, n_at_once):
            parts = fft.rfft(segments[:, first : first + n_at_once] * tapers)[..., :n_freqs]
            parts = parts.view(np.float64)
            squares = np.einsum("rstf,rstf->rf", parts, parts)
            power[rows] += squares[:, ::2] + squares[:, 1::2]
    return power * scale


@lru_cache(maxsize=1)
def slepian_tapers(n_times, half_bandwidth=4.0, low_bias=True, n_points=None):
    """Compute the tapers whose power is most concentrated around 0 Hz.

    Parameters
    ----------
    n_times : int
        Length of the record in samples.
    half_bandwidth : float
        Half of the width of the band, in frequency bins; there are twice as many tapers.
    low_bias : bool
        Whether to leave out tapers with less than 0.9 of their power within the band; the best
        one is always kept, with a warning where it has less.
    n_points : int | None
        Number of evenly spaced points, from the record's start, at which the tapers are wanted;
        None for every sample.

    Returns
    -------
    tapers : array, shape (n_tapers, n_points)
        Periodic tapers; the squares of all samples add up to 1.
    concentration : array, shape (n_tapers,)
        Share of their power within the band.

    Notes
    -----
    A long taper has the shape of a short one, so it is drawn through 2,048 points for each bin
    of half bandwidth by a spline, within 1e-6 of its height of SciPy's ``dpss`` for every sample,
    whose time grows with the length.

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
    n_knots = _KNOTS * int(np.ceil(half_bandwidth))
    n_points = n_times if n_points is None else n_points
    exact = n_points == n_times <= n_knots
    tapers, concentration = scipy.signal.windows.dpss(
        n_times if exact else n_knots,
        half_bandwidth,
        int(2 * half_bandwidth),
        sym=not exact,
        return_ratios=True,
    )
    keep = concentration > (_MIN_CONCENTRATION if low_bias else -np.inf)
    if not keep.any():
        keep[0] = True
        warn(
            f"The best taper has {concentration[0]:.2f} of its power within the bandwidth of "
            f"{2 * half_bandwidth:g} frequency bins: it is used all the same."
        )
    tapers, concentration = tapers[keep], concentration[keep]
    if not exact:
        knots = (2 * np.arange(n_knots) + 1) / n_knots - 1
        # A periodic taper is the symmetric one of one sample more, without the last.
        places = n_times * (2 * np.arange(n_points) / n_points - 1) / (n_times + 1)
        spline = make_interp_spline(knots, tapers, k=5, axis=1)
        tapers = spline(places) * np.sqrt(n_knots / (n_times + 1))
    return tapers, concentration
