"""The background and the peaks of power spectra, as a scikit-learn transformer."""

import warnings
from collections import Counter

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from mne.utils import warn
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from npa.checks import check_number, check_option, check_range
from npa.estimators.base import SpectrumTransformer
from npa.reports import SpectrumReport
from npa.spectral.fitting.spectra import MIN_FREQS, NOT_POSITIVE, fit_spectra

_LEFT_OUT = "no usable channel"


class FOOOFFitter(SpectrumTransformer):
    r"""Fit the 1/f background and the peaks of the power spectrum of every channel.

    Parameters
    ----------
    freq_range : tuple of float, default (1, 45)
        Lowest and highest frequency of the fit in Hz.
    aperiodic_mode : {"fixed", "knee"}, default "fixed"
        Whether the background is a straight line in double-logarithmic axes, or may bend.
    peak_width_limits : tuple of float, default (1, 12)
        Smallest and largest two-sided bandwidth of a peak in Hz.
    max_n_peaks : int, default 6
        Largest number of peaks, and number of peak columns.
    min_peak_height : float, default 0.1
        Smallest height of a peak over the background, in log10 units of power.
    peak_threshold : float, default 2.0
        Smallest height of a peak in standard deviations of the flattened spectrum.
    psd : {"welch", "multitaper", "periodogram"}, default "welch"
        How power is estimated; see `npa.spectral.psd`.
    psd_kwargs : dict | None
        Further arguments of `npa.spectral.psd`.
    aggregate : {None, "mean", "sum"}, default None
        How power is combined over channels before the fit; None for one fit a channel.
    by : None | str | dict
        Groups of channels to combine: None for one group called ``"all"``, a separator (names are
        grouped by what stands before its last occurrence), or a dict of group to channel names.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for the good data channels.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.
    engine : {"batch", "fooof"}, default "batch"
        What fits: `npa.spectral.fit_spectra`, all spectra at once, or the FOOOF package, one by
        one, which is many times slower and gives the same answers.
    n_jobs : int | None
        Number of processes that fit, as in joblib.

    Attributes
    ----------
    spectrum_ : SpectrumReport
        The fit of the power averaged over usable channels and epochs, with ``plot()`` and
        ``to_frame()``.
    feature_names_ : list of str
        Names of the columns.
    groups_ : dict
        What a spectrum is called to the indices of its channels.

    Raises
    ------
    ValueError
        If a parameter is not allowed, ``freq_range`` ends above the Nyquist frequency, or all
        channels are bad.

    Notes
    -----
    The model of log10 power [1]_ is the background

    .. math:: L(f) = b - \log_{10}(k + f^\chi)

    plus Gaussian peaks; in ``"fixed"`` mode the knee k is 0. The table has the columns
    ``Oz_offset`` (b), ``Oz_knee`` (only in ``"knee"`` mode), ``Oz_exponent`` (chi), ``Oz_r2``
    (squared correlation of model and log10 power), ``Oz_error`` (mean absolute error in log10
    units), and for each peak, by rising frequency, ``Oz_peak1_cf`` (centre, Hz), ``Oz_peak1_pw``
    (height over the background, log10 units) and ``Oz_peak1_bw`` (two-sided bandwidth, Hz).
    Peaks that are not there are NaN, and so is every column of a bad or flat channel, or of a fit
    that failed; failures are counted and warned about once.

    References
    ----------
    .. [1] Donoghue, T., et al. (2020). Parameterizing neural power spectra into periodic and
       aperiodic components. Nature Neuroscience, 23, 1655-1665.
       https://doi.org/10.1038/s41593-020-00744-x

    Examples
    --------
    White noise does not fall with frequency; its running sum falls as 1/f^2:

    >>> import numpy as np
    >>> from npa.estimators.parameterize import FOOOFFitter
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 20_000))
    >>> noise[:, 1] = noise[:, 1].cumsum(axis=-1)
    >>> fitter = FOOOFFitter(freq_range=(1, 20), sfreq=200.0).set_output(transform="pandas")
    >>> fitter.fit_transform(noise)[["ch0_exponent", "ch1_exponent"]].round().abs()
       ch0_exponent  ch1_exponent
    0           0.0           2.0
    """

    def __init__(
        self,
        freq_range=(1, 45),
        aperiodic_mode="fixed",
        peak_width_limits=(1, 12),
        max_n_peaks=6,
        min_peak_height=0.1,
        peak_threshold=2.0,
        psd="welch",
        psd_kwargs=None,
        aggregate=None,
        by=None,
        picks=None,
        sfreq=None,
        engine="batch",
        n_jobs=None,
    ):
        self.freq_range = freq_range
        self.aperiodic_mode = aperiodic_mode
        self.peak_width_limits = peak_width_limits
        self.max_n_peaks = max_n_peaks
        self.min_peak_height = min_peak_height
        self.peak_threshold = peak_threshold
        self.psd = psd
        self.psd_kwargs = psd_kwargs
        self.aggregate = aggregate
        self.by = by
        self.picks = picks
        self.sfreq = sfreq
        self.engine = engine
        self.n_jobs = n_jobs

    def reports(self, signals, by=None):
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
            One fit a group; bad and flat channels are left out.

        Raises
        ------
        ValueError
            If a parameter is not allowed, or all channels are bad.
        """
        if signals.bad.all():
            raise ValueError(
                f"X has no channel to fit: all {len(signals.bad)} that are picked are marked bad."
            )
        fitter = clone(self).set_params(aggregate="mean", by=by)
        fitter._fit_groups(signals)
        settings = self._settings(signals.sfreq)
        freqs, power = fitter._power(signals)
        averages = np.full(power.shape[1:], np.nan)
        for average, epochs in zip(averages, power.swapaxes(0, 1), strict=True):
            known = ~np.isnan(epochs).any(axis=1)
            if known.any():
                average[:] = epochs[known].mean(axis=0)
        return _fit_spectra(freqs, averages, settings, self.engine, self.n_jobs)

    def _fit(self, signals):
        """Fit the average, and name the columns."""
        self._fit_groups(signals)
        self.spectrum_ = self.reports(signals)[0]
        self._warn_flat_channels(signals)
        if self.spectrum_.reason not in ("", _LEFT_OUT):
            warn(f"FOOOFFitter could not fit the average spectrum: {self.spectrum_.reason}.")
        columns = _columns(self.aperiodic_mode, self.max_n_peaks)
        self.feature_names_ = [f"{name}_{column}" for name in self.groups_ for column in columns]

    def _measure(self, signals):
        """Fit every epoch and group of channels."""
        freqs, power = self._power(signals)
        n_epochs, n_groups, n_freqs = power.shape
        spectra = power.reshape(n_epochs * n_groups, n_freqs)
        settings = self._settings(signals.sfreq)
        fits = _fit_spectra(freqs, spectra, settings, self.engine, self.n_jobs)
        _warn_problems(fits)
        return np.reshape([_values(fit, self.max_n_peaks) for fit in fits], (n_epochs, -1))

    def _power(self, signals):
        """Return the frequencies within ``freq_range`` and their power, if enough for a fit."""
        if signals.data.shape[-1] < 2 * (MIN_FREQS - 1):
            return np.empty(0), np.empty((len(signals.data), len(self.groups_), 0))
        low, high = self.freq_range
        freqs, power = super()._power(signals, freq_range=(0, high))
        keep = (freqs >= low) & (freqs > 0)
        return freqs[keep], power[..., keep]

    def _settings(self, sfreq):
        """Check the parameters of the fit, and return those that both engines want."""
        check_option("engine", self.engine, tuple(_ENGINES))
        check_range("freq_range", self.freq_range)
        if self.freq_range[1] > sfreq / 2:
            raise ValueError(
                f"freq_range must end at or below the Nyquist frequency of {sfreq / 2:g} Hz, got "
                f"{self.freq_range!r}."
            )
        check_option("aperiodic_mode", self.aperiodic_mode, ("fixed", "knee"))
        return {
            "aperiodic_mode": self.aperiodic_mode,
            "peak_width_limits": check_range("peak_width_limits", self.peak_width_limits),
            "max_n_peaks": check_number("max_n_peaks", self.max_n_peaks, low=0, integer=True),
            "min_peak_height": check_number("min_peak_height", self.min_peak_height, low=0),
            "peak_threshold": check_number("peak_threshold", self.peak_threshold, low=0),
        }


def _fit_spectra(freqs, power, settings, engine, n_jobs=None):
    """Fit spectra (n_spectra, n_freqs), and return a report of each: the engines' one door."""
    problems = [_problem(spectrum) for spectrum in power]
    rows = [row for row, problem in enumerate(problems) if not problem]
    mode = settings["aperiodic_mode"]
    fits = [
        SpectrumReport(freqs, spectrum, mode, reason=problem)
        for spectrum, problem in zip(power, problems, strict=True)
    ]
    fit_chunk, n_chunks = _ENGINES[engine]
    n_chunks = max(min(len(rows), n_chunks * effective_n_jobs(n_jobs)), 1)
    chunks = np.array_split(power[rows], n_chunks) if rows else []
    fitted = Parallel(n_jobs)(delayed(fit_chunk)(freqs, chunk, settings) for chunk in chunks)
    for row, fit in zip(rows, (fit for chunk in fitted for fit in chunk), strict=True):
        fits[row] = fit
    return fits


def _fit_at_once(freqs, power, settings):
    """Fit spectra together."""
    with threadpool_limits(1):  # the matrices are small: threads cost more than they give
        fit = fit_spectra(freqs, power, **settings)
    mode = settings["aperiodic_mode"]
    return [
        SpectrumReport(
            freqs,
            spectrum,
            mode,
            offset=float(fit.offset[row]),
            knee=float(fit.knee[row]),
            exponent=float(fit.exponent[row]),
            peaks=fit.peaks[row, : fit.n_peaks[row]].copy(),
            gaussians=fit.gaussians[row, : fit.n_peaks[row]].copy(),
            r_squared=float(fit.r_squared[row]),
            error=float(fit.error[row]),
            reason=fit.reason[row],
        )
        for row, spectrum in enumerate(power)
    ]


def _fit_one_by_one(freqs, power, settings):
    """Fit a few spectra with FOOOF."""
    FOOOF, FitError = _import_fooof()
    model = FOOOF(**settings, verbose=False)
    model.set_debug_mode(True)  # else a fit fails without saying why
    with threadpool_limits(1):
        return [_fit_one(model, FitError, freqs, spectrum) for spectrum in power]


# What fits a chunk, and how many chunks a process gets.
_ENGINES = {"batch": (_fit_at_once, 1), "fooof": (_fit_one_by_one, 8)}


def _fit_one(model, FitError, freqs, spectrum):
    """Fit one spectrum, or say why that cannot be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(freqs, spectrum)
    except (FitError, ValueError) as error:
        problem = str(error).rstrip(".")
        return SpectrumReport(freqs, spectrum, model.aperiodic_mode, reason=problem)
    offset, *knee, exponent = model.aperiodic_params_
    return SpectrumReport(
        freqs,
        spectrum,
        model.aperiodic_mode,
        offset=float(offset),
        knee=float(knee[0]) if knee else 0.0,
        exponent=float(exponent),
        peaks=model.peak_params_.copy(),
        gaussians=model.gaussian_params_.copy(),
        r_squared=float(model.r_squared_),
        error=float(model.error_),
    )


def _import_fooof():
    """Import FOOOF without its farewell; it sets the warning filters itself, so record them all."""
    with warnings.catch_warnings(record=True) as caught:
        from fooof import FOOOF
        from fooof.core.errors import FitError
    for other in caught:
        if "`fooof` package is being deprecated" not in str(other.message):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return FOOOF, FitError


def _problem(spectrum):
    """Say why a spectrum cannot be fitted at all, or return an empty string."""
    if len(spectrum) < MIN_FREQS:
        return f"freq_range holds fewer than the {MIN_FREQS} frequencies that a fit needs"
    if np.isnan(spectrum).all():
        return _LEFT_OUT
    if not (np.isfinite(spectrum) & (spectrum > 0)).all():
        return NOT_POSITIVE
    return ""


def _warn_problems(fits):
    """Warn once of all fits that failed, with their reasons."""
    reasons = Counter(fit.reason for fit in fits if fit.reason not in ("", _LEFT_OUT))
    if reasons:
        listed = "; ".join(f"{reason} ({count} x)" for reason, count in reasons.most_common())
        warn(f"FOOOFFitter could not fit {reasons.total()} of {len(fits)} spectra: {listed}.")


def _columns(aperiodic_mode, max_n_peaks):
    """Name the values of one fit."""
    knee = ["knee"] if aperiodic_mode == "knee" else []
    peaks = [f"peak{n + 1}_{value}" for n in range(max_n_peaks) for value in ("cf", "pw", "bw")]
    return ["offset", *knee, "exponent", "r2", "error", *peaks]


def _values(fit, max_n_peaks):
    """Return the values of one fit in the order of `_columns`."""
    knee = [fit.knee] if fit.aperiodic_mode == "knee" else []
    peaks = np.full((max_n_peaks, 3), np.nan)
    peaks[: len(fit.peaks)] = fit.peaks
    return [fit.offset, *knee, fit.exponent, fit.r_squared, fit.error, *peaks.ravel()]
