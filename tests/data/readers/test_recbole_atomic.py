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


@pytest.mark.parametrize("time", ["noon", "inf", "nan", "1e30", "-1e19", "9" * 400])
def test_a_time_that_is_none_is_told_by_line(tmp_path: Path, time: str) -> None:
    text = f"user_id:token\titem_id:token\ttimestamp:float\n1\t2\t3\n1\t2\t{time}\n"
    with pytest.raises(
        BenchError, match=rf"a\.inter, line 3: timestamp is '{time[:50]}.*', expected a number of secon"
    ):
        read_interactions(written(tmp_path / "a.inter", text))


def test_an_empty_id_is_told_by_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"a\.inter, line 3: user_id is empty"):
        read_interactions(written(tmp_path / "a.inter", "user_id:token\titem_id:token\n1\t2\n\t2\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: the file is empty"),
        ("movie:token\tname:token_seq\n1\tOne\n", "line 1: no column 'item_id'; found movie:token, name:token_seq"),
        ("item_id:token\tname:token_seq\n1\tOne\n2\n", "line 3: 1 fields, expected 2"),
        ("item_id:token\tname:token_seq\n1\tOne\n\n1\tTwo\n", "line 4: item '1' has a second row"),
        ("item_id:token\tname:token_seq\n\tOne\n", "line 2: item_id is empty"),
    ],
)
def test_a_wrong_items_file_is_told_by_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(BenchError) as caught:
        read_items(written(tmp_path / "a.item", text), frozenset({"1"}))
    assert f"a.item, {expected}" in str(caught.value)


def test_quotes_in_a_header_are_plain_text(tmp_path: Path) -> None:
    events = read_interactions(written(tmp_path / "a.inter", 'user_id:token\titem_id:token\t"x\n1\t2\t"\n'))
    assert events.users.ids.tolist() == ["1"]
