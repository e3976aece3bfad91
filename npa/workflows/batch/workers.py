"""Recordings in parallel, as many as fit into memory; a dead worker affects only its own."""

import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any

import psutil
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend
from mne.utils import warn
from sklearn.base import BaseEstimator

from npa.workflows.batch.processing import memory_needed, process
from npa.workflows.batch.recordings import Recording
from npa.workflows.batch.results import Failure

_LOCAL = {"LokyBackend", "MultiprocessingBackend", "SequentialBackend", "ThreadingBackend"}


def process_all(
    recordings: Sequence[Recording],
    pipeline: BaseEstimator,
    settings: Mapping[str, Any],
    n_jobs: int,
) -> Generator[tuple[Recording, Failure | None], None, None]:
    """Run a pipeline on recordings, and yield each when it ends.

    Parameters
    ----------
    recordings : sequence of npa.workflows.batch.recordings.Recording
        The recordings to process.
    pipeline, settings
        As for `npa.workflows.batch.processing.process`.
    n_jobs : int
        Number of workers on this machine, lowered to what fits into memory; a cluster has its own.

    Yields
    ------
    recording : npa.workflows.batch.recordings.Recording
        One that has ended.
    failure : npa.workflows.batch.results.Failure | None
        What went wrong.

    Notes
    -----
    A killed worker breaks the pool, and it is not known which of the recordings being processed
    killed it. Each of them is tried once more, alone; one that breaks the pool again has failed. A
    cluster tries again by itself, until `npa.workflows.batch.processing.process` stops it.

    Examples
    --------
    >>> from npa import PSDExponent
    >>> missing = [Recording.from_source(name, "out") for name in ("a.edf", "b.edf")]
    >>> settings = {"Pipeline": {}, "Outputs": ["table"]}
    >>> [failure.error for _, failure in process_all(missing, PSDExponent(), settings, n_jobs=1)]
    ['FileNotFoundError: a.edf does not exist.', 'FileNotFoundError: b.edf does not exist.']
    """
    max_memory = None
    if recordings and type(get_active_backend()[0]).__name__ in _LOCAL:
        n_jobs, max_memory = _fit_into_memory(recordings, effective_n_jobs(n_jobs))
    waiting = {recording.name: recording for recording in recordings}
    retried_alone: list[Recording] = []
    while waiting:
        group = retried_alone[:1] or list(waiting.values())
        running: dict[str, Recording] = {}
        try:
            for name, failure in _in_parallel(
                group, running, n_jobs, pipeline, settings, max_memory
            ):
                yield waiting.pop(name), failure
        except BrokenProcessPool as error:
            if not running:
                raise
            if retried_alone:
                name = retried_alone[0].name
                yield waiting.pop(name), Failure.of_killed(name, error)
            else:
                started = [each for each in running.values() if each.attempts()]
                retried_alone = started or list(running.values())
        retried_alone = [each for each in retried_alone if each.name in waiting]


def _fit_into_memory(recordings: Sequence[Recording], n_jobs: int) -> tuple[int, float]:
    """Return how many workers fit into memory, at least one, and how much each may use in bytes."""
    available = psutil.virtual_memory().available
    n_jobs = min(n_jobs, len(recordings))
    largest: dict[str, tuple[int, Recording]] = {}  # of each file format
    for recording in recordings:
        n_bytes = sum(size for size, _ in recording.fingerprint().values())
        if n_bytes > largest.get(recording.path.suffix, (0,))[0]:
            largest[recording.path.suffix] = n_bytes, recording
    need = 1.0
    for _, recording in largest.values():
        # One that cannot be read fails later, by its name.
        with suppress(Exception), warnings.catch_warnings(action="ignore"):
            need = max(need, memory_needed(recording.load(preload=False)))
    fitting = min(n_jobs, max(1, int(available // need)))
    if fitting < n_jobs:
        warn(
            f"n_jobs is lowered from {n_jobs} to {fitting}: each worker may need "
            f"{need / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are free."
        )
    return fitting, available / fitting


def _in_parallel(
    recordings: Sequence[Recording], running: dict[str, Recording], n_jobs: int, *args: Any
) -> Iterator[tuple[str, Failure | None]]:
    """Yield name and failure of recordings when they end, and keep ``running`` up to date."""

    def tasks() -> Iterator[Any]:
        for recording in recordings:
            running[recording.name] = recording
            yield delayed(_named)(recording, *args)

    # No task is dispatched ahead: the fewer are running, the fewer may have killed a worker.
    parallel = Parallel(
        n_jobs, batch_size=1, pre_dispatch="n_jobs", return_as="generator_unordered"
    )
    for name, failure in parallel(tasks()):
        del running[name]
        yield name, failure


def _named(recording: Recording, *args: Any) -> tuple[str, Failure | None]:
    """Process a recording, and return its name with the outcome."""
    return recording.name, process(recording, *args)
