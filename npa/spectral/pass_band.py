"""The pass band of a recording."""

from dataclasses import dataclass

# Within 5 % of a cut-off, a fifth of the transition of MNE's default filter, the gain is above
# -1 dB.
EDGE_TOLERANCE = 0.05


@dataclass(frozen=True)
class PassBand:
    """Frequencies that the filters of a recording passed.

    Parameters
    ----------
    low, high : float
        Lowest and highest frequency in Hz: the edges of a header, or where half the power passes.
    source : str
        How they are known, for messages.
    flat : tuple of float | None
        Frequencies in Hz between which filters take less than 1 dB; None for ``low`` and ``high``.

    Examples
    --------
    >>> band = PassBand(0.1, 40.0, "header")
    >>> band.holds((1, 40)), band.holds((1, 45)), band.limit((1, 45))
    (True, False, (1, 40.0))
    """

    low: float
    high: float
    source: str
    flat: tuple[float, float] | None = None

    def __str__(self) -> str:
        return f"{self.low:.4g}-{self.high:.4g} Hz ({self.source})"

    @property
    def usable(self) -> tuple[float, float]:
        """Lowest and highest frequency in Hz of what a fit may use."""
        return self.flat or (self.low, self.high)

    def holds(self, freq_range: tuple[float, float]) -> bool:
        """Whether a range lies within what is usable, to within 5 % of its edges.

        Parameters
        ----------
        freq_range : tuple of float
            Lowest and highest frequency in Hz.

        Returns
        -------
        inside : bool
            Whether it does.
        """
        (low, high), (lowest, highest) = freq_range, self.usable
        return low >= lowest * (1 - EDGE_TOLERANCE) and high <= highest * (1 + EDGE_TOLERANCE)

    def limit(self, freq_range: tuple[float, float]) -> tuple[float, float] | None:
        """Return the part of a range that is usable.

        Parameters
        ----------
        freq_range : tuple of float
            Lowest and highest frequency in Hz.

        Returns
        -------
        inside : tuple of float | None
            The range itself if the pass band holds it; None if no part of it is inside.
        """
        if self.holds(freq_range):
            return freq_range
        low, high = max(freq_range[0], self.usable[0]), min(freq_range[1], self.usable[1])
        return (low, high) if low < high else None


def usable_range(
    sfreq: float, highpass: float | None = None, lowpass: float | None = None
) -> tuple[float, float]:
    """Return the frequencies between the cut-offs of a recording's header.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    highpass, lowpass : float | None
        Cut-off frequencies in Hz; None, or values that cannot be true, if they are not known.

    Returns
    -------
    low, high : float
        The range in Hz: from 0 or ``highpass`` to ``lowpass`` or the Nyquist frequency.

    Notes
    -----
    MNE's ``info["highpass"]`` and ``info["lowpass"]`` are edges of the pass band: its default
    filter (FIR) keeps what lies between them, and falls within a transition outside, from
    ``lowpass`` to ``lowpass + min(max(lowpass / 4, 2), nyquist - lowpass)`` and from ``highpass``
    down by ``min(max(highpass / 4, 2), highpass)``; the gain is -6 dB in the middle of the
    transition. Of amplifiers and IIR filters, these are the frequencies of -3 or -6 dB, and the
    fall starts before them: `npa.spectral.detect_rolloff` finds where.

    Examples
    --------
    >>> usable_range(256.0, 0.1, 40.0), usable_range(256.0, 0.0, 0.0)
    ((0.1, 40.0), (0.0, 128.0))
    """
    nyquist = sfreq / 2
    low = highpass if highpass and 0 < highpass < nyquist else 0.0
    high = lowpass if lowpass and low < lowpass < nyquist else nyquist
    return float(low), float(high)
