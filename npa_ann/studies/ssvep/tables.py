"""The tagging study's tables: ours beside the paper's."""

from npa_ann.studies.pages import Table
from npa_ann.studies.ssvep.pruning import SCOPES
from npa_ann.studies.ssvep.results import PAPER, RIVALS

_SCORE_NAMES = {
    "a": "a: amplitude at the tags, relative to the layer",
    "b": "b: SNR at the tags under pixel noise",
    "c": "c: the published code's score",
}


def all_tables(results):
    """Set out everything that the study found.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.ssvep.run` returned.

    Returns
    -------
    tables : list of Table
        In the order of the paper, then what it left open.

    Examples
    --------
    >>> for table in all_tables(run(pretrained=True)):  # doctest: +SKIP
    ...     print(table.to_markdown())
    """
    makers = (
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
    return [make(results) for make in makers]


def _networks(results):
    """How well every network names images."""
    rows = [
        (name, f"{network['parameters']:,}", f"{100 * network['test_accuracy']:.2f} %")
        for name, network in results["networks"].items()
    ]
    rows.append(("ResNet-32 of He et al. (2016)", "0.46 M", f"{100 * PAPER['accuracy']:.1f} %"))
    return Table("The networks", ("network", "parameters", "test accuracy"), rows)


def _important(results):
    """Count important filters of every layer."""
    rows = []
    for layer, counts in results["important_filters"].items():
        kind, _, number = layer.rpartition("_")
        one = results["important_for_one_image"][layer]
        deep = results["important_at_depth_0.9"].get(layer, {})
        papers = PAPER["important_filters"].get(int(number)) if kind != "conv" else None
        rows.append(
            (
                layer,
                *(f"{counts[name]}" for name in "abc"),
                *(f"{one[name]}" for name in "abc"),
                *(str(deep.get(name, "")) for name in "ac"),
                str(counts["of"]),
                "" if papers is None else str(papers),
            )
        )
    header = ("layer", *"abc", *(f"{name}, one image" for name in "abc"))
    header = (*header, *(f"{name}, depth 0.9" for name in "ac"), "of", "paper")
    note = (
        "Filters whose score is above 1.5 over all images, above 1.0 for one image, and above 1.5 "
        "at depth 0.9 (behind nonlinearities, over the images on which the flicker was varied). "
        + "; ".join(_SCORE_NAMES.values())
        + ". Without noise c divides by rounding where one tag is absent, and runs to thousands."
    )
    return Table("Important filters", header, rows, note)


def _scores(results):
    """How far the scores rank filters alike."""
    rows = [
        (f"{pair[0]} and {pair[1]}", _signed(rho))
        for pair, rho in results["between_scores"].items()
    ]
    note = "Rank correlation over all activations, scores relative to their layer."
    return Table("Do the three scores agree?", ("scores", "rho"), rows, note)


def _new_terms(results):
    """Show what appears behind the first nonlinearities."""
    rows = [
        (layer, f"{found['harmonics']:.1e}", f"{found['intermodulation']:.1e}")
        for layer, found in list(results["new_terms"].items())
        if layer.endswith(("_1", "_2", "_8"))
    ]
    note = "Largest amplitude of any filter and image, over the layer's largest at a tag."
    return Table("New frequencies", ("layer", "harmonics", "intermodulation"), rows, note)


def _stability(results):
    """Agreement between halves of the images."""
    rows = []
    for name, places in results["stability"].items():
        rows.append((_SCORE_NAMES[name], *(_range(places[place]) for place in _shown(places))))
    header = ("score", *_shown(results["stability"]["a"]))
    note = "Rank correlation between two random halves of the images: median, 95 % of the splits."
    return Table("Stability over images", header, rows, note)


def _settings(results):
    """Agreement with another flicker."""
    rows = [
        (name, found["score"], _signed(found["rho"])) for name, found in results["settings"].items()
    ]
    note = "Rank correlation with the study's own setting, on the same images."
    return Table("Dependence on the flicker", ("changed to", "score", "rho"), rows, note)


def _architectures(results):
    """Sum important filters of every network over its layers."""
    rows = []
    for name, network in results["networks"].items():
        behind = [
            counts
            for layer, counts in network["important_filters"].items()
            if not layer.startswith("conv")
        ]
        total = sum(counts["of"] for counts in behind)
        shares = (f"{100 * sum(c[score] for c in behind) / total:.1f} %" for score in "abc")
        rows.append((name, str(total), *shares))
    header = ("network", "filters", "a", "b", "c")
    return Table("Architectures", header, rows, "Share of filters that are important (above 1.5).")


def _accuracy_after_removal(results):
    """Accuracy on all test images after removal."""
    pruning, rows = results["pruning"], []
    for scope in SCOPES:
        for name, by_fraction in pruning[scope].items():
            if name != "tagging minus":
                rows.append((scope, name, *(f"{100 * hit:.1f}" for hit in by_fraction.values())))
    shares = (f"{100 * float(share):g} %" for share in pruning["global"]["tagging"])
    note = (
        f"Accuracy in percent on all test images, without training again; whole network "
        f"{100 * pruning['whole']:.1f}. The weakest filters by each criterion are removed; all "
        "are rated on what a convolution hands on, before any shortcut is added."
    )
    return Table("Pruning", ("scope", "criterion", *shares), rows, note)


def _tagging_against_rivals(results):
    """Differences in accuracy with their intervals."""
    rows = []
    for scope in SCOPES:
        for rival in RIVALS:
            gaps = results["pruning"][scope]["tagging minus"][rival]
            rows.append((scope, rival, *(_gap(gap) for gap in gaps.values())))
    shares = (f"{100 * float(share):g} %" for share in results["pruning"]["global"]["tagging"])
    note = (
        "Accuracy after removal by tagging minus that by the rival, in points, with the 95 % "
        "interval of a paired bootstrap over images (not over the random draws)."
    )
    return Table("Tagging against its rivals", ("scope", "rival", *shares), rows, note)


def _activations(results):
    """Terms that untrained networks make."""
    rows = [
        (name, f"{found['harmonics']:.1e}", f"{found['intermodulation']:.1e}")
        for name, found in results["activations"].items()
    ]
    note = (
        "Untrained ResNet-20: the largest amplitude at a term that was not shown, over the "
        "layer's largest at a tag, in any layer."
    )
    return Table("Nonlinearities", ("activation", "harmonics", "intermodulation"), rows, note)


def _shown(places):
    """Choose layers to print: the paper's, and all together."""
    wanted = [place for place in places if place.endswith(("_1", "_4", "_8"))]
    return (*wanted, "all")


def _range(values):
    """Write a median with its range."""
    if values[0] is None:
        return ""
    median, low, high = values
    return f"{median:.2f} [{low:.2f}, {high:.2f}]"


def _gap(gap):
    """Write a difference of accuracies with its interval."""
    low, high = gap["interval"]
    return f"{100 * gap['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _signed(value):
    """Write a correlation, if there is one."""
    return "" if value is None else f"{value:+.2f}"
