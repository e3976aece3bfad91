"""Tables, figures and prose of the 1/f study."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from npa_ann.studies.frame import Plot
from npa_ann.studies.one_over_f.measures import MEASURES, PAPER_MEASURE, SIGNALS
from npa_ann.studies.pages import Row, Table, write_value, write_versions

Results = dict[str, Any]

PAPER: dict[str, Any] = {
    "test_accuracy": (0.8841, 0.8919),
    "test_loss": (0.278, 0.293),
    "slope": {
        "untrained": dict(zip(SIGNALS, (-0.86, -0.87, -0.03, -0.78, -1.14, -1.13), strict=True)),
        "trained": dict(zip(SIGNALS, (-0.58, -0.62, -0.312, -0.56, -1.05, -0.80), strict=True)),
    },
    "h_of_one_network": (-0.993, 0.073),
    "x": (-0.020, 0.033),
    "r2": 0.083,
    "brain": {"EEG": (-1.33, 0.19), "fMRI, rest": (-0.84, None), "fMRI, task": (-0.72, None)},
}
SLOPE = "- | +.2f"

_WITH_INPUT = (*SIGNALS, "x")
_SLOPES = (SLOPE,) * len(SIGNALS)
_OURS, _PUBLISHED, _OTHER = "tab:blue", "tab:orange", "tab:gray"
_GOOD = 0.88  # accuracy at which training ends


def _pm(mean: float | None, sd: float | None, digits: int = 2) -> str:
    """Mean ± SD."""
    return write_value(mean, f"- | +.{digits}f") + ("" if sd is None else f" ± {sd:.{digits}f}")


def _spreads(summary: Mapping[str, Any]) -> str:
    """Mean ± SD over networks (SD over reviews)."""
    within = "" if summary["sd_reviews"] is None else f" ({summary['sd_reviews']:.3f})"
    return _pm(summary["mean"], summary["sd_networks"], 3) + within


def compare(results: Results) -> list[Row]:
    """Set our numbers beside those of the paper.

    >>> compare(results)[0].published  # doctest: +SKIP
    '88.41 to 89.19 %'
    """
    low, high = PAPER["test_accuracy"]
    h, x = (results["slope"]["trained"][signal] for signal in ("h", "x"))
    r2 = results["review_against_input"]
    published_x, published_h = (
        _pm(mean, sd, 3) for mean, sd in (PAPER["x"], PAPER["h_of_one_network"])
    )
    rows = [
        Row("test accuracy", _range(results["test_accuracy"], ".2%"), _range((low, high), ".2%")),
        Row("test loss", _range(results["test_loss"], ".3f"), _range(PAPER["test_loss"], ".3f")),
    ]
    for state, published in PAPER["slope"].items():
        for signal, value in published.items():
            ours = results["slope"][state][signal]
            note = _deviation(results, state, signal)
            label = f"slope of {signal}, {state}"
            rows.append(Row(label, _spreads(ours), write_value(value, "+.2f"), note=note))
    return [
        *rows,
        Row("slope of the input x", _spreads(x), published_x),
        Row("slope of h, one network", _spreads(h), published_h),
        Row(
            "R² of the slope of h on that of the input",
            None if r2["r2"] is None else f"{r2['r2']:.3f} ({_range(r2['networks'], '.3f')})",
            write_value(PAPER["r2"], ".3f"),
        ),
    ]


def _range(values: Iterable[float | None], spec: str) -> str | None:
    """Smallest and largest value; None if there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = write_value(min(known), spec), write_value(max(known), spec)
    return f"{low.removesuffix(' %')} to {high}"


def _deviation(results: Results, state: str, signal: str) -> str:
    """Name what was tried that comes nearest to the paper, if our SDs do not cover it."""
    ours, published = results["slope"][state][signal], PAPER["slope"][state][signal]
    spread = max(ours["sd_networks"] or 0, ours["sd_reviews"] or 0)
    if abs(ours["mean"] - published) <= spread:
        return ""
    tried = {
        measure: summaries[signal]["mean"]
        for measure, summaries in results["experiments"][state].items()
        if measure not in PAPER_MEASURE and summaries[signal]["mean"] is not None
    }
    by_epoch = results["over_epochs"].get(signal) or [[]]
    if state == "trained":
        for epoch in range(1, min(map(len, by_epoch))):
            means = [network[epoch] for network in by_epoch]
            tried[f"after epoch {epoch}"] = sum(means) / len(means)
    name, nearest = min(tried.items(), key=lambda pair: abs(pair[1] - published))
    verdict = "a possible reason" if abs(nearest - published) <= spread else "not explained"
    return f"{ours['mean'] - published:+.2f}; nearest: {name}, {nearest:+.2f}; {verdict}"


def _networks(results: Results) -> Table:
    """Table II."""
    rows = []
    for number, seed in enumerate(results["seeds"]):
        own, papers = (
            results["chosen"][name][number] for name in ("by_validation", "by_test_loss")
        )
        measured = results["test_accuracy"][number], results["test_loss"][number]
        test = papers["test"]
        rows.append(
            (seed, own["epoch"], *measured, papers["epoch"], test["accuracy"], test["loss"])
        )
    header = ("seed", "epoch", "accuracy", "loss", "epoch of lowest test loss", "accuracy", "loss")
    note = (
        f"Left: the first epoch with {_GOOD:.0%} validation accuracy on a held-out tenth of the "
        "training reviews, where training ended; used everywhere below. Right: the paper's "
        "choice, the epoch of lowest loss on the test reviews themselves."
    )
    specs = ("", "", ".2%", ".3f", "", ".2%", ".3f")
    return Table("Table II: the networks", header, rows, note, specs)


def _slopes(results: Results) -> Table:
    """Table III, figure 5."""
    states = {"untrained": results["slope"]["untrained"], "trained": results["slope"]["trained"]}
    if "slope_at_lowest_test_loss" in results:
        states["at the epoch of lowest test loss"] = results["slope_at_lowest_test_loss"]
    rows = [
        (signal, *(_spreads(slopes[signal]) for slopes in states.values()))
        for signal in _WITH_INPUT
    ]
    note = (
        f"Mean slope ± SD over {len(results['seeds'])} network means (SD over "
        f"{results['reviews']['long']} reviews within a network). Test reviews of at least the "
        "full length; x is the embedded input."
    )
    return Table("Table III, figure 5: slopes", ("signal", *states), rows, note)


def _rest(results: Results) -> Table:
    """Figure 6."""
    keys = ("rest_minus_task", "rest_minus_task_settled")
    rows = []
    for signal in SIGNALS:
        found = [results[key][signal] for key in keys]
        cells = [
            (each["rest"], _pm(each["mean"], each["sd_networks"]), each["sign"]) for each in found
        ]
        rows.append((signal, *cells[0], *cells[1], "more negative at rest"))
    shared = ("rest", "rest - task", "sign")
    header = ("signal", *shared, "settled: rest", *shared[1:], "paper's sign")
    moves = ", ".join(f"{value:.1e}" for value in results["movement_at_rest"])
    note = (
        "Slope for zero vectors, and that minus the mean slope for reviews, mean ± SD over "
        "networks; then settled: without the first 50 steps, with a Hann window. After 50 steps of "
        f"zeros the largest SD of a unit of h is {moves} (one number per network). A network at "
        "rest drifts smoothly to a fixed point. An exponential decay over 30 to 900 steps alone "
        "gives -1.71 to -1.79 without a window and -6.2 to -6.6 settled: slopes near those are "
        "the window's, not a noise of the network."
    )
    specs = ("", SLOPE, "", "", SLOPE)
    return Table("Figure 6: rest and task", header, rows, note, specs)


def _brain(results: Results) -> Table:
    """Real EEG by the same measure."""
    h = results["slope"]["trained"]["h"]
    rows: list[tuple[Any, ...]] = [
        (f"EEG, {name}", _pm(found["mean"], found["sd"]), found["n"])
        for name, found in results["brain"].items()
    ]
    rows.append(("h of the trained LSTM", _pm(h["mean"], h["sd_reviews"]), "reviews"))
    rows += [
        (f"{name} (the paper's reference)", _pm(*pair), "") for name, pair in PAPER["brain"].items()
    ]
    note = (
        "EEG of one subject: power summed over electrodes, no window, epochs of as many samples "
        "as a review has words. Mean ± SD over epochs."
        if results["brain"]
        else "No EEG recordings were found beside the reviews."
    )
    return Table("Brain beside network", ("what", "slope", "n"), rows, note)


def _means(summaries: Mapping[str, Any]) -> list[float]:
    """Mean slope of each signal."""
    return [summaries[signal]["mean"] for signal in _WITH_INPUT]


def _experiments(results: Results) -> Table:
    """Other measures of the same activations."""
    rows: list[tuple[Any, ...]] = []
    for state, published in PAPER["slope"].items():
        rows.append((f"{state}: paper", *published.values(), None))
        for measure in MEASURES:
            rows.append((f"{state}: {measure}", *_means(results["experiments"][state][measure])))
    note = f"Means over networks and {results['reviews']['closer']} reviews."
    return Table("Other measures", ("measure", *_WITH_INPUT), rows, note, ("", *_SLOPES, "+.2f"))


def _epochs(results: Results) -> Table | None:
    """Slopes over training."""
    found = results["over_epochs"]
    if not any(found["accuracy"]):
        return None
    rows: list[tuple[Any, ...]] = []
    for epoch in range(max(map(len, found["accuracy"]))):
        there = [number for number, values in enumerate(found["accuracy"]) if len(values) > epoch]
        means = [
            float(np.mean([found[name][number][epoch] for number in there]))
            for name in ("accuracy", *SIGNALS)
        ]
        rows.append((epoch, *means, len(there)))
    if rho := results["slope_against_accuracy"]:
        rows.append(("rho with accuracy", None, *(rho[name] for name in SIGNALS), None))
    note = (
        f"Means over networks and {results['reviews']['closer']} reviews. Last row: Spearman's "
        "rho of slope and test accuracy over all networks and epochs from 1 on."
    )
    header = ("epoch", "test accuracy", *SIGNALS, "networks")
    return Table("Slopes over training", header, rows, note, ("", ".1%", *_SLOPES))


def _controls(results: Results) -> Table:
    """Slopes for inputs without word order."""
    names = {
        "reviews": "reviews as they are",
        "shuffled": "words shuffled within the review",
        "random": "random words by frequency",
        "phases": "phases of the embedded words at random",
    }
    rows = [(names[name], *_means(found)) for name, found in results["controls"].items()]
    note = f"Trained networks, means over networks and {results['reviews']['closer']} reviews."
    return Table("Controls", ("input", *_WITH_INPUT), rows, note, ("", *_SLOPES, SLOPE))


def _peers(results: Results) -> Table | None:
    """Other recurrent layers of the same size."""
    rows = [
        (cell, own["test_accuracy"], *(_pm(own[s]["mean"], own[s]["sd"]) for s in PAPER["slope"]))
        for cell, own in results["peers"].items()
    ]
    header = ("layer", "test accuracy", "untrained", "trained")
    note = "One network each; slope of h, mean ± SD over reviews."
    return Table("Other layers", header, rows, note, ("", ".2%")) if rows else None


def _error(results: Results) -> Table:
    """Relation of a review's slope to the error on it."""
    found = results["error"]
    named = [*zip(results["seeds"], found["networks"], strict=True), ("all", found["averaged"])]
    rows = [(name, *(own[key] for key in ("rho", "p", "auc", "errors"))) for name, own in named]
    header = ("seed", "rho", "p", "AUC", "misclassified")
    note = (
        "Spearman's rho of the slope of h and the loss over the long reviews; AUC: probability "
        "that a misclassified review has the less negative slope (0.5: no relation). Last row: "
        "slopes and predictions averaged over networks."
    )
    specs = ("", SLOPE, "- | .2g", "- | .3f")
    return Table("Slope and error", header, rows, note, specs)


TABLES = (_networks, _slopes, _rest, _brain, _experiments, _epochs, _controls, _peers, _error)


def facts(results: Results) -> dict[str, Any]:
    """Compute what the prose says beside the results themselves.

    >>> facts(results)["n_good"]  # doctest: +SKIP
    5
    """
    chosen, epochs, controls = results["chosen"], results["over_epochs"], results["controls"]
    rest, settled = results["rest_minus_task"], results["rest_minus_task_settled"]
    untrained = results["slope"]["untrained"]
    trained = [
        (accuracy, {signal: epochs[signal][number][epoch] for signal in SIGNALS})
        for number, accuracies in enumerate(epochs["accuracy"])
        for epoch, accuracy in enumerate(accuracies)
        if epoch
    ]
    good = [slopes for accuracy, slopes in trained if accuracy >= _GOOD]
    accuracy, closest = min(trained, key=_distance, default=(None, {}))
    ended = [entry["epoch"] for entry in chosen["by_validation"]]
    reached = [entry["validation"]["accuracy"] >= _GOOD for entry in chosen["by_validation"]]
    peers = [
        f"{cell} {write_value(own['test_accuracy'], '.1%')}, h {own['untrained']['mean']:+.2f} "
        f"untrained, {own['trained']['mean']:+.2f} trained"
        for cell, own in results["peers"].items()
    ]
    return {
        "origin": "pretrained networks" if results["pretrained"] else "networks trained here",
        "seeds": ", ".join(map(str, results["seeds"])),
        "versions": write_versions(results["versions"]),
        "paper": PAPER,
        "n": len(results["seeds"]),
        "n_good": sum(value >= _GOOD for value in results["test_accuracy"]),
        "accuracies": _list(results["test_accuracy"], ".2%"),
        "accuracies_by_test_loss": _list(
            (entry["test"]["accuracy"] for entry in chosen["by_test_loss"]), ".2%"
        ),
        "paper_accuracy": _range(PAPER["test_accuracy"], ".2%"),
        "paper_loss": _range(PAPER["test_loss"], ".3f"),
        "losses": _list(results["test_loss"], ".3f"),
        "stopped": _list(ended, "") if all(reached) else None,
        "gates": _list((untrained[signal]["mean"] for signal in "fio"), "+.2f"),
        "padded": results["experiments"]["untrained"]["FFT zero-padded to twice the length"],
        "rest": _range((own["rest"] for own in rest.values()), "+.2f"),
        "rest_settled": _range((own["rest"] for own in settled.values()), "+.2f"),
        "n_steeper": sum(own["sign"] == "more negative at rest" for own in rest.values()),
        "word_order": _largest_change(controls, ("shuffled", "random")),
        "phases": _largest_change(controls, ("phases",)),
        "rhos": _list((own["rho"] for own in results["error"]["networks"]), "+.2f"),
        "eeg": _range((own["mean"] for own in results["brain"].values()), "+.2f"),
        "closest": {**closest, "accuracy": accuracy},
        "f_over_epochs": _range((slopes["f"] for _, slopes in trained), "+.2f"),
        "f_good": _range((slopes["f"] for slopes in good), "+.2f"),
        "h_good": _range((slopes["h"] for slopes in good), "+.2f"),
        "peers": "; ".join(peers) or None,
    }


def _list(values: Iterable[Any], spec: str) -> str:
    """Write values one after the other."""
    written = [write_value(value, spec) for value in values]
    return ", ".join(text.removesuffix(" %") for text in written) + (" %" if "%" in spec else "")


def _distance(epoch: tuple[float, Mapping[str, float]]) -> float:
    """Largest difference between the gates of an epoch and the paper's."""
    published = PAPER["slope"]["trained"]
    return float(max(abs(epoch[1][gate] - published[gate]) for gate in ("f", "i", "cc", "o")))


def _largest_change(controls: Mapping[str, Any], names: Sequence[str]) -> float | None:
    """Largest change of a mean slope of the network's signals by a control."""
    means = [
        (controls[name][signal]["mean"], controls["reviews"][signal]["mean"])
        for name in names
        for signal in SIGNALS
    ]
    return max((abs(a - b) for a, b in means if None not in (a, b)), default=None)


def _draw_figure_3(measured: dict[int, dict[str, Any]]) -> Figure:
    """Draw the spectra of one review and their lines."""
    spectra = next(iter(measured.values()))["spectra"]
    figure, ax = plt.subplots(layout="constrained")
    for name, color in {"h": _OURS, "x": _OTHER}.items():
        slope, intercept = spectra[f"{name}_line"]
        ax.loglog(spectra["freqs"], spectra[name], lw=0.8, alpha=0.7, color=color)
        line = 10**intercept * spectra["freqs"] ** slope
        label = f"{name}: $\\beta$ = {slope:.2f}"
        ax.loglog(spectra["freqs"], line, "--", lw=2, color=color, label=label)
    ax.set(xlabel="Frequency (cycles per word)", ylabel="Power, summed over cells")
    ax.legend(frameon=False)
    return figure


def _draw_figure_4(measured: dict[int, dict[str, Any]], results: Results) -> Figure:
    """Draw the slopes of h and of the input, and one against the other."""
    slopes = next(iter(measured.values()))["slopes"]["trained"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for name, color in {"h": _OURS, "x": _OTHER}.items():
        values = slopes[name][np.isfinite(slopes[name])]
        label = f"{name}: {values.mean():+.2f} ± {values.std(ddof=1):.2f}"
        left.hist(values, bins=30, color=color, alpha=0.7, label=label)
    left.axvline(PAPER["h_of_one_network"][0], ls=":", color=_PUBLISHED, label="paper, h and x")
    left.axvline(PAPER["x"][0], ls=":", color=_PUBLISHED)
    left.set(xlabel="Slope $\\beta$", ylabel="Reviews")
    left.legend(frameon=False)
    right.plot(slopes["x"], slopes["h"], ".", ms=3, color=_OURS)
    right.set(xlabel="Slope of the input", ylabel="Slope of h")
    r2 = write_value(results["review_against_input"]["networks"][0], "- | .3f")
    right.set_title(f"R² = {r2} (paper {PAPER['r2']})")
    return figure


def _draw_figure_5(results: Results) -> Figure:
    """Draw Table III."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 4), layout="constrained")
    x = np.arange(len(SIGNALS))
    for ax, (state, published) in zip(axes, PAPER["slope"].items(), strict=True):
        ours = [results["slope"][state][signal] for signal in SIGNALS]
        spread = [summary["sd_networks"] or 0 for summary in ours]
        means = [summary["mean"] for summary in ours]
        ax.errorbar(x - 0.1, means, spread, fmt="o", color=_OURS, capsize=3, label="ours")
        ax.plot(x + 0.1, list(published.values()), "s", color=_PUBLISHED, label="paper")
        ax.axhline(0, lw=0.5, color="k")
        ax.set(title=state, xticks=x, xticklabels=SIGNALS)
    axes[0].set_ylabel("Slope $\\beta$")
    axes[0].legend(frameon=False)
    return figure


def _draw_figure_6(results: Results) -> Figure:
    """Draw rest minus task, network by network."""
    figure, ax = plt.subplots(layout="constrained")
    kinds = {"rest_minus_task": ("as the paper", -0.1), "rest_minus_task_settled": ("settled", 0.1)}
    for (key, (label, shift)), color in zip(kinds.items(), (_OURS, _OTHER), strict=True):
        for x, signal in enumerate(SIGNALS):
            values = np.array(results[key][signal]["networks"], float)
            name = label if x == 0 else None
            at = np.full(len(values), x + shift)
            ax.plot(at, values, "o", color=color, alpha=0.7, label=name)
    ax.axhline(0, lw=0.5, color="k")
    ax.set(
        xticks=range(len(SIGNALS)),
        xticklabels=SIGNALS,
        ylabel="Slope at rest - slope at task\n(below 0: more negative at rest, the paper's sign)",
    )
    ax.legend(frameon=False)
    return figure


def _draw_brain(results: Results) -> Figure:
    """Draw EEG, network and the paper's references."""
    rows = [(f"EEG, {name}", b["mean"], b["sd"], _OURS) for name, b in results["brain"].items()]
    for state in ("untrained", "trained"):
        h = results["slope"][state]["h"]
        rows.append((f"h of the LSTM, {state}", h["mean"], h["sd_reviews"], "tab:green"))
    rows += [(f"{name} (paper)", *pair, _PUBLISHED) for name, pair in PAPER["brain"].items()]
    figure, ax = plt.subplots(layout="constrained")
    for y, (_, mean, sd, color) in enumerate(rows):
        ax.errorbar(mean, y, xerr=sd, fmt="o", color=color, capsize=3)
    ax.set(yticks=range(len(rows)), yticklabels=[row[0] for row in rows], xlabel="Slope $\\beta$")
    ax.invert_yaxis()
    return figure


def _draw_controls(results: Results) -> Figure:
    """Draw the slopes of every signal for every input."""
    figure, ax = plt.subplots(layout="constrained")
    for marker, (name, found) in zip("osd^", results["controls"].items(), strict=False):
        ax.plot(_WITH_INPUT, _means(found), marker, label=name)
    ax.axhline(0, lw=0.5, color="k")
    ax.set(ylabel="Slope $\\beta$")
    ax.legend(frameon=False)
    return figure


def _draw_epochs(results: Results) -> Figure | None:
    """Draw the slope of h and the accuracy over training."""
    found = results["over_epochs"]
    if not any(found["accuracy"]):
        return None
    figure, (upper, lower) = plt.subplots(2, 1, sharex=True, layout="constrained")
    for slopes, accuracy in zip(found["h"], found["accuracy"], strict=True):
        upper.plot(slopes, "o-", ms=3)
        lower.plot([100 * value for value in accuracy], "o-", ms=3)
    upper.axhline(PAPER["slope"]["trained"]["h"], ls=":", color="k", label="paper, trained")
    upper.set(ylabel="Slope of h")
    upper.legend(frameon=False)
    lower.set(xlabel="Epoch", ylabel="Test accuracy (%)")
    return figure


PLOTS = (
    Plot(
        _draw_figure_3,
        "Figure 3: one review",
        "Power of one review's embedded words (x) and of h in response to them, summed over "
        "cells, with their lines.",
    ),
    Plot(
        _draw_figure_4,
        "Figure 4: all reviews",
        "Slopes of h and of the input over all long reviews of one network, and one against the "
        "other.",
    ),
    Plot(
        _draw_figure_5,
        "Figure 5, Table III",
        "Mean slope of every signal; bars: SD over networks.",
    ),
    Plot(
        _draw_figure_6,
        "Figure 6: rest and task",
        "Slope for zero vectors minus slope for reviews, network by network: as the paper, and "
        "without the start-up (first 50 steps dropped, Hann window).",
    ),
    Plot(
        _draw_brain,
        "Brain beside network",
        "The same measure on real EEG and on h, and the paper's references.",
    ),
    Plot(
        _draw_controls,
        "Controls",
        "Slopes of trained networks on reviews, and on reviews without their word order.",
    ),
    Plot(
        _draw_epochs,
        "Slopes over training",
        "Mean slope of h and test accuracy after every epoch, one line per network.",
    ),
)
