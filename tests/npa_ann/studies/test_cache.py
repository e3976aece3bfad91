"""The cache finds a result again only where code and inputs are the same."""

import importlib.util
from functools import partial

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from npa.spectral import psd
from npa_ann.networks import resnet
from npa_ann.recording.gates import lstm_gates
from npa_ann.studies.cache import Cache

FACTOR = 2.0
CALLS = []


def scale(values, by=1.0):
    CALLS.append("scale")
    return {"scaled": values * FACTOR * by, "shape": values.shape, 3: [None, "text", True]}


def make_set():
    return {1}


def weights_sum(model):
    return float(sum(np.abs(weight).sum() for weight in model.get_weights()))


@pytest.fixture
def cache(tmp_path):
    CALLS.clear()
    return Cache(tmp_path / "cached")


def test_results_come_back_as_they_were(cache):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    for _ in range(2):
        found = cache(scale, values, by=0.5)
        np.testing.assert_array_equal(found["scaled"], values)
        assert found["scaled"].dtype == np.float32
        assert found["shape"] == (2, 3)
        assert found[3] == [None, "text", True]
    assert CALLS == ["scale"]


def test_shape_dtype_bytes_and_arguments_are_part_of_the_key(cache):
    values = np.zeros(6, np.float32)
    for other in (values, values.reshape(2, 3), values.view(np.int32), values + 1, [0.0], 0.0):
        cache(scale, np.asarray(other))
    for by in (1.0, 2.0, 1):
        cache(scale, values, by=by)
    cache(partial(scale, values), by=3.0)
    assert len(CALLS) == 10


def rest(weights, n_steps):
    """Slope of the power of an LSTM that is given zeros."""
    h = lstm_gates(weights, np.zeros((1, n_steps, 2)))["h"][0].T
    freqs, power = psd(h, 1.0, method="periodogram")
    return float(np.polyfit(np.log(freqs[1:]), np.log(power.sum(axis=0)[1:]), 1)[0])


def test_rest_of_another_length_is_measured_again(cache):
    """A rest of 64 steps, then of 200, of the same weights."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((2, 12), (3, 12), 12)]
    short, long = (cache(rest, weights, n_steps) for n_steps in (64, 200))
    assert short != long
    assert long == rest(weights, 200)


def test_models_are_known_by_configuration_and_weights(cache):
    def build(activation):
        keras.utils.set_random_seed(0)
        return resnet(8, activation=activation)

    relu, again, tanh = build("relu"), build("relu"), build("tanh")
    for model in (relu, again, tanh):
        cache(weights_sum, model)
    assert len(list(cache.folder.iterdir())) == 2
    relu.set_weights([weight + 1 for weight in relu.get_weights()])
    assert cache(weights_sum, relu) != cache(weights_sum, again)


CODE = """
N = {n}

def helper(x):
    return x + {step}

def stage(x):
    return [helper(each) for each in range(N)]
"""


def test_changed_code_is_run_again(cache, tmp_path):
    """A helper, called in a comprehension, and a constant are part of the key."""
    found = []
    for number, (n, step) in enumerate([(1, 1), (1, 20), (2, 20)]):
        path = tmp_path / f"made_up_{number}.py"
        path.write_text(CODE.format(n=n, step=step))
        spec = importlib.util.spec_from_file_location("npa_ann.made_up", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(cache(module.stage, 0.0))
    assert found == [[1], [20], [20, 21]]


def test_functions_inside_functions_are_refused(cache):
    step = 2

    def inner(x):
        return x + step

    with pytest.raises(TypeError, match="must not use variables of another function"):
        cache(inner, 1)


def test_nothing_is_unpickled(cache):
    with pytest.raises(TypeError, match="must not return a set"):
        cache(make_set)
    with pytest.raises(TypeError, match="arrays of Python objects"):
        cache(scale, np.array([{}]))
    with pytest.raises(TypeError, match="got object"):
        cache(scale, object())


def predict(decoder, X, y, key=""):
    CALLS.append(key)
    return decoder.fit(X, y).predict(X)


def test_estimators_are_known_by_their_parameters_and_an_ignored_array_by_its_key(cache):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    wrapped = cache.cache(predict, ignore=["X"])
    for n, scaling in ((0.1, True), (0.1, True), (0.2, True), (0.1, False)):
        decoder = make_pipeline(StandardScaler(with_std=scaling), LogisticRegression(C=n))
        first = wrapped(decoder, X, y, key="one")
        np.testing.assert_array_equal(wrapped(decoder, X + 9, y, "one"), first)
    assert len(CALLS) == 3
    wrapped(decoder, X + 9, y, key="another")
    assert len(CALLS) == 4
