"""Fitted estimators applied to recordings block by block, in memory or to disk."""

import errno
import shutil
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import mne
import numpy as np
from sklearn.pipeline import Pipeline

from npa.checks import (
    check_array_like,
    check_bool,
    check_bytes,
    check_finite,
    check_path,
    finite_rows,
)
from npa.estimators.base import SignalTransformer
from npa.recordings.signals import outside, split_range
from npa.recordings.staging import staged
from npa.typing import BoolArray, FloatArray, IntArray, PathLike, Span

MAX_FILE_SIZE = "2GB"  # limit of the FIF format
FIF_SAMPLE_BYTES = 4
MAX_BUFFER_SECONDS = 10.0  # written by MNE at a time
BLOCK_COPIES = 5  # copies of a block, in float64, while a step processes it
MAX_BLOCK_CONTEXTS = 20  # a block is at most as many times longer than its context on either side,
MIN_BLOCK_SECONDS, MAX_BLOCK_SECONDS = 1.0, 60.0  # or within these if the context is shorter


def transform_to(
    pipeline: Pipeline | SignalTransformer,
    raw: mne.io.BaseRaw,
    fname: PathLike,
    *,
    overwrite: bool = False,
    max_memory: str | float | None = "1GB",
) -> mne.io.BaseRaw:
    """Transform a recording with a fitted pipeline block by block, and write it to a file.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline | BlinkICARemover | LineNoiseRemover | ...
        Fitted estimators that return signals: `npa.BlinkICARemover`, `npa.LineNoiseRemover`,
        `npa.NeuralPowerAmplifier`, or a pipeline of them.
    raw : mne.io.BaseRaw
        The recording; it need not be in memory, and is not changed.
    fname : path-like
        A FIF file; following MNE's convention its name ends in ``raw.fif`` or ``_eeg.fif``. Beyond
        2 GB it is split: ``a_raw.fif``, ``a_raw-1.fif``, ...
    overwrite : bool, default False
        Whether existing files may be replaced.
    max_memory : str | float | None, default "1GB"
        Limit for the samples in memory, as text or in bytes; None for no limit.

    Returns
    -------
    out : mne.io.Raw
        The result, not loaded.

    Raises
    ------
    TypeError
        If ``raw`` is not a Raw, or a step does not return signals.
    ValueError
        If ``raw`` does not match the fit, good channels hold NaN, ``fname`` is not a FIF name or is
        the file that ``raw`` is read from, or ``max_memory`` is too small for one block.
    FileExistsError
        If the file exists and ``overwrite`` is False.
    OSError
        If the file cannot be written, or the disk is full. No incomplete file is left.

    Notes
    -----
    A block is read together with the context that its output depends on (half the taps of an FIR
    filter on either side, whole windows of the fit of the line), and only the inner part is kept
    (overlap-save). Blocks never cross discontinuities, or NaN under ``BAD_`` annotations. Files
    are written under a temporary name and moved when complete; then the remaining parts of a
    replaced split recording are deleted.

    The samples equal those of ``pipeline.transform(raw)`` but for rounding: the order of summation
    changes them by at most 1.6e-14 of a channel's RMS, measured on 132 channels with blinks. The
    file is in single precision, the default for FIF, with an error of 6e-8 of each sample: at most
    1.05e-6 of the RMS in the same recording, at its largest samples. A small signal on a large
    offset loses digits that way.

    Examples
    --------
    >>> from npa import NeuralPowerAmplifier
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, ch_names=["Fz", "Oz"], random_state=0)
    >>> out = transform_to(NeuralPowerAmplifier().fit(raw), raw, "amplified_raw.fif")
    >>> out.preload, len(out.times) == len(raw.times)
    (False, True)
    """
    check_bool("overwrite", overwrite)
    path, old_parts = _check_target(raw, fname)
    steps = pipeline_steps(pipeline)
    if not steps:
        raise ValueError("pipeline must hold at least one step, got none.")
    transformed = TransformedRaw(raw, steps, max_memory)
    _check_free_space(path, FIF_SAMPLE_BYTES * len(raw.ch_names) * len(raw.times))
    with staged(path.parent, overwrite=overwrite, only=[path.name]) as folder:
        try:
            transformed.save(folder / path.name, split_size=MAX_FILE_SIZE, verbose="WARNING")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise _disk_full(path, "it became full while writing") from error
        new = [part.name for part in folder.iterdir()]
        if overwrite and len(new) > 1:
            # Several files cannot be moved at once; without the first, the others are not read.
            path.unlink(missing_ok=True)
    for part in old_parts:
        if part.name not in new:
            part.unlink(missing_ok=True)
    return mne.io.read_raw_fif(path, verbose="ERROR")


def fit_in_blocks(
    pipeline: Pipeline, raw: mne.io.BaseRaw, *, max_memory: str | float | None = "1GB"
) -> Pipeline:
    """Fit a pipeline to a recording that need not be in memory.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Estimators that return signals, as for `transform_to`; the last one may return a table.
    raw : mne.io.BaseRaw
        The recording; it is not changed.
    max_memory : str | float | None, default "1GB"
        Limit for the samples in memory between the steps, as text or in bytes.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        The same pipeline, fitted.

    Raises
    ------
    TypeError
        If ``raw`` is not a Raw, or a step before the last does not return signals.
    ValueError
        If ``max_memory`` is too small for one block, or from the estimators' ``fit``.

    Notes
    -----
    ``pipeline.fit(raw)`` holds the whole output of every step in memory. Here each step reads the
    output of those before it block by block, as often as its fit reads the recording.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from npa import BlinkICARemover, NeuralPowerAmplifier
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, random_state=0)
    >>> pipeline = make_pipeline(BlinkICARemover(), NeuralPowerAmplifier())
    >>> fit_in_blocks(pipeline, raw)[-1].spectrum_.exponent > 0
    True
    """
    source = _check_raw(raw)
    steps = pipeline_steps(pipeline)
    for step in steps[:-1]:
        _check_step(step)
    for number, step in enumerate(steps):
        step.fit(source)
        if number + 1 < len(steps):
            source = TransformedRaw(raw, steps[: number + 1], max_memory)
    return pipeline


def pipeline_steps(pipeline: Any) -> list[Any]:
    """List the steps of a pipeline, and of pipelines in it.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline | sklearn estimator
        The pipeline; an estimator is the only step.

    Returns
    -------
    steps : list of sklearn estimator
        The steps in order, without ``"passthrough"``.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from npa import LineNoiseRemover
    >>> pipeline_steps(make_pipeline("passthrough", LineNoiseRemover()))
    [LineNoiseRemover()]
    """
    if not isinstance(pipeline, Pipeline):
        return [pipeline]
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return [inner for step in steps for inner in pipeline_steps(step)]


class TransformedRaw(mne.io.BaseRaw):
    """A recording after fitted steps, computed block by block when it is read.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording.
    steps : list of SignalTransformer
        Fitted estimators, in order.
    max_memory : str | float | None
        Limit for the samples in memory, as text or in bytes.

    Examples
    --------
    >>> from npa import LineNoiseRemover
    >>> noise = np.random.default_rng(0).normal(size=(1, 400))
    >>> raw = mne.io.RawArray(noise, mne.create_info(1, 200.0, "eeg"), verbose=False)
    >>> transformed = TransformedRaw(raw, [LineNoiseRemover().fit(raw)], "1GB")
    >>> transformed.get_data(start=100, stop=103).shape
    (1, 3)
    """

    def __init__(
        self,
        raw: mne.io.BaseRaw,
        steps: Sequence[SignalTransformer],
        max_memory: str | float | None,
    ) -> None:
        blocks = _BlockReader(_check_raw(raw), steps, max_memory)
        cals = np.array([channel["cal"] * channel["range"] for channel in raw.info["chs"]])
        super().__init__(
            raw.info.copy(),
            first_samps=[raw.first_samp],
            last_samps=[raw.first_samp + len(raw.times) - 1],
            raw_extras=[{"blocks": blocks, "first_samp": raw.first_samp, "cals": cals}],
            buffer_size_sec=min(raw.buffer_size_sec, MAX_BUFFER_SECONDS),
        )
        annotations = raw.annotations.copy()
        if annotations.orig_time is None:  # MNE then counts from the first sample
            annotations.onset -= raw.first_time
        self.set_annotations(annotations, emit_warning=False)

    def _read_segment_file(
        self, data: FloatArray, idx: Any, fi: int, start: int, stop: int, cals: Any, mult: Any
    ) -> None:
        """Fill ``data``; called by MNE, as for its readers."""
        extras = self._raw_extras[fi]
        start, stop = start - extras["first_samp"], stop - extras["first_samp"]
        if mult is None:
            extras["blocks"].read_into(data, idx, start, stop)
            return
        # Projectors that are applied late; MNE's matrix also calibrates, which samples here are.
        samples = np.empty((mult.shape[1], stop - start))
        extras["blocks"].read_into(samples, idx, start, stop)
        data[:] = (mult / extras["cals"][idx]) @ samples


@dataclass(frozen=True)
class _Stage:
    """A fitted step, the channels that it transforms, and which of these are good."""

    step: SignalTransformer
    index: IntArray
    good: BoolArray


@dataclass(frozen=True)
class _Block:
    """Samples from start to stop, and the segment they are in; None outside of all segments."""

    start: int
    stop: int
    segment: int | None


class _BlockReader:
    """Read a recording after some steps; the last block read is cached."""

    def __init__(
        self,
        raw: mne.io.BaseRaw,
        steps: Sequence[SignalTransformer],
        max_memory: str | float | None,
    ) -> None:
        self.raw = raw
        self.stages: list[_Stage] = []
        gaps: set[Span] = set()
        for step in steps:
            _check_step(step)
            signals = step.read_signals(raw, lazy=True)
            gaps.update(signals.gaps)
            index = [raw.ch_names.index(name) for name in signals.ch_names]
            self.stages.append(_Stage(step, np.array(index), ~signals.bad))
        self.gaps = sorted(gaps)
        # All steps leave out what one of them has to.
        self.segments: list[Span] = list(signals.segments)
        for gap in self.gaps:
            self.segments = [part for each in self.segments for part in outside(each, [gap])]
        length = self._block_length(max_memory)
        self.finite = self._find_finite(length)
        self.blocks = self._cut(length)
        self._cached: tuple[int, FloatArray] | None = None

    def read_into(self, data: FloatArray, channels: Any, start: int, stop: int) -> None:
        """Fill ``data`` (n_channels, n) with the samples from start to stop."""
        number = bisect_right([block.start for block in self.blocks], start) - 1
        position = start
        while position < stop:
            block = self.blocks[number]
            last = min(block.stop, stop)
            part = channels, slice(position - block.start, last - block.start)
            data[:, position - start : last - start] = self._read_block(number)[part]
            position, number = last, number + 1

    def _read_block(self, number: int) -> FloatArray:
        """Return all channels of a block after all steps."""
        if self._cached is not None and self._cached[0] == number:
            return self._cached[1]
        self._cached = None  # frees its memory
        block = self.blocks[number]
        if block.segment is None:
            data = self._read_raw(block.start, block.stop)
            for start, stop in self.gaps:
                times = slice(max(start - block.start, 0), max(stop - block.start, 0))
                for stage in self.stages:
                    data[stage.index[stage.good], times] = np.nan
        else:
            data = self._transform(self.stages, block.segment, block.start, block.stop)
        self._cached = number, data
        return data

    def _transform(
        self, stages: Sequence[_Stage], segment: int, start: int, stop: int
    ) -> FloatArray:
        """Return the samples from start to stop of a segment after some steps."""
        if not stages:
            return self._read_raw(start, stop)
        *before, stage = stages
        first, last = self.segments[segment]
        n_times = last - first
        low, high = stage.step.block_context(start - first, stop - first, n_times)
        data = self._transform(before, segment, first + low, first + high)
        x = data[stage.index][np.newaxis]
        names = list(compress(stage.step.ch_names_, stage.good))
        check_finite("X", x if stage.good.all() else x[:, stage.good], names)
        finite = self.finite[segment][np.newaxis, stage.index]
        data[stage.index] = stage.step.transform_block(x, finite, n_times)[0]
        return data[:, start - first - low : stop - first - low]

    def _read_raw(self, start: int, stop: int) -> FloatArray:
        """Return a copy of the samples from start to stop of the recording."""
        data: FloatArray = self.raw[:, start:stop][0]
        return data.copy() if self.raw.preload else data

    def _block_length(self, max_memory: str | float | None) -> int:
        """Return the length of a block in samples."""
        limit, sfreq = check_bytes("max_memory", max_memory), self.raw.info["sfreq"]
        context = sum(stage.step.max_context() for stage in self.stages)
        bytes_per_sample = 8 * BLOCK_COPIES * len(self.raw.ch_names)
        longest = min(
            max(MAX_BLOCK_CONTEXTS * context, MAX_BLOCK_SECONDS * sfreq),
            max(stop - start for start, stop in self.segments),
        )
        shortest = min(max(context, MIN_BLOCK_SECONDS * sfreq), longest)
        affordable = limit / bytes_per_sample - 2 * context
        if affordable < shortest:
            needed = (shortest + 2 * context) * bytes_per_sample
            raise ValueError(
                f"max_memory must be at least {needed / 1e6:.3g} MB for one block of "
                f"{len(self.raw.ch_names)} channels and the {2 * context / sfreq:.1f} s around it "
                f"that the steps need, got {max_memory!r}."
            )
        return int(min(longest, affordable))

    def _find_finite(self, length: int) -> BoolArray:
        """Return which channels of which segments hold no NaN; only bad ones may hold any."""
        finite = np.ones((len(self.segments), len(self.raw.ch_names)), bool)
        bad = [self.raw.ch_names.index(name) for name in self.raw.info["bads"]]
        for segment, (start, stop) in enumerate(self.segments if bad else ()):
            for first, last in split_range(start, stop, length):
                data = self.raw.get_data(picks=bad, start=first, stop=last, verbose=False)
                finite[segment, bad] &= finite_rows(data)
        return finite

    def _cut(self, length: int) -> list[_Block]:
        """Cut the recording into blocks, within and between the segments."""
        spans: list[tuple[Span, int | None]] = []
        end = 0
        for segment, (start, stop) in enumerate(self.segments):
            spans += [((end, start), None), ((start, stop), segment)]
            end = stop
        spans.append(((end, len(self.raw.times)), None))
        return [
            _Block(start, stop, segment)
            for span, segment in spans
            for start, stop in split_range(*span, length)
        ]


def _check_step(step: Any) -> None:
    """Raise if a step does not return signals."""
    if not isinstance(step, SignalTransformer):
        raise TypeError(
            f"{type(step).__name__} cannot work in blocks: only steps that return signals can, "
            "such as BlinkICARemover, LineNoiseRemover and NeuralPowerAmplifier."
        )


def _check_raw(raw: Any) -> mne.io.BaseRaw:
    """Return ``raw`` if it is a Raw."""
    if not isinstance(raw, mne.io.BaseRaw):
        check_array_like("raw", raw)
        raise TypeError(
            f"raw must be an mne.io.BaseRaw to work in blocks, got {type(raw).__name__}; "
            "transform takes epochs and arrays."
        )
    return raw


def _check_target(raw: mne.io.BaseRaw, fname: PathLike) -> tuple[Path, list[Path]]:
    """Return the path to write to, and the further parts of the recording that is there now."""
    path = check_path("fname", fname).absolute()
    if path.suffix != ".fif":
        raise ValueError(f"fname must end in '.fif', got {path.name!r}.")
    sources = [] if _check_raw(raw).preload else [name for name in raw.filenames if name]
    parts = _split_parts(path)
    if {part.resolve() for part in (path, *parts)} & {Path(name).resolve() for name in sources}:
        raise ValueError(f"fname must not be the file that raw is read from, got {str(path)!r}.")
    return path, parts


def _split_parts(path: Path) -> list[Path]:
    """List the further files of a split recording; none if it cannot be read."""
    with suppress(Exception):
        raw = mne.io.read_raw_fif(path, on_split_missing="ignore", verbose="ERROR")
        return [path.with_name(Path(part).name) for part in raw.filenames[1:]]
    return []


def _check_free_space(path: Path, needed: int) -> None:
    """Raise if the disk has less free space than so many bytes."""
    folder = next(folder for folder in path.parents if folder.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _disk_full(path, f"it needs {needed / 1e6:.4g} MB, and {free / 1e6:.4g} MB are free")


def _disk_full(path: Path, reason: str) -> OSError:
    """Return the error for a full disk."""
    return OSError(errno.ENOSPC, f"the disk has no room for the recording: {reason}", str(path))
