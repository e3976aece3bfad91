"""1/f noise in LSTM networks that read movie reviews: Chong and Feng (2023), run again."""

from npa_ann.studies.one_over_f.study import STUDY

__all__ = ["STUDY"]
