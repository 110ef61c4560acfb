from __future__ import annotations

import numpy as np
import pyarrow
import pytest

from bench.data import arrow
from bench.data.arrow import integer_column, integers_of, matches_any, text_column, text_order, texts_of


@pytest.mark.parametrize("kind", [pyarrow.int32(), pyarrow.int64()])
def test_integers_come_back_with_nulls_filled_from_slices_and_pieces(kind: pyarrow.DataType) -> None:
    column = pyarrow.array([9, 1, None, 3, None, 5, 6, 7, 8, None, 10], type=kind)
    assert integers_of(column, null=-1).tolist() == [9, 1, -1, 3, -1, 5, 6, 7, 8, -1, 10]
    assert integers_of(column.slice(1, 3), null=-1).tolist() == [1, -1, 3]
    pieces = pyarrow.chunked_array([column.slice(8), column.slice(0, 1)])
    assert integers_of(pieces, null=0).tolist() == [8, 0, 10, 9]
    assert integers_of(pyarrow.chunked_array([], type=kind), null=0).tolist() == []


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integer_columns_keep_values_and_width(dtype: type) -> None:
    column = integer_column(np.array([3, -1, 2], dtype=dtype)[::-1])
    assert column.to_pylist() == [2, -1, 3]
    assert column.type.bit_width == np.dtype(dtype).itemsize * 8


def test_text_columns_keep_every_character() -> None:
    texts = ["", "tea", "Cité 🍵", "", "line\nbreak"]
    assert text_column(texts).to_pylist() == texts
    assert text_column([]).to_pylist() == []


def test_texts_are_stored_at_their_own_length_and_keep_what_fixed_widths_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "ROWS_A_PIECE", 2)
    texts = ["a", "a\0", "", "x" * 1000, "é"]
    column = pyarrow.chunked_array([text_column(texts[:3]), text_column(texts[3:])])
    assert texts_of(column).tolist() == texts
    assert texts_of(text_column(texts)).itemsize < 1000
    assert len(texts_of(text_column([]))) == 0


def test_texts_are_sorted_by_code_points() -> None:
    texts = ["b", "\uffff", "a\0", "\U0001f600", "a", "é", "B"]
    assert [texts[place] for place in text_order(text_column(texts))] == sorted(texts)


def test_a_pattern_is_looked_for_in_every_text() -> None:
    assert matches_any(text_column(["a", "b\x9b"]), r"\p{Cc}")
    assert not matches_any(text_column(["a", "b c"]), r"\p{Cc}")
    assert not matches_any(text_column([]), "a")
