"""How precise a power spectrum is: its degrees of freedom, and the correlation of its bins."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import scipy

from npa.checks import check_number
from npa.spectral.density import DEFAULT_BANDWIDTH_BINS, Block, plan_spans
from npa.spectral.multitaper import MIN_CONCENTRATION
from npa.spectral.windows import WindowPlan
from npa.typing import FloatArray, Span

MAX_TAPER_SAMPLES = 1024  # the shape of a taper hardly depends on its length


class SpectrumPrecision(NamedTuple):
    """Distribution of the power in the bins of a spectrum.

    Parameters
    ----------
    dof : float | array
        Equivalent degrees of freedom nu: power divided by its expectation is distributed as
        chi-squared with nu degrees of freedom, divided by nu.
    correlated_bins : float
        Number of bins that hold one independent value: the sum over all bins of their power's
        correlation with that of one; 1 where bins are independent.
    """

    dof: Any
    correlated_bins: float


def degrees_of_freedom(
    spans: Sequence[Span],
    sfreq: float,
    *,
    method: str = "welch",
    n_epochs: int = 1,
    **kwargs: Any,
) -> SpectrumPrecision:
    r"""Compute the degrees of freedom of the spectrum that `npa.spectral.psd_of_spans` estimates.

    Parameters
    ----------
    spans : sequence of (int, int)
        Start and stop (exclusive) of each continuous, clean span, in samples; ``[(0, n_times)]``
        for the whole recording.
    sfreq : float
        Sampling frequency in Hz.
    method : "welch" | "multitaper" | "periodogram"
        The estimator.
    n_epochs : int, default 1
        Number of independent epochs, each with these spans, whose power is averaged. Channels are
        not independent, and do not count.
    **kwargs
        As for `npa.spectral.psd`.

    Returns
    -------
    precision : SpectrumPrecision
        Degrees of freedom ``dof``, and ``correlated_bins``.

    Raises
    ------
    TypeError, ValueError
        As `npa.spectral.psd_of_spans`, and if ``n_epochs`` is not a positive integer.

    Notes
    -----
    For a Gaussian signal whose spectrum is flat over the width of a window's response, the power
    in one window is exponentially distributed (2 degrees of freedom). The mean over K windows
    :math:`w` that start D samples apart has [1]_

    .. math::

        \nu = \frac{2 K}{1 + 2 \sum_{m=1}^{K-1} (1 - m / K) \rho_m}, \quad
        \rho_m = \left(\frac{\sum_n w_n w_{n + m D}}{\sum_n w_n^2}\right)^2,

    which for Hann windows that overlap by half is about 1.9 K. Spans and epochs add, weighted as
    their power is. Tapers of weight :math:`\lambda_k` have
    :math:`\nu = 2 (\sum \lambda_k)^2 / \sum \lambda_k^2` per segment; adaptive weights are taken
    for these. The median over windows is about half as precise as their mean.

    Bins are correlated because windows are tapered: for ``n_fft`` frequencies, over
    :math:`n_{fft} \sum_n w_n^4 / (\sum_n w_n^2)^2` bins (1 for boxcar, 1.94 for Hann), and
    over :math:`n_{fft} \sum_n (\sum_k \lambda_k v_{kn}^2)^2 / \sum_k \lambda_k^2` for
    tapers :math:`v_k`.

    References
    ----------
    .. [1] Percival, D. B. & Walden, A. T. (1993). Spectral analysis for physical applications.
       Cambridge University Press. https://doi.org/10.1017/CBO9780511622762

    Examples
    --------
    A minute in Hann windows of 4 s that overlap by half, and in one segment with 7 tapers:

    >>> hann = degrees_of_freedom([(0, 6000)], 100.0)
    >>> round(hann.dof, 1), round(hann.correlated_bins, 2)
    (55.0, 1.94)
    >>> tapers = degrees_of_freedom([(0, 6000)], 100.0, method="multitaper")
    >>> round(tapers.dof, 1), round(tapers.correlated_bins, 1)
    (14.0, 7.3)
    """
    n_epochs = int(check_number("n_epochs", n_epochs, low=1, integer=True))
    n_times = max((int(stop) for _, stop in spans), default=0)
    plan = plan_spans(spans, n_times, sfreq, method=method, **kwargs)
    n_fft = kwargs.get("n_fft") or plan.length
    if method == "multitaper":
        bandwidth = kwargs.get("bandwidth") or DEFAULT_BANDWIDTH_BINS * sfreq / plan.length
        low_bias = bool(kwargs.get("low_bias", True))
    total = sum(block.weight for block in plan.blocks)
    variance = correlated = 0.0
    for block in plan.blocks:
        share = block.weight / total
        if method == "multitaper":
            half_bandwidth = bandwidth * block.length / sfreq / 2
            block_variance, bins = _tapered(block.length, half_bandwidth, low_bias)
            block_variance /= block.n_windows
        else:
            window = _window(kwargs.get("window", "hann" if method == "welch" else "boxcar"), block)
            block_variance = _windowed_variance(window, block)
            if method == "welch" and kwargs.get("average") == "median":
                block_variance *= block.n_windows * _median_variance(block.n_windows)
            bins = float((window**4).sum() / (window**2).sum() ** 2) * block.length
        variance += share**2 * block_variance
        correlated += share * bins * n_fft / block.length
    return SpectrumPrecision(2 * n_epochs / variance, max(correlated, 1.0))


def precision_of_windows(
    plan: WindowPlan, sfreq: float, *, method: str = "welch", **kwargs: Any
) -> SpectrumPrecision:
    """Compute the degrees of freedom of the spectra of `npa.spectral.psd_of_windows`.

    Parameters
    ----------
    plan : WindowPlan
        The windows, from `npa.spectral.windows.plan_windows`.
    sfreq : float
        Sampling frequency in Hz.
    method : {"welch", "multitaper", "periodogram"}
        The estimator.
    **kwargs
        As for `npa.spectral.psd`.

    Returns
    -------
    precision : SpectrumPrecision
        Degrees of freedom of every window, shape (n_windows,), at least 2; and correlated bins.

    Examples
    --------
    >>> from npa.spectral.windows import plan_windows
    >>> plan = plan_windows([(0, 350), (450, 1000)], 1000, 100.0, window=4.0)
    >>> precision_of_windows(plan, 100.0).dof.round(1)
    array([11.5, 11.5])
    """
    options = dict(kwargs)
    if len(plan.offsets) > 1:  # Welch segments, of which each is one spectrum
        options |= {"n_per_seg": plan.segment, "n_overlap": 0}
    one = degrees_of_freedom([(0, plan.segment)], sfreq, method=method, **options)
    used = plan.used_segments.astype(np.float64)
    correlation = np.eye(len(plan.offsets))
    if len(plan.offsets) > 1:
        block = Block(0, 1, plan.segment, plan.segment, 1.0)
        window = _window(kwargs.get("window", "hann"), block)
        distance = np.abs(np.subtract.outer(plan.offsets, plan.offsets))
        shifts = np.correlate(window, window, "full")[plan.segment - 1 :]
        shifts = np.append((shifts / shifts[0]) ** 2, 0.0)
        correlation = shifts[np.minimum(distance, plan.segment)]
    count = used.sum(axis=1)
    dependent = np.einsum("wi,ij,wj->w", used, correlation, used)
    gain = np.divide(count**2, dependent, where=count > 0, out=np.ones(len(count)))
    return one._replace(dof=one.dof * gain)


def _window(window: Any, block: Block) -> FloatArray:
    """Return the samples of a window; its shape may be given as such."""
    if isinstance(window, str | tuple | float):
        return np.asarray(scipy.signal.get_window(window, block.length), np.float64)
    return np.asarray(window, np.float64)


def _windowed_variance(window: FloatArray, block: Block) -> float:
    """Return the variance of the mean power over overlapping windows, relative to its square."""
    variance, energy = 1.0, (window**2).sum()
    for lag in range(1, block.n_windows):
        shift = lag * block.step
        if shift >= block.length:
            break
        correlation = (window[shift:] @ window[: block.length - shift] / energy) ** 2
        variance += 2 * (1 - lag / block.n_windows) * correlation
    return float(variance / block.n_windows)


def _median_variance(n_windows: int) -> float:
    """Return the variance of the median of exponential variables, relative to its mean squared.

    The gaps between sorted exponential variables are independent, with means 1/n, 1/(n-1), ...
    """
    gaps = 1 / np.arange(n_windows, 0, -1)
    gaps = gaps[: n_windows // 2 + 1]
    if n_windows % 2 == 0:
        gaps[-1] /= 2
    return float((gaps**2).sum() / gaps.sum() ** 2)


@lru_cache(maxsize=64)
def _tapered(n_times: int, half_bandwidth: float, low_bias: bool) -> tuple[float, float]:
    """Return the variance of tapered power relative to its square, and the correlated bins."""
    n_times = min(n_times, MAX_TAPER_SAMPLES)
    tapers, weights = scipy.signal.windows.dpss(
        n_times, half_bandwidth, max(int(2 * half_bandwidth), 1), sym=False, return_ratios=True
    )
    if low_bias:
        keep = weights > MIN_CONCENTRATION
        keep[0] = True
        tapers, weights = tapers[keep], weights[keep]
    squares = (weights**2).sum()
    bins = n_times * ((weights @ tapers**2) ** 2).sum() / squares
    return float(squares / weights.sum() ** 2), float(bins)
