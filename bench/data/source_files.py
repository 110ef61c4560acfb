"""Read source files, plain, gzipped or inside a zip archive, with one-line errors for damaged ones."""

from __future__ import annotations

import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.errors import BenchError, shown

DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ValueError)
"""Exceptions that unpacking raises for damaged data, besides OSError and EOFError."""
BLOCK_BYTES = 1 << 20
LONGEST_REASON = 120


@dataclass(frozen=True)
class SourceFile:
    """A file of source data, or one member of a zip archive."""

    path: Path
    """The file on disk."""
    member: str = ""
    """Path inside the archive, if ``path`` is a zip archive."""

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)


def read_bytes(file: SourceFile) -> bytes:
    """Return the whole content, decompressed; raise BenchError if the file is damaged or empty."""
    with _opened(file) as stream:
        data = stream.read()
    if not data:
        raise _empty(file)
    return data


def numbered_lines(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) without loading the whole file; raise the same errors as :func:`read_bytes`."""
    number = 0
    with _opened(file) as stream:
        for number, line in enumerate(stream, start=1):
            yield number, line
    if not number:
        raise _empty(file)


def check_whole(path: Path, suffix: str) -> None:
    """Unpack a ``.zip`` or ``.gz`` file and discard the content; raise BenchError if that fails."""
    with _damage_told(SourceFile(path)):
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"Bad CRC-32 for file {damaged!r}")
        elif suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                while stream.read(BLOCK_BYTES):
                    pass


def decoded(data: bytes, file: SourceFile, encoding: str = "utf-8") -> str:
    """Decode text; raise BenchError with the line number of bytes that are not in the encoding."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line, name = line_of(data, error.start), encoding.upper()
        raise BenchError(f"{file}, line {line}: not {name} text; save it as {name}.") from error


def line_of(data: bytes, place: int) -> int:
    """Return the line number, from 1, of a byte; lines end in LF, CR or both."""
    before = data[:place]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")


def _empty(file: SourceFile) -> BenchError:
    return BenchError(f"{file}, line 1: the file is empty; download it again to the same path.")


@contextmanager
def _opened(file: SourceFile) -> Iterator[IO[bytes]]:
    with _damage_told(file), _raw_stream(file) as stream:
        yield stream


@contextmanager
def _damage_told(file: SourceFile) -> Iterator[None]:
    """Turn any exception from unpacking into a one-line error."""
    try:
        yield
    except EOFError as error:
        raise BenchError(f"{file} is truncated; download it again to the same path.") from error
    except DAMAGE as error:
        raise _damaged(file, error) from error
    except OSError as error:
        if error.errno is None:
            raise _damaged(file, error) from error
        raise BenchError(f"{file} cannot be read: {error.strerror}.") from error
    except RuntimeError as error:  # encrypted, or compressed with a method that Python does not support
        raise BenchError(
            f"{file} cannot be unpacked: {_reason(error)}; unpack it yourself, or download it again."
        ) from error


def _damaged(file: SourceFile, error: Exception) -> BenchError:
    return BenchError(f"{file} is damaged ({_reason(error)}); download it again to the same path.")


def _reason(error: Exception) -> str:
    return shown(" ".join(str(error).split()), LONGEST_REASON)


@contextmanager
def _raw_stream(file: SourceFile) -> Iterator[IO[bytes]]:
    if file.member:
        with zipfile.ZipFile(file.path) as archive, _member(archive, file) as stream:
            yield stream
    elif file.path.suffix == ".gz":
        if not file.path.stat().st_size:
            raise _empty(file)  # Python reads a file of zero bytes as a valid empty gzip file
        with gzip.open(file.path, "rb") as stream:
            yield stream  # type: ignore[misc]
    else:
        with file.path.open("rb") as stream:
            yield stream


def _member(archive: zipfile.ZipFile, file: SourceFile) -> IO[bytes]:
    try:
        return archive.open(file.member)
    except KeyError as error:
        raise BenchError(f"{file.path} does not contain '{file.member}'; expected the official archive.") from error
