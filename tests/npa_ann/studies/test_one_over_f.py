"""The 1/f study end to end on 200 made-up reviews."""

import argparse
import json
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_reviews import CORPUS, SMALL, write_reviews

from npa.datasets import simulate_recording
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.studies.command_line import add_parsers
from npa_ann.studies.frame import run_study
from npa_ann.studies.one_over_f import STUDY, networks, report, study
from npa_ann.studies.one_over_f.measures import MEASURES, SIGNALS, eeg_slopes
from npa_ann.studies.one_over_f.networks import export_networks, load_pretrained_reviews
from npa_ann.studies.one_over_f.reviews import load_reviews
from npa_ann.studies.one_over_f.study import EEG_FILES
from npa_ann.studies.pages import fill_prose

RESULTS = Path(__file__).parents[3] / "docs" / "results" / "one_over_f.json"
ARGUMENTS = {
    "networks": 2,
    "epochs": 2,
    "peers": ("gru",),
    "n_closer": 5,
    "corpus": CORPUS,
    "training": SMALL,
}


def run(data, out, **settings):
    """Run the study without other data than the given."""
    return run_study(STUDY, out, data=data, **settings)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Folder and results of a whole study."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NPA_DATA", raising=False)
        return out, run(data, out, **ARGUMENTS)


def test_results_are_complete(finished):
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
    assert "run_study('one-over-f'" in results["command"]


def test_report_shows_every_table_and_figure(finished):
    out, results = finished
    text, page = ((out / name).read_text() for name in ("results.md", "report.html"))
    tables = [make(results) for make in STUDY.tables]
    titles = ["Ours and published", *(table.title for table in tables)]
    assert len(titles) >= 10
    for title in titles:
        assert title in text
        assert title in page
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
    assert f"{results['slope']['trained']['h']['mean']:+.3f}" in text
    assert f"{report.PAPER['slope']['trained']['h']:+.2f}" in text
    names = {path.stem for path in out.glob("*.png")}
    assert names == {"figure_3", "figure_4", "figure_5", "figure_6", "brain", "controls", "epochs"}
    assert "http://" not in page.split("<body")[1].split("<script")[0]


def test_a_second_run_measures_nothing_again(finished, data, monkeypatch):
    out, results = finished

    def refuse(*args, **kwargs):
        raise AssertionError("measured again")

    # Patching a cached function itself would change its key.
    monkeypatch.setattr(ActivationRecorder, "iter_record", refuse)
    monkeypatch.setattr(networks.keras.Model, "predict_on_batch", refuse)
    monkeypatch.delenv("NPA_DATA", raising=False)
    assert run(data, out, **ARGUMENTS) == results


def test_an_interrupted_run_goes_on(finished, data, tmp_path, monkeypatch):
    _, results = finished
    monkeypatch.delenv("NPA_DATA", raising=False)
    arguments = ARGUMENTS | {"networks": 1, "peers": ()}

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(study, "randomize_phases", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path, **arguments)
    assert not (tmp_path / "results.json").exists()
    assert not list(tmp_path.rglob(".*"))
    assert list((tmp_path / "network_1").glob("epoch_*.npz"))
    with monkeypatch.context() as patch:
        patch.setattr(study, "evaluate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path, **arguments)
    stored = set((tmp_path / "cached").iterdir())
    assert stored
    again = run(data, tmp_path, **arguments)
    assert stored < set((tmp_path / "cached").iterdir())
    one, other = (each["rest_minus_task"]["h"]["networks"][0] for each in (again, results))
    np.testing.assert_allclose(one, other, rtol=1e-3)


def test_exported_networks_give_the_same_slopes(finished, data, tmp_path, monkeypatch):
    out, results = finished
    monkeypatch.delenv("NPA_DATA", raising=False)
    folder = tmp_path / "weights"
    folder.mkdir()
    reviews = load_reviews(data, **CORPUS)
    export_networks([out / "network_1", out / "network_2"], reviews, folder)
    again = run(data, tmp_path / "out", networks=2, pretrained=folder, n_closer=5)
    for state in ("untrained", "trained"):
        for signal in SIGNALS:
            one, other = (each["slope"][state][signal]["mean"] for each in (results, again))
            np.testing.assert_allclose(one, other, rtol=1e-6)
    assert again["test_accuracy"] == results["test_accuracy"]
    assert again["pretrained"]
    assert again["over_epochs"] == {"accuracy": [[], []]}
    with pytest.warns(RuntimeWarning, match="not those of the pretrained networks' card"):
        load_pretrained_reviews(data, folder, test_size=50)


def test_eeg_is_measured_where_it_lies_beside_the_reviews(reviews, tmp_path, monkeypatch):
    raw, _ = simulate_recording(duration=20.0, exponent=1.0, random_state=0)
    for name in EEG_FILES.values():
        (tmp_path / name).write_bytes(b"edf")
    monkeypatch.setattr(study.mne.io, "read_raw", lambda path, **kwargs: raw.copy())
    found = study._brain(tmp_path, reviews)
    assert list(found) == list(EEG_FILES)
    np.testing.assert_allclose(found["task"], eeg_slopes(raw, reviews.length))
    assert len(found["task"]) == len(raw.times) // reviews.length


def test_real_eeg_falls_with_frequency(data_dir):
    for slopes in study._brain(data_dir, SimpleNamespace(length=500)).values():
        assert -3 < slopes.mean() < -0.5


def test_command_line_offers_the_settings():
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(), "one-over-f")
    args = parser.parse_args(["one-over-f", "--networks", "3", "--peers", "gru", "--pretrained"])
    assert (args.networks, args.peers, args.pretrained) == (3, ["gru"], True)
    args = parser.parse_args(["one-over-f"])
    assert (args.networks, args.epochs, args.peers) == (len(study.SEEDS), 15, study.PEERS)


def test_prose_has_every_paragraph_for_the_stored_results():
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    template = files("npa_ann.studies").joinpath(STUDY.prose).read_text(encoding="utf-8")
    prose = fill_prose(template, {"r": stored, **STUDY.facts(stored)})
    assert prose.count("\n- ") == template.count("\n- ")
    assert "h -1.27 (paper -0.80)" in prose


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
        run(data, tmp_path, **ARGUMENTS | change)
