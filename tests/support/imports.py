"""Find which modules of the project import each other, read from the source without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

FOLDERS = {"bench": "bench", "baselines": "bench.baselines", "methods": "bench.methods"}
"""Folder of the repository -> its package."""

ORDER = (
    ("errors",),
    ("progress",),
    ("metrics",),
    ("files",),
    ("spec",),
    ("data",),
    ("plugin",),
    ("registry",),
    ("protocol",),
    ("significance",),
    ("learning",),
    ("lm",),
    ("baselines", "methods"),
    ("runs",),
    ("papers",),
    ("experiments",),
    ("diagnose", "contract", "templates"),
    ("report",),
    ("api",),
    ("cli",),
)
"""Each may import those before it, but not its neighbors on the same line. The page "Architecture" describes their
purpose."""


@dataclass(frozen=True)
class Arrow:
    """One module imports another, or a name from a package."""

    module: str
    target: str
    """The imported module, or the package if a name is imported from its ``__init__.py``."""
    name: str
    """The name imported from the target; empty if the target itself is imported."""
    place: str
    """File and line."""
    at_import: bool
    """Whether it runs when the module is imported: not in a function and not only for type checkers."""


def modules_in(root: Path) -> dict[str, Path]:
    """Return the file of every module of a checkout, packages included, by module name."""
    return {
        ".".join([package, *_parts(path.relative_to(root / folder))]): path
        for folder, package in FOLDERS.items()
        for path in sorted((root / folder).rglob("*.py"))
    }


def arrows_in(root: Path) -> list[Arrow]:
    """Return every import of a project module by another, including those inside functions.

    Imports by name at run time (``importlib.import_module``) are not detected.
    """
    modules = modules_in(root)
    return [arrow for module, path in modules.items() for arrow in _arrows_of(module, path, root, modules)]


def package_of(module: str) -> str:
    """Return the part of the project that a module belongs to: ``data`` for ``bench.data.card``; may be empty."""
    return [*module.split("."), ""][1]


def _parts(path: Path) -> tuple[str, ...]:
    return path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts


def _arrows_of(module: str, path: Path, root: Path, modules: Mapping[str, Path]) -> Iterator[Arrow]:
    around = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node, at_import in _imports(ast.parse(path.read_text(encoding="utf-8")), at_import=True):
        for target, name in _targets(node, around):
            if target.partition(".")[0] == "bench":
                is_module = f"{target}.{name}" in modules
                found = (f"{target}.{name}", "") if is_module else (target, name)
                yield Arrow(module, *found, f"{path.relative_to(root)}:{node.lineno}", at_import)


def _targets(node: ast.Import | ast.ImportFrom, around: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    else:
        target = resolve_name("." * node.level + (node.module or ""), around)
        yield from ((target, alias.name) for alias in node.names)


def _imports(node: ast.AST, at_import: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, at_import
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        yield from (found for inner in node.body for found in _imports(inner, at_import=False))
        yield from (found for inner in node.orelse for found in _imports(inner, at_import))
    else:
        runs_now = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from (found for inner in ast.iter_child_nodes(node) for found in _imports(inner, runs_now))
