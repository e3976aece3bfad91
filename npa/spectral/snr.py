"""Responses to frequency tags: their terms, and signal-to-noise measures of a spectrum."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import f as f_distribution

from npa.checks import check_number, check_values
from npa.typing import FloatArray, IntArray

BIN_TOLERANCE = 0.01  # distance of a frequency from its bin, in bins
EQUAL_RTOL = 1e-9  # relative difference below which two frequencies are equal
MAX_MULTIPLE = 1000  # of a tag, and of an order: more would fill the memory before it is noticed
MAX_TERMS = 10**6


@dataclass(frozen=True)
class TagTerm:
    """One frequency at which a system may respond to tags.

    Parameters
    ----------
    name : str
        Such as ``"2f1"`` or ``"2f1-f2"``.
    frequency : float
        Frequency in Hz.
    coefficients : tuple of int
        Multiple of every tag.
    collides : tuple of str
        Names of the other terms at this frequency.
    offset : float
        Distance from the nearest bin of the spectrum, in bins.
    """

    name: str
    frequency: float
    coefficients: tuple[int, ...]
    collides: tuple[str, ...] = ()
    offset: float = 0.0

    @property
    def order(self) -> int:
        """Sum of the absolute multiples."""
        return sum(abs(multiple) for multiple in self.coefficients)

    @property
    def off_bin(self) -> bool:
        """Whether the term is more than 0.01 bins from its bin."""
        return abs(self.offset) > BIN_TOLERANCE


def tag_terms(
    frequencies: float | Sequence[float] | FloatArray,
    n_harmonics: int = 4,
    max_order: int = 4,
    *,
    nyquist: float = np.inf,
    resolution: float | None = None,
) -> tuple[TagTerm, ...]:
    """List the harmonics and intermodulation terms of frequency tags.

    Parameters
    ----------
    frequencies : float | sequence of float
        The tags f1, f2, ... in Hz.
    n_harmonics : int, default 4
        Largest multiple of a single tag.
    max_order : int, default 4
        Largest order (sum of absolute multiples) of intermodulation terms; 1 for none.
    nyquist : float
        Only terms below this frequency in Hz are listed.
    resolution : float | None
        Distance of the bins of the spectrum in Hz: terms in the same bin collide, and ``offset``
        is set. None: only equal frequencies collide.

    Returns
    -------
    terms : tuple of TagTerm
        Every n1 f1 + n2 f2 + ... > 0 within the orders: harmonics of the first tag, of the second,
        ..., then intermodulation terms by order.

    Raises
    ------
    TypeError
        If an argument is not a number.
    ValueError
        If there is no tag, two are equal (or in the same bin), or one is not below ``nyquist``.

    Examples
    --------
    >>> [term.name for term in tag_terms([6, 7.5], n_harmonics=2, max_order=2)]
    ['f1', '2f1', 'f2', '2f2', 'f1+f2', 'f2-f1']
    >>> tag_terms([10, 20], n_harmonics=2, max_order=1)[1].collides
    ('f2',)
    """
    if nyquist is not np.inf:
        nyquist = check_number("nyquist", nyquist, above=0)
    if resolution is not None:
        resolution = check_number("resolution", resolution, above=0)
    tags = _check_tags(frequencies, nyquist, resolution)
    n_harmonics = check_number("n_harmonics", n_harmonics, low=1, high=MAX_MULTIPLE, integer=True)
    max_order = check_number("max_order", max_order, low=1, high=MAX_MULTIPLE, integer=True)
    # As many tuples of integers have absolute values that sum to at most the order.
    n_terms = sum(
        2**k * math.comb(len(tags), k) * math.comb(max_order, k) for k in range(len(tags) + 1)
    )
    if n_terms > MAX_TERMS:
        raise ValueError(
            f"max_order={max_order} of {len(tags)} tags gives more than {MAX_TERMS} terms."
        )
    coefficients: list[tuple[int, ...]] = [
        (0,) * index + (multiple,) + (0,) * (len(tags) - index - 1)
        for index in range(len(tags))
        for multiple in range(1, n_harmonics + 1)
    ]
    coefficients += sorted(
        (row for row in _combinations(len(tags), max_order) if np.count_nonzero(row) > 1),
        key=lambda row: (sum(map(abs, row)), tuple(-multiple for multiple in row)),
    )
    terms = []
    for row in coefficients:
        frequency = float(np.dot(row, tags))
        if EQUAL_RTOL * min(tags) < frequency < nyquist * (1 - EQUAL_RTOL):
            terms.append(TagTerm(_term_name(row), frequency, row))
    return _with_collisions(terms, resolution, EQUAL_RTOL * min(tags))


def bin_misses(
    lengths: Sequence[int] | IntArray, frequencies: Sequence[float] | FloatArray, sfreq: float
) -> FloatArray:
    """Compute how far frequencies are from the bins of spectra of different lengths.

    Parameters
    ----------
    lengths : array of int, shape (n_lengths,)
        Numbers of samples.
    frequencies : array, shape (n_frequencies,)
        Frequencies in Hz.
    sfreq : float
        Sampling frequency in Hz.

    Returns
    -------
    misses : array, shape (n_lengths,)
        The largest distance of a frequency from its nearest bin, in bins: 0 where a length holds
        whole periods of all frequencies, inf where it is shorter than half a period of any.

    Examples
    --------
    >>> bin_misses([240, 250, 10], [6, 7.5], sfreq=120.0)
    array([0. , 0.5, inf])
    """
    periods = np.multiply.outer(np.asarray(frequencies), np.asarray(lengths)) / sfreq
    whole = np.rint(periods)
    return np.where((whole >= 1).all(axis=0), np.abs(periods - whole).max(axis=0), np.inf)


def neighbor_bins(
    bins: npt.ArrayLike,
    n_freqs: int,
    n_neighbors: int = 3,
    n_skip: int = 1,
    *,
    exclude: npt.ArrayLike = (),
) -> IntArray:
    """Find the neighbours of bins, from which noise is estimated.

    Parameters
    ----------
    bins : array of int, shape (n_bins,)
        Indices into a spectrum.
    n_freqs : int
        Length of the spectrum.
    n_neighbors : int, default 3
        Neighbours on each side.
    n_skip : int, default 1
        Bins on each side, next to the bin itself, that are not neighbours.
    exclude : array of int
        Bins that are no neighbours; the next bins further away are used instead.

    Returns
    -------
    neighbors : array of int, shape (n_bins, 2 * n_neighbors)
        Indices by increasing frequency, first the lower half; -1 beyond the ends of the spectrum.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Examples
    --------
    >>> neighbor_bins([5], 20, n_neighbors=2, exclude=[7])
    array([[2, 3, 8, 9]])
    """
    n_neighbors = check_number("n_neighbors", n_neighbors, low=1, integer=True)
    n_skip = check_number("n_skip", n_skip, low=0, integer=True)
    bins = np.atleast_1d(check_values("bins", bins, integer=True))
    excluded = check_values("exclude", exclude, integer=True)
    allowed = np.setdiff1d(np.arange(n_freqs), excluded)
    # Whatever is larger than the spectrum reaches past its ends.
    n_neighbors, n_skip = min(n_neighbors, n_freqs), min(n_skip, n_freqs)
    offsets = np.arange(n_neighbors)
    below = np.searchsorted(allowed, bins - n_skip)[:, np.newaxis] - n_neighbors + offsets
    above = np.searchsorted(allowed, bins + n_skip, side="right")[:, np.newaxis] + offsets
    positions = np.concatenate([below, above], axis=1)
    inside = (positions >= 0) & (positions < len(allowed))
    return np.where(inside, np.append(allowed, -1)[np.where(inside, positions, -1)], -1)


def snr_spectrum(
    spectrum: npt.ArrayLike,
    n_neighbors: int = 3,
    n_skip: int = 1,
    *,
    exclude: npt.ArrayLike = (),
    bins: npt.ArrayLike | None = None,
    floor: float | FloatArray = 0.0,
) -> FloatArray:
    """Divide every bin of a spectrum by the mean of its neighbours.

    Parameters
    ----------
    spectrum : array, shape (..., n_freqs)
        Amplitude, or power.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`; fewer are used at the ends of the spectrum.
    bins : array of int, shape (n_bins,) | None
        The bins to measure; None for all.
    floor : float | array, shape (...)
        Smallest noise, in the unit of the spectrum.

    Returns
    -------
    snr : array, shape (..., n_bins)
        Signal-to-noise ratio; NaN where one side has no neighbour.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Notes
    -----
    Without a response, in Gaussian noise with a locally flat spectrum, the mean of the ratio of a
    single spectrum to its m neighbours is m / (m - 1) for power, 1.2 for 3 on each side, and about
    1 + 0.27 / m for amplitude, 1.05: a noise estimate that is too low weighs more than one that is
    too high. It is the usual measure, and is not corrected. The mean spectrum of many epochs gives
    1, and `term_test` tests against the right distribution.

    Examples
    --------
    >>> snr_spectrum(np.array([1.0, 1, 1, 1, 8, 1, 1, 1, 1]), n_neighbors=2, bins=[4])
    array([8.])
    """
    signal, noise, _ = _signal_and_noise(spectrum, bins, n_neighbors, n_skip, exclude)
    return _ratio(signal, _at_least(noise, floor))


def zscore_spectrum(
    spectrum: npt.ArrayLike,
    n_neighbors: int = 3,
    n_skip: int = 1,
    *,
    exclude: npt.ArrayLike = (),
    bins: npt.ArrayLike | None = None,
    floor: float | FloatArray = 0.0,
) -> FloatArray:
    """Standardize every bin of a spectrum by mean and standard deviation of its neighbours.

    Parameters
    ----------
    spectrum : array, shape (..., n_freqs)
        Amplitude, or power.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`; fewer are used at the ends of the spectrum.
    bins : array of int, shape (n_bins,) | None
        The bins to measure; None for all.
    floor : float | array, shape (...)
        Smallest standard deviation, in the unit of the spectrum.

    Returns
    -------
    zscore : array, shape (..., n_bins)
        The z-score; NaN where one side has no neighbour.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Notes
    -----
    With few neighbours z is far from normally distributed: use it as a measure, and `term_test`
    as a test.

    Examples
    --------
    >>> zscore_spectrum(np.array([1.0, 3, 2, 12, 2, 1, 3]), n_neighbors=2, bins=[3])
    array([8.66025404])
    """
    signal, noise, noise_sd = _signal_and_noise(spectrum, bins, n_neighbors, n_skip, exclude)
    return _ratio(signal - noise, _at_least(noise_sd, floor))


def baseline_corrected_amplitude(
    spectrum: npt.ArrayLike,
    n_neighbors: int = 3,
    n_skip: int = 1,
    *,
    exclude: npt.ArrayLike = (),
    bins: npt.ArrayLike | None = None,
) -> FloatArray:
    """Subtract from every bin of a spectrum the mean of its neighbours.

    Parameters
    ----------
    spectrum : array, shape (..., n_freqs)
        Amplitude, or power.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`; fewer are used at the ends of the spectrum.
    bins : array of int, shape (n_bins,) | None
        The bins to measure; None for all.

    Returns
    -------
    amplitude : array, shape (..., n_bins)
        Amplitude, in the unit of the spectrum; NaN where one side has no neighbour.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Examples
    --------
    >>> spectrum = np.array([1.0, 1, 1, 1, 8, 1, 1, 1, 1])
    >>> baseline_corrected_amplitude(spectrum, n_neighbors=2, bins=[4])
    array([7.])
    """
    signal, noise, _ = _signal_and_noise(spectrum, bins, n_neighbors, n_skip, exclude)
    return signal - noise


def term_test(
    power: npt.ArrayLike,
    bins: npt.ArrayLike,
    n_neighbors: int = 3,
    n_skip: int = 1,
    *,
    exclude: npt.ArrayLike = (),
    floor: float | FloatArray = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Test whether power at some bins is larger than at their neighbours (F-test).

    Parameters
    ----------
    power : array, shape (n_epochs, ..., n_freqs)
        Power spectra of independent epochs; epochs that are NaN are left out.
    bins : array of int, shape (n_bins,)
        The bins to test.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`.
    floor : float | array, shape (n_epochs, ...)
        Smallest noise power.

    Returns
    -------
    ratio : array, shape (..., n_bins)
        Power divided by the mean power of the neighbours, both summed over epochs.
    p : array, shape (..., n_bins)
        p-value: probability of at least this ratio without a response; NaN where one side has no
        neighbour.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Notes
    -----
    In Gaussian noise with a locally flat spectrum, power at each bin is exponentially distributed,
    so that the ratio over K epochs and m neighbours follows an F distribution with 2K and 2Km
    degrees of freedom [1]_.

    References
    ----------
    .. [1] Dobie, R. A., & Wilson, M. J. (1996). A comparison of t test, F test, and coherence
       methods of detecting steady-state auditory-evoked potentials, distortion-product
       otoacoustic emissions, or other sinusoids. J. Acoust. Soc. Am., 100(4), 2236-2246.
       https://doi.org/10.1121/1.417933

    Examples
    --------
    >>> power = np.ones((5, 9))
    >>> power[:, 4] = 4.0
    >>> ratio, p = term_test(power, [4])
    >>> float(ratio[0]), bool(p[0] < 0.01)
    (4.0, True)
    """
    signal, noise, _ = _signal_and_noise(power, bins, n_neighbors, n_skip, exclude)
    noise = _at_least(noise, floor)
    count = np.isfinite(noise).sum(axis=0)
    ratio = _ratio(np.nansum(signal, axis=0), np.nansum(noise, axis=0))
    ratio = np.where(count > 0, ratio, np.nan)
    index = neighbor_bins(bins, np.shape(power)[-1], n_neighbors, n_skip, exclude=exclude)
    n_used = (index >= 0).sum(axis=1)
    return ratio, f_distribution.sf(ratio, 2 * count, 2 * count * n_used)


def _check_tags(
    frequencies: float | Sequence[float] | FloatArray, nyquist: float, resolution: float | None
) -> list[float]:
    """Return the tags as a list of floats, or raise."""
    tags = [
        check_number(f"frequencies[{index}]", tag, above=0)
        for index, tag in enumerate(np.atleast_1d(np.asarray(frequencies, dtype=object)))
    ]
    if not tags:
        raise ValueError("frequencies must hold at least one tag, got none.")
    if max(tags) >= nyquist:
        raise ValueError(
            f"frequencies must be below the Nyquist frequency of {nyquist:g} Hz, got {max(tags):g}."
        )
    gaps = np.diff(np.sort(tags))
    if (gaps < (resolution / 2 if resolution else EQUAL_RTOL * min(tags))).any():
        raise ValueError(
            f"frequencies must differ (by at least a bin of the spectrum), got {tags}."
        )
    return tags


def _combinations(n_tags: int, order: int) -> Iterator[tuple[int, ...]]:
    """Yield every tuple of ``n_tags`` integers whose absolute values sum to at most ``order``."""
    if n_tags == 0:
        yield ()
        return
    for first in range(-order, order + 1):
        for rest in _combinations(n_tags - 1, order - abs(first)):
            yield (first, *rest)


def _term_name(coefficients: tuple[int, ...]) -> str:
    """Return a name such as ``"2f1-f2"``, positive coefficients first."""
    parts = [
        ("+" if multiple > 0 else "-", f"{abs(multiple) if abs(multiple) > 1 else ''}f{tag}")
        for tag, multiple in enumerate(coefficients, start=1)
        if multiple
    ]
    parts.sort(key=lambda part: part[0])
    return "".join(sign + name for sign, name in parts).removeprefix("+")


def _with_collisions(
    terms: list[TagTerm], resolution: float | None, tolerance: float
) -> tuple[TagTerm, ...]:
    """Set ``collides``, by bins or by a tolerance in Hz, and with bins also ``offset``."""
    step = resolution or tolerance
    bins = [round(term.frequency / step) for term in terms]
    names: dict[int, list[str]] = {}
    for term, index in zip(terms, bins, strict=True):
        names.setdefault(index, []).append(term.name)
    return tuple(
        replace(
            term,
            collides=tuple(name for name in names[index] if name != term.name),
            offset=0.0 if resolution is None else term.frequency / step - index,
        )
        for term, index in zip(terms, bins, strict=True)
    )


def _signal_and_noise(
    spectrum: npt.ArrayLike,
    bins: npt.ArrayLike | None,
    n_neighbors: int,
    n_skip: int,
    exclude: npt.ArrayLike,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return values at bins, and mean and standard deviation of their neighbours."""
    spectrum = check_values("spectrum", spectrum, ndim=1)
    n_freqs = spectrum.shape[-1]
    bins = np.arange(n_freqs) if bins is None else check_values("bins", bins, integer=True)
    bins = np.atleast_1d(bins)
    if bins.ndim > 1:
        raise ValueError(f"bins must be a list of indices, got shape {bins.shape}.")
    if bins.size and not (bins.min() >= 0 and bins.max() < n_freqs):
        raise ValueError(f"bins must be indices of the {n_freqs} frequencies, got {bins.tolist()}.")
    index = neighbor_bins(bins, n_freqs, n_neighbors, n_skip, exclude=exclude)
    used = index >= 0
    count = used.sum(axis=1)
    signal = spectrum[..., bins]
    # All neighbours of all bins together would need several times the memory of the spectrum.
    total = np.zeros_like(signal)
    for column, use in zip(index.T, used.T, strict=True):
        total += np.where(use, spectrum[..., column], 0.0)
    both_sides = used[:, :n_neighbors].any(axis=1) & used[:, n_neighbors:].any(axis=1)
    mean = total / np.where(both_sides, count, np.nan)
    squares = np.zeros_like(signal)
    for column, use in zip(index.T, used.T, strict=True):
        squares += np.where(use, (spectrum[..., column] - mean) ** 2, 0.0)
    return signal, mean, np.sqrt(squares / np.maximum(count - 1, 1))


def _at_least(noise: FloatArray, floor: float | FloatArray) -> FloatArray:
    """Clip noise to a floor, which may be one value per spectrum."""
    floor = check_values("floor", floor)
    try:
        return np.maximum(noise, floor[..., np.newaxis])
    except ValueError:
        raise ValueError(
            f"floor must be a number or have shape {noise.shape[:-1]}, got {floor.shape}."
        ) from None


def _ratio(signal: FloatArray, noise: FloatArray) -> FloatArray:
    """Divide without warnings; the noise may be zero without a floor."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(signal, noise)
