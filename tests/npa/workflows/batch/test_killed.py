"""A batch that is killed and resumed gives the same files as an uninterrupted one."""

import sys

import numpy as np
import pytest
from failing_steps import make_recordings
from killed_batch import differing, kill_and_resume, uninterrupted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

QUICK = {"outputs": ("signal", "table")}


def test_killed_at_random_moments(tmp_path):
    files, out = make_recordings(tmp_path / "in", 3), tmp_path / "out"
    expected, seconds = uninterrupted(files, out)
    assert "p2_raw/report.html" in expected
    moments = np.random.default_rng(12).uniform(0, seconds / 3, 5)
    left, n_killed, _ = kill_and_resume(files, out, moments=moments)
    assert n_killed
    assert not differing(left, expected)


def test_killed_before_a_change_of_the_folder(tmp_path):
    files, out = make_recordings(tmp_path / "in", 2), tmp_path / "out"
    expected, _ = uninterrupted(files, out, **QUICK)
    n_kept = []
    for kill_at in range(2, 50, 11):
        left, killed, kept = kill_and_resume(files, out, kill_at=kill_at, **QUICK)
        assert killed
        assert not differing(left, expected)
        n_kept.append(kept)
    assert n_kept == sorted(n_kept)
    assert set(n_kept) == {0, 1, 2}
