"""Time ours and the peer in turn, and measure growth in fresh processes."""

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import numpy as np

_STATUS = Path("/proc/self/status")
WORK = (1, 10, 100)


def clock(job, *args):
    """Return the seconds that a job takes, and what it returns."""
    start = time.perf_counter()
    answer = job(*args)
    return time.perf_counter() - start, answer


def in_turn(jobs, rounds):
    """Run jobs (name to callable) in turn; return seconds by round, and the last answers.

    Seconds are two dicts of name to array: elapsed, and of processor, which other work on the
    machine stretches less.
    """
    elapsed, processor, answers = {name: [] for name in jobs}, {name: [] for name in jobs}, {}
    for _ in range(rounds):
        for name, job in jobs.items():
            start = time.process_time()
            took, answers[name] = clock(job)
            elapsed[name].append(took)
            processor[name].append(time.process_time() - start)
    arrays = [
        {name: np.array(own) for name, own in times.items()} for times in (elapsed, processor)
    ]
    return *arrays, answers


def medians(times):
    """Return the median of each array."""
    return {name: float(np.median(own)) for name, own in times.items()}


def ratio_of(slow, fast):
    """Return median, lowest and highest of the ratios by round."""
    ratios = np.asarray(slow) / np.asarray(fast)
    return {
        "median": float(np.median(ratios)),
        "low": float(ratios.min()),
        "high": float(ratios.max()),
    }


def peak_mb():
    """Return the most memory this process has held, in MB, as the operating system knows it.

    On Linux that is VmHWM: ``ru_maxrss`` outlives exec, and so begins at the parent's.
    """
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def in_fresh_process(job, *args):
    """Run a function of a module in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(job, *args).result()


def grow(job, works=WORK):
    """Run ``job(work) -> dict with seconds`` in fresh processes; add their peak memory."""
    return [in_fresh_process(_grown, job, work) for work in works]


def run_script(name, quick=False):
    """Run a script of this package by its name."""
    return import_module(f"benchmarks.{name}").run(quick=quick)


def print_run(run):
    """Run one script from the command line, and print what it found."""
    parser = argparse.ArgumentParser(description=sys.modules[run.__module__].__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    result = run(quick=parser.parse_args().quick)
    ratio = result["ratio"]
    print(f"{result['claim']}\n  ratio {ratio['median']:.3g} ({ratio['low']:.3g} to ", end="")
    print(f"{ratio['high']:.3g})")
    for name, answer in result["answers"].items():
        rows = answer if isinstance(answer, list) else [answer]
        print(f"  {name}:", *rows, sep="\n    " if len(rows) > 1 else " ")
    for row in result["growth"]:
        print("  growth:", row)


def _grown(job, work):
    """Run one step of growth."""
    row = {"work": work, **job(work)}
    return row | {"peak_mb": peak_mb()}
