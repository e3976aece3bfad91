"""What the 1/f study found, condensed into plain numbers, and what the paper found."""

import numpy as np
from scipy.stats import spearmanr

from npa_ann.studies.listening import relate_to_error
from npa_ann.studies.slopes import SIGNALS, summarize_slopes

PAPER = {
    "test_accuracy": (0.8841, 0.8919),
    "test_loss": (0.278, 0.293),
    "slope": {
        "untrained": dict(zip(SIGNALS, (-0.86, -0.87, -0.03, -0.78, -1.14, -1.13), strict=True)),
        "trained": dict(zip(SIGNALS, (-0.58, -0.62, -0.312, -0.56, -1.05, -0.80), strict=True)),
    },
    "h_of_one_network": (-0.993, 0.073),
    "x": (-0.020, 0.033),
    "r2": 0.083,
    "brain": {"EEG": (-1.33, 0.19), "fMRI, rest": (-0.84, None), "fMRI, task": (-0.72, None)},
}


def summarize(lstms, others, brain):
    """Condense all measurements.

    Parameters
    ----------
    lstms, others : list of dict
        What `npa_ann.studies.one_over_f.measuring.measure_network` and ``measure_peer`` gave.
    brain : dict
        What ``measure_brain`` gave.

    Returns
    -------
    results : dict
        Numbers, strings, lists and dicts only; what is not known is None.

    Notes
    -----
    ``slope`` is that of all long reviews; ``rest_minus_task`` is the slope at rest minus the mean
    over reviews, so that a negative number is "more negative at rest", as the paper found;
    ``rest_minus_task_settled`` is the same without the first 50 steps, under a Hann window.

    Examples
    --------
    >>> summarize(lstms, others=[], brain={})["rest_minus_task"]["h"]["sign"]  # doctest: +SKIP
    'more negative at rest'
    """
    experiments = {
        state: _over_measures([lstm["experiments"][state] for lstm in lstms])
        for state in ("untrained", "trained")
    }
    states = [state for state in lstms[0]["slopes"] if state in ("untrained", "trained")]
    results = {
        "test_accuracy": [float(lstm["judgement"]["accuracy"]) for lstm in lstms],
        "test_loss": [float(lstm["judgement"]["loss"]) for lstm in lstms],
        "chosen": {
            choice: [lstm["scores"][choice] for lstm in lstms] for choice in lstms[0]["scores"]
        },
        "slope": {
            state: _over_signals([lstm["slopes"][state] for lstm in lstms]) for state in states
        },
        "rest_minus_task": _rest_minus_task(lstms, "as the paper"),
        "rest_minus_task_settled": _rest_minus_task(lstms, "first 50 steps dropped, Hann"),
        "movement_at_rest": [float(lstm["rest"]["movement"]["h"][0]) for lstm in lstms],
        "review_against_input": _against_input(lstms),
        "experiments": experiments,
        "controls": _over_measures([lstm["controls"] for lstm in lstms]),
        "over_epochs": _over_epochs(lstms),
        "slope_against_accuracy": _against_accuracy(lstms),
        "error": _errors(lstms),
        "brain": {name: _spread(slopes) for name, slopes in brain.items()},
        "peers": {
            other["cell"]: {
                "test_accuracy": other["scores"]["by_validation"]["test"]["accuracy"],
                **{state: _spread(slopes) for state, slopes in other["slopes"].items()},
            }
            for other in others
        },
    }
    if "by_test_loss" in lstms[0]["slopes"]:
        by_test_loss = [lstm["slopes"]["by_test_loss"] for lstm in lstms]
        results["slope_at_lowest_test_loss"] = _over_signals(by_test_loss)
    return results


def _over_signals(by_network):
    """Summarize each signal over networks and reviews."""
    return {
        signal: summarize_slopes([slopes[signal] for slopes in by_network])
        for signal in by_network[0]
    }


def _over_measures(by_network):
    """Summarize each measure's signals over networks and reviews."""
    return {
        measure: _over_signals([slopes[measure] for slopes in by_network])
        for measure in by_network[0]
    }


def _rest_minus_task(lstms, measure):
    """Compare each signal at rest with its mean over reviews."""
    papers = measure == "as the paper"
    differences = {}
    for signal in SIGNALS:
        rest, task = [], []
        for lstm in lstms:
            found = lstm["slopes" if papers else "experiments"]["trained"]
            task.append(np.nanmean((found if papers else found[measure])[signal]))
            rest.append(lstm["rest"]["as the paper" if papers else "settled"][signal][0])
        values = np.subtract(rest, task)
        differences[signal] = {
            "mean": float(values.mean()),
            "sd_networks": float(values.std(ddof=1)) if len(values) > 1 else None,
            "networks": values.tolist(),
            "rest": float(np.mean(rest)),
            "sign": _sign(values),
        }
    return differences


def _sign(values):
    """Say which way all networks differ, or that they do not agree."""
    if all(value < 0 for value in values):
        return "more negative at rest"
    if all(value > 0 for value in values):
        return "less negative at rest"
    return f"more negative at rest in {sum(value < 0 for value in values)} of {len(values)}"


def _against_input(lstms):
    """R2 of h's slope on the input's, over reviews, of every network."""
    r2 = []
    for lstm in lstms:
        slopes = lstm["slopes"]["trained"]
        known = np.isfinite(slopes["h"]) & np.isfinite(slopes["x"])
        r2.append(float(np.corrcoef(slopes["h"][known], slopes["x"][known])[0, 1] ** 2))
    return {"r2": float(np.mean(r2)), "networks": r2}


def _over_epochs(lstms):
    """List the mean slopes and accuracies after every epoch, network by network."""
    return {
        "accuracy": [lstm["accuracies"] for lstm in lstms],
        **{signal: [lstm["epochs"][signal] for lstm in lstms] for signal in lstms[0]["epochs"]},
    }


def _against_accuracy(lstms):
    """Spearman's rho of slope and test accuracy over all networks and epochs from 1 on."""
    accuracy = [value for lstm in lstms for value in lstm["accuracies"][1:]]
    if len(accuracy) < 3:
        return {}
    slopes = {
        signal: [value for lstm in lstms for value in lstm["epochs"][signal][1:]]
        for signal in SIGNALS
    }
    return {name: float(spearmanr(values, accuracy).statistic) for name, values in slopes.items()}


def _errors(lstms):
    """Relate h's slope to the error: in every network, and averaged over networks."""
    labels = lstms[0]["judgement"]["labels"]
    slopes = np.array([lstm["slopes"]["trained"]["h"] for lstm in lstms])
    praise = np.array([lstm["judgement"]["praise"] for lstm in lstms])
    return {
        "networks": [relate_to_error(*pair, labels) for pair in zip(slopes, praise, strict=True)],
        "averaged": relate_to_error(slopes.mean(axis=0), praise.mean(axis=0), labels),
    }


def _spread(slopes):
    """Mean, SD and number of slopes."""
    sd = float(np.nanstd(slopes, ddof=1)) if len(slopes) > 1 else None
    return {"mean": float(np.nanmean(slopes)), "sd": sd, "n": len(slopes)}
