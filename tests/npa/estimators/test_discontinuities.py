"""Nothing is filtered, fitted or measured across a discontinuity, or across NaN under ``BAD_``."""

import mne
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from npa import (
    BlinkICARemover,
    FOOOFFitter,
    FrequencyTagger,
    LineNoiseRemover,
    NeuralPowerAmplifier,
    PSDExponent,
    transform_to,
)
from npa.datasets import simulate_recording

SFREQ = 128.0
CUT = 30.0  # s
GAP = slice(2500, 2600)
FITS = [FOOOFFitter(), PSDExponent((2, 40))]
TRANSFORMS = [
    LineNoiseRemover(50.0, window=2.0),
    NeuralPowerAmplifier(FOOOFFitter(), response="whitening"),
    NeuralPowerAmplifier(FOOOFFitter(), response="whitening", per_channel=True),
    BlinkICARemover(),
]


@pytest.fixture(scope="module")
def raw():
    """A minute with a jump of the electrodes' offsets after half of it."""
    raw, _ = simulate_recording(duration=60, sfreq=SFREQ, line_freq=50.0, random_state=2)
    data = raw.get_data()
    data[:, int(CUT * SFREQ) :] += 300e-6
    return mne.io.RawArray(data, raw.info)


def annotated(raw, description, duration=0.0):
    return raw.copy().set_annotations(mne.Annotations(CUT, duration, description))


@pytest.mark.parametrize("description", ["boundary", "New Segment/", "BAD boundary"])
@pytest.mark.parametrize("estimator", FITS + TRANSFORMS, ids=str)
def test_discontinuities_of_other_systems_are_those_of_mne(raw, estimator, description):
    expected = clone(estimator).fit_transform(annotated(raw, "EDGE boundary"))
    out = clone(estimator).fit_transform(annotated(raw, description))
    if isinstance(out, mne.io.BaseRaw):
        expected, out = expected.get_data(), out.get_data()
    assert_array_equal(out, expected)


@pytest.mark.parametrize("description", ["boundary", "New Segment/"])
def test_the_jump_is_not_smeared(raw, description):
    """The segments are transformed as if each were a recording of its own."""
    amplifier = NeuralPowerAmplifier(FOOOFFitter(), response="whitening")
    amplifier.fit(annotated(raw, description))
    out = amplifier.transform(annotated(raw, description)).get_data(picks="eeg")
    first = amplifier.transform(raw.copy().crop(0, CUT, include_tmax=False))
    assert_allclose(out[:, : int(CUT * SFREQ)], first.get_data(picks="eeg"), rtol=1e-9, atol=1e-18)
    across = amplifier.transform(raw).get_data(picks="eeg")
    near = slice(int((CUT - 1) * SFREQ), int((CUT + 1) * SFREQ))
    assert np.abs(out[:, near]).max() < 0.5 * np.abs(across[:, near]).max()


@pytest.mark.parametrize("description", ["boundary", "New Segment/", "BAD_ACQ_SKIP"])
def test_tagger_refuses_an_interrupted_recording(raw, description):
    with pytest.raises(ValueError, match="one uninterrupted span"):
        FrequencyTagger(10.0).fit(annotated(raw, description))


def with_gap(raw, channels):
    """Make samples NaN, and annotate them as MNE does."""
    raw = raw.copy()
    raw._data[channels, GAP] = np.nan
    return raw.set_annotations(mne.preprocessing.annotate_nan(raw))


@pytest.mark.parametrize("estimator", FITS, ids=str)
def test_fits_ignore_nan_under_bad_annotations(raw, estimator):
    bad = mne.Annotations(GAP.start / SFREQ, (GAP.stop - GAP.start) / SFREQ, "BAD_jump")
    expected = clone(estimator).fit_transform(raw.copy().set_annotations(bad))
    assert_allclose(clone(estimator).fit_transform(with_gap(raw, slice(None))), expected)


@pytest.mark.parametrize("estimator", TRANSFORMS, ids=str)
def test_transforms_take_nan_for_a_gap(raw, estimator, tmp_path):
    gappy = with_gap(raw, slice(None))
    estimator = clone(estimator).fit(gappy)
    transformed = estimator.transform(gappy)
    out = transformed.get_data(picks="eeg")
    assert np.isnan(out[:, GAP]).all()
    assert np.isfinite(np.delete(out, np.arange(GAP.start, GAP.stop), axis=1)).all()
    # Both sides are transformed as recordings of their own.
    for side in (slice(0, GAP.start), slice(GAP.stop, None)):
        alone = mne.io.RawArray(gappy.get_data()[:, side], raw.info)
        expected = estimator.transform(alone).get_data(picks="eeg")
        assert_allclose(out[:, side], expected, rtol=1e-9, atol=1e-18)
    gappy.save(tmp_path / "a_raw.fif", fmt="double")
    source = mne.io.read_raw_fif(tmp_path / "a_raw.fif")
    written = transform_to(estimator, source, tmp_path / "b_raw.fif", max_memory="20MB")
    assert_allclose(
        written.get_data(picks="eeg"), out, rtol=1e-6, atol=1e-6 * np.nanstd(out), equal_nan=True
    )


def test_nan_in_some_channels_becomes_nan_in_all_with_a_warning(raw):
    gappy = with_gap(raw, [0, 2])
    remover = LineNoiseRemover(50.0).fit(gappy)
    names = f"{raw.ch_names[0]}, {raw.ch_names[2]}"
    with pytest.warns(RuntimeWarning, match=rf"NaN for 0.781 s in all \d+ .* where {names} hold"):
        out = remover.transform(gappy).get_data(picks="eeg")
    assert np.isnan(out[:, GAP]).all()
    gappy.info["bads"] = [raw.ch_names[0], raw.ch_names[2]]
    with pytest.raises(ValueError, match=rf"bad channel\(s\) {names}, which were good at fit"):
        remover.transform(gappy)
    out = remover.fit_transform(gappy).get_data(picks="eeg")
    assert np.isfinite(np.delete(out, [0, 2], axis=0)).all()


def test_multiples_of_the_line_end_below_nyquist():
    x = np.random.default_rng(0).normal(size=(1, 1, 2000))
    # 3 x 10.1 Hz is the Nyquist frequency but for rounding.
    assert LineNoiseRemover(10.1, sfreq=60.6).fit(x).freqs_.tolist() == [10.1, 20.2]
