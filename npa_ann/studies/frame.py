"""The frame of the studies: stages and options, how they run, and the pages that they write."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import mne

from npa.typing import PathLike
from npa_ann.studies.cache import Cache
from npa_ann.studies.pages import (
    Row,
    Source,
    Table,
    fill_prose,
    to_html,
    versions,
    write_results,
    write_value,
)


@dataclass(frozen=True)
class Stage:
    """A step of a study.

    Parameters
    ----------
    function : callable
        A function of a module. Its parameters are named after settings of the study and after
        earlier stages, whose results they receive; also ``data``, ``out`` (the folder of the
        study), ``cache``, ``progress`` and ``command``.
    over : str | None
        Name of a parameter: the function runs once for each item of the setting or stage whose
        name is the plural, ``seed`` of ``seeds``, and the stage's result is a dict of item to
        result. Earlier stages over the same name give it the result of the same item.
    cached : bool
        Whether the result is kept by `npa_ann.studies.cache.Cache`. False for what is quick, what
        is no array (a model), and what keeps its own progress (a training).
    """

    function: Callable[..., Any]
    over: str | None = None
    cached: bool = True

    @property
    def name(self) -> str:
        """Name of the function, without underscore, under which later stages ask for the result."""
        return self.function.__name__.lstrip("_")


@dataclass(frozen=True)
class Option:
    """A setting of a study, and how the command line sets it.

    Parameters
    ----------
    name : str
        Name of the setting.
    default : object
        Its default. A tuple takes several words on the command line, False makes a flag.
    help : str
        What it does; empty for a setting that the command line does not offer.
    check : callable | None
        Takes name and value, returns the value, and raises if it is out of range.
    choices : sequence | None
        What the command line accepts.
    kind : type | None
        Type of each word on the command line; None for that of the default.
    flag : str | None
        Name on the command line; None for that of the setting.
    nargs : str
        How many words a tuple takes, as for ``argparse``: ``"*"`` or, for at least one, ``"+"``.
    convert : callable | None
        Turns what the command line gives (not its default) into the setting.
    """

    name: str
    default: Any
    help: str = ""
    check: Callable[[str, Any], Any] | None = None
    choices: Iterable[Any] | None = None
    kind: type | None = None
    flag: str | None = None
    nargs: str = "*"
    convert: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Plot:
    """A figure of a study.

    Parameters
    ----------
    draw : callable
        ``draw_NAME``: takes, by name, what a stage takes, and ``results``; returns a
        `matplotlib.figure.Figure`, a dict of label to figure, or None where there is nothing to
        draw. The file is ``NAME.png`` or ``NAME_LABEL.png``.
    title : str
        What is written above it.
    caption : str
        What is written below it; empty for the docstring of ``draw``.
    """

    draw: Callable[..., Any]
    title: str
    caption: str = ""

    @property
    def name(self) -> str:
        """Name of the file, without its ending."""
        return self.draw.__name__.lstrip("_").removeprefix("draw_")


@dataclass(frozen=True)
class Study:
    """A published study, run again.

    Parameters
    ----------
    name : str
        Its name on the command line and the default folder of its results.
    title : str
        Heading of its pages.
    sources : sequence of Source
        Where the published numbers come from.
    options : sequence of Option
        Its settings.
    stages : sequence of Stage
        What is done, in order. The last one returns the results: a dict of numbers, strings,
        lists and dicts.
    prose : str
        Name of a Markdown file beside this module, see `fill_prose`.
    facts : callable
        Takes the results, returns a dict: further values for the prose.
    rows : callable
        Takes the results, returns a list of `Row`: ours beside the published.
    tables : sequence of callable
        Each takes the results and returns a `Table`, a list of them, or None where there is
        nothing to show.
    plots : sequence of Plot
        Its figures.
    """

    name: str
    title: str
    sources: tuple[Source, ...]
    options: tuple[Option, ...]
    stages: tuple[Stage, ...]
    prose: str
    facts: Callable[[dict[str, Any]], dict[str, Any]]
    rows: Callable[[dict[str, Any]], list[Row]]
    tables: tuple[Callable[[dict[str, Any]], Table | list[Table] | None], ...]
    plots: tuple[Plot, ...]


def run_study(
    study: Study,
    out: PathLike | None = None,
    *,
    data: PathLike | None = None,
    progress: Callable[..., Any] | None = None,
    command: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Run a study, and write its results, tables and figures.

    Parameters
    ----------
    study : Study
        Which one.
    out : path-like | None
        Where to write: ``results.json``, ``results.md``, ``report.html``, PNG figures, trained
        networks and ``cached``, from which an interrupted run resumes. None for a folder of the
        study's name.
    data : path-like | None
        Where the data are. None for the folder named by ``NPA_DATA``.
    progress : callable | None
        Wraps iterables, as tqdm does.
    command : str | None
        How the study was called, for the record.
    **settings
        Settings other than the defaults of ``study.options``.

    Returns
    -------
    results : dict
        What ``results.json`` contains.

    Raises
    ------
    TypeError
        If the study has no such setting.
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> from npa_ann.studies.ssvep import STUDY
    >>> run_study(STUDY, images=1)
    Traceback (most recent call last):
    ValueError: images must be a whole number >= 4, got 1.
    """
    chosen = {option.name: option.default for option in study.options}
    if unknown := sorted(settings.keys() - chosen.keys()):
        raise TypeError(f"{study.name} has no setting {unknown[0]!r}; it has {sorted(chosen)}.")
    chosen |= settings
    for option in study.options:
        if option.check is not None:
            chosen[option.name] = option.check(option.name, chosen[option.name])
    out = Path(study.name if out is None else out)
    written = "".join(f", {name}={value!r}" for name, value in settings.items())
    values = chosen | {
        "data": data,
        "out": out,
        "cache": Cache(out / "cached"),
        "progress": progress,
        "command": command or f"run_study({study.name!r}{written})",
    }
    out.mkdir(parents=True, exist_ok=True)
    for stage in study.stages:
        values[stage.name] = _run_stage(stage, values, study)
    facts = {"versions": versions(), "command": values["command"]}
    results = write_results(facts | values[study.stages[-1].name], out / "results.json")
    write_pages(study, results, out, values)
    return results


def write_pages(
    study: Study,
    results: dict[str, Any],
    out: PathLike,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Write ``results.md``, ``report.html`` and a PNG of each figure.

    Parameters
    ----------
    study : Study
        Which study.
    results : dict
        What `run_study` returned.
    out : path-like
        An existing folder.
    values : mapping | None
        Settings and results of the stages, from which figures are drawn; None for no figures.

    Examples
    --------
    >>> from npa_ann.studies.ssvep import STUDY
    >>> write_pages(STUDY, results, ".")  # doctest: +SKIP
    """
    out = Path(out)
    template = files("npa_ann.studies").joinpath(study.prose).read_text(encoding="utf-8")
    prose = fill_prose(template, {"r": results} | study.facts(results))
    shown = list(_tables(study, results))
    text = "\n".join([f"# {study.title}", "", prose, "", *map(str, shown)])
    (out / "results.md").write_text(text, encoding="utf-8")
    report = mne.Report(title=study.title, verbose=False)
    report.add_html(to_html(prose), title="What was done, and what came out")
    for plot in study.plots if values is not None else ():
        _add_plot(plot, {**(values or {}), "results": results}, report, out)
    for table in shown:
        report.add_html(table.to_html(), title=table.title)
    report.save(out / "report.html", overwrite=True, open_browser=False, verbose=False)


def _run_stage(stage: Stage, values: dict[str, Any], study: Study) -> Any:
    """Run one stage, for each item of what it runs over."""
    if stage.over is None:
        return _call(stage, values)
    items = values[f"{stage.over}s"]
    alike = {earlier.name for earlier in study.stages if earlier.over == stage.over}
    wrapped = items if values["progress"] is None else values["progress"](items)
    results = {}
    for item in wrapped:
        own = {name: values[name][item] for name in alike & values.keys()}
        results[item] = _call(stage, values | own | {stage.over: item})
    return results


def _call(stage: Stage, values: dict[str, Any]) -> Any:
    """Call a stage's function, or read its result from the cache."""
    arguments = _arguments(stage.function, values)
    if stage.cached:
        return values["cache"](stage.function, **arguments)
    return stage.function(**arguments)


def _arguments(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the values that a function's parameters are named after."""
    parameters = inspect.signature(function).parameters
    return {name: values[name] for name in parameters}


def _compare(study: Study, results: dict[str, Any]) -> Table | None:
    """Set our numbers beside the published ones."""
    rows = study.rows(results)
    if not rows:
        return None
    cells = [
        (row.label, write_value(row.ours, row.spec), write_value(row.published, row.spec), row.note)
        for row in rows
    ]
    note = "Published: " + "; ".join(map(str, study.sources)) + "."
    return Table("Ours and published", ("", "ours", "published", "note"), cells, note)


def _tables(study: Study, results: dict[str, Any]) -> Iterator[Table]:
    """Yield ours beside the published, then the other tables."""
    for made in (_compare(study, results), *(make(results) for make in study.tables)):
        yield from made if isinstance(made, list) else [made] if made is not None else []


def _add_plot(plot: Plot, values: dict[str, Any], report: Any, out: Path) -> None:
    """Draw a figure, and put it into a file and the report."""
    import matplotlib.pyplot as plt

    drawn = plot.draw(**_arguments(plot.draw, values))
    caption = plot.caption or " ".join((plot.draw.__doc__ or "").split())
    figures = drawn if isinstance(drawn, dict) else {} if drawn is None else {"": drawn}
    for label, figure in figures.items():
        name = plot.name + (f"_{re.sub(r'[^0-9A-Za-z]', '_', label)}" if label else "")
        title = f"{plot.title}, {label}" if label else plot.title
        figure.savefig(out / f"{name}.png", dpi=150, bbox_inches="tight")
        report.add_figure(figure, title=title, caption=caption, image_format="png")
        plt.close(figure)
