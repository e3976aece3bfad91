"""One recording through a pipeline, with its results on disk."""

import errno
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mne
import numpy as np
import psutil
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from npa.estimators.base import FeatureTransformer, SignalTransformer
from npa.recordings.containers import is_mne
from npa.recordings.preparing import prepare_recording
from npa.recordings.staging import write_json
from npa.workflows.batch.recordings import Recording
from npa.workflows.batch.results import Failure, Outcome, write_recording_page
from npa.workflows.batch.settings import versions
from npa.workflows.blocks import TransformedRaw, fit_in_blocks, pipeline_steps
from npa.workflows.pass_band import within_pass_band

if TYPE_CHECKING:
    import pandas as pd

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_MAX_ATTEMPTS = 2  # that end without a trace; a cluster would retry until no worker is left
_BLOCK_MEMORY = "1GB"  # for the samples in work of a recording that is processed in blocks
# Peak memory in copies of the recording as float64: itself, the input and the output of a step.
# The benchmark of batches measures 4 copies, and 0.25 GB per worker for its imports; both + 50 %.
_COPIES = 6
_WORKER_BYTES = 375e6
_SAMPLE_BYTES = 8


def process(
    recording: Recording,
    pipeline: BaseEstimator,
    settings: Mapping[str, Any],
    max_memory: float | None = None,
) -> Failure | None:
    """Run a pipeline on a recording and write its results, unless they exist.

    Parameters
    ----------
    recording : npa.workflows.batch.recordings.Recording
        The recording.
    pipeline : sklearn estimator
        The pipeline; it is cloned.
    settings : dict
        Its description as ``"Pipeline"``, which ``"Outputs"`` to write and, if there is any, the
        choice of ``"Channels"``.
    max_memory : float | None
        Memory in bytes for this recording; one that needs more is processed in blocks. None for
        what is available on the worker.

    Returns
    -------
    failure : Failure | None
        What went wrong; it is not raised, so that one recording does not stop the others.

    Examples
    --------
    >>> from npa import PSDExponent
    >>> missing = Recording.from_source("missing.edf", "out")
    >>> process(missing, PSDExponent(), {"Pipeline": {}, "Outputs": ["table"]}).error
    'FileNotFoundError: missing.edf does not exist.'
    """
    try:
        # A cluster may lose a worker after its results were written.
        if not recording.is_done(settings):
            n_before = len(recording.attempts())
            if n_before >= _MAX_ATTEMPTS:
                return Failure.of_killed(recording.name, f"{n_before} attempts left no trace.")
            with recording.attempt() as staging, _single_threaded() as caught:
                record: dict[str, Any] = {"Settings": settings, "Input": recording.fingerprint()}
                raw = _load(recording, pipeline, max_memory, settings.get("Channels", {}))
                outcome = run_steps(clone(pipeline), raw)
                record["Warnings"] = sorted({str(each.message) for each in caught})
                _write(recording, outcome, record, staging)
    except Exception as error:
        # A worker that was believed to be lost may have written the results.
        if recording.is_done(settings):
            return None
        message = str(error).strip() or "out of memory" * isinstance(error, MemoryError)
        return Failure(
            recording.name,
            f"{type(error).__name__}: {message}".removesuffix(": "),
            traceback.format_exc(),
            isinstance(error, OSError) and error.errno in _DISK_FULL,
        )
    return None


def run_steps(pipeline: BaseEstimator, raw: mne.io.BaseRaw) -> Outcome:
    """Fit a pipeline to a recording, step by step.

    Parameters
    ----------
    pipeline : sklearn estimator
        One estimator, or a pipeline of them; it is fitted.
    raw : mne.io.Raw
        The recording. If it is not loaded and the pipeline allows it, it is processed in blocks.

    Returns
    -------
    outcome : Outcome
        The output, and the fitted steps.

    Raises
    ------
    TypeError
        If a step returns anything but a continuous recording or, at the end, a table.

    Notes
    -----
    A step with a default ``freq_range`` fits what of it lies within the pass band of the recording,
    and says so.

    Examples
    --------
    >>> from npa import PSDExponent
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=10.0, ch_names=["Cz", "Oz"], eog=False, random_state=0)
    >>> list(run_steps(PSDExponent(), raw).table.columns)
    ['Cz_slope', 'Oz_slope']
    """
    steps = pipeline_steps(pipeline)
    if not raw.preload and _works_in_blocks(steps):
        return _run_in_blocks(steps, raw)
    is_ours = all(type(step).__module__.startswith("npa.") for step in steps)
    # Estimators of others may change their input.
    signal, result, table = raw if is_ours else raw.copy(), None, None
    for index, step in enumerate(steps):
        step = steps[index] = within_pass_band(step, signal)
        output = step.fit_transform(signal)
        if isinstance(output, mne.io.BaseRaw):
            signal = result = output
        elif is_mne(output) or index < len(steps) - 1 or np.ndim(output) != 2:
            raise TypeError(
                f"{type(step).__name__} returns {type(output).__name__}; the steps of a batch "
                "return continuous recordings, and the last one may return a 2-D table."
            )
        else:
            table = _as_frame(step, output)
    return Outcome(raw, result, table, steps)


def memory_needed(raw: mne.io.BaseRaw) -> float:
    """Estimate the peak memory of a worker that loads a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording, not necessarily loaded.

    Returns
    -------
    need : float
        Bytes: six times the recording as float64, and 0.375 GB for the worker itself.

    Examples
    --------
    >>> raw = mne.io.RawArray(np.zeros((1, 1_000_000)), mne.create_info(1, 100.0, "eeg"))
    >>> round(memory_needed(raw) / 1e6)  # 375 + 6 * 8 MB
    423
    """
    return _WORKER_BYTES + _COPIES * _SAMPLE_BYTES * len(raw.times) * len(raw.ch_names)


def _load(
    recording: Recording,
    pipeline: BaseEstimator,
    max_memory: float | None,
    channels: Mapping[str, Any],
) -> mne.io.BaseRaw:
    """Read a recording into memory, or only its header if it does not fit and need not."""
    types = channels.get("types")
    options = {name: value for name, value in channels.items() if name != "types"}

    def chosen(raw: mne.io.BaseRaw) -> mne.io.BaseRaw:
        return prepare_recording(raw, **options) if channels else raw

    raw = recording.load(preload=False, types=types)
    need = memory_needed(raw)
    available = psutil.virtual_memory().available if max_memory is None else max_memory
    if need > available:
        if _works_in_blocks(pipeline_steps(pipeline)):
            return chosen(raw)
        warnings.warn(
            f"The recording may need {need / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB "
            "are free; pipelines of npa's own steps work in blocks.",
            RuntimeWarning,
            stacklevel=2,
        )
    return chosen(recording.load(types=types))


def _works_in_blocks(steps: Sequence[Any]) -> bool:
    """Whether all steps read a recording on disk block by block."""
    signals = [isinstance(step, SignalTransformer) for step in steps]
    return all(signals) or (all(signals[:-1]) and isinstance(steps[-1], FeatureTransformer))


def _run_in_blocks(steps: list[Any], raw: mne.io.BaseRaw) -> Outcome:
    """Fit steps to a recording on disk; the signal is computed when it is read."""
    signal, table = None, None
    filters = [step for step in steps if isinstance(step, SignalTransformer)]
    if filters:
        fit_in_blocks(make_pipeline(*filters), raw, max_memory=_BLOCK_MEMORY)
        signal = TransformedRaw(raw, filters, _BLOCK_MEMORY)
    if len(filters) < len(steps):
        steps[-1] = within_pass_band(steps[-1], raw if signal is None else signal)
        table = _as_frame(steps[-1], steps[-1].fit_transform(raw if signal is None else signal))
    return Outcome(raw, signal, table, steps)


def _write(recording: Recording, outcome: Outcome, record: dict[str, Any], staging: Path) -> None:
    """Write the results of a recording into a staging folder, then move them to their place."""
    record = {
        **recording.sidecar(),
        "Recording": str(recording.path),
        "SamplingFrequency": float(outcome.raw.info["sfreq"]),
        "RecordingDuration": float(outcome.raw.n_times / outcome.raw.info["sfreq"]),
        "Channels": len(outcome.raw.ch_names),
        "Versions": versions(),
        "Medians": outcome.medians(),
        "Blinks": outcome.blinks(),
        "CleanTime": outcome.clean_time(),
        **record,
    }
    outputs = record["Settings"]["Outputs"]
    if "signal" in outputs and outcome.signal is not None:
        recording.save_signal(outcome.signal, staging)
    if "table" in outputs and outcome.table is not None:
        recording.save_table(outcome.table, staging)
    if "report" in outputs:
        write_recording_page(staging / recording.files["report"], outcome, record)
    record["Files"] = {path.name: path.stat().st_size for path in sorted(staging.iterdir())}
    write_json(staging / recording.files["record"], record)
    # A worker that was believed to be lost may have been faster.
    if not recording.is_done(record["Settings"]):
        recording.publish(staging)


@contextmanager
def _single_threaded() -> Iterator[list[warnings.WarningMessage]]:
    """Compute in one thread, for the same results everywhere, and yield all warnings."""
    with (
        threadpool_limits(1),
        mne.use_log_level("WARNING"),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        yield caught


def _as_frame(step: Any, values: Any) -> "pd.DataFrame":
    """Return a 2-D table with the names of its columns."""
    import pandas as pd

    if isinstance(values, pd.DataFrame):
        return values.reset_index(drop=True)
    names = step.get_feature_names_out() if hasattr(step, "get_feature_names_out") else None
    return pd.DataFrame(np.asarray(values), columns=names)
