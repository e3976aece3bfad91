"""Methods of parameterization on signals of known spectrum, and on halves of real recordings.

FOOOF's rule and selection by BIC of `npa.spectral.fit_spectra`, specparam 2, and IRASA of pyrasa
and neurodsp, on the same signals, each through its own power spectrum. See
`benchmarks.parameterization_truth` for the truth, and `benchmarks.parameterization_retest` for the
recordings in the folder named by ``NPA_DATA``.

Run ``python -m benchmarks.parameterization [--spectra N] [--jobs N] [--tables] [DATA]``; it writes
``docs/results/parameterization.json`` and the tables of ``parameterization.md`` (of which the text
is kept). The peers are in the extra ``bench``.
"""

import argparse
import json
import os
import re
import time
import warnings
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from benchmarks import parameterization_retest
from benchmarks.parameterization_truth import FREQ_RANGE, score, settings_of, simulate_spectra
from npa.spectral import fit_spectra, psd

RESULTS = Path(__file__).parent.parent / "docs" / "results"
PACKAGES = "numpy", "scipy", "numba", "specparam", "pyrasa", "neurodsp"
SFREQ = 256.0  # IRASA looks at twice the highest frequency
WINDOW = 2.0  # s; with 4 s, neurodsp's default, errors of IRASA on straight lines are larger
SETTINGS = {"peak_width_limits": (1, 12), "max_n_peaks": 6, "min_peak_height": 0.1}  # npa's
BACKGROUNDS = "fixed", "knee"
SITUATIONS = {
    "varied": {},
    "chi 0.5": {"exponents": (0.5, 0.5)},
    "chi 1.0": {"exponents": (1.0, 1.0)},
    "chi 1.5": {"exponents": (1.5, 1.5)},
    "chi 2.0": {"exponents": (2.0, 2.0)},
    "chi 2.5": {"exponents": (2.5, 2.5)},
    "no peaks": {"n_peaks": (0, 0)},
    "1 peak": {"n_peaks": (1, 1)},
    "2 peaks": {"n_peaks": (2, 2)},
    "3 peaks": {"n_peaks": (3, 3)},
    "5 peaks": {"n_peaks": (5, 5)},
    "narrow peaks": {"widths": (0.6, 1.0)},
    "broad peaks": {"widths": (2.0, 3.0)},
    "3 peaks apart": {"n_peaks": (3, 3), "separation": 1.5},
    "3 peaks overlap": {"n_peaks": (3, 3), "max_freq": 18.0},
    "10 windows": {"n_windows": 10},
    "60 windows": {"n_windows": 60},
    "200 windows": {"n_windows": 200},
    "line noise": {"line_noise": 2.0},
}
MEASURES = {  # title, digits
    "exponent_error": ("Error of the exponent (median)", 3),
    "exponent_bias": ("Bias of the exponent (median)", 3),
    "count_right": ("Spectra with the right number of peaks (%)", 0),
    "false_peaks": ("False peaks per spectrum", 2),
    "missed_peaks": ("Missed peaks per spectrum", 2),
}


def npa(simulation, mode, selection=None):
    """Return exponents and peaks of npa."""
    settings = settings_of(simulation, selection)
    settings |= {"aperiodic_mode": mode, "engine": "compiled"}
    fit = fit_spectra(simulation.freqs, simulation.power, **settings)
    return fit.exponent, fit.gaussians


def specparam(simulation, mode, **settings):
    """Return exponents and peaks of specparam 2."""
    from specparam import SpectralGroupModel

    model = SpectralGroupModel(**settings, aperiodic_mode=mode, verbose=False)
    model.fit(simulation.freqs, simulation.power, n_jobs=1)
    exponent = model.results.get_params("aperiodic", "exponent")
    peaks = model.results.get_params("peak")
    return exponent, [peaks[peaks[:, -1] == row, :3] for row in range(len(exponent))]


def pyrasa(simulation, mode):
    """Return exponents and peaks of pyrasa's IRASA.

    Its knee has an exponent below and one more above: their sum is compared. The lowest height of a
    peak is in units of power, and is set to 0, as signals have no unit.
    """
    from pyrasa.irasa import irasa

    exponents, peaks = [], []
    for signal in simulation.signals:
        found = irasa(signal, SFREQ, FREQ_RANGE, nperseg=round(WINDOW * SFREQ))
        try:
            fit = found.fit_aperiodic_model(fit_func=mode, scale=True).aperiodic_params
            exponents.append(fit.filter(like="Exponent").to_numpy().sum())
        except RuntimeError:  # did not converge
            exponents.append(np.nan)
        peaks.append(found.get_peaks(min_peak_height=0.0)[["cf", "pw", "bw"]].to_numpy(float))
    return np.array(exponents), peaks


def neurodsp(simulation, mode):
    """Return exponents of neurodsp's IRASA, which fits a line and has no peaks."""
    from neurodsp.aperiodic import compute_irasa, fit_irasa

    exponents = []
    for signal in simulation.signals:
        freqs, background, _ = compute_irasa(
            signal, SFREQ, f_range=FREQ_RANGE, nperseg=round(WINDOW * SFREQ)
        )
        exponents.append(-fit_irasa(freqs, background)[1])
    return np.array(exponents), None


def other(mode):
    """Return the other background."""
    return BACKGROUNDS[mode == BACKGROUNDS[0]]


METHODS = {
    "rule": npa,
    "BIC": lambda simulation, mode: npa(simulation, mode, "bic"),
    "BIC auto": lambda simulation, mode: npa(simulation, "auto", "bic"),
    "rule other": lambda simulation, mode: npa(simulation, other(mode)),
    "BIC other": lambda simulation, mode: npa(simulation, other(mode), "bic"),
    "specparam": lambda simulation, mode: specparam(simulation, mode, **SETTINGS),
    "specparam default": specparam,
    "pyrasa": pyrasa,
    "neurodsp": neurodsp,
}


def seconds(function, *args):
    """Return what a call returns, and its processor time in s."""
    start = time.process_time()
    found = function(*args)
    return found, time.process_time() - start


def compare(name, mode, n_spectra):
    """Return one row per method: scores, and milliseconds per spectrum from the signal on."""
    warnings.simplefilter("ignore")
    truth = {"n_peaks": (0, 5), "knee": mode == "knee", **SITUATIONS[name]}
    # crc-free seed: situations differ, and a background has the peaks of the other
    seed = list(SITUATIONS).index(name)
    simulation = simulate_spectra(n_spectra, sfreq=SFREQ, random_state=seed, **truth)
    per_window = {"freq_range": FREQ_RANGE, "n_per_seg": round(WINDOW * SFREQ)}
    _, of_psd = seconds(lambda: [psd(x, SFREQ, **per_window) for x in simulation.signals])
    few = simulate_spectra(2, sfreq=SFREQ, **truth)
    rows = []
    for method, function in METHODS.items():
        function(few, mode)  # imports, compiles
        (exponent, peaks), taken = seconds(function, simulation, mode)
        own_psd = function in (pyrasa, neurodsp)
        none = [np.empty((0, 3))] * n_spectra
        row = {"situation": name, "background": mode, "method": method}
        row |= score(simulation, exponent, none if peaks is None else peaks)
        if peaks is None:
            row |= dict.fromkeys(("count_right", "false_peaks", "missed_peaks", "frequency_error"))
        rows.append(row | {"ms": (taken + (0 if own_psd else of_psd)) / n_spectra * 1000})
    return rows


def table(header, rows):
    """Return a Markdown table."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value, digits):
    """Return a number as text."""
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def cell(row, measure):
    """Return a measure of a row as text."""
    value, digits = row[measure], MEASURES[measure][1]
    return shown(100 * value if measure == "count_right" and value is not None else value, digits)


def summary(rows):
    """Return the table of all methods: varied signals, straight / knee."""
    found = {(r["method"], r["background"]): r for r in rows if r["situation"] == "varied"}
    header = ["method", "error", "bias", "counts right, %", "false", "missed", "ms"]
    lines = []
    for method in METHODS:
        pair = [found[method, mode] for mode in BACKGROUNDS]
        values = [" / ".join(cell(row, measure) for row in pair) for measure in MEASURES]
        times = " / ".join(shown(row["ms"], 2 if row["ms"] < 10 else 0) for row in pair)
        lines.append([method, *values, times])
    return table(header, lines)


def details(rows):
    """Return a table per measure and background: situations by methods."""
    found = {(r["situation"], r["background"], r["method"]): r for r in rows}
    parts = []
    for measure, (title, _) in MEASURES.items():
        methods = [m for m in METHODS if found["varied", "fixed", m][measure] is not None]
        for mode, label in zip(BACKGROUNDS, ("straight", "knee"), strict=True):
            lines = [
                [name, *(cell(found[name, mode, method], measure) for method in methods)]
                for name in SITUATIONS
            ]
            parts += [f"### {title}: {label}", table(["situation", *methods], lines)]
    return "\n\n".join(parts)


def real(rows):
    """Return the table of the halves of recordings."""
    columns = {
        "peaks": ("peaks", 2),
        "same number": ("same_number", 2),
        "found again": ("peaks_found_again", 2),
        "shift, Hz": ("frequency_shift", 2),
        "ICC number": ("icc_number", 2),
        "ICC exponent": ("icc_exponent", 2),
        "exponent differs by": ("exponent_difference", 3),
        "same background": ("same_background", 2),
    }
    lines = [
        [row["method"], *(shown(row[key], digits) for key, digits in columns.values())]
        for row in rows
    ]
    return table(["method", *columns], lines)


def write(results):
    """Write the results, and the tables between the marks of the page."""
    (RESULTS / "parameterization.json").write_text(json.dumps(results, indent=1) + "\n")
    path = RESULTS / "parameterization.md"
    names = "summary", "real", "details", "made"
    empty = "".join(f"<!-- {name} --><!-- /{name} -->" for name in names)
    text = path.read_text() if path.exists() else empty
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    n_signals = results["spectra"] * len(results["rows"]) // len(METHODS)
    made = (
        f"{results['date']}, {results['spectra']} signals per situation and background, "
        f"{n_signals} in all; {versions}."
    )
    parts = summary(results["rows"]), real(results["real"]), details(results["rows"]), made
    for name, part in zip(names, parts, strict=True):
        pattern = f"<!-- {name} -->.*?<!-- /{name} -->"
        new = f"<!-- {name} -->\n\n{part}\n\n<!-- /{name} -->"
        text = re.sub(pattern, lambda _, new=new: new, text, flags=re.DOTALL)
    path.write_text(text)


def main(folder, n_spectra, n_jobs):
    """Run all, and write it down."""
    cells = [(name, mode) for name in SITUATIONS for mode in BACKGROUNDS]
    found = Parallel(n_jobs)(delayed(compare)(*cell, n_spectra) for cell in cells)
    results = {
        "date": date.today().isoformat(),
        "spectra": n_spectra,
        "versions": {name: version(name) for name in PACKAGES},
        "rows": [row for rows in found for row in rows],
        "real": parameterization_retest.compare(folder),
    }
    write(results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=os.environ.get("NPA_DATA"))
    parser.add_argument("--spectra", type=int, default=100, help="signals per situation")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--tables", action="store_true", help="only write the tables again")
    arguments = parser.parse_args()
    if arguments.tables:
        write(json.loads((RESULTS / "parameterization.json").read_text()))
    else:
        main(arguments.data, arguments.spectra, arguments.jobs)
