"""Find misplaced double quotes, after which a lenient parser would silently read the rest of the file as one field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUOTE, LINE_FEED, CARRIAGE_RETURN = ord('"'), ord("\n"), ord("\r")
BYTE_ORDER_MARK = "\ufeff".encode()
PIECE_BYTES = 1 << 24
"""Number of bytes compared at a time."""


def first_stray_quote(data: bytes, delimiter: str) -> int | None:
    """Return the position of the first quoted field, or quote in a plain field, that RFC 4180 does not allow, or None.

    Number the quotes of a file from 0. Each even one opens a field, or is the second of a doubled quote; each odd one
    closes a field, or is the first of a doubled quote. The first that does neither is in the invalid field.
    """
    if b'"' not in data:
        return None
    text = np.frombuffer(data, np.uint8)
    at = _positions(text)
    begins = _is_beside(text, at - 1, delimiter)
    if data.startswith(BYTE_ORDER_MARK):
        begins |= at == len(BYTE_ORDER_MARK)
    ends = _is_beside(text, at + 1, delimiter)
    follows = np.diff(at, prepend=-1) == 1
    is_even = np.arange(len(at)) % 2 == 0
    follows[0] = False
    fits = np.where(is_even, begins | follows, ends | np.append(follows[1:], False))
    if fits.all():
        return None if len(at) % 2 == 0 else int(_opening(at, begins & is_even, len(at) - 1))
    first = int(np.argmin(fits))
    return int(at[first]) if is_even[first] else int(_opening(at, begins & is_even, first))


def _positions(text: NDArray[np.uint8]) -> NDArray[np.int64]:
    pieces = range(0, len(text), PIECE_BYTES)
    found = [np.flatnonzero(text[start : start + PIECE_BYTES] == QUOTE) + start for start in pieces]
    return np.concatenate(found)


def _is_beside(text: NDArray[np.uint8], places: NDArray[np.int64], delimiter: str) -> NDArray[np.bool_]:
    """Mark the places that are not part of a field: a delimiter, a line end, or outside the text."""
    separates = np.zeros(256, dtype=bool)
    separates[[ord(delimiter), LINE_FEED, CARRIAGE_RETURN]] = True
    beside = separates[text.take(places, mode="clip")]
    # the places ascend, so only the first and the last can be outside
    beside[:1] |= places[:1] < 0
    beside[-1:] |= places[-1:] >= len(text)
    return beside


def _opening(at: NDArray[np.int64], opens: NDArray[np.bool_], number: int) -> np.int64:
    """Return the position of the last quote up to ``number`` that opens a field."""
    last: np.int64 = at[: number + 1][opens[: number + 1]][-1]
    return last
