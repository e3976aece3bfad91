"""Twenty recordings through a pipeline by one and by two workers, and the memory of one worker.

The peer is ``npa.batch.run`` with one worker. On a busy machine compare CPU times, which do not
include waiting. Run ``python -m benchmarks.batch_throughput [--quick]``.
"""

import shutil
import tempfile
import time
from functools import partial
from os import getpid, sysconf
from pathlib import Path

from joblib.externals.loky import get_reusable_executor
from sklearn.pipeline import make_pipeline

from benchmarks.timing import clock, grow, in_fresh_process, print_run, ratio_of
from npa import BlinkICARemover, FOOOFFitter, NeuralPowerAmplifier
from npa.batch import run as run_batch
from npa.datasets import simulate_recording

CHANNELS = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]
TO_TABLE = (BlinkICARemover, FOOOFFitter)
TO_SIGNAL = (BlinkICARemover, NeuralPowerAmplifier)
SFREQ, SECONDS = 256.0, 60.0
LONG_SFREQ = 1024.0


def simulate(folder, n, seconds, sfreq):
    """Write simulated recordings, and return their paths."""
    files = [folder / f"person{seed:02d}_raw.fif" for seed in range(n)]
    for seed, file in enumerate(files):
        raw, _ = simulate_recording(
            duration=seconds, ch_names=CHANNELS, sfreq=sfreq, random_state=seed
        )
        raw.save(file, verbose="ERROR")
    return files


def cpu_seconds():
    """Return the CPU time of this process and of its running children in s."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name_and_before, _, rest = stat.read_text().rpartition(")")
        except OSError:  # it has ended
            continue
        fields = rest.split()
        if int(fields[1]) == getpid() or name_and_before.startswith(f"{getpid()} "):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / sysconf("SC_CLK_TCK")


def batch(folder, files, n_jobs, number):
    """Run the batch after its workers have imported everything."""
    pipeline = make_pipeline(*(step() for step in TO_TABLE))
    warm = Path(folder) / f"warm {n_jobs} {number}"
    run_batch(pipeline, files[:2], warm, n_jobs=n_jobs, outputs="table")
    before = cpu_seconds()
    out = Path(folder) / f"{n_jobs} workers {number}"
    wall, summary = clock(
        partial(run_batch, pipeline, files, out, n_jobs=n_jobs, outputs=("signal", "table"))
    )
    assert (summary["status"] == "done").all()
    took = {"workers": n_jobs, "wall_s": wall, "cpu_s": cpu_seconds() - before}
    # A child process waits for its own children at exit, and idle workers stay for minutes.
    get_reusable_executor().shutdown()
    return took


def one_recording(folder, steps, seconds):
    """Run one recording of this length in this process."""
    place = Path(folder) / f"{len(list(Path(folder).iterdir()))} {seconds:g}"
    place.mkdir()
    files = [Path(folder) / f"{seconds:g} s" / "person00_raw.fif"]
    began = time.process_time()
    run_batch(make_pipeline(*(step() for step in steps)), files, place)
    return {"cpu_s": time.process_time() - began}


def per_sample(growth):
    """Return the peak memory per sample, in float64 values."""
    shortest, longest = growth[0], growth[-1]
    n_samples = (longest["work"] - shortest["work"]) * LONG_SFREQ * (len(CHANNELS) + 2)
    return 1e6 * (longest["peak_mb"] - shortest["peak_mb"]) / n_samples / 8


def run(quick=False):
    """Measure wall and CPU time by workers, and peak memory by length.

    Parameters
    ----------
    quick : bool
        Whether to use a few short recordings.

    Returns
    -------
    result : dict
        ``claim``, ``ratio`` (wall time of one worker over that of two), ``answers`` and ``growth``.
    """
    n, seconds, rounds = (6, 20.0, 1) if quick else (20, SECONDS, 3)
    lengths = (30.0, 300.0) if quick else (60.0, 600.0, 1800.0)
    folder = tempfile.mkdtemp(prefix="npa-batch-")
    try:
        (Path(folder) / "in").mkdir()
        files = simulate(Path(folder) / "in", n, seconds, SFREQ)
        times = {1: [], 2: []}
        for number in range(rounds):
            for n_jobs, own in times.items():
                own.append(in_fresh_process(batch, folder, files, n_jobs, number))
        outs = [Path(folder) / f"{n_jobs} workers 0" / "summary.csv" for n_jobs in times]
        same = outs[0].read_bytes() == outs[1].read_bytes()
        for length in lengths:
            (Path(folder) / f"{length:g} s").mkdir()
            simulate(Path(folder) / f"{length:g} s", 1, length, LONG_SFREQ)
        growth = {
            name: grow(partial(one_recording, folder, steps), lengths)
            for name, steps in (("to a table", TO_TABLE), ("to a signal", TO_SIGNAL))
        }
    finally:
        shutil.rmtree(folder)
    walls = [[each["wall_s"] for each in own] for own in times.values()]
    return {
        "claim": f"{n} recordings of {seconds:g} s, {len(CHANNELS) + 2} channels: two workers take "
        "half the time of one, and give the same table",
        "ratio": ratio_of(*walls),
        "answers": {
            "one worker": times[1],
            "two workers": times[2],
            "the same table": same,
            "peak memory, of float64 samples": {
                name: round(per_sample(rows), 1) for name, rows in growth.items()
            },
        },
        "growth": [{"pipeline": name, **row} for name, rows in growth.items() for row in rows],
    }


if __name__ == "__main__":
    print_run(run)
