"""The 1/f study's figures."""

import matplotlib.pyplot as plt
import numpy as np

from npa_ann.studies.one_over_f.results import PAPER
from npa_ann.studies.slopes import SIGNALS

_OURS, _PAPERS, _OTHER = "tab:blue", "tab:orange", "tab:gray"


def all_figures(results, lstms):
    """Draw every figure of the study.

    Parameters
    ----------
    results : dict
        What the study found.
    lstms : list of dict
        What was measured on each network.

    Returns
    -------
    figures : dict
        File name to title, caption and `matplotlib.figure.Figure`.

    Examples
    --------
    >>> figures = all_figures(results, lstms)  # doctest: +SKIP
    >>> title, caption, figure = figures["figure_3"]  # doctest: +SKIP
    """
    figures = {
        "figure_3": (
            "Figure 3: one review",
            "Power of one review's embedded words (x) and of what they stir in h, summed over "
            "cells, with their lines.",
            _draw_review(lstms[0]["spectra"]),
        ),
        "figure_4": (
            "Figure 4: all reviews",
            "Slopes of h and of the input over all long reviews of one network, and one against "
            "the other.",
            _draw_reviews(lstms[0]["slopes"]["trained"], results["review_against_input"]),
        ),
        "figure_5": (
            "Figure 5, Table III",
            "Mean slope of every signal; bars: SD over networks.",
            _draw_slopes(results["slope"]),
        ),
        "figure_6": (
            "Figure 6: rest and task",
            "Slope for zero vectors minus slope for reviews, network by network: as the paper, and "
            "without the start-up (first 50 steps dropped, Hann window).",
            _draw_rest(results),
        ),
        "brain": (
            "Brain beside network",
            "The same measure on real EEG and on h, and the paper's references.",
            _draw_brain(results),
        ),
        "controls": (
            "Controls",
            "Slopes of trained networks on reviews, and on reviews whose order is broken.",
            _draw_controls(results["controls"]),
        ),
    }
    if any(lstm["accuracies"] for lstm in lstms):
        figures["epochs"] = (
            "Slopes over training",
            "Mean slope of h and test accuracy after every epoch, a line a network.",
            _draw_epochs(results["over_epochs"]),
        )
    return figures


def _draw_review(spectra):
    """Draw one review's spectra and their lines."""
    figure, ax = plt.subplots(layout="constrained")
    for name, colour in {"h": _OURS, "x": _OTHER}.items():
        slope, intercept = spectra[f"{name}_line"]
        ax.loglog(spectra["freqs"], spectra[name], lw=0.8, alpha=0.7, color=colour)
        line = 10**intercept * spectra["freqs"] ** slope
        label = f"{name}: $\\beta$ = {slope:.2f}"
        ax.loglog(spectra["freqs"], line, "--", lw=2, color=colour, label=label)
    ax.set(xlabel="Frequency (cycles per word)", ylabel="Power, summed over cells")
    ax.legend(frameon=False)
    return figure


def _draw_reviews(slopes, against):
    """Draw histograms and scatter of h's slope and the input's."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for name, colour in {"h": _OURS, "x": _OTHER}.items():
        values = slopes[name][np.isfinite(slopes[name])]
        label = f"{name}: {values.mean():+.2f} ± {values.std(ddof=1):.2f}"
        left.hist(values, bins=30, color=colour, alpha=0.7, label=label)
    left.axvline(PAPER["h_of_one_network"][0], ls=":", color=_PAPERS, label="paper, h and x")
    left.axvline(PAPER["x"][0], ls=":", color=_PAPERS)
    left.set(xlabel="Slope $\\beta$", ylabel="Reviews")
    left.legend(frameon=False)
    right.plot(slopes["x"], slopes["h"], ".", ms=3, color=_OURS)
    right.set(xlabel="Slope of the input", ylabel="Slope of h")
    r2 = against["networks"][0]
    right.set_title(f"R² = {'-' if r2 is None else format(r2, '.3f')} (paper {PAPER['r2']})")
    return figure


def _draw_slopes(slopes):
    """Draw Table III as points."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 4), layout="constrained")
    places = np.arange(len(SIGNALS))
    for ax, state in zip(axes, ("untrained", "trained"), strict=True):
        ours = [slopes[state][signal] for signal in SIGNALS]
        spread = [summary["sd_networks"] or 0 for summary in ours]
        means = [summary["mean"] for summary in ours]
        ax.errorbar(places - 0.1, means, spread, fmt="o", color=_OURS, capsize=3, label="ours")
        theirs = [PAPER["slope"][state][signal] for signal in SIGNALS]
        ax.plot(places + 0.1, theirs, "s", color=_PAPERS, label="paper")
        ax.axhline(0, lw=0.5, color="k")
        ax.set(title=state, xticks=places, xticklabels=SIGNALS)
    axes[0].set_ylabel("Slope $\\beta$")
    axes[0].legend(frameon=False)
    return figure


def _draw_rest(results):
    """Draw rest minus task, network by network."""
    figure, ax = plt.subplots(layout="constrained")
    kinds = {"rest_minus_task": ("as the paper", -0.1), "rest_minus_task_settled": ("settled", 0.1)}
    for (key, (label, shift)), colour in zip(kinds.items(), (_OURS, _OTHER), strict=True):
        for place, signal in enumerate(SIGNALS):
            values = np.array(results[key][signal]["networks"], float)
            name = label if place == 0 else None
            at = np.full(len(values), place + shift)
            ax.plot(at, values, "o", color=colour, alpha=0.7, label=name)
    ax.axhline(0, lw=0.5, color="k")
    ax.set(
        xticks=range(len(SIGNALS)),
        xticklabels=SIGNALS,
        ylabel="Slope at rest - slope at task\n(below 0: more negative at rest, the paper's sign)",
    )
    ax.legend(frameon=False)
    return figure


def _draw_brain(results):
    """Draw EEG, network and the paper's references in one row each."""
    rows = [(f"EEG, {name}", b["mean"], b["sd"], _OURS) for name, b in results["brain"].items()]
    for state in ("untrained", "trained"):
        h = results["slope"][state]["h"]
        rows.append((f"h of the LSTM, {state}", h["mean"], h["sd_reviews"], "tab:green"))
    rows += [(f"{name} (paper)", *pair, _PAPERS) for name, pair in PAPER["brain"].items()]
    figure, ax = plt.subplots(layout="constrained")
    for place, (_, mean, sd, colour) in enumerate(rows):
        ax.errorbar(mean, place, xerr=sd, fmt="o", color=colour, capsize=3)
    ax.set(yticks=range(len(rows)), yticklabels=[row[0] for row in rows], xlabel="Slope $\\beta$")
    ax.invert_yaxis()
    return figure


def _draw_controls(controls):
    """Draw the slopes of every signal under every control."""
    figure, ax = plt.subplots(layout="constrained")
    signals = (*SIGNALS, "x")
    for marker, (name, found) in zip("osd^", controls.items(), strict=False):
        ax.plot(signals, [found[signal]["mean"] for signal in signals], marker, label=name)
    ax.axhline(0, lw=0.5, color="k")
    ax.set(ylabel="Slope $\\beta$")
    ax.legend(frameon=False)
    return figure


def _draw_epochs(found):
    """Draw h's slope and the accuracy over training."""
    figure, (upper, lower) = plt.subplots(2, 1, sharex=True, layout="constrained")
    for slopes, accuracy in zip(found["h"], found["accuracy"], strict=True):
        upper.plot(slopes, "o-", ms=3)
        lower.plot([100 * value for value in accuracy], "o-", ms=3)
    upper.axhline(PAPER["slope"]["trained"]["h"], ls=":", color="k", label="paper, trained")
    upper.set(ylabel="Slope of h")
    upper.legend(frameon=False)
    lower.set(xlabel="Epoch", ylabel="Test accuracy (%)")
    return figure
