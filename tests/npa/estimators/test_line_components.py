"""Line noise that channels share is removed as components; the line is found where it is."""

import re

import mne
import numpy as np
import pytest

from npa import LineNoiseRemover
from npa.spectral import psd
from npa.workflows.blocks import TransformedRaw

SFREQ, N_TIMES = 250.0, 10_000


def decibels(x, reference):
    return 20 * np.log10(np.std(x) / np.std(reference))


def background(rng, n_channels=12, n_times=N_TIMES, n_epochs=1):
    """Shared and own noise, of power 1/f."""
    freqs = np.fft.rfftfreq(n_times, 1 / SFREQ)
    gain = np.maximum(freqs, 1.0) ** -0.5
    sources = rng.normal(size=(n_epochs, 30, n_times))
    sources = np.fft.irfft(gain * np.fft.rfft(sources), n_times)
    x = rng.normal(size=(n_channels, 30)) @ sources
    return x / x.std()


def line(rng, kind="steady", freq=50.0, n_channels=12, n_times=N_TIMES):
    """A line and its harmonic in all channels."""
    t = np.arange(n_times) / SFREQ
    phase = 2 * np.pi * freq * t
    if kind == "drifting":
        phase += 2 * np.pi * 0.05 * t**2 / t[-1]
    gain = 1 + 0.5 * np.sin(2 * np.pi * 0.1 * t) * (kind == "modulated")
    waves = gain * np.array([np.sin(phase + 1), 0.3 * np.sin(2 * phase)])
    return rng.normal(size=(n_channels, 2)) @ waves


@pytest.mark.parametrize(
    ("kind", "freq", "left", "damage"),
    [
        ("steady", 50.0, -35, 0.012),
        ("steady", 50.03, -35, 0.012),
        ("steady", 49.95, -35, 0.012),
        ("modulated", 50.0, -30, 0.03),
        ("drifting", 50.0, -30, 0.03),
    ],
)
def test_shared_lines_go_and_the_background_stays(kind, freq, left, damage):
    rng = np.random.default_rng(0)
    clean, hum = background(rng), line(rng, kind, freq)
    remover = LineNoiseRemover(sfreq=SFREQ).fit(clean + hum)
    assert remover.hum_.method == "spatial"
    # The same transformer of the background alone, and of the line alone: it is linear.
    assert decibels(remover.transform(hum[np.newaxis]), hum) < left
    assert (remover.transform(clean) - clean).std() < damage * clean.std()
    assert remover.hum_.lines[0].freq == pytest.approx(freq + 0.05 * (kind == "drifting"), abs=0.01)


def test_slopes_are_those_of_the_clean_recording():
    rng = np.random.default_rng(1)
    clean, hum = background(rng), 3 * line(rng, "modulated")
    found = LineNoiseRemover(sfreq=SFREQ).fit_transform(clean + hum)
    slopes = []
    for x in (clean, found):
        freqs, power = psd(x, SFREQ, freq_range=(2, 110))
        slopes.append(np.polyfit(np.log10(freqs), np.log10(power[0].mean(axis=0)), 1)[0])
    assert slopes[1] == pytest.approx(slopes[0], abs=0.02)


def test_the_data_choose_the_method():
    rng = np.random.default_rng(2)
    x, t = background(rng), np.arange(N_TIMES) / SFREQ
    own = np.array([1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.05, 0.3) * t) for _ in range(12)])
    phases = rng.uniform(0, 2 * np.pi, (12, 1))
    for hum, method, reason in (
        (line(rng), "spatial", r"1 component\(s\) of 12"),
        (own * np.sin(2 * np.pi * 50 * t + phases), "spectrum_fit", "not shared"),
    ):
        report = LineNoiseRemover(sfreq=SFREQ).fit(x + hum).hum_
        assert report.method == method
        assert re.search(reason, report.reason)
    few = LineNoiseRemover(sfreq=SFREQ).fit(x[:, :7] + line(rng)[:7]).hum_
    assert few.method == "spectrum_fit"
    assert "fewer than 8" in few.reason


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_auto_finds_the_line(mains):
    rng = np.random.default_rng(3)
    x = background(rng) + line(rng, freq=mains + 0.02)
    remover = LineNoiseRemover("auto", sfreq=SFREQ).fit(x)
    np.testing.assert_array_equal(remover.freqs_, mains * np.arange(1, 125 // mains + 1))
    assert remover.hum_.lines[0].freq == pytest.approx(mains + 0.02, abs=1e-3)


def test_auto_leaves_a_recording_without_a_line_as_it_is():
    x = background(np.random.default_rng(4))
    remover = LineNoiseRemover("auto", sfreq=SFREQ)
    np.testing.assert_array_equal(remover.fit_transform(x), x)
    assert not remover.hum_.found
    assert remover.hum_.to_frame().empty


def test_a_line_off_its_place_is_removed_and_named():
    rng = np.random.default_rng(5)
    clean, hum = background(rng), line(rng, freq=49.8)
    with pytest.warns(RuntimeWarning, match=r"line at 49.8 Hz, 0.2 Hz off 50 Hz"):
        found = LineNoiseRemover(sfreq=SFREQ).fit_transform(clean + hum)
    assert (found - clean).std() < 0.012 * clean.std()


@pytest.mark.parametrize(
    ("freqs", "widths", "freq"), [(50.0, 0.2, 49.5), (50.0, None, 60.0), ([50.0], 0.0, 50.4)]
)
def test_a_line_that_stays_is_named(freqs, widths, freq):
    rng = np.random.default_rng(6)
    x = background(rng) + line(rng, freq=freq)
    with pytest.warns(RuntimeWarning, match=rf"leaves line noise at {freq:g}\d* Hz"):
        LineNoiseRemover(freqs, notch_widths=widths, sfreq=SFREQ).fit(x)


def test_a_wandering_line_is_named():
    rng = np.random.default_rng(7)
    t = np.arange(N_TIMES) / SFREQ
    hum = np.sin(2 * np.pi * (50 * t + 0.3 * np.sin(2 * np.pi * 0.1 * t)))
    x = background(rng) + rng.normal(size=(12, 1)) * hum
    with pytest.warns(RuntimeWarning, match=r"frequency wanders \(standard deviation 0.1"):
        LineNoiseRemover(sfreq=SFREQ).fit(x)


def test_rank_deficient_data_and_flat_and_bad_channels():
    rng = np.random.default_rng(8)
    clean = background(rng)
    x = clean + line(rng)
    x, clean = x - x.mean(axis=1, keepdims=True), clean - clean.mean(axis=1, keepdims=True)
    x[0, 3], clean[0, 3] = x[0, 2], clean[0, 2]  # bridged
    x[0, 5] = 0.0
    info = mne.create_info(12, SFREQ, "eeg")
    raw = mne.io.RawArray(1e-5 * x[0], info, verbose=False)
    raw.info["bads"] = ["7"]
    remover = LineNoiseRemover()
    found = remover.fit_transform(raw).get_data()
    assert remover.hum_.method == "spatial"
    assert len(remover.hum_.used) == 10
    good = [index for index in range(12) if index not in (5, 7)]
    assert (found - 1e-5 * clean[0])[good].std() < 0.02 * found[good].std()
    assert not found[5].any()
    assert (found - 1e-5 * clean[0])[7].std() < 0.05 * found[7].std()
    rows = remover.hum_.to_frame().set_index(["channel", "nominal"])
    assert rows.loc[("1", 50.0), "before"] > 10
    assert rows.loc[("1", 50.0), "after"] < 3


def test_blocks_equal_memory():
    rng = np.random.default_rng(9)
    x = 1e-5 * (background(rng, n_times=30_000) + line(rng, "modulated", n_times=30_000))
    raw = mne.io.RawArray(x[0], mne.create_info(12, SFREQ, "eeg"), verbose=False)
    raw.info["bads"] = ["3"]
    raw.set_annotations(mne.Annotations([70.0], [0.0], ["EDGE boundary"]))
    remover = LineNoiseRemover().fit(raw)
    assert remover.hum_.method == "spatial"
    whole = remover.transform(raw).get_data()
    transformed = TransformedRaw(raw, [remover], 6e6)
    assert len(transformed._raw_extras[0]["blocks"].blocks) >= 4
    np.testing.assert_allclose(transformed.get_data(), whole, atol=1e-11 * x.std(), rtol=0)


def test_epochs_are_cleaned_whatever_the_phase_in_each():
    rng = np.random.default_rng(10)
    clean = background(rng, n_times=250, n_epochs=200)
    t = np.arange(250) / SFREQ
    phases, gains = rng.uniform(0, 6, (200, 1, 1)), rng.uniform(0, 2, (200, 1, 1))
    hum = gains * np.sin(2 * np.pi * 50 * t + phases) * rng.normal(size=(12, 1))
    found = LineNoiseRemover(sfreq=SFREQ).fit_transform(clean + hum)
    assert (found - clean).std() < 0.03 * clean.std()


def test_the_order_and_signs_of_channels_do_not_matter():
    rng = np.random.default_rng(11)
    x = background(rng) + line(rng, "modulated")
    signs = np.where(np.arange(12) % 2, -1.0, 1.0)[:, np.newaxis]
    found = LineNoiseRemover(sfreq=SFREQ).fit_transform(x)
    other = LineNoiseRemover(sfreq=SFREQ).fit_transform((signs * x)[:, ::-1])
    np.testing.assert_allclose(signs * other[:, ::-1], found, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "zapline"}, ValueError, "method must be"),
        ({"n_remove": 0}, ValueError, "n_remove must be"),
        ({"n_remove": 13, "method": "spatial"}, ValueError, "at most the rank of the data, 12"),
        ({"notch_widths": "1"}, TypeError, "notch_widths must be a number, got '1'"),
        ({"notch_widths": -1}, ValueError, "notch_widths must be"),
        ({"notch_widths": [1.0, None]}, TypeError, r"notch_widths\[1\] must be a number"),
        ({"notch_widths": [1.0]}, ValueError, r"one per frequency \(2\), got 1"),
        ({"window": "10 s"}, TypeError, "window must be"),
        ({"freqs": 1e-9}, ValueError, "multiples below the Nyquist frequency of 125 Hz"),
        ({"freqs": [1e-9]}, ValueError, "the lowest of freqs must be"),
        ({"freqs": "mains"}, TypeError, "freqs must be a number, got 'mains'"),
    ],
)
def test_what_is_not_allowed_is_named(options, error, message):
    x = background(np.random.default_rng(0), n_times=2000)
    with pytest.raises(error, match=message):
        LineNoiseRemover(**options, sfreq=SFREQ).fit(x)


def test_one_channel_has_no_components():
    x = background(np.random.default_rng(0), n_channels=1, n_times=2000)
    with pytest.raises(ValueError, match="at least 2 usable channels, got 1"):
        LineNoiseRemover(method="spatial", sfreq=SFREQ).fit(x)


def test_a_given_number_of_components_and_window_is_kept():
    rng = np.random.default_rng(0)
    x = background(rng) + line(rng)
    report = LineNoiseRemover(n_remove=3, window=2.0, sfreq=SFREQ).fit(x).hum_
    assert report.n_removed == (3, 3)
    assert {window for each in report.lines for window in each.windows} == {500}
    assert len(report.plot().axes) == 2
