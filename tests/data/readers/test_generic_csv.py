from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bench.data.readers.generic_csv import read_interactions, read_items
from bench.data.source_files import SourceFile
from bench.errors import BenchError


def written(path: Path, content: str | bytes) -> SourceFile:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return SourceFile(path)


def test_columns_are_found_by_name_and_others_ignored(tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", "rating,item_id,liked,user_id\n5,tea,,ann\n1,cup,0,bob\n")
    events = read_interactions(file)
    assert events.users.ids[events.users.codes].tolist() == ["ann", "bob"]
    assert events.items.ids[events.items.codes].tolist() == ["tea", "cup"]
    assert events.timestamps is None
    assert events.positions is None


def test_empty_timestamps_are_unknown_and_positions_are_kept(tmp_path: Path) -> None:
    events = read_interactions(written(tmp_path / "x.csv", "user_id,item_id,timestamp,position\na,1,,2\na,2,7,1\n"))
    assert events.timestamps is not None
    assert events.timestamps.tolist() == [-1, 7]
    assert events.positions is not None
    assert events.positions.tolist() == [2, 1]


def test_gzip_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    content = gzip.compress("\ufeffuser_id,item_id\r\nann,tea\r\n".encode())
    events = read_interactions(written(tmp_path / "x.csv.gz", content))
    assert events.users.ids.tolist() == ["ann"]
    assert events.items.ids.tolist() == ["tea"]


def test_ids_that_look_like_numbers_or_missing_values_stay_text(tmp_path: Path) -> None:
    events = read_interactions(written(tmp_path / "x.csv", "user_id,item_id\n007,NA\nnull,0439893577\n"))
    assert events.users.ids.tolist() == ["007", "null"]
    assert events.items.ids.tolist() == ["NA", "0439893577"]


def test_titles_with_commas_and_white_space_are_folded_and_unwanted_items_left_out(tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", 'item_id,title\n1,"Pot,  large"\n2, \n3,Cup\n')
    assert read_items(file, frozenset({"1", "2"})).titles == {"1": "Pot, large"}


def test_items_without_title_column_have_no_titles(tmp_path: Path) -> None:
    assert read_items(written(tmp_path / "x.csv", "item_id\n1\n"), frozenset({"1"})).titles == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("user_id,item_id\nann,tea\nbob\n", "line 3: 1 fields, expected 2 (user_id, item_id)"),
        ("user_id,item_id\nann,tea,5\n", "line 2: 3 fields, expected 2"),
        ("user_id,item_id,timestamp\nann,tea,1\nbob,cup,noon\n", "line 3: timestamp is 'noon', expected an integer"),
        ("user_id,item_id,timestamp\nann,tea,1.5\n", "line 2: timestamp is '1.5', expected an integer"),
        ("user_id,item_id,position\nann,tea,1\n\nann,cup,\n", "line 4: position is empty, expected an integer"),
        ("user_id,item_id\nann,tea\n,cup\n", "line 3: user_id is empty"),
        ("user_id,item_id\nann,\n", "line 2: item_id is empty"),
        ("user,item_id\nann,tea\n", "line 1: no column 'user_id'; found user, item_id"),
        ("user_id,item_id,item_id\nann,tea,tea\n", "line 1: column 'item_id' occurs twice"),
        ("", "line 1: no column 'user_id'; found nothing"),
        (b"user_id,item_id\nann,tea\nbob,caf\xe9\n", "line 3: not UTF-8 text"),
        ("user_id,item_id,timestamp\nann,tea,99999999999999999999\n", "cannot be read"),
    ],
)
def test_a_wrong_interactions_file_is_told_by_file_and_line(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    file = written(tmp_path / "interactions.csv", content)
    with pytest.raises(BenchError) as caught:
        read_interactions(file)
    assert expected in str(caught.value)
    assert "interactions.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("item_id,title\n1,Tea\n2,Cup\n1,Tea again\n", "line 4: item '1' has a second row"),
        ("item_id,title\n,Tea\n", "line 2: item_id is empty"),
        ("title\nTea\n", "line 1: no column 'item_id'"),
        ('item_id,title\n1,"Two\nlines"\n2\n', "line 4: 1 fields, expected 2"),
    ],
)
def test_a_wrong_items_file_is_told_by_file_and_line(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(BenchError, match=r"items\.csv") as caught:
        read_items(written(tmp_path / "items.csv", content), frozenset({"1"}))
    assert expected in str(caught.value)


def test_a_gzip_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"user_id,item_id\n" + b"ann,tea\n" * 1000)
    with pytest.raises(BenchError, match=r"x\.csv\.gz is truncated"):
        read_interactions(written(tmp_path / "x.csv.gz", whole[:-12]))


@pytest.mark.parametrize("damage", [b"user_id,item_id\nann,tea\n", b"\x1f\x8b\x08\x00damaged-all-over-the-place"])
def test_a_gzip_file_that_is_damaged_is_named(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(BenchError, match=r"x\.csv\.gz is (damaged|cut short)"):
        read_interactions(written(tmp_path / "x.csv.gz", damage))
