"""How far the scores of filters depend on the images and on the flicker."""

import numpy as np
from scipy.stats import spearmanr

from npa_ann.studies.ssvep.tagging import SCORES, layer_of, relative, score


def split_half(responses, noisy, rng, n_splits=100):
    """Correlate the scores from one half of the images with those from the other.

    Parameters
    ----------
    responses, noisy : dict
        What `npa_ann.studies.ssvep.tagging.tag_network` returned without and with noise.
    rng : numpy.random.Generator
        Draws the splits.
    n_splits : int
        How many random splits.

    Returns
    -------
    agreement : dict
        Score to layer, and ``"all"``, to the median rank correlation and its 95 % range over
        splits: ``[median, low, high]``. Over all layers, scores are relative to their layer.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> from npa_ann.studies.ssvep.tagging import tag_network
    >>> images = np.random.default_rng(0).integers(256, size=(2, 32, 32, 3)).astype(np.uint8)
    >>> model = resnet(8)
    >>> clean, noisy = (tag_network(model, "relu_1", images, noise=sd) for sd in (0, 0.05))
    >>> list(split_half(clean, noisy, np.random.default_rng(0), n_splits=2)["a"])
    ['relu_1', 'all']
    """
    layers = layer_of(responses["filters"])
    n = len(responses["mean"])
    found = {name: [] for name in SCORES}
    for _ in range(n_splits):
        order = rng.permutation(n)
        halves = [score(responses, noisy, rows) for rows in (order[: n // 2], order[n // 2 :])]
        for name in SCORES:
            found[name].append(_by_layer(*(half[name] for half in halves), layers))
    return {
        name: {
            place: np.nanpercentile([each[place] for each in splits], [50, 2.5, 97.5]).tolist()
            for place in splits[0]
        }
        for name, splits in found.items()
    }


def agreement(scores, others, layers):
    """Correlate scores of the same filters under two settings.

    Parameters
    ----------
    scores, others : array, shape (n_filters,)
        One kind of score.
    layers : array of str, shape (n_filters,)
        Layer of every filter.

    Returns
    -------
    rho : float
        Rank correlation over all filters of scores relative to their layer.

    Examples
    --------
    >>> layers = np.array(["x", "x", "x"])
    >>> float(round(agreement(np.array([1, 2, 3.0]), np.array([1, 4, 9.0]), layers), 6))
    1.0
    """
    return _correlate(relative(scores, layers), relative(others, layers))


def _by_layer(one, other, layers):
    """Rank correlation within each layer, and over all."""
    found = {
        str(layer): _correlate(one[layers == layer], other[layers == layer])
        for layer in dict.fromkeys(layers)
    }
    return found | {"all": agreement(one, other, layers)}


def _correlate(one, other):
    """Rank correlation; NaN where one side is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return np.nan
    return float(spearmanr(one, other).statistic)
