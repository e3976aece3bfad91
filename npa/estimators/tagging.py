"""Responses to frequency tags, as a scikit-learn transformer."""

from dataclasses import dataclass
from itertools import compress

import numpy as np
from mne.utils import logger, warn
from scipy.fft import rfft
from scipy.stats import false_discovery_control

from npa.checks import check_number, check_option
from npa.estimators.base import FeatureTransformer
from npa.reports import TagReport
from npa.spectral.snr import (
    BIN_TOLERANCE,
    baseline_corrected_amplitude,
    bin_misses,
    neighbor_bins,
    snr_spectrum,
    tag_terms,
    term_test,
    zscore_spectrum,
)

MEASURES = ("snr", "zscore", "bca", "amplitude")
_EPS = np.finfo(float).eps
_ROUNDING = 8 * _EPS  # relative to its root mean square, a channel without power
_REACH = 10  # times the length of the input, within which a length that would fit is looked for


class FrequencyTagger(FeatureTransformer):
    r"""Measure responses at the frequencies of tags, their harmonics and intermodulation terms.

    Parameters
    ----------
    frequencies : float | sequence of float
        The tags f1, f2, ... in Hz, any number of them. Each must lie on a bin of the spectrum:
        an epoch holds whole periods of each.
    n_harmonics : int, default 4
        Largest multiple of a single tag.
    max_order : int, default 4
        Largest order of terms that mix tags: \|n1\| + \|n2\| + ... of n1 f1 + n2 f2 + ...; 1 for no
        such terms.
    measure : {"snr", "zscore", "bca", "amplitude"}, default "snr"
        Amplitude over the mean of the neighbour bins; amplitude above their mean in their standard
        deviations; amplitude minus their mean (baseline-corrected amplitude, V); or amplitude (V).
    power : bool, default False
        Measure power (the square of amplitude) instead of amplitude.
    n_neighbors : int, default 3
        Neighbour bins on each side. Bins of terms, 0 Hz and Nyquist are nobody's neighbours; the
        next ones further out are taken instead.
    n_skip : int, default 1
        Bins left out on each side next to a term.
    threshold : float | None
        Score above which a channel is named in ``tags_.above``.
    crop : bool, default False
        Read only as many samples of every epoch, from its start, as hold whole periods of all tags.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for the good data channels.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.

    Attributes
    ----------
    tags_ : TagReport
        Terms in Hz, spectra, values, scores and tests, with ``plot()`` and ``to_frame()``.
    feature_names_ : list of str
        Names of the columns.

    Raises
    ------
    ValueError
        If a parameter is not allowed; if a tag is at or above Nyquist, on no bin (the message says
        what length or ``crop=True`` would do), or without neighbours; if two tags are equal; or if
        a Raw is interrupted, or has ``BAD_`` spans within.

    See Also
    --------
    npa.spectral.snr : The measures, of spectra.

    Notes
    -----
    The spectrum of an epoch is 2 \|FFT\| / N of all its samples, mean subtracted, no window: a
    sine of amplitude A that lies on a bin gives A there and nothing elsewhere [1]_. A Raw is one
    epoch. The columns are called ``Oz_snr_2f1``, ``Oz_snr_f1+f2``, ``Oz_snr_2f1-f2``; terms at or
    above Nyquist are left out. Terms that share a bin have the same value, and name each other in
    the report.

    Noise (for the z-score, its standard deviation) is at least eps = 2.2e-16 times the root mean
    square of the channel: in a noiseless network everything but the terms is rounding. A channel
    without power is NaN, as is a term with no neighbour bin on one side.

    The score of a channel is the mean of its values over epochs and terms. The report also tests
    every term: power at the term over the mean power of its m neighbours, both summed over K
    epochs, is F(2K, 2Km) where there is no response [2]_; the p-values are corrected for the false
    discovery rate over the terms of all channels, of colliding terms one.

    References
    ----------
    .. [1] Norcia, A. M., et al. (2015). The steady-state visual evoked potential in vision
       research: a review. Journal of Vision, 15(6):4. https://doi.org/10.1167/15.6.4
    .. [2] Dobie, R. A., & Wilson, M. J. (1996). A comparison of t test, F test, and coherence
       methods of detecting steady-state auditory-evoked potentials, distortion-product
       otoacoustic emissions, or other sinusoids. J. Acoust. Soc. Am., 100(4), 2236-2246.
       https://doi.org/10.1121/1.417933

    Examples
    --------
    A product of two tagged responses answers at their sum and difference:

    >>> import numpy as np
    >>> from npa.estimators.tagging import FrequencyTagger
    >>> t = np.arange(1200) / 120
    >>> left, right = np.sin(2 * np.pi * 6 * t), np.sin(2 * np.pi * 7.5 * t)
    >>> x = left * right + np.random.default_rng(0).normal(size=(1, 1, 1200))
    >>> tagger = FrequencyTagger((6, 7.5), n_harmonics=1, max_order=2, sfreq=120.0)
    >>> tagger.set_output(transform="pandas").fit_transform(x).round()
       ch0_snr_f1  ch0_snr_f2  ch0_snr_f1+f2  ch0_snr_f2-f1
    0         1.0         1.0            9.0            8.0
    """

    def __init__(
        self,
        frequencies,
        n_harmonics=4,
        max_order=4,
        measure="snr",
        power=False,
        n_neighbors=3,
        n_skip=1,
        threshold=None,
        crop=False,
        picks=None,
        sfreq=None,
    ):
        self.frequencies = frequencies
        self.n_harmonics = n_harmonics
        self.max_order = max_order
        self.measure = measure
        self.power = power
        self.n_neighbors = n_neighbors
        self.n_skip = n_skip
        self.threshold = threshold
        self.crop = crop
        self.picks = picks
        self.sfreq = sfreq

    def _fit(self, signals):
        """Measure and test every term, and name the columns."""
        check_option("measure", self.measure, MEASURES)
        if self.threshold is not None:
            check_number("threshold", self.threshold)
        self._warn_flat_channels(signals)
        spectra = self._spectra(signals)
        self._check_terms(spectra)
        values = self._values(spectra)
        ratio, p = term_test(
            spectra.amplitude**2, floor=spectra.floor**2, **self._neighborhood(spectra)
        )
        self.tags_ = TagReport(
            ch_names=signals.ch_names,
            terms=spectra.terms,
            freqs=np.arange(spectra.amplitude.shape[-1]) * spectra.resolution,
            amplitude=_mean(spectra.amplitude, axis=0),
            measure=self.measure,
            power=self.power,
            values=_mean(values, axis=0),
            scores=_mean(values, axis=(0, 2)),
            threshold=self.threshold,
            ratio=ratio,
            p=p,
            p_fdr=_false_discovery(p, spectra.bins),
            n_neighbors=(self._neighbors(spectra) >= 0).sum(axis=1),
            info=signals.info,
        )
        self.feature_names_ = [
            f"{name}_{self.measure}_{term.name}"
            for name in signals.ch_names
            for term in spectra.terms
        ]

    def _measure(self, signals):
        """Measure every term of every epoch and channel."""
        values = self._values(self._spectra(signals))
        return values.reshape(len(values), -1)

    def _spectra(self, signals):
        """Return the amplitude spectra of one run of samples that holds whole periods."""
        start, stop = _only_clean_span(signals)
        orders = {"n_harmonics": self.n_harmonics, "max_order": self.max_order}
        nyquist = signals.sfreq / 2
        terms = tag_terms(self.frequencies, nyquist=nyquist, **orders)
        tags = [term.frequency for term in terms if term.order == 1]
        highest = max(term.order for term in terms)
        n_used = _length(stop - start, tags, signals.sfreq, highest, crop=self.crop)
        resolution = signals.sfreq / n_used
        terms = tag_terms(self.frequencies, nyquist=nyquist, resolution=resolution, **orders)
        if n_used > stop - start:
            warn(
                f"FrequencyTagger has no value for epochs of {stop - start} samples: none holds "
                f"a whole period of all tags ({n_used} samples)."
            )
            shape = (*signals.data.shape[:2], n_used // 2 + 1)
            return _Spectra(terms, resolution, n_used, np.full(shape, np.nan), np.zeros(shape[:2]))
        x = signals.data[..., start : start + n_used]
        amplitude = 2 / n_used * np.abs(rfft(x))
        rms = np.sqrt(np.einsum("ect,ect->ec", x, x) / n_used)
        changing = np.sqrt(np.einsum("ecf,ecf->ec", amplitude[..., 1:], amplitude[..., 1:]))
        amplitude[signals.bad | signals.flat | (changing <= _ROUNDING * rms)] = np.nan
        return _Spectra(terms, resolution, n_used, amplitude, _EPS * rms)

    def _neighborhood(self, spectra):
        """Return where to measure, and what noise is, as arguments of the measures."""
        silent = {0, *spectra.bins} | ({spectra.n_used // 2} if spectra.n_used % 2 == 0 else set())
        return {
            "bins": spectra.bins,
            "n_neighbors": self.n_neighbors,
            "n_skip": self.n_skip,
            "exclude": sorted(silent),
        }

    def _neighbors(self, spectra):
        """Return the neighbour bins of every term."""
        return neighbor_bins(n_freqs=spectra.amplitude.shape[-1], **self._neighborhood(spectra))

    def _values(self, spectra):
        """Measure every term, shape (n_epochs, n_channels, n_terms)."""
        exponent = 2 if self.power else 1
        spectrum, floor = spectra.amplitude**exponent, spectra.floor**exponent
        where = self._neighborhood(spectra)
        if self.measure == "snr":
            return snr_spectrum(spectrum, floor=floor, **where)
        if self.measure == "zscore":
            return zscore_spectrum(spectrum, floor=floor, **where)
        if self.measure == "bca":
            return baseline_corrected_amplitude(spectrum, **where)
        return spectrum[..., spectra.bins]

    def _check_terms(self, spectra):
        """Say which terms collide, miss their bin, or have no neighbours on one side."""
        collisions = {frozenset({term.name, *term.collides}) for term in spectra.terms}
        together = [" = ".join(sorted(names)) for names in collisions if len(names) > 1]
        if together:
            logger.info("Terms on one bin: %s.", ", ".join(sorted(together)))
        off_bin = [f"{term.name} ({term.offset:+.3f})" for term in spectra.terms if term.off_bin]
        if off_bin:
            warn(
                f"FrequencyTagger reads terms off their bins (by so many bins): "
                f"{', '.join(off_bin)}; crop=True looks for a length that fits them."
            )
        sides = np.split(self._neighbors(spectra) >= 0, 2, axis=1)
        alone = ~(sides[0].any(axis=1) & sides[1].any(axis=1))
        lonely = list(compress(spectra.terms, alone))
        names = ", ".join(f"{term.name} ({term.frequency:g} Hz)" for term in lonely)
        n_freqs = spectra.amplitude.shape[-1]
        too_wide = 2 * (self.n_neighbors + self.n_skip) >= n_freqs
        if self.measure == "amplitude" or not (lonely or too_wide):
            return
        if too_wide or any(term.order == 1 for term in lonely):
            raise ValueError(
                f"n_neighbors={self.n_neighbors} and n_skip={self.n_skip} reach past the ends of "
                f"the spectrum, which has {n_freqs} bins {spectra.resolution:g} Hz apart; without "
                f"neighbours on one side: {names or 'none'}. Longer epochs have more bins."
            )
        warn(f"FrequencyTagger has no noise, and no value, on one side of {names}.")


@dataclass(frozen=True)
class _Spectra:
    """Amplitude spectra of epochs and channels, and the bins of the terms in them."""

    terms: tuple
    resolution: float
    n_used: int
    amplitude: np.ndarray
    floor: np.ndarray

    @property
    def bins(self):
        """Bin of every term."""
        return np.array([round(term.frequency / self.resolution) for term in self.terms])


def _only_clean_span(signals):
    """Return the only clean span of the recording, or raise."""
    if len(signals.clean_spans) == 1:
        return signals.clean_spans[0]
    raise ValueError(
        f"X must be one uninterrupted span for FrequencyTagger, got {len(signals.clean_spans)} "
        "spans between BAD_ annotations and recording edges; cut it into mne.Epochs, or crop the "
        "Raw to a clean span."
    )


def _length(n_times, tags, sfreq, order, *, crop):
    """Return how many samples to read: all of them, or with ``crop`` those of whole periods.

    A length beyond ``n_times`` says that they are fewer than one period.
    """
    if not crop and len(_fitting(np.array([n_times]), tags, sfreq, 1)):
        return n_times
    shorter = _fitting(np.arange(n_times, n_times // 2, -1), tags, sfreq, order)
    period = int(np.ceil(sfreq / min(tags)))
    longer = _fitting(np.arange(n_times + 1, _REACH * max(n_times, period)), tags, sfreq, order)
    if crop and len(shorter):
        return int(shorter[0])
    if crop and len(longer) and n_times < period:
        return int(longer[0])
    places = ", ".join(f"{tag:g} Hz at bin {tag * n_times / sfreq:.3f}" for tag in tags)
    advice = []
    if len(shorter):
        length = f"{shorter[0]} samples ({shorter[0] / sfreq:g} s)"
        advice.append(f"crop=True would read the first {length} of every epoch")
    if len(longer):
        length = f"{longer[0]} samples ({longer[0] / sfreq:g} s)"
        advice.append(f"epochs of {length} would hold whole periods of all tags")
    raise ValueError(
        f"frequencies must lie on bins of the spectrum, which are {sfreq / n_times:g} Hz apart "
        f"for {n_times} samples ({n_times / sfreq:g} s) at {sfreq:g} Hz, got {places}; "
        f"{' and '.join(advice) or 'no similar length holds whole periods of all tags'}."
    )


def _fitting(lengths, tags, sfreq, order):
    """Return those lengths on whose bins all tags lie, and terms up to an order."""
    return lengths[order * bin_misses(lengths, tags, sfreq) <= BIN_TOLERANCE]


def _mean(values, axis):
    """Average what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.divide(total, count, where=count > 0, out=np.full(total.shape, np.nan))


def _false_discovery(p, bins):
    """Correct p-values (n_channels, n_terms) together, one of every bin."""
    _, first, inverse = np.unique(bins, return_index=True, return_inverse=True)
    family = p[:, first]
    known = np.isfinite(family)
    if known.any():
        family[known] = false_discovery_control(family[known])
    return family[:, inverse]
