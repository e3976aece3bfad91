"""What an estimator decided, as an object to look at, export and check."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from mne import Info

from npa.spectral.model import aperiodic, gaussians

_N_GAINS = 10_000
_LEAST_GAIN = 0.02  # below it, an error in dB means nothing


@dataclass(frozen=True, eq=False)
class SpectrumReport:
    """Describe a power spectrum by a background and the peaks on it.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of the fit in Hz.
    power : array, shape (n_freqs,)
        The power that was fitted, in V^2/Hz.
    aperiodic_mode : str
        ``"fixed"`` or ``"knee"``.
    offset : float
        Offset of the background, log10 of V^2/Hz.
    knee : float
        Knee of the background; 0 in fixed mode.
    exponent : float
        Exponent chi of the background, which falls as 1 / (knee + f^chi).
    peaks : array, shape (n_peaks, 3)
        Centre frequency (Hz), height of the model over the background (log10 units) and two-sided
        bandwidth (Hz) of every peak, by rising frequency.
    gaussians : array, shape (n_peaks, 3)
        Centre frequency (Hz), height (log10 units) and standard deviation (Hz) of the Gaussians
        whose sum is the model's peaks.
    r2 : float
        Squared correlation of the model with log10 power.
    error : float
        Mean absolute error of the model in log10 units.
    problem : str
        Why the fit failed; empty where it did not.
    """

    freqs: np.ndarray
    power: np.ndarray
    aperiodic_mode: str
    offset: float = np.nan
    knee: float = np.nan
    exponent: float = np.nan
    peaks: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    gaussians: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    r2: float = np.nan
    error: float = np.nan
    problem: str = ""

    @property
    def aperiodic(self):
        """Background in log10 of V^2/Hz, shape (n_freqs,)."""
        return aperiodic(self.freqs, self.offset, self.exponent, self.knee)

    @property
    def model(self):
        """Background and peaks in log10 of V^2/Hz, shape (n_freqs,)."""
        return self.aperiodic + gaussians(self.freqs, self.gaussians)

    def to_frame(self):
        """Return the spectrum and its model as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row a frequency: ``freq`` in Hz; ``power``, ``model`` and ``aperiodic`` in V^2/Hz.
        """
        import pandas as pd

        columns = {
            "freq": self.freqs,
            "power": self.power,
            "model": 10**self.model,
            "aperiodic": 10**self.aperiodic,
        }
        return pd.DataFrame(columns)

    def plot(self, ax=None):
        """Draw the spectrum, its background and its peaks.

        Parameters
        ----------
        ax : matplotlib.axes.Axes | None
            Where to draw; None for a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure.
        """
        from npa.viz import draw_spectrum

        return draw_spectrum(self, ax=ax)


@dataclass(frozen=True, eq=False)
class SlopeReport:
    """Describe power spectra by straight lines in double-logarithmic axes.

    Parameters
    ----------
    names : tuple of str
        Channels, or groups of channels.
    freqs : array, shape (n_freqs,)
        Frequencies of the fit in Hz.
    power : array, shape (n_names, n_freqs)
        Geometric mean of power over the epochs, in V^2/Hz. For least squares its line is the mean
        of the epochs' lines.
    regression : str
        ``"ols"`` or ``"theilsen"``.
    slope : array, shape (n_epochs, n_names)
        The power beta of S ~ f^beta; negative for 1/f noise.
    intercept : array, shape (n_epochs, n_names)
        log10 of the power (V^2/Hz) at 1 Hz.
    stderr : array, shape (n_epochs, n_names)
        Standard error of the slope.
    r2 : array, shape (n_epochs, n_names)
        Share of the variance of log10 power that the line explains.
    """

    names: tuple
    freqs: np.ndarray
    power: np.ndarray
    regression: str
    slope: np.ndarray
    intercept: np.ndarray
    stderr: np.ndarray
    r2: np.ndarray

    def to_frame(self):
        """Return the lines as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row an epoch and name: ``epoch``, ``name``, ``slope``, ``intercept`` (log10 of
            V^2/Hz), ``stderr`` and ``r2``.
        """
        import pandas as pd

        n_epochs, n_names = self.slope.shape
        columns = {
            "epoch": np.repeat(np.arange(n_epochs), n_names),
            "name": np.tile(np.asarray(self.names, dtype=object), n_epochs),
        }
        for value in ("slope", "intercept", "stderr", "r2"):
            columns[value] = getattr(self, value).ravel()
        return pd.DataFrame(columns)

    def plot(self, ax=None):
        """Draw the mean spectra and their lines.

        Parameters
        ----------
        ax : matplotlib.axes.Axes | None
            Where to draw; None for a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure.
        """
        from npa.viz import draw_slopes

        return draw_slopes(self, ax=ax)


@dataclass(frozen=True, eq=False)
class BlinkReport:
    """Describe the blinks of a recording and the component that holds them.

    Parameters
    ----------
    found : bool
        Whether there is a blink component.
    eog_names : tuple of str
        EOG channels that were searched, or one that says which electrodes stood in.
    n_blinks : tuple of int
        Blink-like peaks in each of these.
    ch_names : tuple of str
        EEG channels of the recording.
    info : mne.Info
        Their measurement info.
    reason : str
        Why there is none; empty where there is.
    r2 : array, shape (n_eog, n_components)
        Squared correlation of each EOG channel with each component around its blinks; NaN for an
        EOG channel without blinks, no columns where no ICA was needed.
    channel : str
        EOG channel of the blink component; empty where there is none, as all below.
    component : int
        Number of the component, -1 for none.
    blink_times : array, shape (n_blinks,)
        Peaks of the blinks, in s after the first sample of the recording or epoch.
    blink_epochs : array, shape (n_blinks,)
        Epoch of each blink; 0 for a Raw.
    topography : array, shape (n_channels,)
        What a median blink adds to each EEG channel at its peak, in V; NaN for channels that took
        no part.
    shown : str
        EEG channel with the strongest blinks, for ``before`` and ``after``.
    lags : array, shape (n_lags,)
        Time in s from the peak of a blink.
    before, after : array, shape (n_lags,)
        Median over the blinks of that channel, within the pass band of the ICA, in V.
    """

    found: bool
    eog_names: tuple
    n_blinks: tuple
    ch_names: tuple
    info: Info
    reason: str = ""
    r2: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    channel: str = ""
    component: int = -1
    blink_times: np.ndarray = field(default_factory=lambda: np.empty(0))
    blink_epochs: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    topography: np.ndarray = field(default_factory=lambda: np.empty(0))
    shown: str = ""
    lags: np.ndarray = field(default_factory=lambda: np.empty(0))
    before: np.ndarray = field(default_factory=lambda: np.empty(0))
    after: np.ndarray = field(default_factory=lambda: np.empty(0))

    def to_frame(self):
        """Return how well each component explains each EOG channel.

        Returns
        -------
        table : pandas.DataFrame
            One row an EOG channel and component: ``channel``, ``n_blinks``, ``component``, ``r2``
            and ``removed``. Without an ICA one row an EOG channel, of component -1.
        """
        import pandas as pd

        n_eog = len(self.eog_names)
        r2 = self.r2 if self.r2.size else np.full((n_eog, 1), np.nan)
        n_components = r2.shape[1]
        table = pd.DataFrame(
            {
                "channel": np.repeat(np.asarray(self.eog_names, dtype=object), n_components),
                "n_blinks": np.repeat(np.asarray(self.n_blinks, dtype=int), n_components),
                "component": np.tile(np.arange(n_components) if self.r2.size else [-1], n_eog),
                "r2": r2.ravel(),
            }
        )
        chosen = (table["channel"] == self.channel) & (table["component"] == self.component)
        return table.assign(removed=chosen & self.found)

    def plot(self):
        """Draw the blinks' topography, and the median blink before and after.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure; it states the reason where no blinks were found.
        """
        from npa.viz import draw_blinks

        return draw_blinks(self)


@dataclass(frozen=True, eq=False)
class FilterReport:
    """Hold the gain of a filter against what it ought to be.

    Parameters
    ----------
    filter : PowerFilter
        What `npa.amplifier.design_filter` made.
    band : tuple of float
        Frequencies in Hz between which the spectrum was fitted.
    """

    filter: object
    band: tuple

    @property
    def freqs(self):
        """Frequencies from 0 to Nyquist in Hz, shape (10000,)."""
        return np.linspace(0, self.filter.sfreq / 2, _N_GAINS)

    @cached_property
    def ideal(self):
        """Gain that the filter ought to have, shape (10000,)."""
        return self.filter.ideal(self.freqs)

    @cached_property
    def realised(self):
        """Gain that the filter has, shape (10000,)."""
        return self.filter.gain(self.freqs)

    @cached_property
    def ideal_background(self):
        """Gain for the background that the filter ought to have, shape (10000,)."""
        return self.filter.ideal_background(self.freqs)

    @cached_property
    def realised_background(self):
        """Gain that the filter would have without peaks, shape (10000,)."""
        return self.filter.without_peaks().gain(self.freqs)

    @property
    def r2(self):
        """Share of the ideal gain's variance over 0..Nyquist that is realised, as in the paper.

        Where the ideal hardly varies (a large knee) it tells little; see ``max_error_db``.
        """
        missed = np.sum((self.realised - self.ideal) ** 2)
        return float(1 - missed / np.sum((self.ideal - self.ideal.mean()) ** 2))

    @property
    def max_error_db(self):
        """Largest error in dB within ``band``, where the ideal gain is at least 0.02."""
        low, high = self.band
        told = (self.freqs >= low) & (self.freqs <= high) & (self.ideal >= _LEAST_GAIN)
        if not told.any():
            return np.nan
        realised = np.maximum(self.realised[told], np.finfo(float).tiny)
        return float(np.abs(20 * np.log10(realised / self.ideal[told])).max())

    def to_frame(self):
        """Return the gains as a table.

        Returns
        -------
        table : pandas.DataFrame
            One row a frequency: ``freq`` in Hz, and the gains ``ideal``, ``realised``,
            ``ideal_background`` and ``realised_background``.
        """
        import pandas as pd

        names = ["ideal", "realised", "ideal_background", "realised_background"]
        gains = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"freq": self.freqs, **gains})

    def plot(self):
        """Draw the gain for the background, for the peaks, and for both, ideal and realised.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure.
        """
        from npa.viz import draw_filter

        return draw_filter(self)


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
        from npa.viz import draw_tags

        return draw_tags(self, channel=channel)
