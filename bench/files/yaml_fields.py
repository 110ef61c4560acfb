"""Read YAML files strictly; errors name the file, line and key, what was expected, and similar names."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from bench.errors import BenchError, did_you_mean
from bench.files.yaml_structure import check_structure, is_one_line, key_given_twice

Keys = tuple[str | int, ...]
"""Position of a value in a document: keys of mappings and indices of list entries, from the outside in."""


@dataclass(frozen=True)
class Document:
    """A YAML file with the positions of its values."""

    path: Path
    root: yaml.Node | None
    content: Any

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file; raise BenchError if it is not YAML or contains a key twice, which YAML allows."""
        try:
            text = path.read_text(encoding="utf-8")
            check_structure(yaml.parse(text, _loader()))
            loader = _loader()(text)
            root = loader.get_single_node()
            content = None if root is None else loader.construct_document(root)
        except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
            raise _unreadable(path, error) from error
        twice = None if root is None else key_given_twice(root)
        if twice is not None:
            raise BenchError(f"{path}:{twice.start_mark.line + 1}: key '{twice.value}' occurs twice.")
        return cls(path, root, content)

    def at(self, keys: Keys) -> str:
        """Return the position of a value as ``file:line``; if it is missing, that of the nearest enclosing value."""
        node, line = self.root, 1
        for key in keys:
            pair = _inside(node, key)
            if pair is None:
                break
            line, node = pair
        return f"{self.path}:{line}"


def is_yaml_file(name: str) -> bool:
    """Whether a name is the path of an existing YAML file."""
    return name.endswith((".yaml", ".yml")) and Path(name).is_file()


def _unreadable(path: Path, error: Exception) -> BenchError:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        problem = " ".join(filter(None, (error.context, error.problem)))
        return BenchError(f"Cannot read {path}:{error.problem_mark.line + 1}: {problem}.")
    return BenchError(f"Cannot read {path}: {' '.join(str(error).split())}")


def _loader() -> type[yaml.SafeLoader]:
    """Return libyaml's loader if it is installed, which is eight times as fast and reports the same lines."""
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return loader


def _inside(node: yaml.Node | None, key: str | int) -> tuple[int, yaml.Node] | None:
    """Return the line and the node of an entry, or None if there is none."""
    if isinstance(node, yaml.MappingNode):
        found = [(name.start_mark.line + 1, value) for name, value in node.value if name.value == str(key)]
        return found[0] if found else None
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


class Fields:
    """The values of one mapping in a document, which are checked when read."""

    def __init__(self, document: Document, keys: Keys, place: str, values: Mapping[str, Any]) -> None:
        self.document = document
        self.keys = keys
        self.place = place
        self.values = values

    @classmethod
    def of(
        cls,
        document: Document,
        keys: Keys,
        place: str,
        content: Any,
        known: Collection[str],
        required: Collection[str] = (),
    ) -> Fields:
        """Check that a value is a mapping with known keys and all required ones; ``place`` describes it in errors."""
        if not isinstance(content, dict):
            kind = "empty" if content is None else type(content).__name__
            raise BenchError(f"{document.at(keys)}: {place} is {kind}, expected a mapping with {', '.join(known)}.")
        for key in content:
            if key not in known:
                hint = did_you_mean(key, known) or f" Known keys: {', '.join(known)}."
                raise BenchError(f"{document.at((*keys, key))}: unknown key '{key}' in {place}.{hint}")
        for key in required:
            if key not in content:
                raise BenchError(f"{document.at(keys)}: key '{key}' is missing in {place}.")
        return cls(document, keys, place, content)

    def wrong(self, key: str, expected: str, hint: str = "") -> BenchError:
        """Return the error for a value that differs from what was expected."""
        place = self.document.at((*self.keys, key))
        return BenchError(f"{place}: '{key}' of {self.place} is {self.values.get(key)!r}, expected {expected}.{hint}")

    def inner(self, key: str, known: Collection[str], required: Collection[str] = ()) -> Fields:
        """Return the mapping under a key; empty if there is none."""
        return Fields.of(self.document, (*self.keys, key), f"'{key}'", self.values.get(key, {}), known, required)

    def open(self, key: str) -> Fields:
        """Return the mapping under a key, with any names; empty if there is none."""
        return Fields(self.document, (*self.keys, key), f"'{key}'", self.mapping(key))

    def named(self, key: str, place: str, known: Collection[str], required: Collection[str] = ()) -> dict[str, Fields]:
        """Return the mappings inside the mapping under a key, by name; ``place`` describes each of them."""
        keys = (*self.keys, key)
        return {
            name: Fields.of(
                self.document, (*keys, name), f"{place} '{name}'", {} if content is None else content, known, required
            )
            for name, content in self.mapping(key).items()
        }

    def rows(self, key: str, place: str, known: Collection[str], required: Collection[str] = ()) -> list[Fields]:
        """Return the mappings in the list under a key, if there is one; ``place`` describes each of them."""
        keys = (*self.keys, key)
        return [
            Fields.of(self.document, (*keys, number), f"{place} {number + 1}", content, known, required)
            for number, content in enumerate(self.items(key) if self.has(key) else [])
        ]

    def has(self, key: str) -> bool:
        """Return whether a key is given."""
        return key in self.values

    def text(self, key: str, default: str | None = None, *, is_long: bool = False) -> str:
        """Return a non-empty text, or the default if there is none; a single line unless ``is_long``."""
        if default is not None and not self.has(key):
            return default
        value = self.values.get(key)
        text = str(self.checked(key, value, isinstance(value, str) and bool(value), "some text"))
        return str(self.checked(key, text, is_long or is_one_line(text), "some text in one line"))

    def name_of_file(self, key: str = "name") -> str:
        """Return the document's name, which must be that of the file."""
        name, stem = self.text(key), self.document.path.stem
        return str(self.checked(key, name, name == stem, f"the file's name, '{stem}'"))

    def flag(self, key: str) -> bool:
        """Return a boolean, false if there is none."""
        value = self.values.get(key, False)
        return bool(self.checked(key, value, isinstance(value, bool), "true or false"))

    def count(self, key: str) -> int:
        """Return a whole number above 0."""
        value = self.values.get(key)
        return int(self.checked(key, value, _is_whole(value) and value > 0, "a whole number above 0"))

    def number(self, key: str) -> float:
        """Return a number."""
        value = self.values.get(key)
        return float(self.checked(key, value, _is_number(value), "a number"))

    def share(self, key: str, default: float) -> float:
        """Return a number between 0 and 1, both excluded."""
        value = self.values.get(key, default)
        is_share = _is_number(value) and (value == default or 0 < value < 1)
        return float(self.checked(key, value, is_share, "a number between 0 and 1"))

    def mapping(self, key: str) -> dict[str, Any]:
        """Return the mapping under a key; empty if there is none."""
        value = self.values.get(key, {})
        is_named = isinstance(value, dict) and all(isinstance(name, str) and is_one_line(name) for name in value)
        return dict(self.checked(key, value, is_named, "a mapping from names to values"))

    def parameters(self, key: str) -> dict[str, Any]:
        """Return the mapping from names to single-line texts, numbers, booleans, nulls or lists of these."""
        value = self.mapping(key)
        are_plain = all(map(_is_plain, value.values()))
        return dict(self.checked(key, value, are_plain, "a mapping from names to numbers, texts of one line or lists"))

    def texts(self, key: str) -> dict[str, str]:
        """Return the mapping from names to texts under a key; empty if there is none."""
        value = self.mapping(key)
        are_texts = all(isinstance(text, str) and text and is_one_line(text) for text in value.values())
        return dict(self.checked(key, value, are_texts, "a mapping from names to texts"))

    def items(self, key: str) -> list[Any]:
        """Return a list with at least one entry."""
        value = self.values.get(key)
        return list(self.checked(key, value, isinstance(value, list) and bool(value), "a list with at least one entry"))

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of names; empty if there is none."""
        value = self.values.get(key, [])
        are_names = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
        are_names = are_names and all(map(is_one_line, value))
        return tuple(self.checked(key, value, are_names, "a list of names"))

    def seeds(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Return distinct whole numbers; a single number counts as a list of one."""
        value = self.values.get(key, list(default))
        seeds = value if isinstance(value, list) else [value]
        are_seeds = bool(seeds) and all(map(_is_whole, seeds))
        self.checked(key, value, are_seeds and len(set(seeds)) == len(seeds), "different whole numbers")
        return tuple(seeds)

    def choices(self, key: str, known: Collection[Any]) -> tuple[Any, ...]:
        """Return a list of distinct known values."""
        return self.each(key, lambda value: value in known, f"a list of {' or '.join(known)}", known)

    def choice(self, key: str, known: Collection[Any], default: Any = None) -> Any:
        """Return one of the known values, or the default if there is none."""
        if not self.has(key):
            return default
        value = self.values[key]
        return self.checked(key, value, value in tuple(known), " or ".join(known), known)

    def checked(self, key: str, value: Any, is_right: bool, expected: str, known: Collection[str] = ()) -> Any:
        """Return the value if it is right, otherwise raise BenchError with similar ``known`` names."""
        if not is_right:
            raise self.wrong(key, expected, did_you_mean(value, known) if isinstance(value, str) else "")
        return value

    def each(
        self, key: str, accepts: Callable[[str], bool], expected: str, known: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Return a list of distinct texts that are all accepted; ``expected`` describes them in the error."""
        values = self.items(key)
        wrong = [value for value in values if not (isinstance(value, str) and accepts(value))]
        if wrong:
            raise self.wrong(key, expected, did_you_mean(wrong[0], known))
        return tuple(self.checked(key, values, len(set(values)) == len(values), f"{expected}, each once"))


def _is_plain(value: Any) -> bool:
    """Whether a value can be given on the command line and stored in a record; a date, for example, cannot."""
    if isinstance(value, list):
        return all(_is_plain(one) and not isinstance(one, list) for one in value)
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and is_one_line(value))


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (isinstance(value, float) and math.isfinite(value)) or _is_whole(value)
