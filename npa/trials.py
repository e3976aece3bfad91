"""Recordings of many subjects, cut into trials for decoding."""

from npa.recordings.trials import Trials, collect_trials

__all__ = ["Trials", "collect_trials"]
