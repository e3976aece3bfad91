"""Spectral slopes of a recurrent layer's signals: the paper's measure and variations of it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import keras
import mne
import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from npa.checks import check_number
from npa.estimators.exponent import PSDExponent
from npa.estimators.parameterize import FOOOFFitter
from npa.recordings.channels import channel_groups
from npa.spectral.density import psd
from npa.spectral.dfa import fluctuations, scaling_exponent
from npa.spectral.slopes import power_law
from npa.typing import AnyArray, FloatArray
from npa_ann.recording.recorder import ActivationRecorder

Measure: TypeAlias = Callable[[FloatArray], FloatArray]  # cells (n, cells, time) to (n, ...)
Slopes: TypeAlias = dict[str, FloatArray]  # by signal

SIGNALS = ("f", "i", "cc", "o", "c_out", "h")
PERIODOGRAM: dict[str, Any] = {"window": "boxcar", "detrend": False, "one_sided": False}
START_UP_STEPS = 50  # after which a network at rest has settled


def summed_spectrum(
    cells: FloatArray, *, skip: int = 0, pad_factor: int = 1, **psd_kwargs: Any
) -> tuple[FloatArray, FloatArray]:
    """Compute the power summed over cells ``(n, cells, time)``, without 0 Hz.

    ``skip`` steps are left out at the start, zeros appended to ``pad_factor`` times the length;
    ``psd_kwargs`` go to `npa.spectral.psd`, by default no window and no detrending.

    >>> freqs, power = summed_spectrum(np.ones((1, 60, 500)))
    >>> len(freqs), power.shape
    (250, (1, 250))
    """
    time = cells.shape[-1]
    skip = check_number("skip", skip, low=0, high=time - 8, integer=True)
    settings = PERIODOGRAM | {"n_fft": (time - skip) * pad_factor} | psd_kwargs
    freqs, power = psd(cells[..., skip:], 1.0, method="periodogram", **settings)
    return freqs[1:], power.sum(axis=1)[:, 1:]


def summed_slope(cells: FloatArray, **options: Any) -> FloatArray:
    """Measure the slope of the power summed over cells, as Chong and Feng do.

    That is the least-squares line through log10 power against log10 frequency, over all bins but 0
    Hz; NaN without power. Cells are ``(n, cells, time)``, options those of `summed_spectrum`. On a
    recording, ``PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM, aggregate="sum", by="/")``
    does the same.

    >>> steps = np.random.default_rng(0).normal(size=(1, 60, 500))
    >>> abs(summed_slope(steps)).round(1), summed_slope(steps.cumsum(axis=2)).round()
    (array([0.]), array([-2.]))
    """
    return power_law(*summed_spectrum(cells, **options)).slope


def _summed_power(cells: FloatArray) -> FloatArray:
    """Power of each frequency, summed over cells."""
    return summed_spectrum(cells)[1]


def _coherent_slope(cells: FloatArray) -> FloatArray:
    """Slope of the power of the sum of all cells."""
    return summed_slope(cells.sum(axis=1, keepdims=True, dtype=float))


def _mean_cell_slope(cells: FloatArray) -> FloatArray:
    """Mean over cells of each cell's own slope; cells without power are left out."""
    slopes = summed_slope(cells.reshape(-1, 1, cells.shape[-1])).reshape(cells.shape[:2])
    return np.ma.masked_invalid(slopes).mean(axis=1).filled(np.nan)


def _fooof_slope(cells: FloatArray) -> FloatArray:
    """Negative FOOOF exponent of the power summed over cells, with up to 3 peaks."""
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
    table = fitter.fit_transform(cells[:, np.ptp(cells, axis=(0, 2)) > 0])
    return -table[:, list(fitter.get_feature_names_out()).index("all_exponent")]


def _dfa_slope(cells: FloatArray) -> FloatArray:
    """Slope 1 - 2 alpha of detrended fluctuation analysis, squared fluctuations summed."""
    scales, squared = fluctuations(cells)
    return scaling_exponent(scales, squared.sum(axis=1)).slope


def _sd_after_start(cells: FloatArray) -> FloatArray:
    """Largest standard deviation of a cell after the start-up."""
    return np.asarray(cells[..., START_UP_STEPS:].std(axis=-1).max(axis=-1))


PAPER_MEASURE: dict[str, Measure] = {"as the paper": summed_slope}
SETTLED: dict[str, Measure] = {"settled": partial(summed_slope, skip=START_UP_STEPS, window="hann")}
SPECTRUM: dict[str, Measure] = {"spectrum": _summed_power}
REST: dict[str, Measure] = {**PAPER_MEASURE, **SETTLED, "movement": _sd_after_start}
MEASURES: dict[str, Measure] = {
    **PAPER_MEASURE,
    "cells added before the PSD": _coherent_slope,
    "mean of each cell's own slope": _mean_cell_slope,
    "FFT zero-padded to twice the length": partial(summed_slope, pad_factor=2),
    "Hann window": partial(summed_slope, window="hann"),
    "trend taken out": partial(summed_slope, detrend="linear"),
    "first 50 steps dropped, Hann": SETTLED["settled"],
    "FOOOF exponent": _fooof_slope,
    "DFA": _dfa_slope,
}


def record_slopes(
    model: keras.Model,
    inputs: AnyArray,
    measures: Mapping[str, Measure] = PAPER_MEASURE,
    *,
    layer: str = "lstm",
    signals: Sequence[str] = (*SIGNALS, "input"),
    dtype: str = "float32",
    batch_size: int = 64,
) -> dict[str, Slopes]:
    """Measure the slopes of a recurrent layer's signals, batch by batch.

    Layer, signals, ``dtype`` and ``batch_size`` are those of `npa_ann.ActivationRecorder`. The
    layer's input is called ``x`` in what is returned: measure to signal to slopes ``(n,)``.

    White noise enters; a cell that forgets nothing integrates it:

    >>> model = keras.Sequential([keras.Input((500, 1)), keras.layers.LSTM(1, name="lstm")])
    >>> weights = np.array([[0, 0, 0.01, 0]]), np.zeros((1, 4)), np.array([0.0, 30.0, 0.0, 0.0])
    >>> model.set_weights(weights)
    >>> noise = np.random.default_rng(0).normal(size=(20, 500, 1))
    >>> slopes = record_slopes(model, noise)["as the paper"]
    >>> {name: round(float(abs(slopes[name].mean())), 1) for name in ("x", "cc", "h")}
    {'x': 0.0, 'cc': 0.0, 'h': 1.8}
    """
    recorder = ActivationRecorder(model, layer, signals, batch_size=batch_size, dtype=dtype)
    groups = channel_groups(recorder.fit(inputs).ch_names_, "/")
    parts: dict[tuple[str, str], list[FloatArray]] = defaultdict(list)
    for batch in recorder.iter_record(inputs):
        for group, channels in groups.items():
            signal = group.rpartition("/")[2].replace("input", "x")
            cells = np.ascontiguousarray(batch[:, channels])
            for name, measure in measures.items():
                parts[name, signal].append(measure(cells))
    slopes: dict[str, Slopes] = {name: {} for name in measures}
    for (name, signal), values in parts.items():
        slopes[name][signal] = np.concatenate(values)
    return slopes


def layer_alone(model: keras.Model, layer: str = "lstm") -> keras.Model:
    """Build the model of one recurrent layer, which takes vectors instead of words.

    >>> from npa_ann.networks import sentiment_lstm
    >>> layer_alone(sentiment_lstm(9, 2, 3)).input_shape
    (None, None, 2)
    """
    whole = model.get_layer(layer)
    size = model.get_layer("embedding").output_dim
    # Names of our own: those that Keras counts up would give each copy another cache key.
    vectors = keras.Input((None, size), name="vectors")
    copy = type(whole).from_config(whole.get_config())
    alone = keras.Sequential([vectors, copy], name=f"{layer}_alone")
    alone.set_weights(whole.get_weights())
    return alone


def eeg_slopes(raw: mne.io.BaseRaw, length: int = 500) -> FloatArray:
    """Measure the slope of each epoch of EEG like that of a network: power summed over electrodes.

    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, exponent=1.0, random_state=0)
    >>> bool(-1.5 < eeg_slopes(raw).mean() < -0.5)
    True
    """
    length = check_number("length", length, low=8, high=len(raw.times), integer=True)
    epochs = mne.make_fixed_length_epochs(raw, length / raw.info["sfreq"], verbose="WARNING")
    measure = PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM, aggregate="sum")
    return measure.fit_transform(epochs.load_data())[:, 0]


def summarize_slopes(slopes: Any) -> dict[str, float | None]:
    """Summarize slopes ``(n_networks, n_reviews)`` by their mean and two spreads.

    ``sd_networks`` is the SD of the networks' means (None for one network); ``sd_reviews`` the mean
    over networks of the SD over reviews (None for one review). NaN (a failed fit) is left out.

    >>> summarize_slopes([[-1.0, -0.8], [-0.6, -0.4]])["mean"]
    -0.7
    """
    slopes = np.asarray(slopes, dtype=float)
    if slopes.ndim != 2:
        raise ValueError(f"slopes must be (n_networks, n_reviews), got shape {slopes.shape}.")
    n_networks, n_reviews = slopes.shape
    means = np.nanmean(slopes, axis=1)
    return {
        "mean": round(float(means.mean()), 6),
        "sd_networks": float(means.std(ddof=1)) if n_networks > 1 else None,
        "sd_reviews": float(np.nanstd(slopes, axis=1, ddof=1).mean()) if n_reviews > 1 else None,
    }


def slope_and_error(
    slopes: FloatArray, probability: FloatArray, labels: AnyArray
) -> dict[str, float | int | None]:
    """Relate the slope of each review to the network's error on it.

    ``rho`` and ``p`` are Spearman's correlation of slope and loss; ``auc`` is the probability that
    a misclassified review has a less negative slope than a correctly classified one (None where
    there is only one kind); ``errors`` is the number of misclassified reviews.

    >>> probability = np.array([0.9, 0.8, 0.6, 0.3])
    >>> slope_and_error(np.array([-1.3, -1.2, -1.0, -0.9]), probability, np.ones(4, int))["auc"]
    1.0
    """
    wrong = (probability > 0.5) != labels
    loss = -np.log(np.where(labels == 1, probability, 1 - probability).clip(1e-7))
    test = spearmanr(slopes, loss)
    return {
        "rho": float(test.statistic),
        "p": float(test.pvalue),
        "auc": float(roc_auc_score(wrong, slopes)) if 0 < wrong.sum() < len(wrong) else None,
        "errors": int(wrong.sum()),
    }
