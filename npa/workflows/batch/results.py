"""The results of a batch: outcomes and failures, a page per recording, and a summary of all."""

import html
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import mne
import numpy as np

from npa.recordings.staging import staged
from npa.reports.page import Page
from npa.reports.tables import by_channel
from npa.workflows.batch.recordings import Recording
from npa.workflows.batch.settings import versions
from npa.workflows.recording_report import mean_spectra

if TYPE_CHECKING:
    import pandas as pd

CLEAN_TIME_COLUMNS = ("seconds_used", "seconds_clean")
BLINK_COLUMNS = (
    *("blinks_found", "n_blinks", "residual", "reason"),
    *("saccades_found", "n_saccades", "saccade_residual", "saccade_reason"),
)
SUMMARY_FILES = ("summary.csv", "failed.csv", "report.html")
_MAX_CHANNELS = 8  # with a figure each
_RESULTS_MISSING = "FileNotFoundError: its results are not there, or were changed by others."


@dataclass(frozen=True)
class Failure:
    """Why a recording has no results.

    Parameters
    ----------
    name : str
        Name of the recording.
    error : str
        The message, in one line.
    traceback : str
        Where it was raised.
    disk_full : bool
        Whether no other recording could be written either.
    """

    name: str
    error: str
    traceback: str = ""
    disk_full: bool = False

    @classmethod
    def of_killed(cls, name: str, reason: object) -> Self:
        """Return the failure of a recording whose worker was killed."""
        message = "its worker was killed, and again; most likely it ran out of memory."
        return cls(name, f"MemoryError: {message}", str(reason))


@dataclass(frozen=True)
class Outcome:
    """What a pipeline made of a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        The input.
    signal : mne.io.Raw | None
        The output of the last step that returns a signal; None if there is none.
    table : pandas.DataFrame | None
        One row per epoch; None if the pipeline ends in a signal.
    steps : list
        The fitted estimators.
    """

    raw: mne.io.BaseRaw
    signal: mne.io.BaseRaw | None
    table: "pd.DataFrame | None"
    steps: list[Any]

    def by_channel(self) -> "pd.DataFrame | None":
        """Return the table with one row per channel (or group of channels) and epoch.

        It is returned as it is if its columns are not named by channel and measure.
        """
        if self.table is None:
            return None
        return by_channel(self.table, getattr(self.steps[-1], "groups_", None) or ())

    def medians(self) -> dict[str, float]:
        """Return the median of every measure over channels and epochs."""
        table = self.by_channel()
        if table is None:
            return {}
        with np.errstate(all="ignore"):
            medians = table.median(axis=0).dropna()
        return {name: float(value) for name, value in medians.items()}

    def blinks(self) -> dict[str, Any]:
        """Return the decision about blinks and saccades: found, number, left, reason."""
        for step in self.steps:
            if hasattr(step, "blinks_"):
                saccades = step.saccades_.summary() if step.saccades_.sought else {}
                renamed = {"residual": "saccade_residual", "reason": "saccade_reason"}
                return {
                    **(step.blinks_.summary() if step.blinks_.sought else {}),
                    "suspected": step.blinks_.sought and step.blinks_.suspected,
                    **{renamed.get(name, name): value for name, value in saccades.items()},
                }
        return {}

    def clean_time(self) -> dict[str, float]:
        """Return the seconds that the last step's spectra are estimated from, and those clean."""
        for name in ("spectrum_", "slopes_"):
            report = getattr(self.steps[-1], name, None)
            if report is not None:
                return {key: float(getattr(report, key)) for key in CLEAN_TIME_COLUMNS}
        return {}

    def figures(self) -> dict[str, Any]:
        """Draw what the steps decided, and the power before and after, by title."""
        from npa.reports.drawing import draw_power

        figures = {
            f"{type(step).__name__}: {name.strip('_')}{of_channel}": report.plot()
            for step in self.steps
            for name, decision in vars(step).items()
            for of_channel, report in _reports(decision)
        }
        if self.signal is not None and self.signal.info["sfreq"] == self.raw.info["sfreq"]:
            stages = {"as recorded": self.raw, "after the steps": self.signal}
            with suppress(ValueError):  # the output holds NaN
                figures["Power before and after"] = draw_power(*mean_spectra(stages))
        return figures


def _reports(decision: Any) -> list[tuple[str, Any]]:
    """Return the report of a decision, or those of the first channels if it has one for each."""
    reports = [("", decision)]
    if isinstance(decision, dict):
        shown, total = list(decision.items())[:_MAX_CHANNELS], len(decision)
        reports = [
            (f" of {name} ({number} of {total})", each)
            for number, (name, each) in enumerate(shown, 1)
        ]
    return [
        pair
        for pair in reports
        if all(hasattr(pair[1], each) for each in ("plot", "to_frame"))
        and getattr(pair[1], "sought", True)
    ]


def write_recording_page(fname: Path, outcome: Outcome, record: Mapping[str, Any]) -> None:
    """Write what a pipeline did to one recording, and what it found, as one HTML file.

    Parameters
    ----------
    fname : path-like
        The file to write, ending in ``.html``.
    outcome : Outcome
        The output of the pipeline.
    record : dict
        The record of the recording.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.zeros((1, 100)), mne.create_info(["Oz"], 100.0, "eeg"))
    >>> record = {"Recording": "one.edf", "RecordingDuration": 1.0, "SamplingFrequency": 100.0}
    >>> record |= {"Channels": 1, "Warnings": ["too short"], "Versions": {}}
    >>> record["Settings"] = {"Pipeline": {"npa.PSDExponent": {"fmin": 2}}}
    >>> write_recording_page(Path("report.html"), Outcome(raw, None, None, []), record)
    >>> "fmin=2" in Path("report.html").read_text("utf-8")
    True
    """
    page = Page(record["Recording"])
    rows = {
        "Recording": record["Recording"],
        "Length": f"{record['RecordingDuration']:.1f} s at {record['SamplingFrequency']:g} Hz",
        "Channels": record["Channels"],
        "Bad channels": ", ".join(outcome.raw.info["bads"]) or "none",
        **_settings_rows(record["Settings"], record["Versions"]),
        "Warnings": " ".join(record["Warnings"]) or "none",
    }
    page.add_rows("What was done", rows)
    for title, figure in outcome.figures().items():
        page.add_figure(title, figure)
    table = outcome.by_channel()
    if table is not None:
        page.add_table("Table", table.dropna(axis=1, how="all"))
    page.save(fname)


def summarize(recordings: Sequence[Recording], failures: Mapping[str, Failure]) -> "pd.DataFrame":
    """Return one row per recording, or per epoch if its table has several rows.

    Parameters
    ----------
    recordings : sequence of npa.workflows.batch.recordings.Recording
        All recordings of the batch; their results are read from disk.
    failures : dict
        Name of a recording to its failure.

    Returns
    -------
    summary : pandas.DataFrame
        As returned by `npa.batch.run`.

    Examples
    --------
    >>> failures = {"one": Failure("one", "ValueError: too short")}
    >>> summarize([Recording.from_source("one.edf", "out")], failures)["error"].item()
    'ValueError: too short'
    """
    import pandas as pd

    parts = []
    for recording in recordings:
        record, failure = recording.record() or {}, failures.get(recording.name)
        failed = not record or failure is not None
        blinks = record.get("Blinks", {})
        about = {
            "recording": recording.name,
            "source": str(recording.path),
            "status": "failed" if failed else "done",
            "sfreq": record.get("SamplingFrequency", np.nan),
            "channels": record.get("Channels", np.nan),
            "duration": record.get("RecordingDuration", np.nan),
            **record.get("CleanTime", {}),
            **{
                name: np.nan if blinks[name] is None else blinks[name]
                for name in BLINK_COLUMNS
                if name in blinks
            },
            "warnings": " ".join(record.get("Warnings", [])),
            "error": (failure.error if failure else _RESULTS_MISSING) if failed else "",
        }
        table = None if failed else recording.load_table()
        table = pd.DataFrame(index=[0]) if table is None else table
        parts.append(pd.concat([pd.DataFrame(about, index=table.index), table], axis=1))
    return pd.concat(parts, ignore_index=True)


def write_summary(
    out_dir: Path,
    summary: "pd.DataFrame",
    recordings: Sequence[Recording],
    failures: Mapping[str, Failure],
    settings: Mapping[str, Any],
) -> None:
    """Write the table and the page of a batch, and its failures if there are any.

    Parameters
    ----------
    out_dir : pathlib.Path
        The folder to write to; files of an earlier run are replaced.
    summary : pandas.DataFrame
        The output of `summarize`.
    recordings, failures
        As for `summarize`.
    settings : dict
        Settings of the batch.

    Examples
    --------
    >>> recordings = [Recording.from_source("one.edf", "out")]
    >>> settings = {"Pipeline": {"npa.PSDExponent": {"robust": False}}}
    >>> write_summary(Path("out"), summarize(recordings, {}), recordings, {}, settings)
    >>> sorted(path.name for path in Path("out").iterdir())
    ['failed.csv', 'report.html', 'summary.csv']
    """
    import pandas as pd

    failed = summary.loc[summary["status"] == "failed", ["recording", "source", "error"]]
    traces = {name: failure.traceback for name, failure in failures.items()}
    failed = failed.assign(traceback=[traces.get(name, "") for name in failed["recording"]])
    medians = pd.DataFrame([(each.record() or {}).get("Medians", {}) for each in recordings])
    table = summary.loc[:, "recording":"error"].drop_duplicates("recording")
    table = pd.concat([table.reset_index(drop=True), medians.add_prefix("median ")], axis=1)
    table["recording"] = [_link(recording, out_dir) for recording in recordings]
    for name in {"source", "reason", "warnings", "error"} & set(table):
        table[name] = table[name].fillna("").map(html.escape)
    page = Page(f"{len(recordings) - len(failed)} of {len(recordings)} recordings")
    rows = {"Recordings": f"{len(recordings)}, of which {len(failed)} failed"}
    rows |= _settings_rows(settings, versions())
    page.add_rows("What was done", rows)
    page.add_table("Recordings", table, index=False, escape=False)
    suspected = [
        _link(each, out_dir)
        for each in recordings
        if (each.record() or {}).get("Blinks", {}).get("suspected")
    ]
    if suspected:
        page.add_html(
            "Blinks that may be left",
            "<p>No blinks were removed from these recordings, although frontal peaks are as high "
            f"as blinks: {', '.join(suspected)}.</p>",
        )
    for each in failed.itertuples():
        text = f"<p>{html.escape(each.error)}</p><pre>{html.escape(each.traceback)}</pre>"
        page.add_html(f"Failed: {each.recording}", text)
    with staged(out_dir, overwrite=True) as staging:
        summary.to_csv(staging / "summary.csv", index=False)
        if len(failed):
            failed.to_csv(staging / "failed.csv", index=False)
        else:
            (out_dir / "failed.csv").unlink(missing_ok=True)
        page.save(staging / "report.html")


def _settings_rows(settings: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, str]:
    """Return one row per step with its parameters, and one with the versions."""
    rows = {
        f"Step {number}: {name}": ", ".join(
            f"{key}={json.dumps(value)}" for key, value in params.items()
        )
        for number, (name, params) in enumerate(_steps(settings["Pipeline"]), 1)
    }
    if "Channels" in settings:
        rows["Channels"] = ", ".join(
            f"{key}={json.dumps(value)}" for key, value in settings["Channels"].items()
        )
    return rows | {"Versions": ", ".join(f"{name} {value}" for name, value in versions.items())}


def _steps(described: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the parameters of each step of a described pipeline."""
    ((name, params),) = described.items()
    if "steps" not in params:
        yield name.rpartition(".")[-1], params
        return
    for _, step in params["steps"]:
        if isinstance(step, dict):
            yield from _steps(step)


def _link(recording: Recording, out_dir: Path) -> str:
    """Return the name of a recording, as a link to its page if it has one."""
    shown, page = html.escape(recording.name), recording.folder / recording.files["report"]
    if not page.exists():
        return shown
    return f"<a href='{quote(Path(os.path.relpath(page, out_dir)).as_posix())}'>{shown}</a>"
