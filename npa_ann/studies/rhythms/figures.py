"""The figures of the study of rhythms."""

from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from npa.typing import AnyArray
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.studies.frame import Plot
from npa_ann.studies.rhythms.jobs import LECTURE, NAMES, RHYTHM_NAMES, RHYTHMS, Job, spread
from npa_ann.studies.rhythms.measures import MIN_DIGIT_FREQ, SFREQ
from npa_ann.studies.rhythms.training import NETWORKS

_OURS, _LECTURE, _OTHER = "tab:blue", "tab:orange", "tab:gray"


def _draw_accuracy(results: dict[str, Any]) -> Figure:
    """Draw the lecture's table."""
    accuracy = results["test_accuracy"]
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


def _draw_reading(models: dict[Job, dict[str, keras.Model]], pixels: AnyArray) -> Figure | None:
    """Draw a digit and the responses of the nodes."""
    model = next((own["trained"] for own in _of_resonant(models)), None)
    if model is None:
        return None
    digit = pixels[0]
    epochs = ActivationRecorder(model, "rhythm", "x", sfreq=SFREQ).fit_transform(digit[None])
    nodes = epochs.get_data()[0]
    side = round(len(digit) ** 0.5)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 5), width_ratios=(1, 3), layout="constrained"
    )
    left.imshow(digit[: side**2].reshape(side, side), cmap="gray_r")
    left.set_axis_off()
    right.plot(digit[:, 0] * 0.8, color="k", lw=0.6)
    for place, node in enumerate(nodes, start=1):
        right.plot(place + 0.45 * node / np.abs(node).max(), color=_OURS, lw=0.6)
    right.set(xlabel="Step (ms)", ylabel="Pixel, then nodes from slow to fast", yticks=[])
    right.margins(x=0)
    return figure


def _draw_spectra(measured: dict[Job, dict[str, Any]], results: dict[str, Any]) -> Figure | None:
    """Draw each node's spectrum and the frequency that it was designed for."""
    reading = next((own["reading"]["trained"] for own in _of_resonant(measured)), None)
    if reading is None:
        return None
    designed = results["frequencies"]["designed"]
    figure, ax = plt.subplots(layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(designed)))
    for power, frequency, colour in zip(reading["power"], designed, colours, strict=True):
        ax.loglog(reading["freqs"], power / power.max(), lw=0.8, color=colour)
        ax.axvline(frequency, ls=":", lw=0.8, color=colour)
    ax.set(
        xlim=(1, SFREQ / 2),
        ylim=(1e-6, 2),
        xlabel="Frequency (Hz)",
        ylabel="Power, relative to the node's peak",
    )
    return figure


def _draw_frequencies(results: dict[str, Any]) -> Figure | None:
    """Draw how far each node is from its design."""
    found = results["frequencies"]
    if found["recorded"] is None:
        return None
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
    ax.axvline(MIN_DIGIT_FREQ, lw=0.5, color="k")
    ax.set(xlabel="Designed frequency (Hz)", ylabel="Recorded less designed (%)")
    ax.legend(frameon=False, loc="upper right")
    return figure


def _draw_slopes(results: dict[str, Any]) -> Figure:
    """Draw the slopes of each network before and after its training."""
    slopes, pixels = results["slope"], results["input_slope"]
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


def _draw_rhythms(results: dict[str, Any]) -> Figure | None:
    """Draw the accuracies of all rhythms, best mean on top."""
    spacing = results["spacing"]
    if not any(spacing[name] for name in RHYTHMS):
        return None
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
        yticklabels=[RHYTHM_NAMES[name].replace(" (", "\n(") for name in ranked],
        ylim=(len(ranked) - 0.5, -0.5),
        xlabel="Accuracy on test digits",
    )
    return figure


def _draw_learning(results: dict[str, Any]) -> Figure | None:
    """Draw validation accuracy over epochs, a panel for the networks and one for the rhythms."""
    learning = results["learning"]
    if not learning:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    groups = ((NETWORKS, NAMES), (RHYTHMS, RHYTHM_NAMES))
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


def _of_resonant(found: dict[Job, Any]) -> list[Any]:
    """Return what was found of resonant networks."""
    return [own for job, own in found.items() if job.name == "resonant_rnn" and own is not None]


PLOTS = (
    Plot(
        _draw_accuracy,
        "Accuracy",
        "Share of the test digits classified correctly: each network of ours, their mean, and the "
        "lecture's mean with its standard error.",
    ),
    Plot(
        _draw_reading,
        "A digit, and the nodes that read it",
        "Left: the digit. Right: its pixels as they come, step by step, and the trained "
        "resonant nodes, each scaled to its own largest value.",
    ),
    Plot(
        _draw_spectra,
        "Power of the nodes",
        "Mean power of each trained node over digits, scaled to its own peak; dotted: the "
        "frequencies that they were designed for.",
    ),
    Plot(
        _draw_frequencies,
        "Designed and recorded frequencies",
        "Deviation of the recorded peak from the design, a mark per network; "
        f"below {MIN_DIGIT_FREQ:g} Hz from 10 s of ringing, above from digits. Dotted: 5 %.",
    ),
    Plot(
        _draw_slopes,
        "Slopes before and after training",
        "Slope of the power summed over units, a mark per network; the line is the slope "
        "of the pixels themselves.",
    ),
    Plot(
        _draw_rhythms,
        "Which rhythms?",
        "Accuracy of resonant networks with other frequencies, and without learned coupling: "
        "each network, the mean, and its 95 % interval (Student's t).",
    ),
    Plot(
        _draw_learning,
        "Accuracy over training",
        "Share of the validation digits classified correctly after each epoch, a line per network.",
    ),
)
