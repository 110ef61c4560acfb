"""Compute content hashes: the same inputs give the same short name on every platform."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HASH_LENGTH = 16
"""Number of hex digits of a SHA-256 that are kept: 64 bits, enough to name artifacts."""


def canonical_json(value: Any) -> str:
    """Serialize dataclasses, mappings, sequences and scalars with sorted keys and no spaces."""
    return _canonical().encode(value)


def content_hash(*parts: Any) -> str:
    """Hash arrays, bytes, file contents of paths and JSON-like values to :data:`HASH_LENGTH` hex digits."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in _bytes_of(part):
            digest.update(piece)
        # a separator, so that ("ab", "c") and ("a", "bc") differ
        digest.update(b"\x00")
    return digest.hexdigest()[:HASH_LENGTH]


def file_sha256(path: Path) -> str:
    """Return the full SHA-256 of a file, which is read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def derived_seed(seed: int, *purpose: str) -> int:
    """Derive a 63-bit seed from a seed and a purpose, so that no two draws share a stream."""
    digest = hashlib.sha256(canonical_json([seed, *purpose]).encode()).digest()
    # 63 bits, because some generators take signed seeds
    return int.from_bytes(digest[:8], "big") >> 1


def _bytes_of(part: Any) -> Iterator[bytes | memoryview]:
    """Yield the bytes that stand for a part; those of an array are not copied, since it may be most of the memory."""
    if isinstance(part, np.ndarray):
        if part.dtype.hasobject:
            raise TypeError("an array of objects has no stable bytes")
        # type and shape are hashed as well, because different arrays can have the same bytes
        little_endian = np.ascontiguousarray(part).astype(part.dtype.newbyteorder("<"), copy=False)
        header = canonical_json([little_endian.dtype.str, list(part.shape)]).encode()
        yield header
        yield little_endian.reshape(-1).view(np.uint8).data
    elif isinstance(part, bytes):
        yield part
    elif isinstance(part, Path):
        yield file_sha256(part).encode()
    else:
        yield canonical_json(part).encode()


@cache
def _canonical() -> json.JSONEncoder:
    """Return the encoder, which takes as long to make as to encode a spec."""
    return json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"cannot serialize {type(value).__name__}")
