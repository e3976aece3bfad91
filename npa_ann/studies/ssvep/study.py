"""The study of frequency tagging: its stages and results."""

from functools import partial
from itertools import product
from typing import Any

import keras
import numpy as np

from npa.checks import check_number
from npa.typing import AnyArray, BoolArray, IntArray, PathLike
from npa_ann.corpora import Images, read_cifar10
from npa_ann.networks import load_weights, resnet
from npa_ann.networks import pretrained as open_pretrained
from npa_ann.studies.cache import Cache
from npa_ann.studies.frame import Option, Stage, Study
from npa_ann.studies.pages import Source, write_versions
from npa_ann.studies.ssvep import figures, tables
from npa_ann.studies.ssvep.pruning import (
    RIVALS,
    SCOPES,
    bootstrap_difference,
    choose_weakest,
    remove_filters,
)
from npa_ann.studies.ssvep.tagging import (
    PIXEL_NOISE,
    SCORES,
    Responses,
    agreement,
    is_mixed,
    layer_of,
    relative,
    score,
    sides,
    split_half,
    tag_network,
)
from npa_ann.studies.ssvep.training import NETWORKS as BUILDERS
from npa_ann.studies.ssvep.training import evaluate, train
from npa_ann.studies.training import predict, weights_after

ACTIVATIONS = ("relu", "tanh", "linear")
ONE_SIDED = 1 / 3  # balance: one tag at least twice as strong as the other
INTEGRATING = 0.1  # intermodulation over tags
SEED = 20241110  # of the choice of images, of pixel noise, of random removals
NETWORKS = ("resnet_32", "resnet_20", "plain_cnn")
FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.5)
THRESHOLDS = {"one image": 1.0, "all images": 1.5}
N_ACTIVATION_IMAGES = 10
# What the flicker is changed to, one thing at a time, and the score that is compared.
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "depth 0.9": ("a", {"depth": 0.9}),
    "4 s": ("a", {"duration": 4.0}),
    "8 and 10 Hz": ("a", {"tags": (8.0, 10.0)}),
    "noise 0.02": ("b", {"noise": 0.02}),
    "noise 0.1": ("b", {"noise": 0.1}),
}


def choose_images(labels: AnyArray, n: int, random_state: int = SEED) -> IntArray:
    """Choose images, of every class as equally many as possible.

    Parameters
    ----------
    labels : array of int, shape (n_images,)
        Class of each image.
    n : int
        How many.
    random_state : int
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
    rng = np.random.default_rng(random_state)
    order = rng.permutation(len(labels))
    ranks = np.empty(len(labels), int)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        ranks[own] = np.arange(len(own))
    rows: IntArray = rng.permutation(order[np.argsort(ranks[order], kind="stable")][:n])
    return rows


def _corpus(data: PathLike | None) -> Images:
    """Read CIFAR-10."""
    return read_cifar10(data)


def _pixels(corpus: Images, images: int) -> AnyArray:
    """Choose the test images that flicker."""
    return corpus.test[choose_images(corpus.test_labels, images)]


def _model(
    network: str,
    corpus: Images,
    out: Any,
    pretrained: bool,
    epochs: int,
    training: dict[str, Any],
) -> keras.Model:
    """Open a shipped network, or train one."""
    if pretrained:
        return open_pretrained(network)
    record = train(network, corpus, out / network, **{"epochs": epochs} | training)
    weights = weights_after(record["epochs"][-1]["epoch"], out / network)
    return load_weights(BUILDERS[network](), weights)


def _accuracy(model: keras.Model, corpus: Images) -> float:
    """Measure the accuracy on all test images."""
    return evaluate(model, corpus.test, corpus.test_labels)["accuracy"]


def _clean(model: keras.Model, pixels: AnyArray, progress: Any) -> Responses:
    """Record every convolution and nonlinearity under flicker."""
    return tag_network(model, _layers(model), pixels, random_state=SEED, progress=progress)


def _noisy(model: keras.Model, pixels: AnyArray, progress: Any) -> Responses:
    """Record them under flicker with pixel noise."""
    noise = PIXEL_NOISE
    return tag_network(
        model, _layers(model), pixels, noise=noise, random_state=SEED, progress=progress
    )


def _first(model: dict[str, keras.Model], networks: tuple[str, ...]) -> keras.Model:
    """Choose the network that everything is measured on."""
    return model[networks[0]]


def _other_flickers(first: keras.Model, pixels: AnyArray, n_closer: int) -> dict[str, Responses]:
    """Record the nonlinearities under other flickers."""
    layers, seed = _layers(first)[1], SEED + 1  # noise other than that of `_noisy`
    return {
        name: tag_network(first, layers, pixels[:n_closer], random_state=seed, **change)
        for name, (_, change) in SETTINGS.items()
    }


def _strengths(first: keras.Model, corpus: Images, n_rating: int, progress: Any) -> Responses:
    """Rate each filter by each criterion on training images, relative to its layer.

    The output of a convolution (after its normalisation) counts, before any shortcut is added.
    """
    rows = choose_images(corpus.train_labels, min(n_rating, len(corpus.train)))
    normalized = any(layer.name == "norm_1" for layer in first.layers)
    outputs = "norm_*" if normalized else "conv_*"
    responses = tag_network(first, outputs, corpus.train[rows], progress=progress)
    layers = layer_of(responses["filters"])
    at_tags = np.isin(responses["terms"], ("f1", "f2"))
    numbers = [layer.rpartition("_")[2] for layer in dict.fromkeys(layers)]
    kernels = [np.asarray(first.get_layer(f"conv_{number}").kernel) for number in numbers]
    raw = {
        "tagging": responses["amplitudes"].mean(axis=0)[:, at_tags].sum(axis=-1),
        "published tagging": responses["code"].mean(axis=0),
        "magnitude": np.concatenate([np.abs(kernel).sum(axis=(0, 1, 2)) for kernel in kernels]),
        "activation": responses["mean"].mean(axis=0),
    }
    strengths = {name: relative(values, layers) for name, values in raw.items()}
    return {"filters": responses["filters"], **strengths}


def _pruned(
    first: keras.Model,
    strengths: Responses,
    corpus: Images,
    fractions: tuple[float, ...],
    draws: int,
    cache: Cache,
    progress: Any,
) -> dict[str, Any]:
    """Classify all test images after the weakest filters by each criterion were removed.

    Scope to criterion (``"random"``: the mean over draws) to fraction: whether each image was
    classified correctly; ``"whole"`` for the whole network.
    """
    filters, rng = strengths["filters"], np.random.default_rng(SEED)
    layers, test = layer_of(filters), (corpus.test, corpus.test_labels)
    criteria = [(name, values) for name, values in strengths.items() if name != "filters"]
    criteria += [("random", rng.random(len(filters))) for _ in range(draws)]
    jobs = list(product(fractions, SCOPES, criteria))
    nothing = np.zeros(len(filters), bool)
    correct: dict[str, Any] = {scope: {} for scope in SCOPES}
    correct["whole"] = cache(_classify_without, first, filters, nothing, *test)
    for fraction, scope, (name, values) in jobs if progress is None else progress(jobs):
        removed = choose_weakest(values, layers, fraction, scope)
        by_fraction = correct[scope].setdefault(name, {})
        hits = cache(_classify_without, first, filters, removed, *test)
        by_fraction.setdefault(f"{fraction:g}", []).append(hits)
    for scope in SCOPES:
        for by_fraction in correct[scope].values():
            by_fraction.update({key: np.mean(hits, axis=0) for key, hits in by_fraction.items()})
    return correct


def _activations(pixels: AnyArray, untrained_depth: int) -> dict[str, dict[str, float]]:
    """Find the largest new terms of untrained residual networks with different nonlinearities."""
    found = {}
    for activation, normalization in product(ACTIVATIONS, (True, False)):
        keras.utils.set_random_seed(1)
        model = resnet(untrained_depth, activation=activation, normalization=normalization)
        responses = tag_network(model, f"{activation}_*", pixels[:N_ACTIVATION_IMAGES])
        layers = _new_terms(responses).values()
        name = activation if normalization else f"{activation}, no normalisation"
        found[name] = {
            kind: max(layer[kind] for layer in layers) for kind in ("harmonics", "intermodulation")
        }
    return found


def _results(
    networks: tuple[str, ...],
    model: dict[str, keras.Model],
    accuracy: dict[str, float],
    clean: dict[str, Responses],
    noisy: dict[str, Responses],
    other_flickers: dict[str, Responses],
    pruned: dict[str, Any],
    activations: dict[str, dict[str, float]],
    corpus: Images,
    images: int,
    n_rating: int,
    pretrained: bool,
    training: dict[str, Any],
) -> dict[str, Any]:
    """Summarize all measurements.

    ``important_filters`` counts, for each layer, filters whose score over all images is above
    1.5; ``important_for_one_image`` those above 1.0 for the first image; and
    ``important_at_depth_0.9`` those above 1.5 over the images of the deeper flicker, by the scores
    that need no noise.
    """
    first, every = networks[0], THRESHOLDS["all images"]
    behind, behind_noisy = (_after_nonlinearity(found[first]) for found in (clean, noisy))
    deeper = other_flickers["depth 0.9"]
    scores, layers = score(behind, behind_noisy), layer_of(behind["filters"])
    by_network = {
        name: {
            "parameters": int(model[name].count_params()),
            "test_accuracy": accuracy[name],
            "important_filters": _count_important(clean[name], noisy[name], every),
            "sides": _sides_by_layer(clean[name]),
        }
        for name in networks
    }
    return {
        "test_accuracy": accuracy[first],
        "networks": by_network,
        "important_filters": by_network[first]["important_filters"],
        "important_for_one_image": _count_important(
            clean[first], noisy[first], THRESHOLDS["one image"], rows=slice(1)
        ),
        "important_at_depth_0.9": {
            layer: {name: count for name, count in counts.items() if name != "b"}
            for layer, counts in _count_important(deeper, deeper, every).items()
        },
        "between_scores": {
            f"{x}{y}": agreement(scores[x], scores[y], layers)
            for x, y in (("a", "b"), ("a", "c"), ("b", "c"))
        },
        "new_terms": _new_terms(clean[first]),
        "stability": split_half(behind, behind_noisy, np.random.default_rng(SEED)),
        "settings": _compare_flickers(behind, behind_noisy, other_flickers),
        "pruning": _summarize_pruning(pruned, np.random.default_rng(SEED)),
        "activations": activations,
        "images": {
            "flickered": images,
            "rating": min(n_rating, len(corpus.train)),
            "test": len(corpus.test),
        },
        "pretrained": bool(pretrained),
        "seeds": {
            "images, noise, random removals": SEED,
            "training": None if pretrained else training.get("seed", 1),
        },
    }


def _sides_by_layer(responses: Responses) -> dict[str, dict[str, float]]:
    """Summarize `sides` for each layer."""
    found, layers = sides(responses), layer_of(responses["filters"])
    summary = {}
    for layer in dict.fromkeys(layers):
        balance, mixing = (found[name][layers == layer] for name in ("balance", "mixing"))
        summary[str(layer)] = {
            "left": float((balance > ONE_SIDED).mean()),
            "right": float((balance < -ONE_SIDED).mean()),
            "integrating": float((mixing > INTEGRATING).mean()),
            "mixing": float(np.median(mixing)),
        }
    return summary


def _count_important(
    responses: Responses, noisy: Responses, threshold: float, rows: Any = slice(None)
) -> dict[str, dict[str, int]]:
    """Count the filters of each layer whose score is above a threshold."""
    layers, scores = layer_of(responses["filters"]), score(responses, noisy, rows)
    return {
        str(layer): {
            **{name: int((scores[name][layers == layer] > threshold).sum()) for name in SCORES},
            "of": int((layers == layer).sum()),
        }
        for layer in dict.fromkeys(layers)
    }


def _new_terms(responses: Responses) -> dict[str, dict[str, float]]:
    """Measure how strongly each layer responds at frequencies that were not shown."""
    names, layers = responses["terms"], layer_of(responses["filters"])
    mixed, shown = is_mixed(names), np.isin(names, ("f1", "f2"))
    kinds = {"harmonics": ~mixed & ~shown, "intermodulation": mixed}
    found = {}
    for layer in dict.fromkeys(layers):
        amplitudes = responses["amplitudes"][:, layers == layer]
        largest = amplitudes[..., shown].max()
        found[str(layer)] = {
            kind: float(amplitudes[..., which].max() / largest) for kind, which in kinds.items()
        }
    return found


def _summarize_pruning(correct: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Compute accuracies, and how tagging compares with its rivals."""
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


def _compare_flickers(
    clean: Responses, noisy: Responses, others: dict[str, Responses]
) -> dict[str, dict[str, Any]]:
    """Correlate the scores under each other flicker with those under the study's own."""
    layers, found = layer_of(clean["filters"]), {}
    for name, (kind, _) in SETTINGS.items():
        other = others[name]
        own = score(clean, noisy, slice(len(other["mean"])))[kind]
        rho = agreement(own, score(other, other)[kind], layers)
        found[name] = {"score": kind, "rho": rho}
    return found


def _after_nonlinearity(responses: Responses) -> Responses:
    """Keep what was recorded after nonlinearities."""
    keep = ~np.char.startswith(responses["filters"], "conv_")
    kept = {name: responses[name][:, keep] for name in ("amplitudes", "mean", "code", "snr")}
    return {**responses, **kept, "filters": responses["filters"][keep]}


def _layers(model: keras.Model) -> list[str]:
    """Return patterns of the names of the convolutions and of the nonlinearities."""
    names = [layer.name.removesuffix("_1") for layer in model.layers if layer.name.endswith("_1")]
    other = next(name for name in names if name not in ("conv", "norm", "add", "pool"))
    return ["conv_*", f"{other}_*"]


def _facts(results: dict[str, Any]) -> dict[str, Any]:
    """Compute what the prose says besides the results themselves."""
    shown = {
        name: {key: value for key, value in counts.items() if not key.startswith("conv")}
        for name, counts in results.items()
        if name.startswith("important")
    }
    every, one, deep = (
        shown[f"important_{key}"] for key in ("filters", "for_one_image", "at_depth_0.9")
    )
    n_filters = sum(counts["of"] for counts in every.values())
    at = {number: next((k for k in every if k.endswith(f"_{number}")), "") for number in (1, 4, 8)}
    every_side = next(iter(results["networks"].values()))["sides"]
    sides = [side for layer, side in every_side.items() if not layer.startswith("conv")]
    integrating = np.array([side["integrating"] for side in sides])
    least = {
        name: min(value[0] for layer, value in by_layer.items() if layer != "all" and value[0])
        for name, by_layer in results["stability"].items()
    }
    untrained = results["activations"]
    worse = [
        float(share)
        for share in results["pruning"]["global"]["tagging"]
        if all(_gaps(results, scope, share)["interval"][1] < 0 for scope in SCOPES)
    ]
    return {
        "versions": write_versions(results["versions"]),
        "seeds": ", ".join(
            f"{seed} ({what})" for what, seed in results["seeds"].items() if seed is not None
        ),
        "origin": "shipped networks" if results["pretrained"] else "trained by this command",
        "only_shipped": "" if results["pretrained"] else None,
        "n_layers": len(sides),
        **{f"published_{number}": every.get(layer, {}).get("c") for number, layer in at.items()},
        **{f"deep_{number}": deep.get(layer, {}).get("c") for number, layer in at.items()},
        "first_layer": results["new_terms"].get(at[1]),
        "one_image": sum(counts["c"] for counts in one.values()) / n_filters,
        "share_a": sum(counts["a"] for counts in every.values()) / n_filters,
        "share_b": sum(counts["b"] for counts in every.values()) / n_filters,
        "least_stable": least,
        "one_sided": max(max(side["left"], side["right"]) for side in every_side.values()),
        "integrating_first": integrating[0],
        "integrating_last": integrating[-1],
        "mostly_integrating_from": _first_lasting(integrating > 0.9),
        "all_integrating_from": _first_lasting(integrating == 1),
        "mixing": [min(side["mixing"] for side in sides), max(side["mixing"] for side in sides)],
        "worse_than_random": ", ".join(f"{100 * share:g}" for share in worse) or None,
        "linear": max(
            value
            for name, found in untrained.items()
            if name.startswith("linear")
            for value in found.values()
        ),
        "nonlinear": min(
            value
            for name, found in untrained.items()
            if not name.startswith("linear")
            for value in found.values()
        ),
    }


def _gaps(results: dict[str, Any], scope: str, share: str) -> dict[str, Any]:
    """Return how removal by tagging compares with random removal."""
    gaps: dict[str, Any] = results["pruning"][scope]["tagging minus"]["random"][share]
    return gaps


def _some(name: str, value: tuple[str, ...]) -> tuple[str, ...]:
    """Check that there is at least one network."""
    if not value:
        raise ValueError(f"{name} must name at least one network, got none.")
    return value


def _first_lasting(holds: AnyArray) -> int | None:
    """Return the number, from 1, of the layer from which on all layers hold; None if none does."""
    lasting = np.logical_and.accumulate(holds[::-1])[::-1]
    return int(lasting.argmax()) + 1 if lasting.any() else None


STUDY = Study(
    name="ssvep",
    title="Frequency tagging of a CNN",
    sources=(
        Source("Böge, Gunindi, Aptoula, Alp & Ozkan (2024)", doi="10.48550/arXiv.2411.10084"),
        Source("He, Zhang, Ren & Sun (2016)", doi="10.1109/CVPR.2016.90"),
    ),
    options=(
        Option(
            "images",
            100,
            "how many test images to flicker",
            partial(check_number, low=4, integer=True),
        ),
        Option("pretrained", False, "use the shipped networks, train none"),
        Option("epochs", 20, "epochs of training"),
        Option(
            "networks",
            NETWORKS,
            "architectures, the first of which everything is measured on",
            choices=NETWORKS,
            nargs="+",
            check=_some,
        ),
        Option("n_rating", 1000),  # training images on which filters are rated
        Option("n_closer", 40),  # test images on which the flicker is varied
        Option("fractions", FRACTIONS),  # shares of filters to remove
        Option("untrained_depth", 20),  # layers of the untrained networks
        Option("draws", 10),  # random removals of each share
        Option("training", {}),  # further arguments of `train`
    ),
    stages=(
        Stage(_corpus, cached=False),
        Stage(_pixels, cached=False),
        Stage(_model, over="network", cached=False),
        Stage(_accuracy, over="network"),
        Stage(_clean, over="network"),
        Stage(_noisy, over="network"),
        Stage(_first, cached=False),
        Stage(_other_flickers),
        Stage(_strengths),
        Stage(_pruned, cached=False),
        Stage(_activations),
        Stage(_results, cached=False),
    ),
    prose="ssvep/prose.md",
    facts=_facts,
    rows=tables.rows,
    tables=tables.TABLES,
    plots=figures.PLOTS,
)
