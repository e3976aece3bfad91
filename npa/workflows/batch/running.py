"""One pipeline over many recordings."""

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mne.utils import logger, warn
from sklearn.base import BaseEstimator, clone
from tqdm import tqdm

from npa.checks import check_bool, check_n_jobs, check_option, check_path
from npa.recordings.preparing import check_channel_options
from npa.recordings.staging import refuse_existing, staged, write_json
from npa.typing import PathLike
from npa.workflows.batch.derivatives import BIDSRecording, describe_derivative
from npa.workflows.batch.pipeline_file import read_channels, read_pipeline
from npa.workflows.batch.recordings import Recording, remove_staging
from npa.workflows.batch.results import SUMMARY_FILES, Failure, summarize, write_summary
from npa.workflows.batch.settings import describe, differences, versions
from npa.workflows.batch.workers import process_all

if TYPE_CHECKING:
    import pandas as pd

_OUTPUTS = ("signal", "table", "report")
_SETTINGS_FILE = "batch.json"


def run(
    pipeline: BaseEstimator | PathLike,
    recordings: Sequence[Any],
    out_dir: PathLike,
    *,
    n_jobs: int = 1,
    outputs: str | Sequence[str] = _OUTPUTS,
    overwrite: bool = False,
    channels: Mapping[str, Any] | None = None,
) -> "pd.DataFrame":
    """Run one pipeline on many recordings, and save the results.

    Parameters
    ----------
    pipeline : sklearn estimator | path-like
        One estimator or a pipeline of them, fitted to each recording; the last step may return a
        table. A path is read by `npa.batch.read_pipeline`.
    recordings : sequence of path-like | sequence of mne_bids.BIDSPath
        Continuous recordings with different names, in any format that MNE reads; or those of a
        BIDS data set, as listed by `npa.batch.bids_recordings`.
    out_dir : path-like
        Folder of the results: ``summary.csv``, ``report.html``, ``failed.csv`` if a recording
        failed, and a folder per recording. For ``BIDSPath`` it becomes a BIDS derivative.
    n_jobs : int, default 1
        Number of workers, which are processes of one thread; -1 for one per core. It is lowered,
        with a warning, to what fits into memory.
    outputs : sequence of {"signal", "table", "report"}
        What to save of each recording: the output of the last step that returns a signal, the
        table of the last step, and a page with the decisions of each step.
    overwrite : bool, default False
        Whether earlier results of these recordings are removed first. Otherwise those of the same
        settings and input are kept, and others raise an error.
    channels : dict | None
        Choice of channels of every recording: any of ``picks, exclude, bads, montage, reference``,
        as for `npa.recordings.preparing.prepare_recording`, and ``types``, a dict of channel name
        to type. They overrule those of a pipeline that is read from a file.

    Returns
    -------
    summary : pandas.DataFrame
        One row per recording (per epoch, if the table has several rows): ``recording, source,
        status`` (``"done"`` or ``"failed"``), ``sfreq`` in Hz, ``channels``, ``duration`` in s,
        ``warnings``, ``error``, and the columns of the table.

    Raises
    ------
    FileExistsError
        If ``out_dir`` holds other files, or results of other settings or inputs, and
        ``overwrite`` is False.
    OSError
        If ``out_dir`` cannot be written, or the disk is full; finished recordings are kept.
    TypeError, ValueError
        If an argument is not allowed, or two recordings have the same name.

    See Also
    --------
    npa.transform_to : Transform one recording that does not fit into memory.

    Notes
    -----
    A recording that fails does not stop the others: its traceback is in ``failed.csv``. Results
    are moved into place when they are complete, the record last. The same call resumes a run that
    was killed; what its remaining workers still compute is discarded. Only one run may write to a
    folder at a time.

    A recording that does not fit into the free memory is read, fitted and written in blocks, if
    all steps are this package's own. The results agree to rounding.

    Within ``joblib.parallel_config("dask")`` the same call runs on a Dask cluster (``pip install
    'npa[cluster]'``), whose workers must see the recordings and ``out_dir`` under the same paths;
    the cluster then determines the number of workers. On one machine::

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
        channels = read_channels(pipeline) | check_channel_options("channels", channels)
        pipeline = read_pipeline(pipeline)
    if isinstance(pipeline, type) or not hasattr(pipeline, "get_params"):
        raise TypeError(f"pipeline must be an estimator or a path, got {pipeline!r}.")
    check_n_jobs("n_jobs", n_jobs)
    check_bool("overwrite", overwrite)
    if not isinstance(outputs, (str, Sequence, Set)):
        raise TypeError(f"outputs must be a list of {list(_OUTPUTS)}, got {outputs!r}.")
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    wanted = sorted({check_option("outputs", name, _OUTPUTS) for name in names})
    if not wanted:
        raise ValueError(f"outputs must hold at least one of {list(_OUTPUTS)}, got none.")
    settings = {"Pipeline": describe(clone(pipeline)), "Outputs": wanted}
    if chosen := check_channel_options("channels", channels):
        settings["Channels"] = chosen
    out_dir = check_path(
        "out_dir", out_dir
    ).absolute()  # workers may have another working directory
    todo = _recordings(recordings, out_dir)
    _prepare(out_dir, todo, settings, overwrite)
    if isinstance(todo[0], BIDSRecording):
        describe_derivative(todo[0].source.root, out_dir, [_SETTINGS_FILE, *SUMMARY_FILES])
    failures = _process_remaining(todo, pipeline, settings, n_jobs)
    summary = summarize(todo, failures)
    write_summary(out_dir, summary, todo, failures, settings)
    failed = list(summary.loc[summary["status"] == "failed", "recording"])
    if failed:
        warn(
            f"{len(failed)} of {len(todo)} recordings failed; "
            f"see {out_dir / 'failed.csv'}: {', '.join(failed)}."
        )
    return summary


def _recordings(sources: Sequence[Any], out_dir: Path) -> list[Recording]:
    """Name the recordings, and raise if they do not go together."""
    if isinstance(sources, (str, os.PathLike)):
        raise TypeError(f"recordings must be a sequence of paths, got the one path {sources!r}.")
    try:
        sources = list(sources)
    except TypeError:
        raise TypeError(f"recordings must be a sequence of paths, got {sources!r}.") from None
    if not sources:
        raise ValueError("recordings must hold at least one recording, got none.")
    is_bids = {hasattr(source, "entities") for source in sources}
    if len(is_bids) > 1:
        raise TypeError("recordings must all be paths, or all BIDSPath, got both.")
    kind: type[Recording] = Recording
    if True in is_bids:
        kind, roots = BIDSRecording, sorted({str(source.root) for source in sources})
        if len(roots) > 1 or roots == ["None"]:
            raise ValueError(f"recordings must have one root of a BIDS data set, got {roots}.")
        if out_dir.resolve() == Path(roots[0]).resolve():
            raise ValueError(
                f"out_dir must not be the data set itself, got {str(out_dir)!r}; choose a folder "
                "of its derivatives."
            )
    found: dict[str, Recording] = {}
    for index, source in enumerate(sources):
        if kind is Recording and not isinstance(source, (str, os.PathLike)):
            raise TypeError(
                f"recordings[{index}] must be a path, got {type(source).__name__}; save it first."
            )
        path = source if True in is_bids else Path(source).expanduser().absolute()
        new = kind.from_source(path, out_dir)
        first = found.setdefault(new.name.casefold(), new)  # some file systems ignore case
        if first is not new:
            raise ValueError(
                "recordings must differ in name, as their results do: "
                f"{first.path} and {new.path} are both {new.name!r}."
            )
    return list(found.values())


def _prepare(
    out_dir: Path, recordings: Sequence[Recording], settings: dict[str, Any], overwrite: bool
) -> None:
    """Refuse to overwrite other results, and write the settings into the folder."""
    if out_dir.exists() and not out_dir.is_dir():
        raise FileExistsError(f"{out_dir} is a file, not a folder to write to.")
    if not (out_dir / _SETTINGS_FILE).exists() and not overwrite:
        names = {each.folder.relative_to(out_dir).parts[0] for each in recordings}
        refuse_existing(out_dir, {*names, *SUMMARY_FILES, "dataset_description.json"})
    remove_staging(out_dir)
    for recording in recordings:
        recording.clean_up()
        if overwrite:
            recording.remove_results()
        elif record := recording.record():
            changes = [*differences(record["Settings"], settings), *recording.input_changes(record)]
            if changes:
                raise FileExistsError(
                    f"{recording.folder} holds other results: {'; '.join(changes)}. Choose another "
                    "folder, or overwrite."
                )
    out_dir.mkdir(parents=True, exist_ok=True)
    with staged(out_dir, overwrite=True) as staging:
        write_json(staging / _SETTINGS_FILE, {"Settings": settings, "Versions": versions()})


def _process_remaining(
    recordings: Sequence[Recording], pipeline: BaseEstimator, settings: dict[str, Any], n_jobs: int
) -> dict[str, Failure]:
    """Process the recordings without results, and return failures by name."""
    remaining = [each for each in recordings if not each.is_done(settings)]
    n_done = len(recordings) - len(remaining)
    logger.info(f"{n_done} recording(s) are done and kept; {len(remaining)} remain.")
    failures = {}
    progress = tqdm(total=len(recordings), initial=n_done, desc="npa batch", unit="recording")
    finished = process_all(remaining, pipeline, settings, n_jobs)
    try:
        for recording, failure in finished:
            if failure and failure.disk_full:
                raise OSError(
                    f"{failure.error} ({recording.name}). {n_done} of {len(recordings)} recordings "
                    "are done and kept; free some space, and run the same again."
                )
            if failure:
                failures[recording.name] = failure
            n_done += failure is None
            progress.update()
    finally:
        finished.close()
        progress.close()
        for recording in remaining:
            recording.clean_up()
    return failures
