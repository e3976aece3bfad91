"""The two kinds of estimator, tested on the smallest examples of each."""

import importlib
import warnings

import mne
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from npa import BlinkICARemover, FOOOFFitter, FrequencyTagger, PSDExponent
from npa.datasets import simulate_recording
from npa.estimators.base import FeatureTransformer, SignalTransformer, SpectrumTransformer

SFREQ = 100.0


class Doubler(SignalTransformer):
    """Twice the signal."""

    def __init__(self, picks=None, sfreq=None):
        self.picks = picks
        self.sfreq = sfreq

    def _fit(self, signals):
        pass

    def transform_block(self, x, finite, n_times):
        return 2 * x


class Height(FeatureTransformer):
    """The largest sample of every channel."""

    def __init__(self, picks=None, sfreq=None):
        self.picks = picks
        self.sfreq = sfreq

    def _fit(self, signals):
        self._warn_channels(signals)
        self.feature_names_ = [f"{name}_height" for name in signals.ch_names]
        return self._measure(signals)

    def _measure(self, signals):
        return np.where(signals.usable, signals.data.max(axis=-1), np.nan)

    def _table(self, measured):
        return measured


class Power(SpectrumTransformer):
    """The power below 45 Hz."""

    def __init__(
        self,
        freq_range=(0, 45),
        psd="welch",
        psd_kwargs=None,
        aggregate=None,
        by=None,
        picks=None,
        sfreq=None,
    ):
        self.freq_range = freq_range
        self.psd = psd
        self.psd_kwargs = psd_kwargs
        self.aggregate = aggregate
        self.by = by
        self.picks = picks
        self.sfreq = sfreq

    def _fit(self, signals):
        self._fit_groups(signals)
        self.feature_names_ = [f"{name}_power" for name in self.groups_]
        return self._measure(signals)

    def _measure(self, signals):
        return self._combine(self._spectra(signals)[1])

    def _table(self, measured):
        return measured.sum(axis=-1)


class GivenPower(Power):
    """Power that is not estimated from the samples."""

    def _spectra(self, signals):
        return np.arange(1.0, 4.0), np.ones((1, len(signals.ch_names), 3))


@pytest.fixture
def raw():
    """Ten seconds of noise in three EEG channels and one EOG channel."""
    info = mne.create_info(["Fz", "Cz", "Oz", "VEOG"], SFREQ, ["eeg", "eeg", "eeg", "eog"])
    data = np.random.default_rng(0).normal(scale=1e-5, size=(4, 1000))
    return mne.io.RawArray(data, info)


def test_pipeline_over_raw_gives_a_named_table(raw):
    before = raw.get_data().tobytes()
    pipeline = make_pipeline(Doubler(), Height()).set_output(transform="pandas")
    table = pipeline.fit_transform(raw)
    assert isinstance(table, pd.DataFrame)
    assert list(table) == ["Fz_height", "Cz_height", "Oz_height"]
    assert list(pipeline.get_feature_names_out()) == list(table)
    np.testing.assert_array_equal(table.iloc[0], 2 * raw.get_data()[:3].max(axis=1))
    assert raw.get_data().tobytes() == before


def test_signals_come_back_in_their_container(raw):
    out = Doubler().set_output(transform="pandas").fit_transform(raw)
    assert isinstance(out, type(raw))
    np.testing.assert_array_equal(out.get_data("eog"), raw.get_data("eog"))


def test_bad_and_flat_channels_are_nan_columns(raw):
    raw.info["bads"] = ["Fz"]
    raw[1] = 1e-5
    with pytest.warns(RuntimeWarning, match=r"Height leaves out flat channel\(s\): Cz\."):
        table = Height().fit_transform(raw)
    assert np.isnan(table[0]).tolist() == [True, True, False]


def test_fit_on_raw_then_transform_epochs(raw):
    epochs = mne.make_fixed_length_epochs(raw, 2.0, preload=True)
    assert Height().fit(raw).transform(epochs).shape == (5, 3)


def test_other_channels_are_refused_until_refitted(raw):
    fitted = Height().fit(raw)
    other = raw.copy().rename_channels({"Oz": "Pz"})
    with pytest.raises(ValueError, match=r"'Pz' instead of 'Oz' \(1 differ\)"):
        fitted.transform(other)
    with pytest.raises(ValueError, match="X has 2 channels, but had 3 at fit"):
        fitted.transform(raw.copy().drop_channels(["Cz"]))
    with pytest.raises(ValueError, match="sampled at 50 Hz, but was at 100 Hz at fit"):
        fitted.transform(raw.copy().resample(50))
    assert fitted.fit(other).get_feature_names_out()[2] == "Pz_height"


def test_refit_from_arrays_to_recordings(raw):
    estimator = Height(sfreq=SFREQ).fit(np.random.default_rng(1).normal(size=(4, 300)))
    assert estimator.n_features_in_ == 300
    with pytest.raises(ValueError, match="X has 3 dimensions, but had 2 at fit"):
        estimator.transform(np.ones((4, 300, 2)))
    assert estimator.fit(raw).transform(raw).shape == (1, 3)
    assert not hasattr(estimator, "n_features_in_")


def test_clone_keeps_parameters():
    assert clone(Power(by="/", aggregate="sum")).get_params()["by"] == "/"


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
def test_groups_combine_power_of_usable_channels(raw, aggregate):
    raw.info["bads"] = ["Fz"]
    each = Power().fit_transform(raw)[0]
    assert np.isnan(each[0])
    pairs = {"front": ["Fz"], "rest": ["Fz", "Cz", "Oz"]}
    combined = Power(aggregate=aggregate, by=pairs).fit_transform(raw)[0]
    assert np.isnan(combined[0])
    np.testing.assert_allclose(combined[1], getattr(np, aggregate)(each[1:]), rtol=1e-12)


def test_estimate_of_spectra_can_be_overridden(raw):
    table = GivenPower(aggregate="sum").fit_transform(raw)
    np.testing.assert_array_equal(table, [[9.0]])


@pytest.mark.parametrize(
    ("estimator", "function"),
    [
        (PSDExponent((2, 40)), "npa.estimators.base.psd_of_spans"),
        (FOOOFFitter((2, 40)), "npa.estimators.base.psd_of_spans"),
        (FOOOFFitter((2, 40), aggregate="mean"), "npa.estimators.base.psd_of_spans"),
        (FrequencyTagger(10.0), "npa.spectral.tags.rfft"),
    ],
)
def test_fit_transform_estimates_spectra_once(raw, monkeypatch, estimator, function):
    module, _, name = function.rpartition(".")
    module = importlib.import_module(module)
    estimate, calls = getattr(module, name), []

    def counted(*args, **kwargs):
        calls.append(args)
        return estimate(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    table = estimator.fit_transform(raw)
    assert len(calls) == 1
    np.testing.assert_array_equal(estimator.transform(raw), table)


def test_spectra_keep_within_clean_spans(raw):
    """A large artefact under a BAD_ annotation leaves no trace in the power."""
    clean = Power().fit_transform(raw)
    raw[:, 450:500] = 1.0
    raw.set_annotations(mne.Annotations(4.5, 0.5, "BAD_jump"))
    np.testing.assert_allclose(Power().fit_transform(raw), clean, rtol=0.3)


def test_bad_parameters_of_spectra_are_refused(raw):
    with pytest.raises(ValueError, match=r"by='/' groups channels, so aggregate must be"):
        Power(by="/").fit(raw)
    with pytest.raises(ValueError, match="psd must be one of"):
        Power(psd="fft").fit(raw)
    with pytest.raises(TypeError, match="psd_kwargs must be None or a dict, got 'boxcar'"):
        Power(psd_kwargs="boxcar").fit(raw)
    with pytest.raises(ValueError, match=r"psd_kwargs must not hold \['freq_range'\]"):
        Power(psd_kwargs={"freq_range": (3, 40)}).fit(raw)
    meg = raw.copy().set_channel_types({"Oz": "mag"}, on_unit_change="ignore")
    assert Power().fit_transform(meg).shape == (1, 3)
    with pytest.raises(ValueError, match="picks must hold channels of one type.* got eeg, mag"):
        Power(aggregate="mean").fit(meg)


def annotate_blinks(raw, seed, per_minute=20):
    """Mark 0.6 s around blinks, at random intervals."""
    intervals = np.random.default_rng(seed).uniform(0.6, 1.4, 1000) * 60 / per_minute
    onsets = np.cumsum(intervals)
    onsets = onsets[onsets < raw.times[-1] - 1]
    return raw.copy().set_annotations(mne.Annotations(onsets - 0.3, 0.6, "BAD_blink"))


@pytest.mark.parametrize("psd", ["welch", "multitaper"])
def test_annotated_blinks_hardly_widen_the_spread_of_exponents(psd):
    plain, annotated = [], []
    for seed in range(20):
        raw, _ = simulate_recording(
            duration=60, ch_names=["Fz", "Oz"], eog=False, blink_rate=0, random_state=seed
        )
        # Widths that the short windows resolve too, so that both are fitted by the same model.
        fitter = FOOOFFitter(peak_width_limits=(2, 12), psd=psd, max_n_peaks=2)
        fitter.set_output(transform="pandas")
        for recording, exponents in ((raw, plain), (annotate_blinks(raw, seed), annotated)):
            exponents.append(fitter.fit_transform(recording).filter(like="_exponent").to_numpy())
        spectrum = fitter.spectrum_
        assert spectrum.seconds_used >= 0.8 * spectrum.seconds_clean
    assert np.std(annotated, axis=0).mean() <= 1.3 * np.std(plain, axis=0).mean()
    np.testing.assert_allclose(np.mean(annotated), np.mean(plain), atol=0.05)


@pytest.mark.parametrize(
    ("estimator", "report"), [(FOOOFFitter((2, 40)), "spectrum_"), (PSDExponent(), "slopes_")]
)
def test_reports_say_how_much_of_the_clean_time_is_used(raw, estimator, report):
    raw.set_annotations(mne.Annotations([4.5, 9.0], [0.5, 0.2], "BAD_jump"))
    told = getattr(clone(estimator).fit(raw), report)
    clean = raw.n_times / raw.info["sfreq"] - 0.7
    np.testing.assert_allclose(told.seconds_clean, clean, atol=0.01)
    assert 0.8 * clean <= told.seconds_used <= told.seconds_clean


@pytest.mark.parametrize(
    "estimator", [FOOOFFitter((2, 40), peak_width_limits=(2, 12)), PSDExponent((2, 40))]
)
def test_less_than_half_of_the_clean_time_warns_by_seconds(raw, estimator):
    raw = mne.io.RawArray(np.tile(raw.get_data(), 4), raw.info)
    onsets = np.arange(7.0, raw.times[-1], 1.5)
    raw.set_annotations(mne.Annotations(onsets, 0.1, "BAD_blink"))
    given = clone(estimator).set_params(psd_kwargs={"n_per_seg": round(4 * raw.info["sfreq"])})
    with pytest.warns(RuntimeWarning, match=r"uses only 7 s of \d+\.?\d* clean s") as caught:
        given.fit_transform(raw)
    assert len(caught) == 1
    clone(estimator).fit_transform(raw)  # does not warn


@pytest.mark.parametrize("estimator", [FOOOFFitter(), PSDExponent((2, 40)), BlinkICARemover()])
def test_microvolts_given_as_volts_are_named(estimator):
    raw, _ = simulate_recording(duration=30, eog=False, random_state=0)
    clone(estimator).fit(raw)  # does not warn
    raw.apply_function(lambda x: 1e6 * x)
    with pytest.warns(RuntimeWarning, match=r"EEG channels \(Fp1, .* in microvolts.*1e-6"):
        clone(estimator).fit(raw)


def test_limits_of_the_clean_time_and_of_the_range_of_eeg(raw):
    """Less than half of the clean time is said; so is a typical range above 20 V."""
    noise = np.random.default_rng(0).normal(size=(1, 4000))
    for share, n_warnings in [(0.45, 1), (0.55, 0)]:
        spans = mne.io.RawArray(noise, mne.create_info(1, 100.0, "eeg"), verbose=False)
        n_long = round(share * 40)
        onsets = np.arange(n_long, 39.5, 0.5)
        spans.set_annotations(mne.Annotations(onsets, 0.0101, "BAD_blink"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            PSDExponent((2, 40), psd_kwargs={"n_per_seg": 400}).fit(spans)
        assert ["clean s" in str(each.message) for each in caught] == [True] * n_warnings
    info = mne.create_info(["Cz", "Oz"], 100.0, "eeg")
    for size, n_warnings in [(19.0, 0), (21.0, 1)]:
        scaled = size * noise / np.ptp(noise)
        volts = mne.io.RawArray(np.vstack([scaled, scaled[:, ::-1]]), info, verbose=False)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            PSDExponent((2, 40)).fit(volts)
        assert ["microvolts" in str(each.message) for each in caught] == [True] * n_warnings
