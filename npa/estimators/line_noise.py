"""Removal of line noise, as a scikit-learn transformer."""

from collections.abc import Sequence

import numpy as np
from mne.utils import warn

from npa.checks import check_number
from npa.estimators.base import Recording, SignalTransformer
from npa.recordings.signals import Signals
from npa.spectral.line_noise import subtract_sinusoids, whole_period_window, window_context
from npa.typing import BoolArray, FloatArray, Picks

MIN_PERIODS = 8  # of the lowest frequency: the tapers of half of them reach down to 0 Hz
MAX_CONTEXT_WINDOWS = 3  # on either side of a block
EQUAL_RTOL = 1e-9  # relative difference below which two frequencies are equal


class LineNoiseRemover(SignalTransformer):
    """Subtract the sinusoids of the power line.

    Parameters
    ----------
    freqs : float | sequence of float, default 50.0
        Frequencies of the line in Hz: a number for itself and all its multiples below Nyquist, a
        sequence for exactly these.
    notch_widths : float | sequence of float | None
        Widths around the frequencies in Hz within which sinusoids are fitted; None for a 200th of
        each frequency.
    window : float, default 10.0
        Length of the overlapping windows of the fit in s. Shorter segments are one window.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for all data channels, bad ones included.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.

    Attributes
    ----------
    freqs_ : array, shape (n_freqs,)
        Frequencies that are removed, in Hz.

    Raises
    ------
    ValueError
        If a frequency is not between 0 and Nyquist, or none is given.

    See Also
    --------
    mne.filter.notch_filter : The implementation, with ``method="spectrum_fit"``.

    Notes
    -----
    In every window amplitude and phase of the line are estimated by multitaper regression [1]_,
    and the sinusoid is subtracted; unlike a notch filter this does not change the spectrum beside
    the line, and does not ring. MNE fits sinusoids at the bins of the window's spectrum, so windows
    have whole periods of the line. No window crosses an interruption of the recording, and each
    epoch is fitted separately. Segments of fewer than 8 periods of the lowest frequency, in which
    the line cannot be distinguished from drift, are returned unchanged, with a warning; so is a
    segment of a bad channel that holds NaN. `npa.transform_to` fits the same windows, block by
    block; ``fit`` reads no samples of a Raw.

    References
    ----------
    .. [1] Mitra, P. P., & Pesaran, B. (1999). Analysis of dynamic brain imaging data. Biophysical
       Journal, 76(2), 691-708. https://doi.org/10.1016/S0006-3495(99)77236-X

    Examples
    --------
    >>> import numpy as np
    >>> from npa.estimators.line_noise import LineNoiseRemover
    >>> hum = np.sin(2 * np.pi * 50 * np.arange(2000) / 200)
    >>> clean = LineNoiseRemover(50.0, sfreq=200.0).fit_transform(hum[np.newaxis])
    >>> bool(np.abs(clean).max() < 0.1)
    True
    """

    def __init__(
        self,
        freqs: float | Sequence[float] | FloatArray = 50.0,
        notch_widths: float | Sequence[float] | FloatArray | None = None,
        window: float = 10.0,
        picks: Picks = None,
        sfreq: float | None = None,
    ) -> None:
        self.freqs = freqs
        self.notch_widths = notch_widths
        self.window = window
        self.picks = picks
        self.sfreq = sfreq

    def transform_block(self, x: FloatArray, finite: BoolArray, n_times: int) -> FloatArray:
        """Subtract the line from all channels without NaN; see `SignalTransformer`."""
        window = self._window_length(n_times)
        if window and finite.any():
            x[finite] = subtract_sinusoids(
                x[finite], self.sfreq_, self.freqs_, window, notch_widths=self.notch_widths
            )
        return x

    def block_context(self, start: int, stop: int, n_times: int) -> tuple[int, int]:
        """Return the part whose windows are those of the segment; see `SignalTransformer`."""
        window = self._window_length(n_times)
        return window_context(start, stop, n_times, window) if window else (start, stop)

    def max_context(self) -> int:
        """Return the length of three windows in samples; see `SignalTransformer`."""
        return MAX_CONTEXT_WINDOWS * round(self.window * self.sfreq_)

    def _fit(self, signals: Signals) -> None:
        """List the frequencies."""
        nyquist = signals.sfreq / 2
        if isinstance(self.freqs, (Sequence, np.ndarray)) and not isinstance(self.freqs, str):
            freqs = np.array(
                [
                    check_number(f"freqs[{index}]", freq, above=0, below=nyquist)
                    for index, freq in enumerate(self.freqs)
                ]
            )
            if not freqs.size:
                raise ValueError("freqs must hold at least one frequency, got none.")
        else:
            line = check_number("freqs", self.freqs, above=0, below=nyquist)
            freqs = np.arange(line, nyquist * (1 - EQUAL_RTOL), line)  # without Nyquist
        check_number("window", self.window, low=MIN_PERIODS / freqs.min())
        self.freqs_ = freqs

    def _read_signals(self, X: Recording, *, reset: bool, lazy: bool = False) -> Signals:
        """Read ``X``, and warn about segments that will be left unchanged."""
        signals = super()._read_signals(X, reset=reset, lazy=lazy)
        if reset:
            return signals
        lengths = [stop - start for start, stop in signals.finite_segments]
        too_short = [n_times for n_times in lengths if not self._window_length(n_times)]
        if too_short:
            warn(
                f"LineNoiseRemover left {len(too_short)} segment(s) of fewer than {MIN_PERIODS} "
                f"periods of the line unchanged (the longest of {max(too_short)} samples)."
            )
        return signals

    def _window_length(self, n_times: int) -> int:
        """Return the window length for a segment in samples; 0 if it is too short."""
        if n_times < MIN_PERIODS * self.sfreq_ / self.freqs_.min():
            return 0
        longest = min(round(self.window * self.sfreq_), n_times)
        return whole_period_window(longest, self.freqs_, self.sfreq_)
