"""Import a user's own DataFrame as a dataset: it is written as generic files, which are then imported."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.import_files import import_dataset
from bench.errors import BenchError, did_you_mean

if TYPE_CHECKING:
    import pandas

    from bench.data.domain import Domain

IDS = ("user_id", "item_id")
NUMBERS = ("timestamp", "position")
TEXTS = ("title", "categories")


def import_frame(frame: pandas.DataFrame, name: str, data_dir: Path) -> Domain:
    """Write a DataFrame of interactions as the dataset ``name`` to ``data_dir``, with the same checks as for files.

    The columns are those of the generic files: ``user_id``, ``item_id`` and optionally ``timestamp`` (Unix seconds or
    datetimes), ``position``, ``title`` and ``categories``; others are ignored.

    Returns:
        The domain built from the interactions.

    Raises:
        BenchError: a missing column, an empty id, an invalid time, an item with two titles, or any error of
            :func:`bench.data.import_files.import_dataset`.
    """
    _check_columns(frame)
    with tempfile.TemporaryDirectory() as folder:
        interactions, items = Path(folder) / "interactions.csv", Path(folder) / "items.csv"
        events = {column: _texts(frame[column], column) for column in IDS}
        events |= {column: _integers(frame[column], column) for column in NUMBERS if column in frame}
        _write(interactions, events)
        facts = _facts_of_items(frame.assign(item_id=events["item_id"]))
        if len(facts.columns) > 1:
            _write(items, facts)
        return import_dataset(name, interactions, items if items.exists() else None, data_dir)


def _check_columns(frame: pandas.DataFrame) -> None:
    columns = [str(column) for column in frame.columns]
    for column in IDS:
        if column not in columns:
            raise BenchError(
                f"The DataFrame has no column '{column}'; found {', '.join(columns) or 'none'}."
                f"{did_you_mean(column, columns)} Rename it with DataFrame.rename(columns=...)."
            )
    if frame.empty:
        raise BenchError("The DataFrame has no rows; expected one per interaction.")


def _texts(values: pandas.Series[Any], column: str) -> pandas.Series[Any]:
    texts = values.astype("string")
    _refuse(values, texts.isna() | (texts == ""), f"{column} is empty")
    return texts


def _integers(values: pandas.Series[Any], column: str) -> pandas.Series[Any]:
    """Return integers, keeping missing values; datetimes become Unix seconds."""
    import pandas

    if pandas.api.types.is_datetime64_any_dtype(values):
        utc = pandas.to_datetime(values, utc=True)
        return ((utc - pandas.Timestamp(0, tz="UTC")) // pandas.Timedelta(seconds=1)).astype("Int64")
    numbers = pandas.to_numeric(values, errors="coerce")
    is_wrong = values.notna() & (numbers.isna() | (numbers % 1 != 0))
    expected = "a whole number" if column == "position" else "whole Unix seconds or a datetime (see pandas.to_datetime)"
    _refuse(values, is_wrong, f"{column} is not {expected}")
    return numbers.astype("Int64")


def _facts_of_items(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Return one row per item with its title and categories, if the frame has these columns."""
    columns = [column for column in TEXTS if column in frame]
    facts = frame[["item_id", *columns]].fillna("").drop_duplicates()
    is_repeated = facts["item_id"].duplicated()
    if is_repeated.any():
        item = facts["item_id"][is_repeated].iloc[0]
        raise BenchError(f"Item '{item}' has different {' or '.join(columns)} in different rows; expected the same.")
    return facts


def _refuse(values: pandas.Series[Any], is_wrong: pandas.Series[Any], fault: str) -> None:
    """Raise BenchError for the first invalid row."""
    wrong = values[is_wrong.to_numpy(dtype=bool)]
    if len(wrong):
        raise BenchError(f"Row {wrong.index[0]} of the DataFrame: {fault} (found '{wrong.iloc[0]}').")


def _write(path: Path, columns: Any) -> None:
    import pandas

    pandas.DataFrame(columns).to_csv(path, index=False)
