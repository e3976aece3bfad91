"""The tables of the faces study."""

from npa_ann.studies.faces.conditions import BAND, CONDITIONS, MAIN
from npa_ann.studies.faces.decoders import LINEAR, LSTMS
from npa_ann.studies.faces.recipe import SWITCHES, changed
from npa_ann.studies.pages import Table

_MEANING = {
    "raw": "the recording as it came, blinks included",
    "band-pass": f"blinks removed by ICA, {BAND[0]:g} to {BAND[1]:g} Hz",
    "high-pass": f"blinks removed, above {BAND[0]:g} Hz",
    "NPA": "blinks removed, amplified as published: one model, of all channels' spectrum",
    "NPA whitening": "blinks removed, amplified by the inverse of the background",
    "NPA per channel": "blinks removed, amplified by each channel's own model",
    "LDA": "linear discriminant analysis of means of short windows, Ledoit-Wolf shrinkage",
    "xDAWN": "logistic regression of four spatial filters a class, means of 30 ms",
    "LSTM, published": "16 cells, gradient descent at the published rate for 60 steps",
    "LSTM, converged": "16 cells, Adam for up to 60 epochs, stopped by held-out trials",
}


def all_tables(results):
    """Set out everything that the study found.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.faces.run` returned.

    Returns
    -------
    tables : list of Table
        Data sets, accuracy of each, differences between conditions, audit.

    Examples
    --------
    >>> nothing = {"datasets": {}, "accuracy": {}, "differences": {}, "audit": {}, "noise": {}}
    >>> all_tables(nothing)
    []
    """
    tables = [_datasets(results), _methods()] if results["datasets"] else []
    tables += [_accuracy(results, dataset) for dataset in results["datasets"]]
    tables += [table for how in ("across", "within") for table in _audit(results, how)]
    tables += [_differences(results)] if any(results["differences"].values()) else []
    return tables + ([_noise(results)] if results["noise"] else [])


def show_difference(found):
    """Write a difference of AUC with its interval.

    Parameters
    ----------
    found : dict
        ``auc`` and ``interval``, as `npa_ann.studies.faces.cells.decode` returns them.

    Returns
    -------
    text : str
        With signs.

    Examples
    --------
    >>> show_difference({"auc": 0.01, "interval": [-0.02, 0.04]})
    '+0.010 [-0.020, +0.040]'
    """
    low, high = found["interval"]
    return f"{found['auc']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _datasets(results):
    """List the data sets."""
    rows = []
    for name, facts in results["datasets"].items():
        cut = facts["cut"]
        rows.append(
            (
                name,
                f"{facts['subjects']} ({facts['recordings']})",
                str(facts["channels"]),
                " : ".join(f"{count} {label}" for label, count in facts["classes"].items()),
                str(facts["dropped"]),
                f"{facts['blinks_removed']} of {facts['recordings']}",
                f"{cut['tmin']:g} to {cut['tmax']:.3g} s, "
                f"{'line' if cut['detrend'] else 'mean'} removed",
                "subjects" if facts["split_by"] == "groups" else "runs of each subject",
            )
        )
    header = (
        "data",
        "subjects (recordings)",
        "channels",
        "trials",
        "dropped",
        "blinks removed",
        "epochs",
        "left out in turn",
    )
    rates = sorted({facts["sfreq"] for facts in results["datasets"].values()})
    note = (
        "The paper's own recordings are not among them unless they are called ft10. Trials are "
        "rejected once, at 800 uV (EEG) and 6 mV (EOG) of the raw epochs, and dropped in all "
        f"conditions alike; then resampled to {', '.join(f'{rate:g} Hz' for rate in rates)}."
    )
    if rates[0] < 2 * BAND[1]:
        note += (
            f" That ends at {rates[0] / 2:g} Hz, below the upper edge of the band-pass: it and the "
            "high-pass are nearly one condition, and no decoder sees what the amplifier does above."
        )
    return Table("Data", header, rows, note)


def _methods():
    """Say what the names of conditions and decoders stand for."""
    return Table("Conditions and decoders", ("name", "what it is"), list(_MEANING.items()))


def _accuracy(results, dataset):
    """Set out all cells of a data set; what was not run says so."""
    facts, cells = results["datasets"][dataset], results["accuracy"].get(dataset, {})
    rows = []
    for decoder in _known_decoders(results):
        for condition in CONDITIONS:
            if condition in facts["failed"]:
                rows.append((decoder, condition, "could not be made", "", "", "", ""))
                continue
            cell = cells.get(condition, {}).get(decoder)
            if cell is None:
                rows.append((decoder, condition, "not run", "", "", "", ""))
                continue
            pooled = ""
            if "pooled_auc" in cell:
                pooled = _with_interval(cell["pooled_auc"], cell["pooled_interval"])
            rows.append(
                (
                    decoder,
                    condition,
                    _with_interval(cell["auc"], cell["interval"]),
                    pooled,
                    _with_interval(cell["balanced_accuracy"], cell["balanced_accuracy_interval"]),
                    f"{cell['accuracy']:.3f}",
                    "" if cell.get("p") is None else f"{cell['p']:.3f}",
                )
            )
    header = (
        "decoder",
        "condition",
        "AUC, mean of folds",
        "AUC, pooled",
        "balanced accuracy",
        "accuracy",
        "p (Holm)",
    )
    counts = {
        cell["permutations"]
        for own in cells.values()
        for cell in own.values()
        if cell.get("permutations")
    }
    largest = max(facts["classes"], key=facts["classes"].get)
    share = facts["classes"][largest] / sum(facts["classes"].values())
    note = (
        "95 % intervals redraw trials of these subjects; the trained decoders stay as they are. "
        f"Always saying {largest} is right in {100 * share:.1f} %."
    )
    if counts:
        note += (
            " p: one-sided, of the mean of folds; decoders trained anew on labels permuted within "
            f"subjects ({', '.join(map(str, sorted(counts)))} times), corrected over the cells "
            "that have one, linear decoders under the four conditions of the paper."
        )
    note = " ".join([note, *facts["limits"]])
    for condition, reason in facts["failed"].items():
        note += f" {condition} could not be made, as what came out of it was refused: {reason}"
    return Table(f"Accuracy: {dataset}", header, rows, note)


def _known_decoders(results):
    """Name the study's decoders, and any others that were given."""
    given = [
        decoder
        for conditions in results["accuracy"].values()
        for cells in conditions.values()
        for decoder in cells
    ]
    return list(dict.fromkeys([*LINEAR, *LSTMS, *given]))


def _differences(results):
    """Set out what the amplifier adds to, or takes from, each other condition."""
    rows = []
    for dataset, decoders in results["differences"].items():
        for decoder, pairs in decoders.items():
            for pair, found in pairs.items():
                if not pair.startswith("NPA - "):
                    continue
                rows.append(
                    (
                        dataset,
                        decoder,
                        pair,
                        show_difference(found),
                        f"{found['sign_flip_p']:.3g}",
                        f"{found['lowest_p']:.3g} ({found['n_subjects']} subjects)",
                    )
                )
    header = ("data", "decoder", "difference", "AUC", "sign-flip p", "lowest possible p")
    note = (
        "Same trials, same folds. The interval redraws trials; the sign-flip test asks whether "
        "subjects differ in one direction, has a floor set by their number, and is not corrected "
        "for the number of rows."
    )
    return Table("What the amplifier adds", header, rows, note)


def _audit(results, how):
    """Set out what each switch does, one table a decoder."""
    audit = results["audit"]
    decoders = list(
        dict.fromkeys(
            decoder
            for datasets in audit.values()
            for conditions in datasets.values()
            for cells in conditions.values()
            for decoder in cells
        )
    )
    tables = []
    for decoder in decoders:
        rows = []
        for dataset in results["datasets"]:
            for condition in MAIN:
                cells = [
                    _audited(audit, switch, dataset, condition, decoder, how) for switch in SWITCHES
                ]
                if any(cell not in ("", "as honest") for cell in cells):
                    rows.append((dataset, condition, *cells))
        note = (
            "AUC, mean over subjects (lowest to highest); accuracy. Scaled by class: each class "
            "of each recording brought to 0..1 on its own. NPA unrejected: no trial of NPA is "
            "rejected. Band-pass before ICA: the band-passed trials are cut from the recording "
            "before its blinks are removed. Together: all three. "
        ) + (
            "Subjects left out in turn."
            if how == "across"
            else "Five random folds of each subject's trials, whatever run they are from."
        )
        if rows:
            title = f"The published recipe, {how} subjects: {decoder}"
            tables.append(Table(title, ("data", "condition", *SWITCHES), rows, note))
    return tables


def _audited(audit, switch, dataset, condition, decoder, how):
    """Write one cell of the audit."""
    if not changed(switch, condition):
        return "as honest"
    found = audit.get(switch, {}).get(dataset, {}).get(condition, {}).get(decoder, {}).get(how)
    if not found:
        return ""
    honest = audit["honest"][dataset][condition][decoder][how]
    if switch != "honest" and found == honest:
        return "as honest"
    spread = f"({found['lowest']:.2f} to {found['highest']:.2f})"
    return f"{found['auc']:.3f} {spread}; {100 * found['accuracy']:.0f} %"


def _noise(results):
    """Set out what pure noise gives away after class-wise scaling."""
    rows = [(dataset, found["verdict"]) for dataset, found in results["noise"].items()]
    note = (
        "Class-wise scaling of pure noise of the same shape, labels and recordings; groups are "
        "recordings."
    )
    return Table("What scaling does to noise", ("data", "verdict"), rows, note)


def _with_interval(value, interval):
    """Write a number and its interval."""
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
