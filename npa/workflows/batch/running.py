"""One pipeline over many recordings."""

import os
from pathlib import Path

from joblib import effective_n_jobs
from mne.utils import logger, warn
from sklearn.base import clone
from tqdm import tqdm

from npa.checks import check_option
from npa.recordings.staging import refuse_existing, staged, write_json
from npa.workflows.batch.derivatives import as_derivatives, describe_derivative
from npa.workflows.batch.memory import jobs_that_fit
from npa.workflows.batch.pipeline_file import read_pipeline
from npa.workflows.batch.recordings import as_recordings, sweep
from npa.workflows.batch.settings import describe, differences, versions
from npa.workflows.batch.summary import SUMMARY_FILES, summarise, write_summary
from npa.workflows.batch.workers import is_local, process_all

_OUTPUTS = ("signal", "table", "report")
_MARK = "batch.json"


def run(pipeline, recordings, out_dir, *, n_jobs=1, outputs=_OUTPUTS, overwrite=False):
    """Run one pipeline on many recordings, and keep what comes out.

    Parameters
    ----------
    pipeline : sklearn estimator | path-like
        One estimator or a pipeline of them, fitted anew to every recording; its last step may
        return a table. A path is read by `npa.batch.read_pipeline`.
    recordings : sequence of path-like | sequence of mne_bids.BIDSPath
        Continuous recordings of any format that MNE reads, of different names; or those of a BIDS
        data set, as `npa.batch.bids_recordings` lists them.
    out_dir : path-like
        Where the results go: ``summary.csv``, ``report.html``, ``failed.csv`` where a recording
        failed, and a folder for each recording. For ``BIDSPath`` it becomes a BIDS derivative.
    n_jobs : int, default 1
        Number of recordings in work at once, each in a process and on one thread; -1 for one a
        core. It is lowered, with a warning, to what fits into memory.
    outputs : sequence of {"signal", "table", "report"}
        What to keep of each recording, where the pipeline gives it: the signal after the last step
        that changes it, the table of the last step, and a page with what every step decided.
    overwrite : bool, default False
        Whether earlier results of these recordings are removed first. Otherwise those of the same
        settings and input are kept, and others are refused.

    Returns
    -------
    summary : pandas.DataFrame
        A row a recording (an epoch, where the table has several rows): ``recording, source,
        status`` (``"done"`` or ``"failed"``), ``sfreq`` in Hz, ``channels``, ``duration`` in s,
        ``warnings``, ``error``, and the columns of the table.

    Raises
    ------
    FileExistsError
        If ``out_dir`` holds other files, or results of other settings or inputs, and
        ``overwrite`` is False.
    OSError
        If ``out_dir`` cannot be written, or the disk is full; what was done before is kept.
    ValueError
        If an argument is not allowed, or two recordings have the same name.

    See Also
    --------
    npa.transform_to : One recording that does not fit into memory.

    Notes
    -----
    A recording that fails does not stop the others: its traceback is in ``failed.csv``. Results
    appear when they are whole, their record last; a run that was killed is resumed by the same
    call, and what workers that outlive it still compute is thrown away. Only one run may write to
    a folder at a time.

    Within ``joblib.parallel_config("dask")`` the same call runs on a Dask cluster (``pip install
    'npa[cluster]'``), whose workers must see the recordings and ``out_dir`` under the same paths;
    memory is then left to the cluster, and ``n_jobs`` too. On one machine::

        from dask.distributed import Client, LocalCluster
        from joblib import parallel_config

        if __name__ == "__main__":
            cluster = LocalCluster(n_workers=4, threads_per_worker=1)
            with Client(cluster), parallel_config("dask"):
                npa.batch.run(pipeline, recordings, out_dir)

    On several, ``dask scheduler`` runs on one and prints its address, ``dask worker ADDRESS
    --nthreads 1 --nworkers 4`` on each of the others, and ``Client("tcp://ADDRESS:8786")`` takes
    the place of ``Client(cluster)``. Results do not depend on where they were computed.

    Examples
    --------
    >>> from npa import PSDExponent
    >>> from npa.datasets import simulate_recording
    >>> for k in range(2):
    ...     raw, _ = simulate_recording(duration=10.0, ch_names=["Oz"], eog=False, random_state=k)
    ...     _ = raw.save(f"person{k}_raw.fif", verbose=False)
    >>> files = ["person0_raw.fif", "person1_raw.fif"]
    >>> summary = run(PSDExponent(), files, "slopes", outputs=["table"])
    >>> summary[["recording", "status", "channels"]]
          recording status  channels
    0  person0_raw   done         1
    1  person1_raw   done         1
    """
    if isinstance(pipeline, (str, os.PathLike)):
        pipeline = read_pipeline(pipeline)
    outputs = [outputs] if isinstance(outputs, str) else list(outputs)
    wanted = sorted({check_option("outputs", output, _OUTPUTS) for output in outputs})
    if not wanted:
        raise ValueError(f"outputs must hold at least one of {list(_OUTPUTS)}, got none.")
    settings = {"Pipeline": describe(clone(pipeline)), "Outputs": wanted}
    if isinstance(recordings, (str, os.PathLike)):
        raise TypeError(f"recordings must be a sequence of paths, got the one path {recordings!r}.")
    # Workers may have another working directory.
    sources, out_dir = list(recordings), Path(out_dir).absolute()
    bids = any(hasattr(source, "entities") for source in sources)
    if not bids:
        sources = [_absolute(source) for source in sources]
    recordings = (as_derivatives if bids else as_recordings)(sources, out_dir)
    if bids and out_dir.resolve() == Path(sources[0].root).resolve():
        raise ValueError(
            f"out_dir must not be the data set itself, got {str(out_dir)!r}; results belong into "
            "a folder of its derivatives."
        )
    _claim(out_dir, recordings, settings, overwrite)
    if bids:
        describe_derivative(sources[0].root, out_dir, [_MARK, *SUMMARY_FILES])
    failures = _work(recordings, pipeline, settings, n_jobs)
    summary = summarise(recordings, failures)
    write_summary(out_dir, summary, recordings, failures, settings)
    failed = list(summary.loc[summary["status"] == "failed", "recording"])
    if failed:
        warn(
            f"{len(failed)} of {len(recordings)} recordings failed; "
            f"see {out_dir / 'failed.csv'}: {', '.join(failed)}."
        )
    return summary


def _absolute(source):
    """Return an absolute path; what is no path is told so later."""
    return Path(source).absolute() if isinstance(source, (str, os.PathLike)) else source


def _claim(out_dir, recordings, settings, overwrite):
    """Make sure that nothing is overwritten unasked, and mark the folder as a batch's."""
    if out_dir.exists() and not out_dir.is_dir():
        raise FileExistsError(f"{out_dir} is a file, not a folder to write to.")
    ours = (out_dir / _MARK).exists()
    if not ours and not overwrite:
        tops = {each.folder.relative_to(out_dir).parts[0] for each in recordings}
        refuse_existing(out_dir, {*tops, *SUMMARY_FILES, "dataset_description.json"})
    sweep(out_dir)
    for recording in recordings:
        recording.tidy()
        if overwrite:
            recording.forget()
        else:
            _refuse_other(recording, settings)
    out_dir.mkdir(parents=True, exist_ok=True)
    with staged(out_dir, overwrite=True) as aside:
        write_json(aside / _MARK, {"Settings": settings, "Versions": versions()})


def _refuse_other(recording, settings):
    """Raise where there are results of other settings, or of an input that has changed."""
    record = recording.record()
    if record is None:
        return
    changed = [*differences(record["Settings"], settings), *recording.changes(record)]
    if changed:
        raise FileExistsError(
            f"{recording.folder} holds other results: {'; '.join(changed)}. Choose another folder, "
            "or overwrite."
        )


def _work(recordings, pipeline, settings, n_jobs):
    """Process what is not done, and return the failures by name of the recording."""
    todo = [each for each in recordings if not each.is_done(settings)]
    n_done = len(recordings) - len(todo)
    logger.info(f"{n_done} recording(s) were done before and are kept; {len(todo)} to do.")
    if todo and is_local():
        n_jobs = min(effective_n_jobs(n_jobs), len(todo))
        n_jobs = jobs_that_fit(todo, n_jobs)
    failures = {}
    progress = tqdm(total=len(recordings), initial=n_done, desc="npa batch", unit="recording")
    ended = process_all(todo, pipeline, settings, n_jobs)
    try:
        for recording, failure in ended:
            if failure and failure.disk_full:
                raise OSError(
                    f"{failure.error} ({recording.name}). {n_done} of {len(recordings)} recordings "
                    "are done and kept; make room, and run the same again."
                )
            if failure:
                failures[recording.name] = failure
            n_done += failure is None
            progress.update()
    finally:
        ended.close()
        progress.close()
        for recording in todo:
            recording.tidy()
    return failures
