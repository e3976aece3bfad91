"""The tagging study, from images to report."""

from pathlib import Path

from npa import __version__
from npa.checks import check_number
from npa_ann.corpora import read_cifar10
from npa_ann.networks import load_weights
from npa_ann.networks import pretrained as open_pretrained
from npa_ann.studies.checkpoints import versions, weights_after
from npa_ann.studies.image_training import NETWORKS as BUILDERS
from npa_ann.studies.image_training import evaluate, train
from npa_ann.studies.pages import write_results
from npa_ann.studies.ssvep.command import NETWORKS
from npa_ann.studies.ssvep.measuring import (
    SEED,
    choose_images,
    measure_activations,
    measure_pruning,
    measure_settings,
    measure_tagging,
)
from npa_ann.studies.ssvep.report import write_report
from npa_ann.studies.ssvep.results import summarize
from npa_ann.studies.store import Store

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.5)


def run(
    data=None,
    images=100,
    out="ssvep",
    pretrained=False,
    *,
    networks=NETWORKS,
    n_rating=1000,
    n_closer=40,
    fractions=FRACTIONS,
    draws=10,
    training=None,
    progress=None,
    command=None,
):
    """Rerun the study: networks, flicker, scores, stability, pruning, report.

    Parameters
    ----------
    data : path-like | None
        Where CIFAR-10 lies, as in `npa_ann.corpora.read_cifar10`. None for the folder named by
        ``NPA_DATA``.
    images : int
        How many test images to flicker, at least 4.
    out : path-like
        Where to write. What an earlier, even interrupted, run left there is taken up.
    pretrained : bool
        Whether to take the networks that come with the project in place of training.
    networks : sequence of {"resnet_32", "resnet_20", "plain_cnn"}
        Architectures. Everything is measured on the first; the others are tagged.
    n_rating : int
        Training images on which filters are rated before they are removed.
    n_closer : int
        Test images on which the flicker is varied.
    fractions : sequence of float
        Shares of filters to remove.
    draws : int
        How many random removals of each share.
    training : dict | None
        Further arguments of `npa_ann.studies.image_training.train`.
    progress : callable | None
        Wraps lists of jobs, as tqdm does.
    command : str | None
        How the study was called, for the record.

    Returns
    -------
    results : dict
        What ``results.json`` holds.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Written are ``results.json``, ``results.md``, ``report.html``, PNG figures, the trained
    networks (a folder each) and ``measured``, from which an interrupted run resumes.

    References
    ----------
    .. [1] Böge, Gunindi, Aptoula, Alp & Ozkan (2024). Adapting the biological SSVEP response to
       artificial neural networks. https://doi.org/10.48550/arXiv.2411.10084

    Examples
    --------
    >>> run(images=1)
    Traceback (most recent call last):
    ValueError: images must be a whole number >= 4, got 1.
    """
    n_images = check_number("images", images, low=4, integer=True)
    out = Path(out)
    store = Store(out / "measured")
    corpus = read_cifar10(data)
    rows = choose_images(corpus.test_labels, n_images)
    rated = choose_images(corpus.train_labels, min(n_rating, len(corpus.train)))
    pixels = corpus.test[rows]
    measured = {"networks": {}, "images": pixels, "labels": corpus.test_labels[rows]}
    for name in networks:
        if pretrained:
            model = open_pretrained(name)
        else:
            record = train(name, corpus, out / name, **(training or {}))
            last = record["epochs"][-1]["epoch"]
            model = load_weights(BUILDERS[name](), weights_after(last, out / name))
        clean, noisy = measure_tagging(model, pixels, store, progress)
        measured["networks"][name] = {
            "parameters": model.count_params(),
            "clean": clean,
            "noisy": noisy,
            "scores": store(
                "accuracy",
                [*model.get_weights(), corpus.test, corpus.test_labels],
                lambda model=model: evaluate(model, corpus.test, corpus.test_labels),
            ),
        }
        if name == networks[0]:
            measured["settings"] = measure_settings(model, pixels[:n_closer], store)
            measured["pruning"] = measure_pruning(
                model, corpus, rated, store, fractions=fractions, draws=draws, progress=progress
            )
    measured["activations"] = measure_activations(pixels[:10], store)
    facts = {
        "images": {"flickered": n_images, "rating": len(rated), "test": len(corpus.test)},
        "pretrained": bool(pretrained),
        "seeds": {
            "images, noise, random removals": SEED,
            "training": None if pretrained else (training or {}).get("seed", 1),
        },
        "versions": {"npa": __version__, **versions()},
        "command": command
        or f"npa_ann.studies.ssvep.run(images={n_images}, networks={networks!r})",
    }
    results = write_results(summarize(measured) | facts, out / "results.json")
    write_report(results, measured, out)
    return results
