"""How well a filter realises its ideal gain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from npa.spectral.filtering.power_filter import PowerFilter
from npa.typing import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

N_FREQS = 10_000
MIN_GAIN = 0.02  # an error in dB is meaningless where the ideal gain is smaller


@dataclass(frozen=True, eq=False)
class FilterReport:
    """Ideal and realised gain of a filter.

    Parameters
    ----------
    filter : PowerFilter
        The filter, as `npa.spectral.design_filter` returns it.
    freq_range : tuple of float
        Frequencies in Hz between which the spectrum was fitted.
    """

    filter: PowerFilter
    freq_range: tuple[float, float]

    @property
    def freqs(self) -> FloatArray:
        """Frequencies from 0 to Nyquist in Hz, shape (10000,)."""
        return np.linspace(0, self.filter.sfreq / 2, N_FREQS)

    @cached_property
    def ideal(self) -> FloatArray:
        """Ideal gain, shape (10000,)."""
        return self.filter.ideal(self.freqs)

    @cached_property
    def realised(self) -> FloatArray:
        """Gain of the filter, shape (10000,)."""
        return self.filter.gain(self.freqs)

    @cached_property
    def ideal_background(self) -> FloatArray:
        """Ideal gain for the background, without peaks, shape (10000,)."""
        return self.filter.ideal_background(self.freqs)

    @cached_property
    def realised_background(self) -> FloatArray:
        """Gain of the filter without its peaks, shape (10000,)."""
        return self.filter.without_peaks().gain(self.freqs)

    @property
    def r_squared(self) -> float:
        """Share of the variance of the ideal gain (0 Hz to Nyquist) that is realised.

        It says little where the ideal gain hardly varies (a large knee); see ``max_error_db``.
        """
        residual = np.sum((self.realised - self.ideal) ** 2)
        return float(1 - residual / np.sum((self.ideal - self.ideal.mean()) ** 2))

    @property
    def max_error_db(self) -> float:
        """Largest error in dB within ``freq_range``, where the ideal gain is at least 0.02."""
        low, high = self.freq_range
        used = (self.freqs >= low) & (self.freqs <= high) & (self.ideal >= MIN_GAIN)
        if not used.any():
            return np.nan
        realised = np.maximum(self.realised[used], np.finfo(float).tiny)
        return float(np.abs(20 * np.log10(realised / self.ideal[used])).max())

    def to_frame(self) -> pd.DataFrame:
        """Return the gains as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row per frequency: ``freq`` in Hz, and the gains ``ideal``, ``realised``,
            ``ideal_background`` and ``realised_background``.
        """
        import pandas as pd

        names = ["ideal", "realised", "ideal_background", "realised_background"]
        gains = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"freq": self.freqs, **gains})

    def plot(self) -> Figure:
        """Draw the gain for the background, for the peaks, and for both, ideal and realised.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure, with three axes.

        Examples
        --------
        >>> from npa.estimators.amplifier import NeuralPowerAmplifier
        >>> noise = np.random.default_rng(0).normal(size=(1, 20_000)).cumsum(axis=-1)
        >>> amplifier = NeuralPowerAmplifier(response="whitening", sfreq=128.0).fit(noise)
        >>> len(amplifier.filters_.plot().axes)
        3
        """
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
        panels = (
            (
                f"{self.filter.response.capitalize()} response",
                self.ideal_background,
                self.realised_background,
            ),
            (
                f"Response of {len(self.filter.peaks)} peak(s)",
                self.ideal - self.ideal_background,
                self.realised - self.realised_background,
            ),
            (f"Both: $r^2$ = {self.r_squared:.4f}", self.ideal, self.realised),
        )
        for ax, (title, ideal, realised) in zip(axes, panels, strict=True):
            ax.plot(self.freqs, realised, color="C0", lw=2.5, alpha=0.6, label="realised")
            ax.plot(self.freqs, ideal, "--", color="k", lw=1, label="ideal")
            ax.set(xlabel="Frequency (Hz)", xlim=(0, self.freqs[-1]))
            ax.set_title(title, fontsize="medium")
        axes[1].set_xlim(0, min(1.5 * self.freq_range[1], self.freqs[-1]))
        axes[0].set_ylabel("Gain")
        axes[0].legend(frameon=False)
        return figure
