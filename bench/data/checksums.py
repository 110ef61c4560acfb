"""Recorded SHA-256 sums of source files: ``<file>.sha256`` next to a file, or ``SHA256SUMS`` in a parent directory."""

from __future__ import annotations

import re
from pathlib import Path

from bench.errors import BenchError
from bench.files.hashing import file_sha256

SUMS = "SHA256SUMS"
LINE = re.compile(r"(?P<sum>[0-9a-fA-F]{64})(?:\s+\*?(?P<name>\S.*))?")
"""A line as written by sha256sum, except that the name may be missing; an asterisk precedes a binary file's name."""


def checksum_file(path: Path) -> Path:
    """Return the path at which the checksum of one file is recorded."""
    return path.with_name(path.name + ".sha256")


def recorded_checksum(path: Path, data_dir: Path | None = None) -> str:
    """Return the SHA-256 recorded for a file, or an empty string.

    Raises:
        BenchError: A line of the record is not a checksum.
    """
    return _recorded(path, data_dir)[0]


def check_recorded(path: Path, data_dir: Path | None = None, *, sha256: str = "", actual: str = "") -> None:
    """Raise BenchError if a file differs from its expected or recorded checksum; a missing record is not an error."""
    expected, record = (sha256, None) if sha256 else _recorded(path, data_dir)
    actual = actual or (file_sha256(path) if expected else "")
    if expected and actual != expected:
        is_list = record is not None and record.name == SUMS
        advice = f"restore the file or correct {record}" if is_list else "delete it and download it again"
        raise BenchError(f"{path} has SHA-256 {actual[:12]}…, expected {expected[:12]}…; {advice}.")


def _recorded(path: Path, data_dir: Path | None) -> tuple[str, Path | None]:
    """Return the recorded checksum and the file that records it; an empty string and None if there is none."""
    beside = checksum_file(path)
    if beside.exists():
        sums = _sums(beside)
        if not sums:
            raise BenchError(f"{beside}, line 1: no SHA-256; delete this file, or write the checksum into it.")
        return next(iter(sums.values())), beside
    for folder in (path.parent, data_dir):
        if folder is not None and (folder / SUMS).exists() and path.is_relative_to(folder):
            found = _sums(folder / SUMS).get(path.relative_to(folder).as_posix())
            if found:
                return found, folder / SUMS
    return "", None


def _sums(path: Path) -> dict[str, str]:
    """Return the checksum by file name in a record."""
    sums = {}
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line.strip())
        if found is None:
            raise BenchError(f"{path}, line {number}: expected a SHA-256 of 64 hexadecimal digits and a file's name.")
        sums[(found["name"] or "").removeprefix("./")] = found["sum"].lower()
    return sums
