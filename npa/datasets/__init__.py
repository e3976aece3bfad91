"""Recordings with known truth, public data sets, and readers of published layouts."""

from npa.datasets.bundled import bundled_data
from npa.datasets.face_responses import FacesTruth, simulate_faces
from npa.datasets.fetching import Dataset, fetch, find_copies, list_datasets
from npa.datasets.recordings import Recordings, read_bids, read_face_noise, read_n170_muse
from npa.datasets.simulate import SimulationTruth, simulate_recording
from npa.datasets.uci_visual import read_uci_visual

__all__ = [
    "Dataset",
    "FacesTruth",
    "Recordings",
    "SimulationTruth",
    "fetch",
    "find_copies",
    "list_datasets",
    "bundled_data",
    "read_bids",
    "read_face_noise",
    "read_n170_muse",
    "read_uci_visual",
    "simulate_faces",
    "simulate_recording",
]
