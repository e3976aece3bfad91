"""`NeuralPowerAmplifier` realises its ideal gain, whitens, and changes nothing else."""

import pickle
import re

import mne
import numpy as np
import pytest
from estimator_checks import scikit_learn_checks
from filter_gains import TONES, assert_gain
from known_spectra import LOSSLESS, exact_noise
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from npa.datasets import simulate_recording
from npa.estimators.amplifier import NeuralPowerAmplifier
from npa.estimators.parameterize import FOOOFFitter
from npa.spectral import (
    logarithmic_response,
    psd,
)

SFREQ = 256.0
WARNINGS = ["NeuralPowerAmplifier has no model", "NeuralPowerAmplifier leaves"]
QUIET = {"blink_rate": 0, "beta_amplitude": 0}


def lossless(**changes):
    """Return a fitter that reads `exact_noise` as it is."""
    return FOOOFFitter(**{"max_n_peaks": 0, **LOSSLESS, **changes})


@pytest.fixture
def raw():
    """Twenty seconds of three EEG channels, one of them bad, and two EOG channels."""
    names = ["Fpz", "Cz", "Oz"]
    raw, _ = simulate_recording(duration=20.0, ch_names=names, knee=5.0, random_state=5, **QUIET)
    raw.info["bads"] = ["Cz"]
    return raw


@scikit_learn_checks(
    NeuralPowerAmplifier(sfreq=SFREQ),
    NeuralPowerAmplifier(response="whitening", per_channel=True, sfreq=SFREQ),
    ignore=WARNINGS,
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_published_settings():
    published = NeuralPowerAmplifier()._fitter()
    assert published.get_params() == {
        **FOOOFFitter().get_params(),
        "freq_range": (0.5, 45),
        "aperiodic_mode": "knee",
        "peak_width_limits": (3, 15),
        "min_peak_height": 0.05,
        "psd": "multitaper",
    }
    whitening = NeuralPowerAmplifier(response="whitening")._fitter()
    assert whitening.get_params() == FOOOFFitter().get_params()


@pytest.mark.parametrize(
    ("exponent", "r2"), [(0.7, 0.978), (1.0, 0.958), (1.5, 0.921), (2.0, 0.883)]
)
def test_paper_design_is_as_good_as_published(exponent, r2):
    noise = exact_noise(exponent, sfreq=512.0)
    made = {}
    for n_stages in (5, 8):
        amplifier = NeuralPowerAmplifier(lossless(), design="paper", n_stages=n_stages, sfreq=512.0)
        made[n_stages] = amplifier.fit(noise).filters_
    np.testing.assert_allclose(made[5].filter.exponent, exponent, rtol=1e-6)
    bank = made[5].filter.parts[0][1]
    frequencies = [stage.frequency for stage in bank.stages]
    np.testing.assert_allclose(frequencies, [16, 64, 128, 181.0, 215.3], rtol=0, atol=0.05)  # Hz
    np.testing.assert_allclose(made[5].r_squared, r2, rtol=0, atol=0.002)
    assert made[8].r_squared - made[5].r_squared < 0.005


@pytest.mark.parametrize(("exponent", "knee"), [(0.5, 0), (2.0, 10), (1.0, 100)])
def test_exact_design_is_exact_for_the_model_that_is_fitted(exponent, knee):
    fitter = lossless(aperiodic_mode="knee", freq_range=(0.5, 120))
    amplifier = NeuralPowerAmplifier(fitter, sfreq=SFREQ)
    amplifier.fit(exact_noise(exponent, knee)[np.newaxis])
    ideal = logarithmic_response(TONES, exponent, knee, SFREQ / 2)
    assert_gain(lambda x: amplifier.transform(x[:, np.newaxis])[:, 0], ideal, SFREQ)


@pytest.mark.parametrize(("exponent", "alpha"), [(0.7, 8e-6), (1.5, 0.0), (2.2, 8e-6)])
def test_whitening_makes_the_spectrum_flat(exponent, alpha):
    """A sample of benchmarks/recovery.py."""
    slopes = []
    for seed in range(3):
        raw, truth = simulate_recording(
            exponent=exponent,
            duration=300.0,
            alpha_amplitude=alpha,
            ch_names=["Oz"],
            random_state=seed,
            eog=False,
            **QUIET,
        )
        amplifier = NeuralPowerAmplifier(response="whitening").fit(raw)
        flat = amplifier.transform(truth.background).get_data()[0]
        freqs, power = psd(flat, SFREQ, freq_range=(2, 40))
        slopes.append(np.polyfit(np.log10(freqs), np.log10(power), 1)[0])
    assert np.median(np.abs(slopes)) < 0.05


PEAKS = [(10.0, 0.8, 1.0), (25.0, 0.5, 2.0)]


@pytest.mark.parametrize("design", ["exact", "paper"])
def test_peak_gains(design):
    noise = exact_noise(1.5, peaks=PEAKS)
    changes = {"sfreq": SFREQ, "design": design}
    fitter = lossless(max_n_peaks=2)
    fitted = NeuralPowerAmplifier(fitter, **changes).fit(noise).filters_.filter
    gaussians = FOOOFFitter(max_n_peaks=2, sfreq=SFREQ, **LOSSLESS).fit(noise).spectrum_.gaussians
    np.testing.assert_allclose(fitted.peaks, gaussians, rtol=1e-12)
    one = NeuralPowerAmplifier(fitter, peak_gain=2, **changes).fit(noise).filters_.filter
    np.testing.assert_array_equal(one.peaks[:, 1], [2, 2])
    each = NeuralPowerAmplifier(fitter, peak_gain=(0, 3.0), **changes).fit(noise).filters_.filter
    np.testing.assert_array_equal(each.peaks[:, 1], [0, 3])
    centre = gaussians[1, :1]
    background = each.without_peaks()
    np.testing.assert_allclose(each.gain(centre) - background.gain(centre), 3, rtol=0.2)
    with pytest.raises(ValueError, match="one for each of the 2 fitted peaks, got 3"):
        NeuralPowerAmplifier(fitter, peak_gain=[1, 2, 3], **changes).fit(noise)
    with pytest.raises(ValueError, match="peak_gain must be a number >= 0"):
        NeuralPowerAmplifier(fitter, peak_gain=-1, **changes).fit(noise)


def test_peak_gains_of_whitening_are_in_units_of_the_background():
    noise = exact_noise(1.5, peaks=PEAKS)
    fitter = lossless(max_n_peaks=2)
    plain, louder = (
        NeuralPowerAmplifier(fitter, "whitening", peak_gain=gain, sfreq=SFREQ).fit(noise).filters_
        for gain in (None, 1.0)
    )
    assert not plain.filter.peaks[:, 1].any()
    centres = louder.filter.peaks[:, 0]
    ratio = louder.filter.gain(centres) / plain.filter.gain(centres)
    np.testing.assert_allclose(ratio, 2, rtol=0.001)


@pytest.mark.parametrize("design", ["exact", "paper"])
def test_every_channel_is_returned(raw, design):
    before = raw.get_data().tobytes()
    pipeline = make_pipeline(NeuralPowerAmplifier(design=design), FOOOFFitter())
    table = pipeline.set_output(transform="pandas").fit_transform(raw)
    assert raw.get_data().tobytes() == before
    assert table["Cz_exponent"].isna().all()
    out = pipeline[0].transform(raw)
    assert isinstance(out, type(raw))
    assert out.ch_names == raw.ch_names
    np.testing.assert_array_equal(out.get_data("eog"), raw.get_data("eog"))
    made = pipeline[0].filters_.filter
    np.testing.assert_array_equal(out.get_data("Cz"), made.apply(raw.get_data("Cz")))
    assert list(pipeline[0].get_feature_names_out()) == ["Fpz", "Cz", "Oz"]


def test_bad_channel_is_left_out_of_the_fit(raw):
    fitted = NeuralPowerAmplifier().fit(raw).spectrum_
    raw._data[1] *= 1000
    assert NeuralPowerAmplifier().fit(raw).spectrum_.offset == fitted.offset


def test_filters_stop_at_edges(raw):
    other = raw.copy()
    other._data *= 100
    both = mne.concatenate_raws([raw.copy(), other])
    amplifier = NeuralPowerAmplifier().fit(raw)
    apart = np.hstack([amplifier.transform(part).get_data() for part in (raw, other)])
    np.testing.assert_array_equal(amplifier.transform(both).get_data(), apart)


def test_epochs_are_filtered_separately(raw):
    epochs = mne.make_fixed_length_epochs(raw, 2.0, preload=True)
    before = epochs.get_data().tobytes()
    amplifier = NeuralPowerAmplifier(response="whitening").fit(epochs)
    out = amplifier.transform(epochs)
    assert isinstance(out, type(epochs))
    one = amplifier.transform(epochs[3]).get_data()
    np.testing.assert_array_equal(one, out.get_data()[3:4])
    assert epochs.get_data().tobytes() == before
    again = pickle.loads(pickle.dumps(amplifier)).transform(epochs).get_data()
    np.testing.assert_array_equal(again, out.get_data())


def test_one_model_per_channel():
    noise = np.stack([exact_noise(0.8, seed=0), exact_noise(2.0, seed=1)], axis=1)
    info = mne.create_info(["a", "b", "bad"], SFREQ, "eeg")
    raw = mne.io.RawArray(np.vstack([noise[0], noise[0, :1]]), info)
    raw.info["bads"] = ["bad"]
    amplifier = NeuralPowerAmplifier(lossless(), "whitening", per_channel=True).fit(raw)
    exponents = [amplifier.filters_[name].filter.exponent for name in raw.ch_names]
    np.testing.assert_allclose(exponents[:2], [0.8, 2.0], rtol=1e-3)
    assert exponents[2] == amplifier.spectrum_.exponent
    out = amplifier.transform(raw).get_data()
    freqs, power = psd(out[:2], SFREQ, freq_range=(2, 40))
    slopes = np.polyfit(np.log10(freqs), np.log10(power).T, 1)[0]
    np.testing.assert_allclose(slopes, 0, atol=0.05)
    alone = NeuralPowerAmplifier(lossless(), "whitening").fit(raw.copy().pick(["b"]))
    expected = alone.transform(raw.copy().pick(["b"])).get_data()[0]
    # The rounding of matrix products depends on how many channels they have.
    np.testing.assert_allclose(out[1], expected, rtol=0, atol=1e-12 * expected.std())


@pytest.mark.filterwarnings("ignore:NeuralPowerAmplifier fits 1-:RuntimeWarning")  # a filter's fall
def test_negative_knee_is_clipped():
    noise = exact_noise(2.0, -0.5)
    amplifier = NeuralPowerAmplifier(lossless(aperiodic_mode="knee"), sfreq=SFREQ)
    with pytest.warns(RuntimeWarning, match=r"clips the negative knee of 1 model\(s\) to 0"):
        amplifier.fit(noise)
    np.testing.assert_allclose(amplifier.spectrum_.knee, -0.5, rtol=0.01)
    assert amplifier.filters_.filter.knee == 0


@pytest.mark.parametrize("per_channel", [False, True])
def test_too_few_samples_give_nan_and_one_warning(per_channel):
    noise = np.random.default_rng(0).normal(size=(4, 2, 12))
    amplifier = NeuralPowerAmplifier(per_channel=per_channel, sfreq=SFREQ)
    with pytest.warns(RuntimeWarning, match="has no model.* NaN there: freq_range holds") as caught:
        out = amplifier.fit_transform(noise)
    assert len(caught) == 1
    assert out.shape == noise.shape
    assert np.isnan(out).all()
    assert not amplifier.filters_


def test_rising_background_has_no_filter():
    with pytest.warns(RuntimeWarning, match=r"the background does not fall \(exponent -1\)"):
        out = NeuralPowerAmplifier(lossless(), sfreq=SFREQ).fit_transform(exact_noise(-1.0))
    assert np.isnan(out).all()


def test_flat_channel_is_left_out_with_one_warning(raw):
    raw._data[2] = 1e-5
    with pytest.warns(RuntimeWarning) as caught:
        out = NeuralPowerAmplifier().fit_transform(raw)
    messages = [str(warning.message) for warning in caught]
    assert messages[0] == "NeuralPowerAmplifier leaves out flat channel(s): Oz."
    # One channel of 20 s is left, whose spectrum is noisy.
    assert [message for message in messages[1:] if "implausible model" not in message] == []
    assert np.isfinite(out.get_data()).all()


def test_paper_design_is_refused_where_it_does_not_exist():
    paper = {"design": "paper", "sfreq": SFREQ}
    with pytest.raises(ValueError, match='response="whitening"; use design="exact"'):
        NeuralPowerAmplifier(response="whitening", **paper).fit(exact_noise(1.0))
    knee = lossless(aperiodic_mode="knee")
    with (
        pytest.warns(RuntimeWarning, match="implausible model"),
        pytest.raises(ValueError, match='Chebyshev stage 0 .*design="exact"'),
    ):
        NeuralPowerAmplifier(knee, **paper).fit(exact_noise(1.0, 1000))
    with pytest.warns(RuntimeWarning, match=r"knee 1e\+03, at 1e\+03 Hz, above the range"):
        exact = NeuralPowerAmplifier(knee, sfreq=SFREQ).fit(exact_noise(1.0, 1000))
    assert exact.filters_.max_error_db < 0.05


def test_logarithmic_response_needs_frequencies_above_1_hz():
    slow = exact_noise(1.0, sfreq=2.0, duration=2000)
    fitter = lossless(freq_range=(0.01, 0.9))
    with pytest.raises(ValueError, match='response="whitening"'):
        NeuralPowerAmplifier(fitter, sfreq=2.0).fit(slow)
    assert NeuralPowerAmplifier(fitter, "whitening", sfreq=2.0).fit(slow).filters_.r_squared > 0.99


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"fooof": "fixed"}, TypeError, "fooof must be a FOOOFFitter or None, got 'fixed'"),
        ({"response": "log"}, ValueError, "response must be one of"),
        ({"design": "iir"}, ValueError, "design must be one of"),
        ({"per_channel": "yes"}, TypeError, "per_channel must be True or False"),
        ({"design": "paper", "n_stages": 0}, ValueError, "n_stages must be a whole number >= 1"),
        ({"peak_gain": "loud"}, TypeError, "peak_gain must be a number"),
        ({"fooof": FOOOFFitter((1, 200))}, ValueError, "freq_range must end .* of 128 Hz"),
    ],
)
def test_parameters_are_checked(raw, change, error, message):
    with pytest.raises(error, match=message):
        NeuralPowerAmplifier(**change).fit(raw)


def test_recordings_are_checked(raw):
    fitted = NeuralPowerAmplifier().fit(raw)
    with pytest.raises(ValueError, match="X has other channels than at fit"):
        fitted.transform(raw.copy().rename_channels({"Oz": "Pz"}))
    with pytest.raises(ValueError, match="sampled at 128 Hz, but was at 256 Hz at fit"):
        fitted.transform(raw.copy().resample(128))
    with pytest.raises(ValueError, match="sfreq must be given"):
        NeuralPowerAmplifier().fit(raw.get_data()[np.newaxis])
    broken = raw.copy()
    broken._data[2, 7] = np.nan
    with pytest.raises(ValueError, match=r"NaN or inf in channel\(s\) Oz"):
        NeuralPowerAmplifier().fit(broken)
    raw.info["bads"] = ["Fpz", "Cz", "Oz"]
    with pytest.raises(ValueError, match="no channel to fit: all 3 that are picked are marked bad"):
        NeuralPowerAmplifier().fit(raw)


def test_sub_estimator_is_unchanged(raw):
    fitter = FOOOFFitter()
    amplifier = NeuralPowerAmplifier(fitter).fit(raw)
    assert vars(fitter) == vars(FOOOFFitter())
    changed = clone(amplifier).set_params(fooof__freq_range=(2, 30)).fit(raw)
    assert changed.filters_.freq_range == (2, 30)


@pytest.mark.parametrize("design", ["exact", "paper"])
def test_report(design):
    amplifier = NeuralPowerAmplifier(lossless(max_n_peaks=2), design=design, sfreq=512.0)
    report = amplifier.fit(exact_noise(1.0, peaks=PEAKS, sfreq=512.0)).filters_
    table = report.to_frame()
    assert len(table) == 10_000
    missed = table["realised"] - table["ideal"]
    r2 = 1 - (missed**2).sum() / ((table["ideal"] - table["ideal"].mean()) ** 2).sum()
    np.testing.assert_allclose(report.r_squared, r2, rtol=1e-12)
    band = table[table["freq"].between(1, 45) & (table["ideal"] >= 0.02)]
    errors = (20 * np.log10(band["realised"] / band["ideal"])).abs()
    np.testing.assert_allclose(report.max_error_db, errors.max(), rtol=1e-9)
    assert (report.max_error_db < 0.05) == (design == "exact")
    background, peaks, both = report.plot().axes
    for ax, suffix in ((background, "_background"), (both, "")):
        for line in ax.lines:
            expected = table[["freq", line.get_label() + suffix]]
            np.testing.assert_allclose(line.get_xydata(), expected, rtol=1e-12)
    ideal = {line.get_label(): line.get_ydata() for line in peaks.lines}["ideal"]
    expected = table["ideal"] - table["ideal_background"]
    np.testing.assert_allclose(ideal, expected, rtol=0, atol=1e-12)


def test_real_recording(data_dir):
    raw = mne.io.read_raw_edf(data_dir / "eegbci" / "S001R03.edf", preload=True)
    amplifier = NeuralPowerAmplifier().fit(raw)
    out = amplifier.transform(raw)
    assert amplifier.filters_.max_error_db < 0.05
    freqs, power = psd(
        np.stack([raw.get_data(), out.get_data()]), raw.info["sfreq"], freq_range=(0, 45)
    )
    ratio = np.sqrt(power[1] / power[0])  # realised gain, channel by channel
    ideal = amplifier.filters_.filter.ideal(freqs)
    steady = freqs >= 2  # below, Welch's window smears the steep background
    np.testing.assert_allclose(np.median(ratio, axis=0)[steady], ideal[steady], rtol=0.02)


def test_model_is_of_the_pass_band():
    """A filter of 1-30 Hz made the exponent of 1 to 30, and the knee 4e51."""
    raw, _ = simulate_recording(duration=60.0, exponent=1.0, eog=False, random_state=0, **QUIET)
    filtered = raw.copy().filter(1.0, 30.0, verbose=False)
    said = r'fits 1-30 Hz instead of 0.5-45 Hz.* 1-30 Hz \(info\["highpass"\], info\["lowpass"\]\)'
    with pytest.warns(RuntimeWarning) as caught:
        amplifier = NeuralPowerAmplifier().fit(filtered)
    about = [str(each.message) for each in caught if "knee" not in str(each.message)]
    assert len(about) == 1
    assert re.search(said, about[0])
    assert amplifier.filters_.freq_range == (1.0, 30.0)
    np.testing.assert_allclose(amplifier.spectrum_.exponent, 1.0, rtol=0, atol=0.15)
    with pytest.raises(ValueError, match="the range of the fit, 35-45 Hz, lies outside"):
        NeuralPowerAmplifier(FOOOFFitter((35, 45))).fit(filtered)


@pytest.mark.filterwarnings("ignore:NeuralPowerAmplifier fits 1-:RuntimeWarning")  # a filter's fall
@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (exact_noise(1.5, 1000.0), "knee 1e\\+03, at 100 Hz, above the range of the fit"),
        (exact_noise(6.0), "exponent 6"),
        (
            np.random.default_rng(0).normal(size=(1, 8000)).cumsum(axis=-1),
            r"r_squared 0\.\d",
        ),
    ],
)
def test_implausible_model_is_named(noise, said):
    """A knee above the range, a filter's exponent, and a periodogram, whose noise is no line."""
    noisy = FOOOFFitter(psd="periodogram", max_n_peaks=0)
    fitter = noisy if "r_squared" in said else lossless(aperiodic_mode="knee")
    amplifier = NeuralPowerAmplifier(fitter, sfreq=SFREQ)
    with pytest.warns(RuntimeWarning, match=f"implausible model .*average spectrum: {said}"):
        amplifier.fit(noise[np.newaxis] if noise.ndim == 2 else noise)


@pytest.mark.parametrize("response", ["logarithmic", "whitening"])
def test_parameters_of_the_default_fitter_can_be_set(response):
    amplifier = NeuralPowerAmplifier().set_params(fooof__max_n_peaks=2, response=response)
    expected = NeuralPowerAmplifier(response=response)._fitter().set_params(max_n_peaks=2)
    assert amplifier.fooof.get_params() == expected.get_params()
    assert clone(amplifier).fooof.max_n_peaks == 2
    assert NeuralPowerAmplifier().set_params(n_stages=3).fooof is None
    with pytest.raises(ValueError, match="Invalid parameter 'peaks'"):
        NeuralPowerAmplifier().set_params(fooof__peaks=2)


def test_background_with_a_noise_floor_is_refused():
    fooof = FOOOFFitter(aperiodic_mode="knee_floor", selection="bic", sfreq=100.0)
    noise = np.random.default_rng(0).standard_normal((1, 2, 2000))
    with pytest.raises(ValueError, match="without a noise floor"):
        NeuralPowerAmplifier(fooof=fooof, sfreq=100.0).fit(noise)
