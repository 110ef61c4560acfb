"""The page "Architecture" describes the packages, files and commands that there are."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import bench
from tests.support.imports import ORDER, modules_in, package_of

ROOT = Path(bench.__file__).parent.parent
PAGE = (ROOT / "docs/pages/architecture.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`((?:bench|baselines|methods|datasets|results)/[\w/.]*)`", PAGE)))
OFFERED = re.findall(r"`bench\.(\w+)`", PAGE)
IMPORTED = re.findall(r"`from ([\w.]+) import (\w+)`", PAGE)


def rows_of_packages() -> list[tuple[str, ...]]:
    table = PAGE.partition("| Package |")[2].partition("\n\n")[0]
    return [tuple(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines()[2:]]


def test_packages_are_named_in_the_order_in_which_they_may_import() -> None:
    assert rows_of_packages() == list(ORDER)


def test_every_package_that_exists_is_named_and_every_named_one_exists() -> None:
    existing = {package_of(module) for module in modules_in(ROOT)} - {"", "__main__"}
    assert {name for row in rows_of_packages() for name in row} == existing


@pytest.mark.parametrize("place", PLACES)
def test_every_place_named_exists(place: str) -> None:
    path = ROOT / place
    assert path.is_dir() if place.endswith("/") else path.is_file()


def test_what_the_page_imports_is_there() -> None:
    assert len(OFFERED) > 4
    assert len(IMPORTED) > 1
    modules = modules_in(ROOT)
    for name in OFFERED:
        assert f"bench.{name}" in modules or name in bench.__all__
    for module, name in IMPORTED:
        assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("root", re.findall(r"--raise (\S+)", PAGE))
def test_a_root_named_in_an_example_is_one(root: str) -> None:
    assert root in modules_in(ROOT)
