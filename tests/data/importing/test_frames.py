from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest

from bench.data.importing.files import import_dataset
from bench.data.importing.frames import import_frame
from bench.data.importing.options import ImportOptions
from bench.errors import BenchError

CSV = "user_id,item_id,timestamp\nann,tea,1700000000\nann,cup,\nbob,tea,1600000000\n"
ROWS = {"user_id": ["ann", "ann", "bob"], "item_id": ["tea", "cup", "tea"]}
TIMES = [1_700_000_000, None, 1_600_000_000]
UNORDERED = ImportOptions(unordered=True)


@pytest.fixture
def from_file(tmp_path: Path) -> str:
    """Content hash of the same interactions, imported from files."""
    (tmp_path / "interactions.csv").write_text(CSV)
    (tmp_path / "items.csv").write_text('item_id,title\ntea,"Tea, green"\ncup,\n')
    paths = tmp_path / "interactions.csv", tmp_path / "items.csv"
    return import_dataset("shop", *paths, tmp_path / "files", UNORDERED).domain.content_hash


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        pandas.array(TIMES, dtype="Int64"),
        pandas.to_datetime(pandas.Series(TIMES), unit="s"),
        pandas.to_datetime(pandas.Series(TIMES), unit="s", utc=True).dt.tz_convert("Asia/Tokyo"),
        ["2023-11-14T22:13:20Z", None, "2020-09-13 12:26:40"],
        pandas.Categorical(["2023-11-14T22:13:20Z", None, "2020-09-13 12:26:40"]),
    ],
    ids=["floats", "integers", "datetimes", "datetimes of a zone", "ISO dates", "categories"],
)
def test_a_frame_is_the_dataset_that_its_files_would_be(times: Any, from_file: str, tmp_path: Path) -> None:
    frame = pandas.DataFrame({**ROWS, "timestamp": times, "title": ["Tea, green", None, "Tea, green"], "price": 1})
    imported = import_frame(frame, "shop", tmp_path / "data", options=UNORDERED)
    assert imported.domain.content_hash == from_file
    assert imported.domain.timestamps is not None
    assert sorted(imported.domain.timestamps.tolist()) == [-1, 1_600_000_000, 1_700_000_000]


def test_items_can_be_a_frame_of_their_own(from_file: str, tmp_path: Path) -> None:
    frame = pandas.DataFrame({**ROWS, "timestamp": TIMES})
    items = pandas.DataFrame({"id": ["tea", "jug"], "name": ["Tea,  green", "Jug"]})
    assert import_frame(frame, "shop", tmp_path / "data", items, UNORDERED).domain.content_hash == from_file


def test_numbers_are_ids_and_positions_give_the_order(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"user_id": [7, 7], "item_id": [20.0, 10.0], "position": [2, 1]})
    domain = import_frame(frame, "shop", tmp_path).domain
    assert domain.item_ids[domain.history(0)].tolist() == ["10", "20"]
    assert domain.user_ids.tolist() == ["7"]
    assert not (tmp_path / "shop" / "items.csv").exists()


def test_ids_of_several_types_are_texts(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"user": [1, "a"], "item": ["x", "y"], "time": [1, 2]})
    assert import_frame(frame, "shop", tmp_path).domain.user_ids.tolist() == ["1", "a"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"item_ids": [1, 2, 3]},
            "no column for the item .*; found user_id, timestamp, item_ids. Name it with item_col",
        ),
        ({"item_id": ["tea", None, "cup"]}, "Row 1 of the DataFrame of interactions: item_id is empty"),
        ({"timestamp": ["2024-01-01", 1, 2]}, "Row 1 .*: timestamp is '1', expected an ISO date"),
        ({"timestamp": ["soon", 1, 2]}, "Row 0 .*: timestamp is 'soon', expected an ISO date"),
        ({"timestamp": [1, 2, float("inf")]}, "Row 2 .*: timestamp is 'inf', expected an ISO date"),
        ({"timestamp": [1, None, 2]}, "Row 1 .*: no time, as in 1 of 3 rows; with unordered=True, such rows"),
        ({"position": [1, "x", 2]}, "Row 1 .*: position is 'x', expected a whole number"),
        ({"title": ["Tea", "Cup", "Green tea"]}, "Row 2 .*: item 'tea' has a second title in title, 'Green tea' after"),
        (
            {"uid": [1, 2, 3], "user": [1, 2, 3], "user_id": None},
            "uid and user could each be the user; .* user_column=",
        ),
    ],
)
def test_a_fault_is_named_with_its_row_and_nothing_is_written(
    columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    given = {**ROWS, "timestamp": [1, 2, 3], **columns}
    left_out = {name for name, values in given.items() if values is None} | (
        {"item_id"} if "item_ids" in columns else set()
    )
    frame = pandas.DataFrame({name: values for name, values in given.items() if name not in left_out})
    with pytest.raises(BenchError, match=message):
        import_frame(frame, "shop", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_rows_are_named_by_their_index(tmp_path: Path) -> None:
    frame = pandas.DataFrame({**ROWS, "timestamp": [1, 2, 3]}, index=["a", "b", "c"])
    frame.loc["b", "user_id"] = ""
    with pytest.raises(BenchError, match="Row b of the DataFrame of interactions: user_id is empty"):
        import_frame(frame, "shop", tmp_path)


def test_without_an_order_the_rows_order_must_be_asked_for(tmp_path: Path) -> None:
    frame = pandas.DataFrame(ROWS)
    with pytest.raises(BenchError, match=r"no column states the order .* position_column=, .* with unordered=True"):
        import_frame(frame, "shop", tmp_path)
    domain = import_frame(frame, "shop", tmp_path, options=UNORDERED).domain
    assert domain.item_ids[domain.history(0)].tolist() == ["tea", "cup"]


def test_a_frame_without_rows_and_a_name_that_is_taken_are_refused(tmp_path: Path) -> None:
    frame = pandas.DataFrame({**ROWS, "timestamp": [1, 2, 3]})
    with pytest.raises(BenchError, match="no rows; expected one per interaction"):
        import_frame(frame[:0], "shop", tmp_path)
    import_frame(frame, "shop", tmp_path)
    with pytest.raises(BenchError, match="already exists"):
        import_frame(frame, "shop", tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    frame = pandas.DataFrame([["ann", "tea", "cup"]], columns=["user", "item", "item"])
    with pytest.raises(BenchError, match="DataFrame of interactions: column 'item' occurs twice"):
        import_frame(frame, "shop", tmp_path)
