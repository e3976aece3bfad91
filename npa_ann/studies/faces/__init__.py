"""Does amplifying help decoding? Faces and noise, four preprocessings, and a published 98 %."""

__all__ = ["run"]


def __getattr__(name):
    """Import the study when it is first asked for: Keras takes seconds to load."""
    if name == "run":
        from npa_ann.studies.faces.study import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
