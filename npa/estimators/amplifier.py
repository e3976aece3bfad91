"""Attenuation of the 1/f background of time series, as a scikit-learn transformer."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from mne.utils import warn
from sklearn.base import clone

from npa.checks import check_bool, check_number, check_range
from npa.estimators.base import SignalTransformer
from npa.estimators.parameterize import FOOOFFitter, average_names
from npa.recordings.pass_band import find_pass_band
from npa.recordings.signals import Signals
from npa.reports import FilterReport, SpectrumReport
from npa.spectral.filtering.filter_bank import MAX_STAGES
from npa.spectral.filtering.gains import MAX_EXPONENT as MAX_DESIGN_EXPONENT
from npa.spectral.filtering.gains import MIN_EXPONENT
from npa.spectral.filtering.power_filter import check_design, design_filter
from npa.typing import BoolArray, FloatArray, Picks

# Negative knees below this share of f^exponent, f being the lowest frequency of the fit, change
# the background too little for a warning.
MIN_KNEE_SHARE = 1e-3
# Backgrounds of EEG have exponents up to about 4, and fits of them an r_squared above 0.9; what is
# beyond these limits is a filter, an artefact or noise.
MAX_EXPONENT = 5.0
MIN_R_SQUARED = 0.8
MAX_LISTED = 5  # models in one warning
AVERAGE = ""  # name of the average spectrum; no channel has it


class NeuralPowerAmplifier(SignalTransformer):
    r"""Attenuate the 1/f background of a recording, and keep its oscillations.

    The background and the peaks of the average power spectrum are fitted, a zero-phase filter is
    designed from them, and every picked channel is filtered.

    Parameters
    ----------
    fooof : FOOOFFitter | None, default None
        How the spectrum is fitted (its ``picks, sfreq, aggregate, by`` are not used). None for
        the settings published with the method [1]_ if the response is logarithmic: multitaper,
        knee, 0.5 to 45 Hz (the paper's text says 0.1 Hz), peaks 3 to 15 Hz wide, at least 0.05
        high, 6 at most; and for ``FOOOFFitter()`` if it is whitening.
    response : {"logarithmic", "whitening"}, default "logarithmic"
        Gain for the background; see Notes.
    design : {"exact", "paper"}, default "exact"
        How the gain is realised: by one FIR filter, or by the paper's bank of Chebyshev
        high-pass filters and one Remez band-pass per peak, each run forwards and backwards.
    n_stages : int, default 5
        Number of Chebyshev high-pass filters; only for ``design="paper"``.
    peak_gain : None | float | sequence of float, default None
        Gain of the peaks, one for all or one for each, by rising frequency. None for their fitted
        heights if the response is logarithmic, as in the paper, and 0 if it is whitening.
    per_channel : bool, default False
        Whether every channel is filtered by a model of its own spectrum instead of one model of the
        average. Bad and flat channels use that of the average.
    picks : str | array-like | slice | None
        Channels to filter, as in MNE; None for all data channels. Bad channels are filtered
        too, but left out of the fit; channels that are not picked are unchanged.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.

    Attributes
    ----------
    spectrum_ : SpectrumReport
        The fit of the average spectrum.
    filters_ : FilterReport | dict of FilterReport | None
        The filter, with its ideal and realised gain, ``r_squared``, ``max_error_db``, ``plot()``
        and ``to_frame()``; one per channel name if ``per_channel``. None, or left out, where no
        model could be fitted.

    Raises
    ------
    TypeError
        If ``fooof`` is not a `FOOOFFitter`.
    ValueError
        If a parameter is not allowed, all channels are bad, or ``design="paper"`` does not exist
        for the model; then the message suggests ``design="exact"``; or if the range of the fit lies
        outside the pass band.

    Warns
    -----
    RuntimeWarning
        If the fit was limited to the pass band of the recording, or the model is implausible: an
        r_squared below 0.8, an exponent above 5, or a knee frequency ``knee ** (1 / exponent)``
        above the range of the fit.

    Notes
    -----
    The ideal gain, of the two passes together, is

    .. math:: G(f) = R(f) + \sum_n g_n e^{-(f - f_n)^2 / (2 \sigma_n^2)}

    with the fitted centres and standard deviations. For ``response="logarithmic"``, with the
    exponent chi and the knee k of the background and the Nyquist frequency f_N,

    .. math:: R(f) = \log_{10}(k + f^\chi) / \log_{10}(k + f_N^\chi)

    clipped to 0..1. It mirrors the *logarithm* of the background; it does not whiten. Without a
    knee chi cancels: R is log(f) / log(f_N) for every recording, and zero below 1 Hz.

    For ``response="whitening"``, :math:`R(f) = \sqrt{(k + f^\chi) / (k + f_N^\chi)}`, so that
    the power of the background becomes flat. There the gain of a peak is in units of the
    background's gain at its centre: 1 doubles the amplitude there.

    The spectrum is fitted within the pass band of the recording, as its header or a roll-off in
    the spectrum shows it. Outside, where the filters of the recording left little signal, the gain
    follows the same formula.

    A negative knee is clipped to 0, with a warning if it changes the background noticeably. Filters
    stay within segments recorded without interruption, and within an epoch; both are mirrored at
    their ends. Where no model can be fitted (because of too few samples, say) the output is NaN,
    with a warning.

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
        fooof: FOOOFFitter | None = None,
        response: Literal["logarithmic", "whitening"] = "logarithmic",
        design: Literal["exact", "paper"] = "exact",
        n_stages: int = 5,
        peak_gain: float | Sequence[float] | None = None,
        per_channel: bool = False,
        picks: Picks = None,
        sfreq: float | None = None,
    ) -> None:
        self.fooof = fooof
        self.response = response
        self.design = design
        self.n_stages = n_stages
        self.peak_gain = peak_gain
        self.per_channel = per_channel
        self.picks = picks
        self.sfreq = sfreq

    def transform_block(self, x: FloatArray, finite: BoolArray, n_times: int) -> FloatArray:
        """Filter every channel; see `SignalTransformer`.

        The output is NaN where there is no filter, or where the segment holds NaN.
        """
        x[~finite] = np.nan
        if not isinstance(self.filters_, dict):
            return _apply(self.filters_, x)
        for channel, name in enumerate(self.ch_names_):
            x[:, channel] = _apply(self.filters_.get(name), x[:, channel])
        return x

    def max_context(self) -> int:
        """Return the reach of the longest filter in samples; see `SignalTransformer`."""
        filters = self.filters_
        reports = filters.values() if isinstance(filters, dict) else [filters]
        return max((report.filter.reach for report in reports if report), default=0)

    def _fit(self, signals: Signals) -> None:
        """Fit the spectrum or spectra, and design filters from them."""
        check_design(self.response, self.design)
        check_bool("per_channel", self.per_channel)
        check_number("n_stages", self.n_stages, low=1, high=MAX_STAGES, integer=True)
        fitter = self._limited_fitter(signals)
        names = list(signals.ch_names)
        groups = {AVERAGE: average_names(signals) if self.per_channel else names}
        if self.per_channel:
            groups |= {name: [name] for name in names}
        self.spectrum_, *own = fitter.fit_averages(signals, by=groups)
        self._warn_channels(signals)
        self._warn_implausible([self.spectrum_, *own], list(groups), fitter.freq_range)
        if self.per_channel:
            usable = zip(names, own, signals.usable, strict=True)
            spectra = {name: fit if good else self.spectrum_ for name, fit, good in usable}
        else:
            spectra = {AVERAGE: self.spectrum_}
        filters = self._design_filters(spectra, signals.sfreq, fitter.freq_range)
        self.filters_: FilterReport | dict[str, FilterReport] | None = (
            filters if self.per_channel else filters.get(AVERAGE)
        )

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator, or of its fitter, as in scikit-learn.

        Parameters
        ----------
        **params
            Parameters by name. ``fooof__NAME`` sets a parameter of ``fooof``; if that is None, the
            settings that None stands for become a `FOOOFFitter` first.

        Returns
        -------
        self : NeuralPowerAmplifier
            The estimator.
        """
        nested = {name: params[name] for name in params if name.startswith("fooof__")}
        super().set_params(**{name: params[name] for name in params if name not in nested})
        if nested and self.fooof is None:
            self.fooof = self._fitter()
        super().set_params(**nested)
        return self

    def _limited_fitter(self, signals: Signals) -> FOOOFFitter:
        """Return the fitter, limited to the pass band of the recording, with one warning."""
        fitter = self._fitter()
        freq_range = check_range("freq_range", fitter.freq_range)
        if freq_range[1] > signals.sfreq / 2:
            return fitter  # which raises an error
        band = find_pass_band(signals)
        inside = band.limit(freq_range)
        if inside == freq_range:
            return fitter
        wanted = f"{freq_range[0]:g}-{freq_range[1]:g} Hz"
        if inside is None:
            raise ValueError(
                f"the range of the fit, {wanted}, lies outside the pass band of {band}; change "
                "freq_range of fooof."
            )
        warn(
            f"NeuralPowerAmplifier fits {inside[0]:.4g}-{inside[1]:.4g} Hz instead of {wanted}, "
            f"within the pass band of {band}. Outside, the gain extrapolates the background of "
            "the fit."
        )
        return fitter.set_params(freq_range=inside)

    def _warn_implausible(
        self,
        spectra: Sequence[SpectrumReport],
        names: Sequence[str],
        freq_range: tuple[float, float],
    ) -> None:
        """Warn once about models that a background of EEG hardly has."""
        reasons = {}
        for spectrum, name in zip(spectra, names, strict=True):
            if reason := _implausible(spectrum, freq_range[1]):
                reasons[name or "the average spectrum"] = reason
        if reasons:
            shown = list(reasons.items())[:MAX_LISTED]
            listed = "; ".join(f"{name}: {reason}" for name, reason in shown)
            listed += f"; and {len(reasons) - len(shown)} more" * (len(shown) < len(reasons))
            warn(
                f"NeuralPowerAmplifier builds its filter from an implausible model ({listed}). "
                "Look at spectrum_.plot(), and mark bad channels, narrow freq_range of fooof, or "
                "choose aperiodic_mode='fixed'."
            )

    def _fitter(self) -> FOOOFFitter:
        """Return a copy of the sub-estimator, or one with the published settings."""
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
        if self.fooof.aperiodic_mode == "knee_floor":
            raise ValueError(
                "fooof must have aperiodic_mode 'fixed', 'knee' or 'auto', got 'knee_floor': the "
                "filter follows a background without a noise floor."
            )
        fitter: FOOOFFitter = clone(self.fooof)
        return fitter

    def _design_filters(
        self, spectra: dict[str, SpectrumReport], sfreq: float, freq_range: tuple[float, float]
    ) -> dict[str, FilterReport]:
        """Design a filter for every fitted spectrum, and warn once about the others."""
        filters, reasons, n_clipped = {}, {}, 0
        for name, spectrum in spectra.items():
            reason = spectrum.reason
            if not reason and spectrum.exponent > MAX_DESIGN_EXPONENT:
                reason = f"the exponent of the background is {spectrum.exponent:.3g}"
            if not reason and spectrum.exponent < MIN_EXPONENT:
                reason = f"the background does not fall (exponent {spectrum.exponent:.2g})"
            if reason:
                reasons[name] = reason
                continue
            n_clipped += spectrum.knee < -MIN_KNEE_SHARE * freq_range[0] ** spectrum.exponent
            designed = design_filter(
                spectrum.exponent,
                max(spectrum.knee, 0.0),
                spectrum.gaussians,
                sfreq,
                response=self.response,
                design=self.design,
                n_stages=self.n_stages,
                peak_gain=self.peak_gain,
            )
            filters[name] = FilterReport(designed, freq_range)
        if n_clipped:
            warn(
                f"NeuralPowerAmplifier clips the negative knee of {n_clipped} model(s) to 0: it "
                "takes the background for a straight 1/f line, as power rises more towards low "
                "frequencies than a knee allows. This is common and needs nothing; if slow drifts "
                "are the cause, start freq_range of fooof at a higher frequency."
            )
        if reasons:
            listed = "; ".join(sorted(set(reasons.values())))
            channels = f" of {', '.join(reasons)}" if self.per_channel else ""
            warn(f"NeuralPowerAmplifier has no model{channels}, and returns NaN there: {listed}.")
        return filters


def _implausible(spectrum: SpectrumReport, highest: float) -> str:
    """Return what is implausible about a model that was fitted up to a frequency; or nothing."""
    if spectrum.reason or spectrum.exponent <= 0:
        return ""  # there is no filter
    if spectrum.exponent > MAX_EXPONENT:
        return f"exponent {spectrum.exponent:.3g}, knee {spectrum.knee:.3g}"
    if spectrum.knee > 0 and spectrum.knee ** (1 / spectrum.exponent) > highest:
        frequency = spectrum.knee ** (1 / spectrum.exponent)
        return f"knee {spectrum.knee:.3g}, at {frequency:.3g} Hz, above the range of the fit"
    if spectrum.r_squared < MIN_R_SQUARED:
        return f"r_squared {spectrum.r_squared:.2f}"
    return ""


def _apply(report: FilterReport | None, x: FloatArray) -> FloatArray:
    """Apply the filter of a report to ``x`` (..., n_times); NaN if there is none."""
    return np.full(x.shape, np.nan) if report is None else report.filter.apply(x)
