"""Read the names of methods and their parameters from source files, for completion.

Importing a method may import torch, and the registry itself imports numpy, which takes longer than all of this.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGES = ("bench.baselines", "bench.methods")
PARAMS, RECIPES = "Params", "recipes"
RECIPE = "recipe"
"""Parameter that stands for those of one of the method's recipes."""
WRAPPER_SEPARATOR = ":"
REGISTERED = re.compile(r'^@register\(\s*"(?P<name>[^"]+)"(?P<facts>.*?)^class (?P<cls>\w+)', re.MULTILINE | re.DOTALL)
"""A class with the decorator that registers it, whose first argument is a literal."""


@dataclass(frozen=True)
class Method:
    """A method, as its decorator describes it."""

    name: str
    module: str
    cls: str
    wraps: bool


@cache
def methods() -> tuple[Method, ...]:
    """Return the methods of this installation, ordered by name."""
    found = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        folders = [] if spec is None else list(spec.submodule_search_locations or ())
        for path in (path for folder in folders for path in Path(folder).glob("*.py")):
            for match in REGISTERED.finditer(path.read_text(encoding="utf-8")):
                wraps = "wraps=True" in match["facts"]
                found.append(Method(match["name"], f"{package}.{path.stem}", match["cls"], wraps))
    return tuple(sorted(found, key=lambda method: method.name))


@dataclass(frozen=True)
class Source:
    """The source of a module."""

    module: str
    tree: ast.Module

    def local(self, name: str) -> ast.ClassDef | None:
        """Return the class that the module defines under a name."""
        return next((node for node in self.tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)

    def imported(self, name: str) -> tuple[str, str] | None:
        """Return the module and the name of what is imported under a name."""
        for node in ast.walk(self.tree):
            for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                if (alias.asname or alias.name) == name and isinstance(node, ast.ImportFrom) and not node.level:
                    return node.module or "", alias.name
        return None


Found = tuple[Source, ast.ClassDef]


def parameters_of(method: str) -> Mapping[str, tuple[str, ...]]:
    """Return parameter name -> its choices, empty for any value; no parameters for a method of another package."""
    name, _, suffix = method.lower().partition(WRAPPER_SEPARATOR)
    known = next((one for one in methods() if one.name == name), None)
    if known is None:
        return {}
    if known.wraps:
        return _wrapped(method.partition(WRAPPER_SEPARATOR)[2]) if suffix else {}
    found = _class(_source(known.module), ast.Name(known.cls))
    params = None if found is None else _attribute(found, PARAMS)
    if found is None or params is None:
        return {}
    recipes = _keys(found, RECIPES)
    return dict(_fields(params)) | ({RECIPE: recipes} if recipes else {})


def _wrapped(suffix: str) -> Mapping[str, tuple[str, ...]]:
    """Return the parameters of a RecBole model, which are read from RecBole's files as text."""
    import dataclasses

    from bench.baselines.recbole_models import zoo
    from bench.errors import BenchError, canonical_name

    try:
        params = zoo.params_class(canonical_name(suffix, zoo.model_modules()))
    except (BenchError, LookupError, OSError):
        return {}
    return {item.name: () for item in dataclasses.fields(params)}


@cache
def _source(module: str) -> Source | None:
    try:
        spec = importlib.util.find_spec(module)
        text = "" if spec is None or spec.origin is None else Path(spec.origin).read_text(encoding="utf-8")
    except (ImportError, OSError, ValueError):
        return None
    return Source(module, ast.parse(text))


def _class(source: Source | None, node: ast.expr) -> Found | None:
    """Return the class that an expression in a module stands for."""
    if source is None:
        return None
    if isinstance(node, ast.Attribute):
        outer = _class(source, node.value)
        return None if outer is None else _attribute(outer, node.attr)
    if not isinstance(node, ast.Name):
        return None
    own = source.local(node.id)
    if own is not None:
        return source, own
    place = source.imported(node.id)
    return None if place is None else _class(_source(place[0]), ast.Name(place[1]))


def _attribute(found: Found, name: str) -> Found | None:
    """Return the class that is an attribute of a class: defined in it, assigned to the name, or inherited."""
    source, owner = found
    for node in owner.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return source, node
        value = _assigned(node, name)
        if value is not None:
            return _class(source, value)
    for base in owner.bases:
        outer = _class(source, base)
        inherited = None if outer is None else _attribute(outer, name)
        if inherited is not None:
            return inherited
    return None


def _keys(found: Found, name: str) -> tuple[str, ...]:
    """Return the keys of a dict that a class or one of its bases defines as an attribute; empty if none does."""
    source, owner = found
    for node in owner.body:
        value = _assigned(node, name)
        if isinstance(value, ast.Dict):
            return tuple(str(ast.literal_eval(key)) for key in value.keys if key is not None)
    bases = [_class(source, base) for base in owner.bases]
    return next(filter(None, (_keys(base, name) for base in bases if base is not None)), ())


def _assigned(node: ast.stmt, name: str) -> ast.expr | None:
    """Return the value that a statement assigns to a name."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    is_assigned = any(isinstance(target, ast.Name) and target.id == name for target in targets)
    return node.value if is_assigned and isinstance(node, ast.Assign | ast.AnnAssign) else None


def _fields(found: Found) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the fields of a dataclass and of its bases, with the choices of those that have some."""
    source, owner = found
    for base in reversed(owner.bases):
        outer = _class(source, base)
        if outer is not None:
            yield from _fields(outer)
    for node in owner.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, _choices(source, node.annotation)


def _choices(source: Source, annotation: ast.expr) -> tuple[str, ...]:
    """Return the values that an annotation allows; empty for any value of a type."""
    if isinstance(annotation, ast.Name):
        if annotation.id == "bool":
            return "true", "false"
        own = next((value for node in source.tree.body if (value := _assigned(node, annotation.id)) is not None), None)
        if own is not None:
            return _choices(source, own)
        place = source.imported(annotation.id)
        other = None if place is None or not place[0].startswith("bench.") else _source(place[0])
        return () if other is None or place is None else _choices(other, ast.Name(place[1]))
    if not (isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal"):
        return ()
    values = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    return tuple(str(ast.literal_eval(value)) for value in values)
