"""How long importing npa's estimators takes beside MNE and scikit-learn, in fresh processes.

``import npa`` alone is lazy and takes milliseconds; what a user waits for are the estimators.

Run ``python -m benchmarks.import_time [--quick]``.
"""

import subprocess
import sys

import numpy as np

from benchmarks.timing import print_run, ratio_of

OURS = "from npa import BlinkICARemover, FOOOFFitter, NeuralPowerAmplifier, PSDExponent"
PEER = "import mne, sklearn.base"
TIMED = """
import time
start = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""


def seconds_of(statement):
    """Return what a statement takes in a fresh interpreter: seconds elapsed, and of processor."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(number) for number in done.stdout.split()]


def run(quick=False):
    """Measure both, in turn, after one round that only warms the disk."""
    rounds = 1 if quick else 5
    for statement in (OURS, PEER):
        seconds_of(statement)
    seconds = np.array([[seconds_of(each) for each in (OURS, PEER)] for _ in range(rounds)])
    best = seconds.min(axis=0)
    return {
        "claim": f"`{OURS}` beside `{PEER}`: at most 1.3 times as long",
        "ratio": ratio_of(seconds[:, 0, 0], seconds[:, 1, 0]),
        "answers": {
            "best of 5, seconds elapsed": {"npa": best[0, 0], "mne, sklearn.base": best[1, 0]},
            "best of 5, seconds of processor": {"npa": best[0, 1], "mne, sklearn.base": best[1, 1]},
            "ratio of the best": {
                "elapsed": best[0, 0] / best[1, 0],
                "processor": best[0, 1] / best[1, 1],
            },
        },
        "growth": [],
    }


if __name__ == "__main__":
    print_run(run)
