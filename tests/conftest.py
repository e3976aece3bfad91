"""Fixtures that every test module may ask for."""

import os
from pathlib import Path

import matplotlib
import mne
import pytest

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real recordings named by ``NPA_DATA``; skip where there is none."""
    folder = os.environ.get("NPA_DATA")
    if not folder:
        pytest.skip("needs real data: set NPA_DATA to their folder")
    return Path(folder)


@pytest.fixture(autouse=True)
def _quiet_mne():
    """Keep MNE's progress messages out of the test log."""
    with mne.use_log_level("WARNING"):
        yield


@pytest.fixture(autouse=True)
def _close_figures():
    """Leave no open figure behind."""
    yield
    matplotlib.pyplot.close("all") if hasattr(matplotlib, "pyplot") else None
