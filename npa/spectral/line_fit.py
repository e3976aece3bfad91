"""Line noise of many channels: its components, and the windows in which they are fitted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from npa.spectral.covariances import JointDecorrelation, band_covariances, joint_decorrelation
from npa.spectral.line_noise import (
    MAINS,
    WANDER_SECONDS,
    Line,
    find_line,
    line_weights,
    refine_frequency,
)
from npa.spectral.line_search import AUTO_WIDTH, LineSpectra, choose_pieces, reading
from npa.spectral.sinusoids import candidate_windows, choose_window, sliding_sinusoid
from npa.typing import FloatArray, IntArray, Span

DEFAULT_WINDOW = 10.0  # s, where nothing can be chosen
NEAR_HZ = 1.5  # a line so near to one that was given, but outside of its width, is told
MIN_ELSEWHERE = 3.0  # ratio to the background of lines that are told
N_BASE = 5  # multiples from which the frequency is taken
MIN_SPATIAL_CHANNELS = 8
# Share of the components that may hold line noise that channels share, and its share in them. In
# 150 simulations (8 to 64 channels, 10 to 120 s) noise of rank 1 to 4 is in as many components,
# which hold at least 98 % of it; noise that every channel has for itself, modulated independently,
# is in at least 20 % of the components, and in more than 25 % unless the recording lasts 10 s only.
MAX_SHARED_COMPONENTS = 0.25
MIN_SHARED_POWER = 0.9
# Scores count above this multiple of the largest expected without a line. In 50 simulated
# backgrounds whose level changes over time the largest score is 1.1 times that in the median, and
# 2.0 times at most.
MIN_EXCESS = 2.5
STRONG_SCORE = 30.0  # no rhythm stands out so much
N_SAMPLED = 8  # channels on which the window is chosen if they are fitted one by one


@dataclass(frozen=True, eq=False)
class LineComponents:
    """What is removed at one frequency.

    Parameters
    ----------
    nominal, freq : float
        Frequency that was asked for, and that of the line, in Hz.
    found : bool
        Whether a line stands out there.
    wander : float
        Standard deviation of its frequency over time in Hz; NaN if it is not known.
    filters : array, shape (n_components, n_channels)
        Spatial filters of the components whose sinusoid is removed; none if channels are fitted
        one by one.
    patterns : array, shape (n_channels, n_components)
        Their patterns.
    scores : array, shape (n_components,)
        Power of each component at the line over that of the background.
    windows : tuple of int
        Length of the windows of each component's fit (of each channel's, if there are no
        components) in samples; 0 where nothing is removed.
    """

    nominal: float
    freq: float
    found: bool
    wander: float
    filters: FloatArray
    patterns: FloatArray
    scores: FloatArray
    windows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LineFit:
    """What is removed at all frequencies.

    Parameters
    ----------
    lines : tuple of LineComponents
        What is removed at each.
    method : {"spatial", "spectrum_fit"}
        Whether components are removed, or every channel is fitted.
    reason : str
        Why.
    elsewhere : tuple of Line
        Lines that stand out near the frequencies, or at the other mains frequency, and stay.
    """

    lines: tuple[LineComponents, ...]
    method: str
    reason: str
    elsewhere: tuple[Line, ...] = ()


def fit_lines(
    x: Any,
    spans: Sequence[Span],
    sfreq: float,
    channels: IntArray,
    spectra: LineSpectra,
    nominal: FloatArray,
    widths: FloatArray,
    *,
    harmonic: bool = True,
    method: str = "auto",
    n_remove: int | None = None,
    window: float | None = None,
) -> LineFit:
    """Find the components and windows in which lines are removed.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Samples, read as blocks ``x[..., start:stop]``.
    spans : sequence of (int, int)
        Continuous, clean spans.
    sfreq : float
        Sampling rate in Hz.
    channels : array of int
        Channels to use.
    spectra : LineSpectra
        Their spectra.
    nominal, widths : array, shape (n_lines,)
        Frequencies in Hz, and the widths around them within which lines are looked for.
    harmonic : bool, default True
        Whether the frequencies are multiples of the first.
    method : {"auto", "spatial", "spectrum_fit"}
        As for `npa.LineNoiseRemover`.
    n_remove : int | None
        Number of components; None for those in which the line stands out.
    window : float | None
        Length of the windows in s; None for the best.

    Returns
    -------
    fit : LineFit
        What to remove.

    Raises
    ------
    ValueError
        If ``n_remove`` is larger than the rank of the channels.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1, 9, 8000))
    >>> x += np.sin(2 * np.pi * 50 * np.arange(8000) / 200)
    >>> channels = np.arange(9)
    >>> from npa.spectral.line_search import line_spectra
    >>> spectra = line_spectra(x, [(0, 8000)], 200.0, channels, 50.0)
    >>> fit = fit_lines(x, [(0, 8000)], 200.0, channels, spectra, np.array([50.0]), np.ones(1))
    >>> fit.method, fit.lines[0].filters.shape
    ('spatial', (1, 9))
    """
    default = round((window or DEFAULT_WINDOW) * sfreq)
    n_channels = len(channels)
    if not len(nominal):
        return LineFit((), "spectrum_fit", "there is no line")
    if not spectra.window:
        empty = np.zeros((0, n_channels)), np.zeros((n_channels, 0)), np.zeros(0)
        return LineFit(
            tuple(
                LineComponents(
                    float(freq), float(freq), False, np.nan, *empty, (default,) * n_channels
                )
                for freq in nominal
            ),
            "spectrum_fit",
            "the data are too short to look for components",
        )
    found = _find_lines(spectra, nominal, widths, harmonic)
    bands = [
        line_weights(spectra.freqs, line.freq, [each.freq for each in found]) for line in found
    ]
    covariances = band_covariances(
        x,
        spans,
        spectra.window,
        [weights for band in bands for weights in band],
        channels=channels,
        taper=spectra.taper,
        **reading(window=spectra.window, sfreq=sfreq),
    )
    problems = [
        _Problem(
            line,
            signal,
            reference / spectra.energy,
            far / spectra.energy,
            joint := joint_decorrelation(signal, reference),
            _n_components(joint, band[0], band[1], spectra.count),
            spectra.energy,
        )
        for line, band, (signal, reference, far) in zip(
            found, bands, covariances.reshape(len(found), 3, n_channels, n_channels), strict=True
        )
    ]
    if n_remove is not None and method != "spectrum_fit":
        rank = min(problem.joint.rank for problem in problems)
        if n_remove > rank:
            raise ValueError(
                f"n_remove must be at most the rank of the data, {rank}, got {n_remove}."
            )
    shared, reason = _is_shared(problems, method)
    rows = [problem.rows(spectra, n_remove if shared else 0) for problem in problems]
    pieces = _read(x, choose_pieces(spans, x.shape[0], sfreq), channels, np.concatenate(rows))
    edges = np.cumsum([0, *map(len, rows)])
    series = [[piece[:, i:j] for piece in pieces] for i, j in pairwise(edges)]
    scales, wanders = _refined(problems, series, sfreq, spectra.window / sfreq, harmonic, widths)
    candidates = candidate_windows(sfreq, float(nominal.min())) if window is None else [default]
    lines: dict[int, LineComponents] = {}
    freqs = [problem.line.freq * scale for problem, scale in zip(problems, scales, strict=True)]
    keep = default if shared and n_remove is not None else 0
    # The strongest first: at the ends of pieces it leaks into the others.
    order = sorted(range(len(problems)), key=lambda index: -problems[index].strength)
    for index in order:
        problem = problems[index]
        values = series[index]
        for other, line in lines.items():
            for piece in values if any(line.windows) else ():
                flat = piece.reshape(-1, piece.shape[-1])
                hum = sliding_sinusoid(flat, freqs[other] / sfreq, max(line.windows))
                piece -= hum.reshape(piece.shape)
        solve = problem.components if shared else problem.channels
        found_here = solve(values, rows[index], freqs[index] / sfreq, candidates, keep)
        lines[index] = LineComponents(
            float(nominal[index]),
            freqs[index],
            problem.line.found,
            wanders[index],
            *found_here,
        )
    ordered = tuple(lines[index] for index in range(len(problems)))
    return LineFit(
        ordered,
        "spatial" if shared else "spectrum_fit",
        reason,
        _elsewhere(spectra, nominal, found),
    )


@dataclass(frozen=True, eq=False)
class _Problem:
    """A line, its covariances and their joint diagonalization.

    Reference and what is further away are in variances per sample of white noise of their density.
    """

    line: Line
    signal: FloatArray
    reference: FloatArray
    far: FloatArray
    joint: JointDecorrelation
    count: int
    energy: float

    @property
    def ratio(self) -> FloatArray:
        """Power at the line over that of the background of each channel, per white variance."""
        floor = np.diag(self.reference)
        return np.divide(np.diag(self.signal), floor, out=np.zeros(len(floor)), where=floor > 0)

    @property
    def strength(self) -> float:
        """Power of the line in all channels."""
        return float(np.trace(self.signal))

    @property
    def limit(self) -> int:
        """Largest number of components that channels are said to share."""
        return max(int(MAX_SHARED_COMPONENTS * self.joint.rank), 1)

    def rows(self, spectra: LineSpectra, n_remove: int | None) -> FloatArray:
        """Return the filters of what windows are chosen on, first the strongest component."""
        if n_remove == 0:
            order = np.argsort(-self.ratio, kind="stable")[:N_SAMPLED]
            return np.concatenate([self.joint.filters[:1], np.eye(len(self.ratio))[order]])
        count = min(self.count, self.limit) if n_remove is None else n_remove
        return self.joint.filters[: max(count, 1)]

    def components(
        self,
        series: list[FloatArray],
        rows: FloatArray,
        cycles: float,
        candidates: list[int],
        keep: int,
    ) -> tuple[FloatArray, FloatArray, FloatArray, tuple[int, ...]]:
        """Choose the windows of the components; those without one go unless there is a ``keep``."""
        windows = []
        for row, filters in enumerate(rows if self.count or keep else []):
            # The background beside a strong line that bursts is its own.
            strong = self.joint.scores[row] > STRONG_SCORE
            background = filters @ self.reference @ filters
            if strong:
                background = min(background, filters @ self.far @ filters)
            values = [piece[:, row : row + 1] for piece in series]
            windows.append(
                choose_window(values, cycles, np.array([background]), candidates)[0] or keep
            )
        chosen = [row for row, window in enumerate(windows) if window]
        joint = self.joint
        return (
            rows[chosen],
            joint.patterns[:, chosen],
            joint.scores[chosen],
            tuple(windows[row] for row in chosen),
        )

    def channels(
        self,
        series: list[FloatArray],
        rows: FloatArray,
        cycles: float,
        candidates: list[int],
        keep: int,
    ) -> tuple[FloatArray, FloatArray, FloatArray, tuple[int, ...]]:
        """Choose the window of the channels together, and those in which it pays."""
        n_channels = len(self.signal)
        sampled = rows[1:].argmax(axis=1)
        background = np.diag(self.reference)
        values = [piece[:, 1:] for piece in series]
        window, _ = choose_window(values, cycles, background[sampled], candidates)
        windows = np.full(n_channels, window)
        return (
            np.zeros((0, n_channels)),
            np.zeros((n_channels, 0)),
            np.zeros(0),
            tuple(int(each) for each in windows),
        )


def _find_lines(
    spectra: LineSpectra, nominal: FloatArray, widths: FloatArray, harmonic: bool
) -> list[Line]:
    """Find the lines; multiples have one frequency in common, that of the strongest."""
    freqs, power = spectra.freqs, spectra.power
    lines = [
        find_line(freqs, power, freq, width / 2, [each for each in nominal if each != freq])
        for freq, width in zip(nominal, widths, strict=True)
    ]
    lines = [
        line if line.found and width > 0 else replace(line, freq=float(freq))
        for line, freq, width in zip(lines, nominal, widths, strict=True)
    ]
    if not harmonic:
        return lines
    first = [number for number, line in enumerate(lines[:N_BASE]) if line.found]
    if not first:
        return [replace(line, freq=float(f)) for line, f in zip(lines, nominal, strict=True)]
    best = max(first, key=lambda number: lines[number].ratio)
    scale = lines[best].freq / nominal[best]
    near = [
        find_line(freqs, power, freq * scale, 0.0, [each for each in nominal if each != freq])
        for freq in nominal
    ]
    return [replace(line, freq=float(f * scale)) for line, f in zip(near, nominal, strict=True)]


def _n_components(
    joint: JointDecorrelation, inside: FloatArray, beside: FloatArray, count: int
) -> int:
    """Return the number of components whose score finite data do not explain.

    Without a line the largest score has an expectation: the upper edge of the eigenvalues of a
    ratio of two covariances (a random F matrix), given their degrees of freedom.
    """
    # Bins of a Hann window are correlated: 1.5 of them are as good as 1.
    n_signal, n_reference = (2 * count * np.count_nonzero(each) / 1.5 for each in (inside, beside))
    y1, y2 = joint.rank / max(n_signal, 1), min(joint.rank / max(n_reference, 1), 0.9)
    edge = ((1 + np.sqrt(y1 + y2 - y1 * y2)) / (1 - y2)) ** 2
    return int(np.sum(joint.scores > MIN_EXCESS * edge))


def _is_shared(problems: list[_Problem], method: str) -> tuple[bool, str]:
    """Return whether components are removed, and why."""
    if method != "auto":
        return method == "spatial", "as it was asked for"
    n_channels = len(problems[0].signal)
    if n_channels < MIN_SPATIAL_CHANNELS:
        return False, f"{n_channels} usable channels are fewer than {MIN_SPATIAL_CHANNELS}"
    strongest = max(problems, key=lambda each: (each.line.found, each.line.ratio))
    count, limit = strongest.count, strongest.limit
    if count > limit:
        return (
            False,
            f"the line is not shared: it is in {count} components of {n_channels} channels",
        )
    share = _share(strongest)
    if share < MIN_SHARED_POWER:
        return False, f"{count} component(s) hold only {share:.0%} of the line's power: not shared"
    return True, f"{count} component(s) of {n_channels} channels hold {share:.0%} of its power"


def _share(problem: _Problem) -> float:
    """Return the share of the line's power, over that of the background, in its components."""
    joint, count = problem.joint, problem.count
    rest = np.eye(len(problem.signal)) - joint.patterns[:, :count] @ joint.filters[:count]
    excess = problem.signal - problem.reference * problem.energy
    scale = np.maximum(np.diag(problem.reference) * problem.energy, np.finfo(float).tiny)
    before = float((np.diag(excess) / scale).sum())
    after = float((np.diag(rest @ excess @ rest.T) / scale).sum())
    return 1 - max(after, 0.0) / before if before > 0 else 0.0


def _refined(
    problems: list[_Problem],
    series: list[list[FloatArray]],
    sfreq: float,
    seconds: float,
    harmonic: bool,
    widths: FloatArray,
) -> tuple[list[float], list[float]]:
    """Return the factors that correct the frequencies, by the phase of the first components."""
    scales, wanders = [1.0] * len(problems), [np.nan] * len(problems)
    found = [index for index, each in enumerate(problems) if each.line.found and widths[index] > 0]
    if harmonic and found:
        found = [max(found, key=lambda index: problems[index].joint.scores[:1].sum())]
    for index in found:
        line = problems[index].line
        pieces = [piece[:, 0] for piece in series[index]]
        freq, wander = refine_frequency(pieces, sfreq, line.freq)
        if abs(freq - line.freq) > widths[index] / 2 + 1 / seconds:
            continue
        # What noise makes of the phase in windows of 1 s is no wander.
        noise = (
            1 / (2 * np.pi * WANDER_SECONDS) / np.sqrt(problems[index].joint.scores[0] / seconds)
        )
        scales[index] = freq / line.freq
        wanders[index] = float(np.sqrt(max(wander**2 - noise**2, 0.0)))
    if harmonic and found:
        best = found[0]
        ratios = [problem.line.freq / problems[best].line.freq for problem in problems]
        return [scales[best]] * len(problems), [wanders[best] * ratio for ratio in ratios]
    return scales, wanders


def _elsewhere(spectra: LineSpectra, nominal: FloatArray, found: list[Line]) -> tuple[Line, ...]:
    """Return lines that stay: next to those that were given, or at the other mains frequency."""
    others = [line.freq for line in found]
    lines = []
    for each, line in zip(nominal[:1], found[:1], strict=True):
        if not line.found:
            lines.append(find_line(spectra.freqs, spectra.power, float(each), NEAR_HZ, others[1:]))
    if len(nominal) and any(abs(nominal[0] - mains) < AUTO_WIDTH for mains in MAINS):
        for mains in MAINS:
            if min(abs(nominal - mains)) > AUTO_WIDTH and mains < spectra.freqs[-2]:
                lines.append(find_line(spectra.freqs, spectra.power, mains, AUTO_WIDTH / 2, others))
    return tuple(line for line in lines if line.found and line.ratio >= MIN_ELSEWHERE)


def _read(
    x: Any, pieces: list[tuple[int, Span]], channels: IntArray, filters: FloatArray
) -> list[FloatArray]:
    """Read pieces of components of some channels, (n_pieces, n_components, n_times) by length."""
    found: dict[int, list[FloatArray]] = {}
    for epoch, (start, stop) in pieces:
        data = np.asarray(x[..., start:stop][epoch], dtype=float)[channels]
        found.setdefault(stop - start, []).append(filters @ data)
    return [np.array(each) for each in found.values()]
