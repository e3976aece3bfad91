"""The bundled data are found in a checkout and in an installed wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import npa.datasets.bundled
from npa.datasets.bundled import bundled_data

CHECKOUT = Path(__file__).parents[3]
FOUND = "from npa.datasets.bundled import bundled_data; print(bundled_data())"


def run(code, *, path, cwd):
    """Run code in a fresh interpreter that sees ``path`` before anything installed."""
    env = {**os.environ, "PYTHONPATH": str(path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel from a copy of the checkout and unpack it elsewhere."""
    pytest.importorskip("hatchling")
    source = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("npa", "npa_ann", "datasets"):
        shutil.copytree(CHECKOUT / folder, source / folder, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    target = tmp_path_factory.mktemp("site-packages")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(target)!r}))"
    wheel = target / run(build, path=source, cwd=source).splitlines()[-1]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    shutil.rmtree(source)
    return target


def test_checkout(tmp_path):
    assert run(FOUND, path=CHECKOUT, cwd=tmp_path) == str(CHECKOUT / "datasets")


def test_wheel_outside_the_checkout(installed, tmp_path):
    assert run(FOUND, path=installed, cwd=tmp_path) == str(installed / "npa" / "_data")


def test_wheel_carries_every_data_file(installed):
    def contents(root):
        return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    assert contents(installed / "npa" / "_data") == contents(CHECKOUT / "datasets")


def test_wheel_knows_the_data_sets(installed, tmp_path):
    code = "from npa.datasets import list_datasets; print(*[d.name for d in list_datasets()])"
    assert run(code, path=installed, cwd=tmp_path) == "eegbci mnist cifar10 imdb"


def test_wheel_leaves_no_package_called_datasets(installed):
    assert {path.name for path in installed.iterdir() if path.is_dir()} == {
        "npa",
        "npa_ann",
        next(installed.glob("npa-*.dist-info")).name,
    }


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Pretend that npa is installed in an otherwise empty folder."""
    folder = tmp_path / "npa"
    folder.mkdir()
    monkeypatch.setattr(npa.datasets.bundled, "files", lambda name: tmp_path / name)
    return folder


def test_no_data_in_either_place(package):
    with pytest.raises(FileNotFoundError, match=r"no registry\.toml in .*_data.*checkout"):
        bundled_data()


def test_another_package_called_datasets_is_not_used(package):
    foreign = package.parent / "datasets"
    foreign.mkdir()
    (foreign / "__init__.py").touch()
    with pytest.raises(FileNotFoundError):
        bundled_data()
    (foreign / "registry.toml").touch()
    assert bundled_data() == foreign


def test_installed_data_come_before_another_folder(package):
    for folder in (package / "_data", package.parent / "datasets"):
        folder.mkdir()
        (folder / "registry.toml").touch()
    assert bundled_data() == package / "_data"
