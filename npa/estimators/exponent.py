"""The slope of power spectra, as a scikit-learn transformer."""

import numpy as np
from mne.utils import warn

from npa.checks import check_number, check_option
from npa.estimators.base import SpectrumTransformer
from npa.reports import SlopeReport
from npa.spectral.slopes import MIN_FREQS, REGRESSIONS, power_law


class PSDExponent(SpectrumTransformer):
    r"""Measure the slope beta of power spectra S ~ f^beta.

    Parameters
    ----------
    fmin, fmax : float | None
        Lowest and highest frequency of the line in Hz (inclusive). None for all frequencies but
        0 Hz, up to Nyquist.
    psd : {"welch", "multitaper", "periodogram"}, default "welch"
        How power is estimated; see `npa.spectral.psd`.
    psd_kwargs : dict | None
        Further arguments of `npa.spectral.psd`.
    aggregate : {None, "mean", "sum"}, default None
        How power is combined over channels before the line is fitted; None for one line a channel.
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

    Attributes
    ----------
    slopes_ : SlopeReport
        Slope, intercept, standard error and r_squared of every epoch of the fit, with
        ``plot()`` and ``to_frame()``.
    feature_names_ : list of str
        Names of the columns.
    groups_ : dict
        What a spectrum is called to the indices of its channels.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or the frequencies lie outside the spectrum.

    See Also
    --------
    npa.FOOOFFitter : Background and peaks, fitted together.

    Notes
    -----
    The columns are called ``Oz_slope`` and hold beta, **negative** for 1/f noise as in the noise
    literature. What FOOOF calls ``exponent`` is chi of S ~ 1/f^chi, **positive** for 1/f noise:
    without knee and peaks beta = -chi.

    The line knows no peaks. Alpha lies at the low end of the usual ranges in the linear grid of
    frequencies, so that it tilts the least-squares line: a peak at 10 Hz ten times as high as the
    background, with a standard deviation of 1 Hz, biases chi over 2-40 Hz by +0.16 (beta by -0.16,
    steeper). ``regression="theilsen"`` hardly minds such a peak, and `FOOOFFitter` models it.

    A slope is NaN where a channel is bad or flat, where power is zero at some frequency, or where
    there are fewer than 3 frequencies; the last two are counted and warned about once.

    The estimator of Chong and Feng [1]_ for recurrent networks, \|FFT\|^2 of every cell without
    window or detrending, summed over the cells of a gate, and a line over all bins but 0 Hz, is::

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
    White noise is level; its running sum falls as 1/f^2:

    >>> import numpy as np
    >>> from npa.estimators.exponent import PSDExponent
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 20_000))
    >>> noise[:, 1] = noise[:, 1].cumsum(axis=-1)
    >>> measure = PSDExponent(fmin=1, fmax=20, sfreq=200.0).set_output(transform="pandas")
    >>> measure.fit_transform(noise).round().abs()
       ch0_slope  ch1_slope
    0        0.0        2.0
    """

    def __init__(
        self,
        fmin=None,
        fmax=None,
        psd="welch",
        psd_kwargs=None,
        aggregate=None,
        by=None,
        regression="ols",
        picks=None,
        sfreq=None,
    ):
        self.fmin = fmin
        self.fmax = fmax
        self.psd = psd
        self.psd_kwargs = psd_kwargs
        self.aggregate = aggregate
        self.by = by
        self.regression = regression
        self.picks = picks
        self.sfreq = sfreq

    def fit_transform(self, X, y=None):
        """Fit to a recording and measure it, reading it once.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording; a 2-D array is ``(n_epochs, n_times)`` of one channel.
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        table : array, shape (n_epochs, n_features)
            The slopes, as `transform` would return them.
        """
        return self.fit(X, y).slopes_.slope.copy()

    def _fit(self, signals):
        """Fit every epoch, and name the columns."""
        check_option("regression", self.regression, REGRESSIONS)
        self._fit_groups(signals)
        self._warn_flat_channels(signals)
        freqs, power, line = self._lines(signals)
        self.slopes_ = SlopeReport(
            names=tuple(self.groups_),
            freqs=freqs,
            power=_geometric_mean(power),
            regression=self.regression,
            **line._asdict(),
        )
        self.feature_names_ = [f"{name}_slope" for name in self.groups_]

    def _measure(self, signals):
        """Return the slope of every epoch and group of channels."""
        return self._lines(signals)[-1].slope

    def _lines(self, signals):
        """Fit every epoch and group of channels; also return frequencies and power."""
        band = self._band(signals.sfreq / 2)
        if signals.data.shape[-1] < 2 * MIN_FREQS:
            freqs, power = np.empty(0), np.empty((len(signals.data), len(self.groups_), 0))
        else:
            freqs, power = self._power(signals, band)
        above = freqs > 0
        freqs, power = freqs[above], power[..., above]
        line = power_law(freqs, power, self.regression)
        _warn_failed(power, line.slope)
        return freqs, power, line

    def _band(self, nyquist):
        """Check the ends of the line, and return them."""
        fmin, fmax = 0.0, nyquist
        if self.fmax is not None:
            fmax = check_number("fmax", self.fmax, above=0, high=nyquist)
        if self.fmin is not None:
            fmin = check_number("fmin", self.fmin, above=0, below=fmax)
        return fmin, fmax


def _geometric_mean(power):
    """Average log10 power over the epochs that have a line: its line is the mean of the lines."""
    usable = (power > 0).all(axis=-1, keepdims=True)
    logs = np.log10(power, where=usable, out=np.zeros_like(power)).sum(axis=0)
    count = usable.sum(axis=0)
    return 10.0 ** np.divide(logs, count, where=count > 0, out=np.full_like(logs, np.nan))


def _warn_failed(power, slope):
    """Count the spectra that have no line though they have power, and say why once."""
    if power.shape[-1] < MIN_FREQS:
        failed, reason = np.isnan(slope), f"fewer than {MIN_FREQS} frequencies above 0 Hz"
    else:
        failed = np.isnan(slope) & ~np.isnan(power).all(axis=-1)
        reason = "power is zero or not finite at some frequency"
    if failed.any():
        warn(f"PSDExponent has no slope for {failed.sum()} of {failed.size} spectra: {reason}.")
