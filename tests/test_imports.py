"""Imports point down, and importing is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import npa
import npa_ann

PACKAGES = {"npa": Path(npa.__file__).parent, "npa_ann": Path(npa_ann.__file__).parent}
HEAVY = {"fooof", "keras", "matplotlib", "numba", "pandas", "pooch", "tensorflow"}
COMPILED = "npa.spectral.fitting.compiled."  # imported only with numba, by its engine
ARRAY_MNE = ("mne.time_frequency", "mne.filter", "mne.parallel", "mne.utils")
ESTIMATORS = {"blinks", "parameterize", "amplifier", "exponent", "tagging", "line_noise"}
EVERYWHERE = {"npa.", "npa.__version__", "npa.typing"}  # "npa." is the package itself
# What each room may import besides itself: imports only ever point down.
FLOORS = {
    "npa.checks": set(),
    "npa.spectral": {"npa.checks"},
    "npa.recordings": {"npa.checks", "npa.spectral"},
    "npa.reports": {"npa.checks", "npa.spectral", "npa.recordings"},
    "npa.estimators": {"npa.checks", "npa.spectral", "npa.recordings", "npa.reports"},
    "npa.decoding": {"npa.checks", "npa.spectral", "npa.recordings"},
    "npa.datasets": {"npa.checks", "npa.spectral", "npa.recordings"},
    "npa.workflows": {
        *("npa.checks", "npa.spectral", "npa.recordings", "npa.reports", "npa.estimators"),
        *("npa.decoding", "npa.datasets"),
    },
    "npa_ann.corpora": {"npa"},
    "npa_ann.dynamics": {"npa", "npa_ann.networks"},
    "npa_ann.networks": {"npa"},
    "npa_ann.stimulation": {"npa"},
    "npa_ann.recording": {"npa", "npa_ann.networks", "npa_ann.stimulation"},
    "npa_ann.decoding": {"npa", "npa_ann.networks"},
    "npa_ann.studies": {
        *("npa", "npa_ann.corpora", "npa_ann.decoding", "npa_ann.dynamics", "npa_ann.networks"),
        *("npa_ann.recording", "npa_ann.stimulation"),
    },
}


def imports(path, *, top_level):
    """Yield every module that a file imports (``from a import b`` gives ``a.b`` too)."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    inside |= {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if top_level and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(package):
    """List the modules of a package by their dotted name."""
    root = PACKAGES[package]
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = [package, *path.relative_to(root).with_suffix("").parts]
        found[".".join(parts).removesuffix(".__init__")] = path
    assert len(found) > 1
    return found


@pytest.mark.parametrize("name", sorted(files("npa")))
def test_npa_never_imports_npa_ann(name):
    assert not [m for m in imports(files("npa")[name], top_level=False) if "npa_ann" in m]


@pytest.mark.parametrize("name", sorted(n for n in files("npa") if n.startswith("npa.spectral")))
def test_spectral_knows_arrays_only(name):
    for module in imports(files("npa")[name], top_level=False):
        root = module.partition(".")[0]
        if root == "fooof" and name == "npa.spectral.fitting.fooof_engine":
            continue  # the engine for parity with FOOOF
        if root == "numba" and name.startswith(COMPILED):
            continue
        assert root in {*sys.stdlib_module_names, "numpy", "scipy", "mne", "npa"}, module
        if root == "mne":
            assert module.startswith(ARRAY_MNE), module
        if root == "npa":
            assert module.startswith(("npa.spectral", "npa.checks", "npa.typing")), module


def room(name):
    """Return the room of a dotted name: its first two parts, or ``npa``, whose names are public."""
    top, _, rest = name.partition(".")
    return f"{top}.{rest.partition('.')[0]}"


@pytest.mark.parametrize("name", sorted(n for p in PACKAGES for n in files(p) if room(n) in FLOORS))
def test_imports_point_down(name):
    here = room(name)
    allowed = FLOORS[here] | {here}
    for module in imports({**files("npa"), **files("npa_ann")}[name], top_level=False):
        if module.partition(".")[0] not in PACKAGES or room(module) in EVERYWHERE:
            continue
        inside_npa = "npa" in allowed and module.startswith("npa.")
        assert room(module) in allowed or inside_npa, module


@pytest.mark.parametrize("name", sorted(files("npa")))
def test_heavy_modules_are_imported_where_they_are_used(name):
    allowed = {"matplotlib"} if name == "npa.reports.drawing" else set()
    if name == f"{COMPILED}decorators":
        allowed = {"numba"}
    heavy = {m.partition(".")[0] for m in imports(files("npa")[name], top_level=True)} & HEAVY
    assert heavy <= allowed


@pytest.mark.parametrize("name", sorted(n for p in PACKAGES for n in files(p)))
def test_nothing_private_of_mne_and_no_tensorflow(name):
    every = {**files("npa"), **files("npa_ann")}
    for module in imports(every[name], top_level=False):
        assert not module.startswith("tensorflow"), module
        if module.startswith("mne."):
            assert not any(part.startswith("_") for part in module.split(".")), module


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_estimators_do_not_import_each_other(name):
    path = PACKAGES["npa"] / "estimators" / f"{name}.py"
    allowed = {"parameterize"} if name == "amplifier" else set()
    others = {
        part
        for module in imports(path, top_level=False)
        if module.startswith("npa.estimators.")
        for part in module.split(".")[2:3]
    }
    assert others & (ESTIMATORS - {name}) <= allowed


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_module_is_named_as_what_it_exports(package):
    for name, path in files(package).items():
        if path.name == "__init__.py":
            continue
        tree = ast.parse(path.read_text())
        defined = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        assert path.stem not in defined, name


def test_import_npa_is_light():
    estimators = "npa.BlinkICARemover, npa.FOOOFFitter, npa.NeuralPowerAmplifier, npa.PSDExponent"
    code = f"import sys, npa; {estimators}; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["matplotlib", "fooof", "numba", "tensorflow", "keras", "pooch"]
    out = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_import_npa_decoding_needs_no_network():
    code = (
        "import sys, npa.decoding, npa.decoding.batches;"
        "print([m for m in ('keras', 'tensorflow', 'torch', 'npa_ann') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_public_names_resolve_after_import_npa():
    code = (
        "import npa; npa.batch.run, npa.datasets.fetch, npa.decoding.compare, npa.spectral.psd,"
        "npa.trials.collect_trials, npa.viz.draw_power, npa.transform_to"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for package in (npa, npa_ann):
        for name in package.__all__:
            assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="No npa attribute blink"):
        npa.blink  # noqa: B018
