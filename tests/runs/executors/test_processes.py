"""Worker processes are ready before the first job, and do not outlive a failed plan."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable

import pytest

from bench.lm.memory import SHARE_OF_DEVICE
from bench.runs.executors.job import Resources, load_libraries
from bench.runs.executors.processes import Processes

PATIENCE_SECONDS = 60


def has_come(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_all_workers_start_before_the_first_job_is_there() -> None:
    others = set(multiprocessing.active_children())
    with Processes(2, Resources()):
        assert len(set(multiprocessing.active_children()) - others) == 2
    assert has_come(lambda: set(multiprocessing.active_children()) <= others)


def test_a_failure_during_the_planning_ends_workers_that_still_load_libraries() -> None:
    others = set(multiprocessing.active_children())
    with pytest.raises(ValueError, match="no plan"), Processes(2, Resources()):
        raise ValueError("no plan")
    assert has_come(lambda: set(multiprocessing.active_children()) <= others)


def test_workers_end_at_once_when_all_jobs_are_done() -> None:
    with Processes(1, Resources()) as executor:
        executor._pool.submit(load_libraries).result()
        began = time.monotonic()
    assert time.monotonic() - began < 0.5  # an orderly exit with torch loaded takes a second


def device_and_share() -> tuple[str | None, str | None]:
    time.sleep(0.1)  # so that other workers take jobs, too
    return os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get(SHARE_OF_DEVICE)


@pytest.mark.parametrize(
    ("n_workers", "n_gpus", "expected"),
    [
        (4, 1, {("5", "0.5"), ("GPU-ab", "0.5")}),
        (2, 1, {("5", "1.0"), ("GPU-ab", "1.0")}),
        (1, 1, {("5", "1.0")}),
        (2, 0, {("5, GPU-ab", None)}),
    ],
)
def test_workers_take_the_visible_gpus_in_turn_and_share_their_memory(
    monkeypatch: pytest.MonkeyPatch, n_workers: int, n_gpus: int, expected: set[tuple[str, str | None]]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-ab")
    found = set()
    with Processes(n_workers, Resources(gpus=n_gpus)) as executor:

        def have_all_answered() -> bool:
            jobs = [executor._pool.submit(device_and_share) for _ in range(2 * n_workers)]
            found.update(job.result() for job in jobs)
            return found >= expected

        assert has_come(have_all_answered)
    assert found == expected
