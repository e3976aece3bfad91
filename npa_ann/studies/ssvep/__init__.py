"""Frequency tagging of a CNN: Böge et al. (2024), ours beside the published, and beyond."""

from npa_ann.studies.ssvep.study import STUDY

__all__ = ["STUDY"]
