"""The frame runs stages in order, keeps what is slow, and writes numbers, prose and pages."""

import argparse
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from npa.checks import check_number
from npa_ann.studies import command_line, frame
from npa_ann.studies.frame import Option, Plot, Stage, Study, run_study
from npa_ann.studies.pages import Row, Source, Table, write_versions

CALLS = []
PROSE = """
Sums by `{r[command]}` with {versions}.

## What came out

- The sum of {r[n]} draws is **{r[sum][1]:.1f}**.
- Of seed 9 it is {r[sum][9]}.

## Empty

{nothing}

## Last

{r[share]:.0%}.
"""


def draws(seed, n):
    CALLS.append(("draws", seed))
    return np.random.default_rng(seed).normal(size=n)


def sums(draws):
    CALLS.append(("sums",))
    return float(draws.sum())


def model(out, progress):
    return {"folder": out.name, "progress": progress}


def results(sums, n, model):
    return {
        "sum": {str(seed): value for seed, value in sums.items()},
        "n": n,
        "share": 0.5,
        "x": np.nan,
    }


def draw_sums(results, draws):
    """Draw the sums."""
    figure, ax = plt.subplots()
    ax.plot(list(results["sum"].values()))
    ax.set_title(f"{len(draws)} seeds")
    return figure


def draw_nothing(results):
    """Draw nothing."""


def whole(name, value):
    return check_number(name, value, low=2, integer=True)


def sum_table(results):
    return Table("Sums", ("seed", "sum"), list(results["sum"].items()), specs=("", "+.2f"))


STUDY = Study(
    name="sums",
    title="Sums of numbers",
    sources=(Source("Gauss (1796)", "10.1/gauss", "https://example.org/code", "abc123"),),
    options=(
        Option("n", 5, "how many numbers", check=whole),
        Option("seeds", (1, 2), "their seeds", choices=(1, 2, 3)),
        Option("fast", False, "be fast"),
        Option("hidden", None),
    ),
    stages=(
        Stage(draws, over="seed"),
        Stage(sums, over="seed"),
        Stage(model, cached=False),
        Stage(results, cached=False),
    ),
    prose="sums.md",
    facts=lambda results: {"versions": write_versions(results["versions"]), "nothing": None},
    rows=lambda results: [Row("sum", results["sum"]["1"], 5050, ".0f", "of other numbers")],
    tables=(sum_table, lambda results: None),
    plots=(Plot(draw_sums, "Sums", "All sums."), Plot(draw_nothing, "Nothing", "Nothing.")),
)


@pytest.fixture
def prose(tmp_path, monkeypatch):
    """The template, in a folder of its own in place of the package."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "sums.md").write_text(PROSE)
    monkeypatch.setattr(frame, "files", lambda package: tmp_path / "package")
    CALLS.clear()


def test_stages_run_once_and_pages_are_whole(prose, tmp_path):
    out = tmp_path / "sums"
    first = run_study(STUDY, out, seeds=(1, 2))
    assert CALLS == [("draws", 1), ("draws", 2), ("sums",), ("sums",)]
    assert run_study(STUDY, out, seeds=(1, 2)) == first
    assert len(CALLS) == 4
    assert json.loads((out / "results.json").read_text()) == first
    assert first["x"] is None
    expected = np.random.default_rng(2).normal(size=5).sum()
    np.testing.assert_allclose(first["sum"]["2"], expected, rtol=1e-12)
    run_study(STUDY, out, seeds=(1, 3))
    assert CALLS[4:] == [("draws", 3), ("sums",)]
    assert {path.name for path in out.iterdir()} == {
        *("results.json", "results.md", "report.html", "sums.png", "cached"),
    }
    text, page = ((out / name).read_text() for name in ("results.md", "report.html"))
    assert text.startswith(
        "# Sums of numbers\n\nSums by `run_study('sums', seeds=(1, 3))` with npa"
    )
    assert f"- The sum of 5 draws is **{first['sum']['1']:.1f}**.\n\n## Last\n\n50 %.\n" in text
    assert "seed 9" not in text
    assert "| sum | " in text
    assert "Gauss (1796), https://doi.org/10.1/gauss, https://example.org/code at abc123." in text
    assert "All sums." in page
    assert "<code>run_study('sums', seeds=(1, 3))</code>" in page


def test_settings_are_checked(prose, tmp_path):
    with pytest.raises(ValueError, match="n must be a whole number >= 2, got 1"):
        run_study(STUDY, tmp_path / "sums", n=1)
    with pytest.raises(TypeError, match="sums has no setting 'm'; it has"):
        run_study(STUDY, tmp_path / "sums", m=1)
    assert not (tmp_path / "sums").exists()


def test_command_line(prose, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(command_line.STUDIES, "sums", "sums of numbers")
    monkeypatch.setattr(command_line, "load_study", lambda name: STUDY)
    parser = argparse.ArgumentParser()
    command_line.add_parsers(parser.add_subparsers(), "sums")
    out = tmp_path / "sums"
    args = parser.parse_args(["sums", "--n", "3", "--fast", "--seeds", "1", "3", "--out", str(out)])
    args.job(args)
    found = json.loads((out / "results.json").read_text())
    assert found["command"] == "npa-ann study sums --n 3 --seeds 1 3 --fast"
    assert list(found["sum"]) == ["1", "3"]
    assert "# Sums of numbers" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser.parse_args(["sums", "--help"])
    assert "their seeds (default: 1 2)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser.parse_args(["sums", "--seeds", "4"])
    assert "invalid choice: 4" in capsys.readouterr().err
