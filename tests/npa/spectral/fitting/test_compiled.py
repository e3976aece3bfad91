"""The compiled engine: the answers of the batch engine, threads, and what is done without numba."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from mne.utils import catch_logging

from npa.spectral import aperiodic, fit_spectra, gaussians
from npa.spectral.fitting import spectra
from npa.spectral.fitting.compiled import engine, selection
from npa.spectral.fitting.spectra import choose_engine

numba = pytest.importorskip("numba")

FREQS = np.arange(1, 45.25, 0.5)
BIC = {"selection": "bic", "dof": 60.0, "correlated_bins": 1.0}
VALUES = ("offset", "knee", "exponent", "peaks", "gaussians", "r_squared", "error")


def simulated(n_spectra, knee, seed=0):
    """Return spectra with up to four peaks and chi-squared noise."""
    rng = np.random.default_rng(seed)
    spectra = []
    for _ in range(n_spectra):
        exponent = rng.uniform(0.5, 2.5)
        bend = rng.uniform(2, 15) ** exponent if knee else 0.0
        peaks = [
            (rng.uniform(3, 40), rng.uniform(0.2, 1.2), rng.uniform(0.6, 3))
            for _ in range(rng.integers(0, 5))
        ]
        spectra.append(aperiodic(FREQS, -11, exponent, bend) + gaussians(FREQS, peaks))
    return 10 ** np.array(spectra) * rng.gamma(20, 1 / 20, (n_spectra, len(FREQS)))


@pytest.fixture
def without_numba(monkeypatch):
    """Make the import of numba fail."""
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "npa.spectral.fitting.compiled.spectra", raising=False)
    monkeypatch.delattr("npa.spectral.fitting.compiled.spectra", raising=False)
    modules = ("decorators", "functions", "levenberg_marquardt", "objective", "trust_region")
    for name in (*modules, "search"):
        monkeypatch.delitem(sys.modules, f"npa.spectral.fitting.compiled.{name}", raising=False)
        monkeypatch.delattr(f"npa.spectral.fitting.compiled.{name}", raising=False)
    for load in (engine.load_kernels, selection.load_search):
        load.cache_clear()
    yield
    for load in (engine.load_kernels, selection.load_search):
        load.cache_clear()


@pytest.mark.parametrize("mode", ["fixed", "knee"])
def test_equals_the_batch_engine(mode):
    power, settings = simulated(300, mode == "knee"), {"aperiodic_mode": mode}
    ours = fit_spectra(FREQS, power, engine="compiled", **settings)
    theirs = fit_spectra(FREQS, power, engine="batch", **settings)
    np.testing.assert_array_equal(ours.reason, theirs.reason)
    assert (ours.n_peaks == theirs.n_peaks).mean() >= 0.99
    for name, tolerance in (("exponent", 0.01), ("r_squared", 1e-3), ("error", 1e-3)):
        off = np.abs(getattr(ours, name) - getattr(theirs, name))
        assert (np.nan_to_num(off) < tolerance).mean() >= 0.99
    off = np.nan_to_num(np.abs(ours.peaks - theirs.peaks)).max(axis=(1, 2))
    assert np.median(off) < 1e-6  # Hz and log10 units


def degenerate(freqs):
    """Return spectra that are hard to fit, by name."""
    line = freqs**-1.5
    spike, notch = line.copy(), line.copy()
    spike[len(freqs) // 2] *= 1e6
    notch[len(freqs) // 3] *= 1e-6
    return {
        "flat": np.ones_like(freqs),
        "zero": 0 * freqs,
        "NaN": np.where(freqs == freqs[3], np.nan, line),
        "infinite": np.where(freqs == freqs[3], np.inf, line),
        "negative": np.where(freqs == freqs[3], -1.0, line),
        "spike": spike,
        "notch": notch,
        "rising": freqs**1.2,
        "tiny": 1e-300 * line,
        "huge": 1e300 * line,
        "negative knee": 1 / (freqs**1.5 - 0.5),
        "steps": np.where(freqs < freqs.mean(), 10.0, 1.0),
    }


@pytest.mark.parametrize("n_freqs", [8, 89])
@pytest.mark.parametrize("mode", ["fixed", "knee"])
def test_degenerate_spectra_equal_the_batch_engine(mode, n_freqs):
    freqs = FREQS[:n_freqs]
    power = np.stack(list(degenerate(freqs).values()))
    fits = {
        name: fit_spectra(freqs, power, aperiodic_mode=mode, engine=name)
        for name in ("compiled", "batch")
    }
    ours, theirs = fits["compiled"], fits["batch"]
    np.testing.assert_array_equal(ours.reason, theirs.reason)
    np.testing.assert_array_equal(ours.n_peaks, theirs.n_peaks)
    np.testing.assert_allclose(ours.model, theirs.model, rtol=0, atol=1e-3)  # log10 units
    np.testing.assert_allclose(ours.error, theirs.error, rtol=0, atol=1e-4)


def test_more_peaks_allowed_cost_no_memory_and_change_no_answer():
    power, sizes, fits = simulated(400, False), [], []
    for max_n_peaks in (10, 40):
        tracemalloc.start()
        fit = fit_spectra(FREQS, power, max_n_peaks=max_n_peaks, engine="compiled")
        sizes.append(tracemalloc.get_traced_memory()[1] - fit.peaks.nbytes - fit.gaussians.nbytes)
        sizes[-1] -= fit.peak_z.nbytes
        tracemalloc.stop()
        fits.append(fit)
    assert abs(sizes[1] - sizes[0]) < 1e5  # bytes
    few = fits[1].n_peaks < 10
    assert few.mean() > 0.9
    np.testing.assert_array_equal(fits[1].peaks[few, :10], fits[0].peaks[few])
    assert np.isnan(fits[1].peaks[few, 10:]).all()


@pytest.mark.parametrize("n_jobs", [2, 3, -1])
def test_threads_do_not_change_the_answer(monkeypatch, n_jobs):
    used, pool = [], engine.ThreadPoolExecutor

    def count(n_threads):
        used.append(n_threads)
        return pool(n_threads)

    monkeypatch.setattr(engine, "CHUNK", 16)
    power = simulated(60, True)
    one = fit_spectra(FREQS, power, aperiodic_mode="knee", engine="compiled")
    assert not used
    monkeypatch.setattr(engine, "ThreadPoolExecutor", count)
    monkeypatch.setattr("npa.checks.cpu_count", lambda: 2)
    some = fit_spectra(FREQS, power, aperiodic_mode="knee", engine="compiled", n_jobs=n_jobs)
    assert used == [2 if n_jobs == -1 else n_jobs]
    for name in VALUES:
        np.testing.assert_array_equal(getattr(some, name), getattr(one, name))


def test_auto_is_compiled_for_many_spectra(monkeypatch):
    assert choose_engine("auto", spectra.MIN_SPECTRA_COMPILED) == "compiled"
    assert choose_engine("auto", spectra.MIN_SPECTRA_COMPILED - 1) == "batch"
    assert choose_engine("auto", 10**6, "bic") == "compiled"
    monkeypatch.setattr(spectra, "MIN_SPECTRA_COMPILED", 5)
    called = []
    monkeypatch.setattr(spectra, "fit_batch", lambda *args, **settings: called.append("batch"))
    monkeypatch.setattr(spectra, "fit_compiled", lambda *args, **settings: called.append("numba"))
    for n_spectra in (4, 5):
        fit_spectra(FREQS, simulated(n_spectra, False))
    assert called == ["batch", "numba"]


@pytest.mark.usefixtures("without_numba")
def test_without_numba():
    with pytest.raises(ImportError, match=r"needs numba: pip install 'npa\[fast\]'"):
        fit_spectra(FREQS, simulated(2, False), engine="compiled")
    assert choose_engine("auto", 10**6) == "batch"
    assert choose_engine("auto", 10**6, "bic") == "batch"
    with pytest.raises(ImportError, match="needs numba"):
        fit_spectra(FREQS, simulated(2, False), engine="compiled", selection="bic", dof=40)


def test_single_precision_and_views_are_accepted():
    power = simulated(20, False)
    whole = fit_spectra(FREQS, power, engine="compiled")
    single = fit_spectra(FREQS, power.astype(np.float32), engine="compiled")
    np.testing.assert_allclose(single.exponent, whole.exponent, rtol=0, atol=1e-3)
    view = fit_spectra(FREQS, np.repeat(power, 2, axis=1)[::-1, ::2], engine="compiled")
    np.testing.assert_array_equal(view.exponent[::-1], whole.exponent)


def test_compilation_is_announced():
    @numba.njit
    def add(one, other):
        return one + other

    with catch_logging(verbose="info") as log, engine.announce_compilation():
        add(1, 2)
        add(1.0, 2.0)
    assert log.getvalue().count("Compiling the fit of spectra") == 1
    with catch_logging(verbose="info") as log, engine.announce_compilation():
        add(3, 4)
    assert "Compiling" not in log.getvalue()


def test_nothing_is_cached_where_nothing_can_be_written(monkeypatch):
    from npa.spectral.fitting.compiled import decorators

    def refuse(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(decorators.numba, "njit", refuse)
    assert decorators.compiled_entry(abs) == ("compiled", abs)


def test_stamp_is_that_of_the_sources(tmp_path):
    from npa.spectral.fitting.compiled.decorators import sources_stamp

    path = tmp_path / "kernels.py"
    stamps = []
    for text in ("a = 1", "a = 2", "a = 1"):
        Path(path).write_text(text)
        stamps.append(sources_stamp(str(path)))
    assert stamps[0] == stamps[2] != stamps[1]


def test_exponential_and_logarithm():
    from npa.spectral.fitting.compiled.functions import exp, log

    x = np.r_[np.linspace(-700, 700, 301), np.linspace(-1, 1, 101)]
    np.testing.assert_allclose([exp(value) for value in x], np.exp(x), rtol=4e-16)
    x = np.r_[10 ** np.linspace(-300, 300, 301), np.linspace(0.5, 2, 101)]
    np.testing.assert_allclose([log(value) for value in x], np.log(x), rtol=4e-16, atol=1e-17)
    assert exp(710.0) == log(np.inf) == np.inf
    assert exp(-800.0) < 1e-307
    assert np.isnan([exp(np.nan), log(np.nan), log(-1.0), log(0.0)]).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"aperiodic_mode": "fixed", "dof": 40.0, "n_jobs": 2},
        {"aperiodic_mode": "knee", "dof": np.linspace(10, 80, 200)},
        {"aperiodic_mode": "auto"},
        {"aperiodic_mode": "fixed", "selection": "aicc", "max_n_peaks": 2},
    ],
)
def test_selection_equals_the_batch_engine(settings):
    power = simulated(200, settings["aperiodic_mode"] != "fixed")
    settings = {"selection": "bic", "correlated_bins": 1.0} | settings
    ours = fit_spectra(FREQS, power, engine="compiled", **settings)
    theirs = fit_spectra(FREQS, power, engine="batch", **settings)
    assert (ours.n_peaks == theirs.n_peaks).mean() >= 0.99
    assert ((ours.knee > 0) == (theirs.knee > 0)).mean() >= 0.99
    off = np.nan_to_num(np.abs(ours.peaks - theirs.peaks)).max(axis=(1, 2))
    assert np.median(off) < 1e-4  # Hz and log10 units
    assert (np.abs(ours.exponent - theirs.exponent) < 0.01).mean() >= 0.99
    off = np.nan_to_num(np.abs(ours.peak_z / theirs.peak_z - 1)).max(axis=1)
    assert np.median(off) < 1e-3


def test_noise_floor_equals_the_batch_engine():
    freqs = np.arange(1.0, 151.0)
    background = aperiodic(freqs, -11, 2.0, 8.0**2, -11 - 2 * np.log10(70))
    log_power = background + gaussians(freqs, [(10.0, 0.8, 1.5)])
    power = 10**log_power * np.random.default_rng(0).gamma(30, 1 / 30, (50, len(freqs)))
    ours, theirs = (
        fit_spectra(freqs, power, aperiodic_mode="knee_floor", engine=name, **BIC)
        for name in ("compiled", "batch")
    )
    np.testing.assert_array_equal(ours.n_peaks, theirs.n_peaks)
    for name in ("exponent", "floor", "knee_freq"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-2)


@pytest.mark.parametrize("n_freqs", [8, 89])
@pytest.mark.parametrize("mode", ["fixed", "knee"])
def test_selection_of_degenerate_spectra_equals_the_batch_engine(mode, n_freqs):
    freqs = FREQS[:n_freqs]
    power = np.stack(list(degenerate(freqs).values()))
    ours, theirs = (
        fit_spectra(freqs, power, aperiodic_mode=mode, engine=name, selection="bic", dof=20.0)
        for name in ("compiled", "batch")
    )
    np.testing.assert_array_equal(ours.reason, theirs.reason)
    # The spectrum with a knee below 0 has a pole: models of it may differ.
    np.testing.assert_allclose(ours.model, theirs.model, rtol=0, atol=1e-2)  # log10 units
