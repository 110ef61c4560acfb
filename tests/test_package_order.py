"""Packages stand in one order, along the path of a run, and import only those before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import bench
from tests.support.imports import ORDER, Arrow, arrows_in, modules_in, package_of

ROOT = Path(bench.__file__).parent.parent
CONTRACT = "bench.plugin"
"""Imported as a whole by all, for the project's own methods are to read as a user's do."""
FRONT_DOORS = ("", "__main__")
"""``bench`` itself and ``python -m bench`` may import everything."""
MOST_MODULES, MOST_PACKAGES = 5, 16
"""What may lie at the top of ``bench/`` besides the front doors."""


def out_of_order(arrows: Sequence[Arrow]) -> list[str]:
    """Say of each import that runs against the order where it is; imports for type checkers only count as well."""
    level = {package: number for number, packages in enumerate(ORDER) for package in packages}
    found = []
    for arrow in arrows:
        importer, imported = package_of(arrow.module), package_of(arrow.target)
        if importer in FRONT_DOORS or importer == imported or arrow.name == "__version__":
            continue
        if imported in FRONT_DOORS or level[imported] >= level[importer]:
            found.append(f"{arrow.place}: {arrow.module} imports {arrow.target}; {importer} may not import {imported}")
    return found


def unplaced(modules: Mapping[str, Path]) -> set[str]:
    """Return the packages and modules at the top that have no place in the order."""
    return {package_of(module) for module in modules} - {package for line in ORDER for package in line} - {*FRONT_DOORS}


def from_re_exports(arrows: Sequence[Arrow], modules: Mapping[str, Path]) -> list[str]:
    """Say which imports take a name from a package instead of from the module that defines it."""
    packages = {module for module, path in modules.items() if path.name == "__init__.py"}
    packages -= {CONTRACT}
    taken = [arrow for arrow in arrows if arrow.target in packages and arrow.name != "__version__"]
    return [f"{arrow.place}: import '{arrow.name}' from its module, not from {arrow.target}" for arrow in taken]


def circle(arrows: Sequence[Arrow]) -> list[str]:
    """Return modules that import each other when they are imported, in order; empty where none do."""
    graph: dict[str, set[str]] = {}
    for arrow in arrows:
        if arrow.at_import:
            graph.setdefault(arrow.module, set()).add(arrow.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def arrows() -> list[Arrow]:
    return arrows_in(ROOT)


def test_packages_import_only_those_before_them(arrows: list[Arrow]) -> None:
    assert len(arrows) > 500
    assert out_of_order(arrows) == []


def test_every_package_has_a_place_and_every_place_a_package() -> None:
    modules = modules_in(ROOT)
    assert unplaced(modules) == set()
    assert {package for line in ORDER for package in line} <= {package_of(module) for module in modules}


def test_names_are_imported_from_the_module_that_defines_them(arrows: list[Arrow]) -> None:
    assert from_re_exports(arrows, modules_in(ROOT)) == []


def test_no_modules_import_each_other(arrows: list[Arrow]) -> None:
    assert circle(arrows) == []


def test_the_top_of_bench_stays_small() -> None:
    modules = {path.stem for path in (ROOT / "bench").glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")}
    assert 0 < len(modules) <= MOST_MODULES
    assert 0 < len(packages) <= MOST_PACKAGES


@pytest.mark.parametrize("folder", ["baselines", "methods"])
def test_helpers_of_methods_lie_in_packages_and_not_behind_underscores(folder: str) -> None:
    names = {path.name for path in (ROOT / folder).rglob("*.py")}
    assert {name for name in names if name.startswith("_")} == {"__init__.py"}


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """A checkout with a few modules, none of which imports another."""
    for name in ("files/store", "runs/store", "runs/engine", "lm/loading", "lm/toys/tiny"):
        path = tmp_path / "bench" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        (path.parent / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "bench/__init__.py").write_text("", encoding="utf-8")
    return tmp_path


def write(root: Path, name: str, text: str) -> list[Arrow]:
    (root / name).write_text(text, encoding="utf-8")
    return arrows_in(root)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import bench.runs.store", 1),
        ("from bench.runs.store import RunStore", 1),
        ("from bench.runs import store", 1),
        ("from bench import runs", 1),
        ("from ..runs.store import RunStore", 1),
        ("def read():\n    from bench.runs.store import RunStore", 2),
        ("class Store:\n    async def read(self):\n        import bench.runs.store", 3),
        ("if TYPE_CHECKING:\n    from bench.runs.store import RunStore", 2),
        ("try:\n    import json\nexcept ImportError:\n    import bench.runs.store", 4),
    ],
)
def test_an_import_against_the_order_is_found_with_its_file_and_line(made_up: Path, text: str, line: int) -> None:
    (complaint,) = out_of_order(write(made_up, "bench/files/store.py", text))
    assert complaint.startswith(f"bench/files/store.py:{line}: bench.files.store imports bench.runs")
    assert complaint.endswith("files may not import runs")


def test_an_import_along_the_order_is_none_against_it(made_up: Path) -> None:
    arrows = write(made_up, "bench/runs/store.py", "from bench.files.store import read_json\nimport bench.runs.engine")
    assert [arrow.target for arrow in arrows] == ["bench.files.store", "bench.runs.engine"]
    assert out_of_order(arrows) == []


def test_neighbors_do_not_import_each_other(made_up: Path) -> None:
    for folder in ("baselines", "methods"):
        (made_up / folder).mkdir()
        (made_up / folder / "one.py").write_text("", encoding="utf-8")
    (complaint,) = out_of_order(write(made_up, "methods/one.py", "from bench.baselines.one import One"))
    assert complaint.endswith("methods may not import baselines")


def test_only_the_version_is_imported_from_bench_itself(made_up: Path) -> None:
    assert out_of_order(write(made_up, "bench/runs/store.py", "from bench import __version__")) == []
    arrows = write(made_up, "bench/runs/store.py", "from bench import load_domain")
    assert len(out_of_order(arrows)) == len(from_re_exports(arrows, modules_in(made_up))) == 1


def test_a_package_without_a_place_is_found(made_up: Path) -> None:
    (made_up / "bench/tools").mkdir()
    write(made_up, "bench/tools/one.py", "")
    write(made_up, "bench/helpers.py", "")
    assert unplaced(modules_in(made_up)) == {"tools", "helpers"}


@pytest.mark.parametrize(
    ("text", "name"), [("from bench.files import read_json", "read_json"), ("import bench.lm", "")]
)
def test_an_import_from_a_package_is_found(made_up: Path, text: str, name: str) -> None:
    (complaint,) = from_re_exports(write(made_up, "bench/runs/store.py", text), modules_in(made_up))
    assert complaint.startswith(f"bench/runs/store.py:1: import '{name}'")


def test_the_module_of_a_package_is_no_name_of_it(made_up: Path) -> None:
    arrows = write(made_up, "bench/runs/store.py", "from bench.lm.toys import tiny")
    assert [arrow.target for arrow in arrows] == ["bench.lm.toys.tiny"]
    assert from_re_exports(arrows, modules_in(made_up)) == []


def test_a_circle_counts_only_if_it_closes_at_import(made_up: Path) -> None:
    write(made_up, "bench/runs/store.py", "def save():\n    import bench.runs.engine")
    assert circle(write(made_up, "bench/runs/engine.py", "import bench.runs.store")) == []
    write(made_up, "bench/runs/store.py", "if TYPE_CHECKING:\n    import bench.runs.engine")
    assert circle(arrows_in(made_up)) == []
    write(made_up, "bench/runs/store.py", "if TYPE_CHECKING:\n    import json\nelse:\n    import bench.runs.engine")
    assert set(circle(arrows_in(made_up))) == {"bench.runs.engine", "bench.runs.store"}
