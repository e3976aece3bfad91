"""Record artificial networks as pseudo-EEG, so that npa's estimators read them."""

from importlib import import_module

_HOMES = {"ActivationRecorder": "recorder", "ContrastFlicker": "flicker", "LSTMDecoder": "decoding"}

__all__ = ["ActivationRecorder", "ContrastFlicker", "LSTMDecoder"]


def __getattr__(name):
    """Import an estimator when it is first asked for: Keras takes seconds to load."""
    if name in _HOMES:
        return getattr(import_module(f"npa_ann.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'npa_ann' has no attribute {name!r}")


def __dir__():
    """List the estimators, loaded or not."""
    return sorted({*globals(), *__all__})
