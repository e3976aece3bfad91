"""Channels are grouped by their names; electrodes are known by name or position."""

import mne
import numpy as np
import pytest
from noise_recording import make_raw

from npa.recordings.channels import (
    blink_potential,
    channel_groups,
    electrode_name,
    electrode_positions,
    frontal_channels,
    is_electrode,
    lateral_channels,
    picked_names,
    saccade_potential,
)
from npa.recordings.containers import read_signals


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (None, {"all": [0, 1, 2]}),
        ("/", {"a/f": [0, 1], "b": [2]}),
        ({"x": ["b", "a/f/0"]}, {"x": [2, 0]}),
    ],
)
def test_groups(by, expected):
    assert channel_groups(["a/f/0", "a/f/1", "b"], by) == expected


@pytest.mark.parametrize(
    ("by", "error", "message"),
    [
        ("", ValueError, "separator of at least one character"),
        (3, TypeError, "by must be None, a separator or a dict"),
        ({"x": ["Pz"]}, ValueError, r"by\['x'\] must name picked channels, got \['Pz'\]"),
        ({"x": []}, ValueError, r"by\['x'\] must name picked channels"),
    ],
)
def test_groups_refused(by, error, message):
    with pytest.raises(error, match=message):
        channel_groups(["Oz"], by)


# ---- electrodes ----


@pytest.mark.parametrize(
    ("ch_name", "expected"),
    [
        *(("EEG Fp1-REF", "Fp1"), ("EEG Fp1-LE", "Fp1"), ("Fp1-A2", "Fp1"), ("POL Fp1", "Fp1")),
        *(("FP1.", "Fp1"), ("Fc5.", "FC5"), ("eeg T3-AR", "T3"), ("Cz", "Cz"), ("EEG A1", "A1")),
        *(("Fp1-F7", ""), ("VEOG", ""), ("Right AUX", ""), ("E17", ""), ("EEG 001", "")),
    ],
)
def test_electrode_names(ch_name, expected):
    assert electrode_name(ch_name) == expected


def test_electrodes_are_known_by_name_or_position():
    info = mne.create_info(["E1", "EOG1", "Fp1", "AUX"], 100.0, "eeg")
    for channel in info["chs"][:2]:
        channel["loc"][:3] = [0.0, 0.1, 0.0]
    assert [is_electrode(info, name) for name in info["ch_names"]] == [True, False, True, False]
    positions = electrode_positions(info)
    np.testing.assert_array_equal(positions[0], [0.0, 0.1, 0.0])
    assert np.isnan(positions[[1, 3]]).all()
    placed = info.copy().set_montage("biosemi64", on_missing="ignore")
    np.testing.assert_array_equal(electrode_positions(placed)[2], positions[2])


def test_blink_potential_by_hand():
    # Eyes at (-+3, 9, -1) cm: potential of a point straight between and 10 cm behind them.
    positions = np.array([[0.0, 0.09, -0.01], [0.0, -0.01, -0.01], [0.0, 0.09, 0.09]])
    expected = 2 * np.array([0.03, np.hypot(0.1, 0.03), np.hypot(0.1, 0.03)]) ** -1.5
    np.testing.assert_allclose(blink_potential(positions), expected)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        # The frontal-most, and what is within 6 % of it.
        ([[0, 0.10, 0], [0.02, 0.097, 0], [0.03, 0.090, 0], [0, -0.1, 0]], [0, 1]),
        # Nothing is frontal that lies less than 0.6 of its distance ahead.
        ([[0, 0.05, 0.08], [0, -0.1, 0]], []),
        ([[0, 0.07, 0.07], [0, -0.1, 0]], [0]),
    ],
)
def test_frontal_channels_by_position(positions, expected):
    info = mne.create_info([f"E{row}" for row in range(len(positions))], 100.0, "eeg")
    for channel, position in zip(info["chs"], positions, strict=True):
        channel["loc"][:3] = position
    noise = np.random.default_rng(0).normal(size=(len(positions), 200))
    signals = read_signals(mne.io.RawArray(noise, info, verbose=False))
    assert frontal_channels(signals) == expected


def test_channels_called_like_types_are_picked():
    info = mne.create_info(["Oz", "eog", "data", "eeg"], 100.0, ["eeg", "eog", "eeg", "misc"])
    assert picked_names(info) == ["Oz", "data"]
    assert picked_names(info, ["eog", "Oz"]) == ["eog", "Oz"]
    with pytest.raises(ValueError, match="picks='eeg' is a channel and a type"):
        picked_names(info, "eeg")


def test_picking_leaves_the_projectors_of_the_recording_usable():
    raw = make_raw()
    raw.add_proj(mne.compute_proj_raw(raw, n_eeg=1, verbose=False))
    expected = raw.copy().apply_proj().get_data()
    picked_names(raw.info, "eeg")
    np.testing.assert_array_equal(raw.copy().apply_proj().get_data(), expected)
    assert np.abs(expected - raw.get_data()).max() > 1e-6  # V


def test_potential_of_a_saccade_is_that_of_dipoles_in_the_eyes():
    info = mne.create_info(["F7", "F8", "T7", "C3", "Fz"], 100.0, "eeg")
    potential = saccade_potential(electrode_positions(info))
    np.testing.assert_allclose(potential / potential[0], [1, -1, 0.306, 0.122, 0], atol=0.06)
    assert potential[0] < 0


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["F8", "AF7", "AF8", "F7"], [3, 0]),
        (["F8", "AF7", "AF8"], [1, 2]),
        (["F8", "AF7"], []),
    ],
)
def test_lateral_channels(names, expected):
    info = mne.create_info(names, 100.0, "eeg")
    noise = np.random.default_rng(0).normal(size=(len(names), 200))
    assert lateral_channels(read_signals(mne.io.RawArray(noise, info, verbose=False))) == expected


def test_repeated_and_ambiguous_picks_are_named():
    info = mne.create_info(["Oz", "data"], 100.0, "eeg")
    with pytest.raises(ValueError, match=r"picks must not repeat a channel, got \['Oz', 'Oz'\]"):
        picked_names(info, ["Oz", "Oz"])
    with pytest.raises(ValueError, match=r"a channel and a type; give \['data'\]"):
        picked_names(info, "data")
    assert picked_names(info, ["data"]) == ["data"]


def test_groups_are_lists_of_names():
    with pytest.raises(ValueError, match="by must hold at least one group"):
        channel_groups(["Oz"], {})
    with pytest.raises(TypeError, match=r"by\['a'\] must be a list of channel names, got 3"):
        channel_groups(["Oz"], {"a": 3})
