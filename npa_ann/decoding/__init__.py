"""Decode single trials, find out whether labels leak, and compare ways of preprocessing."""

from npa_ann.decoding.audit import ScalingAudit, audit_scaling, minmax_per_class
from npa_ann.decoding.comparison import Comparison, compare
from npa_ann.decoding.lstm import LSTMDecoder

__all__ = [
    "Comparison",
    "LSTMDecoder",
    "ScalingAudit",
    "audit_scaling",
    "compare",
    "minmax_per_class",
]
