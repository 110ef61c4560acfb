from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.checksums import check_recorded, recorded_checksum
from bench.errors import BenchError

RECORDS = st.lists(
    st.binary(max_size=8)
    | st.sampled_from(
        (b"1" * 64, b"aB" * 32, b"  interactions.csv", b" *./interactions.csv", b"\n", b"\r\n", b"#", b"\0")
    )
).map(b"".join)
ONE, OTHER = "1" * 64, "a" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "interactions.csv").write_text("user_id,item_id\n")
    return tmp_path / "shop" / "interactions.csv"


def test_the_record_beside_a_file_comes_before_lists_above_it(file: Path, tmp_path: Path) -> None:
    assert recorded_checksum(file, tmp_path) == ""
    (tmp_path / "SHA256SUMS").write_text(f"# all files\n\n{ONE}  shop/items.csv\n{ONE} *./shop/interactions.csv\n")
    assert recorded_checksum(file) == ""
    assert recorded_checksum(file, tmp_path) == ONE
    (file.parent / "SHA256SUMS").write_text(f"{OTHER.upper()}  interactions.csv\n")
    assert recorded_checksum(file, tmp_path) == OTHER
    file.with_name("interactions.csv.sha256").write_text("2" * 64 + "\n")
    assert recorded_checksum(file, tmp_path) == "2" * 64


@pytest.mark.parametrize("content", [b"", b"\n", b"no checksum\n", b"\xff\xfe\0", b"1" * 63 + b"  interactions.csv\n"])
def test_a_record_that_is_no_checksum_is_told_by_line(file: Path, content: bytes) -> None:
    file.with_name("interactions.csv.sha256").write_bytes(content)
    with pytest.raises(BenchError, match=r"interactions\.csv\.sha256, line 1: "):
        recorded_checksum(file)


def test_a_wrong_line_of_a_list_is_told(file: Path, tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text(f"{ONE}  a\nSHA256 (b) = {ONE}\n")
    with pytest.raises(BenchError, match="SHA256SUMS, line 2: expected a SHA-256 of 64 hexadecimal digits"):
        recorded_checksum(file, tmp_path)


def test_an_expected_checksum_comes_before_every_record(file: Path) -> None:
    file.with_name("interactions.csv.sha256").write_text(ONE)
    check_recorded(file, sha256=OTHER, actual=OTHER)
    with pytest.raises(BenchError, match="has SHA-256 aaaaaaaaaaaa…, expected 111111111111…"):
        check_recorded(file, actual=OTHER)


def check_any_record(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    told = found = ""
    try:
        found = recorded_checksum(folder / "interactions.csv")
    except BenchError as error:
        told = str(error)
    (folder / name).unlink()
    assert told.isprintable()
    assert not told or re.search(rf"{re.escape(name)}, line \d+: ", told)
    assert found.encode() in content.lower()


@given(content=RECORDS, name=st.sampled_from(("SHA256SUMS", "interactions.csv.sha256")))
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_any_record_is_read_or_told_by_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    check_any_record(tmp_path_factory.getbasetemp(), name, content)


@pytest.mark.faults
@pytest.mark.slow
@given(content=RECORDS, name=st.sampled_from(("SHA256SUMS", "interactions.csv.sha256")))
@settings(max_examples=10_000, deadline=None, database=None)
def test_ten_thousand_records_are_read_or_told_by_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    check_any_record(tmp_path_factory.getbasetemp(), name, content)
