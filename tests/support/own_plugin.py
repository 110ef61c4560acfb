"""A user's plugin whose files are edited between sessions."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import bench.registry
from bench.files import revisions

METHOD = '''
"""A method of one's own."""
import numpy as np

from own_plugin_package.helping import sign
from bench.plugin import Recommender
from bench.registry import register


@register("own", family="general")
class Own(Recommender):
    """Ranks by popularity."""

    def fit(self, task):
        self.counts = task.target.item_counts()  # of the training part

    def score(self, queries):
        return sign() * self.counts[queries.candidates].astype(float)
'''
HELPING = '''
def sign():
    """Which way to rank."""
    return 1
'''
CACHES = (
    revisions.revision_of,
    revisions.syntax_hash,
    revisions._imported,
    revisions._file_of,
    revisions._folder_of,
    revisions._manifest,
    bench.registry.registry,
)


class OwnPlugin:
    """The files of an installed plugin ``own_plugin_package`` with one method, ``own``."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "own_plugin_package"
        self.folder.mkdir()
        (self.folder / "__init__.py").touch()
        self.write(method=METHOD, helping=HELPING)

    def write(self, **files: str) -> None:
        """Write modules and start a new session."""
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text, encoding="utf-8")
        new_session()

    def edit(self, module: str, before: str, after: str) -> None:
        """Replace a text in a module and start a new session."""
        text = (self.folder / f"{module}.py").read_text(encoding="utf-8")
        assert before in text
        self.write(**{module: text.replace(before, after)})


def new_session() -> None:
    """Clear the code that a process caches, as in a new process."""
    for cached in CACHES:
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_plugin_package"]:
        del sys.modules[name]
    importlib.invalidate_caches()


@contextmanager
def own_plugin(root: Path) -> Iterator[OwnPlugin]:
    """Install the plugin for the block."""
    load: Callable[[], object] = lambda: importlib.import_module("own_plugin_package.method").Own  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        patch.setattr(sys, "dont_write_bytecode", True)  # an edit within a second would not be noticed
        patch.setattr(bench.registry, "entry_points", lambda group: [SimpleNamespace(name="own", load=load)])
        yield OwnPlugin(root)
    new_session()
