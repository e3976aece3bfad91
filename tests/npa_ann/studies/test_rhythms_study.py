"""The study of rhythms end to end on 100 small digits, its parts, and the shipped networks."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from written_mnist import idx_of

from npa.datasets.bundled import bundled_data
from npa_ann import cli
from npa_ann.corpora import read_mnist
from npa_ann.networks import load_weights, pretrained, resonant_digits
from npa_ann.networks.oscillators import golden_frequencies, resonance_weights
from npa_ann.studies.frame import run_study
from npa_ann.studies.rhythms import STUDY
from npa_ann.studies.rhythms.jobs import ABLATIONS, SPACINGS, list_jobs, spaced, spread
from npa_ann.studies.rhythms.measures import ring_down, while_reading
from npa_ann.studies.rhythms.training import (
    NETWORKS,
    SHIPPED,
    build_network,
    finished_training,
    open_shipped,
    ship,
    split_digits,
    train,
)
from npa_ann.studies.training import predict

RECIPES = {name: {"epochs": 1, "batch_size": 12} for name in NETWORKS}
TRIED = ("octave", "uncoupled")
SMALL = {"validation": 20, "n_recorded": 5, "recipes": RECIPES, "rhythms": TRIED}


def write_digits(folder, n_train=80, n_test=20):
    """Write scikit-learn's digits of 8 x 8 pixels as MNIST writes its own."""
    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels.reshape(-1, 8, 8) * 15).astype(np.uint8)
    for stem, rows in {"train": slice(n_train), "t10k": slice(n_train, n_train + n_test)}.items():
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx_of(pixels[rows]))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx_of(labels[rows].astype(np.uint8)))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def digits(data):
    return split_digits(read_mnist(data), validation=20)


@pytest.fixture
def only_rnn(finished, tmp_path):
    """Folder of a study of which one training ran to its end."""
    trainings = tmp_path / "part" / "trainings"
    trainings.mkdir(parents=True)
    (trainings / "rnn_1").symlink_to(finished[0] / "trainings" / "rnn_1")
    return trainings.parent


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Folder and results of a whole study."""
    out = tmp_path_factory.mktemp("study")
    return out, run_study(STUDY, out, data=data, seeds=1, **SMALL)


def test_results_are_complete(finished):
    out, results = finished
    assert results == json.loads((out / "results.json").read_text())
    assert set(results["test_accuracy"]) == set(NETWORKS)
    assert list(results["spacing"]) == ["golden", *SPACINGS, *ABLATIONS]
    for name, values in (results["test_accuracy"] | results["spacing"]).items():
        assert len(values) == (name in (*NETWORKS, "golden", *TRIED))
        assert all(0 <= value <= 1 for value in values)
    assert results["spacing"]["golden"] == results["test_accuracy"]["resonant_rnn"]
    assert results["not_run"] == []
    found = results["frequencies"]
    assert len(found["designed"]) == len(found["recorded"]) == 11
    np.testing.assert_allclose(found["trained"]["ring_down"][0], found["designed"], rtol=0.01)
    for slopes in results["slope"].values():
        assert np.isfinite([slopes["untrained"], slopes["trained"]]).all()
    assert len(results["learning"]) == len(list_jobs(1, TRIED))
    assert {"npa", "keras", "numpy", "python"} <= set(results["versions"])


def test_report_shows_every_table_and_figure(finished):
    out, results = finished
    text, page = ((out / name).read_text() for name in ("results.md", "report.html"))
    tables = [table for make in STUDY.tables if (table := make(results))]
    assert [len(table.rows) for table in tables] == [4, 11, 6, 7, 4]
    for table in tables:
        assert table.title in text
        assert table.title in page
    figures = {path.stem for path in out.glob("*.png")}
    assert figures == {
        *("accuracy", "reading", "spectra", "frequencies", "slopes", "rhythms", "learning")
    }
    assert page.count("<img") >= len(figures)
    assert f"{results['test_accuracy']['lstm'][0]:.3f}" in text


def test_second_run_trains_nothing(digits, finished, monkeypatch):
    monkeypatch.setattr("npa_ann.studies.training._run_epoch", None)
    place = finished[0] / "trainings" / "lstm_1"
    assert train("lstm", digits, place, **RECIPES["lstm"]) == finished_training(place)


def test_missing_trainings_are_listed_and_not_filled_in(data, only_rnn):
    results = run_study(STUDY, only_rnn, data=data, seeds=2, only_finished=True, **SMALL)
    assert len(results["test_accuracy"]["rnn"]) == 1
    assert results["test_accuracy"]["lstm"] == results["spacing"]["golden"] == []
    assert results["frequencies"]["recorded"] is None
    assert set(results["not_run"]) == {str(job) for job in list_jobs(2, TRIED)} - {"rnn_1"}
    assert "| resonant_rnn_2 |" in (only_rnn / "results.md").read_text()


def test_shipped_networks_give_the_results_of_the_trained(data, finished, only_rnn, tmp_path):
    assert set(ship(finished[0] / "trainings", tmp_path)) == set(SHIPPED.values())
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    assert set(ship(only_rnn / "trainings", shipped)) == {"rnn_digits"}
    out = tmp_path / "again"
    again = run_study(STUDY, out, data=data, seeds=1, pretrained=shipped, **SMALL)
    assert again["test_accuracy"]["rnn"] == finished[1]["test_accuracy"]["rnn"]
    assert again["slope"]["rnn"]["trained"] == finished[1]["slope"]["rnn"]["trained"]
    assert "Which rhythms?" not in (out / "results.md").read_text()
    (shipped / "rnn_digits_1.npz").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"'rnn_digits_1.npz' is not the file that its card"):
        open_shipped("rnn", 1, shipped)


def test_nothing_to_report_on_is_an_error(data, tmp_path):
    with pytest.raises(ValueError, match="no trained network"):
        run_study(STUDY, tmp_path, data=data, seeds=1, only_finished=True, **SMALL)


def test_command_line(data, finished, only_rnn, capsys, monkeypatch):
    monkeypatch.setattr(
        "npa_ann.studies.rhythms.study.split_digits",
        lambda images, validation: split_digits(images, SMALL["validation"]),
    )
    arguments = ["study", "rhythms", "--data", str(data), "--seeds", "1", "--only-finished"]
    assert cli.main([*arguments, "--out", str(only_rnn)]) == 0
    assert "## Which rhythms?" in capsys.readouterr().out
    written = json.loads((only_rnn / "results.json").read_text())
    assert written["command"] == "npa-ann study rhythms --seeds 1 --only-finished"
    assert written["test_accuracy"]["rnn"] == finished[1]["test_accuracy"]["rnn"]
    assert cli.main([*arguments[:-1], "--out", str(data), "--only-finished"]) == 1
    assert "no trained network" in capsys.readouterr().err


def test_resumed_training_equals_uninterrupted_training(digits, tmp_path, monkeypatch):
    options = {"epochs": 2, "batch_size": 12, "label_smoothing": 0.1, "seed": 3}
    whole = train("rnn", digits, tmp_path / "whole", **options)

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("npa_ann.studies.training.logger.info", interrupt)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                train("rnn", digits, tmp_path / "parts", **options)
    assert finished_training(tmp_path / "parts") is None
    parts = train("rnn", digits, tmp_path / "parts", **options)
    for one, other in zip(whole["epochs"], parts["epochs"], strict=True):
        assert one["test"] == other["test"]
        assert one.get("train") == other.get("train")
    with pytest.raises(ValueError, match=r"other settings: .*seed=3"):
        train("rnn", digits, tmp_path / "parts", **options | {"seed": 4})


def test_training_learns_digits(digits, tmp_path):
    options = {"epochs": 12, "batch_size": 12, "learning_rate": 0.03}
    record = train("resonant_rnn", digits, tmp_path, **options)
    assert record["epochs"][-1]["train"]["accuracy"] > 0.6
    assert record["epochs"][-1]["train"]["loss"] < record["epochs"][1]["train"]["loss"]
    accuracies = [entry["validation"]["accuracy"] for entry in record["epochs"]]
    assert record["chosen"]["validation"] == np.argmax(accuracies)


def test_frozen_training_changes_only_what_follows_the_rhythm(digits, tmp_path):
    options = {"epochs": 10, "batch_size": 12, "learning_rate": 0.03}
    record = train(
        "resonant_rnn", digits, tmp_path, rhythm={"coupling": 0.0}, frozen=True, **options
    )
    assert record["epochs"][-1]["train"]["loss"] < 0.8 * record["epochs"][1]["train"]["loss"]
    # The part that was trained, behind the untouched rest, is the network whose score was written.
    model = build_network(record["settings"])
    before = model.get_layer("rhythm").get_weights()[0]
    assert not before.any()
    with np.load(tmp_path / "epoch_10.npz") as kept:
        assert not any("coupling" in name for name in kept.files)
        for layer in model.layers[-2:]:
            layer.set_weights([kept[f"{layer.name}/{w.name}"] for w in layer.weights])
    hits = predict(model, digits.test[0]).argmax(axis=1) == digits.test[1]
    assert hits.mean() == record["epochs"][-1]["test"]["accuracy"]


def test_batch_larger_than_the_data_is_an_error(digits, tmp_path):
    with pytest.raises(ValueError, match="batch_size must be at most .* 60, got 61"):
        train("rnn", digits, tmp_path, batch_size=61)


def test_nodes_ring_where_they_were_designed_to():
    frequencies = [5.0, 20.0, 100.0]
    model = resonant_digits(frequencies=frequencies, seed=0)
    np.testing.assert_allclose(ring_down(model), frequencies, rtol=0.002)
    pixels = np.random.default_rng(0).random((20, 784, 1))
    reading = while_reading(model, "resonant_rnn", pixels)
    np.testing.assert_allclose(reading["peaks"][1:], frequencies[1:], rtol=0.02)
    assert abs(reading["input_slopes"].mean()) < 0.1  # white pixels
    assert reading["slopes"].mean() < -0.5


def test_spacings_match_their_names():
    golden = golden_frequencies()
    for name in ("golden", *SPACINGS):
        frequencies = spaced(name, random_state=1)
        assert frequencies.shape == golden.shape
        assert (np.diff(frequencies) >= 0).all()
        assert (resonance_weights(frequencies)[0] > 0).all()
    np.testing.assert_allclose(np.diff(np.log2(spaced("octave"))), 1, rtol=1e-12)
    np.testing.assert_allclose(np.diff(spaced("linear")), np.diff(spaced("linear"))[0], rtol=1e-9)
    assert not np.array_equal(spaced("random", 1), spaced("random", 2))
    assert np.unique(spaced("single")).size == 1
    with pytest.raises(ValueError, match="spacing must be one of"):
        spaced("fibonacci")


def test_interval_of_three_networks():
    found = spread([0.70, 0.74, 0.78])
    np.testing.assert_allclose([found["mean"], found["sem"]], [0.74, 0.04 / 3**0.5], rtol=1e-12)
    # 4.303: the 97.5 % point of Student's t with two degrees of freedom.
    np.testing.assert_allclose(found["high"], 0.74 + 4.303 * 0.04 / 3**0.5, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_weights_reproduce_their_card(name, data_dir):
    folder = bundled_data() / "weights"
    network = open_shipped(name, 1, folder)
    if network is None:
        pytest.skip(f"no trained {name} is shipped")
    assert network.weights["trained"].stem == f"{SHIPPED[name]}_1"
    images = read_mnist(data_dir)
    pixels = images.test.reshape(len(images.test), -1, 1)
    model = pretrained(f"{SHIPPED[name]}_1")
    hits = predict(model, pixels).argmax(axis=1) == images.test_labels
    # Another backend may round a few undecided digits otherwise.
    assert abs(hits.mean() - network.chosen["test"]["accuracy"]) < 0.002
    np.testing.assert_array_equal(
        load_weights(network.model(), network.weights["trained"]).get_weights()[0],
        model.get_weights()[0],
    )
