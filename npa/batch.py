"""Run a pipeline on many recordings: in parallel, on a cluster, on a BIDS data set."""

from npa.datasets.bids import bids_recordings
from npa.workflows.batch.pipeline_file import read_pipeline
from npa.workflows.batch.running import run

__all__ = ["bids_recordings", "read_pipeline", "run"]
