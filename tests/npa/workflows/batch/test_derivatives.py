"""Recordings of a BIDS data set become a derivative that MNE-BIDS reads."""

import json
import os

import mne
import numpy as np
import pandas as pd
import pytest
from failing_steps import SFREQ
from sklearn.pipeline import make_pipeline

import npa.batch
from npa import LineNoiseRemover, PSDExponent
from npa.cli import main
from npa.workflows.batch.derivatives import BIDSRecording

mne_bids = pytest.importorskip("mne_bids", reason="needs the extra bids")

pytestmark = [
    # MNE-BIDS warns of what the small data set lacks.
    pytest.mark.filterwarnings("ignore:participants.tsv file not found:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:There are channels without locations:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Did not find any:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:No .* found:RuntimeWarning"),
]

CHANNELS = ["C3", "Cz", "Oz", "EOG1"]
PIPELINE = make_pipeline(LineNoiseRemover(20.0), PSDExponent((2, 40)))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data set of two people, two tasks, one bad channel and one event."""
    root = tmp_path_factory.mktemp("bids")
    mne_bids.make_dataset_description(path=root, name="made up", verbose=False)
    for subject in ("01", "02"):
        for task in ("rest", "count"):
            write_recording(root / f"sub-{subject}" / "eeg", f"sub-{subject}_task-{task}", task)
    return root


def write_recording(folder, start, task, n_times=1000):
    """Write one recording as BIDS requires, in EEGLAB's format."""
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(start + task))
    data = rng.normal(scale=10, size=(4, n_times)).cumsum(axis=1)
    eeg = {
        "data": data,
        "srate": SFREQ,
        "nbchan": 4.0,
        "pnts": float(n_times),
        "trials": 1.0,
        "xmin": 0.0,
        "xmax": (n_times - 1) / SFREQ,
        "chanlocs": np.array([(name,) for name in CHANNELS], dtype=[("labels", object)]),
        "event": [],
        "urevent": [],
        "epoch": [],
        "icawinv": [],
        "icasphere": [],
        "icaweights": [],
    }
    savemat(folder / f"{start}_eeg.set", {"EEG": eeg}, appendmat=False)
    sidecar = {
        "TaskName": task,
        "SamplingFrequency": SFREQ,
        "PowerLineFrequency": 50,
        "EEGReference": "Cz",
        "SoftwareFilters": "n/a",
    }
    (folder / f"{start}_eeg.json").write_text(json.dumps(sidecar))
    rows = ["name\ttype\tunits\tstatus"]
    rows += [
        f"{name}\t{'EOG' if name == 'EOG1' else 'EEG'}\tuV\t{'bad' if name == 'Cz' else 'good'}"
        for name in CHANNELS
    ]
    (folder / f"{start}_channels.tsv").write_text("\n".join(rows) + "\n")
    (folder / f"{start}_events.tsv").write_text("onset\tduration\ttrial_type\n2.5\t0.0\tbeep\n")


def test_recordings_of_a_task_are_found(root):
    found = npa.batch.bids_recordings(root, "rest")
    assert [path.basename for path in found] == [
        "sub-01_task-rest_eeg.set",
        "sub-02_task-rest_eeg.set",
    ]
    assert len(npa.batch.bids_recordings(root)) == 4
    with pytest.raises(FileNotFoundError, match="no EEG recording of task 'sleep'; .* count, rest"):
        npa.batch.bids_recordings(root, "sleep")


def test_derivative_is_read_back(root, tmp_path):
    out = tmp_path / "npa"
    summary = npa.batch.run(PIPELINE, npa.batch.bids_recordings(root, "rest"), out)
    assert list(summary["recording"]) == ["sub-01_task-rest", "sub-02_task-rest"]
    assert set(summary["status"]) == {"done"}
    found = mne_bids.BIDSPath(root=out, task="rest", description="npa", extension=".fif").match()
    assert [path.subject for path in found] == ["01", "02"]
    raw = mne_bids.read_raw_bids(found[0])
    assert raw.ch_names == CHANNELS
    assert raw.info["bads"] == ["Cz"]
    assert raw.get_channel_types() == ["eeg", "eeg", "eeg", "eog"]
    assert raw.info["line_freq"] == 50
    assert [(each["onset"], each["description"]) for each in raw.annotations] == [(2.5, "beep")]
    source = mne_bids.read_raw_bids(npa.batch.bids_recordings(root, "rest")[0])
    expected = LineNoiseRemover(20.0).fit_transform(source.load_data())
    np.testing.assert_allclose(raw.get_data(), expected.get_data(), rtol=1e-6)  # float32
    start = found[0].directory / "sub-01_task-rest_desc-npa"
    table = pd.read_csv(f"{start}_features.tsv", sep="\t", na_values="n/a")
    slopes = PSDExponent((2, 40)).fit_transform(expected)[0]
    np.testing.assert_allclose(table.to_numpy()[0], slopes)
    assert np.isnan(table["Cz_slope"]).all()
    assert os.path.exists(f"{start}_report.html")


def test_derivative_describes_its_origin(root, tmp_path):
    out = tmp_path / "npa"
    npa.batch.run(
        PIPELINE, npa.batch.bids_recordings(root, "count"), out, outputs=("signal", "table")
    )
    about = json.loads((out / "dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative"
    assert about["GeneratedBy"] == [{"Name": "npa", "Version": npa.__version__}]
    assert (out / about["SourceDatasets"][0]["URL"]).resolve() == root.resolve()
    assert about["BIDSVersion"]
    fname = out / "sub-02" / "eeg" / "sub-02_task-count_desc-npa_eeg.json"
    sidecar = json.loads(fname.read_text())
    assert sidecar["TaskName"] == "count"
    assert sidecar["EEGReference"] == "Cz"  # kept from the source
    assert sidecar["SamplingFrequency"] == SFREQ
    assert sidecar["Sources"] == ["bids:raw:sub-02/eeg/sub-02_task-count_eeg.set"]
    assert sidecar["Versions"]["mne"] == mne.__version__
    steps = dict(sidecar["Settings"]["Pipeline"]["sklearn.pipeline.Pipeline"]["steps"])
    assert steps["linenoiseremover"]["npa.estimators.line_noise.LineNoiseRemover"]["freqs"] == 20.0
    ignored = (out / ".bidsignore").read_text().split()
    loose = [path.name for path in out.iterdir() if path.is_file()]
    assert set(loose) - set(ignored) == {"dataset_description.json", ".bidsignore"}


def test_a_signal_of_several_files_is_read_back(root, tmp_path, monkeypatch):
    monkeypatch.setattr(npa.workflows.batch.derivatives, "_SPLIT_SIZE", 1_100_000)
    copy, out = tmp_path / "copy", tmp_path / "out"
    write_recording(copy / "sub-01" / "eeg", "sub-01_task-rest", "rest", n_times=20_000)
    found = npa.batch.bids_recordings(copy, "rest")
    line = LineNoiseRemover(20.0)
    npa.batch.run(line, found, out, outputs="signal")
    names = sorted(path.name for path in out.rglob("*.fif"))
    assert len(names) > 2
    for number, name in enumerate(names, 1):
        path = mne_bids.get_bids_path_from_fname(name)
        assert (path.split, path.description) == (f"{number:02}", "npa")
        assert path.basename == name  # its entities are in the order of BIDS
    signal = mne_bids.BIDSPath(
        root=out, subject="01", task="rest", description="npa", datatype="eeg", suffix="eeg"
    )
    raw = mne_bids.read_raw_bids(signal)
    assert [os.path.basename(name) for name in raw.filenames] == names
    assert raw.info["bads"] == ["Cz"]
    assert raw.info["line_freq"] == 50
    expected = line.fit_transform(mne_bids.read_raw_bids(found[0]).load_data()).get_data()
    np.testing.assert_allclose(raw.get_data(), expected, rtol=1e-6)  # float32
    assert [path.basename for path in npa.batch.bids_recordings(out)] == names[:1]
    # A shorter signal replaces all of them, even if their record is lost.
    next(out.rglob("*_desc-npa_eeg.json")).unlink()
    monkeypatch.setattr(npa.workflows.batch.derivatives, "_SPLIT_SIZE", "2GB")
    npa.batch.run(line, found, out, outputs="signal", overwrite=True)
    assert [path.name for path in out.rglob("*.fif")] == ["sub-01_task-rest_desc-npa_eeg.fif"]


def test_bad_channels_marked_later_are_noticed(root, tmp_path):
    copy = tmp_path / "copy"
    write_recording(copy / "sub-01" / "eeg", "sub-01_task-rest", "rest")
    write_recording(copy / "sub-01" / "eeg", "sub-01_task-rest_run-1", "rest")
    first = npa.batch.bids_recordings(copy, "rest")[0]
    recording = BIDSRecording.from_source(first, tmp_path)
    seen = recording.fingerprint()
    assert sorted(seen) == [
        f"sub-01_task-rest_{name}" for name in ("channels.tsv", "eeg.json", "eeg.set", "events.tsv")
    ]
    channels = copy / "sub-01" / "eeg" / "sub-01_task-rest_channels.tsv"
    channels.write_text(channels.read_text().replace("Oz\tEEG\tuV\tgood", "Oz\tEEG\tuV\tbad"))
    assert recording.fingerprint() != seen


def test_mixed_recordings_are_refused(root, tmp_path):
    paths = npa.batch.bids_recordings(root, "rest")
    with pytest.raises(TypeError, match="must all be paths, or all BIDSPath"):
        npa.batch.run(PIPELINE, [*paths, "recording.edf"], tmp_path / "out")
    with pytest.raises(TypeError, match="must all be paths, or all BIDSPath"):
        npa.batch.run(PIPELINE, ["recording.edf", *paths], tmp_path / "out")


def test_command_line(root, tmp_path, capsys):
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("steps: [{LineNoiseRemover: {freqs: 20}}]")
    args = ["batch", str(pipeline), "--bids", str(root), "--outputs", "signal"]
    assert main([*args, "--task", "rest"]) == 0
    out = root / "derivatives" / "npa"
    assert "2 of 2 recordings in " in capsys.readouterr().out
    names = sorted(path.name for path in out.rglob("*.fif"))
    assert names == [f"sub-0{n}_task-rest_desc-npa_eeg.fif" for n in (1, 2)]
    # Derivatives within the data set are not among its recordings.
    assert len(npa.batch.bids_recordings(root, "rest")) == 2
    assert main([*args, "--task", "sleep"]) == 1
    assert "no EEG recording of task 'sleep'" in capsys.readouterr().err
