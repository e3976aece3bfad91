"""Recordings are read with electrode positions, or refused by name."""

import mne
import numpy as np
import pytest

from npa.recordings.reading import add_positions, load_recording


def test_missing_and_unreadable_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.edf does not exist"):
        load_recording(tmp_path / "nothing.edf")
    for name in ("text.edf", "text.fif", "text.bdf", "text.xyz", "text.set"):
        (tmp_path / name).write_text("not a recording")
        with pytest.raises(ValueError, match=rf"{name} is not a continuous recording"):
            load_recording(tmp_path / name)


def test_positions_come_from_names_and_names_stay():
    info = mne.create_info(["Oz..", "FCZ", "X1"], 100.0, "eeg")
    raw = add_positions(mne.io.RawArray(np.zeros((3, 10)), info))
    assert raw.ch_names == ["Oz..", "FCZ", "X1"]
    oz, fcz, unknown = (channel["loc"][:3] for channel in raw.info["chs"])
    assert oz[1] < -0.05 < 0 < fcz[1]  # m, towards the nose
    assert np.isnan(unknown).all()


def test_own_positions_are_kept():
    raw = mne.io.RawArray(np.zeros((1, 10)), mne.create_info(["Oz"], 100.0, "eeg"))
    raw.set_montage(mne.channels.make_dig_montage({"Oz": [0.0, 0.0, 0.1]}, coord_frame="head"))
    place = raw.info["chs"][0]["loc"].copy()
    np.testing.assert_array_equal(add_positions(raw).info["chs"][0]["loc"], place)
