"""Creates the files of a new baseline from its name: file names, places and contents."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bench.errors import BenchError
from bench.files.store import require_new, write_text
from bench.registry import registry

TEMPLATES = Path(__file__).parent
ROOM = "bench.baselines"
FOLDER = "baselines"
"""Directory of that package in a checkout."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
EXAMPLE = "my-method"
PROJECT_FILE = "pyproject.toml"
IMPORTED = ("NDArray", "Queries", "Recommender", "Task")
"""Classes that the template imports; the new class cannot have one of these names."""


@dataclass(frozen=True)
class Names:
    """The names of a baseline."""

    name: str
    """On the command line: ``my-method``."""

    @property
    def module(self) -> str:
        """Return the module's name: ``my_method``."""
        return self.name.replace("-", "_")

    @property
    def class_name(self) -> str:
        """Return the class's name: ``MyMethod``."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def entry_point(self) -> str:
        """Return the line of the entry-point group."""
        return f'{self.name} = "{self.module}:{self.class_name}"'


@dataclass(frozen=True)
class Place:
    """Where the files go."""

    root: Path
    is_checkout: bool
    """Whether it is the checkout that this installation runs from, rather than the user's own project."""
    trains: bool = False
    """Whether the baseline is one that trains."""

    def files(self, names: Names) -> dict[Path, str]:
        """Return every file's path and the name of its template."""
        if self.is_checkout:
            source, test = self.root / FOLDER, self.root / "tests" / FOLDER
        else:
            source, test = self.root, self.root / "tests"
        template = "baseline_trained" if self.trains else "baseline"
        files = {
            source / f"{names.module}.py": f"{template}.py.txt",
            test / f"test_{names.module}.py": f"test_{template}.py.txt",
        }
        if not self.is_checkout and not self.has_project_file:
            files[self.root / PROJECT_FILE] = "pyproject.toml.txt"
        return files

    @property
    def has_project_file(self) -> bool:
        """Return whether the user's project already exists."""
        return (self.root / PROJECT_FILE).exists()


def baseline_names(name: str) -> Names:
    """Return the names of a new baseline.

    Raises:
        BenchError: the name cannot be one, or is taken.
    """
    names = Names(name)
    if not NAME.fullmatch(name):
        near = "-".join(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()))
        example = near if NAME.fullmatch(near) else EXAMPLE
        raise BenchError(
            f"'{name}' is not a valid method name: use lower-case words and digits joined by hyphens, such as "
            f"'{example}'."
        )
    known = registry()
    if name in known.entries or name in known.broken:
        raise BenchError(f"Method '{name}' already exists: choose another name. See 'bench describe {name}'.")
    if keyword.iskeyword(names.module) or names.module in sys.stdlib_module_names or names.class_name in IMPORTED:
        raise BenchError(
            f"'{name}' conflicts with a Python module or a name in the template: choose another name, such as "
            f"'{name}-method'."
        )
    return names


def baseline_place(directory: Path | None) -> Place:
    """Return where a new baseline goes: the user's directory, or the checkout that this installation runs from.

    Raises:
        BenchError: there is no checkout, and no directory was given.
    """
    found = importlib.util.find_spec(ROOM)
    folders = found.submodule_search_locations if found else None
    root = Path(next(iter(folders))).resolve().parent if folders else None
    is_checkout = root is not None and (root / "tests" / FOLDER).is_dir()
    if directory is not None:
        return Place(directory, is_checkout and directory.resolve() == root)
    if root is None or not is_checkout:
        raise BenchError("bench is not running from a source checkout; pass --directory FOLDER.")
    return Place(root, is_checkout=True)


def write_baseline(names: Names, place: Place) -> list[Path]:
    """Write a baseline's files and return their paths.

    Raises:
        BenchError: one of them exists already; nothing is written.
    """
    values = {"name": names.name, "module": names.module, "class_name": names.class_name}
    texts = {path: _filled(template, values) for path, template in place.files(names).items()}
    for path in texts:
        require_new(path)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
