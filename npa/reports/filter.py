"""What a filter does, against what it ought to do."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_N_GAINS = 10_000
_LEAST_GAIN = 0.02  # below it, an error in dB means nothing


@dataclass(frozen=True, eq=False)
class FilterReport:
    """Hold the gain of a filter against what it ought to be.

    Parameters
    ----------
    filter : PowerFilter
        The filter, as `npa.spectral.design_filter` returns it.
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
    def r_squared(self):
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
        from npa.reports.drawing import draw_filter

        return draw_filter(self)
