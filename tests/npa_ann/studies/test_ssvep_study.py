"""The tagging study end to end on a tiny network, and its parts by hand."""

import argparse
import json
from functools import partial

import keras
import numpy as np
import pytest

from npa.datasets.bundled import bundled_data
from npa.estimators.tagging import FrequencyTagger
from npa_ann.corpora import Images, read_cifar10
from npa_ann.networks import pretrained, resnet
from npa_ann.networks.cards import read_card
from npa_ann.recording.recorder import ActivationRecorder
from npa_ann.stimulation.flicker import ContrastFlicker
from npa_ann.studies import command_line
from npa_ann.studies.frame import run_study
from npa_ann.studies.ssvep import STUDY, study, tagging, training
from npa_ann.studies.ssvep.pruning import bootstrap_difference, choose_weakest, remove_filters
from npa_ann.studies.ssvep.study import NETWORKS, SETTINGS, choose_images
from npa_ann.studies.ssvep.tagging import (
    agreement,
    layer_of,
    score,
    sides,
    split_half,
    tag_network,
)
from npa_ann.studies.training import Checkpoint

FLOAT32 = 1e-6  # rounding of a map's mean in float32, relative to the largest amplitude


@pytest.fixture(scope="module")
def images():
    """Sixty bright images of noise in ten classes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 256, size=(60, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(60) % 10
    return Images(pixels[:40], labels[:40], pixels[40:], labels[40:])


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    """Folder and results of a whole study of a residual network of eight layers."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        _make_tiny(patch, images)
        return out, run_study(STUDY, out, **ARGUMENTS)


def _make_tiny(patch, images):
    """Let the study train small networks on few images."""
    patch.setitem(training.NETWORKS, "tiny", partial(resnet, 8))
    patch.setattr(study, "read_cifar10", lambda data: images)


ARGUMENTS = {
    "images": 4,
    "networks": ("tiny",),
    "n_rating": 2,
    "n_closer": 2,
    "fractions": (0.1, 0.5),
    "draws": 2,
    "untrained_depth": 8,
    "epochs": 2,
    "training": {"small_epochs": 1, "batch_size": 20},
}


def test_results_are_complete(finished):
    out, results = finished
    assert results == json.loads((out / "results.json").read_text())
    assert 0 <= results["test_accuracy"] <= 1
    for layer, counts in results["important_filters"].items():
        stage = (int(layer.rpartition("_")[2]) - 2) // 2
        assert counts["of"] == (16, 16, 32, 64)[stage + 1]
        assert max(counts[name] for name in "abc") <= counts["of"]
    deeper = results["important_at_depth_0.9"]
    assert {name for name in results["important_filters"] if name.startswith("relu")} == set(deeper)
    assert all(set(counts) == {"a", "c", "of"} for counts in deeper.values())
    assert list(results["pruning"]["global"]["tagging"]) == ["0.1", "0.5"]
    gap = results["pruning"]["layer"]["tagging minus"]["random"]["0.5"]
    assert gap["interval"][0] <= gap["difference"] <= gap["interval"][1]
    assert results["stability"]["a"]["all"][0] > 0
    assert set(results["settings"]) == set(SETTINGS)


def test_report_has_every_figure_and_table(finished):
    out, _ = finished
    names = {path.stem for path in out.glob("*.png")}
    assert names == {
        "activations", "frames", "important", "map", "pruning", "spectra", "stability",
    }  # fmt: skip
    text = (out / "results.md").read_text()
    assert text.count("\n## ") == 12  # ten tables, ours and published, what came out
    assert "| relu_1 |" in text
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64") >= 7
    assert "Nonlinearities" in page


def test_a_second_run_measures_nothing_again(finished, images, monkeypatch):
    out, results = finished

    def refuse(*args, **kwargs):
        raise AssertionError("measured again")

    _make_tiny(monkeypatch, images)
    monkeypatch.setattr(ActivationRecorder, "iter_record", refuse)
    monkeypatch.setattr(keras.Model, "train_on_batch", refuse)
    monkeypatch.setattr(keras.Model, "predict_on_batch", refuse)
    assert run_study(STUDY, out, **ARGUMENTS) == results


def test_nothing_new_before_the_first_nonlinearity(finished):
    _, results = finished
    assert results["new_terms"]["conv_1"]["harmonics"] < FLOAT32
    assert results["new_terms"]["conv_1"]["intermodulation"] < FLOAT32
    assert results["new_terms"]["relu_1"]["intermodulation"] > 1e-3
    for name, found in results["activations"].items():
        small = max(found.values()) < 1e-4  # float32 through eight layers
        assert small == name.startswith("linear"), name


def test_sides_of_filters_that_see_one_half():
    image = keras.Input((32, 32, 3))
    left = keras.layers.Cropping2D(((0, 0), (0, 16)))(image)
    right = keras.layers.Cropping2D(((0, 0), (16, 0)))(image)
    seen = keras.layers.Concatenate(name="halves")([left, right, left * right])
    model = keras.Model(image, seen)
    pixels = np.full((1, 32, 32, 3), 255, np.uint8)
    found = sides(tag_network(model, "halves", pixels))
    np.testing.assert_allclose(found["balance"], np.repeat([1, -1, 0], 3), atol=1e-4)
    np.testing.assert_allclose(found["mixing"][:6], 0, atol=1e-4)
    assert (found["mixing"][6:] > 0.1).all()


def test_amplitudes_are_those_of_the_frequency_tagger(images):
    keras.utils.set_random_seed(0)
    model = resnet(8)
    responses = tag_network(model, "relu_3", images.test[:2])
    frames = ContrastFlicker(tagging.TAGS, "halves", tagging.FPS).fit_transform(
        images.test[:2] / 255
    )
    epochs = ActivationRecorder(model, "relu_3").fit_transform(frames)
    tagger = FrequencyTagger(tagging.TAGS, measure="amplitude").set_output(transform="pandas")
    found = tagger.fit_transform(epochs)
    for term in ("f1", "2f2", "f1+f2"):
        ours = responses["amplitudes"][..., responses["terms"] == term][..., 0]
        theirs = found[[f"{name}_amplitude_{term}" for name in responses["filters"]]].to_numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=term)


def test_noise_is_seeded_and_lowers_score_b_alone(images):
    keras.utils.set_random_seed(0)
    model = resnet(8)
    tag = partial(tag_network, model, "relu_1", images.test[:2])
    clean, little, much = tag(), tag(noise=0.02, random_state=1), tag(noise=0.2, random_state=1)
    np.testing.assert_array_equal(little["snr"], tag(noise=0.02, random_state=1)["snr"])
    assert np.median(little["snr"]) > 2 * np.median(much["snr"])
    np.testing.assert_allclose(little["amplitudes"], clean["amplitudes"], atol=0.01)
    ratio = much["snr"].mean() / score(clean, much)["b"].mean()
    np.testing.assert_allclose(ratio, 1, rtol=1e-6)


def test_choice_takes_the_weakest_of_each_scope():
    layers = np.array(["x"] * 4 + ["y"] * 6)
    strengths = np.arange(10)[::-1]
    assert np.flatnonzero(choose_weakest(strengths, layers, 0.3)).tolist() == [7, 8, 9]
    assert np.flatnonzero(choose_weakest(strengths, layers, 0.5, "layer")).tolist() == [
        2,
        3,
        7,
        8,
        9,
    ]
    with pytest.raises(ValueError, match="scope must be one of"):
        choose_weakest(strengths, layers, 0.5, "block")


@pytest.mark.parametrize("normalization", [True, False])
def test_removed_filters_do_not_respond(images, normalization):
    keras.utils.set_random_seed(0)
    model = resnet(8, normalization=normalization)
    filters = [f"relu_2/filter/{number:03d}" for number in range(16)]
    chosen = np.arange(16) % 3 == 0
    before = tag_network(model, "relu_2", images.test[:1])["mean"][0]
    remove_filters(model, filters, chosen)
    after = tag_network(model, "relu_2", images.test[:1])["mean"][0]
    assert (after[chosen] == 0).all()
    np.testing.assert_allclose(after[~chosen], before[~chosen], rtol=1e-5)


def test_bootstrap_covers_a_known_difference():
    rng = np.random.default_rng(0)
    right, other = rng.random(4000) < 0.9, rng.random(4000) < 0.8
    difference, (low, high) = bootstrap_difference(right, other, rng)
    assert low < 0.1 < high
    assert high - low < 0.05
    np.testing.assert_allclose(difference, right.mean() - other.mean())


def test_agreement_of_same_and_of_unrelated_scores(images):
    rng = np.random.default_rng(0)
    layers = np.array(["x"] * 100)
    one = rng.random(100)
    np.testing.assert_allclose(agreement(one, one**2, layers), 1)
    assert abs(agreement(one, rng.random(100), layers)) < 0.3
    assert np.isnan(agreement(one, np.ones(100), layers))
    keras.utils.set_random_seed(0)
    model = resnet(8)
    clean, noisy = (tag_network(model, "relu_1", images.test[:4], noise=sd) for sd in (0.0, 0.05))
    halves = split_half(clean, noisy, rng, n_splits=5)
    assert halves["a"]["relu_1"][0] > 0.5


def test_choice_of_images_is_balanced_and_bounded(images):
    rows = choose_images(images.train_labels, 20)
    assert np.bincount(images.train_labels[rows]).tolist() == [2] * 10
    assert len(set(rows.tolist())) == 20
    with pytest.raises(ValueError, match="images must be at most 40"):
        choose_images(images.train_labels, 41)


def test_training_resumes_and_refuses_other_settings(images, tmp_path):
    settings = {"epochs": 3, "small_epochs": 1, "batch_size": 20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(training.NETWORKS, "tiny", partial(resnet, 8))
        whole = training.train("tiny", images, tmp_path / "whole", **settings)
        saved = Checkpoint.save

        def interrupted(self, model, entry):
            if entry["epoch"] == 2:
                raise KeyboardInterrupt
            saved(self, model, entry)

        patch.setattr(Checkpoint, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            training.train("tiny", images, tmp_path / "cut", **settings)
        patch.setattr(Checkpoint, "save", saved)
        resumed = training.train("tiny", images, tmp_path / "cut", **settings)
        for one, other in zip(whole["epochs"][1:], resumed["epochs"][1:], strict=True):
            np.testing.assert_allclose(one["train"]["loss"], other["train"]["loss"], rtol=1e-3)
        assert set(whole["epochs"][-1]["test"]) == {"loss", "accuracy"}
        with pytest.raises(ValueError, match="other settings: seed=1"):
            training.train("tiny", images, tmp_path / "cut", seed=2, **settings)
    with pytest.raises(ValueError, match="name must be one of"):
        training.train("tiny", images, tmp_path)


def test_training_starts_from_a_finished_one(finished, images, tmp_path):
    first = finished[0] / "tiny"
    settings = {"small_epochs": 0, "batch_size": 20, "start": first}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(training.NETWORKS, "tiny", partial(resnet, 8))
        record = training.train("tiny", images, tmp_path / "on", epochs=1, **settings)
        assert record["settings"]["start"]["epochs"] == 2
        ended, began = np.load(first / "epoch_02.npz"), np.load(tmp_path / "on" / "epoch_00.npz")
        for name in ended:
            np.testing.assert_array_equal(began[name], ended[name])
    with pytest.raises(
        ValueError, match="start must be a training of 'plain_cnn', got one of 'tiny'"
    ):
        training.train("plain_cnn", images, tmp_path / "other", epochs=1, **settings)


def test_parts_of_a_batch_add_up_to_the_whole(images, tmp_path):
    """Without normalisation, a step does not depend on how its batch is cut."""
    settings = {"epochs": 2, "small_epochs": 0, "batch_size": 40, "learning_rate": 0.01}
    whole, cut = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        plain = partial(resnet, 8, normalization=False)
        patch.setitem(training.NETWORKS, "tiny", plain)
        for parts, step in ((1, whole), (3, cut)):
            out = tmp_path / str(parts)
            training.train("tiny", images, out, parts=parts, **settings)
            before, after = np.load(out / "epoch_00.npz"), np.load(out / "epoch_02.npz")
            step.update({name: after[name] - before[name] for name in before})
    for name, step in whole.items():
        largest = np.abs(step).max()
        assert largest > 0
        np.testing.assert_allclose(cut[name], step, atol=0.01 * largest, err_msg=name)
    with pytest.raises(ValueError, match="parts must be .*40, got 41"):
        training.train("plain_cnn", images, tmp_path, parts=41, **settings)


def test_shipped_weights_are_those_of_the_last_epoch(finished, images, tmp_path):
    out, results = finished
    card = training.ship(out / "tiny", tmp_path, corpus="noise")
    assert card["corpus"] == "noise, 40 training images, flipped and shifted"
    assert card == json.loads((tmp_path / "tiny.json").read_text())
    assert card["networks"][0]["test"]["accuracy"] == results["test_accuracy"]
    assert (tmp_path / "tiny.npz").read_bytes() == (out / "tiny" / "epoch_02.npz").read_bytes()
    record = json.loads((out / "tiny" / "training.json").read_text())
    record["epochs"].pop()
    (tmp_path / "training.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="training must have come to epoch 2, got .* at epoch 1"):
        training.ship(tmp_path, tmp_path)
    with pytest.raises(ValueError, match="start must have come to epoch 2, got .* at epoch 1"):
        training.train("plain_cnn", images, tmp_path / "on", start=tmp_path)


def test_augmented_images_are_shifted_or_mirrored():
    pixels = np.arange(32 * 32 * 3, dtype=np.uint32).reshape(1, 32, 32, 3) % 251
    pixels = np.repeat(pixels, 50, axis=0).astype(np.uint8)
    changed = training.augment(pixels, np.random.default_rng(0))
    framed = np.pad(pixels[0], ((4, 4), (4, 4), (0, 0))) / np.float32(255)
    seen = set()
    for image in changed:
        found = [
            (row, column, flip)
            for row in range(9)
            for column in range(9)
            for flip in (1, -1)
            if np.allclose(image, framed[row : row + 32, column : column + 32][:, ::flip])
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 30
    halved = training.augment(pixels, np.random.default_rng(0), shrink=2)
    np.testing.assert_allclose(
        halved, changed.reshape(50, 16, 2, 16, 2, 3).mean(axis=(2, 4)), atol=1e-6
    )


def test_command_line(tmp_path, monkeypatch, capsys):
    noted = {}

    def note(study, out, **keywords):
        noted.update(keywords)
        (tmp_path / "results.md").write_text("# Table\n")

    monkeypatch.setattr(command_line, "run_study", note)
    parser = argparse.ArgumentParser()
    command_line.add_parsers(parser.add_subparsers(), "ssvep")
    args = parser.parse_args(["ssvep", "--images", "9", "--pretrained", "--out", str(tmp_path)])
    args.job(args)
    assert noted["command"] == "npa-ann study ssvep --images 9 --pretrained"
    assert "networks" not in noted  # the default
    assert next(o.default for o in STUDY.options if o.name == "networks") == NETWORKS
    assert "# Table" in capsys.readouterr().out


def test_no_network_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="networks must name at least one network, got none"):
        run_study(STUDY, tmp_path, networks=())


def test_layers_are_read_from_names():
    assert layer_of(["conv_1/filter/000", "relu_12/filter/003"]).tolist() == ["conv_1", "relu_12"]


def test_shipped_networks_reproduce_their_cards(data_dir):
    images = read_cifar10(data_dir)
    for name in NETWORKS:
        card = read_card(bundled_data() / "weights", name)["networks"][0]
        found = training.evaluate(pretrained(name), images.test, images.test_labels)
        np.testing.assert_allclose(
            found["accuracy"], card["test"]["accuracy"], atol=0.002, err_msg=name
        )


@pytest.mark.xfail(strict=True, reason="38 epochs on JPEG copies of the images came to 87.8 %")
def test_the_shipped_resnet_32_is_90_percent_accurate():
    card = read_card(bundled_data() / "weights", "resnet_32")["networks"][0]
    assert card["test"]["accuracy"] >= 0.9
