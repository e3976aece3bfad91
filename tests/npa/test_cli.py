"""The command line analyzes recordings, and leaves no partial results."""

import io
import os
import re
import resource
import signal
import subprocess
import sys
import time
import warnings

import mne
import numpy as np
import pandas as pd
import pytest
from small_recording import looking_around

from npa import PSDExponent
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
def test_report_removes_saccades_on_request(tmp_path, capsys):
    fname, out = tmp_path / "gaze_raw.fif", tmp_path / "out"
    looking_around().save(fname)
    assert main(["report", str(fname), "-o", str(out), "--artifacts", "blink", "saccade"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^Saccades    \d+ found on HEOG, removed with one component", printed, re.M)
    assert (out / "saccades.png").exists()
    page = (out / "report.html").read_text("utf-8")
    assert "Saccade components" in page
    assert "(F8 - F7)" in page


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


def test_amplify_goes_on_after_a_failure(recording, tmp_path, capsys):
    (tmp_path / "text.edf").write_text("no recording")
    last = tmp_path / "last_raw.fif"
    last.write_bytes(recording.read_bytes())
    out = tmp_path / "out"
    files = [recording, tmp_path / "text.edf", last, tmp_path / "missing.edf"]
    args = ["amplify", *map(str, files), "-o", str(out), "--response", "whitening"]
    assert main(args) == 1
    said = capsys.readouterr()
    assert re.search(r"2 of 4 recording\(s\) failed:\n.*text\.edf .*\n.*missing\.edf", said.err)
    written = ["eight_raw_amplified_raw.fif", "last_raw_amplified_raw.fif"]
    assert sorted(os.listdir(out)) == written
    assert all(name in said.out for name in written)


def slopes(capsys):
    """Read the table that was printed, slopes by channel."""
    return pd.read_csv(io.StringIO(capsys.readouterr().out), index_col="name")["slope"]


def test_channels_are_chosen(recording, tmp_path, capsys):
    exponent = ["exponent", str(recording)]
    assert main(exponent) == 0
    every = slopes(capsys)
    for args, names in [
        (["--picks", "Oz", "eog"], None),
        (["--picks", "O1", "C3"], ["C3", "O1"]),
        (["--picks", "eeg", "--exclude", "Fp1"], CHANNELS[1:]),
        (["--exclude", *CHANNELS[:6]], CHANNELS[6:]),
        (["--types", "Fp1=eog", "Fp2=misc"], CHANNELS[2:]),
        (["--types", "VEOG=eeg"], [*CHANNELS, "VEOG"]),
    ]:
        assert main([*exponent, *args]) == (1 if names is None else 0)
        if names is None:
            assert "picks must name data channels" in capsys.readouterr().err
            continue
        found = slopes(capsys)
        assert list(found.index) == names
        both = [name for name in names if name in CHANNELS]
        np.testing.assert_allclose(found[both], every[both], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Of extreme amplitude")
def test_bad_channels_and_reference_are_set(recording, tmp_path, capsys):
    raw = mne.io.read_raw(recording, preload=True, verbose=False)
    raw[2] = 100 * raw.get_data([2])
    raw.save(tmp_path / "wide_raw.fif")
    exponent = ["exponent", str(tmp_path / "wide_raw.fif")]
    with pytest.warns(RuntimeWarning, match=r"Of extreme amplitude .* still EEG: F3 \(83 x\)"):
        assert main([*exponent, "--bads", "O1"]) == 0
    assert list(slopes(capsys).isna()) == [name == "O1" for name in CHANNELS]
    with pytest.warns(RuntimeWarning, match=r"marked bad by their amplitude.*: F3 \("):
        assert main([*exponent, "--bads", "auto"]) == 0
    assert list(slopes(capsys).isna()) == [name == "F3" for name in CHANNELS]
    assert main(["exponent", str(recording), "--reference", "average"]) == 0
    found = slopes(capsys)
    raw = mne.io.read_raw(recording, preload=True, verbose=False)
    raw.set_eeg_reference("average", verbose=False)
    expected = PSDExponent((2, 40)).fit_transform(raw)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert main(["exponent", str(recording), "--reference", "A1"]) == 1
    assert "reference must name channels" in capsys.readouterr().err
    assert main(["exponent", str(recording), "--montage", "nothing"]) == 1
    assert "montage must be a file or one of" in capsys.readouterr().err


def test_eeg_is_used_where_there_is_eeg(recording, tmp_path, capsys):
    raw = mne.io.read_raw(recording, preload=True, verbose=False)
    kinds = {"O1": "mag", "O2": "grad"}
    raw.set_channel_types(kinds, on_unit_change="ignore", verbose=False)
    raw.save(tmp_path / "mixed_raw.fif")
    exponent = ["exponent", str(tmp_path / "mixed_raw.fif")]
    with pytest.warns(RuntimeWarning, match="Only the 6 EEG channels are used; 1 mag, 1 grad"):
        assert main(exponent) == 0
    assert list(slopes(capsys).index) == CHANNELS[:6]
    assert main([*exponent, "--picks", "mag"]) == 0
    assert list(slopes(capsys).index) == ["O1"]


@pytest.mark.parametrize(("line", "warned"), [("50", 0), ("60", 0), ("55", 1), ("15", 1)])
def test_unlikely_line_frequencies_are_named(recording, capsys, line, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert main(["exponent", str(recording), "--line", line]) == 0
    assert sum("is not the frequency of a power line" in str(each.message) for each in caught) == (
        warned
    )


def test_warnings_are_single_lines_without_source(recording, tmp_path):
    raw = mne.io.read_raw(recording, preload=True, verbose=False)
    raw.rename_channels({"O1": "ECG"})
    raw.save(tmp_path / "ecg_raw.fif")
    job = start(["exponent", tmp_path / "ecg_raw.fif", "--line", "55"])
    _, error = job.communicate(timeout=240)
    lines = error.decode().splitlines()
    assert [line[: len("npa exponent: warning: ")] for line in lines] == (
        ["npa exponent: warning: "] * 2
    )
    assert "not EEG, but now ecg: ECG" in lines[0]


def test_home_folder_is_expanded(recording, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "one_raw.fif").write_bytes(recording.read_bytes())
    args = ["amplify", "~/one_raw.fif", "--out=~/out", "--response", "whitening"]
    assert main(args) == 0
    assert os.listdir(tmp_path / "out") == ["one_raw_amplified_raw.fif"]


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
    with pytest.warns(RuntimeWarning, match="13 of 14 trials are used; dropped are 1 NO_DATA"):
        assert main([*tag, "--events", "flicker", "--tmin", "-1"]) == 0
    capsys.readouterr()
    assert main([*tag, "--events", "flicker", "--tmin", "3"]) == 1
    assert "--tmin must be below --tmax, got 3 and 2" in capsys.readouterr().err
    raw.set_annotations(mne.Annotations([2, 0], [0, 20], ["flicker", "BAD_all"]))
    raw.save(tmp_path / "bad_raw.fif")
    assert main(["tag", str(tmp_path / "bad_raw.fif"), *tag[2:], "--events", "flicker"]) == 1
    assert "none of 1 trials can be used; dropped are 1 BAD_all" in capsys.readouterr().err
    raw.set_annotations(mne.Annotations([2, 2, 6], 0, ["flicker", "flash", "flash"]))
    raw.save(tmp_path / "twice_raw.fif")
    twice = ["tag", str(tmp_path / "twice_raw.fif"), *tag[2:], "--events", "flicker", "flash"]
    assert main(twice) == 1
    assert "'flicker' and 'flash' are at the same sample" in capsys.readouterr().err
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
    with pytest.warns(RuntimeWarning, match="IEOG; of extreme amplitude .*: FT7"):
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


def test_ranges_end_at_the_pass_band(recording, tmp_path, capsys):
    """Beyond 30 Hz there is only the filter, which would make the slope -3."""
    fname = tmp_path / "filtered_raw.fif"
    raw = mne.io.read_raw(recording, preload=True, verbose=False)
    raw.filter(None, 30.0, verbose=False).save(fname, verbose=False)
    assert main(["exponent", str(fname)]) == 0
    said = capsys.readouterr()
    assert "npa exponent: fits 2-30 Hz instead of 2-40 Hz: the pass band is 0-30 Hz" in said.err
    slopes = pd.read_csv(io.StringIO(said.out))["slope"]
    np.testing.assert_allclose(slopes.mean(), -1.0, atol=0.4)
    with pytest.warns(RuntimeWarning, match="leaves the pass band of 0-30 Hz"):
        assert main(["exponent", str(fname), "--freq-range", "2", "40"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["slope"].mean() < -1.8
    out = tmp_path / "report"
    with pytest.warns(RuntimeWarning) as caught:
        assert main(["report", str(fname), "--out", str(out)]) == 0
    messages = [str(each.message) for each in caught]
    assert sum("FOOOFFitter fits 1-30 Hz instead of 1-45 Hz" in each for each in messages) == 1
    assert sum("NeuralPowerAmplifier fits 0.5-30 Hz" in each for each in messages) == 1
    assert not any("leaves the pass band" in each for each in messages)
    assert "within 1-30 Hz" in capsys.readouterr().out
    assert "fitted within 1-30 Hz" in (out / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(out / "spectrum.csv", index_col="channel")
    np.testing.assert_allclose(table["exponent"].mean(), 1.0, atol=0.2)
