"""A batch saves what succeeds, reports what fails, resumes, and overwrites only on request."""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import mne
import numpy as np
import pandas as pd
import pytest
from failing_steps import SFREQ, FailingStep, make_recordings
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_recording import looking_around

import npa.batch
from npa import (
    BlinkICARemover,
    FOOOFFitter,
    FrequencyTagger,
    LineNoiseRemover,
    NeuralPowerAmplifier,
    PSDExponent,
)
from npa.cli import main
from npa.datasets import simulate_recording
from npa.recordings.reading import load_recording
from npa.workflows.batch import processing
from npa.workflows.batch.processing import memory_needed, process, run_steps
from npa.workflows.batch.recordings import Recording, remove_staging
from npa.workflows.batch.results import summarize, write_summary
from npa.workflows.batch.settings import describe, differences

SLOPES = PSDExponent((2, 40))
QUICK = {"outputs": ("signal", "table")}

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits and signals")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_recordings(tmp_path_factory.mktemp("in"))


def partials(folder):
    """List incomplete results."""
    return list(folder.rglob("*.partial"))


def test_blinks_are_in_the_summary(tmp_path):
    files = []
    kinds = {"blinking": {}, "quiet": {"blink_rate": 0}, "few": {"blink_rate": 4}}
    for name, kind in kinds.items():
        raw, _ = simulate_recording(
            duration=30, sfreq=128, ch_names=["Fp1", "Fp2", "Cz", "O1"], eog=False, **kind
        )
        files.append(tmp_path / f"{name}_raw.fif")
        raw.save(files[-1], verbose=False)
    out = tmp_path / "out"
    summary = npa.batch.run(BlinkICARemover(), files, out, outputs=("signal",))
    columns = ["blinks_found", "n_blinks", "residual", "reason"]
    assert list(summary.loc[:, "duration":"warnings"].columns[1:-1]) == columns
    assert summary["blinks_found"].tolist() == [True, False, False]
    assert summary["n_blinks"].tolist() == [6, 0, 0]
    assert summary["residual"].notna().tolist() == [True, False, False]
    assert summary["residual"][0] < 0.25
    assert "virtual EOG (Fp1, Fp2)" in summary["reason"][2]
    page = (out / "report.html").read_text("utf-8")
    left = page[page.index("No blinks were removed from these recordings") :].split("</p>")[0]
    assert "few" in left
    assert "quiet" not in left
    assert "blinking" not in left


def test_saccades_are_in_the_summary_on_request(tmp_path):
    fname = tmp_path / "gaze_raw.fif"
    looking_around().save(fname, verbose=False)
    pages = {}
    for artifacts in (["blink"], ["blink", "saccade"]):
        out = tmp_path / "_".join(artifacts)
        remover = BlinkICARemover(artifacts=artifacts)
        summary = npa.batch.run(remover, [fname], out, outputs=("report",))
        (page,) = set(out.rglob("*.html")) - {out / "report.html"}
        pages[len(artifacts)] = page.read_text("utf-8")
        assert summary["n_blinks"].item() > 3
    assert summary["saccades_found"].item()
    assert summary["n_saccades"].item() > 5
    assert summary["saccade_residual"].item() < 0.25
    assert summary["saccade_reason"].item() == ""
    assert "BlinkICARemover: saccades" in pages[2]
    assert "BlinkICARemover: saccades" not in pages[1]


def test_a_batch_gives_what_the_pipeline_gives(files, tmp_path):
    out = tmp_path / "out"
    pipeline = make_pipeline(FailingStep(), SLOPES)
    summary = npa.batch.run(pipeline, files, out)
    assert list(summary["recording"]) == [file.stem for file in files]
    assert set(summary["status"]) == {"done"}
    assert set(summary["sfreq"]) == {SFREQ}
    assert set(summary["duration"]) == {10.0}  # s
    for file, row in zip(files, summary.itertuples(), strict=True):
        raw = load_recording(file)
        signal = mne.io.read_raw(out / file.stem / "signal_raw.fif", verbose=False)
        np.testing.assert_allclose(signal.get_data(), 2 * raw.get_data(), rtol=1e-6)  # float32
        slopes = make_pipeline(FailingStep(), SLOPES).fit_transform(raw)[0]
        np.testing.assert_allclose((row.C3_slope, row.Oz_slope), slopes, rtol=1e-12)
        page = (out / file.stem / "report.html").read_text("utf-8")
        assert "PSDExponent: slopes" in page
        assert "Power before and after" in page
    written = pd.read_csv(out / "summary.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, summary)
    page = (out / "report.html").read_text("utf-8")
    assert "4 of 4 recordings" in page
    assert "href='p3_raw/report.html'" in page
    assert "median slope" in page
    assert not (out / "failed.csv").exists()
    assert not partials(tmp_path)


@pytest.mark.parametrize("preload", [True, False])
def test_default_ranges_end_at_the_pass_band(tmp_path, preload):
    """Of a recording in memory, and of one that is read in blocks; a range that is chosen stays."""
    raw, _ = simulate_recording(duration=30, sfreq=128, ch_names=["Cz", "O1"], eog=False)
    raw.filter(None, 30.0, verbose=False).save(tmp_path / "filtered_raw.fif", verbose=False)
    filtered = mne.io.read_raw_fif(tmp_path / "filtered_raw.fif", preload=preload, verbose=False)
    steps = [LineNoiseRemover(50.0), FOOOFFitter()]
    with pytest.warns(RuntimeWarning, match="FOOOFFitter fits 1-30 Hz instead of 1-45 Hz") as said:
        outcome = run_steps(make_pipeline(*steps), filtered)
    assert len([each for each in said if "FOOOF" in str(each.message)]) == 1
    assert outcome.steps[-1].freq_range == (1, 30.0)
    assert steps[-1].freq_range == (1, 45)
    np.testing.assert_allclose(outcome.table.filter(regex="_exponent"), 1.0, atol=0.3)
    with pytest.warns(RuntimeWarning, match="leaves the pass band"):
        assert run_steps(FOOOFFitter((2, 45)), filtered).steps[-1].freq_range == (2, 45)


def test_workers_give_the_same_as_this_process(files, tmp_path):
    for n_jobs in (1, 2):
        npa.batch.run(SLOPES, files, tmp_path / str(n_jobs), n_jobs=n_jobs, **QUICK)
    one, two = (pd.read_csv(tmp_path / name / "summary.csv") for name in "12")
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_a_pipeline_may_end_in_a_signal(files, tmp_path):
    out = tmp_path / "out"
    summary = npa.batch.run(FailingStep(), files[:1], out, outputs="signal")
    assert summary.columns[-1] == "error"  # no table
    assert sorted(os.listdir(out / "p0_raw")) == ["record.json", "signal_raw.fif"]


def test_steps_must_return_recordings_or_a_table_at_the_end(files):
    raw = load_recording(files[0])
    with pytest.raises(TypeError, match="PSDExponent returns ndarray"):
        run_steps(make_pipeline(SLOPES, FailingStep()), raw)
    outcome = run_steps(make_pipeline("passthrough", SLOPES), raw)
    assert outcome.signal is None
    assert list(outcome.by_channel().index) == ["C3", "Oz"]


def test_medians_are_over_channels(files):
    outcome = run_steps(FOOOFFitter((2, 40)), load_recording(files[0]))
    by_channel = outcome.by_channel()
    assert list(by_channel.index) == ["C3", "Oz"]
    np.testing.assert_allclose(by_channel["exponent"], 2.0, atol=0.5)  # of a cumulative sum
    assert outcome.medians()["exponent"] == by_channel["exponent"].mean()


def test_one_failing_recording_does_not_stop_the_others(files, tmp_path):
    (tmp_path / "broken.fif").write_bytes(files[0].read_bytes()[:3000])
    (tmp_path / "empty.edf").touch()
    bad = [tmp_path / "broken.fif", tmp_path / "empty.edf", tmp_path / "missing.edf"]
    pipeline = make_pipeline(FailingStep({"p1_raw": "raise"}), SLOPES)
    with pytest.warns(RuntimeWarning, match="4 of 7 recordings failed; see .*failed.csv"):
        summary = npa.batch.run(pipeline, [*bad, *files], tmp_path / "out", **QUICK)
    assert list(summary["status"]) == ["failed"] * 3 + ["done", "failed", "done", "done"]
    failed = pd.read_csv(tmp_path / "out" / "failed.csv", index_col="recording")
    assert list(failed.index) == ["broken", "empty", "missing", "p1_raw"]
    assert "broken.fif is not a continuous recording" in failed.loc["broken", "error"]
    assert "missing.edf does not exist" in failed.loc["missing", "error"]
    assert failed.loc["p1_raw", "error"] == "ValueError: raised on purpose"
    assert "in transform" in failed.loc["p1_raw", "traceback"]
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "raised on purpose" in page
    assert not (tmp_path / "out" / "p1_raw").exists()
    assert not partials(tmp_path)


def test_a_second_run_does_only_what_is_left(files, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    log.mkdir()
    (tmp_path / "late").mkdir()
    late = tmp_path / "late" / "late_raw.fif"
    step = FailingStep(log=str(log))
    with pytest.warns(RuntimeWarning, match="1 of 3 recordings failed"):
        npa.batch.run(step, [*files[:2], late], out, **QUICK)
    shutil.copy(files[2], late)
    (out / "p1_raw" / "signal_raw.fif").write_bytes(b"cut off")
    summary = npa.batch.run(step, [*files[:2], late], out, **QUICK)
    assert set(summary["status"]) == {"done"}
    assert not (out / "failed.csv").exists()
    tries = sorted(path.name.partition("-")[0] for path in log.iterdir())
    assert tries == ["late_raw", "p0_raw", "p1_raw", "p1_raw"]


def test_missing_results_are_failures(files, tmp_path):
    recordings = [Recording.from_source(file, tmp_path) for file in files[:2]]
    summary = summarize(recordings, {})
    assert list(summary["status"]) == ["failed"] * 2
    assert "its results are not there" in summary["error"][0]
    settings = {"Pipeline": describe(SLOPES), "Outputs": ["table"]}
    assert process(recordings[1], SLOPES, settings) is None
    summary = summarize(recordings, {})
    assert list(summary["status"]) == ["failed", "done"]
    write_summary(tmp_path, summary, recordings, {}, settings)
    assert list(pd.read_csv(tmp_path / "failed.csv")["recording"]) == ["p0_raw"]
    assert "1 of 2 recordings" in (tmp_path / "report.html").read_text("utf-8")


def test_pages_of_any_name_are_found(files, tmp_path):
    name = "100% 'a' #1 & b_raw"
    source = Path(shutil.copy(files[0], tmp_path / f"{name}.fif"))
    npa.batch.run(SLOPES, [source], tmp_path / "out", outputs="report")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    address = re.search(r"<a href='([^']*)'>100%", page)[1]
    assert urlsplit(address).path == address  # no query, no fragment
    assert (tmp_path / "out" / unquote(address)).exists()


def test_other_settings_and_changed_inputs_are_refused(files, tmp_path):
    out = tmp_path / "out"
    mine = Path(shutil.copy(files[0], tmp_path / "mine_raw.fif"))
    npa.batch.run(SLOPES, [mine], out, **QUICK)
    before = (out / "mine_raw" / "table.csv").read_text()
    with pytest.raises(FileExistsError, match=r"PSDExponent\.freq_range was 40, is 30"):
        npa.batch.run(PSDExponent((2, 30)), [mine], out, **QUICK)
    with pytest.raises(FileExistsError, match="Outputs was"):
        npa.batch.run(SLOPES, [mine], out, outputs="table")
    assert (out / "mine_raw" / "table.csv").read_text() == before
    npa.batch.run(PSDExponent((2, 30)), [mine], out, overwrite=True, **QUICK)
    assert (out / "mine_raw" / "table.csv").read_text() != before
    (tmp_path / "mine_raw.fif~").write_text("of an editor")
    (tmp_path / "mine_raw.txt").write_text("a note")
    npa.batch.run(PSDExponent((2, 30)), [mine], out, **QUICK)
    shutil.copy(files[1], mine)
    with pytest.raises(FileExistsError, match=r"mine_raw\.fif has changed since"):
        npa.batch.run(PSDExponent((2, 30)), [mine], out, **QUICK)


def test_the_changed_one_of_several_files_is_named(tmp_path):
    endings = ["vhdr", "vmrk", "eeg", "vhdr~", "bak", "txt", "set"]
    one, markers, *_ = files = [tmp_path / f"one.{ending}" for ending in endings]
    for file in [*files, tmp_path / "one.two.vmrk"]:
        file.write_text("as it was")
    recording = Recording.from_source(one, tmp_path / "out")
    record = {"Input": recording.fingerprint()}
    assert list(record["Input"]) == ["one.eeg", "one.vhdr", "one.vmrk"]
    assert recording.input_changes(record) == []
    for file in files:
        if file not in (one, tmp_path / "one.eeg"):
            file.write_text("otherwise now")
    assert recording.input_changes(record) == [f"{markers} has changed since"]
    markers.rename(tmp_path / "two.vmrk")
    assert recording.input_changes(record) == [f"{markers} is gone since"]
    (tmp_path / "one.dat").touch()
    assert recording.input_changes(record)[0] == f"{tmp_path / 'one.dat'} is new since"


def test_files_of_others_are_refused(files, tmp_path):
    (tmp_path / "summary.csv").write_text("precious")
    with pytest.raises(FileExistsError, match=r"summary\.csv exists"):
        npa.batch.run(SLOPES, files, tmp_path, **QUICK)
    assert os.listdir(tmp_path) == ["summary.csv"]
    with pytest.raises(FileExistsError, match="is a file"):
        npa.batch.run(SLOPES, files, tmp_path / "summary.csv", **QUICK)


def test_two_recordings_of_one_name_are_refused(files, tmp_path):
    (tmp_path / "b").mkdir()
    same = Path(shutil.copy(files[0], tmp_path / "b" / "P0_raw.fif"))
    with pytest.raises(ValueError, match=r"must differ in name.*p0_raw\.fif and .*P0_raw\.fif"):
        npa.batch.run(SLOPES, [*files, same], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_arguments_are_named(files, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="at least one recording"):
        npa.batch.run(SLOPES, [], out)
    with pytest.raises(ValueError, match="outputs must be one of"):
        npa.batch.run(SLOPES, files, out, outputs=("signals",))
    with pytest.raises(ValueError, match="outputs must hold at least one"):
        npa.batch.run(SLOPES, files, out, outputs=())
    with pytest.raises(TypeError, match=r"recordings\[0\] must be a path, got Raw; save it"):
        npa.batch.run(SLOPES, [load_recording(files[0])], out)
    with pytest.raises(TypeError, match="pipeline must be an estimator or a path"):
        npa.batch.run(object(), files, out)
    assert not out.exists()


def test_warnings_belong_to_their_recording(tmp_path):
    info = mne.create_info(["C3", "Oz"], SFREQ, "eeg")
    data = np.random.default_rng(0).normal(size=(2, 1000)) * [[1e-5], [0]]
    mne.io.RawArray(data, info).save(tmp_path / "flat_raw.fif")
    summary = npa.batch.run(SLOPES, [tmp_path / "flat_raw.fif"], tmp_path / "out", **QUICK)
    assert summary["warnings"].item() == "PSDExponent leaves out flat channel(s): Oz."
    assert np.isnan(summary["Oz_slope"].item())


def test_signals_without_a_filter_have_a_page_too(tmp_path):
    info = mne.create_info(["C3", "Oz"], 128.0, "eeg")
    rising = np.diff(np.random.default_rng(0).normal(scale=1e-5, size=(2, 5121)))  # as f^2
    mne.io.RawArray(rising, info).save(tmp_path / "rising_raw.fif")
    summary = npa.batch.run(NeuralPowerAmplifier(), [tmp_path / "rising_raw.fif"], tmp_path / "out")
    assert "has no model, and returns NaN" in summary["warnings"].item()
    assert (tmp_path / "out" / "rising_raw" / "report.html").exists()


@posix
def test_workers_that_die_or_run_out_of_memory_affect_only_their_recording(files, tmp_path):
    out = tmp_path / "out"
    step = FailingStep({"p0_raw": "kill", "p1_raw": "memory"})
    with pytest.warns(RuntimeWarning, match="2 of 4 recordings failed"):
        summary = npa.batch.run(step, files, out, n_jobs=2, **QUICK)
    assert list(summary["status"]) == ["failed", "failed", "done", "done"]
    failed = pd.read_csv(out / "failed.csv", index_col="recording")
    assert list(failed.index) == ["p0_raw", "p1_raw"]
    assert "worker was killed, and again" in failed.loc["p0_raw", "error"]
    assert "Unable to allocate 16.0 GiB" in failed.loc["p1_raw", "error"]
    assert not partials(tmp_path)


@posix
def test_a_worker_that_is_killed_once_loses_nothing(files, tmp_path):
    step = FailingStep({"p1_raw": "kill once"}, log=str(tmp_path))
    summary = npa.batch.run(step, files[:2], tmp_path / "out", n_jobs=2, **QUICK)
    assert set(summary["status"]) == {"done"}
    assert len(list(tmp_path.glob("p1_raw-*"))) == 2


@pytest.fixture
def available(monkeypatch):
    """Pretend that so many bytes are available."""

    def set_available(n_bytes):
        memory = SimpleNamespace(available=n_bytes)
        monkeypatch.setattr("psutil.virtual_memory", lambda: memory)

    return set_available


def test_fewer_workers_where_memory_is_short(files, tmp_path, available):
    need = memory_needed(load_recording(files[0]))
    assert need == 375e6 + 6 * 8 * 2 * 1000  # bytes of 2 channels
    available(1.5 * need)
    with pytest.warns(RuntimeWarning, match="n_jobs is lowered from 2 to 1: each worker may need"):
        npa.batch.run(SLOPES, files, tmp_path / "out", n_jobs=2, **QUICK)
    available(0.5 * need)
    summary = npa.batch.run(FailingStep(), files[:1], tmp_path / "out2", **QUICK)
    assert "0.4 GB of memory, and 0.2 GB are free; pipelines of npa's" in summary["warnings"][0]


@pytest.fixture
def long_file(tmp_path):
    """Two minutes of eight channels with blinks and line noise, a bad span and a bad channel."""
    names = ["Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2"]
    raw, _ = simulate_recording(duration=120.0, ch_names=names, eog=False, line_freq=50)
    raw.info["bads"] = ["P4"]
    raw.set_annotations(mne.Annotations([40.0], [3.0], ["BAD_move"]))
    raw.save(tmp_path / "long_raw.fif")
    return tmp_path / "long_raw.fif"


@pytest.mark.parametrize("ends_in_table", [False, True])
def test_a_recording_that_does_not_fit_is_processed_in_blocks(
    long_file, tmp_path, available, monkeypatch, ends_in_table
):
    steps = [LineNoiseRemover(50.0), BlinkICARemover(), NeuralPowerAmplifier()]
    pipeline = make_pipeline(*steps[: 2 if ends_in_table else 3], *[SLOPES] * ends_in_table)
    loaded = npa.batch.run(pipeline, [long_file], tmp_path / "loaded")
    available(100e6)
    monkeypatch.setattr(mne.io.BaseRaw, "load_data", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setattr(processing, "_BLOCK_MEMORY", "13MB")
    blocks = npa.batch.run(pipeline, [long_file], tmp_path / "blocks")
    assert blocks["status"].item() == "done"
    assert blocks["warnings"].item() == loaded["warnings"].item()
    signals = [
        mne.io.read_raw(tmp_path / name / "long_raw" / "signal_raw.fif").get_data()
        for name in ("loaded", "blocks")
    ]
    np.testing.assert_allclose(*signals, rtol=1e-5, atol=1e-12)  # V, float32
    if ends_in_table:
        columns = [name for name in loaded if name.endswith("_slope")]
        assert len(columns) == 8
        np.testing.assert_allclose(blocks[columns], loaded[columns], rtol=1e-6)
    page = (tmp_path / "blocks" / "long_raw" / "report.html").read_text("utf-8")
    assert "Power before and after" in page


def test_a_full_disk_stops_the_batch_and_loses_nothing(files, tmp_path):
    out = tmp_path / "out"
    step = FailingStep({"p2_raw": "disk"})
    with pytest.raises(OSError, match=r"No space left .*p2_raw.* 2 of 4 recordings are done"):
        npa.batch.run(step, files, out, **QUICK)
    assert not partials(tmp_path)
    with pytest.raises(FileExistsError, match="failures was"):
        npa.batch.run(FailingStep(), files, out, **QUICK)
    assert sorted(os.listdir(out)) == ["batch.json", "p0_raw", "p1_raw"]


@pytest.fixture
def small_disk():
    """A disk of one megabyte."""
    folder = tempfile.mkdtemp()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        os.rmdir(folder)
        pytest.skip("needs the right to mount a small disk")
    yield Path(folder)
    subprocess.run(["umount", folder], check=True)
    os.rmdir(folder)


def test_a_small_disk_that_fills_up(small_disk, tmp_path):
    files = make_recordings(tmp_path, 4, n_times=30_000)  # 240 kB each
    filler = small_disk / "filler"
    filler.write_bytes(bytes(400_000))
    with pytest.raises(OSError, match="2 of 4 recordings are done and kept") as caught:
        npa.batch.run(FailingStep(), files, small_disk / "out", outputs="signal")
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert not partials(small_disk)
    filler.unlink()
    # There is room for the signals, but not for the summary: an error, and the signals remain.
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        npa.batch.run(FailingStep(), files, small_disk / "out", outputs="signal")
    assert not partials(small_disk)
    for name in ("p0_raw", "p3_raw"):
        signal = mne.io.read_raw(small_disk / "out" / name / "signal_raw.fif", verbose=False)
        assert len(signal.times) == 30_000


@posix
def test_a_file_that_cannot_grow_is_one_failure(files, tmp_path):
    """If files are limited to 9 kB, a table fits, but no signal."""
    code = (
        "import resource, sys, mne, npa, npa.batch;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000));"
        "mne.set_log_level('ERROR');"
        "npa.batch.run(npa.LineNoiseRemover(20.0), sys.argv[2:], sys.argv[1], outputs='signal')"
    )
    out = tmp_path / "out"
    job = subprocess.run(
        [sys.executable, "-c", code, out, *files[:2]], capture_output=True, text=True, timeout=300
    )
    assert os.strerror(errno.EFBIG) in job.stderr
    assert not partials(tmp_path)
    assert not (out / "p0_raw").exists()


@posix
def test_an_unreadable_folder_is_one_failure(files, tmp_path):
    npa.batch.run(SLOPES, files[:1], tmp_path / "out", **QUICK)  # imports what only root may read
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    (folder / "locked").mkdir()
    locked = shutil.copy(files[0], folder / "locked" / "p0_raw.fif")
    readable = shutil.copy(files[1], folder / "p1_raw.fif")
    (folder / "locked").chmod(0o000)
    try:
        with as_nobody(), pytest.warns(RuntimeWarning, match="1 of 2 recordings failed"):
            summary = npa.batch.run(SLOPES, [locked, readable], folder / "out", **QUICK)
        assert list(summary["status"]) == ["failed", "done"]
        assert summary["error"][0].startswith("PermissionError: [Errno 13] Permission denied")
        with as_nobody(), pytest.raises(PermissionError, match="locked/out"):
            npa.batch.run(SLOPES, [readable], folder / "locked" / "out", **QUICK)
    finally:
        (folder / "locked").chmod(0o700)
        shutil.rmtree(folder)


@contextmanager
def as_nobody():
    """Act as a user without root's permissions."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_command_line(files, tmp_path, capsys):
    pipeline, out = tmp_path / "pipeline.yaml", tmp_path / "out"
    pipeline.write_text("steps: [{PSDExponent: {freq_range: [2, 40]}}]")
    args = ["batch", str(pipeline), *map(str, files), "-o", str(out), "--outputs", "table"]
    assert main(args) == 0
    assert f"4 of 4 recordings in {out}" in capsys.readouterr().out
    table = pd.read_csv(out / "summary.csv")
    slopes = PSDExponent((2, 40)).fit_transform(load_recording(files[3]))[0]
    np.testing.assert_allclose(table.iloc[3][["C3_slope", "Oz_slope"]].astype(float), slopes)
    assert main([*args[:2], "missing.edf", *args[2:]]) == 1
    printed = capsys.readouterr()
    assert "4 of 5 recordings in" in printed.out
    assert "1 recording(s) failed" in printed.err
    assert "missing.edf does not exist" in printed.err
    pipeline.write_text("steps: [{PSDExponent: {frequency_range: [2, 40]}}]")
    assert main(args) == 1
    assert "the nearest is 'freq_range'" in capsys.readouterr().err
    for wrong, message in [
        (args[:2], "give either FILE... or --bids ROOT"),
        (args[:3], "-o DIR is missing"),
        ([*args, "--task", "rest"], "--task rest needs --bids ROOT"),
    ]:
        assert main(wrong) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("step", [PSDExponent((2, 40)), FOOOFFitter(), FrequencyTagger(10.0)])
def test_a_page_with_nothing_to_draw_keeps_the_table(tmp_path, step):
    raw, _ = simulate_recording(duration=20.0, ch_names=["Cz", "Oz"], eog=False, random_state=0)
    raw[:] = 0
    raw.save(tmp_path / "flat_raw.fif")
    summary = npa.batch.run(step, [tmp_path / "flat_raw.fif"], tmp_path / "out")
    assert summary["error"].tolist() == [""]
    assert (tmp_path / "out" / "flat_raw" / "table.csv").exists()
    assert "flat channel(s): Cz, Oz" in summary["warnings"].item()


def test_filters_of_channels_are_drawn(tmp_path):
    raw, _ = simulate_recording(duration=20.0, eog=False, random_state=0)
    names = raw.ch_names
    outcome = run_steps(NeuralPowerAmplifier(response="whitening", per_channel=True), raw)
    titles = [title for title in outcome.figures() if "filters" in title]
    assert titles == [
        f"NeuralPowerAmplifier: filters of {name} ({number} of {len(names)})"
        for number, name in enumerate(names[:8], 1)
    ]


def test_equal_numbers_are_equal_settings(files, tmp_path):
    files = [files[0]]
    npa.batch.run(PSDExponent((2, 40)), files, tmp_path / "out", **QUICK)
    again = npa.batch.run(PSDExponent((2.0, 40.0)), files, tmp_path / "out", **QUICK)
    assert again["status"].tolist() == ["done"]
    assert not list(differences({"a": [2, np.nan]}, {"a": [2.0, np.nan]}))
    assert list(differences({"a": 1}, {"a": True}))
    assert list(differences({"a": 2}, {"a": 2.5}))


def test_the_home_folder_is_expanded(files, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(files[0], tmp_path / "one_raw.fif")
    (tmp_path / "slopes.yaml").write_text("steps: [PSDExponent]")
    summary = npa.batch.run("~/slopes.yaml", ["~/one_raw.fif"], "~/out", outputs="table")
    assert summary["status"].tolist() == ["done"]
    assert (tmp_path / "out" / "one_raw" / "table.csv").exists()


def test_a_changed_function_is_another_setting():
    functions = (lambda x: x * 2, lambda x: x * 2, lambda x: x * 3)
    twice, again, thrice = map(FunctionTransformer, functions)
    assert not list(differences(describe(twice), describe(again)))
    assert list(differences(describe(twice), describe(thrice)))
    kept = [describe(lambda x, k=k: x * k) for k in (2, 2, 3)]
    assert kept[0] == kept[1] != kept[2]
    closed = [describe(times(k)) for k in (2, 2, 3)]
    assert closed[0] == closed[1] != closed[2]


def times(k):
    """Return a function that multiplies."""
    return lambda x: x * k


def test_a_recording_changed_in_place_is_a_result():
    raw, _ = simulate_recording(duration=4.0, ch_names=["Oz"], eog=False, random_state=0)
    before = raw.get_data()
    outcome = run_steps(FunctionTransformer(lambda raw: raw.filter(1, 20, verbose=False)), raw)
    assert not np.allclose(outcome.signal.get_data(), before)
    np.testing.assert_array_equal(outcome.raw.get_data(), before)


def test_staging_folders_of_other_jobs_remain(tmp_path):
    other = tmp_path / ".results-a-12345678.partial"
    own = tmp_path / "results" / ".results-12345678.partial"
    other.mkdir()
    own.mkdir(parents=True)
    remove_staging(tmp_path / "results")
    assert other.exists()
    assert not own.exists()


@pytest.mark.parametrize("max_memory", [None, 1.0])
def test_channels_of_a_batch_are_chosen(tmp_path, capsys, monkeypatch, max_memory):
    """By options, or by the pipeline file; options overrule, and are part of the settings."""
    raw, _ = simulate_recording(
        duration=12.0, ch_names=["Fp1", "C3", "Cz", "Oz"], eog=False, random_state=0
    )
    raw.save(tmp_path / "a_raw.fif", verbose=False)
    path = tmp_path / "slopes.yaml"
    path.write_text("channels: {exclude: [Cz]}\nsteps: [{PSDExponent: {freq_range: [2, 40]}}]")
    if max_memory:
        memory = SimpleNamespace(available=max_memory)
        monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    batch = ["batch", str(path), str(tmp_path / "a_raw.fif"), "-o", str(tmp_path / "out")]
    batch += ["--outputs", "table"]
    assert main(batch) == 0
    found = pd.read_csv(tmp_path / "out" / "a_raw" / "table.csv")
    assert list(found) == ["Fp1_slope", "C3_slope", "Oz_slope"]
    expected = PSDExponent((2, 40)).fit_transform(raw.copy().drop_channels(["Cz"]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # the file is in single precision
    options = ["--exclude", "Oz", "--types", "Fp1=eog", "--freq-range", "3", "30", "--bads", "Cz"]
    assert main([*batch, *options]) == 1
    assert "Channels" in capsys.readouterr().err
    assert main([*batch, *options, "--overwrite"]) == 0
    found = pd.read_csv(tmp_path / "out" / "a_raw" / "table.csv")
    assert list(found) == ["C3_slope", "Cz_slope"]
    expected = PSDExponent((3, 30)).fit_transform(raw.copy().pick(["C3"]))[0, 0]
    np.testing.assert_allclose(found.loc[0], [expected, np.nan], rtol=1e-6)
