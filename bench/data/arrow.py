"""Arrow columns from and to plain arrays and texts.

Arrow's own conversions import pandas on first use, which takes longer than reading a dataset; these go through the
buffers and do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def integers_of(column: Any, null: int) -> NDArray[np.int64]:
    """Return an Arrow integer column, whole or in pieces, as an array with ``null`` where it has no value."""
    pieces = [_integers_of_piece(piece, null) for piece in getattr(column, "chunks", [column])]
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def integer_column(values: NDArray[np.integer]) -> Any:
    """Return an Arrow column of 32 or 64 bit integers."""
    import pyarrow

    kind = {4: pyarrow.int32(), 8: pyarrow.int64()}[values.dtype.itemsize]
    buffer = pyarrow.py_buffer(np.ascontiguousarray(values))
    return pyarrow.Array.from_buffers(kind, len(values), [None, buffer])


def text_column(values: Sequence[str]) -> Any:
    """Return an Arrow column of texts."""
    import pyarrow

    encoded = [value.encode("utf-8") for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(encoded))]
    return pyarrow.Array.from_buffers(pyarrow.large_string(), len(encoded), buffers)


def _integers_of_piece(piece: Any, null: int) -> NDArray[np.int64]:
    valid, data = piece.buffers()
    rows = slice(piece.offset, piece.offset + len(piece))
    dtype = np.dtype(f"<i{piece.type.bit_width // 8}")
    values = np.frombuffer(data, dtype)[rows].astype(np.int64) if data is not None else np.empty(0, np.int64)
    if piece.null_count:
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[rows]
        values[bits == 0] = null
    return values
