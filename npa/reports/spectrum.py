"""A model of a power spectrum: a background, and the peaks on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from npa.reports.time_course import TimeCourse
from npa.spectral.model import aperiodic, gaussians, knee_frequency
from npa.typing import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class SpectrumReport:
    """A background and peaks fitted to a power spectrum.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the fit in Hz.
    power : array, shape (n_freqs,)
        The power that was fitted, in V^2/Hz.
    aperiodic_mode : {"fixed", "knee", "knee_floor"}
        Whether the background has a knee.
    offset : float
        Offset of the background, log10 of V^2/Hz.
    knee : float
        Knee of the background; 0 in fixed mode.
    floor : float
        Flat noise floor that is added, log10 of V^2/Hz; NaN for none.
    exponent : float
        Exponent chi of the background, which falls as 1 / (knee + f^chi).
    peaks : array, shape (n_peaks, 3)
        Centre frequency (Hz), height of the model above the background (log10 units) and two-sided
        bandwidth (Hz) of each peak, by increasing frequency.
    gaussians : array, shape (n_peaks, 3)
        Centre frequency (Hz), height (log10 units) and standard deviation (Hz) of the Gaussians
        whose sum models the peaks.
    peak_z : array, shape (n_peaks,)
        Height of every Gaussian over its standard error; NaN without a selection of models.
    r_squared : float
        Squared correlation of the model with log10 power.
    error : float
        Mean absolute error of the model in log10 units.
    reason : str
        Why the fit failed; empty where it did not.
    seconds_used, seconds_clean : float
        Duration in s that power was estimated from, and that of the clean recording.
    over_time : TimeCourse | None
        The fits of moving windows; None without them.
    intervals : dict
        Name of a measure, such as ``"exponent"`` or ``"peak1_cf"``, to its standard error and the
        ends of its 95 % interval; empty without. Peaks are numbered as in ``peaks``.
    aperiodic_interval : array, shape (2, n_freqs) | None
        Ends of the 95 % interval of the background at every frequency, in log10 units.
    """

    freqs: FloatArray
    power: FloatArray
    aperiodic_mode: str
    offset: float = np.nan
    knee: float = np.nan
    exponent: float = np.nan
    peaks: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    gaussians: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    floor: float = np.nan
    peak_z: FloatArray = field(default_factory=lambda: np.empty(0))
    r_squared: float = np.nan
    error: float = np.nan
    reason: str = ""
    seconds_used: float = np.nan
    seconds_clean: float = np.nan
    over_time: TimeCourse | None = None
    intervals: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    aperiodic_interval: FloatArray | None = None

    @property
    def knee_freq(self) -> float:
        """Frequency in Hz at which the background bends; NaN if not within the frequencies."""
        if not len(self.freqs):
            return np.nan
        return float(knee_frequency(self.knee, self.exponent, (self.freqs[0], self.freqs[-1])))

    @property
    def timescale(self) -> float:
        """Time constant of the bend in s, ``1 / (2 pi knee_freq)``."""
        return 1 / (2 * np.pi * self.knee_freq)

    @property
    def aperiodic(self) -> FloatArray:
        """Background in log10 of V^2/Hz, shape (n_freqs,)."""
        floor = self.floor if np.isfinite(self.floor) else -np.inf
        return aperiodic(self.freqs, self.offset, self.exponent, self.knee, floor)

    @property
    def model(self) -> FloatArray:
        """Background and peaks in log10 of V^2/Hz, shape (n_freqs,)."""
        return self.aperiodic + gaussians(self.freqs, self.gaussians)

    def with_intervals(
        self, names: Sequence[str], se: FloatArray, low: FloatArray, high: FloatArray
    ) -> SpectrumReport:
        """Return the report with standard errors and intervals.

        Parameters
        ----------
        names : sequence of str, length n_names
            Names of the measures.
        se, low, high : array, shape (n_values,)
            Standard errors and ends of the intervals: of these measures first, of log10 power of
            the background last.

        Returns
        -------
        report : SpectrumReport
            A copy.
        """
        n_names, n_freqs = len(names), len(self.freqs)
        ends = np.stack([se, low, high], axis=1)
        intervals = {
            name: (float(each[0]), float(each[1]), float(each[2]))
            for name, each in zip(names, ends[:n_names], strict=True)
        }
        return replace(self, intervals=intervals, aperiodic_interval=ends[-n_freqs:, 1:].T)

    def to_frame(self) -> pd.DataFrame:
        """Return the spectrum and its model as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row per frequency: ``freq`` in Hz; ``power``, ``model`` and ``aperiodic`` in
            V^2/Hz, and with intervals ``aperiodic_low`` and ``aperiodic_high``.
        """
        import pandas as pd

        columns = {
            "freq": self.freqs,
            "power": self.power,
            "model": 10**self.model,
            "aperiodic": 10**self.aperiodic,
        }
        if self.aperiodic_interval is not None:
            low, high = 10**self.aperiodic_interval
            columns |= {"aperiodic_low": low, "aperiodic_high": high}
        return pd.DataFrame(columns)

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the spectrum, its background and its peaks.

        Parameters
        ----------
        ax : matplotlib.axes.Axes | None
            Axes to draw into; None for a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure; it states the reason where the fit failed.

        Examples
        --------
        >>> from npa.estimators.parameterize import FOOOFFitter
        >>> noise = np.random.default_rng(0).normal(size=(1, 5000))
        >>> figure = FOOOFFitter(sfreq=100.0).fit(noise).spectrum_.plot()
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['power', 'model', 'background']
        """
        from npa.reports.drawing import figure_and_axes, label_spectrum

        figure, ax = figure_and_axes(ax)
        if self.reason:
            ax.set_title(f"Not fitted: {self.reason}", fontsize="medium")
        if not (self.power > 0).any():
            return figure
        ax.loglog(self.freqs, self.power, color="0.6", lw=2, label="power")
        if not self.reason:
            ax.loglog(self.freqs, 10**self.model, color="C3", label="model")
            ax.loglog(self.freqs, 10**self.aperiodic, "--", color="C0", label="background")
            if self.aperiodic_interval is not None:
                low, high = 10**self.aperiodic_interval
                ax.fill_between(self.freqs, low, high, color="C0", alpha=0.25, lw=0)
            knee = f", knee {self.knee_freq:.3g} Hz" if np.isfinite(self.knee_freq) else ""
            _, *ends = self.intervals.get("exponent", (np.nan,))
            chi = f"$\\chi$ = {self.exponent:.2f}"
            chi += " [{:.2f}, {:.2f}]".format(*ends) if ends else ""
            chi += f"{knee}, $r^2$ = {self.r_squared:.3f}"
            centres = ", ".join(map(self._centre, range(len(self.peaks))))
            peaks = f"peaks at {centres} Hz" if centres else "no peaks"
            ax.set_title(f"{chi}\n{peaks}", fontsize="medium")
            ax.legend(frameon=False)
        label_spectrum(ax)
        return figure

    def _centre(self, index: int) -> str:
        """Return the frequency of a peak as text, with its standard error if it is known."""
        se, *_ = self.intervals.get(f"peak{index + 1}_cf", (np.nan,))
        error = f" ± {se:.2f}" if np.isfinite(se) else ""
        return f"{self.peaks[index, 0]:.1f}{error}"

    def plot_time(self) -> Figure:
        """Draw exponent, and frequency and height of the highest peaks, over time.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure; see `TimeCourse.plot`.

        Raises
        ------
        ValueError
            If the fit was not over time.

        Examples
        --------
        >>> from npa.estimators.parameterize import FOOOFFitter
        >>> noise = np.random.default_rng(0).normal(size=(1, 5000))
        >>> figure = FOOOFFitter(sfreq=100.0, window=8.0, step=2.0).fit(noise).spectrum_.plot_time()
        >>> figure.axes[-1].get_xlabel()
        'Time (s)'
        """
        if self.over_time is None:
            raise ValueError("the spectrum has no time course: fit with window=4.0, say.")
        return self.over_time.plot()
