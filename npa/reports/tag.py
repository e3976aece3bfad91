"""Responses of channels to frequency tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import mne
import numpy as np

from npa.reports.tables import long_table
from npa.spectral.snr import TagTerm
from npa.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_FDR = 0.05


@dataclass(frozen=True, eq=False)
class TagReport:
    """Responses of each channel to frequency tags.

    Parameters
    ----------
    ch_names : tuple of str
        Channels.
    terms : tuple of npa.spectral.snr.TagTerm
        Names, frequencies (Hz) and collisions of the terms.
    freqs : array, shape (n_freqs,)
        Frequencies of the spectra in Hz.
    amplitude : array, shape (n_channels, n_freqs)
        Amplitude spectra in V, mean of the epochs.
    measure : {"snr", "zscore", "bca", "amplitude"}
        What the values are.
    power : bool
        Whether they are of power instead of amplitude.
    values : array, shape (n_channels, n_terms)
        Mean of the values over epochs.
    scores : array, shape (n_channels,)
        Mean of the values over epochs and terms.
    threshold : float | None
        Channels with a score above it are reported in ``above``.
    ratio : array, shape (n_channels, n_terms)
        Power over the mean power of the neighbours, both summed over epochs: F of the test.
    p : array, shape (n_channels, n_terms)
        Probability of this ratio or a larger one without a response.
    p_fdr : array, shape (n_channels, n_terms)
        The same, corrected for the false discovery rate over terms and channels.
    n_neighbors : array of int, shape (n_terms,)
        Number of neighbouring bins of each term.
    info : mne.Info | None
        Measurement info of the channels; None for arrays.
    """

    ch_names: tuple[str, ...]
    terms: tuple[TagTerm, ...]
    freqs: FloatArray
    amplitude: FloatArray
    measure: str
    power: bool
    values: FloatArray
    scores: FloatArray
    threshold: float | None
    ratio: FloatArray
    p: FloatArray
    p_fdr: FloatArray
    n_neighbors: IntArray
    info: mne.Info | None = None

    @property
    def above(self) -> tuple[str, ...] | None:
        """Names of the channels with a score above the threshold; None without a threshold."""
        if self.threshold is None:
            return None
        scores = zip(self.ch_names, self.scores, strict=True)
        return tuple(name for name, score in scores if score > self.threshold)

    @property
    def significant(self) -> BoolArray:
        """Responses at a false discovery rate of 5 %, shape (n_channels, n_terms)."""
        return self.p_fdr <= MAX_FDR

    @property
    def collisions(self) -> dict[float, tuple[str, ...]]:
        """Names of the terms that share a bin, by the frequency of the bin in Hz."""
        shared = {bin_: names for bin_, names in self._names_by_bin().items() if len(names) > 1}
        return {float(self.freqs[bin_]): tuple(names) for bin_, names in shared.items()}

    def to_frame(self) -> pd.DataFrame:
        """Return values and tests as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row per channel and term: ``channel``, ``term``, ``order``, ``frequency`` (Hz),
            ``collides`` (other terms in the same bin), ``off_bin`` (whether the term is between
            bins), ``n_neighbors``, the measure under its own name, ``ratio``, ``p``, ``p_fdr``,
            ``significant``.
        """
        of_terms = {
            "order": [term.order for term in self.terms],
            "frequency": [term.frequency for term in self.terms],
            "collides": [", ".join(term.collides) for term in self.terms],
            "off_bin": [term.off_bin for term in self.terms],
            "n_neighbors": self.n_neighbors,
        }
        n_channels = len(self.ch_names)
        return long_table(
            {"channel": self.ch_names, "term": [term.name for term in self.terms]},
            {
                **{name: np.tile(np.asarray(row), n_channels) for name, row in of_terms.items()},
                self.measure: self.values,
                "ratio": self.ratio,
                "p": self.p,
                "p_fdr": self.p_fdr,
                "significant": self.significant,
            },
        )

    def plot(self, channel: str | None = None) -> Figure:
        """Draw the amplitude spectrum of a channel with its terms, and the scores as a map.

        Parameters
        ----------
        channel : str | None
            The channel; None for the one with the highest score.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The spectrum, each term a named point, red where the response is significant; beside
            it the scores over the scalp, where electrode positions are known.

        Raises
        ------
        ValueError
            If the channel does not exist.

        Examples
        --------
        >>> from npa.estimators.tagging import FrequencyTagger
        >>> x = np.sin(np.arange(1000) / 100 * 2 * np.pi * 6)
        >>> x = x + np.random.default_rng(0).normal(size=(1, 1, 1000))
        >>> figure = FrequencyTagger(6, sfreq=100.0).fit(x).tags_.plot()
        >>> [label.get_text() for label in figure.axes[0].texts]
        ['f1', '2f1', '3f1', '4f1']
        """
        import matplotlib.pyplot as plt

        from npa.reports.drawing import MIN_POSITIONS, draw_map, with_positions

        if channel is None:
            channel = self.ch_names[int(np.argmax(np.nan_to_num(self.scores, nan=-np.inf)))]
        elif channel not in self.ch_names:
            names = ", ".join(self.ch_names[:8]) + (", ..." if len(self.ch_names) > 8 else "")
            raise ValueError(f"channel must be None or one of {names}, got {channel!r}.")
        with_map = (
            self.info is not None and len(with_positions(self.scores, self.info)) >= MIN_POSITIONS
        )
        figure, axes = plt.subplots(
            1,
            1 + with_map,
            figsize=(12 if with_map else 9, 4.2),
            width_ratios=(2.4, 1)[: 1 + with_map],
            layout="constrained",
            squeeze=False,
        )
        self._plot_spectrum(self.ch_names.index(channel), axes[0, 0])
        if with_map:
            label = f"Mean {self.measure} of terms" + (" (power)" if self.power else "")
            draw_map(self.scores, self.info, label, ax=axes[0, 1])
        return figure

    def _names_by_bin(self) -> dict[int, list[str]]:
        """Return the names of the terms at each bin that holds one."""
        names: dict[int, list[str]] = {}
        for term in self.terms:
            bin_ = int(np.abs(self.freqs - term.frequency).argmin())
            names.setdefault(bin_, []).append(term.name)
        return names

    def _plot_spectrum(self, row: int, ax: Axes) -> None:
        """Draw the spectrum of one channel, and a named point for each bin that holds a term."""
        amplitude, names = self.amplitude[row], self._names_by_bin()
        tests = zip(self.terms, self.significant[row], strict=True)
        significant = {term.name: found for term, found in tests}
        ax.semilogy(self.freqs[1:], amplitude[1:], color="0.6", lw=0.8)
        for bin_, terms in names.items():
            point = self.freqs[bin_], amplitude[bin_]
            color = "C3" if significant[terms[-1]] else "0.35"
            ax.semilogy(*point, "o", ms=4, color=color)
            ax.annotate(
                " = ".join(terms),
                point,
                xytext=(0, 6),
                textcoords="offset points",
                rotation=90,
                ha="center",
                va="bottom",
                fontsize="x-small",
                color=color,
            )
        ax.set(xlabel="Frequency (Hz)", ylabel="Amplitude (V)")
        ax.set_xlim(0, 1.05 * self.freqs[max(names)])
        shown = amplitude[1 : max(names) + 1]
        if (shown > 0).any():
            low, high = shown[shown > 0].min(), shown[shown > 0].max()
            ax.set_ylim(low / 1.5, high * 1.5 * (high / low) ** 0.3)  # room for the names
        ax.set_title(f"{self.ch_names[row]}: responses to tags (red: FDR 5 %)", fontsize="medium")
