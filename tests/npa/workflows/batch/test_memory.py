"""The memory that is free is that of the tightest of the limits that hold for the process."""

import pytest

from npa.workflows.batch import memory

MB = 1_000_000
V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups of this process; a function that makes one of limit, used and cached."""
    own = tmp_path / "own"
    own.write_text("")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "_OWN", own)

    def make(names, path, limit, used=0, cached=0):
        folder = tmp_path / "groups" / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / names[0]).write_text(f"{limit}\n")
        (folder / names[1]).write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cached}\n")

    make.own = own.write_text
    return make


def test_without_groups_the_system_says(groups):
    assert memory.available_memory() > MB
    groups.own("0::/job\n")
    assert memory.available_memory() > MB


@pytest.mark.parametrize(
    ("names", "top", "line"),
    [(V2, "", "0::"), (V1, "memory/", "3:cpu,cpuacct:/other\n4:memory:")],
    ids=["version 2", "version 1"],
)
def test_the_tightest_limit_of_nested_groups_counts(groups, names, top, line):
    groups.own(f"{line}/slurm/job 7/step\n")
    groups(names, f"{top}slurm/job 7/step", "max" if names is V2 else 2**63 - 4096)
    assert memory.available_memory() > MB
    groups(names, f"{top}slurm/job 7", MB, 400_000, 100_000)
    assert memory.available_memory() == 700_000  # bytes; cached files can be dropped
    groups(names, f"{top}slurm/job 7/step", 600_000, 100_000)
    assert memory.available_memory() == 500_000
    groups(names, f"{top}slurm", 800_000, 450_000)
    assert memory.available_memory() == 350_000
    groups(names, f"{top}slurm/job 8", 10)  # of somebody else
    assert memory.available_memory() == 350_000


def test_a_container_shows_its_own_group_as_the_top(groups):
    groups.own("4:memory:/docker/0123abcd\n0::/\n")
    groups(V1, "memory", MB, 100_000)
    assert memory.available_memory() == 900_000
    groups(V2, "", 500_000, 100_000)
    assert memory.available_memory() == 400_000


def test_where_nothing_tells_all_workers_fit(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: float("inf"))  # as on macOS
    assert memory.jobs_that_fit([], 3) == 3
