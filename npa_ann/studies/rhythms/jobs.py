"""Which networks the study of rhythms trains, and how."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t

from npa.checks import check_number, check_option
from npa.typing import FloatArray
from npa_ann.networks.oscillators import golden_frequencies
from npa_ann.studies.rhythms.measures import SFREQ
from npa_ann.studies.rhythms.training import NETWORKS

SPACINGS = ("octave", "linear", "random", "single")
ABLATIONS = ("uncoupled", "frozen")
RHYTHMS = (*SPACINGS, *ABLATIONS)
STATES = ("untrained", "trained")
HORN_FREQUENCY = SFREQ / 28  # omega = 2 pi / 28 per step
# Mean, standard error and number of the lecture's networks.
LECTURE = {"resonant_rnn": (0.759, 0.007, 11), "lstm": (0.715, 0.019, 6), "rnn": (0.617, 0.018, 11)}
AIMS = {"resonant_rnn": 0.74, "lstm": 0.68, "rnn": 0.58}
# Peak learning rates from a few trials, no grid: with 0.03 the resonant network's accuracy falls
# again after its first epoch, with 0.1 it hardly learns; of 0.01, 0.03 and 0.1, LSTM and tanh RNN
# were best with 0.01 in short trials, but then the tanh RNN's whole trainings broke down midway
# with two of three seeds (validation 0.41 and 0.51 at best; with 0.004, 0.65 and 0.58); the
# harmonic oscillators were given 0.01 untried.
RECIPES: dict[str, dict[str, Any]] = {
    "resonant_rnn": {"epochs": 10, "learning_rate": 0.005},
    "lstm": {"epochs": 15, "learning_rate": 0.01},
    "rnn": {"epochs": 20, "learning_rate": 0.004},
    "horn": {"epochs": 8, "learning_rate": 0.01},
}
NAMES = {
    "resonant_rnn": "rhythmic (ResonantRNN, 11 nodes)",
    "lstm": "LSTM (6 cells)",
    "rnn": "tanh RNN (11 units)",
    "horn": "HarmonicOscillatorRNN (32 nodes)",
}
N_TRAINABLE = {"resonant_rnn": 252, "lstm": 274, "rnn": 285, "horn": 1450}
RHYTHM_NAMES = {
    "golden": "golden, 2 phi^k",
    "octave": "octaves",
    "linear": "equal distances",
    "random": "random, log-uniform",
    "single": "one frequency",
    "uncoupled": "golden, no recurrence between nodes (W = 0)",
    "frozen": "golden, W as it was drawn",
}


@dataclass(frozen=True)
class Job:
    """One network to train.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``, ``SPACINGS`` or ``ABLATIONS``.
    seed : int
        Seed of the training.
    """

    name: str
    seed: int

    @property
    def network(self) -> str:
        """One of ``NETWORKS``."""
        return self.name if self.name in NETWORKS else "resonant_rnn"

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of `npa_ann.studies.rhythms.training.train`."""
        rhythm: dict[str, Any] = {}
        if self.name in SPACINGS:
            rhythm = {"frequencies": spaced(self.name, self.seed).tolist()}
        elif self.name == "uncoupled":
            rhythm = {"coupling": 0.0}
        return {"seed": self.seed, "rhythm": rhythm, "frozen": self.name in ABLATIONS}

    def __str__(self) -> str:
        return f"{self.name}_{self.seed}"


def list_jobs(seeds: int = 3, rhythms: Iterable[str] = RHYTHMS) -> list[Job]:
    """List the trainings of the study, the most important first.

    Parameters
    ----------
    seeds : int
        Networks of each kind; their seeds are 1, 2, ...
    rhythms : iterable of str
        Which of ``SPACINGS`` and ``ABLATIONS`` to try.

    Returns
    -------
    jobs : list of Job
        The four networks, seed by seed; then the other rhythms, seed by seed.

    Examples
    --------
    >>> [str(job) for job in list_jobs(seeds=1)][:5]
    ['resonant_rnn_1', 'lstm_1', 'rnn_1', 'horn_1', 'octave_1']
    """
    numbers = range(1, check_number("seeds", seeds, low=1, integer=True) + 1)
    for name in rhythms:
        check_option("rhythms", name, RHYTHMS)
    return [Job(name, seed) for names in (NETWORKS, rhythms) for seed in numbers for name in names]


def spaced(spacing: str, random_state: int = 0) -> FloatArray:
    """Return as many frequencies as the golden ones, with another spacing.

    Parameters
    ----------
    spacing : {"golden", "octave", "linear", "random", "single"}
        ``"octave"``: halves downwards from the highest golden one, since its doubles would pass
        half the sampling rate; ``"linear"``: at equal distances; ``"random"``: log-uniform;
        ``"single"``: all at the geometric mean. All but octaves keep to the golden range.
    random_state : int
        Seed of the random ones.

    Returns
    -------
    frequencies : array, shape (11,)
        In Hz, rising.

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
    drawn = np.random.default_rng(random_state).uniform(np.log(low), np.log(high), n)
    spacings: dict[str, FloatArray] = {
        "golden": golden,
        "octave": high / 2.0 ** np.arange(n)[::-1],
        "linear": np.linspace(low, high, n),
        "random": np.sort(np.exp(drawn)),
        "single": np.full(n, np.sqrt(low * high)),
    }
    return spacings[check_option("spacing", spacing, spacings)]


def spread(values: Iterable[float]) -> dict[str, Any]:
    """Describe accuracies of several networks.

    Parameters
    ----------
    values : iterable of float
        A number per network.

    Returns
    -------
    spread : dict
        ``mean``, ``n``, and, from two networks on, ``sem`` and the 95 % interval ``low``, ``high``
        of the mean by Student's t; else None.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in spread([0.7, 0.8]).items()}
    {'mean': 0.75, 'n': 2, 'sem': 0.05, 'low': 0.115, 'high': 1.385}
    """
    each = np.asarray(values, dtype=float)
    mean, n = float(each.mean()), len(each)
    if n < 2:
        return {"mean": mean, "n": n, "sem": None, "low": None, "high": None}
    sem = float(each.std(ddof=1) / np.sqrt(n))
    half = float(t.ppf(0.975, n - 1)) * sem
    return {"mean": mean, "n": n, "sem": sem, "low": mean - half, "high": mean + half}
