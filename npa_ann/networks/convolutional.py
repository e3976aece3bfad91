"""Image classifiers: ResNets and a plain convolutional network for CIFAR-10."""

from typing import Any

import keras
import numpy as np
from keras import layers

from npa.checks import check_number, check_option

# Mean and standard deviation of CIFAR-10's training pixels (red, green, blue), scaled to [0, 1].
CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_SD = (0.2470, 0.2435, 0.2616)


def resnet(
    depth: int = 32,
    classes: int = 10,
    activation: str = "relu",
    normalization: bool = True,
    side: int = 32,
) -> keras.Model:
    """Build a residual network for small colour images.

    Parameters
    ----------
    depth : int
        Number of weighted layers, 6 n + 2: 20, 32, 44, 56, ... Default 32.
    classes : int
        Number of classes. Default 10.
    activation : str
        Name of a Keras activation, such as ``"relu"`` (default), ``"tanh"`` or ``"linear"``.
    normalization : bool
        Whether each convolution is followed by batch normalization (default). Without it,
        convolutions have a bias, and the initial weights of each residual branch are scaled down
        so that the sum over blocks does not explode.
    side : int
        Height and width of the images in pixels, a multiple of 4. The weights do not depend on it.
        Default 32.

    Returns
    -------
    model : keras.Model
        From pixels in [0, 1], shape ``(n, side, side, 3)``, to class probabilities
        ``(n, classes)``; not compiled. Convolution k is named ``conv_k``, its normalization
        ``norm_k`` and the activation after it ``relu_k`` (``tanh_k``, ``linear_k``). In the second
        convolution of block b, the shortcut is added (``add_b``) before the activation.

    Raises
    ------
    ValueError
        If ``depth``, ``classes``, ``activation`` or ``side`` is not allowed.

    Notes
    -----
    Shortcuts have no parameters (option A of [1]_): where the resolution is halved, every other
    pixel is kept and the additional filters are zero. Pixels are standardized inside the network
    by the mean and standard deviation of CIFAR-10.

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
    blocks_per_stage = (depth - 2) // 6
    branch_gain = 2.0 if normalization else 2.0 / (3 * blocks_per_stage)
    stack = _Convolutions(activation, normalization)
    image = _image_input(side)
    x = stack.activate(stack.convolve(_standardize(image), 16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(blocks_per_stage):
            stride = 2 if stage > 0 and block == 0 else 1
            branch = stack.activate(stack.convolve(x, filters, stride))
            branch = stack.convolve(branch, filters, gain=branch_gain)
            number = stage * blocks_per_stage + block + 1
            x = layers.Add(name=f"add_{number}")([branch, _shortcut(x, filters, stride)])
            x = stack.activate(x)
    return keras.Model(image, _classify(x, classes), name=f"resnet_{depth}")


def plain_cnn(
    classes: int = 10, activation: str = "relu", normalization: bool = True, side: int = 32
) -> keras.Model:
    """Build a small convolutional network without shortcuts.

    Parameters
    ----------
    classes : int
        Number of classes. Default 10.
    activation : str
        Name of a Keras activation, such as ``"relu"`` (default), ``"tanh"`` or ``"linear"``.
    normalization : bool
        Whether each convolution is followed by batch normalization. Default True.
    side : int
        Height and width of the images in pixels, a multiple of 4. The weights do not depend on it.
        Default 32.

    Returns
    -------
    model : keras.Model
        From pixels in [0, 1], shape ``(n, side, side, 3)``, to class probabilities
        ``(n, classes)``; not compiled. Six convolutions (32, 32, 64, 64, 128, 128 filters of
        3 x 3), named as in `resnet`, with max pooling (``pool_1``, ``pool_2``) after the second
        and the fourth.

    Raises
    ------
    ValueError
        If ``classes``, ``activation`` or ``side`` is not allowed.

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


class _Convolutions:
    """Number and name the convolutions of one network."""

    def __init__(self, activation: str, normalization: bool) -> None:
        if not isinstance(activation, str):
            raise TypeError(f"activation must be the name of an activation, got {activation!r}.")
        keras.activations.get(activation)
        self.activation = activation
        self.normalization = check_option("normalization", normalization, (True, False))
        self.count = 0

    def convolve(self, x: Any, filters: int, stride: int = 1, gain: float = 2.0) -> Any:
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

    def activate(self, x: Any) -> Any:
        return layers.Activation(self.activation, name=f"{self.activation}_{self.count}")(x)


def _image_input(side: int) -> Any:
    """Input of square colour images; their side is halved twice in the network."""
    side = check_number("side", side, low=4, integer=True)
    if side % 4:
        raise ValueError(f"side must be a multiple of 4, got {side}.")
    return keras.Input((side, side, 3), name="image")


def _standardize(image: Any) -> Any:
    """Scale pixels in [0, 1] to zero mean and unit variance per colour."""
    return layers.Normalization(
        mean=CIFAR10_MEAN, variance=np.square(CIFAR10_SD).tolist(), name="standardize"
    )(image)


def _shortcut(x: Any, filters: int, stride: int) -> Any:
    """Identity, or every other pixel padded with filters of zeros."""
    if stride == 1:
        return x
    extra = filters - x.shape[-1]
    before = extra // 2
    kept = x[:, ::stride, ::stride]
    return keras.ops.pad(kept, ((0, 0), (0, 0), (0, 0), (before, extra - before)))


def _classify(x: Any, classes: int) -> Any:
    """Global average pooling and a softmax layer."""
    classes = check_number("classes", classes, low=2, integer=True)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return layers.Dense(classes, activation="softmax", name="output")(x)
