"""What was read off power spectra in double-logarithmic axes: straight lines."""

from dataclasses import dataclass

import numpy as np


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
    r_squared : array, shape (n_epochs, n_names)
        Share of the variance of log10 power that the line explains.
    """

    names: tuple
    freqs: np.ndarray
    power: np.ndarray
    regression: str
    slope: np.ndarray
    intercept: np.ndarray
    stderr: np.ndarray
    r_squared: np.ndarray

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
        for value in ("slope", "intercept", "stderr"):
            columns[value] = getattr(self, value).ravel()
        columns["r2"] = self.r_squared.ravel()
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
        from npa.reports.drawing import draw_slopes

        return draw_slopes(self, ax=ax)
