"""The two kinds of estimator: signals to signals, and signals to a table."""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, ClassVar, Self, TypeAlias, TypeVar, overload

import mne
import numpy as np
from mne.utils import warn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from npa.checks import check_array_like, check_option, check_range, finite_rows
from npa.recordings.channels import channel_groups, is_electrode
from npa.recordings.containers import is_mne, read_signals, write_signals
from npa.recordings.pass_band import find_pass_band
from npa.recordings.signals import Signals
from npa.spectral.averages import combine_channels
from npa.spectral.density import METHODS, plan_spans, psd_of_spans
from npa.spectral.precision import SpectrumPrecision, degrees_of_freedom
from npa.typing import AnyArray, BoolArray, FloatArray

Recording: TypeAlias = mne.io.BaseRaw | mne.BaseEpochs | AnyArray
Groups: TypeAlias = str | Mapping[str, Sequence[str]] | None
MneT = TypeVar("MneT", bound=mne.io.BaseRaw | mne.BaseEpochs)

# V, peak to peak: amplifiers clip at 0.5 V, standard normal noise stays below 12, EEG in uV above.
MAX_EEG_RANGE = 20.0
MIN_SHARE_READ = 0.5  # of the clean time; less is warned about


class SignalEstimator(BaseEstimator):
    """Base of both kinds: it reads ``X`` and compares it with what was fitted.

    A subclass has the parameters ``picks`` and ``sfreq`` and implements ``_fit(signals)``, which
    checks the parameters and sets the attributes. If it only reads blocks
    ``signals.data[..., start:stop]``, it sets ``_reads_blocks``, and a Raw is not loaded.
    """

    _reads_blocks: ClassVar[bool] = False

    def fit(self, X: Recording, y: object = None) -> Self:
        """Fit to a recording.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording; a 2-D array is ``(n_epochs, n_times)`` of one channel.
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._fit_recording(X)
        return self

    def read_signals(self, X: Recording, *, lazy: bool = False) -> Signals:
        """Read the channels of the fit from a recording.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording, with the channels and sampling rate of the fit.
        lazy : bool, default False
            Whether samples of a Raw are read when they are asked for, block by block.

        Returns
        -------
        signals : npa.recordings.signals.Signals
            The samples of the picked channels.

        Raises
        ------
        ValueError
            If channels or sampling rate are not those of the fit.
        """
        check_is_fitted(self)
        return self._read_signals(X, reset=False, lazy=lazy)

    def _fit_recording(self, X: Recording) -> Any:
        """Read and fit a recording; return what ``_fit`` returns."""
        signals = self._read_signals(X, reset=True, lazy=self._reads_blocks)
        result = self._fit(signals)
        self.ch_names_ = signals.ch_names
        self.sfreq_ = signals.sfreq
        return result

    def _fit(self, signals: Signals) -> Any:
        raise NotImplementedError

    def _read_signals(self, X: Recording, *, reset: bool, lazy: bool = False) -> Signals:
        """Read ``X``; with ``reset=False`` also check that it matches the fit."""
        if not is_mne(X):
            check_array_like("X", X)
            fitted_dims = getattr(self, "n_dims_in_", None)
            X = validate_data(
                self, X, reset=reset, dtype=float, allow_nd=True, ensure_all_finite=False
            )
            if reset:
                self.n_dims_in_ = X.ndim
            elif fitted_dims not in (None, X.ndim):
                raise ValueError(f"X has {X.ndim} dimensions, but had {fitted_dims} at fit.")
        elif reset:
            for name in ("n_features_in_", "feature_names_in_", "n_dims_in_"):
                self.__dict__.pop(name, None)
        signals = read_signals(X, picks=self.picks, sfreq=self.sfreq, lazy=lazy)
        if not reset:
            self._check_matches_fit(signals, names=is_mne(X))
        return signals

    def _check_matches_fit(self, signals: Signals, *, names: bool) -> None:
        """Raise if channels or sampling rate are not those of the fit."""
        if not np.isclose(signals.sfreq, self.sfreq_):
            raise ValueError(
                f"X is sampled at {signals.sfreq:g} Hz, but was at {self.sfreq_:g} Hz at fit."
            )
        if len(signals.ch_names) != len(self.ch_names_):
            raise ValueError(
                f"X has {len(signals.ch_names)} channels, but had {len(self.ch_names_)} at fit."
            )
        pairs = zip(signals.ch_names, self.ch_names_, strict=True)
        changed = [(name, fitted) for name, fitted in pairs if name != fitted]
        if names and changed:
            name, fitted = changed[0]
            raise ValueError(
                f"X has other channels than at fit: {name!r} instead of {fitted!r} "
                f"({len(changed)} differ)."
            )

    def _warn_channels(self, signals: Signals) -> None:
        """Warn about channels without values, which are left out, and about other units."""
        flat = signals.flat.all(axis=0) & ~signals.bad
        if signals.bad.all():
            n_bad = f"all {len(signals.bad)} channels are" if len(signals.bad) > 1 else "it is"
            warn(f"{type(self).__name__} has no channel to measure: {n_bad} marked bad.")
        elif flat.any():
            names = ", ".join(compress(signals.ch_names, flat))
            warn(f"{type(self).__name__} leaves out flat channel(s): {names}.")
        if signals.info is not None:
            self._warn_microvolts(signals, signals.info)

    def _warn_microvolts(self, signals: Signals, info: mne.Info) -> None:
        """Warn about EEG channels whose unit can hardly be V."""
        eeg = (signals.types == "eeg") & signals.usable
        typical = np.median(signals.peak_to_peak[:, eeg]) if eeg.any() else 0.0
        if typical > MAX_EEG_RANGE:
            # Units of networks are EEG channels as well, whose activations have no unit.
            eeg &= [is_electrode(info, name) for name in signals.ch_names]
        if typical > MAX_EEG_RANGE and eeg.any():
            names = ", ".join(list(compress(signals.ch_names, eeg))[:3])
            warn(
                f"EEG channels ({names}, ...) have a typical range of {typical:.3g} V: they seem "
                "to be in microvolts. MNE's unit is V: multiply them by 1e-6, by "
                "raw.apply_function(lambda x: 1e-6 * x)."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class ContainerTransformer(  # type: ignore[call-arg]
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Base of the transformers that return a container, whatever ``set_output`` asks for."""

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: the output stays in its container.

        Parameters
        ----------
        transform : str | None
            Ignored.

        Returns
        -------
        self : object
            The estimator.
        """
        return self

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> AnyArray:
        """Return the input names.

        Parameters
        ----------
        input_features : array-like of str | None
            Names of the columns.

        Returns
        -------
        names : array of object
            The same names.
        """
        return np.asarray([] if input_features is None else input_features, dtype=object)


class SignalTransformer(ContainerTransformer, SignalEstimator):
    """Base of the estimators that return the kind of container they were given.

    A subclass implements ``_fit(signals)`` and `transform_block`. If a sample of the output depends
    on other samples, it also implements `max_context`, or, if the context depends on the position,
    `block_context`: with these `npa.transform_to` works block by block.
    """

    _reads_blocks = True

    def read_signals(self, X: Recording, *, lazy: bool = False) -> Signals:
        """Read the channels of the fit from a recording; see `SignalEstimator`.

        Warns where channels are NaN under a ``BAD_`` annotation, so that all of them become NaN.
        """
        signals = super().read_signals(X, lazy=lazy)
        missing, n_good = signals.gap_channels, (~signals.bad).sum()
        if missing and len(missing) < n_good:
            duration = sum(stop - start for start, stop in signals.gaps) / signals.sfreq
            warn(
                f"{type(self).__name__} returns NaN for {duration:.3g} s in all {n_good} channels, "
                f"where {', '.join(missing)} hold NaN under BAD_ annotations; mark these channels "
                "as bad or interpolate them to keep the others."
            )
        return signals

    @overload
    def transform(self, X: AnyArray) -> FloatArray: ...
    @overload
    def transform(self, X: MneT) -> MneT: ...
    def transform(self, X: Any) -> Any:
        """Return a changed copy of the recording.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording, with the channels and sampling rate of the fit. It is not changed.

        Returns
        -------
        out : mne.io.BaseRaw | mne.BaseEpochs | array
            The same kind as ``X``, with every channel.
        """
        signals = self.read_signals(X)
        data = np.asarray(signals.data)
        segments = signals.finite_segments
        for start, stop in signals.gaps:
            data[:, ~signals.bad, start:stop] = np.nan
        for start, stop in segments:
            x = data[..., start:stop]
            x[...] = self.transform_block(x, finite_rows(x), stop - start)
        return write_signals(X if is_mne(X) else np.asarray(X), signals, data)

    @overload
    def fit_transform(self, X: AnyArray, y: object = None) -> FloatArray: ...
    @overload
    def fit_transform(self, X: MneT, y: object = None) -> MneT: ...
    def fit_transform(self, X: Any, y: object = None) -> Any:
        """Fit to a recording, and return a changed copy of it.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording. It is not changed.
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        out : mne.io.BaseRaw | mne.BaseEpochs | array
            The same kind as ``X``, with every channel.
        """
        return self.fit(X, y).transform(X)

    def transform_block(self, x: FloatArray, finite: BoolArray, n_times: int) -> FloatArray:
        """Return new samples for a segment, or for a block of one with its context.

        Parameters
        ----------
        x : array, shape (n_epochs, n_channels, n_block)
            Samples of the picked channels, recorded without interruption. They may be changed.
        finite : array of bool, shape (n_epochs, n_channels)
            Whether a channel is finite throughout the segment; only bad channels may not be.
        n_times : int
            Length of the whole segment in samples.

        Returns
        -------
        out : array, shape (n_epochs, n_channels, n_block)
            The new samples.
        """
        raise NotImplementedError

    def block_context(self, start: int, stop: int, n_times: int) -> tuple[int, int]:
        """Return the part of a segment that the output for a block depends on.

        Parameters
        ----------
        start, stop : int
            First sample of the block, and one past its last, counted from the segment's start.
        n_times : int
            Length of the segment in samples.

        Returns
        -------
        first, last : int
            First sample of the block with its context, and one past its last.
        """
        context = self.max_context()
        return max(start - context, 0), min(stop + context, n_times)

    def max_context(self) -> int:
        """Return how many samples `block_context` adds on either side, at most.

        Returns
        -------
        n_samples : int
            Number of samples.
        """
        return 0

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> AnyArray:
        """Return the input names.

        Parameters
        ----------
        input_features : array-like of str | None
            Names of the columns; None for those of the fit.

        Returns
        -------
        names : array of object
            The same names.
        """
        check_is_fitted(self)
        return input_names(self, input_features)


class FeatureTransformer(TransformerMixin, SignalEstimator):
    """Base of the estimators that return a table, one row per epoch.

    A subclass implements ``_measure(signals)``, which returns what it measures (spectra, say) in
    any form; ``_table(measured)``, which makes of it an array ``(n_epochs, n_features)``; and
    ``_fit(signals)``, which sets ``feature_names_`` (a list of str) and returns what
    ``_measure(signals)`` would, so that ``fit_transform`` measures once.
    """

    feature_names_: list[str]

    def fit_transform(self, X: Recording, y: object = None) -> FloatArray:
        """Fit to a recording, and measure every epoch of it.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording; a 2-D array is ``(n_epochs, n_times)`` of one channel.
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        table : array, shape (n_epochs, n_features)
            The values, as `transform` returns them.
        """
        return self._labelled(self._fit_recording(X))

    def transform(self, X: Recording) -> FloatArray:
        """Measure every epoch.

        Parameters
        ----------
        X : mne.io.BaseRaw | mne.BaseEpochs | array, shape (n_epochs, n_channels, n_times)
            The recording, with the channels and sampling rate of the fit. It is not changed.

        Returns
        -------
        table : array, shape (n_epochs, n_features)
            The values, named by `get_feature_names_out`; a Raw is one epoch. NaN where a channel
            is bad, flat or could not be measured.
        """
        signals = self.read_signals(X, lazy=self._reads_blocks)
        self._warn_channels(signals)
        return self._labelled(self._measure(signals))

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> AnyArray:
        """Return the names of the columns.

        Parameters
        ----------
        input_features : array-like of str | None
            Ignored except for its length, which is checked if a 2-D array was fitted.

        Returns
        -------
        names : array of object, shape (n_features,)
            Such as ``"Oz_exponent"``.
        """
        check_is_fitted(self)
        if getattr(self, "n_dims_in_", None) == 2:
            input_names(self, input_features)
        return np.asarray(self.feature_names_, dtype=object)

    def _labelled(self, measured: Any) -> Any:
        """Return the table; a subclass may name its rows."""
        return self._table(measured)

    def _measure(self, signals: Signals) -> Any:
        raise NotImplementedError

    def _table(self, measured: Any) -> FloatArray:
        raise NotImplementedError


class SpectrumTransformer(FeatureTransformer):
    """Base of the estimators that measure power spectra, of channels or of groups of channels.

    A subclass has the parameters ``freq_range, psd, psd_kwargs, aggregate, by, picks, sfreq``, and
    calls ``_fit_groups`` in its ``_fit``. Spectra of channels come from ``_spectra``, which may be
    overridden; ``_combine`` makes spectra of groups of them.
    """

    _reads_blocks = True
    _min_freqs: ClassVar[int] = 1

    def _check_spectra(self, sfreq: float) -> None:
        """Check the parameters of the spectra."""
        check_option("psd", self.psd, METHODS)
        if self.psd_kwargs is not None and not isinstance(self.psd_kwargs, dict):
            raise TypeError(f"psd_kwargs must be None or a dict, got {self.psd_kwargs!r}.")
        reserved = {"method", "freq_range", "sfreq"} & set(self.psd_kwargs or {})
        if reserved:
            raise ValueError(
                f"psd_kwargs must not hold {sorted(reserved)}: they are set elsewhere."
            )
        if self.freq_range is None:
            return
        _, high = check_range("freq_range", self.freq_range)
        if high > sfreq / 2:
            raise ValueError(
                f"freq_range must end at or below the Nyquist frequency of {sfreq / 2:g} Hz, got "
                f"{self.freq_range!r}."
            )

    def _fit_groups(self, signals: Signals) -> None:
        """Check the parameters, and set ``groups_``: name of a spectrum to channel indices."""
        self._check_spectra(signals.sfreq)
        check_option("aggregate", self.aggregate, (None, "mean", "sum"))
        if self.aggregate is None and self.by is not None:
            raise ValueError(
                f"by={self.by!r} groups channels, so aggregate must be 'mean' or 'sum', got None."
            )
        if self.aggregate is None:
            self.groups_ = {name: [index] for index, name in enumerate(signals.ch_names)}
        else:
            self.groups_ = self._group(signals, self.by)

    def _group(self, signals: Signals, by: Groups) -> dict[str, list[int]]:
        """Group channels, each group of one type."""
        groups = channel_groups(signals.ch_names, by)
        for members in groups.values():
            types = sorted(set(signals.types[members]))
            if len(types) > 1:
                raise ValueError(
                    f"picks must hold channels of one type, whose power can be averaged, got "
                    f"{', '.join(types)}."
                )
        return groups

    def _spectra(self, signals: Signals) -> tuple[FloatArray, FloatArray]:
        """Estimate power within ``freq_range``, without 0 Hz.

        Parameters
        ----------
        signals : Signals
            The recording.

        Returns
        -------
        freqs : array, shape (n_freqs,)
            Frequencies in Hz; none if the signals are too short for ``_min_freqs`` of them.
        power : array, shape (n_epochs, n_channels, n_freqs)
            Power spectral density; NaN where a channel is bad or flat.
        """
        n_epochs, n_channels, _ = signals.data.shape
        longest = max(stop - start for start, stop in signals.clean_spans)
        if longest < 2 * self._min_freqs:
            return np.empty(0), np.empty((n_epochs, n_channels, 0))
        used, clean = self._seconds(signals)
        if used < MIN_SHARE_READ * clean:
            warn(
                f"{type(self).__name__} uses only {used:.3g} s of {clean:.3g} clean s: most clean "
                "spans are shorter than its windows. Leave n_per_seg out of psd_kwargs, or make it "
                "shorter, or interpolate or repair instead of annotating."
            )
        return self._power_within(signals, self.freq_range)

    def _power_within(
        self, signals: Signals, freq_range: tuple[float, float] | None
    ) -> tuple[FloatArray, FloatArray]:
        """Estimate power within a range, without 0 Hz."""
        low, high = (0.0, None) if freq_range is None else freq_range
        freqs, power = psd_of_spans(
            signals.data,
            signals.clean_spans,
            signals.sfreq,
            method=self.psd,
            freq_range=None if high is None else (0.0, high),
            **(self.psd_kwargs or {}),
        )
        keep = (freqs >= low) & (freqs > 0)
        power = power[..., keep]
        power[signals.bad | signals.flat] = np.nan
        return freqs[keep], power

    def _seconds(self, signals: Signals) -> tuple[float, float]:
        """Return the duration in s that spectra are estimated from, and that of the clean spans."""
        n_epochs, _, n_times = signals.data.shape
        unit = n_epochs / signals.sfreq
        n_clean = sum(stop - start for start, stop in signals.clean_spans)
        if n_times < 2 * self._min_freqs:
            return 0.0, n_clean * unit
        options = self.psd_kwargs or {}
        plan = plan_spans(signals.clean_spans, n_times, signals.sfreq, method=self.psd, **options)
        return plan.n_used * unit, n_clean * unit

    def _precision(self, signals: Signals) -> SpectrumPrecision:
        """Return the degrees of freedom of the spectrum of every row, shape (n_rows,)."""
        longest = max(stop - start for start, stop in signals.clean_spans)
        precision = SpectrumPrecision(np.nan, np.nan)
        if longest >= 2 * self._min_freqs:
            options = self.psd_kwargs or {}
            precision = degrees_of_freedom(
                signals.clean_spans, signals.sfreq, method=self.psd, **options
            )
        return precision._replace(dof=np.full(len(signals.data), precision.dof))

    def _precision_of_mean(self, signals: Signals) -> SpectrumPrecision:
        """Return the degrees of freedom of the mean of the rows."""
        precision = self._precision(signals)
        return precision._replace(dof=precision.dof.sum())

    def _warn_pass_band(self, signals: Signals, freqs: FloatArray) -> None:
        """Warn once if the frequencies of the fit leave the pass band of the recording."""
        if not len(freqs):
            return
        band, fitted = find_pass_band(signals), (float(freqs[0]), float(freqs[-1]))
        if band.holds(fitted):
            return
        inside = band.limit(fitted)
        advice = "no part of it is inside"
        if inside is not None:
            advice = f"take freq_range=({inside[0]:.4g}, {inside[1]:.4g})"
        warn(
            f"{type(self).__name__} fits {fitted[0]:.4g}-{fitted[1]:.4g} Hz, which leaves the pass "
            f"band of {band}: the fall of a filter is fitted as background; {advice}."
        )

    def _combine(self, power: FloatArray) -> FloatArray:
        """Combine power of channels, shape (n_epochs, n_groups, n_freqs)."""
        if self.aggregate is None:
            return power
        return combine_channels(power, self.groups_.values(), self.aggregate)


def input_names(estimator: Any, input_features: Sequence[str] | None = None) -> AnyArray:
    """Return the names of an estimator's input columns.

    Parameters
    ----------
    estimator : object
        A fitted estimator of this package.
    input_features : array-like of str | None
        Names given by the caller; None for those seen at fit.

    Returns
    -------
    names : array of object
        ``input_features``, or the data frame's columns, ``x0, x1, ...`` or channel names.

    Raises
    ------
    ValueError
        If the names given do not match those of the fit.

    Examples
    --------
    >>> input_names(object(), ["Oz"])
    array(['Oz'], dtype=object)
    """
    fitted_names: AnyArray | None = getattr(estimator, "feature_names_in_", None)
    n_features = getattr(estimator, "n_features_in_", None)
    if input_features is None:
        if fitted_names is not None:
            return fitted_names
        if n_features is None:
            return np.asarray(estimator.ch_names_, dtype=object)
        return np.asarray([f"x{index}" for index in range(n_features)], dtype=object)
    names = np.asarray(input_features, dtype=object)
    # The messages are those of scikit-learn, which its checks look for.
    if n_features is not None and len(names) != n_features:
        raise ValueError(
            f"input_features should have length equal to number of features ({n_features}), "
            f"got {len(names)}."
        )
    if fitted_names is not None and list(fitted_names) != list(names):
        raise ValueError("input_features is not equal to feature_names_in_")
    return names
