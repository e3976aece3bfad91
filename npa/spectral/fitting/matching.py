"""Peaks of one fit among those of another."""

import numpy as np

from npa.typing import FloatArray

MIN_TOLERANCE = 1.0  # Hz; narrower peaks move by more than their width


def match_peaks(peaks: FloatArray, reference: FloatArray) -> FloatArray:
    """Find the peaks of reference spectra in other spectra, by their frequency.

    Parameters
    ----------
    peaks : array, shape (..., max_n_peaks, 3)
        Centre frequency (Hz), height and two-sided bandwidth (Hz) of the peaks of every spectrum;
        NaN where there are fewer.
    reference : array, shape (..., n_reference, 3)
        The peaks to look for, likewise, with NumPy's broadcasting of the first axes.

    Returns
    -------
    matched : array, shape (..., n_reference, 3)
        The peak nearest to each reference, if no other reference is nearer to it, and if it is
        within the bandwidth of the reference (1 Hz, if that is more); NaN if there is none.

    Examples
    --------
    >>> peaks = np.array([[[9.5, 0.5, 2.0], [20.0, 0.2, 2.0]], [[30.0, 0.3, 2.0], [np.nan] * 3]])
    >>> match_peaks(peaks, np.array([[10.0, 0.6, 2.0]]))[:, 0, 0]
    array([9.5, nan])
    """
    shape = np.broadcast_shapes(peaks.shape[:-2], reference.shape[:-2])
    matched = np.full((*shape, reference.shape[-2], 3), np.nan)
    if not matched.size or not peaks.shape[-2]:
        return matched
    distance = np.abs(peaks[..., :, np.newaxis, 0] - reference[..., np.newaxis, :, 0])
    distance = np.where(np.isnan(distance), np.inf, distance)
    nearest = distance.argmin(axis=-2)
    own = np.take_along_axis(distance.argmin(axis=-1), nearest, axis=-1)
    tolerance = np.maximum(np.nan_to_num(reference[..., 2]), MIN_TOLERANCE)
    good = (own == np.arange(reference.shape[-2])) & (distance.min(axis=-2) <= tolerance)
    peaks = np.broadcast_to(peaks, (*shape, *peaks.shape[-2:]))
    found = np.take_along_axis(peaks, nearest[..., np.newaxis], axis=-2)
    return np.where(good[..., np.newaxis], found, matched)
