"""Maps are drawn where electrodes have positions, and bars elsewhere."""

import matplotlib.pyplot as plt
import mne
import numpy as np
import pytest

import npa.viz
from npa.reports.drawing import MAX_BARS, draw_map, figure_and_axes, with_positions


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def info(n_placed, n_other=0):
    """Describe electrodes, of which some have positions."""
    names = ["Fp1", "Fpz", "C3", "Cz", "Pz", "O2"][:n_placed]
    made = mne.create_info([*names, *(f"X{n}" for n in range(n_other))], 100.0, "eeg")
    return made.set_montage("colin27_1005", on_missing="ignore")


def test_positions_and_values_are_both_needed():
    values = np.array([1.0, np.nan, 3.0, 4.0])
    assert with_positions(values, info(3, 1)).tolist() == [0, 2]


def test_map_omits_channels_without_value_or_position():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, np.nan, 99.0])
    figure = draw_map(values, info(6, 1), "Score", diverging=True)
    assert len(figure.axes) == 2  # the map and its color bar
    assert figure.axes[1].get_ylim() == (-5.0, 5.0)


def test_bars_show_the_largest_values_without_positions():
    values = np.append(np.arange(20.0), np.nan)
    (ax,) = draw_map(values, info(0, 21), "Score").axes
    assert len(ax.patches) == MAX_BARS
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == "X19"


def test_given_axes_are_used():
    figure, ax = figure_and_axes(None)
    assert draw_map(np.ones(2), info(2), "Score", ax=ax) is figure


def test_every_public_drawing_is_documented():
    for name in npa.viz.__all__:
        assert "Returns" in getattr(npa.viz, name).__doc__, name


@pytest.mark.parametrize(
    "positions",
    [
        [(0.09, 0.0, 0.0), (0.0, 0.09, 0.0), (-0.09, 0.0, 0.0), (0.0, -0.09, 0.0)],  # a circle
        [(0.02 * x, 0.0, 0.0) for x in range(-2, 3)],  # a line
        [(0.01, 0.02, 0.09)] * 4,  # one place
    ],
)
def test_bars_where_positions_allow_no_map(positions):
    names = [f"E{n}" for n in range(len(positions))]
    placed = mne.create_info(names, 100.0, "eeg")
    montage = mne.channels.make_dig_montage(
        dict(zip(names, positions, strict=True)), coord_frame="head"
    )
    placed.set_montage(montage)
    (ax,) = draw_map(np.arange(1.0, len(names) + 1), placed, "Score").axes
    assert len(ax.patches) == len(names)
    assert ax.get_xlabel() == "Score"
