"""Removal of blinks, and on request of saccades, as a scikit-learn transformer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import mne
import numpy as np
from mne.utils import logger, warn

from npa.checks import check_array_like, check_number, check_option
from npa.estimators.base import SignalTransformer
from npa.estimators.ica import fit_ica
from npa.estimators.saccades import (
    MIN_LOCATED,
    MIN_SAMPLES_PER_CHANNEL,
    read_horizontal_eog,
    search_saccades,
)
from npa.recordings.channels import (
    blink_potential,
    electrode_positions,
    frontal_channels,
    is_electrode,
)
from npa.recordings.clean_spans import CleanSpans
from npa.recordings.containers import is_mne, read_signals
from npa.recordings.signals import Signals
from npa.reports import BlinkReport
from npa.spectral.blink_peaks import BLINK_BAND, BlinkPeaks, cut_windows, find_blink_peaks
from npa.spectral.correlation import squared_correlation
from npa.spectral.spatial import dominant_pattern, minimum_variance_filters
from npa.typing import BoolArray, FloatArray, IntArray, RandomState

ALPHA_BAND = (7.0, 12.0)  # Hz
MIN_ALPHA_KEPT = 0.985  # of its power over the back of the head, where a filter can
WARN_ALPHA_KEPT = 0.9
ALPHA_WEIGHTS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of alpha beside all noise in the filters
POSTERIOR = -0.6  # cosine with the direction of the nose below which an electrode is occipital
MAX_RESIDUAL = 0.1  # of the median blink, above which a further component goes
WARN_RESIDUAL = 0.25
ALIGNMENT = 0.1  # s by which the peak in the source may differ from that in the EOG
CARRIES_BLINK = 0.5  # of the largest median blink, from which an electrode carries it

ADVICE = "if there are blinks, name an EOG channel (eog, --eog), or lower min_blinks or min_score"


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
        channel after decimation, or one principal component alone explains ``n_components`` of
        the variance; at ``transform`` if channels or sampling rate are not those of the fit.

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

    Where less than 98.5 % of the alpha power (7-12 Hz) at an occipital electrode would be kept away
    from blinks, the filter is made to pass less of alpha at the price of other noise, no more than
    needed. With few electrodes, or a reference near the eyes, that may not suffice:
    ``blinks_.alpha_kept`` tells, with a warning below 90 % (``docs/results/blinks.md``).

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
        self._warn_flat_channels(signals)
        spans = CleanSpans(signals, self.fit_sfreq)
        samples = self._choose_samples(spans, int(signals.usable.sum()))
        not_sought = BlinkReport(
            found=False,
            eog_names=(),
            n_blinks=(),
            ch_names=signals.ch_names,
            info=signals.info,
            reason=f"not sought with artifacts={self.artifacts!r}",
        )
        self.blinks_, self.saccades_ = not_sought, replace(not_sought, artifact="saccade")
        self.filters_ = np.zeros((0, len(signals.ch_names)))
        self.patterns_ = self.filters_.T
        if "blink" in self.artifacts:
            traces = self._read_eog(X, signals, spans)
            self.filters_, self.patterns_, self.blinks_ = self._search(
                signals, spans, traces, samples
            )
        if "saccade" in self.artifacts:
            self.filters_, self.patterns_, self.saccades_ = search_saccades(
                signals,
                spans,
                read_horizontal_eog(X, self._eog_names(X), signals, spans),
                samples,
                (self.filters_, self.patterns_, self.blinks_),
                freq_range=(self.l_freq, self.h_freq),
                min_saccades=self.min_blinks,
                min_score=self.min_score,
            )
        zero = np.zeros(len(signals.ch_names))
        self.filter_ = self.filters_[0] if len(self.filters_) else zero
        self.pattern_ = self.patterns_[:, 0] if len(self.filters_) else zero
        self.ch_names_, self.sfreq_ = signals.ch_names, signals.sfreq
        for artifact in self.artifacts:
            _tell(self.blinks_ if artifact == "blink" else self.saccades_)
        return self

    def _read_signals(self, X: Any, *, reset: bool, lazy: bool = False) -> Signals:
        """Read the EEG channels but for those named as EOG that are not on the scalp."""
        if not is_mne(X):
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
        if isinstance(self.artifacts, str) or not len(self.artifacts):
            raise ValueError(f"artifacts must be a list of names, got {self.artifacts!r}.")
        for artifact in self.artifacts:
            check_option("artifacts", artifact, ("blink", "saccade"))
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

    def _check_components(self, n_components: int) -> list[int]:
        """Return the numbers in ``components``; none where it is ``"auto"``."""
        if isinstance(self.components, str):
            check_option("components", self.components, ("auto",))
            return []
        given = self.components
        numbers = [given] if isinstance(given, (int, np.integer)) else list(given)
        for number in numbers:
            check_number("components", number, low=0, high=n_components - 1, integer=True)
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError(f"components must hold different numbers, got {given!r}.")
        return [int(number) for number in numbers]

    def _read_eog(self, X: Any, signals: Signals, spans: CleanSpans) -> list["_Trace"]:
        """Read the EOG channels and the virtual EOG within the blink band, in the clean spans."""
        names = self._eog_names(X)
        traces = []
        if names:
            eog = read_signals(X, picks=[X.ch_names.index(name) for name in names], lazy=True)
            filtered = spans.filter(eog.data, *BLINK_BAND)
            rows = zip(names, filtered, eog.usable, strict=True)
            traces = [_Trace(name, values, (1.0, -1.0)) for name, values, usable in rows if usable]
            if dead := [name for name, usable in zip(names, eog.usable, strict=True) if not usable]:
                warn(f"BlinkICARemover leaves out flat EOG channel(s): {', '.join(dead)}.")
        frontal = frontal_channels(signals)
        if frontal:
            located = np.isfinite(electrode_positions(signals.info)).all(axis=1)
            others = np.flatnonzero(signals.usable & located)
            others = np.setdiff1d(others, frontal)
            weights = np.zeros((1, len(signals.ch_names)))
            weights[0, frontal] = 1 / len(frontal)
            weights[0, others] = -1 / max(len(others), 1)
            used = np.flatnonzero(weights)
            filtered = spans.filter(
                signals.data, *BLINK_BAND, channels=used, weights=weights[:, used]
            )
            name = f"virtual EOG ({', '.join(signals.ch_names[index] for index in frontal)})"
            traces.append(_Trace(name, filtered[0], (1.0,), virtual=True))
        return traces

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
        self, signals: Signals, spans: CleanSpans, traces: list["_Trace"], samples: IntArray
    ) -> tuple[FloatArray, FloatArray, BlinkReport]:
        """Return filters and patterns of what to subtract, and the report."""
        found = [
            find_blink_peaks(
                trace.values,
                spans.span,
                spans.sfreq,
                min_blinks=self.min_blinks,
                signs=trace.signs,
            )
            for trace in traces
        ]
        n_channels = len(signals.ch_names)
        report = BlinkReport(
            found=False,
            eog_names=tuple(trace.name for trace in traces),
            n_blinks=tuple(each.n_blinks for each in found),
            ch_names=signals.ch_names,
            info=signals.info,
            scores=np.full((len(traces), 4), np.nan),
        )
        nothing = np.zeros((0, n_channels)), np.zeros((n_channels, 0))
        automatic = isinstance(self.components, str)
        judged = [row for row, each in enumerate(found) if each.n_blinks >= self.min_blinks]
        if automatic and not judged:
            self._check_components(0)
            reason = "; ".join(
                f"{trace.name}: {each.n_blinks} blink-like peak(s), fewer than "
                f"min_blinks = {self.min_blinks}"
                for trace, each in zip(traces, found, strict=True)
            )
            reason += f"; {ADVICE}"
            if not traces:
                reason = "there is neither an EOG channel nor a frontal electrode"
            return *nothing, replace(report, reason=reason, **_refused(traces, found, spans))

        used = np.flatnonzero(signals.usable)
        band = self.l_freq, self.h_freq
        data = spans.filter(signals.data, *band, channels=used, samples=samples)
        near = {row: spans.near(found[row].peaks) for row in judged}
        kept = np.flatnonzero(np.any(list(near.values()), axis=0) if judged else [])
        around = _Windows(
            spans, kept, spans.filter(signals.data, *BLINK_BAND, channels=used, samples=kept)
        )
        rhythm = spans.filter(signals.data, *ALPHA_BAND, channels=used, samples=samples)
        unmixing = fit_ica(
            data,
            spans.sfreq,
            n_components=self.n_components,
            method=self.method,
            random_state=self.random_state,
        )
        r_squared = np.full((len(traces), len(unmixing)), np.nan)
        for row in judged:
            sources = unmixing @ around.values[:, near[row][kept]]
            r_squared[row] = squared_correlation(sources, traces[row].values[near[row]])
        if judged:
            # An ICA returns its components in no particular order.
            order = np.argsort(-np.nanmax(r_squared, axis=0), kind="stable")
            unmixing, r_squared = unmixing[order], r_squared[:, order]
        chosen = self._check_components(len(unmixing))

        potential = blink_potential(electrode_positions(signals.info)[used])
        posterior = _posterior(electrode_positions(signals.info)[used])
        scores = report.scores.copy()
        candidates = {}
        for row in judged:
            candidates[row] = _Candidate(
                around, found[row].peaks, data, rhythm, ~near[row][samples], potential, posterior
            )
            scores[row] = candidates[row].score(found[row], traces[row].values, near[row])
        report = replace(report, r_squared=r_squared, scores=scores)
        score = report.score
        # An EOG goes before the virtual one.
        passed = [row for row in judged if score[row] >= self.min_score]
        best = max(
            passed or judged,
            key=lambda row: (not traces[row].virtual if passed else 0, np.nan_to_num(score[row])),
            default=0,
        )
        if automatic and not passed:
            return *nothing, replace(
                report,
                reason="; ".join([*(self._reason(report, row) for row in judged), ADVICE]),
                **_refused(traces, found, spans, best),
            )
        if automatic:
            filters, patterns = candidates[best].projection(self.max_components)
            alpha = candidates[best].alpha_kept(filters, patterns)[posterior]
            names = np.array(signals.ch_names)[used[posterior]]
            report = replace(
                report, alpha_kept=dict(zip(names.tolist(), alpha.tolist(), strict=True))
            )
        else:
            filters = unmixing[chosen]
            patterns = np.asarray(np.linalg.pinv(unmixing)[:, chosen], dtype=float)
        peaks = np.empty(0, np.intp)
        if best in candidates:
            peaks, report = candidates[best].peaks, replace(report, channel=traces[best].name)
        components = tuple(chosen) or (0,)
        report = replace(report, found=True, component=components[0], components=components)
        return self._removed(signals, spans, report, filters, patterns, peaks)

    def _reason(self, report: BlinkReport, row: int) -> str:
        """Say what was measured of refused peaks, and what was asked for."""
        evidence = ", ".join(
            f"{name} {value:.2f}"
            for name, value in zip(report.evidence, report.scores[row], strict=True)
            if np.isfinite(value)
        )
        return (
            f"{report.eog_names[row]}: {report.n_blinks[row]} peaks score "
            f"{report.score[row]:.3f}, below min_score = {self.min_score:g} ({evidence})"
        )

    def _removed(
        self,
        signals: Signals,
        spans: CleanSpans,
        report: BlinkReport,
        filters: FloatArray,
        patterns: FloatArray,
        peaks: IntArray,
    ) -> tuple[FloatArray, FloatArray, BlinkReport]:
        """Scale filters and patterns, and describe what they take away."""
        used = np.flatnonzero(signals.usable)
        band = self.l_freq, self.h_freq
        kept = np.flatnonzero(spans.near(peaks))
        around = _Windows(
            spans, kept, spans.filter(signals.data, *band, channels=used, samples=kept)
        )
        if len(peaks):
            before = around.median(peaks)
            clean = _Windows(spans, kept, around.values - patterns @ (filters @ around.values))
            after = clean.median(peaks)
            # 1 in the median, and positive, at the peaks of the blinks.
            heights = np.median(clean.at(peaks, filters @ around.values), axis=1)
            heights[heights == 0] = 1.0
            filters, patterns = filters / heights[:, np.newaxis], patterns * heights
            size, left = _height(before), _height(after)
            carrying = used[_carrying(before)]
            frontal = np.intersect1d(frontal_channels(signals), carrying)
            residual = {
                signals.ch_names[index]: float((left / size)[used == index][0])
                for index in (frontal if len(frontal) else carrying)
            }
            shown = int(size.argmax())
        else:
            before = after = np.full((len(used), len(spans.lags)), np.nan)
            residual, shown = {}, int(np.abs(patterns[:, 0]).argmax())
        full_filters = np.zeros((len(filters), len(signals.ch_names)))
        full_patterns = np.zeros(full_filters.shape[::-1])
        full_filters[:, used], full_patterns[used] = filters, patterns
        topography = np.full(len(signals.ch_names), np.nan)
        topography[used] = patterns[:, 0]
        return (
            full_filters,
            full_patterns,
            replace(
                report,
                n_removed=len(filters),
                topography=topography,
                shown=signals.ch_names[used[shown]],
                residual=residual,
                blink_times=spans.sample[peaks] / spans.original_sfreq,
                blink_epochs=spans.epoch[peaks],
                lags=spans.lags / spans.sfreq,
                before=before[shown],
                after=after[shown],
            ),
        )

    def transform_block(self, x: FloatArray, finite: BoolArray, n_times: int) -> FloatArray:
        """Subtract the blinks."""
        used = np.flatnonzero(np.any(self.filters_, axis=0))
        for epoch in x:
            sources = self.filters_[:, used] @ epoch[used]
            for channel in used:
                epoch[channel] -= self.patterns_[channel] @ sources
        return x


@dataclass(frozen=True)
class _Trace:
    """An EOG within the blink band, and the polarities that blinks may have in it."""

    name: str
    values: FloatArray
    signs: tuple[float, ...]
    virtual: bool = False


class _Windows:
    """Channels (n_channels, n_kept) at some of the samples of the clean spans."""

    def __init__(self, spans: CleanSpans, kept: IntArray, values: FloatArray) -> None:
        self.spans, self.kept, self.values = spans, kept, values

    def median(self, peaks: IntArray) -> FloatArray:
        """Return the median around the peaks (n_channels, n_lags)."""
        trace = np.full(self.spans.span.size, np.nan)
        out = np.empty((len(self.values), len(self.spans.lags)))
        for row, values in zip(out, self.values, strict=True):
            trace[self.kept] = values
            row[:] = self.spans.median_around(trace, peaks)
        return out

    def at(self, peaks: IntArray, values: FloatArray) -> FloatArray:
        """Return signals at the peaks."""
        return values[:, np.searchsorted(self.kept, peaks)]


class _Candidate:
    """Peaks of an EOG, and the projection that takes them out of the channels."""

    def __init__(
        self,
        around: _Windows,
        peaks: IntArray,
        data: FloatArray,
        rhythm: FloatArray,
        away: BoolArray,
        potential: FloatArray,
        posterior: BoolArray,
    ) -> None:
        self.around, self.peaks, self.potential = around, peaks, potential
        # Where blinks leave too little of the recording, their own samples have to serve.
        enough = away.sum() >= MIN_SAMPLES_PER_CHANNEL * len(data)
        self.noise_cov, self.alpha_cov = (
            np.cov(each[:, away] if enough else each) for each in (data, rhythm)
        )
        self.posterior = posterior
        self._project()
        # In the EOG, peaks lie where the background is positive too, and would carry it into the
        # median. The background of the source is much smaller.
        self.peaks = self._aligned()
        self._project()

    def _project(self) -> None:
        """Find the dominant pattern of the median blink, and its filter."""
        response = self.around.median(self.peaks)
        self.response = response[:, np.isfinite(response).all(axis=0)]
        self.patterns = dominant_pattern(self.response)
        self.filters = minimum_variance_filters(self.patterns, self.noise_cov)

    def _filters(self, patterns: FloatArray) -> FloatArray:
        """Return the filters that pass the least noise while they keep the alpha rhythm."""
        unit = np.trace(self.noise_cov) / np.trace(self.alpha_cov) * self.alpha_cov
        for weight in ALPHA_WEIGHTS:
            filters = minimum_variance_filters(patterns, self.noise_cov, weight * unit)
            kept = self.alpha_kept(filters, patterns)[self.posterior]
            if kept.min(initial=1.0) >= MIN_ALPHA_KEPT:
                break
        return filters

    def alpha_kept(self, filters: FloatArray, patterns: FloatArray) -> FloatArray:
        """Return the share of each channel's alpha power away from blinks that is kept."""
        projection = np.eye(len(patterns)) - patterns @ filters
        kept = np.einsum("ij,jk,ik->i", projection, self.alpha_cov, projection)
        return np.asarray(kept / np.diag(self.alpha_cov))

    def _aligned(self) -> IntArray:
        """Return the peaks of the blinks in the source."""
        source = (self.filters @ self.around.values)[0]
        source = source * np.sign(np.median(self.around.at(self.peaks, source[np.newaxis])))
        spans = self.around.spans
        trace = np.full(spans.span.size, -np.inf)
        trace[self.around.kept] = source
        half = round(ALIGNMENT * spans.sfreq)
        pieces = cut_windows(trace, self.peaks, np.arange(-half, half + 1), spans.span)
        pieces = np.where(np.isfinite(pieces), pieces, -np.inf)
        return np.unique(self.peaks + pieces.argmax(axis=1) - half)

    def topography(self, pattern: FloatArray) -> float:
        """Return the correlation of a pattern with the potential of a blink; NaN if unknown."""
        located = np.isfinite(self.potential)
        if located.sum() < MIN_LOCATED:
            return np.nan
        return float(np.corrcoef(pattern[located], self.potential[located])[0, 1])

    def score(self, found: BlinkPeaks, trace: FloatArray, near: BoolArray) -> list[float]:
        """Return the evidence: contrast, shape, topography and explained variance."""
        sources = self.filters @ self.around.values
        sign = np.sign(np.median(self.around.at(self.peaks, sources)))
        explained = squared_correlation(sources[:, near[self.around.kept]], trace[near])[0]
        topography = self.topography(sign * self.patterns[:, 0])
        return [found.contrast, found.shape, max(topography, 0.0), float(explained)]

    def projection(self, max_components: int) -> tuple[FloatArray, FloatArray]:
        """Return filters and patterns; further ones while a blink is left in both halves."""
        # What is found does not depend on the alpha rhythm, only what is subtracted.
        filters, patterns = self._filters(self.patterns), self.patterns
        halves = [self.around.median(self.peaks[half::2]) for half in (0, 1)]
        known = np.isfinite(halves).all(axis=(0, 1))
        carrying = _carrying(self.response)
        while len(filters) < max_components:
            left = [half - patterns @ (filters @ half) for half in halves]
            power, whole = (
                np.sum(first[carrying][:, known] * second[carrying][:, known])
                for first, second in (left, halves)
            )
            # Noise of the two halves is independent, what is left of a blink is not.
            if power <= MAX_RESIDUAL**2 * whole:
                break
            rest = self.response - patterns @ (filters @ self.response)
            patterns = np.column_stack([patterns, dominant_pattern(rest)])
            filters = self._filters(patterns)
        return filters, patterns


def _tell(report: BlinkReport) -> None:
    """Log what was found, and warn where much is left."""
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
    kept = min(report.alpha_kept.values(), default=1.0)
    if kept < WARN_ALPHA_KEPT:
        warn(
            f"BlinkICARemover keeps {kept:.0%} of the alpha power at "
            f"{min(report.alpha_kept, key=lambda name: report.alpha_kept[name])}: few "
            "electrodes, or a reference near the eyes, do not separate it from blinks; see "
            "blinks_.alpha_kept, and try another reference."
        )


def _posterior(positions: FloatArray) -> BoolArray:
    """Return which electrodes lie over the occipital lobe."""
    distance = np.linalg.norm(positions, axis=1)
    return np.asarray(positions[:, 1] < POSTERIOR * distance)


def _carrying(medians: FloatArray) -> IntArray:
    """Return the channels that carry at least half of the largest median blink."""
    height = _height(medians)
    return np.flatnonzero(height >= CARRIES_BLINK * height.max())


def _height(medians: FloatArray) -> FloatArray:
    """Return the peak-to-peak height of each row, where it is known."""
    return np.asarray(np.nanmax(medians, axis=1) - np.nanmin(medians, axis=1))


def _refused(
    traces: list[_Trace], found: list[BlinkPeaks], spans: CleanSpans, row: int | None = None
) -> dict[str, Any]:
    """Describe the refused peaks of one EOG, by default of that with the tallest contrast."""
    rows = [index for index, each in enumerate(found) if len(each.peaks)]
    if not rows:
        return {}
    row = max(rows, key=lambda index: found[index].contrast) if row is None else row
    return {
        "shown": traces[row].name,
        "lags": spans.lags / spans.sfreq,
        "before": spans.median_around(traces[row].values, found[row].peaks),
    }
