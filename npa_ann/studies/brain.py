"""The slope of real EEG by the same measure as that of a network."""

from pathlib import Path

import mne

from npa.checks import check_number
from npa.datasets import find_copies
from npa.estimators.exponent import PSDExponent
from npa_ann.studies.slopes import PERIODOGRAM

# Runs of PhysioNet's EEG motor movement/imagery set, of subject 1.
RUNS = {"eyes open": "S001R01.edf", "eyes closed": "S001R02.edf", "task": "S001R03.edf"}


def find_recordings(folder=None):
    """Find the EEG recordings among the user's data.

    Parameters
    ----------
    folder : path-like | None
        Where to look, itself and one level down; None for the folder named by ``NPA_DATA``.

    Returns
    -------
    found : pathlib.Path | None
        The folder that holds the three runs.

    Examples
    --------
    >>> find_recordings(".") is None
    True
    """
    if folder is None:
        return find_copies(list(RUNS.values()))
    root = Path(folder)
    folders = [root, *sorted(path for path in root.glob("*") if path.is_dir())]
    return next((at for at in folders if all((at / run).exists() for run in RUNS.values())), None)


def brain_slopes(raw, length=500):
    """Measure the slope of EEG as that of a network: power summed over electrodes.

    Parameters
    ----------
    raw : mne.io.Raw
        A recording.
    length : int
        Samples an epoch, as many as words a review.

    Returns
    -------
    slopes : array, shape (n_epochs,)
        Slope beta over all frequencies up to Nyquist but 0 Hz, untapered, of every stretch.

    Examples
    --------
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, exponent=1.0, random_state=0)
    >>> bool(-1.5 < brain_slopes(raw).mean() < -0.5)
    True
    """
    length = check_number("length", length, low=8, high=len(raw.times), integer=True)
    epochs = mne.make_fixed_length_epochs(raw, length / raw.info["sfreq"], verbose="WARNING")
    measure = PSDExponent(psd="periodogram", psd_kwargs=PERIODOGRAM, aggregate="sum")
    return measure.fit_transform(epochs.load_data())[:, 0]
