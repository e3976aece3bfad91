"""An LSTM that classifies single trials, as a scikit-learn classifier."""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from npa.checks import check_array_like, check_number, check_option
from npa.decoding.batches import blocks, channel_scale, stratified_batches
from npa.typing import AnyArray, FloatArray, IntArray, RandomState
from npa_ann.networks import eeg_lstm


class LSTMDecoder(ClassifierMixin, BaseEstimator):
    """Classify trials by an LSTM with a softmax layer on its states at all times.

    Parameters
    ----------
    units : int
        Number of LSTM cells. Default 16.
    recurrent_max_norm : float | None
        Maximum norm of each column of the recurrent kernel; None for no limit. Default 2.
    optimizer : str
        Name of a Keras optimizer, such as ``"sgd"`` (default) or ``"adam"``.
    learning_rate : float
        Its learning rate. The default, 0.0002, is for ``"sgd"``; usual for ``"adam"`` are 0.001 to
        0.01.
    batch_size : int
        Trials per batch; all training trials where there are fewer. Default 1024.
    steps_per_epoch : int | None
        Batches per epoch (default 3); None for as many as contain all training trials once.
    epochs : int
        Number of epochs (default 20); with ``early_stopping`` the maximum.
    class_weight : None | "balanced" | dict
        Weight of each class, as in scikit-learn. It sets how often trials of a class are drawn
        (``"balanced"``: each class equally often), for which the expected gradient is that of
        weights in the loss, up to a factor. Default None.
    early_stopping : bool
        Whether to hold out a validation set, stop when its loss has not decreased for
        ``patience`` epochs, and restore the weights of the best epoch. Default False.
    validation_fraction : float
        Proportion of the trials (of the groups, where ``fit`` is given groups) in the validation
        set. Default 0.1.
    patience : int
        Epochs without improvement after which training stops. Default 10.
    scale : {"channel", None}
        Whether each channel is scaled to zero mean and unit variance, estimated from the training
        trials (default). None for no scaling: samples in volts are too small to train on.
    random_state : int | numpy.random.RandomState | None
        Seed of initial weights, batches and validation set. Default 0. On a CPU the same seed
        gives identical predictions.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of channels.
    n_times_ : int
        Number of samples per trial.
    mean_, sd_ : array, shape (n_channels,)
        Mean subtracted from each channel, and standard deviation it is divided by.
    model_ : keras.Model
        The network, from scaled trials ``(n, n_times, n_channels)`` to probabilities.
    history_ : dict of list
        ``loss`` (nats) and ``accuracy`` of every epoch, averaged over its batches; with
        ``early_stopping`` also ``val_loss`` and ``val_accuracy`` of the validation set.
    best_epoch_ : int
        Epoch, from 0, whose weights are used: the last, without ``early_stopping``.

    Raises
    ------
    ValueError
        If a parameter or the shape of ``X`` is not allowed, samples are not finite, there are
        fewer than two classes, or the training diverges.

    Notes
    -----
    The defaults (plain gradient descent, learning rate 0.0002, 60 steps) are those of a published
    study. They hardly change the weights; to see how well an LSTM can classify, train longer
    (``optimizer="adam"``, ``early_stopping=True``).

    ``groups`` are used for the validation set only, which then consists of whole groups. Without
    scikit-learn's metadata routing, ``cross_val_score(decoder, X, y, groups=groups)`` passes
    groups to the splitter alone, and the validation set is stratified by class. With
    ``sklearn.set_config(enable_metadata_routing=True)`` they are passed to ``fit`` as well::

        decoder = LSTMDecoder(early_stopping=True).set_fit_request(groups=True)
        cross_val_score(decoder, X, y, params={"groups": groups}, cv=LeaveOneGroupOut())

    ``X`` may be memory-mapped and larger than memory: it is read batch by batch.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["face", "noise"], 20)
    >>> X = rng.normal(size=(40, 2, 5)) + 2 * (y == "face")[:, None, None]
    >>> decoder = LSTMDecoder(units=4, optimizer="adam", learning_rate=0.05, epochs=10)
    >>> decoder.fit(X[::2], y[::2]).score(X[1::2], y[1::2])
    1.0
    """

    def __init__(
        self,
        units: int = 16,
        recurrent_max_norm: float | None = 2.0,
        optimizer: str = "sgd",
        learning_rate: float = 2e-4,
        batch_size: int = 1024,
        steps_per_epoch: int | None = 3,
        epochs: int = 20,
        class_weight: str | Mapping[Any, float] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        scale: str | None = "channel",
        random_state: RandomState = 0,
    ) -> None:
        self.units = units
        self.recurrent_max_norm = recurrent_max_norm
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.scale = scale
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array, shape (n_trials, n_channels, n_times)
            Trials.
        y : array-like, shape (n_trials,)
            Labels, of any type that can be sorted.
        groups : array-like, shape (n_trials,) | None
            Groups, such as subjects, that are not split between training and validation set.
            Default None.

        Returns
        -------
        self : LSTMDecoder
            The fitted decoder.
        """
        self._check_parameters()
        X = self._read(X, reset=True)
        check_classification_targets(y)
        labels: AnyArray = column_or_1d(y)
        check_consistent_length(X, labels, groups)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have two classes or more, got {self.classes_.tolist()}.")
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        weights = self._class_weights(labels)
        train, validation = self._split(codes, groups, int(rng.integers(2**31)))
        self._fit_scale(X, train)
        self.n_times_ = X.shape[2]
        network = eeg_lstm(
            X.shape[1], X.shape[2], self.units, len(self.classes_), self.recurrent_max_norm
        )
        self.model_ = _with_seeds(network, rng)
        self._train(X, codes, train, validation, weights, rng)
        return self

    def predict(self, X: npt.ArrayLike) -> AnyArray:
        """Predict the label of each trial.

        Parameters
        ----------
        X : array, shape (n_trials, n_channels, n_times)
            Trials.

        Returns
        -------
        labels : array, shape (n_trials,)
            The most probable of ``classes_``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        labels: AnyArray = self.classes_[best]
        return labels

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array, shape (n_trials, n_channels, n_times)
            Trials.

        Returns
        -------
        proba : array, shape (n_trials, n_classes)
            Probabilities in the order of ``classes_``.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        return self._predict(X, np.arange(len(X)))

    def _check_parameters(self) -> None:
        """Raise where a parameter is not allowed; `eeg_lstm` checks those of the network."""
        self._make_optimizer()
        check_number("batch_size", self.batch_size, low=1, integer=True)
        if self.steps_per_epoch is not None:
            check_number("steps_per_epoch", self.steps_per_epoch, low=1, integer=True)
        check_number("epochs", self.epochs, low=1, integer=True)
        check_option("early_stopping", self.early_stopping, (True, False))
        check_number("validation_fraction", self.validation_fraction, above=0, below=1)
        check_number("patience", self.patience, low=1, integer=True)
        check_option("scale", self.scale, ("channel", None))

    def _make_optimizer(self) -> keras.optimizers.Optimizer:
        """Create the optimizer."""
        if isinstance(self.optimizer, str):
            settings = {"learning_rate": check_number("learning_rate", self.learning_rate, above=0)}
            name = {"class_name": self.optimizer, "config": settings}
            try:
                return keras.optimizers.get(name)
            except ValueError:
                pass
        raise ValueError(
            f"optimizer must be the name of a Keras optimizer, got {self.optimizer!r}."
        )

    def _read(self, X: npt.ArrayLike, *, reset: bool) -> AnyArray:
        """Check shape and samples, without copying an array that may be larger than memory."""
        check_array_like("X", X, containers=False)
        trials: AnyArray = validate_data(
            self, X, reset=reset, allow_nd=True, dtype=None, ensure_all_finite=False
        )
        if trials.ndim != 3 or trials.dtype.kind not in "fiu":
            raise ValueError(
                "X must be numbers of shape (n_trials, n_channels, n_times), got "
                f"{trials.dtype} of shape {trials.shape}."
            )
        if not reset and trials.shape[2] != self.n_times_:
            raise ValueError(
                f"X has {trials.shape[2]} samples per trial, but had {self.n_times_} at fit."
            )
        bad = [
            int(row)
            for rows, block in blocks(trials, np.arange(len(trials)))
            for row in rows[~np.isfinite(block).all(axis=(1, 2))]
        ]
        if bad:
            shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
            raise ValueError(f"X contains NaN or inf in {len(bad)} trial(s): {shown}; drop them.")
        return trials

    def _class_weights(self, y: AnyArray) -> FloatArray:
        """Return the weight of each class."""
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
            raise ValueError(
                "class_weight must give weights of at least 0, not all of them 0, got "
                f"{self.class_weight!r}."
            )
        return weights

    def _split(
        self, codes: IntArray, groups: npt.ArrayLike | None, seed: int
    ) -> tuple[IntArray, IntArray]:
        """Split the trials into training and validation set."""
        if not self.early_stopping:
            return np.arange(len(codes)), np.arange(0)
        settings = {"n_splits": 1, "test_size": self.validation_fraction, "random_state": seed}
        if groups is None:
            splitter = StratifiedShuffleSplit(**settings)
            hint = "give more trials, or set early_stopping=False"
        else:
            splitter = GroupShuffleSplit(**settings)
            hint = "give more groups, or set groups=None or early_stopping=False"
        try:
            train, validation = next(splitter.split(codes, codes, groups))
        except ValueError as error:
            raise ValueError(f"No validation set can be held out ({error}): {hint}.") from error
        missing = np.setdiff1d(codes, codes[train])
        if missing.size:
            raise ValueError(
                f"The training set has no trials of class {self.classes_[missing[0]]}: {hint}."
            )
        return train, validation

    def _fit_scale(self, X: AnyArray, rows: IntArray) -> None:
        """Estimate mean and standard deviation of the channels from the training trials."""
        self.mean_, self.sd_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if self.scale == "channel":
            self.mean_, self.sd_ = channel_scale(X, rows)

    def _inputs(self, X: AnyArray, rows: IntArray) -> npt.NDArray[np.float32]:
        """Return scaled trials as (n, n_times, n_channels)."""
        scaled = (X[rows] - self.mean_[:, np.newaxis]) / self.sd_[:, np.newaxis]
        return scaled.swapaxes(1, 2).astype("float32")

    def _predict(self, X: AnyArray, rows: IntArray) -> FloatArray:
        """Return class probabilities of some trials, batch by batch."""
        proba = np.empty((len(rows), len(self.classes_)))
        for start in range(0, len(rows), self.batch_size):
            part = slice(start, start + self.batch_size)
            proba[part] = self.model_.predict_on_batch(self._inputs(X, rows[part]))
        self._check_finite("probabilities", proba)
        return proba / proba.sum(axis=1, keepdims=True)

    def _check_finite(self, name: str, values: npt.ArrayLike) -> None:
        """Raise where the training diverged."""
        if not np.isfinite(values).all():
            raise ValueError(
                f"The training diverged, its {name} are not finite: lower "
                f"learning_rate={self.learning_rate!r}."
            )

    def _train(
        self,
        X: AnyArray,
        codes: IntArray,
        train: IntArray,
        validation: IntArray,
        weights: FloatArray,
        rng: np.random.Generator,
    ) -> None:
        """Train epoch by epoch; with early stopping, restore the weights of the best epoch."""
        # Compiling by XLA takes longer than it saves on a network this small.
        self.model_.compile(
            self._make_optimizer(),
            "sparse_categorical_crossentropy",
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            jit_compile=False,
        )
        # If all variables exist beforehand, TensorFlow traces the step once instead of twice.
        self.model_.optimizer.build(self.model_.trainable_variables)
        shares = weights * np.bincount(codes[train])
        size = min(self.batch_size, len(train))
        batches = stratified_batches(codes[train], size, rng, shares / shares.sum())
        n_steps = self.steps_per_epoch or -(-len(train) // size)
        self.history_: dict[str, list[float]] = {}
        best_loss = np.inf
        for epoch in range(self.epochs):
            self.model_.reset_metrics()
            for _ in range(n_steps):
                batch = train[next(batches)]
                entry = self.model_.train_on_batch(
                    self._inputs(X, batch), codes[batch], return_dict=True
                )
            self._check_finite("losses", entry["loss"])
            if self.early_stopping:
                entry |= self._validate(X, codes, validation, weights)
            for name, value in entry.items():
                self.history_.setdefault(name, []).append(float(value))
            if not self.early_stopping or entry["val_loss"] < best_loss:
                self.best_epoch_ = epoch
            if self.early_stopping and self.best_epoch_ == epoch:
                best_loss, best = entry["val_loss"], self.model_.get_weights()
            if epoch - self.best_epoch_ >= self.patience:
                break
        if self.early_stopping:
            self.model_.set_weights(best)
        # The last loss was computed before the last step, which may have diverged.
        self._predict(X, batch)

    def _validate(
        self, X: AnyArray, codes: IntArray, rows: IntArray, weights: FloatArray
    ) -> dict[str, float]:
        """Compute loss and accuracy on the validation set."""
        proba = self._predict(X, rows)
        true = codes[rows]
        loss = -np.log(proba[np.arange(len(rows)), true].clip(1e-7))
        return {
            "val_loss": float(np.average(loss, weights=weights[true])),
            "val_accuracy": float((proba.argmax(axis=1) == true).mean()),
        }

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the network as its configuration and weights: plain dicts and arrays."""
        state: dict[str, Any] = super().__getstate__()
        if "model_" in state:
            state = {**state, "model_": (self.model_.get_config(), self.model_.get_weights())}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the network."""
        if "model_" in state:
            config, weights = state["model_"]
            model = keras.Sequential.from_config(config)
            model.set_weights(weights)
            state = {**state, "model_": model}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        """Declare that X is a 3-D array."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _with_seeds(model: keras.Model, rng: np.random.Generator) -> keras.Model:
    """Rebuild a network with every seed in its configuration drawn from ``rng``."""
    return keras.Sequential.from_config(_draw_seeds(model.get_config(), rng))


def _draw_seeds(config: Any, rng: np.random.Generator) -> Any:
    """Return a nested configuration with new seeds."""
    if isinstance(config, dict):
        return {
            key: int(rng.integers(2**31)) if key == "seed" else _draw_seeds(value, rng)
            for key, value in config.items()
        }
    return [_draw_seeds(value, rng) for value in config] if isinstance(config, list) else config
