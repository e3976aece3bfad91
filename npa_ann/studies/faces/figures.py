"""The figures of the faces study."""

import matplotlib as mpl
import mne
import numpy as np
from matplotlib.figure import Figure

from npa_ann.studies.faces.conditions import CONDITIONS
from npa_ann.studies.faces.material import WINDOWS

_COLORS = dict(zip(CONDITIONS, mpl.colormaps["tab10"].colors, strict=False))


def all_figures(results, material):
    """Draw every figure of the study.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.faces.run` returned.
    material : dict
        Data set to what its figures show.

    Returns
    -------
    figures : dict
        File name to title, caption and `matplotlib.figure.Figure`.

    Examples
    --------
    >>> all_figures({"accuracy": {}}, {})
    {}
    """
    figures = {}
    if material:
        figures["fits"] = (
            "Figure 5: how well spectra and filters fit",
            "r2 of FOOOF's model of the spectrum, and of the amplifier's realised gain against the "
            "ideal one; one dot a recording.",
            draw_fits(material),
        )
    for dataset, own in material.items():
        tag = "".join(c if c.isalnum() else "_" for c in dataset)
        if any(results["accuracy"].get(dataset, {}).values()):
            figures[f"accuracy_{tag}"] = (
                f"Figure 6: accuracy, {dataset}",
                "Balanced accuracy of every fold; the dashed line is chance.",
                draw_accuracy(results["accuracy"][dataset], dataset),
            )
        for decoder, curves in own["curves"].items():
            figures[f"training_{tag}_{''.join(filter(str.isalpha, decoder))}"] = (
                f"Figure 6: training, {dataset}, {decoder}",
                "Loss in every epoch, one line a fold; dashed: held-out trials. The dotted line is "
                "the loss of guessing.",
                draw_training(curves, f"{dataset}: {decoder}"),
            )
        figures[f"erp_{tag}"] = (
            f"Figure 7: differences, {dataset}",
            f"Mean response to {own['labels'][0]} minus that to {own['labels'][1]}, averaged over "
            "the channels named and over subjects; each condition divided by its largest absolute "
            "value from the picture on. Shaded: N170 (140-200 ms) and P300 (300-460 ms).",
            draw_responses(own, dataset),
        )
        if own["maps"]:
            figures[f"maps_{tag}"] = (
                f"Topographies, {dataset}",
                "The same difference over the scalp, in the mean of each window; every map has its "
                "own scale, from minus to plus its largest absolute value.",
                draw_maps(own, dataset),
            )
    return figures


def draw_fits(material):
    """Draw the r2 of spectra and filters.

    Parameters
    ----------
    material : dict
        Data set to its material.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One panel for FOOOF, one for the filters.

    Examples
    --------
    >>> r2 = {"run": ["a/0"], "FOOOF": [0.9], "filters": [0.999]}
    >>> len(draw_fits({"made up": {"r2": r2}}).axes)
    2
    """
    figure, axes = _panels(1, 2, (9, 3.5))
    for ax, name in zip(axes[0], ("FOOOF", "filters"), strict=True):
        lowest = 0.95
        for place, own in enumerate(material.values()):
            values = np.array(own["r2"][name], dtype=float)
            lowest = min(lowest, np.nanmin(values, initial=lowest))
            shift = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else [0.0]
            ax.plot(place + np.asarray(shift), values, "o", ms=4, alpha=0.7, color="tab:blue")
        ax.set_xticks(range(len(material)), list(material), rotation=30, ha="right")
        ax.set(title=name, ylabel="r²", ylim=(lowest - 0.02, 1.01))
        ax.set_xlim(-0.5, len(material) - 0.5)
    return figure


def draw_accuracy(cells, title):
    """Draw a box of the folds' balanced accuracy for each decoder and condition.

    Parameters
    ----------
    cells : dict
        Condition to decoder to cell.
    title : str
        Name of the data set.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One group of boxes a decoder.

    Examples
    --------
    >>> fold = {"fold": "a", "balanced_accuracy": 0.6}
    >>> figure = draw_accuracy({"raw": {"LDA": {"folds": [fold, fold]}}}, "made up")
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['LDA']
    """
    decoders = list(dict.fromkeys(name for own in cells.values() for name in own))
    figure, ((ax,),) = _panels(1, 1, (2.5 + 2.2 * len(decoders), 4))
    width = 0.8 / max(len(cells), 1)
    for number, (condition, own) in enumerate(cells.items()):
        folds = [
            [fold["balanced_accuracy"] for fold in own[name]["folds"]] if name in own else []
            for name in decoders
        ]
        places = np.arange(len(decoders)) + (number - (len(cells) - 1) / 2) * width
        boxes = ax.boxplot(
            folds,
            positions=places,
            widths=0.8 * width,
            patch_artist=True,
            flierprops={"ms": 3},
            medianprops={"color": "k"},
        )
        color = _COLORS.get(condition, "tab:gray")
        for box in boxes["boxes"]:
            box.set(facecolor=color, alpha=0.6)
        ax.plot([], [], "s", color=color, alpha=0.6, label=condition)
    ax.axhline(0.5, color="k", ls="--", lw=0.8)
    ax.set_xticks(range(len(decoders)), decoders)
    ax.set(ylabel="Balanced accuracy", title=title, xlim=(-0.5, len(decoders) - 0.5))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_training(curves, title):
    """Draw the loss of every fold over the epochs.

    Parameters
    ----------
    curves : dict
        Condition to fold to ``loss`` and perhaps ``val_loss``.
    title : str
        What was trained.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One panel a condition.

    Examples
    --------
    >>> figure = draw_training({"raw": {"a": {"loss": [0.7, 0.6]}}}, "made up")
    >>> figure.axes[0].get_title()
    'raw'
    """
    figure, axes = _panels(1, len(curves), (1 + 2.2 * len(curves), 3), sharey=True)
    for ax, (condition, folds) in zip(axes[0], curves.items(), strict=True):
        color = _COLORS.get(condition, "tab:gray")
        for history in folds.values():
            ax.plot(history["loss"], color=color, lw=0.9)
            ax.plot(history.get("val_loss", []), color=color, lw=0.9, ls="--", alpha=0.6)
        ax.axhline(np.log(2), color="k", lw=0.8, ls=":")
        ax.set(title=condition, xlabel="Epoch")
    axes[0, 0].set_ylabel("Loss (nats)")
    figure.suptitle(title)
    return figure


def draw_responses(own, title):
    """Draw the normalised difference of mean responses under every condition.

    Parameters
    ----------
    own : dict
        What `npa_ann.studies.faces.material.mean_responses` returned.
    title : str
        Name of the data set.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One panel a group of channels.

    Examples
    --------
    >>> own = {"times": [0.0, 0.1], "sites": {"P300": ["Pz"]}}
    >>> own["erp"] = {"raw": {"P300": [1e-6, -2e-6]}}
    >>> draw_responses(own, "made up").axes[0].lines[0].get_ydata().tolist()
    [0.5, -1.0]
    """
    sites = own["sites"]
    n_panels = max(len(sites), 1)
    figure, axes = _panels(1, n_panels, (1.5 + 4.2 * n_panels, 3.5))
    times = 1e3 * np.array(own["times"])
    for ax, (name, channels) in zip(axes[0], sites.items(), strict=False):
        for condition, curves in own["erp"].items():
            curve = np.array(curves[name])
            height = np.abs(curve[times >= 0]).max() or 1.0
            ax.plot(times, curve / height, label=condition, color=_COLORS.get(condition), lw=1.2)
        for start, stop in WINDOWS.values():
            ax.axvspan(1e3 * start, 1e3 * stop, color="0.85", zorder=0)
        for window, (start, stop) in WINDOWS.items():
            ax.text(500 * (start + stop), 1.08, window, ha="center", va="bottom", fontsize=8)
        ax.axhline(0, color="k", lw=0.5)
        ax.set(xlabel="Time (ms)", xlim=times[[0, -1]], ylim=(-1.25, 1.25))
        ax.set_title(", ".join(channels), pad=12)
    axes[0, 0].set_ylabel("Difference (normalised)")
    axes[0, -1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.suptitle(title)
    return figure


def draw_maps(own, title):
    """Draw the difference of mean responses over the scalp, by condition and window.

    Parameters
    ----------
    own : dict
        What `npa_ann.studies.faces.material.mean_responses` returned, with maps.
    title : str
        Name of the data set.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One row a window, one column a condition.

    Examples
    --------
    >>> draw_maps(material["simulated, effect 1"], "simulated")  # doctest: +SKIP
    """
    conditions = list(own["maps"])
    figure, axes = _panels(len(WINDOWS), len(conditions), (0.5 + 1.7 * len(conditions), 4))
    names = [name for name in own["ch_names"] if name in own["positions"]]
    rows = [own["ch_names"].index(name) for name in names]
    info = mne.create_info(names, 100.0, "eeg")
    positions = {name: own["positions"][name] for name in names}
    info.set_montage(mne.channels.make_dig_montage(positions, coord_frame="head"))
    for column, condition in enumerate(conditions):
        for row, window in enumerate(WINDOWS):
            values = np.array(own["maps"][condition][window])[rows]
            limit = np.abs(values).max() or 1.0
            ax = axes[row, column]
            mne.viz.plot_topomap(
                values / limit, info, axes=ax, show=False, vlim=(-1, 1), contours=4, sensors=True
            )
            if row == 0:
                ax.set_title(condition, fontsize=9)
            if column == 0:
                ax.set_ylabel(window)
    figure.suptitle(title)
    return figure


def _panels(n_rows, n_columns, size, **options):
    """Make a figure that pyplot does not keep: there is one for every data set and decoder."""
    figure = Figure(size, layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **options)
