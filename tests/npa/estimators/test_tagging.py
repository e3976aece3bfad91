"""Responses to frequency tags are found where they are, and nowhere else."""

import re

import mne
import numpy as np
import pytest
from estimator_checks import scikit_learn_checks
from scipy.stats import false_discovery_control
from sklearn.pipeline import make_pipeline

from npa.estimators.tagging import FrequencyTagger

SFREQ = 120.0
EPS = np.finfo(float).eps


@scikit_learn_checks(
    FrequencyTagger(1 / 3, measure="amplitude", crop=True, sfreq=1.0),
    ignore=["FrequencyTagger has no value", "FrequencyTagger leaves"],
)
def test_scikit_learn(estimator, check):
    check(estimator)


def sines(frequencies, n_times=240):
    """One unit sine a row."""
    return np.sin(2 * np.pi * np.outer(frequencies, np.arange(n_times) / SFREQ) + 0.3)


def noise(n_epochs, n_times, seed, exponent=0.0):
    """Noise of power f^-exponent (n_epochs, 1, n_times), cut out of records twice as long."""
    rng = np.random.default_rng(seed)
    freqs = np.fft.rfftfreq(2 * n_times, 1 / SFREQ)
    gain = np.r_[0, freqs[1:] ** (-exponent / 2)]
    spectrum = gain * rng.normal(size=(2, n_epochs, 1, len(freqs)))
    x = np.fft.irfft(spectrum[0] + 1j * spectrum[1])[..., :n_times]
    return x / x.std()


def as_raw(x, ch_names=("Fz", "Oz")):
    return mne.io.RawArray(x, mne.create_info(list(ch_names), SFREQ, "eeg"))


@pytest.mark.parametrize("power", [False, True])
def test_amplitude_of_a_sine(power):
    x = np.array([[[3.0]], [[5.0]]]) * sines([6.0])
    tagger = FrequencyTagger((6, 7.5), measure="amplitude", power=power, sfreq=SFREQ)
    table = tagger.set_output(transform="pandas").fit_transform(x)
    expected = np.array([3.0, 5.0]) ** (2 if power else 1)
    np.testing.assert_allclose(table["ch0_amplitude_f1"], expected, rtol=1e-12)
    np.testing.assert_allclose(table.drop(columns="ch0_amplitude_f1"), 0, atol=1e-13)


def test_columns_are_named():
    raw = as_raw(noise(2, 1200, 0)[:, 0])
    tagger = FrequencyTagger((6, 7.5), n_harmonics=2, max_order=3)
    table = make_pipeline(tagger).set_output(transform="pandas").fit_transform(raw)
    terms = ["f1", "2f1", "f2", "2f2", "f1+f2", "f2-f1", "2f1+f2", "2f1-f2", "f1+2f2", "2f2-f1"]
    assert list(table.columns) == [f"{ch}_snr_{t}" for ch in ("Fz", "Oz") for t in terms]
    assert table.shape == (1, 20)
    named = FrequencyTagger(6, measure="zscore").fit(raw).get_feature_names_out()
    harmonics = ["f1", "2f1", "3f1", "4f1"]
    assert list(named) == [f"{ch}_zscore_{term}" for ch in ("Fz", "Oz") for term in harmonics]


def test_terms_at_nyquist_are_left_out():
    tags = FrequencyTagger(20, sfreq=SFREQ).fit(noise(3, 240, 0)).tags_
    assert [term.name for term in tags.terms] == ["f1", "2f1"]


@pytest.mark.parametrize("measure", ["snr", "zscore", "bca"])
@pytest.mark.parametrize("power", [False, True])
def test_measures_equal_values_by_hand(measure, power):
    x = noise(4, 1200, 1)
    tagger = FrequencyTagger(6, n_harmonics=1, measure=measure, power=power, sfreq=SFREQ)
    amplitude = 2 / 1200 * np.abs(np.fft.fft(x[:, 0]))
    spectrum = amplitude**2 if power else amplitude
    beside, signal = spectrum[:, [56, 57, 58, 62, 63, 64]], spectrum[:, 60]
    by_hand = {
        "snr": signal / beside.mean(1),
        "zscore": (signal - beside.mean(1)) / beside.std(1, ddof=1),
        "bca": signal - beside.mean(1),
    }
    np.testing.assert_allclose(tagger.fit_transform(x)[:, 0], by_hand[measure], rtol=1e-10)


@pytest.mark.parametrize("tags", [(5.0,), (6.0, 7.5), (5.0, 6.7, 8.15)])
def test_every_term_of_a_nonlinear_response_is_found(tags):
    response = np.exp(2.0 * sines(tags, 2400)).prod(axis=0)  # has terms of every order
    x = response + 0.5 * noise(10, 2400, 2, exponent=1.0)
    tags_ = FrequencyTagger(tags, sfreq=SFREQ).fit(x).tags_
    assert not tags_.collisions
    table = tags_.to_frame()
    assert table["significant"].all(), table[~table["significant"]]
    for term, frequency in zip(table["term"], table["frequency"], strict=True):
        place = round(frequency * 20)
        assert tags_.amplitude[0, place - 1 : place + 2].argmax() == 1, term


@pytest.mark.parametrize("tags", [(6.0, 7.5), (5.0, 6.7, 8.15)])
def test_linear_response_has_no_other_terms(tags):
    false = []
    for seed in range(20):
        x = sines(tags, 2400).sum(axis=0) + 0.5 * noise(10, 2400, seed)
        found = FrequencyTagger(tags, sfreq=SFREQ).fit(x).tags_.significant[0]
        at_tags = [4 * index for index in range(len(tags))]
        assert found[at_tags].all()
        false.append(1 - len(tags) / found.sum())
    assert np.mean(false) <= 0.08  # false discoveries among discoveries; 5 % are allowed for


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_noise_alone_has_no_terms(exponent):
    """A sample of benchmarks/tagging_false_alarms.py."""
    tagger = FrequencyTagger((6, 7.5), sfreq=SFREQ)
    alarms = [
        tagger.fit(noise(5, 480, seed, exponent)).tags_.significant.any() for seed in range(50)
    ]
    assert np.mean(alarms) <= 0.08


def test_false_discovery_counts_a_bin_once():
    x = noise(5, 1200, 4)
    tags = FrequencyTagger((10, 20), n_harmonics=2, max_order=3, sfreq=SFREQ).fit(x).tags_
    assert tags.collisions[20.0] == ("2f1", "f2")
    frame = tags.to_frame()
    unique = frame.assign(bin=(10 * frame["frequency"]).round()).drop_duplicates("bin")
    corrected = false_discovery_control(unique["p"])
    np.testing.assert_allclose(unique["p_fdr"], corrected, rtol=1e-12)
    same = frame.set_index("term")
    assert same.loc["2f1", "p_fdr"] == same.loc["f2", "p_fdr"]
    assert same.loc["2f1", "collides"] == "f2"


def test_noiseless_network_is_bounded():
    """Units that follow the left half, the right, both, their product, and nothing."""
    left, right = sines([6.0, 7.5])
    units = [np.maximum(left, 0), right, left + right, left * right, 0 * left, 1 + 0 * left]
    with pytest.warns(RuntimeWarning, match="flat channel.*ch4, ch5"):
        tagger = FrequencyTagger((6, 7.5), sfreq=SFREQ).fit(np.stack(units)[np.newaxis])
    values = tagger.tags_.to_frame().pivot(index="channel", columns="term", values="snr")
    assert values.drop(index=["ch4", "ch5"]).notna().all(axis=None)
    assert values.loc[["ch4", "ch5"]].isna().all(axis=None)
    assert values.max(axis=None) <= 2 / EPS
    found = {unit: set(row.index[row > 100]) for unit, row in values.iterrows()}
    assert found == {
        "ch0": {"f1", "2f1", "4f1"},  # a half-wave has even harmonics only
        "ch1": {"f2"},
        "ch2": {"f1", "f2"},
        "ch3": {"f1+f2", "f2-f1"},
        "ch4": set(),
        "ch5": set(),
    }


def test_rounding_is_not_power():
    x = 1 + EPS * np.random.default_rng(0).integers(-1, 2, size=(2, 1, 240))
    assert np.isnan(FrequencyTagger((6, 7.5), sfreq=SFREQ).fit_transform(x)).all()


def test_bad_channels_and_flat_epochs_are_nan():
    x = np.repeat(noise(3, 240, 5), 3, axis=1)
    x[1, 0] = 0.0
    epochs = mne.EpochsArray(x, mne.create_info(["Fz", "Cz", "Oz"], SFREQ, "eeg"))
    epochs.info["bads"] = ["Oz"]
    tagger = FrequencyTagger(6, max_order=1, n_harmonics=1)
    table = tagger.set_output(transform="pandas").fit_transform(epochs)
    np.testing.assert_array_equal(table["Fz_snr_f1"].isna(), [False, True, False])
    assert table["Oz_snr_f1"].isna().all()
    one = FrequencyTagger(6, max_order=1, n_harmonics=1).fit(epochs[[0, 2]]).tags_
    np.testing.assert_allclose(tagger.tags_.p[0], one.p[0], rtol=1e-12)


def test_scores_and_threshold():
    x = noise(5, 1200, 6).repeat(2, axis=1)
    x[:, 1] += np.exp(sines([6, 7.5], 1200)).prod(axis=0)
    tagger = FrequencyTagger((6, 7.5), threshold=1.5, sfreq=SFREQ)
    table = tagger.fit_transform(x).reshape(5, 2, -1)
    np.testing.assert_allclose(tagger.tags_.scores, table.mean(axis=(0, 2)), rtol=1e-12)
    np.testing.assert_allclose(tagger.tags_.values, table.mean(axis=0), rtol=1e-12)
    assert tagger.tags_.above == ("ch1",)
    assert FrequencyTagger(6, sfreq=SFREQ).fit(x).tags_.above is None


def test_crop_reads_whole_periods():
    x = noise(3, 257, 7) + sines([6.0], 257)
    cropped = FrequencyTagger((6, 7.5), crop=True, sfreq=SFREQ).fit_transform(x)
    whole = FrequencyTagger((6, 7.5), sfreq=SFREQ).fit_transform(x[..., :240])
    np.testing.assert_array_equal(cropped, whole)


@pytest.mark.parametrize(
    ("n_times", "tags", "advice"),
    [
        (
            257,
            (6, 7.5),
            "7.5 Hz at bin 16.062; crop=True would read the first 240 samples (2 s) of every "
            "epoch and epochs of 320 samples (2.66667 s) would hold whole periods of all tags.",
        ),
        (60, (6, 7.5), "; epochs of 80 samples (0.666667 s) would hold whole periods"),
        (240, (6, np.pi), "no similar length holds whole periods"),
    ],
)
def test_tags_off_the_bins_are_refused(n_times, tags, advice):
    with pytest.raises(ValueError, match=re.escape(advice)):
        FrequencyTagger(tags, sfreq=SFREQ).fit(noise(2, n_times, 0))


def test_terms_off_the_bins_are_reported():
    tagger = FrequencyTagger((6.004, 7.5), max_order=1, sfreq=SFREQ)
    with pytest.warns(RuntimeWarning, match=r"off their bins.*2f1 \(\+0\.016\)"):
        frame = tagger.fit(noise(2, 240, 0)).tags_.to_frame()
    assert list(frame.loc[frame["off_bin"], "term"]) == ["2f1", "3f1", "4f1"]


def test_terms_without_neighbors_are_nan_and_named():
    tagger = FrequencyTagger((7, 7.5), n_harmonics=1, max_order=2, sfreq=SFREQ)
    with pytest.warns(RuntimeWarning, match=r"no value, on one side of f2-f1 \(0.5 Hz\)"):
        frame = tagger.fit(noise(2, 240, 0)).tags_.to_frame().set_index("term")
    assert list(frame.index[frame["snr"].isna()]) == ["f2-f1"]
    assert frame.drop(index="f2-f1")["p_fdr"].notna().all()


def test_short_epochs_are_nan():
    with pytest.warns(RuntimeWarning, match=r"epochs of 12 samples.*\(20 samples\)"):
        table = FrequencyTagger(6, crop=True, measure="amplitude", sfreq=SFREQ).fit_transform(
            noise(3, 12, 0)
        )
    assert table.shape == (3, 4)
    assert np.isnan(table).all()


def test_other_lengths_may_be_transformed():
    tagger = FrequencyTagger((6, 7.5), measure="amplitude", sfreq=SFREQ).fit(noise(2, 240, 0))
    table = tagger.transform(sines([7.5], 480)[np.newaxis])
    np.testing.assert_allclose(table[0, 4], 1.0, rtol=1e-12)


def test_interrupted_recordings_are_refused():
    raw = as_raw(noise(2, 2400, 8)[:, 0])
    raw.set_annotations(mne.Annotations(10, 1, "BAD_muscle"))
    with pytest.raises(ValueError, match="one uninterrupted span .* got 2 spans.*mne.Epochs"):
        FrequencyTagger(6).fit(raw)
    raw.set_annotations(mne.Annotations(0, 10, "BAD_start"))
    clean = FrequencyTagger(6).fit_transform(raw)
    behind = raw.copy().set_annotations(None).crop(tmin=10)
    np.testing.assert_allclose(clean, FrequencyTagger(6).fit_transform(behind), rtol=1e-9)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"frequencies": (6, 60)}, "below the Nyquist frequency of 60 Hz, got 60"),
        ({"frequencies": (6, 6)}, "frequencies must differ"),
        ({"frequencies": ()}, "at least one tag"),
        ({"frequencies": 6, "measure": "median"}, "measure must be one of"),
        ({"frequencies": 6, "n_neighbors": 0}, "n_neighbors must be a whole number >= 1"),
        (
            {"frequencies": 6, "n_skip": 50},
            "reach past the ends of the .* which has 121 bins",
        ),
        (
            {"frequencies": 0.5, "max_order": 1},
            "neighbours on one side: f1 .0.5 Hz.*Longer",
        ),
        ({"frequencies": 6, "n_neighbors": 100}, "n_neighbors=100.*reach past the ends"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        FrequencyTagger(sfreq=SFREQ, **parameters).fit(noise(2, 240, 0))


def test_bad_data_are_named():
    x = noise(2, 240, 0)
    x[0, 0, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        FrequencyTagger(6, sfreq=SFREQ).fit(x)
    empty = mne.EpochsArray(noise(1, 240, 0), mne.create_info(["Oz"], SFREQ, "eeg"))[:0]
    with pytest.warns(RuntimeWarning, match="empty"), pytest.raises(ValueError, match="no data"):
        FrequencyTagger(6).fit(empty)


def test_input_is_unchanged():
    raw = as_raw(noise(2, 1200, 9)[:, 0])
    before = raw.get_data().tobytes()
    FrequencyTagger(6, crop=True).fit_transform(raw)
    assert raw.get_data().tobytes() == before


def test_plot_names_the_terms():
    x = noise(5, 1200, 10).repeat(2, axis=1)
    x[:, 1] += sines([6.0], 1200)[0]
    tags = FrequencyTagger((6, 7.5), max_order=2, n_harmonics=1, sfreq=SFREQ).fit(x).tags_
    (ax,) = tags.plot().axes
    assert ax.get_title().startswith("ch1")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), tags.amplitude[1, 1:])
    assert [text.get_text() for text in ax.texts] == ["f1", "f2", "f1+f2", "f2-f1"]
    assert [text.get_color() for text in ax.texts] == ["C3", "0.35", "0.35", "0.35"]
    points = [line.get_xdata()[0] for line in ax.lines[1:]]
    np.testing.assert_allclose(points, [6, 7.5, 13.5, 1.5])
    with pytest.raises(ValueError, match="one of ch0, ch1, got 'Oz'"):
        tags.plot("Oz")


def test_plot_maps_scores_where_there_is_a_montage():
    names = ["Fz", "Cz", "Pz", "Oz", "O1", "O2"]
    info = mne.create_info(names, SFREQ, "eeg").set_montage("easycap-M1")
    x = noise(6, 1200, 11)[:, 0]
    figure = FrequencyTagger(6).fit(mne.io.RawArray(x, info)).tags_.plot("Oz")
    assert len(figure.axes) == 3  # spectrum, map, colour bar
    assert figure.axes[0].get_title().startswith("Oz")


def test_real_responses(data_dir):
    """Pattern reversal at 30 Hz (marker 1) and 20 Hz (marker 2), electrode POz."""
    files = sorted((data_dir / "ssvep_muse").glob("*.fif"))
    assert len(files) == 6
    for file in files:
        raw = mne.io.read_raw_fif(file, preload=True)
        events, ids = mne.events_from_annotations(raw)
        epochs = mne.Epochs(raw, events, ids, 0.5, 2.5, baseline=None, picks=["Right AUX"])
        epochs.load_data()
        thirty = epochs.events[:, 2] == ids["SSVEP/1"]
        ratios = {}
        for power in (True, False):
            tagger = FrequencyTagger((20, 30), n_harmonics=1, max_order=1, power=power, crop=True)
            snr = tagger.fit_transform(epochs)
            at_20, at_30 = snr[:, 0], snr[:, 1]
            ratios[power] = [
                at_20[~thirty].mean() / at_20[thirty].mean(),
                at_30[thirty].mean() / at_30[~thirty].mean(),
            ]
        assert min(ratios[True]) >= 3, file.name
        assert min(ratios[False]) >= 2, file.name
