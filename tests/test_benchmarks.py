"""The comparisons of blink removal and of parameterization score what is known as it is."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from npa.datasets import simulate_recording

NAMES = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P7", "P8", "O1", "O2"]
FRONTAL, BACK = np.array([0, 1]), np.array([8, 9])
SFREQ = 128.0


def load(name):
    """Load a module of the benchmarks, which are not installed."""
    path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scores, tables = load("blink_scores"), load("blink_tables")


@pytest.fixture(scope="module")
def simulated():
    """Samples with and without blinks, and where the blinks are."""
    raw, truth = simulate_recording(
        duration=90,
        sfreq=SFREQ,
        ch_names=NAMES,
        eog=False,
        blink_rate=16,
        blink_amplitude=350e-6,
        random_state=0,
    )
    peaks = np.round(truth.blink_times * SFREQ).astype(int)
    return raw.get_data(), truth.clean.get_data(), peaks


def frontal_mean(x):
    return x[FRONTAL].mean(axis=0) - x[2:].mean(axis=0)


def test_blinks_are_marked_where_they_are(simulated):
    raw, clean, peaks = simulated
    marked = scores.mark_blinks(frontal_mean(raw), SFREQ)
    assert len(marked) == len(peaks) == 24
    np.testing.assert_allclose(marked, peaks, atol=0.025 * SFREQ)  # samples
    assert len(scores.mark_blinks(frontal_mean(clean), SFREQ)) == 0


def score(before, after, peaks, truth=None):
    carrying = scores.carrying_channels(before, SFREQ, peaks, FRONTAL)
    return scores.score_removal(
        before, after, SFREQ, peaks, carrying=carrying, occipital=BACK, truth=truth
    )


@pytest.mark.parametrize("left", [0.0, 0.2, 1.0])
def test_what_is_left_is_measured(simulated, left):
    raw, clean, peaks = simulated
    after = clean + left * (raw - clean)
    known = score(raw, after, peaks, truth=clean)
    assert known["left"] == pytest.approx(left, abs=1e-6)
    assert known["left_peak_to_peak"] == pytest.approx(left, abs=1e-6)
    assert score(raw, after, peaks)["left"] == pytest.approx(left, abs=0.04)
    for measure in ("alpha", "beta", "frontal_beta"):
        # Filtered blinks are wider than the 0.5 s that count as near them.
        assert known[measure] == pytest.approx(1.0, abs=0.01), measure
    passed = [scores.bandpass(x, SFREQ, (1, 40)) for x in (raw - clean, clean)]
    share = np.linalg.norm(passed[0]) / np.linalg.norm(passed[1])
    assert known["error"] == pytest.approx(left * share, abs=1e-6)


def test_what_else_is_lost_is_measured(simulated):
    raw, clean, peaks = simulated
    after = clean.copy()
    after[BACK] *= 0.9
    after[FRONTAL] *= 0.5
    lost = score(raw, after, peaks)
    assert lost["alpha"] == pytest.approx(0.81, abs=0.01)
    assert lost["beta"] == pytest.approx(0.81, abs=0.01)
    assert lost["frontal_beta"] == pytest.approx(0.25, abs=0.01)
    whole = score(raw, clean, peaks)["frontal_tail"]
    assert lost["frontal_tail"] == pytest.approx(0.5 * whole, rel=1e-6)
    assert whole < 0.5


def test_blinks_are_measured_where_they_are(simulated):
    raw, _, peaks = simulated
    np.testing.assert_array_equal(scores.carrying_channels(raw, SFREQ, peaks, FRONTAL), FRONTAL)
    weak = raw * np.where(np.arange(10) == 1, 0.3, 1.0)[:, np.newaxis]
    np.testing.assert_array_equal(scores.carrying_channels(weak, SFREQ, peaks, FRONTAL), [0])
    against_the_forehead = raw - raw[FRONTAL].mean(axis=0)
    carrying = scores.carrying_channels(against_the_forehead, SFREQ, peaks, FRONTAL)
    assert set(carrying) == {*range(2, 10)}


def row(method, recording, found, n_blinks, **more):
    return {"recording": recording, "method": method, "found": found, "n_blinks": n_blinks, **more}


def test_found_wrong_and_false_are_told_apart():
    table = tables.as_frame(
        [
            row("npa", "good", True, 20, left=0.02),
            row("npa", "half", True, 20, left=0.6),
            row("npa", "missed", False, 20),
            row("npa", "two blinks", True, 2, left=0.1),
            row("npa", "none", True, 0),
            row("npa", "simulated", True, 0, reference="Cz", blinks=False),
            row("npa", "failed", False, 20, failure="ValueError: too short"),
        ]
    ).set_index("recording")
    assert list(table.index[table["found"]]) == ["good"]
    assert list(table.index[table["wrong"]]) == ["half"]
    assert list(table.index[table["false"]]) == ["none", "simulated"]
    assert list(table.index[table["blinks"]]) == ["good", "half", "missed", "failed"]
    cells = tables.numbers(table.reset_index())
    assert cells["found"] == "1 of 4"
    assert cells["false"] == "2 of 2"
    assert cells["left"] == "2.0 %"


def test_pairs_count_where_both_find():
    table = tables.as_frame(
        [
            row("npa", "a", True, 9, left=0.02, alpha=0.99),
            row("npa", "b", True, 9, left=0.05, alpha=1.0),
            row("npa", "c", False, 9),
            row("MNE z", "a", True, 9, left=0.08, alpha=1.05),
            row("MNE z", "b", True, 9, left=0.03, alpha=1.0),
            row("MNE z", "c", True, 9, left=0.04, alpha=1.0),
        ]
    )
    pair = tables.pairs(table, "recordings").set_index("beside").loc["MNE z"]
    assert pair["both find"] == 2
    assert (pair["npa leaves less"], pair["more"]) == (1, 1)
    assert pair["left, npa"] == "3.5 %"
    assert pair["alpha off, other"] == "2.5 %"
    lines = "\n".join(tables.behind(table, "recordings"))
    assert "npa, missed in recordings: 1 (c)" in lines
    assert "MNE z: finds what npa misses in 1 (c); npa finds what it misses in 0" in lines


spectra = load("parameterization_truth")


def test_simulated_spectra_are_those_that_were_asked_for():
    options = {"n_peaks": (2, 3), "exponents": (2.0, 2.1), "widths": (0.6, 0.7), "separation": 2.0}
    found = spectra.simulate_spectra(6, n_windows=100, sfreq=128.0, random_state=1, **options)
    assert ((found.exponent >= 2.0) & (found.exponent <= 2.1)).all()
    for peaks in found.peaks:
        assert 2 <= len(peaks) <= 3
        assert ((peaks[:, 2] >= 0.6) & (peaks[:, 2] <= 0.7)).all()
        assert (np.diff(peaks[:, 0]) >= 2.0 * (peaks[1:, 2] + peaks[:-1, 2])).all()
    model = [
        spectra.log_spectrum(found.freqs, *one)
        for one in zip(found.exponent, found.knee_freq, found.peaks, strict=True)
    ]
    off = np.log10(found.power) - model
    off -= np.median(off, axis=1, keepdims=True)
    assert np.median(np.abs(off)) < 0.06  # log10 units; 0.04 is the noise of 100 windows
    np.testing.assert_allclose(found.signals.std(axis=1), 1.0)
    # The power is that of the signals but for their scale.
    again = spectra.psd(found.signals, 128.0, freq_range=spectra.FREQ_RANGE, n_per_seg=256)[1]
    ratio = again / found.power
    np.testing.assert_allclose(ratio, ratio[:, :1] * np.ones_like(ratio), rtol=1e-6)


def test_recovered_peaks_are_counted():
    peaks = [np.array([[10.0, 0.5, 1.0], [20.0, 0.5, 2.0]]), np.empty((0, 3))]
    empty = np.full((2, 3), np.nan)
    known = spectra.Simulation(
        np.arange(1, 45),
        np.ones((2, 44)),
        np.array([1.0, 2.0]),
        np.zeros(2),
        peaks,
        20.0,
        1.0,
        empty,
    )
    found = np.full((2, 3, 3), np.nan)
    found[0, :2, 0] = 11.4, 30.0  # the first is within 1.5 standard deviations
    scores = spectra.score(known, [1.5, 2.1], found)
    expected = {"false_peaks": 0.5, "missed_peaks": 0.5, "count_right": 1.0, "failed": 0.0}
    assert {name: scores[name] for name in expected} == expected
    assert scores["exponent_error"] == scores["exponent_bias"] == pytest.approx(0.3)
    assert scores["frequency_error"] == pytest.approx(1.4)
    found[0, 0, 0] = 11.6
    scores = spectra.score(known, [np.nan, 1.9], found)
    assert scores["false_peaks"] == scores["missed_peaks"] == 1.0
    assert (scores["failed"], scores["exponent_bias"]) == (0.5, pytest.approx(-0.1))


def test_page_of_parameterization_shows_its_results(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    page = load("parameterization")
    results = json.loads((page.RESULTS / "parameterization.json").read_text())
    text = (page.RESULTS / "parameterization.md").read_text()
    assert page.summary(results["rows"]) in text
    assert page.details(results["rows"]) in text
    assert page.real(results["real"]) in text
