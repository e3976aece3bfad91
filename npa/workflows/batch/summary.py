"""What became of all recordings of a batch, in one table and one page."""

import os

import numpy as np

from npa.recordings.staging import staged
from npa.workflows.batch.pages import write_overview
from npa.workflows.batch.settings import versions

SUMMARY_FILES = ("summary.csv", "failed.csv", "report.html")
_LOST = "FileNotFoundError: its results are not there, or were changed by others."


def summarise(recordings, failures):
    """Return a row a recording, or an epoch where its table has several rows.

    Parameters
    ----------
    recordings : list of npa.workflows.batch.recordings.Recording
        All recordings of the batch; the results are read from disk.
    failures : dict
        Name of a recording to its `npa.workflows.batch.processing.Failure`.

    Returns
    -------
    summary : pandas.DataFrame
        As `npa.batch.run` returns it.

    Examples
    --------
    >>> from npa.workflows.batch.processing import Failure
    >>> from npa.workflows.batch.recordings import as_recordings
    >>> failures = {"one": Failure("one", "ValueError: too short")}
    >>> summarise(as_recordings(["one.edf"], "out"), failures)["error"].item()
    'ValueError: too short'
    """
    import pandas as pd

    parts = []
    for recording in recordings:
        record, failure = recording.record() or {}, failures.get(recording.name)
        failed = not record or failure is not None
        about = {
            "recording": recording.name,
            "source": str(recording.path),
            "status": "failed" if failed else "done",
            "sfreq": record.get("SamplingFrequency", np.nan),
            "channels": record.get("Channels", np.nan),
            "duration": record.get("RecordingDuration", np.nan),
            "warnings": " ".join(record.get("Warnings", [])),
            "error": (failure.error if failure else _LOST) if failed else "",
        }
        table = None if failed else recording.load_table()
        table = pd.DataFrame(index=[0]) if table is None else table
        parts.append(pd.concat([pd.DataFrame(about, index=table.index), table], axis=1))
    return pd.concat(parts, ignore_index=True)


def write_summary(out_dir, summary, recordings, failures, settings):
    """Write the table and the page of a batch, and its failures where there are some.

    Parameters
    ----------
    out_dir : pathlib.Path
        Where they go; those of an earlier run are replaced.
    summary : pandas.DataFrame
        What `summarise` returned.
    recordings : list of npa.workflows.batch.recordings.Recording
        All recordings of the batch.
    failures : dict
        Name of a recording to its `npa.workflows.batch.processing.Failure`.
    settings : dict
        Of the batch.

    Examples
    --------
    >>> import inspect
    >>> list(inspect.signature(write_summary).parameters)[:2]
    ['out_dir', 'summary']
    """
    failed = summary.loc[summary["status"] == "failed", ["recording", "source", "error"]]
    traces = {name: failure.traceback for name, failure in failures.items()}
    failed = failed.assign(traceback=[traces.get(name, "") for name in failed["recording"]])
    pages = {each.name: each.folder / each.files["report"] for each in recordings}
    pages = {name: os.path.relpath(page, out_dir) for name, page in pages.items() if page.exists()}
    with staged(out_dir, overwrite=True) as aside:
        summary.to_csv(aside / "summary.csv", index=False)
        if len(failed):
            failed.to_csv(aside / "failed.csv", index=False)
        else:
            (out_dir / "failed.csv").unlink(missing_ok=True)
        shown = _with_medians(summary, recordings)
        write_overview(aside / "report.html", shown, failed, settings, versions(), pages)


def _with_medians(summary, recordings):
    """Return a row a recording, with the medians of what was measured."""
    import pandas as pd

    about = summary.loc[:, "recording":"error"].drop_duplicates("recording")
    medians = pd.DataFrame([(each.record() or {}).get("Medians", {}) for each in recordings])
    return pd.concat([about.reset_index(drop=True), medians.add_prefix("median ")], axis=1)
