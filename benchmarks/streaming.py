"""An hour of 132 channels at 512 Hz from disk to disk, in bounded memory.

The recording is simulated and written in pieces. In fresh processes ``NeuralPowerAmplifier`` is
fitted to it and writes its output with ``transform_to``; then the same after ``BlinkICARemover``,
as a pipeline. The peer is real time. Run ``python -m benchmarks.streaming [--quick]``.
"""

import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import mne
import numpy as np
from scipy.signal import lfilter
from sklearn.pipeline import make_pipeline

from benchmarks.timing import clock, grow, in_fresh_process, print_run
from npa import BlinkICARemover, NeuralPowerAmplifier, transform_to
from npa.workflows.blocks import TransformedRaw, fit_in_blocks

SFREQ, N_EEG, N_SOURCES, PIECE = 512.0, 130, 48, 60  # Hz, channels, sources, s
MINUTES = (6, 20, 60)
STEPS = {
    "amplifier": (NeuralPowerAmplifier,),
    "blinks and amplifier": (BlinkICARemover, NeuralPowerAmplifier),
}


def simulate_pieces(minutes, seed=0):
    """Yield minutes of 1/f sources, alpha and blinks in 130 EEG channels and two of EOG, in V."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(N_EEG, N_SOURCES)) * 4e-6 / np.arange(1, N_SOURCES + 1) ** 0.5
    blink = np.r_[np.linspace(1, 0.02, N_EEG), 2.0, 0.1][:, np.newaxis] * 120e-6
    rates = np.exp(-2 * np.pi * np.array([0.5, 4.0, 32.0]) / SFREQ)
    states = [np.zeros((N_SOURCES, 1)) for _ in rates]
    waxing, wane = np.zeros((N_SOURCES, 1)), np.exp(-2 * np.pi * 0.3 / SFREQ)
    ring = np.array([1.0, -2 * 0.99 * np.cos(2 * np.pi * 10 / SFREQ), 0.99**2])
    ringing = np.zeros((1, 2))
    bump = np.exp(-0.5 * (np.arange(-256, 257) / SFREQ / 0.06) ** 2)
    for _ in range(minutes):
        n_times = int(PIECE * SFREQ)
        sources = np.zeros((N_SOURCES, n_times))
        for number, rate in enumerate(rates):
            noise = rng.standard_normal(sources.shape) * np.sqrt(1 - rate**2)
            slow, states[number] = lfilter([1.0], [1.0, -rate], noise, zi=states[number])
            sources += slow
        # Amplitudes wax and wane: an ICA cannot tell stationary Gaussian sources apart.
        noise = rng.standard_normal(sources.shape) * np.sqrt(1 - wane**2)
        waves, waxing = lfilter([1.0], [1.0, -wane], noise, zi=waxing)
        sources *= np.exp(0.7 * waves)
        rhythm, ringing = lfilter([0.02], ring, rng.standard_normal((1, n_times)), zi=ringing)
        sources[3] += 4 * rhythm[0]
        data = 1e-6 * rng.standard_normal((N_EEG + 2, n_times))
        data[:N_EEG] += mixing @ sources
        for start in rng.choice(n_times - len(bump), 12, replace=False):
            data[:, start : start + len(bump)] += blink * bump
        yield data


def record(fname, minutes):
    """Write a simulated recording piece by piece, and join the pieces on disk."""
    names = [*(f"E{number + 1}" for number in range(N_EEG)), "VEOG", "HEOG"]
    info = mne.create_info(names, SFREQ, ["eeg"] * N_EEG + ["eog"] * 2, verbose="error")
    with tempfile.TemporaryDirectory(dir=Path(fname).parent) as folder:
        parts = []
        for number, data in enumerate(simulate_pieces(minutes)):
            parts.append(Path(folder) / f"{number}_raw.fif")
            mne.io.RawArray(data, info, verbose="error").save(parts[-1], verbose="error")
        raw = mne.concatenate_raws([mne.io.read_raw_fif(part, verbose="error") for part in parts])
        raw.set_annotations(None)  # the simulation goes on across the joints
        raw.save(fname, verbose="error")


def disk_to_disk(folder, steps, minutes):
    """Fit to the recording on disk, and write the output."""
    raw = mne.io.read_raw_fif(Path(folder) / f"{minutes}_raw.fif", verbose="error")
    pipeline = make_pipeline(*(step() for step in STEPS[steps]))
    before = time.process_time()
    fit, _ = clock(partial(fit_in_blocks, pipeline, raw))
    between = time.process_time()
    fname = Path(folder) / "out_raw.fif"
    transform, _ = clock(partial(transform_to, pipeline, raw, fname, overwrite=True))
    after = time.process_time()
    return {
        "seconds": fit + transform,
        "fit_s": fit,
        "transform_s": transform,
        "fit_cpu_s": between - before,
        "transform_cpu_s": after - between,
        "of_real_time": (fit + transform) / (60 * minutes),
        "cpu_of_real_time": (after - before) / (60 * minutes),
    }


def difference(folder, steps, minutes):
    """Return the largest differences to memory, over the RMS of the channel, across all blocks."""
    raw = mne.io.read_raw_fif(Path(folder) / f"{minutes}_raw.fif", verbose="error")
    pipeline = fit_in_blocks(make_pipeline(*(step() for step in STEPS[steps])), raw)
    fname = Path(folder) / "small_raw.fif"
    fitted = [step for _, step in pipeline.steps]
    outputs = {
        "computed": TransformedRaw(raw, fitted, "250MB"),
        "in the file, in single precision": transform_to(
            pipeline, raw, fname, overwrite=True, max_memory="250MB"
        ),
    }
    expected = pipeline.transform(raw.copy().load_data(verbose="error")).get_data()
    rms = np.sqrt(np.mean(expected**2, axis=1, keepdims=True))
    return {
        name: float(np.max(np.abs(out.get_data() - expected) / rms))
        for name, out in outputs.items()
    }


def run(quick=False):
    """Measure time, memory and its growth, and the difference to memory.

    Parameters
    ----------
    quick : bool
        Whether a tenth of the hour will do.

    Returns
    -------
    result : dict
        ``claim``, ``ratio`` (real time over wall time), ``answers`` and ``growth``.
    """
    minutes = (1, 2, 6) if quick else MINUTES
    folder = tempfile.mkdtemp(prefix="npa-streaming-")
    try:
        for length in minutes:
            in_fresh_process(record, Path(folder) / f"{length}_raw.fif", length)
        growth = grow(partial(disk_to_disk, folder, "amplifier"), minutes)
        (both,) = grow(partial(disk_to_disk, folder, "blinks and amplifier"), minutes[-1:])
        of_rms = {
            steps: in_fresh_process(difference, folder, steps, minutes[0 if not quick else -1])
            for steps in STEPS
        }
    finally:
        shutil.rmtree(folder)
    times_real = 1 / growth[-1]["of_real_time"]
    return {
        "claim": f"{minutes[-1]} min of {N_EEG + 2} channels at {SFREQ:.0f} Hz: fit and transform "
        "from disk to disk take less than a twentieth of real time, and 1.5 GB",
        "ratio": {"median": times_real, "low": times_real, "high": times_real},
        "answers": {
            "amplifier": growth[-1],
            "blinks and amplifier": both,
            "largest difference to memory, of RMS": of_rms,
        },
        "growth": growth,
    }


if __name__ == "__main__":
    print_run(run)
