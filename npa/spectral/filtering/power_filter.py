"""The amplifier's filter: gain curves of a background and its peaks, realised with zero phase."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from npa.checks import check_number, check_option, check_values
from npa.spectral.filtering.filter_bank import MAX_STAGES, chebyshev_bank, remez_gaussian
from npa.spectral.filtering.gains import logarithmic_response, whitening_response
from npa.spectral.filtering.zero_phase import ZeroPhaseFIR, zero_phase_fir
from npa.spectral.model import gaussians as sum_of_gaussians
from npa.typing import FloatArray

RESPONSES: dict[str, Callable[..., FloatArray]] = {
    "logarithmic": logarithmic_response,
    "whitening": whitening_response,
}
DESIGNS = ("exact", "paper")
MAX_GAIN = 1e9  # of a peak, 180 dB; more would overflow in single precision


class ZeroPhaseFilter(Protocol):
    """What `PowerFilter` is made of: any filter without a shift in time."""

    @property
    def reach(self) -> int:
        """Number of samples on either side on which a sample of the output depends."""

    def gain(self, freqs: npt.ArrayLike) -> FloatArray:
        """Return the gain, shape (n_freqs,)."""

    def apply(self, x: npt.ArrayLike) -> FloatArray:
        """Return ``x`` filtered along its last axis."""


@dataclass(frozen=True, eq=False)
class PowerFilter:
    """A zero-phase filter designed from the model of a spectrum, and its ideal gain.

    Parameters
    ----------
    response : {"logarithmic", "whitening"}
        Kind of gain for the background.
    exponent, knee : float
        Exponent and knee of the background.
    peaks : array, shape (n_peaks, 3)
        Centre frequency (Hz), gain and standard deviation (Hz) of every peak.
    sfreq : float
        Sampling frequency in Hz.
    design : {"exact", "paper"}
        How the gain is realised.
    n_stages : int
        Number of Chebyshev high-passes of the paper's design.
    parts : tuple of (float, ZeroPhaseFilter)
        Weights and filters; the output is the weighted sum of their outputs.
    """

    response: str
    exponent: float
    knee: float
    peaks: FloatArray
    sfreq: float
    design: str
    n_stages: int
    parts: tuple[tuple[float, ZeroPhaseFilter], ...] = ()

    def ideal(self, freqs: npt.ArrayLike) -> FloatArray:
        """Compute the ideal gain.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies in Hz.

        Returns
        -------
        gain : array, shape (n_freqs,)
            Gain for the background plus a Gaussian for each peak.
        """
        return self.ideal_background(freqs) + sum_of_gaussians(freqs, self.peaks)

    def ideal_background(self, freqs: npt.ArrayLike) -> FloatArray:
        """Compute the ideal gain without the peaks.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies in Hz.

        Returns
        -------
        gain : array, shape (n_freqs,)
            Gain for the background.
        """
        return RESPONSES[self.response](freqs, self.exponent, self.knee, self.sfreq / 2)

    def without_peaks(self) -> "PowerFilter":
        """Design the filter of the background alone.

        Returns
        -------
        power_filter : PowerFilter
            The filter with the same settings, but no peaks.
        """
        return design_filter(
            self.exponent,
            self.knee,
            [],
            self.sfreq,
            response=self.response,
            design=self.design,
            n_stages=self.n_stages,
        )

    def gain(self, freqs: npt.ArrayLike) -> FloatArray:
        """Compute the realised gain.

        Parameters
        ----------
        freqs : array, shape (n_freqs,)
            Frequencies in Hz.

        Returns
        -------
        gain : array, shape (n_freqs,)
            Weighted sum of the gains of the parts.
        """
        total = np.zeros(np.shape(freqs))
        for weight, part in self.parts:
            total += weight * part.gain(freqs)
        return total

    def apply(self, x: npt.ArrayLike) -> FloatArray:
        """Filter along the last axis.

        Parameters
        ----------
        x : array, shape (..., n_times)
            Real signals.

        Returns
        -------
        filtered : array, shape (..., n_times)
            The filtered signals, in float64.
        """
        (weight, part), *others = self.parts
        out = part.apply(x)
        out *= weight
        for weight, part in others:
            out += weight * part.apply(x)
        return out

    @property
    def reach(self) -> int:
        """Number of samples on either side on which the output depends (by more than 1e-12)."""
        return max(part.reach for _, part in self.parts)


def design_filter(
    exponent: float,
    knee: float,
    gaussians: npt.ArrayLike,
    sfreq: float,
    *,
    response: str = "logarithmic",
    design: str = "exact",
    n_stages: int = 5,
    peak_gain: float | Sequence[float] | None = None,
) -> PowerFilter:
    """Design the zero-phase filter of `npa.NeuralPowerAmplifier` from the model of a spectrum.

    Parameters
    ----------
    exponent, knee : float
        Background: exponent > 0, and knee >= 0.
    gaussians : array, shape (n_peaks, 3)
        Centre frequency (Hz), height (log10 units) and standard deviation (Hz) of every peak.
    sfreq : float
        Sampling frequency in Hz.
    response, design, n_stages, peak_gain
        As for `npa.NeuralPowerAmplifier`.

    Returns
    -------
    power_filter : PowerFilter
        The filter.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or the design does not exist for the model.

    Examples
    --------
    >>> import numpy as np
    >>> power_filter = design_filter(1.5, 0.0, np.array([[10.0, 0.8, 1.0]]), 512.0)
    >>> freqs = np.array([1.0, 10.0, 16.0, 256.0])
    >>> power_filter.ideal(freqs).round(2)
    array([0.  , 1.22, 0.5 , 1.  ])
    >>> power_filter.gain(freqs).round(2) + 0.0
    array([0.  , 1.22, 0.5 , 1.  ])
    """
    check_design(response, design)
    n_stages = check_number("n_stages", n_stages, low=1, high=MAX_STAGES, integer=True)
    peaks = _check_peaks(gaussians)
    peaks[:, 1] = _peak_gains(peak_gain, response, peaks[:, 1])
    if response == "whitening":
        peaks[:, 1] *= whitening_response(peaks[:, 0], exponent, knee, sfreq / 2)
    ideal = PowerFilter(response, exponent, knee, peaks, sfreq, design, n_stages)
    if design == "exact":
        fir = ZeroPhaseFIR(zero_phase_fir(ideal.ideal, sfreq), sfreq)
        return replace(ideal, parts=((1.0, fir),))
    bank = chebyshev_bank(exponent, knee, sfreq, n_stages)
    band_passes = [(gain, remez_gaussian(cf, sd, sfreq)) for cf, gain, sd in peaks if gain > 0]
    return replace(ideal, parts=((1.0, bank), *band_passes))


def check_design(response: str, design: str) -> None:
    """Check that a response exists, and that the design can realise it.

    Parameters
    ----------
    response : {"logarithmic", "whitening"}
        Kind of gain for the background.
    design : {"exact", "paper"}
        How the gain is realised.

    Raises
    ------
    ValueError
        If there is no such response or design, or not both together.

    Examples
    --------
    >>> check_design("whitening", "paper")
    Traceback (most recent call last):
        ...
    ValueError: design="paper" does not exist for response="whitening"; use design="exact".
    """
    check_option("response", response, RESPONSES)
    check_option("design", design, DESIGNS)
    if (response, design) == ("whitening", "paper"):
        raise ValueError(
            'design="paper" does not exist for response="whitening"; use design="exact".'
        )


def _peak_gains(
    peak_gain: float | Sequence[float] | None, response: str, heights: FloatArray
) -> npt.ArrayLike:
    """Return the gain of every peak, whitening ones in units of the background's gain."""
    if peak_gain is None:
        return heights if response == "logarithmic" else np.zeros_like(heights)
    if np.ndim(peak_gain) == 0:
        return np.full(len(heights), check_number("peak_gain", peak_gain, low=0, high=MAX_GAIN))
    gains = check_values("peak_gain", peak_gain, ndim=1)
    if len(gains) != len(heights):
        raise ValueError(
            f"peak_gain must be one number, or one for each of the {len(heights)} fitted peaks, "
            f"got {len(gains)}."
        )
    return [check_number("peak_gain", float(gain), low=0, high=MAX_GAIN) for gain in gains]


def _check_peaks(gaussians: npt.ArrayLike) -> FloatArray:
    """Return a copy of the peaks, shape (n_peaks, 3)."""
    peaks = check_values("gaussians", gaussians)
    if peaks.size and (peaks.ndim != 2 or peaks.shape[1] != 3):
        raise ValueError(f"gaussians must have shape (n_peaks, 3), got {peaks.shape}.")
    return np.array(peaks, dtype=np.float64).reshape(-1, 3)
