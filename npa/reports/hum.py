"""Line noise of each channel, before and after its removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import mne
import numpy as np

from npa.reports.tables import long_table
from npa.spectral.line_fit import LineComponents
from npa.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class HumReport:
    """Line noise of each channel, before and after its removal.

    Parameters
    ----------
    ch_names : tuple of str
        Channels.
    method : {"spatial", "spectrum_fit"}
        How it was removed.
    reason : str
        Why this method.
    sfreq : float
        Sampling rate in Hz.
    used : array of int
        Channels that components are made of: neither bad nor flat.
    lines : tuple of LineComponents
        What was removed at each frequency.
    before, after : array, shape (n_channels, n_lines)
        Power at the line over that of the background beside it, in dB; NaN where it is not known.
    freqs : array, shape (n_freqs,)
        Frequencies of the spectra in Hz.
    spectrum_before, spectrum_after : array, shape (n_freqs,)
        Mean power of the usable channels in V^2/Hz.
    info : mne.Info | None
        Measurement info of the channels; None for arrays.
    """

    ch_names: tuple[str, ...]
    method: str
    reason: str
    sfreq: float
    used: IntArray
    lines: tuple[LineComponents, ...]
    before: FloatArray
    after: FloatArray
    freqs: FloatArray
    spectrum_before: FloatArray
    spectrum_after: FloatArray
    info: mne.Info | None = None

    @property
    def found(self) -> bool:
        """Whether any line stands out from the background."""
        return any(line.found for line in self.lines)

    @property
    def n_removed(self) -> tuple[int, ...]:
        """Components removed at each frequency; of channels, whether they are fitted (1 or 0)."""
        if self.method == "spatial":
            return tuple(len(line.windows) for line in self.lines)
        return tuple(int(any(line.windows)) for line in self.lines)

    def to_frame(self) -> pd.DataFrame:
        """Return the line noise as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row per channel and frequency: ``channel``, ``nominal`` (Hz), ``frequency`` (Hz),
            ``found``, ``n_removed``, ``window`` (s, the shortest), ``before`` and ``after`` (dB
            over the background).
        """
        n_channels = len(self.ch_names)
        shortest = [min((w for w in line.windows if w), default=0) for line in self.lines]
        of_lines = {
            "frequency": [line.freq for line in self.lines],
            "found": [line.found for line in self.lines],
            "n_removed": self.n_removed,
            "window": np.array(shortest, dtype=float) / self.sfreq,
        }
        return long_table(
            {"channel": self.ch_names, "nominal": [line.nominal for line in self.lines]},
            {
                **{name: np.tile(np.asarray(row), n_channels) for name, row in of_lines.items()},
                "before": self.before,
                "after": self.after,
            },
        )

    def plot(self) -> Figure:
        """Draw the mean spectrum and the line noise of each channel, before and after.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The mean spectrum; beside it the channels at the strongest line; and the pattern of the
            first component over the scalp, where there is one and electrode positions are known.

        Examples
        --------
        >>> from npa.estimators.line_noise import LineNoiseRemover
        >>> x = np.random.default_rng(0).normal(size=(1, 2, 4000))
        >>> x += 3 * np.sin(2 * np.pi * 50 * np.arange(4000) / 200)
        >>> figure = LineNoiseRemover(sfreq=200.0).fit(x).hum_.plot()
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['Power (V²/Hz)', 'Line over background (dB)']
        """
        import matplotlib.pyplot as plt

        from npa.reports.drawing import MIN_POSITIONS, draw_map, with_positions

        strongest = self._strongest()
        line = self.lines[strongest] if self.lines else None
        pattern = None
        if line is not None and line.patterns.size:
            pattern = np.full(len(self.ch_names), np.nan)
            pattern[self.used] = line.patterns[:, 0] / np.abs(line.patterns[:, 0]).max()
        info = self.info
        with_map = (
            pattern is not None
            and info is not None
            and len(with_positions(pattern, info)) >= MIN_POSITIONS
        )
        figure, axes = plt.subplots(
            1,
            2 + with_map,
            figsize=(13 if with_map else 9.5, 3.8),
            width_ratios=(1.5, 1.3, 1)[: 2 + with_map],
            layout="constrained",
        )
        self._plot_spectrum(axes[0])
        ax = axes[1]
        ax.set(ylabel="Line over background (dB)", xlabel="Channel, by line noise")
        if line is not None:
            order = np.argsort(-np.nan_to_num(self.before[:, strongest], nan=-np.inf))
            ax.plot(self.before[order, strongest], ".", color="C3", label="before")
            ax.plot(self.after[order, strongest], ".", color="C0", label="after")
            ax.axhline(0, color="0.6", lw=0.8)
            ax.set_title(f"{line.freq:.5g} Hz", fontsize="medium")
            ax.legend(frameon=False)
            if len(order) <= 12:
                ax.set_xticks(range(len(order)), [self.ch_names[index] for index in order])
        if with_map and pattern is not None and info is not None and line is not None:
            title = f"First component at {line.freq:.5g} Hz"
            draw_map(pattern, info, title, ax=axes[2], diverging=True)
        return figure

    def _strongest(self) -> int:
        """Return the index of the strongest line."""
        if not self.before.size or np.isnan(self.before).all():
            return 0
        return int(np.nanargmax(np.nan_to_num(self.before, nan=-np.inf).max(axis=0)))

    def _plot_spectrum(self, ax: Axes) -> None:
        """Draw the mean spectrum before and after."""
        shown = self.freqs > 1
        ax.semilogy(
            self.freqs[shown], self.spectrum_before[shown], color="C3", lw=1, label="before"
        )
        ax.semilogy(self.freqs[shown], self.spectrum_after[shown], color="C0", lw=1, label="after")
        ax.set(xlabel="Frequency (Hz)", ylabel="Power (V²/Hz)")
        ax.set_title(f"Mean of channels ({self.method.replace('_', ' ')})", fontsize="medium")
        ax.legend(frameon=False)


def hum_sentence(report: HumReport) -> str:
    """Return what a report says, in one sentence.

    Parameters
    ----------
    report : HumReport
        The report.

    Returns
    -------
    sentence : str
        Frequency, decibels before and after, and how it was removed.

    Examples
    --------
    >>> from npa.estimators.line_noise import LineNoiseRemover
    >>> x = np.random.default_rng(0).normal(size=(1, 1, 4000))
    >>> hum_sentence(LineNoiseRemover(sfreq=200.0).fit(x).hum_)
    'no line noise at 50 Hz.'
    """
    found = [index for index, line in enumerate(report.lines) if line.found]
    if not found:
        names = ", ".join(f"{line.nominal:g}" for line in report.lines) or "50, 60"
        return f"no line noise at {names} Hz."
    parts = []
    for index in found:
        before, after = np.nanmax(report.before[:, index]), np.nanmax(report.after[:, index])
        parts.append(f"{report.lines[index].freq:.5g} Hz {before:.0f} to {max(after, 0):.0f} dB")
    how = "in each channel"
    if report.method == "spatial":
        how = f"as {max(report.n_removed)} component(s) of all channels"
    return f"{', '.join(parts)} over the background in the worst channel, removed {how}."
