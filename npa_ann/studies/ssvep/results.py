"""What the tagging study found, condensed into plain numbers, and what the paper found."""

import numpy as np

from npa_ann.studies.ssvep.measuring import SEED, SETTINGS
from npa_ann.studies.ssvep.nonlinearity import new_terms
from npa_ann.studies.ssvep.pruning import SCOPES, bootstrap_difference
from npa_ann.studies.ssvep.stability import agreement, split_half
from npa_ann.studies.ssvep.tagging import SCORES, layer_of, score, sides

PAPER = {"important_filters": {1: 15, 4: 15, 8: 1}, "accuracy": 0.925}
THRESHOLDS = {"one image": 1.0, "all images": 1.5}
RIVALS = ("magnitude", "activation", "random")
_ONE_SIDE = 1 / 3  # balance: one tag twice as strong as the other
_INTEGRATING = 0.1  # intermodulation over tags


def summarize(measured):
    """Condense all measurements.

    Parameters
    ----------
    measured : dict
        What `npa_ann.studies.ssvep.study.run` collected.

    Returns
    -------
    results : dict
        Numbers, strings, lists and dicts only; what is not known is None.

    Notes
    -----
    ``important_filters`` counts, for every layer, filters whose score over all images is above
    1.5; ``important_for_one_image`` those above 1.0 for the first image; and
    ``important_at_depth_0.9`` those above 1.5 over the images that flickered more deeply, by the
    scores that need no noise.

    Examples
    --------
    >>> summarize(measured)["test_accuracy"]  # doctest: +SKIP
    0.9
    """
    names = list(measured["networks"])
    first = measured["networks"][names[0]]
    clean, noisy = first["clean"], first["noisy"]
    results = {
        "test_accuracy": float(first["scores"]["accuracy"]),
        "networks": {
            name: {
                "parameters": int(network["parameters"]),
                "test_accuracy": float(network["scores"]["accuracy"]),
                "important_filters": count_important(
                    network["clean"], network["noisy"], THRESHOLDS["all images"]
                ),
                "sides": _sides_by_layer(network["clean"]),
            }
            for name, network in measured["networks"].items()
        },
        "important_for_one_image": count_important(
            clean, noisy, THRESHOLDS["one image"], rows=slice(1)
        ),
        "important_at_depth_0.9": _without_noise(measured["settings"]["depth 0.9"]),
        "between_scores": _between_scores(clean, noisy),
        "new_terms": new_terms(clean),
        "stability": split_half(*_activations(clean, noisy), np.random.default_rng(SEED)),
        "settings": _settings(clean, noisy, measured["settings"]),
        "pruning": _pruning(measured["pruning"]),
        "activations": measured["activations"],
    }
    results["important_filters"] = results["networks"][names[0]]["important_filters"]
    return results


def count_important(clean, noisy, threshold, rows=slice(None)):
    """Count the filters of every layer whose score is above a threshold.

    Parameters
    ----------
    clean, noisy : dict
        What `npa_ann.studies.ssvep.tagging.tag_network` returned without and with noise.
    threshold : float
        Least score.
    rows : slice
        Which images.

    Returns
    -------
    counts : dict
        Layer to ``a``, ``b``, ``c`` (as `npa_ann.studies.ssvep.tagging.score`), and ``of``, the
        number of its filters.

    Examples
    --------
    >>> one = {"filters": np.array(["x/filter/0", "x/filter/1"]), "terms": np.array(["f1", "f2"])}
    >>> one |= {"amplitudes": np.array([[[1.0, 1], [2, 4]]]), "code": np.ones((1, 2))}
    >>> count_important(one, {"snr": np.full((1, 2), 3.0)}, threshold=1.2)
    {'x': {'a': 1, 'b': 2, 'c': 0, 'of': 2}}
    """
    layers, scores = layer_of(clean["filters"]), score(clean, noisy, rows)
    return {
        str(layer): {
            **{name: int((scores[name][layers == layer] > threshold).sum()) for name in SCORES},
            "of": int((layers == layer).sum()),
        }
        for layer in dict.fromkeys(layers)
    }


def _without_noise(clean):
    """Count important filters by the scores that need no noise."""
    counts = count_important(clean, clean, THRESHOLDS["all images"])
    return {
        layer: {name: count for name, count in own.items() if name != "b"}
        for layer, own in counts.items()
    }


def _activations(clean, noisy):
    """Keep what was read behind the nonlinearities."""
    keep = ~np.char.startswith(clean["filters"], "conv_")
    per_filter = ("amplitudes", "mean", "code", "snr")
    return tuple(
        {
            **responses,
            "filters": responses["filters"][keep],
            "spectrum": responses["spectrum"][keep],
            **{name: responses[name][:, keep] for name in per_filter},
        }
        for responses in (clean, noisy)
    )


def _sides_by_layer(clean):
    """Shares of filters that follow one half, and how much is mixed, for every layer."""
    found, layers = sides(clean), layer_of(clean["filters"])
    return {
        str(layer): {
            "left": float((found["balance"][layers == layer] > _ONE_SIDE).mean()),
            "right": float((found["balance"][layers == layer] < -_ONE_SIDE).mean()),
            "integrating": float((found["mixing"][layers == layer] > _INTEGRATING).mean()),
            "mixing": float(np.median(found["mixing"][layers == layer])),
        }
        for layer in dict.fromkeys(layers)
    }


def _between_scores(clean, noisy):
    """Rank correlation of every two scores over all activations."""
    clean, noisy = _activations(clean, noisy)
    scores, layers = score(clean, noisy), layer_of(clean["filters"])
    pairs = (("a", "b"), ("a", "c"), ("b", "c"))
    return {f"{x}{y}": agreement(scores[x], scores[y], layers) for x, y in pairs}


def _settings(clean, noisy, settings):
    """Rank correlation of the scores under another flicker with those under the study's own."""
    clean, noisy = _activations(clean, noisy)
    layers, found = layer_of(clean["filters"]), {}
    for name, (kind, _) in SETTINGS.items():
        other = settings[name]
        rows = slice(len(other["mean"]))
        own = score(clean, noisy, rows)[kind]
        found[name] = {"score": kind, "rho": agreement(own, score(other, other)[kind], layers)}
    return found


def _pruning(right):
    """Accuracy after every removal, and how tagging compares with its rivals."""
    rng, found = np.random.default_rng(SEED), {"whole": float(right["whole"].mean())}
    for scope in SCOPES:
        found[scope] = {
            name: {fraction: float(hits.mean()) for fraction, hits in by_fraction.items()}
            for name, by_fraction in right[scope].items()
        }
        gaps = {}
        for rival in RIVALS:
            for fraction, hits in right[scope]["tagging"].items():
                other = right[scope][rival][fraction]
                gap, interval = bootstrap_difference(hits, other, rng)
                gaps.setdefault(rival, {})[fraction] = {"difference": gap, "interval": interval}
        found[scope]["tagging minus"] = gaps
    return found
