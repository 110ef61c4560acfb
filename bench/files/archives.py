"""Zip archives for sharing: equal content gives equal bytes, and nothing in an archive is trusted when it is read.

An archive contains ``manifest.json``, with the archive's kind, further facts and the SHA-256 of each file. Files are
stored without compression, whose result depends on the version of zlib.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, shown
from bench.files.output import written_output

if TYPE_CHECKING:
    import re

MANIFEST = "manifest.json"
FORMAT = 1
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in an archive: the earliest that the format supports."""
REGULAR_FILE = 0o100644 << 16
UNIX = 3
MOST_FILES = 100_000
MOST_BYTES = 4 << 30
"""Maximum size of all files of an archive together, unpacked."""
MOST_MANIFEST_BYTES = 64 << 20
BLOCK_BYTES = 1 << 20
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, TypeError, NotImplementedError)


@dataclass(frozen=True)
class Archive:
    """An unpacked archive whose files have the stated hashes."""

    folder: Path
    """A temporary directory with the files, removed at the end of the block."""
    facts: Mapping[str, Any]
    """What the manifest states besides format, kind and files; it is as untrusted as the rest."""
    files: tuple[str, ...]
    """Names of the files, sorted."""


def write_archive(path: Path, kind: str, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
    """Write files by name with a manifest, never leaving an incomplete archive."""
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    manifest = {"format": FORMAT, "kind": kind, **facts, "files": hashes}
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with written_output(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in [(MANIFEST, text.encode()), *((name, files[name]) for name in hashes)]:
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr, info.create_system = REGULAR_FILE, UNIX
            archive.writestr(info, content)


@contextmanager
def unpacked(path: Path, kind: str, allowed: re.Pattern[str]) -> Iterator[Archive]:
    """Unpack an archive into a temporary directory after checking everything that it states about itself.

    Args:
        path: The archive.
        kind: The kind that its manifest must state.
        allowed: Pattern of the names that its files may have; it must not allow ``..`` or an absolute name.

    Raises:
        BenchError: it is not an archive of this kind, a name is not allowed or repeated, a file is missing, larger
            than stated or has another SHA-256, or all files together are too large.
    """
    with tempfile.TemporaryDirectory(prefix="bench-archive-") as name:
        yield _unpacked_into(Path(name), path, kind, allowed)


def _unpacked_into(folder: Path, path: Path, kind: str, allowed: re.Pattern[str]) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(archive, allowed)
            manifest = _manifest(archive, kind)
            _check_listed(manifest["files"], members)
            for name, sha256 in manifest["files"].items():
                _unpack(archive, members[name], folder / name, sha256)
    except FileNotFoundError:
        raise BenchError(f"There is no file {path}.") from None
    except _RefusedError as refused:
        raise BenchError(f"{path} is refused: {refused}.") from None
    except BROKEN as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise BenchError(f"{path} cannot be read as an archive of {kind} ({reason}).") from error
    facts = {key: value for key, value in manifest.items() if key not in ("format", "kind", "files")}
    return Archive(folder, facts, tuple(sorted(manifest["files"])))


class _RefusedError(Exception):
    """Why an archive is not read."""


def _checked_members(archive: zipfile.ZipFile, allowed: re.Pattern[str]) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name, from what the archive states about them; nothing is read yet."""
    members: dict[str, zipfile.ZipInfo] = {}
    if len(archive.infolist()) > MOST_FILES:
        raise _RefusedError(f"it contains {len(archive.infolist()):,} files, more than {MOST_FILES:,}")
    for info in archive.infolist():
        # 'filename' is cut at a null character, the original is not
        if info.orig_filename != MANIFEST and not allowed.fullmatch(info.orig_filename):
            raise _RefusedError(f"a file named '{shown(info.orig_filename)}' does not belong there")
        if info.filename in members:
            raise _RefusedError(f"it contains {info.filename} twice")
        if info.flag_bits & ENCRYPTED or info.compress_type not in METHODS:
            raise _RefusedError(f"{info.filename} is encrypted or compressed in an unusual way")
        members[info.filename] = info
    total = sum(info.file_size for info in members.values())
    if total > MOST_BYTES:
        raise _RefusedError(f"its files have {total / 1e9:,.1f} GB in total, more than {MOST_BYTES / 1e9:,.1f}")
    return members


def _manifest(archive: zipfile.ZipFile, kind: str) -> dict[str, Any]:
    try:
        info = archive.getinfo(MANIFEST)
    except KeyError:
        raise _RefusedError(f"it has no {MANIFEST}; expected an archive of {kind} written by bench") from None
    if info.file_size > MOST_MANIFEST_BYTES:
        raise _RefusedError(f"its {MANIFEST} is too large")
    manifest = json.loads(archive.read(info))
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise _RefusedError(f"its {MANIFEST} lists no files")
    if manifest.get("kind") != kind:
        raise _RefusedError(f"it is an archive of {shown(str(manifest.get('kind')))}, expected {kind}")
    if manifest.get("format") != FORMAT:
        raise _RefusedError(f"it has format {shown(str(manifest.get('format')))}, expected {FORMAT}: upgrade bench")
    return manifest


def _check_listed(files: Mapping[str, Any], members: Mapping[str, Any]) -> None:
    """Refuse an archive whose manifest lists other files than it contains."""
    differing = sorted({*files, MANIFEST} ^ {*members})
    if differing:
        where = "is missing" if differing[0] in files else f"is not listed in {MANIFEST}"
        raise _RefusedError(f"{shown(differing[0])} {where}")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, sha256: Any) -> None:
    """Write one file, reading no more than it states to contain, and check its hash."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), info.file_size
    with archive.open(info) as stream, target.open("xb") as written:
        while block := stream.read(min(BLOCK_BYTES, left + 1)):
            left -= len(block)
            if left < 0:
                raise _RefusedError(f"{info.filename} is larger than stated")
            digest.update(block)
            written.write(block)
    if left or digest.hexdigest() != sha256:
        raise _RefusedError(f"the SHA-256 of {info.filename} is not the one that {MANIFEST} states")
