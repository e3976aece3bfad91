"""Responses to frequency tags: their terms, and how far these stand out of a spectrum."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import f as f_distribution

from npa.checks import check_number

BIN_TOLERANCE = 0.01  # bins by which a frequency may miss its bin
_SAME = 1e-9  # relative difference below which two frequencies are one


@dataclass(frozen=True)
class TagTerm:
    """One frequency at which a system may answer to tags.

    Parameters
    ----------
    name : str
        Such as ``"2f1"`` or ``"2f1-f2"``.
    frequency : float
        In Hz.
    coefficients : tuple of int
        Multiple of every tag.
    collides : tuple of str
        Names of the other terms at this frequency.
    offset : float
        Distance from the nearest bin of the spectrum, in bins.
    """

    name: str
    frequency: float
    coefficients: tuple
    collides: tuple = ()
    offset: float = 0.0

    @property
    def order(self):
        """Sum of the absolute multiples."""
        return sum(abs(number) for number in self.coefficients)

    @property
    def off_bin(self):
        """Whether the term misses its bin by more than 0.01 bins."""
        return abs(self.offset) > BIN_TOLERANCE


def tag_terms(frequencies, n_harmonics=4, max_order=4, *, nyquist=np.inf, resolution=None):
    """List the harmonics and intermodulation terms of frequency tags.

    Parameters
    ----------
    frequencies : float | sequence of float
        The tags f1, f2, ... in Hz.
    n_harmonics : int, default 4
        Largest multiple of a single tag.
    max_order : int, default 4
        Largest sum of absolute multiples of terms that mix tags; 1 for none.
    nyquist : float
        Terms are listed below this frequency in Hz.
    resolution : float | None
        Distance of the bins of the spectrum in Hz. With it terms of one bin collide, and terms
        know their distance from it; without, only equal frequencies collide.

    Returns
    -------
    terms : tuple of TagTerm
        Every n1 f1 + n2 f2 + ... > 0 within the orders: harmonics of the first tag, of the second,
        ..., then mixed terms by order.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If there is no tag, two are equal (or share a bin), or one is not below ``nyquist``.

    Examples
    --------
    >>> [term.name for term in tag_terms([6, 7.5], n_harmonics=2, max_order=2)]
    ['f1', '2f1', 'f2', '2f2', 'f1+f2', 'f2-f1']
    >>> tag_terms([10, 20], n_harmonics=2, max_order=1)[1].collides
    ('f2',)
    """
    tags = _check_tags(frequencies, nyquist, resolution)
    n_harmonics = check_number("n_harmonics", n_harmonics, low=1, integer=True)
    max_order = check_number("max_order", max_order, low=1, integer=True)
    multiples = [
        (0,) * index + (multiple,) + (0,) * (len(tags) - index - 1)
        for index in range(len(tags))
        for multiple in range(1, n_harmonics + 1)
    ]
    multiples += sorted(
        (row for row in _multiples(len(tags), max_order) if np.count_nonzero(row) > 1),
        key=lambda row: (np.abs(row).sum(), tuple(-number for number in row)),
    )
    terms = []
    for row in multiples:
        frequency = float(np.dot(row, tags))
        if _SAME * min(tags) < frequency < nyquist * (1 - _SAME):
            terms.append(TagTerm(_name(row), frequency, row))
    return _on_grid(terms, resolution or _SAME * min(tags), known=resolution is not None)


def bin_misses(lengths, frequencies, sfreq):
    """Measure how far frequencies lie from the bins of spectra of different lengths.

    Parameters
    ----------
    lengths : array of int, shape (n_lengths,)
        Numbers of samples.
    frequencies : array, shape (n_frequencies,)
        In Hz.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    misses : array, shape (n_lengths,)
        The largest distance of a frequency from its nearest bin, in bins: 0 where a length holds
        whole periods of all; inf where it holds less than one of any.

    Examples
    --------
    >>> bin_misses([240, 250, 10], [6, 7.5], sfreq=120.0)
    array([0. , 0.5, inf])
    """
    periods = np.multiply.outer(np.asarray(frequencies), np.asarray(lengths)) / sfreq
    whole = np.rint(periods)
    return np.where((whole >= 1).all(axis=0), np.abs(periods - whole).max(axis=0), np.inf)


def neighbor_bins(bins, n_freqs, n_neighbors=3, n_skip=1, *, exclude=()):
    """Find the bins beside others, from which noise is estimated.

    Parameters
    ----------
    bins : array of int, shape (n_bins,)
        Indices into a spectrum.
    n_freqs : int
        Length of the spectrum.
    n_neighbors : int, default 3
        Neighbours on each side.
    n_skip : int, default 1
        Bins left out on each side next to the bin itself.
    exclude : array of int
        Bins that are nobody's neighbours; the next ones further out are taken instead.

    Returns
    -------
    neighbors : array of int, shape (n_bins, 2 * n_neighbors)
        Indices by rising frequency, first the lower half. -1 where the spectrum ends before.

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
    bins = np.atleast_1d(np.asarray(bins, dtype=int))
    allowed = np.setdiff1d(np.arange(n_freqs), np.asarray(exclude, dtype=int))
    offsets = np.arange(n_neighbors)
    below = np.searchsorted(allowed, bins - n_skip)[:, np.newaxis] - n_neighbors + offsets
    above = np.searchsorted(allowed, bins + n_skip, side="right")[:, np.newaxis] + offsets
    places = np.concatenate([below, above], axis=1)
    inside = (places >= 0) & (places < len(allowed))
    return np.where(inside, np.append(allowed, -1)[np.where(inside, places, -1)], -1)


def snr_spectrum(spectrum, n_neighbors=3, n_skip=1, *, exclude=(), bins=None, floor=0.0):
    """Divide every bin of a spectrum by the mean of its neighbours.

    Parameters
    ----------
    spectrum : array, shape (..., n_freqs)
        Amplitude, or power.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`. Where the spectrum ends before, fewer are used.
    bins : array of int, shape (n_bins,) | None
        Where to measure; None for every bin.
    floor : float | array, shape (...)
        Smallest noise, in the unit of the spectrum.

    Returns
    -------
    snr : array, shape (..., n_bins)
        Signal-to-noise ratio; 1 where nothing stands out, NaN where a side has no neighbour.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Examples
    --------
    >>> snr_spectrum(np.array([1.0, 1, 1, 1, 8, 1, 1, 1, 1]), n_neighbors=2, bins=[4])
    array([8.])
    """
    signal, noise, _ = _signal_and_noise(spectrum, bins, n_neighbors, n_skip, exclude)
    return _ratio(signal, _at_least(noise, floor))


def zscore_spectrum(spectrum, n_neighbors=3, n_skip=1, *, exclude=(), bins=None, floor=0.0):
    """Measure how many standard deviations of its neighbours every bin lies above their mean.

    Parameters
    ----------
    spectrum : array, shape (..., n_freqs)
        Amplitude, or power.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`. Where the spectrum ends before, fewer are used.
    bins : array of int, shape (n_bins,) | None
        Where to measure; None for every bin.
    floor : float | array, shape (...)
        Smallest standard deviation, in the unit of the spectrum.

    Returns
    -------
    zscore : array, shape (..., n_bins)
        The z-score; NaN where a side has no neighbour.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Notes
    -----
    With the few neighbours that are usual, z is far from normal: read it as a measure, and test
    with `term_test`.

    Examples
    --------
    >>> zscore_spectrum(np.array([1.0, 3, 2, 12, 2, 1, 3]), n_neighbors=2, bins=[3])
    array([8.66025404])
    """
    signal, noise, spread = _signal_and_noise(spectrum, bins, n_neighbors, n_skip, exclude)
    return _ratio(signal - noise, _at_least(spread, floor))


def baseline_corrected_amplitude(spectrum, n_neighbors=3, n_skip=1, *, exclude=(), bins=None):
    """Subtract from every bin of a spectrum the mean of its neighbours.

    Parameters
    ----------
    spectrum : array, shape (..., n_freqs)
        Amplitude, or power.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`. Where the spectrum ends before, fewer are used.
    bins : array of int, shape (n_bins,) | None
        Where to measure; None for every bin.

    Returns
    -------
    amplitude : array, shape (..., n_bins)
        In the unit of the spectrum; NaN where a side has no neighbour.

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


def term_test(power, bins, n_neighbors=3, n_skip=1, *, exclude=(), floor=0.0):
    """Test whether power at some bins is more than that of their neighbours.

    Parameters
    ----------
    power : array, shape (n_epochs, ..., n_freqs)
        Power spectra of independent epochs; those that are NaN are left out.
    bins : array of int, shape (n_bins,)
        The bins to test.
    n_neighbors, n_skip, exclude
        The neighbours, as in `neighbor_bins`.
    floor : float | array, shape (n_epochs, ...)
        Smallest noise power.

    Returns
    -------
    ratio : array, shape (..., n_bins)
        Power over the mean power of the neighbours, both summed over epochs.
    p : array, shape (..., n_bins)
        Probability of this ratio or a larger one without a response; NaN where a side has no
        neighbour.

    Raises
    ------
    TypeError, ValueError
        If a number is not allowed.

    Notes
    -----
    In Gaussian noise of locally even spectrum, power at each bin is exponentially distributed, so
    that the ratio over K epochs and m neighbours is F with 2K and 2Km degrees of freedom [1]_.

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


def _check_tags(frequencies, nyquist, resolution):
    """Return the tags as a list of floats."""
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
    if (gaps < (resolution / 2 if resolution else _SAME * min(tags))).any():
        raise ValueError(f"frequencies must differ (by a bin of the spectrum), got {tags}.")
    return tags


def _multiples(n_tags, order):
    """Yield every row of ``n_tags`` whole numbers whose absolute values sum to at most order."""
    if n_tags == 0:
        yield ()
        return
    for first in range(-order, order + 1):
        for rest in _multiples(n_tags - 1, order - abs(first)):
            yield (first, *rest)


def _name(row):
    """Name a term, what is added before what is subtracted."""
    parts = [
        ("+" if number > 0 else "-", f"{abs(number) if abs(number) > 1 else ''}f{tag}")
        for tag, number in enumerate(row, start=1)
        if number
    ]
    parts.sort(key=lambda part: part[0])
    return "".join(sign + name for sign, name in parts).removeprefix("+")


def _on_grid(terms, step, *, known):
    """Add collisions, and where the grid of bins is known the distance from it."""
    places = [round(term.frequency / step) for term in terms]
    names = {}
    for term, place in zip(terms, places, strict=True):
        names.setdefault(place, []).append(term.name)
    return tuple(
        replace(
            term,
            collides=tuple(name for name in names[place] if name != term.name),
            offset=term.frequency / step - place if known else 0.0,
        )
        for term, place in zip(terms, places, strict=True)
    )


def _signal_and_noise(spectrum, bins, n_neighbors, n_skip, exclude):
    """Return values at bins, and mean and standard deviation of their neighbours."""
    spectrum = np.asarray(spectrum, dtype=float)
    n_freqs = spectrum.shape[-1]
    bins = np.arange(n_freqs) if bins is None else np.atleast_1d(np.asarray(bins, dtype=int))
    index = neighbor_bins(bins, n_freqs, n_neighbors, n_skip, exclude=exclude)
    used = index >= 0
    count = used.sum(axis=1)
    signal = spectrum[..., bins]
    # One neighbour of all bins after the other: together they would be many times the spectrum.
    total = np.zeros_like(signal)
    for column, use in zip(index.T, used.T, strict=True):
        total += np.where(use, spectrum[..., column], 0.0)
    both_sides = used[:, :n_neighbors].any(axis=1) & used[:, n_neighbors:].any(axis=1)
    mean = total / np.where(both_sides, count, np.nan)
    squares = np.zeros_like(signal)
    for column, use in zip(index.T, used.T, strict=True):
        squares += np.where(use, (spectrum[..., column] - mean) ** 2, 0.0)
    return signal, mean, np.sqrt(squares / np.maximum(count - 1, 1))


def _at_least(noise, floor):
    """Raise noise to a floor given for each spectrum."""
    return np.maximum(noise, np.asarray(floor)[..., np.newaxis])


def _ratio(signal, noise):
    """Divide, knowing that noise may be zero where no floor was given."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return signal / noise
