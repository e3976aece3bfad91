"""How many recordings fit into memory at once."""

import os
from contextlib import suppress
from pathlib import Path

import mne
from mne.utils import warn

# Of the recording as float64 at the peak: itself, what a step reads and what it returns. The
# benchmark of batches measures 4, and 0.25 GB for a worker with its imports; half more is room.
_COPIES = 6
_WORKER = 375e6  # bytes
_PER_SAMPLE = 8  # bytes
_GROUPS = Path("/sys/fs/cgroup")  # where Linux shows its control groups
_OWN = Path("/proc/self/cgroup")  # and those of this process
# Where a group tells its limit, what it holds, and what of that can be dropped: version 2, and 1.
_V2 = ("memory.max", "memory.current", "inactive_file ")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")


def available_memory():
    """Return the memory that new processes may use.

    Returns
    -------
    free : float
        In bytes: what the system says is available, or what is left of the limit of the process's
        container or batch job (Linux control groups, its own and those above) where that is less.
        Infinite where nothing tells.

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    free = float("inf")
    with suppress(OSError, ValueError, AttributeError):
        free = float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        free = 1024.0 * int(line.split()[1])
    for folder, names in _groups():
        # A group without a limit says "max", and one that lies outside of a container is not there.
        with suppress(OSError, ValueError, StopIteration):
            limit, used = (float((folder / name).read_text()) for name in names[:2])
            lines = (folder / "memory.stat").read_text().splitlines()
            cached = next(float(line.split()[1]) for line in lines if line.startswith(names[2]))
            free = min(free, limit - used + cached)
    return free


def memory_needed(recordings):
    """Estimate the memory that one worker needs at its peak.

    Parameters
    ----------
    recordings : list of npa.workflows.batch.recordings.Recording
        What is to be done; of each format, the header of the largest file is read.

    Returns
    -------
    need : float
        Bytes: six times the largest recording as float64, and 0.375 GB for the worker itself.

    Examples
    --------
    >>> import numpy as np
    >>> from npa.workflows.batch.recordings import as_recordings
    >>> raw = mne.io.RawArray(np.zeros((1, 1_000_000)), mne.create_info(1, 100.0, "eeg"))
    >>> raw.save("one_raw.fif", verbose=False)
    [...]
    >>> round(memory_needed(as_recordings(["one_raw.fif"], "out")) / 1e6)  # 375 + 6 * 8
    423
    """
    largest = {}
    for recording in recordings:
        ending = recording.path.suffix
        n_bytes = sum(size for size, _ in recording.fingerprint().values())
        if n_bytes > largest.get(ending, (0,))[0]:
            largest[ending] = n_bytes, recording.path
    samples = 0
    for _, path in largest.values():
        # What cannot be read fails later, in its turn.
        with suppress(Exception):
            raw = mne.io.read_raw(path, preload=False, verbose="ERROR")
            samples = max(samples, raw.n_times * len(raw.ch_names))
    return _WORKER + _COPIES * _PER_SAMPLE * samples


def jobs_that_fit(recordings, n_jobs):
    """Lower a number of workers to what memory allows, with a warning.

    Parameters
    ----------
    recordings : list of npa.workflows.batch.recordings.Recording
        What is to be done.
    n_jobs : int
        How many workers are wanted.

    Returns
    -------
    n_jobs : int
        How many fit, at least one.

    Examples
    --------
    >>> jobs_that_fit([], 1)
    1
    """
    need, free = memory_needed(recordings), available_memory()
    # Not the smaller of both numbers: infinite memory divided by any is none.
    fitting = n_jobs if free >= n_jobs * need else max(1, int(free // need))
    if need > free:
        warn(
            f"The largest recording may need {need / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free; npa.transform_to works in blocks."
        )
    elif fitting < n_jobs:
        warn(
            f"n_jobs is lowered from {n_jobs} to {fitting}: each worker may need "
            f"{need / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free."
        )
    return fitting


def _groups():
    """List the folders of the process's control groups, and of those above, with their names."""
    lines = []
    with suppress(OSError):
        lines = _OWN.read_text().splitlines()
    found = []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if not controllers:
            top, names = _GROUPS, _V2
        elif "memory" in controllers.split(","):
            top, names = _GROUPS / "memory", _V1
        else:
            continue
        own = top / path.lstrip("/")
        found += [(each, names) for each in (own, *own.parents) if each.is_relative_to(top)]
    return found
