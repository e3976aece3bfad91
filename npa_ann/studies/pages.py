"""What the pages of the studies consist of: numbers, tables and prose."""

import html
import json
import platform
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from npa import __version__
from npa.recordings.staging import write_json


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


def flatten_keys(nested: Mapping[Any, Any], depth: int) -> dict[tuple[Any, ...], Any]:
    """Turn nested dicts into one, whose keys are the tuples of their keys.

    Parameters
    ----------
    nested : mapping
        Dicts within a dict.
    depth : int
        How many levels of them.

    Returns
    -------
    flat : dict
        Tuple of ``depth`` keys to what is below them.

    Examples
    --------
    >>> flatten_keys({"a": {"x": 1, "y": 2}, "b": {"x": 3}}, 2)
    {('a', 'x'): 1, ('a', 'y'): 2, ('b', 'x'): 3}
    """
    if depth == 1:
        return {(key,): value for key, value in nested.items()}
    return {
        (key, *others): value
        for key, inner in nested.items()
        for others, value in flatten_keys(inner, depth - 1).items()
    }


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
        before a format gives what stands for None: ``"- | .2f"``. ``"list"`` before a format writes
        several values, ``"range"`` the smallest and the largest; None among them is left out.

    Returns
    -------
    text : str
        The value.

    Examples
    --------
    >>> write_value(0.8779, ".2%"), write_value(0.5, "+.1f"), write_value(None, "- | .2f")
    ('87.79 %', '+0.5', '-')
    >>> write_value([0.91, 0.87, 0.88], "list .0%"), write_value([0.91, 0.87, 0.88], "range .0%")
    ('91, 87, 88 %', '87 to 91 %')
    """
    missing, _, spec = spec.rpartition(" | ")
    several, _, inner = spec.partition(" ")
    if value is not None and several in ("list", "range"):
        known = [each for each in value if each is not None]
        if several == "range" and known:
            known = [min(known), max(known)]
        *others, last = [write_value(each, inner) for each in known] or [missing]
        separator = ", " if several == "list" else " to "
        return separator.join([*(text.removesuffix(" %") for text in others), last])
    if value is None:
        return missing
    text = format(value, spec)
    return text.removesuffix("%") + " %" if spec.endswith("%") else text


def pick(results: Any, *keys: str) -> Any:
    """Pick values out of nested results.

    Parameters
    ----------
    results : dict | list
        What is indexed.
    *keys : str
        Keys and positions from the outside in; ``"*"`` stands for all items.

    Returns
    -------
    values : object
        A value, or a list of what is found in each item.

    Examples
    --------
    >>> pick({"networks": [{"loss": 0.3}, {"loss": 0.2}]}, "networks", "*", "loss")
    [0.3, 0.2]
    """
    if not keys:
        return results
    key, *inner = keys
    if key == "*":
        items = results.values() if isinstance(results, Mapping) else results
        return [pick(item, *inner) for item in items]
    return pick(results[int(key) if isinstance(results, (list, tuple)) else key], *inner)


def fill_prose(template: str, values: Mapping[str, Any]) -> str:
    r"""Fill the numbers of a study into its prose.

    Parameters
    ----------
    template : str
        Markdown. Fields are indexed as in `str.format`, ``[*]`` stands for all items, and formats
        are those of `write_value`: ``{r[networks][*][accuracy]:list .1%}``. A paragraph or item of
        a list with a field that has no value (a missing key, None, or no items) is left out, and so
        is a heading with nothing below. Fields named ``only_...`` are there for this alone: empty
        where a paragraph applies, else None.
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
        for text, following in zip(filled, [*filled[1:], "#"], strict=False)
        if not (text.startswith("#") and following.startswith("#"))
    ]
    prose, before = "", ""
    for text in kept:
        in_list = text.startswith("- ") and before.startswith("- ")
        prose, before = prose + ("\n" if in_list else "\n\n") + text, text
    return prose.strip()


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


def to_html(markdown: str) -> str:
    """Turn the Markdown of the prose into HTML.

    Parameters
    ----------
    markdown : str
        Paragraphs, headings of the second level, items, bold, code and links.

    Returns
    -------
    text : str
        HTML.

    Examples
    --------
    >>> to_html("A **bold** word.")
    '<p>A <b>bold</b> word.</p>'
    """
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


class _Missing(Exception):
    """A field of the prose has no value."""


class _Prose(string.Formatter):
    """`str.format` whose formats are those of `write_value`, and whose fields are only indexed."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        name, *keys = re.findall(r"[^][]+", field_name)
        return pick(kwargs[name], *keys), name

    def format_field(self, value: Any, spec: str) -> str:
        text = write_value(value, spec)
        if value is None or (not text and value != ""):
            raise _Missing
        return text


def _fill(block: str, values: Mapping[str, Any]) -> str | None:
    """Fill one paragraph; None if a value is missing."""
    try:
        return _Prose().vformat(block, (), values)
    except (_Missing, KeyError, IndexError, TypeError):
        return None


def _plain(value: Any) -> Any:
    """Replace NaN by None."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
