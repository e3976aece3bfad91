"""The study of rhythms as Markdown, pictures, and a page that needs no network."""

from npa_ann.studies.pages import write_page
from npa_ann.studies.rhythms.tables import all_tables

_TITLE = "Do rhythms help? Digits read pixel by pixel"


def write_report(results, measured, pixels, out):
    """Write ``results.md``, PNG figures and ``report.html``.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.rhythms.results.summarize` returned, with the facts of the run.
    measured : list of dict
        What was measured on each network.
    pixels : array, shape (n_digits, time, 1)
        Digits that were read, in [0, 1].
    out : pathlib.Path
        Where to write.

    Examples
    --------
    >>> write_report(results, measured, pixels, Path("rhythms"))  # doctest: +SKIP
    """
    from npa_ann.studies.rhythms.figures import all_figures

    figures = all_figures(results, measured, pixels)
    write_page(_TITLE, _facts(results), all_tables(results), figures, out)


def _facts(results):
    """Say in a few lines how the results came about."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    recipe = next(iter(results["recipe"].values()))
    counts = dict(zip(("training", "validation", "test"), recipe["digits"], strict=True))
    facts = [
        "A digit is read as 784 steps of one pixel, divided by 255. Do nodes that ring at fixed "
        "frequencies (Kramer 2025, arXiv:2506.17083; Effenberger et al. 2025, PNAS) read better "
        "than a tanh RNN or an LSTM of the same size? Ours beside the lecture's table.",
        f"Command: {results['command']}; measured with {versions}.",
        "Digits: " + ", ".join(f"{number} for {part}" for part, number in counts.items()) + ".",
        "Unlike the published recipe: fewer epochs, one step size for each network (from a few "
        "trials, no grid; that of the tanh RNN was lowered from 0.01, at which its training broke "
        "down with two of three seeds), no smoothing, and digits that fill no whole batch are "
        "left out of an epoch. Like it: AdamW, one cycle of the step size, gradient clipped to "
        "length 1, the epoch chosen by validation.",
    ]
    if results["trained_with"]:
        facts.append(f"Trained with: {'; '.join(results['trained_with'])}.")
    if results["pretrained"]:
        facts.append("Networks that come with the project; nothing was trained.")
    if results["not_run"]:
        facts.append(f"{len(results['not_run'])} trainings were not run: see the last table.")
    return facts
