"""Training on 200 made-up reviews: it learns, resumes, refuses, and exports its weights."""

import hashlib
import json

import numpy as np
import pytest
from made_up_reviews import SMALL

from npa.datasets.bundled import bundled_data
from npa_ann.networks import load_weights, sentiment_lstm
from npa_ann.networks.cards import read_card
from npa_ann.studies import training
from npa_ann.studies.one_over_f.networks import (
    build_network,
    evaluate,
    export_networks,
    open_pretrained,
    predict,
    train,
)
from npa_ann.studies.one_over_f.reviews import Reviews, load_reviews


@pytest.fixture(scope="module")
def trained(reviews, tmp_path_factory):
    """Folder of a network trained for five epochs."""
    folder = tmp_path_factory.mktemp("trained")
    train(3, reviews, folder, epochs=5, **SMALL)
    return folder


def test_training_learns_and_keeps_its_record(trained):
    record = json.loads((trained / "training.json").read_text())
    assert [entry["epoch"] for entry in record["epochs"]] == list(range(6))
    untrained, last = record["epochs"][0], record["epochs"][-1]
    assert abs(untrained["test"]["accuracy"] - 0.5) < 0.25
    assert last["test"]["accuracy"] > 0.9
    assert last["train"]["loss"] < record["epochs"][1]["train"]["loss"]
    accuracies = [entry["validation"]["accuracy"] for entry in record["epochs"]]
    losses = [entry["test"]["loss"] for entry in record["epochs"]]
    assert record["chosen"] == {"validation": np.argmax(accuracies), "test": np.argmin(losses)}
    assert len(list(trained.glob("epoch_*.npz"))) == 6
    assert [file.name for file in trained.glob("optimizer_*")] == ["optimizer_05.npz"]
    assert {"python", "keras", "numpy"} < set(record["versions"])


def test_saved_weights_give_the_recorded_scores(reviews, trained):
    record = json.loads((trained / "training.json").read_text())
    model = sentiment_lstm(13, 4, 5)
    for entry in record["epochs"][::5]:
        load_weights(model, trained / f"epoch_{entry['epoch']:02d}.npz")
        scores = evaluate(model, reviews, reviews.test)
        assert scores["accuracy"] == entry["test"]["accuracy"]
        np.testing.assert_allclose(scores["loss"], entry["test"]["loss"], rtol=1e-5)


def test_interrupted_and_resumed_equals_trained_at_once(reviews, trained, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    train(3, reviews, tmp_path, epochs=2, **SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(training, "save_weights", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(3, reviews, tmp_path, epochs=3, **SMALL)
    resumed = train(3, reviews, tmp_path, epochs=5, **SMALL)
    whole = json.loads((trained / "training.json").read_text())
    for one, other in zip(whole["epochs"], resumed["epochs"], strict=True):
        for part in ("train", "validation", "test"):
            if part in one:
                np.testing.assert_allclose(one[part]["loss"], other[part]["loss"], rtol=1e-4)
    assert resumed == json.loads((tmp_path / "training.json").read_text())


def test_a_finished_training_is_not_repeated(reviews, trained):
    before = (trained / "training.json").read_bytes()
    train(3, reviews, trained, epochs=5, **SMALL)
    assert (trained / "training.json").read_bytes() == before


def test_training_ends_where_validation_reaches_its_target(reviews, tmp_path):
    settings = SMALL | {"target": 0.8}
    record = train(3, reviews, tmp_path, epochs=9, **settings)
    accuracies = [entry["validation"]["accuracy"] for entry in record["epochs"]]
    assert len(accuracies) < 10
    assert accuracies[-1] >= 0.8
    assert max(accuracies[1:-1], default=0) < 0.8
    assert train(3, reviews, tmp_path, epochs=9, **settings) == record


def test_another_seed_gives_another_network(reviews, trained, tmp_path):
    other = train(4, reviews, tmp_path, epochs=1, **SMALL)
    first = json.loads((trained / "training.json").read_text())
    for one, two in zip(first["epochs"][:2], other["epochs"], strict=True):
        assert abs(one["test"]["loss"] - two["test"]["loss"]) > 1e-5


@pytest.mark.parametrize(
    ("name", "change"),
    [("seed", {"seed": 4}), ("learning_rate", {"learning_rate": 0.1}), ("units", {"units": 6})],
)
def test_refuses_to_resume_another_training(reviews, trained, name, change):
    settings = {"seed": 3, "epochs": 6} | SMALL | change
    with pytest.raises(ValueError, match=f"other settings: {name}="):
        train(reviews=reviews, out=trained, **settings)


def test_refuses_other_reviews_and_bad_settings(reviews, trained, tmp_path):
    other = Reviews(**{**vars(reviews), "labels": 1 - reviews.labels})
    with pytest.raises(ValueError, match="other settings: reviews="):
        train(3, other, trained, epochs=6, **SMALL)
    with pytest.raises(ValueError, match="epochs"):
        train(3, reviews, tmp_path, epochs=0, **SMALL)


@pytest.mark.parametrize("cell", ["gru", "simple_rnn"])
def test_peers_learn_too(reviews, tmp_path, cell):
    record = train(3, reviews, tmp_path, epochs=3, cell=cell, **SMALL)
    assert record["epochs"][-1]["test"]["accuracy"] > 0.8
    model = load_weights(build_network(reviews, cell, 4, 5), tmp_path / "epoch_03.npz")
    assert evaluate(model, reviews, reviews.test) == pytest.approx(record["epochs"][-1]["test"])
    with pytest.raises(ValueError, match="cell must be one of"):
        build_network(reviews, "transformer")


def test_predictions_do_not_depend_on_batches(reviews):
    model = sentiment_lstm(13, 4, 5)
    rows = reviews.test[::-1]
    whole = predict(model, reviews, rows)
    np.testing.assert_allclose(whole, predict(model, reviews, rows, batch_size=3), atol=1e-6)
    one = predict(model, reviews, rows[5:6])
    np.testing.assert_allclose(whole[5:6], one, atol=1e-6)


def test_exported_weights_reproduce_their_card(reviews, trained, tmp_path):
    card = export_networks([trained], reviews, tmp_path)
    assert card == json.loads((tmp_path / "sentiment_lstm.json").read_text())
    (network,) = card["networks"]
    content = (tmp_path / network["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == network["sha256"]
    model = open_pretrained(tmp_path).states["trained"]
    scores = evaluate(model, reviews, reviews.test)
    assert scores["accuracy"] == network["chosen_by_validation"]["test"]["accuracy"]
    words = (tmp_path / "sentiment_lstm_words.txt").read_text().splitlines()
    assert ("", "[UNK]", *words) == reviews.vocabulary
    (tmp_path / network["file"]).write_bytes(content[:-1] + b"?")
    with pytest.raises(ValueError, match="not the file that its card describes"):
        open_pretrained(tmp_path)
    other = Reviews(**{**vars(reviews), "labels": 1 - reviews.labels})
    with pytest.raises(ValueError, match="belongs to other reviews"):
        export_networks([trained], other, tmp_path)


def test_pretrained_networks_classify_the_published_reviews(data_dir):
    folder = bundled_data() / "weights"
    card = read_card(folder, "sentiment_lstm")
    words = (folder / "sentiment_lstm_words.txt").read_text(encoding="utf-8").splitlines()
    reviews = load_reviews(data_dir)
    assert reviews.vocabulary[2:] == tuple(words)
    assert reviews.fingerprint == card["settings"]["reviews"]
    assert len(card["networks"]) == 5
    for number, network in enumerate(card["networks"]):
        model = open_pretrained(folder, number).states["trained"]
        accuracy = evaluate(model, reviews, reviews.test)["accuracy"]
        stated = network["chosen_by_validation"]["test"]["accuracy"]
        np.testing.assert_allclose(accuracy, stated, atol=0.002)
        assert accuracy > 0.88
