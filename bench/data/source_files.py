"""Reading source files, plain, gzipped or inside a zip archive, with one-line errors for damaged ones."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.errors import BenchError


@dataclass(frozen=True)
class SourceFile:
    """A file of source data, or one member of a zip archive."""

    path: Path
    """The file on disk."""
    member: str = ""
    """Path inside the archive, where ``path`` is a zip archive."""

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)


def read_bytes(file: SourceFile) -> bytes:
    """Return the whole content, decompressed; raise BenchError where the file is damaged."""
    with _opened(file) as stream:
        return stream.read()


def numbered_lines(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) without holding the file in memory."""
    with _opened(file) as stream:
        yield from enumerate(stream, start=1)


def decoded(data: bytes, file: SourceFile, encoding: str = "utf-8") -> str:
    """Decode text; raise BenchError with the line number where the bytes are not in the encoding."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BenchError(f"{file}, line {line}: not {encoding.upper()} text; save it as {encoding.upper()}.") from error


@contextmanager
def _opened(file: SourceFile) -> Iterator[IO[bytes]]:
    try:
        with _raw_stream(file) as stream:
            yield stream
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise BenchError(f"{file} is damaged ({error}); download it again to the same path.") from error
    except EOFError as error:
        raise BenchError(f"{file} is truncated; download it again to the same path.") from error


@contextmanager
def _raw_stream(file: SourceFile) -> Iterator[IO[bytes]]:
    if file.member:
        with zipfile.ZipFile(file.path) as archive, _member(archive, file) as stream:
            yield stream
    elif file.path.suffix == ".gz":
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
