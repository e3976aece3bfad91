"""The range of a header, and what of a range lies within a pass band."""

import numpy as np
import pytest

from npa.spectral import PassBand, usable_range


@pytest.mark.parametrize(
    ("highpass", "lowpass", "expected"),
    [
        (0.0, 128.0, (0, 128)),
        (None, None, (0, 128)),
        (1.0, 40.0, (1, 40)),
        (0.1, 0.0, (0.1, 128)),  # EDF headers hold a 0
        (50.0, 30.0, (50, 128)),
        (0.0, 200.0, (0, 128)),
        (np.nan, np.nan, (0, 128)),
    ],
)
def test_range_of_the_header(highpass, lowpass, expected):
    assert usable_range(256.0, highpass, lowpass) == expected


def test_pass_band_holds_and_limits():
    band = PassBand(1.0, 40.0, "header")
    assert band.holds((0.96, 41.9))
    assert not band.holds((0.94, 40))
    assert not band.holds((1, 42.1))
    assert band.limit((0.5, 45)) == (1.0, 40.0)
    assert band.limit((2, 41)) == (2, 41)
    assert band.limit((45, 50)) is None
    assert str(band) == "1-40 Hz (header)"


def test_what_is_flat_is_usable():
    band = PassBand(0.0, 33.0, "spectrum", (0.0, 30.0))
    assert not band.holds((1, 33))
    assert band.limit((1, 45)) == (1, 30.0)
    assert band.usable == (0.0, 30.0)
    assert str(band) == "0-33 Hz (spectrum)"
