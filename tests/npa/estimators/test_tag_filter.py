"""Components that carry the response to a tag, and no bias where there is none."""

import mne
import numpy as np
import pytest
from estimator_checks import scikit_learn_checks
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from npa import FrequencyTagger, TagFilter

SFREQ, TAG = 100.0, 10.0


@scikit_learn_checks(TagFilter(0.2, sfreq=1.0), ignore=["TagFilter has 1 usable"])
def test_scikit_learn(estimator, check):
    check(estimator)


def epochs_of(rng, n_epochs=16, n_channels=12, amplitude=0.0, n_times=300):
    """Shared and own noise; a response at the tag with a pattern of its own."""
    noise = rng.normal(size=(n_channels, 3)) @ rng.normal(size=(n_epochs, 3, n_times))
    noise = noise + 0.3 * rng.normal(size=noise.shape)
    pattern = rng.normal(size=(n_channels, 1))
    response = np.sin(2 * np.pi * TAG * np.arange(n_times) / SFREQ)
    return noise + amplitude * pattern * response, pattern[:, 0]


def as_mne(x, names=None):
    info = mne.create_info(names or [f"E{n}" for n in range(x.shape[1])], SFREQ, "eeg")
    events = np.c_[np.arange(len(x)) * 1000, np.zeros(len(x), int), np.ones(len(x), int)]
    return mne.EpochsArray(x, info, events, tmin=-0.5, event_id={"flicker": 1}, verbose=False)


def test_the_response_and_its_pattern_are_found():
    x, pattern = epochs_of(np.random.default_rng(0), amplitude=0.2)
    report = TagFilter(TAG, sfreq=SFREQ).fit(x).tag_filters_
    assert report.snr[0] > 5 * report.fits[0].channel_snr.max()
    assert np.corrcoef(report.patterns[0], pattern)[0, 1] > 0.95
    assert np.abs(report.patterns).max() == pytest.approx(1)
    frame = report.to_frame()
    assert frame.loc[0, "gain"] == pytest.approx(frame.loc[0, "snr"] / frame.loc[0, "channel_snr"])


def test_the_component_has_the_amplitude_of_the_strongest_channel():
    x, pattern = epochs_of(np.random.default_rng(0), amplitude=0.5)
    component = TagFilter(TAG, sfreq=SFREQ).fit(x).transform(x).mean(axis=(0, 1))
    amplitude = 2 * np.abs(np.fft.rfft(component))[30] / 300
    assert amplitude == pytest.approx(0.5 * np.abs(pattern).max(), rel=0.1)


def test_without_a_response_the_snr_is_1():
    """In the epochs that the filter was fitted to it is far above."""
    crossed, fitted, tested = [], [], []
    rng = np.random.default_rng(0)
    tagger = FrequencyTagger(TAG, n_harmonics=1, max_order=1, power=True, sfreq=SFREQ)
    for _ in range(60):
        x, _ = epochs_of(rng, n_epochs=10)
        tag_filter = TagFilter(TAG, sfreq=SFREQ)
        crossed.append(tagger.fit(tag_filter.fit_transform(x)).tags_.ratio[0, 0])
        fitted.append(tagger.fit(tag_filter.transform(x)).tags_.ratio[0, 0])
        tested.append(tag_filter.tag_filters_.snr[0])
    error = np.std(crossed) / np.sqrt(len(crossed))
    assert abs(np.mean(crossed) - 1) < 3 * error
    assert error < 0.1
    assert abs(np.mean(tested) - 1) < 0.3
    assert np.mean(fitted) > 1.5


def test_epochs_are_filtered_by_filters_of_the_others():
    x, _ = epochs_of(np.random.default_rng(1), n_epochs=6, amplitude=0.1)
    tag_filter = TagFilter(TAG, cv=6, sfreq=SFREQ)
    found = tag_filter.fit_transform(x)
    alone = clone(tag_filter).fit(x[1:]).transform(x[:1])
    scale = (found[0, 0] @ alone[0, 0]) / (alone[0, 0] @ alone[0, 0])
    np.testing.assert_allclose(found[0, 0], scale * alone[0, 0], rtol=1e-9, atol=1e-12)
    assert 0.5 < scale < 2


def test_a_pipeline_measures_components_by_name():
    x, _ = epochs_of(np.random.default_rng(0), amplitude=0.2)
    epochs = as_mne(x)
    epochs.info["bads"] = ["E3"]
    pipeline = make_pipeline(TagFilter((TAG, 7.0)), FrequencyTagger((TAG, 7.0), n_harmonics=1))
    table = pipeline.set_output(transform="pandas").fit_transform(epochs)
    assert list(table.columns[:2]) == ["tag_f1_snr_f1", "tag_f1_snr_f2"]
    assert table["tag_f1_snr_f1"].mean() > 3 * table["tag_f1_snr_f2"].mean()
    found = pipeline[0].transform(epochs)
    assert isinstance(found, mne.BaseEpochs)
    assert found.ch_names == ["tag_f1", "tag_f2"] == list(pipeline[0].get_feature_names_out())
    assert found.tmin == epochs.tmin
    assert found.event_id == epochs.event_id
    assert not pipeline[0].tag_filters_.filters[:, 3].any()


def test_channels_of_another_order_or_sign_give_the_same_component():
    x, _ = epochs_of(np.random.default_rng(2), amplitude=0.3)
    found = TagFilter(TAG, sfreq=SFREQ).fit_transform(x)
    other = TagFilter(TAG, sfreq=SFREQ).fit_transform(x[:, ::-1])
    np.testing.assert_allclose(other, found, rtol=1e-6, atol=1e-9)


def test_average_references_are_fitted():
    x, _ = epochs_of(np.random.default_rng(3), amplitude=0.3)
    x = x - x.mean(axis=1, keepdims=True)
    report = TagFilter(TAG, sfreq=SFREQ).fit(x).tag_filters_
    assert report.snr[0] > report.fits[0].channel_snr.max()


def test_a_raw_is_transformed_but_not_cross_validated():
    x, _ = epochs_of(np.random.default_rng(0), amplitude=0.3)
    epochs = as_mne(x)
    raw = mne.io.RawArray(x[0], epochs.info, verbose=False)
    raw.set_annotations(mne.Annotations([1.0], [0.0], ["flicker"]))
    found = TagFilter(TAG).fit(epochs).transform(raw)
    assert isinstance(found, mne.io.BaseRaw)
    assert list(found.annotations.description) == ["flicker"]
    with pytest.raises(ValueError, match="X must hold at least 2 epochs for fit_transform"):
        TagFilter(TAG).fit_transform(raw)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frequencies": 60.0}, r"frequencies\[0\] must be a number > 0 and < 50, got 60"),
        ({"frequencies": (10.0, 10.0)}, "at least one tag, all different"),
        ({"frequencies": TAG, "cv": 1}, "cv must be"),
        ({"frequencies": TAG, "signal_width": 0}, "signal_width must be"),
        ({"frequencies": TAG, "neighbor_distance": 0.1}, "X must hold at least 20 s"),
        ({"frequencies": TAG, "shrinkage": 2}, "shrinkage must be"),
    ],
)
def test_what_is_not_allowed_is_named(options, message):
    x, _ = epochs_of(np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        TagFilter(**options, sfreq=SFREQ).fit(x)


def test_one_channel_and_tags_on_the_line_warn():
    x, _ = epochs_of(np.random.default_rng(0))
    with pytest.warns(RuntimeWarning, match="has 1 usable channel"):
        found = TagFilter(TAG, sfreq=SFREQ).fit_transform(x[:, :1])
    np.testing.assert_array_equal(found, x[:, :1])
    with pytest.raises(ValueError, match="no channel to filter: all are marked bad, or flat"):
        TagFilter(TAG, sfreq=SFREQ).fit(0 * x)
    with pytest.warns(RuntimeWarning, match=r"power line: 50 Hz \(2 x 25 Hz\)"):
        TagFilter(25.0, sfreq=SFREQ + 20).fit(x)
