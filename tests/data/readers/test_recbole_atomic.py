from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.readers.recbole_atomic import read_interactions, read_items
from bench.data.source_files import SourceFile
from bench.errors import BenchError


def written(path: Path, text: str) -> SourceFile:
    path.write_text(text, encoding="utf-8")
    return SourceFile(path)


def test_typed_headers_are_read_and_float_times_become_seconds(tmp_path: Path) -> None:
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949.0\n186\t302\t3\t\n"
    events = read_interactions(written(tmp_path / "a.inter", text))
    assert events.users.ids.tolist() == ["196", "186"]
    assert events.timestamps is not None
    assert events.timestamps.tolist() == [881250949, -1]


def test_files_without_times_have_none(tmp_path: Path) -> None:
    events = read_interactions(written(tmp_path / "a.inter", "user_id:token\titem_id:token\n1\t2\n"))
    assert events.timestamps is None


def test_titles_take_the_release_year_and_quotes_are_plain_text(tmp_path: Path) -> None:
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    rows = '1\tToy Story\t1995\tAnimation Comedy\n2\t"Half\t\tDrama\n3\tOther\t1990\tDrama\n'
    facts = read_items(written(tmp_path / "a.item", header + rows), frozenset({"1", "2"}))
    assert facts.titles == {"1": "Toy Story (1995)", "2": '"Half'}
    assert facts.categories == {"1": "Animation|Comedy", "2": "Drama"}


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no column 'item_id'"):
        read_interactions(written(tmp_path / "a.inter", "user_id:token\tmovie:token\n1\t2\n"))


def test_a_time_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    text = "user_id:token\titem_id:token\ttimestamp:float\n1\t2\tnoon\n"
    with pytest.raises(BenchError, match=r"a\.inter: a timestamp is not a number"):
        read_interactions(written(tmp_path / "a.inter", text))
