"""Spatial filters that bring out the response to a frequency tag."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npa.spectral.covariances import SHRINKAGE, band_covariances, joint_decorrelation
from npa.typing import FloatArray, IntArray, Span

N_HARMONICS = 4  # multiples of other tags that are no neighbours
MIN_WEIGHT = 1e-3  # of the largest; a Gaussian is 0 below


@dataclass(frozen=True, eq=False)
class TagFilterFit:
    """The filter for one tag, and what it gains in epochs that it was not fitted to.

    Parameters
    ----------
    filter, pattern : array, shape (n_channels,)
        Filter and pattern; the largest entry of the pattern is 1, so that the component has the
        amplitude that the response has in that channel.
    score : float
        Power at the tag over that at its neighbours, in the epochs of the fit.
    fold_filters : array, shape (n_folds, n_channels)
        Filters fitted without the epochs of each fold.
    snr : float
        Power at the tag over that at its neighbours, of the components of the folds; NaN if there
        is one fold.
    channel_snr : array, shape (n_channels,)
        The same of the channels.
    """

    filter: FloatArray
    pattern: FloatArray
    score: float
    fold_filters: FloatArray
    snr: float
    channel_snr: FloatArray


def tag_weights(
    freqs: FloatArray,
    tag: float,
    *,
    others: Sequence[float] = (),
    signal_width: float = 0.5,
    neighbor_distance: float = 1.0,
    neighbor_width: float = 1.0,
) -> FloatArray:
    """Return the weights of frequencies at a tag and at its neighbours.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies of a spectrum in Hz, one of which is the tag.
    tag : float
        Frequency of the tag in Hz.
    others : sequence of float
        Other tags; they and their harmonics are no neighbours.
    signal_width, neighbor_width : float
        Full width at half maximum of the Gaussians in Hz.
    neighbor_distance : float
        Distance of the neighbours from the tag in Hz.

    Returns
    -------
    weights : array, shape (3, n_freqs)
        Weights of the filter at the tag, of its neighbours, and of the bin of the tag; each has sum
        1, or 0 if there is none.

    Examples
    --------
    >>> weights = tag_weights(np.arange(0, 10, 0.5), 6.0)
    >>> weights.argmax(axis=1), float(weights[1, 12])
    (array([12, 10, 12]), 0.0)
    """

    def gaussian(center: float, width: float) -> FloatArray:
        weights = np.exp(-4 * np.log(2) * ((freqs - center) / width) ** 2)
        return np.where(weights < MIN_WEIGHT, 0.0, weights)

    bin_width = freqs[1] - freqs[0]
    signal = gaussian(tag, signal_width)
    sides = [gaussian(tag + sign * neighbor_distance, neighbor_width) for sign in (-1, 1)]
    neighbors = sides[0] + sides[1]
    # The tag's own bins are no neighbours, whatever the widths, nor are those of other tags.
    neighbors[np.abs(freqs - tag) < max(1.5 * bin_width, signal_width / 2)] = 0.0
    for other in others:
        for multiple in range(1, N_HARMONICS + 1):
            neighbors[np.abs(freqs - multiple * other) < 0.75 * bin_width] = 0.0
    neighbors[0] = 0.0
    own = (np.arange(len(freqs)) == np.abs(freqs - tag).argmin()).astype(float)
    weights = np.array([signal, neighbors, own])
    total: FloatArray = np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return weights / total


def fit_tag_filter(
    x: FloatArray,
    span: Span,
    sfreq: float,
    tag: float,
    channels: IntArray,
    folds: Sequence[IntArray],
    *,
    others: Sequence[float] = (),
    signal_width: float = 0.5,
    neighbor_distance: float = 1.0,
    neighbor_width: float = 1.0,
    shrinkage: float = SHRINKAGE,
) -> TagFilterFit:
    """Fit the filter with the most power at a tag over that at its neighbours.

    Parameters
    ----------
    x : array, shape (n_epochs, n_channels, n_times)
        Samples.
    span : (int, int)
        Samples to use; of these as many as hold whole periods of the tag.
    sfreq : float
        Sampling rate in Hz.
    tag : float
        Frequency of the tag in Hz.
    channels : array of int
        Channels to use.
    folds : sequence of array of int
        Epochs of each fold; with one fold nothing is cross-validated.
    others : sequence of float
        Other tags in Hz.
    signal_width, neighbor_distance, neighbor_width : float
        As for `tag_weights`.
    shrinkage : float
        As for `npa.spectral.covariances.joint_decorrelation`.

    Returns
    -------
    fit : TagFilterFit
        The filter.

    Raises
    ------
    ValueError
        If the span is too short for neighbours of the tag.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(20, 3, 400))
    >>> x[:, 1] += np.sin(2 * np.pi * 6 * np.arange(400) / 100)
    >>> folds = np.array_split(np.arange(20), 5)
    >>> fit = fit_tag_filter(x, (0, 400), 100.0, 6.0, np.arange(3), folds)
    >>> int(np.abs(fit.filter).argmax()), bool(fit.snr > 20)
    (1, True)
    """
    start, stop = span
    n_periods = int((stop - start) * tag / sfreq + 1e-6)
    window = round(n_periods * sfreq / tag)
    if window < 2 * sfreq / neighbor_distance - 1e-6 or n_periods < 1:
        raise ValueError(
            f"X must hold at least {2 / neighbor_distance:g} s for neighbours at a distance of "
            f"{neighbor_distance:g} Hz from the tag of {tag:g} Hz, got "
            f"{(stop - start) / sfreq:.3g} s; take longer epochs or a larger neighbor_distance."
        )
    weights = tag_weights(
        np.arange(window // 2 + 1, dtype=np.float64) * (sfreq / window),
        tag,
        others=others,
        signal_width=signal_width,
        neighbor_distance=neighbor_distance,
        neighbor_width=neighbor_width,
    )
    if not weights.any(axis=1).all():
        raise ValueError(
            f"the tag of {tag:g} Hz has no neighbours at {neighbor_distance:g} Hz that are not of "
            "other tags; change neighbor_distance or neighbor_width."
        )
    windows = [(start, start + window)]
    parts = [
        len(fold) * band_covariances(x[fold], windows, window, list(weights), channels=channels)
        for fold in folds
    ]
    covariances = np.array(parts)
    total = covariances.sum(axis=0)
    whole = joint_decorrelation(total[0], total[1], shrinkage=shrinkage)
    n_channels = len(channels)
    if not whole.rank:
        flat = np.zeros(n_channels)
        return TagFilterFit(flat, flat, np.nan, np.zeros((len(folds), n_channels)), np.nan, flat)
    size = np.abs(whole.patterns[:, 0]).max()
    pattern = whole.patterns[:, 0] / size
    own = np.tile(whole.filters[0] * size, (len(folds), 1))
    if len(folds) > 1:
        for index, part in enumerate(covariances):
            rest = joint_decorrelation(*(total - part)[:2], shrinkage=shrinkage)
            # In the sign and unit of the whole.
            own[index] = rest.filters[0] * (rest.patterns[:, 0] @ pattern) / (pattern @ pattern)
    _, beside, at_tag = np.einsum("fi,fbij,fj->b", own, covariances, own)
    floor = np.diag(total[1])
    ratio = np.divide(np.diag(total[2]), floor, out=np.zeros(n_channels), where=floor > 0)
    return TagFilterFit(
        whole.filters[0] * size,
        pattern,
        float(whole.scores[0]),
        own,
        float(at_tag / beside) if len(folds) > 1 else np.nan,
        ratio,
    )
