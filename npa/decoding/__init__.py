"""Comparison of preprocessing by decoding, and an audit of leaking labels."""

from npa.decoding.audit import ScalingAudit, audit_scaling, minmax_per_class
from npa.decoding.comparison import Comparison, compare

__all__ = ["Comparison", "ScalingAudit", "audit_scaling", "compare", "minmax_per_class"]
