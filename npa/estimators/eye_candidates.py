"""Candidates for blinks or saccades: their evidence, and the projection that takes them out."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from npa.estimators.eog import EyeMovement
from npa.recordings.clean_spans import CleanSpans
from npa.spectral.correlation import squared_correlation
from npa.spectral.eog_events import EOGEvents, cut_windows
from npa.spectral.spatial import (
    dominant_pattern,
    minimum_variance_filters,
    power_kept,
    preserving_filters,
)
from npa.typing import BoolArray, FloatArray, IntArray

MIN_ALPHA_KEPT = 0.985  # of its power, at each occipital electrode
MAX_BETA_CHANGE = 0.1  # of its power there, beyond which no further component goes
POSTERIOR = -0.6  # cosine with the direction of the nose below which an electrode is occipital
MIN_SAMPLES_PER_CHANNEL = 20
MIN_LOCATED = 3  # electrodes that a topography needs
MAX_RESIDUAL = 0.1  # of the median blink, above which a further component goes
CARRIES = 0.5  # of the largest median blink, from which an electrode carries it


class Windows:
    """Channels at some of the samples of the clean spans.

    Parameters
    ----------
    spans : CleanSpans
        The clean spans.
    kept : slice | array of int, shape (n_kept,)
        Samples of these.
    values : array, shape (n_channels, n_kept)
        Band-passed signals there, in V.
    clean : callable | None
        Subtraction of what was found before, from signals and from their medians.
    """

    def __init__(
        self,
        spans: CleanSpans,
        kept: slice | IntArray,
        values: FloatArray,
        clean: Callable[[FloatArray], FloatArray] | None = None,
    ) -> None:
        self.spans, self.kept = spans, kept
        self.values = values if clean is None else clean(values)
        self.clean = clean

    def median(self, events: EOGEvents) -> FloatArray:
        """Return the median around events, turned by their signs (n_channels, n_lags)."""
        trace = np.full(self.spans.span.size, np.nan)
        out = np.empty((len(self.values), len(self.spans.lags)))
        for row, values in zip(out, self.values, strict=True):
            trace[self.kept] = values
            row[:] = self.spans.median_around(trace, events.peaks, events.signs)
        # The median of signals without blinks need not be free of them.
        return out if self.clean is None else self.clean(out)


class Candidate:
    """Events of an EOG, and the projection that takes them out of the channels.

    Parameters
    ----------
    movement : EyeMovement
        What is sought.
    around : Windows
        Usable channels around the events of all EOGs, in the band of the movement.
    events : EOGEvents
        Events of this EOG.
    data, alpha : array, shape (n_channels, n_samples)
        Usable channels within the pass band of the filters, and of the alpha rhythm.
    away : array of bool, shape (n_samples,)
        Which of these samples lie away from the events.
    positions : array, shape (n_channels, 3)
        Electrode positions in m.
    """

    def __init__(
        self,
        movement: EyeMovement,
        around: Windows,
        events: EOGEvents,
        data: FloatArray,
        alpha: FloatArray,
        away: BoolArray,
        positions: FloatArray,
    ) -> None:
        self.movement, self.around, self.events = movement, around, events
        self.away = away
        self.noise_cov, self.alpha_cov = (self.covariance(each) for each in (data, alpha))
        self.potential = movement.potential(positions)
        ahead = positions[:, 1] / np.linalg.norm(positions, axis=1)
        self.posterior = np.flatnonzero(ahead < POSTERIOR)
        self._project()
        if movement.alignment:
            # In the EOG, peaks lie where the background is positive too, and would carry it into
            # the median. The background of the source is much smaller.
            peaks = self._aligned_peaks()
            self.events = replace(events, peaks=peaks, signs=np.ones(len(peaks)))
            self._project()

    def covariance(self, values: FloatArray) -> FloatArray:
        """Return the covariance of the channels away from the events (n_channels, n_channels)."""
        # Where events leave too little of the recording, their own samples have to serve.
        enough = self.away.sum() >= MIN_SAMPLES_PER_CHANNEL * len(values)
        return np.asarray(np.cov(values[:, self.away] if enough else values))

    def _project(self) -> None:
        """Find the dominant pattern of the median event, and its filter."""
        self.response = self.around.median(self.events)
        self.known = np.isfinite(self.response).all(axis=0)
        self.patterns = dominant_pattern(self.response[:, self.known])
        self.filters = minimum_variance_filters(self.patterns, self.noise_cov)

    def _aligned_peaks(self) -> IntArray:
        """Return the peaks of the events in the source."""
        spans, peaks = self.around.spans, self.events.peaks
        trace = np.full(spans.span.size, np.nan)
        trace[self.around.kept] = (self.filters @ self.around.values)[0]
        trace *= np.sign(np.median(trace[peaks]))
        half = round(self.movement.alignment * spans.sfreq)
        pieces = cut_windows(trace, peaks, np.arange(-half, half + 1), spans.span)
        pieces = np.where(np.isfinite(pieces), pieces, -np.inf)
        return np.unique(peaks + pieces.argmax(axis=1) - half)

    def score(self, trace: FloatArray, near: BoolArray) -> list[float]:
        """Return the evidence: contrast, shape, topography and explained variance."""
        course = self.movement.size(self.filters @ self.response, self.around.spans.sfreq)
        pattern = np.sign(course[0]) * self.patterns[:, 0]
        located, topography = np.isfinite(self.potential), np.nan
        if located.sum() >= MIN_LOCATED:
            topography = np.corrcoef(pattern[located], self.potential[located])[0, 1]
            topography = abs(topography) if self.movement.two_sided else max(topography, 0.0)
        sources = self.filters @ self.around.values
        explained = squared_correlation(sources[:, near[self.around.kept]], trace[near])[0]
        return [self.events.contrast, self.events.shape, float(topography), float(explained)]

    def kept(self, filters: FloatArray, patterns: FloatArray, cov: FloatArray) -> FloatArray:
        """Return the share of the power that each occipital electrode keeps."""
        return power_kept(filters, patterns, cov)[self.posterior]

    def projection(
        self, max_components: int, beta_cov: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Return filters and patterns.

        Parameters
        ----------
        max_components : int
            Most of them: further ones go while an event is left in both halves.
        beta_cov : array, shape (n_channels, n_channels) | None
            Covariance above the alpha rhythm. A further pattern that would change this power at an
            occipital electrode by more than a tenth stays; None for not known.
        """

        def filters_of(patterns: FloatArray) -> FloatArray:
            # What is found does not depend on these rhythms, only what is subtracted.
            return preserving_filters(
                patterns,
                self.noise_cov,
                self.alpha_cov,
                self.posterior,
                other_covs=() if beta_cov is None else (beta_cov,),
                min_kept=MIN_ALPHA_KEPT,
            )

        patterns = self.patterns
        filters = filters_of(patterns)
        halves = [self.around.median(self.events.half(number)) for number in (0, 1)]
        known = np.isfinite(halves).all(axis=(0, 1))
        carrying = carrying_channels(self.movement.height(self.response, self.around.spans.sfreq))
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
            more_patterns = np.column_stack([patterns, dominant_pattern(rest[:, self.known])])
            more_filters = filters_of(more_patterns)
            # Filters that tell two similar topographies apart are large, and pass much noise.
            if beta_cov is not None:
                change = self.kept(more_filters, more_patterns, beta_cov) - 1
                if np.abs(change).max(initial=0.0) > MAX_BETA_CHANGE:
                    break
            filters, patterns = more_filters, more_patterns
        return filters, patterns


def carrying_channels(height: FloatArray) -> IntArray:
    """Return the channels that carry at least half of the largest median event.

    Parameters
    ----------
    height : array, shape (n_channels,)
        Heights of the median event.

    Returns
    -------
    channels : array of int
        Their indices.

    Examples
    --------
    >>> carrying_channels(np.array([100.0, 40.0, 60.0]))
    array([0, 2])
    """
    return np.flatnonzero(height >= CARRIES * height.max())
