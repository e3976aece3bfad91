"""The tagging study's figures."""

import matplotlib.pyplot as plt
import numpy as np

from npa_ann.stimulation.flicker import ContrastFlicker
from npa_ann.studies.ssvep.pruning import SCOPES
from npa_ann.studies.ssvep.results import PAPER
from npa_ann.studies.ssvep.tagging import FPS, SCORES, TAGS, layer_of, score, sides

_LEFT, _RIGHT, _BOTH = "tab:blue", "tab:orange", "tab:green"
_COLOURS = {"a": "tab:blue", "b": "tab:orange", "c": "tab:gray"}


def all_figures(results, measured):
    """Draw every figure of the study.

    Parameters
    ----------
    results : dict
        What the study found.
    measured : dict
        What was measured.

    Returns
    -------
    figures : dict
        File name to title, caption and `matplotlib.figure.Figure`.

    Examples
    --------
    >>> figures = all_figures(results, measured)  # doctest: +SKIP
    """
    first = next(iter(measured["networks"].values()))
    clean, noisy = first["clean"], first["noisy"]
    sides_found = next(iter(results["networks"].values()))["sides"]
    return {
        "frames": (
            "What is shown",
            "Four test images in frames a twelfth of a second apart: left half at 6 Hz, right half "
            "at 7.5 Hz.",
            _draw_frames(measured["images"]),
        ),
        "spectra": (
            "Three filters",
            "Amplitude averaged over images of the filter that most follows the left half, of the "
            "one that most follows the right half, and of the one that most mixes the two.",
            _draw_spectra(clean),
        ),
        "important": (
            "Important filters",
            "Share of a layer's filters whose score over all images is above a threshold, layers "
            "1, 4 and 8; crosses: the paper at 1.5.",
            _draw_important(clean, noisy),
        ),
        "map": (
            "Through the depth",
            "Share of filters behind each nonlinearity that follow one half (its tag at least "
            "twice as strong), that integrate both (intermodulation above a tenth of the tags), "
            "and how much filters mix the two (intermodulation over tags).",
            _draw_map(sides_found),
        ),
        "stability": (
            "Stability",
            "Rank correlation of each layer's scores between two random halves of the images: "
            "median, and 95 % of the splits.",
            _draw_stability(results["stability"]),
        ),
        "pruning": (
            "Pruning",
            "Accuracy on all test images after the weakest filters are removed.",
            _draw_pruning(results["pruning"]),
        ),
        "activations": (
            "Nonlinearities",
            "What untrained networks answer at frequencies that were not shown.",
            _draw_activations(results["activations"]),
        ),
    }


def _draw_frames(images, n_images=4, n_frames=8):
    """Draw images flickering."""
    frames = ContrastFlicker(TAGS, "halves", FPS).fit_transform(images[:n_images] / 255.0)
    n_images = min(n_images, len(images))
    step = int(FPS / 12)
    figure, axes = plt.subplots(
        n_images, n_frames, figsize=(8, 1.1 * n_images), layout="constrained", squeeze=False
    )
    for row, movie in zip(axes, frames[:], strict=True):
        for number, ax in enumerate(row):
            ax.imshow(movie[number * step])
            ax.set(xticks=[], yticks=[])
    for number, ax in enumerate(axes[0]):
        ax.set_title(f"{number / 12:.2f} s", fontsize=8)
    return figure


def _draw_spectra(clean):
    """Draw the spectra of three filters."""
    found, loud = sides(clean), clean["amplitudes"].mean(axis=0).max(axis=1)
    layers = layer_of(clean["filters"])
    # A filter that hardly answers may lean to one side by chance.
    usual = {layer: np.median(loud[layers == layer]) for layer in dict.fromkeys(layers)}
    heard = np.flatnonzero(loud >= [usual[layer] for layer in layers])
    chosen = {
        "follows the left half": (heard[found["balance"][heard].argmax()], _LEFT),
        "follows the right half": (heard[found["balance"][heard].argmin()], _RIGHT),
        "mixes both": (heard[found["mixing"][heard].argmax()], _BOTH),
    }
    freqs = np.arange(clean["spectrum"].shape[1]) * FPS / 2 / (clean["spectrum"].shape[1] - 1)
    shown = (freqs > 0) & (freqs <= 25)
    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(7, 6), layout="constrained")
    for ax, (what, (number, colour)) in zip(axes, chosen.items(), strict=True):
        ax.stem(freqs[shown], clean["spectrum"][number][shown], colour, markerfmt=" ", basefmt=" ")
        ax.set(title=f"{clean['filters'][number]}: {what}", ylabel="Amplitude", ylim=(0, None))
        top = 1.15 * ax.get_ylim()[1]  # room for the names above the bars
        ax.set_ylim(0, top)
        for name, frequency in (("f1", TAGS[0]), ("f2", TAGS[1]), ("f1+f2", sum(TAGS))):
            ax.annotate(name, (frequency, top), ha="center", va="top", fontsize=8)
    axes[-1].set_xlabel("Frequency (Hz)")
    return figure


def _draw_important(clean, noisy):
    """Draw the share of filters above every threshold."""
    scores, layers = score(clean, noisy), layer_of(clean["filters"])
    present = [name for name in dict.fromkeys(layers) if not name.startswith("conv")]
    shown = [name for name in present if int(name.rpartition("_")[2]) in (1, 4, 8)]
    thresholds = np.logspace(-1, 3, 200)
    figure, axes = plt.subplots(
        1, len(shown), sharey=True, figsize=(3 * len(shown), 3), layout="constrained", squeeze=False
    )
    for ax, layer in zip(axes[0], shown, strict=True):
        for name in SCORES:
            own = scores[name][layers == layer]
            share = (own[:, np.newaxis] > thresholds).mean(axis=0)
            ax.plot(thresholds, 100 * share, color=_COLOURS[name], label=f"score {name}")
        papers = PAPER["important_filters"][int(layer.rpartition("_")[2])]
        size = (layers == layer).sum()
        if papers <= size:
            ax.plot(1.5, 100 * papers / size, "kx", label="paper")
        ax.axvline(1.5, color="k", lw=0.5, ls=":")
        ax.set(xscale="log", title=layer, xlabel="Threshold")
    axes[0, 0].set_ylabel("Filters above it (%)")
    axes[0, 0].legend(fontsize=8)
    return figure


def _draw_map(found):
    """Draw shares of filters by side, and mixing, layer by layer."""
    found = {name: values for name, values in found.items() if not name.startswith("conv")}
    numbers = [int(name.rpartition("_")[2]) for name in found]
    left, right, integrating, mixing = (
        np.array([values[name] for values in found.values()])
        for name in ("left", "right", "integrating", "mixing")
    )
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(7, 5), layout="constrained")
    axes[0].bar(numbers, 100 * left, color=_LEFT, label="left half")
    axes[0].bar(numbers, 100 * right, bottom=100 * left, color=_RIGHT, label="right half")
    axes[0].set(ylabel="Filters (%)", ylim=(0, 100))
    axes[0].plot(numbers, 100 * integrating, "o-", color=_BOTH, label="integrating")
    axes[0].legend()
    axes[1].plot(numbers, mixing, "o-", color=_BOTH)
    axes[1].set(xlabel="Nonlinearity", ylabel="Mixing (median)", ylim=(0, None))
    return figure


def _draw_stability(stability):
    """Draw agreement between halves of the images."""
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for shift, (name, places) in zip((-0.2, 0.0, 0.2), stability.items(), strict=True):
        known = {
            int(place.rpartition("_")[2]): values
            for place, values in places.items()
            if place != "all" and values[0] is not None
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


def _draw_pruning(pruning):
    """Draw accuracy over the share of filters that were removed."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 3.5), layout="constrained")
    for ax, scope in zip(axes, SCOPES, strict=True):
        for name, by_fraction in pruning[scope].items():
            if name == "tagging minus":
                continue
            shares = [0, *(100 * float(fraction) for fraction in by_fraction)]
            hits = [100 * hit for hit in (pruning["whole"], *by_fraction.values())]
            ax.plot(shares, hits, "o-", ms=4, label=name)
        titles = {"global": "of all filters", "layer": "of each layer"}
        ax.set(title=titles[scope], xlabel="Filters removed (%)")
    axes[0].set_ylabel("Test accuracy (%)")
    axes[1].legend()
    return figure


def _draw_activations(found):
    """Draw new terms by nonlinearity."""
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    places = np.arange(len(found))
    for shift, kind in ((-0.2, "harmonics"), (0.2, "intermodulation")):
        heights = [max(values[kind], 1e-9) for values in found.values()]
        ax.bar(places + shift, heights, width=0.4, label=kind)
    labels = [name.replace(", ", ",\n") for name in found]
    ax.set(yscale="log", ylabel="Over the tags", xticks=places, xticklabels=labels)
    ax.legend()
    return figure
