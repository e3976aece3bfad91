"""The blinks that were found, and what was removed."""

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from mne import Info

from npa.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


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
        Number of blink-like peaks in each of these.
    ch_names : tuple of str
        EEG channels of the recording.
    info : mne.Info
        Their measurement info.
    reason : str
        Why there is none; empty where there is.
    r_squared : array, shape (n_eog, n_components)
        Squared correlation of each EOG channel with each component around its blinks, the best
        component first; NaN for an EOG channel without blinks, no columns without an ICA.
    channel : str
        EOG channel of the blink component; empty where there is none, as all below.
    component : int
        Column of ``r_squared`` that belongs to the blinks, -1 for none.
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
    eog_names: tuple[str, ...]
    n_blinks: tuple[int, ...]
    ch_names: tuple[str, ...]
    info: Info
    reason: str = ""
    r_squared: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    channel: str = ""
    component: int = -1
    blink_times: FloatArray = field(default_factory=lambda: np.empty(0))
    blink_epochs: IntArray = field(default_factory=lambda: np.empty(0, np.intp))
    topography: FloatArray = field(default_factory=lambda: np.empty(0))
    shown: str = ""
    lags: FloatArray = field(default_factory=lambda: np.empty(0))
    before: FloatArray = field(default_factory=lambda: np.empty(0))
    after: FloatArray = field(default_factory=lambda: np.empty(0))

    def to_frame(self) -> "pd.DataFrame":
        """Return how well each component explains each EOG channel.

        Returns
        -------
        table : pandas.DataFrame
            One row per EOG channel and component: ``channel``, ``n_blinks``, ``component``, ``r2``
            and ``removed``. Without an ICA one row per EOG channel, with component -1.
        """
        import pandas as pd

        n_eog = len(self.eog_names)
        r2 = self.r_squared if self.r_squared.size else np.full((n_eog, 1), np.nan)
        n_components = r2.shape[1]
        table = pd.DataFrame(
            {
                "channel": np.repeat(np.asarray(self.eog_names, dtype=object), n_components),
                "n_blinks": np.repeat(np.asarray(self.n_blinks, dtype=int), n_components),
                "component": np.tile(
                    np.arange(n_components) if self.r_squared.size else [-1], n_eog
                ),
                "r2": r2.ravel(),
            }
        )
        chosen = (table["channel"] == self.channel) & (table["component"] == self.component)
        return table.assign(removed=chosen & self.found)

    def plot(self) -> "Figure":
        """Draw the blinks' topography, and the median blink before and after.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure; it states the reason where no blinks were found.

        Examples
        --------
        >>> from npa.estimators.blinks import BlinkICARemover
        >>> from npa.datasets import simulate_recording
        >>> raw, truth = simulate_recording(duration=30.0, random_state=0)
        >>> figure = BlinkICARemover().fit(raw).blinks_.plot()
        >>> figure.axes[1].get_xlabel()
        'Time from the blink (s)'
        """
        import matplotlib.pyplot as plt

        from npa.reports.drawing import draw_map

        if not self.found:
            figure, ax = plt.subplots(layout="constrained")
            ax.axis("off")
            reason = textwrap.fill(f"No blinks removed: {self.reason}.", 60)
            ax.text(0.5, 0.5, reason, ha="center", va="center", transform=ax.transAxes)
            return figure
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
        draw_map(1e6 * self.topography, self.info, "Potential (µV)", ax=left, diverging=True)
        name = textwrap.shorten(self.channel, 40, placeholder=" ...")
        left.set_title(f"Component {self.component}, found by {name}", fontsize="medium")
        right.axhline(0, color="0.8", lw=0.8)
        for values, label, color in ((self.before, "before", "C3"), (self.after, "after", "C0")):
            right.plot(self.lags, 1e6 * values, color=color, label=label)
        right.set(xlabel="Time from the blink (s)", ylabel="Potential (µV)")
        title = f"Median of {len(self.blink_times)} blinks at {self.shown}"
        right.set_title(title, fontsize="medium")
        right.legend(frameon=False)
        return figure
