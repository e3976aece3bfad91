"""Tables, figures and conclusions of the faces study."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import mne
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from npa_ann.studies.faces.analysis import WINDOWS
from npa_ann.studies.faces.decoders import LINEAR, LSTMS
from npa_ann.studies.faces.trials import CONDITIONS, MAIN, PASS_BAND, SWITCHES, changes
from npa_ann.studies.frame import Plot
from npa_ann.studies.pages import Row, Table, write_versions

Results = dict[str, Any]
Material = dict[str, dict[str, Any]]

PUBLISHED = 0.98  # accuracy of the LSTM for held-out subjects

_HIGH = 0.9
_ALPHA = 0.05
_NULL = "simulated, effect 0"
_COLORS = {condition: f"C{number}" for number, condition in enumerate(CONDITIONS)}
_MEANING = {
    "raw": "the recording as it came, blinks included",
    "band-pass": f"blinks removed by ICA, {PASS_BAND[0]:g} to {PASS_BAND[1]:g} Hz",
    "high-pass": f"blinks removed, above {PASS_BAND[0]:g} Hz",
    "NPA": "blinks removed, amplified as published: one model, of all channels' spectrum",
    "NPA whitening": "blinks removed, amplified by the inverse of the background",
    "NPA per channel": "blinks removed, amplified by each channel's own model",
    "LDA": "linear discriminant analysis of means of short windows, Ledoit-Wolf shrinkage",
    "xDAWN": "logistic regression of four spatial filters per class, means of 30 ms",
    "LSTM, published": "16 units, gradient descent at the published learning rate for 60 steps",
    "LSTM, converged": "16 units, Adam for up to 60 epochs, early stopping on held-out trials",
}


def compare(results: Results) -> list[Row]:
    """Set the accuracy for held-out subjects beside the published one.

    Examples
    --------
    >>> compare({"accuracy": {}, "datasets": {}})
    []
    """
    rows = []
    for dataset, cells in results["accuracy"].items():
        if results["datasets"][dataset]["split_by"] == "groups":
            for decoder, cell in cells.get("NPA", {}).items():
                label = f"accuracy for held-out subjects after NPA: {dataset}, {decoder}"
                published = PUBLISHED if decoder == LSTMS[0] else None
                rows.append(Row(label, cell["accuracy"], published, ".1%"))
    return rows


def _datasets(results: Results) -> Table | None:
    """List the datasets."""
    rows = []
    for name, facts in results["datasets"].items():
        cut = facts["cut"]
        removed = "line" if cut["detrend"] else "mean"
        rows.append(
            (
                name,
                f"{facts['subjects']} ({facts['recordings']})",
                facts["channels"],
                " : ".join(f"{count} {label}" for label, count in facts["classes"].items()),
                facts["dropped"],
                f"{facts['blinks_removed']} of {facts['recordings']}",
                f"{cut['tmin']:g} to {cut['tmax']:.3g} s, {removed} removed",
                "subjects" if facts["split_by"] == "groups" else "runs of each subject",
            )
        )
    if not rows:
        return None
    header = (
        *("data", "subjects (recordings)", "channels", "trials", "dropped"),
        *("blinks removed", "epochs", "held out in turn"),
    )
    rates = sorted({facts["sfreq"] for facts in results["datasets"].values()})
    note = (
        "The paper's own recordings are not among them unless they are called ft10. Trials are "
        "rejected once, at 800 uV (EEG) and 6 mV (EOG) of the raw epochs, and dropped in all "
        f"conditions alike; then resampled to {', '.join(f'{rate:g} Hz' for rate in rates)}."
    )
    if rates[0] < 2 * PASS_BAND[1]:
        note += (
            f" That ends at {rates[0] / 2:g} Hz, below the upper edge of the band-pass: it and the "
            "high-pass are nearly one condition, and no decoder sees what the amplifier does above."
        )
    return Table("Data", header, rows, note)


def _methods(results: Results) -> Table | None:
    """Say what the names of conditions and decoders mean."""
    table = Table("Conditions and decoders", ("name", "what it is"), list(_MEANING.items()))
    return table if results["datasets"] else None


def _accuracy(results: Results) -> list[Table]:
    """Show all cells of each dataset."""
    given = [
        decoder
        for conditions in results["accuracy"].values()
        for cells in conditions.values()
        for decoder in cells
    ]
    decoders = dict.fromkeys([*LINEAR, *LSTMS, *given])
    header = (
        *("decoder", "condition", "AUC, mean of folds", "AUC, pooled"),
        *("balanced accuracy", "accuracy", "p (Holm)"),
    )
    tables = []
    for dataset, facts in results["datasets"].items():
        cells = results["accuracy"].get(dataset, {})
        rows = []
        for decoder in decoders:
            for condition in CONDITIONS:
                cell = cells.get(condition, {}).get(decoder)
                if condition in facts["failed"] or cell is None:
                    reason = "failed" if condition in facts["failed"] else "not run"
                    rows.append((decoder, condition, reason, *[None] * 4))
                else:
                    rows.append((decoder, condition, *_scores(cell)))
        title, note = f"Accuracy: {dataset}", _accuracy_note(facts, cells)
        tables.append(Table(title, header, rows, note, (*[""] * 5, ".3f", ".3f")))
    return tables


def _scores(cell: Mapping[str, Any]) -> list[Any]:
    """Numbers of one cell."""
    pooled = None
    if "pooled_auc" in cell:
        pooled = _with_interval(cell["pooled_auc"], cell["pooled_interval"])
    balanced = _with_interval(cell["balanced_accuracy"], cell["balanced_accuracy_interval"])
    auc = _with_interval(cell["auc"], cell["interval"])
    return [auc, pooled, balanced, cell["accuracy"], cell.get("p")]


def _accuracy_note(facts: Mapping[str, Any], cells: Mapping[str, Any]) -> str:
    """Say how to read the cells of a dataset."""
    largest = max(facts["classes"], key=facts["classes"].get)
    share = facts["classes"][largest] / sum(facts["classes"].values())
    note = (
        "95 % intervals resample trials of these subjects; the trained decoders stay as they are. "
        f"Always predicting {largest} is correct in {100 * share:.1f} %."
    )
    if counts := _permutations(cells):
        note += (
            " p: one-sided, of the mean of folds; decoders trained again on labels permuted within "
            f"subjects ({', '.join(map(str, counts))} times), corrected over the cells "
            "that have one, linear decoders under the four conditions of the paper."
        )
    failed = [f"{name} failed: {reason}" for name, reason in facts["failed"].items()]
    return " ".join([note, *facts["limits"], *failed])


def _permutations(cells: Mapping[str, Any]) -> list[int]:
    """Numbers of permutations that cells were tested by."""
    every = [cell.get("permutations") for own in cells.values() for cell in own.values()]
    return sorted({count for count in every if count})


def _with_interval(value: float, interval: Sequence[float]) -> str:
    """Write a number and its interval."""
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _difference(found: Mapping[str, Any]) -> str:
    """Write a difference of AUC with its interval."""
    low, high = found["interval"]
    return f"{found['auc']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _audits(results: Results) -> list[Table]:
    """Show what each switch of the published recipe does, one table per decoder."""
    audit = results["audit"]
    decoders = dict.fromkeys(
        decoder
        for datasets in audit.values()
        for conditions in datasets.values()
        for cells in conditions.values()
        for decoder in cells
    )
    tables = []
    for how, folds in (
        ("across", "Subjects held out in turn."),
        ("within", "Five random folds of each subject's trials, whatever run they are from."),
    ):
        note = (
            "AUC, mean over subjects (lowest to highest); accuracy. Scaled by class: each class "
            "of each recording scaled to 0..1 separately. NPA unrejected: no trial of NPA is "
            "rejected. Band-pass before ICA: the band-passed trials are cut from the recording "
            f"before its blinks are removed. Together: all three. {folds}"
        )
        for decoder in decoders:
            rows = []
            for dataset in results["datasets"]:
                for condition in MAIN:
                    place = dataset, condition, decoder, how
                    cells = [_audited(audit, switch, *place) for switch in SWITCHES]
                    if any(cell not in ("", "as honest") for cell in cells):
                        rows.append((dataset, condition, *cells))
            if rows:
                title = f"The published recipe, {how} subjects: {decoder}"
                tables.append(Table(title, ("data", "condition", *SWITCHES), rows, note))
    return tables


def _audited(
    audit: Mapping[str, Any], switch: str, dataset: str, condition: str, decoder: str, how: str
) -> str:
    """Write one cell of the audit."""
    if not changes(switch, condition):
        return "as honest"
    found = audit.get(switch, {}).get(dataset, {}).get(condition, {}).get(decoder, {}).get(how)
    if not found:
        return ""
    if switch != "honest" and found == audit["honest"][dataset][condition][decoder][how]:
        return "as honest"
    spread = f"({found['lowest']:.2f} to {found['highest']:.2f})"
    return f"{found['auc']:.3f} {spread}; {100 * found['accuracy']:.0f} %"


def _differences(results: Results) -> Table | None:
    """Show what the amplifier adds to each other condition."""
    rows = [
        (
            *(dataset, decoder, pair, _difference(found), f"{found['sign_flip_p']:.3g}"),
            f"{found['lowest_p']:.3g} ({found['n_subjects']} subjects)",
        )
        for dataset, decoders in results["differences"].items()
        for decoder, pairs in decoders.items()
        for pair, found in pairs.items()
        if pair.startswith("NPA - ")
    ]
    header = ("data", "decoder", "difference", "AUC", "sign-flip p", "lowest possible p")
    note = (
        "Same trials, same folds. The interval resamples trials; the sign-flip test asks whether "
        "subjects differ in one direction, has a lowest possible p set by their number, and is "
        "not corrected for the number of rows."
    )
    return Table("What the amplifier adds", header, rows, note) if rows else None


def _noise(results: Results) -> Table | None:
    """Show whether pure noise leaks labels after class-wise scaling."""
    rows = [(dataset, found["verdict"]) for dataset, found in results["noise"].items()]
    note = (
        "Class-wise scaling of pure noise of the same shape, labels and recordings; groups are "
        "recordings."
    )
    return Table("What scaling does to noise", ("data", "verdict"), rows, note) if rows else None


TABLES = (_datasets, _methods, _accuracy, _audits, _differences, _noise)


def facts(results: Results) -> dict[str, Any]:
    """Compute what the prose says beside the results themselves.

    Examples
    --------
    >>> parts = ("versions", "audit", "accuracy", "differences", "noise")
    >>> facts({part: {} for part in parts})["versions"]
    ''
    """
    said: dict[str, Any] = {
        "versions": write_versions(results["versions"]),
        "recipe": summarize_recipe(results) or None,
        "claims": "\n\n".join(summarize_tests(results)) or None,
    }
    pairs = {
        (dataset, decoder): own
        for dataset, decoders in results["differences"].items()
        for decoder, own in decoders.items()
    }
    gains = {key: own["NPA - raw"] for key, own in pairs.items() if "NPA - raw" in own}
    linear = {key: own for key, own in gains.items() if key[1] in LINEAR}
    if linear:
        above = [key for key, own in linear.items() if own["interval"][0] > 0]
        lda = {key: own for key, own in pairs.items() if key[1] == "LDA"}
        said |= {
            "n_linear": len(linear),
            "n_above": len(above),
            "lda_band_pass": _list_differences(lda, "NPA - band-pass"),
        }
    leaks = [name for name, found in results["noise"].items() if found.get("leaks_within")]
    if results["noise"]:
        said["leaks"] = f"{len(leaks)} of {len(results['noise'])}"
    for name, key in zip(LSTMS, ("published", "converged"), strict=True):
        areas = {
            dataset: [cell[name]["auc"] for cell in cells.values() if name in cell]
            for dataset, cells in results["accuracy"].items()
        }
        spans = [
            f"{min(values):.2f} to {max(values):.2f} ({dataset})"
            for dataset, values in areas.items()
            if values
        ]
        said[key] = ", ".join(spans) or None
    return said


def _list_differences(pairs: Mapping[Any, Mapping[str, Any]], pair: str) -> str | None:
    """Write one difference of every dataset."""
    there = [(dataset, own[pair]) for (dataset, _), own in pairs.items() if pair in own]
    return "; ".join(f"{dataset} {_difference(found)}" for dataset, found in there) or None


def summarize_recipe(results: Results) -> str:
    """Say in one paragraph what the published recipe does to the accuracy.

    The text is empty where trials without an effect were not audited.

    Examples
    --------
    >>> summarize_recipe({"audit": {}})
    ''
    """
    audit = results["audit"]
    if _NULL not in audit.get("together", {}):
        return ""
    decoder = next(iter(next(iter(audit["together"][_NULL].values()))))
    sentences = [
        f"The published {100 * PUBLISHED:.0f} % ({decoder}; accuracy, range over the conditions "
        f"that a switch changes). Trials without any effect ({_NULL}):"
    ]
    for how, end in (("across", ";"), ("within", ".")):
        moves = [f"{switch} {_move(audit, switch, _NULL, decoder, how)}" for switch in SWITCHES[1:]]
        sentences.append(f"{how} subjects, {', '.join(moves)}{end}")
    high, best = [], 0.0
    for dataset in audit["together"]:
        # Where runs are held out, nothing is said about other subjects.
        by_runs = results["datasets"][dataset]["split_by"] == "runs"
        for how in ("within",) if by_runs else ("across", "within"):
            honest, recipe = (
                _accuracies(audit[switch][dataset], decoder, how)
                for switch in ("honest", "together")
            )
            if not recipe:
                continue
            best = max(best, *recipe) if how == "across" else best
            if max(recipe) >= _HIGH > max(honest):
                high.append(f"{dataset} ({how} subjects)")
            if dataset != _NULL:
                move = _move(audit, "together", dataset, decoder, how)
                sentences.append(f"On {dataset!r}, {how} subjects, together {move}.")
    if high:
        sentences.append(
            f"{100 * _HIGH:.0f} % or more is reached by the recipe alone on {', '.join(high)}: "
            "such a score is no evidence of decoding."
        )
    if best < PUBLISHED:
        sentences.append(
            f"Across subjects {decoder} comes to {100 * best:.0f} % at most. The published number "
            "is an LSTM's: it is neither reproduced nor explained here."
        )
    return " ".join(sentences)


def _move(audit: Mapping[str, Any], switch: str, dataset: str, decoder: str, how: str) -> str:
    """Say how a switch changes the accuracy, in the conditions that it changes."""
    own = audit[switch].get(dataset, {})
    honest = {condition: audit["honest"][dataset][condition] for condition in own}
    before, after = (_accuracies(cells, decoder, how) for cells in (honest, own))
    if before == after:
        return "changes nothing"
    return f"from {_span(before)} to {_span(after)}"


def _accuracies(cells: Mapping[str, Any], decoder: str, how: str) -> list[float]:
    """List the accuracies of some conditions."""
    found = [own.get(decoder, {}).get(how) for own in cells.values()]
    return [scores["accuracy"] for scores in found if scores]


def _span(values: Iterable[float]) -> str:
    """Write the range of accuracies."""
    values = list(values)
    low, high = f"{100 * min(values):.0f}", f"{100 * max(values):.0f}"
    return f"{low} %" if low == high else f"{low}-{high} %"


def summarize_tests(results: Results) -> list[str]:
    """Say what the p-values allow to claim, in a line per dataset that has tests.

    Examples
    --------
    >>> summarize_tests({"accuracy": {}, "datasets": {}, "differences": {}})
    []
    """
    lines = []
    for dataset, conditions in results["accuracy"].items():
        tested = [
            cell["p"]
            for decoders in conditions.values()
            for cell in decoders.values()
            if cell.get("p") is not None
        ]
        if not tested:
            continue
        line = (
            f"{dataset}: {sum(p < _ALPHA for p in tested)} of the {len(tested)} linear cells that "
            f"were tested are above chance (Holm), lowest corrected p {min(tested):.3f}"
        )
        counts = _permutations(conditions)
        if counts and min(tested) <= len(tested) / (counts[-1] + 1):
            line += f", the least that {counts[-1]} permutations allow"
        line += "."
        differences = results["differences"][dataset]
        gains = [
            f"{decoder} {_difference(pairs['NPA - raw'])}"
            for decoder, pairs in differences.items()
            if "NPA - raw" in pairs
        ]
        if gains:
            line += f" NPA less raw, in AUC: {', '.join(gains)}."
        every = [pair for pairs in differences.values() for pair in pairs.values()]
        lowest = max((test["lowest_p"] for test in every), default=0)
        if lowest > _ALPHA:
            line += (
                f" With {every[0]['n_subjects']} subjects a sign-flip test of two conditions "
                f"cannot go below p = {lowest:.3g}: that one helps more than another beyond these "
                "subjects cannot be claimed, whatever the numbers; the intervals are about further "
                "trials of these subjects only."
            )
        lines.append(line)
    return lines


def _draw_fits(material: Material) -> Figure | None:
    """Draw the goodness of fit of spectra and filters, one dot per recording."""
    if not material:
        return None
    figure, axes = _panels(1, 2, (9, 3.5))
    for ax, name in zip(axes[0], ("FOOOF", "filters"), strict=True):
        lowest = 0.95
        for x, own in enumerate(material.values()):
            values = np.array(own["r2"][name], dtype=float)
            lowest = min(lowest, np.nanmin(values, initial=lowest))
            jitter = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else np.zeros(1)
            ax.plot(x + jitter, values, "o", ms=4, alpha=0.7, color="tab:blue")
        ax.set_xticks(range(len(material)), list(material), rotation=30, ha="right")
        ax.set(title=name, ylabel="r²", ylim=(lowest - 0.02, 1.01))
        ax.set_xlim(-0.5, len(material) - 0.5)
    return figure


def _draw_accuracy(results: Results, material: Material) -> dict[str, Figure]:
    """Draw a box of the folds' balanced accuracy for each decoder and condition."""
    figures = {}
    for dataset in material:
        cells = results["accuracy"].get(dataset, {})
        decoders = list(dict.fromkeys(name for own in cells.values() for name in own))
        if not decoders:
            continue
        figure, ((ax,),) = _panels(1, 1, (2.5 + 2.2 * len(decoders), 4))
        width = 0.8 / len(cells)
        for number, (condition, own) in enumerate(cells.items()):
            folds = [
                [fold["balanced_accuracy"] for fold in own[name]["folds"]] if name in own else []
                for name in decoders
            ]
            color = _COLORS.get(condition, "tab:gray")
            ax.boxplot(
                folds,
                positions=np.arange(len(decoders)) + (number - (len(cells) - 1) / 2) * width,
                widths=0.8 * width,
                patch_artist=True,
                boxprops={"facecolor": color, "alpha": 0.6},
                flierprops={"ms": 3},
                medianprops={"color": "k"},
            )
            ax.plot([], [], "s", color=color, alpha=0.6, label=condition)
        ax.axhline(0.5, color="k", ls="--", lw=0.8)
        ax.set_xticks(range(len(decoders)), decoders)
        ax.set(ylabel="Balanced accuracy", title=dataset, xlim=(-0.5, len(decoders) - 0.5))
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        figures[dataset] = figure
    return figures


def _draw_training(material: Material) -> dict[str, Figure]:
    """Draw the loss of every fold over the epochs."""
    figures = {}
    for dataset, own in material.items():
        for decoder, curves in own["curves"].items():
            figure, axes = _panels(1, len(curves), (1 + 2.2 * len(curves), 3), sharey=True)
            for ax, (condition, folds) in zip(axes[0], curves.items(), strict=True):
                color = _COLORS.get(condition, "tab:gray")
                for history in folds.values():
                    ax.plot(history["loss"], color=color, lw=0.9)
                    ax.plot(history.get("val_loss", []), color=color, lw=0.9, ls="--", alpha=0.6)
                ax.axhline(np.log(2), color="k", lw=0.8, ls=":")
                ax.set(title=condition, xlabel="Epoch")
            axes[0, 0].set_ylabel("Loss (nats)")
            figure.suptitle(f"{dataset}: {decoder}")
            figures[f"{dataset}, {decoder}"] = figure
    return figures


def _draw_erp(material: Material) -> dict[str, Figure]:
    """Draw the normalized difference of mean responses under every condition."""
    figures = {}
    for dataset, own in material.items():
        n_panels = max(len(own["sites"]), 1)
        figure, axes = _panels(1, n_panels, (1.5 + 4.2 * n_panels, 3.5))
        times = 1e3 * np.array(own["times"])
        for ax, (name, channels) in zip(axes[0], own["sites"].items(), strict=False):
            for condition, curves in own["erp"].items():
                curve = np.array(curves[name])
                height = np.abs(curve[times >= 0]).max() or 1.0
                ax.plot(
                    times, curve / height, label=condition, color=_COLORS.get(condition), lw=1.2
                )
            for window, (start, stop) in WINDOWS.items():
                ax.axvspan(1e3 * start, 1e3 * stop, color="0.85", zorder=0)
                ax.text(500 * (start + stop), 1.08, window, ha="center", va="bottom", fontsize=8)
            ax.axhline(0, color="k", lw=0.5)
            ax.set(xlabel="Time (ms)", xlim=times[[0, -1]], ylim=(-1.25, 1.25))
            ax.set_title(", ".join(channels), pad=12)
        one, other = own["labels"][:2]
        axes[0, 0].set_ylabel(f"{one} - {other} (normalized)")
        axes[0, -1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        figure.suptitle(dataset)
        figures[dataset] = figure
    return figures


def _draw_maps(material: Material) -> dict[str, Figure]:
    """Draw the difference of mean responses over the scalp, by condition and window."""
    figures = {}
    for dataset, own in material.items():
        conditions = list(own["maps"])
        if not conditions:
            continue
        figure, axes = _panels(len(WINDOWS), len(conditions), (0.5 + 1.7 * len(conditions), 4))
        rows = [row for row, name in enumerate(own["ch_names"]) if name in own["positions"]]
        info = mne.create_info([own["ch_names"][row] for row in rows], 100.0, "eeg")
        positions = {name: own["positions"][name] for name in info["ch_names"]}
        info.set_montage(mne.channels.make_dig_montage(positions, coord_frame="head"))
        for column, condition in enumerate(conditions):
            axes[0, column].set_title(condition, fontsize=9)
            for row, window in enumerate(WINDOWS):
                values = np.array(own["maps"][condition][window])[rows]
                _draw_map(axes[row, column], values, info)
        for row, window in enumerate(WINDOWS):
            axes[row, 0].set_ylabel(window)
        figure.suptitle(dataset)
        figures[dataset] = figure
    return figures


def _draw_map(ax: Axes, values: np.ndarray, info: mne.Info) -> None:
    """Draw one map, scaled to its largest absolute value."""
    limit = np.abs(values).max() or 1.0
    mne.viz.plot_topomap(
        values / limit, info, axes=ax, show=False, vlim=(-1, 1), contours=4, sensors=True
    )


def _panels(
    n_rows: int, n_columns: int, size: tuple[float, float], **options: Any
) -> tuple[Figure, Any]:
    """Make a figure that pyplot does not keep: there is one per dataset and decoder."""
    figure = Figure(size, layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **options)


PLOTS = (
    Plot(
        _draw_fits,
        "Figure 5: goodness of fit of spectra and filters",
        "r² of FOOOF's model of the spectrum, and of the amplifier's realised gain against the "
        "ideal one; one dot per recording.",
    ),
    Plot(
        _draw_accuracy,
        "Figure 6: accuracy",
        "Balanced accuracy of every fold; the dashed line is chance.",
    ),
    Plot(
        _draw_training,
        "Figure 6: training",
        "Loss in every epoch, one line per fold; dashed: held-out trials. The dotted line is the "
        "loss at chance.",
    ),
    Plot(
        _draw_erp,
        "Figure 7: differences",
        "Difference of the mean responses, averaged over the channels named and over subjects; "
        "each condition divided by its largest absolute value from the picture on. Shaded: N170 "
        "(140-200 ms) and P300 (300-460 ms).",
    ),
    Plot(
        _draw_maps,
        "Topographies",
        "The same difference over the scalp, in the mean of each window; every map has its own "
        "scale, from minus to plus its largest absolute value.",
    ),
)
