"""Removal of line noise, as a scikit-learn transformer."""

from collections.abc import Sequence

import numpy as np
from mne.filter import notch_filter
from mne.utils import warn

from npa.checks import check_number
from npa.estimators.base import SignalTransformer
from npa.spectral.snr import bin_misses

_PERIODS = 8  # of the line in the shortest stretch: the tapers of half of them reach 0 Hz


class LineNoiseRemover(SignalTransformer):
    """Subtract the sinusoids of the power line.

    Parameters
    ----------
    freqs : float | sequence of float, default 50.0
        Frequencies of the line in Hz: a number stands for itself and all its multiples below
        Nyquist, a sequence for exactly these.
    notch_widths : float | sequence of float | None
        Widths around the frequencies in Hz within which sinusoids are fitted; None for a 200th of
        each frequency.
    window : float, default 10.0
        Length of the overlapping windows of the fit in s. Shorter stretches are one window.
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
    mne.filter.notch_filter : What does the work, with ``method="spectrum_fit"``.

    Notes
    -----
    In every window amplitude and phase of the line are estimated by multitaper regression [1]_,
    and the sinusoid is subtracted; unlike a notch filter this leaves the spectrum beside the line
    as it is, and does not ring. MNE fits sinusoids at the bins of the window's spectrum, so windows
    are cut to whole periods of the line. No window reaches across an interruption of the recording,
    and each epoch stands alone. Stretches of fewer than 8 periods of the lowest frequency, in which
    the line cannot be told from drift, come back unchanged, with a warning; so does a stretch of a
    bad channel that holds NaN. ``transform_to`` fits the very same windows, block by block; ``fit``
    reads no samples of a Raw.

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

    def __init__(self, freqs=50.0, notch_widths=None, window=10.0, picks=None, sfreq=None):
        self.freqs = freqs
        self.notch_widths = notch_widths
        self.window = window
        self.picks = picks
        self.sfreq = sfreq

    def _fit(self, signals):
        """List the frequencies."""
        nyquist = signals.sfreq / 2
        if isinstance(self.freqs, (Sequence, np.ndarray)) and not isinstance(self.freqs, str):
            freqs = [
                check_number(f"freqs[{index}]", freq, above=0, below=nyquist)
                for index, freq in enumerate(self.freqs)
            ]
            if not freqs:
                raise ValueError("freqs must hold at least one frequency, got none.")
        else:
            line = check_number("freqs", self.freqs, above=0, below=nyquist)
            freqs = np.arange(line, nyquist, line)
        check_number("window", self.window, low=_PERIODS / min(freqs))
        self.freqs_ = np.asarray(freqs)

    def _read_signals(self, X, *, reset, lazy=False):
        """Say which stretches will be left as they are."""
        signals = super()._read_signals(X, reset=reset, lazy=lazy)
        if reset:
            return signals
        lengths = [stop - start for start, stop in signals.segments]
        left = [n_times for n_times in lengths if not self._window(n_times)]
        if left:
            warn(
                f"LineNoiseRemover left {len(left)} stretch(es) of fewer than {_PERIODS} periods "
                f"of the line unchanged (the longest of {max(left)} samples)."
            )
        return signals

    def _window(self, n_times):
        """Return the window length for a stretch; 0 where it is too short."""
        if n_times < _PERIODS * self.sfreq_ / self.freqs_.min():
            return 0
        longest = min(round(self.window * self.sfreq_), n_times)
        return _whole_periods(longest, self.freqs_, self.sfreq_)

    def max_context(self):
        """Return the length of three windows in samples."""
        return 3 * round(self.window * self.sfreq_)

    def block_context(self, start, stop, n_times):
        """Return a part whose windows are those of the stretch, wherever they matter."""
        window = self._window(n_times)
        if not window:
            return start, stop
        hop = _hop(window)
        # Whole windows before and after: the outermost ones have no other to fade into.
        low = max(start // hop - 2, 0) * hop
        high = low + window - (low - stop) // hop * hop
        return low, min(high, n_times)

    def transform_block(self, x, finite, n_times):
        """Subtract the line from all rows without NaN."""
        window = self._window(n_times)
        if window and finite.any():
            x[finite] = self._subtract(x[finite], window)
        return x

    def _subtract(self, x, window):
        """Return rows without the line."""

        def fit(part):
            return notch_filter(
                part,
                self.sfreq_,
                self.freqs_,
                filter_length=window,
                method="spectrum_fit",
                notch_widths=self.notch_widths,
                verbose="warning",
            )

        n_times = x.shape[-1]
        # MNE would make the last window longer, and miss the line there: it gets a fit of its own.
        hop = _hop(window)
        regular = window + (n_times - window) // hop * hop
        rest = n_times - regular
        clean = fit(x[..., :regular])
        if rest:
            clean = np.concatenate([clean, fit(x[..., -window:])[..., -rest:]], axis=-1)
        return clean


def _hop(window):
    """Return by how much MNE moves its windows."""
    return window - (window + 1) // 2


def _whole_periods(longest, freqs, sfreq):
    """Return the window length, more than half the longest, that comes closest to whole periods."""
    lengths = np.arange(longest, longest // 2, -1)
    return int(lengths[np.argmin(np.round(bin_misses(lengths, freqs, sfreq), 2))])
