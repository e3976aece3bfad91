"""The results of a batch as pages that someone who did not run it can read."""

import html
import json
from pathlib import Path
from urllib.parse import quote

import mne
import numpy as np

from npa.reports.html import frame_html, rows_html
from npa.workflows.recording_report import mean_spectra


def write_page(fname, outcome, record):
    """Write what a pipeline did to one recording, and what it found, as one HTML file.

    Parameters
    ----------
    fname : path-like
        The file to write, ending in ``.html``.
    outcome : npa.workflows.batch.processing.Outcome
        What came out of the pipeline.
    record : dict
        What its record says.

    Examples
    --------
    >>> import inspect
    >>> list(inspect.signature(write_page).parameters)
    ['fname', 'outcome', 'record']
    """
    import matplotlib.pyplot as plt

    from npa.reports.drawing import draw_power

    report = mne.Report(title=record["Recording"], verbose=False)
    rows = {
        "Recording": record["Recording"],
        "Length": f"{record['RecordingDuration']:.1f} s at {record['SamplingFrequency']:g} Hz",
        "Channels": record["Channels"],
        "Bad channels": ", ".join(outcome.raw.info["bads"]) or "none",
        **_settings(record["Settings"], record["Versions"]),
        "Warnings": " ".join(record["Warnings"]) or "none",
    }
    report.add_html(rows_html(rows), title="What was done")
    figures = {}
    for step in outcome.steps:
        for name, decided in vars(step).items():
            if hasattr(decided, "plot") and hasattr(decided, "to_frame"):
                figures[f"{type(step).__name__}: {name.strip('_')}"] = decided.plot()
    if _comparable(outcome.raw, outcome.signal):
        stages = {"as recorded": outcome.raw, "after the steps": outcome.signal}
        figures["Power before and after"] = draw_power(*mean_spectra(stages))
    for title, figure in figures.items():
        report.add_figure(figure, title=title, image_format="png")
        plt.close(figure)
    if outcome.table is not None:
        table = outcome.by_channel().dropna(axis=1, how="all")
        report.add_html(frame_html(table), title="Table")
    report.save(fname, overwrite=True, open_browser=False, verbose=False)


def write_overview(fname, summary, failed, settings, versions, pages):
    """Write what became of all recordings as one HTML file.

    Parameters
    ----------
    fname : path-like
        The file to write, ending in ``.html``.
    summary : pandas.DataFrame
        One row a recording, with its status and the medians of what was measured.
    failed : pandas.DataFrame
        One row a failed recording: ``recording, source, error, traceback``.
    settings : dict
        Of the batch.
    versions : dict
        Of what computed.
    pages : dict
        Name of a recording to the path of its own page from this one, where it has one.

    Examples
    --------
    >>> import inspect
    >>> list(inspect.signature(write_overview).parameters)[:3]
    ['fname', 'summary', 'failed']
    """
    n_done = int((summary["status"] == "done").sum())
    report = mne.Report(title=f"{n_done} of {len(summary)} recordings", verbose=False)
    rows = {
        "Recordings": f"{len(summary)}, of which {len(failed)} failed",
        **_settings(settings, versions),
    }
    report.add_html(rows_html(rows), title="What was done")
    table = summary.assign(
        recording=[_link(name, pages.get(name)) for name in summary["recording"]],
        **{key: summary[key].map(html.escape) for key in ("source", "warnings", "error")},
    )
    report.add_html(frame_html(table, index=False, escape=False), title="Recordings")
    for each in failed.itertuples():
        text = f"<p>{html.escape(each.error)}</p><pre>{html.escape(each.traceback)}</pre>"
        report.add_html(text, title=f"Failed: {each.recording}")
    report.save(fname, overwrite=True, open_browser=False, verbose=False)


def _comparable(raw, signal):
    """Tell whether there is a spectrum to draw beside that of the recording."""
    return (
        signal is not None
        and signal.info["sfreq"] == raw.info["sfreq"]
        and np.isfinite(signal.get_data(picks="data")).all()
    )


def _settings(settings, versions):
    """Return the steps and their parameters, and the versions, as rows."""
    steps = _steps(settings["Pipeline"])
    rows = {
        f"Step {number}: {name}": ", ".join(
            f"{key}={json.dumps(value)}" for key, value in params.items()
        )
        for number, (name, params) in enumerate(steps, 1)
    }
    return rows | {"Versions": ", ".join(f"{name} {value}" for name, value in versions.items())}


def _steps(described):
    """Yield the name and parameters of every step of a described pipeline."""
    ((name, params),) = described.items()
    if "steps" not in params:
        yield name.rpartition(".")[-1], params
        return
    for _, step in params["steps"]:
        if isinstance(step, dict):
            yield from _steps(step)


def _link(name, page):
    """Return a name that leads to its page, where there is one."""
    shown = html.escape(name)
    return f"<a href='{quote(Path(page).as_posix())}'>{shown}</a>" if page else shown
