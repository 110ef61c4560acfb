"""Types of options that name directories and output files: ``~`` is the home directory, an empty name is a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import platformdirs

from bench.errors import BenchError


class DirectoryPath(click.Path):
    """A directory that is read or written; it need not exist."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path with ``~`` expanded."""
        if not str(value):
            self.fail("An empty name is no directory; '.' is the current one.", param, ctx)
        return super().convert(expanded(value), param, ctx)


class OutputPath(click.Path):
    """A file that is written; ``-`` is standard output."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path with ``~`` expanded."""
        if not str(value):
            self.fail("An empty name is no file; '-' is standard output.", param, ctx)
        return super().convert(expanded(value), param, ctx)


def expanded(value: Any) -> Path:
    """Return a path with ``~`` expanded; raise BenchError where no home directory is known."""
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise BenchError(f"'{value}' cannot be found: no home directory is known. Write the path in full.") from error


def default_cache_dir() -> Path:
    """Return the platform's cache directory; raise BenchError where no home directory is known."""
    path = platformdirs.user_cache_path("bench")
    if not path.is_absolute():
        raise BenchError("No home directory is known for the cache: give --cache-dir or set BENCH_CACHE.")
    return path
