"""Standard errors and intervals of fits: columns, coverage, and reports."""

import mne
import numpy as np
import pandas as pd
import pytest
from estimator_checks import scikit_learn_checks
from sklearn.base import clone

from npa import FOOOFFitter, PSDExponent

SFREQ = 100.0


def noise_of(n_channels, duration, exponent=1.5, *, alpha=0.0, random_state=0):
    """Simulate stationary 1/f noise with alpha at 10 Hz, shape (1, n_channels, n_times)."""
    rng = np.random.default_rng(random_state)
    n_times = round(duration * SFREQ)
    freqs = np.fft.rfftfreq(2 * n_times, 1 / SFREQ)
    power = 10 ** (alpha * np.exp(-((freqs - 10) ** 2) / 2)) / np.maximum(freqs, 0.3) ** exponent
    white = rng.standard_normal((n_channels, len(freqs), 2)) @ [1, 1j]
    return np.fft.irfft(white * np.sqrt(power))[np.newaxis, :, :n_times]


def columns_of(table, column, n_channels):
    """Return a column of every channel."""
    return np.array([table[f"ch{index}_{column}"].iloc[0] for index in range(n_channels)])


@scikit_learn_checks(
    PSDExponent(sfreq=SFREQ, uncertainty="bootstrap", n_boot=20, random_state=0),
    ignore=["PSDExponent has no slope"],
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("duration", "params"),
    [
        (60.0, {}),  # resampled
        (10.0, {"psd": "multitaper"}),  # simulated
        (10.0, {"psd_kwargs": {"average": "median"}}),
    ],
)
def test_intervals_of_slopes_hold_the_truth(duration, params):
    """In 92 to 98 % of 150 channels, to which twice the sampling error is added."""
    x = noise_of(150, duration)
    measure = PSDExponent((2, 40), sfreq=SFREQ, uncertainty="bootstrap", n_boot=60, random_state=0)
    measure.set_params(**params).set_output(transform="pandas")
    table = measure.fit_transform(x)
    slope, se, low, high = (
        columns_of(table, name, 150) for name in ("slope", "slope_se", "slope_low", "slope_high")
    )
    covered = (low <= -1.5) & (high >= -1.5)
    assert 0.885 <= covered.mean() <= 1.0
    np.testing.assert_allclose(np.sqrt((se**2).mean()), slope.std(ddof=1), rtol=0.15)
    assert (measure.slopes_.stderr < se).mean() > 0.9  # bins are not independent, as it assumes


def test_intervals_of_epochs_and_conditions():
    """Of single epochs noise is simulated; of conditions it is resampled, and smaller."""
    x = noise_of(1, 4.0 * 60, random_state=3)[0].reshape(60, 1, 400)
    events = np.column_stack([np.arange(60), np.zeros(60, int), np.tile([1, 2], 30)])
    info = mne.create_info(["Oz"], SFREQ, "eeg")
    epochs = mne.EpochsArray(1e-5 * x, info, events, 0, {"a": 1, "b": 2}, verbose=False)
    measure = PSDExponent((2, 40), uncertainty="bootstrap", n_boot=60, random_state=0)
    measure.set_output(transform="pandas")
    single = measure.fit_transform(epochs)
    assert np.ptp(single["Oz_slope_se"]) < 1e-9  # simulated once for all
    np.testing.assert_allclose(single["Oz_slope_se"][0], single["Oz_slope"].std(), rtol=0.25)
    pooled = measure.set_params(pool="condition").fit_transform(epochs)
    ratio = single["Oz_slope_se"][0] / pooled["Oz_slope_se"]
    # The logarithm of single periodograms has a variance of pi**2 / 6.
    np.testing.assert_allclose(ratio, np.sqrt(30 * np.pi**2 / 6), rtol=0.25)
    windows = measure.set_params(pool=None, window=2.0).fit_transform(epochs)
    assert windows.index.nlevels == 2
    assert np.isfinite(windows).all(axis=None)
    frame = measure.slopes_.to_frame()
    assert list(frame)[:3] == ["epoch", "time", "name"]
    np.testing.assert_array_equal(frame["slope_low"], windows["Oz_slope_low"])


def test_same_random_state_gives_the_same_intervals():
    x = noise_of(2, 40.0)
    measure = PSDExponent((2, 40), sfreq=SFREQ, uncertainty="bootstrap", n_boot=20, random_state=1)
    table = measure.fit_transform(x)
    np.testing.assert_array_equal(measure.transform(x), table)
    other = clone(measure).set_params(random_state=2).fit_transform(x)
    np.testing.assert_array_equal(other[:, ::4], table[:, ::4])
    assert (other[:, 1::4] != table[:, 1::4]).all()


@pytest.mark.parametrize("kind", [FOOOFFitter, PSDExponent])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_boot": 1}, "n_boot must be a whole number >= 20, got 1"),
        ({"uncertainty": "jackknife"}, r"uncertainty must be one of \[None, 'bootstrap'\]"),
    ],
)
def test_bad_parameters_are_named(kind, params, message):
    with pytest.raises(ValueError, match=message):
        kind((2, 40), sfreq=SFREQ, **{"uncertainty": "bootstrap", **params}).fit(noise_of(1, 20.0))


@pytest.fixture(scope="module")
def fitted():
    """Return a fit of three channels of a minute with alpha, and its table."""
    fitter = FOOOFFitter(
        (2, 40), sfreq=SFREQ, max_n_peaks=2, uncertainty="bootstrap", n_boot=40, random_state=0
    ).set_output(transform="pandas")
    table = fitter.fit_transform(noise_of(3, 60.0, alpha=0.9))
    return fitter, table


def test_columns_of_intervals(fitted):
    fitter, table = fitted
    own = [name.removeprefix("ch1_") for name in table if name.startswith("ch1_")]
    peaks = [f"peak{n}_{value}" for n in (1, 2) for value in ("cf", "pw", "bw")]
    measures = ["offset", "exponent", *peaks]
    intervals = [f"{name}_{end}" for name in measures for end in ("se", "low", "high")]
    assert own == ["offset", "exponent", "r2", "error", *peaks, *intervals]
    assert isinstance(table, pd.DataFrame)
    assert all(kind.kind == "f" for kind in table.dtypes)
    plain = clone(fitter).set_params(uncertainty=None).fit_transform(noise_of(3, 60.0, alpha=0.9))
    pd.testing.assert_frame_equal(table[list(plain)], plain)


def test_intervals_of_background_and_alpha(fitted):
    fitter, table = fitted
    for index in range(3):
        exponent, se, low, high = (
            table[f"ch{index}_exponent{end}"].iloc[0] for end in ("", "_se", "_low", "_high")
        )
        assert low < high
        assert 0.02 < se < 0.15
        assert abs(exponent - 1.5) < 4 * se
    spectrum = fitter.spectrum_
    alpha = int(np.abs(spectrum.peaks[:, 0] - 10).argmin()) + 1
    se, low, high = spectrum.intervals[f"peak{alpha}_cf"]
    assert 0.03 < se < 0.5
    assert low < 10 < high
    assert low < spectrum.peaks[alpha - 1, 0] < high
    assert spectrum.intervals[f"peak{alpha}_bw"][1] > 0


def test_reports_show_intervals(fitted):
    spectrum = fitted[0].spectrum_
    frame = spectrum.to_frame()
    assert (frame["aperiodic_low"] < frame["aperiodic_high"]).all()
    inside = (frame["aperiodic_low"] < frame["aperiodic"]) & (
        frame["aperiodic"] < frame["aperiodic_high"]
    )
    assert inside.all()
    figure = spectrum.plot()
    assert len(figure.axes[0].collections) == 1
    _, low, high = spectrum.intervals["exponent"]
    assert f"[{low:.2f}, {high:.2f}]" in figure.axes[0].get_title()


def test_intervals_over_time():
    fitter = FOOOFFitter(
        (2, 40),
        sfreq=SFREQ,
        window=4.0,
        max_n_peaks=1,
        uncertainty="bootstrap",
        n_boot=40,
        random_state=0,
    ).fit(noise_of(1, 40.0, alpha=1.0))
    course = fitter.spectrum_.over_time.to_frame()
    assert len(course) == 10
    assert (course["exponent_low"] < course["exponent_high"]).all()
    covered = (course["exponent_low"] < 1.5) & (course["exponent_high"] > 1.5)
    assert covered.mean() >= 0.8
    figure = fitter.spectrum_.plot_time()
    assert [len(ax.collections) for ax in figure.axes] == [1, 1, 1]
