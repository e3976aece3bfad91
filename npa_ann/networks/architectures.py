"""The networks of the studies, fresh or trained."""

from functools import partial

import keras
import numpy as np
from keras import layers

from npa.checks import check_number, check_option
from npa.datasets.bundled import bundled_data
from npa_ann.networks.rhythmic import HarmonicOscillatorRNN, ResonantRNN, SquaredAmplitude
from npa_ann.networks.weights import load_weights, save_weights

__all__ = [
    "eeg_lstm",
    "horn_digits",
    "load_weights",
    "lstm_digits",
    "plain_cnn",
    "pretrained",
    "resnet",
    "resonant_digits",
    "rnn_digits",
    "save_weights",
    "sentiment_lstm",
]

# Mean and standard deviation of CIFAR-10's training pixels (red, green, blue), in units of [0, 1].
_CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
_CIFAR_SD = (0.2470, 0.2435, 0.2616)


def sentiment_lstm(vocabulary=4000, embedding=32, units=60):
    """Build the network that reads a review, word by word, and says whether it praises.

    Parameters
    ----------
    vocabulary : int
        Number of words known. Token 0 pads, token 1 is any unknown word, and the words are
        tokens 2 to ``vocabulary + 1``.
    embedding : int
        Numbers that stand for a word.
    units : int
        Cells of the LSTM.

    Returns
    -------
    model : keras.Sequential
        Layers ``embedding``, ``lstm`` and ``output``, from tokens ``(n, time)`` to the
        probability of praise ``(n, 1)``. It is not compiled.

    Notes
    -----
    The LSTM drops 10 % of its input while training, and its kernel costs 0.001 times its squared
    length (L2), after [1]_. Nothing is masked: padding is a word like any other.

    References
    ----------
    .. [1] Chong & Feng (2023). Self-organization towards 1/f noise in deep neural networks.
       arXiv:2301.08530. https://doi.org/10.48550/arXiv.2301.08530

    Examples
    --------
    >>> sentiment_lstm(vocabulary=100).count_params()
    25645
    """
    vocabulary = check_number("vocabulary", vocabulary, low=1, integer=True)
    embedding = check_number("embedding", embedding, low=1, integer=True)
    units = check_number("units", units, low=1, integer=True)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32", name="tokens"),
            layers.Embedding(vocabulary + 2, embedding, name="embedding"),
            layers.LSTM(
                units,
                dropout=0.1,
                kernel_regularizer=keras.regularizers.L2(0.001),
                name="lstm",
            ),
            layers.Dense(1, activation="sigmoid", name="output"),
        ],
        name="sentiment_lstm",
    )


def resnet(depth=32, classes=10, activation="relu", normalization=True, side=32):
    """Build the residual network for small colour images of He and colleagues.

    Parameters
    ----------
    depth : int
        Layers with weights, 6 n + 2: 20, 32, 44, 56, ...
    classes : int
        Number of classes.
    activation : str
        Name of a Keras activation, such as ``"relu"``, ``"tanh"`` or ``"linear"``.
    normalization : bool
        Whether each convolution is followed by batch normalisation. Without it convolutions have
        a bias, and each block starts out small so that the sum over blocks does not explode.
    side : int
        Height and width of the images, in pixels. Weights fit every side.

    Returns
    -------
    model : keras.Model
        From pixels in [0, 1], shape ``(n, side, side, 3)``, to class probabilities
        ``(n, classes)``;
        not compiled. Convolution k is ``conv_k``, its normalisation ``norm_k`` and the activation
        behind it ``relu_k`` (``tanh_k``, ``linear_k``); in the second convolution of a block the
        shortcut is added in between. Block b ends in ``add_b``.

    Notes
    -----
    Shortcuts have no parameters (option A of [1]_): where maps shrink, every other pixel is kept
    and the new filters are zero. The input is brought to zero mean and unit variance inside the
    network, by CIFAR-10's statistics.

    References
    ----------
    .. [1] He, Zhang, Ren & Sun (2016). Deep residual learning for image recognition. CVPR.
       https://doi.org/10.1109/CVPR.2016.90

    Examples
    --------
    >>> resnet(20).get_layer("relu_19").output.shape
    (None, 8, 8, 64)
    """
    depth = check_number("depth", depth, low=8, integer=True)
    if depth % 6 != 2:
        raise ValueError(f"depth must be 6 n + 2 (8, 14, 20, 26, 32, ...), got {depth}.")
    blocks_a_stage = (depth - 2) // 6
    branch_gain = 2.0 if normalization else 2.0 / (3 * blocks_a_stage)
    stack = _Convolutions(activation, normalization)
    image = _image_input(side)
    x = stack.activate(stack.convolve(_standardize(image), 16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(blocks_a_stage):
            stride = 2 if stage > 0 and block == 0 else 1
            branch = stack.activate(stack.convolve(x, filters, stride))
            branch = stack.convolve(branch, filters, gain=branch_gain)
            number = stage * blocks_a_stage + block + 1
            x = layers.Add(name=f"add_{number}")([branch, _shortcut(x, filters, stride)])
            x = stack.activate(x)
    return keras.Model(image, _classify(x, classes), name=f"resnet_{depth}")


def plain_cnn(classes=10, activation="relu", normalization=True, side=32):
    """Build a small convolutional network without shortcuts.

    Parameters
    ----------
    classes : int
        Number of classes.
    activation : str
        Name of a Keras activation, such as ``"relu"``, ``"tanh"`` or ``"linear"``.
    normalization : bool
        Whether each convolution is followed by batch normalisation.
    side : int
        Height and width of the images, in pixels, a multiple of 4. Weights fit every side.

    Returns
    -------
    model : keras.Model
        From pixels in [0, 1], shape ``(n, side, side, 3)``, to class probabilities
        ``(n, classes)``;
        not compiled. Six convolutions (32, 32, 64, 64, 128, 128 filters of 3 x 3), named as in
        `resnet`; maps shrink by maximum after each pair, ``pool_1`` and ``pool_2``.

    Examples
    --------
    >>> plain_cnn().get_layer("relu_6").output.shape
    (None, 8, 8, 128)
    """
    stack = _Convolutions(activation, normalization)
    image = _image_input(side)
    x = _standardize(image)
    for stage, filters in enumerate((32, 64, 128)):
        if stage:
            x = layers.MaxPooling2D(name=f"pool_{stage}")(x)
        for _ in range(2):
            x = stack.activate(stack.convolve(x, filters))
    return keras.Model(image, _classify(x, classes), name="plain_cnn")


def eeg_lstm(n_channels, n_times, units=16, classes=2, recurrent_max_norm=2.0):
    """Build an LSTM that classifies single trials of EEG.

    Parameters
    ----------
    n_channels, n_times : int
        Shape of a trial. Samples should be scaled to about unit variance: in volts, EEG is too
        small for the network to see.
    units : int
        Cells of the LSTM.
    classes : int
        Number of classes, at least two.
    recurrent_max_norm : float | None
        Largest length of each column of the recurrent kernel; None sets no limit.

    Returns
    -------
    model : keras.Sequential
        Layers ``lstm`` (the whole sequence of states), ``flatten`` and ``output`` (softmax), from
        ``(n, n_times, n_channels)`` to class probabilities ``(n, classes)``. It is not compiled.

    Examples
    --------
    >>> eeg_lstm(n_channels=8, n_times=100).output_shape
    (None, 2)
    """
    n_channels = check_number("n_channels", n_channels, low=1, integer=True)
    n_times = check_number("n_times", n_times, low=1, integer=True)
    units = check_number("units", units, low=1, integer=True)
    classes = check_number("classes", classes, low=2, integer=True)
    limit = None
    if recurrent_max_norm is not None:
        limit = keras.constraints.MaxNorm(
            check_number("recurrent_max_norm", recurrent_max_norm, above=0)
        )
    return keras.Sequential(
        [
            keras.Input((n_times, n_channels), name="trial"),
            layers.LSTM(units, return_sequences=True, recurrent_constraint=limit, name="lstm"),
            layers.Flatten(name="flatten"),
            layers.Dense(classes, activation="softmax", name="output"),
        ],
        name="eeg_lstm",
    )


def pretrained(name):
    """Build a network of the studies with the weights that the project ships.

    Parameters
    ----------
    name : str
        Name of a weight file without its ending: the network, and what tells several of its kind
        apart, such as ``"resnet_32"`` or ``"sentiment_lstm_2"``.

    Returns
    -------
    model : keras.Model
        The trained network, not compiled.

    Raises
    ------
    ValueError
        If no such weights are shipped, or they do not fit the network.

    Examples
    --------
    >>> pretrained("alexnet")
    Traceback (most recent call last):
    ...
    ValueError: name must be one of [...], got 'alexnet'.
    """
    folder = bundled_data() / "weights"
    shipped = {
        path.stem: build
        for path in sorted(folder.glob("*.npz"))
        for kind, build in _BUILDERS.items()
        if path.stem == kind or path.stem.startswith(f"{kind}_")
    }
    check_option("name", name, shipped)
    return load_weights(shipped[name](), folder / f"{name}.npz")


class _Convolutions:
    """Number and name the convolutions of one network."""

    def __init__(self, activation, normalization):
        if not isinstance(activation, str):
            raise TypeError(f"activation must be the name of an activation, got {activation!r}.")
        keras.activations.get(activation)
        self.activation = activation
        self.normalization = check_option("normalization", normalization, (True, False))
        self.count = 0

    def convolve(self, x, filters, stride=1, gain=2.0):
        self.count += 1
        x = layers.Conv2D(
            filters,
            3,
            strides=stride,
            padding="same",
            use_bias=not self.normalization,
            kernel_initializer=keras.initializers.VarianceScaling(gain, "fan_in"),
            name=f"conv_{self.count}",
        )(x)
        if self.normalization:
            x = layers.BatchNormalization(name=f"norm_{self.count}")(x)
        return x

    def activate(self, x):
        return layers.Activation(self.activation, name=f"{self.activation}_{self.count}")(x)


def _image_input(side):
    """Take square colour images, four pixels wide at least: maps shrink twice."""
    side = check_number("side", side, low=4, integer=True)
    if side % 4:
        raise ValueError(f"side must be a multiple of 4, got {side}.")
    return keras.Input((side, side, 3), name="image")


def _standardize(image):
    """Bring pixels in [0, 1] to zero mean and unit variance per colour."""
    return layers.Normalization(
        mean=_CIFAR_MEAN, variance=np.square(_CIFAR_SD).tolist(), name="standardize"
    )(image)


def _shortcut(x, filters, stride):
    """Keep every other pixel and append filters of zeros, where maps shrink."""
    if stride == 1:
        return x
    extra = filters - x.shape[-1]
    before = extra // 2
    kept = x[:, ::stride, ::stride]
    return keras.ops.pad(kept, ((0, 0), (0, 0), (0, 0), (before, extra - before)))


def _classify(x, classes):
    """Average each map and end in class probabilities."""
    classes = check_number("classes", classes, low=2, integer=True)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(classes, activation="softmax", name="output")(x)


def resonant_digits(**resonant):
    """Build the network of resonant nodes that reads a digit pixel by pixel.

    Parameters
    ----------
    **resonant
        Passed to `npa_ann.networks.rhythmic.ResonantRNN`: ``frequencies``, ``sfreq``, ``r``,
        ``coupling``.

    Returns
    -------
    model : keras.Sequential
        Layers ``rhythm``, ``power`` (squared amplitudes), ``average`` (over time), ``norm`` and
        ``output``, from pixels ``(n, time, 1)`` to class probabilities ``(n, 10)``; not compiled.
        As published, in PyTorch, the norm has epsilon 1e-5 and momentum 0.9.

    Examples
    --------
    >>> int(sum(np.prod(weight.shape) for weight in resonant_digits().trainable_weights))
    252
    """
    rhythm = ResonantRNN(**resonant, return_sequences=True, name="rhythm")
    stack = [
        rhythm,
        SquaredAmplitude.of(rhythm.cell, name="power"),
        layers.GlobalAveragePooling1D(name="average"),
        layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm"),
    ]
    return _read_digits("resonant_digits", stack)


def horn_digits(**oscillators):
    """Build the network of harmonic oscillators that reads a digit pixel by pixel.

    Parameters
    ----------
    **oscillators
        Passed to `npa_ann.networks.rhythmic.HarmonicOscillatorRNN`: ``units``, ``omega``,
        ``gamma``, ...

    Returns
    -------
    model : keras.Sequential
        Layers ``rhythm`` (positions at the last step) and ``output``, as in `resonant_digits`.

    Examples
    --------
    >>> horn_digits().count_params()
    1450
    """
    return _read_digits("horn_digits", [HarmonicOscillatorRNN(**oscillators, name="rhythm")])


def rnn_digits(units=11):
    """Build the tanh network of ``units`` that reads a digit pixel by pixel.

    Returns
    -------
    model : keras.Sequential
        Layers ``rnn``, ``average`` (over time), ``norm``, ``dropout`` and ``output``, as in
        `resonant_digits`.

    Examples
    --------
    >>> rnn_digits().count_params()
    285
    """
    return _average_digits("rnn", layers.SimpleRNN, units)


def lstm_digits(units=6):
    """Build the LSTM of ``units`` cells that reads a digit pixel by pixel; forget bias 1.

    Returns
    -------
    model : keras.Sequential
        Layer ``lstm``, then as in `rnn_digits`.

    Examples
    --------
    >>> lstm_digits().count_params()
    274
    """
    return _average_digits("lstm", layers.LSTM, units)


def _average_digits(name, layer, units):
    """Average a recurrent layer over time, normalise, and drop out a tenth."""
    units = check_number("units", units, low=1, integer=True)
    orthogonal = keras.initializers.Orthogonal(gain=0.95)
    stack = [
        layer(units, recurrent_initializer=orthogonal, return_sequences=True, name=name),
        layers.GlobalAveragePooling1D(name="average"),
        layers.LayerNormalization(name="norm"),
        layers.Dropout(0.1, name="dropout"),
    ]
    return _read_digits(f"{name}_digits", stack)


def _read_digits(name, stack):
    """Put one pixel a step before the layers, and ten classes behind."""
    output = layers.Dense(10, activation="softmax", name="output")
    return keras.Sequential([keras.Input((None, 1), name="pixels"), *stack, output], name=name)


_BUILDERS = {
    "sentiment_lstm": sentiment_lstm,
    "resnet_20": partial(resnet, 20),
    "resnet_32": partial(resnet, 32),
    "plain_cnn": plain_cnn,
    "resonant_digits": resonant_digits,
    "horn_digits": horn_digits,
    "rnn_digits": rnn_digits,
    "lstm_digits": lstm_digits,
}
