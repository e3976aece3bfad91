"""HTML page of a recording report."""

import mne
import numpy as np

from npa.recordings.containers import read_signals
from npa.reports.html import frame_html, rows_html

_ALPHA = (7.0, 14.0)  # Hz


def write_html_report(report, fname, source):
    """Write what was done to a recording, and what was found, as one HTML file.

    Parameters
    ----------
    report : npa.workflows.recording_report.RecordingReport
        What `npa.workflows.recording_report.analyze_recording` returned.
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
    import matplotlib.pyplot as plt

    page = mne.Report(title="Blinks out, 1/f out, oscillations kept", verbose=False)

    def add_figure(figure, title, caption):
        page.add_figure(figure, title=title, caption=caption, image_format="png")
        plt.close(figure)

    page.add_html(_summary(report, source), title="What was done")
    _add_blinks(page, add_figure, report)
    add_figure(
        report.figures["spectrum"],
        "Background and peaks",
        "Mean power of the usable channels before amplifying, with FOOOF's model. The background "
        "falls as 1/f to the power of chi; peaks are what stands above it.",
    )
    page.add_html(
        "<p>One row a channel. offset: log10 of V²/Hz; cf, bw: Hz; pw: log10 units above the "
        f"background.</p>{frame_html(report.table.dropna(axis=1, how='all'))}",
        title="Background and peaks of every channel",
    )
    _add_maps(add_figure, report)
    _add_filters(page, add_figure, report)
    add_figure(
        report.figures["psd"],
        "Power before and after",
        "Mean power of the usable channels before, between and after the steps. The amplifier "
        "turns the background down where it is strong, at low frequencies, but not flat.",
    )
    page.save(fname, overwrite=True, open_browser=False, verbose=False)


def _summary(report, source):
    """Say what was done with which settings, as HTML."""
    from npa import __version__

    info = report.raw.info
    rows = {
        "Recording": source,
        "Length": f"{report.raw.times[-1]:.1f} s at {info['sfreq']:g} Hz",
        "Channels": f"{len(report.table)} data channels of {len(info['ch_names'])}",
        "Bad channels": ", ".join(info["bads"]) or "none",
        "EOG channels": ", ".join(report.raw.copy().pick("eog").ch_names)
        if "eog" in report.raw
        else "none",
        "Blinks": blink_sentence(report.blinks),
        "Versions": f"npa {__version__}, MNE {mne.__version__}",
    }
    for step in report.steps.values():
        changed = ", ".join(f"{name}={value!r}" for name, value in step.get_params().items())
        rows[type(step).__name__] = changed
    return rows_html(rows)


def blink_sentence(blinks):
    """Say in one sentence what became of the blinks.

    Parameters
    ----------
    blinks : npa.reports.BlinkReport
        What was found.

    Returns
    -------
    sentence : str
        For people to read.

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
    r2 = blinks.r_squared[blinks.eog_names.index(blinks.channel), blinks.component]
    return (
        f"{len(blinks.blink_times)} found on {blinks.channel}, "
        f"removed with one component (r2 = {r2:.2f})"
    )


def _add_blinks(page, add_figure, report):
    """Add the blink component, and how well each component explained the EOG."""
    blinks = report.blinks
    add_figure(
        report.figures["blinks"],
        "Blinks",
        "Left: what was subtracted at the peak of a blink. Right: the median blink where it is "
        "largest, before and after."
        if blinks.found
        else "No component was subtracted.",
    )
    if blinks.found:
        page.add_html(
            "<p>Share of the EOG's variance around blinks (1-10 Hz) that each independent "
            f"component explains.</p>{frame_html(blinks.to_frame())}",
            title="Blink components",
        )


def _add_maps(add_figure, report):
    """Add maps of the exponent and of alpha over the scalp, where positions are known."""
    from npa.reports.drawing import draw_maps

    info = read_signals(report.clean).info
    if info.get_montage() is None:
        return
    values = {
        "Exponent": report.table["exponent"].to_numpy(),
        "Alpha peak (log10)": tallest_peak(report.table, *_ALPHA),
    }
    add_figure(
        draw_maps(values, info),
        "Maps",
        f"Exponent of the background, and height of the tallest peak within {_ALPHA[0]:g}-"
        f"{_ALPHA[1]:g} Hz above it (0 where there is none; 1 is ten times the power).",
    )


def tallest_peak(table, fmin, fmax):
    """Return the height of the tallest peak of every channel within a band.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a channel, with columns ``peak1_cf``, ``peak1_pw``, ...
    fmin, fmax : float
        The band in Hz.

    Returns
    -------
    heights : array, shape (n_channels,)
        In log10 units; 0 where no peak lies in the band, NaN where the channel was not fitted.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"exponent": [1.0], "peak1_cf": [10.0], "peak1_pw": [0.5]})
    >>> tallest_peak(table, 7.0, 14.0)
    array([0.5])
    """
    centres = table.filter(regex=r"^peak\d+_cf$").to_numpy()
    heights = table.filter(regex=r"^peak\d+_pw$").to_numpy()
    inside = (centres >= fmin) & (centres <= fmax)
    tallest = np.where(inside, heights, 0.0).max(axis=1, initial=0.0)
    return np.where(np.isfinite(table["exponent"]), tallest, np.nan)


def _add_filters(page, add_figure, report):
    """Add the model that the amplifier was made from, and its gain, ideal and realised."""
    filters = report.filters
    add_figure(
        report.steps["amplify"].spectrum_.plot(),
        "Model of the amplifier",
        "The amplifier fits a model of its own, with the settings published with the method. Its "
        "peaks are those that the filter raises.",
    )
    add_figure(
        report.figures["filters"],
        "Filters",
        "Gain of the amplifier by frequency: for the background, for the peaks, and both.",
    )
    low, high = filters.freq_range
    page.add_html(
        f"<p>Ideal and realised gain agree with r2 = {filters.r_squared:.4f} from 0 Hz to "
        f"Nyquist; the largest difference within {low:g}-{high:g} Hz is "
        f"{filters.max_error_db:.3f} dB.</p>",
        title="How well the filter was realised",
    )
