from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest

from bench.data.import_files import import_dataset
from bench.data.import_frame import import_frame
from bench.errors import BenchError

CSV = "user_id,item_id,timestamp\nann,tea,1700000000\nann,cup,\nbob,tea,1600000000\n"
ROWS = {"user_id": ["ann", "ann", "bob"], "item_id": ["tea", "cup", "tea"]}
TIMES = [1_700_000_000, None, 1_600_000_000]


@pytest.fixture
def from_file(tmp_path: Path) -> str:
    """Content hash of the same interactions, imported from files."""
    (tmp_path / "interactions.csv").write_text(CSV)
    (tmp_path / "items.csv").write_text('item_id,title\ntea,"Tea, green"\ncup,\n')
    return import_dataset(
        "shop", tmp_path / "interactions.csv", tmp_path / "items.csv", tmp_path / "files"
    ).content_hash


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        pandas.array(TIMES, dtype="Int64"),
        pandas.to_datetime(pandas.Series(TIMES), unit="s"),
        pandas.to_datetime(pandas.Series(TIMES), unit="s", utc=True).dt.tz_convert("Asia/Tokyo"),
    ],
    ids=["floats", "integers", "datetimes", "datetimes of a zone"],
)
def test_a_frame_is_the_dataset_that_its_files_would_be(times: Any, from_file: str, tmp_path: Path) -> None:
    frame = pandas.DataFrame({**ROWS, "timestamp": times, "title": ["Tea, green", None, "Tea, green"], "price": 1})
    domain = import_frame(frame, "shop", tmp_path / "data")
    assert domain.content_hash == from_file
    assert domain.timestamps is not None
    assert sorted(domain.timestamps.tolist()) == [-1, 1_600_000_000, 1_700_000_000]
    assert sorted(path.name for path in (tmp_path / "data" / "shop").iterdir()) == ["interactions.csv", "items.csv"]


def test_numbers_are_ids_and_positions_give_the_order(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"user_id": [7, 7], "item_id": [20, 10], "position": [2, 1]})
    domain = import_frame(frame, "shop", tmp_path)
    assert domain.item_ids[domain.history(0)].tolist() == ["10", "20"]
    assert domain.user_ids.tolist() == ["7"]
    assert not (tmp_path / "shop" / "items.csv").exists()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_ids": [1, 2, 3]}, "no column 'item_id'; found user_id, item_ids. Did you mean item_id"),
        ({"item_id": ["tea", None, "cup"]}, "Row 1 of the DataFrame: item_id is empty"),
        ({"timestamp": ["2024-01-01", 1, 2]}, "Row 0 .*: timestamp is not whole Unix seconds or a datetime"),
        ({"timestamp": [1, 2, 2.5]}, r"Row 2 .*: timestamp is not whole Unix seconds .*\(found '2\.5'\)"),
        ({"position": [1, "x", 2]}, "Row 1 .*: position is not a whole number"),
        ({"title": ["Tea", "Cup", "Green tea"]}, "Item 'tea' has different title in different rows"),
    ],
)
def test_a_fault_is_named_with_its_row_and_nothing_is_written(
    columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    kept = {name: values for name, values in ROWS.items() if name != "item_id" or "item_ids" not in columns}
    with pytest.raises(BenchError, match=message):
        import_frame(pandas.DataFrame({**kept, **columns}), "shop", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_frame_without_rows_and_a_name_that_is_taken_are_refused(tmp_path: Path) -> None:
    frame = pandas.DataFrame(ROWS)
    with pytest.raises(BenchError, match="no rows"):
        import_frame(frame[:0], "shop", tmp_path)
    import_frame(frame, "shop", tmp_path)
    with pytest.raises(BenchError, match="already exists"):
        import_frame(frame, "shop", tmp_path)
