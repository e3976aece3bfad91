"""Blocks written to disk equal the result in memory within stated bounds, or none are written."""

import os
import subprocess
import sys
import tracemalloc

import mne
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import npa.workflows.blocks
from npa import BlinkICARemover, FOOOFFitter, LineNoiseRemover, NeuralPowerAmplifier
from npa.datasets import simulate_recording
from npa.recordings.containers import read_signals
from npa.workflows.blocks import TransformedRaw, fit_in_blocks, pipeline_steps, transform_to

SFREQ = 128.0
OF_RMS = 1e-6  # largest error over the root mean square of the channel
NAMES = ["Fp1", "Fp2", "Cz", "O1", "O2"]
QUICK_FIT = FOOOFFitter(freq_range=(1, 40))

pytestmark = pytest.mark.filterwarnings("ignore:NeuralPowerAmplifier clips the negative knee")


def interrupted(raw):
    """Add interruptions, a bad span, an offset as amplifiers have it, and a stim channel."""
    data = raw.get_data() + 5e-3
    data[-1] = np.arange(data.shape[1]) % 7
    data[:, int(117 * SFREQ) : int(119 * SFREQ)] = 0.0  # as MNE reads what was not recorded
    raw = mne.io.RawArray(data, raw.info, first_samp=1000)
    raw.set_channel_types({"HEOG": "stim"}, on_unit_change="ignore")
    notes = mne.Annotations(
        [20.0, 110.0, 117.0],
        [5.0, 0.0, 2.0],
        ["BAD_muscle", "EDGE boundary", "BAD_ACQ_SKIP"],
    )
    return raw.set_annotations(notes)


@pytest.fixture(scope="module")
def raw():
    """Two minutes, most of them uninterrupted."""
    simulated, _ = simulate_recording(
        duration=120.0, sfreq=SFREQ, ch_names=NAMES, line_freq=50.0, random_state=1
    )
    return interrupted(simulated)


@pytest.fixture
def on_disk(raw, tmp_path):
    """The same, not in memory."""
    raw.save(tmp_path / "source_raw.fif", buffer_size_sec=1.0, fmt="double")
    return mne.io.read_raw_fif(tmp_path / "source_raw.fif")


STEPS = {
    "line": LineNoiseRemover(50.0, window=2.0),
    "blinks": BlinkICARemover(),
    "exact": NeuralPowerAmplifier(QUICK_FIT),
    "paper": NeuralPowerAmplifier(QUICK_FIT, design="paper"),
    "whitening": NeuralPowerAmplifier(QUICK_FIT, response="whitening"),
    "per channel": NeuralPowerAmplifier(QUICK_FIT, per_channel=True),
    "some channels": NeuralPowerAmplifier(QUICK_FIT, picks=["O2", "Cz"]),
    "pipeline": make_pipeline(
        LineNoiseRemover(50.0, window=2.0),
        BlinkICARemover(),
        make_pipeline("passthrough", NeuralPowerAmplifier(QUICK_FIT)),
    ),
}


def least_memory(step, raw):
    """Return the fewest bytes that a step says it needs for this recording."""
    with pytest.raises(ValueError, match="max_memory must be at least") as caught:
        TransformedRaw(raw, pipeline_steps(step), 1)
    return 1.01e6 * float(str(caught.value).split("at least ")[1].split(" MB")[0])


def errors(found, expected):
    """Return the largest error of every channel over its root mean square."""
    found, expected = found.get_data(), expected.get_data()
    return np.abs(found - expected).max(axis=1) / np.sqrt(np.mean(expected**2, axis=1))


@pytest.mark.parametrize("name", STEPS)
def test_blocks_equal_the_result_in_memory(name, raw, on_disk):
    step = clone(STEPS[name]).fit(raw)
    transformed = TransformedRaw(on_disk, pipeline_steps(step), least_memory(step, on_disk))
    assert len(transformed._raw_extras[0]["blocks"].blocks) > 5
    # Computed by the same sums in another order: rounding of float64, not yet that of the file.
    assert (errors(transformed, step.transform(raw)) < 1e-11).all()


@pytest.mark.parametrize("name", ["line", "blinks", "exact", "paper"])
def test_blocks_stay_within_max_memory(name, raw, on_disk):
    step = clone(STEPS[name]).fit(raw)
    limit = least_memory(step, on_disk)
    transformed = TransformedRaw(on_disk, pipeline_steps(step), limit)
    transformed[:, 14_000:14_001]  # imports what it needs, in the segment's last block
    tracemalloc.start()
    for start in range(0, 110 * int(SFREQ), int(SFREQ)):
        transformed[:, start : start + int(SFREQ)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit + 0.5e6  # bytes; windows and taps do not grow with the block


@pytest.mark.parametrize("meas_date", [None, 1_000_000_000])
def test_times_of_annotations_are_kept(raw, meas_date):
    dated = raw.copy().set_meas_date(meas_date)
    transformed = TransformedRaw(dated, [clone(STEPS["line"]).fit(raw)], None)
    np.testing.assert_allclose(transformed.annotations.onset, dated.annotations.onset)
    assert transformed.annotations.orig_time == dated.annotations.orig_time
    assert transformed.first_samp == dated.first_samp
    assert read_signals(transformed, lazy=True).segments == read_signals(raw, lazy=True).segments


@pytest.mark.parametrize("name", ["blinks", "exact", "pipeline"])
def test_files_equal_the_result_in_memory(name, raw, on_disk, tmp_path):
    step = clone(STEPS[name]).fit(raw)
    before = raw.get_data()
    out = transform_to(step, on_disk, tmp_path / "out" / "a_raw.fif", max_memory="3MB")
    assert not out.preload
    assert out.ch_names == raw.ch_names
    assert out.get_channel_types() == raw.get_channel_types()
    assert out.first_samp == raw.first_samp
    assert read_signals(out, lazy=True).segments == read_signals(raw, lazy=True).segments
    assert read_signals(out, lazy=True).clean_spans == read_signals(raw, lazy=True).clean_spans
    assert (errors(out, step.transform(raw)) < OF_RMS).all()
    np.testing.assert_array_equal(raw.get_data(), before)
    np.testing.assert_array_equal(on_disk.get_data(), before)


def test_single_estimators_are_written(raw, tmp_path):
    for step in (LineNoiseRemover(), BlinkICARemover(), NeuralPowerAmplifier(QUICK_FIT)):
        out = transform_to(
            step.fit(raw), raw.copy().crop(0, 100), tmp_path / "a_raw.fif", overwrite=True
        )
        assert (errors(out, step.transform(raw.copy().crop(0, 100))) < OF_RMS).all()


@pytest.mark.parametrize("name", ["line", "blinks", "exact", "per channel"])
def test_fit_reads_the_same_from_disk(name, raw, on_disk):
    in_memory, streamed = clone(STEPS[name]).fit(raw), clone(STEPS[name]).fit(on_disk)
    assert not on_disk.preload
    np.testing.assert_array_equal(
        streamed.transform(raw).get_data(), in_memory.transform(raw).get_data()
    )


def test_long_recordings_are_fitted_by_blocks(monkeypatch):
    raw, _ = simulate_recording(duration=100.0, sfreq=SFREQ, ch_names=NAMES, random_state=2)
    steps = [
        BlinkICARemover(),
        NeuralPowerAmplifier(FOOOFFitter((1, 40), psd_kwargs={"n_per_seg": 300})),
    ]
    whole = [clone(step).fit(raw) for step in steps]
    for module in (npa.recordings.clean_spans, npa.recordings.signals, npa.spectral.density):
        monkeypatch.setattr(module, "BLOCK_SAMPLES", 7 * 900)
    monkeypatch.setattr(npa.recordings.clean_spans, "MIN_BLOCK_OVERLAPS", 1)
    lengths = []
    monkeypatch.setattr(
        npa.recordings.signals.RawSamples, "__getitem__", recording_lengths(lengths), raising=True
    )
    # An ICA stops somewhere within its tolerance: rounding decides where.
    for step, expected, of_rms in zip(steps, whole, (1e-4, OF_RMS), strict=True):
        found = clone(step).fit(raw)
        assert errors(found.transform(raw), expected.transform(raw)).max() < of_rms
    assert max(lengths) < 0.6 * len(raw.times)


def recording_lengths(lengths):
    """Return the reading of samples, with a note of how many are read at once."""
    read = npa.recordings.signals.RawSamples.__getitem__

    def getitem(self, key):
        block = read(self, key)
        lengths.append(block.shape[-1])
        return block

    return getitem


def test_pipelines_are_fitted_from_disk(raw, on_disk):
    pipeline = make_pipeline(BlinkICARemover(), FOOOFFitter())
    expected = clone(pipeline).fit(raw)
    assert fit_in_blocks(pipeline, on_disk, max_memory="4MB") is pipeline
    np.testing.assert_allclose(
        pipeline[-1].spectrum_.power, expected[-1].spectrum_.power, rtol=1e-9
    )
    assert pipeline[-1].spectrum_.exponent == pytest.approx(expected[-1].spectrum_.exponent)


def test_steps_are_checked_before_any_is_fitted(raw):
    line, blinks = LineNoiseRemover(), BlinkICARemover()
    with pytest.raises(TypeError, match="FOOOFFitter cannot work in blocks"):
        fit_in_blocks(make_pipeline(line, FOOOFFitter(), blinks), raw)
    with pytest.raises(NotFittedError):
        line.transform(raw)


def test_nan_in_bad_channels_as_in_memory(raw, tmp_path):
    data = raw.get_data()
    data[3, 5000] = np.nan
    damaged = mne.io.RawArray(data, raw.info, first_samp=raw.first_samp)
    damaged.info["bads"] = [raw.ch_names[3]]
    for name in ("line", "exact"):
        step = clone(STEPS[name]).fit(damaged)
        transformed = TransformedRaw(damaged, [step], least_memory(step, damaged))
        found, expected = transformed.get_data(), step.transform(damaged).get_data()
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, atol=1e-12)  # V
    damaged.info["bads"] = []
    with pytest.raises(ValueError, match=r"X contains NaN or inf in channel\(s\) O1"):
        transform_to(step, damaged, tmp_path / "a_raw.fif")
    assert not os.listdir(tmp_path)


def test_large_recordings_are_split_and_read_as_one(raw, tmp_path, monkeypatch):
    # MNE leaves 1 MB of it unused.
    monkeypatch.setattr(npa.workflows.blocks, "MAX_FILE_SIZE", 1_200_000)
    step = clone(STEPS["line"]).fit(raw)
    fname = tmp_path / "a_raw.fif"
    out = transform_to(step, raw, fname)
    assert sorted(os.listdir(tmp_path)) == ["a_raw-1.fif", "a_raw-2.fif", "a_raw.fif"]
    assert len(out.filenames) == 3
    again = transform_to(step, out, tmp_path / "b_raw.fif")  # a split one as the source
    shorter = raw.copy().crop(0, 100)
    assert (errors(again.copy().crop(0, 100), step.transform(step.transform(shorter))) < 0.2).all()
    (tmp_path / "a_raw.fif").unlink()
    with pytest.raises(FileExistsError, match=r"a_raw-1\.fif exists"):
        transform_to(step, raw, fname)
    assert not fname.exists()
    out = transform_to(step, raw, fname, overwrite=True)
    assert (errors(out.crop(0, 100), step.transform(raw).crop(0, 100)) < OF_RMS).all()


def test_parts_of_a_replaced_recording_are_deleted(raw, tmp_path, monkeypatch):
    step = clone(STEPS["line"]).fit(raw)
    fname = tmp_path / "a_raw.fif"
    monkeypatch.setattr(npa.workflows.blocks, "MAX_FILE_SIZE", 1_200_000)
    transform_to(step, raw, fname)
    (tmp_path / "a_raw-3.fif").write_text("of nobody")
    parts = ["a_raw-1.fif", "a_raw-2.fif", "a_raw-3.fif", "a_raw.fif"]
    assert sorted(os.listdir(tmp_path)) == parts
    last = mne.io.read_raw_fif(tmp_path / "a_raw-2.fif", verbose="ERROR")
    with pytest.raises(ValueError, match="must not be the file that raw is read from"):
        transform_to(step, last, fname, overwrite=True)
    short = raw.copy().crop(0, 80)
    monkeypatch.setattr(npa.workflows.blocks._BlockReader, "_transform", stop)
    with pytest.raises(KeyboardInterrupt):
        transform_to(step, short, fname, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == parts
    monkeypatch.undo()
    transform_to(step, short, fname, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["a_raw-3.fif", "a_raw.fif"]
    fname.write_text("cut off")
    assert len(transform_to(step, short, fname, overwrite=True).times) == len(short.times)


def stop(*_):
    """Interrupt."""
    raise KeyboardInterrupt


def test_existing_files_are_kept(raw, on_disk, tmp_path):
    step = clone(STEPS["line"]).fit(raw)
    source = tmp_path / "source_raw.fif"
    before = source.read_bytes()
    with pytest.raises(FileExistsError, match=r"source_raw\.fif exists"):
        transform_to(step, raw, source)
    with pytest.raises(ValueError, match="must not be the file that raw is read from"):
        transform_to(step, on_disk, source, overwrite=True)
    assert source.read_bytes() == before
    transform_to(step, raw, source, overwrite=True)
    assert source.read_bytes() != before
    assert os.listdir(tmp_path) == ["source_raw.fif"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_no_incomplete_file_is_left(raw, tmp_path, monkeypatch, error):
    step = clone(STEPS["exact"]).fit(raw)
    read = npa.workflows.blocks._BlockReader._transform

    def fail_late(self, stages, segment, start, stop):
        if start > 7000:
            raise error
        return read(self, stages, segment, start, stop)

    monkeypatch.setattr(npa.workflows.blocks._BlockReader, "_transform", fail_late)
    with pytest.raises(type(error)) as caught:
        transform_to(step, raw, tmp_path / "new" / "a_raw.fif", max_memory="3MB")
    if isinstance(error, OSError):
        assert "no room for the recording: it became full while writing" in str(caught.value)
        assert "a_raw.fif" in str(caught.value)
    assert not os.listdir(tmp_path)


def test_a_disk_too_small_is_named_before_anything_is_written(raw, tmp_path, monkeypatch):
    usage = npa.workflows.blocks.shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(npa.workflows.blocks.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="needs 0.4301 MB, and 0.1 MB are free"):
        transform_to(clone(STEPS["line"]).fit(raw), raw, tmp_path / "new" / "a_raw.fif")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("pipeline", "error", "message"),
    [
        (
            FOOOFFitter(),
            TypeError,
            "FOOOFFitter cannot work in blocks: only steps that return",
        ),
        (make_pipeline(LineNoiseRemover(), FOOOFFitter()), NotFittedError, "LineNoiseRemover"),
        (make_pipeline("passthrough"), ValueError, "must hold at least one step"),
        (NeuralPowerAmplifier(), NotFittedError, "not fitted"),
    ],
)
def test_steps_are_checked(raw, tmp_path, pipeline, error, message):
    with pytest.raises(error, match=message):
        transform_to(pipeline, raw, tmp_path / "a_raw.fif")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"raw": np.zeros((1, 2, 500))}, TypeError, "raw must be an mne.io.BaseRaw .* got ndarray"),
        ({"raw": "epochs"}, TypeError, "got Epochs; transform takes epochs and arrays"),
        ({"raw": "fewer"}, ValueError, "X has 3 channels, but had 5 at fit"),
        ({"fname": "a.edf"}, ValueError, r"fname must end in '\.fif', got 'a\.edf'"),
        (
            {"max_memory": "1kB"},
            ValueError,
            "at least 1.72 MB for one block of 7 channels and the 32",
        ),
        ({"max_memory": "plenty"}, ValueError, "max_memory must be like '500MB'"),
    ],
)
def test_input_is_checked(raw, tmp_path, changes, error, message):
    step = clone(STEPS["exact"]).fit(raw)
    kinds = {
        "epochs": lambda: mne.make_fixed_length_epochs(raw, 10.0, preload=True),
        "fewer": lambda: raw.copy().pick(["Fp1", "Cz", "O1"]),
    }
    given = changes.pop("raw", raw)
    given = kinds[given]() if isinstance(given, str) else given
    with pytest.raises(error, match=message):
        transform_to(step, given, tmp_path / changes.pop("fname", "a_raw.fif"), **changes)
    assert not os.listdir(tmp_path)


def test_no_model_gives_nan_as_in_memory(raw, tmp_path):
    amplifier = NeuralPowerAmplifier(picks=[0])
    short = raw.copy().crop(0, 0.1)
    with pytest.warns(RuntimeWarning, match="has no model"):
        amplifier.fit(short)
    out = transform_to(amplifier, short, tmp_path / "a_raw.fif").get_data()
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1:]).all()


FULL = """
import mne, npa.workflows.blocks, numpy as np, shutil, sys
from npa import LineNoiseRemover, transform_to
raw = mne.io.RawArray(np.random.default_rng(0).normal(size=(4, 300_000)),
                      mne.create_info(4, 500.0, "eeg"), verbose=False)
if sys.argv[2] == "late":
    npa.workflows.blocks._check_free_space = lambda *_: None
try:
    transform_to(LineNoiseRemover().fit(raw), raw, sys.argv[1] + "/new/a_raw.fif")
except OSError as error:
    print(error.errno, error)
"""


@pytest.mark.parametrize(
    ("when", "message"), [("early", "needs 4.8 MB"), ("late", "became full while writing")]
)
def test_a_full_disk(tmp_path, when, message):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        code = [sys.executable, "-c", FULL, str(disk), when]
        out = subprocess.run(code, capture_output=True, text=True, check=True).stdout
        assert out.startswith("28 ")
        assert message in out
        assert not os.listdir(disk)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_projectors_applied_late_are_those_of_memory(raw):
    raw = raw.copy().add_proj(mne.compute_proj_raw(raw, n_eeg=1, verbose=False))
    remover = LineNoiseRemover(50.0, window=2.0).fit(raw)
    expected = remover.transform(raw).apply_proj()
    transformed = TransformedRaw(raw, [remover], "1GB").apply_proj()
    before = remover.transform(raw).get_data(picks="eeg")
    assert np.abs(expected.get_data(picks="eeg") - before).max() > 1e-6  # V
    for picks in ("all", ["O1", "Cz"]):
        np.testing.assert_allclose(
            transformed.get_data(picks=picks, start=300, stop=900),
            expected.get_data(picks=picks, start=300, stop=900),
            rtol=1e-9,
            atol=1e-15,
        )
