"""The pages in docs/results are written from the numbers beside them."""

import json
import re
from pathlib import Path

import pytest

from npa_ann.studies import STUDIES, frame, load_study
from npa_ann.studies.frame import write_pages
from npa_ann.studies.pages import fill_prose

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def test_prose_lists_what_all_items_hold():
    template = "{r[networks][*][loss]:list .1f}, {r[networks][*][loss]:range .0%}"
    losses = [{"loss": 0.3}, {"loss": None}, {"loss": 0.25}]
    assert fill_prose(template, {"r": {"networks": losses}}) == "0.3, 0.2, 25 to 30 %"
    for empty in ([], {}, [{"loss": None}], [{}]):
        assert fill_prose(template, {"r": {"networks": empty}}) == ""


@pytest.mark.parametrize("name", STUDIES)
def test_results_fill_every_paragraph_of_the_page(name, tmp_path):
    study, file = load_study(name), name.replace("-", "_")
    results = json.loads((RESULTS / f"{file}.json").read_text())
    write_pages(study, results, tmp_path)
    assert (tmp_path / "results.md").read_text() == (RESULTS / f"{file}.md").read_text()
    template = frame.files("npa_ann.studies").joinpath(study.prose).read_text()
    values = {"r": results} | study.facts(results)
    left_out = [
        block
        for block in re.split(r"\n\n+|\n(?=- )", template.strip())
        if not block.startswith("#") and not fill_prose(block, values)
    ]
    assert not [block for block in left_out if "{only_" not in block]
