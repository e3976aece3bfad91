"""Power spectral densities of arrays."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy
from mne.time_frequency import psd_array_multitaper

from npa.checks import (
    check_bool,
    check_number,
    check_option,
    check_range,
    check_values,
    finite_rows,
)
from npa.spectral.multitaper import tapered_power
from npa.typing import AnyArray, BoolArray, FloatArray, IntArray, Span

MIN_WELCH_SECONDS, MIN_WELCH_SAMPLES = 4.0, 256
# Tapers of an hour would resolve 1 mHz, and fill the memory.
MAX_SEGMENT_SECONDS = 300.0
DEFAULT_BANDWIDTH_BINS = 8.0  # MNE's default
# Windows shrink until they use as much of the clean time, and, where the ends of spans count half
# a window less, as much of what one span of the same length would give. In simulations with 20
# annotated blinks per minute the exponent's spread is 1.2 times that without at a weighted share
# of 0.6, and 1.0 times at 0.75 (slopes: 1.45 and 1.28), in windows of 1.9 and 1.25 s.
MIN_SHARE_USED, MIN_WEIGHTED_SHARE = 0.8, 0.75
# Below this part of the default window (1 s), they only shrink for want of half the clean time.
SHORTEST_WINDOW, MIN_SHARE_OF_SHORTEST = 0.25, 0.5
MIN_WINDOW = 2  # samples
MAX_FFT = 2**31  # samples; more would fill the memory
# Multitaper segments are at least half as long as the longest, in steps of a 16th.
PART_STEPS, MIN_PART_STEPS = 16, 8
LENGTH_STEP = 1.01  # ratio of the window lengths that are tried
CACHE_SAMPLES = 2**20  # samples per call of SciPy, whose copies then fit into the cache
BLOCK_SAMPLES = 2**22  # samples estimated at once: limits SciPy's copies to some 100 MB


class Block(NamedTuple):
    """Consecutive windows or segments of one length, which are estimated together."""

    start: int
    n_windows: int
    length: int
    step: int  # from one window to the next
    weight: float

    @property
    def stop(self) -> int:
        """One past the last sample."""
        return self.start + (self.n_windows - 1) * self.step + self.length

    def split(self, max_samples: int) -> list["Block"]:
        """Return blocks of at most ``max_samples`` samples with the same windows."""
        n_max = max((max_samples - self.length) // self.step + 1, 1)
        blocks = []
        for first in range(0, self.n_windows, n_max):
            n_windows = min(n_max, self.n_windows - first)
            start, weight = self.start + first * self.step, self.weight * n_windows / self.n_windows
            blocks.append(Block(start, n_windows, self.length, self.step, weight))
        return blocks


@dataclass(frozen=True)
class SpanPlan:
    """Which samples of some spans a power spectrum is estimated from.

    Parameters
    ----------
    blocks : tuple of Block
        The windows or segments, grouped by span.
    length : int
        Length of the windows, or of the longest segments, in samples.
    n_used, n_clean : int
        Samples that are read, and that the spans hold.
    """

    blocks: tuple[Block, ...]
    length: int
    n_used: int
    n_clean: int


def psd(
    x: npt.ArrayLike,
    sfreq: float,
    *,
    method: str = "welch",
    freq_range: tuple[float, float] | None = None,
    **kwargs: Any,
) -> tuple[FloatArray, FloatArray]:
    """Estimate the power spectral density of signals along the last axis.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Real signals, in volts. Converted to float64.
    sfreq : float
        Sampling frequency in Hz.
    method : "welch" | "multitaper" | "periodogram"
        The estimator.
    freq_range : tuple of float | None
        Lowest and highest frequency returned, in Hz (inclusive); None for all.
    **kwargs
        ``one_sided=True`` and ``detrend="constant"`` (or ``"linear"``, ``False``) for every
        method. In addition, for

        * ``"welch"``: ``n_per_seg`` (window length in samples; the longer of 4 s and 256
          samples), ``n_overlap`` (half of it), ``n_fft`` (``n_per_seg``), ``window="hann"``,
          ``average="mean"`` or ``"median"``. Windows shrink to a shorter input.
        * ``"multitaper"``: ``bandwidth`` in Hz (8 frequency bins), ``adaptive=False``,
          ``low_bias=True``, ``n_per_seg`` (segment length in samples; the whole input), ``n_fft``
          (``n_per_seg``; not with ``adaptive``).
        * ``"periodogram"``: ``window="boxcar"``, ``n_fft`` (the length of the input).

    Returns
    -------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (..., n_freqs)
        Density in V^2/Hz. NaN in a signal makes the densities of that signal NaN.

    Raises
    ------
    TypeError
        If ``x`` is not real, or a keyword is unknown to the method.
    ValueError
        If an argument is out of its range, or no frequency lies within ``freq_range``.

    Notes
    -----
    The one-sided density ``S`` satisfies ``sum(S) * df = mean(x**2)``: exactly for the
    periodogram with a boxcar window and without detrending, in expectation otherwise.
    ``one_sided=False`` gives the non-negative frequencies of the two-sided density: all values
    are halved except those at 0 Hz and Nyquist, which have no negative counterpart. Then the
    periodogram with ``window="boxcar", detrend=False`` is ``|FFT(x)|**2 / (sfreq * n_times)``.

    Multitaper segments do not overlap; samples left over at the end are not used. A segment
    longer than the input is shortened to it. The upper end of ``freq_range`` makes the
    multitaper spectrum of a long recording faster: see `npa.spectral.multitaper.tapered_power`.

    References
    ----------
    Welch, P. (1967). The use of fast Fourier transform for the estimation of power spectra.
    IEEE Trans. Audio Electroacoust., 15(2), 70-73. https://doi.org/10.1109/TAU.1967.1161901

    Thomson, D. J. (1982). Spectrum estimation and harmonic analysis. Proc. IEEE, 70(9),
    1055-1096. https://doi.org/10.1109/PROC.1982.12433

    Examples
    --------
    >>> import numpy as np
    >>> sine = np.sin(2 * np.pi * 10 * np.arange(2560) / 256)
    >>> freqs, power = psd(sine, sfreq=256.0, freq_range=(1, 45))
    >>> float(freqs[power.argmax()])
    10.0
    >>> round(float(power.sum() * (freqs[1] - freqs[0])), 3)  # mean square of a sine
    0.5
    """
    x = check_signals(x)
    sfreq = check_number("sfreq", sfreq, above=0)
    one_sided, options = _check_options(method, kwargs)
    low, high = (0.0, np.inf) if freq_range is None else check_range("freq_range", freq_range)
    rows = x.reshape(-1, x.shape[-1])
    finite = finite_rows(rows)
    if not finite.all():  # SciPy's linear detrending raises an error on NaN
        rows = np.where(finite[:, np.newaxis], rows, 0)
    power, n_fft = METHODS[method](rows, sfreq, high, **options)
    power[~finite] = np.nan
    if not one_sided:
        power[:, 1 : (n_fft + 1) // 2] /= 2
    freqs = np.arange(n_fft // 2 + 1) * sfreq / n_fft
    keep = _within(freqs, low, high)
    # A method may leave out frequencies above the range.
    power = power[:, keep[: power.shape[1]]]
    return freqs[keep], power.reshape(*x.shape[:-1], keep.sum())


def psd_of_spans(
    x: Any,
    spans: Sequence[Span],
    sfreq: float,
    *,
    method: str = "welch",
    freq_range: tuple[float, float] | None = None,
    **kwargs: Any,
) -> tuple[FloatArray, FloatArray]:
    """Average the power spectral density over clean spans, never across their edges.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Real signals, in volts. Of an object with a ``shape`` only blocks ``x[..., start:stop]``
        are read, so the samples may be on disk.
    spans : sequence of (int, int)
        Start and stop (exclusive) of each continuous, clean span, in samples.
    sfreq : float
        Sampling frequency in Hz.
    method : "welch" | "multitaper" | "periodogram"
        The estimator.
    freq_range : tuple of float | None
        Lowest and highest frequency returned, in Hz (inclusive); None for all.
    **kwargs
        As for `psd`.

    Returns
    -------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_epochs, n_channels, n_freqs)
        Density in V^2/Hz.

    Raises
    ------
    TypeError, ValueError
        As `psd`, and if there is no span, or a span is empty or not within the samples.

    Notes
    -----
    Windows have one length, so that all spans have the same frequencies: for Welch's method the
    longer of 4 s and 256 samples, for the others that of the longest span and at most 300 s. Where
    these would use less than 80 % of the samples of several spans (or, for Welch's method, give
    less than 75 % of the windows that fit into one span as long as all), they shrink until they do
    not; below 1 s only if windows of 1 s would use less than half of the samples. ``n_per_seg`` is
    kept as long as any span holds it. See `plan_spans` for what is used.

    Welch windows are spread over each of several spans, and overlap by at least ``n_overlap``. A
    span is weighted by the windows that fit into it, otherwise by the samples used; Welch's mean
    is computed block by block, the median from all windows of a span. Without ``n_per_seg`` and
    ``adaptive``, what is left of a span, if it is at least half as long as a multitaper segment,
    is padded to the same frequencies and tapered to the same bandwidth in Hz.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1, 2, 5000))
    >>> spans = [(0, 2000), (2100, 5000)]
    >>> freqs, power = psd_of_spans(x, spans, sfreq=100.0, freq_range=(0, 40))
    >>> power.shape
    (1, 2, 161)
    """
    x = x if hasattr(x, "shape") else check_signals(x)
    if len(x.shape) != 3:
        raise ValueError(f"x must have shape (n_epochs, n_channels, n_times), got {x.shape}.")
    sfreq = check_number("sfreq", sfreq, above=0)
    plan = plan_spans(spans, x.shape[-1], sfreq, method=method, **kwargs)
    n_total = sum(block.weight for block in plan.blocks)
    freqs, total = np.empty(0), np.zeros(())
    options: dict[str, Any] = {"method": method, "freq_range": freq_range, **kwargs}
    for block, grid, power in spectra_of_blocks(x, plan.blocks, plan.length, sfreq, **options):
        power *= block.weight / n_total
        freqs, total = grid, total + power if total.ndim else power
    return freqs, total


def spectra_of_blocks(
    x: Any,
    blocks: Iterable[Block],
    length: int,
    sfreq: float,
    *,
    method: str = "welch",
    freq_range: tuple[float, float] | None = None,
    **kwargs: Any,
) -> Iterator[tuple[Block, FloatArray, FloatArray]]:
    """Estimate the power spectral densities of blocks of windows, one after the other.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Real signals, in volts, of which blocks ``x[..., start:stop]`` are read.
    blocks : iterable of Block
        The windows, from `plan_spans`.
    length : int
        Length of the longest windows in samples, which sets the frequencies.
    sfreq : float
        Sampling frequency in Hz.
    method, freq_range, **kwargs
        As for `psd_of_spans`.

    Yields
    ------
    block : Block
        A block, or the part of one that fits into memory.
    freqs : array, shape (n_freqs,)
        Frequencies in Hz.
    power : array, shape (n_epochs, n_channels, n_freqs)
        Its density in V^2/Hz.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1, 2, 1000))
    >>> plan = plan_spans([(0, 1000)], 1000, 100.0, n_per_seg=200)
    >>> [(block.n_windows, power.shape) for block, _, power in
    ...  spectra_of_blocks(x, plan.blocks, plan.length, 100.0)]
    [(9, (1, 2, 101))]
    """
    options = dict(kwargs)
    if method == "multitaper":
        options["n_per_seg"] = None
        if not kwargs.get("adaptive"):
            options["n_fft"] = kwargs.get("n_fft") or length
            if kwargs.get("bandwidth") is None:
                options["bandwidth"] = DEFAULT_BANDWIDTH_BINS * sfreq / length
    max_samples = BLOCK_SAMPLES // max(x.shape[1], 1)
    if kwargs.get("average") == "median":
        max_samples = x.shape[-1]
    for whole in blocks:
        for block in whole.split(max_samples):
            n_rows = block.n_windows
            if method == "welch":
                n_rows = 1
                options |= {"n_per_seg": block.length, "n_overlap": block.length - block.step}
            n_at_once = max(max_samples // (block.stop - block.start), 1)
            whole_power = np.empty((*x.shape[:2], 0))
            for first in range(0, x.shape[0], n_at_once):
                # Samples on disk cannot be indexed by epoch, but they have only one.
                some = x if x.shape[0] <= n_at_once else x[first : first + n_at_once]
                samples = some[..., block.start : block.stop]
                samples = samples.reshape(*samples.shape[:2], n_rows, -1)
                freqs, part = psd(samples, sfreq, method=method, freq_range=freq_range, **options)
                if not first:
                    whole_power = np.empty((*x.shape[:2], len(freqs)))
                mean = part.mean(axis=2) if n_rows > 1 else part[:, :, 0]
                whole_power[first : first + n_at_once] = mean
            yield block, freqs, whole_power


def plan_spans(
    spans: Iterable[Span], n_times: int, sfreq: float, *, method: str = "welch", **kwargs: Any
) -> SpanPlan:
    """Choose the windows from which `psd_of_spans` estimates power.

    Parameters
    ----------
    spans : sequence of (int, int)
        Start and stop (exclusive) of each continuous, clean span, in samples.
    n_times : int
        Samples of the recording.
    sfreq : float
        Sampling frequency in Hz.
    method : "welch" | "multitaper" | "periodogram"
        The estimator.
    **kwargs
        As for `psd`.

    Returns
    -------
    plan : SpanPlan
        The windows.

    Raises
    ------
    TypeError, ValueError
        As `psd`, and if there is no span, or a span is empty or not within the samples.

    Examples
    --------
    Blinks every 3 s leave no window of 4 s:

    >>> spans = [(300 * blink + 60, 300 * blink + 300) for blink in range(20)]
    >>> plan = plan_spans(spans, 6000, 100.0)
    >>> plan.length, plan.n_used, plan.n_clean
    (134, 4800, 4800)
    """
    spans = _check_spans(spans, n_times)
    _, options = _check_options(method, kwargs)
    given = options.get("n_per_seg")
    window = _window_length(given, sfreq)
    lengths = np.array([stop - start for start, stop in spans])
    parts = method == "multitaper" and given is None and not options.get("adaptive")
    parts = parts and options.get("n_fft") is None and len(spans) > 1
    if given is not None or method == "welch":
        longest = min(window, lengths.max())
    else:
        longest = min(round(MAX_SEGMENT_SECONDS * sfreq), lengths.max())

    n_clean = int(lengths.sum())

    def enough(length: int, share: float = MIN_SHARE_USED) -> bool:
        if method != "welch":
            rest = lengths % length
            n_used = (lengths - rest + _longest_part(rest, length, parts)).sum()
            return bool(n_used >= share * n_clean)
        kept = lengths[lengths >= length]
        n_weighted = (kept - length / 2).sum()  # windows fall off to 0 at both ends of a span
        uninterrupted = max(n_clean - window / 2, 0)
        weighted_share = share * MIN_WEIGHTED_SHARE / MIN_SHARE_USED
        return bool(kept.sum() >= share * n_clean and n_weighted >= weighted_share * uninterrupted)

    length = int(longest)
    if len(spans) > 1 and (given is None or length < window):
        shortest = SHORTEST_WINDOW * (window if given is None else length)
        if method != "welch":  # segments do not overlap; those of multitaper may be half as long
            shortest *= 2 if parts else 0.5
        # In windows of less than 2 / bandwidth seconds no taper keeps to a given bandwidth.
        bandwidth = options.get("bandwidth")
        resolved = 0 if bandwidth is None else math.ceil(2 * sfreq / bandwidth)
        shortest = min(max(int(shortest), resolved, MIN_WINDOW), length)
        length = max(_usable_length(enough, lengths, length, shortest), min(resolved, length))
    if method == "welch":
        blocks = _window_blocks(spans, length, length - _shrunk_overlap(length, sfreq, options))
    else:
        blocks = _segment_blocks(spans, length, parts)
    n_used = sum(block.stop - block.start for block in blocks)
    # Tapers of a length are computed once.
    blocks.sort(key=lambda block: (-block.length, block.start))
    return SpanPlan(tuple(blocks), length, n_used, n_clean)


def check_signals(x: npt.ArrayLike, min_times: int = 2) -> AnyArray:
    """Return ``x`` as an array of real numbers with samples along its last axis.

    Parameters
    ----------
    x : array, shape (..., n_times)
        The values to check.
    min_times : int, default 2
        Smallest number of samples allowed.

    Returns
    -------
    x : array, shape (..., n_times)
        The same values; an array is not copied.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If there are too few samples.

    Examples
    --------
    >>> check_signals([[1, 2, 3]]).shape
    (1, 3)
    """
    try:
        x = np.asarray(x)
    except ValueError:  # lists of different lengths
        raise ValueError(f"x must be an array, got {x!r:.100}.") from None
    if not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x):
        raise TypeError(f"x must hold real numbers, got dtype {x.dtype}.")
    if x.ndim == 0 or x.shape[-1] < min_times:
        raise ValueError(
            f"x must have at least {min_times} samples along its last axis, got shape {x.shape}."
        )
    return x


def _check_options(method: str, kwargs: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Return ``one_sided``, and the keywords of the method."""
    check_option("method", method, METHODS)
    options = dict(kwargs)
    one_sided = check_bool("one_sided", options.pop("one_sided", True))
    for flag in {"adaptive", "low_bias"} & options.keys():
        check_bool(flag, options[flag])
    parameters = inspect.signature(METHODS[method]).parameters.values()
    allowed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(allowed)):
        raise TypeError(
            f"psd(method={method!r}) does not take {unknown}; it takes {[*allowed, 'one_sided']}."
        )
    check_option("detrend", options.get("detrend", False), ("constant", "linear", False))
    return one_sided, options


def _check_window(window: Any, length: int) -> Any:
    """Return a window of SciPy's, or an array of ``length`` weights."""
    if isinstance(window, (str, tuple)) or window is None:
        window = window or "boxcar"
        try:
            scipy.signal.get_window(window, 8)
        except (ValueError, TypeError) as error:
            raise ValueError(f"window must be one of SciPy's, got {window!r}: {error}") from None
        return window
    window = check_values("window", window, ndim=1)
    if window.shape != (length,):
        raise ValueError(
            f"window must be the name of one of SciPy's, or {length} weights, got {window.shape}."
        )
    return window


def _within(freqs: FloatArray, low: float, high: float) -> BoolArray:
    keep = (freqs >= low) & (freqs <= high)
    if not keep.any():
        raise ValueError(
            f"no frequency lies within freq_range=({low:g}, {high:g}) Hz: the spectrum goes up "
            f"to {freqs[-1]:g} Hz in steps of {freqs[1]:g} Hz."
        )
    return keep


def _window_length(n_per_seg: int | None, sfreq: float) -> int:
    if n_per_seg is None:
        return max(round(MIN_WELCH_SECONDS * sfreq), MIN_WELCH_SAMPLES)
    return int(check_number("n_per_seg", n_per_seg, low=2, integer=True))


def _overlap(n_overlap: int | None, window: int) -> int:
    if n_overlap is None:
        return window // 2
    return int(check_number("n_overlap", n_overlap, low=0, below=window, integer=True))


def _shrunk_overlap(length: int, sfreq: float, options: dict[str, Any]) -> int:
    """Return the overlap of Welch windows, in proportion where they had to shrink."""
    if options.get("n_overlap") is None:
        return length // 2
    window = _window_length(options.get("n_per_seg"), sfreq)
    return _overlap(options["n_overlap"], window) * length // window


def _check_spans(spans: Iterable[Span], n_times: int) -> list[Span]:
    try:
        spans = [
            (check_number("spans", start, integer=True), check_number("spans", stop, integer=True))
            for start, stop in spans
        ]
    except (TypeError, ValueError):
        raise TypeError(f"spans must be pairs (start, stop) of samples, got {spans!r}.") from None
    if not spans or any(not 0 <= start < stop <= n_times for start, stop in spans):
        raise ValueError(
            f"spans must be at least one (start, stop) with 0 <= start < stop <= {n_times}, "
            f"got {spans}."
        )
    return spans


def _usable_length(
    enough: Callable[..., bool], lengths: IntArray, longest: int, shortest: int
) -> int:
    """Return the longest window length that uses enough of the spans."""
    if enough(longest):
        return longest
    tried = longest * LENGTH_STEP ** -np.arange(np.log(longest / 2) / np.log(LENGTH_STEP))
    candidates = {int(each) for each in (*tried, *lengths, *2 * lengths) if 2 <= each < longest}
    long_enough = [each for each in candidates if each >= shortest]
    for length in sorted(long_enough, reverse=True):
        if enough(length):
            return length
    if enough(shortest, MIN_SHARE_OF_SHORTEST):
        return shortest
    return next((each for each in sorted(candidates, reverse=True) if enough(each)), longest)


def _longest_part(rest: IntArray, length: int, parts: bool) -> IntArray:
    """Return how many samples of what whole segments leave of each span make another one."""
    steps = np.arange(MIN_PART_STEPS, PART_STEPS) if parts else np.empty(0, int)
    part_lengths = np.append(0, -(-steps * length // PART_STEPS))
    longest: IntArray = part_lengths[np.searchsorted(part_lengths, rest, side="right") - 1]
    return longest


def _window_blocks(spans: list[Span], length: int, longest_step: int) -> list[Block]:
    """Return the windows of every span that holds one.

    Those of several spans are spread over each span, for which they may overlap by more.
    """
    blocks = []
    for start, stop in spans:
        steps = (stop - start - length) / longest_step
        if steps < 0:
            continue
        n_steps = int(steps) if len(spans) == 1 else int(np.ceil(steps))
        step = (
            longest_step if len(spans) == 1 or not n_steps else (stop - start - length) // n_steps
        )
        weight = n_steps + 1 if len(spans) == 1 else steps + 1
        blocks.append(Block(start, n_steps + 1, length, max(step, 1), weight))
    return blocks


def _segment_blocks(spans: list[Span], length: int, parts: bool) -> list[Block]:
    """Return the segments of every span, and with ``parts`` also what is left at their ends."""
    blocks = []
    for start, stop in spans:
        n_segments = (stop - start) // length
        end = start + n_segments * length
        if n_segments:
            blocks.append(Block(start, n_segments, length, length, n_segments * length))
        part = int(_longest_part(np.array(stop - end), length, parts))
        if part:
            blocks.append(Block(end, 1, part, part, part))
    return blocks


def _by_blocks(
    estimate: Callable[[FloatArray], FloatArray],
    rows: AnyArray,
    n_fft: int,
    sfreq: float,
    max_freq: float,
) -> FloatArray:
    freqs = np.arange(n_fft // 2 + 1) * sfreq / n_fft
    n_freqs = max(int((freqs <= max_freq).sum()), 1)
    power = np.empty((len(rows), n_freqs))
    step = max(CACHE_SAMPLES // rows.shape[-1], 1)
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        power[block] = estimate(rows[block].astype(np.float64, copy=False))[:, :n_freqs]
    return power


def _check_n_fft(n_fft: int | None, length: int) -> int:
    if n_fft is None:
        return length
    return int(check_number("n_fft", n_fft, low=length, high=MAX_FFT, integer=True))


def _welch(
    rows: AnyArray,
    sfreq: float,
    max_freq: float,
    *,
    n_per_seg: int | None = None,
    n_overlap: int | None = None,
    n_fft: int | None = None,
    window: Any = "hann",
    detrend: str | bool = "constant",
    average: str = "mean",
) -> tuple[FloatArray, int]:
    check_option("average", average, ("mean", "median"))
    requested = _window_length(n_per_seg, sfreq)
    n_overlap = _overlap(n_overlap, requested)
    length = min(requested, rows.shape[-1])
    if length < requested:  # there is only one window
        n_overlap = 0
    n_fft = _check_n_fft(n_fft, length)
    window = _check_window(window, length)
    detrend = detrend or False  # SciPy does not take 0

    def estimate(block: FloatArray) -> FloatArray:
        power: FloatArray = scipy.signal.welch(
            block,
            fs=sfreq,
            window=window,
            nperseg=length,
            noverlap=n_overlap,
            nfft=n_fft,
            detrend=detrend,
            average=average,
        )[1]
        return power

    return _by_blocks(estimate, rows, n_fft, sfreq, max_freq), n_fft


def _periodogram(
    rows: AnyArray,
    sfreq: float,
    max_freq: float,
    *,
    n_fft: int | None = None,
    window: Any = "boxcar",
    detrend: str | bool = "constant",
) -> tuple[FloatArray, int]:
    n_fft = _check_n_fft(n_fft, rows.shape[-1])
    window = _check_window(window, rows.shape[-1])
    detrend = detrend or False  # SciPy does not take 0

    def estimate(block: FloatArray) -> FloatArray:
        options = {"window": window, "nfft": n_fft, "detrend": detrend}
        power: FloatArray = scipy.signal.periodogram(block, fs=sfreq, **options)[1]
        return power

    return _by_blocks(estimate, rows, n_fft, sfreq, max_freq), n_fft


def _multitaper(
    rows: AnyArray,
    sfreq: float,
    max_freq: float,
    *,
    bandwidth: float | None = None,
    adaptive: bool = False,
    low_bias: bool = True,
    n_per_seg: int | None = None,
    n_fft: int | None = None,
    detrend: str | bool = "constant",
) -> tuple[FloatArray, int]:
    n_times = rows.shape[-1]
    length = n_times if n_per_seg is None else min(_window_length(n_per_seg, sfreq), n_times)
    if bandwidth is None:
        bandwidth = DEFAULT_BANDWIDTH_BINS * sfreq / length
    # As many tapers as samples is the limit.
    bandwidth = check_number("bandwidth", bandwidth, low=sfreq / length, below=sfreq)
    if adaptive and n_fft is not None:
        raise ValueError(f"n_fft must be None with adaptive=True, got {n_fft!r}.")
    n_fft = _check_n_fft(n_fft, length)
    if not adaptive:
        power = tapered_power(
            rows,
            sfreq,
            length,
            half_bandwidth=bandwidth * length / sfreq / 2,
            low_bias=low_bias,
            detrend=detrend,
            max_freq=max_freq,
            n_fft=n_fft,
        )
        return power, n_fft
    n_segments = n_times // length
    segments = rows[:, : n_segments * length].reshape(-1, length).astype(np.float64, copy=False)
    # MNE's "length" normalization would leave out the 1/sfreq that makes this V^2/Hz.
    power, _ = psd_array_multitaper(
        scipy.signal.detrend(segments, type=detrend) if detrend else segments,
        sfreq,
        bandwidth=bandwidth,
        adaptive=adaptive,
        low_bias=low_bias,
        normalization="full",
        remove_dc=False,
        verbose="warning",
    )
    return power.reshape(len(rows), n_segments, -1).mean(axis=1), length


METHODS: dict[str, Callable[..., tuple[FloatArray, int]]] = {
    "welch": _welch,
    "multitaper": _multitaper,
    "periodogram": _periodogram,
}
