"""How steep the spectra of a recurrent layer's signals are, by the paper's measure and others."""

from functools import partial

import numpy as np

from npa.checks import check_number
from npa.estimators.parameterize import FOOOFFitter
from npa.spectral.density import psd
from npa.spectral.dfa import fluctuations, scaling_exponent
from npa.spectral.slopes import power_law
from npa_ann.recording.gates import lstm_gates

SIGNALS = ("f", "i", "cc", "o", "c_out", "h")
PERIODOGRAM = {"window": "boxcar", "detrend": False, "one_sided": False}


def summed_slope(cells, *, skip=0, padding=0, **psd_kwargs):
    """Measure the slope of the power summed over cells, as Chong and Feng do.

    Parameters
    ----------
    cells : array, shape (n, cells, time)
        Activations.
    skip : int
        Number of steps to leave out at the start.
    padding : int
        Number of zeros to append before the Fourier transform.
    **psd_kwargs
        Passed to `npa.spectral.psd`, in place of ``window="boxcar"`` and ``detrend=False``.

    Returns
    -------
    slopes : array, shape (n,)
        Slope beta of power S ~ f^beta; NaN where there is no power.

    Raises
    ------
    ValueError
        If ``skip`` leaves fewer than 8 steps.

    Notes
    -----
    The squared magnitude of each cell's Fourier transform is added up over the cells, and a line
    fitted to log10 power on log10 frequency over all bins but 0 by least squares [1]_. On a
    recording, ``npa.estimators.exponent.PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM,
    aggregate="sum", by="/")`` does the same.

    References
    ----------
    .. [1] Chong & Feng (2023). Self-organization toward 1/f noise in deep neural networks.
       arXiv:2301.08530. https://doi.org/10.48550/arXiv.2301.08530

    Examples
    --------
    >>> steps = np.random.default_rng(0).normal(size=(1, 60, 500))
    >>> abs(summed_slope(steps)).round(1), summed_slope(steps.cumsum(axis=2)).round()
    (array([0.]), array([-2.]))
    """
    return power_law(*_spectra(cells, skip, padding, psd_kwargs)).slope


def coherent_slope(cells):
    """Measure the slope of the power of the sum of all cells.

    Parameters
    ----------
    cells : array, shape (n, cells, time)
        Activations.

    Returns
    -------
    slopes : array, shape (n,)
        Slope beta.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(1, 1, 500))
    >>> coherent_slope(np.concatenate([noise, -noise.cumsum(axis=2)], axis=1)).round()
    array([-2.])
    """
    return summed_slope(cells.sum(axis=1, keepdims=True))


def mean_cell_slope(cells):
    """Measure the slope of each cell's power, and average over the cells that have one.

    Parameters
    ----------
    cells : array, shape (n, cells, time)
        Activations.

    Returns
    -------
    slopes : array, shape (n,)
        Mean slope beta.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(1, 1, 5000))
    >>> mean_cell_slope(np.concatenate([noise, noise.cumsum(axis=2)], axis=1)).round()
    array([-1.])
    """
    n, units, time = cells.shape
    slopes = summed_slope(cells.reshape(-1, 1, time)).reshape(n, units)
    count = np.isfinite(slopes).sum(axis=1)
    return np.divide(np.nansum(slopes, axis=1), count, out=np.full(n, np.nan), where=count > 0)


def fooof_slope(cells):
    """Measure the slope of the power summed over cells as FOOOF's exponent, with its sign.

    Parameters
    ----------
    cells : array, shape (n, cells, time)
        Activations.

    Returns
    -------
    slopes : array, shape (n,)
        Slope beta = -chi of the background that is left without up to 3 peaks.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(1, 60, 500))
    >>> fooof_slope(noise.cumsum(axis=2)).round()
    array([-2.])
    """
    time = cells.shape[-1]
    fitter = FOOOFFitter(
        freq_range=(1 / time, 0.5),
        peak_width_limits=(8 / time, 0.2),
        max_n_peaks=3,
        psd="periodogram",
        psd_kwargs=PERIODOGRAM,
        aggregate="sum",
        sfreq=1.0,
    )
    moving = np.ptp(cells, axis=(0, 2)) > 0
    table = fitter.fit_transform(cells[:, moving])
    return -table[:, list(fitter.get_feature_names_out()).index("all_exponent")]


def dfa_slope(cells):
    """Measure the slope that detrended fluctuation analysis implies.

    Parameters
    ----------
    cells : array, shape (n, cells, time)
        Activations.

    Returns
    -------
    slopes : array, shape (n,)
        beta = 1 - 2 alpha, with squared fluctuations summed over cells.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(1, 60, 500))
    >>> dfa_slope(noise.cumsum(axis=2)).round()
    array([-2.])
    """
    scales, squared = fluctuations(cells)
    return scaling_exponent(scales, squared.sum(axis=1)).slope


PAPERS_MEASURE = {"as the paper": summed_slope}
SETTLED = {"settled": partial(summed_slope, skip=50, window="hann")}
MEASURES = {
    **PAPERS_MEASURE,
    "cells added before the PSD": coherent_slope,
    "mean of each cell's own slope": mean_cell_slope,
    "FFT zero-padded to twice the length": lambda cells: summed_slope(
        cells, padding=cells.shape[-1]
    ),
    "Hann window": partial(summed_slope, window="hann"),
    "trend taken out": partial(summed_slope, detrend="linear"),
    "first 50 steps dropped, Hann": SETTLED["settled"],
    "FOOOF exponent": fooof_slope,
    "DFA": dfa_slope,
}


def activation_slopes(
    weights, inputs, measures=None, *, embedding=None, gates=lstm_gates, signals=None, batch_size=64
):
    """Measure the slope of every signal of a recurrent layer, and of its input.

    Parameters
    ----------
    weights : sequence of array
        Weights of the layer, as ``gates`` takes them.
    inputs : array, shape (n, time, features) | (n, time)
        What enters the layer: vectors, or, with ``embedding``, word numbers.
    measures : dict | None
        Name to function from cells ``(n, cells, time)`` to slopes ``(n,)``; None for the paper's.
    embedding : array, shape (words, features) | None
        Vector of each word.
    gates : callable
        `npa_ann.recording.gates.lstm_gates`, or another of its kind.
    signals : sequence of str | None
        Which signals; None for all.
    batch_size : int
        Sequences in memory at once.

    Returns
    -------
    slopes : dict of dict of array, shape (n,)
        Measure to signal to slopes; the input is the signal ``x``.

    Examples
    --------
    White noise enters; a cell that forgets nothing adds it up:

    >>> weights = np.array([[0, 0, 0.01, 0]]), np.zeros((1, 4)), np.array([0.0, 30.0, 0.0, 0.0])
    >>> noise = np.random.default_rng(0).normal(size=(20, 500, 1))
    >>> slopes = activation_slopes(weights, noise)["as the paper"]
    >>> {name: round(float(abs(slopes[name].mean())), 1) for name in ("x", "cc", "h")}
    {'x': 0.0, 'cc': 0.0, 'h': 1.8}
    """
    measures = PAPERS_MEASURE if measures is None else measures
    parts = {name: {} for name in measures}
    for start in range(0, len(inputs), batch_size):
        vectors = inputs[start : start + batch_size]
        vectors = vectors if embedding is None else embedding[vectors]
        values = gates(weights, vectors) | {"x": vectors}
        for signal in values if signals is None else signals:
            cells = np.moveaxis(values[signal], -1, 1)
            for name, measure in measures.items():
                parts[name].setdefault(signal, []).append(measure(cells))
    return {
        name: {signal: np.concatenate(slopes) for signal, slopes in by_signal.items()}
        for name, by_signal in parts.items()
    }


def summarize_slopes(slopes):
    """Condense slopes into mean and the two spreads: between networks, and between reviews.

    Parameters
    ----------
    slopes : array, shape (n_networks, n_reviews)
        Slope of one signal in each network for each review. NaN (a failed fit) is left out.

    Returns
    -------
    summary : dict
        ``mean`` over everything; ``sd_networks``, the SD of the networks' means (None for a
        single network); ``sd_reviews``, the SD over reviews within a network, averaged over
        networks (None for a single review).

    Raises
    ------
    ValueError
        If ``slopes`` is not two-dimensional.

    Examples
    --------
    >>> summarize_slopes([[-1.0, -0.8], [-0.6, -0.4]])["mean"]
    -0.7
    """
    slopes = np.asarray(slopes, dtype=float)
    if slopes.ndim != 2:
        raise ValueError(f"slopes must be (n_networks, n_reviews), got shape {slopes.shape}.")
    means = np.nanmean(slopes, axis=1)
    several = len(means) > 1, slopes.shape[1] > 1
    return {
        "mean": round(float(means.mean()), 6),
        "sd_networks": float(means.std(ddof=1)) if several[0] else None,
        "sd_reviews": float(np.nanstd(slopes, axis=1, ddof=1).mean()) if several[1] else None,
    }


def review_spectrum(cells):
    """Compute one review's spectrum and its line, as the paper's figure 3 shows them.

    Parameters
    ----------
    cells : array, shape (cells, time)
        Activations.

    Returns
    -------
    freqs, power : array
        Frequencies above 0 in cycles per word, and power summed over cells.
    line : npa.spectral.slopes.PowerLaw
        The line.

    Examples
    --------
    >>> freqs, power, line = review_spectrum(np.random.default_rng(0).normal(size=(60, 500)))
    >>> len(freqs), abs(float(line.slope)) < 0.1
    (250, True)
    """
    freqs, power = _spectra(cells[np.newaxis], 0, 0, {})
    return freqs, power[0], power_law(freqs, power[0])


def _spectra(cells, skip, padding, psd_kwargs):
    """Frequencies above 0, and power summed over cells."""
    time = cells.shape[-1]
    skip = check_number("skip", skip, low=0, high=time - 8, integer=True)
    settings = PERIODOGRAM | {"n_fft": time - skip + padding} | psd_kwargs
    freqs, power = psd(cells[..., skip:], 1.0, method="periodogram", **settings)
    return freqs[1:], power.sum(axis=1)[:, 1:]
