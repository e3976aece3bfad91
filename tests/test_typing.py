"""A type checker accepts right uses of the public classes, and finds wrong ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import npa

USER = Path(__file__).parent / "helpers" / "typed_user.py"
# MNE has no types; these stand for the ones that it may have one day.
MNE_STUBS = {
    "__init__.pyi": """
from typing import Any
from . import io as io
class Info(dict[str, Any]): ...
class BaseEpochs: info: Info
class Epochs(BaseEpochs): ...
def __getattr__(name: str) -> Any: ...
""",
    "io.pyi": """
class BaseRaw: ...
class Raw(BaseRaw): ...
""",
    "utils.pyi": """
from typing import Any
def __getattr__(name: str) -> Any: ...
""",
}


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Return the errors that mypy reports, as line number, code and message."""
    pytest.importorskip("mypy", reason="needs mypy, which the extra 'test' installs")
    folder = tmp_path_factory.mktemp("mypy")
    (folder / "mne").mkdir()
    for name, text in MNE_STUBS.items():
        (folder / "mne" / name).write_text(text)
    config = folder / "mypy.ini"
    home = Path(npa.__file__).parents[1]
    # mypy finds an installed package by itself, and refuses to be pointed to its folder.
    path = [folder] if home.name == "site-packages" else [folder, home]
    config.write_text(
        f"[mypy]\nmypy_path = {':'.join(map(str, path))}\n"
        "strict = true\nfollow_imports = silent\nignore_missing_imports = true\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", folder, USER]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.stderr
    errors = re.findall(r"typed_user\.py:(\d+): error: (.*)\[([\w-]+)\]", done.stdout)
    return [(int(line), code, message) for line, message, code in errors]


def test_errors_are_those_expected(reported):
    lines = USER.read_text().splitlines()
    expected = [
        (number, match[1])
        for number, line in enumerate(lines, start=1)
        if (match := re.search(r"# error: ([\w-]+)", line))
    ]
    assert len(expected) > 10
    assert [error[:2] for error in reported] == expected, reported
