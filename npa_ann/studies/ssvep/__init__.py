"""Frequency tagging of a CNN: Böge et al. (2024), theirs beside ours, and what they left open."""

__all__ = ["run"]


def __getattr__(name):
    """Import the study when it is first asked for: Keras takes seconds to load."""
    if name == "run":
        from npa_ann.studies.ssvep.study import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
