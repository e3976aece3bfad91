"""Responses to frequency tags, as a scikit-learn transformer."""

from collections.abc import Sequence
from itertools import compress
from typing import Literal, TypeAlias

import numpy as np
from mne.utils import logger, warn

from npa.checks import check_bool, check_number, check_option
from npa.estimators.base import FeatureTransformer
from npa.recordings.signals import Signals
from npa.reports import TagReport
from npa.spectral.averages import mean_of_known
from npa.spectral.tags import MEASURES, TagSpectra, tag_spectra
from npa.typing import FloatArray, Picks

Measured: TypeAlias = tuple[TagSpectra, FloatArray]


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
        mixed terms.
    measure : {"snr", "zscore", "bca", "amplitude"}, default "snr"
        Amplitude over the mean of the neighbour bins; amplitude above their mean in their standard
        deviations; amplitude minus their mean (baseline-corrected amplitude, V); or amplitude (V).
    power : bool, default False
        Measure power (the square of amplitude) instead of amplitude.
    n_neighbors : int, default 3
        Neighbour bins on each side. Bins of terms, 0 Hz and Nyquist are not used as neighbours;
        the next ones further out are taken instead.
    n_skip : int, default 1
        Bins left out on each side next to a term.
    threshold : float | None
        Score above which a channel is listed in ``tags_.above``.
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
        If a parameter is not allowed; if a tag is at or above Nyquist, between bins (the message
        suggests a length or ``crop=True``), or without neighbours; if two tags are equal; or if a
        Raw is interrupted, or has ``BAD_`` spans in the middle.

    See Also
    --------
    npa.spectral.snr : The measures, for arrays of spectra.

    Notes
    -----
    The spectrum of an epoch is 2 \|FFT\| / N of all its samples (half of it at 0 Hz and Nyquist),
    no window: a sine of amplitude A that lies on a bin gives A there and nothing elsewhere [1]_. A
    Raw is one epoch. The columns are called ``Oz_snr_2f1``, ``Oz_snr_f1+f2``, ``Oz_snr_2f1-f2``;
    terms at or above Nyquist are left out. Terms that share a bin have the same value; the report
    lists which do.

    As elsewhere in the literature, the SNR of a single epoch without a response is not quite 1: its
    mean is m / (m - 1) for power and about 1 + 0.27 / m for amplitude with m neighbours (1.2 and
    1.05 for 3 on each side), because noise that is estimated too low weighs more than noise that is
    estimated too high. Compare conditions, or use the test.

    Noise (for the z-score, its standard deviation) is at least eps = 2.2e-16 times the root mean
    square of the channel: in a noiseless network everything but the terms is rounding error. A
    channel without power is NaN, as is a term without neighbour bins on one side.

    The score of a channel is the mean of its values over epochs and terms. The report also tests
    every term: power at the term over the mean power of its m neighbours, both summed over K
    epochs, is F(2K, 2Km) where there is no response [2]_; the p-values are corrected for the false
    discovery rate over the terms of all channels; terms that share a bin count once.

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
    The product of two tagged responses has terms at their sum and difference:

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
        frequencies: float | Sequence[float],
        n_harmonics: int = 4,
        max_order: int = 4,
        measure: Literal["snr", "zscore", "bca", "amplitude"] = "snr",
        power: bool = False,
        n_neighbors: int = 3,
        n_skip: int = 1,
        threshold: float | None = None,
        crop: bool = False,
        picks: Picks = None,
        sfreq: float | None = None,
    ) -> None:
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

    def _fit(self, signals: Signals) -> Measured:
        """Measure and test every term, and name the columns."""
        check_option("measure", self.measure, MEASURES)
        check_bool("power", self.power)
        check_bool("crop", self.crop)
        if self.threshold is not None:
            check_number("threshold", self.threshold)
        self._warn_channels(signals)
        spectra = self._spectra(signals)
        self._check_terms(spectra)
        values = self._values(spectra)
        ratio, p, p_fdr = spectra.test(self.n_neighbors, self.n_skip)
        self.tags_ = TagReport(
            ch_names=signals.ch_names,
            terms=spectra.terms,
            freqs=spectra.freqs,
            amplitude=mean_of_known(spectra.amplitude, axis=0),
            measure=self.measure,
            power=self.power,
            values=mean_of_known(values, axis=0),
            scores=mean_of_known(values, axis=(0, 2)),
            threshold=self.threshold,
            ratio=ratio,
            p=p,
            p_fdr=p_fdr,
            n_neighbors=(spectra.neighbors(self.n_neighbors, self.n_skip) >= 0).sum(axis=1),
            info=signals.info,
        )
        self.feature_names_ = [
            f"{name}_{self.measure}_{term.name}"
            for name in signals.ch_names
            for term in spectra.terms
        ]
        return spectra, values

    def _measure(self, signals: Signals) -> Measured:
        """Measure every term of every epoch and channel."""
        spectra = self._spectra(signals)
        return spectra, self._values(spectra)

    def _table(self, measured: Measured) -> FloatArray:
        """Return the values, shape (n_epochs, n_features)."""
        _, values = measured
        return values.reshape(len(values), -1)

    def _spectra(self, signals: Signals) -> TagSpectra:
        """Return the amplitude spectra of the one clean span."""
        start, stop = _only_clean_span(signals)
        spectra = tag_spectra(
            signals.data[..., start:stop],
            signals.sfreq,
            self.frequencies,
            n_harmonics=self.n_harmonics,
            max_order=self.max_order,
            crop=self.crop,
        )
        if spectra.n_used > stop - start:
            warn(
                f"FrequencyTagger has no value for epochs of {stop - start} samples: none holds "
                f"a whole period of all tags ({spectra.n_used} samples)."
            )
        spectra.amplitude[signals.bad | signals.flat] = np.nan
        return spectra

    def _values(self, spectra: TagSpectra) -> FloatArray:
        """Measure every term, shape (n_epochs, n_channels, n_terms)."""
        return spectra.measure(self.measure, self.n_neighbors, self.n_skip, power=self.power)

    def _check_terms(self, spectra: TagSpectra) -> None:
        """Report terms that share a bin, miss their bin, or lack neighbours on one side."""
        collisions = {frozenset({term.name, *term.collides}) for term in spectra.terms}
        shared = sorted(" = ".join(sorted(names)) for names in collisions if len(names) > 1)
        if shared:
            logger.info("Terms on one bin: %s.", ", ".join(shared))
        off_bin = [f"{term.name} ({term.offset:+.3f})" for term in spectra.terms if term.off_bin]
        if off_bin:
            warn(
                f"FrequencyTagger reads terms off their bins (by so many bins): "
                f"{', '.join(off_bin)}; crop=True looks for a length that fits them."
            )
        lower, upper = np.split(spectra.neighbors(self.n_neighbors, self.n_skip), 2, axis=1)
        both_sides = (lower.max(axis=1) >= 0) & (upper.max(axis=1) >= 0)
        one_sided = list(compress(spectra.terms, ~both_sides))
        names = ", ".join(f"{term.name} ({term.frequency:g} Hz)" for term in one_sided)
        n_freqs = len(spectra.freqs)
        too_wide = 2 * (self.n_neighbors + self.n_skip) >= n_freqs
        if self.measure == "amplitude" or not (one_sided or too_wide):
            return
        if too_wide or any(term.order == 1 for term in one_sided):
            raise ValueError(
                f"n_neighbors={self.n_neighbors} and n_skip={self.n_skip} reach past the ends of "
                f"the spectrum, which has {n_freqs} bins {spectra.resolution:g} Hz apart; without "
                f"neighbours on one side: {names or 'none'}. Longer epochs have more bins."
            )
        warn(f"FrequencyTagger has no noise, and no value, on one side of {names}.")


def _only_clean_span(signals: Signals) -> tuple[int, int]:
    """Return the one uninterrupted span of clean samples."""
    if len(signals.clean_spans) == 1:
        return signals.clean_spans[0]
    raise ValueError(
        f"X must be one uninterrupted span of clean samples for FrequencyTagger, got "
        f"{len(signals.clean_spans)} spans between BAD_ annotations and recording edges; cut it "
        "into mne.Epochs, or crop the Raw to a clean span."
    )
