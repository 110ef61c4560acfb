"""Archives have equal bytes for equal content, and a hostile one is refused before anything is written."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.files import archives
from bench.files.archives import unpacked, write_archive

ALLOWED = re.compile(r"things/[a-z]+\.txt")
FILES = {"things/b.txt": b"second", "things/a.txt": b"first"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_archive(tmp_path / "things.zip", "things", FILES, {"made_by": "a test"})
    return tmp_path / "things.zip"


def refusal(path: Path, kind: str = "things") -> str:
    with pytest.raises(BenchError) as caught, unpacked(path, kind, ALLOWED):
        pass
    return str(caught.value)


def rebuilt(path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]], compression: int = 0) -> Path:
    """Write an archive again with other members, as somebody would who does not use bench."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)
    return path


def with_manifest(path: Path, **changes: Any) -> Path:
    def change(members: dict[str, bytes]) -> dict[str, bytes]:
        manifest = {**json.loads(members["manifest.json"]), **changes}
        return {**members, "manifest.json": json.dumps(manifest).encode()}

    return rebuilt(path, change)


def test_files_and_facts_are_read_back(path: Path) -> None:
    with unpacked(path, "things", ALLOWED) as archive:
        assert archive.files == ("things/a.txt", "things/b.txt")
        assert archive.facts == {"made_by": "a test"}
        assert {name: (archive.folder / name).read_bytes() for name in archive.files} == FILES
        folder = archive.folder
    assert not folder.exists()


def test_equal_content_gives_equal_bytes(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    write_archive(other, "things", dict(reversed(FILES.items())), {"made_by": "a test"})
    assert other.read_bytes() == path.read_bytes()


def test_an_archive_that_another_program_compressed_is_read(path: Path) -> None:
    rebuilt(path, lambda members: members, zipfile.ZIP_DEFLATED)
    with unpacked(path, "things", ALLOWED) as archive:
        assert (archive.folder / "things/a.txt").read_bytes() == b"first"


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil.txt", "things/../../evil.txt", "things\\evil.txt", "things/evil.txt\n", "x.txt"]
)
def test_a_file_outside_its_folder_is_refused_and_nothing_is_written(path: Path, name: str, tmp_path: Path) -> None:
    rebuilt(path, lambda members: {**members, name: b"evil"})
    before = sorted(tmp_path.rglob("*"))
    said = refusal(path)
    assert "does not belong there" in said
    assert "\n" not in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_cut_at_a_null_character_is_refused(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"things/b.txt", b"things/b.tx\x00"))
    assert "does not belong there" in refusal(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "runs"}, "it is an archive of runs, expected things"),
        ({"format": 2}, "it has format 2, expected 1: upgrade bench"),
        ({"files": {}}, "things/a.txt is not listed in manifest.json"),
        ({"files": [1]}, "its manifest.json lists no files"),
        ({"files": {"things/a.txt": "0" * 64, "things/b.txt": "0" * 64}}, "the SHA-256 of things/a.txt"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in refusal(with_manifest(path, **changes))


def test_a_missing_or_changed_file_is_named(path: Path) -> None:
    changed = rebuilt(path, lambda members: {**members, "things/b.txt": b"edited"})
    assert "the SHA-256 of things/b.txt is not the one" in refusal(changed)
    missing = rebuilt(path, lambda members: {name: one for name, one in members.items() if name != "things/b.txt"})
    assert "things/b.txt is missing" in refusal(missing)
    bare = rebuilt(path, lambda members: {"things/a.txt": members["things/a.txt"]})
    assert "it has no manifest.json" in refusal(bare)


def test_a_repeated_name_is_refused(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("things/a.txt", "other")
    assert "it contains things/a.txt twice" in refusal(path)


def test_too_many_bytes_or_files_are_refused_before_any_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 100)
    rebuilt(path, lambda members: {**members, "things/z.txt": bytes(10_000)}, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("it was read"))
    assert "GB in total, more than" in refusal(path)
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    assert "it contains 4 files, more than 2" in refusal(path)


def test_a_file_that_states_too_small_a_size_is_refused(path: Path) -> None:
    """The size is stated in the central directory; a bomb says that it is small."""
    rebuilt(path, lambda members: {**members, "things/a.txt": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    while content[at + 46 : at + 46 + 12] != b"things/a.txt":
        at = content.index(b"PK\x01\x02", at + 4)
    content[at + 24 : at + 28] = struct.pack("<I", 5)
    path.write_bytes(content)
    assert "refused" in refusal(path) or "cannot be read" in refusal(path)


def test_an_encrypted_or_oddly_compressed_file_is_refused(path: Path) -> None:
    rebuilt(path, lambda members: members, zipfile.ZIP_LZMA)
    assert "compressed in an unusual way" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_a_mistake_of_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    assert str(tmp_path / "x.zip") in refusal(tmp_path / "x.zip")
    assert "There is no file" in refusal(tmp_path / "missing.zip")


def test_a_failure_leaves_no_incomplete_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_archive(tmp_path / "x.zip", "things", FILES, {})
    assert list(tmp_path.iterdir()) == []
