"""Fits over time and of conditions: drifts are followed, and averages are those by hand."""

import mne
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from npa import FOOOFFitter, PSDExponent
from npa.spectral import fit_spectra, power_law, psd

SFREQ = 200.0
BLOCK = 400  # samples of the pieces that a drifting signal is made of


def drifting_noise(duration, random_state, *, start=1.0, stop=2.0):
    """Simulate 1/f noise whose exponent drifts linearly, with alpha at 10 Hz."""
    rng = np.random.default_rng(random_state)
    n_times = round(duration * SFREQ)
    x, taper = np.zeros(n_times + BLOCK), np.sqrt(np.hanning(BLOCK + 1)[:-1])
    freqs = np.fft.rfftfreq(4 * BLOCK, 1 / SFREQ)
    alpha = 10 ** (0.8 * np.exp(-((freqs - 10) ** 2) / 2))
    for first in range(0, n_times, BLOCK // 2):
        chi = start + (stop - start) * first / n_times
        power = alpha / np.maximum(freqs, 0.5) ** chi
        noise = rng.standard_normal((len(freqs), 2)) @ [1, 1j]
        piece = np.fft.irfft(noise * np.sqrt(power), 4 * BLOCK)[:BLOCK]
        x[first : first + BLOCK] += taper * piece
    return x[:n_times]


def make_raw(duration=120.0, n_channels=1, **kwargs):
    """Return a Raw of drifting noise."""
    data = 1e-5 * np.stack([drifting_noise(duration, seed, **kwargs) for seed in range(n_channels)])
    info = mne.create_info([f"C{index + 1}" for index in range(n_channels)], SFREQ, "eeg")
    return mne.io.RawArray(data, info, verbose=False)


def make_epochs(n_epochs=40, duration=1.0):
    """Return short epochs of two conditions, with exponents of 1 and 2, in alternation."""
    data = np.empty((n_epochs, 2, round(duration * SFREQ)))
    rng = np.random.default_rng(1)
    freqs = np.fft.rfftfreq(8 * data.shape[-1], 1 / SFREQ)
    for index in range(n_epochs):
        power = 1 / np.maximum(freqs, 0.5) ** (1 + index % 2)
        noise = rng.standard_normal((2, len(freqs), 2)) @ [1, 1j]
        data[index] = np.fft.irfft(noise * np.sqrt(power))[:, : data.shape[-1]]
    events = np.column_stack(
        [np.arange(n_epochs), np.zeros(n_epochs, int), np.tile([1, 2], n_epochs // 2)]
    )
    info = mne.create_info(["Fz", "Oz"], SFREQ, "eeg")
    names = {"white/one": 1, "brown/two": 2}
    return mne.EpochsArray(1e-5 * data, info, events, -0.2, names, verbose=False)


def test_a_drifting_exponent_is_followed():
    """In windows of 4 s the exponent has a standard error of 0.14, and hardly a bias."""
    raw = make_raw(240.0)
    fitter = FOOOFFitter(window=4.0, step=2.0, max_n_peaks=2).set_output(transform="pandas")
    table = fitter.fit_transform(raw)
    times = table.index.get_level_values("time")
    truth = 1 + times.to_numpy() / 240
    error = table["C1_exponent"].to_numpy() - truth
    assert len(table) == 119
    assert abs(error.mean()) < 0.06
    assert error.std() < 0.18
    slope = np.polyfit(times, table["C1_exponent"], 1)[0] * 240
    np.testing.assert_allclose(slope, 1.0, rtol=0, atol=0.2)
    course = fitter.spectrum_.over_time.to_frame()
    np.testing.assert_array_equal(course["exponent"], table["C1_exponent"])
    alpha = (fitter.spectrum_.peaks[:, 1].argmax()) + 1
    np.testing.assert_allclose(course[f"peak{alpha}_cf"].median(), 10, rtol=0, atol=0.3)  # Hz
    assert course[f"peak{alpha}_cf"].notna().mean() > 0.95
    slopes = PSDExponent((12, 45), window=4.0, step=2.0).fit(raw).slopes_
    assert abs((slopes.slope[:, 0] + truth).mean()) < 0.1


@pytest.mark.filterwarnings("ignore:FOOOFFitter looks for peaks at least")
@pytest.mark.parametrize("estimator", [FOOOFFitter((2, 40)), PSDExponent((2, 40))])
def test_rows_are_those_of_the_windows_alone(estimator):
    raw = make_raw(20.0, n_channels=2)
    rows = clone(estimator).set_params(window=5.0, step=2.5).fit_transform(raw)
    assert isinstance(rows, np.ndarray)
    alone = clone(estimator).set_params(psd_kwargs={"n_per_seg": 200})
    for row, start in enumerate(np.arange(0, 15.1, 2.5)):
        part = raw.copy().crop(start, start + 5, include_tmax=False)
        np.testing.assert_allclose(rows[row], alone.fit_transform(part)[0], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:FOOOFFitter could not fit")
@pytest.mark.parametrize("estimator", [FOOOFFitter((2, 40)), PSDExponent((2, 40))])
def test_pandas_output_has_times(estimator):
    epochs = make_epochs(4, duration=3.0)
    windowed = clone(estimator).set_params(window=1.0, step=0.5).set_output(transform="pandas")
    table = make_pipeline(windowed).fit_transform(epochs)
    assert table.index.names == ["epoch", "time"]
    assert table.loc[2].index.tolist() == pytest.approx([0.3, 0.8, 1.3, 1.8, 2.3])
    pd.testing.assert_frame_equal(windowed.transform(epochs), table)
    pooled = windowed.set_params(pool="condition").fit_transform(epochs)
    assert pooled.index.names == ["condition", "time"]
    assert pooled.loc["white/one"].index.tolist() == pytest.approx([0.3, 0.8, 1.3, 1.8, 2.3])
    assert windowed.set_params(window=None, step=None).fit_transform(epochs).index.tolist() == [
        "brown/two",
        "white/one",
    ]
    plain = windowed.set_params(pool=None).fit_transform(epochs)
    assert plain.index.tolist() == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore:FOOOFFitter looks for peaks at least")
def test_pooling_is_averaging_by_hand():
    epochs = make_epochs()
    table = (
        FOOOFFitter((2, 45), pool="condition").set_output(transform="pandas").fit_transform(epochs)
    )
    lines = PSDExponent((2, 45), pool="condition").fit(epochs).slopes_
    for row, condition in enumerate(["brown/two", "white/one"]):
        freqs, power = psd(epochs[condition].get_data(), SFREQ, freq_range=(2, 45))
        fit = fit_spectra(freqs, power.mean(axis=0))
        np.testing.assert_allclose(table.filter(like="exponent").loc[condition], fit.exponent)
        np.testing.assert_allclose(fit.exponent, 2 - row, rtol=0, atol=0.3)
        np.testing.assert_allclose(lines.slope[row], power_law(freqs, power.mean(axis=0)).slope)
    assert lines.to_frame()["condition"].tolist() == ["brown/two"] * 2 + ["white/one"] * 2


def test_windows_across_bad_spans_are_missing():
    raw = make_raw(40.0)
    raw.set_annotations(mne.Annotations([10, 24], [6, 0], ["BAD_move", "boundary"]))
    fitter = FOOOFFitter(window=4.0).set_output(transform="pandas")
    exponent = fitter.fit_transform(raw)["C1_exponent"]
    assert exponent.index[exponent.isna()].tolist() == [(0, 10.0), (0, 14.0)]
    assert fitter.spectrum_.seconds_used == pytest.approx(32.0)
    assert fitter.spectrum_.seconds_clean == pytest.approx(34.0)
    raw.annotations.append([4, 18], [5, 20], "BAD_move")
    with pytest.warns(RuntimeWarning, match="FOOOFFitter has no spectrum for 90% of the windows"):
        assert np.isfinite(fitter.fit_transform(raw)["C1_exponent"]).sum() == 1


@pytest.mark.parametrize("kind", [FOOOFFitter, PSDExponent])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"window": 0.05}, r"window must be long enough for \d frequencies between 1 and 45 Hz"),
        ({"window": 41.0}, r"window must be at most as long as the signals of 40 s, got 41\.0"),
        ({"window": -1}, "window must be a number > 0, got -1"),
        ({"step": 1.0}, r"step=1\.0 moves a window, so window must be given too"),
        ({"pool": "epochs"}, r"pool must be one of \[None, 'condition'\], got 'epochs'"),
        ({"pool": "condition"}, "pool='condition' averages .* so X must be Epochs"),
    ],
)
def test_bad_input_is_named(kind, params, message):
    with pytest.raises(ValueError, match=message):
        kind(freq_range=(1, 45), **params).fit(make_raw(40.0))


def test_reports_of_fits_that_are_not_over_time_say_so():
    raw = make_raw(20.0)
    with pytest.raises(ValueError, match=r"fit with window=4\.0"):
        FOOOFFitter().fit(raw).spectrum_.plot_time()
    with pytest.raises(ValueError, match=r"fit with window=4\.0"):
        PSDExponent((1, 45)).fit(raw).slopes_.plot_time()


def test_figures_over_time():
    raw = make_raw(40.0)
    figure = FOOOFFitter(window=4.0).fit(raw).spectrum_.plot_time()
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels == ["Exponent $\\chi$", "Peak frequency (Hz)", "Peak height (log10)"]
    epochs = make_epochs(6, duration=4.0)
    several = FOOOFFitter(window=2.0, step=0.5, max_n_peaks=0).fit(epochs).spectrum_.plot_time()
    assert several.axes[0].get_legend_handles_labels()[1] == ["mean of 6 epochs"]
    conditions = FOOOFFitter(window=2.0, max_n_peaks=0, pool="condition").fit(epochs)
    figure = conditions.spectrum_.plot_time()
    assert figure.axes[0].get_legend_handles_labels()[1] == ["brown/two", "white/one"]


@pytest.mark.parametrize("estimator", [FOOOFFitter, PSDExponent])
@pytest.mark.parametrize("window", [None, 4.0])
def test_channels_that_are_flat_since_the_fit_are_named(estimator, window):
    noise = np.random.default_rng(0).normal(scale=1e-6, size=(1, 3, 4000)).cumsum(axis=-1)  # V
    fitted = estimator(sfreq=200.0, window=window).fit(noise)
    noise[:, 1] = 0
    with pytest.warns(RuntimeWarning, match=r"flat channel\(s\): ch1"):
        assert np.isnan(fitted.transform(noise)).any()
