"""Averages that leave out missing values."""

from collections.abc import Iterable, Sequence

import numpy as np

from npa.typing import BoolArray, FloatArray

# Decades above the median channel, of power. Fp1 with 36 blinks of 300 uV per minute is 1.4 above,
# the highest electrode of the public recordings 1.1, over references and montages of 11 to 72.
MAX_EXCESS = 1.5
MAX_EXCESS_MADS = 8.0  # where channels differ more, as in very short recordings
MIN_CHANNELS = 3  # for a median that one channel does not determine


def mean_of_known(values: FloatArray, axis: int | tuple[int, ...]) -> FloatArray:
    """Average the values that are not NaN.

    Parameters
    ----------
    values : array
        The values.
    axis : int | tuple of int
        Axes to average over.

    Returns
    -------
    mean : array
        The mean without NaN; NaN where all values are.

    Examples
    --------
    >>> mean_of_known(np.array([[1.0, np.nan], [3.0, np.nan]]), axis=0)
    array([ 2., nan])
    """
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    mean: FloatArray = np.divide(total, count, where=count > 0, out=np.full(total.shape, np.nan))
    return mean


def geometric_mean(power: FloatArray) -> FloatArray:
    """Average the logarithm of power over epochs.

    Parameters
    ----------
    power : array, shape (n_epochs, ..., n_freqs)
        Power spectra; those that are not positive at every frequency are left out.

    Returns
    -------
    mean : array, shape (..., n_freqs)
        The geometric mean; NaN where no spectrum is positive.

    Notes
    -----
    The line of least squares through the geometric mean in double-logarithmic axes is the mean of
    the lines through the spectra.

    Examples
    --------
    >>> geometric_mean(np.array([[1.0, 10.0], [100.0, 1000.0], [0.0, 1.0]]))
    array([ 10., 100.])
    """
    positive = (power > 0).all(axis=-1, keepdims=True)
    logs = np.log10(power, where=positive, out=np.zeros_like(power)).sum(axis=0)
    count = positive.sum(axis=0)
    mean: FloatArray = np.divide(logs, count, where=count > 0, out=np.full_like(logs, np.nan))
    return np.power(10.0, mean, out=mean)


def combine_channels(
    power: FloatArray, groups: Iterable[Sequence[int]], aggregate: str = "mean"
) -> FloatArray:
    """Combine power of groups of channels.

    Parameters
    ----------
    power : array, shape (n_epochs, n_channels, n_freqs)
        Power of every channel; channels that are NaN are left out.
    groups : iterable of sequence of int
        Indices of the channels in each group.
    aggregate : "mean" | "sum"
        How power is combined.

    Returns
    -------
    combined : array, shape (n_epochs, n_groups, n_freqs)
        Power of every group; NaN where it has no channel.

    Examples
    --------
    >>> power = np.array([[[1.0], [2.0], [np.nan]]])
    >>> combine_channels(power, [[0, 1], [1, 2], [2]]).ravel()
    array([1.5, 2. , nan])
    """
    groups = [list(group) for group in groups]
    usable = np.logical_not(np.isnan(power).any(axis=-1))
    combined = np.full((len(power), len(groups), power.shape[-1]), np.nan)
    for column, members in enumerate(groups):
        weight = usable[:, members].astype(float)
        if aggregate == "mean":
            weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1)
        some = weight.any(axis=1)
        values = np.where(usable[:, members, np.newaxis], power[:, members], 0.0)
        combined[some, column] = np.einsum("ec,ecf->ef", weight[some], values[some])
    return combined


def excessive_channels(power: FloatArray) -> BoolArray:
    """Find channels whose power is far above that of the median channel.

    Parameters
    ----------
    power : array, shape (n_channels, n_freqs)
        Power of every channel; NaN in channels that do not count.

    Returns
    -------
    excessive : array of bool, shape (n_channels,)
        Channels whose total power, or whose power at a tenth of the frequencies, is more than 32
        times the median (1.5 decades; 8 median absolute deviations, if these are more); none where
        fewer than 3 channels count.

    Notes
    -----
    One such channel would make up most of the mean of 30 channels.

    Examples
    --------
    >>> excessive_channels(np.array([[1.0, 1.0], [2.0, 1.0], [1.0, 100.0], [np.nan, np.nan]]))
    array([False, False,  True, False])
    """
    known = np.flatnonzero((power > 0).all(axis=-1))
    excessive = np.zeros(len(power), bool)
    if len(known) < MIN_CHANNELS or not power.shape[-1]:
        return excessive
    total, each = np.log10(power[known].sum(axis=-1)), np.log10(power[known])
    highest = np.percentile(each - np.median(each, axis=0), 90, axis=-1)
    for level in (total - np.median(total), highest):
        deviation = np.median(np.abs(level - np.median(level)))
        excessive[known] |= level > max(MAX_EXCESS, MAX_EXCESS_MADS * deviation)
    return excessive
