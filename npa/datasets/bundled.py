"""Where the project's own data folder lies, installed or checked out."""

from importlib.resources import files
from pathlib import Path

_MARKER = "registry.toml"


def bundled_data():
    """Find the folder of data that comes with the project.

    Returns
    -------
    folder : pathlib.Path
        ``npa/_data`` of an installed wheel, or the top-level ``datasets`` of the checkout
        that an editable install points to.

    Raises
    ------
    FileNotFoundError
        If the data lie in neither place.

    Notes
    -----
    A folder counts only if it holds ``registry.toml``: a neighbour that happens to be called
    ``datasets`` (Hugging Face's package in the same ``site-packages``) is never taken for ours.

    Examples
    --------
    >>> from npa.datasets.bundled import bundled_data
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
        f"`pip install -e .` from a whole checkout; it is not read from inside a zip file."
    )
