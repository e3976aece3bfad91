"""Recordings with known truth, and public data sets."""

from npa.datasets.fetching import Dataset, fetch, find_copies, list_datasets
from npa.datasets.packaged import packaged_data
from npa.datasets.simulate import SimulationTruth, simulate_recording

__all__ = [
    "Dataset",
    "SimulationTruth",
    "fetch",
    "find_copies",
    "list_datasets",
    "packaged_data",
    "simulate_recording",
]
