"""The sinusoid of a line in sliding windows, their context and length, and the line's frequency."""

import numpy as np
import pytest

from npa.spectral.line_noise import find_line, line_weights, refine_frequency
from npa.spectral.sinusoids import (
    candidate_windows,
    choose_window,
    leverage,
    sliding_sinusoid,
    subtract_sinusoids,
    window_context,
    window_step,
)

SFREQ = 250.0


@pytest.mark.parametrize("windows", [[100, 100], [125, 40], [500, 0]])
@pytest.mark.parametrize(("start", "stop"), [(0, 130), (700, 900), (1200, 1333), (1000, 1001)])
def test_a_block_with_its_context_equals_the_whole(windows, start, stop):
    n_times, freqs = 1333, np.array([50.0, 100.0])
    whole = np.random.default_rng(0).normal(size=(2, n_times))
    whole += 3 * np.sin(2 * np.pi * 50 * np.arange(n_times) / SFREQ)
    first, last = window_context(start, stop, n_times, windows)
    part = whole[:, first:last].copy()
    subtract_sinusoids(whole, SFREQ, freqs, windows)
    subtract_sinusoids(part, SFREQ, freqs, windows, n_times=n_times)
    np.testing.assert_allclose(
        part[:, start - first : stop - first], whole[:, start:stop], atol=1e-12
    )


def test_the_context_begins_at_a_window_and_ends_with_the_segment():
    step = window_step(100, 5000)
    first, last = window_context(1000, 1100, 5000, [100])
    assert first % step == 0
    assert 1000 - first >= 100
    assert last - 1100 >= 100
    assert window_context(0, 100, 5000, [100])[0] == 0
    assert window_context(4950, 5000, 5000, [100])[1] == 5000
    assert window_context(1000, 1100, 5000, [0]) == (1000, 1100)


@pytest.mark.parametrize("freq", [50.0, 49.8, 50.03, 37.123])
@pytest.mark.parametrize("n_times", [1000, 1001, 1049, 1333])
@pytest.mark.parametrize("window", [100, 125, 500, 5000])
def test_a_steady_line_vanishes_up_to_the_first_and_the_last_sample(n_times, window, freq):
    """At any frequency: windows need not hold whole periods, and no other bin is filled."""
    phases = np.array([[0.0], [1.0], [2.5]])
    hum = np.sin(2 * np.pi * freq * np.arange(n_times) / SFREQ + phases)
    subtract_sinusoids(hum, SFREQ, np.array([freq]), [window])
    assert np.abs(hum).max() < 1e-9


def test_harmonics_do_not_leak_into_each_other_at_the_ends():
    t = np.arange(2000) / SFREQ
    hum = np.sin(2 * np.pi * 50 * t + 1) + 1e-3 * np.sin(2 * np.pi * 100 * t)
    subtract_sinusoids(hum[np.newaxis], SFREQ, np.array([50.0, 100.0]), [1000, 1000])
    assert np.abs(hum).max() < 1e-6


def test_leverage_is_the_share_of_noise_that_a_fit_takes():
    noise = np.random.default_rng(0).normal(size=(200, 2000))
    for window in (50, 333, 1500):
        taken = (sliding_sinusoid(noise, 0.2, window) * noise).mean()
        assert leverage(window, 2000) == pytest.approx(taken, rel=0.1)


def course(kind, n_times, rng):
    """A line of amplitude 1."""
    t = np.arange(n_times) / SFREQ
    phase = 2 * np.pi * 50 * t
    if kind == "drifting":
        phase = 2 * np.pi * (49.9 * t + 0.1 * t**2 / t[-1])
    gain = 1.0 if kind != "bursts" else (np.sin(2 * np.pi * t / 4) > 0)
    return gain * np.sin(phase + rng.uniform(0, 6))


@pytest.mark.parametrize("kind", ["steady", "drifting", "bursts"])
def test_the_chosen_window_is_among_the_best(kind):
    rng = np.random.default_rng(1)
    windows = candidate_windows(SFREQ, 50.0)
    noise, line = rng.normal(size=(1, 15_000)), course(kind, 15_000, rng)
    best, gain = choose_window([(noise + line)[np.newaxis]], 50 / SFREQ, np.ones(1), windows)
    errors = {}
    for window in windows:
        rest = noise + line - sliding_sinusoid(noise + line, 50 / SFREQ, window)
        errors[window] = np.mean((rest - noise) ** 2)
    assert errors[best] < 1.15 * min(errors.values())
    assert gain > 0


def test_nothing_is_subtracted_where_there_is_no_line():
    rng = np.random.default_rng(0)
    chosen = [
        choose_window(
            [rng.normal(size=(1, 1, 8000))], 0.2, np.ones(1), candidate_windows(SFREQ, 50.0)
        )[0]
        for _ in range(20)
    ]
    taken = [leverage(window, 8000) if window else 0.0 for window in chosen]
    assert np.mean(taken) < 2e-3  # of the noise


@pytest.mark.parametrize("freq", [49.8, 50.03, 50.4])
def test_the_frequency_is_found_and_refined(freq):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 30_000)) + np.sin(2 * np.pi * freq * np.arange(30_000) / SFREQ)
    freqs = np.fft.rfftfreq(2500, 1 / SFREQ)
    parts = x.reshape(3, 12, 2500) * np.hanning(2500)
    power = (np.abs(np.fft.rfft(parts)) ** 2).mean(axis=1)
    line = find_line(freqs, power, 50.0, 0.5)
    assert line.found
    assert line.freq == pytest.approx(freq, abs=0.02)
    refined, wander = refine_frequency([x[:1, :16_000], x[:1, 16_000:]], SFREQ, line.freq)
    assert refined == pytest.approx(freq, abs=3e-4)
    assert wander < 0.05


def test_a_broad_rhythm_is_no_line():
    rng = np.random.default_rng(0)
    freqs = np.fft.rfftfreq(30_000, 1 / SFREQ)
    gain = 1 + 5 * np.exp(-0.5 * ((freqs - 50) / 1.5) ** 2)
    x = np.fft.irfft(gain * np.fft.rfft(rng.normal(size=30_000)))
    power = (np.abs(np.fft.rfft(x.reshape(1, 12, 2500) * np.hanning(2500))) ** 2).mean(axis=1)
    assert not find_line(np.fft.rfftfreq(2500, 1 / SFREQ), power, 50.0, 0.5).found


def test_lines_are_no_background_of_each_other():
    freqs = np.arange(0, 125, 0.1)
    inside, beside, far = line_weights(freqs, 50.0, [53.0, 56.0])
    for weights in (inside, beside, far):
        assert weights.sum() == pytest.approx(1)
    for other in (50.0, 53.0, 56.0):
        assert not beside[np.abs(freqs - other) < 0.35].any()
        assert not far[np.abs(freqs - other) < 0.35].any()
