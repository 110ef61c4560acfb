"""What each package offers: names that are there, that load nothing before they are used, and that nothing hides."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import bench
from tests.support.imports import arrows_in, modules_in

ROOT = Path(bench.__file__).parent.parent
MODULES = modules_in(ROOT)
PACKAGES = [module for module, path in MODULES.items() if path.name == "__init__.py"]
NAMELESS = ["bench.baselines", "bench.cli", "bench.methods"]
"""Recommenders are found by their decorators, and commands are called by a shell."""
SLOW = ("click", "matplotlib", "numpy", "pandas", "pyarrow", "scipy", "torch", "transformers", "yaml")


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout


@pytest.fixture(scope="module")
def stated() -> dict[str, dict[str, str]]:
    """Package -> each name that its source imports for readers and type checkers -> the module it is from."""
    found: dict[str, dict[str, str]] = {package: {} for package in PACKAGES}
    for arrow in arrows_in(ROOT):
        if arrow.module in found and not arrow.at_import:
            found[arrow.module][arrow.name] = arrow.target
    return found


@pytest.fixture(scope="module")
def all_loaded() -> dict[str, ModuleType]:
    """Every module of the project, imported: a module is then an attribute of its package, and may hide a name."""
    return {name: importlib.import_module(name) for name in MODULES if name != "bench.__main__"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_what_its_module_defines_when_all_modules_are_loaded(
    package: str, stated: dict[str, dict[str, str]], all_loaded: dict[str, ModuleType]
) -> None:
    for name, module in stated[package].items():
        offered = getattr(all_loaded[package], name)
        assert offered is getattr(all_loaded[module], name)
        assert not isinstance(offered, ModuleType)
        if isinstance(offered, type | FunctionType):
            assert offered.__module__ == module


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is_for_and_lists_the_names_it_imports(
    package: str, stated: dict[str, dict[str, str]]
) -> None:
    opened = importlib.import_module(package)
    assert len((opened.__doc__ or "").split()) > 8
    names = set(getattr(opened, "__all__", ())) - {"__version__"}
    assert names == set(stated[package])
    assert bool(names) == (package not in NAMELESS)


def test_no_name_is_that_of_a_package(stated: dict[str, dict[str, str]]) -> None:
    names = {name for names in stated.values() for name in names}
    assert names & {package.rpartition(".")[2] for package in PACKAGES} == set()


def test_opening_every_package_loads_no_module_but_the_helper() -> None:
    code = f"import json, sys, {', '.join(PACKAGES)}; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(in_a_new_process(code)))
    assert {name for name in loaded if name.partition(".")[0] == "bench"} == {*PACKAGES, "bench.files.lazy"}
    assert loaded.isdisjoint(SLOW)


def test_the_names_of_bench_are_there_and_load_no_torch() -> None:
    code = """
import sys, bench
from bench import *
print(load_domain.__module__, bench.RunStore.__name__, register.__name__, issubclass(Recommender, object))
print("load_domain" in dir(bench), bench.__version__ == __version__, "torch" in sys.modules)
"""
    first, second = in_a_new_process(code).splitlines()
    assert first == "bench.api.datasets RunStore register True"
    assert second == "True True False"
