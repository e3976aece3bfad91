"""1/f noise in LSTM networks that read movie reviews: Chong & Feng (2023), theirs beside ours."""

__all__ = ["run"]


def __getattr__(name):
    """Import the study when it is first asked for: Keras takes seconds to load."""
    if name == "run":
        from npa_ann.studies.one_over_f.study import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
