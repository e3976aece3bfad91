"""The study of rhythms, from digits to report."""

from dataclasses import replace
from pathlib import Path

from npa import __version__
from npa.checks import check_number
from npa.datasets.bundled import bundled_data
from npa_ann.corpora import read_mnist
from npa_ann.studies.checkpoints import versions
from npa_ann.studies.pages import write_results
from npa_ann.studies.rhythms.jobs import ABLATIONS, NETWORKS, RECIPES, SPACINGS, list_jobs
from npa_ann.studies.rhythms.report import write_report
from npa_ann.studies.rhythms.results import measure, summarize
from npa_ann.studies.rhythms.trained import open_shipped, open_training, read_training
from npa_ann.studies.rhythms.training import predict, split_digits, train


def run(
    data=None,
    seeds=3,
    out="rhythms",
    pretrained=False,
    *,
    rhythms=(*SPACINGS, *ABLATIONS),
    only_finished=False,
    n_recorded=200,
    validation=5000,
    recipes=None,
    progress=None,
    command=None,
):
    """Rerun the study: train networks, read them like brains, write tables and figures.

    Parameters
    ----------
    data : path-like | None
        Where MNIST lies, as in `npa_ann.corpora.read_mnist`. None for the folder in ``NPA_DATA``.
    seeds : int
        How many networks of each kind.
    out : path-like
        Where to write. Trainings that an earlier, even interrupted, run left there are taken up.
    pretrained : bool | path-like
        Whether to take the networks that come with the project, or those in this folder, in
        place of training; then the other rhythms are left out.
    rhythms : sequence of str
        Other rhythms to train resonant networks of: ``"octave"``, ``"linear"``, ``"random"``,
        ``"single"``, and, with golden ones, ``"uncoupled"`` (W = 0) and ``"frozen"``.
    only_finished : bool
        Whether to train nothing, and report on the trainings in ``out`` that ran to their end.
    n_recorded : int
        Test digits to record the networks on.
    validation : int
        Training digits to choose epochs by.
    recipes : dict | None
        Network to arguments of `npa_ann.studies.rhythms.training.train`. None for ``RECIPES``.
    progress : callable | None
        Wraps the list of jobs, as tqdm does.
    command : str | None
        How the study was called, for the record.

    Returns
    -------
    results : dict
        What ``results.json`` holds.

    Raises
    ------
    ValueError
        If there is no network to report on, or an argument is out of its range.

    Notes
    -----
    Written are ``results.json``, ``results.md``, ``report.html``, PNG figures and, by network and
    seed, ``trainings``. Training is twice as fast with ``KERAS_BACKEND=jax`` in the environment.

    References
    ----------
    .. [1] Kramer (2025). arXiv:2506.17083. https://doi.org/10.48550/arXiv.2506.17083
    .. [2] Effenberger, Carvalho, Dubinin & Singer (2025). PNAS 122, e2412830122.
       https://doi.org/10.1073/pnas.2412830122

    Examples
    --------
    >>> run(seeds=0)
    Traceback (most recent call last):
    ValueError: seeds must be a whole number >= 1, got 0.
    """
    check_number("n_recorded", n_recorded, low=1, integer=True)
    jobs = list_jobs(seeds, rhythms)
    images, out = read_mnist(data), Path(out)
    digits = split_digits(images, validation)
    out.mkdir(parents=True, exist_ok=True)
    recipes = RECIPES if recipes is None else recipes
    if pretrained:
        folder = bundled_data() / "weights" if pretrained is True else Path(pretrained)
        jobs = [job for job in jobs if job.name in NETWORKS]
    records, networks = {}, []
    for job in jobs if progress is None else progress(jobs):
        place = out / "trainings" / job.folder
        if pretrained:
            network = open_shipped(job.name, job.seed, folder)
            networks += [] if network is None else [_examine(network, digits)]
            continue
        if not only_finished:
            options = recipes[job.network] | {"rhythm": job.rhythm, "frozen": job.frozen}
            train(job.network, digits, place, seed=job.seed, **options)
        if (record := read_training(place)) is not None:
            records[job.folder] = record
            networks += [open_training(place, job.name)] if job.name in NETWORKS else []
    if not networks:
        raise ValueError("There is no trained network to report on.")
    pixels = digits.test[0][:n_recorded] / 255
    measured = [measure(network, pixels) for network in networks]
    facts = {
        "recorded_digits": len(pixels),
        "pretrained": bool(pretrained),
        "versions": {"npa": __version__, **versions()},
        "command": command or f"npa_ann.studies.rhythms.run(seeds={seeds})",
    }
    results = write_results(summarize(jobs, measured, records) | facts, out / "results.json")
    write_report(results, measured, pixels, out)
    return results


def _examine(network, digits):
    """Measure a shipped network's accuracy on the test digits at hand."""
    pixels, labels = digits.test
    accuracy = float((predict(network.model(), pixels).argmax(axis=1) == labels).mean())
    return replace(network, chosen=network.chosen | {"test": {"accuracy": accuracy}})
