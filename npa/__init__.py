"""Read any network, brain or machine, by its spectrum."""

import lazy_loader

__version__ = "0.1.0"

# What is public stands in __init__.pyi, which type checkers read too.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
