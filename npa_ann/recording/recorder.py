"""Activations of a network as MNE epochs."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import keras
import mne
import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from npa.checks import check_bytes, check_number, check_option
from npa.estimators.base import ContainerTransformer
from npa.typing import AnyArray
from npa_ann.recording.keras_models import list_layers
from npa_ann.recording.keras_reader import KerasReader, copy_channels, runs_by_frame


class ActivationRecorder(ContainerTransformer):
    """Record the units of a Keras network as the channels of an EEG.

    Parameters
    ----------
    model : keras.Model
        A built sequential or functional model. It is never changed.
    layer : str | sequence of str
        Layers to record: names, or patterns such as ``"relu_*"``. A layer of a nested model is
        ``"encoder.lstm"``.
    signals : str | sequence of str
        Signals to record at each layer: ``"output"`` (default), ``"input"``, the gates
        ``f, i, cc, o, c, c_out, h`` of an LSTM, ``z, r, hh, h`` of a GRU or ``h`` of a
        SimpleRNN, or those returned by a layer's ``trace`` method.
    reduce : "mean" | "max" | None
        How a filter's map is reduced to one number; None records every pixel. Default ``"mean"``.
    batch_size : int
        Sequences or images per batch. Default 128.
    sfreq : float | None
        Sampling rate in Hz. Default None: that of the `Frames`, otherwise 1, as a token is a
        sample.
    max_memory : str | float | None
        Maximum size of the result of ``transform``, such as ``"2GB"`` (default) or a number of
        bytes; None for no limit.
    dtype : "float32" | "float64"
        Precision in which gates are computed from the weights, and of the batches of
        `iter_record`. Keras computes all other signals in the precision of their layer. Default
        ``"float32"``.

    Attributes
    ----------
    ch_names_ : list of str
        ``layer/signal/unit``: ``lstm/f/007``, ``relu_4/filter/012``, or, where every pixel is
        recorded, ``relu_4/filter/012-03-07`` (filter, row, column).
    sfreq_ : float
        Sampling rate in Hz.

    Raises
    ------
    TypeError
        If the model's layers are not accessible, as in a subclassed model.
    ValueError
        If a layer or signal does not exist, the input has the wrong shape, activations are not
        finite, the result would exceed ``max_memory``, or the model was changed since ``fit``.

    Notes
    -----
    A recurrent layer's ``"output"`` is that of every step, whether or not it returns sequences.
    A bidirectional layer ``bi`` is recorded as ``forward.bi`` and ``backward.bi``, both in the
    order of the input. At masked steps signals keep their last value; ``h`` and ``"output"`` are
    zero there if the layer returns zeros. Layers without a time axis (the class of an image)
    have a single sample. Image networks run on sequences of frames ``(n, time, H, W, C)`` frame
    by frame.

    Gates are computed from the weights by `npa_ann.recording.gates`, all other signals by Keras.
    Clones share the model. A pickle contains it as a ``.keras`` file, which is loaded without the
    optimizer and the losses.

    Examples
    --------
    >>> from npa_ann.networks import sentiment_lstm
    >>> recorder = ActivationRecorder(sentiment_lstm(vocabulary=50), "lstm", signals=("f", "h"))
    >>> epochs = recorder.fit_transform(np.ones((3, 20), int))
    >>> epochs.get_data().shape, epochs.ch_names[7]
    ((3, 120, 20), 'lstm/f/007')
    """

    def __init__(
        self,
        model: keras.Model,
        layer: str | Sequence[str],
        signals: str | Sequence[str] = "output",
        reduce: str | None = "mean",
        batch_size: int = 128,
        sfreq: float | None = None,
        max_memory: str | float | None = "2GB",
        dtype: str = "float32",
    ) -> None:
        self.model = model
        self.layer = layer
        self.signals = signals
        self.reduce = reduce
        self.batch_size = batch_size
        self.sfreq = sfreq
        self.max_memory = max_memory
        self.dtype = dtype

    def fit(self, X: Any, y: object = None) -> Self:
        """Determine the channels of the recording.

        Parameters
        ----------
        X : Frames | array
            Inputs of the network, or sequences of frames ``(n, time, H, W, C)``. The network is
            run on the first of them.
        y : None
            Ignored; for scikit-learn.

        Returns
        -------
        self : object
            The fitted recorder.
        """
        check_option("reduce", self.reduce, ("mean", "max", None))
        check_number("batch_size", self.batch_size, low=1, integer=True)
        check_bytes("max_memory", self.max_memory)
        check_option("dtype", self.dtype, ("float32", "float64"))
        layers = list_layers(self.model)
        self.by_frame_ = runs_by_frame(self.model, X)
        self.sfreq_ = _sampling_rate(self.sfreq, X)
        self.reader_ = self._make_reader(layers)
        self.model_hash_ = _hash_model(self.model)
        self.ch_names_, values = self._read(_first(X))
        _check_finite(self.ch_names_, values)
        return self

    def transform(self, X: Any) -> mne.EpochsArray:
        """Record the network on its inputs.

        Parameters
        ----------
        X : Frames | array
            Inputs of the network, as in ``fit``.

        Returns
        -------
        epochs : mne.EpochsArray
            One epoch per input, one channel of type eeg per unit.
        """
        self._check_unchanged(X)
        n_times = self._read(_first(X))[1].shape[-1]
        shape = (len(X), len(self.ch_names_), n_times)
        size = 8.0 * np.prod(shape, dtype=float)
        limit = check_bytes("max_memory", self.max_memory)
        if size > limit:
            raise ValueError(
                f"the recording would take {size / 1e9:.3g} GB (epochs x channels x samples = "
                f"{' x '.join(map(str, shape))}, 8 bytes each), more than "
                f"max_memory={self.max_memory!r}: record fewer inputs, layers or signals, or "
                "use iter_record."
            )
        data = np.empty(shape)
        start = 0
        for batch in self._record(X):
            copy_channels(batch, range(shape[1]), data[start : start + len(batch)])
            start += len(batch)
        info = mne.create_info(self.ch_names_, self.sfreq_, "eeg")
        return mne.EpochsArray(data, info, proj=False, verbose=False)

    def iter_record(self, X: Any) -> Iterator[AnyArray]:
        """Record batch by batch, so that only one batch at a time is in memory.

        Parameters
        ----------
        X : Frames | array
            Inputs of the network, as in ``fit``.

        Returns
        -------
        batches : iterator of array, shape (n_batch, n_channels, n_times)
            Activations of type ``dtype``, with channels as in ``ch_names_``. Arrays of gates are
            not C-contiguous: in memory, time is their slowest axis.
        """
        self._check_unchanged(X)
        return self._record(X)

    def get_feature_names_out(self, input_features: npt.ArrayLike | None = None) -> AnyArray:
        """Return the names of the channels.

        Parameters
        ----------
        input_features : array-like of str | None
            Ignored; for scikit-learn.

        Returns
        -------
        names : array of object
            As in ``ch_names_``.
        """
        check_is_fitted(self)
        return np.asarray(self.ch_names_, dtype=object)

    def _make_reader(self, layers: dict[str, keras.layers.Layer]) -> KerasReader:
        """Prepare the model to return the signals of the selected layers."""
        paths = _select_layers(layers, self.layer)
        signals = _as_list("signals", self.signals)
        return KerasReader(self.model, paths, signals, self.reduce, self.by_frame_, self.dtype)

    def _check_unchanged(self, X: Any) -> None:
        """Raise unless the model and the kind of input are those of the fit."""
        check_is_fitted(self)
        if _hash_model(self.model) != self.model_hash_:
            raise ValueError("model was changed since fit: fit the recorder again.")
        if runs_by_frame(self.model, X) != self.by_frame_:
            kinds = ("single images", "sequences of frames")
            raise ValueError(
                f"X must be {kinds[self.by_frame_]} as at fit, got {kinds[not self.by_frame_]}."
            )
        if not np.isclose(_sampling_rate(self.sfreq, X), self.sfreq_):
            raise ValueError(
                f"X has a sampling rate of {_sampling_rate(self.sfreq, X):g} Hz, but had "
                f"{self.sfreq_:g} Hz at fit."
            )

    def _read(self, X: Any) -> tuple[list[str], AnyArray]:
        """Read one batch; turn errors of the backend into a ValueError."""
        try:
            return self.reader_.read(X, self.batch_size)
        except (ValueError, TypeError) as error:
            if "stateful" in str(error) or "one iteration" in str(error):
                layers = list_layers(self.model).items()
                stateful = [name for name, layer in layers if getattr(layer, "stateful", False)]
                if stateful:
                    raise ValueError(
                        f"layer(s) {', '.join(stateful)} are stateful, with a fixed batch size: "
                        "build the model with stateful=False, and load its weights."
                    ) from error
            raise
        # Backends raise their own classes of errors, such as for a token outside the vocabulary.
        except Exception as error:
            lines = [line.strip() for line in str(error).splitlines()]
            reasons = [line for line in lines if line and not line.startswith("[[")]
            reason = reasons[-1] if reasons else repr(error)
            raise ValueError(f"X cannot be run through the model: {reason}") from error

    def _record(self, X: Any) -> Iterator[AnyArray]:
        """Yield activations batch by batch."""
        step = max(1, self.batch_size // np.shape(X[:1])[1]) if self.by_frame_ else self.batch_size
        for start in range(0, len(X), step):
            names, batch = self._read(X[start : start + step])
            if names != self.ch_names_:
                raise ValueError(
                    f"X gives {len(names)} channels, but gave {len(self.ch_names_)} at fit."
                )
            _check_finite(names, batch)
            yield batch

    def __sklearn_clone__(self) -> Self:
        """Clone without copying the model."""
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self) -> Any:
        """Declare the kinds of input that are accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the model as a ``.keras`` file."""
        state = dict(super().__getstate__())
        state.pop("reader_", None)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            self.model.save(path)
            state["model"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load the model in Keras's safe mode."""
        import_module("npa_ann.networks.rhythmic")  # registers its layers
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            path.write_bytes(state["model"])
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        super().__setstate__({**state, "model": model})
        if "ch_names_" in state:
            self.reader_ = self._make_reader(list_layers(model))
            # The weights are the same, but a loaded model's configuration may be written otherwise.
            self.model_hash_ = _hash_model(model)


def _select_layers(
    layers: dict[str, keras.layers.Layer], selection: str | Sequence[str]
) -> list[str]:
    """Return the paths that names and patterns select, without repetitions."""
    selected: dict[str, None] = {}
    for name in _as_list("layer", selection):
        found = [path for path in layers if path == name or fnmatchcase(path, name)]
        if not found:
            raise ValueError(f"layer {name!r} is not in the model; it has {', '.join(layers)}.")
        selected.update(dict.fromkeys(found))
    return list(selected)


def _as_list(name: str, value: str | Sequence[str]) -> list[str]:
    """Return one or several strings as a list without repetitions."""
    values = [value] if isinstance(value, str) else value
    if not np.iterable(values) or not len(values) or not all(isinstance(v, str) for v in values):
        raise TypeError(f"{name} must be a string or a sequence of strings, got {value!r}.")
    return list(dict.fromkeys(values))


def _sampling_rate(sfreq: float | None, X: Any) -> float:
    """Return the sampling rate: given, that of the frames, or 1."""
    of_frames = getattr(X, "sfreq", None)
    if sfreq is None:
        return float(of_frames or 1.0)
    sfreq = check_number("sfreq", sfreq, above=0)
    if of_frames is not None and not np.isclose(sfreq, of_frames):
        raise ValueError(f"sfreq must be None or the frames' own {of_frames:g}, got {sfreq:g}.")
    return sfreq


def _first(X: Any) -> Any:
    """Return the first input, with its axis."""
    if len(X) == 0:
        raise ValueError("X must contain at least one input, got none.")
    return X[:1]


def _hash_model(model: keras.Model) -> str:
    """Hash a model's configuration and weights, to notice when they change."""
    digest = hashlib.blake2b(repr(model.get_config()).encode(), digest_size=16)
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _check_finite(names: Sequence[str], batch: AnyArray) -> None:
    """Raise where activations are NaN or infinite, naming the first channels."""
    if np.isfinite(batch.sum()) or np.isfinite(batch).all():
        return
    bad = np.flatnonzero(~np.isfinite(batch).all(axis=(0, 2)))
    shown = ", ".join(names[index] for index in bad[:5]) + (", ..." if len(bad) > 5 else "")
    raise ValueError(
        f"activations are NaN or infinite in {len(bad)} of {len(names)} channels ({shown}): "
        "check the model's weights and the inputs."
    )
