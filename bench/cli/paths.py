"""Option types for directories and files: ``~`` is the home directory, and empty names are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.files.folders import expanded


class DirectoryPath(click.Path):
    """A directory that is read or written; it need not exist."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path with ``~`` expanded."""
        if not str(value):
            self.fail("An empty name is not a directory; '.' is the current one.", param, ctx)
        return super().convert(expanded(value), param, ctx)


class LogPath(click.Path):
    """A file that lines are appended to."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path with ``~`` expanded."""
        if not str(value):
            self.fail("An empty name is not a file.", param, ctx)
        return super().convert(expanded(value), param, ctx)


class OutputPath(click.Path):
    """A file that is written; ``-`` is standard output."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path with ``~`` expanded."""
        if not str(value):
            self.fail("An empty name is not a file; '-' is standard output.", param, ctx)
        return super().convert(expanded(value), param, ctx)


class InputPath(click.Path):
    """A file that is read."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path with ``~`` expanded."""
        if not str(value):
            self.fail("An empty name is not a file.", param, ctx)
        return super().convert(expanded(value), param, ctx)
