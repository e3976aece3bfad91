"""The 1/f background out of the time series, the oscillations kept."""

import numpy as np
from mne.utils import warn
from sklearn.base import clone

from npa.checks import check_option
from npa.estimators.base import SignalTransformer
from npa.estimators.parameterize import FOOOFFitter
from npa.reports import FilterReport
from npa.spectral.filtering.power_filter import check_design, design_filter

# A knee below this share of f^chi at the lowest frequency bends nothing: not worth a warning.
_TOLD_KNEE = 1e-3


class NeuralPowerAmplifier(SignalTransformer):
    r"""Filter a recording so that its 1/f background falls away and its oscillations stay.

    The background and the peaks of the average power spectrum are fitted, a zero-phase filter is
    made from them, and every picked channel is passed through it.

    Parameters
    ----------
    fooof : FOOOFFitter | None, default None
        How the spectrum is fitted (its ``picks, sfreq, aggregate, by`` are not used). None for
        the settings published with the method [1]_ where the response is logarithmic: multitaper,
        knee, 0.5 to 45 Hz (the paper's text says 0.1 Hz), peaks 3 to 15 Hz wide, at least 0.05
        high, 6 at most; and for ``FOOOFFitter()`` where it is whitening.
    response : {"logarithmic", "whitening"}, default "logarithmic"
        Gain for the background; see Notes.
    design : {"exact", "paper"}, default "exact"
        How the gain is realised: by one FIR filter, or by the paper's bank of Chebyshev
        high-passes and one Remez band-pass a peak, each run forwards and backwards.
    n_stages : int, default 5
        Number of Chebyshev high-passes; only for ``design="paper"``.
    peak_gain : None | float | sequence of float, default None
        Gain of the peaks, one for all or one for each, by rising frequency. None for their fitted
        heights where the response is logarithmic, as in the paper, and 0 where it is whitening.
    per_channel : bool, default False
        Whether every channel is filtered by a model of its own spectrum, and not by one model of
        the average. Bad and flat channels have none, and take that of the average.
    picks : str | array-like | slice | None
        Channels to filter, as in MNE; None for all data channels. Bad ones are filtered too, but
        have no part in the fit; all other channels pass untouched.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.

    Attributes
    ----------
    spectrum_ : SpectrumReport
        The fit of the average spectrum.
    filters_ : FilterReport | dict of FilterReport | None
        The filter, with its ideal and realised gain, ``r_squared``, ``max_error_db``, ``plot()``
        and ``to_frame()``; one per channel name where ``per_channel``. None, or left out, where
        no model could be fitted.

    Raises
    ------
    TypeError
        If ``fooof`` is no `FOOOFFitter`.
    ValueError
        If a parameter is not allowed, all channels are bad, or ``design="paper"`` does not exist
        for the model; then the message names ``design="exact"``.

    Notes
    -----
    The gain, of the two passes together, is ideally

    .. math:: G(f) = R(f) + \sum_n g_n e^{-(f - f_n)^2 / (2 \sigma_n^2)}

    with the fitted centres and standard deviations. For ``response="logarithmic"``, with the
    exponent chi and the knee k of the background and the Nyquist frequency f_N,

    .. math:: R(f) = \log_{10}(k + f^\chi) / \log_{10}(k + f_N^\chi)

    clipped to 0..1. It mirrors the *logarithm* of the background; it does not whiten. Without a
    knee chi cancels: R is log(f) / log(f_N) for every recording, and zero below 1 Hz.

    For ``response="whitening"``, :math:`R(f) = \sqrt{(k + f^\chi) / (k + f_N^\chi)}`, so that
    the power of the background comes out flat. There the gain of a peak counts in units of the
    background's gain at its centre: 1 makes the amplitude twice as large there.

    A negative knee is clipped to 0, with a warning where it bends the background. Filters stay
    within stretches recorded without interruption, and within an epoch; both are mirrored at
    their ends. Where no model can be fitted (too few samples, say) the output is NaN, with a
    warning.

    References
    ----------
    .. [1] Doyle, J. A., Toussaint, P.-J., & Evans, A. C. (2019). Amplifying the Neural Power
       Spectrum. bioRxiv 659268. https://doi.org/10.1101/659268

    Examples
    --------
    >>> import numpy as np
    >>> from npa.estimators.amplifier import NeuralPowerAmplifier
    >>> noise = np.random.default_rng(0).normal(size=(1, 2, 25_600)).cumsum(axis=-1)
    >>> amplifier = NeuralPowerAmplifier(response="whitening", sfreq=256.0).fit(noise)
    >>> amplifier.transform(noise).shape
    (1, 2, 25600)
    >>> bool(amplifier.filters_.r_squared > 0.999)
    True
    """

    def __init__(
        self,
        fooof=None,
        response="logarithmic",
        design="exact",
        n_stages=5,
        peak_gain=None,
        per_channel=False,
        picks=None,
        sfreq=None,
    ):
        self.fooof = fooof
        self.response = response
        self.design = design
        self.n_stages = n_stages
        self.peak_gain = peak_gain
        self.per_channel = per_channel
        self.picks = picks
        self.sfreq = sfreq

    def _fit(self, signals):
        """Fit the spectrum, and make the filter or filters from it."""
        check_design(self.response, self.design)
        check_option("per_channel", self.per_channel, (False, True))
        fitter = self._fitter()
        if self.per_channel:
            names = list(signals.ch_names)
            groups = {None: names, **{name: [name] for name in names}}
            self.spectrum_, *spectra = fitter.fit_averages(signals, by=groups)
            own = zip(names, spectra, signals.usable, strict=True)
            spectra = {name: fit if usable else self.spectrum_ for name, fit, usable in own}
        else:
            self.spectrum_ = fitter.fit_averages(signals)[0]
            spectra = {None: self.spectrum_}
        self._warn_flat_channels(signals)
        filters = self._design(spectra, signals.sfreq, fitter.freq_range)
        self.filters_ = filters if self.per_channel else filters.get(None)

    def transform_block(self, x, finite, n_times):
        """Filter every row; NaN where there is no filter, or NaN in the stretch."""
        x[~finite] = np.nan
        if not self.per_channel:
            return _filtered(self.filters_, x)
        for channel, name in enumerate(self.ch_names_):
            x[:, channel] = _filtered(self.filters_.get(name), x[:, channel])
        return x

    def max_context(self):
        """Return the reach of the longest filter."""
        reports = self.filters_.values() if self.per_channel else [self.filters_]
        return max((report.filter.reach for report in reports if report), default=0)

    def _fitter(self):
        """Return a copy of the sub-estimator, or that with the published settings."""
        if self.fooof is None and self.response == "whitening":
            return FOOOFFitter()
        if self.fooof is None:
            return FOOOFFitter(
                freq_range=(0.5, 45),
                aperiodic_mode="knee",
                peak_width_limits=(3, 15),
                min_peak_height=0.05,
                psd="multitaper",
            )
        if not isinstance(self.fooof, FOOOFFitter):
            raise TypeError(f"fooof must be a FOOOFFitter or None, got {self.fooof!r}.")
        return clone(self.fooof)

    def _design(self, spectra, sfreq, band):
        """Make a filter of every fitted spectrum, and warn once of what could not be used."""
        filters, problems, n_clipped = {}, {}, 0
        for name, spectrum in spectra.items():
            problem = spectrum.reason
            if not problem and spectrum.exponent <= 0:
                problem = f"the background does not fall (exponent {spectrum.exponent:.2g})"
            if problem:
                problems[name] = problem
                continue
            n_clipped += spectrum.knee < -_TOLD_KNEE * band[0] ** spectrum.exponent
            made = design_filter(
                spectrum.exponent,
                max(spectrum.knee, 0.0),
                spectrum.gaussians,
                sfreq,
                response=self.response,
                design=self.design,
                n_stages=self.n_stages,
                peak_gain=self.peak_gain,
            )
            filters[name] = FilterReport(made, band)
        if n_clipped:
            warn(f"NeuralPowerAmplifier clips the negative knee of {n_clipped} model(s) to 0.")
        if problems:
            reasons = "; ".join(sorted(set(problems.values())))
            where = f" of {', '.join(problems)}" if self.per_channel else ""
            warn(f"NeuralPowerAmplifier has no model{where}, and returns NaN there: {reasons}.")
        return filters


def _filtered(report, x):
    """Return ``x`` (..., n_times) after the filter of a report; NaN without one."""
    return np.full(x.shape, np.nan) if report is None else report.filter.apply(x)
