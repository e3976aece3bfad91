"""HTML page of a recording report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mne
import numpy as np

from npa.checks import check_range
from npa.recordings.containers import read_signals
from npa.reports import BlinkReport, SpectrumReport
from npa.reports.hum import hum_sentence
from npa.reports.page import Page
from npa.typing import FloatArray, PathLike
from npa.workflows.recording_report import RecordingReport

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ALPHA_RANGE = (7.0, 14.0)  # Hz


def write_html_report(report: RecordingReport, fname: PathLike, source: str) -> None:
    """Write what was done to a recording, and what was found, as one HTML file.

    Parameters
    ----------
    report : npa.workflows.recording_report.RecordingReport
        The output of `npa.workflows.recording_report.analyze_recording`.
    fname : path-like
        The file to write, ending in ``.html``; it holds its figures and needs no network.
    source : str
        Where the recording came from, for the reader.

    Examples
    --------
    >>> from pathlib import Path
    >>> from npa.datasets import simulate_recording
    >>> from npa.workflows.recording_report import analyze_recording
    >>> report = analyze_recording(simulate_recording(duration=30.0, random_state=0)[0])
    >>> write_html_report(report, "report.html", "simulated")
    >>> "simulated" in Path("report.html").read_text(encoding="utf-8")
    True
    """
    page = Page("Blinks and 1/f background removed, oscillations kept")
    page.add_rows("What was done", _settings(report, source))
    if "line" in report.figures:
        page.add_figure(
            "Line noise",
            report.figures["line"],
            "Mean spectrum, and the line in each channel over the background beside it, before and "
            "after; the pattern of the first component, if components were removed.",
        )
    for each in (report.blinks, report.saccades):
        if each.sought:
            _add_eye_movements(page, each, report.figures[f"{each.artifact}s"])
    page.add_figure(
        "Background and peaks",
        report.figures["spectrum"],
        "Mean power of the usable channels before amplifying, with FOOOF's model. The background "
        "falls as 1/f to the power of chi; peaks stand above it.",
    )
    page.add_table(
        "Background and peaks of every channel",
        report.table.dropna(axis=1, how="all"),
        "One row per channel. offset: log10 of V²/Hz; cf, bw: Hz; pw: log10 units above the "
        "background.",
    )
    _add_maps(page, report)
    _add_filter(page, report)
    page.add_figure(
        "Power before and after",
        report.figures["psd"],
        "Mean power of the usable channels before, between and after the steps. The amplifier "
        "attenuates the background where it is strong, at low frequencies, but does not flatten "
        "it.",
    )
    page.save(fname)


def blink_sentence(blinks: BlinkReport) -> str:
    """Return one sentence on the blinks that were removed.

    Parameters
    ----------
    blinks : npa.reports.BlinkReport
        What was found.

    Returns
    -------
    sentence : str
        The number of blinks and the component, or why none was removed.

    Examples
    --------
    >>> from npa.estimators.blinks import BlinkICARemover
    >>> from npa.datasets import simulate_recording
    >>> raw, truth = simulate_recording(duration=30.0, random_state=0)
    >>> blink_sentence(BlinkICARemover().fit(raw).blinks_).rpartition(" (")[0]
    '6 found on VEOG, removed with one component'
    """
    if not blinks.found:
        return f"none removed: {blinks.reason}"
    n_removed = {1: "one component", 2: "two components"}.get(
        blinks.n_removed, f"{blinks.n_removed} components"
    )
    found = f"{len(blinks.blink_times)} found on {blinks.channel}, " if blinks.channel else ""
    left = f" ({blinks.median_residual:.0%} left)" if blinks.residual else ""
    return f"{found}removed with {n_removed}{left}"


def line_sentence(report: RecordingReport) -> str:
    """Return one sentence on line noise, removed or left.

    Parameters
    ----------
    report : npa.workflows.recording_report.RecordingReport
        The output of `npa.workflows.recording_report.analyze_recording`.

    Returns
    -------
    sentence : str
        Its frequency and decibels.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> from npa.workflows.recording_report import analyze_recording
    >>> raw, _ = simulate_recording(duration=30.0, line_freq=50.0, random_state=0)
    >>> line_sentence(analyze_recording(raw))[:31]
    '50 Hz stands out and is not rem'
    """
    if report.hum is not None:
        return hum_sentence(report.hum)
    line = report.line_left
    if line is None:
        return "none at 50 or 60 Hz"
    return (
        f"{line.freq:g} Hz stands out and is not removed ({10 * np.log10(line.ratio):.0f} dB over "
        f"the background, mean of the channels): --line {line.freq:g}, or line={line.freq:g}, "
        "removes it"
    )


def clean_time_sentence(spectrum: SpectrumReport) -> str:
    """Return how much of the clean recording a spectrum is estimated from.

    Parameters
    ----------
    spectrum : npa.reports.SpectrumReport
        The spectrum.

    Returns
    -------
    sentence : str
        Seconds used, and seconds outside ``BAD_`` annotations.

    Examples
    --------
    >>> from npa import FOOOFFitter
    >>> noise = np.random.default_rng(0).normal(size=(1, 1, 5000))
    >>> clean_time_sentence(FOOOFFitter(sfreq=100.0).fit(noise).spectrum_)
    'the spectrum uses 50 of 50 clean s'
    """
    return f"the spectrum uses {spectrum.seconds_used:.4g} of {spectrum.seconds_clean:.4g} clean s"


def tallest_peak(table: pd.DataFrame, freq_range: tuple[float, float]) -> FloatArray:
    """Return the height of the tallest peak of each channel within a frequency range.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per channel, with columns ``exponent``, ``peak1_cf``, ``peak1_pw``, ...
    freq_range : tuple of float
        Lowest and highest centre frequency in Hz.

    Returns
    -------
    heights : array, shape (n_channels,)
        In log10 units; 0 without a peak in the range, NaN where the channel was not fitted.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"exponent": [1.0], "peak1_cf": [10.0], "peak1_pw": [0.5]})
    >>> tallest_peak(table, (7.0, 14.0))
    array([0.5])
    """
    low, high = check_range("freq_range", freq_range)
    centres = table.filter(regex=r"^peak\d+_cf$").to_numpy()
    heights = table.filter(regex=r"^peak\d+_pw$").to_numpy()
    inside = (centres >= low) & (centres <= high)
    tallest = np.where(inside, heights, 0.0).max(axis=1, initial=0.0)
    return np.where(np.isfinite(table["exponent"]), tallest, np.nan)


def _settings(report: RecordingReport, source: str) -> dict[str, str]:
    """Return what was done with which settings."""
    from npa import __version__

    raw, info = report.raw, report.raw.info
    pairs = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    eog = [name for name, kind in pairs if kind == "eog"]
    rows = {
        "Recording": source,
        "Length": f"{raw.times[-1]:.1f} s at {info['sfreq']:g} Hz",
        "Clean time": clean_time_sentence(report.spectrum),
        "Channels": f"{len(report.table)} data channels of {len(info['ch_names'])}",
        "Bad channels": ", ".join(info["bads"]) or "none",
        "EOG channels": ", ".join(eog) or "none",
        "Line noise": line_sentence(report),
        **{
            f"{each.artifact}s".capitalize(): blink_sentence(each)
            for each in (report.blinks, report.saccades)
            if each.sought
        },
        "Frequencies": "background and peaks are fitted within {:g}-{:g} Hz".format(
            *report.steps["measure"].freq_range
        ),
        "Versions": f"npa {__version__}, MNE {mne.__version__}",
    }
    for step in report.steps.values():
        params = ", ".join(f"{name}={value!r}" for name, value in step.get_params().items())
        rows[type(step).__name__] = params
    return rows


def _add_eye_movements(page: Page, found: BlinkReport, figure: Figure) -> None:
    """Add what was subtracted of blinks or saccades, and the evidence for them."""
    name = found.artifact
    event = "the peak of a blink" if name == "blink" else f"a {name}"
    refused = "peaks" if name == "blink" else "steps"
    shown = (
        f"Left: what was subtracted at {event}. Middle: the median {name} where it is largest, "
        "before and after."
    )
    if found.r_squared.size:
        shown += f" Right: how much of the {name}s each independent component holds."
    page.add_figure(
        f"{name}s".capitalize(),
        figure,
        shown
        if found.found
        else f"No component was subtracted. Middle: the median of the {refused} that were refused.",
    )
    if found.found:
        page.add_table(
            f"{name} components".capitalize(),
            found.to_frame(),
            f"Score of the {name}s in each EOG, share of its variance around {name}s that each "
            f"independent component explains, and share of the median {name} that is left.",
        )


def _add_maps(page: Page, report: RecordingReport) -> None:
    """Add maps of the exponent and of alpha power over the scalp, if positions are known."""
    from npa.reports.drawing import draw_maps

    info = read_signals(report.clean).info
    if info is None or info.get_montage() is None:
        return
    values = {
        "Exponent": report.table["exponent"].to_numpy(),
        "Alpha peak (log10)": tallest_peak(report.table, ALPHA_RANGE),
    }
    page.add_figure(
        "Maps",
        draw_maps(values, info),
        f"Exponent of the background, and height of the tallest peak within {ALPHA_RANGE[0]:g}-"
        f"{ALPHA_RANGE[1]:g} Hz above it (0 if there is none; 1 is ten times the power).",
    )


def _add_filter(page: Page, report: RecordingReport) -> None:
    """Add the model that the amplifier was designed from, and its ideal and realised gain."""
    page.add_figure(
        "Model of the amplifier",
        report.steps["amplify"].spectrum_.plot(),
        "The amplifier fits its own model, with the settings published with the method. The "
        "filter amplifies its peaks.",
    )
    page.add_figure(
        "Filters",
        report.figures["filters"],
        "Gain of the amplifier by frequency: for the background, for the peaks, and both.",
    )
    low, high = report.filters.freq_range
    page.add_html(
        "How well the filter was realised",
        f"<p>Ideal and realised gain agree with r2 = {report.filters.r_squared:.4f} from 0 Hz to "
        f"Nyquist; the largest difference within {low:g}-{high:g} Hz is "
        f"{report.filters.max_error_db:.3f} dB.</p>",
    )
