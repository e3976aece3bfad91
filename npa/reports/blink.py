"""What was found of blinks, and what was taken out."""

from dataclasses import dataclass, field

import numpy as np
from mne import Info


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
    r_squared : array, shape (n_eog, n_components)
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
    r_squared: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
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
        r_squared = self.r_squared if self.r_squared.size else np.full((n_eog, 1), np.nan)
        n_components = r_squared.shape[1]
        table = pd.DataFrame(
            {
                "channel": np.repeat(np.asarray(self.eog_names, dtype=object), n_components),
                "n_blinks": np.repeat(np.asarray(self.n_blinks, dtype=int), n_components),
                "component": np.tile(
                    np.arange(n_components) if self.r_squared.size else [-1], n_eog
                ),
                "r2": r_squared.ravel(),
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
        from npa.reports.drawing import draw_blinks

        return draw_blinks(self)
