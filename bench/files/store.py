"""Atomic file writes, and the store of artifacts addressed by content."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from bench.errors import BenchError
from bench.files.hashing import content_hash, file_sha256
from bench.files.lease import Lease
from bench.files.temporary import sweep, sync_names, synced, temporary_path
from bench.progress import Note, ProgressHook, tell


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is flushed to disk and renamed to ``path`` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    # in the same folder, because a rename is atomic only within one file system
    temporary = temporary_path(path)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        synced(temporary)
        temporary.replace(path)
        sync_names(path.parent)
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


def read_json(path: Path | str) -> Any:
    """Read a JSON file; raise ValueError if it is damaged."""
    with open(path, "rb") as stream:  # noqa: PTH123  # to build a Path takes longer than to parse a record
        return parse_json(stream.read())


def parse_json(content: bytes) -> Any:
    """Parse JSON; raise ValueError for anything else.

    orjson takes an eighth of the time, which counts in a store of thousands of runs; the standard library reads the few
    values that it refuses, such as integers of more than 64 bits, and words the errors.
    """
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content.decode("utf-8"))


MADE_WITHOUT_TRAINING = ("domains", "checksums", "candidates", "title-vectors", "title-priors", "backbone")
"""Kinds of artifacts that are reused even if everything is trained again, and that need not be flushed to disk."""
MADE, KEY, FILES = "made.json", "key", "files"
LEASE = "lease"


@dataclass(frozen=True)
class ArtifactStore:
    """A store of directories, each named by the hash of everything that determines its content."""

    root: Path
    """The cache directory."""
    trained_anew: set[Path] | None = field(default=None, compare=False)
    """Artifacts trained in the current run, if earlier ones must not be reused; None reuses all."""
    progress: ProgressHook = field(default=lambda _line: None, compare=False)
    """Called with a line when an artifact is waited for or found damaged."""
    shipped: Path | None = field(default=None, compare=False)
    """Directory, laid out as the cache, with artifacts that come with bench, which are copied and not made; or None."""

    def path(self, kind: str, key: Any) -> Path:
        """Return the directory of the artifact with this kind and key, whether or not it exists."""
        return self.root / kind / content_hash(key)

    def unfinished(self, kind: str, key: Any) -> Path:
        """Return the directory for checkpoints of an unfinished artifact."""
        return self.root / "unfinished" / kind / content_hash(key)

    def made(self, kind: str, key: Any) -> bool:
        """Whether the artifact exists or comes with bench; its files are not read."""
        folder = self.path(kind, key)
        return (folder / MADE).exists() or self._shipped(kind, folder) is not None

    def reuses(self, kind: str, key: Any) -> bool:
        """Whether an existing artifact would be returned by :meth:`get_or_make`; its files are not read."""
        return self.made(kind, key) and not self._is_due(kind, self.path(kind, key))

    def being_made(self, kind: str, key: Any) -> bool:
        """Whether a process is making the artifact, so that :meth:`get_or_make` would wait for it."""
        return Lease(self.unfinished(kind, key) / LEASE).is_held()

    def get_or_make(self, kind: str, key: Any, make: Callable[[Path], None]) -> Path:
        """Return the artifact's directory; if it does not exist, ``make`` writes its content.

        ``make`` receives a temporary directory, which is then renamed. If several processes need the artifact, one
        makes it and the others wait. ``key`` and the SHA-256 of the files are stored as ``made.json``; if a file has
        changed since, the artifact is made again.
        """
        folder, unfinished = self.path(kind, key), self.unfinished(kind, key)
        shipped = self._shipped(kind, folder)
        if shipped is not None and self.trained_anew is None and damage(shipped) is None:
            make = partial(_copy, shipped)
        if not self._is_usable(kind, folder):
            lease = Lease(unfinished / LEASE)
            with lease.held(f"{kind}/{folder.name}", self.progress):
                self._make_under(lease, kind, folder, key, make)
        elif self.trained_anew is None and unfinished.exists():
            self._tidy(folder, unfinished)
        return folder

    def damaged(self) -> Iterator[str]:
        """Yield one line per artifact that has changed since it was made."""
        for folder in self._folders():
            wrong = damage(folder)
            if wrong:
                yield f"{folder} is damaged ({wrong})"

    def count(self) -> int:
        """Return the number of artifacts."""
        return len(self._folders())

    def _folders(self) -> list[Path]:
        folders = (path.parent for path in sorted(self.root.glob(f"*/*/{MADE}")))
        return [folder for folder in folders if not folder.name.startswith(".")]

    def _make_under(self, lease: Lease, kind: str, folder: Path, key: Any, make: Callable[[Path], None]) -> None:
        """Make an artifact under its lease, unless it was made while this process waited."""
        if self._is_usable(kind, folder):
            return
        if folder.exists() and not self._is_due(kind, folder):
            tell(self.progress, Note(f"{folder} is damaged ({damage(folder)}): it is made again"))
        sweep(folder.parent)
        temporary = temporary_path(folder)
        temporary.mkdir(parents=True)
        lease.touched.append(temporary)
        try:
            make(temporary)
            _write_made(temporary, key)
            if kind not in MADE_WITHOUT_TRAINING:
                synced(temporary)
            if not self._is_usable(kind, folder):  # a process of a version without leases may have made it meanwhile
                take_place(temporary, folder)
            sync_names(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if self.trained_anew is not None:
            self.trained_anew.add(folder)
        shutil.rmtree(lease.path.parent, ignore_errors=True)

    def _is_usable(self, kind: str, folder: Path) -> bool:
        return (folder / MADE).exists() and not self._is_due(kind, folder) and damage(folder) is None

    def _is_due(self, kind: str, folder: Path) -> bool:
        """Whether an existing artifact must be trained again."""
        return self.trained_anew is not None and kind not in MADE_WITHOUT_TRAINING and folder not in self.trained_anew

    def place(self, kind: str, name: str) -> Path:
        """Return the directory of an artifact by its name: in the cache, or where it comes with bench."""
        folder = self.root / kind / name
        return folder if (folder / MADE).exists() else self._shipped(kind, folder) or folder

    def _shipped(self, kind: str, folder: Path) -> Path | None:
        """Return the directory of an artifact that comes with bench."""
        shipped = None if self.shipped is None else self.shipped / kind / folder.name
        return shipped if shipped is not None and (shipped / MADE).exists() else None

    def _tidy(self, folder: Path, unfinished: Path) -> None:
        """Remove what a killed process left behind after its artifact was in place or while making it again."""
        lease = Lease(unfinished / LEASE)
        if lease.take():
            sweep(folder.parent)
            shutil.rmtree(unfinished, ignore_errors=True)
            lease.release()


def damage(folder: Path) -> str | None:
    """Return what is wrong with an artifact; None if its files are unchanged.

    An artifact from before SHA-256 hashes of files were recorded gets them recorded now.
    """
    try:
        stated = read_json(folder / MADE)
    except (OSError, ValueError):
        return f"{MADE} cannot be read"
    if not isinstance(stated, dict) or set(stated) != {KEY, FILES}:
        with suppress(OSError):  # a read-only cache can still be used
            _write_made(folder, stated)
        return None
    for name, sha256 in stated[FILES].items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if file_sha256(folder / name) != sha256:
            return f"{name} is not what was written"
    return None


def _copy(shipped: Path, folder: Path) -> None:
    """Copy the files of an artifact that comes with bench."""
    for path in shipped.iterdir():
        if path.name != MADE:
            shutil.copy(path, folder / path.name)


def _write_made(folder: Path, key: Any) -> None:
    """Record the key of an artifact and the hashes of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MADE)
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
    write_text(folder / MADE, json.dumps({KEY: key, FILES: hashes}, indent=2, default=str) + "\n")


def take_place(temporary: Path, folder: Path) -> None:
    """Rename ``temporary`` to ``folder``, replacing an existing one that is damaged or to be trained again."""
    earlier = temporary_path(folder)
    with suppress(FileNotFoundError):
        folder.rename(earlier)
    try:
        temporary.rename(folder)
    except BaseException:
        with suppress(OSError):
            earlier.rename(folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
