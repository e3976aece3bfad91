"""A worker that outlives its killed run writes nothing; the resumed run does its work."""

import os
import signal
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from failing_steps import FailingStep, attempts, make_recordings, run_slowly
from killed_batch import contents, differing
from sklearn.base import BaseEstimator, TransformerMixin

import npa.batch
from npa.workflows.batch.processing import process
from npa.workflows.batch.recordings import Recording, remove_staging
from npa.workflows.batch.settings import describe

QUICK = {"outputs": ("signal", "table")}


class Meanwhile(TransformerMixin, BaseEstimator):
    """Calls a function while a recording is processed, and returns the recording."""

    def __init__(self, call):
        self.call = call

    def fit(self, X, y=None):
        """Do nothing."""
        return self

    def transform(self, raw):
        """Call it."""
        self.call()
        return raw


def settings_of(pipeline):
    """Return the settings that a run passes to its workers."""
    return {"Pipeline": describe(pipeline), "Outputs": ["signal"]}


def test_results_of_a_removed_staging_folder_are_discarded(tmp_path):
    recording = Recording.from_source(*make_recordings(tmp_path / "in", 1), tmp_path / "out")
    step = Meanwhile(lambda: remove_staging(recording.folder))
    failure = process(recording, step, settings_of(step))
    assert failure is not None
    assert not os.listdir(recording.folder)


def test_a_staging_folder_removed_at_the_last_moment_changes_no_results(tmp_path):
    recording = Recording.from_source(*make_recordings(tmp_path / "in", 1), tmp_path / "out")
    settings = settings_of(FailingStep())
    assert process(recording, FailingStep(), settings) is None
    before = {path: path.stat().st_mtime_ns for path in recording.folder.iterdir()}
    with recording.attempt() as staging:
        (staging / "signal_raw.fif").write_bytes(b"late")
        remove_staging(recording.folder)
        with pytest.raises(FileNotFoundError, match="another run processes p0_raw"):
            recording.publish(staging)
    assert {path: path.stat().st_mtime_ns for path in recording.folder.iterdir()} == before


def test_the_slower_of_two_workers_keeps_what_the_other_wrote(tmp_path):
    recording = Recording.from_source(*make_recordings(tmp_path / "in", 1), tmp_path / "out")
    settings, inodes = settings_of(FailingStep()), []

    def overtake():
        assert process(recording, FailingStep(), settings) is None
        inodes.extend(path.stat().st_ino for path in sorted(recording.folder.glob("[!.]*")))

    assert process(recording, Meanwhile(overtake), settings) is None
    assert inodes == [path.stat().st_ino for path in sorted(recording.folder.glob("[!.]*"))]
    assert recording.is_done(settings)


def test_a_file_that_appears_while_a_staging_folder_is_removed(tmp_path, monkeypatch):
    recording = Recording.from_source("one.edf", tmp_path)
    remove = npa.workflows.batch.recordings.shutil.rmtree

    def write_and_remove(folder, **kwargs):
        for own in recording.attempts():  # as a worker does that knows the folder by name only
            (own / "late").touch()
        remove(folder, **kwargs)

    with recording.attempt() as staging:
        monkeypatch.setattr(npa.workflows.batch.recordings.shutil, "rmtree", write_and_remove)
        remove_staging(recording.folder)
        assert not recording.attempts()
        with pytest.raises(FileNotFoundError):
            (staging / "late").touch()
    assert not os.listdir(recording.folder)


def alive(process_id):
    """Whether a process is running, and not a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_workers_of_a_killed_run_write_nothing(tmp_path):
    files, out, log = make_recordings(tmp_path / "in", 2), tmp_path / "out", tmp_path / "log"
    log.mkdir()
    first = get_context("spawn").Process(target=run_slowly, args=(files, out, log))
    first.start()
    end = time.monotonic() + 120
    while len(attempts(log)) < 2:
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    orphans = {worker for _, worker in attempts(log)}
    left = [name for name, _ in attempts(log) if not (out / name / "record.json").exists()]
    assert left
    assert all(map(alive, orphans))

    records, ended = set(), threading.Event()

    def watch():
        while not ended.is_set():
            for path in out.glob("*/record.json"):
                try:
                    records.add((path.parent.name, path.stat().st_ino, path.stat().st_mtime_ns))
                except FileNotFoundError:
                    continue
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    summary = npa.batch.run(FailingStep(log=str(log), seconds=2.0), files, out, **QUICK)
    time.sleep(1.0)  # the orphans have finished by now
    ended.set()
    watcher.join()
    for orphan in orphans:  # idle ones would exit after some minutes
        if alive(orphan):
            os.kill(int(orphan), signal.SIGKILL)

    assert len(attempts(log)) == 2 + len(left)
    assert set(summary["status"]) == {"done"}
    assert sorted(name for name, *_ in records) == ["p0_raw", "p1_raw"]  # once
    npa.batch.run(FailingStep(log=str(log), seconds=2.0), files, tmp_path / "alone", **QUICK)
    assert not differing(contents(out), contents(tmp_path / "alone"))
    assert not list(out.rglob("*.partial"))
