"""Signals know which channels are flat, and read their samples in blocks."""

import mne
import numpy as np
import pytest
from noise_recording import SFREQ, make_raw

from npa.recordings.containers import read_signals
from npa.recordings.signals import split_range


def test_flat_channels_are_seen_through_offset_and_rounding():
    x = np.random.default_rng(2).normal(scale=1e-5, size=(2, 3, 100))
    x[:, 1] = 3e-4
    x[0, 2] = 1e-20 * x[0, 0]
    signals = read_signals(x, sfreq=SFREQ)
    assert signals.flat.tolist() == [[False, True, True], [False, True, False]]
    assert signals.usable.tolist() == [True, False, True]


def test_flat_is_judged_within_a_channel_type():
    """Magnetic fields in tesla are tiny beside volts, and none the flatter for it."""
    info = mne.create_info(["Oz", "MEG1"], SFREQ, ["eeg", "mag"])
    noise = np.random.default_rng(3).normal(size=(2, 500)) * [[1e-2], [1e-13]]
    assert read_signals(mne.io.RawArray(noise, info)).usable.all()


@pytest.mark.parametrize("preload", [True, False])
def test_lazy_samples_are_those_of_memory(tmp_path, preload):
    make_raw(bads=["Cz"]).save(tmp_path / "a_raw.fif")
    raw = mne.io.read_raw_fif(tmp_path / "a_raw.fif", preload=preload)
    now, later = read_signals(raw), read_signals(raw, lazy=True)
    assert later.data.shape == now.data.shape
    assert len(later.data) == len(now.data)
    np.testing.assert_array_equal(later.data[..., 30:50], now.data[..., 30:50])
    np.testing.assert_array_equal(np.asarray(later.data), now.data)
    np.testing.assert_array_equal(later.flat, now.flat)
    assert raw.preload is preload
    with pytest.raises(IndexError, match=r"read as \[\.\.\., start:stop\]"):
        later.data[0, 1]


def test_lazy_samples_are_checked_where_they_are_read():
    raw = make_raw(bads=["Cz"])
    raw[1, 10] = np.nan
    raw[2, 500] = np.nan
    data = read_signals(raw, lazy=True).data
    assert np.isnan(data[..., :100]).sum() == 1
    with pytest.raises(ValueError, match=r"NaN or inf in channel\(s\) Oz"):
        data[..., 400:600]


def test_flat_is_seen_across_blocks(monkeypatch):
    raw = make_raw()
    raw[0] = 1e-5
    raw[1] = np.repeat([0.0, 1e-5], 500)  # a step between blocks, none within
    monkeypatch.setattr("npa.recordings.signals.BLOCK_SAMPLES", 3 * 250)
    for lazy in (False, True):
        assert read_signals(raw, lazy=lazy).flat.tolist() == [[True, False, False]]


def test_ranges_are_split():
    assert split_range(3, 10, 3) == [(3, 6), (6, 9), (9, 10)]
    assert split_range(3, 3, 3) == []


@pytest.mark.parametrize(("ratio", "flat"), [(1e-2, False), (1e-7, False), (1e-11, True)])
def test_quiet_channels_are_not_flat(ratio, flat):
    x = np.random.default_rng(4).normal(scale=1e-5, size=(1, 4, 500))
    x[:, 1] *= ratio
    assert read_signals(x, sfreq=SFREQ).flat.tolist() == [[False, flat, False, False]]
