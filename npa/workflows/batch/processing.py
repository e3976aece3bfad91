"""One recording through a pipeline, with its results on disk."""

import errno
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import mne
import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from npa.recordings.containers import is_mne
from npa.recordings.staging import write_json
from npa.workflows.batch.pages import write_page
from npa.workflows.batch.settings import versions

_FULL = {errno.ENOSPC, errno.EDQUOT}
_TRIES = 2  # that may end without a word; a cluster would go on until no worker is left


@dataclass(frozen=True)
class Failure:
    """Why a recording has no results.

    Parameters
    ----------
    name : str
        Of the recording.
    error : str
        The message, in one line.
    traceback : str
        Where it came from.
    disk_full : bool
        Whether no other recording could be written either.
    """

    name: str
    error: str
    traceback: str = ""
    disk_full: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a pipeline made of a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording as it came.
    signal : mne.io.Raw | None
        What its last step of signals returned; None where it has none.
    table : pandas.DataFrame | None
        One row an epoch; None where the pipeline ends in a signal.
    steps : list
        The fitted estimators.
    """

    raw: mne.io.BaseRaw
    signal: mne.io.BaseRaw | None
    table: object
    steps: list

    def medians(self):
        """Return the median of every measure over channels and epochs, a dict."""
        by_channel = self.by_channel()
        if by_channel is None:
            return {}
        with np.errstate(all="ignore"):
            medians = by_channel.median(axis=0).dropna()
        return {name: float(value) for name, value in medians.items()}

    def by_channel(self):
        """Return the table with a row a channel (and epoch), None where there is none.

        Where columns are not named by the channels (or groups) of the last step, they stay.
        """
        import pandas as pd

        if self.table is None:
            return None
        columns = list(self.table.columns)
        channels = list(getattr(self.steps[-1], "groups_", None) or [])
        if not channels or len(columns) % len(channels):
            return self.table
        names = columns[: len(columns) // len(channels)]
        measures = [name.removeprefix(f"{channels[0]}_") for name in names]
        if columns != [f"{channel}_{measure}" for channel in channels for measure in measures]:
            return self.table
        rows = self.table.to_numpy().reshape(-1, len(measures))
        index = pd.Index(channels * len(self.table), name="channel")
        return pd.DataFrame(rows, index=index, columns=measures)


def process(recording, pipeline, settings):
    """Run a pipeline on a recording and write its results, if they are not there yet.

    Parameters
    ----------
    recording : npa.workflows.batch.recordings.Recording
        The recording, and the place of its results.
    pipeline : sklearn estimator
        What to run; it is cloned.
    settings : dict
        Its description as ``"Pipeline"``, and which ``"Outputs"`` to write.

    Returns
    -------
    failure : Failure | None
        What went wrong; never raised, so that one recording does not stop the others.

    Examples
    --------
    >>> from npa import PSDExponent
    >>> from npa.workflows.batch.recordings import as_recordings
    >>> (recording,) = as_recordings(["missing.edf"], "out")
    >>> process(recording, PSDExponent(), {"Pipeline": {}, "Outputs": ["table"]}).error
    'FileNotFoundError: missing.edf does not exist.'
    """
    try:
        # On a cluster a worker may be lost after its work was done.
        if not recording.is_done(settings):
            n_before = len(recording.marks())
            if n_before >= _TRIES:
                return killed(recording, f"{n_before} attempts left no trace of their end.")
            with recording.marked() as mark, _alone_and_quiet() as noted:
                _write(recording, pipeline, settings, mark, noted)
    except Exception as error:
        # Written by another worker meanwhile, one that was believed to be lost.
        if recording.is_done(settings):
            return None
        what = str(error).strip() or "out of memory" * isinstance(error, MemoryError)
        return Failure(
            recording.name,
            f"{type(error).__name__}: {what}".removesuffix(": "),
            traceback.format_exc(),
            isinstance(error, OSError) and error.errno in _FULL,
        )
    return None


def run_steps(pipeline, raw):
    """Fit a pipeline to a recording, step by step.

    Parameters
    ----------
    pipeline : sklearn estimator
        One estimator, or a pipeline of them; it is changed.
    raw : mne.io.Raw
        The recording.

    Returns
    -------
    outcome : Outcome
        What came out, and the fitted steps.

    Raises
    ------
    TypeError
        If a step returns something else than a continuous recording or, at the end, a table.

    Examples
    --------
    >>> from npa import PSDExponent
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=10.0, ch_names=["Cz", "Oz"], eog=False, random_state=0)
    >>> list(run_steps(PSDExponent(), raw).table.columns)
    ['Cz_slope', 'Oz_slope']
    """
    steps = pipeline.steps if isinstance(pipeline, Pipeline) else [("", pipeline)]
    steps = [step for _, step in steps if step not in (None, "passthrough")]
    ours = all(type(step).__module__.startswith("npa.") for step in steps)
    # A step that is not ours may change what it is given.
    signal, result, table = raw if ours else raw.copy(), None, None
    for index, step in enumerate(steps):
        made = step.fit_transform(signal)
        if isinstance(made, mne.io.BaseRaw):
            signal = result = made
        elif is_mne(made) or index < len(steps) - 1 or np.ndim(made) != 2:
            raise TypeError(
                f"{type(step).__name__} returns {type(made).__name__}; a pipeline of a batch "
                "returns continuous recordings, and at its end may return a table of two axes."
            )
        else:
            table = _as_frame(step, made)
    return Outcome(raw, result, table, steps)


def killed(recording, why):
    """Return the failure of a recording that killed its worker.

    Parameters
    ----------
    recording : npa.workflows.batch.recordings.Recording
        The recording.
    why : object
        What is known of the reason.

    Returns
    -------
    failure : Failure
        One that says so.

    Examples
    --------
    >>> from npa.workflows.batch.recordings import as_recordings
    >>> killed(*as_recordings(["one.edf"], "out"), "exit code -9").traceback
    'exit code -9'
    """
    what = "its worker was killed, and again; most likely it ran out of memory."
    return Failure(recording.name, f"MemoryError: {what}", str(why))


def _write(recording, pipeline, settings, mark, noted):
    """Write the results of one recording into its mark, then move them to their place."""
    fingerprint = recording.fingerprint()
    outcome = run_steps(clone(pipeline), recording.load())
    wanted = settings["Outputs"]
    details = {
        **recording.details(),
        "Recording": str(recording.path),
        "SamplingFrequency": float(outcome.raw.info["sfreq"]),
        "RecordingDuration": float(outcome.raw.n_times / outcome.raw.info["sfreq"]),
        "Channels": len(outcome.raw.ch_names),
        "Settings": settings,
        "Versions": versions(),
        "Medians": outcome.medians(),
        "Warnings": sorted({str(each.message) for each in noted}),
    }
    if "signal" in wanted and outcome.signal is not None:
        recording.save_signal(outcome.signal, mark)
    if "table" in wanted and outcome.table is not None:
        recording.save_table(outcome.table, mark)
    if "report" in wanted:
        write_page(mark / recording.files["report"], outcome, details)
    sizes = {path.name: path.stat().st_size for path in sorted(mark.iterdir())}
    record = {**details, "Input": fingerprint, "Files": sizes}
    write_json(mark / recording.files["record"], record)
    # Another worker may have been faster, where this one was believed to be lost.
    if not recording.is_done(settings):
        recording.accept(mark)


@contextmanager
def _alone_and_quiet():
    """Compute on one thread, and note every warning, whatever the filters.

    Results shall not depend on where, or beside what, they are made; warnings belong to them.
    """
    with (
        threadpool_limits(1),
        mne.use_log_level("WARNING"),
        warnings.catch_warnings(record=True) as noted,
    ):
        warnings.simplefilter("always")
        yield noted


def _as_frame(step, values):
    """Return a table of two axes with the names of its columns."""
    import pandas as pd

    if isinstance(values, pd.DataFrame):
        return values.reset_index(drop=True)
    names = step.get_feature_names_out() if hasattr(step, "get_feature_names_out") else None
    return pd.DataFrame(np.asarray(values), columns=names)
