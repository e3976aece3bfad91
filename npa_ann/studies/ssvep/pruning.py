"""Removing filters from a trained network by several criteria."""

from typing import Any

import keras
import numpy as np

from npa.checks import check_option
from npa.typing import AnyArray, BoolArray
from npa_ann.studies.ssvep.tagging import layer_of

SCOPES = ("global", "layer")
RIVALS = ("magnitude", "activation", "random")
N_RESAMPLES = 2000  # of the bootstrap over images


def choose_weakest(
    strengths: AnyArray, layers: AnyArray, fraction: float, scope: str = "global"
) -> BoolArray:
    """Choose the weakest filters.

    Parameters
    ----------
    strengths : array, shape (n_filters,)
        Strength of each filter.
    layers : array of str, shape (n_filters,)
        Layer of each filter.
    fraction : float
        Share to choose.
    scope : {"global", "layer"}
        Whether the share is of all filters together, or of each layer.

    Returns
    -------
    chosen : array of bool, shape (n_filters,)
        The weakest.

    Examples
    --------
    >>> layers = np.array(["x", "x", "y", "y"])
    >>> choose_weakest(np.array([1, 2, 3, 4]), layers, 0.5).tolist()
    [True, True, False, False]
    >>> choose_weakest(np.array([1, 2, 3, 4]), layers, 0.5, "layer").tolist()
    [True, False, True, False]
    """
    check_option("scope", scope, SCOPES)
    chosen = np.zeros(len(strengths), bool)
    groups = [np.arange(len(layers))]
    if scope == "layer":
        groups = [np.flatnonzero(layers == layer) for layer in dict.fromkeys(layers)]
    for group in groups:
        weakest = group[np.argsort(strengths[group], kind="stable")]
        chosen[weakest[: round(fraction * len(group))]] = True
    return chosen


def remove_filters(model: keras.Model, filters: Any, chosen: BoolArray) -> None:
    """Set filters of a network to zero, in place.

    Parameters
    ----------
    model : keras.Model
        The network; its weights are changed.
    filters : sequence of str
        Names of all filters of some layers, as ``relu_4/filter/012``: the layer's number is that
        of the convolution.
    chosen : array of bool, shape (n_filters,)
        Which to remove.

    Notes
    -----
    Scale and offset of the filter's normalisation become zero, or, without normalisation, its
    kernel and bias. What a shortcut adds after it still passes.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> model = resnet(8)
    >>> remove_filters(model, [f"relu_1/filter/{k:03d}" for k in range(16)], np.arange(16) < 3)
    >>> int(np.sum(model.get_layer("norm_1").gamma))
    13
    """
    layers, names = layer_of(filters), {layer.name for layer in model.layers}
    for layer in dict.fromkeys(layers):
        removed = chosen[layers == layer]
        number = layer.rpartition("_")[2]
        if f"norm_{number}" in names:
            home = model.get_layer(f"norm_{number}")
            weights = (home.gamma, home.beta)
        else:
            home = model.get_layer(f"conv_{number}")
            weights = (home.kernel, home.bias)
        for weight in weights:
            weight.assign(np.where(removed, 0, np.asarray(weight)).astype(np.float32))


def bootstrap_difference(
    hits: AnyArray, others: AnyArray, rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> tuple[float, list[float]]:
    """Compare the accuracies of two networks on the same images.

    Parameters
    ----------
    hits, others : array, shape (n_images,)
        Whether each image was classified correctly; or, over several networks, how often.
    rng : numpy.random.Generator
        Draws the resamples of the images.
    n_resamples : int
        Number of resamples.

    Returns
    -------
    difference : float
        Accuracy of the first minus that of the second.
    interval : list of float
        95 % percentile interval, over images.

    Examples
    --------
    >>> same = np.array([True, False] * 50)
    >>> bootstrap_difference(same, same, np.random.default_rng(0))
    (0.0, [0.0, 0.0])
    """
    gap = np.asarray(hits, float) - np.asarray(others, float)
    n = len(gap)
    means = [gap[rng.integers(n, size=n)].mean() for _ in range(n_resamples)]
    return float(gap.mean()), np.percentile(means, [2.5, 97.5]).tolist()
