"""The frame of the studies: stages, ours beside the published, tables, figures and prose."""

import html
import inspect
import json
import platform
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import mne
import numpy as np

from npa import __version__
from npa.recordings.staging import write_json
from npa.typing import PathLike
from npa_ann.studies.cache import Cache


@dataclass(frozen=True)
class Source:
    """Where published numbers come from.

    Parameters
    ----------
    paper : str
        Authors, year and title.
    doi : str
        Digital object identifier; empty if there is none.
    repository, commit : str
        Address of the published code and the commit that was read; empty if there is none.

    Examples
    --------
    >>> print(Source("He et al. (2016)", "10.1109/CVPR.2016.90"))
    He et al. (2016), https://doi.org/10.1109/CVPR.2016.90
    """

    paper: str
    doi: str = ""
    repository: str = ""
    commit: str = ""

    def __str__(self) -> str:
        doi = f"https://doi.org/{self.doi}" if self.doi else ""
        code = f"{self.repository} at {self.commit}" if self.commit else self.repository
        return ", ".join(part for part in (self.paper, doi, code) if part)


@dataclass(frozen=True)
class Row:
    """A number of ours beside the published one.

    Parameters
    ----------
    label : str
        What was measured.
    ours, published : object
        The numbers; None if there is none.
    spec : str
        How both are written, as for `write_value`.
    note : str
        What to know about it.
    """

    label: str
    ours: Any
    published: Any
    spec: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of values and how they are written.

    Parameters
    ----------
    title : str
        What it shows.
    header : sequence of str
        Names of its columns.
    rows : sequence of sequence
        Values of the cells.
    note : str
        How to read it.
    specs : sequence of str
        Format of each column, as for `write_value`; columns beyond the last are text.

    Examples
    --------
    >>> rows = [("1 + 1", 2), ("1 / 0", None)]
    >>> print(Table("Sums", ("what", "value"), rows, specs=("", ".1f")))
    ## Sums
    <BLANKLINE>
    | what | value |
    |---|---|
    | 1 + 1 | 2.0 |
    | 1 / 0 |  |
    <BLANKLINE>
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    specs: Sequence[str] = ()

    def cells(self) -> list[list[str]]:
        """Write all cells.

        Returns
        -------
        cells : list of list of str
            The header, then the rows.
        """
        specs = [*self.specs, *[""] * (len(self.header) - len(self.specs))]
        rows = [
            [write_value(value, spec) for value, spec in zip(row, specs, strict=True)]
            for row in self.rows
        ]
        return [list(self.header), *rows]

    def __str__(self) -> str:
        header, *rows = ("| " + " | ".join(row) + " |" for row in self.cells())
        note = [self.note, ""] if self.note else []
        rule = "|" + "---|" * len(self.header)
        return "\n".join([f"## {self.title}", "", *note, header, rule, *rows, ""])

    def to_html(self) -> str:
        """Write note and table, without the title, as HTML.

        Returns
        -------
        text : str
            Part of a page.
        """
        header, *rows = self.cells()
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"{note}<table class='table table-sm table-striped'><tr>{head}</tr>{body}</table>"


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
    title, caption : str
        What is written above and below it.
    """

    draw: Callable[..., Any]
    title: str
    caption: str

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
    >>> results = json.loads(Path("results.json").read_text())  # doctest: +SKIP
    >>> write_pages(STUDY, results, ".")  # doctest: +SKIP
    """
    out = Path(out)
    template = files("npa_ann.studies").joinpath(study.prose).read_text(encoding="utf-8")
    prose = fill_prose(template, {"r": results} | study.facts(results))
    shown = list(_tables(study, results))
    text = "\n".join([f"# {study.title}", "", prose, "", *map(str, shown)])
    (out / "results.md").write_text(text, encoding="utf-8")
    report = mne.Report(title=study.title, verbose=False)
    report.add_html(_to_html(prose), title="What was done, and what came out")
    for plot in study.plots if values is not None else ():
        _add_plot(plot, {**(values or {}), "results": results}, report, out)
    for table in shown:
        report.add_html(table.to_html(), title=table.title)
    report.save(out / "report.html", overwrite=True, open_browser=False, verbose=False)


def write_results(results: dict[str, Any], path: Path) -> dict[str, Any]:
    """Write results as JSON; NaN, which JSON does not have, becomes null.

    Parameters
    ----------
    results : dict
        Numbers, strings, lists and dicts.
    path : pathlib.Path
        File to write; it appears whole or not at all.

    Returns
    -------
    results : dict
        The same as the file is read: None for NaN.

    Examples
    --------
    >>> write_results({"slope": [float("nan"), -1.0]}, Path("results.json"))
    {'slope': [None, -1.0]}
    """
    write_json(path, _plain(results))
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def write_value(value: Any, spec: str = "") -> str:
    """Write a value for people.

    Parameters
    ----------
    value : object
        A number or text; None gives empty text.
    spec : str
        A format as in ``format(value, spec)``. A percent sign stands after a space; ``" | "``
        before a format gives what stands for None: ``"- | .2f"``.

    Returns
    -------
    text : str
        The value.

    Examples
    --------
    >>> write_value(0.8779, ".2%"), write_value(0.5, "+.1f"), write_value(None, "- | .2f")
    ('87.79 %', '+0.5', '-')
    """
    missing, _, spec = spec.rpartition(" | ")
    if value is None:
        return missing
    text = format(value, spec)
    return text.removesuffix("%") + " %" if spec.endswith("%") else text


def fill_prose(template: str, values: Mapping[str, Any]) -> str:
    r"""Fill the numbers of a study into its prose.

    Parameters
    ----------
    template : str
        Markdown. Fields are indexed as in `str.format`, formats are those of `write_value`:
        ``{r[test_accuracy]:.1%}``. A paragraph or item of a list with a field that has no value
        (a missing key, or None) is left out, and so is a heading with nothing below.
    values : mapping
        Values of the fields; ``r`` are the results.

    Returns
    -------
    text : str
        Markdown.

    Examples
    --------
    >>> print(fill_prose("{r[n]} images.\n\n{r[hits]:.0%} of them.", {"r": {"n": 3}}))
    3 images.
    """
    blocks = re.split(r"\n\n+|\n(?=- )", template.strip())
    filled = [text for block in blocks if (text := _fill(block, values)) is not None]
    kept = [
        text
        for text, following in zip(filled, [*filled[1:], "#"], strict=True)
        if not (text.startswith("#") and following.startswith("#"))
    ]
    joints = [
        "\n" if text.startswith("- ") and before.startswith("- ") else "\n\n"
        for before, text in zip(kept, kept[1:], strict=False)
    ]
    return "".join(part for pair in zip(["", *joints], kept, strict=True) for part in pair)


def versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Name the software that made a result.

    Parameters
    ----------
    packages : iterable of str
        Further packages; those that are not installed are left out.

    Returns
    -------
    versions : dict
        Name to version: npa, Python, Keras with its backend, NumPy, and the others.

    Examples
    --------
    >>> list(versions())[:3]
    ['npa', 'python', 'keras']
    """
    import keras

    found = {"npa": __version__, "python": platform.python_version()}
    for name in ("keras", keras.backend.backend(), "numpy", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_versions(found: Mapping[str, str]) -> str:
    """Write versions in one line.

    Parameters
    ----------
    found : mapping
        As `versions` returns it.

    Returns
    -------
    text : str
        Such as ``"npa 0.1.0, python 3.11.7"``.

    Examples
    --------
    >>> write_versions({"python": "3.11.7", "numpy": "2.4.6"})
    'python 3.11.7, numpy 2.4.6'
    """
    return ", ".join(f"{name} {number}" for name, number in found.items())


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
    figures = drawn if isinstance(drawn, dict) else {} if drawn is None else {"": drawn}
    for label, figure in figures.items():
        name = plot.name + (f"_{re.sub(r'[^0-9A-Za-z]', '_', label)}" if label else "")
        title = f"{plot.title}, {label}" if label else plot.title
        figure.savefig(out / f"{name}.png", dpi=150, bbox_inches="tight")
        report.add_figure(figure, title=title, caption=plot.caption, image_format="png")
        plt.close(figure)


class _Missing(Exception):
    """A field of the prose has no value."""


class _Prose(string.Formatter):
    """`str.format` whose formats are those of `write_value`, and whose fields are only indexed."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        name, *keys = re.findall(r"[^][]+", field_name)
        value = kwargs[name]
        for key in keys:
            value = value[int(key) if isinstance(value, (list, tuple)) else key]
        return value, name

    def format_field(self, value: Any, spec: str) -> str:
        if value is None:
            raise _Missing
        return write_value(value, spec)


def _fill(block: str, values: Mapping[str, Any]) -> str | None:
    """Fill one paragraph; None if a value is missing."""
    try:
        return _Prose().vformat(block, (), values)
    except (_Missing, KeyError, IndexError, TypeError):
        return None


def _to_html(markdown: str) -> str:
    """Turn the Markdown of the prose (headings, items, bold, code, links) into HTML."""
    text = html.escape(markdown, quote=False)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text, flags=re.DOTALL)
    text = re.sub(r"`(.+?)`", r"<code>\1</code>", text)
    text = re.sub(r"\[([^]]+)\]\((\S+?)\)", r'<a href="\2">\1</a>', text)
    parts = []
    for block in re.split(r"\n\n+|\n(?=- )", text):
        if block.startswith("## "):
            parts.append(f"<h4>{block.removeprefix('## ')}</h4>")
        elif block.startswith("- "):
            parts.append(f"<ul><li>{block.removeprefix('- ')}</li></ul>")
        else:
            parts.append(f"<p>{block}</p>")
    return "".join(parts).replace("</ul><ul>", "")


def _plain(value: Any) -> Any:
    """Replace NaN by None."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
