"""The 1/f study end to end on 200 made-up reviews."""

import argparse
import json

import numpy as np
import pytest
from made_up_reviews import CORPUS, SMALL, write_reviews

from npa.datasets import simulate_recording
from npa_ann.studies import listening, one_over_f
from npa_ann.studies.brain import RUNS, brain_slopes
from npa_ann.studies.one_over_f import measuring, run
from npa_ann.studies.one_over_f.command import SEEDS, add_parser
from npa_ann.studies.one_over_f.results import PAPER
from npa_ann.studies.one_over_f.tables import all_tables
from npa_ann.studies.readers import load_shipped_reviews
from npa_ann.studies.reviews import load_reviews
from npa_ann.studies.shipped import ship
from npa_ann.studies.slopes import MEASURES, SIGNALS
from npa_ann.studies.store import Store

ARGUMENTS = {
    "networks": 2,
    "epochs": 2,
    "peers": ("gru",),
    "n_closer": 5,
    "corpus": CORPUS,
    "training": SMALL,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Folder and results of a whole study."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NPA_DATA", raising=False)
        return out, run(data, out=out, **ARGUMENTS)


def test_results_are_whole(finished):
    out, results = finished
    assert results == json.loads((out / "results.json").read_text())
    assert len(results["test_accuracy"]) == 2
    assert min(results["test_accuracy"]) > 0.4
    for state in ("untrained", "trained"):
        assert list(results["slope"][state]) == [*SIGNALS, "x"]
        for summary in results["slope"][state].values():
            assert set(summary) == {"mean", "sd_networks", "sd_reviews"}
            assert np.isfinite(list(summary.values())).all()
        assert list(results["experiments"][state]) == list(MEASURES)
    for signal in SIGNALS:
        found = results["rest_minus_task"][signal]
        assert np.isfinite(found["networks"]).all()
        np.testing.assert_allclose(found["mean"], np.mean(found["networks"]))
        assert ("more" in found["sign"]) or ("less" in found["sign"])
    assert list(results["controls"]) == ["reviews", "shuffled", "random", "phases"]
    assert [len(each) for each in results["over_epochs"]["h"]] == [3, 3]
    assert list(results["peers"]) == ["gru"]
    assert results["brain"] == {}
    assert results["seeds"] == [1, 2]
    assert {"npa", "keras", "numpy", "python"} <= set(results["versions"])
    assert "one_over_f.run" in results["command"]


def test_report_shows_every_table_and_figure(finished):
    out, results = finished
    text, page = ((out / name).read_text() for name in ("results.md", "report.html"))
    tables = all_tables(results)
    assert len(tables) >= 10
    for table in tables:
        assert table.title in text
        assert table.title in page
        assert {len(row) for row in table.rows} == {len(table.header)}
    assert f"{results['slope']['trained']['h']['mean']:+.3f}" in text
    assert f"{PAPER['slope']['trained']['h']:+.2f}" in text
    names = {path.stem for path in out.glob("*.png")}
    assert names == {"figure_3", "figure_4", "figure_5", "figure_6", "brain", "controls", "epochs"}
    assert "http://" not in page.split("<body")[1].split("<script")[0]


def test_a_second_run_measures_nothing_again(finished, data, monkeypatch):
    out, results = finished

    def refuse(*args, **kwargs):
        raise AssertionError("measured again")

    for name in ("while_reading", "at_rest", "on_controls", "of_peer"):
        monkeypatch.setattr(listening, name, refuse)
    for name in ("predict", "evaluate"):
        monkeypatch.setattr(measuring, name, refuse)
    monkeypatch.delenv("NPA_DATA", raising=False)
    assert run(data, out=out, **ARGUMENTS) == results


def test_an_interrupted_run_goes_on(finished, data, tmp_path, monkeypatch):
    _, results = finished
    monkeypatch.delenv("NPA_DATA", raising=False)
    arguments = ARGUMENTS | {"networks": 1, "peers": ()}

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(listening, "on_controls", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data, out=tmp_path, **arguments)
    assert not (tmp_path / "results.json").exists()
    assert not list(tmp_path.rglob(".*"))
    stored = set((tmp_path / "measured").iterdir())
    assert stored
    again = run(data, out=tmp_path, **arguments)
    assert stored < set((tmp_path / "measured").iterdir())
    one, other = (each["rest_minus_task"]["h"]["networks"][0] for each in (again, results))
    np.testing.assert_allclose(one, other, rtol=1e-3)


def test_shipped_networks_give_the_same_slopes(finished, data, tmp_path, monkeypatch):
    out, results = finished
    monkeypatch.delenv("NPA_DATA", raising=False)
    folder = tmp_path / "weights"
    folder.mkdir()
    reviews = load_reviews(data, **CORPUS)
    ship([out / "network_1", out / "network_2"], reviews, folder)
    again = run(data, 2, tmp_path / "out", pretrained=folder, n_closer=5)
    for state in ("untrained", "trained"):
        for signal in SIGNALS:
            one, other = (each["slope"][state][signal]["mean"] for each in (results, again))
            np.testing.assert_allclose(one, other, rtol=1e-6)
    assert again["test_accuracy"] == results["test_accuracy"]
    assert again["pretrained"]
    assert again["over_epochs"] == {"accuracy": [[], []]}
    with pytest.warns(RuntimeWarning, match="not those of the shipped networks' card"):
        load_shipped_reviews(data, folder, test_size=50)


def test_eeg_is_measured_where_it_lies_beside_the_reviews(tmp_path, monkeypatch):
    raw, _ = simulate_recording(duration=20.0, exponent=1.0, random_state=0)
    for name in RUNS.values():
        (tmp_path / name).write_bytes(b"edf")
    monkeypatch.setattr(measuring.mne.io, "read_raw", lambda path, **kwargs: raw.copy())
    (tmp_path / "measured").mkdir()
    found = measuring.measure_brain(tmp_path, Store(tmp_path / "measured"), 500)
    assert list(found) == list(RUNS)
    np.testing.assert_allclose(found["task"], brain_slopes(raw))
    assert len(found["task"]) == len(raw.times) // 500


def test_real_eeg_falls_with_frequency(data_dir, tmp_path):
    found = measuring.measure_brain(data_dir, Store(tmp_path), 500)
    for slopes in found.values():
        assert -3 < slopes.mean() < -0.5


def test_command_line_asks_for_the_same_run(tmp_path, monkeypatch, capsys):
    calls = []

    def note(*args, **kwargs):
        calls.append((args, kwargs))
        (tmp_path / "results.md").write_text("# table")

    monkeypatch.setattr(one_over_f, "run", note)
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    line = ["one-over-f", "--networks", "3", "--out", str(tmp_path), "--peers", "gru"]
    args = parser.parse_args(line)
    args.job(args)
    assert capsys.readouterr().out.startswith("# table")
    ((positional, keywords),) = calls
    assert positional == (None, 3, str(tmp_path), False)
    assert tuple(keywords["peers"]) == ("gru",)
    assert keywords["command"] == "npa-ann study one-over-f --networks 3 --epochs 15 --peers gru"
    for line in (["one-over-f"], ["one-over-f", "--pretrained"]):
        assert parser.parse_args(line).networks == len(SEEDS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": 0}, "networks"),
        ({"networks": 6}, "networks"),
        ({"n_closer": 1}, "n_closer"),
        ({"corpus": CORPUS | {"length": 500}}, "at least 2 test reviews of 500 words"),
    ],
)
def test_bad_input_is_named(data, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run(data, out=tmp_path, **ARGUMENTS | change)
