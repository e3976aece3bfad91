"""Channels are grouped by their names."""

import pytest

from npa.recordings.channels import channel_groups


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
