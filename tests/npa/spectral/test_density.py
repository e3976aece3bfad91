import numpy as np
import pytest
from mne.time_frequency import psd_array_multitaper, psd_array_welch
from numpy.testing import assert_allclose, assert_array_equal

from npa.spectral import psd, psd_of_spans
from npa.spectral.density import plan_spans

METHODS = ["welch", "multitaper", "periodogram"]
SFREQ = 128.0  # Hz
SPANS = [(0, 600), (700, 2600)]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("n_times", [1000, 1001])
def test_periodogram_keeps_the_mean_square(n_times):
    x = 1e-5 * noise(3, n_times) + 2e-5
    freqs, power = psd(x, SFREQ, method="periodogram", detrend=False)
    assert_allclose(power.sum(-1) * freqs[1], np.mean(x**2, -1), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_times", [4096, 4097])
def test_white_noise_is_flat_at_its_variance_over_nyquist(method, n_times):
    freqs, power = psd(3e-6 * noise(400, n_times), SFREQ, method=method)
    level = 9e-12 / (SFREQ / 2)
    assert_allclose(power[:, 1:-1].mean(), level, rtol=0.005)
    # Nyquist has no mirror image to be added.
    nyquist = level / 2 if freqs[-1] == SFREQ / 2 else level
    assert_allclose(power[:, -1].mean(), nyquist, rtol=0.2)  # 400 squared normal variates


@pytest.mark.parametrize("method", METHODS)
def test_sine_holds_half_its_squared_amplitude(method):
    sine = 2e-6 * np.sin(2 * np.pi * 10 * np.arange(int(40 * SFREQ)) / SFREQ)
    freqs, power = psd(sine, SFREQ, method=method)
    assert_allclose(power.sum() * freqs[1], 2e-12, rtol=0.002)
    assert_allclose(np.average(freqs, weights=power), 10.0, atol=0.01)  # Hz


@pytest.mark.parametrize("n_times", [300, 301])
def test_two_sided_periodogram_is_the_squared_transform(n_times):
    x = noise(2, n_times).cumsum(-1)
    kwargs = {"window": "boxcar", "detrend": False, "one_sided": False}
    freqs, power = psd(x, SFREQ, method="periodogram", **kwargs)
    assert_allclose(power, np.abs(np.fft.rfft(x)) ** 2 / (SFREQ * n_times), rtol=1e-10)
    assert_allclose(freqs, np.fft.rfftfreq(n_times, 1 / SFREQ), rtol=1e-14)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_times", [300, 301])
def test_two_sided_halves_all_but_the_unpaired_bins(method, n_times):
    x = noise(n_times)
    freqs, one = psd(x, SFREQ, method=method)
    _, two = psd(x, SFREQ, method=method, one_sided=False)
    paired = (freqs > 0) & (freqs < SFREQ / 2)
    assert_array_equal(two, np.where(paired, one / 2, one))


def test_welch_is_mnes_with_hann_windows():
    x = noise(4, 5000)
    freqs, power = psd(x, 250.0)
    theirs, their_freqs = psd_array_welch(
        x, 250.0, n_fft=1000, n_overlap=500, window="hann", verbose="error"
    )
    assert_allclose(freqs, their_freqs, rtol=1e-14)
    assert_allclose(power, theirs, rtol=1e-10)


@pytest.mark.parametrize(
    ("sfreq", "n_times", "n_window"),
    [(512.0, 9000, 2048), (32.0, 9000, 256), (512.0, 700, 700), (1.0, 90, 90)],
)
def test_welch_window_is_the_longer_of_4_s_and_256_samples(sfreq, n_times, n_window):
    freqs, _ = psd(noise(n_times), sfreq)
    assert_allclose(freqs[1], sfreq / n_window, rtol=1e-14)


def test_hann_windows_leave_a_steep_slope_unbiased():
    freqs = np.fft.rfftfreq(2**18, 1 / 256)
    rng = np.random.default_rng(3)
    amplitude = np.r_[0, freqs[1:] ** -1.25] * np.exp(2j * np.pi * rng.random(len(freqs)))
    x = np.fft.irfft(amplitude)
    slopes = {}
    for window in ("hann", "hamming"):
        f, power = psd(x, 256.0, freq_range=(1, 45), window=window)
        slopes[window] = np.polyfit(np.log10(f), np.log10(power), 1)[0]
    assert_allclose(slopes["hann"], -2.5, atol=0.02)
    assert slopes["hamming"] > -2.45  # it leaks


@pytest.mark.parametrize("method", METHODS)
def test_frequency_limits_only_select(method):
    x = noise(2, 1024)
    freqs, power = psd(x, SFREQ, method=method)
    some, cut = psd(x, SFREQ, method=method, freq_range=(2, 40))
    assert (some[0], some[-1]) == (2, 40)
    assert_array_equal(cut, power[:, (freqs >= 2) & (freqs <= 40)])
    assert_array_equal(psd(x, SFREQ, method=method, freq_range=None)[1], power)


@pytest.mark.parametrize("method", METHODS)
def test_shapes_dtypes_and_detrending(method):
    x = (1000 * noise(2, 3, 600)).astype(np.int16)
    freqs, power = psd(x, SFREQ, method=method)
    assert power.shape == (2, 3, len(freqs))
    assert power.dtype == np.float64
    assert_allclose(
        power, psd(x.astype(float) + 7e4, SFREQ, method=method)[1], rtol=1e-6, atol=1e-9
    )
    line = np.arange(600.0)
    assert psd(line, SFREQ, method=method, detrend="linear")[1].max() < 1e-15
    assert psd(line, SFREQ, method=method)[1].max() > 1
    assert psd(np.empty((0, 3, 600)), SFREQ, method=method)[1].shape == (0, 3, len(freqs))


def test_many_rows_equal_each_alone(monkeypatch):
    x = noise(7, 1000)
    alone = np.array([psd(row, SFREQ)[1] for row in x])
    monkeypatch.setattr("npa.spectral.density.CACHE_SAMPLES", 3000)
    assert_allclose(psd(x, SFREQ)[1], alone, rtol=1e-12)


@pytest.mark.parametrize("detrend", ["constant", "linear", False])
@pytest.mark.parametrize("method", METHODS)
def test_nan_stays_in_its_own_row(method, detrend):
    x = noise(3, 1000)
    expected = psd(x, SFREQ, method=method, detrend=detrend)[1]
    x[1, 500] = np.nan
    power = psd(x, SFREQ, method=method, detrend=detrend)[1]
    assert_array_equal(np.isnan(power).all(-1), [0, 1, 0])
    assert_array_equal(power[::2], expected[::2])


def test_zero_padding_and_median_average():
    x = noise(20000)
    freqs, _ = psd(x, SFREQ, n_per_seg=300, n_fft=1024, n_overlap=100)
    assert_allclose(freqs[1], SFREQ / 1024, rtol=1e-14)
    assert len(psd(x, SFREQ, method="periodogram", n_fft=32768)[0]) == 16385
    burst = x + np.where(np.arange(20000) < 600, 100 * x, 0)
    _, median = psd(burst, SFREQ, average="median")
    assert_allclose(median[1:].mean(), 2 / SFREQ, rtol=0.1)


def test_multitaper_bandwidth_smooths():
    x = noise(4096)
    rough = psd(x, SFREQ, method="multitaper", bandwidth=0.5)[1]
    smooth = psd(x, SFREQ, method="multitaper", bandwidth=8.0)[1]
    assert smooth.std() < 0.5 * rough.std()


@pytest.mark.parametrize("adaptive", [False, True])
def test_multitaper_segments_are_mnes_averaged(adaptive):
    x = noise(2, 1100).cumsum(-1)
    options = {"method": "multitaper", "adaptive": adaptive}
    freqs, power = psd(x, SFREQ, n_per_seg=250, bandwidth=5.0, **options)
    segments = x[:, :1000].reshape(2, 4, 250)
    theirs, their_freqs = psd_array_multitaper(
        segments, SFREQ, bandwidth=5.0, adaptive=adaptive, normalization="full", verbose="error"
    )
    assert_allclose(freqs, their_freqs, rtol=1e-14)
    assert_allclose(power[:, 1:], theirs.mean(axis=1)[:, 1:], rtol=1e-9)
    whole = psd(x, SFREQ, **options)[1]
    assert_array_equal(psd(x, SFREQ, n_per_seg=9999, **options)[1], whole)


def test_multitaper_spans_are_weighted_by_their_segments():
    x = noise(1, 1, 4000)
    options = {"method": "multitaper", "n_per_seg": 500}
    first, second = (psd(x[..., start:stop], SFREQ, **options)[1] for start, stop in SPANS)
    assert_allclose(
        psd_of_spans(x, SPANS, SFREQ, **options)[1], (first + 3 * second) / 4, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"method": "burg"}, ValueError, r"method must be one of .*'welch'.*'burg'"),
        ({"bandwidth": 2}, TypeError, r"'welch'\) does not take \['bandwidth'\].*n_per_seg"),
        (
            {"method": "multitaper", "window": "hann"},
            TypeError,
            r"does not take \['window'\]; it takes \['bandwidth'.*'one_sided'\]",
        ),
        ({"method": "multitaper", "bandwidth": 0.1}, ValueError, "bandwidth must be"),
        (
            {"freq_range": (70, 80)},
            ValueError,
            r"no frequency lies within freq_range=\(70, 80\) Hz",
        ),
        ({"freq_range": (20, 10)}, ValueError, r"freq_range must .*, got \(20, 10\)"),
        ({"freq_range": (-1, 10)}, ValueError, r"freq_range\[0\] must be a number >= 0"),
        ({"n_per_seg": 64, "n_overlap": 64}, ValueError, "n_overlap must be"),
        ({"n_per_seg": 64, "n_fft": 32}, ValueError, "n_fft must be"),
        ({"n_per_seg": 1.5}, TypeError, "n_per_seg must be a whole number"),
        ({"average": "max"}, ValueError, "average must be one of"),
        ({"detrend": "cubic"}, ValueError, "detrend must be one of"),
    ],
)
def test_bad_options_are_named(kwargs, error, match):
    with pytest.raises(error, match=match):
        psd(noise(500), SFREQ, **kwargs)


def test_bad_signals_are_named():
    with pytest.raises(TypeError, match="real numbers, got dtype complex128"):
        psd(noise(500) + 1j, SFREQ)
    with pytest.raises(ValueError, match="at least 2 samples"):
        psd(noise(3, 1), SFREQ)
    with pytest.raises(ValueError, match="sfreq must be a number > 0"):
        psd(noise(500), 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_times", [301, 3000])
def test_one_span_of_all_samples_is_psd(method, n_times):
    x = noise(2, 3, n_times)
    freqs, power = psd(x, SFREQ, method=method, freq_range=(1, 45))
    span_freqs, span_power = psd_of_spans(
        x, [(0, n_times)], SFREQ, method=method, freq_range=(1, 45)
    )
    assert_array_equal(span_freqs, freqs)
    assert_array_equal(span_power, power)


@pytest.mark.parametrize("method", METHODS)
def test_samples_between_spans_are_ignored(method):
    x = noise(1, 2, 4000)
    spans = [(0, 1500), (1600, 3900)]
    _, power = psd_of_spans(x, spans, SFREQ, method=method)
    dirty = x.copy()
    dirty[..., 1500:1600] = dirty[..., 3900:] = np.nan
    assert_array_equal(psd_of_spans(dirty, spans, SFREQ, method=method)[1], power)
    # A step between the spans would leak everywhere if a window crossed it.
    stepped = x.copy()
    stepped[..., 1550:] += 1e4
    assert_allclose(
        psd_of_spans(stepped, spans, SFREQ, method=method)[1], power, rtol=1e-6, atol=1e-12
    )


def test_welch_spans_are_weighted_by_their_windows():
    x = noise(1, 1, 4000)
    spans = [(0, 512), (512, 512 + 4 * 256 + 512)]  # 1 and 5 windows of 512, half overlapping
    first, second = (psd(x[..., start:stop], SFREQ)[1] for start, stop in spans)
    assert_allclose(psd_of_spans(x, spans, SFREQ)[1], (first + 5 * second) / 6, rtol=1e-12)


def test_periodogram_cuts_spans_into_equal_segments():
    x = noise(2, 2, 4000)
    freqs, power = psd_of_spans(x, [(0, 600), (700, 2600)], SFREQ, method="periodogram")
    starts = (0, 700, 1300, 1900)
    segments = [psd(x[..., at : at + 600], SFREQ, method="periodogram")[1] for at in starts]
    assert_allclose(power, np.mean(segments, axis=0), rtol=1e-12)
    assert_allclose(freqs[1], SFREQ / 600, rtol=1e-14)


def test_multitaper_spans_share_frequencies_and_bandwidth():
    x = noise(2, 2, 4000)
    spans = [(0, 600), (700, 1900), (2000, 2300)]  # the last is too short for half a segment
    freqs, power = psd_of_spans(x, spans, SFREQ, method="multitaper")
    assert_allclose(freqs[1], SFREQ / 1200, rtol=1e-14)
    options = {"method": "multitaper", "bandwidth": 8 * SFREQ / 1200}
    half = psd(x[..., :600], SFREQ, n_fft=1200, **options)[1]
    assert_allclose(half, psd_of_spans(x, [(0, 600)], SFREQ, n_fft=1200, **options)[1])
    whole = psd(x[..., 700:1900], SFREQ, **options)[1]
    assert_allclose(power, (600 * half + 1200 * whole) / 1800, rtol=1e-12)


def test_padded_multitaper_is_mnes_at_its_own_frequencies():
    x = noise(3, 500).cumsum(-1)
    freqs, power = psd(x, SFREQ, method="multitaper", bandwidth=1.5, n_fft=1000)
    theirs = psd_array_multitaper(x, SFREQ, bandwidth=1.5, normalization="full", verbose="error")[0]
    assert_allclose(power[:, 2::2], theirs[:, 1:], rtol=1e-9)
    assert_allclose(freqs[1], SFREQ / 1000)
    with pytest.raises(ValueError, match="n_fft must be None with adaptive=True, got 1000"):
        psd(x, SFREQ, method="multitaper", adaptive=True, n_fft=1000)


@pytest.mark.parametrize("at", [4.0, 20.0, 60.0, 100.0])  # s
@pytest.mark.parametrize(("method", "ratio"), [("welch", 1), ("multitaper", 2), ("periodogram", 5)])
def test_one_short_gap_hardly_changes_the_resolution(method, ratio, at):
    whole = plan_spans([(0, 15_360)], 15_360, SFREQ, method=method)
    start = round(at * SFREQ)
    plan = plan_spans([(0, start), (start + 6, 15_360)], 15_360, SFREQ, method=method)
    assert whole.length <= 1.01 * ratio * plan.length
    assert plan.n_used >= 0.8 * plan.n_clean == 0.8 * 15_354


def blinks(duration, per_minute, seed=0):
    """Return the spans between blinks of 0.6 s, and the number of samples."""
    onsets = np.cumsum(np.random.default_rng(seed).uniform(0.6, 1.4, 1000)) * 60 / per_minute
    onsets = onsets[onsets < duration - 1] * SFREQ
    edges = np.concatenate([[0], np.sort([*onsets, *(onsets + 0.6 * SFREQ)]), [duration * SFREQ]])
    return [tuple(pair) for pair in edges.astype(int).reshape(-1, 2)], int(duration * SFREQ)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("per_minute", [6, 20, 30])
def test_most_of_the_time_between_blinks_is_used(method, per_minute):
    spans, n_times = blinks(300, per_minute)
    plan = plan_spans(spans, n_times, SFREQ, method=method)
    assert plan.n_used >= 0.8 * plan.n_clean
    assert plan.length >= (0.5 if method == "periodogram" else 1.0) * SFREQ
    within = np.zeros(n_times, int)
    for block in plan.blocks:
        within[block.start : block.stop] += 1
    clean = np.concatenate([np.arange(*span) for span in spans])
    assert within.max() == 1
    assert within[clean].sum() == within.sum() == plan.n_used
    assert plan.n_clean == len(clean)


@pytest.mark.parametrize("method", METHODS)
def test_a_long_span_does_not_discard_the_short_ones(method):
    spans = [(0, 1200), *((start, start + 260) for start in range(1300, 9000, 300))]
    plan = plan_spans(spans, 9100, SFREQ, method=method)
    assert plan.n_used >= 0.8 * plan.n_clean
    # A few fragments do not cost the others their resolution.
    few = plan_spans([(0, 7000), (7100, 7200), (7300, 7400)], 9100, SFREQ)
    assert few.length == 512


def test_windows_below_1_s_only_where_half_the_time_is_lost():
    fragments = [(start, start + 100) for start in range(2000, 8000, 120)]  # 0.78 s
    assert plan_spans([(0, 1900), *fragments[:10]], 9000, SFREQ).length >= 128
    shattered = plan_spans([(0, 600), *fragments], 9000, SFREQ)
    assert shattered.length <= 100
    assert shattered.n_used >= 0.8 * shattered.n_clean


class OnDisk:
    """Samples that know their shape, and are read in blocks."""

    def __init__(self, x):
        self.x, self.shape, self.longest = x, x.shape, 0

    def __getitem__(self, key):
        rows, times = key
        assert rows is Ellipsis
        self.longest = max(self.longest, times.stop - times.start)
        return self.x[..., times]


@pytest.mark.parametrize(
    ("method", "kwargs"), [("welch", {}), ("multitaper", {"n_per_seg": 512}), ("periodogram", {})]
)
def test_spans_are_read_in_blocks(monkeypatch, method, kwargs):
    x = noise(1, 2, 6000)
    spans = [(0, 600), (700, 5900)]
    if method == "periodogram":  # whose segments are as long as the spans
        spans = [(start, start + 600) for start in range(0, 5600, 700)]
    expected = psd_of_spans(x, spans, SFREQ, method=method, **kwargs)[1]
    monkeypatch.setattr("npa.spectral.density.BLOCK_SAMPLES", 2 * 1300)
    on_disk = OnDisk(x)
    assert_allclose(
        psd_of_spans(on_disk, spans, SFREQ, method=method, **kwargs)[1], expected, rtol=1e-12
    )
    assert on_disk.longest <= 1300


def test_pieces_last_at_most_five_minutes():
    x = noise(1, 1, 1300)
    freqs, power = psd_of_spans(x, [(0, 1300)], 2.0, method="periodogram")
    pieces = [psd(x[..., start : start + 600], 2.0, method="periodogram")[1] for start in (0, 600)]
    assert_allclose(power, np.mean(pieces, axis=0), rtol=1e-12)
    assert_allclose(freqs[1], 1 / 300)


@pytest.mark.parametrize("method", METHODS)
def test_span_too_short_to_matter_is_left_out(method):
    x = noise(1, 1, 4000)
    long_only = psd_of_spans(x, [(900, 2000)], SFREQ, method=method)[1]
    with_short = [(0, 150), (900, 2000)]
    if method == "welch":  # spread over the span
        long_only = psd(x[..., 900:2000], SFREQ, n_overlap=512 - 196)[1]
    assert_allclose(psd_of_spans(x, with_short, SFREQ, method=method)[1], long_only, rtol=1e-12)
    freqs, power = psd_of_spans(x, [(0, 100), (900, 1300)], SFREQ, method=method)
    assert_array_equal(power, psd(x[..., 900:1300], SFREQ, method=method)[1])
    assert_allclose(freqs[1], SFREQ / 400, rtol=1e-14)


def test_given_window_decides_which_spans_are_short():
    x = noise(1, 1, 4000)
    spans = [(0, 511), (900, 2000)]
    short = psd_of_spans(x, spans, SFREQ, n_per_seg=128)[1]
    assert not np.allclose(short, psd_of_spans(x, spans[1:], SFREQ, n_per_seg=128)[1])


@pytest.mark.parametrize("spans", [[], [(5, 5)], [(-1, 5)], [(0, 4001)]])
def test_bad_spans_are_named(spans):
    with pytest.raises(ValueError, match="spans must be at least one"):
        psd_of_spans(noise(1, 1, 4000), spans, SFREQ)


def test_spans_need_epochs_and_channels():
    with pytest.raises(ValueError, match="n_epochs, n_channels, n_times"):
        psd_of_spans(noise(4000), [(0, 4000)], SFREQ)


def test_windows_hold_a_given_bandwidth():
    x = np.random.default_rng(0).standard_normal((1, 1, 20_000))
    spans = [(0, 3000), *((3000 + i * 200, 3150 + i * 200) for i in range(80))]
    freqs, power = psd_of_spans(x, spans, 100.0, method="multitaper", bandwidth=0.3)
    np.testing.assert_allclose(power[..., freqs > 1].mean(), 2 / 100, rtol=0.05)  # 1/Hz


def test_spans_of_few_samples_have_windows_all_the_same():
    spans = [(i * 10, i * 10 + 3) for i in range(1000)]
    plan = plan_spans(spans, 10_000, 100.0, n_per_seg=256)
    assert plan.length >= 2
    assert plan.n_used == plan.n_clean == 3000


@pytest.mark.parametrize(("blinks", "length"), [(20, 134), (10, 299)])
def test_windows_shrink_to_three_quarters_of_the_weighted_share(blinks, length):
    """60 s of 100 Hz with so many blinks: the longest windows that count for enough."""
    gap = 6000 // blinks
    spans = [(gap * blink + 60, gap * (blink + 1)) for blink in range(blinks)]
    plan = plan_spans(spans, 6000, 100.0)
    assert plan.length == length
    assert plan.n_used >= 0.99 * plan.n_clean
    weighted = sum(stop - start - length / 2 for start, stop in spans)
    assert weighted >= 0.75 * (plan.n_clean - 200)
    assert weighted - len(spans) * 0.01 * length < 0.75 * (plan.n_clean - 200)
