"""Line noise is removed, and nothing else is."""

import mne
import numpy as np
import pytest
from estimator_checks import scikit_learn_checks
from sklearn.pipeline import make_pipeline

from npa.datasets import simulate_recording
from npa.estimators.exponent import PSDExponent
from npa.estimators.line_noise import LineNoiseRemover
from npa.spectral import psd

SFREQ = 256.0
QUIET = {"blink_rate": 0, "eog": True, "ch_names": ["Fz", "Cz", "Oz"], "sfreq": SFREQ}


@scikit_learn_checks(
    LineNoiseRemover(0.4, window=40.0, sfreq=1.0), ignore=["LineNoiseRemover left"]
)
def test_scikit_learn(estimator, check):
    check(estimator)


def sinusoid(x, freq):
    """Amplitude of a sinusoid in the last axis, by least squares."""
    phase = 2 * np.pi * freq * np.arange(x.shape[-1]) / SFREQ
    basis = np.stack([np.sin(phase), np.cos(phase)], axis=-1)
    return np.hypot(*np.linalg.lstsq(basis, x.T, rcond=None)[0])


@pytest.fixture(scope="module")
def clean():
    """Forty seconds without hum."""
    return simulate_recording(duration=40, random_state=1, **QUIET)[0]


def with_hum(clean, amplitude=5e-6, freq=50.0, start=0):
    """Add a line and its first harmonic to the EEG channels, from sample ``start``."""
    data, phase = clean.get_data(), 2 * np.pi * freq * clean.times
    hum = amplitude * (np.sin(phase) + np.sin(2 * phase + 1) / 2)
    data[:3, start:] += hum[start:]
    return mne.io.RawArray(data, clean.info)


def test_line_and_harmonic_are_removed(clean):
    remover = LineNoiseRemover(50.0)
    found = remover.fit_transform(with_hum(clean)).get_data("eeg")
    np.testing.assert_array_equal(remover.freqs_, [50.0, 100.0])
    assert (sinusoid(found, 50.0) < 0.05 * 5e-6).all()  # 26 dB
    assert (sinusoid(found, 100.0) < 0.1 * 2.5e-6).all()  # 20 dB


@pytest.mark.parametrize("sfreq", [160.0, 250.0, 256.0, 500.0, 512.0])
@pytest.mark.parametrize("n_times", [201, 512, 2000, 7777])
def test_pure_lines_vanish_in_segments_of_any_length(sfreq, n_times):
    hum = np.sin(2 * np.pi * 50 * np.arange(n_times) / sfreq + 0.3)[np.newaxis]
    found = LineNoiseRemover([50.0], sfreq=sfreq).fit_transform(hum)
    assert np.sqrt(np.mean(found**2)) < 0.05 * np.sqrt(0.5)  # 26 dB


def test_spectrum_beside_the_line_is_unchanged(clean):
    found = LineNoiseRemover(50.0).fit_transform(with_hum(clean))
    freqs, before = psd(clean.get_data("eeg"), SFREQ, freq_range=(1, 120))
    _, after = psd(found.get_data("eeg"), SFREQ, freq_range=(1, 120))
    beside = (np.abs(freqs - 50) > 1) & (np.abs(freqs - 100) > 1.5)
    np.testing.assert_allclose(10 * np.log10(after / before)[:, beside], 0, atol=0.1)  # dB


def test_a_number_includes_its_harmonics_and_a_list_does_not(clean):
    raw = with_hum(clean)
    np.testing.assert_array_equal(LineNoiseRemover([50.0]).fit(raw).freqs_, [50.0])
    np.testing.assert_array_equal(LineNoiseRemover(30).fit(raw).freqs_, [30, 60, 90, 120])
    left = LineNoiseRemover([50.0]).fit_transform(raw).get_data("eeg")
    np.testing.assert_allclose(sinusoid(left, 100.0), 2.5e-6, rtol=0.1)


def test_other_channels_are_untouched(clean):
    raw = with_hum(clean)
    found = LineNoiseRemover().fit_transform(raw)
    np.testing.assert_array_equal(found.get_data("eog"), raw.get_data("eog"))
    assert found.ch_names == raw.ch_names


def test_nothing_crosses_an_interruption(clean):
    """Before the gap there is no hum: removal of that behind it must not write any there."""
    middle = 5000
    raw = with_hum(clean, amplitude=1e-3, start=middle)
    alone = clean.copy().crop(tmax=(middle - 1) / SFREQ)
    raw.set_annotations(mne.Annotations(middle / SFREQ, 0, "EDGE boundary"))
    remover = LineNoiseRemover().fit(raw)
    found = remover.transform(raw).get_data("eeg")[:, :middle]
    np.testing.assert_array_equal(found, remover.transform(alone).get_data("eeg"))


def test_skipped_samples_and_short_segments_stay(clean):
    raw = with_hum(clean)
    raw.set_annotations(mne.Annotations([10, 12.05], [2, 2], ["BAD_ACQ_SKIP"] * 2))
    with pytest.warns(RuntimeWarning, match=r"left 1 segment.* fewer than 8 periods .*13 samples"):
        found = LineNoiseRemover().fit_transform(raw)
    span = slice(round(10 * SFREQ), round(14.05 * SFREQ))
    np.testing.assert_array_equal(found.get_data()[:, span], raw.get_data()[:, span])
    assert (sinusoid(found.get_data("eeg")[:, 4000:], 50.0) < 0.1 * 5e-6).all()


def test_epochs_are_fitted_separately(clean):
    epochs = mne.make_fixed_length_epochs(with_hum(clean), 2.0, preload=True)
    found = LineNoiseRemover().fit_transform(epochs)
    one = LineNoiseRemover().fit(epochs).transform(epochs[3])
    np.testing.assert_array_equal(found.get_data()[3], one.get_data()[0])
    quiet = np.median(sinusoid(found.get_data("eeg").reshape(-1, 512), 50.0))
    assert quiet < 0.1 * 5e-6


def test_arrays(clean):
    x = with_hum(clean).get_data("eeg")[np.newaxis]
    found = LineNoiseRemover(sfreq=SFREQ).fit_transform(x)
    expected = LineNoiseRemover().fit_transform(with_hum(clean)).get_data("eeg")
    np.testing.assert_allclose(found[0], expected, atol=1e-15)


def test_bad_channels_are_cleaned_and_those_with_nan_unchanged(clean):
    raw = with_hum(clean)
    raw.info["bads"] = ["Fz", "Oz"]
    raw.apply_function(lambda x: np.where(np.arange(len(x)) == 100, np.nan, x), picks=["Oz"])
    found = LineNoiseRemover().fit_transform(raw).get_data("eeg")
    assert sinusoid(found[:1], 50.0)[0] < 0.05 * 5e-6
    np.testing.assert_array_equal(found[2], raw.get_data("eeg")[2])


def test_input_is_unchanged_and_pipelines_give_tables(clean):
    raw = with_hum(clean)
    before = raw.get_data().tobytes()
    pipeline = make_pipeline(LineNoiseRemover(), PSDExponent((2, 40)))
    table = pipeline.set_output(transform="pandas").fit_transform(raw)
    assert list(table.columns) == ["Fz_slope", "Cz_slope", "Oz_slope"]
    assert raw.get_data().tobytes() == before


@pytest.mark.parametrize(
    ("freqs", "message"),
    [
        (128.0, "freqs must be a number > 0 and < 128, got 128"),
        ([50.0, 150.0], r"freqs\[1\] must be a number > 0 and < 128, got 150"),
        ([], "at least one frequency"),
        (-50, "freqs must be"),
    ],
)
def test_bad_frequencies_are_named(freqs, message, clean):
    with pytest.raises(ValueError, match=message):
        LineNoiseRemover(freqs).fit(clean)


def test_short_windows_are_named(clean):
    with pytest.raises(ValueError, match="window must be a number >= 0.16, got 0.1"):
        LineNoiseRemover(window=0.1).fit(clean)


def test_strings_are_not_frequencies(clean):
    with pytest.raises(TypeError, match="freqs must be a number, got '50'"):
        LineNoiseRemover("50").fit(clean)
