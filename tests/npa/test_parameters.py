"""Values that a parameter cannot have are refused by its name, in every estimator and function."""

import inspect

import mne
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from npa import (
    FOOOFFitter,
    FrequencyTagger,
    NeuralPowerAmplifier,
    PSDExponent,
    batch,
    decoding,
    spectral,
    transform_to,
)
from npa.datasets import simulate_faces, simulate_recording
from npa.recordings.preparing import prepare_recording
from npa.recordings.reading import load_recording
from npa.spectral import dfa
from npa.trials import collect_trials

SFREQ = 128.0
NONSENSE = {
    "object": object(),
    "bytes": b"x",
    "complex": 1j,
    "nan": np.nan,
    "set": {1.0, 2.0},
    "matrix": np.zeros((2, 2, 2)),
    "text": "no such thing",
    "many digits": 10**400,
    "truth": np.array(True),
}
# What is allowed all the same; the seed of a function may have any number of digits.
ALLOWED = {
    "label": set(NONSENSE),
    "out_dir": {"text"},
    "memory": {"text"},
    "random_state": {"many digits"},
    "floor": {"nan", "truth", "matrix"},
    "offset": {"nan", "truth"},
    "knee": {"nan", "truth"},
    "exponent": {"nan", "truth"},
    "freqs": {"truth"},
}
ESTIMATORS = {
    PSDExponent: {"freq_range": (2, 40)},
    FOOOFFitter: {},
    NeuralPowerAmplifier: {"response": "whitening"},
    FrequencyTagger: {"frequencies": 8.0},
}


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=(1, 2, 1024)).cumsum(axis=-1)


def parameters(call, skip=()):
    """Pairs of a parameter and a name of nonsense for it."""
    return [
        (name, kind)
        for name, parameter in inspect.signature(call).parameters.items()
        for kind in NONSENSE
        if name not in skip and parameter.kind is not parameter.VAR_KEYWORD
    ]


def refuses(name, call):
    with pytest.raises((TypeError, ValueError), match=name):
        call()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: each.__name__)
def test_estimators_name_the_parameter(estimator, noise):
    for name, kind in parameters(estimator, skip=("self",)):
        value = NONSENSE[kind]
        if (name == "by" and kind == "text") or (name, kind) == ("picks", "set"):
            continue  # a separator; an index
        params = {"sfreq": SFREQ, **ESTIMATORS[estimator], name: value}
        if name == "by":
            params["aggregate"] = "mean"
        refuses(name, lambda params=params: estimator(**params).fit(noise))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: each.__name__)
def test_estimators_name_signals_that_are_none(estimator):
    for value in [*NONSENSE.values(), None, [1.0, 2.0], np.float64(3), np.zeros(5)]:
        if isinstance(value, np.ndarray) and value.ndim == 3:
            continue
        refuses("X", lambda v=value: estimator(sfreq=SFREQ, **ESTIMATORS[estimator]).fit(v))


def functions():
    """Functions of arrays, with arguments that they take."""
    freqs = np.arange(1.0, 61.0)
    power = np.stack([1 / freqs, 2 / freqs])
    x = np.random.default_rng(0).normal(size=(2, 600))
    taps = spectral.zero_phase_fir(lambda f: np.exp(-f), 100.0, 65)
    gain = {"freqs": freqs, "exponent": 1.0, "knee": 0.0, "nyquist": 64.0}
    spectrum = {"spectrum": power}
    return {
        spectral.psd: {"x": x, "sfreq": 100.0},
        spectral.psd_of_spans: {"x": x[None], "spans": [(0, 600)], "sfreq": 100.0},
        spectral.power_law: {"freqs": freqs, "power": power},
        spectral.aperiodic: {"freqs": freqs, "offset": 0.0, "exponent": 1.0},
        spectral.gaussians: {"freqs": freqs, "peaks": [[10.0, 1.0, 1.0]]},
        spectral.gaussian_response: {"freqs": freqs, "cf": 10.0, "sd": 1.0},
        spectral.logarithmic_response: gain,
        spectral.whitening_response: gain,
        spectral.chebyshev_bank: {"exponent": 1.0, "knee": 0.0, "sfreq": 128.0},
        spectral.remez_gaussian: {"cf": 10.0, "sd": 2.0, "sfreq": 128.0},
        spectral.fir_gain: {"taps": taps, "freqs": freqs, "sfreq": 100.0},
        spectral.apply_zero_phase: {"x": x, "taps": taps},
        spectral.snr_spectrum: spectrum,
        spectral.zscore_spectrum: spectrum,
        spectral.baseline_corrected_amplitude: spectrum,
        spectral.tag_terms: {"frequencies": [6.0, 7.5]},
        spectral.golden_bands: {},
        spectral.band_ratios: {"peaks": [[5, 8, 13]], "freq_range": (1, 45), "n_simulations": 9},
        dfa.fluctuations: {"x": x},
        dfa.log_scales: {"n_times": 500},
        dfa.scaling_exponent: {"scales": [8, 16, 32], "squared": np.ones((2, 3))},
        simulate_recording: {"duration": 1.0, "ch_names": ["Cz"], "eog": False},
        simulate_faces: {"n_subjects": 1, "n_runs": 1, "n_trials": 2},
    }


@pytest.mark.parametrize("function", functions(), ids=lambda each: each.__name__)
def test_functions_name_the_parameter(function):
    arguments = functions()[function]
    for name, kind in parameters(function):
        if kind in ALLOWED.get(name, ()) or (name, kind) in _ARRAYS.get(function.__name__, ()):
            continue
        given = {**arguments, name: NONSENSE[kind]}
        refuses(name, lambda given=given: function(**given))


# Arrays of any number of dimensions, of which a matrix is one; NaN frequencies have NaN gains.
_ARRAYS = {
    "psd": {("x", "matrix")},
    "psd_of_spans": {("x", "matrix")},
    "aperiodic": {("freqs", "nan"), ("freqs", "truth"), ("freqs", "matrix")},
    "gaussians": {("freqs", "nan"), ("freqs", "truth"), ("freqs", "matrix")},
    "gaussian_response": {("freqs", "matrix"), ("freqs", "truth")},
    "logarithmic_response": {("freqs", "matrix")},
    "whitening_response": {("freqs", "matrix")},
    "fir_gain": {("freqs", "nan"), ("freqs", "matrix")},
    "apply_zero_phase": {("x", "matrix")},
    "snr_spectrum": {("spectrum", "matrix"), ("exclude", "matrix")},
    "zscore_spectrum": {("spectrum", "matrix"), ("exclude", "matrix")},
    "baseline_corrected_amplitude": {("spectrum", "matrix"), ("exclude", "matrix")},
}


@pytest.mark.parametrize(
    ("method", "option"),
    [
        *[("welch", each) for each in ("n_per_seg", "n_overlap", "n_fft", "window", "average")],
        *[("multitaper", each) for each in ("bandwidth", "adaptive", "low_bias", "n_fft")],
        *[("periodogram", each) for each in ("window", "detrend", "one_sided")],
    ],
)
def test_options_of_spectra_are_named(method, option):
    x = np.random.default_rng(0).normal(size=(2, 600))
    for value in NONSENSE.values():
        refuses(option, lambda v=value: spectral.psd(x, 100.0, method=method, **{option: v}))


def test_entrances_name_the_parameter(tmp_path, noise):
    raw, _ = simulate_recording(duration=8.0, ch_names=["Cz", "Oz"], eog=False, random_state=0)
    raw.set_annotations(mne.Annotations([1, 2, 3, 4], 0, ["a", "b"] * 2))
    fname = tmp_path / "a_raw.fif"
    raw.save(fname, verbose=False)
    amplifier = NeuralPowerAmplifier(response="whitening").fit(raw)
    trials = {"recordings": {"s": raw}, "event_id": {"a": "a", "b": "b"}, "tmin": 0.0, "tmax": 0.5}
    labels = {"X": noise.repeat(4, 0), "y": [0, 1] * 2, "groups": [1] * 4}
    calls = [
        (load_recording, {"fname": fname}, ("fname", "preload", "types")),
        (prepare_recording, {"raw": raw.copy()}, ("raw", "picks", "exclude", "bads", "montage")),
        (collect_trials, trials, ("recordings", "event_id", "tmax", "detrend", "baseline")),
        (transform_to, {"pipeline": amplifier, "raw": raw, "fname": fname}, ("fname", "overwrite")),
        (
            batch.run,
            {"pipeline": PSDExponent(), "recordings": [fname], "out_dir": tmp_path / "out"},
            ("recordings", "n_jobs", "outputs", "overwrite"),
        ),
        (decoding.minmax_per_class, labels, ("X", "y", "groups")),
    ]
    for function, arguments, names in calls:
        for name in names:
            for kind, value in NONSENSE.items():
                if (function, name, kind) == (decoding.minmax_per_class, "X", "matrix"):
                    continue
                given = {**arguments, name: value}
                if name == "fname" and kind == "text":
                    continue
                if (name, kind) in {("recordings", "set"), ("types", "set")}:
                    continue
                refuses(name, lambda function=function, given=given: function(**given))


def test_comparisons_name_the_parameter():
    for kind, value in NONSENSE.items():
        for name in ("cv", "n_jobs", "n_permutations", "n_bootstraps", "random_state"):
            if (name, kind) == ("random_state", "many digits") or (name, kind) == ("cv", "set"):
                continue
            rng = np.random.default_rng(0)
            arguments = {
                "conditions": {"raw": _trials(rng)},
                "decoders": {"line": LogisticRegression()},
                "cv": 2,
                name: value,
            }
            refuses(name, lambda arguments=arguments: decoding.compare(**arguments))


def _trials(rng):
    from npa.trials import Trials

    y, groups = np.tile([0, 1], 8), np.repeat([1, 2], 8)
    info = mne.create_info(["Cz"], 10.0, "eeg")
    return Trials(
        rng.normal(size=(16, 1, 4)), y, groups, groups, np.arange(4) / 10, ("Cz",), {}, info
    )


def test_sizes_that_would_fill_the_memory_are_refused(noise):
    for call, name in [
        (lambda: FrequencyTagger(1e-9, sfreq=SFREQ).fit(noise), "frequencies"),
        (lambda: FrequencyTagger(8.0, n_harmonics=10**9, sfreq=SFREQ).fit(noise), "n_harmonics"),
        (lambda: FrequencyTagger((8.0, 9.0), max_order=10**9, sfreq=SFREQ).fit(noise), "max_order"),
        (lambda: FOOOFFitter(max_n_peaks=10**9, sfreq=SFREQ).fit(noise), "max_n_peaks"),
        (lambda: dfa.log_scales(10**30), "n_times"),
        (lambda: spectral.psd(noise, SFREQ, n_fft=10**15), "n_fft"),
        (lambda: spectral.zero_phase_fir(np.ones_like, 1e9), "sfreq"),
        (lambda: simulate_recording(duration=1e12), "duration"),
        (lambda: decoding.audit_scaling(noise, [0], [0], None, n_permutations=10**12), "y"),
    ]:
        refuses(name, call)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ma.masked_greater(np.arange(8.0).reshape(1, 2, 4), 5), "masked samples"),
        (np.zeros((2, 8), bool), "got an array of bool"),
        (np.zeros((2, 8), "M8[s]"), "got an array of datetime64"),
        (np.zeros((2, 8), [("a", float)]), "got an array of"),
        ([np.zeros((2, 8)), np.zeros((2, 9))], r"different shapes, \(2, 8\) and \(2, 9\)"),
        (iter([np.zeros((2, 8))]), "a Raw, Epochs or an array of signals"),
        (mne.create_info(1, 10.0), "X is an Info, which has several parts"),
    ],
)
def test_arrays_that_hold_no_samples_are_refused(value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        PSDExponent(sfreq=SFREQ).fit(value)


@pytest.mark.parametrize("value", [np.int64(2), np.int32(2), 2])
def test_integers_of_numpy_are_taken(value, noise):
    tagger = FrequencyTagger(8.0, n_harmonics=value, power=np.True_, sfreq=SFREQ).fit(noise)
    assert len(tagger.feature_names_) == 4
