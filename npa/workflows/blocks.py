"""Recordings through fitted estimators, block by block, to disk."""

import errno
import shutil
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import mne
import numpy as np
from sklearn.pipeline import Pipeline

from npa.checks import check_bytes, check_finite, finite_rows
from npa.estimators.base import SignalTransformer
from npa.recordings.signals import split_range
from npa.recordings.staging import staged

_SPLIT = "2GB"  # a FIF file holds no more
_SINGLE = 4  # bytes of a sample on disk
_COPIES = 5  # of a block, in float64, while a step works on it
_OVERHEAD = 20  # a block is at most as many times longer than what it needs on either side,
_SHORTEST, _LONGEST = 1.0, 60.0  # s, and lies within these where it needs less
_BUFFER = 10.0  # s, at most, that MNE writes at a time


def transform_to(pipeline, raw, fname, *, overwrite=False, max_memory="1GB"):
    """Write what a fitted pipeline makes of a recording to a file, in one pass, block by block.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline | BlinkICARemover | LineNoiseRemover | ...
        Fitted estimators that turn signals into signals: `npa.BlinkICARemover`,
        `npa.LineNoiseRemover`, `npa.NeuralPowerAmplifier`, or a pipeline of them.
    raw : mne.io.BaseRaw
        The recording; it need not be in memory, and is not changed.
    fname : path-like
        A FIF file, whose name ends in ``raw.fif`` or ``_eeg.fif``, as MNE has it. Beyond 2 GB it
        is continued in others: ``a_raw.fif``, ``a_raw-1.fif``, ...
    overwrite : bool, default False
        Whether existing files may be replaced.
    max_memory : str | float | None, default "1GB"
        What the samples in work may take, as text or in bytes; None for no limit.

    Returns
    -------
    out : mne.io.Raw
        The result, not loaded.

    Raises
    ------
    TypeError
        If ``raw`` is no Raw, or a step does not turn signals into signals.
    ValueError
        If ``raw`` does not fit what was fitted, good channels hold NaN, ``fname`` is no FIF name or
        the file that ``raw`` is read from, or ``max_memory`` is too small for one block.
    FileExistsError
        If a file is there and ``overwrite`` is False.
    OSError
        If the file cannot be written, or the disk has no room. Nothing half-written is left.

    Notes
    -----
    A block is read together with what its output depends on (half the taps of an FIR filter on
    either side, whole windows of the line's fit), and only the inner part is kept (overlap-save).
    Blocks never reach across ``EDGE`` or ``BAD_ACQ_SKIP``. The files are written aside, and moved
    when they are whole; then those go in which a replaced recording was continued.

    The samples are those of ``pipeline.transform(raw)`` but for rounding. Sums in another order
    make 1.6e-14 of a channel's RMS at most, measured on 132 channels with blinks. The file holds
    single precision, as MNE writes FIF, which makes 6e-8 of each sample: 1.05e-6 of the RMS at most
    in the same recording, at its largest samples. A small signal on a large offset loses digits so.

    Examples
    --------
    >>> from npa import NeuralPowerAmplifier
    >>> from npa.datasets import simulate_recording
    >>> raw, _ = simulate_recording(duration=30.0, ch_names=["Fz", "Oz"], random_state=0)
    >>> out = transform_to(NeuralPowerAmplifier().fit(raw), raw, "amplified_raw.fif")
    >>> out.preload, len(out.times) == len(raw.times)
    (False, True)
    """
    fname, old_parts = _check_target(raw, fname)
    steps = pipeline_steps(pipeline)
    if not steps:
        raise ValueError("pipeline must hold at least one step, got none.")
    stream = Stream(raw, steps, max_memory)
    _check_room(fname, _SINGLE * len(raw.ch_names) * len(raw.times))
    with staged(fname.parent, overwrite=overwrite, only=[fname.name]) as aside:
        try:
            stream.save(aside / fname.name, split_size=_SPLIT, verbose="WARNING")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise _no_room(fname, "it ran full while writing") from error
        new = [path.name for path in aside.iterdir()]
        if overwrite and len(new) > 1:
            # Moving several files is no single step: without the first the others are not read.
            fname.unlink(missing_ok=True)
    for part in old_parts:
        if part.name not in new:
            part.unlink(missing_ok=True)
    return mne.io.read_raw_fif(fname, verbose="ERROR")


def fit_in_blocks(pipeline, raw, *, max_memory="1GB"):
    """Fit a pipeline to a recording that need not be in memory.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Estimators that turn signals into signals, as for `transform_to`; the last one may make
        a table.
    raw : mne.io.BaseRaw
        The recording; it is not changed.
    max_memory : str | float | None, default "1GB"
        What the samples in work may take between the steps, as text or in bytes.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
        The same pipeline, fitted.

    Raises
    ------
    TypeError
        If ``raw`` is no Raw, or a step before the last does not turn signals into signals.
    ValueError
        If ``max_memory`` is too small for one block, or from the estimators' ``fit``.

    Notes
    -----
    ``pipeline.fit(raw)`` holds the whole output of every step in memory. Here each step reads the
    output of those before it block by block, and as often as its fit goes through the recording.

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
        _check_streams(step)
    for number, step in enumerate(steps):
        step.fit(source)
        if number + 1 < len(steps):
            source = Stream(raw, steps[: number + 1], max_memory)
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


class Stream(mne.io.BaseRaw):
    """What fitted steps make of a recording, computed where it is read.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording.
    steps : list of SignalTransformer
        Fitted estimators, in order.
    max_memory : str | float | None
        What the samples in work may take.

    Examples
    --------
    >>> from npa import LineNoiseRemover
    >>> raw = mne.io.RawArray(np.ones((1, 400)), mne.create_info(1, 200.0, "eeg"), verbose=False)
    >>> Stream(raw, [LineNoiseRemover().fit(raw)], "1GB").get_data(start=100, stop=103).round(6)
    array([[1., 1., 1.]])
    """

    def __init__(self, raw, steps, max_memory):
        blocks = _Blocks(_check_raw(raw), steps, max_memory)
        super().__init__(
            raw.info.copy(),
            first_samps=[raw.first_samp],
            last_samps=[raw.first_samp + len(raw.times) - 1],
            raw_extras=[{"blocks": blocks, "first_samp": raw.first_samp}],
            buffer_size_sec=min(raw.buffer_size_sec, _BUFFER),
        )
        notes = raw.annotations.copy()
        if notes.orig_time is None:  # then MNE counts from the first sample on
            notes.onset -= raw.first_time
        self.set_annotations(notes, emit_warning=False)

    def _read_segment_file(self, data, idx, fi, start, stop, cals, mult):
        """Fill ``data`` as MNE asks readers to."""
        extras = self._raw_extras[fi]
        start, stop = start - extras["first_samp"], stop - extras["first_samp"]
        extras["blocks"].read_into(data, idx, start, stop)


@dataclass(frozen=True)
class _Link:
    """A step, the channels that it changes, and which of these are not bad."""

    step: object
    index: np.ndarray
    good: np.ndarray


class _Blocks:
    """A recording after some steps, a block at a time; the last one read is kept."""

    def __init__(self, raw, steps, max_memory):
        self.raw, self.links = raw, []
        for step in steps:
            _check_streams(step)
            signals = step.read_signals(raw, lazy=True)
            index = [raw.ch_names.index(name) for name in signals.ch_names]
            self.links.append(_Link(step, np.array(index), ~signals.bad))
        self.segments = signals.segments
        length = self._length(max_memory)
        self.finite = self._finite(length)
        self.blocks = self._layout(length)
        self.number, self.block = None, None

    def read_into(self, data, channels, start, stop):
        """Fill ``data`` (n_channels, n) with the samples from start to stop."""
        number = bisect_right([first for first, _, _ in self.blocks], start) - 1
        done = start
        while done < stop:
            first, last, _ = self.blocks[number]
            last = min(last, stop)
            part = channels, slice(done - first, last - first)
            data[:, done - start : last - start] = self._block(number)[part]
            done, number = last, number + 1

    def _block(self, number):
        """Return all channels of a block after all steps."""
        if number != self.number:
            self.number = self.block = None  # its memory is for the next one
            start, stop, segment = self.blocks[number]
            links = [] if segment is None else self.links
            self.block = self._through(links, segment, start, stop)
            self.number = number
        return self.block

    def _through(self, links, segment, start, stop):
        """Return the samples from start to stop of a segment after some steps."""
        if not links:
            data = self.raw[:, start:stop][0]
            return data.copy() if self.raw.preload else data
        *before, link = links
        first, last = self.segments[segment]
        low, high = link.step.block_context(start - first, stop - first, last - first)
        data = self._through(before, segment, first + low, first + high)
        x = data[link.index][np.newaxis]
        names = list(compress(link.step.ch_names_, link.good))
        check_finite("X", x if link.good.all() else x[:, link.good], names)
        finite = self.finite[segment][np.newaxis, link.index]
        data[link.index] = link.step.transform_block(x, finite, last - first)[0]
        return data[:, start - first - low : stop - first - low]

    def _length(self, max_memory):
        """Return how long a block is, in samples."""
        limit, sfreq = check_bytes("max_memory", max_memory), self.raw.info["sfreq"]
        reach = sum(link.step.max_context() for link in self.links)
        sample = 8 * _COPIES * len(self.raw.ch_names)
        longest = min(
            max(_OVERHEAD * reach, _LONGEST * sfreq),
            max(stop - start for start, stop in self.segments),
        )
        shortest = min(max(reach, _SHORTEST * sfreq), longest)
        affordable = limit / sample - 2 * reach
        if affordable < shortest:
            raise ValueError(
                f"max_memory must be at least {(shortest + 2 * reach) * sample / 1e6:.3g} MB for "
                f"one block of {len(self.raw.ch_names)} channels and the {2 * reach / sfreq:.1f} s "
                f"around it that the steps need, got {max_memory!r}."
            )
        return int(min(longest, affordable))

    def _finite(self, length):
        """Tell which channels of which segment hold no NaN; only bad ones may hold any."""
        finite = np.ones((len(self.segments), len(self.raw.ch_names)), bool)
        bad = [self.raw.ch_names.index(name) for name in self.raw.info["bads"]]
        for segment, (start, stop) in enumerate(self.segments if bad else ()):
            for first, last in split_range(start, stop, length):
                block = self.raw.get_data(picks=bad, start=first, stop=last, verbose=False)
                finite[segment, bad] &= finite_rows(block)
        return finite

    def _layout(self, length):
        """Cut the recording into blocks (start, stop, number of the segment or None)."""
        blocks, done = [], 0
        for segment, (start, stop) in enumerate(self.segments):
            blocks += [(*gap, None) for gap in split_range(done, start, length)]
            blocks += [(*block, segment) for block in split_range(start, stop, length)]
            done = stop
        return blocks + [(*gap, None) for gap in split_range(done, len(self.raw.times), length)]


def _check_streams(step):
    """Raise where a step makes anything but signals of signals."""
    if not isinstance(step, SignalTransformer):
        raise TypeError(
            f"{type(step).__name__} cannot be streamed: only steps that turn signals into signals "
            "can, BlinkICARemover, LineNoiseRemover and NeuralPowerAmplifier."
        )


def _check_raw(raw):
    """Return ``raw`` if it is one."""
    if not isinstance(raw, mne.io.BaseRaw):
        raise TypeError(
            f"raw must be an mne.io.BaseRaw to be streamed, got {type(raw).__name__}; transform "
            "takes epochs and arrays."
        )
    return raw


def _check_target(raw, fname):
    """Return the path of a FIF file, and those where it goes on now; none is the recording's."""
    fname = Path(fname).expanduser().absolute()
    if fname.suffix != ".fif":
        raise ValueError(f"fname must end in '.fif', got {fname.name!r}.")
    sources = [] if _check_raw(raw).preload else [name for name in raw.filenames if name]
    parts = _parts(fname)
    if {path.resolve() for path in (fname, *parts)} & {Path(name).resolve() for name in sources}:
        raise ValueError(f"fname must not be the file that raw is read from, got {str(fname)!r}.")
    return fname, parts


def _parts(fname):
    """List the files in which a recording on disk is continued; none where it cannot be read."""
    with suppress(Exception):
        raw = mne.io.read_raw_fif(fname, on_split_missing="ignore", verbose="ERROR")
        return [fname.with_name(Path(part).name) for part in raw.filenames[1:]]
    return []


def _check_room(fname, needed):
    """Raise where the disk has no room for so many bytes."""
    folder = next(folder for folder in fname.parents if folder.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _no_room(fname, f"it needs {needed / 1e6:.4g} MB, and {free / 1e6:.4g} MB are free")


def _no_room(fname, why):
    """Return the error for a full disk."""
    return OSError(errno.ENOSPC, f"the disk has no room for the recording: {why}", str(fname))
