"""Amplitude spectra whose bins hold frequency tags, and measures of the terms in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft
from scipy.stats import false_discovery_control

from npa.spectral.snr import (
    BIN_TOLERANCE,
    TagTerm,
    baseline_corrected_amplitude,
    bin_misses,
    neighbor_bins,
    snr_spectrum,
    tag_terms,
    term_test,
    zscore_spectrum,
)
from npa.typing import FloatArray, IntArray

MEASURES = ("snr", "zscore", "bca", "amplitude")
EPS = float(np.finfo(float).eps)
MAX_ROUNDING = 8 * EPS  # a changing part below this share of the root mean square is rounding
MAX_PERIOD = 10**6  # samples; lengths of ten periods are searched, in memory
MAX_LENGTH_RATIO = 10  # longer epochs are suggested up to this multiple of the input's length


@dataclass(frozen=True, eq=False)
class TagSpectra:
    """Amplitude spectra of epochs that hold whole periods of all tags.

    Parameters
    ----------
    terms : tuple of TagTerm
        Harmonics and intermodulation terms.
    sfreq : float
        Sampling rate in Hz.
    n_used : int
        Samples that each spectrum is computed from.
    amplitude : array, shape (n_epochs, n_channels, n_freqs)
        Amplitude ``2 |FFT| / n_used``, half of it at 0 Hz (the absolute mean) and Nyquist, in the
        unit of the samples.
    floor : array, shape (n_epochs, n_channels)
        Rounding error of the amplitude: the smallest noise.
    """

    terms: tuple[TagTerm, ...]
    sfreq: float
    n_used: int
    amplitude: FloatArray
    floor: FloatArray

    @property
    def resolution(self) -> float:
        """Distance of the bins in Hz."""
        return self.sfreq / self.n_used

    @property
    def freqs(self) -> FloatArray:
        """Frequencies in Hz, shape (n_freqs,)."""
        return np.arange(self.amplitude.shape[-1], dtype=np.float64) * self.resolution

    @property
    def bins(self) -> IntArray:
        """Bin of every term, shape (n_terms,)."""
        return np.array([round(term.frequency / self.resolution) for term in self.terms])

    @property
    def excluded(self) -> list[int]:
        """Bins that are no neighbours of others: those of terms, 0 Hz and Nyquist."""
        nyquist = {self.n_used // 2} if self.n_used % 2 == 0 else set()
        return sorted({0, *self.bins.tolist()} | nyquist)

    def neighbors(self, n_neighbors: int, n_skip: int) -> IntArray:
        """Return the neighbour bins of every term, -1 where the spectrum ends before.

        Parameters
        ----------
        n_neighbors, n_skip : int
            As for `npa.spectral.snr.neighbor_bins`.

        Returns
        -------
        neighbors : array of int, shape (n_terms, 2 * n_neighbors)
            Bins by rising frequency, first the lower half.
        """
        n_freqs = self.amplitude.shape[-1]
        return neighbor_bins(self.bins, n_freqs, n_neighbors, n_skip, exclude=self.excluded)

    def measure(
        self, measure: str, n_neighbors: int = 3, n_skip: int = 1, *, power: bool = False
    ) -> FloatArray:
        """Measure every term.

        Parameters
        ----------
        measure : {"snr", "zscore", "bca", "amplitude"}
            What is measured, as in `npa.FrequencyTagger`.
        n_neighbors, n_skip : int
            As for `npa.spectral.snr.neighbor_bins`.
        power : bool, default False
            Whether power is measured instead of amplitude.

        Returns
        -------
        values : array, shape (n_epochs, n_channels, n_terms)
            The values.
        """
        exponent = 2 if power else 1
        spectrum, floor = self.amplitude**exponent, self.floor**exponent
        bins, excluded = self.bins, self.excluded
        if measure == "snr":
            return snr_spectrum(
                spectrum, n_neighbors, n_skip, exclude=excluded, bins=bins, floor=floor
            )
        if measure == "zscore":
            return zscore_spectrum(
                spectrum, n_neighbors, n_skip, exclude=excluded, bins=bins, floor=floor
            )
        if measure == "bca":
            return baseline_corrected_amplitude(
                spectrum, n_neighbors, n_skip, exclude=excluded, bins=bins
            )
        return spectrum[..., bins]

    def test(
        self, n_neighbors: int = 3, n_skip: int = 1
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Test every term against its neighbours, over epochs.

        Parameters
        ----------
        n_neighbors, n_skip : int
            As for `npa.spectral.snr.neighbor_bins`.

        Returns
        -------
        ratio, p, p_fdr : array, shape (n_channels, n_terms)
            Ratio of power, its p-value as of `npa.spectral.snr.term_test`, and the p-value
            corrected for the false discovery rate over the terms of all channels.
        """
        ratio, p = term_test(
            self.amplitude**2,
            self.bins,
            n_neighbors,
            n_skip,
            exclude=self.excluded,
            floor=self.floor**2,
        )
        return ratio, p, corrected_p_values(p, self.bins)


def tag_spectra(
    x: FloatArray,
    sfreq: float,
    frequencies: float | Sequence[float],
    *,
    n_harmonics: int = 4,
    max_order: int = 4,
    crop: bool = False,
) -> TagSpectra:
    """Compute the amplitude spectra of epochs at the resolution that fits frequency tags.

    Parameters
    ----------
    x : array, shape (n_epochs, n_channels, n_times)
        Samples.
    sfreq : float
        Sampling rate in Hz.
    frequencies : float | sequence of float
        The tags in Hz.
    n_harmonics, max_order : int, default 4
        Which terms there are, as for `npa.spectral.snr.tag_terms`.
    crop : bool, default False
        Whether samples at the end may be left out so that all tags have whole periods.

    Returns
    -------
    spectra : TagSpectra
        The spectra. Amplitudes are NaN where a channel has no power but rounding, and everywhere
        where ``x`` is shorter than one period (``n_used`` is then larger than ``n_times``).

    Raises
    ------
    ValueError
        If a tag is not allowed or lies between bins.

    Examples
    --------
    >>> x = 3 * np.sin(2 * np.pi * 6 * np.arange(240) / 120)
    >>> spectra = tag_spectra(x[np.newaxis, np.newaxis], 120.0, 6.0, n_harmonics=2)
    >>> spectra.measure("amplitude").round(6)
    array([[[3., 0.]]])
    """
    n_times, nyquist = x.shape[-1], sfreq / 2
    terms = tag_terms(frequencies, n_harmonics, max_order, nyquist=nyquist)
    tags = [term.frequency for term in terms if term.order == 1]
    highest_order = max(term.order for term in terms)
    n_used = whole_period_length(n_times, tags, sfreq, highest_order, crop=crop)
    terms = tag_terms(
        frequencies, n_harmonics, max_order, nyquist=nyquist, resolution=sfreq / n_used
    )
    if n_used > n_times:
        amplitude = np.full((*x.shape[:2], n_used // 2 + 1), np.nan)
        return TagSpectra(terms, sfreq, n_used, amplitude, np.zeros(x.shape[:2]))
    x = x[..., :n_used]
    amplitude = 2 / n_used * np.abs(rfft(x))
    amplitude[..., 0] /= 2  # 0 Hz and Nyquist have no negative counterpart
    if n_used % 2 == 0:
        amplitude[..., -1] /= 2
    rms = np.sqrt(np.einsum("ect,ect->ec", x, x) / n_used)
    changing = np.sqrt(np.einsum("ecf,ecf->ec", amplitude[..., 1:], amplitude[..., 1:]))
    amplitude[changing <= MAX_ROUNDING * rms] = np.nan
    return TagSpectra(terms, sfreq, n_used, amplitude, EPS * rms)


def whole_period_length(
    n_times: int, tags: Sequence[float], sfreq: float, order: int = 1, *, crop: bool = False
) -> int:
    """Return how many samples of an epoch hold whole periods of all tags.

    Parameters
    ----------
    n_times : int
        Samples in the epoch.
    tags : sequence of float
        Frequencies of the tags in Hz.
    sfreq : float
        Sampling rate in Hz.
    order : int, default 1
        Highest order of the terms, which must lie on bins too if the epoch is cropped.
    crop : bool, default False
        Whether samples at the end may be left out.

    Returns
    -------
    n_used : int
        Number of samples: ``n_times`` or, with ``crop``, the largest that fits. A number above
        ``n_times`` says that the epoch is shorter than one period.

    Raises
    ------
    ValueError
        If the tags lie between the bins of the spectrum.

    Examples
    --------
    >>> whole_period_length(257, [6.0, 7.5], 120.0, crop=True)
    240
    """
    if not crop and len(_fitting_lengths(np.array([n_times]), tags, sfreq, 1)):
        return n_times
    shorter = _fitting_lengths(np.arange(n_times, n_times // 2, -1), tags, sfreq, order)
    period = math.ceil(min(sfreq / min(tags), MAX_PERIOD + 1))
    if period > MAX_PERIOD:
        raise ValueError(
            f"frequencies must have periods of at most {MAX_PERIOD} samples, got "
            f"{min(tags):g} Hz at sfreq={sfreq:g} Hz."
        )
    candidates = np.arange(n_times + 1, MAX_LENGTH_RATIO * max(n_times, period))
    longer = _fitting_lengths(candidates, tags, sfreq, order)
    if crop and len(shorter):
        return int(shorter[0])
    if crop and len(longer) and n_times < period:
        return int(longer[0])
    positions = ", ".join(f"{tag:g} Hz at bin {tag * n_times / sfreq:.3f}" for tag in tags)
    advice = []
    if len(shorter):
        length = f"{shorter[0]} samples ({shorter[0] / sfreq:g} s)"
        advice.append(f"crop=True would read the first {length} of every epoch")
    if len(longer):
        length = f"{longer[0]} samples ({longer[0] / sfreq:g} s)"
        advice.append(f"epochs of {length} would hold whole periods of all tags")
    raise ValueError(
        f"frequencies must lie on bins of the spectrum, which are {sfreq / n_times:g} Hz apart "
        f"for {n_times} samples ({n_times / sfreq:g} s) at {sfreq:g} Hz, got {positions}; "
        f"{' and '.join(advice) or 'no similar length holds whole periods of all tags'}."
    )


def corrected_p_values(p: FloatArray, bins: IntArray) -> FloatArray:
    """Correct p-values for the false discovery rate, terms that share a bin once.

    Parameters
    ----------
    p : array, shape (n_channels, n_terms)
        The p-values; NaN are left out.
    bins : array of int, shape (n_terms,)
        Bin of every term.

    Returns
    -------
    p_fdr : array, shape (n_channels, n_terms)
        Corrected p-values (Benjamini-Hochberg) over all channels and terms.

    Examples
    --------
    >>> corrected_p_values(np.array([[0.01, 0.01, 0.5]]), np.array([4, 4, 7]))
    array([[0.02, 0.02, 0.5 ]])
    """
    _, first, inverse = np.unique(bins, return_index=True, return_inverse=True)
    p_fdr = p[:, first]
    known = np.isfinite(p_fdr)
    if known.any():
        p_fdr[known] = false_discovery_control(p_fdr[known])
    return p_fdr[:, inverse]


def _fitting_lengths(
    lengths: IntArray, tags: Sequence[float], sfreq: float, order: int
) -> IntArray:
    """Return the lengths at which all tags, and terms up to an order, lie on bins."""
    return lengths[order * bin_misses(lengths, tags, sfreq) <= BIN_TOLERANCE]
