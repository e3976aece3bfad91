"""A pipeline step that fails in known ways, and small recordings to run it on."""

import errno
import os
import signal
import time
from pathlib import Path

import mne
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

import npa.batch

SFREQ = 100.0
N_TIMES = 1000


class FailingStep(TransformerMixin, BaseEstimator):
    """Doubles a recording, or fails in the way that is given for its name.

    A failure is one of ``"raise"``, ``"memory"`` (more than a limit of the process), ``"kill"``,
    ``"kill once"`` and ``"disk"``. ``log`` is a folder that gets a file per attempt.
    """

    def __init__(self, failures=None, log=None, seconds=0.0):
        self.failures = failures
        self.log = log
        self.seconds = seconds

    def fit(self, X, y=None):
        """Do nothing."""
        return self

    def transform(self, raw):
        """Double the recording, or fail."""
        name = Path(raw.filenames[0]).stem
        n_before = 0
        if self.log is not None:
            n_before = len(list(Path(self.log).glob(f"{name}-*")))
            (Path(self.log) / f"{name}-{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(self.seconds)
        failure = (self.failures or {}).get(name)
        if failure == "raise":
            raise ValueError("raised on purpose")
        if failure == "disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if failure == "kill" or (failure == "kill once" and not n_before):
            os.kill(os.getpid(), signal.SIGKILL)
        if failure == "memory":
            import resource  # POSIX only

            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, hard))
            np.ones(2**31)  # 16 GiB
        return raw.copy().apply_function(lambda x: 2 * x)


def run_slowly(files, out, log):
    """Run a batch whose workers take two seconds for a recording."""
    step = FailingStep(log=str(log), seconds=2.0)
    npa.batch.run(step, files, out, n_jobs=2, outputs=("signal", "table"))


def make_recordings(folder, n=4, n_times=N_TIMES):
    """Write ``n`` recordings of noise of two channels, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    info = mne.create_info(["C3", "Oz"], SFREQ, "eeg")
    paths = []
    for seed in range(n):
        noise = np.random.default_rng(seed).normal(scale=1e-5, size=(2, n_times)).cumsum(axis=1)
        paths.append(folder / f"p{seed}_raw.fif")
        mne.io.RawArray(noise, info, verbose=False).save(paths[-1], verbose=False)
    return paths


def attempts(log):
    """Return every attempt at a recording: its name, and the process that made it."""
    return [tuple(path.name.split("-")[:2]) for path in log.iterdir()]
