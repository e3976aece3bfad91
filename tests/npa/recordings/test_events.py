"""Events are matched with labels by code, or by the parts of their descriptions."""

import mne
import numpy as np
import pytest
from noise_recording import make_raw

from npa.recordings.events import available_events, check_labels, label_events


@pytest.fixture
def raw():
    """A recording with two annotations, and one code on the trigger channel."""
    raw = make_raw()
    raw[-1] = 0
    raw[-1, 300] = 7
    return raw.set_annotations(mne.Annotations([1.0, 2.0], 0, ["face/up", "upper"]))


def test_descriptions_come_before_codes(raw):
    assert available_events(raw) == ["face/up", "upper", 7]
    epochs = mne.EpochsArray(np.zeros((1, 1, 5)), mne.create_info(1, 10.0), event_id={"face": 1})
    assert available_events(epochs) == ["face", 1]


@pytest.mark.parametrize(
    ("wanted", "samples"),
    [
        ({"a": ("up",)}, [100]),
        ({"a": ("up/face",), "b": ("upper",)}, [100, 200]),
        ({"a": (7,)}, [300]),
    ],
)
def test_labels_match_whole_parts_or_codes(raw, wanted, samples):
    _, events = label_events(raw, wanted)
    assert events[:, 0].tolist() == samples
    assert events[:, 2].tolist() == list(range(len(wanted)))


def test_a_label_without_events_is_named(raw):
    check_labels("a.fif", raw, {"face": ("face",), "seven": (7,)})
    with pytest.raises(ValueError, match=r"a\.fif holds no house \(events 'house', 8\); there are"):
        check_labels("a.fif", raw, {"face": ("face",), "house": ("house", 8)})


def with_triggers(*codes, spacing=100):
    """Make a recording whose trigger channel holds each code for ``spacing`` samples."""
    raw = make_raw(spacing * len(codes))
    raw[-1] = np.repeat(codes, spacing)
    return raw


@pytest.mark.parametrize(
    ("codes", "ones", "twos"),
    [
        ((0, 1, 2, 1, 2), [100, 300], [200, 400]),  # held until the next
        ((1, 0, 1, 0, 2), [0, 200], [400]),  # high at the first sample
        ((0, 2, 1, 0, 2), [200], [100, 400]),  # falls
        ((255, 1, 255, 2, 255, 1), [100, 500], [300]),  # falls from a resting level
    ],
)
def test_codes_are_found_however_the_trigger_channel_holds_them(codes, ones, twos):
    _, events = label_events(with_triggers(*codes), {"one": (1,), "two": (2,)})
    assert events[events[:, 2] == 0, 0].tolist() == ones
    assert events[events[:, 2] == 1, 0].tolist() == twos


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ((0, 1, 3, 2, 0, 2), r"1 event\(s\) of code\(s\) 2 directly follow code\(s\) 3"),
        ((0, 1, 3, 1, 0, 2), r"1 event\(s\) of code\(s\) 1 directly .*; 1 .* not counted as 2"),
    ],
)
def test_overlapping_triggers_are_named(codes, message):
    with pytest.warns(RuntimeWarning, match=message):
        label_events(with_triggers(*codes), {"one": (1,), "two": (2,)})


def test_two_labels_at_one_sample_are_refused_and_one_label_counts_once():
    raw = make_raw().set_annotations(mne.Annotations([1, 2, 2, 4], 0, ["a", "b", "a", "b"]))
    with pytest.raises(ValueError, match=r"'a' and 'b' are at the same sample, first at 2\.000 s"):
        label_events(raw, {"a": ("a",), "b": ("b",)})
    rows, events = label_events(raw, {"both": ("a", "b")})
    assert events[:, 0].tolist() == [100, 200, 400]
    assert len(rows) == 3


@pytest.mark.parametrize("status", [2**16, 2**16 + 512, 2**20 + 2**17])
def test_status_bits_that_are_always_high_do_not_count(status):
    raw = with_triggers(status, status + 3, status, status + 4, status)
    assert available_events(raw) == [3, 4]
    assert label_events(raw, {"a": (3,), "b": (4,)})[1].tolist() == [[100, 0, 0], [300, 0, 1]]
    first = with_triggers(status + 3, status)  # high at the first sample
    assert label_events(first, {"a": (3,)})[1].tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("codes", [(1, 3, 1, 3), (2**15, 2**15 + 1, 2**15), (0, 2**16, 0, 2**16)])
def test_levels_that_are_held_stay_codes(codes):
    assert available_events(with_triggers(*codes)) == sorted(set(codes) - {0})
