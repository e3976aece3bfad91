"""Do rhythms help on pixel-by-pixel digits? The lecture's table beside ours."""

__all__ = ["run"]


def __getattr__(name):
    """Import the study when it is first asked for: Keras takes seconds to load."""
    if name == "run":
        from npa_ann.studies.rhythms.study import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
