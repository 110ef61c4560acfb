"""Read Arrow columns of any type as ids and texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.data.arrow import integers_of
from bench.data.events import GENRE_SEPARATOR, folded, id_fault
from bench.data.readers.table import WRONG_ID
from bench.errors import BenchError, shown

if TYPE_CHECKING:
    from bench.data.importing.tables import OpenTable

LARGEST_EXACT = 2.0**53
"""Whole numbers up to this are exact as floats."""


def ids(table: OpenTable, name: str, column: Any) -> Any:
    """Return a column of ids as Arrow texts; whole floats, such as ``12.0``, are integers.

    Raises:
        BenchError: an id is missing or contains a control character.
    """
    import pyarrow.compute

    texts = as_text(table, name, column)
    filled = pyarrow.compute.fill_null(texts, "")
    wrong = pyarrow.compute.match_substring_regex(filled, WRONG_ID)
    first = first_true(wrong)
    if first is not None:
        raise table.fault(first, f"{shown(name)} {id_fault(filled[first].as_py())}")
    return filled


def titles(table: OpenTable, name: str, column: Any) -> Any:
    """Return a column of texts, white space collapsed; missing ones are empty."""
    import pyarrow.compute

    texts = pyarrow.compute.fill_null(as_text(table, name, column), "")
    coded = texts.combine_chunks().dictionary_encode()
    plain = pyarrow.array([folded(text) for text in coded.dictionary.to_pylist()], pyarrow.large_string())
    return plain.take(coded.indices)


def as_text(table: OpenTable, name: str, column: Any) -> Any:
    """Return a column of texts or numbers as Arrow texts; missing values are null.

    Raises:
        BenchError: the column has another type, or bytes that are not UTF-8.
    """
    import pyarrow

    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pyarrow.types.is_floating(kind):
        column = _whole(column)
    elif _is_list_of_texts(kind):
        return _joined(table, name, column)
    elif not (_is_text(kind) or _is_plain(kind)):
        raise BenchError(f"{table.head}: column '{shown(name)}' has the type {kind}; expected texts or numbers.")
    try:
        texts = column.cast(pyarrow.large_string())
        texts.validate(full=True)
    except pyarrow.ArrowException as error:
        raise table.fault(_first_undecodable(column), f"{shown(name)} is not UTF-8 text") from error
    return texts


def first_true(mask: Any) -> int | None:
    """Return the index of the first true value of an Arrow column; None if there is none."""
    import pyarrow.compute

    place = pyarrow.compute.index(mask, True).as_py()
    return None if place < 0 else int(place)


def distinct(column: Any) -> tuple[Any, Any]:
    """Return the code of each row, as an integer array, and the distinct values of a text column."""
    coded = column.combine_chunks().dictionary_encode() if hasattr(column, "chunks") else column.dictionary_encode()
    return integers_of(coded.indices, null=-1), coded.dictionary


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_decimal(kind) or types.is_boolean(kind) or types.is_null(kind))


def _is_list_of_texts(kind: Any) -> bool:
    from pyarrow import types

    is_list = types.is_list(kind) or types.is_large_list(kind)
    return bool(is_list and (types.is_string(kind.value_type) or types.is_large_string(kind.value_type)))


def _whole(column: Any) -> Any:
    """Return floats as integers if all of them are whole; pandas turns integers with missing values into floats."""
    import pyarrow
    import pyarrow.compute

    known = pyarrow.compute.if_else(pyarrow.compute.is_nan(column), None, column).cast(pyarrow.float64())
    is_exact = pyarrow.compute.and_(
        pyarrow.compute.equal(known, pyarrow.compute.floor(known)),
        pyarrow.compute.less(pyarrow.compute.abs(known), LARGEST_EXACT),
    )
    return known.cast(pyarrow.int64()) if pyarrow.compute.all(is_exact).as_py() is not False else known


def _joined(table: OpenTable, name: str, column: Any) -> Any:
    """Return lists of texts as texts, such as the genres of each movie."""
    import pyarrow

    def rows() -> Iterator[str | None]:
        for number, value in enumerate(column):
            try:
                texts = value.as_py()
            except UnicodeDecodeError as error:
                raise table.fault(number, f"{shown(name)} is not UTF-8 text") from error
            yield None if texts is None else GENRE_SEPARATOR.join(text or "" for text in texts)

    return pyarrow.chunked_array([pyarrow.array(list(rows()), pyarrow.large_string())])


def _first_undecodable(column: Any) -> int:
    for number, value in enumerate(column):
        try:
            text = value.as_py()
            if isinstance(text, bytes):
                text.decode("utf-8")
        except UnicodeDecodeError:
            return number
    return 0
