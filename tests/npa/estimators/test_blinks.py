"""Blinks are found where there are some, and only there; the rest of the recording is kept."""

import pickle
import warnings
from contextlib import nullcontext
from dataclasses import replace

import mne
import numpy as np
import pandas as pd
import pytest
import scipy
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from npa.datasets import simulate_recording
from npa.estimators.blinks import BlinkICARemover, tell
from npa.recordings.reading import add_positions

UV = 1e-6
FEW = ["Fp1", "Fp2", "F7", "F3", "Fz", "F8", "C3", "Cz", "P3", "Pz", "O1", "Oz"]


@pytest.fixture(scope="module")
def simulated():
    """One minute with 12 blinks, 12 EEG channels, VEOG and HEOG."""
    return simulate_recording(duration=60, ch_names=FEW, random_state=0)


def as_bytes(raw):
    return raw.get_data().tobytes()


def read(data_dir, name):
    """Read a recording; its reader may warn about missing fiducials."""
    reader = mne.io.read_raw_eeglab if name.endswith(".set") else mne.io.read_raw_edf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return reader(data_dir / name, preload=True)


def frontal(raw):
    return [name for name in raw.ch_names if name.strip(".").lower() in ("fp1", "fpz", "fp2")]


def median_blink_height(raw, samples):
    """Peak to peak of the median frontal signal within 0.5 s of blinks, 1-40 Hz."""
    signal = raw.copy().pick(frontal(raw)).filter(1, 40).get_data().mean(axis=0)
    half = round(0.5 * raw.info["sfreq"])
    inside = samples[(samples >= half) & (samples < len(signal) - half)]
    return np.ptp(np.median([signal[at - half : at + half + 1] for at in inside], axis=0))


def epochs_of(raw, duration=2.0):
    return mne.make_fixed_length_epochs(raw, duration, preload=True)


# ---- real recordings ----


@pytest.mark.parametrize(
    ("name", "eog"),
    [
        ("eeglab/eeglab_data.set", ["EOG1", "EOG2"]),
        ("eegbci/S001R01.edf", None),
        ("eegbci/S001R03.edf", None),
    ],
)
def test_real_blinks_go_and_occipital_signals_stay(data_dir, name, eog):
    raw = read(data_dir, name)
    remover = BlinkICARemover(eog=eog)
    clean = remover.fit_transform(raw)
    assert remover.blinks_.found
    samples = np.round(remover.blinks_.blink_times * raw.info["sfreq"]).astype(int)
    before, after = (median_blink_height(each, samples) for each in (raw, clean))
    assert after <= 0.2 * before
    for channel in raw.ch_names:
        if channel.strip(".").lower() in ("o1", "oz", "o2"):
            kept = np.corrcoef(raw.get_data(channel)[0], clean.get_data(channel)[0])[0, 1]
            assert kept >= 0.97, channel


@pytest.mark.parametrize(
    ("name", "n_removed", "left"),
    [
        ("S001R09.edf", 1, 0.15),
        ("overlapping_annotations.edf", 2, 0.05),
        ("headband_1_raw.fif", 1, 0.2),
        ("headband_2_raw.fif", 1, 0.2),
    ],
)
def test_real_blinks_that_were_missed_or_left(data_dir, name, n_removed, left):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        raw = mne.io.read_raw(data_dir / "blinks" / name, preload=True)
    remover = BlinkICARemover()
    clean = remover.fit_transform(raw)
    assert remover.blinks_.found
    assert remover.blinks_.n_removed == n_removed
    assert remover.blinks_.median_residual < left
    for channel in frontal(raw):
        power = [np.var(each.copy().filter(13, 30).get_data(channel)) for each in (raw, clean)]
        assert power[1] < 1.1 * power[0]
    for half in (raw.copy().crop(0, 62), raw.copy().crop(62, None)):
        assert BlinkICARemover().fit(half).blinks_.found


def test_real_eyes_closed_are_left_alone(data_dir):
    raw = read(data_dir, "eegbci/S001R02.edf")
    remover = BlinkICARemover()
    clean = remover.fit_transform(raw)
    assert not remover.blinks_.found
    assert "fewer than min_blinks = 3" in remover.blinks_.reason
    assert as_bytes(clean) == as_bytes(raw)


def test_real_names_and_positions_give_the_same_virtual_eog(data_dir):
    raw = read(data_dir, "eegbci/S001R03.edf")
    by_name = BlinkICARemover().fit(raw).blinks_
    placed = raw.copy()
    mne.datasets.eegbci.standardize(placed)
    placed.set_montage(mne.channels.make_standard_montage("easycap-M1"), on_missing="ignore")
    by_place = BlinkICARemover().fit(placed).blinks_
    assert by_name.eog_names == ("virtual EOG (Fp1., Fpz., Fp2.)",)
    assert by_place.eog_names == ("virtual EOG (Fp1, Fpz, Fp2)",)
    np.testing.assert_array_equal(by_place.blink_times, by_name.blink_times)


def test_real_one_second_is_too_short(data_dir):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        raw = mne.io.read_raw_bdf(data_dir / "eeglab/biosemi72_test.bdf", preload=True)
    with pytest.raises(ValueError, match="X is too short: the ICA of .* channels needs"):
        BlinkICARemover().fit(raw)


# ---- simulated recordings ----


@pytest.mark.parametrize(
    ("method", "eog"), [("picard", True), ("picard", False), ("infomax", True)]
)
def test_blinks_are_recovered(method, eog):
    raw, truth = simulate_recording(duration=60, ch_names=FEW, eog=eog, random_state=1)
    remover = BlinkICARemover(method=method)
    clean = remover.fit_transform(raw)
    report = remover.blinks_
    assert report.found
    assert report.reason == ""
    assert report.channel == ("VEOG" if eog else "virtual EOG (Fp1, Fp2)")
    np.testing.assert_allclose(report.blink_times, truth.blink_times, atol=0.05)  # s
    assert np.corrcoef(report.topography, truth.blink_topography)[0, 1] > 0.98
    at = raw.time_as_index(truth.blink_times, use_rounding=True)
    left = (clean.get_data("Fp1") - truth.clean.get_data("Fp1"))[0, at]
    assert np.abs(np.median(left)) < 0.1 * 150 * UV
    o1 = [each.get_data("O1")[0] for each in (clean, truth.clean)]
    assert np.corrcoef(*o1)[0, 1] > 0.98


@pytest.mark.parametrize("eog", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_without_blinks(seed, eog):
    raw, _ = simulate_recording(
        duration=60, blink_rate=0, alpha_amplitude=20 * UV, exponent=2, eog=eog, random_state=seed
    )
    remover = BlinkICARemover()
    clean = remover.fit_transform(raw)
    assert not remover.blinks_.found
    assert remover.blinks_.reason
    assert as_bytes(clean) == as_bytes(raw)
    np.testing.assert_array_equal(remover.filter_, 0)


def test_what_is_removed_is_one_component_of_the_untouched_signal(simulated):
    raw, _ = simulated
    remover = BlinkICARemover()
    clean = remover.fit_transform(raw)
    gone = raw.get_data("eeg") - clean.get_data("eeg")
    source = remover.filter_ @ raw.get_data("eeg")
    np.testing.assert_allclose(gone, np.outer(remover.pattern_, source), atol=1e-12)  # V
    assert remover.filter_ @ remover.pattern_ == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(clean.get_data("eog"), raw.get_data("eog"))


def test_agrees_with_mne(simulated):
    raw, truth = simulated
    ours = BlinkICARemover().fit_transform(raw).get_data("eeg")
    ica = mne.preprocessing.ICA(
        12, method="picard", fit_params={"ortho": False, "extended": True}, random_state=0
    )
    ica.fit(raw.copy().filter(1, 40), decim=2)
    _, scores = ica.find_bads_eog(raw, ch_name="VEOG")
    peer = ica.apply(raw.copy(), exclude=[np.abs(scores).argmax()]).get_data("eeg")
    gone = [np.ravel(raw.get_data("eeg") - each) for each in (ours, peer)]
    assert np.corrcoef(*gone)[0, 1] > 0.995
    errors = [np.std(each - truth.clean.get_data("eeg")) for each in (ours, peer)]
    assert errors[0] < 1.01 * errors[1]


# ---- one answer on every machine ----


def fit_with_ica(raw, monkeypatch, change):
    """Fit with an ICA whose unmixing matrix is changed in place after its fit."""
    fit = mne.preprocessing.ICA.fit

    def changed(ica, *args, **kwargs):
        fit(ica, *args, **kwargs)
        change(ica.unmixing_matrix_)
        return ica

    with monkeypatch.context() as patch:
        patch.setattr(mne.preprocessing.ICA, "fit", changed)
        return BlinkICARemover().fit(raw)


@pytest.mark.parametrize("eog", [True, False])
def test_signs_and_order_of_components_do_not_matter(eog, monkeypatch):
    raw, _ = simulate_recording(duration=60, ch_names=FEW, eog=eog, random_state=1)

    def flip_and_reverse(unmixing):
        unmixing[:] = -unmixing[::-1].copy()

    plain = BlinkICARemover().fit(raw)
    changed = fit_with_ica(raw, monkeypatch, flip_and_reverse)
    np.testing.assert_array_equal(changed.pattern_, plain.pattern_)
    np.testing.assert_array_equal(changed.filter_, plain.filter_)
    assert as_bytes(changed.transform(raw)) == as_bytes(plain.transform(raw))
    np.testing.assert_array_equal(changed.blinks_.blink_times, plain.blinks_.blink_times)
    np.testing.assert_array_equal(changed.blinks_.topography, plain.blinks_.topography)
    np.testing.assert_array_equal(changed.blinks_.after, plain.blinks_.after)
    pd.testing.assert_frame_equal(changed.blinks_.to_frame(), plain.blinks_.to_frame())


def test_pattern_and_filter_are_positive_at_the_peaks():
    raw, truth = simulate_recording(duration=60, ch_names=FEW, random_state=1)
    remover = BlinkICARemover().fit(raw)
    iir = {"order": 4, "ftype": "butter"}
    filtered = raw.copy().filter(1, 40, method="iir", iir_params=iir)
    course = remover.filter_ @ filtered.get_data("eeg")
    at = raw.time_as_index(remover.blinks_.blink_times, use_rounding=True)
    assert np.median(course[at]) == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(remover.pattern_, remover.blinks_.topography)
    assert np.corrcoef(remover.pattern_, truth.blink_topography)[0, 1] > 0.98


@pytest.mark.parametrize("reference", ["infinity", "average"])
def test_what_is_subtracted_is_the_same_everywhere(reference):
    raw, _ = simulate_recording(duration=60, ch_names=FEW, random_state=2)
    if reference == "average":
        raw.set_eeg_reference("average", verbose=False)
    eeg = raw.get_data("eeg")

    def subtracted(raw, **params):
        clean = BlinkICARemover(**params).fit_transform(raw)
        return (raw.get_data("eeg") - clean.get_data("eeg"))[
            [raw.ch_names.index(name) for name in FEW]
        ]

    expected = subtracted(raw)
    noise = np.random.default_rng(0).standard_normal(raw.get_data().shape)
    others = {
        "seed": subtracted(raw, random_state=5),
        "order": subtracted(raw.copy().reorder_channels([*FEW[::-1], "VEOG", "HEOG"])),
        "float32": subtracted(
            mne.io.RawArray(raw.get_data().astype("float32").astype(float), raw.info)
        ),
        "last bits": subtracted(mne.io.RawArray(raw.get_data() * (1 + 1e-12 * noise), raw.info)),
    }
    rms = np.sqrt((eeg**2).mean())
    for name, found in others.items():
        tolerance = 1e-5 if name == "float32" else 1e-9
        assert np.sqrt(((found - expected) ** 2).mean()) < tolerance * rms, name


def test_saccades_in_heog_do_not_pass_for_blinks():
    raw, truth = simulate_recording(duration=60, ch_names=FEW, random_state=2)
    rng = np.random.default_rng(0)
    gaze = np.repeat(rng.choice([-1, 0, 1], 40), 384)[: raw.n_times]
    gaze = np.convolve(gaze, np.hanning(15) / np.hanning(15).sum(), "same")
    gains = {"F7": 60 * UV, "F8": -60 * UV, "Fp1": 20 * UV, "Fp2": -20 * UV, "HEOG": 400 * UV}
    for name, gain in gains.items():
        raw[name, :] = raw.get_data(name) + gain * gaze
    # So noisy a VEOG resembles its component less than a HEOG resembles that of the gaze.
    raw["VEOG", :] = raw.get_data("VEOG") + 100 * UV * rng.standard_normal(raw.n_times)
    report = BlinkICARemover().fit(raw).blinks_
    heog = report.eog_names.index("HEOG")
    assert not report.score[heog] >= BlinkICARemover().min_score
    assert np.isnan(report.r_squared[heog]).all()
    assert report.channel == "VEOG"
    assert np.corrcoef(report.topography, truth.blink_topography)[0, 1] > 0.98


def test_eog_may_be_upside_down_and_typed_eeg():
    raw, truth = simulate_recording(duration=60, ch_names=FEW, random_state=3)
    raw["VEOG", :] = -raw.get_data("VEOG")
    raw.set_channel_types({"VEOG": "eeg", "HEOG": "eeg"})
    remover = BlinkICARemover(eog=["VEOG", "HEOG"])
    clean = remover.fit_transform(raw)
    assert remover.blinks_.channel == "VEOG"
    assert remover.ch_names_ == tuple(raw.ch_names[:-2])
    np.testing.assert_array_equal(clean.get_data("VEOG"), raw.get_data("VEOG"))
    assert remover.blinks_.topography.argmax() in [raw.ch_names.index(n) for n in ("Fp1", "Fp2")]
    np.testing.assert_allclose(remover.blinks_.blink_times, truth.blink_times, atol=0.05)  # s


def test_without_frontal_electrode_nothing_is_found():
    raw, _ = simulate_recording(duration=30, eog=False, ch_names=["Cz", "Pz", "O1", "Oz", "O2"])
    assert BlinkICARemover().fit(raw).blinks_.reason == (
        "there is neither an EOG channel nor a frontal electrode"
    )


def test_min_score_and_min_blinks_decide(simulated):
    raw, _ = simulated
    assert not BlinkICARemover(min_blinks=13).fit(raw).blinks_.found
    strict = BlinkICARemover(min_score=1.0).fit(raw).blinks_
    assert not strict.found
    assert "below min_score = 1" in strict.reason
    assert np.nanmax(strict.r_squared) > 0.9


def test_a_common_signal_of_blink_shape_is_not_a_blink():
    raw, _ = simulate_recording(duration=60, eog=False, blink_rate=0, random_state=4)
    _, blinky = simulate_recording(duration=60, eog=False, random_state=4)
    times = np.arange(raw.n_times) / 256.0
    course = sum(np.exp(-0.5 * ((times - at) / 0.06) ** 2) for at in blinky.blink_times)
    raw = mne.io.RawArray(raw.get_data() + 150 * UV * course, raw.info)
    assert not BlinkICARemover().fit(raw).blinks_.found


def test_epochs():
    raw, truth = simulate_recording(duration=60, ch_names=FEW, random_state=5)
    epochs = epochs_of(raw)
    remover = BlinkICARemover()
    clean = remover.fit_transform(epochs)
    report = remover.blinks_
    assert isinstance(clean, mne.BaseEpochs)
    assert report.found
    seen = np.sort(2.0 * report.blink_epochs + report.blink_times)
    nearest = np.abs(seen[:, np.newaxis] - truth.blink_times).min(axis=1)
    assert len(seen) >= 10
    assert nearest.max() < 0.05  # s
    left = clean.get_data(picks="Fp1") - epochs_of(truth.clean).get_data(picks="Fp1")
    there = epochs.get_data(picks="Fp1") - epochs_of(truth.clean).get_data(picks="Fp1")
    assert left.std() < 0.35 * there.std()


# ---- references, montages, names ----


def simulate(names, reference=(), **kwargs):
    """Simulate a recording without EOG, against the mean of some electrodes, which are dropped."""
    raw, truth = simulate_recording(
        ch_names=[*names, *(name for name in reference if name not in names)], eog=False, **kwargs
    )
    if reference:
        for each in (raw, truth.clean):
            each.set_eeg_reference(list(reference), verbose=False)
            each.drop_channels(list(reference))
    return raw, truth


TEN_TWENTY = [*FEW, "F4", "T7", "C4", "T8", "P7", "P4", "P8", "O2"]


def left_at_blinks(raw, clean, truth):
    """Return the share of the blinks that is left at their peaks, where they are largest."""
    at = raw.time_as_index(truth.blink_times, use_rounding=True)
    there, left = (
        np.median((x.get_data() - truth.clean.copy().pick(raw.ch_names).get_data())[:, at], axis=1)
        for x in (raw, clean)
    )
    largest = np.abs(there).argmax()
    return abs(left[largest] / there[largest])


@pytest.mark.parametrize(
    "reference", [["TP9", "TP10"], ["Cz"], ["AFz"], ["Fp1"]], ids=["mastoids", "Cz", "AFz", "Fp1"]
)
def test_blinks_are_found_against_any_reference(reference):
    raw, truth = simulate(TEN_TWENTY, reference, duration=60, random_state=3)
    remover = BlinkICARemover()
    # The beta rhythm of Fp1 is in every channel that is referred to it, and goes with the blinks.
    warning = pytest.warns(RuntimeWarning, match=r"changes the beta power at O1 by -1\d%")
    with warning if reference == ["Fp1"] else nullcontext():
        clean = remover.fit_transform(raw)
    assert remover.blinks_.found
    np.testing.assert_allclose(remover.blinks_.blink_times, truth.blink_times, atol=0.05)  # s
    assert left_at_blinks(raw, clean, truth) < 0.15
    assert remover.blinks_.median_residual < 0.25


def test_a_headband_against_the_forehead_is_cleaned():
    raw, truth = simulate(
        ["TP9", "AF7", "AF8", "TP10"], ["Fpz"], duration=60, blink_amplitude=250e-6, random_state=1
    )
    remover = BlinkICARemover().fit(raw)
    assert remover.blinks_.channel == "virtual EOG (AF7, AF8)"
    assert set(remover.blinks_.residual) <= {"TP9", "TP10"}
    assert remover.blinks_.median_residual < 0.2


@pytest.mark.parametrize("spelling", ["EEG {}-REF", "EEG {}-LE", "{}-A2", "POL {}", "{}.", "upper"])
def test_names_and_positions_do_not_change_the_decision(spelling, simulated):
    raw = simulated[0].copy().pick("eeg")
    expected = BlinkICARemover().fit(raw)
    other = raw.copy().set_montage(None)
    spell = str.upper if spelling == "upper" else spelling.format
    other.rename_channels({name: spell(name) for name in raw.ch_names})
    found = BlinkICARemover().fit(other)
    np.testing.assert_array_equal(found.blinks_.scores, expected.blinks_.scores)
    np.testing.assert_array_equal(found.filters_, expected.filters_)
    named = BlinkICARemover().fit(add_positions(other))
    np.testing.assert_array_equal(named.blinks_.scores, expected.blinks_.scores)


@pytest.mark.parametrize("seed", range(3))
def test_strong_frontal_alpha_is_not_blinks(seed):
    raw, truth = simulate_recording(
        duration=60, ch_names=TEN_TWENTY, eog=False, blink_rate=0, random_state=seed
    )
    _, blinking = simulate_recording(ch_names=TEN_TWENTY, eog=False, random_state=seed)
    frontal_pattern = blinking.blink_topography / blinking.blink_topography.max()
    rng = np.random.default_rng(seed)
    envelope = np.convolve(rng.standard_normal(raw.n_times) ** 2, np.hanning(256), "same")
    alpha = np.sin(2 * np.pi * 10 * raw.times) * envelope / envelope.mean()
    raw = mne.io.RawArray(raw.get_data() + 60e-6 * np.outer(frontal_pattern, alpha), raw.info)
    assert not BlinkICARemover().fit(raw).blinks_.found


def test_four_blinks_in_24_seconds_count():
    raw, truth = simulate(TEN_TWENTY, duration=24, blink_rate=10, random_state=2)
    report = BlinkICARemover().fit(raw).blinks_
    assert len(truth.blink_times) == 4
    np.testing.assert_allclose(report.blink_times, truth.blink_times, atol=0.05)  # s


# The noise is larger than the blink, and counts as what is left of it.
@pytest.mark.filterwarnings("ignore:BlinkICARemover left:RuntimeWarning")
@pytest.mark.parametrize("noisy", ["Fp1", "Oz"])
@pytest.mark.parametrize("blinks_per_minute", [12, 0])
def test_a_noisy_channel_that_is_not_marked_bad_does_not_hide_blinks(noisy, blinks_per_minute):
    """300 uV of noise in one of 11 channels; the reference is another electrode."""
    raw, _ = simulate_recording(
        duration=60.0, ch_names=FEW, blink_rate=blinks_per_minute, eog=False, random_state=3
    )
    noise = np.random.default_rng(0).normal(scale=300 * UV, size=len(raw.times))
    raw._data[raw.ch_names.index(noisy)] += noise
    raw.set_eeg_reference(["Cz"], verbose="ERROR").drop_channels("Cz")
    remover = BlinkICARemover(n_components=2).fit(raw)
    assert remover.blinks_.found == bool(blinks_per_minute)


def test_huge_artifacts_do_not_hide_blinks(simulated):
    raw = simulated[0].copy().pick("eeg")
    at = raw.time_as_index([3.0, 33.0])
    for sample in at:
        raw._data[:2, sample : sample + 20] += 3e-3
    report = BlinkICARemover().fit(raw).blinks_
    assert report.found
    assert len(report.blink_times) >= 10


# ---- evidence ----


@pytest.mark.parametrize(("share", "found"), [(0.9, False), (0.65, True)])
def test_min_score_is_the_geometric_mean_of_the_evidence(share, found):
    raw, truth = simulate_recording(
        duration=60, ch_names=FEW, eog=False, background_amplitude=1e-6, random_state=0
    )
    # As high as a share of the blinks, peaks of the other polarity leave a contrast of 1 - share.
    other = np.roll(raw.get_data() - truth.clean.get_data(), round(2.2 * 256), axis=1)
    raw = mne.io.RawArray(raw.get_data() - share * other, raw.info)
    report = BlinkICARemover().fit(raw).blinks_
    assert report.scores[0, 0] == pytest.approx(1 - share, abs=0.12)
    assert report.score[0] == pytest.approx(np.prod(report.scores[0]) ** 0.25)
    assert report.found == found
    for name, value in zip(report.evidence, report.scores[0], strict=True):
        assert found or f"{name} {value:.2f}" in report.reason


def test_topography_needs_three_electrodes():
    for names, known in ((["Fp1", "Fp2", "Oz"], True), (["Fp1", "Oz"], False)):
        raw, _ = simulate(names, duration=60, random_state=0)
        report = BlinkICARemover(n_components=None).fit(raw).blinks_
        assert report.found
        assert np.isfinite(report.scores[0]).tolist() == [True, True, known, True]


# ---- all of the blink ----


def second_source(raw, truth, share):
    """Add a lateral source 0.15 s after every blink, of a share of its height."""
    later = np.roll(raw.get_data("eeg") - truth.clean.get_data("eeg"), round(0.15 * 256), axis=1)
    lateral = np.array([1.0 if name in ("Fp1", "F7", "F3") else -1.0 for name in FEW])
    return mne.io.RawArray(
        raw.get_data("eeg") + share * lateral[:, np.newaxis] * later, raw.copy().pick("eeg").info
    )


@pytest.mark.parametrize(("share", "n_removed"), [(0.0, 1), (0.08, 1), (0.115, 2)])
def test_further_components_go_while_a_tenth_is_left(share, n_removed, simulated):
    raw = second_source(*simulated, share)
    remover = BlinkICARemover()
    clean = remover.fit_transform(raw)
    assert remover.blinks_.n_removed == n_removed
    np.testing.assert_allclose(remover.filters_ @ remover.patterns_, np.eye(n_removed), atol=1e-9)
    gone = raw.get_data() - clean.get_data()
    sources = remover.filters_ @ raw.get_data()
    np.testing.assert_allclose(gone, remover.patterns_ @ sources, atol=1e-12)  # V
    assert BlinkICARemover(max_components=1).fit(raw).blinks_.n_removed == 1


def test_what_is_left_is_measured_and_warned_of(simulated):
    remover = BlinkICARemover(max_components=1)
    remover.fit(second_source(*simulated, 0.15))
    assert remover.blinks_.median_residual == pytest.approx(0.21, abs=0.03)  # not warned of
    raw = second_source(*simulated, 0.24)
    with pytest.warns(RuntimeWarning, match=r"left \d+% of the median blink \(Fp1 \d+%, Fp2"):
        clean = remover.fit_transform(raw)
    report = remover.blinks_
    assert list(report.residual) == ["Fp1", "Fp2"]
    iir = {"order": 4, "ftype": "butter"}
    at = np.round(report.blink_times * 256).astype(int)
    heights = []
    for each in (raw, clean):
        x = each.copy().filter(1, 40, method="iir", iir_params=iir).get_data("Fp1")[0]
        heights.append(np.ptp(np.median([x[i - 128 : i + 129] for i in at], axis=0)))
    assert report.residual["Fp1"] == pytest.approx(heights[1] / heights[0], abs=0.02)


@pytest.mark.parametrize(("share", "carries"), [(0.6, True), (0.4, False)])
def test_what_is_left_is_measured_where_the_blink_is(share, carries):
    raw, _ = simulate(
        ["TP9", "AF7", "AF8", "TP10"], ["Fpz"], duration=60, blink_amplitude=300e-6, random_state=1
    )
    # As high as at TP9, and then less.
    raw["TP10", :] = share * raw.get_data("TP9") + 1e-7 * raw.get_data("TP10")
    report = BlinkICARemover(n_components=3).fit(raw).blinks_
    assert set(report.residual) == ({"TP9", "TP10"} if carries else {"TP9"})


@pytest.mark.parametrize(("delay", "left"), [(0.09, 0.0), (0.115, 0.012)])
def test_blinks_are_aligned_to_the_source(delay, left, simulated):
    raw = simulated[0].copy()
    raw["VEOG", :] = np.roll(raw.get_data("VEOG"), round(delay * 256))
    expected = BlinkICARemover().fit(simulated[0]).blinks_
    report = BlinkICARemover(eog="VEOG", min_score=0.0).fit(raw).blinks_
    assert report.channel == "VEOG"
    late = np.median(report.blink_times - expected.blink_times)
    assert late == pytest.approx(left, abs=0.008)  # s


# ---- EOG as it comes ----


def test_virtual_eog_serves_where_veog_is_dead_or_bad():
    raw, truth = simulate_recording(duration=60, ch_names=FEW, random_state=3)
    dead, bad = raw.copy(), raw.copy()
    dead["VEOG", :] = 0.0
    bad.info["bads"] = ["VEOG"]
    for each in (dead, bad, raw.copy().drop_channels("VEOG")):
        flat = pytest.warns(RuntimeWarning, match=r"leaves out flat EOG channel\(s\): VEOG")
        with flat if each is dead else nullcontext():
            report = BlinkICARemover().fit(each).blinks_
        assert report.channel == "virtual EOG (Fp1, Fp2)"
        assert report.eog_names == ("HEOG", "virtual EOG (Fp1, Fp2)")
        np.testing.assert_allclose(report.blink_times, truth.blink_times, atol=0.05)  # s


def test_an_electrode_named_as_eog_is_cleaned(simulated):
    raw, truth = simulated
    remover = BlinkICARemover(eog="Fp1")
    clean = remover.fit_transform(raw)
    assert remover.blinks_.channel == "Fp1"
    assert remover.ch_names_ == tuple(FEW)
    assert left_at_blinks(raw.copy().pick("eeg"), clean.pick("eeg"), truth) < 0.15


def test_eog_may_be_bipolar(simulated):
    raw = simulated[0].copy()
    raw["VEOG", :] = raw.get_data("Fp1") - raw.get_data("VEOG")
    report = BlinkICARemover().fit(raw).blinks_
    assert (report.channel, len(report.blink_times)) == ("VEOG", 12)
    assert report.topography.argmax() in (0, 1)


# ---- the user decides ----


def test_components_overrule(simulated):
    raw, _ = simulated
    one = BlinkICARemover(components=0).fit(raw)
    automatic = BlinkICARemover().fit(raw)
    assert one.blinks_.components == (0,)
    gone = [
        np.ravel(raw.get_data("eeg") - r.transform(raw).get_data("eeg")) for r in (one, automatic)
    ]
    assert np.corrcoef(*gone)[0, 1] > 0.98
    two = BlinkICARemover(components=[0, 2]).fit(raw)
    assert two.blinks_.n_removed == 2
    np.testing.assert_allclose(two.filters_ @ two.patterns_, np.eye(2), atol=1e-9)
    assert two.blinks_.to_frame().query("removed and channel == 'VEOG'")["component"].tolist() == [
        0,
        2,
    ]


def test_components_overrule_a_refusal():
    raw, _ = simulate_recording(duration=30, blink_rate=0, ch_names=FEW, random_state=1)
    remover = BlinkICARemover(components=1).fit(raw)
    assert remover.blinks_.found
    assert as_bytes(remover.transform(raw)) != as_bytes(raw)


def test_a_bridged_pair_is_said_and_cleaned(simulated):
    raw = simulated[0].copy().pick("eeg")
    raw["F3", :] = raw.get_data("Fz") * (1 + 1e-9)
    remover = BlinkICARemover(n_components=12)
    with pytest.warns(RuntimeWarning, match="unstable mixing matrix"):
        clean = remover.fit_transform(raw)
    assert remover.filter_ @ remover.pattern_ == pytest.approx(1, abs=1e-9)
    assert np.ptp(clean.get_data("Fp1")) < 0.7 * np.ptp(raw.get_data("Fp1"))


# ---- what takes part in the fit ----


def test_bad_and_flat_channels_stay_as_they_are():
    raw, _ = simulate_recording(duration=60, ch_names=FEW, random_state=6)
    raw["F3", :] = np.random.default_rng(0).normal(scale=1e-3, size=(1, raw.n_times))
    raw["Cz", :] = np.nan
    raw["P3", :] = 7 * UV
    raw.info["bads"] = ["F3", "Cz"]
    remover = BlinkICARemover()
    with pytest.warns(RuntimeWarning, match=r"leaves out flat channel\(s\): P3\.") as caught:
        clean = remover.fit_transform(raw)
    assert len(caught) == 1
    for name in ("F3", "Cz", "P3"):
        np.testing.assert_array_equal(clean.get_data(name), raw.get_data(name))
        assert np.isnan(remover.blinks_.topography[remover.ch_names_.index(name)])
    assert remover.blinks_.found
    assert np.isfinite(clean.get_data("Fp1")).all()


def test_bad_spans_take_no_part_in_the_fit():
    raw, truth = simulate_recording(duration=60, ch_names=FEW, random_state=7)
    annotations = mne.Annotations([10.0], [10.0], ["BAD_storm"])
    inside = (raw.times >= 10) & (raw.times < 20)
    raw.set_annotations(annotations)
    stormy = raw.copy()
    samples = stormy.get_data()
    # Wild, but smooth where the span ends, so that the filters carry nothing out of it.
    samples[:, inside] += 5e-4 * np.hanning(inside.sum()) ** 2
    samples[0, inside] += 1e-3 * np.hanning(inside.sum()) ** 2 * np.sin(40 * raw.times[inside])
    stormy = mne.io.RawArray(samples, raw.info).set_annotations(annotations)
    calm, storm = (BlinkICARemover().fit(each) for each in (raw, stormy))
    np.testing.assert_allclose(storm.blinks_.blink_times, calm.blinks_.blink_times, atol=0.01)
    assert not ((storm.blinks_.blink_times > 10) & (storm.blinks_.blink_times < 20)).any()
    outside = truth.blink_times[(truth.blink_times < 10) | (truth.blink_times > 20)]
    assert len(storm.blinks_.blink_times) == len(outside)
    np.testing.assert_allclose(storm.pattern_, calm.pattern_, atol=0.02 * np.ptp(calm.pattern_))


def test_no_filter_runs_across_joints():
    raw, _ = simulate_recording(duration=40, ch_names=FEW, random_state=8)
    shifted = raw.copy()
    shifted.apply_function(lambda x: x + 5e-3, picks="all")
    joined = mne.concatenate_raws([raw.copy(), shifted])
    assert "EDGE boundary" in joined.annotations.description
    once, twice = (BlinkICARemover().fit(each).blinks_ for each in (raw, joined))
    # A step of 5 mV would ring within 1-10 Hz, and count as the tallest blink.
    assert len(twice.blink_times) == 2 * len(once.blink_times)


def test_fit_duration_takes_evenly_spread_samples():
    raw, truth = simulate_recording(duration=120, ch_names=FEW, random_state=9)
    whole, part = BlinkICARemover().fit(raw), BlinkICARemover(fit_duration=20).fit(raw)
    assert part.blinks_.found
    assert len(part.blinks_.blink_times) == len(truth.blink_times)
    assert not np.array_equal(part.pattern_, whole.pattern_)
    assert np.corrcoef(part.blinks_.topography, whole.blinks_.topography)[0, 1] > 0.98


# ---- estimator ----


def test_transforms_other_recordings_of_the_same_channels(simulated):
    remover = BlinkICARemover().fit(simulated[0])
    raw, truth = simulate_recording(
        duration=30, ch_names=FEW, random_state=0, eog=False, blink_rate=20
    )
    before = as_bytes(raw)
    clean = remover.transform(raw)
    assert as_bytes(raw) == before
    blinks = raw.get_data("Fp1") - truth.clean.get_data("Fp1")
    assert np.abs(blinks).max() > 100 * UV
    at = raw.time_as_index(truth.blink_times, use_rounding=True)
    left = (clean.get_data("Fp1") - truth.clean.get_data("Fp1"))[0, at]
    assert np.abs(np.median(left)) < 0.15 * 150 * UV
    with pytest.raises(ValueError, match="other channels than at fit: 'F3' instead of 'Fp1'"):
        remover.transform(
            raw.copy().reorder_channels([raw.ch_names[3], *raw.ch_names[:3], *raw.ch_names[4:]])
        )
    with pytest.raises(ValueError, match="X has 11 channels, but had 12 at fit"):
        remover.transform(raw.copy().drop_channels("Oz"))
    with pytest.raises(ValueError, match="sampled at 128 Hz, but was at 256 Hz at fit"):
        remover.transform(raw.copy().resample(128))
    raw.info["bads"] = ["F3"]
    with pytest.raises(ValueError, match=r"bad channel\(s\) F3, which were good at fit"):
        remover.transform(raw)


def test_estimator_conventions(simulated):
    raw, _ = simulated
    before = as_bytes(raw)
    remover = BlinkICARemover(n_components=8)
    assert clone(remover).get_params() == remover.get_params()
    clean = remover.fit(raw).transform(raw)
    assert as_bytes(raw) == before
    assert remover.get_params()["n_components"] == 8
    again = pickle.loads(pickle.dumps(remover))
    assert as_bytes(again.transform(raw)) == as_bytes(clean)
    assert as_bytes(clone(remover).fit_transform(raw)) == as_bytes(clean)
    few, _ = simulate_recording(duration=60, random_state=1, ch_names=["Fp1", "Fp2", "Cz", "Oz"])
    refitted, fresh = (
        r.fit_transform(few)
        for r in (remover.set_params(n_components=3), BlinkICARemover(n_components=3))
    )
    assert as_bytes(refitted) == as_bytes(fresh)
    assert remover.get_feature_names_out().tolist() == ["Fp1", "Fp2", "Cz", "Oz"]


def test_passes_through_pipelines_that_want_tables(simulated):
    raw, _ = simulated
    pipeline = make_pipeline(BlinkICARemover(), BlinkICARemover(min_blinks=1))
    clean = pipeline.set_output(transform="pandas").fit_transform(raw)
    assert isinstance(clean, mne.io.BaseRaw)
    assert pipeline.get_feature_names_out().tolist() == raw.ch_names[:-2]


def test_says_nothing_of_filters(simulated, caplog):
    with mne.use_log_level("WARNING"):
        BlinkICARemover().fit(simulated[0])
    assert not caplog.records


# ---- report ----


def test_report_of_blinks(simulated):
    report = BlinkICARemover().fit(simulated[0]).blinks_
    table = report.to_frame()
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == [
        *("channel", "n_blinks", "score", "component", "r2", "removed", "residual")
    ]
    removed = table[table["removed"]]
    assert removed["r2"].item() == table["r2"].max() == np.nanmax(report.r_squared)
    assert (removed["channel"].item(), removed["n_blinks"].item()) == ("VEOG", 12)
    figure = report.plot()
    assert removed["residual"].item() == report.median_residual < 0.2
    assert removed["score"].item() == report.score[0] > 0.8
    before, after = figure.axes[1].lines[1:]
    np.testing.assert_array_equal(before.get_ydata(), 1e6 * report.before)
    np.testing.assert_array_equal(after.get_ydata(), 1e6 * report.after)
    assert np.ptp(report.after) < 0.2 * np.ptp(report.before)
    assert report.lags[report.before.argmax()] == pytest.approx(0, abs=0.03)  # s


def test_report_without_positions_draws_bars():
    raw, _ = simulate_recording(duration=30, random_state=1, ch_names=["Fp1", "Fp2", "Cz", "Oz"])
    raw.set_montage(None)
    report = BlinkICARemover(n_components=0.999).fit(raw).blinks_
    axes = report.plot().axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert set(labels[-2:]) == {"Fp1", "Fp2"}
    widths = [patch.get_width() for patch in axes.patches]
    expected = 1e6 * report.topography[[report.ch_names.index(name) for name in labels]]
    np.testing.assert_allclose(widths, expected)


def test_report_of_no_blinks():
    raw, _ = simulate_recording(duration=30, blink_rate=0, random_state=1)
    report = BlinkICARemover().fit(raw).blinks_
    assert report.plot().axes[0].texts[0].get_text().startswith("No blinks removed: VEOG: 0 blink")
    table = report.to_frame()
    assert table["channel"].tolist() == ["VEOG", "HEOG", "virtual EOG (Fp1, Fp2)"]
    assert table["component"].tolist() == [-1, -1, -1]
    assert not table["removed"].any()


def test_channels_may_be_named_as_types(simulated):
    raw = simulated[0].copy().rename_channels({"VEOG": "eog", "Oz": "eeg"})
    assert BlinkICARemover().fit(raw).blinks_.channel == "eog"
    np.testing.assert_array_equal(
        BlinkICARemover(eog="eog").fit_transform(raw).get_data(),
        BlinkICARemover(eog="VEOG").fit_transform(simulated[0]).get_data(),
    )


# ---- bad input ----


@pytest.mark.parametrize("X", [np.zeros((1, 3, 1000)), "raw.fif", None])
def test_only_mne_objects(X):
    message = "X is a str" if isinstance(X, str) else "X must be an mne.io.BaseRaw or an mne.BaseEp"
    with pytest.raises(TypeError, match=message):
        BlinkICARemover().fit(X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"eog": "EOG1"}, ValueError, r"eog must name .* got 'EOG1': \['EOG1'\] are not there"),
        ({"eog": []}, ValueError, r"eog must name good channels of X, got \[\]\.$"),
        ({"eog": 3}, TypeError, "eog must be None, a name or a list of names, got 3"),
        ({"method": "fastica"}, ValueError, r"method must be one of \['picard', 'infomax'\]"),
        ({"n_components": 1}, ValueError, "n_components must be a whole number >= 2 and <= 12"),
        ({"n_components": 13}, ValueError, "n_components must be a whole number .* got 13"),
        ({"n_components": 1.5}, ValueError, "n_components must be a number > 0 and < 1"),
        ({"l_freq": 50.0}, ValueError, "l_freq must be a number > 0 and < 40, got 50.0"),
        ({"h_freq": 60.0}, ValueError, "h_freq must be .* <= 51.2, got 60.0"),
        ({"fit_sfreq": 10.0}, ValueError, "fit_sfreq must be a number >= 25, got 10.0"),
        ({"fit_duration": 1.0}, ValueError, "X is too short: the ICA of 12 channels needs 240"),
        ({"min_blinks": 0}, ValueError, "min_blinks must be a whole number >= 1, got 0"),
        ({"min_score": 2}, ValueError, "min_score must be a number >= 0 and <= 1, got 2"),
        ({"max_components": 0}, ValueError, "max_components must be a whole number >= 1, got 0"),
        ({"components": "all"}, ValueError, r"components must be one of \['auto'\], got 'all'"),
        ({"components": 99}, ValueError, "components must be a whole number >= 0 and <= "),
        (
            {"components": [0, 0]},
            ValueError,
            r"components must hold different numbers, got \[0, 0\]",
        ),
    ],
)
def test_bad_parameters_are_named(simulated, parameters, error, message):
    with pytest.raises(error, match=message):
        BlinkICARemover(**parameters).fit(simulated[0])


def test_bad_recordings_are_refused(simulated):
    raw = simulated[0]
    with pytest.raises(ValueError, match="at least two EEG channels .* got 1 of 1"):
        BlinkICARemover().fit(raw.copy().pick(["Fp1", "VEOG"]))
    bad = raw.copy()
    bad.info["bads"] = bad.ch_names[:-2]
    with pytest.raises(ValueError, match="at least two EEG channels .* got 0 of 12"):
        BlinkICARemover().fit(bad)
    with pytest.raises(ValueError, match="X must have EEG channels besides eog=None, got none"):
        BlinkICARemover().fit(raw.copy().pick(["VEOG", "HEOG"]))
    with pytest.raises(ValueError, match="X is too short"):
        BlinkICARemover().fit(raw.copy().crop(0, 1.5))
    spoilt = raw.copy()
    spoilt["Cz", 100] = np.inf
    with pytest.raises(ValueError, match="NaN or inf in channel.s. Cz"):
        BlinkICARemover().fit(spoilt)
    with pytest.raises(ValueError, match="NaN or inf in channel.s. Cz"):
        BlinkICARemover().fit(raw).transform(spoilt)
    bad = raw.copy()
    bad.info["bads"] = ["VEOG"]
    with pytest.raises(ValueError, match=r"\['VEOG'\] are marked bad"):
        BlinkICARemover(eog="VEOG").fit(bad)
    with pytest.raises(ValueError, match="h_freq must lie below .* of 32 Hz, got 40"):
        BlinkICARemover().fit(raw.copy().resample(64))
    with pytest.raises(ValueError, match="X must be sampled above 25 Hz"):
        BlinkICARemover().fit(raw.copy().resample(20))


def test_one_component_above_n_components_is_explained(simulated):
    raw = simulated[0].copy()
    raw["Oz", :] = 100 * raw.get_data("Oz")
    with pytest.raises(ValueError, match="n_components=0.98 of the variance is explained by one"):
        BlinkICARemover(components=[0]).fit(raw)


@pytest.mark.parametrize("artifact", ["movement", "step"])
def test_blinks_are_removed_where_the_ica_is_not_possible(artifact, simulated):
    raw = simulated[0].copy()
    if artifact == "movement":
        scale = np.random.default_rng(0).standard_normal((len(raw.ch_names), 1))
        raw._data[:] += 5e-3 * scale * np.exp(-0.5 * ((raw.times - 20) / 0.1) ** 2)
    else:
        raw._data[:] += 3e-3 * (raw.times > 20)
    with pytest.warns(RuntimeWarning, match="shows no independent components: n_comp") as record:
        remover = BlinkICARemover().fit(raw)
    assert len(record) == 1
    assert remover.blinks_.found
    assert remover.blinks_.r_squared.shape[1] == 0
    assert remover.blinks_.to_frame().shape[0]
    remover.blinks_.plot()


EIGHT = ["Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2"]


def alpha_kept(raw, clean, truth, channels=("O1", "Oz", "O2")):
    """Return the power within 8-12 Hz away from blinks, after by before, by electrode."""
    sos = scipy.signal.butter(4, (8, 12), "bandpass", fs=raw.info["sfreq"], output="sos")
    away = np.abs(raw.times[:, np.newaxis] - truth.blink_times).min(axis=1) > 0.5
    names = [name for name in channels if name in raw.ch_names]
    before, after = (
        np.var(scipy.signal.sosfiltfilt(sos, each.get_data(names))[:, away], axis=1)
        for each in (raw, clean)
    )
    return after / before


@pytest.mark.parametrize("alpha", [5 * UV, 30 * UV])
@pytest.mark.parametrize(
    "reference", [(), ("TP9", "TP10"), ("Cz",), ("AFz",)], ids=["average", "mastoids", "Cz", "AFz"]
)
@pytest.mark.parametrize("names", [EIGHT, TEN_TWENTY], ids=["8", "20"])
def test_alpha_at_the_back_is_kept(names, reference, alpha):
    raw, truth = simulate(names, reference, duration=60, alpha_amplitude=alpha, random_state=1)
    if not reference:
        raw.set_eeg_reference("average", verbose=False)
        truth.clean.set_eeg_reference("average", verbose=False)
    remover = BlinkICARemover(n_components=2).fit(raw)
    clean = remover.transform(raw)
    np.testing.assert_allclose(alpha_kept(raw, clean, truth), 1, atol=0.03)
    assert {"O1", "O2"} <= set(remover.blinks_.alpha_kept) <= {"O1", "Oz", "O2"}
    np.testing.assert_allclose(list(remover.blinks_.alpha_kept.values()), 1, atol=0.03)
    assert min(remover.blinks_.alpha_kept.values()) > 0.985 - 1e-6
    assert left_at_blinks(raw, clean, truth) < 0.12


HEADSET = ["AF3", "AF4", "F7", "F3", "F4", "F8", "FC5", "FC6", "T7", "T8", "P7", "P8", "O1", "O2"]


@pytest.mark.parametrize(
    ("reference", "seed"),
    [(("TP9", "TP10"), 0), (("TP9", "TP10"), 1), (("AFz",), 2), (("AFz",), 4)],
)
def test_beta_at_the_back_is_kept(reference, seed):
    raw, truth = simulate(
        HEADSET, reference, duration=60, alpha_amplitude=20 * UV, random_state=seed
    )
    # The alpha rhythm is in the median of the blinks, and is measured as left.
    with pytest.warns(RuntimeWarning, match="of the median blink"):
        remover = BlinkICARemover(n_components=2).fit(raw)
    clean = remover.transform(raw)
    sos = scipy.signal.butter(4, (13, 30), "bandpass", fs=raw.info["sfreq"], output="sos")
    # Without blinks all along: what is subtracted is linear.
    projected = remover.transform(truth.clean.copy().pick(raw.ch_names))
    before, after = (
        np.var(scipy.signal.sosfiltfilt(sos, each.get_data(["O1", "O2"])), axis=1)
        for each in (truth.clean, projected)
    )
    np.testing.assert_allclose(after / before, 1, atol=0.1)
    assert list(remover.blinks_.beta_kept) == ["O1", "O2"]
    np.testing.assert_allclose(list(remover.blinks_.beta_kept.values()), after / before, atol=0.03)
    assert left_at_blinks(raw, clean, truth) < 0.3


@pytest.mark.parametrize(("kept", "warns"), [(0.91, False), (0.89, True), (1.11, True)])
def test_beta_beyond_ten_percent_is_warned_of(kept, warns, simulated):
    report = replace(BlinkICARemover().fit(simulated[0]).blinks_, beta_kept={"O1": 1, "O2": kept})
    warning = pytest.warns(RuntimeWarning, match=r"changes the beta power at O2 by [+-]11%")
    with warning if warns else nullcontext():
        tell(report)


def test_beta_is_not_judged_where_the_fit_is_sampled_too_low(simulated):
    raw = simulated[0]
    assert BlinkICARemover(h_freq=18.0, fit_sfreq=45.0).fit(raw).blinks_.beta_kept
    raw = raw.copy().resample(48.0)
    assert not BlinkICARemover(h_freq=18.0, fit_sfreq=45.0).fit(raw).blinks_.beta_kept


def test_alpha_that_cannot_be_kept_is_warned_of():
    raw, _ = simulate(["Fp1", "Oz"], duration=60, random_state=1)
    raw.set_eeg_reference("average", verbose=False)
    with pytest.warns(
        RuntimeWarning, match="alpha power at Oz by -100% and the beta power at Oz by"
    ):
        remover = BlinkICARemover(n_components=None).fit(raw)
    assert remover.blinks_.alpha_kept["Oz"] < 0.97


def test_alpha_is_kept_by_a_margin_where_it_is_measured():
    names = [*EIGHT, "Pz", "PO7", "P9", "P10"]
    raw, _ = simulate(names, duration=60, sfreq=128.0, alpha_amplitude=30 * UV, random_state=1)
    raw.set_eeg_reference("average", verbose=False)
    remover = BlinkICARemover(n_components=2).fit(raw)
    kept = remover.blinks_.alpha_kept
    assert list(kept) == ["O1", "O2", "PO7"]
    assert min(kept.values()) == pytest.approx(0.985, abs=1e-6)
    sos = scipy.signal.butter(4, (8, 13), "bandpass", fs=128.0, output="sos")
    away = np.abs(raw.times[:, np.newaxis] - remover.blinks_.blink_times).min(axis=1) > 0.51
    before, after = (
        np.var(scipy.signal.sosfiltfilt(sos, each.get_data(list(kept)))[:, away], axis=1)
        for each in (raw, remover.transform(raw))
    )
    np.testing.assert_allclose(after / before, list(kept.values()), atol=1e-3)


@pytest.mark.parametrize(("kept", "warns"), [(0.975, False), (0.965, True), (1.035, True)])
def test_alpha_beyond_three_percent_is_warned_of(kept, warns, simulated):
    report = replace(BlinkICARemover().fit(simulated[0]).blinks_, alpha_kept={"O1": 1, "O2": kept})
    warning = pytest.warns(RuntimeWarning, match=r"changes the alpha power at O2 by [+-]\d%")
    with warning if warns else nullcontext():
        tell(report)


def test_components_are_checked_and_need_no_eog(simulated):
    raw = simulated[0].copy()
    raw.pick([name for name in FEW if name[0] in "CPO"])
    raw.set_montage(None).rename_channels({name: f"E{name}" for name in raw.ch_names})
    removed = BlinkICARemover(components=[0]).fit(raw)
    assert removed.filters_.shape == (1, len(raw.ch_names))
    for wrong in (None, 1.5):
        with pytest.raises(TypeError, match="components must be 'auto', a number or a list"):
            BlinkICARemover(components=wrong).fit(raw)


def test_a_flat_eog_is_named(simulated):
    raw = simulated[0].copy()
    raw["VEOG", :] = 0.0
    with pytest.warns(RuntimeWarning, match=r"leaves out flat EOG channel\(s\): VEOG"):
        remover = BlinkICARemover(eog="VEOG").fit(raw)
    assert remover.blinks_.eog_names == ("virtual EOG (Fp1, Fp2)",)
