"""1/f noise in LSTM networks that read movie reviews: Chong & Feng (2023), theirs beside ours."""

from functools import partial
from pathlib import Path

from npa import __version__
from npa.checks import check_number
from npa.datasets.bundled import bundled_data
from npa_ann.studies.checkpoints import versions
from npa_ann.studies.one_over_f.command import PEERS, SEEDS
from npa_ann.studies.one_over_f.measuring import (
    choose_rows,
    measure_brain,
    measure_network,
    measure_peer,
)
from npa_ann.studies.one_over_f.report import write_report
from npa_ann.studies.one_over_f.results import summarize
from npa_ann.studies.pages import write_results
from npa_ann.studies.readers import load_shipped_reviews, open_shipped, train_network
from npa_ann.studies.reviews import load_reviews
from npa_ann.studies.store import Store


def run(
    data=None,
    networks=5,
    out="one-over-f",
    pretrained=False,
    *,
    epochs=15,
    peers=PEERS,
    n_closer=100,
    corpus=None,
    training=None,
    progress=None,
    command=None,
):
    """Rerun the study: networks, slopes, figures, tables and report.

    Parameters
    ----------
    data : path-like | None
        Where the reviews lie, as in `npa_ann.corpora.read_imdb`; EEG recordings are looked for
        there too. None for the folder named by ``NPA_DATA``.
    networks : int
        How many networks, 1 to 5.
    out : path-like
        Where to write. What an earlier, even interrupted, run left there is taken up.
    pretrained : bool | path-like
        Whether to take the weights that come with the project, or those in this folder, in place
        of training.
    epochs : int
        Passes over the training reviews at most, where networks are trained.
    peers : sequence of {"gru", "simple_rnn"}
        Other recurrent layers to train one network each of.
    n_closer : int
        How many reviews the experiments beyond the paper's tables are done on.
    corpus, training : dict | None
        Further arguments of `npa_ann.studies.reviews.load_reviews` and
        `npa_ann.studies.sentiment_training.train`.
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
        If there are no test reviews of full length, or an argument is out of its range.

    Notes
    -----
    Written are ``results.json``, ``results.md``, ``report.html``, PNG figures, the trained
    networks (``network_K``, ``peer_CELL``) and ``measured``, from which an interrupted run
    resumes.

    References
    ----------
    .. [1] Chong & Feng (2023). Self-organization towards 1/f noise in deep neural networks.
       arXiv:2301.08530. https://doi.org/10.48550/arXiv.2301.08530

    Examples
    --------
    >>> run(networks=6)
    Traceback (most recent call last):
    ValueError: networks must be a whole number >= 1 and <= 5, got 6.
    """
    networks = check_number("networks", networks, low=1, high=len(SEEDS), integer=True)
    n_closer = check_number("n_closer", n_closer, low=2, integer=True)
    out, seeds = Path(out), SEEDS[:networks]
    (out / "measured").mkdir(parents=True, exist_ok=True)
    corpus, training = corpus or {}, {"epochs": epochs} | (training or {})
    if pretrained:
        folder = bundled_data() / "weights" if pretrained is True else Path(pretrained)
        reviews = load_shipped_reviews(data, folder, **corpus)
        jobs = [partial(open_shipped, folder, number, reviews) for number in range(networks)]
    else:
        reviews = load_reviews(data, **corpus)
        make = partial(train_network, out, reviews, **training)
        jobs = [partial(make, seed) for seed in seeds]
        jobs += [partial(make, SEEDS[0], cell) for cell in peers]
    rows, store = choose_rows(reviews, n_closer), Store(out / "measured")
    lstms, others = [], []
    for job in jobs if progress is None else progress(jobs):
        network = job()
        if network.cell == "lstm":
            lstms.append(measure_network(network, reviews, rows, store))
        else:
            others.append(measure_peer(network, reviews, rows, store))
    brain = measure_brain(data, store, reviews.tokens.shape[1])
    facts = {
        "reviews": {name: len(some) for name, some in rows.items()},
        "pretrained": bool(pretrained),
        "seeds": list(seeds),
        "versions": {"npa": __version__, **versions()},
        "command": command or f"npa_ann.studies.one_over_f.run(networks={networks})",
    }
    results = write_results(summarize(lstms, others, brain) | facts, out / "results.json")
    write_report(results, lstms, out)
    return results
