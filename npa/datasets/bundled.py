"""The data files that are part of the project, installed or checked out."""

from importlib.resources import files
from pathlib import Path

_MARKER = "registry.toml"


def bundled_data() -> Path:
    """Find the folder of the data files that are part of the project.

    Returns
    -------
    folder : pathlib.Path
        ``npa/_data`` of an installed wheel, or the top-level ``datasets`` of the checkout
        that an editable install points to.

    Raises
    ------
    FileNotFoundError
        If the data are in neither place.

    Notes
    -----
    A folder counts only if it holds ``registry.toml``, so that another package called
    ``datasets`` (Hugging Face's in the same ``site-packages``) is never mistaken for it.

    Examples
    --------
    >>> from npa.datasets import bundled_data
    >>> (bundled_data() / "registry.toml").is_file()
    True
    """
    package = Path(str(files("npa")))
    places = (package / "_data", package.parent / "datasets")
    for folder in places:
        if (folder / _MARKER).is_file():
            return folder
    raise FileNotFoundError(
        f"npa's data folder was not found: no {_MARKER} in {places[0]} (an installed package) "
        f"nor in {places[1]} (a checkout). Install npa again with pip, from its wheel or with "
        f"`pip install -e .` from a complete checkout; it cannot be read from a zip file."
    )
