"""Which networks the study trains, and how."""

from typing import NamedTuple

import numpy as np

from npa.checks import check_number, check_option
from npa_ann.networks.oscillators import golden_frequencies

NETWORKS = ("resonant_rnn", "lstm", "rnn", "horn")
SPACINGS = ("octave", "linear", "random", "single")
ABLATIONS = ("uncoupled", "frozen")
# Peak step sizes from a few trials, no grid: with 0.03 the resonant network's accuracy falls again
# after its first epoch, with 0.1 it hardly learns; of 0.01, 0.03 and 0.1, LSTM and tanh RNN came
# highest with 0.01 in short trials, but then the tanh RNN's whole trainings broke down midway with
# two of three seeds (validation 0.41 and 0.51 at best; with 0.004, 0.65 and 0.58); the harmonic
# oscillators were given 0.01 untried.
RECIPES = {
    "resonant_rnn": {"epochs": 10, "learning_rate": 0.005},
    "lstm": {"epochs": 15, "learning_rate": 0.01},
    "rnn": {"epochs": 20, "learning_rate": 0.004},
    "horn": {"epochs": 8, "learning_rate": 0.01},
}


class Job(NamedTuple):
    """One network to train.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``, ``SPACINGS`` or ``ABLATIONS``.
    seed : int
        Seed of the training.
    network : str
        One of ``NETWORKS``.
    rhythm : dict
        Arguments of the network's function.
    frozen : bool
        Whether only what comes behind the recurrent layer is trained.
    """

    name: str
    seed: int
    network: str
    rhythm: dict
    frozen: bool

    @property
    def folder(self):
        """Name of the folder of this training."""
        return f"{self.name}_{self.seed}"


def list_jobs(seeds=3, rhythms=(*SPACINGS, *ABLATIONS)):
    """List the trainings of the study, the most telling first.

    Parameters
    ----------
    seeds : int
        Networks of each kind; their seeds are 1, 2, ...
    rhythms : sequence of str
        Which of ``SPACINGS`` and ``ABLATIONS`` to try.

    Returns
    -------
    jobs : list of Job
        The four networks, seed by seed; then the other rhythms, seed by seed.

    Examples
    --------
    >>> [job.folder for job in list_jobs(seeds=1)][:5]
    ['resonant_rnn_1', 'lstm_1', 'rnn_1', 'horn_1', 'octave_1']
    """
    numbers = range(1, check_number("seeds", seeds, low=1, integer=True) + 1)
    networks = [Job(name, seed, name, {}, False) for seed in numbers for name in NETWORKS]
    for name in rhythms:
        check_option("rhythms", name, (*SPACINGS, *ABLATIONS))
    return networks + [_rhythm(name, seed) for seed in numbers for name in rhythms]


def spaced(spacing, seed=0):
    """Return as many frequencies as the golden ones, spaced otherwise.

    Parameters
    ----------
    spacing : {"golden", "octave", "linear", "random", "single"}
        ``"octave"``: halves downwards from the highest golden one, since its doubles would pass
        half the sampling rate; ``"linear"``: at equal distances; ``"random"``: log-uniform;
        ``"single"``: all at the geometric mean. All but octaves keep to the golden range.
    seed : int
        Seed of the random ones.

    Returns
    -------
    frequencies : array, shape (11,)
        Hz, rising.

    Examples
    --------
    >>> for name in ("octave", "linear", "single"):
    ...     print(spaced(name).round(1)[-3:])
    [ 61.5 123.  246. ]
    [197.2 221.6 246. ]
    [22.2 22.2 22.2]
    """
    golden = golden_frequencies()
    low, high, n = golden[0], golden[-1], len(golden)
    makers = {
        "golden": lambda: golden,
        "octave": lambda: high / 2.0 ** np.arange(n)[::-1],
        "linear": lambda: np.linspace(low, high, n),
        "random": lambda: np.sort(
            np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), n))
        ),
        "single": lambda: np.full(n, np.sqrt(low * high)),
    }
    return makers[check_option("spacing", spacing, makers)]()


def _rhythm(name, seed):
    """Make the job of a network of other rhythms, or of the golden ones held fixed."""
    if name in SPACINGS:
        return Job(name, seed, "resonant_rnn", {"frequencies": spaced(name, seed).tolist()}, False)
    return Job(name, seed, "resonant_rnn", {"coupling": 0.0} if name == "uncoupled" else {}, True)
