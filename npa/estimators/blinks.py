"""Removal of blinks by independent component analysis, as a scikit-learn transformer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import mne
import numpy as np
from mne.utils import logger
from threadpoolctl import threadpool_limits

from npa.checks import check_number, check_option
from npa.estimators.base import SignalTransformer
from npa.recordings.channels import frontal_channels
from npa.recordings.clean_spans import CleanSpans
from npa.recordings.containers import is_mne, read_signals
from npa.recordings.signals import Signals
from npa.reports import BlinkReport
from npa.spectral.blink_peaks import BLINK_BAND, find_blinks
from npa.spectral.correlation import squared_correlation
from npa.spectral.spatial import event_projection
from npa.typing import BoolArray, FloatArray, IntArray, RandomState

MIN_FRONTAL_RATIO = 2.0  # frontal over median amplitude of a blink's topography
MIN_SAMPLES_PER_CHANNEL = 20
ICA_TOLERANCE = 1e-4  # of the gradient; the components are compared, not subtracted


class BlinkICARemover(SignalTransformer):
    """Remove blinks, found by the independent component that explains them.

    Parameters
    ----------
    eog : str | list of str | None, default None
        EOG channels, of whatever type; those typed EEG are then left out of the ICA and not
        cleaned. None for the channels typed EOG, or, where there are none, a virtual EOG: the mean
        of the frontal-most electrodes.
    n_components : int | float | None, default 0.98
        Number of principal components for the ICA, or the share of variance that they explain
        together. None for all.
    method : "picard" | "infomax", default "picard"
        ICA algorithm, in its extended version.
    l_freq, h_freq : float, default 1 and 40
        Pass band in Hz of the copy that the ICA is fitted to.
    fit_sfreq : float, default 128
        Lowest sampling rate in Hz that this copy may be decimated to; at least 2.5 ``h_freq``.
    fit_duration : float | None, default 1200
        Longest duration in s of the samples that the ICA is fitted to, spread evenly over the
        clean recording (ICA ignores the order of samples). None for all.
    min_blinks : int, default 5
        Fewest blinks.
    min_r_squared : float, default 0.5
        Share of the EOG's variance around blinks that the component must explain.
    random_state : int | numpy.random.RandomState | None, default 0
        Random start of the ICA.

    Attributes
    ----------
    blinks_ : BlinkReport
        What was found, or why nothing was; has ``plot()`` and ``to_frame()``.
    filter_ : array, shape (n_channels,)
        Weights of the EEG channels in the time course of the blinks, which is about 1 at the peak
        of a blink; 0 for bad and flat channels, and where no blinks were found.
    pattern_ : array, shape (n_channels,)
        What a typical blink adds to each EEG channel at its peak, between ``l_freq`` and
        ``h_freq``, in V; 0 where ``filter_`` is.
    ch_names_ : tuple of str
        EEG channels of the fit.
    sfreq_ : float
        Sampling rate of the fit in Hz.

    Raises
    ------
    TypeError
        If ``X`` is not an `mne.io.BaseRaw` or `mne.BaseEpochs`.
    ValueError
        If a parameter is out of range, an EOG channel is missing or bad, samples are not finite,
        fewer than two EEG channels are usable, the recording is shorter than 20 clean samples per
        channel after decimation, or one principal component alone explains ``n_components`` of
        the variance; at ``transform`` if channels or sampling rate are not those of the fit.

    Notes
    -----
    Only EEG channels are cleaned; all others pass unchanged. Blinks are peaks of the EOG within
    1-10 Hz, of at least 60 uV and 5 median absolute deviations, which must also be shaped like
    blinks: in the median over the peaks 0.04 to 0.4 s wide at half height, at least 7 median
    absolute deviations high, and with an undershoot within 0.5 s of at most 0.75 of the peak
    (steps, such as horizontal eye movements, and alpha waves have one of about 1).

    With the sources ``s = W x`` of the ICA, the blink component maximises the squared correlation
    with an EOG channel, within 1-10 Hz and 0.5 s of that channel's blinks, over all pairs of
    channel and component. A virtual EOG is itself a mixture of the channels, and some component
    always resembles it; there the topography must also be frontal: positive at the electrodes of
    the virtual EOG, and on average at least twice the median over the others.

    The ICA decides whether the peaks are one source, and no more: which of several equally good
    solutions it returns depends on its random start and, by rounding, on the processor. What is
    subtracted therefore follows from the blinks alone, ``x - a (w' x)`` at full bandwidth and
    rate: the pattern ``a`` is the dominant dimension of the median blink, and the filter ``w`` has
    unit gain for it, ``w' a = 1``, and passes the least of the recording away from blinks [2]_.
    Where anything fails, the signal comes back unchanged.

    Bad channels, flat channels and ``BAD_`` spans take no part in the fit; bad and flat channels
    are not cleaned. No filter runs across an ``EDGE`` or ``BAD_ACQ_SKIP`` annotation.

    A Raw that is not in memory is read block by block; ``fit`` holds the samples of the ICA, the
    channels around blinks, and two traces at ``fit_sfreq``.

    References
    ----------
    .. [1] Ablin, P., Cardoso, J.-F., & Gramfort, A. (2018). Faster independent component analysis
       by preconditioning with Hessian approximations. IEEE Transactions on Signal Processing,
       66(15), 4040-4049. https://doi.org/10.1109/TSP.2018.2844203
    .. [2] Van Veen, B. D., et al. (1997). Localization of brain electrical activity via linearly
       constrained minimum variance spatial filtering. IEEE Transactions on Biomedical Engineering,
       44(9), 867-880. https://doi.org/10.1109/10.623056
    .. [3] Jung, T.-P., et al. (2000). Removing electroencephalographic artifacts by blind source
       separation. Psychophysiology, 37(2), 163-178. https://doi.org/10.1111/1469-8986.3720163

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, truth = simulate_recording(duration=60, random_state=0)
    >>> remover = BlinkICARemover().fit(raw)
    >>> remover.blinks_.channel, len(remover.blinks_.blink_times), len(truth.blink_times)
    ('VEOG', 12, 12)
    >>> clean = remover.transform(raw)
    """

    def __init__(
        self,
        eog: str | Sequence[str] | None = None,
        n_components: int | float | None = 0.98,
        method: str = "picard",
        l_freq: float = 1.0,
        h_freq: float = 40.0,
        fit_sfreq: float = 128.0,
        fit_duration: float | None = 1200.0,
        min_blinks: int = 5,
        min_r_squared: float = 0.5,
        random_state: RandomState = 0,
    ) -> None:
        self.eog = eog
        self.n_components = n_components
        self.method = method
        self.l_freq = l_freq
        self.h_freq = h_freq
        self.fit_sfreq = fit_sfreq
        self.fit_duration = fit_duration
        self.min_blinks = min_blinks
        self.min_r_squared = min_r_squared
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Find the blinks of a recording, and their component.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs
            The recording.
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        self : BlinkICARemover
            The fitted estimator.
        """
        signals = self._read_signals(X, reset=True, lazy=True)
        self._check_eog(X)
        self._check_parameters(signals)
        self._warn_flat_channels(signals)
        spans = CleanSpans(signals, self.fit_sfreq)
        eog = self._read_eog(X, signals)
        samples = self._choose_samples(spans, signals.usable.sum())
        self.filter_, self.pattern_, self.blinks_ = self._search(signals, spans, eog, samples)
        self.ch_names_, self.sfreq_ = signals.ch_names, signals.sfreq
        if self.blinks_.found:
            logger.info(
                "BlinkICARemover: %d blinks in %s; removed (r2 %.2f with component %d).",
                len(self.blinks_.blink_times),
                self.blinks_.channel,
                np.nanmax(self.blinks_.r_squared),
                self.blinks_.component,
            )
        else:
            logger.info("BlinkICARemover: nothing removed: %s.", self.blinks_.reason)
        return self

    def _read_signals(self, X: Any, *, reset: bool, lazy: bool = False) -> Signals:
        """Read the EEG channels that are not named as EOG."""
        if not is_mne(X):
            raise TypeError(
                "BlinkICARemover needs channel names: X must be an mne.io.BaseRaw or an "
                f"mne.BaseEpochs, got {type(X).__name__}."
            )
        eeg = mne.pick_types(X.info, meg=False, eeg=True, exclude=())
        eeg = [index for index in eeg if X.ch_names[index] not in self._named_eog()]
        if not eeg:
            raise ValueError(f"X must have EEG channels besides eog={self.eog!r}, got none.")
        signals = read_signals(X, picks=eeg, lazy=lazy)
        if reset:
            return signals
        self._check_matches_fit(signals, names=True)
        newly_bad = [
            name
            for name, bad, weight in zip(signals.ch_names, signals.bad, self.filter_, strict=True)
            if bad and weight
        ]
        if newly_bad:
            raise ValueError(
                f"X has bad channel(s) {', '.join(newly_bad)}, which were good at fit and are part "
                "of the blink component; interpolate them, or fit anew."
            )
        return signals

    def _named_eog(self) -> tuple[str, ...]:
        """Return the names in ``eog``; none where it is None."""
        names = [self.eog] if isinstance(self.eog, str) else self.eog
        if names is None:
            return ()
        if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise TypeError(f"eog must be None, a name or a list of names, got {self.eog!r}.")
        return tuple(names)

    def _check_eog(self, X: Any) -> None:
        """Raise where ``eog`` does not name good channels."""
        missing = [name for name in self._named_eog() if name not in X.ch_names]
        bad = [name for name in self._named_eog() if name in X.info["bads"]]
        if missing or bad or self.eog in ([], ()):
            reason = f": {missing} are not there" if missing else ""
            reason = reason or (f": {bad} are marked bad" if bad else "")
            raise ValueError(f"eog must name good channels of X, got {self.eog!r}{reason}.")

    def _check_parameters(self, signals: Signals) -> None:
        """Check the parameters against their ranges and the recording."""
        sfreq = signals.sfreq
        check_option("method", self.method, ("picard", "infomax"))
        # Blinks are sought up to 10 Hz, whatever the pass band of the ICA.
        fit_sfreq = check_number("fit_sfreq", self.fit_sfreq, low=2.5 * BLINK_BAND[1])
        if sfreq <= 2.5 * BLINK_BAND[1]:
            raise ValueError(f"X must be sampled above 25 Hz to hold blinks, got {sfreq:g} Hz.")
        h_freq = check_number("h_freq", self.h_freq, above=0, high=fit_sfreq / 2.5)
        if h_freq >= sfreq / 2:
            raise ValueError(
                f"h_freq must lie below the Nyquist frequency of {sfreq / 2:g} Hz, got {h_freq:g}."
            )
        check_number("l_freq", self.l_freq, above=0, below=h_freq)
        check_number("min_blinks", self.min_blinks, low=1, integer=True)
        check_number("min_r_squared", self.min_r_squared, low=0, high=1)
        if self.fit_duration is not None:
            check_number("fit_duration", self.fit_duration, above=0)
        n_usable = signals.usable.sum()
        if n_usable < 2:
            raise ValueError(
                "BlinkICARemover needs at least two EEG channels that are neither bad nor flat, "
                f"got {n_usable} of {len(signals.ch_names)}."
            )
        if isinstance(self.n_components, (int, np.integer)):
            check_number("n_components", self.n_components, low=2, high=n_usable, integer=True)
        elif self.n_components is not None:
            check_number("n_components", self.n_components, above=0, below=1)

    def _read_eog(self, X: Any, signals: Signals) -> "_EOG":
        """Read the EOG channels, or average the frontal-most electrodes."""
        typed = mne.pick_types(X.info, meg=False, eog=True, exclude="bads")
        names = self._named_eog() or tuple(X.ch_names[index] for index in typed)
        if names:
            index = [X.ch_names.index(name) for name in names]
            return _EOG(names, read_signals(X, picks=index, lazy=True).data)
        frontal = frontal_channels(signals)
        if not frontal:
            return _EOG((), None)
        name = f"virtual EOG ({', '.join(signals.ch_names[index] for index in frontal)})"
        return _EOG((name,), signals.data, frontal)

    def _choose_samples(self, spans: CleanSpans, n_channels: int) -> IntArray:
        """Choose the samples for the ICA, spread evenly."""
        n_samples = spans.sample.size
        if self.fit_duration is not None:
            n_samples = min(n_samples, int(self.fit_duration * spans.sfreq))
        needed = MIN_SAMPLES_PER_CHANNEL * n_channels
        if n_samples < needed:
            raise ValueError(
                f"X is too short: the ICA of {n_channels} channels needs {needed} clean samples "
                f"({needed / spans.sfreq:.1f} s at {spans.sfreq:g} Hz), got {n_samples}."
            )
        return np.linspace(0, spans.sample.size - 1, n_samples).astype(int)

    def _search(
        self, signals: Signals, spans: CleanSpans, eog: "_EOG", samples: IntArray
    ) -> tuple[FloatArray, FloatArray, BlinkReport]:
        """Return filter and pattern of the blinks, and the report."""
        traces = eog.filter(spans)
        candidates = [
            find_blinks(
                trace,
                spans.span,
                spans.sfreq,
                min_blinks=self.min_blinks,
                upright=bool(eog.frontal),
            )
            for trace in traces
        ]
        blinks = {row: peaks for row, (peaks, reason) in enumerate(candidates) if not reason}
        report = BlinkReport(
            found=False,
            eog_names=eog.names,
            n_blinks=tuple(len(peaks) for peaks, _ in candidates),
            ch_names=signals.ch_names,
            info=signals.info,
        )
        zero = np.zeros(len(signals.ch_names))
        if not blinks:
            reasons = [
                f"{name}: {why}" for name, (_, why) in zip(eog.names, candidates, strict=True)
            ]
            reason = "; ".join(reasons) or "there is neither an EOG channel nor a frontal electrode"
            return zero, zero, replace(report, reason=reason)

        used = np.flatnonzero(signals.usable)
        band = self.l_freq, self.h_freq
        data = spans.filter(signals.data, *band, channels=used, samples=samples)
        unmixing = self._fit_ica(data, spans.sfreq)
        near = {row: spans.near(peaks) for row, peaks in blinks.items()}
        kept = np.flatnonzero(np.any(list(near.values()), axis=0))
        around = spans.filter(signals.data, *BLINK_BAND, channels=used, samples=kept)
        r_squared = np.full((len(traces), len(unmixing)), np.nan)
        for row, mask in near.items():
            sources = unmixing @ around[:, mask[kept]]
            r_squared[row] = squared_correlation(sources, traces[row, mask])
        # By what they explain: an ICA returns its components in no particular order.
        r_squared = r_squared[:, np.argsort(-np.nanmax(r_squared, axis=0), kind="stable")]
        row, component = int(np.nanargmax(r_squared[:, 0])), 0

        peaks = blinks[row]
        trace = np.zeros(spans.span.size)
        response = np.empty((len(used), len(spans.lags)))
        for channel, values in enumerate(around):
            trace[kept] = values
            response[channel] = spans.median_around(trace, peaks)
        response = response[:, np.isfinite(response).all(axis=0)]
        away = ~near[row][samples]
        # Where blinks leave too little of the recording, their own samples have to serve.
        enough = away.sum() >= MIN_SAMPLES_PER_CHANNEL * len(used)
        filters, patterns = event_projection(response, np.cov(data[:, away] if enough else data))
        weights = filters[0]
        shown = np.argmax(np.abs(patterns[:, 0]))
        both = np.stack([weights, np.eye(len(used))[shown]])
        source, before = spans.filter(signals.data, *band, channels=used, weights=both)
        # Positive, and 1 in the median, at the peaks of the blinks.
        height = np.median(source[peaks])
        pattern = patterns[:, 0] * height
        topography = np.full(len(zero), np.nan)
        topography[used] = pattern
        report = replace(report, r_squared=r_squared)
        reason = self._reason_against(r_squared[row, component], topography, eog.frontal)
        if reason:
            return zero, zero, replace(report, reason=reason)
        full_weights, full_pattern = zero.copy(), zero.copy()
        full_weights[used], full_pattern[used] = weights / height, pattern
        removed = patterns[shown, 0] * source
        report = replace(
            report,
            found=True,
            channel=eog.names[row],
            component=component,
            topography=topography,
            shown=signals.ch_names[used[shown]],
            blink_times=spans.sample[peaks] / spans.original_sfreq,
            blink_epochs=spans.epoch[peaks],
            lags=spans.lags / spans.sfreq,
            before=spans.median_around(before, peaks),
            after=spans.median_around(before - removed, peaks),
        )
        return full_weights, full_pattern, report

    def _fit_ica(self, data: FloatArray, sfreq: float) -> FloatArray:
        """Fit the ICA, and return its filters, one row per component."""
        fit_params: dict[str, Any] = {"extended": True}
        if self.method == "picard":
            fit_params |= {"ortho": False, "tol": ICA_TOLERANCE}
        ica = mne.preprocessing.ICA(
            n_components=self.n_components,
            method=self.method,
            fit_params=fit_params,
            random_state=self.random_state,
            verbose=False,
        )
        info = mne.create_info([str(row) for row in range(len(data))], sfreq, "eeg", verbose=False)
        raw = mne.io.RawArray(data, info, verbose=False)
        try:
            # The matrices are small: threads cost more than they give. The samples are filtered,
            # of which MNE's warning knows nothing.
            with threadpool_limits(1):
                ica.fit(raw, verbose="ERROR")
        except RuntimeError as error:
            if "One PCA component" not in str(error):
                raise
            raise ValueError(
                f"n_components={self.n_components!r} of the variance is explained by one "
                "principal component alone; give a larger share, or a whole number of at "
                "least 2, and look for a channel that outweighs all others."
            ) from error
        kept = ica.pca_components_[: ica.n_components_]
        return np.asarray(ica.unmixing_matrix_ @ kept / ica.pre_whitener_.T)

    def _reason_against(self, r_squared: float, topography: FloatArray, frontal: list[int]) -> str:
        """Say why a component is not that of blinks; empty where it is."""
        if r_squared < self.min_r_squared:
            return (
                f"the best component explains r2 = {r_squared:.2f}, "
                f"below min_r_squared = {self.min_r_squared:g}"
            )
        if frontal:
            others = np.abs(np.delete(topography, frontal))
            elsewhere = np.nanmedian(others) if np.isfinite(others).any() else 0.0
            at_front = topography[frontal]
            if at_front.min() <= 0 or at_front.mean() < MIN_FRONTAL_RATIO * elsewhere:
                return "the topography of the best component is not frontal"
        return ""

    def transform_block(self, x: FloatArray, finite: BoolArray, n_times: int) -> FloatArray:
        """Subtract the blinks."""
        if not self.blinks_.found:
            return x
        used = np.flatnonzero(self.filter_)
        for epoch in x:
            source = self.filter_[used] @ epoch[used]
            for channel in used:
                epoch[channel] -= self.pattern_[channel] * source
        return x


@dataclass(frozen=True)
class _EOG:
    """EOG channels, or the EEG channels that a virtual one is the mean of."""

    names: tuple[str, ...]
    data: Any
    frontal: list[int] = field(default_factory=list)

    def filter(self, spans: CleanSpans) -> FloatArray:
        """Return the EOG (n_channels, n_samples) in the clean spans, within the blink band."""
        if not self.names:
            return np.empty((0, spans.sample.size))
        if not self.frontal:
            return spans.filter(self.data, *BLINK_BAND)
        mean = np.full((1, len(self.frontal)), 1 / len(self.frontal))
        return spans.filter(self.data, *BLINK_BAND, channels=self.frontal, weights=mean)
