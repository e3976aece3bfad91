"""The figures of the study of rhythms."""

import matplotlib.pyplot as plt
import numpy as np

from npa_ann.studies.rhythms.bridge import READ_FROM, SFREQ
from npa_ann.studies.rhythms.jobs import ABLATIONS, NETWORKS, SPACINGS
from npa_ann.studies.rhythms.results import LECTURE, spread
from npa_ann.studies.rhythms.tables import NAMES, RHYTHMS

_OURS, _LECTURE, _OTHER = "tab:blue", "tab:orange", "tab:gray"


def all_figures(results, measured, pixels):
    """Draw every figure of the study.

    Parameters
    ----------
    results : dict
        What the study found.
    measured : list of dict
        What was measured on each network.
    pixels : array, shape (n_digits, time, 1)
        Digits that were read, in [0, 1].

    Returns
    -------
    figures : dict
        File name to title, caption and `matplotlib.figure.Figure`.

    Examples
    --------
    >>> figures = all_figures(results, measured, pixels)  # doctest: +SKIP
    >>> title, caption, figure = figures["accuracy"]  # doctest: +SKIP
    """
    figures = {
        "accuracy": (
            "Accuracy",
            "Share of the test digits named right: every network of ours, their mean, and the "
            "lecture's mean with its standard error.",
            _draw_accuracy(results["test_accuracy"]),
        )
    }
    resonant = [m for m in measured if m["network"].name == "resonant_rnn"]
    if resonant:
        figures["reading"] = (
            "A digit, and the nodes that read it",
            "Left: the digit. Right: its pixels as they come, step by step, and the trained "
            "resonant nodes, each scaled to its own largest value.",
            _draw_reading(resonant[0], pixels[0]),
        )
        figures["spectra"] = (
            "Power of the nodes",
            "Mean power of every trained node over digits, scaled to its own peak; dotted: the "
            "frequencies that they were designed for.",
            _draw_spectra(resonant[0]["reading"]["trained"], results["frequencies"]["designed"]),
        )
        figures["frequencies"] = (
            "Designed and recorded frequencies",
            "Deviation of the recorded peak from the design, a mark for every network; "
            f"below {READ_FROM:g} Hz from 10 s of ringing, above from digits. Dotted: 5 %.",
            _draw_frequencies(results["frequencies"]),
        )
    figures["slopes"] = (
        "Slopes before and after training",
        "Slope of the power summed over units, a mark for every network; the line is the slope "
        "of the pixels themselves.",
        _draw_slopes(results["slope"], results["input_slope"]),
    )
    if any(results["spacing"][name] for name in (*SPACINGS, *ABLATIONS)):
        figures["rhythms"] = (
            "Which rhythms?",
            "Accuracy of resonant networks with other frequencies, and without learned coupling: "
            "every network, the mean, and its 95 % interval (Student's t).",
            _draw_rhythms(results["spacing"]),
        )
    if results["learning"]:
        figures["learning"] = (
            "Accuracy over training",
            "Share of the validation digits named right after every epoch, a line a network.",
            _draw_learning(results["learning"]),
        )
    return figures


def _draw_accuracy(accuracy):
    """Draw the lecture's table."""
    figure, ax = plt.subplots(layout="constrained")
    for place, name in enumerate(NETWORKS):
        values = accuracy[name]
        ax.plot(values, np.full(len(values), place - 0.1), "o", color=_OURS, alpha=0.6)
        if values:
            ax.plot(np.mean(values), place - 0.1, "|", ms=24, mew=2, color=_OURS)
        if name in LECTURE:
            mean, error, _ = LECTURE[name]
            ax.errorbar(mean, place + 0.15, xerr=error, fmt="s", color=_LECTURE, capsize=3)
    for label, style, colour in (("ours", "o", _OURS), ("lecture, mean (SEM)", "s", _LECTURE)):
        ax.plot([], [], style, color=colour, label=label)
    ax.set(
        yticks=range(len(NETWORKS)),
        yticklabels=[NAMES[name].replace(" (", "\n(") for name in NETWORKS],
        ylim=(len(NETWORKS) - 0.5, -0.5),
        xlabel="Accuracy on test digits",
    )
    ax.legend(frameon=False)
    return figure


def _draw_reading(measured, pixels):
    """Draw a digit and what the nodes do with it."""
    from npa_ann.recording.recorder import ActivationRecorder

    model = measured["network"].model()
    epochs = ActivationRecorder(model, "rhythm", "x", sfreq=SFREQ).fit_transform(pixels[None])
    nodes = epochs.get_data()[0]
    side = round(len(pixels) ** 0.5)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 5), width_ratios=(1, 3), layout="constrained"
    )
    left.imshow(pixels[: side**2].reshape(side, side), cmap="gray_r")
    left.set_axis_off()
    right.plot(pixels[:, 0] * 0.8, color="k", lw=0.6)
    for place, node in enumerate(nodes, start=1):
        right.plot(place + 0.45 * node / np.abs(node).max(), color=_OURS, lw=0.6)
    right.set(xlabel="Step (ms)", ylabel="Pixel, then nodes from slow to fast", yticks=[])
    right.margins(x=0)
    return figure


def _draw_spectra(reading, designed):
    """Draw every node's spectrum and the frequency that it was designed for."""
    figure, ax = plt.subplots(layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(designed)))
    for power, frequency, colour in zip(reading.power, designed, colours, strict=True):
        ax.loglog(reading.freqs, power / power.max(), lw=0.8, color=colour)
        ax.axvline(frequency, ls=":", lw=0.8, color=colour)
    ax.set(
        xlim=(1, SFREQ / 2),
        ylim=(1e-6, 2),
        xlabel="Frequency (Hz)",
        ylabel="Power, relative to the node's peak",
    )
    return figure


def _draw_frequencies(found):
    """Draw how far each node is from its design."""
    designed = np.array(found["designed"])
    figure, ax = plt.subplots(layout="constrained")
    marks = {"untrained": ("o", _OTHER, 0.97), "trained": ("x", _OURS, 1.03)}
    for state, (marker, colour, shift) in marks.items():
        for number, peaks in enumerate(found[state]["recorded"]):
            percent = 100 * (np.array(peaks) / designed - 1)
            label = state if number == 0 else None
            ax.semilogx(designed * shift, percent, marker, color=colour, label=label)
    for limit in (-5, 5):
        ax.axhline(limit, ls=":", lw=0.8, color="k")
    ax.axvline(READ_FROM, lw=0.5, color="k")
    ax.set(xlabel="Designed frequency (Hz)", ylabel="Recorded less designed (%)")
    ax.legend(frameon=False, loc="upper right")
    return figure


def _draw_slopes(slopes, pixels):
    """Draw the slopes of every network before and after its training."""
    figure, ax = plt.subplots(layout="constrained")
    for place, found in enumerate(slopes.values()):
        for pair in zip(found["untrained"], found["trained"], strict=True):
            ax.plot([place - 0.15, place + 0.15], pair, "-", color=_OTHER, lw=0.8)
            ax.plot(place - 0.15, pair[0], "o", mfc="w", color=_OURS)
            ax.plot(place + 0.15, pair[1], "o", color=_OURS)
    ax.plot([], [], "o", mfc="w", color=_OURS, label="untrained")
    ax.plot([], [], "o", color=_OURS, label="trained")
    if pixels is not None:
        ax.axhline(pixels, lw=0.8, color="k", label="pixels")
    ax.set(
        xticks=range(len(slopes)),
        xticklabels=[NAMES[name].partition(" (")[0] for name in slopes],
        ylabel="Slope $\\beta$",
    )
    ax.legend(frameon=False)
    return figure


def _draw_rhythms(spacing):
    """Draw the accuracies of all rhythms, best mean on top."""
    found = {name: spread(values) for name, values in spacing.items() if values}
    ranked = sorted(found, key=lambda name: -found[name]["mean"])
    figure, ax = plt.subplots(layout="constrained")
    for place, name in enumerate(ranked):
        mean, high = found[name]["mean"], found[name]["high"]
        error = None if high is None else high - mean
        ax.plot(spacing[name], np.full(len(spacing[name]), place - 0.1), "o", color=_OURS)
        ax.errorbar(mean, place + 0.15, xerr=error, fmt="|", color="k", capsize=3)
    ax.set(
        yticks=range(len(ranked)),
        yticklabels=[RHYTHMS[name].replace(" (", "\n(") for name in ranked],
        ylim=(len(ranked) - 0.5, -0.5),
        xlabel="Accuracy on test digits",
    )
    return figure


def _draw_learning(learning):
    """Draw validation accuracy over epochs, a panel for the networks and one for the rhythms."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    groups = ((NETWORKS, NAMES), ((*SPACINGS, *ABLATIONS), RHYTHMS))
    for ax, (names, labels) in zip(axes, groups, strict=True):
        for number, name in enumerate(names):
            curves = [curve for job, curve in learning.items() if job.rpartition("_")[0] == name]
            for k, curve in enumerate(curves):
                label = labels[name].partition(" (")[0] if k == 0 else None
                ax.plot(curve, color=f"C{number}", lw=1, label=label)
        ax.set(xlabel="Epoch")
        if ax.lines:
            ax.legend(frameon=False)
    axes[0].set(ylabel="Accuracy on validation digits")
    return figure
