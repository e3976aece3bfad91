"""The tables of the study of rhythms: ours beside the lecture's."""

import numpy as np

from npa_ann.studies.pages import Table
from npa_ann.studies.rhythms.jobs import ABLATIONS, NETWORKS, SPACINGS, spaced
from npa_ann.studies.rhythms.results import AIMS, LECTURE, spread

NAMES = {
    "resonant_rnn": "rhythmic (ResonantRNN, 11 nodes)",
    "lstm": "LSTM (6 cells)",
    "rnn": "tanh RNN (11 units)",
    "horn": "HarmonicOscillatorRNN (32 nodes)",
}
RHYTHMS = {
    "golden": "golden, 2 phi^k",
    "octave": "octaves",
    "linear": "equal distances",
    "random": "random, log-uniform",
    "single": "one frequency",
    "uncoupled": "golden, no recurrence between nodes (W = 0)",
    "frozen": "golden, W as it was drawn",
}
_SIZES = {"resonant_rnn": 252, "lstm": 274, "rnn": 285, "horn": 1450}
_NONE = "not run"


def all_tables(results):
    """Set out everything that the study found.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.rhythms.run` returned.

    Returns
    -------
    tables : list of Table
        The lecture's table, the bridge from networks to spectra, the other rhythms, and how the
        networks were trained.

    Examples
    --------
    >>> from npa_ann.studies.rhythms import run
    >>> for table in all_tables(run(pretrained=True)):  # doctest: +SKIP
    ...     print(table.to_markdown())
    """
    makers = (_accuracy, _frequencies, _moved, _rhythms, _recipes, _not_run)
    return [table for make in makers if (table := make(results)) is not None]


def mean_and_error(found):
    """Write a mean with its standard error.

    Parameters
    ----------
    found : dict
        As `npa_ann.studies.rhythms.results.spread` gives it.

    Returns
    -------
    text : str
        Such as ``"0.759 (0.007)"``.

    Examples
    --------
    >>> mean_and_error(spread([0.7, 0.8])), mean_and_error(spread([0.7]))
    ('0.750 (0.050)', '0.700')
    """
    error = "" if found["sem"] is None else f" ({found['sem']:.3f})"
    return f"{found['mean']:.3f}{error}"


def _accuracy(results):
    """Set our accuracies beside the lecture's."""
    rows = []
    for name in NETWORKS:
        values, lecture = results["test_accuracy"][name], LECTURE.get(name)
        found = spread(values) if values else None
        aim = AIMS.get(name)
        reached = "yes" if found and aim and found["mean"] >= aim else "no"
        rows.append(
            (
                NAMES[name],
                str(_SIZES[name]),
                mean_and_error(found) if found else _NONE,
                str(len(values)),
                ", ".join(f"{value:.3f}" for value in values) or "-",
                f"{lecture[0]:.3f} ({lecture[1]:.3f})" if lecture else "-",
                str(lecture[2]) if lecture else "-",
                "-" if aim is None else f"{aim:.2f}: {reached if found else _NONE}",
            )
        )
    return Table(
        "Accuracy on test digits",
        ("network", "trainable numbers", "ours", "n", "each seed", "lecture", "n", "at least"),
        rows,
        "Mean (SEM) over networks; the epoch was chosen by validation digits. PyTorch counts a "
        "second bias, so that the published RNN and LSTM have 296 and 298 numbers.",
    )


def _frequencies(results):
    """Compare designed and recorded frequencies."""
    found = results["frequencies"]
    if found["recorded"] is None:
        return None
    means = {state: np.mean(found[state]["recorded"], axis=0) for state in ("untrained", "trained")}
    rows = []
    for node, (designed, source) in enumerate(
        zip(found["designed"], found["read_from"], strict=True)
    ):
        each = np.array([peaks[node] for peaks in found["trained"]["recorded"]])
        worst = np.max(np.abs(each / designed - 1))
        rows.append(
            (
                str(node),
                f"{designed:.2f}",
                source,
                f"{means['untrained'][node]:.2f}",
                f"{means['trained'][node]:.2f}",
                f"{100 * worst:.2f} %",
            )
        )
    return Table(
        "Frequencies of the nodes, Hz: designed and recorded",
        ("node", "designed", "read from", "untrained", "trained", "largest deviation"),
        rows,
        f"Peak of the mean power over {results['recorded_digits']} digits (Hann window), mean over "
        f"{len(found['trained']['recorded'])} network(s); below 10 Hz a digit of 784 ms is too "
        "short, and the peak is that of 10 s of ringing after one stroke. The deviation is the "
        "largest of any trained network.",
    )


def _moved(results):
    """Tell what training moved: slopes, rhythms, coupling."""
    rows = []
    for name, slopes in results["slope"].items():
        rows.append((f"slope, {NAMES[name]}", *_pair(slopes, 2)))
    if results["horn_peak"]["trained"]:
        designed = results["horn_peak"]["designed"]
        label = f"median peak of HarmonicOscillatorRNN, Hz (designed {designed:.1f})"
        rows.append((label, *_pair(results["horn_peak"], 1)))
    if results["coupling"]["trained"]:
        rows.append(("root mean square of W, ResonantRNN", *_pair(results["coupling"], 2)))
    pixels = results["input_slope"]
    return Table(
        "Did training move anything?",
        ("what", "untrained", "trained", "difference, each network"),
        rows,
        "Slope beta of S ~ f^beta, power (Hann window) summed over units, mean over digits and "
        "networks, at 1000 steps a second."
        + ("" if pixels is None else f" The pixels themselves: {pixels:.2f}."),
    )


def _pair(values, digits):
    """Write means before and after training, and what each network changed by."""
    before, after = (np.array(values[state], dtype=float) for state in ("untrained", "trained"))
    each = ", ".join(f"{change:+.{digits}f}" for change in after - before)
    return f"{before.mean():.{digits}f}", f"{after.mean():.{digits}f}", each


def _rhythms(results):
    """Compare networks of other rhythms."""
    if results["pretrained"]:
        return None
    golden = dict(
        zip(results["seeds"].get("resonant_rnn", []), results["spacing"]["golden"], strict=True)
    )
    rows = []
    for name in ("golden", *SPACINGS, *ABLATIONS):
        values = results["spacing"][name]
        if not values:
            rows.append((RHYTHMS[name], _range(name), _NONE, "0", "-", "-", "-"))
            continue
        found = spread(values)
        seeds = results["seeds"].get("resonant_rnn" if name == "golden" else name, [])
        pairs = [
            value - golden[seed]
            for seed, value in zip(seeds, values, strict=True)
            if name != "golden" and seed in golden
        ]
        rows.append(
            (
                RHYTHMS[name],
                _range(name),
                mean_and_error(found),
                str(found["n"]),
                ", ".join(f"{value:.3f}" for value in values),
                "-" if found["sem"] is None else f"{found['low']:.3f} to {found['high']:.3f}",
                ", ".join(f"{pair:+.3f}" for pair in pairs) or "-",
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


def _range(name):
    """Write the frequencies of a rhythm."""
    if name == "single":
        return f"{spaced(name)[0]:.1f}"
    if name == "random":
        return "2 to 246, drawn by seed"
    frequencies = spaced(name if name in SPACINGS else "golden")
    return f"{frequencies[0]:.2g}, {frequencies[1]:.3g} ... {frequencies[-1]:.0f}"


def _recipes(results):
    """Tell how the networks were trained."""
    rows = []
    for name, recipe in results["recipe"].items():
        keys = ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing")
        chosen = ", ".join(map(str, results["chosen_epoch"][name]))
        rows.append((NAMES[name], *(f"{recipe[key]:g}" for key in keys), chosen))
    return Table(
        "Training",
        ("network", "epochs", "batch", "peak step size", "decay", "smoothing", "chosen epoch"),
        rows,
        "Published: 30 epochs of batches of 128; step size, decay and smoothing by grid.",
    )


def _not_run(results):
    """List what is missing."""
    if not results["not_run"]:
        return None
    return Table("Not run", ("training",), [(name,) for name in results["not_run"]])
