"""What a study found, as Markdown, PNG figures, and one page that needs no network."""

import html
import json
from dataclasses import dataclass

import mne
import numpy as np

from npa.recordings.staging import write_json


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    title : str
        What it shows.
    header : tuple of str
        Names of its columns.
    rows : list of tuple of str
        Its cells.
    note : str
        How to read it.

    Examples
    --------
    >>> print(Table("Sums", ("what", "value"), [("1 + 1", "2")]).to_markdown())
    ## Sums
    <BLANKLINE>
    | what | value |
    |---|---|
    | 1 + 1 | 2 |
    <BLANKLINE>
    """

    title: str
    header: tuple
    rows: list
    note: str = ""

    def to_markdown(self):
        """Write the table in Markdown.

        Returns
        -------
        text : str
            Title, note and table.
        """
        lines = ["| " + " | ".join(row) + " |" for row in (self.header, *self.rows)]
        lines.insert(1, "|" + "---|" * len(self.header))
        note = [self.note, ""] if self.note else []
        return "\n".join([f"## {self.title}", "", *note, *lines, ""])

    def to_html(self):
        """Write note and table as HTML.

        Returns
        -------
        text : str
            The page's part, without the title.
        """

        def row(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "".join(row(cells, "td") for cells in self.rows)
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        classes = "table table-sm table-striped"
        return f"{note}<table class='{classes}'>{row(self.header, 'th')}{body}</table>"


def write_page(title, facts, tables, figures, out):
    """Write ``results.md``, a PNG of every figure, and ``report.html``.

    Parameters
    ----------
    title : str
        Heading of the page.
    facts : list of str
        Paragraphs: what was done, by which command.
    tables : list of Table
        The tables.
    figures : dict
        File name to title, caption and `matplotlib.figure.Figure`; the figures are closed.
    out : pathlib.Path
        Folder to write to.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> table = Table("Sums", ("what", "value"), [("1 + 1", "2")])
    >>> with TemporaryDirectory() as out:
    ...     write_page("Arithmetic", ["By hand."], [table], {}, Path(out))
    ...     sorted(path.name for path in Path(out).iterdir())
    ['report.html', 'results.md']
    """
    import matplotlib.pyplot as plt

    paragraphs = [line for fact in facts for line in (fact, "")]
    text = "\n".join([f"# {title}", "", *paragraphs, *(table.to_markdown() for table in tables)])
    (out / "results.md").write_text(text, encoding="utf-8")
    report = mne.Report(title=title, verbose=False)
    lines = "".join(f"<p>{html.escape(fact)}</p>" for fact in facts)
    report.add_html(lines, title="What was done")
    for name, (heading, caption, figure) in figures.items():
        figure.savefig(out / f"{name}.png", dpi=150, bbox_inches="tight")
        report.add_figure(figure, title=heading, caption=caption, image_format="png")
        plt.close(figure)
    for table in tables:
        report.add_html(table.to_html(), title=table.title)
    report.save(out / "report.html", overwrite=True, open_browser=False, verbose=False)


def write_results(results, path):
    """Write numbers as JSON; NaN, which JSON does not know, becomes null.

    Parameters
    ----------
    results : dict
        Numbers, strings, lists and dicts.
    path : pathlib.Path
        File to write; it appears whole or not at all.

    Returns
    -------
    results : dict
        The same with None for NaN, as reading the file gives it back.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as out:
    ...     write_results({"slope": [float("nan"), -1.0]}, Path(out, "results.json"))
    {'slope': [None, -1.0]}
    """
    write_json(path, _plain(results))
    return json.loads(path.read_text(encoding="utf-8"))


def _plain(value):
    """Replace NaN by None."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
