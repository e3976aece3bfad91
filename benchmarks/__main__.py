"""Run the benchmarks of speed, and write them down: ``python -m benchmarks``.

Every module here with a function ``run(quick=False)`` is run in a process of its own. What was
measured before and is not run again is kept. Writes ``docs/results/speed.json`` and ``speed.md``.
"""

import argparse
import json
import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from benchmarks.timing import in_fresh_process, run_script

FOLDER = Path(__file__).parent
RESULTS = FOLDER.parent / "docs" / "results"
PACKAGES = (
    "numpy",
    "scipy",
    "mne",
    "scikit-learn",
    "fooof",
    "specparam",
    "numba",
    "keras",
    "tensorflow",
)


def scripts():
    """Return the names of the scripts with a function ``run``."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if "\ndef run(" in path.read_text())


def environment(quick):
    """Describe the machine and what else it does."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": date.today().isoformat(),
        "processor": f"{model}, {os.cpu_count()} logical",
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as there are processors"),
        "load average before": round(os.getloadavg()[0], 1),
        "versions": versions,
        "quick": quick,
    }


def plain(value):
    """Return a value as JSON knows it."""
    if isinstance(value, dict):
        return {str(key): plain(own) for key, own in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(own) for own in value]
    return value.item() if isinstance(value, np.generic) else value


def shown(value):
    """Return a value as text for a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(own)}" for name, own in value.items())
    return str(value).replace("|", "\\|")


def table(rows):
    """Return dicts as a Markdown table."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[name.replace("|", "\\|") for name in columns], ["---"] * len(columns)]
    lines += [[shown(row.get(name, "")) for name in columns] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def section(name, result):
    """Write down one script."""
    lines = [f"## {name}", "", result["claim"][0].upper() + result["claim"][1:] + ".", ""]
    around = result["environment"]
    lines += [
        f"Measured on {around['date']}, load average {around['load average before']}"
        + (", a tenth of the work (`--quick`)." if around["quick"] else "."),
        "",
    ]
    for label, answer in result["answers"].items():
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            lines += ["", f"{label[0].upper() + label[1:]}:", "", *table(answer)]
        elif answer or not isinstance(answer, list):
            lines += [f"- {label}: {shown(answer)}"]
    if result["growth"]:
        lines += ["", "Growth with the work, each in a fresh process:", ""]
        lines += [*table(result["growth"])]
    return [*lines, ""]


def report(results):
    """Write down all scripts."""
    newest = max(results.values(), key=lambda result: result["environment"]["date"])["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in newest["versions"].items())
    rows = [
        {
            "script": f"`{name}`",
            "claim": result["claim"],
            "ratio": shown(result["ratio"]["median"]),
            "range": f"{shown(result['ratio']['low'])} to {shown(result['ratio']['high'])}",
        }
        for name, result in results.items()
    ]
    lines = [
        "# Speed",
        "",
        "Written by `python -m benchmarks` from `speed.json`. Ours and the peer ran in turn in the "
        "same process; ratios are medians over rounds, with their range. Memory is the peak of a "
        "fresh process as the operating system counts it, in MB. The machine was shared with other "
        "work, as the load averages say: seconds are upper bounds, ratios wander.",
        "",
        f"Processor: {newest['processor']}. Threads a library may use: {newest['threads']}. "
        f"Versions: {versions}.",
        "",
        *table(rows),
        "",
    ]
    for name, result in results.items():
        lines += section(name, result)
    return "\n".join(lines).rstrip() + "\n"


def main():
    """Run scripts, and write what they and earlier ones found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=scripts(), metavar="NAME", help="run only")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    stored = arguments.out / "speed.json"
    for name in arguments.only or scripts():
        around = environment(arguments.quick)
        found = in_fresh_process(run_script, name, arguments.quick)
        results = json.loads(stored.read_text()) if stored.exists() else {}
        results[name] = {**plain(found), "environment": around}
        ratio = results[name]["ratio"]
        print(f"{name}: {ratio['median']:.3g} ({ratio['low']:.3g} to {ratio['high']:.3g})")
        results = dict(sorted(results.items()))
        stored.write_text(json.dumps(results, indent=1) + "\n")
        (arguments.out / "speed.md").write_text(report(results))


if __name__ == "__main__":
    main()
