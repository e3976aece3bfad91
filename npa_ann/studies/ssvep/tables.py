"""The tables of the tagging study."""

from typing import Any

from npa_ann.studies.pages import Row, Table, write_value
from npa_ann.studies.ssvep.pruning import RIVALS, SCOPES

PUBLISHED_IMPORTANT = {1: 15, 4: 15, 8: 1}  # of 16 filters of each of these layers
PUBLISHED_ACCURACY = 0.925
_SCORES = {
    "a": "a: amplitude at the tags, relative to the layer",
    "b": "b: SNR at the tags under pixel noise",
    "c": "c: the published code's score",
}


def rows(results: dict[str, Any]) -> list[Row]:
    """Set our numbers beside the published ones.

    Parameters
    ----------
    results : dict
        Results of the study.

    Returns
    -------
    rows : list of npa_ann.studies.frame.Row
        Accuracy, and important filters of three layers.

    Examples
    --------
    >>> results = {"networks": {"resnet_20": {}}, "important_filters": {}}
    >>> rows(results)[0].published
    0.925
    """
    found = {
        layer.rpartition("_")[2]: counts
        for layer, counts in results["important_filters"].items()
        if not layer.startswith("conv")
    }
    networks = results["networks"]
    accuracy = networks.get("resnet_32", {}).get("test_accuracy")
    return [
        Row("test accuracy of ResNet-32", accuracy, PUBLISHED_ACCURACY, "- | .2%"),
        *(
            Row(
                f"important filters after nonlinearity {number} of {next(iter(networks))}",
                found[str(number)]["c"],
                published,
                "d",
                f"of {found[str(number)]['of']}; published score above 1.5 over all images",
            )
            for number, published in PUBLISHED_IMPORTANT.items()
            if str(number) in found
        ),
    ]


def _networks(results: dict[str, Any]) -> Table:
    """How well each network classifies images."""
    rows = [
        (name, f"{network['parameters']:,}", network["test_accuracy"])
        for name, network in results["networks"].items()
    ]
    rows.append(("ResNet-32 of He et al. (2016)", "0.46 M", PUBLISHED_ACCURACY))
    header = ("network", "parameters", "test accuracy")
    return Table("The networks", header, rows, specs=("", "", ".2%"))


def _important(results: dict[str, Any]) -> Table:
    """Count important filters of each layer."""
    rows = []
    for layer, counts in results["important_filters"].items():
        kind, _, number = layer.rpartition("_")
        one = results["important_for_one_image"][layer]
        deep = results["important_at_depth_0.9"].get(layer, {})
        rows.append(
            (
                layer,
                *(counts[name] for name in "abc"),
                *(one[name] for name in "abc"),
                *(deep.get(name) for name in "ac"),
                counts["of"],
                PUBLISHED_IMPORTANT.get(int(number)) if kind != "conv" else None,
            )
        )
    header = ("layer", *"abc", *(f"{name}, one image" for name in "abc"))
    header = (*header, *(f"{name}, depth 0.9" for name in "ac"), "of", "published")
    note = (
        "Filters whose score is above 1.5 over all images, above 1.0 for one image, and above 1.5 "
        "at depth 0.9 (after nonlinearities, over the images on which the flicker was varied). "
        + "; ".join(_SCORES.values())
        + ". Without noise c divides by rounding errors where one tag is absent, and reaches "
        "thousands."
    )
    return Table("Important filters", header, rows, note)


def _scores(results: dict[str, Any]) -> Table:
    """How similarly the scores rank filters."""
    rows = [(f"{pair[0]} and {pair[1]}", rho) for pair, rho in results["between_scores"].items()]
    note = "Rank correlation over all nonlinearities, scores relative to their layer."
    title = "Do the three scores agree?"
    return Table(title, ("scores", "rho"), rows, note, ("", "+.2f"))


def _new_terms(results: dict[str, Any]) -> Table:
    """Show what appears after the first nonlinearities."""
    rows = [
        (layer, found["harmonics"], found["intermodulation"])
        for layer, found in results["new_terms"].items()
        if layer.endswith(("_1", "_2", "_8"))
    ]
    note = "Largest amplitude of any filter and image, over the layer's largest at a tag."
    header = ("layer", "harmonics", "intermodulation")
    return Table("New frequencies", header, rows, note, ("", ".1e", ".1e"))


def _stability(results: dict[str, Any]) -> Table:
    """Agreement between halves of the images."""
    stability = results["stability"]
    layers = [name for name in stability["a"] if name.endswith(("_1", "_4", "_8"))] + ["all"]
    rows = [
        (_SCORES[name], *(_range(found[layer]) for layer in layers))
        for name, found in stability.items()
    ]
    note = "Rank correlation between two random halves of the images: median, 95 % of the splits."
    return Table("Stability over images", ("score", *layers), rows, note)


def _settings(results: dict[str, Any]) -> Table:
    """Agreement with another flicker."""
    rows = [(name, found["score"], found["rho"]) for name, found in results["settings"].items()]
    note = "Rank correlation with the study's own setting, on the same images."
    header = ("changed to", "score", "rho")
    return Table("Dependence on the flicker", header, rows, note, ("", "", "+.2f"))


def _architectures(results: dict[str, Any]) -> Table:
    """Sum important filters of each network over its layers."""
    rows = []
    for name, network in results["networks"].items():
        behind = [
            counts
            for layer, counts in network["important_filters"].items()
            if not layer.startswith("conv")
        ]
        total = sum(counts["of"] for counts in behind)
        rows.append((name, total, *(sum(c[score] for c in behind) / total for score in "abc")))
    header, note = (
        ("network", "filters", *"abc"),
        "Share of filters that are important (above 1.5).",
    )
    return Table("Architectures", header, rows, note, ("", "", ".1%", ".1%", ".1%"))


def _accuracy_after_removal(results: dict[str, Any]) -> Table:
    """Accuracy on all test images after removal."""
    pruning = results["pruning"]
    rows = [
        (scope, name, *(100 * accuracy for accuracy in by_fraction.values()))
        for scope in SCOPES
        for name, by_fraction in pruning[scope].items()
        if name != "tagging minus"
    ]
    shares = _shares(pruning)
    note = (
        f"Accuracy in percent on all test images, without further training; whole network "
        f"{100 * pruning['whole']:.1f}. The weakest filters by each criterion are removed; all "
        "are rated on the output of a convolution, before any shortcut is added."
    )
    header, specs = ("scope", "criterion", *shares), ("", "", *[".1f"] * len(shares))
    return Table("Pruning", header, rows, note, specs)


def _tagging_against_rivals(results: dict[str, Any]) -> Table:
    """Differences in accuracy with their intervals."""
    rows = [
        (scope, rival, *map(_gap, results["pruning"][scope]["tagging minus"][rival].values()))
        for scope in SCOPES
        for rival in RIVALS
    ]
    note = (
        "Accuracy after removal by tagging minus that by the rival, in points, with the 95 % "
        "interval of a paired bootstrap over images (not over the random draws)."
    )
    header = ("scope", "rival", *_shares(results["pruning"]))
    return Table("Tagging against its rivals", header, rows, note)


def _activations(results: dict[str, Any]) -> Table:
    """Terms that untrained networks make."""
    rows = [
        (name, found["harmonics"], found["intermodulation"])
        for name, found in results["activations"].items()
    ]
    note = (
        "Untrained ResNet-20: the largest amplitude at a term that was not shown, over the "
        "layer's largest at a tag, in any layer."
    )
    header = ("activation", "harmonics", "intermodulation")
    return Table("Nonlinearities", header, rows, note, ("", ".1e", ".1e"))


def _shares(pruning: dict[str, Any]) -> list[str]:
    """Write the shares of filters that were removed."""
    return [write_value(float(share), ".0%") for share in pruning["global"]["tagging"]]


def _range(values: list[Any]) -> str:
    """Write a median with its range."""
    if values[0] is None:
        return ""
    median, low, high = values
    return f"{median:.2f} [{low:.2f}, {high:.2f}]"


def _gap(gap: dict[str, Any]) -> str:
    """Write a difference of accuracies with its interval."""
    low, high = gap["interval"]
    return f"{100 * gap['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


TABLES = (
    _networks,
    _important,
    _scores,
    _new_terms,
    _stability,
    _settings,
    _architectures,
    _accuracy_after_removal,
    _tagging_against_rivals,
    _activations,
)
