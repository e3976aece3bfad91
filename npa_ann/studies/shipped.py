"""Trained networks handed on: weights, word list and card in one folder, and back."""

import json
from pathlib import Path

from npa_ann.networks import load_weights, sentiment_lstm
from npa_ann.studies.cards import copy_weights, find_weights, load_card, save_card
from npa_ann.studies.checkpoints import weights_after


def ship(trainings, reviews, folder, name="sentiment_lstm"):
    """Copy each network's weights at its validated epoch into one folder, with word list and card.

    Parameters
    ----------
    trainings : sequence of path-like
        Folders that `train` wrote, of the same reviews.
    reviews : Reviews
        The corpus.
    folder : path-like
        Where to write ``NAME_SEED.npz``, ``NAME_words.txt`` (one word a line, from number 2 on)
        and the card ``NAME.json``.
    name : str
        Name of the set.

    Returns
    -------
    card : dict
        Settings, corpus and versions; per network its seed, file, SHA-256, and the scores of the
        epoch chosen by validation beside the paper's choice.

    Raises
    ------
    ValueError
        If a training belongs to other reviews.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from npa_ann.studies.reviews import made_up_reviews
    >>> from npa_ann.studies.sentiment_training import train
    >>> reviews = made_up_reviews()
    >>> with TemporaryDirectory() as out:
    ...     _ = train(7, reviews, out, epochs=1, batch_size=4, embedding=2, units=2)
    ...     card = ship([out], reviews, out)
    ...     Path(out, card["networks"][0]["file"]).exists()
    True
    """
    folder = Path(folder)
    networks = []
    for training in map(Path, trainings):
        record = json.loads((training / "training.json").read_text())
        if record["settings"]["reviews"] != reviews.fingerprint:
            raise ValueError(f"The training in {str(training)!r} belongs to other reviews.")
        epoch = record["chosen"]["validation"]
        seed = record["settings"]["seed"]
        networks.append(
            {
                **copy_weights(weights_after(epoch, training), folder, f"{name}_{seed}"),
                "seed": seed,
                "epochs_trained": record["epochs"][-1]["epoch"],
                "chosen_by_validation": record["epochs"][epoch],
                "chosen_by_test_loss": record["epochs"][record["chosen"]["test"]],
            }
        )
    words = reviews.vocabulary[2:]
    (folder / f"{name}_words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    shared = {key: value for key, value in record["settings"].items() if key != "seed"}
    card = {
        "licence": "BSD-3-Clause for the weights; the reviews belong to their writers",
        "network": "embedding, LSTM (input dropout 0.1, kernel L2 0.001), sigmoid; see settings",
        "corpus": {
            "source": "aclImdb (Maas et al. 2011)",
            "reviews": len(reviews.labels),
            "train": len(reviews.train),
            "test": len(reviews.test),
            "words": len(words),
            "length": reviews.tokens.shape[1],
            "padding": f"zeros in front, to the next multiple of {reviews.width_step} words",
        },
        "settings": shared,
        "versions": record["versions"],
        "networks": networks,
    }
    return save_card(folder, name, card)


def read_card(folder, name="sentiment_lstm"):
    """Read what `ship` wrote about a set of networks.

    Parameters
    ----------
    folder : path-like
        Where the weights lie.
    name : str
        Name of the set.

    Returns
    -------
    card : dict
        Settings, corpus, versions, and the networks with their scores.
    words : list of str
        The words known, from number 2 on.

    Raises
    ------
    FileNotFoundError
        If there is no such set.

    Examples
    --------
    >>> read_card("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card = load_card(folder, name)
    if card is None:
        raise FileNotFoundError(f"There are no trained networks {name!r} in {str(folder)!r}.")
    words = (Path(folder) / f"{name}_words.txt").read_text(encoding="utf-8").splitlines()
    return card, words


def open_network(folder, number=0, name="sentiment_lstm"):
    """Build one of the shipped networks, trained.

    Parameters
    ----------
    folder : path-like
        Where the weights lie.
    number : int
        Which of the card's networks.
    name : str
        Name of the set.

    Returns
    -------
    model : keras.Sequential
        The network.

    Raises
    ------
    ValueError
        If the file does not have the SHA-256 that the card states.

    Examples
    --------
    >>> open_network("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There are no trained networks 'sentiment_lstm' in 'nowhere'.
    """
    card, words = read_card(folder, name)
    network, settings = card["networks"][number], card["settings"]
    model = sentiment_lstm(len(words), settings["embedding"], settings["units"])
    return load_weights(model, find_weights(folder, network))
