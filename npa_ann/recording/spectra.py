"""Spectra of recorded networks, reduced batch by batch while they stream."""

import numpy as np

from npa.recordings.channels import channel_groups
from npa.spectral.density import psd
from npa_ann.recording.keras_reader import copy_channels


def psd_in_batches(recorder, X, reduce=None, *, by="/", method="periodogram", **psd_kwargs):
    """Estimate the spectra of every channel of a network, keeping only what they are reduced to.

    Parameters
    ----------
    recorder : ActivationRecorder
        A fitted recorder.
    X : Frames | array
        Inputs of the network, as at fit; one epoch each.
    reduce : callable | None
        What is kept of the spectra of a group: a function of the frequencies ``(n_freqs,)`` and
        the power ``(n_batch, n_channels, n_freqs)`` that returns an array ``(n_batch, ...)``.
        None for the power summed over the channels, as Chong and Feng read gates.
    by : None | str | dict
        Groups of channels, as in `npa.PSDExponent`; by default one for every layer and
        signal.
    method : {"periodogram", "welch", "multitaper"}
        How power is estimated.
    **psd_kwargs
        Further arguments of `npa.spectral.psd`.

    Returns
    -------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz (cycles per token where a token is a sample).
    reduced : dict of array, shape (n_epochs, ...)
        Group name to what was kept of every epoch.

    Raises
    ------
    ValueError
        If there is no input, or an argument is not allowed.

    Notes
    -----
    No more than one batch of activations and the spectra of one of its groups are in memory at a
    time: 15,000 reviews of 500 words, read in six gates of 60 cells, are 21.6 GB as epochs, and
    180 MB as summed spectra.

    Examples
    --------
    >>> import keras
    >>> from npa.spectral import power_law
    >>> from npa_ann import ActivationRecorder
    >>> model = keras.Sequential([keras.Input((50, 2)), keras.layers.LSTM(3, name="lstm")])
    >>> X = np.random.default_rng(0).standard_normal((5, 50, 2))
    >>> recorder = ActivationRecorder(model, "lstm", ["f", "h"]).fit(X)
    >>> freqs, summed = psd_in_batches(recorder, X)
    >>> {name: power.shape for name, power in summed.items()}
    {'lstm/f': (5, 26), 'lstm/h': (5, 26)}
    >>> def slopes(freqs, power):
    ...     return power_law(freqs, power).slope
    >>> psd_in_batches(recorder, X, slopes, freq_range=(0.02, 0.5))[1]["lstm/h"].shape
    (5, 3)
    """
    batches = recorder.iter_record(X)
    groups = channel_groups(recorder.ch_names_, by)
    if len(X) == 0:
        raise ValueError("X must hold at least one input, got none.")
    kept, start = {}, 0
    for batch in batches:
        for name, members in groups.items():
            series = np.empty((len(batch), len(members), batch.shape[2]), batch.dtype)
            copy_channels(batch, members, series)
            freqs, power = psd(series, recorder.sfreq_, method=method, **psd_kwargs)
            values = power.sum(axis=1) if reduce is None else np.asarray(reduce(freqs, power))
            if name not in kept:
                kept[name] = np.empty((len(X), *values.shape[1:]), values.dtype)
            kept[name][start : start + len(batch)] = values
        start += len(batch)
    return freqs, kept
