"""Write outputs whose paths a user gave, without changing what kind of file is there.

A regular file is replaced atomically and keeps its mode, a symbolic link is followed, and anything else, such as a
device or a pipe, is written into. ``-`` is standard output.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.files.temporary import temporary_path

STANDARD_OUTPUT = Path("-")


@contextmanager
def written_output(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the suffix of ``path``; its content is moved there only if the block succeeds."""
    is_replaced = path != STANDARD_OUTPUT and (path.is_file() or not path.exists())
    # a link such as /dev/stdout may point to something without a path, so only links to files are followed here
    target = path.resolve() if is_replaced else path
    if is_replaced:
        target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name[:100]}.", suffix=path.suffix[-20:], dir=target.parent if is_replaced else None
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if is_replaced:
            temporary.chmod(_mode_of(target))
            temporary.replace(target)
        else:
            _copy(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_output(path: Path, text: str) -> None:
    """Write a text to an output given by the user."""
    with written_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def require_writable(folder: Path) -> None:
    """Raise OSError unless files can be written in a directory, or where it would be made; nothing is left there."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(existing))
    trial = temporary_path(existing / "writable")  # a name that is swept if this process is killed here
    try:
        trial.write_bytes(b"1")
    finally:
        trial.unlink(missing_ok=True)


def _mode_of(path: Path) -> int:
    """Return the permissions of a file, or the default ones for a new file."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)  # it cannot be read without setting it
    os.umask(mask)
    return 0o666 & ~mask


def _copy(source: Path, path: Path) -> None:
    if path == STANDARD_OUTPUT:
        sys.stdout.write(source.read_text(encoding="utf-8"))
        sys.stdout.flush()
        return
    with source.open("rb") as read, path.open("wb", buffering=0) as written:
        shutil.copyfileobj(read, written)
