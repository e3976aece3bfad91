"""Straight lines fitted to power spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from npa.reports.tables import long_table
from npa.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SPECTRA = 8  # in one figure; more cannot be told apart


@dataclass(frozen=True, eq=False)
class SlopeReport:
    """Straight lines fitted to power spectra in log-log axes.

    Parameters
    ----------
    names : tuple of str
        Channels, or groups of channels.
    freqs : array, shape (n_freqs,)
        Frequencies of the fit in Hz.
    power : array, shape (n_names, n_freqs)
        Geometric mean of power over the epochs, in V^2/Hz. With least squares, its line is the
        mean of the epochs' lines.
    regression : {"ols", "theilsen"}
        How the lines were fitted.
    slope : array, shape (n_rows, n_names)
        Slope beta of S ~ f^beta; negative for 1/f noise.
    intercept : array, shape (n_rows, n_names)
        log10 of the power (V^2/Hz) at 1 Hz.
    stderr : array, shape (n_rows, n_names)
        Standard error of the slope.
    r_squared : array, shape (n_rows, n_names)
        Share of the variance of log10 power that the line explains.
    seconds_used, seconds_clean : float
        Duration in s that power was estimated from, and that of the clean recording.
    rows : dict
        What the rows are: ``"epoch"`` or ``"condition"``, and ``"time"`` (the middle of a window in
        s), to their values of shape (n_rows,). Empty if rows are epochs.
    intervals : tuple of array, shape (n_rows, n_names, 2) | None
        Bootstrapped standard errors, and lower and upper ends of the 95 % intervals, of slope and
        intercept.
    """

    names: tuple[str, ...]
    freqs: FloatArray
    power: FloatArray
    regression: str
    slope: FloatArray
    intercept: FloatArray
    stderr: FloatArray
    r_squared: FloatArray
    seconds_used: float = np.nan
    seconds_clean: float = np.nan
    rows: Mapping[str, AnyArray] = field(default_factory=dict)
    intervals: tuple[FloatArray, FloatArray, FloatArray] | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return the lines as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row per epoch (or condition, and window) and name: ``epoch`` (``condition``,
            ``time``), ``name``, ``slope``, ``intercept`` (log10 of V^2/Hz), ``stderr`` and ``r2``;
            with intervals also ``slope_se``, ``slope_low``, ``slope_high``, and likewise of the
            intercept.
        """
        levels = {"epoch": range(len(self.slope)), "name": self.names}
        columns = {"slope": self.slope, "intercept": self.intercept}
        columns |= {"stderr": self.stderr, "r2": self.r_squared}
        if self.intervals is not None:
            for index, name in enumerate(("slope", "intercept")):
                for end, values in zip(("se", "low", "high"), self.intervals, strict=True):
                    columns[f"{name}_{end}"] = values[..., index]
        table = long_table(levels, columns)
        if not self.rows:
            return table
        table = table.drop(columns="epoch")
        for position, (name, values) in enumerate(self.rows.items()):
            table.insert(position, name, np.repeat(values, len(self.names)))
        return table

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw the mean spectra and their lines.

        Parameters
        ----------
        ax : matplotlib.axes.Axes | None
            Axes to draw into; None for a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure; each spectrum is a thin line, its fit a dashed line of the same colour.

        Examples
        --------
        >>> from npa.estimators.exponent import PSDExponent
        >>> noise = np.random.default_rng(0).normal(size=(3, 2, 1000))
        >>> figure = PSDExponent(sfreq=100.0).fit(noise).slopes_.plot()
        >>> figure.axes[0].get_xscale()
        'log'
        """
        from npa.reports.drawing import figure_and_axes, label_spectrum

        figure, ax = figure_and_axes(ax)
        fitted = np.flatnonzero(np.isfinite(self.power).all(axis=-1))
        if not len(fitted) or not len(self.freqs):
            ax.set_title(f"No slopes: none of {len(self.names)} spectra could be fitted")
            return figure
        for column in fitted[:MAX_SPECTRA]:
            slope = np.nanmean(self.slope[:, column])
            intercept = np.nanmean(self.intercept[:, column])
            label = f"{self.names[column]}: $\\beta$ = {slope:.2f}"
            (spectrum,) = ax.loglog(self.freqs, self.power[column], lw=0.8, alpha=0.7)
            line = 10**intercept * self.freqs**slope
            ax.loglog(self.freqs, line, "--", lw=2, color=spectrum.get_color(), label=label)
        label_spectrum(ax)
        shown = min(len(fitted), MAX_SPECTRA)
        ax.set_title(f"Slopes of power, {shown} of {len(self.names)} (mean of {len(self.slope)})")
        if shown:
            ax.legend(frameon=False, fontsize="small")
        return figure

    def plot_time(self, ax: Axes | None = None) -> Figure:
        """Draw the slopes over time.

        Parameters
        ----------
        ax : matplotlib.axes.Axes | None
            Axes to draw into; None for a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure, with one line per name; the mean over epochs or conditions. Bands are 95 %
            intervals, of a single epoch.

        Raises
        ------
        ValueError
            If the fit was not over time.

        Examples
        --------
        >>> from npa.estimators.exponent import PSDExponent
        >>> noise = np.random.default_rng(0).normal(size=(1, 2, 1000))
        >>> figure = PSDExponent(sfreq=100.0, window=2.0).fit(noise).slopes_.plot_time()
        >>> figure.axes[0].get_xlabel()
        'Time (s)'
        """
        from npa.reports.drawing import figure_and_axes
        from npa.spectral.averages import mean_of_known

        if "time" not in self.rows:
            raise ValueError("the slopes have no time course: fit with window=4.0, say.")
        figure, ax = figure_and_axes(ax)
        times = np.unique(self.rows["time"])
        slopes = mean_of_known(self.slope.reshape(-1, len(times), len(self.names)), axis=0)
        one = self.intervals if len(self.slope) == len(times) else None
        for column, name in enumerate(self.names[:MAX_SPECTRA]):
            (line,) = ax.plot(times, slopes[:, column], lw=1.2, marker=".", label=name)
            if one is not None:
                low, high = (ends[:, column, 0] for ends in one[1:])
                ax.fill_between(times, low, high, color=line.get_color(), alpha=0.25, lw=0)
        ax.set(xlabel="Time (s)", ylabel="Slope $\\beta$")
        shown = min(len(self.names), MAX_SPECTRA)
        ax.set_title(f"Slopes of power over time, {shown} of {len(self.names)}")
        ax.legend(frameon=False, fontsize="small")
        return figure
