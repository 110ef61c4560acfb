"""Generated files of each format: a well-formed one is read as it was written; a damaged one is read, or one line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bench.data.events import folded, id_fault
from bench.data.importing.convert import Converted, converted
from bench.data.importing.formats import open_table
from bench.data.importing.options import ImportOptions
from bench.errors import BenchError
from tests.support.any_input import damaged, ids, texts

Row = tuple[str, str, int, str]
"""User, item, Unix seconds and title of the item."""
SIGNS = ('"', "\t", "\u2028")
ROWS = st.lists(
    st.tuples(ids(*SIGNS), ids(*SIGNS), st.integers(1_000_000_000, 1_900_000_000), texts(*SIGNS)),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row[1],
)
LONGEST_MESSAGE = 900
HANGS = timedelta(seconds=20)
FEW = settings(max_examples=50, deadline=HANGS, derandomize=True, database=None)
MANY = settings(max_examples=10_000, deadline=HANGS, database=None, suppress_health_check=list(HealthCheck))
PLACE = re.compile(
    r", (line|row) \d+: |cannot be read as Parquet|x\.\S+: |is (damaged|truncated)|cannot be (read|unpacked)"
)
HEADER = ("userId", "asin", "date", "name")


def as_csv(rows: list[Row]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([HEADER, *rows])
    return stream.getvalue().encode()


def as_tsv(rows: list[Row]) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in (HEADER, *rows)).encode()


def as_json_lines(rows: list[Row]) -> bytes:
    return "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows).encode()


def as_atomic(rows: list[Row]) -> bytes:
    header = "user_id:token\titem_id:token\ttimestamp:float\ttitle:token_seq\n"
    return header.encode() + as_tsv(rows).partition(b"\n")[2]


def as_parquet(rows: list[Row]) -> bytes:
    stream = pyarrow.BufferOutputStream()
    columns = {name: [row[place] for row in rows] for place, name in enumerate(HEADER)}
    parquet.write_table(pyarrow.table(columns), stream)
    return bytes(stream.getvalue())


FORMATS: Mapping[str, Callable[[list[Row]], bytes]] = {
    "x.csv": as_csv,
    "x.csv.gz": lambda rows: gzip.compress(as_csv(rows), mtime=0),
    "x.tsv": as_tsv,
    "x.jsonl": as_json_lines,
    "x.inter": as_atomic,
    "x.parquet": as_parquet,
}


def read(path: Path) -> Converted:
    return converted(open_table(path), None, ImportOptions(unordered=True))


def check(name: str, folder: Path, data: st.DataObject) -> None:
    rows = data.draw(ROWS)
    path = folder / name
    path.write_bytes(FORMATS[name](rows))
    _check_whole(read(path), rows)
    path.write_bytes(damaged(data.draw, path.read_bytes()))
    message = ""
    try:
        found = read(path)
    except BenchError as error:
        message = str(error)
    else:
        _check_possible(found)
    assert message.isprintable()
    assert len(message) < LONGEST_MESSAGE
    assert not message or (name in message and PLACE.search(message))


def _check_whole(found: Converted, rows: list[Row]) -> None:
    columns = [found.interactions[name].to_pylist() for name in ("user_id", "item_id", "timestamp")]
    assert list(zip(*columns, strict=True)) == sorted((row[:3] for row in rows), key=lambda row: row[2])
    assert found.items is not None
    titles = dict(zip(found.items["item_id"].to_pylist(), found.items["title"].to_pylist(), strict=True))
    assert titles == {item: folded(title) for _, item, _, title in rows}
    assert any("times: Unix seconds" in remark for remark in found.remarks)


def _check_possible(found: Converted) -> None:
    columns = [column.to_pylist() for column in found.interactions.values()]
    assert len({len(column) for column in columns}) == 1
    assert not any(map(id_fault, {*columns[0], *columns[1]}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any-file")


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@FEW
def test_a_well_formed_file_is_read_and_a_damaged_one_is_read_or_told(
    name: str, folder: Path, data: st.DataObject
) -> None:
    check(name, folder, data)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@MANY
def test_ten_thousand_well_formed_and_damaged_files(name: str, folder: Path, data: st.DataObject) -> None:
    check(name, folder, data)
