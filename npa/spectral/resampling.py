"""The noise of power spectra: resampled from the windows of a recording, or simulated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy

from npa.spectral.density import Block, plan_spans, psd_of_spans, spectra_of_blocks
from npa.typing import FloatArray, Span

MAX_UNITS = 64  # of consecutive windows, resampled as one, which keeps what they have in common
# With fewer, their spread says too little about the spectrum's: noise is simulated instead.
MIN_UNITS = 8
SAMPLES_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class SpectrumUnits:
    """Power of the units that a spectrum is the average of: blocks of windows, or epochs.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_units, n_epochs, n_channels, n_freqs)
        Density in V^2/Hz of every unit; their weighted mean is that of the recording.
    weights : array, shape (n_units,)
        Weights, whose sum is 1.
    covariance : array, shape (n_units, n_units)
        Covariance of the power of units, relative to the square of its mean; units overlap.
    """

    freqs: FloatArray
    power: FloatArray
    weights: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, eq=False)
class Noise:
    """Relative errors of power spectra.

    Parameters
    ----------
    draws : array, shape (n_boot, n_units or n_freqs)
        Weights of units, or, without ``power``, errors themselves.
    dof : float
        Degrees of freedom of the variance of the noise; infinite if it is known.
    power : array, shape (n_units, n_groups, n_freqs) | None
        Power of the units.
    mean : array, shape (n_groups, n_freqs) | None
        Its mean.
    """

    draws: FloatArray
    dof: float = np.inf
    power: FloatArray | None = None
    mean: FloatArray | None = None

    def of_groups(self, columns: slice) -> "Noise":
        """Return the noise of some groups of channels.

        Parameters
        ----------
        columns : slice
            Which groups.

        Returns
        -------
        noise : Noise
            The noise; the same object if it is that of all groups.
        """
        if self.power is None or self.mean is None:
            return self
        return replace(self, power=self.power[:, columns], mean=self.mean[columns])

    def ratios(self, columns: slice = slice(None)) -> FloatArray:
        """Return the ratios of resampled spectra to the spectrum.

        Parameters
        ----------
        columns : slice
            Which groups of channels; all by default.

        Returns
        -------
        ratios : array, shape (n_boot, n_groups or 1, n_freqs)
            The ratios.
        """
        if self.power is None or self.mean is None:
            return self.draws[:, np.newaxis]
        power = self.power[:, columns]
        resampled = self.draws @ power.reshape(len(power), -1)
        ratios: FloatArray = resampled.reshape(-1, *power.shape[1:]) / self.mean[columns]
        return ratios


def spectrum_units(
    x: Any,
    spans: Sequence[Span],
    sfreq: float,
    *,
    method: str = "welch",
    freq_range: tuple[float, float] | None = None,
    **kwargs: Any,
) -> SpectrumUnits:
    """Estimate the power of at most 64 parts of a recording that make up its spectrum.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Real signals, in volts, of which blocks ``x[..., start:stop]`` are read.
    spans : sequence of (int, int)
        Start and stop (exclusive) of each continuous, clean span, in samples.
    sfreq : float
        Sampling frequency in Hz.
    method, freq_range, **kwargs
        As for `npa.spectral.psd_of_spans`, the mean of windows only.

    Returns
    -------
    units : SpectrumUnits
        Power of single windows, or of blocks of consecutive ones if there are more than 64 (or
        more than 64 spans, of one block for each).

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1, 2, 10_000))
    >>> units = spectrum_units(x, [(0, 10_000)], 100.0)
    >>> units.power.shape, bool(np.allclose(
    ...     np.tensordot(units.weights, units.power, 1), psd_of_spans(x, [(0, 10_000)], 100.0)[1]))
    ((49, 1, 2, 201), True)
    """
    plan = plan_spans(spans, x.shape[-1], sfreq, method=method, **kwargs)
    n_windows = sum(block.n_windows for block in plan.blocks)
    size = -(-n_windows // MAX_UNITS)
    blocks = [
        part
        for block in plan.blocks
        for part in block.split(block.length + (size - 1) * block.step)
    ]
    options: dict[str, Any] = {"method": method, "freq_range": freq_range, **kwargs}
    freqs, power = np.empty(0), []
    for part in blocks:
        total = np.zeros(())
        for block, grid, each in spectra_of_blocks(x, [part], plan.length, sfreq, **options):
            freqs, total = grid, total + each * (block.weight / part.weight)
        power.append(total)
    weights = np.array([part.weight for part in blocks])
    window = kwargs.get("window", "hann") if method == "welch" else None
    return SpectrumUnits(
        freqs, np.array(power), weights / weights.sum(), _covariance(blocks, window)
    )


def resampled_noise(
    power: FloatArray,
    weights: FloatArray,
    covariance: FloatArray,
    n_boot: int,
    rng: np.random.RandomState,
) -> Noise | None:
    r"""Resample the units of a spectrum with random weights.

    Parameters
    ----------
    power : array, shape (n_units, n_groups, n_freqs)
        Power of the units.
    weights : array, shape (n_units,)
        Their weights in the spectrum, whose sum is 1.
    covariance : array, shape (n_units, n_units)
        Their covariance, relative to the square of their mean.
    n_boot : int
        Number of resamples.
    rng : numpy.random.RandomState
        Where random numbers come from.

    Returns
    -------
    noise : Noise | None
        The noise; None if there are too few units.

    Notes
    -----
    The weights have a Dirichlet distribution (a Bayesian bootstrap [1]_) around those of the
    spectrum, :math:`p`. Its concentration a is such that the variance of the ratio of the resampled
    mean to the mean is unbiased for units of covariance :math:`C`:

    .. math:: a + 1 = \frac{\sum_k p_k C_{kk} - V}{V (1 + V)}, \quad V = p^T C p.

    The second factor is that of the squared coefficient of variation of exponential values, whose
    sample mean is too variable a divisor. For K independent windows, a + 1 is (K - 1) K / (K + 1):
    weights of a = K (or the multinomial ones of the usual bootstrap) would make the variance of the
    ratio too small by 26 % (18 %) for K = 10. The variance has as many degrees of freedom as there
    are independent units, less 1.

    References
    ----------
    .. [1] Rubin, D. B. (1981). The Bayesian bootstrap. Annals of Statistics, 9(1), 130-134.
       https://doi.org/10.1214/aos/1176345338

    Examples
    --------
    >>> rng = np.random.RandomState(0)
    >>> power = rng.exponential(size=(40, 1, 500))
    >>> noise = resampled_noise(power, np.full(40, 1 / 40), np.eye(40), 200, rng)
    >>> round(float(noise.ratios().var(axis=0).mean() * 40), 1)  # 1 / 40 is expected
    1.0
    """
    variance = float(weights @ covariance @ weights)
    dof = float(weights @ np.diag(covariance)) / variance - 1
    concentration = dof / (1 + variance) - 1
    if dof < MIN_UNITS - 1.5:  # which overlap a little
        return None
    draws = rng.standard_gamma(concentration * weights, size=(n_boot, len(weights)))
    draws /= draws.sum(axis=1, keepdims=True)
    known = np.isfinite(power)
    power = np.where(known, power, 0)
    mean = np.tensordot(weights, power, 1)
    if not known.all():  # epochs in which a channel is flat
        with np.errstate(invalid="ignore"):
            mean = mean / np.tensordot(weights, known, 1)
            power = np.where(known, power, mean)
    return Noise(draws, dof, power, mean)


def simulated_noise(
    spans: Sequence[Span],
    sfreq: float,
    n_boot: int,
    rng: np.random.RandomState,
    *,
    n_epochs: int = 1,
    method: str = "welch",
    freq_range: tuple[float, float] | None = None,
    **kwargs: Any,
) -> Noise:
    """Simulate the noise of the spectra of a stationary Gaussian signal.

    Parameters
    ----------
    spans : sequence of (int, int)
        Start and stop (exclusive) of each continuous, clean span, in samples.
    sfreq : float
        Sampling frequency in Hz.
    n_boot : int
        Number of spectra.
    rng : numpy.random.RandomState
        Where random numbers come from.
    n_epochs : int, default 1
        Number of epochs that are averaged.
    method, freq_range, **kwargs
        As for `npa.spectral.psd_of_spans`.

    Returns
    -------
    noise : Noise
        Spectra of white noise, which have the distribution and the correlation of neighbouring
        bins that the estimator gives them.

    Examples
    --------
    >>> noise = simulated_noise([(0, 400)], 100.0, 500, np.random.RandomState(0))
    >>> noise.ratios().mean().round(1), noise.ratios()[..., 10].std().round(1)
    (np.float64(1.0), np.float64(1.0))
    """
    n_times = max(stop for _, stop in spans)
    step = max(SAMPLES_AT_ONCE // (n_times * n_epochs), 1)
    spectra, freqs = [], np.empty(0)
    for first in range(0, n_boot, step):
        size = min(step, n_boot - first)
        noise = rng.standard_normal((size * n_epochs, 1, n_times))
        freqs, power = psd_of_spans(
            noise, spans, sfreq, method=method, freq_range=freq_range, **kwargs
        )
        spectra.append(power.reshape(size, n_epochs, -1).mean(axis=1))
    one_sided = kwargs.get("one_sided", True)
    own = np.isclose(freqs, 0) | np.isclose(freqs, sfreq / 2)  # have no negative counterpart
    expected = np.where(own | (not one_sided), 1.0, 2.0) / sfreq
    return Noise(np.concatenate(spectra) / expected)


def _covariance(blocks: Sequence[Block], window: Any) -> FloatArray:
    """Return the covariance of the mean power in blocks of windows, relative to one window's."""
    covariance = np.diag([1.0 / block.n_windows for block in blocks])
    if window is None:
        return covariance
    order = sorted(range(len(blocks)), key=lambda index: blocks[index].start)
    starts = np.concatenate(
        [blocks[i].start + blocks[i].step * np.arange(blocks[i].n_windows) for i in order]
    )
    unit = np.repeat(order, [blocks[index].n_windows for index in order])
    length = max(block.length for block in blocks)
    shape = scipy.signal.get_window(window, length) if _is_named(window) else np.asarray(window)
    energy = float((shape**2).sum())
    share = 1.0 / np.array([block.n_windows for block in blocks])
    for lag in range(1, len(starts)):
        shift = starts[lag:] - starts[:-lag]
        near = np.flatnonzero(shift < length)
        if not len(near):
            break
        for apart in np.unique(shift[near]):
            both = near[shift[near] == apart]
            first, second = unit[both], unit[both + lag]
            overlap = float(shape[apart:] @ shape[: length - apart])
            values = (overlap / energy) ** 2 * share[first] * share[second]
            np.add.at(covariance, (first, second), values)
            np.add.at(covariance, (second, first), values)
    return covariance


def _is_named(window: Any) -> bool:
    """Return whether a window is given by its name and parameters, not by its samples."""
    return isinstance(window, str | tuple | float)
