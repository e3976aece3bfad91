"""Removing filters from a trained network by several criteria."""

from itertools import product
from typing import Any

import keras
import numpy as np

from npa.checks import check_option
from npa.typing import AnyArray, BoolArray
from npa_ann.studies.cache import Cache
from npa_ann.studies.ssvep.tagging import Responses, layer_of, relative, tag_network
from npa_ann.studies.ssvep.training import predict

SCOPES = ("global", "layer")
RIVALS = ("magnitude", "activation", "random")
N_RESAMPLES = 2000  # of the bootstrap over images


def rate_filters(model: keras.Model, pixels: AnyArray, progress: Any = None) -> Responses:
    """Rate each filter by each criterion; the weakest are removed first.

    Parameters
    ----------
    model : keras.Model
        A network with convolutions ``conv_1``, ``conv_2``, ..., and normalisations ``norm_1``,
        ``norm_2``, ... or none.
    pixels : array of uint8, shape (n, height, width, 3)
        Images.
    progress : callable | None
        Wraps the batches, as tqdm does.

    Returns
    -------
    strengths : dict of array, shape (n_filters,)
        ``filters``, their names, and by criterion ``tagging``: amplitude at both tags;
        ``published tagging``: the published code's score; ``magnitude``: sum of absolute
        weights; ``activation``: absolute mean over map and time. Each criterion is divided by
        its mean over the layer.

    Notes
    -----
    Responses are those of the output of a convolution (after its normalisation), before any
    shortcut is added.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> len(rate_filters(resnet(8), np.full((1, 32, 32, 3), 99, np.uint8))["magnitude"])
    240
    """
    normalized = any(layer.name == "norm_1" for layer in model.layers)
    outputs = "norm_*" if normalized else "conv_*"
    responses = tag_network(model, outputs, pixels, progress=progress)
    layers = layer_of(responses["filters"])
    at_tags = np.isin(responses["terms"], ("f1", "f2"))
    numbers = [layer.rpartition("_")[2] for layer in dict.fromkeys(layers)]
    kernels = [np.asarray(model.get_layer(f"conv_{number}").kernel) for number in numbers]
    raw = {
        "tagging": responses["amplitudes"].mean(axis=0)[:, at_tags].sum(axis=-1),
        "published tagging": responses["code"].mean(axis=0),
        "magnitude": np.concatenate([np.abs(kernel).sum(axis=(0, 1, 2)) for kernel in kernels]),
        "activation": responses["mean"].mean(axis=0),
    }
    strengths = {name: relative(values, layers) for name, values in raw.items()}
    return {"filters": responses["filters"], **strengths}


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


def prune(
    model: keras.Model,
    strengths: Responses,
    images: AnyArray,
    labels: AnyArray,
    rng: np.random.Generator,
    cache: Cache,
    *,
    fractions: tuple[float, ...],
    draws: int,
    progress: Any = None,
) -> dict[str, Any]:
    """Remove filters by every criterion, and classify images.

    Parameters
    ----------
    model : keras.Model
        The network; its weights are not changed.
    strengths : dict of array
        Returned by `rate_filters`.
    images : array of uint8, shape (n, height, width, 3)
        Images to classify.
    labels : array of int, shape (n,)
        Their classes.
    rng : numpy.random.Generator
        Draws the random removals.
    cache : npa_ann.studies.cache.Cache
        Where each removal is kept.
    fractions : tuple of float
        Shares of filters to remove.
    draws : int
        Number of random removals of each share.
    progress : callable | None
        Wraps the list of removals, as tqdm does.

    Returns
    -------
    correct : dict
        ``"whole"``, and scope to criterion (``"random"``: the mean over draws) to fraction (as
        text): whether each image was classified correctly.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> model, images, labels = resnet(8), np.full((2, 32, 32, 3), 99, np.uint8), np.arange(2)
    >>> strengths = rate_filters(model, images)
    >>> rng, cache = np.random.default_rng(0), Cache("cached")
    >>> some = {"fractions": (0.5,), "draws": 1}
    >>> list(prune(model, strengths, images, labels, rng, cache, **some)["layer"])
    ['tagging', 'published tagging', 'magnitude', 'activation', 'random']
    """
    filters = strengths["filters"]
    layers = layer_of(filters)
    criteria = [(name, values) for name, values in strengths.items() if name != "filters"]
    criteria += [("random", rng.random(len(filters))) for _ in range(draws)]
    jobs = list(product(fractions, SCOPES, criteria))

    def classify(removed: BoolArray) -> AnyArray:
        result: AnyArray = cache(_classify_without, model, filters, removed, images, labels)
        return result

    correct: dict[str, Any] = {scope: {} for scope in SCOPES}
    correct["whole"] = classify(np.zeros(len(filters), bool))
    for fraction, scope, (name, values) in jobs if progress is None else progress(jobs):
        removed = choose_weakest(values, layers, fraction, scope)
        by_fraction = correct[scope].setdefault(name, {})
        by_fraction.setdefault(f"{fraction:g}", []).append(classify(removed))
    for scope in SCOPES:
        for by_fraction in correct[scope].values():
            by_fraction.update({key: np.mean(hits, axis=0) for key, hits in by_fraction.items()})
    return correct


def summarize_pruning(correct: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Compute accuracies, and how tagging compares with its rivals.

    Parameters
    ----------
    correct : dict
        Returned by `prune`.
    rng : numpy.random.Generator
        Draws the resamples of the images.

    Returns
    -------
    found : dict
        ``whole``, and scope to criterion to fraction: the accuracies; ``"tagging minus"`` of each
        scope holds rival to fraction to ``difference`` and ``interval`` of the accuracy.

    Examples
    --------
    >>> hits = {"0.5": np.array([True, False])}
    >>> names = ("tagging", *RIVALS)
    >>> correct = {scope: dict.fromkeys(names, hits) for scope in SCOPES}
    >>> correct["whole"] = np.array([True, True])
    >>> found = summarize_pruning(correct, np.random.default_rng(0))
    >>> found["layer"]["tagging minus"]["random"]["0.5"]
    {'difference': 0.0, 'interval': [0.0, 0.0]}
    """
    found: dict[str, Any] = {"whole": float(correct["whole"].mean())}
    for scope in SCOPES:
        found[scope] = {
            name: {fraction: float(hits.mean()) for fraction, hits in by_fraction.items()}
            for name, by_fraction in correct[scope].items()
        }
        gaps: dict[str, Any] = {rival: {} for rival in RIVALS}
        for rival in RIVALS:
            for fraction, hits in correct[scope]["tagging"].items():
                other = correct[scope][rival][fraction]
                gap, interval = bootstrap_difference(hits, other, rng)
                gaps[rival][fraction] = {"difference": gap, "interval": interval}
        found[scope]["tagging minus"] = gaps
    return found


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


def _classify_without(
    model: keras.Model, filters: AnyArray, removed: BoolArray, images: AnyArray, labels: AnyArray
) -> AnyArray:
    """Return whether each image is classified correctly without some filters."""
    weights = model.get_weights()
    try:
        remove_filters(model, filters, removed)
        correct: AnyArray = predict(model, images).argmax(axis=1) == labels
    finally:
        model.set_weights(weights)
    return correct
