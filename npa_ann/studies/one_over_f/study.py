"""1/f noise in LSTM networks that read movie reviews: Chong and Feng (2023), run again."""

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import keras
import mne
import numpy as np
from scipy.stats import spearmanr

from npa.checks import check_number
from npa.datasets import bundled_data
from npa.typing import AnyArray, FloatArray, IntArray, PathLike
from npa_ann.networks import load_weights
from npa_ann.studies.cache import Cache
from npa_ann.studies.frame import Option, Stage, Study
from npa_ann.studies.one_over_f import measures, report
from npa_ann.studies.one_over_f.measures import MEASURES, SIGNALS, Slopes, record_slopes
from npa_ann.studies.one_over_f.networks import (
    Network,
    evaluate,
    load_pretrained_reviews,
    open_pretrained,
    predict,
    train_network,
)
from npa_ann.studies.one_over_f.reviews import (
    Reviews,
    control_tokens,
    load_reviews,
    randomize_phases,
)
from npa_ann.studies.pages import Source, pick

Settings: TypeAlias = dict[str, Any]
Pretrained: TypeAlias = bool | PathLike  # True for the networks that npa ships

SEEDS = (1, 2, 3, 4, 5)
PEERS = ("gru", "simple_rnn")
# Runs of PhysioNet's EEG motor movement/imagery dataset, subject 1.
EEG_FILES = {"eyes open": "S001R01.edf", "eyes closed": "S001R02.edf", "task": "S001R03.edf"}

_CONTROL_SEED = 20230120  # of the controls, and of the choice of reviews for further measures
_STATES = ("untrained", "trained")


def _weights(pretrained: Pretrained) -> Path:
    """Folder of the pretrained networks."""
    return bundled_data() / "weights" if pretrained is True else Path(str(pretrained))


def _reviews(data: PathLike | None, pretrained: Pretrained, corpus: Settings) -> Reviews:
    """Load the reviews, with the words of the pretrained networks where these are used."""
    if pretrained:
        return load_pretrained_reviews(data, _weights(pretrained), **corpus)
    return load_reviews(data, **corpus)


def _rows(reviews: Reviews, n_closer: int) -> dict[str, IntArray]:
    """Choose the test reviews of full length, and some of them for further measures."""
    long = reviews.long_rows()
    if len(long) < 2:
        raise ValueError(
            f"reviews must hold at least 2 test reviews of {reviews.length} words or more, got "
            f"{len(long)}."
        )
    rng = np.random.default_rng(_CONTROL_SEED)
    return {"long": long, "closer": np.sort(rng.permutation(long)[:n_closer])}


def _seeds(networks: int) -> tuple[int, ...]:
    """Seeds of the LSTMs."""
    return SEEDS[:networks]


def _network(
    seed: int, reviews: Reviews, pretrained: Pretrained, out: Path, epochs: int, training: Settings
) -> Network:
    """Train an LSTM, or open a pretrained one."""
    if pretrained:
        return open_pretrained(_weights(pretrained), SEEDS.index(seed))
    return train_network(out, reviews, seed, **{"epochs": epochs, **training})


def _measured(
    network: Network, reviews: Reviews, rows: dict[str, IntArray], cache: Cache
) -> dict[str, Any]:
    """Measure an LSTM: slopes of all signals in all conditions, and its predictions."""
    long, closer = (reviews.tokens[rows[name]] for name in ("long", "closer"))
    trained = network.states["trained"]
    embedding = trained.get_layer("embedding").get_weights()[0]
    alone, zeros = measures.layer_alone(trained), np.zeros((1, reviews.length, embedding.shape[1]))
    rng = np.random.default_rng(_CONTROL_SEED)
    controls = {"reviews": closer, **control_tokens(reviews, rows["closer"], rng)}
    phases = randomize_phases(embedding[closer], rng)

    def paper(model: keras.Model, inputs: AnyArray) -> Slopes:
        slopes: Slopes = cache(record_slopes, model, inputs)["as the paper"]
        return slopes

    copy = keras.models.clone_model(trained)
    after = [paper(load_weights(copy, weights), closer) for weights in network.epochs]
    return {
        "scores": network.scores,
        "accuracies": network.accuracies,
        "slopes": {state: paper(model, long) for state, model in network.states.items()},
        "rest": cache(record_slopes, alone, zeros, measures.REST, signals=SIGNALS, dtype="float64"),
        "experiments": {
            state: cache(record_slopes, network.states[state], closer, MEASURES)
            for state in _STATES
        },
        "controls": {name: paper(trained, tokens) for name, tokens in controls.items()}
        | {"phases": paper(alone, phases)},
        "spectra": cache(
            record_slopes, trained, closer[:1], measures.SPECTRUM, signals=("h", "input")
        )["spectrum"],
        "epochs": {
            signal: [float(np.nanmean(slopes[signal])) for slopes in after]
            for signal in (after[0] if after else ())
        },
        "labels": reviews.labels[rows["long"]],
        "probability": cache(predict, trained, reviews, rows["long"]),
        **cache(evaluate, trained, reviews, reviews.test),
    }


def _cells(peers: Sequence[str], pretrained: Pretrained) -> Sequence[str]:
    """Recurrent layers to compare the LSTM with."""
    return () if pretrained else peers


def _peer(
    cell: str,
    reviews: Reviews,
    rows: dict[str, IntArray],
    out: Path,
    epochs: int,
    training: Settings,
    cache: Cache,
) -> dict[str, Any]:
    """Train a network with another recurrent layer, and measure its state."""
    network = train_network(out, reviews, SEEDS[0], cell, **{"epochs": epochs, **training})
    found: dict[str, Any] = {"test_accuracy": network.scores["by_validation"]["test"]["accuracy"]}
    tokens = reviews.tokens[rows["closer"]]
    for state in _STATES:
        model = network.states[state]
        slopes = cache(record_slopes, model, tokens, layer=cell, signals=("h",))
        found[state] = _spread(slopes["as the paper"]["h"])
    return found


def _brain(data: PathLike | None, reviews: Reviews) -> Slopes:
    """Measure EEG with eyes open, with eyes closed, and during a task, where it is found."""
    root = Path(data or os.environ["NPA_DATA"])
    for folder in (root, *sorted(root.glob("*/"))):
        if all((folder / file).exists() for file in EEG_FILES.values()):
            # Annotations may reach beyond the data; the slopes need none.
            read = partial(mne.io.read_raw, preload=True, verbose="ERROR")
            return {
                name: measures.eeg_slopes(read(folder / file), reviews.length)
                for name, file in EEG_FILES.items()
            }
    return {}


def _results(
    measured: dict[int, dict[str, Any]],
    peer: dict[str, dict[str, Any]],
    brain: Slopes,
    rows: dict[str, IntArray],
    pretrained: Pretrained,
) -> dict[str, Any]:
    """Summarize all measurements as plain numbers.

    ``slope`` is that of all long reviews; ``rest_minus_task`` is the slope at rest minus the mean
    over reviews (negative: steeper at rest, as in the paper); ``rest_minus_task_settled`` is the
    same without the start-up, with a Hann window.
    """
    first = next(iter(measured.values()))

    each = partial(pick, measured, "*")
    trained = each("slopes", "trained")
    settled = each("experiments", "trained", "first 50 steps dropped, Hann")
    results = {
        "test_accuracy": each("accuracy"),
        "test_loss": each("loss"),
        "chosen": {name: each("scores", name) for name in first["scores"]},
        "slope": {state: _over_signals(each("slopes", state)) for state in _STATES},
        "rest_minus_task": _rest_minus_task(each("rest", "as the paper"), trained),
        "rest_minus_task_settled": _rest_minus_task(each("rest", "settled"), settled),
        "movement_at_rest": [float(slopes["h"][0]) for slopes in each("rest", "movement")],
        "review_against_input": _explained_by_input(trained),
        "experiments": {
            state: {name: _over_signals(each("experiments", state, name)) for name in MEASURES}
            for state in _STATES
        },
        "controls": {name: _over_signals(each("controls", name)) for name in first["controls"]},
        "over_epochs": {
            "accuracy": each("accuracies"),
            **{signal: each("epochs", signal) for signal in first["epochs"]},
        },
        "slope_against_accuracy": _slope_against_accuracy(each("epochs"), each("accuracies")),
        "error": _slope_against_error(
            np.array(each("slopes", "trained", "h")),
            np.array(each("probability")),
            first["labels"],
        ),
        "brain": {name: _spread(slopes) for name, slopes in brain.items()},
        "peers": peer,
        "reviews": {name: len(chosen) for name, chosen in rows.items()},
        "pretrained": bool(pretrained),
        "seeds": list(measured),
    }
    if "by_test_loss" in first["slopes"]:
        results["slope_at_lowest_test_loss"] = _over_signals(each("slopes", "by_test_loss"))
    return results


def _over_signals(networks: Sequence[Slopes]) -> dict[str, Any]:
    """Summarize each signal over networks and reviews."""
    return {
        signal: measures.summarize_slopes([slopes[signal] for slopes in networks])
        for signal in networks[0]
    }


def _rest_minus_task(rest: Sequence[Slopes], task: Sequence[Slopes]) -> dict[str, Any]:
    """Compare each signal at rest with its mean over reviews, network by network."""
    differences = {}
    for signal in SIGNALS:
        at_rest = [slopes[signal][0] for slopes in rest]
        values = np.subtract(at_rest, [np.nanmean(slopes[signal]) for slopes in task])
        n_steeper = int((values < 0).sum())
        agreed = {len(values): "more negative at rest"}
        if (values > 0).all():
            agreed[0] = "less negative at rest"
        differences[signal] = {
            "mean": float(values.mean()),
            "sd_networks": float(values.std(ddof=1)) if len(values) > 1 else None,
            "networks": values.tolist(),
            "rest": float(np.mean(at_rest)),
            "sign": agreed.get(n_steeper, f"more negative at rest in {n_steeper} of {len(values)}"),
        }
    return differences


def _explained_by_input(networks: Iterable[Slopes]) -> dict[str, Any]:
    """R² of the slope of h on that of the input, over reviews, of each network."""
    r2 = []
    for slopes in networks:
        known = np.isfinite(slopes["h"]) & np.isfinite(slopes["x"])
        r2.append(float(np.corrcoef(slopes["h"][known], slopes["x"][known])[0, 1] ** 2))
    return {"r2": float(np.mean(r2)), "networks": r2}


def _slope_against_accuracy(
    epochs: Sequence[dict[str, list[float]]], accuracies: Sequence[list[float]]
) -> dict[str, float]:
    """Spearman's rho of slope and test accuracy over all networks and epochs from 1 on."""
    accuracy = np.concatenate([values[1:] for values in accuracies])
    if len(accuracy) < 3:
        return {}
    slopes = {name: np.concatenate([values[name][1:] for values in epochs]) for name in SIGNALS}
    return {name: float(spearmanr(values, accuracy).statistic) for name, values in slopes.items()}


def _slope_against_error(
    slopes: FloatArray, probability: FloatArray, labels: IntArray
) -> dict[str, Any]:
    """Relate the slope of h to the error: in each network, and averaged over networks."""
    return {
        "networks": [
            measures.slope_and_error(*pair, labels)
            for pair in zip(slopes, probability, strict=True)
        ],
        "averaged": measures.slope_and_error(slopes.mean(axis=0), probability.mean(axis=0), labels),
    }


def _spread(slopes: FloatArray) -> dict[str, float | int | None]:
    """Mean, SD and number of slopes."""
    sd = float(np.nanstd(slopes, ddof=1)) if len(slopes) > 1 else None
    return {"mean": float(np.nanmean(slopes)), "sd": sd, "n": len(slopes)}


STUDY = Study(
    name="one-over-f",
    title="1/f noise in LSTM networks that read movie reviews",
    sources=(
        Source(
            "Chong & Feng (2023), Self-organization toward 1/f noise in deep neural networks",
            "10.48550/arXiv.2301.08530",
        ),
    ),
    options=(
        Option(
            "networks",
            len(SEEDS),
            "number of networks, 1 to 5",
            partial(check_number, low=1, high=len(SEEDS), integer=True),
        ),
        Option("pretrained", False, "take the pretrained networks, train none"),
        Option("epochs", 15, "maximum number of epochs of training"),
        Option("peers", PEERS, "other recurrent layers to train one network of", choices=PEERS),
        Option("n_closer", 100, check=partial(check_number, low=2, integer=True)),
        Option("corpus", {}),  # of `load_reviews`
        Option("training", {}),  # of `train`
    ),
    stages=(
        Stage(_reviews, cached=False),
        Stage(_rows, cached=False),
        Stage(_seeds, cached=False),
        Stage(_network, over="seed", cached=False),
        Stage(_measured, over="seed", cached=False),
        Stage(_cells, cached=False),
        Stage(_peer, over="cell", cached=False),
        Stage(_brain, cached=False),
        Stage(_results, cached=False),
    ),
    prose="one_over_f/prose.md",
    facts=report.facts,
    rows=report.compare,
    tables=report.TABLES,
    plots=report.PLOTS,
)
