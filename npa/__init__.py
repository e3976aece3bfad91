"""Read any network, brain or machine, by its spectrum."""

__version__ = "0.1.0"
