"""Spectral slopes of a recurrent layer's signals: the paper's measure and variations of it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import mne
import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from npa.checks import check_number
from npa.datasets import find_copies
from npa.estimators.exponent import PSDExponent
from npa.estimators.parameterize import FOOOFFitter
from npa.recordings.channels import channel_groups
from npa.spectral.density import psd
from npa.spectral.dfa import fluctuations, scaling_exponent
from npa.spectral.slopes import PowerLaw, power_law
from npa.typing import AnyArray, FloatArray, PathLike
from npa_ann.recording.recorder import ActivationRecorder

Measure = Callable[[FloatArray], FloatArray]  # cells (n, cells, time) to one number per sequence

SIGNALS = ("f", "i", "cc", "o", "c_out", "h")
PERIODOGRAM: dict[str, Any] = {"window": "boxcar", "detrend": False, "one_sided": False}
START_UP_STEPS = 50  # after which a network at rest has settled
# Runs of PhysioNet's EEG motor movement/imagery dataset, subject 1.
EEG_FILES = {"eyes open": "S001R01.edf", "eyes closed": "S001R02.edf", "task": "S001R03.edf"}


def summed_spectrum(
    cells: FloatArray, *, skip: int = 0, padding: int = 0, **psd_kwargs: Any
) -> tuple[FloatArray, FloatArray]:
    """Compute the power summed over cells ``(n, cells, time)``, without 0 Hz.

    ``skip`` steps are left out at the start, ``padding`` zeros are appended before the Fourier
    transform; ``psd_kwargs`` go to `npa.spectral.psd`, by default no window and no detrending.

    Examples
    --------
    >>> freqs, power = summed_spectrum(np.ones((1, 60, 500)))
    >>> len(freqs), power.shape
    (250, (1, 250))
    """
    time = cells.shape[-1]
    skip = check_number("skip", skip, low=0, high=time - 8, integer=True)
    settings = PERIODOGRAM | {"n_fft": time - skip + padding} | psd_kwargs
    freqs, power = psd(cells[..., skip:], 1.0, method="periodogram", **settings)
    return freqs[1:], power.sum(axis=1)[:, 1:]


def summed_slope(cells: FloatArray, **options: Any) -> FloatArray:
    """Measure the slope of the power summed over cells, as Chong and Feng do.

    Parameters
    ----------
    cells : array, shape (n, cells, time)
        Activations.
    **options
        As in `summed_spectrum`.

    Returns
    -------
    slopes : array, shape (n,)
        Slope beta of power S ~ f^beta; NaN where there is no power.

    Notes
    -----
    A least-squares line through log10 power against log10 frequency, over all bins but 0 [1]_. On
    a recording, ``PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM, aggregate="sum",
    by="/")`` does the same.

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
    return power_law(*summed_spectrum(cells, **options)).slope


def _coherent_slope(cells: FloatArray) -> FloatArray:
    """Slope of the power of the sum of all cells."""
    return summed_slope(cells.sum(axis=1, keepdims=True, dtype=float))


def _mean_cell_slope(cells: FloatArray) -> FloatArray:
    """Mean over cells of each cell's own slope; cells without power are left out."""
    n, units, time = cells.shape
    slopes = summed_slope(cells.reshape(-1, 1, time)).reshape(n, units)
    count = np.isfinite(slopes).sum(axis=1)
    means = np.full(n, np.nan)
    np.divide(np.nansum(slopes, axis=1), count, out=means, where=count > 0)
    return means


def _padded_slope(cells: FloatArray) -> FloatArray:
    """Slope of the Fourier transform zero-padded to twice the length."""
    return summed_slope(cells, padding=cells.shape[-1])


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
REST: dict[str, Measure] = {**PAPER_MEASURE, **SETTLED, "movement": _sd_after_start}
MEASURES: dict[str, Measure] = {
    **PAPER_MEASURE,
    "cells added before the PSD": _coherent_slope,
    "mean of each cell's own slope": _mean_cell_slope,
    "FFT zero-padded to twice the length": _padded_slope,
    "Hann window": partial(summed_slope, window="hann"),
    "trend taken out": partial(summed_slope, detrend="linear"),
    "first 50 steps dropped, Hann": SETTLED["settled"],
    "FOOOF exponent": _fooof_slope,
    "DFA": _dfa_slope,
}


def record_slopes(
    model: keras.Model,
    inputs: AnyArray,
    measures: Mapping[str, Measure] | None = None,
    *,
    layer: str = "lstm",
    signals: Sequence[str] = (*SIGNALS, "input"),
    dtype: str = "float32",
    batch_size: int = 64,
) -> dict[str, dict[str, FloatArray]]:
    """Measure the slopes of a recurrent layer's signals, batch by batch.

    Parameters
    ----------
    model : keras.Model
        The network.
    inputs : array, shape (n, time) or (n, time, features)
        What it reads.
    measures : dict | None
        Name to function of cells ``(n, cells, time)``; None for the paper's measure.
    layer : str, default "lstm"
        Name of the layer.
    signals : sequence of str
        Signals of the layer, as in `npa_ann.ActivationRecorder`.
    dtype : {"float32", "float64"}
        Precision of the activations.
    batch_size : int, default 64
        Sequences in memory at once.

    Returns
    -------
    slopes : dict of dict of array, shape (n,)
        Measure to signal to slopes; the layer's input is called ``x``.

    Examples
    --------
    White noise enters; a cell that forgets nothing integrates it:

    >>> model = keras.Sequential([keras.Input((500, 1)), keras.layers.LSTM(1, name="lstm")])
    >>> weights = np.array([[0, 0, 0.01, 0]]), np.zeros((1, 4)), np.array([0.0, 30.0, 0.0, 0.0])
    >>> model.set_weights(weights)
    >>> noise = np.random.default_rng(0).normal(size=(20, 500, 1))
    >>> slopes = record_slopes(model, noise)["as the paper"]
    >>> {name: round(float(abs(slopes[name].mean())), 1) for name in ("x", "cc", "h")}
    {'x': 0.0, 'cc': 0.0, 'h': 1.8}
    """
    measures = PAPER_MEASURE if measures is None else measures
    recorder = ActivationRecorder(model, layer, signals, batch_size=batch_size, dtype=dtype)
    groups = channel_groups(recorder.fit(inputs).ch_names_, "/")
    names = {group: group.rpartition("/")[2].replace("input", "x") for group in groups}
    parts: dict[str, dict[str, list[FloatArray]]] = {
        measure: {name: [] for name in names.values()} for measure in measures
    }
    for batch in recorder.iter_record(inputs):
        for group, channels in groups.items():
            cells = np.ascontiguousarray(batch[:, channels])
            for measure, function in measures.items():
                parts[measure][names[group]].append(function(cells))
    return {
        measure: {name: np.concatenate(values) for name, values in by_signal.items()}
        for measure, by_signal in parts.items()
    }


def layer_alone(model: keras.Model, layer: str = "lstm") -> keras.Model:
    """Build the model of one recurrent layer, which takes vectors instead of words.

    Examples
    --------
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


def review_spectra(model: keras.Model, tokens: AnyArray) -> dict[str, FloatArray]:
    """Compute the spectra of one review and of the network's response, as in figure 3.

    Returns ``freqs`` in cycles per word, power summed over cells of the embedded words ``x`` and of
    ``h``, and ``x_line`` and ``h_line``: slope and intercept.

    Examples
    --------
    >>> from npa_ann.networks import sentiment_lstm
    >>> review_spectra(sentiment_lstm(9, 2, 3), np.arange(40) % 10)["h"].shape
    (20,)
    """
    recorder = ActivationRecorder(model, "lstm", ("h", "input"))
    (batch,) = recorder.fit(tokens[np.newaxis]).iter_record(tokens[np.newaxis])
    spectra = {}
    for name, channels in channel_groups(recorder.ch_names_, "/").items():
        key = "h" if name.endswith("/h") else "x"
        spectra["freqs"], (spectra[key],) = summed_spectrum(batch[:, channels])
        line: PowerLaw = power_law(spectra["freqs"], spectra[key])
        spectra[f"{key}_line"] = np.array([line.slope, line.intercept])
    return spectra


def eeg_slopes(raw: mne.io.BaseRaw, length: int = 500) -> FloatArray:
    """Measure the slope of each epoch of EEG like that of a network: power summed over electrodes.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, exponent=1.0, random_state=0)
    >>> bool(-1.5 < eeg_slopes(raw).mean() < -0.5)
    True
    """
    length = check_number("length", length, low=8, high=len(raw.times), integer=True)
    epochs = mne.make_fixed_length_epochs(raw, length / raw.info["sfreq"], verbose="WARNING")
    measure = PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM, aggregate="sum")
    return measure.fit_transform(epochs.load_data())[:, 0]


def find_eeg(folder: PathLike | None = None) -> Path | None:
    """Find the folder of the recordings of ``EEG_FILES``, itself or one level down.

    None stands for the folder named by ``NPA_DATA``.

    Examples
    --------
    >>> find_eeg(".") is None
    True
    """
    if folder is None:
        return find_copies(list(EEG_FILES.values()))
    root = Path(folder)
    folders = [root, *sorted(path for path in root.glob("*") if path.is_dir())]
    return next((at for at in folders if all((at / f).exists() for f in EEG_FILES.values())), None)


def summarize_slopes(slopes: Any) -> dict[str, float | None]:
    """Summarize slopes ``(n_networks, n_reviews)`` by their mean and two spreads.

    ``sd_networks`` is the SD of the networks' means (None for one network); ``sd_reviews`` the mean
    over networks of the SD over reviews (None for one review). NaN (a failed fit) is left out.

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


def slope_and_error(
    slopes: FloatArray, probability: FloatArray, labels: AnyArray
) -> dict[str, float | int | None]:
    """Relate the slope of each review to the network's error on it.

    ``rho`` and ``p`` are Spearman's correlation of slope and loss; ``auc`` is the probability that
    a misclassified review has a less negative slope than a correctly classified one (None where
    there is only one kind); ``errors`` is the number of misclassified reviews.

    Examples
    --------
    >>> probability = np.array([0.9, 0.8, 0.6, 0.3])
    >>> slope_and_error(np.array([-1.3, -1.2, -1.0, -0.9]), probability, np.ones(4, int))["auc"]
    1.0
    """
    wrong = (probability > 0.5) != labels
    loss = -np.log(np.where(labels == 1, probability, 1 - probability).clip(1e-7))
    test = spearmanr(slopes, loss)
    both = 0 < wrong.sum() < len(wrong)
    return {
        "rho": float(test.statistic),
        "p": float(test.pvalue),
        "auc": float(roc_auc_score(wrong, slopes)) if both else None,
        "errors": int(wrong.sum()),
    }
