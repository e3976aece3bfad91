"""Everything the tagging study measures, stored as it goes, so that a run can resume."""

from itertools import product

import numpy as np

from npa_ann.studies.image_training import predict
from npa_ann.studies.ssvep.nonlinearity import ACTIVATIONS, compare_activations
from npa_ann.studies.ssvep.pruning import SCOPES, choose, filter_strengths, remove
from npa_ann.studies.ssvep.tagging import FPS, NOISE, TAGS, layer_of, tag_network

SEED = 20241110  # of the choice of images, of pixel noise, of random removals

# What the flicker is changed to, one thing at a time, and the score that is compared.
SETTINGS = {
    "depth 0.9": ("a", {"depth": 0.9}),
    "4 s": ("a", {"duration": 4.0}),
    "8 and 10 Hz": ("a", {"tags": (8.0, 10.0)}),
    "noise 0.02": ("b", {"noise": 0.02}),
    "noise 0.1": ("b", {"noise": 0.1}),
}


def choose_images(labels, n, seed=SEED):
    """Choose images, as many of every class as can be.

    Parameters
    ----------
    labels : array of int, shape (n_images,)
        Class of every image.
    n : int
        How many.
    seed : int
        Seed of the choice.

    Returns
    -------
    rows : array of int, shape (n,)
        Row numbers, in random order.

    Raises
    ------
    ValueError
        If there are fewer.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> sorted(labels[choose_images(labels, 4)].tolist())
    [0, 0, 1, 1]
    """
    if n > len(labels):
        raise ValueError(f"images must be at most {len(labels)}, as many as there are, got {n}.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    ranks = np.empty(len(labels), int)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        ranks[own] = np.arange(len(own))
    return rng.permutation(order[np.argsort(ranks[order], kind="stable")][:n])


def measure_tagging(model, pixels, store, progress=None):
    """Read every convolution and activation under flicker, without and with pixel noise.

    Parameters
    ----------
    model : keras.Model
        The network.
    pixels : array of uint8, shape (n, height, width, 3)
        Images.
    store : npa_ann.studies.store.Store
        Where measurements are kept.
    progress : callable | None
        Wraps the batches.

    Returns
    -------
    responses, noisy : dict
        As `npa_ann.studies.ssvep.tagging.tag_network` gives them.

    Examples
    --------
    >>> from npa_ann.networks import resnet
    >>> keep_nothing = lambda name, inputs, compute: compute()
    >>> images = np.full((1, 32, 32, 3), 200, np.uint8)
    >>> len(measure_tagging(resnet(8), images, keep_nothing)[0]["filters"])
    480
    """
    layers = ["conv_*", f"{_activation(model)}_*"]
    found = []
    for noise in (0.0, NOISE):
        how = {"noise": noise, "seed": SEED}
        found.append(
            store(
                "tagging",
                _key(model, [pixels], layers=layers, **how),
                lambda how=how: tag_network(model, layers, pixels, **how, progress=progress),
            )
        )
    return tuple(found)


def measure_settings(model, pixels, store):
    """Read the activations again under other flickers.

    Parameters
    ----------
    model, pixels, store
        As for `measure_tagging`.

    Returns
    -------
    found : dict
        Setting of ``SETTINGS`` to what was read.

    Examples
    --------
    >>> measure_settings(model, pixels, store)  # doctest: +SKIP
    """
    layers, found = f"{_activation(model)}_*", {}
    for name, (_, change) in SETTINGS.items():
        how = {"seed": SEED + 1, **change}  # the noise of the study's own setting is another
        found[name] = store(
            "setting",
            _key(model, [pixels], layers=layers, **how),
            lambda how=how: tag_network(model, layers, pixels, **how),
        )
    return found


def measure_pruning(model, images, rows, store, *, fractions, draws, progress=None):
    """Remove filters by every criterion, and let the network name all test images.

    Parameters
    ----------
    model : keras.Model
        The network; it is left with its own weights.
    images : npa_ann.corpora.Images
        The images.
    rows : array of int
        Training images that filters are rated on.
    store : npa_ann.studies.store.Store
        Where measurements are kept.
    fractions : sequence of float
        Shares of filters to remove.
    draws : int
        How many random removals.
    progress : callable | None
        Wraps the list of removals.

    Returns
    -------
    right : dict
        ``"whole"``, and scope to criterion (``"random"`` is the mean over draws) to fraction (as
        text), to whether each test image was named rightly.

    Examples
    --------
    >>> measure_pruning(model, images, rows, store, fractions=(0.1,), draws=2)  # doctest: +SKIP
    """
    own = model.get_weights()
    pixels = images.train[rows]
    # What is removed is what a convolution hands on, before any shortcut is added to it.
    normalized = any(layer.name == "norm_1" for layer in model.layers)
    layers = "norm_*" if normalized else "conv_*"

    def tag():
        responses = tag_network(model, layers, pixels, progress=progress)
        for name in ("amplitudes", "code", "mean", "snr"):
            responses[name] = responses[name].mean(axis=0, keepdims=True)
        return responses

    def judge(lost):
        remove(model, filters, lost)
        named = predict(model, images.test).argmax(axis=1)
        model.set_weights(own)
        return {"right": named == images.test_labels}

    def judged(lost):
        inputs = _key(model, [lost, images.test, images.test_labels])
        return store("pruned", inputs, lambda: judge(lost))["right"]

    responses = store("rating", _key(model, [pixels], layers=layers), tag)
    filters, rng = responses["filters"], np.random.default_rng(SEED)
    criteria = [*filter_strengths(model, responses).items()]
    criteria += [("random", rng.random(len(filters))) for _ in range(draws)]
    jobs = list(product(fractions, SCOPES, criteria))
    right = {"whole": judged(np.zeros(len(filters), bool))}
    for fraction, scope, (name, strengths) in jobs if progress is None else progress(jobs):
        lost = choose(strengths, layer_of(filters), fraction, scope)
        place = right.setdefault(scope, {}).setdefault(name, {})
        place.setdefault(f"{fraction:g}", []).append(judged(lost))
    for scope in SCOPES:
        for by_fraction in right[scope].values():
            by_fraction.update({key: np.mean(hits, axis=0) for key, hits in by_fraction.items()})
    return right


def measure_activations(pixels, store):
    """Compare nonlinearities.

    Parameters
    ----------
    pixels, store
        As for `measure_tagging`.

    Returns
    -------
    found : dict
        As `npa_ann.studies.ssvep.nonlinearity.compare_activations`.

    Examples
    --------
    >>> measure_activations(pixels, store)  # doctest: +SKIP
    """
    inputs = [pixels, np.array(ACTIVATIONS)]
    found = store("activations", inputs, lambda: compare_activations(pixels))
    return {
        name: {kind: float(value) for kind, value in kinds.items()} for name, kinds in found.items()
    }


def _key(model, arrays, **settings):
    """Collect everything that a measurement depends on."""
    text = repr([TAGS, FPS, sorted(settings.items())])
    return [*model.get_weights(), *arrays, np.frombuffer(text.encode(), np.uint8)]


def _activation(model):
    """Name the network's nonlinearity, after which its layers are called."""
    names = [layer.name.removesuffix("_1") for layer in model.layers if layer.name.endswith("_1")]
    return next(name for name in names if name not in ("conv", "norm", "add", "pool"))
