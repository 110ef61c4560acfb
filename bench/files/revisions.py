"""Revisions of result-computing code: a number raised by hand, or a hash if the code differs from the shipped version.

A cached model or a stored run is valid only as long as the code that made it is unchanged. Hashing source text would
invalidate hours of training because of a comment, and a number alone is easily forgotten. So ``bench/revisions.json``
contains, for each module that computes results, the hash of its syntax tree without comments and docstrings, and for
each *root* (a method, the training of adapters, the drawing of candidates) its revision. If every module behind a root
has the recorded hash, the root's revision is the recorded number; otherwise the code is being changed, and the revision
is a hash of it.

After a change, ``python -m bench.files.revisions`` shows what differs. ``--raise ROOT`` declares that the root's
results differ from now on, and ``--confirm`` that those of all other roots are unchanged.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.files.hashing import HASH_LENGTH, content_hash
from bench.files.store import read_json, write_json

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

MANIFEST = Path(__file__).parents[1] / "revisions.json"
COMPUTING = (
    "bench.baselines",
    "bench.methods",
    "bench.learning",
    "bench.lm",
    "bench.protocol",
    "bench.metrics",
    "bench.data.domain",
    "bench.files.hashing",
)
"""Code that determines what a fit learns and how it ranks; a root's own package counts as well."""
UNDER_WORK = "under work "
"""Prefix of a revision that is not a number."""
UNKNOWN_SOURCE = UNDER_WORK + "without a source file"
"""Revision of code that cannot be read, such as a notebook cell, and is therefore never known to be unchanged."""

Revision = int | str


@cache
def revision_of(*roots: str) -> Revision:
    """Return 1 plus how often the roots were raised, or ``under work <hash>`` if code behind one differs.

    Roots are names of modules. Roots after the first that are not in the manifest count as never raised. A module
    outside this project, such as a plugin's, has no recorded hash.
    """
    behind = modules_behind(*roots)
    hashes = {module: syntax_hash(path) for module, path in behind.items()}
    manifest = _manifest()
    stated, revisions = manifest["modules"], manifest["revisions"]
    if any(root not in behind for root in roots):
        return UNKNOWN_SOURCE
    if roots[0] in revisions and all(stated.get(module) == found for module, found in hashes.items()):
        return 1 + sum(int(revisions.get(root, 1)) - 1 for root in roots)
    return UNDER_WORK + content_hash(hashes)


def modules_behind(*roots: str) -> dict[str, Path]:
    """Return the roots and every computing module that they import, directly or not, with their files, sorted."""
    followed = (*COMPUTING, *(_own_package(root) for root in roots))
    found: dict[str, Path] = {}
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        path = None if module in found else _file_of(module)
        if path is None:
            continue
        found[module] = path
        waiting += [name for name in _imported(module, path) if _is_inside(name, followed)]
    return dict(sorted(found.items()))


@cache
def syntax_hash(path: Path) -> str:
    """Return the hash of a file's syntax tree without comments, docstrings and positions, equal on all Pythons."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()[:HASH_LENGTH]


def _plain(node: Any) -> Any:
    """Return a syntax tree as nested tuples without empty fields, of which newer Python versions have more."""
    if isinstance(node, list):
        return tuple(_plain(one) for one in node if not _is_text(one))
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if name not in ("kind", "type_comment"))
    return type(node).__name__, tuple((name, value) for name, value in fields if value is not None and value != ())


def _is_text(statement: Any) -> bool:
    """Whether a statement is a string without effect: a docstring, or the text under a field."""
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_constant and isinstance(statement.value.value, str)


@cache
def _imported(module: str, path: Path) -> tuple[str, ...]:
    """Return the modules that a file imports, including imports inside functions."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _absolute(module, path, node)
            inner = [f"{package}.{alias.name}" for alias in node.names]
            # 'from package import module' refers to the module, not to everything that the package imports
            found |= dict.fromkeys(name if _is_near(name, module) and _file_of(name) else package for name in inner)
    return tuple(name for name in found if _is_near(name, module))


def _is_near(name: str, module: str) -> bool:
    """Whether a name is in this project or in the module's own package, so that it may be followed."""
    return name.partition(".")[0] in ("bench", module.partition(".")[0])


def _absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    """Return the module from which a statement imports, resolving relative imports."""
    parts = module.split(".")
    around = parts[: len(parts) - node.level + (path.name == "__init__.py")] if node.level else []
    return ".".join([*around, *filter(None, [node.module])])


@cache
def _file_of(module: str) -> Path | None:
    """Return a module's source file; None if there is no such module or no source."""
    package, _, name = module.rpartition(".")
    folder = _folder_of(module)
    if folder is not None:
        return folder / "__init__.py" if (folder / "__init__.py").is_file() else None
    around = _folder_of(package) if package else None
    if around is None:
        spec = None if package else _spec_of(module)
        origin = None if spec is None else spec.origin
        return Path(origin) if origin is not None and origin.endswith(".py") else None
    path = around / f"{name}.py"
    return path if path.is_file() else None


@cache
def _folder_of(package: str) -> Path | None:
    """Return the directory of a package; None if there is no such package."""
    around, _, name = package.rpartition(".")
    if around:
        folder = _folder_of(around)
        if folder is None or (folder / name).is_dir():
            return None if folder is None else folder / name
        if (folder / f"{name}.py").is_file():
            return None
    if around not in ("", "bench"):  # not all folders of 'bench' are inside it
        return None
    spec = _spec_of(package)
    places = [] if spec is None else spec.submodule_search_locations or []
    return Path(next(iter(places))) if places else None


def _spec_of(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ValueError:  # a module without a spec, such as __main__
        return None


def _own_package(root: str) -> str:
    """Return the package of a root: within this project one such as ``bench.data``, otherwise the top-level one."""
    parts = root.split(".")
    return ".".join(parts[: 2 if parts[0] == "bench" else 1])


def _is_inside(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


@cache
def _manifest() -> dict[str, Any]:
    return dict(read_json(MANIFEST))


def differing(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return each root behind which code differs from the manifest, with the differing modules."""
    found = {}
    for root in manifest["revisions"]:
        hashes = {module: syntax_hash(path) for module, path in modules_behind(root).items()}
        changed = [module for module, value in hashes.items() if manifest["modules"].get(module) != value]
        if changed:
            found[root] = changed
    return found


def restated(manifest: Mapping[str, Any], raised: Collection[str]) -> dict[str, Any]:
    """Return a manifest of the current code; the revisions of ``raised`` roots are increased by 1, new ones are 1."""
    revisions = {root: int(number) + (root in raised) for root, number in manifest["revisions"].items()}
    revisions |= {root: 1 for root in raised if root not in revisions}
    paths = {module: path for root in revisions for module, path in modules_behind(root).items()}
    return {
        "revisions": dict(sorted(revisions.items())),
        "modules": {module: syntax_hash(path) for module, path in sorted(paths.items())},
    }


def main(words: Sequence[str] | None = None) -> int:
    """Show or record differences; return 1 if differences remain unconfirmed."""
    parser = argparse.ArgumentParser(prog="python -m bench.files.revisions", description=__doc__.partition("\n")[0])
    parser.add_argument("--raise", dest="raised", action="append", default=[], metavar="ROOT")
    parser.add_argument("--confirm", action="store_true", help="the results of all other roots stay the same")
    chosen = parser.parse_args(words)
    manifest = _manifest()
    found = differing(manifest)
    for root, modules in found.items():
        print(f"{root}: {', '.join(modules)}")  # noqa: T201  # a command-line tool
    unsettled = set(found) - set(chosen.raised)
    if unsettled and not chosen.confirm:
        return 1
    write_json(MANIFEST, restated(manifest, chosen.raised))
    return 0


if __name__ == "__main__":
    sys.exit(main())
