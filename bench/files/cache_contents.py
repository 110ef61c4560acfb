"""What a cache directory contains: artifacts, unfinished trainings, downloads and leftovers, with their sizes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.files.lease import Lease
from bench.files.store import KEY, LEASE, MADE, read_json
from bench.files.temporary import is_left_behind, remove, sync_names, temporary_path

UNFINISHED, DOWNLOADS = "unfinished", "downloads"
SECONDS_PER_DAY = 24 * 3600


@dataclass(frozen=True)
class Item:
    """A file or directory in a cache."""

    path: Path
    kind: str
    """Kind of an artifact, such as ``adapters``, or of what an unfinished training makes; empty for others."""

    @cached_property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(self.path))

    @cached_property
    def changed(self) -> float:
        """Time of the last change of a file, in seconds since the epoch."""
        times = [entry.stat(follow_symlinks=False).st_mtime for entry in _files(self.path)]
        return max(times) if times else self.path.lstat().st_mtime

    @property
    def age_days(self) -> float:
        """Days since the last change."""
        return max(0.0, time.time() - self.changed) / SECONDS_PER_DAY

    @property
    def key(self) -> Any:
        """The key of an artifact: everything that determines it; None if it cannot be read."""
        try:
            return read_json(self.path / MADE)[KEY]
        except (OSError, ValueError, LookupError, TypeError):
            return None


@dataclass(frozen=True)
class CacheContents:
    """The contents of a cache directory."""

    root: Path

    def artifacts(self) -> list[Item]:
        """Return the finished artifacts, ordered by kind and name."""
        folders = (path.parent for path in sorted(self.root.glob(f"*/*/{MADE}")))
        return [Item(folder, folder.parent.name) for folder in folders if not folder.name.startswith(".")]

    def unfinished(self) -> list[Item]:
        """Return the directories with checkpoints of trainings that were not finished."""
        return [Item(path, path.parent.name) for path in sorted(self.root.glob(f"{UNFINISHED}/*/[!.]*"))]

    def downloads(self) -> list[Item]:
        """Return the downloaded source files, one directory per dataset."""
        return [Item(path, DOWNLOADS) for path in sorted(self.root.glob(f"{DOWNLOADS}/[!.]*"))]

    def leftovers(self) -> list[Item]:
        """Return the temporary files of processes that have ended."""
        return leftovers_in(self.root, depth=3)

    def is_in_use(self, item: Item) -> bool:
        """Whether a process is making or continuing an artifact."""
        return self._lease(item).is_held()

    def remove(self, item: Item) -> bool:
        """Remove an artifact or an unfinished training as a whole; return False if a process is making it.

        The directory is renamed first, so that no other process finds a part of it.
        """
        lease = self._lease(item)
        if not lease.take():
            return False
        try:
            if item.path.exists() and item.path != lease.path.parent:
                temporary = temporary_path(item.path)
                item.path.rename(temporary)
                sync_names(item.path.parent)
                shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(lease.path.parent, ignore_errors=True)
        finally:
            lease.release()
        return True

    def _lease(self, item: Item) -> Lease:
        return Lease(self.root / UNFINISHED / item.kind / item.path.name / LEASE)


def leftovers_in(root: Path, depth: int) -> list[Item]:
    """Return the temporary files of ended processes in a directory and in those up to ``depth`` levels below it."""
    found: list[Item] = []
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return found
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            found += [Item(path, "")] if is_left_behind(path) else []
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            found += leftovers_in(path, depth - 1)
    return found


def remove_leftover(item: Item) -> None:
    """Remove a temporary file or directory."""
    remove(item.path)


def in_bytes(size: float) -> str:
    """Return a size for people, such as ``14 MB``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _files(path: Path) -> Iterator[os.DirEntry[str]]:
    if not path.is_dir() or path.is_symlink():
        yield from (entry for entry in os.scandir(path.parent) if entry.name == path.name)
        return
    for entry in os.scandir(path):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield entry
