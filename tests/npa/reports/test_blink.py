"""The report of blinks suspects what it should, and draws what fits."""

import mne
import numpy as np
import pytest

from npa.reports import BlinkReport


def report(**kwargs):
    info = mne.create_info(["Fp1", "Oz"], 100.0, "eeg")
    parts = {"found": False, "eog_names": ("virtual EOG (Fp1)",), "n_blinks": (5,)}
    return BlinkReport(**parts | {"ch_names": ("Fp1", "Oz"), "info": info} | kwargs)


@pytest.mark.parametrize(("height", "suspected"), [(52e-6, False), (68e-6, True)])
def test_refused_peaks_as_high_as_blinks_are_suspected(height, suspected):
    before = height * np.hanning(11)
    assert report(before=before).suspected == suspected
    assert not report(before=before, found=True).suspected
    assert not report().suspected


@pytest.mark.parametrize(("n_components", "n_shown"), [(12, 12), (20, 16)])
def test_sixteen_candidates_are_drawn_at_most(n_components, n_shown):
    r_squared = np.linspace(0.9, 0.1, n_components)[np.newaxis]
    figure = report(r_squared=r_squared, reason="too few").plot()
    assert len(figure.axes[2].patches) == n_shown


def test_score_is_the_geometric_mean_of_what_is_known():
    scores = np.array([[0.5, 0.8, 0.9, 0.6], [0.5, 0.8, np.nan, 0.6], [np.nan] * 4])
    names = ("a", "b", "c")
    expected = [0.216**0.25, 0.24 ** (1 / 3), np.nan]
    np.testing.assert_allclose(report(scores=scores, eog_names=names).score, expected)
