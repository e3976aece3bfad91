"""The slope of spectra, recovered from noise of known slope."""

import mne
import numpy as np
import pytest
from estimator_checks import scikit_learn_checks
from scipy.stats import linregress
from sklearn.pipeline import make_pipeline

from npa.estimators.exponent import PSDExponent
from npa.spectral.slopes import power_law

SFREQ = 256.0
STUDY = {
    "psd": "periodogram",
    "psd_kwargs": {"window": "boxcar", "detrend": False, "one_sided": False},
    "aggregate": "sum",
    "by": "/",
}


@scikit_learn_checks(
    PSDExponent(sfreq=SFREQ),
    PSDExponent(regression="theilsen", sfreq=SFREQ, **STUDY | {"by": None}),
    ignore=["PSDExponent has no slope", "PSDExponent leaves"],
)
def test_scikit_learn(estimator, check):
    check(estimator)


def colored_noise(exponent, shape, seed):
    """Gaussian noise of power f^-exponent, cut out of a record four times as long."""
    rng = np.random.default_rng(seed)
    n_times = shape[-1]
    freqs = np.fft.rfftfreq(4 * n_times, 1 / SFREQ)
    spectrum = rng.normal(size=(2, *shape[:-1], len(freqs)))
    gain = np.zeros(len(freqs))
    gain[1:] = freqs[1:] ** (-exponent / 2)
    noise = np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * gain)[..., :n_times]
    return 1e-5 * noise / noise.std()


@pytest.fixture
def gates():
    """Two gates of three units, 20 reviews of 100 words."""
    names = [f"lstm/{gate}/{unit}" for gate in "fh" for unit in range(3)]
    data = np.random.default_rng(3).normal(size=(20, 6, 100)).cumsum(axis=-1)
    return mne.EpochsArray(data, mne.create_info(names, 1.0, "eeg"))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5, 2.0, 2.5])
def test_slope_of_colored_noise(exponent):
    x = colored_noise(exponent, (10, 1, int(120 * SFREQ)), seed=int(10 * exponent))
    slopes = PSDExponent((2, 40), sfreq=SFREQ).fit_transform(x)
    np.testing.assert_allclose(np.median(slopes), -exponent, atol=0.05)


def test_study_estimator_equals_fft_by_hand(gates):
    slopes = PSDExponent(**STUDY).fit_transform(gates)
    freqs = np.arange(1, 51) / 100
    power = np.abs(np.fft.fft(gates.get_data())) ** 2
    for column, cells in enumerate((slice(0, 3), slice(3, 6))):
        summed = power[:, cells].sum(axis=1)[:, 1:51]
        for row in range(20):
            line = linregress(np.log10(freqs), np.log10(summed[row]))
            np.testing.assert_allclose(slopes[row, column], line.slope, atol=1e-10, rtol=0)


def test_columns_are_named(gates):
    table = PSDExponent(**STUDY).set_output(transform="pandas").fit_transform(gates)
    assert list(table.columns) == ["lstm/f_slope", "lstm/h_slope"]
    table = make_pipeline(PSDExponent()).set_output(transform="pandas").fit_transform(gates)
    assert list(table.columns) == [f"{name}_slope" for name in gates.ch_names]
    assert table.shape == (20, 6)


def test_ols_report_equals_scipy():
    x = colored_noise(1.0, (3, 2, 5000), seed=1)
    report = PSDExponent((1, 50), sfreq=SFREQ).fit(x).slopes_
    one = PSDExponent((1, 50), sfreq=SFREQ).fit(x[1:2, 1:]).slopes_
    line = linregress(np.log10(one.freqs), np.log10(one.power[0]))
    expected = [line.slope, line.intercept, line.stderr, line.rvalue**2]
    row = report.to_frame().set_index(["epoch", "name"]).loc[(1, "ch1")]
    found = row[["slope", "intercept", "stderr", "r2"]].to_numpy(float)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_line_of_the_mean_spectrum_is_the_mean_of_lines():
    x = colored_noise(1.5, (6, 2, 2000), seed=2)
    report = PSDExponent(sfreq=SFREQ).fit(x).slopes_
    line = power_law(report.freqs, report.power)
    np.testing.assert_allclose(line.slope, report.slope.mean(axis=0), rtol=1e-9)


def test_all_frequencies_but_dc():
    x = colored_noise(1.0, (2, 1, 1000), seed=4)
    report = PSDExponent(psd="periodogram", sfreq=SFREQ).fit(x).slopes_
    np.testing.assert_allclose(report.freqs, np.arange(1, 501) * SFREQ / 1000, rtol=1e-12)


def test_limits_are_inclusive():
    x = colored_noise(1.0, (2, 1, 2048), seed=4)
    freqs = PSDExponent((2, 40), sfreq=SFREQ).fit(x).slopes_.freqs
    assert (freqs[0], freqs[-1]) == (2.0, 40.0)


def test_bad_and_flat_channels_are_nan():
    x = colored_noise(1.0, (1, 3, 4096), seed=5)[0]
    x[1] = 1e-6
    raw = mne.io.RawArray(x, mne.create_info(["Fz", "Cz", "Oz"], SFREQ, "eeg"))
    raw.info["bads"] = ["Oz"]
    with pytest.warns(RuntimeWarning, match="flat channel.*Cz"):
        table = PSDExponent((2, 40)).fit_transform(raw)
    np.testing.assert_array_equal(np.isnan(table), [[False, True, True]])
    with pytest.warns(RuntimeWarning, match="flat"):
        whole = PSDExponent((2, 40), aggregate="mean").fit_transform(raw)
    np.testing.assert_allclose(whole, table[:, :1], rtol=1e-12)


def test_bad_spans_are_left_out():
    x = colored_noise(2.0, (1, 1, 8192), seed=6)[0]
    info = mne.create_info(["Oz"], SFREQ, "eeg")
    broken = x.copy()
    broken[:, 3000:3200] = 1.0
    raw = mne.io.RawArray(broken, info)
    raw.set_annotations(mne.Annotations(3000 / SFREQ, 200 / SFREQ, "BAD_jump"))
    clean = PSDExponent((2, 40)).fit_transform(mne.io.RawArray(x, info))
    np.testing.assert_allclose(PSDExponent((2, 40)).fit_transform(raw), clean, atol=0.15)


def test_zero_power_is_counted():
    x = np.zeros((2, 1, 256))
    x[:, 0, :128] = np.random.default_rng(0).normal(size=(2, 128))
    x[0, 0] = np.repeat([1.0, -1.0], 128)  # an even square wave has no even harmonics
    measure = PSDExponent(psd="periodogram", sfreq=SFREQ)
    with pytest.warns(RuntimeWarning, match="1 of 2 spectra: power is zero"):
        table = measure.fit_transform(x)
    np.testing.assert_array_equal(np.isnan(table), [[True], [False]])


def test_too_few_samples_are_nan():
    with pytest.warns(RuntimeWarning, match="fewer than 3 frequencies"):
        table = PSDExponent(sfreq=SFREQ).fit_transform(np.random.default_rng(0).normal(size=(4, 3)))
    assert np.isnan(table).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"freq_range": (0.0, 40)}, r"freq_range\[0\] must be a number > 0"),
        ({"freq_range": (50, 40)}, "freq_range must .* got \\(50, 40\\)"),
        ({"freq_range": (2, 200.0)}, "freq_range must end at or below the Nyquist .* of 128 Hz"),
        ({"regression": "lasso"}, "regression must be one of"),
        ({"psd": "burg"}, "psd must be one of"),
        ({"by": "/"}, "aggregate must be 'mean' or 'sum'"),
        ({"aggregate": "median"}, "aggregate must be one of"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        PSDExponent(sfreq=SFREQ, **parameters).fit(np.ones((2, 600)).cumsum(axis=1))


def test_nan_samples_are_named():
    x = np.ones((2, 600)).cumsum(axis=1)[np.newaxis]
    x[0, 1, 5] = np.nan
    info = mne.create_info(["Fz", "Oz"], SFREQ, "eeg")
    with pytest.raises(ValueError, match="NaN or inf in channel.*Oz"):
        PSDExponent().fit(mne.io.RawArray(x[0], info))


def test_input_is_unchanged(gates):
    before = gates.get_data().tobytes()
    PSDExponent(**STUDY).fit_transform(gates)
    assert gates.get_data().tobytes() == before


def test_plot_shows_the_lines():
    report = PSDExponent((2, 40), sfreq=SFREQ).fit(colored_noise(1.0, (4, 2, 5000), 7)).slopes_
    ax = report.plot().axes[0]
    spectrum, line = ax.lines[:2]
    np.testing.assert_allclose(spectrum.get_ydata(), report.power[0])
    drawn = np.polyfit(np.log10(line.get_xdata()), np.log10(line.get_ydata()), 1)
    np.testing.assert_allclose(drawn[0], report.slope[:, 0].mean(), rtol=1e-9)
    assert ax.get_legend().get_texts()[1].get_text().startswith("ch1")


def test_frequencies_beyond_the_pass_band_are_said():
    info = mne.create_info(8, SFREQ, "eeg")
    raw = mne.io.RawArray(colored_noise(1.0, (8, 20_000), 0), info, verbose=False)
    raw.filter(1.0, 40.0, verbose=False)
    measure = PSDExponent()
    with pytest.warns(RuntimeWarning, match=r"fits 0.25-128 Hz.* 1-40 Hz.*freq_range=\(1, 40\)"):
        measure.fit(raw)
    array = raw.get_data()[np.newaxis]
    with pytest.warns(RuntimeWarning, match="fits 2-100 Hz.*a roll-off in the spectrum") as caught:
        PSDExponent((2, 100), sfreq=SFREQ).fit_transform(array)
    assert len(caught) == 1
    slopes = PSDExponent((1, 40)).fit_transform(raw)  # warnings are errors
    np.testing.assert_allclose(slopes.mean(), -1.0, rtol=0, atol=0.1)
