from __future__ import annotations

import bz2
import zipfile
from pathlib import Path

import pytest

from bench.data.source_files import SourceFile, check_whole, line_of, read_bytes
from bench.errors import BenchError

METHODS = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}


def archived(path: Path, method: int = zipfile.ZIP_DEFLATED) -> SourceFile:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("u.data", "".join(f"{number}\t1\t5\t{number}\n" for number in range(999)))
    return SourceFile(path, "u.data")


def changed(path: Path, place: int, value: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(value)] = value
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_damage_inside_an_archive_is_one_line(tmp_path: Path, method: int) -> None:
    file = archived(tmp_path / "ml.zip", method)
    assert len(read_bytes(file)) > 999
    changed(file.path, 60, bytes(40))
    with pytest.raises(BenchError, match=r"ml\.zip:u\.data is (damaged \(.*\)|truncated); download it again") as caught:
        read_bytes(file)
    assert "\n" not in str(caught.value)


def test_a_damaged_name_is_not_repeated_at_length(tmp_path: Path) -> None:
    file = archived(tmp_path / "ml.zip")
    changed(file.path, 27, b"\1")  # the name is 256 bytes longer in the archive's header than in its directory
    with pytest.raises(BenchError, match=r"is damaged \(File name in directory 'u\.data' and header .*…\)") as caught:
        read_bytes(file)
    assert len(str(caught.value)) < len(str(file)) + 250


def test_an_encrypted_member_is_one_line(tmp_path: Path) -> None:
    file = archived(tmp_path / "ml.zip")
    changed(file.path, 6, b"\1")
    changed(file.path, file.path.read_bytes().index(b"PK\1\2") + 8, b"\1")
    with pytest.raises(BenchError, match=r"u\.data cannot be unpacked: File 'u\.data' is encrypted.*; unpack it yours"):
        read_bytes(file)


def test_an_unknown_method_is_one_line(tmp_path: Path) -> None:
    file = archived(tmp_path / "ml.zip")
    changed(file.path, 8, b"\x63")
    changed(file.path, file.path.read_bytes().index(b"PK\1\2") + 10, b"\x63")
    with pytest.raises(BenchError, match="cannot be unpacked: That compression method is not supported"):
        read_bytes(file)


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read: Is a directory"):
        read_bytes(SourceFile(tmp_path))


def test_whole_archives_pass_and_damaged_ones_do_not(tmp_path: Path) -> None:
    whole = archived(tmp_path / "ml.zip").path
    check_whole(whole, ".zip")
    (tmp_path / "plain.csv").write_bytes(bz2.compress(b"anything"))
    check_whole(tmp_path / "plain.csv", ".csv")
    changed(whole, 60, b"\0\0\0\0")
    with pytest.raises(BenchError, match=r"ml\.zip is (damaged|truncated)"):
        check_whole(whole, ".zip")


def test_lines_are_counted_whatever_ends_them() -> None:
    assert [line_of(b"a\rb\r\nc\nd", place) for place in (0, 2, 5, 7)] == [1, 2, 3, 4]
