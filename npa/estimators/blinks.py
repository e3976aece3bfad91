"""Blinks out of EEG, by independent component analysis."""

from dataclasses import dataclass, field, replace

import mne
import numpy as np
from mne.utils import logger
from threadpoolctl import threadpool_limits

from npa.checks import check_number, check_option
from npa.estimators.base import SignalTransformer
from npa.recordings.blink_peaks import BLINK_BAND, CleanRuns, find_blinks, frontal_channels
from npa.recordings.containers import is_mne, read_signals
from npa.reports import BlinkReport

_FRONTAL_RATIO = 2.0  # frontal over median amplitude of a blink's topography
_SAMPLES_PER_CHANNEL = 20


class BlinkICARemover(SignalTransformer):
    """Find the independent component of blinks, and subtract it from the recording.

    Parameters
    ----------
    eog : str | list of str | None, default None
        EOG channels, of whatever type; those typed EEG are then left out of the ICA and not
        cleaned. None for the channels typed EOG, or, where there are none, a virtual one: the mean
        of the frontal-most electrodes.
    n_components : int | float | None, default 0.98
        Principal components kept for the ICA: how many, or the share of variance that they explain
        together. None for all.
    method : "picard" | "infomax", default "picard"
        ICA algorithm, in its extended version.
    l_freq, h_freq : float, default 1 and 40
        Pass band in Hz of the copy that the ICA is fitted to.
    fit_sfreq : float, default 128
        Lowest sampling rate in Hz that this copy may be decimated to; at least 2.5 ``h_freq``.
    fit_duration : float | None, default 1200
        How many seconds' worth of samples the ICA is fitted to, at most, spread evenly over the
        clean recording (ICA ignores the order of samples). None for all.
    min_blinks : int, default 5
        Blinks that there must be.
    min_r2 : float, default 0.5
        Share of the EOG's variance around blinks that the component must explain.
    random_state : int | numpy.random.RandomState | None, default 0
        Where the ICA starts.

    Attributes
    ----------
    blinks_ : BlinkReport
        What was found, or why nothing was; has ``plot()`` and ``to_frame()``.
    filter_ : array, shape (n_channels,)
        Weights of the EEG channels in the component; 0 for bad and flat channels.
    pattern_ : array, shape (n_channels,)
        How strongly the component appears in each EEG channel; all 0 where no blinks were found.
    ch_names_ : tuple of str
        EEG channels of the fit.
    sfreq_ : float
        Sampling rate of the fit in Hz.

    Raises
    ------
    TypeError
        If ``X`` is no `mne.io.BaseRaw` or `mne.BaseEpochs`.
    ValueError
        If a parameter is out of its range, an EOG channel is not there or bad, samples are not
        finite, fewer than two EEG channels are usable, the recording is shorter than 20 clean
        samples per channel after decimation, or one principal component alone explains
        ``n_components`` of the variance; at ``transform`` if channels or sampling rate are not
        those of the fit.

    Notes
    -----
    Only EEG channels are cleaned; all others pass. Blinks are peaks of the EOG within 1-10 Hz, of
    at least 60 uV and 5 median absolute deviations, which must also look like blinks: in the median
    over the peaks 0.04 to 0.4 s wide at half height, at least 7 median absolute deviations high,
    and with an undershoot within 0.5 s of at most 0.75 of the peak (steps, as of horizontal eye
    movements, and alpha waves have one of about 1). With the sources
    ``s = W x`` of the ICA, the component sought maximises the squared correlation with an EOG
    channel, within 1-10 Hz and 0.5 s of that channel's blinks, over all pairs of channel and
    component. A virtual EOG is itself a mixture of the channels, and some component always
    resembles it. There the topography must also be frontal: positive at the electrodes of the
    virtual EOG, and on average at least twice the median over the others. The component is then
    subtracted from the recording at its full bandwidth and rate, ``x - a (w' x)``, where ``w`` is
    its filter and ``a`` its pattern. Where anything fails, the signal comes back as it was.

    Bad channels, flat channels and ``BAD_`` spans take no part in the fit; bad and flat channels
    are not cleaned. No filter runs across an ``EDGE`` or ``BAD_ACQ_SKIP`` annotation.

    A Raw that is not in memory is read block by block, at ``fit`` five times; what is held are the
    samples of the ICA, the components around blinks, and three traces at ``fit_sfreq``.

    References
    ----------
    .. [1] Ablin, P., Cardoso, J.-F., & Gramfort, A. (2018). Faster independent component analysis
       by preconditioning with Hessian approximations. IEEE Transactions on Signal Processing,
       66(15), 4040-4049. https://doi.org/10.1109/TSP.2018.2844203
    .. [2] Jung, T.-P., et al. (2000). Removing electroencephalographic artifacts by blind source
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
        eog=None,
        n_components=0.98,
        method="picard",
        l_freq=1.0,
        h_freq=40.0,
        fit_sfreq=128.0,
        fit_duration=1200.0,
        min_blinks=5,
        min_r2=0.5,
        random_state=0,
    ):
        self.eog = eog
        self.n_components = n_components
        self.method = method
        self.l_freq = l_freq
        self.h_freq = h_freq
        self.fit_sfreq = fit_sfreq
        self.fit_duration = fit_duration
        self.min_blinks = min_blinks
        self.min_r2 = min_r2
        self.random_state = random_state

    def fit(self, X, y=None):
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
        runs = CleanRuns(signals, self.fit_sfreq)
        eyes = self._read_eyes(X, signals)
        index = self._fit_samples(runs, signals.usable.sum())
        outcome = self._search(signals, runs, eyes, index)
        self.filter_, self.pattern_, self.blinks_ = outcome
        self.ch_names_, self.sfreq_ = signals.ch_names, signals.sfreq
        if self.blinks_.found:
            logger.info(
                "BlinkICARemover: %d blinks in %s; removing component %d (r2 %.2f).",
                len(self.blinks_.blink_times),
                self.blinks_.channel,
                self.blinks_.component,
                np.nanmax(self.blinks_.r_squared),
            )
        else:
            logger.info("BlinkICARemover: nothing removed, for %s.", self.blinks_.reason)
        return self

    def _read_signals(self, X, *, reset, lazy=False):
        """Read the EEG channels that are not EOG by name."""
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
        spoilt = [
            name
            for name, bad, weight in zip(signals.ch_names, signals.bad, self.filter_, strict=True)
            if bad and weight
        ]
        if spoilt:
            raise ValueError(
                f"X has bad channel(s) {', '.join(spoilt)}, which were good at fit and are part "
                "of the blink component; interpolate them, or fit anew."
            )
        return signals

    def _named_eog(self):
        """Return the names in ``eog``; none where it is None."""
        names = [self.eog] if isinstance(self.eog, str) else self.eog
        if names is None:
            return ()
        if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise TypeError(f"eog must be None, a name or a list of names, got {self.eog!r}.")
        return tuple(names)

    def _check_eog(self, X):
        """Raise where ``eog`` does not name good channels."""
        missing = [name for name in self._named_eog() if name not in X.ch_names]
        bad = [name for name in self._named_eog() if name in X.info["bads"]]
        if missing or bad or self.eog in ([], ()):
            problem = f": {missing} are not there" if missing else ""
            problem = problem or (f": {bad} are marked bad" if bad else "")
            raise ValueError(f"eog must name good channels of X, got {self.eog!r}{problem}.")

    def _check_parameters(self, signals):
        """Hold the parameters against their ranges and the recording."""
        rate = signals.sfreq
        check_option("method", self.method, ("picard", "infomax"))
        # Blinks are sought up to 10 Hz, whatever the ICA reads.
        fit_rate = check_number("fit_sfreq", self.fit_sfreq, low=2.5 * BLINK_BAND[1])
        if rate <= 2.5 * BLINK_BAND[1]:
            raise ValueError(f"X must be sampled above 25 Hz to hold blinks, got {rate:g} Hz.")
        h_freq = check_number("h_freq", self.h_freq, above=0, high=fit_rate / 2.5)
        if h_freq >= rate / 2:
            raise ValueError(
                f"h_freq must lie below the Nyquist frequency of {rate / 2:g} Hz, got {h_freq:g}."
            )
        check_number("l_freq", self.l_freq, above=0, below=h_freq)
        check_number("min_blinks", self.min_blinks, low=1, integer=True)
        check_number("min_r2", self.min_r2, low=0, high=1)
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

    def _read_eyes(self, X, signals):
        """Read the EOG channels, or average the frontal-most electrodes."""
        typed = mne.pick_types(X.info, meg=False, eog=True, exclude="bads")
        names = self._named_eog() or tuple(X.ch_names[index] for index in typed)
        if names:
            index = [X.ch_names.index(name) for name in names]
            return _Eyes(names, read_signals(X, picks=index, lazy=True).data)
        frontal = frontal_channels(signals)
        if not frontal:
            return _Eyes((), None)
        name = f"virtual EOG ({', '.join(signals.ch_names[index] for index in frontal)})"
        return _Eyes((name,), signals.data, frontal)

    def _fit_samples(self, runs, n_channels):
        """Choose the samples for the ICA, spread evenly."""
        n_samples = runs.sample.size
        if self.fit_duration is not None:
            n_samples = min(n_samples, int(self.fit_duration * runs.rate))
        needed = _SAMPLES_PER_CHANNEL * n_channels
        if n_samples < needed:
            raise ValueError(
                f"X is too short: the ICA of {n_channels} channels needs {needed} clean samples "
                f"({needed / runs.rate:.1f} s at {runs.rate:g} Hz), got {n_samples}."
            )
        return np.linspace(0, runs.sample.size - 1, n_samples).astype(int)

    def _search(self, signals, runs, eyes, index):
        """Return filter and pattern of the blink component, and the report."""
        traces = eyes.reduce(runs)
        seen = [
            find_blinks(trace, runs, min_blinks=self.min_blinks, upright=bool(eyes.frontal))
            for trace in traces
        ]
        blinks = {row: peaks for row, (peaks, reason) in enumerate(seen) if not reason}
        report = BlinkReport(
            found=False,
            eog_names=eyes.names,
            n_blinks=tuple(len(peaks) for peaks, _ in seen),
            ch_names=signals.ch_names,
            info=signals.info,
        )
        nothing = np.zeros(len(signals.ch_names))
        if not blinks:
            reasons = [f"{name}: {why}" for name, (_, why) in zip(eyes.names, seen, strict=True)]
            reason = "; ".join(reasons) or "there is neither an EOG channel nor a frontal electrode"
            return nothing, nothing, replace(report, reason=reason)

        used = np.flatnonzero(signals.usable)
        band = self.l_freq, self.h_freq
        filters, patterns = self._unmix(
            runs.reduce(signals.data, *band, channels=used, samples=index), runs.rate
        )
        near = {row: runs.near(peaks) for row, peaks in blinks.items()}
        kept = np.flatnonzero(np.any(list(near.values()), axis=0))
        sources = runs.reduce(
            signals.data, *BLINK_BAND, channels=used, weights=filters, samples=kept
        )
        r2 = np.full((len(traces), len(filters)), np.nan)
        for row, mask in near.items():
            r2[row] = _squared_correlation(sources[:, mask[kept]], traces[row, mask])
        row, component = np.unravel_index(np.nanargmax(r2), r2.shape)
        weights, pattern = nothing.copy(), nothing.copy()
        weights[used], pattern[used] = filters[component], patterns[:, component]

        shown = np.argmax(np.abs(patterns[:, component]))
        both = np.stack([filters[component], np.eye(len(used))[shown]])
        source, before = runs.reduce(signals.data, *band, channels=used, weights=both)
        topography = np.full(len(pattern), np.nan)
        topography[used] = pattern[used] * np.median(source[blinks[row]])
        report = replace(report, r_squared=r2)
        reason = self._doubt(r2[row, component], topography, eyes.frontal)
        if reason:
            return nothing, nothing, replace(report, reason=reason)
        report = replace(
            report,
            found=True,
            channel=eyes.names[row],
            component=int(component),
            topography=topography,
            shown=signals.ch_names[used[shown]],
            **_blinks_seen(runs, blinks[row], before, patterns[shown, component] * source),
        )
        return weights, pattern, report

    def _unmix(self, data, rate):
        """Fit the ICA, and return filters and patterns, a component a row and a column."""
        fit_params = {"extended": True} | ({"ortho": False} if self.method == "picard" else {})
        ica = mne.preprocessing.ICA(
            n_components=self.n_components,
            method=self.method,
            fit_params=fit_params,
            random_state=self.random_state,
            verbose=False,
        )
        info = mne.create_info([str(row) for row in range(len(data))], rate, "eeg", verbose=False)
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
        filters = ica.unmixing_matrix_ @ kept / ica.pre_whitener_.T
        return filters, ica.get_components() * ica.pre_whitener_

    def _doubt(self, r2, topography, frontal):
        """Say why a component is not that of blinks; nothing where it is."""
        if r2 < self.min_r2:
            return f"the best component explains r2 = {r2:.2f}, below min_r2 = {self.min_r2:g}"
        if frontal:
            others = np.abs(np.delete(topography, frontal))
            elsewhere = np.nanmedian(others) if np.isfinite(others).any() else 0.0
            at_front = topography[frontal]
            if at_front.min() <= 0 or at_front.mean() < _FRONTAL_RATIO * elsewhere:
                return "the topography of the best component is not frontal"
        return ""

    def transform_block(self, x, finite, n_times):
        """Subtract the blink component."""
        if not self.blinks_.found:
            return x
        used = np.flatnonzero(self.filter_)
        for epoch in x:
            source = self.filter_[used] @ epoch[used]
            for channel in used:
                epoch[channel] -= self.pattern_[channel] * source
        return x


@dataclass(frozen=True)
class _Eyes:
    """EOG channels, or the EEG channels that a virtual one is the mean of."""

    names: tuple
    data: object
    frontal: list = field(default_factory=list)

    def reduce(self, runs):
        """Return the EOG (n_channels, n_samples) in the clean runs, within the band of blinks."""
        if not self.names:
            return np.empty((0, runs.sample.size))
        if not self.frontal:
            return runs.reduce(self.data, *BLINK_BAND)
        mean = np.full((1, len(self.frontal)), 1 / len(self.frontal))
        return runs.reduce(self.data, *BLINK_BAND, channels=self.frontal, weights=mean)


def _blinks_seen(runs, peaks, before, blinks):
    """Describe blinks by their times, and their median with and without the component."""
    return {
        "blink_times": runs.sample[peaks] / runs.sfreq,
        "blink_epochs": runs.epoch[peaks],
        "lags": runs.lags / runs.rate,
        "before": runs.median_around(before, peaks),
        "after": runs.median_around(before - blinks, peaks),
    }


def _squared_correlation(sources, trace):
    """Return the squared correlation of each source with a trace."""
    sources = sources - sources.mean(axis=1, keepdims=True)
    trace = trace - trace.mean()
    return (sources @ trace) ** 2 / ((sources**2).sum(axis=1) * (trace @ trace))
