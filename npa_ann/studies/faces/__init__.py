"""Does amplifying help decoding? Faces and noise under several preprocessings."""

from npa_ann.studies.faces.study import STUDY

__all__ = ["STUDY"]
