from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from bench.files.lease import Lease
from bench.files.owner import Owner
from bench.files.store import ArtifactStore

PROCESSES = get_context("spawn")
ELSEWHERE = Owner(1, "00000000")
"""A process of another machine."""


def quick(path: Path) -> Lease:
    return Lease(path, beat_seconds=0.05, expiry_seconds=0.4)


def silent(_: str) -> None:
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things" / "lease"


@pytest.fixture
def dead_process() -> Owner:
    """A process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return Owner(process.pid, Owner.this_process().machine)


def left_behind(path: Path, owner: Owner) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{owner} 0123456789abcdef host")


def test_a_lease_is_held_by_one_at_a_time(path: Path) -> None:
    first, second = Lease(path), Lease(path)
    assert first.take()
    assert not second.take()
    assert second.is_held()
    first.release()
    assert not second.is_held()
    assert second.take()
    second.release()
    assert list(path.parent.iterdir()) == []


def test_a_living_holder_keeps_its_lease_beyond_the_time_of_expiry(path: Path) -> None:
    first, second = quick(path), quick(path)
    assert first.take()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert not second.take()
        time.sleep(0.05)
    first.release()


def test_the_lease_of_a_process_that_has_ended_is_taken_over_at_once(path: Path, dead_process: Owner) -> None:
    left_behind(path, dead_process)
    lease = Lease(path)
    assert not lease.is_held()
    assert lease.take()
    lease.release()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", [f"{ELSEWHERE} 0123456789abcdef host", ""])
def test_one_of_another_machine_or_not_fully_written_is_taken_over_when_it_is_not_touched(
    path: Path, content: str
) -> None:
    left_behind(path, ELSEWHERE)
    path.write_text(content)
    lease = quick(path)
    assert not lease.take()
    os.utime(path)
    time.sleep(0.2)
    assert not lease.take()
    time.sleep(0.5)
    assert lease.take()
    lease.release()


def test_an_heir_that_died_as_well_is_followed_by_another(path: Path, dead_process: Owner) -> None:
    left_behind(path, dead_process)
    left_behind(path.with_name("lease.heir"), dead_process)
    lease = Lease(path)
    assert lease.take()
    lease.release()
    assert list(path.parent.iterdir()) == []


def test_a_lease_that_was_taken_over_is_not_given_back_by_its_earlier_holder(path: Path) -> None:
    suspended, heir = Lease(path), Lease(path)
    assert suspended.take()
    path.unlink()
    assert heir.take()
    suspended.release()
    assert heir.is_held()
    heir.release()


def test_what_is_done_under_a_lease_is_touched_as_well(path: Path, tmp_path: Path) -> None:
    lease = quick(path)
    (tmp_path / "half").mkdir()
    os.utime(tmp_path / "half", (0, 0))
    lease.touched.append(tmp_path / "half")
    with lease.held("thing", silent):
        time.sleep(0.3)
    assert (tmp_path / "half").stat().st_mtime > 0


def test_whoever_waits_says_for_whom(path: Path) -> None:
    lines: list[str] = []
    first = Lease(path)
    assert first.take()

    def say(line: str) -> None:
        lines.append(line)
        first.release()

    with Lease(path).held("models/0123", say):
        pass
    assert len(lines) == 1
    assert lines[0].startswith(f"waiting for process {os.getpid()} on ")
    assert lines[0].endswith(", which makes models/0123")


def succeed(path: Path, diary: Path) -> None:
    """Hold the lease once, writing down when that begins and ends."""
    with Lease(path).held("thing", silent):
        note(diary, "+")
        time.sleep(0.01)
        note(diary, "-")


def note(diary: Path, sign: str) -> None:
    handle = os.open(diary, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, sign.encode())
    os.close(handle)


def test_one_of_many_heirs_at_once_takes_over(path: Path, tmp_path: Path, dead_process: Owner) -> None:
    left_behind(path, dead_process)
    heirs = [PROCESSES.Process(target=succeed, args=(path, tmp_path / "diary")) for _ in range(6)]
    for heir in heirs:
        heir.start()
    for heir in heirs:
        heir.join()
    assert (tmp_path / "diary").read_text() == "+-" * 6


def work(root: Path, name: str, seconds: float) -> None:
    """Want an artifact whose making writes down that it began, and by whom."""

    def make(folder: Path) -> None:
        (folder / "half").write_text("written")
        note(root / f"made-{name}", f"{os.getpid()}\n")
        time.sleep(seconds)
        (folder / "weights").write_text(f"weights of {name}")

    folder = ArtifactStore(root).get_or_make("adapters", name, make)
    assert (folder / "weights").read_text() == f"weights of {name}"
    note(root / "done", f"{os.getpid()}\n")


def makers(root: Path, name: str) -> list[int]:
    path = root / f"made-{name}"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_of_eight_workers_that_share_artifacts_each_is_made_once_and_once_more_after_a_kill(tmp_path: Path) -> None:
    shared = [PROCESSES.Process(target=work, args=(tmp_path, "shared", 1.5)) for _ in range(4)]
    others = [PROCESSES.Process(target=work, args=(tmp_path, f"own-{number}", 0.1)) for number in range(4)]
    for worker in (*shared, *others):
        worker.start()
    while not makers(tmp_path, "shared"):
        time.sleep(0.01)
    (first,) = makers(tmp_path, "shared")
    os.kill(first, signal.SIGKILL)
    for worker in (*shared, *others):
        worker.join(timeout=60)
    assert sorted(str(worker.exitcode) for worker in shared) == ["-9", "0", "0", "0"]
    assert [worker.exitcode for worker in others] == [0] * 4
    assert len(makers(tmp_path, "shared")) == 2
    assert all(len(makers(tmp_path, f"own-{number}")) == 1 for number in range(4))
    assert len((tmp_path / "done").read_text().splitlines()) == 7
    names = [path.name for path in (tmp_path / "adapters").iterdir()]
    assert len(names) == 5
    assert not any(name.startswith(".") for name in names)
    assert [path for path in (tmp_path / "unfinished").rglob("*") if path.is_file()] == []
