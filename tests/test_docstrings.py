"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import npa
import npa_ann


def modules():
    """List every module of both packages but the command lines."""
    return sorted(
        module.name
        for package in (npa, npa_ann)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith(("cli", "__main__"))
    )


def public(module):
    """Yield the public functions and classes that a module defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            yield name, value


@pytest.mark.parametrize("name", modules())
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(module, optionflags=flags).failed == 0


@pytest.mark.parametrize("name", modules())
def test_public_functions_have_an_example(name):
    module = importlib.import_module(name)
    missing = [
        label
        for label, value in public(module)
        if inspect.isfunction(value) and ">>>" not in (value.__doc__ or "")
    ]
    assert not missing
