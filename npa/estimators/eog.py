"""EOG channels and virtual EOGs, and the eye movements that are sought in them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from npa.recordings.channels import (
    blink_potential,
    electrode_positions,
    frontal_channels,
    lateral_channels,
    saccade_potential,
)
from npa.recordings.clean_spans import CleanSpans
from npa.recordings.signals import Signals
from npa.spectral.blink_peaks import BLINK_BAND, find_blink_peaks, peak_height, peak_size
from npa.spectral.eog_events import EOGEvents
from npa.spectral.saccade_peaks import SACCADE_BAND, find_saccade_peaks, step_size
from npa.typing import BoolArray, FloatArray, IntArray

ALIGNMENT = 0.1  # s by which the peak of a blink in the source may differ from that in the EOG
MAX_LEVEL_SAMPLES = 20_000  # from which the level of a channel is known to a few percent

Levels: TypeAlias = Callable[[], FloatArray]


@dataclass(frozen=True)
class EOGTrace:
    """An EOG, band-passed, in the clean spans of a recording.

    Parameters
    ----------
    name : str
        Its name.
    values : array, shape (n_samples,)
        The trace, in V.
    virtual : bool, default False
        Whether it is a difference of scalp electrodes.
    """

    name: str
    values: FloatArray
    virtual: bool = False


@dataclass(frozen=True)
class EyeMovement:
    """A kind of eye movement, and how it is found and measured.

    Parameters
    ----------
    name : "blink" | "saccade"
        Its name.
    events : str
        What its candidates are called.
    needs : str
        Electrodes of the virtual EOG, in words.
    advice : str
        What to try where none are found.
    freq_range : tuple of float
        Band in Hz where it is sought.
    shown_range : tuple of float | None
        Band in Hz where it is shown; None for that of the ICA.
    weights : callable
        From signals, and a function that returns the level of every channel, to the weights of the
        channels in the virtual EOG, all 0 where it cannot be formed, and its name.
    find : callable
        From a trace, the spans, the sampling rate, the fewest events and the samples to leave out
        to the events.
    potential : callable
        From electrode positions to its potential.
    size : callable
        From median signals to their signed size at the event, one per channel.
    height : callable
        From median signals to their height, one per channel.
    alignment : float
        How far in s an event may move to where it is in the source; 0 for not at all.
    frontal : bool
        Whether frontal electrodes are the ones to look at.
    two_sided : bool
        Whether the sign of the pattern is unknown.
    """

    name: str
    events: str
    needs: str
    advice: str
    freq_range: tuple[float, float]
    shown_range: tuple[float, float] | None
    weights: Callable[[Signals, Levels], tuple[FloatArray, str]]
    find: Callable[[EOGTrace, IntArray, float, int, BoolArray], EOGEvents]
    potential: Callable[[FloatArray], FloatArray]
    size: Callable[[FloatArray, float], FloatArray]
    height: Callable[[FloatArray, float], FloatArray]
    alignment: float
    frontal: bool
    two_sided: bool


def read_traces(
    names: tuple[str, ...],
    eog: Signals | None,
    signals: Signals,
    spans: CleanSpans,
    movement: EyeMovement,
    samples: IntArray,
) -> list[EOGTrace]:
    """Read the EOG channels and the virtual EOG within the band of a movement.

    Parameters
    ----------
    names : tuple of str
        EOG channels.
    eog : npa.recordings.signals.Signals | None
        Their signals; None without any.
    signals : npa.recordings.signals.Signals
        EEG channels.
    spans : npa.recordings.clean_spans.CleanSpans
        Their clean spans.
    movement : EyeMovement
        What is sought.
    samples : array of int
        Samples of the clean spans that the level of every channel is taken from.

    Returns
    -------
    traces : list of EOGTrace
        One per usable EOG; last the virtual EOG, if its electrodes are there.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> from npa.recordings.containers import read_signals
    >>> raw, _ = simulate_recording(duration=10.0, ch_names=["F7", "F8", "Oz"], random_state=0)
    >>> signals, eog = read_signals(raw, picks="eeg"), read_signals(raw, picks=["HEOG"])
    >>> spans = CleanSpans(signals, 128.0)
    >>> traces = read_traces(("HEOG",), eog, signals, spans, SACCADE, np.arange(1280))
    >>> [trace.name for trace in traces]
    ['HEOG', 'virtual EOG (F8 - F7)']
    """
    traces = []
    if eog is not None:
        rows = zip(names, spans.filter(eog.data, *movement.freq_range), eog.usable, strict=True)
        traces = [EOGTrace(name, values) for name, values, usable in rows if usable]
    weights, name = movement.weights(signals, partial(_level, spans, signals, movement, samples))
    used = np.flatnonzero(weights)
    if len(used):
        (values,) = spans.filter(
            signals.data, *movement.freq_range, channels=used, weights=weights[np.newaxis, used]
        )
        traces.append(EOGTrace(f"virtual EOG ({name})", values, virtual=True))
    return traces


def _level(
    spans: CleanSpans, signals: Signals, movement: EyeMovement, samples: IntArray
) -> FloatArray:
    """Return the median amplitude of usable channels, which rare blinks hardly change, or NaN."""
    used, level = np.flatnonzero(signals.usable), np.full(len(signals.ch_names), np.nan)
    some = samples[:: -(-len(samples) // MAX_LEVEL_SAMPLES)]
    values = spans.filter(signals.data, *movement.freq_range, channels=used, samples=some)
    level[used] = np.median(np.abs(values), axis=1)
    return level


def _vertical(signals: Signals, levels: Levels) -> tuple[FloatArray, str]:
    """Weigh the frontal electrodes minus all others, whatever the reference.

    Channels above the median level count with the inverse square of their level, so that a noisy
    one that is not marked bad does not hide the blinks.
    """
    weights, frontal = np.zeros(len(signals.ch_names)), frontal_channels(signals)
    if frontal:
        located = np.isfinite(electrode_positions(signals.info)).all(axis=1)
        others = np.setdiff1d(np.flatnonzero(signals.usable & located), frontal)
        level = levels()
        precision = np.minimum(np.nanmedian(level) / level, 1.0) ** 2
        weights[frontal] = precision[frontal] / precision[frontal].sum()
        if len(others):
            weights[others] = -precision[others] / precision[others].sum()
    return weights, ", ".join(signals.ch_names[index] for index in frontal)


def _horizontal(signals: Signals, levels: Levels) -> tuple[FloatArray, str]:
    """Weigh an electrode right of the eyes minus that left of them."""
    weights, pair = np.zeros(len(signals.ch_names)), lateral_channels(signals)
    weights[pair] = (-1.0, 1.0)[: len(pair)]
    return weights, " - ".join(signals.ch_names[index] for index in pair[::-1])


def _find_blinks(
    trace: EOGTrace, span: IntArray, sfreq: float, min_events: int, excluded: BoolArray
) -> EOGEvents:
    """Find blinks; an EOG may be upside down."""
    signs = (1.0,) if trace.virtual else (1.0, -1.0)
    return find_blink_peaks(trace.values, span, sfreq, min_blinks=min_events, signs=signs)


def _find_saccades(
    trace: EOGTrace, span: IntArray, sfreq: float, min_events: int, excluded: BoolArray
) -> EOGEvents:
    """Find saccades away from blinks."""
    return find_saccade_peaks(trace.values, span, sfreq, min_saccades=min_events, excluded=excluded)


def _step_height(medians: FloatArray, sfreq: float) -> FloatArray:
    """Return the height of the step, up or down."""
    return np.abs(step_size(medians, sfreq))


BLINK = EyeMovement(
    name="blink",
    events="blink-like peak(s)",
    needs="a frontal electrode",
    advice=(
        "if there are blinks, name an EOG channel (eog, --eog), or lower min_blinks or min_score"
    ),
    freq_range=BLINK_BAND,
    shown_range=None,
    weights=_vertical,
    find=_find_blinks,
    potential=blink_potential,
    size=peak_size,
    height=peak_height,
    alignment=ALIGNMENT,
    frontal=True,
    two_sided=False,
)
SACCADE = EyeMovement(
    name="saccade",
    events="step(s)",
    needs="F7 and F8 or AF7 and AF8",
    advice=(
        "if there are saccades, name a horizontal EOG (eog, --eog), or lower min_blinks or "
        "min_score"
    ),
    freq_range=SACCADE_BAND,
    shown_range=SACCADE_BAND,
    weights=_horizontal,
    find=_find_saccades,
    potential=saccade_potential,
    size=step_size,
    height=_step_height,
    alignment=0.0,
    frontal=False,
    two_sided=True,
)
