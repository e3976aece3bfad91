"""Channels that are not EEG are found by name and amplitude, and named in one warning."""

import warnings

import mne
import numpy as np
import pytest

from npa.datasets import simulate_recording
from npa.recordings.channel_types import extreme_channels, set_types, type_by_name
from npa.recordings.reading import load_recording

EEG = ["Fp1", "Fp2", "C3", "C4", "O1", "O2"]


@pytest.fixture
def raw():
    """Ten simulated seconds of six electrodes."""
    return simulate_recording(duration=10.0, ch_names=EEG, eog=False, random_state=0)[0]


def with_channel(raw, name, data):
    """Add a channel of type EEG."""
    info = mne.create_info([name], raw.info["sfreq"], "eeg")
    extra = mne.io.RawArray(np.broadcast_to(data, (1, len(raw.times))), info)
    return raw.copy().add_channels([extra], force_update_info=True)


@pytest.mark.parametrize(
    ("ch_type", "names"),
    [
        ("ecg", ["ECG", "EKG", "ECG EKG", "EEG ECG1", "POL EKG2", "ECG-LA", "ekg_ii"]),
        ("eog", ["EOG ROC", "VEOG", "hEOG", "LOC-A2", "roc", "EOG1", "EOGh"]),
        ("emg", ["EMG Chin", "Chin1-Chin2", "L Leg", "EMG1"]),
        ("resp", ["Resp nasal", "RESP", "Thor", "Abd", "Airflow"]),
        ("stim", ["Status", "TRIG", "STI 014", "Event"]),
        ("misc", ["SpO2", "SaO2", "Pleth", "DC01", "POL DC1", "X DC3", "POL $A1", "POL E"]),
        ("misc", ["Right AUX", "EXG5", "HR", "Photic", "EtCO2", "Snore", "Temp"]),
        ("eeg", ["Fp1", "EEG O2-REF", "Fp1.", "A1", "EEG M2", "E12", "LA3", "HR2", "C3-P3", "X7"]),
    ],
)
def test_names_tell_types(ch_type, names):
    assert {name: type_by_name(name) for name in names} == dict.fromkeys(names, ch_type)


def test_no_electrode_of_the_10_05_system_is_taken_for_another_type():
    names = mne.channels.make_standard_montage("colin27_1005").ch_names
    assert {type_by_name(name) for name in names} == {"eeg"}


def test_types_are_changed_with_one_warning(raw):
    for name, data in [("ECG EKG", 1e-3), ("SpO2", 96.0), ("Trigger", 3.0), ("Mark", 0.5e-6)]:
        raw = with_channel(raw, name, data)
    expected = r"not EEG, but now ecg: ECG EKG; misc: SpO2, Mark; stim: Trigger\."
    with pytest.warns(RuntimeWarning, match=expected) as caught:
        types = set_types(raw).get_channel_types()
    assert len(caught) == 1
    assert types == ["eeg"] * 6 + ["ecg", "misc", "stim", "misc"]


def test_the_user_and_a_data_set_overrule_names(raw):
    raw = with_channel(raw, "ECG", raw.get_data("O1"))
    assert set_types(raw.copy(), {"ECG": "eeg"}).get_channel_types() == ["eeg"] * 7
    with pytest.warns(RuntimeWarning, match="are EEG, though their names tell ecg: ECG"):
        assert set_types(raw.copy(), by_name=False).get_channel_types() == ["eeg"] * 7
    with pytest.raises(ValueError, match="types must name channels of the recording, got EKG"):
        set_types(raw, {"EKG": "ecg"})
    with pytest.raises(ValueError, match="types must give types that MNE knows"):
        set_types(raw, {"ECG": "heart"})


@pytest.mark.parametrize(("ratio", "found"), [(5, False), (20, True), (0.1, False), (0.01, True)])
def test_extreme_amplitudes_are_named(raw, ratio, found):
    typical = np.median(raw.get_data().std(axis=1))
    wave = ratio * typical * np.sqrt(2) * np.sin(2 * np.pi * 7 * raw.times)
    wide = with_channel(raw, "X7", wave)
    assert list(extreme_channels(wide)) == ["X7"] * found
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert set_types(wide).get_channel_types() == ["eeg"] * 7
    assert ["X7" in str(each.message) for each in caught] == [True] * found
    wide.info["bads"] = ["X7"]
    assert not extreme_channels(wide)


@pytest.mark.parametrize("preload", [True, False])
def test_files_are_read_with_types(raw, tmp_path, preload, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with_channel(raw, "ECG", 1e-3 * np.sin(raw.times)).save(tmp_path / "ecg_raw.fif")
    with pytest.warns(RuntimeWarning, match="ecg: ECG"):
        found = load_recording("~/ecg_raw.fif", preload=preload)
    assert found.get_channel_types() == ["eeg"] * 6 + ["ecg"]
    assert found.get_montage() is not None
    kept = load_recording(tmp_path / "ecg_raw.fif", types={"ECG": "misc"}, preload=preload)
    assert kept.get_channel_types()[-1] == "misc"


def test_limits_of_extreme_amplitudes():
    """They are 10 and 0.03 times the median."""
    noise = np.random.default_rng(0).normal(size=6000)
    for ratio, found in [(9.5, 0), (11.0, 1), (0.035, 0), (0.026, 1)]:
        waves = np.outer([1, 1, 1, 1, ratio], noise)
        wide = mne.io.RawArray(waves, mne.create_info(5, 100.0, "eeg"), verbose=False)
        assert len(extreme_channels(wide)) == found
