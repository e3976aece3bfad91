"""The study of rhythms: its trainings, measures, tables, and what is said about them."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from npa.checks import check_number
from npa.datasets.bundled import bundled_data
from npa.typing import AnyArray, FloatArray, PathLike
from npa_ann.corpora import read_mnist
from npa_ann.networks.oscillators import golden_frequencies
from npa_ann.studies.frame import Option, Stage, Study
from npa_ann.studies.pages import Row, Source, Table, write_versions
from npa_ann.studies.rhythms.figures import PLOTS
from npa_ann.studies.rhythms.jobs import (
    AIMS,
    HORN_FREQUENCY,
    LECTURE,
    N_TRAINABLE,
    NAMES,
    RECIPES,
    RHYTHM_NAMES,
    RHYTHMS,
    SPACINGS,
    STATES,
    Job,
    list_jobs,
    spaced,
    spread,
)
from npa_ann.studies.rhythms.measures import MIN_DIGIT_FREQ, SFREQ, ring_down, while_reading
from npa_ann.studies.rhythms.training import (
    NETWORKS,
    DigitNetwork,
    Digits,
    accuracy,
    finished_training,
    open_shipped,
    open_training,
    split_digits,
    train,
)


def _jobs(seeds: int, rhythms: tuple[str, ...], pretrained: bool | PathLike) -> list[Job]:
    """List the trainings; of shipped networks there are no other rhythms."""
    return [job for job in list_jobs(seeds, rhythms) if not pretrained or job.name in NETWORKS]


def _digits(data: PathLike | None, validation: int) -> Digits:
    """Read MNIST."""
    return split_digits(read_mnist(data), validation)


def _record(
    job: Job,
    digits: Digits,
    out: Path,
    pretrained: bool | PathLike,
    only_finished: bool,
    recipes: dict[str, Any] | None,
) -> dict[str, Any] | None:
    """Train a network, unless it is shipped or only finished trainings are asked for."""
    if pretrained:
        return None
    folder = out / "trainings" / str(job)
    if not only_finished:
        recipe = (RECIPES if recipes is None else recipes)[job.network]
        train(job.network, digits, folder, **recipe | job.settings)
    return finished_training(folder)


def _opened(
    job: Job,
    record: dict[str, Any] | None,
    digits: Digits,
    out: Path,
    pretrained: bool | PathLike,
) -> DigitNetwork | None:
    """Open one of the four networks, if there is one; shipped ones are tested on the digits."""
    if pretrained:
        folder = bundled_data() / "weights" if pretrained is True else Path(pretrained)
        network = open_shipped(job.name, job.seed, folder)
        if network is None:
            return None
        scores = {"accuracy": accuracy(network.model(), *digits.test)}
        return replace(network, chosen=network.chosen | {"test": scores})
    if job.name not in NETWORKS or record is None:
        return None
    return open_training(out / "trainings" / str(job), job.name)


def _models(opened: DigitNetwork | None) -> dict[str, keras.Model] | None:
    """Build a network before and after its training."""
    return None if opened is None else {state: opened.model(state) for state in STATES}


def _pixels(digits: Digits, n_recorded: int) -> AnyArray:
    """Choose the digits that are read."""
    pixels: AnyArray = digits.test[0][:n_recorded] / 255
    return pixels


def _measured(
    job: Job, models: dict[str, keras.Model] | None, pixels: AnyArray
) -> dict[str, Any] | None:
    """Measure a network: ``reading``, and of resonant ones ``ring_down`` and ``coupling``.

    ``coupling`` is the root mean square of W off its diagonal.
    """
    if models is None:
        return None
    measured: dict[str, Any] = {"reading": {}, "ring_down": {}, "coupling": {}}
    for state, model in models.items():
        measured["reading"][state] = while_reading(model, job.name, pixels)
        if job.name == "resonant_rnn":
            measured["ring_down"][state] = ring_down(model)
            weights = model.get_layer("rhythm").get_weights()[0]
            measured["coupling"][state] = float(np.sqrt(np.mean(np.square(weights))))
    return measured


def _results(
    jobs: list[Job],
    record: dict[Job, dict[str, Any] | None],
    opened: dict[Job, DigitNetwork | None],
    measured: dict[Job, dict[str, Any] | None],
    pixels: AnyArray,
    pretrained: bool | PathLike,
) -> dict[str, Any]:
    """Summarize what was trained and measured; ``not_run`` lists the jobs without a result."""
    networks = {job: network for job, network in opened.items() if network is not None}
    records = {job: found for job, found in record.items() if found is not None}
    done = networks.keys() | records.keys()
    by_name = {
        name: {job: found for job, found in networks.items() if job.name == name}
        for name in NETWORKS
    }
    by_name = {name: found for name, found in by_name.items() if found}
    chosen = {name: [each.chosen for each in found.values()] for name, found in by_name.items()}
    test = {name: _accuracies(chosen.get(name, [])) for name in NETWORKS}
    readings = {
        name: [found["reading"] for job in jobs_ if (found := measured[job])]
        for name, jobs_ in by_name.items()
    }
    resonant = [found for job in by_name.get("resonant_rnn", {}) if (found := measured[job])]
    spacing: dict[str, list[float]] = {"golden": test["resonant_rnn"]}
    spacing |= {name: [] for name in RHYTHMS}
    seeds = {name: [job.seed for job in found] for name, found in by_name.items()}
    for job, found in records.items():
        if job.name in RHYTHMS:
            best = found["epochs"][found["chosen"]["validation"]]
            spacing[job.name].append(best["test"]["accuracy"])
            seeds.setdefault(job.name, []).append(job.seed)
    learning = {
        str(job): _accuracies(found["epochs"], "validation") for job, found in records.items()
    }
    return {
        "test_accuracy": test,
        "validation_accuracy": {name: _accuracies(e, "validation") for name, e in chosen.items()},
        "chosen_epoch": {name: [entry["epoch"] for entry in e] for name, e in chosen.items()},
        "seeds": seeds,
        "spacing": spacing,
        "frequencies": _frequencies(resonant),
        "horn_peak": {"designed": HORN_FREQUENCY}
        | {
            state: [float(np.median(each[state]["peaks"])) for each in readings.get("horn", [])]
            for state in STATES
        },
        "slope": {
            name: {state: [_mean([each[state]["slopes"]]) for each in found] for state in STATES}
            for name, found in readings.items()
        },
        "input_slope": _mean(
            [each["trained"]["input_slopes"] for found in readings.values() for each in found]
        ),
        "coupling": {state: [found["coupling"][state] for found in resonant] for state in STATES},
        "recipe": {name: next(iter(found.values())).settings for name, found in by_name.items()},
        "learning": dict(sorted(learning.items())),
        "trained_with": sorted({write_versions(found["versions"]) for found in records.values()}),
        "not_run": [str(job) for job in jobs if job not in done],
        "recorded_digits": len(pixels),
        "pretrained": bool(pretrained),
    }


def _need_networks(opened: dict[Job, DigitNetwork | None]) -> None:
    """Raise if there is nothing to report on."""
    if not any(opened.values()):
        raise ValueError("There is no trained network to report on.")


def _accuracies(entries: list[dict[str, Any]], part: str = "test") -> list[float]:
    """Accuracy on one part of the digits, per epoch or per network."""
    return [entry[part]["accuracy"] for entry in entries]


def _frequencies(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Designed and recorded frequencies of the nodes; slow ones from the ring-down."""
    designed = golden_frequencies(sfreq=SFREQ)
    from_digits = designed >= MIN_DIGIT_FREQ
    results: dict[str, Any] = {
        "designed": designed.tolist(),
        "read_from": ["digits" if each else "ring-down" for each in from_digits],
        "recorded": None,
    }
    for state in STATES:
        rings = [each["ring_down"][state] for each in found]
        peaks = [each["reading"][state]["peaks"] for each in found]
        recorded = [
            np.where(from_digits, *pair).tolist() for pair in zip(peaks, rings, strict=True)
        ]
        results[state] = {"recorded": recorded, "ring_down": [ring.tolist() for ring in rings]}
    if found:
        results["recorded"] = np.mean(results["trained"]["recorded"], axis=0).tolist()
    return results


def _mean(arrays: list[FloatArray]) -> float | None:
    """Mean of all values; None if there are none."""
    values = np.concatenate(arrays) if arrays else np.array([])
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _rows(results: dict[str, Any]) -> list[Row]:
    """Set our accuracies beside the lecture's."""
    return [
        Row(
            NAMES[name],
            np.mean(results["test_accuracy"][name]) if results["test_accuracy"][name] else None,
            mean,
            "not run | .3f",
            f"SEM {error:.3f} of {n} published networks",
        )
        for name, (mean, error, n) in LECTURE.items()
    ]


def _accuracy_table(results: dict[str, Any]) -> Table:
    """Our accuracies, each network's, and the lecture's."""
    rows = []
    for name in NETWORKS:
        values, lecture, aim = results["test_accuracy"][name], LECTURE.get(name), AIMS.get(name)
        reached = "yes" if values and aim and np.mean(values) >= aim else "no"
        rows.append(
            (
                NAMES[name],
                N_TRAINABLE[name],
                _mean_and_error(values) or "not run",
                len(values),
                _write_all(values, ".3f") or "-",
                f"{lecture[0]:.3f} ({lecture[1]:.3f})" if lecture else "-",
                lecture[2] if lecture else "-",
                "-" if aim is None else f"{aim:.2f}: {reached if values else 'not run'}",
            )
        )
    return Table(
        "Accuracy on test digits",
        ("network", "trainable parameters", "ours", "n", "each seed", "lecture", "n", "at least"),
        rows,
        "Mean (SEM) over networks; the epoch was chosen by validation digits. PyTorch counts a "
        "second bias, so that the published RNN and LSTM have 296 and 298 numbers.",
    )


def _frequency_table(results: dict[str, Any]) -> Table | None:
    """Designed and recorded frequencies."""
    found = results["frequencies"]
    if found["recorded"] is None:
        return None
    untrained, trained = (np.mean(found[state]["recorded"], axis=0) for state in STATES)
    rows = [
        (str(node), *values)
        for node, values in enumerate(
            zip(
                found["designed"],
                found["read_from"],
                untrained,
                trained,
                _deviations(found).max(axis=0),
                strict=True,
            )
        )
    ]
    return Table(
        "Frequencies of the nodes, Hz: designed and recorded",
        ("node", "designed", "read from", "untrained", "trained", "largest deviation"),
        rows,
        f"Peak of the mean power over {results['recorded_digits']} digits (Hann window), mean over "
        f"{len(found['trained']['recorded'])} network(s); below 10 Hz a digit of 784 ms is too "
        "short, and the peak is that of 10 s of ringing after one impulse. The deviation is the "
        "largest of any trained network.",
        ("", ".2f", "", ".2f", ".2f", ".2%"),
    )


def _training_table(results: dict[str, Any]) -> Table:
    """Show what training changed: slopes, rhythms, coupling."""
    rows = [
        (f"slope, {NAMES[name]}", *_change(slopes, 2)) for name, slopes in results["slope"].items()
    ]
    if results["horn_peak"]["trained"]:
        designed = results["horn_peak"]["designed"]
        label = f"median peak of HarmonicOscillatorRNN, Hz (designed {designed:.1f})"
        rows.append((label, *_change(results["horn_peak"], 1)))
    if results["coupling"]["trained"]:
        rows.append(("root mean square of W, ResonantRNN", *_change(results["coupling"], 2)))
    pixels = results["input_slope"]
    return Table(
        "Did training change anything?",
        ("what", "untrained", "trained", "difference, each network"),
        rows,
        "Slope beta of S ~ f^beta, power (Hann window) summed over units, mean over digits and "
        "networks, at 1000 steps per second."
        + ("" if pixels is None else f" The pixels themselves: {pixels:.2f}."),
    )


def _rhythm_table(results: dict[str, Any]) -> Table | None:
    """Networks of other rhythms."""
    if results["pretrained"]:
        return None
    rows = []
    for name in ("golden", *RHYTHMS):
        values = results["spacing"][name]
        if not values:
            rows.append((RHYTHM_NAMES[name], _range(name), "not run", 0, "-", "-", "-"))
            continue
        found = spread(values)
        rows.append(
            (
                RHYTHM_NAMES[name],
                _range(name),
                _mean_and_error(values),
                found["n"],
                _write_all(values, ".3f"),
                "-" if found["sem"] is None else f"{found['low']:.3f} to {found['high']:.3f}",
                _write_all(_less_golden(results, name), "+.3f") or "-",
            )
        )
    return Table(
        "Which rhythms?",
        ("rhythm", "Hz", "accuracy", "n", "each seed", "95 % interval", "less golden, by seed"),
        rows,
        "ResonantRNN of 11 nodes, trained alike; mean (SEM), interval of the mean by Student's t. "
        "Octaves halve downwards from the highest golden frequency, as doubling from 2 Hz would "
        "pass half the sampling rate; the other spacings keep to the golden range.",
    )


def _recipe_table(results: dict[str, Any]) -> Table:
    """How the networks were trained."""
    keys = ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing")
    rows = [
        (
            NAMES[name],
            *(recipe[key] for key in keys),
            ", ".join(map(str, results["chosen_epoch"][name])),
        )
        for name, recipe in results["recipe"].items()
    ]
    return Table(
        "Training",
        ("network", "epochs", "batch", "peak learning rate", "decay", "smoothing", "chosen epoch"),
        rows,
        "Published: 30 epochs of batches of 128; learning rate, decay and smoothing by grid.",
        ("", *["g"] * len(keys)),
    )


def _not_run_table(results: dict[str, Any]) -> Table | None:
    """List what is missing."""
    if not results["not_run"]:
        return None
    return Table("Not run", ("training",), [(name,) for name in results["not_run"]])


def _mean_and_error(values: list[float]) -> str:
    """Write a mean with its standard error, such as ``"0.759 (0.007)"``."""
    if not values:
        return ""
    found = spread(values)
    error = "" if found["sem"] is None else f" ({found['sem']:.3f})"
    return f"{found['mean']:.3f}{error}"


def _write_all(values: Iterable[float], spec: str) -> str:
    """Write numbers in one line."""
    return ", ".join(format(value, spec) for value in values)


def _change(values: dict[str, list[float]], digits: int) -> tuple[str, str, str]:
    """Write means before and after training, and the change of each network."""
    before, after = (np.array(values[state], dtype=float) for state in STATES)
    each = _write_all(after - before, f"+.{digits}f")
    return f"{before.mean():.{digits}f}", f"{after.mean():.{digits}f}", each


def _deviations(found: dict[str, Any]) -> FloatArray:
    """Relative deviation of each trained network's nodes from their design."""
    designed = np.array(found["designed"])
    deviations: FloatArray = np.abs(np.array(found["trained"]["recorded"]) / designed - 1)
    return deviations


def _less_golden(results: dict[str, Any], name: str) -> list[float]:
    """Accuracies of another rhythm less those of the golden one of the same seed."""
    if name == "golden":
        return []
    seeds, spacing = results["seeds"], results["spacing"]
    golden = dict(zip(seeds.get("resonant_rnn", []), spacing["golden"], strict=True))
    pairs = zip(seeds.get(name, []), spacing[name], strict=True)
    return [value - golden[seed] for seed, value in pairs if seed in golden]


def _range(name: str) -> str:
    """Write the frequencies of a rhythm."""
    if name == "single":
        return f"{spaced(name)[0]:.1f}"
    if name == "random":
        return "2 to 246, drawn by seed"
    frequencies = spaced(name if name in SPACINGS else "golden")
    return f"{frequencies[0]:.2g}, {frequencies[1]:.3g} ... {frequencies[-1]:.0f}"


def _facts(results: dict[str, Any]) -> dict[str, Any]:
    """Compute what the prose says besides the results themselves."""
    test, spacing, learning = (results[key] for key in ("test_accuracy", "spacing", "learning"))
    recipe = next(iter(results["recipe"].values()))
    means = {name: np.mean(values) for name, values in {**test, **spacing}.items() if len(values)}
    by_seed = {
        name: dict(zip(seeds, test[name], strict=True))
        for name, seeds in results["seeds"].items()
        if name in NETWORKS
    }
    rhythmic, lstm = (by_seed.get(name, {}) for name in ("resonant_rnn", "lstm"))
    pairs = [rhythmic[seed] - lstm[seed] for seed in rhythmic if seed in lstm]
    worst = min(lstm, key=lambda seed: lstm[seed]) if lstm else None
    curve = learning.get(f"lstm_{worst}")
    deviations = _deviations(results["frequencies"]) if results["frequencies"]["recorded"] else None
    slow = np.array(results["frequencies"]["designed"]) < MIN_DIGIT_FREQ
    distances = [
        abs(means[name] - mean) / found["sem"]
        for name, (mean, _, _) in LECTURE.items()
        if test[name] and (found := spread(test[name]))["sem"]
    ]
    order = [NAMES[name].partition(" (")[0] for name in LECTURE if name in means]
    ranked = sorted((name for name in LECTURE if name in means), key=lambda name: -means[name])
    return {
        "versions": write_versions(results["versions"]),
        "counts": dict(zip(("train", "validation", "test"), recipe["digits"], strict=True)),
        "trained_with": "; ".join(results["trained_with"]) or None,
        "only_pretrained": "" if results["pretrained"] else None,
        "only_missing": len(results["not_run"]) or None,
        "means": means,
        "order": "the lecture's" if ranked == [n for n in LECTURE if n in means] else "another",
        "ranked": ", ".join(NAMES[name].partition(" (")[0] for name in ranked) if order else None,
        "most_sems": max(distances) if len(distances) == len(LECTURE) else None,
        "over_lstm": _write_all(pairs, "+.2f") or None,
        "worst": worst,
        "worst_rhythmic": rhythmic.get(worst),
        "worst_lstm": lstm.get(worst),
        "worst_curve": None
        if not curve
        else {
            "best": max(curve),
            "best_epoch": int(np.argmax(curve)),
            "after": min(curve[int(np.argmax(curve)) :]),
            "last": curve[-1],
            "epochs": len(curve) - 1,
        },
        "fast_deviation": None if deviations is None else deviations[:, ~slow].max(),
        "slow_deviation": None if deviations is None else deviations[:, slow].max(),
        "coupling": [np.mean(results["coupling"][state]) for state in STATES]
        if results["coupling"]["trained"]
        else None,
        "slope_change": {name: _change(slopes, 2)[2] for name, slopes in results["slope"].items()},
        "rnn_each": _write_all(test["rnn"], ".3f") or None,
        "less_golden": {
            name: _write_all(pairs, "+.3f")
            for name in RHYTHMS
            if (pairs := _less_golden(results, name))
        },
    }


STUDY = Study(
    name="rhythms",
    title="Do rhythms help? Digits read pixel by pixel",
    sources=(
        Source("a lecture on Kramer (2025)", doi="10.48550/arXiv.2506.17083"),
        Source("Effenberger, Carvalho, Dubinin & Singer (2025)", doi="10.1073/pnas.2412830122"),
    ),
    options=(
        Option("seeds", 3, "networks of each kind", partial(check_number, low=1, integer=True)),
        Option("pretrained", False, "use the shipped networks, train none"),
        Option("rhythms", RHYTHMS, "other rhythms to train resonant networks of", choices=RHYTHMS),
        Option("only_finished", False, "train none, and report on the finished trainings in --out"),
        Option("n_recorded", 200, check=partial(check_number, low=1, integer=True)),
        Option("validation", 5000),  # training digits to choose epochs by
        Option("recipes", None),  # network to arguments of train; None for RECIPES
    ),
    stages=(
        Stage(_jobs, cached=False),
        Stage(_digits, cached=False),
        Stage(_record, over="job", cached=False),
        Stage(_opened, over="job", cached=False),
        Stage(_need_networks, cached=False),
        Stage(_models, over="job", cached=False),
        Stage(_pixels, cached=False),
        Stage(_measured, over="job"),
        Stage(_results, cached=False),
    ),
    prose="rhythms/prose.md",
    facts=_facts,
    rows=_rows,
    tables=(
        _accuracy_table,
        _frequency_table,
        _training_table,
        _rhythm_table,
        _recipe_table,
        _not_run_table,
    ),
    plots=PLOTS,
)
