"""The command line analyzes recordings, and leaves no partial results."""

import io
import os
import re
import resource
import signal
import subprocess
import sys
import time

import mne
import numpy as np
import pandas as pd
import pytest

from npa.cli import main
from npa.datasets import simulate_recording

RESULTS = [
    "blinks.png",
    "clean_raw.fif",
    "filters.png",
    "psd.png",
    "report.html",
    "spectrum.csv",
    "spectrum.png",
]
CHANNELS = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A file of 40 simulated seconds of eight electrodes and two EOG channels."""
    raw, _ = simulate_recording(duration=40.0, ch_names=CHANNELS, sfreq=128.0, random_state=0)
    fname = tmp_path_factory.mktemp("recording") / "eight_raw.fif"
    raw.save(fname, verbose=False)
    return fname


def start(args, **kwargs):
    """Start the command in a process of its own."""
    command = [sys.executable, "-c", "import sys; from npa.cli import main; sys.exit(main())"]
    return subprocess.Popen(
        [*command, *map(str, args)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, **kwargs
    )


@pytest.mark.filterwarnings("ignore:NeuralPowerAmplifier clips the negative knee")
def test_demo_writes_what_it_found(recording, tmp_path, capsys):
    out = tmp_path / "out"
    before = recording.read_bytes()
    assert main(["demo", "--data", str(recording), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "8 data channels, 128 Hz, 40 s" in said
    assert "8 found on VEOG" in said
    assert str(out) in said
    assert sorted(os.listdir(out)) == RESULTS
    assert os.listdir(tmp_path) == ["out"]
    assert recording.read_bytes() == before
    table = pd.read_csv(out / "spectrum.csv", index_col="channel")
    assert list(table.index) == CHANNELS
    np.testing.assert_allclose(table["exponent"], 1.0, atol=0.3)  # 1/f^1 was simulated
    cleaned = mne.io.read_raw(out / "clean_raw.fif", verbose=False)
    assert cleaned.ch_names == mne.io.read_raw(recording, verbose=False).ch_names


def test_recordings_without_a_job_to_do_are_refused(tmp_path, capsys):
    raw, _ = simulate_recording(duration=40.0, ch_names=CHANNELS, sfreq=128.0, random_state=0)
    raw.info["bads"] = ["VEOG"]
    raw.save(tmp_path / "bad_raw.fif")
    noise = np.diff(np.random.default_rng(0).normal(scale=1e-5, size=(8, 5121)))  # rises as f^2
    info = mne.create_info(CHANNELS, 128.0, "eeg")
    mne.io.RawArray(noise, info).save(tmp_path / "rising_raw.fif")
    args = ["demo", "--out", str(tmp_path / "out"), "--data"]
    assert main([*args, str(tmp_path / "bad_raw.fif"), "--eog", "VEOG"]) == 1
    assert "['VEOG'] are marked bad" in capsys.readouterr().err
    with pytest.warns(RuntimeWarning, match="has no model"):
        assert main([*args, str(tmp_path / "rising_raw.fif")]) == 1
    assert "has no 1/f background to remove: the exponent is -2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_results_are_overwritten_only_on_request(recording, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep me")
    assert main(["demo", "--data", str(recording), "--out", str(tmp_path)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_bad_input_is_named(recording, tmp_path, capsys):
    out = str(tmp_path / "out")
    (tmp_path / "text.edf").write_text("no recording")
    for args, message in [
        (["--data", "nothing.edf"], "nothing.edf does not exist"),
        (["--data", str(tmp_path / "text.edf")], "text.edf is not a continuous recording"),
        (["--data", str(recording), "--eog", "EOG9"], "eog must name channels .* got EOG9"),
    ]:
        assert main(["demo", *args, "--out", out]) == 1
        assert re.search(message, capsys.readouterr().err)
    assert os.listdir(tmp_path) == ["text.edf"]


def test_report_removes_line_noise_first(recording, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["report", str(recording), "-o", str(out), "--line", "50"]) == 0
    assert sorted(os.listdir(out)) == RESULTS
    page = (out / "report.html").read_text(encoding="utf-8")
    for part in ("LineNoiseRemover", "freqs=50.0", "BlinkICARemover", "Maps", "Power before"):
        assert part in page


@pytest.mark.filterwarnings("ignore:NeuralPowerAmplifier clips the negative knee")
def test_amplify_writes_one_recording_each(recording, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep me")
    args = ["amplify", str(recording), "-o", str(out)]
    assert main(args) == 0
    assert sorted(os.listdir(out)) == ["eight_raw_amplified_raw.fif", "mine.txt"]
    assert main(args) == 1
    assert "exists; choose another folder, or overwrite" in capsys.readouterr().err
    assert main([*args, "--overwrite", "--response", "whitening"]) == 0
    assert main(["amplify", str(recording), str(recording), "-o", str(out)]) == 1
    assert "two recordings have the same name" in capsys.readouterr().err


def test_exponent_prints_a_table(recording, capsys):
    assert main(["exponent", str(recording), "--robust"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out), index_col="name")
    assert list(table.index) == CHANNELS
    np.testing.assert_allclose(table["slope"], -1.0, atol=0.4)  # 1/f^1 was simulated, with blinks


def test_tag_reads_trials_and_names_events(tmp_path, capsys):
    sfreq, rng = 100.0, np.random.default_rng(0)
    time_s = np.arange(3000) / sfreq
    data = 1e-6 * rng.normal(size=(2, 3000)) + 1e-6 * np.sin(2 * np.pi * 6 * time_s)
    raw = mne.io.RawArray(data, mne.create_info(["O1", "O2"], sfreq, "eeg"))
    raw.set_annotations(mne.Annotations(np.arange(0, 28, 2), 0, "flicker"))
    fname = tmp_path / "tagged_raw.fif"
    raw.save(fname)
    tag = ["tag", str(fname), "--freqs", "6", "8.5"]
    assert main([*tag, "--events", "flicker"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    found = table[table["significant"]]
    assert set(found["term"]) == {"f1"}
    assert list(found["channel"]) == ["O1", "O2"]
    assert main(tag) == 0
    capsys.readouterr()
    assert main([*tag, "--events", "flash"]) == 1
    assert "--events must be among flicker, got flash" in capsys.readouterr().err


def test_fetch_lists_and_refuses(capsys):
    assert main(["fetch", "--list"]) == 0
    assert "eegbci" in capsys.readouterr().out
    assert main(["fetch"]) == 1
    assert "NAME of a data set is missing" in capsys.readouterr().err
    assert main(["fetch", "nothing"]) == 1
    assert "name must be one of" in capsys.readouterr().err


def test_recording_too_short(data_dir, tmp_path, capsys):
    fname = data_dir / "eeglab" / "biosemi72_test.bdf"
    with pytest.warns(RuntimeWarning, match=r"eog: REOG, LEOG, IEOG; the amplitude of FT7"):
        assert main(["demo", "--data", str(fname), "--out", str(tmp_path / "out")]) == 1
    assert "too short" in capsys.readouterr().err
    assert not os.listdir(tmp_path)


def test_unwritable_output_is_named(recording, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    code = main(["demo", "--data", str(recording), "--out", str(tmp_path / "file" / "out")])
    assert code == 1
    assert "file" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX resource limits")
def test_full_disk_leaves_nothing(recording, tmp_path):
    limit = 50_000  # bytes: less than the amplified recording

    def refuse_large_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    job = start(
        ["demo", "--data", recording, "--out", tmp_path / "out"],
        preexec_fn=refuse_large_files,
        cwd=tmp_path,
    )
    _, error = job.communicate(timeout=300)
    assert job.returncode == 1, error
    assert b"File too large" in error
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupted_leaves_nothing(recording, tmp_path):
    job = start(["demo", "--data", recording, "--out", tmp_path / "out"], cwd=tmp_path)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob(".out-*.partial")) and time.monotonic() < deadline:
        assert job.poll() is None, job.communicate()
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    _, error = job.communicate(timeout=240)
    assert job.returncode == 130, error
    assert b"interrupted; partial results are removed" in error
    assert not os.listdir(tmp_path)
