"""A batch on a Dask cluster of two local workers, one of which is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import joblib
import pytest
from failing_steps import FailingStep, attempts, make_recordings
from killed_batch import contents, differing
from sklearn.pipeline import make_pipeline

import npa.batch
from npa import PSDExponent

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")

# distributed leaves these to the garbage collector when its client closes.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed .*:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

N_RECORDINGS = 8
QUICK = {"outputs": ("signal", "table")}
LOOPBACK = ["--host", "127.0.0.1", "--no-dashboard"]


@contextmanager
def dask(*args):
    """Run a command of Dask, and kill it at the end."""
    tests = str(Path(__file__).parents[3] / "helpers")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    command = [sys.executable, "-m", "dask", *args, *LOOPBACK]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers as processes; gives the client and workers by process id."""
    described = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        stack.enter_context(dask("scheduler", "--port", "0", "--scheduler-file", str(described)))
        wait_until(described.exists)
        settings = ["--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--death-timeout", "60"]
        where = ["--scheduler-file", str(described), "--local-directory", str(tmp_path / "dask")]
        workers = [stack.enter_context(dask("worker", *where, *settings)) for _ in range(2)]
        client = stack.enter_context(
            distributed.Client(scheduler_file=str(described), timeout=60, set_as_default=True)
        )
        client.wait_for_workers(2, timeout=120)
        yield client, {worker.pid: worker for worker in workers}


def wait_until(condition, seconds=300):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_a_killed_worker_loses_nothing_and_nothing_is_done_twice(cluster, tmp_path):
    client, workers = cluster
    files = make_recordings(tmp_path / "in", N_RECORDINGS)
    out, log = tmp_path / "out", tmp_path / "log"
    log.mkdir()
    pipeline = make_pipeline(FailingStep(log=str(log), seconds=0.5), PSDExponent((2, 40)))
    seen = {}

    def kill_one():
        """Kill a busy worker when some recordings are done."""
        wait_until(lambda: len(list(out.glob("*/record.json"))) >= 2)
        wait_until(lambda: len(at_work()) == 2)
        name, victim = at_work()[0]
        seen["done"] = {path: path.stat().st_ino for path in out.glob("*/record.json")}
        os.kill(int(victim), signal.SIGKILL)
        seen["victim"], seen["lost"] = victim, name

    def at_work():
        """Return the attempts that have left no record yet."""
        return [each for each in attempts(log) if not (out / each[0] / "record.json").exists()]

    killer = threading.Thread(target=kill_one)
    killer.start()
    with joblib.parallel_config("dask"):
        summary = npa.batch.run(pipeline, files, out, **QUICK)
    killer.join()

    assert workers[int(seen["victim"])].wait(10) == -signal.SIGKILL
    assert list(summary["recording"]) == [file.stem for file in files]
    assert set(summary["status"]) == {"done"}
    assert seen["done"].items() <= {p: p.stat().st_ino for p in out.glob("*/record.json")}.items()
    tried = attempts(log)
    # The recording of the killed worker was processed again by the other; the rest once.
    assert {name for name, _ in tried} == {file.stem for file in files}
    assert (seen["lost"], seen["victim"]) in tried
    assert [name for name, _ in tried].count(seen["lost"]) == 2
    assert len(tried) == N_RECORDINGS + 1
    assert len({process for _, process in tried}) == 2

    alone = tmp_path / "alone"
    npa.batch.run(pipeline, files, alone, **QUICK)
    assert not differing(contents(out), contents(alone))


def test_a_recording_that_kills_its_workers_is_named(cluster, tmp_path):
    client, _ = cluster
    files = make_recordings(tmp_path / "in", 3)
    where = [client.scheduler.address, "--local-directory", str(tmp_path / "third")]
    with dask("worker", *where, "--nthreads", "1", "--no-nanny"), joblib.parallel_config("dask"):
        client.wait_for_workers(3, timeout=120)
        with pytest.warns(RuntimeWarning, match="1 of 3 recordings failed"):
            summary = npa.batch.run(
                FailingStep({"p1_raw": "kill"}), files, tmp_path / "out", **QUICK
            )
    assert list(summary["status"]) == ["done", "failed", "done"]
    assert "its worker was killed, and again" in summary["error"][1]
