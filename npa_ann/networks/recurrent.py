"""LSTM classifiers of movie reviews and of EEG trials."""

import keras
from keras import layers

from npa.checks import check_number


def sentiment_lstm(vocabulary: int = 4000, embedding: int = 32, units: int = 60) -> keras.Model:
    """Build an LSTM that classifies reviews as negative or positive.

    Parameters
    ----------
    vocabulary : int
        Number of known words. Token 0 is padding, token 1 any unknown word, and the words are
        tokens 2 to ``vocabulary + 1``. Default 4000.
    embedding : int
        Dimension of the word embedding. Default 32.
    units : int
        Number of LSTM cells. Default 60.

    Returns
    -------
    model : keras.Sequential
        Layers ``embedding``, ``lstm`` and ``output``, from tokens ``(n, time)`` to the probability
        that the review is positive, ``(n, 1)``; not compiled.

    Raises
    ------
    ValueError
        If an argument is below 1.

    Notes
    -----
    As in [1]_, the LSTM has an input dropout of 0.1 and an L2 penalty of 0.001 on its kernel.
    There is no masking: padding is a token like any other.

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


def eeg_lstm(
    n_channels: int,
    n_times: int,
    units: int = 16,
    classes: int = 2,
    recurrent_max_norm: float | None = 2.0,
) -> keras.Model:
    """Build an LSTM that classifies single trials of EEG.

    Parameters
    ----------
    n_channels, n_times : int
        Shape of a trial. Scale the samples to about unit variance first: volts are so small that
        the gates would not respond to them.
    units : int
        Number of LSTM cells. Default 16.
    classes : int
        Number of classes, at least two. Default 2.
    recurrent_max_norm : float | None
        Maximum norm of each column of the recurrent kernel; None for no limit. Default 2.

    Returns
    -------
    model : keras.Sequential
        Layers ``lstm`` (states at all times), ``flatten`` and ``output`` (softmax), from
        ``(n, n_times, n_channels)`` to class probabilities ``(n, classes)``; not compiled.

    Raises
    ------
    ValueError
        If an argument is out of bounds.

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
