"""Manage temporary files and folders next to their target: flush them to disk and remove those left behind.

The name contains the process that writes there. What a killed process left behind is removed by the next process that
writes in the same place; files of running processes are kept.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from bench.files.owner import Owner

OWNED = re.compile(r"\.(?P<target>.+)\.(?P<owner>\d+-[0-9a-f]{8})\.[0-9a-f]{8}(\.[^.]+)?")
OLDER = re.compile(r"\.(?P<target>[0-9a-f]{16})\.[a-z0-9_]{8}(\.earlier)?")
"""Names that older versions used for unfinished artifacts and runs."""
FORGOTTEN_SECONDS = 7 * 24 * 3600
"""Time without a change after which files of other machines' processes count as left behind."""


def temporary_path(path: Path) -> Path:
    """Return a new hidden name next to ``path``, with its suffix."""
    return path.with_name(f".{path.name}.{Owner.this_process()}.{secrets.token_hex(4)}{path.suffix}")


def sweep(folder: Path, target: str | None = None) -> None:
    """Remove unfinished files that ended processes left in a folder, for one target or for all.

    Safe while other processes are running, on this machine and on others.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(".") and is_left_behind(Path(entry.path), target):
                remove(Path(entry.path))


def synced(path: Path) -> None:
    """Flush a file, or a folder with all its contents, to disk."""
    if path.is_dir():
        for inner in path.iterdir():
            synced(inner)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_names(folder: Path) -> None:
    """Flush the names in a folder to disk, if its file system supports that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_left_behind(path: Path, target: str | None = None) -> bool:
    """Whether a path is an unfinished file of a process that has ended, for one target or for any."""
    owned = OWNED.fullmatch(path.name)
    found = owned or OLDER.fullmatch(path.name)
    if found is None or (target is not None and found["target"] != target):
        return False
    owner = Owner.parse(owned["owner"]) if owned else None
    if owner is not None and owner.is_here:
        return owner.is_gone
    return time.time() - path.lstat().st_mtime > FORGOTTEN_SECONDS


def remove(path: Path) -> None:
    """Remove a file, or a folder with all its contents."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
