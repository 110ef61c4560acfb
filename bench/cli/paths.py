"""Option types for directories and files: ``~`` is the home directory, and empty names are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import click

from bench.files.folders import expanded


class ExpandedPath(click.Path):
    """A path that has a name, with ``~`` expanded."""

    if_empty: ClassVar[str] = "An empty name is not a file."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path with ``~`` expanded."""
        if not str(value):
            self.fail(self.if_empty, param, ctx)
        return super().convert(expanded(value), param, ctx)


class DirectoryPath(ExpandedPath):
    """A directory that is read or written; it need not exist."""

    if_empty = "An empty name is not a directory; '.' is the current one."

    def __init__(self) -> None:
        super().__init__(path_type=Path)


class FilePath(ExpandedPath):
    """A file that is read, or to which lines are appended."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)


class OutputPath(ExpandedPath):
    """A file that is written; ``-`` is standard output."""

    if_empty = "An empty name is not a file; '-' is standard output."

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, allow_dash=True)
