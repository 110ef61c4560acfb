"""Convert Arrow columns from and to plain arrays and texts.

Arrow's own conversions import pandas on first use, which takes longer than reading a dataset. These functions use the
buffers and do not import pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Texts: TypeAlias = NDArray[Any]
"""An array of texts. If read from a file, its type is numpy's ``StringDType``, which stores each text at its own
length."""
ROWS_A_PIECE = 1 << 16
"""Number of texts that are Python objects at the same time while a column is converted."""


def integers_of(column: Any, null: int) -> NDArray[np.int64]:
    """Return an Arrow integer column, whole or chunked, as an array with ``null`` for missing values."""
    pieces = [_integers_of_piece(piece, null) for piece in getattr(column, "chunks", [column])]
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def integer_column(values: NDArray[np.integer]) -> Any:
    """Return an Arrow column of 32 or 64 bit integers."""
    import pyarrow

    kind = {4: pyarrow.int32(), 8: pyarrow.int64()}[values.dtype.itemsize]
    buffer = pyarrow.py_buffer(np.ascontiguousarray(values))
    return pyarrow.Array.from_buffers(kind, len(values), [None, buffer])


def texts_of(column: Any) -> Texts:
    """Return an Arrow text column, whole or chunked, as an array; its memory is proportional to the text."""
    texts = np.empty(len(column), dtype=np.dtypes.StringDType())
    for start in range(0, len(column), ROWS_A_PIECE):
        texts[start : start + ROWS_A_PIECE] = column.slice(start, ROWS_A_PIECE).to_pylist()
    return texts


def text_column(values: Sequence[str]) -> Any:
    """Return an Arrow column of texts."""
    import pyarrow

    encoded = [value.encode("utf-8") for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(encoded))]
    return pyarrow.Array.from_buffers(pyarrow.large_string(), len(encoded), buffers)


def matches_any(column: Any, pattern: str) -> bool:
    """Return whether any text of an Arrow column matches a regular expression in RE2 syntax."""
    import pyarrow.compute

    return bool(pyarrow.compute.any(pyarrow.compute.match_substring_regex(column, pattern)).as_py())


def text_order(column: Any) -> NDArray[np.int64]:
    """Return the indices that sort an Arrow text column by code points, like Python sorts strings."""
    import pyarrow.compute

    return integers_of(pyarrow.compute.sort_indices(column), null=-1)


def _integers_of_piece(piece: Any, null: int) -> NDArray[np.int64]:
    valid, data = piece.buffers()
    rows = slice(piece.offset, piece.offset + len(piece))
    dtype = np.dtype(f"<i{piece.type.bit_width // 8}")
    values = np.frombuffer(data, dtype)[rows].astype(np.int64) if data is not None else np.empty(0, np.int64)
    if piece.null_count:
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[rows]
        values[bits == 0] = null
    return values
