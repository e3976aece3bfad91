"""Power spectral densities of arrays."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy
from mne.time_frequency import psd_array_multitaper

from npa.checks import check_number, check_option, check_range
from npa.spectral.multitaper import tapered_power
from npa.typing import AnyArray, BoolArray, FloatArray, Span

MIN_WELCH_SECONDS, MIN_WELCH_SAMPLES = 4.0, 256
# Tapers of an hour would resolve 1 mHz, and fill the memory.
MAX_SEGMENT_SECONDS = 300.0
DEFAULT_BANDWIDTH_BINS = 8.0  # MNE's default
CACHE_SAMPLES = 2**20  # samples per call of SciPy, whose copies then fit into the cache
BLOCK_SAMPLES = 2**22  # samples estimated at once: limits SciPy's copies to some 100 MB

Block: TypeAlias = tuple[int, int, int]  # start, stop, number of windows or segments


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
          ``low_bias=True``, ``n_per_seg`` (segment length in samples; the whole input).
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
    power, n_fft = METHODS[method](x.reshape(-1, x.shape[-1]), sfreq, high, **options)
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
    Spans shorter than the Welch window (the longer of 4 s and 256 samples, or ``n_per_seg``)
    are left out; if all are shorter, only the longest is used. For Welch's method, and for
    multitaper with ``n_per_seg``, a span is weighted by its number of windows or segments; the
    mean is computed block by block, the median from all windows of a span. Otherwise spans are
    cut into segments as long as the shortest span kept, and at most 300 s, so that all have the
    same frequencies; samples left over at the end of a span are not used.

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
    _, options = _check_options(method, kwargs)
    window = _window_length(options.get("n_per_seg"), sfreq)
    spans = _usable_spans(spans, window, x.shape[-1])
    max_samples = BLOCK_SAMPLES // max(x.shape[0] * x.shape[1], 1)
    windowed = method == "welch" or options.get("n_per_seg") is not None
    if windowed:
        overlap = _overlap(options.get("n_overlap"), window) if method == "welch" else 0
        max_samples = x.shape[-1] if options.get("average") == "median" else max_samples
        blocks = _window_blocks(spans, window, window - overlap, max_samples)
    else:
        blocks = _segment_blocks(spans, round(MAX_SEGMENT_SECONDS * sfreq), max_samples)
    n_total = sum(n_windows for _, _, n_windows in blocks)
    freqs, total = np.empty(0), np.zeros(())
    for start, stop, n_windows in blocks:
        n_rows = 1 if windowed else n_windows
        block = x[..., start:stop].reshape(*x.shape[:2], n_rows, (stop - start) // n_rows)
        freqs, power = psd(block, sfreq, method=method, freq_range=freq_range, **kwargs)
        total = total + power.mean(axis=2) * (n_windows / n_total)
    return freqs, total


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
    x = np.asarray(x)
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
    one_sided = options.pop("one_sided", True)
    parameters = inspect.signature(METHODS[method]).parameters.values()
    allowed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(allowed)):
        raise TypeError(
            f"psd(method={method!r}) does not take {unknown}; it takes {[*allowed, 'one_sided']}."
        )
    check_option("detrend", options.get("detrend", False), ("constant", "linear", False))
    return one_sided, options


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


def _usable_spans(spans: Iterable[Span], window: int, n_times: int) -> list[Span]:
    spans = [(int(start), int(stop)) for start, stop in spans]
    if not spans or any(not 0 <= start < stop <= n_times for start, stop in spans):
        raise ValueError(
            f"spans must be at least one (start, stop) with 0 <= start < stop <= {n_times}, "
            f"got {spans}."
        )
    kept = [(start, stop) for start, stop in spans if stop - start >= window]
    return kept or [max(spans, key=lambda span: span[1] - span[0])]


def _window_blocks(spans: list[Span], window: int, step: int, max_samples: int) -> list[Block]:
    """Group overlapping windows into blocks of at most ``max_samples`` samples."""
    max_windows = max((max_samples - window) // step + 1, 1)
    blocks = []
    for start, stop in spans:
        remaining = max(stop - start - window, 0) // step + 1
        while remaining:
            n_windows = min(remaining, max_windows)
            blocks.append((start, min(start + (n_windows - 1) * step + window, stop), n_windows))
            start, remaining = start + n_windows * step, remaining - n_windows
    return blocks


def _segment_blocks(spans: list[Span], max_length: int, max_samples: int) -> list[Block]:
    """Group segments of one length into blocks of about ``max_samples`` samples."""
    length = min(max_length, *(stop - start for start, stop in spans))
    step = max(max_samples // length, 1) * length
    blocks = []
    for start, stop in spans:
        stop -= (stop - start) % length
        edges = [*range(start, stop, step), stop]
        blocks += [(low, high, (high - low) // length) for low, high in pairwise(edges)]
    return blocks


def _by_blocks(
    estimate: Callable[[FloatArray], FloatArray], rows: AnyArray, n_freqs: int
) -> FloatArray:
    power = np.empty((len(rows), n_freqs))
    step = max(CACHE_SAMPLES // rows.shape[-1], 1)
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        power[block] = estimate(rows[block].astype(np.float64, copy=False))
    return power


def _check_n_fft(n_fft: int | None, length: int) -> int:
    if n_fft is None:
        return length
    return int(check_number("n_fft", n_fft, low=length, integer=True))


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

    return _by_blocks(estimate, rows, n_fft // 2 + 1), n_fft


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

    def estimate(block: FloatArray) -> FloatArray:
        options = {"window": window, "nfft": n_fft, "detrend": detrend}
        power: FloatArray = scipy.signal.periodogram(block, fs=sfreq, **options)[1]
        return power

    return _by_blocks(estimate, rows, n_fft // 2 + 1), n_fft


def _multitaper(
    rows: AnyArray,
    sfreq: float,
    max_freq: float,
    *,
    bandwidth: float | None = None,
    adaptive: bool = False,
    low_bias: bool = True,
    n_per_seg: int | None = None,
    detrend: str | bool = "constant",
) -> tuple[FloatArray, int]:
    n_times = rows.shape[-1]
    length = n_times if n_per_seg is None else min(_window_length(n_per_seg, sfreq), n_times)
    if bandwidth is None:
        bandwidth = DEFAULT_BANDWIDTH_BINS * sfreq / length
    bandwidth = check_number("bandwidth", bandwidth, low=sfreq / length)
    if not adaptive:
        power = tapered_power(
            rows,
            sfreq,
            length,
            half_bandwidth=bandwidth * length / sfreq / 2,
            low_bias=low_bias,
            detrend=detrend,
            max_freq=max_freq,
        )
        return power, length
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
