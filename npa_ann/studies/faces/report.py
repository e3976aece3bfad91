"""The faces study as Markdown, pictures, and a page that needs no network."""

from npa_ann.studies.faces.conclusions import claims, conclude
from npa_ann.studies.faces.tables import all_tables
from npa_ann.studies.pages import write_page

_TITLE = "Does the Neural Power Amplifier help decoding?"


def write_report(results, material, out):
    """Write ``results.md``, PNG figures and ``report.html``.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.faces.run` returned.
    material : dict
        Data set to what its figures show.
    out : pathlib.Path
        Where to write.

    Examples
    --------
    >>> write_report(results, material, Path("faces"))  # doctest: +SKIP
    """
    from npa_ann.studies.faces.figures import all_figures

    write_page(_TITLE, _facts(results), all_tables(results), all_figures(results, material), out)


def _facts(results):
    """Say in a few lines what was done, and what can be claimed."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    facts = [
        "Doyle, Toussaint & Evans, Amplifying the Neural Power Spectrum (2019, "
        "doi:10.1101/659268), reported that an LSTM tells faces from noise in people left out of "
        "the training in more than 98 % of trials after the Neural Power Amplifier, and not after "
        "band-passing. Here the trials of the recordings below are decoded under each "
        "preprocessing, by linear decoders and LSTMs, and the scaling, rejection and order of "
        "steps published with the paper are tried on their own and together.",
        f"Command: {results['command']}. {versions}.",
        conclude(results),
        *claims(results),
    ]
    return [fact for fact in facts if fact]
