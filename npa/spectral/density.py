"""Power spectral densities of arrays."""

import inspect
from itertools import pairwise

import numpy as np
import scipy
from mne.time_frequency import psd_array_multitaper

from npa.checks import check_number, check_option
from npa.spectral.multitaper import tapered_power

_WELCH_SECONDS, _WELCH_SAMPLES = 4.0, 256
_LONGEST_SECONDS = 300.0  # of a piece: tapers of an hour would resolve 1 mHz, and fill the memory
_BANDWIDTH = 8.0  # frequency bins over which tapers smooth; MNE's
_NEAR = 2**20  # samples that SciPy copies at once, so that they stay near the processor
BLOCK = 2**22  # samples estimated at once: bounds SciPy's copies to some 100 MB


def psd(x, sfreq, *, method="welch", fmin=0.0, fmax=np.inf, **kwargs):
    """Estimate the power spectral density of signals along the last axis.

    Parameters
    ----------
    x : array, shape (..., n_times)
        Real signals, in volts. Converted to float64.
    sfreq : float
        Sampling frequency in Hz.
    method : "welch" | "multitaper" | "periodogram"
        The estimator.
    fmin, fmax : float | None
        Lowest and highest frequency returned, in Hz (inclusive). ``None`` is no limit.
    **kwargs
        ``one_sided=True`` and ``detrend="constant"`` (or ``"linear"``, ``False``) for every
        method; besides, for

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
        Density in V^2/Hz. NaN in a signal makes its own densities NaN.

    Raises
    ------
    TypeError
        If ``x`` is not real, or a keyword is unknown to the method.
    ValueError
        If an argument is out of its range, or no frequency lies within ``fmin`` and ``fmax``.

    Notes
    -----
    The one-sided density ``S`` satisfies ``sum(S) * df = mean(x**2)``: exactly for the
    untapered periodogram without detrending, in expectation otherwise. ``one_sided=False``
    gives the non-negative bins of the two-sided density: 0 Hz and Nyquist, which have no
    mirror image, stay as they are, the rest is halved. Then the periodogram with
    ``window="boxcar", detrend=False`` is ``|FFT(x)|**2 / (sfreq * n_times)``.

    Multitaper segments follow each other without overlap; a rest shorter than one is left out,
    and one segment shrinks to a shorter input. ``fmax`` makes the multitaper spectrum of a long
    record faster: see `npa.spectral.multitaper.tapered_power`.

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
    >>> freqs, power = psd(sine, sfreq=256.0, fmin=1, fmax=45)
    >>> float(freqs[power.argmax()])
    10.0
    >>> round(float(power.sum() * (freqs[1] - freqs[0])), 3)  # mean square of a sine
    0.5
    """
    x = check_signals(x)
    sfreq = check_number("sfreq", sfreq, above=0)
    one_sided, options = _check_options(method, kwargs)
    fmin, fmax = _check_limits(fmin, fmax)
    power, n_fft = METHODS[method](x.reshape(-1, x.shape[-1]), sfreq, fmax, **options)
    if not one_sided:
        power[:, 1 : (n_fft + 1) // 2] /= 2
    freqs = np.arange(n_fft // 2 + 1) * sfreq / n_fft
    keep = _select(freqs, fmin, fmax)
    # A method may have left out what lies above fmax.
    power = power[:, keep[: power.shape[1]]]
    return freqs[keep], power.reshape(*x.shape[:-1], keep.sum())


def psd_of_runs(x, runs, sfreq, *, method="welch", fmin=0.0, fmax=np.inf, **kwargs):
    """Average the power spectral density over clean runs of samples, never across their edges.

    Parameters
    ----------
    x : array-like, shape (n_epochs, n_channels, n_times)
        Real signals, in volts. Of anything that has a ``shape`` only blocks ``x[..., start:stop]``
        are read, so that it may lie on disk.
    runs : list of (int, int)
        First sample and one past the last of each continuous, clean stretch.
    sfreq : float
        Sampling frequency in Hz.
    method : "welch" | "multitaper" | "periodogram"
        The estimator.
    fmin, fmax : float | None
        Lowest and highest frequency returned, in Hz (inclusive).
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
        As `psd`; or if a run is empty or not within the samples, or there is none.

    Notes
    -----
    Runs shorter than the Welch window (the longer of 4 s and 256 samples, or ``n_per_seg``)
    are left out; if all are, the longest is used alone. Densities with windows or segments of
    one length are weighted by how many a run holds; their mean needs only a few at once, the
    median all of a run. For the other methods the runs are cut into pieces as long as the shortest
    run kept, and at most 300 s, so that all share one frequency grid; a rest shorter than that is
    left out.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1, 2, 5000))
    >>> freqs, power = psd_of_runs(x, [(0, 2000), (2100, 5000)], sfreq=100.0, fmax=40)
    >>> power.shape
    (1, 2, 161)
    """
    x = x if hasattr(x, "shape") else check_signals(x)
    if len(x.shape) != 3:
        raise ValueError(f"x must have shape (n_epochs, n_channels, n_times), got {x.shape}.")
    sfreq = check_number("sfreq", sfreq, above=0)
    _, options = _check_options(method, kwargs)
    window = _window_length(options.get("n_per_seg"), sfreq)
    runs = _usable_runs(runs, window, x.shape[-1])
    at_once = BLOCK // max(x.shape[0] * x.shape[1], 1)
    windowed = method == "welch" or options.get("n_per_seg") is not None
    if windowed:
        overlap = _overlap(options.get("n_overlap"), window) if method == "welch" else 0
        at_once = x.shape[-1] if options.get("average") == "median" else at_once
        blocks = _window_blocks(runs, window, window - overlap, at_once)
    else:
        blocks = _piece_blocks(runs, round(_LONGEST_SECONDS * sfreq), at_once)
    total, n_estimates = 0.0, sum(number for _, _, number in blocks)
    for start, stop, number in blocks:
        n_rows = 1 if windowed else number
        block = x[..., start:stop].reshape(*x.shape[:2], n_rows, (stop - start) // n_rows)
        freqs, power = psd(block, sfreq, method=method, fmin=fmin, fmax=fmax, **kwargs)
        total = total + power.mean(axis=2) * (number / n_estimates)
    return freqs, total


def check_signals(x, min_times=2):
    """Return ``x`` as an array of real numbers with samples along its last axis.

    Parameters
    ----------
    x : array, shape (..., n_times)
        What the user passed in.
    min_times : int
        Fewest samples allowed.

    Returns
    -------
    x : array, shape (..., n_times)
        The same values, uncopied where they were an array.

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


def _check_options(method, kwargs):
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


def _check_limits(fmin, fmax):
    fmin = 0.0 if fmin is None else check_number("fmin", fmin, low=0)
    fmax = np.inf if fmax is None or fmax == np.inf else check_number("fmax", fmax, low=fmin)
    return fmin, fmax


def _select(freqs, fmin, fmax):
    keep = (freqs >= fmin) & (freqs <= fmax)
    if not keep.any():
        raise ValueError(
            f"no frequency lies within fmin={fmin:g} and fmax={fmax:g} Hz: the spectrum goes "
            f"up to {freqs[-1]:g} Hz in steps of {freqs[1]:g} Hz."
        )
    return keep


def _window_length(n_per_seg, sfreq):
    if n_per_seg is None:
        return max(round(_WELCH_SECONDS * sfreq), _WELCH_SAMPLES)
    return check_number("n_per_seg", n_per_seg, low=2, integer=True)


def _overlap(n_overlap, window):
    if n_overlap is None:
        return window // 2
    return check_number("n_overlap", n_overlap, low=0, below=window, integer=True)


def _usable_runs(runs, window, n_times):
    runs = [(int(start), int(stop)) for start, stop in runs]
    if not runs or any(not 0 <= start < stop <= n_times for start, stop in runs):
        raise ValueError(
            f"runs must be at least one (start, stop) with 0 <= start < stop <= {n_times}, "
            f"got {runs}."
        )
    kept = [(start, stop) for start, stop in runs if stop - start >= window]
    return kept or [max(runs, key=lambda run: run[1] - run[0])]


def _window_blocks(runs, window, step, at_once):
    """Group windows to blocks (start, stop, number of windows) of some samples at once."""
    most = max((at_once - window) // step + 1, 1)
    blocks = []
    for start, stop in runs:
        left = max(stop - start - window, 0) // step + 1
        while left:
            number = int(min(left, most))
            blocks.append((start, min(start + (number - 1) * step + window, stop), number))
            start, left = start + number * step, left - number
    return blocks


def _piece_blocks(runs, longest, at_once):
    """Group pieces of one length to blocks (start, stop, number of pieces)."""
    length = min(longest, *(stop - start for start, stop in runs))
    most = max(at_once // length, 1) * length
    blocks = []
    for start, stop in runs:
        stop -= (stop - start) % length
        cuts = [*range(start, stop, most), stop]
        blocks += [(low, high, (high - low) // length) for low, high in pairwise(cuts)]
    return blocks


def _in_blocks(estimate, rows, n_freqs):
    power = np.empty((len(rows), n_freqs))
    step = max(_NEAR // rows.shape[-1], 1)
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        power[block] = estimate(rows[block].astype(np.float64, copy=False))
    return power


def _welch(
    rows,
    sfreq,
    fmax,
    *,
    n_per_seg=None,
    n_overlap=None,
    n_fft=None,
    window="hann",
    detrend="constant",
    average="mean",
):
    check_option("average", average, ("mean", "median"))
    asked = _window_length(n_per_seg, sfreq)
    n_overlap = _overlap(n_overlap, asked)
    length = min(asked, rows.shape[-1])
    if length < asked:  # one window is all there is
        n_overlap = 0
    n_fft = length if n_fft is None else check_number("n_fft", n_fft, low=length, integer=True)

    def estimate(block):
        return scipy.signal.welch(
            block,
            fs=sfreq,
            window=window,
            nperseg=length,
            noverlap=n_overlap,
            nfft=n_fft,
            detrend=detrend,
            average=average,
        )[1]

    return _in_blocks(estimate, rows, n_fft // 2 + 1), n_fft


def _periodogram(rows, sfreq, fmax, *, n_fft=None, window="boxcar", detrend="constant"):
    n_times = rows.shape[-1]
    n_fft = n_times if n_fft is None else check_number("n_fft", n_fft, low=n_times, integer=True)

    def estimate(block):
        return scipy.signal.periodogram(
            block, fs=sfreq, window=window, nfft=n_fft, detrend=detrend
        )[1]

    return _in_blocks(estimate, rows, n_fft // 2 + 1), n_fft


def _multitaper(
    rows,
    sfreq,
    fmax,
    *,
    bandwidth=None,
    adaptive=False,
    low_bias=True,
    n_per_seg=None,
    detrend="constant",
):
    n_times = rows.shape[-1]
    length = n_times if n_per_seg is None else min(_window_length(n_per_seg, sfreq), n_times)
    if bandwidth is None:
        bandwidth = _BANDWIDTH * sfreq / length
    bandwidth = check_number("bandwidth", bandwidth, low=sfreq / length)
    if not adaptive:
        half = bandwidth * length / sfreq / 2
        options = {"half_bandwidth": half, "low_bias": low_bias, "detrend": detrend}
        return tapered_power(rows, sfreq, length, **options, fmax=fmax), length
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


METHODS = {"welch": _welch, "multitaper": _multitaper, "periodogram": _periodogram}
