"""Record artificial networks as pseudo-EEG, to analyze them with the estimators of npa."""

import lazy_loader

# Keras takes seconds to load, so that every name waits until it is used; __init__.pyi lists them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
