"""Tables have one row per combination of levels, or one row per channel."""

import numpy as np
import pandas as pd
import pytest

from npa.reports.tables import by_channel, long_table


def test_the_last_level_varies_fastest():
    values = np.arange(6.0).reshape(2, 3)
    table = long_table({"epoch": range(2), "name": ["Fz", "Cz", "Fz"]}, {"slope": values})
    assert table["epoch"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["name"].tolist() == ["Fz", "Cz", "Fz"] * 2  # names may repeat
    assert table["slope"].tolist() == values.ravel().tolist()


def test_measures_of_each_channel_become_columns():
    wide = pd.DataFrame(
        [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]],
        columns=["a_b_snr", "a_b_p", "a_snr", "a_p"],
    )
    table = by_channel(wide, ["a_b", "a"])
    assert table.index.tolist() == ["a_b", "a"] * 2
    assert table.index.name == "channel"
    assert table["p"].tolist() == [2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize("columns", [["Fz_snr", "Oz_p"], ["snr", "p"], ["Oz_snr", "Fz_snr"]])
def test_other_columns_stay(columns):
    wide = pd.DataFrame([[1.0, 2.0]], columns=columns)
    assert by_channel(wide, ["Fz", "Oz"]) is wide
    assert by_channel(wide, []) is wide
