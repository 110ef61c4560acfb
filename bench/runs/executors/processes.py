"""Run jobs in processes on this machine, each with a share of the cores and, if available, a GPU.

If there are more workers than GPUs, several share one, and each plans for its share of the memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Self

from bench.lm.memory import SHARE_OF_DEVICE
from bench.runs.executors.job import Outcome, Resources, WorkItem, begin_worker, do, load_libraries
from bench.runs.executors.machine import accelerators, n_cores

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from types import TracebackType

MOST_ATTEMPTS = 3
"""Maximum number of times a job is started if its worker vanishes."""


class Processes:
    """A pool of processes that outlive their jobs, so that each loads libraries and backbones only once.

    If a worker is killed, its pool breaks, and the jobs of the other workers end too. Each of these jobs is restarted
    in a separate process, where it resumes from its checkpoint and cannot affect others.

    The workers start at once and load what every job needs, while this program still plans the jobs.
    """

    def __init__(self, n_workers: int, resources: Resources) -> None:
        self.n_workers, self.resources = n_workers, resources
        self._lock, self._own_pools, self._is_ending = threading.Lock(), list[ProcessPoolExecutor](), False
        self._begun = get_context("spawn").Value("i", 0)
        self._pool = self._new_pool(n_workers)
        for _ in range(n_workers):  # the pool starts a process for each job that finds no idle one
            self._pool.submit(load_libraries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with self._lock:  # from now on, a job whose worker ends is not restarted
            self._is_ending = True
            pools = [self._pool, *self._own_pools]
        # a running future cannot be canceled, and a worker without a job needs a second to unload its libraries
        for process in [process for pool in pools for process in (pool._processes or {}).values()]:
            process.terminate()
        for pool in pools:
            pool.shutdown(cancel_futures=True)

    def begin(self, items: Sequence[WorkItem]) -> list[Future[Outcome]]:
        """Begin jobs."""
        return [self._begin(item) for item in items]

    def _begin(self, item: WorkItem) -> Future[Outcome]:
        result: Future[Outcome] = Future()
        with self._lock:
            try:
                attempt = self._pool.submit(do, item)
            except BrokenProcessPool:
                self._pool = self._new_pool(self.n_workers)
                attempt = self._pool.submit(do, item)
        self._follow(attempt, item, result, 1)
        return result

    def _follow(self, attempt: Future[Outcome], item: WorkItem, result: Future[Outcome], number: int) -> None:
        """Pass on an attempt's outcome, or start again if its worker vanished."""

        def end(attempt: Future[Outcome]) -> None:
            error = attempt.exception()
            if error is None:
                result.set_result(attempt.result())
                return
            with self._lock:
                if self._is_ending or not isinstance(error, BrokenProcessPool) or number == MOST_ATTEMPTS:
                    result.set_exception(error)
                    return
                self._own_pools.append(self._new_pool(1))
                again = self._own_pools[-1].submit(do, item)
            self._follow(again, item, result, number + 1)

        attempt.add_done_callback(end)

    def _new_pool(self, n_workers: int) -> ProcessPoolExecutor:
        context = get_context("spawn")  # a forked process would inherit the locks of this one's threads
        devices = accelerators() if self.resources.gpus else []
        settings = (self.resources, devices, self.n_workers, self._begun)
        return ProcessPoolExecutor(n_workers, context, _begin_worker, settings)


def share_of_machine(n_workers: int) -> Resources:
    """Return the resources of this machine for each of ``n_workers`` workers."""
    return Resources(cpus=max(1, n_cores() // n_workers), gpus=min(1, len(accelerators())))


def _begin_worker(resources: Resources, devices: Sequence[str], n_workers: int, n_begun: Synchronized[int]) -> None:
    """Set a new worker's threads and assign it the next GPU; it ends when this program does."""
    begin_worker(resources.cpus)
    with n_begun.get_lock():
        number = n_begun.value
        n_begun.value += 1
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[number % len(devices)]
        os.environ[SHARE_OF_DEVICE] = str(min(1.0, len(devices) / n_workers))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the program that started this worker, and exit; a killed program cannot stop its workers."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
