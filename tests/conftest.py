"""Fixtures that every test module may ask for."""

import os

# Two workers run the tests; more threads than that would only stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import matplotlib
import mne
import pytest
from matplotlib import pyplot as plt

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real recordings named by ``NPA_DATA``; skip where there is none."""
    folder = os.environ.get("NPA_DATA")
    if not folder:
        pytest.skip("needs real data: set NPA_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    """Two hundred made-up reviews, tokenized."""
    from made_up_reviews import CORPUS, write_reviews

    from npa_ann.studies.one_over_f.reviews import load_reviews

    return load_reviews(write_reviews(tmp_path_factory.mktemp("corpus")), **CORPUS)


@pytest.fixture(autouse=True)
def _quiet_mne():
    """Keep MNE's progress messages out of the test log."""
    with mne.use_log_level("WARNING"):
        yield


@pytest.fixture(autouse=True)
def _close_figures():
    """Leave no open figure behind."""
    yield
    plt.close("all")
