"""HTML pages of tables and figures."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import mne

from npa.typing import PathLike

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Page:
    """An HTML page that holds its figures and needs no network.

    Parameters
    ----------
    title : str
        Title of the page.

    Examples
    --------
    >>> from pathlib import Path
    >>> page = Page("Report")
    >>> page.add_rows("What was done", {"Bad channels": "<none>"})
    >>> page.save("report.html")
    >>> "<td>&lt;none&gt;</td>" in Path("report.html").read_text(encoding="utf-8")
    True
    """

    def __init__(self, title: str) -> None:
        self._report = mne.Report(title=title, verbose=False)

    def add_html(self, title: str, text: str) -> None:
        """Add a section of HTML.

        Parameters
        ----------
        title : str
            Title of the section.
        text : str
            HTML, shown as it is.
        """
        self._report.add_html(text, title=title)

    def add_rows(self, title: str, rows: Mapping[str, object]) -> None:
        """Add a table of names and values.

        Parameters
        ----------
        title : str
            Title of the section.
        rows : dict
            Name to value; both are shown as text.
        """
        style = "text-align:left;white-space:nowrap;padding-right:1em"
        cells = "".join(
            f"<tr><th style='{style}'>{html.escape(name)}</th>"
            f"<td>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
        )
        self.add_html(title, f"<table>{cells}</table>")

    def add_table(self, title: str, table: pd.DataFrame, caption: str = "", **kwargs: Any) -> None:
        """Add a table that scrolls within the page.

        Parameters
        ----------
        title : str
            Title of the section.
        table : pandas.DataFrame
            The table.
        caption : str
            Text above it.
        **kwargs
            Further arguments of `pandas.DataFrame.to_html`.
        """
        cells = table.to_html(
            float_format="{:.3g}".format,
            na_rep="",
            border=0,
            classes="table table-sm table-striped",
            **kwargs,
        )
        above = f"<p>{html.escape(caption)}</p>" if caption else ""
        self.add_html(title, f"{above}<div style='overflow:auto;max-height:32em'>{cells}</div>")

    def add_figure(self, title: str, figure: Figure, caption: str = "") -> None:
        """Add a figure, and close it.

        Parameters
        ----------
        title : str
            Title of the section.
        figure : matplotlib.figure.Figure
            The figure.
        caption : str
            Text below it.
        """
        import matplotlib.pyplot as plt

        self._report.add_figure(figure, title=title, caption=caption or None, image_format="png")
        plt.close(figure)

    def save(self, fname: PathLike) -> None:
        """Write the page.

        Parameters
        ----------
        fname : path-like
            The file, ending in ``.html``; an existing one is replaced.
        """
        self._report.save(fname, overwrite=True, open_browser=False, verbose=False)
