"""Results appear complete, or not at all."""

import json
import os

import pytest

from npa.recordings.staging import staged, staged_file, write_json


def test_staged_results_appear_when_complete(tmp_path):
    with staged(tmp_path / "a" / "out") as staging:
        (staging / "one.txt").write_text("1")
        assert not (tmp_path / "a" / "out").exists()
    assert (tmp_path / "a" / "out" / "one.txt").read_text() == "1"
    assert os.listdir(tmp_path / "a") == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_staged_leaves_no_partial_results(tmp_path, error):
    def write_half():
        with staged(tmp_path / "a" / "b" / "out") as staging:
            (staging / "one.txt").write_text("1")
            raise error

    with pytest.raises(error):
        write_half()
    assert not os.listdir(tmp_path)


def test_staged_overwrites_only_on_request(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="is not empty"), staged(tmp_path):
        pass
    with staged(tmp_path, overwrite=True) as staging:
        (staging / "new.txt").write_text("new")
    assert (tmp_path / "mine.txt").read_text() == "keep me"
    assert (tmp_path / "new.txt").read_text() == "new"


def test_staged_refuses_a_file_and_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="is a file"), staged(tmp_path / "file"):
        pass
    with pytest.raises(OSError, match="file"), staged(tmp_path / "file" / "out"):
        pass


def test_staged_checks_again_before_moving(tmp_path):
    def write_two():
        with staged(tmp_path, only=["one.txt"]) as staging:
            (staging / "one.txt").write_text("new")
            (staging / "two.txt").write_text("new")

    (tmp_path / "two.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match=r"two\.txt exists"):
        write_two()
    assert os.listdir(tmp_path) == ["two.txt"]
    assert (tmp_path / "two.txt").read_text() == "keep me"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_staged_file_is_complete_or_unchanged(tmp_path, error):
    path = tmp_path / "one.txt"

    def write_half():
        with staged_file(path) as staging:
            assert (staging.parent, staging.suffix) == (tmp_path, ".txt")
            staging.write_text("ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert not os.listdir(tmp_path)
    path.write_text("old")
    with pytest.raises(error):
        write_half()
    assert os.listdir(tmp_path) == ["one.txt"]
    assert path.read_text() == "old"
    with staged_file(path) as staging:
        staging.write_text("new")
        assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["one.txt"]
    assert path.read_text() == "new"


def test_json_that_cannot_be_written_keeps_the_old_file(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"name": "Père", "score": 0.5})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Père", "score": 0.5}
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"score": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Père", "score": 0.5}
    assert os.listdir(tmp_path) == ["facts.json"]
