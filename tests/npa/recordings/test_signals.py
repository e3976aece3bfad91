"""Data leave MNE containers and go back unharmed."""

import mne
import numpy as np
import pytest

from npa.recordings.channels import channel_groups, picked_names
from npa.recordings.containers import read_signals, write_signals
from npa.recordings.signals import cut

SFREQ = 100.0


def make_raw(n_times=1000, bads=()):
    """Three EEG channels, one EOG and one stimulus channel of seeded noise."""
    info = mne.create_info(
        ["Fz", "Cz", "Oz", "VEOG", "STI"], SFREQ, ["eeg", "eeg", "eeg", "eog", "stim"]
    )
    info["bads"] = list(bads)
    data = np.random.default_rng(0).normal(scale=1e-5, size=(5, n_times))
    return mne.io.RawArray(data, info)


def test_default_picks_are_data_channels_with_bad_ones_marked():
    signals = read_signals(make_raw(bads=["Cz"]))
    assert signals.ch_names == ("Fz", "Cz", "Oz")
    assert signals.bad.tolist() == [False, True, False]
    assert signals.data.shape == (1, 3, 1000)
    assert signals.info.ch_names == ["Fz", "Cz", "Oz"]


@pytest.mark.parametrize("picks", ["eog", ["VEOG"], [3], slice(3, 4)])
def test_picks_as_in_mne(picks):
    assert read_signals(make_raw(), picks=picks).ch_names == ("VEOG",)


def test_unknown_pick_is_named():
    with pytest.raises(ValueError, match=r"picks=\['Pz'\] finds no channel among Fz, Cz"):
        read_signals(make_raw(), picks=["Pz"])
    only_stim = make_raw().pick(["STI"])
    with pytest.raises(ValueError, match=r"picks=None \(data channels\) finds no channel"):
        picked_names(only_stim.info)


def test_round_trip_leaves_the_input_and_the_other_channels_alone():
    raw = make_raw(bads=["Oz"])
    before = raw.get_data().tobytes()
    signals = read_signals(raw)
    out = write_signals(raw, signals, 2 * signals.data)
    assert raw.get_data().tobytes() == before
    np.testing.assert_array_equal(out.get_data()[:3], 2 * raw.get_data()[:3])
    np.testing.assert_array_equal(out.get_data()[3:], raw.get_data()[3:])
    assert out.info["bads"] == ["Oz"]


@pytest.mark.parametrize("preload", [True, False])
def test_epochs_round_trip(preload):
    raw = make_raw()
    events = np.array([[100, 0, 1], [400, 0, 1], [700, 0, 1]])
    epochs = mne.Epochs(raw, events, tmin=0, tmax=1, baseline=None, preload=preload)
    signals = read_signals(epochs)
    assert signals.data.shape == (3, 3, 101)
    out = write_signals(epochs, signals, -signals.data)
    assert epochs.preload is preload
    np.testing.assert_array_equal(out.get_data(picks="eeg"), -epochs.get_data(picks="eeg"))
    np.testing.assert_array_equal(out.get_data(picks="eog"), epochs.get_data(picks="eog"))


@pytest.mark.parametrize("shape", [(4, 100), (4, 2, 100)])
def test_array_round_trip(shape):
    x = np.random.default_rng(1).normal(size=shape)
    signals = read_signals(x, sfreq=SFREQ)
    assert signals.data.shape == (4, 1 if len(shape) == 2 else 2, 100)
    out = write_signals(x, signals, signals.data + 1)
    np.testing.assert_array_equal(out, x + 1)
    assert not np.shares_memory(out, x)


def test_array_picks_are_indices():
    x = np.arange(12.0).reshape(1, 3, 4)
    signals = read_signals(x, picks=[2, 0], sfreq=SFREQ)
    assert signals.ch_names == ("ch2", "ch0")
    out = write_signals(x, signals, np.zeros_like(signals.data))
    np.testing.assert_array_equal(out[0, 1], x[0, 1])
    assert not out[0, [0, 2]].any()
    with pytest.raises(ValueError, match="channel indices below 3 for an array"):
        read_signals(x, picks=[5], sfreq=SFREQ)


@pytest.mark.parametrize("first_samp", [0, 250])
def test_annotations_cut_segments_and_clean_spans(first_samp):
    raw = make_raw()
    raw = mne.io.RawArray(raw.get_data(), raw.info, first_samp=first_samp)
    raw.set_annotations(
        mne.Annotations(
            onset=np.array([1.0, 4.0, 7.0]),
            duration=[1.0, 0.5, 0.0],
            description=["BAD_ACQ_SKIP", "bad_blink", "EDGE boundary"],
        )
    )
    signals = read_signals(raw)
    assert signals.segments == ((0, 100), (200, 700), (700, 1000))
    assert signals.clean_spans == ((0, 100), (200, 400), (450, 700), (700, 1000))


def test_concatenation_cuts():
    raw = mne.concatenate_raws([make_raw(300), make_raw(200)])
    assert read_signals(raw).segments == ((0, 300), (300, 500))


def test_nothing_but_bad_spans_is_refused():
    raw = make_raw()
    raw.set_annotations(mne.Annotations(0, 10, "BAD_"))
    with pytest.raises(ValueError, match="no samples outside its BAD_ annotations"):
        read_signals(raw)


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


def test_nan_in_a_bad_channel_is_allowed_and_elsewhere_named():
    raw = make_raw(bads=["Cz"])
    raw.get_data()
    raw[1, 5] = np.nan
    assert read_signals(raw).usable.tolist() == [True, False, True]
    raw.info["bads"] = []
    with pytest.raises(ValueError, match=r"NaN or inf in channel\(s\) Cz"):
        read_signals(raw)


@pytest.mark.parametrize(
    ("x", "sfreq", "error", "message"),
    [
        (np.zeros((2, 3)), None, ValueError, "sfreq must be given"),
        (np.zeros((2, 3)), -1, ValueError, "sfreq must be a number > 0, got -1"),
        (np.zeros(3), SFREQ, ValueError, r"X must have shape .* got \(3,\)"),
        (np.zeros((0, 2, 3)), SFREQ, ValueError, "X holds no data"),
        ([[1, 2]], SFREQ, TypeError, "X must be .* got list"),
    ],
)
def test_bad_arrays_are_refused(x, sfreq, error, message):
    with pytest.raises(error, match=message):
        read_signals(x, sfreq=sfreq)


def test_contradicting_sfreq_is_refused():
    with pytest.raises(ValueError, match="recording's own 100 Hz, got 50"):
        read_signals(make_raw(), sfreq=50)


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
        ({"x": ["Pz"]}, ValueError, r"by\['x'\] must name channels .* got \['Pz'\]"),
        ({"x": []}, ValueError, r"by\['x'\] must name channels"),
    ],
)
def test_groups_refused(by, error, message):
    with pytest.raises(error, match=message):
        channel_groups(["Oz"], by)


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


def test_ranges_are_cut():
    assert cut(3, 10, 3) == [(3, 6), (6, 9), (9, 10)]
    assert cut(3, 3, 3) == []
