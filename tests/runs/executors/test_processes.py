"""Worker processes are ready before the first job, and do not outlive a failed plan."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

import pytest

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
