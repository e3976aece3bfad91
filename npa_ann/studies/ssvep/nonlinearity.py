"""Which terms a network makes of two tags, with and without a nonlinearity."""

import numpy as np

from npa_ann.networks import resnet
from npa_ann.studies.ssvep.tagging import layer_of, tag_network

ACTIVATIONS = ("relu", "tanh", "linear")


def compare_activations(images, depth=20, seed=1):
    """Measure harmonics and intermodulation of untrained networks of every kind.

    Parameters
    ----------
    images : array of uint8, shape (n, 32, 32, 3)
        Images.
    depth : int
        Layers of the residual network.
    seed : int
        Seed of the weights.

    Returns
    -------
    found : dict
        ``"relu"``, ``"relu, no normalisation"``, ... to the measures of `new_terms`, the largest
        over all layers.

    Examples
    --------
    >>> images = np.full((1, 32, 32, 3), 200, np.uint8)
    >>> found = compare_activations(images, depth=8)
    >>> found["linear"]["harmonics"] < 1e-4 < found["relu"]["harmonics"]
    True
    """
    import keras

    found = {}
    for activation in ACTIVATIONS:
        for normalization in (True, False):
            keras.utils.set_random_seed(seed)
            model = resnet(depth, activation=activation, normalization=normalization)
            layers = new_terms(tag_network(model, f"{activation}_*", images))
            name = activation if normalization else f"{activation}, no normalisation"
            found[name] = {
                kind: max(layer[kind] for layer in layers.values())
                for kind in ("harmonics", "intermodulation")
            }
    return found


def new_terms(responses):
    """Measure what a layer answers at frequencies that were not shown.

    Parameters
    ----------
    responses : dict
        What `npa_ann.studies.ssvep.tagging.tag_network` returned.

    Returns
    -------
    found : dict
        Layer to ``harmonics`` and ``intermodulation``: the largest amplitude of any filter and
        image at such a term, over the layer's largest amplitude at a tag.

    Examples
    --------
    >>> terms, amplitudes = np.array(["f1", "2f1", "f1+f2"]), np.array([[[4.0, 2, 1]]])
    >>> one = {"terms": terms, "amplitudes": amplitudes, "filters": ["conv_1/filter/000"]}
    >>> new_terms(one)
    {'conv_1': {'harmonics': 0.5, 'intermodulation': 0.25}}
    """
    names, layers = responses["terms"], layer_of(responses["filters"])
    mixed = np.array(["f1" in name and "f2" in name for name in names])
    shown = np.isin(names, ("f1", "f2"))
    kinds = {"harmonics": ~mixed & ~shown, "intermodulation": mixed}
    found = {}
    for layer in dict.fromkeys(layers):
        amplitudes = responses["amplitudes"][:, layers == layer]
        largest = amplitudes[..., shown].max()
        found[str(layer)] = {
            kind: float(amplitudes[..., which].max() / largest) for kind, which in kinds.items()
        }
    return found
