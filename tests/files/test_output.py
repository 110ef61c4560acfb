from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from bench.files.output import require_writable, write_output, written_output


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_text_and_the_permissions_that_the_mask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_output(tmp_path / "folder" / "table.tex", "text\n")
    finally:
        os.umask(before)
    assert (tmp_path / "folder" / "table.tex").read_text() == "text\n"
    assert mode_of(tmp_path / "folder" / "table.tex") == 0o640


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("before")
    path.chmod(0o600)
    write_output(path, "after")
    assert (path.read_text(), mode_of(path)) == ("after", 0o600)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.txt").write_text("before")
    link = tmp_path / "link.txt"
    link.symlink_to("there/real.txt")
    write_output(link, "after")
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.txt").read_text() == "after"
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["real.txt"]


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_output(pipe, "through the pipe")
    reader.join(timeout=10)
    assert read == ["through the pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.skipif(not hasattr(os, "mknod") or os.getuid() != 0, reason="only root makes devices")
def test_a_device_is_written_into_and_stays_a_device(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.open("w").close()
    except PermissionError:
        pytest.skip("no devices can be made or used in this place")
    write_output(device, "into nothing")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_a_hyphen_is_standard_output(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_output(Path("-"), "a table\n")
    assert capsys.readouterr().out == "a table\n"
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(IsADirectoryError), written_output(path):
        tmp_path.write_text("this is a directory")
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["table.csv"]


def test_a_directory_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "results" / "runs")  # it can be made there
    assert list(tmp_path.iterdir()) == []


def test_a_directory_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        require_writable(tmp_path / "file" / "runs")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the device is Linux's")
def test_a_full_device_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_output(Path("/dev/full"), "text")
