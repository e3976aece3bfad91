"""What was read off a power spectrum: a background, and the peaks on it."""

from dataclasses import dataclass, field

import numpy as np

from npa.spectral.model import aperiodic, gaussians


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
    r_squared : float
        Squared correlation of the model with log10 power.
    error : float
        Mean absolute error of the model in log10 units.
    reason : str
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
    r_squared: float = np.nan
    error: float = np.nan
    reason: str = ""

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
        from npa.reports.drawing import draw_spectrum

        return draw_spectrum(self, ax=ax)
