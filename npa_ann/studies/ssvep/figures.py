"""The figures of the tagging study."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from npa.typing import AnyArray
from npa_ann.stimulation.flicker import ContrastFlicker
from npa_ann.studies.frame import Plot
from npa_ann.studies.ssvep.pruning import SCOPES
from npa_ann.studies.ssvep.tables import PUBLISHED_IMPORTANT
from npa_ann.studies.ssvep.tagging import FPS, SCORES, TAGS, Responses, layer_of, score, sides

_LEFT, _RIGHT, _BOTH = "tab:blue", "tab:orange", "tab:green"
_COLOURS = {"a": "tab:blue", "b": "tab:orange", "c": "tab:gray"}
_N_SHOWN, _N_FRAMES, _FRAME_STEP = (
    4,
    8,
    int(FPS / 12),
)  # images, frames, frames from one to the next


def _draw_frames(pixels: AnyArray) -> Figure:
    """Draw images flickering."""
    frames = ContrastFlicker(TAGS, "halves", FPS).fit_transform(pixels[:_N_SHOWN] / 255.0)
    size = (8, 1.1 * len(frames))
    figure, axes = plt.subplots(
        len(frames), _N_FRAMES, figsize=size, layout="constrained", squeeze=False
    )
    for row, movie in zip(axes, frames[:], strict=True):
        for number, ax in enumerate(row):
            ax.imshow(movie[number * _FRAME_STEP])
            ax.set(xticks=[], yticks=[])
    for number, ax in enumerate(axes[0]):
        ax.set_title(f"{number * _FRAME_STEP / FPS:.2f} s", fontsize=8)
    return figure


def _draw_spectra(clean: dict[str, Responses], networks: tuple[str, ...]) -> Figure:
    """Draw the spectra of three filters."""
    responses = clean[networks[0]]
    found, strongest = sides(responses), responses["amplitudes"].mean(axis=0).max(axis=1)
    layers = layer_of(responses["filters"])
    # A filter that hardly responds may follow one side by chance.
    medians = {layer: np.median(strongest[layers == layer]) for layer in dict.fromkeys(layers)}
    responsive = np.flatnonzero(strongest >= [medians[layer] for layer in layers])
    balance, mixing = found["balance"][responsive], found["mixing"][responsive]
    chosen = {
        "follows the left half": (responsive[balance.argmax()], _LEFT),
        "follows the right half": (responsive[balance.argmin()], _RIGHT),
        "mixes both": (responsive[mixing.argmax()], _BOTH),
    }
    spectrum = responses["spectrum"]
    freqs = np.arange(spectrum.shape[1]) * FPS / 2 / (spectrum.shape[1] - 1)
    shown = (freqs > 0) & (freqs <= 25)
    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(7, 6), layout="constrained")
    for ax, (what, (number, colour)) in zip(axes, chosen.items(), strict=True):
        ax.stem(freqs[shown], spectrum[number][shown], colour, markerfmt=" ", basefmt=" ")
        ax.set(title=f"{responses['filters'][number]}: {what}", ylabel="Amplitude", ylim=(0, None))
        top = 1.15 * ax.get_ylim()[1]  # room for the names above the bars
        ax.set_ylim(0, top)
        for name, frequency in (("f1", TAGS[0]), ("f2", TAGS[1]), ("f1+f2", sum(TAGS))):
            ax.annotate(name, (frequency, top), ha="center", va="top", fontsize=8)
    axes[-1].set_xlabel("Frequency (Hz)")
    return figure


def _draw_important(
    clean: dict[str, Responses], noisy: dict[str, Responses], networks: tuple[str, ...]
) -> Figure:
    """Draw the share of filters above each threshold."""
    responses = clean[networks[0]]
    scores, layers = score(responses, noisy[networks[0]]), layer_of(responses["filters"])
    present = [str(name) for name in dict.fromkeys(layers) if not name.startswith("conv")]
    shown = [name for name in present if _number(name) in PUBLISHED_IMPORTANT]
    thresholds = np.logspace(-1, 3, 200)
    figure, axes = plt.subplots(
        1, len(shown), sharey=True, figsize=(3 * len(shown), 3), layout="constrained", squeeze=False
    )
    for ax, layer in zip(axes[0], shown, strict=True):
        for name in SCORES:
            own = scores[name][layers == layer]
            share = (own[:, np.newaxis] > thresholds).mean(axis=0)
            ax.plot(thresholds, 100 * share, color=_COLOURS[name], label=f"score {name}")
        published, size = PUBLISHED_IMPORTANT[_number(layer)], (layers == layer).sum()
        if published <= size:
            ax.plot(1.5, 100 * published / size, "kx", label="published")
        ax.axvline(1.5, color="k", lw=0.5, ls=":")
        ax.set(xscale="log", title=layer, xlabel="Threshold")
    axes[0, 0].set_ylabel("Filters above it (%)")
    axes[0, 0].legend(fontsize=8)
    return figure


def _draw_map(results: dict[str, Any]) -> Figure:
    """Draw shares of filters by side, and mixing, layer by layer."""
    found = {
        _number(name): values
        for name, values in next(iter(results["networks"].values()))["sides"].items()
        if not name.startswith("conv")
    }
    left, right, integrating, mixing = (
        np.array([values[name] for values in found.values()])
        for name in ("left", "right", "integrating", "mixing")
    )
    numbers = list(found)
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    axes[0].bar(numbers, 100 * left, color=_LEFT, label="left half")
    axes[0].bar(numbers, 100 * right, bottom=100 * left, color=_RIGHT, label="right half")
    axes[0].set(ylabel="Filters (%)", ylim=(0, 100))
    axes[0].plot(numbers, 100 * integrating, "o-", color=_BOTH, label="integrating")
    axes[0].legend()
    axes[1].plot(numbers, mixing, "o-", color=_BOTH)
    axes[1].set(xlabel="Nonlinearity", ylabel="Mixing (median)", ylim=(0, None))
    return figure


def _draw_stability(results: dict[str, Any]) -> Figure:
    """Draw agreement between halves of the images."""
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for shift, (name, layers) in zip((-0.2, 0.0, 0.2), results["stability"].items(), strict=True):
        known = {
            _number(layer): values
            for layer, values in layers.items()
            if layer != "all" and values[0] is not None
        }
        if not known:
            continue
        median, low, high = np.transpose(list(known.values()))
        ax.errorbar(
            np.array(list(known)) + shift,
            median,
            [median - low, high - median],
            fmt="o",
            ms=3,
            lw=1,
            color=_COLOURS[name],
            label=f"score {name}",
        )
    ax.set(xlabel="Nonlinearity", ylabel="Rank correlation", ylim=(None, 1.02))
    ax.legend()
    return figure


def _draw_pruning(results: dict[str, Any]) -> Figure:
    """Draw accuracy over the share of filters that were removed."""
    pruning = results["pruning"]
    titles = {"global": "of all filters", "layer": "of each layer"}
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 3.5), layout="constrained")
    for ax, scope in zip(axes, SCOPES, strict=True):
        for name, by_fraction in pruning[scope].items():
            if name == "tagging minus":
                continue
            shares = [0, *(100 * float(fraction) for fraction in by_fraction)]
            accuracies = [100 * value for value in (pruning["whole"], *by_fraction.values())]
            ax.plot(shares, accuracies, "o-", ms=4, label=name)
        ax.set(title=titles[scope], xlabel="Filters removed (%)")
    axes[0].set_ylabel("Test accuracy (%)")
    axes[1].legend()
    return figure


def _draw_activations(results: dict[str, Any]) -> Figure:
    """Draw new terms by nonlinearity."""
    found = results["activations"]
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    places = np.arange(len(found))
    for shift, kind in ((-0.2, "harmonics"), (0.2, "intermodulation")):
        heights = [max(values[kind], 1e-9) for values in found.values()]
        ax.bar(places + shift, heights, width=0.4, label=kind)
    labels = [name.replace(", ", ",\n") for name in found]
    ax.set(yscale="log", ylabel="Over the tags", xticks=places, xticklabels=labels)
    ax.legend()
    return figure


def _number(layer: str) -> int:
    """Return the number of a layer."""
    return int(layer.rpartition("_")[2])


PLOTS = (
    Plot(
        _draw_frames,
        "What is shown",
        "Four test images in frames a twelfth of a second apart: left half at 6 Hz, right half "
        "at 7.5 Hz.",
    ),
    Plot(
        _draw_spectra,
        "Three filters",
        "Amplitude averaged over images of the filter that most follows the left half, of the "
        "one that most follows the right half, and of the one that most mixes the two.",
    ),
    Plot(
        _draw_important,
        "Important filters",
        "Share of a layer's filters whose score over all images is above a threshold, layers "
        "1, 4 and 8; crosses: published, at 1.5.",
    ),
    Plot(
        _draw_map,
        "Through the depth",
        "Share of filters after each nonlinearity that follow one half (its tag at least "
        "twice as strong), that integrate both (intermodulation above a tenth of the tags), "
        "and how much filters mix the two (intermodulation over tags).",
    ),
    Plot(
        _draw_stability,
        "Stability",
        "Rank correlation of each layer's scores between two random halves of the images: "
        "median, and 95 % of the splits.",
    ),
    Plot(
        _draw_pruning,
        "Pruning",
        "Accuracy on all test images after the weakest filters are removed.",
    ),
    Plot(
        _draw_activations,
        "Nonlinearities",
        "Responses of untrained networks at frequencies that were not shown.",
    ),
)
