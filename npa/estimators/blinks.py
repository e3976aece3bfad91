"""Removal of blinks, and on request of saccades, as a scikit-learn transformer."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import mne
import numpy as np
from mne.utils import logger, warn

from npa.checks import check_array_like, check_names, check_number, check_option, check_seed
from npa.estimators.base import SignalTransformer
from npa.estimators.eog import BLINK, SACCADE, read_traces
from npa.estimators.eye_candidates import MIN_SAMPLES_PER_CHANNEL
from npa.estimators.eye_movements import Removal, Search
from npa.estimators.ica import fit_ica
from npa.recordings.channels import is_electrode
from npa.recordings.clean_spans import CleanSpans
from npa.recordings.containers import is_mne, read_signals
from npa.recordings.signals import Signals
from npa.reports import BlinkReport
from npa.spectral.blink_peaks import BLINK_BAND
from npa.typing import BoolArray, FloatArray, IntArray, RandomState

WARN_RESIDUAL = 0.25
WARN_CHANGE = {"alpha": 0.03, "beta": 0.1}  # of the power at an occipital electrode


class BlinkICARemover(SignalTransformer):
    """Find blinks, whatever the reference, and subtract them from the recording.

    Parameters
    ----------
    eog : str | list of str | None, default None
        EOG channels, of whatever type. None for the channels typed EOG. Where these show no blinks,
        or there are none, a virtual EOG serves: the mean of the frontal-most electrodes minus the
        mean of all others. A scalp electrode named here (such as Fp1) is used as an EOG, and
        cleaned like all others.
    components : "auto" | int | sequence of int, default "auto"
        What to subtract. ``"auto"`` decides by the evidence. Numbers of independent components, as
        ``blinks_.plot()`` shows and ``blinks_.to_frame()`` lists them, overrule it.
    max_components : int, default 2
        Most dimensions to subtract by ``"auto"``: a further one goes while more than a tenth of the
        median blink is left.
    n_components : int | float | None, default 0.98
        Number of principal components for the ICA, or the share of variance that they explain
        together. None for all.
    method : "picard" | "infomax", default "picard"
        ICA algorithm, in its extended version.
    l_freq, h_freq : float, default 1 and 40
        Pass band in Hz of the copy that the ICA and the filters are fitted to.
    fit_sfreq : float, default 128
        Lowest sampling rate in Hz that this copy may be decimated to; at least 2.5 ``h_freq``.
    fit_duration : float | None, default 1200
        Longest duration in s of the samples that the ICA is fitted to, spread evenly over the
        clean recording (ICA ignores the order of samples). None for all.
    min_blinks : int, default 3
        Fewest blinks.
    min_score : float, default 0.65
        Smallest score of blinks, see Notes.
    random_state : int | numpy.random.RandomState | None, default 0
        Random start of the ICA.
    artifacts : sequence of {"blink", "saccade"}, default ("blink",)
        What to seek. ``"saccade"`` stands for horizontal saccades, with the same ``eog``,
        ``min_blinks`` and ``min_score``; see Notes.

    Attributes
    ----------
    blinks_ : BlinkReport
        What was found, or why nothing was; has ``plot()`` and ``to_frame()``.
    saccades_ : BlinkReport
        The same of the horizontal saccades. Of either report that was not asked for, ``found`` is
        False.
    filters_ : array, shape (n_removed, n_channels)
        Weights of the EEG channels in the time courses that are subtracted. The first one is about
        1 at the peak of a blink. 0 for bad and flat channels; no rows where nothing is removed.
        The last one is that of saccades, if they were found.
    patterns_ : array, shape (n_channels, n_removed)
        How these appear in each EEG channel; ``filters_ @ patterns_`` is the identity.
    filter_, pattern_ : array, shape (n_channels,)
        The first of them; all 0 where nothing is removed. The pattern is what a typical blink adds
        to each EEG channel at its peak, between ``l_freq`` and ``h_freq``, in V.
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
        channel after decimation, or ``components`` are given and one principal component alone
        explains ``n_components`` of the variance (``"auto"`` warns, and shows no components); at
        ``transform`` if channels or sampling rate are not those of the fit.

    Notes
    -----
    Blinks are sought within 1-10 Hz in every EOG and in the virtual EOG, as peaks of at least 3
    robust standard deviations that are shaped like blinks (`npa.spectral.blink_peaks`). Four
    numbers from 0 to 1 are the evidence:

    * contrast, how much taller they are than such peaks of the other polarity: about 0 for any
      background without blinks, whatever its spectrum or strength;
    * shape, the cosine of all tall peaks with the shape of a blink;
    * topography, the correlation over the electrodes of the median blink with a potential that
      falls off with the distance from the eyes. It does not depend on the reference;
    * explained, the share of the EOG's variance around the peaks that one component explains.

    Their geometric mean is the score, which must reach ``min_score``; no single one decides. The
    score of a recording does not depend on whether electrode positions are set, if the electrodes
    have standard names.

    What is subtracted follows from the blinks alone, ``x - A W x`` at full bandwidth and rate: the
    pattern in ``A`` is the dominant dimension of the median blink, and the filter in ``W`` has unit
    gain for it and passes the least of the recording away from blinks [2]_. While more than a tenth
    of the median blink is left on the electrodes that carry it, in the odd and in the even blinks
    alike (what is left of noise is not), the dominant dimension of what is left goes too. The ICA
    shows which independent components hold the blinks, and serves ``components``; which of several
    equally good solutions it returns depends on its random start and, by rounding, on the
    processor. What ``"auto"`` subtracts does not.

    Where less than 98.5 % of the alpha power (8-13 Hz) at an occipital electrode would be kept away
    from blinks, the filter is made to correlate less with these electrodes, no more than needed
    (`npa.spectral.spatial.preserving_filters`), in alpha and beta (13-30 Hz) alike. A further
    dimension stays where it would change the beta power there by more than 10 %. In 158 simulations
    (average reference, mastoids, Cz, forehead; 8 to 64 electrodes; alpha of 2 to 30 uV) 97 to 103 %
    of the alpha power is kept at each of O1, Oz and O2 in 97 %, and 94 to 115 % of the beta power
    in all, against 64 to 471 % without both, with as much of the blink left (median 2.6 %).
    ``blinks_.alpha_kept`` and ``beta_kept`` tell; changes of more than 3 % of alpha or 10 % of beta
    are warned of.

    Horizontal saccades are steps within 0.5-10 Hz, up or down, in any EOG or in a virtual one,
    F8 - F7 (without these AF8 - AF7), away from the blinks (`npa.spectral.saccade_peaks`). The
    evidence is of the same kind: how far the steps stand out of what noise of the same spectrum
    reaches; their cosine with a step; the correlation of their topography with the potential of
    two eyes that turn sideways; and the explained variance. What is subtracted is the dominant
    dimension of the median step in the recording without blinks, so that ``filters_ @ patterns_``
    stays the identity.

    Only EEG channels are cleaned; all others pass unchanged. Bad channels, flat channels and
    ``BAD_`` spans take no part in the fit; bad and flat channels are not cleaned. No filter runs
    across an ``EDGE`` or ``BAD_ACQ_SKIP`` annotation.

    A Raw that is not in memory is read block by block; ``fit`` holds the samples of the ICA, the
    channels around blinks, and a trace per EOG at ``fit_sfreq``.

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
        components: str | int | Sequence[int] = "auto",
        max_components: int = 2,
        n_components: int | float | None = 0.98,
        method: str = "picard",
        l_freq: float = 1.0,
        h_freq: float = 40.0,
        fit_sfreq: float = 128.0,
        fit_duration: float | None = 1200.0,
        min_blinks: int = 3,
        min_score: float = 0.65,
        random_state: RandomState = 0,
        artifacts: Sequence[str] = ("blink",),
    ) -> None:
        self.eog = eog
        self.components = components
        self.max_components = max_components
        self.n_components = n_components
        self.method = method
        self.l_freq = l_freq
        self.h_freq = h_freq
        self.fit_sfreq = fit_sfreq
        self.fit_duration = fit_duration
        self.min_blinks = min_blinks
        self.min_score = min_score
        self.random_state = random_state
        self.artifacts = artifacts

    def fit(self, X: Any, y: object = None) -> Self:
        """Find the blinks of a recording, and what to subtract.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs
            The recording.
        y : object
            Ignored; for scikit-learn.

        Returns
        -------
        self : BlinkICARemover
            The fitted estimator.
        """
        signals = self._read_signals(X, reset=True, lazy=True)
        self._check_eog(X)
        self._check_parameters(signals)
        self._warn_channels(signals)
        spans = CleanSpans(signals, self.fit_sfreq)
        samples = self._choose_samples(spans, int(signals.usable.sum()))
        names = self._eog_names(X)
        eog = self._read_eog(X, names)
        removals: dict[str, Removal] = {}
        for movement in (BLINK, SACCADE):
            search = Search(
                movement,
                signals,
                spans,
                samples,
                freq_range=(self.l_freq, self.h_freq),
                min_events=self.min_blinks,
                min_score=self.min_score,
                max_components=self.max_components if movement is BLINK else 1,
            )
            removal = search.nothing(f"not sought with artifacts={self.artifacts!r}", sought=False)
            if movement.name in self.artifacts:
                traces = read_traces(names, eog, signals, spans, movement, samples)
                if movement is BLINK:
                    unmix = partial(self._fit_ica, sfreq=spans.sfreq)
                    removal = search.run(traces, removal, self.components, unmix)
                else:
                    removal = search.run(traces, removals["blink"])
            removals[movement.name] = removal
        self.blinks_, self.saccades_ = (each.report for each in removals.values())
        self.filters_ = np.vstack([each.filters for each in removals.values()])
        self.patterns_ = np.hstack([each.patterns for each in removals.values()])
        zero = np.zeros(len(signals.ch_names))
        self.filter_ = self.filters_[0] if len(self.filters_) else zero
        self.pattern_ = self.patterns_[:, 0] if len(self.filters_) else zero
        self.ch_names_, self.sfreq_ = signals.ch_names, signals.sfreq
        for artifact in self.artifacts:
            tell(self.blinks_ if artifact == "blink" else self.saccades_)
        return self

    def _read_signals(self, X: Any, *, reset: bool, lazy: bool = False) -> Signals:
        """Read the EEG channels but for those named as EOG that are not on the scalp."""
        if not is_mne(X):
            if X is not None:
                check_array_like("X", X)
            raise TypeError(
                "BlinkICARemover needs channel names: X must be an mne.io.BaseRaw or an "
                f"mne.BaseEpochs, got {type(X).__name__}."
            )
        named = self._named_eog()
        eeg = [
            index
            for index in mne.pick_types(X.info, meg=False, eeg=True, exclude=())
            if X.ch_names[index] not in named or is_electrode(X.info, X.ch_names[index])
        ]
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

    def _eog_names(self, X: Any) -> tuple[str, ...]:
        """Return the names in ``eog``, else of the good channels typed EOG."""
        typed = mne.pick_types(X.info, meg=False, eog=True, exclude="bads")
        return self._named_eog() or tuple(X.ch_names[index] for index in typed)

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
        if isinstance(self.artifacts, str) or not check_names("artifacts", self.artifacts):
            raise ValueError(f"artifacts must be a list of names, got {self.artifacts!r}.")
        for artifact in self.artifacts:
            check_option("artifacts", artifact, ("blink", "saccade"))
        check_seed("random_state", self.random_state)
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
        check_number("min_score", self.min_score, low=0, high=1)
        check_number("max_components", self.max_components, low=1, integer=True)
        if not isinstance(self.components, (str, int, np.integer, list, tuple, np.ndarray)):
            raise TypeError(
                "components must be 'auto', a number or a list of numbers, got "
                f"{self.components!r}."
            )
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

    def _read_eog(self, X: Any, names: tuple[str, ...]) -> Signals | None:
        """Read the EOG channels, and name those that are flat."""
        if not names:
            return None
        eog = read_signals(X, picks=[X.ch_names.index(name) for name in names], lazy=True)
        if dead := [name for name, usable in zip(names, eog.usable, strict=True) if not usable]:
            warn(f"BlinkICARemover leaves out flat EOG channel(s): {', '.join(dead)}.")
        return eog

    def _fit_ica(self, data: FloatArray, sfreq: float) -> FloatArray:
        """Fit the ICA; no components where ``"auto"`` can do without one that is not possible."""
        try:
            return fit_ica(
                data,
                sfreq,
                n_components=self.n_components,
                method=self.method,
                random_state=self.random_state,
            )
        except ValueError as error:
            if not isinstance(self.components, str):
                raise
            warn(f"BlinkICARemover shows no independent components: {error}")
            return np.empty((0, len(data)))

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

    def transform_block(self, x: FloatArray, finite: BoolArray, n_times: int) -> FloatArray:
        """Subtract the blinks."""
        used = np.flatnonzero(np.any(self.filters_, axis=0))
        for epoch in x:
            sources = self.filters_[:, used] @ epoch[used]
            for channel in used:
                epoch[channel] -= self.patterns_[channel] @ sources
        return x


def tell(report: BlinkReport) -> None:
    """Log what was found, and warn where much is left.

    Parameters
    ----------
    report : npa.reports.BlinkReport
        What was found.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=10.0, ch_names=["C3", "C4", "Oz"], random_state=0)
    >>> tell(BlinkICARemover(n_components=2).fit(raw).blinks_)
    """
    if not report.found:
        nothing = "nothing" if report.artifact == "blink" else f"no {report.artifact}s"
        logger.info("BlinkICARemover: %s removed: %s.", nothing, report.reason)
        return
    logger.info(
        "BlinkICARemover: %d %ss in %s; removed %d component(s), %.0f %% left.",
        len(report.blink_times),
        report.artifact,
        report.channel,
        report.n_removed,
        100 * report.median_residual,
    )
    if report.median_residual > WARN_RESIDUAL:
        left = ", ".join(f"{name} {share:.0%}" for name, share in report.residual.items())
        warn(
            f"BlinkICARemover left {report.median_residual:.0%} of the median {report.artifact} "
            f"({left}); look at {report.artifact}s_.plot(), and try max_components, components or "
            "eog."
        )
    changed = []
    for rhythm, kept in (("alpha", report.alpha_kept), ("beta", report.beta_kept)):
        changes = {name: share - 1 for name, share in kept.items()}
        most = max(changes, key=lambda name: abs(changes[name]), default="")
        if changes and abs(changes[most]) > WARN_CHANGE[rhythm]:
            changed.append(f"the {rhythm} power at {most} by {changes[most]:+.0%}")
    if changed:
        warn(
            f"BlinkICARemover changes {' and '.join(changed)}: few electrodes, or a reference near "
            f"the eyes, do not separate it from {report.artifact}s; see alpha_kept and beta_kept "
            f"of {report.artifact}s_, and try another reference."
        )
