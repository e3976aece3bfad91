"""An LSTM that tells trials apart, as a scikit-learn classifier."""

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from npa.checks import check_number, check_option
from npa.decoding.batches import blocks, channel_scale, stratified_batches
from npa_ann.networks import eeg_lstm


class LSTMDecoder(ClassifierMixin, BaseEstimator):
    """Classify trials by an LSTM whose states at all times feed a softmax.

    Parameters
    ----------
    units : int
        Cells of the LSTM.
    recurrent_max_norm : float | None
        Largest length of each column of the recurrent kernel; None for no limit.
    optimizer : str
        Name of a Keras optimizer, such as ``"sgd"`` or ``"adam"``.
    learning_rate : float
        Its learning rate. The default goes with ``"sgd"``; with ``"adam"`` 0.001 to 0.01 is usual.
    batch_size : int
        Trials in a batch; all training trials where there are fewer.
    steps_per_epoch : int | None
        Batches in an epoch; None for as many as hold all training trials once.
    epochs : int
        Number of epochs; with ``early_stopping`` at most.
    class_weight : None | "balanced" | dict
        Weight of each class, as in scikit-learn. It sets how often trials of a class are drawn
        (``"balanced"``: each class equally often), which expects the same gradient as weights in
        the loss, up to its length.
    early_stopping : bool
        Whether to hold out trials, stop when their loss has not fallen for ``patience`` epochs,
        and keep the weights of the best epoch.
    validation_fraction : float
        Share of the trials (of the groups, where ``fit`` is given groups) held out for that.
    patience : int
        Epochs to wait for a better one.
    scale : {"channel", None}
        Whether each channel is brought to zero mean and unit variance, as measured on the
        training trials. None takes samples as they are: in volts they are too small to be seen.
    random_state : int | numpy.random.RandomState | None
        Seed of initial weights, batches and held-out trials. On a CPU one seed gives the same
        predictions again.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of channels.
    n_times_ : int
        Samples of a trial.
    mean_, sd_ : array, shape (n_channels,)
        What is subtracted from each channel, and what it is divided by.
    model_ : keras.Model
        The network, from scaled trials ``(n, n_times, n_channels)`` to probabilities.
    history_ : dict of list
        ``loss`` (nats) and ``accuracy`` of every epoch, averaged over its batches; with
        ``early_stopping`` also ``val_loss`` and ``val_accuracy`` of the held-out trials.
    best_epoch_ : int
        Epoch, from 0, whose weights were kept: the last, without ``early_stopping``.

    Raises
    ------
    ValueError
        If a parameter or the shape of ``X`` is not allowed, samples are not finite, there are
        fewer than two classes, or the training diverges.

    Notes
    -----
    The defaults (plain gradient descent, rate 0.0002, 60 steps) are a published recipe. They move
    the weights very little; train on (``optimizer="adam"``, ``early_stopping=True``) before
    judging what an LSTM can do.

    ``groups`` serve the held-out trials only: whole groups are held out. With scikit-learn's
    metadata routing off, ``cross_val_score(decoder, X, y, groups=groups)`` hands groups to the
    splitter alone, and trials are held out at random within classes. With
    ``sklearn.set_config(enable_metadata_routing=True)`` they reach ``fit`` as well::

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
        units=16,
        recurrent_max_norm=2.0,
        optimizer="sgd",
        learning_rate=2e-4,
        batch_size=1024,
        steps_per_epoch=3,
        epochs=20,
        class_weight=None,
        early_stopping=False,
        validation_fraction=0.1,
        patience=10,
        scale="channel",
        random_state=0,
    ):
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

    def fit(self, X, y, groups=None):
        """Train the network.

        Parameters
        ----------
        X : array, shape (n_trials, n_channels, n_times)
            Trials.
        y : array-like, shape (n_trials,)
            Their labels, of any type that can be sorted.
        groups : array-like, shape (n_trials,) | None
            Their groups, such as subjects; held-out trials are of other groups than the rest.

        Returns
        -------
        self : LSTMDecoder
            The fitted decoder.
        """
        self._check_parameters()
        X = self._read(X, reset=True)
        check_classification_targets(y)
        y = column_or_1d(y)
        check_consistent_length(X, y, groups)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must hold two classes or more, got {self.classes_.tolist()}.")
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        weights = self._weigh(y)
        rows, held_out = self._hold_out(codes, groups, int(rng.integers(2**31)))
        self._learn_scale(X, rows)
        self.n_times_ = X.shape[2]
        network = eeg_lstm(
            X.shape[1], X.shape[2], self.units, len(self.classes_), self.recurrent_max_norm
        )
        self.model_ = _seeded(network, rng)
        self._train(X, codes, rows, held_out, weights, rng)
        return self

    def predict(self, X):
        """Return the most probable label of each trial.

        Parameters
        ----------
        X : array, shape (n_trials, n_channels, n_times)
            Trials.

        Returns
        -------
        labels : array, shape (n_trials,)
            Labels out of ``classes_``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X):
        """Return the probability of each class.

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
        return self._judge(X, np.arange(len(X)))

    def _check_parameters(self):
        """Raise where a parameter is not allowed (those of the network are checked there)."""
        self._make_optimizer()
        check_number("batch_size", self.batch_size, low=1, integer=True)
        if self.steps_per_epoch is not None:
            check_number("steps_per_epoch", self.steps_per_epoch, low=1, integer=True)
        check_number("epochs", self.epochs, low=1, integer=True)
        check_option("early_stopping", self.early_stopping, (True, False))
        check_number("validation_fraction", self.validation_fraction, above=0, below=1)
        check_number("patience", self.patience, low=1, integer=True)
        check_option("scale", self.scale, ("channel", None))

    def _make_optimizer(self):
        """Make the optimizer anew, for each fit."""
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

    def _read(self, X, *, reset):
        """Check shape and samples, without copying what may be larger than memory."""
        X = validate_data(self, X, reset=reset, allow_nd=True, dtype=None, ensure_all_finite=False)
        if X.ndim != 3 or X.dtype.kind not in "fiu":
            raise ValueError(
                "X must hold numbers of shape (n_trials, n_channels, n_times), got "
                f"{X.dtype} of shape {X.shape}."
            )
        if not reset and X.shape[2] != self.n_times_:
            raise ValueError(f"X has {X.shape[2]} times, but had {self.n_times_} at fit.")
        bad = [
            int(row)
            for rows, block in blocks(X, np.arange(len(X)))
            for row in rows[~np.isfinite(block).all(axis=(1, 2))]
        ]
        if bad:
            shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
            raise ValueError(f"X contains NaN or inf in {len(bad)} trial(s): {shown}; drop them.")
        return X

    def _weigh(self, y):
        """Return the weight of each class."""
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
            raise ValueError(
                "class_weight must give weights of 0 or more, not all of them 0, got "
                f"{self.class_weight!r}."
            )
        return weights

    def _hold_out(self, codes, groups, seed):
        """Split the trials into those to learn from and those to stop by."""
        if not self.early_stopping:
            return np.arange(len(codes)), np.arange(0)
        settings = {"n_splits": 1, "test_size": self.validation_fraction, "random_state": seed}
        if groups is None:
            splitter = StratifiedShuffleSplit(**settings)
            hint = "give more trials, or early_stopping=False"
        else:
            splitter = GroupShuffleSplit(**settings)
            hint = "give more groups, groups=None, or early_stopping=False"
        try:
            rows, held_out = next(splitter.split(codes, codes, groups))
        except ValueError as error:
            raise ValueError(f"No trials can be held out ({error}): {hint}.") from error
        lost = np.setdiff1d(codes, codes[rows])
        if lost.size:
            raise ValueError(
                f"Holding out trials leaves none of class {self.classes_[lost[0]]}: {hint}."
            )
        return rows, held_out

    def _learn_scale(self, X, rows):
        """Measure the channels on the trials to learn from."""
        self.mean_, self.sd_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if self.scale == "channel":
            self.mean_, self.sd_ = channel_scale(X, rows)

    def _inputs(self, X, rows):
        """Scale trials and turn them to (n, n_times, n_channels)."""
        scaled = (X[rows] - self.mean_[:, np.newaxis]) / self.sd_[:, np.newaxis]
        return scaled.swapaxes(1, 2).astype("float32")

    def _judge(self, X, rows):
        """Return class probabilities of some trials, a batch at a time."""
        proba = np.empty((len(rows), len(self.classes_)))
        for start in range(0, len(rows), self.batch_size):
            part = slice(start, start + self.batch_size)
            proba[part] = self.model_.predict_on_batch(self._inputs(X, rows[part]))
        self._check_converged("probabilities", proba)
        return proba / proba.sum(axis=1, keepdims=True)

    def _check_converged(self, what, values):
        """Raise where numbers have grown beyond all bounds."""
        if not np.isfinite(values).all():
            raise ValueError(
                f"The training diverged, its {what} are no longer finite: lower "
                f"learning_rate={self.learning_rate!r}."
            )

    def _train(self, X, codes, rows, held_out, weights, rng):
        """Train epoch by epoch, and keep the last weights or the best."""
        # Compiling to XLA takes longer than it saves on a network this small.
        self.model_.compile(
            self._make_optimizer(),
            "sparse_categorical_crossentropy",
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            jit_compile=False,
        )
        # Where all variables exist beforehand, TensorFlow traces the step once rather than twice.
        self.model_.optimizer.build(self.model_.trainable_variables)
        shares = weights * np.bincount(codes[rows])
        size = min(self.batch_size, len(rows))
        batches = stratified_batches(codes[rows], size, rng, shares / shares.sum())
        n_steps = self.steps_per_epoch or -(-len(rows) // size)
        self.history_ = {}
        best_loss = np.inf
        for epoch in range(self.epochs):
            self.model_.reset_metrics()
            for _ in range(n_steps):
                batch = rows[next(batches)]
                entry = self.model_.train_on_batch(
                    self._inputs(X, batch), codes[batch], return_dict=True
                )
            self._check_converged("losses", entry["loss"])
            if self.early_stopping:
                entry |= self._validate(X, codes, held_out, weights)
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
        # The last step's loss was measured before the step.
        self._judge(X, batch)

    def _validate(self, X, codes, rows, weights):
        """Measure loss and accuracy on the held-out trials."""
        proba = self._judge(X, rows)
        true = codes[rows]
        loss = -np.log(proba[np.arange(len(rows)), true].clip(1e-7))
        return {
            "val_loss": float(np.average(loss, weights=weights[true])),
            "val_accuracy": float((proba.argmax(axis=1) == true).mean()),
        }

    def __getstate__(self):
        """Keep the network as its configuration and weights: plain dicts and arrays."""
        state = super().__getstate__()
        if "model_" in state:
            state = {**state, "model_": (self.model_.get_config(), self.model_.get_weights())}
        return state

    def __setstate__(self, state):
        """Build the network again."""
        if "model_" in state:
            config, weights = state["model_"]
            model = keras.Sequential.from_config(config)
            model.set_weights(weights)
            state = {**state, "model_": model}
        super().__setstate__(state)

    def __sklearn_tags__(self):
        """Tell scikit-learn that X is a 3-D array."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _seeded(model, rng):
    """Build a network anew, with every seed in its configuration drawn from ``rng``."""
    return keras.Sequential.from_config(_draw_seeds(model.get_config(), rng))


def _draw_seeds(config, rng):
    """Return a nested configuration with new seeds."""
    if isinstance(config, dict):
        return {
            key: int(rng.integers(2**31)) if key == "seed" else _draw_seeds(value, rng)
            for key, value in config.items()
        }
    return [_draw_seeds(value, rng) for value in config] if isinstance(config, list) else config
