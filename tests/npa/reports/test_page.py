"""Pages show names as text, hold their figures, and close them."""

import matplotlib.pyplot as plt
import pandas as pd

from npa.reports.page import Page


def test_names_and_values_are_text(tmp_path):
    page = Page("Report")
    page.add_rows("Rows", {"<name>": "<value>"})
    page.add_table("Table", pd.DataFrame({"<column>": [1 / 3]}), "<caption>")
    page.add_html("HTML", "<b>bold</b>")
    page.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for shown in ("&lt;name&gt;", "&lt;value&gt;", "&lt;column&gt;", "&lt;caption&gt;", "<b>bold"):
        assert shown in text, shown
    assert "<td>0.333</td>" in text


def test_figures_are_embedded_and_closed(tmp_path):
    page = Page("Report")
    page.add_figure("Figure", plt.figure(), "A caption.")
    assert not plt.get_fignums()
    page.save(tmp_path / "page.html")
    page.save(tmp_path / "page.html")  # replaces the first
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count('<img class="figure-img') == 1
    assert "A caption." in text
