from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.files.owner import Owner
from bench.files.store import write_text
from bench.files.temporary import FORGOTTEN_SECONDS, sweep, temporary_path


@pytest.fixture
def gone() -> Owner:
    """A process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return Owner(process.pid, Owner.this_process().machine)


def put(path: Path, age_seconds: float = 0) -> Path:
    path.mkdir()
    (path / "half").write_text("written")
    changed = path.stat().st_mtime - age_seconds
    os.utime(path, (changed, changed))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path, gone: Owner) -> None:
    own, parents = temporary_path(tmp_path / "model"), Owner(os.getppid(), gone.machine)
    put(own)
    put(tmp_path / f".model.{parents}.00000000")
    put(tmp_path / f".model.{gone}.00000000")
    (tmp_path / f".table.csv.{gone}.00000000.csv").write_text("half")
    sweep(tmp_path)
    assert names(tmp_path) == sorted([own.name, f".model.{parents}.00000000"])


@pytest.mark.parametrize("name", [".model.1-00000000.0123abcd", ".0123456789abcdef.k3x_9abc"])
def test_what_no_process_here_owns_is_swept_when_it_is_long_forgotten(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, FORGOTTEN_SECONDS - 3600)
    sweep(tmp_path)
    assert names(tmp_path) == [name]
    os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_other_names_are_never_touched(tmp_path: Path, gone: Owner) -> None:
    kept = [".hidden", ".git", "model", f"model.{gone}.00000000", ".0123456789abcdef.lease", f".model.{gone}"]
    for name in kept:
        os.utime(put(tmp_path / name), (0, 0))
    sweep(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_a_write_sweeps_what_earlier_ones_of_the_same_file_left(tmp_path: Path, gone: Owner) -> None:
    (tmp_path / f".run.json.{gone}.00000000.json").write_text("half")
    (tmp_path / f".other.json.{gone}.00000000.json").write_text("half")
    write_text(tmp_path / "run.json", "whole")
    assert names(tmp_path) == [f".other.json.{gone}.00000000.json", "run.json"]


def test_a_folder_that_is_not_there_has_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path / "missing")
    assert names(tmp_path) == []
