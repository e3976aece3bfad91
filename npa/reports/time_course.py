"""A model of a power spectrum over time: backgrounds and peaks of moving windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from npa.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PEAKS_SHOWN = 3  # the highest; more cannot be told apart
MAX_LINES = 8  # in one figure, for the same reason
NORMAL_QUANTILE = 1.96  # of 95 % intervals
PEAK_VALUES = ("cf", "pw", "bw")


@dataclass(frozen=True, eq=False)
class TimeCourse:
    """Backgrounds and peaks of the power of windows, averaged over channels.

    Parameters
    ----------
    rows : dict
        ``"epoch"`` or ``"condition"``, and ``"time"`` (the middle of the window in s): the values
        of each, of shape (n_rows,).
    values : dict
        Name of a measure, such as ``"exponent"`` or ``"peak1_cf"``, to its value in every window,
        shape (n_rows,); NaN where there is none. Peaks are numbered as in ``peaks``.
    peaks : array, shape (n_peaks, 3)
        Centre frequency (Hz), height (log10 units) and two-sided bandwidth (Hz) of the peaks of
        the average spectrum, which are looked for in every window.
    intervals : dict
        Name of a measure to the ends of its 95 % interval, shape (n_rows, 2); empty without.
    """

    rows: Mapping[str, AnyArray]
    values: Mapping[str, FloatArray]
    peaks: FloatArray
    intervals: Mapping[str, FloatArray] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Return the values as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row per window: ``epoch`` or ``condition``, ``time`` in s, the measures, and with
            intervals their ends, such as ``exponent_low`` and ``exponent_high``.
        """
        import pandas as pd

        columns = {**self.rows, **self.values}
        for name, ends in self.intervals.items():
            columns |= {f"{name}_low": ends[:, 0], f"{name}_high": ends[:, 1]}
        return pd.DataFrame(columns)

    def plot(self) -> Figure:
        r"""Draw exponent, and frequency and height of the highest peaks, over time.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure, with one line per condition; of several epochs, their mean with its 95 %
            interval. Bands are 95 % intervals.

        Examples
        --------
        >>> from npa.estimators.parameterize import FOOOFFitter
        >>> noise = np.random.default_rng(0).normal(size=(1, 5000))
        >>> fitter = FOOOFFitter(sfreq=100.0, window=8.0, max_n_peaks=0).fit(noise)
        >>> figure = fitter.spectrum_.over_time.plot()
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['Exponent $\\chi$']
        """
        import matplotlib.pyplot as plt

        highest = np.argsort(-self.peaks[:, 1], kind="stable")[:MAX_PEAKS_SHOWN]
        labels = ["Exponent $\\chi$"]
        names = [["exponent"]]
        if len(highest):
            labels += ["Peak frequency (Hz)", "Peak height (log10)"]
            for value in PEAK_VALUES[:2]:
                names.append([f"peak{index + 1}_{value}" for index in sorted(highest)])
        figure, axes = plt.subplots(
            len(names),
            1,
            figsize=(7.0, 2.2 * len(names) + 0.6),
            sharex=True,
            layout="constrained",
            squeeze=False,
        )
        for ax, label, each in zip(axes[:, 0], labels, names, strict=True):
            for name in each:
                self._draw(ax, name, several=len(each) > 1)
            ax.set_ylabel(label)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(frameon=False, fontsize="small", loc="upper right")
        axes[-1, 0].set_xlabel("Time (s)")
        return figure

    def _draw(self, ax: Axes, name: str, *, several: bool) -> None:
        """Draw one measure, with its intervals."""
        peak = ""
        if several:
            index = int(name.split("_")[0].removeprefix("peak")) - 1
            peak = f"{self.peaks[index, 0]:.1f} Hz"
        for label, times, value, low, high in self._lines(name):
            (line,) = ax.plot(
                times,
                value,
                lw=1.2,
                marker="." if len(times) <= 100 else "",
                label=", ".join(filter(None, (label, peak))),
            )
            if np.isfinite(low).any():
                ax.fill_between(times, low, high, color=line.get_color(), alpha=0.25, lw=0)

    def _lines(self, name: str) -> list[tuple[str, FloatArray, FloatArray, FloatArray, FloatArray]]:
        """Return label, times, values and their interval of every line of a measure."""
        value, times = self.values[name], self.rows["time"]
        ends = self.intervals.get(name, np.full((len(value), 2), np.nan))
        if "condition" in self.rows:
            found = []
            for condition in dict.fromkeys(self.rows["condition"]):
                own = self.rows["condition"] == condition
                found.append((str(condition), times[own], value[own], *ends[own].T))
            return found[:MAX_LINES]
        n_epochs = len(np.unique(self.rows["epoch"]))
        if n_epochs == 1:
            return [("", times, value, *ends.T)]
        by_epoch = value.reshape(n_epochs, -1)
        known = np.isfinite(by_epoch)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, by_epoch, 0).sum(axis=0) / count
        spread = np.where(known, by_epoch - mean, 0)
        error = np.sqrt((spread**2).sum(axis=0) / np.maximum(count - 1, 1) / count)
        mean = np.where(known.any(axis=0), mean, np.nan)
        half = NORMAL_QUANTILE * error
        label = f"mean of {n_epochs} epochs"
        return [(label, times[: len(mean)], mean, mean - half, mean + half)]
