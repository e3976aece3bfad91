"""The pass band of a recording comes from its header, or else from its spectrum."""

import mne
import numpy as np
import pytest

from npa.datasets import simulate_recording
from npa.recordings.containers import read_signals
from npa.recordings.pass_band import find_pass_band

NAMES = ["F3", "Fz", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4", "Oz"]


@pytest.fixture(scope="module")
def raw():
    """A minute of ten channels of 1/f noise with alpha and beta."""
    return simulate_recording(
        duration=60.0, ch_names=NAMES, blink_rate=0, eog=False, random_state=2
    )[0]


def silently_filtered(raw, lowpass, highpass=None):
    """Return a filtered copy whose header does not know."""
    info = mne.create_info(raw.ch_names, raw.info["sfreq"], "eeg")
    data = mne.filter.filter_data(raw.get_data(), info["sfreq"], highpass, lowpass, verbose=False)
    return mne.io.RawArray(data, info, verbose=False)


def half_power(lowpass):
    """Return where MNE's default filter takes 3 dB, in Hz."""
    return lowpass + 0.4 * lowpass / 4


def test_header_comes_first(raw):
    band = find_pass_band(read_signals(raw.copy().filter(0.5, 40.0, verbose=False)))
    assert (band.low, band.high) == (0.5, 40.0)
    assert band.source == 'info["highpass"], info["lowpass"]'
    band = find_pass_band(read_signals(raw))
    assert (band.low, band.high, band.source) == (0.0, 128.0, "no filter known")


@pytest.mark.parametrize("lowpass", [30.0, 40.0])
@pytest.mark.parametrize(
    "container",
    ["raw", "lazy", "epochs", "array", "with one wild channel", "one channel", "ten seconds"],
)
def test_roll_off_is_found_where_the_header_is_silent(raw, lowpass, container):
    filtered, options = silently_filtered(raw, lowpass), {}
    if container == "epochs":
        filtered = mne.make_fixed_length_epochs(filtered, 2.0, preload=True)
    elif container == "array":
        filtered = mne.make_fixed_length_epochs(filtered, 2.0, preload=True).get_data()
        options = {"sfreq": 256.0}
    elif container == "with one wild channel":
        filtered._data[0] = np.random.default_rng(0).normal(size=len(filtered.times))
    elif container == "one channel":
        options = {"picks": ["Oz"]}
    elif container == "ten seconds":
        filtered.crop(20, 30)
    band = find_pass_band(read_signals(filtered, lazy=container == "lazy", **options))
    assert band.source == "a roll-off in the spectrum"
    np.testing.assert_allclose(band.high, half_power(lowpass), rtol=0.06)
    assert 0.95 * lowpass < band.usable[1] < band.high


@pytest.mark.parametrize(("highpass", "lowpass"), [(2.0, None), (5.0, 30.0)])
def test_only_the_header_tells_of_a_high_pass(raw, highpass, lowpass):
    """Blinks and the amplifier's output fall towards 0 Hz too; a low-pass is found beside it."""
    band = find_pass_band(read_signals(silently_filtered(raw, lowpass, highpass)))
    assert band.low == 0
    np.testing.assert_allclose(band.high, half_power(lowpass) if lowpass else 128, rtol=0.06)


@pytest.mark.parametrize("lowpass", [30.0, 40.0])
def test_true_header_is_kept(raw, lowpass):
    """Also if the filter takes 3 dB a little below."""
    iir = {"method": "iir", "verbose": False}
    for filtered in (raw.copy().filter(1.0, lowpass, **iir), raw.copy().filter(1.0, lowpass)):
        band = find_pass_band(read_signals(filtered))
        assert (band.low, band.high, band.flat) == (1.0, lowpass, None)


def test_wrong_header_is_corrected(raw):
    """The cut-off of the amplifier stays in the header of exported, filtered data."""
    filtered = silently_filtered(raw, 30.0)
    with filtered.info._unlock():
        filtered.info["lowpass"] = 100.0
    high = find_pass_band(read_signals(filtered)).high
    np.testing.assert_allclose(high, half_power(30), rtol=0.06)


def test_short_signals_are_not_judged(raw):
    short = silently_filtered(raw, 30.0).crop(0, 5)
    assert find_pass_band(read_signals(short)).high == 128.0
    flat = raw.copy()
    flat._data[:] = 0
    assert find_pass_band(read_signals(flat)).high == 128.0


@pytest.mark.filterwarnings("ignore:Limited .* annotation")
def test_real_recordings(data_dir):
    """A last check: no constant was chosen by these."""
    raws = [
        mne.io.read_raw_edf(data_dir / "eegbci" / "S001R02.edf", preload=True),
        mne.io.read_raw_eeglab(data_dir / "eeglab" / "eeglab_data.set", preload=True),
    ]
    for raw in raws:
        for picks in (None, raw.ch_names[:3], raw.ch_names[-1:]):  # the last is occipital
            band = find_pass_band(read_signals(raw, picks=picks))
            assert (band.low, band.high) == (0.0, raw.info["sfreq"] / 2)
        band = find_pass_band(read_signals(silently_filtered(raw, 30.0), picks=raw.ch_names[-1:]))
        np.testing.assert_allclose(band.high, half_power(30), rtol=0.1)
