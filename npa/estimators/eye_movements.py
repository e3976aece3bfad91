"""Blinks and saccades: the evidence for them, and what to subtract."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from npa.checks import check_number, check_option
from npa.estimators.eog import EOGTrace, EyeMovement
from npa.estimators.eye_candidates import Candidate, Windows, carrying_channels
from npa.recordings.channels import electrode_positions, frontal_channels
from npa.recordings.clean_spans import CleanSpans
from npa.recordings.signals import Signals
from npa.reports import BlinkReport
from npa.spectral.correlation import squared_correlation
from npa.spectral.eog_events import EOGEvents
from npa.typing import BoolArray, FloatArray, IntArray

ALPHA_BAND = (8.0, 13.0)  # Hz
BETA_BAND = (13.0, 30.0)  # Hz, as far as the sampling rate allows
MIN_BETA_HIGH = 20.0  # Hz; less tells too little


@dataclass(frozen=True)
class Removal:
    """What to subtract from a recording.

    Parameters
    ----------
    filters : array, shape (n_removed, n_channels)
        Spatial filters.
    patterns : array, shape (n_channels, n_removed)
        Their patterns; ``filters @ patterns`` is the identity.
    report : BlinkReport
        Why.
    peaks : array of int
        Samples of the clean spans where the blinks or saccades are.
    """

    filters: FloatArray
    patterns: FloatArray
    report: BlinkReport
    peaks: IntArray

    def without(self, values: FloatArray, channels: IntArray) -> FloatArray:
        """Subtract it from signals of some of the channels."""
        filters, patterns = self.filters[:, channels], self.patterns[channels]
        return values - patterns @ (filters @ values) if len(filters) else values


@dataclass(frozen=True)
class Search:
    """Search for blinks or saccades in a recording.

    Parameters
    ----------
    movement : EyeMovement
        What is sought.
    signals : Signals
        EEG channels.
    spans : CleanSpans
        Their clean spans.
    samples : array of int
        Samples of the clean spans that filters are fitted to.
    freq_range : tuple of float
        Pass band in Hz of the noise that the filters suppress.
    min_events : int
        Fewest blinks or saccades.
    min_score : float
        Smallest score.
    max_components : int
        Most dimensions to subtract.
    """

    movement: EyeMovement
    signals: Signals
    spans: CleanSpans
    samples: IntArray
    freq_range: tuple[float, float]
    min_events: int
    min_score: float
    max_components: int

    def nothing(self, reason: str = "", *, sought: bool = True) -> Removal:
        """Return a removal of nothing."""
        n_channels = len(self.signals.ch_names)
        report = BlinkReport(
            found=False,
            eog_names=(),
            n_blinks=(),
            ch_names=self.signals.ch_names,
            info=self.signals.info,
            reason=reason,
            artifact=self.movement.name,
            sought=sought,
        )
        no_filters = np.zeros((0, n_channels))
        return Removal(no_filters, no_filters.T, report, np.empty(0, np.intp))

    def run(
        self,
        traces: list[EOGTrace],
        before: Removal,
        components: str | int | Sequence[int] = "auto",
        unmix: Callable[[FloatArray], FloatArray] | None = None,
    ) -> Removal:
        """Find blinks or saccades, and what to subtract.

        Parameters
        ----------
        traces : list of EOGTrace
            EOGs.
        before : Removal
            What is subtracted before.
        components : "auto" | int | sequence of int
            Independent components to subtract instead.
        unmix : callable | None
            Fit of an ICA, which returns its unmixing matrix; None for none.

        Returns
        -------
        removal : Removal
            What to subtract, besides ``before``.
        """
        spans, movement = self.spans, self.movement
        excluded = spans.near(before.peaks)
        found = [
            movement.find(trace, spans.span, spans.sfreq, self.min_events, excluded)
            for trace in traces
        ]
        nothing = self.nothing()
        report = replace(
            nothing.report,
            eog_names=tuple(trace.name for trace in traces),
            n_blinks=tuple(each.n_events for each in found),
            scores=np.full((len(traces), 4), np.nan),
        )
        automatic = isinstance(components, str)
        judged = [row for row, each in enumerate(found) if each.n_events >= self.min_events]
        if automatic and not judged:
            chosen_components(components, 0)
            report = self._refused(report, traces, found, [])
            return replace(nothing, report=report)

        used = np.flatnonzero(self.signals.usable)
        clean = partial(before.without, channels=used)
        data, alpha = (
            clean(self._filtered(band, self.samples)) for band in (self.freq_range, ALPHA_BAND)
        )
        near = {row: spans.near(found[row].peaks) for row in judged}
        kept = np.flatnonzero(np.any(list(near.values()), axis=0) if judged else [])
        around = Windows(spans, kept, self._filtered(movement.freq_range, kept), clean)
        unmixing = np.empty((0, len(used)))
        if unmix is not None:
            unmixing, r_squared = _explained(unmix(data), around, traces, near)
            report = replace(report, r_squared=r_squared)
        chosen = chosen_components(components, len(unmixing))
        positions = electrode_positions(self.signals.info)[used]
        candidates = {
            row: Candidate(
                movement, around, found[row], data, alpha, ~near[row][self.samples], positions
            )
            for row in judged
        }
        for row, candidate in candidates.items():
            report.scores[row] = candidate.score(traces[row].values, near[row])
        score = report.score
        passed = [row for row in judged if score[row] >= self.min_score]
        if automatic and not passed:
            report = self._refused(report, traces, found, judged)
            return replace(nothing, report=report)
        # An EOG goes before the virtual one.
        best = max(
            passed or judged,
            key=lambda row: (bool(passed) and not traces[row].virtual, np.nan_to_num(score[row])),
            default=-1,
        )
        event = candidates.get(best)
        if automatic and event is not None:
            beta_band = BETA_BAND[0], min(BETA_BAND[1], spans.sfreq / 2.5)
            beta_cov = None
            if beta_band[1] >= MIN_BETA_HIGH and len(event.posterior):
                beta_cov = event.covariance(clean(self._filtered(beta_band, self.samples)))
            filters, patterns = event.projection(self.max_components, beta_cov)
            names = [self.signals.ch_names[index] for index in used[event.posterior]]
            alpha_kept, beta_kept = (
                dict(zip(names, event.kept(filters, patterns, cov).tolist(), strict=True))
                if cov is not None
                else {}
                for cov in (event.alpha_cov, beta_cov)
            )
            report = replace(report, alpha_kept=alpha_kept, beta_kept=beta_kept)
        else:
            filters = unmixing[chosen]
            patterns = np.asarray(np.linalg.pinv(unmixing)[:, chosen], dtype=float)
        chosen = chosen or [0]
        report = replace(
            report,
            found=True,
            n_removed=len(filters),
            channel=traces[best].name if event is not None else "",
            component=chosen[0],
            components=tuple(chosen),
        )
        events = None if event is None else event.events
        return self._described(report, filters, patterns, events, before)

    def _filtered(self, band: tuple[float, float], samples: IntArray) -> FloatArray:
        """Return the usable channels within a band."""
        used = np.flatnonzero(self.signals.usable)
        return self.spans.filter(self.signals.data, *band, channels=used, samples=samples)

    def _refused(
        self,
        report: BlinkReport,
        traces: list[EOGTrace],
        found: list[EOGEvents],
        judged: list[int],
    ) -> BlinkReport:
        """Say what was measured, and what was asked for; show the refused peaks of one EOG."""
        movement = self.movement
        if not traces:
            return replace(report, reason=f"there is neither an EOG channel nor {movement.needs}")
        reasons = []
        for row, name in enumerate(report.eog_names):
            if row in judged:
                evidence = ", ".join(
                    f"{what} {value:.2f}"
                    for what, value in zip(report.evidence, report.scores[row], strict=True)
                    if np.isfinite(value)
                )
                reasons.append(
                    f"{name}: {report.n_blinks[row]} {movement.events} score "
                    f"{report.score[row]:.3f}, below min_score = {self.min_score:g} ({evidence})"
                )
            else:
                reasons.append(
                    f"{name}: {report.n_blinks[row]} {movement.events}, fewer than min_blinks = "
                    f"{self.min_events}"
                )
        report = replace(report, reason="; ".join([*reasons, movement.advice]))
        rows = judged or [row for row, each in enumerate(found) if len(each.peaks)]
        if not rows:
            return report
        best = max(rows, key=lambda row: (np.nan_to_num(report.score[row]), found[row].contrast))
        shown = Windows(self.spans, slice(None), traces[best].values[np.newaxis])
        return replace(
            report,
            shown=traces[best].name,
            lags=self.spans.lags / self.spans.sfreq,
            before=shown.median(found[best])[0],
        )

    def _described(
        self,
        report: BlinkReport,
        filters: FloatArray,
        patterns: FloatArray,
        events: EOGEvents | None,
        before: Removal,
    ) -> Removal:
        """Scale filters and patterns, and describe what they take away."""
        spans, movement, names = self.spans, self.movement, self.signals.ch_names
        used = np.flatnonzero(self.signals.usable)
        with_event = without = np.full((len(used), len(spans.lags)), np.nan)
        residual, shown = {}, int(np.abs(patterns[:, 0]).argmax())
        if events is not None:
            kept = np.flatnonzero(spans.near(events.peaks))
            values = self._filtered(movement.shown_range or self.freq_range, kept)
            around = Windows(spans, kept, values, partial(before.without, channels=used))
            with_event = around.median(events)
            course = filters @ with_event
            # Steps are low: what is left of the median is less noisy than the median of what is.
            without = with_event - patterns @ course
            if not movement.two_sided:
                left = around.values - patterns @ (filters @ around.values)
                without = Windows(spans, kept, left).median(events)
            # 1, and positive, at the median event.
            size = movement.size(course, spans.sfreq)
            size[size == 0] = 1.0
            filters, patterns = filters / size[:, np.newaxis], patterns * size
            height, left = (movement.height(each, spans.sfreq) for each in (with_event, without))
            carrying = used[carrying_channels(height)]
            frontal = np.intersect1d(frontal_channels(self.signals), carrying)
            residual = {
                names[index]: float((left / height)[used == index][0])
                for index in (frontal if movement.frontal and len(frontal) else carrying)
            }
            shown = int(height.argmax())
        full_filters = np.zeros((len(filters), len(names)))
        full_patterns = np.zeros(full_filters.shape[::-1])
        full_filters[:, used], full_patterns[used] = filters, patterns
        # Applied after what goes before, it sees none of it; this is the same in one step.
        full_filters -= full_filters @ before.patterns @ before.filters
        topography = np.full(len(names), np.nan)
        topography[used] = patterns[:, 0]
        peaks = np.empty(0, np.intp) if events is None else events.peaks
        report = replace(
            report,
            topography=topography,
            shown=names[used[shown]],
            residual=residual,
            blink_times=spans.sample[peaks] / spans.original_sfreq,
            blink_epochs=spans.epoch[peaks],
            lags=spans.lags / spans.sfreq,
            before=with_event[shown],
            after=without[shown],
        )
        return Removal(full_filters, full_patterns, report, peaks)


def chosen_components(components: str | int | Sequence[int], n_components: int) -> list[int]:
    """Return the numbers in ``components``; none where it is ``"auto"``.

    Parameters
    ----------
    components : "auto" | int | sequence of int
        As of `npa.BlinkICARemover`.
    n_components : int
        How many there are.

    Returns
    -------
    numbers : list of int
        The numbers.

    Raises
    ------
    ValueError
        If a number is not that of a component, or is given twice.

    Examples
    --------
    >>> chosen_components("auto", 3), chosen_components(2, 3)
    ([], [2])
    """
    if isinstance(components, str):
        check_option("components", components, ("auto",))
        return []
    numbers = [components] if isinstance(components, (int, np.integer)) else list(components)
    for number in numbers:
        check_number("components", number, low=0, high=n_components - 1, integer=True)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"components must hold different numbers, got {components!r}.")
    return [int(number) for number in numbers]


def _explained(
    unmixing: FloatArray, around: Windows, traces: list[EOGTrace], near: dict[int, BoolArray]
) -> tuple[FloatArray, FloatArray]:
    """Order components by how much of the traces around the events each explains."""
    r_squared = np.full((len(traces), len(unmixing)), np.nan)
    for row, mask in near.items():
        sources = unmixing @ around.values[:, mask[around.kept]]
        r_squared[row] = squared_correlation(sources, traces[row].values[mask])
    if near:
        # An ICA returns its components in no particular order.
        order = np.argsort(-np.nanmax(r_squared, axis=0), kind="stable")
        unmixing, r_squared = unmixing[order], r_squared[:, order]
    return unmixing, r_squared
