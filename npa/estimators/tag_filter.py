"""Components that carry the response to frequency tags, as a scikit-learn transformer."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import mne
import numpy as np
from mne.utils import warn
from sklearn.utils.validation import check_is_fitted

from npa.checks import check_number
from npa.estimators.base import ContainerTransformer, Recording, SignalEstimator
from npa.recordings.containers import is_mne
from npa.recordings.signals import Signals
from npa.reports.tag_filter import TagFilterReport
from npa.spectral.covariances import SHRINKAGE
from npa.spectral.line_noise import MAINS
from npa.spectral.tag_filters import TagFilterFit, fit_tag_filter
from npa.typing import AnyArray, FloatArray, Picks

MAX_MAINS_OFFSET = 0.5  # Hz


class TagFilter(ContainerTransformer, SignalEstimator):
    r"""Combine channels into one component per frequency tag (RESS).

    Parameters
    ----------
    frequencies : float | sequence of float
        The tags f1, f2, ... in Hz.
    signal_width : float, default 0.5
        Full width at half maximum of the Gaussian filter at the tag in Hz.
    neighbor_distance : float, default 1.0
        Distance from the tag, on both sides, of the reference in Hz. Epochs last at least
        2 / ``neighbor_distance``.
    neighbor_width : float, default 1.0
        Full width at half maximum of the Gaussian filters there in Hz.
    shrinkage : float, default 0.01
        Share of the mean variance added to all directions of the reference.
    cv : int, default 10
        Number of folds of consecutive epochs in ``fit_transform``, at most that of the epochs.
    picks : str | array-like | slice | None
        Channels, as in MNE; None for the good data channels.
    sfreq : float | None
        Sampling rate in Hz; only for arrays.

    Attributes
    ----------
    tag_filters_ : TagFilterReport
        Filters, patterns and cross-validated SNR, with ``plot()`` and ``to_frame()``.

    Raises
    ------
    ValueError
        If a parameter is not allowed, a tag is at or above Nyquist, or epochs are too short.

    Warns
    -----
    RuntimeWarning
        If there is one usable channel, which is returned as it is; if a tag or one of its first
        harmonics is the frequency of the power line.

    See Also
    --------
    npa.FrequencyTagger : Measures the components, as the next step of a pipeline.

    Notes
    -----
    Rhythmic entrainment source separation [1]_: covariances at the tag and beside it, each from
    the spectra of whole epochs weighted by Gaussians, are diagonalized jointly; the filter has the
    largest ratio of power. The output has one channel ``tag_f1``, ``tag_f2``, ... per tag, in the
    unit of the channels: the amplitude that the response has in the channel where it is largest.

    A filter fitted to noise brings out noise at the tag: in the epochs that it was fitted to, the
    SNR is above 1 without any response. So ``fit_transform`` filters each fold of epochs by a
    filter that was fitted to the others; without a response the SNR is 1, but for its error.
    ``transform`` uses the filter of all epochs, and is meant for other recordings than that of the
    fit. What a filter can gain depends on the number of channels that share the noise.

    References
    ----------
    .. [1] Cohen, M. X., & Gulbinaite, R. (2017). Rhythmic entrainment source separation: optimizing
       analyses of neural responses to rhythmic sensory stimulation. NeuroImage, 147, 43-56.
       https://doi.org/10.1016/j.neuroimage.2016.11.036

    Examples
    --------
    >>> import numpy as np
    >>> from npa.estimators.tag_filter import TagFilter
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(20, 8, 400)) + rng.normal(size=(20, 1, 400))
    >>> x[:, :4] += 0.2 * np.sin(2 * np.pi * 6 * np.arange(400) / 100)
    >>> components = TagFilter(6, sfreq=100.0).fit(x).tag_filters_
    >>> components.to_frame()[["name", "snr", "channel_snr"]].round(0)
         name  snr  channel_snr
    0  tag_f1  9.0          3.0
    """

    def __init__(
        self,
        frequencies: float | Sequence[float],
        signal_width: float = 0.5,
        neighbor_distance: float = 1.0,
        neighbor_width: float = 1.0,
        shrinkage: float = SHRINKAGE,
        cv: int = 10,
        picks: Picks = None,
        sfreq: float | None = None,
    ) -> None:
        self.frequencies = frequencies
        self.signal_width = signal_width
        self.neighbor_distance = neighbor_distance
        self.neighbor_width = neighbor_width
        self.shrinkage = shrinkage
        self.cv = cv
        self.picks = picks
        self.sfreq = sfreq

    def transform(self, X: Recording) -> Any:
        """Return the components of a recording that the filters were not fitted to.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording, with the channels and sampling rate of the fit.

        Returns
        -------
        components : mne.io.RawArray | mne.EpochsArray | array, shape (n_epochs, n_tags, n_times)
            One channel per tag.
        """
        signals = self.read_signals(X)
        filters = self.tag_filters_.filters[:, self.tag_filters_.used]
        return self._write(
            X, signals, filters @ np.asarray(signals.data)[:, self.tag_filters_.used]
        )

    def fit_transform(self, X: Recording, y: object = None) -> Any:
        """Fit, and return each epoch's components by filters fitted to the other folds.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording; at least two epochs.
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        components : mne.io.RawArray | mne.EpochsArray | array, shape (n_epochs, n_tags, n_times)
            One channel per tag.
        """
        self.fit(X, y)
        signals = self.read_signals(X)
        report = self.tag_filters_
        if report.n_folds < 2 and len(report.used) > 1:
            raise ValueError(
                "X must hold at least 2 epochs for fit_transform, which cross-validates, got 1; "
                "cut it into mne.Epochs, or fit another recording and transform this one."
            )
        x = np.asarray(signals.data)[:, report.used]
        out = np.empty((len(x), len(report.fits), x.shape[-1]))
        for index, epochs in enumerate(self._folds(len(x))):
            filters = np.array(
                [fit.fold_filters[min(index, report.n_folds - 1)] for fit in report.fits]
            )
            out[epochs] = filters @ x[epochs]
        return self._write(X, signals, out)

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> AnyArray:
        """Return the names of the components.

        Parameters
        ----------
        input_features : array-like of str | None
            Ignored.

        Returns
        -------
        names : array of object, shape (n_tags,)
            ``"tag_f1"``, ``"tag_f2"``, ...
        """
        check_is_fitted(self)
        return np.asarray(self.tag_filters_.names, dtype=object)

    def _fit(self, signals: Signals) -> None:
        """Fit the filter of every tag."""
        tags = self._check_parameters(signals.sfreq)
        n_epochs = len(signals.data)
        used = np.flatnonzero(signals.usable)
        if not len(used):
            raise ValueError(
                "X has no channel to filter: all are marked bad, or flat "
                f"(n_features = {len(signals.bad)})."
            )
        if len(used) > 1:
            self._warn_channels(signals)
            start, stop = max(signals.clean_spans, key=lambda span: span[1] - span[0])
            options = {
                "signal_width": self.signal_width,
                "neighbor_distance": self.neighbor_distance,
                "neighbor_width": self.neighbor_width,
                "shrinkage": self.shrinkage,
            }
            fits = tuple(
                fit_tag_filter(
                    np.asarray(signals.data),
                    (start, stop),
                    signals.sfreq,
                    tag,
                    used,
                    self._folds(n_epochs),
                    others=[other for other in tags if other != tag],
                    **options,
                )
                for tag in tags
            )
        else:
            warn(
                "TagFilter has 1 usable channel, and returns it as it is: a spatial filter needs "
                "at least 2."
            )
            one = np.ones(1)
            same = TagFilterFit(one, one, np.nan, np.ones((1, 1)), np.nan, one * np.nan)
            fits = (same,) * len(tags)
        self.tag_filters_ = TagFilterReport(
            ch_names=signals.ch_names,
            frequencies=tuple(tags),
            used=used,
            fits=fits,
            n_folds=len(fits[0].fold_filters),
            info=signals.info,
        )

    def _check_parameters(self, sfreq: float) -> list[float]:
        """Return the tags; raise if they or other parameters are not allowed."""
        for name in ("signal_width", "neighbor_distance", "neighbor_width"):
            check_number(name, getattr(self, name), above=0)
        check_number("shrinkage", self.shrinkage, low=0, high=1)
        check_number("cv", self.cv, low=2, integer=True)
        tags = [
            check_number(f"frequencies[{index}]", tag, above=0, below=sfreq / 2)
            for index, tag in enumerate(np.atleast_1d(np.asarray(self.frequencies, dtype=object)))
        ]
        if not tags or len(set(tags)) < len(tags):
            raise ValueError(f"frequencies must hold at least one tag, all different, got {tags}.")
        on_mains = [
            f"{multiple * tag:g} Hz ({multiple} x {tag:g} Hz)"
            for tag in tags
            for multiple in (1, 2)
            if multiple * tag < sfreq / 2
            and min(abs(multiple * tag - mains) for mains in MAINS) < MAX_MAINS_OFFSET
        ]
        if on_mains:
            warn(
                f"TagFilter has tags or harmonics at the frequency of the power line: "
                f"{', '.join(on_mains)}; line noise that channels share is brought out as well."
            )
        return tags

    def _folds(self, n_epochs: int) -> list[AnyArray]:
        """Split the epochs into folds of consecutive ones."""
        return np.array_split(np.arange(n_epochs), min(self.cv, n_epochs))

    def _write(self, X: Recording, signals: Signals, data: FloatArray) -> Any:
        """Return components in a container of the kind of ``X``."""
        if not is_mne(X):
            return data
        names = list(self.tag_filters_.names)
        types = Counter(signals.types[self.tag_filters_.used])
        info = mne.create_info(names, signals.sfreq, types.most_common(1)[0][0])
        if isinstance(X, mne.io.BaseRaw):
            raw = mne.io.RawArray(data[0], info, first_samp=X.first_samp, verbose=False)
            raw.set_meas_date(X.info["meas_date"])
            return raw.set_annotations(X.annotations)
        return mne.EpochsArray(
            data,
            info,
            X.events,
            X.tmin,
            X.event_id,
            baseline=None,
            metadata=X.metadata,
            verbose=False,
        )
