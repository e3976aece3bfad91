"""What channels answer to frequency tags."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TagReport:
    """Describe what every channel answers to frequency tags.

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
    measure : str
        What the values are: ``"snr"``, ``"zscore"``, ``"bca"`` or ``"amplitude"``.
    power : bool
        Whether they are of power, not of amplitude.
    values : array, shape (n_channels, n_terms)
        Mean of the values over epochs.
    scores : array, shape (n_channels,)
        Mean of the values over epochs and terms.
    threshold : float | None
        Score above which a channel counts.
    ratio : array, shape (n_channels, n_terms)
        Power over the mean power of the neighbours, both summed over epochs: F of the test.
    p : array, shape (n_channels, n_terms)
        Probability of this ratio or a larger one without a response.
    p_fdr : array, shape (n_channels, n_terms)
        The same, corrected for the false discovery rate over terms and channels.
    n_neighbors : array of int, shape (n_terms,)
        Number of neighbour bins of each term.
    info : mne.Info | None
        Measurement info of the channels; None for arrays.
    """

    ch_names: tuple
    terms: tuple
    freqs: np.ndarray
    amplitude: np.ndarray
    measure: str
    power: bool
    values: np.ndarray
    scores: np.ndarray
    threshold: float | None
    ratio: np.ndarray
    p: np.ndarray
    p_fdr: np.ndarray
    n_neighbors: np.ndarray
    info: object = None

    @property
    def above(self):
        """Names of the channels with a score above the threshold; None without a threshold."""
        if self.threshold is None:
            return None
        scores = zip(self.ch_names, self.scores, strict=True)
        return tuple(name for name, score in scores if score > self.threshold)

    @property
    def significant(self):
        """Responses at a false discovery rate of 5 %, shape (n_channels, n_terms)."""
        return self.p_fdr <= 0.05

    @property
    def collisions(self):
        """Names of the terms that share a bin, by the bin's frequency in Hz."""
        names = {}
        for term in self.terms:
            frequency = self.freqs[np.abs(self.freqs - term.frequency).argmin()]
            names.setdefault(float(frequency), []).append(term.name)
        return {frequency: tuple(some) for frequency, some in names.items() if len(some) > 1}

    def to_frame(self):
        """Return values and tests as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row a channel and term: ``channel``, ``term``, ``order``, ``frequency`` (Hz),
            ``collides`` (other terms of the bin), ``off_bin`` (whether the term misses it),
            ``n_neighbors``, the measure under its own name, ``ratio``, ``p``, ``p_fdr``,
            ``significant``.
        """
        import pandas as pd

        n_channels = len(self.ch_names)
        rows = {
            "term": [term.name for term in self.terms],
            "order": [term.order for term in self.terms],
            "frequency": [term.frequency for term in self.terms],
            "collides": [", ".join(term.collides) for term in self.terms],
            "off_bin": [term.off_bin for term in self.terms],
            "n_neighbors": self.n_neighbors,
        }
        columns = {"channel": np.repeat(np.asarray(self.ch_names, object), len(self.terms))}
        columns |= {name: np.tile(np.asarray(row), n_channels) for name, row in rows.items()}
        columns[self.measure] = self.values.ravel()
        for name in ("ratio", "p", "p_fdr", "significant"):
            columns[name] = getattr(self, name).ravel()
        return pd.DataFrame(columns)

    def plot(self, channel=None):
        """Draw the spectrum of a channel with its terms, and scores over the scalp.

        Parameters
        ----------
        channel : str | None
            Which channel; None for the one with the highest score.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The spectrum; beside it a map, where electrode positions are known.

        Raises
        ------
        ValueError
            If there is no such channel.
        """
        from npa.reports.drawing import draw_tags

        return draw_tags(self, channel=channel)
