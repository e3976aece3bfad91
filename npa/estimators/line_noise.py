"""Removal of line noise, as a scikit-learn transformer."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from mne.utils import logger, warn

from npa.checks import check_number, check_option, finite_rows
from npa.estimators.base import Recording, SignalTransformer
from npa.recordings.signals import Signals, split_range
from npa.reports.hum import HumReport
from npa.spectral.averages import mean_of_known
from npa.spectral.line_fit import LineFit, fit_lines
from npa.spectral.line_noise import MAINS, Line, line_weights
from npa.spectral.line_search import (
    AUTO_WIDTH,
    LineSpectra,
    choose_pieces,
    find_mains,
    line_spectra,
)
from npa.spectral.sinusoids import (
    MAX_WINDOW_SECONDS,
    MIN_PERIODS,
    fit_sinusoids,
    subtract_sinusoids,
    window_context,
    window_step,
)
from npa.typing import BoolArray, FloatArray, IntArray, Picks

EQUAL_RTOL = 1e-9  # relative difference below which two frequencies are equal
MAX_LINES = 200
DEFAULT_WIDTH = 0.02  # of a frequency
MAX_OFFSET, MAX_WANDER = 0.1, 0.05  # Hz; power grids stay closer, and are steadier
REPORT_SECONDS, N_REPORT = 20.0, 3  # of the recording, on which the result is measured
NO_LIMIT = 2**62  # samples of a segment of any length
MAX_CHUNK = 2**22  # samples of epochs transformed at once


class LineNoiseRemover(SignalTransformer):
    r"""Subtract the sinusoids of the power line, from shared components or channel by channel.

    Parameters
    ----------
    freqs : float | sequence of float | "auto", default 50.0
        Frequencies of the line in Hz: a number for itself and all its multiples below Nyquist, a
        sequence for exactly these, ``"auto"`` for the stronger of 50 and 60 Hz with its multiples
        (nothing is removed if there is neither).
    method : {"auto", "spatial", "spectrum_fit"}, default "auto"
        ``"spatial"`` removes sinusoids from the few components of all channels that the line is in;
        ``"spectrum_fit"`` fits every channel by itself. ``"auto"`` is spatial where there are at
        least 8 usable channels and few components explain the line; ``hum_.reason`` says why.
    n_remove : int | "auto", default "auto"
        Number of components to remove at each frequency, if spatial; ``"auto"`` for those in which
        the line stands out.
    notch_widths : float | sequence of float | None
        Widths around the frequencies in Hz within which the line is looked for (0 to take a
        frequency as it is), one or one per frequency; None for a 50th of each frequency.
    window : float | "auto", default "auto"
        Length of the sliding windows of the fit in s; ``"auto"`` for the one with the least
        expected error, at each frequency, within 8 periods of the lowest one and 30 s.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for all data channels, bad ones included.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.

    Attributes
    ----------
    freqs_ : array, shape (n_freqs,)
        Frequencies that are removed, in Hz, as they were given.
    hum_ : HumReport
        Frequencies as they were found, and the line noise of each channel before and after, with
        ``plot()`` and ``to_frame()``.

    Raises
    ------
    ValueError
        If a frequency is not between 0 and Nyquist, or none is given; if a width, a window or
        ``n_remove`` is not allowed, or ``n_remove`` is more than the rank of the data.

    Warns
    -----
    RuntimeWarning
        If the line is more than 0.1 Hz off, wanders by more than 0.05 Hz, lies outside of
        ``notch_widths``, or is at 60 Hz instead of 50 Hz (or the reverse).

    See Also
    --------
    npa.spectral.covariances : The components.
    npa.spectral.sinusoids.sliding_sinusoid : The fit.

    Notes
    -----
    The line's frequency is that of the peak in the mean spectrum, refined by its phase. At each of
    its multiples the covariances of the channels at the line and at the neighbouring frequencies
    are diagonalized jointly [1]_, [2]_; of the components in which the line is stronger than
    finite data explain, a sinusoid is fitted in sliding windows, projected back, and subtracted.
    Unlike ZapLine, which removes the whole component above the line's frequency, and a notch
    filter, this leaves everything but the width of the line in a few directions as it is.
    The windows' length minimizes Mallows's :math:`C_p`: long where the line is steady (a
    steady line is removed exactly), short where it drifts or bursts. In a single channel the same
    sinusoid is fitted without the components.

    `docs/results/line_noise.md` compares with other methods, in simulations and recordings.

    No window crosses an interruption of the recording, and each epoch is fitted separately.
    Segments of fewer than 8 periods of the lowest frequency, in which the line cannot be
    distinguished from drift, are returned unchanged, with a warning; so is a segment of a bad
    channel that holds NaN. Bad channels do not enter components, and are fitted by themselves.
    `npa.transform_to` fits the same windows, block by block.

    References
    ----------
    .. [1] de Cheveigné, A. (2020). ZapLine: a simple and effective method to remove power line
       artifacts. NeuroImage, 207, 116356. https://doi.org/10.1016/j.neuroimage.2019.116356
    .. [2] de Cheveigné, A., & Parra, L. C. (2014). Joint decorrelation, a versatile tool for
       multichannel data analysis. NeuroImage, 98, 487-505.
       https://doi.org/10.1016/j.neuroimage.2014.05.068

    Examples
    --------
    >>> import numpy as np
    >>> from npa.estimators.line_noise import LineNoiseRemover
    >>> hum = np.sin(2 * np.pi * 49.95 * np.arange(4000) / 200)
    >>> brain = np.random.default_rng(0).normal(size=(1, 1, 4000))
    >>> remover = LineNoiseRemover("auto", sfreq=200.0).fit(brain + hum)
    >>> round(remover.hum_.lines[0].freq, 2), remover.hum_.method
    (49.95, 'spectrum_fit')
    >>> error = remover.transform(brain + hum) - brain
    >>> bool(error.std() < 0.1 * hum.std())
    True
    """

    def __init__(
        self,
        freqs: float | Sequence[float] | FloatArray | Literal["auto"] = 50.0,
        method: Literal["auto", "spatial", "spectrum_fit"] = "auto",
        n_remove: int | Literal["auto"] = "auto",
        notch_widths: float | Sequence[float] | FloatArray | None = None,
        window: float | Literal["auto"] = "auto",
        picks: Picks = None,
        sfreq: float | None = None,
    ) -> None:
        self.freqs = freqs
        self.method = method
        self.n_remove = n_remove
        self.notch_widths = notch_widths
        self.window = window
        self.picks = picks
        self.sfreq = sfreq

    def transform_block(self, x: FloatArray, finite: BoolArray, n_times: int) -> FloatArray:
        """Subtract the line from all channels without NaN; see `SignalTransformer`."""
        if not self._is_long_enough(n_times):
            return x
        n_epochs = max(MAX_CHUNK // (x.shape[1] * x.shape[2]), 1)
        for first in range(0, len(x), n_epochs):
            part = slice(first, first + n_epochs)
            if self._components:
                self._subtract_components(x[part], n_times)
            if len(self._single):
                rows = x[part, self._single]
                known = finite[part, self._single]
                values = rows[known]
                subtract_sinusoids(
                    values, self.sfreq_, self._line_freqs, self._windows, n_times=n_times
                )
                rows[known] = values
                x[part, self._single] = rows
        return x

    def block_context(self, start: int, stop: int, n_times: int) -> tuple[int, int]:
        """Return the part whose windows are those of the segment; see `SignalTransformer`."""
        if not self._is_long_enough(n_times):
            return start, stop
        return window_context(start, stop, n_times, self._all_windows)

    def max_context(self) -> int:
        """Return how far windows reach, in samples; see `SignalTransformer`."""
        _, last = window_context(0, 0, NO_LIMIT, self._all_windows)
        # One step more rounds to the grid of windows.
        return last + window_step(max(self._all_windows), NO_LIMIT) if last else 0

    def _fit(self, signals: Signals) -> None:
        """Find the lines, and what to remove of each."""
        check_option("method", self.method, ("auto", "spatial", "spectrum_fit"))
        n_remove = None
        if not _is_auto(self.n_remove):
            n_remove = check_number("n_remove", self.n_remove, low=1, integer=True)
        auto = _is_auto(self.freqs)
        nominal = None if auto else self._requested(signals.sfreq)
        lowest = min(MAINS) if nominal is None else float(nominal.min())
        seconds = None
        if not _is_auto(self.window):
            seconds = check_number("window", self.window, low=MIN_PERIODS / lowest)
        widths = None if nominal is None else self._widths(nominal)
        usable = np.flatnonzero(signals.usable)
        if not len(usable):
            warn(
                f"LineNoiseRemover looks for no line: all {len(signals.bad)} channels are marked "
                "bad, or flat."
            )
        spectra = line_spectra(signals.data, signals.clean_spans, signals.sfreq, usable, lowest)
        if nominal is None or widths is None:
            mains = find_mains(spectra)
            nominal = np.zeros(0) if mains is None else _multiples(mains.freq, signals.sfreq / 2)
            widths = (
                self._widths(nominal)
                if self.notch_widths is not None
                else nominal * (AUTO_WIDTH / nominal[:1].sum() if len(nominal) else 1.0)
            )
        if self.method == "spatial" and len(usable) < 2:
            raise ValueError(
                f"method='spatial' needs at least 2 usable channels, got {len(usable)}."
            )
        fit = fit_lines(
            signals.data,
            signals.clean_spans,
            signals.sfreq,
            usable,
            spectra,
            nominal,
            widths,
            harmonic=auto or _is_number(self.freqs),
            method=self.method,
            n_remove=n_remove,
            window=seconds,
        )
        self.freqs_ = nominal
        self._keep(fit, signals, usable)
        self.hum_ = self._report(fit, signals, spectra)
        self._tell(auto=auto, elsewhere=fit.elsewhere)

    def _requested(self, sfreq: float) -> FloatArray:
        """Return the frequencies that were given."""
        nyquist = sfreq / 2
        if not _is_number(self.freqs):
            given: Any = self.freqs
            freqs = [
                check_number(f"freqs[{index}]", freq, above=0, below=nyquist)
                for index, freq in enumerate(given)
            ]
            if not freqs:
                raise ValueError("freqs must hold at least one frequency, got none.")
            found = np.array(freqs)
        else:
            line = check_number("freqs", self.freqs, above=0, below=nyquist)
            if nyquist / line > MAX_LINES + 1:
                raise ValueError(
                    f"freqs={line:g} has {nyquist / line - 1:.3g} multiples below the Nyquist "
                    f"frequency of {nyquist:g} Hz, and may have {MAX_LINES}; list those to remove."
                )
            found = _multiples(line, nyquist)
        longest = MAX_WINDOW_SECONDS if _is_auto(self.window) else np.inf
        check_number("the lowest of freqs", found.min(), low=MIN_PERIODS / longest)
        if len(found) > MAX_LINES:
            raise ValueError(f"freqs must hold at most {MAX_LINES} frequencies, got {len(found)}.")
        return found

    def _widths(self, nominal: FloatArray) -> FloatArray:
        """Return the width around each frequency within which the line is looked for."""
        widths: Any = self.notch_widths
        if widths is None:
            return DEFAULT_WIDTH * nominal
        if _is_number(widths):
            return np.full(len(nominal), check_number("notch_widths", widths, low=0))
        found = [
            check_number(f"notch_widths[{index}]", width, low=0)
            for index, width in enumerate(widths)
        ]
        if len(found) != len(nominal):
            raise ValueError(
                f"notch_widths must be one number or one per frequency ({len(nominal)}), got "
                f"{len(found)}."
            )
        return np.array(found)

    def _keep(self, fit: LineFit, signals: Signals, usable: IntArray) -> None:
        """Keep what `transform_block` needs."""
        self._line_freqs = np.array([line.freq for line in fit.lines])
        self._components: list[tuple[float, int]] = []
        self._used = usable
        self._filters, self._patterns = np.zeros((0, len(usable))), np.zeros((len(usable), 0))
        longest = [max(line.windows, default=0) for line in fit.lines]
        if fit.method == "spatial":
            self._components = [
                (line.freq / signals.sfreq, window) for line in fit.lines for window in line.windows
            ]
            self._filters = np.concatenate([self._filters, *(each.filters for each in fit.lines)])
            self._patterns = np.concatenate(
                [self._patterns, *(each.patterns for each in fit.lines)], axis=1
            )
            self._single = np.flatnonzero(signals.bad)
        else:
            self._single = np.arange(len(signals.ch_names))
        self._windows = longest

    def _subtract_components(self, x: FloatArray, n_times: int) -> None:
        """Subtract the sinusoids of the components from the channels, in place."""
        cycles, windows = zip(*self._components, strict=True)
        components = fit_sinusoids(
            self._filters @ x[:, self._used],
            cycles,
            windows,
            self._filters @ self._patterns,
            n_times=n_times,
        )
        length = max(MAX_CHUNK // (x.shape[0] * x.shape[1]), 1)
        for start, stop in split_range(0, x.shape[2], length):
            x[:, self._used, start:stop] -= self._patterns @ components[..., start:stop]

    def _report(self, fit: LineFit, signals: Signals, spectra: LineSpectra) -> HumReport:
        """Measure the line noise before and after, on some pieces of the recording."""
        n_channels, n_lines = len(signals.ch_names), len(fit.lines)
        powers = [np.full((n_channels, len(spectra.freqs)), np.nan) for _ in range(2)]
        if spectra.window:
            powers = self._powers(signals, spectra)
        levels = [np.full((n_channels, n_lines), np.nan) for _ in range(2)]
        others = [line.freq for line in fit.lines]
        for index, line in enumerate(fit.lines if spectra.window else ()):
            inside, beside, _ = line_weights(spectra.freqs, line.freq, others)
            for level, power in zip(levels, powers, strict=True):
                with np.errstate(divide="ignore", invalid="ignore"):
                    level[:, index] = 10 * np.log10(power @ inside / (power @ beside))
        scale = 2 / (signals.sfreq * spectra.energy) if spectra.window else 1.0
        return HumReport(
            ch_names=signals.ch_names,
            method=fit.method,
            reason=fit.reason,
            sfreq=signals.sfreq,
            used=self._used,
            lines=fit.lines,
            before=levels[0],
            after=levels[1],
            freqs=spectra.freqs,
            spectrum_before=scale * mean_of_known(powers[0][self._used], axis=0),
            spectrum_after=scale * mean_of_known(powers[1][self._used], axis=0),
            info=signals.info,
        )

    def _powers(self, signals: Signals, spectra: LineSpectra) -> list[FloatArray]:
        """Return the mean power of all channels before and after."""
        totals = [np.zeros((len(signals.ch_names), len(spectra.freqs))) for _ in range(2)]
        pieces = choose_pieces(
            signals.clean_spans,
            len(signals.data),
            signals.sfreq,
            REPORT_SECONDS,
            N_REPORT * REPORT_SECONDS,
            shortest=spectra.window,
        )
        self.sfreq_ = signals.sfreq
        for epoch, (start, stop) in pieces:
            x = np.array(signals.data[..., start:stop][epoch : epoch + 1], dtype=float)
            whole = [(0, stop - start)]
            totals[0] += spectra.measure(x, whole)
            x = self.transform_block(x, finite_rows(x), stop - start)
            totals[1] += spectra.measure(x, whole)
        return [total / len(pieces) for total in totals]

    def _tell(self, *, auto: bool, elsewhere: Sequence[Line]) -> None:
        """Warn about a line that is not where it should be; log the rest."""
        for other in elsewhere:
            warn(
                f"LineNoiseRemover leaves line noise at {other.freq:.5g} Hz, outside of what freqs="
                f"{self.freqs!r} and notch_widths={self.notch_widths!r} look for; take freqs="
                f"{other.freq:.5g}, or 'auto'."
            )
        found = [line for line in self.hum_.lines if line.found]
        if found:
            line = found[0]
            multiple = max(1.0, line.nominal / max(MAINS))
            offset = abs(line.freq - line.nominal)
            if line.wander > MAX_WANDER * multiple:
                warn(
                    f"LineNoiseRemover found a line at {line.freq:.5g} Hz whose frequency wanders "
                    f"(standard deviation {line.wander:.2g} Hz); see hum_ for what is left."
                )
            elif offset > MAX_OFFSET * multiple:
                warn(
                    f"LineNoiseRemover found the line at {line.freq:.5g} Hz, {offset:.2g} Hz off "
                    f"{line.nominal:g} Hz, and removes it there; check the sampling rate."
                )
        elif auto:
            logger.info("LineNoiseRemover found no line noise at 50 or 60 Hz, and removes nothing.")

    def _is_long_enough(self, n_times: int) -> bool:
        """Return whether a segment holds enough periods of the line."""
        return bool(len(self.freqs_) and n_times >= MIN_PERIODS * self.sfreq_ / self.freqs_.min())

    @property
    def _all_windows(self) -> list[int]:
        """Lengths of all windows in samples."""
        single = self._windows if len(self._single) else []
        return [*single, *(window for _, window in self._components)]

    def _read_signals(self, X: Recording, *, reset: bool, lazy: bool = False) -> Signals:
        """Read ``X``, and warn about segments that will be left unchanged."""
        signals = super()._read_signals(X, reset=reset, lazy=lazy)
        if reset or not len(self.freqs_):
            return signals
        if self._components and signals.bad[self._used].any():
            names = [signals.ch_names[index] for index in self._used[signals.bad[self._used]]]
            raise ValueError(
                f"X has bad channel(s) {', '.join(names)}, which were good at fit and are part of "
                "the components of the line; interpolate them, or fit anew."
            )
        lengths = [stop - start for start, stop in signals.finite_segments]
        too_short = [n_times for n_times in lengths if not self._is_long_enough(n_times)]
        if too_short:
            warn(
                f"LineNoiseRemover left {len(too_short)} segment(s) of fewer than {MIN_PERIODS} "
                f"periods of the line unchanged (the longest of {max(too_short)} samples)."
            )
        return signals


def _is_auto(value: object) -> bool:
    """Return whether a parameter is "auto"."""
    return isinstance(value, str) and value == "auto"


def _is_number(value: object) -> bool:
    """Return whether a parameter is meant as one number."""
    return isinstance(value, str) or not isinstance(value, (Sequence, np.ndarray))


def _multiples(line: float, nyquist: float) -> FloatArray:
    """Return a frequency and its multiples below Nyquist."""
    return np.arange(line, nyquist * (1 - EQUAL_RTOL), line)
