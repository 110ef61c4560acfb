"""Every reader on generated files: a well-formed one is read as it was written; a damaged one is read, or one line."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data.events import id_fault
from bench.data.readers import amazon, generic_csv, movielens, recbole_atomic
from bench.data.source_files import SourceFile
from bench.errors import BenchError
from tests.support import any_input as made
from tests.support.any_input import ALL, Reader, Written, damaged, plain_events, plain_facts
from tests.support.lenient_readers import rows_of_csv, rows_of_lines

LONGEST_MESSAGE = 600
HANGS = timedelta(seconds=20)
PLACE = re.compile(
    r", line \d+: |(\.gz|ratings\.dat) is (damaged|truncated)|cannot be (read|unpacked)"
    r"|does not contain 'ml-1m/ratings\.dat'"
)
FEW = settings(max_examples=150, deadline=HANGS, derandomize=True, database=None)
MANY = settings(max_examples=10_000, deadline=HANGS, database=None, suppress_health_check=list(HealthCheck))


def events_by(read: Any) -> Any:
    return lambda file: plain_events(read(file))


def facts_by(read: Any) -> Any:
    return lambda file: plain_facts(read(file, ALL))


def gzipped(written: Written) -> Written:
    return replace(written, content=gzip.compress(written.content, mtime=0))


READERS = {
    "csv interactions": Reader("x.csv", events_by(generic_csv.read_interactions), made.csv_interactions()),
    "csv items": Reader("x.csv", facts_by(generic_csv.read_items), made.csv_items()),
    "recbole interactions": Reader("x.inter", events_by(recbole_atomic.read_interactions), made.recbole_interactions()),
    "recbole items": Reader("x.item", facts_by(recbole_atomic.read_items), made.recbole_items()),
    "amazon reviews": Reader("x.json", events_by(amazon.read_reviews), made.reviews()),
    "amazon items 2014": Reader("x.json", facts_by(amazon.read_items_2014), made.meta(2014)),
    "amazon items 2018": Reader("x.json", facts_by(amazon.read_items_2018), made.meta(2018)),
    "movielens ratings": Reader("x.dat", events_by(movielens.read_ratings), made.ratings("::")),
    "movielens 100k ratings": Reader("u.data", events_by(movielens.read_ratings), made.ratings("\t")),
    "movielens 100k items": Reader("u.item", facts_by(movielens.read_items_100k), made.movies_100k()),
    "movielens 1m items": Reader("x.dat", facts_by(movielens.read_items_1m), made.movies("latin-1")),
    "movielens 10m items": Reader("x.dat", facts_by(movielens.read_items_10m), made.movies("utf-8")),
    "zip archive": Reader(
        "x.zip", events_by(movielens.read_ratings), made.archive(), member="ml-1m/ratings.dat", is_sealed=True
    ),
    "gzip": Reader(
        "x.csv.gz", events_by(generic_csv.read_interactions), made.csv_interactions().map(gzipped), is_sealed=True
    ),
}


def check_both(name: str, folder: Path, data: st.DataObject) -> None:
    """Read a well-formed file, which must give what was written, and the same file damaged."""
    reader = READERS[name]
    written = data.draw(reader.written)
    assert reader.read(_file(reader, folder, written.content)) == written.expected
    content = damaged(data.draw, written.content)
    file = _file(reader, folder, content)
    try:
        found = reader.read(file)
    except BenchError as error:
        _check_message(str(error), file)
    else:
        _check_found(name, found, content, written.expected)


def _file(reader: Reader, folder: Path, content: bytes) -> SourceFile:
    path = folder / reader.name
    path.write_bytes(content)
    return SourceFile(path, reader.member)


def _check_message(text: str, file: SourceFile) -> None:
    assert file.path.name in text
    assert PLACE.search(text), text
    assert text.isprintable(), text
    assert len(text) < LONGEST_MESSAGE, text


def _check_found(name: str, found: Any, content: bytes, expected: Any) -> None:
    if READERS[name].is_sealed:
        assert found == expected
    elif isinstance(found, dict):
        _check_events(name, found, content)
    else:
        assert all(item in ALL for facts in found for item in facts)


def _check_events(name: str, found: dict[str, Any], content: bytes) -> None:
    columns = [column for column in found.values() if column is not None]
    assert len({len(column) for column in columns}) == 1
    assert not any(map(id_fault, {*found["users"], *found["items"]}))
    pairs = list(zip(found["users"], found["items"], strict=True))
    if name.startswith("csv"):
        assert pairs == rows_of_csv(content)
    elif name.startswith("movielens"):
        assert pairs == rows_of_lines(content.replace(b"::", b"\t"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any-input")


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@FEW
def test_a_well_formed_file_is_read_and_a_damaged_one_is_read_or_told(
    name: str, folder: Path, data: st.DataObject
) -> None:
    check_both(name, folder, data)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@MANY
def test_ten_thousand_well_formed_and_damaged_files(name: str, folder: Path, data: st.DataObject) -> None:
    check_both(name, folder, data)
