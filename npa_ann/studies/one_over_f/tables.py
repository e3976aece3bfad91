"""The 1/f study's tables: ours beside the paper's."""

from npa_ann.studies.one_over_f.results import PAPER
from npa_ann.studies.pages import Table
from npa_ann.studies.slopes import MEASURES, PAPERS_MEASURE, SIGNALS


def all_tables(results):
    """Set out everything that the study found.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.one_over_f.run` returned.

    Returns
    -------
    tables : list of Table
        In the order of the paper, then what goes beyond it.

    Examples
    --------
    >>> from npa_ann.studies.one_over_f import run
    >>> for table in all_tables(run(pretrained=True)):  # doctest: +SKIP
    ...     print(table.to_markdown())
    """
    makers = (
        _networks,
        _slopes,
        _differences,
        _input,
        _rest,
        _brain,
        _experiments,
        _epochs,
        _controls,
        _peers,
        _error,
    )
    return [table for make in makers if (table := make(results)) is not None]


def _networks(results):
    """Table II: how well every network judges."""
    choices, rows = results["chosen"], []
    for number, seed in enumerate(results["seeds"]):
        own, papers = (choices[name][number] for name in ("by_validation", "by_test_loss"))
        measured = results["test_accuracy"][number], results["test_loss"][number]
        rows.append(
            (
                str(seed),
                str(own["epoch"]),
                f"{100 * measured[0]:.2f} %",
                f"{measured[1]:.3f}",
                str(papers["epoch"]),
                f"{100 * papers['test']['accuracy']:.2f} %",
                f"{papers['test']['loss']:.3f}",
            )
        )
    low, high = (f"{100 * end:.2f}" for end in PAPER["test_accuracy"])
    loss = "-".join(f"{end:.3f}" for end in PAPER["test_loss"])
    rows.append(("paper", "", f"{low}-{high} %", loss, "", f"{low}-{high} %", loss))
    header = ("seed", "epoch", "accuracy", "loss", "epoch of lowest test loss", "accuracy", "loss")
    note = (
        "Left: the first epoch that judged 88 % of a held-out tenth of the training reviews "
        "rightly, where training ended; used everywhere below. "
        "Right: the paper's choice, the epoch of lowest loss on the test reviews themselves."
    )
    return Table("Table II: the networks", header, rows, note)


def _slopes(results):
    """Table III: slopes untrained and trained."""
    rows = []
    states = ("untrained", "trained")
    for signal in (*SIGNALS, "x"):
        row = [signal]
        for state in states:
            theirs = PAPER["slope"][state].get(signal)
            row += [_spreads(results["slope"][state][signal]), _signed(theirs)]
        if signal == "x":
            row[-1] = f"{PAPER['x'][0]:+.3f} ± {PAPER['x'][1]:.3f}"
        if "slope_at_lowest_test_loss" in results:
            row.append(_spreads(results["slope_at_lowest_test_loss"][signal]))
        rows.append(tuple(row))
    header = ("signal", "untrained, ours", "paper", "trained, ours", "paper")
    if "slope_at_lowest_test_loss" in results:
        header += ("ours at the epoch of lowest test loss",)
    note = (
        f"Mean slope ± SD over {len(results['seeds'])} network means (SD over "
        f"{results['reviews']['long']} reviews within a network). Test reviews of at least the "
        "full length; x is the embedded input."
    )
    return Table("Table III, figure 5: slopes", header, rows, note)


def _differences(results):
    """Where ours is further from the paper's than our SD, and what comes nearest."""
    rows = []
    for state, theirs in PAPER["slope"].items():
        for signal, value in theirs.items():
            ours = results["slope"][state][signal]
            apart = ours["mean"] - value
            spread = max(ours["sd_networks"] or 0, ours["sd_reviews"] or 0)
            if abs(apart) <= spread:
                continue
            tried = _tried(results, state, signal)
            name, nearest = min(tried.items(), key=lambda pair: abs(pair[1] - value))
            close = abs(nearest - value) <= spread
            verdict = "within the SD: a possible reason" if close else "not explained"
            rows.append(
                (f"{signal}, {state}", f"{apart:+.2f}", f"{name}: {_signed(nearest)}", verdict)
            )
    if not rows:
        return None
    note = (
        "Signals whose mean differs from the paper's by more than the larger of our two SDs, with "
        "the variation (other measures and epochs, below) that comes nearest to the paper's number."
    )
    header = ("signal", "ours - paper", "nearest variation", "verdict")
    return Table("Where ours differs from Table III", header, rows, note)


def _tried(results, state, signal):
    """All variations of one number: other measures, and other epochs."""
    tried = {
        measure: summaries[signal]["mean"]
        for measure, summaries in results["experiments"][state].items()
        if measure not in PAPERS_MEASURE
    }
    by_epoch = results["over_epochs"].get(signal, [])
    if state == "trained" and by_epoch and by_epoch[0]:
        for epoch in range(1, min(map(len, by_epoch))):
            means = [network[epoch] for network in by_epoch]
            tried[f"after epoch {epoch}"] = sum(means) / len(means)
    return {name: value for name, value in tried.items() if value is not None}


def _input(results):
    """Figures 3 and 4: reviews against what they stir."""
    x, h = (results["slope"]["trained"][signal] for signal in ("x", "h"))
    theirs = PAPER["h_of_one_network"]
    r2 = results["review_against_input"]
    rows = [
        ("slope of the input", _spreads(x), f"{PAPER['x'][0]:+.3f} ± {PAPER['x'][1]:.3f}"),
        ("slope of h, one network", _spreads(h), f"{theirs[0]:+.3f} ± {theirs[1]:.3f}"),
        ("R² of h's slope on the input's", _range(r2["r2"], r2["networks"]), f"{PAPER['r2']:.3f}"),
    ]
    note = "Ours: mean ± SD over networks (SD over reviews); R²: mean (range over networks)."
    return Table("Figures 3, 4: input and output", ("what", "ours", "paper"), rows, note)


def _rest(results):
    """Figure 6: rest against task."""
    rows = []
    for signal in SIGNALS:
        row = [signal]
        for key in ("rest_minus_task", "rest_minus_task_settled"):
            found = results[key][signal]
            row += [_signed(found["rest"]), _pair(found["mean"], found["sd_networks"])]
            row.append(found["sign"])
        rows.append((*row, "more negative at rest"))
    moves = ", ".join(f"{value:.1e}" for value in results["movement_at_rest"])
    header = ("signal", "rest", "rest - task", "sign")
    header = (*header, "settled: rest", "rest - task", "sign", "paper's sign")
    note = (
        "Slope for zero vectors, and that minus the mean slope for reviews, mean ± SD over "
        "networks; then settled: the first 50 steps dropped, and a Hann window. After 50 steps of "
        f"zeros the SD of the liveliest cell of h is {moves} (one number a network). A network at "
        "rest drifts smoothly to a fixed point. An exponential decay over 30 to 900 steps alone "
        "gives -1.71 to -1.79 untapered and -6.2 to -6.6 settled: slopes near those are the "
        "window's, not a noise of the network."
    )
    return Table("Figure 6: rest and task", header, rows, note)


def _brain(results):
    """Real EEG by the same measure."""
    rows = [
        (f"EEG, {name}", _pair(found["mean"], found["sd"]), str(found["n"]))
        for name, found in results["brain"].items()
    ]
    h = results["slope"]["trained"]["h"]
    rows.append(("h of the trained LSTM", _pair(h["mean"], h["sd_reviews"]), "reviews"))
    for name, (mean, sd) in PAPER["brain"].items():
        rows.append((f"{name} (the paper's reference)", _pair(mean, sd), ""))
    note = (
        "EEG of one subject: power summed over electrodes, untapered, every stretch of as many "
        "samples as a review has words. Mean ± SD over stretches."
        if results["brain"]
        else "No EEG recordings were found beside the reviews."
    )
    return Table("Brain beside network", ("what", "slope", "n"), rows, note)


def _experiments(results):
    """Other measures of the same activations."""
    rows = []
    for state in ("untrained", "trained"):
        theirs = PAPER["slope"][state]
        rows.append((f"{state}: paper", *(_signed(theirs[name]) for name in SIGNALS), ""))
        for measure in MEASURES:
            found = results["experiments"][state][measure]
            cells = (_signed(found[name]["mean"]) for name in (*SIGNALS, "x"))
            rows.append((f"{state}: {measure}", *cells))
    note = f"Means over networks and {results['reviews']['closer']} reviews."
    return Table("Other measures", ("measure", *SIGNALS, "x"), rows, note)


def _epochs(results):
    """Slopes over training."""
    found = results["over_epochs"]
    if not found["accuracy"] or not found["accuracy"][0]:
        return None
    rows = []
    for epoch in range(max(map(len, found["accuracy"]))):
        row = [str(epoch)]
        for name in ("accuracy", *SIGNALS):
            values = [network[epoch] for network in found[name] if len(network) > epoch]
            mean = sum(values) / len(values)
            row.append(f"{100 * mean:.1f} %" if name == "accuracy" else _signed(mean))
        rows.append((*row, str(len(values))))
    rho = results["slope_against_accuracy"]
    if rho:
        rows.append(("rho with accuracy", "", *(_signed(rho[name]) for name in SIGNALS), ""))
    note = (
        f"Means over networks and {results['reviews']['closer']} reviews. Last row: Spearman's "
        "rho of slope and test accuracy over all networks and epochs from 1 on."
    )
    header = ("epoch", "test accuracy", *SIGNALS, "networks")
    return Table("Slopes over training", header, rows, note)


def _controls(results):
    """Set out the controls that the paper lacks."""
    names = {
        "reviews": "reviews as they are",
        "shuffled": "words shuffled within the review",
        "random": "random words by frequency",
        "phases": "phases of the embedded words at random",
    }
    rows = [
        (names[name], *(_signed(found[signal]["mean"]) for signal in (*SIGNALS, "x")))
        for name, found in results["controls"].items()
    ]
    note = f"Trained networks, means over networks and {results['reviews']['closer']} reviews."
    return Table("Controls", ("input", *SIGNALS, "x"), rows, note)


def _peers(results):
    """Other recurrent layers of the same size."""
    if not results["peers"]:
        return None
    rows = [
        (
            cell,
            f"{100 * found['test_accuracy']:.2f} %",
            _pair(found["untrained"]["mean"], found["untrained"]["sd"]),
            _pair(found["trained"]["mean"], found["trained"]["sd"]),
        )
        for cell, found in results["peers"].items()
    ]
    note = "One network each; slope of h, mean ± SD over reviews."
    return Table("Other layers", ("layer", "test accuracy", "untrained", "trained"), rows, note)


def _error(results):
    """Set out whether the slope of a review predicts the error on it."""
    found = results["error"]
    named = [*zip(results["seeds"], found["networks"], strict=True), ("all", found["averaged"])]
    rows = [
        (
            str(name),
            _signed(each["rho"]),
            "-" if each["p"] is None else f"{each['p']:.2g}",
            "-" if each["auc"] is None else f"{each['auc']:.3f}",
            str(each["errors"]),
        )
        for name, each in named
    ]
    note = (
        "Spearman's rho of h's slope and the loss over the long reviews; AUC: probability that a "
        "misjudged review has the less negative slope (0.5: no relation). Last row: slopes and "
        "judgements averaged over networks."
    )
    return Table("Slope and error", ("seed", "rho", "p", "AUC", "misjudged"), rows, note)


def _signed(value):
    """Two decimals and sign."""
    return "-" if value is None else f"{value:+.2f}"


def _pair(mean, sd):
    """Mean and SD."""
    return _signed(mean) + ("" if sd is None else f" ± {sd:.2f}")


def _spreads(summary):
    """Mean, SD over networks, SD over reviews."""
    within = "" if summary["sd_reviews"] is None else f" ({summary['sd_reviews']:.3f})"
    between = "" if summary["sd_networks"] is None else f" ± {summary['sd_networks']:.3f}"
    return f"{summary['mean']:+.3f}{between}{within}"


def _range(mean, values):
    """Mean and range."""
    if mean is None:
        return "-"
    return f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"
