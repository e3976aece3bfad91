"""What the faces study comes to, in words made from its numbers."""

from npa_ann.studies.faces.recipe import SWITCHES

_PUBLISHED = 0.98  # accuracy across subjects
_HIGH = 0.9
_ALPHA = 0.05
_NULL = "simulated, effect 0"


def conclude(results):
    """Say in one paragraph what the published recipe does, from the numbers.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.faces.run` returned.

    Returns
    -------
    text : str
        Empty where trials without an effect were not audited.

    Examples
    --------
    >>> conclude({"audit": {}})
    ''
    """
    audit = results["audit"]
    if _NULL not in audit.get("together", {}):
        return ""
    decoder = next(iter(next(iter(audit["together"][_NULL].values()))))
    sentences = [
        f"The published {100 * _PUBLISHED:.0f} %: what the recipe does to trials without any "
        f"effect ({_NULL}; {decoder}; range over the conditions that a switch changes)."
    ]
    best = {}
    for how in ("across", "within"):
        values = {switch: _accuracies(audit, switch, _NULL, decoder, how) for switch in SWITCHES}
        spans = [f"{switch} {_span(own)}" for switch, own in values.items() if own]
        sentences.append(f"{how.capitalize()} subjects: {', '.join(spans)}.")
        best |= {(how, switch): max(own, default=0.0) for switch, own in values.items()}
    reached = [f"{switch} ({how})" for (how, switch), value in best.items() if value >= _HIGH]
    if reached:
        sentences.append(
            f"With nothing to find, {100 * _HIGH:.0f} % or more is reached by "
            f"{', '.join(reached)}: such a score is no evidence of decoding."
        )
    if best["across", "together"] < _PUBLISHED:
        sentences.append(
            "Across subjects the recipe alone does not reach the published number with this "
            "decoder: noise scaled in this way is told apart within every recording, but in which "
            "direction differs between recordings."
        )
    return " ".join([*sentences, *_on_other_trials(audit, decoder)])


def _on_other_trials(audit, decoder):
    """Say what the whole recipe does to every other data set."""
    sentences = []
    for dataset in audit["together"]:
        parts = []
        for how in ("across", "within"):
            honest, recipe = (
                _accuracies(audit, switch, dataset, decoder, how)
                for switch in ("honest", "together")
            )
            if honest and recipe:
                parts.append(f"{how} subjects from {_span(honest)} to {_span(recipe)}")
        if parts and dataset != _NULL:
            sentences.append(f"On {dataset!r} it moves the accuracy {', '.join(parts)}.")
    return sentences


def claims(results):
    """Say what the p-values allow.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.faces.run` returned.

    Returns
    -------
    lines : list of str
        One a data set.

    Examples
    --------
    >>> claims({"accuracy": {}, "datasets": {}, "differences": {}})
    []
    """
    lines = []
    for dataset, conditions in results["accuracy"].items():
        tested = {
            f"{condition} by {decoder}": cell["p"]
            for condition, decoders in conditions.items()
            for decoder, cell in decoders.items()
            if cell.get("p") is not None
        }
        if not tested:
            continue
        found = [name for name, p in tested.items() if p < _ALPHA]
        line = f"{dataset}: {len(found)} of {len(tested)} linear cells are above chance (Holm)"
        line += f", lowest corrected p {min(tested.values()):.3f}."
        pairs = [
            pair for pairs in results["differences"][dataset].values() for pair in pairs.items()
        ]
        lowest = max((test["lowest_p"] for _, test in pairs), default=0)
        if lowest > _ALPHA:
            line += (
                f" With {pairs[0][1]['n_subjects']} subjects a sign-flip test of two conditions "
                f"cannot go below p = {lowest:.3g}: that one helps more than another in people at "
                "large cannot be claimed, whatever the numbers; the intervals speak of further "
                "trials of these subjects only."
            )
        lines.append(line)
    return lines


def _accuracies(audit, switch, dataset, decoder, how):
    """List the accuracies of the conditions that a switch changes."""
    found = [cells.get(decoder, {}).get(how) for cells in audit[switch].get(dataset, {}).values()]
    return [scores["accuracy"] for scores in found if scores]


def _span(values):
    """Write the range of accuracies."""
    low, high = f"{100 * min(values):.0f}", f"{100 * max(values):.0f}"
    return f"{low} %" if low == high else f"{low} to {high} %"
