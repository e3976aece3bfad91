"""Recurrent networks that classify handwritten digits, given one pixel per step."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from npa.checks import check_number
from npa_ann.networks.rhythmic import HarmonicOscillatorRNN, ResonantRNN, SquaredAmplitude


def resonant_digits(**resonant: Any) -> keras.Model:
    """Build a digit classifier of resonant nodes.

    Parameters
    ----------
    **resonant
        Passed to `npa_ann.networks.rhythmic.ResonantRNN`: ``frequencies``, ``sfreq``, ``r``,
        ``coupling``.

    Returns
    -------
    model : keras.Sequential
        Layers ``rhythm``, ``power`` (squared amplitudes), ``average`` (over time), ``norm``
        (batch normalization) and ``output``, from pixels ``(n, time, 1)`` to class probabilities
        ``(n, 10)``; not compiled.

    Notes
    -----
    The batch normalization has PyTorch's defaults, epsilon 1e-5 and momentum 0.9, as in [1]_.

    References
    ----------
    .. [1] Kramer (2025). arXiv:2506.17083. https://doi.org/10.48550/arXiv.2506.17083

    Examples
    --------
    >>> len(resonant_digits().trainable_weights), resonant_digits().count_params()
    (5, 274)
    """
    rhythm = ResonantRNN(**resonant, return_sequences=True, name="rhythm")
    stack = [
        rhythm,
        SquaredAmplitude.of(rhythm.cell, name="power"),
        layers.GlobalAveragePooling1D(name="average"),
        layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm"),
    ]
    return _digit_classifier("resonant_digits", stack)


def horn_digits(**oscillators: Any) -> keras.Model:
    """Build a digit classifier of coupled harmonic oscillators.

    Parameters
    ----------
    **oscillators
        Passed to `npa_ann.networks.rhythmic.HarmonicOscillatorRNN`: ``units``, ``omega``,
        ``gamma``, ...

    Returns
    -------
    model : keras.Sequential
        Layers ``rhythm`` (positions at the last step) and ``output``, with input and output as in
        `resonant_digits`.

    Examples
    --------
    >>> horn_digits().count_params()
    1450
    """
    return _digit_classifier("horn_digits", [HarmonicOscillatorRNN(**oscillators, name="rhythm")])


def rnn_digits(units: int = 11) -> keras.Model:
    """Build a digit classifier of a simple recurrent layer.

    Parameters
    ----------
    units : int
        Number of tanh units. Default 11.

    Returns
    -------
    model : keras.Sequential
        Layers ``rnn``, ``average`` (over time), ``norm`` (layer normalization), ``dropout`` (0.1)
        and ``output``, with input and output as in `resonant_digits`.

    Raises
    ------
    ValueError
        If ``units`` is below 1.

    Examples
    --------
    >>> rnn_digits().count_params()
    285
    """
    return _averaging_classifier("rnn", layers.SimpleRNN, units)


def lstm_digits(units: int = 6) -> keras.Model:
    """Build a digit classifier of an LSTM layer.

    Parameters
    ----------
    units : int
        Number of LSTM cells; the bias of their forget gates is initialized to 1. Default 6.

    Returns
    -------
    model : keras.Sequential
        Layer ``lstm``, then as in `rnn_digits`.

    Raises
    ------
    ValueError
        If ``units`` is below 1.

    Examples
    --------
    >>> lstm_digits().count_params()
    274
    """
    return _averaging_classifier("lstm", layers.LSTM, units)


def _averaging_classifier(name: str, layer: type[keras.layers.Layer], units: int) -> keras.Model:
    """Classify by the average of a recurrent layer over time."""
    units = check_number("units", units, low=1, integer=True)
    orthogonal = keras.initializers.Orthogonal(gain=0.95)
    stack = [
        layer(units, recurrent_initializer=orthogonal, return_sequences=True, name=name),
        layers.GlobalAveragePooling1D(name="average"),
        layers.LayerNormalization(name="norm"),
        layers.Dropout(0.1, name="dropout"),
    ]
    return _digit_classifier(f"{name}_digits", stack)


def _digit_classifier(name: str, stack: Sequence[keras.layers.Layer]) -> keras.Model:
    """Add the input of one pixel per step and the output of ten classes."""
    output = layers.Dense(10, activation="softmax", name="output")
    return keras.Sequential([keras.Input((None, 1), name="pixels"), *stack, output], name=name)
