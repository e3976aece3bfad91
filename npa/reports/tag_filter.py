"""Spatial filters for frequency tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import mne
import numpy as np

from npa.spectral.tag_filters import TagFilterFit
from npa.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class TagFilterReport:
    """Spatial filters for frequency tags, and what they gain.

    Parameters
    ----------
    ch_names : tuple of str
        Channels.
    frequencies : tuple of float
        The tags in Hz.
    used : array of int
        Channels that the filters use: neither bad nor flat.
    fits : tuple of npa.spectral.tag_filters.TagFilterFit
        The filter of each tag, for these channels.
    n_folds : int
        Folds of epochs for cross-validation; 1 for none.
    info : mne.Info | None
        Measurement info of the channels; None for arrays.
    """

    ch_names: tuple[str, ...]
    frequencies: tuple[float, ...]
    used: IntArray
    fits: tuple[TagFilterFit, ...]
    n_folds: int
    info: mne.Info | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components: ``tag_f1``, ``tag_f2``, ..."""
        return tuple(f"tag_f{number}" for number in range(1, len(self.fits) + 1))

    @property
    def filters(self) -> FloatArray:
        """Filters, shape (n_tags, n_channels); 0 for channels that are not used."""
        return self._all_channels([fit.filter for fit in self.fits])

    @property
    def patterns(self) -> FloatArray:
        """Patterns, shape (n_tags, n_channels); the largest entry of each is 1."""
        return self._all_channels([fit.pattern for fit in self.fits])

    @property
    def snr(self) -> FloatArray:
        """Power at the tag over that at its neighbours, cross-validated, shape (n_tags,)."""
        return np.array([fit.snr for fit in self.fits])

    @property
    def best_channels(self) -> tuple[str, ...]:
        """The channel with the largest ratio of power at each tag."""
        best = [self.used[int(np.argmax(fit.channel_snr))] for fit in self.fits]
        return tuple(self.ch_names[index] for index in best)

    def to_frame(self) -> pd.DataFrame:
        """Return the gain of each filter as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row per tag: ``name``, ``frequency`` (Hz), ``snr`` (power, cross-validated),
            ``best_channel`` and its ``channel_snr``, and ``gain``, the ratio of both. The best
            channel is chosen on all epochs, which favours it.
        """
        import pandas as pd

        channel_snr = np.array([fit.channel_snr.max() for fit in self.fits])
        return pd.DataFrame(
            {
                "name": self.names,
                "frequency": self.frequencies,
                "snr": self.snr,
                "best_channel": self.best_channels,
                "channel_snr": channel_snr,
                "gain": self.snr / np.where(channel_snr > 0, channel_snr, np.nan),
            }
        )

    def plot(self) -> Figure:
        """Draw the pattern of each filter.

        Returns
        -------
        figure : matplotlib.figure.Figure
            One map per tag, or bars where electrode positions are not known.

        Examples
        --------
        >>> from npa.estimators.tag_filter import TagFilter
        >>> x = np.random.default_rng(0).normal(size=(10, 3, 400))
        >>> x[:, :2] += np.sin(2 * np.pi * 6 * np.arange(400) / 100)
        >>> figure = TagFilter(6, sfreq=100.0).fit(x).tag_filters_.plot()
        >>> figure.axes[0].get_title().split(":")[0]
        'tag_f1 (6 Hz)'
        """
        import matplotlib.pyplot as plt

        from npa.reports.drawing import draw_map

        info = self.info or mne.create_info(list(self.ch_names), 1.0, "eeg")
        n_tags = len(self.fits)
        figure, axes = plt.subplots(
            1, n_tags, figsize=(4.2 * n_tags, 3.8), layout="constrained", squeeze=False
        )
        rows = zip(self.names, self.frequencies, self.patterns, self.snr, axes[0], strict=True)
        for name, frequency, pattern, snr, ax in rows:
            shown = np.full(len(pattern), np.nan)
            shown[self.used] = pattern[self.used]
            draw_map(shown, info, "Pattern (largest 1)", ax=ax, diverging=True)
            ax.set_title(f"{name} ({frequency:g} Hz): SNR {snr:.3g}", fontsize="medium")
        return figure

    def _all_channels(self, rows: list[FloatArray]) -> FloatArray:
        """Put weights of the channels that are used among all."""
        found = np.zeros((len(rows), len(self.ch_names)))
        found[:, self.used] = np.array(rows)
        return found
