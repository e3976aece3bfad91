"""Filters taken out of a trained network by several criteria, and what that does to it."""

import numpy as np

from npa.checks import check_option
from npa_ann.studies.ssvep.tagging import layer_of, relative

SCOPES = ("global", "layer")


def filter_strengths(model, responses):
    """Rate every filter by each criterion; the weakest are removed first.

    Parameters
    ----------
    model : keras.Model
        The network, with convolutions ``conv_1``, ``conv_2``, ...
    responses : dict
        What `npa_ann.studies.ssvep.tagging.tag_network` returned for what its convolutions hand
        on: ``norm_1``, ``norm_2``, ..., or, without normalisation, the convolutions themselves.

    Returns
    -------
    strengths : dict of array, shape (n_filters,)
        ``tagging``: amplitude at both tags; ``published tagging``: the published code's score;
        ``magnitude``: sum of absolute weights; ``activation``: absolute mean over map and time.
        Each is divided by its mean over the layer.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> from npa_ann.studies.ssvep.tagging import tag_network
    >>> model = resnet(8)
    >>> responses = tag_network(model, "norm_*", np.full((1, 32, 32, 3), 99, np.uint8))
    >>> len(filter_strengths(model, responses)["magnitude"])
    240
    """
    layers = layer_of(responses["filters"])
    own = np.isin(responses["terms"], ("f1", "f2"))
    numbers = [layer.rpartition("_")[2] for layer in dict.fromkeys(layers)]
    kernels = [np.asarray(model.get_layer(f"conv_{number}").kernel) for number in numbers]
    magnitudes = [np.abs(kernel).sum(axis=(0, 1, 2)) for kernel in kernels]
    raw = {
        "tagging": responses["amplitudes"][..., own].sum(axis=-1).mean(axis=0),
        "published tagging": responses["code"].mean(axis=0),
        "magnitude": np.concatenate(magnitudes),
        "activation": responses["mean"].mean(axis=0),
    }
    return {name: relative(values, layers) for name, values in raw.items()}


def choose(strengths, layers, fraction, scope="global"):
    """Choose the weakest filters.

    Parameters
    ----------
    strengths : array, shape (n_filters,)
        Strength of every filter.
    layers : array of str, shape (n_filters,)
        Layer of every filter.
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
    >>> choose(np.array([1, 2, 3, 4]), layers, 0.5).tolist()
    [True, True, False, False]
    >>> choose(np.array([1, 2, 3, 4]), layers, 0.5, "layer").tolist()
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


def remove(model, filters, chosen):
    """Silence filters: nothing of what their convolution computes goes any further.

    Parameters
    ----------
    model : keras.Model
        The network; its weights are changed.
    filters : sequence of str
        Names of all filters of some layers, as ``relu_4/filter/012``: the layer's number is that
        of the convolution.
    chosen : array of bool, shape (n_filters,)
        Which to silence.

    Notes
    -----
    Scale and offset of the filter's normalisation become zero, or, without normalisation, its
    kernel and bias. What a shortcut adds behind it still passes.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> model = resnet(8)
    >>> remove(model, [f"relu_1/filter/{k:03d}" for k in range(16)], np.arange(16) < 3)
    >>> int(np.sum(model.get_layer("norm_1").gamma))
    13
    """
    layers = layer_of(filters)
    for layer in dict.fromkeys(layers):
        lost = chosen[layers == layer]
        number = layer.rpartition("_")[2]
        names = [other.name for other in model.layers]
        if f"norm_{number}" in names:
            home = model.get_layer(f"norm_{number}")
            weights = (home.gamma, home.beta)
        else:
            home = model.get_layer(f"conv_{number}")
            weights = (home.kernel, home.bias)
        for weight in weights:
            weight.assign(np.where(lost, 0, np.asarray(weight)).astype(np.float32))


def bootstrap_difference(right, other, rng, n_resamples=2000):
    """Compare two networks on the same images.

    Parameters
    ----------
    right, other : array, shape (n_images,)
        Whether each image was named rightly; or, over several networks, how often.
    rng : numpy.random.Generator
        Draws the resamples of the images.
    n_resamples : int
        How many.

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
    gap = np.asarray(right, float) - np.asarray(other, float)
    n = len(gap)
    means = [gap[rng.integers(n, size=n)].mean() for _ in range(n_resamples)]
    return float(gap.mean()), np.percentile(means, [2.5, 97.5]).tolist()
