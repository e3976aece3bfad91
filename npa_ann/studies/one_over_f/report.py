"""Tables, figures and prose of the 1/f study."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from npa.spectral.slopes import power_law
from npa_ann.studies.frame import Plot
from npa_ann.studies.one_over_f.measures import MEASURES, PAPER_MEASURE, SIGNALS
from npa_ann.studies.one_over_f.reviews import Reviews
from npa_ann.studies.pages import Row, Table, pick, write_value, write_versions

Results: TypeAlias = dict[str, Any]
Measured: TypeAlias = dict[int, dict[str, Any]]  # by seed

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
_SLOPES = ("", *(SLOPE,) * len(_WITH_INPUT))
_REST = "rest_minus_task", "rest_minus_task_settled"
_OURS, _PUBLISHED, _OTHER = "tab:blue", "tab:orange", "tab:gray"
_GOOD = 0.88  # accuracy at which training ends


def _pm(spread: Sequence[float | None], digits: int = 2) -> str:
    """Mean ± SD."""
    mean, sd = spread
    return write_value(mean, f"- | +.{digits}f") + ("" if sd is None else f" ± {sd:.{digits}f}")


def _spreads(summary: Mapping[str, Any]) -> str:
    """Mean ± SD over networks (SD over reviews)."""
    within = "" if summary["sd_reviews"] is None else f" ({summary['sd_reviews']:.3f})"
    return _pm((summary["mean"], summary["sd_networks"]), 3) + within


def _means(summaries: Mapping[str, Any]) -> list[Any]:
    """Mean slope of each signal."""
    return [summaries[signal]["mean"] for signal in _WITH_INPUT]


def _by_epoch(results: Results) -> pd.DataFrame:
    """Accuracy and mean slopes, a row per network and epoch."""
    found = results["over_epochs"]
    epochs = [epoch for values in found["accuracy"] for epoch in range(len(values))]
    columns = {name: np.concatenate(found.get(name, [[]])) for name in ("accuracy", *SIGNALS)}
    return pd.DataFrame(columns, index=epochs, dtype=float)


def compare(results: Results) -> list[Row]:
    """Set our numbers beside those of the paper.

    >>> compare(results)[0].published  # doctest: +SKIP
    (0.8841, 0.8919)
    """
    rows = [
        Row("test accuracy", results["test_accuracy"], PAPER["test_accuracy"], "range .2%"),
        Row("test loss", results["test_loss"], PAPER["test_loss"], "range .3f"),
    ]
    for state, published in PAPER["slope"].items():
        for signal, value in published.items():
            ours, note = results["slope"][state][signal], _deviation(results, state, signal)
            label = f"slope of {signal}, {state}"
            rows.append(Row(label, _spreads(ours), write_value(value, "+.2f"), note=note))
    h, x = (_spreads(results["slope"]["trained"][signal]) for signal in ("h", "x"))
    r2 = results["review_against_input"]
    spread = write_value(r2["networks"], "range .3f")
    return [
        *rows,
        Row("slope of the input x", x, _pm(PAPER["x"], 3)),
        Row("slope of h, one network", h, _pm(PAPER["h_of_one_network"], 3)),
        Row(
            "R² of the slope of h on that of the input",
            None if r2["r2"] is None else f"{r2['r2']:.3f} ({spread})",
            f"{PAPER['r2']:.3f}",
        ),
    ]


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
    if state == "trained":
        epochs = _by_epoch(results)[signal].groupby(level=0)
        complete = epochs.mean()[epochs.size() == len(results["seeds"])]
        tried |= {f"after epoch {epoch}": mean for epoch, mean in complete.items() if epoch}
    name, nearest = min(tried.items(), key=lambda pair: abs(pair[1] - published))
    verdict = "a possible reason" if abs(nearest - published) <= spread else "not explained"
    return f"{ours['mean'] - published:+.2f}; nearest: {name}, {nearest:+.2f}; {verdict}"


def _networks(results: Results) -> Table:
    """Table II."""
    own, papers = (
        partial(pick, results["chosen"][by], "*") for by in ("by_validation", "by_test_loss")
    )
    measured = results["test_accuracy"], results["test_loss"]
    published = papers("epoch"), papers("test", "accuracy"), papers("test", "loss")
    rows = [*zip(results["seeds"], own("epoch"), *measured, *published, strict=True)]
    return Table(
        "Table II: the networks",
        ("seed", "epoch", "accuracy", "loss", "epoch of lowest test loss", "accuracy", "loss"),
        rows,
        f"Left: the first epoch with {_GOOD:.0%} validation accuracy on a held-out tenth of the "
        "training reviews, where training ended; used everywhere below. Right: the paper's "
        "choice, the epoch of lowest loss on the test reviews themselves.",
        ("", "", ".2%", ".3f", "", ".2%", ".3f"),
    )


def _slopes(results: Results) -> Table:
    """Table III, figure 5."""
    states = {state: results["slope"][state] for state in PAPER["slope"]}
    if "slope_at_lowest_test_loss" in results:
        states["at the epoch of lowest test loss"] = results["slope_at_lowest_test_loss"]
    return Table(
        "Table III, figure 5: slopes",
        ("signal", *states),
        [(name, *(_spreads(slopes[name]) for slopes in states.values())) for name in _WITH_INPUT],
        f"Mean slope ± SD over {len(results['seeds'])} network means (SD over "
        f"{results['reviews']['long']} reviews within a network). Test reviews of at least the "
        "full length; x is the embedded input.",
    )


def _rest(results: Results) -> Table:
    """Figure 6."""
    moves = write_value(results["movement_at_rest"], "list .1e")
    rows = []
    for signal in SIGNALS:
        cells: list[Any] = [signal]
        for found in (results[key][signal] for key in _REST):
            cells += [found["rest"], _pm((found["mean"], found["sd_networks"])), found["sign"]]
        rows.append((*cells, "more negative at rest"))
    shared = ("rest - task", "sign")
    return Table(
        "Figure 6: rest and task",
        ("signal", "rest", *shared, "settled: rest", *shared, "paper's sign"),
        rows,
        "Slope for zero vectors, and that minus the mean slope for reviews, mean ± SD over "
        "networks; then settled: without the first 50 steps, with a Hann window. After 50 steps of "
        f"zeros the largest SD of a unit of h is {moves} (one number per network). A network at "
        "rest drifts smoothly to a fixed point. An exponential decay over 30 to 900 steps alone "
        "gives -1.71 to -1.79 without a window and -6.2 to -6.6 settled: slopes near those are "
        "the window's, not a noise of the network.",
        ("", SLOPE, "", "", SLOPE),
    )


def _brain(results: Results) -> Table:
    """Real EEG by the same measure."""
    h = results["slope"]["trained"]["h"]
    return Table(
        "Brain beside network",
        ("what", "slope", "n"),
        [
            *(
                (f"EEG, {name}", _pm((found["mean"], found["sd"])), found["n"])
                for name, found in results["brain"].items()
            ),
            ("h of the trained LSTM", _pm((h["mean"], h["sd_reviews"])), "reviews"),
            *(
                (f"{name} (the paper's reference)", _pm(own), "")
                for name, own in PAPER["brain"].items()
            ),
        ],
        "EEG of one subject: power summed over electrodes, no window, epochs of as many samples "
        "as a review has words. Mean ± SD over epochs."
        if results["brain"]
        else "No EEG recordings were found beside the reviews.",
    )


def _experiments(results: Results) -> Table:
    """Other measures of the same activations."""
    rows: list[tuple[Any, ...]] = []
    for state, published in PAPER["slope"].items():
        rows.append((f"{state}: paper", *published.values(), None))
        for measure in MEASURES:
            rows.append((f"{state}: {measure}", *_means(results["experiments"][state][measure])))
    note = f"Means over networks and {results['reviews']['closer']} reviews."
    return Table("Other measures", ("measure", *_WITH_INPUT), rows, note, (*_SLOPES[:-1], "+.2f"))


def _epochs(results: Results) -> Table | None:
    """Slopes over training."""
    found = _by_epoch(results)
    if found.empty:
        return None
    epochs = found.groupby(level=0)
    rows: list[Any] = [*epochs.mean().assign(networks=epochs.size()).itertuples()]
    if rho := results["slope_against_accuracy"]:
        rows.append(("rho with accuracy", None, *(rho[name] for name in SIGNALS), None))
    return Table(
        "Slopes over training",
        ("epoch", "test accuracy", *SIGNALS, "networks"),
        rows,
        f"Means over networks and {results['reviews']['closer']} reviews. Last row: Spearman's "
        "rho of slope and test accuracy over all networks and epochs from 1 on.",
        ("", ".1%", *_SLOPES[2:]),
    )


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
    return Table("Controls", ("input", *_WITH_INPUT), rows, note, _SLOPES)


def _peers(results: Results) -> Table | None:
    """Other recurrent layers of the same size."""
    rows = [
        (cell, own["test_accuracy"], *(_pm((own[s]["mean"], own[s]["sd"])) for s in PAPER["slope"]))
        for cell, own in results["peers"].items()
    ]
    header = ("layer", "test accuracy", "untrained", "trained")
    note = "One network each; slope of h, mean ± SD over reviews."
    return Table("Other layers", header, rows, note, ("", ".2%")) if rows else None


def _error(results: Results) -> Table:
    """Relation of a review's slope to the error on it."""
    found = results["error"]
    named = [*zip(results["seeds"], found["networks"], strict=True), ("all", found["averaged"])]
    return Table(
        "Slope and error",
        ("seed", "rho", "p", "AUC", "misclassified"),
        [(name, *(own[key] for key in ("rho", "p", "auc", "errors"))) for name, own in named],
        "Spearman's rho of the slope of h and the loss over the long reviews; AUC: probability "
        "that a misclassified review has the less negative slope (0.5: no relation). Last row: "
        "slopes and predictions averaged over networks.",
        ("", SLOPE, "- | .2g", "- | .3f"),
    )


TABLES = (_networks, _slopes, _rest, _brain, _experiments, _epochs, _controls, _peers, _error)


def facts(results: Results) -> dict[str, Any]:
    """Compute what the prose says beside the results themselves.

    >>> facts(results)["n_good"]  # doctest: +SKIP
    5
    """
    epochs = _by_epoch(results).drop(index=0, errors="ignore").reset_index(drop=True)
    gates = epochs[["f", "i", "cc", "o"]]
    distance = (gates - pd.Series(PAPER["slope"]["trained"])[gates.columns]).abs().max(axis=1)
    stopped = pick(results, "chosen", "by_validation", "*", "validation", "accuracy")
    signs = pick(results, "rest_minus_task", "*", "sign")
    peers = [
        f"{cell} {own['test_accuracy']:.1%}, h {own['untrained']['mean']:+.2f} untrained, "
        f"{own['trained']['mean']:+.2f} trained".replace("%", " %")
        for cell, own in results["peers"].items()
    ]
    return {
        "origin": "pretrained networks" if results["pretrained"] else "networks trained here",
        "versions": write_versions(results["versions"]),
        "paper": PAPER,
        "n": len(results["seeds"]),
        "n_good": sum(value >= _GOOD for value in results["test_accuracy"]),
        "only_stopped": "" if min(stopped) >= _GOOD else None,
        "padded": results["experiments"]["untrained"]["FFT zero-padded to twice the length"],
        "n_steeper": signs.count("more negative at rest"),
        "word_order": _largest_change(results, "shuffled", "random"),
        "phases": _largest_change(results, "phases"),
        "closest": {} if epochs.empty else dict(epochs.loc[distance.idxmin()]),
        "epochs": epochs.to_dict("list"),
        "good": epochs[epochs["accuracy"] >= _GOOD].to_dict("list"),
        "peers": "; ".join(peers) or None,
    }


def _largest_change(results: Results, *names: str) -> float:
    """Largest change of a mean slope of the network's signals by a control."""
    means = pd.DataFrame({name: _means(found)[:-1] for name, found in results["controls"].items()})
    return float(means[list(names)].sub(means["reviews"], axis=0).abs().max(axis=None))


def _label(ax: Axes, **labels: Any) -> Figure:
    """Label axes, and what is drawn in them."""
    ax.set(**labels)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return cast(Figure, ax.figure)


def _mark_signals(ax: Axes) -> None:
    """Mark zero, and the place of each signal."""
    ax.axhline(0, lw=0.5, color="k")
    ax.set_xticks(range(len(SIGNALS)), SIGNALS)


def _draw_figure_3(measured: Measured, reviews: Reviews) -> Figure:
    """Power of one review's embedded words (x) and of h in response to them, with their lines."""
    spectra = next(iter(measured.values()))["spectra"]
    freqs = np.fft.rfftfreq(reviews.length)[1:]
    _, ax = plt.subplots(layout="constrained")
    for name, color in {"h": _OURS, "x": _OTHER}.items():
        (power,) = spectra[name]
        slope, intercept = power_law(freqs, power)[:2]
        ax.loglog(freqs, power, lw=0.8, alpha=0.7, color=color)
        label = f"{name}: $\\beta$ = {slope:.2f}"
        ax.loglog(freqs, 10**intercept * freqs**slope, "--", lw=2, color=color, label=label)
    return _label(ax, xlabel="Frequency (cycles per word)", ylabel="Power, summed over cells")


def _draw_figure_4(measured: Measured, results: Results) -> Figure:
    """Slopes of h and of the input over all long reviews of one network, and their relation."""
    slopes = next(iter(measured.values()))["slopes"]["trained"]
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for name, color in {"h": _OURS, "x": _OTHER}.items():
        values = slopes[name][np.isfinite(slopes[name])]
        label = f"{name}: {values.mean():+.2f} ± {values.std(ddof=1):.2f}"
        left.hist(values, bins=30, color=color, alpha=0.7, label=label)
    left.axvline(PAPER["h_of_one_network"][0], ls=":", color=_PUBLISHED, label="paper, h and x")
    left.axvline(PAPER["x"][0], ls=":", color=_PUBLISHED)
    _label(left, xlabel="Slope $\\beta$", ylabel="Reviews")
    right.plot(slopes["x"], slopes["h"], ".", ms=3, color=_OURS)
    r2 = write_value(results["review_against_input"]["networks"][0], "- | .3f")
    title = f"R² = {r2} (paper {PAPER['r2']})"
    return _label(right, title=title, xlabel="Slope of the input", ylabel="Slope of h")


def _draw_figure_5(results: Results) -> Figure:
    """Mean slope of every signal; bars: SD over networks."""
    _, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 4), layout="constrained")
    x = np.arange(len(SIGNALS))
    for ax, (state, published) in zip(axes, PAPER["slope"].items(), strict=True):
        ours = pd.DataFrame(results["slope"][state]).astype(float)[list(SIGNALS)]
        spread = ours.loc["sd_networks"].fillna(0)
        ax.errorbar(
            x - 0.1, ours.loc["mean"], spread, fmt="o", color=_OURS, capsize=3, label="ours"
        )
        ax.plot(x + 0.1, list(published.values()), "s", color=_PUBLISHED, label="paper")
        ax.set_title(state)
        _mark_signals(ax)
    return _label(axes[0], ylabel="Slope $\\beta$")


def _draw_figure_6(results: Results) -> Figure:
    """Slope for zero vectors minus slope for reviews, network by network.

    As the paper, and settled: without the first 50 steps, with a Hann window.
    """
    _, ax = plt.subplots(layout="constrained")
    kinds = zip(_REST, ("as the paper", "settled"), (-0.1, 0.1), (_OURS, _OTHER), strict=True)
    for key, label, shift, color in kinds:
        values = np.array([results[key][signal]["networks"] for signal in SIGNALS], float)
        dots = ax.plot(np.arange(len(SIGNALS)) + shift, values, "o", color=color, alpha=0.7)
        dots[0].set_label(label)
    _mark_signals(ax)
    label = "Slope at rest - slope at task\n(below 0: more negative at rest, the paper's sign)"
    return _label(ax, ylabel=label)


def _draw_brain(results: Results) -> Figure:
    """Slopes of real EEG and of h by the same measure, and the paper's references."""
    rows = [(f"EEG, {name}", b["mean"], b["sd"], _OURS) for name, b in results["brain"].items()]
    for state in PAPER["slope"]:
        h = results["slope"][state]["h"]
        rows.append((f"h of the LSTM, {state}", h["mean"], h["sd_reviews"], "tab:green"))
    rows += [(f"{name} (paper)", *pair, _PUBLISHED) for name, pair in PAPER["brain"].items()]
    _, ax = plt.subplots(layout="constrained")
    for name, mean, sd, color in reversed(rows):
        ax.errorbar(mean, name, xerr=sd, fmt="o", color=color, capsize=3)
    return _label(ax, xlabel="Slope $\\beta$")


def _draw_controls(results: Results) -> Figure:
    """Slopes of trained networks on reviews, and on reviews without their word order."""
    _, ax = plt.subplots(layout="constrained")
    for marker, (name, found) in zip("osd^", results["controls"].items(), strict=True):
        ax.plot(_WITH_INPUT, _means(found), marker, label=name)
    ax.axhline(0, lw=0.5, color="k")
    return _label(ax, ylabel="Slope $\\beta$")


def _draw_epochs(results: Results) -> Figure | None:
    """Mean slope of h and test accuracy after every epoch, one line per network."""
    found = results["over_epochs"]
    if not any(found["accuracy"]):
        return None
    _, (upper, lower) = plt.subplots(2, 1, sharex=True, layout="constrained")
    for slopes, accuracy in zip(found["h"], found["accuracy"], strict=True):
        upper.plot(slopes, "o-", ms=3)
        lower.plot(100 * np.array(accuracy), "o-", ms=3)
    upper.axhline(PAPER["slope"]["trained"]["h"], ls=":", color="k", label="paper, trained")
    _label(upper, ylabel="Slope of h")
    return _label(lower, xlabel="Epoch", ylabel="Test accuracy (%)")


PLOTS = (
    Plot(_draw_figure_3, "Figure 3: one review"),
    Plot(_draw_figure_4, "Figure 4: all reviews"),
    Plot(_draw_figure_5, "Figure 5, Table III"),
    Plot(_draw_figure_6, "Figure 6: rest and task"),
    Plot(_draw_brain, "Brain beside network"),
    Plot(_draw_controls, "Controls"),
    Plot(_draw_epochs, "Slopes over training"),
)
