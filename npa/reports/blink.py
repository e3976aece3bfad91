"""The blinks or saccades that were found, and what was removed."""

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from mne import Info

from npa.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUSPECT_HEIGHT = 60e-6  # V, of the median of refused peaks
MAX_CANDIDATES = 16  # independent components that are drawn


@dataclass(frozen=True, eq=False)
class BlinkReport:
    """Describe the blinks of a recording and the component that holds them.

    With ``artifact="saccade"`` all of this is said of its horizontal saccades: peaks are steps,
    heights are those of the step, the pass band is 0.5-10 Hz, no ICA is involved, and steps down
    are turned upside down.

    Parameters
    ----------
    found : bool
        Whether there is a blink component.
    eog_names : tuple of str
        EOG channels that were searched, or one that says which electrodes stood in.
    n_blinks : tuple of int
        Number of tall peaks shaped like blinks in each of these.
    ch_names : tuple of str
        EEG channels of the recording.
    info : mne.Info
        Their measurement info.
    reason : str
        Why there is none; empty where there is.
    scores : array, shape (n_eog, 4)
        Evidence that they are blinks, from 0 to 1, in the order of ``evidence``; NaN where there
        were too few peaks, or too few electrodes with a known position for a topography.
    r_squared : array, shape (n_eog, n_components)
        Squared correlation of each EOG channel with each component around its blinks, the best
        component first; NaN for an EOG channel without blinks, no columns without an ICA.
    n_removed : int
        Number of dimensions that are subtracted.
    components : tuple of int
        Columns of ``r_squared`` that were asked for, or the best one.
    residual : dict
        Share of the median blink that is left, by electrode: its peak-to-peak height within the
        pass band of the ICA. Of the frontal electrodes that carry at least half of the largest
        blink; with a frontal reference, of any electrodes that do.
    alpha_kept : dict
        Share of the power within 8-13 Hz that is kept away from blinks, by occipital electrode.
    beta_kept : dict
        The same within 13-30 Hz; empty where the fit is sampled below 50 Hz.
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
    artifact : "blink" | "saccade"
        What was sought.
    sought : bool
        Whether it was.
    """

    found: bool
    eog_names: tuple[str, ...]
    n_blinks: tuple[int, ...]
    ch_names: tuple[str, ...]
    info: Info
    reason: str = ""
    scores: FloatArray = field(default_factory=lambda: np.empty((0, 4)))
    r_squared: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    n_removed: int = 0
    components: tuple[int, ...] = ()
    residual: dict[str, float] = field(default_factory=dict)
    alpha_kept: dict[str, float] = field(default_factory=dict)
    beta_kept: dict[str, float] = field(default_factory=dict)
    channel: str = ""
    component: int = -1
    blink_times: FloatArray = field(default_factory=lambda: np.empty(0))
    blink_epochs: IntArray = field(default_factory=lambda: np.empty(0, np.intp))
    topography: FloatArray = field(default_factory=lambda: np.empty(0))
    shown: str = ""
    lags: FloatArray = field(default_factory=lambda: np.empty(0))
    before: FloatArray = field(default_factory=lambda: np.empty(0))
    after: FloatArray = field(default_factory=lambda: np.empty(0))
    artifact: str = "blink"
    sought: bool = True

    @property
    def evidence(self) -> tuple[str, ...]:
        """Names of the columns of ``scores``."""
        return "contrast", "shape", "topography", "explained"

    @property
    def score(self) -> FloatArray:
        """Geometric mean of the evidence, shape (n_eog,); NaN where there is none."""
        known = np.isfinite(self.scores)
        product = np.where(known, self.scores, 1.0).prod(axis=1)
        n_known = known.sum(axis=1)
        return np.where(n_known > 0, product ** (1 / np.maximum(n_known, 1)), np.nan)

    @property
    def median_residual(self) -> float:
        """Median of ``residual`` over the electrodes; NaN where there are none."""
        return float(np.median(list(self.residual.values()))) if self.residual else np.nan

    @property
    def suspected(self) -> bool:
        """Whether nothing was removed although peaks are as high as blinks."""
        return not self.found and bool(np.nanmax(self.before, initial=0.0) >= SUSPECT_HEIGHT)

    def summary(self) -> dict[str, bool | int | float | str | None]:
        """Return the decision in one row.

        Returns
        -------
        summary : dict
            ``blinks_found``, ``n_blinks`` (of saccades ``saccades_found``, ``n_saccades``),
            ``residual`` (the median over electrodes; None without) and ``reason`` (why nothing was
            removed).

        Examples
        --------
        >>> from npa.estimators.blinks import BlinkICARemover
        >>> from npa.datasets import simulate_recording
        >>> raw, truth = simulate_recording(duration=30.0, random_state=0)
        >>> BlinkICARemover().fit(raw).blinks_.summary()["n_blinks"]
        6
        """
        return {
            f"{self.artifact}s_found": self.found,
            f"n_{self.artifact}s": len(self.blink_times),
            "residual": self.median_residual if self.residual else None,
            "reason": self.reason,
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return how well each component explains each EOG channel.

        Returns
        -------
        table : pandas.DataFrame
            One row per EOG channel and component: ``channel``, ``n_blinks``, ``score``,
            ``component``, ``r2``, ``removed`` and, where blinks were removed, ``residual``. Without
            an ICA one row per EOG channel, with component -1.
        """
        import pandas as pd

        n_eog = len(self.eog_names)
        r2 = self.r_squared if self.r_squared.size else np.full((n_eog, 1), np.nan)
        n_components = r2.shape[1]
        table = pd.DataFrame(
            {
                "channel": np.repeat(np.asarray(self.eog_names, dtype=object), n_components),
                "n_blinks": np.repeat(np.asarray(self.n_blinks, dtype=int), n_components),
                "score": np.repeat(self.score, n_components),
                "component": np.tile(
                    np.arange(n_components) if self.r_squared.size else [-1], n_eog
                ),
                "r2": r2.ravel(),
            }
        )
        chosen = (table["channel"] == self.channel) & table["component"].isin(self.components)
        removed = chosen & self.found
        return table.assign(
            removed=removed, residual=np.where(removed, self.median_residual, np.nan)
        )

    def plot(self) -> "Figure":
        """Draw the blinks' topography, the median blink before and after, and the candidates.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure. Where no blinks were found it states the reason, and shows the median of
            the peaks that were refused.

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

        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
        if self.found:
            draw_map(1e6 * self.topography, self.info, "Potential (µV)", left, diverging=True)
            name = textwrap.shorten(self.channel, 40, placeholder=" ...")
            event = "the peak of a blink" if self.artifact == "blink" else f"a {self.artifact}"
            left.set_title(f"Subtracted at {event}\nin {name}", fontsize="medium")
            title = f"Median of {len(self.blink_times)} {self.artifact}s at {self.shown}"
            if self.residual:
                title += f"\n{self.median_residual:.0%} left"
        else:
            left.axis("off")
            lines = f"No {self.artifact}s removed: {self.reason}.".split("; ")
            text = "\n".join(textwrap.fill(line, 44) for line in lines)
            left.text(0.5, 0.5, text, ha="center", va="center", transform=left.transAxes)
            events = "peaks" if self.artifact == "blink" else "steps"
            title = f"Median of the refused {events} in\n{self.shown}" if self.shown else "No peaks"
        middle.axhline(0, color="0.8", lw=0.8)
        for values, label, color in ((self.before, "before", "C3"), (self.after, "after", "C0")):
            if values.size:
                middle.plot(self.lags, 1e6 * values, color=color, label=label)
        middle.set(xlabel=f"Time from the {self.artifact} (s)", ylabel="Potential (µV)")
        middle.set_title(title, fontsize="medium")
        if self.found:
            middle.legend(frameon=False)
        self._plot_candidates(right)
        return figure

    def _plot_candidates(self, ax: "Axes") -> None:
        """Draw how much of the blinks the independent components explain."""
        n_shown = min(self.r_squared.shape[1], MAX_CANDIDATES)
        if not n_shown or np.isnan(self.r_squared).all():
            ax.axis("off")
            return
        best = np.nanmax(self.r_squared[:, :n_shown], axis=0)
        colors = ["C3" if self.found and n in self.components else "0.7" for n in range(n_shown)]
        ax.bar([str(n) for n in range(n_shown)], best, color=colors)
        ax.set(xlabel="Independent component", ylabel="Explained variance, $r^2$", ylim=(0, 1))
        ax.set_title("Components that explain the blinks", fontsize="medium")
