"""Kill a batch repeatedly, resume it, and compare it with an uninterrupted one.

``python tests/helpers/killed_batch.py`` does so at 50 random moments, and before each of the
operations by which a batch changes its folder.
"""

import argparse
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from failing_steps import make_recordings
from joblib.externals.loky import get_reusable_executor
from sklearn.pipeline import make_pipeline

from npa import LineNoiseRemover, PSDExponent
from npa.batch import run

_PAGE_DATE = re.compile(rb"Created on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}
_CONTEXT = multiprocessing.get_context("forkserver")


def batch(files, out, outputs=("signal", "table", "report"), n_jobs=1, kill_at=None):
    """Run a batch; kill this process before the operation number ``kill_at`` on ``out``."""
    if kill_at is not None:
        sys.addaudithook(_Killer(out, kill_at))
    pipeline = make_pipeline(LineNoiseRemover(20.0), PSDExponent((2, 15)))
    run(pipeline, files, out, outputs=outputs, n_jobs=n_jobs)
    if n_jobs > 1:
        get_reusable_executor().shutdown()  # processes like this one do not wait for it to idle


class _Killer:
    """Kill the process before it changes a folder for the n-th time."""

    def __init__(self, folder, left):
        self.folder, self.left = str(folder), left

    def __call__(self, event, args):
        writes = event == "open" and isinstance(args[2], int) and args[2] & os.O_ACCMODE
        if (writes or event in _CHANGES) and str(args[0]).startswith(self.folder):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def start(*args, **kwargs):
    """Start a batch in a new process of a server that has imported everything."""
    _CONTEXT.set_forkserver_preload(["killed_batch", "mne.report", "npa.reports.drawing", "pandas"])
    process = _CONTEXT.Process(target=batch, args=args, kwargs=kwargs)
    process.start()
    return process


def contents(folder):
    """Return every file of a folder, its path to its bytes, without the dates of pages."""
    return {
        str(path.relative_to(folder)): _PAGE_DATE.sub(b"Created", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def differing(one, other):
    """Return the paths whose bytes differ, or that only one has."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def done(out):
    """Return when each finished recording was finished."""
    return {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")}


def uninterrupted(files, out, **kwargs):
    """Run a batch twice; return the files of the second run, and the shorter time in s."""
    seconds = []
    for _ in range(2):
        shutil.rmtree(out, ignore_errors=True)
        began = time.monotonic()
        process = start(files, out, **kwargs)
        process.join()
        assert process.exitcode == 0
        seconds.append(time.monotonic() - began)
    return contents(out), min(seconds)


def kill_and_resume(files, out, *, moments=(), **kwargs):
    """Kill a batch repeatedly, then resume it to its end, and return the result.

    Each attempt is killed after its moment in s, or, with ``kill_at``, before that change.

    Returns
    -------
    left : dict
        The output of `contents` at the end.
    n_killed : int
        How many attempts were still running when they were killed.
    n_kept : int
        How many recordings were finished before the last attempt.
    """
    shutil.rmtree(out, ignore_errors=True)
    n_killed, before = 0, {}
    for after in moments if "kill_at" not in kwargs else (None,):
        process = start(files, out, **kwargs)
        process.join(after)
        process.kill()
        process.join()
        n_killed += process.exitcode == -signal.SIGKILL
        assert before.items() <= done(out).items(), "done twice"
        before = done(out)
    kwargs.pop("kill_at", None)
    process = start(files, out, **kwargs)
    process.join()
    assert process.exitcode == 0
    assert before.items() <= done(out).items(), "done twice"
    return contents(out), n_killed, len(before)


def main():
    """Kill at random moments, then before every change, and print what differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as folder:
        files = make_recordings(Path(folder) / "in", 4)
        out = Path(folder) / "out"
        expected, seconds = uninterrupted(files, out, n_jobs=args.jobs)
        say(f"{len(expected)} files in {seconds:.1f} s uninterrupted\n")
        n_batches = n_killed = n_wrong = 0
        while n_killed < args.kills:
            moments = rng.uniform(0, seconds / 3, min(5, args.kills - n_killed))
            left, killed, kept = kill_and_resume(files, out, moments=moments, n_jobs=args.jobs)
            wrong = differing(left, expected)
            n_batches, n_killed, n_wrong = n_batches + 1, n_killed + killed, n_wrong + bool(wrong)
            when = " ".join(f"{after:.2f}" for after in moments)
            say(f"killed {killed} times, after {when} s; kept {kept}; differing {wrong}\n")
        say(f"killed {n_killed} times, with differences after {n_wrong} of {n_batches} batches\n")
        quick = {"outputs": ("signal", "table")}
        expected, _ = uninterrupted(files[:2], out, **quick)
        n_wrong, kill_at, killed = 0, 0, True
        while killed:
            kill_at += 1
            left, killed, _ = kill_and_resume(files[:2], out, kill_at=kill_at, **quick)
            wrong = differing(left, expected)
            n_wrong += bool(wrong)
            if wrong:
                say(f"before change {kill_at}: differing {wrong}\n")
        say(f"killed before each of {kill_at - 1} changes, with differences after {n_wrong}\n")


if __name__ == "__main__":
    # The server of the processes imports this module by its name.
    from killed_batch import main

    main()
