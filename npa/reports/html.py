"""Tables in HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def rows_html(rows: Mapping[str, object]) -> str:
    """Return a table of names and values, one row per name.

    Parameters
    ----------
    rows : dict
        Name to value; both are shown as text.

    Returns
    -------
    table : str
        HTML.

    Examples
    --------
    >>> "<td>&lt;none&gt;</td>" in rows_html({"Bad channels": "<none>"})
    True
    """
    cells = "".join(
        f"<tr><th style='text-align:left;white-space:nowrap;padding-right:1em'>{html.escape(key)}"
        f"</th><td>{html.escape(str(value))}</td></tr>"
        for key, value in rows.items()
    )
    return f"<table>{cells}</table>"


def frame_html(frame: pd.DataFrame, **kwargs: Any) -> str:
    """Return a scrollable table.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    **kwargs
        Further arguments of `pandas.DataFrame.to_html`.

    Returns
    -------
    table : str
        HTML.

    Examples
    --------
    >>> import pandas as pd
    >>> "<td>0.333</td>" in frame_html(pd.DataFrame({"slope": [1 / 3]}))
    True
    """
    cells: str = frame.to_html(
        float_format="{:.3g}".format,
        na_rep="",
        border=0,
        classes="table table-sm table-striped",
        **kwargs,
    )
    return f"<div style='overflow:auto;max-height:32em'>{cells}</div>"
