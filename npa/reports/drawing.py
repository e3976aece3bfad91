"""Drawings that several reports share; each returns its figure."""

from collections.abc import Mapping
from typing import cast

import matplotlib.pyplot as plt
import mne
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.spatial import QhullError

from npa.typing import FloatArray, IntArray

MIN_POSITIONS = 4  # electrodes that a map needs
MAX_BARS = 16


def draw_map(
    values: FloatArray,
    info: mne.Info,
    label: str,
    ax: Axes | None = None,
    diverging: bool = False,
) -> Figure:
    """Draw one value per channel over the scalp, or as bars if positions do not allow a map.

    Parameters
    ----------
    values : array, shape (n_channels,)
        The values; NaN is omitted.
    info : mne.Info
        Measurement info of these channels.
    label : str
        What the values are, with their unit.
    ax : matplotlib.axes.Axes | None
        Axes to draw into; None for a new figure.
    diverging : bool
        Whether the color scale is symmetric around 0.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> info = mne.create_info(["Fp1", "Oz"], 100.0, "eeg")
    >>> figure = draw_map(np.array([100.0, 10.0]), info, "Potential (µV)")
    >>> figure.axes[0].get_xlabel()
    'Potential (µV)'
    """
    figure, ax = figure_and_axes(ax)
    values = np.asarray(values, dtype=float)
    placed = with_positions(values, info)
    if len(placed) >= MIN_POSITIONS:
        top = np.abs(values[placed]).max()
        limits = (-top, top) if diverging else (values[placed].min(), values[placed].max())
        try:
            image, _ = mne.viz.plot_topomap(
                values[placed],
                mne.pick_info(info, placed),
                axes=ax,
                vlim=limits,
                cmap="RdBu_r" if diverging else "viridis",
                show=False,
            )
        except (QhullError, ValueError):  # positions on a line or a circle, or the same twice
            ax.clear()
        else:
            figure.colorbar(image, ax=ax, shrink=0.7, label=label)
            return figure
    largest = [i for i in np.argsort(-np.abs(values)) if np.isfinite(values[i])]
    largest = largest[:MAX_BARS][::-1]
    ax.barh([info["ch_names"][i] for i in largest], values[largest], color="C3")
    ax.set_xlabel(label)
    return figure


def draw_maps(values: Mapping[str, FloatArray], info: mne.Info) -> Figure:
    """Draw several maps side by side.

    Parameters
    ----------
    values : dict
        Label to values (n_channels,); NaN is omitted.
    info : mne.Info
        Measurement info of these channels.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, one map per label.

    Examples
    --------
    >>> info = mne.create_info(["Fp1", "Oz"], 100.0, "eeg")
    >>> len(draw_maps({"Exponent": [1.0, 1.5], "Alpha": [0.1, 0.9]}, info).axes)
    2
    """
    figure, axes = plt.subplots(
        1, len(values), figsize=(4.5 * len(values), 3.8), layout="constrained", squeeze=False
    )
    for ax, (label, each) in zip(axes[0], values.items(), strict=True):
        draw_map(each, info, label, ax=ax)
    return figure


def draw_power(
    freqs: FloatArray, power: Mapping[str, FloatArray], ax: Axes | None = None
) -> Figure:
    """Draw power spectra in the same axes.

    Parameters
    ----------
    freqs : array, shape (n_freqs,)
        Frequencies in Hz; 0 is omitted.
    power : dict
        Label to power (n_freqs,) in V^2/Hz.
    ax : matplotlib.axes.Axes | None
        Axes to draw into; None for a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure, with logarithmic axes.

    Examples
    --------
    >>> figure = draw_power(np.arange(1.0, 4.0), {"before": np.ones(3), "after": np.full(3, 0.1)})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['before', 'after']
    """
    figure, ax = figure_and_axes(ax)
    shown = freqs > 0
    for (label, values), color in zip(power.items(), ("0.6", "C0", "C3"), strict=False):
        ax.loglog(freqs[shown], values[shown], color=color, lw=1.8, label=label)
    ax.set_xlim(freqs[shown][0], freqs[-1])
    label_spectrum(ax)
    ax.legend(frameon=False)
    return figure


def with_positions(values: FloatArray, info: mne.Info) -> IntArray:
    """Return the channels that have a value and an electrode position.

    Parameters
    ----------
    values : array, shape (n_channels,)
        The values; NaN for none.
    info : mne.Info
        Measurement info of these channels.

    Returns
    -------
    index : array of int
        Their indices.

    Examples
    --------
    >>> info = mne.create_info(["Fp1", "unknown"], 100.0, "eeg")
    >>> _ = info.set_montage("colin27_1005", on_missing="ignore")
    >>> with_positions(np.zeros(2), info)
    array([0])
    """
    positions = np.array([channel["loc"][:3] for channel in info["chs"]])
    known = np.isfinite(positions).all(axis=1) & positions.any(axis=1)
    return np.flatnonzero(np.isfinite(values) & known)


def label_spectrum(ax: Axes) -> None:
    """Label the axes of a power spectrum, with frequencies in plain numbers.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes; both are logarithmic.

    Examples
    --------
    >>> _, ax = figure_and_axes(None)
    >>> label_spectrum(ax)
    >>> ax.get_xlabel()
    'Frequency (Hz)'
    """
    ax.set(xlabel="Frequency (Hz)", ylabel="Power (V²/Hz)")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")


def figure_and_axes(ax: Axes | None) -> tuple[Figure, Axes]:
    """Return the given axes with their figure, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes | None
        The axes; None for a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.
    ax : matplotlib.axes.Axes
        The axes.

    Examples
    --------
    >>> figure, ax = figure_and_axes(None)
    >>> figure_and_axes(ax) == (figure, ax)
    True
    """
    if ax is None:
        return plt.subplots(layout="constrained")
    return cast(Figure, ax.figure), ax
