"""The 1/f study as Markdown, pictures, and a page that needs no network."""

import html

import mne

from npa_ann.studies.one_over_f_tables import all_tables

_TITLE = "1/f noise in LSTM networks that read movie reviews"


def write_report(results, lstms, out):
    """Write ``results.md``, PNG figures and ``report.html``.

    Parameters
    ----------
    results : dict
        What `npa_ann.studies.one_over_f_results.summarize` returned, with the facts of the run.
    lstms : list of dict
        What was measured on each network.
    out : pathlib.Path
        Where to write.

    Examples
    --------
    >>> write_report(results, lstms, Path("one-over-f"))  # doctest: +SKIP
    """
    import matplotlib.pyplot as plt

    from npa_ann.studies.one_over_f_figures import all_figures

    tables = all_tables(results)
    text = "\n".join([f"# {_TITLE}", "", *_facts(results), "", *(t.to_markdown() for t in tables)])
    (out / "results.md").write_text(text, encoding="utf-8")
    report = mne.Report(title=_TITLE, verbose=False)
    facts = "".join(f"<p>{html.escape(line)}</p>" for line in _facts(results) if line)
    report.add_html(facts, title="What was done")
    figures = all_figures(results, lstms)
    for name, (title, caption, figure) in figures.items():
        figure.savefig(out / f"{name}.png", dpi=150, bbox_inches="tight")
        report.add_figure(figure, title=title, caption=caption, image_format="png")
        plt.close(figure)
    for table in tables:
        report.add_html(table.to_html(), title=table.title)
    report.save(out / "report.html", overwrite=True, open_browser=False, verbose=False)


def _facts(results):
    """Say in a few lines how the results came about."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    origin = "shipped networks" if results["pretrained"] else "networks trained by this command"
    counts = results["reviews"]
    return [
        "Chong & Feng, Self-Organization Towards 1/f Noise in Deep Neural Networks (2023, "
        "arXiv:2301.08530), rerun: an LSTM reads movie reviews word by word; the power spectra of "
        "its gates are summed over cells and a line fitted, S ~ f^beta.",
        "",
        f"Command: {results['command']} ({origin}); seeds {results['seeds']}; {versions}.",
        "",
        f"{counts['long']} test reviews of at least the full length; {counts['closer']} of them "
        "for what goes beyond the paper.",
    ]
