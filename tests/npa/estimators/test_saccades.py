"""Horizontal saccades are found where there are some, and only there, besides blinks."""

import warnings

import mne
import numpy as np
import pytest
import scipy

from npa.datasets import simulate_recording
from npa.estimators.blinks import BlinkICARemover
from npa.recordings.channels import EYES, electrode_positions

BOTH = ("blink", "saccade")
NAMES = [
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz"),
    *("P4", "P8", "O1", "Oz", "O2"),
]


def simulate(seed, height, reference=(), names=NAMES, **kwargs):
    """Return a recording with saccades, without them, and without any artifact.

    ``height`` is the median step at F8, and minus that at F7. The topography falls off faster than
    the detector's, and differs from it by 15 % at each electrode.
    """
    names = [*names, *(name for name in reference if name not in names)]
    raw, truth = simulate_recording(
        duration=60, ch_names=names, random_state=seed, **{"eog": False} | kwargs
    )
    rng = np.random.default_rng(seed + 1000)
    times = np.cumsum(0.4 + rng.exponential(1.7, 60))
    times = times[times < 59]
    position = rng.permuted(np.tile([-1.0, 0.0, 1.0], (len(times), 1)), axis=1)[:, 0]
    gaze = np.zeros(raw.n_times)
    gaze[raw.time_as_index(times)] = np.diff(position, prepend=0.0)
    course = np.convolve(np.cumsum(gaze), np.hanning(12) / np.hanning(12).sum(), "same")
    offset = electrode_positions(raw.info)[:, np.newaxis] - np.array(EYES)
    pattern = (offset[..., 0] / np.linalg.norm(offset, axis=-1) ** 3.3).sum(axis=1)
    pattern *= 2 * height / (pattern[names.index("F8")] - pattern[names.index("F7")])
    pattern *= 1 + 0.15 * rng.standard_normal(len(pattern))
    pattern[len(names) :] = [0.1 * height, 2 * height][: len(raw.ch_names) - len(names)]
    moving = mne.io.RawArray(raw.get_data() + np.outer(pattern, course), raw.info)
    if reference:
        for each in (moving, raw, truth.clean):
            each.set_eeg_reference(list(reference), verbose=False)
            each.drop_channels(list(reference))
    return moving, raw, truth.clean


def check_removed(remover, moving, raw, brain):
    """Check that at most a fifth of the saccades is left, and that alpha stays."""
    report, eeg = remover.saccades_, list(remover.ch_names_)
    assert report.found, report.reason
    saccades = moving.get_data(eeg) - raw.get_data(eeg)
    left = saccades - remover.patterns_ @ (remover.filters_ @ saccades)
    largest = np.std(saccades, axis=1).argmax()
    assert np.std(left[largest]) < 0.2 * np.std(saccades[largest])
    assert report.median_residual < 0.15
    n = len(remover.filters_)
    np.testing.assert_allclose(remover.filters_ @ remover.patterns_, np.eye(n), atol=1e-9)
    # What is subtracted for the saccades, besides blinks.
    kept = brain.get_data(eeg)
    without = kept - np.outer(remover.patterns_[:, -1], remover.filters_[-1] @ kept)
    rows = [eeg.index(name) for name in ("O1", "Oz", "O2")]
    freqs, power = scipy.signal.welch(np.stack([kept[rows], without[rows]]), 256.0, nperseg=512)
    alpha = power[..., (freqs >= 8) & (freqs <= 12)].sum(axis=-1)
    np.testing.assert_allclose(alpha[1], alpha[0], rtol=0.03)


@pytest.mark.parametrize("height", [30e-6, 100e-6])
@pytest.mark.parametrize("blink_rate", [0, 12])
@pytest.mark.parametrize("reference", [["TP9", "TP10"], "average"], ids=["mastoids", "average"])
def test_saccades_are_removed(reference, blink_rate, height):
    average = reference == "average"
    moving, raw, brain = simulate(2, height, () if average else reference, blink_rate=blink_rate)
    if average:
        for each in (moving, raw, brain):
            each.set_eeg_reference("average", verbose=False)
    remover = BlinkICARemover(artifacts=BOTH).fit(moving)
    assert remover.blinks_.found == (blink_rate > 0)
    assert remover.saccades_.channel == "virtual EOG (F8 - F7)"
    check_removed(remover, moving, raw, brain)


@pytest.mark.parametrize("upside_down", [False, True])
def test_heog_goes_before_the_virtual_eog(upside_down):
    moving, raw, brain = simulate(0, 30e-6, eog=True)
    if upside_down:
        moving["HEOG", :] = -moving.get_data("HEOG")
    remover = BlinkICARemover(artifacts=BOTH).fit(moving)
    assert remover.blinks_.channel == "VEOG"
    assert remover.saccades_.channel == "HEOG"
    check_removed(remover, moving, raw, brain)
    np.testing.assert_array_equal(remover.transform(moving).get_data("eog"), moving.get_data("eog"))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "kwargs",
    [{}, {"blink_rate": 0, "alpha_amplitude": 20e-6, "exponent": 2.0}, {"eog": True}],
    ids=["blinks", "alpha", "EOG"],
)
def test_nothing_is_found_without_saccades(kwargs, seed):
    raw = simulate(seed, 0.0, **kwargs)[1]
    both, blinks = (BlinkICARemover(artifacts=each).fit(raw) for each in (BOTH, ("blink",)))
    assert not both.saccades_.found
    assert both.saccades_.reason
    np.testing.assert_array_equal(both.filters_, blinks.filters_)
    np.testing.assert_array_equal(both.patterns_, blinks.patterns_)


def test_real_eyes_closed_are_left_alone(data_dir):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        raw = mne.io.read_raw_edf(data_dir / "eegbci/S001R02.edf", preload=True)
    remover = BlinkICARemover(artifacts=("saccade",)).fit(raw)
    assert not remover.saccades_.found
    assert not len(remover.filters_)


def test_what_was_not_asked_for_is_not_sought():
    moving, *_ = simulate(0, 50e-6)
    blinks, saccades = (BlinkICARemover(artifacts=[each]).fit(moving) for each in BOTH)
    assert blinks.blinks_.found
    assert blinks.saccades_.reason == "not sought with artifacts=['blink']"
    assert saccades.saccades_.found
    assert saccades.blinks_.reason == "not sought with artifacts=['saccade']"
    assert len(saccades.filters_) == 1
    assert saccades.filter_ @ saccades.pattern_ == pytest.approx(1)


def test_the_answer_does_not_depend_on_order_or_last_bits():
    moving, *_ = simulate(0, 50e-6)
    noise = np.random.default_rng(0).standard_normal(moving.get_data().shape)
    others = (
        moving.copy().reorder_channels(NAMES[::-1]),
        mne.io.RawArray(moving.get_data() * (1 + 1e-12 * noise), moving.info),
    )
    expected = BlinkICARemover(artifacts=BOTH).fit(moving)
    for each in others:
        found = BlinkICARemover(artifacts=BOTH, random_state=5).fit(each)
        order = [found.ch_names_.index(name) for name in NAMES]
        np.testing.assert_allclose(found.patterns_[order], expected.patterns_, atol=1e-12)
        np.testing.assert_array_equal(found.saccades_.blink_times, expected.saccades_.blink_times)


@pytest.mark.parametrize(("share", "carries"), [(0.62, True), (0.38, False)])
def test_what_is_left_is_measured_where_the_saccade_is(share, carries):
    moving, *_ = simulate(0, 100e-6, blink_rate=0)
    larger = max(BlinkICARemover(artifacts=BOTH).fit(moving).saccades_.residual)
    peaks = moving.get_data(["F7", "F8"]).std(axis=1)
    larger = ("F7", "F8")[peaks.argmax()]
    moving["Pz", :] = share * moving.get_data(larger) + 0.1 * moving.get_data("Pz")
    residual = BlinkICARemover(artifacts=BOTH).fit(moving).saccades_.residual
    assert larger in residual
    assert ("Pz" in residual) == carries


def test_epochs():
    moving, *_ = simulate(0, 50e-6)
    epochs = mne.make_fixed_length_epochs(moving, 4.0, preload=True)
    report = BlinkICARemover(artifacts=BOTH).fit(epochs).saccades_
    assert report.found
    assert len(np.unique(report.blink_epochs)) > 5
    assert report.blink_times.max() < 4


def test_report():
    moving, *_ = simulate(0, 50e-6)
    report = BlinkICARemover(artifacts=BOTH).fit(moving).saccades_
    assert report.artifact == "saccade"
    assert report.summary()["saccades_found"]
    assert report.summary()["n_saccades"] == len(report.blink_times)
    topography = dict(zip(report.ch_names, report.topography, strict=True))
    assert topography["F7"] < 0 < topography["F8"]
    assert topography["F8"] - topography["F7"] == pytest.approx(100e-6, rel=0.5)
    table = report.to_frame()
    assert (table["channel"].item(), table["component"].item()) == (report.channel, -1)
    figure = report.plot()
    assert figure.axes[1].get_xlabel() == "Time from the saccade (s)"
    assert figure.axes[1].get_title().startswith(f"Median of {len(report.blink_times)} saccades")


def test_report_of_no_saccades():
    report = BlinkICARemover(artifacts=BOTH).fit(simulate(0, 0.0)[1]).saccades_
    text = report.plot().axes[0].texts[0].get_text()
    assert text.startswith("No saccades removed: virtual EOG (F8 - F7):")
    raw, _ = simulate_recording(duration=30, ch_names=["Fp1", "Cz", "Oz", "O1"], eog=False)
    report = BlinkICARemover(artifacts=("saccade",)).fit(raw).saccades_
    assert report.reason == "there is neither an EOG channel nor F7 and F8 or AF7 and AF8"


@pytest.mark.parametrize("artifacts", ["saccade", [], ["wink"]])
def test_bad_artifacts_are_named(artifacts):
    raw, _ = simulate_recording(duration=30, random_state=0)
    with pytest.raises(ValueError, match="artifacts must be"):
        BlinkICARemover(artifacts=artifacts).fit(raw)
