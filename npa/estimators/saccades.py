"""Horizontal saccades: the evidence for them, and what to subtract."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npa.recordings.channels import electrode_positions, lateral_channels, saccade_potential
from npa.recordings.clean_spans import CleanSpans
from npa.recordings.containers import read_signals
from npa.recordings.signals import Signals
from npa.reports import BlinkReport
from npa.spectral.correlation import squared_correlation
from npa.spectral.saccade_peaks import (
    SACCADE_BAND,
    SaccadePeaks,
    find_saccade_peaks,
    step_heights,
)
from npa.spectral.spatial import dominant_pattern, minimum_variance_filters
from npa.typing import FloatArray, IntArray

MIN_SAMPLES_PER_CHANNEL = 20
MIN_LOCATED = 3  # electrodes that a topography needs
CARRIES_STEP = 0.5  # of the largest median step, from which an electrode carries it

ADVICE = "if there are saccades, name a horizontal EOG (eog), or lower min_blinks or min_score"

Removal = tuple[FloatArray, FloatArray, BlinkReport]


@dataclass(frozen=True)
class HorizontalTrace:
    """An EOG within the saccade band.

    Parameters
    ----------
    name : str
        Its name.
    values : array, shape (n_samples,)
        The trace, in V.
    virtual : bool
        Whether it is a difference of scalp electrodes.
    """

    name: str
    values: FloatArray
    virtual: bool = False


def read_horizontal_eog(
    X: Any, names: tuple[str, ...], signals: Signals, spans: CleanSpans
) -> list[HorizontalTrace]:
    """Read the EOG channels and the virtual horizontal EOG within the saccade band.

    Parameters
    ----------
    X : mne.io.BaseRaw | mne.BaseEpochs
        The recording.
    names : tuple of str
        EOG channels; which of them are horizontal is left to the evidence.
    signals : npa.recordings.signals.Signals
        Its EEG channels.
    spans : npa.recordings.clean_spans.CleanSpans
        Its clean spans.

    Returns
    -------
    traces : list of HorizontalTrace
        One per usable EOG; last the virtual EOG, right minus left, if its electrodes are there.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=10.0, ch_names=["F7", "F8", "Oz"], random_state=0)
    >>> signals = read_signals(raw, picks="eeg")
    >>> traces = read_horizontal_eog(raw, ("HEOG",), signals, CleanSpans(signals, 128.0))
    >>> [trace.name for trace in traces]
    ['HEOG', 'virtual EOG (F8 - F7)']
    """
    traces = []
    if names:
        eog = read_signals(X, picks=[X.ch_names.index(name) for name in names], lazy=True)
        rows = zip(names, spans.filter(eog.data, *SACCADE_BAND), eog.usable, strict=True)
        traces = [HorizontalTrace(name, values) for name, values, usable in rows if usable]
    pair = lateral_channels(signals)
    if pair:
        left, right = spans.filter(signals.data, *SACCADE_BAND, channels=pair)
        name = "virtual EOG ({1} - {0})".format(*(signals.ch_names[index] for index in pair))
        traces.append(HorizontalTrace(name, right - left, virtual=True))
    return traces


def search_saccades(
    signals: Signals,
    spans: CleanSpans,
    traces: list[HorizontalTrace],
    samples: IntArray,
    removed: Removal,
    *,
    freq_range: tuple[float, float],
    min_saccades: int,
    min_score: float,
) -> Removal:
    """Find horizontal saccades, and what to subtract besides blinks.

    Parameters
    ----------
    signals : npa.recordings.signals.Signals
        EEG channels.
    spans : npa.recordings.clean_spans.CleanSpans
        Their clean spans.
    traces : list of HorizontalTrace
        EOGs.
    samples : array of int
        Samples of the clean spans that filters are fitted to.
    removed : tuple
        Filters, patterns and report of the blinks.
    freq_range : tuple of float
        Pass band in Hz of the noise that the filters suppress.
    min_saccades : int
        Fewest saccades.
    min_score : float
        Smallest score.

    Returns
    -------
    filters : array, shape (n_removed, n_channels)
        The filters of the blinks, and that of the saccades if they were found.
    patterns : array, shape (n_channels, n_removed)
        Their patterns; ``filters @ patterns`` is the identity.
    report : BlinkReport
        What was found.

    Examples
    --------
    `npa.BlinkICARemover` calls it on request. A recording without saccades:

    >>> from npa import BlinkICARemover
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, random_state=0)
    >>> BlinkICARemover(artifacts=("blink", "saccade")).fit(raw).saccades_.found
    False
    """
    filters, patterns, blinks = removed
    excluded = spans.near(_blink_samples(spans, blinks))
    found = [
        find_saccade_peaks(
            trace.values, spans.span, spans.sfreq, min_saccades=min_saccades, excluded=excluded
        )
        for trace in traces
    ]
    report = BlinkReport(
        found=False,
        eog_names=tuple(trace.name for trace in traces),
        n_blinks=tuple(each.n_saccades for each in found),
        ch_names=signals.ch_names,
        info=signals.info,
        scores=np.full((len(traces), 4), np.nan),
        artifact="saccade",
    )
    if not traces:
        reason = "there is neither an EOG channel nor F7 and F8 or AF7 and AF8"
        return filters, patterns, replace(report, reason=reason)
    judged = [row for row, each in enumerate(found) if each.n_saccades >= min_saccades]
    used = np.flatnonzero(signals.usable)
    data, slow = np.empty((len(used), 0)), np.empty((len(used), 0))
    if judged:
        data = spans.filter(signals.data, *freq_range, channels=used, samples=samples)
        slow = spans.filter(signals.data, *SACCADE_BAND, channels=used)
        for values in (data, slow):
            values -= patterns[used] @ (filters[:, used] @ values)
    potential = saccade_potential(electrode_positions(signals.info)[used])
    blink = filters[:, used], patterns[used]
    candidates = {row: _Candidate(found[row], spans, slow, data, samples, blink) for row in judged}
    for row, candidate in candidates.items():
        report.scores[row] = candidate.score(traces[row].values, slow, potential)
    score = report.score
    passed = [row for row in judged if score[row] >= min_score]
    if not passed:
        reasons = [
            f"{trace.name}: {each.n_saccades} step(s)"
            + (
                f" score {score[row]:.3f}, below min_score = {min_score:g} ("
                + ", ".join(
                    f"{name} {value:.2f}"
                    for name, value in zip(report.evidence, report.scores[row], strict=True)
                    if np.isfinite(value)
                )
                + ")"
                if row in judged
                else f", fewer than min_blinks = {min_saccades}"
            )
            for row, (trace, each) in enumerate(zip(traces, found, strict=True))
        ]
        best = max(range(len(traces)), key=lambda row: found[row].contrast)
        return (
            filters,
            patterns,
            replace(
                report,
                reason="; ".join([*reasons, ADVICE]),
                shown=traces[best].name,
                lags=spans.lags / spans.sfreq,
                before=_median(traces[best].values[np.newaxis], found[best], spans)[0],
            ),
        )
    # An EOG goes before the virtual one.
    best = max(passed, key=lambda row: (not traces[row].virtual, score[row]))
    chosen = candidates[best]
    peaks = chosen.found.peaks
    full_filter = np.zeros((1, len(signals.ch_names)))
    full_pattern = full_filter.T.copy()
    full_filter[:, used], full_pattern[used] = chosen.filters, chosen.patterns
    # Applied after the blinks are gone, it sees none of them; this is the same in one step.
    full_filter -= full_filter @ patterns @ filters
    topography = np.full(len(signals.ch_names), np.nan)
    topography[used] = chosen.patterns[:, 0]
    before = chosen.response
    after = before - chosen.patterns @ (chosen.filters @ before)
    heights = [np.abs(_step(each, spans)) for each in (before, after)]
    carrying = np.flatnonzero(heights[0] >= CARRIES_STEP * heights[0].max())
    shown = int(heights[0].argmax())
    return (
        np.vstack([filters, full_filter]),
        np.hstack([patterns, full_pattern]),
        replace(
            report,
            found=True,
            n_removed=1,
            channel=traces[best].name,
            residual={
                signals.ch_names[used[index]]: float(heights[1][index] / heights[0][index])
                for index in carrying
            },
            blink_times=spans.sample[peaks] / spans.original_sfreq,
            blink_epochs=spans.epoch[peaks],
            topography=topography,
            shown=signals.ch_names[used[shown]],
            lags=spans.lags / spans.sfreq,
            before=before[shown],
            after=after[shown],
        ),
    )


class _Candidate:
    """Steps of an EOG, and the projection that takes them out of the channels."""

    def __init__(
        self,
        found: SaccadePeaks,
        spans: CleanSpans,
        slow: FloatArray,
        data: FloatArray,
        samples: IntArray,
        blink: tuple[FloatArray, FloatArray],
    ) -> None:
        self.found, self.near = found, spans.near(found.peaks)
        away = ~self.near[samples]
        # Where saccades leave too little of the recording, their own samples have to serve.
        enough = away.sum() >= MIN_SAMPLES_PER_CHANNEL * len(data)
        self.response = _median(slow, found, spans)
        # The median of signals without blinks need not be free of them.
        self.response -= blink[1] @ (blink[0] @ self.response)
        known = np.isfinite(self.response).all(axis=0)
        self.patterns = dominant_pattern(self.response[:, known])
        noise_cov = np.cov(data[:, away] if enough else data)
        self.filters = minimum_variance_filters(self.patterns, noise_cov)
        # The source steps up by 1 at the median saccade.
        height = float(_step(self.filters @ self.response, spans)[0]) or 1.0
        self.filters, self.patterns = self.filters / height, self.patterns * height

    def score(self, trace: FloatArray, slow: FloatArray, potential: FloatArray) -> list[float]:
        """Return the evidence: contrast, shape, topography and explained variance."""
        located, topography = np.isfinite(potential), np.nan
        if located.sum() >= MIN_LOCATED:
            # Of an EOG it is not known which side is up.
            topography = abs(np.corrcoef(self.patterns[located, 0], potential[located])[0, 1])
        source = self.filters @ slow[:, self.near]
        explained = squared_correlation(source, trace[self.near])[0]
        return [self.found.contrast, self.found.shape, float(topography), float(explained)]


def _median(values: FloatArray, found: SaccadePeaks, spans: CleanSpans) -> FloatArray:
    """Return the median around the steps, those down upside down (n_channels, n_lags)."""
    out = np.full((len(values), len(spans.lags)), np.nan)
    for row, signal in zip(out, values, strict=True):
        pieces = found.signs[:, np.newaxis] * spans.around(signal, found.peaks)
        known = np.isfinite(pieces).any(axis=0)
        row[known] = np.nanmedian(pieces[:, known], axis=0)
    return out


def _step(medians: FloatArray, spans: CleanSpans) -> FloatArray:
    """Return the height of the step in the middle of each row."""
    middle = len(spans.lags) // 2
    span = np.zeros(len(spans.lags), int)
    rows = np.nan_to_num(medians)
    return np.array([step_heights(row, span, spans.sfreq)[middle] for row in rows])


def _blink_samples(spans: CleanSpans, blinks: BlinkReport) -> IntArray:
    """Return the samples of the clean spans where blinks have their peaks."""
    length = int(spans.sample.max()) + 1
    peaks = np.round(blinks.blink_times * spans.original_sfreq).astype(int)
    return np.flatnonzero(
        np.isin(spans.epoch * length + spans.sample, blinks.blink_epochs * length + peaks)
    )
