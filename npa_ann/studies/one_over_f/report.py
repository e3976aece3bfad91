"""The 1/f study as Markdown, pictures, and a page that needs no network."""

from npa_ann.studies.one_over_f.tables import all_tables
from npa_ann.studies.pages import write_page

_TITLE = "1/f noise in LSTM networks that read movie reviews"


def write_report(results, lstms, out):
    """Write ``results.md``, PNG figures and ``report.html``.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.one_over_f.results.summarize` returned, with the facts of the run.
    lstms : list of dict
        What was measured on each network.
    out : pathlib.Path
        Where to write.

    Examples
    --------
    >>> write_report(results, lstms, Path("one-over-f"))  # doctest: +SKIP
    """
    from npa_ann.studies.one_over_f.figures import all_figures

    write_page(_TITLE, _facts(results), all_tables(results), all_figures(results, lstms), out)


def _facts(results):
    """Say in a few lines how the results came about."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    origin = "shipped networks" if results["pretrained"] else "networks trained by this command"
    counts = results["reviews"]
    return [
        "Chong & Feng, Self-Organization Towards 1/f Noise in Deep Neural Networks (2023, "
        "arXiv:2301.08530), rerun: an LSTM reads movie reviews word by word; the power spectra of "
        "its gates are summed over cells and a line fitted, S ~ f^beta.",
        f"Command: {results['command']} ({origin}); seeds {results['seeds']}; {versions}.",
        f"{counts['long']} test reviews of at least the full length; {counts['closer']} of them "
        "for what goes beyond the paper.",
    ]
