"""Tables, figures and conclusions of the faces study."""

from collections.abc import Collection
from itertools import product
from typing import Any

import mne
import numpy as np
from matplotlib.figure import Figure

from npa_ann.studies.faces.decoders import LINEAR, LSTMS
from npa_ann.studies.faces.trials import CONDITIONS, MAIN, PASS_BAND, SWITCHES, WINDOWS, Results
from npa_ann.studies.frame import Plot
from npa_ann.studies.pages import Row, Table, fill_prose, flatten_keys, write_versions

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
_FOLDS = {
    "across": "Subjects held out in turn.",
    "within": "Five random folds of each subject's trials, whatever run they are from.",
}
# Columns of the tables: a template for the cells, filled from the results.
_AUC = "{auc:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
_GAIN = "{auc:+.3f} [{interval[0]:+.3f}, {interval[1]:+.3f}]"
_DATA_COLUMNS = {
    "data": "{name}",
    "subjects (recordings)": "{subjects} ({recordings})",
    "channels": "{channels}",
    "trials": "{trials}",
    "dropped": "{dropped}",
    "blinks removed": "{blinks_removed} of {recordings}",
    "epochs": "{cut[tmin]:g} to {cut[tmax]:.3g} s, {removed} removed",
    "held out in turn": "{held_out}",
}
_ACCURACY_COLUMNS = {
    "decoder": "{decoder}",
    "condition": "{condition}",
    "AUC, mean of folds": "{mean}",
    "AUC, pooled": "{pooled_auc:.3f} [{pooled_interval[0]:.3f}, {pooled_interval[1]:.3f}]",
    "balanced accuracy": "{balanced_accuracy:.3f} "
    "[{balanced_accuracy_interval[0]:.3f}, {balanced_accuracy_interval[1]:.3f}]",
    "accuracy": "{accuracy:.3f}",
    "p (Holm)": "{p:.3f}",
}
_DIFFERENCE_COLUMNS = {
    "data": "{dataset}",
    "decoder": "{decoder}",
    "difference": "{pair}",
    "AUC": _GAIN,
    "sign-flip p": "{sign_flip_p:.3g}",
    "lowest possible p": "{lowest_p:.3g} ({n_subjects} subjects)",
}


def compare(results: Results) -> list[Row]:
    """Set the accuracy for held-out subjects beside the published one.

    Examples
    --------
    >>> compare({"accuracy": {}, "datasets": {}})
    []
    """
    rows = []
    for (dataset, condition, decoder), cell in flatten_keys(results["accuracy"], 3).items():
        if condition == "NPA" and results["datasets"][dataset]["split_by"] == "groups":
            label = f"accuracy for held-out subjects after NPA: {dataset}, {decoder}"
            published = PUBLISHED if decoder == LSTMS[0] else None
            rows.append(Row(label, cell["accuracy"], published, ".1%"))
    return rows


def _table(title: str, columns: dict[str, str], records: list[Results], note: str) -> list[Table]:
    """Fill the cells of a table; there is none without records."""
    rows = [[fill_prose(cell, record) for cell in columns.values()] for record in records]
    return [Table(title, list(columns), rows, note)] if rows else []


def _datasets(results: Results) -> list[Table]:
    """List the datasets."""
    records = [
        {
            "name": name,
            "trials": " : ".join(f"{n} {label}" for label, n in facts["classes"].items()),
            "removed": "line" if facts["cut"]["detrend"] else "mean",
            "held_out": "subjects" if facts["split_by"] == "groups" else "runs of each subject",
            **facts,
        }
        for name, facts in results["datasets"].items()
    ]
    rates = sorted({facts["sfreq"] for facts in records})
    note = (
        "The paper's own recordings are not among them unless they are called ft10. Trials are "
        "rejected once, at 800 uV (EEG) and 6 mV (EOG) of the raw epochs, and dropped in all "
        f"conditions alike; then resampled to {', '.join(f'{rate:g} Hz' for rate in rates)}."
    )
    if rates and rates[0] < 2 * PASS_BAND[1]:
        note += (
            f" That ends at {rates[0] / 2:g} Hz, below the upper edge of the band-pass: it and the "
            "high-pass are nearly one condition, and no decoder sees what the amplifier does above."
        )
    return _table("Data", _DATA_COLUMNS, records, note)


def _methods(results: Results) -> Table | None:
    """Say what the names of conditions and decoders mean."""
    table = Table("Conditions and decoders", ("name", "what it is"), list(_MEANING.items()))
    return table if results["datasets"] else None


def _accuracy(results: Results) -> list[Table]:
    """Show all cells of each dataset."""
    cells = flatten_keys(results["accuracy"], 3)
    decoders = dict.fromkeys([*LINEAR, *LSTMS, *(decoder for _, _, decoder in cells)])
    tables = []
    for dataset, facts in results["datasets"].items():
        records = []
        for decoder, condition in product(decoders, CONDITIONS):
            cell = cells.get((dataset, condition, decoder))
            if condition in facts["failed"]:
                cell = {"mean": "failed"}
            elif cell is None:
                cell = {"mean": "not run"}
            else:
                cell = {"mean": _AUC.format(**cell), **cell}
            records.append({"decoder": decoder, "condition": condition, **cell})
        note = _accuracy_note(facts, results["accuracy"].get(dataset, {}))
        tables += _table(f"Accuracy: {dataset}", _ACCURACY_COLUMNS, records, note)
    return tables


def _accuracy_note(facts: Results, cells: Results) -> str:
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


def _permutations(cells: Results) -> list[int]:
    """Numbers of permutations that the cells of a dataset were tested by."""
    counts = {cell.get("permutations") for cell in flatten_keys(cells, 2).values()}
    return sorted(filter(None, counts))


def _audits(results: Results) -> list[Table]:
    """Show what each switch of the published recipe does, one table per decoder."""
    scores = flatten_keys(results["audit"], 5)
    decoders = dict.fromkeys(decoder for _, _, _, decoder, _ in scores)
    tables = []
    for how, decoder in product(_FOLDS, decoders):
        rows = []
        for dataset, condition in product(results["datasets"], MAIN):
            place = dataset, condition, decoder, how
            cells = [_audited(scores, switch, *place) for switch in SWITCHES]
            if any(cell not in ("", "as honest") for cell in cells):
                rows.append((dataset, condition, *cells))
        note = (
            "AUC, mean over subjects (lowest to highest); accuracy. Scaled by class: each class "
            "of each recording scaled to 0..1 separately. NPA unrejected: no trial of NPA is "
            "rejected. Band-pass before ICA: the band-passed trials are cut from the recording "
            f"before its blinks are removed. Together: all three. {_FOLDS[how]}"
        )
        title = f"The published recipe, {how} subjects: {decoder}"
        tables.append(Table(title, ("data", "condition", *SWITCHES), rows, note))
    return [table for table in tables if table.rows]


def _audited(scores: dict[tuple[Any, ...], Any], switch: str, *place: str) -> str:
    """Write one cell of the audit: a dataset, condition, decoder and kind of folds."""
    found, honest = scores.get((switch, *place)), scores.get(("honest", *place))
    _, condition, *_ = place
    if condition not in SWITCHES[switch] or (found and found == honest and switch != "honest"):
        return "as honest"
    if not found:
        return ""
    spread = f"({found['lowest']:.2f} to {found['highest']:.2f})"
    return f"{found['auc']:.3f} {spread}; {100 * found['accuracy']:.0f} %"


def _differences(results: Results) -> list[Table]:
    """Show what the amplifier adds to each other condition."""
    records = [
        {"dataset": dataset, "decoder": decoder, "pair": pair, **found}
        for (dataset, decoder, pair), found in flatten_keys(results["differences"], 3).items()
        if pair.startswith("NPA - ")
    ]
    note = (
        "Same trials, same folds. The interval resamples trials; the sign-flip test asks whether "
        "subjects differ in one direction, has a lowest possible p set by their number, and is "
        "not corrected for the number of rows."
    )
    return _table("What the amplifier adds", _DIFFERENCE_COLUMNS, records, note)


def _noise(results: Results) -> list[Table]:
    """Show whether pure noise leaks labels after class-wise scaling."""
    records = [{"data": dataset, **found} for dataset, found in results["noise"].items()]
    note = (
        "Class-wise scaling of pure noise of the same shape, labels and recordings; groups are "
        "recordings."
    )
    columns = {"data": "{data}", "verdict": "{verdict}"}
    return _table("What scaling does to noise", columns, records, note)


TABLES = (_datasets, _methods, _accuracy, _audits, _differences, _noise)


def facts(results: Results) -> Results:
    """Compute what the prose says beside the results themselves.

    Examples
    --------
    >>> parts = ("versions", "audit", "accuracy", "differences", "noise")
    >>> facts({part: {} for part in parts})["versions"]
    ''
    """
    pairs = flatten_keys(results["differences"], 3)
    above = [
        own["interval"][0] > 0
        for (_, decoder, pair), own in pairs.items()
        if decoder in LINEAR and pair == "NPA - raw"
    ]
    lda = [
        f"{dataset} {_GAIN.format(**own)}"
        for (dataset, *others), own in pairs.items()
        if others == ["LDA", "NPA - band-pass"]
    ]
    leaks = [found.get("leaks_within", False) for found in results["noise"].values()]
    return {
        "versions": write_versions(results["versions"]),
        "recipe": summarize_recipe(results) or None,
        "claims": "\n\n".join(summarize_tests(results)) or None,
        "n_linear": len(above) or None,
        "n_above": sum(above),
        "lda_band_pass": "; ".join(lda) or None,
        "leaks": f"{sum(leaks)} of {len(leaks)}" if leaks else None,
        "published": _areas(results, LSTMS[0]),
        "converged": _areas(results, LSTMS[1]),
    }


def _areas(results: Results, decoder: str) -> str | None:
    """Write the range of a decoder's AUC over the conditions of each dataset."""
    spans = []
    for dataset, cells in results["accuracy"].items():
        areas = [own[decoder]["auc"] for own in cells.values() if decoder in own]
        if areas:
            spans.append(f"{min(areas):.2f} to {max(areas):.2f} ({dataset})")
    return ", ".join(spans) or None


def summarize_recipe(results: Results) -> str:
    """Say in one paragraph what the published recipe does to the accuracy.

    The text is empty where trials without an effect were not audited.

    Examples
    --------
    >>> summarize_recipe({"audit": {}})
    ''
    """
    audited = results["audit"].get("together", {})
    if _NULL not in audited:
        return ""
    decoder = next(iter(next(iter(audited[_NULL].values()))))
    accuracies: dict[tuple[str, str, str], dict[str, float]] = {}
    for (switch, dataset, condition, name, how), found in flatten_keys(results["audit"], 5).items():
        if found and name == decoder:
            own = accuracies.setdefault((switch, dataset, how), {})
            own[condition] = found["accuracy"]

    def move(switch: str, dataset: str, how: str) -> str:
        """Say how a switch changes the accuracy, in the conditions that it changes."""
        after, honest = (accuracies[each, dataset, how] for each in (switch, "honest"))
        before = {condition: honest[condition] for condition in after}
        if before == after:
            return "changes nothing"
        return f"from {_span(before.values())} to {_span(after.values())}"

    sentences = [
        f"The published {100 * PUBLISHED:.0f} % ({decoder}; accuracy, range over the conditions "
        f"that a switch changes). Trials without any effect ({_NULL}):"
    ]
    for how, end in (("across", ";"), ("within", ".")):
        moves = [f"{switch} {move(switch, _NULL, how)}" for switch in list(SWITCHES)[1:]]
        sentences.append(f"{how} subjects, {', '.join(moves)}{end}")
    high, best = [], 0.0
    for dataset, how in product(audited, _FOLDS):
        recipe = accuracies.get(("together", dataset, how), {}).values()
        # Where runs are held out, nothing is said about other subjects.
        by_runs = results["datasets"][dataset]["split_by"] == "runs"
        if not recipe or (by_runs and how == "across"):
            continue
        best = max(best, *recipe) if how == "across" else best
        if max(recipe) >= _HIGH > max(accuracies["honest", dataset, how].values()):
            high.append(f"{dataset} ({how} subjects)")
        if dataset != _NULL:
            moved = move("together", dataset, how)
            sentences.append(f"On {dataset!r}, {how} subjects, together {moved}.")
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


def _span(values: Collection[float]) -> str:
    """Write the range of accuracies."""
    low, high = (f"{100 * end:.0f}" for end in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low}-{high} %"


def summarize_tests(results: Results) -> list[str]:
    """Say what the p-values allow to claim, in a line per dataset that has tests.

    Examples
    --------
    >>> summarize_tests({"accuracy": {}, "datasets": {}, "differences": {}})
    []
    """
    lines = []
    for dataset, cells in results["accuracy"].items():
        every = [cell.get("p") for cell in flatten_keys(cells, 2).values()]
        tested = [p for p in every if p is not None]
        if not tested:
            continue
        line = (
            f"{dataset}: {sum(p < _ALPHA for p in tested)} of the {len(tested)} linear cells that "
            f"were tested are above chance (Holm), lowest corrected p {min(tested):.3f}"
        )
        counts = _permutations(cells)
        if counts and min(tested) <= len(tested) / (counts[-1] + 1):
            line += f", the least that {counts[-1]} permutations allow"
        line += "."
        pairs = flatten_keys(results["differences"][dataset], 2)
        gains = [
            f"{decoder} {_GAIN.format(**own)}"
            for (decoder, pair), own in pairs.items()
            if pair == "NPA - raw"
        ]
        if gains:
            line += f" NPA less raw, in AUC: {', '.join(gains)}."
        lowest = max((own["lowest_p"] for own in pairs.values()), default=0)
        if lowest > _ALPHA:
            line += (
                f" With {next(iter(pairs.values()))['n_subjects']} subjects a sign-flip test of "
                f"two conditions cannot go below p = {lowest:.3g}: that one helps more than "
                "another beyond these subjects cannot be claimed, whatever the numbers; the "
                "intervals are about further trials of these subjects only."
            )
        lines.append(line)
    return lines


def _panels(
    n_rows: int, n_columns: int, size: tuple[float, float], title: str = "", **options: Any
) -> tuple[Figure, Any]:
    """Make a figure that pyplot does not keep: there is one per dataset and decoder."""
    figure = Figure(size, layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **options)


def _draw_fits(material: Results) -> Figure:
    """Draw the goodness of fit of spectra and filters, one dot per recording."""
    figure, axes = _panels(1, 2, (9, 3.5))
    for ax, name in zip(axes[0], ("FOOOF", "filters"), strict=True):
        lowest = 0.95
        for x, own in enumerate(material.values()):
            values = np.array(own["r2"][name], dtype=float)
            lowest = min(lowest, np.nanmin(values, initial=lowest))
            jitter = np.linspace(-0.2, 0.2, len(values) + 2)[1:-1]
            ax.plot(x + jitter, values, "o", ms=4, alpha=0.7, color="tab:blue")
        ax.set_xticks(range(len(material)), list(material), rotation=30, ha="right")
        ax.set(title=name, ylabel="r²", ylim=(lowest - 0.02, 1.01))
        ax.set_xlim(-0.5, len(material) - 0.5)
    return figure


def _draw_accuracy(results: Results, material: Results) -> dict[str, Figure]:
    """Draw a box of the folds' balanced accuracy for each decoder and condition."""
    figures = {}
    for dataset in material:
        cells = results["accuracy"].get(dataset, {})
        decoders = list(dict.fromkeys(decoder for _, decoder in flatten_keys(cells, 2)))
        if not decoders:
            continue
        size = (1 + 2.5 * len(decoders), 4)
        figures[dataset], axes = _panels(1, len(decoders), size, dataset, sharey=True)
        for ax, decoder in zip(axes[0], decoders, strict=True):
            own = {name: cell[decoder]["folds"] for name, cell in cells.items() if decoder in cell}
            folds = [[fold["balanced_accuracy"] for fold in each] for each in own.values()]
            ax.boxplot(folds, tick_labels=list(own), widths=0.7, flierprops={"ms": 3})
            ax.axhline(0.5, color="k", ls="--", lw=0.8)
            ax.tick_params("x", rotation=90)
            ax.set_title(decoder)
        axes[0, 0].set_ylabel("Balanced accuracy")
    return figures


def _draw_training(material: Results) -> dict[str, Figure]:
    """Draw the loss of every fold over the epochs."""
    figures = {}
    all_curves = flatten_keys({name: own["curves"] for name, own in material.items()}, 2)
    for (dataset, decoder), curves in all_curves.items():
        size, title = (1 + 2.2 * len(curves), 3), f"{dataset}: {decoder}"
        figure, axes = _panels(1, len(curves), size, title, sharey=True)
        for ax, (condition, folds) in zip(axes[0], curves.items(), strict=True):
            color = _COLORS[condition]
            for history in folds.values():
                ax.plot(history["loss"], color=color, lw=0.9)
                ax.plot(history.get("val_loss", []), color=color, lw=0.9, ls="--", alpha=0.6)
            ax.axhline(np.log(2), color="k", lw=0.8, ls=":")
            ax.set(title=condition, xlabel="Epoch")
        axes[0, 0].set_ylabel("Loss (nats)")
        figures[f"{dataset}, {decoder}"] = figure
    return figures


def _draw_erp(material: Results) -> dict[str, Figure]:
    """Draw the normalized difference of mean responses under every condition."""
    figures = {}
    for dataset, own in material.items():
        n_panels = max(len(own["sites"]), 1)
        figures[dataset], axes = _panels(1, n_panels, (1.5 + 4.2 * n_panels, 3.5), dataset)
        times = 1e3 * np.array(own["times"])
        for ax, (name, channels) in zip(axes[0], own["sites"].items(), strict=False):
            for condition, curves in own["erp"].items():
                curve = np.array(curves[name])
                curve /= np.abs(curve[times >= 0]).max() or 1.0
                ax.plot(times, curve, label=condition, color=_COLORS[condition], lw=1.2)
            for window, (start, stop) in WINDOWS.items():
                ax.axvspan(1e3 * start, 1e3 * stop, color="0.85", zorder=0)
                ax.text(500 * (start + stop), 1.08, window, ha="center", va="bottom", fontsize=8)
            ax.axhline(0, color="k", lw=0.5)
            ax.set(xlabel="Time (ms)", xlim=times[[0, -1]], ylim=(-1.25, 1.25))
            ax.set_title(", ".join(channels), pad=12)
        axes[0, 0].set_ylabel(f"{own['labels'][0]} - {own['labels'][1]} (normalized)")
        axes[0, -1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figures


def _draw_maps(material: Results) -> dict[str, Figure]:
    """Draw the difference of mean responses over the scalp, by condition and window."""
    figures = {}
    for dataset, own in material.items():
        maps, positions = own["maps"], own["positions"]
        if not maps:
            continue
        size = (0.5 + 1.7 * len(maps), 4)
        figures[dataset], axes = _panels(len(WINDOWS), len(maps), size, dataset)
        rows = [row for row, name in enumerate(own["ch_names"]) if name in positions]
        info = mne.create_info([own["ch_names"][row] for row in rows], 100.0, "eeg")
        info.set_montage(mne.channels.make_dig_montage(positions, coord_frame="head"))
        for (column, condition), (row, window) in product(enumerate(maps), enumerate(WINDOWS)):
            values = np.array(maps[condition][window])[rows]
            values /= np.abs(values).max() or 1.0
            ax = axes[row, column]
            mne.viz.plot_topomap(values, info, axes=ax, show=False, vlim=(-1, 1), contours=4)
            axes[0, column].set_title(condition, fontsize=9)
            axes[row, 0].set_ylabel(window)
    return figures


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
