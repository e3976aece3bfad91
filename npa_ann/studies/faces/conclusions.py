"""What the faces study comes to, in words made from its numbers."""

from npa_ann.studies.faces.recipe import SWITCHES
from npa_ann.studies.faces.tables import show_difference

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
        f"The published {100 * _PUBLISHED:.0f} % ({decoder}; accuracy, range over the conditions "
        f"that a switch changes). Trials without any effect ({_NULL}):"
    ]
    for how, end in (("across", ";"), ("within", ".")):
        moves = [f"{switch} {_move(audit, switch, _NULL, decoder, how)}" for switch in SWITCHES[1:]]
        sentences.append(f"{how} subjects, {', '.join(moves)}{end}")
    high, best = [], 0.0
    for dataset in audit["together"]:
        for how in _ways(results["datasets"][dataset]):
            honest, recipe = (
                _accuracies(audit[switch][dataset], decoder, how)
                for switch in ("honest", "together")
            )
            if not recipe:
                continue
            best = max(best, *recipe) if how == "across" else best
            if max(recipe) >= _HIGH > max(honest):
                high.append(f"{dataset} ({how} subjects)")
            if dataset != _NULL:
                move = _move(audit, "together", dataset, decoder, how)
                sentences.append(f"On {dataset!r}, {how} subjects, together {move}.")
    if high:
        sentences.append(
            f"{100 * _HIGH:.0f} % or more is reached by the recipe alone on {', '.join(high)}: "
            "such a score is no evidence of decoding."
        )
    if best < _PUBLISHED:
        sentences.append(
            f"Across subjects {decoder} comes to {100 * best:.0f} % at most. The published number "
            "is an LSTM's: it is neither reproduced nor explained here."
        )
    return " ".join(sentences)


def _ways(facts):
    """Say between what a decoder may generalize: not subjects, where their runs are left out."""
    return ("within",) if facts["split_by"] == "runs" else ("across", "within")


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
        n_found = sum(p < _ALPHA for p in tested.values())
        line = (
            f"{dataset}: {n_found} of the {len(tested)} linear cells that were tested are above "
            f"chance (Holm), lowest corrected p {min(tested.values()):.3f}"
        )
        counts = [
            cell["permutations"]
            for decoders in conditions.values()
            for cell in decoders.values()
            if cell.get("permutations")
        ]
        if counts and min(tested.values()) <= len(tested) / (max(counts) + 1):
            line += f", the least that {max(counts)} permutations allow"
        line += "."
        differences = results["differences"][dataset]
        gains = [
            f"{decoder} {show_difference(pairs['NPA - raw'])}"
            for decoder, pairs in differences.items()
            if "NPA - raw" in pairs
        ]
        if gains:
            line += f" NPA less raw, in AUC: {', '.join(gains)}."
        pairs = [pair for pairs in differences.values() for pair in pairs.values()]
        lowest = max((test["lowest_p"] for test in pairs), default=0)
        if lowest > _ALPHA:
            line += (
                f" With {pairs[0]['n_subjects']} subjects a sign-flip test of two conditions "
                f"cannot go below p = {lowest:.3g}: that one helps more than another beyond these "
                "subjects cannot be claimed, whatever the numbers; the intervals speak of further "
                "trials of these subjects only."
            )
        lines.append(line)
    return lines


def _move(audit, switch, dataset, decoder, how):
    """Say from where to where a switch moves the accuracy, in the conditions that it changes."""
    own = audit[switch].get(dataset, {})
    honest = {condition: audit["honest"][dataset][condition] for condition in own}
    before, after = (_accuracies(cells, decoder, how) for cells in (honest, own))
    if before == after:
        return "changes nothing"
    return f"from {_span(before)} to {_span(after)}"


def _accuracies(cells, decoder, how):
    """List the accuracies of some conditions."""
    found = [own.get(decoder, {}).get(how) for own in cells.values()]
    return [scores["accuracy"] for scores in found if scores]


def _span(values):
    """Write the range of accuracies."""
    low, high = f"{100 * min(values):.0f}", f"{100 * max(values):.0f}"
    return f"{low} %" if low == high else f"{low}-{high} %"
