"""Readers return what was written, and say what is wrong with other files."""

import gzip

import mne
import numpy as np
import pytest
from written_bdf import SFREQ, write_bdf, write_ced

from npa.datasets import read_bids, read_face_noise, read_n170_muse, read_uci_visual
from npa.datasets import recordings as recordings_module
from npa.recordings.trials import collect_trials

NAMES = ["A1", "A2", "B3", "D32", "EXG1", "EXG2", "EXG3", "EXG4", "EXG5"]
CODES = {64: 11, 128: 12, 192: 111, 256: 112, 320: 41, 384: 3}
MICROVOLTS = np.random.default_rng(0).normal(0, 20, (len(NAMES), 10 * SFREQ)).round()


def session(participant, number, codes=CODES):
    """Write one session into a folder."""

    def write(folder):
        name = f"ft10_p{participant}/ft10_p{participant}s{number}.bdf"
        write_bdf(folder / name, NAMES, MICROVOLTS, codes)
        return folder / name

    return write


@pytest.fixture
def study(tmp_path):
    """Two participants with two sessions each, and electrode positions."""
    for participant in (1, 2):
        for number in (1, 2):
            session(participant, number)(tmp_path)
    write_ced(tmp_path / "Glasgow_BioSemi_132.ced", [*NAMES[:4], *NAMES[4:8]])
    return tmp_path


def test_face_noise_is_read_as_written(study):
    found = read_face_noise(study)
    assert {who: len(runs) for who, runs in found.recordings.items()} == {"p1": 2, "p2": 2}
    raw = found.recordings["p1"][0]
    assert raw.get_channel_types() == ["eeg"] * 4 + ["eog"] * 4 + ["misc", "stim"]
    np.testing.assert_allclose(raw.get_data("eeg"), 1e-6 * MICROVOLTS[:4], atol=0.05e-6)  # V
    trials = collect_trials(found.recordings, found.event_id, tmin=-0.1, tmax=0.5)
    assert trials.y[:5].tolist() == ["face", "noise", "face", "noise", "face"]
    assert len(trials) == 4 * 5  # code 3 is neither
    assert trials.ch_names == ("A1", "A2", "B3", "D32")


def test_codes_of_eleven_blocks(study):
    event_id = read_face_noise(study).event_id
    assert event_id["face"][:2] == [11, 21]
    assert event_id["noise"][-2:] == [102, 112]
    assert len(event_id["face"]) == len(event_id["noise"]) == 11


def test_electrode_positions_are_those_of_the_montage(study):
    raw = read_face_noise(study).recordings["p2"][1]
    place = raw.info["chs"][0]["loc"][:3]  # A1: 0.8 to the nose, 0.6 up
    np.testing.assert_allclose(place, [0, 0.076, 0.057], atol=1e-3)  # m
    left = raw.info["chs"][2]["loc"][:3]  # B3: 90 degrees on, the left ear
    assert left[0] < -0.05


def test_without_a_montage_there_are_no_positions(study):
    (study / "Glasgow_BioSemi_132.ced").unlink()
    with pytest.warns(RuntimeWarning, match="no Glasgow_BioSemi_132.ced"):
        found = read_face_noise(study)
    assert found.recordings["p1"][0].get_montage() is None


def test_a_montage_of_another_kind_is_refused(study):
    (study / "Glasgow_BioSemi_132.ced").write_text("Number\tlabels\n1\tA1\n")
    with pytest.raises(ValueError, match="no labels, X, Y and Z"):
        read_face_noise(study)


def test_a_missing_session_is_named(study):
    (study / "ft10_p2" / "ft10_p2s1.bdf").unlink()
    with pytest.warns(RuntimeWarning, match="ft10_p2/ft10_p2s1.bdf are missing"):
        found = read_face_noise(study)
    assert len(found.recordings["p2"]) == 1
    with pytest.raises(FileNotFoundError, match="lacks ft10_p2/ft10_p2s1.bdf"):
        read_face_noise(study, participants=[2], sessions=[1, 2])
    assert list(read_face_noise(study, participants=[1]).recordings) == ["p1"]


def test_wrong_codes_are_named(study):
    path = session(1, 2, {64: 11, 128: 13})(study)
    with pytest.raises(ValueError, match=rf"{path.name} holds no noise.*there are 11, 13"):
        read_face_noise(study)


def test_a_truncated_file_is_refused(study):
    path = study / "ft10_p1" / "ft10_p1s1.bdf"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4000])
    with pytest.raises(ValueError, match=r"ft10_p1s1.bdf is truncated: .* 10 records"):
        read_face_noise(study)
    for n_bytes in (300, 100):
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(ValueError, match="not a BDF header"):
            read_face_noise(study)


def test_recordings_are_not_loaded(study):
    assert not read_face_noise(study).recordings["p1"][0].preload


def write_muse(path, descriptions):
    info = mne.create_info(["TP9", "AF7", "AF8", "TP10", "Right AUX"], 256.0, "eeg")
    raw = mne.io.RawArray(np.zeros((5, 2560)), info)
    raw.set_annotations(mne.Annotations(np.arange(1, 9), 0, descriptions * 4))
    raw.save(path)


def test_muse_runs_are_sorted_by_subject(tmp_path):
    for name in ("subject2_session1_a", "subject1_session2_b", "subject1_session1_c"):
        write_muse(tmp_path / f"{name}_raw.fif", ["N170/1", "N170/2"])
    found = read_n170_muse(tmp_path)
    assert {who: len(runs) for who, runs in found.recordings.items()} == {
        "subject1": 2,
        "subject2": 1,
    }
    assert "session1_c" in str(found.recordings["subject1"][0].filenames[0])
    trials = collect_trials(found.recordings, found.event_id, tmin=0, tmax=0.5)
    assert trials.ch_names == ("TP9", "AF7", "AF8", "TP10")
    assert trials.y[:2].tolist() == ["house", "face"]


def test_muse_without_houses_is_refused(tmp_path):
    write_muse(tmp_path / "subject1_session1_a_raw.fif", ["N170/2", "N170/2"])
    with pytest.raises(ValueError, match="holds no house"):
        read_n170_muse(tmp_path)


def uci_text(data, trial, condition):
    """Write an epoch as the UCI database does."""
    lines = ["# co2a0000364.rd", "# 120 trials, 64 chans, 416 samples 368 post_stim samples"]
    lines += ["# 3.906000 msecs uV", f"# {condition} , trial {trial}"]
    for number, (name, samples) in enumerate(data.items()):
        lines.append(f"# {name} chan {number}")
        lines += [f"{trial} {name} {at} {value:.3f}" for at, value in enumerate(samples)]
    return "\n".join(lines) + "\n"


def made_up_epoch(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 10, 256).round(3) for name in ("FP1", "CPZ", "X", "nd")}


def test_uci_texts_and_npz_file_give_the_same(tmp_path):
    texts, packed = tmp_path / "texts" / "co2a0000364", tmp_path / "packed"
    texts.mkdir(parents=True)
    packed.mkdir()
    kinds = ["S1 obj", "S2 match", "S2 nomatch"]
    epochs = [made_up_epoch(seed) for seed in range(3)]
    for trial, (data, kind) in enumerate(zip(epochs, kinds, strict=True)):
        text = uci_text(data, trial, kind).encode()
        if trial == 1:
            (texts / f"co2a0000364.rd.{trial:03d}").write_bytes(text)
        else:
            (texts / f"co2a0000364.rd.{trial:03d}.gz").write_bytes(gzip.compress(text))
    np.savez(
        packed / "smni_cmi_train.npz",
        X_uV=np.array([list(data.values()) for data in epochs]),
        subject=np.array(["co2a0000364"] * 3),
        condition=np.array(kinds),
        trial=np.arange(3),
        ch_names=np.array(list(epochs[0])),
    )
    one, other = (
        read_uci_visual(folder).recordings["co2a0000364"][0] for folder in (texts, packed)
    )
    np.testing.assert_allclose(one.get_data(), other.get_data(), atol=1e-12)  # V
    np.testing.assert_allclose(one.get_data()[2, 1], 1e-6 * epochs[2]["CPZ"], atol=1e-12)  # V
    assert one.ch_names == ["Fp1", "CPz", "X", "nd"]
    assert one.get_channel_types() == ["eeg", "eeg", "eog", "misc"]
    assert [*one.event_id] == ["S1/obj", "S2/match", "S2/nomatch"]
    found = read_uci_visual(texts)
    trials = collect_trials(found.recordings, found.event_id, tmin=0, tmax=255 / 256, detrend=0)
    assert trials.y.tolist() == ["S1", "S2", "S2"]


def test_a_truncated_uci_file_is_refused(tmp_path):
    text = uci_text(made_up_epoch(0), 0, "S1 obj")
    (tmp_path / "co2a0000364.rd.000").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="truncated"):
        read_uci_visual(tmp_path)


def test_uci_subject_without_s2_is_refused(tmp_path):
    (tmp_path / "co2a0000364.rd.000").write_text(uci_text(made_up_epoch(0), 0, "S1 obj"))
    with pytest.raises(ValueError, match="there must be S1 and S2"):
        read_uci_visual(tmp_path)


def test_bids_without_mne_bids_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mne_bids", None)
    with pytest.raises(ImportError, match=r"npa\[bids\]"):
        recordings_module.read_bids(tmp_path, {"face": "face"})


def test_bids_is_read_as_written(tmp_path):
    mne_bids = pytest.importorskip("mne_bids")
    for subject in ("01", "02"):
        source = tmp_path / "source" / f"{subject}.bdf"
        write_bdf(source, ["Cz", "Pz"], MICROVOLTS[:2], {})
        raw = mne.io.read_raw_bdf(source)
        raw.info["line_freq"] = 50
        raw.set_annotations(mne.Annotations(np.arange(1, 9), 0.1, ["famous", "scrambled"] * 4))
        path = mne_bids.BIDSPath(subject=subject, task="faces", datatype="eeg", root=tmp_path / "b")
        mne_bids.write_raw_bids(raw, path, verbose="ERROR")
    events = {"face": ["famous"], "noise": "scrambled"}
    found = read_bids(tmp_path / "b", events, task="faces")
    assert list(found.recordings) == ["01", "02"]
    trials = collect_trials(found.recordings, found.event_id, tmin=0, tmax=0.5)
    assert trials.y[:2].tolist() == ["face", "noise"]
    with pytest.raises(ValueError, match="holds no house"):
        read_bids(tmp_path / "b", {"face": "famous", "house": "house"})
    with pytest.raises(FileNotFoundError, match="no EEG recording"):
        read_bids(tmp_path / "b", events, task="rest")
    with pytest.raises(FileNotFoundError, match="must be a folder"):
        read_bids(tmp_path / "nothing", events)


def test_real_uci_data(data_dir):
    found = read_uci_visual(data_dir / "uci_visual")
    assert len(found.recordings) == 14
    epochs = found.recordings["co2a0000364"][0]
    assert len(epochs) == 30
    assert epochs.get_channel_types().count("eeg") == 61
    places = [
        epochs.info["chs"][index]["loc"][:3] for index in mne.pick_types(epochs.info, eeg=True)
    ]
    assert np.isfinite(places).all()
    assert 5e-6 < epochs.get_data("eeg").std() < 50e-6  # V


def test_real_muse_data(data_dir):
    found = read_n170_muse(data_dir / "n170_muse")
    runs = {subject: len(own) for subject, own in found.recordings.items()}
    assert runs == {"subject1": 6, "subject2": 2, "subject3": 4}
