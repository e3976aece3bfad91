"""Results appear complete, or not at all."""

import json
import os

import pytest

from npa.recordings.staging import staged, staged_file, write_json


def test_staged_results_appear_when_whole(tmp_path):
    with staged(tmp_path / "a" / "out") as aside:
        (aside / "one.txt").write_text("1")
        assert not (tmp_path / "a" / "out").exists()
    assert (tmp_path / "a" / "out" / "one.txt").read_text() == "1"
    assert os.listdir(tmp_path / "a") == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_staged_leaves_nothing_half_written(tmp_path, error):
    def write_half():
        with staged(tmp_path / "a" / "b" / "out") as aside:
            (aside / "one.txt").write_text("1")
            raise error

    with pytest.raises(error):
        write_half()
    assert not os.listdir(tmp_path)


def test_staged_never_overwrites_unasked(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="is not empty"), staged(tmp_path):
        pass
    with staged(tmp_path, overwrite=True) as aside:
        (aside / "new.txt").write_text("new")
    assert (tmp_path / "mine.txt").read_text() == "precious"
    assert (tmp_path / "new.txt").read_text() == "new"


def test_staged_refuses_a_file_and_a_folder_it_cannot_make(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="is a file"), staged(tmp_path / "file"):
        pass
    with pytest.raises(OSError, match="file"), staged(tmp_path / "file" / "out"):
        pass


def test_staged_looks_again_before_it_moves(tmp_path):
    def write_two():
        with staged(tmp_path, only=["one.txt"]) as aside:
            (aside / "one.txt").write_text("new")
            (aside / "two.txt").write_text("new")

    (tmp_path / "two.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"two\.txt exists"):
        write_two()
    assert os.listdir(tmp_path) == ["two.txt"]
    assert (tmp_path / "two.txt").read_text() == "precious"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_staged_file_is_whole_or_as_it_was(tmp_path, error):
    path = tmp_path / "one.txt"

    def write_half():
        with staged_file(path) as aside:
            assert (aside.parent, aside.suffix) == (tmp_path, ".txt")
            aside.write_text("ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert not os.listdir(tmp_path)
    path.write_text("old")
    with pytest.raises(error):
        write_half()
    assert os.listdir(tmp_path) == ["one.txt"]
    assert path.read_text() == "old"
    with staged_file(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["one.txt"]
    assert path.read_text() == "new"


def test_json_that_cannot_be_written_leaves_the_old(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"name": "Père", "score": 0.5})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Père", "score": 0.5}
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"score": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Père", "score": 0.5}
    assert os.listdir(tmp_path) == ["facts.json"]
