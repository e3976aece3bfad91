"""Every tutorial runs as it is, in under two minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "tutorials").glob("plot_*.py"))


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(tutorial, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg", "NPA_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, str(tutorial)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_there_are_tutorials():
    assert len(TUTORIALS) >= 2
