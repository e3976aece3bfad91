"""The background and the peaks of power spectra, as a scikit-learn transformer."""

from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from mne.utils import warn
from threadpoolctl import threadpool_limits

from npa.checks import check_n_jobs, check_number, check_option, check_range
from npa.estimators.base import Groups
from npa.estimators.uncertainty import (
    INTERVAL_VALUES,
    Combine,
    ResampledTransformer,
    noise_of_spectra,
)
from npa.estimators.windows import Rows
from npa.recordings.signals import Signals
from npa.reports import SpectrumReport, TimeCourse
from npa.spectral.averages import combine_channels, excessive_channels, mean_of_known
from npa.spectral.fitting.bootstrap import Intervals, bootstrap_fits, measure_names, measures
from npa.spectral.fitting.engines import ENGINES, fit_with_engine
from npa.spectral.fitting.matching import match_peaks
from npa.spectral.fitting.result import MIN_FREQS, NOT_POSITIVE, SpectralFit, background_columns
from npa.spectral.fitting.selection import APERIODIC_MODES, CRITERIA
from npa.spectral.fitting.spectra import (
    DEFAULT_WIDTH_LIMITS,
    MAX_PEAKS,
    MIN_WIDTH_BINS,
    choose_engine,
    default_width_limits,
    resolve_width_limits,
)
from npa.spectral.leakage import SpectralWindow
from npa.spectral.precision import SpectrumPrecision
from npa.spectral.resampling import Noise
from npa.typing import AnyArray, FloatArray, IntArray, Picks, RandomState

NO_USABLE_CHANNEL = "no usable channel"


class Spectra(NamedTuple):
    """Power spectra to fit, what they are of, and their precision.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_rows, n_groups, n_freqs)
        Power of every epoch, window or condition.
    rows : dict
        Name of a level to its value in every row; empty if rows are epochs.
    precision : SpectrumPrecision
        Degrees of freedom of every row, shape (n_rows,), and correlated bins.
    noise : list of Noise
        Noise of every row, for intervals; none without.
    window : SpectralWindow | None
        Response of the estimator of power, likewise.
    """

    freqs: FloatArray
    power: FloatArray
    rows: Rows
    precision: SpectrumPrecision
    noise: list[Noise]
    window: SpectralWindow | None


class FOOOFFitter(ResampledTransformer):
    r"""Fit the 1/f background and the peaks of the power spectrum of every channel.

    Parameters
    ----------
    freq_range : tuple of float, default (1, 45)
        Lowest and highest frequency of the fit in Hz.
    aperiodic_mode : {"fixed", "knee", "knee_floor", "auto"}, default "fixed"
        Whether the background is a straight line in double-logarithmic axes, or has a knee. With
        ``selection`` also "knee_floor", a knee and a flat noise floor for wide ranges, and "auto",
        which decides between "fixed" and "knee" for every spectrum.
    peak_width_limits : tuple of float | None, default None
        Smallest and largest two-sided bandwidth of a peak in Hz. None for 1 Hz, or two frequency
        bins if that is more, to 12 Hz; see `npa.spectral.default_width_limits`.
    max_n_peaks : int, default 6
        Largest number of peaks, and number of peak columns.
    min_peak_height : float, default 0.1
        Smallest height of a peak over the background, in log10 units of power.
    peak_threshold : float, default 2.0
        Smallest height of a peak in standard deviations of the flattened spectrum; not used with
        ``selection``.
    selection : {None, "bic", "aicc"}, default None
        How the number of peaks is chosen: by FOOOF's rule, or by an information criterion among
        joint fits of background and peaks; see Notes.
    psd : {"welch", "multitaper", "periodogram"}, default "welch"
        How power is estimated; see `npa.spectral.psd`.
    psd_kwargs : dict | None
        Further arguments of `npa.spectral.psd`.
    aggregate : {None, "mean", "sum"}, default None
        How power is combined over channels before the fit; None for one fit per channel.
    by : None | str | dict
        Groups of channels to combine: None for one group called ``"all"``, a separator (names are
        grouped by what stands before its last occurrence), or a dict of group to channel names.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for the good data channels.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.
    window, step : float | None, default None
        Length in s of windows that move over the recording (or over every epoch), and time in s
        from one to the next (None for that of the window), for one row per window; see Notes.
    pool : {None, "condition"}, default None
        Whether to average power over the epochs of each condition (the name of their event), for
        one row per condition: epochs that are too short for a fit become usable.
    uncertainty : {None, "bootstrap"}, default None
        Whether to estimate standard errors and 95 % intervals; see Notes.
    n_boot : int, default 200
        Number of resampled spectra per spectrum, at least 20.
    random_state : int | numpy.random.RandomState | None
        Where the resamples come from; an integer for the same ones every time.
    engine : {"auto", "compiled", "batch", "fooof"}, default "auto"
        One of the engines of `npa.spectral.fit_spectra`, by default the compiled one for 500
        spectra or more, if numba is installed (``pip install 'npa[fast]'``); or the FOOOF package,
        which is many times slower, gives the same results, and has no ``selection``.
    n_jobs : int | None
        Number of parallel threads (compiled engine) or processes (others), as in joblib.

    Attributes
    ----------
    spectrum_ : SpectrumReport
        The fit of the power averaged over usable channels and epochs, with ``plot()`` and
        ``to_frame()``. EEG channels whose power is more than 32 times the median are left out, with
        a warning. Of several channel types, EEG or else the most frequent one is averaged. With
        ``window``, ``over_time`` holds the fits of the windows of this average, and ``plot_time()``
        draws them.
    feature_names_ : list of str
        Names of the columns.
    groups_ : dict
        Name of each spectrum to the indices of its channels.

    Raises
    ------
    ValueError
        If a parameter is not allowed, ``freq_range`` ends above the Nyquist frequency, or all
        channels are bad.

    Warns
    -----
    RuntimeWarning
        If ``freq_range`` leaves the pass band of the recording, as its header or a roll-off in the
        spectrum shows it: the filter would be part of the background. If the smallest width of a
        peak is not above 1.5 frequency bins, or had to be more than 1 Hz: single bins of noise
        pass for peaks.

    Notes
    -----
    The model of log10 power [1]_ is the background

    .. math:: L(f) = b - \log_{10}(k + f^\chi)

    plus Gaussian peaks; in ``"fixed"`` mode the knee k is 0. The table has the columns
    ``Oz_offset`` (b), except in ``"fixed"`` mode ``Oz_knee`` (k), ``Oz_knee_freq`` (k^(1/chi), Hz)
    and ``Oz_timescale`` (1 / (2 pi knee_freq), s), in ``"knee_floor"`` mode ``Oz_floor`` (log10
    units; NaN without one), ``Oz_exponent`` (chi), ``Oz_r2``
    (squared correlation of model and log10 power), ``Oz_error`` (mean absolute error in log10
    units), and for each peak, by rising frequency, ``Oz_peak1_cf`` (centre, Hz), ``Oz_peak1_pw``
    (height over the background, log10 units), ``Oz_peak1_bw`` (two-sided bandwidth, Hz) and, with
    ``selection``, ``Oz_peak1_z`` (height of its Gaussian over its standard error).
    The columns of missing peaks are NaN, and so is every column of a bad or flat channel, or of a
    fit that failed; one warning counts the failures. Knee frequencies outside ``freq_range``, and
    of negative knees, are NaN.

    The spectrum of an epoch that holds a single window is so noisy that pure 1/f noise has 3 to 6
    peaks in it, whatever the width limits (epochs of 1 to 4 s); backgrounds are right on average.
    Peaks are to be read from averages: ``spectrum_``, longer epochs, or ``pool="condition"``.

    With ``window``, power is that of `npa.spectral.psd_of_windows`: the mean over segments of 1 s
    in windows of up to 8 s (longer in longer windows, or ``psd_kwargs={"n_per_seg": ...}``), which
    makes frequency bins 1 Hz and peaks at least 2 Hz wide. Segments that are not within a clean
    span are left out; a window with less than half of its segments is NaN. In simulated windows of
    4 s the exponent has a standard error of 0.14. With ``set_output(transform="pandas")`` the rows
    are indexed by ``epoch`` (or ``condition``) and ``time``, the middle of the window in s: from
    the start of a Raw, or from the event of Epochs.

    With ``uncertainty="bootstrap"`` each value is followed, after the columns above, by its
    standard error and the ends of its 95 % interval (``Oz_exponent_se``, ``Oz_exponent_low``,
    ``Oz_exponent_high``); so are those of ``spectrum_`` (``intervals``) and of its time course.
    Noise is added to the model of a spectrum ``n_boot`` times, and the sum is fitted as the
    spectrum was. The noise is resampled from the epochs that a row averages, or from the windows of
    a recording (blocks of consecutive ones where there are more than 64); where there are fewer
    than 8 independent ones, as in short windows, epochs or multitaper spectra, it is that of a
    stationary Gaussian signal with the same windows or tapers. The model also leaks to neighbouring
    frequencies, as windows and tapers make it. The intervals are corrected for the bias of the fit
    and of the power that the resamples show
    (`npa.spectral.fitting.bootstrap.bootstrap_intervals`), so the
    estimate need not lie in their middle. The model is that of ``selection="bic"`` also where FOOOF
    chooses the peaks: peaks that it does not confirm have no intervals (NaN), nor have those that
    most of the resamples lack. In simulations of exponents of 0.5 to 2.5, knees and peaks in 30 s
    and 10 minutes, the intervals hold the truth in 95 % on average, and in 90 to 100 % for single
    measures (``docs/results/intervals.md``). This takes ``n_boot`` times the time of the fits.

    ``selection="bic"`` is recommended. It compares joint fits of 0, 1, 2, ... peaks, by the
    likelihood of power with the degrees of freedom that windows, tapers and epochs give it
    (`npa.spectral.degrees_of_freedom`); see `npa.spectral.fit_spectra`. In simulated spectra of 20
    independent windows with 0 to 4 peaks, FOOOF's rule finds the right number in 7 %, with 3.1
    false peaks each, and BIC in 70 %, with 0.01; median errors of the exponent are 0.041 and 0.024,
    with a knee 0.25 and 0.10. In 5 to 200 windows, and for Lorentzian or skewed peaks, BIC has
    fewer false peaks than the rule throughout; it misses more of the low and the broad ones: in
    single epochs of 1 s most. ``aperiodic_mode="auto"`` is right for 99 % of straight backgrounds
    and 82 % of those that bend. AICc has more peaks, true and false. Power averaged over channels
    is taken to have the degrees of freedom of one, because channels are correlated. In halves of
    real recordings BIC finds the same number of peaks, and the same peaks, more often than the
    rule; exponents agree less well (intraclass correlation 0.79 and 0.83, with a knee 0.60 and
    0.90), as they depend on whether a broad peak is found. FOOOF's rule is the default so that
    results are those of FOOOF.

    References
    ----------
    .. [1] Donoghue, T., et al. (2020). Parameterizing neural power spectra into periodic and
       aperiodic components. Nature Neuroscience, 23, 1655-1665.
       https://doi.org/10.1038/s41593-020-00744-x

    Examples
    --------
    The spectrum of white noise is flat; that of its running sum falls as 1/f^2:

    >>> import numpy as np
    >>> from npa.estimators.parameterize import FOOOFFitter
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 20_000))
    >>> noise[:, 1] = noise[:, 1].cumsum(axis=-1)
    >>> fitter = FOOOFFitter(freq_range=(1, 20), sfreq=200.0).set_output(transform="pandas")
    >>> fitter.fit_transform(noise)[["ch0_exponent", "ch1_exponent"]].round().abs()
       ch0_exponent  ch1_exponent
    0           0.0           2.0

    Noise whose exponent changes after 50 s, in windows of 20 s:

    >>> noise[0, 0, 10_000:] = noise[0, 1, 10_000:]
    >>> fitter = FOOOFFitter(freq_range=(1, 20), sfreq=200.0, picks=[0], window=20.0, step=15.0)
    >>> fitter.set_output(transform="pandas").fit_transform(noise)[["ch0_exponent"]].round().abs()
                ch0_exponent
    epoch time
    0     10.0           0.0
          25.0           0.0
          40.0           0.0
          55.0           2.0
          70.0           2.0
          85.0           2.0
    """

    _min_freqs: ClassVar[int] = MIN_FREQS

    def __init__(
        self,
        freq_range: tuple[float, float] = (1, 45),
        aperiodic_mode: Literal["fixed", "knee", "knee_floor", "auto"] = "fixed",
        peak_width_limits: tuple[float, float] | None = None,
        max_n_peaks: int = 6,
        min_peak_height: float = 0.1,
        peak_threshold: float = 2.0,
        selection: Literal["bic", "aicc"] | None = None,
        psd: Literal["welch", "multitaper", "periodogram"] = "welch",
        psd_kwargs: dict[str, Any] | None = None,
        aggregate: Literal["mean", "sum"] | None = None,
        by: Groups = None,
        picks: Picks = None,
        sfreq: float | None = None,
        window: float | None = None,
        step: float | None = None,
        pool: Literal["condition"] | None = None,
        uncertainty: Literal["bootstrap"] | None = None,
        n_boot: int = 200,
        random_state: RandomState = None,
        engine: Literal["auto", "compiled", "batch", "fooof"] = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.freq_range = freq_range
        self.aperiodic_mode = aperiodic_mode
        self.peak_width_limits = peak_width_limits
        self.max_n_peaks = max_n_peaks
        self.min_peak_height = min_peak_height
        self.peak_threshold = peak_threshold
        self.selection = selection
        self.psd = psd
        self.psd_kwargs = psd_kwargs
        self.aggregate = aggregate
        self.by = by
        self.picks = picks
        self.sfreq = sfreq
        self.window = window
        self.step = step
        self.pool = pool
        self.uncertainty = uncertainty
        self.n_boot = n_boot
        self.random_state = random_state
        self.engine = engine
        self.n_jobs = n_jobs

    def fit_averages(self, signals: Signals, by: Groups = None) -> list[SpectrumReport]:
        """Fit the power averaged over channels and epochs, for other estimators to build on.

        Parameters
        ----------
        signals : npa.recordings.signals.Signals
            The recording.
        by : None | str | dict
            Groups of channels, as the parameter; None for one group of all.

        Returns
        -------
        reports : list of SpectrumReport
            One fit per group; bad and flat channels are left out.

        Raises
        ------
        ValueError
            If a parameter is not allowed, or all channels are bad.
        """
        self._check_spectra(signals.sfreq)
        return self._fit_averages(signals, *self._spectra(signals), by)

    def _fit_averages(
        self, signals: Signals, freqs: FloatArray, power: FloatArray, by: Groups = None
    ) -> list[SpectrumReport]:
        """Fit the averages of power (n_epochs, n_channels, n_freqs)."""
        if signals.bad.all():
            raise ValueError(
                f"X has no channel to fit: all {len(signals.bad)} that are picked are marked bad."
            )
        groups = self._group(signals, {"all": average_names(signals)} if by is None else by)
        used = _without_excessive(signals, power, groups)
        combined = combine_channels(power, used)
        averages = mean_of_known(combined, axis=0)
        dof, correlated_bins = self._precision_of_mean(signals)
        precision = SpectrumPrecision(np.full(len(averages), dof), correlated_bins)
        fit = self._fit_spectra(freqs, averages, precision)
        seconds = self._seconds(signals)
        self._warn_resolution(freqs)
        reports = [
            _report(fit, row, spectrum, self.aperiodic_mode, seconds)
            for row, spectrum in enumerate(averages)
        ]

        def combine(power: FloatArray) -> FloatArray:
            return combine_channels(power, used)

        if self.uncertainty is not None and len(freqs):
            noise = self._row_noise(signals, freqs, power, combine, average=True)
            row = SpectrumPrecision(np.array([dof]), correlated_bins)
            window = self._spectral_window(signals, freqs, combine, average=True)
            spectra = Spectra(freqs, averages[np.newaxis], {}, row, noise, window)
            ends = self._intervals(spectra, fit, background=True)
            reports = [
                report.with_intervals(measure_names(self.aperiodic_mode, len(report.peaks)), *each)
                for report, *each in zip(reports, *ends, strict=True)
            ]
        if self.window is None:
            return reports
        spectra = self._rows_of_table(signals, freqs, power, combine)
        return [
            replace(report, over_time=self._time_course(spectra, group, report))
            for group, report in enumerate(reports)
        ]

    def _time_course(self, spectra: Spectra, group: int, average: SpectrumReport) -> TimeCourse:
        """Fit the power of the windows of a group, and look for the peaks of their average."""
        noise = [each.of_groups(slice(group, group + 1)) for each in spectra.noise]
        window, n_groups = spectra.window, spectra.power.shape[1]
        if window is not None and window.low_power is not None:
            window = replace(window, low_power=window.low_power[group::n_groups])
        spectra = spectra._replace(power=spectra.power[:, [group]], noise=noise, window=window)
        fit = self._fit_spectra(spectra.freqs, spectra.power[:, 0], spectra.precision)
        peaks = match_peaks(fit.peaks, average.peaks)
        names = measure_names(self.aperiodic_mode, len(average.peaks))
        values = dict(zip(names, measures(fit, peaks, self.aperiodic_mode).T, strict=True))
        intervals = {}
        if self.uncertainty is not None:
            _, low, high = self._intervals(spectra, fit, peaks=peaks)
            ends = np.moveaxis(np.stack([low, high], axis=-1), 1, 0)
            intervals = dict(zip(names, ends, strict=True))
        return TimeCourse(spectra.rows, values, average.peaks, intervals)

    def _intervals(
        self,
        spectra: Spectra,
        fit: SpectralFit,
        *,
        peaks: FloatArray | None = None,
        background: bool = False,
    ) -> Intervals:
        """Return standard errors and intervals of fits, as `bootstrap_fits` does."""
        freqs, power, _, (dof, correlated_bins), noise, window = spectra
        n_rows, n_groups, n_freqs = power.shape
        dof = np.repeat(dof, n_groups)
        model = fit
        if self.selection is None:  # whose peaks are partly noise
            power = power.reshape(n_rows * n_groups, n_freqs)
            precision = SpectrumPrecision(dof, correlated_bins)
            model = self._fit_spectra(freqs, power, precision, selection="bic")

        def refit(power: FloatArray, index: IntArray) -> SpectralFit:
            return self._fit_spectra(freqs, power, SpectrumPrecision(dof[index], correlated_bins))

        noises = noise_of_spectra(noise, n_groups)
        return bootstrap_fits(
            fit,
            model,
            noises,
            refit,
            self.aperiodic_mode,
            peaks=peaks,
            background=background,
            window=window,
        )

    def _fit(self, signals: Signals) -> Spectra:
        """Fit the average, and name the columns."""
        self._fit_groups(signals)
        freqs, power = self._spectra(signals)
        self._warn_pass_band(signals, freqs)
        self.spectrum_ = self._fit_averages(signals, freqs, power)[0]
        self._warn_channels(signals)
        if self.spectrum_.reason not in ("", NO_USABLE_CHANNEL):
            warn(f"FOOOFFitter could not fit the average spectrum: {self.spectrum_.reason}.")
        columns = _columns(self.aperiodic_mode, self.max_n_peaks, self.selection is not None)
        if self.uncertainty is not None:
            names = measure_names(self.aperiodic_mode, self.max_n_peaks)
            columns += [f"{name}_{end}" for name in names for end in INTERVAL_VALUES]
        self.feature_names_ = [f"{name}_{column}" for name in self.groups_ for column in columns]
        return self._rows_of_table(signals, freqs, power, self._combine)

    def _measure(self, signals: Signals) -> Spectra:
        """Estimate the power of every epoch and group of channels."""
        freqs, power = self._spectra(signals)
        self._warn_pass_band(signals, freqs)
        self._warn_resolution(freqs)
        return self._rows_of_table(signals, freqs, power, self._combine)

    def _rows_of_table(
        self, signals: Signals, freqs: FloatArray, power: FloatArray, combine: Combine
    ) -> Spectra:
        """Combine power (n_rows, n_channels, n_freqs) to that of the rows of the table."""
        noise = self._row_noise(signals, freqs, power, combine)
        power = self._pool(signals, combine(power))
        about = self._rows(signals), self._precision(signals), noise
        return Spectra(freqs, power, *about, self._spectral_window(signals, freqs, combine))

    def _table(self, measured: Spectra) -> FloatArray:
        """Fit every spectrum, shape (n_rows, n_features)."""
        freqs, power, _, (dof, correlated_bins), *_ = measured
        n_rows, n_groups, n_freqs = power.shape
        precision = SpectrumPrecision(np.repeat(dof, n_groups), correlated_bins)
        fit = self._fit_spectra(freqs, power.reshape(n_rows * n_groups, n_freqs), precision)
        _warn_failed(fit.reason)
        values = _values(fit, self.aperiodic_mode, self.selection is not None)
        if self.uncertainty is not None:
            ends = np.stack(self._intervals(measured, fit), axis=-1)
            values = np.hstack([values, ends.reshape(len(values), -1)])
        return values.reshape(n_rows, -1)

    def _fit_spectra(
        self,
        freqs: FloatArray,
        power: FloatArray,
        precision: SpectrumPrecision,
        selection: str | None = None,
    ) -> SpectralFit:
        """Fit spectra (n_spectra, n_freqs), in parallel chunks; ``selection`` for another one."""
        settings, n_jobs = self._settings(freqs), check_n_jobs("n_jobs", self.n_jobs)
        engine: str = self.engine
        if selection is not None:
            settings["selection"] = selection
            engine = "auto" if engine == "fooof" else engine
        engine = choose_engine(engine, len(power), settings.get("selection"))
        n_chunks = ENGINES[engine].chunks_per_worker * effective_n_jobs(n_jobs)
        if n_chunks == 0:
            settings["n_jobs"], n_jobs = effective_n_jobs(n_jobs), 1
        n_chunks = max(min(len(power), n_chunks), 1)
        chunks: list[dict[str, Any]] = [{} for _ in range(n_chunks)]
        if "selection" in settings:
            chunks = [
                {"dof": dof, "correlated_bins": precision.correlated_bins}
                for dof in np.array_split(precision.dof, n_chunks)
            ]
        fits = Parallel(n_jobs)(
            delayed(_fit_chunk)(freqs, chunk, engine, settings | noise)
            for chunk, noise in zip(np.array_split(power, n_chunks), chunks, strict=True)
        )
        fit = SpectralFit.concatenate(fits)
        fit.reason[(fit.reason == NOT_POSITIVE) & np.isnan(power).all(axis=1)] = NO_USABLE_CHANNEL
        return fit

    def _warn_resolution(self, freqs: FloatArray) -> None:
        """Warn once if single frequency bins pass for peaks."""
        # Windows are short on purpose, and the widths of their peaks are documented.
        short = self.window is not None and self.peak_width_limits is None
        if len(freqs) < MIN_FREQS or self.max_n_peaks == 0 or short:
            return
        bin_width = (freqs[-1] - freqs[0]) / (len(freqs) - 1)
        advice = "longer windows or epochs resolve more"
        if self.peak_width_limits is None:
            limit = default_width_limits(bin_width)[0]
            if limit > DEFAULT_WIDTH_LIMITS[0]:
                warn(
                    f"FOOOFFitter looks for peaks at least {limit:.3g} Hz wide, two of the "
                    f"frequency bins of {bin_width:.3g} Hz; single spectra of so few bins have "
                    f"peaks of noise: {advice}."
                )
        elif self.peak_width_limits[0] <= MIN_WIDTH_BINS * bin_width:
            warn(
                f"FOOOFFitter looks for peaks as narrow as {self.peak_width_limits[0]:.3g} Hz, but "
                f"frequency bins are {bin_width:.3g} Hz wide: single bins of noise pass for peaks. "
                f"Take peak_width_limits of at least {2 * bin_width:.3g} Hz; {advice}."
            )

    def _settings(self, freqs: FloatArray) -> dict[str, Any]:
        """Check the parameters of the fit, and return those that both engines take."""
        check_option("engine", self.engine, ("auto", *ENGINES))
        check_range("freq_range", self.freq_range)
        check_option("selection", self.selection, (None, *CRITERIA))
        if self.selection is not None and self.engine == "fooof":
            raise ValueError(f"engine='fooof' has no selection, got selection={self.selection!r}.")
        check_option("aperiodic_mode", self.aperiodic_mode, APERIODIC_MODES)
        if self.aperiodic_mode not in ("fixed", "knee") and self.selection is None:
            raise ValueError(
                f"aperiodic_mode={self.aperiodic_mode!r} needs selection='bic' or 'aicc', got None."
            )
        settings = {} if self.selection is None else {"selection": self.selection}
        return settings | {
            "aperiodic_mode": self.aperiodic_mode,
            "peak_width_limits": resolve_width_limits(freqs, self.peak_width_limits),
            "max_n_peaks": check_number(
                "max_n_peaks", self.max_n_peaks, low=0, high=MAX_PEAKS, integer=True
            ),
            "min_peak_height": check_number("min_peak_height", self.min_peak_height, low=0),
            "peak_threshold": check_number("peak_threshold", self.peak_threshold, low=0),
        }


def average_names(signals: Signals) -> list[str]:
    """Return the channels of one type, whose power can be averaged.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        Channels, of one or several types.

    Returns
    -------
    names : list of str
        All channels if they are of one type; else the EEG channels if some are good; else those of
        the most frequent type. A warning says which.

    Examples
    --------
    >>> from npa.recordings.containers import read_signals
    >>> average_names(read_signals(np.ones((1, 2, 100)), sfreq=100.0))
    ['ch0', 'ch1']
    """
    counts = Counter(signals.types.tolist())
    good = Counter(signals.types[~signals.bad].tolist()) or counts
    main = "eeg" if "eeg" in good else good.most_common(1)[0][0]
    if len(counts) > 1:
        warn(
            f"Power of different channel types ({', '.join(sorted(counts))}) cannot be averaged: "
            f"the average spectrum is that of the {counts[main]} {main} channel(s)."
        )
    pairs = zip(signals.ch_names, signals.types, strict=True)
    return [name for name, ch_type in pairs if ch_type == main]


def _without_excessive(
    signals: Signals, power: FloatArray, groups: dict[str, list[int]]
) -> list[list[int]]:
    """Leave EEG channels of excessive power out of averages, with a warning that names them."""
    mean = mean_of_known(power, axis=0)
    used, left_out = [], set()
    for members in groups.values():
        excessive = excessive_channels(mean[members]) & (signals.types[members] == "eeg")
        left_out |= {signals.ch_names[members[index]] for index in np.flatnonzero(excessive)}
        used.append([each for each, far in zip(members, excessive, strict=True) if not far])
    if left_out:
        names = ", ".join(name for name in signals.ch_names if name in left_out)
        warn(
            f"The average spectrum leaves out channel(s) {names}, whose power is over 32 times "
            "the median: set their type if they are not EEG, or mark them bad."
        )
    return used


def _fit_chunk(
    freqs: FloatArray, power: FloatArray, engine: str, settings: dict[str, Any]
) -> SpectralFit:
    """Fit spectra in a single thread: the matrices are too small for more to be faster."""
    with threadpool_limits(1):
        return fit_with_engine(freqs, power, engine, **settings)


def _report(
    fit: SpectralFit,
    row: int,
    spectrum: FloatArray,
    aperiodic_mode: str,
    seconds: tuple[float, float],
) -> SpectrumReport:
    """Return the report of one spectrum of a fit."""
    n_peaks = fit.n_peaks[row]
    if aperiodic_mode == "auto":
        aperiodic_mode = "knee" if fit.knee[row] > 0 else "fixed"
    return SpectrumReport(
        fit.freqs,
        spectrum,
        aperiodic_mode,
        offset=float(fit.offset[row]),
        knee=float(fit.knee[row]),
        exponent=float(fit.exponent[row]),
        peaks=fit.peaks[row, :n_peaks].copy(),
        gaussians=fit.gaussians[row, :n_peaks].copy(),
        floor=float(fit.floor[row]),
        peak_z=fit.peak_z[row, :n_peaks].copy(),
        r_squared=float(fit.r_squared[row]),
        error=float(fit.error[row]),
        reason=fit.reason[row],
        seconds_used=seconds[0],
        seconds_clean=seconds[1],
    )


def _warn_failed(reasons: AnyArray) -> None:
    """Warn once about all fits that failed, with their reasons."""
    counts = Counter(reason for reason in reasons if reason not in ("", NO_USABLE_CHANNEL))
    if counts:
        listed = "; ".join(f"{reason} ({count} x)" for reason, count in counts.most_common())
        warn(f"FOOOFFitter could not fit {counts.total()} of {len(reasons)} spectra: {listed}.")


def _columns(aperiodic_mode: str, max_n_peaks: int, selection: bool) -> list[str]:
    """Return the names of the values of one fit."""
    knee = background_columns(aperiodic_mode)
    names = ("cf", "pw", "bw", "z") if selection else ("cf", "pw", "bw")
    peaks = [f"peak{n + 1}_{name}" for n in range(max_n_peaks) for name in names]
    return ["offset", *knee, "exponent", "r2", "error", *peaks]


def _values(fit: SpectralFit, aperiodic_mode: str, selection: bool) -> FloatArray:
    """Return the values of every spectrum in the order of `_columns`."""
    knee = [getattr(fit, name) for name in background_columns(aperiodic_mode)]
    values = [fit.offset, *knee, fit.exponent, fit.r_squared, fit.error]
    peaks = np.dstack([fit.peaks, fit.peak_z]) if selection else fit.peaks
    return np.column_stack([*values, peaks.reshape(len(peaks), -1)])
