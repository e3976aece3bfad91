"""The slope of power spectra, as a scikit-learn transformer."""

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from mne.utils import warn

from npa.checks import check_number, check_option, check_range
from npa.estimators.base import Groups
from npa.estimators.uncertainty import INTERVAL_VALUES, ResampledTransformer, noise_of_spectra
from npa.estimators.windows import Rows
from npa.recordings.signals import Signals
from npa.reports import SlopeReport
from npa.spectral.averages import geometric_mean
from npa.spectral.fitting.bootstrap import Intervals, bootstrap_intervals
from npa.spectral.leakage import SpectralWindow
from npa.spectral.resampling import Noise
from npa.spectral.slopes import MIN_FREQS, REGRESSIONS, PowerLaw, power_law
from npa.typing import FloatArray, IntArray, Picks, RandomState


class Lines(NamedTuple):
    """Lines through power spectra, and what they are of.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_rows, n_groups, n_freqs)
        Power of every epoch, window or condition.
    line : PowerLaw
        The lines, values of shape (n_rows, n_groups).
    rows : dict
        Name of a level to its value in every row; empty if rows are epochs.
    intervals : Intervals | None
        Standard errors and intervals of slope and intercept, shape (n_rows, n_groups, 2).
    """

    freqs: FloatArray
    power: FloatArray
    line: PowerLaw
    rows: Rows
    intervals: Intervals | None = None


class PSDExponent(ResampledTransformer):
    r"""Measure the slope beta of power spectra S ~ f^beta.

    Parameters
    ----------
    freq_range : tuple of float | None, default None
        Lowest and highest frequency of the line in Hz (inclusive). None for all frequencies but
        0 Hz, up to Nyquist.
    psd : {"welch", "multitaper", "periodogram"}, default "welch"
        How power is estimated; see `npa.spectral.psd`.
    psd_kwargs : dict | None
        Further arguments of `npa.spectral.psd`.
    aggregate : {None, "mean", "sum"}, default None
        How power is combined over channels before the line is fitted; None for one line per
        channel.
    by : None | str | dict
        Groups of channels to combine: None for one group called ``"all"``, a separator (names are
        grouped by what stands before its last occurrence), or a dict of group to channel names.
    regression : {"ols", "theilsen"}, default "ols"
        Least squares of log10 power on log10 frequency, or the median of the slopes between all
        pairs of frequencies.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for the good data channels.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.
    window, step : float | None, default None
        Length in s of windows that move over the recording (or over every epoch), and time in s
        from one to the next (None for that of the window), for one row per window; as in
        `FOOOFFitter`.
    pool : {None, "condition"}, default None
        Whether to average power over the epochs of each condition (the name of their event), for
        one row per condition.
    uncertainty : {None, "bootstrap"}, default None
        Whether to estimate standard errors and 95 % intervals from resampled epochs or windows, as
        in `FOOOFFitter`: columns ``Oz_slope_se``, ``Oz_slope_low`` and ``Oz_slope_high``.
    n_boot : int, default 200
        Number of resampled spectra, at least 20.
    random_state : int | numpy.random.RandomState | None
        Where the resamples come from; an integer for the same ones every time.

    Attributes
    ----------
    slopes_ : SlopeReport
        Slope, intercept, standard error and r_squared of every row of the fit, with
        ``plot()`` and ``to_frame()``; with ``window`` also with ``plot_time()``.
    feature_names_ : list of str
        Names of the columns.
    groups_ : dict
        Name of each spectrum to the indices of its channels.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or ``freq_range`` ends above the Nyquist frequency.

    Warns
    -----
    RuntimeWarning
        If the frequencies leave the pass band of the recording, as its header or a roll-off in
        the spectrum shows it: the filter would be part of the slope.

    See Also
    --------
    npa.FOOOFFitter : Fits background and peaks together.

    Notes
    -----
    The columns are called ``Oz_slope`` and hold beta, **negative** for 1/f noise as in the noise
    literature. What FOOOF calls ``exponent`` is chi of S ~ 1/f^chi, **positive** for 1/f noise:
    without knee and peaks beta = -chi.

    Peaks are not modelled. Alpha lies at the low end of the usual ranges, so it tilts the
    least-squares line: a peak at 10 Hz ten times as high as the background, with a standard
    deviation of 1 Hz, biases chi over 2-40 Hz by +0.16 (beta by -0.16, steeper). With
    ``regression="theilsen"`` such a peak has almost no effect; `FOOOFFitter` models it.

    A slope is NaN where a channel is bad or flat, where power is zero at some frequency, or where
    there are fewer than 3 frequencies; the last two are counted and warned about once.

    The estimator of Chong and Feng [1]_ for recurrent networks (\|FFT\|^2 of every cell without
    window or detrending, summed over the cells of a gate, and a line over all bins but 0 Hz) is::

        PSDExponent(
            psd="periodogram",
            psd_kwargs=dict(window="boxcar", detrend=False, one_sided=False),
            aggregate="sum",
            by="/",
        )

    References
    ----------
    .. [1] Chong, N., & Feng, L. (2023). Self-organization towards 1/f noise in deep neural
       networks. arXiv. https://doi.org/10.48550/arXiv.2301.08530

    Examples
    --------
    The spectrum of white noise is flat; that of its running sum falls as 1/f^2:

    >>> import numpy as np
    >>> from npa.estimators.exponent import PSDExponent
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 20_000))
    >>> noise[:, 1] = noise[:, 1].cumsum(axis=-1)
    >>> measure = PSDExponent(freq_range=(1, 20), sfreq=200.0).set_output(transform="pandas")
    >>> measure.fit_transform(noise).round().abs()
       ch0_slope  ch1_slope
    0        0.0        2.0

    Slope, standard error and 95 % interval of the second:

    >>> measure = PSDExponent((1, 20), sfreq=200.0, picks=[1], uncertainty="bootstrap",
    ...                       random_state=0)
    >>> measure.fit_transform(noise).round(2)
    array([[-1.95,  0.03, -2.01, -1.88]])
    """

    _min_freqs: ClassVar[int] = MIN_FREQS

    def __init__(
        self,
        freq_range: tuple[float, float] | None = None,
        psd: Literal["welch", "multitaper", "periodogram"] = "welch",
        psd_kwargs: dict[str, Any] | None = None,
        aggregate: Literal["mean", "sum"] | None = None,
        by: Groups = None,
        regression: Literal["ols", "theilsen"] = "ols",
        picks: Picks = None,
        sfreq: float | None = None,
        window: float | None = None,
        step: float | None = None,
        pool: Literal["condition"] | None = None,
        uncertainty: Literal["bootstrap"] | None = None,
        n_boot: int = 200,
        random_state: RandomState = None,
    ) -> None:
        self.freq_range = freq_range
        self.psd = psd
        self.psd_kwargs = psd_kwargs
        self.aggregate = aggregate
        self.by = by
        self.regression = regression
        self.picks = picks
        self.sfreq = sfreq
        self.window = window
        self.step = step
        self.pool = pool
        self.uncertainty = uncertainty
        self.n_boot = n_boot
        self.random_state = random_state

    def _fit(self, signals: Signals) -> Lines:
        """Fit every epoch, and name the columns."""
        check_option("regression", self.regression, REGRESSIONS)
        self._fit_groups(signals)
        if self.freq_range is not None:
            low, _ = check_range("freq_range", self.freq_range)
            check_number("freq_range[0]", low, above=0)
        self._warn_channels(signals)
        measured = self._measure(signals)
        seconds_used, seconds_clean = self._seconds(signals)
        self.slopes_ = SlopeReport(
            names=tuple(self.groups_),
            freqs=measured.freqs,
            power=geometric_mean(measured.power),
            regression=self.regression,
            **measured.line._asdict(),
            rows=measured.rows,
            intervals=measured.intervals,
            seconds_used=seconds_used,
            seconds_clean=seconds_clean,
        )
        columns = ["slope"]
        if self.uncertainty is not None:
            columns += [f"slope_{each}" for each in INTERVAL_VALUES]
        self.feature_names_ = [f"{name}_{column}" for name in self.groups_ for column in columns]
        return measured

    def _measure(self, signals: Signals) -> Lines:
        """Fit a line to every epoch and group of channels."""
        freqs, power = self._spectra(signals)
        self._warn_pass_band(signals, freqs)
        noise = self._row_noise(signals, freqs, power, self._combine)
        window = self._spectral_window(signals, freqs, self._combine)
        power = self._pool(signals, self._combine(power))
        line = power_law(freqs, power, self.regression)
        _warn_failed(power, line.slope)
        intervals = None
        if self.uncertainty is not None:
            intervals = self._intervals(freqs, power, line, noise, window)
        return Lines(freqs, power, line, self._rows(signals), intervals)

    def _intervals(
        self,
        freqs: FloatArray,
        power: FloatArray,
        line: PowerLaw,
        noise: list[Noise],
        window: SpectralWindow | None,
    ) -> Intervals:
        """Return standard errors and intervals of slope and intercept."""

        def measure(resampled: FloatArray, _: IntArray) -> FloatArray:
            fit = power_law(freqs, resampled, self.regression)
            return np.stack([fit.slope, fit.intercept], axis=-1)

        values = np.stack([line.slope, line.intercept], axis=-1)
        n_rows, n_groups, n_freqs = power.shape
        spectra, flat = power.reshape(n_rows * n_groups, n_freqs), values.reshape(-1, 2)
        positive, expected = np.zeros(2, bool), spectra
        if window is not None:  # of the lines
            slope, intercept = flat.T[..., np.newaxis]
            expected = spectra * window.leakage(lambda f: intercept + slope * np.log10(f))
        noises = noise_of_spectra(noise, n_groups)
        found = bootstrap_intervals(noises, expected, flat, flat, measure, positive)
        return Intervals(*(each.reshape(values.shape) for each in found))

    def _table(self, measured: Lines) -> FloatArray:
        """Return the slopes with their intervals, shape (n_rows, n_features)."""
        columns = [measured.line.slope]
        if measured.intervals is not None:
            columns += [each[..., 0] for each in measured.intervals]
        return np.stack(columns, axis=-1).reshape(len(measured.line.slope), -1)


def _warn_failed(power: FloatArray, slope: FloatArray) -> None:
    """Warn once about the spectra that have power but no line, with the reason."""
    if power.shape[-1] < MIN_FREQS:
        failed, reason = np.isnan(slope), f"fewer than {MIN_FREQS} frequencies above 0 Hz"
    else:
        failed = np.isnan(slope) & ~np.isnan(power).all(axis=-1)
        reason = "power is zero or not finite at some frequency"
    if failed.any():
        warn(f"PSDExponent has no slope for {failed.sum()} of {failed.size} spectra: {reason}.")
