"""Do rhythms help on pixel-by-pixel digits? The lecture's table and ours."""

from npa_ann.studies.rhythms.study import STUDY

__all__ = ["STUDY"]
