"""HTML page of a recording report."""

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from small_recording import CHANNELS, recording

from npa.datasets import simulate_recording
from npa.estimators.parameterize import FOOOFFitter
from npa.recordings.reading import load_recording
from npa.reports import drawing
from npa.reports.drawing import draw_power
from npa.workflows.recording_report import analyze_recording, save_recording_report
from npa.workflows.report_page import (
    blink_sentence,
    line_sentence,
    tallest_peak,
    write_html_report,
)

pytestmark = pytest.mark.filterwarnings("ignore:NeuralPowerAmplifier clips the negative knee")


@pytest.fixture(scope="module")
def report():
    return analyze_recording(recording())


@pytest.fixture(scope="module")
def quiet():
    """Report on a recording without blinks, positions or one good channel, with hum removed."""
    raw = recording(blink_rate=0).set_montage(None)
    raw.info["bads"] = ["C3"]
    return analyze_recording(raw, line=50.0)


def page(report, tmp_path, source="file.edf"):
    """Write the report, and read it."""
    write_html_report(report, tmp_path / "report.html", source)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_page_says_what_was_done(report, tmp_path):
    text = page(report, tmp_path)
    for part in (
        "file.edf",
        "40.0 s at 128 Hz",
        "8 data channels of 10",
        blink_sentence(report.blinks),
        "BlinkICARemover",
        "min_blinks=3",
        "NeuralPowerAmplifier",
        "FOOOFFitter",
        f"r2 = {report.filters.r_squared:.4f}",
    ):
        assert part in text, part
    assert "LineNoiseRemover" not in text


def test_page_has_every_figure_and_table(report, tmp_path):
    text = page(report, tmp_path)
    # Blinks, spectrum, maps, model, filters, power.
    assert text.count('<img class="figure-img') == 6
    for title in (
        "Blinks",
        "Blink components",
        "Background and peaks",
        "Background and peaks of every channel",
        "Maps",
        "Filters",
        "Power before and after",
    ):
        assert title in text, title
    for channel in CHANNELS:
        assert f"<th>{channel}</th>" in text
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("name", "kind"), [("eog", "eog"), ("ecg", "ecg"), ("misc", "misc"), ("data", "eeg")]
)
def test_channels_may_be_called_like_a_type(tmp_path, name, kind):
    raw = recording().drop_channels(["HEOG"])
    raw.rename_channels({"VEOG": name})
    raw.set_channel_types({name: kind}, on_unit_change="ignore", verbose=False)
    text = page(analyze_recording(raw), tmp_path)
    assert (f"<td>{name}</td>" in text) == (kind == "eog")


def test_page_needs_no_network(report, tmp_path):
    assert not re.search(r"<(script|img|link)[^>]+(src|href)=.https?:", page(report, tmp_path))


def test_page_without_blinks_and_positions(quiet, tmp_path):
    text = page(quiet, tmp_path)
    assert "none removed: " in text
    assert "No component was subtracted" in text
    assert "LineNoiseRemover" in text
    assert "freqs=50.0" in text
    assert re.search(r"Bad channels</th>\s*<td>C3<", text)
    for title in ("Blink components", ">Maps<", "as recorded"):
        assert title not in text, title


def test_figures_are_drawn_once(report, tmp_path, monkeypatch):
    drawn = []

    def draw(freqs, power):
        drawn.append(list(power))
        return draw_power(freqs, power)

    monkeypatch.setattr(drawing, "draw_power", draw)
    again = replace(report)
    save_recording_report(again, tmp_path)
    page(again, tmp_path)
    assert drawn == [["as recorded", "without blinks", "amplified"]]


def test_names_are_text_and_not_markup(report, tmp_path):
    text = page(report, tmp_path, source="<b>bold</b>.edf")
    assert "&lt;b&gt;bold&lt;/b&gt;.edf" in text
    assert "<b>bold</b>.edf" not in text


def test_blink_sentence(report, quiet):
    n_blinks = len(report.blinks.blink_times)
    left = report.blinks.median_residual
    sentence = f"{n_blinks} found on VEOG, removed with one component ({left:.0%} left)"
    assert blink_sentence(report.blinks) == sentence
    assert blink_sentence(quiet.blinks) == f"none removed: {quiet.blinks.reason}"


def test_tallest_peak_by_hand():
    table = pd.DataFrame(
        {
            "exponent": [1.0, 1.0, 1.0, np.nan],
            "peak1_cf": [8.0, 7.0, 20.0, np.nan],
            "peak1_pw": [0.4, 0.3, 0.9, np.nan],
            "peak2_cf": [12.0, 14.1, np.nan, np.nan],
            "peak2_pw": [0.6, 0.8, np.nan, np.nan],
        }
    )
    np.testing.assert_array_equal(tallest_peak(table, (7.0, 14.0)), [0.6, 0.3, 0.0, np.nan])


def test_table_without_peaks_has_none():
    table = pd.DataFrame({"exponent": [1.0, np.nan]})
    np.testing.assert_array_equal(tallest_peak(table, (7.0, 14.0)), [0.0, np.nan])


@pytest.mark.filterwarnings("ignore:Limited 1 annotation")
def test_alpha_of_closed_eyes_is_occipital(data_dir):
    raw = load_recording(data_dir / "eegbci" / "S001R02.edf")
    fitter = FOOOFFitter().set_output(transform="pandas")
    row = fitter.fit_transform(raw).iloc[0]
    table = pd.DataFrame(
        {
            column: [row[f"{name}_{column}"] for name in raw.ch_names]
            for column in ["exponent"]
            + [f"peak{n}_{kind}" for n in range(1, 7) for kind in ("cf", "pw")]
        },
        index=[name.strip(".").upper() for name in raw.ch_names],
    )
    alpha = pd.Series(tallest_peak(table, (7.0, 14.0)), table.index)
    back = alpha.filter(regex="^(O|PO)")
    assert alpha.idxmax() in back.index
    assert set(alpha.nlargest(5).index) <= set(back.index)
    front = alpha.filter(regex="^(FP|AF|F[0-9Z])")
    assert back.median() - front.median() > 0.4  # log10 units of power


def test_hum_that_stays_is_told():
    raw, _ = simulate_recording(duration=30.0, line_freq=60.0, line_amplitude=5e-6, random_state=0)
    sentence = line_sentence(analyze_recording(raw))
    assert sentence.startswith("60 Hz stands out and is not removed")
    assert "--line 60" in sentence
