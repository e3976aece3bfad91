"""`FOOOFFitter` recovers known spectra, equals FOOOF, and reports failed fits."""

import pickle
import subprocess
import sys
import warnings

import mne
import numpy as np
import pandas as pd
import pytest
from estimator_checks import scikit_learn_checks
from known_spectra import LOSSLESS, exact_noise

from npa.datasets import simulate_recording
from npa.estimators.parameterize import FOOOFFitter
from npa.spectral import psd

SFREQ = 256.0
FIXED = ["offset", "exponent", "r2", "error"]
QUIET = {"blink_rate": 0, "beta_amplitude": 0, "eog": False}


@pytest.fixture
def raw():
    """A minute of 1/f noise with alpha in four channels."""
    return simulate_recording(
        duration=60.0, ch_names=["O1", "Oz", "O2", "Cz"], random_state=3, **QUIET
    )[0]


@scikit_learn_checks(
    FOOOFFitter(sfreq=SFREQ),
    FOOOFFitter(sfreq=SFREQ, selection="bic", aperiodic_mode="auto"),
    ignore=["FOOOFFitter could not fit", "FOOOFFitter leaves"],
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("exponent", [0.5, 1.5, 2.5])
def test_exponent_and_alpha_are_recovered(exponent):
    """A sample of benchmarks/recovery.py."""
    fits = []
    for seed in range(5):
        raw, _ = simulate_recording(exponent=exponent, ch_names=["Oz"], random_state=seed, **QUIET)
        fits.append(FOOOFFitter().fit(raw).spectrum_)
    median = np.median([fit.exponent for fit in fits])
    np.testing.assert_allclose(median, exponent, rtol=0, atol=0.05)
    alpha = [fit.peaks[fit.peaks[:, 1].argmax(), 0] for fit in fits]
    np.testing.assert_allclose(np.median(alpha), 10.0, rtol=0, atol=0.3)  # Hz


@pytest.mark.parametrize("height", [0.16, 0.003])  # V, of DC channels and of an ECG
def test_two_wild_channels_do_not_set_the_average(raw, height):
    alone = FOOOFFitter().fit(raw).spectrum_
    steps = np.random.default_rng(0).integers(0, 2, size=(2, 600))
    wild = mne.io.RawArray(
        height * np.repeat(steps, 26, axis=1)[:, : len(raw.times)],
        mne.create_info(["DC1", "DC2"], SFREQ, "eeg"),
    )
    both = raw.copy().pick("eeg").add_channels([wild], force_update_info=True)
    with pytest.warns(RuntimeWarning, match=r"average spectrum leaves out channel\(s\) DC1, DC2,"):
        found = FOOOFFitter().fit(both)
    assert found.spectrum_.exponent == alone.exponent
    np.testing.assert_array_equal(found.spectrum_.peaks, alone.peaks)
    assert "DC1_exponent" in found.feature_names_


@pytest.mark.parametrize(
    ("types", "main"),
    [
        (["eeg", "mag", "mag", "mag"], ["O1"]),
        (["seeg", "ecog", "ecog", "ecog"], ["Oz", "O2", "Cz"]),
    ],
)
def test_channels_of_several_types_are_fitted_each(raw, types, main):
    raw.pick("eeg")
    alone = FOOOFFitter().fit(raw.copy().pick(main)).spectrum_
    table = FOOOFFitter().fit_transform(raw)
    raw.set_channel_types(
        dict(zip(raw.ch_names, types, strict=True)), on_unit_change="ignore", verbose=False
    )
    fitter = FOOOFFitter()
    with pytest.warns(
        RuntimeWarning, match=f"types .* that of the {len(main)} {types[-1 if main[1:] else 0]} "
    ):
        np.testing.assert_allclose(fitter.fit_transform(raw), table)
    assert fitter.spectrum_.exponent == alone.exponent


@pytest.mark.parametrize(("exponent", "knee"), [(1.0, 0.0), (2.0, 50.0), (1.5, 5.0)])
def test_exact_background_gives_exact_parameters(exponent, knee):
    noise = exact_noise(exponent, knee)
    fit = FOOOFFitter(aperiodic_mode="knee", sfreq=SFREQ, **LOSSLESS).fit(noise).spectrum_
    np.testing.assert_allclose(fit.exponent, exponent, rtol=1e-4)
    np.testing.assert_allclose(fit.knee, knee, rtol=1e-3, atol=1e-3)
    assert fit.r_squared > 0.999999


def test_exact_peaks_are_found():
    """FOOOF reads the background before the peaks: what they add to it is lost to their height."""
    noise = exact_noise(1.5, peaks=[(10.0, 0.8, 1.0), (25.0, 0.5, 2.0)])
    fit = FOOOFFitter(sfreq=SFREQ, **LOSSLESS).fit(noise).spectrum_
    np.testing.assert_allclose(fit.exponent, 1.5, rtol=0, atol=0.05)
    np.testing.assert_allclose(fit.gaussians[:, 0], [10.0, 25.0], rtol=0, atol=0.1)  # Hz
    np.testing.assert_allclose(fit.gaussians[:, 1], [0.8, 0.5], rtol=0, atol=0.1)  # log10 units
    np.testing.assert_allclose(fit.gaussians[:, 2], [1.0, 2.0], rtol=0, atol=0.2)  # Hz
    np.testing.assert_allclose(fit.peaks[:, 2], 2 * fit.gaussians[:, 2], rtol=1e-12)


@pytest.mark.parametrize(("engine", "rtol"), [("fooof", 1e-9), ("batch", 1e-3), ("compiled", 1e-3)])
def test_equals_fooof(raw, engine, rtol):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fooof import FOOOF
    settings = {"max_n_peaks": 3, "peak_width_limits": (1.5, 9.0), "min_peak_height": 0.05}
    fitter = FOOOFFitter((2, 40), psd="multitaper", psd_kwargs={"bandwidth": 1.0}, **settings)
    fitter.set_params(engine=engine)
    table = fitter.set_output(transform="pandas").fit_transform(raw)
    data = raw.get_data()
    freqs, power = psd(data, SFREQ, method="multitaper", bandwidth=1.0, freq_range=(2, 40))
    for name, spectrum in zip(raw.ch_names, power, strict=True):
        oracle = FOOOF(verbose=False, **settings)
        oracle.fit(freqs, spectrum)
        ours = table.filter(regex=f"^{name}_").to_numpy()[0]
        theirs = [*oracle.aperiodic_params_, oracle.r_squared_, oracle.error_]
        theirs = np.r_[theirs, oracle.peak_params_.ravel()]
        np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=rtol)
        assert np.isnan(ours[len(theirs) :]).all()


@pytest.mark.parametrize(
    ("mode", "selection"),
    [
        ("fixed", None),
        ("knee", None),
        ("fixed", "bic"),
        ("knee", "aicc"),
        ("auto", "bic"),
        ("knee_floor", "bic"),
    ],
)
def test_columns(raw, mode, selection):
    fitter = FOOOFFitter(aperiodic_mode=mode, max_n_peaks=2, picks=["Oz"], selection=selection)
    table = fitter.set_output(transform="pandas").fit_transform(raw)
    knee = [] if mode == "fixed" else ["knee", "knee_freq", "timescale"]
    knee += ["floor"] if mode == "knee_floor" else []
    background = ["offset", *knee, "exponent"]
    values = ("cf", "pw", "bw") if selection is None else ("cf", "pw", "bw", "z")
    peaks = [f"peak{n}_{value}" for n in (1, 2) for value in values]
    assert list(table) == [f"Oz_{name}" for name in [*background, "r2", "error", *peaks]]
    assert isinstance(table, pd.DataFrame)


def test_no_peaks_allowed(raw):
    table = FOOOFFitter(max_n_peaks=0).fit_transform(raw)
    assert table.shape == (1, 4 * len(FIXED))
    assert np.isfinite(table).all()


def test_groups_are_fitted_together(raw):
    raw.rename_channels({"O1": "occ/1", "Oz": "occ/2", "O2": "occ/3"})
    fitter = FOOOFFitter(aggregate="sum", by="/", max_n_peaks=1)
    table = fitter.set_output(transform="pandas").fit_transform(raw)
    assert [name for name in table if name.endswith("exponent")] == ["occ_exponent", "Cz_exponent"]
    alone = FOOOFFitter(max_n_peaks=1).set_output(transform="pandas").fit_transform(raw)
    np.testing.assert_allclose(table["Cz_exponent"][0], alone["Cz_exponent"][0], rtol=1e-9)
    mean = FOOOFFitter(aggregate="mean").set_output(transform="pandas").fit_transform(raw)
    whole = FOOOFFitter(aggregate="sum").set_output(transform="pandas").fit_transform(raw)
    atol = 1e-6  # log10 units
    np.testing.assert_allclose(whole["all_offset"] - mean["all_offset"], np.log10(4), atol=atol)
    with pytest.raises(ValueError, match="aggregate must be 'mean' or 'sum', got None"):
        FOOOFFitter(by="/").fit(raw)


def test_spectrum_is_the_fit_of_the_average(raw):
    epochs = mne.make_fixed_length_epochs(raw, 10.0, preload=True)
    epochs.info["bads"] = ["O1"]
    fit = FOOOFFitter().fit(epochs).spectrum_
    freqs, power = psd(epochs.get_data(["Oz", "O2", "Cz"]), SFREQ, freq_range=(1, 45))
    np.testing.assert_allclose(fit.freqs, freqs)
    np.testing.assert_allclose(fit.power, power.mean(axis=(0, 1)), rtol=1e-9)


def test_bad_and_flat_channels_are_nan_and_warned_about_once(raw):
    raw.info["bads"] = ["O1"]
    raw[2] = 1e-5
    before = raw.get_data().tobytes()
    with pytest.warns(RuntimeWarning) as caught:
        table = FOOOFFitter().set_output(transform="pandas").fit_transform(raw)
    assert [str(w.message) for w in caught] == ["FOOOFFitter leaves out flat channel(s): O2."]
    assert table.filter(regex="^(O1|O2)_").isna().all(axis=None)
    assert table.filter(regex="exponent").notna().to_numpy()[0].tolist() == [
        False,
        True,
        False,
        True,
    ]
    assert raw.get_data().tobytes() == before


@pytest.mark.parametrize("engine", ["compiled", "batch", "fooof"])
def test_epochs_one_by_one_and_in_parallel(raw, engine):
    epochs = mne.make_fixed_length_epochs(raw, 10.0, preload=True)
    fitter = FOOOFFitter(max_n_peaks=1, engine=engine).fit(epochs)
    table = fitter.transform(epochs)
    assert len(table) == 6
    np.testing.assert_allclose(fitter.transform(epochs[2]), table[2:3], rtol=1e-6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitter)).transform(epochs), table)
    in_parallel = fitter.set_params(n_jobs=2).transform(epochs)
    np.testing.assert_allclose(in_parallel, table, rtol=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "batch", "fooof"])
def test_too_few_frequencies_are_nan_with_a_reason(engine):
    noise = np.random.default_rng(0).normal(size=(3, 20))
    fitter = FOOOFFitter(sfreq=SFREQ, engine=engine)
    reason = "freq_range holds fewer than the 8 frequencies that a fit needs"
    with pytest.warns(RuntimeWarning, match=f"could not fit the average spectrum: {reason}"):
        fitter.fit(noise)
    with pytest.warns(RuntimeWarning, match=rf"could not fit 3 of 3 spectra: {reason} \(3 x\)"):
        table = fitter.transform(noise)
    assert np.isnan(table).all()
    assert np.isnan(fitter.spectrum_.exponent)


@pytest.mark.parametrize("engine", ["compiled", "batch", "fooof"])
def test_power_that_underflows_is_nan_with_a_reason(engine):
    noise = 1e-200 * np.random.default_rng(0).normal(size=(2, 2000))
    with pytest.warns(RuntimeWarning, match="power is zero or not finite"):
        assert np.isnan(FOOOFFitter(sfreq=SFREQ, engine=engine).fit_transform(noise)).all()


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ("compiled", "too few points lie on the background"),
        ("batch", "too few points lie on the background"),
        ("fooof", "sub-sampling"),
    ],
)
def test_a_fit_that_fails_is_nan_and_counted_once(engine, reason):
    """All but one frequency rise above the first background: nothing is left to fit it to."""
    noise = exact_noise(1.0, peaks=[(20.0, -8.0, 0.005)])
    settings = {"sfreq": SFREQ, "engine": engine, "freq_range": (19.6, 20.4), **LOSSLESS}
    with pytest.warns(RuntimeWarning, match="could not fit the average"):
        fitter = FOOOFFitter(**settings).fit(noise)
    with pytest.warns(RuntimeWarning, match=f"could not fit 1 of 1 spectra: .*{reason}") as caught:
        assert np.isnan(fitter.transform(noise)).all()
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"freq_range": (1, 200)},
            r"freq_range must end .* Nyquist frequency of 128 Hz, got \(1, 200\)",
        ),
        ({"freq_range": (45, 1)}, "freq_range must be a pair .* low < high"),
        ({"aperiodic_mode": "bent"}, "aperiodic_mode must be one of"),
        (
            {"engine": "magic"},
            r"engine must be one of \['auto', 'compiled', 'batch', 'fooof'\], got 'magic'",
        ),
        ({"max_n_peaks": -1}, "max_n_peaks must be a whole number >= 0 and"),
        ({"peak_width_limits": (3, 2)}, "peak_width_limits must be a pair .* low < high"),
        ({"min_peak_height": -0.1}, "min_peak_height must be a number >= 0"),
        ({"peak_threshold": np.nan}, "peak_threshold must be a number"),
    ],
)
def test_parameters_are_checked(raw, change, message):
    with pytest.raises(ValueError, match=message):
        FOOOFFitter(**change).fit(raw)


def test_recordings_are_checked(raw):
    fitted = FOOOFFitter().fit(raw)
    with pytest.raises(ValueError, match="'Pz' instead of 'Oz'"):
        fitted.transform(raw.copy().rename_channels({"Oz": "Pz"}))
    with pytest.raises(ValueError, match="sampled at 128 Hz, but was at 256 Hz at fit"):
        fitted.transform(raw.copy().resample(128))
    with pytest.raises(ValueError, match="sfreq must be given"):
        FOOOFFitter().fit(raw.get_data()[np.newaxis])
    broken = raw.copy()
    broken._data[1, 7] = np.inf
    with pytest.raises(ValueError, match=r"NaN or inf in channel\(s\) Oz"):
        FOOOFFitter().fit(broken)
    raw.info["bads"] = raw.ch_names
    with pytest.raises(ValueError, match="no channel to fit: all 4 that are picked are marked bad"):
        FOOOFFitter().fit(raw)


def test_short_recording(data_dir):
    """One second of BioSemi: coarse, but enough frequencies."""
    raw = mne.io.read_raw_bdf(data_dir / "eeglab" / "biosemi72_test.bdf", preload=True)
    with pytest.warns(
        RuntimeWarning, match="bins of 1 Hz; single spectra of so few bins"
    ) as caught:
        table = FOOOFFitter(picks="eeg").fit_transform(raw)
    assert len(caught) == 1
    assert np.isfinite(table[0, 0])


@pytest.mark.parametrize("duration", [1.0, 2.0])
@pytest.mark.parametrize("limits", [None, (1.0, 12.0), (2.0, 12.0)])
def test_widths_below_the_resolution_are_said_once(raw, duration, limits):
    """Epochs of 1 s have bins of 1 Hz, of 2 s 0.5 Hz."""
    epochs = mne.make_fixed_length_epochs(raw, duration, preload=True)
    fitter = FOOOFFitter(peak_width_limits=limits)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = fitter.fit_transform(epochs)
        n_at_fit = len(caught)
        np.testing.assert_array_equal(fitter.transform(epochs), table)
    expected = 1.0 if duration == 1.0 and limits != (2.0, 12.0) else 0
    assert (n_at_fit, len(caught)) == (expected, 2 * expected)
    if expected:
        advice = "at least 2 Hz wide" if limits is None else "Take peak_width_limits of at least 2"
        assert advice in str(caught[0].message)
        assert "longer windows or epochs" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FOOOFFitter(peak_width_limits=limits, max_n_peaks=0).fit_transform(epochs)


def test_default_widths_follow_the_resolution(raw):
    epochs = mne.make_fixed_length_epochs(raw, 1.0, preload=True)
    tables = []
    for limits in (None, (2.0, 12.0)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "FOOOFFitter looks for peaks")
            tables.append(FOOOFFitter(peak_width_limits=limits).fit_transform(epochs))
    np.testing.assert_array_equal(*tables)
    fine = [FOOOFFitter(peak_width_limits=each).fit_transform(raw) for each in (None, (1, 12))]
    np.testing.assert_array_equal(*fine)


@pytest.mark.parametrize("lowpass", [30.0, 40.0])
@pytest.mark.parametrize("known", [True, False])
def test_range_beyond_the_pass_band_is_said(lowpass, known):
    """With the range that the warning names, the exponent is right again."""
    raw, _ = simulate_recording(duration=60.0, exponent=1.0, random_state=0, **QUIET)
    filtered = raw.copy().filter(None, lowpass, verbose=False)
    with filtered.info._unlock():
        filtered.info["lowpass"] = lowpass if known else SFREQ / 2
    source = r'info\["lowpass"\]' if known else "a roll-off in the spectrum"
    fitter = FOOOFFitter()
    with pytest.warns(RuntimeWarning, match=f"fits 1-45 Hz, which leaves .*{source}") as caught:
        fitter.fit(filtered)
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match="take freq_range") as caught:
        fitter.transform(filtered)
    assert len(caught) == 1
    high = float(str(caught[0].message).split("take freq_range=(1, ")[1].split(")")[0])
    np.testing.assert_allclose(high, lowpass, rtol=0.12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = FOOOFFitter((1, high)).fit(filtered).spectrum_
        FOOOFFitter().fit(raw)
    np.testing.assert_allclose(fit.exponent, 1.0, rtol=0, atol=0.1)


def test_report(raw):
    fit = FOOOFFitter().fit(raw).spectrum_
    table = fit.to_frame()
    assert list(table) == ["freq", "power", "model", "aperiodic"]
    np.testing.assert_allclose(
        np.corrcoef(*np.log10(table[["power", "model"]].T.to_numpy()))[0, 1] ** 2,
        fit.r_squared,
        rtol=1e-9,
    )
    lines = {line.get_label(): line for line in fit.plot().axes[0].lines}
    for label, column in {"power": "power", "model": "model", "background": "aperiodic"}.items():
        np.testing.assert_allclose(lines[label].get_xydata(), table[["freq", column]], rtol=1e-12)


@pytest.mark.parametrize("n_times", [10, 20])
def test_report_of_a_failed_fit_can_be_drawn(n_times):
    noise = np.random.default_rng(0).normal(size=(1, n_times))
    with pytest.warns(RuntimeWarning, match="could not fit"):
        figure = FOOOFFitter(sfreq=SFREQ).fit(noise).spectrum_.plot()
    figure.canvas.draw()
    assert "Not fitted: freq_range holds" in figure.axes[0].get_title()


def test_fooof_changes_no_warning_filters_and_prints_nothing():
    code = (
        "import warnings, numpy as np; from npa.estimators.parameterize import FOOOFFitter;"
        "warnings.filterwarnings('ignore', 'FOOOFFitter looks for peaks as narrow');"
        "before = warnings.filters[:];"
        "x = np.random.default_rng(0).normal(size=(2, 2000)).cumsum(axis=1);"
        "FOOOFFitter(sfreq=256.0, peak_width_limits=(0.1, 5), engine='fooof').fit_transform(x);"
        "assert warnings.filters == before"
    )
    # Matplotlib and other imports may have warnings of their own; FOOOF's are about "fooof".
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == run.stderr == ""


def test_alpha_with_eyes_closed(data_dir):
    power = {}
    for label, name in {"open": "S001R01", "closed": "S001R02"}.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Limited .* annotation")
            raw = mne.io.read_raw_edf(data_dir / "eegbci" / f"{name}.edf", preload=True)
        mne.datasets.eegbci.standardize(raw)
        peaks = FOOOFFitter(picks=["O1", "Oz", "O2"]).fit(raw).spectrum_.peaks
        alpha = peaks[(peaks[:, 0] >= 7) & (peaks[:, 0] <= 14), 1]
        power[label] = 10 ** alpha.max(initial=0)
    assert power["closed"] > 3 * power["open"]


def test_selection_knows_windows_and_epochs(raw):
    """Pure noise has no peaks, in epochs of one window and in their average."""
    noise, _ = simulate_recording(duration=80.0, ch_names=["Cz"], alpha_amplitude=0, **QUIET)
    epochs = mne.make_fixed_length_epochs(noise, duration=4.0, preload=True, verbose=False)
    fitter = FOOOFFitter(selection="bic", aperiodic_mode="auto", n_jobs=2)
    table = fitter.set_output(transform="pandas").fit_transform(epochs)
    assert table["Cz_peak1_z"].notna().mean() < 0.1
    assert len(fitter.spectrum_.peaks) == 0
    assert fitter.spectrum_.aperiodic_mode == "fixed"
    np.testing.assert_allclose(table["Cz_exponent"].mean(), 1.0, atol=0.1)
    alone = fitter.set_params(n_jobs=None).fit_transform(epochs[3:5])
    np.testing.assert_array_equal(alone.to_numpy(), table.to_numpy()[3:5])
    epochs = mne.make_fixed_length_epochs(raw, duration=2.0, preload=True, verbose=False)
    few, all_of_them = (
        FOOOFFitter(selection="bic").fit(each).spectrum_ for each in (epochs[:10], epochs)
    )
    errors = [report.gaussians[0, 1] / report.peak_z[0] for report in (few, all_of_them)]
    np.testing.assert_allclose(errors[0] / errors[1], 3**0.5, rtol=0.3)


def test_knee_columns(raw):
    noise = exact_noise(2.0, 8.0**2)
    fitter = FOOOFFitter(aperiodic_mode="knee", sfreq=SFREQ, **LOSSLESS)
    table = fitter.set_output(transform="pandas").fit_transform(noise)
    np.testing.assert_allclose(table["ch0_knee_freq"], 8.0, rtol=1e-3)  # Hz
    np.testing.assert_allclose(table["ch0_timescale"], 1 / (2 * np.pi * 8), rtol=1e-3)  # s
    np.testing.assert_allclose(fitter.spectrum_.knee_freq, 8.0, rtol=1e-3)
    assert "knee 8 Hz" in fitter.spectrum_.plot().axes[0].get_title()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"selection": "aic"}, "selection"),
        ({"selection": "bic", "engine": "fooof"}, "engine='fooof' has no selection"),
        ({"aperiodic_mode": "auto"}, "aperiodic_mode='auto' needs selection"),
    ],
)
def test_selection_is_checked(raw, settings, message):
    with pytest.raises(ValueError, match=message):
        FOOOFFitter(**settings).fit(raw)


def test_epochs_too_short_for_a_selection():
    epochs = np.random.default_rng(0).standard_normal((3, 1, 15))
    with pytest.warns(RuntimeWarning, match="fewer than the 8 frequencies"):
        table = FOOOFFitter(selection="bic", sfreq=100.0).fit_transform(epochs)
    assert np.isnan(table).all()


def test_selection_of_windows(raw):
    """Windows of 8 s, half of them overlapping, show noise no peaks; their mean shows alpha."""
    fitter = FOOOFFitter(selection="bic", window=8.0, step=4.0, picks=["Oz"])
    table = fitter.set_output(transform="pandas").fit_transform(raw)
    assert len(table) == 14
    assert table["Oz_peak2_z"].notna().mean() <= 0.1
    np.testing.assert_allclose(fitter.spectrum_.peaks[:, 0], [10.0], atol=0.5)
    assert len(fitter.spectrum_.over_time.rows["time"]) == 14
