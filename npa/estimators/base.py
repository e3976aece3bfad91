"""The two shapes of an estimator: signals to signals, and signals to a table."""

from itertools import compress

import numpy as np
from mne.utils import warn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from npa.checks import check_option, finite_rows
from npa.recordings.channels import channel_groups
from npa.recordings.containers import is_mne, read_signals, write_signals
from npa.spectral.density import METHODS, psd_of_spans


class _SignalReader(BaseEstimator):
    """What both shapes share: reading ``X``, and holding it against what was fitted.

    A subclass has the parameters ``picks`` and ``sfreq`` and writes ``_fit(signals)``; there it
    checks its parameters, does its work, and sets its attributes. Where it asks for no more than
    blocks ``signals.data[..., start:stop]``, it says so by ``_in_blocks``, and the samples of a
    Raw stay where they are.
    """

    _in_blocks = False

    def fit(self, X, y=None):
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
        signals = self._read_signals(X, reset=True, lazy=self._in_blocks)
        self._fit(signals)
        self.ch_names_ = signals.ch_names
        self.sfreq_ = signals.sfreq
        return self

    def read_signals(self, X, *, lazy=False):
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

    def _read_signals(self, X, *, reset, lazy=False):
        """Read ``X``; with ``reset=False`` also check that it fits what was fitted."""
        if not is_mne(X):
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

    def _check_matches_fit(self, signals, *, names):
        """Raise where channels or sampling rate are not those of the fit."""
        if not np.isclose(signals.sfreq, self.sfreq_):
            raise ValueError(
                f"X is sampled at {signals.sfreq:g} Hz, but was at {self.sfreq_:g} Hz at fit."
            )
        if len(signals.ch_names) != len(self.ch_names_):
            raise ValueError(
                f"X has {len(signals.ch_names)} channels, but had {len(self.ch_names_)} at fit."
            )
        pairs = zip(signals.ch_names, self.ch_names_, strict=True)
        changed = [(now, then) for now, then in pairs if now != then]
        if names and changed:
            now, then = changed[0]
            raise ValueError(
                f"X has other channels than at fit: {now!r} stands where {then!r} was "
                f"({len(changed)} differ)."
            )

    def _warn_flat_channels(self, signals):
        """Say once which channels are left out because nothing happens in them."""
        flat = signals.flat.all(axis=0) & ~signals.bad
        if flat.any():
            names = ", ".join(compress(signals.ch_names, flat))
            warn(f"{type(self).__name__} leaves out flat channel(s): {names}.")

    def __sklearn_tags__(self):
        """Tell scikit-learn that 3-D arrays are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class ContainerTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Base of the transformers that return a container, whatever tables are wanted as."""

    def set_output(self, *, transform=None):
        """Do nothing: what is returned stays in its container.

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

    def get_feature_names_out(self, input_features=None):
        """Return the names that came in.

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


class SignalTransformer(ContainerTransformer, _SignalReader):
    """Base of the estimators that return the kind of container they were given.

    A subclass writes ``_fit(signals)`` and `transform_block`. Where a sample of the output depends
    on others, it also writes `max_context`, or, where the context depends on the position,
    `block_context`: with these `npa.transform_to` works block by block.
    """

    _in_blocks = True

    def transform(self, X):
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
        for start, stop in signals.segments:
            x = signals.data[..., start:stop]
            x[...] = self.transform_block(x, finite_rows(x), stop - start)
        return write_signals(X if is_mne(X) else np.asarray(X), signals, signals.data)

    def transform_block(self, x, finite, n_times):
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

    def block_context(self, start, stop, n_times):
        """Return which part of a segment some samples of the output depend on.

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

    def max_context(self):
        """Return how many samples `block_context` adds on either side, at most.

        Returns
        -------
        n_samples : int
            Number of samples.
        """
        return 0

    def get_feature_names_out(self, input_features=None):
        """Return the names that came in.

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


class FeatureTransformer(TransformerMixin, _SignalReader):
    """Base of the estimators that return a table, one row an epoch.

    A subclass writes ``_fit(signals)``, which sets ``feature_names_`` (a list of str), and
    ``_measure(signals)``, which returns values of shape ``(n_epochs, n_features)``.
    """

    def transform(self, X):
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
        return self._measure(self.read_signals(X, lazy=self._in_blocks))

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns.

        Parameters
        ----------
        input_features : array-like of str | None
            Ignored but for its length, which is checked where a 2-D array was fitted.

        Returns
        -------
        names : array of object, shape (n_features,)
            Such as ``"Oz_exponent"``.
        """
        check_is_fitted(self)
        if getattr(self, "n_dims_in_", None) == 2:
            input_names(self, input_features)
        return np.asarray(self.feature_names_, dtype=object)


class SpectrumTransformer(FeatureTransformer):
    """Base of the estimators that measure power spectra, of channels or of groups of channels.

    A subclass has the parameters ``psd, psd_kwargs, aggregate, by, picks, sfreq``, calls
    ``_fit_groups`` in its ``_fit``, and reads spectra by ``_power``.
    """

    _in_blocks = True

    def _fit_groups(self, signals):
        """Check what is to be combined, and set ``groups_``: name to channel indices."""
        check_option("psd", self.psd, METHODS)
        check_option("aggregate", self.aggregate, (None, "mean", "sum"))
        if self.psd_kwargs is not None and not isinstance(self.psd_kwargs, dict):
            raise TypeError(f"psd_kwargs must be None or a dict, got {self.psd_kwargs!r}.")
        taken = {"method", "freq_range", "sfreq"} & set(self.psd_kwargs or {})
        if taken:
            raise ValueError(f"psd_kwargs must not hold {sorted(taken)}: they are set elsewhere.")
        if self.aggregate is None and self.by is not None:
            raise ValueError(
                f"by={self.by!r} groups channels, so aggregate must be 'mean' or 'sum', got None."
            )
        if self.aggregate is None:
            self.groups_ = {name: [index] for index, name in enumerate(signals.ch_names)}
        else:
            self.groups_ = channel_groups(signals.ch_names, self.by)
        for members in self.groups_.values():
            kinds = sorted(set(signals.types[members]))
            if len(kinds) > 1:
                raise ValueError(
                    f"picks must hold channels of one type, whose power can be averaged, got "
                    f"{', '.join(kinds)}."
                )

    def _power(self, signals, freq_range=None):
        """Return frequencies and power (n_epochs, n_groups, n_freqs), NaN where none is usable."""
        freqs, power = psd_of_spans(
            signals.data,
            signals.clean_spans,
            signals.sfreq,
            method=self.psd,
            freq_range=freq_range,
            **(self.psd_kwargs or {}),
        )
        usable = ~(signals.bad | signals.flat)
        if self.aggregate is None:
            power[~usable] = np.nan
            return freqs, power
        grouped = np.full((len(power), len(self.groups_), len(freqs)), np.nan)
        for column, members in enumerate(self.groups_.values()):
            weight = usable[:, members].astype(float)
            if self.aggregate == "mean":
                weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1)
            some = weight.any(axis=1)
            values = np.where(usable[:, members, np.newaxis], power[:, members], 0.0)
            grouped[some, column] = np.einsum("ec,ecf->ef", weight[some], values[some])
        return freqs, grouped


def input_names(estimator, input_features=None):
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
    seen = getattr(estimator, "feature_names_in_", None)
    n_features = getattr(estimator, "n_features_in_", None)
    if input_features is None:
        if seen is not None:
            return seen
        if n_features is None:
            return np.asarray(estimator.ch_names_, dtype=object)
        return np.asarray([f"x{index}" for index in range(n_features)], dtype=object)
    input_features = np.asarray(input_features, dtype=object)
    if n_features is not None and len(input_features) != n_features:
        raise ValueError(
            f"input_features should have length equal to number of features ({n_features}), "
            f"got {len(input_features)}."
        )
    if seen is not None and list(seen) != list(input_features):
        raise ValueError("input_features is not equal to feature_names_in_")
    return input_features
