"""One pipeline over many recordings: on a laptop, on a cluster, on a BIDS data set."""

from npa.batch.derivatives import bids_recordings
from npa.batch.pipeline_file import read_pipeline
from npa.batch.running import run
from npa.streaming import transform_to

__all__ = ["bids_recordings", "read_pipeline", "run", "transform_to"]
