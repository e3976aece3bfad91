"""Data leave MNE containers and come back unchanged."""

import mne
import numpy as np
import pytest
from noise_recording import SFREQ, make_raw

from npa.recordings.channels import picked_names
from npa.recordings.containers import (
    across_discontinuity,
    discontinuities,
    read_signals,
    write_signals,
)


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


def test_round_trip_keeps_the_input_and_the_other_channels():
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


@pytest.mark.parametrize("n_first", [300, 301])
def test_concatenation_cuts(n_first):
    raw = mne.concatenate_raws([make_raw(n_first), make_raw(200)])
    assert read_signals(raw).segments == ((0, n_first), (n_first, n_first + 200))


@pytest.mark.parametrize("first_samp", [0, 137])
@pytest.mark.parametrize(
    "description",
    [
        "boundary",
        "Boundary",
        "New Segment/",
        "New Segment/LostSamples",
        "New Segment",
        "BAD boundary",
        "EDGE boundary",
        "BAD_ACQ_SKIP",
    ],
)
def test_every_kind_of_discontinuity_cuts(description, first_samp):
    raw = mne.io.RawArray(make_raw().get_data(), make_raw().info, first_samp=first_samp)
    raw.set_annotations(mne.Annotations([0.0, 4.01, 6.0], 0.0, [description, description, "face"]))
    assert discontinuities(raw) == [401]
    signals = read_signals(raw)
    assert signals.segments == signals.clean_spans == ((0, 401), (401, 1000))
    epochs = mne.make_fixed_length_epochs(raw, 1.0, reject_by_annotation=False)
    assert across_discontinuity(epochs, raw).tolist() == [4]


def test_what_a_boundary_says_was_cut_out_is_not_in_the_recording():
    raw = make_raw()
    # EEGLAB's latency 403.5 is half-way between the samples 402 and 403, counted from 0.
    raw.set_annotations(mne.Annotations([4.025, 7.0], [3.0, 0.01], ["boundary", "New Segment/"]))
    signals = read_signals(raw)
    assert signals.segments == signals.clean_spans == ((0, 403), (403, 700), (700, 1000))
    raw.set_annotations(mne.Annotations([4.0], [2.0], ["BAD boundary"]))
    signals = read_signals(raw)
    assert signals.segments == ((0, 400), (400, 600), (600, 1000))
    assert signals.clean_spans == ((0, 400), (600, 1000))


def test_nan_under_a_bad_annotation_is_a_gap():
    raw = make_raw(bads=["Cz"])
    raw[0, 300:350] = np.nan
    raw[1, 600:610] = np.nan  # bad
    raw[2, 340:380] = np.inf
    with pytest.raises(ValueError, match=r"NaN or inf in channel\(s\) Fz, Oz"):
        read_signals(raw)
    raw.set_annotations(mne.Annotations([2.9, 5.0], [1.0, 1.0], ["BAD_NAN", "BAD_blink"]))
    for lazy in (False, True):
        signals = read_signals(raw, lazy=lazy)
        assert signals.segments == ((0, 1000),)
        assert signals.finite_segments == ((0, 300), (380, 1000))
        assert signals.gaps == ((300, 380),)
        assert signals.gap_channels == ("Fz", "Oz")
        assert signals.usable.tolist() == [True, False, True]
    # A sample outside of the annotation is still refused.
    raw[0, 395] = np.nan
    with pytest.raises(ValueError, match=r"NaN or inf in channel\(s\) Fz"):
        read_signals(raw)
    with pytest.raises(ValueError, match=r"NaN or inf in channel\(s\) Fz"):
        read_signals(raw, lazy=True).data[..., 350:400]


def test_only_bad_spans_is_refused():
    raw = make_raw()
    raw.set_annotations(mne.Annotations(0, 10, "BAD_"))
    with pytest.raises(ValueError, match="no samples outside its BAD_ annotations"):
        read_signals(raw)


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


def test_samples_to_be_read_only_are_not_copied():
    x = np.ones((3, 2, 50))
    epochs = mne.EpochsArray(x, mne.create_info(2, 10.0, "eeg"), verbose=False)
    for recording, options, samples in (
        (x, {"sfreq": 10.0}, x),
        (epochs, {}, epochs.get_data(copy=False)),
    ):
        signals = read_signals(recording, lazy=True, **options)
        assert np.shares_memory(signals.data, samples)
        assert not signals.data.flags.writeable
        assert samples.flags.writeable
        copied = read_signals(recording, **options)
        assert not np.shares_memory(copied.data, samples)
        copied.data[:] = 0
        assert (samples == 1).all()
