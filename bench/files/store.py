"""Atomic file writes, and the store of artifacts addressed by content."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.files.hashing import content_hash


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which is renamed to ``path`` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # in the same folder, since a rename replaces a file at once only within one file system
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that nobody else may read
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_new(path: Path) -> None:
    """Raise BenchError if the path exists, because it must not be overwritten."""
    if path.exists():
        raise BenchError(f"{path} already exists: remove it, or choose another name.")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


MADE_WITHOUT_TRAINING = ("domains", "checksums", "candidates", "title-vectors", "backbone")
"""Kinds of artifacts that are reused even if everything is trained again."""


@dataclass(frozen=True)
class ArtifactStore:
    """A store of directories, each named by the hash of everything that determines its content."""

    root: Path
    """The cache directory."""
    trained_anew: set[Path] | None = field(default=None, compare=False)
    """Artifacts trained in the current run, if earlier ones must not be reused; None reuses all."""

    def path(self, kind: str, key: Any) -> Path:
        """Return the directory of the artifact with this kind and key, whether or not it exists."""
        return self.root / kind / content_hash(key)

    def unfinished(self, kind: str, key: Any) -> Path:
        """Return the directory for checkpoints of an unfinished artifact."""
        return self.root / "unfinished" / kind / content_hash(key)

    def made(self, kind: str, key: Any) -> bool:
        """Whether the artifact exists."""
        return (self.path(kind, key) / "made.json").exists()

    def get_or_make(self, kind: str, key: Any, make: Callable[[Path], None]) -> Path:
        """Return the artifact's directory; if it does not exist, ``make`` writes its content.

        ``make`` receives a temporary directory, which is then renamed. ``key`` is stored as ``made.json``.
        """
        folder = self.path(kind, key)
        if (folder / "made.json").exists() and not self._is_due(kind, folder):
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            make(temporary)
            write_text(temporary / "made.json", json.dumps(key, indent=2, default=str) + "\n")
            temporary.chmod(0o755)
            if self._is_due(kind, folder) and folder.exists():
                # renamed first, so that no other process finds a folder that is half removed
                shutil.rmtree(folder.replace(f"{temporary}.earlier"))
            _take_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if self.trained_anew is not None:
            self.trained_anew.add(folder)
        return folder

    def _is_due(self, kind: str, folder: Path) -> bool:
        """Whether an existing artifact must be trained again."""
        return self.trained_anew is not None and kind not in MADE_WITHOUT_TRAINING and folder not in self.trained_anew


def _take_place(temporary: Path, folder: Path) -> None:
    """Rename ``temporary`` to ``folder``, unless another process has finished the same artifact in the meantime.

    A directory is only renamed when it is complete, so one without ``made.json`` is damaged and is replaced.
    """
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / "made.json").exists():
            shutil.rmtree(folder)
            temporary.rename(folder)
