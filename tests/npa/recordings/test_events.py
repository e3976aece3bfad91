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
