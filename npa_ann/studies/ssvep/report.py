"""The tagging study as Markdown, pictures, and a page that needs no network."""

from npa_ann.studies.pages import write_page
from npa_ann.studies.ssvep.tables import all_tables

_TITLE = "Frequency tagging of a CNN"


def write_report(results, measured, out):
    """Write ``results.md``, PNG figures and ``report.html``.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.ssvep.results.summarize` returned, with the facts of the run.
    measured : dict
        What was measured.
    out : pathlib.Path
        Where to write.

    Examples
    --------
    >>> write_report(results, measured, Path("ssvep"))  # doctest: +SKIP
    """
    from npa_ann.studies.ssvep.figures import all_figures

    write_page(_TITLE, _facts(results), all_tables(results), all_figures(results, measured), out)


def _facts(results):
    """Say in a few lines how the results came about."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    origin = "shipped networks" if results["pretrained"] else "networks trained by this command"
    counts = results["images"]
    return [
        "Böge et al., Adapting the Biological SSVEP Response to Artificial Neural Networks (2024, "
        "arXiv:2411.10084), rerun: the left half of an image flickers at 6 Hz, the right half at "
        "7.5 Hz, 120 frames a second for 2 s, and every filter of a CNN, averaged over its map, is "
        "read like an electrode.",
        f"Command: {results['command']} ({origin}); seeds {results['seeds']}; {versions}.",
        f"{counts['flickered']} test images flickered; filters rated for removal on "
        f"{counts['rating']} training images; accuracies on all {counts['test']} test images.",
    ]
