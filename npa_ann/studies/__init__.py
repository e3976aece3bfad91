"""The studies: each runs a published work again and sets its numbers beside ours."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from npa_ann.studies.frame import Study

STUDIES = {
    "faces": "does the Neural Power Amplifier help decoding?",
    "one-over-f": "1/f noise in LSTM networks that read movie reviews",
    "rhythms": "do rhythms help to read digits pixel by pixel?",
    "ssvep": "frequency tagging of a CNN that classifies images",
}


def load_study(name: str) -> "Study":
    """Import a study, which loads Keras.

    Parameters
    ----------
    name : str
        One of ``STUDIES``.

    Returns
    -------
    study : npa_ann.studies.frame.Study
        The study, for `npa_ann.studies.frame.run_study`.

    Examples
    --------
    >>> load_study("ssvep").title
    'Frequency tagging of a CNN'
    """
    study: Study = import_module(f"npa_ann.studies.{name.replace('-', '_')}").STUDY
    return study
