"""The registry: names of recommenders and their classes, without importing them.

A recommender is registered by a decorator whose arguments are literals::

    @register("bpr", family="general", paper="Rendle et al. 2009")
    class BPR(Recommender): ...

The source files of ``bench.baselines`` and ``bench.methods`` are parsed for such decorators, so listing the methods
does not import torch. Other packages add methods by the entry-point group ``bench.plugins`` (name -> ``module:Class``).
A class defined in a notebook or script is known by its name in that process.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import BenchError, canonical_name, unknown_name
from bench.plugin import Entry, Family, Recommender, RunsOn, WrappingRecommender
from bench.spec import EXTERNAL, SETTINGS

PACKAGES = ("bench.baselines", "bench.methods")
ENTRY_POINT_GROUP = "bench.plugins"
WRAPPER_SEPARATOR = ":"

AnyRecommender = TypeVar("AnyRecommender", bound=type[Recommender])


def register(  # noqa: PLR0913  # one keyword per field of an entry
    name: str,
    *,
    family: Family,
    title: str = "",
    paper: str = "",
    needs_titles: bool = False,
    needs_sources: bool = False,
    runs_on: RunsOn = "none",
    writes_lists: bool = False,
    settings: tuple[str, ...] = SETTINGS,
    cold_rule: str = "",
    wraps: bool = False,
    transductive: bool = False,
    privileged: bool = False,
    ranks_catalogue: bool = False,
    extras: tuple[str, ...] = (),
) -> Callable[[AnyRecommender], AnyRecommender]:
    """Register a class as the recommender ``name``; see :class:`Entry` for the arguments."""
    facts = {key: value for key, value in locals().items() if key != "name"}

    def mark(recommender: AnyRecommender) -> AnyRecommender:
        target = f"{recommender.__module__}:{recommender.__qualname__}"
        recommender.entry = Entry(name=name, target=target, **facts)
        if not target.startswith(PACKAGES):
            defined_here()[name] = recommender
        return recommender

    return mark


@dataclass(frozen=True)
class Registry:
    """The known recommenders, and the plugins that could not be loaded, with the reason."""

    entries: Mapping[str, Entry]
    broken: Mapping[str, str]
    defined: Mapping[str, type[Recommender]] = field(default_factory=dict)
    """Classes that were registered in this process and that no other process could find by name."""

    def named(self, name: str) -> str:
        """Return a method's name as it is registered, if ``name`` is that name in another case; else ``name``."""
        known = {*self.entries, *self.defined}
        if name in known:
            return name
        given, separator, suffix = name.partition(WRAPPER_SEPARATOR)
        wrapper = canonical_name(given, known)
        if not suffix or wrapper not in self.entries or not self.entries[wrapper].wraps:
            return f"{wrapper}{separator}{suffix}"
        try:
            recommender = load(self.entries[wrapper].target)
        except ModuleNotFoundError:  # an extra is missing, which is reported when the recommender is needed
            return f"{wrapper}{separator}{suffix}"
        if issubclass(recommender, WrappingRecommender):
            suffix = recommender.named(suffix)
        return f"{wrapper}{separator}{suffix}"

    def entry(self, name: str) -> Entry:
        """Return the entry of a name or of the wrapper before ``:``; raise BenchError with similar names."""
        if name.startswith(EXTERNAL):
            raise BenchError(
                f"'{name}' has scores of another program, which bench cannot run: import them with "
                f"'bench import-scores FILE --method {name.removeprefix(EXTERNAL)}'."
            )
        name = self.named(name)
        wrapper = name.partition(WRAPPER_SEPARATOR)[0]
        self._check_own(name)
        if name in self.entries and not self.entries[name].wraps:
            return self.entries[name]
        if WRAPPER_SEPARATOR in name and wrapper in self.entries and self.entries[wrapper].wraps:
            return self.entries[wrapper]
        if name in self.broken:
            raise BenchError(f"Method '{name}' cannot be loaded: {self.broken[name]}. See 'bench list methods'.")
        if name in self.entries:
            raise BenchError(
                f"Method '{name}' needs a class name, such as '{name}:SASRec'. See 'bench describe {name}'."
            )
        if name in self.defined:
            return self.defined[name].entry
        raise unknown_name("method", name, [*self.entries, *self.defined], "bench list methods")

    def recommender(self, name: str) -> type[Recommender]:
        """Import and return the class of the given name; for a wrapper, create the class for its suffix.

        Raises:
            BenchError: there is no such method, or its module cannot be imported because an extra is missing.
        """
        name = self.named(name)
        entry = self.entry(name)
        if name in self.defined and self.defined[name].entry is entry:
            return self.defined[name]
        try:
            recommender = load(entry.target)
        except ModuleNotFoundError:
            entry.require_installed()
            raise
        suffix = name.partition(WRAPPER_SEPARATOR)[2]
        return recommender.wrapping(suffix) if issubclass(recommender, WrappingRecommender) else recommender

    def _check_own(self, name: str) -> None:
        """Raise BenchError if a class defined in a notebook has the name of an installed method."""
        if name in self.entries and name in self.defined and self.defined[name].__module__ == "__main__":
            raise BenchError(
                f"The name '{name}' is taken by {self.entries[name].target}; register your method under another name."
            )


@cache
def defined_here() -> dict[str, type[Recommender]]:
    """Return the classes outside :data:`PACKAGES` registered in this process; of one name, the latest."""
    return {}


@cache
def registry() -> Registry:
    """Return all recommenders: those of this installation, of other packages, and those defined in this process."""
    own = _by_name(entry for package in PACKAGES for entry in scan_package(package))
    foreign, broken = _foreign_entries(own)
    return Registry({**own, **foreign}, broken, defined_here())


def load(target: str) -> type[Recommender]:
    """Import ``module:Class``."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]


def scan_package(package: str) -> list[Entry]:
    """Return the entries of all ``@register`` decorators in a package's source files."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    files = sorted(path for folder in spec.submodule_search_locations for path in Path(folder).glob("*.py"))
    return [
        entry for path in files for entry in scan_source(path.read_text(encoding="utf-8"), f"{package}.{path.stem}")
    ]


def scan_source(source: str, module: str) -> list[Entry]:
    """Return the entries of all classes decorated with ``@register(...)`` in a source file."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    calls = [(node, decorator) for node in classes for decorator in node.decorator_list if _is_register(decorator)]
    return [_entry_of(call, f"{module}:{node.name}") for node, call in calls if isinstance(call, ast.Call)]


def _is_register(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == register.__name__
    )


def _entry_of(call: ast.Call, target: str) -> Entry:
    facts: dict[str, Any] = {
        keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg is not None
    }
    return Entry(name=ast.literal_eval(call.args[0]), target=target, **facts)


def _foreign_entries(own: Mapping[str, Entry]) -> tuple[dict[str, Entry], dict[str, str]]:
    """Return the entries of other packages by name, and for each plugin that cannot be loaded the reason."""
    found: dict[str, Entry] = {}
    broken: dict[str, str] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            with redirect_stdout(sys.stderr):  # plugins may print, and standard output is for results
                entry = _own_entry(point.load())
        except (Exception, SystemExit) as error:  # a plugin may fail in any way and must not affect the others
            broken[point.name] = f"{type(error).__name__}: {error}"
            continue
        taken = own.get(entry.name) or found.get(entry.name)
        if taken:
            broken[point.name] = f"the name is taken by {taken.target}"
        else:
            found[entry.name] = entry
    return found, broken


def _own_entry(recommender: type[Recommender]) -> Entry:
    """Return the entry of the class itself, not an inherited one."""
    entry = vars(recommender).get("entry")
    if not isinstance(entry, Entry):
        raise TypeError(f"{recommender.__qualname__} is not decorated with @register")
    return entry


def _by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    named: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in named:
            raise BenchError(f"Two methods are named '{entry.name}': {named[entry.name].target} and {entry.target}.")
        named[entry.name] = entry
    return named
