"""Many recordings at once; a worker that dies takes no other recording with it."""

from concurrent.futures.process import BrokenProcessPool

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from npa.workflows.batch.processing import killed, process

_LOCAL = {"LokyBackend", "MultiprocessingBackend", "SequentialBackend", "ThreadingBackend"}


def is_local():
    """Tell whether workers of joblib's active backend share the memory of this machine.

    Returns
    -------
    answer : bool
        False under ``joblib.parallel_config("dask")`` and other clusters.

    Examples
    --------
    >>> is_local()
    True
    """
    return type(get_active_backend()[0]).__name__ in _LOCAL


def process_all(recordings, pipeline, settings, n_jobs):
    """Run a pipeline on recordings, and yield each as it ends.

    Parameters
    ----------
    recordings : list of npa.workflows.batch.recordings.Recording
        What is to be done.
    pipeline : sklearn estimator
        What to run on each.
    settings : dict
        Its description as ``"Pipeline"``, and which ``"Outputs"`` to write.
    n_jobs : int
        Number of workers; a cluster has its own.

    Yields
    ------
    recording : npa.workflows.batch.recordings.Recording
        One that has ended.
    failure : npa.workflows.batch.processing.Failure | None
        What went wrong.

    Notes
    -----
    A dead worker breaks the pool, and nobody knows which of the recordings in work killed it.
    Each of them is tried once more, alone; what then kills its worker again has failed. A cluster
    tries again by itself, until `npa.workflows.batch.processing.process` has seen enough.

    Examples
    --------
    >>> from npa import PSDExponent
    >>> from npa.workflows.batch.recordings import as_recordings
    >>> missing = as_recordings(["a.edf", "b.edf"], "out")
    >>> settings = {"Pipeline": {}, "Outputs": ["table"]}
    >>> [failure.error for _, failure in process_all(missing, PSDExponent(), settings, n_jobs=1)]
    ['FileNotFoundError: a.edf does not exist.', 'FileNotFoundError: b.edf does not exist.']
    """
    waiting = {recording.name: recording for recording in recordings}
    suspects = []
    while waiting:
        group = suspects[:1] or list(waiting.values())
        in_work = {}
        try:
            for name, failure in _in_parallel(group, in_work, pipeline, settings, n_jobs):
                yield waiting.pop(name), failure
        except BrokenProcessPool as error:
            if not in_work:
                raise
            if suspects:
                yield waiting.pop(suspects[0].name), killed(suspects[0], error)
            else:
                suspects = [each for each in in_work.values() if each.marks()]
                suspects = suspects or list(in_work.values())
        suspects = [each for each in suspects if each.name in waiting]


def _in_parallel(recordings, in_work, pipeline, settings, n_jobs):
    """Yield name and failure of recordings as they end, and keep ``in_work`` up to date."""

    def feed():
        for recording in recordings:
            in_work[recording.name] = recording
            yield delayed(_named)(recording, pipeline, settings)

    # One task ahead of nobody: the fewer are in work, the fewer are under suspicion.
    parallel = Parallel(
        n_jobs, batch_size=1, pre_dispatch="n_jobs", return_as="generator_unordered"
    )
    for name, failure in parallel(feed()):
        in_work.pop(name)
        yield name, failure


def _named(recording, pipeline, settings):
    """Process a recording, and say which one it was."""
    return recording.name, process(recording, pipeline, settings)
